/// What a model of the mock does. The raw value is the name a caller asks for, with or without `mock-` before it.
package enum Fault: String, Sendable, Hashable, CaseIterable {
    case ok
    // Refusals with a status.
    case tooManyOnce = "429-retryinfo"
    case tooManyHeader = "429-header"
    case tooManyDaily = "429-perday"
    case tooManyHinted = "429"
    case tooManyForever = "429-forever"
    case internalOnce = "500-once"
    case internalForever = "500-forever"
    case unavailableForever = "503-forever"
    case deadline = "504"
    case forbidden = "403"
    case retired
    case badKey = "bad-key"
    case keyEcho = "key-echo"
    case contextLength = "context-length"
    case contentFilter = "content-filter"
    case noPrefill = "no-prefill"
    case flap
    // The connection.
    case reset
    case resetOnce = "reset-once"
    case silent
    case slowFirst = "slow-first"
    case hold
    // Bodies that end or pause where they should not.
    case cut
    case cutChunk = "cut-chunk"
    case cutClean = "cut-clean"
    case cutBody = "cut-body"
    case halfError = "half-error"
    case stall
    case drip
    // Answers that are not what they should be.
    case empty
    case badBody = "bad-body"
    case badEvent = "bad-event"
    case inbandError = "inband-error"
    case partlessFinal = "partless-final"
    case leadEmptyStop = "lead-empty-stop"
    case noDone = "no-done"
    case blockedPrompt = "blocked-prompt"
    case blockedAnswer = "blocked-answer"
    case maxTokensEmpty = "max-tokens-empty"
    case badJSON = "bad-json"
    case badJSONOnce = "bad-json-once"
    case jsonInFence = "json-in-fence"
    // Answers that are whole, and unusual.
    case thoughtParts = "thought-parts"
    case unknownEnum = "unknown-enum"
    case extraFields = "extra-fields"
    case functions
    case huge
    case splitUTF8 = "split-utf8"
    case bom
    case gzip

    /// Names that mean the same.
    static let aliases: [String: Fault] = [
        "500": .internalForever, "503": .unavailableForever, "thoughts": .thoughtParts,
    ]

    private static let byName: [String: Fault] = {
        var names = aliases
        for fault in allCases { names[fault.rawValue] = fault }
        return names
    }()

    /// The fault a model's name asks for: `mock-` before it, and a dot and anything after it, do not matter. A name that is not known
    /// answers healthily.
    package init(model: String) {
        var name = model[...]
        if let slash = name.lastIndex(of: "/") { name = name[name.index(after: slash)...] }
        if name.hasPrefix("mock-") { name = name.dropFirst(5) }
        if let dot = name.firstIndex(of: ".") { name = name[..<dot] }
        self = Fault.byName[String(name)] ?? .ok
    }

    /// Whether the first call of a model's name fails, and those after it do not.
    var isOnce: Bool {
        switch self {
        case .tooManyOnce, .tooManyHeader, .internalOnce, .resetOnce, .badJSONOnce: true
        default: false
        }
    }

    /// What happens, for people; waits are those of speed 1.
    package var meaning: String {
        switch self {
        case .ok: "answers, as every name does that is not in this list"
        case .tooManyOnce: "once: 429 RESOURCE_EXHAUSTED, RetryInfo of 2 s in the body"
        case .tooManyHeader: "once: 429 with Retry-After: 2 and no RetryInfo"
        case .tooManyDaily: "429 whose quotaId is per day, RetryInfo of an hour"
        case .tooManyHinted: "429 with RetryInfo of 2 s, for ever"
        case .tooManyForever: "429 without a hint, for ever"
        case .internalOnce: "once: 500 INTERNAL"
        case .internalForever: "500 INTERNAL (also 500)"
        case .unavailableForever: "503 UNAVAILABLE (also 503)"
        case .deadline: "504 DEADLINE_EXCEEDED"
        case .forbidden: "403 PERMISSION_DENIED"
        case .retired: "404 NOT_FOUND"
        case .badKey: "400 API_KEY_INVALID, whatever the key (OpenAI: 401)"
        case .keyEcho: "400 INVALID_ARGUMENT whose message quotes the key"
        case .contextLength: "400, the input is too long for the model"
        case .contentFilter: "blocked: blockReason PROHIBITED_CONTENT (OpenAI: 400)"
        case .noPrefill: "400 when the last turn is the model's, else answers"
        case .flap: "503 for 60 s from the first call on, then answers"
        case .reset: "TCP reset instead of an answer"
        case .resetOnce: "once: TCP reset"
        case .silent: "reads the request and says nothing for 120 s, then hangs up"
        case .slowFirst: "the head at once, the first byte of the body after 20 s"
        case .hold: "waits for POST /mock/release, a stream after one event"
        case .cut: "stream: 40 of 60 words, then hangs up"
        case .cutChunk: "hangs up inside a chunk"
        case .cutClean: "stream: 40 of 60 words, then a clean end, no finishReason"
        case .cutBody: "two thirds of the declared length, then hangs up"
        case .halfError: "20 of 60 words (or a third of the body), then TCP reset"
        case .stall: "after 20 of 60 words (or a third of the body) 30 s of silence"
        case .drip: "stream: a word each 500 ms"
        case .empty: "200 with {}"
        case .badBody: "200 whose body is not JSON"
        case .badEvent: "stream: the tenth event is not JSON"
        case .inbandError: "stream: an error event after 20 of 60 words"
        case .partlessFinal: "stream: the last event has a finishReason and no parts"
        case .leadEmptyStop: "stream: an empty first event that says STOP already"
        case .noDone: "OpenAI stream: whole, but without [DONE]"
        case .blockedPrompt: "blocked: blockReason SAFETY (OpenAI: 400)"
        case .blockedAnswer: "a candidate without content, finishReason SAFETY"
        case .maxTokensEmpty: "no text, finishReason MAX_TOKENS"
        case .badJSON: "where JSON was asked for: cut in the middle"
        case .badJSONOnce: "once: the same"
        case .jsonInFence: "where JSON was asked for: inside a Markdown fence"
        case .thoughtParts: "thought parts before the text (also thoughts)"
        case .unknownEnum: "a finishReason and a category nobody knows"
        case .extraFields: "members nobody knows, everywhere"
        case .functions: "a functionCall instead of text"
        case .huge: "8 MiB of text"
        case .splitUTF8: "a character's bytes come apart, in two writes"
        case .bom: "a byte-order mark before the body"
        case .gzip: "Content-Encoding: gzip, though nobody asked"
        }
    }

    /// All of them, one a line, for a help text.
    package static var list: String {
        let width = allCases.map(\.rawValue.count).max() ?? 0
        return allCases.map { fault in
            "  " + fault.rawValue + String(repeating: " ", count: width - fault.rawValue.count + 2) + fault.meaning
        }.joined(separator: "\n")
    }
}
