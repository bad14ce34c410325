extension PhoenixEncoder {
    /// A broadcast, the same for every receiver of a topic with this serializer. `meta` is an object the server made, of at most 255 bytes.
    ///
    /// Version 2 gets it binary; as text where the topic, the event or the meta exceeds 255 bytes, or the sender's payload had members
    /// that the binary form has no place for. `nil` when this serializer cannot carry it: a binary body to version 1, or one whose topic
    /// or event exceeds 255 bytes. A binary body goes out without a meta that is too long, and without extra members.
    package static func broadcast(
        _ serializer: Serializer, topic: String, content: BroadcastContent, meta: RawJSON?
    ) -> WireFrame? {
        switch (serializer, content.body) {
        case (.v1, .json(let body)): text(.v1, topic, content, body, meta)
        case (.v1, .binary): nil
        case (.v2, .json(let body)):
            fits(topic, content.event) && (meta?.bytes.count ?? 0) <= 255 && content.extra.isEmpty
                ? binary(topic, content.event, meta, encoding: 1, body.bytes) : text(.v2, topic, content, body, meta)
        case (.v2, .binary(let body)):
            fits(topic, content.event)
                ? binary(topic, content.event, meta.flatMap { $0.bytes.count <= 255 ? $0 : nil }, encoding: 0, body) : nil
        }
    }

    private static func fits(_ topic: String, _ event: String) -> Bool { topic.utf8.count <= 255 && event.utf8.count <= 255 }

    /// `4 | lengths of topic, event, meta | encoding | topic | event | meta | payload`. The lengths have been checked.
    private static func binary(_ topic: String, _ event: String, _ meta: RawJSON?, encoding: UInt8, _ body: [UInt8]) -> WireFrame
    {
        let meta = meta?.bytes ?? []
        let buffer = FrameWriter.buffer { writer in
            writer.byte(4)
            writer.byte(UInt8(truncatingIfNeeded: topic.utf8.count))
            writer.byte(UInt8(truncatingIfNeeded: event.utf8.count))
            writer.byte(UInt8(truncatingIfNeeded: meta.count))
            writer.byte(encoding)
            writer.bytes(of: topic)
            writer.bytes(of: event)
            writer.bytes(meta)
            writer.bytes(body)
        }
        return WireFrame(kind: .binary, payload: buffer)
    }

    private static func text(
        _ serializer: Serializer, _ topic: String, _ content: BroadcastContent, _ body: RawJSON, _ meta: RawJSON?
    ) -> WireFrame {
        envelope(serializer, nil, nil, topic, "broadcast") { writer in
            writer.text(#"{"type":"broadcast","event":"#)
            writer.string(content.event)
            writer.text(#","payload":"#)
            writer.json(body)
            if let id = content.id {
                writer.text(#","id":"#)
                writer.string(id)
            }
            for (name, value) in content.extra where !isReserved(name, besides: content) {
                writer.text(",")
                writer.string(name)
                writer.text(":")
                writer.json(value)
            }
            if let meta {
                writer.text(#","meta":"#)
                writer.json(meta)
            }
            writer.text("}")
        }
    }

    /// Whether a member of this name is written by the encoder itself: no name may stand twice.
    private static func isReserved(_ name: String, besides content: BroadcastContent) -> Bool {
        switch name {
        case "type", "event", "payload", "meta": true
        case "id": content.id != nil
        default: false
        }
    }
}
