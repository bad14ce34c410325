import SwiftletHTTP
import TestSupport
import Testing

private let good = "GET /a/b?c=d HTTP/1.1\r\nHost: a.example\r\n"

@Suite struct `Reading request heads` {
    @Test func `a plain head gives its parts`() throws {
        let head = try #require(
            readHead(
                "POST /functions/v1/echo?x=1?y HTTP/1.1\r\nHost: A.example:80\r\nContent-Length: 12\r\nX-One: \t v w \t\r\n\r\n")
        )
        #expect(head.method == .post)
        #expect(head.path == "/functions/v1/echo")
        #expect(head.query == "x=1?y")
        #expect(head.host == "A.example:80")
        #expect(head.framing == .length(12))
        #expect(head.keepAlive)
        #expect(head.fields.string("x-one") == "v w")
        #expect(head.fields.count == 3)
        #expect(head.pathEquals("/functions/v1/echo"))
    }

    @Test func `names are found in any case, values in order`() throws {
        let head = try #require(readHead(good + "Cookie: a\r\nCOOKIE: b\r\ncooki: no\r\n\r\n"))
        #expect(head.fields.count(of: "cookie") == 2)
        #expect(head.fields.string("cookie") == "a")
        var all: [String] = []
        head.fields.forEachValue(of: "cookie") { all.append(String(decoding: $0, as: UTF8.self)) }
        #expect(all == ["a", "b"])
        #expect(!head.fields.contains("authorization"))
    }

    @Test func `an unknown method is read, its case matters`() throws {
        #expect(readHead("FOO / HTTP/1.1\r\nHost: a\r\n\r\n")?.method == .other)
        #expect(readHead("FOO / HTTP/1.1\r\nHost: a\r\n\r\n")?.methodText == "FOO")
        #expect(readHead("get / HTTP/1.1\r\nHost: a\r\n\r\n")?.method == .other)
    }

    @Test func `what follows the head is not taken`() {
        let text = good + "\r\n"
        #expect(read(text + "GET /next HTTP/1.1\r\n") == read(text))
    }

    @Test func `an absolute target is reduced to its path`() throws {
        let head = try #require(readHead("GET http://A.example/x?y HTTP/1.1\r\nHost: a.EXAMPLE\r\n\r\n"))
        #expect(head.path == "/x")
        #expect(head.query == "y")
        #expect(head.form == .absolute)
        #expect(head.targetBytes == Array("http://A.example/x?y".utf8))
    }

    @Test func `an absolute target without a path means the root`() {
        #expect(readHead("GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n")?.path == "/")
        #expect(readHead("GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n")?.query == "q")
        #expect(readHead("GET https://a HTTP/1.1\r\nHost: a\r\n\r\n")?.path == "/")
    }

    @Test func `a target for another host than the field names is refused`() {
        #expect(read("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n").kind == .hostMismatch)
    }

    @Test func `one empty line before the request is skipped`() {
        #expect(readHead("\r\n" + good + "\r\n")?.path == "/a/b")
        #expect(read("\r\n\r\n" + good + "\r\n").status == 400)
    }

    @Test(arguments: [
        ("GET /\r\n", 400), ("GET / \r\n", 400), ("GET / http/1.1\r\n", 400), ("GET / HTTP/1.2\r\n", 505),
        ("GET / HTTP/2.0\r\n", 505), ("GET / HTTP/0.9\r\n", 505), ("GET / HTTP/1.1 \r\n", 400), ("GET  / HTTP/1.1\r\n", 400),
        ("GET\t/ HTTP/1.1\r\n", 400), ("GET / HTTP/11\r\n", 400), ("GET / HTTP/1.10\r\n", 400), ("GET health HTTP/1.1\r\n", 400),
        ("GET /a#b HTTP/1.1\r\n", 400), ("GET /a\u{7F} HTTP/1.1\r\n", 400), ("GET /é HTTP/1.1\r\n", 400),
        ("GET /a\\b HTTP/1.1\r\n", 400), ("GET /a\0 HTTP/1.1\r\n", 400), ("CONNECT a:80 HTTP/1.1\r\n", 400),
        ("PRI * HTTP/2.0\r\n", 400), ("GE\u{1}T / HTTP/1.1\r\n", 400), (" GET / HTTP/1.1\r\n", 400),
        ("\nGET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\n", 400), ("GET ** HTTP/1.1\r\n", 400), ("GET ftp://a/ HTTP/1.1\r\n", 400),
        ("GET http:///a HTTP/1.1\r\n", 400), ("GET http://u@a/ HTTP/1.1\r\n", 400), ("\u{16}\u{3}\u{1}", 400),
    ]) func `a malformed request line is refused at once`(line: String, status: Int) {
        #expect(read(line).status == status)
    }

    @Test(arguments: [
        ("X: a\nY: b", HTTPRefusal.Kind.bareLineFeed), ("X: a\rY: b", .bareCarriageReturn), ("X: a\0b", .nul),
        ("X: a\u{7F}", .control), ("X: a\u{1}", .control), ("X : a", .spaceBeforeColon), ("X\t: a", .spaceBeforeColon),
        (": a", .fieldName), ("X", .bareCarriageReturn), ("X\0: a", .nul), ("X@: a", .fieldName), (" X: a", .obsoleteFold),
        ("\tX: a", .obsoleteFold), ("X: a\r\n b", .obsoleteFold), ("X:\r\n a", .obsoleteFold), ("é: a", .fieldName),
    ]) func `a malformed field is refused`(line: String, kind: HTTPRefusal.Kind) {
        #expect(read(good + line + "\r\n\r\n").kind == kind)
        #expect(read(good + line + "\r\n\r\n").status == 400)
    }

    @Test func `bytes above ASCII may stand in a value`() {
        #expect(readHead(good + "X: café\r\n\r\n")?.fields.string("x") == "café")
    }

    @Test(arguments: ["", "a b", "a, b", "a,b", "a/b", "a:b", "a:123456", "a@b", "[::1", "[]", "[g]", "[::1]x", ":80", "a\\b"])
    func `a bad host is refused`(host: String) {
        #expect(read("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n").kind == .hostInvalid)
    }

    @Test(arguments: ["a", "a.example:80", "[::1]:54321", "[2001:db8::1]", "127.0.0.1", "a_b", "a=b", "a%20b", "a:"])
    func `a good host is read`(host: String) {
        #expect(readHead("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")?.host == host)
    }

    @Test func `a host is required once`() {
        #expect(read("GET / HTTP/1.1\r\n\r\n").kind == .hostMissing)
        #expect(read("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n").kind == .hostDuplicate)
        #expect(readHead("GET / HTTP/1.0\r\n\r\n") != nil)
        #expect(read("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n").kind == .hostDuplicate)
    }

    @Test func `keep-alive follows the version and the field`() {
        func keeps(_ version: String, _ connection: String) -> Bool? {
            readHead("GET / HTTP/\(version)\r\nHost: a\r\n\(connection)\r\n")?.keepAlive
        }
        #expect(keeps("1.1", "") == true)
        #expect(keeps("1.1", "Connection: Close\r\n") == false)
        #expect(keeps("1.1", "Connection: x, close ,y\r\n") == false)
        #expect(keeps("1.1", "Connection: closed\r\n") == true)
        #expect(keeps("1.0", "") == false)
        #expect(keeps("1.0", "Connection: Keep-Alive\r\n") == true)
        #expect(keeps("1.0", "Connection: keep-alive\r\nConnection: close\r\n") == false)
    }

    @Test func `an upgrade counts only when the connection names it`() {
        #expect(readHead(good + "Upgrade: WebSocket\r\n\r\n")?.upgrade == RequestHead.Upgrade.none)
        #expect(readHead(good + "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n")?.upgrade == .webSocket)
        #expect(readHead(good + "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n")?.upgrade == .other)
    }

    @Test func `an expectation is known, unknown or none`() {
        let length = "Content-Length: 1\r\n"
        #expect(readHead(good + length + "Expect: 100-Continue\r\n\r\n")?.expectation == .continue)
        #expect(readHead(good + length + "Expect: 200-ok\r\n\r\n")?.expectation == .unknown)
        #expect(readHead(good + "Expect: 100-continue\r\n\r\n")?.expectation == RequestHead.Expectation.none)
    }

    @Test func `names with underscores that shadow a meaning are dropped`() throws {
        let head = try #require(
            readHead(good + "X_Forwarded_For: 1.1.1.1\r\nContent_Length: 5\r\nX-Forwarded_Proto: x\r\nmy_own: 1\r\n\r\n"))
        #expect(head.droppedFields == 3)
        #expect(head.fields.count == 2)
        #expect(head.fields.contains("my_own"))
        #expect(head.framing == .none)
    }
}

@Suite struct `Framing a request` {
    @Test(arguments: [
        "Content-Length: 5, 6", "Content-Length: 5, 5", "Content-Length: +5", "Content-Length: -5", "Content-Length: 0x5",
        "Content-Length: 5 5", "Content-Length: 5a", "Content-Length:", "Content-Length: 5.0", "Content-Length: 5;",
        "Content-Length: 9223372036854775808", "Content-Length: 99999999999999999999999",
    ]) func `a length that is no plain number is refused`(line: String) {
        #expect(read(good + line + "\r\n\r\n").kind == .contentLength)
    }

    @Test func `a length is read with leading zeros`() {
        #expect(readHead(good + "Content-Length: 003\r\n\r\n")?.framing == .length(3))
        #expect(readHead(good + "Content-Length: 0\r\n\r\n")?.hasBody == false)
    }

    @Test func `two lengths are refused even when they agree`() {
        #expect(read(good + "Content-Length: 5\r\ncontent-length: 5\r\n\r\n").kind == .contentLengthDuplicate)
    }

    @Test func `both framings are refused in either order`() {
        #expect(read(good + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n").kind == .bothFramings)
        #expect(read(good + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n").kind == .bothFramings)
    }

    @Test(arguments: [
        ("gzip, chunked", 501), ("identity", 501), ("chunked, chunked", 501), ("xchunked", 501), ("chunkedx", 501), ("cow", 501),
        ("\"chunked\"", 400), ("chunked;q=1", 400), (",chunked", 400), ("chunked,", 400), ("", 400), ("chunked\u{A0}", 400),
    ]) func `a coding other than chunked is refused`(value: String, status: Int) {
        #expect(read(good + "Transfer-Encoding: \(value)\r\n\r\n").status == status)
    }

    @Test func `chunked is read in any case, once, in HTTP/1.1`() {
        #expect(readHead(good + "transfer-encoding: \t Chunked \r\n\r\n")?.framing == .chunked)
        #expect(
            read(good + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n").kind == .transferEncodingDuplicate)
        #expect(read("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").kind == .transferEncodingVersion)
    }
}

@Suite struct `Limits of a head` {
    private let limits = HTTPLimits(requestLine: 64, field: 32, fields: 100, fieldCount: 4, method: 8)

    /// A request line of that many bytes.
    private func line(_ length: Int) -> String { "GET /" + String(repeating: "a", count: length - 14) + " HTTP/1.1\r\n" }

    @Test func `the request line`() {
        let rest = "Host: a\r\n\r\n"
        #expect(read(line(63) + rest, limits: limits).status == nil)
        #expect(read(line(64) + rest, limits: limits).status == nil)
        #expect(read(line(65) + rest, limits: limits).status == 414)
        #expect(read("GET /" + String(repeating: "a", count: 60), limits: limits).status == 414)
    }

    @Test func `one field`() {
        func text(_ length: Int) -> String {
            "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: length - 3) + "\r\n\r\n"
        }
        #expect(read(text(31), limits: limits).status == nil)
        #expect(read(text(32), limits: limits).status == nil)
        #expect(read(text(33), limits: limits).status == 431)
        #expect(read(text(33), limits: limits).kind == .fieldTooLong)
        #expect(read("GET / HTTP/1.1\r\n" + String(repeating: "X", count: 40) + ": a\r\n\r\n", limits: limits).status == 431)
        #expect(read("GET / HTTP/1.1\r\nX:" + String(repeating: " ", count: 40) + "a\r\n\r\n", limits: limits).status == 431)
    }

    @Test func `all fields together`() {
        // The host takes 9 bytes with its line end, two fields 32 + 2 each, the last one the rest.
        func text(_ total: Int) -> String {
            let long = "X: " + String(repeating: "a", count: 29) + "\r\n"
            return "GET / HTTP/1.1\r\nHost: a\r\n" + long + long + "X: " + String(repeating: "a", count: total - 77 - 5)
                + "\r\n\r\n"
        }
        #expect(read(text(99), limits: limits).status == nil)
        #expect(read(text(100), limits: limits).status == nil)
        #expect(read(text(101), limits: limits).status == 431)
        #expect(read(text(101), limits: limits).kind == .fieldsTooLong)
    }

    @Test func `how many fields`() {
        func text(_ count: Int) -> String {
            "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: a\r\n", count: count - 1) + "\r\n"
        }
        #expect(read(text(3), limits: limits).status == nil)
        #expect(read(text(4), limits: limits).status == nil)
        #expect(read(text(5), limits: limits).status == 431)
    }

    @Test func `the method`() {
        #expect(read("AAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n", limits: limits).status == nil)
        #expect(read("AAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n", limits: limits).status == 501)
    }

    @Test func `a head that never ends is never kept beyond the limits`() {
        var reader = RequestReader(limits: limits)
        var refused = false
        for _ in 0..<10_000 where !refused {
            let (_, outcome) = Array("a".utf8).withUnsafeBytes { reader.read($0) }
            if case .refused = outcome { refused = true }
            #expect(reader.bytesRead <= limits.head + 2)
        }
        #expect(refused)
    }
}

@Suite struct `Any split gives the same verdict` {
    private static let samples = [
        good + "\r\n", "\r\n" + good + "Content-Length: 3\r\n\r\nabc", good + "X: a\nb\r\n\r\n", good + " X: y\r\n\r\n",
        "GET /" + String(repeating: "a", count: 9000), good + "X: " + String(repeating: "b", count: 9000) + "\r\n\r\n",
        good + String(repeating: "X: 12345678\r\n", count: 120) + "\r\n", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        good + "Transfer-Encoding: x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET /é HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\n",
    ]

    @Test(arguments: samples) func `of a sample`(text: String) {
        let whole = read(text)
        for step in [1, 2, 3, 5, 7, 13, 64, 1000] { #expect(read(text, step: step) == whole) }
    }

    @Test(.enabled(if: CorpusFiles.areHere, "the shared corpora are not here"))
    func `of every corpus row`() throws {
        var wrong: [String] = []
        for file in ["http/crafted_raw.jsonl", "http/llhttp_requests.jsonl", "http/crs_protocol.jsonl"] {
            for row in try CorpusFiles.rows(file) {
                guard let bytes = try CorpusFiles.bytes(row) else { continue }
                let whole = read(bytes)
                for step in [1, 2, 3, 17] where read(bytes, step: step) != whole {
                    wrong.append("\(row["id"] ?? "?") by \(step)")
                }
            }
        }
        #expect(wrong.isEmpty, "\(wrong)")
    }
}
