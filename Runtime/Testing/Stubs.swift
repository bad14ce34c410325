public import HTTPTypes
import NIOCore
public import Swiftlet

extension OutboundResponse {
    /// An upstream's whole answer, for tests.
    public static func stub(status: Int = 200, headers: HTTPFields = [:], body: [UInt8] = []) -> OutboundResponse {
        stub(status: status, headers: headers, parts: [body])
    }

    /// An upstream's answer that arrives in parts; with an error at the end, one that breaks.
    public static func stub(
        status: Int = 200, headers: HTTPFields = [:], parts: [[UInt8]], failing error: OutboundError? = nil
    ) -> OutboundResponse {
        OutboundResponse(status: status, headers: headers, body: BodyStream(StubParts(parts, error)))
    }
}

private final class StubParts: BodySource, @unchecked Sendable {
    // One reader at a time, as BodySource asks for.
    private var parts: ArraySlice<[UInt8]>
    private let error: OutboundError?

    init(_ parts: [[UInt8]], _ error: OutboundError?) {
        self.parts = parts[...]
        self.error = error
    }

    func next() async throws -> ByteBuffer? {
        if let part = parts.popFirst() { return ByteBuffer(bytes: part) }
        if let error { throw error }
        return nil
    }
}
