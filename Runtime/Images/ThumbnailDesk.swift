/// Who waits for which picture. One picture is made once, however many want it; the order is that of coming.
struct ThumbnailDesk<Work, Waiter: AnyObject> {
    enum Admission: Equatable {
        /// Somebody is needed to make it.
        case queued
        /// It is waiting or being made already.
        case joined
        /// Too many wait.
        case full
    }

    private struct Entry {
        let work: Work
        var waiters: [Waiter]
        let since: UInt64
        var isRunning = false
    }

    private let hands: Int
    private let places: Int
    private let people: Int
    private var entries: [String: Entry] = [:]
    private var line: [String] = []
    private(set) var running = 0
    private var waiters = 0

    /// - Parameters:
    ///   - hands: how many pictures are made at once.
    ///   - places: how many more may wait.
    ///   - people: how many may wait for all of these pictures.
    init(hands: Int, places: Int, people: Int) {
        self.hands = hands
        self.places = places
        self.people = people
    }

    var waiting: Int { line.count }

    mutating func admit(_ name: String, _ waiter: Waiter, at now: UInt64, _ work: @autoclosure () -> Work) -> Admission {
        guard waiters < people else { return .full }
        if entries[name] != nil {
            entries[name]?.waiters.append(waiter)
            waiters += 1
            return .joined
        }
        guard line.count + running < hands + places else { return .full }
        entries[name] = Entry(work: work(), waiters: [waiter], since: now)
        line.append(name)
        waiters += 1
        return .queued
    }

    /// The next picture to make, and since when it waits.
    mutating func next() -> (name: String, work: Work, since: UInt64)? {
        guard let name = line.first, let entry = entries[name] else { return nil }
        line.removeFirst()
        entries[name]?.isRunning = true
        running += 1
        return (name, entry.work, entry.since)
    }

    /// A picture that was given out by `next` is done, or will not be: who has waited for it.
    mutating func finish(_ name: String) -> [Waiter] {
        guard let entry = entries.removeValue(forKey: name) else { return [] }
        if entry.isRunning { running -= 1 } else { line.removeAll { $0 == name } }
        waiters -= entry.waiters.count
        return entry.waiters
    }

    /// Somebody waits no more. Nobody makes what nobody wants, unless it was begun. False when it was not waited for.
    mutating func leave(_ name: String, _ waiter: Waiter) -> Bool {
        guard let entry = entries[name], let place = entry.waiters.firstIndex(where: { $0 === waiter }) else { return false }
        waiters -= 1
        if entry.waiters.count == 1, !entry.isRunning {
            entries[name] = nil
            line.removeAll { $0 == name }
        } else {
            entries[name]?.waiters.remove(at: place)
        }
        return true
    }

    /// Everybody who waits for a picture that was not begun.
    mutating func close() -> [Waiter] { line.flatMap { finish($0) } }
}
