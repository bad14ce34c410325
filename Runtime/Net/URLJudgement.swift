/// What the text of a URL alone says about it, before any name is looked up.
package enum URLVerdict: Hashable, Sendable {
    /// An http or https URL of a public address.
    case allow
    /// An http or https URL of a public-looking name: judge the addresses it resolves to.
    case resolve
    case block(URLBlockReason)
}

/// Stable codes, as `validateURL` reports them.
package enum URLBlockReason: String, Hashable, Sendable, CaseIterable {
    case tooLong = "too_long"
    case notAbsolute = "not_absolute"
    case badScheme = "bad_scheme"
    case userinfo
    case badHost = "bad_host"
    case localName = "local_name"
    case blockedAddress = "blocked_address"
    case badPort = "bad_port"
    case notCanonical = "not_canonical"

    package init(_ failure: WebURL.Failure) {
        switch failure {
        case .tooLong: self = .tooLong
        case .notAbsolute: self = .notAbsolute
        case .badScheme: self = .badScheme
        case .userinfo: self = .userinfo
        case .badHost: self = .badHost
        case .badPort: self = .badPort
        case .notCanonical: self = .notCanonical
        }
    }
}

package enum URLJudgement {
    /// Judges a URL that came from outside. At most `maxLength` Unicode scalars. International names are refused unless a
    /// conversion is passed.
    package static func judge(
        _ text: String, maxLength: Int = 2_048, converting: WebURL.NameConversion? = nil
    ) -> URLVerdict {
        // Four bytes at most for a scalar: bounds the count below.
        guard text.utf8.count <= maxLength * 4, text.unicodeScalars.count <= maxLength else { return .block(.tooLong) }
        do throws(WebURL.Failure) {
            return judge(try WebURL.parse(text, maxBytes: maxLength * 4, converting: converting))
        } catch {
            return .block(URLBlockReason(error))
        }
    }

    package static func judge(_ url: WebURL) -> URLVerdict {
        guard url.scheme == "http" || url.scheme == "https" else { return .block(.badScheme) }
        if let port = url.port, isBadPort(port) { return .block(.badPort) }
        switch url.host {
        case .none, .empty:
            return .block(.badHost)
        case .address(let address):
            return AddressTable.deniedClass(of: address) == nil ? .allow : .block(.blockedAddress)
        case .name(let name):
            if isLocalName(name) { return .block(.localName) }
            // The rooted spelling passes by comparisons made on the plain one.
            return name.utf8.last == UInt8(ascii: ".") ? .block(.notCanonical) : .resolve
        }
    }

    /// Mail submission: the one service that an HTTP client must not be talked into speaking to.
    package static func isBadPort(_ port: UInt16) -> Bool {
        port == 25 || port == 465 || port == 587
    }

    /// Names that only mean something inside a machine, a site or a cluster: a single label, or one of the suffixes that
    /// RFC 6761, RFC 6762, RFC 8375 and the cloud and container platforms keep for that.
    package static func isLocalName(_ host: String) -> Bool {
        var name = host.lowercased()
        while name.utf8.last == UInt8(ascii: ".") { name.removeLast() }
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard labels.count > 1, let last = labels.last else { return true }
        return localSuffixes.contains(String(decoding: last, as: UTF8.self))
    }

    private static let localSuffixes: Set<String> = [
        "localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "private", "arpa", "onion",
        "i2p", "svc", "consul", "invalid",
    ]
}
