/// What the engine bears. The names are those of the contract; every number can be set by the operator.
package struct HubLimits: Sendable {
    // MARK: Sockets

    /// Open sockets; beyond, a handshake is answered 429.
    package var maxSockets = 16_000
    /// Channels of one socket.
    package var maxChannels = 100
    /// Joins a second, of the whole host.
    package var joinsPerSecond = 5_000
    /// Messages a second of one socket, on average; twice as many at once.
    package var messagesPerSecond = 100
    /// A socket that has no channel for so long is closed, in milliseconds.
    package var idleSocket: Int64 = 600_000

    // MARK: Messages

    /// Bytes of one broadcast's payload.
    package var maxPayload = 3_000_000
    /// Calls of `presence` a channel may make in ``presenceWindow``.
    package var presenceCalls = 5
    /// Milliseconds.
    package var presenceWindow: Int64 = 30_000
    /// Bytes of what one presence tracks.
    package var maxPresence = 16 * 1024
    /// Presences of one topic.
    package var maxPresences = 10_000
    /// Bytes of messages that may wait for a socket whose client does not take them, beside what the socket itself holds, and how long
    /// such a client may take nothing at all, in milliseconds.
    package var maxBehind = 4 << 20
    package var stall: Int64 = 15_000
    /// Messages that wait for a join under way, and the bytes of those of one socket.
    package var maxWaiting = 100
    package var maxWaitingBytes = 1 << 20
    /// Bytes on their way to the members of one topic; beyond, a message is refused.
    package var maxInFlight = 64 << 20
    /// Bytes that wait to be written to disk.
    package var maxUnwritten = 64 << 20

    // MARK: History

    /// Messages kept for one topic, and how long, in milliseconds.
    package var historyCount = 256
    package var historyAge: Int64 = 600_000
    /// Bytes kept for all topics together.
    package var historyBytes = 64 << 20
    /// Of them, for one topic.
    package var historyTopicBytes = 16 << 20
    /// Bytes kept on disk.
    package var storedBytes = 1 << 30
    /// Receipts, delivery and unread counts on disk: how long they are kept, and of how many messages.
    package var receiptAge: Int64 = 90 * 86_400_000
    package var receipts = 1_000_000
    /// Messages one `replay` by time hands out at most.
    package var replayLimit = 25
    /// Milliseconds within which a client that was cut off gets what it missed without asking.
    package var recoveryWindow: Int64 = 120_000
    /// Milliseconds for which an idempotency id is remembered, and how many of one topic.
    package var dedupAge: Int64 = 300_000
    package var dedupCount = 1024

    package init() {}
}
