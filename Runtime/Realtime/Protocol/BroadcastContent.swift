import SwiftletJSON

/// What a broadcast carries, whichever way it came: by socket, by REST, or from the host itself.
package struct BroadcastContent: Sendable {
    package enum Body: Sendable, Hashable {
        case json(RawJSON)
        case binary([UInt8])

        package var count: Int {
            switch self {
            case .json(let value): value.bytes.count
            case .binary(let bytes): bytes.count
            }
        }
    }

    /// The author's name for it, such as `new_message`.
    package var event: String
    /// The idempotency id: 1 to 64 visible ASCII characters. `nil` when the sender gave none (or one of another shape, which then is in
    /// `extra`). Text receivers get it back as the outer member `id`.
    package var id: String?
    package var body: Body
    /// Other members of the outer payload, relayed verbatim; never `meta`, which only the server writes, nor `type`, `event`, `payload`.
    package var extra: [(name: String, value: RawJSON)]

    package init(event: String, id: String? = nil, body: Body, extra: [(name: String, value: RawJSON)] = []) {
        self.event = event
        self.id = id
        self.body = body
        self.extra = extra
    }

    /// Bytes that count against the limit on messages: the event, the body and the extra members.
    package var byteCount: Int {
        extra.reduce(event.utf8.count &+ body.count) { $0 &+ $1.name.utf8.count &+ $1.value.bytes.count }
    }

    /// A string member of a JSON body, escapes resolved; `nil` when the body is no JSON object, or the member is absent or no string.
    package func innerString(_ name: String) -> String? {
        guard case .json(let value) = body else { return nil }
        return value.stringMember(name)
    }

    /// The body's own `id`, as message rows have it: a string, or a whole number as its digits.
    package var innerID: String? {
        guard case .json(let value) = body else { return nil }
        return value.idMember("id")
    }

    /// Whether a text can be an idempotency id: 1 to 64 visible ASCII characters but quotes and backslashes, so that it stands in JSON as it is.
    package static func isID(_ text: String) -> Bool {
        let bytes = text.utf8
        return !bytes.isEmpty && bytes.count <= 64
            && bytes.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
    }
}
