package import Swiftlet
package import SwiftletJSON

/// What a token says, once it has been verified.
package struct TokenFacts: Sendable {
    package let subject: String?
    package let role: String
    package let sessionID: String?
    /// Seconds since 1970; infinity for keys that do not expire.
    package let expiry: Double
    package let claims: JSON
    /// For the hook that asks elsewhere in the caller's name.
    package let token: String

    package init(subject: String?, role: String, sessionID: String?, expiry: Double, claims: JSON, token: String) {
        self.subject = subject
        self.role = role
        self.sessionID = sessionID
        self.expiry = expiry
        self.claims = claims
        self.token = token
    }
}

/// Reads tokens: the host's own verification, with its keys and its cache.
package protocol TokenReader: Sendable {
    func read(_ token: String) -> Result<TokenFacts, TokenFault>
}

/// Why a token is no good, in the words the clients know.
package enum TokenFault: Error, Sendable, Equatable {
    /// Seconds since it expired.
    case expired(Int)
    case lacksClaims
    case malformed
    case signature

    /// As a socket's message says it.
    package var message: String {
        switch self {
        case .expired(let seconds): "Token has expired \(seconds) seconds ago"
        case .lacksClaims: "Fields `role` and `exp` are required in JWT"
        case .malformed: "The token provided is not a valid JWT"
        case .signature: "Failed to validate JWT signature"
        }
    }

    var joinError: JoinError {
        switch self {
        case .expired(let seconds): .tokenExpired(secondsAgo: seconds)
        case .lacksClaims: .tokenLacksClaims
        case .malformed: .malformedToken
        case .signature: .tokenSignature
        }
    }
}

/// Decides who may do what in a private channel.
package protocol ChannelAuthority: Sendable {
    /// What the token itself says; nil when somebody has to be asked.
    func granted(_ facts: TokenFacts, in topic: String) -> ChannelPermissions?
    /// Asks. Fails closed: nothing on any error.
    func ask(_ facts: TokenFacts, about topic: String) async -> ChannelPermissions
}

extension TokenFacts {
    /// The same credential: only then nothing has to be looked at again.
    func isSame(as other: TokenFacts) -> Bool { token == other.token }
}
