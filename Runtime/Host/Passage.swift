import HTTPTypes
import NIOCore
import NIOPosix
import Swiftlet
import SwiftletHTTP
import SwiftletJSON
import SwiftletRealtime
import SwiftletServer
import SwiftletStorage
import SwiftletTelemetry
import SwiftletWebSocket
import Synchronization

/// One request on its way: what is known of it so far, and the one answer it gets.
///
/// It lives on the connection's event loop. The calls of ``InvocationReply`` may come from any thread and hop there; everything else is only
/// touched on the loop, which is what makes it safe to share.
final class Passage: InvocationReply, TimeoutWaiter, @unchecked Sendable {
    let exchange: Exchange
    let host: Host
    let startedAt: UInt64
    let requestID: RequestID
    let client: Client

    private(set) var enteredSlot: FunctionSlot?
    private var pathOffset = 0
    private var origin: String?
    private var decision: LimitDecision?
    private var limit: CallerLimit?
    private var caller: StaticString = "none"
    private var subjectHash: UInt64?
    private var run: (any RunningInvocation)?
    private var deadlineWait: Timeouts.Wait?
    /// Ends the wait at the function's gate.
    private var gateTimer: Scheduled<Void>?
    private var holdsPermit = false
    private var status = 0
    private var bytesIn = 0
    private var bytesOut = 0
    private var refusal: ErrorCode?
    private var waitedForKeys = false
    /// What it is for, when it is for no function.
    private(set) var api: HostAPI?
    /// The instance that runs it.
    private var executionID: String?
    /// Cuts a streamed answer whose next part does not come.
    private var idleTimer: Scheduled<Void>?

    private enum Phase {
        case open, streaming, answered
    }
    private var phase = Phase.open
    /// The function has given its last sign, so its permit is back.
    private var finished = false

    init(_ exchange: Exchange, host: Host) {
        self.exchange = exchange
        self.host = host
        startedAt = host.clock.monotonic()
        requestID = host.requestID(for: exchange.head)
        client = host.forwarding.client(of: exchange)
        origin = host.cors.allowsAnyOrigin ? nil : exchange.head.fields.string("origin")
        host.inFlight.add(1, ordering: .relaxed)
    }

    /// The function the path leads to. Only called once ``enter(_:pathOffset:)`` has been.
    var slot: FunctionSlot {
        guard let enteredSlot else { preconditionFailure("a passage without a function asked for it") }
        return enteredSlot
    }

    func enter(_ slot: FunctionSlot, pathOffset: Int) {
        enteredSlot = slot
        self.pathOffset = pathOffset
    }

    func enter(_ api: HostAPI) { self.api = api }

    var mayWaitForKeys: Bool { !waitedForKeys }

    /// Bytes of a body that is read elsewhere. On the loop.
    func received(_ count: Int) {
        guard exchange.eventLoop.inEventLoop else { return exchange.eventLoop.execute { self.received(count) } }
        bytesIn += count
    }

    func identified(as identity: Identity, subjectHash: UInt64?) {
        self.subjectHash = subjectHash
        guard case .user(let user) = identity else { return }
        switch user.credential {
        case .token: caller = user.subject == nil ? "project_token" : "user"
        case .publishableKey: caller = "publishable_key"
        case .secretKey: caller = "secret_key"
        }
    }

    private var isAuthenticated: Bool { caller.utf8CodeUnitCount > 4 || subjectHash != nil }

    func limited(_ decision: LimitDecision, by limit: CallerLimit) {
        self.decision = decision
        self.limit = limit
    }

    // MARK: Steps 8–10

    /// Reads the body as the policy wants it, then goes on; refuses what cannot be read.
    func readBody(then proceed: @escaping @Sendable (Passage, FunctionBody) -> Void) {
        switch slot.body {
        case .stream(let limit): proceed(self, .stream(BodyStream(ExchangeBody(exchange, limit: limit))))
        case .json(let limit, let limits): readJSON(limit: limit, limits, then: proceed)
        case .bytes, .none:
            exchange.collectBody(upTo: slot.body.limit) { result in
                if let body = self.received(result) { proceed(self, .whole(Bytes(buffer: body))) }
            }
        }
    }

    private func readJSON(limit: Int, _ limits: JSONLimits, then proceed: @escaping @Sendable (Passage, FunctionBody) -> Void) {
        let intake = exchange.isBodyComplete ? nil : BodyIntake(limits: limits)
        exchange.collectBody(upTo: limit, judgedBy: intake) { result in
            if let error = intake?.error { return self.refuse(HTTPError(invalidJSON: error)) }
            guard let body = self.received(result) else { return }
            do throws(HTTPError) {
                if let intake { try intake.finish(body) } else { try BodyIntake.check(body, limits: limits) }
            } catch {
                return self.refuse(error)
            }
            guard let screen = self.slot.screen else { return proceed(self, .whole(Bytes(buffer: body))) }
            self.apply(screen, to: body, then: proceed)
        }
    }

    /// A large body is screened on another thread, so that the requests of this loop do not wait for it.
    private func apply(
        _ screen: BodyScreen, to body: ByteBuffer, then proceed: @escaping @Sendable (Passage, FunctionBody) -> Void
    ) {
        guard body.readableBytes > 16 * 1024 else { return screened(screen.apply(to: body), then: proceed) }
        exchange.onClientGone = { self.closeRecord(clientGone: true) }
        NIOThreadPool.singleton.runIfActive(eventLoop: exchange.eventLoop) { screen.apply(to: body) }
            .whenComplete { result in
                guard self.phase == .open else { return }
                self.exchange.onClientGone = nil
                switch result {
                case .success(let outcome): self.screened(outcome, then: proceed)
                case .failure: self.refuse(.overloaded)
                }
            }
    }

    private func screened(_ outcome: BodyScreen.Outcome, then proceed: @escaping @Sendable (Passage, FunctionBody) -> Void) {
        if !outcome.findings.isEmpty { host.logFindings(self, outcome.findings) }
        if let refusal = outcome.refusal { return refuse(refusal) }
        proceed(self, .whole(Bytes(buffer: outcome.body)))
    }

    /// The body, or `nil` when it could not be read and that has been said.
    private func received(_ result: Result<ByteBuffer, BodyFailure>) -> ByteBuffer? {
        switch result {
        case .success(let body):
            bytesIn = body.readableBytes
            return body
        case .failure(let failure):
            bodyFailed(failure)
            return nil
        }
    }

    private func bodyFailed(_ failure: BodyFailure) {
        switch failure {
        case .clientGone:
            closeRecord(clientGone: true)
        default: refuse(HTTPError(failure, limit: slot.body.limit))
        }
    }

    /// Takes a permit of the function, waiting at most 100 ms for one.
    func enterGate(then proceed: @escaping @Sendable (Passage) -> Void) {
        let loop = exchange.eventLoop
        let entry = slot.gate.enter(orWait: {
            loop.execute {
                guard self.phase == .open else { return self.slot.gate.leave() }
                self.gateTimer?.cancel()
                self.gateTimer = nil
                self.holdsPermit = true
                proceed(self)
            }
        })
        switch entry {
        case .entered:
            holdsPermit = true
            proceed(self)
        case .full:
            refuse(.overloaded)
        case .waiting(let ticket):
            gateTimer = loop.scheduleTask(in: .milliseconds(100)) {
                if self.slot.gate.giveUp(ticket) { self.refuse(.overloaded) }
            }
            exchange.onClientGone = {
                if self.slot.gate.giveUp(ticket) { self.closeRecord(clientGone: true) }
            }
        }
    }

    func invoke(_ identity: Identity, _ body: FunctionBody) {
        let deadline = startedAt &+ slot.deadlineNanoseconds
        let invocation = Invocation(head: functionHead(), identity: identity, body: body, deadline: deadline)
        let run = slot.invoker.invoke(invocation, reply: self)
        // The handler that never suspended has answered by now: no timer for it.
        guard !finished else { return }
        self.run = run
        exchange.onClientGone = { self.clientGone() }
        let left = deadline.subtractingClamped(host.clock.monotonic())
        deadlineWait = exchange.timeouts.add(self, in: left, of: slot.deadlineNanoseconds)
    }

    private func functionHead() -> FunctionRequestHead {
        let head = exchange.head
        let path = head.withPath { String(decoding: UnsafeRawBufferPointer(rebasing: $0[pathOffset...]), as: UTF8.self) }
        return FunctionRequestHead(
            requestID: requestID, executionID: slot.executionID, method: Method(head.method) ?? .post, functionName: slot.name,
            path: path,
            query: head.query, fields: head.fields, client: client)
    }

    private func clientGone() {
        guard phase != .answered else { return }
        run?.cancel(.clientGone)
        closeRecord(clientGone: true)
    }

    func timedOut() {
        deadlineWait = nil
        guard phase != .answered else { return }
        // The reason first: who still waits for a worker is told at once, by the cancelling, that it is gone.
        refuse(HTTPError(504, .idleTimeout, "Request idle timeout limit (\(slot.deadlineText)) reached"))
        run?.cancel(.deadline)
    }

    // MARK: InvocationReply

    func whole(_ response: Response, body: ByteBuffer?) {
        guard exchange.eventLoop.inEventLoop else { return exchange.eventLoop.execute { self.whole(response, body: body) } }
        defer { finish() }
        guard phase == .open else { return }
        guard let fields = dress(response) else { return }
        status = response.status
        bytesOut = body?.readableBytes ?? 0
        exchange.respond(status: response.status, fields: fields, body: body ?? ByteBuffer())
        exchange.giveBack(consume fields)
        closeRecord()
    }

    func begin(_ response: Response, length: Int?) {
        guard exchange.eventLoop.inEventLoop else { return exchange.eventLoop.execute { self.begin(response, length: length) } }
        guard phase == .open else { return }
        guard let fields = dress(response) else { return run?.cancel(.clientGone) ?? () }
        status = response.status
        if let length, length > slot.policy.limits.output.bytes { return overflow() }
        phase = .streaming
        restartIdleTimer()
        exchange.begin(status: response.status, fields: fields, length: length)
    }

    func part(_ bytes: ByteBuffer, ready: @escaping @Sendable (Bool) -> Void) {
        guard exchange.eventLoop.inEventLoop else { return exchange.eventLoop.execute { self.part(bytes, ready: ready) } }
        guard phase == .streaming else { return ready(false) }
        bytesOut += bytes.readableBytes
        guard bytesOut <= slot.policy.limits.output.bytes else {
            overflow()
            return ready(false)
        }
        restartIdleTimer()
        if exchange.write(bytes) { ready(true) } else { exchange.whenWritable { ready($0) } }
    }

    /// More than the policy lets an answer be: cut what has begun, refuse what has not.
    private func overflow() {
        run?.cancel(.outputLimit)
        let limit = slot.policy.limits.output.bytes
        refuse(.resourceLimit("the answer is larger than the \(limit) bytes its policy allows"))
    }

    private func restartIdleTimer() {
        idleTimer?.cancel()
        // The deadline is the earlier end for most.
        guard slot.policy.limits.responseIdle < slot.policy.deadline else { return }
        idleTimer = exchange.eventLoop.scheduleTask(in: .nanoseconds(slot.policy.limits.responseIdle.clampedNanoseconds)) {
            guard self.phase == .streaming else { return }
            self.run?.cancel(.deadline)
            self.refuse(HTTPError(504, .idleTimeout, "The answer stood still for too long"))
        }
    }

    func end() {
        guard exchange.eventLoop.inEventLoop else { return exchange.eventLoop.execute { self.end() } }
        defer { finish() }
        guard phase == .streaming else { return }
        exchange.end()
        closeRecord()
    }

    func failed(_ error: HTTPError) {
        guard exchange.eventLoop.inEventLoop else { return exchange.eventLoop.execute { self.failed(error) } }
        defer { finish() }
        refuse(error, fromFunction: true)
    }

    func broken(_ error: HTTPError) {
        guard exchange.eventLoop.inEventLoop else { return exchange.eventLoop.execute { self.broken(error) } }
        defer { finish() }
        refuse(error)
    }

    func assigned(to executionID: String) {
        guard exchange.eventLoop.inEventLoop else { return exchange.eventLoop.execute { self.assigned(to: executionID) } }
        self.executionID = executionID
    }

    func background(_ change: Int) {
        host.background.add(change)
    }

    private func stopTimers() {
        if let deadlineWait { exchange.timeouts.cancel(deadlineWait) }
        deadlineWait = nil
        gateTimer?.cancel()
        gateTimer = nil
        idleTimer?.cancel()
        idleTimer = nil
    }

    /// The function's last sign: its permit goes to the next.
    private func finish() {
        finished = true
        run = nil
        stopTimers()
        if holdsPermit {
            holdsPermit = false
            slot.gate.leave()
        }
    }

    // MARK: Steps 11–12

    /// The fields of a function's answer, or `nil` when they cannot be sent and a 500 has been sent instead.
    private func dress(_ response: Response) -> EncodedFields? {
        guard (200...599).contains(response.status) else {
            refuse(
                HTTPError(
                    500, .invalidResponse, "The function answered with a status outside 200…599",
                    cause: "status \(response.status)"),
                fromFunction: true)
            return nil
        }
        var dresser = Dresser(requestID: requestID, in: exchange.takeFields())
        do throws(FieldProblem) {
            if let fields = response.fields {
                try dresser.add(fields, keepsCORS: !slot.speaksHostCORS, mediaType: response.mediaType)
            } else if let mediaType = response.mediaType {
                dresser.add("content-type", mediaType)
            }
        } catch {
            refuse(
                HTTPError(
                    500, .edgeFunctionError, "Internal Server Error",
                    cause: "the function's header field \(error.name) cannot be sent"),
                fromFunction: true)
            return nil
        }
        if response.status >= 500, !dresser.has("sb-error-code") {
            dresser.add("sb-error-code", "EDGE_FUNCTION_ERROR")
            refusal = .edgeFunctionError
        }
        if isAuthenticated, !dresser.has("cache-control") { dresser.add("cache-control", "no-store") }
        if !dresser.has("x-content-type-options") { dresser.add("x-content-type-options", "nosniff") }
        if slot.speaksHostCORS { dresser.add(host.corsFields(for: origin)) }
        addLimits(to: &dresser)
        return dresser.encoded
    }

    private func addLimits(to dresser: inout Dresser) {
        guard let decision, let limit else { return }
        dresser.add(limit, decision)
    }

    /// Answers with an error, or cuts a stream that has begun.
    func refuse(_ error: HTTPError, fromFunction: Bool = false) {
        guard phase != .answered else { return }
        let error = fromFunction ? error.sendable : error
        refusal = error.code
        if phase == .streaming {
            exchange.abort()
            host.logCut(self, error)
            return closeRecord()
        }
        let host = host
        var dresser = Dresser(requestID: requestID)
        let body = ErrorBody.write(error, requestID: requestID)
        dresser.add(text: "sb-error-code", error.code.text)
        if !fromFunction { dresser.add("x-relay-error", "true") }
        if error.status == 401 { dresser.add("www-authenticate", "Bearer") }
        dresser.add("content-type", "application/json")
        dresser.add("x-content-type-options", "nosniff")
        dresser.add("cache-control", "no-store")
        dresser.add(host.corsFields(for: origin))
        for field in error.fields { dresser.add(errorField: field) }
        addLimits(to: &dresser)
        status = error.status
        bytesOut = body.count
        if error.status >= 500 || error.cause != nil { host.logCause(self, error) }
        exchange.respond(status: error.status, fields: dresser.encoded, body: body)
        closeRecord()
    }

    /// What the storage answers, in place of a function.
    func answer(_ reply: StorageReply) {
        guard phase == .open else { return }
        var dresser = Dresser(requestID: requestID)
        for field in reply.fields { dresser.add(text: field.name, field.value) }
        dresser.add(host.storageCORSFields(for: origin))
        status = reply.status
        if let fault = reply.fault {
            refusal = ErrorCode(fault.code.rawValue)
            dresser.add("cache-control", "no-store")
            if fault.code == .clientGone { return closeRecord(clientGone: true) }
            if fault.status >= 500 || fault.cause != nil { host.logCause(self, fault.httpError) }
        }
        switch reply.body {
        case .none: exchange.respond(status: reply.status, fields: dresser.encoded)
        case .bytes(let bytes):
            bytesOut = bytes.count
            exchange.respond(status: reply.status, fields: dresser.encoded, body: bytes)
        case .file(let file, let range):
            guard let descriptor = file.duplicate() else {
                return answer(StorageAPI.refusal(StorageError(.slowDown, "Too many files are open; try again in a moment")))
            }
            bytesOut = range.count
            phase = .streaming
            return exchange.respond(status: reply.status, fields: dresser.encoded, file: descriptor, range: range) { whole in
                self.closeRecord(clientGone: !whole)
            }
        }
        closeRecord()
    }

    // MARK: Realtime

    /// A token that was verified by the host's realtime.
    func identified(as facts: TokenFacts, subjectHash: UInt64?) {
        caller = facts.subject == nil ? "project_token" : "user"
        self.subjectHash = subjectHash
    }

    /// The whole body of a request to the host itself.
    func collect(upTo limit: Int, then proceed: @escaping @Sendable (Passage, ByteBuffer) -> Void) {
        exchange.collectBody(upTo: limit) { result in
            switch result {
            case .success(let body):
                self.bytesIn = body.readableBytes
                proceed(self, body)
            case .failure(.clientGone): self.closeRecord(clientGone: true)
            case .failure(let failure): self.refuse(HTTPError(failure, limit: limit))
            }
        }
    }

    /// Makes the connection a WebSocket; the record ends here, and the socket's life is told by metrics.
    func upgrade(accept: String, limits: WebSocketLimits, listen: (WebSocketConnection) -> any WebSocketListener) {
        guard phase == .open else { return }
        var dresser = Dresser(requestID: requestID)
        dresser.add("cache-control", "no-store")
        exchange.onClientGone = nil
        guard exchange.upgrade(accept: accept, fields: dresser.encoded, limits: limits, listen: listen) else {
            return answer(status: 503, error: "This host is stopping; try again in a moment", fields: [("retry-after", "1")])
        }
        status = 101
        closeRecord()
    }

    /// In the form that realtime's clients read.
    func answer(status: Int, error: String, fields: [(String, String)] = []) {
        var body = Array("{\"error\":".utf8)
        JSONText.append(string: error, to: &body)
        body.append(UInt8(ascii: "}"))
        answer(status: status, json: body, fields: fields)
    }

    func answer(_ answer: RESTBroadcast.Answer) {
        self.answer(status: answer.status, json: answer.body, fields: answer.status == 429 ? [("retry-after", "1")] : [])
    }

    private func answer(status: Int, json body: [UInt8], fields: [(String, String)]) {
        guard phase == .open else { return }
        var dresser = Dresser(requestID: requestID)
        if !body.isEmpty { dresser.add("content-type", "application/json") }
        dresser.add("cache-control", "no-store")
        dresser.add("x-content-type-options", "nosniff")
        for field in fields { dresser.add(text: field.0, field.1) }
        dresser.add(host.corsFields(for: origin))
        self.status = status
        if status >= 400 {
            refusal = status == 401 ? "UNAUTHORIZED" : status == 429 ? .rateLimitExceeded : ErrorCode("REALTIME_\(status)")
        }
        bytesOut = body.count
        exchange.respond(status: status, fields: dresser.encoded, body: body)
        closeRecord()
    }

    /// `/_internal/health`, as the original's runtime answers it.
    func answerHealth() {
        var dresser = Dresser(requestID: requestID)
        dresser.add("content-type", "application/json")
        dresser.add("cache-control", "no-store")
        dresser.add(host.corsFields(for: origin))
        let body = ByteBuffer(string: "{\"message\":\"ok\"}")
        status = 200
        bytesOut = body.readableBytes
        exchange.respond(status: 200, fields: dresser.encoded, body: body)
        closeRecord()
    }

    func answerPreflight(methods: [Method]) {
        var dresser = Dresser(requestID: requestID)
        dresser.add(host.corsFields(for: origin))
        for field in host.cors.preflightFields(
            for: origin, methods: methods, allowing: api == .storage ? CORSRules.storageRequestHeaders : CORSRules.requestHeaders)
        { dresser.addChecked(field) }
        status = 204
        exchange.respond(status: 204, fields: dresser.encoded)
        closeRecord()
    }

    /// Waits, once, for fresh keys, and looks at the token again.
    func waitForKeys(otherwise refusal: HTTPError) {
        guard !waitedForKeys else { return refuse(refusal) }
        waitedForKeys = true
        let loop = exchange.eventLoop
        let host = host
        exchange.onClientGone = { self.closeRecord(clientGone: true) }
        Task {
            await host.refreshKeys()
            loop.execute {
                guard self.phase == .open else { return }
                self.exchange.onClientGone = nil
                do throws(HTTPError) { try host.authenticate(self) } catch { self.refuse(error) }
            }
        }
    }

    private func closeRecord(clientGone: Bool = false) {
        guard phase != .answered else { return }
        phase = .answered
        exchange.onClientGone = nil
        stopTimers()
        // Nobody writes an answer any more: the connection does not wait for one.
        if clientGone { exchange.abort() }
        host.record(
            Ending(
                slot: enteredSlot, api: api, status: clientGone ? 499 : status, startedAt: startedAt,
                requestID: requestID,
                head: exchange.head,
                client: client, caller: caller, executionID: executionID ?? enteredSlot?.executionID ?? "",
                subjectHash: subjectHash, bytesIn: bytesIn, bytesOut: bytesOut, refusal: refusal))
        if run == nil { finish() }
    }
}

/// What the host serves itself, beside functions.
enum HostAPI: String, Sendable {
    case storage
    case realtime
}
