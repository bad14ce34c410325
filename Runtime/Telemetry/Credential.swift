/// What looks like a credential in free text, by its first bytes and its shape. A safety net for words that should not have been logged in
/// the first place: it knows common shapes and promises nothing about others.
enum Credential {
    /// Whether anything known starts with this byte.
    @inline(__always)
    static func mayStart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "e"), UInt8(ascii: "A"), UInt8(ascii: "a"), UInt8(ascii: "s"), UInt8(ascii: "S"), UInt8(ascii: "B"),
            UInt8(ascii: "b"),
            UInt8(ascii: "p"), UInt8(ascii: "P"), UInt8(ascii: "t"), UInt8(ascii: "T"), UInt8(ascii: "c"), UInt8(ascii: "C"),
            UInt8(ascii: ":"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    /// How many bytes of a credential start at `index`; `nil` when none does. Names before a value (`password=`) stay in the text: the
    /// value after them is judged when its turn comes.
    static func length(in text: UnsafeRawBufferPointer, at index: Int) -> Int? {
        let before = index > 0 ? text[index - 1] : UInt8(ascii: " ")
        if text[index] &- 0x30 < 10 { return isWord(before) ? nil : card(text, index) ?? socialSecurity(text, index) }
        if text[index] == UInt8(ascii: ":") { return userInfo(text, index) }
        if matches(text, index, "eyj"), let length = token(text, index) { return length }
        if matches(text, index, "aiza") { return run(text, index, atLeast: 20) }
        if matches(text, index, "sk-") || matches(text, index, "sb_secret_") || matches(text, index, "sbp_") {
            return run(text, index, atLeast: 12)
        }
        guard !isWord(before) else { return nil }
        if matches(text, index, "bearer ") { return named(text, index, 7) }
        for name in names where matches(text, index, name) {
            var next = index + name.utf8CodeUnitCount
            if next < text.count, text[next] == UInt8(ascii: "\"") { next += 1 }
            guard next < text.count, text[next] == UInt8(ascii: "=") || text[next] == UInt8(ascii: ":") else { continue }
            next += 1
            while next < text.count, text[next] == UInt8(ascii: " ") || text[next] == UInt8(ascii: "\"") { next += 1 }
            // A cookie or an Authorization value has spaces in it: what follows goes to the end of the field.
            let isLine = name.utf8CodeUnitCount == 6 && text[index] | 0x20 == UInt8(ascii: "c") || name.utf8CodeUnitCount == 13
            return isLine ? text.count - index : named(text, index, next - index)
        }
        return nil
    }

    private static let names: [StaticString] = [
        "password", "passwd", "pwd", "secret", "token", "access_token", "refresh_token", "apikey", "api_key", "api-key",
        "authorization", "cookie",
        "client_secret",
    ]

    private static func isWord(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == UInt8(ascii: "_")
    }

    /// Letter case does not matter; `word` is in lower case.
    private static func matches(_ text: UnsafeRawBufferPointer, _ index: Int, _ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard index + count <= text.count else { return false }
        for offset in 0..<count {
            let byte = text[index + offset]
            guard byte == word.utf8Start[offset] || (byte &- 0x41 < 26 && byte | 0x20 == word.utf8Start[offset]) else {
                return false
            }
        }
        return true
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool { isWord(byte) || byte == UInt8(ascii: "-") }

    private static func run(_ text: UnsafeRawBufferPointer, _ index: Int, atLeast least: Int) -> Int? {
        var end = index
        while end < text.count, isKeyByte(text[end]) { end += 1 }
        return end - index >= least ? end - index : nil
    }

    /// Two dots between runs of base64url.
    private static func token(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int? {
        var end = index
        var dots = 0
        while end < text.count, isKeyByte(text[end]) || text[end] == UInt8(ascii: ".") {
            if text[end] == UInt8(ascii: ".") { dots += 1 }
            end += 1
        }
        return dots >= 1 && end - index >= 16 ? end - index : nil
    }

    /// A name of `prefix` bytes and the value after it, up to a space or a separator.
    private static func named(_ text: UnsafeRawBufferPointer, _ index: Int, _ prefix: Int) -> Int? {
        var end = index + prefix
        while end < text.count {
            switch text[end] {
            case 0x20, UInt8(ascii: "&"), UInt8(ascii: ";"), UInt8(ascii: ","), UInt8(ascii: "\""), UInt8(ascii: "}"), 0x0A, 0x0D:
                return end > index + prefix ? end - index : nil
            default: end += 1
            }
        }
        return end > index + prefix ? end - index : nil
    }

    /// `://user:password@`
    private static func userInfo(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int? {
        guard matches(text, index, "://") else { return nil }
        var end = index + 3
        var hasColon = false
        while end < text.count, end - index < 512 {
            switch text[end] {
            case UInt8(ascii: "@"): return hasColon ? end - index : nil
            case UInt8(ascii: ":"): hasColon = true
            case 0...0x20, UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"): return nil
            default: break
            }
            end += 1
        }
        return nil
    }

    /// 13 to 19 digits, single spaces or dashes between them, that pass Luhn.
    private static func card(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int? {
        var end = index
        var digits: [UInt8] = []
        var last = index
        while end < text.count, digits.count <= 19 {
            if text[end] &- 0x30 < 10 {
                digits.append(text[end] &- 0x30)
                last = end
            } else if text[end] != UInt8(ascii: " ") && text[end] != UInt8(ascii: "-") || end != last + 1 {
                break
            }
            end += 1
        }
        guard (13...19).contains(digits.count) else { return nil }
        var sum = 0
        for (offset, digit) in digits.reversed().enumerated() {
            let value = offset % 2 == 1 ? Int(digit) * 2 : Int(digit)
            sum += value > 9 ? value - 9 : value
        }
        return sum % 10 == 0 && digits.contains { $0 != 0 } ? last + 1 - index : nil
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
