import Foundation
import NIOConcurrencyHelpers
import NIOCore
import SwiftletHTTP
import SwiftletServer

/// A value behind a lock. The thread sanitizer knows this lock; it does not know the one of `Synchronization`.
final class Locked<Value>: @unchecked Sendable {
    private let box: NIOLockedValueBox<Value>

    init(_ value: sending Value) { box = NIOLockedValueBox(value) }

    func withLock<R>(_ body: (inout Value) throws -> R) rethrows -> R { try box.withLockedValue(body) }
}

/// A handler made of a closure, that remembers what it was asked.
final class TestHandler: ExchangeHandler {
    struct Seen {
        var handled: [String] = []
        var refusals: [HTTPRefusal] = []
        var peers: [PeerAddress] = []
    }

    private let state = Locked(Seen())
    private let answer: @Sendable (Exchange, TestHandler) -> Void

    init(_ answer: @escaping @Sendable (Exchange, TestHandler) -> Void) { self.answer = answer }

    var seen: Seen { state.withLock { $0 } }

    func reset() { state.withLock { $0 = Seen() } }

    func note(_ exchange: Exchange) {
        state.withLock {
            $0.handled.append(exchange.head.path)
            $0.peers.append(exchange.peer)
        }
    }

    func receive(_ exchange: Exchange) { answer(exchange, self) }

    func refused(_ refusal: HTTPRefusal, peer: PeerAddress) -> RefusalResponse {
        state.withLock { $0.refusals.append(refusal) }
        return RefusalResponse(status: refusal.status, body: Array(refusal.kind.rawValue.utf8))
    }

    /// Like a small host: /health for GET, HEAD and POST, bodies up to 1 MiB.
    static func plain() -> TestHandler {
        TestHandler { exchange, handler in
            guard exchange.head.upgrade == .none else {
                handler.note(exchange)
                return exchange.respond(status: 426, fields: EncodedFields())
            }
            exchange.collectBody(upTo: 1024 * 1024) { result in
                switch result {
                case .success(let body):
                    handler.note(exchange)
                    let head = exchange.head
                    if !head.pathEquals("/health") {
                        exchange.respond(status: 404, fields: EncodedFields())
                    } else if [.get, .head, .post].contains(head.method) {
                        exchange.respond(status: 200, fields: EncodedFields(), body: Array("ok \(body.readableBytes)".utf8))
                    } else {
                        exchange.respond(status: 405, fields: EncodedFields())
                    }
                case .failure(.tooLarge): exchange.respond(status: 413, fields: EncodedFields())
                case .failure(.timedOut): exchange.respond(status: 408, fields: EncodedFields())
                case .failure: exchange.respond(status: 400, fields: EncodedFields())
                }
            }
        }
    }
}

/// A clock that stands still until it is told otherwise.
final class ManualClock: Sendable {
    private let state = Locked<(steady: Int64, wall: Int)>((1_000_000_000, 784_111_777))

    func advance(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        state.withLock {
            $0.steady += seconds * 1_000_000_000 + attoseconds / 1_000_000_000
            $0.wall += Int(seconds)
        }
    }

    var clock: ServerClock {
        ServerClock(
            steady: { [self] in state.withLock { $0.steady } }, wall: { [self] in state.withLock { $0.wall } }
        )
    }
}

/// A server on a free port, for the length of a closure.
struct TestServer: Sendable {
    let server: HTTPServer
    let port: Int
    let clock: ManualClock?

    static func run(
        _ handler: any ExchangeHandler, clock: ManualClock? = nil,
        configure: (inout ServerConfiguration) -> Void = { _ in },
        _ body: (TestServer) async throws -> Void
    ) async throws {
        var configuration = ServerConfiguration()
        configuration.addresses = [.tcp(host: "127.0.0.1", port: 0)]
        configuration.loops = 1
        configuration.maxConnectionsPerAddress = 20_000
        // Deadlines are tested with a clock that stands still; on any other one a test whose turn does not come is no slow client.
        if clock != nil { configuration.sweepInterval = nil } else { configuration.headTimeout = .seconds(60) }
        configure(&configuration)
        let server = HTTPServer(configuration: configuration, handler: handler, clock: clock?.clock ?? .system)
        let addresses = try await server.start()
        let test = TestServer(server: server, port: addresses.first?.port ?? 0, clock: clock)
        do {
            try await body(test)
        } catch {
            await server.shutdown(drain: .zero)
            throw error
        }
        await server.shutdown(drain: .zero)
    }

    /// Lets the clock go on and looks at the deadlines. In two steps, as a sweep measures from the one before.
    func advance(_ duration: Duration) async {
        clock?.advance(duration)
        await server.sweep()
    }

    /// Connects, and waits until the connection is served.
    func connect() async throws -> Client {
        let before = server.counters.accepted
        let client = try Client(port: port)
        try await until { server.counters.accepted == before + 1 }
        // A loop handles what is accepted before the tasks that it is given next.
        for _ in 0..<4 { await server.sweep() }
        return client
    }

    /// Sends, and waits until the server has read it.
    func send(_ bytes: [UInt8], from client: Client) async throws {
        let before = await server.bytesReceived()
        client.send(bytes)
        for _ in 0..<2000 {
            if await server.bytesReceived() >= before + bytes.count { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw Client.Failure(description: "was not read")
    }

    func send(_ text: String, from client: Client) async throws { try await send(Array(text.utf8), from: client) }

    /// Waits until the server has seen what was sent to it: the condition becomes true, or the test fails after long.
    func until(_ condition: @escaping @Sendable () -> Bool) async throws {
        for _ in 0..<2000 {
            if condition() { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw Client.Failure(description: "did not happen")
    }
}

/// Runs blocking client code on a thread of its own, so that it never holds a thread that tasks need.
func onThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}
