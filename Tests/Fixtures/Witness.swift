import Synchronization

/// What fixtures did, for tests in the same process to wait for: events counted, and waiters woken when a count is reached.
package enum Witness {
    private struct State {
        var counts: [String: Int] = [:]
        var waiters: [(event: String, count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }
    private static let state = Mutex(State())

    package static func note(_ event: String) {
        let woken = state.withLock { state in
            state.counts[event, default: 0] += 1
            let count = state.counts[event, default: 0]
            let woken = state.waiters.filter { $0.event == event && $0.count <= count }
            state.waiters.removeAll { $0.event == event && $0.count <= count }
            return woken
        }
        for waiter in woken { waiter.continuation.resume() }
    }

    package static func count(_ event: String) -> Int { state.withLock { $0.counts[event, default: 0] } }

    /// Returns once `event` has happened `count` times since the process began.
    package static func wait(for event: String, count: Int) async {
        await withCheckedContinuation { continuation in
            let reached = state.withLock { state in
                if state.counts[event, default: 0] >= count { return true }
                state.waiters.append((event, count, continuation))
                return false
            }
            if reached { continuation.resume() }
        }
    }
}

/// Holds fixtures back until a test lets them go, by name.
package final class Gatekeeper: Sendable {
    package static let shared = Gatekeeper()
    private struct State {
        var open: Set<String> = []
        var waiting: [String: [CheckedContinuation<Void, Never>]] = [:]
    }
    private let state = Mutex(State())

    func waitIfAsked(_ name: String?) async throws {
        guard let name else { return }
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if state.open.contains(name) { return true }
                state.waiting[name, default: []].append(continuation)
                return false
            }
            if isOpen { continuation.resume() }
        }
    }

    package func open(_ name: String) {
        let waiting = state.withLock { state in
            state.open.insert(name)
            return state.waiting.removeValue(forKey: name) ?? []
        }
        for continuation in waiting { continuation.resume() }
    }
}
