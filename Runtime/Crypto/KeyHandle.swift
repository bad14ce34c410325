internal import COpenSSL

/// Owns one libcrypto key and a context prepared to verify with it. Both are only read once made, which libcrypto allows
/// from many threads.
final class KeyHandle: @unchecked Sendable {
    let key: OpaquePointer
    let verifier: OpaquePointer

    /// Takes over `key`, also when it throws.
    init(owning key: OpaquePointer, isRSA: Bool) throws(CryptoError) {
        guard let verifier = swiftlet_verifier(key, isRSA ? 1 : 0) else {
            EVP_PKEY_free(key)
            throw .failed
        }
        self.key = key
        self.verifier = verifier
    }

    deinit {
        EVP_PKEY_CTX_free(verifier)
        EVP_PKEY_free(key)
    }
}
