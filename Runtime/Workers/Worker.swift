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
    let launched: any LaunchedWorker
    let pool: WorkerPool
    let loop: any EventLoop
    var state = State.booting
    var channel: (any Channel)?
    private var outlet: FrameOutlet?
    private var reader = FrameReader(fromWorker: true)
    private var out = ByteBuffer()
    private var isFlushDue = false
    var dispatches = StreamTable<Dispatch>()
    var last: UInt32 = 0
    var charge = ProcessorCharge()
    var idleSince: UInt64
    /// Work left for after answers, by the request that left it.
    var background: [(stream: UInt32, since: UInt64, reply: any InvocationReply)] = []
    /// Calls whose results the socket has not taken yet, and how many of those results are in `out`.
    var calls = 0
    var results = 0
    var reapings = 0
    var endsIdle = false
    /// It starts in one of the host's turns, for which others wait.
    var hasTurn = true
    /// It was asked to end, and why.
    var leaving: WorkerEnd?
    var wasReady = false
    var pipes: [PipeReader] = []

    /// Streams are numbered upwards; long before the numbers end the worker is replaced.
    static let lastStream: UInt32 = 1 << 31

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

    func write(_ kind: FrameKind, _ stream: UInt32, flags: UInt8 = 0, _ body: (inout ByteBuffer) -> Void = { _ in }) {
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
