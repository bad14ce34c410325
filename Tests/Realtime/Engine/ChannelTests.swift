import Foundation
import Swiftlet
import Testing

@testable import SwiftletRealtime

@Suite struct ChannelTests {
    @Test func `a join is answered with the list of database bindings, and a broadcast reaches everybody but its sender`() {
        let bench = EngineBench()
        let (a, b, c) = (TestClient(bench, "a"), TestClient(bench, "b", .v2, lane: 1), TestClient(bench, "c"))
        for client in [a, b, c] { client.join("room") }
        let reply = a.replies()
        #expect(reply.count == 1 && reply[0]["status"] as? String == "ok")
        #expect((reply.first?.at("response", "postgres_changes") as? NSArray)?.count == 0)
        _ = (b.heard(), c.heard())
        a.broadcast("room", "hello", #"{"n":1}"#)
        bench.run()
        let ack = a.heard()
        #expect(ack.count == 1 && ack[0].event == "phx_reply")
        #expect(ack.first?.payload.at("response", "receivers") as? Int == 2)
        #expect(ack.first?.payload.at("response", "offset") as? Int == 1)
        #expect((ack.first?.payload.at("response", "id") as? String)?.count == 36)
        #expect(b.socket.frames.count == 1 && b.socket.frames[0].isText == false)
        let heard = c.broadcasts()
        #expect(heard.count == 1 && heard[0].n == 1 && heard[0].offset == 1)
    }

    @Test func `a sender hears itself when it asked for that, and its other sockets always hear it`() {
        let bench = EngineBench()
        let (a, other) = (TestClient(bench, "a"), TestClient(bench, "a"))
        a.join("room", #"{"broadcast":{"self":true}}"#)
        other.join("room")
        _ = (a.heard(), other.heard())
        a.broadcast("room", "hello", #"{"n":1}"#)
        bench.run()
        let heard = a.heard()
        #expect(heard.map(\.event) == ["broadcast"], "no ack was asked for")
        #expect(other.broadcasts().count == 1)
    }

    @Test func `everybody hears messages in one order, however many there are and wherever they are`() {
        let bench = EngineBench()
        let clients = (0..<1300).map { TestClient(bench, "u\($0)", lane: $0 % 2) }
        for client in clients { client.join("room") }
        bench.run()
        for client in clients { _ = client.socket.take() }
        let (one, two) = (clients[0], clients[1])
        for n in 0..<40 { (n % 2 == 0 ? one : two).broadcast("room", "m", #"{"n":\#(n)}"#) }
        bench.run()
        for client in clients[2...] { #expect(client.broadcasts().map { $0.n ?? -1 } == Array(0..<40)) }
    }

    @Test func `who joins hears what is said from then on, and nothing twice`() {
        let bench = EngineBench()
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b"))
        a.join("room")
        a.broadcast("room", "m", #"{"n":1}"#)
        // The join is processed while the first message is still on its way to the lane.
        b.join("room")
        a.broadcast("room", "m", #"{"n":2}"#)
        bench.run()
        #expect(b.broadcasts().map { $0.n ?? -1 } == [2])
    }

    @Test func `a topic is another one in private, and byte for byte`() {
        let bench = EngineBench()
        bench.authority.set("a", "room", .all)
        let (a, b, c) = (TestClient(bench, "a"), TestClient(bench, "b"), TestClient(bench, "c"))
        a.join("room", #"{"private":true,"broadcast":{"self":true}}"#)
        b.join("room")
        c.join("ro\u{301}om")
        let d = TestClient(bench, "d")
        d.join("r\u{F3}om")
        for client in [a, b, c, d] { _ = client.heard() }
        a.broadcast("room", "m", #"{"n":1}"#)
        c.broadcast("ro\u{301}om", "m", #"{"n":2}"#)
        bench.run()
        #expect(a.broadcasts().count == 1)
        #expect(b.broadcasts().isEmpty && d.broadcasts().isEmpty)
    }

    @Test func `a topic that is joined again begins anew, and its former channel is told`() {
        let bench = EngineBench()
        let a = TestClient(bench, "a", .v2)
        a.join("room")
        _ = a.heard()
        a.join("room")
        #expect(a.heard().map(\.event) == ["phx_close", "phx_reply"])
        #expect(bench.hub.counters.channels.load(ordering: .relaxed) == 1)
    }

    @Test func `leaving is answered, then the channel is closed; what nobody has joined is told so`() {
        let bench = EngineBench()
        let a = TestClient(bench, "a")
        a.join("room")
        _ = a.heard()
        a.say("room", "phx_leave")
        #expect(a.heard().map(\.event) == ["phx_reply", "phx_close"])
        a.say("room", "phx_leave")
        #expect(a.replies().first?["status"] as? String == "ok")
        a.broadcast("room", "m", "{}")
        #expect(a.replies().first?.reason == "unmatched topic")
    }

    @Test func `what is no message is dropped and reported, and the socket goes on`() {
        let bench = EngineBench()
        let a = TestClient(bench, "a")
        for bytes in ["", "{", "[]", "nul", "{\"topic\":1}", "\u{0}"] {
            bytes.utf8CString.withUnsafeBytes { a.session.received(text: UnsafeRawBufferPointer(rebasing: $0.dropLast())) }
        }
        #expect(a.heard().isEmpty && a.socket.end == nil)
        #expect(bench.events.all.withLock { $0.count } == 6)
        a.join("room")
        #expect(a.replies().count == 1)
    }

    @Test func `a join that asks for database changes is told that there are none`() {
        let bench = EngineBench()
        let a = TestClient(bench, "a")
        a.join("room", #"{"postgres_changes":[{"event":"*","schema":"public","table":"t"}]}"#)
        let replies = a.replies()
        #expect(replies.count == 1 && replies[0].reason?.hasPrefix("PostgresChangesNotConfigured: ") == true)
        a.join("room")
        #expect(a.replies().first?["status"] as? String == "ok")
    }

    @Test func `limits are told by their names`() {
        var limits = HubLimits()
        limits.maxChannels = 2
        limits.messagesPerSecond = 2
        limits.maxPayload = 100
        let bench = EngineBench(limits)
        let a = TestClient(bench, "a")
        for topic in ["r1", "r2", "r3"] { a.join(topic) }
        #expect(a.replies().map { $0.reason ?? "" } == ["", "", "ChannelRateLimitReached: Too many channels"])
        a.broadcast("r1", "m", #"{"x":"\#(String(repeating: "x", count: 200))"}"#)
        #expect(a.replies().first?.at("response", "error") as? String == "payload_size_exceeded")
        for _ in 0..<4 { a.broadcast("r1", "m", "{}") }
        let heard = a.heard().filter { $0.event != "phx_reply" }
        #expect(heard.map(\.event) == ["system", "phx_close"])
        #expect(heard.first?.payload["message"] as? String == "Too many messages per second")
        a.broadcast("r2", "m", "{}")
        #expect(a.heard().contains { $0.event == "phx_close" }, "the rate is the socket's")
    }

    @Test func `the host's own end comes with its reason`() {
        var limits = HubLimits()
        limits.idleSocket = 1000
        let bench = EngineBench(limits)
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b"))
        b.join("room")
        bench.time.pass(1001)
        for client in [a, b] { client.session.tick() }
        #expect(a.socket.end == .noChannels && b.socket.end == nil)
        bench.hub.closeAll()
        bench.run()
        #expect(b.socket.end == .restarting)
        #expect(bench.hub.counters.sockets.load(ordering: .relaxed) == 0)
    }
}
