internal import SwiftletCrypto

/// Every key that may verify a token now: an immutable snapshot, replaced as a whole.
final class KeyRing: Sendable {
    let configuration: AuthConfiguration
    /// Keys from the configured URL, and until when they may be used without hearing from it (monotonic milliseconds).
    let fetched: [VerificationKey]
    let fetchedUntil: Int64
    /// Grows with every change of keys or rules; cache entries of another generation are void.
    let generation: UInt64

    init(configuration: AuthConfiguration, fetched: [VerificationKey] = [], fetchedUntil: Int64 = .min, generation: UInt64) {
        self.configuration = configuration
        self.fetched = fetched
        self.fetchedUntil = fetchedUntil
        self.generation = generation
    }

    enum Problem: Error {
        case refused(AuthRefusal)
        /// A fetch might bring the key.
        case unknownKey(TokenAlgorithm, keyID: String?, AuthRefusal.Reason)
    }

    struct Signed {
        let algorithm: TokenAlgorithm
        /// The decoded payload; its signature is good.
        let payload: [UInt8]
        /// Set when the header had to be read; nil when it was the known one.
        let newHeader: KnownHeader?
        /// A fetched key made it valid, so it must not outlive the fetched set.
        let byFetchedKey: Bool
    }

    /// The signature layer: which key, does it fit, did it sign exactly these bytes. Says nothing about the claims.
    /// - Parameter known: a header read before; reading the same bytes again gives the same.
    func open(
        _ token: UnsafeRawBufferPointer, known: KnownHeader? = nil, now: AuthInstant
    ) throws(Problem) -> Signed {
        let parts: CompactToken
        let header: TokenHeader
        let isNew: Bool
        do throws(AuthRefusal) {
            parts = try CompactToken(token)
            if let same = known?.header(of: parts.header) {
                header = same
                isNew = false
            } else {
                header = try TokenHeader(parts.header)
                isNew = true
            }
        } catch {
            throw .refused(error)
        }
        guard let signatureCount = Base64URL.decodedCount(parts.signature.count), signatureCount <= 1024 else {
            throw .refused(.format(.encoding))
        }
        let signature = Base64URL.decode(parts.signature)
        guard let signature else { throw .refused(.format(.encoding)) }
        let byFetchedKey: Bool
        if header.algorithm == .hs256 {
            guard verifyShared(signature, parts.signed, keyID: header.keyID) else {
                throw .refused(.token(.hs256, configuration.secrets.isEmpty ? .noKey : .signature))
            }
            byFetchedKey = false
        } else {
            let (key, isFetched) = try find(header, now: now)
            guard signature.withUnsafeBytes({ key.isValid($0, for: parts.signed) }) else {
                throw .refused(.token(header.algorithm, .signature))
            }
            byFetchedKey = isFetched
        }
        guard let payload = Base64URL.decode(parts.payload) else { throw .refused(.format(.encoding)) }
        return Signed(
            algorithm: header.algorithm, payload: payload,
            newHeader: isNew ? KnownHeader(text: parts.header, parsed: header) : nil, byFetchedKey: byFetchedKey)
    }

    /// Every shared secret is tried, whatever `kid` says: Supabase's own HS256 tokens carry a `kid` that names no file
    /// and no row here. A symmetric key of the configured set counts only under its own name.
    private func verifyShared(_ signature: [UInt8], _ signed: UnsafeRawBufferPointer, keyID: String?) -> Bool {
        signature.withUnsafeBytes { signature in
            for secret in configuration.secrets where secret.isValid(signature, for: signed) { return true }
            guard let keyID else { return false }
            for key in configuration.keys {
                guard case .hs256(let secret, _) = key.material, key.keyID.isExactly(keyID) else { continue }
                if secret.isValid(signature, for: signed) { return true }
            }
            return false
        }
    }

    /// By algorithm and `kid`. Without a `kid` the algorithm must leave exactly one key.
    private func find(_ header: TokenHeader, now: AuthInstant) throws(Problem) -> (VerificationKey, isFetched: Bool) {
        let fresh = now.monotonicMilliseconds < fetchedUntil
        var only: (VerificationKey, isFetched: Bool)?
        for (keys, isFetched) in [(configuration.keys, false), (fresh ? fetched : [], true)] {
            for key in keys where key.algorithm == header.algorithm {
                if let keyID = header.keyID {
                    if key.keyID.isExactly(keyID) { return (key, isFetched) }
                } else if let found = only {
                    if found.0.isSame(as: key) { continue }
                    throw .refused(.token(header.algorithm, .ambiguousKey))
                } else {
                    only = (key, isFetched)
                }
            }
        }
        if let only { return only }
        guard configuration.jwksURL != nil else {
            throw .refused(.token(header.algorithm, configuration.keys.isEmpty ? .noKey : .unknownKey))
        }
        throw .unknownKey(header.algorithm, keyID: header.keyID, !fresh && !fetched.isEmpty ? .staleKeys : .unknownKey)
    }
}

extension VerificationKey {
    func isValid(_ signature: UnsafeRawBufferPointer, for message: UnsafeRawBufferPointer) -> Bool {
        switch material {
        case .es256(let key): key.isValid(signature, for: message)
        case .rs256(let key): key.isValid(signature, for: message)
        case .hs256(let key, _): key.isValid(signature, for: message)
        }
    }
}
