import HTTPTypes
import Logging
import NIOCore
package import Swiftlet
import SwiftletAuth
import SwiftletCrypto
import SwiftletEgress
import SwiftletHTTP
import SwiftletNet
import SwiftletRateLimit
package import SwiftletSecrets
import SwiftletServer
package import SwiftletTelemetry
import Synchronization

/// A host: its functions, and everything a request meets on its way to them. Where the rooms come together.
package final class Host: Sendable {
    package let configuration: HostConfiguration
    let clock: HostClock
    let routes: Routes
    package let slots: [FunctionSlot]
    let cors: CORSRules
    let forwarding: Forwarding
    let limiter: Limiter
    let credentials: CredentialReader
    package let secrets: SecretStore
    let egress: HostEgress
    let storage: HostStorage
    package let realtime: HostRealtime
    /// Set once the engine is open, before anything listens.
    private let opened = Mutex<HostSockets?>(nil)
    let metrics: HostMetrics
    package let sink: LogSink
    let log: Logger
    let background = Background()
    let inFlight = Atomic<Int>(0)
    /// Opened when the host is asked to stop.
    let stopping = Latch()
    let servers = Mutex<HTTPServer?>(nil)
    /// Whether requests are taken; false from the moment of being asked to stop.
    let accepting = Atomic<Bool>(true)
    let startedAt: UInt64
    private let anyOriginFields: EncodedFields?
    private let identifiers: Identifiers
    private let view = HostView()
    private let probe: UpstreamProbe

    /// Checks the whole configuration; nothing listens yet. Throws ``ConfigurationProblem``.
    package init(functions: [Registration], configuration: HostConfiguration, sink: LogSink, metrics registry: PrometheusRegistry)
        throws
    {
        self.configuration = configuration
        self.sink = sink
        clock = configuration.clock
        startedAt = clock.monotonic()
        log = Logger(label: "swiftlet") { SinkLogHandler(label: $0, sink: sink) }
        metrics = HostMetrics(registry)
        cors = try CORSRules(origins: configuration.corsOrigins, credentials: configuration.corsCredentials)
        anyOriginFields = cors.allowsAnyOrigin ? EncodedFields(cors.fields(for: nil)) : nil
        forwarding = try Forwarding(proxies: configuration.trustedProxies, usesForwardedHeader: configuration.usesForwardedHeader)
        try HostChecks.listeners(configuration)
        try HostChecks.names(functions)
        try HostChecks.mounts(configuration.mounts, functions)
        try HostChecks.rateLimits(configuration.rateLimits, functions)

        let store: SecretStore
        do throws(SecretProblem) { store = try SecretStore(configuration.secrets.sources) } catch {
            throw ConfigurationProblem("secrets", error.message)
        }
        secrets = store
        for warning in store.warnings { log.warning("\(warning)") }
        let auth = try AuthSetup(configuration, secrets: store.current)
        credentials = CredentialReader(authenticator: try Authenticator(configuration: auth.configuration))
        // A host whose functions ask nobody who they are has no use for keys, nor for a warning about them.
        if functions.contains(where: { $0.requirement != .none }) { for note in auth.notes { log.warning("\(note)") } }

        var random = SystemRandomNumberGenerator()
        identifiers = Identifiers(prefix: random.next(), mask: random.next())
        var door: RateLimit?
        if let limit = configuration.addressLimit {
            do throws(RateLimitProblem) {
                door = try RateLimit(requests: limit.requests, window: limit.window)
            } catch { throw ConfigurationProblem("address-limit", "\(error)") }
        }
        let limiter = Limiter(
            store: MemoryRateLimitStore(), own: functions.map { _ in MemoryRateLimitStore(capacity: 65_536) },
            hasher: RateLimitHasher(seed: (random.next(), random.next())), addressLimit: door)
        self.limiter = limiter

        let settings = SettingValues(configuration)
        let policies = try HostChecks.egress(functions, settings: settings, configuration)
        let metrics = metrics
        let log = log
        let requests = functions.reduce(0) { $0 + min($1.policy.concurrency, 8192) }
        guard let client = EgressClient(options: .forRequests(requests)) else {
            throw ConfigurationProblem("egress", "libcurl cannot be started")
        }
        let egress = HostEgress(client: client, policies: policies, stub: configuration.stubEgress) { function, error in
            metrics.securityEvent("egress.denied")
            log.warning(
                "egress.denied",
                metadata: ["function": "\(function)", "host": "\(error.host ?? "")", "class": "\(error.denial?.label ?? "")"])
        }
        self.egress = egress
        probe = UpstreamProbe(egress: egress, targets: HostChecks.targets(functions, settings: settings, policies: policies))

        let storage = HostStorage(
            configuration.storage, clock: configuration.clock, secrets: store,
            transport: try StorageTransport(configuration.storage, client: client))
        self.storage = storage
        let realtime = try HostRealtime(configuration, secrets: store, client: client, log: log) {
            metrics.securityEvent("realtime.membership_failed")
        }
        realtime.use(auth)
        self.realtime = realtime

        // The capabilities speak of the host, which is made after them, until it is closed.
        let view = view
        let identifiers = identifiers
        var slots: [FunctionSlot] = []
        for (index, registration) in functions.enumerated() {
            let executionID = identifiers.instance()
            let capabilities = HostCapabilities(
                registration, index: index, executionID: executionID, secrets: store, settings: settings, egress: egress,
                limiter: limiter, storage: storage, realtime: realtime, clock: clock, view: view,
                counters: FunctionCounters(registration.name, registry), sink: sink)
            let slot = FunctionSlot(
                index: index, registration: registration,
                invoker: Host.invoker(
                    registration, capabilities, configuration,
                    site: { WorkerSite(registration, executionIDs: identifiers, secrets: store, settings: settings, view: view) }),
                limit: try CallerLimit(configuration.rateLimit(of: registration), of: registration.name),
                metrics: FunctionMetrics(registration.name.text, registry), executionID: executionID)
            slot.updateBoot(store.current, host: Host.missing(of: slot, realtime, store.current))
            slots.append(slot)
        }
        self.slots = slots
        routes = Routes(
            functions: functions.map(\.name.text),
            mounts: configuration.mounts.compactMapValues { name in functions.firstIndex { $0.name == name } })
        if configuration.strict, let broken = slots.first(where: { !$0.missingSecrets.isEmpty }) {
            throw ConfigurationProblem("--strict", HostChecks.bootMessage(broken.name, missing: broken.missingSecrets))
        }
        view.set(self)
    }

    /// Names of the functions that cannot run, with the secrets they lack.
    package var broken: [(name: FunctionName, missing: [SecretName])] {
        slots.filter { !$0.missingSecrets.isEmpty }.map { ($0.name, $0.missingSecrets) }
    }

    /// Secrets of the host's own that a function needs because of a capability it declares.
    private static func missing(of slot: FunctionSlot, _ realtime: HostRealtime, _ secrets: SecretSet) -> [SecretName] {
        slot.policy.capabilities.contains(.realtime) ? realtime.missing(secrets) : []
    }

    func requestID(for head: RequestHead) -> RequestID {
        head.fields.withValue("x-request-id") { RequestID(given: $0) }.flatMap { $0 } ?? identifiers.request()
    }

    func newRequestID() -> RequestID { identifiers.request() }

    func watch(_ server: HTTPServer) { servers.withLock { $0 = server } }

    /// Gives back what outlives no host: the egress thread, the log's last lines.
    package func close() async {
        await storage.close()
        await sockets?.hub.close()
        realtime.close()
        await egress.shutdown()
        view.set(nil)
        sink.flush()
    }

    func refreshKeysWhenDue() async {
        if credentials.authenticator.keyAge(now: instant).isDue { await refreshKeys() }
    }

    /// Whether a function uses realtime, and this host is where it happens.
    var hasRealtime: Bool {
        guard case .here = configuration.realtime.place else { return false }
        return slots.contains { $0.policy.capabilities.contains(.realtime) }
    }

    var sockets: HostSockets? { opened.withLock { $0 } }

    /// Before anything listens. It may wait for the disk.
    func openRealtime(on loops: some Sequence<any EventLoop>) throws(ConfigurationProblem) {
        // Another engine takes its place where one is given.
        guard hasRealtime, configuration.realtime.engine == nil else { return }
        let sockets = try HostSockets(self)
        sockets.use(loops)
        opened.withLock { $0 = sockets }
        realtime.attach(sockets.hub)
    }

    /// Whether a function uses the storage, so that the host serves it.
    var hasStorage: Bool { slots.contains { $0.policy.capabilities.contains(.storage) } }

    func storageCORSFields(for origin: String?) -> EncodedFields {
        EncodedFields(cors.fields(for: origin, exposing: CORSRules.storageExposedHeaders))
    }

    func corsFields(for origin: String?) -> EncodedFields { anyOriginFields ?? EncodedFields(cors.fields(for: origin)) }

    var instant: AuthInstant {
        AuthInstant(
            wallSeconds: Double(clock.wall()) / 1e9, monotonicMilliseconds: Int64(clamping: clock.monotonic() / 1_000_000))
    }

    // MARK: Keys and secrets

    /// Fetches the key set when it is time; called for tokens that name an unknown key, and now and then.
    func refreshKeys() async {
        let egress = egress
        let outcome = await credentials.authenticator.refreshKeys(now: instant) { try await egress.fetchKeys($0) }
        switch outcome {
        case .refreshed(let keys, let changed):
            metrics.securityEvent("jwks.refreshed")
            if changed { log.info("jwks.refreshed", metadata: ["keys": "\(keys)"]) }
        case .failed(let failure):
            metrics.securityEvent("jwks.stale")
            log.warning("jwks.stale", metadata: ["reason": "\(failure)"])
        case .tooSoon, .busy, .notConfigured: break
        }
    }

    /// Reads the secrets again: all of them, or none when any source is broken.
    package func reloadSecrets() {
        do {
            let changed = try secrets.reload()
            let auth = try AuthSetup(configuration, secrets: secrets.current)
            credentials.authenticator.replace(configuration: auth.configuration)
            realtime.use(auth)
            for slot in slots { slot.updateBoot(secrets.current, host: Host.missing(of: slot, realtime, secrets.current)) }
            // What holds the old ones is replaced, also where a file was only touched: cheap, and never wrong.
            for slot in slots { slot.invoker.reload() }
            metrics.securityEvent("secrets.reloaded")
            log.notice(
                "secrets.reloaded",
                metadata: ["count": "\(changed.count)", "names": "\(changed.sorted().joined(separator: ","))"])
        } catch {
            metrics.securityEvent("config.reload_failed")
            log.error("config.reload_failed", metadata: ["reason": "\(error)"])
        }
    }

    // MARK: Health

    func report(ready: Bool) async -> HostReport {
        var checks = slots.map { slot in
            let missing = slot.missingSecrets
            let condition = slot.invoker.condition
            var note = "booted"
            if !missing.isEmpty {
                note = "lacks the secret \(missing.map(\.text).joined(separator: ", "))"
            } else if let trouble = condition.trouble {
                note = trouble
            } else if condition.isolated {
                note = "\(condition.ready) of \(condition.wanted) workers ready"
            }
            if let crash = condition.lastCrash {
                note +=
                    "; the last crash was \(clock.monotonic().subtractingClamped(crash.at) / 1_000_000_000) s ago: \(crash.end)"
            }
            return HostReport.Check(
                name: "function:\(slot.name)", passed: missing.isEmpty && condition.trouble == nil, note: note)
        }
        if ready { checks += await probe.checks() }
        let uptime = clock.monotonic().subtractingClamped(startedAt) / 1_000_000_000
        return HostReport(accepting: accepting.load(ordering: .relaxed), uptimeSeconds: Int(clamping: uptime), checks: checks)
    }
}

/// The host, for those made before it, from when it is whole until it is closed. Not weakly: to whom a weak reference leads, every other one
/// costs more, and each request takes several to the host.
final class HostView: Sendable {
    private let reference = Mutex<Host?>(nil)
    func set(_ host: Host?) { reference.withLock { $0 = host } }
    var host: Host? { reference.withLock { $0 } }
}

/// Ids of requests and instances: a random part of the process, and a counter.
final class Identifiers: Sendable {
    private let prefix: UInt64
    private let mask: UInt64
    private let counter = Atomic<UInt64>(0)

    init(prefix: UInt64, mask: UInt64) {
        self.prefix = prefix
        self.mask = mask
    }

    func request() -> RequestID {
        let (_, count) = counter.wrappingAdd(1, ordering: .relaxed)
        // An odd factor keeps the low half unique while it does not look like a counter.
        return RequestID(high: prefix, low: (count &* 0x9E37_79B9_7F4A_7C15) ^ mask)
    }

    func instance() -> String { request().text }
}
