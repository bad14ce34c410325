/// Pieces of JSON text, appended to bytes.
public enum JSONText {
    public enum Escaping: Sendable {
        /// What RFC 8259 asks for.
        case required
        /// Also everything that could make a line look like something else to a terminal or a reader: all controls, line and paragraph
        /// separators, direction controls, zero-width characters and the byte-order mark.
        case forLogs
    }

    /// A string with its quotes.
    public static func append(string: String, to bytes: inout [UInt8], escaping: Escaping = .required) {
        JSONBuffer.append(to: &bytes) { append(string: string, to: &$0, escaping: escaping) }
    }

    public static func append(_ value: some BinaryInteger, to bytes: inout [UInt8]) {
        if let value = Int64(exactly: value) {
            JSONBuffer.append(to: &bytes) { append(integer: value, to: &$0) }
        } else {
            bytes.append(contentsOf: String(value).utf8)
        }
    }

    /// A finite number, shortest form that reads back as the same. Non-finite ones become `null`; the encoder refuses them before.
    public static func append(_ value: Double, to bytes: inout [UInt8]) {
        JSONBuffer.append(to: &bytes) { append(value, to: &$0) }
    }

    // MARK: Strings

    @inline(__always)
    static func append(string: String, to buffer: inout JSONBuffer, escaping: Escaping = .required) {
        string.utf8.span.withUnsafeBufferPointer { append(utf8: $0, to: &buffer, escaping: escaping) }
    }

    /// Valid UTF-8 as a string with its quotes.
    @inline(__always)
    static func append(utf8: UnsafeBufferPointer<UInt8>, to buffer: inout JSONBuffer, escaping: Escaping) {
        // Room for all of it when nothing needs an escape: the common case checks once.
        var target = buffer.room(utf8.count &+ 2)
        target.pointee = UInt8(ascii: "\"")
        target += 1
        guard let source = utf8.baseAddress else {
            target.pointee = UInt8(ascii: "\"")
            return buffer.wrote(2)
        }
        let count = utf8.count
        var index = 0
        if escaping == .required {
            while index &+ 8 <= count {
                let word = UnsafeRawPointer(source + index).loadUnaligned(as: UInt64.self)
                if JSONText.flags(word) != 0 { break }
                UnsafeMutableRawPointer(target + index).storeBytes(of: word, as: UInt64.self)
                index &+= 8
            }
        }
        while index < count, JSONText.isPlain(source[index], escaping) {
            target[index] = source[index]
            index &+= 1
        }
        buffer.wrote(index &+ 1)
        if index == count {
            target[index] = UInt8(ascii: "\"")
            return buffer.wrote(1)
        }
        append(rest: utf8, from: index, to: &buffer, escaping: escaping)
    }

    /// Not zero when one of eight bytes is a quote, a backslash or a control.
    @inline(__always)
    private static func flags(_ word: UInt64) -> UInt64 {
        // Bytes above 0x7F need no escape, so their own top bit is taken out.
        let quote = word ^ 0x2222_2222_2222_2222
        let slash = word ^ 0x5C5C_5C5C_5C5C_5C5C
        return ((word &- 0x2020_2020_2020_2020) | (quote &- 0x0101_0101_0101_0101) | (slash &- 0x0101_0101_0101_0101)) & ~word
            & 0x8080_8080_8080_8080
    }

    @inline(__always)
    private static func isPlain(_ byte: UInt8, _ escaping: Escaping) -> Bool {
        if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return false }
        return escaping == .required || byte < 0x7F
    }

    /// The slow way: from the first byte on that may need an escape, with the closing quote.
    @inline(never)
    private static func append(
        rest utf8: UnsafeBufferPointer<UInt8>, from start: Int, to buffer: inout JSONBuffer, escaping: Escaping
    ) {
        var index = start
        while index < utf8.count {
            var end = index
            while end < utf8.count, isPlain(utf8[end], escaping) { end &+= 1 }
            buffer.append(contentsOf: UnsafeBufferPointer(rebasing: utf8[index..<end]))
            index = end
            guard index < utf8.count else { break }
            let byte = utf8[index]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                buffer.append(UInt8(ascii: "\\"))
                buffer.append(byte)
                index &+= 1
            } else if byte < 0x80 {
                append(escape: UInt32(byte), to: &buffer)
                index &+= 1
            } else {
                let length = min(byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4, utf8.count &- index)
                if let scalar = hidden(utf8, at: index, length: length) {
                    append(escape: scalar, to: &buffer)
                } else {
                    buffer.append(contentsOf: UnsafeBufferPointer(rebasing: utf8[index..<index &+ length]))
                }
                index &+= length
            }
        }
        buffer.append(UInt8(ascii: "\""))
    }

    /// The scalar at `index` when nobody would see it for what it is.
    private static func hidden(_ utf8: UnsafeBufferPointer<UInt8>, at index: Int, length: Int) -> UInt32? {
        guard length == 2 || length == 3 else { return nil }
        let second = UInt32(utf8[index &+ 1] & 0x3F)
        if length == 2 {
            let scalar = UInt32(utf8[index] & 0x1F) << 6 | second
            return (0x80...0x9F).contains(scalar) || scalar == 0xAD || scalar == 0x61C ? scalar : nil
        }
        let scalar = UInt32(utf8[index] & 0x0F) << 12 | second << 6 | UInt32(utf8[index &+ 2] & 0x3F)
        switch scalar {
        case 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0x180E: return scalar
        default: return nil
        }
    }

    private static func append(escape scalar: UInt32, to buffer: inout JSONBuffer) {
        buffer.append(UInt8(ascii: "\\"))
        switch scalar {
        case 0x08: buffer.append(UInt8(ascii: "b"))
        case 0x09: buffer.append(UInt8(ascii: "t"))
        case 0x0A: buffer.append(UInt8(ascii: "n"))
        case 0x0C: buffer.append(UInt8(ascii: "f"))
        case 0x0D: buffer.append(UInt8(ascii: "r"))
        default:
            buffer.append(UInt8(ascii: "u"))
            for shift in [12, 8, 4, 0] as [UInt32] {
                let nibble = UInt8(truncatingIfNeeded: scalar >> shift) & 15
                buffer.append(nibble < 10 ? nibble &+ UInt8(ascii: "0") : nibble &- 10 &+ UInt8(ascii: "a"))
            }
        }
    }

    // MARK: Numbers

    @inline(__always)
    static func append(integer value: some FixedWidthInteger, to buffer: inout JSONBuffer) {
        append(magnitude: UInt64(truncatingIfNeeded: value.magnitude), isNegative: value < 0, to: &buffer)
    }

    private static func append(magnitude: UInt64, isNegative: Bool, to buffer: inout JSONBuffer) {
        // The longest has 20 characters, with or without its sign.
        var target = buffer.room(20)
        if isNegative {
            target.pointee = UInt8(ascii: "-")
            target += 1
            buffer.wrote(1)
        }
        var digits = 1
        var rest = magnitude / 10
        while rest > 0 {
            digits &+= 1
            rest /= 10
        }
        rest = magnitude
        for place in stride(from: digits &- 1, through: 0, by: -1) {
            let quotient = rest / 10
            target[place] = UInt8(truncatingIfNeeded: rest &- quotient &* 10) &+ UInt8(ascii: "0")
            rest = quotient
        }
        buffer.wrote(digits)
    }

    static func append(_ value: Double, to buffer: inout JSONBuffer) {
        guard value.isFinite else { return buffer.append("null") }
        if value.magnitude < 1e15, let whole = Int64(exactly: value), whole != 0 || value.sign == .plus {
            append(integer: whole, to: &buffer)
        } else {
            append(plain: value.description, to: &buffer)
        }
    }

    /// The shortest form that reads back as the same `Float`.
    static func append(_ value: Float, to buffer: inout JSONBuffer) {
        guard value.isFinite else { return buffer.append("null") }
        if value.magnitude < 1e7, let whole = Int64(exactly: value), whole != 0 || value.sign == .plus {
            append(integer: whole, to: &buffer)
        } else {
            append(plain: value.description, to: &buffer)
        }
    }

    private static func append(plain text: String, to buffer: inout JSONBuffer) {
        var text = text
        text.withUTF8 { buffer.append(contentsOf: $0) }
    }
}

extension JSON {
    /// Writes the value without any space.
    public func write(into bytes: inout [UInt8]) {
        JSONBuffer.append(to: &bytes) { write(into: &$0) }
    }

    public var bytes: [UInt8] { withBytes { [UInt8]($0) } }

    /// Lends the value's text, written without any space. The pointer ends with the closure.
    public func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        JSONBuffer.withBytes({ write(into: &$0) }, body)
    }

    func write(into buffer: inout JSONBuffer) {
        switch self {
        case .null: buffer.append("null")
        case .bool(let value): buffer.append(value ? "true" : "false")
        case .number(.integer(let value)): JSONText.append(integer: value, to: &buffer)
        case .number(.unsigned(let value)): JSONText.append(integer: value, to: &buffer)
        case .number(.decimal(let value)): JSONText.append(value, to: &buffer)
        case .string(let value): JSONText.append(string: value, to: &buffer)
        case .array(let elements):
            buffer.append(UInt8(ascii: "["))
            let elements = elements.span
            for index in elements.indices {
                if index > 0 { buffer.append(UInt8(ascii: ",")) }
                elements[index].write(into: &buffer)
            }
            buffer.append(UInt8(ascii: "]"))
        case .object(let object):
            let members = object.members.span
            buffer.append(UInt8(ascii: "{"))
            for index in members.indices {
                if index > 0 { buffer.append(UInt8(ascii: ",")) }
                JSONText.append(string: members[index].name, to: &buffer)
                buffer.append(UInt8(ascii: ":"))
                members[index].value.write(into: &buffer)
            }
            buffer.append(UInt8(ascii: "}"))
        }
    }
}
