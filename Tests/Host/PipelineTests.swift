import Corpus
import Fixtures
import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletJSON
import SwiftletTesting
import Testing

/// Functions with small limits of their own.
struct Deadlined: EdgeFunction {
    static let name: FunctionName = "deadlined"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, deadline: .milliseconds(150))
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        do { try await Task.sleep(for: .seconds(60)) } catch {
            Witness.note("deadlined.cancelled")
            throw error
        }
        return .text("late")
    }
}

struct OneAtATime: EdgeFunction {
    static let name: FunctionName = "one-at-a-time"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, concurrency: 1)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        Witness.note("one.started")
        await Witness.wait(for: "one.release", count: 1)
        return .text("done")
    }
}

struct Curious: EdgeFunction {
    static let name: FunctionName = "curious"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, secrets: ["MINE"])
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        .text(try context.secret("YOURS").reveal())
    }
}

struct Counting: EdgeFunction {
    static let name: FunctionName = "counting"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> [Int] {
        var left: [Int] = []
        for _ in 0..<3 { left.append(try await context.checkRateLimit("room", limit: 2, every: .minutes(1)).remaining) }
        let refused = try await context.checkRateLimit("room", limit: 2, every: .minutes(1))
        try await context.resetRateLimit("room", limit: 2, every: .minutes(1))
        let fresh = try await context.checkRateLimit("room", limit: 2, every: .minutes(1))
        return left + [refused.allowed ? 1 : 0, fresh.allowed ? 1 : 0]
    }
}

@Suite struct PipelineTests {
    @Test func `a deadline answers 504 and cancels the handler`() async throws {
        try await TestHost.run([Registration(Deadlined.self)]) { host in
            let before = Witness.count("deadlined.cancelled")
            let answer = try await host.get("/functions/v1/deadlined")
            #expect(answer.status == 504)
            #expect(answer.json?["code"]?.string == "IDLE_TIMEOUT")
            await Witness.wait(for: "deadlined.cancelled", count: before + 1)
        }
    }

    @Test func `over the concurrency of a function a caller hears 503 and when to come back`() async throws {
        try await TestHost.run([Registration(OneAtATime.self)]) { host in
            async let first = host.get("/functions/v1/one-at-a-time")
            await Witness.wait(for: "one.started", count: 1)
            let second = try await host.get("/functions/v1/one-at-a-time")
            #expect(second.status == 503)
            #expect(second.json?["code"]?.string == "OVERLOADED")
            #expect(second.headers[.retryAfter] == "1")
            Witness.note("one.release")
            let released = try await first
            #expect(released.status == 200)
            // The permit is back.
            #expect(try await host.get("/functions/v1/one-at-a-time").status == 200)
        }
    }

    @Test func `work left for after the answer keeps a stopping host alive`() async throws {
        let before = Witness.count("background.done")
        try await TestHost.run(fixtureFunctions) { host in
            let answer = try await host.request("POST", "/functions/v1/background?gate=after-answer", body: [])
            #expect(answer.status == 204)
            #expect(Witness.count("background.done") == before)
            host.host.stop()
            Gatekeeper.shared.open("after-answer")
        }
        #expect(Witness.count("background.done") == before + 1)
    }

    @Test func `a reader that does not read makes the writer wait`() async throws {
        try await TestHost.run(fixtureFunctions) { host in
            let before = Witness.count("stream.part")
            // 64 MiB in 1,000 parts; nobody reads, so only what fits into buffers is ever made.
            let socket = try RawSocket(port: host.port)
            try socket.send("GET /functions/v1/stream?parts=1000&size=65536 HTTP/1.1\r\nhost: a\r\n\r\n")
            await Witness.wait(for: "stream.part", count: before + 2)
            let ended = Witness.count("stream.ended")
            socket.close()
            await Witness.wait(for: "stream.ended", count: ended + 1)
            #expect(Witness.count("stream.part") - before < 500)
        }
    }

    @Test func `a client that hangs up cancels its handler`() async throws {
        try await TestHost.run(fixtureFunctions) { host in
            let started = Witness.count("slow.started")
            let cancelled = Witness.count("slow.cancelled")
            let socket = try RawSocket(port: host.port)
            try socket.send("GET /functions/v1/slow?ms=9000 HTTP/1.1\r\nhost: a\r\n\r\n")
            await Witness.wait(for: "slow.started", count: started + 1)
            socket.close()
            await Witness.wait(for: "slow.cancelled", count: cancelled + 1)
        }
    }

    @Test func `a function reads the secrets it declared and no others`() async throws {
        try await TestHost.run([Registration(Curious.self)], secrets: ["MINE": "a-value", "YOURS": "canary-of-another"]) { host in
            let answer = try await host.get("/functions/v1/curious")
            #expect(answer.status == 500)
            #expect(!answer.text.contains("canary"))
        }
    }

    @Test func `a missing secret is 503 until it is there`() async throws {
        try await TestHost.run([Registration(Curious.self), Registration(Counting.self)]) { host in
            let answer = try await host.get("/functions/v1/curious")
            #expect(answer.status == 503)
            #expect(answer.json?["code"]?.string == "BOOT_ERROR")
            #expect(answer.json?["message"]?.string?.contains("MINE") == true)
            #expect(try await host.get("/functions/v1/counting").status == 200)
        }
    }

    @Test func `a function counts for itself, and can forget`() async throws {
        try await TestHost.run([Registration(Counting.self)]) { host in
            let counted = try await host.get("/functions/v1/counting")
            #expect(counted.json == [1, 0, 0, 0, 1])
        }
    }

    @Test func `a limit comes back with time`() async throws {
        let clock = ManualClock(wall: Int64(Date().timeIntervalSince1970))
        var configuration = HostConfiguration()
        configuration.clock = clock.hostClock
        try await TestHost.run(fixtureFunctions, configuration: configuration) { host in
            for _ in 0..<3 { #expect(try await host.get("/functions/v1/limited").status == 200) }
            let calls = Witness.count("limited.called")
            let refused = try await host.get("/functions/v1/limited")
            #expect(refused.status == 429)
            #expect(Witness.count("limited.called") == calls)
            #expect(refused.headers[.retryAfter] == "20")
            clock.advance(by: .seconds(20))
            #expect(try await host.get("/functions/v1/limited").status == 200)
        }
    }

    @Test func `the coarse limit of an address comes before any cryptography`() async throws {
        var configuration = HostConfiguration()
        configuration.addressLimit = (2, .minutes(1))
        try await TestHost.run(fixtureFunctions, configuration: configuration) { host in
            var statuses: [Int] = []
            for _ in 0..<3 { statuses.append(try await host.get("/functions/v1/optional", as: .token("garbage")).status) }
            #expect(statuses == [401, 401, 429])
        }
    }

    @Test func `what a function must not send is never sent`() async throws {
        try await TestHost.run(fixtureFunctions) { host in
            let evil = try await host.get("/functions/v1/bad-header")
            #expect(evil.status == 400)
            #expect(evil.headers[.setCookie] == nil)
            let framing = try await host.get("/functions/v1/bad-header?how=framing")
            #expect(framing.status == 200)
            #expect(framing.headers[.contentLength] == "0")
            let status = try await host.get("/functions/v1/status?code=999")
            #expect(status.status == 500)
            #expect(status.json?["code"]?.string == "INVALID_RESPONSE_STATUS_CODE")
        }
    }

    @Test func `a stream that throws is cut, one that ends is whole`() async throws {
        try await TestHost.run(fixtureFunctions) { host in
            #expect(try await host.get("/functions/v1/stream?parts=4&size=10").isWhole)
            let cut = try await host.get("/functions/v1/stream?parts=4&size=10&fail=1")
            #expect(cut.status == 200)
            #expect(!cut.isWhole)
        }
    }

    @Test func `a refusal of the function itself is no relay error`() async throws {
        try await TestHost.run(fixtureFunctions) { host in
            let own = try await host.request("POST", "/functions/v1/refuses", body: Array("x".utf8))
            #expect(own.status == 422)
            #expect(own.headers[HTTPField.Name("x-relay-error")!] == nil)
            #expect(own.json?["problems"]?[0]?["field"]?.string == "day")
            let hosts = try await host.get("/functions/v1/none")
            #expect(hosts.headers[HTTPField.Name("x-relay-error")!] == "true")
        }
    }

    @Test(.enabled(if: CorpusRows.exist("bodies/cases.jsonl"), "no shared test data"))
    func `every row of the bodies gets a status of its list`() async throws {
        try await TestHost.run(fixtureFunctions) { host in
            var wrong: [String] = []
            for row in try CorpusRows.read("bodies/cases.jsonl") {
                guard let id = row["id"] as? String, let expected = row["expect_status"] as? [Int] else { continue }
                let text = row["body_b64"] as? String ?? row["body_gz_b64"] as? String ?? ""
                var body = Data(base64Encoded: text).map { [UInt8]($0) } ?? []
                if row["body_gz_b64"] != nil { body = Gunzip.bytes(body) ?? [] }
                var headers: HTTPFields = [.contentType: row["content_type"] as? String ?? "application/json"]
                if let coding = row["content_encoding"] as? String { headers[.contentEncoding] = coding }
                let answer = try await host.request("POST", "/functions/v1/typed", headers: headers, body: body)
                if !expected.contains(answer.status) { wrong.append("\(id): \(answer.status)") }
            }
            #expect(wrong.isEmpty, "\(wrong)")
            #expect(try await host.post("/functions/v1/typed", json: ["prompt": "abc"]).json?["length"]?.int == 3)
        }
    }

    @Test(.enabled(if: CorpusRows.exist("cors/cases.jsonl"), "no shared test data"))
    func `every row of cors is answered so by a live host`() async throws {
        var configuration = HostConfiguration()
        configuration.corsOrigins = ["https://app.example", "https://*.app.example"]
        configuration.corsCredentials = true
        try await TestHost.run(fixtureFunctions, configuration: configuration) { host in
            for row in try CorpusRows.read("cors/cases.jsonl") {
                guard let id = row["id"] as? String, let request = row["request"] as? [String: Any],
                    let expected = row["expect"] as? [String: Any], expected["config"] == nil
                else { continue }
                var headers = HTTPFields()
                // A raw line break cannot be put into a header; the server's own tests refuse those bytes.
                if let origin = request["origin"] as? String { headers[.origin] = origin }
                if let method = request["acrm"] as? String, !method.contains("\r") {
                    headers[.accessControlRequestMethod] = method
                }
                let method = request["method"] as? String ?? "GET"
                let answer = try await host.request(method == "POST" ? "GET" : method, "/functions/v1/mirror", headers: headers)
                let allowed = answer.headers[.accessControlAllowOrigin]
                if expected["allow_origin"] is NSNull {
                    #expect(allowed == nil, "\(id)")
                } else if let origin = expected["allow_origin"] as? String, origin != "documented" {
                    #expect(allowed == origin, "\(id)")
                    #expect(answer.headers[.accessControlAllowCredentials] == "true", "\(id)")
                }
                #expect(answer.headers[.vary] == "Origin", "\(id)")
                if let statuses = expected["status"] as? [Int] { #expect(statuses.contains(answer.status), "\(id)") }
            }
            // Refusals carry the fields too.
            let headers: HTTPFields = [.origin: "https://app.example"]
            for path in ["/functions/v1/none", "/functions/v1/echo", "/functions/v1/throws"] {
                let answer = try await host.request("GET", path, headers: headers)
                #expect(answer.status >= 400)
                #expect(answer.headers[.accessControlAllowOrigin] == "https://app.example", "\(path)")
            }
        }
    }

    @Test func `wrong configuration names the setting`() async throws {
        func problem(_ functions: [Registration] = [], _ change: (inout HostConfiguration) -> Void) async -> String {
            var configuration = HostConfiguration()
            change(&configuration)
            do {
                try await TestHost.run(functions, configuration: configuration) { _ in }
                return "none"
            } catch let problem as ConfigurationProblem {
                return problem.setting
            } catch {
                return "\(error)"
            }
        }
        #expect(await problem([Registration(Counting.self), Registration(Counting.self)]) { _ in } == "function 'counting'")
        #expect(await problem { $0.server.addresses = [.tcp(host: "0.0.0.0", port: 0)] } == "host")
        #expect(await problem { $0.corsCredentials = true } == "cors-credentials")
        #expect(await problem { $0.trustedProxies = ["10.0.0.0/99"] } == "trusted-proxy")
        #expect(await problem { $0.addressLimit = (0, .minutes(1)) } == "address-limit")
        #expect(await problem { $0.privateEgress = ["nobody"] } == "allow-private-egress")
        #expect(await problem([Registration(Curious.self)]) { $0.strict = true } == "--strict")
    }
}
