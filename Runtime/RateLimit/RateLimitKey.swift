/// Who is limited: a keyed hash of 128 bits, so that ids of any length cost the same memory, and nobody who does not know the seed can
/// choose where an id lands.
package struct RateLimitKey: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// Makes keys: SipHash-2-4 with 128 bits of output over scope, kind, length and id.
///
/// Give it a random seed for each process (or the same one to all processes that share a store). Ids are taken byte by byte: upper and
/// lower case, NFC and NFD are different callers, because the id of a verified token is exact. An empty id is a caller like any other:
/// all who have none share one bucket.
package struct RateLimitHasher: Sendable {
    private let seed: (UInt64, UInt64)

    package init(seed: (UInt64, UInt64)) { self.seed = seed }

    /// The key of `id` in a scope (for instance a function's number) and of a kind (user, API key, address): all three count.
    package func key(scope: UInt64, kind: UInt8, id: UnsafeRawBufferPointer) -> RateLimitKey {
        var state = SipHash(seed.0, seed.1)
        state.absorb(scope)
        state.absorb(UInt64(kind) << 56 | UInt64(truncatingIfNeeded: id.count) & 0xFF_FFFF_FFFF_FFFF)
        return state.finish(id, absorbed: 16)
    }
}

/// SipHash-2-4 (Aumasson and Bernstein) in its 128-bit form.
struct SipHash {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64

    init(_ k0: UInt64, _ k1: UInt64) {
        v0 = k0 ^ 0x736f_6d65_7073_6575
        v1 = k1 ^ 0x646f_7261_6e64_6f6d ^ 0xEE
        v2 = k0 ^ 0x6c79_6765_6e65_7261
        v3 = k1 ^ 0x7465_6462_7974_6573
    }

    @inline(__always)
    private mutating func round() {
        v0 = v0 &+ v1
        v1 = v1 << 13 | v1 >> 51
        v1 ^= v0
        v0 = v0 << 32 | v0 >> 32
        v2 = v2 &+ v3
        v3 = v3 << 16 | v3 >> 48
        v3 ^= v2
        v0 = v0 &+ v3
        v3 = v3 << 21 | v3 >> 43
        v3 ^= v0
        v2 = v2 &+ v1
        v1 = v1 << 17 | v1 >> 47
        v1 ^= v2
        v2 = v2 << 32 | v2 >> 32
    }

    @inline(__always)
    mutating func absorb(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    /// The hash of what was absorbed as whole words (`absorbed` bytes) followed by `tail`.
    mutating func finish(_ tail: UnsafeRawBufferPointer, absorbed: Int) -> RateLimitKey {
        let whole = tail.count & ~7
        var at = 0
        while at < whole {
            absorb(UInt64(littleEndian: tail.loadUnaligned(fromByteOffset: at, as: UInt64.self)))
            at += 8
        }
        var last = UInt64(truncatingIfNeeded: absorbed &+ tail.count) << 56
        var shift: UInt64 = 0
        while at < tail.count {
            last |= UInt64(tail[at]) << shift
            shift += 8
            at += 1
        }
        absorb(last)
        v2 ^= 0xEE
        for _ in 0..<4 { round() }
        let first = v0 ^ v1 ^ v2 ^ v3
        v1 ^= 0xDD
        for _ in 0..<4 { round() }
        return RateLimitKey(high: first, low: v0 ^ v1 ^ v2 ^ v3)
    }
}
