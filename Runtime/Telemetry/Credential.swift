/// What looks like a credential in free text, by its first bytes and its shape. A safety net for words that should not have been logged in
/// the first place: it knows common shapes and promises nothing about others.
///
/// Linear in the length of the text: a search that finds nothing stops after a bounded number of bytes, or at a byte no other search that
/// could have started before it would pass.
enum Credential {
    /// Whether anything known starts with these two bytes.
    @inline(__always)
    static func mayStart(_ byte: UInt8, _ next: UInt8) -> Bool {
        let letter = next | 0x20
        switch byte | 0x20 {
        case UInt8(ascii: "e"): return next == UInt8(ascii: "y")
        case UInt8(ascii: "c"), UInt8(ascii: "t"): return letter == UInt8(ascii: "o")
        case UInt8(ascii: "b"): return letter == UInt8(ascii: "e")
        case UInt8(ascii: "s"): return letter == UInt8(ascii: "e") || letter == UInt8(ascii: "b") || letter == UInt8(ascii: "k")
        case UInt8(ascii: "a"):
            return letter == UInt8(ascii: "i") || letter == UInt8(ascii: "k") || letter == UInt8(ascii: "u")
                || letter == UInt8(ascii: "p")
        case UInt8(ascii: "p"): return letter == UInt8(ascii: "a") || letter == UInt8(ascii: "w") || letter == UInt8(ascii: "r")
        case UInt8(ascii: "g"): return letter == UInt8(ascii: "i") || letter == UInt8(ascii: "h")
        case UInt8(ascii: ":"): return next == UInt8(ascii: "/")
        // Of a number: another digit, or what stands between its groups.
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            return next &- 0x30 < 10 || next == UInt8(ascii: " ") || next == UInt8(ascii: "-")
        default: return false
        }
    }

    /// How many bytes of a credential start at `index`; `nil` when none does. A name before a value (`password=`) goes with it.
    static func length(in text: UnsafeRawBufferPointer, at index: Int) -> Int? {
        switch text[index] | 0x20 {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digits(text, index)
        case UInt8(ascii: ":"): userInfo(text, index)
        case UInt8(ascii: "e"): matches(text, index, "eyJ", exact: true) ? run(text, index, atLeast: 16, dots: true) : nil
        case UInt8(ascii: "a"): startingWithA(text, index)
        case UInt8(ascii: "b"): matches(text, index, "bearer ") && !isWord(before(text, index)) ? bearer(text, index) : nil
        case UInt8(ascii: "c"): matches(text, index, "cookie") ? named(text, index, 6, toEnd: true) : nil
        case UInt8(ascii: "g"): startingWithG(text, index)
        case UInt8(ascii: "p"):
            name(text, index, "password") ?? name(text, index, "passwd") ?? name(text, index, "pwd") ?? name(
                text, index, "passphrase")
                ?? name(text, index, "private_key")
        case UInt8(ascii: "s"): startingWithS(text, index)
        case UInt8(ascii: "t"): name(text, index, "token")
        default: nil
        }
    }

    /// Whether a field of this name holds a credential, whatever it looks like.
    static func isName(_ text: UnsafeRawBufferPointer) -> Bool {
        for word in [
            "password", "passwd", "pwd", "passphrase", "private_key", "secret", "secret_key", "token", "apikey", "api_key",
            "api-key",
        ] as [StaticString]
        where text.count >= word.utf8CodeUnitCount && matches(text, text.count - word.utf8CodeUnitCount, word) { return true }
        return text.count == 13 && matches(text, 0, "authorization") || text.count >= 6 && matches(text, text.count - 6, "cookie")
    }

    private static func startingWithA(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int? {
        if matches(text, index, "AIza", exact: true) { return run(text, index, atLeast: 20) }
        if matches(text, index, "AKIA", exact: true), !isWord(before(text, index)) { return run(text, index, atLeast: 20) }
        if matches(text, index, "authorization") { return named(text, index, 13, toEnd: true) }
        return name(text, index, "apikey") ?? name(text, index, "api_key") ?? name(text, index, "api-key")
    }

    private static func startingWithG(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int? {
        guard !isWord(before(text, index)) else { return nil }
        if matches(text, index, "github_pat_", exact: true) { return run(text, index, atLeast: 30) }
        guard matches(text, index, "gh", exact: true), index + 3 < text.count, text[index + 3] == UInt8(ascii: "_") else {
            return nil
        }
        return run(text, index, atLeast: 30)
    }

    private static func startingWithS(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int? {
        if matches(text, index, "secret") { return name(text, index, "secret") ?? name(text, index, "secret_key") }
        if matches(text, index, "sb_secret_") || matches(text, index, "sbp_") { return run(text, index, atLeast: 12) }
        guard matches(text, index, "sk-", exact: true) || matches(text, index, "sk_live_", exact: true),
            !isWord(before(text, index))
        else { return nil }
        // "sk-" starts ordinary words too; keys are long and have digits in them.
        guard let length = run(text, index, atLeast: 16) else { return nil }
        return text[index..<index + length].contains { $0 &- 0x30 < 10 } ? length : length > 64 ? length : nil
    }

    // MARK: Bytes

    @inline(__always)
    private static func before(_ text: UnsafeRawBufferPointer, _ index: Int) -> UInt8 {
        index > 0 ? text[index - 1] : UInt8(ascii: " ")
    }

    @inline(__always)
    private static func isWord(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == UInt8(ascii: "_")
    }

    @inline(__always)
    private static func isKeyByte(_ byte: UInt8) -> Bool { isWord(byte) || byte == UInt8(ascii: "-") }

    /// Unless `exact`, letter case does not matter and `word` is in lower case.
    @inline(__always)
    private static func matches(_ text: UnsafeRawBufferPointer, _ index: Int, _ word: StaticString, exact: Bool = false) -> Bool {
        let count = word.utf8CodeUnitCount
        guard index + count <= text.count else { return false }
        for offset in 0..<count {
            let byte = text[index + offset]
            guard byte == word.utf8Start[offset] || (!exact && byte &- 0x41 < 26 && byte | 0x20 == word.utf8Start[offset]) else {
                return false
            }
        }
        return true
    }

    /// Bytes of a key from here on; `nil` when they are few, so that a search in vain is short.
    private static func run(_ text: UnsafeRawBufferPointer, _ index: Int, atLeast least: Int, dots: Bool = false) -> Int? {
        var end = index
        while end < text.count, isKeyByte(text[end]) || dots && text[end] == UInt8(ascii: ".") { end += 1 }
        return end - index >= least ? end - index : nil
    }

    // MARK: Shapes

    @inline(__always)
    private static func name(_ text: UnsafeRawBufferPointer, _ index: Int, _ word: StaticString) -> Int? {
        matches(text, index, word) ? named(text, index, word.utf8CodeUnitCount, toEnd: false) : nil
    }

    /// A name of `count` bytes, `=` or `:`, and a value: in quotes up to the closing one, else up to a space or a separator; with `toEnd`
    /// to the end of the text, because a cookie or an Authorization value has spaces in it.
    private static func named(_ text: UnsafeRawBufferPointer, _ index: Int, _ count: Int, toEnd: Bool) -> Int? {
        var next = index + count
        let last = min(text.count, next + 4)
        while next < last, isSpaceOrQuote(text[next]) || text[next] == UInt8(ascii: "\\") { next += 1 }
        guard next < text.count, text[next] == UInt8(ascii: "=") || text[next] == UInt8(ascii: ":") else { return nil }
        next += 1
        if toEnd { return next < text.count ? text.count - index : nil }
        while next < text.count, text[next] == UInt8(ascii: " ") { next += 1 }
        let isEscaped = next < text.count && text[next] == UInt8(ascii: "\\")
        if isEscaped { next += 1 }
        guard next < text.count else { return nil }
        let quote = text[next]
        if quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
            var end = next + 1
            while end < text.count, text[end] != quote || (!isEscaped && text[end - 1] == UInt8(ascii: "\\")) { end += 1 }
            return end > next + 1 ? end - index : nil
        }
        if matches(text, next, "bearer ") { next += 7 } else if matches(text, next, "basic ") { next += 6 }
        let end = valueEnd(text, next)
        return end > next ? end - index : nil
    }

    private static func isSpaceOrQuote(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'")
    }

    private static func valueEnd(_ text: UnsafeRawBufferPointer, _ start: Int) -> Int {
        var end = start
        while end < text.count {
            switch text[end] {
            case 0...0x20, UInt8(ascii: "&"), UInt8(ascii: ";"), UInt8(ascii: ","), UInt8(ascii: "\""), UInt8(ascii: "}"):
                return end
            default: end += 1
            }
        }
        return end
    }

    /// `Bearer` and a word that is long or no plain word: "bearer authentication" is prose.
    private static func bearer(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int? {
        var start = index + 7
        while start < text.count, text[start] == UInt8(ascii: " ") { start += 1 }
        let end = valueEnd(text, start)
        let isPlain = text[start..<end].allSatisfy { ($0 | 0x20) &- 0x61 < 26 || $0 == UInt8(ascii: ".") }
        return end > start && (end - start >= 16 || !isPlain) ? end - index : nil
    }

    /// `://user:password@`, up to the last `@` before the path. It stops at a slash, and so does every other search of its kind.
    private static func userInfo(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int? {
        guard matches(text, index, "://") else { return nil }
        var found: Int?
        var end = index + 3
        while end < text.count {
            switch text[end] {
            case UInt8(ascii: "@"): found = end - index
            case 0...0x20, UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "\""): return found
            default: break
            }
            end += 1
        }
        return found
    }

    private static func digits(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int? {
        let byte = before(text, index)
        guard !isWord(byte) else { return nil }
        // Digits after a decimal point.
        if byte == UInt8(ascii: "."), index > 1, text[index - 2] &- 0x30 < 10 { return nil }
        return card(text, index) ?? socialSecurity(text, index)
    }

    /// 13 to 19 digits, single spaces or dashes between them, that start like a card and pass Luhn. Other digits may follow after a
    /// space: every place where a group ends is tried, the longest wins.
    private static func card(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int? {
        var end = index
        var count = 0
        // Sums with every other digit doubled, beginning with the first and with the second one.
        var sums = (0, 0)
        var found: Int?
        while end < text.count, count < 19 {
            let digit = Int(text[end] &- 0x30)
            if digit < 10 {
                let doubled = digit > 4 ? digit * 2 - 9 : digit * 2
                sums.0 += count % 2 == 0 ? doubled : digit
                sums.1 += count % 2 == 0 ? digit : doubled
                count += 1
                let isGroupEnd = end + 1 == text.count || !isWord(text[end + 1])
                if isGroupEnd, (count % 2 == 0 ? sums.0 : sums.1) % 10 == 0, isIssued(text, index, count) {
                    found = end + 1 - index
                }
            } else if text[end] != UInt8(ascii: " ") && text[end] != UInt8(ascii: "-") || text[end - 1] &- 0x30 >= 10 {
                break
            }
            end += 1
        }
        return found
    }

    /// Times in milliseconds, microseconds and nanoseconds have 13, 16 and 19 digits and start with a 1: they are no cards.
    private static func isIssued(_ text: UnsafeRawBufferPointer, _ index: Int, _ count: Int) -> Bool {
        guard count >= 13 else { return false }
        let second = text[index + 1]
        switch text[index] {
        case UInt8(ascii: "4"): return true
        case UInt8(ascii: "3"): return count >= 14 && count <= 16
        case UInt8(ascii: "2"): return count == 16 && second &- 0x32 < 6 || count == 15
        case UInt8(ascii: "5"), UInt8(ascii: "6"): return count >= 16
        default: return false
        }
    }

    /// ddd-dd-dddd
    private static func socialSecurity(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int? {
        guard index + 11 <= text.count else { return nil }
        for offset in 0..<11 {
            let byte = text[index + offset]
            let isDash = offset == 3 || offset == 6
            guard isDash ? byte == UInt8(ascii: "-") : byte &- 0x30 < 10 else { return nil }
        }
        guard index + 11 == text.count || !isWord(text[index + 11]) else { return nil }
        return 11
    }
}
