internal import GRDB

/// What the objects are called: SQLite, one connection that writes and two that read.
///
/// Nothing here knows of files. The quick reader answers single questions in microseconds; the browsing one may take its time over a
/// listing without anybody waiting for it.
final class Catalogue: Sendable {
    private let folder: DiskFolder
    private let writer: DatabaseQueue
    private let quick: DatabaseQueue
    private let browser: DatabaseQueue

    init(_ folder: DiskFolder) throws(StorageError) {
        self.folder = folder
        let path = folder.path + "/catalogue.sqlite"
        do {
            var configuration = Configuration()
            configuration.journalMode = .wal
            configuration.busyMode = .timeout(5)
            configuration.label = "catalogue"
            writer = try DatabaseQueue(path: path, configuration: configuration)
            try writer.writeWithoutTransaction { database in
                // GRDB is content with less in WAL mode: a commit that a power cut takes back. An upload was promised by then.
                try database.execute(sql: "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216")
            }
            let migrator = Self.migrator
            if try writer.unsafeRead({ try migrator.hasBeenSuperseded($0) }) {
                throw StorageError(
                    .internalError,
                    "the storage folder \(folder.path) was used by a newer version of the host: run that version, or give this one a folder "
                        + "of its own")
            }
            try migrator.migrate(writer)
            configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            configuration.label = "catalogue.quick"
            quick = try DatabaseQueue(path: path, configuration: configuration)
            configuration.label = "catalogue.browser"
            browser = try DatabaseQueue(path: path, configuration: configuration)
        } catch let error as StorageError {
            throw error
        } catch {
            let found = DiskFailure.catalogue(error, folder)
            throw StorageError(
                found.code,
                "the catalogue in the storage folder \(folder.path) cannot be opened (\(error)): "
                    + (found.code == .storageFull
                        ? "free some space on its disk" : "restore it from a backup, or give the host another folder"),
                cause: found.cause)
        }
    }

    // MARK: Reading

    /// Single questions, on any thread.
    func ask<Value>(_ question: (Database) throws -> Value) throws(StorageError) -> Value {
        do { return try quick.unsafeRead(question) } catch { throw DiskFailure.catalogue(error, folder) }
    }

    /// Long questions.
    func browse<Value>(_ question: (Database) throws -> Value) throws(StorageError) -> Value {
        // In one transaction, so that its many small questions see one state.
        do { return try browser.read(question) } catch { throw DiskFailure.catalogue(error, folder) }
    }

    // MARK: Writing

    /// One transaction; whatever `work` throws takes all of it back. Called by one thread at a time.
    func change<Value>(_ work: (Database) throws -> Value) throws(StorageError) -> Value {
        do {
            var value: Value?
            try writer.inTransaction(.immediate) { database in
                value = try work(database)
                if let code = folder.wanted(.commit) { throw DiskFailure.system("commit", code) }
                return .commit
            }
            guard let value else { throw StorageError(.internalError, "The storage could not do this", cause: "no value") }
            return value
        } catch {
            throw DiskFailure.catalogue(error, folder)
        }
    }

    /// Writes everything into the main file and lets go of it.
    func close() {
        try? browser.close()
        try? quick.close()
        _ = try? writer.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
        try? writer.close()
    }

    // MARK: Schema

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("objects, usage, spent tokens, resumable uploads") { database in
            try database.execute(
                sql: """
                    CREATE TABLE objects (
                        number INTEGER PRIMARY KEY,
                        bucket TEXT NOT NULL, folder TEXT NOT NULL, name TEXT NOT NULL,
                        id TEXT NOT NULL, version TEXT NOT NULL UNIQUE,
                        owner TEXT, size INTEGER NOT NULL CHECK (size >= 0), content_type TEXT NOT NULL, cache_control TEXT,
                        created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, metadata TEXT, display_name TEXT,
                        UNIQUE (bucket, folder, name)
                    ) STRICT;
                    CREATE INDEX objects_of_owner ON objects (owner, bucket, folder, name) WHERE owner IS NOT NULL;

                    CREATE TABLE usage (owner TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
                    CREATE TRIGGER object_made AFTER INSERT ON objects WHEN new.owner IS NOT NULL BEGIN
                        INSERT INTO usage VALUES (new.owner, new.size) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
                    END;
                    CREATE TRIGGER object_gone AFTER DELETE ON objects WHEN old.owner IS NOT NULL BEGIN
                        UPDATE usage SET bytes = bytes - old.size WHERE owner = old.owner;
                        DELETE FROM usage WHERE owner = old.owner AND bytes <= 0;
                    END;

                    CREATE TABLE spent (id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
                    CREATE INDEX spent_by_expiry ON spent (expires_at);

                    CREATE TABLE resumables (
                        id TEXT PRIMARY KEY, version TEXT NOT NULL UNIQUE,
                        bucket TEXT NOT NULL, key TEXT NOT NULL, owner TEXT, content_type TEXT NOT NULL, cache_control TEXT,
                        metadata TEXT, display_name TEXT, max_bytes INTEGER NOT NULL, exact_bytes INTEGER, sha256 TEXT,
                        upsert INTEGER NOT NULL, one_shot TEXT UNIQUE, one_shot_expires INTEGER,
                        length INTEGER NOT NULL, received INTEGER NOT NULL, expires_at INTEGER NOT NULL
                    ) STRICT;
                    CREATE INDEX resumables_by_expiry ON resumables (expires_at);
                    CREATE INDEX resumables_by_owner ON resumables (owner) WHERE owner IS NOT NULL;
                    """)
        }
        return migrator
    }
}
