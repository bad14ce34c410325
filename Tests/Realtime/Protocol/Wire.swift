import NIOCore
import SwiftletJSON

@testable import SwiftletRealtime

/// What tests of the wire share.
enum Wire {
    static func decode(_ text: String, _ serializer: Serializer, limits: RealtimeLimits = .standard) throws(MessageFault)
        -> ClientMessage
    {
        try decode(Array(text.utf8), serializer, limits: limits)
    }

    static func decode(_ bytes: [UInt8], _ serializer: Serializer, limits: RealtimeLimits = .standard) throws(MessageFault)
        -> ClientMessage
    {
        let result: Result<ClientMessage, MessageFault> = bytes.withUnsafeBytes { bytes in
            do throws(MessageFault) {
                return .success(try PhoenixDecoder.text(bytes, serializer, limits: limits))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    static func decode(binary bytes: [UInt8], limits: RealtimeLimits = .standard) throws(MessageFault) -> ClientMessage {
        let result: Result<ClientMessage, MessageFault> = bytes.withUnsafeBytes { bytes in
            do throws(MessageFault) {
                return .success(try PhoenixDecoder.binary(bytes, limits: limits))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// A message in the envelope of either serializer, as a client writes it.
    static func message(
        _ serializer: Serializer, joinRef: String = "\"1\"", ref: String = "\"2\"", topic: String = "realtime:room",
        event: String,
        payload: String
    ) -> String {
        let topic = RawJSON(string: topic)
        let event = RawJSON(string: event)
        return switch serializer {
        case .v1: #"{"topic":\#(topic),"event":\#(event),"payload":\#(payload),"ref":\#(ref),"join_ref":\#(joinRef)}"#
        case .v2: #"[\#(joinRef),\#(ref),\#(topic),\#(event),\#(payload)]"#
        }
    }

    static func fault(_ text: String, _ serializer: Serializer) -> MessageFault.Code? {
        do throws(MessageFault) {
            _ = try decode(text, serializer)
            return nil
        } catch {
            return error.code
        }
    }

    static func fault(binary bytes: [UInt8]) -> MessageFault.Code? {
        do throws(MessageFault) {
            _ = try decode(binary: bytes)
            return nil
        } catch {
            return error.code
        }
    }

    /// A binary message of kind 3. Lengths are cut to a byte, as a careless client would.
    static func push(
        joinRef: String = "1", ref: String = "2", topic: String = "realtime:room", event: String, meta: String = "",
        encoding: UInt8 = 1,
        payload: [UInt8]
    ) -> [UInt8] {
        let parts = [joinRef, ref, topic, event, meta].map { Array($0.utf8) }
        return [3] + parts.map { UInt8(truncatingIfNeeded: $0.count) } + [encoding] + parts.flatMap { $0 } + payload
    }

    static func text(_ frame: WireFrame?) -> String? {
        guard let frame, frame.kind == .text else { return nil }
        return String(buffer: frame.payload)
    }

    static func bytes(_ frame: WireFrame?) -> [UInt8]? { frame.map { Array($0.payload.readableBytesView) } }

    /// What a client reads out of a binary broadcast of kind 4, or `nil` when it is none.
    struct ServerBroadcast: Equatable {
        var topic: String
        var event: String
        var meta: String
        var isJSON: Bool
        var payload: [UInt8]

        init?(_ frame: WireFrame?) {
            guard let frame, frame.kind == .binary, let bytes = Wire.bytes(frame), bytes.count >= 5, bytes[0] == 4, bytes[4] < 2
            else { return nil }
            let lengths = bytes[1...3].map { Int($0) }
            guard bytes.count >= 5 + lengths.reduce(0, +) else { return nil }
            var position = 5
            func take(_ length: Int) -> String {
                defer { position += length }
                return String(decoding: bytes[position..<position + length], as: UTF8.self)
            }
            topic = take(lengths[0])
            event = take(lengths[1])
            meta = take(lengths[2])
            isJSON = bytes[4] == 1
            payload = Array(bytes[position...])
        }
    }
}

extension RawJSON {
    init(_ text: String) { self.init(unchecked: Array(text.utf8)) }
}

extension ClientEvent {
    var broadcast: BroadcastContent? { if case .broadcast(let content) = self { content } else { nil } }
    var join: JoinRequest? { if case .join(let request) = self { request } else { nil } }
    var presence: PresenceRequest? { if case .presence(let request) = self { request } else { nil } }
    var isLeave: Bool { if case .leave = self { true } else { false } }
    var isHeartbeat: Bool { if case .heartbeat = self { true } else { false } }
    /// The outer optional: whether it is one.
    var accessToken: String?? { if case .accessToken(let token) = self { token } else { nil } }
    var other: String? { if case .other(let name) = self { name } else { nil } }
}

extension BroadcastContent {
    var json: String? { if case .json(let value) = body { value.description } else { nil } }
    var binary: [UInt8]? { if case .binary(let bytes) = body { bytes } else { nil } }
}

let serializers: [Serializer] = [.v1, .v2]
