/// The masking of RFC 6455 section 5.3. A mask is four bytes as they lie in memory.
enum Masking {
    private static let highBits: UInt64 = 0x8080_8080_8080_8080

    /// Writes `source`, unmasked, to `target`, which has room for it; both may be the same memory.
    ///
    /// - Returns: whether every byte written is ASCII.
    @inline(__always)
    static func apply(_ mask: UInt32, _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) -> Bool {
        guard let start = source.baseAddress else { return true }
        let count = source.count
        guard count >= 8 else { return applyShort(mask, start, count, to: target) }
        let word = UInt64(mask) | UInt64(mask) &<< 32
        // The last eight bytes are taken before anything is written, and overlap the words before them: no byte goes alone.
        let lastAt = count &- 8
        let lastMask = rotated(mask, by: lastAt)
        let last = start.loadUnaligned(fromByteOffset: lastAt, as: UInt64.self) ^ (UInt64(lastMask) | UInt64(lastMask) &<< 32)
        var seen = last
        var at = 0
        if count >= 32 {
            let wide = SIMD4<UInt64>(repeating: word)
            var wideSeen = SIMD4<UInt64>()
            while at &+ 32 <= count {
                let plain = start.loadUnaligned(fromByteOffset: at, as: SIMD4<UInt64>.self) ^ wide
                wideSeen |= plain
                target.storeBytes(of: plain, toByteOffset: at, as: SIMD4<UInt64>.self)
                at &+= 32
            }
            seen |= wideSeen[0] | wideSeen[1] | wideSeen[2] | wideSeen[3]
        }
        while at < lastAt {
            let plain = start.loadUnaligned(fromByteOffset: at, as: UInt64.self) ^ word
            seen |= plain
            target.storeBytes(of: plain, toByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        target.storeBytes(of: last, toByteOffset: lastAt, as: UInt64.self)
        return seen & highBits == 0
    }

    /// Up to seven bytes.
    @inline(__always)
    private static func applyShort(
        _ mask: UInt32, _ start: UnsafeRawPointer, _ count: Int, to target: UnsafeMutableRawPointer
    ) -> Bool {
        var rest = UInt64(UInt32(littleEndian: mask))
        rest |= rest &<< 32
        var seen: UInt8 = 0
        for at in 0..<count {
            let plain = start.load(fromByteOffset: at, as: UInt8.self) ^ UInt8(truncatingIfNeeded: rest)
            seen |= plain
            target.storeBytes(of: plain, toByteOffset: at, as: UInt8.self)
            rest &>>= 8
        }
        return seen < 0x80
    }

    /// The mask for what follows the next `count` bytes.
    @inline(__always)
    static func rotated(_ mask: UInt32, by count: Int) -> UInt32 {
        let bits = UInt32(truncatingIfNeeded: count & 3) &* 8
        if bits == 0 { return mask }
        let value = UInt32(littleEndian: mask)
        return (value &>> bits | value &<< (32 &- bits)).littleEndian
    }
}
