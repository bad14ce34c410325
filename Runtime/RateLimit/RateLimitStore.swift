/// Where buckets are kept. Every backend passes the same conformance suite.
///
/// A key under two limits is two buckets. Any thread may call; calls for one key are taken one after the other.
package protocol RateLimitStore: Sendable {
    /// Takes `cost` from the bucket of `key` if it is there, and tells how it stands.
    ///
    /// `now` is nanoseconds of a clock that is the same for all callers; where it steps back, the bucket stands still.
    func check(_ key: RateLimitKey, _ limit: RateLimit, now: UInt64, cost: Int) -> RateLimitDecision

    /// Gives `key` its full quota back, under every limit.
    func reset(_ key: RateLimitKey)
}

extension RateLimitStore {
    package func check(_ key: RateLimitKey, _ limit: RateLimit, now: UInt64) -> RateLimitDecision {
        check(key, limit, now: now, cost: 1)
    }
}
