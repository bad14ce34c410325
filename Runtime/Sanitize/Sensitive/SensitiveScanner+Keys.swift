extension SensitiveScanner {
    /// A key that shows by itself; `index` is of `table.patterns`.
    mutating func standalone(_ index: Int, keyword: Int) {
        let place = table.patterns.baseAddress.unsafelyUnwrapped + index
        // The first and the last byte that must stand behind the keyword turn most places away.
        let tail = keyword &+ place.pointee.keywordLength
        if let follow = place.pointee.follow, !follow.has(at(tail)) || !follow.has(at(tail &+ place.pointee.followLeast &- 1)) {
            return
        }
        let start = keyword - place.pointee.keywordOffset
        guard start >= 0, startsWord(start) || !bytes[start].isWord, wants(.apiKey) else { return }
        // In one long run of characters a prefix may come again and again, and each time most of the run be read.
        if failedRead.contains(start), failedReads > 8 { return }
        let (end, matches) = place.pointee.read(bytes, from: start, to: count)
        look(end - start + 8)
        guard matches, end == count || !place.pointee.continues(with: bytes[end]) else {
            if end - start > 48 {
                failedReads = failedRead.contains(start) ? failedReads + 1 : 1
                failedRead = min(start, failedReads > 1 ? failedRead.lowerBound : start)..<end
            }
            return
        }
        let entry = place.pointee
        let value = slice(start, end)
        guard SensitiveRandomness.entropy(value) >= entry.entropy, !isMasked(value, entry) else { return }
        add(.apiKey, table.names[entry.name], start, end)
    }

    /// Keys as they stand in documentation, and words that only begin like a key.
    private func isMasked(_ value: Slice<UnsafeBufferPointer<UInt8>>, _ entry: SensitiveTable.Entry) -> Bool {
        let hasDigit = value.contains(where: \.isASCIIDigit)
        if value.count < 40, SensitiveRandomness.contains(SensitiveScanner.example, in: value.suffix(12)) { return true }
        if value.count >= 26, SensitiveRandomness.contains(SensitiveScanner.alphabet, in: value) { return true }
        guard entry.entropy == 0 else {
            // A short prefix begins words as well, and so does a long one now and then.
            return !hasDigit && (entry.keywordLength == 2 || SensitiveRandomness.readsAsWords(value))
        }
        // Prefixes of two or three letters: a digit tells a key from a word; a row of one letter is a key made unreadable.
        let tail = value.dropFirst(3)
        let isRow = tail.dropFirst().allSatisfy { $0 == tail.last }
        return !hasDigit && !isRow && (value.count != 20 || SensitiveRandomness.readsAsWords(value))
    }

    private static let example = Array("example".utf8)
    private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz".utf8)

    /// `name = value` in its many forms, at the first byte of the operator.
    mutating func assignment(at index: Int) {
        guard wants(.apiKey), let rightSide = afterOperator(index) else { return }
        operatorEnd = rightSide
        // Left: quotes and blanks, then the name.
        var nameEnd = index
        let stop = max(0, index - 10)
        while nameEnd > stop, isBetween(bytes[nameEnd - 1], at: nameEnd - 1) { nameEnd -= 1 }
        let gap = start(of: SensitiveScanner.wordsAndBlanks, before: nameEnd, most: 20)
        guard lastWordEnd >= gap else { return }
        // Right: quotes and blanks, then the value.
        var start = rightSide
        while start < min(count, rightSide + 10), SensitiveScanner.beforeValue.has(bytes[start]) { start += 1 }
        guard start < count else { return }
        let mayBeNamed = bytes[index] != UInt8(ascii: ",") && bytes[index] != UInt8(ascii: "|")
        guard let end = valueEnd(from: start) else {
            if mayBeNamed { namedSecret(nameEnd: nameEnd, start: start, end: start, index: index) }
            return
        }
        look(end - start)
        for back in 0..<8 {
            let entry = pending(back)
            guard entry.end >= gap, entry.end <= index else { break }
            guard entry.word >= 0 else { continue }
            let word = entry.word
            for rule in table.words[word].rules where matches(table.besideWord[rule], start, end) {
                add(.apiKey, table.names[table.besideWord[rule].name], start, end)
                return
            }
        }
        if mayBeNamed { namedSecret(nameEnd: nameEnd, start: start, end: end, index: index) }
    }

    private static let wordsAndBlanks = SensitiveAlphabet.name.union(.blank)
    private static let beforeValue = SensitiveAlphabet("`'\"= \t\n\r\\")

    private func isBetween(_ byte: UInt8, at index: Int) -> Bool {
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\""), UInt8(ascii: "'"),
            UInt8(ascii: "`"), UInt8(ascii: "\\"), UInt8(ascii: "?"):
            true
        case UInt8(ascii: "]"):
            // `env["api_key"] =`
            at(index - 1) == UInt8(ascii: "\"") || at(index - 1) == UInt8(ascii: "'")
        default: false
        }
    }

    /// Where an operator ends that starts here: `=`, `:`, `:=`, `::=`, `=>`, `>`, `||`, `,`.
    private func afterOperator(_ index: Int) -> Int? {
        switch bytes[index] {
        case UInt8(ascii: ":"):
            var end = index + 1
            while end < index + 3, at(end) == UInt8(ascii: ":") { end += 1 }
            return at(end) == UInt8(ascii: "=") ? end + 1 : end
        case UInt8(ascii: "="):
            return at(index + 1) == UInt8(ascii: ">") || at(index + 1) == UInt8(ascii: "=") ? index + 2 : index + 1
        case UInt8(ascii: "|"): return at(index + 1) == UInt8(ascii: "|") ? index + 2 : nil
        default: return index + 1
        }
    }

    /// The end of the value that starts at `start`, or nil when it is too long for one, or when its run was tried often enough.
    private mutating func valueEnd(from start: Int) -> Int? {
        if valueRun.contains(start) {
            triesInRun += 1
            guard triesInRun <= 4 else { return nil }
        } else {
            valueRun = start..<end(of: .value, from: start, most: 4096)
            triesInRun = 1
        }
        var end = valueRun.upperBound
        guard end - start <= 400 else { return nil }
        while end > start, [UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "|")].contains(bytes[end - 1]) { end -= 1 }
        // `sk_a1b2c3...` leaves the rest out.
        return end - start >= 8 && end + 1 >= valueRun.upperBound ? end : nil
    }

    private mutating func matches(_ entry: SensitiveTable.Entry, _ start: Int, _ end: Int) -> Bool {
        guard entry.least <= end - start, end - start <= entry.most else { return false }
        look(end - start)
        guard entry.read(bytes, from: start, to: end) == (end, true) else { return false }
        let value = slice(start, end)
        return SensitiveRandomness.entropy(value) >= entry.entropy && (!entry.canSpell || value.contains(where: \.isASCIIDigit))
    }

    /// A generated value beside a name such as `api_key`. `end` is `start` when it does not look like a plain value.
    private mutating func namedSecret(nameEnd: Int, start: Int, end: Int, index: Int) {
        let quote = at(start - 1)
        let isQuoted = quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'")
        let close = isQuoted ? quotedEnd(quote, from: start) : nil
        let value = slice(start, end)
        // Without a digit nothing below holds; most values end here.
        guard slice(start, close ?? min(count, end + 1)).contains(where: \.isASCIIDigit) else { return }
        let nameStart = self.start(of: .name, before: nameEnd, most: 64)
        if bytes[index] == UInt8(ascii: ">"), at(nameStart - 1) != UInt8(ascii: "<") { return }
        guard let kind = SensitiveName.kind(slice(nameStart, nameEnd)), at(end) != UInt8(ascii: "(") else { return }
        look(end - start)
        if let close, close - start <= 150, isQuotedSecret(start, close, kind: kind) {
            add(.apiKey, "named-secret", start, close, guess: true)
            return
        }
        guard value.count >= 8, value.count <= 150 else { return }
        if let curl, index - curl < 1000, bytes[index] == UInt8(ascii: ":"), isHeaderName(nameStart) {
            if isHandedOver(value) { add(.apiKey, "curl-auth-header", start, end) }
            return
        }
        guard value.allSatisfy(SensitiveScanner.plainValue.has), SensitiveRandomness.isSecret(value) else { return }
        add(.apiKey, "named-secret", start, end, guess: true)
    }

    private static let plainValue = SensitiveAlphabet.base64.union(SensitiveAlphabet("_.=-"))

    private func isHeaderName(_ start: Int) -> Bool { at(start - 1) == UInt8(ascii: "\"") || at(start - 1) == UInt8(ascii: "'") }

    private mutating func quotedEnd(_ quote: UInt8, from start: Int) -> Int? {
        var index = start
        while index < min(count, start + 152), bytes[index] != quote, !SensitiveAlphabet.space.has(bytes[index]) { index += 1 }
        look(index - start)
        return at(index) == quote ? index : nil
    }

    /// A quoted value may hold any mark, as passwords do; and Freemius' keys.
    private func isQuotedSecret(_ start: Int, _ end: Int, kind: SensitiveName.Kind) -> Bool {
        let value = slice(start, end)
        if value.starts(with: "sk_".utf8), value.count == 32 { return true }
        return kind == .password && value.count <= 64 && value.first != UInt8(ascii: "$")
            && !value.contains(where: SensitiveScanner.templateMarks.has)
            && SensitiveRandomness.isSecret(value, least: 8, entropy: 2.5)
    }

    private static let templateMarks = SensitiveAlphabet("{}<>[]()\\")

    /// A token in a request someone is meant to run: real enough unless it is a stand-in.
    func isHandedOver(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        value.count >= 8 && value.contains(where: \.isASCIIDigit) && SensitiveRandomness.entropy(value) >= 2.75
            && !SensitiveRandomness.isStandIn(value) && !SensitiveRandomness.readsAsWords(value)
    }

    /// `//registry.example.org/:_authToken=…` of an `.npmrc`.
    mutating func npmToken(at start: Int, after end: Int) {
        guard wants(.apiKey), at(end) == UInt8(ascii: "="), at(start - 1) == UInt8(ascii: "/") else { return }
        let host = self.start(of: SensitiveAlphabet.name.union(SensitiveAlphabet("/:")), before: start - 1, most: 128)
        guard slice(host, start - 1).contains(where: SensitiveAlphabet.alphanumeric.has) else { return }
        var value = end + 1
        while value < min(count, end + 4), at(value) == UInt8(ascii: "\"") || at(value) == UInt8(ascii: " ") { value += 1 }
        let valueEnd = self.end(of: .base64URL, from: value, most: 200)
        guard valueEnd - value >= 20, SensitiveRandomness.entropy(slice(value, valueEnd)) >= 2 else { return }
        add(.apiKey, "npm-registry-token", value, valueEnd)
    }

    /// User id, time and signature of a bot token, at its first dot.
    mutating func discordToken(dot: Int) {
        guard wants(.apiKey) else { return }
        let first = max(start(of: .base64URL, before: dot, most: 32), dot - 26)
        let signature = end(of: .base64URL, from: dot + 8, most: 64)
        guard end(of: .base64URL, from: dot + 1, most: 6) == dot + 7, signature - dot - 8 >= 27, dot - first >= 24 else { return }
        for begin in first...(dot - 24) where [UInt8(ascii: "M"), UInt8(ascii: "N"), UInt8(ascii: "O")].contains(bytes[begin]) {
            let value = slice(begin, dot)
            guard value.contains(where: \.isASCIIDigit), value.contains(where: SensitiveAlphabet.lower.has) else { continue }
            add(.apiKey, "discord-bot-token", start(of: .base64URL, before: dot, most: 32), signature)
            return
        }
    }
}
