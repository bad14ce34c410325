import CoreMetrics
import Swiftlet
import SwiftletTelemetry
import Synchronization

/// What one function counts, through swift-metrics. However many names and values it makes up, it gets so many series and no more.
final class FunctionCounters: Sendable {
    static let mostSeries = 200
    /// Further ones for what came too late: one for each name, while there are few names.
    private static let mostOthers = 16

    private struct State {
        var counters: [CounterKey: Counter] = [:]
        var others: [CounterKey: Counter] = [:]
    }
    private let function: FunctionName
    private let registry: PrometheusRegistry
    private let state = Mutex(State())

    init(_ function: FunctionName, _ registry: PrometheusRegistry) {
        self.function = function
        self.registry = registry
    }

    func count(_ key: CounterKey, by amount: Int) {
        guard amount > 0 else { return }
        counter(key).increment(by: min(amount, CounterKey.largestAmount))
    }

    private func counter(_ key: CounterKey) -> Counter {
        state.withLock { state in
            if let counter = state.counters[key] { return counter }
            if state.counters.count < FunctionCounters.mostSeries {
                let counter = make(key)
                state.counters[key] = counter
                return counter
            }
            var other = key.others
            if state.others[other] == nil, state.others.count >= FunctionCounters.mostOthers { other = .others }
            if let counter = state.others[other] { return counter }
            let counter = make(other)
            state.others[other] = counter
            return counter
        }
    }

    private func make(_ key: CounterKey) -> Counter {
        Counter(
            label: "swiftlet_function_" + key.name,
            dimensions: [("function", function.text)] + key.labels.map { ($0.name, $0.value) }, factory: registry)
    }
}
