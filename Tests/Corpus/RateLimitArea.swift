import SwiftletRateLimit

/// The answers to one row of the `ratelimit` traces, in the form of its `gcra` column: allowed, remaining, and when it resets, in
/// milliseconds after `t0` rounded to the microsecond. The column itself is only true to a microsecond (doubles of milliseconds since 1970).
package func judgeRateLimit(_ row: [String: Any]) -> [[Any]] {
    guard let requests = row["maxRequests"] as? Int, let window = row["windowMs"] as? Int, let start = row["t0"] as? Int,
        let events = row["events"] as? [[Any]], let limit = try? RateLimit(requests: requests, window: .milliseconds(window))
    else { return [] }
    let store = MemoryRateLimitStore(capacity: 1024)
    let hasher = RateLimitHasher(seed: (1, 2))
    return events.map { event in
        guard event.count == 2, let after = event[0] as? Int, let user = event[1] as? String else { return [] }
        let key = Array(user.utf8).withUnsafeBytes { hasher.key(scope: 0, kind: 0, id: $0) }
        let decision = store.check(key, limit, now: UInt64(start + after) * 1_000_000, cost: 1)
        let reset = Double(UInt64(after) * 1_000_000 + decision.resetAfter) / 1_000_000
        return [decision.allowed, decision.remaining, (reset * 1000).rounded() / 1000]
    }
}
