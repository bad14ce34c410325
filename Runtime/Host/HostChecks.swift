import Swiftlet
import SwiftletEgress
import SwiftletNet
import SwiftletServer

/// What has to be right before anything listens.
enum HostChecks {
    static func names(_ functions: [Registration]) throws(ConfigurationProblem) {
        var seen: Set<FunctionName> = []
        let secrets = Set(functions.flatMap { $0.policy.allSecrets.map(\.text) } + AuthSetup.names)
        for function in functions {
            guard function.name.isValid else { throw ConfigurationProblem("function '\(function.name)'", FunctionName.rule) }
            guard seen.insert(function.name).inserted else {
                throw ConfigurationProblem("function '\(function.name)'", "is registered twice; give one of them another name")
            }
            for secret in function.policy.allSecrets where !secret.isValid {
                throw ConfigurationProblem(
                    "function '\(function.name)'", "declares the secret '\(secret)', which is no name: letters, digits and '_'")
            }
            for secret in function.policy.optionalSecrets where function.policy.secrets.contains(secret) {
                throw ConfigurationProblem(
                    "function '\(function.name)'", "declares the secret \(secret) as needed and as optional; name it once")
            }
            // A setting is read without the care a secret gets, by whichever function names it.
            for setting in function.policy.settings where secrets.contains(setting.name) {
                throw ConfigurationProblem(
                    "function '\(function.name)'",
                    "declares the setting \(setting.name), which is a secret's name; call it otherwise")
            }
            for setting in function.policy.settings where !SecretName(setting.name).isValid {
                throw ConfigurationProblem(
                    "function '\(function.name)'",
                    "declares the setting '\(setting.name)', which is no name: letters, digits and '_'")
            }
            guard function.policy.deadline > .zero else {
                throw ConfigurationProblem("function '\(function.name)'", "has a deadline that is not positive")
            }
            guard (1...256).contains(function.policy.workers) else {
                throw ConfigurationProblem(
                    "function '\(function.name)'", "wants \(function.policy.workers) workers; 1 to 256 can be had")
            }
            let limits = function.policy.limits
            guard limits.cpuSoft <= limits.cpuHard, limits.memorySoft <= limits.memoryHard, limits.cpuSoft > .zero,
                limits.memorySoft >= .mib(16), limits.responseIdle > .zero, limits.background > .zero, limits.output.bytes > 0
            else {
                throw ConfigurationProblem(
                    "function '\(function.name)'",
                    "has limits that cannot hold: all positive, soft ones below hard ones, at least 16 MiB of memory")
            }
            for field in function.policy.body.screening?.fields ?? [] where !field.isValid {
                throw ConfigurationProblem(
                    "function '\(function.name)'",
                    "names the field '\(field)' in its body rules, which is no path such as 'content', 'messages[].text' or '**'")
            }
            guard !function.policy.methods.isEmpty else {
                throw ConfigurationProblem("function '\(function.name)'", "answers no method; give it one in `methods:`")
            }
        }
    }

    /// Further paths to functions: none that leads nowhere, and none that the host answers itself.
    static func mounts(_ mounts: [String: FunctionName], _ functions: [Registration]) throws(ConfigurationProblem) {
        for (path, name) in mounts.sorted(by: { $0.key < $1.key }) {
            guard path.utf8.first == UInt8(ascii: "/"), path.utf8.count > 1,
                path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"?#%".utf8.contains($0) })
            else { throw ConfigurationProblem("path '\(path)'", "is none: it starts with '/' and holds no '?', '#' or '%'") }
            if let taken = Routes.reserved.first(where: { path.hasPrefix($0) }) {
                throw ConfigurationProblem(
                    "path '\(path)'", "can lead to no function: everything below \(taken) is the host's own")
            }
            guard functions.contains(where: { $0.name == name }) else {
                throw ConfigurationProblem("path '\(path)'", "leads to '\(name)', and there is no such function")
            }
        }
    }

    static func rateLimits(_ limits: [String: RateLimitRule], _ functions: [Registration]) throws(ConfigurationProblem) {
        for name in limits.keys.sorted() where !functions.contains(where: { $0.name.text == name }) {
            let names = functions.map(\.name.text).sorted().joined(separator: ", ")
            throw ConfigurationProblem("rate-limit", "names '\(name)', and there is no such function; there are: \(names)")
        }
    }

    /// Plain HTTP beyond this machine is only for what stands behind a proxy.
    static func listeners(_ configuration: HostConfiguration) throws(ConfigurationProblem) {
        for case .tcp(let host, _) in configuration.server.addresses where !isLoopback(host) && !configuration.behindProxy {
            throw ConfigurationProblem(
                "host",
                "listening on \(host) without TLS shows tokens to the network; put a proxy in front and say --behind-proxy")
        }
        if let admin = configuration.admin, !isLoopback(admin.host) {
            throw ConfigurationProblem(
                "admin", "the admin listener is for loopback only; let a collector on this machine read it")
        }
    }

    static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" { return true }
        guard let address = IPAddress(host) else { return false }
        return AddressTable.deniedClass(of: address) == .loopback
    }

    /// The whole host listens on loopback or a Unix socket only.
    static func isLocal(_ configuration: HostConfiguration) -> Bool {
        configuration.server.addresses.allSatisfy { address in
            if case .tcp(let host, _) = address { isLoopback(host) } else { !configuration.behindProxy }
        }
    }

    static func egress(
        _ functions: [Registration], settings: SettingValues, _ configuration: HostConfiguration
    ) throws(ConfigurationProblem) -> [FunctionName: [EgressPolicy]] {
        for name in configuration.privateEgress where !functions.contains(where: { $0.name.text == name }) {
            throw ConfigurationProblem("allow-private-egress", "there is no function named '\(name)'")
        }
        var policies: [FunctionName: [EgressPolicy]] = [:]
        for function in functions {
            var origins: [String] = []
            for setting in function.policy.settings where setting.isOrigin {
                guard let url = WebURL(settings.value(setting)), url.scheme == "http" || url.scheme == "https" else {
                    throw ConfigurationProblem(setting.name, "is no http or https URL")
                }
                if settings.isSet(setting) { origins.append(url.origin) }
            }
            do throws(EgressPolicyError) {
                for redirects in 0...EgressPolicy.redirectLimit {
                    let policy = try EgressPolicy(
                        hosts: function.policy.egress, origins: origins,
                        allowsPrivate: configuration.privateEgress.contains(function.name.text), maxRedirects: redirects)
                    policies[function.name, default: []].append(policy)
                }
            } catch {
                throw ConfigurationProblem("function '\(function.name)'", "\(error)")
            }
        }
        return policies
    }

    /// What `health` knocks at: the configured origins, and the declared hosts that no setting replaces.
    static func targets(
        _ functions: [Registration], settings: SettingValues, policies: [FunctionName: [EgressPolicy]]
    ) -> [(name: String, url: String, policy: EgressPolicy)] {
        var targets: [(name: String, url: String, policy: EgressPolicy)] = []
        for function in functions {
            let policy = policies[function.name]?.first ?? .none
            let configured = function.policy.settings.filter { $0.isOrigin && settings.isSet($0) }
            for setting in configured {
                if let url = WebURL(settings.value(setting)) { targets.append((url.hostname, url.origin + "/", policy)) }
            }
            guard configured.isEmpty else { continue }
            for host in function.policy.egress where !host.hasPrefix("*.") { targets.append((host, "https://\(host)/", policy)) }
        }
        return targets
    }

    static func bootMessage(_ function: FunctionName, missing: [SecretName]) -> String {
        "\(function) lacks \(missing.map(\.text).joined(separator: ", ")); set it with `swiftlet secrets set \(missing[0])=…`, "
            + "in the environment, or in the secrets file (see secrets.example)"
    }
}

/// The values of settings: what the operator set, else the declared default.
struct SettingValues: Sendable {
    private let configured: [String: String]
    private let environment: [String: String]

    init(_ configuration: HostConfiguration) {
        configured = configuration.settings
        environment = configuration.secrets.environment
    }

    func value(_ setting: Setting) -> String { operatorsValue(setting) ?? setting.defaultValue }
    func isSet(_ setting: Setting) -> Bool { operatorsValue(setting) != nil }

    private func operatorsValue(_ setting: Setting) -> String? {
        let value = configured[setting.name] ?? environment[setting.name]
        return value.flatMap { $0.isEmpty ? nil : $0 }
    }
}
