import NIOCore
public import SwiftletJSON

/// A function the host serves at `/functions/v1/<name>`.
///
/// The types of ``handle(_:from:in:)`` say what the function is:
///
/// | part | type | meaning |
/// | --- | --- | --- |
/// | `Request<Body>` | a `Decodable` type | JSON, decoded; another shape is 422 |
/// | | ``Bytes`` | the whole body as it came: binary, forms, text |
/// | | ``BodyStream`` | the body as it arrives (with `body: .stream(upTo:)`) |
/// | | `Void` | the body does not matter |
/// | `from` | ``User``, ``Visitor``, ``Anyone`` | token required, optional, not looked at |
/// | result | an `Encodable` type | 200 with JSON |
/// | | ``EventStream`` | server-sent events |
/// | | ``Response`` | anything: status, headers, whole or streamed body |
///
/// One instance serves all requests at once, so state it keeps must be safe to share. The task of a request is cancelled when the client
/// goes away or the deadline passes.
public protocol EdgeFunction: Sendable {
    associatedtype Input: Sendable
    associatedtype Output: Sendable
    associatedtype Caller: RequestCaller

    static var name: FunctionName { get }
    static var policy: Policy { get }

    /// Made once, when the host boots.
    init()

    func handle(_ request: Request<Input>, from caller: Caller, in context: Context) async throws -> Output

    /// Called once when the process this function runs in is about to end (stopping, replaced, or near a limit), so that work can be
    /// saved. It has what is left of the grace period; nothing is promised for a process that is ended at once.
    func beforeUnload(_ reason: UnloadReason) async

    /// How a body becomes an `Input`; given by the contract for the types listed above.
    static func read(_ body: FunctionBody) throws -> Input
    /// How an `Output` becomes an answer; given by the contract for the types listed above.
    static func render(_ output: Output) throws -> Response
}

/// Why the process of a function ends. The words are those of Supabase's `beforeunload` event.
public enum UnloadReason: String, Sendable, Hashable, CaseIterable {
    case cpu
    case memory
    case wallClock = "wall_clock"
    /// It had nothing to do.
    case earlyDrop = "early_drop"
    /// The host stops, or replaces it with fresh secrets.
    case termination
}

extension EdgeFunction {
    public func beforeUnload(_ reason: UnloadReason) async {}
}

/// A body before the function's type has been applied to it.
public enum FunctionBody: Sendable {
    case whole(Bytes)
    case stream(BodyStream)

    fileprivate func bytes() throws(HTTPError) -> Bytes {
        switch self {
        case .whole(let bytes): return bytes
        case .stream:
            throw HTTPError(
                500, .edgeFunctionError, "Internal Server Error", cause: "a streamed body needs a handler of BodyStream")
        }
    }
}

extension EdgeFunction where Input: Decodable {
    public static func read(_ body: FunctionBody) throws -> Input { try body.bytes().decode(Input.self) }
}

extension EdgeFunction where Input == JSON {
    public static func read(_ body: FunctionBody) throws -> Input { try body.bytes().json() }
}

extension EdgeFunction where Input == Bytes {
    public static func read(_ body: FunctionBody) throws -> Input { try body.bytes() }
}

extension EdgeFunction where Input == Void {
    public static func read(_ body: FunctionBody) throws -> Input { () }
}

extension EdgeFunction where Input == BodyStream {
    public static func read(_ body: FunctionBody) throws -> Input {
        switch body {
        case .stream(let stream): stream
        case .whole(let bytes): BodyStream(WholeBody(bytes))
        }
    }
}

extension EdgeFunction where Output: Encodable {
    public static func render(_ output: Output) throws -> Response { try .json(output) }
}

extension EdgeFunction where Output == JSON {
    public static func render(_ output: Output) throws -> Response {
        Response(status: 200, mediaType: "application/json", body: .bytes(Bytes(json: output)))
    }
}

extension EdgeFunction where Output == Response {
    public static func render(_ output: Output) throws -> Response { output }
}

extension EdgeFunction where Output == EventStream {
    public static func render(_ output: Output) throws -> Response { .events(output) }
}

/// A body that was already whole, as a stream of one part.
private final class WholeBody: BodySource, @unchecked Sendable {
    private var bytes: Bytes?
    init(_ bytes: Bytes) { self.bytes = bytes }

    func next() async throws -> ByteBuffer? {
        defer { bytes = nil }
        guard let bytes, !bytes.isEmpty else { return nil }
        return bytes.buffer
    }
}
