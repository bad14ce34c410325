/// Credentials in headers, `curl` lines and URLs.
extension SensitiveScanner {
    /// `Authorization: Bearer …`, also as a member of an object.
    mutating func authorization(after keyword: Int) {
        guard wants(.apiKey) else { return }
        var index = keyword
        while index < min(count, keyword + 8), SensitiveScanner.headerMarks.has(bytes[index]) { index += 1 }
        guard index > keyword else { return }
        let inCurl = curl.map { keyword - $0 < 1000 } ?? false
        let schemeEnd = end(of: .name, from: index, most: 12)
        let isBasic = reads("basic", index, schemeEnd)
        let known =
            isBasic || reads("bearer", index, schemeEnd) || reads("token", index, schemeEnd) || reads("apikey", index, schemeEnd)
            || reads("api-token", index, schemeEnd) || reads("api-key", index, schemeEnd)
        var start = index
        if known {
            start = end(of: .blank, from: schemeEnd, most: 4)
            guard start > schemeEnd else { return }
        } else if !inCurl {
            return
        }
        let valueEnd = end(of: SensitiveScanner.token, from: start, most: 2048)
        let value = slice(start, valueEnd)
        guard value.count >= 8, value.count < 2048 else { return }
        // What starts like a web token or has a known prefix is told apart by those checks, later in the walk.
        if isBasic {
            if hasColonInside(value) { add(.apiKey, "authorization-basic", start, valueEnd, guess: true) }
        } else if inCurl ? isHandedOver(value) : value.count >= 16 && isHandedOver(value) {
            add(.apiKey, inCurl ? "curl-auth-header" : "authorization-header", start, valueEnd, guess: true)
        }
    }

    private static let headerMarks = SensitiveAlphabet("\"':=\\ \t")
    private static let quotes = SensitiveAlphabet("\"'")
    private static let brackets = SensitiveAlphabet("{}<>[]*")
    private static let token = SensitiveAlphabet.base64.union(SensitiveAlphabet("_.=~@-"))

    /// Whether this is the word, in either case.
    private func reads(_ word: StaticString, _ start: Int, _ end: Int) -> Bool {
        end - start == word.utf8CodeUnitCount
            && zip(SensitiveTable.bytes(word), slice(start, end)).allSatisfy { $0 == $1.asciiFolded }
    }

    /// `user:password` in base64.
    private mutating func hasColonInside(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        let plain = SensitiveBase64.decode(value, most: 256)
        look(plain.count)
        return plain.contains(UInt8(ascii: ":")) && plain.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
    }

    /// The argument of `-u` or `--user` behind a `curl`.
    mutating func curlUser(after option: Int) {
        guard wants(.apiKey), let curl, option - curl < 1000 else { return }
        var index = option
        while index < min(count, option + 6), at(index) == UInt8(ascii: "=") || SensitiveAlphabet.blank.has(at(index)) {
            index += 1
        }
        guard index < count, index > option || at(index) == UInt8(ascii: "\"") else { return }
        let quote = bytes[index]
        let isQuoted = quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'")
        let start = isQuoted ? index + 1 : index
        var end = start
        var colon: Int?
        while end < min(count, start + 256) {
            let byte = bytes[end]
            if isQuoted ? byte == quote : SensitiveAlphabet.space.has(byte) { break }
            if byte == UInt8(ascii: "\n") { return }
            if byte == UInt8(ascii: ":"), colon == nil { colon = end }
            end += 1
        }
        look(end - index)
        // Longer than any: not cut off in the middle of a character.
        guard let colon, isQuoted ? at(end) == quote : end == count || SensitiveAlphabet.space.has(bytes[end]) else { return }
        // `user:'password'` as well as `:password` and `token:`.
        var (left, right) = (colon + 1, end)
        while left < right, SensitiveScanner.quotes.has(bytes[left]) { left += 1 }
        while left < right, SensitiveScanner.quotes.has(bytes[right - 1]) { right -= 1 }
        if left < right {
            guard isPassword(slice(left, right)), !isTemplate(slice(start, colon)) else { return }
            add(.apiKey, "curl-auth-user", left, right)
        } else if isPassword(slice(start, colon)), colon - start >= 8 {
            add(.apiKey, "curl-auth-user", start, colon)
        }
    }

    private func isTemplate(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        value.contains(where: SensitiveScanner.brackets.has)
    }

    /// Something typed in earnest: three or more characters that are neither a variable nor a plain word.
    private func isPassword(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        guard value.count >= 3, !isTemplate(value), value.first != UInt8(ascii: "$"), value.first != UInt8(ascii: "%") else {
            return false
        }
        let letters = value.count(where: SensitiveAlphabet.letters.has)
        let capitals = value.dropFirst().count(where: SensitiveAlphabet.upper.has)
        let isMixed = letters < value.count || capitals > 0 && capitals < value.count - 1
        return isMixed && SensitiveRandomness.entropy(value) >= 2 && !SensitiveRandomness.isStandIn(value)
    }

    /// `scheme://user:password@host`.
    mutating func urlCredentials(after start: Int) {
        guard wants(.apiKey), at(start - 4).isASCIIAlphanumeric else { return }
        let stop = min(count, start + 256)
        var index = start
        var (colon, sign): (Int?, Int?) = (nil, nil)
        loop: while index < stop {
            switch bytes[index] {
            case UInt8(ascii: ":"): if colon == nil { colon = index }
            case UInt8(ascii: "@"): sign = index
            case 0...0x20, UInt8(ascii: "/"), UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "<"), UInt8(ascii: ">"),
                UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "`"), UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "$"),
                UInt8(ascii: "*"), UInt8(ascii: "\\"):
                break loop
            default: break
            }
            index += 1
        }
        look(index - start)
        guard let colon, let sign, colon < sign - 1, sign + 1 < index, bytes[sign + 1].isASCIIAlphanumeric else {
            return
        }
        let hostEnd = end(of: .name, from: sign + 1, most: 255)
        let password = slice(colon + 1, sign)
        guard SensitiveRandomness.isSecret(password, entropy: 3) || !isLocal(slice(sign + 1, hostEnd)) else { return }
        // An e-mail address may follow `mailto:user:`; a port is no password.
        if password.allSatisfy(\.isASCIIDigit), password.count < 6 { return }
        if slice(start, colon).elementsEqual(password) { return }
        add(.apiKey, "url-credentials", colon + 1, sign)
    }

    /// `<add key="ClearTextPassword" value="…"` of a package configuration, behind its `<add key=`.
    mutating func configuredPassword(after start: Int) {
        guard wants(.apiKey), at(start) == UInt8(ascii: "\"") else { return }
        let nameEnd = end(of: .word, from: start + 1, most: 24)
        guard reads("password", nameEnd - 8, nameEnd), at(nameEnd) == UInt8(ascii: "\"") else { return }
        var index = end(of: .space, from: nameEnd + 1, most: 16)
        guard index > nameEnd + 1, index + 7 < count, reads("value=\"", index, index + 7) else { return }
        index += 7
        var close = index
        while close < min(count, index + 200), bytes[close] != UInt8(ascii: "\""), bytes[close] != UInt8(ascii: "<") {
            close += 1
        }
        look(close - index)
        let value = slice(index, close)
        guard value.count >= 8, at(close) == UInt8(ascii: "\""), isPassword(value) else { return }
        add(.apiKey, "nuget-config-password", index, close)
    }

    /// Hosts that only exist in examples or on one machine.
    private func isLocal(_ host: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        guard host.contains(UInt8(ascii: ".")), !host.allSatisfy({ $0.isASCIIDigit || $0 == UInt8(ascii: ".") }) else {
            return true
        }
        let folded = host.map(\.asciiFolded)
        let ends = [
            ".internal", ".local", ".localhost", ".test", ".example", ".invalid", "example.com", "example.org", "example.net",
        ]
        return ends.contains { folded.suffix($0.utf8.count).elementsEqual($0.utf8) }
    }
}

/// Lenient decoding of both alphabets, only as far as asked.
enum SensitiveBase64 {
    static func decode(_ text: Slice<UnsafeBufferPointer<UInt8>>, most: Int) -> [UInt8] {
        var plain: [UInt8] = []
        plain.reserveCapacity(min(most, text.count))
        var (bits, held): (UInt32, Int) = (0, 0)
        for byte in text {
            let value: UInt8
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - 65
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - 71
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte + 4
            case UInt8(ascii: "+"), UInt8(ascii: "-"): value = 62
            case UInt8(ascii: "/"), UInt8(ascii: "_"): value = 63
            default: return plain
            }
            bits = bits << 6 | UInt32(value)
            held += 6
            if held >= 8 {
                held -= 8
                plain.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
                if plain.count == most { return plain }
            }
        }
        return plain
    }
}
