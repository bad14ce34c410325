/// Why a request is not let in: a code and a message for the client, and a reason for the log only.
///
/// The code never says which check inside the token failed; the reason does, and must not be sent to the client.
package struct AuthRefusal: Error, Sendable, Equatable {
    /// Supabase's names, sent as `code` and as header `sb-error-code`; the status is always 401.
    package enum Code: String, Sendable {
        case noAuthorizationHeader = "UNAUTHORIZED_NO_AUTH_HEADER"
        case invalidFormat = "UNAUTHORIZED_INVALID_JWT_FORMAT"
        case unsupportedAlgorithm = "UNAUTHORIZED_UNSUPPORTED_TOKEN_ALGORITHM"
        case asymmetric = "UNAUTHORIZED_ASYMMETRIC_JWT"
        case legacy = "UNAUTHORIZED_LEGACY_JWT"
    }

    package enum Reason: String, Sendable {
        case missing
        case severalHeaders = "several_headers"
        case scheme
        case tooLong = "too_long"
        case segments
        case encoding
        case header
        case algorithm
        case critical
        case embeddedKey = "embedded_key"
        case noKey = "no_key"
        case unknownKey = "unknown_key"
        case ambiguousKey = "ambiguous_key"
        case staleKeys = "stale_keys"
        case signature
        case payload
        case duplicateMember = "duplicate_member"
        case claimType = "claim_type"
        case noExpiry = "no_expiry"
        case expired
        case notYetValid = "not_yet_valid"
        case issuer
        case audience
        case unknownAPIKey = "unknown_api_key"
        case keyAsBearer = "key_as_bearer"
    }

    package let code: Code
    /// For the client; plain ASCII.
    package let message: String
    package let reason: Reason
    /// The token's `alg` once it is known to be one of ours; for the log.
    package let algorithm: TokenAlgorithm?

    init(code: Code, message: String, reason: Reason, algorithm: TokenAlgorithm? = nil) {
        self.code = code
        self.message = message
        self.reason = reason
        self.algorithm = algorithm
    }

    /// What a host answers when a function needs a caller and `AuthOutcome.none` came back.
    package static let missing = AuthRefusal(
        code: .noAuthorizationHeader, message: "Missing authorization header", reason: .missing)

    static func format(_ reason: Reason) -> AuthRefusal {
        AuthRefusal(code: .invalidFormat, message: "Invalid JWT format", reason: reason)
    }

    static let unknownAPIKey = AuthRefusal(code: .invalidFormat, message: "Invalid API key", reason: .unknownAPIKey)

    static let keyAsBearer = AuthRefusal(
        code: .invalidFormat,
        message: "Invalid JWT format: an API key is not a bearer token, send it in the apikey header",
        reason: .keyAsBearer)

    /// A token of a known algorithm that is not good.
    static func token(_ algorithm: TokenAlgorithm, _ reason: Reason) -> AuthRefusal {
        AuthRefusal(
            code: algorithm == .hs256 ? .legacy : .asymmetric, message: "Invalid JWT", reason: reason, algorithm: algorithm)
    }

    /// Names the algorithm as Supabase does, but only when it looks like a name: the text comes from outside.
    static func algorithm(_ name: String?) -> AuthRefusal {
        var message = "Unsupported JWT algorithm"
        if let name, (1...16).contains(name.utf8.count), name.utf8.allSatisfy(isNameByte) { message += " \(name)" }
        return AuthRefusal(code: .unsupportedAlgorithm, message: message, reason: .algorithm)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default:
            false
        }
    }
}

/// The three algorithms there are. Each belongs to one kind of key, and no key serves two.
package enum TokenAlgorithm: String, Sendable {
    case hs256 = "HS256"
    case es256 = "ES256"
    case rs256 = "RS256"

    /// Byte for byte, in this case only.
    init?(exactly name: String) {
        guard name.utf8.count == 5 else { return nil }
        for one in [TokenAlgorithm.hs256, .es256, .rs256] where one.rawValue.isExactly(name) {
            self = one
            return
        }
        return nil
    }
}
