/// Where a connection comes from, without the port: what limits and trust are decided on.
package enum PeerAddress: Sendable, Hashable {
    /// In host order: 127.0.0.1 is 0x7F000001.
    case v4(UInt32)
    /// The high and the low half in host order. An IPv4-mapped address is always `.v4`.
    case v6(UInt64, UInt64)
    /// A Unix socket, or a peer the system gives no address for.
    case unix

    /// Sixteen bytes in network order; a mapped IPv4 address becomes `.v4`.
    package static func fromV6(high: UInt64, low: UInt64) -> PeerAddress {
        high == 0 && low >> 32 == 0xFFFF ? .v4(UInt32(truncatingIfNeeded: low)) : .v6(high, low)
    }

    /// What one client is counted by: a whole IPv4 address, the /64 of an IPv6 one (a client owns at least that much).
    package var limitKey: PeerAddress {
        if case .v6(let high, _) = self { return .v6(high, 0) }
        return self
    }

    /// Reads dotted decimal (four plain numbers, no leading zeros) or an IPv6 address without brackets and zone; nil
    /// for everything else.
    package init?(_ text: UnsafeRawBufferPointer) {
        if let address = Self.parseV4(text) {
            self = .v4(address)
        } else if let (high, low) = Self.parseV6(text) {
            self = Self.fromV6(high: high, low: low)
        } else {
            return nil
        }
    }

    package init?(_ text: String) {
        var text = text
        guard let address = text.withUTF8({ PeerAddress(UnsafeRawBufferPointer($0)) }) else { return nil }
        self = address
    }

    static func parseV4(_ text: UnsafeRawBufferPointer) -> UInt32? {
        guard text.count >= 7, text.count <= 15 else { return nil }
        var address: UInt32 = 0
        var parts = 0
        var value: UInt32 = 0
        var digits = 0
        for index in 0...text.count {
            if index < text.count, ByteClass.isDigit(text[index]) {
                // A leading zero is octal to some readers.
                if digits > 0, value == 0 { return nil }
                value = value &* 10 &+ UInt32(text[index] &- 0x30)
                digits &+= 1
                guard digits <= 3 else { return nil }
            } else {
                guard index == text.count || text[index] == UInt8(ascii: "."), digits > 0, value <= 255 else { return nil }
                address = address &<< 8 | value
                parts &+= 1
                value = 0
                digits = 0
                guard parts <= 4 else { return nil }
            }
        }
        return parts == 4 ? address : nil
    }

    static func parseV6(_ text: UnsafeRawBufferPointer) -> (high: UInt64, low: UInt64)? {
        guard text.count >= 2, text.count <= 45 else { return nil }
        // Groups before and after the `::`.
        var groups: [UInt16] = []
        var gap: Int?
        var at = 0
        if text[0] == UInt8(ascii: ":") {
            guard text[1] == UInt8(ascii: ":") else { return nil }
            gap = 0
            at = 2
        }
        while at < text.count {
            guard groups.count < 8 else { return nil }
            var value: UInt16 = 0
            var digits = 0
            let start = at
            while at < text.count, let digit = ByteClass.hexValue(text[at]) {
                guard digits < 4 else { return nil }
                value = value &<< 4 | UInt16(digit)
                digits &+= 1
                at &+= 1
            }
            if at < text.count, text[at] == UInt8(ascii: ".") {
                guard groups.count <= 6, let tail = parseV4(UnsafeRawBufferPointer(rebasing: text[start...])) else { return nil }
                groups.append(UInt16(truncatingIfNeeded: tail >> 16))
                groups.append(UInt16(truncatingIfNeeded: tail))
                at = text.count
                break
            }
            guard digits > 0 else { return nil }
            groups.append(value)
            if at == text.count { break }
            guard text[at] == UInt8(ascii: ":") else { return nil }
            at &+= 1
            guard at < text.count else { return nil }
            if text[at] == UInt8(ascii: ":") {
                guard gap == nil else { return nil }
                gap = groups.count
                at &+= 1
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        let high = groups[0..<4].reduce(UInt64(0)) { $0 &<< 16 | UInt64($1) }
        let low = groups[4..<8].reduce(UInt64(0)) { $0 &<< 16 | UInt64($1) }
        return (high, low)
    }
}

extension PeerAddress: CustomStringConvertible {
    /// Dotted decimal, the shortest IPv6 form in lower case, or `unix`.
    package var description: String {
        switch self {
        case .unix: return "unix"
        case .v4(let address):
            return "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
        case .v6(let high, let low):
            var groups: [UInt16] = []
            for half in [high, low] {
                for shift in [48, 32, 16, 0] { groups.append(UInt16(truncatingIfNeeded: half >> UInt64(shift))) }
            }
            // The longest run of zeros, at least two groups, the first of equals.
            var best = 0..<0
            var start = 0
            while start < 8 {
                guard groups[start] == 0 else {
                    start += 1
                    continue
                }
                var end = start
                while end < 8, groups[end] == 0 { end += 1 }
                if end - start > max(best.count, 1) { best = start..<end }
                start = end
            }
            func join(_ part: ArraySlice<UInt16>) -> String {
                part.map { String($0, radix: 16) }.joined(separator: ":")
            }
            return best.isEmpty ? join(groups[...]) : join(groups[..<best.lowerBound]) + "::" + join(groups[best.upperBound...])
        }
    }
}
