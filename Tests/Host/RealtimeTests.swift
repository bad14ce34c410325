import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletJSON
import SwiftletTelemetry
import SwiftletTesting
import TestSupport
import Testing

/// What `context.realtime` does, seen from functions, and how its members are found.
@Suite struct RealtimeTests {
    /// Does what its body says.
    struct Speaker: EdgeFunction {
        static let name: FunctionName = "speaker"
        static let policy = Policy(capabilities: [.realtime])

        func handle(_ request: Request<JSON>, from visitor: Visitor, in context: Context) async throws -> JSON {
            let body = request.body
            if let channels = body["subscribe"]?.array?.compactMap(\.string) {
                let lifetime = body["seconds"]?.int.map { Duration.seconds($0) }
                let grant = try await context.realtime.subscribe(RealtimeWish(channels: channels, lifetime: lifetime))
                return [
                    "channels": JSON(members: grant.channels.map { ($0.name, .array($0.permissions.names.map { .string($0) })) }),
                    "refused": .array(grant.refused.map { .string($0) }),
                    "lives": JSON((grant.expiresAt - grant.issuedAt) / 1000),
                ]
            }
            let receipt = try await context.realtime.publish(
                topic: body["topic"]?.string ?? "", event: body["event"]?.string ?? "", payload: body["payload"] ?? nil,
                isPrivate: body["private"]?.bool ?? true, id: body["id"]?.string)
            return ["id": .string(receipt.id), "offset": JSON(receipt.offset), "receivers": JSON(receipt.receivers)]
        }
    }

    struct Silent: EdgeFunction {
        static let name: FunctionName = "silent"
        static let policy = Policy()
        func handle(_ request: Request<Void>, from user: User, in context: Context) async throws -> JSON {
            let receipt = try await context.realtime.publish(topic: "room", event: "e", payload: [:])
            return .string(receipt.id)
        }
    }

    private static func with(
        _ change: (inout HostConfiguration) -> Void = { _ in }, secrets: [String: String] = [:],
        _ body: @Sendable (TestHost) async throws -> Void
    ) async throws {
        var configuration = HostConfiguration()
        change(&configuration)
        try await TestHost.run(
            [Registration(Speaker.self), Registration(Silent.self)], secrets: secrets, configuration: configuration, body)
    }

    private static func say(_ host: TestHost, _ body: JSON, as caller: TestHost.Caller? = .user("u1")) async throws
        -> TestResponse
    {
        try await host.post("/functions/v1/speaker", json: body, as: caller)
    }

    private static let message: JSON = [
        "topic": "conversation:5", "event": "new_message", "payload": ["text": "hé"], "id": "m1", "private": true,
    ]

    @Test func `a function publishes, with the caller's id as the sender`() async throws {
        let realtime = RealtimeStub(receivers: 3)
        try await Self.with({ $0.realtime.engine = realtime.engine }) { host async throws in
            let answer = try await Self.say(host, Self.message)
            #expect(answer.json == ["id": "m1", "offset": 1, "receivers": 3])
            #expect(try await Self.say(host, Self.message).json == ["id": "m1", "offset": 1, "receivers": 0])
            #expect(
                try await Self.say(host, ["topic": "room", "event": "e", "payload": [:], "private": false], as: nil).status == 200
            )
        }
        #expect(realtime.published.count == 2)
        let first = try #require(realtime.published.first)
        #expect(first.topic == "conversation:5" && first.event == "new_message" && first.payload == ["text": "hé"])
        #expect(first.isPrivate && first.sender == "u1")
        #expect(realtime.published.last?.sender == nil && realtime.published.last?.isPrivate == false)
    }

    @Test func `a message that cannot be is refused before it is sent`() async throws {
        let realtime = RealtimeStub()
        try await Self.with({ $0.realtime.engine = realtime.engine }) { host async throws in
            let changes: [(String, JSON)] = [
                ("topic", ""), ("topic", "realtime:room"), ("topic", "a\u{0}b"),
                ("topic", .string(String(repeating: "a", count: 201))),
                ("event", ""), ("event", "a\nb"), ("payload", []), ("payload", "text"), ("payload", nil), ("id", ""),
                ("id", "a b"),
                ("id", "é"), ("id", .string(String(repeating: "a", count: 65))),
            ]
            for (name, value) in changes {
                var body = Self.message
                body[name] = value
                #expect(try await Self.say(host, body).status == 422, "\(name): \(value)")
            }
            var large = Self.message
            large["payload"] = ["text": .string(String(repeating: "a", count: 245 * 1024))]
            #expect(try await Self.say(host, large).status == 413)
            large["payload"] = ["text": .string(String(repeating: "a", count: 270 * 1024))]
            #expect(try await Self.say(host, large).status == 413)
        }
        #expect(realtime.published.isEmpty)
    }

    @Test func `the host's own engine is behind it, and nothing is published by a function that does not say so`() async throws {
        try await Self.with { host async throws in
            let answer = try await Self.say(host, Self.message)
            #expect(answer.json?["offset"] == 1 && answer.json?["receivers"] == 0)
            #expect(try await Self.say(host, Self.message).json?["offset"] == 1, "the same id is the same message")
        }
        let realtime = RealtimeStub()
        try await Self.with({ $0.realtime.engine = realtime.engine }) { host async throws in
            #expect(try await host.request("POST", "/functions/v1/silent", as: .user("u1")).status == 500)
        }
        #expect(realtime.published.isEmpty)
    }

    @Test func `a wish is judged channel by channel`() async throws {
        try await Self.with { host async throws in
            let member = TestHost.Caller.claims([
                "sub": "u1", "role": "authenticated", "app_metadata": ["conversations": ["5": "read"]],
            ])
            let answer = try await Self.say(
                host,
                ["subscribe": ["conversation:5", "conversation:6", "conversation:5", "user:u1:messages", "user:u2:messages"]],
                as: member)
            #expect(
                answer.json?["channels"] == [
                    "conversation:5": ["broadcast:read", "presence:read"],
                    "user:u1:messages": ["broadcast:read", "broadcast:write", "presence:read", "presence:write"],
                ])
            #expect(answer.json?["refused"] == ["conversation:6", "user:u2:messages"])
            #expect((599...600).contains(answer.json?["lives"]?.int ?? 0))
            let short = try await Self.say(host, ["subscribe": ["conversation:5"], "seconds": 45], as: member)
            #expect((44...45).contains(short.json?["lives"]?.int ?? 0))
            let long = try await Self.say(host, ["subscribe": ["conversation:5"], "seconds": 86_400], as: member)
            #expect((599...600).contains(long.json?["lives"]?.int ?? 0))
            #expect(try await Self.say(host, ["subscribe": ["conversation:5"], "seconds": 0], as: member).status == 422)
            #expect(try await Self.say(host, ["subscribe": ["conversation:5"], "seconds": -5], as: member).status == 422)
            #expect(try await Self.say(host, ["subscribe": ["conversation:6"]], as: member).status == 403)
            #expect(try await Self.say(host, ["subscribe": []], as: member).status == 422)
            let many = JSON.array((0...RealtimeAccess.batch).map { .string("conversation:\($0)") })
            #expect(try await Self.say(host, ["subscribe": many], as: member).status == 422)
            #expect(try await Self.say(host, ["subscribe": ["conversation:5"]], as: nil).status == 401)
            // More than a token holds is refused as a whole.
            let everything = TestHost.Caller.claims(["role": "service_role"])
            let long32 = JSON.array((0..<RealtimeAccess.batch).map { .string(String(repeating: "x", count: 190) + "\($0)") })
            #expect(try await Self.say(host, ["subscribe": long32], as: everything).status == 413)
        }
    }

    @Test func `a table of members is read again when asked, and a broken one is passed over`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("realtime-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("members.json")
        try Data(#"{"5": {"u1": "read"}}"#.utf8).write(to: file)
        try await Self.with({ $0.realtime.members = .table(file: file.path) }) { host async throws in
            func status(_ user: String) async throws -> Int {
                try await Self.say(host, ["subscribe": ["conversation:5"]], as: .user(user)).status
            }
            #expect(try await status("u1") == 200)
            #expect(try await status("u2") == 403)
            try Data(#"{"5": {"u2": "read"}}"#.utf8).write(to: file)
            host.host.reloadMembers()
            #expect(try await status("u1") == 403)
            #expect(try await status("u2") == 200)
            try Data("{".utf8).write(to: file)
            host.host.reloadMembers()
            #expect(try await status("u2") == 200)
        }
    }

    @Test func `a Supabase project is asked for members over the host's own way out`() async throws {
        let tokens = Locked<[String]>([])
        let upstream = try LoopbackUpstream { connection in
            while let head = connection.readHead() {
                tokens.withLock { $0.append(head.value("authorization") ?? "") }
                let isKnown =
                    head.target == "/rest/v1/members?conversation_id=eq.5&user_id=eq.u1" && head.value("apikey") == "the-key"
                if head.target.contains("eq.9") {
                    connection.answer(500, "{}")
                } else {
                    connection.answer(200, isKnown ? #"[{"can_write":false}]"# : "[]")
                }
            }
        }
        defer { upstream.stop() }
        let members = RealtimeSettings.Members.supabase(
            url: upstream.origin, query: "members?conversation_id=eq.{conversation}&user_id=eq.{user}")
        try await Self.with({ $0.realtime.members = members }, secrets: ["SUPABASE_ANON_KEY": "the-key"]) { host async throws in
            let answer = try await Self.say(host, ["subscribe": ["conversation:5", "presence:5", "conversation:6"]])
            #expect(answer.json?["channels"]?["presence:5"] == ["broadcast:read", "presence:read"])
            #expect(answer.json?["refused"] == ["conversation:6"])
            let broken = try await Self.say(host, ["subscribe": ["conversation:9"]])
            #expect(broken.status == 503 && broken.json?["code"] == "MEMBERSHIP_UNAVAILABLE")
            #expect(broken.headers[.retryAfter] == "2")
        }
        // One question for the two channels of a conversation, each with the caller's own token.
        let seen = tokens.withLock { $0 }
        #expect(seen.count == 3 && seen.allSatisfy { $0.hasPrefix("Bearer ey") })
    }

    @Test func `a project that is away lets nobody in`() async throws {
        let members = RealtimeSettings.Members.supabase(url: "http://127.0.0.1:9", query: "members?id=eq.{conversation}")
        try await Self.with({ $0.realtime.members = members }, secrets: ["SUPABASE_ANON_KEY": "the-key"]) { host async throws in
            #expect(try await Self.say(host, ["subscribe": ["conversation:5"]]).status == 503)
            // What needs no question goes on.
            #expect(try await Self.say(host, ["subscribe": ["user:u1:messages"]]).status == 200)
        }
    }

    // MARK: Configuration

    private func problem(_ change: (inout HostConfiguration) -> Void) async -> String? {
        var configuration = HostConfiguration()
        configuration.admin = nil
        change(&configuration)
        do {
            let host = try Host(
                functions: [Registration(Speaker.self)], configuration: configuration, sink: LogSink.quiet(),
                metrics: PrometheusRegistry())
            defer { Task { await host.close() } }
            return host.broken.first.map { "\($0.name) lacks \($0.missing)" }
        } catch { return "\(error)" }
    }

    @Test func `realtime that cannot work keeps the host from starting`() async {
        #expect(await problem { _ in } == nil)
        let cases: [(String, (inout HostConfiguration) -> Void)] = [
            ("realtime-token: ", { $0.realtime.tokenLifetime = .seconds(29) }),
            ("realtime-token: ", { $0.realtime.tokenLifetime = .seconds(86_401) }),
            ("realtime-endpoint: ", { $0.realtime.place = .supabase(url: "ftp://x.example") }),
            ("realtime-endpoint: ", { $0.realtime.place = .supabase(url: "https://x.example/path") }),
            ("realtime-members: /does/not/exist cannot be read", { $0.realtime.members = .table(file: "/does/not/exist") }),
            ("realtime-members: /does/not/exist", { $0.realtime.members = .sqlite(file: "/does/not/exist", query: "SELECT 1") }),
            ("realtime-members-url: ", { $0.realtime.members = .supabase(url: "x", query: "m?id=eq.{conversation}") }),
            ("realtime-members: ", { $0.realtime.members = .supabase(url: "https://x.example", query: "m") }),
            ("path '/x': leads to 'nobody'", { $0.mounts = ["/x": "nobody"] }),
            ("path 'x': is none", { $0.mounts = ["x": "speaker"] }),
            ("path '/a?b': is none", { $0.mounts = ["/a?b": "speaker"] }),
            ("path '/functions/v1/x': can lead", { $0.mounts = ["/functions/v1/x": "speaker"] }),
            ("path '/realtime/v1/x': can lead", { $0.mounts = ["/realtime/v1/x": "speaker"] }),
            ("speaker lacks [JWT_SECRET]", { $0.auth.jwksURL = "https://issuer.example/keys" }),
            (
                "--strict: speaker lacks JWT_SECRET",
                {
                    $0.auth.jwksURL = "https://issuer.example/keys"
                    $0.strict = true
                }
            ),
            ("speaker lacks [SUPABASE_ANON_KEY]", { $0.realtime.place = .supabase(url: "https://x.example") }),
        ]
        for (words, change) in cases {
            let said = await problem(change)
            #expect(said?.hasPrefix(words) == true, "\(words) / \(said ?? "it starts")")
        }
    }
}
