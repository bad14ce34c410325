import NIOCore
import SwiftletWebSocket
import Synchronization

/// One broadcast on its way to everybody in a topic, and in the topic's history.
final class Entry: Sendable {
    let topic: String
    let content: BroadcastContent
    let id: String
    /// The place in the topic's history; what is not kept stands at the place of the last that is.
    let offset: UInt64
    let epoch: String
    /// Counts everything that is handed out, kept or not.
    let sequence: UInt64
    /// Milliseconds since 1970.
    let time: Int64
    let audience: Audience
    /// What it takes in the history.
    let cost: Int

    private struct Frames {
        var v1: Made = .notYet
        var v2: Made = .notYet
    }
    private enum Made {
        case notYet
        case impossible
        case frame(ByteBuffer)

        var buffer: ByteBuffer? { if case .frame(let buffer) = self { buffer } else { nil } }
    }
    private let frames = Mutex(Frames())

    init(
        topic: String, content: BroadcastContent, id: String, offset: UInt64, epoch: String, sequence: UInt64, time: Int64,
        audience: Audience
    ) {
        self.topic = topic
        self.content = content
        self.id = id
        self.offset = offset
        self.epoch = epoch
        self.sequence = sequence
        self.time = time
        self.audience = audience
        cost = 256 + topic.utf8.count + content.byteCount
    }

    /// The whole frame, made once for all who speak the same serializer; nil where it cannot be delivered.
    func frame(_ serializer: Serializer) -> ByteBuffer? {
        frames.withLock { frames in
            switch serializer {
            case .v1:
                if case .notYet = frames.v1 { frames.v1 = make(.v1, isReplayed: false) }
                return frames.v1.buffer
            case .v2:
                if case .notYet = frames.v2 { frames.v2 = make(.v2, isReplayed: false) }
                return frames.v2.buffer
            }
        }
    }

    /// The same for one who missed it.
    func replayed(_ serializer: Serializer) -> ByteBuffer? { make(serializer, isReplayed: true).buffer }

    private func make(_ serializer: Serializer, isReplayed: Bool) -> Made {
        let meta = BroadcastMeta(id: id, offset: offset, epoch: epoch, isReplayed: isReplayed).json
        guard let frame = PhoenixEncoder.broadcast(serializer, topic: topic, content: content, meta: meta) else {
            return .impossible
        }
        return .frame(frame.onTheWire)
    }
}

extension WireFrame {
    /// With the head of its WebSocket frame.
    var onTheWire: ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: payload.readableBytes + 10)
        WebSocketFrames.head(kind == .text ? .text : .binary, count: payload.readableBytes).withUnsafeBytes {
            _ = buffer.writeBytes($0)
        }
        buffer.writeImmutableBuffer(payload)
        return buffer
    }
}

/// Whom a broadcast is for, of those who may read the topic.
enum Audience: Sendable {
    case everyone
    /// Not the channel that sent it; whether that one counts as a reader.
    case allButChannel(UInt64, reads: Bool)
    case allButSocket(UInt64)
    case onlySocket(UInt64)

    func includes(channel: UInt64, socket: UInt64) -> Bool {
        switch self {
        case .everyone: true
        case .allButChannel(let id, _): id != channel
        case .allButSocket(let id): id != socket
        case .onlySocket(let id): id == socket
        }
    }
}

/// What the host says of a broadcast, beside it.
struct BroadcastMeta {
    let id: String
    let offset: UInt64
    let epoch: String
    let isReplayed: Bool

    /// At most 255 bytes: an id has 64 letters at most, and none that needs escaping; one that has is not one.
    var json: RawJSON {
        let id = BroadcastContent.isID(id) ? id : ""
        let text =
            "{\"id\":\"\(id)\",\"offset\":\(offset),\"epoch\":\"\(epoch)\"\(isReplayed ? ",\"replayed\":true" : "")}"
        return RawJSON(unchecked: Array(text.utf8))
    }
}
