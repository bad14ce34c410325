import Foundation
import Testing

@testable import SwiftletRealtime

@Suite struct `Messages, receipts and delivery` {
    private let topic = "conversation:1"
    private let room: Conversation

    init() throws { room = try #require(Conversation(topic: "conversation:1", isPrivate: true)) }

    private func joined(_ fixture: inout DeskFixture, _ names: String...) {
        for (index, name) in names.enumerated() {
            _ = fixture.desk.joined(topic, isPrivate: true, user(name, UInt64(index + 1)), now: fixture.now)
        }
    }

    @Test func `a message is sent, with another subscriber delivered, and its sender is told`() throws {
        var fixture = DeskFixture()
        joined(&fixture, "ann", "bob")
        var emissions = fixture.send("new_message", #"{"id":"m\"1"}"#, topic, user("ann", 1))
        #expect(fixture.desk.status(of: "m\"1", in: room) == .sent)
        #expect(emissions.broadcasts.isEmpty)
        #expect(emissions.writes.first == .message(room, id: "m\"1", sender: "ann", offset: 1, time: fixture.now))
        emissions = fixture.send("new_message", #"{"id":"m\"2"}"#, topic, user("ann", 1), receivers: 2)
        #expect(fixture.desk.status(of: "m\"2", in: room) == .delivered)
        let told = try #require(emissions.broadcasts.first)
        #expect(told.event == "delivery_status" && told.audience == .only(1) && emissions.broadcasts.count == 1)
        #expect(told.object["messageId"] as? String == "m\"2" && told.object["status"] as? String == "delivered")
        #expect(
            emissions.writes.contains(.status(room, message: "m\"2", recipient: nil, .delivered, reason: nil, time: fixture.now)))
    }

    @Test func `a message is known by its own id, a wrapped one, or the server's`() {
        var fixture = DeskFixture()
        for (body, id) in [
            (#"{"id":"a"}"#, "a"), (#"{"messageId":"b"}"#, "b"),
            (#"{"message_id":12345678901234567890}"#, "12345678901234567890"),
            (#"{"message":{"id":"c","id2":1}}"#, "c"), (#"{"text":"hello"}"#, "meta5"), (#"{"id":null}"#, "meta6"),
            (#"{"id":"\u0064\ud83d\ude00"}"#, "d😀"), (#"{"id":"a\u0000"}"#, "meta8"), (#"{"id":1.5}"#, "meta9"),
            (#"{"id":"\#(String(repeating: "x", count: 200))"}"#, "meta10"),
        ] {
            fixture.send("new_message", body, topic, user("ann"))
            #expect(fixture.desk.status(of: id, in: room) == .sent, "\(body)")
        }
    }

    @Test func `unread counts rise for the others, fall with the receipt, and never for one's own`() {
        var fixture = DeskFixture()
        joined(&fixture, "ann", "bob", "cy")
        for number in 1...3 { fixture.send("new_message", #"{"id":"m\#(number)"}"#, topic, user("ann"), receivers: 2) }
        #expect(fixture.desk.unread("ann") == 0 && fixture.desk.unread("bob") == 3)
        let emissions = fixture.send("message_read", #"{"id":"r1","messageId":"m2","readByUserId":"bob"}"#, topic, user("bob", 2))
        #expect(emissions.writes.first == .receipt(room, message: "m2", reader: MessageReader("bob"), time: fixture.now))
        #expect(fixture.desk.unread("bob", in: room) == 2 && fixture.desk.unread("cy", in: room) == 3)
        #expect(fixture.desk.status(of: "m2", in: room) == .read)
        // Once is enough.
        #expect(fixture.send("message_read", #"{"messageId":"m2"}"#, topic, user("bob", 2)).isEmpty)
        #expect(fixture.send("message_read", #"{"messageId":"m1"}"#, topic, user("ann", 1)).isEmpty)
        #expect(fixture.desk.status(of: "m1", in: room) == .delivered)
        fixture.send("message_read", #"{"message_ids":["m1","m2","m3",4,null]}"#, topic, user("bob", 2))
        #expect(fixture.desk.unread("bob") == 0)
        // A member that is not there keeps counting.
        _ = fixture.desk.left(topic, isPrivate: true, user("cy", 3), now: fixture.now)
        fixture.send("new_message", #"{"id":"m4"}"#, topic, user("bob"))
        #expect(fixture.desk.unread("cy") == 4 && fixture.desk.unread("ann") == 1)
    }

    @Test func `a second attempt is the same message`() {
        var fixture = DeskFixture()
        joined(&fixture, "ann", "bob")
        for _ in 0..<3 { fixture.send("new_message", #"{"id":"m"}"#, topic, user("ann"), receivers: 1) }
        #expect(fixture.desk.unread("bob") == 1)
    }

    @Test func `the reader is who the token says, not who the payload says`() {
        var fixture = DeskFixture()
        joined(&fixture, "ann", "bob", "eve")
        fixture.send("new_message", #"{"id":"m","senderId":"bob"}"#, topic, user("ann"), receivers: 1)
        let emissions = fixture.send("message_read", #"{"messageId":"m","readByCustomerId":"bob"}"#, topic, user("eve", 3))
        #expect(
            emissions.writes.first == .receipt(room, message: "m", reader: MessageReader("eve", .customer), time: fixture.now))
        #expect(fixture.desk.unread("bob") == 1 && fixture.desk.unread("eve") == 0)
        // Whom nobody knows is relayed, and not counted for anybody.
        #expect(
            fixture.send(
                "message_read", #"{"messageId":"m","readByUserId":"bob"}"#, topic, MessagingParty(user: nil, connection: 9)
            ).isEmpty)
        #expect(fixture.desk.unread("bob") == 1)
        var trusting = DeskFixture { $0.trustsClaims = true }
        joined(&trusting, "ann", "bob")
        trusting.send("new_message", #"{"id":"m"}"#, topic, user("ann"))
        trusting.send("message_read", #"{"messageId":"m","readByUserId":"bob"}"#, topic, MessagingParty(user: nil, connection: 9))
        #expect(trusting.desk.unread("bob") == 0)
    }

    @Test func `a message that went to two conversations is unread once, and read in both`() throws {
        var fixture = DeskFixture()
        for topic in [topic, "customer:7:messages"] {
            _ = fixture.desk.joined(topic, isPrivate: true, user("bob", 2), now: fixture.now)
            fixture.send("new_message", #"{"id":"m"}"#, topic, user("ann"))
        }
        #expect(fixture.desk.unread("bob") == 1)
        fixture.send("message_read", #"{"messageId":"m"}"#, topic, user("bob", 2))
        #expect(fixture.desk.unread("bob") == 0)
    }

    @Test func `sixty marks a minute, a batch for as many as it has`() {
        var fixture = DeskFixture()
        for number in 0..<58 {
            #expect(fixture.judge("message_read", #"{"messageId":"m\#(number)"}"#, topic, user("bob")).passes)
        }
        #expect(!fixture.judge("message_read", #"{"messageIds":["a","b","c"]}"#, topic, user("bob")).passes)
        #expect(fixture.judge("message_read", #"{"messageIds":["a","b"]}"#, "conversation:2", user("bob")).passes)
        let refusal = fixture.judge("delivery_status", #"{"messageId":"m","status":"read"}"#, topic, user("bob"))
        #expect(refusal.reason?.hasPrefix("ReadRateLimitReached: ") == true && refusal.wait == 60)
        #expect(fixture.judge("message_read", #"{"messageId":"m"}"#, topic, user("ann")).passes)
        // One that is about no message is none of the desk's business.
        #expect(fixture.judge("message_read", #"{"text":"x"}"#, topic, user("bob")).passes)
        fixture.now += 60_000
        let many = (0..<80).map { "\"x\($0)\"" }.joined(separator: ",")
        #expect(fixture.judge("message_read", "{\"messageIds\":[\(many)]}", topic, user("bob")).passes)
        #expect(!fixture.judge("message_read", #"{"messageId":"m"}"#, topic, user("bob")).passes)
    }

    @Test func `a failure is said of what was only sent, and stays`() {
        var fixture = DeskFixture()
        joined(&fixture, "ann", "bob")
        fixture.send("new_message", #"{"id":"a"}"#, topic, user("ann"))
        fixture.send("new_message", #"{"id":"b"}"#, topic, user("ann"), receivers: 1)
        let emissions = fixture.send(
            "delivery_status", #"{"messageId":"a","status":"failed","failedReason":"bounced"}"#, topic, user("ann"))
        #expect(emissions.writes == [.status(room, message: "a", recipient: nil, .failed, reason: "bounced", time: fixture.now)])
        #expect(fixture.send("delivery_status", #"{"messageId":"b","status":"failed"}"#, topic, user("ann")).isEmpty)
        fixture.send("delivery_status", #"{"messageId":"a","status":"delivered"}"#, topic, user("bob"))
        #expect(fixture.desk.status(of: "a", in: room) == .failed && fixture.desk.status(of: "b", in: room) == .delivered)
    }

    @Test func `a client says that it was delivered, not the sender itself`() {
        var fixture = DeskFixture()
        joined(&fixture, "ann", "bob")
        fixture.send("new_message", #"{"id":"a"}"#, topic, user("ann"))
        #expect(fixture.send("delivery_status", #"{"messageId":"a","status":"delivered"}"#, topic, user("ann")).isEmpty)
        let emissions = fixture.send("delivery_status", #"{"messageId":"a","status":"delivered"}"#, topic, user("bob"))
        #expect(
            emissions.writes.first
                == .status(room, message: "a", recipient: MessageReader("bob"), .delivered, reason: nil, time: fixture.now))
        fixture.send("delivery_status", #"{"messageId":"a","status":"read"}"#, topic, user("bob"))
        #expect(fixture.desk.status(of: "a", in: room) == .read && fixture.desk.unread("bob") == 0)
    }

    @Test func `who comes later and gets it by replay makes it delivered`() {
        var fixture = DeskFixture()
        let content = DeskFixture.content("new_message", #"{"id":"a"}"#)
        fixture.send("new_message", #"{"id":"a"}"#, topic, user("ann", 1))
        func replay(_ party: MessagingParty) -> [Emission] {
            fixture.desk.replayed(content, topic: topic, isPrivate: true, to: party, id: "meta1", now: fixture.now)
        }
        #expect(replay(user("ann", 5)).isEmpty)
        #expect(replay(user("bob", 2)).broadcasts.map(\.audience) == [.only(1)])
        #expect(replay(user("bob", 2)).isEmpty)
        #expect(fixture.desk.status(of: "a", in: room) == .delivered)
    }

    @Test func `other topics, events and payloads pass untouched`() {
        var fixture = DeskFixture()
        let nothing = MessagingVerdict.pass(ephemeral: false, emissions: [])
        for topic in [
            "room:1", "conversations:1", "conversation:", "conversation", "customer:1", "customer::messages", "typingx:1", "",
            ":",
        ] {
            for event in ["typing", "new_message", "message_read", "presence", "delivery_status"] {
                for _ in 0..<12 {
                    #expect(
                        fixture.judge(event, #"{"id":"1","isTyping":true,"messageId":"1","status":"online"}"#, topic, user("ann"))
                            == nothing)
                }
                #expect(fixture.send(event, #"{"id":"1"}"#, topic, user("ann"), receivers: 3).isEmpty)
            }
        }
        for event in ["message", "", "typings", "new_messages", "INSERT", "status"] {
            #expect(fixture.judge(event, #"{"id":"1","isTyping":true,"status":"online"}"#, topic, user("ann")) == nothing)
        }
        for body in ["[]", "\"x\"", "1", "null", "{", ""] {
            for event in ["typing", "new_message", "message_read", "presence", "delivery_status"] {
                #expect(fixture.judge(event, body, topic, user("ann")) == nothing)
                #expect(fixture.send(event, body, topic, user("ann"), receivers: 3).isEmpty)
            }
        }
        let binary = BroadcastContent(event: "typing", body: .binary([1, 2]))
        #expect(fixture.desk.judge(binary, topic: topic, isPrivate: true, from: user("ann"), now: 0) == nothing)
        #expect(fixture.desk.nextDeadline == nil)
    }

    @Test func `a topic is read byte by byte`() {
        #expect(MessagingTopic("conversation:\u{301}x")?.id.utf8.elementsEqual("\u{301}x".utf8) == true)
        #expect(MessagingTopic("customer:a:b:messages")?.id == "a:b")
        #expect(MessagingTopic("conversation:a\u{0}") == nil)
        #expect(Conversation(topic: "typing:1", isPrivate: true) == room)
        #expect(Conversation(topic: "typing:1", isPrivate: false) != room)
        #expect(
            Conversation(topic: "conversation:\u{e9}", isPrivate: true)
                != Conversation(topic: "conversation:e\u{301}", isPrivate: true))
    }

    @Test func `a million users and messages do not grow it`() {
        var fixture = DeskFixture {
            $0.conversations = 50
            $0.messages = 400
            $0.messagesPerConversation = 20
            $0.members = 10
            $0.memberships = 200
            $0.ratedUsers = 100
        }
        for number in 0..<8_000 {
            let topic = "conversation:\(number % 300)"
            let party = user("u\(number)", UInt64(number + 1))
            _ = fixture.desk.joined(topic, isPrivate: true, party, now: fixture.now)
            fixture.send("new_message", #"{"id":"m\#(number)"}"#, topic, party)
            fixture.send("message_read", #"{"messageId":"m\#(number - 300)"}"#, topic, party)
        }
        let desk = fixture.desk
        #expect(desk.conversations.count <= 50 && desk.messageCount <= 400 && desk.memberCount <= 200 && desk.reads.count == 100)
        #expect(desk.conversationsOf.count <= 200)
        let counted = desk.conversations.allKeys.compactMap { desk.conversations[$0] }
        #expect(counted.reduce(0) { $0 + $1.count } == desk.messageCount)
        #expect(counted.reduce(0) { $0 + $1.memberCount } == desk.memberCount)
        #expect(desk.conversationsOf.values.reduce(0) { $0 + $1.count } == desk.memberCount)
    }

    @Test func `in any order of events no status goes back, and unread is what is not read`() {
        var generator = SystemRandomNumberGenerator()
        let names = ["a", "b", "c", "d"]
        for _ in 0..<12 {
            let most = Int.random(in: 3...20, using: &generator)
            var fixture = DeskFixture {
                $0.messagesPerConversation = most
                $0.readsPerMinute = 1_000
            }
            var since: [String: Int] = [:]
            var sent: [(id: String, sender: String)] = []
            var read: Set<String> = []
            var statuses: [String: DeliveryStatus] = [:]
            for _ in 0..<150 {
                let name = names.randomElement(using: &generator) ?? "a"
                let party = user(name, UInt64(name.utf8.first ?? 0))
                // Also ids that nobody sent.
                let id = "m\(Int.random(in: 0..<sent.count + 2, using: &generator))"
                switch Int.random(in: 0..<6, using: &generator) {
                case 0:
                    _ = fixture.desk.joined(topic, isPrivate: true, party, now: fixture.now)
                    since[name] = since[name] ?? sent.count
                case 1, 2:
                    let new = "m\(sent.count)"
                    since[name] = since[name] ?? sent.count
                    fixture.send(
                        "new_message", "{\"id\":\"\(new)\"}", topic, party, receivers: Int.random(in: 0...1, using: &generator))
                    sent.append((new, name))
                case 3, 4:
                    fixture.send("message_read", "{\"messageId\":\"\(id)\"}", topic, party)
                    since[name] = since[name] ?? sent.count
                    if sent.suffix(most).contains(where: { $0.id == id && $0.sender != name }) { read.insert(name + id) }
                default:
                    let status = DeliveryStatus.allCases.randomElement(using: &generator) ?? .sent
                    fixture.send("delivery_status", "{\"messageId\":\"\(id)\",\"status\":\"\(status.rawValue)\"}", topic, party)
                    if status == .read {
                        since[name] = since[name] ?? sent.count
                        if sent.suffix(most).contains(where: { $0.id == id && $0.sender != name }) { read.insert(name + id) }
                    }
                }
                var broken: [String] = []
                for (id, _) in sent.suffix(most) {
                    guard let status = fixture.desk.status(of: id, in: room) else {
                        broken.append(id)
                        continue
                    }
                    if let former = statuses[id], former != status, !former.mayBecome(status) { broken.append(id) }
                    statuses[id] = status
                }
                #expect(broken.isEmpty)
                for name in names {
                    let expected = sent.enumerated().suffix(most).filter { index, message in
                        index >= since[name] ?? .max && message.sender != name && !read.contains(name + message.id)
                    }
                    let unread = (fixture.desk.unread(name), fixture.desk.unread(name, in: room))
                    if unread != (expected.count, expected.count) { Issue.record("\(name): \(unread), not \(expected.count)") }
                }
            }
        }
    }
}
