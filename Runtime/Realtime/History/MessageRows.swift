internal import GRDB

/// Rows of the tables of messaging.
enum MessageRows {
    /// In `recipient_id`: the message as a whole. No user is called that.
    private static let everyone = "*"

    static func apply(_ change: MessageChange, in database: Database) throws {
        switch change {
        case .member(let conversation, let user, let time):
            guard isText(conversation.topic, user) else { return }
            try database.cachedStatement(
                sql: """
                    INSERT OR IGNORE INTO conversation_members (member, conversation, is_private, since, joined_at)
                    VALUES (?, ?, ?, (SELECT coalesce(max(number), 0) FROM messages), ?)
                    """
            ).execute(arguments: [user, conversation.topic, conversation.isPrivate, time])
        case .message(let conversation, let id, let sender, let offset, let time):
            guard isText(conversation.topic, id, sender), let offset = Int64(exactly: offset) else { return }
            try database.cachedStatement(
                sql: """
                    INSERT OR IGNORE INTO messages (id, conversation, is_private, sender, offset, time) VALUES (?, ?, ?, ?, ?, ?)
                    """
            ).execute(arguments: [id, conversation.topic, conversation.isPrivate, sender, offset, time])
        case .receipt(let conversation, let message, let reader, let time):
            guard isText(conversation.topic, message, reader.id) else { return }
            try enterReceipt(conversation, message, reader, time, in: database)
        case .status(let conversation, let message, let recipient, let status, let reason, let time):
            guard isText(conversation.topic, message, recipient?.id), recipient?.id != everyone else { return }
            try enterStatus(conversation, message, recipient, status, reason, time, in: database)
        case .presence(let reader, let status, let lastSeenAt):
            guard isText(reader.id) else { return }
            let column = reader.kind == .customer ? "customer_id" : "user_id"
            try database.cachedStatement(
                sql: """
                    INSERT INTO user_presence (id, \(column), status, last_seen_at) VALUES (?, ?, ?, ?)
                    ON CONFLICT (\(column)) DO UPDATE SET status = excluded.status,
                    last_seen_at = max(last_seen_at, excluded.last_seen_at)
                    """
            ).execute(arguments: [uuid(), reader.id, status.rawValue, lastSeenAt])
        }
    }

    /// For the message of this conversation, and for the same message (same id, same known sender) in others the reader takes part in.
    private static func enterReceipt(
        _ conversation: Conversation, _ message: String, _ reader: MessageReader, _ time: Int64, in database: Database
    ) throws {
        let find = try database.cachedStatement(
            sql: """
                SELECT m.number FROM messages AS o JOIN messages AS m ON m.id = o.id AND m.sender IS o.sender
                WHERE o.id = ? AND o.conversation = ? AND o.is_private = ? AND o.sender IS NOT ?
                AND (m.number = o.number OR (o.sender IS NOT NULL AND EXISTS (
                    SELECT 1 FROM conversation_members AS c
                    WHERE c.member = ? AND c.conversation = m.conversation AND c.is_private = m.is_private)))
                """)
        let numbers = try Int64.fetchAll(
            find, arguments: [message, conversation.topic, conversation.isPrivate, reader.id, reader.id])
        let enter = try database.cachedStatement(
            sql: """
                INSERT OR IGNORE INTO message_read_receipts
                (id, message, message_id, read_by_user_id, read_by_customer_id, read_at, reader) VALUES (?, ?, ?, ?, ?, ?, ?)
                """)
        let isCustomer = reader.kind == .customer
        for number in numbers {
            try enter.execute(arguments: [
                uuid(), number, message, isCustomer ? nil : reader.id, isCustomer ? reader.id : nil, time, reader.id,
            ])
        }
    }

    /// The same rule as ``DeliveryStatus/mayBecome(_:)``.
    private static func enterStatus(
        _ conversation: Conversation, _ message: String, _ recipient: MessageReader?, _ status: DeliveryStatus, _ reason: String?,
        _ time: Int64, in database: Database
    ) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO message_delivery_status
                (id, message, message_id, status, recipient_type, recipient_id, delivered_at, read_at, failed_reason)
                SELECT ?, number, id, ?, ?, ?, ?, ?, ? FROM messages WHERE id = ? AND conversation = ? AND is_private = ?
                ON CONFLICT (message, recipient_id) DO UPDATE SET status = excluded.status,
                    recipient_type = coalesce(recipient_type, excluded.recipient_type),
                    delivered_at = coalesce(delivered_at, excluded.delivered_at), read_at = coalesce(read_at, excluded.read_at),
                    failed_reason = excluded.failed_reason
                WHERE (status = 'sent' AND excluded.status <> 'sent') OR (status = 'delivered' AND excluded.status = 'read')
                """
        ).execute(arguments: [
            uuid(), status.rawValue, recipient?.kind.rawValue, recipient?.id ?? everyone, status == .delivered ? time : nil,
            status == .read ? time : nil, status == .failed ? reason.flatMap { isText($0) ? $0 : nil } : nil, message,
            conversation.topic, conversation.isPrivate,
        ])
    }

    // MARK: Questions

    static func unread(_ user: String, _ conversation: Conversation?, in database: Database) throws -> Int {
        guard isText(user, conversation?.topic) else { return 0 }
        let sql = """
            SELECT count(DISTINCT m.id) FROM conversation_members AS c
            JOIN messages AS m ON m.conversation = c.conversation AND m.is_private = c.is_private AND m.number > c.since
            WHERE c.member = ? AND m.sender IS NOT c.member
            AND NOT EXISTS (SELECT 1 FROM message_read_receipts AS r WHERE r.message = m.number AND r.reader = c.member)
            """
        guard let conversation else {
            return try Int.fetchOne(database.cachedStatement(sql: sql), arguments: [user]) ?? 0
        }
        return try Int.fetchOne(
            database.cachedStatement(sql: sql + " AND c.conversation = ? AND c.is_private = ?"),
            arguments: [user, conversation.topic, conversation.isPrivate]) ?? 0
    }

    private static let ofMessage = "message = (SELECT number FROM messages WHERE id = ? AND conversation = ? AND is_private = ?)"

    static func status(
        _ message: String, _ conversation: Conversation, _ recipient: MessageReader?, in database: Database
    ) throws -> DeliveryRow? {
        guard isText(message, conversation.topic, recipient?.id) else { return nil }
        let statement = try database.cachedStatement(
            sql: """
                SELECT id, message_id, status, delivered_at, read_at, failed_reason FROM message_delivery_status
                WHERE \(ofMessage) AND recipient_id = ?
                """)
        let row = try Row.fetchOne(
            statement, arguments: [message, conversation.topic, conversation.isPrivate, recipient?.id ?? everyone])
        guard let row, let status = DeliveryStatus(rawValue: try row.decode(atIndex: 2)) else { return nil }
        return DeliveryRow(
            id: try row.decode(atIndex: 0), message: try row.decode(atIndex: 1), status: status,
            deliveredAt: try row.decode(atIndex: 3), readAt: try row.decode(atIndex: 4), failedReason: try row.decode(atIndex: 5))
    }

    static func receipts(_ message: String, _ conversation: Conversation, in database: Database) throws -> [ReceiptRow] {
        guard isText(message, conversation.topic) else { return [] }
        let statement = try database.cachedStatement(
            sql: """
                SELECT id, message_id, reader, read_by_customer_id IS NOT NULL, read_at FROM message_read_receipts
                WHERE \(ofMessage) ORDER BY read_at, rowid LIMIT \(HistoryBounds.readMessages)
                """)
        return try Row.fetchAll(statement, arguments: [message, conversation.topic, conversation.isPrivate]).map {
            ReceiptRow(
                id: try $0.decode(atIndex: 0), message: try $0.decode(atIndex: 1),
                reader: MessageReader(try $0.decode(atIndex: 2), try $0.decode(atIndex: 3) ? .customer : .staff),
                readAt: try $0.decode(atIndex: 4))
        }
    }

    static func presence(_ reader: MessageReader, in database: Database) throws -> PresenceRow? {
        guard isText(reader.id) else { return nil }
        let column = reader.kind == .customer ? "customer_id" : "user_id"
        let statement = try database.cachedStatement(
            sql: "SELECT id, status, last_seen_at FROM user_presence WHERE \(column) = ?")
        guard let row = try Row.fetchOne(statement, arguments: [reader.id]),
            let status = PresenceStatus(rawValue: try row.decode(atIndex: 1))
        else {
            return nil
        }
        return PresenceRow(
            id: try row.decode(atIndex: 0), reader: reader, status: status, lastSeenAt: try row.decode(atIndex: 2))
    }

    // MARK: Forgetting

    static func prune(_ cutoff: Int64, _ most: Int, in database: Database) throws -> Int {
        let newest = try Int64.fetchOne(database.cachedStatement(sql: "SELECT max(number) FROM messages")) ?? 0
        let rows = try Row.fetchAll(
            database.cachedStatement(sql: "SELECT number, time FROM messages ORDER BY number LIMIT \(HistoryPruning.step)"))
        // Numbers run on, so the newest tells how many there are at most.
        var last: Int64?
        for row in rows {
            let number = try row.decode(Int64.self, atIndex: 0)
            guard try row.decode(Int64.self, atIndex: 1) < cutoff || number <= newest &- Int64(most) else { break }
            last = number
        }
        guard let last else { return 0 }
        try database.cachedStatement(sql: "DELETE FROM messages WHERE number <= ?").execute(arguments: [last])
        return database.changesCount
    }

    static func pruneUsers(_ cutoff: Int64, in database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM user_presence WHERE last_seen_at < ?").execute(arguments: [cutoff])
        try database.cachedStatement(
            sql: """
                DELETE FROM conversation_members WHERE joined_at < ? AND NOT EXISTS (
                    SELECT 1 FROM messages AS m
                    WHERE m.conversation = conversation_members.conversation AND m.is_private = conversation_members.is_private)
                """
        ).execute(arguments: [cutoff])
    }

    // MARK: Texts

    private static func isText(_ texts: String?...) -> Bool { texts.allSatisfy { $0?.utf8.contains(0) != true } }

    /// A random UUID, as the tables' own ids.
    private static func uuid() -> String {
        let digits = Array("0123456789abcdef".utf8)
        var high = UInt64.random(in: .min ... .max) & ~0xF000 | 0x4000
        var low = UInt64.random(in: .min ... .max) & ~(0b11 << 62) | 0b10 << 62
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for place in 0..<32 {
            if place == 8 || place == 12 || place == 16 || place == 20 { text.append(UInt8(ascii: "-")) }
            let digit: UInt64
            if place < 16 {
                digit = high >> 60
                high <<= 4
            } else {
                digit = low >> 60
                low <<= 4
            }
            text.append(digits[Int(digit)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
