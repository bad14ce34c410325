package import NIOCore

/// One call of a function: everything a worker needs, and nothing that lives only in this process but the body's source.
package struct Invocation: Sendable {
    package let head: FunctionRequestHead
    package let identity: Identity
    package let body: FunctionBody
    /// In the nanoseconds of the monotonic clock, which all processes of a machine share.
    package let deadline: UInt64

    package init(head: FunctionRequestHead, identity: Identity, body: FunctionBody, deadline: UInt64) {
        self.head = head
        self.identity = identity
        self.body = body
        self.deadline = deadline
    }
}

/// Runs invocations of one function: in this process, or in a worker behind a socket. The pipeline knows only this.
package protocol Invoker: Sendable {
    /// Starts one invocation. `reply` hears of it from any thread, and may hear before this returns.
    func invoke(_ invocation: Invocation, reply: any InvocationReply) -> any RunningInvocation
}

/// A started invocation, to be ended early.
package protocol RunningInvocation: AnyObject, Sendable {
    func cancel(_ reason: CancelReason)
}

package enum CancelReason: String, Sendable {
    case clientGone = "client_gone"
    case deadline
    case shutdown
}

/// Where an invocation's answer goes. Exactly one of `whole`, `end` and `failed` is the last call; `begin` comes at most once, before
/// parts. All calls may come from any thread, in order.
package protocol InvocationReply: AnyObject, Sendable {
    /// The whole answer at once: the usual case.
    func whole(_ response: Response, body: ByteBuffer?)
    /// The head of a streamed answer.
    func begin(_ response: Response, length: Int?)
    /// One part; `ready` is called once when more may come (true) or nobody reads any more (false).
    func part(_ bytes: ByteBuffer, ready: @escaping @Sendable (Bool) -> Void)
    /// The clean end of a streamed answer.
    func end()
    /// The invocation failed: before `begin` it becomes an error answer, after it the stream is cut.
    func failed(_ error: HTTPError)
    /// Work for after the answer began (+1) or finished (-1).
    func background(_ change: Int)
}
