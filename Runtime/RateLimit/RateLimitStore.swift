/// Where buckets are kept. Every backend passes the same conformance suite.
///
/// A key under two limits is two buckets. Any thread may call; calls for one key are taken one after the other.
package protocol RateLimitStore: Sendable {
    /// Takes `cost` from the bucket of `key` if it is there, and tells how it stands.
    ///
    /// `now` is nanoseconds of a clock that is the same for all callers; where it steps back, the bucket stands still.
    func check(_ key: RateLimitKey, _ limit: RateLimit, now: UInt64, cost: Int) -> RateLimitDecision

    /// Takes `amount` from every one of `quotas`, or from none: no two callers together get what only one of them may have. A bucket that
    /// is named twice is taken from once.
    ///
    /// Days are those of `time`'s wall clock. Where that was set back over a midnight, what was used on the later day still counts.
    func reserve(_ amount: Int, from quotas: [QuotaBucket], at time: QuotaTime) -> QuotaDecision

    /// Charges every one of `quotas` with `change` units, also past its limit, or gives them back where `change` is negative. What is past
    /// the limit is a debt: it is waited for, in a day's quota also over midnight. Always allowed.
    func settle(_ quotas: [QuotaBucket], by change: Int, at time: QuotaTime) -> QuotaDecision

    /// Gives `key` its full quota back, under every limit.
    func reset(_ key: RateLimitKey)
}

extension RateLimitStore {
    package func check(_ key: RateLimitKey, _ limit: RateLimit, now: UInt64) -> RateLimitDecision {
        check(key, limit, now: now, cost: 1)
    }
}
