package import CoreMetrics
import Synchronization

/// Metrics behind swift-metrics, shown in Prometheus' text format (0.0.4).
///
/// A handle costs one atomic addition when it is used; making one takes a lock, so keep it. The number of series is bounded: over it new
/// ones share a handle that counts for nothing, and `swiftlet_metrics_refused_series_total` says so.
package final class PrometheusRegistry: MetricsFactory {
    private struct State {
        var families: [String: Family] = [:]
        var series = 0
        var refused = 0
    }

    enum Kind: String {
        case counter, gauge, histogram
    }

    struct Family {
        let kind: Kind
        var series: [String: any Series] = [:]
    }

    private let state = Mutex(State())
    private let limit: Int

    package init(seriesLimit: Int = 10_000) { limit = seriesLimit }

    private func series<Made: Series>(_ label: String, _ kind: Kind, _ dimensions: [(String, String)], make: () -> Made) -> Made {
        let name = PrometheusText.name(label, kind)
        let labels = PrometheusText.labels(dimensions, kind)
        return state.withLock { state in
            let family = state.families[name]
            if let known = family?.series[labels] as? Made { return known }
            // One name with two kinds, or one series with two meanings, would be a page nobody can read.
            let isClash =
                family.map { $0.kind != kind || $0.series[labels] != nil }
                ?? PrometheusRegistry.clashes(name, kind, state.families)
            guard !isClash, state.series < limit else {
                state.refused += 1
                return make()
            }
            let made = make()
            state.families[name, default: Family(kind: kind)].series[labels] = made
            state.series += 1
            return made
        }
    }

    /// Whether a new name would write lines of another one: a histogram `a` writes `a_count`.
    private static func clashes(_ name: String, _ kind: Kind, _ families: [String: Family]) -> Bool {
        let parts = ["_bucket", "_sum", "_count"]
        if name == refusedName || kind == .histogram && parts.contains(where: { families[name + $0] != nil }) { return true }
        return parts.contains { name.hasSuffix($0) && families[String(name.dropLast($0.count))]?.kind == .histogram }
    }

    private static let refusedName = "swiftlet_metrics_refused_series_total"

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, .counter, dimensions) { CounterSeries() }
    }

    package func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        series(label, .counter, dimensions) { FloatCounterSeries() }
    }

    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate
            ? series(label, .histogram, dimensions) { HistogramSeries() } as any RecorderHandler
            : series(label, .gauge, dimensions) { FloatSeries() }
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, .gauge, dimensions) { FloatSeries() }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, .histogram, dimensions) { HistogramSeries() }
    }

    // Series live as long as the registry: a page that forgets counters lies about rates.
    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    package func render(into bytes: inout [UInt8]) {
        let (families, refused) = state.withLock { ($0.families, $0.refused) }
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            bytes.append(
                contentsOf: "# HELP \(name) \(PrometheusText.help[name] ?? name)\n# TYPE \(name) \(family.kind.rawValue)\n".utf8)
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) { series.render(name, labels, into: &bytes) }
        }
        let name = PrometheusRegistry.refusedName
        bytes.append(
            contentsOf: "# HELP \(name) series not kept because there were too many\n# TYPE \(name) counter\n\(name) \(refused)\n"
                .utf8)
    }
}

/// Values behind one name and set of labels.
protocol Series: Sendable {
    func render(_ name: String, _ labels: String, into bytes: inout [UInt8])
}

enum PrometheusText {
    static let help = [
        "swiftlet_requests_total": "requests by function, status and reason of refusal",
        "swiftlet_request_duration_seconds": "time from the request head to the end of the answer",
        "swiftlet_requests_in_flight": "requests that have not been answered yet",
        "swiftlet_background_work": "pieces of waitUntil work that go on",
        "swiftlet_connections_open": "client connections",
        "swiftlet_connections_accepted_total": "client connections since the start",
        "swiftlet_connections_refused_total": "client connections closed at once because there were too many",
        "swiftlet_token_cache_hits_total": "tokens found verified",
        "swiftlet_token_cache_misses_total": "tokens verified anew",
        "swiftlet_token_cache_entries": "verified tokens kept",
        "swiftlet_function_running": "invocations of a function that run now",
        "swiftlet_security_events_total": "events of the security log",
    ]

    static func name(_ label: String, _ kind: PrometheusRegistry.Kind) -> String {
        var name = ""
        for byte in label.utf8 {
            let isPlain =
                (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ":")
            name.unicodeScalars.append(isPlain ? Unicode.Scalar(byte) : "_")
        }
        if name.utf8.first.map({ $0 &- 0x30 < 10 }) ?? true { name = "_" + name }
        return kind == .counter && !name.hasSuffix("_total") ? name + "_total" : name
    }

    /// `a="x",b="y"`, sorted, so that the order in which labels are given makes no second series. Names are letters, digits and `_`, no
    /// two alike, and `le` is the histogram's own.
    static func labels(_ dimensions: [(String, String)], _ kind: PrometheusRegistry.Kind) -> String {
        var taken: Set<String> = kind == .histogram ? ["le"] : []
        let pairs = dimensions.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map { dimension in
            var label = String(name(dimension.0, .gauge).map { $0 == ":" ? "_" : $0 })
            while !taken.insert(label).inserted { label += "_" }
            return "\(label)=\"\(escaped(dimension.1))\""
        }
        return pairs.joined(separator: ",")
    }

    private static func escaped(_ value: String) -> String {
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    static func line(_ name: String, _ labels: String, _ value: String, into bytes: inout [UInt8]) {
        bytes.append(contentsOf: name.utf8)
        if !labels.isEmpty { bytes.append(contentsOf: "{\(labels)}".utf8) }
        bytes.append(contentsOf: " \(value)\n".utf8)
    }

    static func text(_ value: Double) -> String {
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value.isNaN ? "NaN" : value == value.rounded() && value.magnitude < 1e15 ? String(Int64(value)) : value.description
    }
}
