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
        try aReservationIsAllOrNothing()
        try aSettlementGivesBackOrCharges()
        try togetherNeverMoreThanALimit()
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

    private func time(_ seconds: UInt64) -> QuotaTime {
        // A thousand seconds before a midnight.
        QuotaTime(monotonic: seconds * second, wall: Int64((86_400 * 20_000 - 1000 + seconds) * second))
    }

    private func quotas(_ key: RateLimitKey, _ rolling: Int, _ day: Int) throws -> [QuotaBucket] {
        [
            QuotaBucket(key, .rolling(try limit(rolling, .seconds(Int64(rolling))))),
            QuotaBucket(key, .day(try DayLimit(units: day))),
        ]
    }

    func aReservationIsAllOrNothing() throws {
        let store = make()
        let quotas = try quotas(a, 1000, 300)
        let first = store.reserve(200, from: quotas, at: time(1))
        #expect(first.allowed && first.states.map(\.remaining) == [800, 100])
        let refused = store.reserve(101, from: quotas, at: time(1))
        #expect(!refused.allowed && refused.states.map(\.refused) == [false, true])
        #expect(refused.states.map(\.remaining) == [800, 100])
        #expect(refused.states.map(\.resetAfter) == [200 * second, 999 * second])
        // Midnight: the day is new, the window is not.
        #expect(store.reserve(0, from: quotas, at: time(101)).states.map(\.remaining) == [900, 100])
        #expect(store.reserve(300, from: quotas, at: time(1000)).states.map(\.remaining) == [700, 0])
        #expect(store.reserve(1001, from: [quotas[0]], at: time(90_000)).allowed == false)
        #expect(store.reserve(5, from: [], at: time(90_000)) == QuotaDecision(allowed: true, states: []))
        #expect(store.reserve(5, from: [quotas[1], quotas[1]], at: time(90_000)).states.map(\.remaining) == [295, 295])
    }

    func aSettlementGivesBackOrCharges() throws {
        let store = make()
        let quotas = try quotas(a, 100, 100)
        #expect(store.reserve(100, from: quotas, at: time(1)).allowed)
        #expect(store.settle(quotas, by: -60, at: time(1)).states.map(\.remaining) == [60, 60])
        #expect(store.settle(quotas, by: 80, at: time(1)) == store.settle(quotas, by: 0, at: time(1)))
        #expect(store.reserve(0, from: quotas, at: time(1)).states.map(\.refused) == [true, true])
        #expect(!store.reserve(1, from: [quotas[0]], at: time(20)).allowed)
        #expect(store.reserve(1, from: [quotas[0]], at: time(22)).allowed)
        // The debt of 20 goes on into the next day.
        #expect(store.reserve(80, from: [quotas[1]], at: time(1000)).states.map(\.remaining) == [0])
        store.reset(a)
        #expect(store.reserve(100, from: quotas, at: time(1001)).allowed)
        #expect(store.settle(quotas, by: Int.min, at: time(1001)).states.map(\.remaining) == [100, 100])
        #expect(store.settle(quotas, by: Int.max, at: time(1001)).states.map(\.remaining) == [0, 0])
        #expect(store.reserve(1, from: try self.quotas(b, 100, 100), at: time(1001)).allowed)
    }

    func togetherNeverMoreThanALimit() throws {
        let store = make()
        let both = try quotas(a, 1000, 700)
        let other = try quotas(b, 500, 1 << 31)
        let taken = Atomic(0)
        let takenOfBoth = Atomic(0)
        // Each takes from two of four buckets, in either order: nobody waits for ever, and nobody gets what another has.
        DispatchQueue.concurrentPerform(iterations: 8) { number in
            for _ in 0..<200 {
                if store.reserve(3, from: number % 2 == 0 ? both : both.reversed(), at: time(1)).allowed {
                    taken.add(3, ordering: .relaxed)
                }
                let mixed = number % 2 == 0 ? [both[0], other[0], other[1]] : [other[1], other[0], both[0]]
                if store.reserve(3, from: mixed, at: time(1)).allowed {
                    takenOfBoth.add(3, ordering: .relaxed)
                    _ = store.settle(mixed, by: -1, at: time(1))
                    takenOfBoth.add(-1, ordering: .relaxed)
                }
            }
        }
        let (alone, mixed) = (taken.load(ordering: .relaxed), takenOfBoth.load(ordering: .relaxed))
        #expect(alone <= 700 && mixed <= 500 && alone + mixed <= 1000)
        #expect(alone + mixed > 1000 - 3 || alone > 700 - 3 || mixed > 500 - 3)
        let states = store.reserve(0, from: both + other, at: time(1)).states
        #expect(states.map(\.remaining) == [1000 - alone - mixed, 700 - alone, 500 - mixed, 1 << 31 - mixed])
    }
}
