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

    // MARK: Written by the transfer thread

    func deliver(_ head: ResponseHead) {
        let waiter = state.withLock { state in
            state.head = .success(head)
            defer { state.headWaiter = nil }
            return state.headWaiter
        }
        waiter?.resume(returning: .success(head))
    }

    /// False when `limit` bytes wait already: nothing is taken, and the reader will ask for more.
    func append(_ bytes: UnsafeRawBufferPointer, limit: Int) -> Bool {
        enum Outcome {
            case full
            case kept
            case handed(CheckedContinuation<Result<[UInt8]?, EgressError>, Never>)
        }
        let outcome = state.withLock { state -> Outcome in
            if let waiter = state.pieceWaiter {
                state.pieceWaiter = nil
                return .handed(waiter)
            }
            guard state.buffered < limit else {
                state.isFull = true
                return .full
            }
            state.buffered += bytes.count
            state.pieces.append(Array(bytes))
            return .kept
        }
        switch outcome {
        case .full: return false
        case .kept: return true
        case .handed(let waiter):
            waiter.resume(returning: .success(Array(bytes)))
            return true
        }
    }

    func finish(_ result: Result<Void, EgressError>) {
        let (head, piece) = state.withLock { state in
            guard state.end == nil else {
                return (
                    nil as CheckedContinuation<Result<ResponseHead, EgressError>, Never>?,
                    nil as CheckedContinuation<Result<[UInt8]?, EgressError>, Never>?
                )
            }
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
            defer {
                state.headWaiter = nil
                state.pieceWaiter = nil
            }
            return (state.headWaiter, state.pieceWaiter)
        }
        if let head {
            switch result {
            case .success: head.resume(returning: .failure(EgressError(.protocolError)))
            case .failure(let error): head.resume(returning: .failure(error))
            }
        }
        piece?.resume(returning: result.map { nil })
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
                if let piece = ResponseChannel.take(&state, &mustResume) { return .success(piece) }
                if let end = state.end { return end.map { nil } }
                if state.pieceWaiter != nil { return .failure(EgressError(.invalidRequest)) }
                state.pieceWaiter = continuation
                return nil
            }
            if mustResume { resume() }
            if let ready { continuation.resume(returning: ready) }
        }
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
