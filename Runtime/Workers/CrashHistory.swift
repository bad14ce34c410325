/// How soon a function that keeps dying is started again: at once the first time, then ever later. Pure; time is a parameter.
package struct CrashHistory: Sendable {
    /// Crashes without a quiet time between them.
    package private(set) var failures = 0

    /// A worker that held this long is taken for sound: the count starts anew.
    package static let quiet: UInt64 = 10_000_000_000
    /// Kills from outside, in a row, of workers that were not ready yet.
    private var kills = 0
    private static let first: UInt64 = 10_000_000
    package static let longest: UInt64 = 5_000_000_000

    package init() {}

    /// Nanoseconds to wait before the next start.
    package mutating func crashed(upFor uptime: UInt64) -> UInt64 {
        if uptime >= CrashHistory.quiet { failures = 0 }
        failures += 1
        return delay
    }

    /// Nanoseconds to wait after a worker was killed from outside: nothing the function did, so it counts towards no loop. Where none gets
    /// ready any more, for want of the system's memory perhaps, starting slows down all the same.
    package mutating func killed(beforeReady: Bool) -> UInt64 {
        kills = beforeReady ? min(kills + 1, 20) : 0
        return min(CrashHistory.first << UInt64(kills), CrashHistory.longest)
    }

    /// A worker takes requests.
    package mutating func gotReady() { kills = 0 }

    package var delay: UInt64 {
        guard failures > 1 else { return 0 }
        // 10 ms, doubling; the shift stays far from the width of the number.
        return min(CrashHistory.first << UInt64(min(failures - 2, 20)), CrashHistory.longest)
    }

    /// Requests are refused at once instead of waiting for the next start.
    package var isLoop: Bool { failures >= 6 }

    /// Whole seconds a client should wait.
    package var retryAfter: Int { max(1, Int((delay + 999_999_999) / 1_000_000_000)) }
}

/// Processor time of requests that share one process. Time on the loop is charged to the request that runs there; time of other threads
/// evenly to those in flight. Pure.
package struct ProcessorCharge: Sendable {
    private var last: UInt64?
    private var lastRunning: UInt64 = 0

    package init() {}

    /// What each of the requests in flight is charged since the last sample.
    ///
    /// - Parameter running: the request that holds the loop now, 0 for none. Only one that held it at both ends of the span is charged
    ///   alone.
    package mutating func sample(
        processor: UInt64, running: UInt64, inFlight: Int
    ) -> (alone: (stream: UInt64, nanoseconds: UInt64)?, each: UInt64) {
        defer {
            last = processor
            lastRunning = running
        }
        guard let last, processor > last else { return (nil, 0) }
        let spent = processor - last
        if running != 0, running == lastRunning { return ((running, spent), 0) }
        return (nil, inFlight > 0 ? spent / UInt64(inFlight) : 0)
    }
}
