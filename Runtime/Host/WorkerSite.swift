import Logging
import Swiftlet
import SwiftletSecrets
import SwiftletTelemetry

/// What the invoker of one function needs of its host, and where its news goes.
struct WorkerSite {
    private let registration: Registration
    private let identifiers: Identifiers
    private let secrets: SecretStore
    private let settings: SettingValues
    private let view: HostView

    init(_ registration: Registration, executionIDs: Identifiers, secrets: SecretStore, settings: SettingValues, view: HostView) {
        self.registration = registration
        identifiers = executionIDs
        self.secrets = secrets
        self.settings = settings
        self.view = view
    }

    func invokerSite(_ capabilities: any Capabilities, _ configuration: HostConfiguration) -> InvokerSite {
        let (name, policy) = (registration.name, registration.policy)
        let (identifiers, secrets, view) = (identifiers, secrets, view)
        return InvokerSite(
            capabilities: capabilities, clock: configuration.clock, newExecutionID: { identifiers.instance() },
            secrets: {
                let current = secrets.current
                var values: [(name: String, value: [UInt8])] = []
                for secret in policy.secrets {
                    guard let value = current.value(secret, forFunction: name) else { return nil }
                    values.append((secret.text, value.withBytes { Array($0) }))
                }
                for secret in policy.optionalSecrets {
                    guard let value = current.value(secret, forFunction: name) else { continue }
                    values.append((secret.text, value.withBytes { Array($0) }))
                }
                return values
            },
            settings: policy.settings.filter { settings.isSet($0) }.map { ($0.name, settings.value($0)) },
            allowsPrivateEgress: configuration.privateEgress.contains(name.text),
            report: { view.host?.heard($0, of: name) })
    }
}

extension Host {
    static func invoker(
        _ registration: Registration, _ capabilities: HostCapabilities, _ configuration: HostConfiguration, site: () -> WorkerSite
    ) -> any Invoker {
        guard let isolation = configuration.isolation else {
            return InlineInvoker(registration, capabilities: capabilities, clock: configuration.clock)
        }
        return isolation.invoker(for: registration, site: site().invokerSite(capabilities, configuration))
    }

    /// News of a function's workers: a line of the log and a figure.
    func heard(_ event: WorkerEvent, of function: FunctionName) {
        let log = logger("workers", of: function)
        var metadata: Logger.Metadata = ["function": "\(function)"]
        switch event {
        case .booted(let executionID, let process, let nanoseconds, let active, let missing):
            metadata["execution_id"] = "\(executionID)"
            metadata["pid"] = "\(process)"
            metadata["contained_by"] = "\(active.joined(separator: ","))"
            if !missing.isEmpty { metadata["not_contained_by"] = "\(missing.joined(separator: "; "))" }
            log.info("booted (time: \(nanoseconds / 1_000_000)ms)", metadata: metadata)
        case .ended(let end, let executionID, let process, let inFlight, let tail, let suspect, let asAsked):
            metadata["execution_id"] = "\(executionID)"
            metadata["pid"] = "\(process)"
            metadata["reason"] = "\(end.reason)"
            metadata["in_flight"] = "\(inFlight)"
            metrics.workerEnded(function, end.reason)
            guard end.isCrash, !asAsked else {
                log.info("shutdown", metadata: metadata)
                return
            }
            metrics.securityEvent("worker.crashed")
            metadata["detail"] = "\(end)"
            if let suspect { metadata["request_id"] = "\(suspect)" }
            if !tail.isEmpty { metadata["stderr"] = "\(tail.suffix(5).joined(separator: " | "))" }
            log.error("worker.crashed", metadata: metadata)
        case .retiring(let reason, let executionID):
            metadata["execution_id"] = "\(executionID)"
            metadata["reason"] = "\(reason)"
            metrics.securityEvent("worker.replaced")
            log.warning("worker.replaced", metadata: metadata)
        case .crashLoop(let failures, let retryAfter):
            metadata["failures"] = "\(failures)"
            metadata["next_start_ms"] =
                "\(retryAfter.components.seconds * 1000 + retryAfter.components.attoseconds / 1_000_000_000_000_000)"
            log.error("the function is in a crash loop; it answers 503 until a worker holds", metadata: metadata)
        case .egressDenied(let host, let kind):
            metrics.securityEvent("egress.denied")
            metadata["host"] = "\(host)"
            metadata["class"] = "\(kind)"
            log.warning("egress.denied", metadata: metadata)
        case .resent(let count):
            metadata["requests"] = "\(count)"
            log.info("requests that no worker had begun were given to another", metadata: metadata)
        }
    }
}
