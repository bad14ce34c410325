import SwiftletCrypto
import Testing

@Suite struct SignatureTests {
    let message = Array("the exact bytes that were signed".utf8)

    @Test func `an ES256 signature holds for its message and for no changed byte`() throws {
        let key = try ES256.PrivateKey()
        let signature = try key.sign(message)
        #expect(signature.count == 64)
        #expect(key.publicKey.isValid(signature, for: message))
        for index in signature.indices {
            var changed = signature
            changed[index] ^= 1
            #expect(!key.publicKey.isValid(changed, for: message))
        }
        #expect(!key.publicKey.isValid(signature, for: message + [0]))
        #expect(!key.publicKey.isValid(signature + [0], for: message))
        #expect(!key.publicKey.isValid(Array(signature.dropLast()), for: message))
        #expect(!key.publicKey.isValid([], for: message))
    }

    @Test func `ES256 refuses r or s outside 1 to n-1`() throws {
        let key = try ES256.PrivateKey()
        let order = try #require(Hex.decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"))
        let zero = [UInt8](repeating: 0, count: 32)
        let one = [UInt8](repeating: 0, count: 31) + [1]
        let all = [UInt8](repeating: 0xff, count: 32)
        for r in [zero, one, order, all] {
            for s in [zero, one, order, all] {
                #expect(!key.publicKey.isValid(r + s, for: message))
            }
        }
    }

    @Test func `short r and s still verify after many signatures`() throws {
        // One signature in 128 has a leading zero byte in r or s; the DER form must be right for those too.
        let key = try ES256.PrivateKey()
        for round in 0..<400 {
            let text = Array("message \(round)".utf8)
            #expect(key.publicKey.isValid(try key.sign(text), for: text))
        }
    }

    @Test func `a point that is not on the curve is no key`() throws {
        let good = try ES256.PrivateKey().publicKey
        var y = good.y
        y[31] ^= 1
        #expect(throws: CryptoError.badKey(.notOnCurve)) { try ES256.PublicKey(x: good.x, y: y) }
        let zero = [UInt8](repeating: 0, count: 32)
        #expect(throws: CryptoError.badKey(.notOnCurve)) { try ES256.PublicKey(x: zero, y: zero) }
        #expect(throws: CryptoError.badKey(.notOnCurve)) {
            try ES256.PublicKey(x: [UInt8](repeating: 0xff, count: 32), y: good.y)
        }
        #expect(throws: CryptoError.badKey(.wrongLength)) { try ES256.PublicKey(x: [0] + good.x, y: good.y) }
        #expect(throws: CryptoError.badKey(.wrongLength)) { try ES256.PublicKey(x: [], y: good.y) }
        #expect(throws: Never.self) { try ES256.PublicKey(x: good.x, y: good.y) }
    }

    @Test func `a private EC key must belong to its point`() throws {
        let point = try ES256.PrivateKey().publicKey
        let stranger = SecretBytes([UInt8](repeating: 7, count: 32))
        #expect(throws: CryptoError.badKey(.unusable)) { try ES256.PrivateKey(d: stranger, x: point.x, y: point.y) }
        // RFC 7515 appendix A.3: the example key signs and verifies.
        let d = try #require(Base64URL.decode("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"))
        let x = try #require(Base64URL.decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"))
        let y = try #require(Base64URL.decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"))
        let key = try ES256.PrivateKey(d: SecretBytes(d), x: x, y: y)
        #expect(key.publicKey.isValid(try key.sign(message), for: message))
    }

    @Test func `an RS256 signature holds for its message and for no changed byte`() throws {
        let key = try RS256.PrivateKey()
        let signature = try key.sign(message)
        #expect(signature.count == 256)
        let public2 = try RS256.PublicKey(n: [0, 0] + key.publicKey.n, e: [0] + key.publicKey.e)
        #expect(public2.isValid(signature, for: message))
        for index in stride(from: 0, to: signature.count, by: 7) {
            var changed = signature
            changed[index] ^= 0x80
            #expect(!public2.isValid(changed, for: message))
        }
        #expect(!public2.isValid(signature, for: message + [0]))
        #expect(!public2.isValid([0] + signature, for: message))
        #expect(!public2.isValid([], for: message))
        #expect(!public2.isValid([UInt8](repeating: 0, count: 256), for: message))
    }

    @Test func `RSA keys that are too small, too large, even or with a silly exponent are no keys`() throws {
        let n = try RS256.PrivateKey().publicKey.n
        let e: [UInt8] = [1, 0, 1]
        #expect(throws: CryptoError.badKey(.modulusSize)) { try RS256.PublicKey(n: Array(n.suffix(128)), e: e) }
        #expect(throws: CryptoError.badKey(.modulusSize)) { try RS256.PublicKey(n: [], e: e) }
        #expect(throws: CryptoError.badKey(.modulusSize)) { try RS256.PublicKey(n: [0, 0], e: e) }
        var even = n
        even[even.count - 1] &= 0xfe
        #expect(throws: CryptoError.badKey(.modulusSize)) { try RS256.PublicKey(n: even, e: e) }
        let huge = [0x80] + [UInt8](repeating: 1, count: 1024)
        #expect(throws: CryptoError.badKey(.modulusSize)) { try RS256.PublicKey(n: huge, e: e) }
        for bad: [UInt8] in [[], [0], [1], [2], [0, 1], [1, 0, 0], [1, 0, 0, 0, 1]] {
            #expect(throws: CryptoError.badKey(.exponent)) { try RS256.PublicKey(n: n, e: bad) }
        }
        #expect(throws: Never.self) { try RS256.PublicKey(n: n, e: [3]) }
    }

    @Test func `a modulus from the broken ROCA generator is no key`() throws {
        // A power of 65537 modulo the product of the first small primes, brought to 2048 bits:
        // built here as product * k + 65537, big-endian.
        var number: [UInt8] = [1]
        for prime in [
            3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101,
            103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 2,
        ] {
            number = times(number, prime)
        }
        while number.count < 256 { number = times(number, 255) }
        while number.count == 256, (number.first ?? 0) < 0x80 { number = times(number, 2) }
        try #require(number.count == 256)
        var carry = 65537
        for index in number.indices.reversed() {
            let sum = Int(number[index]) + carry
            number[index] = UInt8(sum & 255)
            carry = sum >> 8
        }
        #expect(throws: CryptoError.badKey(.modulusWeak)) { try RS256.PublicKey(n: number, e: [1, 0, 1]) }
    }

    private func times(_ number: [UInt8], _ factor: Int) -> [UInt8] {
        var result = number
        var carry = 0
        for index in result.indices.reversed() {
            let product = Int(result[index]) * factor + carry
            result[index] = UInt8(product & 255)
            carry = product >> 8
        }
        while carry > 0 {
            result.insert(UInt8(carry & 255), at: 0)
            carry >>= 8
        }
        return result
    }
}
