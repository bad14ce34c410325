import Fixtures
import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletTesting
import Testing

@Suite struct ForwardingTests {
    private func mirror(
        _ fields: [(String, String)], _ change: (inout HostConfiguration) -> Void
    ) async throws -> (client: String, scheme: String, host: String?) {
        let configuration = TestHost.settings(change)
        return try await TestHost.run(fixtureFunctions, configuration: configuration) { host async throws in
            var headers = HTTPFields()
            for (name, value) in fields { headers.append(HTTPField(name: .named(name), value: value)) }
            let answer = try await host.get(path("mirror"), headers: headers)
            return (
                answer.json?["client"]?.string ?? "", answer.json?["scheme"]?.string ?? "",
                answer.json?["headers"]?["x-forwarded-host"]?.string
            )
        }
    }

    private static let forwarded = [
        ("x-forwarded-for", "198.51.100.1, 203.0.113.9"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "app.example"),
    ]

    @Test func `without trusted proxies nothing that is said counts`() async throws {
        let seen = try await mirror(ForwardingTests.forwarded) { _ in }
        #expect(seen.client == "127.0.0.1")
        #expect(seen.scheme == "http")
        #expect(seen.host == nil)
        let other = try await mirror(ForwardingTests.forwarded) { $0.trustedProxies = ["10.0.0.0/8"] }
        #expect(other.client == "127.0.0.1" && other.scheme == "http")
    }

    @Test func `a trusted proxy's word counts, up to the first address nobody trusts`() async throws {
        let seen = try await mirror(ForwardingTests.forwarded) { $0.trustedProxies = ["127.0.0.1"] }
        #expect(seen.client == "203.0.113.9")
        #expect(seen.scheme == "https")
        #expect(seen.host == "app.example")
        let two = try await mirror(ForwardingTests.forwarded) { $0.trustedProxies = ["127.0.0.0/8", "203.0.113.0/24"] }
        #expect(two.client == "198.51.100.1")
        let lines = try await mirror([("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.10")]) {
            $0.trustedProxies = ["127.0.0.1"]
        }
        #expect(lines.client == "203.0.113.10")
        let odd = try await mirror([("x-forwarded-for", "203.0.113.9, nonsense")]) { $0.trustedProxies = ["127.0.0.1"] }
        #expect(odd.client == "127.0.0.1")
    }

    @Test func `with the Forwarded header the other fields do not count, and the other way round`() async throws {
        let standard = [("forwarded", "for=203.0.113.9;proto=https;host=app.example")]
        let seen = try await mirror(standard + [("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "http")]) {
            $0.trustedProxies = ["127.0.0.1"]
            $0.usesForwardedHeader = true
        }
        #expect(seen.client == "203.0.113.9")
        #expect(seen.scheme == "https")
        #expect(seen.host == "app.example")
        let plain = try await mirror(standard) { $0.trustedProxies = ["127.0.0.1"] }
        #expect(plain.client == "127.0.0.1" && plain.scheme == "http")
        let six = try await mirror([("forwarded", "for=\"[2001:db8::17]:4711\"")]) {
            $0.trustedProxies = ["127.0.0.1"]
            $0.usesForwardedHeader = true
        }
        #expect(six.client == "2001:db8::17")
    }

    @Test func `a peer on the Unix socket has no address, unless the proxy there is trusted`() async throws {
        for (proxies, client) in [([], ""), (["unix"], "203.0.113.9")] as [([String], String)] {
            let socket = "/tmp/swiftlet-\(UUID().uuidString.prefix(8))/host.sock"
            defer { try? FileManager.default.removeItem(atPath: String(socket.dropLast("/host.sock".count))) }
            let configuration = TestHost.settings {
                $0.server.addresses = [.unix(path: socket)]
                $0.trustedProxies = proxies
            }
            try await TestHost.run(fixtureFunctions, configuration: configuration) { host async throws in
                let client1 = try RawClient(unixSocket: socket)
                await client1.send(
                    "GET \(path("mirror")) HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: https\r\nconnection: close\r\n\r\n"
                )
                let text = await client1.readToEnd()
                #expect(text.hasPrefix("HTTP/1.1 200 "))
                #expect(text.contains(#""client":"\#(client)""#))
                #expect(text.contains(#""scheme":"\#(client.isEmpty ? "http" : "https")""#))
            }
        }
    }
}
