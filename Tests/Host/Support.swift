import Dispatch
import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletJSON
import SwiftletTelemetry
import SwiftletTesting
import Synchronization

import Fixtures

/// Keeps what the host logs, in a file nobody else sees.
final class LogCapture: Sendable {
    let sink: LogSink
    private let descriptor: Int32

    init(level: Level = .info) throws {
        var name = Array("/tmp/swiftlet-log-XXXXXX".utf8CString)
        descriptor = mkstemp(&name)
        guard descriptor >= 0 else { throw POSIXError(.EIO) }
        unlink(name)
        sink = LogSink(descriptor: descriptor, format: .json, level: level == .info ? .info : .warning)
    }

    enum Level { case info, warning }

    deinit {
        // First, so that no late line goes to whoever gets the descriptor's number next.
        sink.close()
        Glibc.close(descriptor)
    }

    /// Everything written so far.
    var bytes: [UInt8] {
        sink.flush()
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = pread(descriptor, &chunk, chunk.count, off_t(bytes.count))
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
        }
    }

    var lines: [[UInt8]] { bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true).map { Array($0) } }
    var text: String { String(decoding: bytes, as: UTF8.self) }
    var events: [JSON] { lines.compactMap { try? JSON.parse($0) } }
}

/// A client that does only what it is told: blocking calls on threads that may block, with a limit on every wait.
final class RawClient: Sendable {
    private let descriptor: Int32
    private let isOpen = Mutex(true)

    struct Failed: Error { let number: Int32 }

    init(port: Int, receiveBuffer: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var small = receiveBuffer ?? 0
        if receiveBuffer != nil { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &small, 4) }
        limitWaits()
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw failure() }
    }

    init(unixSocket path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        limitWaits()
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8).prefix($0.count - 1)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw failure() }
    }

    deinit { close() }

    private func limitWaits() {
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    private func failure() -> Failed {
        defer { close() }
        return Failed(number: errno)
    }

    func close() {
        isOpen.withLock { isOpen in
            if isOpen { Glibc.close(descriptor) }
            isOpen = false
        }
    }

    func send(_ text: String) async { await send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async {
        await blocking {
            var start = 0
            while start < bytes.count {
                let count = bytes.withUnsafeBytes {
                    Glibc.send(self.descriptor, $0.baseAddress! + start, $0.count - start, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return }
                start += count
            }
        }
    }

    /// What comes next; empty at the end, and when nothing comes.
    func read() async -> [UInt8] {
        await blocking {
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = recv(self.descriptor, &chunk, chunk.count, 0)
            return count > 0 ? Array(chunk[..<count]) : []
        }
    }

    /// Reads until `text` has come, or the end.
    func read(until text: String) async -> String {
        var bytes: [UInt8] = []
        while true {
            let more = await read()
            bytes += more
            let all = String(decoding: bytes, as: UTF8.self)
            if more.isEmpty || all.contains(text) { return all }
        }
    }

    func readToEnd() async -> String { await read(until: "\u{0}never\u{0}") }

    private func blocking<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: work()) }
        }
    }
}

/// Latches by name, for functions and tests to meet at.
enum Latches {
    private static let all = Mutex<[String: Latch]>([:])
    static func named(_ name: String) -> Latch {
        all.withLock { all in
            if let latch = all[name] { return latch }
            let latch = Latch()
            all[name] = latch
            return latch
        }
    }
}

/// Values that several tasks leave behind.
final class Collected<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])
    func add(_ value: Value) { values.withLock { $0.append(value) } }
    var all: [Value] { values.withLock { $0 } }
}

extension HTTPField.Name {
    static func named(_ name: String) -> HTTPField.Name { HTTPField.Name(name) ?? .cookie }
    static var requestID: HTTPField.Name { .named("x-request-id") }
    static var errorCode: HTTPField.Name { .named("sb-error-code") }
    static var relayError: HTTPField.Name { .named("x-relay-error") }
    static var rateLimit: HTTPField.Name { .named("ratelimit") }
    static var rateLimitPolicy: HTTPField.Name { .named("ratelimit-policy") }
    static var apiKeyField: HTTPField.Name { .named("apikey") }
}

extension TestResponse {
    var code: String? { json?["code"]?.string }
}

extension TestHost {
    /// The settings of most tests here.
    static func settings(_ change: (inout HostConfiguration) -> Void = { _ in }) -> HostConfiguration {
        var configuration = HostConfiguration()
        change(&configuration)
        return configuration
    }
}

/// `/functions/v1/…` of a function.
func path(_ name: String) -> String { "/functions/v1/\(name)" }

/// Waits at its latch, `?as=`, and says so: `<as>.started`.
struct Held: EdgeFunction {
    static let name: FunctionName = "held"
    static let policy = Policy(
        methods: [.get, .post], rateLimit: .none, body: .bytes(upTo: .kib(64)), deadline: .seconds(30), concurrency: 1)
    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> Response {
        let name = request.query["as"] ?? "held"
        Witness.note("\(name).started")
        await Latches.named(name).wait()
        return .text("held")
    }
}

/// Sleeps until it is cancelled, and says so: `<as>.started`, `<as>.cancelled`.
struct Sleeper: EdgeFunction {
    static let name: FunctionName = "sleeper"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, deadline: .seconds(60), concurrency: 1)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        try await Sleeper.sleep(request.query["as"] ?? "sleeper")
        return .text("slept")
    }

    static func sleep(_ name: String) async throws {
        Witness.note("\(name).started")
        do { try await Task.sleep(for: .seconds(60)) } catch {
            Witness.note("\(name).cancelled")
            throw error
        }
    }
}

/// The same with little time.
struct ShortSleeper: EdgeFunction {
    static let name: FunctionName = "short-sleeper"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, deadline: .milliseconds(150))
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        try await Sleeper.sleep(request.query["as"] ?? "short-sleeper")
        return .text("slept")
    }
}

/// Notes each call: `<as>.called`.
struct Counted: EdgeFunction {
    static let name: FunctionName = "counted"
    static let policy = Policy(
        methods: [.get, .post, .delete], rateLimit: .perCaller(2, every: .minutes(1)), body: .bytes(upTo: .kib(64)))
    func handle(_ request: Request<Bytes>, from visitor: Visitor, in context: Context) async throws -> Response {
        Witness.note("\(request.query["as"] ?? "counted").called")
        return .text("ok")
    }
}
