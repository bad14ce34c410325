/// Why a document was refused, or did not have the shape a type wanted. Never holds any of the document's text but member names that the
/// type itself asked for.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable, Hashable, CaseIterable {
        case unexpectedByte, unexpectedEnd, trailingBytes, invalidNumber, invalidEscape, loneSurrogate, invalidUTF8,
            controlCharacter
        case duplicateName, tooDeep, tooManyMembers, tooManyElements, numberTooLong, stringTooLong, tooLong
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
        case .tooManyElements: "its arrays have too many elements"
        case .numberTooLong: "a number with too many digits"
        case .stringTooLong: "a string that is too long"
        case .tooLong: "it is too long"
        case .wrongType, .missing, .outOfRange, .other: "another shape was expected"
        }
    }

    public var description: String { path == nil ? "\(message) at byte \(offset)" : message }
}
