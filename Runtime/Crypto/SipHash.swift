/// SipHash-2-4: a fast keyed hash for table keys and buckets that strangers can choose.
///
/// Without the key nobody can aim at one bucket. It is not a signature: use `HMACSHA256` for anything that is sent out.
package struct SipHash: Sendable {
    @usableFromInline let k0: UInt64
    @usableFromInline let k1: UInt64

    /// 128 bits, fit for use as a table key.
    package struct Hash128: Sendable, Hashable {
        package let low: UInt64
        package let high: UInt64

        @inlinable package init(low: UInt64, high: UInt64) {
            self.low = low
            self.high = high
        }
    }

    @inlinable package init(k0: UInt64, k1: UInt64) {
        self.k0 = k0
        self.k1 = k1
    }

    /// A key nobody else knows, for as long as this value lives.
    package static func randomKey() throws(CryptoError) -> SipHash {
        SipHash(k0: try Random.uint64(), k1: try Random.uint64())
    }

    /// A key shared by several processes, for example from a secrets file. Nil unless there are 16 bytes.
    package init?(key: SecretBytes) {
        guard key.count == 16 else { return nil }
        self = key.withUnsafeBytes { bytes in
            SipHash(
                k0: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                k1: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        }
    }

    @inlinable package func hash64(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var state = State(k0, k1)
        state.absorb(bytes)
        state.v2 ^= 0xff
        state.round()
        state.round()
        state.round()
        state.round()
        return state.v0 ^ state.v1 ^ state.v2 ^ state.v3
    }

    /// The 128-bit variant has its own constants; its halves are not the 64-bit hash.
    @inlinable package func hash128(_ bytes: UnsafeRawBufferPointer) -> Hash128 {
        var state = State(k0, k1)
        state.v1 ^= 0xee
        state.absorb(bytes)
        state.v2 ^= 0xee
        state.round()
        state.round()
        state.round()
        state.round()
        let low = state.v0 ^ state.v1 ^ state.v2 ^ state.v3
        state.v1 ^= 0xdd
        state.round()
        state.round()
        state.round()
        state.round()
        return Hash128(low: low, high: state.v0 ^ state.v1 ^ state.v2 ^ state.v3)
    }

    @inlinable package func hash64(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { hash64($0) } }
    @inlinable package func hash128(_ bytes: [UInt8]) -> Hash128 { bytes.withUnsafeBytes { hash128($0) } }

    @usableFromInline struct State {
        @usableFromInline var v0: UInt64
        @usableFromInline var v1: UInt64
        @usableFromInline var v2: UInt64
        @usableFromInline var v3: UInt64

        @inlinable @inline(__always) init(_ k0: UInt64, _ k1: UInt64) {
            v0 = k0 ^ 0x736f_6d65_7073_6575
            v1 = k1 ^ 0x646f_7261_6e64_6f6d
            v2 = k0 ^ 0x6c79_6765_6e65_7261
            v3 = k1 ^ 0x7465_6462_7974_6573
        }

        @inlinable @inline(__always) mutating func round() {
            v0 = v0 &+ v1
            v2 = v2 &+ v3
            v1 = (v1 &<< 13 | v1 &>> 51) ^ v0
            v3 = (v3 &<< 16 | v3 &>> 48) ^ v2
            v0 = v0 &<< 32 | v0 &>> 32
            v2 = v2 &+ v1
            v0 = v0 &+ v3
            v1 = (v1 &<< 17 | v1 &>> 47) ^ v2
            v3 = (v3 &<< 21 | v3 &>> 43) ^ v0
            v2 = v2 &<< 32 | v2 &>> 32
        }

        @inlinable @inline(__always) mutating func word(_ m: UInt64) {
            v3 ^= m
            round()
            round()
            v0 ^= m
        }

        @inlinable @inline(__always) mutating func absorb(_ bytes: UnsafeRawBufferPointer) {
            let whole = bytes.count & ~7
            var offset = 0
            while offset < whole {
                word(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
                offset &+= 8
            }
            // The last word holds what is left and the length's low byte.
            var last = UInt64(truncatingIfNeeded: bytes.count) &<< 56
            var shift: UInt64 = 0
            while offset < bytes.count {
                last |= UInt64(bytes[offset]) &<< shift
                shift &+= 8
                offset &+= 1
            }
            word(last)
        }
    }
}
