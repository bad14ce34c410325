import Swiftlet
import SwiftletHost

/// An operator's word on one function's limit per caller: `NAME=REQUESTS/WINDOW` or `NAME=none`.
enum RateLimitOption {
    static let form = "write NAME=REQUESTS/WINDOW, such as gemini-proxy=1000/1m (500ms, 10s, 1m, 1h or 1d), or NAME=none"

    static func limits(_ texts: [String]) throws(ConfigurationProblem) -> [String: RateLimitRule] {
        var limits: [String: RateLimitRule] = [:]
        for text in texts {
            guard let (name, rule) = read(text) else {
                throw ConfigurationProblem("rate-limit", "'\(text)' is no limit; \(form)")
            }
            guard limits.updateValue(rule, forKey: name) == nil else {
                throw ConfigurationProblem("rate-limit", "names \(name) twice; keep one of them")
            }
        }
        return limits
    }

    private static func read(_ text: String) -> (String, RateLimitRule)? {
        let pair = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard pair.count == 2, !pair[0].isEmpty else { return nil }
        if pair[1] == "none" { return (String(pair[0]), .none) }
        let parts = pair[1].split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let requests = number(parts[0]), let window = duration(parts[1]) else { return nil }
        return (String(pair[0]), .perCaller(requests, every: window))
    }

    /// More than any limit may be is told by the limit itself.
    private static func duration(_ text: Substring) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isWholeNumber }
        guard let count = number(digits), count <= 1_000_000_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": return .milliseconds(count)
        case "s": return .seconds(count)
        case "m": return .minutes(count)
        case "h": return .hours(count)
        case "d": return .days(count)
        default: return nil
        }
    }

    /// Digits only: no sign, no spaces.
    private static func number(_ text: Substring) -> Int? {
        guard text.utf8.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }) else { return nil }
        return Int(text)
    }
}
