import Dispatch
import Synchronization
import Testing

@testable import SwiftletRateLimit

private let day: UInt64 = 86_400 * second
private let noon = QuotaTime(monotonic: 1000 * second, wall: Int64(20_000 * day + day / 2))

/// So many nanoseconds after that noon, on both clocks.
private func after(_ nanoseconds: UInt64) -> QuotaTime {
    QuotaTime(monotonic: 1000 * second + nanoseconds, wall: Int64(20_000 * day + day / 2 + nanoseconds))
}

@Suite struct `A day's quota` {
    private func take(_ amount: Int, from bucket: UInt64, of units: Int, at time: QuotaTime) throws -> (QuotaState, UInt64?) {
        let (state, next) = QuotaRule.day(try DayLimit(units: units)).take(amount, from: bucket, latest: time.monotonic, at: time)
        return (state, next)
    }

    @Test(arguments: [1, 2, 1 << 31]) func `within the bounds is taken`(units: Int) throws {
        #expect(try DayLimit(units: units).units == units)
    }

    @Test(arguments: [0, -1, Int.min, (1 << 31) + 1, Int.max]) func `of too few or too many units is refused`(units: Int) {
        #expect(throws: RateLimitProblem(message: "a quota of \(units) a day: use 1 to 2147483648")) {
            try DayLimit(units: units)
        }
    }

    @Test func `is used up, refuses, and is all back at midnight`() throws {
        let (first, bucket) = try take(70, from: 0, of: 100, at: noon)
        #expect(first == QuotaState(limit: 100, remaining: 30, resetAfter: day / 2))
        let kept = try #require(bucket)
        let (refused, none) = try take(31, from: kept, of: 100, at: after(day / 2 - 1))
        #expect(refused == QuotaState(limit: 100, remaining: 30, resetAfter: 1, refused: true) && none == nil)
        #expect(try take(30, from: kept, of: 100, at: after(day / 2 - 1)).0.remaining == 0)
        let (fresh, _) = try take(100, from: kept, of: 100, at: after(day / 2))
        #expect(fresh == QuotaState(limit: 100, remaining: 0, resetAfter: day))
    }

    @Test func `charged past its limit owes the rest to the days that follow`() throws {
        let rule = QuotaRule.day(try DayLimit(units: 100))
        let (state, bucket) = rule.settle(250, in: 0, latest: noon.monotonic, at: noon)
        #expect(state == QuotaState(limit: 100, remaining: 0, resetAfter: 2 * day + day / 2))
        let kept = try #require(bucket)
        // 250 today, 150 tomorrow, 50 on the day after.
        #expect(try take(1, from: kept, of: 100, at: noon).0.resetAfter == day + day / 2)
        #expect(try take(51, from: kept, of: 100, at: noon).0.resetAfter == 2 * day + day / 2)
        #expect(
            try take(0, from: kept, of: 100, at: after(day)).0
                == QuotaState(limit: 100, remaining: 0, resetAfter: day / 2, refused: true))
        #expect(
            try take(50, from: kept, of: 100, at: after(2 * day)).0 == QuotaState(limit: 100, remaining: 0, resetAfter: day / 2))
        #expect(try take(51, from: kept, of: 100, at: after(2 * day)).0.resetAfter == day / 2)
        #expect(try take(100, from: kept, of: 100, at: after(3 * day)).0.refused == false)
    }

    @Test func `is not given back twice by a clock that is set back, and not held up by one that was far ahead`() throws {
        let (_, bucket) = try take(80, from: 0, of: 100, at: noon)
        let kept = try #require(bucket)
        let yesterday = QuotaTime(monotonic: noon.monotonic, wall: Int64(20_000 * day - 1))
        #expect(try take(21, from: kept, of: 100, at: yesterday).0.refused)
        #expect(try take(20, from: kept, of: 100, at: yesterday).0.refused == false)
        let longAgo = QuotaTime(monotonic: noon.monotonic, wall: Int64(10_000 * day))
        #expect(try take(100, from: kept, of: 100, at: longAgo).0.refused == false)
    }

    @Test func `spent on a day that has begun is not given back by one who read the clock before it`() throws {
        let rule = QuotaRule.day(try DayLimit(units: 100))
        let before = QuotaTime(monotonic: noon.monotonic, wall: Int64(20_000 * day - 1))
        let (_, spent) = try take(90, from: 0, of: 100, at: noon)
        // Both kinds of latecomers, and then somebody on the day itself.
        let (_, taken) = try take(5, from: try #require(spent), of: 100, at: before)
        #expect(try take(6, from: try #require(taken), of: 100, at: noon).0.refused)
        #expect(try take(5, from: try #require(taken), of: 100, at: noon).0.refused == false)
        let (_, settled) = rule.settle(-10, in: try #require(spent), latest: before.monotonic, at: before)
        #expect(try take(21, from: try #require(settled), of: 100, at: noon).0.refused)
        #expect(try take(20, from: try #require(settled), of: 100, at: noon).0.refused == false)
    }

    @Test func `is what a plain ledger says, whatever is taken, settled and waited`() throws {
        for seed in 1...40 as ClosedRange<UInt64> {
            var random = SplitMix(state: seed)
            let units = [1, 7, 100, 200_000, 1 << 31][Int(seed % 5)]
            let rule = QuotaRule.day(try DayLimit(units: units))
            var (bucket, used, today, elapsed): (UInt64, Int, UInt64, UInt64) = (0, 0, 0, 0)
            for _ in 0..<300 {
                elapsed += random.next() % (day / 3)
                let time = QuotaTime(monotonic: elapsed, wall: Int64(elapsed))
                while today < elapsed / day {
                    today += 1
                    used = max(0, used - units)
                }
                let amount = Int(random.next() % UInt64(units)) + (random.next() % 8 == 0 ? units : 0)
                if random.next() % 3 == 0 {
                    let change = random.next() % 2 == 0 ? amount : -amount
                    let (state, next) = rule.settle(change, in: bucket, latest: elapsed, at: time)
                    used = max(0, used + change)
                    bucket = next ?? bucket
                    #expect(state.remaining == max(0, units - used) && !state.refused)
                } else {
                    let (state, next) = rule.take(amount, from: bucket, latest: elapsed, at: time)
                    let fits = amount == 0 ? used <= units : amount <= units && used + amount <= units
                    #expect(state.refused == !fits)
                    if fits { used += amount }
                    bucket = next ?? bucket
                    #expect(state.remaining == max(0, units - used))
                    // It passes when it says so, and not a moment earlier.
                    guard !fits, amount <= units, let wait = Int64(exactly: elapsed + state.resetAfter) else { continue }
                    let early = QuotaTime(monotonic: elapsed, wall: wait - 1)
                    #expect(rule.take(amount, from: bucket, latest: elapsed, at: early).state.refused)
                    let free = QuotaTime(monotonic: elapsed, wall: wait)
                    #expect(!rule.take(amount, from: bucket, latest: elapsed, at: free).state.refused)
                }
            }
        }
    }
}

@Suite struct `A rolling quota` {
    @Test func `gives back what was not used, and never more than all`() throws {
        let rule = QuotaRule.rolling(try limit(1000, .seconds(1000)))
        let bucket = try #require(rule.take(600, from: 0, latest: noon.monotonic, at: noon).bucket)
        let (state, settled) = rule.settle(-500, in: bucket, latest: noon.monotonic, at: noon)
        #expect(state == QuotaState(limit: 1000, remaining: 900, resetAfter: 100 * second))
        let kept = try #require(settled)
        let (full, empty) = rule.settle(-101, in: kept, latest: noon.monotonic, at: noon)
        #expect(full == QuotaState(limit: 1000, remaining: 1000, resetAfter: 0) && empty == 0)
        // What came back by waiting is not given back a second time.
        #expect(rule.settle(-50, in: kept, latest: noon.monotonic + 100 * second, at: after(100 * second)).bucket == nil)
    }

    @Test func `charged past its limit is waited for`() throws {
        let rule = QuotaRule.rolling(try limit(10, .seconds(10)))
        let (state, bucket) = rule.settle(25, in: 0, latest: noon.monotonic, at: noon)
        #expect(state == QuotaState(limit: 10, remaining: 0, resetAfter: 25 * second))
        let kept = try #require(bucket)
        let (refused, _) = rule.take(1, from: kept, latest: noon.monotonic, at: noon)
        #expect(refused == QuotaState(limit: 10, remaining: 0, resetAfter: 16 * second, refused: true))
        let later = after(16 * second)
        #expect(!rule.take(1, from: kept, latest: later.monotonic, at: later).state.refused)
    }

    @Test func `never promises more than passes, and exactly what does`() throws {
        for (units, window) in [
            (7_000_003, Duration.seconds(60)), (3, .seconds(10)), (200_000, .seconds(60)), (9_999, .seconds(1)),
        ] {
            let rule = QuotaRule.rolling(try limit(units, window))
            var bucket: UInt64 = 0
            var random = SplitMix(state: 5)
            for _ in 0..<200 {
                let left = rule.take(0, from: bucket, latest: noon.monotonic, at: noon).state.remaining
                #expect(left == 0 || !rule.take(left, from: bucket, latest: noon.monotonic, at: noon).state.refused)
                #expect(rule.take(left + 1, from: bucket, latest: noon.monotonic, at: noon).state.refused)
                let change = Int(random.next() % UInt64(units / 2 + 1)) * (random.next() % 2 == 0 ? 1 : -1)
                bucket = rule.settle(change, in: bucket, latest: noon.monotonic, at: noon).bucket ?? bucket
            }
        }
    }
}

@Suite struct `A quota's numbers` {
    @Test func `never trap`() throws {
        let odd: [UInt64] = [0, 1, second, 1 << 36, 1 << 44, .max / 2, .max - 1, .max]
        let amounts = [Int.min, Int.min + 1, -1, 0, 1, 1 << 31, 1 << 40, .max]
        let rules: [QuotaRule] = [
            .day(try DayLimit(units: 1)), .day(try DayLimit(units: 1 << 31)), .rolling(try limit(1, .milliseconds(1))),
            .rolling(try limit(1 << 31, .seconds(366 * 86_400))), .rolling(try limit(1, .seconds(366 * 86_400))),
        ]
        for (rule, bucket) in rules.flatMap({ rule in odd.map { (rule, $0) } }) {
            for (clock, wall) in odd.flatMap({ clock in [Int64.min, -1, 0, 1, .max].map { (clock, $0) } }) {
                let time = QuotaTime(monotonic: clock, wall: wall)
                for amount in amounts {
                    for latest in [clock, .max] {
                        let (taken, next) = rule.take(amount, from: bucket, latest: latest, at: time)
                        #expect((0...taken.limit).contains(taken.remaining) && (next == nil || !taken.refused))
                        let (settled, _) = rule.settle(amount, in: bucket, latest: latest, at: time)
                        #expect((0...settled.limit).contains(settled.remaining) && !settled.refused)
                    }
                }
            }
        }
    }
}

@Suite struct `The store in memory and days` {
    @Test func `a day's bucket holds its slot until midnight, however little was used of it`() throws {
        let store = MemoryRateLimitStore(capacity: 8, shards: 1)
        let rule = QuotaRule.day(try DayLimit(units: 1 << 31))
        let quota = QuotaBucket(RateLimitKey(high: 1, low: 1), rule)
        #expect(store.reserve(1, from: [quota], at: noon).allowed)
        // Minutes come and go beside it in the same eight slots.
        let minute = try limit(5, .seconds(60))
        for index in 2...100 as ClosedRange<UInt64> {
            for _ in 0..<5 { _ = store.check(RateLimitKey(high: index, low: index), minute, now: noon.monotonic + second) }
        }
        #expect(store.reserve(0, from: [quota], at: after(2 * second)).states.first?.remaining == 1 << 31 - 1)
    }

    @Test func `a day's bucket that owes nothing any more is the first to go, a debtor's is not`() throws {
        let store = MemoryRateLimitStore(capacity: 8, shards: 1)
        let rule = QuotaRule.day(try DayLimit(units: 100))
        func quota(_ number: UInt64) -> QuotaBucket { QuotaBucket(RateLimitKey(high: number, low: number), rule) }
        for number in 0..<8 as Range<UInt64> { #expect(store.reserve(100, from: [quota(number)], at: noon).allowed) }
        _ = store.settle([quota(3)], by: 250, at: noon)
        #expect(store.entries == 8)
        // The next day seven of them are nobody's.
        for number in 10..<17 as Range<UInt64> { #expect(store.reserve(100, from: [quota(number)], at: after(day)).allowed) }
        #expect(store.evicted == 0 && store.entries == 8)
        #expect(!store.reserve(1, from: [quota(3)], at: after(day)).allowed)
        // Where all are in use, the one whose debt lasts longest stays.
        for number in 20..<60 as Range<UInt64> { _ = store.reserve(100, from: [quota(number)], at: after(day)) }
        #expect(store.evicted == 40)
        #expect(!store.reserve(1, from: [quota(3)], at: after(day)).allowed)
    }

    @Test func `what is given back whole gives its slot back`() throws {
        let store = MemoryRateLimitStore(capacity: 64)
        let key = RateLimitKey(high: 9, low: 9)
        let quotas = [
            QuotaBucket(key, .day(try DayLimit(units: 100))), QuotaBucket(key, .rolling(try limit(100, .seconds(100)))),
        ]
        #expect(store.reserve(40, from: quotas, at: noon).allowed && store.entries == 2)
        _ = store.settle(quotas, by: -40, at: noon)
        #expect(store.entries == 0 && store.evicted == 0)
    }
}
