import NIOCore
import SwiftletJSON
import Synchronization
import Testing

@testable import Swiftlet

@Suite struct QueryTests {
    private func pairs(_ text: String) -> [String] { Query(text).map { "\($0.name)=\($0.value)" } }

    @Test func `parameters are decoded in order, and names may repeat`() {
        #expect(pairs("a=1&b=2&a=3") == ["a=1", "b=2", "a=3"])
        #expect(Query("a=1&b=2&a=3")["a"] == "1")
        #expect(Query("a=1&b=2&a=3").all("a") == ["1", "3"])
        #expect(Query("a=1").all("b").isEmpty)
        #expect(Query("a=1")["A"] == nil)
    }

    @Test func `plus is a space, percent decodes bytes, and names are decoded too`() {
        #expect(Query("q=a+b%20c%2Bd")["q"] == "a b c+d")
        #expect(Query("na%6De=x")["name"] == "x")
        #expect(Query("q=%e6%97%a5%E6%9C%AC")["q"] == "日本")
        #expect(Query("a=b%26c%3Dd&e=f")["a"] == "b&c=d")
        #expect(Query("a=%00")["a"] == "\0")
        #expect(Query("a=%252e")["a"] == "%2e")
    }

    @Test func `a broken escape stays as it is written`() {
        for text in ["%", "%4", "%zz", "%4g", "a%", "%%41", "%+1", "%-1"] {
            let expected = text == "%%41" ? "%A" : text.map { $0 == "+" ? " " : String($0) }.joined()
            #expect(Query("q=\(text)")["q"] == expected, "\(text)")
        }
    }

    @Test func `bytes that are no UTF-8 are replaced, also overlong ones and surrogates`() {
        for text in ["%ff", "%c0%af", "%ed%a0%80", "%e6%97"] {
            #expect(Query("q=\(text)")["q"]?.contains("\u{FFFD}") == true, "\(text)")
        }
    }

    @Test func `odd shapes are no trouble`() {
        #expect(pairs("") == [])
        #expect(pairs("&&&") == [])
        #expect(pairs("a") == ["a="])
        #expect(pairs("=") == ["="])
        #expect(pairs("=x") == ["=x"])
        #expect(pairs("a==b") == ["a==b"])
        #expect(pairs("a=1&&b=2&") == ["a=1", "b=2"])
        #expect(pairs("a;b=c") == ["a;b=c"])
        #expect(pairs(String(repeating: "a&", count: 10_000)).count == 10_000)
    }
}

@Suite struct FunctionNameTests {
    @Test(arguments: ["my-function", "MyFunction", "function_1", "a123", "a", "Z", "a-", "a_", String(repeating: "a", count: 64)])
    func `a name that follows the rule is taken`(_ text: String) {
        #expect(FunctionName(text)?.text == text)
        #expect(FunctionName(stringLiteral: text).isValid)
    }

    @Test(arguments: [
        "1function", "my function", "function!", "", "-function", "_function", "a/b", "a.b", "..", "a\0", "a\n", "naïve", "ａ",
        "a%20", " a", "a ",
        "e\u{301}", String(repeating: "a", count: 65),
    ])
    func `a name that does not is none`(_ text: String) {
        #expect(FunctionName(text) as FunctionName? == nil)
        #expect(!FunctionName(stringLiteral: text).isValid)
    }

    @Test(arguments: ["A", "_", "a1", "GEMINI_API_KEY", "_1"])
    func `a secret's name is one of the environment`(_ text: String) { #expect(SecretName(text).isValid) }

    @Test(arguments: ["", "1A", "A-B", "A=B", "A B", "A\0", "Ä", String(repeating: "A", count: 257)])
    func `other text is no secret's name`(_ text: String) { #expect(!SecretName(text).isValid) }
}

@Suite struct SecretTests {
    struct Holder: Encodable {
        let name = "x"
        let key: Secret
        let keys: [Secret]
    }

    @Test func `however it is shown, a secret shows nothing`() throws {
        let secret = Secret("canary-4711")
        let holder = Holder(key: secret, keys: [secret])
        let optional: Secret? = secret
        var dumped = ""
        dump(holder, to: &dumped)
        dump(secret, to: &dumped)
        var printed = ""
        print(secret, holder, [secret], ["k": secret], optional as Any, to: &printed)
        debugPrint(secret, holder, [secret], to: &printed)
        let encoded = String(decoding: try JSONWriter().encode(holder), as: UTF8.self)
        let texts = [
            "\(secret)", "\(holder)", String(describing: secret), String(reflecting: secret), secret.description,
            secret.debugDescription, dumped,
            printed, encoded, "\(optional.map { "\($0)" } ?? "")", "\(Mirror(reflecting: secret).children.map { "\($0)" })",
        ]
        for text in texts { #expect(!text.contains("canary") && !text.contains("4711"), "\(text)") }
        #expect(encoded == #"{"name":"x","key":"[redacted]","keys":["[redacted]"]}"#)
        #expect("\(secret)" == "[redacted]")
        #expect(Mirror(reflecting: secret).children.isEmpty)
    }

    @Test func `reading it is a visible act`() {
        let secret = Secret("canary-4711")
        #expect(secret.reveal() == "canary-4711")
        #expect(secret.count == 11)
        #expect(secret.withBytes { Array($0) } == Array("canary-4711".utf8))
        #expect(Secret("").count == 0)
        #expect(Secret("").reveal() == "")
        #expect(Secret(bytes: [0xFF]).reveal() == "\u{FFFD}")
    }
}

@Suite struct EventWriterTests {
    final class Parts: PartSink {
        private let bytes = Mutex<[UInt8]>([])
        func write(_ part: ByteBuffer) async throws { bytes.withLock { $0 += part.readableBytesView } }
        var text: String { String(decoding: bytes.withLock { $0 }, as: UTF8.self) }
    }

    private func written(_ body: (EventWriter) async throws -> Void) async throws -> String {
        let parts = Parts()
        try await body(EventWriter(ResponseWriter(parts)))
        return parts.text
    }

    @Test func `an event is its fields and an empty line`() async throws {
        #expect(try await written { try await $0.send("hello") } == "data: hello\n\n")
        #expect(try await written { try await $0.send("x", event: "tick", id: "7") } == "event: tick\nid: 7\ndata: x\n\n")
        #expect(try await written { try await $0.send("") } == "data: \n\n")
        #expect(try await written { try await $0.send(json: ["a": 1]) } == "data: {\"a\":1}\n\n")
        #expect(try await written { try await $0.keepAlive() } == ": keep-alive\n\n")
    }

    @Test func `every kind of line end in the data starts a line of data`() async throws {
        for end in ["\n", "\r", "\r\n"] {
            #expect(
                try await written { try await $0.send("a\(end)event: b\(end)\(end)id: c") }
                    == "data: a\ndata: event: b\ndata: \ndata: id: c\n\n")
        }
        #expect(try await written { try await $0.send("a\n\rb") } == "data: a\ndata: \ndata: b\n\n")
        #expect(try await written { try await $0.send("a\n") } == "data: a\ndata: \n\n")
        #expect(try await written { try await $0.send("a\u{2028}b") } == "data: a\u{2028}b\n\n")
    }

    @Test func `a name or an id never ends its line`() async throws {
        let text = try await written { try await $0.send("x", event: "a\r\ndata: y", id: "1\n\n2\r3\0") }
        #expect(text == "event: adata: y\nid: 123\ndata: x\n\n")
    }

    @Test func `an event is one part, so that two writers never mix`() async throws {
        final class Counter: PartSink {
            let count = Atomic<Int>(0)
            func write(_ part: ByteBuffer) async throws { count.add(1, ordering: .relaxed) }
        }
        let counter = Counter()
        try await EventWriter(ResponseWriter(counter)).send("a\nb\nc", event: "e", id: "i")
        #expect(counter.count.load(ordering: .relaxed) == 1)
    }
}

@Suite struct PolicyTests {
    @Test func `byte counts are clamped, never negative, never overflowing`() {
        #expect(ByteCount.kib(64).bytes == 65_536)
        #expect(ByteCount.mib(1).bytes == 1_048_576)
        #expect(ByteCount.bytes(7).bytes == 7)
        #expect(ByteCount.bytes(-1).bytes == 0)
        #expect(ByteCount.kib(-1).bytes == 0)
        #expect(ByteCount.mib(.max).bytes == .max)
        #expect(ByteCount.kib(1) < .mib(1))
    }

    @Test func `each body rule has its limit`() {
        #expect(BodyRule.json(upTo: .kib(1)).limit == 1024)
        #expect(BodyRule.bytes(upTo: .kib(2)).limit == 2048)
        #expect(BodyRule.stream(upTo: .kib(3)).limit == 3072)
        #expect(BodyRule.none.limit == 0)
    }

    @Test func `the default policy is the careful one`() {
        let policy = Policy()
        #expect(policy.methods == [.post])
        #expect(policy.rateLimit == .perCaller(100, every: .seconds(60)))
        #expect(policy.body == .json(upTo: .mib(1)))
        #expect(policy.deadline == .seconds(150))
        #expect(policy.secrets.isEmpty && policy.egress.isEmpty && policy.settings.isEmpty)
        #expect(policy.cors == .host)
        #expect(policy.keys == .apiKeyHeader)
        #expect(policy.concurrency == 256)
    }

    @Test func `durations are counted in nanoseconds and clamped`() {
        #expect(Duration.minutes(2) == .seconds(120))
        #expect(Duration.hours(1) == .seconds(3600))
        #expect(Duration.days(1) == .seconds(86_400))
        #expect(Duration.milliseconds(1500).clampedNanoseconds == 1_500_000_000)
        #expect(Duration.seconds(Int64.max / 2).clampedNanoseconds == .max)
        #expect(Duration.seconds(Int64.min / 2).clampedNanoseconds == .min)
        #expect(UInt64(3).subtractingClamped(5) == 0)
    }
}

@Suite struct RequestIDTests {
    private func given(_ text: String) -> RequestID? { Array(text.utf8).withUnsafeBytes { RequestID(given: $0) } }

    @Test func `an id from outside is 8 to 64 plain characters`() {
        for text in ["12345678", "a_b-C_D-1", String(repeating: "x", count: 64)] { #expect(given(text)?.text == text) }
        for text in [
            "", "1234567", String(repeating: "x", count: 65), "1234567 8", "12345678\n", "\"12345678\"", "größe-123",
            "12345678\0",
        ] {
            #expect(given(text)?.text == nil, "\(text)")
        }
    }

    @Test func `a made id looks like a UUID, and bytes and text agree`() {
        let id = RequestID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210)
        #expect(id.text == "01234567-89ab-cdef-fedc-ba9876543210")
        for id in [id, RequestID(text: "given-by-a-proxy-1")] {
            var lent = ""
            id.withBytes { lent = String(decoding: $0, as: UTF8.self) }
            #expect(lent == id.text)
        }
        for digit in 0..<16 as Range<UInt64> {
            let all = digit * 0x1111_1111_1111_1111
            #expect(
                RequestID(high: all, low: all).text.allSatisfy { $0 == "-" || $0.hexDigitValue == Int(digit) && !$0.isUppercase })
        }
        #expect(RequestID(high: 0, low: 0).text == "00000000-0000-0000-0000-000000000000")
        #expect(RequestID(high: .max, low: .max).text == "ffffffff-ffff-ffff-ffff-ffffffffffff")
    }
}

@Suite struct ErrorTests {
    @Test func `whatever cannot be read says where, and a function's caller is asked for by type`() throws {
        #expect(throws: HTTPError.self) { try Bytes(Array("{".utf8)).json() }
        do {
            _ = try Bytes(Array(#"{"a":"canary" x}"#.utf8)).json()
            Issue.record("it is no JSON")
        } catch {
            #expect(error.status == 400 && error.code == .invalidJSON)
            #expect(!error.message.contains("canary"))
        }
        #expect(Bytes([0xFF]).text == nil)
        #expect(Bytes(Array("é".utf8)).text == "é")
        #expect(User.requirement == .required && Visitor.requirement == .optional && Anyone.requirement == .none)
        #expect(throws: HTTPError.self) { _ = try User(Identity.anonymous) }
        #expect(throws: HTTPError.self) { try User(subject: nil, role: "anon").requireSubject() }
        #expect(try User(subject: "u1", role: "authenticated").requireSubject() == "u1")
    }
}
