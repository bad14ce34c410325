import ArgumentParser
import Configuration
import Glibc
import Logging
import Swiftlet
import SwiftletHost
import SwiftletTelemetry
import SwiftletWorkers

/// Flags of `serve`. Each can also come from the environment as SWIFTLET_<NAME> (`--admin-port` is SWIFTLET_ADMIN_PORT); a flag wins.
///
/// The groups are the command's own, not those of one group: a debug build's parser judges each level anew for every level above it, which
/// made a start take 0.9 s instead of 0.3.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve all functions over HTTP until SIGTERM or Ctrl-C.",
        discussion: """
            Every flag can also be set in the environment: SWIFTLET_ and its name in capitals (--admin-port is SWIFTLET_ADMIN_PORT; several
            values are separated by commas). A flag wins. Stopping lets requests in flight finish; a second signal ends at once.
            """)

    @OptionGroup(title: "Listening") var listening: Listening
    @OptionGroup(title: "Proxies") var proxies: Proxies
    @OptionGroup(title: "Browsers") var browsers: Browsers
    @OptionGroup(title: "Tokens") var tokens: Tokens
    @OptionGroup(title: "Secrets") var secrets: SecretOptions
    @OptionGroup(title: "Storage") var storage: StorageOptions
    @OptionGroup(title: "Realtime") var realtime: RealtimeOptions
    @OptionGroup(title: "The realtime engine") var realtimeEngine: RealtimeEngineOptions
    @OptionGroup(title: "Limits") var limits: Limits
    @OptionGroup(title: "Workers") var workers: Workers
    @OptionGroup(title: "Running") var running: Running

    struct Listening: ParsableArguments {
        @Option(help: "Address to listen on; beyond loopback needs --behind-proxy. (default: 127.0.0.1)") var host: String?
        @Option(help: "Port; 0 takes a free one, 'none' listens on the socket only. (default: 54321)") var port: String?
        @Option(help: ArgumentHelp("Also listen on a Unix socket, for a reverse proxy.", valueName: "path")) var unixSocket:
            String?
        @Option(
            help:
                "Port of the admin listener (/metrics, /health) on loopback; 0 takes a free one, 'none' is none. (default: 54390)"
        )
        var adminPort: String?
    }

    struct Proxies: ParsableArguments {
        @Flag(help: "A proxy with TLS stands in front, so listening beyond loopback is fine.") var behindProxy = false
        @Option(
            help: ArgumentHelp("A range whose X-Forwarded-… fields count (10.0.0.0/8), or 'unix'. Repeatable.", valueName: "cidr")
        )
        var trustedProxy: [String] = []
        @Flag(help: "Read Forwarded (RFC 7239) instead of X-Forwarded-….") var forwardedHeader = false
        @Flag(help: "Require the PROXY protocol (v1 or v2) from trusted proxies.") var proxyProtocol = false
    }

    struct Browsers: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "An origin that may read answers: https://app.example, https://*.app.example or *. Repeatable. (default: *)",
                valueName: "origin"))
        var corsOrigin: [String] = []
        @Flag(help: "Allow credentials; needs listed origins.") var corsCredentials = false
    }

    struct Tokens: ParsableArguments {
        @Option(help: ArgumentHelp("Fetch ES256 and RS256 keys from here (also SUPABASE_JWKS_URL).", valueName: "url"))
        var jwksURL: String?
        @Option(help: ArgumentHelp("Read keys from a file.", valueName: "file")) var jwksFile: String?
        @Option(help: ArgumentHelp("Accept only tokens of this issuer.", valueName: "iss")) var jwtIssuer: String?
        @Option(help: ArgumentHelp("Accept only tokens for this audience.", valueName: "aud")) var jwtAudience: String?
        @Option(help: ArgumentHelp("Tolerance for exp and nbf, 0…60. (default: 0)", valueName: "seconds")) var jwtLeeway: Int?
    }

    struct Limits: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "Requests per client address and minute before anything costly; 'none' for no such limit. (default: 3000)",
                valueName: "count"))
        var addressLimit: String?
        @Option(
            help: ArgumentHelp(
                "Requests per caller of a function, instead of its policy's: gemini-proxy=1000/1m or gemini-proxy=none. Repeatable.",
                valueName: "name=requests/window"))
        var rateLimit: [String] = []
        @Option(help: ArgumentHelp("Bytes of the request line. (default: 8192)", valueName: "bytes")) var maxRequestLine: Int?
        @Option(help: ArgumentHelp("Bytes of all header fields. (default: 32768)", valueName: "bytes")) var maxHeaderBytes: Int?
        @Option(help: ArgumentHelp("Number of header fields. (default: 100)", valueName: "count")) var maxHeaders: Int?
        @Option(help: ArgumentHelp("Time for a request head. (default: 10)", valueName: "seconds")) var headTimeout: Int?
        @Option(help: ArgumentHelp("Time a body may stand still. (default: 15)", valueName: "seconds")) var bodyTimeout: Int?
        @Option(help: ArgumentHelp("Time an idle connection is kept. (default: 60)", valueName: "seconds")) var keepAlive: Int?
        @Option(help: ArgumentHelp("Connections at once. (default: 16384)", valueName: "count")) var maxConnections: Int?
        @Option(help: ArgumentHelp("Connections per client address. (default: 256)", valueName: "count"))
        var maxConnectionsPerAddress: Int?
        @Option(help: ArgumentHelp("Pipelined requests read ahead. (default: 8)", valueName: "count")) var maxPipelined: Int?
        @Option(help: ArgumentHelp("A function whose egress may reach private addresses. Repeatable.", valueName: "function"))
        var allowPrivateEgress: [String] = []
    }

    struct Workers: ParsableArguments {
        @Flag(help: "Start a function's workers with its first request instead of with the host.") var coldStart = false
        @Option(
            help: ArgumentHelp("End workers that have had nothing to do for this long. (default: never)", valueName: "seconds"))
        var workerIdle: Int?
        @Option(
            help: ArgumentHelp(
                "Time a worker may take to get ready, and a request may wait for one. (default: 10)", valueName: "seconds"))
        var workerBoot: Int?
        @Option(help: ArgumentHelp("Requests of one function that may wait for a worker. (default: 1024)", valueName: "count"))
        var workerRoom: Int?
        @Option(help: ArgumentHelp("A user that only workers have; needs a host started by root.", valueName: "name"))
        var workerUser: String?
    }

    struct Running: ParsableArguments {
        @Flag(help: "Refuse to start when any function cannot boot.") var strict = false
        @Flag(
            help:
                "Run functions in the host's own process, for debugging: a crash of one ends all, and limits of processor time and memory do not hold."
        ) var inline = false
        @Option(help: ArgumentHelp("Event loops; 0 is one per core. (default: 0)", valueName: "count")) var threads: Int?
        @Option(help: "text, json, or auto: text on a terminal, JSON lines otherwise. (default: auto)") var logFormat: LogFormat?
        @Option(help: "trace, debug, info, notice, warning, error or critical. (default: info)") var logLevel: String?
        @Option(help: ArgumentHelp("Time for requests in flight when stopping. (default: 30)", valueName: "seconds")) var drain:
            Int?
    }

    enum LogFormat: String, ExpressibleByArgument, CaseIterable {
        case auto, text, json
    }
}

struct SecretOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A dotenv file with secrets. (default: ./secrets, when it is there)", valueName: "file"))
    var secrets: String?
    @Option(help: ArgumentHelp("A folder with one file per secret. (default: $CREDENTIALS_DIRECTORY)", valueName: "folder"))
    var secretsDir: String?

    var file: String { secrets ?? Environment.shared.string("SECRETS") ?? "secrets" }

    func apply(to configuration: inout HostConfiguration) {
        let environment = Environment.shared
        configuration.secrets.file = file
        configuration.secrets.fileIsRequired = secrets != nil || environment.string("SECRETS") != nil
        configuration.secrets.directory =
            secretsDir ?? environment.string("SECRETS_DIR") ?? environment.variable("CREDENTIALS_DIRECTORY")
        configuration.secrets.environment = Environment.variables
    }
}

/// Settings from the environment, read once.
struct Environment: Sendable {
    /// The flags of `serve`, as the environment spells them.
    private static let names: Set<String> = [
        "HOST", "PORT", "UNIX_SOCKET", "ADMIN_PORT", "BEHIND_PROXY", "TRUSTED_PROXY", "FORWARDED_HEADER", "PROXY_PROTOCOL",
        "CORS_ORIGIN", "CORS_CREDENTIALS", "JWKS_URL", "JWKS_FILE", "JWT_ISSUER", "JWT_AUDIENCE", "JWT_LEEWAY", "SECRETS",
        "SECRETS_DIR", "ADDRESS_LIMIT", "RATE_LIMIT", "MAX_REQUEST_LINE", "MAX_HEADER_BYTES", "MAX_HEADERS", "HEAD_TIMEOUT",
        "BODY_TIMEOUT",
        "KEEP_ALIVE", "MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_ADDRESS", "MAX_PIPELINED", "ALLOW_PRIVATE_EGRESS", "STRICT",
        "INLINE",
        "COLD_START", "WORKER_IDLE", "WORKER_BOOT", "WORKER_ROOM", "WORKER_USER", "THREADS", "LOG_FORMAT", "LOG_LEVEL", "DRAIN",
    ]
    /// Read by the repository's own scripts and tests, which may start a host.
    private static let developerNames: Set<String> = [
        "BENCH", "FUZZ", "SHARED", "FIXTURES", "PYTHON", "SECRETS_TEST", "TEST_HOP", "FIXTURES_ONLY",
    ]

    /// A setting that nobody reads is a setting that does not hold: it is named instead of passed over.
    static func refuseUnknown(in variables: some Sequence<String>) throws(ConfigurationProblem) {
        let unknown = variables.filter { $0.hasPrefix("SWIFTLET_") }.sorted().first { name in
            let own = String(name.dropFirst("SWIFTLET_".count))
            return !names.contains(own) && !StorageOptions.names.contains(own) && !RealtimeOptions.names.contains(own)
                && !RealtimeEngineOptions.names.contains(own)
                && !developerNames.contains(own)
        }
        guard let unknown else { return }
        throw ConfigurationProblem(
            unknown, "is no setting of this host; `swiftlet serve --help` lists the flags they are named after")
    }

    static let shared = Environment()
    private let reader = ConfigReader(provider: EnvironmentVariablesProvider())

    /// `SWIFTLET_<name>`.
    func string(_ name: String) -> String? { variable("SWIFTLET_" + name) }

    func variable(_ name: String) -> String? {
        reader.string(forKey: ConfigKey(name.lowercased().split(separator: "_").map(String.init))).flatMap {
            $0.isEmpty ? nil : $0
        }
    }

    func list(_ name: String) -> [String] { string(name)?.split(separator: ",").map { String($0.trimmedSpaces) } ?? [] }

    func flag(_ name: String) throws -> Bool {
        guard let text = string(name)?.lowercased() else { return false }
        if ["1", "true", "yes", "on"].contains(text) { return true }
        guard ["0", "false", "no", "off"].contains(text) else {
            throw ConfigurationProblem("SWIFTLET_\(name)", "is neither 'true' nor 'false'")
        }
        return false
    }

    func number(_ name: String) throws -> Int? {
        guard let text = string(name) else { return nil }
        guard let number = Int(text) else { throw ConfigurationProblem("SWIFTLET_\(name)", "is no whole number") }
        return number
    }

    /// Everything in the environment, for the secrets and settings that functions declare.
    static var variables: [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text)
            if let mark = pair.firstIndex(of: "=") { variables[String(pair[..<mark])] = String(pair[pair.index(after: mark)...]) }
            entry += 1
        }
        return variables
    }
}

extension Substring {
    fileprivate var trimmedSpaces: Substring {
        var text = self
        while text.first == " " { text = text.dropFirst() }
        while text.last == " " { text = text.dropLast() }
        return text
    }
}

extension ServeCommand {
    /// The configuration these flags and the environment make. Throws ``ConfigurationProblem``.
    func hostConfiguration() throws -> HostConfiguration {
        let environment = Environment.shared
        try Environment.refuseUnknown(in: Environment.variables.keys)
        var configuration = HostConfiguration()
        configuration.mounts = CommandLineTool.mounts
        let host = listening.host ?? environment.string("HOST") ?? "127.0.0.1"
        let port = listening.port ?? environment.string("PORT") ?? "54321"
        configuration.server.addresses = port == "none" ? [] : [.tcp(host: host, port: try ServeCommand.port(port, "port"))]
        if let path = listening.unixSocket ?? environment.string("UNIX_SOCKET") {
            configuration.server.addresses.append(.unix(path: path))
        }
        guard !configuration.server.addresses.isEmpty else {
            throw ConfigurationProblem("port", "is none, and there is no --unix-socket: nothing to listen on")
        }
        let admin = listening.adminPort ?? environment.string("ADMIN_PORT") ?? "54390"
        configuration.admin = admin == "none" ? nil : .init(host: "127.0.0.1", port: try ServeCommand.port(admin, "admin-port"))

        configuration.behindProxy = try proxies.behindProxy || environment.flag("BEHIND_PROXY")
        try storage.apply(to: &configuration)
        try realtime.apply(to: &configuration)
        try realtimeEngine.apply(to: &configuration)
        configuration.trustedProxies = proxies.trustedProxy.isEmpty ? environment.list("TRUSTED_PROXY") : proxies.trustedProxy
        configuration.usesForwardedHeader = try proxies.forwardedHeader || environment.flag("FORWARDED_HEADER")
        configuration.server.proxyProtocol = try proxies.proxyProtocol || environment.flag("PROXY_PROTOCOL")

        let origins = browsers.corsOrigin.isEmpty ? environment.list("CORS_ORIGIN") : browsers.corsOrigin
        if !origins.isEmpty { configuration.corsOrigins = origins }
        configuration.corsCredentials = try browsers.corsCredentials || environment.flag("CORS_CREDENTIALS")

        configuration.auth.jwksURL = tokens.jwksURL ?? environment.string("JWKS_URL") ?? environment.variable("SUPABASE_JWKS_URL")
        configuration.auth.jwksFile = tokens.jwksFile ?? environment.string("JWKS_FILE")
        configuration.auth.issuer = tokens.jwtIssuer ?? environment.string("JWT_ISSUER")
        configuration.auth.audience = tokens.jwtAudience ?? environment.string("JWT_AUDIENCE")
        configuration.auth.leewaySeconds = try tokens.jwtLeeway ?? environment.number("JWT_LEEWAY") ?? 0

        secrets.apply(to: &configuration)
        try applyLimits(to: &configuration)

        configuration.strict = try running.strict || environment.flag("STRICT")
        configuration.server.loops = try running.threads ?? environment.number("THREADS") ?? 0
        configuration.isolation =
            try running.inline || environment.flag("INLINE")
            ? nil : isolation(drain: try running.drain ?? environment.number("DRAIN") ?? 30)
        configuration.drain = .seconds(try running.drain ?? environment.number("DRAIN") ?? 30)
        return configuration
    }

    private func isolation(drain: Int) throws -> any Isolation {
        let environment = Environment.shared
        var settings = WorkerSettings()
        settings.bootsAtOnce = HostConfiguration.processors
        settings.areWarm = try !(workers.coldStart || environment.flag("COLD_START"))
        func positive(_ flag: Int?, _ name: String) throws -> Int? {
            guard let value = try flag ?? environment.number(name) else { return nil }
            guard value > 0 else { throw ConfigurationProblem(name.lowercased(), "must be at least 1") }
            return value
        }
        if let idle = try positive(workers.workerIdle, "WORKER_IDLE") { settings.idle = .seconds(idle) }
        if let boot = try positive(workers.workerBoot, "WORKER_BOOT") { settings.boot = .seconds(boot) }
        if let room = try positive(workers.workerRoom, "WORKER_ROOM") { settings.room = room }
        settings.grace = .seconds(max(1, drain))
        if let name = workers.workerUser ?? environment.string("WORKER_USER") {
            guard geteuid() == 0 else { throw ConfigurationProblem("worker-user", "needs a host started by root") }
            guard let entry = getpwnam(name) else { throw ConfigurationProblem("worker-user", "there is no user '\(name)'") }
            guard entry.pointee.pw_uid != 0 else { throw ConfigurationProblem("worker-user", "is root, which is no containment") }
            settings.user = (entry.pointee.pw_uid, entry.pointee.pw_gid)
        }
        return WorkerIsolation(settings: settings, launcher: ProcessLauncher(environment: Environment.variables))
    }

    private func applyLimits(to configuration: inout HostConfiguration) throws {
        let environment = Environment.shared
        func seconds(_ flag: Int?, _ name: String, into duration: inout Duration) throws {
            if let value = try flag ?? environment.number(name) {
                guard value > 0 else { throw ConfigurationProblem(name.lowercased(), "must be at least 1 second") }
                duration = .seconds(value)
            }
        }
        func count(_ flag: Int?, _ name: String, into target: inout Int) throws {
            if let value = try flag ?? environment.number(name) {
                guard value > 0 else { throw ConfigurationProblem(name.lowercased(), "must be at least 1") }
                target = value
            }
        }
        if let text = limits.addressLimit ?? environment.string("ADDRESS_LIMIT") {
            if text == "none" {
                configuration.addressLimit = nil
            } else {
                guard let requests = Int(text) else {
                    throw ConfigurationProblem("address-limit", "is neither a whole number nor 'none'")
                }
                configuration.addressLimit = (requests, .minutes(1))
            }
        }
        configuration.rateLimits = try RateLimitOption.limits(
            limits.rateLimit.isEmpty ? environment.list("RATE_LIMIT") : limits.rateLimit)
        var http = configuration.server.limits
        try count(limits.maxRequestLine, "MAX_REQUEST_LINE", into: &http.requestLine)
        try count(limits.maxHeaderBytes, "MAX_HEADER_BYTES", into: &http.fields)
        try count(limits.maxHeaders, "MAX_HEADERS", into: &http.fieldCount)
        configuration.server.limits = http
        try seconds(limits.headTimeout, "HEAD_TIMEOUT", into: &configuration.server.headTimeout)
        try seconds(limits.bodyTimeout, "BODY_TIMEOUT", into: &configuration.server.bodyIdleTimeout)
        try seconds(limits.keepAlive, "KEEP_ALIVE", into: &configuration.server.keepAliveTimeout)
        try count(limits.maxConnections, "MAX_CONNECTIONS", into: &configuration.server.maxConnections)
        try count(
            limits.maxConnectionsPerAddress, "MAX_CONNECTIONS_PER_ADDRESS", into: &configuration.server.maxConnectionsPerAddress)
        try count(limits.maxPipelined, "MAX_PIPELINED", into: &configuration.server.maxPipelined)
        configuration.privateEgress = Set(
            limits.allowPrivateEgress.isEmpty ? environment.list("ALLOW_PRIVATE_EGRESS") : limits.allowPrivateEgress)
    }

    private static func port(_ text: String, _ setting: String) throws -> Int {
        guard let port = Int(text), (0...65535).contains(port) else {
            throw ConfigurationProblem(setting, "'\(text)' is no port (0…65535)")
        }
        return port
    }

    func isText() throws -> Bool {
        switch try running.logFormat ?? ServeCommand.logFormat(Environment.shared.string("LOG_FORMAT")) {
        case .text: true
        case .json: false
        case .auto: isatty(STDOUT_FILENO) == 1
        }
    }

    private static func logFormat(_ text: String?) throws -> LogFormat {
        guard let text else { return .auto }
        guard let format = LogFormat(rawValue: text) else {
            throw ConfigurationProblem("log-format", "'\(text)' is not one of auto, text, json")
        }
        return format
    }

    func level() throws -> Logger.Level {
        guard let text = running.logLevel ?? Environment.shared.string("LOG_LEVEL") else { return .info }
        guard let level = Logger.Level(rawValue: text) else {
            throw ConfigurationProblem(
                "log-level", "'\(text)' is not one of trace, debug, info, notice, warning, error, critical")
        }
        return level
    }
}
