import TestSupport
import Testing

@testable import SwiftletRateLimit

@Suite(.enabled(if: CorpusFiles.has("ratelimit/traces.jsonl"), "the shared corpora are not there"))
struct `The recorded traces` {
    @Test func `give the recorded answers`() throws {
        let rows = try CorpusFiles.rows("ratelimit/traces.jsonl")
        #expect(rows.count >= 31)
        var wrong: [String] = []
        for row in rows {
            let id = try #require(row["id"] as? String)
            let start = try #require(row["t0"] as? Int)
            let limit = try limit(
                try #require(row["maxRequests"] as? Int), .milliseconds(try #require(row["windowMs"] as? Int)))
            let events = try #require(row["events"] as? [[Any]])
            let expected = try #require(row["gcra"] as? [[Any]])
            #expect(events.count == expected.count)
            let store = MemoryRateLimitStore(capacity: 64)
            let hasher = RateLimitHasher(seed: (1, 2))
            for (event, answer) in zip(events, expected) {
                let after = try #require(event[0] as? Int)
                let user = try #require(event[1] as? String)
                let key = Array(user.utf8).withUnsafeBytes { hasher.key(scope: 0, kind: 0, id: $0) }
                let decision = store.check(key, limit, now: UInt64(start + after) * 1_000_000)
                // The column was worked out with doubles of milliseconds since 1970, which are 0.24 µs apart and add up: 1 µs is its grain.
                let reset = Double(UInt64(after) * 1_000_000 + decision.resetAfter) / 1_000_000
                let off = abs(reset - (answer[2] as? Double ?? .infinity))
                if decision.allowed != answer[0] as? Bool || decision.remaining != answer[1] as? Int
                    || off >= 0.001
                {
                    wrong.append(id)
                    break
                }
            }
        }
        #expect(wrong.isEmpty, "wrong: \(wrong)")
    }
}
