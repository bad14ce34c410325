/// A dictionary of at most `capacity` entries that knows which one was used least recently. Every step takes the same time however many
/// there are.
struct BoundedTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Link {
        var older: Int
        var newer: Int
    }

    let capacity: Int
    private var places: [Key: Int] = [:]
    // Side by side and without holes: the last one moves to where one goes.
    private var keys: [Key] = []
    private var values: [Value] = []
    private var links: [Link] = []
    private var oldest = -1
    private var newest = -1

    init(capacity: Int) { self.capacity = max(capacity, 1) }

    var count: Int { keys.count }
    var isFull: Bool { keys.count >= capacity }
    /// In no order.
    var allKeys: [Key] { keys }

    /// Without marking it as used.
    subscript(key: Key) -> Value? { places[key].map { values[$0] } }

    func contains(_ key: Key) -> Bool { places[key] != nil }

    /// Changes what is there and marks it as used; `nil` when nothing is.
    mutating func change<Result>(_ key: Key, _ body: (inout Value) -> Result) -> Result? {
        guard let place = places[key] else { return nil }
        touch(place)
        return body(&values[place])
    }

    /// The same without marking it as used.
    mutating func changeQuietly<Result>(_ key: Key, _ body: (inout Value) -> Result) -> Result? {
        guard let place = places[key] else { return nil }
        return body(&values[place])
    }

    /// Enters a value, or overwrites one, and marks it as used.
    /// - Returns: What had to go for it.
    mutating func insert(_ value: Value, for key: Key) -> (key: Key, value: Value)? {
        if let place = places[key] {
            values[place] = value
            touch(place)
            return nil
        }
        let gone = isFull ? removeOldest() : nil
        let place = keys.count
        keys.append(key)
        values.append(value)
        links.append(Link(older: newest, newer: -1))
        if newest >= 0 { links[newest].newer = place } else { oldest = place }
        newest = place
        places[key] = place
        return gone
    }

    @discardableResult
    mutating func remove(_ key: Key) -> Value? {
        guard let place = places.removeValue(forKey: key) else { return nil }
        return remove(at: place).value
    }

    /// The one that was used least recently.
    mutating func removeOldest() -> (key: Key, value: Value)? {
        guard oldest >= 0 else { return nil }
        places[keys[oldest]] = nil
        return remove(at: oldest)
    }

    private mutating func remove(at place: Int) -> (key: Key, value: Value) {
        unlink(place)
        let last = keys.count - 1
        if place != last {
            keys.swapAt(place, last)
            values.swapAt(place, last)
            links.swapAt(place, last)
            places[keys[place]] = place
            let link = links[place]
            if link.older >= 0 { links[link.older].newer = place } else { oldest = place }
            if link.newer >= 0 { links[link.newer].older = place } else { newest = place }
        }
        links.removeLast()
        return (keys.removeLast(), values.removeLast())
    }

    private mutating func touch(_ place: Int) {
        guard place != newest else { return }
        unlink(place)
        links[place] = Link(older: newest, newer: -1)
        if newest >= 0 { links[newest].newer = place } else { oldest = place }
        newest = place
    }

    private mutating func unlink(_ place: Int) {
        let link = links[place]
        if link.older >= 0 { links[link.older].newer = link.newer } else { oldest = link.newer }
        if link.newer >= 0 { links[link.newer].older = link.older } else { newest = link.older }
    }
}
