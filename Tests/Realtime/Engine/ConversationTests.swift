import Foundation
import Swiftlet
import Testing

@testable import SwiftletRealtime

@Suite struct ConversationTests {
    private static let config = #"{"private":true,"broadcast":{"ack":true}}"#

    private func pair(_ bench: EngineBench, on topic: String) -> (TestClient, TestClient) {
        let (a, b) = (TestClient(bench, "a"), TestClient(bench, "b", lane: 1))
        for (user, client) in [("a", a), ("b", b)] {
            bench.authority.set(user, topic, .all)
            client.join(topic, Self.config)
            _ = client.heard()
        }
        return (a, b)
    }

    @Test func `typing ends by itself, and when its sender vanishes, once`() {
        let bench = EngineBench()
        let (a, b) = pair(bench, on: "conversation:1")
        a.broadcast("conversation:1", "typing", #"{"isTyping":true,"userId":"a"}"#)
        bench.run()
        #expect(b.broadcasts().map { $0.at("payload", "isTyping") as? Bool } == [true])
        bench.time.pass(4_999)
        bench.hub.tickMessaging()
        bench.run()
        #expect(b.broadcasts().isEmpty)
        bench.time.pass(2)
        bench.hub.tickMessaging()
        bench.hub.tickMessaging()
        bench.run()
        let stops = b.broadcasts()
        #expect(stops.count == 1 && stops[0].at("payload", "isTyping") as? Bool == false)
        #expect(stops.first?.at("payload", "expired") as? Bool == true)
        a.broadcast("conversation:1", "typing", #"{"isTyping":true,"userId":"a"}"#)
        a.session.closed()
        bench.run()
        #expect(b.broadcasts().map { $0.at("payload", "isTyping") as? Bool } == [true, false])
    }

    @Test func `typing is kept by nobody, and too much of it is refused in words`() {
        let bench = EngineBench()
        let (a, b) = pair(bench, on: "conversation:1")
        for _ in 0..<11 {
            a.broadcast("conversation:1", "typing", #"{"isTyping":true}"#)
            a.broadcast("conversation:1", "typing", #"{"isTyping":false}"#)
        }
        bench.run()
        let refusals = a.replies().compactMap(\.reason)
        #expect(refusals.count == 1 && refusals[0].hasPrefix("TypingRateLimitReached: "))
        #expect(b.broadcasts().allSatisfy { $0.offset == 0 })
        #expect(bench.hub.known("conversation:1", isPrivate: true)?.offset == 0)
    }

    @Test func `what others have not read is counted, for each reader`() async {
        let bench = EngineBench()
        let (a, b) = pair(bench, on: "conversation:1")
        for n in 1...3 { a.broadcast("conversation:1", "new_message", #"{"id":"m\#(n)","content":"x"}"#) }
        bench.run()
        #expect(await bench.hub.unread(user: "b", channel: "conversation:1") == 3)
        #expect(await bench.hub.unread(user: "a", channel: "conversation:1") == 0, "one's own count for nobody")
        b.broadcast("conversation:1", "message_read", #"{"messageId":"m2"}"#)
        bench.run()
        #expect(await bench.hub.unread(user: "b", channel: "conversation:1") == 2)
        #expect(await bench.hub.unread(user: "b", channel: "typing:1") == nil, "that is no place for messages")
        #expect(await bench.hub.unread(user: "b", channel: "room") == nil)
    }

    @Test func `the sender is told once somebody has its message`() {
        let bench = EngineBench()
        let (a, b) = pair(bench, on: "conversation:1")
        a.broadcast("conversation:1", "new_message", #"{"id":"m1"}"#)
        bench.run()
        let told = a.broadcasts().filter { $0["event"] as? String == "delivery_status" }
        #expect(told.count == 1 && told[0].at("payload", "status") as? String == "delivered")
        #expect(b.broadcasts().map { $0["event"] as? String } == ["new_message"])
    }
}
