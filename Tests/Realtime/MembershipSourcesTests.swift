import Foundation
import GRDB
import Swiftlet
import SwiftletJSON
import TestSupport
import Testing

@testable import SwiftletRealtime

@Suite struct ClaimsMembershipTests {
    private func permissions(_ conversations: JSON, in channel: String = "conversation:5") -> ChannelPermissions {
        ClaimsMembership().permissions(of: .user("u1", ["conversations": conversations]), in: channel)
    }

    @Test func `the token's app_metadata lists conversations`() {
        #expect(permissions(["5", "6"]) == .all)
        #expect(permissions([5]) == .all)
        #expect(permissions(["6"]) == [])
        #expect(permissions(["*"]) == .all)
        #expect(permissions(["5": "write"]) == .all)
        #expect(permissions(["5": "read"]) == .read)
        #expect(permissions(["*": "read", "5": "write"]) == .all)
        #expect(permissions(["*": "read"]) == .read)
        #expect(permissions(["5"], in: "room") == [])
    }

    @Test func `what is no such claim is no membership`() {
        for value in ["5", 5, true, nil, ["5": "admin"], ["5": true], ["5": ["write"]], [["5"]], [nil], [:], []] as [JSON] {
            #expect(permissions(value) == [], "\(value)")
        }
        let elsewhere = Member(
            subject: "u1", role: "authenticated", claims: ["conversations": ["5"], "user_metadata": ["conversations": ["5"]]])
        #expect(ClaimsMembership().permissions(of: elsewhere, in: "conversation:5") == [])
    }
}

@Suite struct TableMembershipTests {
    private func table(_ text: String?) throws -> TableMembership {
        try TableMembership(name: "members.json") { text.map { Array($0.utf8) } }
    }

    @Test func `a table names users of conversations and channels`() throws {
        let table = try table(
            #"{"5": {"u1": "write", "u2": "read"}, "6": ["u2"], "customer:7:messages": {"u2": "read"}, "*": {"boss": "read"}}"#)
        func ask(_ user: String, _ channel: String) -> ChannelPermissions { table.permissions(of: .user(user), in: channel) }
        #expect(ask("u1", "conversation:5") == .all && ask("u2", "conversation:5") == .read && ask("u3", "conversation:5") == [])
        #expect(ask("u2", "conversation:6") == .all && ask("u1", "conversation:6") == [])
        #expect(ask("u2", "customer:7:messages") == .read && ask("u1", "customer:7:messages") == [])
        #expect(ask("boss", "conversation:99") == .read && ask("boss", "customer:7:messages") == [])
        #expect(table.permissions(of: Member(subject: nil, role: "authenticated"), in: "conversation:5") == [])
    }

    @Test func `a table that cannot be meant is refused in words`() async throws {
        let cases: [(String?, String)] = [
            (nil, "cannot be read"), ("{", "is no JSON"), ("[]", "no JSON object"), (#"{"5": "u1"}"#, "for '5'"),
            (#"{"5": {"u1": "admin"}}"#, "the user 'u1' of '5'"), (#"{"5": {"u1": true}}"#, "the user 'u1' of '5'"),
            (#"{"5": [1]}"#, "user of '5'"), (#"{"a b": []}"#, "names 'a b'"), (#"{"": []}"#, "names ''"),
            (#"{"conversation:5": []}"#, "write '5'"), (#"{"5": [], "5": []}"#, "is no JSON"),
        ]
        for (text, words) in cases {
            let found = await problem { try table(text) }
            #expect(found?.reason == .unusable && found?.detail.contains(words) == true, "\(found?.detail ?? "accepted")")
            #expect(found?.detail.hasPrefix("members.json ") == true)
        }
    }

    @Test func `a table is read again, and a broken one leaves the old in force`() throws {
        let content = Locked(#"{"5": ["u1"]}"#)
        let table = try TableMembership(name: "members.json") { content.withLock { Array($0.utf8) } }
        content.withLock { $0 = #"{"6": ["u1"]}"# }
        #expect(table.permissions(of: .user("u1"), in: "conversation:5") == .all)
        try table.reload()
        #expect(table.permissions(of: .user("u1"), in: "conversation:5") == [])
        #expect(table.permissions(of: .user("u1"), in: "conversation:6") == .all)
        content.withLock { $0 = "{" }
        #expect(throws: MembershipProblem.self) { try table.reload() }
        #expect(table.permissions(of: .user("u1"), in: "conversation:6") == .all)
    }
}

@Suite struct SQLMembershipTests {
    private static let query = """
        SELECT 1 AS can_read, role <> 'guest' AS can_write FROM members WHERE user_id = :user AND conversation_id = :conversation
        """

    private static func make(_ path: String, _ rows: [(String, String, String)]) throws {
        let database = try DatabaseQueue(path: path)
        try database.write { database in
            try database.execute(sql: "CREATE TABLE members (user_id TEXT, conversation_id TEXT, role TEXT)")
            for row in rows {
                try database.execute(sql: "INSERT INTO members VALUES (?, ?, ?)", arguments: [row.0, row.1, row.2])
            }
        }
        try database.close()
    }

    private static func with(
        _ query: String = query, rows: [(String, String, String)] = [("u1", "5", "owner"), ("u2", "5", "guest")],
        deadline: Duration = .seconds(30), _ body: (SQLMembership, String) async throws -> Void
    ) async throws {
        try await withFolder { folder async throws in
            let path = folder + "/members.sqlite"
            try make(path, rows)
            let membership = try SQLMembership(path: path, query: query, deadline: deadline)
            defer { membership.close() }
            try await body(membership, path)
        }
    }

    @Test func `the rows of the query say who may read and who may write`() async throws {
        try await Self.with { membership, _ async throws in
            #expect(try await membership.permissions(of: .user("u1"), in: "conversation:5") == .all)
            #expect(try await membership.permissions(of: .user("u2"), in: "conversation:5") == .read)
            #expect(try await membership.permissions(of: .user("u3"), in: "conversation:5") == [])
            #expect(try await membership.permissions(of: .user("u1"), in: "conversation:6") == [])
            #expect(try await membership.permissions(of: .user("u1"), in: "room") == [])
            #expect(try await membership.permissions(of: .user("' OR 1=1 --"), in: "conversation:5") == [])
            #expect(try await membership.permissions(of: Member(subject: nil, role: "authenticated"), in: "conversation:5") == [])
        }
    }

    @Test func `null is no, a text is an error, several rows add up`() async throws {
        let shaped = "SELECT NULL AS can_read, 0 AS CAN_WRITE WHERE :user <> :conversation"
        try await Self.with(shaped) { membership, _ async throws in
            #expect(try await membership.permissions(of: .user("u1"), in: "conversation:5") == [])
        }
        try await Self.with("SELECT 'true' AS can_read, 1 AS can_write WHERE :user <> :conversation") {
            membership, _ async throws in
            let found = await problem { try await membership.permissions(of: .user("u1"), in: "conversation:5") }
            #expect(found?.reason == .unexpectedAnswer)
        }
        try await Self.with(rows: [("u1", "5", "guest"), ("u1", "5", "owner")]) { membership, _ async throws in
            #expect(try await membership.permissions(of: .user("u1"), in: "conversation:5") == .all)
        }
    }

    @Test func `a query or a file that cannot be meant is refused in words`() async throws {
        try await withFolder { folder async throws in
            let path = folder + "/members.sqlite"
            try Self.make(path, [])
            let cases: [(String, String)] = [
                ("SELECT 1 AS can_read WHERE :user = :conversation", "lack can_read and can_write"),
                ("SELECT 1 AS can_read, 1 AS can_write WHERE :conversation = ''", "does not use :user"),
                ("SELECT 1 AS can_read, 1 AS can_write WHERE :user = ''", "does not use :conversation"),
                ("SELECT 1 AS can_read, 1 AS can_write WHERE :user = :conversation AND :other = 1", "other parameters"),
                ("SELECT 1 AS can_read, 1 AS can_write WHERE :user = ? AND :conversation = ''", "other parameters"),
                ("SELECT can_read, can_write FROM nowhere WHERE :user = :conversation", "no such table"),
                ("SELEC", "syntax error"), ("", "cannot be used"),
                (
                    "DELETE FROM members WHERE user_id = :user AND :conversation RETURNING 1 AS can_read, 1 AS can_write",
                    "changes data"
                ),
                (Self.query + "; DELETE FROM members", "cannot be used"),
            ]
            for (query, words) in cases {
                let found = await problem { try SQLMembership(path: path, query: query) }
                #expect(
                    found?.reason == .unusable && found?.detail.contains(words) == true,
                    "\(query): \(found?.detail ?? "accepted")")
            }
            let missing = await problem { try SQLMembership(path: folder + "/nothing.sqlite", query: Self.query) }
            #expect(missing?.detail.contains("nothing.sqlite cannot be opened") == true, "\(missing?.detail ?? "accepted")")
            try "no database, and long enough to be read as one".write(
                toFile: folder + "/text", atomically: true, encoding: .utf8)
            #expect(await problem { try SQLMembership(path: folder + "/text", query: Self.query) }?.reason == .unusable)
        }
    }

    @Test func `a query without end is interrupted, and the next one runs`() async throws {
        let endless = """
            WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE :user = 'slow')
            SELECT count(*) AS can_read, 0 AS can_write FROM n WHERE :conversation <> ''
            """
        try await Self.with(endless, deadline: .milliseconds(200)) { membership, _ async throws in
            let found = await problem { try await membership.permissions(of: .user("slow"), in: "conversation:5") }
            #expect(found?.reason == .timedOut)
            #expect(try await membership.permissions(of: .user("u1"), in: "conversation:5") == .read)
        }
    }

    @Test func `more questions than may wait are refused, and none is left behind`() async throws {
        try await Self.with { membership, _ async throws in
            let answers = await withTaskGroup(of: MembershipProblem.Reason?.self) { group in
                for _ in 0..<400 {
                    group.addTask {
                        await problem { try await membership.permissions(of: .user("u1"), in: "conversation:5") }?.reason
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.allSatisfy { $0 == nil || $0 == .busy })
            #expect(try await membership.permissions(of: .user("u1"), in: "conversation:5") == .all)
        }
    }

    @Test func `a file that was replaced counts after a reload`() async throws {
        try await Self.with { membership, path async throws in
            try FileManager.default.removeItem(atPath: path)
            try Self.make(path, [("u3", "5", "owner")])
            #expect(try await membership.permissions(of: .user("u3"), in: "conversation:5") == [])
            try membership.reload()
            #expect(try await membership.permissions(of: .user("u3"), in: "conversation:5") == .all)
            #expect(try await membership.permissions(of: .user("u1"), in: "conversation:5") == [])
            try FileManager.default.removeItem(atPath: path)
            #expect(throws: MembershipProblem.self) { try membership.reload() }
            #expect(try await membership.permissions(of: .user("u3"), in: "conversation:5") == .all)
        }
    }
}

@Suite struct RESTMembershipTests {
    private struct Stub: MembershipTransport {
        let asked = Locked<[(url: String, headers: [(name: String, value: String)])]>([])
        let answer: @Sendable () throws -> (Int, String)

        func get(_ url: String, headers: [(name: String, value: String)], limit: Int) async throws -> (status: Int, body: [UInt8])
        {
            asked.withLock { $0.append((url, headers)) }
            let (status, body) = try answer()
            return (status, Array(body.utf8))
        }
    }
    private struct Broken: Error, CustomStringConvertible {
        var description: String { "https://secret.example/?token=abc" }
    }

    private static let query = "members?select=can_read,can_write&conversation_id=eq.{conversation}&user_id=eq.{user}"

    private func ask(_ status: Int, _ body: String, user: String = "u1") async throws -> ChannelPermissions {
        let stub = Stub { (status, body) }
        let membership = try RESTMembership(origin: "https://p.example", query: Self.query, key: { "anon-key" }, transport: stub)
        return try await membership.permissions(of: .user(user), in: "typing:5")
    }

    @Test func `the project is asked with the user's own token`() async throws {
        let stub = Stub { (200, #"[{"can_read":true,"can_write":false}]"#) }
        let membership = try RESTMembership(origin: "https://p.example", query: Self.query, key: { "anon-key" }, transport: stub)
        #expect(try await membership.permissions(of: .user("u1&x=1/ü", token: "a.b.c"), in: "conversation:5") == .read)
        let asked = try #require(stub.asked.withLock { $0 }.first)
        #expect(
            asked.url
                == "https://p.example/rest/v1/members?select=can_read,can_write&conversation_id=eq.5&user_id=eq.u1%26x%3D1%2F%C3%BC"
        )
        #expect(
            asked.headers.map { "\($0.name): \($0.value)" } == [
                "authorization: Bearer a.b.c", "apikey: anon-key", "accept: application/json",
            ])
        // Who has no token of a user is not asked about.
        #expect(try await membership.permissions(of: Member(subject: "u1", role: "x"), in: "conversation:5") == [])
        #expect(try await membership.permissions(of: .user("u1"), in: "customer:5:messages") == [])
        #expect(stub.asked.withLock { $0.count } == 1)
    }

    @Test func `a row is membership, and its columns take away`() async throws {
        #expect(try await ask(200, "[]") == [])
        #expect(try await ask(200, #"[{"conversation_id":"5"}]"#) == .all)
        #expect(try await ask(206, #"[{"can_write":false}]"#) == .read)
        #expect(
            try await ask(200, #"[{"can_write":null,"can_read":false},{"can_read":1}]"#) == [.broadcastWrite, .presenceWrite])
        for status in [401, 403, 404] { #expect(try await ask(status, "{}") == []) }
    }

    @Test func `every other answer is an error`() async throws {
        for (status, body) in [
            (200, ""), (200, "{}"), (200, "[1]"), (200, "<html>"), (201, "[]"), (302, ""), (400, "{}"), (429, ""), (500, ""),
            (503, "[]"),
        ] {
            let found = await problem { try await ask(status, body) }
            #expect(found?.reason == .unexpectedAnswer, "\(status) \(body)")
        }
    }

    @Test func `a project that cannot be reached is an error without the address`() async throws {
        let membership = try RESTMembership(
            origin: "https://p.example", query: Self.query, key: { "k" }, transport: Stub { throw Broken() })
        let found = await problem { try await membership.permissions(of: .user("u1"), in: "conversation:5") }
        #expect(found?.reason == .unreachable && found?.detail == "https://p.example could not be asked (Broken)")
        let keyless = try RESTMembership(
            origin: "https://p.example", query: Self.query, key: { nil }, transport: Stub { (200, "[{}]") })
        #expect(await problem { try await keyless.permissions(of: .user("u1"), in: "conversation:5") }?.reason == .unusable)
    }

    @Test func `a query that cannot be meant is refused in words`() async {
        let cases: [(String, String)] = [
            ("", "begins with no table"), ("?id=eq.{conversation}", "begins with no table"), ("a b?x={conversation}", "no table"),
            ("members", "does not use {conversation}"), ("members?id=eq.{user}", "does not use {conversation}"),
            ("members?id=eq.{conversation", "without '}'"), ("members?id=eq.{channel}", "names {channel}"),
            ("members?id=eq.{conversation}}", "'}' without"), ("members?id=eq.{conversation}#x", "printable"),
            ("members?id=eq.{conversation}\u{0}", "printable"), ("members?x=é{conversation}", "printable"),
        ]
        for (query, words) in cases {
            let found = await problem {
                try RESTMembership(origin: "https://p.example", query: query, key: { nil }, transport: Stub { (200, "[]") })
            }
            #expect(
                found?.reason == .unusable && found?.detail.contains(words) == true, "\(query): \(found?.detail ?? "accepted")")
        }
    }
}
