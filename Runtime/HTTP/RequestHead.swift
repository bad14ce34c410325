/// A request head that passed every check of `RequestReader`. It owns its bytes: one block for the whole head.
///
/// Not promised: the path is as sent (percent escapes and dot segments are not resolved), and a field such as
/// `X-Forwarded-For` says nothing until the host has checked the peer.
package final class RequestHead: Sendable {
    /// How the body is delimited.
    package enum Framing: Sendable, Hashable {
        case none
        /// `Content-Length`, in bytes; 0 is possible.
        case length(Int)
        case chunked
    }

    package enum Expectation: Sendable, Hashable {
        case none
        case `continue`
        /// `Expect` with anything but `100-continue`; the host may answer 417.
        case unknown
    }

    package enum Upgrade: Sendable, Hashable {
        /// No `Upgrade` that `Connection` also names.
        case none
        case webSocket
        case other
    }

    /// The form of the request target. `CONNECT` and its authority-form are never read.
    package enum TargetForm: Sendable, Hashable {
        case origin, absolute, asterisk
    }

    package let fields: HeaderFields
    package let method: HTTPMethod
    package let form: TargetForm
    /// 0 or 1: the request was HTTP/1.0 or HTTP/1.1.
    package let minorVersion: UInt8
    package let framing: Framing
    /// Whether the client allows another request on this connection.
    package let keepAlive: Bool
    package let expectation: Expectation
    package let upgrade: Upgrade
    /// How many fields were dropped because their name with `_` stands for one with `-` that means something to a
    /// proxy or to the host: `X_Forwarded_For`, `Content_Length` and their like.
    package let droppedFields: Int

    let methodSpan: Span
    let targetSpan: Span
    let pathSpan: Span
    let querySpan: Span?
    let hostSpan: Span

    init(
        fields: HeaderFields, method: HTTPMethod, form: TargetForm, minorVersion: UInt8, framing: Framing, keepAlive: Bool,
        expectation: Expectation, upgrade: Upgrade, droppedFields: Int, methodSpan: Span, targetSpan: Span, pathSpan: Span,
        querySpan: Span?, hostSpan: Span
    ) {
        self.fields = fields
        self.method = method
        self.form = form
        self.minorVersion = minorVersion
        self.framing = framing
        self.keepAlive = keepAlive
        self.expectation = expectation
        self.upgrade = upgrade
        self.droppedFields = droppedFields
        self.methodSpan = methodSpan
        self.targetSpan = targetSpan
        self.pathSpan = pathSpan
        self.querySpan = querySpan
        self.hostSpan = hostSpan
    }

    /// A range in 32 bits.
    struct Span: Sendable, Hashable {
        var start: UInt32
        var end: UInt32

        init(_ start: Int, _ end: Int) {
            self.start = UInt32(truncatingIfNeeded: start)
            self.end = UInt32(truncatingIfNeeded: end)
        }

        var range: Range<Int> { Int(start)..<Int(max(start, end)) }
    }

    package var hasBody: Bool {
        switch framing {
        case .none, .length(0): false
        default: true
        }
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    package var expectsContinue: Bool { expectation == .continue }

    /// The bytes that all ranges of this head point into.
    package var text: ArraySlice<UInt8> { fields.text }

    /// The path as sent, without the query; starts with `/`, or is `*`. Range of `text`.
    package var pathRange: Range<Int> { pathSpan.range }

    /// What follows the first `?`; nil without one. Range of `text`.
    package var queryRange: Range<Int>? { querySpan?.range }

    /// The `Host` field, or empty when an HTTP/1.0 request has none. An absolute-form target names the same host, or
    /// the head is refused. Range of `text`.
    package var hostRange: Range<Int> { hostSpan.range }

    /// Lends the path. The pointer ends with the closure.
    package func withPath<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try fields.storage.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[pathRange])) }
    }

    /// Lends the query without its `?`; nil without one.
    package func withQuery<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R? {
        guard let queryRange else { return nil }
        return try fields.storage.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[queryRange])) }
    }

    package func pathEquals(_ text: StaticString) -> Bool { withPath { $0.equals(text) } }

    // Copies, for logs and tests: not for the hot path.
    package var methodBytes: [UInt8] { Array(text[methodSpan.range]) }
    package var targetBytes: [UInt8] { Array(text[targetSpan.range]) }
    package var path: String { String(decoding: text[pathRange], as: UTF8.self) }
    package var query: String? { queryRange.map { String(decoding: text[$0], as: UTF8.self) } }
    package var host: String { String(decoding: text[hostRange], as: UTF8.self) }
    package var methodText: String { String(decoding: text[methodSpan.range], as: UTF8.self) }
}
