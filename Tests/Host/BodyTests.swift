import Corpus
import Fixtures
import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletTesting
import TestSupport
import Testing

@Suite struct BodyTests {
    @Test(.enabled(if: CorpusFiles.has("bodies/cases.jsonl"), "no shared test data"))
    func `every row of the shared bodies gets an expected status, and the host lives on`() async throws {
        let rows = try CorpusFiles.rows("bodies/cases.jsonl").map {
            row -> (id: String, statuses: [Int], headers: HTTPFields, body: [UInt8]) in
            var headers = HTTPFields()
            if let type = row["content_type"] as? String { headers[.contentType] = type }
            if let encoding = row["content_encoding"] as? String { headers[.contentEncoding] = encoding }
            let plain = (row["body_b64"] as? String).flatMap { Data(base64Encoded: $0) }.map { Array($0) }
            let packed = (row["body_gz_b64"] as? String).flatMap { Data(base64Encoded: $0) }.flatMap { Gunzip.bytes(Array($0)) }
            return (row["id"] as? String ?? "?", row["expect_status"] as? [Int] ?? [], headers, plain ?? packed ?? [])
        }
        #expect(rows.count >= 20)
        try await TestHost.run(fixtureFunctions) { host async throws in
            var wrong: [String] = []
            for row in rows {
                let answer = try await host.request("POST", path("typed"), headers: row.headers, body: row.body)
                if !row.statuses.contains(answer.status) {
                    wrong.append("\(row.id): \(answer.status) \(answer.text.prefix(200))")
                }
            }
            #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
            #expect(try await host.post(path("typed"), json: ["prompt": "still here"]).json?["length"]?.int == 10)
        }
    }

    @Test func `a body over the limit is refused by its declared length, or as soon as it is counted`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let client = try RawClient(port: host.port)
            await client.send(
                "POST \(path("refuses")) HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 65537\r\nconnection: close\r\n\r\n"
            )
            #expect(await client.readToEnd().hasPrefix("HTTP/1.1 413 "))
            var chunked = "POST \(path("refuses")) HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            for _ in 0..<9 { chunked += "2000\r\n" + String(repeating: "a", count: 0x2000) + "\r\n" }
            let answer = try await host.raw(Array(chunked.utf8))
            #expect(answer.status == 413)
            #expect(answer.code == "PAYLOAD_TOO_LARGE")
            let fits = try await host.request("POST", path("refuses"), body: [UInt8](repeating: 97, count: 65536))
            #expect(fits.status == 422)
        }
    }

    @Test func `a function without a body takes none`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            #expect(try await host.request("GET", path("bad-header?how=framing"), body: []).status != 413)
            #expect(try await host.request("GET", path("events"), body: Array("x".utf8)).status == 200)
            let answer = try await host.request("GET", path("stream"), body: Array("x".utf8))
            #expect(answer.status == 413)
        }
    }

    @Test func `JSON comes as application/json or as its like, with any parameters`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let body = Array(#"{"prompt":"hi"}"#.utf8)
            for type in [
                "application/json", "Application/JSON; charset=utf-8", "application/json;charset=UTF-8", "application/vnd.x+json",
            ] {
                #expect(
                    try await host.request("POST", path("typed"), headers: [.contentType: type], body: body).status == 200,
                    "\(type)")
            }
            #expect(try await host.request("POST", path("typed"), body: body).status == 200)
            for type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", "", "text/json", "*/*"] {
                let answer = try await host.request("POST", path("typed"), headers: [.contentType: type], body: body)
                #expect(answer.status == 415, "\(type)")
                #expect(answer.code == "UNSUPPORTED_MEDIA_TYPE")
            }
        }
    }

    @Test func `malformed JSON is 400 with the place, another shape is 422 with the field, neither shows the body`() async throws
    {
        try await TestHost.run(fixtureFunctions) { host async throws in
            func post(_ text: String) async throws -> TestResponse {
                try await host.request("POST", path("typed"), headers: [.contentType: "application/json"], body: Array(text.utf8))
            }
            let broken = try await post(#"{"prompt":"canary-in-body" x}"#)
            #expect(broken.status == 400)
            #expect(broken.code == "INVALID_JSON")
            #expect(broken.json?["message"]?.string?.contains("at byte ") == true)
            let shape = try await post(#"{"prompt":4711}"#)
            #expect(shape.status == 422)
            #expect(shape.code == "INVALID_INPUT")
            #expect(shape.json?["problems"]?[0]?["field"]?.string == "prompt")
            let missing = try await post("{}")
            #expect(missing.status == 422)
            #expect(missing.json?["problems"]?[0]?["field"]?.string?.contains("prompt") == true)
            for answer in [broken, shape] { #expect(!answer.text.contains("canary-in-body") && !answer.text.contains("4711")) }
            for text in ["", " ", "[]", "null", "\"x\"", "1"] {
                #expect([400, 422].contains(try await post(text).status), "\(text)")
            }
        }
    }

    @Test func `a policy says what JSON may hold, whatever type the function takes it as`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            func post(_ name: String, _ text: String) async throws -> TestResponse {
                try await host.request("POST", path(name), headers: [.contentType: "application/json"], body: Array(text.utf8))
            }
            for fits in ["[[[1]]]", #"{"a":1,"b":2,"c":3,"d":4}"#, "123456", "\"12345678901234567890\"", " "] {
                #expect(try await post("narrow", fits).status == (fits == " " ? 400 : 200), "\(fits)")
            }
            for over in [
                "[[[[1]]]]", #"{"a":1,"b":2,"c":3,"d":4,"e":5}"#, "1234567", "\"123456789012345678901\"", #"{"a":1,"a":2}"#, "[1",
                "\u{FEFF}1",
            ] {
                let answer = try await post("narrow", over)
                #expect(answer.status == 400, "\(over)")
                #expect(answer.code == "INVALID_JSON", "\(over)")
            }
            let deep = String(repeating: "[", count: 200) + String(repeating: "]", count: 200)
            #expect(try await post("wide", deep).text == deep)
            #expect(try await post("wide", "[\(deep)]").status == 400)
            #expect(try await post("wide", #"{"a":1,"a":2}"#).text == #"{"a":2}"#)
        }
    }

    @Test func `JSON that breaks a limit is refused while it is still being sent`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let parts = ["{\"a\":[", "[[", "["]
            for framing in ["content-length: 60000", "transfer-encoding: chunked"] {
                let client = try RawClient(port: host.port)
                await client.send("POST \(path("narrow")) HTTP/1.1\r\nhost: x\r\n\(framing)\r\n\r\n")
                for part in parts {
                    await client.send(framing.hasPrefix("t") ? "\(String(part.utf8.count, radix: 16))\r\n\(part)\r\n" : part)
                }
                // Nothing more is sent, so only what has come can have decided it.
                let answer = await client.read(until: "}")
                #expect(answer.hasPrefix("HTTP/1.1 400 "), "\(framing)")
                #expect(answer.contains("INVALID_JSON"), "\(framing)")
            }
        }
    }

    @Test func `JSON in many parts is judged as a whole`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let text = #"{"k":["\ud83d\ude00é",-1.25e2,{"x":null}]}"#
            for cut in text.utf8.indices {
                let client = try RawClient(port: host.port)
                let (first, second) = (Array(text.utf8[..<cut]), Array(text.utf8[cut...]))
                await client.send(
                    "POST \(path("wide")) HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: \(text.utf8.count)\r\nexpect: 100-continue\r\n\r\n"
                )
                #expect(await client.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 100"))
                await client.send(first)
                await client.send(second)
                let answer = await client.readToEnd()
                #expect(answer.contains(#"{"k":["😀é",-125,{"x":null}]}"#), "cut at \(first.count): \(answer)")
            }
        }
    }

    @Test func `binary goes in and out unchanged`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let answer = try await host.request("POST", path("mirror?raw=1"), headers: [.contentType: "image/png"], body: bytes)
            #expect(answer.status == 200)
            #expect(answer.body == bytes)
            #expect(answer.headers[.contentType] == "image/png")
        }
    }

    @Test func `a streamed body is counted to its end, and cut at the limit`() async throws {
        struct Small: EdgeFunction {
            static let name: FunctionName = "small"
            static let policy = Policy(methods: [.post], rateLimit: .none, body: .stream(upTo: .kib(100)))
            func handle(_ request: Request<BodyStream>, from _: Anyone, in context: Context) async throws -> [String: Int] {
                var count = 0
                for try await part in request.body { count += part.count }
                return ["bytes": count]
            }
        }
        try await TestHost.run(fixtureFunctions + [Registration(Small.self)]) { host async throws in
            let large = [UInt8](repeating: 7, count: 3_000_000)
            #expect(try await host.request("PUT", path("upload"), body: large).json?["bytes"]?.int == large.count)
            #expect(try await host.request("POST", path("upload"), body: []).json?["bytes"]?.int == 0)
            #expect(
                try await host.request("POST", path("small"), body: Array(large.prefix(102_400))).json?["bytes"]?.int == 102_400)
            #expect(try await host.request("POST", path("small"), body: Array(large.prefix(102_401))).status == 413)
            var chunked = "POST \(path("small")) HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            for _ in 0..<20 { chunked += "2000\r\n" + String(repeating: "a", count: 0x2000) + "\r\n" }
            #expect(try await host.raw(Array((chunked + "0\r\n\r\n").utf8)).status == 413)
        }
    }

    @Test func `a body whose framing breaks in the middle is 400, also while the function reads it`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            for name in ["refuses", "upload"] {
                let answer = try await host.raw(
                    Array("POST \(path(name)) HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n".utf8)
                )
                #expect(answer.status == 400, "\(name)")
            }
        }
    }
}
