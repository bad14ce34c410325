import HTTPTypes
import Swiftlet
import SwiftletJSON

/// A stand-in for Gemini, for trying `gemini-proxy` without a key. It is a function on a host of its own that takes every path.
///
/// It says that it is a mock in each answer. The model's name chooses what happens; any other name answers.
struct MockGemini: EdgeFunction {
    static let name: FunctionName = "mock-gemini"
    static let policy = Policy(methods: [.get, .post], rateLimit: .none, body: .bytes(upTo: .mib(4)))

    /// What the names of models do, for help texts.
    static let faults = [
        ("mock-429", "429 RESOURCE_EXHAUSTED with RetryInfo of 2 s"),
        ("mock-500", "500 INTERNAL"),
        ("mock-503", "503 UNAVAILABLE"),
        ("mock-bad-key", "400 API_KEY_INVALID"),
        ("mock-retired", "404 NOT_FOUND"),
        ("mock-blocked-prompt", "200 with promptFeedback.blockReason"),
        ("mock-blocked-answer", "200 whose candidate has no content, finishReason SAFETY"),
        ("mock-max-tokens-empty", "200 without text, finishReason MAX_TOKENS"),
        ("mock-bad-json", "200 whose body is not JSON"),
        ("mock-cut", "a stream that ends after half of its words, without a finishReason"),
        ("mock-inband-error", "a stream with an error event after half of its words"),
        ("mock-thoughts", "an answer with thought parts before the text"),
    ]

    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> Response {
        guard let call = Call(path: request.path) else {
            return try MockGemini.error(
                404, "NOT_FOUND", "the mock knows /v1 and /v1beta/models/MODEL:generateContent and its like")
        }
        guard let key = request.header("x-goog-api-key"), !key.isEmpty, call.model != "mock-bad-key" else {
            return try MockGemini.error(400, "INVALID_ARGUMENT", "API key not valid", reason: "API_KEY_INVALID")
        }
        if request.header("authorization") != nil {
            return try MockGemini.error(400, "INVALID_ARGUMENT", "a caller's Authorization header reached the upstream")
        }
        switch call.model {
        case "mock-429": return try MockGemini.error(429, "RESOURCE_EXHAUSTED", "quota", retryDelay: "2s")
        case "mock-500": return try MockGemini.error(500, "INTERNAL", "internal")
        case "mock-503": return try MockGemini.error(503, "UNAVAILABLE", "overloaded")
        case "mock-retired": return try MockGemini.error(404, "NOT_FOUND", "model not found")
        default: break
        }
        let prompt = (try request.body.json())["contents"]?.array?.last?["parts"]?[0]?["text"]?.string ?? ""
        if call.verb == "countTokens" { return try .json(["totalTokens": MockGemini.tokens(prompt)]) }
        if call.model == "mock-bad-json" { return .bytes(Array("{\"candidates\": [".utf8), mediaType: "application/json") }
        let pieces = call.reply(to: prompt)
        guard call.verb == "streamGenerateContent" else { return try .json(pieces.whole) }
        return .events(
            EventStream { writer in
                for event in pieces.events { try await writer.send(json: event) }
            })
    }

    static func tokens(_ text: String) -> Int { (text.utf8.count + 3) / 4 }

    private static func error(
        _ status: Int, _ word: String, _ message: String, reason: String? = nil, retryDelay: String? = nil
    ) throws -> Response {
        var details: [JSON] = []
        if let reason { details.append(["@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": .string(reason)]) }
        if let retryDelay {
            details.append(["@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": .string(retryDelay)])
        }
        let body: JSON = [
            "error": [
                "code": .init(status), "message": .string("[swiftlet mock] " + message), "status": .string(word),
                "details": .array(details),
            ]
        ]
        return try .json(body, status: status)
    }

    struct Call {
        let model: String
        let verb: String

        /// From `/v1beta/models/MODEL:verb`.
        init?(path: String) {
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 4, parts[1] == "v1" || parts[1] == "v1beta", parts[2] == "models",
                let colon = parts[3].lastIndex(of: ":")
            else { return nil }
            model = String(parts[3][..<colon])
            verb = String(parts[3][parts[3].index(after: colon)...])
            guard ["generateContent", "streamGenerateContent", "countTokens"].contains(verb) else { return nil }
        }

        func reply(to prompt: String) -> (whole: JSON, events: [JSON]) {
            let text = "This is the Swiftlet mock of Gemini, not Gemini. You said: \(prompt)"
            let usage: JSON = [
                "promptTokenCount": .init(MockGemini.tokens(prompt)), "candidatesTokenCount": .init(MockGemini.tokens(text)),
                "totalTokenCount": .init(MockGemini.tokens(prompt) + MockGemini.tokens(text)),
            ]
            func event(_ parts: [JSON]?, finish: String? = nil) -> JSON {
                var candidate: JSON = ["index": 0]
                if let parts { candidate["content"] = ["role": "model", "parts": .array(parts)] }
                if let finish { candidate["finishReason"] = .string(finish) }
                return ["candidates": [candidate], "usageMetadata": usage, "modelVersion": .string("mock/" + model)]
            }
            func part(_ text: some StringProtocol) -> JSON { ["text": .string(String(text))] }
            switch model {
            case "mock-blocked-prompt":
                let blocked: JSON = ["promptFeedback": ["blockReason": "SAFETY"], "usageMetadata": usage]
                return (blocked, [blocked])
            case "mock-blocked-answer": return (event(nil, finish: "SAFETY"), [event(nil, finish: "SAFETY")])
            case "mock-max-tokens-empty": return (event([], finish: "MAX_TOKENS"), [event([], finish: "MAX_TOKENS")])
            case "mock-thoughts":
                let thought: JSON = ["text": "thinking…", "thought": true]
                return (event([thought, part(text)], finish: "STOP"), [event([thought]), event([part(text)], finish: "STOP")])
            default: break
            }
            var words = text.split(separator: " ", omittingEmptySubsequences: false).map { event([part($0 + " ")]) }
            switch model {
            case "mock-cut": words.removeLast(words.count / 2)
            case "mock-inband-error":
                words.removeLast(words.count / 2)
                words.append(["error": ["code": 503, "message": "[swiftlet mock] overloaded", "status": "UNAVAILABLE"]])
            default: words.append(event(nil, finish: "STOP"))
            }
            return (event([part(text)], finish: "STOP"), words)
        }
    }
}
