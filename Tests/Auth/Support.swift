import SwiftletAuth
import SwiftletCrypto
import SwiftletJSON
import Testing

/// A host with one shared secret, and a clock that the test moves.
struct Door {
    static let secret = SecretBytes(utf8: "only-for-these-tests-0123456789-abcdefghij")
    static let start = 1_900_000_000.0
    static let publishable = "sb_publishable_0123456789abcdefXYZ"
    static let secretKey = "sb_secret_fedcba9876543210XYZabc"

    let authenticator: Authenticator
    var wall = Door.start
    var steady: Int64 = 5_000

    init(_ configuration: AuthConfiguration? = nil, limits: Authenticator.Limits = .init()) throws {
        authenticator = try Authenticator(
            configuration: configuration ?? AuthConfiguration(hs256Secrets: [Door.secret]), limits: limits)
    }

    var now: AuthInstant { AuthInstant(wallSeconds: wall, monotonicMilliseconds: steady) }

    func ask(_ authorization: String? = nil, apiKey: String? = nil, acceptKeyAsBearer: Bool = true) -> AuthOutcome {
        withBytes(authorization) { authorization in
            withBytes(apiKey) { apiKey in
                authenticator.authenticate(
                    authorization: authorization, authorizationCount: authorization == nil ? 0 : 1,
                    apiKey: apiKey, apiKeyCount: apiKey == nil ? 0 : 1,
                    acceptKeyAsBearer: acceptKeyAsBearer, now: now)
            }
        }
    }

    func bearer(_ token: String) -> AuthOutcome { ask("Bearer \(token)") }

    private func withBytes<Result>(_ text: String?, _ body: (UnsafeRawBufferPointer?) -> Result) -> Result {
        guard let text else { return body(nil) }
        return Array(text.utf8).withUnsafeBytes { body($0) }
    }

    /// A good token of the shared secret.
    static func token(
        subject: String? = "user-1", role: String? = "authenticated", from: Double = start, lifetime: Int64 = 3600,
        extra: [(name: String, value: JSON)] = []
    ) throws -> String {
        var content = TokenMinter.Content(subject: subject, role: role, expiresAt: Int64(from) + lifetime)
        content.extra = extra
        return try TokenMinter(.hs256(secret)).mint(content)
    }

    /// A token of the shared secret with any header and payload text.
    static func token(header: String = #"{"alg":"HS256","typ":"JWT"}"#, payload: String) throws -> String {
        try TokenMinter(.hs256(secret)).sign(header: Array(header.utf8), payload: Array(payload.utf8))
    }
}

extension AuthOutcome {
    var token: VerifiedToken? { if case .token(let token) = self { token } else { nil } }
    var key: APIKeyIdentity? { if case .key(let key) = self { key } else { nil } }
    var refusal: AuthRefusal? { if case .refused(let refusal) = self { refusal } else { nil } }
    var needed: NeededKey? { if case .needsKeys(let key) = self { key } else { nil } }
    var isNone: Bool { if case .none = self { true } else { false } }
}

extension Authenticator {
    func held(_ token: String, _ now: AuthInstant) -> AuthOutcome {
        Array(token.utf8).withUnsafeBytes { self.token($0, now: now) }
    }
}

/// The public half of a key as a JWK text.
enum JWKText {
    static func of(_ key: ES256.PublicKey, kid: String?, extra: String = "") -> String {
        let name = kid.map { #""kid":"\#($0)","# } ?? ""
        return #"{"kty":"EC","crv":"P-256",\#(name)"x":"\#(Base64URL.encode(key.x))","y":"\#(Base64URL.encode(key.y))"\#(extra)}"#
    }

    static func of(_ key: RS256.PublicKey, kid: String?, extra: String = "") -> String {
        let name = kid.map { #""kid":"\#($0)","# } ?? ""
        return #"{"kty":"RSA",\#(name)"n":"\#(Base64URL.encode(key.n))","e":"\#(Base64URL.encode(key.e))"\#(extra)}"#
    }

    static func set(_ keys: String...) -> [UInt8] { Array(#"{"keys":[\#(keys.joined(separator: ","))]}"#.utf8) }
}
