/// Who waits for a time, the earliest first. Anybody is taken out again without a search.
///
/// Times mostly come in order, because all in one line wait equally long: then each step is a few words, whatever the length of the line. A
/// waiter in the middle goes as cheaply as one at an end, and its place is used again: memory follows the most that ever waited at once.
struct WaitingLine<Waiter> {
    /// Good until its waiter is removed or taken.
    typealias Place = Int32

    private struct Entry {
        var time: UInt64
        var before: Place
        var after: Place
        var waiter: Waiter?
    }

    private static var nowhere: Place { -1 }
    /// More entries than this are given back when nobody waits.
    private static var kept: Int { 4096 }

    private var entries: [Entry] = []
    private var first = nowhere
    private var last = nowhere
    /// Entries nobody is in, linked by `after`.
    private var free = nowhere

    /// When the first one's time comes.
    var nextTime: UInt64? { first < 0 ? nil : entries[Int(first)].time }

    mutating func add(_ waiter: Waiter, until time: UInt64) -> Place {
        var before = last
        while before >= 0, entries[Int(before)].time > time { before = entries[Int(before)].before }
        let after = before >= 0 ? entries[Int(before)].after : first
        let entry = Entry(time: time, before: before, after: after, waiter: waiter)
        let place: Place
        if free >= 0 {
            place = free
            free = entries[Int(place)].after
            entries[Int(place)] = entry
        } else {
            place = Place(entries.count)
            entries.append(entry)
        }
        if before >= 0 { entries[Int(before)].after = place } else { first = place }
        if after >= 0 { entries[Int(after)].before = place } else { last = place }
        return place
    }

    mutating func remove(_ place: Place) {
        let (before, after) = (entries[Int(place)].before, entries[Int(place)].after)
        if before >= 0 { entries[Int(before)].after = after } else { first = after }
        if after >= 0 { entries[Int(after)].before = before } else { last = before }
        if first < 0, entries.count > Self.kept {
            entries = []
            free = Self.nowhere
        } else {
            entries[Int(place)].waiter = nil
            entries[Int(place)].after = free
            free = place
        }
    }

    /// The first one, once its time has come.
    mutating func takeDue(at now: UInt64) -> Waiter? {
        guard first >= 0, entries[Int(first)].time <= now else { return nil }
        let waiter = entries[Int(first)].waiter
        remove(first)
        return waiter
    }
}
