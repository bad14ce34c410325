package import HTTPTypes

/// One outgoing request.
package struct EgressRequest: Sendable {
    package enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Pulled piece by piece as the peer takes it; nil ends it. One piece is held at a time. With a length it is sent
        /// as announced, else chunked. It cannot be sent twice: a redirect that keeps the body is refused.
        case stream(length: Int?, next: @Sendable () async throws -> [UInt8]?)
    }

    package var method: HTTPRequest.Method
    /// An absolute http or https URL, read by the strict rules of `WebURL`.
    package var url: String
    /// Fields that belong to the connection (`Host`, `Content-Length`, `Transfer-Encoding`, `Connection`, `Expect` and
    /// the like) are not sent: the client writes them itself.
    package var fields: HTTPFields
    package var body: Body
    package var timeouts: EgressTimeouts
    /// Counts body bytes after decompression.
    package var maxResponseBytes: Int
    /// Offers gzip and deflate, and decodes them.
    package var acceptsCompressed: Bool

    package init(
        method: HTTPRequest.Method = .get, url: String, fields: HTTPFields = [:], body: Body = .none,
        timeouts: EgressTimeouts = EgressTimeouts(), maxResponseBytes: Int = 8 << 20, acceptsCompressed: Bool = true
    ) {
        self.method = method
        self.url = url
        self.fields = fields
        self.body = body
        self.timeouts = timeouts
        self.maxResponseBytes = maxResponseBytes
        self.acceptsCompressed = acceptsCompressed
    }

    static func isConnectionField(_ name: String) -> Bool {
        switch name {
        case "host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade",
            "expect", "proxy-connection", "proxy-authorization", "http2-settings":
            true
        default: false
        }
    }
}

/// One limit for each phase, so that a slow peer is named for what it is slow at.
package struct EgressTimeouts: Sendable, Hashable {
    /// Name lookup, TCP and TLS together.
    package var connect: Duration
    /// From the request being sent to the first byte of the answer.
    package var firstByte: Duration
    /// Between two pieces of a body, in either direction. Time in which the function itself does not read or write
    /// does not count.
    package var idle: Duration
    /// Everything, redirects included, up to the last byte read.
    package var total: Duration

    package init(
        connect: Duration = .seconds(3), firstByte: Duration = .seconds(30), idle: Duration = .seconds(30),
        total: Duration = .seconds(120)
    ) {
        self.connect = connect
        self.firstByte = firstByte
        self.idle = idle
        self.total = total
    }
}
