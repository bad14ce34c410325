import Foundation
import Functions
import Swiftlet
import Testing

@Suite struct RegistryTests {
    private static let example: [Substring] = {
        var root = URL(fileURLWithPath: #filePath)
        while root.path != "/", !FileManager.default.fileExists(atPath: root.appendingPathComponent("Package.swift").path) {
            root.deleteLastPathComponent()
        }
        let text = try? String(contentsOf: root.appendingPathComponent("secrets.example"), encoding: .utf8)
        return (text ?? "").split(separator: "\n")
    }()

    @Test func `secrets.example sets the names the functions declare, all of them and no others, and no values`() {
        let set = RegistryTests.example.filter { !$0.hasPrefix("#") }
        let names = Set(set.map { String($0.prefix { $0 != "=" }) })
        #expect(names == Set(registeredFunctions.flatMap { $0.policy.secrets.map(\.text) }))
        #expect(set.allSatisfy { $0.hasSuffix("=") })
    }

    @Test func `secrets.example names the optional ones too, commented out`() {
        let names = Set(RegistryTests.example.filter { $0.hasSuffix("=") }.map { String($0.dropLast()) })
        for secret in registeredFunctions.flatMap(\.policy.optionalSecrets) { #expect(names.contains("#\(secret)"), "\(secret)") }
    }

    @Test func `every function has a name of its own, and secrets with names`() {
        #expect(Set(registeredFunctions.map(\.name)).count == registeredFunctions.count)
        for function in registeredFunctions {
            #expect(function.name.isValid)
            #expect((function.policy.secrets + function.policy.optionalSecrets).allSatisfy { $0.isValid })
        }
    }
}
