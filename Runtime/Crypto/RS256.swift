internal import COpenSSL

/// RSASSA-PKCS1-v1_5 with SHA-256.
package enum RS256 {
    /// Smaller is breakable, larger makes one forged token cost more than a millisecond.
    package static let modulusBits = 2048...8192

    package struct PublicKey: Sendable {
        private let handle: KeyHandle
        /// Big-endian, no leading zeros.
        package let n: [UInt8]
        package let e: [UInt8]

        /// - Parameters: modulus and exponent as a JWK holds them after decoding: big-endian. Leading zeros are allowed.
        package init(n: [UInt8], e: [UInt8]) throws(CryptoError) {
            let n = Array(n.drop { $0 == 0 })
            let e = Array(e.drop { $0 == 0 })
            guard let top = n.first, let low = n.last, low & 1 == 1 else { throw .badKey(.modulusSize) }
            let bits = n.count * 8 - top.leadingZeroBitCount
            guard RS256.modulusBits.contains(bits) else { throw .badKey(.modulusSize) }
            // Odd, at least 3, at most 32 bits: a huge exponent only makes verifying slow.
            guard let last = e.last, last & 1 == 1, e.count <= 4, e.count > 1 || last >= 3 else { throw .badKey(.exponent) }
            guard !WeakModulus.isROCA(n) else { throw .badKey(.modulusWeak) }
            guard let key = swiftlet_rsa_public(n, n.count, e, e.count) else { throw .badKey(.unusable) }
            handle = try KeyHandle(owning: key, isRSA: true)
            self.n = n
            self.e = e
        }

        fileprivate init(handle: KeyHandle, n: [UInt8], e: [UInt8]) {
            self.handle = handle
            self.n = n
            self.e = e
        }

        package func isValid(_ signature: UnsafeRawBufferPointer, for message: UnsafeRawBufferPointer) -> Bool {
            guard signature.count == n.count, let start = signature.baseAddress?.assumingMemoryBound(to: UInt8.self)
            else { return false }
            return SHA256.hash(message).withUnsafeBytes { digest in
                guard let digest = digest.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return false }
                return swiftlet_verify(handle.verifier, digest, start, signature.count) == 1
            }
        }

        package func isValid(_ signature: [UInt8], for message: [UInt8]) -> Bool {
            signature.withUnsafeBytes { s in message.withUnsafeBytes { m in isValid(s, for: m) } }
        }
    }

    /// A signing key, for the token tool and for tests.
    package struct PrivateKey: Sendable {
        private let handle: KeyHandle
        package let publicKey: PublicKey

        /// A fresh key. Making 2048 bits takes tens of milliseconds.
        package init(bits: Int = 2048) throws(CryptoError) {
            guard RS256.modulusBits.contains(bits) else { throw .badKey(.modulusSize) }
            guard let key = swiftlet_rsa_generate(bits) else { throw .failed }
            let handle = try KeyHandle(owning: key, isRSA: true)
            var n = [UInt8](repeating: 0, count: bits / 8 + 1)
            var e = [UInt8](repeating: 0, count: 16)
            let nCount = swiftlet_rsa_number(key, CChar(UInt8(ascii: "n")), &n, n.count)
            let eCount = swiftlet_rsa_number(key, CChar(UInt8(ascii: "e")), &e, e.count)
            guard nCount > 0, eCount > 0 else { throw .failed }
            self.handle = handle
            publicKey = PublicKey(handle: handle, n: Array(n.prefix(nCount)), e: Array(e.prefix(eCount)))
        }

        package func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
            var signature = [UInt8](repeating: 0, count: publicKey.n.count)
            var count = signature.count
            let digest = SHA256.hash(message).bytes
            guard swiftlet_sign(handle.key, 1, digest, &signature, &count) == 1, count == signature.count
            else { throw .failed }
            return signature
        }
    }
}
