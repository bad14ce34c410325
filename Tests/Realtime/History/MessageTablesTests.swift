import Foundation
import GRDB
import Testing

@testable import SwiftletRealtime

@Suite struct `Tables of messaging` {
    let scratch = HistoryScratch()
    let room: Conversation
    let other: Conversation

    init() throws {
        room = try #require(Conversation(topic: "conversation:1", isPrivate: true))
        other = try #require(Conversation(topic: "customer:7:messages", isPrivate: true))
    }

    private func open() throws -> (SQLiteHistory, MessageTables) {
        let history = try SQLiteHistory(path: scratch.path)
        return (history, history.tables)
    }

    @Test func `they have the names and columns of the product's documents`() async throws {
        let (history, _) = try open()
        let columns = try await history.file.writer.read { database in
            try ["message_read_receipts", "message_delivery_status", "user_presence", "messages"].map {
                Set(try database.columns(in: $0).map(\.name))
            }
        }
        #expect(columns[0].isSuperset(of: ["id", "message_id", "read_by_user_id", "read_by_customer_id", "read_at"]))
        #expect(
            columns[1].isSuperset(of: [
                "id", "message_id", "status", "recipient_type", "recipient_id", "delivered_at", "read_at", "failed_reason",
            ]))
        #expect(columns[2].isSuperset(of: ["id", "user_id", "customer_id", "status", "last_seen_at", "metadata"]))
        #expect(columns[3].isSuperset(of: ["id", "conversation", "sender", "offset", "time"]))
        await history.close()
    }

    @Test func `unread is what others wrote since the user took part, and the user has not read`() async throws {
        let (history, tables) = try open()
        try await tables.apply([
            .message(room, id: "before", sender: "ann", offset: 1, time: 1),
            .member(room, user: "bob", time: 2),
            .member(room, user: "ann", time: 2),
            .message(room, id: "a", sender: "ann", offset: 2, time: 3),
            .message(room, id: "b", sender: "bob", offset: 3, time: 4),
            .message(room, id: "c", sender: nil, offset: 4, time: 5),
        ])
        #expect(try await tables.unread("bob") == 2)
        #expect(try await tables.unread("bob", in: room) == 2)
        #expect(try await tables.unread("ann") == 2)
        #expect(try await tables.unread("bob", in: other) == 0)
        #expect(try await tables.unread("nobody") == 0)
        for _ in 0..<2 { try await tables.apply([.receipt(room, message: "a", reader: MessageReader("bob"), time: 9)]) }
        // Nobody reads what they wrote, and nobody what is of another conversation.
        try await tables.apply([
            .receipt(room, message: "b", reader: MessageReader("bob"), time: 9),
            .receipt(other, message: "c", reader: MessageReader("bob"), time: 9),
        ])
        #expect(try await tables.unread("bob") == 1)
        let receipts = try await tables.receipts(of: "a", in: room)
        #expect(receipts.map(\.reader) == [MessageReader("bob")] && receipts.map(\.readAt) == [9])
        #expect(receipts.allSatisfy { UUID(uuidString: $0.id) != nil })
        #expect(try await tables.receipts(of: "b", in: room).isEmpty)
        await history.close()
    }

    @Test func `a message that went to two conversations is unread once, and read in both`() async throws {
        let (history, tables) = try open()
        try await tables.apply([
            .member(room, user: "bob", time: 1), .member(other, user: "bob", time: 1),
            .message(room, id: "a", sender: "ann", offset: 1, time: 2),
            .message(other, id: "a", sender: "ann", offset: 1, time: 2),
            // The same id by somebody else is another message.
            .message(other, id: "x", sender: "eve", offset: 2, time: 2),
            .message(room, id: "x", sender: "ann", offset: 2, time: 2),
        ])
        #expect(try await tables.unread("bob") == 2)
        try await tables.apply([
            .receipt(room, message: "a", reader: MessageReader("bob", .customer), time: 3),
            .receipt(room, message: "x", reader: MessageReader("bob", .customer), time: 3),
        ])
        #expect(try await tables.unread("bob", in: room) == 0)
        #expect(try await tables.unread("bob", in: other) == 1)
        #expect(try await tables.receipts(of: "a", in: other).map(\.reader.kind) == [.customer])
        await history.close()
    }

    @Test func `a status never goes back, whatever comes in whatever order`() async throws {
        let (history, tables) = try open()
        var generator = SystemRandomNumberGenerator()
        for number in 0..<15 {
            let id = "m\(number)"
            try await tables.apply([
                .message(room, id: id, sender: "ann", offset: UInt64(number + 1), time: 1),
                .status(room, message: id, recipient: nil, .sent, reason: nil, time: 1),
            ])
            var expected = DeliveryStatus.sent
            for _ in 0..<5 {
                let next = DeliveryStatus.allCases.randomElement(using: &generator) ?? .sent
                try await tables.apply([.status(room, message: id, recipient: nil, next, reason: "no", time: 2)])
                if expected.mayBecome(next) { expected = next }
                let row = try await tables.status(of: id, in: room)
                #expect(row?.status == expected)
                #expect((row?.failedReason == "no") == (expected == .failed))
            }
        }
        try await tables.apply([.status(room, message: "nothing", recipient: nil, .read, reason: nil, time: 2)])
        #expect(try await tables.status(of: "nothing", in: room) == nil)
        await history.close()
    }

    @Test func `each recipient has a status beside the whole`() async throws {
        let (history, tables) = try open()
        let reader = MessageReader("bob", .customer)
        try await tables.apply([
            .message(room, id: "a", sender: "ann", offset: 1, time: 1),
            .status(room, message: "a", recipient: reader, .delivered, reason: nil, time: 5),
            .status(room, message: "a", recipient: reader, .read, reason: nil, time: 6),
            .status(room, message: "a", recipient: nil, .sent, reason: nil, time: 1),
        ])
        let row = try #require(try await tables.status(of: "a", in: room, recipient: reader))
        #expect(row.status == .read && row.deliveredAt == 5 && row.readAt == 6)
        #expect(try await tables.status(of: "a", in: room)?.status == .sent)
        await history.close()
    }

    @Test func `a user has one presence, a customer of that name another`() async throws {
        let (history, tables) = try open()
        try await tables.apply([
            .presence(MessageReader("x"), .online, lastSeenAt: 10), .presence(MessageReader("x"), .away, lastSeenAt: 9),
            .presence(MessageReader("x", .customer), .offline, lastSeenAt: 3),
        ])
        let staff = try await tables.presence(of: MessageReader("x"))
        #expect(staff?.status == .away && staff?.lastSeenAt == 10)
        #expect(try await tables.presence(of: MessageReader("x", .customer))?.status == .offline)
        #expect(try await tables.presence(of: MessageReader("y")) == nil)
        await history.close()
    }

    @Test func `pruning takes messages with what hangs on them`() async throws {
        let (history, tables) = try open()
        try await tables.apply([.member(room, user: "bob", time: 1)])
        let changes = (1...1_200).flatMap { (number: Int) -> [MessageChange] in
            [
                .message(room, id: "m\(number)", sender: "ann", offset: UInt64(number), time: Int64(number)),
                .receipt(room, message: "m\(number)", reader: MessageReader("bob"), time: 1),
                .status(room, message: "m\(number)", recipient: nil, .read, reason: nil, time: 1),
            ]
        }
        try await tables.apply(changes)
        #expect(try await tables.prune(now: 2_000, maxAge: 1_000, maxMessages: 100_000) == 999)
        #expect(try await tables.prune(now: 2_000, maxAge: 1_000, maxMessages: 50) == 151)
        let counts = try await history.file.writer.read { database in
            try ["messages", "message_read_receipts", "message_delivery_status", "conversation_members"].map {
                try Int.fetchOne(database, sql: "SELECT count(*) FROM \($0)") ?? 0
            }
        }
        #expect(counts == [50, 50, 50, 1])
        await history.close()
    }

    @Test func `a text with a zero byte is nobody's id`() async throws {
        let (history, tables) = try open()
        try await tables.apply([
            .member(room, user: "bob", time: 1), .message(room, id: "a", sender: "ann", offset: 1, time: 1),
            .receipt(room, message: "a\u{0}b", reader: MessageReader("bob"), time: 1),
            .receipt(room, message: "a", reader: MessageReader("bob\u{0}"), time: 1),
            .message(room, id: "b\u{0}", sender: "ann", offset: 2, time: 1),
        ])
        #expect(try await tables.unread("bob") == 1)
        #expect(try await tables.unread("bob\u{0}") == 0)
        await history.close()
    }
}
