public import Logging

/// What a function may use while it answers one request: time, log, and the things its policy declared.
public struct Context: Sendable {
    package let scope: InvocationScope

    package init(_ scope: InvocationScope) { self.scope = scope }

    /// The id of the instance that runs the function, the same from its boot to its end; in the log as `execution_id`.
    public var executionID: String { scope.head.executionID }
    public var functionName: FunctionName { scope.head.functionName }

    /// When the host gives up on this request.
    public var deadline: ContinuousClock.Instant { .now + remaining }
    /// Time left until then; never negative.
    public var remaining: Duration { .nanoseconds(Int64(clamping: scope.deadline.subtractingClamped(scope.clock.monotonic()))) }

    /// Writes to the host's log, labelled with the function, the request and the execution.
    public var log: Logger { scope.makeLogger() }

    /// A secret the policy declares. A missing one kept the function from starting, so this does not fail for declared names; an undeclared
    /// name is a 500 whose log line says what to add to the policy.
    public func secret(_ name: SecretName) throws(HTTPError) -> Secret { try scope.capabilities.secret(name) }

    /// A secret the policy declares in `optionalSecrets`, or `nil` where no source has it. An undeclared name is `nil` too, and a line in
    /// the log that says what to add to the policy.
    public func optionalSecret(_ name: SecretName) -> Secret? { scope.capabilities.optionalSecret(name) }

    /// The value of a declared setting.
    public func setting(_ setting: Setting) -> String { scope.capabilities.setting(setting) }

    /// Calls a host the policy declares; see ``OutboundRequest``. Undeclared hosts and private addresses are refused.
    public func fetch(_ request: OutboundRequest) async throws -> OutboundResponse { try await scope.capabilities.fetch(request) }

    /// Counts a use against a limit of the function's own, beside the one in its policy: `key` is what is counted (a conversation, a file),
    /// within this function only, at most 1 KiB long. The same key under another limit is counted apart. Needs ``Capability/rateLimit``.
    public func checkRateLimit(_ key: String, limit: Int = 100, every window: Duration = .minutes(1)) async throws
        -> RateLimitAnswer
    {
        try await scope.capabilities.checkRateLimit(key, limit: limit, window: window)
    }

    /// Forgets what ``checkRateLimit(_:limit:every:)`` counted for a key under the same limit.
    public func resetRateLimit(_ key: String, limit: Int = 100, every window: Duration = .minutes(1)) async throws {
        try await scope.capabilities.resetRateLimit(key, limit: limit, window: window)
    }

    /// Work that goes on after the answer: the host waits for it when it stops, up to its drain time. Errors are logged.
    public func waitUntil(_ work: @escaping @Sendable () async throws -> Void) { scope.background(work) }

    /// What the probes of `health` show about the host this function runs in. Needs ``Capability/hostReport``.
    public func hostReport(ready: Bool) async throws -> HostReport { try await scope.capabilities.hostReport(ready: ready) }
}

/// The answer of a rate-limit check.
public struct RateLimitAnswer: Sendable, Hashable {
    public let allowed: Bool
    public let limit: Int
    public let remaining: Int
    /// Milliseconds since 1970 when the whole quota is back (allowed) or the next request is (refused).
    public let resetAt: Int64

    public init(allowed: Bool, limit: Int, remaining: Int, resetAt: Int64) {
        self.allowed = allowed
        self.limit = limit
        self.remaining = remaining
        self.resetAt = resetAt
    }
}

/// The host's own view of itself, for health functions. No values of secrets, no addresses.
public struct HostReport: Sendable {
    public struct Check: Sendable {
        public let name: String
        public let passed: Bool
        public let note: String
        /// Milliseconds, where something was measured.
        public let observed: Int?
        public init(name: String, passed: Bool, note: String, observed: Int? = nil) {
            self.name = name
            self.passed = passed
            self.note = note
            self.observed = observed
        }
    }
    /// False once the host has been asked to stop.
    public let accepting: Bool
    public let uptimeSeconds: Int
    public let checks: [Check]
    public init(accepting: Bool, uptimeSeconds: Int, checks: [Check]) {
        self.accepting = accepting
        self.uptimeSeconds = uptimeSeconds
        self.checks = checks
    }
}

/// Behind ``Context``: one per invocation. Subclasses add nothing that changes without a lock.
package class InvocationScope: @unchecked Sendable {
    package let head: FunctionRequestHead
    package let clock: HostClock
    /// In the nanoseconds of the monotonic clock.
    package let deadline: UInt64
    package let capabilities: any Capabilities
    package let identity: Identity
    /// The number of the request on the hop; 0 in the host's own process.
    package let stream: UInt32

    package init(
        head: FunctionRequestHead, identity: Identity, stream: UInt32, clock: HostClock, deadline: UInt64,
        capabilities: any Capabilities
    ) {
        self.head = head
        self.identity = identity
        self.stream = stream
        self.clock = clock
        self.deadline = deadline
        self.capabilities = capabilities
    }

    /// Goes on after the answer.
    func background(_ work: @escaping @Sendable () async throws -> Void) {}

    package func makeLogger() -> Logger {
        var logger = capabilities.logger
        logger[metadataKey: "request_id"] = .string(head.requestID.text)
        logger[metadataKey: "execution_id"] = .string(head.executionID)
        return logger
    }
}

extension Logger {
    /// A secret that may be missing is no reason to fail, but nobody is to wonder why it is.
    package func undeclaredOptionalSecret(_ name: SecretName, of function: FunctionName) {
        error("the secret \(name) is not in the policy of \(function); add it to `optionalSecrets:`")
    }
}

/// What a function may use of the host. In this process it is a set of calls; across a hop each is a frame that the host checks against the
/// policy and treats as hostile input.
package protocol Capabilities: Sendable {
    var logger: Logger { get }
    func secret(_ name: SecretName) throws(HTTPError) -> Secret
    func optionalSecret(_ name: SecretName) -> Secret?
    func setting(_ setting: Setting) -> String
    func fetch(_ request: OutboundRequest) async throws -> OutboundResponse
    func checkRateLimit(_ key: String, limit: Int, window: Duration) async throws -> RateLimitAnswer
    func resetRateLimit(_ key: String, limit: Int, window: Duration) async throws
    func reserve(_ amount: Int, from quotas: [Quota]) async throws -> QuotaAnswer
    func settle(_ quotas: [Quota], reserved: Int, used: Int) async throws -> QuotaAnswer
    func count(_ key: CounterKey, by amount: Int)
    func hostReport(ready: Bool) async throws -> HostReport
    func storage(_ ask: StorageAsk, for invocation: InvocationReference) async throws -> StorageTold
    func realtime(_ ask: RealtimeAsk, for invocation: InvocationReference) async throws -> RealtimeTold
}

extension UInt64 {
    /// `self - other`, zero where that would be negative.
    package func subtractingClamped(_ other: UInt64) -> UInt64 { self > other ? self - other : 0 }
}
