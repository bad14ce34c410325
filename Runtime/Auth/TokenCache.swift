internal import SwiftletCrypto
internal import Synchronization

/// Tokens that were verified lately, so that the next request with the same token needs no cryptography.
///
/// Found by a keyed hash, and then all bytes are compared: a collision costs a miss, never a wrong caller. Bounded in
/// entries and bytes; the longest unused goes first. Split into shards so that threads seldom wait for each other.
final class TokenCache: Sendable {
    private final class Shard: Sendable {
        let table: Mutex<TokenTable>
        init(_ table: sending TokenTable) { self.table = Mutex(table) }
    }

    private static let shardBits: UInt64 = 3
    private let shards: [Shard]
    private let lifetime: Int64

    /// - Parameter lifetime: the longest time an entry is served, in milliseconds.
    init(entries: Int, bytes: Int, lifetime: Int64, generation: UInt64) {
        let count = 1 << Int(Self.shardBits)
        self.lifetime = lifetime
        shards = (0..<count).map { index in
            // Rounded down, so that the sum never exceeds the limit.
            let share = entries / count + (index < entries % count ? 1 : 0)
            return Shard(TokenTable(maximumEntries: share, maximumBytes: bytes / count, generation: generation))
        }
    }

    private func shard(_ hash: UInt64) -> Shard { shards[Int(hash &>> (64 &- Self.shardBits))] }

    func token(hash: UInt64, bytes: UnsafeRawBufferPointer, now: AuthInstant) -> VerifiedToken? {
        shard(hash).table.withLock { $0.find(hash, bytes, now) }
    }

    /// Keeps `token` while it is valid, at most for the cache's lifetime and not past `latest` (monotonic). Ignored when
    /// the keys were replaced since it was verified.
    func insert(
        _ token: VerifiedToken, hash: UInt64, leeway: Double, latest: Int64, generation: UInt64, now: AuthInstant
    ) {
        let slot = TokenTable.Slot(
            hash: hash, token: token,
            validFrom: (token.notBefore ?? -.infinity) - leeway,
            validUntil: token.expiry + leeway,
            servedUntil: min(now.monotonicMilliseconds.addingReportingOverflow(lifetime).partialValue, latest))
        // What is pushed out is let go after the lock.
        let gone = shard(hash).table.withLock { $0.insert(slot, generation: generation) }
        withExtendedLifetime(gone) {}
    }

    func removeAll(generation: UInt64) {
        for shard in shards {
            let gone = shard.table.withLock { $0.removeAll(generation: generation) }
            withExtendedLifetime(gone) {}
        }
    }

    struct Count: Sendable {
        var entries = 0
        var bytes = 0
        var hits: UInt64 = 0
        var misses: UInt64 = 0
    }

    var count: Count {
        shards.reduce(into: Count()) { sum, shard in
            let one = shard.table.withLock { $0.count }
            sum.entries += one.entries
            sum.bytes += one.bytes
            sum.hits &+= one.hits
            sum.misses &+= one.misses
        }
    }
}
