import Synchronization

/// When a call that failed is made again, and how often.
///
/// Before attempt *n* (the second is the first repeat) it waits a random time between zero and `base` · 2ⁿ⁻², at most ``cap``: "full
/// jitter", so that many callers who failed together do not come back together. A `Retry-After` of at most ``cap`` is waited for instead.
public struct Backoff: Sendable, Hashable {
    /// Calls in all, the first one included: 1…10, other numbers are taken as the nearest of these.
    public var attempts: Int
    /// The longest wait before the first repeat; it doubles with each one.
    public var base: Duration
    /// No wait is longer.
    public var cap: Duration

    public init(attempts: Int = 3, base: Duration = .seconds(1), cap: Duration = .seconds(30)) {
        self.attempts = min(max(attempts, 1), 10)
        self.base = max(base, .zero)
        self.cap = max(cap, .zero)
    }

    /// What comes after a failure.
    package enum Step: Hashable {
        case wait(Duration)
        case giveUp
    }

    /// Decides after the `attempt`th call failed. `left` is the time there is; a wait that would use it up is not begun.
    package func step(
        after attempt: Int, _ failure: Retry, left: Duration?, random: (ClosedRange<Int64>) -> Int64
    ) -> Step {
        guard attempt < attempts else { return .giveUp }
        let wait: Duration
        switch failure {
        case .never: return .giveUp
        case .after(let asked):
            // Who asks for more than the cap would only be asked too early.
            guard asked <= cap else { return .giveUp }
            wait = max(asked, .zero)
        case .backOff:
            let longest = attempt > 62 ? cap : min(cap, base.multipliedClamped(by: Int64(1) << Int64(attempt - 1)))
            wait = .nanoseconds(random(0...max(0, longest.clampedNanoseconds)))
        }
        if let left, wait >= left { return .giveUp }
        return .wait(wait)
    }
}

/// What an error means for another attempt.
public enum Retry: Sendable, Hashable {
    /// It would fail again: a refusal, a mistake of ours, a cancelled task.
    case never
    /// It may work later.
    case backOff
    /// The other side has said when.
    case after(Duration)

    /// A status of HTTP: 408, 425, 429 and 5xx but 501 and 505 may work later, everything else would not. `retryAfter` is the field's
    /// value in seconds; a date is not understood and counts as none.
    public init(status: Int, retryAfter: String? = nil) {
        switch status {
        case 408, 425, 429, 500, 502, 503, 504, 506...599:
            if let seconds = retryAfter.flatMap({ Int64($0) }), seconds >= 0 {
                self = .after(.seconds(min(seconds, 86_400)))
            } else {
                self = .backOff
            }
        default: self = .never
        }
    }

    /// ``HTTPError`` by its status and `Retry-After`; ``OutboundError`` when the network was the reason; cancelling never; other errors may
    /// work later.
    public init(_ error: any Error) {
        switch error {
        case is CancellationError: self = .never
        case let error as HTTPError:
            self.init(status: error.status, retryAfter: error.fields.first { $0.name.lowercased() == "retry-after" }?.value)
        case let error as OutboundError:
            switch error.kind {
            case .dnsFailed, .connectFailed, .timedOut, .reset, .overloaded: self = .backOff
            case .denied, .tlsFailed, .tooLarge, .redirectRefused, .invalidRequest, .other: self = .never
            }
        default: self = .backOff
        }
    }
}

/// A share of calls that may be repeats, over all requests that use it: when an upstream is down, it gets a tenth more calls, not three times
/// as many. Keep one per upstream, in the function's own instance.
public final class RetryBudget: Sendable {
    private let ratio: Double
    private let reserve: Double
    private let tokens: Mutex<Double>

    /// - Parameters:
    ///   - ratio: repeats per first call.
    ///   - reserve: repeats that are always there for a start, and the most that can be saved.
    public init(ratio: Double = 0.1, reserve: Int = 10) {
        self.ratio = min(max(ratio, 0), 1)
        self.reserve = Double(min(max(reserve, 0), 1_000_000))
        tokens = Mutex(self.reserve)
    }

    /// A first call was made: it earns a share of a repeat.
    public func called() { tokens.withLock { $0 = min(reserve, $0 + ratio) } }

    /// Whether one more repeat may be made; it is taken when it may.
    public func takeRepeat() -> Bool {
        tokens.withLock { tokens in
            guard tokens >= 1 else { return false }
            tokens -= 1
            return true
        }
    }
}

/// Calls `operation` until it succeeds, an error says that it never will, the attempts, the `budget` or the time are used up, or the task is
/// cancelled; then throws the last error.
///
/// ```swift
/// let answer = try await retryWithBackoff(3, base: .milliseconds(200)) { attempt in
///     try await context.fetch(request)
/// }
/// ```
///
/// Only repeat what may happen twice: reading, or writing under an idempotency key. An answer with a bad status is no error until
/// `operation` throws it: `throw HTTPError(503, …)`. Inside a function use ``Context/retry(_:base:budget:operation:)``, which stops in time
/// for the request's deadline.
///
/// - Parameters:
///   - attempts: calls in all, 1…10.
///   - base: the longest wait before the second call; it doubles with each one, up to 30 seconds.
///   - time: how long all of it may take; `nil` for no limit.
///   - judge: what an error means for another attempt.
///   - operation: is told which attempt it is, the first being 1.
public func retryWithBackoff<Value>(
    _ attempts: Int = 3, base: Duration = .seconds(1), within time: Duration? = nil, budget: RetryBudget? = nil,
    judge: (any Error) -> Retry = { Retry($0) }, operation: (_ attempt: Int) async throws -> Value
) async throws -> Value {
    try await retryWithBackoff(
        Backoff(attempts: attempts, base: base), within: time, budget: budget, clock: ContinuousClock(), judge: judge,
        random: { Int64.random(in: $0) }, operation: operation)
}

package func retryWithBackoff<Value, Time: Clock<Duration>>(
    _ backoff: Backoff, within time: Duration?, budget: RetryBudget?, clock: Time, judge: (any Error) -> Retry,
    random: (ClosedRange<Int64>) -> Int64, operation: (_ attempt: Int) async throws -> Value
) async throws -> Value {
    let begin = clock.now
    budget?.called()
    var attempt = 1
    while true {
        try Task.checkCancellation()
        do {
            return try await operation(attempt)
        } catch {
            let left = time.map { $0 - begin.duration(to: clock.now) }
            guard !Task.isCancelled,
                case .wait(let duration) = backoff.step(after: attempt, judge(error), left: left, random: random),
                budget?.takeRepeat() ?? true
            else { throw error }
            try await clock.sleep(until: clock.now.advanced(by: duration), tolerance: nil)
        }
        attempt += 1
    }
}

extension Context {
    /// ``retryWithBackoff(_:base:within:budget:judge:operation:)`` that stops in time for the request's deadline, and writes each repeat to
    /// the log.
    public func retry<Value>(
        _ attempts: Int = 3, base: Duration = .milliseconds(200), budget: RetryBudget? = nil,
        operation: (_ attempt: Int) async throws -> Value
    ) async throws -> Value {
        try await retryWithBackoff(attempts, base: base, within: remaining, budget: budget) { attempt in
            if attempt > 1 { log.info("tries again", metadata: ["attempt": "\(attempt)"]) }
            return try await operation(attempt)
        }
    }
}

extension Duration {
    fileprivate func multipliedClamped(by factor: Int64) -> Duration {
        let (product, overflow) = clampedNanoseconds.multipliedReportingOverflow(by: factor)
        return .nanoseconds(overflow ? .max : product)
    }
}
