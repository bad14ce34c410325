import CLinux
import CProbe
import Glibc
import SwiftletWorkers

extension Probe {
    /// Words: mode, parent, network, user, port of a listener on loopback, a file to try to read.
    static func facts(_ words: [String]) {
        fact("descriptors", openDescriptors().map { "\($0)" }.joined(separator: ","))
        var byte: UInt8 = 0
        fact("input", "\(read(0, &byte, 1))")
        fact("group", getpgrp() == getpid() ? "own" : "shared")
        fact("name", CommandLine.arguments[0])
        fact("environment", strings("/proc/self/environ").joined(separator: "|"))
        for line in text("/proc/self/status").split(separator: "\n") {
            for name in ["SigBlk", "SigIgn"] where line.hasPrefix(name + ":") {
                fact(name, String(line.dropFirst(name.count + 1).drop { $0 == "\t" }))
            }
        }
        let marker = getenv("CANARY")
        let report = contain(words)
        for line in report.lines { fact("measure", line) }

        fact("marker", marker.map { String(cString: $0) } ?? "")
        fact("getenv", getenv("CANARY") == nil ? "gone" : "there")
        fact("zone", getenv("TZ").map { String(cString: $0) } ?? "")
        fact("dumpable", "\(swiftlet_is_dumpable())")
        fact("capabilities", "\(swiftlet_holds_capabilities())")
        fact("users", "\(getuid()) \(geteuid()) \(getgid()) \(getegid()) \(getgroups(0, nil))")
        tryCalls()
        fact("clone3", name(probe_clone3()))
        fact("openat2", name(probe_openat2()))
        fact("to-itself", name(Int(kill(getpid(), 0))))
        for path in [
            "/etc/shadow", words[5], "/proc/1/cmdline", "/proc/\(words[1])/environ", "/etc/ssl/private", "/root", "/etc/hosts",
            "/dev/urandom",
        ] {
            fact("read \(path)", reading(path))
        }
        fact("write-null-input", opening("/dev/null", O_RDONLY))
        fact("code", executableMemory())
        fact("large-file", largeFile())
        fact("thread", thread())
        fact("events", probe_event_loop() == 1 ? "done" : name(-Int(errno)))
        fact("routes", name(Int(routes())))
        let port = words[4]
        fact("lookup", connect(port, names: true))
        fact("connect", connect(port, names: false))
        fact("zone-file", reading("/usr/share/zoneinfo/UTC"))
        // The pool's threads begin only now, under everything above.
        Task.detached {
            async let first = 20 + 1
            async let second = Task.detached { 20 + 1 }.value
            fact("tasks", "\(await first + second)")
            fact("capabilities in a task", "\(swiftlet_holds_capabilities())")
            fact("read \(words[5]) in a task", reading(words[5]))
            // libdispatch reads this every second, and gives up the process when it cannot.
            fact("its own thread", reading("/proc/\(probe_thread())/stat"))
            fact("done", "yes")
            exit(0)
        }
        while true { pause() }
    }

    static func tryCalls() {
        var index: Int32 = 0
        while true {
            var called: UnsafePointer<CChar>?
            let result = probe_try(index, &called)
            guard let called else { return }
            fact("call \(String(cString: called))", name(result))
            index += 1
        }
    }

    static func fact(_ name: String, _ value: String) { say("\(name)=\(value)") }

    static func name(_ result: Int) -> String {
        let code = result == -1 && errno != 0 ? Int(errno) : -result
        guard result < 0 else { return "done" }
        switch Int32(code) {
        case EPERM: return "EPERM"
        case EACCES: return "EACCES"
        case ENOSYS: return "ENOSYS"
        default: return "error \(code)"
        }
    }

    static func opening(_ path: String, _ flags: Int32) -> String {
        let descriptor = open(path, flags)
        guard descriptor >= 0 else { return name(-Int(errno)) }
        close(descriptor)
        return "done"
    }

    static func reading(_ path: String) -> String { opening(path, O_RDONLY) }

    static func text(_ path: String) -> String { strings(path).joined() }

    static func strings(_ path: String) -> [String] {
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = read(descriptor, &bytes, bytes.count)
        return bytes.prefix(max(0, count)).split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    static func executableMemory() -> String {
        guard let memory = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), memory != MAP_FAILED
        else {
            return "no memory"
        }
        return mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0 ? "done" : name(-Int(errno))
    }

    static func largeFile() -> String {
        let descriptor = swiftlet_shared_memory("probe", 4096)
        return descriptor >= 0 ? "done" : name(-Int(errno))
    }

    static func thread() -> String {
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, { _ in UnsafeMutableRawPointer(bitPattern: 42) }, nil)
        guard code == 0 else { return "error \(code)" }
        var result: UnsafeMutableRawPointer?
        pthread_join(thread, &result)
        return result == UnsafeMutableRawPointer(bitPattern: 42) ? "done" : "wrong"
    }

    /// What the name lookup asks for this machine's addresses.
    static func routes() -> Int32 {
        var list: UnsafeMutablePointer<ifaddrs>?
        defer { freeifaddrs(list) }
        return getifaddrs(&list)
    }

    static func connect(_ port: String, names: Bool) -> String {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_family = names ? AF_UNSPEC : AF_INET
        hints.ai_flags = names ? AI_ADDRCONFIG : AI_NUMERICHOST
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(names ? "localhost" : "127.0.0.1", port, &hints, &list)
        guard code == 0 else { return "lookup \(code)" }
        defer { freeaddrinfo(list) }
        if names { return list == nil ? "nothing" : "done" }
        guard let address = list?.pointee else { return "nothing" }
        let descriptor = socket(address.ai_family, address.ai_socktype, address.ai_protocol)
        guard descriptor >= 0 else { return name(-Int(errno)) }
        defer { close(descriptor) }
        return Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 ? "done" : name(-Int(errno))
    }
}
