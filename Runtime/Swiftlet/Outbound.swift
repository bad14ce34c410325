public import HTTPTypes
import NIOCore

/// A request to another server, made with ``Context/fetch(_:)``.
public struct OutboundRequest: Sendable {
    public var method: String
    /// Absolute, `https` unless the operator configured the origin. No user info.
    public var url: String
    public var headers: HTTPFields
    public var body: Body
    public var timeouts: Timeouts
    /// Cap on the decompressed answer; over it reading throws `UPSTREAM_ERROR`.
    public var responseLimit: ByteCount
    /// Redirects to follow (0…3). Each hop is judged again; credentials do not cross origins.
    public var redirects: Int

    public enum Body: Sendable {
        case none
        case bytes([UInt8])
        case stream(length: Int?, BodyStream)
    }

    public struct Timeouts: Sendable, Hashable {
        public var connect: Duration
        public var firstByte: Duration
        public var betweenBytes: Duration
        public var total: Duration
        public init(
            connect: Duration = .seconds(3), firstByte: Duration = .seconds(30), betweenBytes: Duration = .seconds(30),
            total: Duration = .seconds(120)
        ) {
            self.connect = connect
            self.firstByte = firstByte
            self.betweenBytes = betweenBytes
            self.total = total
        }
    }

    public init(
        _ method: Method = .get, _ url: String, headers: HTTPFields = [:], body: Body = .none, timeouts: Timeouts = Timeouts(),
        responseLimit: ByteCount = .mib(8), redirects: Int = 0
    ) {
        self.method = method.rawValue
        self.url = url
        self.headers = headers
        self.body = body
        self.timeouts = timeouts
        self.responseLimit = responseLimit
        self.redirects = redirects
    }
}

/// What the other server answered. The body arrives as it is read; dropping it ends the transfer.
public struct OutboundResponse: Sendable {
    public let status: Int
    public let headers: HTTPFields
    public let body: BodyStream

    package init(status: Int, headers: HTTPFields, body: BodyStream) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The whole body.
    public func collect() async throws -> Bytes {
        var buffer = ByteBuffer()
        for try await part in body {
            var part = part.buffer
            buffer.writeBuffer(&part)
        }
        return Bytes(buffer: buffer)
    }
}

/// Why a call to another server failed. The text names the host at most: no query, no key, no words of the upstream.
public struct OutboundError: Error, Sendable, CustomStringConvertible {
    public enum Kind: String, Sendable, Hashable {
        case denied, dnsFailed, connectFailed, tlsFailed, timedOut, tooLarge, redirectRefused, reset, invalidRequest, other
        /// This process has too many calls under way; nothing was sent.
        case overloaded
    }
    public let kind: Kind
    public let detail: String
    public init(_ kind: Kind, _ detail: String) {
        self.kind = kind
        self.detail = detail
    }
    public var description: String { "\(kind.rawValue): \(detail)" }

    /// As the answer a function gives when it has nothing better to say.
    public var httpError: HTTPError {
        switch kind {
        case .denied: HTTPError(500, .edgeFunctionError, "Internal Server Error", cause: "egress \(description)")
        case .timedOut: HTTPError(504, .upstreamTimeout, "The upstream did not answer in time", cause: description)
        case .tooLarge, .redirectRefused, .invalidRequest, .other:
            HTTPError(502, .upstreamError, "The upstream gave an answer that cannot be used", cause: description)
        case .overloaded:
            HTTPError(
                503, .overloaded, "Too many calls to upstreams are under way; try again in a moment", cause: description,
                fields: [.init("retry-after", "1")])
        case .dnsFailed, .connectFailed, .tlsFailed, .reset:
            HTTPError(502, .upstreamUnavailable, "The upstream cannot be reached", cause: description)
        }
    }
}
