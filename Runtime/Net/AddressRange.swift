/// A block of addresses in CIDR form, such as `10.0.0.0/8` or `fd00::/8`.
package struct AddressRange: Hashable, Sendable, CustomStringConvertible {
    package let base: IPAddress
    /// 0 to 32 for IPv4, 0 to 128 for IPv6.
    package let prefixLength: Int

    /// Reads `address/length`, or a single address. A length out of bounds, a leading zero in it, or bits set below the
    /// prefix make it nil: such an entry in a configuration is a slip, not a wish.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        let width = address.family == .v4 ? 32 : 128
        guard parts.count == 2 else {
            self.init(base: address, prefixLength: width)
            return
        }
        let digits = parts[1].utf8
        guard (1...3).contains(digits.count), digits.count == 1 || digits.first != UInt8(ascii: "0") else { return nil }
        var length = 0
        for byte in digits {
            guard let digit = decimalDigit(byte) else { return nil }
            length = length * 10 + Int(digit)
        }
        guard length <= width else { return nil }
        self.init(base: address, prefixLength: length)
        guard AddressRange.masked(address, to: length) == address else { return nil }
    }

    private init(base: IPAddress, prefixLength: Int) {
        self.base = base
        self.prefixLength = prefixLength
    }

    /// Families never mix: `0.0.0.0/0` holds no IPv6 address. Unmap first where the mapped form should count as IPv4.
    package func contains(_ address: IPAddress) -> Bool {
        guard address.family == base.family else { return false }
        return AddressRange.masked(address, to: prefixLength) == base
    }

    /// Whether it covers every address of its family.
    package var isEverything: Bool { prefixLength == 0 }

    package var description: String { "\(base)/\(prefixLength)" }

    private static func masked(_ address: IPAddress, to length: Int) -> IPAddress {
        switch address.family {
        case .v4:
            let mask: UInt32 = length == 0 ? 0 : ~0 << UInt32(32 - length)
            return IPAddress(v4: UInt32(truncatingIfNeeded: address.low) & mask)
        case .v6:
            let high: UInt64 = length == 0 ? 0 : length >= 64 ? ~0 : ~0 << UInt64(64 - length)
            let low: UInt64 = length <= 64 ? 0 : ~0 << UInt64(128 - length)
            return IPAddress(v6High: address.high & high, low: address.low & low)
        }
    }
}
