package import SwiftletCrypto
package import SwiftletJSON

/// Makes signed tokens: for `swiftlet token`, for local development, and for tests. No request ever reaches it.
package struct TokenMinter: Sendable {
    package enum Signer: Sendable {
        case hs256(SecretBytes)
        case es256(ES256.PrivateKey)
        case rs256(RS256.PrivateKey)

        var algorithm: TokenAlgorithm {
            switch self {
            case .hs256: .hs256
            case .es256: .es256
            case .rs256: .rs256
            }
        }
    }

    package enum Problem: Error, Sendable, Equatable {
        /// An HS256 secret needs 32 bytes.
        case shortSecret
        /// An extra claim has the name of another claim.
        case duplicateClaim(String)
        /// The token would be longer than a host accepts.
        case tooLong
        case signing(CryptoError)
    }

    /// What the token will say. Times are seconds since 1970.
    package struct Content: Sendable {
        package var subject: String?
        package var role: String?
        package var issuer: String?
        package var audience: [String] = []
        package var sessionID: String?
        package var issuedAt: Int64?
        package var notBefore: Int64?
        package var expiresAt: Int64
        /// Further claims, in this order.
        package var extra: [(name: String, value: JSON)] = []

        package init(
            subject: String? = nil, role: String? = nil, issuer: String? = nil, audience: [String] = [],
            issuedAt: Int64? = nil, expiresAt: Int64
        ) {
            self.subject = subject
            self.role = role
            self.issuer = issuer
            self.audience = audience
            self.issuedAt = issuedAt
            self.expiresAt = expiresAt
        }
    }

    private let signer: Signer
    private let keyID: String?

    package init(_ signer: Signer, keyID: String? = nil) throws(Problem) {
        if case .hs256(let secret) = signer, secret.count < WeakSecret.minimumBytes { throw .shortSecret }
        self.signer = signer
        self.keyID = keyID
    }

    package func mint(_ content: Content) throws(Problem) -> String {
        var claims = JSON.Object()
        if let issuer = content.issuer { claims["iss"] = .string(issuer) }
        if let subject = content.subject { claims["sub"] = .string(subject) }
        if let only = content.audience.first {
            claims["aud"] = content.audience.count > 1 ? .array(content.audience.map { .string($0) }) : .string(only)
        }
        if let role = content.role { claims["role"] = .string(role) }
        if let sessionID = content.sessionID { claims["session_id"] = .string(sessionID) }
        if let issuedAt = content.issuedAt { claims["iat"] = JSON(issuedAt) }
        if let notBefore = content.notBefore { claims["nbf"] = JSON(notBefore) }
        claims["exp"] = JSON(content.expiresAt)
        for (name, value) in content.extra {
            guard claims[name] == nil else { throw .duplicateClaim(name) }
            claims[name] = value
        }
        var header = JSON.Object()
        header["alg"] = .string(signer.algorithm.rawValue)
        header["typ"] = .string("JWT")
        if let keyID { header["kid"] = .string(keyID) }
        let token = try sign(header: JSON.object(header).bytes, payload: JSON.object(claims).bytes)
        guard token.utf8.count <= CompactToken.maximumBytes else { throw .tooLong }
        return token
    }

    /// Signs any two texts, good or bad; tests build their broken tokens with it.
    package func sign(header: [UInt8], payload: [UInt8]) throws(Problem) -> String {
        let signed = Array((Base64URL.encode(header) + "." + Base64URL.encode(payload)).utf8)
        let signature: [UInt8]
        do throws(CryptoError) {
            switch signer {
            case .hs256(let secret): signature = HMACSHA256(key: secret).authenticate(signed).bytes
            case .es256(let key): signature = try key.sign(signed)
            case .rs256(let key): signature = try key.sign(signed)
            }
        } catch {
            throw .signing(error)
        }
        return String(decoding: signed, as: UTF8.self) + "." + Base64URL.encode(signature)
    }
}
