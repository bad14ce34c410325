extension MaliciousWords {
    struct List {
        let words: String
        let give: (inout Roles) -> Void
    }

    private static func sql(_ role: SQLClass, _ words: String) -> List { List(words: words) { $0.sql = role } }
    private static func shell(_ role: ShellRole, _ words: String) -> List { List(words: words) { $0.shell = role } }
    private static func code(_ role: CodeRole, _ words: String) -> List { List(words: words) { $0.code = role } }
    private static func tag(_ role: TagRole, _ words: String) -> List { List(words: words) { $0.tag = role } }

    static var lists: [List] { queries + shells + scripts + prompts }

    private static var queries: [List] {
        [
            sql(.union, "union intersect except"),
            sql(.all, "all distinct distinctrow"),
            sql(.select, "select"),
            sql(.from, "from"),
            sql(.where, "where"),
            sql(.logic, "or and xor"),
            sql(.not, "not"),
            sql(.compare, "like rlike regexp glob ilike between in is sounds div mod exists similar"),
            sql(.unary, "binary collate"),
            sql(.null, "null true false unknown current_user current_date current_timestamp session_user system_user"),
            sql(.order, "order group"),
            sql(.by, "by"),
            sql(.having, "having"),
            sql(.limit, "limit offset"),
            sql(.into, "into"),
            sql(.insert, "insert replace merge"),
            sql(.update, "update"),
            sql(.delete, "delete"),
            sql(.set, "set"),
            sql(.values, "values"),
            sql(.drop, "drop alter truncate create rename"),
            sql(.object, "table tables database databases view index schema trigger column user users role login function"),
            sql(.exec, "exec execute shutdown handler load"),
            sql(.declare, "declare"),
            sql(.procedure, "procedure"),
            sql(.delay, "waitfor"),
            sql(.file, "outfile dumpfile infile"),
            sql(.conditional, "case when then else"),
            sql(.alias, "as"),
            sql(.kind, "int integer bigint text json jsonb numeric varchar nvarchar regclass double xml bytea"),
            sql(.join, "join inner outer natural"),
            sql(.using, "using"),
            sql(
                .system,
                """
                information_schema sysobjects syscolumns sysusers sysdatabases all_tables all_users all_tab_columns user_tables dba_users pg_catalog
                pg_user pg_shadow pg_tables pg_class sqlite_master sqlite_schema sqlite_temp_master msysaccessobjects mysqlusers table_name
                table_schema column_name schema_name v$version syslogins rdb$database sys_context group_concat
                """),
            sql(
                .sharp,
                """
                benchmark pg_sleep load_file extractvalue updatexml utl_inaddr utl_http dbms_pipe dbms_lock dbms_ldap xp_cmdshell xp_dirtree
                xp_regread xp_fileexist sp_executesql sp_password sp_oacreate sp_makewebtask json_keys randomblob load_extension lo_import
                lo_export lo_get pg_read_file pg_ls_dir make_set row_count analyse gtid_subset gtid_subtract dbms_xmlgen ctxsys
                aes_decrypt aes_encrypt des_encrypt xmltype name_const json_depth json_extract openrowset sys_eval sys_exec elt concat_ws
                unhex lpad rpad ifnull nvl2 starts_with query_to_xml xmltype to_base64 from_base64 utl_raw generate_series
                """),
            sql(
                .function,
                """
                sleep concat char chr nchar substring substr mid ascii ord hex bin version database count cast convert if md5 sha1 sha sha2
                sin cos tan pi rand floor ceil abs sign sqrt pow power exp log coalesce nullif isnull iif instr locate position lower upper
                reverse trim ltrim rtrim strcmp conv oct sum avg min max least greatest length len char_length now sysdate curdate user_name
                db_name object_id host_name uuid random randomblob date_format row column_get space repeat quote password compress
                encode decode upper lower extract total_changes sqlite_version unicode typeof left right field
                """),
        ]
    }

    private static var shells: [List] {
        [
            shell(
                .command,
                """
                ls whoami wget curl nc ncat netcat bash sh zsh ksh csh tcsh dash fish ifconfig nslookup uname pwd chmod chown chgrp rm cp mv
                mkdir rmdir sed awk gawk nawk grep egrep fgrep xargs perl python python2 python3 ruby php node lua tclsh gcc cc c89 c99 telnet ssh
                scp sftp rsync tftp socat printf passwd usermod useradd adduser groupadd crontab systemctl iptables tcpdump nmap netstat ss
                hostname dmesg lsof ps printenv getent zcat bzcat xzcat zstdcat tac nl od xxd hexdump base64 base32 busybox
                bzip2 unzip mkfifo mknod ln dd tee ncftp lynx w3m axel aria2c openssl gpg rev sha256sum md5sum
                ping6 traceroute dig arp ifup route ip iwconfig mysql psql sqlite3 mongo redis-cli chroot strace gdb perf visudo chsh chfn
                apt yum dnf rpm dpkg pacman cpan lastlogin ll ansible chef knife puppet
                agetty ash aspell awk base58 basenc basez bpftrace byebug bzip2 capsh cdist choom clamscan cobc cowsay cpio cpulimit csplit
                csvtool cupsfilter datamash debugfs dmidecode dmsetup dos2unix dosbox easyrsa elvish enscript espeak exiftool fping gcore
                genisoimage gtester hping3 iconv iftop irb ispell jjs journalctl jq jrunscript ksshell ksu latexmk ldconfig ldd lftp loginctl
                ltrace lualatex luatex lwp mawk minicom mtr nasm nft nroff nsenter openvpn openvt opkg pandoc pdflatex pdftex
                perlbug pexec pidstat pkexec pry psftp ptx rake readelf rlogin rpmquery rtorrent rview rvim sash
                scanmem scrot shuf slsh smbclient soelim sshpass sysctl taskset tbl tdbtool tic tmate torify troff tshark unexpand
                unshare unsquashfs uudecode uuencode valgrind vigr vipw virsh w3c wireshark xdotool xelatex xetex xmodmap xz yash zathura
                zypper zsoelim zip gunzip bunzip2 lzma unlzma xzgrep zgrep zless zmore msgattrib msgcat ntfsmount fusermount
                killall pkill pgrep fsck mkfs mount umount fdisk insmod rmmod modprobe at batch screen tmux rlwrap stty tty setfacl
                """),
            shell(
                .talk,
                """
                id cat echo sleep ping sort find env time test head tail cut more less who w last top make which kill touch file date host
                export read alias eval exec source unset exit set su watch uniq diff join split look column open cd finger mail write
                reboot halt shutdown poweroff service init strings ex view users groups logname uptime free df du locate whereis wc paste fold
                vim vi ed emacs nano tar gzip docker kubectl npm pip pip3 gem aws gcloud git yarn make install task snap rc julia octave terraform vagrant composer wall whois
                expand tr yes true false jobs bg fg history trap wait nice renice logger man info apropos whatis fmt pr
                """),
            shell(.prefix, "sudo nohup doas setsid stdbuf timeout command builtin ionice"),
            shell(
                .windows,
                """
                dir ipconfig systeminfo sysinfo tasklist taskkill netsh net type reg wmic certutil bitsadmin mshta rundll32 regsvr32 powershell pwsh cmd
                copy xcopy robocopy del erase schtasks cscript wscript cacls icacls attrib ver msiexec bcdboot bcdedit vssadmin nltest
                dsquery arp nbtstat tracert pathping findstr assoc ftype fsutil diskpart
                """),
            shell(.folder, "etc bin sbin usr proc var tmp root dev home opt windows winnt system32 inetpub sys"),
            shell(
                .file,
                """
                passwd shadow gshadow sudoers boot win hosts environ cmdline sam id_rsa id_dsa authorized_keys htpasswd htaccess bash_history
                my httpd apache2 php access_log error_log fstab issue crontab
                """),
            shell(
                .runs,
                """
                system shell_exec passthru popen proc_open pcntl_exec backticks call_user_func create_function assert child_process
                execsync spawnsync spawn execfile processbuilder getruntime base64_decode preg_replace fsockopen phpinfo
                file_get_contents fopen readfile file_put_contents unserialize
                """),
            shell(
                .verb,
                """
                invoke get new start stop remove add import out convertto convertfrom clear rename resolve register restart resume suspend
                enable disable update send receive enter measure compare trace push pop limit checkpoint complete connect disconnect debug
                unregister undo test move format foreach where
                """),
            shell(
                .noun,
                """
                childitem content process service item itemproperty expression webrequest restmethod eventlog wmiobject wmimethod ciminstance
                psdrive psprovider pssession pssnapin gridview securestring executionpolicy hotfix clixml transcript acl
                membertype breakpoint tracesource computerrestore psbreakpoint psjob psdebug uiculture restorecomputer
                scheduledtask localuser localgroup adcomputer aduser netfirewallrule mppreference itemproperty object
                """),
            shell(
                .mail,
                "examine subscribe unsubscribe lsub expunge capability logout authenticate mail rcpt data helo ehlo quit noop rset vrfy expn starttls append search fetch login select top retr list dele stat uidl"
            ),
            shell(.loop, "for"),
            shell(.keyword, "cmdshell metasploit meterpreter"),
        ]
    }

    private static var scripts: [List] {
        [
            code(
                .reflection,
                """
                __class__ __mro__ __subclasses__ __bases__ __base__ __init__ __globals__ __builtins__ __import__ __proto__ __getattribute__
                __dict__ __self__ __code__ __func__ getclass forname getruntime getmethod newinstance constructor subclasses mro
                _templatereference__context _self classloader processbuilder scriptenginemanager getenginebyname registerundefinedfiltercallback
                _nsattr__parent _with_template _mmarker _load mainmodule __nosuchmethod__ __definegetter__ __lookupgetter__ protectiondomain
                getengine freemarker objectconstructor lipsum cycler joiner __loader__ _fields_set ognl _memberaccess ognlcontext
                """),
            code(.popup, "alert prompt confirm"),
            code(
                .evaluates,
                """
                eval settimeout setinterval setimmediate execscript fromcharcode globaleval innerhtml outerhtml insertadjacenthtml
                importscripts appendchild createelement atob unescape decodeuricomponent evaluate function
                """),
            code(.browser, "document window self top parent frames globalthis location navigator this history opener"),
            code(
                .loot,
                "cookie domain write writeln location localstorage sessionstorage open execcommand queryselector body defaultview assign"
            ),
            code(
                .document,
                "gt gte lt lte ne nin eq in where regex exists or and nor not expr elemmatch func mod type size all comment function accumulator jsonschema text"
            ),
            code(.lookup, "jndi env sys lower upper ctx java main bundle date base64 map web docker k8s log4j"),
            code(.scheme, "javascript vbscript livescript jscript mocha vbs jar mhtml"),
            code(.wrapper, "php gopher dict expect phar zip rar ogg glob zlib file netdoc ldap ldaps rmi iiop local_file sftp"),
            code(
                .header,
                """
                cookie location type length refresh host encoding link control origin protection referer forwarded disposition
                connection server header
                """),
            code(
                .attribute,
                "srcdoc formaction attributename datasrc datafld dataformatas dynsrc lowsrc equiv xlink style href src implementation"
            ),
            code(
                .template,
                """
                config request session app settings self dump range system popen exec import include require process global root env file
                open read passthru filter attr join map sort reduce os subprocess runtime namespace
                get_user_file url_for get_flashed_messages dict cat array_map constant invoke getattr print sleep
                """),
            tag(
                .active,
                """
                script iframe object embed applet frame frameset meta base link xss isindex bgsound layer ilayer svg math style xml import
                foreignobject handler listener vmlframe animate set html body
                """),
            tag(
                .plain,
                """
                img image input button form video audio source details marquee select textarea keygen div span table td th tr a p b i br
                title head center h1 h2 font ul li template noscript title plaintext xmp comment param use
                """),
        ]
    }
}
