import Swiftlet
import SwiftletJSON

extension GeminiProxy {
    /// What went wrong with one call of an upstream: what it means for another call, and what the caller hears.
    ///
    /// The upstream's own words stay out of both: they may quote keys and prompts.
    struct Fault: Error, Sendable {
        enum Kind: Sendable, Hashable {
            /// 5xx: it may work in a moment.
            case overloaded
            /// 429, with or without the time it asks for.
            case rateLimited
            /// 429 until tomorrow.
            case usedUp
            /// Nothing came in time.
            case silent
            /// The connection broke, or never was.
            case unreachable
            /// The model is gone.
            case retired
            /// It has another key, region or contract in mind.
            case refusesHost
            case tooLong
            case invalidArgument
            case promptBlocked
            case answerBlocked
            /// An answer that is none: not JSON, without an end, broken off.
            case broken
            /// A whole answer without anything in it.
            case empty
            /// Nothing was asked: the model is left alone for now.
            case leftAlone
            /// The model has no key on this host.
            case unequipped
            /// Nothing was sent, by a rule or a limit of this host.
            case ours
        }

        let kind: Kind
        /// What the caller hears.
        var error: HTTPError
        /// When the upstream wants to be asked again.
        var hint: Duration?
        /// Google's word for it, for callers who speak Google's language.
        var word: String

        init(_ kind: Kind, _ error: HTTPError, word: String, hint: Duration? = nil) {
            self.kind = kind
            self.error = error
            self.word = word
            self.hint = hint
        }

        /// Whether it is about the model or the host, and not about what one caller asked for: others may hear of it.
        var isAboutModel: Bool {
            switch kind {
            case .overloaded, .rateLimited, .usedUp, .silent, .unreachable, .retired, .refusesHost, .broken: true
            default: false
            }
        }

        /// Whether it says something about the model's health.
        var countsAgainstModel: Bool {
            switch kind {
            case .overloaded, .silent, .unreachable, .broken: true
            default: false
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

extension GeminiProxy.Fault {
    static func broken(_ cause: String, _ message: String = "Gemini gave an answer that cannot be used") -> Self {
        Self(.broken, HTTPError(502, .upstreamError, message, cause: cause), word: "INTERNAL")
    }

    static func silent(_ cause: String) -> Self {
        Self(
            .silent, HTTPError(504, .upstreamTimeout, "Gemini did not answer in time", cause: cause), word: "DEADLINE_EXCEEDED")
    }

    /// Why a model is left alone, told again, with the time that is left.
    func leftAlone(for time: Duration) -> Self {
        var told = self
        told.error.cause = "left alone after: \(error.cause ?? error.code.text)"
        if error.status == 429 || error.status == 503 {
            told.error.fields.removeAll { $0.name == "retry-after" }
            told.error.fields.append(.init("retry-after", String(min(time.retrySeconds, error.status == 429 ? 3600 : 86_400))))
        }
        return Self(.leftAlone, told.error, word: word, hint: time)
    }

    /// From an error of Gemini's: an object with `code`, `status`, `message` and `details`.
    init(gemini error: JSON?, status: Int, retryAfter: String? = nil, now: Int64) {
        let word = error?["status"]?.string ?? ""
        let details = error?["details"]?.array ?? []
        let reason = details.lazy.compactMap { $0["reason"]?.string }.first
        let cause = "gemini \(status) \(GeminiProxy.Word(word))\(reason.map { " " + GeminiProxy.Word($0).description } ?? "")"
        let message = error?["message"]?.string ?? ""
        switch status {
        case 400 where reason == "API_KEY_INVALID", 401, 403: self = .refusesHost(cause)
        case 400 where word == "FAILED_PRECONDITION": self = .refusesHost(cause)
        case 400 where message.contains("token count") && message.contains("exceeds"): self = .tooLong(cause)
        case 400 where word == "INVALID_ARGUMENT": self = .invalid(cause)
        case 404: self = .retired(cause)
        case 429:
            let asked = details.lazy.compactMap { $0["retryDelay"]?.string }.compactMap { Duration(written: $0) }.first
                .map { min($0, .seconds(86_400)) }
            let quotas = details.flatMap { $0["violations"]?.array ?? [] }.compactMap { $0["quotaId"]?.string }
            if quotas.contains(where: { $0.contains("PerDay") }) {
                self = .usedUp(cause, until: GeminiProxy.Fault.untilQuotaReset(now))
            } else {
                self = .rateLimited(cause, [asked, GeminiProxy.Fault.seconds(retryAfter)].compactMap(\.self).max())
            }
        default: self = .byStatus(status, cause, GeminiProxy.Fault.seconds(retryAfter))
        }
    }

    /// From an error of a server that speaks OpenAI's language.
    init(openAI error: JSON?, status: Int, retryAfter: String? = nil, now: Int64) {
        let code = error?["code"]?.string ?? ""
        let cause = "openai \(status)"
        switch status {
        case 401, 403: self = .refusesHost(cause)
        case 400 where code == "context_length_exceeded", 413: self = .tooLong(cause)
        case 400 where code == "content_policy_violation" || code == "content_filter":
            self = .promptBlocked("\(cause) content filter")
        case 400, 422: self = .invalid(cause)
        case 404: self = .retired(cause)
        case 429 where code == "insufficient_quota": self = .usedUp(cause, until: .seconds(3600))
        case 429: self = .rateLimited(cause, GeminiProxy.Fault.seconds(retryAfter))
        default: self = .byStatus(status, cause, GeminiProxy.Fault.seconds(retryAfter))
        }
    }

    init(_ error: OutboundError) {
        let kind: Kind =
            switch error.kind {
            case .timedOut: .silent
            case .dnsFailed, .connectFailed, .reset: .unreachable
            case .tlsFailed: .refusesHost
            case .tooLarge, .redirectRefused, .other: .broken
            case .denied, .invalidRequest, .overloaded: .ours
            }
        let word =
            switch kind {
            case .silent: "DEADLINE_EXCEEDED"
            case .unreachable, .refusesHost: "UNAVAILABLE"
            default: "INTERNAL"
            }
        self.init(kind, error.httpError, word: word)
    }

    static func unequipped(_ model: String) -> Self {
        Self(
            .unequipped,
            HTTPError(
                503, .bootError, "The model \(model) has no API key on this host; its operator has to set OPENAI_API_KEY",
                cause: "no OPENAI_API_KEY"), word: "UNAVAILABLE")
    }

    static func unusable(_ reason: String) -> Self {
        Self(
            .empty,
            HTTPError(
                502, "UPSTREAM_INVALID_OUTPUT", "Gemini's answer has not the form that was asked for; try again",
                cause: "unusable: \(reason)"), word: "INTERNAL")
    }

    static func promptBlocked(_ cause: String) -> Self {
        Self(
            .promptBlocked, HTTPError(422, "PROMPT_BLOCKED", "Gemini's safety rules refused the prompt", cause: cause),
            word: "INVALID_ARGUMENT")
    }

    private static func byStatus(_ status: Int, _ cause: String, _ hint: Duration?) -> Self {
        switch status {
        case 408, 504:
            var fault = silent(cause)
            // It did answer, so another call is worth it.
            fault = Self(.overloaded, fault.error, word: fault.word, hint: hint)
            return fault
        case 500, 502, 503, 529:
            return Self(
                .overloaded,
                HTTPError(
                    503, .upstreamUnavailable, "Gemini is not available just now", cause: cause,
                    fields: [.init("retry-after", "5")]),
                word: status == 500 ? "INTERNAL" : "UNAVAILABLE", hint: hint)
        default: return broken(cause)
        }
    }

    private static func refusesHost(_ cause: String) -> Self {
        Self(
            .refusesHost,
            HTTPError(502, .upstreamError, "Gemini refused the host's API key; its operator has to look", cause: cause),
            word: "INTERNAL")
    }

    private static func retired(_ cause: String) -> Self {
        Self(
            .retired,
            HTTPError(
                502, .upstreamError, "The model does not exist any more; the host's operator has to name another", cause: cause),
            word: "NOT_FOUND", hint: .seconds(600))
    }

    private static func invalid(_ cause: String) -> Self {
        Self(
            .invalidArgument, HTTPError(400, "UPSTREAM_INVALID_ARGUMENT", "Gemini does not take this request", cause: cause),
            word: "INVALID_ARGUMENT")
    }

    private static func tooLong(_ cause: String) -> Self {
        Self(
            .tooLong,
            HTTPError(400, "CONTEXT_TOO_LONG", "The request is longer than the model can read; send less of it", cause: cause),
            word: "INVALID_ARGUMENT")
    }

    private static func rateLimited(_ cause: String, _ hint: Duration?) -> Self {
        let wait = min((hint ?? .seconds(30)).retrySeconds, 3600)
        return Self(
            .rateLimited,
            HTTPError(
                429, "UPSTREAM_RATE_LIMITED", "Gemini's quota is used up for now; try again in \(wait) s", cause: cause,
                fields: [.init("retry-after", String(wait))]), word: "RESOURCE_EXHAUSTED", hint: hint)
    }

    private static func usedUp(_ cause: String, until: Duration) -> Self {
        Self(
            .usedUp,
            HTTPError(
                503, "UPSTREAM_QUOTA_EXHAUSTED", "Gemini's quota of the day is used up; try again later", cause: cause,
                fields: [.init("retry-after", String(until.retrySeconds))]), word: "RESOURCE_EXHAUSTED", hint: until)
    }

    /// Whole seconds, as `Retry-After` gives them; a date is not understood and counts as none.
    private static func seconds(_ text: String?) -> Duration? {
        text.flatMap { Int64($0) }.flatMap { $0 >= 0 ? .seconds(min($0, 86_400)) : nil }
    }

    /// Google's daily quotas come back at midnight in California; on the two days a year on which the clocks change this may be an hour off.
    /// `now`: seconds since 1970.
    static func untilQuotaReset(_ now: Int64) -> Duration {
        let offset: Int64 = isPacificSummer(now) ? 7 * 3600 : 8 * 3600
        let local = now - offset
        let into = ((local % 86_400) + 86_400) % 86_400
        return .seconds(86_400 - into)
    }

    /// From the second Sunday of March to the first of November, at two in the morning.
    private static func isPacificSummer(_ now: Int64) -> Bool {
        let standard = Int(now) - 8 * 3600
        let day = (standard >= 0 ? standard : standard - 86_399) / 86_400
        let seconds = standard - day * 86_400
        let year = CivilDay(daysSince1970: day).year
        let begin = firstSunday(of: 3, year) + 7
        let end = firstSunday(of: 11, year)
        // The clock that ends it is the summer's own, an hour ahead.
        return day > begin && day < end || day == begin && seconds >= 2 * 3600 || day == end && seconds < 3600
    }

    /// Days since 1970 of a month's first Sunday.
    private static func firstSunday(of month: Int, _ year: Int) -> Int {
        let first = CivilDay(year: year, month: month, day: 1)
        return first.daysSince1970 + (7 - first.weekday) % 7
    }
}
