/// Digits between single separators, as they stand in the text.
struct SensitiveDigits {
    /// The lengths of the groups, one byte each, the last one lowest.
    private(set) var shape: UInt64 = 0
    private(set) var groups = 0
    private(set) var separator: UInt8 = 0
    private(set) var digits = 0
    let start: Int
    private(set) var end: Int

    init(start: Int) {
        self.start = start
        end = start
    }

    mutating func append(_ length: Int, after separator: UInt8) {
        if groups > 0 {
            self.separator = separator
            end += 1
        }
        shape = shape << 8 | UInt64(min(length, 255))
        groups += 1
        digits += length
        end += length
    }
}

/// Cards, social security numbers, and what else begins with a digit.
extension SensitiveScanner {
    /// Called at the first digit of a run; moves on behind runs that are nothing.
    mutating func number(at start: Int) {
        let runEnd = digitsEnd(from: start, most: Int.max / 2)
        let first = runEnd - start
        guard first < 40 else {
            position = runEnd
            return
        }
        if wants(.iban), first >= 2 { bankAccount(digits: start) }
        guard position == start + 1, startsWord(start) else { return }
        let next = at(runEnd)
        if wants(.ip), next == UInt8(ascii: "."), first <= 3 { addressV4(at: start) }
        if first >= 5, wants(.apiKey), next == UInt8(ascii: ":") || next == UInt8(ascii: "|") || next == UInt8(ascii: "%") {
            for pattern in table.afterNumber where position == start + 1 { standalone(pattern, keyword: start) }
        }
        if position == start + 1, first >= 2, first <= 19 { grouped(start, first: first, runEnd: runEnd) }
        if position == start + 1, wants(.phone) { phone(at: start) }
    }

    private mutating func grouped(_ start: Int, first: Int, runEnd: Int) {
        let before = at(start - 1)
        let isJoined =
            isJoiner(before) && at(start - 2).isASCIIAlphanumeric
            && !(before == UInt8(ascii: ".") && !at(start - 2).isASCIIDigit)
        guard !isJoined, before != UInt8(ascii: "+"), before != UInt8(ascii: "$"), !followsCode(start) else { return }
        var number = SensitiveDigits(start: start)
        number.append(first, after: 0)
        if first >= 12 {
            // A blank and more digits may follow (an expiry date); a dash or a dot makes it a part of something longer.
            if !goesOn(after: runEnd), !isLongDecimal(start) { card(number) }
            return
        }
        if first == 9, wants(.ssn), !goesOn(after: runEnd, overBlank: true) {
            socialSecurity(number)
            return
        }
        guard first == 4 || first == 3 else { return }
        var end = runEnd
        // No card begins with 0 or 7, nor with 1 when it is written in groups.
        if first == 4, bytes[start] == 0x30 || bytes[start] == 0x31 || bytes[start] == 0x37 { return }
        // The longest that is a card: the last group may be a part of it, or something else behind a blank.
        var card: SensitiveDigits?
        while number.groups < (first == 3 ? 3 : 6) {
            let separator = at(end)
            guard separator == UInt8(ascii: " ") || isJoiner(separator), at(end + 1).isASCIIDigit,
                number.groups == 1 || separator == number.separator
            else { break }
            let next = digitsEnd(from: end + 1, most: 20)
            number.append(next - end - 1, after: separator)
            end = next
            guard leadsOn(number.shape) || isCardShape(number.shape) else { break }
            if isCardShape(number.shape), number.separator == UInt8(ascii: " ") || !goesOn(after: end), isCard(number) {
                card = number
            }
        }
        if let card {
            self.card(card)
            return
        }
        guard first == 3, wants(.ssn), !goesOn(after: end, overBlank: number.separator == UInt8(ascii: " ")) else { return }
        let isContinued = at(start - 1) == number.separator && at(start - 2).isASCIIDigit
        if !isContinued { socialSecurity(number) }
    }

    /// The groups of an account number (`GB29 NWBK 6016 …`) go on here.
    private func followsCode(_ start: Int) -> Bool {
        guard at(start - 1) == UInt8(ascii: " "), start >= 5,
            !at(start - 5).isASCIIDigit || !at(start - 2).isASCIIDigit || !at(start - 4).isASCIIDigit, !isWord(at: start - 6)
        else { return false }
        var (hasLetter, hasDigit) = (false, false)
        for byte in slice(start - 5, start - 1) {
            guard byte.isASCIIDigit || byte &- 0x41 < 26 else { return false }
            if byte.isASCIIDigit { hasDigit = true } else { hasLetter = true }
        }
        return hasLetter && hasDigit
    }

    private func isJoiner(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") }

    /// Whether the digits are a part of something longer: a dash and a letter or digit, a dot (or a blank) and a digit, a letter.
    private func goesOn(after end: Int, overBlank: Bool = false) -> Bool {
        let (byte, next) = (at(end), at(end + 1))
        if byte == UInt8(ascii: "-") { return next.isASCIIAlphanumeric }
        if byte == UInt8(ascii: ".") || overBlank && byte == UInt8(ascii: " ") { return next.isASCIIDigit }
        return byte.isWord
    }

    /// `-4111111111111111` is a number below zero, not a card.
    private func isLongDecimal(_ start: Int) -> Bool { at(start - 1) == UInt8(ascii: "-") }

    /// Whether more groups can make this a card or a social security number.
    private func leadsOn(_ shape: UInt64) -> Bool {
        switch shape {
        case 0x0302, 0x0404, 0x0406, 0x04_0404, 0x0404_0404: true
        default: false
        }
    }

    private func isCardShape(_ shape: UInt64) -> Bool {
        switch shape {
        case 0x0404_0404, 0x0404_0401, 0x04_0605, 0x04_0604, 0x04_0404_0403, 0x04_0404_0401, 0x04_0405, 0x040d, 0x060d,
            0x04_0404_0402:
            true
        default: false
        }
    }

    private mutating func card(_ number: SensitiveDigits) {
        guard isCard(number), let brand = SensitiveCard.brand(head: head(of: number), count: number.digits) else { return }
        add(.creditCard, brand, number.start, number.end)
    }

    private mutating func isCard(_ number: SensitiveDigits) -> Bool {
        guard wants(.creditCard), (12...19).contains(number.digits), !isWord(at: number.end) else { return false }
        look(number.end - number.start)
        // Cheapest first: nine in ten numbers fail here.
        guard SensitiveCard.passesLuhn(bytes, number.start, number.end),
            let brand = SensitiveCard.brand(head: head(of: number), count: number.digits)
        else { return false }
        if number.shape == 0x0404_0404, isTable(slice(number.start, number.end)) { return false }
        // Old Visa numbers of 13 digits look like the bar code of a product, UATP's like any number.
        let isDoubtful = brand == "uatp" || number.groups == 1 && SensitiveCard.isBarCode(slice(number.start, number.end))
        if isDoubtful, !isNear(number, SensitiveScanner.cardWords), !isAlone(number) { return false }
        return true
    }

    /// Four groups of four that count up in small steps: a list of numbers.
    private func isTable(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        var (before, group) = (-1, 0)
        for (index, byte) in text.enumerated() {
            if index % 5 < 4 { group = group * 10 + Int(byte & 15) }
            guard index % 5 == 3 else { continue }
            if before >= 0, group <= before || group > before + 99 { return false }
            (before, group) = (group, 0)
        }
        return true
    }

    /// The first six digits.
    private func head(of number: SensitiveDigits) -> Int {
        var (head, taken, index) = (0, 0, number.start)
        while taken < 6, index < number.end {
            if bytes[index].isASCIIDigit {
                head = head * 10 + Int(bytes[index] - 48)
                taken += 1
            }
            index += 1
        }
        return head
    }

    private static let cardWords = ["card", "visa", "credit", "debit", "payment", "pan"].map { Array($0.utf8) }
    private static let securityWords = ["ssn", "social", "soc sec", "ss#", "ss #", "tax id", "tin:", "taxpayer"].map {
        Array($0.utf8)
    }

    /// Whether one of the words stands a little before the number, or right behind it.
    private mutating func isNear(_ number: SensitiveDigits, _ words: [[UInt8]]) -> Bool {
        let before = context(before: number.start, most: 48)
        let after = context(after: number.end, most: 24)
        look((before.count + after.count) * words.count)
        return words.contains { SensitiveRandomness.contains($0, in: before) || SensitiveRandomness.contains($0, in: after) }
    }

    /// What stands before a number, back to the value before it. A replacement ends it as well, so that taking values out never brings
    /// words nearer to those that are left.
    func context(before end: Int, most: Int) -> Slice<UnsafeBufferPointer<UInt8>> {
        let start = max(0, end - most, spans.last?.range.upperBound ?? 0)
        guard start < end else { return slice(end, end) }
        var index = end
        while index > start, !isReplacement(at: index - 1) { index -= 1 }
        return slice(index, end)
    }

    /// What stands behind a number, up to a replacement.
    private func context(after start: Int, most: Int) -> Slice<UnsafeBufferPointer<UInt8>> {
        let stop = min(count, start + most)
        var index = start
        while index < stop, bytes[index] != UInt8(ascii: "["), !isReplacement(at: index + 7) { index += 1 }
        return slice(start, index)
    }

    /// The last byte of `[api_key]` or of eight asterisks.
    private func isReplacement(at index: Int) -> Bool {
        if at(index) == UInt8(ascii: "]") { return SensitiveAlphabet.lower.has(at(index - 1)) }
        return at(index) == UInt8(ascii: "*") && index >= 7 && index < count
            && slice(index - 7, index).allSatisfy { $0 == UInt8(ascii: "*") }
    }

    private mutating func socialSecurity(_ number: SensitiveDigits) {
        guard number.digits == 9 else { return }
        var digits = 0
        for index in number.start..<number.end where bytes[index].isASCIIDigit { digits = digits * 10 + Int(bytes[index] - 48) }
        guard SensitiveSSN.isIssued(digits) else { return }
        switch number.shape {
        case 0x03_0204: break
        case 0x0306: guard isNear(number, SensitiveScanner.securityWords) || isAllNumbers else { return }
        case 0x09:
            // Nine digits may be anything; a field that holds nothing else is as good as a label.
            let isAlone = isAlone(number) && !SensitiveSSN.isRoutingNumber(digits) && digits != 123_456_789
            guard isAlone || isNear(number, SensitiveScanner.securityWords) else { return }
        default: return
        }
        add(.ssn, "us-ssn", number.start, number.end)
    }

    /// The number is all there is in a short field.
    private func isAlone(_ number: SensitiveDigits) -> Bool {
        count - number.end + number.start < 16
            && (0..<count).allSatisfy { (number.start..<number.end).contains($0) || SensitiveAlphabet.space.has(bytes[$0]) }
    }

    private static let listOfNumbers = SensitiveAlphabet("0123456789 -,;\n")

    /// A short field of numbers and nothing else.
    private var isAllNumbers: Bool {
        count <= 64 && bytes.allSatisfy(SensitiveScanner.listOfNumbers.has)
    }
}
