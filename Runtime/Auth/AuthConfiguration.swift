package import SwiftletCrypto

/// What the host trusts: checked as a whole when made, so that a running authenticator never meets a bad setting.
package struct AuthConfiguration: Sendable {
    /// More than one while a secret is being replaced; each verifies.
    package static let maximumSecrets = 4
    package static let maximumAPIKeys = 64

    let secrets: [HMACSHA256]
    let keys: [VerificationKey]
    let apiKeys: APIKeyTable
    package let jwksURL: String?
    package let issuer: String?
    package let audience: String?
    package let leewaySeconds: Int
    package let acceptKeyAsBearer: Bool
    package let acceptTokenAsAPIKey: Bool

    /// - Parameters:
    ///   - hs256Secrets: shared secrets, each at least 32 bytes.
    ///   - jwks: keys known from the start (a setting or a file).
    ///   - symmetricKeysInJWKS: lets `oct` keys of `jwks` verify HS256 tokens that name them by `kid`. Off, because a
    ///     key set is usually public and a public secret is none. Keys fetched from `jwksURL` never count as secrets.
    ///   - jwksURL: where to fetch keys; https, or http on loopback. Only ever this address, whatever a token says.
    ///   - issuer: when given, `iss` must equal it.
    ///   - audience: when given, `aud` must be it or contain it.
    ///   - leewaySeconds: 0...60, applied to `exp` and `nbf`.
    ///   - publishableKeys: name to key, `sb_publishable_…`.
    ///   - secretKeys: name to key, `sb_secret_…`.
    ///   - acceptKeyAsBearer: lets `Authorization: Bearer sb_…` stand alone, as clients of before mid-2026 send it.
    ///   - acceptTokenAsAPIKey: lets a token (a legacy anon or service_role key) come in `apikey` alone. On, because
    ///     older clients know no other place for it; it is verified exactly like a bearer token.
    ///   - onLoopback: the host listens on loopback only, so published demo secrets may be used.
    package init(
        hs256Secrets: [SecretBytes] = [],
        jwks: JWKS? = nil,
        symmetricKeysInJWKS: Bool = false,
        jwksURL: String? = nil,
        issuer: String? = nil,
        audience: String? = nil,
        leewaySeconds: Int = 0,
        publishableKeys: [String: SecretBytes] = [:],
        secretKeys: [String: SecretBytes] = [:],
        acceptKeyAsBearer: Bool = false,
        acceptTokenAsAPIKey: Bool = true,
        onLoopback: Bool = false
    ) throws(AuthConfigurationError) {
        guard hs256Secrets.count <= Self.maximumSecrets else {
            throw .init("jwt secrets", "at most \(Self.maximumSecrets) may be valid at once; drop the oldest")
        }
        for (index, secret) in hs256Secrets.enumerated() {
            try Self.check(secret, named: "jwt secret \(index + 1)", onLoopback: onLoopback)
        }
        var keys = jwks?.keys ?? []
        if symmetricKeysInJWKS {
            for key in keys {
                guard case .hs256(_, let secret) = key.material else { continue }
                guard key.keyID != nil else { throw .init("jwks", "every key of type oct needs a kid") }
                try Self.check(secret, named: "jwks, a key of type oct", onLoopback: onLoopback)
            }
        } else {
            keys.removeAll { $0.algorithm == .hs256 }
        }
        if let jwks, keys.isEmpty {
            let why = Set(jwks.skipped.map(\.rawValue)).sorted().joined(separator: ", ")
            throw .init("jwks", "holds no usable key" + (why.isEmpty ? "" : " (\(why))") + "; give public ES256 or RS256 keys")
        }
        if let jwksURL { try Self.check(address: jwksURL) }
        guard (0...60).contains(leewaySeconds) else {
            throw .init("jwt leeway", "must be 0 to 60 seconds; set the machine's clock right rather than widening it")
        }
        if issuer?.isEmpty == true { throw .init("jwt issuer", "is empty; leave it out to accept any") }
        if audience?.isEmpty == true { throw .init("jwt audience", "is empty; leave it out to accept any") }

        apiKeys = try APIKeyTable(publishable: publishableKeys, secret: secretKeys, onLoopback: onLoopback)
        secrets = hs256Secrets.map { HMACSHA256(key: $0) }
        self.keys = keys
        self.jwksURL = jwksURL
        self.issuer = issuer
        self.audience = audience
        self.leewaySeconds = leewaySeconds
        self.acceptKeyAsBearer = acceptKeyAsBearer
        self.acceptTokenAsAPIKey = acceptTokenAsAPIKey
    }

    /// Keys only, unchecked, for looking at signatures apart from any host.
    init(onlyKeys keys: [VerificationKey]) {
        self.keys = keys
        secrets = []
        apiKeys = APIKeyTable()
        jwksURL = nil
        issuer = nil
        audience = nil
        leewaySeconds = 0
        acceptKeyAsBearer = false
        acceptTokenAsAPIKey = false
    }

    private static func check(
        _ secret: SecretBytes, named name: String, onLoopback: Bool
    ) throws(AuthConfigurationError) {
        guard secret.count >= WeakSecret.minimumBytes else {
            throw .init(name, "is \(secret.count) bytes, needs 32 or more; make one with: openssl rand -base64 48")
        }
        guard !onLoopback else { return }
        guard !WeakSecret.isPublished(secret) else {
            throw .init(
                name,
                "is a published demo value that anybody can sign with; make one with: openssl rand -base64 48, "
                    + "or listen on loopback only")
        }
        guard !WeakSecret.hasLittleVariety(secret) else {
            throw .init(name, "repeats itself or uses very few characters; make one with: openssl rand -base64 48")
        }
    }

    /// https anywhere, http on loopback; no user name, no white space, nothing but printable ASCII.
    private static func check(address: String) throws(AuthConfigurationError) {
        guard address.utf8.count <= 2048, address.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != 0x5c }) else {
            throw .init("jwks url", "must be printable ASCII of at most 2048 characters, without spaces or backslashes")
        }
        let secure = address.hasPrefix("https://")
        guard secure || address.hasPrefix("http://") else {
            throw .init("jwks url", "must begin with https:// (http:// is for loopback only)")
        }
        let rest = address.dropFirst(secure ? 8 : 7)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !authority.isEmpty, !authority.contains("@") else {
            throw .init("jwks url", "needs a host and may not hold a user name")
        }
        if secure { return }
        let isLoopback = ["127.0.0.1", "localhost", "[::1]"].contains { host in
            guard authority.hasPrefix(host) else { return false }
            let port = authority.dropFirst(host.count)
            return port.isEmpty || (port.first == ":" && port.dropFirst().utf8.allSatisfy { (0x30...0x39).contains($0) })
        }
        guard isLoopback else {
            throw .init("jwks url", "must begin with https:// unless its host is loopback")
        }
    }
}

/// A setting that cannot be used: which one, and what to do. Never holds the value.
package struct AuthConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    package let setting: String
    package let advice: String

    init(_ setting: String, _ advice: String) {
        self.setting = setting
        self.advice = advice
    }

    package var description: String { "\(setting): \(advice)" }
}
