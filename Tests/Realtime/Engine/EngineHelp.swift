import Foundation
import NIOCore
import Swiftlet
import SwiftletJSON
import Synchronization

@testable import SwiftletRealtime

/// Work that runs when the test says so.
final class ManualLane: Lane, Sendable {
    private let waiting = Mutex<[@Sendable () -> Void]>([])

    func submit(_ work: @escaping @Sendable () -> Void) { waiting.withLock { $0.append(work) } }

    /// One piece after the other until none is left.
    func run() {
        while let work = waiting.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { work() }
    }

    /// Waits for work that comes from another thread, and runs it.
    func run(until done: () -> Bool) async -> Bool {
        for _ in 0..<20_000 {
            run()
            if done() { return true }
            await Task.yield()
            try? await Task.sleep(for: .milliseconds(1))
        }
        return false
    }
}

final class ManualTime: Sendable {
    private let value = Mutex<Int64>(1_800_000_000_000)
    var now: Int64 { value.withLock { $0 } }
    func pass(_ milliseconds: Int64) { value.withLock { $0 += milliseconds } }
}

/// A token is its own text: `user:role[:secondsToLive]`; `bad` is none.
struct PlainTokens: TokenReader {
    let time: ManualTime
    func read(_ token: String) -> Result<TokenFacts, TokenFault> {
        if token == "bad" { return .failure(.malformed) }
        let parts = token.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let seconds = Double(time.now) / 1000
        let expiry = parts.count > 2 ? (Double(parts[2]) ?? 0) : seconds + 3600
        return .success(
            TokenFacts(
                subject: parts[0].isEmpty ? nil : parts[0], role: parts.count > 1 ? parts[1] : "authenticated", sessionID: nil,
                expiry: expiry, claims: [:], token: token))
    }
}

/// Says what the test wrote down; asks, when it is told to.
final class ListedAuthority: ChannelAuthority, Sendable {
    let known = Mutex<[String: ChannelPermissions]>([:])
    let asks = Mutex(false)
    let gate = Mutex<CheckedContinuation<Void, Never>?>(nil)

    func set(_ user: String, _ topic: String, _ permissions: ChannelPermissions) {
        known.withLock { $0["\(user)@\(topic)"] = permissions }
    }

    func granted(_ facts: TokenFacts, in topic: String) -> ChannelPermissions? {
        asks.withLock { $0 }
            ? nil : known.withLock { $0["\(facts.token)@\(topic)"] ?? $0["\(facts.subject ?? "")@\(topic)"] ?? [] }
    }

    func ask(_ facts: TokenFacts, about topic: String) async -> ChannelPermissions {
        await withCheckedContinuation { continuation in gate.withLock { $0 = continuation } }
        return known.withLock { $0["\(facts.subject ?? "")@\(topic)"] ?? [] }
    }

    func answer() { gate.withLock { $0.take() }?.resume() }
}

final class RecordingSocket: RealtimeSocket {
    private(set) var frames: [(isText: Bool, payload: [UInt8])] = []
    private(set) var end: SocketEnd?
    /// Frames it takes before it wants to be waited for.
    var room = Int.max
    var canTake: Bool { frames.count < room }

    func push(_ frame: ByteBuffer) { send(frame) }
    func flush() {}

    func send(_ frame: ByteBuffer) {
        var frame = frame
        guard let first: UInt8 = frame.readInteger(), let length: UInt8 = frame.readInteger() else { return }
        if length == 126 { frame.moveReaderIndex(forwardBy: 2) }
        if length == 127 { frame.moveReaderIndex(forwardBy: 8) }
        frames.append((first & 15 == 1, Array(frame.readableBytesView)))
    }

    /// What the connection does when it is gone.
    var gone: () -> Void = {}

    func close(_ end: SocketEnd) {
        self.end = end
        gone()
    }

    func take() -> [(isText: Bool, payload: [UInt8])] {
        defer { frames = [] }
        return frames
    }
}

/// A client of version 1: what it says and hears as JSON.
final class TestClient {
    let session: Session
    let socket = RecordingSocket()
    let lane: ManualLane
    private var ref = 0

    init(_ bench: EngineBench, _ token: String, _ serializer: Serializer = .v1, lane: Int = 0) {
        self.lane = bench.lanes[lane]
        let facts = try! PlainTokens(time: bench.time).read(token).get()
        let session = bench.hubLanes[lane].open(socket, serializer, facts)
        self.session = session
        socket.gone = { [unowned session] in session.closed() }
    }

    @discardableResult
    func say(_ topic: String, _ event: String, _ payload: String = "{}") -> String {
        ref += 1
        let message =
            session.serializer == .v1
            ? #"{"topic":"realtime:\#(topic)","event":"\#(event)","payload":\#(payload),"ref":"\#(ref)"}"#
            : #"["1","\#(ref)","realtime:\#(topic)","\#(event)",\#(payload)]"#
        message.utf8CString.withUnsafeBytes { session.received(text: UnsafeRawBufferPointer(rebasing: $0.dropLast())) }
        return "\(ref)"
    }

    func skipRefs(to ref: Int) { self.ref = ref }

    func join(_ topic: String, _ config: String = #"{"broadcast":{"ack":true,"self":false}}"#, token: String? = nil) {
        let access = token.map { #","access_token":"\#($0)""# } ?? ""
        say(topic, "phx_join", #"{"config":\#(config)\#(access)}"#)
        lane.run()
    }

    func broadcast(_ topic: String, _ event: String, _ payload: String, extra: String = "") {
        say(topic, "broadcast", #"{"type":"broadcast","event":"\#(event)","payload":\#(payload)\#(extra)}"#)
    }

    func track(_ topic: String, _ payload: String) {
        say(topic, "presence", #"{"type":"presence","event":"track","payload":\#(payload)}"#)
    }

    /// What came since, as (event, payload).
    func heard() -> [(event: String, payload: NSDictionary)] {
        lane.run()
        return socket.take().compactMap { frame in
            guard frame.isText else { return nil }
            let value = try? JSONSerialization.jsonObject(with: Data(frame.payload))
            if let object = value as? NSDictionary {
                return (object["event"] as? String ?? "", object["payload"] as? NSDictionary ?? [:])
            }
            guard let array = value as? NSArray, array.count == 5 else { return nil }
            return (array[3] as? String ?? "", array[4] as? NSDictionary ?? [:])
        }
    }

    func broadcasts() -> [NSDictionary] { heard().filter { $0.event == "broadcast" }.map(\.payload) }
    func replies() -> [NSDictionary] { heard().filter { $0.event == "phx_reply" }.map(\.payload) }
}

extension NSDictionary {
    func at(_ path: String...) -> Any? {
        var value: Any? = self
        for name in path { value = (value as? NSDictionary)?[name] }
        return value
    }

    var offset: Int? { at("meta", "offset") as? Int }
    var n: Int? { at("payload", "n") as? Int }
    var reason: String? { at("response", "reason") as? String }
}

/// A hub with two lanes that the test drives.
final class EngineBench {
    let time: ManualTime
    let authority = ListedAuthority()
    let hub: Hub
    let lanes = [ManualLane(), ManualLane()]
    let hubLanes: [HubLane]
    let events: EventLog

    final class EventLog: Sendable {
        let all = Mutex<[HubEvent]>([])
    }

    init(
        _ limits: HubLimits = HubLimits(), _ settings: Hub.Settings = Hub.Settings(), store: (any HistoryStore)? = nil,
        places: String? = nil, time: ManualTime = ManualTime()
    ) {
        self.time = time
        let events = EventLog()
        self.events = events
        hub = Hub(
            limits: limits, settings: settings, tokens: PlainTokens(time: time), authority: authority, store: store,
            placesIn: places,
            now: { time.now }, report: { event in events.all.withLock { $0.append(event) } })
        let hub = hub
        hubLanes = lanes.map { hub.makeLane($0) }
    }

    func run() { for _ in 0..<3 { for lane in lanes { lane.run() } } }
}
