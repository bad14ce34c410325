import NIOCore
import NIOPosix
import ServiceLifecycle
import Swiftlet
import SwiftletHTTP
import SwiftletServer
import SwiftletTelemetry
import Synchronization
import UnixSignals

/// Where a host listens once it does.
package struct Listening: Sendable {
    /// `http://127.0.0.1:54321`, when there is a TCP listener.
    package let url: String?
    package let port: Int?
    package let unixSocket: String?
    package let adminPort: Int?
}

/// The host as a service: one start, one graceful stop.
package final class HostService: Service {
    private let host: Host
    private let listening: @Sendable (Listening) async -> Void

    /// - Parameter listening: called once every listener is bound.
    package init(_ host: Host, listening: @escaping @Sendable (Listening) async -> Void = { _ in }) {
        self.host = host
        self.listening = listening
    }

    package func run() async throws {
        let host = host
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: host.loopCount)
        do {
            try await serve(on: loops)
            try? await loops.shutdownGracefully()
        } catch {
            try? await loops.shutdownGracefully()
            throw error
        }
    }

    private func serve(on loops: MultiThreadedEventLoopGroup) async throws {
        let host = host
        let server = HTTPServer(configuration: host.serverConfiguration, handler: host, group: loops)
        // Each function's workers share one of the loops requests come in on, so that most need no other thread.
        // It waits for the disk, which the threads that all tasks share must not.
        try await NIOThreadPool.singleton.runIfActive { try host.openStorage() }
        try await NIOThreadPool.singleton.runIfActive { try host.openRealtime(on: loops.makeIterator()) }
        for slot in host.slots { slot.invoker.start(on: loops.next()) }
        let addresses: [SocketAddress]
        do { addresses = try await server.start() } catch {
            await host.stopInvokers(grace: .zero)
            throw ConfigurationProblem("listen", "\(error)")
        }
        host.watch(server)
        var admin: HTTPServer?
        var adminPort: Int?
        if let address = host.configuration.admin {
            var configuration = ServerConfiguration()
            configuration.addresses = [.tcp(host: address.host, port: address.port)]
            configuration.loops = 1
            configuration.maxConnections = 64
            let listener = HTTPServer(configuration: configuration, handler: AdminHandler(host: host))
            do { adminPort = try await listener.start().first?.port } catch {
                await server.shutdown(drain: .zero)
                await host.stopInvokers(grace: .zero)
                throw ConfigurationProblem("admin-port", "\(error); choose another with --admin-port, or 'none'")
            }
            admin = listener
        }
        let tcp = addresses.first { $0.port != nil }
        let place = Listening(
            url: tcp.map { "http://\(HostService.authority($0))" }, port: tcp?.port,
            unixSocket: addresses.first { $0.port == nil }?.pathname, adminPort: adminPort)
        // Their tables take some milliseconds to build; the first caller should not wait for that.
        if let screen = host.slots.lazy.compactMap(\.screen).first { NIOThreadPool.singleton.submit { _ in screen.prepare() } }
        let upkeep = Task { await host.keepStorage() }
        let realtimeUpkeep = Task { await host.sockets?.keep() }
        defer {
            upkeep.cancel()
            realtimeUpkeep.cancel()
        }
        await listening(place)
        await withGracefulShutdownHandler {
            await host.stopping.wait()
        } onGracefulShutdown: {
            host.stop()
        }
        // One span for all of it: answers, work left for afterwards, and the functions' own last words, which always get a second.
        let end = ContinuousClock.now + host.configuration.drain
        // Their clients come back as soon as somebody listens again.
        host.sockets?.hub.closeAll()
        await server.shutdown(drain: host.configuration.drain)
        await host.background.wait(atMost: max(.zero, end - .now))
        await host.stopInvokers(grace: max(.seconds(1), end - .now))
        await admin?.shutdown(drain: .zero)
        realtimeUpkeep.cancel()
        await realtimeUpkeep.value
        await host.close()
    }

    private static func authority(_ address: SocketAddress) -> String {
        let text = address.ipAddress ?? "localhost"
        return (text.contains(":") ? "[\(text)]" : text) + ":\(address.port ?? 0)"
    }
}

extension Host {
    /// Stops taking requests; those in flight finish. Called from signals and tests.
    package func stop() {
        guard accepting.exchange(false, ordering: .relaxed) else { return }
        log.notice(
            "stopping", metadata: ["in_flight": "\(inFlight.load(ordering: .relaxed))", "background": "\(background.count)"])
        stopping.open()
    }

    func stopInvokers(grace: Duration) async {
        await withTaskGroup { group in
            for slot in slots { group.addTask { await slot.invoker.stop(grace: grace) } }
        }
    }

    var loopCount: Int {
        configuration.server.loops > 0 ? configuration.server.loops : HostConfiguration.processors
    }

    var serverConfiguration: ServerConfiguration {
        var server = configuration.server
        let forwarding = forwarding
        server.isTrustedProxy = { forwarding.trusts($0) }
        return server
    }
}

/// Something that is waited for once and then stays open.
package final class Latch: Sendable {
    private struct State {
        var isOpen = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    package init() {}

    package func open() {
        let waiters = state.withLock { state in
            state.isOpen = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    package func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if state.isOpen { return true }
                state.waiters.append(continuation)
                return false
            }
            if isOpen { continuation.resume() }
        }
    }
}

/// Reads secrets again on SIGHUP or when a file changes, and keys when they are due.
package final class RefreshService: Service {
    private let host: Host
    package init(_ host: Host) { self.host = host }

    package func run() async throws {
        let host = host
        await withTaskGroup { group in
            group.addTask {
                for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
                    host.reloadSecrets()
                    host.reloadMembers()
                }
            }
            group.addTask {
                while (try? await cancelWhenGracefulShutdown({ try await Task.sleep(for: .seconds(1)) })) != nil {
                    if host.secrets.changedOnDisk() { host.reloadSecrets() }
                    await host.refreshKeysWhenDue()
                }
            }
        }
    }
}

/// `/metrics` and `/health` on a listener of their own.
final class AdminHandler: ExchangeHandler {
    private let host: Host
    init(host: Host) { self.host = host }

    func receive(_ exchange: Exchange) {
        let head = exchange.head
        var body: [UInt8] = []
        var type = "text/plain; charset=utf-8"
        var status = 200
        if head.method != .get && head.method != .head {
            status = 405
        } else if head.pathEquals("/metrics") {
            host.renderMetrics(into: &body)
            type = "text/plain; version=0.0.4; charset=utf-8"
        } else if head.pathEquals("/health") {
            body = Array("ok\n".utf8)
        } else {
            status = 404
            body = Array("There are /metrics and /health here.\n".utf8)
        }
        exchange.respond(status: status, fields: EncodedFields([.init("content-type", type)]), body: body)
    }

    func refused(_ refusal: HTTPRefusal, peer: PeerAddress) -> RefusalResponse { RefusalResponse(status: refusal.status) }
}

extension Host {
    package func renderMetrics(into bytes: inout [UInt8]) {
        metrics.set("swiftlet_requests_in_flight", inFlight.load(ordering: .relaxed))
        metrics.set("swiftlet_background_work", background.count)
        if let counters = servers.withLock({ $0 })?.counters {
            metrics.set("swiftlet_connections_open", counters.open)
            metrics.set("swiftlet_connections_accepted_total", counters.accepted)
            metrics.set("swiftlet_connections_refused_total", counters.refused)
        }
        let tokens = credentials.authenticator.statistics
        metrics.set("swiftlet_token_cache_hits_total", Int(clamping: tokens.cacheHits))
        metrics.set("swiftlet_token_cache_misses_total", Int(clamping: tokens.cacheMisses))
        metrics.set("swiftlet_token_cache_entries", tokens.cacheEntries)
        for slot in slots where slot.invoker.condition.isolated {
            metrics.set("swiftlet_workers_ready", slot.invoker.condition.ready, [("function", slot.name.text)])
        }
        for slot in slots { metrics.set("swiftlet_function_running", slot.gate.running, [("function", slot.name.text)]) }
        if let sockets { sockets.metrics.update(sockets.hub.counters) }
        metrics.registry.render(into: &bytes)
    }
}
