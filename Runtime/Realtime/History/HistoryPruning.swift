internal import GRDB

/// Takes away the oldest messages, a few hundred in each transaction, so that appends get their turn in between.
enum HistoryPruning {
    /// Rows of one transaction.
    static let step = 500

    /// Everything that came before the first message of `cutoff` or later.
    static func byAge(_ cutoff: Int64, in database: Database) throws -> Int {
        let numbers = try rows(in: database).prefix { $0.time < cutoff }.map(\.number)
        return try removeUpTo(numbers.last, in: database)
    }

    /// As much as is needed to come down to `most` bytes.
    static func byBytes(_ most: Int, in database: Database) throws -> Int {
        var excess = try Int64.fetchOne(database.cachedStatement(sql: "SELECT sum(bytes) FROM topics")) ?? 0
        excess -= Int64(most)
        guard excess > 0 else { return 0 }
        var last: Int64?
        for row in try rows(in: database) where excess > 0 {
            excess -= row.bytes
            last = row.number
        }
        return try removeUpTo(last, in: database)
    }

    /// What one topic has too many. Gives 0 when no topic has.
    static func byCount(_ most: Int, in database: Database) throws -> Int {
        let find = try database.cachedStatement(sql: "SELECT number, count FROM topics WHERE count > ? LIMIT 1")
        guard let row = try Row.fetchOne(find, arguments: [most]) else { return 0 }
        let (topic, count): (Int64, Int) = (try row.decode(atIndex: 0), try row.decode(atIndex: 1))
        let last = try database.cachedStatement(
            sql: "SELECT max(offset) FROM (SELECT offset FROM log WHERE topic = ? ORDER BY offset LIMIT ?)")
        guard let offset = try Int64.fetchOne(last, arguments: [topic, min(count - most, step)]) else {
            // The books say more than there is: put right, so that this comes to an end.
            try database.execute(sql: "UPDATE topics SET count = 0, bytes = 0 WHERE number = ?", arguments: [topic])
            return 0
        }
        return try remove("topic = ? AND offset <= ?", [topic, offset], in: database)
    }

    /// Topics that are empty and were not used since before `cutoff`. The others are marked, so that the next time shows who was used.
    static func forgetTopics(now: Int64, cutoff: Int64, in database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM topics WHERE count = 0 AND idle_since < ?").execute(arguments: [cutoff])
        try database.cachedStatement(sql: "UPDATE topics SET idle_since = ? WHERE idle_since IS NULL").execute(arguments: [now])
    }

    /// Gives pages that hold nothing any more back to the disk, a few at a time.
    static func shrink(in database: Database) throws {
        // Each row of the answer is a page.
        _ = try Row.fetchAll(database, sql: "PRAGMA incremental_vacuum(2000)")
    }

    private static func rows(in database: Database) throws -> [(number: Int64, time: Int64, bytes: Int64)] {
        let statement = try database.cachedStatement(sql: "SELECT number, time, bytes FROM log ORDER BY number LIMIT \(step)")
        return try Row.fetchAll(statement).map {
            (try $0.decode(atIndex: 0), try $0.decode(atIndex: 1), try $0.decode(atIndex: 2))
        }
    }

    /// Numbers are given in the order messages come, and so are a topic's offsets: this takes the beginning of each topic.
    private static func removeUpTo(_ number: Int64?, in database: Database) throws -> Int {
        guard let number else { return 0 }
        return try remove("number <= ?", [number], in: database)
    }

    private static func remove(_ condition: String, _ arguments: StatementArguments, in database: Database) throws -> Int {
        let books = try Row.fetchAll(
            database.cachedStatement(
                sql: "SELECT topic, count(*), sum(bytes), max(offset) FROM log WHERE \(condition) GROUP BY topic"),
            arguments: arguments)
        let note = try database.cachedStatement(
            sql: "UPDATE topics SET count = count - ?, bytes = bytes - ?, first_offset = ? WHERE number = ?")
        for row in books {
            let (topic, count, bytes, offset): (Int64, Int64, Int64, Int64) = (
                try row.decode(atIndex: 0), try row.decode(atIndex: 1), try row.decode(atIndex: 2), try row.decode(atIndex: 3)
            )
            try note.execute(arguments: [count, bytes, offset &+ 1, topic])
        }
        try database.cachedStatement(sql: "DELETE FROM log WHERE \(condition)").execute(arguments: arguments)
        return database.changesCount
    }
}
