import Foundation
import Testing

@testable import SwiftletRealtime

@Suite struct `Presence status` {
    private let topic = "presence:1"

    private func online(_ fixture: inout DeskFixture, _ name: String = "ann") {
        fixture.desk.connected(user(name), now: fixture.now)
        _ = fixture.judge("presence", #"{"userId":"\#(name)","status":"online","mood":"x"}"#, topic, user(name))
    }

    @Test func `after five minutes without a word a user is away, and with the next one back`() throws {
        var fixture = DeskFixture()
        online(&fixture)
        #expect(fixture.desk.presence(of: "ann")?.status == .online)
        fixture.now += 200_000
        // A word anywhere is a sign of life.
        _ = fixture.judge("anything", "{}", "room:9", user("ann"))
        fixture.now += 299_999
        #expect(fixture.desk.expire(now: fixture.now).isEmpty)
        fixture.now += 1
        var emissions = fixture.desk.expire(now: fixture.now)
        #expect(emissions.broadcasts.map(\.text) == [#"{"userId":"ann","status":"away","mood":"x"}"#])
        #expect(emissions.broadcasts.map(\.event) == ["presence"] && emissions.broadcasts.map(\.topic) == [topic])
        let turn = try #require(emissions.turns.first)
        #expect(turn.user == "ann" && turn.status == .away && turn.lastSeenAt == fixture.now - 300_000 && turn.places.isEmpty)
        #expect(emissions.writes == [.presence(MessageReader("ann"), .away, lastSeenAt: fixture.now - 300_000)])
        #expect(fixture.desk.expire(now: fixture.now + 1_000_000).isEmpty)
        fixture.now += 50_000
        emissions = fixture.judge("anything", "{}", "room:9", user("ann")).emissions
        #expect(emissions.broadcasts.map(\.text) == [#"{"userId":"ann","status":"online","mood":"x"}"#])
        #expect(fixture.desk.presence(of: "ann")?.status == .online)
        #expect(fixture.desk.expire(now: fixture.now + 300_000).turns.map(\.status) == [.away])
    }

    @Test func `tracked fields are tracked anew with the new status`() throws {
        var fixture = DeskFixture()
        fixture.desk.connected(user("ann", 4), now: fixture.now)
        let fields = RawJSON(unchecked: Array(#"{"status":"online","name":"Ann"}"#.utf8))
        let verdict = fixture.desk.judgeTrack(fields, topic: topic, isPrivate: false, from: user("ann", 4), now: fixture.now)
        #expect(
            verdict
                == .pass(ephemeral: true, emissions: [.write(.presence(MessageReader("ann"), .online, lastSeenAt: fixture.now))]))
        let turn = try #require(fixture.desk.expire(now: fixture.now + 300_000).turns.first)
        #expect(turn.places.map { String(decoding: $0.fields.bytes, as: UTF8.self) } == [#"{"status":"away","name":"Ann"}"#])
        #expect(
            turn.places.map(\.connection) == [4] && turn.places.map(\.topic) == [topic] && turn.places.map(\.isPrivate) == [false]
        )
        fixture.desk.untracked(topic, isPrivate: false, user("ann", 4))
        #expect(fixture.judge("x", "{}", "y", user("ann", 4)).emissions.turns.map(\.places) == [[]])
        #expect(fixture.desk.placeCount == 0)
    }

    @Test func `offline with the last socket, and not with one before it`() {
        var fixture = DeskFixture()
        online(&fixture)
        fixture.desk.connected(user("ann", 2), now: fixture.now)
        #expect(fixture.desk.disconnected(user("ann", 1), now: fixture.now).isEmpty)
        #expect(fixture.desk.disconnected(user("ann", 1), now: fixture.now).isEmpty)
        #expect(fixture.desk.disconnected(user("ann", 9), now: fixture.now).isEmpty)
        let emissions = fixture.desk.disconnected(user("ann", 2), now: fixture.now)
        #expect(
            emissions.turns.map(\.status) == [.offline]
                && emissions.broadcasts.map { $0.object["status"] as? String } == ["offline"])
        #expect(emissions.writes == [.presence(MessageReader("ann"), .offline, lastSeenAt: fixture.now)])
        #expect(fixture.desk.presence(of: "ann") == nil)
        #expect(fixture.desk.expire(now: fixture.now + 1_000_000).isEmpty && fixture.desk.placeCount == 0)
    }

    @Test func `who declared nothing, or being offline, is not told of`() {
        var fixture = DeskFixture()
        fixture.desk.connected(user("ann"), now: fixture.now)
        #expect(fixture.desk.expire(now: fixture.now + 1_000_000).isEmpty)
        #expect(fixture.desk.disconnected(user("ann"), now: fixture.now).isEmpty)
        online(&fixture, "bob")
        _ = fixture.judge("presence", #"{"status":"offline"}"#, topic, user("bob"))
        #expect(fixture.desk.expire(now: fixture.now + 1_000_000).isEmpty)
        #expect(fixture.desk.disconnected(user("bob"), now: fixture.now).isEmpty)
    }

    @Test func `who says away stays away whatever they do`() {
        var fixture = DeskFixture()
        online(&fixture)
        _ = fixture.judge("presence", #"{"status":"away"}"#, topic, user("ann"))
        fixture.now += 400_000
        #expect(fixture.desk.expire(now: fixture.now).isEmpty)
        #expect(fixture.judge("x", "{}", "y", user("ann")).emissions.isEmpty)
        #expect(fixture.desk.presence(of: "ann")?.status == .away)
    }

    @Test func `back online in one topic is told in all`() {
        var fixture = DeskFixture()
        online(&fixture)
        _ = fixture.judge("presence", #"{"status":"online"}"#, "presence:2", user("ann"))
        #expect(fixture.desk.expire(now: fixture.now + 300_000).broadcasts.count == 2)
        fixture.now += 310_000
        let emissions = fixture.judge("presence", #"{"status":"online"}"#, "presence:2", user("ann")).emissions
        #expect(Set(emissions.broadcasts.map(\.topic)) == [topic, "presence:2"])
        #expect(fixture.judge("x", "{}", "y", user("ann")).emissions.isEmpty)
        #expect(fixture.desk.expire(now: fixture.now + 300_000).turns.map(\.status) == [.away])
    }

    @Test func `six statuses a minute, by whatever way, but leaving is always heard`() {
        var fixture = DeskFixture()
        fixture.desk.connected(user("ann"), now: fixture.now)
        for number in 0..<6 {
            let status = number % 2 == 0 ? "online" : "away"
            if number < 3 {
                #expect(fixture.judge("presence", #"{"status":"\#(status)"}"#, "presence:\(number)", user("ann")).passes)
            } else {
                let fields = RawJSON(unchecked: Array(#"{"status":"\#(status)"}"#.utf8))
                #expect(
                    fixture.desk.judgeTrack(fields, topic: topic, isPrivate: true, from: user("ann"), now: fixture.now).passes)
            }
            fixture.now += 1_000
        }
        let refusal = fixture.judge("presence", #"{"status":"online"}"#, topic, user("ann"))
        #expect(refusal.reason?.hasPrefix("PresenceRateLimitReached: ") == true && refusal.wait == 54)
        #expect(fixture.judge("presence", #"{"status":"offline"}"#, topic, user("ann")).passes)
        #expect(!fixture.judge("presence", #"{"status":"offline"}"#, topic, user("ann")).passes)
        // Fields without a status of messaging are the app's own.
        for _ in 0..<50 {
            let fields = RawJSON(unchecked: Array(#"{"status":"busy","cursor":1}"#.utf8))
            #expect(fixture.desk.judgeTrack(fields, topic: topic, isPrivate: true, from: user("ann"), now: fixture.now).passes)
        }
        fixture.now += 54_000
        #expect(fixture.judge("presence", #"{"status":"online"}"#, topic, user("ann")).passes)
    }

    @Test func `more users than there is room for are relayed and not kept`() {
        var fixture = DeskFixture {
            $0.users = 20
            $0.places = 30
            $0.ratedUsers = 50
        }
        for number in 0..<600 {
            let party = user("u\(number)", UInt64(number + 1))
            fixture.desk.connected(party, now: fixture.now)
            for topic in 0..<5 { #expect(fixture.judge("presence", #"{"status":"online"}"#, "presence:\(topic)", party).passes) }
        }
        #expect(fixture.desk.users.count == 20 && fixture.desk.placeCount == 30 && fixture.desk.declared.count == 50)
        #expect(fixture.desk.expire(now: fixture.now + 300_000).turns.count == 20)
        for number in 0..<600 { _ = fixture.desk.disconnected(user("u\(number)", UInt64(number + 1)), now: fixture.now) }
        #expect(fixture.desk.users.count == 0 && fixture.desk.placeCount == 0)
    }

    @Test func `in any order of events everybody hears every turn, and nothing is left`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<40 {
            var fixture = DeskFixture { $0.presencePerMinute = 1_000 }
            var sockets: Set<UInt64> = []
            /// What a listener of the topic knows of the user.
            var heard: PresenceStatus?
            func hear(_ emissions: [Emission]) {
                for broadcast in emissions.broadcasts {
                    heard = (broadcast.object["status"] as? String).flatMap { PresenceStatus(rawValue: $0) }
                }
            }
            for _ in 0..<100 {
                let socket = UInt64.random(in: 1...3, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0:
                    sockets.insert(socket)
                    fixture.desk.connected(user("ann", socket), now: fixture.now)
                case 1:
                    sockets.remove(socket)
                    hear(fixture.desk.left(topic, isPrivate: true, user("ann", socket), now: fixture.now))
                    hear(fixture.desk.disconnected(user("ann", socket), now: fixture.now))
                case 2:
                    guard sockets.contains(socket), let status = PresenceStatus.allCases.randomElement(using: &generator) else {
                        continue
                    }
                    hear(fixture.judge("presence", "{\"status\":\"\(status.rawValue)\"}", topic, user("ann", socket)).emissions)
                    heard = status
                case 3: if sockets.contains(socket) { hear(fixture.judge("x", "{}", "y", user("ann", socket)).emissions) }
                default:
                    fixture.now += Int64.random(in: 0...200_000, using: &generator)
                    hear(fixture.desk.expire(now: fixture.now))
                }
                if sockets.isEmpty {
                    #expect(heard == nil || heard == .offline)
                    #expect(fixture.desk.users.count == 0)
                } else if let status = fixture.desk.presence(of: "ann")?.status {
                    #expect(heard == status)
                }
                #expect(fixture.desk.timers.count < 80)
            }
        }
    }
}

@Suite struct `Small parts of messaging` {
    @Test func `never more than the limit within any minute, and never fewer than could be`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<15 {
            var window = RateWindow()
            var passed: [Int64] = []
            var now: Int64 = 0
            for _ in 0..<300 {
                now += Int64.random(in: 0...9_000, using: &generator)
                let recent = passed.filter { now - $0 < 60_000 }
                if let wait = window.admit(limit: 10, now: now) {
                    #expect(recent.count == 10)
                    // After that long, and not a second sooner, there is room.
                    #expect(recent.filter { now + Int64(wait) * 1_000 - $0 < 60_000 }.count < 10)
                    #expect(recent.filter { now + Int64(wait - 1) * 1_000 - $0 < 60_000 }.count == 10)
                } else {
                    #expect(recent.count < 10)
                    passed.append(now)
                }
            }
        }
    }

    @Test func `a clock that is set back does not block anybody for long`() {
        var window = RateWindow()
        for _ in 0..<10 { #expect(window.admit(limit: 10, now: 10_000_000) == nil) }
        #expect(window.admit(limit: 10, now: 10_000_000) == 60)
        #expect(window.admit(limit: 10, now: 0) == nil)
        for now in [Int64.min, .max, 0] { _ = window.admit(limit: 1, now: now) }
    }

    @Test func `what is due comes in the order of time`() {
        var generator = SystemRandomNumberGenerator()
        var heap = DeadlineHeap<Int>()
        var list: [Int64] = []
        for step in 0..<2_000 {
            if Bool.random(using: &generator) {
                let time = Int64.random(in: 0..<1_000, using: &generator)
                heap.push(Int(time), at: time)
                list.append(time)
            } else {
                let now = Int64.random(in: 0..<1_000, using: &generator)
                let expected = list.min().flatMap { $0 <= now ? $0 : nil }
                #expect(heap.pop(by: now).map(Int64.init) == expected)
                if let expected, let index = list.firstIndex(of: expected) { list.remove(at: index) }
            }
            if step % 500 == 499 {
                heap.keep { $0 % 2 == 0 }
                list.removeAll { $0 % 2 != 0 }
            }
            #expect(heap.first == list.min() && heap.count == list.count)
        }
    }

    @Test func `members are found as another parser finds them`() throws {
        var generator = SystemRandomNumberGenerator()
        func value(_ depth: Int) -> String {
            switch Int.random(in: 0..<(depth > 3 ? 6 : 8), using: &generator) {
            case 0: "true"
            case 1: "null"
            case 2: String(Int.random(in: -99...99, using: &generator))
            case 3: "1.5e3"
            case 4: #""a\"b\\""#
            case 5: #""{[\u00e9]},:""#
            case 6:
                "[" + (0..<Int.random(in: 0...3, using: &generator)).map { _ in value(depth + 1) }.joined(separator: " , ") + "]"
            default:
                "{"
                    + (0..<Int.random(in: 0...3, using: &generator)).map { "\"n\($0)\" : " + value(depth + 1) }.joined(
                        separator: ",") + "}"
            }
        }
        for _ in 0..<150 {
            let values = (0..<Int.random(in: 0...6, using: &generator)).map { _ in value(0) }
            let text = "{ " + values.enumerated().map { "\"k\($0)\"\t:\n\($1)" }.joined(separator: " , ") + " }"
            let payload = try #require(PayloadMembers(Array(text.utf8)))
            #expect(payload.all.count == values.count, "\(text)")
            for (index, value) in values.enumerated() {
                let member = try #require(payload.member("k\(index)"))
                #expect(String(decoding: payload.bytes[member.value], as: UTF8.self) == value)
            }
            let rewritten = payload.rewritten(
                payload.member("k1").map { [($0.value, "7")] } ?? [], adding: [("k0", "8"), ("new", "[9]")])
            let object = try #require(try JSONSerialization.jsonObject(with: Data(rewritten)) as? [String: Any])
            #expect(object["k0"] as? Int == 8 && (object["new"] as? [Int]) == [9])
            #expect(object.count == max(values.count, 1) + 1)
            if values.count > 1 { #expect(object["k1"] as? Int == 7) }
            // Cut anywhere it is still no reason to fall over.
            let bytes = Array(text.utf8)
            let cut = PayloadMembers(Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator))))
            _ = cut?.rewritten([], adding: [("a", "1")])
            _ = cut.map { TypingFlag.all(in: $0) }
        }
    }

    @Test func `no bytes trap`() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array(#"{}[]",:\u0a1 tru"#.utf8)
        for _ in 0..<1_500 {
            let bytes =
                [UInt8(ascii: "{")]
                + (0..<Int.random(in: 0...40, using: &generator)).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            guard let payload = PayloadMembers(bytes) else { continue }
            _ = payload.id(["", "u", "t"], most: 8)
            _ = payload.ids(["", "u"], most: 8, count: 4)
            _ = payload.shortened(to: 16)
            _ = payload.object("")
            _ = payload.rewritten(TypingFlag.all(in: payload).map { ($0.at, $0.off) }, adding: [("", "1")])
            for member in payload.all {
                _ = payload.word(member)
                _ = JSONWalk.text(bytes[member.value])
            }
        }
        for text in ["a\"\\\u{1}\u{7f}é😀\n", ""] {
            let quoted = JSONWalk.quoted(text)
            #expect((try? JSONSerialization.jsonObject(with: Data(quoted.utf8), options: .fragmentsAllowed)) as? String == text)
            #expect(JSONWalk.text(Array(quoted.utf8)[...]) == text)
        }
    }
}
