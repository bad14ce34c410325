/// Why an address is not an ordinary public one. The raw value is stable: it labels events and counters.
package enum AddressClass: String, Sendable, Hashable, CaseIterable {
    case unspecified
    case loopback
    case privateNetwork = "private"
    case linkLocal = "link_local"
    /// A cloud's instance metadata service, wherever it sits.
    case metadata
    case multicast
    /// Shared space between a carrier and its customers.
    case carrier
    case documentation
    case benchmarking
    /// NAT64, 6to4, Teredo and the deprecated IPv4-compatible form: they carry another address inside.
    case transition
    /// Set aside by IANA for a purpose that no public service has.
    case reserved
}

/// The addresses that a request from inside must not reach, by the IANA special-purpose registries and the metadata
/// services known to run at fixed addresses.
package enum AddressTable {
    package struct Entry: Sendable {
        package let range: AddressRange
        package let addressClass: AddressClass
    }

    /// The first match counts: single addresses stand before the blocks around them.
    package static let denied: [Entry] = build([
        ("169.254.169.254", .metadata),  // AWS, Google, Azure, Oracle, DigitalOcean and most others
        ("169.254.170.2", .metadata),  // AWS container credentials
        ("169.254.170.23", .metadata),  // AWS pod identity
        ("168.63.129.16", .metadata),  // Azure host agent, in otherwise public space
        ("100.100.100.200", .metadata),  // Alibaba
        ("192.0.0.192", .metadata),  // Oracle, classic
        ("fd00:ec2::254", .metadata),  // AWS
        ("fd00:ec2::23", .metadata),  // AWS pod identity
        ("fd20:ce::254", .metadata),  // Google

        ("0.0.0.0/8", .unspecified),
        ("10.0.0.0/8", .privateNetwork),
        ("100.64.0.0/10", .carrier),
        ("127.0.0.0/8", .loopback),
        ("169.254.0.0/16", .linkLocal),
        ("172.16.0.0/12", .privateNetwork),
        ("192.0.0.0/24", .reserved),
        ("192.0.2.0/24", .documentation),
        ("192.31.196.0/24", .reserved),
        ("192.52.193.0/24", .reserved),
        ("192.88.99.0/24", .reserved),
        ("192.168.0.0/16", .privateNetwork),
        ("192.175.48.0/24", .reserved),
        ("198.18.0.0/15", .benchmarking),
        ("198.51.100.0/24", .documentation),
        ("203.0.113.0/24", .documentation),
        ("224.0.0.0/4", .multicast),
        ("240.0.0.0/4", .reserved),

        ("::", .unspecified),
        ("::1", .loopback),
        ("::/96", .transition),
        ("64:ff9b::/96", .transition),
        ("64:ff9b:1::/48", .transition),
        ("100::/64", .reserved),
        ("100:0:0:1::/64", .reserved),
        ("2001::/23", .transition),
        ("2001:db8::/32", .documentation),
        ("2002::/16", .transition),
        ("2620:4f:8000::/48", .reserved),
        ("3fff::/20", .documentation),
        ("5f00::/16", .reserved),
        ("fc00::/7", .privateNetwork),
        ("fe80::/10", .linkLocal),
        ("fec0::/10", .privateNetwork),
        ("ff00::/8", .multicast),
    ])

    /// The class that makes an address special, or nil for a public one.
    ///
    /// An IPv4 address in the mapped (`::ffff:0:0/96`) or translated (`::ffff:0:0:0/96`) IPv6 form is judged as what it
    /// carries. An IPv4-compatible one is refused as a whole, and named after what it carries when that is special too.
    package static func deniedClass(of address: IPAddress) -> AddressClass? {
        if address.family == .v6, address.high == 0 {
            let upper = address.low >> 32
            let embedded = IPAddress(v4: UInt32(truncatingIfNeeded: address.low))
            if upper == 0xffff || upper == 0xffff_0000 { return lookUp(embedded) }
            if upper == 0, address.low > 1 { return lookUp(embedded) ?? .transition }
        }
        return lookUp(address)
    }

    private static func lookUp(_ address: IPAddress) -> AddressClass? {
        for entry in denied where entry.range.contains(address) { return entry.addressClass }
        return nil
    }

    private static func build(_ rows: [(String, AddressClass)]) -> [Entry] {
        // Every row parses; a test counts them, so a typing slip cannot open a hole unseen.
        rows.compactMap { text, addressClass in
            AddressRange(text).map { Entry(range: $0, addressClass: addressClass) }
        }
    }

}
