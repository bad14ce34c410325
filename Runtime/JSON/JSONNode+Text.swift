import Glibc

extension JSONNode {
    @inline(__always) var isString: Bool { kind == .string || kind == .escaped }
    @inline(__always) var isNumber: Bool { kind == .integer || kind == .decimal }

    @inline(__always)
    func slice(in base: UnsafePointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: base + Int(start), count: Int(length))
    }

    /// The text of a string node, escapes resolved.
    @inline(__always)
    func text(in base: UnsafePointer<UInt8>) -> String {
        guard kind == .string else { return slice(in: base).unescaped }
        // The scan has checked every sequence; checking again would be a third of the work of a short string.
        return String(copying: UTF8Span(unchecked: Span(_unsafeElements: slice(in: base)), isKnownASCII: isASCII))
    }

    /// Whether two string nodes mean the same text, byte for byte.
    @inline(__always)
    func isSameString(as other: JSONNode, in base: UnsafePointer<UInt8>) -> Bool {
        guard kind == .string, other.kind == .string else { return meansSame(as: other, in: base) }
        return length == other.length && isSameBytes(base + Int(start), base + Int(other.start), Int(length))
    }

    /// Whether this string node means `name`, byte for byte.
    @inline(__always)
    func isString(_ name: UnsafeBufferPointer<UInt8>, in base: UnsafePointer<UInt8>) -> Bool {
        guard kind == .string else { return means(name, in: base) }
        guard name.count == Int(length), let other = name.baseAddress else { return length == 0 && name.isEmpty }
        return isSameBytes(base + Int(start), other, Int(length))
    }

    // Escapes are resolved on the way and only as far as the texts agree, so that a name made of escapes costs no copy.

    @inline(never)
    private func meansSame(as other: JSONNode, in base: UnsafePointer<UInt8>) -> Bool {
        var left = JSONEscapedBytes(slice(in: base))
        var right = JSONEscapedBytes(other.slice(in: base))
        while true {
            let byte = left.next()
            guard byte == right.next() else { return false }
            if byte == nil { return true }
        }
    }

    @inline(never)
    private func means(_ name: UnsafeBufferPointer<UInt8>, in base: UnsafePointer<UInt8>) -> Bool {
        var source = JSONEscapedBytes(slice(in: base))
        for expected in name where source.next() != expected { return false }
        return source.next() == nil
    }
}

/// A member name. Two are the same when their bytes are; `String` would also take composed and decomposed letters for one another.
struct JSONName: Hashable {
    let text: String

    init(_ text: String) { self.text = text }

    static func == (left: Self, right: Self) -> Bool { left.text == right.text && left.text.utf8.elementsEqual(right.text.utf8) }

    func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

/// The bytes that the text between two quotes stands for. The text was checked before; whatever else it holds is passed over, never trapped on.
struct JSONEscapedBytes {
    private let text: UnsafeBufferPointer<UInt8>
    private var index = 0
    /// Bytes of a character that was escaped and is not all handed out yet, the next one lowest; they are never 0.
    private var pending: UInt32 = 0

    init(_ text: UnsafeBufferPointer<UInt8>) { self.text = text }

    @inline(__always)
    mutating func next() -> UInt8? {
        if pending != 0 {
            let byte = UInt8(truncatingIfNeeded: pending)
            pending &>>= 8
            return byte
        }
        guard index < text.count else { return nil }
        let byte = text[index]
        index &+= 1
        return byte == UInt8(ascii: "\\") && index < text.count ? escaped() : byte
    }

    /// Copies all that comes before the next escape in one go, and answers how much that was.
    mutating func copyPlain(to target: UnsafeMutablePointer<UInt8>, atMost limit: Int) -> Int {
        guard pending == 0, index < text.count, let base = text.baseAddress else { return 0 }
        let start = base + index
        let escape = memchr(start, Int32(UInt8(ascii: "\\")), text.count &- index)
        let count = min(escape.map { UnsafeRawPointer($0) - UnsafeRawPointer(start) } ?? text.count &- index, limit)
        memcpy(target, start, count)
        index &+= count
        return count
    }

    @inline(never)
    private mutating func escaped() -> UInt8 {
        let letter = text[index]
        index &+= 1
        switch letter {
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"):
            var scalar = text.hexUnit(at: index) ?? 0xFFFD
            index &+= 4
            if scalar & 0xFC00 == 0xD800, let low = text.hexUnit(at: index &+ 2) {
                scalar = 0x10000 &+ (scalar & 0x3FF) &<< 10 &+ (low & 0x3FF)
                index &+= 6
            }
            return encoded(scalar)
        default: return letter
        }
    }

    /// The first byte of the scalar's UTF-8; the others wait.
    private mutating func encoded(_ scalar: UInt32) -> UInt8 {
        func low(_ shift: UInt32) -> UInt32 { 0x80 | (scalar &>> shift) & 0x3F }
        if scalar < 0x80 { return UInt8(truncatingIfNeeded: scalar) }
        if scalar < 0x800 {
            pending = low(0)
            return UInt8(truncatingIfNeeded: 0xC0 | scalar &>> 6)
        }
        if scalar < 0x10000 {
            pending = low(6) | low(0) &<< 8
            return UInt8(truncatingIfNeeded: 0xE0 | scalar &>> 12)
        }
        pending = low(12) | low(6) &<< 8 | low(0) &<< 16
        return UInt8(truncatingIfNeeded: 0xF0 | scalar &>> 18)
    }
}

/// Names are short: sixteen bytes are compared by two words that may overlap, without a call.
@inline(__always)
private func isSameBytes(_ left: UnsafePointer<UInt8>, _ right: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    func same<Word: FixedWidthInteger>(_ type: Word.Type, _ offset: Int) -> Bool {
        UnsafeRawPointer(left + offset).loadUnaligned(as: type) == UnsafeRawPointer(right + offset).loadUnaligned(as: type)
    }
    if count > 16 { return memcmp(left, right, count) == 0 }
    if count >= 8 { return same(UInt64.self, 0) && same(UInt64.self, count &- 8) }
    if count >= 4 { return same(UInt32.self, 0) && same(UInt32.self, count &- 4) }
    if count >= 2 { return same(UInt16.self, 0) && same(UInt16.self, count &- 2) }
    return count == 0 || left[0] == right[0]
}

extension UInt8 {
    @inline(__always) var isDigit: Bool { self &- UInt8(ascii: "0") < 10 }
}

extension UnsafeBufferPointer<UInt8> {
    /// The text that these bytes stand for between quotes.
    var unescaped: String {
        // Never longer than the source: the shortest escape has two bytes, and six stand for at most three.
        String(unsafeUninitializedCapacity: count) { target in
            guard let base = target.baseAddress else { return 0 }
            var source = JSONEscapedBytes(self)
            var count = 0
            while count < target.count {
                count &+= source.copyPlain(to: base + count, atMost: target.count &- count)
                guard count < target.count, let byte = source.next() else { break }
                target[count] = byte
                count &+= 1
            }
            return count
        }
    }

    /// Four hex digits at `index`, or `nil`.
    func hexUnit(at index: Int) -> UInt32? {
        guard index >= 0, index <= count &- 4 else { return nil }
        var unit: UInt32 = 0
        for offset in 0..<4 {
            let byte = self[index &+ offset]
            let digit: UInt8
            if byte.isDigit {
                digit = byte &- UInt8(ascii: "0")
            } else if (byte | 0x20) &- UInt8(ascii: "a") < 6 {
                digit = (byte | 0x20) &- UInt8(ascii: "a") &+ 10
            } else {
                return nil
            }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }
}
