import Glibc
import NIOCore
import Swiftlet

/// How a worker ends: asked to, told to, or by itself.
extension Worker {
    /// Takes no more requests, finishes those it has, saves, and ends.
    func retire(_ reason: UnloadReason, as end: WorkerEnd, because: String? = nil, grace: Duration? = nil) {
        let limit = UInt64(clamping: (grace ?? pool.settings.grace).clampedNanoseconds)
        let until = pool.site.clock.monotonic() &+ limit
        switch state {
        case .booting:
            return condemn(end)
        case .retiring(let first, let before):
            state = .retiring(as: first, until: min(before, until))
            return
        case .ending, .ended: return
        case .ready: break
        }
        state = .retiring(as: end, until: until)
        if let because { pool.site.report(.retiring(reason: because, executionID: executionID)) }
        write(.drain, 0) {
            $0.put(UInt8(UnloadReason.allCases.firstIndex(of: reason) ?? 0))
            $0.put(limit)
        }
        pool.retiring(self)
    }

    /// Ends it now, with everything it runs.
    func condemn(_ end: WorkerEnd) {
        switch state {
        case .ending, .ended: return
        default: break
        }
        state = .ending(end)
        launched.kill()
        channel?.close(promise: nil)
        reapSoon()
    }

    /// The socket is closed, or the process is gone.
    func hungUp() {
        switch state {
        case .ending, .ended: return
        case .retiring(let end, _): leaving = end
        default: break
        }
        state = .ending(nil)
        channel?.close(promise: nil)
        reapSoon()
    }

    /// A process is gone a moment after its socket: it is asked for a while, then ended.
    func reapSoon() {
        guard case .ending(let condemned) = state else { return }
        reapings += 1
        if let exit = launched.reap() {
            // Its last words may still be on their way; somebody else may hold the pipes open.
            if pipes.allSatisfy(\.isClosed) || reapings > 50 { return bury(condemned ?? named(exit)) }
        }
        if reapings == 100 { launched.kill() }
        if reapings >= 5000 { return bury(condemned ?? .hungUp) }
        loop.scheduleTask(in: .milliseconds(1)) { self.reapSoon() }
    }

    func named(_ exit: WorkerExit) -> WorkerEnd {
        switch exit {
        // It was we who ended it, because it had closed its socket and lived on. A slow end of its own keeps its name.
        case .signalled(SIGKILL, _) where reapings > 100: return .hungUp
        case .exited(0) where leaving != nil: return leaving ?? .asked
        case .exited(let code): return wasReady ? .exit(code) : .bootFailure("exit \(code)")
        case .signalled(_, let name): return wasReady ? .signal(name) : .bootFailure("signal \(name)")
        }
    }

    func bury(_ end: WorkerEnd) {
        if case .ended = state { return }
        state = .ended
        let begun = launched.begun
        let running = launched.running
        let all = dispatches.values.sorted { $0.stream < $1.stream }
        dispatches.removeAll()
        // A retired worker that ends in order has nothing in flight; whoever is here lost it.
        var innocent: [Dispatch] = []
        var lost: [Dispatch] = []
        for dispatch in all {
            dispatch.worker = nil
            let isUntouched = !dispatch.isBegun && UInt64(dispatch.stream) > begun && begun <= UInt64(last)
            if isUntouched, dispatch.attempts < 3, !dispatch.isCancelled {
                innocent.append(dispatch)
            } else {
                lost.append(dispatch)
            }
        }
        let suspect = all.first { UInt64($0.stream) == running } ?? (lost.count == 1 ? lost.first : nil)
        for dispatch in lost { dispatch.finish { $0.broken(end.answer) } }
        for pipe in pipes { pipe.close() }
        launched.close()
        for piece in background { piece.reply.background(-1) }
        background = []
        // One that crashes while it finishes did not end as it was asked to.
        let asAsked = end == leaving
        pool.site.report(
            .ended(
                end, executionID: executionID, process: process, inFlight: lost.count, tail: pipes.last?.tail ?? [],
                suspect: suspect.map { $0.invocation.head.requestID.text }, asAsked: asAsked))
        pool.ended(self, end, asAsked: asAsked)
        pool.resend(innocent)
    }
}
