import Swiftlet
import Synchronization
import Testing

/// A clock that stands still; who sleeps on it is told at once that the time has passed.
private final class Sleeper: Clock, Sendable {
    struct Instant: InstantProtocol {
        var offset: Duration
        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }
    private let state = Mutex((now: Duration.zero, slept: [Duration]()))
    var now: Instant { Instant(offset: state.withLock { $0.now }) }
    var minimumResolution: Duration { .nanoseconds(1) }
    var slept: [Duration] { state.withLock { $0.slept } }
    func advance(by duration: Duration) { state.withLock { $0.now += duration } }
    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        state.withLock {
            $0.slept.append(deadline.offset - $0.now)
            $0.now = deadline.offset
        }
    }
}

private struct Down: Error {}

@Suite struct RetryTests {
    private let clock = Sleeper()

    /// Fails as often as there are errors; answers how often it was called.
    private func run(
        _ errors: [any Error], attempts: Int = 5, base: Duration = .seconds(1), within: Duration? = nil,
        budget: RetryBudget? = nil,
        takes: Duration = .zero, longest: Bool = true
    ) async throws -> Int {
        try await retryWithBackoff(
            Backoff(attempts: attempts, base: base), within: within, budget: budget, clock: clock, judge: { Retry($0) },
            random: { longest ? $0.upperBound : $0.lowerBound }
        ) { attempt in
            clock.advance(by: takes)
            if attempt <= errors.count { throw errors[attempt - 1] }
            return attempt
        }
    }

    @Test func `a call that succeeds is made once`() async throws {
        #expect(try await run([]) == 1)
        #expect(clock.slept == [])
    }

    @Test func `the longest wait doubles, and is never over the cap`() async throws {
        #expect(try await run([Down(), Down(), Down()], base: .seconds(8)) == 4)
        #expect(clock.slept == [.seconds(8), .seconds(16), .seconds(30)])
    }

    @Test func `the shortest wait is none`() async throws {
        #expect(try await run([Down()], longest: false) == 2)
        #expect(clock.slept == [.zero])
    }

    @Test func `the last error is thrown when the attempts are used up`() async throws {
        await #expect(throws: HTTPError.self) { try await run([Down(), HTTPError(503, .overloaded, "x")], attempts: 2) }
        #expect(clock.slept.count == 1)
    }

    @Test(arguments: [0, -5]) func `fewer than one attempt is one`(attempts: Int) async throws {
        await #expect(throws: Down.self) { try await run([Down()], attempts: attempts) }
        #expect(clock.slept == [])
        #expect(Backoff(attempts: 100).attempts == 10)
    }

    @Test func `a refusal is not repeated, but too early, too many and too slow are`() async throws {
        for status in [400, 401, 403, 404, 409, 413, 422, 501] {
            await #expect(throws: HTTPError.self) { try await run([HTTPError(status, .badRequest, "x")]) }
        }
        #expect(clock.slept == [])
        for status in [408, 425, 429, 500, 502, 503, 504] {
            #expect(try await run([HTTPError(status, .badRequest, "x")]) == 2)
        }
    }

    @Test func `Retry-After is waited for, unless it is longer than the cap`() async throws {
        func busy(_ seconds: String) -> HTTPError {
            HTTPError(429, .rateLimitExceeded, "x", fields: [.init("Retry-After", seconds)])
        }
        #expect(try await run([busy("7")]) == 2)
        #expect(clock.slept == [.seconds(7)])
        await #expect(throws: HTTPError.self) { try await run([busy("31")]) }
        await #expect(throws: HTTPError.self) { try await run([busy("99999999999999")]) }
        // A date is not understood: the usual wait.
        #expect(try await run([busy("Fri, 31 Dec 1999 23:59:59 GMT")]) == 2)
        #expect(clock.slept == [.seconds(7), .seconds(1)])
    }

    @Test func `of an upstream only trouble on the way is worth another call`() {
        #expect(Retry(OutboundError(.reset, "")) == .backOff)
        #expect(Retry(OutboundError(.timedOut, "")) == .backOff)
        #expect(Retry(OutboundError(.denied, "")) == .never)
        #expect(Retry(OutboundError(.tlsFailed, "")) == .never)
        #expect(Retry(CancellationError()) == .never)
    }

    @Test func `no wait is begun that would outlive the time there is`() async throws {
        await #expect(throws: Down.self) { try await run([Down(), Down()], within: .seconds(3), takes: .seconds(1)) }
        // One second of work, one of waiting, one of work: nothing is left for the next wait.
        #expect(clock.slept == [.seconds(1)])
        await #expect(throws: Down.self) { try await run([Down()], within: .zero) }
    }

    @Test func `a budget lets only a share of calls be repeats`() async throws {
        let budget = RetryBudget(ratio: 0.1, reserve: 2)
        for _ in 0..<2 { #expect(try await run([Down()], budget: budget) == 2) }
        var repeated = 0
        for _ in 0..<100 { if (try? await run([Down()], budget: budget)) == 2 { repeated += 1 } }
        #expect((9...11).contains(repeated))
    }

    @Test func `a cancelled task calls no more`() async throws {
        let calls = Mutex(0)
        let task = Task {
            try await retryWithBackoff(10, base: .seconds(30)) { _ in
                calls.withLock { $0 += 1 }
                withUnsafeCurrentTask { $0?.cancel() }
                throw Down()
            }
        }
        await #expect(throws: (any Error).self) { try await task.value }
        #expect(calls.withLock { $0 } == 1)
    }

    @Test func `a wait ends with its task`() async throws {
        let waiting = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            try await retryWithBackoff(
                Backoff(attempts: 2, base: .seconds(3600), cap: .seconds(3600)), within: nil, budget: nil,
                clock: ContinuousClock(),
                judge: { _ in .backOff },
                random: {
                    waiting.continuation.yield()
                    return $0.upperBound
                }, operation: { _ in throw Down() })
        }
        for await _ in waiting.stream { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func `delays never overflow`() {
        let step = Backoff(attempts: 10, base: .seconds(Int64.max / 4)).step(after: 9, .backOff, left: nil) { $0.upperBound }
        #expect(step == .wait(.seconds(30)))
    }
}
