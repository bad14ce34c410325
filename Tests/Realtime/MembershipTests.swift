import Swiftlet
import SwiftletJSON
import SwiftletCrypto
import Testing

@testable import SwiftletRealtime

@Suite struct MembershipTests {
    private let time = StandingClock()

    private func membership(_ hook: StubHook) throws -> Membership { try Membership(hook, clock: time.clock) }

    @Test func `names of channels say what they are about`() {
        let cases: [(String, ChannelName)] = [
            ("conversation:5", .conversation("5")), ("typing:a-b_C", .conversation("a-b_C")), ("presence:5", .conversation("5")),
            ("messages:5", .conversation("5")), ("customer:7:messages", .customer("7")), ("user:u1:messages", .user("u1")),
            ("conversation:", .other), ("conversation:5:x", .other), ("customer:7", .other), ("customer:7:messages:x", .other),
            ("customer::messages", .other), ("conversation:a b", .other), ("conversation:é", .other), ("room", .other),
            ("", .other),
            ("Conversation:5", .other), ("conversation:" + String(repeating: "a", count: 65), .other),
            ("conversation:\u{212A}", .other), ("conversation:*", .other),
        ]
        for (text, name) in cases { #expect(ChannelName(text) == name, "\(text)") }
        for text in ["room", "a:b:c", "é", String(repeating: "a", count: 200)] { #expect(ChannelName.isName(text), "\(text)") }
        for text in ["", "a\nb", "realtime:room", "\u{7F}", "\u{85}", String(repeating: "a", count: 201)] {
            #expect(!ChannelName.isName(text), "\(text)")
        }
    }

    @Test func `permissions have words, and no other word is one`() {
        #expect(ChannelPermissions.all.names == ["broadcast:read", "broadcast:write", "presence:read", "presence:write"])
        #expect(ChannelPermissions.read.names == ["broadcast:read", "presence:read"])
        for name in ChannelPermissions.all.names { #expect(ChannelPermissions(name: name)?.names == [name]) }
        for name in ["", "read", "broadcast", "Broadcast:read", "broadcast:read "] {
            #expect(ChannelPermissions(name: name) == nil)
        }
    }

    @Test func `the project may everything, a stranger to it nothing, and neither is asked about`() async throws {
        let hook = StubHook(.all)
        let membership = try membership(hook)
        let service = Member(subject: nil, role: "service_role")
        #expect(try await membership.permissions(of: service, in: "conversation:5") == .all)
        for member in [Member(subject: nil, role: "anon"), Member(subject: "", role: "authenticated")] {
            #expect(try await membership.permissions(of: member, in: "conversation:5") == [])
        }
        #expect(hook.channels.isEmpty)
    }

    @Test func `one's own channels follow from the token, and another's are asked about`() async throws {
        let hook = StubHook([])
        let membership = try membership(hook)
        let customer = Member.user("u1", ["customer_id": "7"])
        #expect(try await membership.permissions(of: customer, in: "user:u1:messages") == .all)
        #expect(try await membership.permissions(of: customer, in: "customer:7:messages") == .all)
        #expect(try await membership.permissions(of: .user("u1", ["customer_id": 7]), in: "customer:7:messages") == .all)
        #expect(hook.channels.isEmpty)
        for channel in ["user:u2:messages", "customer:8:messages", "room"] {
            #expect(try await membership.permissions(of: customer, in: channel) == [])
        }
        #expect(hook.channels == ["user:u2:messages", "customer:8:messages", "room"])
        // What a user can write, user_metadata, makes nobody a customer.
        let pretender = Member(
            subject: "u1", role: "authenticated", claims: ["user_metadata": ["customer_id": "7"], "customer_id": "7"])
        #expect(try await membership.permissions(of: pretender, in: "customer:7:messages") == [])
    }

    @Test func `all channels of a conversation are one question`() async throws {
        let hook = StubHook(.read)
        let membership = try membership(hook)
        for channel in ["conversation:5", "typing:5", "presence:5", "messages:5"] {
            #expect(try await membership.permissions(of: .user("u1"), in: channel) == .read)
        }
        #expect(hook.channels == Array(repeating: "conversation:5", count: 4))
    }

    @Test func `an error lets nobody in and has a name`() async throws {
        let membership = try membership(StubHook(nil))
        let found = await problem { try await membership.permissions(of: .user("u1"), in: "conversation:5") }
        #expect(found?.reason == .failed && found?.detail == "Trouble")
    }

    @Test func `what cost a question is kept for ten seconds, a refusal for two, an error not at all`() async throws {
        let hook = StubHook(.all, isCostly: true)
        let membership = try membership(hook)
        func ask(_ user: String = "u1", _ channel: String = "conversation:5") async -> ChannelPermissions? {
            try? await membership.permissions(of: .user(user), in: channel)
        }
        #expect(await ask() == .all)
        hook.say([])
        time.advance(seconds: 9)
        #expect(await ask() == .all && hook.channels.count == 1)
        // Another user, another conversation, another token: other questions.
        #expect(await ask("u2") == [] && hook.channels.count == 2)
        #expect(await ask("u1", "conversation:6") == [] && hook.channels.count == 3)
        _ = try await membership.permissions(of: .user("u1", ["aal": "aal2"]), in: "conversation:5")
        #expect(hook.channels.count == 4)
        time.advance(seconds: 1)
        #expect(await ask() == [] && hook.channels.count == 5)
        hook.say(.read)
        time.advance(seconds: 1)
        #expect(await ask() == [] && hook.channels.count == 5)
        time.advance(seconds: 1)
        #expect(await ask() == .read && hook.channels.count == 6)
        hook.say(nil)
        #expect(await ask("u3") == nil && hook.channels.count == 7)
        hook.say(.all)
        #expect(await ask("u3") == .all && hook.channels.count == 8)
        try membership.reload()
        _ = await ask("u3")
        #expect(hook.channels.count == 9)
    }

    @Test func `the cache is bounded, and what is asked for again stays longest`() {
        var cache = MembershipCache(capacity: 10)
        func key(_ number: Int) -> MembershipCache.Key {
            .init(subject: "u\(number)", role: "authenticated", channel: "conversation:5", claims: .init(low: 0, high: 0))
        }
        for number in 0..<1000 {
            cache.insert(.all, for: key(number), now: 1)
            #expect(cache.count <= 10)
        }
        #expect(cache.permissions(key(999), now: 1) == .all && cache.permissions(key(0), now: 1) == nil)
        cache.insert([], for: key(999), now: 1)
        #expect(cache.permissions(key(999), now: 1) == [])
    }

    @Test func `a token that names channels opens those and asks nobody`() async throws {
        let hook = StubHook(.all)
        let membership = try membership(hook)
        let claim = ChannelClaims.claim([
            .init(name: "conversation:5", permissions: .read), .init(name: "presence:5", permissions: [.presenceWrite]),
        ])
        #expect(
            claim == ["channels": ["conversation:5": ["broadcast:read", "presence:read"], "presence:5": ["presence:write"]]])
        let member = Member(subject: "u1", role: "authenticated", claims: ["realtime": claim])
        #expect(try await membership.permissions(of: member, joining: "conversation:5") == .read)
        #expect(try await membership.permissions(of: member, joining: "presence:5") == [.presenceWrite])
        #expect(try await membership.permissions(of: member, joining: "conversation:6") == [])
        #expect(hook.channels.isEmpty)
        #expect(try await membership.permissions(of: .user("u1"), joining: "conversation:6") == .all)
    }

    @Test func `a claim that is not as it should be opens nothing`() {
        for claims in [
            ["realtime": "conversation:5"], ["realtime": nil], ["realtime": ["channels": nil]], ["realtime": ["channels": "x"]],
            ["realtime": ["channels": ["conversation:5"]]], ["realtime": ["channels": ["conversation:5": "broadcast:read"]]],
            ["realtime": ["channels": ["conversation:5": [1, "read", nil]]]],
        ] as [JSON] {
            #expect(ChannelClaims.permissions(for: "conversation:5", in: claims) == [], "\(claims)")
        }
        for claims in [[:], ["realtime": [:]], ["sub": "u1"]] as [JSON] {
            #expect(ChannelClaims.permissions(for: "conversation:5", in: claims) == nil, "\(claims)")
        }
        let odd: JSON = ["realtime": ["channels": ["conversation:5": ["broadcast:read", "everything", 5]]]]
        #expect(ChannelClaims.permissions(for: "conversation:5", in: odd) == [.broadcastRead])
    }
}
