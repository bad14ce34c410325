import Fixtures
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletTesting
import Testing

@Suite struct RoutingTests {
    @Test func `a function is found by its exact name, and sees the path from its name on`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            for (path, seen, sub) in [
                ("/functions/v1/mirror", "/mirror", ""), ("/functions/v1/mirror/", "/mirror/", "/"),
                ("/functions/v1/mirror/a/b", "/mirror/a/b", "/a/b"),
                ("/functions/v1/mirror/%2e%2e/x", "/mirror/%2e%2e/x", "/%2e%2e/x"),
                ("/functions/v1/mirror//x", "/mirror//x", "//x"),
            ] {
                let answer = try await host.get(path)
                #expect(answer.status == 200, "\(path)")
                #expect(answer.json?["path"]?.string == seen)
                #expect(answer.json?["subpath"]?.string == sub)
                #expect(answer.json?["query"]?.isNull == true)
            }
            let answer = try await host.get("/functions/v1/mirror?a=1&forceFunctionRegion=eu-west-1")
            #expect(answer.json?["query"]?.string == "a=1&forceFunctionRegion=eu-west-1")
            #expect(answer.json?["region"]?.string == "eu-west-1")
        }
    }

    @Test(arguments: [
        "/", "/functions", "/functions/v1", "/functions/v1/", "/functions/v1//mirror", "//functions/v1/mirror",
        "/functions//v1/mirror",
        "/Functions/v1/mirror", "/functions/v1/Mirror", "/functions/v1/MIRROR", "/functions/v1/mirror%20",
        "/functions/v1/%6dirror",
        "/functions/v1/mirro", "/functions/v1/mirrorr", "/functions/v1/./mirror", "/functions/v1/../v1/mirror",
        "/functions/v1/x/../mirror",
        "/functions%2fv1/mirror", "/functions/v1%2fmirror", "/functions/v1/mirror;a=b", "/functions/v1/mirror%00",
        "/functions/v1/constructor",
        "/functions/v1/toString", "/functions/v1/__proto__", "/functions/v1/hasOwnProperty", "/functions/v2/mirror", "/mirror",
        "/functions/v1/echo-", "/_internal/health/", "/_internal", "/metrics", "/health",
        "/functions/v1/" + String(repeating: "m", count: 64), "/functions/v1/" + String(repeating: "m", count: 65),
        "/functions/v1/" + String(repeating: "m", count: 2000),
    ])
    func `an odd spelling is not found`(_ path: String) async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let answer = try await host.get(path)
            #expect(answer.status == 404)
            #expect(answer.code == "NOT_FOUND")
            #expect(answer.headers[.relayError] == "true")
        }
    }

    @Test(arguments: [
        "/functions/v1/mirror\\x", "http://evil.example/functions/v1/mirror", "*", "functions/v1/mirror",
        "/functions/v1/mirror#x",
    ])
    func `a target that is no plain path never becomes another function`(_ target: String) async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let answer = try await host.raw(
                Array("GET \(target) HTTP/1.1\r\nhost: 127.0.0.1:\(host.port)\r\nconnection: close\r\n\r\n".utf8))
            #expect((200...499).contains(answer.status))
            if answer.status == 200 { #expect(answer.json?["path"]?.string?.hasPrefix("/mirror") == true) }
        }
    }

    @Test func `methods a function does not answer are 405 with Allow`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            for method in ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
                let answer = try await host.request(method, path("refuses"))
                #expect([405, 501].contains(answer.status), "\(method)")
                if answer.status == 405 { #expect(answer.headers[.allow] == "GET, POST, HEAD, OPTIONS") }
                #expect(answer.headers[.relayError] == "true")
            }
            let post = try await host.request("GET", path("typed"))
            #expect(post.status == 405)
            #expect(post.code == "METHOD_NOT_ALLOWED")
            #expect(post.headers[.allow] == "POST, OPTIONS")
            let typed = try await host.request("HEAD", path("typed"))
            #expect(typed.status == 405)
            #expect(typed.body.isEmpty)
        }
    }

    @Test func `HEAD is answered wherever GET is, without a body`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let get = try await host.get(path("optional"))
            let head = try await host.request("HEAD", path("optional"))
            #expect(get.status == 200)
            #expect(head.status == 200)
            #expect(head.body.isEmpty)
            #expect(head.headers[.contentLength] == get.headers[.contentLength])
            #expect(head.headers[.contentType] == get.headers[.contentType])
            let missing = try await host.request("HEAD", path("nothing"))
            #expect(missing.status == 404)
            #expect(missing.body.isEmpty)
            let stream = try await host.request("HEAD", path("stream?parts=3"))
            #expect(stream.status == 200)
            #expect(stream.body.isEmpty)
        }
    }

    @Test func `the host's own health path answers as the original does`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let answer = try await host.get("/_internal/health")
            #expect(answer.status == 200)
            #expect(answer.text == #"{"message":"ok"}"#)
            #expect(try await host.request("POST", "/_internal/health").status == 405)
        }
    }

    @Test func `a mounted path reaches its function`() async throws {
        let configuration = TestHost.settings { $0.mounts = ["/health": "health"] }
        try await TestHost.run(fixtureFunctions, configuration: configuration) { host async throws in
            #expect(try await host.get("/health").status == 200)
            #expect(try await host.get("/health/").status == 404)
            #expect(try await host.get("/healthx").status == 404)
        }
    }

    @Test func `a function sees no field of the connection, and no forwarding of peers nobody trusts`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let answer = try await host.get(
                path("mirror"),
                headers: [
                    .named("x-forwarded-for"): "203.0.113.9", .named("x-forwarded-proto"): "https",
                    .named("forwarded"): "for=203.0.113.9",
                    .named("x-real-ip"): "203.0.113.9", .named("sb-api-key"): "x", .named("te"): "trailers",
                    .named("proxy-authorization"): "Basic x", .named("x-custom"): "kept",
                ])
            let headers = answer.json?["headers"]
            #expect(answer.json?["client"]?.string == "127.0.0.1")
            #expect(answer.json?["scheme"]?.string == "http")
            #expect(headers?["x-forwarded-for"]?.string == "127.0.0.1")
            #expect(headers?["x-forwarded-proto"]?.string == "http")
            #expect(headers?["x-custom"]?.string == "kept")
            for name in ["forwarded", "x-real-ip", "sb-api-key", "te", "proxy-authorization", "connection"] {
                #expect(headers?[name] == nil, "\(name)")
            }
        }
    }

    @Test func `a well formed request id is taken over, another is replaced`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let given = try await host.get(path("mirror"), headers: [.requestID: "abc-DEF_0123456789"])
            #expect(given.headers[.requestID] == "abc-DEF_0123456789")
            #expect(given.headers[.named("sb-request-id")] == "abc-DEF_0123456789")
            #expect(given.json?["id"]?.string == "abc-DEF_0123456789")
            for odd in [
                "short", "with space 123", "semi;colon;123", String(repeating: "a", count: 65), "naïve-12345", "\"quoted-id\"",
            ] {
                let answer = try await host.get(path("mirror"), headers: [.requestID: odd])
                let id = try #require(answer.headers[.requestID])
                #expect(id != odd)
                #expect(id.utf8.count == 36)
                #expect(answer.json?["id"]?.string == id)
            }
            let first = try await host.get(path("mirror")).headers[.requestID]
            let second = try await host.get(path("mirror")).headers[.requestID]
            #expect(first != second)
        }
    }
}
