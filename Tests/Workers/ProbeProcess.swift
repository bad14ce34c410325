import Foundation
import Glibc
import SwiftletWorkers

/// A probe that runs, and what it says.
final class ProbeProcess {
    static let executable: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("worker-probe").path
    }()

    let worker: WorkerProcess
    private let socket: Int32
    private var heard: [UInt8] = []

    init(_ arguments: String..., environment: [String: String] = ["SWIFT_BACKTRACE": "enable=no"]) throws {
        worker = try WorkerSpawn.start(
            executable: Self.executable, arguments: ["probe"] + arguments, environment: environment)
        socket = worker.takeSocket()
    }

    deinit {
        worker.kill()
        if worker.waitForEnd(milliseconds: 10_000) { _ = worker.reap() }
        close(socket)
    }

    /// The next line; nil when it closed its end, or said nothing for half a minute.
    func hear() -> String? {
        while true {
            if let end = heard.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: heard[..<end], as: UTF8.self)
                heard.removeFirst(end + 1)
                return line
            }
            var watched = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            guard poll(&watched, 1, 30_000) == 1 else { return nil }
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = read(socket, &bytes, bytes.count)
            guard count > 0 else { return nil }
            heard += bytes[..<count]
        }
    }

    func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = write(socket, bytes, bytes.count)
    }

    /// Everything it says until it closes its end.
    func facts() -> [String: String] {
        var facts: [String: String] = [:]
        while let line = hear() {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            facts[String(parts[0]), default: ""] +=
                (facts[String(parts[0])] == nil ? "" : "\n") + (parts.last.map(String.init) ?? "")
        }
        return facts
    }

    /// How it ended.
    func end() -> WorkerExit? { worker.waitForEnd(milliseconds: 30_000) ? worker.reap() : nil }
}

/// A port on loopback that takes connections and says nothing.
final class Listener {
    let port: UInt16
    private let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = self.descriptor
        let bound = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, size) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, address, &size) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        if !bound { throw SpawnFailure() }
    }

    deinit { close(descriptor) }

    struct SpawnFailure: Error {}
}
