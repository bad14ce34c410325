package import Swiftlet
package import SwiftletServer
package import SwiftletSecrets

/// Everything an operator can set, checked as a whole by ``Host/init(functions:configuration:)``.
package struct HostConfiguration: Sendable {
    package var server = ServerConfiguration()
    package var clock = HostClock.system

    /// Ranges whose forwarding headers count.
    package var trustedProxies: [String] = []
    /// Read `Forwarded` (RFC 7239) instead of the `X-Forwarded-…` fields.
    package var usesForwardedHeader = false
    /// The operator says that a proxy with TLS stands in front, so that listening beyond loopback is fine.
    package var behindProxy = false

    package var corsOrigins = ["*"]
    package var corsCredentials = false

    /// Requests per client address before anything costly is done; `nil` for no such limit.
    package var addressLimit: (requests: Int, window: Duration)? = (3000, .minutes(1))

    /// Limits per caller that take the place of those in the functions' policies, by the function's name.
    package var rateLimits: [String: RateLimitRule] = [:]

    package var auth = AuthSettings()
    package var secrets = SecretSettings()
    /// Values of settings that functions declare, by name, beyond the environment.
    package var settings: [String: String] = [:]
    /// Functions whose egress may reach private addresses.
    package var privateEgress: Set<String> = []

    package var storage = StorageSettings()
    package var realtime = RealtimeSettings()

    /// Refuse to start when any function cannot boot.
    package var strict = false
    package var admin: AdminAddress? = AdminAddress(host: "127.0.0.1", port: 54390)
    package var drain: Duration = .seconds(30)
    /// Paths of the host's own that lead to a function (`/health` in test hosts).
    package var mounts: [String: FunctionName] = [:]

    /// Processors the host may use, and those it has when no number of threads is set.
    package static var processors: Int { Affinity.cores }

    /// Where functions run; `nil` for the host's own process.
    package var isolation: (any Isolation)?

    /// Answers the functions' egress instead of the network, in tests.
    package var stubEgress: (@Sendable (OutboundRequest) async throws -> OutboundResponse)?

    package struct AdminAddress: Sendable {
        package var host: String
        package var port: Int
        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    package struct AuthSettings: Sendable {
        package var issuer: String?
        package var audience: String?
        package var leewaySeconds = 0
        /// `SUPABASE_JWKS_URL`.
        package var jwksURL: String?
        package var jwksFile: String?
        package init() {}
    }

    package struct SecretSettings: Sendable {
        /// A dotenv file; a missing one is an error when `fileIsRequired`.
        package var file: String?
        package var fileIsRequired = false
        package var directory: String?
        package var environment: [String: String] = [:]
        package init() {}

        package var sources: SecretSources {
            SecretSources(environment: environment, directory: directory, file: file, fileIsRequired: fileIsRequired)
        }
    }

    package init() {}
}

extension HostConfiguration {
    /// The limit per caller that holds for a function: the operator's, else its policy's.
    package func rateLimit(of function: Registration) -> RateLimitRule {
        rateLimits[function.name.text] ?? function.policy.rateLimit
    }
}
