package import SwiftletNet

/// Where one function may send requests. Nothing is reachable until it is declared.
///
/// An entry of `hosts` is `api.example.com` or `*.example.com` (one or more labels before it, never the bare domain),
/// with an optional port, meaning https; plain http must be spelled out: `http://api.example.com`. The addresses behind a
/// host are judged each time: loopback, private, link-local, metadata, multicast and their like are refused, unless
/// `privateNetworks` or `allowsPrivate` says otherwise.
///
/// An entry of `origins` is configured outright by the operator (`http://127.0.0.1:8089`): scheme, host and port must
/// match exactly, and its addresses are taken as they come.
package struct EgressPolicy: Sendable, Hashable {
    /// How many redirects are followed, each judged like the first request. Zero returns a redirect as it came.
    package let maxRedirects: Int
    let hosts: [HostRule]
    let origins: [Origin]
    let privateNetworks: [AddressRange]
    let allowsPrivate: Bool

    package static let redirectLimit = 3

    struct HostRule: Sendable, Hashable {
        var scheme: String
        /// Lower-cased; for a wildcard, the part behind `*` with its dot: `.example.com`.
        var name: String
        var isWildcard: Bool
        var port: UInt16
    }

    struct Origin: Sendable, Hashable {
        var scheme: String
        var host: WebURL.Host
        var port: UInt16
    }

    /// - Parameters:
    ///   - allowsPrivate: opens loopback, private and carrier networks behind the declared hosts. Metadata services,
    ///     link-local, multicast and reserved addresses stay closed.
    ///   - privateNetworks: blocks in CIDR form that are open behind the declared hosts, whatever their class.
    ///   - maxRedirects: 0 to 3.
    package init(
        hosts: [String] = [], origins: [String] = [], allowsPrivate: Bool = false, privateNetworks: [String] = [],
        maxRedirects: Int = 0
    ) throws(EgressPolicyError) {
        guard (0...EgressPolicy.redirectLimit).contains(maxRedirects) else {
            throw EgressPolicyError(entry: "\(maxRedirects)", problem: "redirects must be 0 to \(EgressPolicy.redirectLimit)")
        }
        self.maxRedirects = maxRedirects
        self.allowsPrivate = allowsPrivate
        var ranges: [AddressRange] = []
        for text in privateNetworks {
            guard let range = AddressRange(text) else {
                throw EgressPolicyError(entry: text, problem: "is not a network in CIDR form, such as 10.0.0.0/8")
            }
            ranges.append(range)
        }
        self.privateNetworks = ranges
        var rules: [HostRule] = []
        for text in hosts { rules.append(try EgressPolicy.hostRule(text)) }
        self.hosts = rules
        var fixed: [Origin] = []
        for text in origins { fixed.append(try EgressPolicy.origin(text)) }
        self.origins = fixed
        for rule in rules where !rule.isWildcard {
            guard let address = IPAddress(rule.name.filter { $0 != "[" && $0 != "]" }) else { continue }
            if let found = refusedClass(of: address) {
                throw EgressPolicyError(
                    entry: rule.name, problem: "is a \(found.rawValue) address; configure it as an origin instead")
            }
        }
    }

    /// Nothing is reachable.
    package static let none = EgressPolicy()

    private init() {
        maxRedirects = 0
        hosts = []
        origins = []
        privateNetworks = []
        allowsPrivate = false
    }

    /// Judges scheme, host and port. What it grants still depends on the addresses.
    package func admit(_ url: WebURL) -> EgressAdmission {
        guard url.scheme == "http" || url.scheme == "https", let port = url.effectivePort else {
            return .denied(.badURL(.badScheme))
        }
        if url.hostname.isEmpty { return .denied(.badURL(.badHost)) }
        for origin in origins where origin.scheme == url.scheme && origin.host == url.host && origin.port == port {
            return .granted(EgressGrant(policy: self, isConfiguredOrigin: true))
        }
        let name = url.hostname
        for rule in hosts where rule.port == port && rule.scheme == url.scheme {
            if rule.isWildcard {
                guard case .name = url.host, name.utf8.count > rule.name.utf8.count, name.hasSuffix(rule.name) else {
                    continue
                }
            } else if rule.name != name {
                continue
            }
            return .granted(EgressGrant(policy: self, isConfiguredOrigin: false))
        }
        return .denied(.notListed)
    }

    /// The class for which an address behind a declared host is refused, or nil when it is open.
    func refusedClass(of address: IPAddress) -> AddressClass? {
        guard let found = AddressTable.deniedClass(of: address) else { return nil }
        let plain = address.unmapped
        if privateNetworks.contains(where: { $0.contains(plain) || $0.contains(address) }) { return nil }
        guard allowsPrivate else { return found }
        switch found {
        case .loopback, .privateNetwork, .carrier: return nil
        default: return found
        }
    }

    private static func hostRule(_ text: String) throws(EgressPolicyError) -> HostRule {
        func failed(_ problem: String) -> EgressPolicyError { EgressPolicyError(entry: text, problem: problem) }
        var rest = text[...]
        var scheme = "https"
        if rest.utf8.contains(UInt8(ascii: "/")) {
            if rest.hasPrefix("https://") {
                rest = rest.dropFirst(8)
            } else if rest.hasPrefix("http://") {
                scheme = "http"
                rest = rest.dropFirst(7)
            } else {
                throw failed("is neither a host nor starts with http:// or https://")
            }
        }
        var isWildcard = false
        if rest.hasPrefix("*.") {
            isWildcard = true
            rest = rest.dropFirst(2)
        }
        guard !rest.isEmpty, !rest.utf8.contains(where: { "/?#*".utf8.contains($0) }) else {
            throw failed("is not a host, such as api.example.com, *.example.com or api.example.com:8443")
        }
        guard let url = WebURL("\(scheme)://\(rest)"), !url.hostname.isEmpty, let port = url.effectivePort else {
            throw failed("is not a host, such as api.example.com, *.example.com or api.example.com:8443")
        }
        guard port > 0, !URLJudgement.isBadPort(port) else { throw failed("names a port that is never reachable") }
        if case .name(let name) = url.host, name.hasSuffix(".") { throw failed("ends with a dot") }
        if isWildcard {
            guard case .name(let name) = url.host else { throw failed("is a wildcard over an address") }
            guard name.utf8.contains(UInt8(ascii: ".")) else { throw failed("is a wildcard over a whole top-level domain") }
        }
        return HostRule(
            scheme: scheme, name: isWildcard ? "." + url.hostname : url.hostname, isWildcard: isWildcard, port: port)
    }

    private static func origin(_ text: String) throws(EgressPolicyError) -> Origin {
        guard let url = WebURL(text), url.scheme == "http" || url.scheme == "https", !url.hostname.isEmpty,
            url.path == "/", url.query == nil, url.fragment == nil, let port = url.effectivePort, port > 0
        else {
            throw EgressPolicyError(entry: text, problem: "is not an origin, such as http://127.0.0.1:8089")
        }
        return Origin(scheme: url.scheme, host: url.host, port: port)
    }
}

/// A policy entry that cannot mean what was meant. Shown at start; it never holds a secret, entries are hosts.
package struct EgressPolicyError: Error, Sendable, Hashable, CustomStringConvertible {
    package let entry: String
    package let problem: String

    package var description: String { "egress entry \"\(entry)\" \(problem)" }
}

package enum EgressAdmission: Sendable {
    case granted(EgressGrant)
    case denied(EgressDenial)
}

/// Leave to connect to one host, address by address.
package struct EgressGrant: Sendable {
    let policy: EgressPolicy
    package let isConfiguredOrigin: Bool

    /// Judges one address; called on what was resolved and again on the peer of the connection, new or reused.
    package func denial(of address: IPAddress) -> EgressDenial? {
        if isConfiguredOrigin { return nil }
        return policy.refusedClass(of: address).map { .address($0) }
    }

    /// One refused address refuses the whole answer: a name that points both ways is not a name to trust.
    package func denial(of addresses: [IPAddress]) -> EgressDenial? {
        for address in addresses {
            if let denial = denial(of: address) { return denial }
        }
        return nil
    }
}

/// Why a request was refused before anything was sent.
package enum EgressDenial: Hashable, Sendable {
    case badURL(URLBlockReason)
    /// The policy names no such scheme, host and port.
    case notListed
    case address(AddressClass)
    /// A redirect with an unreadable target, from https to http, or with a streamed body to send again.
    case redirect

    /// Stable label for events and counters.
    package var label: String {
        switch self {
        case .badURL(let reason): reason.rawValue
        case .notListed: "not_listed"
        case .address(let addressClass): addressClass.rawValue
        case .redirect: "redirect"
        }
    }
}
