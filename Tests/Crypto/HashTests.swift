import SwiftletCrypto
import Testing

@Suite struct HashTests {
    @Test func `SHA-256 gives the standard's examples`() {
        #expect(SHA256.hash([]).hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(SHA256.hash(Array("abc".utf8)).hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let million = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        #expect(SHA256.hash(million).hex == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func `HMAC-SHA256 gives RFC 4231's examples, and one keyed state serves many calls`() {
        let key = HMACSHA256(key: Array("Jefe".utf8))
        for _ in 0..<3 {
            #expect(
                key.authenticate(Array("what do ya want for nothing?".utf8)).hex
                    == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        }
        let long = HMACSHA256(key: [UInt8](repeating: 0xaa, count: 131))
        #expect(
            long.authenticate(Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)).hex
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
        #expect(
            HMACSHA256(key: [UInt8]()).authenticate([]).hex
                == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    }

    /// Made with `openssl mac … SIPHASH`, key 00 01 … 0f, messages 00 01 … of the given length.
    @Test(arguments: [
        (0, "310e0edd47db6f72", "a3817f04ba25a8e66df67214c7550293"),
        (1, "fd67dc93c539f874", "da87c1d86b99af44347659119b22fc45"),
        (7, "37d1018bf50002ab", "a1f1ebbed8dbc153c0b84aa61ff08239"),
        (8, "6224939a79f5f593", "3b62a9ba6258f5610f83e264f31497b4"),
        (15, "e545be4961ca29a1", "5493e99933b0a8117e08ec0f97cfc3d9"),
        (16, "db9bc2577fcc2a3f", "6ee2a4ca67b054bbfd3315bf85230577"),
        (40, "d0a704536ba93e0e", "df6a301e95c95dad97ae0cc8c6913bd8"),
        (63, "724506eb4c328a95", "5150d1772f50834a503e069a973fbd7c"),
    ])
    func `SipHash-2-4 agrees with OpenSSL`(count: Int, short: String, long: String) throws {
        let key = try #require(SipHash(key: SecretBytes((0..<16).map { UInt8($0) })))
        let message = (0..<count).map { UInt8($0) }
        #expect(hex(key.hash64(message)) == short)
        let both = key.hash128(message)
        #expect(hex(both.low) + hex(both.high) == long)
    }

    @Test func `a SipHash key has 16 bytes, and random keys differ`() throws {
        #expect(SipHash(key: SecretBytes([1, 2, 3])) == nil)
        let (one, two) = (try SipHash.randomKey(), try SipHash.randomKey())
        #expect(one.hash64([1]) != two.hash64([1]))
    }

    private func hex(_ value: UInt64) -> String { withUnsafeBytes(of: value.littleEndian) { Hex.encode($0) } }
}

@Suite struct ConstantTimeTests {
    @Test func `equality sees every byte at every length`() {
        for count in 0..<40 {
            let value = (0..<count).map { UInt8($0) }
            #expect(ConstantTime.equal(value, value))
            #expect(!ConstantTime.equal(value, value + [0]))
            for index in value.indices {
                var other = value
                other[index] ^= 0x80
                #expect(!ConstantTime.equal(value, other))
            }
        }
    }

    @Test func `comparing by digest sees the value and its length`() {
        let digest = SHA256.hash(Array("secret".utf8))
        #expect(Array("secret".utf8).withUnsafeBytes { ConstantTime.equalHashed($0, digestOfSecret: digest) })
        for other in ["", "secre", "secretx", "Secret"] {
            #expect(!Array(other.utf8).withUnsafeBytes { ConstantTime.equalHashed($0, digestOfSecret: digest) })
        }
    }
}

@Suite struct SecretBytesTests {
    @Test func `a secret never prints itself`() {
        let secret = SecretBytes(utf8: "canary-0123456789")
        var dumped = ""
        dump(secret, to: &dumped)
        dump([secret], to: &dumped)
        let texts = ["\(secret)", String(describing: secret), String(reflecting: secret), "\([secret])", dumped]
        for text in texts {
            #expect(text.contains("[redacted]"))
            #expect(!text.contains("canary"))
        }
        #expect(Mirror(reflecting: secret).children.isEmpty)
    }

    @Test func `a secret gives back what it was given`() {
        let secret = SecretBytes([1, 2, 3])
        #expect(secret.withUnsafeBytes { Array($0) } == [1, 2, 3])
        #expect(secret == SecretBytes([1, 2, 3]))
        #expect(secret != SecretBytes([1, 2, 4]))
        #expect(secret != SecretBytes([1, 2]))
        #expect(SecretBytes([]).count == 0)
        #expect(SecretBytes([]) == SecretBytes([]))
    }

    @Test func `random bytes are asked from the kernel and differ`() throws {
        #expect(try Random.bytes(0).isEmpty)
        let (one, two) = (try Random.bytes(32), try Random.bytes(32))
        #expect(one.count == 32)
        #expect(one != two)
        #expect(try SecretBytes.random(count: 32).count == 32)
        #expect(try Random.bytes(1000).contains { $0 != 0 })
    }
}
