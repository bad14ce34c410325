package import SwiftletCrypto
package import SwiftletJSON

/// A token whose signature, times, issuer and audience were good when it was handed out.
///
/// Not promised: that it still is. Work that outlives the request must look at `expiry` itself.
package final class VerifiedToken: Sendable {
    package let algorithm: TokenAlgorithm
    /// `sub`; anon and service_role tokens have none.
    package let subject: String?
    package let role: String?
    package let issuer: String?
    package let audience: [String]
    /// `session_id`
    package let sessionID: String?
    /// Seconds since 1970, as signed (the leeway is not in it).
    package let expiry: Double
    package let issuedAt: Double?
    /// All claims, as signed.
    package let claims: JSON
    /// The same as JSON text, for where they are handed on.
    package let claimsText: [UInt8]
    /// For rate limits: the same for every token of one `sub` of one issuer; without a `sub`, one per token. Keyed by the
    /// authenticator, so it cannot be aimed at and says nothing outside.
    package let fingerprint: SipHash.Hash128

    /// The token as received. A credential: never printed, never handed out.
    let bytes: [UInt8]
    let notBefore: Double?
    /// What it takes in memory, roughly and not less: the tree of claims is a few times its text.
    let cost: Int

    init(bytes: [UInt8], algorithm: TokenAlgorithm, claims: Claims, payloadCount: Int, key: SipHash) {
        self.bytes = bytes
        self.algorithm = algorithm
        subject = claims.subject
        role = claims.role
        issuer = claims.issuer
        audience = claims.audience
        sessionID = claims.sessionID
        expiry = claims.expiry
        notBefore = claims.notBefore
        issuedAt = claims.issuedAt
        self.claims = claims.json
        claimsText = claims.json.bytes
        cost = 512 + bytes.count + 7 * payloadCount
        if let subject = claims.subject {
            let ofIssuer = Self.hash(claims.issuer ?? "", key)
            fingerprint = Self.hash(subject, SipHash(k0: ofIssuer.low, k1: ofIssuer.high))
        } else {
            fingerprint = key.hash128(bytes)
        }
    }

    /// The first 8 hex digits of the token's SHA-256: enough to find a token in a log, useless as a token. Computed at
    /// each call.
    package var tokenHash: String { String(SHA256.hash(bytes).hex.prefix(8)) }

    private static func hash(_ text: String, _ key: SipHash) -> SipHash.Hash128 {
        var text = text
        return text.withUTF8 { key.hash128(UnsafeRawBufferPointer($0)) }
    }
}

extension VerifiedToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "VerifiedToken(\(tokenHash))" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(reflecting: description) }
}
