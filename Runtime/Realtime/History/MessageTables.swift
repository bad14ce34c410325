internal import GRDB

/// `message_read_receipts`, `message_delivery_status`, `user_presence`, and a light index of messages and members for unread counts.
///
/// It says nothing about who may ask or change what. Who types is not in a table: that is over in seconds.
package final class MessageTables: Sendable {
    private let line: HistoryLine
    private let readers: HistoryReaders

    init(_ line: HistoryLine, _ readers: HistoryReaders) {
        self.line = line
        self.readers = readers
    }

    /// All of the changes or none, in order; each may come again without harm. Texts with a zero byte in them are no ids: such a change is
    /// left out.
    package func apply(_ changes: [MessageChange]) async throws {
        guard !changes.isEmpty else { return }
        try await line.commit { database in
            for change in changes { try MessageRows.apply(change, in: database) }
        }
    }

    /// Messages of others that the user has not read, since the user took part; each once, even if it went to two conversations.
    package func unread(_ user: String, in conversation: Conversation? = nil) async throws -> Int {
        try await readers.ask { try MessageRows.unread(user, conversation, in: $0) }
    }

    /// What became of a message: for one who got it, or as a whole.
    package func status(
        of message: String, in conversation: Conversation, recipient: MessageReader? = nil
    ) async throws -> DeliveryRow? {
        try await readers.ask { try MessageRows.status(message, conversation, recipient, in: $0) }
    }

    /// Who has read a message, in the order they did.
    package func receipts(of message: String, in conversation: Conversation) async throws -> [ReceiptRow] {
        try await readers.ask { try MessageRows.receipts(message, conversation, in: $0) }
    }

    package func presence(of reader: MessageReader) async throws -> PresenceRow? {
        try await readers.ask { try MessageRows.presence(reader, in: $0) }
    }

    /// Forgets messages that are older than `maxAge` milliseconds or more than `maxMessages`, with their receipts and statuses; then users
    /// and members nothing was heard of for that long.
    /// - Returns: How many messages went.
    package func prune(now: Int64, maxAge: Int64, maxMessages: Int) async throws -> Int {
        let (difference, overflow) = now.subtractingReportingOverflow(maxAge)
        let cutoff = overflow ? Int64.min : difference
        var gone = 0
        while true {
            let count = try await line.commit { try MessageRows.prune(cutoff, max(maxMessages, 0), in: $0) }
            if count == 0 { break }
            gone += count
        }
        try await line.commit { try MessageRows.pruneUsers(cutoff, in: $0) }
        return gone
    }
}

package struct ReceiptRow: Sendable, Hashable {
    package let id: String
    package let message: String
    package let reader: MessageReader
    /// Milliseconds since 1970, as all times here.
    package let readAt: Int64
}

package struct DeliveryRow: Sendable, Hashable {
    package let id: String
    package let message: String
    package let status: DeliveryStatus
    package let deliveredAt: Int64?
    package let readAt: Int64?
    package let failedReason: String?
}

package struct PresenceRow: Sendable, Hashable {
    package let id: String
    package let reader: MessageReader
    package let status: PresenceStatus
    package let lastSeenAt: Int64
}
