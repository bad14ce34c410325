/// The name of a function: the path element after `/functions/v1/`.
///
/// ASCII letters, digits, `-` and `_`, starting with a letter, at most 64 characters. Case-sensitive. Names are checked when the host
/// boots, so that a bad one is a clear error at start and never a surprise on a request.
public struct FunctionName: Sendable, Hashable, Comparable, CustomStringConvertible, ExpressibleByStringLiteral {
    public let text: String

    public init(stringLiteral value: String) { text = value }

    /// A checked name, or `nil` when `text` is not a function name.
    public init?(_ text: String) {
        guard FunctionName.isValid(text) else { return nil }
        self.text = text
    }

    public var description: String { text }

    /// Whether the name follows the rule; false only for literals, which cannot be checked when they are written.
    public var isValid: Bool { FunctionName.isValid(text) }

    /// What the rule is, for error messages.
    public static let rule =
        "a function name starts with a letter and holds only letters, digits, '-' and '_' (at most 64 characters)"

    public static func < (left: FunctionName, right: FunctionName) -> Bool { left.text < right.text }

    static func isValid(_ text: String) -> Bool {
        let bytes = text.utf8
        guard bytes.count <= 64, let first = bytes.first, first.isASCIILetter else { return false }
        return bytes.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }
}

extension UInt8 {
    package var isASCIILetter: Bool { (self | 0x20) &- UInt8(ascii: "a") < 26 }
    package var isASCIIDigit: Bool { self &- UInt8(ascii: "0") < 10 }
}
