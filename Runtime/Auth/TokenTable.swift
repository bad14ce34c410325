internal import SwiftletCrypto

/// A hash table with a use order: one shard of the cache. Plain data; its owner holds the lock.
struct TokenTable: Sendable {
    struct Slot: Sendable {
        let hash: UInt64
        var token: VerifiedToken?
        /// Wall seconds, leeway included.
        let validFrom: Double
        let validUntil: Double
        /// Monotonic milliseconds.
        let servedUntil: Int64
        /// Next in the same bucket; neighbours in the order of use (newer, older). -1: none.
        var chain: Int32 = -1
        var newer: Int32 = -1
        var older: Int32 = -1

        init(hash: UInt64, token: VerifiedToken, validFrom: Double, validUntil: Double, servedUntil: Int64) {
            self.hash = hash
            self.token = token
            self.validFrom = validFrom
            self.validUntil = validUntil
            self.servedUntil = servedUntil
        }

        func isServed(at now: AuthInstant) -> Bool {
            now.wallSeconds < validUntil && now.wallSeconds >= validFrom && now.monotonicMilliseconds < servedUntil
        }
    }

    private let maximumEntries: Int
    private let maximumBytes: Int
    private var generation: UInt64
    private var slots: [Slot] = []
    private var free: [Int32] = []
    private var buckets: [Int32]
    private let mask: UInt64
    private var newest: Int32 = -1
    private var oldest: Int32 = -1
    private(set) var count = TokenCache.Count()

    init(maximumEntries: Int, maximumBytes: Int, generation: UInt64) {
        self.maximumEntries = max(0, maximumEntries)
        self.maximumBytes = max(0, maximumBytes)
        self.generation = generation
        var size = 16
        while size < self.maximumEntries { size *= 2 }
        buckets = [Int32](repeating: -1, count: size)
        mask = UInt64(size - 1)
    }

    mutating func find(_ hash: UInt64, _ bytes: UnsafeRawBufferPointer, _ now: AuthInstant) -> VerifiedToken? {
        var index = buckets[Int(hash & mask)]
        while index >= 0 {
            let at = Int(index)
            if slots[at].hash == hash, let token = slots[at].token,
                token.bytes.withUnsafeBytes({ ConstantTime.equal($0, bytes) })
            {
                guard slots[at].isServed(at: now) else {
                    _ = remove(index)
                    break
                }
                if newest != index {
                    unlink(index)
                    link(index)
                }
                count.hits &+= 1
                return token
            }
            index = slots[at].chain
        }
        count.misses &+= 1
        return nil
    }

    /// - Returns: the tokens that had to go.
    mutating func insert(_ slot: Slot, generation: UInt64) -> [VerifiedToken] {
        guard generation == self.generation, let token = slot.token, maximumEntries > 0, token.cost <= maximumBytes
        else { return [] }
        var gone: [VerifiedToken] = []
        if let twin = twin(of: token, hash: slot.hash), let old = remove(twin) { gone.append(old) }
        while oldest >= 0, count.entries >= maximumEntries || count.bytes + token.cost > maximumBytes {
            if let old = remove(oldest) { gone.append(old) }
        }
        let index: Int32
        if let reused = free.popLast() {
            index = reused
            slots[Int(index)] = slot
        } else {
            index = Int32(truncatingIfNeeded: slots.count)
            slots.append(slot)
        }
        let bucket = Int(slot.hash & mask)
        slots[Int(index)].chain = buckets[bucket]
        buckets[bucket] = index
        link(index)
        count.entries += 1
        count.bytes += token.cost
        return gone
    }

    mutating func removeAll(generation: UInt64) -> [Slot] {
        // Two replacements may end in either order; the newer one decides what may still come in.
        self.generation = max(self.generation, generation)
        let gone = slots
        slots = []
        free = []
        for bucket in buckets.indices { buckets[bucket] = -1 }
        newest = -1
        oldest = -1
        count.entries = 0
        count.bytes = 0
        return gone
    }

    private func twin(of token: VerifiedToken, hash: UInt64) -> Int32? {
        var index = buckets[Int(hash & mask)]
        while index >= 0 {
            let slot = slots[Int(index)]
            if slot.hash == hash, let other = slot.token, ConstantTime.equal(other.bytes, token.bytes) { return index }
            index = slot.chain
        }
        return nil
    }

    private mutating func remove(_ index: Int32) -> VerifiedToken? {
        let at = Int(index)
        let bucket = Int(slots[at].hash & mask)
        if buckets[bucket] == index {
            buckets[bucket] = slots[at].chain
        } else {
            var before = Int(buckets[bucket])
            while before >= 0, slots[before].chain != index { before = Int(slots[before].chain) }
            if before >= 0 { slots[before].chain = slots[at].chain }
        }
        unlink(index)
        let token = slots[at].token
        slots[at].token = nil
        free.append(index)
        count.entries -= 1
        count.bytes -= token?.cost ?? 0
        return token
    }

    private mutating func link(_ index: Int32) {
        slots[Int(index)].older = newest
        slots[Int(index)].newer = -1
        if newest >= 0 { slots[Int(newest)].newer = index }
        newest = index
        if oldest < 0 { oldest = index }
    }

    private mutating func unlink(_ index: Int32) {
        let (newer, older) = (slots[Int(index)].newer, slots[Int(index)].older)
        if newer >= 0 { slots[Int(newer)].older = older } else { newest = older }
        if older >= 0 { slots[Int(older)].newer = newer } else { oldest = newer }
    }
}
