/// What makes a number a card's.
enum SensitiveCard {
    /// The check digit of ISO/IEC 7812; what is no digit is passed over.
    @inline(__always)
    static func passesLuhn(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
        var (sum, other, any): (UInt32, UInt32, UInt32) = (0, 0, 0)
        // `sum` counts the last digit once, `other` twice; with each further digit they change places.
        var index = start
        while index < end {
            let byte = bytes[index]
            index &+= 1
            guard byte.isASCIIDigit else { continue }
            let value = UInt32(byte & 15)
            let doubled = value > 4 ? value &* 2 &- 9 : value &* 2
            (sum, other) = (other &+ value, sum &+ doubled)
            any |= value
        }
        return any > 0 && sum % 10 == 0
    }

    /// The check digit of a bar code of 13 digits.
    static func isBarCode(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        guard text.count == 13, text.allSatisfy(\.isASCIIDigit) else { return false }
        return zip(0..., text).reduce(0) { $0 + Int($1.1 - 48) * ($1.0 % 2 == 0 ? 1 : 3) } % 10 == 0
    }

    /// Who issued a card of `count` digits that starts with the six digits `head`; nil for a number nobody issues.
    static func brand(head six: Int, count: Int) -> String? {
        let four = six / 100
        let three = six / 1000
        let two = six / 10000
        switch (count, four) {
        case (13, 4000...4999), (16, 4000...4999), (19, 4000...4999): return "visa"
        case (16, 5100...5599), (16, 2221...2720): return "mastercard"
        case (15, 3400...3499), (15, 3700...3799): return "american-express"
        case (14, 3000...3059), (14, 3095), (14, 3600...3699), (14, 3800...3999): return "diners-club"
        case (16...19, 3000...3059), (16...19, 3095), (16...19, 3600...3699), (16...19, 3800...3999): return "diners-club"
        case (15, 2131), (15, 1800), (16...19, 3528...3589): return "jcb"
        case (15, 1000...1999): return "uatp"
        case (16...19, 6011), (16...19, 6440...6599): return "discover"
        case (16...19, 6200...6299), (16...19, 8100...8171): return "unionpay"
        case (16...19, 2200...2205): return "mir"
        case (16, 5067), (16, 5090), (16, 6277), (16, 6362), (16, 6363): return "elo"
        case (16, 5080...5089), (16, 8100...8299), (16, 3530...3539), (16, 3560...3569): return "rupay"
        case (16, 6360...6399): return "instapayment"
        case (16, 9792): return "troy"
        case (12...19, 5018...5020), (12...19, 5038), (12...19, 5893), (12...19, 6304), (12...19, 6390), (12...19, 6759...6763):
            return "maestro"
        default: break
        }
        if six == 676_770 || six == 676_774 { return "maestro" }
        if (16...19).contains(count), (506_099...506_198).contains(six) || (507_865...507_964).contains(six) { return "verve" }
        if count == 16, two == 60 || three == 652 { return "rupay" }
        return count == 16 && six == 589_562 ? "naranja" : nil
    }
}

/// Which numbers the Social Security Administration gives out.
enum SensitiveSSN {
    static func isIssued(_ number: Int) -> Bool {
        let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000)
        guard area > 0, area != 666, area < 900, group > 0, serial > 0 else { return false }
        // Printed on sample cards and in advertisements, and void for that.
        if number == 78_051_120 || number == 219_099_999 || number == 457_555_462 { return false }
        return number % 111_111_111 != 0
    }

    /// The check digit and the ranges of bank routing numbers, which have nine digits as well.
    static func isRoutingNumber(_ number: Int) -> Bool {
        let district = number / 10_000_000
        guard (0...12).contains(district) || (21...32).contains(district) || (61...72).contains(district) || district == 80 else {
            return false
        }
        var (rest, sum, weight) = (number, 0, 1)
        for _ in 0..<9 {
            sum += rest % 10 * weight
            rest /= 10
            weight = weight == 1 ? 7 : weight == 7 ? 3 : 1
        }
        return sum % 10 == 0
    }
}
