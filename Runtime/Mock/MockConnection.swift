import Glibc
import NIOCore
import SwiftletHTTP

/// One connection to the mock: reads requests with the product's own strict reader, one after the other, and plays the scripts that answer
/// them. All decisions are in ``MockDesk``.
final class MockConnection: ChannelDuplexHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case head, body, playing, closed
    }

    private enum Incoming {
        case length(Int)
        case chunked(ChunkedDecoder)
    }

    /// Bytes that may wait behind a request that is being answered.
    private static let readAhead = 64 * 1024

    private let loop: MockLoop
    private var context: ChannelHandlerContext?
    private var phase = Phase.head
    private var inbound = ByteBuffer()
    private var reader = RequestReader()
    private var isProcessing = false
    private var isReadHeld = false
    private var isCounted = false

    private var head: RequestHead?
    private var incoming = Incoming.length(0)
    private var body: [UInt8] = []

    private var script = Script(status: nil, steps: [])
    private var step = 0
    private var attempt: Int?
    private var timer: Scheduled<Void>?
    private var isStuck = false
    private var lastWrite: EventLoopFuture<Void>?

    init(loop: MockLoop) { self.loop = loop }

    // MARK: What the channel calls

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        loop.connections += 1
        isCounted = true
        if loop.connections > MockLoop.maxConnections { context.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase != .closed else { return }
        var buffer = unwrapInboundIn(data)
        if inbound.readableBytes == 0 {
            inbound = buffer
        } else {
            inbound.writeBuffer(&buffer)
        }
        process()
    }

    func read(context: ChannelHandlerContext) {
        if phase == .playing, inbound.readableBytes > MockConnection.readAhead {
            isReadHeld = true
        } else {
            context.read()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard isStuck, context.channel.isWritable else { return }
        isStuck = false
        play()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// Nobody waits for the answer any more.
    func channelInactive(context: ChannelHandlerContext) {
        end(.clientGone)
        phase = .closed
        timer?.cancel()
        timer = nil
        loop.letGo(self)
        if isCounted { loop.connections -= 1 }
        isCounted = false
        inbound = ByteBuffer()
        self.context = nil
    }

    // MARK: Reading

    private func process() {
        guard !isProcessing else { return }
        isProcessing = true
        defer { isProcessing = false }
        while true {
            switch phase {
            case .head: guard readHead() else { return }
            case .body: guard readBody() else { return }
            case .playing, .closed: return
            }
        }
    }

    private func readHead() -> Bool {
        guard inbound.readableBytes > 0 else { return false }
        let (consumed, outcome) = inbound.withUnsafeReadableBytes { reader.read($0) }
        inbound.moveReaderIndex(forwardBy: consumed)
        switch outcome {
        case .needMore: return false
        case .refused(let refusal):
            refuse(refusal.status)
            return false
        case .head(let head):
            self.head = head
            body = []
            switch head.framing {
            case .none: incoming = .length(0)
            case .length(let length):
                guard length <= MockLoop.maxBody else {
                    refuse(413)
                    return false
                }
                incoming = .length(length)
            case .chunked: incoming = .chunked(ChunkedDecoder())
            }
            phase = .body
            if head.expectsContinue, head.hasBody, inbound.readableBytes == 0 {
                var buffer = ByteBuffer()
                buffer.writeStaticString(ResponseHeadEncoder.continue)
                context?.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
            }
            return true
        }
    }

    /// Takes what is there; false while more has to come.
    private func readBody() -> Bool {
        switch incoming {
        case .length(let remaining):
            let count = min(remaining, inbound.readableBytes)
            if let bytes = inbound.readBytes(length: count) { body = body.isEmpty ? bytes : body + bytes }
            incoming = .length(remaining - count)
            guard count == remaining else { return false }
        case .chunked(var decoder):
            while !decoder.isComplete {
                guard inbound.readableBytes > 0 else {
                    incoming = .chunked(decoder)
                    return false
                }
                let (consumed, outcome) = inbound.withUnsafeReadableBytes { bytes in
                    let (consumed, outcome) = decoder.read(bytes)
                    if case .data(let range) = outcome { body += bytes[range] }
                    return (consumed, outcome)
                }
                inbound.moveReaderIndex(forwardBy: consumed)
                if case .refused(let refusal) = outcome {
                    refuse(refusal.status)
                    return false
                }
                guard body.count <= MockLoop.maxBody else {
                    refuse(413)
                    return false
                }
            }
        }
        respond()
        return true
    }

    // MARK: Answering

    private func respond() {
        guard let head, phase == .body else { return }
        phase = .playing
        let wire = Wire(date: loop.date, keepsAlive: head.keepAlive, isModern: head.minorVersion == 1)
        let request = MockDesk.Request(
            method: head.methodText, path: head.path, query: head.query, fields: head.fields, body: body)
        self.head = nil
        body = []
        switch loop.desk.receive(request, wire: wire, at: loop.now) {
        case .script(let script, let attempt): begin(script, attempt: attempt)
        case .release: begin(loop.desk.released(loop.release(), wire), attempt: nil)
        }
    }

    /// A request that cannot be read gets its status, and no other follows.
    private func refuse(_ status: Int) {
        phase = .playing
        let wire = Wire(date: loop.date, keepsAlive: false, isModern: true)
        begin(Script(status: status, steps: [.send(wire.whole(status, Array("{}".utf8)))], closes: true), attempt: nil)
    }

    private func begin(_ script: Script, attempt: Int?) {
        self.script = script
        self.attempt = attempt
        step = 0
        lastWrite = nil
        play()
    }

    /// Goes on with the script, as far as it goes without waiting.
    func play() {
        timer = nil
        while phase == .playing, let context {
            guard step < script.steps.count else { return afterLastWrite { $0.finish() } }
            let current = script.steps[step]
            step += 1
            switch current {
            case .send(let bytes):
                send(bytes, context)
                if !context.channel.isWritable {
                    isStuck = true
                    return
                }
            case .wait(let duration):
                let (seconds, attoseconds) = duration.components
                let amount = TimeAmount.nanoseconds(seconds &* 1_000_000_000 &+ attoseconds / 1_000_000_000)
                timer = loop.eventLoop.scheduleTask(in: amount) { [self] in play() }
                return
            case .hold: return loop.hold(self)
            case .reset:
                return afterLastWrite { $0.reset(tries: 1000) }
            case .hangUp:
                return afterLastWrite { connection in
                    connection.end(.hungUp)
                    connection.close()
                }
            }
        }
    }

    private func send(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        let data = wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes))
        // Only what is followed by something else than bytes has to know when they are gone.
        if step < script.steps.count, case .send = script.steps[step] {
            context.writeAndFlush(data, promise: nil)
        } else {
            let promise = loop.eventLoop.makePromise(of: Void.self)
            lastWrite = promise.futureResult
            context.writeAndFlush(data, promise: promise)
        }
    }

    /// Once the system has all that was written; never when the connection broke before.
    private func afterLastWrite(_ then: @escaping @Sendable (MockConnection) -> Void) {
        guard let lastWrite else { return then(self) }
        lastWrite.whenSuccess { [self] in
            if phase == .playing { then(self) }
        }
    }

    private func finish() {
        end(.answered)
        guard !script.closes else { return close() }
        phase = .head
        process()
        if isReadHeld {
            isReadHeld = false
            context?.read()
        }
    }

    /// A reset throws away what the system has not sent yet, so it waits, up to about a second, until the client's system has all of it.
    private func reset(tries: Int) {
        guard let provider = context?.channel as? any SocketOptionProvider else { return close() }
        provider.getTCPInfo().whenComplete { [self] info in
            guard phase == .playing else { return }
            if tries > 0, case .success(let info) = info, info.tcpi_unacked > 0 {
                timer = loop.eventLoop.scheduleTask(in: .milliseconds(1)) { [self] in reset(tries: tries - 1) }
                return
            }
            end(.reset)
            // Without lingering the system says RST where it would say FIN.
            _ = (context?.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
            close()
        }
    }

    private func end(_ how: Attempt.End) {
        guard let attempt else { return }
        loop.desk.ended(attempt, how, at: loop.now)
        self.attempt = nil
    }

    private func close() {
        phase = .closed
        context?.close(promise: nil)
    }
}
