import CBytes

/// The bytes of a document while its structure is found, and what may stand in them. Nothing here changes.
struct JSONSource {
    typealias Failure = JSONTape.Failure

    /// Zeros stand after the document.
    let base: UnsafePointer<UInt8>
    let end: Int
    let limits: JSONLimits

    @inline(__always) func afterSpace(_ index: Int) -> Int { base[index] > 0x20 ? index : afterSomeSpace(index) }

    private func afterSomeSpace(_ index: Int) -> Int {
        var index = index
        while base[index] == 0x20 || base[index] == 0x0A || base[index] == 0x0D || base[index] == 0x09 { index &+= 1 }
        return index
    }

    @inline(__always) func unexpected(at position: Int) -> Failure {
        Failure(position < end ? .unexpectedByte : .unexpectedEnd, at: position)
    }

    /// One of 32 bits, after a name's length and first byte. One with escapes may mean what another spells out: all bits.
    @inline(__always)
    func nameBit(_ name: UnsafeMutablePointer<JSONNode>) -> UInt32 {
        guard name.pointee.kind == .string else { return .max }
        // An empty name has its closing quote for a first byte.
        let mixed = (UInt32(base[Int(name.pointee.start)]) &+ name.pointee.length &<< 8) &* 0x9E37_79B1
        return 1 &<< (mixed &>> 27)
    }

    func word(
        at position: Int, node: UnsafeMutablePointer<JSONNode>, next: Int, parent: Int, ordinal: UInt32
    ) throws(Failure) -> Int {
        let text: StaticString
        let kind: JSONNode.Kind
        switch base[position] {
        case UInt8(ascii: "t"): (text, kind) = ("true", .true)
        case UInt8(ascii: "f"): (text, kind) = ("false", .false)
        case UInt8(ascii: "n"): (text, kind) = ("null", .null)
        default: throw unexpected(at: position)
        }
        let length = text.utf8CodeUnitCount
        for index in 1..<length where base[position &+ index] != text.utf8Start[index] { throw unexpected(at: position &+ index) }
        node.initialize(to: JSONNode(kind, at: position, length: length, next: next, parent: parent, ordinal: ordinal))
        return position &+ length
    }

    @inline(__always)
    func number(
        at start: Int, node: UnsafeMutablePointer<JSONNode>, next: Int, parent: Int, ordinal: UInt32
    ) throws(Failure) -> Int {
        // Most are short and whole.
        var index = start
        while base[index].isDigit { index &+= 1 }
        let length = index &- start
        if length > 0, length < 18, length <= limits.digits, base[start] != UInt8(ascii: "0") || length == 1,
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
        if base[index] == UInt8(ascii: "-") { index &+= 1 }
        if base[index] == UInt8(ascii: "0") { index &+= 1 } else { index = try digits(at: index) }
        if base[index] == UInt8(ascii: ".") {
            kind = .decimal
            index = try digits(at: index &+ 1)
        }
        if base[index] | 0x20 == UInt8(ascii: "e") {
            kind = .decimal
            index &+= 1
            if base[index] == UInt8(ascii: "+") || base[index] == UInt8(ascii: "-") { index &+= 1 }
            let end = try digits(at: index)
            exponentDigits = end &- index
            index = end
        }
        if base[index].isDigit { throw Failure(.invalidNumber, at: index) }
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
        while base[index].isDigit { index &+= 1 }
        guard index > start else { throw Failure(.invalidNumber, at: index) }
        return index
    }

    /// Checks a string up to its closing quote; answers where that ends.
    @inline(__always)
    func text(
        at start: Int, node: UnsafeMutablePointer<JSONNode>, next: Int, parent: Int, ordinal: UInt32
    ) throws(Failure) -> Int {
        let close = plain(from: start)
        guard base[close] == UInt8(ascii: "\""), close &- start <= limits.stringBytes else {
            return try mixedText(at: start, from: close, node: node, next: next, parent: parent, ordinal: ordinal)
        }
        node.initialize(
            to: JSONNode(.string, at: start, length: close &- start, next: next, parent: parent, ordinal: ordinal, isASCII: true))
        return close &+ 1
    }

    /// The first byte from `index` on that is a quote, a backslash, a control or not ASCII; one stands at the end at the latest.
    @inline(__always)
    private func plain(from index: Int) -> Int {
        var index = index
        while true {
            let count = Int(swiftlet_plain_bytes(base + index))
            index &+= count
            if count < 16 { return index }
        }
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
                repeat { index = try multibyte(at: index) } while base[index] >= 0x80
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
        switch base[index &+ 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            return index &+ 2
        case UInt8(ascii: "u"):
            guard let unit = hexUnit(at: index &+ 2) else { throw Failure(.invalidEscape, at: index) }
            if unit & 0xFC00 == 0xDC00 { throw Failure(.loneSurrogate, at: index) }
            guard unit & 0xFC00 == 0xD800 else { return index &+ 6 }
            guard base[index &+ 6] == UInt8(ascii: "\\"), base[index &+ 7] == UInt8(ascii: "u"),
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
        func continues(_ offset: Int) -> Bool { base[index &+ offset] & 0xC0 == 0x80 }
        if first >= 0xC2, first < 0xE0, continues(1) { return index &+ 2 }
        let second = base[index &+ 1]
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
