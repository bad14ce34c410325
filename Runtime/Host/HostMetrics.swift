import CoreMetrics
import Swiftlet
import SwiftletTelemetry
import Synchronization

/// The host's own counters, through swift-metrics. Labels are names of functions and codes, never anything from outside.
final class HostMetrics: Sendable {
    let registry: PrometheusRegistry
    private let events = Mutex<[String: Counter]>([:])
    /// Requests that reached no function.
    let unrouted: FunctionMetrics
    /// The host's own interfaces, which are no functions.
    private let storage: FunctionMetrics
    private let realtime: FunctionMetrics

    init(_ registry: PrometheusRegistry) {
        self.registry = registry
        unrouted = FunctionMetrics("", registry)
        storage = FunctionMetrics("storage", registry)
        realtime = FunctionMetrics("realtime", registry)
    }

    /// Counts an event of the security log under its own name.
    func securityEvent(_ name: String) {
        let counter = events.withLock { events in
            if let counter = events[name] { return counter }
            let counter = Counter(label: "swiftlet_security_events", dimensions: [("event", name)], factory: registry)
            events[name] = counter
            return counter
        }
        counter.increment()
    }

    func workerEnded(_ function: FunctionName, _ reason: String) {
        Counter(
            label: "swiftlet_worker_ends", dimensions: [("function", function.text), ("reason", reason)], factory: registry
        ).increment()
    }

    /// Sets a figure that is read when it is shown.
    func of(_ api: HostAPI) -> FunctionMetrics {
        switch api {
        case .storage: storage
        case .realtime: realtime
        }
    }

    func set(_ name: String, _ value: Int, _ dimensions: [(String, String)] = []) {
        Gauge(label: name, dimensions: dimensions, factory: registry).record(value)
    }
}

/// The handles of one function, made once: a request touches atomics only.
final class FunctionMetrics: Sendable {
    private let name: String
    private let registry: PrometheusRegistry
    private let succeeded: Counter
    private let duration: Timer
    private let others = Mutex<[Key: Counter]>([:])

    private struct Key: Hashable {
        let status: Int
        let reason: String
    }

    init(_ name: String, _ registry: PrometheusRegistry) {
        self.name = name
        self.registry = registry
        succeeded = FunctionMetrics.counter(self.name, 200, "", registry)
        duration = Timer(label: "swiftlet_request_duration_seconds", dimensions: [("function", self.name)], factory: registry)
    }

    func record(status: Int, reason: String?, nanoseconds: UInt64) {
        duration.recordNanoseconds(Int64(clamping: nanoseconds))
        if status == 200, reason == nil { return succeeded.increment() }
        let key = Key(status: status, reason: reason ?? "")
        let counter = others.withLock { others in
            if let counter = others[key] { return counter }
            // Statuses and codes are few unless a function makes them up; those share a series for each class of status.
            let shared = Key(status: status / 100 * 100, reason: "other")
            if others.count >= 64, let counter = others[shared] { return counter }
            let kept = others.count < 64 ? key : shared
            let counter = FunctionMetrics.counter(name, kept.status, kept.reason, registry)
            others[kept] = counter
            return counter
        }
        counter.increment()
    }

    private static func counter(_ name: String, _ status: Int, _ reason: String, _ registry: PrometheusRegistry) -> Counter {
        Counter(
            label: "swiftlet_requests", dimensions: [("function", name), ("status", String(status)), ("reason", reason)],
            factory: registry)
    }
}
