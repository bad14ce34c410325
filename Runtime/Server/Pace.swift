/// Judges whether a body comes in fast enough. Only the time in which the server was ready to read counts.
struct BodyPace {
    private var waited: Int64 = 0
    private var idle: Int64 = 0
    private var seen = 0

    /// - Parameters:
    ///   - elapsed: nanoseconds of readiness since the last call.
    ///   - received: body bytes so far.
    /// - Returns: whether the body is too slow.
    mutating func tick(elapsed: Int64, received: Int, rules: Rules) -> Bool {
        waited &+= max(0, elapsed)
        if received > seen {
            seen = received
            idle = 0
        } else {
            idle &+= max(0, elapsed)
        }
        if idle >= rules.idle { return true }
        guard waited > rules.grace else { return false }
        let (due, overflow) = ((waited &- rules.grace) / 1_000_000).multipliedReportingOverflow(by: Int64(rules.bytesPerSecond))
        return overflow || Int64(received) < due / 1000
    }

    /// For the next stretch of waiting: what was waited before counts on, standing still starts anew.
    var continued: BodyPace {
        var next = self
        next.idle = 0
        return next
    }

    struct Rules {
        var idle: Int64
        var grace: Int64
        var bytesPerSecond: Int
    }
}

/// Judges whether a client takes its response: in every window some of what waited at its start must have left.
struct WritePace {
    private var windowStart: Int64?
    private var sentAtStart = 0

    /// - Parameters:
    ///   - unsent: bytes that the socket did not take yet.
    ///   - sent: all bytes it took so far.
    /// - Returns: whether the client has stalled.
    mutating func tick(now: Int64, unsent: Int, sent: Int, window: Int64, atLeast: Int) -> Bool {
        guard unsent > 0 else {
            windowStart = nil
            return false
        }
        guard let start = windowStart, sent &- sentAtStart < atLeast else {
            windowStart = now
            sentAtStart = sent
            return false
        }
        return now &- start >= window
    }
}
