/// One place in a document: a value or a member name.
struct JSONNode {
    enum Kind: UInt8 {
        case null, `true`, `false`, integer, decimal, string, escaped, array, object
    }

    /// For strings: the byte after the quote. For objects: the member name found last, where the next search begins.
    var start: UInt32
    /// For containers: members or elements. For strings: bytes between the quotes. For numbers: bytes.
    var length: UInt32
    /// The index of the node after this value with all that is in it.
    var next: UInt32
    /// The container around it; the root is its own.
    let parent: UInt32
    /// Which element of its array it is.
    let ordinal: UInt32
    let kind: Kind
}

/// The structure of a document, found in one strict pass over its bytes: a node per value and per member name, in document order.
///
/// Nothing is copied out of the bytes until someone asks, so a typed decode touches only what its type names. The pass is iterative, so
/// depth costs memory on the heap and none on the stack.
struct JSONTape {
    /// Too little to throw to slow down the way without errors.
    struct Failure: Error {
        let code: JSONError.Code
        let offset: Int
        init(_ code: JSONError.Code, at offset: Int) {
            self.code = code
            self.offset = offset
        }
    }

    private let base: UnsafePointer<UInt8>
    private let end: Int
    private let limits: JSONLimits
    private(set) var nodes: UnsafeMutablePointer<JSONNode>
    private(set) var count = 0
    private var capacity: Int
    private var members = 0
    /// Names of the open objects that have many, innermost last.
    private var names: [(object: Int, names: Set<JSONName>)] = []

    private static let compared = 16

    /// The caller frees `nodes`; after an error they are freed already.
    init(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits) throws(JSONError) {
        guard bytes.count < Int(UInt32.max) else { throw JSONError(.tooLong, at: 0) }
        guard let start = bytes.baseAddress, bytes.count > 0 else { throw JSONError(.unexpectedEnd, at: 0) }
        base = start.assumingMemoryBound(to: UInt8.self)
        end = bytes.count
        self.limits = limits
        capacity = 16 &+ bytes.count / 10
        nodes = .allocate(capacity: capacity)
        do {
            try scan()
        } catch {
            nodes.deallocate()
            throw JSONError(error.code, at: error.offset)
        }
    }

    /// Past the end reads 0, which is valid nowhere.
    @inline(__always) private func byte(_ index: Int) -> UInt8 { index < end ? base[index] : 0 }

    @inline(__always) private func afterSpace(_ index: Int) -> Int {
        var index = index
        while index < end {
            let byte = base[index]
            guard byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return index }
            index &+= 1
        }
        return index
    }

    @inline(__always) private func unexpected(at position: Int) -> Failure {
        Failure(position < end ? .unexpectedByte : .unexpectedEnd, at: position)
    }

    @inline(__always)
    private mutating func add(_ kind: JSONNode.Kind, start: Int, length: Int, parent: Int, ordinal: UInt32) {
        if count == capacity { grow() }
        let next = count &+ 1
        (nodes + count).initialize(
            to: JSONNode(
                start: UInt32(truncatingIfNeeded: start), length: UInt32(truncatingIfNeeded: length),
                next: UInt32(truncatingIfNeeded: next), parent: UInt32(truncatingIfNeeded: parent), ordinal: ordinal, kind: kind))
        count = next
    }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutablePointer<JSONNode>.allocate(capacity: capacity &* 2)
        larger.moveInitialize(from: nodes, count: count)
        nodes.deallocate()
        nodes = larger
        capacity &*= 2
    }

    private mutating func scan() throws(Failure) {
        var position = 0
        var depth = 0
        /// The innermost open container.
        var top = 0
        var topIsObject = false
        var ordinal: UInt32 = 0
        while true {
            position = afterSpace(position)
            // One value.
            guard position < end else { throw Failure(.unexpectedEnd, at: end) }
            let first = base[position]
            switch first {
            case UInt8(ascii: "\""):
                let (close, isEscaped) = try string(from: position &+ 1)
                add(
                    isEscaped ? .escaped : .string, start: position &+ 1, length: close &- position &- 1, parent: top,
                    ordinal: ordinal)
                position = close &+ 1
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard depth < limits.depth else { throw Failure(.tooDeep, at: position) }
                depth &+= 1
                let isObject = first == UInt8(ascii: "{")
                let node = count
                add(isObject ? .object : .array, start: node &+ 1, length: 0, parent: top, ordinal: ordinal)
                top = node
                topIsObject = isObject
                ordinal = 0
                position = afterSpace(position &+ 1)
                if byte(position) != (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                    try countMember(of: top, at: position)
                    if isObject { position = try name(at: position, of: top) }
                    continue
                }
            case UInt8(ascii: "t"): position = try word("true", .true, position, top, ordinal)
            case UInt8(ascii: "f"): position = try word("false", .false, position, top, ordinal)
            case UInt8(ascii: "n"): position = try word("null", .null, position, top, ordinal)
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): position = try number(at: position, top, ordinal)
            default: throw Failure(.unexpectedByte, at: position)
            }
            // What follows it.
            while true {
                position = afterSpace(position)
                if depth == 0 {
                    guard position == end else { throw Failure(.trailingBytes, at: position) }
                    return
                }
                let next = byte(position)
                if next == UInt8(ascii: ",") {
                    position = afterSpace(position &+ 1)
                    ordinal = nodes[top].length
                    try countMember(of: top, at: position)
                    if topIsObject { position = try name(at: position, of: top) }
                    break
                }
                guard next == (topIsObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { throw unexpected(at: position) }
                position &+= 1
                depth &-= 1
                if let last = names.last, last.object == top { names.removeLast() }
                nodes[top].next = UInt32(truncatingIfNeeded: count)
                top = Int(nodes[top].parent)
                topIsObject = nodes[top].kind == .object
            }
        }
    }

    @inline(__always)
    private mutating func countMember(of container: Int, at position: Int) throws(Failure) {
        members &+= 1
        guard members <= limits.members else { throw Failure(.tooManyMembers, at: position) }
        nodes[container].length &+= 1
    }

    /// Reads a member name and its colon; answers where the value begins.
    @inline(__always)
    private mutating func name(at position: Int, of object: Int) throws(Failure) -> Int {
        guard byte(position) == UInt8(ascii: "\"") else { throw unexpected(at: position) }
        let (close, isEscaped) = try string(from: position &+ 1)
        let node = count
        add(isEscaped ? .escaped : .string, start: position &+ 1, length: close &- position &- 1, parent: object, ordinal: 0)
        if limits.duplicateNames == .refuse { try refuseDuplicate(of: node, in: object, at: position) }
        let colon = afterSpace(close &+ 1)
        guard byte(colon) == UInt8(ascii: ":") else { throw unexpected(at: colon) }
        return colon &+ 1
    }

    /// Few names are compared with each other; more go into a set, whose hashing is seeded.
    @inline(__always)
    private mutating func refuseDuplicate(of name: Int, in object: Int, at position: Int) throws(Failure) {
        guard nodes[object].length <= JSONTape.compared else {
            return try refuseDuplicateAmongMany(of: name, in: object, at: position)
        }
        var index = object &+ 1
        while index < name {
            if nodes[index].isSameString(as: nodes[name], in: base) { throw Failure(.duplicateName, at: position) }
            index = Int(nodes[index &+ 1].next)
        }
    }

    @inline(never)
    private mutating func refuseDuplicateAmongMany(of name: Int, in object: Int, at position: Int) throws(Failure) {
        if names.last?.object != object {
            var seen: Set<JSONName> = []
            var index = object &+ 1
            while index < name {
                seen.insert(JSONName(nodes[index].text(in: base)))
                index = Int(nodes[index &+ 1].next)
            }
            names.append((object, seen))
        }
        guard names[names.count - 1].names.insert(JSONName(nodes[name].text(in: base))).inserted else {
            throw Failure(.duplicateName, at: position)
        }
    }

    private mutating func word(
        _ text: StaticString, _ kind: JSONNode.Kind, _ position: Int, _ top: Int, _ ordinal: UInt32
    ) throws(Failure) -> Int {
        let length = text.utf8CodeUnitCount
        for index in 0..<length where byte(position &+ index) != text.utf8Start[index] { throw unexpected(at: position &+ index) }
        add(kind, start: position, length: length, parent: top, ordinal: ordinal)
        return position &+ length
    }

    private mutating func number(at start: Int, _ top: Int, _ ordinal: UInt32) throws(Failure) -> Int {
        var index = start
        var kind = JSONNode.Kind.integer
        var exponentDigits = 0
        if byte(index) == UInt8(ascii: "-") { index &+= 1 }
        if byte(index) == UInt8(ascii: "0") { index &+= 1 } else { index = try digits(at: index) }
        if byte(index) == UInt8(ascii: ".") {
            kind = .decimal
            index = try digits(at: index &+ 1)
        }
        if byte(index) | 0x20 == UInt8(ascii: "e") {
            kind = .decimal
            index &+= 1
            if byte(index) == UInt8(ascii: "+") || byte(index) == UInt8(ascii: "-") { index &+= 1 }
            let end = try digits(at: index)
            exponentDigits = end &- index
            index = end
        }
        if byte(index).isDigit { throw Failure(.invalidNumber, at: index) }
        let length = index &- start
        guard length <= limits.digits else { throw Failure(.numberTooLong, at: start) }
        // Only these can be too large for a Double.
        if exponentDigits > 2 || length > 200 {
            let text = UnsafeBufferPointer(start: base + start, count: length)
            guard JSON.Number.double(text).isFinite else { throw Failure(.invalidNumber, at: start) }
        }
        add(kind, start: start, length: length, parent: top, ordinal: ordinal)
        return index
    }

    /// At least one digit; answers where they end.
    @inline(__always)
    private func digits(at start: Int) throws(Failure) -> Int {
        var index = start
        while byte(index).isDigit { index &+= 1 }
        guard index > start else { throw Failure(.invalidNumber, at: index) }
        return index
    }

    /// Checks a string up to its closing quote; answers where that stands.
    @inline(__always)
    private func string(from start: Int) throws(Failure) -> (close: Int, isEscaped: Bool) {
        var index = start
        var isEscaped = false
        while true {
            // Eight bytes at a time up to the first that is a quote, a backslash, a control or not ASCII. Borrows only spoil flags above a
            // true one, so the lowest flag is right.
            while index &+ 8 <= end {
                let word = UInt64(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))
                let quote = word ^ 0x2222_2222_2222_2222
                let slash = word ^ 0x5C5C_5C5C_5C5C_5C5C
                let flags =
                    ((word &- 0x2020_2020_2020_2020) | (quote &- 0x0101_0101_0101_0101) | (slash &- 0x0101_0101_0101_0101) | word)
                    & 0x8080_8080_8080_8080
                if flags != 0 {
                    index &+= flags.trailingZeroBitCount &>> 3
                    break
                }
                index &+= 8
            }
            guard index < end else { throw Failure(.unexpectedEnd, at: end) }
            let current = base[index]
            if current == UInt8(ascii: "\"") { break }
            if current == UInt8(ascii: "\\") {
                isEscaped = true
                index = try escape(at: index)
            } else if current < 0x20 {
                throw Failure(.controlCharacter, at: index)
            } else if current < 0x80 {
                index &+= 1
            } else {
                index = try multibyte(at: index)
            }
        }
        guard index &- start <= limits.stringBytes else { throw Failure(.stringTooLong, at: start) }
        return (index, isEscaped)
    }

    private func escape(at index: Int) throws(Failure) -> Int {
        switch byte(index &+ 1) {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            return index &+ 2
        case UInt8(ascii: "u"):
            guard let unit = hexUnit(at: index &+ 2) else { throw Failure(.invalidEscape, at: index) }
            if unit & 0xFC00 == 0xDC00 { throw Failure(.loneSurrogate, at: index) }
            guard unit & 0xFC00 == 0xD800 else { return index &+ 6 }
            guard byte(index &+ 6) == UInt8(ascii: "\\"), byte(index &+ 7) == UInt8(ascii: "u"),
                let low = hexUnit(at: index &+ 8),
                low & 0xFC00 == 0xDC00
            else { throw Failure(.loneSurrogate, at: index) }
            return index &+ 12
        default: throw Failure(index &+ 1 < end ? .invalidEscape : .unexpectedEnd, at: index)
        }
    }

    private func hexUnit(at index: Int) -> UInt32? {
        UnsafeBufferPointer(start: base, count: end).hexUnit(at: index)
    }

    /// One character of two to four bytes: no overlong forms, no surrogates, nothing past U+10FFFF.
    private func multibyte(at index: Int) throws(Failure) -> Int {
        let first = base[index]
        func continues(_ offset: Int) -> Bool { byte(index &+ offset) & 0xC0 == 0x80 }
        if first >= 0xC2, first < 0xE0, continues(1) { return index &+ 2 }
        let second = byte(index &+ 1)
        if first >= 0xE0, first < 0xF0, continues(1), continues(2) {
            guard first != 0xE0 || second >= 0xA0, first != 0xED || second < 0xA0 else { throw Failure(.invalidUTF8, at: index) }
            return index &+ 3
        }
        if first >= 0xF0, first < 0xF5, continues(1), continues(2), continues(3) {
            guard first != 0xF0 || second >= 0x90, first != 0xF4 || second < 0x90 else { throw Failure(.invalidUTF8, at: index) }
            return index &+ 4
        }
        throw Failure(.invalidUTF8, at: index)
    }
}
