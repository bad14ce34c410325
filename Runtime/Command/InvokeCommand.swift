import ArgumentParser
import Glibc
import Swiftlet
import SwiftletHost
import SwiftletTelemetry

struct InvokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invoke", abstract: "Call one function through the whole pipeline, without a server, and print its answer.",
        discussion: """
              swiftlet invoke health
              swiftlet invoke gemini-proxy --data '{"prompt":"Hello"}'

            Functions that ask for a user get a development token. Ends with 1 when the answer is no 2xx.
            """)
    @Argument(help: "The function's name, with a path and query if you like: health?probe=ready") var name: String
    @Option(name: [.short, .long], help: "The body; @file reads a file. Sent as JSON.") var data: String?
    @Option(name: [.customShort("X"), .long], help: "The method; POST when the function takes it, else its first.") var method:
        String?
    @Flag(help: "Send no token.") var anonymous = false
    @Flag(name: [.short, .long], help: "Print the status and headers too, to standard error.") var include = false
    @OptionGroup var secrets: SecretOptions

    func run() async throws {
        let short = String(name.prefix { $0 != "/" && $0 != "?" })
        guard let function = CommandLineTool.functions.first(where: { $0.name.text == short }) else {
            let names = CommandLineTool.functions.map(\.name.text).sorted().joined(separator: ", ")
            throw ValidationError("there is no function named '\(short)'; there are: \(names)")
        }
        var body: [UInt8] = []
        if let data {
            if data.hasPrefix("@") {
                guard let text = TextFile.read(String(data.dropFirst())) else {
                    throw ValidationError("cannot read \(data.dropFirst())")
                }
                body = Array(text.utf8)
            } else {
                body = Array(data.utf8)
            }
        }
        let methods = function.policy.methods
        let method =
            method ?? (methods.contains(.post) && !(methods.contains(.get) && data == nil) ? "POST" : methods[0].rawValue)
        try await ServeCommand.exitingOnProblem {
            var configuration = HostConfiguration()
            secrets.apply(to: &configuration)
            let sink = LogSink(descriptor: STDERR_FILENO, format: .text, level: .warning)
            defer { sink.close() }
            let answer = try await LocalCall.run(
                CommandLineTool.functions, configuration: configuration, sink: sink, method: method,
                target: "/functions/v1/" + name, body: body,
                withToken: !anonymous && function.requirement != .none)
            if include { Output.error(answer.head) }
            Output.line(String(decoding: answer.body, as: UTF8.self))
            guard (200..<300).contains(answer.status) else { throw ExitCode.failure }
        }
    }
}
