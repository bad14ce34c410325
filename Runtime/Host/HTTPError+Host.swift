import Swiftlet
import SwiftletServer

/// The errors the host itself makes, each written once.
extension HTTPError {
    static func methodNotAllowed(_ allowed: String) -> HTTPError {
        HTTPError(
            405, .methodNotAllowed, "HTTP request method not supported (supported: \(allowed))", fields: [.init("allow", allowed)]
        )
    }

    static let missingCredential = HTTPError(401, "UNAUTHORIZED_NO_AUTH_HEADER", "Missing authorization header")

    static let overloaded = HTTPError(
        503, .overloaded, "The function is busy; try again in a moment", fields: [.init("retry-after", "1")])

    static func resourceLimit(_ cause: String) -> HTTPError {
        HTTPError(
            546, .workerLimit, "Function failed due to not having enough compute resources (please check logs)", cause: cause)
    }

    static let shuttingDown = HTTPError(
        503, .shuttingDown, "The host is stopping; try again in a moment", fields: [.init("retry-after", "1")])

    static func rateLimited(_ what: String, _ decision: LimitDecision, kind: String) -> HTTPError {
        let seconds = decision.retryAfterSeconds
        return HTTPError(
            429, .rateLimitExceeded, "\(what); try again in \(seconds) s", cause: "limit of the \(kind)",
            fields: [.init("retry-after", String(seconds))])
    }

    /// A body that could not be read to its end.
    init(_ failure: BodyFailure, limit: Int) {
        switch failure {
        case .tooLarge: self.init(413, .payloadTooLarge, "The body is larger than the \(limit) bytes this function takes")
        case .timedOut: self.init(408, .requestTimeout, "The body did not arrive in time")
        case .malformed(let refusal):
            self.init(400, .badRequest, "The body's framing is malformed", cause: "\(refusal.kind.rawValue)")
        case .refused: self.init(400, .badRequest, "The body was refused")
        case .clientGone, .answered: self.init(400, .badRequest, "The client went away")
        }
    }

    /// A function's error as it can go out: a status that is an error's, and a code that is a word. Codes reach a header field,
    /// the log and the metrics as they are, and a function may have made one from anything.
    var sendable: HTTPError {
        var error = self
        if !(400...599).contains(status) {
            error = HTTPError(
                500, .invalidResponse, "The function answered with a status outside 200…599",
                cause: "thrown with status \(status)")
        }
        let code = error.code.text.utf8
        let isWord = code.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
        if !isWord || !(1...64).contains(code.count) { error.code = .edgeFunctionError }
        return error
    }
}
