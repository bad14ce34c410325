/// Text from anywhere as text that is safe in a log line: escaped, cut, and without what looks like a credential.
enum LogText {
    /// Appends at most `room` bytes and a mark where it was cut. Works on any bytes; ill-formed UTF-8 becomes U+FFFD.
    static func append(_ text: UnsafeRawBufferPointer, to bytes: inout [UInt8], room: Int) {
        var index = 0
        let end = bytes.count + max(0, room - 16)
        while index < text.count {
            guard bytes.count < end else {
                bytes.append(contentsOf: "…".utf8)
                return
            }
            let byte = text[index]
            if Credential.mayStart(byte), let length = Credential.length(in: text, at: index) {
                bytes.append(contentsOf: "[redacted]".utf8)
                index += length
                continue
            }
            if byte < 0x80 {
                appendASCII(byte, to: &bytes)
                index += 1
            } else {
                index += appendMultibyte(text, at: index, to: &bytes)
            }
        }
    }

    @inline(__always)
    private static func appendASCII(_ byte: UInt8, to bytes: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(byte)
        case 0..<0x20, 0x7F: escape(UInt32(byte), to: &bytes)
        default: bytes.append(byte)
        }
    }

    /// One character, or one byte that is none; returns how many bytes it took.
    private static func appendMultibyte(_ text: UnsafeRawBufferPointer, at index: Int, to bytes: inout [UInt8]) -> Int {
        let rest = UnsafeRawBufferPointer(rebasing: text[index..<min(index + 4, text.count)])
        var decoder = UTF8()
        var iterator = rest.makeIterator()
        guard case .scalarValue(let scalar) = decoder.decode(&iterator) else {
            bytes.append(contentsOf: "\u{FFFD}".utf8)
            return 1
        }
        let length = UTF8.width(scalar)
        if isHidden(scalar.value) {
            escape(scalar.value, to: &bytes)
        } else {
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest[..<length]))
        }
        return length
    }

    /// C1 controls, separators, direction controls, zero-width characters, the byte-order mark.
    private static func isHidden(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x80...0x9F, 0xAD, 0x61C, 0x180E, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: true
        default: false
        }
    }

    private static func escape(_ scalar: UInt32, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "\\u".utf8)
        for shift in [12, 8, 4, 0] as [UInt32] {
            let nibble = UInt8(truncatingIfNeeded: scalar >> shift) & 15
            bytes.append(nibble < 10 ? nibble + UInt8(ascii: "0") : nibble - 10 + UInt8(ascii: "a"))
        }
    }

    static func append(_ value: Int, to bytes: inout [UInt8]) {
        if value < 10, value >= 0 { return bytes.append(UInt8(truncatingIfNeeded: value) + 0x30) }
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        var magnitude = value.magnitude
        let start = bytes.count
        repeat {
            bytes.append(UInt8(truncatingIfNeeded: magnitude % 10) + 0x30)
            magnitude /= 10
        } while magnitude > 0
        bytes[start...].reverse()
    }
}
