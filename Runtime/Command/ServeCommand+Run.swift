import ArgumentParser
import CLinux
import Glibc
import Logging
import ServiceLifecycle
import Swiftlet
import SwiftletHost
import SwiftletTelemetry

extension ServeCommand {
    func run() async throws {
        try await ServeCommand.exitingOnProblem {
            let configuration = try hostConfiguration()
            let sink = LogSink(
                descriptor: STDOUT_FILENO, format: try isText() ? .text : .json, level: try level())
            defer { sink.close() }
            try await ServeCommand.serve(configuration, sink: sink, announces: true, isText: try isText())
        }
    }

    /// Says what is wrong with a configuration and ends with 78.
    static func exitingOnProblem(_ body: () async throws -> Void) async throws {
        do { try await body() } catch let problem as ConfigurationProblem {
            Output.error("swiftlet: \(problem)")
            throw ExitCode(ConfigurationProblem.exitCode)
        }
    }

    static func serve(_ configuration: HostConfiguration, sink: LogSink, announces: Bool, isText: Bool) async throws {
        // A client that hangs up is an error of a write, not the end of the process. Secrets stay out of core files.
        signal(SIGPIPE, SIG_IGN)
        let host = try Host(
            functions: CommandLineTool.functions, configuration: configuration, sink: sink, metrics: PrometheusRegistry())
        let log = Logger(label: "swiftlet") { SinkLogHandler(label: $0, sink: sink) }
        if swiftlet_keep_memory_private() != 0 {
            log.warning(
                "core files and reading of this process's memory could not be turned off", metadata: ["errno": "\(errno)"])
        }
        for (name, missing) in host.broken {
            log.warning(
                "\(name) answers 503 BOOT_ERROR: it lacks \(missing.map(\.text).joined(separator: ", ")); see secrets.example")
        }
        let service = HostService(host) { place in
            log.notice(
                "listening",
                metadata: [
                    "url": "\(place.url ?? "")", "port": "\(place.port ?? 0)", "unix_socket": "\(place.unixSocket ?? "")",
                    "admin_port": "\(place.adminPort ?? 0)", "functions": "\(host.slots.count)",
                    "isolation": host.configuration.isolation == nil
                        ? "none: functions run in the host's process" : "a process per function",
                ])
            sink.flush()
            if announces, isText { Output.line(Banner(host, place).text) }
        }
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: service, successTerminationBehavior: .gracefullyShutdownGroup),
                    .init(service: RefreshService(host), successTerminationBehavior: .ignore),
                ], gracefulShutdownSignals: [.sigterm, .sigint], cancellationSignals: [.sigquit],
                logger: Logger(label: "services", factory: { _ in SwiftLogNoOpLogHandler() })))
        do { try await group.run() } catch let problem as ConfigurationProblem { throw problem }
        log.notice("stopped")
        sink.flush()
    }
}

/// Words for people on standard output and standard error.
enum Output {
    static func line(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }
    static func prompt(_ text: String) { write(text, to: STDOUT_FILENO) }
    static func error(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // Nobody is there to read: nothing to be done about it.
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
