import NIOConcurrencyHelpers
import NIOCore

/// Turns to start a worker, as many as there are processors. To start is work: all of a host's workers at once are all late, one after
/// another the first is ready in the time that one takes.
///
/// A worker that a request waits for starts at once. It has a turn all the same: whom nobody waits for begins after it.
final class BootTurns: Sendable {
    private struct State {
        /// Below zero while more have begun unasked than there are turns.
        var free: Int
        var asking: CircularBuffer<@Sendable () -> Void> = []
    }

    private let state: NIOLockedValueBox<State>

    /// At least one, or nobody would ever start.
    init(_ turns: Int) { state = NIOLockedValueBox(State(free: max(1, turns))) }

    /// Calls `turn` once, now or later, on whichever thread has one to give. Whoever is called gives it back once.
    func ask(_ turn: @escaping @Sendable () -> Void) {
        let isFree = state.withLockedValue { state in
            guard state.free > 0 else {
                state.asking.append(turn)
                return false
            }
            state.free -= 1
            return true
        }
        if isFree { turn() }
    }

    /// A turn out of turn, to be given back once too.
    func take() { state.withLockedValue { $0.free -= 1 } }

    func giveBack() {
        let next: (@Sendable () -> Void)? = state.withLockedValue { state in
            state.free += 1
            guard state.free > 0, let next = state.asking.popFirst() else { return nil }
            state.free -= 1
            return next
        }
        next?()
    }
}
