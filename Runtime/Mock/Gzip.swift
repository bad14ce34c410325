/// The gzip format (RFC 1952) with stored blocks: nothing gets smaller, but a reader has to unpack it. Every part can be written on
/// its own, so that a stream stays one.
struct Gzip {
    private var checksum: UInt32 = 0xFFFF_FFFF
    private var size: UInt32 = 0

    /// What the file starts with.
    static let head: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF]

    /// Stored blocks that hold these bytes; none is the last.
    mutating func part(_ bytes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count + 5 * (bytes.count / 0xFFFF + 1))
        var at = 0
        while at < bytes.count {
            let count = min(bytes.count - at, 0xFFFF)
            Gzip.append(count, last: false, to: &out)
            out += bytes[at..<at + count]
            at += count
        }
        for byte in bytes { checksum = Gzip.table[Int((checksum ^ UInt32(byte)) & 0xFF)] ^ (checksum >> 8) }
        size &+= UInt32(truncatingIfNeeded: bytes.count)
        return out
    }

    /// An empty last block, and the sums.
    func end() -> [UInt8] {
        var out: [UInt8] = []
        Gzip.append(0, last: true, to: &out)
        for word in [~checksum, size] {
            for shift in stride(from: 0, to: 32, by: 8) { out.append(UInt8(truncatingIfNeeded: word >> UInt32(shift))) }
        }
        return out
    }

    private static func append(_ count: Int, last: Bool, to out: inout [UInt8]) {
        let low = UInt8(truncatingIfNeeded: count)
        let high = UInt8(truncatingIfNeeded: count >> 8)
        out += [last ? 1 : 0, low, high, ~low, ~high]
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
    }
}
