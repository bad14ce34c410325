import Fixtures
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletJSON
import SwiftletTelemetry
import SwiftletTesting
import Testing

@Suite struct ScreenTests {
    private func post(_ host: TestHost, _ name: String, _ text: String) async throws -> TestResponse {
        try await host.request("POST", path(name), headers: [.contentType: "application/json"], body: Array(text.utf8))
    }

    /// A card number that no scanner of sources mistakes for one.
    private var card: String { "4111" + "1111" + "1111" + "1111" }

    @Test func `a body that needs nothing done comes in byte for byte`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let text =
                #" {"content" : "Hello \u0041 wörld", "n":1.000000000000000000001e2,"bio":"<b>x</b>", "other":"<script>alert(1)</script>"} "#
            let answer = try await post(host, "screened", text)
            #expect(answer.status == 200)
            #expect(answer.text == text)
        }
    }

    @Test func `each rule does its work, and only on its fields`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let answer = try await post(
                host, "screened",
                #"{"content":"a\u0000b\u202ec","bio":"<p onclick=x()>hi<script>alert(1)</script></p>","link":"HTTPS://Example.com/a","contact":{"email":"Ann@EXAMPLE.com"},"name":"a.txt","keep":"a\u0000b"}"#
            )
            #expect(answer.status == 200)
            #expect(answer.json?["content"]?.string == "abc")
            #expect(answer.json?["bio"]?.string == "<p>hi</p>")
            #expect(answer.json?["link"]?.string == "https://example.com/a")
            #expect(answer.json?["contact"]?["email"]?.string == "Ann@example.com")
            #expect(answer.json?["keep"]?.string == "a\0b")
        }
    }

    @Test func `a refusal names field, rule and code, and nothing of the value`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let answer = try await post(
                host, "screened",
                #"{"link":"javascript:canary()","contact":{"email":"canary@"},"messages":[{"text":"fine"},{"text":""}],"name":"..","content":{"canary":1}}"#
            )
            #expect(answer.status == 422)
            #expect(answer.code == "INVALID_INPUT")
            #expect(!answer.text.contains("canary"))
            let problems = (answer.json?["problems"]?.array ?? []).map { problem in
                [problem["field"], problem["rule"], problem["code"]].map { $0?.string ?? "?" }.joined(separator: " ")
            }
            #expect(problems.count == 5)
            #expect(problems.contains("link url bad_url"))
            #expect(problems.contains { $0.hasPrefix("contact.email email ") })
            #expect(problems.contains("messages[1].text message empty"))
            #expect(problems.contains("name file_name bad_name"))
            #expect(problems.contains("content text wrong_type"))
        }
    }

    @Test func `what looks like an attack is refused where the policy says so`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let attack = #"{"comment":"x' OR '1'='1' UNION SELECT password FROM users--"}"#
            let refused = try await post(host, "screened", attack)
            #expect(refused.status == 422)
            #expect(refused.json?["problems"]?[0]?["code"]?.string == "sql_injection")
            #expect(!refused.text.contains("password"))
            // Elsewhere it is content.
            #expect(try await post(host, "screened", attack.replacing("comment", with: "content")).status == 200)
            // Everywhere, names included.
            for body in [
                #"{"a":[{"b":"<script>alert(document.cookie)</script>"}]}"#, #"{"<script>alert(document.cookie)</script>":1}"#,
                #""<script>alert(document.cookie)</script>""#,
                #"{"a":"\u003cscript\u003ealert(document.cookie)\u003c/script\u003e"}"#,
                #"{"a":"card \#(card)"}"#, #"{"\#(card)":1}"#,
            ] {
                let answer = try await post(host, "guarded", body)
                #expect(answer.status == 422, "\(body)")
                #expect(!answer.text.contains("cookie") && !answer.text.contains(card), "\(body)")
            }
            #expect(try await post(host, "guarded", #"{"a":"a quiet message, with a number: 12"}"#).status == 200)
        }
    }

    @Test func `what comes together only when it is cleaned is still found`() async throws {
        struct Joined: EdgeFunction {
            static let name: FunctionName = "joined"
            static let policy = Policy(
                rateLimit: .none,
                body: .json(upTo: .kib(4), sanitize: .text(["a", "b"]), reject: .malicious(["a"]), redact: .sensitive(["b"])))
            func handle(_ request: Request<JSON>, from _: Anyone, in context: Context) async throws -> JSON { request.body }
        }
        try await TestHost.run([Registration(Joined.self)]) { host async throws in
            let attack = #"{"a":"<scr\u200bipt>alert(document.cookie)</scr\u200bipt>"}"#
            #expect(try await post(host, "joined", attack).status == 422)
            let answer = try await post(host, "joined", #"{"b":"4111\u200b1111\u200b1111\u200b1111"}"#)
            #expect(answer.json?["b"]?.string == "[credit_card]")
        }
    }

    @Test func `sensitive data is taken out before the function sees it`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let answer = try await post(
                host, "screened", #"{"content":"pay with \#(card) please","messages":[{"text":"\#(card)"}],"other":"\#(card)"}"#)
            #expect(answer.status == 200)
            #expect(answer.json?["content"]?.string == "pay with [credit_card] please")
            #expect(answer.json?["messages"]?[0]?["text"]?.string == "[credit_card]")
            #expect(answer.json?["other"]?.string == card)
        }
    }

    @Test func `findings are logged and counted, without any of the text`() async throws {
        let log = try LogCapture()
        try await TestHost.run(fixtureFunctions, secrets: [:], configuration: HostConfiguration(), sink: log.sink) {
            host async throws in
            _ = try await post(host, "screened", #"{"comment":"my card is \#(card), canary"}"#)
            _ = try await post(host, "guarded", #"{"a":"<script>canary(document.cookie)</script>"}"#)
        }
        let sensitive = try #require(log.events.first { $0["msg"]?.string == "input.sensitive" })
        #expect(sensitive["types"]?.string == "credit_card")
        #expect(sensitive["function"]?.string == "screened")
        let suspicious = try #require(log.events.first { $0["msg"]?.string == "input.suspicious" })
        #expect(suspicious["class"]?.string == "xss")
        let rejected = try #require(log.events.first { $0["msg"]?.string == "input.rejected" })
        #expect(rejected["validator"]?.string == "malicious")
        #expect(rejected["rule"]?.string == "xss")
        #expect(!log.text.contains("canary") && !log.text.contains(card))
    }

    @Test func `a large body is screened too`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let filler = String(repeating: "a harmless word and another one. ", count: 2000)
            let text = #"{"content":"\#(filler)\#(card)"}"#
            #expect(try await post(host, "screened", text).json?["content"]?.string == filler + "[credit_card]")
            #expect(try await post(host, "guarded", text).status == 422)
            #expect(try await post(host, "guarded", #"{"content":"\#(filler)"}"#).status == 200)
        }
    }

    @Test func `a client that leaves while its body is screened costs nothing`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let filler = #"{"content":""# + String(repeating: "word ", count: 20_000) + "\"}"
            for _ in 0..<20 {
                let client = try RawClient(port: host.port)
                await client.send(
                    "POST \(path("guarded")) HTTP/1.1\r\nhost: x\r\ncontent-length: \(filler.utf8.count)\r\n\r\n\(filler)")
                client.close()
            }
            #expect(try await post(host, "guarded", "{}").status == 200)
        }
    }
}
