import Synchronization

/// How many invocations of one function run at once, and who waits.
///
/// A permit that is given back goes straight to the longest waiter. The waiting room is bounded; whoever does not fit is refused at once.
package final class Gate: Sendable {
    private struct State {
        var running = 0
        var waiting: [(ticket: UInt64, enter: @Sendable () -> Void)] = []
        var nextTicket: UInt64 = 0
    }
    private let state = Mutex(State())
    package let limit: Int
    private let room: Int

    package init(limit: Int, room: Int = 1024) {
        self.limit = max(1, limit)
        self.room = room
    }

    package enum Entry: Sendable {
        case entered
        /// `enter` will be called, from the thread of whoever leaves, unless the ticket is given up first.
        case waiting(ticket: UInt64)
        case full
    }

    package func enter(orWait enter: @autoclosure () -> @Sendable () -> Void) -> Entry {
        state.withLock { state in
            if state.running < limit {
                state.running += 1
                return .entered
            }
            guard state.waiting.count < room else { return .full }
            state.nextTicket &+= 1
            state.waiting.append((state.nextTicket, enter()))
            return .waiting(ticket: state.nextTicket)
        }
    }

    /// True when the waiter was still waiting; false when it has been let in meanwhile.
    package func giveUp(_ ticket: UInt64) -> Bool {
        state.withLock { state in
            guard let index = state.waiting.firstIndex(where: { $0.ticket == ticket }) else { return false }
            state.waiting.remove(at: index)
            return true
        }
    }

    package func leave() {
        let next = state.withLock { state -> (@Sendable () -> Void)? in
            guard !state.waiting.isEmpty else {
                state.running -= 1
                return nil
            }
            return state.waiting.removeFirst().enter
        }
        next?()
    }

    package var running: Int { state.withLock { $0.running } }
}
