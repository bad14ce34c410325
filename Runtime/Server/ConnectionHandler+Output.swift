import Glibc
import NIOCore
import SwiftletHTTP

/// From responses to bytes.
extension ConnectionHandler {
    /// Bodies up to this size are copied behind their head; larger ones are written as they are.
    private static var copyLimit: Int { 16 * 1024 }

    // MARK: Whole responses

    func respond(status: Int, fields: EncodedFields, body: UnsafeRawBufferPointer, owner: ByteBuffer?) {
        guard let exchange = current, !hasBegun, phase == .exchange else { return }
        hasBegun = true
        decideClose(exchange.head)
        writeWhole(
            status: status, fields: fields, body: body, owner: owner,
            isHead: exchange.head.method == .head, isModern: exchange.head.minorVersion == 1
        )
        finish()
    }

    /// Writes head and body as one buffer where the body is small.
    func writeWhole(
        status: Int, fields: EncodedFields, body: UnsafeRawBufferPointer, owner: ByteBuffer?, isHead: Bool, isModern: Bool
    ) {
        var status = status
        var body = body
        var fieldBytes = fields
        if !ResponseHeadEncoder.isFinal(status) {
            status = 500
            fieldBytes = EncodedFields()
            body = UnsafeRawBufferPointer(start: nil, count: 0)
        }
        let isBodyless = ResponseHeadEncoder.isBodyless(status)
        let framing: ResponseHeadEncoder.Framing = isBodyless ? .none : .length(body.count)
        if isHead || isBodyless { body = UnsafeRawBufferPointer(start: nil, count: 0) }
        let isCopied = body.count <= Self.copyLimit
        let tail = isCopied ? body : UnsafeRawBufferPointer(start: nil, count: 0)
        write(
            status: status, framing: framing,
            connection: closesAfter ? .close : isModern ? .implied : .keepAlive,
            fields: fieldBytes, tail: tail
        )
        if !isCopied {
            if let owner {
                write(buffer: owner)
            } else {
                write(buffer: ByteBuffer(bytes: body))
            }
        }
    }

    private func write(
        status: Int, framing: ResponseHeadEncoder.Framing, connection: ResponseHeadEncoder.Connection, fields: EncodedFields,
        tail: UnsafeRawBufferPointer
    ) {
        let loop = loop
        let size = ResponseHeadEncoder.maximumSize(fieldsSize: fields.bytes.count)
        let response = fields.bytes.withUnsafeBytes { fields in
            loop.dateLine.withUnsafeBytes { date in
                loop.outputBuffers.fill(atMost: size &+ tail.count) { output in
                    let written = ResponseHeadEncoder.write(
                        status: status, date: date, framing: framing, connection: connection, fields: fields, into: output
                    )
                    if let source = tail.baseAddress, let target = output.baseAddress {
                        (target + written).copyMemory(from: source, byteCount: tail.count)
                    }
                    return written &+ tail.count
                }
            }
        }
        write(buffer: response)
    }

    func write(buffer: ByteBuffer) {
        queued &+= buffer.readableBytes
        needsFlush = true
        if !mayHaveUnsent, unsentAlone == nil {
            unsentAlone = buffer
        } else {
            giveToChannel()
            context?.write(wrapOutboundOut(buffer), promise: nil)
        }
    }

    /// Everything that is written from here on goes through the channel, behind what it has.
    private func giveToChannel() {
        mayHaveUnsent = true
        guard let buffer = unsentAlone else { return }
        unsentAlone = nil
        context?.write(wrapOutboundOut(buffer), promise: nil)
    }

    func writeContinue() {
        write(buffer: loop.continueLine)
        flushSoon()
    }

    /// Whether the connection outlives this response: its request must be read to the end, or nearly.
    private func decideClose(_ head: RequestHead) {
        if closesAfter { return }
        if loop.isDraining || bodyFailure != nil {
            closesAfter = true
        } else if !isBodyComplete {
            if case .length(let remaining) = incoming, !owesContinue,
                remaining &- inbound.readableBytes <= loop.configuration.drainBytes
            {
                return
            }
            // Nobody knows how much is to come, or whether the client will send it at all.
            closesAfter = true
        }
    }

    /// The response is complete: the next request, or the end.
    private func finish() {
        if let exchange = current {
            current = nil
            exchange.connection = nil
            exchange.onClientGone = nil
        }
        body = nil
        dismissWaiter(.answered)
        callWriters(false)
        guard phase == .exchange else { return }
        if closesAfter || (inputClosed && inbound.readableBytes == 0) {
            closeAfterWriting()
        } else if isBodyComplete {
            phase = .head
            phaseStart = loop.now
        } else {
            phase = .drain
            phaseStart = loop.clock.steady()
        }
        // Requests that were sent ahead are read by the loop that is running, or from here.
        if !isProcessing, phase != .linger {
            process()
            resumeReading()
        }
        // An answer from elsewhere: others of this turn go with it.
        if !isReading, needsFlush { loop.flushTogether(self) }
    }

    /// Sends what is written, then the end of the stream, then waits for the client to close.
    func closeAfterWriting() {
        guard phase != .closed, phase != .linger, let context else { return }
        phase = .linger
        phaseStart = loop.clock.steady()
        discarded = 0
        let waiting = inbound.readableBytes
        inbound.clear()
        discard(waiting)
        guard phase == .linger else { return }
        flush()
        guard phase == .linger else { return }
        if inputClosed {
            // There is no input to wait for, only the rest of the output.
            let sent = loop.eventLoop.makePromise(of: Void.self)
            sent.futureResult.whenComplete { [self] _ in close() }
            context.writeAndFlush(wrapOutboundOut(loop.emptyBuffer), promise: sent)
        } else {
            context.close(mode: .output, promise: nil)
            resumeReading()
        }
    }

    // MARK: Streamed responses

    func begin(status: Int, fields: EncodedFields, length: Int?) {
        guard let exchange = current, !hasBegun, phase == .exchange else { return }
        hasBegun = true
        guard ResponseHeadEncoder.isFinal(status) else {
            decideClose(exchange.head)
            let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
            writeWhole(status: 500, fields: EncodedFields(), body: nothing, owner: nil, isHead: true, isModern: true)
            return finish()
        }
        decideClose(exchange.head)
        let isModern = exchange.head.minorVersion == 1
        let framing: ResponseHeadEncoder.Framing
        if ResponseHeadEncoder.isBodyless(status) {
            framing = .none
            outgoing = .nothing
        } else if let length {
            framing = .length(max(0, length))
            outgoing = .length(max(0, length))
        } else if isModern {
            framing = .chunked
            outgoing = .chunked
        } else {
            framing = .none
            outgoing = .untilClose
            closesAfter = true
        }
        if exchange.head.method == .head { outgoing = .nothing }
        write(
            status: status, framing: framing, connection: closesAfter ? .close : isModern ? .implied : .keepAlive,
            fields: fields, tail: UnsafeRawBufferPointer(start: nil, count: 0)
        )
        flushSoon()
    }

    func write(_ part: ByteBuffer) -> Bool {
        guard current != nil, hasBegun, phase == .exchange else { return false }
        let count = part.readableBytes
        guard count > 0 else { return channel.isWritable }
        if unsent > loop.configuration.maxUnsent {
            cut()
            return false
        }
        switch outgoing {
        case .none, .nothing: return channel.isWritable
        case .untilClose: write(buffer: part)
        case .length(let remaining):
            guard count <= remaining else {
                // More than was declared would be read as the next response.
                cut()
                return false
            }
            outgoing = .length(remaining &- count)
            write(buffer: part)
        case .chunked:
            var chunk = loop.allocator.buffer(capacity: count <= 4096 ? count + 20 : 20)
            chunk.writeChunkSize(count)
            if count <= 4096 {
                chunk.writeImmutableBuffer(part)
                chunk.writeStaticString("\r\n")
                write(buffer: chunk)
            } else {
                write(buffer: chunk)
                write(buffer: part)
                write(buffer: loop.chunkEnd)
            }
        }
        flushSoon()
        return channel.isWritable && current != nil
    }

    /// Part of a file as the next part of a response of declared length; fails the promise when it cannot go out.
    func write(file region: FileRegion, count: Int, promise: EventLoopPromise<Void>) -> Bool {
        guard current != nil, hasBegun, phase == .exchange, let context, case .length(let remaining) = outgoing,
            count <= remaining
        else {
            promise.fail(ChannelError.ioOnClosedChannel)
            return false
        }
        outgoing = .length(remaining &- count)
        queued &+= count
        needsFlush = true
        giveToChannel()
        context.write(NIOAny(region), promise: promise)
        flushSoon()
        return channel.isWritable && current != nil
    }

    func whenWritable(_ callback: @escaping (Bool) -> Void) {
        guard current != nil, phase == .exchange else { return callback(false) }
        if channel.isWritable { return callback(true) }
        writableWaiters.append(callback)
    }

    func end() {
        guard current != nil, hasBegun, phase == .exchange else { return }
        switch outgoing {
        case .length(let remaining) where remaining > 0: return cut()
        case .chunked:
            write(buffer: loop.lastChunk)
        default: break
        }
        finish()
    }

    func abort() {
        guard let exchange = current else { return }
        exchange.onClientGone = nil
        // What was written goes out, so that the client sees a begun answer that ends too early, and not none at all.
        if needsFlush { flush() }
        cut()
    }

    /// Ends the connection so that the client cannot take it for a clean end.
    func cut() {
        if case .untilClose = outgoing {
            // Here the end of the stream would be the end of the body: only a reset says otherwise.
            _ = (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        }
        close()
    }

    // MARK: Flushing

    /// Bytes that were flushed, or had to wait for others, and that the socket has not taken yet.
    var unsent: Int {
        guard mayHaveUnsent else { return 0 }
        return (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    func flush() {
        needsFlush = false
        if var buffer = unsentAlone.take() {
            // The number of a closed descriptor may be somebody else's the next moment.
            if let socket, channel.isActive { buffer.sendNow(socket) }
            guard buffer.readableBytes > 0 else { return }
            // What the socket did not take, and what it refused: the channel waits for it, or closes over it.
            unsentAlone = buffer
            giveToChannel()
        }
        context?.flush()
    }

    /// Flushes once for everything that is written in this turn of the loop.
    func flushSoon() {
        guard !isReading, !isFlushScheduled else { return }
        isFlushScheduled = true
        loop.eventLoop.execute { [self] in
            isFlushScheduled = false
            if needsFlush { flush() }
        }
    }
}

extension ByteBuffer {
    /// Sends what the socket takes at once; the rest is left.
    fileprivate mutating func sendNow(_ socket: NIOBSDSocket.Handle) {
        let count = withUnsafeReadableBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL)) }
        if count > 0 { moveReaderIndex(forwardBy: count) }
    }

    /// A chunk size in hexadecimal, and its line end.
    fileprivate mutating func writeChunkSize(_ size: Int) {
        var shift = 60
        while shift > 0, (size >> shift) & 15 == 0 { shift -= 4 }
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: (size >> shift) & 15)
            writeInteger(digit < 10 ? 0x30 &+ digit : 0x57 &+ digit)
            shift -= 4
        }
        writeStaticString("\r\n")
    }
}
