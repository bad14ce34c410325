import Foundation
import Testing

@testable import SwiftletRealtime

@Suite struct SlowTests {
    @Test func `what a client does not take waits for it, in order, and nobody else waits`() {
        let bench = EngineBench()
        let (a, slow, fast) = (TestClient(bench, "a"), TestClient(bench, "b"), TestClient(bench, "c"))
        for client in [a, slow, fast] {
            client.join("one")
            client.join("two")
            _ = client.heard()
        }
        slow.socket.room = 3
        for n in 0..<10 { a.broadcast(n % 2 == 0 ? "one" : "two", "m", #"{"n":\#(n)}"#) }
        bench.run()
        #expect(fast.broadcasts().count == 10)
        var heard: [Int] = []
        for _ in 0..<10 where heard.count < 10 {
            heard += slow.broadcasts().map { $0.n ?? -1 }
            slow.session.writable()
        }
        #expect(heard.filter { $0 % 2 == 0 } == [0, 2, 4, 6, 8] && heard.filter { $0 % 2 == 1 } == [1, 3, 5, 7, 9])
        #expect(slow.socket.end == nil)
    }

    @Test func `more than a socket holds can be recovered`() throws {
        let bench = EngineBench()
        let a = TestClient(bench, "a")
        a.join("room", #"{"broadcast":{"self":true}}"#)
        for n in 0..<60 { a.broadcast("room", "m", #"{"n":\#(n),"x":"\#(String(repeating: "x", count: 60_000))"}"#) }
        bench.run()
        let epoch = try #require(bench.hub.known("room", isPrivate: false)?.epoch)
        let back = TestClient(bench, "back")
        back.socket.room = 4
        back.join("room", #"{"broadcast":{"replay":{"offset":0,"epoch":"\#(epoch)"}}}"#)
        a.broadcast("room", "m", #"{"n":60}"#)
        var heard: [Int] = []
        for _ in 0..<100 where heard.count < 61 {
            bench.run()
            heard += back.broadcasts().map { $0.n ?? -1 }
            back.session.writable()
        }
        #expect(heard == Array(0...60))
        #expect(back.socket.end == nil)
    }

    @Test func `one who takes nothing is ended by name: for what waits, or for how long`() {
        var limits = HubLimits()
        limits.maxBehind = 100_000
        limits.messagesPerSecond = 1000
        let bench = EngineBench(limits)
        let (a, slow, still) = (TestClient(bench, "a"), TestClient(bench, "b"), TestClient(bench, "c"))
        a.join("room")
        a.join("quiet")
        slow.join("room")
        still.join("quiet")
        for client in [slow, still] {
            _ = client.heard()
            client.socket.room = 0
        }
        a.broadcast("quiet", "m", "{}")
        for _ in 0..<20 { a.broadcast("room", "m", #"{"x":"\#(String(repeating: "x", count: 10_000))"}"#) }
        bench.run()
        #expect(slow.socket.end == .slowConsumer)
        #expect(still.socket.end == nil)
        bench.time.pass(15_001)
        still.session.tick()
        #expect(still.socket.end == .slowConsumer)
        #expect(bench.hub.counters.channels.load(ordering: .relaxed) == 2)
    }
}
