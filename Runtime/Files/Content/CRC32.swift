/// The checksum of PNG and zip, eight bytes at a time.
enum CRC32 {
    /// Table `n` says what a byte does that stands `n` bytes before the end of a step.
    private static let tables: [UInt32] = {
        var out = [UInt32](repeating: 0, count: 8 * 256)
        for index in 0..<256 {
            var value = UInt32(index)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
            out[index] = value
        }
        for index in 256..<(8 * 256) { out[index] = out[index - 256] >> 8 ^ out[Int(out[index - 256] & 0xFF)] }
        return out
    }()

    /// Starts with `~0`; the checksum is the complement of the last value.
    static func update(_ start: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard let base = bytes.baseAddress else { return start }
        return tables.withUnsafeBufferPointer { table -> UInt32 in
            guard let table = table.baseAddress else { return start }
            var crc = start
            var at = 0
            while at &+ 8 <= bytes.count {
                let low = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt32.self)) ^ crc
                let high = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: at &+ 4, as: UInt32.self))
                let first =
                    table[1_792 &+ Int(low & 0xFF)] ^ table[1_536 &+ Int(low &>> 8 & 0xFF)]
                    ^ table[1_280 &+ Int(low &>> 16 & 0xFF)] ^ table[1_024 &+ Int(low &>> 24)]
                let second =
                    table[768 &+ Int(high & 0xFF)] ^ table[512 &+ Int(high &>> 8 & 0xFF)]
                    ^ table[256 &+ Int(high &>> 16 & 0xFF)] ^ table[Int(high &>> 24)]
                crc = first ^ second
                at &+= 8
            }
            while at < bytes.count {
                crc = table[Int((crc ^ UInt32(base.load(fromByteOffset: at, as: UInt8.self))) & 0xFF)] ^ crc &>> 8
                at &+= 1
            }
            return crc
        }
    }
}
