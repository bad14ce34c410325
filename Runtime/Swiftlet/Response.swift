public import HTTPTypes
package import NIOCore
import SwiftletJSON

/// An answer, in the raw: status, header fields, and a body that is whole or streamed.
public struct Response: Sendable {
    /// 200…599. Anything else is answered as 500 `INVALID_RESPONSE_STATUS_CODE`.
    public var status: Int
    public var headers: HTTPFields {
        get { fields ?? HTTPFields() }
        set { fields = newValue }
    }
    public var body: Body
    /// Header fields beyond the media type; `nil` keeps the common answer free of them.
    package var fields: HTTPFields?
    /// `content-type` of answers the contract itself makes. A `content-type` in ``headers`` wins.
    package var mediaType: StaticString?

    public enum Body: Sendable {
        case empty
        case bytes(Bytes)
        /// Written while the client reads; `length` when it is known before.
        case stream(length: Int? = nil, @Sendable (_ writer: ResponseWriter) async throws -> Void)
    }

    public init(status: Int = 200, headers: HTTPFields = [:], body: Body = .empty) {
        self.status = status
        self.body = body
        fields = headers.isEmpty ? nil : headers
    }

    package init(status: Int, mediaType: StaticString, body: Body) {
        self.status = status
        self.mediaType = mediaType
        self.body = body
    }

    /// A value as JSON.
    public static func json(_ value: some Encodable, status: Int = 200) throws -> Response {
        Response(status: status, mediaType: "application/json", body: .bytes(Bytes(try JSONWriter().encode(value))))
    }

    public static func text(_ text: String, status: Int = 200) -> Response {
        Response(status: status, mediaType: "text/plain; charset=utf-8", body: .bytes(Bytes(Array(text.utf8))))
    }

    public static func bytes(_ bytes: [UInt8], mediaType: String, status: Int = 200) -> Response {
        Response(status: status, headers: [.contentType: mediaType], body: .bytes(Bytes(bytes)))
    }

    public static func noContent() -> Response { Response(status: 204) }

    /// Server-sent events, as ``EventStream`` but with a status and headers of your own.
    public static func events(_ stream: EventStream, headers: HTTPFields = [:]) -> Response {
        var response = Response(
            status: 200, mediaType: "text/event-stream",
            body: .stream { writer in try await stream.produce(EventWriter(writer)) })
        var fields = headers
        fields[.cacheControl] = fields[.cacheControl] ?? "no-store"
        // nginx buffers answers unless it is told not to.
        fields[HTTPField.Name("x-accel-buffering")!] = "no"
        response.fields = fields
        return response
    }
}

/// Takes the parts of a streamed answer. `write` returns when the client can take more, so a slow reader slows the function.
public struct ResponseWriter: Sendable {
    package let sink: any PartSink

    package init(_ sink: any PartSink) { self.sink = sink }

    /// Sends a part. Throws `CancellationError` when the client has gone or the deadline has passed.
    public func write(_ bytes: [UInt8]) async throws { try await sink.write(ByteBuffer(bytes: bytes)) }
    public func write(_ text: String) async throws { try await sink.write(ByteBuffer(string: text)) }
    public func write(_ bytes: Bytes) async throws { try await sink.write(bytes.buffer) }
}

/// Where the parts of a streamed answer go: a connection, or the frames of a hop.
package protocol PartSink: Sendable {
    func write(_ part: ByteBuffer) async throws
}

/// Server-sent events, written as they happen.
public struct EventStream: Sendable {
    let produce: @Sendable (EventWriter) async throws -> Void

    /// `produce` runs once the head of the answer is on its way; when it returns the stream ends, when it throws the stream is cut.
    public init(_ produce: @escaping @Sendable (_ writer: EventWriter) async throws -> Void) { self.produce = produce }
}

/// Writes server-sent events, escaped as the format wants it.
public struct EventWriter: Sendable {
    let writer: ResponseWriter

    init(_ writer: ResponseWriter) { self.writer = writer }

    /// One event. `data` may have several lines; `event` and `id` must not, and lose their line ends.
    public func send(_ data: String, event: String? = nil, id: String? = nil) async throws {
        var text = ""
        if let event { text += "event: \(EventWriter.oneLine(event))\n" }
        if let id { text += "id: \(EventWriter.oneLine(id))\n" }
        // "\r\n" is one Character: split on scalars so that every line end starts a new data line.
        for line in EventWriter.lines(data) { text += "data: \(line)\n" }
        try await writer.write(text + "\n")
    }

    /// One event whose data is a value as JSON.
    public func send(json value: some Encodable, event: String? = nil, id: String? = nil) async throws {
        try await send(String(decoding: try JSONWriter().encode(value), as: UTF8.self), event: event, id: id)
    }

    /// A comment line, which clients ignore: keeps an idle stream alive.
    public func keepAlive() async throws { try await writer.write(": keep-alive\n\n") }

    private static func oneLine(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0 != "\n" && $0 != "\r" && $0 != "\0" }))
    }

    private static func lines(_ text: String) -> [String] {
        var lines = [""]
        var previous: Unicode.Scalar = " "
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\r": lines.append("")
            case "\n": if previous != "\r" { lines.append("") }
            default: lines[lines.count - 1].unicodeScalars.append(scalar)
            }
            previous = scalar
        }
        return lines
    }
}
