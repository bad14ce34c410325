import ArgumentParser
import SwiftletHost

/// Flags of `serve` for the host's own realtime engine.
struct RealtimeEngineOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A SQLite file for what is said in private channels and conversations, so that it survives a restart. (default: in memory only)",
            valueName: "file"))
    var realtimeHistory: String?
    @Option(help: ArgumentHelp("Messages kept of one topic, 1…10000. (default: 256)", valueName: "count"))
    var realtimeHistoryCount: Int?
    @Option(help: ArgumentHelp("How long they are kept, 1…604800. (default: 600)", valueName: "seconds"))
    var realtimeHistoryAge: Int?
    @Flag(help: "Only private channels may be joined.") var realtimePrivateOnly = false
    @Flag(help: "Replay by time is served on channels that are not private, too.") var realtimeReplayPublic = false
    @Option(help: ArgumentHelp("Sockets at once. (default: 16000)", valueName: "count")) var realtimeMaxSockets: Int?
    @Option(help: ArgumentHelp("Channels of one socket. (default: 100)", valueName: "count")) var realtimeMaxChannels: Int?
    @Option(help: ArgumentHelp("Joins a second, of the whole host. (default: 5000)", valueName: "count"))
    var realtimeJoinRate: Int?
    @Option(help: ArgumentHelp("Messages a second of one socket, on average. (default: 100)", valueName: "count"))
    var realtimeMessageRate: Int?

    static let names: Set<String> = [
        "REALTIME_HISTORY", "REALTIME_HISTORY_COUNT", "REALTIME_HISTORY_AGE", "REALTIME_PRIVATE_ONLY", "REALTIME_REPLAY_PUBLIC",
        "REALTIME_MAX_SOCKETS", "REALTIME_MAX_CHANNELS", "REALTIME_JOIN_RATE", "REALTIME_MESSAGE_RATE",
    ]

    func apply(to configuration: inout HostConfiguration) throws {
        let environment = Environment.shared
        func number(_ flag: Int?, _ name: String, _ setting: String, in range: ClosedRange<Int>) throws -> Int? {
            guard let value = try flag ?? environment.number(name) else { return nil }
            guard range.contains(value) else {
                throw ConfigurationProblem(setting, "must be \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        var realtime = configuration.realtime
        realtime.history = realtimeHistory ?? environment.string("REALTIME_HISTORY")
        if let count = try number(realtimeHistoryCount, "REALTIME_HISTORY_COUNT", "realtime-history-count", in: 1...10_000) {
            realtime.limits.historyCount = count
        }
        if let age = try number(realtimeHistoryAge, "REALTIME_HISTORY_AGE", "realtime-history-age", in: 1...604_800) {
            realtime.limits.historyAge = Int64(age) * 1000
        }
        realtime.hub.privateOnly = try realtimePrivateOnly || environment.flag("REALTIME_PRIVATE_ONLY")
        realtime.hub.replaysPublic = try realtimeReplayPublic || environment.flag("REALTIME_REPLAY_PUBLIC")
        let many = 1...1_000_000
        if let most = try number(realtimeMaxSockets, "REALTIME_MAX_SOCKETS", "realtime-max-sockets", in: many) {
            realtime.limits.maxSockets = most
        }
        if let most = try number(realtimeMaxChannels, "REALTIME_MAX_CHANNELS", "realtime-max-channels", in: 1...10_000) {
            realtime.limits.maxChannels = most
        }
        if let rate = try number(realtimeJoinRate, "REALTIME_JOIN_RATE", "realtime-join-rate", in: many) {
            realtime.limits.joinsPerSecond = rate
        }
        if let rate = try number(realtimeMessageRate, "REALTIME_MESSAGE_RATE", "realtime-message-rate", in: many) {
            realtime.limits.messagesPerSecond = rate
        }
        configuration.realtime = realtime
    }
}
