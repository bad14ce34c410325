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
        kind == .string ? String(decoding: slice(in: base), as: UTF8.self) : unescaped(in: base)
    }

    @inline(never)
    private func unescaped(in base: UnsafePointer<UInt8>) -> String {
        let slice = slice(in: base)
        return String(unsafeUninitializedCapacity: slice.count) { slice.unescape(into: $0) }
    }

    /// Whether two string nodes mean the same text, byte for byte.
    @inline(__always)
    func isSameString(as other: JSONNode, in base: UnsafePointer<UInt8>) -> Bool {
        if kind == .string, other.kind == .string {
            guard length == other.length else { return false }
            return length == 0
                || base[Int(start)] == base[Int(other.start)]
                    && memcmp(base + Int(start), base + Int(other.start), Int(length)) == 0
        }
        return JSONName(text(in: base)) == JSONName(other.text(in: base))
    }

    /// Whether this string node means `name`, byte for byte.
    @inline(__always)
    func isString(_ name: UnsafeBufferPointer<UInt8>, in base: UnsafePointer<UInt8>) -> Bool {
        guard kind == .string else { return text(in: base).utf8.elementsEqual(name) }
        guard name.count == Int(length), let other = name.baseAddress, length > 0 else { return length == 0 && name.isEmpty }
        return base[Int(start)] == other[0] && memcmp(base + Int(start), other, Int(length)) == 0
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

extension UInt8 {
    @inline(__always) var isDigit: Bool { self &- UInt8(ascii: "0") < 10 }
}

extension UnsafeBufferPointer<UInt8> {
    /// Four hex digits at `index`, or `nil`.
    func hexUnit(at index: Int) -> UInt32? {
        guard index >= 0, index <= count &- 4 else { return nil }
        var unit: UInt32 = 0
        for offset in 0..<4 {
            let digit: UInt8
            switch self[index &+ offset] {
            case let byte where byte.isDigit: digit = byte &- UInt8(ascii: "0")
            case let byte where (byte | 0x20) &- UInt8(ascii: "a") < 6: digit = (byte | 0x20) &- UInt8(ascii: "a") &+ 10
            default: return nil
            }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }

    /// Writes the text these bytes stand for between quotes; they were checked before. The result is never longer than the source.
    func unescape(into target: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var read = 0
        var written = 0
        func put(_ byte: UInt8) {
            guard written < target.count else { return }
            target[written] = byte
            written &+= 1
        }
        while read < count {
            let byte = self[read]
            guard byte == UInt8(ascii: "\\"), read &+ 1 < count else {
                put(byte)
                read &+= 1
                continue
            }
            read &+= 2
            switch self[read &- 1] {
            case UInt8(ascii: "b"): put(0x08)
            case UInt8(ascii: "f"): put(0x0C)
            case UInt8(ascii: "n"): put(0x0A)
            case UInt8(ascii: "r"): put(0x0D)
            case UInt8(ascii: "t"): put(0x09)
            case UInt8(ascii: "u"):
                var value = hexUnit(at: read) ?? 0xFFFD
                read &+= 4
                if value & 0xFC00 == 0xD800, let low = hexUnit(at: read &+ 2) {
                    value = 0x10000 &+ (value & 0x3FF) << 10 &+ (low & 0x3FF)
                    read &+= 6
                }
                for byte in String(Unicode.Scalar(value) ?? "\u{FFFD}").utf8 { put(byte) }
            case let other: put(other)
            }
        }
        return written
    }
}
