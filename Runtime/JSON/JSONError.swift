/// Why a document was refused, or did not have the shape a type wanted. Never holds any of the document's text but member names that the
/// type itself asked for.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable, Hashable, CaseIterable {
        case unexpectedByte, unexpectedEnd, trailingBytes, invalidNumber, invalidEscape, loneSurrogate, invalidUTF8,
            controlCharacter
        case duplicateName, tooDeep, tooManyMembers, numberTooLong, stringTooLong, tooLong
        /// The document is valid, but not what the type asked for; `path` says where.
        case wrongType, missing, outOfRange, other
    }

    public let code: Code
    /// Where in the document, in bytes. Zero for errors of shape.
    public let offset: Int
    /// The place of an error of shape, such as `history[2].role`; `nil` for malformed documents.
    public let path: String?
    private let detail: String?

    init(_ code: Code, at offset: Int) {
        self.code = code
        self.offset = offset
        path = nil
        detail = nil
    }

    init(_ code: Code, path: String, _ detail: String) {
        self.code = code
        offset = 0
        self.path = path
        self.detail = detail
    }

    /// Fit for a client.
    public var message: String {
        if let detail { return path.map { $0.isEmpty ? detail : "\($0) \(detail)" } ?? detail }
        return switch code {
        case .unexpectedByte: "a byte that does not belong there"
        case .unexpectedEnd: "it ends too early"
        case .trailingBytes: "something follows the value"
        case .invalidNumber: "a malformed number"
        case .invalidEscape: "a malformed escape"
        case .loneSurrogate: "half of a surrogate pair"
        case .invalidUTF8: "bytes that are not UTF-8"
        case .controlCharacter: "a control character in a string"
        case .duplicateName: "a member name that stands twice"
        case .tooDeep: "it is nested too deeply"
        case .tooManyMembers: "it has too many members"
        case .numberTooLong: "a number with too many digits"
        case .stringTooLong: "a string that is too long"
        case .tooLong: "it is too long"
        case .wrongType, .missing, .outOfRange, .other: "another shape was expected"
        }
    }

    public var description: String { path == nil ? "\(message) at byte \(offset)" : message }
}

/// What a document may hold.
public struct JSONLimits: Sendable, Hashable {
    /// Open containers.
    public var depth: Int
    /// Members of objects and elements of arrays, in the whole document.
    public var members: Int
    /// Characters of one number.
    public var digits: Int
    /// Bytes of one string as written, escapes unresolved.
    public var stringBytes: Int
    public var duplicateNames: DuplicateNames

    public enum DuplicateNames: Sendable, Hashable {
        case refuse, lastWins
    }

    public init(
        depth: Int = 64, members: Int = 10_000, digits: Int = 64, stringBytes: Int = .max,
        duplicateNames: DuplicateNames = .refuse
    ) {
        // Values are built and written by recursion: this keeps any stack safe.
        self.depth = min(max(depth, 1), 512)
        self.members = members
        self.digits = digits
        self.stringBytes = stringBytes
        self.duplicateNames = duplicateNames
    }

    public static let standard = JSONLimits()
}
