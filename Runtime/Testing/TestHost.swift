public import HTTPTypes
import Glibc
import NIOCore
import NIOPosix
public import Swiftlet
import SwiftletAuth
package import SwiftletHost
public import SwiftletJSON
package import SwiftletTelemetry
import SwiftletWorkers

/// A whole host for tests: real functions behind the real pipeline, on a loopback port of its own, with stubs only where the world begins.
///
/// ```swift
/// try await TestHost.run([Registration(Greeter.self)]) { host in
///     let answer = try await host.post("/functions/v1/greeter", json: ["name": "Ada"], as: .user("u1"))
///     #expect(answer.status == 200)
/// }
/// ```
public struct TestHost: Sendable {
    /// Where it listens.
    public let port: Int
    package let host: Host

    /// Who a request is sent as.
    public enum Caller: Sendable {
        /// A signed-in user with this id, by a token signed with the secret of Supabase's local stack.
        case user(String)
        /// A token with the claims given; `exp` is added when missing.
        case claims([String: JSON])
        /// A bearer token as it is.
        case token(String)
    }

    /// Starts a host, runs `body`, and stops it again, however `body` ends.
    ///
    /// - Parameters:
    ///   - secrets: what the functions may read; the environment and files of the machine play no part.
    ///   - settings: values of settings the functions declare.
    ///   - upstream: answers every request of the functions' egress; without it, real egress by the policies.
    ///   - realtime: takes what functions publish; without it nothing can be published.
    public static func run<Result: Sendable>(
        _ functions: [Registration], secrets: [String: String] = [:], settings: [String: String] = [:],
        upstream: (@Sendable (OutboundRequest) async throws -> OutboundResponse)? = nil, realtime: RealtimeStub? = nil,
        _ body: @Sendable (TestHost) async throws -> Result
    ) async throws -> Result {
        var configuration = HostConfiguration()
        configuration.settings = settings
        configuration.stubEgress = upstream
        configuration.realtime.engine = realtime?.engine
        return try await run(functions, secrets: secrets, configuration: configuration, body)
    }

    /// The same with every setting of the host.
    package static func run<Result: Sendable>(
        _ functions: [Registration], secrets: [String: String] = [:], configuration: HostConfiguration,
        sink: LogSink? = nil, _ body: @Sendable (TestHost) async throws -> Result
    ) async throws -> Result {
        var configuration = configuration
        // Each host has files of its own, for as long as it lives.
        if case .local(directory: nil) = configuration.storage.place,
            functions.contains(where: { $0.policy.capabilities.contains(.storage) })
        {
            return try await TemporaryFolder.with { folder in
                configuration.storage.place = .local(directory: folder)
                return try await run(functions, secrets: secrets, configuration: configuration, sink: sink, body)
            }
        }
        configuration.server.addresses = configuration.server.addresses.map { address in
            if case .tcp(let host, _) = address { .tcp(host: host, port: 0) } else { address }
        }
        configuration.server.loops = 1
        configuration.admin = nil
        configuration.drain = .seconds(5)
        // A test whose turn does not come for a while, beside a hundred others, is no slow client.
        configuration.server.headTimeout = max(configuration.server.headTimeout, .seconds(60))
        configuration.server.bodyGrace = max(configuration.server.bodyGrace, .seconds(60))
        configuration.server.bodyIdleTimeout = max(configuration.server.bodyIdleTimeout, .seconds(60))
        if TestHost.usesHop, configuration.isolation == nil {
            // Each worker has a loop of its own; a test that registers many functions asks few of them.
            var settings = WorkerSettings()
            settings.areWarm = functions.count <= 4
            configuration.isolation = WorkerIsolation(
                settings: settings,
                launcher: HopLauncher(functions: functions, clock: configuration.clock, upstream: configuration.stubEgress))
        }
        configuration.secrets.environment.merge(secrets) { $1 }
        let ownSink = sink == nil
        let sink = sink ?? LogSink.quiet()
        defer { if ownSink { sink.close() } }
        return try await LocalHost.run(functions, configuration: configuration, sink: sink) { host, place in
            try await body(TestHost(port: place.port ?? 0, host: host))
        }
    }

    /// The host's metrics as its admin port shows them, what functions counted with ``Context/count(_:by:labels:)`` among them.
    public var metrics: String {
        var bytes: [UInt8] = []
        host.renderMetrics(into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The repository's own tests run twice: with functions called directly, and over the frames that workers speak.
    private static let usesHop = getenv("SWIFTLET_TEST_HOP") != nil

    public func get(_ path: String, headers: HTTPFields = [:], as caller: Caller? = nil) async throws -> TestResponse {
        try await request("GET", path, headers: headers, as: caller)
    }

    public func post(
        _ path: String, json: some Encodable & Sendable, headers: HTTPFields = [:], as caller: Caller? = nil
    ) async throws -> TestResponse {
        var headers = headers
        headers[.contentType] = headers[.contentType] ?? "application/json"
        return try await request("POST", path, headers: headers, body: try JSONWriter().encode(json), as: caller)
    }

    public func request(
        _ method: String, _ path: String, headers: HTTPFields = [:], body: [UInt8]? = nil, as caller: Caller? = nil
    ) async throws -> TestResponse {
        var head = "\(method) \(path) HTTP/1.1\r\nhost: 127.0.0.1:\(port)\r\nconnection: close\r\n"
        for field in headers { head += "\(field.name.rawName): \(field.value)\r\n" }
        if let caller { head += "authorization: Bearer \(try TestHost.token(caller))\r\n" }
        if let body { head += "content-length: \(body.count)\r\n" }
        return try await raw(Array((head + "\r\n").utf8) + (body ?? []))
    }

    /// Sends bytes as they are on a connection of its own and reads until the host closes it.
    public func raw(_ bytes: [UInt8]) async throws -> TestResponse {
        let collector = Collector()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Receiver(collector)) }
            }
            .connect(host: "127.0.0.1", port: port).get()
        // A host that refuses early may close before everything is written; its answer is what counts.
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
        try await channel.closeFuture.get()
        return try TestResponse(collector.bytes)
    }

    static func token(_ caller: Caller) throws -> String {
        let claims: [String: JSON]
        switch caller {
        case .token(let token): return token
        case .user(let id): claims = ["sub": .string(id), "role": "authenticated", "aud": "authenticated"]
        case .claims(let given): claims = given
        }
        var content = TokenMinter.Content(expiresAt: claims["exp"]?.int.map(Int64.init) ?? Int64(time(nil)) + 3600)
        content.extra = claims.filter { $0.key != "exp" }.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
        return try DevelopmentToken.mint(content)
    }
}

/// An answer, read to its end.
public struct TestResponse: Sendable {
    public let status: Int
    public let headers: HTTPFields
    public let body: [UInt8]
    /// False when the connection ended before the body did: a cut stream.
    public let isWhole: Bool

    public var text: String { String(decoding: body, as: UTF8.self) }
    public var json: JSON? { try? JSON.parse(body) }

    public struct Malformed: Error {
        public let bytes: [UInt8]
    }

    /// Reads one answer out of what a connection brought.
    init(_ bytes: [UInt8]) throws {
        guard let (head, rest) = TestResponse.split(bytes[...]) else { throw Malformed(bytes: bytes) }
        var lines = head.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        lines = lines.map { $0.hasSuffix("\r") ? String($0.dropLast()) : $0 }
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else { throw Malformed(bytes: bytes) }
        if status == 100 {
            self = try TestResponse(Array(rest))
            return
        }
        var headers = HTTPFields()
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":"), let name = HTTPField.Name(String(line[..<colon])) else {
                throw Malformed(bytes: bytes)
            }
            headers.append(HTTPField(name: name, value: String(line[line.index(after: colon)...].drop { $0 == " " })))
        }
        self.status = status
        self.headers = headers
        if headers[.transferEncoding] == "chunked" {
            (body, isWhole) = TestResponse.dechunk(rest)
        } else if let length = headers[.contentLength].flatMap(Int.init) {
            body = Array(rest.prefix(length))
            isWhole = rest.count >= length
        } else {
            body = Array(rest)
            isWhole = true
        }
    }

    private static func split(_ bytes: ArraySlice<UInt8>) -> (ArraySlice<UInt8>, ArraySlice<UInt8>)? {
        let end = Array("\r\n\r\n".utf8)
        guard bytes.count >= 4 else { return nil }
        for index in bytes.startIndex...(bytes.endIndex - 4) where bytes[index..<index + 4].elementsEqual(end) {
            return (bytes[..<index], bytes[(index + 4)...])
        }
        return nil
    }

    private static func dechunk(_ bytes: ArraySlice<UInt8>) -> ([UInt8], Bool) {
        var rest = bytes
        var body: [UInt8] = []
        while let end = rest.firstIndex(of: UInt8(ascii: "\r")),
            let size = Int(String(decoding: rest[..<end], as: UTF8.self), radix: 16)
        {
            if size == 0 { return (body, true) }
            rest = rest[(end + 2)...]
            body += rest.prefix(size)
            guard rest.count >= size + 2 else { return (body, false) }
            rest = rest.dropFirst(size + 2)
        }
        return (body, false)
    }
}

/// What a connection brought. Written on its loop, read after it has closed.
private final class Collector: @unchecked Sendable {
    var bytes: [UInt8] = []
}

private final class Receiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let collector: Collector
    init(_ collector: Collector) { self.collector = collector }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { collector.bytes += unwrapInboundIn(data).readableBytesView }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
