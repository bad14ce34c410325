import SwiftletNet

/// What people exchange on purpose: bank accounts, e-mail addresses, phone numbers, IP addresses. Off unless asked for.
extension SensitiveScanner {
    /// An IBAN, at its check digits: the length of its country, and the remainder of ISO 7064.
    mutating func bankAccount(digits: Int) {
        let start = digits - 2
        guard start >= 0, SensitiveAlphabet.upper.has(bytes[start]), SensitiveAlphabet.upper.has(bytes[start + 1]),
            startsWord(start),
            let length = SensitiveIBAN.length(bytes[start], bytes[start + 1])
        else { return }
        let separator = at(start + 4)
        let isSpaced = separator == UInt8(ascii: " ") || separator == UInt8(ascii: "-")
        let end = start + length + (isSpaced ? (length - 1) / 4 : 0)
        guard end <= count, !isWord(at: end) else { return }
        var (taken, head, remainder) = (0, 0, 0)
        var index = start
        while index < end {
            let byte = bytes[index]
            index &+= 1
            // A blank behind each four, or none at all.
            if isSpaced, taken == 4 {
                guard byte == separator else { return }
                taken = 0
                continue
            }
            taken &+= 1
            let isDigit = byte.isASCIIDigit
            guard isDigit || byte &- 0x41 < 26 else { return }
            let value = Int(byte) &- (isDigit ? 48 : 55)
            let scale = isDigit ? 10 : 100
            if index &- start <= 4 {
                head = head &* scale &+ value
            } else {
                remainder = remainder &* scale &+ value
                if remainder > 1 << 40 { remainder %= 97 }
            }
        }
        look(index - start)
        // The head goes to the end: two letters and two digits are six digits.
        guard (remainder % 97 * 1_000_000 + head) % 97 == 1 else { return }
        add(.iban, "iban", start, index)
    }

    /// An address as people write it, around its sign.
    mutating func emailAddress(at sign: Int) {
        var local = start(of: SensitiveScanner.localPart, before: sign, most: 64)
        while local < sign, bytes[local] == UInt8(ascii: ".") || bytes[local] == UInt8(ascii: "-") { local += 1 }
        var last = end(of: SensitiveScanner.domain, from: sign + 1, most: 253)
        while last > sign + 1, !bytes[last - 1].isASCIIAlphanumeric { last -= 1 }
        guard local < sign, bytes[sign - 1] != UInt8(ascii: "."), last > sign + 3 else { return }
        // Labels of 1 to 63 characters without a hyphen at either end, at least two of them, the last one a name.
        var (label, labels) = (sign + 1, 1)
        for index in (sign + 1)..<last where bytes[index] == UInt8(ascii: ".") {
            guard isLabel(label, index) else { return }
            label = index + 1
            labels += 1
        }
        guard labels > 1, isLabel(label, last), last - label >= 2, SensitiveAlphabet.letters.has(bytes[label]) else { return }
        add(.email, "email", local, last)
    }

    private func isLabel(_ start: Int, _ end: Int) -> Bool {
        start < end && end - start < 64 && bytes[start] != UInt8(ascii: "-") && bytes[end - 1] != UInt8(ascii: "-")
    }

    private static let localPart = SensitiveAlphabet.word.union(SensitiveAlphabet(".!#$%&'*+-/=?^`{|}~"))
    private static let domain = SensitiveAlphabet.alphanumeric.union(SensitiveAlphabet(".-"))

    /// An international number (`+49 30 123456`), a North American one (`(415) 555-0132`), or another beside a telling word.
    mutating func phone(at first: Int) {
        // A group further on was looked at with the first one.
        if at(first - 1) == UInt8(ascii: " "), at(first - 2).isASCIIDigit { return }
        var start = first
        if at(start - 1) == UInt8(ascii: "(") { start -= 1 }
        let isInternational = at(start - 1) == UInt8(ascii: "+")
        if isInternational { start -= 1 }
        if isWord(at: start - 1) || at(start - 1) == UInt8(ascii: ".") || at(start - 1) == UInt8(ascii: "-") { return }
        var (index, last, digits, groups) = (first, first, 0, 1)
        while index < count, index - first < 32 {
            let byte = bytes[index]
            if byte.isASCIIDigit {
                digits += 1
                last = index + 1
            } else if SensitiveScanner.phoneMarks.has(byte) {
                if at(index - 1).isASCIIDigit { groups += 1 }
                guard index - last < 2 else { break }
            } else {
                break
            }
            index += 1
        }
        look(index - start)
        guard !isWord(at: last), digits >= 7, digits <= 15, !at(index).isASCIIDigit else { return }
        let isNorthAmerican =
            digits == 10 && groups >= 3 && bytes[first] >= UInt8(ascii: "2") && at(first + 3) != UInt8(ascii: ".")
        let before = context(before: start, most: 40)
        let isNamed = SensitiveScanner.phoneWords.contains { SensitiveRandomness.contains($0, in: before) }
        look(40)
        guard isInternational && digits >= 8 || isNorthAmerican || isNamed && digits >= 7 else { return }
        add(.phone, "phone", start, last)
    }

    private static let phoneMarks = SensitiveAlphabet(" -.()/")
    private static let dotted = SensitiveAlphabet.digits.union(SensitiveAlphabet("."))
    private static let hexAndColons = SensitiveAlphabet.hex.union(SensitiveAlphabet(":."))
    private static let phoneWords = ["phone", "tel", "call", "mobile", "cell", "fax", "number is", "whatsapp", "sms"].map {
        Array($0.utf8)
    }

    mutating func addressV4(at start: Int) {
        let last = end(of: SensitiveScanner.dotted, from: start, most: 17)
        address(start, last)
    }

    /// At a colon: the run of hexadecimal digits, colons and dots around it, once.
    mutating func addressV6(colon: Int) {
        guard colon >= addressEnd else { return }
        let start = start(of: SensitiveScanner.hexAndColons, before: colon, most: 6)
        let last = end(of: SensitiveScanner.hexAndColons, from: colon, most: 46)
        addressEnd = last
        guard slice(start, last).count(where: { $0 == UInt8(ascii: ":") }) > 1 else { return }
        if !isWord(at: start - 1) { address(start, last) }
    }

    private mutating func address(_ start: Int, _ end: Int) {
        var end = end
        while end > start, bytes[end - 1] == UInt8(ascii: ".") { end -= 1 }
        guard end - start <= 45, !isWord(at: end), at(start - 1) != UInt8(ascii: "."),
            IPAddress(bytes: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[start..<end])) != nil
        else { return }
        add(.ip, "ip-address", start, end)
    }
}

/// How long the account numbers of a country are.
enum SensitiveIBAN {
    private static let lengths: StaticString = """
        AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18\
        GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15\
        OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30
        """

    private static let byCountry: [UInt8] = {
        var lengths: [UInt8] = Array(repeating: 0, count: 26 * 26)
        let table = SensitiveTable.bytes(Self.lengths)
        for index in stride(from: 0, to: table.count - 3, by: 4) {
            let country = (Int(table[index]) - 65) * 26 + Int(table[index + 1]) - 65
            lengths[country] = (table[index + 2] - 48) * 10 + table[index + 3] - 48
        }
        return lengths
    }()

    /// Nil for a country without such numbers. Both letters must be capitals.
    static func length(_ first: UInt8, _ second: UInt8) -> Int? {
        let length = byCountry[(Int(first) - 65) * 26 + Int(second) - 65]
        return length > 0 ? Int(length) : nil
    }
}
