package import SwiftletHTTP

package typealias CivilDay = SwiftletHTTP.CivilDay

/// Times as JSON clients read them: ISO 8601 in UTC with milliseconds, `2026-11-21T12:00:00.000Z`.
public enum ISOTime {
    /// - Parameter milliseconds: since 1970; times before are written as 1970.
    public static func text(_ milliseconds: Int64) -> String {
        let days = Int(max(0, milliseconds) / 86_400_000)
        let inDay = Int(max(0, milliseconds) % 86_400_000)
        let date = CivilDay(daysSince1970: days)
        var out: [UInt8] = []
        out.reserveCapacity(32)
        func put(_ number: Int, _ digits: Int, _ after: UInt8) {
            var (power, digits) = (1, digits)
            // Years of more digits than four are written whole.
            while digits > 1 || number / power >= 10 {
                power *= 10
                digits -= 1
            }
            while power > 0 {
                out.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / power % 10))
                power /= 10
            }
            out.append(after)
        }
        put(date.year, 4, UInt8(ascii: "-"))
        put(date.month, 2, UInt8(ascii: "-"))
        put(date.day, 2, UInt8(ascii: "T"))
        put(inDay / 3_600_000, 2, UInt8(ascii: ":"))
        put(inDay / 60_000 % 60, 2, UInt8(ascii: ":"))
        put(inDay / 1000 % 60, 2, UInt8(ascii: "."))
        put(inDay % 1000, 3, UInt8(ascii: "Z"))
        return String(decoding: out, as: UTF8.self)
    }

    /// Milliseconds since 1970 of `2026-11-21T10:00:00Z`, with or without a fraction, with an offset such as `+01:00` in the place of `Z`;
    /// `nil` for anything else, and for years before 1970.
    public static func milliseconds(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard (20...40).contains(bytes.count), bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            bytes[10] == UInt8(ascii: "T") || bytes[10] == UInt8(ascii: "t") || bytes[10] == UInt8(ascii: " "),
            bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"), let year = number(bytes[0..<4]),
            let month = number(bytes[5..<7]), let day = number(bytes[8..<10]), let hour = number(bytes[11..<13]),
            let minute = number(bytes[14..<16]), let second = number(bytes[17..<19]), year >= 1970, (1...12).contains(month),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        let date = CivilDay(year: year, month: month, day: day)
        guard date.exists else { return nil }
        var rest = bytes[19...]
        var fraction = 0
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            guard !digits.isEmpty else { return nil }
            for place in 0..<3 { fraction = fraction * 10 + (digits.dropFirst(place).first.map { Int($0) - 0x30 } ?? 0) }
            rest = rest.dropFirst(digits.count)
        }
        guard let offset = offset(rest) else { return nil }
        return Int64(((date.daysSince1970 * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000 + Int64(fraction)
    }

    /// Minutes east of Greenwich.
    private static func offset(_ text: ArraySlice<UInt8>) -> Int? {
        if text.count == 1 { return text.first.map { $0 | 0x20 } == UInt8(ascii: "z") ? 0 : nil }
        let text = Array(text)
        guard text.count == 6, text[0] == UInt8(ascii: "+") || text[0] == UInt8(ascii: "-"), text[3] == UInt8(ascii: ":"),
            let hours = number(text[1..<3]), let minutes = number(text[4..<6]), hours < 24, minutes < 60
        else { return nil }
        return (hours * 60 + minutes) * (text[0] == UInt8(ascii: "-") ? -1 : 1)
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            value = value * 10 + Int(digit) - 0x30
        }
        return value
    }
}
