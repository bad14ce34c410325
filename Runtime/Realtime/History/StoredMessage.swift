/// One broadcast as the log of its topic keeps it.
package struct StoredMessage: Sendable, Hashable {
    /// Without `realtime:` in front.
    package var topic: String
    package var isPrivate: Bool
    /// Its place in the topic: each is greater than the one before, and the first is at least 1.
    package var offset: UInt64
    /// Goes out as `meta.id`.
    package var id: String
    /// What the sender named it by, so that a second attempt is known. `nil` when it gave nothing.
    package var dedupKey: String?
    package var event: String
    package var body: BroadcastContent.Body
    /// The other members of the outer payload as one JSON object; empty when there are none.
    package var extra: [UInt8]
    /// The verified user who sent it; `nil` for the host itself and for callers without a user.
    package var sender: String?
    /// Milliseconds since 1970.
    package var time: Int64
    /// For appending: the log it is meant for. When the topic has another log by now, the message is refused with `.unknownTopic`; and a log
    /// that was forgotten while it was empty goes on. Not filled in by reading.
    package var epoch: String?

    package init(
        topic: String, isPrivate: Bool, offset: UInt64, id: String, dedupKey: String? = nil, event: String,
        body: BroadcastContent.Body,
        extra: [UInt8] = [], sender: String? = nil, time: Int64, epoch: String? = nil
    ) {
        self.topic = topic
        self.isPrivate = isPrivate
        self.offset = offset
        self.id = id
        self.dedupKey = dedupKey
        self.event = event
        self.body = body
        self.extra = extra
        self.sender = sender
        self.time = time
        self.epoch = epoch
    }

    /// What it counts against limits on bytes: its texts and bytes, and an allowance for being a message at all.
    package var cost: Int {
        let body =
            switch body {
            case .json(let value): value.bytes.count
            case .binary(let bytes): bytes.count
            }
        return 128 &+ id.utf8.count &+ (dedupKey?.utf8.count ?? 0) &+ event.utf8.count &+ body &+ extra.count
            &+ (sender?.utf8.count ?? 0)
    }
}

/// How far the log of a topic has come.
package struct TopicPosition: Sendable, Hashable {
    /// Another epoch is another log: offsets of one say nothing in the other.
    package var epoch: String
    /// Of the newest message; 0 before the first.
    package var lastOffset: UInt64
    /// Of the oldest message that is kept; one more than `lastOffset` when none is.
    package var firstOffset: UInt64

    package init(epoch: String, lastOffset: UInt64 = 0, firstOffset: UInt64 = 1) {
        self.epoch = epoch
        self.lastOffset = lastOffset
        self.firstOffset = firstOffset
    }

    /// Whether everything after `offset` is still there, for someone who stood at it in `epoch`.
    package func covers(_ offset: UInt64, epoch: String) -> Bool {
        epoch == self.epoch && offset <= lastOffset && (offset == lastOffset || firstOffset <= offset &+ 1)
    }
}
