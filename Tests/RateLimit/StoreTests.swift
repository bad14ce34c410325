import Dispatch
import Synchronization
import Testing

@testable import SwiftletRateLimit

@Suite struct `The store in memory` {
    @Test(arguments: [(8, 1), (1, 64), (1024, 4), (262_144, 64)])
    func `keeps what every store promises`(capacity: Int, shards: Int) async throws {
        try await Conformance(make: { MemoryRateLimitStore(capacity: capacity, shards: shards) }).all()
    }

    @Test(arguments: [Int.min, -1, 0, 1, 7, 8, 9, 1000, 262_144])
    func `holds what was asked for, in whole sets`(capacity: Int) {
        let store = MemoryRateLimitStore(capacity: capacity, shards: capacity)
        #expect(store.capacity >= max(1, capacity) && store.capacity % 8 == 0)
        #expect(store.capacity < max(1, capacity) + 8 * 1024)
        #expect(store.bytes == 0 && store.entries == 0)
    }

    @Test func `a million invented keys do not make it grow, and free nobody who is blocked`() throws {
        let store = MemoryRateLimitStore(capacity: 4096, shards: 8)
        let limit = try limit(5, .seconds(60))
        let blocked = RateLimitKey(high: 42, low: 42)
        for _ in 0..<5 { #expect(store.check(blocked, limit, now: second).allowed) }
        var random = SplitMix(state: 1)
        var freed = 0
        for round in 0..<1_000_000 {
            _ = store.check(RateLimitKey(high: random.next(), low: random.next()), limit, now: second)
            if round % 1000 == 0, store.check(blocked, limit, now: second).allowed { freed += 1 }
        }
        #expect(freed == 0)
        #expect(store.entries == store.capacity)
        #expect(store.bytes == store.capacity * 32)
        #expect(store.evicted == 1_000_001 - store.capacity)
    }

    @Test func `a slot that has run out is used again and nothing is lost`() throws {
        let store = MemoryRateLimitStore(capacity: 8, shards: 1)
        let limit = try limit(1, .seconds(1))
        for index in 0..<1000 as Range<UInt64> {
            #expect(store.check(RateLimitKey(high: index << 40, low: index), limit, now: (index + 1) * second).allowed)
        }
        #expect(store.evicted == 0 && store.entries <= 8)
    }

    @Test func `a full set gives up the bucket closest to running out`() throws {
        let store = MemoryRateLimitStore(capacity: 8, shards: 1)
        let limit = try limit(10, .seconds(10))
        let keys = (0..<9).map { RateLimitKey(high: UInt64($0), low: UInt64($0)) }
        for (index, key) in keys.prefix(8).enumerated() { _ = store.check(key, limit, now: second, cost: 10 - index) }
        _ = store.check(keys[8], limit, now: second, cost: 5)
        #expect(store.evicted == 1)
        for (index, key) in keys.prefix(7).enumerated() {
            #expect(store.check(key, limit, now: second, cost: 0).remaining == index)
        }
        #expect(store.check(keys[7], limit, now: second, cost: 0).remaining == 10)
    }

    @Test func `reset gives the slots back`() throws {
        let store = MemoryRateLimitStore(capacity: 64)
        let key = RateLimitKey(high: 0, low: 0)
        _ = store.check(key, try limit(1, .seconds(1)), now: 0)
        _ = store.check(key, try limit(1, .seconds(2)), now: 0)
        #expect(store.entries == 2)
        store.reset(key)
        #expect(store.entries == 0)
    }

    @Test func `threads over many keys lose and invent nothing`() throws {
        let store = MemoryRateLimitStore(capacity: 65_536)
        let limit = try limit(7, .seconds(60))
        let allowed = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for index in 0..<2000 as Range<UInt64> {
                let key = RateLimitKey(high: (index % 100) &* 0x9E37_79B9_7F4A_7C15, low: index % 100)
                if store.check(key, limit, now: second).allowed { allowed.add(1, ordering: .relaxed) }
            }
        }
        #expect(allowed.load(ordering: .relaxed) == 700)
    }
}
