extension HTMLTokenizer {
    // Some methods that change nothing are `mutating` all the same: the others are handed a copy of the whole structure, at every call.

    /// What begins with the `<` at `position`, of which it is known that it is no text; `nil` for an end tag without a name.
    mutating func markup() -> Token? {
        let at = position + 1
        guard at < count else { return deliver(position, count) }
        switch base[at] {
        case UInt8(ascii: "!"): return declaration(at + 1)
        case UInt8(ascii: "?"): return bogusComment(at)
        case UInt8(ascii: "/"):
            let byte = at + 1 < count ? base[at + 1] : 0
            if byte.isASCIILetter { return tagToken(.endTag, nameAt: at + 1) }
            guard byte == UInt8(ascii: ">") else { return bogusComment(at + 1) }
            position = at + 2
            return nil
        default: return tagToken(.startTag, nameAt: at)
        }
    }

    private mutating func declaration(_ start: Int) -> Token {
        if starts(start, "--") { return comment(start + 2) }
        if starts(start, "doctype") { return doctype(start + 7) }
        // CDATA sections exist only in drawings and formulas, which are dropped before they could matter.
        return bogusComment(start)
    }

    /// Whether the text goes on with `word` (in lower case), whatever its case.
    private mutating func starts(_ start: Int, _ word: StaticString) -> Bool {
        guard start <= count, count - start >= word.utf8CodeUnitCount else { return false }
        for index in 0..<word.utf8CodeUnitCount where base[start + index].asciiLowercased != word.utf8Start[index] {
            return false
        }
        return true
    }

    /// Everything up to the next `>`.
    private mutating func bogusComment(_ start: Int) -> Token {
        upToBracket(start)
        return .comment
    }

    private mutating func doctype(_ start: Int) -> Token {
        upToBracket(start)
        return .doctype
    }

    private mutating func upToBracket(_ start: Int) {
        var at = start
        while at < count, base[at] != UInt8(ascii: ">") { at += 1 }
        text = bytes(start..<at)
        isCutOff = at >= count
        position = min(at + 1, count)
    }

    /// Ends at `-->` or `--!>`, at once with `>` or `->`, or with the text.
    private mutating func comment(_ start: Int) -> Token {
        var at = start
        while at < count {
            if base[at] == UInt8(ascii: ">"), let end = commentEnd(start, at) {
                text = bytes(start..<end)
                position = at + 1
                return .comment
            }
            at += 1
        }
        var end = count
        // Dashes that may have been the beginning of the end are no content.
        if ends(start, end, "--!") {
            end -= 3
        } else if ends(start, end, "--") {
            end -= 2
        } else if ends(start, end, "-") {
            end -= 1
        }
        text = bytes(start..<end)
        position = count
        return .comment
    }

    /// Where the content of a comment ends whose `>` may be at `at`.
    private mutating func commentEnd(_ start: Int, _ at: Int) -> Int? {
        if at == start { return start }
        if at == start + 1, base[start] == UInt8(ascii: "-") { return start }
        if ends(start, at, "--") { return at - 2 }
        return ends(start, at, "--!") ? at - 3 : nil
    }

    private mutating func ends(_ start: Int, _ end: Int, _ word: StaticString) -> Bool {
        let first = end - word.utf8CodeUnitCount
        guard first >= start else { return false }
        for index in 0..<word.utf8CodeUnitCount where base[first + index] != word.utf8Start[index] { return false }
        return true
    }

    /// Where `word` (in lower case) stands for the last time in the text, whatever its case; -1 when nowhere.
    mutating func lastPlace(of word: StaticString) -> Int {
        var at = count - word.utf8CodeUnitCount
        while at >= 0, !starts(at, word) { at -= 1 }
        return at
    }
}
