import NIOCore
import SwiftletHTTP

/// The body of the open exchange, and of one that nobody read.
extension ConnectionHandler {
    var isAwaitingBody: Bool {
        if case .none = bodyWaiter { false } else { true }
    }

    /// Takes what there is of the body; false when more input is needed, or nobody has room for it.
    func readBody() -> Bool {
        let isDraining = phase == .drain
        switch incoming {
        case .none:
            isBodyComplete = true
        case .length(let remaining):
            guard inbound.readableBytes > 0, isDraining || hasBodyRoom else { return false }
            let count = min(remaining, inbound.readableBytes)
            if isDraining {
                inbound.moveReaderIndex(forwardBy: count)
            } else if var part = inbound.readSlice(length: count) {
                keep(&part)
            }
            incoming = .length(remaining &- count)
            if remaining == count { isBodyComplete = true }
        case .chunked(var decoder):
            guard inbound.readableBytes > 0, isDraining || hasBodyRoom else { return false }
            let outcome = readChunked(&decoder, isDraining: isDraining)
            incoming = .chunked(decoder)
            if case .refused(let refusal) = outcome {
                if isDraining {
                    close()
                    return false
                }
                failBody(.malformed(refusal))
                return false
            }
            if case .end = outcome { isBodyComplete = true }
        }
        if isBodyComplete {
            incoming = .none
            if isDraining {
                phase = .head
                phaseStart = loop.now
                return true
            }
        }
        deliverBody()
        return true
    }

    private func readChunked(_ decoder: inout ChunkedDecoder, isDraining: Bool) -> ChunkedDecoder.Outcome {
        while true {
            let (consumed, outcome) = inbound.withUnsafeReadableBytes { decoder.read($0) }
            if case .data(let range) = outcome, !isDraining,
                var part = inbound.getSlice(at: inbound.readerIndex + range.lowerBound, length: range.count)
            {
                inbound.moveReaderIndex(forwardBy: consumed)
                keep(&part)
                if !hasBodyRoom { return outcome }
                continue
            }
            inbound.moveReaderIndex(forwardBy: consumed)
            if case .data = outcome { continue }
            return outcome
        }
    }

    private func keep(_ part: inout ByteBuffer) {
        bodyReceived &+= part.readableBytes
        if body == nil {
            body = part
        } else {
            body?.writeBuffer(&part)
        }
    }

    /// Whether the body may grow: while somebody collects it up to the limit, otherwise up to the high-water mark.
    private var hasBodyRoom: Bool {
        let held = body?.readableBytes ?? 0
        // One byte more than the limit is let in, so that too much is noticed.
        if case .collect(let limit, _, _) = bodyWaiter { return held <= limit }
        return held < loop.configuration.highWater
    }

    // MARK: Waiting for it

    func collectBody(
        upTo limit: Int, judgedBy judge: (any BodyJudge)?, _ done: @escaping (Result<ByteBuffer, BodyFailure>) -> Void
    ) {
        guard !isAwaitingBody else { return done(.failure(.answered)) }
        if case .length(let length) = current?.head.framing, length > limit { return done(.failure(.tooLarge)) }
        wait(.collect(limit: limit, judge: judge, done: done))
    }

    func nextBodyPart(_ done: @escaping (Result<ByteBuffer?, BodyFailure>) -> Void) {
        guard !isAwaitingBody else { return done(.failure(.answered)) }
        wait(.part(done))
    }

    private func wait(_ waiter: BodyWaiter) {
        bodyWaiter = waiter
        if let bodyFailure { return failBody(bodyFailure) }
        deliverBody()
        guard isAwaitingBody, !isBodyComplete else { return }
        pace = pace.continued
        paceTick = loop.clock.steady()
        if owesContinue {
            owesContinue = false
            if bodyReceived == 0 { writeContinue() }
        }
        process()
        resumeReading()
    }

    /// Gives the waiting handler what is there, when it is what it waits for.
    private func deliverBody() {
        switch bodyWaiter {
        case .none: return
        case .collect(let limit, let judge, let done):
            let held = body?.readableBytes ?? 0
            if held > limit {
                bodyWaiter = .none
                bodyFailure = .tooLarge
                body = nil
                done(.failure(.tooLarge))
            } else if let judge, let body, !judge.goesOn(body) {
                bodyWaiter = .none
                bodyFailure = .refused
                self.body = nil
                done(.failure(.refused))
            } else if isBodyComplete {
                bodyWaiter = .none
                let whole = body ?? loop.emptyBuffer
                body = nil
                done(.success(whole))
            }
        case .part(let done):
            if let part = body, part.readableBytes > 0 {
                bodyWaiter = .none
                body = nil
                done(.success(part))
            } else if isBodyComplete {
                bodyWaiter = .none
                done(.success(nil))
            }
        }
    }

    /// The body will not be complete: tells who waits now, or who asks later.
    func failBody(_ failure: BodyFailure) {
        if bodyFailure == nil, !isBodyComplete {
            bodyFailure = failure
            closesAfter = true
        }
        dismissWaiter(failure)
    }

    /// Tells who waits for the body that it will not come.
    func dismissWaiter(_ failure: BodyFailure) {
        let waiter = bodyWaiter
        bodyWaiter = .none
        switch waiter {
        case .none: break
        case .collect(_, _, let done): done(.failure(failure))
        case .part(let done): done(.failure(failure))
        }
    }
}
