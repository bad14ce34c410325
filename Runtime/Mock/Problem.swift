import SwiftletJSON

/// A refusal, in the words of both wires.
struct Problem: Sendable {
    var status: Int
    /// Google's: `RESOURCE_EXHAUSTED` and its like.
    var word: String
    var message: String
    /// Google's `ErrorInfo`.
    var reason: String?
    /// Google's `RetryInfo`, such as `2s`.
    var retryDelay: String?
    /// Google's `QuotaFailure`.
    var quotaID: String?
    /// Whole seconds, as a header.
    var retryAfter: Int?
    /// OpenAI's.
    var type = "invalid_request_error"
    var code: String?
    var parameter: String?
    /// Where OpenAI says it with another status.
    var openAIStatus: Int?

    func status(_ shape: Shape) -> Int { shape == .openai ? openAIStatus ?? status : status }

    func body(_ shape: Shape, model: String) -> JSON {
        var details: [JSON] = []
        let types = "type.googleapis.com/google.rpc."
        if let reason {
            details.append([
                "@type": .string(types + "ErrorInfo"), "reason": .string(reason), "domain": "googleapis.com",
                "metadata": ["service": "generativelanguage.googleapis.com"],
            ])
        }
        if let quotaID {
            details.append([
                "@type": .string(types + "QuotaFailure"),
                "violations": [
                    [
                        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
                        "quotaId": .string(quotaID), "quotaDimensions": ["location": "global", "model": .string(model)],
                        "quotaValue": "10",
                    ]
                ],
            ])
            details.append([
                "@type": .string(types + "Help"),
                "links": [["description": "About this mock", "url": "http://127.0.0.1/"]],
            ])
        }
        if let retryDelay {
            details.append(["@type": .string(types + "RetryInfo"), "retryDelay": .string(retryDelay)])
        }
        var error: JSON
        switch shape {
        case .gemini: error = ["code": JSON(status), "message": .string(message), "status": .string(word)]
        case .openai:
            error = [
                "message": .string(message), "type": .string(type), "param": parameter.map { .string($0) } ?? .null,
                "code": code.map { .string($0) } ?? .null,
            ]
        }
        if !details.isEmpty { error["details"] = .array(details) }
        return ["error": error]
    }
}

extension Problem {
    /// What a fault refuses with; `nil` when it answers. `speed` divides the hints.
    init?(_ fault: Fault, ask: Ask, shape: Shape, key: String, speed: Double) {
        /// All say who speaks.
        func words(_ text: String) -> String { "[swiftlet mock] " + text }
        switch fault {
        case .tooManyOnce, .tooManyHinted, .tooManyHeader, .tooManyForever, .tooManyDaily:
            self.init(
                status: 429, word: "RESOURCE_EXHAUSTED",
                message: words("You exceeded the quota of \(ask.model); wait before the next call."),
                type: "rate_limit_error", code: "rate_limit_exceeded")
            quotaID = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
            switch fault {
            case .tooManyOnce, .tooManyHinted: retryDelay = Problem.seconds(2 / speed)
            case .tooManyHeader: retryAfter = max(1, Int((2 / speed).rounded()))
            case .tooManyDaily:
                quotaID = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
                retryDelay = "3600s"
                type = "insufficient_quota"
                code = "insufficient_quota"
            default: break
            }
        case .internalOnce, .internalForever:
            self.init(
                status: 500, word: "INTERNAL", message: words("An internal error has occurred."), type: "server_error",
                code: "internal_error")
        case .unavailableForever, .flap:
            self.init(
                status: 503, word: "UNAVAILABLE", message: words("The model is overloaded. Try again later."),
                type: "server_error", code: "overloaded")
        case .deadline:
            self.init(
                status: 504, word: "DEADLINE_EXCEEDED", message: words("The deadline expired before the answer was ready."),
                type: "server_error", code: "timeout")
        case .forbidden:
            self.init(
                status: 403, word: "PERMISSION_DENIED", message: words("The caller has no permission for this model."),
                reason: "CONSUMER_SUSPENDED", type: "permission_error", code: "permission_denied")
        case .retired:
            self.init(
                status: 404, word: "NOT_FOUND",
                message: words("models/\(ask.model) is not found, or does not do this; list the models to see which there are."),
                code: "model_not_found", parameter: "model")
        case .badKey: self = .badKey
        case .keyEcho:
            self.init(
                status: 400, word: "INVALID_ARGUMENT", message: words("Something about the key '\(key)' is not as it should be."),
                code: "invalid_argument")
        case .contextLength:
            self.init(
                status: 400, word: "INVALID_ARGUMENT",
                message: "The input token count (1200001) exceeds the maximum number of tokens allowed (1048576).",
                code: "context_length_exceeded", parameter: "messages")
        case .contentFilter where shape == .openai, .blockedPrompt where shape == .openai:
            self.init(
                status: 400, word: "INVALID_ARGUMENT", message: words("The request was refused by the content filter."),
                code: "content_policy_violation")
        case .noPrefill where ask.endsWithModel:
            self.init(
                status: 400, word: "INVALID_ARGUMENT",
                message: words("The last turn must be the user's: this model goes on from no answer of its own."),
                code: "invalid_prefill", parameter: "messages")
        default: return nil
        }
    }

    static let badKey = Problem(
        status: 400, word: "INVALID_ARGUMENT", message: "[swiftlet mock] API key not valid. Pass a valid API key.",
        reason: "API_KEY_INVALID", code: "invalid_api_key", openAIStatus: 401)
    static let queryKey = Problem(
        status: 400, word: "INVALID_ARGUMENT",
        message: "[swiftlet mock] A key came in the query, where logs keep it; send it as x-goog-api-key.", code: "key_in_query")
    static let userToken = Problem(
        status: 400, word: "INVALID_ARGUMENT",
        message: "[swiftlet mock] An Authorization header arrived here: a user's token reached the upstream.", code: "user_token")
    static let malformed = Problem(
        status: 400, word: "INVALID_ARGUMENT", message: "[swiftlet mock] The body is not a JSON object with what every call has.",
        code: "invalid_body")
    static let unknownPath = Problem(
        status: 404, word: "NOT_FOUND",
        message:
            "[swiftlet mock] The mock knows /v1 and /v1beta/models/MODEL:generateContent and its like, and /v1/chat/completions.",
        code: "not_found")

    /// `2s`, `0.2s`: at most three decimals.
    static func seconds(_ value: Double) -> String {
        let thousandths = Int((value * 1000).rounded())
        guard thousandths % 1000 != 0 else { return "\(thousandths / 1000)s" }
        var decimals = String(thousandths % 1000 + 1000).dropFirst()
        while decimals.last == "0" { decimals = decimals.dropLast() }
        return "\(thousandths / 1000).\(decimals)s"
    }
}
