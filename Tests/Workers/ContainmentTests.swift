import CLinux
import Foundation
import Glibc
import Testing

@testable import SwiftletWorkers

/// What a contained probe found out about itself. One with the network, one without, one as another user.
private struct Contained {
    let facts: [String: String]
    let port: UInt16

    static let networked = Result { try Contained(network: true, user: 0) }
    static let closed = Result { try Contained(network: false, user: 0) }
    static let other = Result { try Contained(network: false, user: 65534) }
    /// The same calls by a process that gave nothing up.
    static let free = Result { try ProbeProcess("control").facts() }

    init(network: Bool, user: Int) throws {
        let listener = try Listener()
        port = listener.port
        let probe = try ProbeProcess(
            "facts", "\(getpid())", network ? "1" : "0", "\(user)", "\(listener.port)", #filePath,
            environment: ["CANARY": "feathers", "TZ": "UTC", "SWIFT_BACKTRACE": "enable=no"])
        facts = probe.facts()
    }

    func has(_ measure: String) -> Bool { measures.contains("\(measure): active") }
    var measures: [String] { facts["measure"]?.split(separator: "\n").map(String.init) ?? [] }
}

private let landlock = swiftlet_landlock_version()
private let isRoot = geteuid() == 0

@Suite struct ContainmentTests {
    @Test func `every measure is reported, and none is missing on a kernel that has them`() throws {
        let contained = try Contained.closed.get()
        #expect(contained.facts["done"] == "yes")
        for name in [
            "single-thread", "descriptors", "parent", "environment", "no-core", "limit-files", "limit-memory", "limit-file-size",
            "limit-locked-memory", "limit-message-queues", "limit-realtime", "no-new-privileges", "capabilities", "system-calls",
        ] { #expect(contained.has(name), "\(name)") }
        #expect(
            contained.measures.contains { $0.hasPrefix("files: ") } && contained.measures.contains { $0.hasPrefix("ports: ") })
        #expect(contained.measures.contains("user: skipped (no user was named)"))
    }

    @Test func `calls that reach beyond the worker are refused, and were possible before`() throws {
        for contained in [try Contained.networked.get(), try Contained.closed.get(), try Contained.other.get()] {
            let calls = contained.facts.filter { $0.key.hasPrefix("call ") }
            #expect(calls.count > 70)
            #expect(calls.filter { $0.value != "EPERM" }.map { "\($0.key): \($0.value)" } == [])
            #expect(contained.facts["clone3"] == "ENOSYS")
            #expect(contained.facts["openat2"] == "ENOSYS")
            #expect(contained.facts["to-itself"] == "done")
        }
        // Otherwise the refusals above would prove nothing. The leader of a group cannot begin a session in any case; without root, much
        // is refused to begin with.
        guard isRoot else { return }
        let possible = try Contained.free.get().filter { $0.key.hasPrefix("call ") }
        #expect(possible.count > 70)
        #expect(possible.filter { $0.value == "EPERM" }.keys.sorted() == ["call setsid"])
    }

    @Test func `threads, tasks, event loops and the clock's files go on working`() throws {
        for contained in [try Contained.networked.get(), try Contained.closed.get(), try Contained.other.get()] {
            #expect(contained.facts["thread"] == "done")
            #expect(contained.facts["tasks"] == "42")
            #expect(contained.facts["events"] == "done")
            #expect(contained.facts["write-null-input"] == "done")
            #expect(contained.facts["read /etc/hosts"] == "done")
            #expect(contained.facts["read /dev/urandom"] == "done")
        }
    }

    @Test func `names and connections work with the network, and not without`() throws {
        let networked = try Contained.networked.get()
        #expect(networked.facts["lookup"] == "done")
        #expect(networked.facts["routes"] == "done")
        let closed = try Contained.closed.get()
        #expect(closed.facts["connect"] == "EPERM")
        #expect(closed.facts["routes"] == "EPERM")
    }

    @Test func `a connection on loopback is made with the network`() throws {
        let listener = try Listener()
        let probe = try ProbeProcess("facts", "\(getpid())", "1", "0", "\(listener.port)", #filePath)
        #expect(probe.facts()["connect"] == "done")
    }

    @Test(.enabled(if: landlock > 0, "this kernel has no Landlock: files are guarded by their owner only"))
    func `no file of the machine or of the product can be read, by threads that come later neither`() throws {
        for contained in [try Contained.networked.get(), try Contained.closed.get(), try Contained.other.get()] {
            for path in ["/etc/shadow", #filePath, "/root"] {
                #expect(contained.facts["read \(path)"] == "EACCES", "\(path)")
            }
            #expect(contained.facts["read \(#filePath) in a task"] == "EACCES")
        }
        if isRoot, FileManager.default.fileExists(atPath: "/etc/ssl/private") {
            #expect(try Contained.closed.get().facts["read /etc/ssl/private"] == "EACCES")
        }
    }

    @Test(.enabled(if: landlock > 0, "this kernel has no Landlock"))
    func `other processes are closed, and hidden where that is possible`() throws {
        for contained in [try Contained.networked.get(), try Contained.closed.get(), try Contained.other.get()] {
            let hidden = contained.has("other-processes")
            let secret = contained.facts["read /proc/\(getpid())/environ"]
            #expect(hidden ? secret == "error \(ENOENT)" : secret == "EACCES")
            if hidden { #expect(contained.facts["read /proc/1/cmdline"] == "error \(ENOENT)") }
            #expect(contained.facts["its own thread"] == "done")
        }
    }

    @Test func `nothing can be written and no code made`() throws {
        let contained = try Contained.closed.get()
        #expect(contained.facts["call open-write"] == "EPERM")
        #expect(contained.facts["call open-create"] == "EPERM")
        #expect(contained.facts["large-file"] == "error \(EFBIG)")
        if contained.has("no-new-code") { #expect(contained.facts["code"] == "EACCES") }
    }

    @Test func `the environment is overwritten where it stood, but for the time zone`() throws {
        let contained = try Contained.closed.get()
        #expect(contained.facts["environment"] == "CANARY=feathers|SWIFT_BACKTRACE=enable=no|TZ=UTC", "before")
        #expect(contained.facts["marker"] == "", "an old pointer finds nothing")
        #expect(contained.facts["getenv"] == "gone")
        #expect(contained.facts["zone"] == "UTC")
    }

    @Test(.enabled(if: isRoot, "only root may look into another process"))
    func `nothing of the environment, no core file and few limits show from outside`() throws {
        let probe = try ProbeProcess("hold", "\(getpid())", "0", "0", environment: ["CANARY": "feathers", "TZ": "UTC"])
        #expect(probe.hear() == "ready")
        let place = "/proc/\(probe.worker.pid)"
        let environment = try Data(contentsOf: URL(fileURLWithPath: place + "/environ"))
        #expect(environment.allSatisfy { $0 == 0 })
        let limits = try String(contentsOfFile: place + "/limits", encoding: .utf8).split(separator: "\n")
        func limit(_ name: String) -> [Substring] {
            limits.first { $0.hasPrefix(name) }?.dropFirst(26).split(separator: " ").prefix(2).map { $0 } ?? []
        }
        #expect(limit("Max core file size") == ["0", "0"])
        #expect(limit("Max file size") == ["0", "0"])
        #expect(limit("Max open files") == ["256", "256"])
        let data = ContainmentProfile(parent: 0, memoryBytes: 64 << 20, allowsNetwork: false).dataLimit(
            cores: Int(swiftlet_allowed_cores()))
        #expect(limit("Max data size") == ["\(data)", "\(data)"])
    }

    @Test func `memory is private and no capability is left`() throws {
        for contained in [try Contained.closed.get(), try Contained.other.get()] {
            #expect(contained.facts["dumpable"] == "0")
            #expect(contained.facts["capabilities"] == "0")
            #expect(contained.facts["capabilities in a task"] == "0")
        }
    }

    @Test(.enabled(if: isRoot, "only root can change to another user"))
    func `a user of its own is taken for good`() throws {
        let contained = try Contained.other.get()
        #expect(contained.facts["users"] == "65534 65534 65534 65534 0")
        #expect(contained.has("user") && contained.has("limit-threads"))
    }

    @Test(arguments: [("abort", SIGABRT), ("raise", SIGTERM), ("trap", SIGILL)])
    func `it can still end itself, with the right signal`(word: String, number: Int32) throws {
        #if !arch(x86_64)
            let number = word == "trap" ? SIGTRAP : number
        #endif
        let end = try ProbeProcess("ended", "\(getpid())", "0", "0", word).end()
        #expect(end == .signalled(number: number, name: WorkerExit.signalName(number)))
    }

    #if arch(x86_64)
        @Test(arguments: ["other-table", "other-architecture"]) func `another table of calls ends it`(word: String) throws {
            let end = try ProbeProcess("ended", "\(getpid())", "0", "0", word).end()
            #expect(end == .signalled(number: SIGSYS, name: "SIGSYS"))
        }
    #endif

    @Test func `a leak ends at the limit`() throws {
        let end = try ProbeProcess("leak", "\(getpid())", "0", "0").end()
        #expect(end == .signalled(number: SIGABRT, name: "SIGABRT"))
    }

    @Test func `the memory limit leaves room for stacks and does not overflow`() {
        var profile = ContainmentProfile(parent: 1, memoryBytes: 320 << 20, allowsNetwork: false)
        #expect(profile.dataLimit(cores: 2) == UInt64((320 + 256 + 32) << 20))
        #expect(profile.dataLimit(cores: 0) == UInt64((320 + 256 + 16) << 20))
        profile.memoryBytes = .max
        #expect(profile.dataLimit(cores: .max) == UInt64(Int.max))
        profile.memoryBytes = -1
        #expect(profile.dataLimit(cores: 1) == UInt64((256 + 16) << 20))
    }

    @Test func `a report has one line for each measure`() {
        var report = ContainmentReport()
        report.note("files", .active)
        report.note("ports", .unavailable("Landlock 2"))
        report.note("user", .skipped("none"))
        errno = EPERM
        report.note("filter", result: -1)
        #expect(
            report.lines == [
                "files: active", "ports: unavailable (Landlock 2)", "user: skipped (none)",
                "filter: unavailable (Operation not permitted)",
            ])
        #expect(report.active == ["files"])
        #expect(report.missing.map(\.name) == ["ports", "filter"])
    }
}
