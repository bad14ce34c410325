import Swiftlet
import SwiftletAuth
import SwiftletCrypto
import SwiftletJSON
import SwiftletSecrets

/// Makes what Auth needs from secrets and settings, under the names Supabase gives them.
package struct AuthSetup {
    let configuration: AuthConfiguration
    /// What the host signs tokens of its own with; nil when it only knows public keys.
    let signingSecret: SecretBytes?
    /// What the operator should know, without values.
    private(set) var notes: [String] = []

    /// Secrets that are the host's own, under the names Supabase gives them.
    package static let names: [String] = [
        // The storage's.
        "STORAGE_SIGNING_KEY", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "SUPABASE_SERVICE_ROLE_KEY",
        // What clients of realtime may know.
        "SUPABASE_ANON_KEY",
        // For verifying callers.
        "JWT_SECRET", "SUPABASE_JWT_SECRET", "JWT_SECRET_PREVIOUS", "SUPABASE_JWKS", "SUPABASE_PUBLISHABLE_KEYS",
        "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEYS", "SUPABASE_SECRET_KEY",
    ]

    /// The secret of Supabase's local stack, published in its documentation.
    package static let demoSecret = "super-secret-jwt-token-with-at-least-32-characters-long"

    init(_ host: HostConfiguration, secrets: SecretSet) throws(ConfigurationProblem) {
        let isLocal = HostChecks.isLocal(host)
        func secret(_ name: SecretName) -> Secret? { secrets.value(name, forFunction: nil) }
        var hs256: [SecretBytes] = []
        for name in ["JWT_SECRET", "SUPABASE_JWT_SECRET", "JWT_SECRET_PREVIOUS"] as [SecretName] {
            if let value = secret(name) { hs256.append(value.withBytes { SecretBytes(Array($0)) }) }
        }
        var document = secret("SUPABASE_JWKS").map { $0.withBytes { Array($0) } }
        if let file = host.auth.jwksFile {
            guard let bytes = SmallFile.read(file, limit: JWKS.maximumBytes) else {
                throw ConfigurationProblem("jwks-file", "\(file) cannot be read, or is larger than \(JWKS.maximumBytes) bytes")
            }
            document = bytes
        }
        var jwks: JWKS?
        if let document {
            do throws(JWKS.Problem) { jwks = try JWKS(parsing: document) } catch {
                throw ConfigurationProblem("SUPABASE_JWKS", "is no key set (\(error.rawValue)); it looks like {\"keys\":[…]}")
            }
        }
        if let jwks, jwks.symmetricCount > 0 {
            notes.append("SUPABASE_JWKS holds a symmetric key, which is not used: a key set is public; set JWT_SECRET instead")
        }
        if let set = jwks, set.count == set.symmetricCount { jwks = nil }
        let usesDemoSecret = hs256.isEmpty && jwks == nil && host.auth.jwksURL == nil && isLocal
        if usesDemoSecret {
            hs256 = [SecretBytes(Array(AuthSetup.demoSecret.utf8))]
            notes.append(
                "no JWT_SECRET and no JWKS: accepting tokens signed with the public demo secret of Supabase's local stack (loopback only)"
            )
        } else if hs256.isEmpty, jwks == nil, host.auth.jwksURL == nil {
            notes.append("no JWT_SECRET and no JWKS: functions for users refuse every token; set JWT_SECRET or SUPABASE_JWKS")
        }
        // Not the previous one: it is on its way out.
        let own = ["JWT_SECRET", "SUPABASE_JWT_SECRET"] as [SecretName]
        signingSecret =
            own.lazy.compactMap { secret($0) }.first.map { $0.withBytes { SecretBytes(Array($0)) } }
            ?? (usesDemoSecret ? hs256.first : nil)
        do throws(AuthConfigurationError) {
            configuration = try AuthConfiguration(
                hs256Secrets: hs256, jwks: jwks, jwksURL: host.auth.jwksURL, issuer: host.auth.issuer,
                audience: host.auth.audience,
                leewaySeconds: host.auth.leewaySeconds,
                publishableKeys: AuthSetup.keys(secret("SUPABASE_PUBLISHABLE_KEYS"), secret("SUPABASE_PUBLISHABLE_KEY")),
                secretKeys: AuthSetup.keys(secret("SUPABASE_SECRET_KEYS"), secret("SUPABASE_SECRET_KEY")),
                acceptKeyAsBearer: true, onLoopback: isLocal)
        } catch {
            throw ConfigurationProblem(error.setting, error.advice)
        }
    }

    /// Named keys as Supabase injects them (`{"default":"sb_…"}`), or a single one.
    static func keys(_ plural: Secret?, _ singular: Secret?) -> [String: SecretBytes] {
        var keys: [String: SecretBytes] = [:]
        if let plural, let object = plural.withBytes({ try? JSON.parse($0) })?.object {
            for (name, value) in object { if let text = value.string { keys[name] = SecretBytes(Array(text.utf8)) } }
        }
        if keys.isEmpty, let singular { keys["default"] = singular.withBytes { SecretBytes(Array($0)) } }
        return keys
    }
}
