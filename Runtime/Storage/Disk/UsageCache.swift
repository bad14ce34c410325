internal import Synchronization

/// How much each owner stores, remembered for those asked about. Never wrong: what a commit touches is forgotten, and nothing is remembered
/// that was read while a commit was under way.
final class UsageCache: Sendable {
    private struct State {
        var bytes: [ByteText: Int] = [:]
        var committing = false
        var generation: UInt64 = 0
    }

    static let capacity = 16_384
    private let state = Mutex(State())

    func value(of owner: ByteText, read: () throws(StorageError) -> Int) throws(StorageError) -> Int {
        let (known, before) = state.withLock { ($0.bytes[owner], $0.generation) }
        if let known { return known }
        let bytes = try read()
        state.withLock { state in
            guard !state.committing, state.generation == before else { return }
            // Full: start anew, which costs each owner one small read.
            if state.bytes.count >= Self.capacity { state.bytes.removeAll(keepingCapacity: true) }
            state.bytes[owner] = bytes
        }
        return bytes
    }

    func beginCommit() { state.withLock { $0.committing = true } }

    func endCommit(touched: [ByteText]) {
        state.withLock { state in
            for owner in touched { state.bytes[owner] = nil }
            state.generation &+= 1
            state.committing = false
        }
    }
}
