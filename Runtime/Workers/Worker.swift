import Glibc
import Logging
import NIOCore
import NIOPosix
import Swiftlet

/// One worker process and the socket to it. It lives on its pool's loop.
final class Worker: @unchecked Sendable {
    enum State {
        case booting, ready
        /// Finishes what it has begun.
        case retiring(as: WorkerEnd, until: UInt64)
        /// It is told to end now, or has ended; only its exit is waited for.
        case ending(WorkerEnd?)
        case ended
    }

    let executionID: String
    let generation: Int
    let startedAt: UInt64
    private let launched: any LaunchedWorker
    private let pool: WorkerPool
    private let loop: any EventLoop
    private(set) var state = State.booting
    private var channel: (any Channel)?
    private var outlet: FrameOutlet?
    private var reader = FrameReader(fromWorker: true)
    private var out = ByteBuffer()
    private var isFlushDue = false
    private var dispatches = StreamTable<Dispatch>()
    private var last: UInt32 = 0
    private var charge = ProcessorCharge()
    private var idleSince: UInt64
    /// Work left for after answers, by the request that left it.
    private var background: [(stream: UInt32, since: UInt64, reply: any InvocationReply)] = []
    /// Calls whose results the socket has not taken yet, and how many of those results are in `out`.
    private var calls = 0
    private var results = 0
    private var reapings = 0
    private(set) var endsIdle = false
    /// It starts in one of the host's turns, for which others wait.
    var hasTurn = true
    /// It was asked to end, and why.
    private var leaving: WorkerEnd?
    private var wasReady = false
    private var pipes: [PipeReader] = []

    /// Streams are numbered upwards; long before the numbers end the worker is replaced.
    private static let lastStream: UInt32 = 1 << 31
    /// Twice what a worker has open at most. Those whose results it has read may still count here, while they share a write with what it
    /// has not.
    private var callLimit: Int { 2 * WorkerMain.calls(pool.policy) }

    init(_ launched: any LaunchedWorker, boot: BootFrame, generation: Int, pool: WorkerPool) throws {
        self.launched = launched
        self.generation = generation
        self.pool = pool
        loop = pool.loop
        executionID = boot.executionID
        startedAt = pool.site.clock.monotonic()
        idleSince = startedAt
        out.writeFrame(.boot, stream: 0) { boot.write(to: &$0) }
        listen()
        connect()
    }

    var process: Int32 { launched.process }
    var load: Int { dispatches.count }

    var takesRequests: Bool {
        if case .ready = state { last < Worker.lastStream } else { false }
    }

    /// Ready, or on its way to it.
    var isComing: Bool {
        switch state {
        case .booting, .ready: true
        default: false
        }
    }

    private func connect() {
        let handler = WorkerChannel(self)
        let socket = launched.socket
        FrameOutlet.connect(socket, on: loop, handler).whenComplete { result in
            switch result {
            case .success(let channel):
                self.channel = channel
                self.outlet = FrameOutlet(channel, socket: socket)
                self.flush()
            case .failure(let error): self.condemn(.bootFailure("\(error)"))
            }
        }
    }

    private func listen() {
        for (descriptor, level) in [(launched.output, Logger.Level.info), (launched.errors, Logger.Level.error)] {
            guard let descriptor else { continue }
            let handler = PipeReader(log: pool.logs, executionID: executionID, level: level)
            pipes.append(handler)
            NIOPipeBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler) }
                }
                .takingOwnershipOfDescriptor(input: descriptor)
                .whenFailure { _ in handler.isClosed = true }
        }
    }

    // MARK: Requests

    /// `false` when its head does not fit a frame.
    func send(_ dispatch: Dispatch) -> Bool {
        last += 1
        guard RequestFrame.write(dispatch.invocation, to: &out, stream: last) else { return false }
        dispatch.worker = self
        dispatch.stream = last
        dispatch.attempts += 1
        dispatches[last] = dispatch
        dispatch.reply.assigned(to: executionID)
        if case .whole(let bytes) = dispatch.invocation.body, bytes.count > Frame.inlineBody {
            out.writeBody(.body, stream: last, bytes.buffer, isLast: true)
        }
        flushSoon()
        return true
    }

    func cancel(_ dispatch: Dispatch, _ reason: CancelReason) {
        write(.cancel, dispatch.stream) { $0.put(reason.number) }
    }

    private func write(_ kind: FrameKind, _ stream: UInt32, flags: UInt8 = 0, _ body: (inout ByteBuffer) -> Void = { _ in }) {
        out.writeFrame(kind, stream: stream, flags: flags, body)
        flushSoon()
    }

    /// All frames of one turn of the loop go out with one write.
    private func flushSoon() {
        guard !isFlushDue else { return }
        isFlushDue = true
        loop.execute {
            self.isFlushDue = false
            self.flush()
        }
    }

    private func flush() {
        guard let outlet, channel?.isActive == true else { return }
        guard results > 0 else { return outlet.send(&out) }
        let answered = results
        results = 0
        outlet.send(&out) { self.calls -= answered }
    }

    // MARK: What it says

    func received(_ bytes: ByteBuffer) {
        switch state {
        case .ending, .ended: return
        default: break
        }
        reader.feed(bytes)
        do throws(FrameProblem) {
            while let frame = try reader.next() {
                try take(frame)
                switch state {
                case .ending, .ended: return
                default: break
                }
            }
        } catch {
            condemn(.protocolError(error.rawValue))
        }
    }

    private func take(_ frame: Frame) throws(FrameProblem) {
        if case .booting = state, frame.kind != .ready, frame.kind != .log { throw .unexpected }
        switch frame.kind {
        case .ready: try becomeReady(ReadyFrame(frame.payload))
        case .whole: try whole(frame)
        case .head: try head(frame)
        case .part: try part(frame)
        case .end:
            guard let dispatch = try known(frame) else { return }
            guard dispatch.isStreaming else { throw .unexpected }
            over(dispatch) { $0.end() }
        case .failed:
            let error = try ResponseFrame.readFailure(frame.payload)
            guard let dispatch = try known(frame) else { return }
            over(dispatch) { $0.failed(error) }
        case .want:
            guard let dispatch = try known(frame) else { return }
            guard case .stream = dispatch.invocation.body, dispatch.wanted < 8 else { throw .unexpected }
            dispatch.isBegun = true
            dispatch.wanted += 1
            readBody(dispatch)
        case .background: try background(frame)
        case .log: pool.logs.write(try LogFrame(frame.payload), executionID: executionID)
        case .call: try call(frame)
        case .count:
            for count in try CountFrame(frame.payload).counts { pool.site.capabilities.count(count.key, by: count.amount) }
        case .event:
            var payload = frame.payload
            pool.site.report(.egressDenied(host: try payload.takeText(), kind: try payload.takeText()))
        case .drained:
            guard case .retiring = state else { throw .unexpected }
            // In order, so there is nothing left to read. It ends when it sees the socket closed.
            hungUp()
        default: throw .wrongDirection
        }
    }

    private func becomeReady(_ frame: ReadyFrame) throws(FrameProblem) {
        guard case .booting = state else { throw .unexpected }
        state = .ready
        wasReady = true
        let now = pool.site.clock.monotonic()
        idleSince = now
        pool.site.report(
            .booted(
                executionID: executionID, process: process, nanoseconds: now.subtractingClamped(startedAt), active: frame.active,
                missing: frame.missing))
        pool.ready(self)
    }

    /// The request a frame belongs to; `nil` for one that is over, and an error for one that never was.
    private func known(_ frame: Frame) throws(FrameProblem) -> Dispatch? {
        guard frame.stream != 0, frame.stream <= last else { throw .unexpected }
        guard let dispatch = dispatches[frame.stream] else { return nil }
        dispatch.isBegun = true
        return dispatch
    }

    private func over(_ dispatch: Dispatch, _ tell: (any InvocationReply) -> Void) {
        dispatches[dispatch.stream] = nil
        dispatch.worker = nil
        if dispatches.isEmpty { idleSince = pool.site.clock.monotonic() }
        dispatch.finish(tell)
    }

    private func whole(_ frame: Frame) throws(FrameProblem) {
        var payload = frame.payload
        let response = try ResponseFrame.readHead(&payload)
        guard let dispatch = try known(frame) else { return }
        guard !dispatch.isStreaming else { throw .unexpected }
        guard payload.readableBytes <= pool.policy.limits.output.bytes else { return overflow(dispatch) }
        over(dispatch) { $0.whole(response, body: payload.readableBytes > 0 ? payload : nil) }
    }

    private func head(_ frame: Frame) throws(FrameProblem) {
        var payload = frame.payload
        let declared = Int64(bitPattern: try payload.take64())
        let response = try ResponseFrame.readHead(&payload)
        try payload.checkEnd()
        guard let dispatch = try known(frame) else { return }
        guard !dispatch.isStreaming else { throw .unexpected }
        dispatch.isStreaming = true
        guard declared <= Int64(pool.policy.limits.output.bytes) else { return overflow(dispatch) }
        if !dispatch.isOver { dispatch.reply.begin(response, length: declared < 0 ? nil : Int(declared)) }
    }

    private func part(_ frame: Frame) throws(FrameProblem) {
        guard let dispatch = try known(frame) else { return }
        let count = frame.payload.readableBytes
        guard dispatch.isStreaming else { throw .unexpected }
        let charge = Frame.charge(count)
        dispatch.window -= charge
        guard dispatch.window >= 0 else { throw .overWindow }
        guard !dispatch.isOver else { return }
        dispatch.bytesOut += count
        guard dispatch.bytesOut <= pool.policy.limits.output.bytes else { return overflow(dispatch) }
        dispatch.reply.part(frame.payload) { wanted in
            if self.loop.inEventLoop {
                self.taken(dispatch, charge, wanted)
            } else {
                self.loop.execute { self.taken(dispatch, charge, wanted) }
            }
        }
    }

    /// The client has taken a part: the worker may send as much again. Small amounts are granted together.
    private func taken(_ dispatch: Dispatch, _ charge: Int, _ wanted: Bool) {
        guard dispatch.worker === self, !dispatch.isOver else { return }
        guard wanted else { return dispatch.cancel(.clientGone) }
        dispatch.taken += charge
        guard dispatch.taken >= Frame.window / 2 || dispatch.window < Frame.window / 2 else { return }
        let grant = dispatch.taken
        dispatch.taken = 0
        dispatch.window += grant
        write(.grant, dispatch.stream) { $0.put(UInt32(grant)) }
    }

    /// More than an answer may be: what the client has of it is cut, and the worker hears that nobody reads on.
    private func overflow(_ dispatch: Dispatch) {
        cancel(dispatch, .outputLimit)
        dispatch.cancelledAt = pool.site.clock.monotonic()
        dispatch.isCancelled = true
        let limit = pool.policy.limits.output.bytes
        dispatch.finish {
            $0.broken(
                HTTPError(
                    546, .workerLimit, "Function failed due to not having enough compute resources (please check logs)",
                    cause: "the answer is larger than the \(limit) bytes its policy allows"))
        }
    }

    // MARK: Streamed request bodies

    private func readBody(_ dispatch: Dispatch) {
        guard case .stream(let stream) = dispatch.invocation.body, !dispatch.isReadingBody, dispatch.wanted > 0 else { return }
        dispatch.isReadingBody = true
        let source = stream.source
        Task {
            let result: Result<ByteBuffer?, any Error>
            do { result = .success(try await source.next()) } catch { result = .failure(error) }
            self.loop.execute { self.gave(result, to: dispatch) }
        }
    }

    private func gave(_ result: Result<ByteBuffer?, any Error>, to dispatch: Dispatch) {
        dispatch.isReadingBody = false
        guard dispatch.worker === self, !dispatch.isOver else { return }
        dispatch.wanted -= 1
        switch result {
        case .success(.some(let bytes)):
            out.writeBody(.body, stream: dispatch.stream, bytes)
            flushSoon()
            readBody(dispatch)
        case .success(.none): write(.body, dispatch.stream, flags: Frame.isLast)
        case .failure(let error):
            write(.bodyFailed, dispatch.stream) { ResponseFrame.writeFailure(HTTPError(handlerThrew: error), to: &$0) }
        }
    }

    // MARK: Capabilities

    private func call(_ frame: Frame) throws(FrameProblem) {
        let call = try Call(frame.payload)
        // Results that nobody reads would pile up here.
        guard calls < callLimit else { throw .tooManyCalls }
        calls += 1
        guard pool.policy.capabilities.contains(call.capability) else {
            return answer(frame.stream, .refused(.undeclared(call.capability, of: pool.name)))
        }
        let capabilities = pool.site.capabilities
        let stream = frame.stream
        var reference: InvocationReference?
        if let asked = call.request {
            guard let dispatch = dispatches[asked], !dispatch.isOver else {
                return answer(stream, .refused(HTTPError(409, .badRequest, "The request this is for is over")))
            }
            reference = InvocationReference(
                stream: asked, head: dispatch.invocation.head, identity: dispatch.invocation.identity)
        }
        // On the loop until it first waits: most answers are there at once.
        Task.immediate {
            let result: CallResult
            do {
                switch call {
                case .checkRateLimit(let key, let limit, let nanoseconds):
                    result = .rateLimit(
                        try await capabilities.checkRateLimit(key, limit: limit, window: .nanoseconds(nanoseconds)))
                case .resetRateLimit(let key, let limit, let nanoseconds):
                    try await capabilities.resetRateLimit(key, limit: limit, window: .nanoseconds(nanoseconds))
                    result = .done
                case .reserve(let amount, let quotas):
                    result = .quotas(try await capabilities.reserve(amount, from: quotas))
                case .settle(let quotas, let reserved, let used):
                    result = .quotas(try await capabilities.settle(quotas, reserved: reserved, used: used))
                case .hostReport(let ready): result = .report(try await capabilities.hostReport(ready: ready))
                case .storage(let ask, _):
                    guard let reference else { throw HTTPError(409, .badRequest, "The request this is for is over") }
                    result = .storage(try await capabilities.storage(ask, for: reference))
                case .realtime(let ask, _):
                    guard let reference else { throw HTTPError(409, .badRequest, "The request this is for is over") }
                    result = .realtime(try await capabilities.realtime(ask, for: reference))
                }
            } catch { result = .refused(HTTPError(handlerThrew: error)) }
            if self.loop.inEventLoop { self.answer(stream, result) } else { self.loop.execute { self.answer(stream, result) } }
        }
    }

    private func answer(_ stream: UInt32, _ result: CallResult) {
        results += 1
        // Only these have answers that could be too long for a frame.
        switch result {
        case .storage, .realtime: break
        default: return write(.result, stream) { result.write(to: &$0) }
        }
        write(.result, stream) { out in
            let start = out.writerIndex
            result.write(to: &out)
            guard out.writerIndex - start > Frame.maximumPayload else { return }
            out.moveWriterIndex(to: start)
            CallResult.refused(HTTPError(413, .payloadTooLarge, "The answer is too long for one call; ask for less at a time"))
                .write(to: &out)
        }
    }

    private func background(_ frame: Frame) throws(FrameProblem) {
        guard frame.stream != 0, frame.stream <= last else { throw .unexpected }
        if frame.flags == 1 {
            guard background.count < 10_000 else { throw .unexpected }
            guard let dispatch = dispatches[frame.stream] else { throw .unexpected }
            background.append((frame.stream, pool.site.clock.monotonic(), dispatch.reply))
            dispatch.reply.background(+1)
        } else {
            guard let index = background.firstIndex(where: { $0.stream == frame.stream }) else { throw .unexpected }
            background.remove(at: index).reply.background(-1)
            if background.isEmpty { idleSince = pool.site.clock.monotonic() }
        }
    }

    // MARK: Limits

    func tick(_ now: UInt64) {
        switch state {
        case .ending, .ended: return
        default: break
        }
        // Its socket may be held open by somebody else; its process is what counts.
        if launched.reap() != nil { return hungUp() }
        measure()
        watch(now)
    }

    private func measure() {
        guard let usage = launched.usage() else { return }
        let limits = pool.policy.limits
        let shares = charge.sample(processor: usage.processor, running: launched.running, inFlight: dispatches.count)
        var worst: Dispatch?
        for dispatch in dispatches.values {
            dispatch.processor += shares.each
            if let alone = shares.alone, alone.stream == UInt64(dispatch.stream) { dispatch.processor += alone.nanoseconds }
            if dispatch.processor > worst?.processor ?? 0 { worst = dispatch }
        }
        if usage.resident > UInt64(limits.memoryHard.bytes) { return condemn(.memory) }
        if let worst, worst.processor > UInt64(clamping: limits.cpuHard.clampedNanoseconds) { return condemn(.cpu) }
        if usage.resident > UInt64(limits.memorySoft.bytes) { retire(.memory, as: .memory, because: "memory soft limit") }
        if let worst, worst.processor > UInt64(clamping: limits.cpuSoft.clampedNanoseconds) {
            retire(.cpu, as: .cpu, because: "CPU time soft limit")
        }
    }

    private func watch(_ now: UInt64) {
        switch state {
        case .booting:
            if now.subtractingClamped(startedAt) > UInt64(clamping: pool.settings.boot.clampedNanoseconds) {
                return condemn(.bootFailure("it did not get ready in time"))
            }
        case .retiring(_, let until):
            if now > until { return condemn(.overstayed) }
        case .ready:
            if last >= Worker.lastStream { retire(.termination, as: .replaced) }
            if let idle = pool.settings.idle, dispatches.isEmpty, background.isEmpty,
                now.subtractingClamped(idleSince) > UInt64(clamping: idle.clampedNanoseconds)
            {
                endsIdle = true
                retire(.earlyDrop, as: .idle)
            }
        case .ending, .ended: return
        }
        let patience = UInt64(clamping: pool.settings.patience.clampedNanoseconds)
        let running = launched.running
        for dispatch in dispatches.values where dispatch.isCancelled && dispatch.cancelledAt != 0 {
            let overdue = now.subtractingClamped(dispatch.cancelledAt)
            // It holds the loop, so nobody else gets anything from this worker either.
            if running == UInt64(dispatch.stream), overdue > 1_000_000_000 { return condemn(.wallClock) }
            if overdue > patience { return retireOverdue(now, overdue > 2 * patience) }
        }
        let allowed = UInt64(clamping: pool.policy.limits.background.clampedNanoseconds)
        if background.contains(where: { now.subtractingClamped($0.since) > allowed && dispatches[$0.stream] == nil }) {
            condemn(.wallClock)
        }
    }

    /// A request goes on although it was cancelled: others may finish, then the worker goes.
    private func retireOverdue(_ now: UInt64, _ isHopeless: Bool) {
        if dispatches.values.allSatisfy(\.isCancelled) || isHopeless { return condemn(.wallClock) }
        retire(.wallClock, as: .wallClock, because: "a cancelled request does not end")
    }

    // MARK: Ending

    /// Takes no more requests, finishes those it has, saves, and ends.
    func retire(_ reason: UnloadReason, as end: WorkerEnd, because: String? = nil, grace: Duration? = nil) {
        let limit = UInt64(clamping: (grace ?? pool.settings.grace).clampedNanoseconds)
        let until = pool.site.clock.monotonic() &+ limit
        switch state {
        case .booting:
            return condemn(end)
        case .retiring(let first, let before):
            state = .retiring(as: first, until: min(before, until))
            return
        case .ending, .ended: return
        case .ready: break
        }
        state = .retiring(as: end, until: until)
        if let because { pool.site.report(.retiring(reason: because, executionID: executionID)) }
        write(.drain, 0) {
            $0.put(UInt8(UnloadReason.allCases.firstIndex(of: reason) ?? 0))
            $0.put(limit)
        }
        pool.retiring(self)
    }

    /// Ends it now, with everything it runs.
    func condemn(_ end: WorkerEnd) {
        switch state {
        case .ending, .ended: return
        default: break
        }
        state = .ending(end)
        launched.kill()
        channel?.close(promise: nil)
        reapSoon()
    }

    /// The socket is closed, or the process is gone.
    func hungUp() {
        switch state {
        case .ending, .ended: return
        case .retiring(let end, _): leaving = end
        default: break
        }
        state = .ending(nil)
        channel?.close(promise: nil)
        reapSoon()
    }

    /// A process is gone a moment after its socket: it is asked for a while, then ended.
    private func reapSoon() {
        guard case .ending(let condemned) = state else { return }
        reapings += 1
        if let exit = launched.reap() {
            // Its last words may still be on their way; somebody else may hold the pipes open.
            if pipes.allSatisfy(\.isClosed) || reapings > 50 { return bury(condemned ?? named(exit)) }
        }
        if reapings == 100 { launched.kill() }
        if reapings >= 5000 { return bury(condemned ?? .hungUp) }
        loop.scheduleTask(in: .milliseconds(1)) { self.reapSoon() }
    }

    private func named(_ exit: WorkerExit) -> WorkerEnd {
        switch exit {
        // It was we who ended it, because it had closed its socket and lived on. A slow end of its own keeps its name.
        case .signalled(SIGKILL, _) where reapings > 100: return .hungUp
        case .exited(0) where leaving != nil: return leaving ?? .asked
        case .exited(let code): return wasReady ? .exit(code) : .bootFailure("exit \(code)")
        case .signalled(_, let name): return wasReady ? .signal(name) : .bootFailure("signal \(name)")
        }
    }

    private func bury(_ end: WorkerEnd) {
        if case .ended = state { return }
        state = .ended
        let begun = launched.begun
        let running = launched.running
        let all = dispatches.values.sorted { $0.stream < $1.stream }
        dispatches.removeAll()
        // A retired worker that ends in order has nothing in flight; whoever is here lost it.
        var innocent: [Dispatch] = []
        var lost: [Dispatch] = []
        for dispatch in all {
            dispatch.worker = nil
            let isUntouched = !dispatch.isBegun && UInt64(dispatch.stream) > begun && begun <= UInt64(last)
            if isUntouched, dispatch.attempts < 3, !dispatch.isCancelled {
                innocent.append(dispatch)
            } else {
                lost.append(dispatch)
            }
        }
        let suspect = all.first { UInt64($0.stream) == running } ?? (lost.count == 1 ? lost.first : nil)
        for dispatch in lost { dispatch.finish { $0.broken(end.answer) } }
        for pipe in pipes { pipe.close() }
        launched.close()
        for piece in background { piece.reply.background(-1) }
        background = []
        // One that crashes while it finishes did not end as it was asked to.
        let asAsked = end == leaving
        pool.site.report(
            .ended(
                end, executionID: executionID, process: process, inFlight: lost.count, tail: pipes.last?.tail ?? [],
                suspect: suspect.map { $0.invocation.head.requestID.text }, asAsked: asAsked))
        pool.ended(self, end, asAsked: asAsked)
        pool.resend(innocent)
    }
}

extension CancelReason {
    var number: UInt8 { UInt8(CancelReason.allCases.firstIndex(of: self) ?? 0) }
    init(number: UInt8) {
        self = CancelReason.allCases.indices.contains(Int(number)) ? CancelReason.allCases[Int(number)] : .shutdown
    }
}

/// Hands what a channel brings to its worker.
private final class WorkerChannel: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let worker: Worker
    init(_ worker: Worker) { self.worker = worker }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { worker.received(unwrapInboundIn(data)) }
    func channelInactive(context: ChannelHandlerContext) { worker.hungUp() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
