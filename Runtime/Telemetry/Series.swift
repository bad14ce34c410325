import CoreMetrics
import Synchronization

final class CounterSeries: CounterHandler, Series {
    private let value = Atomic<Int64>(0)
    /// A counter never goes down, and stays where it is when it cannot go up: functions count what they like.
    func increment(by amount: Int64) {
        guard amount > 0 else { return }
        let (old, new) = value.wrappingAdd(amount, ordering: .relaxed)
        if new < old { value.store(.max, ordering: .relaxed) }
    }
    func reset() { value.store(0, ordering: .relaxed) }
    func render(_ name: String, _ labels: String, into bytes: inout [UInt8]) {
        PrometheusText.line(name, labels, String(value.load(ordering: .relaxed)), into: &bytes)
    }
}

/// A double that many threads change.
struct AtomicDouble: ~Copyable {
    private let bits = Atomic<UInt64>(0)
    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    func add(_ amount: Double) {
        var current = bits.load(ordering: .relaxed)
        while true {
            let next = (Double(bitPattern: current) + amount).bitPattern
            let (exchanged, original) = bits.weakCompareExchange(expected: current, desired: next, ordering: .relaxed)
            if exchanged { return }
            current = original
        }
    }
}

/// A floating-point counter: it never goes down, and no amount makes it useless.
final class FloatCounterSeries: FloatingPointCounterHandler, Series {
    private let sum = AtomicDouble()
    func increment(by amount: Double) { if amount > 0, amount.isFinite { sum.add(amount) } }
    func reset() { sum.set(0) }
    func render(_ name: String, _ labels: String, into bytes: inout [UInt8]) {
        PrometheusText.line(name, labels, PrometheusText.text(sum.value), into: &bytes)
    }
}

/// A number that is set or added to: gauges and meters.
final class FloatSeries: RecorderHandler, MeterHandler, Series {
    private let number = AtomicDouble()
    func increment(by amount: Double) { number.add(amount) }
    func decrement(by amount: Double) { number.add(-amount) }
    func set(_ value: Double) { number.set(value) }
    func set(_ value: Int64) { number.set(Double(value)) }
    func record(_ value: Int64) { number.set(Double(value)) }
    func record(_ value: Double) { number.set(value) }
    func render(_ name: String, _ labels: String, into bytes: inout [UInt8]) {
        PrometheusText.line(name, labels, PrometheusText.text(number.value), into: &bytes)
    }
}

/// A histogram of seconds (timers) or of plain numbers (recorders).
final class HistogramSeries: TimerHandler, RecorderHandler, Series {
    /// Upper bounds, in seconds.
    static let bounds: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]
    private static let nanoseconds: [Int64] = bounds.map { Int64(($0 * 1e9).rounded()) }

    /// Counts per bucket, the last one for everything beyond; then the sum.
    private let counts: [Cell]
    private let sum = AtomicDouble()

    final class Cell: Sendable {
        let value = Atomic<Int64>(0)
    }

    init() { counts = (0...HistogramSeries.bounds.count).map { _ in Cell() } }

    func recordNanoseconds(_ duration: Int64) {
        let duration = max(0, duration)
        var index = 0
        while index < HistogramSeries.nanoseconds.count, duration > HistogramSeries.nanoseconds[index] { index += 1 }
        counts[index].value.wrappingAdd(1, ordering: .relaxed)
        sum.add(Double(duration) / 1e9)
    }

    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) {
        guard value.isFinite else { return }
        let index = HistogramSeries.bounds.firstIndex { value <= $0 } ?? HistogramSeries.bounds.count
        counts[index].value.wrappingAdd(1, ordering: .relaxed)
        sum.add(value)
    }

    func render(_ name: String, _ labels: String, into bytes: inout [UInt8]) {
        var total: Int64 = 0
        let separator = labels.isEmpty ? "" : ","
        for (index, cell) in counts.enumerated() {
            total += cell.value.load(ordering: .relaxed)
            let bound = index < HistogramSeries.bounds.count ? PrometheusText.text(HistogramSeries.bounds[index]) : "+Inf"
            PrometheusText.line(name + "_bucket", labels + separator + "le=\"\(bound)\"", String(total), into: &bytes)
        }
        PrometheusText.line(name + "_sum", labels, PrometheusText.text(sum.value), into: &bytes)
        PrometheusText.line(name + "_count", labels, String(total), into: &bytes)
    }
}
