import Foundation
import Swiftlet
import Synchronization
import Testing

@testable import SwiftletRealtime

@Suite struct RecoveryTests {
    private func position(_ client: TestClient) -> (offset: Int, epoch: String)? {
        guard let last = client.broadcasts().last, let offset = last.offset, let epoch = last.at("meta", "epoch") as? String
        else { return nil }
        return (offset, epoch)
    }

    @Test func `a client that says where it was gets exactly what it missed`() throws {
        let bench = EngineBench()
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b"))
        a.join("room")
        b.join("room")
        for n in 1...3 { a.broadcast("room", "m", #"{"n":\#(n)}"#) }
        bench.run()
        let place = try #require(position(b))
        b.session.closed()
        for n in 4...6 { a.broadcast("room", "m", #"{"n":\#(n)}"#) }
        bench.run()
        let again = TestClient(bench, "other")
        again.join("room", #"{"broadcast":{"replay":{"offset":\#(place.offset),"epoch":"\#(place.epoch)"}}}"#)
        a.broadcast("room", "m", #"{"n":7}"#)
        bench.run()
        let heard = again.heard()
        #expect(heard.first?.payload.at("response", "recovery", "complete") as? Bool == true)
        #expect(heard.first?.payload.at("response", "recovery", "replayed") as? Int == 3)
        let messages = heard.filter { $0.event == "broadcast" }.map(\.payload)
        #expect(messages.map { $0.n ?? -1 } == [4, 5, 6, 7])
        #expect(messages.map { $0.at("meta", "replayed") as? Bool ?? false } == [true, true, true, false])
    }

    @Test func `one who was cut off and comes back gets what it missed without asking; a fresh page does not`() {
        let bench = EngineBench()
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b"))
        a.join("room")
        b.join("room")
        a.broadcast("room", "m", #"{"n":1}"#)
        bench.run()
        b.session.mark()
        b.session.confirm()
        // Written, but nobody knows whether it arrived.
        a.broadcast("room", "m", #"{"n":2}"#)
        bench.run()
        b.broadcast("room", "m", #"{"n":0}"#)
        bench.run()
        b.session.closed()
        a.broadcast("room", "m", #"{"n":3}"#)
        bench.run()
        let page = TestClient(bench, "b")
        page.join("room")
        #expect(page.broadcasts().isEmpty, "its first reference is one the old client had used")
        let back = TestClient(bench, "b")
        back.skipRefs(to: 5)
        back.join("room")
        #expect(back.broadcasts().map { $0.n ?? -1 } == [2, 3])
        let stranger = TestClient(bench, "c")
        stranger.skipRefs(to: 9)
        stranger.join("room")
        #expect(stranger.broadcasts().isEmpty)
    }

    @Test func `a visitor who signed in comes back as who it became`() {
        let bench = EngineBench()
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, ":anon"))
        a.join("room")
        b.join("room")
        b.say("room", "access_token", #"{"access_token":"b"}"#)
        a.broadcast("room", "m", #"{"n":1}"#)
        bench.run()
        b.session.mark()
        b.session.confirm()
        b.session.closed()
        a.broadcast("room", "m", #"{"n":2}"#)
        bench.run()
        let back = TestClient(bench, "b")
        back.skipRefs(to: 9)
        back.join("room")
        #expect(back.broadcasts().map { $0.n ?? -1 } == [2])
        let visitor = TestClient(bench, ":anon")
        visitor.skipRefs(to: 9)
        visitor.join("room")
        #expect(visitor.broadcasts().isEmpty)
    }

    @Test func `one who left has missed nothing`() {
        let bench = EngineBench()
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b"))
        a.join("room")
        b.join("room")
        b.say("room", "phx_leave")
        a.broadcast("room", "m", #"{"n":1}"#)
        bench.run()
        _ = b.heard()
        b.join("room")
        #expect(b.broadcasts().isEmpty)
    }

    @Test func `where the history does not reach back, the client is told to reload`() throws {
        var limits = HubLimits()
        limits.historyCount = 3
        let bench = EngineBench(limits)
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b"))
        a.join("room")
        b.join("room")
        a.broadcast("room", "m", #"{"n":1}"#)
        bench.run()
        let place = try #require(position(b))
        for n in 2...5 { a.broadcast("room", "m", #"{"n":\#(n)}"#) }
        bench.run()
        for (offset, epoch) in [(place.offset, place.epoch), (5, "otherone"), (99, place.epoch)] {
            let late = TestClient(bench, "late")
            late.join("room", #"{"broadcast":{"replay":{"offset":\#(offset),"epoch":"\#(epoch)"}}}"#)
            let heard = late.heard()
            #expect(heard.first?.payload.at("response", "recovery", "complete") as? Bool == false)
            #expect(heard.map(\.event) == ["phx_reply", "system"])
            #expect((heard.last?.payload["message"] as? String)?.hasPrefix("HistoryIncomplete: ") == true)
            #expect(heard.last?.payload["status"] as? String == "ok", "an error would make clients join again and again")
        }
        let just = TestClient(bench, "just")
        just.join("room", #"{"broadcast":{"replay":{"offset":2,"epoch":"\#(place.epoch)"}}}"#)
        #expect(just.broadcasts().map { $0.n ?? -1 } == [3, 4, 5])
    }

    @Test func `replay by time is for private channels, newest first chosen and oldest first sent`() {
        let bench = EngineBench()
        bench.authority.set("a", "room", .all)
        let a = TestClient(bench, "a")
        a.join("room", #"{"private":true}"#)
        for n in 1...30 {
            a.broadcast("room", "m", #"{"n":\#(n)}"#)
            bench.time.pass(10)
        }
        bench.run()
        let start = bench.time.now - 10_000
        let b = TestClient(bench, "a")
        b.join("room", #"{"private":true,"broadcast":{"replay":{"since":\#(start)}}}"#)
        #expect(b.broadcasts().map { $0.n ?? -1 } == Array(6...30))
        let c = TestClient(bench, "a")
        c.join("room", #"{"private":true,"broadcast":{"replay":{"since":\#(start),"limit":2}}}"#)
        #expect(c.broadcasts().map { $0.n ?? -1 } == [29, 30])
        let d = TestClient(bench, "a")
        d.join("other", #"{"broadcast":{"replay":{"since":\#(start)}}}"#)
        #expect(d.replies().first?.reason == "UnableToReplayMessages: Replay is not allowed for public channels")
        let e = TestClient(bench, "a")
        e.join("room", #"{"private":true,"broadcast":{"replay":{"since":"yesterday"}}}"#)
        #expect(e.replies().first?.reason == "UnableToReplayMessages: Replay params are not valid")
    }

    @Test func `a message with an id is delivered once, and its second sending is answered alike`() {
        let bench = EngineBench()
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b"))
        a.join("room")
        b.join("room")
        _ = (a.heard(), b.heard())
        for _ in 0..<3 { a.broadcast("room", "m", #"{"n":1}"#, extra: #","id":"m-1""#) }
        b.broadcast("room", "m", #"{"n":2}"#, extra: #","id":"m-1""#)
        bench.run()
        let acks = a.heard().filter { $0.event == "phx_reply" }.map(\.payload)
        #expect(acks.map { $0.at("response", "id") as? String ?? "" } == ["m-1", "m-1", "m-1"])
        #expect(acks.map { $0.at("response", "offset") as? Int ?? 0 } == [1, 1, 1])
        #expect(acks.map { $0.at("response", "duplicate") as? Bool ?? false } == [false, true, true])
        #expect(b.broadcasts().map { $0.n ?? -1 } == [1])
        #expect(bench.hub.known("room", isPrivate: false)?.offset == 2, "the same id of somebody else is another message")
        bench.time.pass(300_001)
        a.broadcast("room", "m", #"{"n":3}"#)
        a.broadcast("room", "m", #"{"n":4}"#, extra: #","id":"m-1""#)
        bench.run()
        #expect(b.broadcasts().map { $0.n ?? -1 } == [3, 4], "after five minutes it is a new one")
    }

    @Test func `the memory of all topics is bounded, and what nobody uses is forgotten`() async {
        var limits = HubLimits()
        limits.historyBytes = 20_000
        limits.recoveryWindow = 1000
        let bench = EngineBench(limits)
        let a = TestClient(bench, "")
        let text = String(repeating: "x", count: 500)
        for n in 0..<100 {
            a.join("t\(n)")
            a.broadcast("t\(n)", "m", #"{"x":"\#(text)"}"#)
            a.say("t\(n)", "phx_leave")
            bench.time.pass(20)
        }
        bench.run()
        await bench.hub.tick()
        #expect(bench.hub.counters.historyBytes.load(ordering: .relaxed) <= 20_000)
        bench.time.pass(2_000_000)
        await bench.hub.tick()
        #expect(bench.hub.counters.historyBytes.load(ordering: .relaxed) == 0)
        #expect(bench.hub.counters.topics.load(ordering: .relaxed) == 0)
    }

    // MARK: On disk

    /// Holds every write back until it is told what becomes of it.
    private final class HeldStore: HistoryStore, Sendable {
        let inner = MemoryHistory()
        let fails = Mutex(false)
        let appended = Mutex(0)

        func position(of topic: String, isPrivate: Bool) async throws -> TopicPosition {
            try await inner.position(of: topic, isPrivate: isPrivate)
        }
        func append(_ messages: [StoredMessage]) async throws {
            if fails.withLock({ $0 }) { throw HistoryError(.full, "no room") }
            try await inner.append(messages)
            appended.withLock { $0 += messages.count }
        }
        func read(topic: String, isPrivate: Bool, after offset: UInt64, limit: Int) async throws -> [StoredMessage] {
            try await inner.read(topic: topic, isPrivate: isPrivate, after: offset, limit: limit)
        }
        func read(topic: String, isPrivate: Bool, sinceMilliseconds since: Int64, limit: Int) async throws -> [StoredMessage] {
            try await inner.read(topic: topic, isPrivate: isPrivate, sinceMilliseconds: since, limit: limit)
        }
        func recentDedupKeys(topic: String, isPrivate: Bool, since: Int64) async throws -> [(
            key: String, id: String, offset: UInt64
        )] {
            try await inner.recentDedupKeys(topic: topic, isPrivate: isPrivate, since: since)
        }
        func prune(now: Int64, maxAge: Int64, maxPerTopic: Int, maxBytes: Int) async throws -> Int { 0 }
        func close() async {}
    }

    @Test func `what goes to disk is heard once it is there, and by nobody when it cannot be`() async throws {
        let store = HeldStore()
        let bench = EngineBench(store: store)
        bench.authority.set("a", "room", .all)
        bench.authority.set("b", "room", .all)
        let config = #"{"private":true,"broadcast":{"ack":true}}"#
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b"))
        a.join("room", config)
        b.join("room", config)
        #expect(await a.lane.run { a.socket.frames.count == 1 && b.socket.frames.count == 1 })
        _ = (a.heard(), b.heard())
        for n in 1...50 { a.broadcast("room", "m", #"{"n":\#(n)}"#, extra: #","id":"id-\#(n % 40)""#) }
        #expect(await a.lane.run { a.socket.frames.count == 50 })
        #expect(b.broadcasts().map { $0.n ?? -1 } == Array(1...40), "ten were said twice")
        #expect(store.appended.withLock { $0 } == 40)
        store.fails.withLock { $0 = true }
        _ = a.heard()
        a.broadcast("room", "m", #"{"n":99}"#)
        #expect(await a.lane.run { a.socket.frames.count == 1 })
        #expect(a.replies().first?.reason?.hasPrefix("HistoryUnavailable: ") == true)
        #expect(b.heard().isEmpty)
        store.fails.withLock { $0 = false }
        a.broadcast("room", "m", #"{"n":100}"#)
        #expect(await a.lane.run { !b.socket.frames.isEmpty })
        #expect(b.broadcasts().map { $0.offset ?? 0 } == [41], "what was not said has no place")
    }

    @Test func `after a restart everything goes on where it was`() async throws {
        let store = HeldStore()
        let time = ManualTime()
        let config = #"{"private":true,"broadcast":{"ack":true}}"#
        let first = EngineBench(store: store, time: time)
        first.authority.set("a", "room", .all)
        let a = TestClient(first, "a")
        a.join("room", config)
        for n in 1...5 { a.broadcast("room", "m", #"{"n":\#(n)}"#, extra: #","id":"id-\#(n)""#) }
        #expect(await a.lane.run { a.socket.frames.count == 6 })
        let epoch = try #require(first.hub.known("room", isPrivate: true)?.epoch)

        let second = EngineBench(store: store, time: time)
        second.authority.set("a", "room", .all)
        let b = TestClient(second, "a")
        b.join("room", #"{"private":true,"broadcast":{"ack":true,"replay":{"offset":2,"epoch":"\#(epoch)"}}}"#)
        #expect(await b.lane.run { b.socket.frames.count == 4 })
        #expect(b.broadcasts().map { $0.n ?? -1 } == [3, 4, 5])
        b.broadcast("room", "m", #"{"n":5}"#, extra: #","id":"id-5""#)
        b.broadcast("room", "m", #"{"n":6}"#, extra: #","id":"id-6""#)
        #expect(await b.lane.run { b.socket.frames.count == 2 })
        #expect(b.replies().map { $0.at("response", "offset") as? Int ?? 0 } == [5, 6])
    }

    @Test func `two sockets of one client that are cut off both get what they missed, whoever comes back first`() {
        for first in ["a", "b"] {
            let bench = EngineBench()
            let talker = TestClient(bench, "talker")
            talker.join("room")
            let (a, b) = (TestClient(bench, "u"), TestClient(bench, "u"))
            a.join("room")
            b.skipRefs(to: 5)
            b.join("room")
            talker.broadcast("room", "m", #"{"n":1}"#)
            bench.run()
            for client in [a, b] {
                client.session.mark()
                client.session.confirm()
            }
            a.session.closed()
            talker.broadcast("room", "m", #"{"n":2}"#)
            bench.run()
            b.session.mark()
            b.session.confirm()
            b.session.closed()
            talker.broadcast("room", "m", #"{"n":3}"#)
            bench.run()
            var heard: [String: [Int]] = [:]
            for name in first == "a" ? ["a", "b"] : ["b", "a"] {
                let back = TestClient(bench, "u")
                back.skipRefs(to: name == "a" ? 20 : 7)
                back.join("room")
                heard[name] = back.broadcasts().map { $0.n ?? -1 }
            }
            #expect(heard["a"] == [2, 3], "\(first) first")
            #expect(heard["b"]?.suffix(1) == [3], "\(first) first")
        }
    }

    @Test func `after a restart a client gets what it missed without asking`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("places-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("places").path
        let (store, time) = (HeldStore(), ManualTime())
        let config = #"{"private":true,"broadcast":{"ack":true}}"#
        let first = EngineBench(store: store, places: file, time: time)
        for user in ["a", "b"] { first.authority.set(user, "room", .all) }
        let (a, b) = (TestClient(first, "a"), TestClient(first, "b"))
        for client in [a, b] { client.join("room", config) }
        #expect(await a.lane.run { a.socket.frames.count == 1 && b.socket.frames.count == 1 })
        for n in 1...3 { a.broadcast("room", "m", #"{"n":\#(n)}"#) }
        #expect(await a.lane.run { b.socket.frames.count == 4 })
        b.session.mark()
        b.session.confirm()
        first.hub.closeAll()
        let isClosed = Mutex(false)
        let hub = first.hub
        Task {
            await hub.close()
            isClosed.withLock { $0 = true }
        }
        for _ in 0..<20_000 where !isClosed.withLock({ $0 }) {
            first.run()
            try await Task.sleep(for: .milliseconds(1))
        }
        #expect(try String(contentsOfFile: file, encoding: .utf8).contains("\"room\""))

        let second = EngineBench(store: store, places: file, time: time)
        for user in ["a", "b"] { second.authority.set(user, "room", .all) }
        let again = TestClient(second, "a")
        again.join("room", config)
        #expect(await again.lane.run { again.socket.frames.count == 1 })
        again.broadcast("room", "m", #"{"n":4}"#)
        #expect(await again.lane.run { again.socket.frames.count == 2 })
        let back = TestClient(second, "b")
        back.skipRefs(to: 9)
        back.join("room", config)
        #expect(await back.lane.run { back.socket.frames.count == 2 })
        #expect(back.broadcasts().map { $0.n ?? -1 } == [4])
    }
}
