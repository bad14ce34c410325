import NIOCore
import Swiftlet

/// One invocation on its way through the workers of its function. It lives on the pool's loop; only `cancel` may come from elsewhere.
final class Dispatch: RunningInvocation, @unchecked Sendable {
    let invocation: Invocation
    let reply: any InvocationReply
    private let pool: WorkerPool

    /// Where it runs, from being sent until the last sign; whoever takes it out of that worker's list forgets the worker here.
    var worker: Worker?
    var stream: UInt32 = 0
    /// Times it was given to a worker.
    var attempts = 0
    /// The worker has said something about it: it is not sent anywhere else any more.
    var isBegun = false
    /// Its head has been handed on.
    var isStreaming = false
    /// Nothing more is told to `reply`.
    var isOver = false
    var isCancelled = false
    /// When it was cancelled, in the clock's nanoseconds.
    var cancelledAt: UInt64 = 0
    /// How much of the answer the worker may still send, as ``Frame/charge(_:)`` counts it.
    var window = Frame.window
    /// Taken by the client, and not granted again yet.
    var taken = 0
    var bytesOut = 0
    var processor: UInt64 = 0
    var isBeyondSoftLimit = false
    /// Parts of a streamed request body the worker waits for.
    var wanted = 0
    var isReadingBody = false
    var waitTimer: Scheduled<Void>?

    init(_ invocation: Invocation, reply: any InvocationReply, pool: WorkerPool) {
        self.invocation = invocation
        self.reply = reply
        self.pool = pool
    }

    func cancel(_ reason: CancelReason) {
        let loop = pool.loop
        if loop.inEventLoop { pool.cancel(self, reason) } else { loop.execute { self.pool.cancel(self, reason) } }
    }

    /// The last sign of a worker, or of nobody.
    func finish(_ tell: (any InvocationReply) -> Void) {
        guard !isOver else { return }
        isOver = true
        waitTimer?.cancel()
        waitTimer = nil
        tell(reply)
    }
}
