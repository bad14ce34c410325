/// The newest messages of one topic, ascending by offset; a value for whoever owns the topic.
package struct MessageRing: Sendable {
    private let messages: Int
    private let limit: Int
    /// What is before `head` has gone already.
    private var stored: [StoredMessage?] = []
    private var head = 0
    /// Sum of ``StoredMessage/cost``.
    package private(set) var bytes = 0

    package init(messages: Int, bytes: Int) {
        self.messages = max(messages, 1)
        limit = bytes
    }

    package var count: Int { stored.count - head }
    package var first: StoredMessage? { count > 0 ? stored[head] : nil }
    package var last: StoredMessage? { count > 0 ? stored[stored.count - 1] : nil }

    /// Enters the newest message and drops the oldest as long as there are too many. A message that alone is over the limit on bytes stays
    /// alone.
    /// - Returns: The offset of the newest that went.
    @discardableResult
    package mutating func append(_ message: StoredMessage) -> UInt64? {
        stored.append(message)
        bytes &+= message.cost
        var gone: UInt64?
        while count > 1, count > messages || bytes > limit { gone = removeFirst()?.offset }
        return gone
    }

    @discardableResult
    package mutating func removeFirst() -> StoredMessage? {
        guard count > 0, let message = stored[head] else { return nil }
        stored[head] = nil
        head += 1
        bytes &-= message.cost
        if head == stored.count {
            stored.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 32, head * 2 >= stored.count {
            stored.removeFirst(head)
            head = 0
        }
        return message
    }

    /// The first `limit` after an offset.
    package func after(_ offset: UInt64, limit: Int) -> [StoredMessage] {
        var low = head
        var high = stored.count
        while low < high {
            let middle = (low + high) / 2
            if let message = stored[middle], message.offset <= offset { low = middle + 1 } else { high = middle }
        }
        return stored[low..<min(stored.count, low + clamped(limit, stored.count - low))].compactMap { $0 }
    }

    /// The newest `limit` of that time or later, oldest first.
    package func since(_ time: Int64, limit: Int) -> [StoredMessage] {
        let wanted = clamped(limit, count)
        var found: [StoredMessage] = []
        var index = stored.count
        // Times may step back a little when a clock is set, so one old message does not end the search.
        while index > head, found.count < wanted {
            index -= 1
            if let message = stored[index], message.time >= time { found.append(message) }
        }
        return found.reversed()
    }

    /// In order.
    package func forEach(_ body: (StoredMessage) -> Void) {
        for case .some(let message) in stored[head...] { body(message) }
    }

    private func clamped(_ limit: Int, _ most: Int) -> Int { min(max(limit, 0), most) }
}
