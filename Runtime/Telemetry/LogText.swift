/// Text from anywhere as text that is safe in a log line: escaped, cut, and without what looks like a credential.
enum LogText {
    /// Appends at most `room` bytes and a mark where it was cut. Works on any bytes; ill-formed UTF-8 becomes U+FFFD.
    static func append(_ text: UnsafeRawBufferPointer, to bytes: inout LineBuffer, room: Int) {
        var index = 0
        let end = bytes.count + max(0, room - 16)
        while index < text.count {
            guard bytes.count < end else {
                bytes.append("…" as StaticString)
                return
            }
            let plainEnd = plainEnd(text, from: index, to: min(text.count, index + end - bytes.count))
            if plainEnd > index {
                bytes.append(UnsafeRawBufferPointer(rebasing: text[index..<plainEnd]))
                index = plainEnd
                continue
            }
            let byte = text[index]
            if let length = Credential.length(in: text, at: index) {
                bytes.append("[redacted]" as StaticString)
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

    /// Up to where nothing needs an escape, and no credential may start.
    @inline(__always)
    private static func plainEnd(_ text: UnsafeRawBufferPointer, from start: Int, to end: Int) -> Int {
        var index = start
        while index < end {
            let byte = text[index]
            guard byte &- 0x20 < 0x5F, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") else { break }
            if index + 1 < text.count, Credential.mayStart(byte, text[index + 1]) { break }
            index += 1
        }
        return index
    }

    @inline(__always)
    private static func appendASCII(_ byte: UInt8, to bytes: inout LineBuffer) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(byte)
        case 0..<0x20, 0x7F: escape(UInt32(byte), to: &bytes)
        default: bytes.append(byte)
        }
    }

    /// One character, or one byte that is none; returns how many bytes it took.
    private static func appendMultibyte(_ text: UnsafeRawBufferPointer, at index: Int, to bytes: inout LineBuffer) -> Int {
        let rest = UnsafeRawBufferPointer(rebasing: text[index..<min(index + 4, text.count)])
        var decoder = UTF8()
        var iterator = rest.makeIterator()
        guard case .scalarValue(let scalar) = decoder.decode(&iterator) else {
            bytes.append("\u{FFFD}" as StaticString)
            return 1
        }
        let length = UTF8.width(scalar)
        if isHidden(scalar.value), scalar.value > 0xFFFF {
            // Two escapes, as JSON wants it.
            escape(0xD800 + (scalar.value - 0x10000) >> 10, to: &bytes)
            escape(0xDC00 + (scalar.value - 0x10000) & 0x3FF, to: &bytes)
        } else if isHidden(scalar.value) {
            escape(scalar.value, to: &bytes)
        } else {
            bytes.append(UnsafeRawBufferPointer(rebasing: rest[..<length]))
        }
        return length
    }

    /// C1 controls, separators, direction controls, zero-width characters, the byte-order mark, tags.
    private static func isHidden(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x80...0x9F, 0xAD, 0x61C, 0x180E, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB,
            0xE0000...0xE007F:
            true
        default: false
        }
    }

    private static func escape(_ scalar: UInt32, to bytes: inout LineBuffer) {
        bytes.append("\\u" as StaticString)
        for shift in [12, 8, 4, 0] as [UInt32] {
            let nibble = UInt8(truncatingIfNeeded: scalar >> shift) & 15
            bytes.append(nibble < 10 ? nibble + UInt8(ascii: "0") : nibble - 10 + UInt8(ascii: "a"))
        }
    }

    /// The longest number has 20 characters.
    static var numberLimit: Int { 20 }

    /// Answers how many characters it has.
    @inline(__always)
    static func write(_ value: Int, to target: UnsafeMutablePointer<UInt8>) -> Int {
        if value < 0 {
            target.pointee = UInt8(ascii: "-")
            return 1 + write(value.magnitude, radix: 10, to: target + 1)
        }
        return write(value.magnitude, radix: 10, to: target)
    }

    /// Without a leading zero; `radix` is 10 or 16, a literal, so that no division is left of it.
    @inline(__always)
    static func write(_ magnitude: UInt, radix: UInt, to target: UnsafeMutablePointer<UInt8>) -> Int {
        var digits = 1
        var rest = magnitude / radix
        while rest > 0 {
            digits += 1
            rest /= radix
        }
        rest = magnitude
        var index = digits
        while index > 0 {
            index -= 1
            let digit = UInt8(truncatingIfNeeded: rest % radix)
            target[index] = digit < 10 ? digit + UInt8(ascii: "0") : digit - 10 + UInt8(ascii: "a")
            rest /= radix
        }
        return digits
    }
}
