import Logging
import NIOCore
package import Swiftlet

/// The worker's end of the hop: frames in, invocations run, frames out. It lives on the worker's one loop, whose thread makes it.
package final class WorkerLink: @unchecked Sendable {
    /// Where handlers go on after they have waited.
    package let loop: WorkerLoop
    private let ledger: WorkerLedger?
    private var reader = FrameReader(fromWorker: false)
    private var out = ByteBuffer()
    private var isReading = false
    /// What was counted and not told yet: each series once, however often it was counted.
    private var counts: [CounterKey: Int] = [:]

    private var function: FunctionName = ""
    private var executionID = ""
    private var invoker: InlineInvoker?
    private var callLimit = 256
    private var runs = StreamTable<RunningRequest>()
    private var calls: [UInt32: UnsafeContinuation<CallResult, Never>] = [:]
    private var lastCall: UInt32 = 0
    private var background = 0
    private var isDraining = false
    private var isSaved = false
    private var isDone = false

    /// - Parameters:
    ///   - socket: to the host; it stays the caller's.
    ///   - ledger: where the host can see what runs; without one it learns it from frames alone.
    package init(socket: Int32, ledger: WorkerLedger?) {
        loop = WorkerLoop(socket: socket)
        self.ledger = ledger
    }

    /// Serves until the host is gone, or wants nothing more.
    ///
    /// - Parameter calls: of the host that may be open at once.
    package func run(function: FunctionName, executionID: String, calls: Int, invoker: InlineInvoker, ready: ReadyFrame) {
        callLimit = calls
        self.function = function
        self.executionID = executionID
        self.invoker = invoker
        write(.ready, 0) { ready.write(to: &$0) }
        loop.run(received: received, turned: flush)
        // Only where the process goes on: nobody answers any more.
        runs.removeAll()
        for call in self.calls.values { call.resume(returning: .refused(HTTPError(503, .overloaded, "The host is gone"))) }
        self.calls.removeAll()
    }

    // MARK: In

    private func received(_ bytes: ByteBuffer) {
        isReading = true
        defer { isReading = false }
        reader.feed(bytes)
        do throws(FrameProblem) {
            while let frame = try reader.next() { try take(frame) }
        } catch {
            // The host is trusted, so this is a fault of ours; without it nothing can be served.
            fatalError("the host sent a frame that cannot be: \(error.rawValue)")
        }
    }

    private func take(_ frame: Frame) throws(FrameProblem) {
        switch frame.kind {
        case .request: try begin(RequestFrame(frame.payload, function: function, executionID: executionID), frame.stream)
        case .body:
            guard let run = runs[frame.stream] else { return }
            if let body = run.whole {
                if body.add(frame.payload, isLast: frame.flags & Frame.isLast != 0) {
                    run.start(with: .whole(Bytes(buffer: body.bytes)))
                }
            } else {
                run.body?.add(frame.payload, isLast: frame.flags & Frame.isLast != 0)
            }
        case .bodyFailed:
            let error = try ResponseFrame.readFailure(frame.payload)
            runs[frame.stream]?.body?.fail(error)
        case .cancel:
            var payload = frame.payload
            let reason = CancelReason(number: try payload.takeByte())
            runs[frame.stream]?.cancel(reason)
        case .grant:
            var payload = frame.payload
            let count = Int(try payload.take32())
            runs[frame.stream]?.grant(count)
        case .result:
            let result = try CallResult(frame.payload)
            calls.removeValue(forKey: frame.stream)?.resume(returning: result)
        case .drain:
            var payload = frame.payload
            let index = Int(try payload.takeByte())
            let grace = try payload.take64()
            drain(UnloadReason.allCases.indices.contains(index) ? UnloadReason.allCases[index] : .termination, grace)
        default: throw .wrongDirection
        }
    }

    private func begin(_ request: RequestFrame, _ stream: UInt32) throws(FrameProblem) {
        let run = RunningRequest(
            stream: stream, head: request.head, identity: request.identity, deadline: request.deadline, link: self)
        runs[stream] = run
        switch request.body {
        case .inline(let bytes): run.start(with: .whole(Bytes(buffer: bytes)))
        case .following(let length): run.whole = CollectedBody(length: length)
        case .stream:
            let body = FrameBody(stream: stream, link: self)
            run.body = body
            run.start(with: .stream(BodyStream(body)))
        }
    }

    /// Runs a request, and tells the host that it holds the loop while it does: no later word could be said by one that traps.
    fileprivate func run(_ invocation: Invocation, _ reply: RunningRequest) -> (any RunningInvocation)? {
        ledger?.enter(UInt64(reply.stream), at: 0)
        defer { ledger?.leave() }
        return invoker?.invoke(invocation, reply: reply)
    }

    // MARK: Out

    fileprivate func onLoop(_ body: @escaping @Sendable () -> Void) {
        if loop.isCurrent { body() } else { loop.execute(body) }
    }

    /// What is written while frames are read, or while work is done, goes out with the rest of the batch.
    fileprivate func write(_ kind: FrameKind, _ stream: UInt32, flags: UInt8 = 0, _ body: (inout ByteBuffer) -> Void = { _ in }) {
        out.writeFrame(kind, stream: stream, flags: flags, body)
    }

    /// The last answer of a batch goes out at once: what is still to be tidied away is nothing its client should wait for.
    fileprivate func flushLast() {
        if isReading, reader.missing > 0 { flush() }
    }

    private func flush() {
        // Before the answers it goes with: who has seen those finds it counted.
        if !counts.isEmpty {
            var told = takeCounts()
            loop.send(&told)
        }
        loop.send(&out)
    }

    /// Goes out with the next write, with everything else that is counted until then: a busy worker tells of many requests at once, and
    /// one that is quiet tells it with the answer.
    package func count(_ key: CounterKey, by amount: Int) {
        onLoop {
            let (sum, isTooMuch) = self.counts[key, default: 0].addingReportingOverflow(amount)
            self.counts[key] = isTooMuch ? CounterKey.largestAmount : min(sum, CounterKey.largestAmount)
            if self.counts.count >= CountFrame.most { self.flush() }
        }
    }

    private func takeCounts() -> ByteBuffer {
        var told = ByteBuffer()
        var rest = counts.map { CountFrame.Count($0.key, $0.value) }[...]
        while !rest.isEmpty {
            told.writeFrame(.count, stream: 0) { CountFrame(Array(rest.prefix(CountFrame.most))).write(to: &$0) }
            rest = rest.dropFirst(CountFrame.most)
        }
        counts.removeAll(keepingCapacity: true)
        return told
    }

    package func log(_ line: LogFrame) {
        onLoop { self.write(.log, 0) { line.write(to: &$0) } }
    }

    package func egressDenied(host: String, kind: String) {
        onLoop {
            self.write(.event, 0) {
                $0.put(host)
                $0.put(kind)
            }
        }
    }

    /// Asks the host for something. The answer always comes, unless the process ends before.
    func call(_ call: Call) async -> CallResult { await ask { call.write(to: &$0) } }

    /// The same for a call that has been written already.
    func call(written: ByteBuffer) async -> CallResult { await ask { $0.writeImmutableBuffer(written) } }

    private func ask(_ write: @escaping @Sendable (inout ByteBuffer) -> Void) async -> CallResult {
        // Answered once: whoever resumes it takes it out of `calls` first.
        await withUnsafeContinuation { continuation in
            onLoop {
                guard self.calls.count < self.callLimit else {
                    return continuation.resume(
                        returning: .refused(HTTPError(503, .overloaded, "The function asks its host too much at once")))
                }
                self.lastCall &+= 1
                self.calls[self.lastCall] = continuation
                self.write(.call, self.lastCall, write)
            }
        }
    }

    fileprivate func over(_ run: RunningRequest) {
        runs[run.stream] = nil
        endWhenDone()
    }

    fileprivate func background(_ change: Int, of stream: UInt32) {
        onLoop {
            self.background += change
            self.write(.background, stream, flags: change > 0 ? 1 : 0)
            self.endWhenDone()
        }
    }

    // MARK: The end

    private func drain(_ reason: UnloadReason, _ grace: UInt64) {
        guard !isDraining else { return }
        isDraining = true
        let invoker = invoker
        Task(priority: .medium) {
            await invoker?.beforeUnload(reason, within: .nanoseconds(Int64(clamping: grace)))
            self.onLoop {
                self.isSaved = true
                self.endWhenDone()
            }
        }
    }

    private func endWhenDone() {
        guard isDraining, isSaved, !isDone, runs.isEmpty, background == 0 else { return }
        isDone = true
        // The host closes, when it has read this and so everything before it. Closing here would drop what the socket has not taken yet,
        // and what the host still sends into a closed socket would cost it the rest of what is there to read.
        write(.drained, 0)
    }
}

/// One request in this worker: where its answer goes.
private final class RunningRequest: InvocationReply, @unchecked Sendable {
    let stream: UInt32
    private let head: FunctionRequestHead
    private let identity: Identity
    private let deadline: UInt64
    private let link: WorkerLink
    private var invocation: (any RunningInvocation)?
    var body: FrameBody?
    var whole: CollectedBody?
    private var window = Frame.window
    private var waiting: (bytes: ByteBuffer, ready: @Sendable (Bool) -> Void)?
    private var isCancelled = false
    private var isOver = false

    init(stream: UInt32, head: FunctionRequestHead, identity: Identity, deadline: UInt64, link: WorkerLink) {
        self.stream = stream
        self.head = head
        self.identity = identity
        self.deadline = deadline
        self.link = link
    }

    func start(with body: FunctionBody) {
        whole = nil
        let running = link.run(
            Invocation(head: head, identity: identity, body: body, deadline: deadline, stream: stream), self)
        // It may have been answered, or cancelled, meanwhile.
        if isCancelled { running?.cancel(.clientGone) }
        if !isOver { invocation = running }
    }

    func cancel(_ reason: CancelReason) {
        isCancelled = true
        invocation?.cancel(reason)
        body?.fail(CancellationError())
        // Never begun: its body was still on the way.
        if whole != nil { return failed(HTTPError(499, .badRequest, "The client went away")) }
        if let waiting {
            self.waiting = nil
            waiting.ready(false)
        }
    }

    func grant(_ count: Int) {
        window += count
        guard let (bytes, ready) = waiting else { return }
        waiting = nil
        part(bytes, ready: ready)
    }

    // MARK: InvocationReply

    func whole(_ response: Response, body: ByteBuffer?) {
        link.onLoop {
            let count = body?.readableBytes ?? 0
            if count <= Frame.inlineBody {
                self.link.write(.whole, self.stream) {
                    ResponseFrame.writeHead(response, to: &$0)
                    if let body { $0.writeImmutableBuffer(body) }
                }
                self.link.flushLast()
                return self.over()
            }
            self.begin(response, length: count)
            self.part(body ?? ByteBuffer()) { wanted in
                // Called on the loop, once everything is sent or nobody wants it.
                if wanted { self.end() } else { self.failed(HTTPError(499, .badRequest, "The client went away")) }
            }
        }
    }

    func begin(_ response: Response, length: Int?) {
        link.onLoop {
            self.link.write(.head, self.stream) {
                $0.put(UInt64(bitPattern: length.map { Int64($0) } ?? -1))
                ResponseFrame.writeHead(response, to: &$0)
            }
        }
    }

    /// Sends what was granted; the rest waits, and its writer with it.
    func part(_ bytes: ByteBuffer, ready: @escaping @Sendable (Bool) -> Void) {
        link.onLoop {
            guard !self.isCancelled else { return ready(false) }
            var bytes = bytes
            while self.window >= Frame.leastCharge,
                var slice = bytes.readSlice(length: min(self.window, bytes.readableBytes, Frame.window)),
                slice.readableBytes > 0
            {
                self.window -= Frame.charge(slice.readableBytes)
                self.link.write(.part, self.stream) { $0.writeBuffer(&slice) }
            }
            if bytes.readableBytes == 0 { return ready(true) }
            self.waiting = (bytes, ready)
        }
    }

    func end() {
        link.onLoop {
            self.link.write(.end, self.stream)
            self.over()
        }
    }

    func failed(_ error: HTTPError) {
        link.onLoop {
            guard !self.isOver else { return }
            self.link.write(.failed, self.stream) { ResponseFrame.writeFailure(error, to: &$0) }
            self.over()
        }
    }

    func broken(_ error: HTTPError) { failed(error) }
    func assigned(to executionID: String) {}
    func background(_ change: Int) { link.background(change, of: stream) }

    private func over() {
        isOver = true
        invocation = nil
        link.over(self)
    }
}

/// A large body that comes whole, in parts.
private final class CollectedBody {
    private(set) var bytes: ByteBuffer
    private let length: Int

    init(length: Int) {
        self.length = length
        bytes = ByteBuffer()
        bytes.reserveCapacity(min(length, 1 << 20))
    }

    /// True once it is whole.
    func add(_ part: ByteBuffer, isLast: Bool) -> Bool {
        var part = part
        bytes.writeBuffer(&part)
        return isLast || bytes.readableBytes >= length
    }
}

/// A body as it arrives: each part is asked for.
private final class FrameBody: BodySource, @unchecked Sendable {
    private let stream: UInt32
    private let link: WorkerLink
    private var parts = CircularBuffer<ByteBuffer>()
    private var end: Result<Void, any Error>?
    private var waiting: CheckedContinuation<ByteBuffer?, any Error>?

    init(stream: UInt32, link: WorkerLink) {
        self.stream = stream
        self.link = link
    }

    func next() async throws -> ByteBuffer? {
        try Task.checkCancellation()
        return try await withCheckedThrowingContinuation { continuation in
            link.onLoop {
                if let part = self.parts.popFirst() { return continuation.resume(returning: part) }
                if let end = self.end { return continuation.resume(with: end.map { nil }) }
                self.waiting = continuation
                self.link.write(.want, self.stream)
            }
        }
    }

    /// On the loop, like the rest.
    func add(_ part: ByteBuffer, isLast: Bool) {
        if part.readableBytes > 0 { parts.append(part) }
        if isLast { end = .success(()) }
        serve()
    }

    func fail(_ error: any Error) {
        if end == nil { end = .failure(error) }
        serve()
    }

    private func serve() {
        guard let continuation = waiting else { return }
        if let part = parts.popFirst() {
            waiting = nil
            continuation.resume(returning: part)
        } else if let end {
            waiting = nil
            continuation.resume(with: end.map { nil })
        }
    }
}
