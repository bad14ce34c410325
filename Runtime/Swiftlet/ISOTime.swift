/// Times as JSON clients read them: ISO 8601 in UTC with milliseconds, `2026-11-21T12:00:00.000Z`.
public enum ISOTime {
    /// - Parameter milliseconds: since 1970; times before are written as 1970.
    public static func text(_ milliseconds: Int64) -> String {
        let days = Int(max(0, milliseconds) / 86_400_000)
        let inDay = Int(max(0, milliseconds) % 86_400_000)
        // Years that begin in March: the leap day is the last of one.
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let civilMonth = month < 10 ? month + 3 : month - 9
        let year = yearOfEra + era * 400 + (civilMonth <= 2 ? 1 : 0)
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
        put(year, 4, UInt8(ascii: "-"))
        put(civilMonth, 2, UInt8(ascii: "-"))
        put(day, 2, UInt8(ascii: "T"))
        put(inDay / 3_600_000, 2, UInt8(ascii: ":"))
        put(inDay / 60_000 % 60, 2, UInt8(ascii: ":"))
        put(inDay / 1000 % 60, 2, UInt8(ascii: "."))
        put(inDay % 1000, 3, UInt8(ascii: "Z"))
        return String(decoding: out, as: UTF8.self)
    }
}
