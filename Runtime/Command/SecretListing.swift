import Swiftlet
import SwiftletCrypto
import SwiftletHost
import SwiftletSecrets

/// What `secrets` shows and changes.
enum SecretListing {
    struct Line {
        let name: String
        let digest: String
        let source: String
    }

    /// Every secret in the files, and those of the environment that some function declares: the rest of the environment is nobody's business.
    static func lines(_ configuration: HostConfiguration, declared: Set<String>) throws -> [Line] {
        try translating {
            let secrets = try SecretStore(configuration.secrets.sources).current
            return secrets.names.compactMap { entry in
                let name = SecretName(entry.name)
                let own = entry.name.split(separator: "__", maxSplits: 1).last.map(String.init) ?? entry.name
                if entry.source == .environment, !declared.contains(entry.name), !declared.contains(own), !isHosts(entry.name) {
                    return nil
                }
                guard let secret = secrets.value(name, forFunction: nil) else { return nil }
                return Line(
                    name: entry.name, digest: secretDigest(secret) { SHA256.hash(Array($0)).bytes },
                    source: entry.source.description)
            }
        }
    }

    /// The functions that declare a secret, with a word where they do without it.
    static func users(of secret: String, among functions: [Registration]) -> [String] {
        let name = SecretName(secret)
        return functions.compactMap { function in
            if function.policy.secrets.contains(name) { return function.name.text }
            return function.policy.optionalSecrets.contains(name) ? "\(function.name) (optional)" : nil
        }
    }

    private static func isHosts(_ name: String) -> Bool { AuthSetup.names.contains(name) }

    /// The pairs of a dotenv file.
    static func pairs(in file: String) throws -> [(SecretName, String)] {
        try translating {
            let set = try SecretSources(file: file, fileIsRequired: true).load().set
            return set.names.compactMap { entry in
                set.value(SecretName(entry.name), forFunction: nil).map { (SecretName(entry.name), $0.reveal()) }
            }
        }
    }

    /// Writes pairs and returns what to tell about those that were not taken.
    static func set(_ pairs: [(SecretName, String)], in file: String) throws -> [String] {
        try translating {
            let change = try SecretFile.set(file, pairs.map { (name: $0.0.text, value: $0.1) })
            return change.skipped.map { "Env name cannot start with SUPABASE_, skipping: \($0)" }
        }
    }

    static func names(in file: String) throws -> [String] { try translating { try SecretFile.names(file) } }

    static func unset(_ names: [String], in file: String) throws { _ = try translating { try SecretFile.unset(file, names) } }

    private static func translating<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let problem as SecretProblem { throw ConfigurationProblem("secrets", problem.message) }
    }
}
