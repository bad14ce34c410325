/// Decides when the key set may be fetched. Knows no network and no clock: times are monotonic milliseconds.
struct KeyRefresh: Sendable {
    struct Limits: Sendable {
        /// The least time between two fetches, whatever strangers ask for.
        var floor: Int64 = 30_000
        /// After this long a good set is fetched again, so that a withdrawn key is noticed.
        var dueAfter: Int64 = 600_000
        /// A set that could not be renewed for this long is no longer used.
        var staleAfter: Int64 = 86_400_000
        /// How many requests may wait for one fetch; more are answered at once.
        var waiters = 256
    }

    enum Answer: Equatable, Sendable {
        /// Fetch now, and report the end with this ticket.
        case start(ticket: UInt64)
        /// A fetch is running; wait for it.
        case join
        /// A fetch is running and enough requests wait for it.
        case busy
        case tooSoon
    }

    let limits: Limits
    private var lastStart: Int64?
    private(set) var lastGood: Int64?
    private var running: (ticket: UInt64, startedAt: Int64)?
    private var waiting = 0

    init(limits: Limits) { self.limits = limits }

    /// What `request` would say, without asking.
    func mayAsk(now: Int64) -> Bool {
        if running != nil { return waiting < limits.waiters }
        guard let lastStart else { return true }
        return now &- lastStart >= limits.floor
    }

    mutating func request(now: Int64, nextTicket: UInt64) -> Answer {
        if running != nil {
            guard waiting < limits.waiters else { return .busy }
            waiting += 1
            return .join
        }
        guard mayAsk(now: now) else { return .tooSoon }
        running = (nextTicket, now)
        lastStart = now
        waiting = 1
        return .start(ticket: nextTicket)
    }

    /// False when the ticket is not the running fetch: its result comes too late and must be ignored.
    mutating func finish(ticket: UInt64, succeeded: Bool) -> Bool {
        guard let current = running, current.ticket == ticket else { return false }
        running = nil
        waiting = 0
        // Counted from the start: what the server says cannot be newer than the question.
        if succeeded { lastGood = current.startedAt }
        return true
    }

    /// Until when the last good set may be used.
    var usableUntil: Int64 {
        guard let lastGood else { return .min }
        let (end, overflow) = lastGood.addingReportingOverflow(limits.staleAfter)
        return overflow ? .max : end
    }

    func isDue(now: Int64) -> Bool {
        guard running == nil, mayAsk(now: now) else { return false }
        guard let lastGood else { return true }
        return now &- lastGood >= limits.dueAfter
    }
}
