import Foundation
import Functions
import Swiftlet
import SwiftletTesting
import Testing

@Suite struct RegistryTests {
    @Test func `secrets example lists every declared secret and no other`() throws {
        var root = URL(fileURLWithPath: #filePath)
        while root.path != "/", !FileManager.default.fileExists(atPath: root.appendingPathComponent("Package.swift").path) {
            root.deleteLastPathComponent()
        }
        let text = try String(contentsOf: root.appendingPathComponent("secrets.example"), encoding: .utf8)
        let listed = text.split(separator: "\n").filter { !$0.hasPrefix("#") && $0.contains("=") }.map {
            String($0.prefix { $0 != "=" })
        }
        let declared = Set(registeredFunctions.flatMap { $0.policy.secrets.map(\.text) })
        #expect(Set(listed) == declared)
    }

    @Test func `the shipped functions have valid, distinct names`() {
        let names = registeredFunctions.map(\.name)
        #expect(Set(names).count == names.count)
        for name in names { #expect(name.isValid) }
    }

    @Test func `health is alive, says what is not ready, and refuses other probes`() async throws {
        try await TestHost.run(registeredFunctions, upstream: { _ in .stub(status: 200) }) { host in
            let live = try await host.get("/functions/v1/health")
            #expect(live.status == 200)
            #expect(live.json?["status"]?.string == "pass")
            #expect(live.headers[.contentType] == "application/health+json")
            let ready = try await host.get("/functions/v1/health?probe=ready")
            #expect(ready.status == 503)
            let checks = ready.json?["checks"]?.array ?? []
            #expect(checks.contains { $0["name"]?.string == "function:gemini-proxy" && $0["status"]?.string == "fail" })
            #expect(try await host.get("/functions/v1/health?probe=fly").status == 400)
            #expect(try await host.request("HEAD", "/functions/v1/health").body.isEmpty)
        }
    }
}
