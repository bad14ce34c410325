package import NIOCore

/// One call of a function: everything a worker needs, and nothing that lives only in this process but the body's source.
package struct Invocation: Sendable {
    package let head: FunctionRequestHead
    package let identity: Identity
    package let body: FunctionBody
    /// In the nanoseconds of the monotonic clock, which all processes of a machine share.
    package let deadline: UInt64
    /// Its number on the hop, in a worker; 0 in the host's own process.
    package let stream: UInt32

    package init(head: FunctionRequestHead, identity: Identity, body: FunctionBody, deadline: UInt64, stream: UInt32 = 0) {
        self.head = head
        self.identity = identity
        self.body = body
        self.deadline = deadline
        self.stream = stream
    }
}

/// Runs invocations of one function: in this process, or in workers behind sockets. The pipeline knows only this.
package protocol Invoker: Sendable {
    /// Starts one invocation. `reply` hears of it from any thread, and may hear before this returns.
    func invoke(_ invocation: Invocation, reply: any InvocationReply) -> any RunningInvocation
    /// Makes ready, once, before the host listens; `loop` is one of the loops requests come in on.
    func start(on loop: any EventLoop)
    /// Secrets have changed: whatever holds old ones is replaced, without failing a request.
    func reload()
    /// Lets what runs finish for `grace`, and ends the rest.
    func stop(grace: Duration) async
    /// How the function's processes are, for `health` and metrics.
    var condition: InvokerCondition { get }
}

/// How the processes of one function are.
package struct InvokerCondition: Sendable {
    /// Processes that take requests; 0 with ``isolated`` false means that the function runs in the host.
    package var ready = 0
    package var wanted = 0
    /// The function cannot be served now: it crashes as soon as it starts. In words, without details.
    package var trouble: String?
    package var isolated = false
    /// How the last process ended that was not asked to, and since when that is so, in the clock's nanoseconds.
    package var lastCrash: (end: WorkerEnd, at: UInt64)?
    /// The processes, for figures.
    package var processes: [Int32] = []
    package init() {}
}

/// Makes the invokers of a host's functions; without one they run in the host's own process.
package protocol Isolation: Sendable {
    func invoker(for registration: Registration, site: InvokerSite) -> any Invoker
}

/// What the host offers to the invoker of one function.
package struct InvokerSite: Sendable {
    /// The function's own, checked against its policy: the host's side of every capability.
    package let capabilities: any Capabilities
    package let clock: HostClock
    /// Names a new instance.
    package let newExecutionID: @Sendable () -> String
    /// Values of declared secrets right now, optional ones where they are set; `nil` while one that is needed is missing.
    package let secrets: @Sendable () -> [(name: String, value: [UInt8])]?
    /// Declared settings the operator has set.
    package let settings: [(name: String, value: String)]
    package let allowsPrivateEgress: Bool
    package let report: @Sendable (WorkerEvent) -> Void

    package init(
        capabilities: any Capabilities, clock: HostClock, newExecutionID: @escaping @Sendable () -> String,
        secrets: @escaping @Sendable () -> [(name: String, value: [UInt8])]?, settings: [(name: String, value: String)],
        allowsPrivateEgress: Bool, report: @escaping @Sendable (WorkerEvent) -> Void
    ) {
        self.capabilities = capabilities
        self.clock = clock
        self.newExecutionID = newExecutionID
        self.secrets = secrets
        self.settings = settings
        self.allowsPrivateEgress = allowsPrivateEgress
        self.report = report
    }
}

/// What happens to workers, for the log and the metrics.
package enum WorkerEvent: Sendable {
    case booted(executionID: String, process: Int32, nanoseconds: UInt64, active: [String], missing: [String])
    /// `asAsked`: after it was told to finish, in order. `suspect`: the request that was on its loop.
    case ended(
        WorkerEnd, executionID: String, process: Int32, inFlight: Int, tail: [String], suspect: String?, asAsked: Bool)
    /// A soft limit, or the like: the worker finishes what it has begun while another takes its place.
    case retiring(reason: String, executionID: String)
    case crashLoop(failures: Int, retryAfter: Duration)
    case egressDenied(host: String, kind: String)
    /// Requests were given to another worker because theirs had ended before it began them.
    case resent(count: Int)
}

/// Every end of a worker has a name.
package enum WorkerEnd: Sendable, Equatable, CustomStringConvertible {
    case idle
    case asked
    case replaced
    case wallClock
    case cpu
    case memory
    /// By a signal nobody of ours sent: a trap, an abort, the system's out-of-memory killer.
    case signal(String)
    case exit(Int32)
    case bootFailure(String)
    /// It said what no worker says.
    case protocolError(String)
    /// It closed its socket.
    case hungUp
    /// It did not end in its grace period.
    case overstayed

    /// The label of metrics and logs.
    package var reason: String {
        switch self {
        case .idle: "idle"
        case .asked: "asked"
        case .replaced: "replaced"
        case .wallClock: "wall_clock"
        case .cpu: "cpu"
        case .memory: "memory"
        case .signal: "signal"
        case .exit: "exit"
        case .bootFailure: "boot_failure"
        case .protocolError: "protocol_error"
        case .hungUp: "hung_up"
        case .overstayed: "overstayed"
        }
    }

    package var description: String {
        switch self {
        case .signal(let name): "signal \(name)"
        case .exit(let code): "exit \(code)"
        case .bootFailure(let why): "boot failure: \(why)"
        case .protocolError(let what): "protocol error: \(what)"
        default: reason
        }
    }

    /// Nobody wanted it: it counts towards a crash loop.
    package var isCrash: Bool {
        switch self {
        case .idle, .asked, .replaced, .overstayed: false
        case .wallClock, .cpu, .memory, .signal, .exit, .bootFailure, .protocolError, .hungUp: true
        }
    }

    /// Somebody else killed it: an operator, or the system because memory ran out.
    package var isFromOutside: Bool { self == .signal("SIGKILL") || self == .bootFailure("signal SIGKILL") }

    /// What the requests hear that it had begun.
    package var answer: HTTPError {
        switch self {
        case .cpu, .memory, .wallClock, .overstayed:
            HTTPError(
                546, .workerLimit, "Function failed due to not having enough compute resources (please check logs)",
                cause: "the worker ended: \(self)")
        case .bootFailure:
            HTTPError(503, .bootError, "Function failed to start (please check logs)", cause: "the worker ended: \(self)")
        default:
            HTTPError(
                500, .workerError, "Function exited due to an error (please check logs)", cause: "the worker ended: \(self)")
        }
    }
}

/// A started invocation, to be ended early.
package protocol RunningInvocation: AnyObject, Sendable {
    func cancel(_ reason: CancelReason)
}

package enum CancelReason: String, Sendable, CaseIterable {
    case clientGone = "client_gone"
    case deadline
    case shutdown
    /// The answer is larger than it may be.
    case outputLimit = "output_limit"
}

/// Where an invocation's answer goes. Exactly one of `whole`, `end`, `failed` and `broken` is the last call; `begin` comes at most once, before
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
    /// What ran the invocation ended before it answered: the host's own error, not the function's. Like `failed`, it is the last call.
    func broken(_ error: HTTPError)
    /// Which instance runs it, once that is known; may come again when it is given to another.
    func assigned(to executionID: String)
    /// Work for after the answer began (+1) or finished (-1).
    func background(_ change: Int)
}
