import NIOCore
import Synchronization

/// Who is present in one topic: by key, and under a key by channel. A value inside its topic's lock.
struct PresenceTable {
    private struct Meta {
        let channel: UInt64
        var ref: String
        var fields: RawJSON
    }

    /// In the order in which keys came.
    private var keys: [String] = []
    private var metas: [String: [Meta]] = [:]
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// Everything, as a client that joins sees it.
    var state: [PresenceEntry] {
        var all: [PresenceEntry] = []
        for key in keys {
            for meta in metas[key] ?? [] { all.append(PresenceEntry(key: key, phxRef: meta.ref, fields: meta.fields)) }
        }
        return all
    }

    enum Outcome {
        /// What was tracked already.
        case same
        case full
        case changed(joins: [PresenceEntry], leaves: [PresenceEntry])
    }

    mutating func track(_ fields: RawJSON, key: String, channel: UInt64, ref: String, limit: Int) -> Outcome {
        if let index = metas[key]?.firstIndex(where: { $0.channel == channel }), let old = metas[key]?[index] {
            if old.fields == fields { return .same }
            metas[key]?[index] = Meta(channel: channel, ref: ref, fields: fields)
            return .changed(
                joins: [PresenceEntry(key: key, phxRef: ref, phxRefPrev: old.ref, fields: fields)],
                leaves: [PresenceEntry(key: key, phxRef: old.ref, fields: old.fields)])
        }
        guard count < limit else { return .full }
        if metas[key] == nil { keys.append(key) }
        metas[key, default: []].append(Meta(channel: channel, ref: ref, fields: fields))
        count += 1
        return .changed(joins: [PresenceEntry(key: key, phxRef: ref, fields: fields)], leaves: [])
    }

    mutating func untrack(key: String, channel: UInt64) -> Outcome {
        guard let index = metas[key]?.firstIndex(where: { $0.channel == channel }), let old = metas[key]?.remove(at: index) else {
            return .same
        }
        count -= 1
        if metas[key]?.isEmpty == true {
            metas[key] = nil
            keys.removeAll { $0 == key }
        }
        return .changed(joins: [], leaves: [PresenceEntry(key: key, phxRef: old.ref, fields: old.fields)])
    }
}

/// One difference of a topic's presence, on its way to everybody there.
final class PresenceChange: Sendable {
    let topic: String
    let sequence: UInt64
    private let joins: [PresenceEntry]
    private let leaves: [PresenceEntry]
    private let frames = Mutex<(v1: ByteBuffer?, v2: ByteBuffer?)>((nil, nil))

    init(topic: String, sequence: UInt64, joins: [PresenceEntry], leaves: [PresenceEntry]) {
        self.topic = topic
        self.sequence = sequence
        self.joins = joins
        self.leaves = leaves
    }

    func frame(_ serializer: Serializer) -> ByteBuffer {
        frames.withLock { frames in
            if let made = serializer == .v1 ? frames.v1 : frames.v2 { return made }
            let made = PhoenixEncoder.presenceDiff(serializer, topic: topic, joins: joins, leaves: leaves).onTheWire
            if serializer == .v1 { frames.v1 = made } else { frames.v2 = made }
            return made
        }
    }
}
