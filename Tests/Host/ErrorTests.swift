import Fixtures
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletJSON
import SwiftletTesting
import Testing

@Suite struct ErrorTests {
    @Test func `an error has code, message, msg, error and request_id, and its code in a field`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let answers = [
                try await host.get(path("nothing")), try await host.get(path("echo")), try await host.get(path("refuses")),
                try await host.get(path("throws")), try await host.request("PUT", path("echo")),
                try await host.raw(Array("GET / HTTP/1.1\r\n\r\n".utf8)),
            ]
            for answer in answers {
                let body = try #require(answer.json)
                let code = try #require(body["code"]?.string)
                let message = try #require(body["message"]?.string)
                #expect(!message.isEmpty)
                #expect(body["msg"]?.string == message)
                #expect(body["error"]?.string == message)
                #expect(body["request_id"]?.string == answer.headers[.requestID])
                #expect(answer.headers[.errorCode] == code)
                #expect(answer.headers[.contentType] == "application/json")
                #expect(answer.headers[.cacheControl] == "no-store")
                #expect(code.utf8.allSatisfy { $0.isASCIIUpper || $0 == UInt8(ascii: "_") })
            }
        }
    }

    @Test func `x-relay-error is on the host's own refusals only`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            #expect(try await host.get(path("nothing")).headers[.relayError] == "true")
            #expect(try await host.get(path("echo")).headers[.relayError] == "true")
            #expect(
                try await host.request("POST", path("refuses"), body: [UInt8](repeating: 97, count: 70_000)).headers[.relayError]
                    == "true")
            for name in ["refuses", "throws", "status?code=500", "status?code=999", "bad-header"] {
                let answer = try await host.get(path(name))
                #expect(answer.status >= 400)
                #expect(answer.headers[.relayError] == nil, "\(name)")
            }
            #expect(try await host.get(path("optional")).headers[.relayError] == nil)
        }
    }

    @Test func `a refusal of the function keeps its status, code, problems and message, and its cause stays inside`() async throws
    {
        let log = try LogCapture()
        try await TestHost.run(fixtureFunctions, configuration: HostConfiguration(), sink: log.sink) { host async throws in
            let answer = try await host.request("POST", path("refuses"), body: Array("it's Tuesday".utf8))
            #expect(answer.status == 422)
            #expect(answer.code == "NOT_TODAY")
            #expect(answer.json?["message"]?.string == "not today: it's Tuesday")
            #expect(answer.json?["problems"]?[0]?["field"]?.string == "day")
            #expect(answer.json?["problems"]?[0]?["message"]?.string == "is today")
            #expect(!answer.text.contains("private words"))
        }
        #expect(log.text.contains("private words"))
    }

    @Test func `what is no HTTPError becomes a 500 that tells nothing, and the log has it under the request's id`() async throws {
        let log = try LogCapture()
        let id = try await TestHost.run(fixtureFunctions, configuration: HostConfiguration(), sink: log.sink) {
            host async throws in
            let answer = try await host.get(path("throws"))
            #expect(answer.status == 500)
            #expect(answer.code == "EDGE_FUNCTION_ERROR")
            #expect(answer.json?["message"]?.string == "Internal Server Error")
            #expect(!answer.text.contains("internal-detail-9f3a") && !answer.text.contains("Boom"))
            #expect(!answer.headers.contains { $0.value.contains("internal-detail") })
            return answer.headers[.requestID]
        }
        let line = try #require(log.events.first { $0["cause"]?.string?.contains("Boom") == true })
        #expect(line["request_id"]?.string == id)
        #expect(line["function"]?.string == "throws")
    }

    @Test(arguments: [-1, 0, 1, 99, 100, 101, 199, 600, 999, 1000, 99999])
    func `a status outside 200…599 is never written`(_ code: Int) async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            for empty in ["0", "1"] {
                let answer = try await host.get(path("status?code=\(code)&empty=\(empty)"))
                #expect(answer.status == 500)
                #expect(answer.code == "INVALID_RESPONSE_STATUS_CODE")
                #expect(answer.json?["message"]?.string == "The function answered with a status outside 200…599")
            }
        }
    }

    @Test func `statuses without a body have none, and no media type`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            for code in [204, 304] {
                let answer = try await host.get(path("status?code=\(code)"))
                #expect(answer.status == code)
                #expect(answer.body.isEmpty)
                #expect(answer.headers[.contentType] == nil)
                #expect(answer.headers[.transferEncoding] == nil)
            }
            Latches.named("no-gate").open()
            let answer = try await host.request("POST", path("background"))
            #expect(answer.status == 204)
            #expect(answer.headers[.contentType] == nil)
            #expect(answer.headers[.contentLength] == nil)
        }
    }

    @Test func `every other status goes through, a redirect with its place`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            for code in [200, 201, 202, 203, 206, 300, 400, 404, 418, 451, 500, 502, 546, 599] {
                #expect(try await host.get(path("status?code=\(code)")).status == code)
            }
            let answer = try await host.get(path("status?code=302&location=https://other.example/x"))
            #expect(answer.status == 302)
            #expect(answer.headers[.location] == "https://other.example/x")
            #expect(try await host.get(path("status?code=500")).headers[.errorCode] == "EDGE_FUNCTION_ERROR")
        }
    }

    @Test func `a line end in a response field never starts a field of its own`() async throws {
        struct Splits: EdgeFunction {
            static let name: FunctionName = "splits"
            static let policy = Policy(methods: [.get], body: .none)
            func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
                switch request.query["how"] {
                case "value": Response(headers: [.named("x-note"): "a\r\nset-cookie: b=c"])
                case "lf": Response(headers: [.named("x-note"): "a\nset-cookie: b=c"])
                case "nul": Response(headers: [.named("x-note"): "a\0b"])
                case "type": .bytes([1], mediaType: "text/html\r\nset-cookie: b=c")
                default: throw HTTPError(400, "X\r\nset-cookie: b=c", "no", fields: [.init("x-evil\r\nset-cookie", "b=c")])
                }
            }
        }
        try await TestHost.run(fixtureFunctions + [Registration(Splits.self)]) { host async throws in
            for target in ["bad-header", "bad-header?how=framing"]
                + ["value", "lf", "nul", "type", "code"].map({ "splits?how=\($0)" })
            {
                let answer = try await host.get(path(target))
                #expect([200, 400, 500].contains(answer.status), "\(target)")
                #expect(answer.headers[.setCookie] == nil, "\(target)")
                #expect(answer.isWhole, "\(target)")
                #expect(
                    answer.headers[values: .contentLength].count + answer.headers[values: .transferEncoding].count == 1,
                    "\(target)")
            }
        }
    }

    @Test func `a thrown error says nothing of the connection, has an error's status, and a code that is a word`() async throws {
        struct Odd: EdgeFunction {
            static let name: FunctionName = "odd"
            static let policy = Policy(methods: [.get], body: .none)
            func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
                throw HTTPError(
                    Int(request.query["status"] ?? "") ?? 400, ErrorCode(request.query["code"] ?? "FINE"), "no",
                    fields: [
                        .init("Content-Length", "0"), .init("transfer-encoding", "chunked"), .init("connection", "keep-alive"),
                        .init("content-type", "text/html"), .init("access-control-allow-origin", "https://evil.example"),
                        .init("x-request-id", "forged-forged"), .init("x-relay-error", "true"), .init("x-mine", "kept"),
                    ])
            }
        }
        let log = try LogCapture()
        try await TestHost.run([Registration(Odd.self)], configuration: HostConfiguration(), sink: log.sink) {
            host async throws in
            for status in [-1, 0, 42, 100, 200, 204, 304, 600, 999] {
                let answer = try await host.get(path("odd?status=\(status)"))
                #expect(answer.status == 500)
                #expect(answer.code == "INVALID_RESPONSE_STATUS_CODE")
            }
            for code in ["", "A%0d%0ax:y", "A%22,%22level%22:%22forged", "a%20b", String(repeating: "A", count: 65)] {
                let answer = try await host.get(path("odd?code=\(code)"))
                #expect(answer.status == 400)
                #expect(answer.code == "EDGE_FUNCTION_ERROR")
                #expect(answer.headers[.errorCode] == "EDGE_FUNCTION_ERROR")
            }
            let answer = try await host.get(path("odd"))
            #expect(answer.code == "FINE")
            #expect(answer.headers[.named("x-mine")] == "kept")
            #expect(answer.headers[.relayError] == nil)
            #expect(answer.headers[.accessControlAllowOrigin] == "*")
            #expect(answer.headers[values: .contentType] == ["application/json"])
            #expect(answer.headers[values: .contentLength] == ["\(answer.body.count)"])
            #expect(answer.headers[values: .connection].count <= 1)
            #expect(answer.headers[.transferEncoding] == nil)
        }
        #expect(log.lines.allSatisfy { (try? JSON.parse($0))?["level"]?.string != "forged" })
    }

    @Test func `a function cannot speak for the connection or the request id`() async throws {
        struct Pretends: EdgeFunction {
            static let name: FunctionName = "pretends"
            static let policy = Policy(methods: [.get], body: .none)
            func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
                Response(
                    headers: [
                        .connection: "upgrade", .upgrade: "websocket", .transferEncoding: "gzip", .contentLength: "99",
                        .date: "yesterday",
                        .requestID: "forged-forged", .trailer: "x", .server: "other", .named("x-mine"): "kept",
                    ], body: .bytes(Bytes([1, 2])))
            }
        }
        try await TestHost.run([Registration(Pretends.self)]) { host async throws in
            let answer = try await host.get(path("pretends"))
            #expect(answer.status == 200)
            #expect(answer.body == [1, 2])
            #expect(answer.headers[values: .contentLength] == ["2"])
            #expect(answer.headers[.requestID] != "forged-forged")
            #expect(answer.headers[.transferEncoding] == nil)
            #expect(answer.headers[.upgrade] == nil)
            #expect(answer.headers[.date] != "yesterday")
            #expect(answer.headers[.named("x-mine")] == "kept")
        }
    }

    @Test func `an answer to a signed-in caller is not for caches, and none is for sniffing`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let own = try await host.get(path("optional"), as: .user("u1"))
            #expect(own.headers[.cacheControl] == "no-store")
            let anonymous = try await host.get(path("optional"))
            #expect(anonymous.headers[.cacheControl] == nil)
            for answer in [own, anonymous] { #expect(answer.headers[.named("x-content-type-options")] == "nosniff") }
        }
    }

    @Test func `a control character, a quote or odd UTF-8 in a message stays inside the JSON`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            for text in ["\"}{\"", "\u{0}\u{1}\u{1F}\\", "\u{2028}\u{202E}\u{7F}", "héllo \u{1F600}"] {
                let answer = try await host.request("POST", path("refuses"), body: Array(text.utf8))
                #expect(answer.status == 422)
                #expect(answer.json?["message"]?.string == "not today: \(text)")
                #expect(!answer.body.contains { $0 < 0x20 })
            }
            let invalid = try await host.request("POST", path("refuses"), body: [0xFF, 0xFE])
            #expect(invalid.status == 422)
        }
    }
}

extension UInt8 {
    fileprivate var isASCIIUpper: Bool { self &- UInt8(ascii: "A") < 26 }
}
