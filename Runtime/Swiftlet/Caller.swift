public import SwiftletJSON

/// Who is calling, as a type. The type of a handler's `from` parameter is its authentication policy:
/// ``User`` requires a valid token or key, ``Visitor`` verifies one when present, ``Anyone`` asks for nothing.
public protocol RequestCaller: Sendable {
    static var requirement: CallerRequirement { get }
    /// Made by the host after the check that `requirement` names.
    init(_ identity: Identity) throws(HTTPError)
}

public enum CallerRequirement: String, Sendable, Hashable {
    /// A valid credential, or 401.
    case required
    /// None is fine; a bad one is 401, never taken for anonymous.
    case optional
    /// Nothing is looked at: `Authorization` belongs to the function.
    case none
}

/// What the host found out about the caller of one request.
public enum Identity: Sendable {
    case anonymous
    case user(User)
}

/// A caller whose token (or API key) the host has verified.
public final class User: RequestCaller {
    /// The token's `sub`: the user's id. `nil` for tokens that stand for a project (anon, service_role) and for API keys.
    public let subject: String?
    /// The token's `role` (`authenticated`, `anon`, `service_role`); for a publishable key `anon`, for a secret key `service_role`.
    public let role: String
    /// All claims of the token; empty for an API key. Read from the token's text each time, so keep what you use often.
    public var claims: JSON {
        switch source {
        case .value(let value, _): value
        // The host has read the same text before: it cannot fail here.
        case .text(let text): (try? JSON.parse(text)) ?? [:]
        }
    }
    private let source: Claims

    private enum Claims: Sendable {
        case value(JSON, text: [UInt8]?)
        case text([UInt8])
    }

    /// The claims as JSON text.
    package var claimsText: [UInt8] {
        switch source {
        case .value(let value, let text): text ?? value.bytes
        case .text(let text): text
        }
    }
    public let credential: Credential

    public enum Credential: Sendable, Hashable {
        case token
        case publishableKey(name: String)
        case secretKey(name: String)
    }

    public init(subject: String?, role: String, claims: JSON = [:], credential: Credential = .token) {
        self.subject = subject
        self.role = role
        source = .value(claims, text: nil)
        self.credential = credential
    }

    /// With the claims as text, which is only read when somebody asks.
    package init(subject: String?, role: String, claimsText: [UInt8], credential: Credential = .token) {
        self.subject = subject
        self.role = role
        source = .text(claimsText)
        self.credential = credential
    }

    /// With the claims both ways, for hosts that keep both.
    package init(subject: String?, role: String, claims: JSON, claimsText: [UInt8]) {
        self.subject = subject
        self.role = role
        source = .value(claims, text: claimsText)
        credential = .token
    }

    private init(copying other: User) {
        subject = other.subject
        role = other.role
        source = other.source
        credential = other.credential
    }

    public convenience init(_ identity: Identity) throws(HTTPError) {
        switch identity {
        case .user(let user):
            self.init(copying: user)
        case .anonymous:
            throw HTTPError(401, "UNAUTHORIZED_NO_AUTH_HEADER", "Missing authorization header")
        }
    }

    public static let requirement = CallerRequirement.required

    /// The user's id, or a 403 for callers that are no person: what a function wants that stores things per user.
    public func requireSubject() throws(HTTPError) -> String {
        guard let subject else {
            throw HTTPError(403, .forbidden, "This function needs a signed-in user; the token or key sent names none")
        }
        return subject
    }
}

/// A caller who may or may not be signed in.
public struct Visitor: RequestCaller {
    public let user: User?
    public init(_ identity: Identity) {
        user = if case .user(let user) = identity { user } else { nil }
    }
    public static let requirement = CallerRequirement.optional
}

/// A caller nobody asked about. The `Authorization` header reaches the function untouched: webhooks sign their own way.
public struct Anyone: RequestCaller {
    public init(_ identity: Identity) {}
    public static let requirement = CallerRequirement.none
}
