import NIOCore
import SwiftletHTTP

/// What the connections of one event loop share. Used on that loop only.
///
/// Deadlines are fields of the connections, looked at by one sweep for all of them: a request arms and cancels no timer.
final class LoopState: @unchecked Sendable {
    let eventLoop: any EventLoop
    let configuration: ServerConfiguration
    let rules: Rules
    let handler: any ExchangeHandler
    let clock: ServerClock
    let counts: ConnectionCounts
    let allocator = ByteBufferAllocator()
    let timeouts: Timeouts

    /// The time of the last sweep: good enough for what is measured in seconds.
    private(set) var now: Int64
    private(set) var dateLine: [UInt8]
    private var dateSecond: Int
    let continueLine = ByteBuffer(staticString: ResponseHeadEncoder.continue)
    let chunkEnd = ByteBuffer(string: "\r\n")
    let lastChunk = ByteBuffer(string: "0\r\n\r\n")
    let emptyBuffer = ByteBuffer()
    var outputBuffers = OutputBuffers()
    /// The memory of the last response's fields, for the next one's.
    private var spareFields = EncodedFields()
    private var connections: [ConnectionHandler] = []
    private(set) var isDraining = false
    /// All bytes that came in on this loop.
    var bytesReceived = 0
    private var sweeping: RepeatedTask?

    /// The settings in nanoseconds, worked out once.
    struct Rules {
        let head, drain, linger, keepAlive, writeStall: Int64
        let body: BodyPace.Rules

        init(_ configuration: ServerConfiguration) {
            head = configuration.headTimeout.nanoseconds
            drain = configuration.drainTimeout.nanoseconds
            linger = configuration.lingerTimeout.nanoseconds
            keepAlive = configuration.keepAliveTimeout.nanoseconds
            writeStall = configuration.writeStall.nanoseconds
            body = BodyPace.Rules(
                idle: configuration.bodyIdleTimeout.nanoseconds,
                grace: configuration.bodyGrace.nanoseconds,
                bytesPerSecond: max(0, configuration.bodyPace)
            )
        }
    }

    init(
        eventLoop: any EventLoop, configuration: ServerConfiguration, handler: any ExchangeHandler, clock: ServerClock,
        counts: ConnectionCounts
    ) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.rules = Rules(configuration)
        self.handler = handler
        self.clock = clock
        self.counts = counts
        timeouts = Timeouts(eventLoop: eventLoop)
        now = clock.steady()
        dateSecond = clock.wall()
        dateLine = HTTPDate.line(unixSeconds: dateSecond)
    }

    // MARK: Memory that is used again

    /// Fields without any, with room for those of most responses. Whoever has sent them gives them back.
    func takeFields() -> EncodedFields {
        var taken = EncodedFields()
        swap(&taken, &spareFields)
        return taken
    }

    /// Nothing of them stays, and of many fields not the memory either.
    func giveBack(_ fields: consuming EncodedFields) {
        spareFields = consume fields
        spareFields.clear(keeping: 4096)
    }

    // MARK: Flushing

    private var unflushed = TurnList<ConnectionHandler>()

    /// Sends what the connection has when all that was readable in this turn has been read.
    ///
    /// A write wakes the other side up, which then takes the core's time, or another core's interrupt: for each answer of its own that costs
    /// more than the answer. Sent one after the other they wake it once (measured: a third less system time a request under load).
    func flushTogether(_ connection: ConnectionHandler) {
        guard unflushed.add(connection) else { return }
        eventLoop.execute { [self] in
            let connections = unflushed.take()
            for connection in connections where connection.needsFlush { connection.flush() }
            outputBuffers.flushed()
            unflushed.giveBack(connections)
        }
    }

    private var unflushedSockets = TurnList<WebSocketConnection>()

    /// The same for WebSockets: whatever one turn wrote to a socket is one call of the system.
    func flushTogether(_ socket: WebSocketConnection) {
        guard unflushedSockets.add(socket) else { return }
        eventLoop.execute { [self] in
            let sockets = unflushedSockets.take()
            for socket in sockets { socket.turnEnded() }
            unflushedSockets.giveBack(sockets)
        }
    }

    // MARK: WebSockets

    private var sockets: [WebSocketConnection] = []

    func add(_ socket: WebSocketConnection) {
        socket.sweepIndex = sockets.count
        sockets.append(socket)
    }

    func remove(_ socket: WebSocketConnection) {
        let index = socket.sweepIndex
        guard index >= 0, index < sockets.count, sockets[index] === socket else { return }
        sockets.swapAt(index, sockets.count - 1)
        sockets[index].sweepIndex = index
        sockets.removeLast()
        socket.sweepIndex = -1
    }

    var socketCount: Int { sockets.count }

    /// Pings that this sweep may still send: very many at once would keep everybody else waiting, and the next sweep is near.
    private var pingsLeft = 0

    func mayPing() -> Bool {
        guard pingsLeft > 0 else { return false }
        pingsLeft -= 1
        return true
    }

    // MARK: Connections

    func add(_ connection: ConnectionHandler) {
        connection.sweepIndex = connections.count
        connections.append(connection)
    }

    func remove(_ connection: ConnectionHandler) {
        let index = connection.sweepIndex
        guard index >= 0, index < connections.count, connections[index] === connection else { return }
        connections.swapAt(index, connections.count - 1)
        connections[index].sweepIndex = index
        connections.removeLast()
        connection.sweepIndex = -1
    }

    // MARK: Time

    func startSweeping() {
        guard let interval = configuration.sweepInterval else { return }
        let amount = TimeAmount.nanoseconds(max(1_000_000, interval.nanoseconds))
        // Not weakly: to whom a weak reference leads, every other one costs more. The server ends it when it stops.
        sweeping = eventLoop.scheduleRepeatedTask(initialDelay: amount, delay: amount) { _ in self.sweep() }
    }

    func stopSweeping() {
        sweeping?.cancel()
        sweeping = nil
    }

    func sweep() {
        now = clock.steady()
        let second = clock.wall()
        if second != dateSecond {
            dateSecond = second
            dateLine = HTTPDate.line(unixSeconds: second)
        }
        // From the end, because a connection that closes is replaced by the last one, which was looked at already.
        var index = connections.count - 1
        while index >= 0 {
            if index < connections.count { connections[index].tick(now) }
            index -= 1
        }
        pingsLeft = max(64, sockets.count / 16)
        index = sockets.count - 1
        while index >= 0 {
            if index < sockets.count { sockets[index].tick(now) }
            index -= 1
        }
        if counts.isFull { closeIdle(atMost: 32) }
    }

    /// Makes room for new clients: the connections that have waited longest for a next request go first.
    private func closeIdle(atMost limit: Int) {
        let idle = connections.filter(\.isIdle).sorted { $0.phaseStart < $1.phaseStart }
        for connection in idle.prefix(limit) { connection.close() }
    }

    // MARK: The end

    /// Idle connections close now, the others after their response.
    func drain() {
        isDraining = true
        for connection in connections { connection.drain() }
    }

    func closeAll() {
        for connection in connections { connection.close() }
        for socket in sockets { socket.closeNow() }
    }
}

/// Who has something to do at the end of a loop's turn, in a list whose memory goes from one turn to the next.
private struct TurnList<Member> {
    private var members: [Member] = []

    /// Whether it is the first, for which the end of the turn is to be waited for.
    mutating func add(_ member: Member) -> Bool {
        members.append(member)
        return members.count == 1
    }

    mutating func take() -> [Member] {
        var taken: [Member] = []
        swap(&taken, &members)
        return taken
    }

    mutating func giveBack(_ taken: consuming [Member]) {
        guard members.isEmpty else { return }
        members = taken
        members.removeAll(keepingCapacity: true)
    }
}
