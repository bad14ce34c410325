import NIOCore
import SwiftletHTTP
import SwiftletServer

/// Answers every request with the same small JSON: measures the server alone. `bench-hello PORT [LOOPS]`
final class Hello: ExchangeHandler {
    private let fields: EncodedFields
    private let body = [UInt8](#"{"message":"hello"}"#.utf8)

    init() throws {
        var fields = EncodedFields()
        try fields.append("Content-Type", "application/json")
        self.fields = fields
    }

    func receive(_ exchange: Exchange) { exchange.respond(status: 200, fields: fields, body: body) }

    func refused(_ refusal: HTTPRefusal, peer: PeerAddress) -> RefusalResponse { RefusalResponse(status: refusal.status) }
}

let arguments = CommandLine.arguments
var configuration = ServerConfiguration()
configuration.addresses = [.tcp(host: "127.0.0.1", port: arguments.count > 1 ? Int(arguments[1]) ?? 54321 : 54321)]
configuration.loops = arguments.count > 2 ? Int(arguments[2]) ?? 1 : 1
configuration.maxRequestsPerConnection = .max
configuration.maxConnectionsPerAddress = .max
let server = HTTPServer(configuration: configuration, handler: try Hello())
print("listening on", try await server.start())
while true { try await Task.sleep(for: .seconds(3600)) }
