import HTTPTypes
package import SwiftletNet

/// Sends requests to the hosts that a policy declares, and to nothing else.
///
/// All transfers share one thread and one pool of connections. The addresses behind a host are judged three times: when
/// the name is answered, when a socket is opened, and on the peer of the connection that a request is about to use.
///
/// Not promised: retries. A request over a kept connection that turns out dead before any byte of an answer is sent
/// again on a new one by libcurl, as browsers do; nothing else is.
package final class EgressClient: Sendable {
    /// Where a connection really goes, for tests that stand a loopback server in the place of a public address.
    package typealias Detour = @Sendable (IPAddress, UInt16) -> (address: IPAddress, port: UInt16)?

    package struct Options: Sendable {
        package var resolver: any Resolver
        /// A PEM file of the authorities to trust, instead of the system's.
        package var certificateAuthorities: String?
        package var userAgent: String
        /// Past it a request fails at once.
        package var maxTransfers: Int
        package var maxConnections: Int
        package var maxConnectionsPerHost: Int
        package var maxIdleConnections: Int
        package var maxIdleSeconds: Int
        package var maxConnectionSeconds: Int
        /// Addresses of one answer that are tried in turn.
        package var maxAddresses: Int
        package var threadName: StaticString
        package var detour: Detour?

        package init(
            resolver: any Resolver = SystemResolver(), certificateAuthorities: String? = nil,
            userAgent: String = "swiftlet", maxTransfers: Int = 1_024, maxConnections: Int = 512,
            maxConnectionsPerHost: Int = 256, maxIdleConnections: Int = 64, maxIdleSeconds: Int = 60,
            maxConnectionSeconds: Int = 600, maxAddresses: Int = 4, threadName: StaticString = "egress", detour: Detour? = nil
        ) {
            self.resolver = resolver
            self.certificateAuthorities = certificateAuthorities
            self.userAgent = userAgent
            self.maxTransfers = maxTransfers
            self.maxConnections = maxConnections
            self.maxConnectionsPerHost = maxConnectionsPerHost
            self.maxIdleConnections = maxIdleConnections
            self.maxIdleSeconds = maxIdleSeconds
            self.maxConnectionSeconds = maxConnectionSeconds
            self.maxAddresses = max(1, maxAddresses)
            self.threadName = threadName
            self.detour = detour
        }
    }

    private let loop: TransferLoop

    /// Nil when libcurl or the thread cannot be started.
    package init?(options: Options = Options()) {
        guard let loop = TransferLoop(options: options), loop.start() else { return nil }
        self.loop = loop
    }

    deinit {
        loop.send(.stop(nil))
    }

    package var metrics: EgressMetrics { loop.metrics }

    /// Ends every transfer with `shutDown`, then the thread. Returns when the thread no longer touches anything.
    package func shutdown() async {
        await withCheckedContinuation { continuation in
            loop.send(.stop { continuation.resume() })
        }
    }

    /// Sends a request and returns when the head of its answer is there. Any status is an answer.
    ///
    /// Cancelling the task, or letting go of the response or its body, ends the transfer at once.
    package func send(_ request: EgressRequest, policy: EgressPolicy) async throws(EgressError) -> EgressResponse {
        let totalDeadline = TransferTimer.add(monotonicNow(), request.timeouts.total)
        var hop = request
        var url: WebURL
        do throws(WebURL.Failure) {
            url = try WebURL.parse(request.url)
        } catch {
            throw refused(.denied, host: nil, .badURL(URLBlockReason(error)))
        }
        var redirects = 0
        while true {
            let response = try await exchange(hop, url, policy, totalDeadline, isRedirect: redirects > 0)
            guard policy.maxRedirects > 0 else { return response }
            switch Redirect.next(
                after: hop, at: url, status: response.status, location: response.fields[.location])
            {
            case .final: return response
            case .refuse:
                throw refused(.redirectDenied, host: url.hostname, .redirect)
            case .follow(let next, let target):
                redirects += 1
                guard redirects <= policy.maxRedirects else {
                    throw EgressError(.tooManyRedirects, host: url.hostname)
                }
                hop = next
                url = target
            }
        }
    }

    private func refused(_ code: EgressError.Code, host: String?, _ denial: EgressDenial) -> EgressError {
        loop.count { $0.denied[denial.label, default: 0] += 1 }
        return EgressError(code, host: host, denial: denial)
    }

    private func exchange(
        _ request: EgressRequest, _ url: WebURL, _ policy: EgressPolicy, _ totalDeadline: Int64, isRedirect: Bool
    ) async throws(EgressError) -> EgressResponse {
        let grant: EgressGrant
        switch policy.admit(url) {
        case .granted(let granted): grant = granted
        case .denied(let denial): throw refused(isRedirect ? .redirectDenied : .denied, host: url.hostname, denial)
        }
        guard request.maxResponseBytes >= 0, request.method != .connect, request.method != .trace else {
            throw EgressError(.invalidRequest, host: url.hostname)
        }
        var relay: Relay?
        var pipe: UploadPipe?
        var pump: Task<Void, Never>?
        if case .stream(let length, let next) = request.body {
            guard (length ?? 0) >= 0 else { throw EgressError(.invalidRequest, host: url.hostname) }
            let link = Relay()
            let made = UploadPipe(length: length) { link.wake() }
            relay = link
            pipe = made
            pump = Task { await made.pump(next) }
        }
        let transfer = Transfer(
            request: request, url: url, grant: grant, totalDeadline: totalDeadline, now: monotonicNow(), loop: loop,
            upload: pipe)
        relay?.connect(loop, transfer)
        let body = EgressBody(transfer: transfer, loop: loop, pump: pump)
        loop.send(.start(transfer))
        let result = await withTaskCancellationHandler {
            await transfer.channel.head()
        } onCancel: {
            loop.send(.cancel(transfer))
        }
        switch result {
        case .failure(let error):
            if isRedirect, error.code == .denied {
                throw EgressError(.redirectDenied, host: error.host, denial: error.denial)
            }
            throw error
        case .success(let head):
            var fields = head.fields
            if body.startDecoding(head.fields, of: request) {
                // They describe bytes that the reader never sees.
                fields[.contentEncoding] = nil
                fields[.contentLength] = nil
            }
            return EgressResponse(status: head.status, version: head.version, fields: fields, url: url, body: body)
        }
    }
}
