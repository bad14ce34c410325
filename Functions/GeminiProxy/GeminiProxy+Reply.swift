import Swiftlet
import SwiftletJSON

extension GeminiProxy {
    /// Tokens of one answer.
    struct Usage: Encodable, Sendable, Hashable {
        var prompt = 0
        var output = 0
        var thoughts = 0
        var total = 0

        /// What counts against a budget, thoughts included.
        var billed: Int { max(total, prompt + output + thoughts) }
    }

    /// What Gemini said, gathered from one answer or from the events of a stream. Unknown members and enum values are let through.
    struct Reply: Sendable {
        private(set) var text = ""
        private(set) var usage = Usage()
        private(set) var finishReason: String?
        private(set) var modelVersion: String?
        private(set) var blockReason: String?
        /// Something other than text was said: a function call, an image, code.
        private(set) var hasOtherParts = false
        private(set) var hasUsage = false
        private(set) var hasCandidate = false
        /// `now`: seconds since 1970, for faults that last until a time of day.
        private let now: Int64

        init(now: Int64) { self.now = now }

        /// Takes one `GenerateContentResponse` and returns the text it added.
        mutating func absorb(_ json: JSON) throws(Fault) -> String {
            if let error = json["error"] {
                throw Fault(gemini: error, status: error["code"]?.int ?? 500, now: now)
            }
            guard json.object != nil else { throw .broken("no object") }
            if let reason = json["promptFeedback"]?["blockReason"]?.string { blockReason = reason }
            if let version = json["modelVersion"]?.string { modelVersion = version }
            if let metadata = json["usageMetadata"], metadata.object != nil {
                hasUsage = true
                usage.prompt = metadata["promptTokenCount"]?.tokens ?? usage.prompt
                usage.output = metadata["candidatesTokenCount"]?.tokens ?? usage.output
                usage.thoughts = metadata["thoughtsTokenCount"]?.tokens ?? usage.thoughts
                usage.total = metadata["totalTokenCount"]?.tokens ?? usage.total
            }
            guard let candidate = json["candidates"]?[0] else { return "" }
            hasCandidate = true
            if let reason = candidate["finishReason"]?.string { finishReason = reason }
            var added = ""
            for part in candidate["content"]?["parts"]?.array ?? [] where part["thought"]?.bool != true {
                if let piece = part["text"]?.string { added += piece } else { hasOtherParts = true }
            }
            text += added
            return added
        }

        /// Refuses what has not come to its end, for every way of asking.
        func complete() throws(Fault) {
            guard blockReason == nil else { return }
            guard hasCandidate else { throw .broken("no candidate", "Gemini gave an answer that cannot be used") }
            guard finishReason != nil else { throw .broken("no finishReason", "Gemini's answer ended early") }
        }

        /// Refuses what is no text to show: blocked, empty, or ended without a reason.
        func answer() throws(Fault) -> String {
            try complete()
            if let blockReason { throw .promptBlocked("blockReason \(Word(blockReason))") }
            let reason = finishReason ?? ""
            if Reply.isBlocked(reason) {
                throw Fault(
                    .answerBlocked,
                    HTTPError(
                        422, "ANSWER_BLOCKED", "Gemini's safety rules held the answer back", cause: "finishReason \(Word(reason))"
                    ),
                    word: "INVALID_ARGUMENT")
            }
            guard text.isEmpty else { return text }
            let message =
                reason == "MAX_TOKENS"
                ? "Gemini used all its tokens for thinking; ask for less, or raise GEMINI_MAX_OUTPUT_TOKENS"
                : "Gemini gave no answer"
            throw Fault(
                .empty, HTTPError(502, "UPSTREAM_EMPTY_ANSWER", message, cause: "finishReason \(Word(reason)) without text"),
                word: "INTERNAL")
        }

        static func isBlocked(_ finishReason: String) -> Bool {
            switch finishReason {
            case "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY",
                "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR":
                true
            default: false
            }
        }

        /// Whether it ended in the middle of something; words that are not known here are let through.
        static func isSpoilt(_ finishReason: String) -> Bool {
            switch finishReason {
            case "OTHER", "MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
                "MISSING_THOUGHT_SIGNATURE", "IMAGE_OTHER", "NO_IMAGE":
                true
            default: false
            }
        }

        /// What it has cost: what the upstream says, or a guess where it did not come to that.
        func billed(guess prompt: Int) -> Int {
            let isTold = hasUsage && usage.billed > 0
            if isTold, finishReason != nil || blockReason != nil { return usage.billed }
            // What broke off may have told less than it had done.
            let guess = prompt + Tokens.estimate(text)
            return isTold ? max(usage.billed, guess) : guess
        }
    }

    /// Guesses of how many tokens something is.
    enum Tokens {
        /// Four letters of Latin script are about one token, a letter of another script is one.
        static func estimate(_ text: String) -> Int {
            var text = text
            return text.withUTF8 { bytes in
                var ascii = 0
                var others = 0
                for byte in bytes {
                    if byte < 0x80 { ascii += 1 } else if byte >= 0xC0 { others += 1 }
                }
                return (ascii + 3) / 4 + others
            }
        }

        /// All names and texts below a value, and what is sent as bytes by its kind and size.
        static func estimate(_ json: JSON) -> Int {
            switch json {
            case .string(let text): return estimate(text)
            case .array(let values): return values.reduce(0) { $0 + estimate($1) }
            case .object(let members):
                return members.reduce(0) { sum, member in
                    switch member.name {
                    case "inlineData", "inline_data": sum + media(member.value)
                    case "thoughtSignature", "thought_signature": sum
                    default: sum + estimate(member.name) + estimate(member.value)
                    }
                }
            default: return 1
            }
        }

        /// Pictures are counted by tiles of 258 tokens, sound and film by the second, documents by the page, text by its letters: each about
        /// so many bytes for a token.
        private static func media(_ data: JSON) -> Int {
            let bytes = (data["data"]?.string?.utf8.count ?? 0) / 4 * 3
            let kind = (data["mimeType"] ?? data["mime_type"])?.string ?? ""
            let perToken =
                kind.hasPrefix("image/")
                ? 500 : kind.hasPrefix("audio/") || kind.hasPrefix("video/") ? 400 : kind == "application/pdf" ? 16 : 4
            return max(258, bytes / perToken)
        }
    }
}

extension JSON {
    /// A number of tokens that nobody can make up too large or below zero.
    fileprivate var tokens: Int? { int.map { min(max($0, 0), 100_000_000) } }
}
