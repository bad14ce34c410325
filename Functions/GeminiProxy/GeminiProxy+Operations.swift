import Swiftlet
import SwiftletJSON

extension GeminiProxy {
    /// What a caller can have done with text.
    enum Operation: String, CaseIterable, Sendable {
        case generate, smartReply, analyzeDraft, sentiment, summarise, translate, conversationIntelligence

        /// Raised whenever an operation asks otherwise or judges otherwise, so that nothing kept from before is given out.
        static let edition = 1

        init(named name: String) throws(HTTPError) {
            guard let operation = name == "summarize" ? .summarise : Operation(rawValue: name) else {
                throw Ask.refusal("operation", "is not one of: \(Operation.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            self = operation
        }

        /// The text that a stream shows; operations whose answer is an object of numbers have none.
        var isText: Bool {
            switch self {
            case .generate, .smartReply, .summarise, .translate: true
            case .analyzeDraft, .sentiment, .conversationIntelligence: false
            }
        }
    }

    /// What a caller sends to an operation. The policy has cleaned its texts before.
    struct Envelope: Decodable, Sendable {
        var operation: String?
        var prompt: String?
        var text: String?
        var history: [Turn]?
        var messages: [Turn]?
        var options: Options?
        var stream: Bool?

        struct Options: Decodable, Sendable {
            var targetLanguage: String?
            var tone: String?
            var maxOptions: Int?
            var maxWords: Int?
            /// `false` asks the model again, whatever is kept.
            var cache: Bool?
        }
    }

    /// One message of a conversation.
    struct Turn: Decodable, Sendable {
        var role: String?
        var text: String
        var userId: String?
        /// Milliseconds (or seconds) since 1970, or a time in ISO 8601.
        var ts: JSON?
    }

    /// An envelope whose parts have been judged against its operation.
    struct Wish: Sendable {
        let operation: Operation
        /// As the caller spelled it.
        let name: String
        let prompt: String?
        let text: String?
        let turns: [Turn]
        let language: String
        let tone: String?
        let maxOptions: Int
        let maxWords: Int
        let engagement: Engagement?

        /// In UTF-8 bytes.
        static let textLimit = 32 * 1024
        /// Of a conversation only the newest part is shown to the model.
        static let turnLimit = (count: 30, bytes: 12 * 1024)

        init(_ envelope: Envelope) throws(HTTPError) {
            name = envelope.operation ?? "generate"
            operation = try Operation(named: name)
            prompt = try Wish.text(envelope.prompt, "prompt", required: operation == .generate)
            tone = try Wish.text(envelope.options?.tone, "options.tone", required: false, limit: 200)
            maxOptions = try Wish.number(envelope.options?.maxOptions, 1...3, "options.maxOptions") ?? 3
            maxWords = try Wish.number(envelope.options?.maxWords, 5...500, "options.maxWords") ?? 120
            let history = try Wish.turns(envelope.history, "history")
            let messages = try Wish.turns(envelope.messages, "messages")
            let isAboutMessages = operation == .conversationIntelligence && !messages.isEmpty
            let said = history.isEmpty || isAboutMessages ? messages : history
            var text: String?
            var engagement: Engagement?
            switch operation {
            case .generate: break
            case .smartReply:
                guard !said.isEmpty else { throw Ask.refusal("history", "is missing or empty: send the messages to reply to") }
            case .analyzeDraft, .translate: text = try Wish.text(envelope.text, "text", required: true)
            case .sentiment, .summarise:
                text = try Wish.text(envelope.text, "text", required: said.isEmpty, orElse: "history")
            case .conversationIntelligence:
                guard !said.isEmpty else { throw Ask.refusal("messages", "is missing or empty") }
                engagement = try Engagement(said, field: isAboutMessages ? "messages" : "history")
            }
            language = try Wish.language(envelope.options?.targetLanguage, required: operation == .translate)
            self.text = text
            self.engagement = engagement
            turns = Wish.newest(said)
            if envelope.stream == true, !operation.isText {
                throw Ask.refusal("stream", "is not offered by \(operation.rawValue), whose answer is no text")
            }
        }

        private static func text(
            _ text: String?, _ field: String, required: Bool, orElse other: String? = nil, limit: Int = textLimit
        ) throws(HTTPError) -> String? {
            guard let text else {
                guard required else { return nil }
                throw Ask.refusal(field, other.map { "is missing, and \($0) too" } ?? "is missing")
            }
            guard text.utf8.count <= limit else { throw Ask.refusal(field, "is longer than \(limit) bytes") }
            guard text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
                guard required else { return nil }
                throw Ask.refusal(field, "is empty")
            }
            return text
        }

        private static func number(_ number: Int?, _ range: ClosedRange<Int>, _ field: String) throws(HTTPError) -> Int? {
            guard let number else { return nil }
            guard range.contains(number) else { throw Ask.refusal(field, "is not \(range.lowerBound)…\(range.upperBound)") }
            return number
        }

        private static func turns(_ turns: [Turn]?, _ field: String) throws(HTTPError) -> [Turn] {
            for (place, turn) in (turns ?? []).enumerated() {
                switch turn.role {
                case nil, "me", "other", "user", "model", "assistant": break
                default: throw Ask.refusal("\(field)[\(place)].role", "is neither me nor other")
                }
                if let id = turn.userId, id.utf8.count > 256 {
                    throw Ask.refusal("\(field)[\(place)].userId", "is longer than 256 bytes")
                }
            }
            return (turns ?? []).filter { turn in turn.text.unicodeScalars.contains { !$0.properties.isWhitespace } }
        }

        private static func newest(_ turns: [Turn]) -> [Turn] {
            var bytes = 0
            var kept: [Turn] = []
            for turn in turns.reversed() {
                bytes += turn.text.utf8.count
                guard kept.count < turnLimit.count, bytes <= turnLimit.bytes || kept.isEmpty else { break }
                kept.append(turn)
            }
            // A single message that is too long loses its beginning.
            if bytes > turnLimit.bytes, kept.count == 1, var only = kept.first {
                var text = only.text[...]
                while text.utf8.count > turnLimit.bytes { text = text.dropFirst(max(1, (text.utf8.count - turnLimit.bytes) / 4)) }
                only.text = String(text)
                kept = [only]
            }
            return kept.reversed()
        }

        /// A language tag of BCP 47, as far as its form goes: `de`, `pt-BR`, `zh-Hant-TW`.
        private static func language(_ tag: String?, required: Bool) throws(HTTPError) -> String {
            guard let tag else {
                guard required else { return "" }
                throw Ask.refusal("options.targetLanguage", "is missing: a language tag such as de or pt-BR")
            }
            let parts = tag.split(separator: "-", omittingEmptySubsequences: false)
            func letters(_ part: Substring, _ lengths: ClosedRange<Int>) -> Bool {
                lengths.contains(part.utf8.count) && part.utf8.allSatisfy { (0x61...0x7A).contains($0 | 0x20) }
            }
            func lettersOrDigits(_ part: Substring, _ lengths: ClosedRange<Int>) -> Bool {
                lengths.contains(part.utf8.count)
                    && part.utf8.allSatisfy { (0x61...0x7A).contains($0 | 0x20) || (0x30...0x39).contains($0) }
            }
            guard tag.utf8.count <= 35, let first = parts.first, letters(first, 2...3),
                parts.dropFirst().allSatisfy({ lettersOrDigits($0, 1...8) })
            else {
                throw Ask.refusal("options.targetLanguage", "is no language tag such as de or pt-BR")
            }
            return tag
        }
    }

    /// How a conversation goes: counted from its times, never asked of a model.
    struct Engagement: Sendable, Hashable {
        let totalMessages: Int
        /// Seconds from a message to the answer of somebody else; `nil` where nobody answered anybody.
        let average: Double?
        let median: Double?
        /// Messages an hour, from the first to the last; `nil` where there is no time between them.
        let velocity: Double?

        init(_ turns: [Turn], field: String) throws(HTTPError) {
            var said: [(who: String, at: Double)] = []
            for (place, turn) in turns.enumerated() {
                guard let who = turn.userId ?? turn.role else {
                    throw Ask.refusal("\(field)[\(place)].userId", "is missing: who said it is part of the answer")
                }
                guard let time = turn.ts.flatMap(Engagement.seconds) else {
                    throw Ask.refusal(
                        "\(field)[\(place)].ts", "is missing or no time: send milliseconds since 1970, or 2026-11-21T10:00:00Z")
                }
                said.append((who, time))
            }
            said.sort { $0.at < $1.at }
            totalMessages = said.count
            var waits: [Double] = []
            for (one, next) in zip(said, said.dropFirst()) where one.who != next.who { waits.append(next.at - one.at) }
            waits.sort()
            average = waits.isEmpty ? nil : Engagement.rounded(waits.reduce(0, +) / Double(waits.count))
            let middle = waits.count / 2
            median =
                waits.isEmpty
                ? nil : Engagement.rounded(waits.count % 2 == 1 ? waits[middle] : (waits[middle - 1] + waits[middle]) / 2)
            let span = (said.last?.at ?? 0) - (said.first?.at ?? 0)
            velocity = span > 0 ? Engagement.rounded(Double(said.count) / (span / 3600)) : nil
        }

        var json: JSON {
            [
                "totalMessages": .init(totalMessages),
                "responseTime": ["avg": average.flatMap { JSON($0) } ?? .null, "median": median.flatMap { JSON($0) } ?? .null],
                "messageVelocity": velocity.flatMap { JSON($0) } ?? .null,
            ]
        }

        private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

        /// Numbers above 10¹¹ are milliseconds: as seconds they would be the year 5138.
        private static func seconds(_ time: JSON) -> Double? {
            if let number = time.double { return (0...1e15).contains(number) ? (number > 1e11 ? number / 1000 : number) : nil }
            return time.string.flatMap(ISOTime.milliseconds).map { Double($0) / 1000 }
        }
    }
}
