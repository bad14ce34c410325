internal import COpenSSL

/// ECDSA over P-256 with SHA-256, signatures as JOSE writes them: r || s, 64 bytes (RFC 7518 section 3.4).
package enum ES256 {
    package static let signatureCount = 64

    /// The order of the curve's group, big-endian.
    private static let order: [UInt8] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ]

    /// A public key, checked to be a point of the curve when made.
    package struct PublicKey: Sendable {
        private let handle: KeyHandle
        /// The coordinates, 32 bytes each, big-endian.
        package let x: [UInt8]
        package let y: [UInt8]

        /// - Parameters: the coordinates as a JWK holds them after decoding: exactly 32 bytes each.
        package init(x: [UInt8], y: [UInt8]) throws(CryptoError) {
            guard x.count == 32, y.count == 32 else { throw .badKey(.wrongLength) }
            let point = [4] + x + y
            guard let key = swiftlet_p256_public(point, point.count) else { throw .badKey(.notOnCurve) }
            handle = try KeyHandle(owning: key, isRSA: false)
            self.x = x
            self.y = y
        }

        fileprivate init(handle: KeyHandle, x: [UInt8], y: [UInt8]) {
            self.handle = handle
            self.x = x
            self.y = y
        }

        /// False for anything but 64 bytes with 1 <= r, s < n that sign exactly `message`. A high s is accepted: JOSE
        /// has no low-s rule.
        package func isValid(_ signature: UnsafeRawBufferPointer, for message: UnsafeRawBufferPointer) -> Bool {
            guard signature.count == ES256.signatureCount,
                ES256.isInRange(signature, at: 0), ES256.isInRange(signature, at: 32)
            else { return false }
            return withUnsafeTemporaryAllocation(byteCount: 72, alignment: 8) { der in
                let count = ES256.writeDER(signature, into: der)
                guard let start = der.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return false }
                let digest = SHA256.hash(message)
                return digest.withUnsafeBytes { digest in
                    guard let digest = digest.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return false }
                    return swiftlet_verify(handle.verifier, digest, start, count) == 1
                }
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

        /// A fresh key.
        package init() throws(CryptoError) {
            guard let key = swiftlet_p256_generate() else { throw .failed }
            try self.init(handle: KeyHandle(owning: key, isRSA: false))
        }

        /// The numbers of a private JWK: 32 bytes each. Throws when `d` and the point do not belong together.
        package init(d: SecretBytes, x: [UInt8], y: [UInt8]) throws(CryptoError) {
            guard d.count == 32, x.count == 32, y.count == 32 else { throw .badKey(.wrongLength) }
            let point = [4] + x + y
            let key = d.withUnsafeBytes { secret -> OpaquePointer? in
                guard let secret = secret.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return nil }
                return swiftlet_p256_private(secret, point)
            }
            guard let key else { throw .badKey(.unusable) }
            try self.init(handle: KeyHandle(owning: key, isRSA: false))
        }

        private init(handle: KeyHandle) throws(CryptoError) {
            var point = [UInt8](repeating: 0, count: 65)
            guard swiftlet_p256_point(handle.key, &point) == 1 else { throw .failed }
            self.handle = handle
            publicKey = PublicKey(handle: handle, x: Array(point[1..<33]), y: Array(point[33..<65]))
        }

        /// 64 bytes, r || s.
        package func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
            var der = [UInt8](repeating: 0, count: 80)
            var count = der.count
            var raw = [UInt8](repeating: 0, count: ES256.signatureCount)
            let digest = SHA256.hash(message).bytes
            guard swiftlet_sign(handle.key, 0, digest, &der, &count) == 1, swiftlet_ecdsa_raw(der, count, &raw) == 1
            else { throw .failed }
            return raw
        }
    }

    /// True when the 32-byte number at `offset` lies in 1 ..< n.
    private static func isInRange(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        var isZero = true
        for index in 0..<32 where bytes[offset &+ index] != 0 {
            isZero = false
            break
        }
        if isZero { return false }
        for index in 0..<32 {
            let (byte, limit) = (bytes[offset &+ index], order[index])
            if byte != limit { return byte < limit }
        }
        return false
    }

    /// SEQUENCE { INTEGER r, INTEGER s }, at most 72 bytes.
    private static func writeDER(_ raw: UnsafeRawBufferPointer, into der: UnsafeMutableRawBufferPointer) -> Int {
        var end = 2
        writeInteger(raw, at: 0, into: der, end: &end)
        writeInteger(raw, at: 32, into: der, end: &end)
        der[0] = 0x30
        der[1] = UInt8(truncatingIfNeeded: end &- 2)
        return end
    }

    private static func writeInteger(
        _ raw: UnsafeRawBufferPointer, at offset: Int, into der: UnsafeMutableRawBufferPointer, end: inout Int
    ) {
        var first = 0
        while first < 31, raw[offset &+ first] == 0 { first &+= 1 }
        let needsZero = raw[offset &+ first] & 0x80 != 0
        der[end] = 0x02
        der[end &+ 1] = UInt8(truncatingIfNeeded: 32 &- first &+ (needsZero ? 1 : 0))
        end &+= 2
        if needsZero {
            der[end] = 0
            end &+= 1
        }
        for index in first..<32 {
            der[end] = raw[offset &+ index]
            end &+= 1
        }
    }
}
