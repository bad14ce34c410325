import NIOCore
import SwiftletHTTP

/// From bytes to exchanges.
extension ConnectionHandler {
    /// Whether more input is welcome. What this bounds: the body that nobody reads, and the requests behind an open one.
    var wantsRead: Bool {
        switch phase {
        case .proxyHeader, .drain, .linger: true
        case .closed: false
        // A client that takes no responses may not ask for more of them.
        case .head: channel.isWritable
        case .exchange:
            if !isBodyComplete, bodyFailure == nil {
                isAwaitingBody || (body?.readableBytes ?? 0) < loop.configuration.highWater
            } else {
                inbound.readableBytes < Self.readAhead && waitingLines < loop.configuration.maxPipelined
            }
        }
    }

    /// Bytes that may wait behind an open exchange.
    static var readAhead: Int { 16 * 1024 }

    /// Bytes that may be held against our will: when a client closes its side, the system hands over all it holds.
    static var holdLimit: Int { 1024 * 1024 }

    func resumeReading() {
        guard isReadHeld, wantsRead, let context else { return }
        isReadHeld = false
        context.read()
    }

    /// Counts the empty lines in what waits; a body with empty lines only makes the pause come earlier.
    func noteWaiting() {
        waitingLines = 0
        inbound.withUnsafeReadableBytes { bytes in
            var at = 3
            while at < bytes.count {
                if bytes[at] == 0x0A, bytes[at &- 1] == 0x0D, bytes[at &- 2] == 0x0A { waitingLines &+= 1 }
                at &+= 1
            }
        }
    }

    /// Goes through what came in, as far as the open exchange allows.
    func process() {
        guard !isProcessing else { return }
        isProcessing = true
        defer { isProcessing = false }
        while true {
            switch phase {
            case .closed:
                return
            case .linger:
                let count = inbound.readableBytes
                inbound.clear()
                if count > 0 { discard(count) }
                return
            case .proxyHeader:
                guard readProxyHeader() else { return }
            case .head:
                guard readHead() else { return }
            case .exchange:
                guard !isBodyComplete, bodyFailure == nil, readBody() else { return }
            case .drain:
                guard readBody() else { return }
            }
        }
    }

    // MARK: Heads

    private func readProxyHeader() -> Bool {
        guard inbound.readableBytes > 0 else { return false }
        let (consumed, outcome) = inbound.withUnsafeReadableBytes { proxy.read($0) }
        inbound.moveReaderIndex(forwardBy: consumed)
        switch outcome {
        case .needMore: return false
        case .refused(let refusal):
            // Whoever speaks here is no HTTP client: it is told nothing.
            _ = loop.handler.refused(refusal, peer: peer)
            close()
            return false
        case .header(let header):
            isSecure = header.isSecure
            if let client = header.client {
                peer = client
                guard countClient() else {
                    close()
                    return false
                }
            }
            phase = .head
            return true
        }
    }

    private func readHead() -> Bool {
        guard inbound.readableBytes > 0 else { return inputClosed ? endOfInput() : false }
        if mayHaveUnsent, !channel.isWritable {
            // Answers pile up: send first, and go on when the client takes them.
            flush()
            guard phase == .head, channel.isWritable else { return false }
        }
        let isFirstByte = !reader.isInsideHead
        let (consumed, outcome) = inbound.withUnsafeReadableBytes { reader.read($0) }
        inbound.moveReaderIndex(forwardBy: consumed)
        switch outcome {
        case .head(let head):
            open(head)
            return true
        case .needMore:
            if isFirstByte, served > 0 { phaseStart = loop.clock.steady() }
            return inputClosed ? endOfInput() : false
        case .refused(let refusal):
            refuse(refusal)
            return true
        }
    }

    private func open(_ head: RequestHead) {
        phase = .exchange
        served &+= 1
        hasBegun = false
        outgoing = .none
        waitingLines = 0
        bodyFailure = nil
        bodyReceived = 0
        pace = BodyPace()
        closesAfter = !head.keepAlive || served >= loop.configuration.maxRequestsPerConnection
        owesContinue = false
        switch head.framing {
        case .none, .length(0):
            incoming = .none
            isBodyComplete = true
        case .length(let length):
            isBodyComplete = false
            if inbound.readableBytes >= length {
                // The usual small request: the body is a slice of what was read.
                body = inbound.readSlice(length: length)
                bodyReceived = length
                incoming = .none
                isBodyComplete = true
            } else {
                incoming = .length(length)
                owesContinue = head.expectsContinue
            }
        case .chunked:
            isBodyComplete = false
            incoming = .chunked(ChunkedDecoder(limits: loop.configuration.limits))
            owesContinue = head.expectsContinue
            while !isBodyComplete, bodyFailure == nil, readBody() {}
        }
        let exchange = Exchange(head: head, peer: peer, isSecure: isSecure, connection: self, loop: loop)
        current = exchange
        loop.handler.receive(exchange)
    }

    /// Answers a malformed or late request, and closes.
    func refuse(_ refusal: HTTPRefusal) {
        let response = loop.handler.refused(refusal, peer: peer)
        guard phase != .closed else { return }
        incoming = .none
        isBodyComplete = true
        closesAfter = true
        response.body.withUnsafeBytes {
            writeWhole(status: response.status, fields: response.fields, body: $0, owner: nil, isHead: false, isModern: true)
        }
        closeAfterWriting()
    }

    // MARK: The end of input

    /// The client closed its sending side. See `Exchange.onClientGone` for what that means.
    func inputEnded() {
        guard !inputClosed else { return }
        inputClosed = true
        switch phase {
        case .closed: break
        case .drain, .proxyHeader: close()
        // What is still unsent goes first; the channel then closes by itself.
        case .linger: if unsent == 0 { close() }
        case .head: process()
        case .exchange:
            closesAfter = closesAfter || inbound.readableBytes == 0
            if !isBodyComplete, bodyFailure == nil { failBody(.clientGone) }
            if let exchange = current, let gone = exchange.onClientGone {
                exchange.onClientGone = nil
                gone()
            }
        }
    }

    /// Nothing more can come: what is written is sent, then the connection closes.
    private func endOfInput() -> Bool {
        closeAfterWriting()
        return false
    }

    func discard(_ count: Int) {
        discarded &+= count
        if discarded > loop.configuration.lingerBytes { close() }
    }
}
