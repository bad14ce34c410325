/// Reads HTML the way the standard's tokenizer does: bytes of UTF-8 in, one token at a time out, in linear time and without allocations.
///
/// Tokens point into the text: what they show is valid until the next call of `next()`, and only inside the scope that lends the text.
/// Carriage returns are read as line feeds. Text of the data and CDATA states may hold NUL; in the other states it has become U+FFFD.
/// Parse errors are not reported.
///
/// Every position is compared with `count` before a byte is read there; nothing else makes a position.
package struct HTMLTokenizer: ~Copyable {
    /// Where the standard's tokenizer can be told to start or to go on.
    package enum Mode: UInt8, Sendable { case data, rcdata, rawtext, script, plaintext, cdata }
    package enum Token: UInt8, Sendable { case end, text, startTag, endTag, comment, doctype }

    /// An attribute as ranges of the text: the name before lower case, the value before its references are decoded.
    package struct Attribute {
        package internal(set) var name: Range<Int>
        package internal(set) var value: Range<Int>
        var known: HTMLAttributeName
    }

    let base: UnsafePointer<UInt8>
    let count: Int
    /// The position behind the last token.
    package internal(set) var position = 0
    package var mode: Mode
    /// Keep attributes of every name, twins too; otherwise the first of each known name.
    let keepsAll: Bool

    /// Text, or what a comment or a doctype consists of.
    package internal(set) var text: UnsafeBufferPointer<UInt8>
    package internal(set) var name = 0..<0
    package internal(set) var isSelfClosing = false
    package internal(set) var attributes: [Attribute] = []
    /// A doctype that ended with the text and not with its `>`.
    package internal(set) var isCutOff = false
    var tag = HTMLTag.unknown
    var seenAttributes: UInt8 = 0

    var scriptState = ScriptState.plain
    /// The name whose end tag ends raw text.
    var endName = HTMLPackedName()
    private let scratch: UnsafeMutablePointer<UInt8>
    private var pending = HTMLReference.none

    /// - Parameters:
    ///   - text: lent: it must outlive the tokenizer.
    ///   - scratch: at least eight bytes, for decoded references; lent as well.
    package init(
        _ text: UnsafeBufferPointer<UInt8>, scratch: UnsafeMutableBufferPointer<UInt8>, mode: Mode = .data, keepsAll: Bool = false
    ) {
        // An empty text has no address: the scratch stands in, and is never read through it.
        let start = scratch.baseAddress.map { UnsafePointer($0) }
        let large = scratch.count >= 8
        base = text.baseAddress ?? start ?? HTMLTokenizer.nothing
        count = large ? text.count : 0
        self.scratch = scratch.baseAddress ?? UnsafeMutablePointer(mutating: HTMLTokenizer.nothing)
        self.text = UnsafeBufferPointer(start: base, count: 0)
        self.mode = mode
        self.keepsAll = keepsAll
    }

    private static var nothing: UnsafePointer<UInt8> { ("" as StaticString).utf8Start }

    /// Goes on in another state, which the end tag of `name` ends.
    package mutating func enter(_ mode: Mode, until name: some Sequence<UInt8>) {
        self.mode = mode
        scriptState = .plain
        endName = HTMLPackedName()
        for byte in name { endName.append(byte.asciiLowercased) }
    }

    /// The next token; `.end` again and again at the end.
    package mutating func next() -> Token {
        if pending.length > 0 { return deliverPending() }
        switch mode {
        case .data: return nextInData()
        case .rcdata, .rawtext: return nextInRawText()
        case .script: return nextInScript()
        case .plaintext: return nextPlain()
        case .cdata: return nextInSection()
        }
    }

    // MARK: Text

    private mutating func nextInData() -> Token {
        var start = position
        var at = start
        while at < count {
            let byte = base[at]
            if byte > 0x3C {
                at += 1
                continue
            }
            switch byte {
            case UInt8(ascii: "<"):
                guard isMarkup(at) else {
                    at += 1
                    continue
                }
                if at > start { return deliver(start, at) }
                if let token = markup() { return token }
                // An end tag without a name is nothing.
                start = position
                at = start
            case UInt8(ascii: "&"):
                let reference = HTMLReference.read(base, from: at, to: count, inAttribute: false)
                if reference.length > 0 { return deliver(start, at, then: reference) }
                at += 1
            case 0x0D: return deliverLine(start, at)
            default: at += 1
            }
        }
        return deliver(start, at)
    }

    /// Whether the `<` at `at` begins a tag, a comment or the like.
    @inline(__always)
    private func isMarkup(_ at: Int) -> Bool {
        guard at + 1 < count else { return false }
        let byte = base[at + 1]
        if byte.isASCIILetter || byte == UInt8(ascii: "!") || byte == UInt8(ascii: "?") { return true }
        return byte == UInt8(ascii: "/") && at + 2 < count
    }

    /// The text `start..<end`; the end of everything when there is none.
    mutating func deliver(_ start: Int, _ end: Int) -> Token {
        position = end
        guard end > start else { return .end }
        text = UnsafeBufferPointer(start: base + start, count: end - start)
        return .text
    }

    /// The text before a reference, if any, and then what the reference stands for.
    mutating func deliver(_ start: Int, _ end: Int, then reference: HTMLReference) -> Token {
        pending = reference
        return end > start ? deliver(start, end) : deliverPending()
    }

    private mutating func deliverPending() -> Token {
        let reference = pending
        pending = .none
        position += reference.length
        var packed = reference.packed
        for index in 0..<min(reference.count, 8) {
            scratch[index] = UInt8(truncatingIfNeeded: packed)
            packed >>= 8
        }
        text = UnsafeBufferPointer(start: scratch, count: min(reference.count, 8))
        return .text
    }

    /// The text before a carriage return, if any, and then the line feed it stands for.
    mutating func deliverLine(_ start: Int, _ end: Int) -> Token {
        let isPair = end + 1 < count && base[end + 1] == 0x0A
        return deliver(start, end, then: HTMLReference(length: isPair ? 2 : 1, packed: 0x0A, count: 1))
    }

    /// The text before a NUL, if any, and then U+FFFD.
    mutating func deliverReplacement(_ start: Int, _ end: Int) -> Token {
        deliver(start, end, then: HTMLReference(length: 1, packed: 0xBD_BFEF, count: 3))
    }

    // MARK: Raw text

    private mutating func nextInRawText() -> Token {
        let start = position
        var at = start
        while at < count {
            switch base[at] {
            case 0: return deliverReplacement(start, at)
            case 0x0D: return deliverLine(start, at)
            case UInt8(ascii: "&") where mode == .rcdata:
                let reference = HTMLReference.read(base, from: at, to: count, inAttribute: false)
                if reference.length > 0 { return deliver(start, at, then: reference) }
                at += 1
            case UInt8(ascii: "<") where isEndTag(at):
                if at > start { return deliver(start, at) }
                mode = .data
                return tagToken(.endTag, nameAt: at + 2)
            default: at += 1
            }
        }
        return deliver(start, at)
    }

    /// Whether the end tag that raw text waits for begins at `at`.
    mutating func isEndTag(_ at: Int) -> Bool {
        guard at + 2 < count, base[at + 1] == UInt8(ascii: "/"), base[at + 2].isASCIILetter else { return false }
        var name = HTMLPackedName()
        var end = at + 2
        while end < count, base[end].isASCIILetter, name.length <= endName.length {
            name.append(base[end] | 0x20)
            end += 1
        }
        guard end < count, name == endName else { return false }
        let byte = base[end]
        return byte.isHTMLSpace || byte == UInt8(ascii: "/") || byte == UInt8(ascii: ">")
    }

    private mutating func nextPlain() -> Token {
        let start = position
        var at = start
        while at < count {
            switch base[at] {
            case 0: return deliverReplacement(start, at)
            case 0x0D: return deliverLine(start, at)
            default: at += 1
            }
        }
        return deliver(start, at)
    }

    private mutating func nextInSection() -> Token {
        let start = position
        var at = start
        while at < count {
            switch base[at] {
            case 0x0D: return deliverLine(start, at)
            case UInt8(ascii: "]") where at + 2 < count && base[at + 1] == UInt8(ascii: "]") && base[at + 2] == UInt8(ascii: ">"):
                if at > start { return deliver(start, at) }
                position = at + 3
                mode = .data
                return nextInData()
            default: at += 1
            }
        }
        return deliver(start, at)
    }
}

/// A name in lower case as two numbers, and how long it really was.
struct HTMLPackedName: Equatable {
    var low: UInt64 = 0
    var high: UInt64 = 0
    var length = 0

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        if length < 8 {
            low |= UInt64(byte) << UInt64(length * 8)
        } else if length < 16 {
            high |= UInt64(byte) << UInt64((length - 8) * 8)
        }
        length += 1
    }
}
