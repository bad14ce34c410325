/// A kind of value that a message should rather not carry. `rawValue` is the stable code.
public enum SensitiveType: String, CaseIterable, Hashable, Sendable {
    case creditCard = "credit_card"
    case ssn
    /// Vendor keys and tokens, passwords beside their names, credentials in URLs and in `curl` lines.
    case apiKey = "api_key"
    case jwt
    case privateKey = "private_key"
    case email
    case iban
    case phone
    case ip
}

extension Set<SensitiveType> {
    /// What nobody means to send: cards, social security numbers, keys and tokens. E-mail and IP addresses, IBANs and phone numbers are
    /// left out because people exchange them in messages on purpose.
    public static let `default`: Set<SensitiveType> = [.creditCard, .ssn, .apiKey, .jwt, .privateKey]
    /// Every type there is.
    public static let all = Set(SensitiveType.allCases)
}

/// What `detectSensitiveData` found. It says where, never what: no member holds a part of a value.
public struct SensitiveData: Hashable, Sendable {
    /// One value in the text.
    public struct Span: Hashable, Sendable {
        public let type: SensitiveType
        /// The rule that matched, such as `aws-access-token` or `visa`. Meant for logs and statistics; new ones may come.
        public let rule: String
        /// UTF-8 byte offsets in the text that was searched.
        public let range: Range<Int>
    }

    /// In ascending order; they never overlap.
    public let spans: [Span]

    package init(spans: [Span]) { self.spans = spans }

    public var found: Bool { !spans.isEmpty }

    /// Each type at most once, in the order of `SensitiveType`.
    public var types: [SensitiveType] {
        let present = spans.reduce(into: Set<SensitiveType>()) { $0.insert($1.type) }
        return SensitiveType.allCases.filter(present.contains)
    }

    /// The places of the values as positions in `text`, which must be the text that was searched. A span that does not lie in
    /// `text` is left out.
    public func ranges(in text: String) -> [Range<String.Index>] {
        let bytes = text.utf8
        return spans.compactMap { span in
            guard let lower = bytes.index(bytes.startIndex, offsetBy: span.range.lowerBound, limitedBy: bytes.endIndex),
                let upper = bytes.index(lower, offsetBy: span.range.count, limitedBy: bytes.endIndex)
            else { return nil }
            return lower..<upper
        }
    }
}

/// Looks for card numbers, social security numbers, keys, tokens and the like in `text`.
///
/// Linear in the length of the text, with a bounded memory beside the answer. A finding is a good guess, not a proof: a
/// key of a vendor that is not in the table, or a password in plain prose, goes unseen.
///
/// - Parameter types: what to look for; see `Set.default`.
public func detectSensitiveData(_ text: String, types: Set<SensitiveType> = .default) -> SensitiveData {
    var text = text
    return text.withUTF8 { detectSensitiveData(bytes: $0, types: types) }
}

/// The same on bytes, which need not be valid UTF-8.
package func detectSensitiveData(bytes: UnsafeBufferPointer<UInt8>, types: Set<SensitiveType> = .default) -> SensitiveData {
    var scanner = SensitiveScanner(bytes, types: types)
    scanner.scan()
    return SensitiveData(spans: scanner.spans)
}
