package import NIOCore
public import SwiftletJSON

/// A complete request body.
public struct Bytes: Sendable, Equatable {
    package let buffer: ByteBuffer
    /// What JSON in it may hold, where a policy says other than the standard.
    private let limits: JSONLimitsReference?

    package init(buffer: ByteBuffer, limits: JSONLimitsReference? = nil) {
        self.buffer = buffer
        self.limits = limits
    }
    public init(_ bytes: [UInt8]) { self.init(buffer: ByteBuffer(bytes: bytes)) }
    init(json: JSON) { self.init(buffer: json.withBytes { ByteBuffer(bytes: $0) }) }
    public init() { self.init(buffer: ByteBuffer()) }

    public static func == (left: Bytes, right: Bytes) -> Bool { left.buffer == right.buffer }

    public var count: Int { buffer.readableBytes }
    public var isEmpty: Bool { buffer.readableBytes == 0 }

    /// The body as an array; a copy.
    public var array: [UInt8] { Array(buffer.readableBytesView) }

    /// The body as text, or `nil` when it is not UTF-8.
    public var text: String? {
        withUnsafeBytes { String(validating: $0, as: UTF8.self) }
    }

    /// The body without a copy. The pointer must not escape.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try buffer.withUnsafeReadableBytes(body)
    }

    /// The body as a JSON value. Malformed JSON is a 400 `INVALID_JSON` that names the place.
    public func json() throws(HTTPError) -> JSON {
        do {
            return try withUnsafeBytes { try JSON.parse($0, limits: limits?.limits ?? .standard) }
        } catch {
            throw HTTPError(invalidJSON: error)
        }
    }

    /// The body decoded from JSON. Malformed JSON is 400 `INVALID_JSON`; JSON of another shape is 422 `INVALID_INPUT` naming the field.
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws(HTTPError) -> Value {
        do {
            return try withUnsafeBytes { try JSONReader(limits: limits?.limits ?? .standard).decode(type, from: $0) }
        } catch {
            throw HTTPError(invalidJSON: error)
        }
    }
}

/// Limits other than the standard ones, made once for a function so that every body carries eight bytes for them.
package final class JSONLimitsReference: Sendable {
    package let limits: JSONLimits

    /// `nil` for the standard ones.
    package init?(_ limits: JSONLimits) {
        guard limits != .standard else { return nil }
        self.limits = limits
    }
}

extension JSONError.Code {
    /// As a code in an answer: words with underscores.
    fileprivate var word: String {
        switch self {
        case .missing: "missing"
        case .wrongType: "wrong_type"
        case .outOfRange: "out_of_range"
        default: "other"
        }
    }
}

extension HTTPError {
    package init(invalidJSON error: any Error) {
        guard let error = error as? JSONError else {
            self.init(422, .invalidInput, "The JSON in the body has not the shape this function takes", cause: "\(error)")
            return
        }
        if let field = error.path {
            self.init(
                422, .invalidInput, "The JSON in the body has not the shape this function takes: \(error.message)",
                problems: [Problem(field: field, message: error.message, rule: "type", code: error.code.word)])
        } else {
            self.init(400, .invalidJSON, "The body is not valid JSON: \(error.message) at byte \(error.offset)")
        }
    }
}

/// A request body that is handed over as it arrives. Iterate it once.
///
/// The next part is asked from the client only when the previous one has been taken, so a slow function slows the sender instead of
/// filling memory. Over the policy's limit iteration throws 413, when the client goes away `CancellationError`.
public struct BodyStream: AsyncSequence, Sendable {
    public typealias Element = Bytes
    package let source: any BodySource

    package init(_ source: any BodySource) { self.source = source }

    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let source: any BodySource
        public mutating func next() async throws -> Bytes? {
            try await source.next().map { Bytes(buffer: $0) }
        }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(source: source) }
}

/// Where the parts of a streamed request body come from: a connection, or the frames of a hop.
package protocol BodySource: Sendable {
    /// The next part, or `nil` at the end. One call at a time.
    func next() async throws -> ByteBuffer?
}
