import Dispatch
import Synchronization
import Testing

@testable import SwiftletRateLimit

/// What every store promises, whatever it keeps its buckets in. Each fact takes a fresh, empty store.
struct Conformance {
    let make: @Sendable () -> any RateLimitStore
    let a = RateLimitKey(high: 0x1111_1111_1111_1111, low: 1)
    let b = RateLimitKey(high: 0x2222_2222_2222_2222, low: 1)

    func all() async throws {
        try aFullBucketRefusesUntilItSays()
        try callersAreIndependent()
        try otherOptionsAreAnotherBucket()
        try resetIsForOneCaller()
        try theClockMayStepBack()
        try aLookChangesNothing()
        try manyAtOnce()
    }

    func aFullBucketRefusesUntilItSays() throws {
        let store = make()
        let limit = try limit(3, .seconds(30))
        for left in [2, 1, 0] {
            let decision = store.check(a, limit, now: 100 * second)
            #expect(decision.allowed && decision.remaining == left && decision.limit == 3)
        }
        let refused = store.check(a, limit, now: 100 * second)
        #expect(!refused.allowed && refused.remaining == 0 && refused.retryAfter == 10 * second)
        #expect(!store.check(a, limit, now: 110 * second - 1).allowed)
        #expect(store.check(a, limit, now: 110 * second).allowed)
        #expect(!store.check(a, limit, now: 110 * second).allowed)
        // Long after, the bucket is full again, and no fuller.
        #expect(store.check(a, limit, now: 1000 * second).remaining == 2)
    }

    func callersAreIndependent() throws {
        let limit = try limit(4, .seconds(4))
        let alone = make()
        let together = make()
        var random = SplitMix(state: 3)
        var now = second
        for _ in 0..<500 {
            now += random.next() % second
            for _ in 0..<random.next() % 4 { _ = together.check(b, limit, now: now) }
            #expect(alone.check(a, limit, now: now) == together.check(a, limit, now: now))
        }
    }

    func otherOptionsAreAnotherBucket() throws {
        let store = make()
        #expect(store.check(a, try limit(1, .seconds(10)), now: second).allowed)
        #expect(!store.check(a, try limit(1, .seconds(10)), now: second).allowed)
        #expect(store.check(a, try limit(1, .seconds(11)), now: second).allowed)
        #expect(store.check(a, try limit(2, .seconds(10)), now: second).allowed)
        #expect(!store.check(a, try limit(1, .seconds(10)), now: second).allowed)
    }

    func resetIsForOneCaller() throws {
        let store = make()
        let short = try limit(2, .seconds(60))
        let long = try limit(2, .seconds(600))
        store.reset(a)
        for key in [a, b] {
            for limit in [short, long] { for _ in 0..<2 { #expect(store.check(key, limit, now: second).allowed) } }
        }
        store.reset(a)
        for limit in [short, long] {
            #expect(store.check(a, limit, now: second).remaining == 1)
            #expect(!store.check(b, limit, now: second).allowed)
        }
    }

    func theClockMayStepBack() throws {
        let store = make()
        let limit = try limit(2, .seconds(10))
        #expect(store.check(a, limit, now: 100 * second).allowed)
        #expect(store.check(a, limit, now: 100 * second).allowed)
        for now in [99 * second, 50 * second, 0] {
            let refused = store.check(a, limit, now: now)
            #expect(!refused.allowed && refused.remaining == 0)
            // The wait is told from the asker's clock.
            #expect(refused.retryAfter == 105 * second - now)
        }
        #expect(store.check(a, limit, now: 105 * second).allowed)
    }

    func aLookChangesNothing() throws {
        let store = make()
        let limit = try limit(2, .seconds(10))
        for _ in 0..<5 { #expect(store.check(a, limit, now: second, cost: 0).remaining == 2) }
        #expect(store.check(a, limit, now: second).remaining == 1)
        #expect(store.check(a, limit, now: second, cost: 0).remaining == 1)
        #expect(!store.check(a, limit, now: second, cost: 2).allowed)
        #expect(store.check(a, limit, now: second).remaining == 0)
    }

    func manyAtOnce() throws {
        let limit = try limit(100, .seconds(60))
        for callers in [1, 2, 8, 64, 1000] {
            let store = make()
            let allowed = Atomic(0)
            DispatchQueue.concurrentPerform(iterations: callers) { _ in
                if store.check(a, limit, now: second).allowed { allowed.add(1, ordering: .relaxed) }
            }
            #expect(allowed.load(ordering: .relaxed) == min(callers, 100))
        }
    }
}
