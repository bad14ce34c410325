import Testing

@testable import SwiftletRateLimit

let second: UInt64 = 1_000_000_000

func limit(_ requests: Int, _ window: Duration) throws -> RateLimit { try RateLimit(requests: requests, window: window) }

@Suite struct `A limit` {
    @Test(arguments: [1, 2, 1 << 31])
    func `within the bounds is taken`(requests: Int) throws {
        #expect(try limit(requests, .seconds(366 * 86_400)).requests == requests)
    }

    @Test(arguments: [0, -1, Int.min, (1 << 31) + 1, Int.max])
    func `of too few or too many requests is refused`(requests: Int) {
        #expect(throws: RateLimitProblem(message: "a rate limit of \(requests) requests: use 1 to 2147483648")) {
            try limit(requests, .seconds(60))
        }
    }

    @Test(arguments: [
        Duration.zero, .seconds(-1), .nanoseconds(999_999), .seconds(366 * 86_400) + .nanoseconds(1), .seconds(Int64.max),
        .seconds(Int64.min),
    ])
    func `of too short or too long a window is refused`(window: Duration) {
        let problem = #expect(throws: RateLimitProblem.self) { try limit(1, window) }
        #expect(problem?.message.contains("use 1 millisecond to 366 days") == true)
    }

    @Test func `the shortest and the longest window are taken`() throws {
        #expect(try limit(1, .milliseconds(1)).windowNanoseconds == 1_000_000)
        #expect(try limit(1, .seconds(366 * 86_400)).windowNanoseconds == 366 * 86_400 * second)
    }

    @Test func `finer than 100 ns a request is refused`() throws {
        #expect(try limit(10_000, .milliseconds(1)).requests == 10_000)
        #expect(throws: RateLimitProblem.self) { try limit(10_001, .milliseconds(1)) }
    }
}

@Suite struct `A decision` {
    @Test(arguments: [1, 2, 3, 7, 10, 60, 97, 1000, 9999])
    func `a burst of exactly the limit passes, whatever the rounding`(requests: Int) throws {
        for window in [Duration.milliseconds(1), .seconds(1), .seconds(5), .nanoseconds(1_234_567), .seconds(60)] {
            let limit = try limit(requests, window)
            var bucket: UInt64 = 0
            for index in 0..<requests {
                let (decision, next) = GCRA.decide(bucket: bucket, limit: limit, time: second, now: second, cost: 1)
                #expect(decision.allowed)
                // Never a promise that would be broken, and at most one too few.
                #expect(decision.remaining <= requests - index - 1)
                #expect(decision.remaining >= max(0, requests - index - 2))
                bucket = try #require(next)
            }
            let (refused, next) = GCRA.decide(bucket: bucket, limit: limit, time: second, now: second, cost: 1)
            #expect(!refused.allowed && refused.remaining == 0 && refused.retryAfter > 0 && next == nil)
            #expect(refused.resetAfter == refused.retryAfter)
            let early = second + refused.retryAfter - 1
            #expect(!GCRA.decide(bucket: bucket, limit: limit, time: early, now: early, cost: 1).decision.allowed)
            let free = second + refused.retryAfter
            #expect(GCRA.decide(bucket: bucket, limit: limit, time: free, now: free, cost: 1).decision.allowed)
        }
    }

    @Test func `a cost takes as many requests at once`() throws {
        let limit = try limit(10, .seconds(10))
        let first = GCRA.decide(bucket: 0, limit: limit, time: second, now: second, cost: 7)
        #expect(first.decision.allowed && first.decision.remaining == 3)
        let bucket = try #require(first.bucket)
        let refused = GCRA.decide(bucket: bucket, limit: limit, time: second, now: second, cost: 4).decision
        #expect(!refused.allowed && refused.remaining == 3 && refused.retryAfter == second)
        #expect(GCRA.decide(bucket: bucket, limit: limit, time: second, now: second, cost: 3).decision.allowed)
    }

    @Test(arguments: [11, 1 << 40, Int.max])
    func `a cost above the limit never passes and changes nothing`(cost: Int) throws {
        let (decision, bucket) = GCRA.decide(bucket: 0, limit: try limit(10, .seconds(10)), time: second, now: second, cost: cost)
        #expect(!decision.allowed && bucket == nil && decision.retryAfter == 10 * second && decision.remaining == 10)
    }

    @Test(arguments: [0, -1, Int.min])
    func `a cost of nothing looks and takes nothing`(cost: Int) throws {
        let (decision, bucket) = GCRA.decide(
            bucket: 3 * second, limit: try limit(10, .seconds(10)), time: second, now: second, cost: cost)
        #expect(decision.allowed && bucket == nil && decision.remaining == 8 && decision.resetAfter == 2 * second)
    }

    @Test func `no number traps`() throws {
        let odd: [UInt64] = [0, 1, second, .max / 2, .max - 1, .max]
        for limit in [
            try limit(1, .milliseconds(1)), try limit(1 << 31, .seconds(366 * 86_400)), try limit(1, .seconds(366 * 86_400)),
        ] {
            for bucket in odd {
                for time in odd {
                    for now in odd where now <= time {
                        for cost in [Int.min, -1, 0, 1, 2, 1 << 31, .max] {
                            let (decision, next) = GCRA.decide(bucket: bucket, limit: limit, time: time, now: now, cost: cost)
                            #expect((0...limit.requests).contains(decision.remaining))
                            #expect(next == nil || decision.allowed)
                        }
                    }
                }
            }
        }
    }

    @Test func `in any window at most two bursts less one pass`() throws {
        let limit = try limit(5, .seconds(5))
        var bucket: UInt64 = 0
        var passed: [UInt64] = []
        var random = SplitMix(state: 7)
        var now: UInt64 = second
        for _ in 0..<3000 {
            now += random.next() % (second / 2)
            let (decision, next) = GCRA.decide(bucket: bucket, limit: limit, time: now, now: now, cost: 1)
            if let next { bucket = next }
            if decision.allowed { passed.append(now) }
        }
        for (index, start) in passed.enumerated() {
            let inside = passed[index...].prefix { $0 < start + 5 * second }.count
            #expect(inside <= 9)
        }
        // In the long run the rate is the limit's.
        #expect(UInt64(passed.count) <= (now - second) / second + 5)
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
