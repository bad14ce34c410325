package import SwiftletNet

/// What is wrong with a URL, as `validateURL` says it.
public enum URLFault: String, Hashable, Sendable, CaseIterable {
    case tooLong = "too_long"
    case notAbsolute = "not_absolute"
    /// Not http or https.
    case badScheme = "bad_scheme"
    /// A user name or password before the host.
    case userinfo
    case badHost = "bad_host"
    /// A name that only means something inside a machine, a site or a cluster.
    case localName = "local_name"
    /// An address that is not an ordinary public one.
    case blockedAddress = "blocked_address"
    case badPort = "bad_port"
    /// The text means something else to a lenient reader than to a strict one.
    case notCanonical = "not_canonical"

    package init(_ reason: URLBlockReason) {
        switch reason {
        case .tooLong: self = .tooLong
        case .notAbsolute: self = .notAbsolute
        case .badScheme: self = .badScheme
        case .userinfo: self = .userinfo
        case .badHost: self = .badHost
        case .localName: self = .localName
        case .blockedAddress: self = .blockedAddress
        case .badPort: self = .badPort
        case .notCanonical: self = .notCanonical
        }
    }
}

/// Checks that a text is an http or https URL of a public host: something that may be fetched.
///
/// Only the text is judged. A public name can still lead to a private address: the client that fetches must judge every
/// address it resolves to, on every redirect (`context.fetch` does). International names are converted first and judged as
/// what they become. Names of one label, of local networks, and special addresses in any spelling are faults.
///
/// - Parameter maxLength: in Unicode scalars.
public func validateURL(_ text: String, maxLength: Int = 2_048) -> Validation<URLFault> {
    switch URLCheck.verdict(text, maxLength: maxLength) {
    case .allow, .resolve: Validation()
    case .block(let reason): Validation([URLFault(reason)])
    }
}

/// A link worth keeping, in its canonical spelling, or nil.
///
/// Kept are http, https, mailto and tel, at most 2,048 characters before and after. Refused are other schemes in any
/// disguise, control characters and blanks anywhere, backslashes, user names and passwords. A link may lead to any host,
/// also inside the reader's own network: use `validateURL` for what a server is going to fetch.
///
/// - Parameter allowRelative: also keeps references to the same site (`/a?b#c`, `a/b`, `?b`, `#c`), never `//host` and no
///   parent folders in a path that does not start with a slash.
public func sanitizeURL(_ text: String, allowRelative: Bool = false) -> String? {
    LinkCheck.canonical(text, allowRelative: allowRelative)
}

package enum URLCheck {
    /// `URLJudgement` with international names.
    package static func verdict(_ text: String, maxLength: Int = 2_048) -> URLVerdict {
        URLJudgement.judge(text, maxLength: max(0, min(maxLength, 1 << 20)), converting: { InternationalName.ascii($0) })
    }

    /// Reads a URL of any scheme, international names included.
    package static func parse(_ text: String, relativeTo base: WebURL? = nil, maxBytes: Int = 8_192) throws(WebURL.Failure)
        -> WebURL
    {
        try WebURL.parse(text, relativeTo: base, maxBytes: maxBytes, converting: { InternationalName.ascii($0) })
    }
}

/// Links for people to follow.
enum LinkCheck {
    static let maxLength = 2_048

    static func canonical(_ text: String, allowRelative: Bool) -> String? {
        guard text.utf8.count <= maxLength * 4, text.unicodeScalars.count <= maxLength else { return nil }
        guard let out = absolute(text) ?? (allowRelative ? relative(text) : nil) else { return nil }
        // Percent-encoding makes it longer.
        return out.utf8.count <= maxLength ? out : nil
    }

    private static func absolute(_ text: String) -> String? {
        guard let url = try? URLCheck.parse(text) else { return nil }
        switch url.scheme {
        case "http", "https": return url.href
        case "mailto": return isMail(url) ? url.href : nil
        case "tel": return isPhone(url) ? url.href : nil
        default: return nil
        }
    }

    /// An address or nothing before the fields. Encoded line ends in fields would become header lines in some programs.
    private static func isMail(_ url: WebURL) -> Bool {
        guard url.hasOpaquePath, url.fragment == nil, !hasEncodedControl(url.path), !hasEncodedControl(url.query ?? "") else {
            return false
        }
        let marks = "\"<>`".utf8
        guard !url.path.utf8.contains(where: { marks.contains($0) }) else { return false }
        return !url.path.isEmpty || url.query?.isEmpty == false
    }

    /// RFC 3966: digits and what separates them, then parameters.
    private static func isPhone(_ url: WebURL) -> Bool {
        guard url.hasOpaquePath, url.query == nil, url.fragment == nil else { return false }
        var digits = 0
        var isParameter = false
        for (index, byte) in url.path.utf8.enumerated() {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digits += isParameter ? 0 : 1
            case UInt8(ascii: "+"): guard index == 0 || isParameter else { return false }
            case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"): continue
            case UInt8(ascii: ";"): isParameter = true
            case UInt8(ascii: "="), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
                guard isParameter else { return false }
            default: return false
            }
        }
        return digits > 0
    }

    private static func hasEncodedControl(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "%") && index + 2 < bytes.count {
            if bytes[index + 1] == UInt8(ascii: "0") || bytes[index + 1] == UInt8(ascii: "1") { return true }
            if bytes[index + 1] == UInt8(ascii: "7"), bytes[index + 2] | 0x20 == UInt8(ascii: "f") { return true }
        }
        return false
    }

    private static let here = WebURL("https://here.example/")

    private static func relative(_ text: String) -> String? {
        guard let here, !text.isEmpty, !startsLikeScheme(text), !text.utf8.starts(with: "//".utf8),
            let url = try? URLCheck.parse(text, relativeTo: here), url.host == here.host, url.scheme == here.scheme,
            url.port == nil,
            !url.path.utf8.starts(with: "//".utf8)
        else { return nil }
        var out = ""
        if text.utf8.first == UInt8(ascii: "/") {
            out = url.path
        } else if text.utf8.first != UInt8(ascii: "?"), text.utf8.first != UInt8(ascii: "#") {
            guard !climbs(text) else { return nil }
            out = String(url.path.dropFirst())
            // Nothing left of `.` or `./`: it means this folder.
            if out.isEmpty { out = "./" }
        }
        if let query = url.query { out += "?\(query)" }
        if let fragment = url.fragment { out += "#\(fragment)" }
        return out.isEmpty || startsLikeScheme(out) ? nil : out
    }

    /// A first part with a colon, or with what a page might turn into one, is a scheme to somebody.
    private static func startsLikeScheme(_ text: String) -> Bool {
        text.utf8.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
            .contains { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: "%") || $0 >= 0x80 }
    }

    /// Whether a path that starts without a slash names a parent folder somewhere.
    private static func climbs(_ text: String) -> Bool {
        let path = text.utf8.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        return path.split(separator: UInt8(ascii: "/")).contains { segment in
            let plain = String(decoding: segment, as: UTF8.self).lowercased().split(
                separator: "%2e", omittingEmptySubsequences: false)
            return plain.count <= 3 && plain.joined(separator: ".") == ".."
        }
    }
}
