import Fixtures
import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletJSON
import SwiftletTesting
import TestSupport
import Testing

@Suite struct LogTests {
    @Test(.enabled(if: CorpusFiles.has("logs/injection.jsonl"), "no shared test data"))
    func `nothing from outside ends a line, starts another or leaves an escape in the log`() async throws {
        let rows = try CorpusFiles.rows("logs/injection.jsonl").map { row -> (id: String, place: String, input: [UInt8]) in
            var input = (row["input_b64"] as? String).flatMap { Data(base64Encoded: $0) }.map { Array($0) } ?? []
            if let repeated = row["repeat"] as? [Any], let text = repeated.first as? String, let count = repeated.last as? Int {
                input = Array(String(repeating: text, count: count).utf8)
            }
            return (row["id"] as? String ?? "?", row["where"] as? String ?? "?", input)
        }
        #expect(rows.count > 100)
        let log = try LogCapture()
        let answered = Collected<(id: String, request: String)>()
        try await TestHost.run(fixtureFunctions, configuration: HostConfiguration(), sink: log.sink) { host async throws in
            for row in rows {
                for isEncoded in [false, true] {
                    guard let bytes = LogTests.request(row.place, row.input, isEncoded: isEncoded) else { continue }
                    guard let answer = try? await host.raw(bytes) else { continue }
                    #expect((200...499).contains(answer.status), "\(row.id)")
                    if let id = answer.headers[.requestID] { answered.add((row.id, id)) }
                }
            }
            #expect(try await host.get(path("optional")).status == 200)
        }
        let bytes = log.bytes
        #expect(bytes.last == UInt8(ascii: "\n"))
        var seen: [String: Int] = [:]
        for line in log.lines {
            let text = String(decoding: line, as: UTF8.self)
            let value = try? JSON.parse(line)
            #expect(value?.object != nil, "\(text.prefix(300))")
            #expect(line.count <= 10_000)
            #expect(
                text.unicodeScalars.allSatisfy { scalar in
                    switch scalar.value {
                    case 0x00...0x1F, 0x7F...0x9F, 0x2028, 0x2029, 0x202A...0x202E, 0x2066...0x2069: false
                    default: true
                    }
                }, "\(text.prefix(300))")
            #expect(value?["level"]?.string != "forged" && value?["msg"]?.string != "forged", "\(text.prefix(300))")
            for secret in ["eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "AIzaSyEXAMPLEEXAMPLE", "sb-access-token=abc"] {
                #expect(!text.contains(secret), "\(text.prefix(300))")
            }
            if value?["msg"]?.string == "request", let id = value?["request_id"]?.string { seen[id, default: 0] += 1 }
        }
        // Requests that could be read have one line each.
        for (id, request) in answered.all { #expect(seen[request] == 1 || seen[request] == nil, "\(id)") }
        #expect(answered.all.filter { seen[$0.request] == 1 }.count > 100)
    }

    /// The request that puts `input` in its place; `nil` where both spellings are the same.
    private static func request(_ place: String, _ input: [UInt8], isEncoded: Bool) -> [UInt8]? {
        let encoded = input.flatMap { byte -> [UInt8] in
            let isPlain = (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10
            return isPlain ? [byte] : Array((byte < 16 ? "%0" : "%").utf8) + Array(String(byte, radix: 16).utf8)
        }
        let value = isEncoded ? encoded : input
        func get(_ target: [UInt8], _ fields: [UInt8] = []) -> [UInt8] {
            Array("GET ".utf8) + target + Array(" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n".utf8) + fields
                + Array("\r\n".utf8)
        }
        switch place {
        case "path": return get(Array("/functions/v1/mirror/".utf8) + value)
        case "query": return get(Array("/functions/v1/mirror?x=".utf8) + value)
        case "header:user-agent":
            return isEncoded ? nil : get(Array("/functions/v1/mirror".utf8), Array("user-agent: ".utf8) + value + [13, 10])
        case "header:x-request-id":
            return isEncoded ? nil : get(Array("/functions/v1/mirror".utf8), Array("x-request-id: ".utf8) + value + [13, 10])
        case "jwt:sub":
            guard !isEncoded, input.count < 5000,
                let token = try? DevelopmentToken.mint(
                    .init(
                        subject: String(decoding: input, as: UTF8.self), role: "authenticated",
                        expiresAt: Int64(Date().timeIntervalSince1970) + 600))
            else { return nil }
            return get(Array("/functions/v1/optional".utf8), Array("authorization: Bearer \(token)\r\n".utf8))
        case "body:error-echo":
            guard !isEncoded else { return nil }
            let head =
                "POST /functions/v1/refuses HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: \(input.count)\r\n\r\n"
            return Array(head.utf8) + input
        default: return nil
        }
    }

    @Test func `a request has one line: who, what, how long, and no value of a header, a query or a token`() async throws {
        let log = try LogCapture()
        let secrets = ["SUPABASE_SECRET_KEY": "sb_secret_canary9876543210XYZabc"]
        try await TestHost.run(fixtureFunctions, secrets: secrets, configuration: HostConfiguration(), sink: log.sink) {
            host async throws in
            _ = try await host.get(
                path("optional/deep?token=canary-query"),
                headers: [
                    .userAgent: "canary-agent", .cookie: "canary-cookie", .referer: "https://canary-referer.example",
                    .origin: "https://canary-origin.example",
                    .requestID: "given-id-0001",
                ], as: .user("canary-subject"))
            _ = try await host.get(
                path("echo"), headers: [.apiKeyField: secrets["SUPABASE_SECRET_KEY"] ?? "", .requestID: "given-id-0002"])
            _ = try await host.get(path("nothing?canary-query"), headers: [.requestID: "given-id-0003"])
        }
        #expect(!log.text.contains("canary"))
        let requests = log.events.filter { $0["msg"]?.string == "request" }
        #expect(requests.count == 3)
        let first = try #require(requests.first { $0["request_id"]?.string == "given-id-0001" })
        #expect(first["function"]?.string == "optional")
        #expect(first["method"]?.string == "GET")
        #expect(first["path"]?.string == "/functions/v1/optional/deep")
        #expect(first["status"]?.int == 200)
        #expect(first["caller"]?.string == "user")
        #expect(first["sub"]?.string?.isEmpty == false)
        #expect(first["client_ip"]?.string == "127.0.0.1")
        #expect(first["duration_ms"]?.double ?? -1 >= 0)
        #expect(requests.first { $0["request_id"]?.string == "given-id-0002" }?["caller"]?.string == "secret_key")
        let third = try #require(requests.first { $0["request_id"]?.string == "given-id-0003" })
        #expect(third["status"]?.int == 404)
        #expect(third["code"]?.string == "NOT_FOUND")
        #expect(third["function"] == nil)
    }

    @Test func `a function's own lines carry its name, the request and the execution`() async throws {
        struct Talks: EdgeFunction {
            static let name: FunctionName = "talks"
            static let policy = Policy(methods: [.get], body: .none, secrets: ["TALKS_SECRET"])
            func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
                let secret = try context.secret("TALKS_SECRET")
                context.log.info(
                    "hello\nworld", metadata: ["secret": "\(secret)", "odd": "a\u{1B}[31mb"])
                return .noContent()
            }
        }
        let log = try LogCapture()
        let id = try await TestHost.run(
            [Registration(Talks.self)], secrets: ["TALKS_SECRET": "canary-secret"], configuration: HostConfiguration(),
            sink: log.sink
        ) { try await $0.get(path("talks")).headers[.requestID] }
        let line = try #require(log.events.first { $0["msg"]?.string?.hasPrefix("hello") == true })
        #expect(line["function"]?.string == "talks")
        #expect(line["request_id"]?.string == id)
        #expect(line["execution_id"]?.string == log.events.first { $0["msg"]?.string == "request" }?["execution_id"]?.string)
        #expect(line["secret"]?.string == "[redacted]")
        #expect(!log.text.contains("canary-secret"))
        #expect(!log.text.contains("\u{1B}"))
    }
}
