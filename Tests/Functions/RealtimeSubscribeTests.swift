import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletJSON
import SwiftletTesting
import Testing

@testable import Functions

@Suite struct RealtimeSubscribeTests {
    private static let path = "/functions/v1/realtime-subscribe"
    private static let conversation = "0b9e5c9e-6a3c-4a57-9f0e-1a2b3c4d5e6f"

    private static func member(_ more: [String: JSON] = [:]) -> TestHost.Caller {
        let own: [String: JSON] = [
            "sub": "u1", "role": "authenticated", "aud": "authenticated", "session_id": "s1",
            "app_metadata": ["conversations": [.string(conversation), "6"]],
        ]
        return .claims(own.merging(more) { $1 })
    }

    private static func with(
        _ change: (inout HostConfiguration) -> Void = { _ in }, secrets: [String: String] = [:],
        _ body: @Sendable (TestHost) async throws -> Void
    ) async throws {
        var configuration = HostConfiguration()
        configuration.mounts = furtherPaths
        change(&configuration)
        try await TestHost.run([Registration(RealtimeSubscribe.self)], secrets: secrets, configuration: configuration, body)
    }

    private static func delete(_ host: TestHost, _ body: JSON?, _ path: String = path, as caller: TestHost.Caller = .user("u1"))
        async throws -> TestResponse
    {
        try await host.request(
            "DELETE", path, headers: body == nil ? [:] : [.contentType: "application/json"], body: body?.bytes, as: caller)
    }

    /// What a token says, unverified.
    private static func claims(_ token: String?) throws -> JSON {
        let parts = (token ?? "").split(separator: ".")
        try #require(parts.count == 3)
        var text = parts[1].replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        while text.count % 4 != 0 { text += "=" }
        return try JSON.parse([UInt8](try #require(Data(base64Encoded: text))))
    }

    @Test func `a member of a conversation gets what clients expect`() async throws {
        try await Self.with { host async throws in
            let answer = try await host.post(
                Self.path,
                json: [
                    "conversationId": .string(Self.conversation), "includePresence": true, "includeTyping": true,
                    "includeReadReceipts": true,
                ] as JSON, as: Self.member())
            #expect(answer.status == 200 && answer.headers[.cacheControl] == "no-store")
            let json = try #require(answer.json)
            #expect(json["success"] == true && json["version"] == "v1")
            #expect(json["timestamp"]?.string?.hasSuffix("Z") == true)
            let data = try #require(json["data"])
            #expect(data["supabaseUrl"]?.string == "http://127.0.0.1:\(host.port)")
            #expect(data["url"]?.string == "ws://127.0.0.1:\(host.port)/realtime/v1/websocket")
            let id = Self.conversation
            #expect(data["channels"] == [.string("conversation:\(id)"), .string("presence:\(id)")])
            #expect(data["features"] == ["messages": true, "readReceipts": true, "typing": true, "presence": true])
            #expect(data["filters"] == ["userId": "u1", "customerId": nil, "conversationId": .string(id)])
            let all: JSON = ["broadcast:read", "broadcast:write", "presence:read", "presence:write"]
            #expect(
                data["permissions"] == JSON(members: ["conversation", "presence", "typing"].map { ("\($0):\(id)", all) }))
            let times = ["expiresAt", "refreshAt"].compactMap { data[$0]?.string }
            #expect(times.count == 2 && times[0] > times[1] && times[1] > json["timestamp"]?.string ?? "")
        }
    }

    @Test func `the token says who it is for and what it opens, and nothing else`() async throws {
        try await Self.with { host async throws in
            let answer = try await host.post(
                Self.path, json: ["conversationId": "6", "includeTyping": false] as JSON,
                as: Self.member(["email": "a@b.example", "user_metadata": ["x": 1]]))
            let claims = try Self.claims(answer.json?["data"]?["token"]?.string)
            #expect(
                Set(claims.object?.names ?? []) == ["sub", "role", "aud", "session_id", "iat", "exp", "realtime"])
            #expect(claims["sub"] == "u1" && claims["role"] == "authenticated" && claims["aud"] == "authenticated")
            #expect(claims["session_id"] == "s1")
            let all: JSON = ["broadcast:read", "broadcast:write", "presence:read", "presence:write"]
            #expect(claims["realtime"] == ["channels": ["conversation:6": all, "presence:6": all]])
            let lifetime = try #require(claims["exp"]?.int) - #require(claims["iat"]?.int)
            #expect(lifetime == 600)
            // This host signed it: with it the same channels are had again, and no others.
            let token = TestHost.Caller.token(try #require(answer.json?["data"]?["token"]?.string))
            let again = try await host.post(Self.path, json: ["conversationId": "6"] as JSON, as: token)
            #expect(again.status == 200 && again.json?["data"]?["permissions"]?["typing:6"] == nil)
            #expect(try Self.claims(again.json?["data"]?["token"]?.string)["exp"] == claims["exp"])
            #expect(
                try await host.post(Self.path, json: ["conversationId": .string(Self.conversation)] as JSON, as: token).status
                    == 403)
            // The key that is made when none is set stands for nobody.
            let key = try Self.claims(answer.json?["data"]?["supabaseKey"]?.string)
            #expect(key["role"] == "anon" && key["sub"] == nil)
        }
    }

    @Test func `the token ends no later than the one it was asked with`() async throws {
        try await Self.with { host async throws in
            let end = Int(Date().timeIntervalSince1970) + 90
            let answer = try await host.post(
                Self.path, json: ["conversationId": "6"] as JSON, as: Self.member(["exp": JSON(end)]))
            #expect(try Self.claims(answer.json?["data"]?["token"]?.string)["exp"]?.int == end)
        }
        try await Self.with({ $0.realtime.tokenLifetime = .seconds(30) }) { host async throws in
            let answer = try await host.post(Self.path, json: ["conversationId": "6"] as JSON, as: Self.member())
            let claims = try Self.claims(answer.json?["data"]?["token"]?.string)
            let lifetime = try #require(claims["exp"]?.int) - #require(claims["iat"]?.int)
            #expect(lifetime == 30)
        }
    }

    @Test func `what is not wanted is not given`() async throws {
        try await Self.with { host async throws in
            let body: JSON = [
                "conversationId": "6", "includePresence": false, "includeTyping": false, "includeReadReceipts": false,
            ]
            let data = try await host.post(Self.path, json: body, as: Self.member()).json?["data"]
            #expect(data?["channels"] == ["conversation:6"])
            #expect(data?["features"] == ["messages": true, "readReceipts": false, "typing": false, "presence": false])
            #expect(data?["permissions"]?.object?.names == ["conversation:6"])
        }
    }

    @Test func `who may only read is told so`() async throws {
        try await Self.with { host async throws in
            let reader = Self.member(["app_metadata": ["conversations": ["6": "read"]]])
            let data = try await host.post(Self.path, json: ["conversationId": "6"] as JSON, as: reader).json?["data"]
            #expect(data?["permissions"]?["conversation:6"] == ["broadcast:read", "presence:read"])
        }
    }

    @Test func `without a conversation one gets one's own messages`() async throws {
        try await Self.with { host async throws in
            let own = try await host.request("POST", Self.path, as: .user("u1"))
            #expect(own.json?["data"]?["channels"] == ["user:u1:messages"])
            #expect(own.json?["data"]?["filters"] == ["userId": "u1", "customerId": nil, "conversationId": nil])
            for id in ["c7", 7] as [JSON] {
                let name = id.string ?? "7"
                let customer = try await host.post(
                    Self.path, json: [:] as JSON, as: Self.member(["app_metadata": ["customer_id": id]]))
                #expect(customer.json?["data"]?["channels"] == [.string("customer:\(name):messages")])
                #expect(
                    customer.json?["data"]?["filters"] == ["userId": nil, "customerId": .string(name), "conversationId": nil])
            }
        }
    }

    @Test func `every refusal has its status and says what is wrong`() async throws {
        try await Self.with { host async throws in
            func status(_ body: JSON, _ caller: TestHost.Caller? = Self.member()) async throws -> TestResponse {
                try await host.post(Self.path, json: body, as: caller)
            }
            #expect(try await status([:], nil).status == 401)
            #expect(try await status([:], .token("a.b.c")).status == 401)
            let strange = try await status(["conversationId": "7"])
            #expect(strange.status == 403 && strange.json?["code"] == "FORBIDDEN" && strange.json?["data"] == nil)
            #expect(try await status(["conversationId": "6"], .user("u2")).status == 403)
            #expect(try await status(["conversationId": "6"], .claims(["role": "anon"])).status == 403)
            #expect(try await status([:], .claims(["role": "anon"])).status == 403)
            #expect(try await status([:], .user("no id")).status == 403)
            for id in ["", "a b", "6:x", "*", "é", .string(String(repeating: "a", count: 65)), 6, true, ["6"]] as [JSON] {
                let answer = try await status(["conversationId": id])
                #expect(answer.status == 422 && answer.json?["problems"]?[0]?["field"] == "conversationId", "\(id)")
            }
            for flag in ["includePresence", "includeTyping", "includeReadReceipts"] {
                let answer = try await status(JSON(members: [(flag, "yes")]))
                #expect(answer.status == 422 && answer.json?["problems"]?[0]?["field"]?.string == flag)
            }
            #expect(try await status([]).status == 422)
            #expect(try await host.request("GET", Self.path, as: .user("u1")).status == 405)
            #expect(try await host.post(Self.path + "/more", json: [:] as JSON, as: .user("u1")).status == 404)
            let large: JSON = ["conversationId": .string(String(repeating: "a", count: 20_000))]
            #expect(try await status(large).status == 413)
            let broken = try await host.request(
                "POST", Self.path, headers: [.contentType: "application/json"], body: Array("{".utf8), as: .user("u1"))
            #expect(broken.status == 400)
            let form = try await host.request(
                "POST", Self.path, headers: [.contentType: "text/plain"], body: Array("{}".utf8), as: .user("u1"))
            #expect(form.status == 415)
        }
    }

    @Test func `a project's own key opens what is named, and its rights do not leave the host`() async throws {
        try await Self.with { host async throws in
            let service = TestHost.Caller.claims(["role": "service_role"])
            let answer = try await host.post(Self.path, json: ["conversationId": "99"] as JSON, as: service)
            #expect(answer.status == 200)
            let claims = try Self.claims(answer.json?["data"]?["token"]?.string)
            #expect(claims["role"] == "anon" && claims["sub"] == nil)
            #expect(try await host.post(Self.path, json: [:] as JSON, as: service).status == 403)
        }
    }

    @Test func `the path that clients of before know leads here too`() async throws {
        let realtime = RealtimeStub(subscribed: ["u1": ["conversation:6"]])
        try await Self.with({ $0.realtime.engine = realtime.engine }) { host async throws in
            let path = "/api/messages/realtime/subscribe"
            let answer = try await host.post(path, json: ["conversationId": "6"] as JSON, as: Self.member())
            #expect(answer.status == 200 && answer.json?["data"]?["channels"]?[0] == "conversation:6")
            #expect(try await Self.delete(host, nil, path).status == 200)
            #expect(try await host.request("POST", path).status == 401)
            #expect(try await host.request("POST", path + "/x", as: .user("u1")).status == 404)
            let preflight = try await host.request(
                "OPTIONS", path,
                headers: [.origin: "https://app.example", HTTPField.Name("access-control-request-method")!: "DELETE"])
            #expect(preflight.status == 204)
            #expect(preflight.headers[.accessControlAllowMethods]?.contains("DELETE") == true)
        }
    }

    @Test func `ending ends one's own subscriptions`() async throws {
        let realtime = RealtimeStub(subscribed: ["u1": ["conversation:6", "presence:6"], "u2": ["conversation:6"]])
        try await Self.with({ $0.realtime.engine = realtime.engine }) { host async throws in
            let one = try await Self.delete(host, ["channels": ["conversation:6", "conversation:9"]])
            #expect(
                one.json == [
                    "success": true,
                    "data": [
                        "message": "Unsubscribed successfully", "channels": ["conversation:6", "conversation:9"],
                        "ended": ["conversation:6"],
                    ],
                ])
            for body in [nil, [:], ["channels": nil]] as [JSON?] {
                let all = try await Self.delete(host, body)
                #expect(all.status == 200 && all.json?["data"]?["channels"] == ["conversation:6", "presence:6"])
            }
        }
        #expect(Set(realtime.endings.map(\.user)) == ["u1"])
        #expect(realtime.endings.map(\.channels) == [["conversation:6", "conversation:9"], [], [], []])
    }

    @Test func `an ending that cannot be done is refused`() async throws {
        let realtime = RealtimeStub()
        try await Self.with({ $0.realtime.engine = realtime.engine }) { host async throws in
            let many = JSON.array((0...RealtimeAccess.batch).map { .string("conversation:\($0)") })
            for channels in ["conversation:6", [], [5], ["conversation:6", nil], many] as [JSON] {
                let answer = try await Self.delete(host, ["channels": channels])
                #expect(answer.status == 422 && answer.json?["problems"]?[0]?["field"] == "channels", "\(channels)")
            }
            for name in ["", "realtime:conversation:6", "a\nb", String(repeating: "a", count: 201)] {
                #expect(try await Self.delete(host, ["channels": [.string(name)]]).status == 422, "\(name)")
            }
            #expect(try await Self.delete(host, nil, as: .claims(["role": "service_role"])).status == 403)
        }
        #expect(realtime.endings.isEmpty)
        // The host's own engine has nobody to end.
        try await Self.with { host async throws in
            let answer = try await Self.delete(host, nil)
            #expect(answer.status == 200 && answer.json?["data"]?["channels"] == [])
        }
    }

    @Test func `a caller may ask sixty times a minute`() async throws {
        try await Self.with { host async throws in
            // One comes back a second, so a slow machine gets some more.
            var taken = 0
            var refused: TestResponse?
            while refused == nil, taken < 600 {
                let answer = try await host.request("POST", Self.path, as: .user("u1"))
                if answer.status == 200 { taken += 1 } else { refused = answer }
            }
            #expect(taken >= 60 && refused?.status == 429 && refused?.headers[.retryAfter] != nil)
            #expect(try await host.request("POST", Self.path, as: .user("u2")).status == 200)
        }
    }

    @Test func `a Supabase project is used with its key and the caller's own token`() async throws {
        try await Self.with(
            { $0.realtime.place = .supabase(url: "https://project.example/") }, secrets: ["SUPABASE_ANON_KEY": "the-anon-key"]
        ) { host async throws in
            let token = try await host.request("POST", Self.path, as: Self.member()).json?["data"]?["token"]?.string
            let data = try await host.post(Self.path, json: ["conversationId": "6"] as JSON, as: .token(try #require(token)))
                .json?["data"]
            #expect(data?["token"]?.string == token && data?["supabaseKey"] == "the-anon-key")
            #expect(data?["supabaseUrl"] == "https://project.example")
            #expect(data?["url"] == "wss://project.example/realtime/v1/websocket")
            #expect(try await host.post(Self.path, json: ["conversationId": "7"] as JSON, as: Self.member()).status == 403)
            #expect(
                try await host.post(Self.path, json: ["conversationId": "6"] as JSON, as: .claims(["role": "service_role"]))
                    .status
                    == 403)
            #expect(try await Self.delete(host, nil).status == 501)
        }
        try await Self.with({ $0.realtime.place = .supabase(url: "https://project.example") }) { host async throws in
            let answer = try await host.request("POST", Self.path, as: Self.member())
            #expect(answer.status == 503 && answer.json?["code"] == "BOOT_ERROR")
            #expect(answer.json?["message"]?.string?.contains("SUPABASE_ANON_KEY") == true)
        }
    }

    @Test func `clients hear the key that was set for them, and the address that was`() async throws {
        let publishable = "sb_publishable_" + String(repeating: "k3Y", count: 8)
        try await Self.with(
            { $0.storage.publicURL = "https://api.example" }, secrets: ["SUPABASE_PUBLISHABLE_KEY": publishable]
        ) { host async throws in
            let data = try await host.request("POST", Self.path, as: .user("u1")).json?["data"]
            #expect(data?["supabaseUrl"] == "https://api.example" && data?["url"] == "wss://api.example/realtime/v1/websocket")
            #expect(data?["supabaseKey"]?.string == publishable)
        }
    }

    @Test func `without a secret to sign with the function does not boot, and says what to do`() async throws {
        let demo = "super-secret-jwt-token-with-at-least-32-characters-long"
        // Tokens are verified with it, and none are made: it is on its way out.
        try await Self.with(secrets: ["JWT_SECRET_PREVIOUS": demo]) { host async throws in
            let answer = try await host.request("POST", Self.path, as: .user("u1"))
            #expect(answer.status == 503 && answer.json?["code"] == "BOOT_ERROR")
            #expect(answer.json?["message"]?.string?.contains("JWT_SECRET") == true)
        }
    }
}
