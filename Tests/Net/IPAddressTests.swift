import SwiftletNet
import Testing

@Suite struct IPAddressTests {
    @Test(arguments: ["0.0.0.0", "1.2.3.4", "255.255.255.255", "10.0.0.9"])
    func `plain dotted decimal is read and printed back`(text: String) {
        #expect(IPAddress(text)?.description == text)
        #expect(IPAddress(text)?.family == .v4)
    }

    @Test(arguments: [
        "", ".", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.0.0.1", "01.2.3.4", "1.2.3.00", "0x7f.0.0.1",
        "2130706433", "1.2.3.4 ", " 1.2.3.4", "1.2.3.-4", "1.2.3.4\n", "١.2.3.4", "1.2.3.4/32", "99999999999.1.1.1",
    ])
    func `any other IPv4 text is refused`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(arguments: [
        ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8::1", "2001:db8::1"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("1:0:0:4:0:0:0:8", "1:0:0:4::8"), ("1:0:0:4:5:0:0:8", "1::4:5:0:0:8"), ("0:2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ("1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"), ("::ffff:127.0.0.1", "::ffff:7f00:1"),
        ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("0001::0a", "1::a"),
        ("1:2::7:8", "1:2::7:8"), ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
    ])
    func `IPv6 text is read and printed in its canonical form`(text: String, canonical: String) {
        #expect(IPAddress(text)?.description == canonical)
    }

    @Test(arguments: [
        ":", ":::", "1", "1:", ":1", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8",
        "12345::", "g::", "::1%eth0", "[::1]", "::1.2.3", "::1.2.3.4.5", "1.2.3.4::", "::01.2.3.4", "1:2:3:4:5:6:7:1.2.3.4",
        "::1.2.3.4:5", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7", "::1 ", "2001:db8::1::",
    ])
    func `any other IPv6 text is refused`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func `every printed address reads back as itself`() {
        var state: UInt64 = 88_172_645_463_325_252
        func random() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
        for round in 0..<2_000 {
            // Masks make zero groups, and so gaps, frequent.
            let address = IPAddress(v6High: random() & random() & random(), low: round % 3 == 0 ? random() >> 48 : random())
            #expect(IPAddress(address.description) == address)
            let four = IPAddress(v4: UInt32(truncatingIfNeeded: random()))
            #expect(IPAddress(four.description) == four)
        }
    }

    @Test func `random bytes never trap`() {
        var state: UInt64 = 42
        let letters = Array("0123456789abcdefABCDEF:.:::%[]".utf8)
        for _ in 0..<20_000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int(state % 24) {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes.append(letters[Int(state >> 33) % letters.count])
            }
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            if let address = bytes.withUnsafeBytes({ IPAddress(bytes: $0) }) {
                #expect(IPAddress(address.description) == address)
            }
        }
    }

    @Test func `a mapped address counts as the IPv4 address inside`() {
        #expect(IPAddress("::ffff:10.1.2.3")?.unmapped == IPAddress("10.1.2.3"))
        #expect(IPAddress("::10.1.2.3")?.unmapped.family == .v6)
    }

    @Test func `clients are counted by address in IPv4 and by subscriber net in IPv6`() {
        #expect(IPAddress("192.0.2.7")?.clientKey.description == "192.0.2.7")
        #expect(IPAddress("::ffff:192.0.2.7")?.clientKey.description == "192.0.2.7")
        #expect(IPAddress("2001:db8:1:2:3:4:5:6")?.clientKey == IPAddress("2001:db8:1:2:ffff::1")?.clientKey)
        #expect(IPAddress("2001:db8:1:2::1")?.clientKey != IPAddress("2001:db8:1:3::1")?.clientKey)
    }

    @Test func `socket addresses are read in both families and nothing else`() {
        let four: [UInt8] = [2, 0, 0, 80, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]
        #expect(four.withUnsafeBytes { IPAddress(socketAddress: $0) }?.description == "192.0.2.1")
        var six = [UInt8](repeating: 0, count: 28)
        six[0] = 10
        six[8] = 0x20
        six[9] = 0x01
        six[23] = 1
        #expect(six.withUnsafeBytes { IPAddress(socketAddress: $0) }?.description == "2001::1")
        #expect([UInt8](six[..<20]).withUnsafeBytes { IPAddress(socketAddress: $0) } == nil)
        #expect([UInt8]([1, 0]).withUnsafeBytes { IPAddress(socketAddress: $0) } == nil)
        #expect([UInt8]([]).withUnsafeBytes { IPAddress(socketAddress: $0) } == nil)
    }
}

@Suite struct AddressRangeTests {
    @Test(arguments: ["10.0.0.0/8", "0.0.0.0/0", "1.2.3.4/32", "fd00::/8", "::/0", "2001:db8::1/128", "128.0.0.0/1"])
    func `a range in CIDR form is read and printed back`(text: String) {
        #expect(AddressRange(text)?.description == text)
    }

    @Test(arguments: [
        "10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "/8", "10/8", "10.0.0.0/8/8", "a",
    ])
    func `a range that cannot be meant is refused`(text: String) {
        #expect(AddressRange(text) == nil)
    }

    @Test func `a range holds its first and last address and not their neighbours`() throws {
        let range = try #require(AddressRange("172.16.0.0/12"))
        for (text, holds) in [("172.15.255.255", false), ("172.16.0.0", true), ("172.31.255.255", true), ("172.32.0.0", false)] {
            #expect(range.contains(try #require(IPAddress(text))) == holds)
        }
        let six = try #require(AddressRange("2620:4f:8000::/48"))
        #expect(six.contains(try #require(IPAddress("2620:4f:8000:ffff::1"))))
        #expect(!six.contains(try #require(IPAddress("2620:4f:8001::"))))
        let narrow = try #require(AddressRange("2001:db8::ff00/120"))
        #expect(narrow.contains(try #require(IPAddress("2001:db8::ffff"))))
        #expect(!narrow.contains(try #require(IPAddress("2001:db8::1:0"))))
        #expect(!range.contains(try #require(IPAddress("::ffff:172.16.0.1"))))
    }
}
