import Swiftlet

/// What a worker may use of the machine, looked at twenty times a second.
extension Worker {
    func tick(_ now: UInt64) {
        switch state {
        case .ending, .ended: return
        default: break
        }
        // Its socket may be held open by somebody else; its process is what counts.
        if launched.reap() != nil { return hungUp() }
        measure()
        watch(now)
    }

    func measure() {
        guard let usage = launched.usage() else { return }
        let limits = pool.policy.limits
        let shares = charge.sample(processor: usage.processor, running: launched.running, inFlight: dispatches.count)
        var worst: Dispatch?
        for dispatch in dispatches.values {
            dispatch.processor += shares.each
            if let alone = shares.alone, alone.stream == UInt64(dispatch.stream) { dispatch.processor += alone.nanoseconds }
            if dispatch.processor > worst?.processor ?? 0 { worst = dispatch }
        }
        if usage.resident > UInt64(limits.memoryHard.bytes) { return condemn(.memory) }
        if let worst, worst.processor > UInt64(clamping: limits.cpuHard.clampedNanoseconds) { return condemn(.cpu) }
        if usage.resident > UInt64(limits.memorySoft.bytes) { retire(.memory, as: .memory, because: "memory soft limit") }
        if let worst, worst.processor > UInt64(clamping: limits.cpuSoft.clampedNanoseconds) {
            retire(.cpu, as: .cpu, because: "CPU time soft limit")
        }
    }

    func watch(_ now: UInt64) {
        switch state {
        case .booting:
            if now.subtractingClamped(startedAt) > UInt64(clamping: pool.settings.boot.clampedNanoseconds) {
                return condemn(.bootFailure("it did not get ready in time"))
            }
        case .retiring(_, let until):
            if now > until { return condemn(.overstayed) }
        case .ready:
            if last >= Worker.lastStream { retire(.termination, as: .replaced) }
            if let idle = pool.settings.idle, dispatches.isEmpty, background.isEmpty,
                now.subtractingClamped(idleSince) > UInt64(clamping: idle.clampedNanoseconds)
            {
                endsIdle = true
                retire(.earlyDrop, as: .idle)
            }
        case .ending, .ended: return
        }
        let patience = UInt64(clamping: pool.settings.patience.clampedNanoseconds)
        let running = launched.running
        for dispatch in dispatches.values where dispatch.isCancelled && dispatch.cancelledAt != 0 {
            let overdue = now.subtractingClamped(dispatch.cancelledAt)
            // It holds the loop, so nobody else gets anything from this worker either.
            if running == UInt64(dispatch.stream), overdue > 1_000_000_000 { return condemn(.wallClock) }
            if overdue > patience { return retireOverdue(now, overdue > 2 * patience) }
        }
        let allowed = UInt64(clamping: pool.policy.limits.background.clampedNanoseconds)
        if background.contains(where: { now.subtractingClamped($0.since) > allowed && dispatches[$0.stream] == nil }) {
            condemn(.wallClock)
        }
    }

    /// A request goes on although it was cancelled: others may finish, then the worker goes.
    func retireOverdue(_ now: UInt64, _ isHopeless: Bool) {
        if dispatches.values.allSatisfy(\.isCancelled) || isHopeless { return condemn(.wallClock) }
        retire(.wallClock, as: .wallClock, because: "a cancelled request does not end")
    }
}
