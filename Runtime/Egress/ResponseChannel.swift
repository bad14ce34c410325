/// Where the transfer thread and the task that reads meet: one head, then a bounded queue of raw body pieces.
final class ResponseChannel: Sendable {
    private struct State {
        var head: Result<ResponseHead, EgressError>?
        var headWaiter: CheckedContinuation<Result<ResponseHead, EgressError>, Never>?
        var pieces: [[UInt8]] = []
        var taken = 0
        var buffered = 0
        var isFull = false
        var end: Result<Void, EgressError>?
        var pieceWaiter: CheckedContinuation<Result<[UInt8]?, EgressError>, Never>?
    }

    private let state = Guarded(State())

    // MARK: Written by the transfer thread, which wakes the reader when it has written all there is

    func deliver(_ head: ResponseHead) { state.withLock { $0.head = .success(head) } }

    /// False when `limit` bytes wait already: nothing is taken, and the reader will ask for more.
    func append(_ bytes: UnsafeRawBufferPointer, limit: Int) -> Bool {
        state.withLock { state in
            guard state.buffered < limit else {
                state.isFull = true
                return false
            }
            state.buffered += bytes.count
            state.pieces.append(Array(bytes))
            return true
        }
    }

    func finish(_ result: Result<Void, EgressError>) {
        state.withLock { state in
            guard state.end == nil else { return }
            state.end = result
            if case .failure(let error) = result {
                if state.head == nil { state.head = .failure(error) }
                // What a cancelled body still holds is of no use to anyone; what came before a break is the reader's.
                if error.code == .cancelled {
                    state.pieces = []
                    state.taken = 0
                    state.buffered = 0
                }
            } else if state.head == nil {
                state.head = .failure(EgressError(.protocolError))
            }
        }
    }

    /// Hands what is there to whoever waits for it.
    func wake(resume: () -> Void) {
        var mustResume = false
        let (head, piece) = state.withLock { state in
            var headWake: (CheckedContinuation<Result<ResponseHead, EgressError>, Never>, Result<ResponseHead, EgressError>)?
            var pieceWake: (CheckedContinuation<Result<[UInt8]?, EgressError>, Never>, Result<[UInt8]?, EgressError>)?
            if let waiter = state.headWaiter, let head = state.head {
                state.headWaiter = nil
                headWake = (waiter, head)
            }
            if let waiter = state.pieceWaiter, let next = ResponseChannel.next(&state, &mustResume) {
                state.pieceWaiter = nil
                pieceWake = (waiter, next)
            }
            return (headWake, pieceWake)
        }
        if mustResume { resume() }
        if let (waiter, head) = head { waiter.resume(returning: head) }
        if let (waiter, piece) = piece { waiter.resume(returning: piece) }
    }

    // MARK: Read by one task

    var isEnded: Bool { state.withLock { $0.end != nil } }

    func head() async -> Result<ResponseHead, EgressError> {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state -> Result<ResponseHead, EgressError>? in
                if let head = state.head { return head }
                state.headWaiter = continuation
                return nil
            }
            if let ready { continuation.resume(returning: ready) }
        }
    }

    /// The next raw piece, nil at the end. `resume` is called when a stopped transfer may go on. One reader at a time.
    func next(resume: () -> Void) async -> Result<[UInt8]?, EgressError> {
        await withCheckedContinuation { continuation in
            var mustResume = false
            let ready = state.withLock { state -> Result<[UInt8]?, EgressError>? in
                if let next = ResponseChannel.next(&state, &mustResume) { return next }
                if state.pieceWaiter != nil { return .failure(EgressError(.invalidRequest)) }
                state.pieceWaiter = continuation
                return nil
            }
            if mustResume { resume() }
            if let ready { continuation.resume(returning: ready) }
        }
    }

    /// A piece, or the end; `nil` while there is neither.
    private static func next(_ state: inout State, _ mustResume: inout Bool) -> Result<[UInt8]?, EgressError>? {
        if let piece = take(&state, &mustResume) { return .success(piece) }
        return state.end?.map { nil }
    }

    private static func take(_ state: inout State, _ mustResume: inout Bool) -> [UInt8]? {
        guard state.taken < state.pieces.count else { return nil }
        let piece = state.pieces[state.taken]
        state.pieces[state.taken] = []
        state.taken += 1
        state.buffered -= piece.count
        if state.taken == state.pieces.count {
            state.pieces.removeAll(keepingCapacity: true)
            state.taken = 0
            // Refilling from empty keeps the stops few.
            mustResume = state.isFull
            state.isFull = false
        }
        return piece
    }
}
