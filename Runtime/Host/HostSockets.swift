import Logging
import NIOCore
import Swiftlet
import SwiftletNet
import SwiftletRateLimit
import SwiftletRealtime
import SwiftletServer
import SwiftletTelemetry
import SwiftletWebSocket
import Synchronization

/// The engine of this host's realtime, and where its sockets come in.
final class HostSockets: Sendable {
    let hub: Hub
    let metrics: RealtimeMetrics
    let socketLimits: WebSocketLimits
    private let limiter: Limiter
    private let clock: HostClock
    private let rate: RateLimit
    private let lanes = Mutex<[ObjectIdentifier: HubLane]>([:])

    init(_ host: Host) throws(ConfigurationProblem) {
        let settings = host.configuration.realtime
        let clock = host.clock
        var history: SQLiteHistory?
        if let path = settings.history {
            do throws(HistoryError) { history = try SQLiteHistory(path: path) } catch {
                throw ConfigurationProblem("realtime-history", error.message)
            }
        }
        let (hostMetrics, log) = (host.metrics, host.log)
        hub = Hub(
            limits: settings.limits, settings: settings.hub,
            tokens: RealtimeTokens(authenticator: host.credentials.authenticator, clock: clock),
            authority: RealtimeAuthority(membership: host.realtime.membership) { problem, topic in
                hostMetrics.securityEvent("realtime.membership_failed")
                log.error(
                    "realtime.membership_failed",
                    metadata: ["reason": "\(problem.reason.rawValue)", "detail": "\(problem.detail)", "channel": "\(topic)"])
            },
            store: history, tables: history?.tables, placesIn: settings.history.map { $0 + ".places" },
            now: { clock.wall() / 1_000_000 }
        ) { event in
            switch event {
            case .malformed(let reason): log.info("realtime.malformed", metadata: ["reason": "\(reason)"])
            case .refusedJoin(let reason): log.info("realtime.join_refused", metadata: ["reason": "\(reason)"])
            case .refusedMessage(let reason): log.info("realtime.message_refused", metadata: ["reason": "\(reason)"])
            case .closed(let reason): log.info("realtime.channel_closed", metadata: ["reason": "\(reason)"])
            case .historyFailed(let reason):
                hostMetrics.securityEvent("realtime.history_failed")
                log.error("realtime.history_failed", metadata: ["reason": "\(reason)"])
            }
        }
        metrics = RealtimeMetrics(hostMetrics)
        limiter = host.limiter
        self.clock = clock
        socketLimits = WebSocketLimits(messageBytes: RealtimeLimits.standard.frameBytes)
        do throws(RateLimitProblem) {
            rate = try RateLimit(requests: hub.limits.messagesPerSecond * 60, window: .seconds(60))
        } catch { throw ConfigurationProblem("realtime-message-rate", "\(error)") }
    }

    /// Before anything listens.
    func use(_ loops: some Sequence<any EventLoop>) {
        lanes.withLock { lanes in
            for loop in loops { lanes[ObjectIdentifier(loop)] = hub.makeLane(LoopLane(loop)) }
        }
    }

    func lane(of loop: any EventLoop) -> HubLane? { lanes.withLock { $0[ObjectIdentifier(loop)] } }

    /// One bucket for each user; for those without a name, for each address.
    func mayBroadcast(_ facts: TokenFacts, _ messages: Int, _ address: IPAddress?) -> Bool {
        if facts.role == "service_role" { return true }
        let who = facts.subject.map { "user:\($0)" } ?? "address:\(address.map { "\($0)" } ?? "")"
        return limiter.checkBroadcast(who, messages, rate, now: clock.monotonic())
    }

    /// What time does.
    func keep() async {
        var round = 0
        while (try? await Task.sleep(for: .milliseconds(250))) != nil {
            hub.tickMessaging()
            round += 1
            if round % 4 == 0 { await hub.tick() }
        }
    }
}

/// How sockets ended, and what is open.
final class RealtimeMetrics: Sendable {
    private let registry: HostMetrics
    private let ends = Mutex<[WebSocketEnd: Int]>([:])

    init(_ registry: HostMetrics) { self.registry = registry }

    func ended(_ end: WebSocketEnd) { ends.withLock { $0[end, default: 0] += 1 } }

    func update(_ counters: HubCounters) {
        registry.set("swiftlet_realtime_sockets", counters.sockets.load(ordering: .relaxed))
        registry.set("swiftlet_realtime_channels", counters.channels.load(ordering: .relaxed))
        registry.set("swiftlet_realtime_topics", counters.topics.load(ordering: .relaxed))
        registry.set("swiftlet_realtime_messages_total", counters.messagesIn.load(ordering: .relaxed))
        registry.set("swiftlet_realtime_history_bytes", counters.historyBytes.load(ordering: .relaxed))
        for (end, count) in ends.withLock({ $0 }) {
            registry.set("swiftlet_realtime_socket_ends_total", count, [("reason", end.rawValue)])
        }
    }
}
