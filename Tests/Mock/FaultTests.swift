import SwiftletJSON
import Testing

@testable import SwiftletMock

@Suite struct FaultTests {
    @Test func `every name a test plan knows is there, and says what it does`() {
        let names = """
            ok 429-retryinfo 429-header 429-perday 429-forever 500-once 500-forever 503-forever 504 403 reset silent slow-first cut
            cut-chunk stall
            bad-event inband-error partless-final lead-empty-stop blocked-prompt blocked-answer max-tokens-empty thought-parts unknown-enum
            bad-json bad-json-once json-in-fence extra-fields huge split-utf8 bom gzip retired bad-key flap context-length content-filter
            no-prefill no-done empty hold drip functions half-error key-echo
            """.split(whereSeparator: \.isWhitespace)
        for name in names {
            #expect(Fault(rawValue: String(name)) != nil, "\(name)")
            #expect(Fault.list.contains("  \(name) "), "\(name)")
        }
        #expect(Set(Fault.allCases.map(\.meaning)).count == Fault.allCases.count)
    }

    @Test(arguments: [
        ("500-once", Fault.internalOnce), ("mock-500-once", .internalOnce), ("500-once.t17", .internalOnce),
        ("mock-500-once.a.b", .internalOnce), ("openai/500-once.x", .internalOnce), ("models/cut", .cut), ("429", .tooManyHinted),
        ("mock-429", .tooManyHinted), ("500", .internalForever), ("mock-503", .unavailableForever),
        ("mock-thoughts", .thoughtParts),
        ("gemini-2.5-flash", .ok), ("", .ok), ("mock-", .ok), (".", .ok), ("500-onces", .ok), ("a/", .ok),
    ])
    func `a model's name says which fault it is`(model: String, fault: Fault) {
        #expect(Fault(model: model) == fault)
    }

    @Test func `there are sixty words, and the first say that it is a mock`() {
        #expect(Words.all.count == 60)
        #expect(Words.text.hasPrefix("This is the Swiftlet mock of Gemini, not Gemini"))
        #expect(Words.pieces.joined() == Words.text)
        #expect(Words.text.utf8.contains { $0 >= 0xF0 })
    }

    @Test(arguments: [
        (Fault.tooManyOnce, 429, "RESOURCE_EXHAUSTED"), (.tooManyHinted, 429, "RESOURCE_EXHAUSTED"),
        (.tooManyHeader, 429, "RESOURCE_EXHAUSTED"), (.tooManyDaily, 429, "RESOURCE_EXHAUSTED"),
        (.tooManyForever, 429, "RESOURCE_EXHAUSTED"), (.internalOnce, 500, "INTERNAL"), (.internalForever, 500, "INTERNAL"),
        (.unavailableForever, 503, "UNAVAILABLE"), (.flap, 503, "UNAVAILABLE"), (.deadline, 504, "DEADLINE_EXCEEDED"),
        (.forbidden, 403, "PERMISSION_DENIED"), (.retired, 404, "NOT_FOUND"), (.badKey, 400, "INVALID_ARGUMENT"),
        (.keyEcho, 400, "INVALID_ARGUMENT"), (.contextLength, 400, "INVALID_ARGUMENT"),
    ])
    func `a refusal has its status and word in every verb`(fault: Fault, status: Int, word: String) throws {
        for stream in [false, true] {
            var asking = Asking()
            let script = asking.gemini(fault.rawValue, stream: stream)
            #expect(script.status == status && script.turns.isEmpty && script.isWhole)
            #expect(script.head.hasPrefix("HTTP/1.1 \(status)"))
            let error = try #require(script.json?["error"])
            #expect(error["code"]?.int == status && error["status"]?.string == word)
            // Once means the first call of a name, and of that name alone.
            #expect(asking.gemini(fault.rawValue, stream: stream).status == (fault.isOnce ? 200 : status))
            #expect(asking.gemini(fault.rawValue + ".other", stream: stream).status == status)
            let openAI = asking.openAI(fault.rawValue + ".shape", stream: stream)
            #expect(openAI.status == (fault == .badKey ? 401 : status))
            #expect(openAI.json?["error"]?["message"]?.string?.isEmpty == false)
        }
        var asking = Asking()
        let count = asking.send(
            "POST", "/v1/models/\(fault.rawValue):countTokens", headers: [("x-goog-api-key", "k")], body: Asking.prompt.bytes)
        #expect(count?.script.status == status)
    }

    @Test func `hints are where each kind of 429 has them, and speed shortens them`() {
        func hint(_ model: String, speed: Double = 1) -> (retryDelay: String?, retryAfter: Bool, quota: String?) {
            var asking = Asking(speed: speed)
            let script = asking.gemini(model)
            let details = script.json?["error"]?["details"]?.array ?? []
            return (
                details.compactMap { $0["retryDelay"]?.string }.first, script.head.contains("Retry-After: "),
                details.compactMap { $0["violations"]?[0]?["quotaId"]?.string }.first
            )
        }
        #expect(hint("429-retryinfo").retryDelay == "2s" && !hint("429-retryinfo").retryAfter)
        #expect(hint("429-retryinfo", speed: 10).retryDelay == "0.2s")
        #expect(hint("429", speed: 3).retryDelay == "0.667s")
        #expect(hint("429-header").retryDelay == nil && hint("429-header").retryAfter)
        #expect(hint("429-forever").retryDelay == nil && !hint("429-forever").retryAfter)
        #expect(hint("429-perday").quota?.contains("PerDay") == true && hint("429-forever").quota?.contains("PerMinute") == true)
        var asking = Asking(speed: 100)
        #expect(asking.gemini("429-header").head.contains("Retry-After: 1\r\n"))
        #expect([0.2, 2, 0.001, 1.5, 61].map(Problem.seconds) == ["0.2s", "2s", "0.001s", "1.5s", "61s"])
    }

    @Test func `the words of OpenAI's errors are there`() {
        var asking = Asking()
        for (model, status, code) in [
            ("context-length", 400, "context_length_exceeded"), ("content-filter", 400, "content_policy_violation"),
            ("429-forever", 429, "rate_limit_exceeded"), ("429-perday", 429, "insufficient_quota"),
            ("retired", 404, "model_not_found"), ("bad-key", 401, "invalid_api_key"),
        ] {
            let script = asking.openAI(model, stream: true)
            #expect(script.status == status && script.json?["error"]?["code"]?.string == code)
        }
        let text = asking.gemini("context-length").json?["error"]?["message"]?.string
        #expect(text == "The input token count (1200001) exceeds the maximum number of tokens allowed (1048576).")
    }

    @Test func `flap is down for a minute from its first call on, or what the speed makes of it`() {
        var asking = Asking()
        let second: Int64 = 1_000_000_000
        #expect(asking.gemini("flap", at: 100 * second).status == 503)
        #expect(asking.gemini("flap", at: 159 * second).status == 503)
        #expect(asking.gemini("flap", at: 160 * second).status == 200)
        #expect(asking.gemini("flap.b", at: 160 * second).status == 503)
        var fast = Asking(speed: 10)
        #expect(fast.gemini("flap", at: 0).status == 503)
        #expect(fast.gemini("flap", at: 6 * second).status == 200)
    }

    @Test func `a turn of the model's at the end is refused by the model that says so`() {
        var asking = Asking()
        let body: JSON = [
            "contents": [["role": "user", "parts": [["text": "a"]]], ["role": "model", "parts": [["text": "b"]]]]
        ]
        #expect(asking.gemini("no-prefill", body: body).status == 400)
        #expect(asking.gemini("no-prefill").status == 200)
        #expect(asking.gemini("ok", body: body).status == 200)
        let turns: JSON = ["messages": [["role": "user", "content": "a"], ["role": "assistant", "content": "b"]]]
        #expect(asking.openAI("no-prefill", more: turns).status == 400)
        #expect(asking.openAI("no-prefill").text == Words.text)
    }
}
