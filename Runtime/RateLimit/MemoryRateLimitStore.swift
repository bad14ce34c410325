import Synchronization

/// Buckets in the memory of this process, in a table that never grows past its capacity.
///
/// A key belongs to one set of eight slots. A new key takes a free or run-out slot of its set; where all eight are in use it takes the
/// one closest to running out, whose caller then starts afresh: never the one with most debt, so a caller who is blocked stays blocked
/// while others invent keys. Only where all eight are blocked is one of them let go (``evicted`` counts every such loss).
///
/// 32 bytes a slot, in blocks of 4 KiB that are made when first needed; apart from that a check allocates nothing.
package final class MemoryRateLimitStore: RateLimitStore {
    private let shards: [Shard]
    private let mask: UInt64
    /// How many buckets fit: what was asked for, rounded up to whole sets.
    package let capacity: Int

    /// - Parameters:
    ///   - capacity: buckets to hold; 1 to 2^28, values outside are moved to the nearest.
    ///   - shards: locks to spread them over, rounded down to a power of two; fewer where the capacity is small.
    package init(capacity: Int = 262_144, shards: Int = 64) {
        let wanted = min(max(capacity, 1), 1 << 28)
        let most = max(1, min(shards, 1024, wanted / Shard.ways))
        var count = 1
        while count * 2 <= most { count *= 2 }
        let perShard = count * Shard.ways
        let sets = (wanted + perShard - 1) / perShard
        self.shards = (0..<count).map { _ in Shard(sets: sets) }
        mask = UInt64(count - 1)
        self.capacity = sets * perShard
    }

    package func check(_ key: RateLimitKey, _ limit: RateLimit, now: UInt64, cost: Int) -> RateLimitDecision {
        shards[Int(key.low & mask)].table.withLock { $0.check(key, limit, now, cost) }
    }

    package func reserve(_ amount: Int, from quotas: [QuotaBucket], at time: QuotaTime) -> QuotaDecision {
        withTables(of: quotas) { tables in
            var nexts: [UInt64?] = []
            var states: [QuotaState] = []
            for (quota, table) in zip(quotas, tables) {
                table.pointer.pointee.advance(to: time)
                let (state, next) = quota.rule.take(
                    amount, from: table.pointer.pointee.bucket(quota), latest: table.pointer.pointee.time, at: time)
                states.append(state)
                nexts.append(next)
            }
            if states.contains(where: \.refused) {
                // Nothing was taken from the others either: they say how they stand.
                for (index, (quota, table)) in zip(quotas, tables).enumerated() where !states[index].refused {
                    states[index] =
                        quota.rule.take(
                            0, from: table.pointer.pointee.bucket(quota), latest: table.pointer.pointee.time, at: time
                        ).state
                }
                return QuotaDecision(allowed: false, states: states)
            }
            for (index, table) in tables.enumerated() {
                if let next = nexts[index] { table.pointer.pointee.keep(next, for: quotas[index]) }
            }
            return QuotaDecision(allowed: true, states: states)
        }
    }

    package func settle(_ quotas: [QuotaBucket], by change: Int, at time: QuotaTime) -> QuotaDecision {
        withTables(of: quotas) { tables in
            var states: [QuotaState] = []
            for (index, (quota, table)) in zip(quotas, tables).enumerated() {
                table.pointer.pointee.advance(to: time)
                let isFirst = !quotas[..<index].contains(quota)
                let (state, next) = quota.rule.settle(
                    isFirst ? change : 0, in: table.pointer.pointee.bucket(quota), latest: table.pointer.pointee.time, at: time)
                if let next { table.pointer.pointee.keep(next, for: quota) }
                states.append(state)
            }
            return QuotaDecision(allowed: true, states: states)
        }
    }

    /// Runs `body` with the table of each quota, all of them locked. Locks are taken in one order, so that nobody waits in a circle.
    private func withTables(
        of quotas: [QuotaBucket], _ body: ([LockedTable]) -> QuotaDecision
    ) -> QuotaDecision {
        let places = quotas.map { Int($0.key.low & mask) }
        return locked(Set(places).sorted()[...], [:]) { tables in
            // Every place is among them.
            body(places.compactMap { tables[$0] })
        }
    }

    private func locked(
        _ places: ArraySlice<Int>, _ held: [Int: LockedTable], _ body: ([Int: LockedTable]) -> QuotaDecision
    ) -> QuotaDecision {
        guard let first = places.first else { return body(held) }
        return shards[first].table.withLock { table in
            withUnsafeMutablePointer(to: &table) { pointer in
                var held = held
                held[first] = LockedTable(pointer: pointer)
                return locked(places.dropFirst(), held, body)
            }
        }
    }

    package func reset(_ key: RateLimitKey) {
        shards[Int(key.low & mask)].table.withLock { $0.reset(key) }
    }

    /// Slots in use, those included that have run out and wait to be taken again.
    package var entries: Int { shards.reduce(0) { $0 + $1.table.withLock { $0.entries } } }
    /// Buckets that were given up before they had run out.
    package var evicted: Int { shards.reduce(0) { $0 + $1.table.withLock { $0.evicted } } }
    /// Bytes of slots made so far; at most 32 for each of ``capacity``, rounded up to blocks.
    package var bytes: Int { shards.reduce(0) { $0 + $1.table.withLock { $0.bytes } } }
}

/// A table whose lock is held for as long as this is looked at.
private struct LockedTable: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Table>
}

private final class Shard: Sendable {
    static let ways = 8
    let table: Mutex<Table>

    init(sets: Int) { table = Mutex(Table(sets: sets)) }
}

private struct Slot {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var tag: UInt64 = 0
    /// GCRA's one number, or a ``DayBucket`` where the tag is odd. 0: free.
    var bucket: UInt64 = 0
}

/// It owns its memory alone, so it may go from thread to thread.
private struct Table: ~Copyable, @unchecked Sendable {
    static let setsPerBlock = 16
    static let slotsPerBlock = setsPerBlock * Shard.ways

    private let sets: UInt64
    private let blocks: UnsafeMutableBufferPointer<UnsafeMutablePointer<Slot>?>
    /// The latest time seen: a clock that steps back finds the table where it was.
    private(set) var time: UInt64 = 0
    /// The latest day a quota was asked on, and when it ends, in the nanoseconds of `time`: what days' buckets are compared with.
    private var day: UInt64 = 0
    private var midnight: UInt64 = 0
    private(set) var entries = 0
    private(set) var evicted = 0
    private(set) var bytes = 0

    init(sets: Int) {
        self.sets = UInt64(sets)
        blocks = .allocate(capacity: (sets + Table.setsPerBlock - 1) / Table.setsPerBlock)
        blocks.initialize(repeating: nil)
    }

    deinit {
        for block in blocks { block?.deallocate() }
        blocks.deallocate()
    }

    private func place(_ key: RateLimitKey) -> (block: Int, slot: Int) {
        // The high bits of the product: 0 ..< sets, evenly, without a division.
        let set = Int(key.high.multipliedFullWidth(by: sets).high)
        return (set / Table.setsPerBlock, set % Table.setsPerBlock * Shard.ways)
    }

    /// The eight slots of a key's set, made when they are first needed.
    private mutating func slots(_ key: RateLimitKey) -> UnsafeMutablePointer<Slot> {
        let (block, first) = place(key)
        if let made = blocks[block] { return made + first }
        let made = UnsafeMutablePointer<Slot>.allocate(capacity: Table.slotsPerBlock)
        made.initialize(repeating: Slot(), count: Table.slotsPerBlock)
        bytes += Table.slotsPerBlock * MemoryLayout<Slot>.stride
        blocks[block] = made
        return made + first
    }

    @inline(__always)
    private func find(_ key: RateLimitKey, _ tag: UInt64, in slots: UnsafeMutablePointer<Slot>) -> Int? {
        var way = 0
        while way < Shard.ways {
            if slots[way].low == key.low, slots[way].high == key.high, slots[way].tag == tag { return way }
            way += 1
        }
        return nil
    }

    mutating func check(_ key: RateLimitKey, _ limit: RateLimit, _ now: UInt64, _ cost: Int) -> RateLimitDecision {
        if now > time { time = now }
        let slots = slots(key)
        let way = find(key, limit.tag, in: slots)
        let bucket = way.map { slots[$0].bucket } ?? 0
        let (decision, next) = GCRA.decide(bucket: bucket, limit: limit, time: time, now: now, cost: cost)
        if let next { keep(next, key, limit.tag, in: slots, at: way) }
        return decision
    }

    mutating func advance(to now: QuotaTime) {
        if now.monotonic > time { time = now.monotonic }
        day = now.day
        midnight = now.monotonic &+ now.untilMidnight
    }

    /// What is kept for a quota; 0 for nothing.
    func bucket(_ quota: QuotaBucket) -> UInt64 {
        let (block, first) = place(quota.key)
        guard let slots = blocks[block].map({ $0 + first }), let way = find(quota.key, quota.rule.tag, in: slots) else {
            return 0
        }
        return slots[way].bucket
    }

    mutating func keep(_ bucket: UInt64, for quota: QuotaBucket) {
        let slots = slots(quota.key)
        keep(bucket, quota.key, quota.rule.tag, in: slots, at: find(quota.key, quota.rule.tag, in: slots))
    }

    @inline(__always)
    private mutating func keep(
        _ bucket: UInt64, _ key: RateLimitKey, _ tag: UInt64, in slots: UnsafeMutablePointer<Slot>, at way: Int?
    ) {
        if let way {
            if slots[way].bucket == 0 { entries += 1 }
            slots[way].bucket = bucket
            guard bucket == 0 else { return }
            slots[way] = Slot()
            entries -= 1
        } else if bucket != 0 {
            let (victim, end) = victim(in: slots)
            if slots[victim].bucket == 0 { entries += 1 } else if end > time { evicted += 1 }
            slots[victim] = Slot(high: key.high, low: key.low, tag: tag, bucket: bucket)
        }
    }

    /// The slot that runs out first, and when; a free one ran out long ago.
    private func victim(in slots: UnsafeMutablePointer<Slot>) -> (way: Int, end: UInt64) {
        var victim = (way: 0, end: end(of: slots[0]))
        for way in 1..<Shard.ways {
            let end = end(of: slots[way])
            if end < victim.end { victim = (way, end) }
        }
        return victim
    }

    /// When a slot owes nothing any more, in the nanoseconds of `time`. A day's lasts to its midnight, however little was used.
    private func end(of slot: Slot) -> UInt64 {
        guard slot.tag & 1 == 1, slot.bucket != 0 else { return slot.bucket }
        let bucket = DayBucket(slot.bucket)
        let last = bucket.day + bucket.late
        // A free slot is still better than one whose day is over.
        guard last >= day else { return 1 }
        let (later, isTooLate) = midnight.addingReportingOverflow((last - day) &* QuotaTime.dayNanoseconds)
        return isTooLate ? .max : later
    }

    mutating func reset(_ key: RateLimitKey) {
        let (block, first) = place(key)
        guard let made = blocks[block] else { return }
        for way in first..<first + Shard.ways
        where made[way].low == key.low && made[way].high == key.high && made[way].bucket != 0 {
            made[way] = Slot()
            entries -= 1
        }
    }
}
