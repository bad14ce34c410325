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

private final class Shard: Sendable {
    static let ways = 8
    let table: Mutex<Table>

    init(sets: Int) { table = Mutex(Table(sets: sets)) }
}

private struct Slot {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var tag: UInt64 = 0
    /// GCRA's one number. 0: free.
    var bucket: UInt64 = 0
}

private struct Table: ~Copyable {
    static let setsPerBlock = 16
    static let slotsPerBlock = setsPerBlock * Shard.ways

    private let sets: UInt64
    private let blocks: UnsafeMutableBufferPointer<UnsafeMutablePointer<Slot>?>
    /// The latest time seen: a clock that steps back finds the table where it was.
    private var time: UInt64 = 0
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

    mutating func check(_ key: RateLimitKey, _ limit: RateLimit, _ now: UInt64, _ cost: Int) -> RateLimitDecision {
        if now > time { time = now }
        let (block, first) = place(key)
        let slots: UnsafeMutablePointer<Slot>
        if let made = blocks[block] {
            slots = made + first
        } else {
            let made = UnsafeMutablePointer<Slot>.allocate(capacity: Table.slotsPerBlock)
            made.initialize(repeating: Slot(), count: Table.slotsPerBlock)
            bytes += Table.slotsPerBlock * MemoryLayout<Slot>.stride
            blocks[block] = made
            slots = made + first
        }
        var way = 0
        var found = false
        var victim = 0
        while way < Shard.ways {
            if slots[way].low == key.low, slots[way].high == key.high, slots[way].tag == limit.tag {
                found = true
                break
            }
            if slots[way].bucket < slots[victim].bucket { victim = way }
            way += 1
        }
        let bucket = found ? slots[way].bucket : 0
        let (decision, next) = GCRA.decide(bucket: bucket, limit: limit, time: time, now: now, cost: cost)
        guard let next else { return decision }
        if found {
            if bucket == 0 { entries += 1 }
            slots[way].bucket = next
        } else {
            let old = slots[victim].bucket
            if old == 0 { entries += 1 } else if old > time { evicted += 1 }
            slots[victim] = Slot(high: key.high, low: key.low, tag: limit.tag, bucket: next)
        }
        return decision
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
