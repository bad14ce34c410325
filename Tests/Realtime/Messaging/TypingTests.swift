import Foundation
import Testing

@testable import SwiftletRealtime

@Suite struct `Typing` {
    private let start = #"{"userId":"ann","userName":"Ann","isTyping":true}"#
    private let stop = #"{"userId":"ann","isTyping":false}"#
    private let topic = "conversation:1"

    @Test func `it is relayed, and no word for the history`() {
        var fixture = DeskFixture()
        for topic in ["conversation:1", "typing:1", "customer:1:messages"] {
            #expect(fixture.judge("typing", start, topic, user("ann")) == .pass(ephemeral: true, emissions: []))
            #expect(fixture.judge("Typing", stop, topic, user("ann")) == .pass(ephemeral: true, emissions: []))
        }
    }

    @Test func `five seconds after the last refresh it ends by itself, once`() {
        var fixture = DeskFixture()
        _ = fixture.judge("typing", start, topic, user("ann", 7))
        fixture.now += 4_000
        _ = fixture.judge("typing", #"{ "userId" : "ann" , "isTyping" : true , "n": {"isTyping": true} }"#, topic, user("ann", 7))
        fixture.now += 4_999
        #expect(fixture.desk.expire(now: fixture.now).isEmpty)
        #expect(fixture.desk.nextDeadline == fixture.now + 1)
        fixture.now += 1
        let stops = fixture.desk.expire(now: fixture.now).broadcasts
        #expect(stops.count == 1)
        #expect(stops.first?.text == #"{ "userId" : "ann" , "isTyping" : false , "n": {"isTyping": true} ,"expired":true}"#)
        #expect(stops.first?.event == "typing" && stops.first?.topic == topic && stops.first?.isPrivate == true)
        #expect(stops.first?.audience == .allBut(7))
        fixture.now += 100_000
        #expect(fixture.desk.expire(now: fixture.now).isEmpty)
        #expect(fixture.desk.nextDeadline == nil)
    }

    @Test func `a stop of the client's own is the only one`() {
        var fixture = DeskFixture()
        _ = fixture.judge("typing", start, topic, user("ann"))
        _ = fixture.judge("typing", stop, topic, user("ann"))
        #expect(fixture.desk.left(topic, isPrivate: true, user("ann"), now: fixture.now).isEmpty)
        #expect(fixture.desk.expire(now: fixture.now + 60_000).isEmpty)
    }

    @Test func `who vanishes while typing has stopped, in that topic and by that socket`() {
        var fixture = DeskFixture()
        for topic in ["typing:1", "typing:2"] { _ = fixture.judge("typing", start, topic, user("ann", 1)) }
        #expect(fixture.desk.left("typing:1", isPrivate: true, user("ann", 2), now: fixture.now).isEmpty)
        #expect(fixture.desk.left("typing:1", isPrivate: false, user("ann", 1), now: fixture.now).isEmpty)
        #expect(
            fixture.desk.left("typing:1", isPrivate: true, user("ann", 1), now: fixture.now).broadcasts.map(\.topic) == [
                "typing:1"
            ])
        #expect(fixture.desk.left("typing:1", isPrivate: true, user("ann", 1), now: fixture.now).isEmpty)
        // The other tab goes on typing: it is its socket that counts now.
        _ = fixture.judge("typing", start, "typing:2", user("ann", 2))
        #expect(fixture.desk.left("typing:2", isPrivate: true, user("ann", 1), now: fixture.now).isEmpty)
        #expect(fixture.desk.expire(now: fixture.now + 5_000).broadcasts.map(\.topic) == ["typing:2"])
    }

    @Test(
        "every way to say it has its stop",
        arguments: [
            ("typing", #"{"userId":"a","is_typing":true}"#, "typing", #"{"userId":"a","is_typing":false,"expired":true}"#),
            ("typing", #"{"userId":"a","typing":1}"#, "typing", #"{"userId":"a","typing":0,"expired":true}"#),
            ("typing", #"{"isTyping":"true","expired":false}"#, "typing", #"{"isTyping":"false","expired":true}"#),
            ("typing", #"{"status":"start"}"#, "typing", #"{"status":"stop","expired":true}"#),
            (
                "typing", #"{"state":"started","isTyping":true}"#, "typing",
                #"{"state":"stopped","isTyping":false,"expired":true}"#
            ),
            (
                "typing", #"{"userId":"a","userName":"\"}"}"#, "typing",
                #"{"userId":"a","userName":"\"}","isTyping":false,"expired":true}"#
            ),
            ("typing", "{}", "typing", #"{"isTyping":false,"expired":true}"#),
            ("typing_start", #"{"userId":"a"}"#, "typing_stop", #"{"userId":"a","expired":true}"#),
            ("typing:start", "{}", "typing:stop", #"{"expired":true}"#),
            ("start_typing", #"{"isTyping":true}"#, "stop_typing", #"{"isTyping":false,"expired":true}"#),
            ("startTyping", "{}", "stopTyping", #"{"expired":true}"#),
        ])
    func forms(event: String, body: String, stopEvent: String, stopBody: String) {
        var fixture = DeskFixture()
        #expect(fixture.judge(event, body, topic, user("a")) == .pass(ephemeral: true, emissions: []))
        let stops = fixture.desk.expire(now: fixture.now + 5_000).broadcasts
        #expect(stops.map(\.event) == [stopEvent] && stops.map(\.text) == [stopBody])
        #expect(stops.first?.object["expired"] as? Bool == true)
        // Said back to the desk, the stop is one.
        _ = fixture.judge(event, body, topic, user("a"))
        _ = fixture.judge(stopEvent, stopBody, topic, user("a"))
        #expect(fixture.desk.expire(now: fixture.now + 60_000).isEmpty)
    }

    @Test func `ten starts a minute in a conversation, refreshes and stops beside them`() {
        var fixture = DeskFixture()
        for number in 0..<10 {
            // The two topics are of one conversation.
            let topic = number % 2 == 0 ? "conversation:1" : "typing:1"
            for _ in 0..<5 { #expect(fixture.judge("typing", start, topic, user("ann")).passes) }
            fixture.now += 1_000
            #expect(fixture.judge("typing", stop, topic, user("ann")).passes)
        }
        let refusal = fixture.judge("typing", start, "typing:1", user("ann"))
        #expect(refusal.reason?.hasPrefix("TypingRateLimitReached: ") == true)
        #expect(refusal.wait == 50)
        #expect(fixture.judge("typing", stop, "typing:1", user("ann")).passes)
        // A refused start is no typing.
        #expect(fixture.desk.expire(now: fixture.now + 5_000).isEmpty)
        #expect(fixture.judge("typing", start, "typing:2", user("ann")).passes)
        #expect(fixture.judge("typing", start, "typing:1", user("bob", 2)).passes)
        fixture.now += 50_000
        #expect(fixture.judge("typing", start, "typing:1", user("ann")).passes)
        #expect(!fixture.judge("typing", start, "conversation:1", user("ann")).passes)
    }

    @Test func `nobody can stop another's typing, and one anonymous socket not another's`() {
        var fixture = DeskFixture()
        _ = fixture.judge("typing", start, topic, user("ann", 1))
        _ = fixture.judge("typing", stop, topic, user("eve", 2))
        _ = fixture.judge("typing", start, topic, MessagingParty(user: nil, connection: 3))
        _ = fixture.judge("typing", stop, topic, MessagingParty(user: nil, connection: 4))
        #expect(fixture.desk.expire(now: fixture.now + 5_000).broadcasts.count == 2)
    }

    @Test func `a trusted server speaks for each user it names`() {
        var fixture = DeskFixture()
        let server = MessagingParty(user: nil, connection: 0, speaksForOthers: true)
        _ = fixture.judge("typing", #"{"userId":"ann","isTyping":true}"#, topic, server)
        _ = fixture.judge("typing", #"{"user_id":17,"isTyping":true}"#, topic, server)
        _ = fixture.judge("typing", #"{"userId":"ann","isTyping":false}"#, topic, server)
        let stops = fixture.desk.expire(now: fixture.now + 5_000).broadcasts
        #expect(stops.map(\.text) == [#"{"user_id":17,"isTyping":false,"expired":true}"#])
        #expect(stops.map(\.audience) == [.everyone])
    }

    @Test func `of a long payload the short members are kept`() throws {
        var fixture = DeskFixture()
        let long = String(repeating: "x", count: 100_000)
        _ = fixture.judge("typing", #"{"userId":"ann","text":"\#(long)","isTyping":true}"#, topic, user("ann"))
        let body = try #require(fixture.desk.expire(now: fixture.now + 5_000).broadcasts.first)
        #expect(body.text == #"{"userId":"ann","isTyping":false,"expired":true}"#)
    }

    @Test func `more typists than there is room for push out the oldest, which has stopped`() {
        var fixture = DeskFixture {
            $0.typists = 100
            $0.ratedUsers = 100
        }
        var stops = 0
        for number in 0..<5_000 {
            let verdict = fixture.judge("typing", start, "typing:\(number % 977)", user("u\(number)", UInt64(number + 1)))
            stops += verdict.emissions.broadcasts.count
        }
        #expect(stops == 4_900)
        #expect(fixture.desk.typists.count == 100 && fixture.desk.typing.count == 100)
        #expect(fixture.desk.timers.count <= 300 && fixture.desk.typistsOf.count == 100)
        #expect(fixture.desk.expire(now: fixture.now + 5_000).broadcasts.count == 100)
        #expect(fixture.desk.timers.count == 0 && fixture.desk.typistsOf.isEmpty)
    }

    /// A user's typing as everybody else hears it: relayed starts and stops, and the server's own.
    @Test func `in any order of events there is one stop for each start`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<60 {
            var fixture = DeskFixture { $0.typists = 3 }
            var typing: Set<String> = []
            func hear(_ emissions: [Emission]) {
                for broadcast in emissions.broadcasts {
                    let who = broadcast.object["userId"] as? String ?? ""
                    #expect(broadcast.object["expired"] as? Bool == true)
                    #expect(typing.remove(broadcast.topic + who) != nil, "a stop without a start")
                }
            }
            for _ in 0..<120 {
                let number = Int.random(in: 0..<3, using: &generator)
                let topic = "typing:\(Int.random(in: 0..<2, using: &generator))"
                let party = user("u\(number)", UInt64(number * 2 + Int.random(in: 1...2, using: &generator)))
                let key = topic + "u\(number)"
                switch Int.random(in: 0..<6, using: &generator) {
                case 0...2:
                    let verdict = fixture.judge("typing", #"{"userId":"u\#(number)","isTyping":true}"#, topic, party)
                    hear(verdict.emissions)
                    if verdict.passes { typing.insert(key) } else { #expect(!typing.contains(key)) }
                case 3:
                    let verdict = fixture.judge("typing", #"{"userId":"u\#(number)","isTyping":false}"#, topic, party)
                    #expect(verdict == .pass(ephemeral: true, emissions: []))
                    typing.remove(key)
                case 4: hear(fixture.desk.left(topic, isPrivate: true, party, now: fixture.now))
                default:
                    fixture.now += Int64.random(in: 0...3_000, using: &generator)
                    hear(fixture.desk.expire(now: fixture.now))
                }
                #expect(typing.count == fixture.desk.typists.count)
            }
            hear(fixture.desk.expire(now: fixture.now + 5_000))
            #expect(typing.isEmpty)
        }
    }
}
