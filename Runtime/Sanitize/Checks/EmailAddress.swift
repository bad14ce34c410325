import SwiftletNet

/// What is wrong with an e-mail address.
public enum EmailFault: String, Hashable, Sendable, CaseIterable {
    case empty
    /// More than 254 bytes.
    case tooLong = "too_long"
    /// No `@`, or nothing before or behind it.
    case notAddress = "not_address"
    /// Not letters, digits and signs of the plain form with single dots between them: quotes, comments and blanks too.
    case badLocalPart = "bad_local_part"
    /// Letters outside of ASCII before the `@`: few mail servers take them.
    case internationalLocalPart = "international_local_part"
    case badDomain = "bad_domain"
    /// An address in brackets instead of a name.
    case domainLiteral = "domain_literal"
    /// A name that mail from outside cannot reach: one label, or reserved for local networks and tests.
    case localDomain = "local_domain"
}

/// Checks that a text is one e-mail address in the plain form of RFC 5321: `local@domain`, no display name, comments,
/// quotes, blanks or literals. Whether somebody reads mail there, only a mail can tell.
public func validateEmail(_ text: String) -> Validation<EmailFault> {
    switch EmailAddress.read(text) {
    case .success: Validation()
    case .failure(let problem): Validation([problem.fault])
    }
}

/// An e-mail address in its canonical form.
public struct EmailAddress: Hashable, Sendable, CustomStringConvertible {
    /// As written. Only the receiving server knows whether its case matters; in practice it does not.
    public let local: String
    /// In ASCII and lower case; international names as `xn--`.
    public let domain: String

    /// Nil for everything that `validateEmail` finds a fault in.
    public init?(_ text: String) {
        guard case .success(let address) = EmailAddress.read(text) else { return nil }
        self = address
    }

    public var description: String { "\(local)@\(domain)" }

    package static let maxBytes = 254

    struct Problem: Error {
        let fault: EmailFault
    }

    private init(local: String, domain: String) {
        self.local = local
        self.domain = domain
    }

    static func read(_ text: String) -> Result<EmailAddress, Problem> {
        func fail(_ fault: EmailFault) -> Result<EmailAddress, Problem> { .failure(Problem(fault: fault)) }
        let bytes = text.utf8
        guard !bytes.isEmpty else { return fail(.empty) }
        guard bytes.count <= maxBytes else { return fail(.tooLong) }
        guard let at = bytes.lastIndex(of: UInt8(ascii: "@")) else { return fail(.notAddress) }
        let local = bytes[..<at]
        let domain = bytes[bytes.index(after: at)...]
        guard !local.isEmpty, !domain.isEmpty else { return fail(.notAddress) }
        if let fault = fault(inLocal: local) { return fail(fault) }
        if domain.first == UInt8(ascii: "[") { return fail(.domainLiteral) }
        guard let name = asciiDomain(String(Substring(domain))) else { return fail(.badDomain) }
        guard !isLocal(name) else { return fail(.localDomain) }
        // The limit counts for what goes over the wire.
        guard local.count + 1 + name.utf8.count <= maxBytes else { return fail(.tooLong) }
        return .success(EmailAddress(local: String(Substring(local)), domain: name))
    }

    private static func fault(inLocal local: Substring.UTF8View) -> EmailFault? {
        // RFC 5321 names 64 bytes as what every server must take, not as what none may exceed: long ones exist (lists, relays).
        var previous = UInt8(ascii: ".")
        var isInternational = false
        for byte in local {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                break
            case UInt8(ascii: "."):
                if previous == UInt8(ascii: ".") { return .badLocalPart }
            case 0x80...: isInternational = true
            default:
                guard signs.contains(byte) else { return .badLocalPart }
            }
            previous = byte
        }
        if previous == UInt8(ascii: ".") { return .badLocalPart }
        return isInternational ? .internationalLocalPart : nil
    }

    private static let signs = Array("!#$%&'*+-/=?^_`{|}~".utf8)

    /// Letters, digits and inner hyphens in labels of up to 63 bytes; the last one not a number.
    private static func asciiDomain(_ text: String) -> String? {
        var name = text
        if text.utf8.contains(where: { $0 >= 0x80 }) {
            guard let converted = InternationalName.ascii(text) else { return nil }
            name = converted
        }
        name = name.lowercased()
        guard name.utf8.count <= 253 else { return nil }
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        for label in labels {
            guard (1...63).contains(label.count), label.first != UInt8(ascii: "-"), label.last != UInt8(ascii: "-") else {
                return nil
            }
            let isPlain = label.allSatisfy {
                $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") || $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")
                    || $0 == UInt8(ascii: "-")
            }
            guard isPlain else { return nil }
        }
        guard let last = labels.last, last.contains(where: { $0 >= UInt8(ascii: "a") }), InternationalName.isSound(name) else {
            return nil
        }
        return name
    }

    private static func isLocal(_ name: String) -> Bool {
        URLJudgement.isLocalName(name) || name.utf8.reversed().starts(with: ".test".utf8.reversed())
    }
}
