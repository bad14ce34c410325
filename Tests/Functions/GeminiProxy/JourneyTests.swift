import Swiftlet
import SwiftletJSON
import Testing

@testable import Functions

@Suite struct GeminiJourneyTests {
    typealias Fault = GeminiProxy.Fault
    typealias Journey = GeminiProxy.Journey
    typealias Breaker = GeminiProxy.Breaker

    static func fault(_ status: Int, _ error: String = "{}", retryAfter: String? = nil) throws -> Fault {
        Fault(gemini: try JSON.parse(Array(error.utf8)), status: status, retryAfter: retryAfter, now: 1_795_294_000)
    }

    private func step(
        _ fault: Fault, attempt: Int = 1, probing: Bool = false, left: Duration = .seconds(30), chance: Double = 1
    ) -> Journey.Step {
        Journey.step(
            after: fault, attempt: attempt, probing: probing, base: .milliseconds(250), left: left,
            random: { $0.lowerBound + Int64(Double($0.upperBound - $0.lowerBound) * chance) })
    }

    // MARK: What comes after a failure

    @Test func `an overloaded model gets three calls, each after a random wait whose bound doubles`() throws {
        let fault = try Self.fault(503)
        #expect(step(fault, attempt: 1) == .again(after: .milliseconds(250)))
        #expect(step(fault, attempt: 2) == .again(after: .milliseconds(500)))
        #expect(step(fault, attempt: 1, chance: 0) == .again(after: .zero))
        #expect(step(fault, attempt: 3) == .next())
    }

    @Test func `a hint is waited for and never undercut, a long one sends the call to the next model`() throws {
        let short = try Self.fault(429, #"{"details":[{"retryDelay":"2s"}]}"#)
        #expect(step(short, chance: 0) == .again(after: .seconds(2)))
        #expect(step(short, chance: 1) == .again(after: .milliseconds(2250)))
        #expect(step(try Self.fault(429, #"{"details":[{"retryDelay":"26s"}]}"#)) == .next(leavingAlone: .seconds(26)))
        #expect(step(try Self.fault(429, retryAfter: "3"), chance: 0) == .again(after: .seconds(3)))
        // The later of the two is right for both.
        let both = try Self.fault(429, #"{"details":[{"retryDelay":"2s"}]}"#, retryAfter: "4")
        #expect(step(both, chance: 0) == .again(after: .seconds(4)))
        #expect(step(try Self.fault(503, retryAfter: "60")) == .next(leavingAlone: .seconds(60)))
    }

    @Test func `a quota of the day is not tried again before it is back`() throws {
        let fault = try Self.fault(
            429, #"{"details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]},{"retryDelay":"1s"}]}"#)
        #expect(fault.kind == .usedUp && fault.error.code == "UPSTREAM_QUOTA_EXHAUSTED" && fault.error.status == 503)
        guard case .next(.some(let time)) = step(fault) else { return #expect(Bool(false), "goes on to the next model") }
        #expect(time > .seconds(60))
    }

    @Test func `silence is not asked twice, a broken connection once more, a refusal never`() throws {
        #expect(step(.silent("x")) == .next())
        let reset = Fault(OutboundError(.reset, "x"))
        #expect(step(reset) == .again(after: .milliseconds(250)) && step(reset, attempt: 2) == .next())
        #expect(step(.broken("x")) == .again(after: .milliseconds(250)) && step(.broken("x"), attempt: 2) == .next())
        for fault in [
            try Self.fault(400, #"{"status":"INVALID_ARGUMENT"}"#), try Self.fault(403), .promptBlocked("x"),
            Fault(OutboundError(.denied, "x")),
        ] {
            #expect(step(fault) == .end)
        }
        #expect(step(try Self.fault(404)) == .next(leavingAlone: .seconds(600)))
        let long = try Self.fault(
            400,
            #"{"status":"INVALID_ARGUMENT","message":"The input token count (9) exceeds the maximum number of tokens allowed (8)."}"#
        )
        #expect(long.error.code == "CONTEXT_TOO_LONG" && step(long) == .larger)
    }

    @Test func `a wait that leaves no time is not begun, and a probe is a single call`() throws {
        #expect(step(try Self.fault(503), left: .milliseconds(250)) == .next())
        #expect(step(try Self.fault(429, retryAfter: "2"), left: .seconds(1)) == .next(leavingAlone: .seconds(2)))
        #expect(step(try Self.fault(503), probing: true) == .next())
    }

    // MARK: The breaker

    @Test func `three failures in a row open it, one call at a time looks, and success closes it`() {
        let begin = ContinuousClock.now
        var breaker = Breaker()
        for _ in 0..<2 { breaker.failed(now: begin, cooldown: .seconds(5)) }
        #expect(breaker.admit(now: begin) == .open)
        breaker.failed(now: begin, cooldown: .seconds(5))
        #expect(breaker.admit(now: begin) == .refused(for: .seconds(5)))
        #expect(breaker.admit(now: begin + .seconds(4)) == .refused(for: .seconds(1)))
        #expect(breaker.admit(now: begin + .seconds(5)) == .probe)
        #expect(breaker.admit(now: begin + .seconds(5)) == .refused(for: .seconds(1)))
        breaker.succeeded()
        #expect(breaker.isClosed && breaker.admit(now: begin + .seconds(5)) == .open)
    }

    @Test func `each look in vain doubles the time, up to four times`() {
        var now = ContinuousClock.now
        var breaker = Breaker()
        for _ in 0..<3 { breaker.failed(now: now, cooldown: .seconds(5)) }
        for expected in [5, 10, 20, 20, 20] {
            #expect(breaker.admit(now: now) == .refused(for: .seconds(expected)))
            now += .seconds(expected)
            #expect(breaker.admit(now: now) == .probe)
            breaker.failed(now: now, cooldown: .seconds(5))
        }
    }

    @Test func `failures side by side open it once, and cut no longer time short`() {
        let begin = ContinuousClock.now
        var breaker = Breaker()
        for _ in 0..<9 { breaker.failed(now: begin, cooldown: .seconds(5)) }
        #expect(breaker.admit(now: begin) == .refused(for: .seconds(5)))
        breaker.leaveAlone(until: begin + .seconds(3600))
        for _ in 0..<9 { breaker.failed(now: begin, cooldown: .seconds(5)) }
        // A call that was begun before proves nothing by ending well.
        breaker.succeeded()
        #expect(breaker.admit(now: begin) == .refused(for: .seconds(3600)))
    }

    @Test func `what is told to others is about the model, never about one caller's request`() throws {
        for fault in [
            try Self.fault(400, #"{"status":"INVALID_ARGUMENT"}"#), .promptBlocked("x"), Fault(OutboundError(.overloaded, "x")),
            .unequipped("m"),
        ] {
            #expect(!fault.isAboutModel && !fault.countsAgainstModel)
        }
        for status in [404, 429, 500, 503] { #expect(try Self.fault(status).isAboutModel) }
    }

    @Test func `a look that was given up lets the next one look`() {
        let begin = ContinuousClock.now
        var breaker = Breaker()
        breaker.leaveAlone(until: begin + .seconds(60))
        #expect(breaker.admit(now: begin) == .refused(for: .seconds(60)))
        // A shorter wish changes nothing.
        breaker.leaveAlone(until: begin + .seconds(1))
        #expect(breaker.admit(now: begin) == .refused(for: .seconds(60)))
        #expect(breaker.admit(now: begin + .seconds(60)) == .probe)
        breaker.gaveUpProbe()
        #expect(breaker.admit(now: begin + .seconds(60)) == .probe)
    }

    @Test(
        arguments: [
            // 2026-11-21 21:00 UTC is 13:00 in winter: eleven hours; at midnight, and a second before it.
            (1_795_294_800, 39_600), (1_795_334_400, 86_400), (1_795_334_399, 1),
            // 2026-07-01 12:00 UTC is 05:00 in summer.
            (1_782_907_200, 68_400),
            // The nights of the change, 2026-03-08 before and after, 2026-11-01 before and after: by the clock on the wall.
            (1_772_962_200, 81_000), (1_772_965_800, 73_800), (1_793_521_800, 81_000), (1_793_525_400, 81_000),
        ] as [(Int64, Int)])
    func `the quota of a day is back at midnight in California`(_ now: Int64, _ seconds: Int) {
        #expect(Fault.untilQuotaReset(now) == .seconds(seconds))
    }

    @Test func `why a model is left alone is told again, with the time that is left`() throws {
        let fault = try Self.fault(429, #"{"details":[{"retryDelay":"26s"}]}"#)
        let told = fault.leftAlone(for: .seconds(12))
        #expect(told.error.status == 429 && told.error.code == "UPSTREAM_RATE_LIMITED")
        #expect(told.error.fields.map(\.value) == ["12"])
    }
}
