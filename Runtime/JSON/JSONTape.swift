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
    private var nodes: JSONNodes
    /// Names of the open objects that have many, innermost last.
    private var names: [JSONNameTable] = []

    private static let compared = 16

    /// Writes the nodes of a document into `nodes`, from the first on. What was there before is lost, also after an error.
    static func scan(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits, into nodes: inout JSONNodes) throws(JSONError) {
        guard bytes.count < Int(UInt32.max) else { throw JSONError(.tooLong, at: 0) }
        guard let start = bytes.baseAddress, bytes.count > 0 else { throw JSONError(.unexpectedEnd, at: 0) }
        var tape = JSONTape(
            base: start.assumingMemoryBound(to: UInt8.self), end: bytes.count, limits: limits, nodes: nodes)
        do {
            try tape.scan()
            nodes = tape.nodes
        } catch {
            nodes = tape.nodes
            throw JSONError(error.code, at: error.offset)
        }
    }

    private init(base: UnsafePointer<UInt8>, end: Int, limits: JSONLimits, nodes: JSONNodes) {
        self.base = base
        self.end = end
        self.limits = limits
        self.nodes = nodes
    }

    /// Past the end reads 0, which is valid nowhere.
    @inline(__always) private func byte(_ index: Int) -> UInt8 { index < end ? base[index] : 0 }

    @inline(__always) private func afterSpace(_ index: Int) -> Int {
        index < end && base[index] > 0x20 ? index : afterSomeSpace(index)
    }

    private func afterSomeSpace(_ index: Int) -> Int {
        var index = index
        while index < end {
            let byte = base[index]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return index }
            index &+= 1
        }
        return index
    }

    @inline(__always) private func unexpected(at position: Int) -> Failure {
        Failure(position < end ? .unexpectedByte : .unexpectedEnd, at: position)
    }

    private mutating func scan() throws(Failure) {
        let base = base
        let end = end
        let limits = limits
        var nodes = self.nodes.base
        var count = 0
        var position = 0
        var members = 0
        var elements = 0
        var depth = 0
        /// The innermost open container, and its children so far; those of the ones around it wait in their nodes.
        var top = 0
        var topIsObject = false
        var length: UInt32 = 0
        while true {
            // Room for a name and a value.
            if count &+ 2 > self.nodes.capacity {
                self.nodes.grow(keeping: count)
                nodes = self.nodes.base
            }
            position = afterSpace(position)
            let ordinal = length
            if topIsObject {
                guard position < end, base[position] == UInt8(ascii: "\"") else { throw unexpected(at: position) }
                members &+= 1
                guard members <= limits.members else { throw Failure(.tooManyMembers, at: position) }
                let name = count
                let close = try text(
                    at: position &+ 1, node: nodes + name, next: name &+ 1, parent: top, ordinal: 0, limit: limits.stringBytes)
                if length > 0, limits.duplicateNames == .refuse {
                    try refuseDuplicate(of: name, in: top, before: length, at: position)
                }
                count &+= 1
                length &+= 1
                position = afterSpace(close)
                guard position < end, base[position] == UInt8(ascii: ":") else { throw unexpected(at: position) }
                position = afterSpace(position &+ 1)
            } else if depth > 0 {
                elements &+= 1
                guard elements <= limits.elements else { throw Failure(.tooManyElements, at: position) }
                length &+= 1
            }
            // One value.
            guard position < end else { throw Failure(.unexpectedEnd, at: end) }
            let first = base[position]
            let node = nodes + count
            switch first {
            case UInt8(ascii: "\""):
                position = try text(
                    at: position &+ 1, node: node, next: count &+ 1, parent: top, ordinal: ordinal, limit: limits.stringBytes)
                count &+= 1
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard depth < limits.depth else { throw Failure(.tooDeep, at: position) }
                if depth > 0 { nodes[top].length = length }
                depth &+= 1
                topIsObject = first == UInt8(ascii: "{")
                node.initialize(
                    to: JSONNode(
                        start: UInt32(truncatingIfNeeded: count &+ 1), length: 0, next: 0,
                        parent: UInt32(truncatingIfNeeded: top),
                        ordinal: ordinal, kind: topIsObject ? .object : .array, isASCII: false))
                top = count
                length = 0
                count &+= 1
                position = afterSpace(position &+ 1)
                // The closing bracket is two above the opening one.
                if position >= end || base[position] != first &+ 2 { continue }
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                position = try number(at: position, node: node, next: count &+ 1, parent: top, ordinal: ordinal)
                count &+= 1
            default:
                position = try word(at: position, node: node, next: count &+ 1, parent: top, ordinal: ordinal)
                count &+= 1
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
                    position &+= 1
                    break
                }
                guard next == (topIsObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { throw unexpected(at: position) }
                position &+= 1
                depth &-= 1
                if !names.isEmpty { forgetNames(of: top) }
                nodes[top].length = length
                nodes[top].next = UInt32(truncatingIfNeeded: count)
                top = Int(nodes[top].parent)
                length = nodes[top].length
                topIsObject = depth > 0 && nodes[top].kind == .object
            }
        }
    }

    /// Few names are compared with each other; more go into a set, whose hashing is seeded.
    @inline(__always)
    private mutating func refuseDuplicate(of name: Int, in object: Int, before: UInt32, at position: Int) throws(Failure) {
        let nodes = nodes.base
        guard before < JSONTape.compared else { return try refuseDuplicateAmongMany(of: name, in: object, at: position) }
        let length = nodes[name].length
        let isPlain = nodes[name].kind == .string
        var index = object &+ 1
        while index < name {
            // Names with escapes may have another length than the text they mean.
            if nodes[index].length == length || !isPlain || nodes[index].kind != .string,
                nodes[index].isSameString(as: nodes[name], in: base)
            {
                throw Failure(.duplicateName, at: position)
            }
            index = Int(nodes[index &+ 1].next)
        }
    }

    @inline(never)
    private mutating func forgetNames(of object: Int) {
        if let last = names.last, last.object == object { names.removeLast() }
    }

    @inline(never)
    private mutating func refuseDuplicateAmongMany(of name: Int, in object: Int, at position: Int) throws(Failure) {
        let nodes = nodes.base
        if names.last?.object != object {
            var table = JSONNameTable(object: object)
            var index = object &+ 1
            while index < name {
                _ = table.insert(index, of: nodes, in: base)
                index = Int(nodes[index &+ 1].next)
            }
            names.append(table)
        }
        guard names[names.count - 1].insert(name, of: nodes, in: base) else {
            throw Failure(.duplicateName, at: position)
        }
    }

    private func word(
        at position: Int, node: UnsafeMutablePointer<JSONNode>, next: Int, parent: Int, ordinal: UInt32
    ) throws(Failure) -> Int {
        let text: StaticString
        let kind: JSONNode.Kind
        switch base[position] {
        case UInt8(ascii: "t"): (text, kind) = ("true", .true)
        case UInt8(ascii: "f"): (text, kind) = ("false", .false)
        case UInt8(ascii: "n"): (text, kind) = ("null", .null)
        default: throw Failure(.unexpectedByte, at: position)
        }
        let length = text.utf8CodeUnitCount
        for index in 1..<length where byte(position &+ index) != text.utf8Start[index] { throw unexpected(at: position &+ index) }
        node.initialize(to: JSONNode(kind, at: position, length: length, next: next, parent: parent, ordinal: ordinal))
        return position &+ length
    }

    @inline(__always)
    private func number(
        at start: Int, node: UnsafeMutablePointer<JSONNode>, next: Int, parent: Int, ordinal: UInt32
    ) throws(Failure) -> Int {
        // Most are short and whole.
        var index = start
        while index < end, base[index].isDigit { index &+= 1 }
        let length = index &- start
        if length > 0, length < 18, length <= limits.digits, base[start] != UInt8(ascii: "0") || length == 1, index < end,
            base[index] != UInt8(ascii: "."), base[index] | 0x20 != UInt8(ascii: "e")
        {
            node.initialize(to: JSONNode(.integer, at: start, length: length, next: next, parent: parent, ordinal: ordinal))
            return index
        }
        return try anyNumber(at: start, node: node, next: next, parent: parent, ordinal: ordinal)
    }

    @inline(never)
    private func anyNumber(
        at start: Int, node: UnsafeMutablePointer<JSONNode>, next: Int, parent: Int, ordinal: UInt32
    ) throws(Failure) -> Int {
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
        if length > limits.digits { try refuseTooManyDigits(from: start, to: index) }
        // Only these can be too large for a Double.
        if exponentDigits > 2 || length > 200, !limits.takesAnyNumber {
            let text = UnsafeBufferPointer(start: base + start, count: length)
            guard JSON.Number.double(text).isFinite else { throw Failure(.invalidNumber, at: start) }
        }
        node.initialize(to: JSONNode(kind, at: start, length: length, next: next, parent: parent, ordinal: ordinal))
        return index
    }

    /// Only the digits count, not the sign, the point or the `e`.
    @inline(never)
    private func refuseTooManyDigits(from start: Int, to end: Int) throws(Failure) {
        var digits = 0
        for index in start..<end where base[index].isDigit { digits &+= 1 }
        guard digits <= limits.digits else { throw Failure(.numberTooLong, at: start) }
    }

    /// At least one digit; answers where they end.
    @inline(__always)
    private func digits(at start: Int) throws(Failure) -> Int {
        var index = start
        while byte(index).isDigit { index &+= 1 }
        guard index > start else { throw Failure(.invalidNumber, at: index) }
        return index
    }

    /// Checks a string up to its closing quote; answers where that ends.
    @inline(__always)
    private func text(
        at start: Int, node: UnsafeMutablePointer<JSONNode>, next: Int, parent: Int, ordinal: UInt32, limit: Int
    ) throws(Failure) -> Int {
        let close = plain(from: start)
        guard close < end, base[close] == UInt8(ascii: "\""), close &- start <= limit else {
            return try mixedText(at: start, from: close, node: node, next: next, parent: parent, ordinal: ordinal)
        }
        node.initialize(
            to: JSONNode(.string, at: start, length: close &- start, next: next, parent: parent, ordinal: ordinal, isASCII: true))
        return close &+ 1
    }

    /// The first byte from `index` on that is a quote, a backslash, a control or not ASCII, or the end.
    @inline(__always)
    private func plain(from index: Int) -> Int {
        var index = index
        // Eight bytes at a time. Borrows only spoil flags above a true one, so the lowest flag is right.
        while index &+ 8 <= end {
            let word = UInt64(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))
            let quote = word ^ 0x2222_2222_2222_2222
            let slash = word ^ 0x5C5C_5C5C_5C5C_5C5C
            let flags =
                ((word &- 0x2020_2020_2020_2020) | (quote &- 0x0101_0101_0101_0101) | (slash &- 0x0101_0101_0101_0101) | word)
                & 0x8080_8080_8080_8080
            if flags != 0 { return index &+ flags.trailingZeroBitCount &>> 3 }
            index &+= 8
        }
        while index < end, base[index] >= 0x20, base[index] < 0x80, base[index] != UInt8(ascii: "\""),
            base[index] != UInt8(ascii: "\\")
        {
            index &+= 1
        }
        return index
    }

    /// A string that is not plain ASCII from `first` on.
    @inline(never)
    private func mixedText(
        at start: Int, from first: Int, node: UnsafeMutablePointer<JSONNode>, next: Int, parent: Int, ordinal: UInt32
    ) throws(Failure) -> Int {
        var index = first
        var isEscaped = false
        var isASCII = true
        while true {
            guard index < end else { throw Failure(.unexpectedEnd, at: end) }
            let current = base[index]
            if current >= 0x80 {
                isASCII = false
                // Text in another script goes on in it.
                repeat { index = try multibyte(at: index) } while byte(index) >= 0x80
            } else if current == UInt8(ascii: "\"") {
                break
            } else if current == UInt8(ascii: "\\") {
                isEscaped = true
                index = try escape(at: index)
            } else if current < 0x20 {
                throw Failure(.controlCharacter, at: index)
            } else {
                index = plain(from: index)
            }
        }
        let length = index &- start
        guard length <= limits.stringBytes else { throw Failure(.stringTooLong, at: start) }
        node.initialize(
            to: JSONNode(
                isEscaped ? .escaped : .string, at: start, length: length, next: next, parent: parent, ordinal: ordinal,
                isASCII: isASCII && !isEscaped))
        return index &+ 1
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
