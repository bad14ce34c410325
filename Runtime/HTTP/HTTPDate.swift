/// Dates in the one form that HTTP writes: `Sun, 06 Nov 1994 08:49:37 GMT`.
package enum HTTPDate {
    /// The length of `line`: `Date: `, 29 bytes of date, CR LF.
    package static let lineLength = 37

    /// A whole `Date` field, line end included.
    ///
    /// - Parameter unixSeconds: clamped to the years 1970 to 9999.
    package static func line(unixSeconds: Int) -> [UInt8] {
        var bytes = [UInt8]("Date: ".utf8)
        bytes.reserveCapacity(lineLength)
        append(unixSeconds: unixSeconds, to: &bytes)
        bytes.append(0x0D)
        bytes.append(0x0A)
        return bytes
    }

    /// The date alone.
    package static func text(unixSeconds: Int) -> String {
        var bytes: [UInt8] = []
        append(unixSeconds: unixSeconds, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func append(unixSeconds: Int, to bytes: inout [UInt8]) {
        let seconds = min(max(unixSeconds, 0), 253_402_300_799)
        let days = seconds / 86_400
        let time = seconds % 86_400
        // Civil date from a count of days, with years that start in March so that the leap day comes last.
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)

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
        // The first of January 1970 was a Thursday.
        name("ThuFriSatSunMonTueWed", days % 7)
        bytes.append(contentsOf: ", ".utf8)
        number(day, 2)
        bytes.append(0x20)
        name("JanFebMarAprMayJunJulAugSepOctNovDec", month - 1)
        bytes.append(0x20)
        number(year, 4)
        bytes.append(0x20)
        number(time / 3_600, 2)
        bytes.append(0x3A)
        number(time / 60 % 60, 2)
        bytes.append(0x3A)
        number(time % 60, 2)
        bytes.append(contentsOf: " GMT".utf8)
    }
}
