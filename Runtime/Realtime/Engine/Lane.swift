package import NIOCore

/// Where the work for some sockets is done, one piece after the other: an event loop.
package protocol Lane: AnyObject, Sendable {
    func submit(_ work: @escaping @Sendable () -> Void)
}

/// One client's socket. Used on its lane only.
package protocol RealtimeSocket: AnyObject {
    /// Takes a whole WebSocket frame; it goes out with everything else of this turn.
    func send(_ frame: ByteBuffer)
    /// The same, but it goes out with ``flush()``: for many sockets that get one thing each, so that each is visited once.
    func push(_ frame: ByteBuffer)
    func flush()
    /// Whether more than a frame may be given to it now. After false, wait for ``Session/writable()``.
    var canTake: Bool { get }
    /// Sends what was taken and a close frame; nothing is received any more.
    func close(_ end: SocketEnd)
}

/// Why the engine ends a socket: every end has a name.
package enum SocketEnd: String, Sendable {
    /// The host restarts; clients come back at once.
    case restarting
    /// It had no channel for too long.
    case noChannels = "no_channels"
    /// More joins than it may make.
    case tooManyJoins = "too_many_joins"
    /// More frames than any client has to send.
    case tooManyMessages = "too_many_messages"
    /// It does not take what is said to it.
    case slowConsumer = "slow_consumer"
}
