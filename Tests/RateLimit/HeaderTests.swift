import TestSupport
import Testing

@testable import SwiftletRateLimit

@Suite struct `Rate limit headers` {
    func field(name: String = "default", _ remaining: Int, _ reset: UInt64) -> String {
        var bytes: [UInt8] = []
        RateLimitHeaders.append(name: name, remaining: remaining, reset: reset, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func `the policy tells quota and window`() throws {
        let bytes = RateLimitHeaders.policy(name: "default", try limit(100, .seconds(60)))
        #expect(String(decoding: bytes, as: UTF8.self) == #""default";q=100;w=60"#)
        let odd = RateLimitHeaders.policy(name: "a\"b\\c\r\n\u{E9}", try limit(1 << 31, .milliseconds(1_000_001)))
        #expect(String(decoding: odd, as: UTF8.self) == #""a\"b\\c";q=2147483648;w=1001"#)
    }

    @Test func `the state tells what is left and when`() {
        #expect(field(50, 30 * second) == #""default";r=50;t=30"#)
        #expect(field(0, 0) == #""default";r=0;t=0"#)
        #expect(field(0, 1) == #""default";r=0;t=1"#)
        #expect(field(name: "x", -1, .max) == #""x";r=0;t=18446744074"#)
    }

    @Test func `Retry-After is at least a second and never early`() {
        #expect(RateLimitHeaders.retryAfterSeconds(0) == 1)
        #expect(RateLimitHeaders.retryAfterSeconds(1) == 1)
        #expect(RateLimitHeaders.retryAfterSeconds(second) == 1)
        #expect(RateLimitHeaders.retryAfterSeconds(second + 1) == 2)
        #expect(RateLimitHeaders.retryAfterSeconds(.max) == 18_446_744_074)
    }

    @Test(.enabled(if: CorpusFiles.has("ratelimit/header_examples.jsonl"), "the shared corpora are not there"))
    func `the draft's own examples are written the same way`() throws {
        var wrong: [String] = []
        var seen = 0
        for row in try CorpusFiles.rows("ratelimit/header_examples.jsonl") {
            let line = row["line"] as? String ?? ""
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.drop { $0 == " " } }
            guard parts.count == 2, parts[1].first == "\"", !parts[1].contains(",") else { continue }
            let items = parts[1].split(separator: ";")
            let name = String(items[0].dropFirst().dropLast())
            let values = items.dropFirst().map { $0.split(separator: "=") }
            guard values.count == 2, let first = Int(values[0][1]), let last = Int(values[1][1]) else { continue }
            let written =
                switch (parts[0], values[0][0], values[1][0]) {
                case ("RateLimit-Policy", "q", "w"):
                    String(decoding: RateLimitHeaders.policy(name: name, try limit(first, .seconds(last))), as: UTF8.self)
                case ("RateLimit", "r", "t"): field(name: name, first, UInt64(last) * second)
                default: ""
                }
            guard !written.isEmpty else { continue }
            seen += 1
            if written != parts[1] { wrong.append(row["id"] as? String ?? line) }
        }
        #expect(wrong.isEmpty, "wrong: \(wrong)")
        #expect(seen >= 15)
    }
}
