/// The members of one JSON object, found in its bytes. Names are compared as they are written: one with escapes in it is nobody's name here.
///
/// The bytes were checked before; whatever else they hold ends the search, never traps.
struct PayloadMembers {
    struct Member {
        /// Without the quotes.
        let name: Range<Int>
        let value: Range<Int>
    }

    let bytes: [UInt8]
    private(set) var all: [Member] = []

    /// More members than this are not looked at.
    private static let most = 64

    /// `nil` when it is no object.
    init?(_ bytes: [UInt8]) { self.init(bytes, in: 0..<bytes.count) }

    init?(_ body: BroadcastContent.Body) {
        guard case .json(let value) = body else { return nil }
        self.init(value.bytes)
    }

    private init?(_ bytes: [UInt8], in range: Range<Int>) {
        self.bytes = bytes
        let found = bytes.withUnsafeBufferPointer { bytes -> [Member]? in
            var walk = JSONWalk(bytes, range)
            guard walk.enter(UInt8(ascii: "{")) else { return nil }
            var found: [Member] = []
            while found.count < Self.most, let name = walk.string(), walk.skip(UInt8(ascii: ":")), let value = walk.value() {
                found.append(Member(name: name.lowerBound + 1..<name.upperBound - 1, value: value))
                guard walk.skip(UInt8(ascii: ",")) else { break }
            }
            return found.count == Self.most || walk.skip(UInt8(ascii: "}")) ? found : nil
        }
        guard let found else { return nil }
        all = found
    }

    func isNamed(_ member: Member, _ name: String) -> Bool { bytes[member.name].elementsEqual(name.utf8) }

    /// The last member of that name, as everybody else reads duplicates.
    func member(_ name: String) -> Member? { all.last { isNamed($0, name) } }

    /// A member that is an object.
    func object(_ name: String) -> PayloadMembers? { member(name).flatMap { PayloadMembers(bytes, in: $0.value) } }

    /// The first of these that is there and is a text or a whole number, as a text. Empty ones and ones over `most` bytes are nothing.
    func id(_ names: [String], most: Int) -> String? {
        for name in names {
            if let member = member(name), let id = id(member.value, most: most) { return id }
        }
        return nil
    }

    /// The elements of the first of these that is an array, as ids.
    func ids(_ names: [String], most: Int, count: Int) -> [String]? {
        for name in names {
            guard let member = member(name), bytes[member.value].first == UInt8(ascii: "[") else { continue }
            let elements = bytes.withUnsafeBufferPointer { bytes -> [Range<Int>] in
                var walk = JSONWalk(bytes, member.value)
                guard walk.enter(UInt8(ascii: "[")) else { return [] }
                var found: [Range<Int>] = []
                while found.count < count, let value = walk.value() {
                    found.append(value)
                    guard walk.skip(UInt8(ascii: ",")) else { break }
                }
                return found
            }
            return elements.compactMap { id($0, most: most) }
        }
        return nil
    }

    private func id(_ range: Range<Int>, most: Int) -> String? {
        guard let first = bytes[range].first, range.count <= 6 * most + 2 else { return nil }
        let text: String
        if first == UInt8(ascii: "\"") {
            guard let resolved = JSONWalk.text(bytes[range]) else { return nil }
            text = resolved
        } else if bytes[range].allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }) {
            text = String(decoding: bytes[range], as: UTF8.self)
        } else {
            return nil
        }
        return text.isEmpty || text.utf8.count > most || text.utf8.contains(0) ? nil : text
    }

    /// What a member says, when it is a text without escapes.
    func word(_ member: Member) -> String? {
        let value = bytes[member.value]
        guard value.count >= 2, value.count <= 64, value.first == UInt8(ascii: "\""), !value.contains(UInt8(ascii: "\\")) else {
            return nil
        }
        return String(decoding: value.dropFirst().dropLast(), as: UTF8.self)
    }

    /// The object with other values at some places, and one more member at the end (in the place of its namesake, if there is one).
    func rewritten(_ changes: [(at: Range<Int>, value: String)], adding more: [(name: String, value: String)]) -> [UInt8] {
        var changes = changes
        var added: [(name: String, value: String)] = []
        for (name, value) in more {
            if let member = member(name) { changes.append((member.value, value)) } else { added.append((name, value)) }
        }
        changes.sort { $0.at.lowerBound < $1.at.lowerBound }
        guard let close = bytes.lastIndex(of: UInt8(ascii: "}")) else { return bytes }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + 64)
        var start = 0
        for change in changes where change.at.lowerBound >= start && change.at.upperBound <= close {
            result += bytes[start..<change.at.lowerBound]
            result += change.value.utf8
            start = change.at.upperBound
        }
        result += bytes[start..<close]
        for (index, member) in added.enumerated() {
            if index > 0 || !all.isEmpty { result.append(UInt8(ascii: ",")) }
            result += "\"\(member.name)\":\(member.value)".utf8
        }
        result.append(UInt8(ascii: "}"))
        return result
    }

    /// The object itself, or its short members if it is over `most` bytes.
    func shortened(to most: Int) -> [UInt8] {
        guard bytes.count > most else { return bytes }
        var result: [UInt8] = [UInt8(ascii: "{")]
        for member in all where member.name.count + member.value.count <= most / 4 {
            guard result.count + member.name.count + member.value.count + 5 <= most else { break }
            if result.count > 1 { result.append(UInt8(ascii: ",")) }
            result += bytes[member.name.lowerBound - 1..<member.name.upperBound + 1]
            result.append(UInt8(ascii: ":"))
            result += bytes[member.value]
        }
        result.append(UInt8(ascii: "}"))
        return result
    }
}

/// Goes through JSON that was checked before.
struct JSONWalk {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var index: Int
    private let end: Int

    init(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
        self.bytes = bytes
        let range = range.clamped(to: 0..<bytes.count)
        (index, end) = (range.lowerBound, range.upperBound)
    }

    /// Steps into a container that has something in it, or is empty.
    mutating func enter(_ opening: UInt8) -> Bool { skip(opening) }

    /// Steps over one byte and the blanks around it.
    mutating func skip(_ byte: UInt8) -> Bool {
        blanks()
        guard index < end, bytes[index] == byte else { return false }
        index += 1
        blanks()
        return true
    }

    /// A string with its quotes.
    mutating func string() -> Range<Int>? {
        guard index < end, bytes[index] == UInt8(ascii: "\""), let close = closing(index) else { return nil }
        defer { index = close }
        return index..<close
    }

    /// Any value.
    mutating func value() -> Range<Int>? {
        blanks()
        guard index < end else { return nil }
        let start = index
        var depth = 0
        while index < end {
            switch bytes[index] {
            case UInt8(ascii: "\""):
                guard let close = closing(index) else { return nil }
                index = close
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                index += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { return nil }
                depth -= 1
                index += 1
            default:
                // A scalar, or what stands between the values of a container.
                index += 1
                if depth > 0 { continue }
                while index < end, !JSONWalk.endsScalar(bytes[index]) { index += 1 }
            }
            if depth == 0 { return start..<index }
        }
        return nil
    }

    private static func endsScalar(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: " "), 9, 10, 13: true
        default: false
        }
    }

    private mutating func blanks() {
        while index < end, bytes[index] == 32 || bytes[index] == 9 || bytes[index] == 10 || bytes[index] == 13 { index += 1 }
    }

    /// After the quote that ends the string beginning at `start`.
    private func closing(_ start: Int) -> Int? {
        var index = start + 1
        while index < end {
            switch bytes[index] {
            case UInt8(ascii: "\""): return index + 1
            case UInt8(ascii: "\\"): index += 2
            default: index += 1
            }
        }
        return nil
    }

    /// What a string with its quotes stands for.
    static func text(_ quoted: ArraySlice<UInt8>) -> String? {
        guard quoted.count >= 2, quoted.first == UInt8(ascii: "\""), quoted.last == UInt8(ascii: "\"") else { return nil }
        let inner = quoted.dropFirst().dropLast()
        guard inner.contains(UInt8(ascii: "\\")) else { return String(decoding: inner, as: UTF8.self) }
        var units: [UInt16] = []
        var plain: [UInt8] = []
        func flush() {
            units += String(decoding: plain, as: UTF8.self).utf16
            plain = []
        }
        var index = inner.startIndex
        while index < inner.endIndex {
            let byte = inner[index]
            index += 1
            guard byte == UInt8(ascii: "\\") else {
                plain.append(byte)
                continue
            }
            guard index < inner.endIndex else { return nil }
            let letter = inner[index]
            index += 1
            switch letter {
            case UInt8(ascii: "b"): plain.append(8)
            case UInt8(ascii: "f"): plain.append(12)
            case UInt8(ascii: "n"): plain.append(10)
            case UInt8(ascii: "r"): plain.append(13)
            case UInt8(ascii: "t"): plain.append(9)
            case UInt8(ascii: "u"):
                guard inner.endIndex - index >= 4,
                    let unit = UInt16(String(decoding: inner[index..<index + 4], as: UTF8.self), radix: 16)
                else { return nil }
                index += 4
                flush()
                units.append(unit)
            default: plain.append(letter)
            }
        }
        flush()
        return String(decoding: units, as: UTF16.self)
    }

    /// A text as a JSON string.
    static func quoted(_ text: String) -> String {
        var result: [UInt8] = [UInt8(ascii: "\"")]
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): result += [UInt8(ascii: "\\"), byte]
            case 0..<32:
                let digits = Array("0123456789abcdef".utf8)
                result += "\\u00".utf8
                result += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: result.append(byte)
            }
        }
        result.append(UInt8(ascii: "\""))
        return String(decoding: result, as: UTF8.self)
    }
}
