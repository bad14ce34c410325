import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletJSON
import SwiftletTesting
import Synchronization
import Testing

@testable import Functions

@Suite struct GeminiProxyTests {
    static let key = "AIza-canary-key-0815"
    static let url = "/functions/v1/gemini-proxy"

    /// What an upstream was asked.
    final class Asked: Sendable {
        private let requests = Mutex<[OutboundRequest]>([])
        func note(_ request: OutboundRequest) { requests.withLock { $0.append(request) } }
        var all: [OutboundRequest] { requests.withLock { $0 } }
        var body: JSON? {
            guard case .bytes(let bytes)? = all.last?.body else { return nil }
            return try? JSON.parse(bytes)
        }
    }

    /// Runs the function against an upstream that always answers the same.
    static func run<Result: Sendable>(
        settings: [String: String] = [:], asked: Asked = Asked(),
        upstream: @escaping @Sendable () throws -> OutboundResponse = { .stub(body: answer("Hello!")) },
        _ body: @Sendable (TestHost) async throws -> Result
    ) async throws -> Result {
        // One model, and no waiting between its attempts.
        let plain = ["GEMINI_FALLBACK_MODELS": "", "GEMINI_RETRY_BASE": "0ms", "GEMINI_BREAKER_COOLDOWN": "1ms"]
        return try await TestHost.run(
            [Registration(GeminiProxy.self)], secrets: ["GEMINI_API_KEY": key], settings: plain.merging(settings) { $1 },
            upstream: { request in
                asked.note(request)
                return try upstream()
            }, body)
    }

    static func answer(_ text: String, finish: String? = "STOP") -> [UInt8] {
        var candidate: [(String, JSON)] = [("content", ["role": "model", "parts": [["text": .string(text)]]])]
        if let finish { candidate.append(("finishReason", .string(finish))) }
        let whole: JSON = [
            "candidates": [JSON(members: candidate)], "modelVersion": "gemini-test-1",
            "usageMetadata": ["promptTokenCount": 3, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 10],
        ]
        return whole.bytes
    }

    static func event(_ json: [UInt8]) -> [UInt8] { Array("data: ".utf8) + json + Array("\r\n\r\n".utf8) }

    static func part(_ text: String, finish: String? = nil) -> [UInt8] { event(answer(text, finish: finish)) }

    private func post(_ host: TestHost, _ body: JSON = ["prompt": "Hi"], path: String = url) async throws -> TestResponse {
        try await host.post(path, json: body, as: .user("u1"))
    }

    @Test func `the request goes to the model with the host's key, and nothing of the caller's credentials`() async throws {
        let asked = Asked()
        try await GeminiProxyTests.run(asked: asked) { host async throws in
            _ = try await host.post(
                GeminiProxyTests.url, json: ["prompt": "What is 2+2?"],
                headers: [HTTPField.Name("x-goog-api-key")!: "caller's own", .cookie: "a=b", HTTPField.Name("x-custom")!: "c"],
                as: .user("u1"))
        }
        let request = try #require(asked.all.first)
        #expect(asked.all.count == 1)
        #expect(request.method == "POST")
        #expect(request.url == "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.5-flash-lite:generateContent")
        #expect(request.headers[HTTPField.Name("x-goog-api-key")!] == GeminiProxyTests.key)
        #expect(request.headers.map { $0.name.canonicalName }.sorted() == ["content-type", "x-goog-api-key"])
        #expect(!request.url.contains(GeminiProxyTests.key))
        #expect(request.redirects == 0)
        let body = try #require(asked.body)
        #expect(body.object?.names.sorted() == ["contents", "generationConfig"])
        #expect(body["contents"]?.array?.count == 1)
        #expect(body["contents"]?[0]?["role"]?.string == "user")
        #expect(body["contents"]?[0]?["parts"]?[0]?["text"]?.string == "What is 2+2?")
        let generation = try #require(body["generationConfig"]?.object)
        #expect(generation["maxOutputTokens"]?.int == 2048)
        #expect(generation["candidateCount"]?.int == 1)
        for name in ["temperature", "topP", "topK", "seed", "presencePenalty", "frequencyPenalty"] {
            #expect(generation[name] == nil)
        }
    }

    @Test func `the operator chooses place, model and length`() async throws {
        for (model, used, thinking) in [
            ("gemini-2.5-flash", "gemini-2.5-flash", "thinkingBudget"),
            ("gemini-1.5-flash", "gemini-3.5-flash-lite", "thinkingLevel"),
            ("other-model", "other-model", nil),
        ] as [(String, String, String?)] {
            let asked = Asked()
            let settings = ["GEMINI_BASE_URL": "http://127.0.0.1:9/", "GEMINI_MODEL": model, "GEMINI_MAX_OUTPUT_TOKENS": "77"]
            try await GeminiProxyTests.run(settings: settings, asked: asked) { host async throws in _ = try await post(host) }
            #expect(asked.all.first?.url == "http://127.0.0.1:9/v1beta/models/\(used):generateContent")
            #expect(asked.body?["generationConfig"]?["maxOutputTokens"]?.int == 77)
            #expect(asked.body?["generationConfig"]?["thinkingConfig"]?.object?.names == thinking.map { [$0] })
        }
        for settings in [
            ["GEMINI_MODEL": "../../x"], ["GEMINI_MODEL": "a?b"], ["GEMINI_MODEL": "A B"], ["GEMINI_MAX_OUTPUT_TOKENS": "0"],
            ["GEMINI_MAX_OUTPUT_TOKENS": "many"], ["GEMINI_MAX_OUTPUT_TOKENS": "65537"],
        ] {
            let asked = Asked()
            try await GeminiProxyTests.run(settings: settings, asked: asked) { host async throws in
                #expect(try await post(host).status == 500)
            }
            #expect(asked.all.isEmpty)
        }
    }

    @Test func `an answer comes back whole, with its usage and the request's id`() async throws {
        try await GeminiProxyTests.run { host async throws in
            let answer = try await post(host)
            #expect(answer.status == 200)
            let json = try #require(answer.json)
            #expect(json["result"]?.string == "Hello!")
            #expect(json["operation"]?.string == "generate")
            #expect(json["model"]?.string == "gemini-test-1")
            #expect(json["finishReason"]?.string == "STOP")
            #expect(json["cached"]?.bool == false)
            #expect(json["requestId"]?.string == answer.headers[HTTPField.Name("x-request-id")!])
            #expect(json["usage"] == ["prompt": 3, "output": 5, "thoughts": 2, "total": 10])
        }
    }

    @Test func `thoughts are not part of the answer, and a text may come in parts`() async throws {
        let body = Array(
            #"{"candidates":[{"content":{"parts":[{"text":"thinking","thought":true},{"text":"An"},{"inlineData":{}},{"text":"swer"}]},"finishReason":"STOP"}]}"#
                .utf8)
        try await GeminiProxyTests.run(upstream: { .stub(body: body) }) { host async throws in
            #expect(try await post(host).json?["result"]?.string == "Answer")
        }
    }

    @Test func `an answer cut at the token limit says so`() async throws {
        try await GeminiProxyTests.run(upstream: { .stub(body: GeminiProxyTests.answer("Half", finish: "MAX_TOKENS")) }) {
            host async throws in
            let answer = try await post(host)
            #expect(answer.status == 200)
            #expect(answer.json?["finishReason"]?.string == "MAX_TOKENS")
        }
    }

    // MARK: What callers do wrong

    @Test func `a prompt that cannot be used is 422 and names its field, and nothing is sent`() async throws {
        let asked = Asked()
        try await GeminiProxyTests.run(asked: asked) { host async throws in
            for (body, field) in [
                (["prompt": ""], "prompt"), (["prompt": "  \n\t "], "prompt"), (["prompt": "\u{200B}\u{FEFF}"], "prompt"),
                (["prompt": "a\u{0}b"], "prompt"), ([:], "prompt"), (["prompt": nil], "prompt"),
                (["prompt": .string(String(repeating: "a", count: 32 * 1024 + 1))], "prompt"),
                (["prompt": "Hi", "operation": "delete"], "operation"), (["prompt": "Hi", "operation": ""], "operation"),
                (["prompt": "Hi", "operation": "Generate"], "operation"), (["prompt": 1], "prompt"),
                (["prompt": ["a"]], "prompt"),
                (["prompt": "Hi", "stream": "yes"], "stream"), (["prompt": "Hi", "operation": 1], "operation"),
            ] as [(JSON, String)] {
                let answer = try await post(host, body)
                #expect(answer.status == 422 || answer.status == 429, "\(body)")
                if answer.status == 429 { continue }
                #expect(answer.json?["code"]?.string == "INVALID_INPUT")
                #expect(answer.json?["problems"]?[0]?["field"]?.string?.contains(field) == true, "\(body)")
            }
        }
        #expect(asked.all.isEmpty)
    }

    @Test func `a prompt of exactly the limit is sent, without what nobody sees`() async throws {
        let asked = Asked()
        try await GeminiProxyTests.run(asked: asked) { host async throws in
            #expect(try await post(host, ["prompt": .string(String(repeating: "a", count: 32 * 1024))]).status == 200)
            #expect(try await post(host, ["prompt": "a\u{202E}b\u{7}c\n\td\u{200B}e é 😀"]).status == 200)
        }
        #expect(asked.body?["contents"]?[0]?["parts"]?[0]?["text"]?.string == "abc\n\tde é 😀")
    }

    @Test func `a card number in a prompt goes no further than the host`() async throws {
        let asked = Asked()
        let card = ["4111", "1111", "1111", "1111"].joined(separator: " ")
        @Sendable func sent() -> String? { asked.body?["contents"]?[0]?["parts"]?[0]?["text"]?.string }
        try await GeminiProxyTests.run(asked: asked) { host async throws in
            #expect(try await post(host, ["prompt": .string("is \(card) mine?")]).status == 200)
            #expect(sent() == "is [credit_card] mine?")
            // People ask about attacks: that is only noted.
            let question = "What does ' OR 1=1-- do, and <script>alert(1)</script>?"
            #expect(try await post(host, ["prompt": .string(question)]).status == 200)
            #expect(sent() == question)
        }
    }

    @Test func `other paths, methods and callers are refused`() async throws {
        let asked = Asked()
        try await GeminiProxyTests.run(asked: asked) { host async throws in
            #expect(try await post(host, path: GeminiProxyTests.url + "/").status == 200)
            let sub = try await post(host, path: GeminiProxyTests.url + "/models")
            #expect(sub.status == 404)
            #expect(try await host.get(GeminiProxyTests.url, as: .user("u1")).status == 405)
            #expect(try await host.post(GeminiProxyTests.url, json: ["prompt": "Hi"]).status == 401)
            let large = try await post(host, ["prompt": "Hi", "x": .string(String(repeating: "a", count: 300_000))])
            #expect(large.status == 413)
        }
        #expect(asked.all.count == 1)
    }

    @Test func `twenty in a minute, then 429`() async throws {
        // Time stands still, or a slow machine would earn a request back before the last one.
        var configuration = HostConfiguration()
        configuration.clock = ManualClock(wall: Int64(Date().timeIntervalSince1970)).hostClock
        configuration.stubEgress = { _ in .stub(body: GeminiProxyTests.answer("Hello!")) }
        let functions = [Registration(GeminiProxy.self)]
        let secrets = ["GEMINI_API_KEY": GeminiProxyTests.key]
        try await TestHost.run(functions, secrets: secrets, configuration: configuration) { host async throws in
            for _ in 0..<20 { #expect(try await post(host).status == 200) }
            let refused = try await post(host)
            #expect(refused.status == 429)
            #expect(refused.headers[.retryAfter] != nil)
            #expect(try await host.post(GeminiProxyTests.url, json: ["prompt": "Hi"], as: .user("u2")).status == 200)
        }
    }

    // MARK: What the upstream does wrong

    struct Failure: Sendable, CustomTestStringConvertible {
        let status: Int
        var word = ""
        var details = ""
        let expected: Int
        let code: String
        var retryAfter: String?
        var testDescription: String { "\(status) \(word) \(details)" }

        var body: [UInt8] {
            Array(
                #"{"error":{"code":\#(status),"message":"upstream-words AIza-canary-key-0815","status":"\#(word)","details":[\#(details)]}}"#
                    .utf8)
        }
    }

    static let failures = [
        Failure(status: 400, word: "INVALID_ARGUMENT", expected: 400, code: "UPSTREAM_INVALID_ARGUMENT"),
        Failure(
            status: 400, word: "INVALID_ARGUMENT", details: #"{"reason":"API_KEY_INVALID"}"#, expected: 502,
            code: "UPSTREAM_ERROR"),
        Failure(status: 400, word: "FAILED_PRECONDITION", expected: 502, code: "UPSTREAM_ERROR"),
        Failure(status: 401, word: "UNAUTHENTICATED", expected: 502, code: "UPSTREAM_ERROR"),
        Failure(status: 403, word: "PERMISSION_DENIED", expected: 502, code: "UPSTREAM_ERROR"),
        Failure(status: 404, word: "NOT_FOUND", expected: 502, code: "UPSTREAM_ERROR"),
        Failure(status: 408, expected: 504, code: "UPSTREAM_TIMEOUT"),
        Failure(status: 418, expected: 502, code: "UPSTREAM_ERROR"),
        Failure(status: 429, word: "RESOURCE_EXHAUSTED", expected: 429, code: "UPSTREAM_RATE_LIMITED", retryAfter: "30"),
        Failure(
            status: 429, word: "RESOURCE_EXHAUSTED", details: #"{"reason":"X"},{"retryDelay":"26.2s"}"#, expected: 429,
            code: "UPSTREAM_RATE_LIMITED",
            retryAfter: "27"),
        Failure(status: 429, details: #"{"retryDelay":"0s"}"#, expected: 429, code: "UPSTREAM_RATE_LIMITED", retryAfter: "1"),
        Failure(
            status: 429, details: #"{"retryDelay":"1e99s"}"#, expected: 429, code: "UPSTREAM_RATE_LIMITED", retryAfter: "3600"),
        Failure(status: 429, details: #"{"retryDelay":"nans"}"#, expected: 429, code: "UPSTREAM_RATE_LIMITED", retryAfter: "30"),
        Failure(status: 429, details: #"{"retryDelay":"-5s"}"#, expected: 429, code: "UPSTREAM_RATE_LIMITED", retryAfter: "30"),
        Failure(status: 429, details: #"{"retryDelay":7}"#, expected: 429, code: "UPSTREAM_RATE_LIMITED", retryAfter: "30"),
        Failure(status: 500, word: "INTERNAL", expected: 503, code: "UPSTREAM_UNAVAILABLE", retryAfter: "5"),
        Failure(status: 502, expected: 503, code: "UPSTREAM_UNAVAILABLE", retryAfter: "5"),
        Failure(status: 503, word: "UNAVAILABLE", expected: 503, code: "UPSTREAM_UNAVAILABLE", retryAfter: "5"),
        Failure(status: 504, word: "DEADLINE_EXCEEDED", expected: 504, code: "UPSTREAM_TIMEOUT"),
        Failure(status: 302, expected: 502, code: "UPSTREAM_ERROR"),
    ]

    @Test(arguments: failures)
    func `an upstream's refusal becomes one of ours, without its words or our key`(_ failure: Failure) async throws {
        try await GeminiProxyTests.run(upstream: { .stub(status: failure.status, body: failure.body) }) { host async throws in
            for body in [["prompt": "Hi"], ["prompt": "Hi", "stream": true]] as [JSON] {
                let answer = try await post(host, body)
                #expect(answer.status == failure.expected)
                #expect(answer.json?["code"]?.string == failure.code)
                // The second time the model may be left alone, and some of the wait be over.
                if body["stream"] == nil {
                    #expect(answer.headers[.retryAfter] == failure.retryAfter)
                } else {
                    #expect((answer.headers[.retryAfter] == nil) == (failure.retryAfter == nil))
                }
                #expect(answer.headers[HTTPField.Name("x-relay-error")!] == nil)
                #expect(!answer.text.contains("upstream-words") && !answer.text.contains("canary"))
            }
        }
    }

    @Test(arguments: [
        "", "not json", "<html>", "[]", "null", "[{\"error\":{\"status\":\"UNAVAILABLE\"}}]", "{\"error\":\"text\"}", "\u{0}",
    ])
    func `a refusal that is no JSON of the usual shape still has its status`(_ body: String) async throws {
        try await GeminiProxyTests.run(upstream: { .stub(status: 503, body: Array(body.utf8)) }) { host async throws in
            let answer = try await post(host)
            #expect(answer.status == 503)
            #expect(answer.json?["code"]?.string == "UPSTREAM_UNAVAILABLE")
        }
    }

    @Test(arguments: [
        ("", 502, "UPSTREAM_ERROR"), ("not json", 502, "UPSTREAM_ERROR"), ("{}", 502, "UPSTREAM_ERROR"),
        ("[]", 502, "UPSTREAM_ERROR"),
        ("null", 502, "UPSTREAM_ERROR"), (#"{"candidates":[]}"#, 502, "UPSTREAM_ERROR"),
        (#"{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}"#, 502, "UPSTREAM_ERROR"),
        (#"{"candidates":[{"finishReason":"STOP"}]}"#, 502, "UPSTREAM_EMPTY_ANSWER"),
        (#"{"candidates":[{"finishReason":"MAX_TOKENS"}]}"#, 502, "UPSTREAM_EMPTY_ANSWER"),
        (#"{"candidates":[{"finishReason":"OTHER"}]}"#, 502, "UPSTREAM_EMPTY_ANSWER"),
        (#"{"candidates":[{"finishReason":"SAFETY","content":{"parts":[{"text":"upstream-words"}]}}]}"#, 422, "ANSWER_BLOCKED"),
        (#"{"candidates":[{"finishReason":"RECITATION"}]}"#, 422, "ANSWER_BLOCKED"),
        (#"{"candidates":[{"finishReason":"BLOCKLIST"}]}"#, 422, "ANSWER_BLOCKED"),
        (#"{"candidates":[{"finishReason":"PROHIBITED_CONTENT"}]}"#, 422, "ANSWER_BLOCKED"),
        (#"{"candidates":[{"finishReason":"SPII"}]}"#, 422, "ANSWER_BLOCKED"),
        (#"{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"upstream-words"}}"#, 422, "PROMPT_BLOCKED"),
        (#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"upstream-words"}}"#, 429, "UPSTREAM_RATE_LIMITED"),
        (#"{"error":"upstream-words"}"#, 503, "UPSTREAM_UNAVAILABLE"),
        (#"{"candidates":"upstream-words"}"#, 502, "UPSTREAM_ERROR"),
    ])
    func `a 200 that is no answer is not passed on as one`(_ body: String, _ status: Int, _ code: String) async throws {
        try await GeminiProxyTests.run(upstream: { .stub(body: Array(body.utf8)) }) { host async throws in
            let answer = try await post(host)
            #expect(answer.status == status, "\(answer.text)")
            #expect(answer.json?["code"]?.string == code)
            #expect(!answer.text.contains("upstream-words"))
        }
    }

    @Test(arguments: [
        (OutboundError.Kind.timedOut, 504, "UPSTREAM_TIMEOUT"), (.dnsFailed, 502, "UPSTREAM_UNAVAILABLE"),
        (.connectFailed, 502, "UPSTREAM_UNAVAILABLE"), (.tlsFailed, 502, "UPSTREAM_UNAVAILABLE"),
        (.reset, 502, "UPSTREAM_UNAVAILABLE"),
        (.tooLarge, 502, "UPSTREAM_ERROR"), (.redirectRefused, 502, "UPSTREAM_ERROR"), (.denied, 500, "EDGE_FUNCTION_ERROR"),
    ])
    func `an upstream that cannot be reached is said plainly, without saying where`(
        _ kind: OutboundError.Kind, _ status: Int, _ code: String
    ) async throws {
        try await GeminiProxyTests.run(upstream: { throw OutboundError(kind, "canary-detail") }) { host async throws in
            for body in [["prompt": "Hi"], ["prompt": "Hi", "stream": true]] as [JSON] {
                let answer = try await post(host, body)
                #expect(answer.status == status)
                #expect(answer.json?["code"]?.string == code)
                #expect(!answer.text.contains("canary"))
            }
        }
    }

    // MARK: Streams

    /// The events of a stream: name (empty for none) and data.
    private func events(_ text: String) -> [(name: String, data: JSON?)] {
        text.split(separator: "\n\n").map { block in
            var (name, data) = ("", "")
            for line in block.split(separator: "\n") {
                if line.hasPrefix("event: ") { name = String(line.dropFirst(7)) }
                if line.hasPrefix("data: ") { data += line.dropFirst(6) }
            }
            return (name, try? JSON.parse(Array(data.utf8)))
        }
    }

    @Test func `a stream passes the text on in order and ends with the whole answer`() async throws {
        let asked = Asked()
        let parts = [
            GeminiProxyTests.part("One "), GeminiProxyTests.part("two "), GeminiProxyTests.part("three.", finish: "STOP"),
        ]
        try await GeminiProxyTests.run(asked: asked, upstream: { .stub(parts: parts) }) { host async throws in
            let answer = try await post(host, ["prompt": "Count", "stream": true])
            #expect(answer.status == 200)
            #expect(answer.headers[.contentType] == "text/event-stream")
            #expect(answer.isWhole)
            let events = events(answer.text)
            #expect(events.map { $0.name } == ["", "", "", "done"])
            #expect(events.dropLast().map { $0.data?["text"]?.string } == ["One ", "two ", "three."])
            let done = try #require(events.last?.data)
            #expect(done["result"]?.string == "One two three.")
            #expect(done["finishReason"]?.string == "STOP")
            #expect(done["requestId"]?.string == answer.headers[HTTPField.Name("x-request-id")!])
        }
        #expect(asked.all.first?.url.hasSuffix(":streamGenerateContent?alt=sse") == true)
    }

    @Test(arguments: [1, 2, 3, 7, 64])
    func `parts may split lines and characters anywhere`(_ size: Int) async throws {
        let whole = Array(": comment\n\n".utf8) + GeminiProxyTests.part("Grüße 😀 ") + GeminiProxyTests.part("日本語", finish: "STOP")
        let parts = stride(from: 0, to: whole.count, by: size).map { Array(whole[$0..<min($0 + size, whole.count)]) }
        try await GeminiProxyTests.run(upstream: { .stub(parts: parts) }) { host async throws in
            let answer = try await post(host, ["prompt": "Hi", "stream": true])
            #expect(answer.isWhole)
            #expect(events(answer.text).last?.data?["result"]?.string == "Grüße 😀 日本語")
        }
    }

    @Test func `a text with line ends stays one event`() async throws {
        let parts = [GeminiProxyTests.part("a\n\nevent: done\ndata: {}\r\rb", finish: "STOP")]
        try await GeminiProxyTests.run(upstream: { .stub(parts: parts) }) { host async throws in
            let answer = try await post(host, ["prompt": "Hi", "stream": true])
            let events = events(answer.text)
            #expect(events.map { $0.name } == ["", "done"])
            #expect(events.first?.data?["text"]?.string == "a\n\nevent: done\ndata: {}\r\rb")
        }
    }

    @Test func `a stream the upstream breaks ends with an error event and is cut`() async throws {
        let first = GeminiProxyTests.part("Half ")
        let inBand = GeminiProxyTests.event(
            Array(#"{"error":{"code":503,"status":"UNAVAILABLE","message":"upstream-words"}}"#.utf8))
        for (parts, error, code) in [
            ([first], nil, "UPSTREAM_ERROR"), ([first], OutboundError(.reset, "canary-detail"), "UPSTREAM_UNAVAILABLE"),
            ([first, inBand], nil, "UPSTREAM_UNAVAILABLE"),
            ([first, GeminiProxyTests.event(Array("{broken".utf8))], nil, "UPSTREAM_ERROR"),
            ([first, GeminiProxyTests.part("", finish: "SAFETY")], nil, "ANSWER_BLOCKED"),
        ] as [([[UInt8]], OutboundError?, String)] {
            try await GeminiProxyTests.run(upstream: { .stub(parts: parts, failing: error) }) { host async throws in
                let answer = try await post(host, ["prompt": "Hi", "stream": true])
                #expect(answer.status == 200)
                #expect(!answer.isWhole, "\(code)")
                let events = events(answer.text)
                #expect(events.map { $0.name } == ["", "error"])
                #expect(events.last?.data?["code"]?.string == code)
                #expect(!answer.text.contains("upstream-words") && !answer.text.contains("canary"))
            }
        }
    }

    @Test func `a stream that is refused before its first text is a plain error`() async throws {
        for (parts, status, code) in [
            ([], 502, "UPSTREAM_ERROR"), ([Array("data: {broken\n\n".utf8)], 502, "UPSTREAM_ERROR"),
            ([GeminiProxyTests.event(Array(#"{"promptFeedback":{"blockReason":"OTHER"}}"#.utf8))], 422, "PROMPT_BLOCKED"),
            ([GeminiProxyTests.event(Array(#"{"error":{"code":429}}"#.utf8))], 429, "UPSTREAM_RATE_LIMITED"),
        ] as [([[UInt8]], Int, String)] {
            try await GeminiProxyTests.run(upstream: { .stub(parts: parts) }) { host async throws in
                let answer = try await post(host, ["prompt": "Hi", "stream": true])
                #expect(answer.status == status)
                #expect(answer.json?["code"]?.string == code)
                #expect(answer.headers[.contentType] == "application/json")
            }
        }
    }
}
