import Logging
package import NIOCore
import Synchronization

/// Runs a function in this process: a worker's, or, with `--inline`, the host's own. Then no wall stands between the two: a trap in the
/// function ends both.
package final class InlineInvoker: Invoker {
    private let function: FunctionInstance
    private let capabilities: any Capabilities
    private let clock: HostClock
    private let jsonLimits: JSONLimitsReference?
    private let executor: (any TaskExecutor)?

    /// - Parameter executor: where handlers go on after they have waited; nil for the threads all tasks share.
    package init(
        _ registration: Registration, capabilities: any Capabilities, clock: HostClock, executor: (any TaskExecutor)? = nil
    ) {
        self.executor = executor
        function = registration.make()
        jsonLimits = registration.policy.body.jsonLimits
        self.capabilities = capabilities
        self.clock = clock
    }

    package func invoke(_ invocation: Invocation, reply: any InvocationReply) -> any RunningInvocation {
        let body = withLimits(invocation.body)
        let run = InlineRun(invocation, clock: clock, capabilities: capabilities, reply: reply)
        let handler = function.handle
        // On the caller's thread until the handler first suspends: no hop for the handler that never does.
        // The main thread of a worker would make it a task somebody looks at a screen for.
        let task = Task.immediate(priority: .medium, executorPreference: executor) {
            do {
                let response = try await handler(run, body)
                try await InlineInvoker.deliver(response, to: reply)
            } catch {
                reply.failed(HTTPError(handlerThrew: error))
            }
        }
        run.started(task)
        return run
    }

    private func withLimits(_ body: FunctionBody) -> FunctionBody {
        guard let jsonLimits, case .whole(let bytes) = body else { return body }
        return .whole(Bytes(buffer: bytes.buffer, limits: jsonLimits))
    }

    package func start(on loop: any EventLoop) {}
    /// Secrets are read where they are kept, so there is nothing to replace.
    package func reload() {}
    package var condition: InvokerCondition { InvokerCondition() }

    package func stop(grace: Duration) async { await beforeUnload(.termination, within: grace) }

    package func beforeUnload(_ reason: UnloadReason, within grace: Duration) async {
        await withTaskGroup { group in
            group.addTask { [function] in await function.beforeUnload(reason) }
            group.addTask { _ = try? await Task.sleep(for: grace) }
            await group.next()
            group.cancelAll()
        }
    }

    private nonisolated(nonsending) static func deliver(_ response: Response, to reply: any InvocationReply) async throws {
        switch response.body {
        case .empty: reply.whole(response, body: nil)
        case .bytes(let bytes): reply.whole(response, body: bytes.buffer)
        case .stream(let length, let produce):
            reply.begin(response, length: length)
            try await produce(ResponseWriter(ReplyParts(reply: reply)))
            reply.end()
        }
    }
}

extension HTTPError {
    /// The answer to whatever left a handler: its own `HTTPError` as it is, anything else as a 500 whose text only the log sees.
    package init(handlerThrew error: any Error) {
        switch error {
        case let error as HTTPError: self = error
        case let error as OutboundError: self = error.httpError
        case is CancellationError: self.init(500, .edgeFunctionError, "Internal Server Error", cause: "the handler was cancelled")
        default: self.init(500, .edgeFunctionError, "Internal Server Error", cause: "\(type(of: error)): \(error)")
        }
    }
}

private struct ReplyParts: PartSink {
    let reply: any InvocationReply

    func write(_ part: ByteBuffer) async throws {
        try Task.checkCancellation()
        guard part.readableBytes > 0 else { return }
        let wanted = await withUnsafeContinuation { (continuation: UnsafeContinuation<Bool, Never>) in
            reply.part(part) { continuation.resume(returning: $0) }
        }
        guard wanted else { throw CancellationError() }
    }
}

/// One running handler and the work it left for afterwards.
private final class InlineRun: InvocationScope, RunningInvocation, @unchecked Sendable {
    private let reply: any InvocationReply
    private struct State {
        var task: Task<Void, Never>?
        var cancelled = false
    }
    private let state = Mutex(State())

    init(_ invocation: Invocation, clock: HostClock, capabilities: any Capabilities, reply: any InvocationReply) {
        self.reply = reply
        super.init(
            head: invocation.head, identity: invocation.identity, stream: invocation.stream, clock: clock,
            deadline: invocation.deadline, capabilities: capabilities)
    }

    func started(_ task: Task<Void, Never>) {
        let cancelled = state.withLock { state in
            state.task = task
            return state.cancelled
        }
        if cancelled { task.cancel() }
    }

    func cancel(_ reason: CancelReason) {
        state.withLock { state in
            state.cancelled = true
            return state.task
        }?.cancel()
    }

    /// Background work outlives the request, so the request's cancellation does not reach it.
    override func background(_ work: @escaping @Sendable () async throws -> Void) {
        reply.background(+1)
        let reply = reply
        let logger = makeLogger()
        Task {
            do { try await work() } catch {
                logger.error("waitUntil work failed", metadata: ["error": "\(type(of: error)): \(error)"])
            }
            reply.background(-1)
        }
    }
}
