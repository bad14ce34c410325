/// The names of attributes that can be allowed; their numbers are bits of a mask.
enum HTMLAttributeName: UInt8 {
    case href, title, src, alt, width, height, start
    case other

    /// The attribute of a packed name of up to eight bytes.
    @inline(__always)
    init(_ packed: UInt64) {
        switch packed {
        case 0x6665_7268: self = .href
        case 0x65_6C74_6974: self = .title
        case 0x63_7273: self = .src
        case 0x74_6C61: self = .alt
        case 0x68_7464_6977: self = .width
        case 0x7468_6769_6568: self = .height
        case 0x74_7261_7473: self = .start
        default: self = .other
        }
    }
}

extension HTMLTokenizer {
    /// A start or end tag whose name begins at `start` (with a letter): everything up to its `>`. A tag that the text cuts off is nothing.
    mutating func tagToken(_ kind: Token, nameAt start: Int) -> Token {
        var at = start
        var packed = HTMLPackedName()
        var isOdd = false
        while at < count {
            let byte = base[at]
            if byte.isHTMLSpace || byte == UInt8(ascii: "/") || byte == UInt8(ascii: ">") { break }
            if byte == 0 { isOdd = true }
            packed.append(byte.asciiLowercased)
            at += 1
        }
        name = start..<at
        tag = isOdd || packed.length > 16 ? .unknown : HTMLTag.named(packed.low, packed.high)
        isSelfClosing = false
        seenAttributes = 0
        if !attributes.isEmpty { attributes.removeAll(keepingCapacity: true) }
        while at < count {
            let byte = base[at]
            if byte.isHTMLSpace {
                at += 1
            } else if byte == UInt8(ascii: ">") {
                position = at + 1
                return kind
            } else if byte == UInt8(ascii: "/") {
                at += 1
                guard at < count, base[at] == UInt8(ascii: ">") else { continue }
                isSelfClosing = true
                position = at + 1
                return kind
            } else {
                at = attribute(at)
            }
        }
        position = count
        return .end
    }

    /// Reads the attribute that begins at `start`; the position behind it.
    private mutating func attribute(_ start: Int) -> Int {
        var at = start
        var packed = HTMLPackedName()
        // Even an equals sign can begin a name.
        repeat {
            packed.append(base[at] == 0 ? 0xFF : base[at].asciiLowercased)
            at += 1
        } while at < count && !base[at].endsAttributeName
        let end = at
        while at < count, base[at].isHTMLSpace { at += 1 }
        var value = at..<at
        if at < count, base[at] == UInt8(ascii: "=") {
            at += 1
            while at < count, base[at].isHTMLSpace { at += 1 }
            guard at < count else { return at }
            let quote = base[at]
            if quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
                at += 1
                let first = at
                while at < count, base[at] != quote { at += 1 }
                value = first..<at
                at += 1
            } else if quote == UInt8(ascii: ">") {
                value = at..<at
            } else {
                let first = at
                while at < count, !base[at].isHTMLSpace, base[at] != UInt8(ascii: ">") { at += 1 }
                value = first..<at
            }
        }
        keep(start..<end, value, packed.length <= 8 ? HTMLAttributeName(packed.low) : .other)
        return at
    }

    private mutating func keep(_ name: Range<Int>, _ value: Range<Int>, _ known: HTMLAttributeName) {
        if !keepsAll {
            guard known != .other else { return }
            let bit: UInt8 = 1 << known.rawValue
            // Of twins the first one counts.
            guard seenAttributes & bit == 0 else { return }
            seenAttributes |= bit
        }
        attributes.append(Attribute(name: name, value: value, known: known))
    }

    /// The bytes of a name: in lower case, with U+FFFD for NUL.
    package func spelled(_ range: Range<Int>) -> [UInt8] {
        var spelled: [UInt8] = []
        for byte in bytes(range) {
            if byte == 0 { spelled += [0xEF, 0xBF, 0xBD] } else { spelled.append(byte.asciiLowercased) }
        }
        return spelled
    }

    /// Appends the value of an attribute: references decoded once, line ends as line feeds, with U+FFFD for NUL.
    package func decode(_ range: Range<Int>, into value: inout [UInt8]) {
        let end = min(range.upperBound, count)
        var at = min(range.lowerBound, end)
        var start = at
        while at < end {
            let byte = base[at]
            guard byte == UInt8(ascii: "&") || byte == 0x0D || byte == 0 else {
                at += 1
                continue
            }
            if byte == UInt8(ascii: "&") {
                let reference = HTMLReference.read(base, from: at, to: end, inAttribute: true)
                guard reference.length > 0 else {
                    at += 1
                    continue
                }
                value.append(contentsOf: bytes(start..<at))
                var packed = reference.packed
                for _ in 0..<reference.count {
                    value.append(UInt8(truncatingIfNeeded: packed))
                    packed >>= 8
                }
                at += reference.length
            } else {
                value.append(contentsOf: bytes(start..<at))
                if byte == 0 {
                    value.append(contentsOf: [0xEF, 0xBF, 0xBD])
                } else {
                    value.append(0x0A)
                    if at + 1 < end, base[at + 1] == 0x0A { at += 1 }
                }
                at += 1
            }
            start = at
        }
        value.append(contentsOf: bytes(start..<end))
    }

    func bytes(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        let end = min(range.upperBound, count)
        let start = min(range.lowerBound, end)
        return UnsafeBufferPointer(start: base + start, count: end - start)
    }
}

extension UInt8 {
    @inline(__always)
    fileprivate var endsAttributeName: Bool {
        isHTMLSpace || self == UInt8(ascii: "=") || self == UInt8(ascii: "/") || self == UInt8(ascii: ">")
    }
}
