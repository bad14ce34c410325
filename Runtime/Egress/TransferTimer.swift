/// When a transfer has taken too long, and for what. Pure: nanoseconds of a monotonic clock come in.
struct TransferTimer {
    enum Phase: Equatable {
        case connecting
        /// The request is being written.
        case sending
        case awaitingHead
        case receiving
    }

    private let timeouts: EgressTimeouts
    private let totalDeadline: Int64
    private(set) var connectDeadline: Int64
    private(set) var phase = Phase.connecting
    private var phaseDeadline: Int64
    /// The function itself holds things up: no idle clock runs.
    private var isHeld = false

    init(timeouts: EgressTimeouts, totalDeadline: Int64, now: Int64) {
        self.timeouts = timeouts
        self.totalDeadline = totalDeadline
        connectDeadline = TransferTimer.add(now, timeouts.connect)
        phaseDeadline = connectDeadline
    }

    /// The next moment at which something is due.
    var deadline: Int64 { isHeld ? totalDeadline : min(totalDeadline, phaseDeadline) }

    /// The failure that is due at `now`, if any.
    func expired(at now: Int64) -> EgressError.Code? {
        if now >= totalDeadline { return .totalTimeout }
        guard !isHeld, now >= phaseDeadline else { return nil }
        switch phase {
        case .connecting: return .connectTimeout
        case .awaitingHead: return .firstByteTimeout
        case .sending, .receiving: return .idleTimeout
        }
    }

    mutating func enter(_ next: Phase, at now: Int64) {
        phase = next
        isHeld = false
        switch next {
        case .connecting: phaseDeadline = connectDeadline
        case .awaitingHead: phaseDeadline = TransferTimer.add(now, timeouts.firstByte)
        case .sending, .receiving: phaseDeadline = TransferTimer.add(now, timeouts.idle)
        }
    }

    /// Bytes moved: the idle clock starts again.
    mutating func moved(at now: Int64) {
        guard phase == .sending || phase == .receiving else { return }
        isHeld = false
        phaseDeadline = TransferTimer.add(now, timeouts.idle)
    }

    mutating func hold() {
        if phase == .sending || phase == .receiving { isHeld = true }
    }

    static func add(_ now: Int64, _ duration: Duration) -> Int64 {
        let parts = duration.components
        // A day is longer than any deadline here, and keeps the sum far from overflow.
        let seconds = min(max(parts.seconds, 0), 86_400)
        return now + seconds * 1_000_000_000 + max(parts.attoseconds, 0) / 1_000_000_000
    }
}
