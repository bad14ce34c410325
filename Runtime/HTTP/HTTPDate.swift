/// Dates of HTTP headers (RFC 9110 section 5.6.7), in seconds since 1970. One form is written,
/// `Sun, 06 Nov 1994 08:49:37 GMT`; two older ones are read as well.
package enum HTTPDate {
    /// The length of `line`: `Date: `, 29 bytes of date, CR LF.
    package static let lineLength = 37

    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let longDays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    /// 9999-12-31T23:59:59Z: what four digits can say.
    private static let last: Int64 = 253_402_300_799

    /// A whole `Date` field, line end included.
    ///
    /// - Parameter unixSeconds: clamped to the years 1970 to 9999.
    package static func line(unixSeconds: Int) -> [UInt8] {
        var bytes = [UInt8]("Date: ".utf8)
        bytes.reserveCapacity(lineLength)
        append(Int64(unixSeconds), to: &bytes)
        bytes.append(0x0D)
        bytes.append(0x0A)
        return bytes
    }

    /// The date alone.
    package static func text(_ unixSeconds: Int64) -> String {
        var bytes: [UInt8] = []
        append(unixSeconds, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func append(_ unixSeconds: Int64, to bytes: inout [UInt8]) {
        let seconds = Int(min(max(unixSeconds, 0), last))
        let days = seconds / 86_400
        let time = seconds % 86_400
        let date = CivilDay(daysSince1970: days)

        func number(_ value: Int, _ width: Int) {
            var divisor = 1
            for _ in 1..<width { divisor *= 10 }
            while divisor > 0 {
                bytes.append(0x30 + UInt8(value / divisor % 10))
                divisor /= 10
            }
        }
        func name(_ names: StaticString, _ index: Int) {
            for offset in index * 3..<index * 3 + 3 { bytes.append(names.utf8Start[offset]) }
        }
        name("SunMonTueWedThuFriSat", date.weekday)
        bytes.append(contentsOf: ", ".utf8)
        number(date.day, 2)
        bytes.append(0x20)
        name("JanFebMarAprMayJunJulAugSepOctNovDec", date.month - 1)
        bytes.append(0x20)
        number(date.year, 4)
        bytes.append(0x20)
        number(time / 3_600, 2)
        bytes.append(0x3A)
        number(time / 60 % 60, 2)
        bytes.append(0x3A)
        number(time % 60, 2)
        bytes.append(contentsOf: " GMT".utf8)
    }

    /// Reads the form that is written and the two obsolete ones, `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
    /// The day of the week must be one, and is not compared with the date.
    ///
    /// - Parameter now: decides the century of a year of two digits: the latest that is not more than 50 years ahead.
    package static func parse(_ text: String, now: Int64) -> Int64? {
        guard text.utf8.count <= 64 else { return nil }
        let words = text.utf8.split(separator: 0x20, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        guard let first = words.first else { return nil }
        if first.utf8.last != UInt8(ascii: ",") { return asctime(words) }
        let name = String(decoding: first.utf8.dropLast(), as: UTF8.self)
        if words.count == 6, days.contains(name), words[5] == "GMT" {
            return time(year: digits(words[3], 4), month: words[2], day: digits(words[1], 2), clock: words[4])
        }
        guard words.count == 4, longDays.contains(name), words[3] == "GMT" else { return nil }
        let parts = words[1].utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard parts.count == 3, let short = digits(parts[2], 2) else { return nil }
        let thisYear = CivilDay(daysSince1970: Int(min(max(0, now), last)) / 86_400).year
        var year = thisYear / 100 * 100 + short
        if year > thisYear + 50 { year -= 100 } else if year <= thisYear - 50 { year += 100 }
        return time(year: year, month: parts[1], day: digits(parts[0], 2), clock: words[2])
    }

    private static func asctime(_ words: [String]) -> Int64? {
        // A day of one digit has a blank before it, which makes an empty word.
        let isShort = words.count == 6 && words[2].isEmpty
        guard days.contains(words[0]), isShort || words.count == 5 else { return nil }
        let rest = isShort ? Array(words[3...]) : Array(words[2...])
        return time(year: digits(rest[2], 4), month: words[1], day: digits(rest[0], isShort ? 1 : 2), clock: rest[1])
    }

    private static func time(year: Int?, month: String, day: Int?, clock: String) -> Int64? {
        let parts = clock.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map {
            digits(String(decoding: $0, as: UTF8.self), 2)
        }
        guard let year, let day, let month = months.firstIndex(of: month), parts.count == 3, let hour = parts[0],
            let minute = parts[1], let second = parts[2], hour < 24, minute < 60, second <= 60, year >= 1_601
        else { return nil }
        let date = CivilDay(year: year, month: month + 1, day: day)
        return date.exists ? Int64(date.daysSince1970 * 86_400 + hour * 3_600 + minute * 60 + second) : nil
    }

    private static func digits(_ text: String, _ count: Int) -> Int? {
        guard text.utf8.count == count, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return Int(text)
    }
}
