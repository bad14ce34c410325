import NIOCore
import SwiftletJSON
import Synchronization
import Testing

@testable import Swiftlet

@Suite struct ContractTests {
    @Test(arguments: ["my-function", "MyFunction", "function_1", "a123"])
    func `a name of letters, digits, dashes and underscores is one`(name: String) { #expect(FunctionName(name) != nil) }

    @Test(arguments: [
        "1function", "my function", "function!", "", "-function", "_function", "ä", "a/b", String(repeating: "a", count: 65),
    ])
    func `anything else is no name`(name: String) { #expect(FunctionName(name) == nil) }

    @Test func `a secret shows itself to nobody who did not ask`() throws {
        let secret = Secret("canary-value")
        var dumped = ""
        dump(secret, to: &dumped)
        let encoded = String(decoding: try JSONWriter().encode(["s": secret]), as: UTF8.self)
        for text in ["\(secret)", String(reflecting: secret), String(describing: secret), dumped, encoded] {
            #expect(!text.contains("canary"))
        }
        #expect(secret.reveal() == "canary-value")
        #expect(secret.count == 12)
    }

    @Test func `a query is decoded once`() {
        let query = Query("a=1&b=x%20y+z&c&a=2&=e&d=%zz%4&u=%C3%BC&&")
        #expect(query["a"] == "1")
        #expect(query.all("a") == ["1", "2"])
        #expect(query["b"] == "x y z")
        #expect(query["c"] == "")
        #expect(query["d"] == "%zz%4")
        #expect(query["u"] == "ü")
        #expect(query["none"] == nil)
    }

    @Test func `events keep their lines and cannot be split`() async throws {
        let sink = Collected()
        let writer = EventWriter(ResponseWriter(sink))
        try await writer.send("one\r\ntwo\rthree\nfour", event: "a\nevent: b", id: "1\r\nid: 2")
        try await writer.send("")
        try await writer.keepAlive()
        #expect(
            sink.text
                == "event: aevent: b\nid: 1id: 2\ndata: one\ndata: two\ndata: three\ndata: four\n\ndata: \n\n: keep-alive\n\n")
    }

    final class Collected: PartSink {
        private let bytes = Mutex("")
        func write(_ part: ByteBuffer) async throws { bytes.withLock { $0 += String(buffer: part) } }
        var text: String { bytes.withLock { $0 } }
    }

    @Test func `an id from outside is taken over only when it is plain`() {
        func given(_ text: String) -> String? { Array(text.utf8).withUnsafeBytes { RequestID(given: $0) }?.text }
        #expect(given("abc-123_DEF") == "abc-123_DEF")
        for text in ["short", String(repeating: "a", count: 65), "with space", "line\nbreak1", "ünicode12"] {
            #expect(given(text) == nil)
        }
        #expect(RequestID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210).text == "01234567-89ab-cdef-fedc-ba9876543210")
    }

    @Test func `sizes and times clamp instead of trapping`() {
        #expect(ByteCount.mib(.max).bytes == .max)
        #expect(ByteCount.kib(-1).bytes == 0)
        #expect(Duration.seconds(Int64.max).clampedNanoseconds == .max)
        #expect(Duration.minutes(2) == .seconds(120))
    }
}
