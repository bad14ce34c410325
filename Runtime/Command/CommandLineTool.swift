public import ArgumentParser
import Dispatch
import Glibc
public import Swiftlet
import SwiftletImages
import Synchronization

/// The command line of a host. It knows no function: the executable hands the registry over.
public struct CommandLineTool: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "swiftlet", abstract: "An edge-function host for Swift.",
        discussion: """
            Serves Swift functions at /functions/v1/<name>, each with its own secrets, JWT verification, input checks and rate limits, the way
            Supabase Edge Functions does it for Deno.

              swiftlet serve                 serve all functions on http://127.0.0.1:54321
              swiftlet functions list        what there is
              swiftlet secrets set NAME=…    give functions their secrets

            Exit codes: 0 done, 1 failed, 64 wrong usage, 78 wrong configuration.
            """,
        version: "0.1.0",
        subcommands: [
            ServeCommand.self, FunctionsCommand.self, SecretsCommand.self, TokenCommand.self, CheckCommand.self,
            InvokeCommand.self,
            MockCommand.self,
        ])

    public init() {}

    /// What the executable brings.
    private struct Registry: Sendable {
        var functions: [Registration] = []
        var mounts: [String: FunctionName] = [:]
    }
    private static let registry = Mutex(Registry())

    static var functions: [Registration] { registry.withLock { $0.functions } }
    static var mounts: [String: FunctionName] { registry.withLock { $0.mounts } }

    /// Runs the command line and ends the process with its exit code.
    ///
    /// - Parameter mounts: further paths that lead to a function, such as `/health` in a host for tests.
    public static func run(_ functions: [Registration], mounts: [String: FunctionName] = [:]) -> Never {
        // Not for users: the process of a function, started by its host. Before anything else runs in it.
        if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "worker" { WorkerProgram.run(functions) }
        // Nor is this: a process that makes small pictures of stored ones.
        if CommandLine.arguments.count == 2, CommandLine.arguments[1] == "thumbnail" { ThumbnailProgram.run() }
        registry.withLock { $0 = Registry(functions: functions, mounts: mounts) }
        // Not an `async` main: that starts threads first, and a worker has to give up what it does not need while it has only one.
        Task.detached {
            await CommandLineTool.main()
            Glibc.exit(EXIT_SUCCESS)
        }
        dispatchMain()
    }
}
