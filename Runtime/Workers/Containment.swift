import CLinux
import Glibc

/// Takes from this process everything that a worker does not need.
///
/// Not promised: that code which wants to break out cannot. The kernel is shared, processor time and memory bandwidth are shared, and a
/// worker with the network may talk to any address that the machine reaches. What is promised is that a function which goes wrong finds no
/// other process, no file, no secret and no way in.
package enum Containment {
    /// How a worker ends that finds its host gone before it began.
    package static let orphanExitCode: Int32 = 69

    /// The names that stay in the environment.
    package static let keptNames = ["TZ", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"]

    /// Applies every measure, once, at the start of a worker, after `WorkerLedger.adopt`. Where the system refuses one, the worker goes on,
    /// and the report says so. Returns only while the host lives.
    ///
    /// Call it before the first thread: capabilities, files and ports are taken from the calling thread and from those it starts later, so
    /// a thread that runs already would keep them. The main function must not be `async`: the runtime starts its pool before the first
    /// line of one. `single-thread` in the report says whether that holds.
    package static func apply(_ profile: ContainmentProfile) -> ContainmentReport {
        var report = ContainmentReport()
        let threads = threadCount() ?? 1
        let kept = keptEnvironment()

        if threads == 1 {
            report.note("single-thread", .active)
            report.note("descriptors", result: swiftlet_close_from(5))
        } else {
            report.note("single-thread", .unavailable("\(threads) threads run already, and keep what they have"))
            report.note("descriptors", .unavailable("they may be in use by other threads"))
        }
        report.note("parent", result: dieWithParent(profile.parent))
        report.note("environment", result: replaceEnvironment(with: kept))
        report.note("no-core", result: swiftlet_keep_memory_private())
        limits(profile, &report)
        report.note("other-processes", result: swiftlet_hide_other_processes())
        user(profile.user, &report)
        report.note("no-new-privileges", result: swiftlet_no_new_privileges())
        capabilities(&report)
        report.note("no-new-code", result: swiftlet_no_new_code())
        landlock(profile, kept: kept, &report)
        report.note("system-calls", result: swiftlet_install_filter(profile.allowsNetwork ? 1 : 0))
        return report
    }

    // MARK: the parent and the environment

    private static func dieWithParent(_ parent: Int32) -> Int32 {
        let result = swiftlet_die_with_parent()
        // It may have died before that call.
        if getppid() != parent { _exit(orphanExitCode) }
        return result
    }

    private static func keptEnvironment() -> [(name: String, value: String)] {
        keptNames.compactMap { name in getenv(name).map { (name, String(cString: $0)) } }
    }

    /// Forgets the environment and sets these names anew. `clearenv` alone would only drop the pointers: the strings stay in memory, and
    /// `/proc/PID/environ` goes on showing them. So they are overwritten where they stand, those that the process started with even when
    /// nothing points to them any more. Copies that somebody made before are not found.
    static func replaceEnvironment(with kept: [(name: String, value: String)]) -> Int32 {
        if let bytes = ProcFile.read(path: "/proc/self/stat"),
            let start = ProcFile.stat(50, of: bytes), let end = ProcFile.stat(51, of: bytes), start < end,
            let count = Int(exactly: end - start), count <= 32 << 20,
            let address = UInt(exactly: start), let memory = UnsafeMutableRawPointer(bitPattern: address)
        {
            memset(memory, 0, count)
        }
        guard swiftlet_forget_environment() == 0 else { return -1 }
        for (name, value) in kept where setenv(name, value, 1) != 0 { return -1 }
        return 0
    }

    // MARK: limits

    private static func limits(_ profile: ContainmentProfile, _ report: inout ContainmentReport) {
        // A write beyond the largest file then fails instead of ending the worker.
        swiftlet_ignore_signal(SIGXFSZ)
        lower("limit-files", SWIFTLET_LIMIT_FILES, UInt64(max(16, profile.openFiles)), &report)
        lower("limit-memory", SWIFTLET_LIMIT_DATA, profile.dataLimit(cores: Int(swiftlet_allowed_cores())), &report)
        lower("limit-file-size", SWIFTLET_LIMIT_FILE_SIZE, 0, &report)
        lower("limit-locked-memory", SWIFTLET_LIMIT_LOCKED, 65_536, &report)
        lower("limit-message-queues", SWIFTLET_LIMIT_QUEUES, 0, &report)
        lower("limit-realtime", SWIFTLET_LIMIT_REALTIME, 0, &report)
        if profile.user == nil {
            report.note("limit-threads", .skipped("needs a user that only workers have"))
        } else {
            lower("limit-threads", SWIFTLET_LIMIT_THREADS, 4096, &report)
        }
    }

    private static func lower(_ name: String, _ which: some BinaryInteger, _ value: UInt64, _ report: inout ContainmentReport) {
        report.note(name, result: swiftlet_lower_limit(Int32(which), value))
    }

    // MARK: privileges

    private static func user(_ user: ContainmentProfile.User?, _ report: inout ContainmentReport) {
        guard let user else { return report.note("user", .skipped("no user was named")) }
        guard geteuid() == 0 else { return report.note("user", .unavailable("only root can change to another user")) }
        // While it is still allowed.
        if swiftlet_drop_bounding_capabilities() != 0 {
            report.note("bounding-capabilities", .unavailable(errorText(errno)))
        }
        guard swiftlet_become(user.uid, user.gid) == 0 else { return report.note("user", result: -1) }
        guard getuid() == user.uid, geteuid() == user.uid, getgid() == user.gid, getegid() == user.gid,
            user.uid == 0 || setuid(0) != 0
        else { return report.note("user", .unavailable("the change did not hold")) }
        report.note("user", .active)
        // The kernel forgets both when the user changes. The parent was found alive already; a new one would be a change of `getppid`.
        if swiftlet_die_with_parent() != 0 { report.note("parent after the change", .unavailable(errorText(errno))) }
        if swiftlet_keep_memory_private() != 0 { report.note("no-core after the change", .unavailable(errorText(errno))) }
    }

    private static func capabilities(_ report: inout ContainmentReport) {
        // Without a program to start, the bounding set no longer matters; it is dropped all the same where that is allowed.
        if geteuid() == 0, swiftlet_drop_bounding_capabilities() != 0 {
            report.note("bounding-capabilities", .unavailable(errorText(errno)))
        }
        guard swiftlet_drop_capabilities() == 0 else { return report.note("capabilities", result: -1) }
        report.note("capabilities", swiftlet_holds_capabilities() == 0 ? .active : .unavailable("some are still held"))
    }

    private static func threadCount() -> UInt64? {
        ProcFile.read(path: "/proc/self/stat").flatMap { ProcFile.stat(20, of: $0) }
    }

    // MARK: files and ports

    /// What may be read: libraries, name lookup, certificates, time zones, and what the C library and the runtime ask about the machine.
    /// Not all of `/etc/ssl`: private keys live there. The kernel remembers the files that are there now: a worker does not see an
    /// `/etc/resolv.conf` that is *replaced* later (one that is rewritten, it does).
    static let readablePaths = [
        "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache",
        "/etc/resolv.conf", "/run/systemd/resolve", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
        "/etc/services", "/etc/protocols",
        "/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem",
        "/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust/extracted", "/etc/crypto-policies", "/usr/share/crypto-policies",
        "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/usr/share/publicsuffix",
        "/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo", "/usr/share/locale",
        "/dev/urandom", "/dev/random", "/dev/zero",
        // libdispatch looks after its threads through `/proc/THREAD/stat`, and stops the process when it cannot. Those are not there yet,
        // so all of `/proc` it is. Landlock itself keeps the private part of other processes closed, and `other-processes` hides them.
        "/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup",
        "/sys/kernel/mm/transparent_hugepage",
    ]

    private static func landlock(
        _ profile: ContainmentProfile, kept: [(name: String, value: String)], _ report: inout ContainmentReport
    ) {
        let version = swiftlet_landlock_version()
        guard version > 0 else {
            report.note("files", .unavailable("no Landlock: \(errorText(errno))"))
            return report.note("ports", .unavailable("no Landlock"))
        }
        let rules = swiftlet_landlock_rules(version, profile.allowsNetwork ? 1 : 0)
        guard rules >= 0 else {
            report.note("files", result: -1)
            return report.note("ports", .unavailable("no Landlock rules"))
        }
        defer { close(rules) }
        for path in readablePaths { _ = swiftlet_landlock_allow(rules, path, 0) }  // Few systems have all of them.
        _ = swiftlet_landlock_allow(rules, "/dev/null", 1)
        for (name, value) in kept where name == "SSL_CERT_FILE" || name == "SSL_CERT_DIR" || name == "CURL_CA_BUNDLE" {
            for path in value.split(separator: ":") { _ = swiftlet_landlock_allow(rules, String(path), 0) }
        }
        for path in profile.readable where swiftlet_landlock_allow(rules, path, 0) != 0 {
            report.note("readable \(path)", .unavailable(errorText(errno)))
        }
        guard swiftlet_landlock_enforce(rules) == 0 else {
            report.note("files", result: -1)
            return report.note("ports", .unavailable("no Landlock rules"))
        }
        report.note("files", .active)
        report.note("ports", version >= 4 ? .active : .unavailable("Landlock \(version); version 4 knows ports"))
        report.note("signals", version >= 6 ? .active : .unavailable("Landlock \(version); version 6 knows signals"))
    }
}
