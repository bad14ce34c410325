/// What messaging allows, and how much it remembers. Times in milliseconds.
package struct MessagingLimits: Sendable, Hashable {
    // MARK: Rates, each within any 60 seconds

    /// Starts of typing of one user in one conversation.
    package var typingPerMinute = 10
    /// Messages one user marks as read.
    package var readsPerMinute = 60
    /// Statuses one user declares.
    package var presencePerMinute = 6

    // MARK: Times

    /// Typing ends by itself this long after its last refresh.
    package var typingExpiry: Int64 = 5_000
    /// A user who does nothing for this long is away.
    package var awayAfter: Int64 = 300_000

    // MARK: Memory. Each is a fixed most: beyond it the least recently used goes, or the newcomer is not kept, as said at each.

    /// Who is typing, in all; the one that goes is told to have stopped.
    package var typists = 20_000
    /// Users whose rates are remembered, for each rate; the one that goes starts afresh.
    package var ratedUsers = 20_000
    /// Connected users; the status of more is relayed, but not kept.
    package var users = 50_000
    /// Topics in which connected users declared a status, in all; more are relayed, but not told when the user goes away.
    package var places = 50_000
    /// Conversations with their newest messages; the one that goes is known to the tables only.
    package var conversations = 8_192
    /// Newest messages of one conversation.
    package var messagesPerConversation = 256
    /// Messages in all; the conversation least recently used goes.
    package var messages = 65_536
    /// Members of one conversation, at most 256; more are not counted for.
    package var members = 256
    /// Members in all; the conversation least recently used goes.
    package var memberships = 100_000
    /// Bytes that are kept of a payload of typing or presence; of a longer one its short members are.
    package var payloadBytes = 1_024
    /// Message ids in one mark as read; more of them are passed over.
    package var idsPerRead = 256
    /// Bytes of an id, of a message or a user; what is longer is relayed, but not kept.
    package var idBytes = 128

    // MARK: Habits

    /// Whether a caller without a verified user is taken for whom the payload names. Anybody can then speak for anybody: for demonstrations, and
    /// for hosts that let only trusted callers in.
    package var trustsClaims = false
    /// Whether the sender's own socket is told `delivery_status` when the first other subscriber got its message.
    package var announcesDelivery = true

    package init() {}
    package static let standard = MessagingLimits()
}
