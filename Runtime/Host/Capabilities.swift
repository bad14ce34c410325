import Logging
import Swiftlet
import SwiftletRateLimit
import SwiftletSecrets
import SwiftletStorage
import SwiftletTelemetry

/// What one function may use of the host: its secrets and settings, its egress, its limits, its log. In this process these are calls.
final class HostCapabilities: Capabilities {
    private let name: FunctionName
    private let index: Int
    private let policy: Policy
    private let secrets: SecretStore
    private let settings: SettingValues
    private let egress: HostEgress
    private let limiter: Limiter
    private let storage: HostStorage
    private let realtime: HostRealtime
    private let clock: HostClock
    private let view: HostView
    private let counters: FunctionCounters
    let logger: Logger

    init(
        _ registration: Registration, index: Int, executionID: String, secrets: SecretStore, settings: SettingValues,
        egress: HostEgress,
        limiter: Limiter, storage: HostStorage, realtime: HostRealtime, clock: HostClock, view: HostView,
        counters: FunctionCounters,
        sink: LogSink
    ) {
        name = registration.name
        self.index = index
        policy = registration.policy
        self.secrets = secrets
        self.settings = settings
        self.egress = egress
        self.limiter = limiter
        self.storage = storage
        self.realtime = realtime
        self.clock = clock
        self.view = view
        self.counters = counters
        var logger = Logger(label: registration.name.text) { SinkLogHandler(label: $0, sink: sink) }
        logger[metadataKey: "function"] = .string(registration.name.text)
        self.logger = logger
    }

    func secret(_ name: SecretName) throws(HTTPError) -> Secret {
        guard policy.secrets.contains(name) else {
            throw .undeclaredSecret(name, of: self.name)
        }
        guard let secret = secrets.current.value(name, forFunction: self.name) else {
            throw .missingSecrets([name], of: self.name)
        }
        return secret
    }

    func optionalSecret(_ name: SecretName) -> Secret? {
        guard policy.allSecrets.contains(name) else {
            logger.undeclaredOptionalSecret(name, of: self.name)
            return nil
        }
        return secrets.current.value(name, forFunction: self.name)
    }

    /// Only what the policy declares: settings come from the same environment as secrets.
    func setting(_ setting: Setting) -> String {
        guard policy.settings.contains(where: { $0.name == setting.name }) else {
            logger.error("the setting \(setting.name) is not in the policy of \(name); add it to `settings:`")
            return setting.defaultValue
        }
        return settings.value(setting)
    }

    func fetch(_ request: OutboundRequest) async throws -> OutboundResponse { try await egress.fetch(request, for: name) }

    func checkRateLimit(_ key: String, limit: Int, window: Duration) async throws -> RateLimitAnswer {
        try require(.rateLimit)
        let limit = try rate(limit, window)
        let decision = limiter.check(key, function: index, limit: limit, now: clock.monotonic())
        let wait = decision.allowed ? decision.resetAfter : decision.retryAfter
        let milliseconds = clock.wall() / 1_000_000 + Int64(clamping: (wait + 999_999) / 1_000_000)
        return RateLimitAnswer(
            allowed: decision.allowed, limit: decision.limit, remaining: decision.remaining, resetAt: milliseconds)
    }

    func resetRateLimit(_ key: String, limit: Int, window: Duration) async throws {
        try require(.rateLimit)
        limiter.reset(key, function: index)
    }

    func reserve(_ amount: Int, from quotas: [Quota]) async throws -> QuotaAnswer {
        let buckets = try buckets(quotas)
        return QuotaAnswer(limiter.reserve(amount, from: buckets, function: index, at: quotaTime))
    }

    func settle(_ quotas: [Quota], reserved: Int, used: Int) async throws -> QuotaAnswer {
        let buckets = try buckets(quotas)
        let (change, isTooMuch) = max(0, used).subtractingReportingOverflow(max(0, reserved))
        // Neither is negative, so there is nothing to overflow.
        return QuotaAnswer(limiter.settle(buckets, by: isTooMuch ? 0 : change, function: index, at: quotaTime))
    }

    private var quotaTime: QuotaTime { QuotaTime(monotonic: clock.monotonic(), wall: clock.wall()) }

    private func buckets(_ quotas: [Quota]) throws(HTTPError) -> [QuotaBucket] {
        try require(.rateLimit)
        if let error = HTTPError.unfit(quotas) { throw error }
        do throws(RateLimitProblem) { return try limiter.buckets(of: quotas, function: index) } catch {
            throw HTTPError(500, .edgeFunctionError, "Internal Server Error", cause: "quotas: \(error)")
        }
    }

    func count(_ key: CounterKey, by amount: Int) { counters.count(key, by: amount) }

    private func rate(_ requests: Int, _ window: Duration) throws(HTTPError) -> RateLimit {
        do throws(RateLimitProblem) { return try RateLimit(requests: requests, window: window) } catch {
            throw HTTPError(500, .edgeFunctionError, "Internal Server Error", cause: "checkRateLimit: \(error)")
        }
    }

    private func require(_ capability: Capability) throws(HTTPError) {
        guard policy.capabilities.contains(capability) else { throw .undeclared(capability, of: name) }
    }

    func storage(_ ask: StorageAsk, for invocation: InvocationReference) async throws -> StorageTold {
        try require(.storage)
        let head = invocation.head
        do throws(StorageError) {
            return try await storage.open().desk.answer(
                ask, by: StorageCaller(invocation.identity),
                origin: storage.origin(of: head.client, host: head.fields.string("host")))
        } catch { throw error.httpError }
    }

    func realtime(_ ask: RealtimeAsk, for invocation: InvocationReference) async throws -> RealtimeTold {
        try require(.realtime)
        let head = invocation.head
        return try await realtime.answer(
            ask, for: invocation, origin: storage.origin(of: head.client, host: head.fields.string("host")))
    }

    func hostReport(ready: Bool) async throws -> HostReport {
        try require(.hostReport)
        return await view.host?.report(ready: ready) ?? HostReport(accepting: false, uptimeSeconds: 0, checks: [])
    }
}

extension HTTPError {
    static func missingSecrets(_ names: [SecretName], of function: FunctionName) -> HTTPError {
        let list = names.map(\.text).joined(separator: ", ")
        return HTTPError(
            503, .bootError,
            "Function failed to start: it lacks the secret \(list); set it with `swiftlet secrets set \(names[0])=…`",
            cause: "no source has \(list), which \(function) declares")
    }
}

extension QuotaAnswer {
    init(_ decision: QuotaDecision) {
        self.init(
            allowed: decision.allowed,
            states: decision.states.map {
                State(
                    limit: $0.limit, remaining: $0.remaining, resetAfter: .nanoseconds(Int64(clamping: $0.resetAfter)),
                    refused: $0.refused)
            })
    }
}
