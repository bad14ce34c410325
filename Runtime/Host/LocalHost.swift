import Glibc
package import Swiftlet
package import SwiftletAuth
import SwiftletCrypto
import SwiftletSecrets
package import SwiftletTelemetry

/// A host that lives as long as a piece of work: for tests and `invoke`.
package enum LocalHost {
    /// Serves while `body` runs, then stops gracefully.
    package static func run<Result: Sendable>(
        _ functions: [Registration], configuration: HostConfiguration, sink: LogSink,
        _ body: @Sendable (Host, Listening) async throws -> Result
    ) async throws -> Result {
        let host = try Host(functions: functions, configuration: configuration, sink: sink, metrics: PrometheusRegistry())
        let (places, continuation) = AsyncStream.makeStream(of: Listening.self)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { continuation.finish() }
                try await HostService(host) { continuation.yield($0) }.run()
            }
            var iterator = places.makeAsyncIterator()
            guard let place = await iterator.next() else {
                // It ended before it listened: its error says why.
                try await group.waitForAll()
                throw ConfigurationProblem("listen", "the host ended before it listened")
            }
            do {
                let result = try await body(host, place)
                host.stop()
                try await group.waitForAll()
                return result
            } catch {
                host.stop()
                try? await group.waitForAll()
                throw error
            }
        }
    }
}

/// Tokens for development, signed as the host's own configuration says.
package enum DevelopmentToken {
    package static func mint(_ content: TokenMinter.Content, configuration: HostConfiguration? = nil) throws -> String {
        var secret = SecretBytes(Array(AuthSetup.demoSecret.utf8))
        if let configuration {
            let secrets = try SecretStore(configuration.secrets.sources).current
            for name in ["JWT_SECRET", "SUPABASE_JWT_SECRET"] as [SecretName] {
                guard let value = secrets.value(name, forFunction: nil) else { continue }
                secret = value.withBytes { SecretBytes(Array($0)) }
                break
            }
        }
        do throws(TokenMinter.Problem) {
            return try TokenMinter(.hs256(secret)).mint(content)
        } catch {
            switch error {
            case .shortSecret:
                throw ConfigurationProblem("JWT_SECRET", "is shorter than 32 bytes; make one with: openssl rand -base64 48")
            case .duplicateClaim(let name): throw ConfigurationProblem("claim", "\(name) is given twice")
            case .tooLong: throw ConfigurationProblem("claim", "the token would be longer than a host accepts (8 KiB)")
            case .signing: throw ConfigurationProblem("token", "cannot be signed: \(error)")
            }
        }
    }
}

extension Host {
    /// A token to paste, when this host accepts the public demo secret: then it is no secret.
    package func developmentToken() -> String? {
        guard HostChecks.isLocal(configuration),
            (["JWT_SECRET", "SUPABASE_JWT_SECRET"] as [SecretName]).allSatisfy({ name in
                guard let secret = secrets.current.value(name, forFunction: nil) else { return true }
                return secret.reveal() == AuthSetup.demoSecret
            })
        else { return nil }
        let now = Int64(time(nil))
        return try? DevelopmentToken.mint(
            .init(
                subject: "00000000-0000-4000-8000-000000000001", role: "authenticated", audience: ["authenticated"],
                issuedAt: now,
                expiresAt: now + 3600))
    }
}
