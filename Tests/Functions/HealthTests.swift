import HTTPTypes
import Swiftlet
import SwiftletJSON
import SwiftletTesting
import Testing

@testable import Functions

@Suite struct HealthTests {
    struct NeedsSecret: EdgeFunction {
        static let name: FunctionName = "needs-secret"
        static let policy = Policy(secrets: ["HEALTH_TEST_SECRET"])
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }

    @Test func `alive is a pass, with or without saying the probe`() async throws {
        try await TestHost.run([Registration(Health.self), Registration(NeedsSecret.self)]) { host async throws in
            for query in ["", "?probe=live", "?other=1"] {
                let answer = try await host.get("/functions/v1/health" + query)
                #expect(answer.status == 200)
                #expect(answer.headers[.contentType] == "application/health+json")
                #expect(answer.headers[.cacheControl] == "no-store")
                #expect(answer.json?["status"]?.string == "pass")
            }
        }
    }

    @Test func `ready is a pass once every function has its secrets`() async throws {
        try await TestHost.run(
            [Registration(Health.self), Registration(NeedsSecret.self)], secrets: ["HEALTH_TEST_SECRET": "canary"]
        ) {
            host async throws in
            let answer = try await host.get("/functions/v1/health?probe=ready")
            #expect(answer.status == 200)
            #expect(answer.json?["status"]?.string == "pass")
            #expect(
                answer.json?["checks"]?.array?.compactMap { $0["name"]?.string } == [
                    "host", "function:health", "function:needs-secret",
                ])
            #expect(!answer.text.contains("canary"))
        }
    }

    @Test func `not ready is a 503 that names what is missing`() async throws {
        try await TestHost.run([Registration(Health.self), Registration(NeedsSecret.self)]) { host async throws in
            let answer = try await host.get("/functions/v1/health?probe=ready")
            #expect(answer.status == 503)
            #expect(answer.headers[.contentType] == "application/health+json")
            #expect(answer.json?["status"]?.string == "fail")
            let check = try #require(answer.json?["checks"]?.array?.first { $0["name"]?.string == "function:needs-secret" })
            #expect(check["status"]?.string == "fail")
            #expect(check["output"]?.string?.contains("HEALTH_TEST_SECRET") == true)
        }
    }

    @Test func `an upstream that is out of reach fails the ready probe only`() async throws {
        let settings = ["GEMINI_BASE_URL": "http://127.0.0.1:9"]
        try await TestHost.run(registeredFunctions, secrets: ["GEMINI_API_KEY": "canary"], settings: settings) {
            host async throws in
            let answer = try await host.get("/functions/v1/health?probe=ready")
            #expect(answer.status == 503)
            let check = try #require(answer.json?["checks"]?.array?.first { $0["name"]?.string?.hasPrefix("egress:") == true })
            #expect(check["status"]?.string == "fail")
            #expect(check["observedUnit"]?.string == "ms")
            #expect(!answer.text.contains("canary"))
            #expect(try await host.get("/functions/v1/health").status == 200)
        }
    }

    @Test func `another probe is a 400, another method a 405`() async throws {
        try await TestHost.run([Registration(Health.self)]) { host async throws in
            for probe in ["", "LIVE", "x", "ready%00"] {
                let answer = try await host.get("/functions/v1/health?probe=\(probe)")
                #expect(answer.status == 400, "\(probe)")
                #expect(answer.json?["code"]?.string == "INVALID_INPUT")
            }
            #expect(try await host.request("POST", "/functions/v1/health").status == 405)
        }
    }
}
