import Foundation
import Swiftlet
import Testing

@testable import SwiftletRealtime

@Suite struct PresenceTests {
    private static let config = #"{"presence":{"key":"k","enabled":true}}"#

    @Test func `the state comes first, then differences, the tracker's own among them`() {
        let bench = EngineBench()
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b", lane: 1))
        a.join("room", Self.config)
        #expect(a.heard().map(\.event) == ["phx_reply", "presence_state"])
        a.track("room", #"{"name":"A"}"#)
        bench.run()
        let heard = a.heard()
        #expect(Set(heard.map(\.event)) == ["phx_reply", "presence_diff"])
        b.join("room", Self.config)
        bench.run()
        let state = b.heard().last
        #expect(state?.event == "presence_state")
        let metas = state?.payload.at("k", "metas") as? [NSDictionary]
        #expect(metas?.count == 1 && metas?[0]["name"] as? String == "A" && metas?[0]["phx_ref"] is String)
    }

    @Test func `one change is one difference, the same again is none, and two tabs share a key`() {
        let bench = EngineBench()
        let (a, tab, b) = (TestClient(bench, "a"), TestClient(bench, "a"), TestClient(bench, "b"))
        for client in [a, tab, b] { client.join("room", Self.config) }
        a.track("room", #"{"s":1}"#)
        bench.run()
        for client in [a, tab, b] { _ = client.heard() }
        a.track("room", #"{"s":2}"#)
        a.track("room", #"{"s":2}"#)
        bench.run()
        let diffs = b.heard()
        #expect(diffs.count == 1)
        let join = (diffs.first?.payload.at("joins", "k", "metas") as? [NSDictionary])?.first
        let leave = (diffs.first?.payload.at("leaves", "k", "metas") as? [NSDictionary])?.first
        #expect(join?["s"] as? Int == 2 && leave?["s"] as? Int == 1)
        #expect(join?["phx_ref_prev"] as? String == leave?["phx_ref"] as? String)
        tab.track("room", #"{"s":3}"#)
        bench.run()
        _ = b.heard()
        a.session.closed()
        bench.run()
        let left = b.heard()
        #expect((left.first?.payload.at("leaves", "k", "metas") as? [NSDictionary])?.first?["s"] as? Int == 2)
        let late = TestClient(bench, "c")
        late.join("room", Self.config)
        #expect((late.heard().last?.payload.at("k", "metas") as? [NSDictionary])?.count == 1, "the other tab is still there")
    }

    @Test func `who tracks without having asked for presence gets it`() {
        let bench = EngineBench()
        let a = TestClient(bench, "a")
        a.join("room", #"{"broadcast":{}}"#)
        _ = a.heard()
        a.track("room", #"{"s":1}"#)
        bench.run()
        #expect(a.heard().map(\.event) == ["presence_state", "phx_reply", "presence_diff"])
    }

    @Test func `what is no presence is refused, too much of it ends the channel`() {
        let bench = EngineBench()
        let a = TestClient(bench, "a")
        a.join("room", Self.config)
        _ = a.heard()
        a.track("room", "[]")
        #expect(a.replies().first?.reason == "Presence track payload must be a map")
        a.say("room", "presence", #"{"type":"presence","event":"wave","payload":{}}"#)
        #expect(a.replies().first?["status"] as? String == "error")
        for n in 0..<5 { a.track("room", #"{"s":\#(n)}"#) }
        #expect(a.heard().contains { $0.event == "system" } == false)
        a.say("room", "presence", #"{"type":"presence","event":"untrack"}"#)
        let end = a.heard().filter { $0.event == "system" || $0.event == "phx_close" }
        #expect(end.map(\.event) == ["system", "phx_close"])
        #expect(end.first?.payload["message"] as? String == "Client presence rate limit exceeded")
    }
}
