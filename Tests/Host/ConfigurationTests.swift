import Fixtures
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletJSON
import SwiftletServer
import SwiftletTelemetry
import SwiftletTesting
import Testing

@Suite struct ConfigurationTests {
    struct Plain: EdgeFunction {
        static let name: FunctionName = "plain"
        static let policy = Policy()
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }
    struct Again: EdgeFunction {
        static let name: FunctionName = "plain"
        static let policy = Policy()
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }
    struct BadName: EdgeFunction {
        static let name: FunctionName = "bad name/.."
        static let policy = Policy()
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }
    struct BadSecret: EdgeFunction {
        static let name: FunctionName = "bad-secret"
        static let policy = Policy(secrets: ["9LIVES=x"])
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }
    struct BadEgress: EdgeFunction {
        static let name: FunctionName = "bad-egress"
        static let policy = Policy(egress: ["*"])
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }
    struct LocalEgress: EdgeFunction {
        static let name: FunctionName = "local-egress"
        static let policy = Policy(egress: ["169.254.169.254"])
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }
    struct BadLimit: EdgeFunction {
        static let name: FunctionName = "bad-limit"
        static let policy = Policy(rateLimit: .perCaller(0, every: .minutes(1)))
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }
    struct NoTime: EdgeFunction {
        static let name: FunctionName = "no-time"
        static let policy = Policy(deadline: .zero)
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }
    struct NoMethod: EdgeFunction {
        static let name: FunctionName = "no-method"
        static let policy = Policy(methods: [])
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }
    struct Origin: EdgeFunction {
        static let name: FunctionName = "origin"
        static let policy = Policy(settings: [Setting("ORIGIN_URL", default: "https://x.example", help: "", isOrigin: true)])
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }
    struct Sly: EdgeFunction {
        static let name: FunctionName = "sly"
        static let policy = Policy(settings: [Setting("NEEDED_SECRET", default: "", help: "")])
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }
    struct Sneaky: EdgeFunction {
        static let name: FunctionName = "sneaky"
        static let policy = Policy(settings: [Setting("JWT_SECRET", default: "", help: "")])
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }
    struct Needs: EdgeFunction {
        static let name: FunctionName = "needs"
        static let policy = Policy(secrets: ["NEEDED_SECRET"])
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
    }

    /// The problem that keeps a host from starting.
    private func problem(
        _ functions: [Registration] = [Registration(Plain.self)], _ change: (inout HostConfiguration) -> Void = { _ in }
    ) async -> String? {
        var configuration = HostConfiguration()
        configuration.admin = nil
        change(&configuration)
        do {
            let host = try Host(
                functions: functions, configuration: configuration, sink: LogSink.quiet(), metrics: PrometheusRegistry())
            await host.close()
            return nil
        } catch let problem as ConfigurationProblem {
            return problem.description
        } catch {
            return "another error: \(error)"
        }
    }

    private func expect(
        _ words: String, _ functions: [Registration] = [Registration(Plain.self)], location: SourceLocation = #_sourceLocation,
        _ change: (inout HostConfiguration) -> Void = { _ in }
    ) async {
        let said = await problem(functions, change)
        #expect(said?.hasPrefix(words) == true, "\(said ?? "it starts")", sourceLocation: location)
    }

    @Test func `a host that was closed is kept by nobody`() async throws {
        weak var kept: Host?
        func open() async throws {
            let host = try Host(
                functions: [Registration(Plain.self)], configuration: HostConfiguration(), sink: LogSink.quiet(),
                metrics: PrometheusRegistry())
            kept = host
            await host.close()
        }
        try await open()
        #expect(kept == nil)
    }

    @Test func `a host that is right starts`() async {
        #expect(await problem() == nil)
        #expect(await problem(fixtureFunctions) == nil)
        #expect(await problem([]) == nil)
    }

    @Test func `a setting cannot be the name of a secret, another function's or the host's`() async {
        await expect("function 'sly': declares the setting NEEDED_SECRET", [Registration(Sly.self), Registration(Needs.self)])
        await expect("function 'sneaky': declares the setting JWT_SECRET", [Registration(Sneaky.self)])
        #expect(await problem([Registration(Sly.self)]) == nil)
    }

    @Test func `functions that cannot be served are named`() async {
        await expect("function 'plain': is registered twice", [Registration(Plain.self), Registration(Again.self)])
        await expect("function 'bad name/..': ", [Registration(BadName.self)])
        await expect("function 'bad-secret': declares the secret", [Registration(BadSecret.self)])
        await expect("function 'bad-egress': egress entry", [Registration(BadEgress.self)])
        await expect("function 'local-egress': egress entry", [Registration(LocalEgress.self)])
        await expect("rate limit of bad-limit: ", [Registration(BadLimit.self)])
        await expect("function 'no-time': has a deadline", [Registration(NoTime.self)])
        await expect("function 'no-method': answers no method", [Registration(NoMethod.self)])
    }

    @Test func `plain HTTP beyond loopback needs a proxy in front`() async {
        for address in ["0.0.0.0", "::", "192.0.2.1", "10.0.0.1", "example.com"] {
            await expect("host: ") { $0.server.addresses = [.tcp(host: address, port: 0)] }
        }
        #expect(
            await problem {
                $0.server.addresses = [.tcp(host: "0.0.0.0", port: 0)]
                $0.behindProxy = true
                $0.secrets.environment["JWT_SECRET"] = "only-for-these-tests-0123456789-abcdefghij"
            } == nil)
        for address in ["127.0.0.1", "127.1.2.3", "::1", "localhost"] {
            #expect(await problem { $0.server.addresses = [.tcp(host: address, port: 0)] } == nil, "\(address)")
        }
        await expect("admin: ") { $0.admin = .init(host: "0.0.0.0", port: 0) }
    }

    @Test func `credentials with any origin, and origins that are none, are refused`() async {
        await expect("cors-credentials: ") { $0.corsCredentials = true }
        await expect("cors-credentials: ") {
            $0.corsOrigins = ["https://app.example", "*"]
            $0.corsCredentials = true
        }
        for origin in [
            "", "example.com", "https://", "https://app.example/", "https://APP.example", "https://app.example:0",
            "https://app.example:99999",
            "https://user@app.example", "https://*", "https://*.", "*.example.com", "null", "https://a b",
            "https://app.example?x",
            "https://app.example\r\nx: y",
        ] {
            await expect("cors-origin: ") { $0.corsOrigins = [origin] }
        }
    }

    @Test func `proxies, limits, mounts and egress that mean nothing are refused`() async {
        for text in ["nonsense", "10.0.0.0/33", "", "10.0.0.0/8/8", "proxy.example"] {
            await expect("trusted-proxy: ") { $0.trustedProxies = [text] }
        }
        await expect("address-limit: ") { $0.addressLimit = (0, .minutes(1)) }
        await expect("allow-private-egress: ") { $0.privateEgress = ["no-such-function"] }
        await expect("ORIGIN_URL: ", [Registration(Origin.self)]) { $0.settings["ORIGIN_URL"] = "ftp://x.example" }
        await expect("ORIGIN_URL: ", [Registration(Origin.self)]) { $0.settings["ORIGIN_URL"] = "not a url" }
    }

    @Test func `secrets and keys that cannot be used are refused without being shown`() async throws {
        func refused(_ words: String, _ name: String, _ value: String, location: SourceLocation = #_sourceLocation) async {
            let said = await problem { $0.secrets.environment[name] = value }
            #expect(said?.contains(words) == true, "\(said ?? "it starts")", sourceLocation: location)
            #expect(said?.contains("canary") != true, sourceLocation: location)
        }
        await refused("32", "JWT_SECRET", "canary-short")
        await refused("SUPABASE_JWKS", "SUPABASE_JWKS", "canary, no JSON")
        await refused("SUPABASE_JWKS", "SUPABASE_JWKS", #"["canary"]"#)
        await refused("sb_publishable_", "SUPABASE_PUBLISHABLE_KEY", "canary-key-without-its-prefix")
        await refused("sb_secret_", "SUPABASE_SECRET_KEYS", #"{"default":"sb_secret_canary"}"#)
        await expect("jwks url") { $0.auth.jwksURL = "http://issuer.example/keys" }
        await expect("jwt leeway") { $0.auth.leewaySeconds = 61 }
        await expect("jwks-file: ") { $0.auth.jwksFile = "/does/not/exist" }
        await expect("secrets: ") {
            $0.secrets.file = "/does/not/exist"
            $0.secrets.fileIsRequired = true
        }
        let demo = "super-secret-jwt-token-with-at-least-32-characters-long"
        let said = await problem {
            $0.server.addresses = [.tcp(host: "0.0.0.0", port: 0)]
            $0.behindProxy = true
            $0.secrets.environment["JWT_SECRET"] = demo
        }
        #expect(said?.contains("published") == true && said?.contains(demo) == false)
    }

    @Test func `strict refuses to start without every declared secret`() async {
        await expect("--strict: needs lacks NEEDED_SECRET", [Registration(Needs.self)]) { $0.strict = true }
        #expect(await problem([Registration(Needs.self)]) == nil)
        #expect(
            await problem([Registration(Needs.self)]) {
                $0.strict = true
                $0.secrets.environment["NEEDED_SECRET"] = "x"
            } == nil)
    }

    @Test func `a body rule for a field that is none keeps the host from starting`() async throws {
        struct Misnamed: EdgeFunction {
            static let name: FunctionName = "misnamed"
            static let policy = Policy(body: .json(upTo: .kib(1), sanitize: .text(["content", "a..b"])))
            func handle(_ request: Request<JSON>, from _: Anyone, in context: Context) async throws -> JSON { [:] }
        }
        let problem = await problem([Registration(Misnamed.self)])
        #expect(problem?.contains("'a..b'") == true)
    }

    @Test func `a taken port is a problem that names the setting`() async throws {
        try await TestHost.run([Registration(Plain.self)]) { host async throws in
            var configuration = HostConfiguration()
            configuration.admin = nil
            configuration.server.loops = 1
            configuration.server.addresses = [.tcp(host: "127.0.0.1", port: host.port)]
            do {
                _ = try await LocalHost.run([Registration(Plain.self)], configuration: configuration, sink: LogSink.quiet()) {
                    _, _ in
                    Issue.record("two hosts listen on one port")
                }
            } catch let problem as ConfigurationProblem {
                #expect(problem.setting == "listen")
            }
        }
    }
}
