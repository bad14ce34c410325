/// Writes what clients read. All answers are complete frames; payloads go in verbatim.
///
/// Clients break on a payload or response that is no object: where one is given all the same, an empty object goes out.
package enum PhoenixEncoder {
    package enum SystemStatus: Sendable, Hashable { case ok, error }

    /// `phx_reply`.
    package static func reply(
        _ serializer: Serializer, joinRef: RawJSON?, ref: RawJSON?, topic: String, ok: Bool, response: RawJSON = .emptyObject
    ) -> WireFrame {
        envelope(serializer, joinRef, ref, topic, "phx_reply") { writer in
            writer.text(ok ? #"{"status":"ok","response":"# : #"{"status":"error","response":"#)
            writer.json(response.isObject ? response : .emptyObject)
            writer.text("}")
        }
    }

    /// `phx_reply` of status error with `{"reason":…}`.
    package static func errorReply(
        _ serializer: Serializer, joinRef: RawJSON?, ref: RawJSON?, topic: String, reason: String
    ) -> WireFrame {
        envelope(serializer, joinRef, ref, topic, "phx_reply") { writer in
            writer.text(#"{"status":"error","response":{"reason":"#)
            writer.string(reason)
            writer.text("}}")
        }
    }

    /// A message of the server's own: `ref` is null. `payload` must be an object.
    package static func push(
        _ serializer: Serializer, joinRef: RawJSON?, topic: String, event: String, payload: RawJSON
    ) -> WireFrame {
        envelope(serializer, joinRef, nil, topic, event) {
            $0.json(payload.isObject ? payload : .emptyObject)
        }
    }

    /// `phx_close`, the end of a channel that was wanted.
    package static func close(_ serializer: Serializer, joinRef: RawJSON?, topic: String) -> WireFrame {
        envelope(serializer, joinRef, joinRef, topic, "phx_close") { $0.text("{}") }
    }

    /// `phx_error`, the end of a channel that was not: the client joins again.
    package static func error(_ serializer: Serializer, joinRef: RawJSON?, topic: String) -> WireFrame {
        envelope(serializer, joinRef, joinRef, topic, "phx_error") { $0.text("{}") }
    }

    /// `system`. `channel` is the topic without `realtime:`.
    package static func system(
        _ serializer: Serializer, joinRef: RawJSON?, topic: String, status: SystemStatus, extension name: String, message: String,
        channel: String
    ) -> WireFrame {
        envelope(serializer, joinRef, nil, topic, "system") { writer in
            writer.text(#"{"message":"#)
            writer.string(message)
            writer.text(status == .ok ? #","status":"ok","extension":"# : #","status":"error","extension":"#)
            writer.string(name)
            writer.text(#","channel":"#)
            writer.string(channel)
            writer.text("}")
        }
    }

    /// A text frame around a payload.
    @inline(__always)
    static func envelope(
        _ serializer: Serializer, _ joinRef: RawJSON?, _ ref: RawJSON?, _ topic: String, _ event: String,
        _ payload: (inout FrameWriter) -> Void
    ) -> WireFrame {
        let buffer = FrameWriter.buffer { writer in
            switch serializer {
            case .v1:
                writer.text(#"{"topic":"#)
                writer.string(topic)
                writer.text(#","event":"#)
                writer.string(event)
                writer.text(#","payload":"#)
                payload(&writer)
                writer.text(#","ref":"#)
                writer.json(ref)
                writer.text("}")
            case .v2:
                writer.text("[")
                writer.json(joinRef)
                writer.text(",")
                writer.json(ref)
                writer.text(",")
                writer.string(topic)
                writer.text(",")
                writer.string(event)
                writer.text(",")
                payload(&writer)
                writer.text("]")
            }
        }
        return WireFrame(kind: .text, payload: buffer)
    }
}
