/// Times as S3 writes them. Seconds and milliseconds are since 1970, in UTC.
package enum S3Time {
    /// 9999-12-31T23:59:59Z: what four digits can say.
    private static let last: Int64 = 253_402_300_799

    private struct Fields {
        var year: Int64 = 1970
        var month: Int64 = 1
        var day: Int64 = 1
        var hour: Int64 = 0
        var minute: Int64 = 0
        var second: Int64 = 0

        init() {}

        /// After Howard Hinnant's civil calendar: days in eras of 400 years that start in March.
        init(seconds: Int64) {
            let seconds = min(max(seconds, 0), S3Time.last)
            let days = seconds / 86_400
            let rest = seconds % 86_400
            let shifted = days + 719_468
            let era = shifted / 146_097
            let dayOfEra = shifted % 146_097
            let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
            let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
            let marchMonth = (5 * dayOfYear + 2) / 153
            day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
            month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
            year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
            hour = rest / 3600
            minute = rest % 3600 / 60
            second = rest % 60
        }

        /// Nil when there is no such moment, or it is before 1970.
        var seconds: Int64? {
            guard (1970...9999).contains(year), (1...12).contains(month), (1...31).contains(day), (0...23).contains(hour),
                (0...59).contains(minute), (0...60).contains(second)
            else { return nil }
            let shiftedYear = month <= 2 ? year - 1 : year
            let era = shiftedYear / 400
            let yearOfEra = shiftedYear % 400
            let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
            let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
            // The 31st of April comes back as another day.
            guard Fields(seconds: days * 86_400).day == day else { return nil }
            return days * 86_400 + hour * 3600 + minute * 60 + min(second, 59)
        }
    }

    /// `20260102T030405Z`; its first eight characters are the day of a credential scope.
    package static func basic(_ seconds: Int64) -> String {
        let fields = Fields(seconds: seconds)
        return padded(fields.year, 4) + padded(fields.month, 2) + padded(fields.day, 2) + "T" + padded(fields.hour, 2)
            + padded(fields.minute, 2) + padded(fields.second, 2) + "Z"
    }

    /// `2026-01-02T03:04:05.000Z`, as a policy says its end.
    package static func extended(_ seconds: Int64) -> String {
        let fields = Fields(seconds: seconds)
        return padded(fields.year, 4) + "-" + padded(fields.month, 2) + "-" + padded(fields.day, 2) + "T" + padded(fields.hour, 2)
            + ":" + padded(fields.minute, 2) + ":" + padded(fields.second, 2) + ".000Z"
    }

    /// Exactly `20260102T030405Z`, to seconds.
    package static func parseBasic(_ text: some StringProtocol) -> Int64? {
        var reader = Reader(text)
        var fields = Fields()
        guard let year = reader.number(4), let month = reader.number(2), let day = reader.number(2), reader.take("T"),
            let hour = reader.number(2), let minute = reader.number(2), let second = reader.number(2), reader.take("Z"),
            reader.isAtEnd
        else { return nil }
        (fields.year, fields.month, fields.day) = (year, month, day)
        (fields.hour, fields.minute, fields.second) = (hour, minute, second)
        return fields.seconds
    }

    /// `2026-01-02T03:04:05[.123][Z|+00:00]`, to milliseconds; without a zone it is UTC.
    package static func parseExtended(_ text: some StringProtocol) -> Int64? {
        var reader = Reader(text)
        var fields = Fields()
        guard let year = reader.number(4), reader.take("-"), let month = reader.number(2), reader.take("-"),
            let day = reader.number(2), reader.take("T") || reader.take(" "), let hour = reader.number(2), reader.take(":"),
            let minute = reader.number(2), reader.take(":"), let second = reader.number(2)
        else { return nil }
        (fields.year, fields.month, fields.day) = (year, month, day)
        (fields.hour, fields.minute, fields.second) = (hour, minute, second)
        guard let seconds = fields.seconds else { return nil }
        var milliseconds: Int64 = 0
        if reader.take(".") {
            guard let fraction = reader.fraction() else { return nil }
            milliseconds = fraction
        }
        var offset: Int64 = 0
        if !reader.take("Z"), !reader.isAtEnd {
            let sign: Int64 = reader.take("+") ? 1 : -1
            guard sign == 1 || reader.take("-"), let hours = reader.number(2), hours < 24 else { return nil }
            _ = reader.take(":")
            let minutes = reader.isAtEnd ? 0 : reader.number(2)
            guard let minutes, minutes < 60 else { return nil }
            offset = sign * (hours * 3600 + minutes * 60)
        }
        return reader.isAtEnd ? (seconds - offset) * 1000 + milliseconds : nil
    }

    /// `Wed, 21 Oct 2015 07:28:00 GMT`, to milliseconds.
    package static func parseHTTP(_ text: some StringProtocol) -> Int64? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        var reader = Reader(text)
        var fields = Fields()
        guard reader.word(3) != nil, reader.take(","), reader.take(" "), let day = reader.number(2), reader.take(" "),
            let name = reader.word(3), let month = months.firstIndex(of: name), reader.take(" "), let year = reader.number(4),
            reader.take(" "), let hour = reader.number(2), reader.take(":"), let minute = reader.number(2), reader.take(":"),
            let second = reader.number(2), reader.take(" "), reader.word(3) == "GMT", reader.isAtEnd
        else { return nil }
        (fields.year, fields.month, fields.day) = (year, Int64(month + 1), day)
        (fields.hour, fields.minute, fields.second) = (hour, minute, second)
        return fields.seconds.map { $0 * 1000 }
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(width - digits.utf8.count, 0)) + digits
    }

    private struct Reader {
        private let bytes: [UInt8]
        private var place = 0

        init(_ text: some StringProtocol) { bytes = Array(text.utf8.prefix(64)) }

        var isAtEnd: Bool { place == bytes.count }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard place < bytes.count, bytes[place] == UInt8(ascii: character) else { return false }
            place += 1
            return true
        }

        mutating func number(_ width: Int) -> Int64? {
            guard bytes.count - place >= width else { return nil }
            var value: Int64 = 0
            for byte in bytes[place..<place + width] {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            }
            place += width
            return value
        }

        mutating func word(_ width: Int) -> String? {
            guard bytes.count - place >= width else { return nil }
            defer { place += width }
            return String(decoding: bytes[place..<place + width], as: UTF8.self)
        }

        /// Digits after the point as milliseconds, cut off.
        mutating func fraction() -> Int64? {
            var digits = 0
            var value: Int64 = 0
            while let digit = number(1) {
                if digits < 3 { value = value * 10 + digit }
                digits += 1
            }
            guard digits > 0 else { return nil }
            for _ in min(digits, 3)..<3 { value *= 10 }
            return value
        }
    }
}
