import CoreMetrics
import Foundation
import Testing

@testable import SwiftletTelemetry

/// A page of metrics, read strictly; `nil` when it is none.
private struct Page {
    var kinds: [String: String] = [:]
    var values: [String: Double] = [:]

    init?(_ text: String) {
        guard text.hasSuffix("\n") else { return nil }
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# TYPE ") {
                let words = line.split(separator: " ")
                guard words.count == 4, kinds.updateValue(String(words[3]), forKey: String(words[2])) == nil else { return nil }
            } else if !line.hasPrefix("# HELP ") {
                guard let space = line.lastIndex(of: " "),
                    let value = Double(line[line.index(after: space)...].replacingOccurrences(of: "+Inf", with: "inf"))
                else { return nil }
                let key = String(line[..<space])
                guard Page.isSeries(key), values.updateValue(value, forKey: key) == nil else { return nil }
            }
        }
    }

    private static func isSeries(_ key: String) -> Bool {
        var rest = Array(key.utf8)[...]
        func name(colon: Bool) -> Bool {
            let start = rest.count
            while let byte = rest.first,
                (byte | 0x20) &- 0x61 < 26 || byte == 0x5F || colon && byte == 0x3A || start > rest.count && byte &- 0x30 < 10
            {
                rest.removeFirst()
            }
            return rest.count < start
        }
        guard name(colon: true) else { return false }
        guard rest.first == UInt8(ascii: "{") else { return rest.isEmpty }
        while let byte = rest.popFirst(), byte != UInt8(ascii: "}") {
            guard name(colon: false), rest.popFirst() == UInt8(ascii: "="), rest.popFirst() == UInt8(ascii: "\"") else {
                return false
            }
            while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
                if byte == UInt8(ascii: "\\"), let next = rest.popFirst(), !"\\n\"".utf8.contains(next) { return false }
            }
        }
        return rest.isEmpty
    }
}

extension PrometheusRegistry {
    fileprivate func page() throws -> Page {
        var bytes: [UInt8] = []
        render(into: &bytes)
        return try #require(Page(String(decoding: bytes, as: UTF8.self)))
    }
}

@Suite struct MetricsTests {
    private let refused = "swiftlet_metrics_refused_series_total"

    @Test func `counters count and never go down`() throws {
        let registry = PrometheusRegistry()
        let counter = registry.makeCounter(label: "hits", dimensions: [("b", "2"), ("a", "1")])
        counter.increment(by: 2)
        counter.increment(by: -5)
        registry.makeCounter(label: "hits_total", dimensions: [("a", "1"), ("b", "2")]).increment(by: 1)
        let float = registry.makeFloatingPointCounter(label: "cost", dimensions: [])
        for amount in [1.5, .nan, .infinity, -1] { float.increment(by: amount) }
        let page = try registry.page()
        #expect(page.values["hits_total{a=\"1\",b=\"2\"}"] == 3)
        #expect(page.values["cost_total"] == 1.5)
        #expect(page.kinds["hits_total"] == "counter")
        #expect(!page.kinds.keys.contains { $0.contains("_total_total") })
    }

    @Test func `gauges are set, raised and lowered`() throws {
        let registry = PrometheusRegistry()
        let meter = registry.makeMeter(label: "open", dimensions: [])
        meter.set(Int64(5))
        meter.increment(by: 2)
        meter.decrement(by: 3.5)
        registry.makeRecorder(label: "last", dimensions: [], aggregate: false).record(Double.infinity)
        let page = try registry.page()
        #expect(page.values["open"] == 3.5)
        #expect(page.values["last"] == .infinity)
        #expect(page.kinds["open"] == "gauge")
    }

    @Test func `histogram buckets are cumulative and end with the count`() throws {
        let registry = PrometheusRegistry()
        let timer = registry.makeTimer(label: "t", dimensions: [("f", "x"), ("le", "mine")])
        for duration in [0, 1_000_000, 1_000_001, 70_000_000_000, -5] as [Int64] { timer.recordNanoseconds(duration) }
        let page = try registry.page()
        let prefix = "t_bucket{f=\"x\",le_=\"mine\",le=\""
        let buckets = (HistogramSeries.bounds.map(PrometheusText.text) + ["+Inf"]).compactMap { page.values[prefix + $0 + "\"}"] }
        #expect(buckets.count == HistogramSeries.bounds.count + 1)
        #expect(buckets == buckets.sorted())
        #expect(page.values[prefix + "0.001\"}"] == 3)
        #expect(page.values[prefix + "0.0025\"}"] == 4)
        #expect(buckets.last == 5)
        #expect(page.values["t_count{f=\"x\",le_=\"mine\"}"] == 5)
        #expect(abs((page.values["t_sum{f=\"x\",le_=\"mine\"}"] ?? 0) - 70.002000001) < 1e-6)
    }

    @Test func `the sum of large numbers does not wrap`() throws {
        let registry = PrometheusRegistry()
        let sizes = registry.makeRecorder(label: "size", dimensions: [], aggregate: true)
        for _ in 0..<20 { sizes.record(Int64(4_000_000_000)) }
        sizes.record(Double.nan)
        #expect(try registry.page().values["size_sum"] == 80_000_000_000)
    }

    @Test func `labels and names from anywhere make a readable page`() throws {
        let registry = PrometheusRegistry()
        let label = [("a-b", "q\"\\\n\r\n}"), ("a_b", ""), ("1:x", "é"), ("", "x"), ("a-b", "z")]
        registry.makeCounter(label: "9 weird{name}\n", dimensions: label).increment(by: 1)
        registry.makeMeter(label: "", dimensions: []).set(1.0)
        registry.makeCounter(label: "swiftlet_metrics_refused_series", dimensions: []).increment(by: 1)
        let page = try registry.page()
        #expect(page.values.keys.contains { $0.hasPrefix("_9_weird_name___total{") && $0.contains("q\\\"\\\\\\n") })
        #expect(page.values[refused] == 1)
    }

    @Test func `one name keeps its first kind`() throws {
        let registry = PrometheusRegistry()
        registry.makeMeter(label: "a_total", dimensions: []).set(1.0)
        registry.makeCounter(label: "a", dimensions: []).increment(by: 7)
        let kept = registry.makeCounter(label: "b", dimensions: [])
        registry.makeFloatingPointCounter(label: "b", dimensions: []).increment(by: 5)
        kept.increment(by: 2)
        registry.makeTimer(label: "h", dimensions: []).recordNanoseconds(1)
        registry.makeMeter(label: "h_count", dimensions: []).set(9.0)
        let page = try registry.page()
        #expect(page.values["a_total"] == 1)
        #expect(page.values["b_total"] == 2)
        #expect(page.values["h_count"] == 1)
        #expect(page.values[refused] == 3)
    }

    @Test func `series are bounded and the known ones go on`() throws {
        let registry = PrometheusRegistry(seriesLimit: 10)
        for index in 0..<25 { registry.makeCounter(label: "c", dimensions: [("i", "\(index)")]).increment(by: 1) }
        registry.makeCounter(label: "c", dimensions: [("i", "3")]).increment(by: 1)
        let page = try registry.page()
        #expect(page.values.count == 11)
        #expect(page.values["c_total{i=\"3\"}"] == 2)
        #expect(page.values[refused] == 15)
    }

    @Test func `many threads lose no count`() throws {
        let registry = PrometheusRegistry()
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            let counter = registry.makeFloatingPointCounter(label: "n", dimensions: [])
            let timer = registry.makeTimer(label: "t", dimensions: [])
            for _ in 0..<1000 {
                counter.increment(by: 1)
                timer.recordNanoseconds(1_000_000_000)
            }
        }
        let page = try registry.page()
        #expect(page.values["n_total"] == 4000)
        #expect(page.values["t_sum"] == 4000)
        #expect(page.values["t_count"] == 4000)
    }
}
