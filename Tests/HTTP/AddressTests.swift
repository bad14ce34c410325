import Foundation
import SwiftletHTTP
import TestSupport
import Testing

@Suite struct `Peer addresses` {
    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1"), ("255.255.255.255", "255.255.255.255"), ("0.0.0.0", "0.0.0.0"), ("::", "::"), ("::1", "::1"),
        ("2001:DB8::7", "2001:db8::7"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("1::", "1::"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("::ffff:1.2.3.4", "1.2.3.4"), ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
        ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
    ]) func `are read and written in their shortest form`(text: String, expected: String) {
        #expect(PeerAddress(text)?.description == expected)
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "0177.0.0.1", "256.1.1.1", "1.2.3.4 ", " 1.2.3.4", "1..2.3", "1.2.3.",
        "0x7f.0.0.1",
        ":", ":::", "1:::2", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "12345::", "::1%lo", "[::1]",
        "1:",
        ":1", "::1.2.3", "1.2.3.4::", "g::", "::1.2.3.4:5",
    ]) func `odd texts are no addresses`(text: String) {
        #expect(PeerAddress(text) == nil)
    }

    @Test func `one client is a whole v4 address or a v6 network`() {
        #expect(PeerAddress("1.2.3.4")?.limitKey == PeerAddress("1.2.3.4"))
        #expect(PeerAddress("2001:db8::1")?.limitKey == PeerAddress("2001:db8::ffff:1")?.limitKey)
        #expect(PeerAddress("2001:db8::1")?.limitKey != PeerAddress("2001:db8:0:1::1")?.limitKey)
    }
}

@Suite struct `PROXY headers` {
    private func read(_ bytes: [UInt8], step: Int = .max) -> (ProxyProtocol.Outcome, Int) {
        var proxy = ProxyProtocol()
        var at = 0
        while at < bytes.count {
            let end = at + min(step, bytes.count - at)
            let (consumed, outcome) = bytes[at..<end].withUnsafeBytes { proxy.read($0) }
            at += consumed
            if outcome != .needMore { return (outcome, at) }
        }
        return (.needMore, at)
    }

    private func client(_ text: String) -> PeerAddress?? {
        if case .header(let header) = read(Array(text.utf8)).0 { return .some(header.client) }
        return .none
    }

    @Test func `version 1 names the client`() {
        #expect(client("PROXY TCP4 198.51.100.7 10.0.0.5 5000 80\r\nGET") == .some(PeerAddress("198.51.100.7")))
        #expect(client("PROXY TCP6 2001:db8::7 ::1 5000 80\r\nGET") == .some(PeerAddress("2001:db8::7")))
        #expect(client("PROXY UNKNOWN\r\nGET") == .some(nil))
        #expect(client("PROXY UNKNOWN a b c d\r\nGET") == .some(nil))
        #expect(read(Array("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET".utf8)).1 == 32)
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UNKNOWNX\r\n", "PROXY \r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "proxy TCP4",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "\r\n\r\n\0\r\nQUIX",
    ]) func `anything else is refused, however it is cut`(text: String) {
        let bytes = Array(text.utf8)
        guard case .refused = read(bytes).0 else {
            Issue.record("\(read(bytes).0)")
            return
        }
        #expect(read(bytes, step: 1).0 == read(bytes).0)
    }

    @Test func `a line beyond 107 bytes is refused`() {
        func line(_ length: Int) -> [UInt8] {
            Array("PROXY UNKNOWN ".utf8) + [UInt8](repeating: 0x61, count: length - 16) + [0x0D, 0x0A]
        }
        #expect(read(line(107)).0 == .header(.init(client: nil, isSecure: false)))
        guard case .refused = read(line(108)).0 else {
            Issue.record("accepted")
            return
        }
    }

    @Test func `version 2 says whether the client spoke TLS`() {
        let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
        let addresses: [UInt8] = [198, 51, 100, 7, 10, 0, 0, 5, 0x13, 0x88, 0, 80]
        let ssl: [UInt8] = [0x20, 0, 5, 1, 0, 0, 0, 0]
        let bytes = signature + [0x21, 0x11, 0, 20] + addresses + ssl
        let expected = ProxyProtocol.Outcome.header(.init(client: PeerAddress("198.51.100.7"), isSecure: true))
        for step in [1, 3, 100] { #expect(read(bytes + Array("GET".utf8), step: step).0 == expected) }
        // An extension that claims more than its room.
        guard case .refused = read(signature + [0x21, 0x11, 0, 15] + addresses + [0x20, 0, 5]).0 else {
            Issue.record("accepted")
            return
        }
    }

    @Test(.enabled(if: CorpusFiles.areHere, "the shared corpora are not here"))
    func `every corpus row names its client`() throws {
        var wrong: [String] = []
        for row in try CorpusFiles.rows("proxy/cases.jsonl") {
            guard let id = row["id"] as? String, id.hasPrefix("proxy-protocol/"), !id.hasSuffix("untrusted"),
                let bytes = try CorpusFiles.bytes(row), let expected = row["expect_client"] as? String,
                let peer = row["peer"] as? String
            else { continue }
            let actual: String
            switch read(bytes).0 {
            case .needMore: actual = "timeout"
            case .refused: actual = "close"
            case .header(let header): actual = header.client?.description ?? peer
            }
            if !expected.components(separatedBy: " or ").contains(actual) { wrong.append("\(id): \(actual)") }
            if read(bytes, step: 1).0 != read(bytes).0 { wrong.append("\(id): split") }
        }
        #expect(wrong.isEmpty, "\(wrong)")
    }
}
