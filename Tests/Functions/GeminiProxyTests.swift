import HTTPTypes
import Swiftlet
import SwiftletJSON
import SwiftletTesting
import Synchronization
import Testing

@testable import Functions

@Suite struct GeminiProxyTests {
    static let path = "/functions/v1/gemini-proxy"
    static let key = "canary-key-9d1f"

    /// Runs the function with an upstream that answers so, and gives the answer and what the upstream was asked.
    func call(
        _ body: JSON, caller: TestHost.Caller? = .user("u1"), path: String = GeminiProxyTests.path,
        settings: [String: String] = [:],
        upstream: @escaping @Sendable (OutboundRequest) throws -> OutboundResponse
    ) async throws -> (answer: TestResponse, asked: [OutboundRequest]) {
        let asked = Asked()
        let answer = try await TestHost.run(
            [Registration(GeminiProxy.self)], secrets: ["GEMINI_API_KEY": GeminiProxyTests.key], settings: settings,
            upstream: { request in
                asked.note(request)
                return try upstream(request)
            }
        ) { host in try await host.post(path, json: body, as: caller) }
        return (answer, asked.requests)
    }

    final class Asked: Sendable {
        private let state = Mutex<[OutboundRequest]>([])
        func note(_ request: OutboundRequest) { state.withLock { $0.append(request) } }
        var requests: [OutboundRequest] { state.withLock { $0 } }
    }

    static func answer(_ text: String, finish: String = "STOP") -> JSON {
        [
            "candidates": [
                ["content": ["role": "model", "parts": [["text": .string(text)]]], "finishReason": .string(finish), "index": 0]
            ],
            "usageMetadata": ["promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 8], "modelVersion": "m-1",
        ]
    }

    @Test func `a prompt goes up with the key and without the caller's token, and the text comes back`() async throws {
        let (answer, asked) = try await call(["prompt": "Hello"]) { _ in .stub(body: GeminiProxyTests.answer("Hi there").bytes) }
        #expect(answer.status == 200)
        #expect(answer.json?["result"]?.string == "Hi there")
        #expect(answer.json?["operation"]?.string == "generate")
        #expect(answer.json?["usage"] == ["prompt": 5, "output": 3, "thoughts": 0, "total": 8])
        #expect(answer.json?["requestId"]?.string == answer.headers[HTTPField.Name("x-request-id")!])
        let request = try #require(asked.first)
        #expect(request.url == "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.5-flash-lite:generateContent")
        #expect(request.headers[HTTPField.Name("x-goog-api-key")!] == GeminiProxyTests.key)
        #expect(request.headers[.authorization] == nil)
        guard case .bytes(let bytes) = request.body else { throw Missing() }
        let sent = try JSON.parse(bytes)
        #expect(sent["contents"]?.array?.last?["role"]?.string == "user")
        #expect(sent["contents"]?[0]?["parts"]?[0]?["text"]?.string == "Hello")
        #expect(sent["generationConfig"]?["temperature"] == nil)
        #expect(!answer.text.contains("canary"))
    }

    struct Missing: Error {}

    @Test func `a stream passes on piece by piece, also where a character is split`() async throws {
        let events = [GeminiProxyTests.answer("Grü", finish: "STOP"), GeminiProxyTests.answer("ße")].map {
            "data: \($0.description)\r\n\r\n"
        }
        let bytes = Array(events.joined().utf8)
        let split = try #require(bytes.firstIndex(of: 0xC3)) + 1
        let (answer, asked) = try await call(["prompt": "Hi", "stream": true]) { _ in
            .stub(parts: [Array(bytes[..<split]), Array(bytes[split...])])
        }
        #expect(answer.headers[.contentType] == "text/event-stream")
        #expect(answer.text.hasPrefix("data: {\"text\":\"Grü\"}\n\ndata: {\"text\":\"ße\"}\n\nevent: done\ndata: "))
        #expect(answer.text.contains("\"result\":\"Grüße\""))
        #expect(answer.isWhole)
        #expect(asked.first?.url.hasSuffix(":streamGenerateContent?alt=sse") == true)
    }

    @Test func `a stream that dies upstream never looks whole`() async throws {
        let event = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"half\"}]}}]}\n\n"
        for failing in [nil, OutboundError(.reset, "gone")] {
            let (answer, _) = try await call(["prompt": "Hi", "stream": true]) { _ in
                .stub(parts: [Array(event.utf8)], failing: failing)
            }
            #expect(answer.status == 200)
            #expect(answer.text.contains("event: error"))
            #expect(!answer.text.contains("event: done"))
            #expect(!answer.isWhole)
        }
    }

    @Test(arguments: [
        (400, #"{"error":{"status":"INVALID_ARGUMENT","message":"leaked-words"}}"#, 400, "UPSTREAM_INVALID_ARGUMENT"),
        (400, #"{"error":{"status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#, 502, "UPSTREAM_ERROR"),
        (400, #"{"error":{"status":"FAILED_PRECONDITION"}}"#, 502, "UPSTREAM_ERROR"),
        (403, #"{"error":{"status":"PERMISSION_DENIED"}}"#, 502, "UPSTREAM_ERROR"),
        (404, #"{"error":{"status":"NOT_FOUND"}}"#, 502, "UPSTREAM_ERROR"),
        (429, #"{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"26s"}]}}"#, 429, "UPSTREAM_RATE_LIMITED"),
        (500, "leaked-words", 503, "UPSTREAM_UNAVAILABLE"),
        (503, "{}", 503, "UPSTREAM_UNAVAILABLE"),
        (504, "{}", 504, "UPSTREAM_TIMEOUT"),
        (200, #"{"promptFeedback":{"blockReason":"SAFETY"}}"#, 422, "PROMPT_BLOCKED"),
        (200, #"{"candidates":[{"finishReason":"SAFETY"}]}"#, 422, "ANSWER_BLOCKED"),
        (200, #"{"candidates":[{"finishReason":"MAX_TOKENS","content":{"parts":[]}}]}"#, 502, "UPSTREAM_EMPTY_ANSWER"),
        (200, #"{"candidates":[{"finishReason":"SOMETHING_NEW"}]}"#, 502, "UPSTREAM_EMPTY_ANSWER"),
        (200, #"{"candidates":[]}"#, 502, "UPSTREAM_ERROR"),
        (200, "not json leaked-words", 502, "UPSTREAM_ERROR"),
    ])
    func `what goes wrong upstream has a status and a code of ours`(upstream: Int, body: String, status: Int, code: String)
        async throws
    {
        let (answer, _) = try await call(["prompt": "Hi"]) { _ in .stub(status: upstream, body: Array(body.utf8)) }
        #expect(answer.status == status)
        #expect(answer.json?["code"]?.string == code)
        #expect(!answer.text.contains("leaked") && !answer.text.contains("canary"))
        if upstream == 429 { #expect(answer.headers[.retryAfter] == "26") }
    }

    @Test(
        arguments: [
            (["prompt": ""], "prompt"), (["prompt": " \n\t"], "prompt"), (["prompt": "a\u{0}b"], "prompt"), ([:], "prompt"),
            (["prompt": "x", "operation": "fly"], "operation"), (["prompt": 5], "prompt"),
        ] as [(JSON, String)])
    func `input that cannot be used is refused before anyone is asked`(body: JSON, field: String) async throws {
        let (answer, asked) = try await call(body) { _ in .stub(status: 500) }
        #expect(answer.status == 422)
        #expect(answer.json?["problems"]?[0]?["field"]?.string == field)
        #expect(asked.isEmpty)
    }

    @Test func `a prompt one byte too long is refused, the longest is taken`() async throws {
        let limit = GeminiProxy.Prompt.limit
        let upstream: @Sendable (OutboundRequest) -> OutboundResponse = { _ in .stub(body: GeminiProxyTests.answer("ok").bytes) }
        let long = try await call(["prompt": .string(String(repeating: "a", count: limit))], upstream: upstream)
        #expect(long.answer.status == 200)
        let longer = try await call(["prompt": .string(String(repeating: "a", count: limit + 1))], upstream: upstream)
        #expect(longer.answer.status == 422)
    }

    @Test func `callers without a token, other paths and thought parts`() async throws {
        let none = try await call(["prompt": "x"], caller: nil) { _ in .stub() }
        #expect(none.answer.status == 401)
        #expect(none.asked.isEmpty)
        let path = try await call(["prompt": "x"], path: GeminiProxyTests.path + "/v2") { _ in .stub() }
        #expect(path.answer.status == 404)
        let thoughts: JSON = [
            "candidates": [
                [
                    "content": ["parts": [["text": "secret thinking", "thought": true], ["text": "answer"]]],
                    "finishReason": "STOP",
                ]
            ]
        ]
        let thinking = try await call(["prompt": "x"]) { _ in .stub(body: thoughts.bytes) }
        #expect(thinking.answer.json?["result"]?.string == "answer")
    }
}
