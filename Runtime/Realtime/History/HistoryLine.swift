internal import GRDB
internal import Synchronization

/// Changes to the file wait here in line, and those that wait together are made in one transaction.
///
/// Nobody's thread waits for the disk but the writer's own.
final class HistoryLine: Sendable {
    private final class Work: Sendable {
        let change: @Sendable (Database) throws -> Void
        let continuation: UnsafeContinuation<HistoryError?, Never>

        init(_ change: @escaping @Sendable (Database) throws -> Void, _ continuation: UnsafeContinuation<HistoryError?, Never>) {
            self.change = change
            self.continuation = continuation
        }
    }

    private struct State {
        var waiting: [Work] = []
        var isRunning = false
        var isClosed = false
    }

    private static let most = 256

    private let file: HistoryFile
    private let state = Mutex(State())

    init(_ file: HistoryFile) { self.file = file }

    /// Makes the change, all of it or none. `change` may be run twice, and must do nothing but to the database.
    func commit<Value: Sendable>(_ change: @escaping @Sendable (Database) throws -> Value) async throws(HistoryError) -> Value {
        // Written by the writer before the continuation goes on, read after it.
        let box = Box<Value>()
        let failure = await withUnsafeContinuation { (continuation: UnsafeContinuation<HistoryError?, Never>) in
            let work = Work(
                { database in
                    let value = try change(database)
                    box.value.withLock { $0 = value }
                }, continuation)
            let (refusal, starts) = state.withLock { state -> (HistoryError?, Bool) in
                if state.isClosed { return (.closed, false) }
                guard state.waiting.count < HistoryBounds.waiting else { return (.busy, false) }
                state.waiting.append(work)
                defer { state.isRunning = true }
                return (nil, !state.isRunning)
            }
            if let refusal { return continuation.resume(returning: refusal) }
            if starts { file.writer.asyncWriteWithoutTransaction { self.drain($0) } }
        }
        if let failure { throw failure }
        guard let value = box.value.withLock({ $0 }) else { throw HistoryError(.failed, "the history \(file.path) failed") }
        return value
    }

    private final class Box<Value: Sendable>: Sendable {
        let value = Mutex<Value?>(nil)
    }

    /// What waits is still done, then `last`, on the writer's own queue. False when it was closed before.
    func close(_ last: @escaping @Sendable (Database) -> Void) async -> Bool {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard isFirst else { return false }
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            file.writer.asyncWriteWithoutTransaction { database in
                last(database)
                continuation.resume()
            }
        }
        return true
    }

    private func drain(_ database: Database) {
        while true {
            let batch = state.withLock { state -> [Work] in
                let batch = Array(state.waiting.prefix(Self.most))
                state.waiting.removeFirst(batch.count)
                if batch.isEmpty { state.isRunning = false }
                return batch
            }
            if batch.isEmpty { return }
            let failures = transact(batch, database)
            for (work, failure) in zip(batch, failures) { work.continuation.resume(returning: failure) }
        }
    }

    /// All in one transaction; when that cannot be, each in one of its own, so that one does not take the others down.
    private func transact(_ works: [Work], _ database: Database) -> [HistoryError?] {
        do {
            var refusals = [HistoryError?](repeating: nil, count: works.count)
            try database.inTransaction(.immediate) {
                if works.count == 1, let work = works.first {
                    try work.change(database)
                    return .commit
                }
                for (index, work) in works.enumerated() {
                    do {
                        try database.inSavepoint {
                            try work.change(database)
                            return .commit
                        }
                    } catch let refusal as HistoryError {
                        // Its savepoint is rolled back; the others go on. What SQLite itself throws ends the whole transaction.
                        refusals[index] = refusal
                    }
                }
                return .commit
            }
            return refusals
        } catch {
            let failure = HistoryFailure.sqlite(error, file.path)
            guard works.count > 1 else { return [failure] }
            // Each would wait as long as all of them have.
            if failure.code == .busy { return works.map { _ in failure } }
            return works.map { work in
                do {
                    try database.inTransaction(.immediate) {
                        try work.change(database)
                        return .commit
                    }
                    return nil
                } catch {
                    return HistoryFailure.sqlite(error, file.path)
                }
            }
        }
    }
}
