internal import FoundationEssentials
internal import GRDB

/// Rows of `topics` and `log`. Blobs are `Data` in GRDB's words.
enum HistoryLog {
    /// A topic as the key of its row: never empty, and no private topic is a public one.
    static func key(_ topic: String, _ isPrivate: Bool) -> Data { Data((isPrivate ? "-" : "+").utf8) + Data(topic.utf8) }

    // MARK: Writing, on the writer's queue and in a transaction

    static func position(of key: Data, in database: Database) throws -> TopicPosition {
        let find = try database.cachedStatement(
            sql: "SELECT epoch, last_offset, first_offset, number, idle_since FROM topics WHERE key = ?")
        if let row = try Row.fetchOne(find, arguments: [key]) {
            if try row.decode(Int64?.self, atIndex: 4) != nil {
                try database.cachedStatement(sql: "UPDATE topics SET idle_since = NULL WHERE number = ?")
                    .execute(arguments: [try row.decode(Int64.self, atIndex: 3)])
            }
            return TopicPosition(
                epoch: try row.decode(atIndex: 0), lastOffset: UInt64(clamping: try row.decode(Int64.self, atIndex: 1)),
                firstOffset: UInt64(clamping: try row.decode(Int64.self, atIndex: 2)))
        }
        let position = TopicPosition(epoch: Epoch.random())
        try make(key, position, in: database)
        return position
    }

    private static func make(_ key: Data, _ position: TopicPosition, in database: Database) throws {
        try database.cachedStatement(
            sql: "INSERT INTO topics (key, epoch, last_offset, first_offset, count, bytes) VALUES (?, ?, ?, ?, 0, 0)"
        ).execute(arguments: [key, position.epoch, Int64(clamping: position.lastOffset), Int64(clamping: position.firstOffset)])
    }

    private struct Books {
        let number: Int64
        let epoch: String
        var last: Int64
        var count: Int64 = 0
        var bytes: Int64 = 0
    }

    static func append(_ messages: [StoredMessage], in database: Database) throws {
        var books: [Data: Books] = [:]
        let find = try database.cachedStatement(sql: "SELECT number, epoch, last_offset FROM topics WHERE key = ?")
        let insert = try database.cachedStatement(
            sql: """
                INSERT INTO log (topic, offset, id, dedup_key, event, is_binary, body, extra, sender, time, bytes)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
        for message in messages {
            let key = key(message.topic, message.isPrivate)
            var book: Books
            if let known = books[key] {
                book = known
            } else {
                var row = try Row.fetchOne(find, arguments: [key])
                if row == nil, let epoch = message.epoch, message.offset > 0 {
                    // Forgotten while it was empty; its owner knows it still.
                    try make(
                        key, TopicPosition(epoch: epoch, lastOffset: message.offset - 1, firstOffset: message.offset),
                        in: database)
                    row = try Row.fetchOne(find, arguments: [key])
                }
                guard let row else { throw HistoryError.unknownTopic }
                book = Books(
                    number: try row.decode(atIndex: 0), epoch: try row.decode(atIndex: 1), last: try row.decode(atIndex: 2))
            }
            if let epoch = message.epoch, epoch != book.epoch { throw HistoryError.unknownTopic }
            guard let offset = Int64(exactly: message.offset), offset > book.last else { throw HistoryError.outOfOrder }
            let cost = Int64(message.cost)
            let (body, isBinary): ([UInt8], Bool) =
                switch message.body {
                case .json(let value): (value.bytes, false)
                case .binary(let bytes): (bytes, true)
                }
            try insert.execute(arguments: [
                book.number, offset, blob(message.id), message.dedupKey.map(blob), blob(message.event), isBinary, Data(body),
                message.extra.isEmpty ? nil : Data(message.extra), message.sender.map(blob), message.time, cost,
            ])
            book.last = offset
            book.count += 1
            book.bytes += cost
            books[key] = book
        }
        let note = try database.cachedStatement(
            sql: "UPDATE topics SET last_offset = ?, count = count + ?, bytes = bytes + ?, idle_since = NULL WHERE number = ?")
        for book in books.values { try note.execute(arguments: [book.last, book.count, book.bytes, book.number]) }
    }

    private static func blob(_ text: String) -> Data { Data(text.utf8) }

    // MARK: Reading

    private static let columns = "offset, id, dedup_key, event, is_binary, body, extra, sender, time"

    static func read(
        _ topic: String, _ isPrivate: Bool, after offset: UInt64, limit: Int, in database: Database
    ) throws -> [StoredMessage] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT \(columns) FROM log WHERE topic = (SELECT number FROM topics WHERE key = ?) AND offset > ?
                ORDER BY offset LIMIT ?
                """)
        return try Row.fetchAll(statement, arguments: [key(topic, isPrivate), Int64(clamping: offset), bounded(limit)])
            .map { try message($0, topic, isPrivate) }
    }

    static func read(
        _ topic: String, _ isPrivate: Bool, since: Int64, limit: Int, in database: Database
    ) throws -> [StoredMessage] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT \(columns) FROM log WHERE topic = (SELECT number FROM topics WHERE key = ?) AND time >= ?
                ORDER BY offset DESC LIMIT ?
                """)
        return try Row.fetchAll(statement, arguments: [key(topic, isPrivate), since, bounded(limit)])
            .map { try message($0, topic, isPrivate) }.reversed()
    }

    static func dedupKeys(
        _ topic: String, _ isPrivate: Bool, since: Int64, in database: Database
    ) throws -> [(key: String, id: String, offset: UInt64)] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT dedup_key, id, offset FROM log
                WHERE topic = (SELECT number FROM topics WHERE key = ?) AND dedup_key IS NOT NULL AND time >= ?
                ORDER BY offset DESC LIMIT \(HistoryBounds.dedupKeys)
                """)
        return try Row.fetchAll(statement, arguments: [key(topic, isPrivate), since])
            .map { row in
                (
                    text(try row.decode(atIndex: 0)), text(try row.decode(atIndex: 1)),
                    UInt64(clamping: try row.decode(Int64.self, atIndex: 2))
                )
            }.reversed()
    }

    private static func bounded(_ limit: Int) -> Int { min(max(limit, 0), HistoryBounds.readMessages) }

    private static func text(_ data: Data?) -> String { data.map { String(decoding: $0, as: UTF8.self) } ?? "" }

    private static func message(_ row: Row, _ topic: String, _ isPrivate: Bool) throws -> StoredMessage {
        func data(_ column: Int) throws -> Data? { try row.decode(atIndex: column) }
        func bytes(_ column: Int) throws -> [UInt8] { try data(column).map { [UInt8]($0) } ?? [] }
        let body = try bytes(5)
        return StoredMessage(
            topic: topic, isPrivate: isPrivate, offset: UInt64(clamping: try row.decode(Int64.self, atIndex: 0)),
            id: text(try data(1)), dedupKey: try data(2).map { text($0) }, event: text(try data(3)),
            body: try row.decode(atIndex: 4) ? .binary(body) : .json(RawJSON(unchecked: body)), extra: try bytes(6),
            sender: try data(7).map { text($0) }, time: try row.decode(atIndex: 8))
    }
}
