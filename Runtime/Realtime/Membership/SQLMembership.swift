import GRDB
package import Swiftlet
import Synchronization

/// Membership as a query on a SQLite file says, which is only read: a SELECT with the parameters `:user` and `:conversation` whose rows
/// have `can_read` and `can_write` (0 or 1). No row is no membership; of several rows each adds what it allows.
package final class SQLMembership: MembershipHook {
    /// Questions that wait or run at once.
    private static let room = 128
    private static let mostRows = 100

    private let path: String
    private let query: String
    private let deadline: Duration
    private let database: Mutex<DatabaseQueue>
    private let asking = Atomic<Int>(0)

    /// Opens the file and judges the query.
    ///
    /// - Parameter deadline: of one question, waiting included.
    package init(path: String, query: String, deadline: Duration = .seconds(1)) throws(MembershipProblem) {
        self.path = path
        self.query = query
        self.deadline = deadline
        database = Mutex(try SQLMembership.open(path, query))
    }

    package var isCostly: Bool { true }

    /// A file that was replaced is another file: it is opened again.
    package func reload() throws(MembershipProblem) {
        let fresh = try SQLMembership.open(path, query)
        let old = database.withLock { database in
            defer { database = fresh }
            return database
        }
        try? old.close()
    }

    package func close() { try? database.withLock { $0 }.close() }

    package func permissions(of member: Member, in channel: String) async throws -> ChannelPermissions {
        guard let user = member.subject, case .conversation(let conversation) = ChannelName(channel) else { return [] }
        guard asking.wrappingAdd(1, ordering: .relaxed).newValue <= SQLMembership.room else {
            asking.wrappingSubtract(1, ordering: .relaxed)
            throw MembershipProblem(.busy, "more than \(SQLMembership.room) questions at once for \(path)")
        }
        defer { asking.wrappingSubtract(1, ordering: .relaxed) }
        let (database, query, deadline) = (database.withLock { $0 }, query, deadline)
        // A cancelled question is interrupted in the middle of its query.
        return try await withThrowingTaskGroup(of: ChannelPermissions?.self) { group in
            group.addTask {
                do {
                    return try await database.read {
                        try SQLMembership.ask($0, query, ["user": user, "conversation": conversation])
                    }
                } catch let error as DatabaseError {
                    throw MembershipProblem(
                        .databaseFailed, "SQLite \(error.extendedResultCode.rawValue): \(error.message ?? "")")
                }
            }
            group.addTask {
                try await Task.sleep(for: deadline)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let permissions = first else {
                throw MembershipProblem(.timedOut, "the query on \(path) took longer than \(deadline)")
            }
            return permissions
        }
    }

    private static func ask(_ database: Database, _ query: String, _ arguments: StatementArguments) throws -> ChannelPermissions {
        let rows = try Row.fetchCursor(try database.cachedStatement(sql: query), arguments: arguments)
        var permissions: ChannelPermissions = []
        var count = 0
        while count < mostRows, let row = try rows.next() {
            if try flag(row, "can_read") { permissions.formUnion(.read) }
            if try flag(row, "can_write") { permissions.formUnion([.broadcastWrite, .presenceWrite]) }
            count += 1
        }
        return permissions
    }

    private static func flag(_ row: Row, _ column: String) throws -> Bool {
        switch (row[column] as DatabaseValue).storage {
        case .null: return false
        case .int64(let number): return number != 0
        default: throw MembershipProblem(.unexpectedAnswer, "\(column) is neither 0 nor 1")
        }
    }

    private static func open(_ path: String, _ query: String) throws(MembershipProblem) -> DatabaseQueue {
        func problem(_ what: String) -> MembershipProblem { MembershipProblem(.unusable, what) }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(0.5)
        configuration.label = "membership"
        let queue: DatabaseQueue
        do { queue = try DatabaseQueue(path: path, configuration: configuration) } catch {
            throw problem("\(path) cannot be opened as a SQLite file: \(reason(error))")
        }
        do {
            try queue.read { database in
                let statement = try database.makeStatement(sql: query)
                guard statement.isReadonly else { throw problem("the query changes data; it has to be one SELECT") }
                let columns = Set(statement.columnNames.map { $0.lowercased() })
                guard columns.isSuperset(of: ["can_read", "can_write"]) else {
                    throw problem("the query's columns lack can_read and can_write; name them with AS")
                }
                guard (try? statement.validateArguments(["user": "", "conversation": ""])) != nil else {
                    throw problem("the query has other parameters than :user and :conversation")
                }
                for (given, missing) in [("conversation", "user"), ("user", "conversation")]
                where (try? statement.validateArguments([given: ""])) != nil {
                    throw problem("the query does not use :\(missing), so it would say the same for each")
                }
            }
        } catch let error as MembershipProblem {
            try? queue.close()
            throw error
        } catch {
            try? queue.close()
            throw problem("the query cannot be used on \(path): \(reason(error))")
        }
        return queue
    }

    private static func reason(_ error: any Error) -> String { (error as? DatabaseError)?.message ?? "\(error)" }
}
