import SwiftletHTTP

/// Times as S3 writes them. Seconds and milliseconds are since 1970, in UTC.
package enum S3Time {
    /// 9999-12-31T23:59:59Z: what four digits can say.
    private static let last: Int64 = 253_402_300_799

    private struct Fields {
        var date = CivilDay(year: 1970, month: 1, day: 1)
        var hour = 0
        var minute = 0
        var second = 0

        init() {}

        init(seconds: Int64) {
            let seconds = Int(min(max(seconds, 0), S3Time.last))
            date = CivilDay(daysSince1970: seconds / 86_400)
            hour = seconds / 3600 % 24
            minute = seconds / 60 % 60
            second = seconds % 60
        }

        /// Nil when there is no such moment, or it is before 1970.
        var seconds: Int64? {
            guard date.year >= 1970, (1...12).contains(date.month), date.exists, hour < 24, minute < 60, second <= 60 else {
                return nil
            }
            return Int64(date.daysSince1970 * 86_400 + hour * 3600 + minute * 60 + min(second, 59))
        }
    }

    /// `20260102T030405Z`; its first eight characters are the day of a credential scope.
    package static func basic(_ seconds: Int64) -> String {
        let fields = Fields(seconds: seconds)
        return padded(fields.date.year, 4) + padded(fields.date.month, 2) + padded(fields.date.day, 2) + "T"
            + padded(fields.hour, 2)
            + padded(fields.minute, 2) + padded(fields.second, 2) + "Z"
    }

    /// `2026-01-02T03:04:05.000Z`, as a policy says its end.
    package static func extended(_ seconds: Int64) -> String {
        let fields = Fields(seconds: seconds)
        return padded(fields.date.year, 4) + "-" + padded(fields.date.month, 2) + "-" + padded(fields.date.day, 2) + "T"
            + padded(fields.hour, 2)
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
        fields.date = CivilDay(year: year, month: month, day: day)
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
        fields.date = CivilDay(year: year, month: month, day: day)
        (fields.hour, fields.minute, fields.second) = (hour, minute, second)
        guard let seconds = fields.seconds else { return nil }
        var milliseconds = 0
        if reader.take(".") {
            guard let fraction = reader.fraction() else { return nil }
            milliseconds = fraction
        }
        var offset = 0
        if !reader.take("Z"), !reader.isAtEnd {
            let sign = reader.take("+") ? 1 : -1
            guard sign == 1 || reader.take("-"), let hours = reader.number(2), hours < 24 else { return nil }
            _ = reader.take(":")
            let minutes = reader.isAtEnd ? 0 : reader.number(2)
            guard let minutes, minutes < 60 else { return nil }
            offset = sign * (hours * 3600 + minutes * 60)
        }
        return reader.isAtEnd ? (seconds - Int64(offset)) * 1000 + Int64(milliseconds) : nil
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
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

        mutating func number(_ width: Int) -> Int? {
            guard bytes.count - place >= width else { return nil }
            var value = 0
            for byte in bytes[place..<place + width] {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int(byte - UInt8(ascii: "0"))
            }
            place += width
            return value
        }

        /// Digits after the point as milliseconds, cut off.
        mutating func fraction() -> Int? {
            var digits = 0
            var value = 0
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
