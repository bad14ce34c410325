/// A limit that cannot be kept: the message says what to change.
package struct RateLimitProblem: Error, CustomStringConvertible, Equatable {
    package let message: String
    package var description: String { message }
}

/// So many requests in a window.
///
/// Kept as GCRA (a leaky bucket told by its next free moment): a caller who was quiet may send all `requests` at once, after that one
/// every `window / requests`. So in any one window at most `2 * requests - 1` pass, and `requests` for each window in the long run.
package struct RateLimit: Sendable, Hashable {
    /// 1 ... 2^31.
    package let requests: Int
    /// 1 ms ... 366 days.
    package let windowNanoseconds: UInt64
    /// What one request costs: the window over the requests, rounded to the nearest nanosecond.
    let interval: UInt64
    /// How far a bucket may run ahead of the clock: exactly `requests` intervals, so that rounding never takes a request away.
    let burst: UInt64
    /// What `remaining` is counted in: the shorter of window and burst, so that it never promises a request that would be refused.
    let promised: UInt64
    /// Keeps the buckets of one caller apart that belong to different limits; even, as those of ``DayLimit`` are not.
    let tag: UInt64

    /// The most requests a window may hold is one per 100 ns: a tighter interval could not be kept in nanoseconds.
    static let shortestInterval: UInt64 = 100
    static let windows: ClosedRange<UInt64> = 1_000_000...(366 * 86_400 * 1_000_000_000)

    /// A checked limit. Throws a problem that says what is allowed.
    package init(requests: Int, window: Duration) throws(RateLimitProblem) {
        guard requests >= 1, requests <= 1 << 31 else {
            throw RateLimitProblem(message: "a rate limit of \(requests) requests: use 1 to 2147483648")
        }
        guard let nanoseconds = RateLimit.nanoseconds(window), RateLimit.windows.contains(nanoseconds) else {
            throw RateLimitProblem(message: "a rate limit window of \(window): use 1 millisecond to 366 days")
        }
        let count = UInt64(requests)
        guard nanoseconds / count >= RateLimit.shortestInterval else {
            throw RateLimitProblem(
                message:
                    "a rate limit of \(requests) requests per \(window): use at most 10000 per millisecond, or no limit at all")
        }
        self.requests = requests
        windowNanoseconds = nanoseconds
        // Both summands are far below 2^63: no overflow.
        interval = (nanoseconds + count / 2) / count
        burst = interval * count
        promised = min(nanoseconds, burst)
        tag = ((nanoseconds &* 0x9E37_79B9_7F4A_7C15) ^ (count &* 0xC2B2_AE3D_27D4_EB4F)) & ~1
    }

    private static func nanoseconds(_ window: Duration) -> UInt64? {
        let parts = window.components
        guard parts.seconds >= 0, parts.attoseconds >= 0, parts.seconds <= 400 * 86_400 else { return nil }
        return UInt64(parts.seconds) * 1_000_000_000 + UInt64(parts.attoseconds) / 1_000_000_000
    }
}

/// The answer to one check.
package struct RateLimitDecision: Sendable, Hashable {
    package let allowed: Bool
    /// The requests of the limit that was asked.
    package let limit: Int
    /// How many more of cost 1 would pass at this moment; where the window is no multiple of the requests it may say one too few.
    package let remaining: Int
    /// Nanoseconds: when allowed, until the quota is full again; when refused, the same as `retryAfter`.
    package let resetAfter: UInt64
    /// Nanoseconds until the same request would pass; 0 when it was allowed. A cost above the limit never passes: the window.
    package let retryAfter: UInt64

    package init(allowed: Bool, limit: Int, remaining: Int, resetAfter: UInt64, retryAfter: UInt64) {
        self.allowed = allowed
        self.limit = limit
        self.remaining = remaining
        self.resetAfter = resetAfter
        self.retryAfter = retryAfter
    }
}
