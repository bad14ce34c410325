import Foundation
import Testing

@testable import SwiftletRealtime

/// A folder that goes when the test ends.
final class HistoryScratch: Sendable {
    let folder: String
    var path: String { folder + "/history.sqlite" }

    init() {
        folder = NSTemporaryDirectory() + "history-" + UUID().uuidString
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
}

enum HistoryKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case memory, sqlite

    var testDescription: String { rawValue }

    func make(_ scratch: HistoryScratch) throws -> any HistoryStore {
        switch self {
        case .memory: MemoryHistory(messagesPerTopic: 10_000)
        case .sqlite: try SQLiteHistory(path: scratch.path)
        }
    }
}

func message(
    _ topic: String, _ offset: UInt64, isPrivate: Bool = true, time: Int64? = nil, key: String? = nil, bytes: Int = 2
) -> StoredMessage {
    StoredMessage(
        topic: topic, isPrivate: isPrivate, offset: offset, id: "m\(offset)", dedupKey: key, event: "new_message",
        body: .json(RawJSON(unchecked: Array("{}".utf8) + [UInt8](repeating: 32, count: max(bytes - 2, 0)))), sender: "u1",
        time: time ?? Int64(clamping: offset) &* 1_000)
}

/// The code of what `body` throws.
func code(_ body: () async throws -> Void) async -> HistoryError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? HistoryError)?.code
    }
}

@Suite struct `Every history` {
    let scratch = HistoryScratch()

    @Test(arguments: HistoryKind.allCases)
    func `a new topic begins at 0 with eight letters, and keeps them`(kind: HistoryKind) async throws {
        let history = try kind.make(scratch)
        let position = try await history.position(of: "room:1", isPrivate: true)
        #expect(position.epoch.count == 8 && position.epoch.allSatisfy { $0.isASCII && $0.isLetter })
        #expect(position.lastOffset == 0 && position.firstOffset == 1)
        #expect(try await history.position(of: "room:1", isPrivate: true) == position)
        #expect(try await history.position(of: "room:1", isPrivate: false).epoch != position.epoch)
        await history.close()
    }

    @Test(arguments: HistoryKind.allCases)
    func `what was appended comes back in order, after an offset and as many as wanted`(kind: HistoryKind) async throws {
        let history = try kind.make(scratch)
        _ = try await history.position(of: "t", isPrivate: true)
        try await history.append((1...5).map { message("t", $0) })
        // A gap is allowed.
        try await history.append([message("t", 9)])
        func offsets(after: UInt64, limit: Int) async throws -> [UInt64] {
            try await history.read(topic: "t", isPrivate: true, after: after, limit: limit).map(\.offset)
        }
        #expect(try await offsets(after: 0, limit: 100) == [1, 2, 3, 4, 5, 9])
        #expect(try await offsets(after: 2, limit: 2) == [3, 4])
        #expect(try await offsets(after: 5, limit: 10) == [9])
        #expect(try await offsets(after: 9, limit: 10) == [])
        #expect(try await offsets(after: .max, limit: 10) == [])
        #expect(try await offsets(after: 0, limit: -1) == [])
        #expect(try await offsets(after: 0, limit: .max).count == 6)
        #expect(try await history.read(topic: "t", isPrivate: false, after: 0, limit: 10) == [])
        #expect(try await history.read(topic: "other", isPrivate: true, after: 0, limit: 10) == [])
        let position = try await history.position(of: "t", isPrivate: true)
        #expect(position.lastOffset == 9 && position.firstOffset == 1)
        await history.close()
    }

    @Test(arguments: HistoryKind.allCases)
    func `since a time come the newest, oldest first`(kind: HistoryKind) async throws {
        let history = try kind.make(scratch)
        _ = try await history.position(of: "t", isPrivate: true)
        try await history.append((1...10).map { message("t", $0) })
        let some = try await history.read(topic: "t", isPrivate: true, sinceMilliseconds: 4_000, limit: 3)
        #expect(some.map(\.offset) == [8, 9, 10])
        let all = try await history.read(topic: "t", isPrivate: true, sinceMilliseconds: 9_000, limit: 100)
        #expect(all.map(\.offset) == [9, 10])
        #expect(try await history.read(topic: "t", isPrivate: true, sinceMilliseconds: .max, limit: 100) == [])
        #expect(try await history.read(topic: "t", isPrivate: true, sinceMilliseconds: .min, limit: 100).count == 10)
        await history.close()
    }

    @Test(arguments: HistoryKind.allCases)
    func `every member of a message comes back as it was, zero bytes and strange letters too`(kind: HistoryKind) async throws {
        let history = try kind.make(scratch)
        let topics = ["a", "a\u{0}b", "a\u{0}c", "e\u{301}", "\u{e9}", ""]
        var stored: [StoredMessage] = []
        for (index, topic) in topics.enumerated() {
            _ = try await history.position(of: topic, isPrivate: index % 2 == 0)
            stored.append(
                StoredMessage(
                    topic: topic, isPrivate: index % 2 == 0, offset: 1, id: "i\u{0}\(index)", dedupKey: "k\u{0}",
                    event: "e\u{0}f",
                    body: index % 2 == 0 ? .binary([0, 1, 255]) : .json(RawJSON(unchecked: Array("{\"a\":\"\\u0000\"}".utf8))),
                    extra: index == 1 ? [] : Array("{\"x\":1}".utf8), sender: index == 2 ? nil : "s\u{0}s", time: -5))
        }
        _ = try await history.position(of: "z", isPrivate: false)
        stored.append(
            StoredMessage(
                topic: "z", isPrivate: false, offset: UInt64(Int64.max), id: "", event: "", body: .binary([]), time: .max))
        try await history.append(stored)
        for message in stored {
            let read = try await history.read(topic: message.topic, isPrivate: message.isPrivate, after: 0, limit: 10)
            #expect(read == [message])
            #expect(read.first?.topic.utf8.elementsEqual(message.topic.utf8) == true)
            let keys = try await history.recentDedupKeys(topic: message.topic, isPrivate: message.isPrivate, since: .min)
            #expect(keys.map(\.key) == [message.dedupKey].compactMap { $0 })
            #expect(keys.allSatisfy { $0.id == message.id && $0.offset == message.offset })
        }
        await history.close()
    }

    @Test(arguments: HistoryKind.allCases)
    func `offsets never go back, and a call is stored whole or not at all`(kind: HistoryKind) async throws {
        let history = try kind.make(scratch)
        for topic in ["t", "u"] { _ = try await history.position(of: topic, isPrivate: true) }
        try await history.append([message("t", 5), message("u", 1)])
        #expect(await code { try await history.append([message("u", 2), message("t", 5)]) } == .outOfOrder)
        #expect(await code { try await history.append([message("t", 6), message("t", 6)]) } == .outOfOrder)
        #expect(await code { try await history.append([message("t", 7), message("t", 6)]) } == .outOfOrder)
        #expect(await code { try await history.append([message("t", UInt64.max)]) } == .outOfOrder)
        #expect(await code { try await history.append([message("u", 0)]) } == .outOfOrder)
        #expect(await code { try await history.append([message("u", 2), message("nobody", 1)]) } == .unknownTopic)
        #expect(try await history.position(of: "t", isPrivate: true).lastOffset == 5)
        #expect(try await history.position(of: "u", isPrivate: true).lastOffset == 1)
        #expect(try await history.read(topic: "u", isPrivate: true, after: 0, limit: 9).map(\.offset) == [1])
        try await history.append([])
        try await history.append([message("u", 2)])
        await history.close()
    }

    @Test(arguments: HistoryKind.allCases)
    func `keys of the last moments come ascending`(kind: HistoryKind) async throws {
        let history = try kind.make(scratch)
        _ = try await history.position(of: "t", isPrivate: true)
        try await history.append((1...6).map { message("t", $0, key: $0 % 2 == 0 ? "k\($0)" : nil) })
        let keys = try await history.recentDedupKeys(topic: "t", isPrivate: true, since: 3_000)
        #expect(keys.map(\.key) == ["k4", "k6"])
        #expect(keys.map(\.id) == ["m4", "m6"])
        #expect(keys.map(\.offset) == [4, 6])
        #expect(try await history.recentDedupKeys(topic: "nobody", isPrivate: true, since: 0).isEmpty)
        await history.close()
    }

    @Test(arguments: HistoryKind.allCases)
    func `pruning takes the beginning, by age, by number and by bytes`(kind: HistoryKind) async throws {
        let history = try kind.make(scratch)
        for topic in ["t", "u"] { _ = try await history.position(of: topic, isPrivate: true) }
        for offset in UInt64(1)...1_200 where offset % 100 == 0 {
            try await history.append((offset - 99...offset).flatMap { [message("t", $0), message("u", $0)] })
        }
        #expect(try await history.prune(now: 1_000_000, maxAge: 999_000, maxPerTopic: .max, maxBytes: .max) == 0)
        #expect(try await history.prune(now: 1_000_000, maxAge: 900_000, maxPerTopic: .max, maxBytes: .max) == 198)
        var position = try await history.position(of: "t", isPrivate: true)
        #expect(position.firstOffset == 100 && position.lastOffset == 1_200)
        #expect(position.covers(99, epoch: position.epoch) && !position.covers(98, epoch: position.epoch))
        #expect(position.covers(1_200, epoch: position.epoch) && !position.covers(1_201, epoch: position.epoch))
        #expect(!position.covers(1_200, epoch: "another"))
        #expect(try await history.read(topic: "t", isPrivate: true, after: 0, limit: 1).map(\.offset) == [100])
        #expect(try await history.prune(now: 1_000_000, maxAge: 900_000, maxPerTopic: 50, maxBytes: .max) == 2 * 1_051)
        #expect(try await history.position(of: "u", isPrivate: true).firstOffset == 1_151)
        let cost = message("t", 1_200).cost
        // Each message costs the same but for its id's digits.
        #expect(try await history.prune(now: 1_000_000, maxAge: 900_000, maxPerTopic: 50, maxBytes: 10 * cost) == 90)
        #expect(try await history.read(topic: "t", isPrivate: true, after: 0, limit: 99).map(\.offset) == Array(1_196...1_200))
        #expect(try await history.read(topic: "u", isPrivate: true, after: 0, limit: 99).map(\.offset) == Array(1_196...1_200))
        #expect(try await history.prune(now: 1_000_000, maxAge: 900_000, maxPerTopic: 0, maxBytes: 0) == 10)
        position = try await history.position(of: "t", isPrivate: true)
        #expect(position.firstOffset == 1_201 && position.lastOffset == 1_200)
        #expect(position.covers(1_200, epoch: position.epoch) && !position.covers(1_199, epoch: position.epoch))
        try await history.append([message("t", 1_201)])
        #expect(try await history.read(topic: "t", isPrivate: true, after: 0, limit: 99).map(\.offset) == [1_201])
        await history.close()
    }

    @Test(arguments: HistoryKind.allCases)
    func `a topic that nobody used for long is forgotten, and begins anew`(kind: HistoryKind) async throws {
        let history = try kind.make(scratch)
        let used = try await history.position(of: "used", isPrivate: true)
        let idle = try await history.position(of: "idle", isPrivate: true)
        let full = try await history.position(of: "full", isPrivate: true)
        try await history.append([message("idle", 1, time: 0), message("full", 1, time: 10_000)])
        for now in stride(from: Int64(1_000), through: 4_000, by: 1_000) {
            _ = try await history.prune(now: now, maxAge: 1_500, maxPerTopic: 10, maxBytes: .max)
            _ = try await history.position(of: "used", isPrivate: true)
        }
        #expect(await code { try await history.append([message("idle", 2)]) } == .unknownTopic)
        let again = try await history.position(of: "idle", isPrivate: true)
        #expect(again.epoch != idle.epoch && again.lastOffset == 0)
        #expect(try await history.position(of: "used", isPrivate: true) == used)
        // Whoever knows the old log does not write into the new one.
        var late = message("idle", 2)
        late.epoch = idle.epoch
        #expect(await code { try await history.append([message("used", 1), late]) } == .unknownTopic)
        late.epoch = again.epoch
        try await history.append([late])
        #expect(try await history.position(of: "full", isPrivate: true).epoch == full.epoch)
        await history.close()
    }

    @Test(arguments: HistoryKind.allCases)
    func `a topic that was forgotten while it was silent goes on for one who knows its epoch`(kind: HistoryKind) async throws {
        let history = try kind.make(scratch)
        let position = try await history.position(of: "t", isPrivate: true)
        try await history.append((1...3).map { message("t", $0, time: 0) })
        for now in [Int64(10), 20, 30] { _ = try await history.prune(now: now, maxAge: 5, maxPerTopic: 10, maxBytes: .max) }
        let next = (UInt64(4)...5).map { offset in
            var next = message("t", offset)
            next.epoch = position.epoch
            return next
        }
        #expect(await code { try await history.append([message("t", 4)]) } == .unknownTopic)
        #expect(await code { try await history.append(next + [message("nobody", 1)]) } == .unknownTopic)
        try await history.append(next)
        let after = try await history.position(of: "t", isPrivate: true)
        #expect(after == TopicPosition(epoch: position.epoch, lastOffset: 5, firstOffset: 4))
        #expect(after.covers(3, epoch: position.epoch) && !after.covers(2, epoch: position.epoch))
        #expect(try await history.read(topic: "t", isPrivate: true, after: 0, limit: 9).map(\.offset) == [4, 5])
        await history.close()
    }

    @Test(arguments: HistoryKind.allCases)
    func `many appends at once are all there`(kind: HistoryKind) async throws {
        let history = try kind.make(scratch)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<24 {
                group.addTask {
                    let topic = "t\(worker)"
                    _ = try await history.position(of: topic, isPrivate: true)
                    for offset in UInt64(1)...20 {
                        try await history.append([message(topic, offset)])
                        // One that is wrong takes nobody else down.
                        if offset % 10 == 0 {
                            #expect(await code { try await history.append([message(topic, 1)]) } == .outOfOrder)
                        }
                        let newest = try await history.read(topic: topic, isPrivate: true, after: offset - 1, limit: 10)
                        #expect(newest.map(\.offset) == [offset])
                    }
                }
            }
            try await group.waitForAll()
        }
        for worker in 0..<24 {
            #expect(
                try await history.read(topic: "t\(worker)", isPrivate: true, after: 0, limit: 99).map(\.offset) == Array(1...20))
        }
        await history.close()
    }

    @Test(arguments: HistoryKind.allCases)
    func `after closing every call says so`(kind: HistoryKind) async throws {
        let history = try kind.make(scratch)
        _ = try await history.position(of: "t", isPrivate: true)
        await history.close()
        await history.close()
        #expect(await code { _ = try await history.position(of: "t", isPrivate: true) } == .closed)
        #expect(await code { try await history.append([message("t", 1)]) } == .closed)
        #expect(await code { _ = try await history.read(topic: "t", isPrivate: true, after: 0, limit: 1) } == .closed)
        #expect(await code { _ = try await history.read(topic: "t", isPrivate: true, sinceMilliseconds: 0, limit: 1) } == .closed)
        #expect(await code { _ = try await history.recentDedupKeys(topic: "t", isPrivate: true, since: 0) } == .closed)
        #expect(await code { _ = try await history.prune(now: 0, maxAge: 0, maxPerTopic: 0, maxBytes: 0) } == .closed)
    }
}

@Suite struct `A history in memory` {
    @Test func `a topic keeps its newest messages only`() async throws {
        let history = MemoryHistory(messagesPerTopic: 3)
        let epoch = try await history.position(of: "t", isPrivate: true).epoch
        try await history.append((1...10).map { message("t", $0) })
        #expect(try await history.read(topic: "t", isPrivate: true, after: 0, limit: 99).map(\.offset) == [8, 9, 10])
        let position = try await history.position(of: "t", isPrivate: true)
        #expect(position == TopicPosition(epoch: epoch, lastOffset: 10, firstOffset: 8))
    }

    @Test func `the topic used least recently makes room, and comes back with another epoch`() async throws {
        let history = MemoryHistory(topics: 2)
        let first = try await history.position(of: "1", isPrivate: true)
        let second = try await history.position(of: "2", isPrivate: true)
        try await history.append([message("2", 1), message("1", 1)])
        _ = try await history.position(of: "3", isPrivate: true)
        #expect(await code { try await history.append([message("2", 2)]) } == .unknownTopic)
        #expect(try await history.position(of: "1", isPrivate: true).epoch == first.epoch)
        #expect(try await history.position(of: "2", isPrivate: true).epoch != second.epoch)
    }

    @Test func `many messages in many topics stay within the bytes`() async throws {
        let one = message("t", 1).cost
        let history = MemoryHistory(topics: 100, messagesPerTopic: 10, bytes: 200 * one)
        for number in UInt64(1)...3_000 {
            let topic = "t\(number % 500)"
            let position = try await history.position(of: topic, isPrivate: true)
            try await history.append([message(topic, position.lastOffset + 1)])
        }
        var bytes = 0
        var count = 0
        for number in 0..<500 {
            let kept = try await history.read(topic: "t\(number)", isPrivate: true, after: 0, limit: 99)
            count += kept.count
            bytes += kept.reduce(0) { $0 + $1.cost }
            #expect(zip(kept, kept.dropFirst()).allSatisfy { $0.offset + 1 == $1.offset })
        }
        #expect(count > 50 && bytes <= 200 * one)
    }

    @Test func `a ring does what a list does`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<8 {
            let (most, bytes) = (Int.random(in: 1...40, using: &generator), Int.random(in: 100...4_000, using: &generator))
            var ring = MessageRing(messages: most, bytes: bytes)
            var list: [StoredMessage] = []
            var offset: UInt64 = 0
            for _ in 0..<150 {
                if Int.random(in: 0..<10, using: &generator) == 0 {
                    #expect(ring.removeFirst() == (list.isEmpty ? nil : list.removeFirst()))
                    continue
                }
                offset += UInt64.random(in: 1...3, using: &generator)
                let new = message("t", offset, bytes: Int.random(in: 2...200, using: &generator))
                list.append(new)
                var gone: UInt64?
                while list.count > 1, list.count > most || list.reduce(0, { $0 + $1.cost }) > bytes {
                    gone = list.removeFirst().offset
                }
                #expect(ring.append(new) == gone)
                #expect(ring.count == list.count && ring.first == list.first && ring.last == list.last)
                #expect(ring.bytes == list.reduce(0) { $0 + $1.cost })
                let from = UInt64.random(in: 0...offset + 2, using: &generator)
                #expect(ring.after(from, limit: 5) == Array(list.filter { $0.offset > from }.prefix(5)))
                #expect(
                    ring.since(Int64(from) * 1_000, limit: 5) == Array(list.filter { $0.time >= Int64(from) * 1_000 }.suffix(5)))
            }
        }
    }

    @Test func `a bounded table forgets the one used least recently`() {
        var generator = SystemRandomNumberGenerator()
        for capacity in [1, 2, 7] {
            var table = BoundedTable<Int, Int>(capacity: capacity)
            var order: [(key: Int, value: Int)] = []
            for step in 0..<600 {
                let key = Int.random(in: 0..<12, using: &generator)
                let known = order.firstIndex { $0.key == key }
                switch Int.random(in: 0..<4, using: &generator) {
                case 0:
                    #expect(table.remove(key) == known.map { order.remove(at: $0).value })
                case 1:
                    let changed = table.change(key) { value -> Int in
                        value += 1
                        return value
                    }
                    if let known {
                        var entry = order.remove(at: known)
                        entry.value += 1
                        order.append(entry)
                        #expect(changed == entry.value)
                    } else {
                        #expect(changed == nil)
                    }
                case 2:
                    #expect(table[key] == known.map { order[$0].value })
                default:
                    let gone = table.insert(step, for: key)
                    if let known {
                        order.remove(at: known)
                        #expect(gone == nil)
                    } else if order.count == capacity {
                        let expected = order.removeFirst()
                        #expect(gone?.key == expected.key && gone?.value == expected.value)
                    }
                    order.append((key, step))
                }
                #expect(table.count == order.count)
            }
            while let gone = table.removeOldest() { #expect(gone.key == order.removeFirst().key) }
            #expect(order.isEmpty)
        }
    }
}
