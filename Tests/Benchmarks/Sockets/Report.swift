/// Counts of nanoseconds in buckets that are 1.6 % wide, so that percentiles of millions cost nothing to keep.
struct Histogram {
    private static let steps = 64
    private let buckets: UnsafeMutablePointer<Int>
    private static let count = steps * 64
    private(set) var total = 0
    private(set) var greatest: Int64 = 0

    init() {
        buckets = .allocate(capacity: Histogram.count)
        buckets.initialize(repeating: 0, count: Histogram.count)
    }

    @inline(__always) mutating func add(_ value: Int64) {
        let value = max(value, 1)
        total &+= 1
        if value > greatest { greatest = value }
        let power = 63 &- value.leadingZeroBitCount
        let step = power >= 6 ? Int(value >> Int64(power &- 6)) & 63 : Int(value) & 63
        buckets[power &* Histogram.steps &+ step] &+= 1
    }

    mutating func clear() {
        buckets.update(repeating: 0, count: Histogram.count)
        total = 0
        greatest = 0
    }

    /// Milliseconds below which this share of the values lies.
    func percentile(_ share: Double) -> Double {
        guard total > 0 else { return 0 }
        let wanted = max(1, Int((Double(total) * share).rounded(.up)))
        var seen = 0
        for bucket in 0..<Histogram.count {
            seen += buckets[bucket]
            if seen >= wanted {
                let power = bucket / Histogram.steps
                let step = Double(bucket % Histogram.steps)
                let low = power >= 6 ? Double(1 << power) * (1 + step / 64) : step
                return min(low * (power >= 6 ? 1 + 1 / 128.0 : 1), Double(greatest)) / 1e6
            }
        }
        return Double(greatest) / 1e6
    }

    var summary: Fields {
        [
            ("p50_ms", .number(percentile(0.5))), ("p95_ms", .number(percentile(0.95))), ("p99_ms", .number(percentile(0.99))),
            ("max_ms", .number(Double(greatest) / 1e6)),
        ]
    }
}

typealias Fields = [(String, Field)]

/// Just enough JSON for one line.
indirect enum Field {
    case count(Int), number(Double), flag(Bool), word(String), object(Fields), list([Field])

    var text: String {
        switch self {
        case .count(let value): "\(value)"
        case .number(let value): "\((value * 10000).rounded() / 10000)"
        case .flag(let value): "\(value)"
        case .word(let value): "\"\(value)\""
        case .object(let fields): "{" + fields.map { "\"\($0.0)\": \($0.1.text)" }.joined(separator: ", ") + "}"
        case .list(let all): "[" + all.map(\.text).joined(separator: ", ") + "]"
        }
    }
}
