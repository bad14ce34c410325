/// One character reference: how many bytes it takes in the text, and the up to eight bytes of UTF-8 it stands for.
struct HTMLReference {
    /// Bytes of the text, from the ampersand on; 0 when there is no reference there.
    var length = 0
    /// UTF-8, the first byte lowest.
    var packed: UInt64 = 0
    var count = 0

    static let none = HTMLReference()

    /// Reads the reference that begins with the ampersand at `start`, as the standard does it.
    ///
    /// - Parameter inAttribute: a name without its semicolon, before `=`, a letter or a digit, stays text: `?a=1&copy=2`.
    static func read(
        _ base: UnsafePointer<UInt8>, from start: Int, to end: Int, inAttribute: Bool
    ) -> HTMLReference {
        let first = start + 1
        guard first < end else { return none }
        let byte = base[first]
        if byte == UInt8(ascii: "#") { return numeric(base, from: start, to: end) }
        guard byte.isASCIILetter else { return none }
        if let usual = usual(base, first, end) { return usual }
        return named(base, from: start, to: end, inAttribute: inAttribute)
    }

    // MARK: Numbers

    private static func numeric(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> HTMLReference {
        var at = start + 2
        var value: UInt32 = 0
        let isHex = at < end && base[at] | 0x20 == UInt8(ascii: "x")
        if isHex { at += 1 }
        let digits = at
        while at < end, let digit = base[at].digit(hex: isHex) {
            // Beyond the last code point it no longer matters how far.
            if value <= 0x10FFFF { value = value &* (isHex ? 16 : 10) &+ UInt32(digit) }
            at += 1
        }
        guard at > digits else { return none }
        if at < end, base[at] == UInt8(ascii: ";") { at += 1 }
        var reference = HTMLReference(length: at - start)
        reference.append(replaced(value))
        return reference
    }

    /// The standard's replacements: no NUL, no surrogates, nothing beyond Unicode, and windows-1252 for C1.
    private static func replaced(_ value: UInt32) -> UInt32 {
        switch value {
        case 0, 0xD800...0xDFFF, 0x110000...: 0xFFFD
        case 0x80...0x9F: c1(value)
        default: value
        }
    }

    private static func c1(_ value: UInt32) -> UInt32 {
        switch value {
        case 0x80: 0x20AC
        case 0x82: 0x201A
        case 0x83: 0x0192
        case 0x84: 0x201E
        case 0x85: 0x2026
        case 0x86: 0x2020
        case 0x87: 0x2021
        case 0x88: 0x02C6
        case 0x89: 0x2030
        case 0x8A: 0x0160
        case 0x8B: 0x2039
        case 0x8C: 0x0152
        case 0x8E: 0x017D
        case 0x91: 0x2018
        case 0x92: 0x2019
        case 0x93: 0x201C
        case 0x94: 0x201D
        case 0x95: 0x2022
        case 0x96: 0x2013
        case 0x97: 0x2014
        case 0x98: 0x02DC
        case 0x99: 0x2122
        case 0x9A: 0x0161
        case 0x9B: 0x203A
        case 0x9C: 0x0153
        case 0x9E: 0x017E
        case 0x9F: 0x0178
        default: value
        }
    }

    private mutating func append(_ value: UInt32) {
        switch value {
        case 0..<0x80: append(UInt8(truncatingIfNeeded: value))
        case 0x80..<0x800:
            append(UInt8(truncatingIfNeeded: 0xC0 | value >> 6))
            append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        case 0x800..<0x10000:
            append(UInt8(truncatingIfNeeded: 0xE0 | value >> 12))
            append(UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F))
            append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        default:
            append(UInt8(truncatingIfNeeded: 0xF0 | value >> 18))
            append(UInt8(truncatingIfNeeded: 0x80 | value >> 12 & 0x3F))
            append(UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F))
            append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        }
    }

    private mutating func append(_ byte: UInt8) {
        packed |= UInt64(byte) << UInt64(count * 8)
        count += 1
    }

    // MARK: Names

    /// The references that nearly every text uses, with their semicolon.
    @inline(__always)
    private static func usual(_ base: UnsafePointer<UInt8>, _ first: Int, _ end: Int) -> HTMLReference? {
        guard end - first >= 3 else { return nil }
        let two = UInt16(base[first]) << 8 | UInt16(base[first + 1])
        let third = base[first + 2]
        switch two {
        case 0x6C74 where third == UInt8(ascii: ";"): return HTMLReference(length: 4, packed: 0x3C, count: 1)
        case 0x6774 where third == UInt8(ascii: ";"): return HTMLReference(length: 4, packed: 0x3E, count: 1)
        case 0x616D where third == UInt8(ascii: "p") && end - first >= 4 && base[first + 3] == UInt8(ascii: ";"):
            return HTMLReference(length: 5, packed: 0x26, count: 1)
        case 0x7175
        where third == UInt8(ascii: "o") && end - first >= 5 && base[first + 3] == UInt8(ascii: "t")
            && base[first + 4] == UInt8(ascii: ";"):
            return HTMLReference(length: 6, packed: 0x22, count: 1)
        default: return nil
        }
    }

    /// The longest name of the table that the text begins with.
    private static func named(
        _ base: UnsafePointer<UInt8>, from start: Int, to end: Int, inAttribute: Bool
    ) -> HTMLReference {
        let table = HTMLReferenceRecords()
        var low = table.first(of: base[start + 1])
        var high = table.first(of: base[start + 1] + 1)
        var depth = 1
        var best = none
        // No name is a single letter.
        while low < high, start + 1 + depth < end {
            let byte = base[start + 1 + depth]
            guard byte.isASCIILetterOrDigit else { break }
            table.narrow(&low, &high, at: depth, to: byte)
            depth += 1
            guard low < high else { break }
            // The shortest name comes first: it is whole when it is as long as what was read.
            let record = table.offset(low)
            guard table.nameLength(record) == depth else { continue }
            let after = start + 1 + depth
            if after < end, base[after] == UInt8(ascii: ";") {
                best = table.reference(record, length: depth + 2)
                break
            }
            if table.needsNoSemicolon(record) {
                let blocked =
                    inAttribute && after < end
                    && (base[after] == UInt8(ascii: "=") || base[after].isASCIILetterOrDigit)
                best = blocked ? none : table.reference(record, length: depth + 1)
            }
        }
        return best
    }
}

/// Reads the records of the table of names. Every index comes from the table itself.
private struct HTMLReferenceRecords {
    private let records = HTMLReferenceTable.records.utf8Start
    private let letters = HTMLReferenceTable.letters.utf8Start
    private let offsets = HTMLReferenceTable.offsets.utf8Start

    @inline(__always)
    func offset(_ index: Int) -> Int {
        let at = index * 3
        return Int(offsets[at] &- 0x30) << 12 | Int(offsets[at + 1] &- 0x30) << 6 | Int(offsets[at + 2] &- 0x30)
    }

    /// The first name that begins with a letter, or with the character behind the last letter.
    @inline(__always)
    func first(of letter: UInt8) -> Int {
        let at = min(Int(letter &- UInt8(ascii: "A")), 58) * 2
        return Int(letters[at] &- 0x30) << 6 | Int(letters[at + 1] &- 0x30)
    }

    @inline(__always)
    func nameLength(_ record: Int) -> Int { Int(records[record] &- 0x30) }

    @inline(__always)
    func needsNoSemicolon(_ record: Int) -> Bool { records[record + 1] >= UInt8(ascii: "a") }

    /// The byte of a name, or 0 behind its end, which sorts first.
    @inline(__always)
    private func byte(_ index: Int, _ depth: Int) -> UInt8 {
        let record = offset(index)
        return depth < nameLength(record) ? records[record + 2 + depth] : 0
    }

    /// Keeps of the names `low..<high` those that have `byte` at `depth`.
    @inline(__always)
    func narrow(_ low: inout Int, _ high: inout Int, at depth: Int, to wanted: UInt8) {
        var end = high
        // The first name that is not before `wanted` …
        while low < end {
            let middle = (low + end) >> 1
            if byte(middle, depth) < wanted { low = middle + 1 } else { end = middle }
        }
        // … and the first one behind it.
        end = high
        var start = low
        while start < end {
            let middle = (start + end) >> 1
            if byte(middle, depth) <= wanted { start = middle + 1 } else { end = middle }
        }
        high = start
    }

    func reference(_ record: Int, length: Int) -> HTMLReference {
        var reference = HTMLReference(length: length)
        reference.count = Int((records[record + 1] | 0x20) &- UInt8(ascii: "a")) + 1
        let start = record + 2 + nameLength(record)
        for index in 0..<reference.count {
            reference.packed |= UInt64(records[start + index]) << UInt64(index * 8)
        }
        return reference
    }
}

extension UInt8 {
    @inline(__always)
    var isASCIILetter: Bool { (self | 0x20) &- 0x61 < 26 }

    @inline(__always)
    var isASCIILetterOrDigit: Bool { isASCIILetter || self &- 0x30 < 10 }

    /// Space, tab, line feed, form feed; a carriage return counts as the line feed it becomes.
    @inline(__always)
    var isHTMLSpace: Bool { self == 0x20 || self == 0x0A || self == 0x09 || self == 0x0D || self == 0x0C }

    @inline(__always)
    var asciiLowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }

    @inline(__always)
    fileprivate func digit(hex: Bool) -> UInt8? {
        if self &- 0x30 < 10 { return self &- 0x30 }
        let letter = (self | 0x20) &- 0x61
        return hex && letter < 6 ? letter + 10 : nil
    }
}
