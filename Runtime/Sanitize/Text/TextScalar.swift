/// What the filter and the normaliser ask about one Unicode scalar.
struct TextScalar: OptionSet {
    let rawValue: UInt8

    /// A combining mark.
    static let mark = TextScalar(rawValue: 1)
    /// May change in, or be moved by, normalisation form C. Text without such scalars is in that form.
    static let unstable = TextScalar(rawValue: 2)
    /// A letter or mark of a script that uses joiners.
    static let joining = TextScalar(rawValue: 4)
    /// May stand in an emoji of several scalars.
    static let pictographic = TextScalar(rawValue: 8)
    /// Dropped, or kept only in some company.
    static let special = TextScalar(rawValue: 16)
    static let virama = TextScalar(rawValue: 32)

    @inline(__always)
    static func of(_ value: UInt32) -> TextScalar {
        guard value < TextTables.end else { return ofUpperPlanes(value) }
        let block = number(TextTables.flagIndex, Int(value >> 6))
        return TextScalar(rawValue: (TextTables.flagBlocks.utf8Start + (block << 6 | Int(value & 63))).pointee & 0x3F)
    }

    private static func ofUpperPlanes(_ value: UInt32) -> TextScalar {
        value >= 0xE0000 && value <= 0xE0FFF || value & 0xFFFE == 0xFFFE ? .special : []
    }

    /// The canonical combining class.
    @inline(__always)
    static func combiningClass(_ value: UInt32) -> UInt8 {
        guard value < TextTables.end else { return 0 }
        let block = number(TextTables.classIndex, Int(value >> 6))
        let position = (TextTables.classBlocks.utf8Start + (block << 6 | Int(value & 63))).pointee & 0x3F
        // Positions keep the order of the classes, and order is all that normalisation asks for.
        return position
    }

    /// A two-digit number in base 60. The tables are as long as `end` says; a test reads every entry.
    @inline(__always)
    private static func number(_ index: StaticString, _ position: Int) -> Int {
        let digits = index.utf8Start + position * 2
        return Int(digits.pointee & 0x7F &- 0x40) &* 60 &+ Int(digits[1] & 0x7F &- 0x40)
    }
}

/// Well-formed UTF-8, scalar by scalar. Only for bytes that came out of a `String`.
struct TextReader {
    let bytes: UnsafeBufferPointer<UInt8>

    /// The scalar at a position and its length. U+0000 and 1 at the end and on anything that is no lead byte.
    @inline(__always)
    func scalar(at index: Int) -> (value: UInt32, length: Int) {
        guard index < bytes.count else { return (0, 1) }
        let lead = UInt32(bytes[index])
        if lead < 0x80 { return (lead, 1) }
        if lead < 0xE0 {
            guard index + 1 < bytes.count else { return (0, 1) }
            return ((lead & 0x1F) << 6 | UInt32(bytes[index + 1] & 0x3F), 2)
        }
        if lead < 0xF0 {
            guard index + 2 < bytes.count else { return (0, 1) }
            return ((lead & 0x0F) << 12 | UInt32(bytes[index + 1] & 0x3F) << 6 | UInt32(bytes[index + 2] & 0x3F), 3)
        }
        guard index + 3 < bytes.count else { return (0, 1) }
        let upper = (lead & 0x07) << 18 | UInt32(bytes[index + 1] & 0x3F) << 12
        return (upper | UInt32(bytes[index + 2] & 0x3F) << 6 | UInt32(bytes[index + 3] & 0x3F), 4)
    }

    @inline(__always)
    static func append(_ value: UInt32, to out: inout [UInt8]) {
        switch value {
        case ..<0x80:
            out.append(UInt8(truncatingIfNeeded: value))
        case ..<0x800:
            out.append(UInt8(truncatingIfNeeded: 0xC0 | value >> 6))
            out.append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        case ..<0x10000:
            out.append(UInt8(truncatingIfNeeded: 0xE0 | value >> 12))
            out.append(UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F))
            out.append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        default:
            out.append(UInt8(truncatingIfNeeded: 0xF0 | value >> 18))
            out.append(UInt8(truncatingIfNeeded: 0x80 | value >> 12 & 0x3F))
            out.append(UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F))
            out.append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        }
    }

    /// Writes a scalar where at least four bytes are free; answers its length.
    @inline(__always)
    static func write(_ value: UInt32, to out: UnsafeMutableBufferPointer<UInt8>, at index: Int) -> Int {
        switch value {
        case ..<0x80:
            out[index] = UInt8(truncatingIfNeeded: value)
            return 1
        case ..<0x800:
            out[index] = UInt8(truncatingIfNeeded: 0xC0 | value >> 6)
            out[index + 1] = UInt8(truncatingIfNeeded: 0x80 | value & 0x3F)
            return 2
        case ..<0x10000:
            out[index] = UInt8(truncatingIfNeeded: 0xE0 | value >> 12)
            out[index + 1] = UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F)
            out[index + 2] = UInt8(truncatingIfNeeded: 0x80 | value & 0x3F)
            return 3
        default:
            out[index] = UInt8(truncatingIfNeeded: 0xF0 | value >> 18)
            out[index + 1] = UInt8(truncatingIfNeeded: 0x80 | value >> 12 & 0x3F)
            out[index + 2] = UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F)
            out[index + 3] = UInt8(truncatingIfNeeded: 0x80 | value & 0x3F)
            return 4
        }
    }
}
