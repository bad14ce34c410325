/// Something a function counts by the unit (tokens, cents, pages), with what may be used of it; see ``Context/reserve(_:from:)``.
public struct Quota: Sendable, Hashable {
    /// What is counted (a user, a project), within this function only; at most 1 KiB long. The same key with another limit or window is
    /// counted apart.
    public let key: String
    /// Units, 1 to 2^31; in a rolling window at most 10,000 for each of its milliseconds.
    public let limit: Int
    public let window: Window

    public enum Window: Sendable, Hashable {
        /// Units come back evenly: after a pause `limit` may be taken at once, and `limit` in each window in the long run. 1 millisecond to
        /// 366 days.
        case rolling(Duration)
        /// A calendar day of UTC: all of it is back at midnight.
        case day
    }

    public init(key: String, limit: Int, window: Window) {
        self.key = key
        self.limit = limit
        self.window = window
    }

    /// The most that are asked for at once.
    package static let most = 8
    /// Bytes.
    package static let longestKey = 1024
}

/// What became of a reservation, or of its settlement.
public struct QuotaAnswer: Sendable, Hashable {
    /// Whether every quota had the amount; else nothing was taken from any.
    public let allowed: Bool
    /// How each quota stands now, in the order they were given.
    public let states: [State]

    public struct State: Sendable, Hashable {
        public let limit: Int
        /// Units that may still be taken at once.
        public let remaining: Int
        /// Until the whole quota is back; for one that refused, until the same amount would pass. An amount above the limit never passes.
        public let resetAfter: Duration
        /// It was this one that did not have the amount.
        public let refused: Bool

        public init(limit: Int, remaining: Int, resetAfter: Duration, refused: Bool) {
            self.limit = limit
            self.remaining = remaining
            self.resetAfter = resetAfter
            self.refused = refused
        }
    }

    public init(allowed: Bool, states: [State]) {
        self.allowed = allowed
        self.states = states
    }
}

extension Context {
    /// Takes `amount` from every one of `quotas`, at most eight, or from none of them. However many ask at once, together they never get
    /// more than a limit. 0 takes nothing and tells how the quotas stand. Needs ``Capability/rateLimit``.
    ///
    /// Reserve what a piece of work may cost at most, then say with ``settle(_:reserved:used:)`` what it did cost. What is never settled,
    /// also because the function's process ended in between, stays spent.
    public func reserve(_ amount: Int, from quotas: [Quota]) async throws -> QuotaAnswer {
        try await scope.capabilities.reserve(amount, from: quotas)
    }

    /// Gives back what was reserved and not used, or charges what was used beyond it, also past a limit: such a debt is waited for, in a
    /// day's quota also over midnight. Always allowed, and as good after the request that reserved has ended or was cancelled.
    ///
    /// A function is believed about what it reserved: quotas bind its callers, not itself.
    ///
    /// What was reserved before midnight and is settled after it counts for the day that has begun.
    public func settle(_ quotas: [Quota], reserved: Int, used: Int) async throws -> QuotaAnswer {
        try await scope.capabilities.settle(quotas, reserved: reserved, used: used)
    }
}

extension HTTPError {
    /// What is wrong with asking for these, before anybody is asked; the rest is for the limits themselves to say.
    package static func unfit(_ quotas: [Quota]) -> HTTPError? {
        let why: String
        if quotas.count > Quota.most {
            why = "\(quotas.count) quotas at once; \(Quota.most) can be asked for"
        } else if quotas.contains(where: { $0.key.utf8.count > Quota.longestKey }) {
            why = "the key of a quota is longer than \(Quota.longestKey) bytes"
        } else if quotas.enumerated().contains(where: { quotas[..<$0.offset].contains($0.element) }) {
            why = "a quota is named twice"
        } else {
            return nil
        }
        return HTTPError(500, .edgeFunctionError, "Internal Server Error", cause: "quotas: \(why)")
    }
}
