import ArgumentParser
import Glibc
import Logging
import ServiceLifecycle
import SwiftletHost
import SwiftletMock

struct MockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mock", abstract: "Stand-ins for upstreams, for trying functions without keys.", subcommands: [Gemini.self])

    struct Gemini: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A mock of Gemini's API on loopback. It says in each answer that it is a mock.",
            discussion: """
                Start it, then a host that uses it:

                  swiftlet mock gemini &
                  GEMINI_API_KEY=mock GEMINI_BASE_URL=http://127.0.0.1:54380 swiftlet serve

                It serves /v1 and /v1beta/models/MODEL:generateContent, :streamGenerateContent and :countTokens, and the same in OpenAI's \
                shape: /v1/chat/completions and /v1beta/openai/chat/completions. GET /mock/log tells every attempt, DELETE /mock/log \
                forgets them, POST /mock/release lets go on what waits.

                The model's name (GEMINI_MODEL) chooses what happens, with or without mock- before it. What follows a dot is yours: \
                500-once.a and 500-once.b fail once each. Every other name answers.

                \(Fault.list)

                Exit codes: 0 stopped by SIGTERM or Ctrl-C, 64 wrong usage, 78 the port cannot be used.
                """)
        @Option(help: "Port on 127.0.0.1; 0 takes a free one.") var port = 54380
        @Option(help: "The key that callers must send; any when it is not given.") var key: String?
        @Option(help: "Divides every wait and every hinted delay.") var speed = 1.0

        func validate() throws {
            guard (0...65535).contains(port) else { throw ValidationError("\(port) is no port (0…65535)") }
            guard speed >= 0.001, speed <= 1_000_000 else { throw ValidationError("\(speed) is no speed (0.001…1000000)") }
            if let key, key.isEmpty { throw ValidationError("an empty key is no key") }
        }

        func run() async throws {
            // A client that hangs up is an error of a write, not the end of the process.
            signal(SIGPIPE, SIG_IGN)
            try await ServeCommand.exitingOnProblem {
                try await ServiceGroup(
                    configuration: .init(
                        services: [
                            .init(service: MockService(command: self), successTerminationBehavior: .gracefullyShutdownGroup)
                        ],
                        gracefulShutdownSignals: [.sigterm, .sigint],
                        logger: Logger(label: "mock", factory: { _ in SwiftLogNoOpLogHandler() }))
                ).run()
            }
        }
    }
}

/// Serves until a signal.
private struct MockService: Service {
    let command: MockCommand.Gemini

    func run() async throws {
        let server: MockServer
        do {
            server = try await MockServer(port: command.port, key: command.key, speed: command.speed)
        } catch let failure as MockServer.StartFailure {
            throw ConfigurationProblem("port", failure.isPortTaken ? "\(failure); --port 0 takes a free one" : "\(failure)")
        }
        let url = "http://127.0.0.1:\(server.port)"
        Output.line("This is a mock of Gemini, for development: nothing it says comes from Google.")
        Output.line("Mock Gemini on \(url)")
        Output.line("Use it: GEMINI_API_KEY=\(command.key == nil ? "mock" : "…") GEMINI_BASE_URL=\(url) swiftlet serve")
        do { try await gracefulShutdown() } catch {}
        await server.stop()
    }
}
