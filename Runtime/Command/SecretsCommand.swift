import ArgumentParser
import Glibc
import Swiftlet
import SwiftletCrypto
import SwiftletHost
import SwiftletSecrets

struct SecretsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secrets", abstract: "List, set or unset the secrets that functions read.",
        subcommands: [List.self, Set.self, Unset.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Print the names of all secrets, where they come from, and the first digits of their SHA-256. Never a value.")
        @OptionGroup var options: SecretOptions

        func run() async throws {
            try await ServeCommand.exitingOnProblem {
                var configuration = HostConfiguration()
                options.apply(to: &configuration)
                let declared = Swift.Set(CommandLineTool.functions.flatMap { $0.policy.allSecrets.map(\.text) })
                var rows = [["NAME", "DIGEST", "SOURCE", "DECLARED BY"]]
                for line in try SecretListing.lines(configuration, declared: declared) {
                    let users = SecretListing.users(of: line.name, among: CommandLineTool.functions)
                    rows.append([line.name, line.digest, line.source, users.isEmpty ? "-" : users.joined(separator: ",")])
                }
                Output.line(FunctionTable.table(rows))
            }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write secrets to the secrets file (mode 0600). A running host takes them over within a second.")
        @Argument(help: ArgumentHelp("NAME=VALUE, one or more.", valueName: "NAME=VALUE")) var pairs: [String] = []
        @Option(help: ArgumentHelp("Take the pairs from a dotenv file instead.", valueName: "file")) var envFile: String?
        @OptionGroup var options: SecretOptions

        func run() async throws {
            var values: [(SecretName, String)] = []
            for pair in pairs {
                guard let mark = pair.firstIndex(of: "="), mark > pair.startIndex else {
                    throw ValidationError("Invalid secret pair: \(pair.prefix(while: { $0 != "=" })). Must be NAME=VALUE.")
                }
                values.append((SecretName(String(pair[..<mark])), String(pair[pair.index(after: mark)...])))
            }
            try await ServeCommand.exitingOnProblem {
                if let envFile { values = try SecretListing.pairs(in: envFile) + values }
                guard !values.isEmpty else {
                    throw ValidationError("No arguments found. Use --env-file to read from a .env file.")
                }
                for note in try SecretListing.set(values, in: options.file) { Output.error(note) }
                Output.line("Finished swiftlet secrets set.")
            }
        }
    }

    struct Unset: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove secrets from the secrets file; without names, all of them.")
        @Argument(help: "Names of secrets.") var names: [String] = []
        @Flag(help: "Do not ask.") var yes = false
        @OptionGroup var options: SecretOptions

        func run() async throws {
            try await ServeCommand.exitingOnProblem {
                let there = try SecretListing.names(in: options.file)
                let wanted = names.isEmpty ? there.filter { !$0.hasPrefix("SUPABASE_") } : names
                guard !wanted.isEmpty else { return Output.line("You have not set any function secrets, nothing to do.") }
                if !yes {
                    Output.prompt("Do you want to unset these function secrets: \(wanted.joined(separator: ", "))? [Y/n] ")
                    guard let answer = readLine(), ["", "y", "yes"].contains(answer.lowercased()) else { throw ExitCode.failure }
                }
                for name in wanted where !there.contains(name) { Output.error("\(name) is not in \(options.file)") }
                try SecretListing.unset(wanted, in: options.file)
                Output.line("Finished swiftlet secrets unset.")
            }
        }
    }
}
