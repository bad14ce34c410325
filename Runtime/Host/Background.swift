import Synchronization

/// Counts work that goes on after answers, so that stopping can wait for it.
final class Background: Sendable {
    private struct State {
        var count = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    var count: Int { state.withLock { $0.count } }

    func add(_ change: Int) {
        let done = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.count += change
            guard state.count <= 0 else { return [] }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in done { waiter.resume() }
    }

    /// Returns when nothing is left, or after `limit`.
    func wait(atMost limit: Duration) async {
        await withTaskGroup { group in
            group.addTask { await self.waitUntilDone() }
            group.addTask { try? await Task.sleep(for: limit) }
            await group.next()
            // Whoever still waits is let go: the limit is over.
            self.release()
            group.cancelAll()
        }
    }

    private func waitUntilDone() async {
        await withCheckedContinuation { continuation in
            let done = state.withLock { state in
                if state.count <= 0 { return true }
                state.waiters.append(continuation)
                return false
            }
            if done { continuation.resume() }
        }
    }

    private func release() {
        let waiters = state.withLock { state in
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
