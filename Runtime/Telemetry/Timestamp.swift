import Glibc

/// RFC 3339 in UTC with milliseconds; the part up to the second is made once a second.
struct Timestamp {
    private var second = Int64.min
    private var text: [UInt8] = []

    mutating func append(_ nanoseconds: Int64, to bytes: inout LineBuffer) {
        let part = nanoseconds % 1_000_000_000
        let second = nanoseconds / 1_000_000_000 - (part < 0 ? 1 : 0)
        if second != self.second { make(second) }
        bytes.append(text)
        let milliseconds = (part < 0 ? part + 1_000_000_000 : part) / 1_000_000
        bytes.append(UInt8(ascii: "."))
        bytes.append(UInt8(truncatingIfNeeded: milliseconds / 100) + 0x30)
        bytes.append(UInt8(truncatingIfNeeded: milliseconds / 10 % 10) + 0x30)
        bytes.append(UInt8(truncatingIfNeeded: milliseconds % 10) + 0x30)
        bytes.append(UInt8(ascii: "Z"))
    }

    private mutating func make(_ second: Int64) {
        self.second = second
        var time = time_t(second)
        var parts = tm()
        gmtime_r(&time, &parts)
        text = []
        func two(_ value: Int32) {
            text += [UInt8(truncatingIfNeeded: value / 10 % 10) + 0x30, UInt8(truncatingIfNeeded: value % 10) + 0x30]
        }
        text += Array(String(parts.tm_year + 1900).utf8)
        text.append(UInt8(ascii: "-"))
        two(parts.tm_mon + 1)
        text.append(UInt8(ascii: "-"))
        two(parts.tm_mday)
        text.append(UInt8(ascii: "T"))
        two(parts.tm_hour)
        text.append(UInt8(ascii: ":"))
        two(parts.tm_min)
        text.append(UInt8(ascii: ":"))
        two(parts.tm_sec)
    }
}
