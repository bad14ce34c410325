internal import GRDB
internal import Synchronization

/// What one change to the catalogue did.
struct Change: Sendable {
    var objects: [ObjectInfo] = []
    /// Versions whose content nobody names any more.
    var freed: [String] = []
    /// Staged files nobody names any more.
    var dropped: [String] = []
    /// Owners whose usage is another now.
    var touched: [String] = []
}

/// Changes wait here in line, and those that wait together are made in one transaction: with fifty uploads ending at once, the disk is asked
/// to write through a few times and not fifty.
final class CommitLine: Sendable {
    private final class Work: Sendable {
        /// A staged file that becomes content before the change is made, and is removed when it is not.
        let publish: String?
        /// When the change is not made, the file goes back to where it was instead.
        let keep: Bool
        let change: @Sendable (Database) throws -> Change
        let continuation: UnsafeContinuation<Result<Change, StorageError>, Never>

        init(
            publish: String?, keep: Bool, change: @escaping @Sendable (Database) throws -> Change,
            continuation: UnsafeContinuation<Result<Change, StorageError>, Never>
        ) {
            self.publish = publish
            self.keep = keep
            self.change = change
            self.continuation = continuation
        }
    }

    private struct State {
        var waiting: [Work] = []
        var running = false
    }

    private static let most = 64

    private let folder: DiskFolder
    private let catalogue: Catalogue
    private let usage: UsageCache
    /// One thread: SQLite writes one transaction at a time.
    private let thread: DiskThreads
    /// For clearing away files afterwards, which the next change need not wait for.
    private let helpers: DiskThreads
    private let capacity: Int
    private let state = Mutex(State())

    init(_ folder: DiskFolder, _ catalogue: Catalogue, _ usage: UsageCache, helpers: DiskThreads, capacity: Int)
        throws(StorageError)
    {
        self.folder = folder
        self.catalogue = catalogue
        self.usage = usage
        self.helpers = helpers
        self.capacity = capacity
        thread = try DiskThreads(count: 1, capacity: 16)
    }

    /// Publishes a file, if one is named, and makes the change: both are on the disk for good when this returns, and neither is after an error.
    /// `change` may be run twice, and must do nothing but to the catalogue.
    func commit(
        publish: String? = nil, keep: Bool = false, _ change: @escaping @Sendable (Database) throws -> Change
    ) async throws(StorageError) -> Change {
        let result: Result<Change, StorageError> = await withUnsafeContinuation { continuation in
            let work = Work(publish: publish, keep: keep, change: change, continuation: continuation)
            let (accepted, start) = state.withLock { state -> (Bool, Bool) in
                guard state.waiting.count < capacity else { return (false, false) }
                state.waiting.append(work)
                defer { state.running = true }
                return (true, !state.running)
            }
            if !accepted {
                settle(work, .failure(DiskFailure.busy))
            } else if start, !thread.submit(always: true, { self.drain() }) {
                let left = state.withLock { state in
                    defer { state.waiting = [] }
                    state.running = false
                    return state.waiting
                }
                for work in left { settle(work, .failure(DiskFailure.closed)) }
            }
        }
        return try result.get()
    }

    /// What waits is still done.
    func stop() { thread.stop() }

    private func drain() {
        while true {
            let batch = state.withLock { state -> [Work] in
                let batch = Array(state.waiting.prefix(Self.most))
                state.waiting.removeFirst(batch.count)
                if batch.isEmpty { state.running = false }
                return batch
            }
            if batch.isEmpty { return }
            perform(batch)
        }
    }

    private func perform(_ batch: [Work]) {
        var outcomes: [StorageError?] = batch.map { work in
            guard let version = work.publish else { return nil }
            do throws(StorageError) {
                try folder.publish(version)
                return nil
            } catch {
                return error
            }
        }
        let leaves = Set(
            zip(batch, outcomes).compactMap { work, failure in failure == nil ? work.publish.map(DiskFolder.leaf) : nil })
        var broken: [String: StorageError] = [:]
        for leaf in leaves {
            do throws(StorageError) { try folder.syncFolder(leaf) } catch { broken[leaf] = error }
        }
        for (index, work) in batch.enumerated() where outcomes[index] == nil {
            if let version = work.publish { outcomes[index] = broken[DiskFolder.leaf(of: version)] }
        }
        let ready = zip(batch, outcomes).compactMap { $1 == nil ? $0 : nil }
        for (work, failure) in zip(batch, outcomes) {
            if let failure { settle(work, .failure(failure)) }
        }
        if ready.isEmpty { return }
        let results = transact(ready)
        for (work, result) in zip(ready, results) { settle(work, result) }
    }

    /// All in one transaction; when that cannot be, each in one of its own, so that one does not take the others down.
    private func transact(_ works: [Work]) -> [Result<Change, StorageError>] {
        usage.beginCommit()
        var touched: [ByteText] = []
        defer { usage.endCommit(touched: touched) }
        do throws(StorageError) {
            let results = try catalogue.change { database -> [Result<Change, StorageError>] in
                if works.count == 1, let work = works.first { return [.success(try work.change(database))] }
                return try works.map { work -> Result<Change, StorageError> in
                    do {
                        var change = Change()
                        try database.inSavepoint {
                            change = try work.change(database)
                            return .commit
                        }
                        return .success(change)
                    } catch let refusal as StorageError {
                        // Its savepoint is rolled back; the others go on. What SQLite itself throws ends the whole transaction.
                        return .failure(refusal)
                    }
                }
            }
            for case .success(let change) in results { touched += change.touched.map { ByteText($0) } }
            return results
        } catch {
            guard works.count > 1 else { return [.failure(error)] }
            return works.map { work in
                do throws(StorageError) {
                    let change = try catalogue.change { try work.change($0) }
                    touched += change.touched.map { ByteText($0) }
                    return .success(change)
                } catch {
                    return .failure(error)
                }
            }
        }
    }

    /// Clears away what nobody names any more, then lets the caller go on.
    private func settle(_ work: Work, _ result: Result<Change, StorageError>) {
        var content: [String] = []
        var staged: [String] = []
        switch result {
        case .success(let change): (content, staged) = (change.freed, change.dropped)
        case .failure:
            if let version = work.publish, !work.keep || !folder.takeBack(version) { (content, staged) = ([version], [version]) }
        }
        let continuation = work.continuation
        guard !content.isEmpty || !staged.isEmpty else { return continuation.resume(returning: result) }
        let clear: DiskThreads.Job = { [folder, content, staged] in
            for version in content { folder.removeContent(version) }
            for version in staged { folder.removeStaged(version) }
            continuation.resume(returning: result)
        }
        if !helpers.submit(always: true, clear) { clear() }
    }
}
