internal import GRDB
internal import Synchronization

/// Logs in one SQLite file (write-ahead log, `synchronous = NORMAL`), and beside them the tables of messaging.
///
/// What `append` has returned for survives the end of the process in any manner (`kill -9`, a crash): the kernel has it. A power cut may
/// take back the last moments, never break the file; since their offsets would then be given out a second time, every topic begins a new
/// epoch after one. The same goes for a file that was lost or emptied. A file from a backup cannot be told from the one it replaces:
/// whoever restores one must expect clients that know of more.
package final class SQLiteHistory: HistoryStore {
    package let path: String
    /// Receipts, delivery, presence and unread counts, in the same file.
    package let tables: MessageTables

    let file: HistoryFile
    private let line: HistoryLine
    private let readers: HistoryReaders

    /// Opens the file, or makes it and its folder, for this process's user only. One host at a time: beside it stands a lock, `{path}.lock`.
    /// - Throws: The message names the file and says what to do. A damaged file is never replaced.
    package init(path: String) throws(HistoryError) {
        self.path = path
        file = try HistoryFile(path)
        line = HistoryLine(file)
        readers = HistoryReaders(file)
        tables = MessageTables(line, readers)
    }

    package func position(of topic: String, isPrivate: Bool) async throws -> TopicPosition {
        let key = HistoryLog.key(topic, isPrivate)
        return try await line.commit { try HistoryLog.position(of: key, in: $0) }
    }

    package func append(_ messages: [StoredMessage]) async throws {
        guard !messages.isEmpty else { return }
        try await line.commit { try HistoryLog.append(messages, in: $0) }
    }

    package func read(topic: String, isPrivate: Bool, after offset: UInt64, limit: Int) async throws -> [StoredMessage] {
        try await readers.ask { try HistoryLog.read(topic, isPrivate, after: offset, limit: limit, in: $0) }
    }

    package func read(
        topic: String, isPrivate: Bool, sinceMilliseconds since: Int64, limit: Int
    ) async throws -> [StoredMessage] {
        try await readers.ask { try HistoryLog.read(topic, isPrivate, since: since, limit: limit, in: $0) }
    }

    package func recentDedupKeys(
        topic: String, isPrivate: Bool, since: Int64
    ) async throws -> [(key: String, id: String, offset: UInt64)] {
        try await readers.ask { try HistoryLog.dedupKeys(topic, isPrivate, since: since, in: $0) }
    }

    package func prune(now: Int64, maxAge: Int64, maxPerTopic: Int, maxBytes: Int) async throws -> Int {
        let (difference, overflow) = now.subtractingReportingOverflow(maxAge)
        let cutoff = overflow ? Int64.min : difference
        var gone = 0
        for step: @Sendable (Database) throws -> Int in [
            { try HistoryPruning.byAge(cutoff, in: $0) },
            { try HistoryPruning.byCount(max(maxPerTopic, 0), in: $0) },
            { try HistoryPruning.byBytes(max(maxBytes, 0), in: $0) },
        ] {
            while true {
                let count = try await line.commit(step)
                if count == 0 { break }
                gone += count
            }
        }
        try await line.commit { database in
            try HistoryPruning.forgetTopics(now: now, cutoff: cutoff, in: database)
            try HistoryPruning.shrink(in: database)
        }
        return gone
    }

    package func close() async {
        readers.close()
        await readers.end()
        guard await line.close({ [file] in file.finish($0) }) else { return }
        file.release()
    }
}

/// Questions to the file, on the readers' own threads.
final class HistoryReaders: Sendable {
    private struct State {
        var waiting = 0
        var next = 0
        var isClosed = false
    }

    private let file: HistoryFile
    private let state = Mutex(State())

    init(_ file: HistoryFile) { self.file = file }

    func ask<Value: Sendable>(_ question: @escaping @Sendable (Database) throws -> Value) async throws(HistoryError) -> Value {
        let number = try state.withLock { state throws(HistoryError) -> Int in
            if state.isClosed { throw HistoryError.closed }
            guard state.waiting < HistoryBounds.waiting else { throw HistoryError.busy }
            state.waiting += 1
            state.next = (state.next + 1) % file.readers.count
            return state.next
        }
        defer { state.withLock { $0.waiting -= 1 } }
        let result = await withUnsafeContinuation { (continuation: UnsafeContinuation<Result<Value, HistoryError>, Never>) in
            // A transaction of its own, so that its statements see one state.
            file.readers[number].asyncRead { [path = file.path] database in
                do {
                    continuation.resume(returning: .success(try question(try database.get())))
                } catch {
                    continuation.resume(returning: .failure(HistoryFailure.sqlite(error, path)))
                }
            }
        }
        if case .failure = result, state.withLock({ $0.isClosed }) { throw HistoryError.closed }
        return try result.get()
    }

    func close() { state.withLock { $0.isClosed = true } }

    /// Waits until what was asked has been answered.
    func end() async {
        for reader in file.readers {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                reader.asyncRead { _ in continuation.resume() }
            }
        }
    }
}
