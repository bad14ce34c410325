/// How many events one label may write: 100 in 10 seconds.
struct LabelLimit {
    static let events = 100
    static let window: Int64 = 10_000_000_000
    private var start: Int64 = 0
    private var count = 0
    private(set) var suppressed = 0

    enum Verdict: Equatable {
        /// With the number of events suppressed before it.
        case admitted(suppressed: Int)
        case refused
    }

    func isOver(at now: Int64) -> Bool { count == 0 || now < start || now &- start >= LabelLimit.window }

    mutating func admit(now: Int64) -> Verdict {
        // The window starts with its first event; a clock set back starts another.
        if isOver(at: now) {
            start = now
            count = 0
        }
        guard count < LabelLimit.events else {
            suppressed += 1
            return .refused
        }
        count += 1
        defer { suppressed = 0 }
        return .admitted(suppressed: suppressed)
    }
}

/// The limits of all labels. Their number is bounded: beyond it new labels share one, so that many labels are no way around the limit.
struct LabelLimits {
    static let labels = 4096
    private var limits: [String: LabelLimit] = [:]
    private var shared = LabelLimit()
    private var sweptAt = Int64.min

    var count: Int { limits.count }

    mutating func admit(_ label: String, now: Int64) -> LabelLimit.Verdict {
        if limits[label] == nil, limits.count >= LabelLimits.labels {
            sweep(now)
            if limits.count >= LabelLimits.labels { return shared.admit(now: now) }
        }
        return limits[label, default: LabelLimit()].admit(now: now)
    }

    /// Forgets labels that are quiet and owe nothing; at most once a window, because it looks at all of them.
    private mutating func sweep(_ now: Int64) {
        guard sweptAt == .min || now < sweptAt || now &- sweptAt >= LabelLimit.window else { return }
        sweptAt = now
        limits = limits.filter { !$0.value.isOver(at: now) || $0.value.suppressed > 0 }
    }

    /// What was suppressed and not told yet, label by label; forgets everything.
    mutating func drain() -> [(label: String, suppressed: Int)] {
        var owed = limits.filter { $0.value.suppressed > 0 }.map { (label: $0.key, suppressed: $0.value.suppressed) }
        owed.sort { $0.label < $1.label }
        if shared.suppressed > 0 { owed.append((label: "other", suppressed: shared.suppressed)) }
        self = LabelLimits()
        return owed
    }
}
