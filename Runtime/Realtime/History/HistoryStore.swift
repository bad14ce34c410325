/// The logs of all topics.
///
/// Whoever numbers the messages of a topic asks for its position first and then appends in order. A public and a private topic of one
/// name are two topics. What a call has thrown for, it has not done.
///
/// Not promised: that anything is kept longer than the limits given to ``prune(now:maxAge:maxPerTopic:maxBytes:)`` allow; that a topic
/// nobody used for that long keeps its epoch.
package protocol HistoryStore: Sendable {
    /// How far a topic has come. A topic that is new, or whose log was lost, begins here: with a random epoch of eight letters, at 0.
    func position(of topic: String, isPrivate: Bool) async throws -> TopicPosition

    /// Stores all of the messages or none, for good when this returns. Offsets may leave gaps, never go back. One message that is wrong
    /// takes all of its call with it, none of other calls.
    func append(_ messages: [StoredMessage]) async throws

    /// The first `limit` messages after an offset, ascending. Empty for a topic that is not known.
    func read(topic: String, isPrivate: Bool, after offset: UInt64, limit: Int) async throws -> [StoredMessage]

    /// The newest `limit` messages of that time or later, oldest first.
    func read(topic: String, isPrivate: Bool, sinceMilliseconds since: Int64, limit: Int) async throws -> [StoredMessage]

    /// Keys of messages that have one, of that time or later, ascending; the newest ``HistoryBounds/dedupKeys`` of them.
    func recentDedupKeys(topic: String, isPrivate: Bool, since: Int64) async throws -> [(key: String, id: String, offset: UInt64)]

    /// Lets go of the oldest: first what is older than `maxAge` milliseconds, then what a topic has beyond `maxPerTopic`, then what all
    /// have beyond `maxBytes` (of ``StoredMessage/cost``). What goes of a topic is always its beginning, so no hole comes about. Topics that
    /// are empty and have not been used for `maxAge` are forgotten.
    /// - Returns: How many messages went.
    func prune(now: Int64, maxAge: Int64, maxPerTopic: Int, maxBytes: Int) async throws -> Int

    /// Whoever waits is still answered; after that every call throws `.closed`.
    func close() async
}

package enum HistoryBounds {
    /// Most messages one read gives, whatever was asked for.
    package static let readMessages = 1_000
    package static let dedupKeys = 10_000
    /// Calls that wait for the disk; more are refused with `.busy`.
    package static let waiting = 8_192
}
