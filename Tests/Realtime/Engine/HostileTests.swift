import Foundation
import Swiftlet
import Synchronization
import Testing

@testable import SwiftletRealtime

/// What somebody might try.
@Suite struct HostileTests {
    @Test func `an id that would end a string is none`() {
        let bench = EngineBench()
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b"))
        a.join("room")
        b.join("room")
        _ = (a.heard(), b.heard())
        for id in [#"\""#, #"a\",\"replayed\":true,\"x\":\""#, #"\\"#, #"\n"#, ""] {
            a.broadcast("room", "m", #"{"n":1}"#, extra: #","id":"\#(id)""#)
        }
        bench.run()
        let heard = b.broadcasts()
        #expect(heard.count == 5, "every frame is JSON")
        #expect(heard.allSatisfy { ($0.at("meta", "id") as? String)?.count == 36 && $0.at("meta", "replayed") == nil })
        #expect(a.replies().allSatisfy { ($0.at("response", "id") as? String)?.count == 36 })
    }

    @Test func `the same id of two visitors is two messages`() {
        let bench = EngineBench()
        let (a, b, c) = (TestClient(bench, ":anon"), TestClient(bench, ":anon"), TestClient(bench, "c"))
        for client in [a, b, c] { client.join("room") }
        _ = c.heard()
        a.broadcast("room", "m", #"{"n":1}"#, extra: #","id":"1""#)
        a.broadcast("room", "m", #"{"n":1}"#, extra: #","id":"1""#)
        b.broadcast("room", "m", #"{"n":2}"#, extra: #","id":"1""#)
        bench.run()
        #expect(c.broadcasts().map { $0.n ?? -1 } == [1, 2])
    }

    @Test func `what expires between two looks is not counted for ever`() async {
        var limits = HubLimits()
        limits.historyAge = 1000
        let bench = EngineBench(limits)
        let a = TestClient(bench, "a")
        a.join("room")
        for _ in 0..<20 {
            a.broadcast("room", "m", #"{"x":"\#(String(repeating: "x", count: 1000))"}"#)
            bench.time.pass(1001)
            // The join lets go of what is too old.
            let late = TestClient(bench, "late")
            late.join("room")
            late.session.closed()
        }
        bench.run()
        bench.time.pass(1001)
        await bench.hub.tick()
        #expect(bench.hub.counters.historyBytes.load(ordering: .relaxed) == 0)
    }

    @Test func `one loud topic does not push the others' history out`() async {
        var limits = HubLimits()
        limits.historyBytes = 100_000
        limits.historyTopicBytes = 20_000
        limits.messagesPerSecond = 10_000
        let bench = EngineBench(limits)
        let (quiet, loud) = (TestClient(bench, "q"), TestClient(bench, "l"))
        quiet.join("quiet")
        loud.join("loud")
        quiet.broadcast("quiet", "m", #"{"n":1}"#)
        for _ in 0..<200 { loud.broadcast("loud", "m", #"{"x":"\#(String(repeating: "x", count: 5000))"}"#) }
        bench.run()
        await bench.hub.tick()
        let epoch = bench.hub.known("quiet", isPrivate: false)?.epoch ?? ""
        let back = TestClient(bench, "back")
        back.join("quiet", #"{"broadcast":{"replay":{"offset":0,"epoch":"\#(epoch)"}}}"#)
        #expect(back.broadcasts().map { $0.n ?? -1 } == [1])
        #expect(bench.hub.counters.historyBytes.load(ordering: .relaxed) < 30_000)
    }

    @Test func `a rejoin on the same socket gets what was under way`() {
        let bench = EngineBench()
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b"))
        a.join("room")
        b.join("room")
        _ = b.heard()
        a.broadcast("room", "m", #"{"n":1}"#)
        // Before the lane has handed it out.
        b.join("room")
        #expect(b.broadcasts().map { $0.n ?? -1 } == [1])
    }

    @Test func `somebody whose rights were taken does not get in by a join under way`() async {
        let bench = EngineBench()
        bench.authority.asks.withLock { $0 = true }
        bench.authority.set("a", "room", .all)
        let a = TestClient(bench, "a")
        a.join("room", #"{"private":true}"#)
        #expect(await a.lane.run { bench.authority.gate.withLock { $0 != nil } })
        let hub = bench.hub
        let isDone = Mutex(false)
        Task {
            _ = await hub.disconnect(user: "a", channels: ["room"], reason: "unsubscribed")
            isDone.withLock { $0 = true }
        }
        for _ in 0..<20_000 where !isDone.withLock({ $0 }) {
            bench.run()
            try? await Task.sleep(for: .milliseconds(1))
        }
        bench.authority.answer()
        for _ in 0..<50 {
            bench.run()
            try? await Task.sleep(for: .milliseconds(1))
        }
        #expect(a.replies().map { $0["status"] as? String } == ["error"])
        #expect(bench.hub.counters.channels.load(ordering: .relaxed) == 0)
    }

    @Test func `rights that come later do not open what was said before`() {
        let bench = EngineBench()
        bench.authority.set("b", "room", .presenceRead)
        bench.authority.set("b:authenticated", "room", .all)
        bench.authority.set("a", "room", .all)
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b"))
        for client in [a, b] { client.join("room", #"{"private":true,"presence":{"enabled":true}}"#) }
        a.broadcast("room", "m", #"{"n":1}"#)
        bench.run()
        b.say("room", "access_token", #"{"access_token":"b:authenticated"}"#)
        a.broadcast("room", "m", #"{"n":2}"#)
        bench.run()
        b.session.closed()
        let back = TestClient(bench, "b:authenticated")
        back.skipRefs(to: 9)
        back.join("room", #"{"private":true,"presence":{"enabled":true}}"#)
        #expect(back.broadcasts().map { $0.n ?? -1 } == [2])
    }

    @Test func `messages for a join under way are bounded in bytes, and what is too much is told`() async {
        var limits = HubLimits()
        limits.maxWaitingBytes = 10_000
        let bench = EngineBench(limits)
        bench.authority.asks.withLock { $0 = true }
        bench.authority.set("a", "room", .all)
        let a = TestClient(bench, "a")
        a.join("room", #"{"private":true,"broadcast":{"ack":true}}"#)
        for _ in 0..<5 { a.broadcast("room", "m", #"{"x":"\#(String(repeating: "x", count: 4000))"}"#) }
        #expect(a.replies().compactMap(\.reason).allSatisfy { $0.hasPrefix("TooManyMessages: ") })
        #expect(await a.lane.run { bench.authority.gate.withLock { $0 != nil } })
        bench.authority.answer()
        #expect(await a.lane.run { a.socket.frames.count >= 3 })
        #expect(a.replies().filter { $0["status"] as? String == "ok" }.count == 3, "the join, and two that fitted")
    }

    @Test func `frames without meaning count too`() {
        var limits = HubLimits()
        limits.messagesPerSecond = 1
        limits.maxChannels = 1
        let bench = EngineBench(limits)
        let a = TestClient(bench, "a")
        for _ in 0..<13 { a.say("nowhere", "e") }
        #expect(a.socket.end == .tooManyMessages)
    }

    @Test func `a topic whose members cannot keep up refuses more`() {
        var limits = HubLimits()
        limits.maxInFlight = 50_000
        limits.messagesPerSecond = 1000
        let bench = EngineBench(limits)
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b", lane: 1))
        a.join("room")
        b.join("room")
        _ = (a.heard(), b.heard())
        for _ in 0..<20 { a.broadcast("room", "m", #"{"x":"\#(String(repeating: "x", count: 10_000))"}"#) }
        bench.run()
        let answers = a.replies()
        #expect(answers.contains { $0.reason?.hasPrefix("Overloaded: ") == true })
        let accepted = answers.filter { $0["status"] as? String == "ok" }.count
        #expect(b.broadcasts().count == accepted && accepted >= 2)
        a.broadcast("room", "m", "{}")
        bench.run()
        #expect(a.replies().first?["status"] as? String == "ok", "and takes more when they have caught up")
    }

    @Test func `a full topic is called full, not a failure of the disk`() async throws {
        var limits = HubLimits()
        limits.maxInFlight = 50_000
        limits.messagesPerSecond = 1000
        let bench = EngineBench(limits)
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b", lane: 1))
        a.join("room", #"{"broadcast":{"ack":false}}"#)
        b.join("room")
        for _ in 0..<20 { a.broadcast("room", "m", #"{"x":"\#(String(repeating: "x", count: 10_000))"}"#) }
        a.lane.run()
        let events = bench.events.all.withLock { $0 }
        #expect(events.contains { if case .refusedMessage(let reason) = $0 { reason.hasPrefix("Overloaded: ") } else { false } })
        #expect(!events.contains { if case .historyFailed = $0 { true } else { false } })
        let error = await #expect(throws: HTTPError.self) {
            let payload = Array(#"{"x":"\#(String(repeating: "x", count: 10_000))"}"#.utf8)
            for _ in 0..<20 {
                _ = try await bench.hub.publish(
                    topic: "room", isPrivate: false, event: "e", payload: payload, id: nil, sender: nil)
            }
        }
        #expect(error?.status == 503 && error?.code == .overloaded)
    }

    @Test func `a visitor who signs in is somebody from then on`() async {
        let bench = EngineBench()
        bench.authority.set("", "conversation:1", .all)
        bench.authority.set("b", "conversation:1", .all)
        bench.authority.set("a", "conversation:1", .all)
        let config = #"{"private":true}"#
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, ":anon"))
        a.join("conversation:1", config)
        b.join("conversation:1", config)
        b.say("conversation:1", "access_token", #"{"access_token":"b"}"#)
        a.broadcast("conversation:1", "new_message", #"{"id":"m1"}"#)
        bench.run()
        #expect(await bench.hub.unread(user: "b", channel: "conversation:1") == 1)
    }
}
