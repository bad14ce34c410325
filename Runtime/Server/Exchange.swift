package import NIOCore
package import SwiftletHTTP
package import SwiftletWebSocket

/// One request and its response. Bound to the connection's event loop: every member is used there only, and every
/// callback runs there. `handle` is the way in from elsewhere.
///
/// After the answer is complete, or the connection is gone, all calls do nothing: a late answer never reaches the next
/// request.
package final class Exchange {
    package let head: RequestHead
    /// The client: the peer of the socket, or whom a trusted proxy named in its PROXY header.
    package let peer: PeerAddress
    /// Whether a trusted proxy said in its PROXY header that the client came over TLS.
    package let isSecure: Bool
    private let loop: LoopState
    package var eventLoop: any EventLoop { loop.eventLoop }
    /// Of its loop.
    package var timeouts: Timeouts { loop.timeouts }

    /// The client closed its sending side or the connection, or stopped taking its response, before the answer was
    /// complete. Called once, never after `end` or `respond`.
    ///
    /// A client that only closed its sending side looks like one that left: both are reported here. An answer is still
    /// written, and reaches the first kind; then the connection closes. A stalled or reset connection is cut at once.
    package var onClientGone: (() -> Void)?

    /// Nil once the answer is complete or the connection is gone: the connection lets go of the exchange and clears this.
    var connection: ConnectionHandler?

    init(head: RequestHead, peer: PeerAddress, isSecure: Bool, connection: ConnectionHandler, loop: LoopState) {
        self.head = head
        self.peer = peer
        self.isSecure = isSecure
        self.connection = connection
        self.loop = loop
    }

    // A WebSocket upgrade would take over here: `head.upgrade` says that the client asks for one, and the connection can
    // give its channel away once it has no response to write and no bytes left to parse.

    // MARK: The request body

    /// Whether the whole body is already here, as it is for most small requests; true without a body.
    package var isBodyComplete: Bool { connection?.isBodyComplete ?? false }

    /// Reads the whole body into memory, `limit` bytes at most.
    ///
    /// Calls back at once when the body is here, or its declared length is over the limit. Asks a client that waits for
    /// `100 Continue` to go on. One call per exchange, and not together with `nextBodyPart`.
    package func collectBody(
        upTo limit: Int, judgedBy judge: (any BodyJudge)? = nil, _ done: @escaping (Result<ByteBuffer, BodyFailure>) -> Void
    ) {
        guard let connection else { return done(.failure(.answered)) }
        connection.collectBody(upTo: limit, judgedBy: judge, done)
    }

    /// Reads on: the next bytes of the body as they come, nil at its end. While nobody asks, not more than
    /// `highWater` bytes are read ahead.
    package func nextBodyPart(_ done: @escaping (Result<ByteBuffer?, BodyFailure>) -> Void) {
        guard let connection else { return done(.failure(.answered)) }
        connection.nextBodyPart(done)
    }

    // MARK: The response

    /// Fields without any, in memory that its loop uses again: `giveBack` returns it when they are sent.
    package func takeFields() -> EncodedFields { loop.takeFields() }

    package func giveBack(_ fields: consuming EncodedFields) { loop.giveBack(fields) }

    /// Whether the response has begun, so that no other may be given.
    package var hasBegun: Bool { connection?.hasBegun ?? true }

    /// Answers with a whole response. The length, `Date` and what the connection needs are added; a response to HEAD
    /// and one of status 204 or 304 goes without its body.
    ///
    /// - Parameter status: 200 to 599; anything else is sent as an empty 500.
    package func respond(status: Int, fields: EncodedFields, body: ByteBuffer) {
        guard let connection else { return }
        body.withUnsafeReadableBytes { connection.respond(status: status, fields: fields, body: $0, owner: body) }
    }

    /// Answers with a whole response out of an array; see above.
    package func respond(status: Int, fields: EncodedFields, body: [UInt8] = []) {
        guard let connection else { return }
        body.withUnsafeBytes { connection.respond(status: status, fields: fields, body: $0, owner: nil) }
    }

    /// Begins a streamed response. Its parts follow with `write`, and `end` or `abort` closes it.
    ///
    /// - Parameter length: declared as `Content-Length`. Nil streams in chunks, or until the connection closes for an
    ///   HTTP/1.0 client.
    package func begin(status: Int, fields: EncodedFields, length: Int? = nil) {
        connection?.begin(status: status, fields: fields, length: length)
    }

    /// Answers with part of an open file: the system sends it, its bytes do not pass through this process.
    ///
    /// - Parameters:
    ///   - descriptor: taken over, and closed when the socket has taken the last byte or the client is gone.
    ///   - done: called once: whether all of it was written. A response that could not be is cut.
    package func respond(
        status: Int, fields: EncodedFields, file descriptor: CInt, range: Range<Int>, done: @escaping (Bool) -> Void
    ) {
        begin(status: status, fields: fields, length: range.count)
        // To HEAD only the length is told.
        let isBodyless = head.method == .head || range.isEmpty
        FileTransfer(self, descriptor: descriptor, range: isBodyless ? 0..<0 : range, done: done).pump()
    }

    /// Answers a handshake, and makes the connection a WebSocket. False when it is gone, or a body is still to come.
    ///
    /// - Parameters:
    ///   - accept: the value of `Sec-WebSocket-Accept`.
    ///   - listen: makes the one who is told what comes; called once, before anything is read.
    package func upgrade(
        accept: String, fields: EncodedFields, limits: WebSocketLimits,
        listen: (WebSocketConnection) -> any WebSocketListener
    ) -> Bool {
        connection?.upgrade(accept: accept, fields: fields, limits: limits, listen: listen) ?? false
    }

    /// Sends a part of a begun response, soon and without waiting for more.
    ///
    /// - Returns: whether there is room for more. After false, wait for `whenWritable`; a handler that goes on all the
    ///   same is cut off at `maxUnsent`. False as well when the client is gone.
    @discardableResult
    package func write(_ part: ByteBuffer) -> Bool { connection?.write(part) ?? false }

    /// Calls back once: true when there is room for more, at once if there is already; false when the client is gone.
    package func whenWritable(_ callback: @escaping (Bool) -> Void) {
        guard let connection else { return callback(false) }
        connection.whenWritable(callback)
    }

    /// Completes a begun response. When fewer bytes than declared were written, the connection is cut instead.
    package func end() { connection?.end() }

    /// Cuts the connection, so that the client sees that the response is not whole.
    package func abort() { connection?.abort() }

    /// The same exchange for other threads.
    package var handle: ExchangeHandle { ExchangeHandle(self) }
}

/// Sends the calls of another thread, or of a task, to the exchange on its event loop. On the loop they run at once.
package struct ExchangeHandle: @unchecked Sendable {
    // Only touched on the event loop, which is immutable itself.
    private let exchange: Exchange
    package let eventLoop: any EventLoop

    init(_ exchange: Exchange) {
        self.exchange = exchange
        self.eventLoop = exchange.eventLoop
    }

    /// Runs `body` with the exchange on its loop: at once when already there.
    package func run(_ body: @escaping @Sendable (Exchange) -> Void) {
        if eventLoop.inEventLoop {
            body(exchange)
        } else {
            eventLoop.execute { [self] in body(exchange) }
        }
    }

    package func respond(status: Int, fields: EncodedFields, body: ByteBuffer) {
        run { $0.respond(status: status, fields: fields, body: body) }
    }

    package func respond(status: Int, fields: EncodedFields, body: [UInt8] = []) {
        run { $0.respond(status: status, fields: fields, body: body) }
    }

    package func begin(status: Int, fields: EncodedFields, length: Int? = nil) {
        run { $0.begin(status: status, fields: fields, length: length) }
    }

    package func end() { run { $0.end() } }

    package func abort() { run { $0.abort() } }

    /// Sends a part and waits until there is room for more.
    ///
    /// - Returns: false when the client is gone. The wait ends in any case: with room, or with the write stall.
    package func write(_ part: ByteBuffer) async -> Bool {
        await withCheckedContinuation { continuation in
            run { exchange in
                if exchange.write(part) {
                    continuation.resume(returning: true)
                } else {
                    exchange.whenWritable { continuation.resume(returning: $0) }
                }
            }
        }
    }

    /// See `Exchange.collectBody`. The wait ends in any case: with the body or with the deadlines of the server.
    package func collectBody(upTo limit: Int) async throws(BodyFailure) -> ByteBuffer {
        let result: Result<ByteBuffer, BodyFailure> = await withCheckedContinuation { continuation in
            run { $0.collectBody(upTo: limit) { continuation.resume(returning: $0) } }
        }
        return try result.get()
    }

    /// See `Exchange.nextBodyPart`.
    package func nextBodyPart() async throws(BodyFailure) -> ByteBuffer? {
        let result: Result<ByteBuffer?, BodyFailure> = await withCheckedContinuation { continuation in
            run { $0.nextBodyPart { continuation.resume(returning: $0) } }
        }
        return try result.get()
    }
}
