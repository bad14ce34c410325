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

    /// The time of the last sweep: good enough for what is measured in seconds.
    private(set) var now: Int64
    private(set) var dateLine: [UInt8]
    private var dateSecond: Int
    /// Responses are put together here. The channel shares the memory until it is sent; then it is used again.
    var scratch: ByteBuffer
    let chunkEnd = ByteBuffer(string: "\r\n")
    let emptyBuffer = ByteBuffer()
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
        now = clock.steady()
        dateSecond = clock.wall()
        dateLine = HTTPDate.line(unixSeconds: dateSecond)
        scratch = allocator.buffer(capacity: Self.scratchCapacity)
    }

    private static let scratchCapacity = 8 * 1024

    /// One large response must not leave its memory behind.
    func trimScratch() {
        if scratch.capacity > 64 * 1024 { scratch = allocator.buffer(capacity: Self.scratchCapacity) }
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
        sweeping = eventLoop.scheduleRepeatedTask(initialDelay: amount, delay: amount) { [weak self] _ in self?.sweep() }
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
    }
}
