package import SwiftletHTTP

/// What a server listens on and how much it bears. The defaults are safe for a public listener behind a proxy.
package struct ServerConfiguration: Sendable {
    package enum Address: Sendable, Hashable {
        /// An IPv4 or IPv6 address (or `localhost`, which is 127.0.0.1) and a port; port 0 takes a free one.
        case tcp(host: String, port: Int)
        /// A socket file, mode 0660. Its folder is made with mode 0750 when it is missing, and must not be writable for
        /// everyone. A stale socket is replaced; a live one, or anything that is no socket, is an error.
        case unix(path: String)
        /// A bound stream socket that was handed over, by a service manager or by the process that runs out.
        case descriptor(Int32)
    }

    package var addresses: [Address] = [.tcp(host: "127.0.0.1", port: 54321)]
    package var backlog: Int = 1024
    /// Event loops when the server makes its own; 0 means one per core.
    package var loops: Int = 0

    package var limits = HTTPLimits()

    // MARK: Deadlines

    /// The whole head must be there this long after accept, or after the first byte of a later request. Bytes that come
    /// in do not reset it.
    package var headTimeout: Duration = .seconds(10)
    /// A body that was asked for may stand still this long.
    package var bodyIdleTimeout: Duration = .seconds(15)
    /// After this time a body must have come in at `bodyPace` on average.
    package var bodyGrace: Duration = .seconds(5)
    /// Bytes per second.
    package var bodyPace: Int = 1024
    /// How long a connection may wait for its next request.
    package var keepAliveTimeout: Duration = .seconds(60)
    /// A client must take at least `writeStallBytes` (or all there is) of its response in this time.
    package var writeStall: Duration = .seconds(30)
    package var writeStallBytes: Int = 4 * 1024
    /// A body nobody read is skipped when no more than this is missing, and comes within `drainTimeout`; otherwise the
    /// connection closes after the response.
    package var drainBytes: Int = 64 * 1024
    package var drainTimeout: Duration = .seconds(1)
    /// After a response that closes, what the client still sends is thrown away for this long and this much, so that it
    /// reads the response instead of a reset.
    package var lingerTimeout: Duration = .seconds(2)
    package var lingerBytes: Int = 4 * 1024 * 1024
    /// How often deadlines are looked at. Nil: only when `HTTPServer.sweep()` is called, for tests with a manual clock.
    package var sweepInterval: Duration? = .milliseconds(250)

    // MARK: Counts

    /// Beyond this many, connections stay in the backlog, and the longest idle ones are closed. Lowered to what the
    /// limit of open files allows.
    package var maxConnections: Int = 16_384
    /// For one client address (for one /64 of IPv6); trusted proxies and Unix sockets are not counted.
    package var maxConnectionsPerAddress: Int = 256
    package var maxRequestsPerConnection: Int = 10_000
    /// Reading pauses while this many requests wait behind the open one.
    package var maxPipelined: Int = 8

    // MARK: Buffers

    /// Body bytes kept for a handler that does not read; response bytes kept before `write` answers false.
    package var highWater: Int = 64 * 1024
    package var lowWater: Int = 32 * 1024
    /// A handler that goes on writing past false is cut off when this much is unsent.
    package var maxUnsent: Int = 1024 * 1024

    // MARK: Trust

    /// Requires a PROXY protocol header from every connection, and closes those of peers that are not trusted.
    package var proxyProtocol = false
    package var isTrustedProxy: @Sendable (PeerAddress) -> Bool = { _ in false }

    package init() {}
}

extension Duration {
    /// Whole nanoseconds, clamped to 0 and to about 146 years.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        if seconds < 0 { return 0 }
        if seconds > 4_611_686_018 { return Int64.max / 2 }
        return seconds &* 1_000_000_000 &+ attoseconds / 1_000_000_000
    }
}
