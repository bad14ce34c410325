import HTTPTypes
import NIOCore
package import Swiftlet
import SwiftletEgress
import SwiftletNet
import Synchronization

/// The functions' way out: each with the policy it declared, over one client.
final class HostEgress: Sendable {
    private let client: EgressClient
    /// One for each number of redirects a request may ask for.
    private let policies: [FunctionName: [EgressPolicy]]
    private let denied: @Sendable (FunctionName, EgressError) -> Void

    private let stub: (@Sendable (OutboundRequest) async throws -> OutboundResponse)?

    init(
        client: EgressClient, policies: [FunctionName: [EgressPolicy]],
        stub: (@Sendable (OutboundRequest) async throws -> OutboundResponse)?,
        denied: @escaping @Sendable (FunctionName, EgressError) -> Void
    ) {
        self.client = client
        self.stub = stub
        self.policies = policies
        self.denied = denied
    }

    func fetch(_ request: OutboundRequest, for function: FunctionName) async throws -> OutboundResponse {
        if let stub { return try await stub(request) }
        guard let method = HTTPRequest.Method(request.method) else {
            throw OutboundError(.invalidRequest, "the method is no token")
        }
        let body: EgressRequest.Body =
            switch request.body {
            case .none: .none
            case .bytes(let bytes): .bytes(bytes)
            case .stream(let length, let stream):
                .stream(length: length, next: { try await stream.source.next().map { Array($0.readableBytesView) } })
            }
        let timeouts = request.timeouts
        let outgoing = EgressRequest(
            method: method, url: request.url, fields: request.headers, body: body,
            timeouts: EgressTimeouts(
                connect: timeouts.connect, firstByte: timeouts.firstByte, idle: timeouts.betweenBytes, total: timeouts.total),
            maxResponseBytes: request.responseLimit.bytes)
        let policy = policies[function].map { $0[min(max(request.redirects, 0), EgressPolicy.redirectLimit)] } ?? .none
        do {
            let response = try await client.send(outgoing, policy: policy)
            return OutboundResponse(
                status: response.status, headers: response.fields, body: BodyStream(UpstreamBody(response.body)))
        } catch {
            if error.denial != nil { denied(function, error) }
            throw OutboundError(error)
        }
    }

    /// Whether anything answers at an origin, and how fast. What it answers does not matter.
    func reaches(_ url: String, policy: EgressPolicy, timeout: Duration) async -> (reached: Bool, milliseconds: Int) {
        let start = ContinuousClock.now
        var request = EgressRequest(method: .head, url: url)
        request.timeouts = EgressTimeouts(connect: timeout, firstByte: timeout, idle: timeout, total: timeout)
        var reached = true
        do { _ = try await client.send(request, policy: policy) } catch {
            reached = error.code == .tooLarge || error.code == .truncated
        }
        return (reached, Int((ContinuousClock.now - start) / .milliseconds(1)))
    }

    /// The JWKS of the configured address: no redirects, 64 KiB at most.
    func fetchKeys(_ url: String) async throws -> [UInt8] {
        guard let origin = WebURL(url)?.origin else { throw OutboundError(.invalidRequest, "the JWKS URL") }
        var request = EgressRequest(url: url, maxResponseBytes: 64 * 1024)
        request.timeouts = EgressTimeouts(firstByte: .seconds(5), idle: .seconds(5), total: .seconds(10))
        let response = try await client.send(request, policy: try EgressPolicy(origins: [origin]))
        guard response.status == 200 else { throw OutboundError(.other, "the JWKS URL answered \(response.status)") }
        return try await response.collect(upTo: 64 * 1024)
    }

    func shutdown() async { await client.shutdown() }
}

/// The way out of one function in its worker: the same checks on the same code, beside the function instead of in the host.
///
/// libcurl and its thread are only started by the first request.
package final class WorkerEgress: Sendable {
    private let name: FunctionName
    private let made = Mutex<HostEgress?>(nil)
    private let make: @Sendable () throws(OutboundError) -> HostEgress

    /// - Parameters:
    ///   - settings: the values of its settings that the operator has set.
    ///   - denied: hears of every refusal: the host asked for, and what was wrong with it.
    package init(
        _ registration: Registration, settings: [(name: String, value: String)], allowsPrivate: Bool,
        denied: @escaping @Sendable (_ host: String, _ kind: String) -> Void
    ) {
        name = registration.name
        var configuration = HostConfiguration()
        for (name, value) in settings { configuration.settings[name] = value }
        if allowsPrivate { configuration.privateEgress = [registration.name.text] }
        let settled = configuration
        make = { () throws(OutboundError) in
            // The host has judged the same policy before it started this process.
            guard let client = EgressClient(options: .forRequests(registration.policy.concurrency)),
                let policies = try? HostChecks.egress([registration], settings: SettingValues(settled), settled)
            else { throw OutboundError(.other, "the HTTP client cannot be started") }
            return HostEgress(client: client, policies: policies, stub: nil) { _, error in
                denied(error.host ?? "", error.denial?.label ?? "")
            }
        }
    }

    package func fetch(_ request: OutboundRequest) async throws -> OutboundResponse {
        let egress = try made.withLock { made throws(OutboundError) in
            if let made { return made }
            let egress = try make()
            made = egress
            return egress
        }
        return try await egress.fetch(request, for: name)
    }
}

private final class UpstreamBody: BodySource {
    private let body: EgressBody
    init(_ body: EgressBody) { self.body = body }

    func next() async throws -> ByteBuffer? {
        do {
            return try await body.next().map { ByteBuffer(bytes: $0) }
        } catch {
            throw OutboundError(error)
        }
    }
}

extension OutboundError {
    init(_ error: EgressError) {
        let kind: Kind =
            switch error.code {
            case .denied: .denied
            case .redirectDenied, .tooManyRedirects: .redirectRefused
            case .invalidRequest, .uploadFailed: .invalidRequest
            case .dnsFailed: .dnsFailed
            case .overloaded: .overloaded
            case .connectFailed, .shutDown: .connectFailed
            case .tlsFailed: .tlsFailed
            case .connectTimeout, .firstByteTimeout, .idleTimeout, .totalTimeout: .timedOut
            case .tooLarge: .tooLarge
            case .connectionReset, .truncated: .reset
            case .protocolError, .cancelled: .other
            }
        self.init(kind, error.description)
    }
}

extension EgressClient.Options {
    /// Room for one call of each request that may be under way, and not less than usual.
    static func forRequests(_ count: Int) -> Self {
        var options = Self()
        let count = min(count, 16_384)
        options.maxTransfers = max(options.maxTransfers, count)
        options.maxConnections = max(options.maxConnections, count)
        options.maxConnectionsPerHost = max(options.maxConnectionsPerHost, count)
        return options
    }
}
