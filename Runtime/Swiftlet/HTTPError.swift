/// The one error that becomes an answer: a status, a stable code, a message for the caller, and a cause that only the log sees.
///
/// A function throws it to refuse (`throw HTTPError(422, .invalidInput, "prompt is empty")`); rooms of the host throw it the same
/// way. It is rendered in one place, as `{"code", "message", "msg", "error", "request_id"}` with the header `sb-error-code`. Any other
/// error that leaves a handler is a 500 `EDGE_FUNCTION_ERROR` whose text stays in the log.
public struct HTTPError: Error, Sendable, CustomStringConvertible {
    public var status: Int
    public var code: ErrorCode
    /// Shown to the caller. Say what to do; never put a secret, a path of this machine or an upstream's words here.
    public var message: String
    /// Written to the log under the request's id, never sent.
    public var cause: String?
    /// Extra response fields, such as `Retry-After` or `Allow`.
    public var fields: [Field]
    /// Which input is wrong, when one is: field path, rule and code.
    public var problems: [Problem]

    public struct Field: Sendable, Hashable {
        public let name: String
        public let value: String
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public struct Problem: Sendable, Hashable {
        public let field: String
        public let message: String
        /// Which check it is that refused the field: `type`, `text`, `email`, `malicious`, …
        public let rule: String?
        /// What that check found: a stable word, such as `too_long`.
        public let code: String?
        public init(field: String, message: String, rule: String? = nil, code: String? = nil) {
            self.field = field
            self.message = message
            self.rule = rule
            self.code = code
        }
    }

    public init(
        _ status: Int, _ code: ErrorCode, _ message: String, cause: String? = nil, fields: [Field] = [], problems: [Problem] = []
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.cause = cause
        self.fields = fields
        self.problems = problems
    }

    public var description: String {
        var text = "\(status) \(code): \(message)"
        if let cause { text += " (\(cause))" }
        return text
    }
}

extension HTTPError {
    package static func undeclared(_ capability: Capability, of function: FunctionName) -> HTTPError {
        HTTPError(
            500, .edgeFunctionError, "Internal Server Error",
            cause: "the capability '\(capability.rawValue)' is not in the policy of \(function); add it to `capabilities:`")
    }

    package static func undeclaredSecret(_ name: SecretName, of function: FunctionName) -> HTTPError {
        HTTPError(
            500, .edgeFunctionError, "Internal Server Error",
            cause: "the secret \(name) is not in the policy of \(function); add it to `secrets:`")
    }
}

/// A stable, machine-readable code: upper-case words with underscores. Those of Supabase keep Supabase's meaning.
public struct ErrorCode: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringLiteral {
    public let text: String
    public init(stringLiteral value: String) { text = value }
    public init(_ text: String) { self.text = text }
    public var description: String { text }

    public static let notFound: ErrorCode = "NOT_FOUND"
    public static let methodNotAllowed: ErrorCode = "METHOD_NOT_ALLOWED"
    public static let badRequest: ErrorCode = "BAD_REQUEST"
    public static let invalidURL: ErrorCode = "INVALID_URL"
    public static let invalidJSON: ErrorCode = "INVALID_JSON"
    public static let invalidInput: ErrorCode = "INVALID_INPUT"
    public static let payloadTooLarge: ErrorCode = "PAYLOAD_TOO_LARGE"
    public static let unsupportedMediaType: ErrorCode = "UNSUPPORTED_MEDIA_TYPE"
    public static let requestTimeout: ErrorCode = "REQUEST_TIMEOUT"
    public static let rateLimitExceeded: ErrorCode = "RATE_LIMIT_EXCEEDED"
    public static let forbidden: ErrorCode = "FORBIDDEN"
    public static let edgeFunctionError: ErrorCode = "EDGE_FUNCTION_ERROR"
    public static let workerError: ErrorCode = "WORKER_ERROR"
    public static let workerLimit: ErrorCode = "WORKER_LIMIT"
    public static let bootError: ErrorCode = "BOOT_ERROR"
    public static let idleTimeout: ErrorCode = "IDLE_TIMEOUT"
    public static let invalidResponse: ErrorCode = "INVALID_RESPONSE_STATUS_CODE"
    public static let overloaded: ErrorCode = "OVERLOADED"
    public static let shuttingDown: ErrorCode = "SHUTTING_DOWN"
    public static let egressDenied: ErrorCode = "EGRESS_DENIED"
    public static let upstreamTimeout: ErrorCode = "UPSTREAM_TIMEOUT"
    public static let upstreamError: ErrorCode = "UPSTREAM_ERROR"
    public static let upstreamUnavailable: ErrorCode = "UPSTREAM_UNAVAILABLE"
}
