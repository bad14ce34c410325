package import NIOCore
import SwiftletHTTP
package import SwiftletWebSocket

/// What the owner of a WebSocket is told. Everything on the socket's event loop.
package protocol WebSocketListener: AnyObject {
    /// Whole messages, valid during the call only.
    func received(text: UnsafeRawBufferPointer)
    func received(binary: UnsafeRawBufferPointer)
    /// A mark goes out now: once it is confirmed, everything written before it has reached the client's program.
    func marked()
    func confirmed()
    /// About every second.
    func tick()
    /// There is room again, after ``WebSocketConnection/canTake`` was false.
    func writable()
    /// Nothing comes any more, and nothing can be sent. Called once.
    func ended(_ end: WebSocketEnd)
}

/// How a WebSocket ended: in logs and metrics by these names.
package enum WebSocketEnd: String, Sendable, CaseIterable {
    /// The client said goodbye.
    case closed
    /// The connection broke, or the client went without a word.
    case lost
    /// It sent what RFC 6455 forbids.
    case protocolError = "protocol_error"
    case tooBig = "too_big"
    /// It sent too much of what needs answering.
    case flood
    /// It did not take what was sent to it.
    case slowConsumer = "slow_consumer"
    /// It did not answer a ping, or stopped in the middle of a message.
    case timedOut = "timed_out"
    /// This side ended it.
    case ended
}

/// One WebSocket: the only handler of its channel once the handshake has been answered.
package final class WebSocketConnection: ChannelDuplexHandler, RemovableChannelHandler, @unchecked Sendable {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = Never
    package typealias OutboundIn = Never
    package typealias OutboundOut = ByteBuffer

    private enum Phase {
        case open
        /// A close frame has been sent; the client's, or the end of the connection, is awaited.
        case closing
        case closed
    }

    private let loop: LoopState
    private let channel: any Channel
    private var context: ChannelHandlerContext?
    private var listener: (any WebSocketListener)?
    private var reader: WebSocketReader
    private var phase = Phase.open
    private let peer: PeerAddress
    private var isCounted: Bool
    var sweepIndex = -1

    private var closingSince: Int64 = 0
    private var lastReceived: Int64
    private var lastTick: Int64
    private var lastMark: Int64
    /// The ping under way, 0 for none.
    private var pinged: Int64 = 0
    private var pingNumber: UInt64 = 0
    /// Something was written after the last mark.
    private var hasUnmarked = false
    private var hasUnflushed = false
    private var isCutting = false
    private var isFlushScheduled = false

    /// Times in nanoseconds.
    private enum Rule {
        /// Quiet for so long: is it still there?
        static let quiet: Int64 = 20_000_000_000
        /// What was written is confirmed this often; less often where that would be work for very many.
        static let mark: Int64 = 500_000_000
        static let markOfMany: Int64 = 5_000_000_000
        static let many = 2_000
        static let pong: Int64 = 10_000_000_000
        /// A message may pause this long in the middle.
        static let stall: Int64 = 30_000_000_000
        static let closing: Int64 = 5_000_000_000
        static let tick: Int64 = 1_000_000_000
    }

    init(loop: LoopState, channel: any Channel, peer: PeerAddress, isCounted: Bool, limits: WebSocketLimits) {
        self.loop = loop
        self.channel = channel
        self.peer = peer
        self.isCounted = isCounted
        reader = WebSocketReader(limits: limits)
        let now = loop.clock.steady()
        lastReceived = now
        lastTick = now
        lastMark = now
        // What a client does not take is kept up to here; then it is too slow.
        try? channel.syncOptions?.setOption(
            .writeBufferWaterMark,
            value: .init(low: loop.configuration.maxUnsent / 2, high: max(1, loop.configuration.maxUnsent)))
    }

    package var eventLoop: any EventLoop { loop.eventLoop }

    func start(_ listener: any WebSocketListener) {
        self.listener = listener
        loop.add(self)
    }

    // MARK: Sending

    /// Takes a whole frame; it goes out with everything else of this turn of the loop.
    package func send(_ frame: ByteBuffer) {
        push(frame)
        flushSoon()
    }

    /// Takes a whole frame, which goes out with the next ``flush()``.
    package func push(_ frame: ByteBuffer) {
        guard phase == .open else { return }
        if !channel.isWritable, unsent > loop.configuration.maxUnsent &* 2 { return fallBehind() }
        hasUnmarked = true
        hasUnflushed = true
        context?.write(wrapOutboundOut(frame), promise: nil)
    }

    /// Sends what was taken.
    package func flush() {
        guard hasUnflushed else { return }
        hasUnflushed = false
        context?.flush()
    }

    /// False once `maxUnsent` is waiting to be taken. Answers may still be sent, up to twice as much; everything else can wait.
    package var canTake: Bool { channel.isWritable }

    private var unsent: Int { (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if channel.isWritable, phase == .open { listener?.writable() }
    }

    private func write(_ frame: ByteBuffer) {
        hasUnflushed = true
        context?.write(wrapOutboundOut(frame), promise: nil)
        flushSoon()
    }

    private func flushSoon() {
        guard hasUnflushed, !isFlushScheduled else { return }
        isFlushScheduled = true
        loop.flushTogether(self)
    }

    /// The turn is over.
    func turnEnded() {
        isFlushScheduled = false
        flush()
    }

    /// More is waiting for it than a client may leave waiting: the others do not wait for it.
    ///
    /// Whoever sends is in the middle of something: the listener hears of it in the next turn.
    package func fallBehind() {
        guard phase == .open else { return }
        startClosing(.slowConsumer)
        loop.eventLoop.execute { self.tell(.slowConsumer) }
    }

    private func startClosing(_ close: WebSocketClose) {
        phase = .closing
        closingSince = loop.clock.steady()
        write(ByteBuffer(bytes: WebSocketFrames.close(close)))
    }

    /// Sends a close frame behind what was sent, and waits a moment for the client's.
    package func close(_ close: WebSocketClose) { end(.ended, close) }

    private func end(_ end: WebSocketEnd, _ close: WebSocketClose) {
        guard phase == .open else { return }
        startClosing(close)
        guard end == .ended else { return tell(end) }
        // The client's own close frame will say that it has read everything before ours.
        listener?.marked()
    }

    private func tell(_ end: WebSocketEnd) {
        guard let listener else { return }
        self.listener = nil
        listener.ended(end)
    }

    private func cut() {
        guard phase != .closed else { return }
        tell(phase == .closing ? .ended : .lost)
        phase = .closed
        loop.remove(self)
        context?.close(mode: .all, promise: nil)
    }

    // MARK: What the channel calls

    package func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) { received(unwrapInboundIn(data)) }

    func received(_ buffer: ByteBuffer) {
        loop.bytesReceived &+= buffer.readableBytes
        guard phase != .closed, buffer.readableBytes > 0 else { return }
        lastReceived = loop.now
        let fault = buffer.withUnsafeReadableBytes { bytes in
            reader.read(bytes) { event in take(event) }
        }
        guard let fault, phase == .open else { return }
        switch fault.close {
        case .tooBig: end(.tooBig, fault.close)
        case .policy: end(.flood, fault.close)
        default: end(.protocolError, fault.close)
        }
    }

    private func take(_ event: WebSocketEvent) {
        guard phase == .open else {
            // The answer to our close, or the last of what was on its way.
            guard case .close = event, phase == .closing else { return }
            listener?.confirmed()
            tell(.ended)
            return cutAfterFlush()
        }
        switch event {
        case .text(let bytes): listener?.received(text: bytes)
        case .binary(let bytes): listener?.received(binary: bytes)
        case .ping(let bytes):
            send(ByteBuffer(bytes: WebSocketFrames.pong(bytes)))
        case .pong(let bytes): ponged(bytes)
        case .close(let code, _):
            phase = .closing
            closingSince = loop.clock.steady()
            write(ByteBuffer(bytes: WebSocketFrames.close(answering: code)))
            tell(.closed)
            cutAfterFlush()
        }
    }

    private func ponged(_ bytes: UnsafeRawBufferPointer) {
        guard pinged != 0, bytes.count == 8, bytes.loadUnaligned(as: UInt64.self) == pingNumber else { return }
        pinged = 0
        listener?.confirmed()
    }

    private func cutAfterFlush() {
        // The client may take its time over what is still to be sent, but not for ever: see tick.
        guard phase == .closing, !isCutting, let context else { return }
        isCutting = true
        hasUnflushed = false
        let sent = loop.eventLoop.makePromise(of: Void.self)
        sent.futureResult.whenComplete { [self] _ in cut() }
        context.writeAndFlush(wrapOutboundOut(loop.emptyBuffer), promise: sent)
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A WebSocket whose client no longer sends is over.
        if let event = event as? ChannelEvent, event == .inputClosed {
            tell(.lost)
            cut()
        }
        context.fireUserInboundEventTriggered(event)
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        tell(.lost)
        cut()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        let end: WebSocketEnd = phase == .open ? .lost : .ended
        phase = .closed
        loop.remove(self)
        if isCounted {
            isCounted = false
            loop.counts.giveBack(peer)
        }
        tell(end)
    }

    // MARK: Time

    func tick(_ now: Int64) {
        switch phase {
        case .closed: return
        case .closing:
            if now &- closingSince >= Rule.closing { cut() }
            return
        case .open: break
        }
        if now &- lastTick >= Rule.tick {
            lastTick = now
            reader.renew()
            listener?.tick()
            guard phase == .open else { return }
        }
        if pinged != 0 {
            if now &- pinged >= Rule.pong { return timeOut() }
        } else if now &- lastReceived >= Rule.quiet
            || (hasUnmarked && now &- lastMark >= (loop.socketCount > Rule.many ? Rule.markOfMany : Rule.mark))
        {
            ping(now)
        }
        if !channel.isWritable, now &- lastReceived >= Rule.stall { return timeOut() }
        if reader.isMidMessage || reader.isMidFrame, now &- lastReceived >= Rule.stall { timeOut() }
    }

    private func ping(_ now: Int64) {
        guard channel.isWritable, loop.mayPing() else { return }
        pinged = now
        lastMark = now
        hasUnmarked = false
        pingNumber &+= 1
        listener?.marked()
        write(ByteBuffer(bytes: withUnsafeBytes(of: pingNumber) { WebSocketFrames.frame(.ping, $0) }))
    }

    private func timeOut() {
        tell(.timedOut)
        cut()
    }

    /// The server is shutting down: the listener says how.
    func closeNow() {
        tell(.ended)
        cut()
    }
}
