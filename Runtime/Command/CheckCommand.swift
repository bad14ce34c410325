import ArgumentParser
import Glibc
import Swiftlet
import SwiftletHost
import SwiftletTelemetry

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Judge configuration and functions as serve --strict would, without listening.",
        discussion: "Takes the flags of serve. Ends with 0 when every function would boot, with 78 and the reason otherwise.")
    @OptionGroup var serve: ServeCommand

    func run() async throws {
        try await ServeCommand.exitingOnProblem {
            let configuration = try serve.hostConfiguration()
            // Not used here, but serve would refuse it.
            _ = try serve.level()
            let sink = LogSink(descriptor: STDERR_FILENO, format: try serve.isText() ? .text : .json, level: .warning)
            defer { sink.close() }
            let host = try Host(
                functions: CommandLineTool.functions, configuration: configuration, sink: sink, metrics: PrometheusRegistry())
            sink.flush()
            let broken = host.broken
            Output.line(
                FunctionTable(CommandLineTool.functions, limits: configuration.rateLimits) { name in
                    broken.first { $0.name == name }.map { "lacks \($0.missing.map(\.text).joined(separator: ","))" } ?? "ready"
                }.text)
            await host.close()
            guard let first = broken.first else { return Output.line("All functions would boot.") }
            throw ConfigurationProblem(
                "\(first.name)",
                "lacks \(first.missing[0]); set it with `swiftlet secrets set \(first.missing[0])=…` (see secrets.example)")
        }
    }
}
