/// The decision itself: integers in, integers out, no state and no clock.
///
/// A bucket is one number, the moment at which it will be full again ("theoretical arrival time"). 0 is a bucket never used.
package enum GCRA {
    /// - Parameters:
    ///   - bucket: what was kept for this caller, 0 for nothing.
    ///   - time: nanoseconds, the time the bucket lives in: it must never go back.
    ///   - now: nanoseconds, the asker's clock, not after `time`; the waits in the answer count from here.
    ///   - cost: how many requests this one counts as. 0 or less takes nothing and only looks.
    /// - Returns: the answer, and what to keep for the caller; `nil` when nothing changes.
    package static func decide(
        bucket: UInt64, limit: RateLimit, time: UInt64, now: UInt64, cost: Int
    ) -> (decision: RateLimitDecision, bucket: UInt64?) {
        let base = max(bucket, time)
        let held = base - time
        guard cost > 0 else {
            let passes = held <= limit.burst
            let wait = passes ? 0 : base - limit.burst - min(now, base - limit.burst)
            return (answer(passes, limit, remaining(limit, held), base - min(now, base), wait), nil)
        }
        let (charge, tooDear) = limit.interval.multipliedReportingOverflow(by: UInt64(cost))
        let (next, tooLate) = base.addingReportingOverflow(charge)
        guard cost <= limit.requests, !tooDear, !tooLate else {
            return (answer(false, limit, remaining(limit, held), limit.windowNanoseconds, limit.windowNanoseconds), nil)
        }
        let debt = next - time
        if debt <= limit.burst {
            return (answer(true, limit, remaining(limit, debt), next - min(now, next), 0), next)
        }
        // `debt > burst` makes this moment later than `time`.
        let free = next - limit.burst
        let wait = free - min(now, free)
        return (answer(false, limit, remaining(limit, held), wait, wait), nil)
    }

    /// How long a debt may be made: past it a bucket says nothing more.
    private static let longestDebt: UInt64 = 366 * 86_400 * 1_000_000_000

    /// What to keep after `change` was charged, limit or not, or given back where it is negative. A bucket is never fuller than full: 0.
    /// `nil` when nothing changes.
    package static func settle(bucket: UInt64, limit: RateLimit, time: UInt64, change: Int) -> UInt64? {
        guard change != 0 else { return nil }
        let (product, isTooMuch) = limit.interval.multipliedReportingOverflow(by: UInt64(change.magnitude))
        let amount = isTooMuch ? .max : product
        guard change > 0 else {
            guard bucket > time else { return nil }
            return bucket - time > amount ? bucket - amount : 0
        }
        let base = max(bucket, time)
        let (next, isTooLate) = base.addingReportingOverflow(amount)
        let (last, isAtEnd) = time.addingReportingOverflow(limit.burst + longestDebt)
        return max(base, min(isTooLate ? .max : next, isAtEnd ? .max : last))
    }

    /// How many units may still be taken at once, exactly.
    static func left(_ limit: RateLimit, _ debt: UInt64) -> Int {
        debt < limit.burst ? Int((limit.burst - debt) / limit.interval) : 0
    }

    private static func remaining(_ limit: RateLimit, _ debt: UInt64) -> Int {
        guard debt < limit.promised else { return 0 }
        return min(limit.requests, Int((limit.promised - debt) / limit.interval))
    }

    @inline(__always)
    private static func answer(
        _ allowed: Bool, _ limit: RateLimit, _ remaining: Int, _ reset: UInt64, _ retry: UInt64
    ) -> RateLimitDecision {
        RateLimitDecision(allowed: allowed, limit: limit.requests, remaining: remaining, resetAfter: reset, retryAfter: retry)
    }
}
