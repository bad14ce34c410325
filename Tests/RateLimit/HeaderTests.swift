import Corpus
import Foundation
import RawStructuredFieldValues
import TestSupport
import Testing

@testable import SwiftletRateLimit

@Suite struct `Rate limit headers` {
    func field(name: String = "default", _ remaining: Int, _ reset: UInt64) -> String {
        var bytes: [UInt8] = []
        RateLimitHeaders.append(name: name, remaining: remaining, reset: reset, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func text(_ value: Any) throws -> String {
        String(
            decoding: try JSONSerialization.data(withJSONObject: value, options: [.sortedKeys, .fragmentsAllowed]), as: UTF8.self)
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

    @Test func `a reader of structured fields finds in them what was meant`() throws {
        for (name, remaining, reset) in [("default", 50, 30), ("a\"b\\c\u{E9}\n", 0, 0), ("x", 1 << 40, 18_446_744_073)] {
            var parser = StructuredFieldValueParser(Array(field(name: name, remaining, UInt64(reset) * second).utf8))
            let list = try parser.parseListFieldValue()
            #expect(list.count == 1)
            guard case .item(let item) = list.first else {
                Issue.record("no item")
                continue
            }
            #expect(item.rfc9651BareItem == .string(name.filter { $0.isASCII && $0 != "\n" }))
            #expect(item.rfc9651Parameters["r"] == .integer(Int64(remaining)))
            #expect(item.rfc9651Parameters["t"] == .integer(Int64(reset)))
        }
        var parser = StructuredFieldValueParser(RateLimitHeaders.policy(name: "default", try limit(100, .seconds(60))))
        guard case .item(let policy) = try parser.parseListFieldValue().first else {
            Issue.record("no item")
            return
        }
        #expect(policy.rfc9651Parameters["q"] == .integer(100))
        #expect(policy.rfc9651Parameters["w"] == .integer(60))
    }

    @Test(.enabled(if: CorpusFiles.has("structured-fields/parse.jsonl"), "the shared corpora are not there"))
    func `that reader has the verdict of every shared row`() throws {
        let rows = try CorpusFiles.rows("structured-fields/parse.jsonl")
        #expect(rows.count >= 340)
        let wrong = try rows.filter { row in
            let got = judgeStructuredField(row)
            if got as? String == "fail" { return row["must_fail"] as? Bool != true && row["can_fail"] as? Bool != true }
            guard row["must_fail"] as? Bool != true, let expected = row["expected"] else { return true }
            return try text(got) != text(expected)
        }
        #expect(wrong.compactMap { $0["id"] as? String } == [])
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
