/// At most so many within any 60 seconds, exactly.
struct RateWindow: Sendable {
    static let milliseconds: Int64 = 60_000
    /// When each was let through, ascending; at most as many as the limit.
    private var times: [Int64] = []

    /// - Returns: `nil` when it is let through, else after how many seconds it would be.
    mutating func admit(_ cost: Int = 1, limit: Int, now: Int64) -> Int? {
        // A time in the future means that the clock was set back; it would block for as long as that was.
        times.removeAll { now &- $0 >= RateWindow.milliseconds || $0 &- now > 1_000 }
        let cost = min(max(cost, 1), max(limit, 1))
        let excess = times.count + cost - limit
        guard excess > 0 else {
            for _ in 0..<cost { times.append(now) }
            return nil
        }
        // Room comes with the moment so many have left the window.
        let leaving = times.indices.contains(excess - 1) ? times[excess - 1] : now
        let wait = max(leaving &+ RateWindow.milliseconds &- now, 1)
        return Int((wait + 999) / 1_000)
    }
}
