/// Hands a streamed request body from the task that makes it to the transfer thread, one piece at a time.
final class UploadPipe: Sendable {
    enum Reading {
        case bytes(Int)
        case end
        /// Nothing there yet; `wake` will be called.
        case wait
        case failed
    }

    private struct State {
        var piece: [UInt8] = []
        var offset = 0
        var total = 0
        var isEnded = false
        var hasFailed = false
        var isClosed = false
        var readerWaits = false
        var writer: CheckedContinuation<Bool, Never>?
    }

    private let state = Guarded(State())
    private let length: Int?
    private let wake: @Sendable () -> Void

    init(length: Int?, wake: @escaping @Sendable () -> Void) {
        self.length = length
        self.wake = wake
    }

    /// Pulls the source until it ends, fails, or nobody reads any more.
    func pump(_ next: @Sendable () async throws -> [UInt8]?) async {
        do {
            while let piece = try await next() {
                if piece.isEmpty { continue }
                guard await offer(piece) else { return }
            }
            end(failed: false)
        } catch {
            end(failed: true)
        }
    }

    /// Called by the transfer thread.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Reading {
        let (reading, writer) = state.withLock { state -> (Reading, CheckedContinuation<Bool, Never>?) in
            if state.hasFailed { return (.failed, nil) }
            let left = state.piece.count - state.offset
            guard left > 0 else {
                if state.isEnded { return (length.map { $0 == state.total } ?? true ? .end : .failed, nil) }
                state.readerWaits = true
                return (.wait, nil)
            }
            let count = min(left, buffer.count)
            if let length, state.total + count > length { return (.failed, nil) }
            state.piece.withUnsafeBytes { source in
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[state.offset..<(state.offset + count)]))
            }
            state.offset += count
            state.total += count
            guard state.offset == state.piece.count else { return (.bytes(count), nil) }
            state.piece = []
            state.offset = 0
            defer { state.writer = nil }
            return (.bytes(count), state.writer)
        }
        writer?.resume(returning: true)
        return reading
    }

    /// Nobody reads any more.
    func close() {
        let writer = state.withLock { state in
            state.isClosed = true
            state.piece = []
            state.offset = 0
            defer { state.writer = nil }
            return state.writer
        }
        writer?.resume(returning: false)
    }

    private func offer(_ piece: [UInt8]) async -> Bool {
        await withCheckedContinuation { continuation in
            let (isClosed, mustWake) = state.withLock { state in
                guard !state.isClosed else { return (true, false) }
                state.piece = piece
                state.offset = 0
                state.writer = continuation
                defer { state.readerWaits = false }
                return (false, state.readerWaits)
            }
            if isClosed { continuation.resume(returning: false) }
            if mustWake { wake() }
        }
    }

    private func end(failed: Bool) {
        let mustWake = state.withLock { state in
            if failed { state.hasFailed = true } else { state.isEnded = true }
            defer { state.readerWaits = false }
            return state.readerWaits
        }
        if mustWake { wake() }
    }
}
