import ArgumentParser
import Glibc
import Swiftlet
import SwiftletHost
import SwiftletTelemetry

struct MockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mock", abstract: "Stand-ins for upstreams, for trying functions without keys.", subcommands: [Gemini.self])

    struct Gemini: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A mock of Gemini's generateContent on loopback. It says in each answer that it is a mock.",
            discussion: """
                Start it, then a host that uses it:

                  swiftlet mock gemini &
                  GEMINI_API_KEY=mock GEMINI_BASE_URL=http://127.0.0.1:54380 swiftlet serve

                GEMINI_MODEL chooses what happens; any other name answers:

                """ + MockGemini.faults.map { "  \($0.0): \($0.1)" }.joined(separator: "\n"))
        @Option(help: "Port on 127.0.0.1; 0 takes a free one.") var port = 54380

        func run() async throws {
            guard (0...65535).contains(port) else { throw ValidationError("\(port) is no port (0…65535)") }
            try await ServeCommand.exitingOnProblem {
                var configuration = HostConfiguration()
                configuration.server.addresses = [.tcp(host: "127.0.0.1", port: port)]
                configuration.admin = nil
                configuration.addressLimit = nil
                configuration.catchAll = MockGemini.name
                let sink = LogSink(descriptor: STDERR_FILENO, format: .text, level: .info)
                defer { sink.close() }
                try await LocalHost.run([Registration(MockGemini.self)], configuration: configuration, sink: sink) { place in
                    Output.line("This is a mock of Gemini, for development: nothing it says comes from Google.")
                    Output.line("Mock Gemini on \(place.url ?? "")")
                    Output.line("Use it: GEMINI_API_KEY=mock GEMINI_BASE_URL=\(place.url ?? "") swiftlet serve")
                }
            }
        }
    }
}
