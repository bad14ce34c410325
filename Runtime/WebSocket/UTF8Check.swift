/// Checks UTF-8 that comes in pieces cut anywhere, and says no with the first byte that no continuation can repair.
struct UTF8Check: Sendable {
    /// Continuation bytes that the character under way still lacks.
    private var missing: UInt8 = 0
    /// What the next continuation byte may be: after some first bytes only part of 80…BF, which keeps out overlong forms, surrogates
    /// and what lies beyond U+10FFFF.
    private var low: UInt8 = 0x80
    private var high: UInt8 = 0xBF

    /// Whether the text may end here.
    @inline(__always)
    var isBetweenCharacters: Bool { missing == 0 }

    /// Goes on with `bytes`; false when the text is not UTF-8, whatever follows.
    mutating func accepts(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress else { return true }
        let count = bytes.count
        var at = 0
        while at < count {
            if missing == 0 {
                while at &+ 8 <= count {
                    let word = UInt64(littleEndian: start.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                    let high = word & 0x8080_8080_8080_8080
                    at &+= high.trailingZeroBitCount &>> 3
                    if high != 0 { break }
                }
                at = Self.skipUsual(start, from: at, count)
                guard at < count else { return true }
                let byte = start.load(fromByteOffset: at, as: UInt8.self)
                at &+= 1
                guard byte < 0x80 || begins(byte) else { return false }
            }
            while missing > 0 {
                guard at < count else { return true }
                let byte = start.load(fromByteOffset: at, as: UInt8.self)
                guard byte >= low, byte <= high else { return false }
                at &+= 1
                missing &-= 1
                low = 0x80
                high = 0xBF
            }
        }
        return true
    }

    /// Leaves out whole characters of two and three bytes as long as one follows the other.
    @inline(__always)
    private static func skipUsual(_ start: UnsafeRawPointer, from first: Int, _ count: Int) -> Int {
        var at = first
        while at &+ 4 <= count {
            let word = UInt32(littleEndian: start.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            if word & 0x00C0_C0F0 == 0x0080_80E0 {
                // The four bits that tell overlong forms (none set after E0) and surrogates (ED, and the highest set).
                let edge = word & 0x0000_200F
                if edge == 0 || edge == 0x200D { return at }
                at &+= 3
            } else if word & 0x0000_C0E0 == 0x0000_80C0, word & 0x1E != 0 {
                at &+= 2
            } else {
                return at
            }
        }
        return at
    }

    /// Takes the first byte of a character that is not ASCII.
    @inline(__always)
    private mutating func begins(_ byte: UInt8) -> Bool {
        switch byte {
        case 0xC2...0xDF: missing = 1
        case 0xE0...0xEF:
            missing = 2
            if byte == 0xE0 { low = 0xA0 }
            if byte == 0xED { high = 0x9F }
        case 0xF0...0xF4:
            missing = 3
            if byte == 0xF0 { low = 0x90 }
            if byte == 0xF4 { high = 0x8F }
        default: return false
        }
        return true
    }
}
