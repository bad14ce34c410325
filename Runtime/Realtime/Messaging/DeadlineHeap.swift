/// What is due next. Entries are not taken out when they lose their reason: whoever takes one looks whether it still holds.
struct DeadlineHeap<Element: Sendable>: Sendable {
    private var entries: [(time: Int64, element: Element)] = []

    var count: Int { entries.count }
    var first: Int64? { entries.first?.time }

    mutating func push(_ element: Element, at time: Int64) {
        entries.append((time, element))
        var index = entries.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard entries[index].time < entries[parent].time else { break }
            entries.swapAt(index, parent)
            index = parent
        }
    }

    /// The first one, if its time has come.
    mutating func pop(by now: Int64) -> Element? {
        guard let first = entries.first, first.time <= now else { return nil }
        entries.swapAt(0, entries.count - 1)
        entries.removeLast()
        sink(0)
        return first.element
    }

    mutating func keep(_ holds: (Element) -> Bool) {
        entries.removeAll { !holds($0.element) }
        for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) { sink(index) }
    }

    private mutating func sink(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < entries.count && entries[child].time < entries[least].time {
                least = child
            }
            if least == index { return }
            entries.swapAt(index, least)
            index = least
        }
    }
}
