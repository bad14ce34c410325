import Glibc
import NIOCore
import SwiftletHTTP

/// One connection: the only handler of its channel. It takes bytes in, hands exchanges to the host one at a time, and
/// writes what they answer. Reading heads, counting chunks and judging paces are done by values that know no socket.
///
/// This file holds the stored state and what the channel calls; the rest is in extensions, by direction.
final class ConnectionHandler: ChannelDuplexHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    /// What the bytes that come in are.
    enum Phase {
        case proxyHeader
        /// The next request head, or nothing yet.
        case head
        /// An exchange is open; its body may be incomplete.
        case exchange
        /// The rest of a body that nobody read.
        case drain
        /// The response that closes is written; input is thrown away.
        case linger
        case closed
    }

    enum Incoming {
        case none
        /// Bytes still to come.
        case length(Int)
        case chunked(ChunkedDecoder)
    }

    enum Outgoing {
        /// The response has not begun.
        case none
        case chunked
        /// Bytes still to be written.
        case length(Int)
        /// Ends with the connection.
        case untilClose
        /// A response without body: what is written is dropped.
        case nothing
    }

    enum BodyWaiter {
        case none
        case collect(limit: Int, judge: (any BodyJudge)?, done: (Result<ByteBuffer, BodyFailure>) -> Void)
        case part((Result<ByteBuffer?, BodyFailure>) -> Void)
    }

    let loop: LoopState
    let channel: any Channel
    var context: ChannelHandlerContext?
    /// The position in the sweep's list.
    var sweepIndex = -1

    // The client.
    var peer = PeerAddress.unix
    var isSecure = false
    var isCounted = false

    // Input.
    var phase = Phase.head
    var phaseStart: Int64 = 0
    var inbound = ByteBuffer()
    var reader: RequestReader
    var proxy = ProxyProtocol()
    var isProcessing = false
    var isReading = false
    var isReadHeld = false
    var inputClosed = false
    var discarded = 0
    /// Empty lines seen in the bytes that wait behind an open exchange: an upper bound for the requests in them.
    var waitingLines = 0

    // The open exchange.
    var current: Exchange?
    var incoming = Incoming.none
    var isBodyComplete = true
    var bodyFailure: BodyFailure?
    var body: ByteBuffer?
    var bodyReceived = 0
    var bodyWaiter = BodyWaiter.none
    var owesContinue = false
    var pace = BodyPace()
    var paceTick: Int64 = 0

    // Output.
    var outgoing = Outgoing.none
    var hasBegun = false
    var closesAfter = false
    var needsFlush = false
    var isFlushScheduled = false
    /// The channel has been given something to write, and may still have it.
    var mayHaveUnsent = false
    /// A write while the channel has none: it goes to the socket with one call, past the channel, which costs a fifteenth of what a small
    /// request costs here.
    var unsentAlone: ByteBuffer?
    /// The channel's descriptor, for that.
    private(set) var socket: NIOBSDSocket.Handle?
    var queued = 0
    var writePace = WritePace()
    var writableWaiters: [(Bool) -> Void] = []
    var served = 0

    init(loop: LoopState, channel: any Channel) {
        self.loop = loop
        self.channel = channel
        reader = RequestReader(limits: loop.configuration.limits)
    }

    // MARK: What the channel calls

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        phaseStart = loop.clock.steady()
        loop.add(self)
        socket = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable { $0 }
        peer = PeerAddress(context.channel.remoteAddress)
        let isTrusted = loop.configuration.isTrustedProxy(peer)
        if loop.configuration.proxyProtocol {
            guard isTrusted else {
                loop.counts.countRefused()
                return close()
            }
            phase = .proxyHeader
        } else if !isTrusted, !countClient() {
            return close()
        }
        if loop.isDraining { close() }
    }

    /// Counts the client; false when it has too many connections.
    func countClient() -> Bool {
        if peer == .unix { return true }
        guard loop.counts.take(peer) else { return false }
        isCounted = true
        return true
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        var buffer = unwrapInboundIn(data)
        loop.bytesReceived &+= buffer.readableBytes
        switch phase {
        case .closed: return
        case .linger: return discard(buffer.readableBytes)
        default: break
        }
        if inbound.readableBytes == 0 {
            inbound = buffer
        } else {
            inbound.writeBuffer(&buffer)
        }
        if inbound.readableBytes > Self.holdLimit { return cut() }
        if phase == .exchange, isBodyComplete { noteWaiting() }
        process()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        // An empty buffer would keep the memory that the next read wants to use again.
        if inbound.readableBytes == 0 { inbound = loop.emptyBuffer }
        if needsFlush { loop.flushTogether(self) }
    }

    /// The channel wants to read on; it may, unless enough is waiting here already.
    func read(context: ChannelHandlerContext) {
        if wantsRead {
            context.read()
        } else {
            isReadHeld = true
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard channel.isWritable else { return }
        callWriters(true)
        if phase == .head { process() }
        resumeReading()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { inputEnded() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The socket is broken: nothing that is written still arrives.
        close()
    }

    func channelInactive(context: ChannelHandlerContext) {
        phase = .closed
        loop.remove(self)
        if isCounted {
            isCounted = false
            loop.counts.giveBack(peer)
        }
        inbound = loop.emptyBuffer
        unsentAlone = nil
        leave()
        callWriters(false)
    }

    // MARK: The end

    /// Cuts the connection now.
    func close() {
        guard phase != .closed else { return }
        phase = .closed
        needsFlush = false
        unsentAlone = nil
        context?.close(mode: .all, promise: nil)
    }

    /// Whether it waits for a next request with nothing under way.
    var isIdle: Bool {
        phase == .head && served > 0 && !reader.isInsideHead && inbound.readableBytes == 0 && !mayHaveUnsent && !needsFlush
    }

    /// The server is shutting down.
    func drain() {
        if phase == .head, current == nil, !reader.isInsideHead, inbound.readableBytes == 0 {
            closeAfterWriting()
        }
    }

    /// Tells the open exchange, if any, that nobody waits for it any more.
    func leave() {
        guard let exchange = current else { return }
        current = nil
        exchange.connection = nil
        let gone = exchange.onClientGone
        exchange.onClientGone = nil
        failBody(.clientGone)
        gone?()
    }

    func callWriters(_ isWritable: Bool) {
        guard !writableWaiters.isEmpty else { return }
        let waiters = writableWaiters
        writableWaiters = []
        for waiter in waiters { waiter(isWritable) }
    }
}

extension PeerAddress {
    /// From a socket address; everything that is not IP is `.unix`.
    init(_ address: SocketAddress?) {
        switch address {
        case .v4(let v4): self = .v4(UInt32(bigEndian: v4.address.sin_addr.s_addr))
        case .v6(let v6):
            var bytes = v6.address.sin6_addr
            let (high, low) = withUnsafeBytes(of: &bytes) {
                (
                    UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                    UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                )
            }
            self = .fromV6(high: high, low: low)
        default: self = .unix
        }
    }
}
