/// How a quota's units come back.
package enum QuotaRule: Sendable, Hashable {
    /// Evenly over a window, as ``GCRA`` gives them.
    case rolling(RateLimit)
    /// All at once, at midnight of UTC.
    case day(DayLimit)

    var tag: UInt64 {
        switch self {
        case .rolling(let limit): limit.tag
        case .day(let limit): limit.tag
        }
    }
}

/// So many units in a calendar day.
package struct DayLimit: Sendable, Hashable {
    /// 1 ... 2^31.
    package let units: Int
    /// Keeps the buckets of one key apart that belong to different limits; odd, so that a table knows it for a day's.
    let tag: UInt64

    package init(units: Int) throws(RateLimitProblem) {
        guard units >= 1, units <= 1 << 31 else {
            throw RateLimitProblem(message: "a quota of \(units) a day: use 1 to 2147483648")
        }
        self.units = units
        tag = (UInt64(units) &* 0xC2B2_AE3D_27D4_EB4F ^ 0x1656_67B1_9E37_79F9) | 1
    }
}

/// One key counted by one rule.
package struct QuotaBucket: Sendable, Hashable {
    package let key: RateLimitKey
    package let rule: QuotaRule

    package init(_ key: RateLimitKey, _ rule: QuotaRule) {
        self.key = key
        self.rule = rule
    }
}

/// A moment on both clocks: limits run on the one that only goes forward, days on the one people read.
package struct QuotaTime: Sendable {
    static let dayNanoseconds: UInt64 = 86_400 * 1_000_000_000

    /// Nanoseconds.
    let monotonic: UInt64
    /// Days since 1970.
    let day: UInt64
    /// Nanoseconds, 1 to a day.
    let untilMidnight: UInt64

    /// - Parameter wall: nanoseconds since 1970; what lies before counts as its first day.
    package init(monotonic: UInt64, wall: Int64) {
        self.monotonic = monotonic
        let (day, rest) = UInt64(max(0, wall)).quotientAndRemainder(dividingBy: QuotaTime.dayNanoseconds)
        self.day = day
        untilMidnight = QuotaTime.dayNanoseconds - rest
    }

    /// Nanoseconds until so many midnights are over; 0 for none.
    func until(midnights: UInt64) -> UInt64 {
        guard midnights > 0 else { return 0 }
        let (days, isTooLong) = QuotaTime.dayNanoseconds.multipliedReportingOverflow(by: midnights - 1)
        let (sum, isTooLate) = days.addingReportingOverflow(untilMidnight)
        return isTooLong || isTooLate ? .max : sum
    }
}

/// How one quota stands.
package struct QuotaState: Sendable, Hashable {
    package let limit: Int
    package let remaining: Int
    /// Nanoseconds until the quota is full again; for one that refuses, until the same amount would pass.
    package let resetAfter: UInt64
    package let refused: Bool

    package init(limit: Int, remaining: Int, resetAfter: UInt64, refused: Bool = false) {
        self.limit = limit
        self.remaining = remaining
        self.resetAfter = resetAfter
        self.refused = refused
    }
}

/// The answer for several quotas, in the order they were asked.
package struct QuotaDecision: Sendable, Hashable {
    package let allowed: Bool
    package let states: [QuotaState]

    package init(allowed: Bool, states: [QuotaState]) {
        self.allowed = allowed
        self.states = states
    }
}

extension QuotaRule {
    /// Whether `amount` may be taken, and what to keep if it is; `nil` when nothing changes. 0 or less takes nothing and only looks.
    ///
    /// - Parameters:
    ///   - bucket: what was kept, 0 for nothing.
    ///   - latest: the time rolling buckets live in, see ``GCRA/decide(bucket:limit:time:now:cost:)``.
    func take(_ amount: Int, from bucket: UInt64, latest: UInt64, at time: QuotaTime) -> (state: QuotaState, bucket: UInt64?) {
        switch self {
        case .rolling(let limit):
            let now = min(time.monotonic, latest)
            let (decision, next) = GCRA.decide(bucket: bucket, limit: limit, time: latest, now: now, cost: amount)
            let state = QuotaState(
                limit: limit.requests, remaining: GCRA.left(limit, max(next ?? bucket, latest) - latest),
                resetAfter: decision.allowed ? decision.resetAfter : decision.retryAfter, refused: !decision.allowed)
            return (state, next)
        case .day(let limit):
            return DayBucket.take(amount, from: bucket, limit, time)
        }
    }

    /// Charges `change`, also past the limit, or gives it back where it is negative, up to the full quota.
    func settle(_ change: Int, in bucket: UInt64, latest: UInt64, at time: QuotaTime) -> (state: QuotaState, bucket: UInt64?) {
        switch self {
        case .rolling(let limit):
            let next = GCRA.settle(bucket: bucket, limit: limit, time: latest, change: change)
            let held = max(next ?? bucket, latest)
            let state = QuotaState(
                limit: limit.requests, remaining: GCRA.left(limit, held - latest),
                resetAfter: next == 0 ? 0 : held - min(time.monotonic, held))
            return (state, next)
        case .day(let limit):
            return DayBucket.settle(change, in: bucket, limit, time)
        }
    }
}
