import Swiftlet

extension SecretName {
    static let geminiAPIKey: SecretName = "GEMINI_API_KEY"
    static let openAIAPIKey: SecretName = "OPENAI_API_KEY"
}

extension Setting {
    static let geminiBaseURL = Setting(
        "GEMINI_BASE_URL", default: "https://generativelanguage.googleapis.com",
        help: "where Gemini is; a mock or a gateway for development", isOrigin: true)
    static let openAIBaseURL = Setting(
        "OPENAI_BASE_URL", default: "https://api.openai.com/v1",
        help: "where models with \"provider\":\"openai\" are: any server that speaks chat/completions", isOrigin: true)
    static let geminiModel = Setting("GEMINI_MODEL", default: "gemini-3.5-flash-lite", help: "the model of the operations")
    static let geminiFallbackModels = Setting(
        "GEMINI_FALLBACK_MODELS", default: "gemini-3.8-flash",
        help: "models to ask when one is down, with commas between; empty for none")
    static let geminiModels = Setting(
        "GEMINI_MODELS", default: "{}",
        help:
            "JSON object laid over the table of models: {\"name\": {\"thinking\": \"level\", \"sampling\": false, \"outputPrice\": 2.5, …}}"
    )
    static let geminiMaxOutputTokens = Setting(
        "GEMINI_MAX_OUTPUT_TOKENS", default: "2048", help: "cap on an answer, thought tokens included (1…65536)")
    static let geminiTimeout = Setting(
        "GEMINI_TIMEOUT", default: "30s", help: "for an answer in one piece, all attempts included")
    static let geminiFirstByteTimeout = Setting(
        "GEMINI_FIRST_BYTE_TIMEOUT", default: "10s", help: "until an attempt's first byte, and a stream's first event")
    static let geminiEventTimeout = Setting(
        "GEMINI_EVENT_TIMEOUT", default: "15s", help: "between two events of a stream")
    static let geminiRetryBase = Setting(
        "GEMINI_RETRY_BASE", default: "250ms", help: "the longest wait before a first repeat; it doubles, up to 4s")
    static let geminiBreakerCooldown = Setting(
        "GEMINI_BREAKER_COOLDOWN", default: "5s",
        help: "how long a model that failed three times is left alone; it doubles, up to four times")
    static let geminiTokensPerMinute = Setting(
        "GEMINI_TOKENS_PER_MINUTE", default: "200000", help: "tokens of one user in a minute; 0 for no limit")
    static let geminiTokensPerDay = Setting(
        "GEMINI_TOKENS_PER_DAY", default: "2000000", help: "tokens of one user in a day of UTC; 0 for no limit")
    static let geminiSensitive = Setting(
        "GEMINI_SENSITIVE", default: "redact", help: "card numbers, keys and the like in a prompt: redact, refuse or off")
    static let geminiCache = Setting(
        "GEMINI_CACHE", default: "5m", help: "how long an operation's answer is kept for the user who asked; 0s for not at all")
    static let geminiStreams = Setting(
        "GEMINI_STREAMS", default: "live",
        help: "live: events as they come; whole: gathered first, so that a broken stream can be repeated")
    static let geminiTools = Setting(
        "GEMINI_TOOLS", default: "functions",
        help: "which tools an SDK may ask for: none, functions, or all (searches are billed)")

    static let gemini: [Setting] = [
        geminiBaseURL, geminiModel, geminiFallbackModels, geminiModels, geminiMaxOutputTokens, geminiTimeout,
        geminiFirstByteTimeout,
        geminiEventTimeout, geminiRetryBase, geminiBreakerCooldown, geminiTokensPerMinute, geminiTokensPerDay, geminiSensitive,
        geminiCache, geminiStreams, geminiTools, openAIBaseURL,
    ]
}

extension GeminiProxy {
    /// The settings, read and judged once.
    struct Setup: Sendable {
        enum Sensitive: String { case redact, refuse, off }
        enum Streams: String { case live, whole }
        enum Tools: String { case none, functions, all }

        let geminiBase: String
        let openAIBase: String
        let models: ModelTable
        let maxOutput: Int
        let total: Duration
        let firstByte: Duration
        let betweenEvents: Duration
        let retryBase: Duration
        let cooldown: Duration
        let tokensPerMinute: Int
        let tokensPerDay: Int
        let sensitive: Sensitive
        let cache: Duration
        let streams: Streams
        let tools: Tools

        init(_ context: Context) throws(HTTPError) { try self.init { context.setting($0) } }

        init(_ value: (Setting) -> String) throws(HTTPError) {
            geminiBase = Setup.base(value(.geminiBaseURL))
            openAIBase = Setup.base(value(.openAIBaseURL))
            models = try ModelTable(
                model: value(.geminiModel), fallbacks: value(.geminiFallbackModels),
                overlay: value(.geminiModels))
            maxOutput = try Setup.number(.geminiMaxOutputTokens, 1...65536, value)
            total = try Setup.duration(.geminiTimeout, .milliseconds(10) ... .seconds(150), value)
            firstByte = try Setup.duration(.geminiFirstByteTimeout, .milliseconds(10) ... .seconds(150), value)
            betweenEvents = try Setup.duration(.geminiEventTimeout, .milliseconds(10) ... .seconds(150), value)
            retryBase = try Setup.duration(.geminiRetryBase, .zero ... .seconds(4), value)
            cooldown = try Setup.duration(.geminiBreakerCooldown, .milliseconds(1) ... .seconds(3600), value)
            tokensPerMinute = try Setup.number(.geminiTokensPerMinute, 0...100_000_000, value)
            tokensPerDay = try Setup.number(.geminiTokensPerDay, 0...500_000_000, value)
            sensitive = try Setup.word(.geminiSensitive, value)
            cache = try Setup.duration(.geminiCache, .zero ... .seconds(86_400), value)
            streams = try Setup.word(.geminiStreams, value)
            tools = try Setup.word(.geminiTools, value)
        }

        static func problem(_ setting: Setting, _ message: String) -> HTTPError {
            HTTPError(500, .edgeFunctionError, "Internal Server Error", cause: "\(setting.name) \(message)")
        }

        private static func base(_ text: String) -> String {
            var base = text
            while base.hasSuffix("/") { base.removeLast() }
            return base
        }

        private static func number(_ setting: Setting, _ range: ClosedRange<Int>, _ value: (Setting) -> String) throws(HTTPError)
            -> Int
        {
            guard let number = Int(value(setting)), range.contains(number) else {
                throw problem(setting, "is not \(range.lowerBound)…\(range.upperBound)")
            }
            return number
        }

        private static func word<Word: RawRepresentable<String>>(_ setting: Setting, _ value: (Setting) -> String)
            throws(HTTPError) -> Word
        {
            guard let word = Word(rawValue: value(setting)) else { throw problem(setting, "is none of: \(setting.help)") }
            return word
        }

        private static func duration(
            _ setting: Setting, _ range: ClosedRange<Duration>, _ value: (Setting) -> String
        ) throws(HTTPError) -> Duration {
            guard let duration = Duration(written: value(setting)), range.contains(duration) else {
                throw problem(setting, "is no duration of \(range.lowerBound)…\(range.upperBound), such as 500ms, 10s or 2m")
            }
            return duration
        }
    }
}

extension Duration {
    /// `500ms`, `10s`, `0.5s`, `2m`, `1h`, `0`; also what protobuf writes.
    init?(written text: String) {
        if text == "0" {
            self = .zero
            return
        }
        let units: [(String, Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]
        guard let (unit, factor) = units.first(where: { text.hasSuffix($0.0) }),
            let value = Double(text.dropLast(unit.utf8.count)), value.isFinite, value >= 0
        else { return nil }
        // At most thirty years.
        self = .nanoseconds(Int64(min(value * factor, 1e9) * 1e9))
    }

    /// Whole seconds, rounded up, at least 1: for `Retry-After`.
    var retrySeconds: Int {
        let (seconds, rest) = components
        return Int(min(max(seconds + (rest > 0 ? 1 : 0), 1), 86_400 * 2))
    }

    var milliseconds: Int { Int(components.seconds) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000) }
}
