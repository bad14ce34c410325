import Swiftlet
import SwiftletJSON

extension GeminiProxy {
    /// What Gemini said, gathered from one answer or from the events of a stream. Unknown members and enum values are let through.
    struct Reply: Sendable {
        var text = ""
        var usage = Answer.Usage()
        var finishReason: String?
        var modelVersion: String?
        private var blockReason: String?

        /// Takes one `GenerateContentResponse` and returns the text it added.
        mutating func absorb(_ json: JSON) throws(HTTPError) -> String {
            if let error = json["error"] { throw HTTPError(gemini: error, status: error["code"]?.int ?? 500) }
            if let reason = json["promptFeedback"]?["blockReason"]?.string { blockReason = reason }
            if let version = json["modelVersion"]?.string { modelVersion = version }
            if let metadata = json["usageMetadata"] {
                usage.prompt = metadata["promptTokenCount"]?.int ?? usage.prompt
                usage.output = metadata["candidatesTokenCount"]?.int ?? usage.output
                usage.thoughts = metadata["thoughtsTokenCount"]?.int ?? usage.thoughts
                usage.total = metadata["totalTokenCount"]?.int ?? usage.total
            }
            guard let candidate = json["candidates"]?[0] else { return "" }
            if let reason = candidate["finishReason"]?.string { finishReason = reason }
            var added = ""
            for part in candidate["content"]?["parts"]?.array ?? [] where part["thought"]?.bool != true {
                added += part["text"]?.string ?? ""
            }
            text += added
            return added
        }

        /// Refuses what is no answer: blocked, empty, or ended without a reason.
        func checked() throws(HTTPError) -> Reply {
            if let blockReason {
                throw HTTPError(
                    422, "PROMPT_BLOCKED", "Gemini's safety rules refused the prompt", cause: "blockReason \(Word(blockReason))")
            }
            switch finishReason {
            case "STOP" where !text.isEmpty, "MAX_TOKENS" where !text.isEmpty:
                return self
            case "MAX_TOKENS":
                throw HTTPError(
                    502, "UPSTREAM_EMPTY_ANSWER",
                    "Gemini used all its tokens for thinking; ask for less, or raise GEMINI_MAX_OUTPUT_TOKENS",
                    cause: "MAX_TOKENS without text")
            case "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE":
                throw HTTPError(
                    422, "ANSWER_BLOCKED", "Gemini's safety rules held the answer back",
                    cause: "finishReason \(Word(finishReason ?? ""))")
            case nil:
                throw HTTPError(502, .upstreamError, "Gemini's answer ended early", cause: "no finishReason")
            default:
                guard !text.isEmpty else {
                    throw HTTPError(
                        502, "UPSTREAM_EMPTY_ANSWER", "Gemini gave no answer",
                        cause: "finishReason \(Word(finishReason ?? "")) without text")
                }
                return self
            }
        }
    }

    /// A word of the upstream that may go to the log: upper-case letters and `_`, cut short. Anything else could be anything.
    struct Word: CustomStringConvertible {
        let description: String
        init(_ text: String) {
            let kept = text.utf8.prefix(48).filter { (0x41...0x5A).contains($0) || $0 == UInt8(ascii: "_") }
            description = kept.count == text.utf8.count && !text.isEmpty ? text : "(odd)"
        }
    }
}

extension HTTPError {
    /// What a caller hears of an error of Gemini's. The upstream's own words stay out of answer and log: they may quote keys and prompts.
    init(gemini error: JSON?, status: Int) {
        let word = GeminiProxy.Word(error?["status"]?.string ?? "")
        let details = error?["details"]?.array ?? []
        let reason = details.lazy.compactMap { $0["reason"]?.string }.first
        let cause = "gemini \(status) \(word)\(reason.map { " " + GeminiProxy.Word($0).description } ?? "")"
        switch status {
        case 400 where reason == "API_KEY_INVALID", 401, 403:
            self.init(502, .upstreamError, "Gemini refused the host's API key; its operator has to look", cause: cause)
        case 400 where error?["status"]?.string == "INVALID_ARGUMENT":
            self.init(400, "UPSTREAM_INVALID_ARGUMENT", "Gemini does not take this request", cause: cause)
        case 429:
            let delay = details.lazy.compactMap { $0["retryDelay"]?.string }.compactMap(HTTPError.seconds).first ?? 30
            self.init(
                429, "UPSTREAM_RATE_LIMITED", "Gemini's quota is used up for now; try again in \(delay) s", cause: cause,
                fields: [.init("retry-after", String(delay))])
        case 504, 408:
            self.init(504, .upstreamTimeout, "Gemini did not answer in time", cause: cause)
        case 500, 502, 503:
            self.init(
                503, .upstreamUnavailable, "Gemini is not available just now", cause: cause, fields: [.init("retry-after", "5")])
        default:
            self.init(502, .upstreamError, "Gemini gave an answer that cannot be used", cause: cause)
        }
    }

    /// Whole seconds of a protobuf duration (`26s`, `0.5s`), rounded up, 1…3600.
    private static func seconds(_ text: String) -> Int? {
        guard text.hasSuffix("s"), let value = Double(text.dropLast()), value.isFinite, value >= 0 else { return nil }
        return Int(min(max(value.rounded(.up), 1), 3600))
    }
}
