import Glibc
import NIOConcurrencyHelpers
package import NIOCore
package import NIOPosix
import SwiftletHTTP

/// Listens, and hands what comes in to an `ExchangeHandler`.
package final class HTTPServer: Sendable {
    /// Why a server does not start.
    package struct StartFailure: Error, Sendable, CustomStringConvertible {
        package let address: ServerConfiguration.Address
        package let reason: String

        package var description: String { "cannot listen on \(address): \(reason)" }
    }

    package struct Counters: Sendable, Hashable {
        /// Connections that are open now.
        package var open: Int
        /// Connections accepted since the start.
        package var accepted: Int
        /// Connections closed at once: too many of one client, or no trusted proxy.
        package var refused: Int
    }

    package let configuration: ServerConfiguration
    private let group: MultiThreadedEventLoopGroup
    private let ownsGroup: Bool
    private let loops: [LoopState]
    private let counts: ConnectionCounts
    private let listeners = NIOLockedValueBox<[any Channel]>([])
    private let socketPaths = NIOLockedValueBox<[String]>([])
    private let isEnding = NIOLockedValueBox(false)

    /// - Parameters:
    ///   - group: the event loops; nil makes `configuration.loops` of them.
    ///   - reserve: open files that are kept back for everything that is no client connection.
    package init(
        configuration: ServerConfiguration, handler: any ExchangeHandler, group: MultiThreadedEventLoopGroup? = nil,
        clock: ServerClock = .system, reserve: Int = 256
    ) {
        var configuration = configuration
        let files = OpenFiles.raiseLimit()
        configuration.maxConnections = max(1, min(configuration.maxConnections, files - min(reserve, files / 2)))
        self.configuration = configuration
        ownsGroup = group == nil
        let group =
            group
            ?? MultiThreadedEventLoopGroup(
                numberOfThreads: configuration.loops > 0 ? configuration.loops : Affinity.cores
            )
        self.group = group
        let counts = ConnectionCounts(
            limit: configuration.maxConnections, addressLimit: configuration.maxConnectionsPerAddress
        )
        self.counts = counts
        let settled = configuration
        loops = group.makeIterator().map {
            LoopState(eventLoop: $0, configuration: settled, handler: handler, clock: clock, counts: counts)
        }
    }

    package var counters: Counters {
        let (open, accepted, refused) = counts.snapshot
        return Counters(open: open, accepted: accepted, refused: refused)
    }

    // MARK: Starting

    /// Listens on every configured address, or on none.
    ///
    /// - Returns: the addresses in the order of the configuration, with the ports that were taken.
    /// - Throws: `StartFailure`.
    package func start() async throws -> [SocketAddress] {
        for loop in loops { loop.eventLoop.execute { loop.startSweeping() } }
        do {
            var addresses: [SocketAddress] = []
            for address in configuration.addresses {
                let channel = try await listen(on: address)
                listeners.withLockedValue { $0.append(channel) }
                if let bound = channel.localAddress { addresses.append(bound) }
            }
            return addresses
        } catch {
            await shutdown(drain: .zero)
            throw error
        }
    }

    private func listen(on address: ServerConfiguration.Address) async throws -> any Channel {
        do {
            switch address {
            case .tcp(let host, let port):
                let ip = host == "localhost" ? "127.0.0.1" : host
                return try await makeBootstrap().bind(to: SocketAddress(ipAddress: ip, port: port)).get()
            case .unix(let path):
                let descriptor = try UnixSocket.bind(path: path, backlog: configuration.backlog)
                socketPaths.withLockedValue { $0.append(path) }
                return try await adopt(descriptor)
            case .descriptor(let descriptor):
                return try await adopt(descriptor)
            }
        } catch {
            throw StartFailure(address: address, reason: "\(error)")
        }
    }

    /// Serves a socket that is bound already. NIO listens on it with a backlog of its own, so ours is set after that.
    private func adopt(_ descriptor: Int32) async throws -> any Channel {
        let channel = try await makeBootstrap().withBoundSocket(descriptor).get()
        Glibc.listen(descriptor, Int32(clamping: configuration.backlog))
        return channel
    }

    private func makeBootstrap() -> ServerBootstrap {
        let loops = loops
        let counts = counts
        let highWater = max(1, configuration.highWater)
        let lowWater = min(max(1, configuration.lowWater), highWater)
        return ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Int32(clamping: configuration.backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: 32)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Acceptor(counts: counts))
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: lowWater, high: highWater))
            // Small while a connection is quiet: this memory stays with it.
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 2048, maximum: 32 * 1024)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let loop = loops.first(where: { $0.eventLoop === channel.eventLoop }) else {
                        throw ChannelError.inappropriateOperationForState
                    }
                    try channel.pipeline.syncOperations.addHandler(ConnectionHandler(loop: loop, channel: channel))
                }
            }
    }

    // MARK: Ending

    /// Stops accepting, closes what is idle, lets open exchanges finish with `Connection: close`, and cuts what is left
    /// after `drain`. A second call does nothing, and does not wait for the first.
    package func shutdown(drain: Duration) async {
        let isFirst = isEnding.withLockedValue { isEnding in
            defer { isEnding = true }
            return !isEnding
        }
        guard isFirst else { return }
        let channels = listeners.withLockedValue { listeners in
            let all = listeners
            listeners = []
            return all
        }
        for channel in channels { try? await channel.close().get() }
        let paths = socketPaths.withLockedValue { paths in
            let all = paths
            paths = []
            return all
        }
        for path in paths { UnixSocket.remove(path: path) }
        for loop in loops { loop.eventLoop.execute { loop.drain() } }

        if drain > .zero { await waitUntilEmpty(for: drain) }
        for loop in loops { loop.eventLoop.execute { loop.closeAll() } }
        await waitUntilEmpty(for: .seconds(1))
        for loop in loops { loop.eventLoop.execute { loop.stopSweeping() } }
        if ownsGroup { try? await group.shutdownGracefully() }
    }

    private func waitUntilEmpty(for limit: Duration) async {
        guard let eventLoop = loops.first?.eventLoop else { return }
        let done = eventLoop.makePromise(of: Void.self)
        let timeout = eventLoop.scheduleTask(in: .nanoseconds(limit.nanoseconds)) { done.succeed(()) }
        counts.whenEmpty { done.succeed(()) }
        try? await done.futureResult.get()
        timeout.cancel()
    }

    /// All bytes that came in since the start, asked of every loop.
    package func bytesReceived() async -> Int {
        var total = 0
        for loop in loops { total &+= (try? await loop.eventLoop.submit { loop.bytesReceived }.get()) ?? 0 }
        return total
    }

    // MARK: For tests

    /// Looks at all deadlines now, as the clock of this server gives them.
    package func sweep() async {
        for loop in loops { try? await loop.eventLoop.submit { loop.sweep() }.get() }
    }
}
