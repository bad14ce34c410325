package import Logging
import NIOCore
package import Swiftlet

/// What a function may use, seen from its worker: its secrets and settings were handed over at boot, its way out is the worker's own, the
/// rest is asked of the host.
package final class RemoteCapabilities: Capabilities {
    private let name: FunctionName
    private let policy: Policy
    private let secrets: [String: Secret]
    private let settings: [String: String]
    private let link: WorkerLink
    private let outbound: @Sendable (OutboundRequest) async throws -> OutboundResponse
    package let logger: Logger

    package init(
        _ registration: Registration, boot: BootFrame, link: WorkerLink,
        fetch: @escaping @Sendable (OutboundRequest) async throws -> OutboundResponse
    ) {
        name = registration.name
        policy = registration.policy
        secrets = Dictionary(boot.secrets.map { ($0.name, Secret(bytes: $0.value)) }) { first, _ in first }
        settings = Dictionary(boot.settings.map { ($0.name, $0.value) }) { first, _ in first }
        self.link = link
        outbound = fetch
        logger = Logger(label: registration.name.text) { _ in LinkLogHandler(link: link) }
    }

    package func secret(_ name: SecretName) throws(HTTPError) -> Secret {
        // The host hands over declared ones only, and all that are needed.
        guard policy.secrets.contains(name), let secret = secrets[name.text] else { throw .undeclaredSecret(name, of: self.name) }
        return secret
    }

    package func optionalSecret(_ name: SecretName) -> Secret? {
        guard policy.allSecrets.contains(name) else {
            logger.undeclaredOptionalSecret(name, of: self.name)
            return nil
        }
        return secrets[name.text]
    }

    package func setting(_ setting: Setting) -> String {
        guard policy.settings.contains(where: { $0.name == setting.name }) else {
            logger.error("the setting \(setting.name) is not in the policy of \(name); add it to `settings:`")
            return setting.defaultValue
        }
        return settings[setting.name] ?? setting.defaultValue
    }

    package func fetch(_ request: OutboundRequest) async throws -> OutboundResponse { try await outbound(request) }

    package func checkRateLimit(_ key: String, limit: Int, window: Duration) async throws -> RateLimitAnswer {
        try check(key)
        switch await link.call(.checkRateLimit(key: key, limit: limit, nanoseconds: window.clampedNanoseconds)) {
        case .rateLimit(let answer): return answer
        case .refused(let error): throw error
        default: throw RemoteCapabilities.odd
        }
    }

    package func resetRateLimit(_ key: String, limit: Int, window: Duration) async throws {
        try check(key)
        switch await link.call(.resetRateLimit(key: key, limit: limit, nanoseconds: window.clampedNanoseconds)) {
        case .done: return
        case .refused(let error): throw error
        default: throw RemoteCapabilities.odd
        }
    }

    package func reserve(_ amount: Int, from quotas: [Quota]) async throws -> QuotaAnswer {
        try await ask(.reserve(amount, quotas: quotas), of: quotas)
    }

    package func settle(_ quotas: [Quota], reserved: Int, used: Int) async throws -> QuotaAnswer {
        try await ask(.settle(quotas: quotas, reserved: reserved, used: used), of: quotas)
    }

    private func ask(_ call: Call, of quotas: [Quota]) async throws -> QuotaAnswer {
        if let error = HTTPError.unfit(quotas) { throw error }
        switch await link.call(call) {
        case .quotas(let answer): return answer
        case .refused(let error): throw error
        default: throw RemoteCapabilities.odd
        }
    }

    package func count(_ key: CounterKey, by amount: Int) { link.count(key, by: amount) }

    package func hostReport(ready: Bool) async throws -> HostReport {
        switch await link.call(.hostReport(ready: ready)) {
        case .report(let report): return report
        case .refused(let error): throw error
        default: throw RemoteCapabilities.odd
        }
    }

    package func storage(_ ask: StorageAsk, for invocation: InvocationReference) async throws -> StorageTold {
        var written = ByteBuffer()
        written.reserveCapacity(512)
        Call.storage(ask, stream: invocation.stream).write(to: &written)
        guard written.readableBytes <= Frame.maximumPayload else {
            throw HTTPError(413, .payloadTooLarge, "This is too much for one call of the storage; ask for less at a time")
        }
        switch await link.call(written: written) {
        case .storage(let told): return told
        case .refused(let error): throw error
        default: throw RemoteCapabilities.odd
        }
    }

    package func realtime(_ ask: RealtimeAsk, for invocation: InvocationReference) async throws -> RealtimeTold {
        var written = ByteBuffer()
        Call.realtime(ask, stream: invocation.stream).write(to: &written)
        guard written.readableBytes <= Frame.maximumPayload else {
            throw HTTPError(
                413, .payloadTooLarge, "This message is too large for one call; a frame holds \(Frame.maximumPayload) bytes")
        }
        switch await link.call(written: written) {
        case .realtime(let told): return told
        case .refused(let error): throw error
        default: throw RemoteCapabilities.odd
        }
    }

    private func check(_ key: String) throws(HTTPError) {
        guard key.utf8.count <= Call.longestKey else {
            throw HTTPError(
                500, .edgeFunctionError, "Internal Server Error",
                cause: "checkRateLimit: the key is longer than \(Call.longestKey) bytes")
        }
    }

    private static let odd = HTTPError(
        500, .edgeFunctionError, "Internal Server Error", cause: "the host answered another question than was asked")
}

/// Sends a function's log lines to the host, which labels, limits and writes them.
private struct LinkLogHandler: LogHandler {
    let link: WorkerLink
    var metadata: Logger.Metadata = [:]
    /// The host decides again, by its own level.
    var logLevel = Logger.Level.trace

    init(link: WorkerLink) { self.link = link }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let level = Logger.Level.allCases.firstIndex(of: event.level) ?? 2
        link.log(
            LogFrame(
                level: UInt8(level), message: LogLines.shortened("\(event.message)", to: LogLines.longestLine),
                metadata: all.sorted { $0.key < $1.key }.prefix(16).map {
                    (LogLines.shortened($0.key, to: 256), LogLines.shortened("\($0.value)", to: 2048))
                }))
    }
}
