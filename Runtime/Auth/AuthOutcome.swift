/// What is known about a caller once the credentials of a request were read.
package enum AuthOutcome: Sendable {
    /// Neither header was there. Whether that is a refusal is the host's decision.
    case none
    /// A bearer token, verified.
    case token(VerifiedToken)
    /// An API key, known.
    case key(APIKeyIdentity)
    /// A credential was there and is no good. Never to be treated as `none`.
    case refused(AuthRefusal)
    /// The token names a signing key that is not held, and the key set may be fetched now: call
    /// `Authenticator.refreshKeys`, then authenticate once more. Asked at most once per fetch floor.
    case needsKeys(NeededKey)
}

/// The key a token asks for, in a form that is safe to log.
package struct NeededKey: Sendable, Equatable {
    package let algorithm: TokenAlgorithm
    /// Keyed hash of `kid`; the text itself comes from outside.
    package let hash: UInt64
    /// The answer when keys cannot be had.
    package let refusal: AuthRefusal
}

/// A publishable or secret API key, by the name it has in the configuration; never its value.
package struct APIKeyIdentity: Sendable, Hashable {
    package enum Kind: String, Sendable {
        case publishable
        case secret
    }

    package let kind: Kind
    package let name: String

    package init(kind: Kind, name: String) {
        self.kind = kind
        self.name = name
    }
}
