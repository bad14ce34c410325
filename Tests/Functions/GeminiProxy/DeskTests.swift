import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletJSON
import SwiftletTesting
import Synchronization
import Testing

@testable import Functions

/// What requests have in common: other models, what is shared, what is spent.
@Suite struct GeminiDeskTests {
    typealias Proxy = GeminiProxyTests

    /// An upstream that answers by the model's name, and remembers what it was asked.
    final class Upstream: Sendable {
        private let state = Mutex<(models: [String], waiting: [CheckedContinuation<Void, Never>], isOpen: Bool)>(([], [], true))
        let answer: @Sendable (_ model: String, _ call: Int) throws -> OutboundResponse

        init(isOpen: Bool = true, _ answer: @escaping @Sendable (_ model: String, _ call: Int) throws -> OutboundResponse) {
            self.answer = answer
            state.withLock { $0.isOpen = isOpen }
        }

        var models: [String] { state.withLock { $0.models } }

        func take(_ request: OutboundRequest) async throws -> OutboundResponse {
            let model = String(request.url.split(separator: "/").last?.split(separator: ":").first ?? "")
            let call = state.withLock {
                $0.models.append(model)
                return $0.models.count
            }
            await withCheckedContinuation { waiter in
                let isOpen = state.withLock { state in
                    if !state.isOpen { state.waiting.append(waiter) }
                    return state.isOpen
                }
                if isOpen { waiter.resume() }
            }
            return try answer(model, call)
        }

        func open() {
            let waiting = state.withLock { state in
                state.isOpen = true
                defer { state.waiting = [] }
                return state.waiting
            }
            for waiter in waiting { waiter.resume() }
        }
    }

    static func json(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func run<Result: Sendable>(
        _ upstream: Upstream, _ settings: [String: String] = [:], _ body: @Sendable (TestHost) async throws -> Result
    ) async throws -> Result {
        // Time stands still: nothing comes back while a test counts.
        var configuration = HostConfiguration()
        configuration.clock = ManualClock(wall: Int64(Date().timeIntervalSince1970)).hostClock
        configuration.stubEgress = { try await upstream.take($0) }
        configuration.settings = ["GEMINI_RETRY_BASE": "0ms", "GEMINI_MODEL": "first", "GEMINI_FALLBACK_MODELS": "second"]
            .merging(settings) { $1 }
        return try await TestHost.run(
            [Registration(GeminiProxy.self)], secrets: ["GEMINI_API_KEY": Proxy.key], configuration: configuration, body)
    }

    private func post(
        _ host: TestHost, _ prompt: String = "Hi", user: String = "u1", _ more: [(String, JSON)] = []
    ) async throws -> TestResponse {
        try await host.post(Proxy.url, json: JSON(members: [("prompt", .string(prompt))] + more), as: .user(user))
    }

    private func field(_ answer: TestResponse, _ name: String) -> String? { answer.headers[HTTPField.Name(name)!] }

    // MARK: Other models

    @Test func `when a model is down the next one answers, and is the one that is named`() async throws {
        let upstream = Upstream { model, _ in
            model == "first"
                ? .stub(status: 503)
                : .stub(body: Self.json(#"{"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":"STOP"}]}"#))
        }
        try await run(upstream) { host async throws in
            let answer = try await post(host)
            #expect(answer.status == 200 && answer.json?["model"] == "second" && answer.json?["result"] == "Hello")
            #expect(field(answer, "x-swiftlet-model") == "second" && field(answer, "x-swiftlet-fallback") == "true")
            #expect(field(answer, "x-swiftlet-attempts") == "4")
            // Three failures in a row: it is left alone.
            let next = try await post(host, "again")
            #expect(next.status == 200 && field(next, "x-swiftlet-attempts") == "1")
            let chat = try await host.post(
                Proxy.url + "/openai/chat/completions",
                json: ["model": "first", "messages": [["role": "user", "content": "x"]]] as JSON, as: .user("u1"))
            #expect(chat.json?["model"] == "second")
        }
        #expect(upstream.models == ["first", "first", "first", "second", "second", "second"])
    }

    @Test func `too long for one model goes to one that reads more, and to no other`() async throws {
        let upstream = Upstream { model, _ in
            model == "large"
                ? .stub(body: Proxy.answer("Read"))
                : .stub(
                    status: 400,
                    body: Self.json(
                        #"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"The input token count (9) exceeds the maximum number of tokens allowed (8)."}}"#
                    ))
        }
        let models = #"{"first":{"context":8,"fallbacks":["second","large"]},"second":{"context":8},"large":{"context":99}}"#
        try await run(upstream, ["GEMINI_MODELS": models]) { host async throws in
            #expect(try await post(host).json?["result"] == "Read")
        }
        #expect(upstream.models == ["first", "large"])
    }

    @Test func `a prompt that is refused is not taken round to another model`() async throws {
        let upstream = Upstream { _, _ in .stub(body: Self.json(#"{"promptFeedback":{"blockReason":"SAFETY"}}"#)) }
        try await run(upstream) { host async throws in #expect(try await post(host).json?["code"] == "PROMPT_BLOCKED") }
        #expect(upstream.models == ["first"])
    }

    @Test func `a stream that has begun is not begun again, one that is gathered first is`() async throws {
        let upstream = Upstream { model, _ in
            model == "first"
                ? .stub(parts: [Proxy.part("Half ")])
                : .stub(parts: [Proxy.part("The "), Proxy.part("whole", finish: "STOP")])
        }
        try await run(upstream) { host async throws in
            let live = try await post(host, "a", [("stream", true)])
            #expect(!live.isWhole && live.text.contains("event: error") && upstream.models == ["first"])
            let wish = HTTPField.Name("x-swiftlet-stream")!
            let body: JSON = ["prompt": "b", "stream": true]
            let whole = try await host.post(Proxy.url, json: body, headers: [wish: "whole"], as: .user("u1"))
            #expect(whole.isWhole && whole.text.contains(#""result":"The whole""#) && !whole.text.contains("Half"))
            // Streams that begin and break are failures as well: after three the model is left alone.
            #expect(try await post(host, "c", [("stream", true)]).isWhole)
        }
        #expect(upstream.models == ["first", "first", "first", "second", "second"])
    }

    // MARK: What is shared

    private static let reply = json(
        #"{"candidates":[{"content":{"parts":[{"text":"{\"replies\":[\"Yes\"]}"}]},"finishReason":"STOP"}],"usageMetadata":{"totalTokenCount":10}}"#
    )

    private func reply(_ host: TestHost, _ text: String = "Really?", user: String = "u1", cache: Bool? = nil) async throws
        -> TestResponse
    {
        var body: JSON = ["operation": "smartReply", "history": [["role": "other", "text": .string(text)]]]
        if let cache { body["options"] = ["cache": .bool(cache)] }
        return try await host.post(Proxy.url, json: body, as: .user(user))
    }

    @Test func `an answer is kept for the user who asked, and for nobody else`() async throws {
        let upstream = Upstream { _, _ in .stub(body: Self.reply) }
        try await run(upstream) { host async throws in
            let first = try await reply(host)
            #expect(first.json?["cached"] == false && field(first, "cache-control") == "private, no-store")
            let again = try await reply(host)
            #expect(again.json?["cached"] == true && again.json?["result"] == "Yes" && field(again, "x-swiftlet-cache") == "hit")
            #expect(again.json?["requestId"] != first.json?["requestId"])
            #expect(upstream.models.count == 1)
            #expect(try await reply(host, user: "u2").json?["cached"] == false)
            #expect(try await reply(host, "Other?").json?["cached"] == false)
            #expect(try await reply(host, cache: false).json?["cached"] == false)
            #expect(upstream.models.count == 4)
        }
    }

    @Test func `nothing is kept where the operator says so`() async throws {
        let upstream = Upstream { _, _ in .stub(body: Self.reply) }
        try await run(upstream, ["GEMINI_CACHE": "0"]) { host async throws in
            for _ in 0..<2 { #expect(try await reply(host).json?["cached"] == false) }
        }
        #expect(upstream.models.count == 2)
    }

    @Test func `the same at the same time is one call for a user, and one for each of two`() async throws {
        let upstream = Upstream(isOpen: false) { _, _ in .stub(body: Self.reply) }
        try await run(upstream) { host async throws in
            let answers = try await withThrowingTaskGroup(of: TestResponse.self) { group in
                for number in 0..<20 { group.addTask { try await self.reply(host, user: number < 15 ? "u1" : "u2") } }
                while upstream.models.count < 2 { await Task.yield() }
                upstream.open()
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.allSatisfy { $0.status == 200 })
            let sources = answers.map { field($0, "x-swiftlet-cache") ?? "" }
            #expect(sources.filter { $0 == "miss" }.count == 2 && sources.filter { $0 == "shared" || $0 == "hit" }.count == 18)
        }
        #expect(upstream.models.count == 2)
    }

    @Test func `the store of answers keeps to its bounds, and a user to a share of it`() throws {
        let answers = GeminiProxy.Answers()
        let begin = ContinuousClock.now
        func key(_ user: String, _ number: Int) throws -> GeminiProxy.AnswerKey {
            let ask = try GeminiProxy.Ask(["contents": [["parts": [["text": .string("\(number)")]]]]], setup: .test())
            return .init(user: user, operation: "o", model: "m", shape: "", ask: ask)
        }
        func outcome(_ bytes: Int) -> GeminiProxy.Outcome {
            .init(
                landed: .init(bytes: [UInt8](repeating: 0x20, count: bytes), json: nil, reply: .init(now: 0)), model: "m",
                judged: nil)
        }
        for number in 0..<40 { answers.keep(outcome(10), for: try key("u1", number), .seconds(60), now: begin) }
        #expect(answers.count == 32)
        let (first, last) = (try key("u1", 7), try key("u1", 39))
        #expect(answers.find(first, now: begin) == nil && answers.find(last, now: begin) != nil)
        #expect(answers.find(last, now: begin + .seconds(60)) == nil && answers.count == 31)
        // One that is too large is not kept at all.
        answers.keep(outcome(1_000_000), for: try key("u2", 0), .seconds(60), now: begin)
        #expect(answers.count == 31)
        for user in 0..<200 { answers.keep(outcome(100_000), for: try key("user \(user)", 0), .seconds(60), now: begin) }
        #expect(answers.bytes <= 8 * 1024 * 1024 && answers.count > 10)
    }

    // MARK: What is spent

    @Test func `a budget is reserved with what a call could cost and settled with what it did`() async throws {
        let upstream = Upstream { _, _ in .stub(body: Self.reply) }
        let settings = ["GEMINI_TOKENS_PER_MINUTE": "1000", "GEMINI_TOKENS_PER_DAY": "0", "GEMINI_MAX_OUTPUT_TOKENS": "200"]
        try await run(upstream, settings) { host async throws in
            let answer = try await reply(host)
            let limits = answer.headers[values: HTTPField.Name("ratelimit")!].joined(separator: ", ")
            #expect(limits.contains(#""default";r=19"#) && limits.contains(#""tokens";r=990"#), "\(limits)")
            let policies = answer.headers[values: HTTPField.Name("ratelimit-policy")!].joined(separator: ", ")
            #expect(policies.contains(#""tokens";q=1000;w=60"#), "\(policies)")
        }
    }

    @Test func `calls side by side cannot spend more than there is`() async throws {
        // Each could take the cap of 100 and a little, and takes exactly 100.
        let body = Self.json(
            #"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],"usageMetadata":{"totalTokenCount":100}}"#
        )
        let upstream = Upstream(isOpen: false) { _, _ in .stub(body: body) }
        let settings = ["GEMINI_TOKENS_PER_MINUTE": "0", "GEMINI_TOKENS_PER_DAY": "1000", "GEMINI_MAX_OUTPUT_TOKENS": "100"]
        try await run(upstream, settings) { host async throws in
            let answers = try await withThrowingTaskGroup(of: TestResponse.self) { group in
                for number in 0..<18 { group.addTask { try await self.post(host, "call \(number)") } }
                while upstream.models.count < 9 { await Task.yield() }
                upstream.open()
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let passed = answers.filter { $0.status == 200 }.count
            #expect(passed * 100 <= 1000 && passed >= 9)
            for answer in answers where answer.status != 200 {
                #expect(answer.status == 429 && answer.json?["code"] == "TOKEN_BUDGET_EXCEEDED")
                #expect(answer.headers[.retryAfter] != nil)
            }
            #expect(try await post(host, user: "u2").status == 200)
        }
    }

    @Test func `a request larger than the whole budget is told so`() async throws {
        let upstream = Upstream { _, _ in .stub(body: Self.reply) }
        try await run(upstream, ["GEMINI_TOKENS_PER_MINUTE": "100"]) { host async throws in
            let answer = try await post(host)
            #expect(answer.status == 429 && answer.json?["message"]?.string?.contains("more than your whole budget") == true)
        }
        #expect(upstream.models.isEmpty)
    }

    /// Reserves a hundred, and settles with ten as often as it is told to.
    struct Settler: EdgeFunction {
        static let name: FunctionName = "settler"
        static let policy = Policy(rateLimit: .none, capabilities: [.rateLimit])
        func handle(_ request: Request<JSON>, from user: User, in context: Context) async throws -> JSON {
            let setup = try GeminiProxy.Setup {
                $0 == .geminiTokensPerMinute ? "1000" : $0 == .geminiTokensPerDay ? "0" : $0.defaultValue
            }
            var purse = try await GeminiProxy.Purse("u", 100, setup: setup, context: context)
            guard try await purse.extend(100) else { return "refused" }
            for _ in 0..<(request.body["times"]?.int ?? 0) { await purse.settle(10) }
            let again = await purse.settledApart(10)
            return .init(again.states.first?.remaining ?? -1)
        }
    }

    @Test func `a reservation is settled once, however often it is tried`() async throws {
        var configuration = HostConfiguration()
        configuration.clock = ManualClock(wall: Int64(Date().timeIntervalSince1970)).hostClock
        try await TestHost.run([Registration(Settler.self)], configuration: configuration) { host async throws in
            for (times, left) in [(1, 990), (3, 980), (0, 970)] {
                let body: JSON = ["times": .init(times)]
                #expect(try await host.post("/functions/v1/settler", json: body, as: .user("u")).json?.int == left)
            }
        }
    }

    @Test func `what failed costs nothing`() async throws {
        let upstream = Upstream { _, _ in .stub(status: 503) }
        let settings = ["GEMINI_TOKENS_PER_MINUTE": "5000", "GEMINI_TOKENS_PER_DAY": "0"]
        try await run(upstream, settings) { host async throws in
            let answer = try await post(host)
            #expect(answer.status == 503)
            #expect(answer.headers[values: HTTPField.Name("ratelimit")!].joined().contains(#""tokens";r=5000"#))
        }
    }

    // MARK: Answers that have to be asked for twice

    @Test func `an answer that cannot be read is asked for once more, and then said to be unusable`() async throws {
        for (second, status) in [(Self.reply, 200), (Proxy.answer("Sure!"), 502)] {
            let upstream = Upstream { _, call in .stub(body: call == 1 ? Proxy.answer("Sure!") : second) }
            try await run(upstream) { host async throws in
                let answer = try await reply(host)
                #expect(answer.status == status && field(answer, "x-swiftlet-attempts") == "2")
                if status != 200 { #expect(answer.json?["code"] == "UPSTREAM_INVALID_OUTPUT") }
            }
            #expect(upstream.models == ["first", "first"])
        }
    }

    @Test func `an answer that was all thoughts is asked for once more, with twice the room`() async throws {
        let upstream = Upstream { _, call in
            .stub(body: call == 1 ? Self.json(#"{"candidates":[{"finishReason":"MAX_TOKENS"}]}"#) : Proxy.answer("Hello"))
        }
        try await run(upstream) { host async throws in #expect(try await post(host).json?["result"] == "Hello") }
        #expect(upstream.models == ["first", "first"])
    }

    // MARK: Google's face

    @Test func `Google's callers get the upstream's bytes, and errors in Google's shape`() async throws {
        let odd = Self.json(#"{ "candidates" : [ {"finishReason":"NEW_REASON","x":1.50} ], "future": {} }"#)
        let upstream = Upstream { model, _ in
            model == "first"
                ? .stub(body: odd)
                : .stub(status: 400, body: Self.json(#"{"error":{"status":"INVALID_ARGUMENT","message":"AIza words"}}"#))
        }
        try await run(upstream) { host async throws in
            let path = Proxy.url + "/v1/models/"
            let contents: JSON = ["contents": [["parts": [["text": "Hi"]]]]]
            let answer = try await host.post(path + "first:generateContent", json: contents, as: .user("u1"))
            #expect(answer.status == 200 && answer.body == odd)
            let refused = try await host.post(path + "second:generateContent", json: contents, as: .user("u1"))
            #expect(refused.status == 400 && refused.json?["error"]?["code"] == 400)
            #expect(refused.json?["error"]?["status"] == "INVALID_ARGUMENT" && !refused.text.contains("AIza"))
            #expect(refused.json?["error"]?["details"]?[0]?["reason"] == "UPSTREAM_INVALID_ARGUMENT")
            let unknown = try await host.post(path + "third:generateContent", json: contents, as: .user("u1"))
            #expect(unknown.status == 404 && unknown.json?["error"]?["status"] == "NOT_FOUND")
            let chat = try await host.post(
                Proxy.url + "/openai/chat/completions",
                json: ["model": "third", "messages": [["role": "user", "content": "x"]]] as JSON, as: .user("u1"))
            #expect(chat.status == 404 && chat.json?["error"]?["code"] == "model_not_found")
        }
        #expect(upstream.models == ["first", "second"])
    }

    @Test func `an event the upstream wrote over several lines stays one event of the same meaning`() async throws {
        let lines = [
            "{\"candidates\": [", " {\"content\": {\"parts\":\r [{\"text\": \"one\\ntwo\"}]},", "  \"finishReason\": \"STOP\"}",
            "]}",
        ]
        let written = lines.map { "data: \($0)" }
        for lineEnd in ["\n", "\r\n"] {
            let event = Array((written.joined(separator: lineEnd) + lineEnd + lineEnd).utf8)
            try await run(Upstream { _, _ in .stub(parts: [event]) }) { host async throws in
                let contents: JSON = ["contents": [["parts": [["text": "Hi"]]]]]
                let path = Proxy.url + "/v1beta/models/first:streamGenerateContent?alt=sse"
                let answer = try await host.post(path, json: contents, as: .user("u1"))
                #expect(answer.isWhole)
                let passed = written.joined(separator: "\n").replacingOccurrences(of: "\r", with: "") + "\r\n\r\n"
                #expect(answer.text == passed)
            }
        }
    }

    @Test func `a stream without alt=sse is an array`() async throws {
        let upstream = Upstream { _, _ in .stub(parts: [Proxy.part("a"), Proxy.part("b", finish: "STOP")]) }
        try await run(upstream) { host async throws in
            let path = Proxy.url + "/v1beta/models/first:streamGenerateContent"
            let contents: JSON = ["contents": [["parts": [["text": "Hi"]]]]]
            let array = try await host.post(path, json: contents, as: .user("u1"))
            #expect(array.json?.array?.count == 2 && array.headers[.contentType] == "application/json")
            let events = try await host.post(path + "?alt=sse", json: contents, as: .user("u1"))
            #expect(
                events.text.components(separatedBy: "\r\n\r\n").count == 3 && events.headers[.contentType] == "text/event-stream")
        }
    }
}
