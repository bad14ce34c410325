import Testing

@testable import SwiftletRateLimit

@Suite struct `A key` {
    let hasher = RateLimitHasher(seed: (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908))

    func key(_ id: String, scope: UInt64 = 1, kind: UInt8 = 1) -> RateLimitKey {
        Array(id.utf8).withUnsafeBytes { hasher.key(scope: scope, kind: kind, id: $0) }
    }

    /// Worked out with OpenSSL's SIPHASH, key 00 01 … 0f, input 00 01 … of the given length.
    @Test(arguments: [
        (0, "a3817f04ba25a8e66df67214c7550293"), (1, "da87c1d86b99af44347659119b22fc45"), (7, "a1f1ebbed8dbc153c0b84aa61ff08239"),
        (8, "3b62a9ba6258f5610f83e264f31497b4"), (15, "5493e99933b0a8117e08ec0f97cfc3d9"),
        (40, "df6a301e95c95dad97ae0cc8c6913bd8"),
    ])
    func `is SipHash 2-4 with 128 bits`(count: Int, expected: String) {
        var sip = SipHash(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)
        let key = (0..<count).map { UInt8($0) }.withUnsafeBytes { sip.finish($0, absorbed: 0) }
        let text = [key.high, key.low].map { word in
            (0..<8).map { index in
                let digits = String((word >> (UInt64(index) * 8)) & 0xFF, radix: 16)
                return digits.count == 1 ? "0" + digits : digits
            }.joined()
        }.joined()
        #expect(text == expected)
    }

    @Test func `whole words and a tail hash as one message`() {
        let message = (0..<40).map { UInt8($0) }
        var whole = SipHash(3, 4)
        let expected = message.withUnsafeBytes { whole.finish($0, absorbed: 0) }
        var parts = SipHash(3, 4)
        parts.absorb(0x0706_0504_0302_0100)
        parts.absorb(0x0f0e_0d0c_0b0a_0908)
        #expect(message[16...].withUnsafeBytes { parts.finish($0, absorbed: 16) } == expected)
    }

    @Test func `differs for everything that is not the same caller`() {
        let composed = "caf\u{E9}"
        let decomposed = "cafe\u{301}"
        let big = String(repeating: "x", count: 10_000)
        let ids = ["", "a", "A", "a:b", "a:b:c", composed, decomposed, big, big + "x", "\0", "\0\0", "a\0"]
        var keys: Set<RateLimitKey> = []
        for id in ids {
            for scope in [UInt64(0), 1, 2] { for kind in [UInt8(0), 1] { keys.insert(key(id, scope: scope, kind: kind)) } }
        }
        #expect(keys.count == ids.count * 6)
        #expect(key("a") == key("a"))
    }

    @Test func `depends on the seed`() {
        let other = RateLimitHasher(seed: (1, 2))
        #expect(Array("a".utf8).withUnsafeBytes { other.key(scope: 1, kind: 1, id: $0) } != key("a"))
    }
}
