import Foundation
import Swiftlet
import Testing

@testable import SwiftletRealtime

@Suite struct AccessTests {
    private static let secret = #"{"private":true,"broadcast":{"ack":true},"presence":{"enabled":true,"key":"k"}}"#

    @Test func `a private channel is for those who may read it, and each right counts for itself`() {
        let bench = EngineBench()
        bench.authority.set("reader", "room", .broadcastRead)
        bench.authority.set("watcher", "room", [.presenceRead, .presenceWrite])
        bench.authority.set("writer", "room", [.broadcastWrite])
        bench.authority.set("all", "room", .all)
        let names = ["reader", "watcher", "writer", "stranger", "all"]
        var clients: [String: TestClient] = [:]
        for name in names {
            let client = TestClient(bench, name)
            client.join("room", Self.secret)
            clients[name] = client
        }
        func reason(_ name: String) -> String? { clients[name]?.replies().last?.reason }
        #expect(reason("stranger") == "Unauthorized: You do not have permissions to read from this Channel topic: room")
        #expect(reason("writer")?.hasPrefix("Unauthorized: ") == true, "who may only write may not join")
        for name in ["reader", "watcher", "all"] { _ = clients[name]?.heard() }

        clients["reader"]?.broadcast("room", "m", "{}")
        #expect(reason("reader") == "Unauthorized: You do not have permissions to write to this Channel topic: room")
        clients["all"]?.broadcast("room", "m", #"{"n":1}"#)
        bench.run()
        #expect(clients["reader"]?.broadcasts().count == 1)
        #expect(clients["watcher"]?.heard().isEmpty == true, "presence alone hears no broadcast")
        clients["watcher"]?.track("room", #"{"x":1}"#)
        bench.run()
        #expect(clients["reader"]?.heard().isEmpty == true, "reading alone sees nobody")
        #expect(clients["all"]?.heard().contains { $0.event == "presence_diff" } == true)
    }

    @Test func `joins that ask elsewhere wait side by side, and what was said meanwhile is not lost`() async {
        let bench = EngineBench()
        bench.authority.asks.withLock { $0 = true }
        bench.authority.set("a", "room", .all)
        let a = TestClient(bench, "a")
        a.join("room", Self.secret)
        a.broadcast("room", "m", #"{"n":1}"#)
        a.say("public", "phx_join", #"{"config":{}}"#)
        #expect(a.replies().count == 1, "the public join does not wait for the private one")
        let isAsked = await a.lane.run { bench.authority.gate.withLock { $0 != nil } }
        #expect(isAsked)
        bench.authority.answer()
        let isDone = await a.lane.run { a.socket.frames.count >= 3 }
        #expect(isDone)
        let heard = a.heard()
        #expect(heard.map(\.event) == ["phx_reply", "presence_state", "phx_reply"])
        #expect(heard.last?.payload.at("response", "offset") as? Int == 1)
    }

    @Test func `a channel ends with its token, and goes on with a new one`() {
        let bench = EngineBench()
        let now = Double(bench.time.now) / 1000
        let a = TestClient(bench, "a:authenticated:\(now + 10)")
        a.join("one")
        a.join("two")
        _ = a.heard()
        a.say("one", "access_token", #"{"access_token":"a:authenticated:\#(now + 100)"}"#)
        #expect(a.heard().isEmpty, "a good token is not answered")
        bench.time.pass(12_000)
        a.session.tick()
        let heard = a.heard()
        #expect(heard.map(\.event) == ["system", "phx_close"])
        #expect(heard.first?.payload["message"] as? String == "Token has expired 2 seconds ago")
        #expect(heard.first?.payload["channel"] as? String == "two")
        a.join("three")
        #expect(a.replies().first?.reason == "InvalidJWTToken: Token has expired 2 seconds ago")
        a.say("one", "access_token", #"{"access_token":"sb_publishable_x"}"#)
        a.say("one", "access_token", #"{"access_token":null}"#)
        #expect(a.heard().isEmpty, "a key of the project is no new token")
        a.say("one", "access_token", #"{"access_token":"bad"}"#)
        #expect(a.heard().first?.payload["message"] as? String == "The token provided is not a valid JWT")
    }

    @Test func `a new token that may no longer read ends the channel, one that may less write does not`() {
        let bench = EngineBench()
        bench.authority.set("a", "room", .all)
        bench.authority.set("a:authenticated", "room", .read)
        bench.authority.set("a:nobody", "room", [])
        let a = TestClient(bench, "a")
        a.join("room", Self.secret)
        _ = a.heard()
        a.say("room", "access_token", #"{"access_token":"a:authenticated"}"#)
        #expect(a.heard().isEmpty)
        a.broadcast("room", "m", "{}")
        #expect(a.replies().first?.reason?.hasPrefix("Unauthorized: You do not have permissions to write") == true)
        a.say("room", "access_token", #"{"access_token":"a:nobody"}"#)
        let heard = a.heard()
        #expect(heard.map(\.event) == ["system", "phx_close"])
        #expect(
            heard.first?.payload["message"] as? String == "You no longer have permission to read from this Channel topic: room")
    }

    @Test func `somebody's channels can be ended from outside, and only somebody's`() async {
        let bench = EngineBench()
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b", lane: 1))
        for client in [a, b] {
            client.join("one")
            client.join("two")
            _ = client.heard()
        }
        let hub = bench.hub
        async let ended = hub.disconnect(user: "a", channels: ["one"], reason: "Server requested disconnect")
        var heard: [String] = []
        for _ in 0..<20_000 where heard.isEmpty {
            bench.run()
            heard = a.heard().map(\.event)
            try? await Task.sleep(for: .milliseconds(1))
        }
        for _ in 0..<200 {
            bench.run()
            try? await Task.sleep(for: .milliseconds(1))
        }
        #expect(await ended == ["one"])
        #expect(heard == ["system", "phx_close"])
        #expect(b.heard().isEmpty)
    }

    @Test func `only private channels, where the operator says so`() {
        var settings = Hub.Settings()
        settings.privateOnly = true
        let bench = EngineBench(HubLimits(), settings)
        let a = TestClient(bench, "a")
        a.join("room")
        #expect(a.replies().first?.reason == "PrivateOnly: This project only allows private channels")
    }
}
