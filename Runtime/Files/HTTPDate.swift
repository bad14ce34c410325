/// Times of HTTP headers (RFC 9110 section 5.6.7), in seconds since 1970.
package enum HTTPDate {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let longDays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    /// The first second of the year 10000, which has no form.
    private static let end: Int64 = 253_402_300_800

    /// `Sun, 06 Nov 1994 08:49:37 GMT`. Times before 1970 and after 9999 become the nearest that can be written.
    package static func write(_ seconds: Int64) -> String {
        let time = min(max(0, seconds), end - 1)
        let day = time / 86_400
        let rest = Int(time % 86_400)
        let date = civil(day)
        let name = days[Int((day + 4) % 7)]
        let clock = "\(two(rest / 3_600)):\(two(rest / 60 % 60)):\(two(rest % 60))"
        let year = String(repeating: "0", count: 4 - String(date.year).utf8.count) + String(date.year)
        return "\(name), \(two(date.day)) \(months[date.month - 1]) \(year) \(clock) GMT"
    }

    /// Reads the form above and the two obsolete ones, `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
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
        let thisYear = civil(min(max(0, now), end - 1) / 86_400).year
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
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard day >= 1, day <= lengths[month] else { return nil }
        return epochDay(year, month + 1, day) * 86_400 + Int64(hour * 3_600 + minute * 60 + second)
    }

    private static func digits(_ text: String, _ count: Int) -> Int? {
        guard text.utf8.count == count, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return Int(text)
    }

    private static func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

    /// Days since 1970. Years start in March here, so that the day that comes and goes is the last one.
    private static func epochDay(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
        let shifted = month > 2 ? year : year - 1
        let sinceMarch = (month + 9) % 12
        let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (sinceMarch * 153 + 2) / 5 + day - 1
        return Int64(days - 719_468)
    }

    private static func civil(_ day: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = Int(day) + 719_468
        let era = shifted / 146_097
        let inEra = shifted % 146_097
        let yearInEra = (inEra - inEra / 1_460 + inEra / 36_524 - inEra / 146_096) / 365
        let inYear = inEra - (365 * yearInEra + yearInEra / 4 - yearInEra / 100)
        let sinceMarch = (5 * inYear + 2) / 153
        let month = sinceMarch < 10 ? sinceMarch + 3 : sinceMarch - 9
        return (yearInEra + era * 400 + (month <= 2 ? 1 : 0), month, inYear - (153 * sinceMarch + 2) / 5 + 1)
    }
}
