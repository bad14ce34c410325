import NIOCore
import Swiftlet

/// What a function may use of its host: calls from the worker, answered one by one.
extension Worker {
    /// Twice what a worker has open at most. Those whose results it has read may still count here, while they share a write with what it
    /// has not.
    private var callLimit: Int { 2 * WorkerMain.calls(pool.policy) }

    func call(_ frame: Frame) throws(FrameProblem) {
        let call = try Call(frame.payload)
        // Results that nobody reads would pile up here.
        guard calls < callLimit else { throw .tooManyCalls }
        calls += 1
        guard pool.policy.capabilities.contains(call.capability) else {
            return answer(frame.stream, .refused(.undeclared(call.capability, of: pool.name)))
        }
        let capabilities = pool.site.capabilities
        let stream = frame.stream
        var reference: InvocationReference?
        if let asked = call.request {
            guard let dispatch = dispatches[asked], !dispatch.isOver else {
                return answer(stream, .refused(HTTPError(409, .badRequest, "The request this is for is over")))
            }
            reference = InvocationReference(
                stream: asked, head: dispatch.invocation.head, identity: dispatch.invocation.identity)
        }
        // On the loop until it first waits: most answers are there at once.
        Task.immediate {
            let result: CallResult
            do {
                switch call {
                case .checkRateLimit(let key, let limit, let nanoseconds):
                    result = .rateLimit(
                        try await capabilities.checkRateLimit(key, limit: limit, window: .nanoseconds(nanoseconds)))
                case .resetRateLimit(let key, let limit, let nanoseconds):
                    try await capabilities.resetRateLimit(key, limit: limit, window: .nanoseconds(nanoseconds))
                    result = .done
                case .reserve(let amount, let quotas):
                    result = .quotas(try await capabilities.reserve(amount, from: quotas))
                case .settle(let quotas, let reserved, let used):
                    result = .quotas(try await capabilities.settle(quotas, reserved: reserved, used: used))
                case .hostReport(let ready): result = .report(try await capabilities.hostReport(ready: ready))
                case .storage(let ask, _):
                    guard let reference else { throw HTTPError(409, .badRequest, "The request this is for is over") }
                    result = .storage(try await capabilities.storage(ask, for: reference))
                case .realtime(let ask, _):
                    guard let reference else { throw HTTPError(409, .badRequest, "The request this is for is over") }
                    result = .realtime(try await capabilities.realtime(ask, for: reference))
                }
            } catch { result = .refused(HTTPError(handlerThrew: error)) }
            if self.loop.inEventLoop { self.answer(stream, result) } else { self.loop.execute { self.answer(stream, result) } }
        }
    }

    func answer(_ stream: UInt32, _ result: CallResult) {
        results += 1
        // Only these have answers that could be too long for a frame.
        switch result {
        case .storage, .realtime: break
        default: return write(.result, stream) { result.write(to: &$0) }
        }
        write(.result, stream) { out in
            let start = out.writerIndex
            result.write(to: &out)
            guard out.writerIndex - start > Frame.maximumPayload else { return }
            out.moveWriterIndex(to: start)
            CallResult.refused(HTTPError(413, .payloadTooLarge, "The answer is too long for one call; ask for less at a time"))
                .write(to: &out)
        }
    }

    func background(_ frame: Frame) throws(FrameProblem) {
        guard frame.stream != 0, frame.stream <= last else { throw .unexpected }
        if frame.flags == 1 {
            guard background.count < 10_000 else { throw .unexpected }
            guard let dispatch = dispatches[frame.stream] else { throw .unexpected }
            background.append((frame.stream, pool.site.clock.monotonic(), dispatch.reply))
            dispatch.reply.background(+1)
        } else {
            guard let index = background.firstIndex(where: { $0.stream == frame.stream }) else { throw .unexpected }
            background.remove(at: index).reply.background(-1)
            if background.isEmpty { idleSince = pool.site.clock.monotonic() }
        }
    }
}
