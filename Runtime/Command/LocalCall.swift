import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletTelemetry
import SwiftletTesting

/// One call of a function through a host made for it.
enum LocalCall {
    struct Answer: Sendable {
        let status: Int
        let head: String
        let body: [UInt8]
    }

    static func run(
        _ functions: [Registration], configuration: HostConfiguration, sink: LogSink, method: String, target: String,
        body: [UInt8],
        withToken: Bool
    ) async throws -> Answer {
        try await TestHost.run(functions, configuration: configuration, sink: sink) { host in
            var headers: HTTPFields = [:]
            if !body.isEmpty { headers[.contentType] = "application/json" }
            let token = withToken ? host.host.developmentToken() : nil
            let answer = try await host.request(
                method, target, headers: headers, body: body.isEmpty ? nil : body, as: token.map { .token($0) })
            let lines = answer.headers.map { "\($0.name.rawName): \($0.value)" }
            return Answer(
                status: answer.status, head: (["HTTP/1.1 \(answer.status)"] + lines).joined(separator: "\n") + "\n",
                body: answer.body)
        }
    }
}
