import CLinux
import CProbe
import Glibc
import SwiftletWorkers

/// A process that is started the way a worker is. Its first argument says what it does; it reports on descriptor 3.
@main
enum Probe {
    // Not `async`: that would start the pool's threads before the first line.
    static func main() {
        let words = Array(CommandLine.arguments.dropFirst())
        switch words.first ?? "" {
        case "exit": exit(Int32(words[1]) ?? 1)
        case "abort": abort()
        case "trap": trap(words.count)
        case "facts": facts(words)
        case "control": tryCalls()
        case "hold": hold(words)
        case "deaf":
            contain(words)
            say("ready")
            while true { pause() }
        case "parent": parent(words)
        case "many": many(Int(words[1]) ?? 0)
        case "ledger": ledger()
        case "hostile-ledger": hostileLedger()
        case "leak":
            contain(words)
            leak()
        case "ended":
            contain(words)
            end(by: words.last ?? "")
        case "spin": spin()
        default: exit(64)
        }
        exit(0)
    }

    static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { write(3, $0.baseAddress, $0.count) }
            guard count > 0 else { exit(65) }
            sent += count
        }
    }

    /// The next line from the host; nil when it closed.
    static func hear() -> String? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(3, &byte, 1) == 1 {
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        return nil
    }

    /// Words: mode, parent, network (0 or 1), user (0 for none).
    @discardableResult
    static func contain(_ words: [String]) -> ContainmentReport {
        let user = words.count > 3 ? UInt32(words[3]) ?? 0 : 0
        return Containment.apply(
            ContainmentProfile(
                parent: Int32(words[1]) ?? 0, user: user == 0 ? nil : .init(uid: user, gid: user), memoryBytes: 64 << 20,
                allowsNetwork: words[2] == "1"))
    }

    static func hold(_ words: [String]) {
        contain(words)
        say("ready")
        while let line = hear() { say("heard \(line)") }
    }

    static func parent(_ words: [String]) {
        guard
            let child = try? WorkerSpawn.start(
                arguments: ["child", "deaf", "\(getpid())", "0", words[1]], environment: ["SWIFT_BACKTRACE": "enable=no"])
        else { exit(66) }
        let socket = child.takeSocket()
        var watched = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        poll(&watched, 1, 20_000)
        say("\(child.pid)")
        _ = hear()
        child.kill()
    }

    static func openDescriptors() -> [Int32] { (0..<1024).filter { fcntl($0, F_GETFD) >= 0 } }

    static func many(_ count: Int) {
        func one() {
            guard let child = try? WorkerSpawn.start(arguments: ["child", "exit", "3"], environment: [:]) else { exit(66) }
            guard child.waitForEnd(milliseconds: 20_000), child.reap() == .exited(3) else { exit(67) }
        }
        one()
        let before = openDescriptors()
        for _ in 0..<count { one() }
        // Starts that fail must leave nothing either.
        for _ in 0..<20 where (try? WorkerSpawn.start(executable: "/nowhere/at-all", arguments: ["x"], environment: [:])) != nil {
            exit(68)
        }
        for limit in before.count..<(before.count + 9) {
            var small = rlimit(rlim_cur: rlim_t(limit), rlim_max: 1024)
            setrlimit(__rlimit_resource_t(7), &small)
            _ = try? WorkerSpawn.start(arguments: ["child", "exit", "3"], environment: [:])
        }
        var usual = rlimit(rlim_cur: 1024, rlim_max: 1024)
        setrlimit(__rlimit_resource_t(7), &usual)
        let after = openDescriptors()
        say("before=\(before.count)")
        say("after=\(after.count)")
        // No child was left unreaped.
        say("children=\(waitpid(-1, nil, WNOHANG))")
    }

    static func ledger() {
        guard let ledger = try? WorkerLedger.adopt() else { exit(66) }
        say("closed=\(fcntl(4, F_GETFD))")
        ledger.enter(41, at: 1_000)
        ledger.leave()
        ledger.enter(42, at: 2_000)
        ledger.enter(41, at: 3_000)
        say("inside")
        _ = hear()
        ledger.leave()
        say("outside")
        _ = hear()
        ledger.enter(43, at: 4_000)
        abort()
    }

    static func hostileLedger() {
        say("shrink=\(ftruncate(4, 0))")
        say("grow=\(ftruncate(4, 1 << 20))")
        guard let memory = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0), memory != MAP_FAILED else { exit(66) }
        memset(memory, 0xff, 4096)
        say("written")
        _ = hear()
    }

    static func leak() {
        var kept: [UnsafeMutableRawPointer] = []
        while kept.count < 3_000 {
            // As the Swift runtime does when it finds no memory.
            guard let memory = malloc(1 << 20) else { abort() }
            memset(memory, 1, 1 << 20)
            kept.append(memory)
        }
    }

    static func trap(_ count: Int) {
        var values = [UInt8](repeating: 255, count: count)
        values[0] += UInt8(count)
        say("\(values)")
    }

    static func end(by word: String) {
        switch word {
        case "abort": abort()
        case "trap": trap(1)
        case "raise": raise(SIGTERM)
        case "other-table": say("\(probe_other_table())")
        case "other-architecture": say("\(probe_other_architecture())")
        default: exit(64)
        }
    }

    static func spin() {
        say("ready")
        var value: UInt64 = 1
        while true { value = value &* 6_364_136_223_846_793_005 &+ 1 }
    }
}
