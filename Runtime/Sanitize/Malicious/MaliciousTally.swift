/// Points that lie close together count together: a word here and a quote three pages on make no attack.
struct MaliciousTally {
    /// Tokens after which a run of signs is over.
    private static let reach = 40

    private(set) var best = 0
    private var running = 0
    private var last = 0

    mutating func add(_ points: Int, at place: Int) {
        running = place &- last > Self.reach ? points : min(running &+ points, 100)
        last = place
        best = max(best, running)
    }
}
