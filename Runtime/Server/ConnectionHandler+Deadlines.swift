import NIOCore
import SwiftletHTTP

/// What happens when nothing happens. Called for every connection by the sweep of its loop.
extension ConnectionHandler {
    func tick(_ now: Int64) {
        let waited = now &- phaseStart
        switch phase {
        case .closed: return
        case .proxyHeader:
            if waited >= loop.rules.head { return close() }
        case .head:
            tickHead(waited)
        case .exchange:
            if !isBodyComplete, bodyFailure == nil, isAwaitingBody { tickBody(now) }
        case .drain:
            if waited >= loop.rules.drain { return closeAfterWriting() }
        case .linger:
            if waited >= loop.rules.linger, unsent == 0 { return close() }
        }
        tickWrites(now)
    }

    private func tickHead(_ waited: Int64) {
        // A head that waits because answers pile up is not late.
        guard channel.isWritable else { return }
        if reader.isInsideHead {
            if waited >= loop.rules.head {
                refuse(HTTPRefusal(status: 408, kind: .headTimeout, offset: reader.bytesRead))
            }
        } else if served == 0 {
            // Nothing was asked, so nothing is answered.
            if waited >= loop.rules.head { close() }
        } else if waited >= loop.rules.keepAlive {
            closeAfterWriting()
        }
    }

    private func tickBody(_ now: Int64) {
        let elapsed = now &- paceTick
        paceTick = now
        if pace.tick(elapsed: elapsed, received: bodyReceived, rules: loop.rules.body) {
            failBody(.timedOut)
            flushIfNeeded()
        }
    }

    private func tickWrites(_ now: Int64) {
        guard mayHaveUnsent, phase != .closed else { return }
        let unsent = unsent
        if unsent == 0 { mayHaveUnsent = false }
        let isStalled = writePace.tick(
            now: now, unsent: unsent, sent: queued &- unsent,
            window: loop.rules.writeStall, atLeast: loop.configuration.writeStallBytes
        )
        if isStalled { cut() }
    }

    private func flushIfNeeded() {
        if needsFlush, !isReading { flush() }
    }
}
