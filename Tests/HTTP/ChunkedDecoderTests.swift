import SwiftletHTTP
import Testing

@Suite struct `Decoding chunks` {
    @Test func `data comes out, the rest stays`() {
        #expect(readChunks("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET").body == "hello world")
        #expect(readChunks("0\r\n\r\nGET") == .complete(body: [], consumed: 5))
        #expect(readChunks("A\r\n0123456789\r\n000\r\n\r\n").body == "0123456789")
        #expect(readChunks("00005\r\nhello\r\n0\r\n\r\n").body == "hello")
    }

    @Test func `extensions and trailers are checked and dropped`() {
        #expect(readChunks("5;a=b;c;d=\"x;\\\"y\"\r\nhello\r\n0\r\nX-T: 1\r\nY:\r\n\r\n").body == "hello")
    }

    @Test(arguments: [
        "0\n\n", "0x5\r\nhello", " 5\r\nhello", "5 \r\nhello", "G\r\nhello", "FFFFFFFFFFFFFFFFF\r\n", "10000000000000005\r\n",
        "0000000000000005\r\nhello", "\r\nhello", ";\r\n", "-5\r\n", "+5\r\n", "5\r\nhello0\r\n", "5\r\nhell\r\n0\r\n",
        "5\nhello",
        "5\r\nhello\n0\r\n\r\n", "5;a\nb=c\r\nhello", "5;\u{0}\r\n", "5\u{0}\r\n", "5;\r\nhello", "5;=b\r\n", "5;a=\r\n",
        "5;a b\r\n",
        "5;a=\"x\r\n", "5; a\r\n", "0\r\n bad\r\n\r\n", "0\r\nX\r\n\r\n", "0\r\nX : a\r\n\r\n", "0\r\nX: a\nY: b\r\n\r\n",
        "0\r\nContent-Length: 5\r\n\r\n", "0\r\nTRANSFER-ENCODING: chunked\r\n\r\n", "0\r\nHost: a\r\n\r\n", "0\r\n\rX",
    ]) func `anything else is refused, however it is cut`(text: String) {
        let whole = readChunks(text)
        guard case .refused = whole else {
            Issue.record("accepted: \(whole)")
            return
        }
        #expect(readChunks(text, step: 1) == whole)
        #expect(readChunks(text, step: 2) == whole)
    }

    @Test func `extensions are bounded over the whole body`() {
        let limits = HTTPLimits(chunkExtensions: 10)
        // Each extension `;abcd` is five bytes.
        #expect(readChunks("1;abcd\r\na\r\n1;abcd\r\na\r\n0\r\n\r\n", limits: limits).body == "aa")
        #expect(
            readChunks("1;abcd\r\na\r\n1;abcde\r\na\r\n0\r\n\r\n", limits: limits).kind == .chunkExtension
        )
    }

    @Test func `trailers are bounded`() {
        let limits = HTTPLimits(fieldCount: 2, trailers: 20)
        #expect(readChunks("0\r\nA: 123456\r\nB: 123\r\n\r\n", limits: limits).body == "")
        #expect(readChunks("0\r\nA: 123456\r\nB: 1234567890\r\n\r\n", limits: limits).kind == .fieldsTooLong)
        #expect(readChunks("0\r\nA:\r\nB:\r\nC:\r\n\r\n", limits: limits).kind == .trailer)
    }

    @Test func `any split gives the same body`() {
        let text = "5;a=b\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX: y\r\n\r\n"
        for step in 1...20 { #expect(readChunks(text, step: step) == readChunks(text)) }
    }
}

extension Chunks {
    fileprivate var body: String? {
        if case .complete(let body, _) = self { String(decoding: body, as: UTF8.self) } else { nil }
    }

    fileprivate var kind: HTTPRefusal.Kind? {
        if case .refused(let kind, _) = self { kind } else { nil }
    }
}
