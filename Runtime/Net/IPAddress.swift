/// An IPv4 or IPv6 address as a number, never as text.
///
/// Text is read strictly: dotted decimal with four parts and no leading zeros, or the IPv6 forms of RFC 4291 (a dotted
/// tail included). Shorthand, octal, hexadecimal, zone identifiers, brackets and surrounding blanks are refused, so that
/// two readers of one text can never mean two addresses.
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    package enum Family: UInt8, Sendable {
        case v4
        case v6
    }

    package let family: Family
    /// The upper 64 bits; zero for IPv4.
    package let high: UInt64
    /// The lower 64 bits; IPv4 sits in the lowest 32.
    package let low: UInt64

    package init(v4 value: UInt32) {
        family = .v4
        high = 0
        low = UInt64(value)
    }

    package init(v6High high: UInt64, low: UInt64) {
        family = .v6
        self.high = high
        self.low = low
    }

    package init?(_ text: some StringProtocol) {
        var copy = String(text)
        let parsed = copy.withUTF8 { IPAddress(bytes: UnsafeRawBufferPointer($0)) }
        guard let parsed else { return nil }
        self = parsed
    }

    /// Reads the text form from bytes. Answers nil for anything but the strict forms.
    package init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 2, bytes.count <= 45 else { return nil }
        if bytes.contains(UInt8(ascii: ":")) {
            guard let (high, low) = IPAddress.parseV6(bytes) else { return nil }
            self.init(v6High: high, low: low)
        } else {
            guard let value = IPAddress.parseV4(bytes) else { return nil }
            self.init(v4: value)
        }
    }

    /// Reads a Linux `sockaddr_in` or `sockaddr_in6`. Other families and short buffers answer nil.
    package init?(socketAddress bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 2 else { return nil }
        switch bytes.loadUnaligned(fromByteOffset: 0, as: UInt16.self) {
        case 2:
            guard bytes.count >= 8 else { return nil }
            self.init(v4: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
        case 10:
            guard bytes.count >= 24 else { return nil }
            self.init(
                v6High: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)))
        default:
            return nil
        }
    }

    /// The IPv4 address inside `::ffff:0:0/96`, else the address itself. A dual-stack socket reports its IPv4 peers in
    /// the mapped form; both must compare equal to an IPv4 range.
    package var unmapped: IPAddress {
        guard family == .v6, high == 0, low >> 32 == 0xffff else { return self }
        return IPAddress(v4: UInt32(truncatingIfNeeded: low))
    }

    /// What one client may be counted under: the whole IPv4 address, or the /64 of an IPv6 address, because a single
    /// subscriber can pick any of the 2^64 addresses below it.
    package var clientKey: IPAddress {
        let address = unmapped
        return address.family == .v4 ? address : IPAddress(v6High: address.high, low: 0)
    }

    /// RFC 5952 text, always in hexadecimal groups for IPv6 (as URLs print it).
    package var description: String {
        switch family {
        case .v4:
            // Every request's line says one: written in place, which fits into a string without storage.
            return String(unsafeUninitializedCapacity: 15) { writeV4($0) }
        case .v6:
            var out: [UInt8] = []
            out.reserveCapacity(40)
            appendV6(to: &out)
            return String(decoding: out, as: UTF8.self)
        }
    }

    private func writeV4(_ text: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var count = 0
        func put(_ byte: UInt8) {
            text[count] = byte
            count &+= 1
        }
        for place in 0..<4 {
            if place > 0 { put(UInt8(ascii: ".")) }
            let value = UInt8(truncatingIfNeeded: low &>> UInt64(24 &- 8 &* place))
            if value >= 100 { put(value / 100 &+ 0x30) }
            if value >= 10 { put(value / 10 % 10 &+ 0x30) }
            put(value % 10 &+ 0x30)
        }
        return count
    }

    private func group(_ index: Int) -> UInt64 {
        let half = index < 4 ? high : low
        return (half >> UInt64((3 - (index & 3)) * 16)) & 0xffff
    }

    private func appendV6(to out: inout [UInt8]) {
        // The longest run of two or more zero groups, the first one on a tie.
        var bestStart = 8
        var bestLength = 1
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, group(end) == 0 { end += 1 }
            if end - index > bestLength {
                bestStart = index
                bestLength = end - index
            }
            index = end + 1
        }
        index = 0
        while index < 8 {
            if index == bestStart {
                out.append(UInt8(ascii: ":"))
                out.append(UInt8(ascii: ":"))
                index += bestLength
                continue
            }
            if index > 0, index != bestStart + bestLength || bestStart == 8 { out.append(UInt8(ascii: ":")) }
            IPAddress.appendHex(group(index), to: &out)
            index += 1
        }
    }

    private static func appendHex(_ value: UInt64, to out: inout [UInt8]) {
        var started = false
        for shift in [12, 8, 4, 0] as [UInt64] {
            let digit = UInt8((value >> shift) & 0xf)
            if digit == 0, !started, shift != 0 { continue }
            started = true
            out.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    /// Four decimal parts, each 0 to 255 without a leading zero.
    private static func parseV4(_ bytes: UnsafeRawBufferPointer) -> UInt32? {
        var result: UInt32 = 0
        var part: UInt32 = 0
        var digits = 0
        var dots = 0
        for byte in bytes {
            if byte == UInt8(ascii: ".") {
                guard digits > 0, dots < 3 else { return nil }
                result = result << 8 | part
                part = 0
                digits = 0
                dots += 1
                continue
            }
            guard let digit = decimalDigit(byte) else { return nil }
            if digits > 0, part == 0 { return nil }
            part = part * 10 + UInt32(digit)
            digits += 1
            guard part <= 255 else { return nil }
        }
        guard dots == 3, digits > 0 else { return nil }
        return result << 8 | part
    }

    private static func parseV6(_ bytes: UnsafeRawBufferPointer) -> (UInt64, UInt64)? {
        let colon = UInt8(ascii: ":")
        var before: (high: UInt64, low: UInt64) = (0, 0)  // groups read, shifted in from the right
        var count = 0
        var gapAt: Int?
        var index = 0

        func push(_ value: UInt64) {
            before.high = before.high << 16 | before.low >> 48
            before.low = before.low << 16 | value
            count += 1
        }

        if bytes[0] == colon {
            guard bytes.count >= 2, bytes[1] == colon else { return nil }
            gapAt = 0
            index = 2
        }
        while index < bytes.count {
            guard count < 8 else { return nil }
            let start = index
            var value: UInt64 = 0
            while index < bytes.count, let digit = hexDigit(bytes[index]) {
                guard index - start < 4 else { return nil }
                value = value << 4 | UInt64(digit)
                index += 1
            }
            if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
                guard count <= 6, let tail = parseV4(UnsafeRawBufferPointer(rebasing: bytes[start...])) else { return nil }
                push(UInt64(tail >> 16))
                push(UInt64(tail & 0xffff))
                index = bytes.count
                break
            }
            guard index > start else { return nil }
            push(value)
            guard index < bytes.count else { break }
            guard bytes[index] == colon else { return nil }
            index += 1
            guard index < bytes.count else { return nil }
            if bytes[index] == colon {
                guard gapAt == nil else { return nil }
                gapAt = count
                index += 1
            }
        }
        guard let gapAt else { return count == 8 ? before : nil }
        // A gap stands for at least one group.
        guard count <= 7 else { return nil }
        let tail = count - gapAt
        var result: (high: UInt64, low: UInt64) = (0, 0)
        for position in 0..<8 {
            let source: Int
            if position < gapAt {
                source = count - 1 - position
            } else if position >= 8 - tail {
                source = 7 - position
            } else {
                continue
            }
            let value = source < 4 ? before.low >> UInt64(source * 16) : before.high >> UInt64((source - 4) * 16)
            let shift = UInt64((7 - position) & 3) * 16
            if position < 4 {
                result.high |= (value & 0xffff) << shift
            } else {
                result.low |= (value & 0xffff) << shift
            }
        }
        return result
    }
}

/// 0 to 9, or nil.
func decimalDigit(_ byte: UInt8) -> UInt8? {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? byte &- UInt8(ascii: "0") : nil
}

/// 0 to 15, or nil.
func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- UInt8(ascii: "a") &+ 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- UInt8(ascii: "A") &+ 10
    default: nil
    }
}
