import SwiftletNet
import Testing

@Suite struct ForwardedChainTests {
    private let ranges = ["10.0.0.0/8", "fd00::/8"].compactMap { AddressRange($0) }

    private func client(
        _ peer: String, _ lines: [String], source: ForwardedChain.Source = .xForwardedFor, trusted: [AddressRange]? = nil
    ) throws -> String {
        let chain = ForwardedChain(trusted: trusted ?? ranges, source: source)
        return chain.client(peer: try #require(IPAddress(peer)), chain: lines).address.description
    }

    @Test(arguments: [
        (["1.1.1.1, 2.2.2.2, 10.0.0.5"], "2.2.2.2"),
        (["1.1.1.1", "2.2.2.2"], "2.2.2.2"),
        (["1.1.1.1", "10.0.0.7"], "1.1.1.1"),
        (["10.0.0.8, 10.0.0.7"], "10.0.0.8"),
        (["1.1.1.1:4711"], "1.1.1.1"),
        (["[2001:db8::9]"], "2001:db8::9"),
        (["[2001:db8::9]:99999"], "10.0.0.1"),
        (["[1.1.1.1]:80"], "10.0.0.1"),
        (["::ffff:1.1.1.1"], "1.1.1.1"),
        (["unknown"], "10.0.0.1"),
        (["_hidden, 10.0.0.2"], "10.0.0.2"),
        (["1.1.1.1,,10.0.0.2"], "10.0.0.2"),
        (["1.1.1.1,"], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["\"1.1.1.1\""], "10.0.0.1"),
        (["fe80::1%eth0"], "10.0.0.1"),
        (["1.1.1.1\u{0}"], "10.0.0.1"),
    ])
    func `the right-most untrusted hop is the client`(lines: [String], expected: String) throws {
        #expect(try client("10.0.0.1", lines) == expected)
    }

    @Test func `an untrusted peer is the client whatever it sends`() throws {
        #expect(try client("9.9.9.9", ["1.1.1.1"]) == "9.9.9.9")
        #expect(try client("fe80::1", ["1.1.1.1"]) == "fe80::1")
    }

    @Test func `a peer on a dual-stack socket is trusted as its IPv4 self`() throws {
        #expect(try client("::ffff:10.0.0.1", ["1.1.1.1"]) == "1.1.1.1")
        #expect(try client("::ffff:9.9.9.9", ["1.1.1.1"]) == "9.9.9.9")
    }

    @Test func `when everyone is trusted the left-most hop counts and a warning is due`() throws {
        let all = try #require(AddressRange("0.0.0.0/0"))
        #expect(try client("9.9.9.9", ["1.1.1.1, 2.2.2.2"], trusted: [all]) == "1.1.1.1")
        #expect(ForwardedChain(trusted: [all]).trustsEveryone)
        #expect(!ForwardedChain(trusted: ranges).trustsEveryone)
    }

    @Test func `a chain of endless trusted hops is read to a bound`() throws {
        let line = "1.1.1.1, " + Array(repeating: "10.0.0.9", count: 1_000).joined(separator: ",")
        #expect(try client("10.0.0.1", [line]) == "10.0.0.9")
    }

    @Test(arguments: [
        (["for=1.1.1.1;proto=https;host=a.example"], "1.1.1.1"),
        (["for=1.1.1.1, for=10.0.0.2"], "1.1.1.1"),
        (["for=\"[2001:db8::7]:4711\""], "2001:db8::7"),
        (["For=\"1.1.1.1:80\""], "1.1.1.1"),
        (["for=[2001:db8::7]"], "10.0.0.1"),
        (["for=unknown, for=10.0.0.2"], "10.0.0.2"),
        (["for=1.1.1.1;for=2.2.2.2"], "10.0.0.1"),
        (["for=\"1.1.1.1"], "10.0.0.1"),
        (["for=\"1.1.1.1\\\""], "10.0.0.1"),
        (["for=1.1.1.1,"], "10.0.0.1"),
        (["for 1.1.1.1"], "10.0.0.1"),
        (["proto=https"], "10.0.0.1"),
        (["by=\"a,b\";for=1.1.1.1"], "1.1.1.1"),
    ])
    func `the standard header is read when it is the configured one`(lines: [String], expected: String) throws {
        #expect(try client("10.0.0.1", lines, source: .forwarded) == expected)
    }

    @Test func `scheme and host come from a trusted proxy alone, and the host only when wished for`() throws {
        let trusted = try #require(IPAddress("10.0.0.1"))
        let stranger = try #require(IPAddress("9.9.9.9"))
        let plain = ForwardedChain(trusted: ranges)
        let full = ForwardedChain(trusted: ranges, honoursHost: true)
        let host = ["A.Example:8443"]
        #expect(plain.client(peer: trusted, chain: [], proto: ["https"], host: host).isSecure == true)
        #expect(plain.client(peer: trusted, chain: [], proto: ["https"], host: host).host == nil)
        #expect(full.client(peer: trusted, chain: [], proto: ["http"], host: host).host == "a.example:8443")
        #expect(full.client(peer: stranger, chain: [], proto: ["https"], host: host).isSecure == nil)
        #expect(full.client(peer: stranger, chain: [], proto: ["https"], host: host).host == nil)
        #expect(full.client(peer: trusted, chain: [], proto: ["https", "http"]).isSecure == nil)
        for bad in ["a b", "a/b", "u@a", "a?x", "a#x", "", "a:b", "[::1"] {
            #expect(full.client(peer: trusted, chain: [], host: [bad]).host == nil)
        }
        let standard = ForwardedChain(trusted: ranges, source: .forwarded, honoursHost: true)
        let client = standard.client(peer: trusted, chain: ["for=1.1.1.1;proto=https;host=\"b.example\""])
        #expect(client.isSecure == true && client.host == "b.example")
    }
}
