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
    /// All claims of the token; empty for an API key.
    public let claims: JSON
    public let credential: Credential

    public enum Credential: Sendable, Hashable {
        case token
        case publishableKey(name: String)
        case secretKey(name: String)
    }

    public init(subject: String?, role: String, claims: JSON = [:], credential: Credential = .token) {
        self.subject = subject
        self.role = role
        self.claims = claims
        self.credential = credential
    }

    public convenience init(_ identity: Identity) throws(HTTPError) {
        switch identity {
        case .user(let user):
            self.init(subject: user.subject, role: user.role, claims: user.claims, credential: user.credential)
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
