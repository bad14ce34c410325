/// A URL read by one strict parser, so that the host that is judged is the host that is connected to.
///
/// Whatever it accepts has the scheme, host and port that the WHATWG URL standard finds in the same text. It accepts
/// less: user information, backslashes, control characters, blanks, percent signs or non-ASCII letters in the host, IPv4
/// in any form but four plain decimal parts, and zone identifiers are refused. Non-ASCII letters in the host are read only
/// by callers who pass a conversion to ASCII; what comes out of it is judged like any host. Missing or extra slashes after a scheme of
/// the web are repaired as the standard says: `http:/a` is `http://a/`.
package struct WebURL: Hashable, Sendable, CustomStringConvertible {
    package enum Host: Hashable, Sendable {
        /// No authority at all, as in `mailto:`; or a file on this machine.
        case none
        /// An authority without a host, as in `x:///`. Never with the schemes of the web.
        case empty
        /// Lower-cased for the schemes of the web, as written for others.
        case name(String)
        case address(IPAddress)
    }

    package enum Failure: String, Error, Sendable {
        case tooLong = "too_long"
        case notAbsolute = "not_absolute"
        case badScheme = "bad_scheme"
        case userinfo
        case badHost = "bad_host"
        case badPort = "bad_port"
        /// The text means something else to a lenient reader than to a strict one.
        case notCanonical = "not_canonical"
    }

    /// Lower-cased, without the colon.
    package let scheme: String
    package let host: Host
    /// Nil when the text names none, or names the default of the scheme.
    package let port: UInt16?
    /// Percent-encoded; starts with a slash unless it is opaque (`mailto:a@b`) or empty.
    package let path: String
    package let query: String?
    package let fragment: String?
    /// Such a URL cannot be the base of a relative one.
    package let hasOpaquePath: Bool

    /// Turns a host name with non-ASCII letters into its ASCII form, or answers nil when it is not one.
    package typealias NameConversion = @Sendable (String) -> String?

    /// Reads a text, relative to `base` when it is not absolute by itself. `converting` is asked about hosts with non-ASCII
    /// letters, in the schemes of the web only; without it they are refused.
    package static func parse(
        _ text: some StringProtocol, relativeTo base: WebURL? = nil, maxBytes: Int = 8_192,
        converting: NameConversion? = nil
    ) throws(Failure) -> WebURL {
        let bytes = Array(text.utf8)
        guard bytes.count <= maxBytes else { throw .tooLong }
        var reader = URLReader(bytes: bytes, converting: converting)
        return try reader.read(relativeTo: base)
    }

    package init?(_ text: some StringProtocol) {
        guard let parsed = try? WebURL.parse(text) else { return nil }
        self = parsed
    }

    init(
        scheme: String, host: Host, port: UInt16?, path: String, query: String?, fragment: String?, hasOpaquePath: Bool
    ) {
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path
        self.query = query
        self.fragment = fragment
        self.hasOpaquePath = hasOpaquePath
    }

    /// The host as URLs print it: IPv6 in brackets, empty when there is none.
    package var hostname: String {
        switch host {
        case .none, .empty: ""
        case .name(let name): name
        case .address(let address): address.family == .v6 ? "[\(address)]" : address.description
        }
    }

    /// The port that a connection would use; nil for schemes without a default.
    package var effectivePort: UInt16? { port ?? WebURL.defaultPort(of: scheme) }

    /// `scheme://host[:port]`, the port only when it is not the default.
    package var origin: String {
        guard let port else { return "\(scheme)://\(hostname)" }
        return "\(scheme)://\(hostname):\(port)"
    }

    /// Path and query as a request line carries them; never empty.
    package var requestTarget: String {
        let path = path.isEmpty ? "/" : path
        guard let query else { return path }
        return "\(path)?\(query)"
    }

    /// The whole URL. It may hold secrets in its query: write `origin` to logs, not this.
    package var href: String {
        var out = scheme
        out += ":"
        if host != .none || scheme == "file" {
            out += "//"
            out += hostname
            if let port { out += ":\(port)" }
        } else if !hasOpaquePath, path.hasPrefix("//") {
            // Without this a path of two slashes would read as an authority.
            out += "/."
        }
        out += path
        if let query { out += "?\(query)" }
        if let fragment { out += "#\(fragment)" }
        return out
    }

    package var description: String { href }

    package static func defaultPort(of scheme: String) -> UInt16? {
        switch scheme {
        case "http", "ws": 80
        case "https", "wss": 443
        case "ftp": 21
        default: nil
        }
    }

    static func isSpecial(_ scheme: String) -> Bool {
        switch scheme {
        case "http", "https", "ws", "wss", "ftp", "file": true
        default: false
        }
    }
}
