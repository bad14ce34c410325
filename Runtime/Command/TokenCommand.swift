import ArgumentParser
import Glibc
import Swiftlet
import SwiftletAuth
import SwiftletCrypto
import SwiftletHost
import SwiftletJSON

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Mint a development token (HS256) and print it.",
        discussion: """
            Signed with JWT_SECRET (or SUPABASE_JWT_SECRET) from the environment or the secrets file; without one, with the public demo secret of
            Supabase's local stack, which hosts accept on loopback only.

              curl -H "Authorization: Bearer $(swiftlet token --sub me)" http://127.0.0.1:54321/functions/v1/…
            """)

    @Option(help: "The user's id.") var sub = "00000000-0000-4000-8000-000000000001"
    @Option(help: "The role: authenticated, anon or service_role.") var role = "authenticated"
    @Option(help: ArgumentHelp("How long it is good.", valueName: "seconds")) var expires = 3600
    @Option(help: "The issuer, when the host asks for one.") var issuer: String?
    @Option(help: "The audience.") var audience = "authenticated"
    @Option(help: ArgumentHelp("A further claim. Repeatable.", valueName: "name=value")) var claim: [String] = []
    @OptionGroup var secrets: SecretOptions

    func run() async throws {
        guard (1...31_536_000).contains(expires) else { throw ValidationError("--expires takes 1 to 31536000 seconds") }
        var extra: [(name: String, value: JSON)] = []
        for pair in claim {
            guard let mark = pair.firstIndex(of: "="), mark > pair.startIndex else {
                throw ValidationError("'\(pair)' is not name=value")
            }
            let text = String(pair[pair.index(after: mark)...])
            extra.append((String(pair[..<mark]), (try? JSON.parse(Array(text.utf8))) ?? .string(text)))
        }
        try await ServeCommand.exitingOnProblem {
            var configuration = HostConfiguration()
            secrets.apply(to: &configuration)
            let now = Int64(time(nil))
            var content = TokenMinter.Content(
                subject: sub.isEmpty ? nil : sub, role: role, issuer: issuer, audience: [audience], issuedAt: now,
                expiresAt: now + Int64(expires))
            content.extra = extra
            Output.line(try DevelopmentToken.mint(content, configuration: configuration))
        }
    }
}
