import Corpus
import Fixtures
import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletTesting
import TestSupport
import Testing

@Suite struct CORSTests {
    @Test(.enabled(if: CorpusFiles.has("cors/cases.jsonl"), "no shared test data"))
    func `every row of the shared cases holds on a live host`() async throws {
        var wrong: [String] = []
        for row in try CorpusFiles.rows("cors/cases.jsonl") {
            let id = row["id"] as? String ?? "?"
            do { if let why = try await judge(row) { wrong.append("\(id): \(why)") } } catch { wrong.append("\(id): \(error)") }
        }
        #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
    }

    private func judge(_ row: [String: Any]) async throws -> String? {
        let config = row["config"] as? [String: Any] ?? [:]
        let request = row["request"] as? [String: Any] ?? [:]
        let expect = row["expect"] as? [String: Any] ?? [:]
        let configuration = TestHost.settings {
            $0.corsOrigins = config["origins"] as? [String] ?? []
            $0.corsCredentials = config["credentials"] as? Bool ?? false
        }
        let event = "cors-\(UUID().uuidString)"
        let method = request["method"] as? String ?? "GET"
        var head = "\(method) \(path("counted"))?as=\(event) HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        if let origin = request["origin"] as? String { head += "origin: \(origin)\r\n" }
        if let acrm = request["acrm"] as? String { head += "access-control-request-method: \(acrm)\r\n" }
        if let acrh = request["acrh"] as? String { head += "access-control-request-headers: \(acrh)\r\n" }
        if method == "POST" { head += "content-length: 0\r\n" }
        let bytes = Array((head + "\r\n").utf8)
        let answer: TestResponse
        do {
            answer = try await TestHost.run([Registration(Counted.self)], configuration: configuration) {
                try await $0.raw(bytes)
            }
        } catch is ConfigurationProblem {
            return expect["config"] as? String == "refused at start" ? nil : "refused at start"
        }
        if expect["config"] != nil { return "started" }
        let allowed = answer.headers[.accessControlAllowOrigin]
        if let statuses = expect["status"] as? [Int], !statuses.contains(answer.status) { return "status \(answer.status)" }
        if let wanted = expect["allow_origin"] {
            switch wanted as? String {
            case "documented":
                if allowed != nil, allowed != request["origin"] as? String { return "allow-origin \(allowed ?? "")" }
            case let origin: if allowed != origin { return "allow-origin \(allowed ?? "nil")" }
            }
        }
        if let wanted = expect["vary_origin"] as? Bool, (answer.headers[.vary]?.lowercased() == "origin") != wanted {
            return "vary"
        }
        if let wanted = expect["credentials"] as? Bool, (answer.headers[.accessControlAllowCredentials] == "true") != wanted {
            return "credentials"
        }
        if let calls = expect["handler_calls"] as? Int, Witness.count("\(event).called") != calls { return "handler called" }
        if expect["header_injection"] as? Bool == false, answer.headers[.named("x")] != nil { return "header injected" }
        if let names = expect["expose_headers_contains"] as? [String] {
            let exposed = answer.headers[.accessControlExposeHeaders] ?? ""
            for name in names
            where !exposed.split(separator: ",").contains(where: { $0.trimmingCharacters(in: .whitespaces) == name }) {
                return "\(name) is not exposed"
            }
        }
        return nil
    }

    @Test func `a preflight is answered for everyone, with methods and the headers of the clients, and calls no handler`()
        async throws
    {
        try await TestHost.run([Registration(Counted.self)]) { host async throws in
            let answer = try await host.request(
                "OPTIONS", path("counted?as=preflight"),
                headers: [
                    .origin: "https://any.example", .accessControlRequestMethod: "POST",
                    .accessControlRequestHeaders: "authorization",
                ])
            #expect(answer.status == 204)
            #expect(answer.body.isEmpty)
            #expect(answer.headers[.contentType] == nil)
            #expect(answer.headers[.accessControlAllowOrigin] == "*")
            #expect(answer.headers[.accessControlAllowMethods] == "GET, POST, DELETE, OPTIONS")
            let allowed = try #require(answer.headers[.accessControlAllowHeaders])
            for name in ["authorization", "x-client-info", "apikey", "content-type", "x-retry-count", "traceparent"] {
                #expect(allowed.contains(name))
            }
            #expect(answer.headers[.accessControlMaxAge] == "86400")
            #expect(Witness.count("preflight.called") == 0)
        }
    }

    @Test func `a preflight for a function that does not exist lets the request through to a readable 404`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let origin: HTTPFields = [.origin: "https://app.example", .accessControlRequestMethod: "POST"]
            #expect(try await host.request("OPTIONS", path("nothing"), headers: origin).status == 204)
            let answer = try await host.request("POST", path("nothing"), headers: origin)
            #expect(answer.status == 404)
            #expect(answer.headers[.accessControlAllowOrigin] == "*")
        }
    }

    @Test func `a preflight needs no token and counts against no limit of the caller`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            for _ in 0..<5 { #expect(try await host.request("OPTIONS", path("limited")).status == 204) }
            #expect(try await host.request("OPTIONS", path("echo")).status == 204)
            #expect(try await host.get(path("limited")).headers[.rateLimit]?.hasPrefix("\"default\";r=2") == true)
        }
    }

    @Test func `every refusal carries the fields a page needs to read it`() async throws {
        let origin = "https://app.example"
        let configuration = TestHost.settings {
            $0.corsOrigins = [origin]
            $0.corsCredentials = true
        }
        try await TestHost.run(fixtureFunctions, configuration: configuration) { host async throws in
            let headers: HTTPFields = [.origin: origin]
            var json = headers
            json[.contentType] = "application/json"
            var answers = [
                401: try await host.get(path("echo"), headers: headers),
                404: try await host.get(path("nothing"), headers: headers),
                405: try await host.request("PUT", path("echo"), headers: headers),
                413: try await host.request(
                    "POST", path("refuses"), headers: headers, body: [UInt8](repeating: 97, count: 70_000)),
                415: try await host.request(
                    "POST", path("typed"), headers: [.origin: origin, .contentType: "text/plain"], body: [97]),
                400: try await host.request("POST", path("typed"), headers: json, body: [123]),
                422: try await host.get(path("refuses"), headers: headers),
                500: try await host.get(path("throws"), headers: headers),
                503: try await host.get(path("strict"), headers: headers, as: .user("u")),
            ]
            for _ in 0..<4 { answers[429] = try await host.get(path("limited"), headers: headers) }
            for (status, answer) in answers {
                #expect(answer.status == status)
                #expect(answer.headers[.accessControlAllowOrigin] == origin, "\(status)")
                #expect(answer.headers[.accessControlAllowCredentials] == "true", "\(status)")
                #expect(answer.headers[.vary] == "Origin", "\(status)")
                let exposed = answer.headers[.accessControlExposeHeaders] ?? ""
                for name in ["sb-error-code", "x-relay-error", "retry-after", "ratelimit"] {
                    #expect(exposed.contains(name), "\(status)")
                }
            }
            // A request that cannot be read at all has no origin to go by, and says nothing wrong.
            let malformed = try await host.raw(Array("GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\norigin: \(origin)\r\n\r\n".utf8))
            #expect(malformed.status == 400)
            #expect(malformed.headers[.accessControlAllowOrigin] == nil)
            #expect(malformed.headers[.vary] == "Origin")
        }
    }

    @Test func `another origin reads nothing, but the answer is the same`() async throws {
        let configuration = TestHost.settings { $0.corsOrigins = ["https://app.example"] }
        try await TestHost.run(fixtureFunctions, configuration: configuration) { host async throws in
            let answer = try await host.get(path("optional"), headers: [.origin: "https://evil.example"])
            #expect(answer.status == 200)
            #expect(answer.headers[.accessControlAllowOrigin] == nil)
            #expect(answer.headers[.accessControlExposeHeaders] == nil)
            #expect(answer.headers[.vary] == "Origin")
            let preflight = try await host.request("OPTIONS", path("optional"), headers: [.origin: "https://evil.example"])
            #expect(preflight.status == 204)
            #expect(preflight.headers[.accessControlAllowMethods] == nil)
            #expect(preflight.headers[.accessControlAllowHeaders] == nil)
        }
    }

    @Test func `a function may speak CORS itself, and the host still dresses its own refusals`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let preflight = try await host.request("OPTIONS", path("own-cors"))
            #expect(preflight.status == 204)
            #expect(preflight.headers[.accessControlAllowOrigin] == "https://own.example")
            #expect(try await host.get(path("own-cors")).headers[values: .accessControlAllowOrigin] == ["https://own.example"])
            let refused = try await host.request("POST", path("own-cors"))
            #expect(refused.status == 405)
            #expect(refused.headers[.accessControlAllowOrigin] == "*")
        }
    }

    @Test func `CORS fields of a function whose CORS is the host's are dropped`() async throws {
        struct Reflects: EdgeFunction {
            static let name: FunctionName = "reflects"
            static let policy = Policy(methods: [.get], body: .none)
            func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
                Response(headers: [
                    .accessControlAllowOrigin: request.header("origin") ?? "*", .accessControlAllowCredentials: "true",
                    .named("access-control-allow-private-network"): "true",
                ])
            }
        }
        let configuration = TestHost.settings { $0.corsOrigins = ["https://app.example"] }
        try await TestHost.run([Registration(Reflects.self)], configuration: configuration) { host async throws in
            let answer = try await host.get(path("reflects"), headers: [.origin: "https://evil.example"])
            #expect(answer.status == 200)
            #expect(!answer.headers.contains { $0.name.canonicalName.hasPrefix("access-control-") })
        }
    }
}
