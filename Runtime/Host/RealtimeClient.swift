import NIOCore
import SwiftletRealtime
import SwiftletServer
import SwiftletWebSocket

/// One client of realtime: its socket on one side, what it says on the other.
final class RealtimeClient: WebSocketListener, RealtimeSocket {
    private let socket: WebSocketConnection
    private var session: Session?
    private let metrics: RealtimeMetrics

    init(_ socket: WebSocketConnection, metrics: RealtimeMetrics) {
        self.socket = socket
        self.metrics = metrics
    }

    func open(on lane: HubLane, _ serializer: Serializer, _ facts: TokenFacts) {
        session = lane.open(self, serializer, facts)
    }

    // MARK: From the client

    func received(text: UnsafeRawBufferPointer) { session?.received(text: text) }
    func received(binary: UnsafeRawBufferPointer) { session?.received(binary: binary) }
    func marked() { session?.mark() }
    func confirmed() { session?.confirm() }
    func tick() { session?.tick() }
    func writable() { session?.writable() }

    func ended(_ end: WebSocketEnd) {
        metrics.ended(end)
        session?.closed()
        session = nil
    }

    // MARK: To the client

    func send(_ frame: ByteBuffer) { socket.send(frame) }
    func push(_ frame: ByteBuffer) { socket.push(frame) }
    func flush() { socket.flush() }

    var canTake: Bool { socket.canTake }

    func close(_ end: SocketEnd) {
        switch end {
        case .slowConsumer: socket.fallBehind()
        case .restarting: socket.close(.restarting)
        case .tooManyMessages: socket.close(.policy)
        case .noChannels, .tooManyJoins: socket.close(.goingAway)
        }
    }
}

/// An event loop as a lane.
final class LoopLane: Lane {
    private let loop: any EventLoop
    init(_ loop: any EventLoop) { self.loop = loop }
    func submit(_ work: @escaping @Sendable () -> Void) { loop.execute(work) }
}
