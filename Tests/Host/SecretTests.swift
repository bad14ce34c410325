import Fixtures
import Foundation
import HTTPTypes
import Swiftlet
import SwiftletJSON
import SwiftletTesting
import Testing

@testable import SwiftletHost

@Suite struct SecretTests {
    private static func reader(_ request: Request<Void>, _ context: Context) throws -> [String: String] {
        ["value": try context.secret(SecretName(request.query["name"] ?? "")).reveal()]
    }

    struct Left: EdgeFunction {
        static let name: FunctionName = "left"
        static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, secrets: ["SHARED", "LEFT_ONLY"])
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> [String: String] {
            try SecretTests.reader(request, context)
        }
    }

    struct Right: EdgeFunction {
        static let name: FunctionName = "right"
        static let policy = Policy(
            methods: [.get], rateLimit: .none, body: .none, secrets: ["SHARED"],
            settings: [Setting("RIGHT_MODE", default: "plain", help: "how it is done")])
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> [String: String] {
            if let name = request.query["setting"] {
                return ["value": context.setting(Setting(name, default: "the default", help: ""))]
            }
            return try SecretTests.reader(request, context)
        }
    }

    static let values = [
        "SHARED": "canary-shared", "LEFT_ONLY": "canary-left", "RIGHT__SHARED": "canary-right-own",
        "UNDECLARED": "canary-undeclared",
        "JWT_SECRET": "canary-jwt-secret-0123456789-abcdefghij-KLMNOP",
    ]

    @Test func `a function reads the secrets it declared and no others`() async throws {
        let log = try LogCapture()
        var configuration = HostConfiguration()
        configuration.secrets.environment = SecretTests.values
        try await TestHost.run([Registration(Left.self), Registration(Right.self)], configuration: configuration, sink: log.sink)
        {
            host async throws in
            #expect(try await host.get(path("left?name=SHARED")).json?["value"]?.string == "canary-shared")
            #expect(try await host.get(path("left?name=LEFT_ONLY")).json?["value"]?.string == "canary-left")
            // A value set for one function alone is for that one.
            #expect(try await host.get(path("right?name=SHARED")).json?["value"]?.string == "canary-right-own")
            for target in [
                "right?name=LEFT_ONLY", "right?name=UNDECLARED", "right?name=JWT_SECRET", "left?name=RIGHT__SHARED",
                "left?name=UNDECLARED",
                "left?name=", "left?name=PATH",
            ] {
                let answer = try await host.get(path(target))
                #expect(answer.status == 500, "\(target)")
                #expect(!answer.text.contains("canary"), "\(target)")
                #expect(answer.json?["message"]?.string == "Internal Server Error")
            }
        }
        #expect(log.text.contains("add it to `secrets:`"))
        #expect(!log.text.contains("canary"))
    }

    /// Needs one secret and takes two more where they are: `?name=` of an optional one, `?needed=` of a needed one.
    struct Choosy: EdgeFunction {
        static let name: FunctionName = "choosy"
        static let policy = Policy(
            methods: [.get], rateLimit: .none, body: .none, secrets: ["SHARED"], optionalSecrets: ["EXTRA", "MORE"])
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> [String: String] {
            if let name = request.query["needed"] { return ["value": try context.secret(SecretName(name)).reveal()] }
            guard let secret = context.optionalSecret(SecretName(request.query["name"] ?? "")) else { return ["value": "none"] }
            return ["value": secret.reveal(), "shown": "\(secret)"]
        }
    }

    @Test func `a secret that is optional is read where there is one, and missed without harm`() async throws {
        let log = try LogCapture()
        var configuration = HostConfiguration()
        configuration.secrets.environment = SecretTests.values.merging([
            "EXTRA": "canary-extra", "CHOOSY__EXTRA": "canary-extra-own",
        ]) { $1 }
        configuration.strict = true
        try await TestHost.run(
            [Registration(Choosy.self), Registration(Right.self)], configuration: configuration, sink: log.sink
        ) {
            host async throws in
            #expect(host.host.broken.isEmpty)
            let extra = try await host.get(path("choosy?name=EXTRA")).json
            #expect(extra?["value"]?.string == "canary-extra-own" && extra?["shown"]?.string == "[redacted]")
            #expect(try await host.get(path("choosy?name=MORE")).json?["value"]?.string == "none")
            #expect(try await host.get(path("choosy?needed=SHARED")).json?["value"]?.string == "canary-shared")
            // Asked for without need, a needed one is there as well.
            #expect(try await host.get(path("choosy?name=SHARED")).json?["value"]?.string == "canary-shared")
            #expect(!log.text.contains("optionalSecrets:"))
            // A needed one is never missing, so an optional one is none, set or not.
            for name in ["EXTRA", "MORE"] { #expect(try await host.get(path("choosy?needed=\(name)")).status == 500) }
            // What was not declared is not there, for this function or for another.
            for target in ["choosy?name=LEFT_ONLY", "choosy?name=JWT_SECRET", "choosy?name=", "right?name=EXTRA"] {
                let answer = try await host.get(path(target))
                #expect(!answer.text.contains("canary"), "\(target)")
            }
        }
        #expect(log.text.contains("the secret LEFT_ONLY is not in the policy of choosy; add it to `optionalSecrets:`"))
        #expect(!log.text.contains("canary"))
    }

    @Test func `an optional secret comes and goes with a reload`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("secrets").path
        @Sendable func write(_ text: String) {
            #expect(
                FileManager.default.createFile(atPath: file, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]))
        }
        write("SHARED=1\n")
        let configuration = TestHost.settings { $0.secrets.file = file }
        try await TestHost.run([Registration(Choosy.self)], configuration: configuration) { host async throws in
            func value() async throws -> String? { try await host.get(path("choosy?name=EXTRA")).json?["value"]?.string }
            #expect(try await value() == "none")
            write("SHARED=1\nEXTRA=canary-now\n")
            host.host.reloadSecrets()
            #expect(try await value() == "canary-now")
            write("SHARED=1\n")
            host.host.reloadSecrets()
            #expect(try await value() == "none")
            let report = await host.host.report(ready: false)
            #expect(report.checks.allSatisfy { $0.passed && !$0.note.contains("EXTRA") })
        }
    }

    @Test func `a secret is needed or optional, by a name, and no setting`() throws {
        struct Both: EdgeFunction {
            static let name: FunctionName = "both"
            static let policy = Policy(secrets: ["ONE"], optionalSecrets: ["ONE"])
            func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> Bool { true }
        }
        struct Nameless: EdgeFunction {
            static let name: FunctionName = "nameless"
            static let policy = Policy(optionalSecrets: ["no name"])
            func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> Bool { true }
        }
        struct Open: EdgeFunction {
            static let name: FunctionName = "open"
            static let policy = Policy(settings: [Setting("EXTRA", default: "", help: "")])
            func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> Bool { true }
        }
        for (functions, words) in [
            ([Registration(Both.self)], "as needed and as optional"), ([Registration(Nameless.self)], "which is no name"),
            ([Registration(Choosy.self), Registration(Open.self)], "which is a secret's name"),
        ] {
            let problem = #expect(throws: ConfigurationProblem.self) { try HostChecks.names(functions) }
            #expect(problem.map { "\($0)" }?.contains(words) == true, "\(words)")
        }
    }

    @Test func `a setting that was not declared is no way around`() async throws {
        var configuration = HostConfiguration()
        configuration.secrets.environment = SecretTests.values
        configuration.settings = ["RIGHT_MODE": "fancy", "OTHER_MODE": "not for right"]
        try await TestHost.run([Registration(Left.self), Registration(Right.self)], configuration: configuration) {
            host async throws in
            #expect(try await host.get(path("right?setting=RIGHT_MODE")).json?["value"]?.string == "fancy")
            for name in ["LEFT_ONLY", "JWT_SECRET", "UNDECLARED", "OTHER_MODE", "SHARED"] {
                #expect(try await host.get(path("right?setting=\(name)")).json?["value"]?.string == "the default", "\(name)")
            }
        }
    }

    @Test func `a function that lacks a secret says which, the others serve, and a reload heals it`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("secrets").path
        @Sendable func write(_ text: String) {
            #expect(
                FileManager.default.createFile(atPath: file, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]))
        }
        write("OTHER=1\n")
        let log = try LogCapture()
        let configuration = TestHost.settings {
            $0.secrets.file = file
            $0.secrets.fileIsRequired = true
        }
        try await TestHost.run(fixtureFunctions, configuration: configuration, sink: log.sink) { host async throws in
            let broken = try await host.get(path("strict"), as: .user("u1"))
            #expect(broken.status == 503)
            #expect(broken.code == "BOOT_ERROR")
            #expect(broken.json?["message"]?.string?.contains("FIXTURE_SECRET") == true)
            #expect(broken.headers[.relayError] == "true")
            #expect(Set(host.host.broken.map { $0.name }) == ["strict", "reveals"])
            // Who may not call learns nothing of it.
            #expect(try await host.get(path("strict")).status == 401)
            #expect(try await host.get(path("optional")).status == 200)

            write("FIXTURE_SECRET=canary-4711\nOTHER=1\n")
            host.host.reloadSecrets()
            let healed = try await host.get(path("strict"), as: .user("u1"))
            #expect(healed.status == 200)
            #expect(healed.json?["secret_bytes"]?.string == "11")
            #expect(healed.json?["shown"]?.string == "[redacted]")

            // A file that cannot be read leaves everything as it was.
            write("this is = not \"a file\nof secrets\u{0}")
            host.host.reloadSecrets()
            #expect(try await host.get(path("strict"), as: .user("u1")).status == 200)
        }
        #expect(log.text.contains("secrets.reloaded") && log.text.contains("config.reload_failed"))
        #expect(!log.text.contains("canary-4711"))
    }

    @Test func `a token secret that is changed by a reload counts at once`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("secrets").path
        @Sendable func write(_ text: String) {
            #expect(
                FileManager.default.createFile(atPath: file, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]))
        }
        write("")
        let configuration = TestHost.settings { $0.secrets.file = file }
        try await TestHost.run(fixtureFunctions, configuration: configuration) { host async throws in
            // The demo secret, until the operator sets one.
            #expect(try await host.get(path("optional"), as: .user("u1")).status == 200)
            write("JWT_SECRET=only-for-these-tests-0123456789-abcdefghij\n")
            host.host.reloadSecrets()
            #expect(try await host.get(path("optional"), as: .user("u1")).status == 401)
        }
    }
}
