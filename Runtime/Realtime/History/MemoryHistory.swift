internal import Synchronization

/// Logs in memory: for hosts that need no more, and for tests.
///
/// Bounded in every direction: the oldest messages make room for new ones, and the topic that was used least recently for new topics (it
/// begins with a new epoch when it comes back).
package final class MemoryHistory: HistoryStore {
    private struct Log {
        let epoch: String
        var last: UInt64
        var first: UInt64
        var ring: MessageRing
        /// Tells this log from an earlier one of the same name.
        let serial: UInt64
        /// Since when nobody has used it; `nil` when somebody has since the last time it was pruned.
        var idleSince: Int64?

        @discardableResult
        mutating func removeFirst() -> StoredMessage? {
            guard let gone = ring.removeFirst() else { return nil }
            first = gone.offset &+ 1
            return gone
        }
    }

    private struct Entry {
        let key: TopicKey
        let serial: UInt64
        let offset: UInt64
    }

    private struct State {
        var logs: BoundedTable<TopicKey, Log>
        /// Every message in the order it came; some of these have gone already.
        var order: [Entry] = []
        var head = 0
        var count = 0
        var bytes = 0
        var serial: UInt64 = 0
        var isClosed = false
    }

    private let messagesPerTopic: Int
    private let bytes: Int
    private let state: Mutex<State>

    package init(topics: Int = 10_000, messagesPerTopic: Int = 1_000, bytes: Int = 64 << 20) {
        self.messagesPerTopic = messagesPerTopic
        self.bytes = bytes
        state = Mutex(State(logs: BoundedTable(capacity: topics)))
    }

    private func use<Value>(_ body: (inout State) throws -> Value) throws -> Value {
        try state.withLock { state in
            guard !state.isClosed else { throw HistoryError.closed }
            return try body(&state)
        }
    }

    package func position(of topic: String, isPrivate: Bool) async throws -> TopicPosition {
        try use { state in
            let key = TopicKey(topic, isPrivate)
            let known = state.logs.change(key) { log in
                log.idleSince = nil
                return TopicPosition(epoch: log.epoch, lastOffset: log.last, firstOffset: log.first)
            }
            if let known { return known }
            let position = TopicPosition(epoch: Epoch.random())
            begin(key, position, in: &state)
            return position
        }
    }

    private func begin(_ key: TopicKey, _ position: TopicPosition, in state: inout State) {
        state.serial += 1
        let log = Log(
            epoch: position.epoch, last: position.lastOffset, first: position.firstOffset,
            ring: MessageRing(messages: messagesPerTopic, bytes: bytes), serial: state.serial)
        if let gone = state.logs.insert(log, for: key) {
            state.count -= gone.value.ring.count
            state.bytes -= gone.value.ring.bytes
        }
    }

    package func append(_ messages: [StoredMessage]) async throws {
        try use { state in
            var last: [TopicKey: UInt64] = [:]
            // Forgotten ones; their owners know them still.
            var made: [TopicKey: TopicPosition] = [:]
            for message in messages {
                let key = TopicKey(message.topic, message.isPrivate)
                let log = state.logs[key]
                if let log, let epoch = message.epoch, epoch != log.epoch { throw HistoryError.unknownTopic }
                if log == nil, let epoch = message.epoch, last[key] == nil, message.offset > 0 {
                    made[key] = TopicPosition(epoch: epoch, lastOffset: message.offset - 1, firstOffset: message.offset)
                    last[key] = message.offset - 1
                }
                if let epoch = message.epoch, let position = made[key], position.epoch != epoch {
                    throw HistoryError.unknownTopic
                }
                guard let before = last[key] ?? log?.last else { throw HistoryError.unknownTopic }
                guard message.offset > before, Int64(exactly: message.offset) != nil else { throw HistoryError.outOfOrder }
                last[key] = message.offset
            }
            for (key, position) in made { begin(key, position, in: &state) }
            for message in messages { enter(message, in: &state) }
        }
    }

    private func enter(_ message: StoredMessage, in state: inout State) {
        let key = TopicKey(message.topic, message.isPrivate)
        let change = state.logs.change(key) { log -> (count: Int, bytes: Int, serial: UInt64) in
            let before = (log.ring.count, log.ring.bytes)
            log.idleSince = nil
            log.last = message.offset
            if let gone = log.ring.append(message) { log.first = gone &+ 1 }
            return (log.ring.count - before.0, log.ring.bytes - before.1, log.serial)
        }
        guard let change else { return }
        state.count += change.count
        state.bytes += change.bytes
        state.order.append(Entry(key: key, serial: change.serial, offset: message.offset))
        if state.order.count - state.head > 2 * state.count + 1_024 { compact(&state) }
        while state.bytes > bytes, state.count > 1, removeOldest(&state) {}
    }

    /// Drops the message that came first of all.
    private func removeOldest(_ state: inout State) -> Bool {
        while state.head < state.order.count {
            let entry = state.order[state.head]
            state.head += 1
            if state.head >= 4_096, state.head * 2 >= state.order.count {
                state.order.removeFirst(state.head)
                state.head = 0
            }
            // In place, and not counted as a use. A reader's copy of the log would have to be copied first.
            let gone = state.logs.changeQuietly(entry.key) { log -> StoredMessage? in
                log.serial == entry.serial && log.ring.first?.offset == entry.offset ? log.removeFirst() : nil
            }
            guard let gone = gone ?? nil else { continue }
            state.count -= 1
            state.bytes -= gone.cost
            return true
        }
        return false
    }

    /// Forgets the entries whose messages have gone.
    private func compact(_ state: inout State) {
        state.order = state.order[state.head...].filter { entry in
            guard let log = state.logs[entry.key], log.serial == entry.serial, let first = log.ring.first else { return false }
            return entry.offset >= first.offset
        }
        state.head = 0
    }

    package func read(topic: String, isPrivate: Bool, after offset: UInt64, limit: Int) async throws -> [StoredMessage] {
        try use { state in
            state.logs[TopicKey(topic, isPrivate)]?.ring.after(offset, limit: min(limit, HistoryBounds.readMessages)) ?? []
        }
    }

    package func read(
        topic: String, isPrivate: Bool, sinceMilliseconds since: Int64, limit: Int
    ) async throws -> [StoredMessage] {
        try use { state in
            state.logs[TopicKey(topic, isPrivate)]?.ring.since(since, limit: min(limit, HistoryBounds.readMessages)) ?? []
        }
    }

    package func recentDedupKeys(
        topic: String, isPrivate: Bool, since: Int64
    ) async throws -> [(key: String, id: String, offset: UInt64)] {
        try use { state in
            var keys: [(key: String, id: String, offset: UInt64)] = []
            state.logs[TopicKey(topic, isPrivate)]?.ring.forEach { message in
                guard message.time >= since, let key = message.dedupKey else { return }
                keys.append((key, message.id, message.offset))
            }
            return Array(keys.suffix(HistoryBounds.dedupKeys))
        }
    }

    package func prune(now: Int64, maxAge: Int64, maxPerTopic: Int, maxBytes: Int) async throws -> Int {
        try use { state in
            let before = state.count
            let cutoff = now.subtractingReportingOverflow(maxAge).overflow ? Int64.min : now &- maxAge
            for key in state.logs.allKeys {
                let change = state.logs.changeQuietly(key) { log -> (count: Int, bytes: Int, isForgotten: Bool) in
                    let before = (log.ring.count, log.ring.bytes)
                    while let first = log.ring.first, first.time < cutoff || log.ring.count > max(maxPerTopic, 0) {
                        log.removeFirst()
                    }
                    let idle = log.idleSince ?? now
                    log.idleSince = idle
                    return (before.0 - log.ring.count, before.1 - log.ring.bytes, log.ring.count == 0 && idle < cutoff)
                }
                guard let change else { continue }
                state.count -= change.count
                state.bytes -= change.bytes
                if change.isForgotten { state.logs.remove(key) }
            }
            while state.bytes > max(maxBytes, 0), removeOldest(&state) {}
            return before - state.count
        }
    }

    package func close() async {
        state.withLock { state in
            state.isClosed = true
            state.logs = BoundedTable(capacity: 1)
            state.order = []
            state.head = 0
        }
    }
}
