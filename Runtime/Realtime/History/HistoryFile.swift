internal import GRDB
internal import Glibc
internal import Synchronization

/// The SQLite file: one connection that writes, two that read, and a lock that keeps other hosts out.
final class HistoryFile: Sendable {
    let path: String
    let writer: DatabaseQueue
    let readers: [DatabaseQueue]
    private let lock: Mutex<Int32>

    /// Which program a file is of: "Swlt".
    private static let application = 0x5377_6C74

    init(_ path: String) throws(HistoryError) {
        self.path = path
        let lock = try HistoryFile.claim(path)
        do {
            var configuration = Configuration()
            configuration.journalMode = .wal
            configuration.busyMode = .timeout(5)
            configuration.label = "history"
            let writer = try DatabaseQueue(path: path, configuration: configuration)
            try HistoryFile.inspect(writer, path)
            let migrator = HistorySchema.migrator
            if try writer.unsafeRead({ try migrator.hasBeenSuperseded($0) }) {
                throw HistoryError(
                    .newer,
                    "a newer version of the host wrote the history \(path): run that version, or give this one a file of its own")
            }
            try migrator.migrate(writer)
            try HistoryFile.begin(writer)
            configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            readers = try (0..<2).map { number in
                configuration.label = "history.reader\(number)"
                return try DatabaseQueue(path: path, configuration: configuration)
            }
            self.writer = writer
            self.lock = Mutex(lock)
        } catch {
            Glibc.close(lock)
            throw HistoryFailure.sqlite(error, path)
        }
    }

    deinit { unlock() }

    private func unlock() {
        lock.withLock { lock in
            if lock >= 0 { Glibc.close(lock) }
            lock = -1
        }
    }

    /// Makes the folder when there is none, and takes the lock. It goes with the process, however that ends.
    private static func claim(_ path: String) throws(HistoryError) -> Int32 {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw HistoryError(.failed, "the path of the history is empty or broken")
        }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            let folder = String(path[..<slash])
            if mkdir(folder, 0o700) != 0, errno != EEXIST { throw HistoryFailure.system("making the folder", folder, errno) }
        }
        let lock = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw HistoryFailure.system("opening", path + ".lock", errno) }
        var tries = 0
        while flock(lock, LOCK_EX | LOCK_NB) != 0 {
            let code = errno
            if code == EINTR { continue }
            // A process that is being started holds what its parent has just let go, until it becomes another program.
            if code == EWOULDBLOCK, tries < 50 {
                tries += 1
                usleep(10_000)
                continue
            }
            Glibc.close(lock)
            if code == EWOULDBLOCK {
                throw HistoryError(.busy, "another host uses the history \(path): give each a file of its own")
            }
            throw HistoryFailure.system("locking", path, code)
        }
        // Only this process's user may read what people write to each other; SQLite makes its other files as this one is.
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            let code = errno
            Glibc.close(lock)
            throw HistoryFailure.system("opening", path, code)
        }
        Glibc.close(file)
        return lock
    }

    /// Refuses what is somebody else's or broken. A large file is looked through only where it is used: that would take seconds.
    private static func inspect(_ writer: DatabaseQueue, _ path: String) throws {
        try writer.writeWithoutTransaction { database in
            let owner = try Int.fetchOne(database, sql: "PRAGMA application_id") ?? 0
            if owner != application {
                guard owner == 0, try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema") == 0 else {
                    throw HistoryError(
                        .damaged, "\(path) is a database of another program: give the host a file of its own",
                        cause: "id \(owner)")
                }
                try database.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL; VACUUM; PRAGMA application_id = \(application)")
            }
            try database.execute(sql: "PRAGMA journal_size_limit = 67108864")
            let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
            let size = try Int.fetchOne(database, sql: "PRAGMA page_size") ?? 4_096
            if pages.multipliedReportingOverflow(by: size).partialValue <= 64 << 20 {
                let found = try String.fetchOne(database, sql: "PRAGMA quick_check(1)")
                guard found == "ok" else { throw HistoryFailure.damaged(path, found) }
            }
        }
    }

    /// After a power cut the last messages may be missing though clients have seen them, and their offsets would be given out again. So
    /// when the kernel is another one than last time and nobody had closed the file, every topic begins a new epoch.
    private static func begin(_ writer: DatabaseQueue) throws {
        let boot = bootID()
        try writer.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA synchronous = FULL")
            try database.inTransaction(.immediate) {
                let open = try String.fetchOne(database, sql: "SELECT value FROM marks WHERE name = 'open'")
                if let open, open != boot {
                    let topics = try Int64.fetchAll(database, sql: "SELECT number FROM topics")
                    let change = try database.cachedStatement(sql: "UPDATE topics SET epoch = ? WHERE number = ?")
                    for topic in topics { try change.execute(arguments: [Epoch.random(), topic]) }
                }
                try database.execute(sql: "INSERT OR REPLACE INTO marks VALUES ('open', ?)", arguments: [boot])
                return .commit
            }
            try database.execute(sql: "PRAGMA synchronous = NORMAL")
        }
    }

    /// Which start of the kernel this is; unknown counts as another one each time.
    private static func bootID() -> String {
        let file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return Epoch.random() }
        defer { Glibc.close(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = bytes.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
        guard count >= 36 else { return Epoch.random() }
        return String(decoding: bytes.prefix(36), as: UTF8.self)
    }

    /// Writes everything into the main file and notes that it is whole. On the writer's own queue.
    func finish(_ database: Database) {
        do {
            try database.execute(sql: "PRAGMA synchronous = FULL")
            _ = try Row.fetchAll(database, sql: "PRAGMA wal_checkpoint(TRUNCATE)")
            try database.execute(sql: "DELETE FROM marks WHERE name = 'open'")
            _ = try Row.fetchAll(database, sql: "PRAGMA wal_checkpoint(TRUNCATE)")
        } catch {
            // A disk that fails here leaves the mark, and with it the caution at the next start: nothing is lost by it.
        }
    }

    /// Lets go of the file. Nobody uses it any more.
    func release() {
        for reader in readers { try? reader.close() }
        try? writer.close()
        unlock()
    }
}
