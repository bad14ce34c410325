import NIOCore
import Swiftlet
import SwiftletJSON
package import Synchronization

/// All topics of a host, and everybody in them. The one place through which every message goes, whoever sends it: a broker that joins
/// several hosts would stand in ``publish(_:to:)``, a source of database changes beside it.
package final class Hub: Sendable {
    package let limits: HubLimits
    package let settings: Settings
    let tokens: any TokenReader
    let authority: any ChannelAuthority
    let writer: HistoryWriter?
    let tables: MessageTables?
    let messaging: Mutex<MessagingDesk>
    package let counters = HubCounters()
    /// Milliseconds since 1970.
    let now: @Sendable () -> Int64
    private let topics = Mutex<[TopicName: Topic]>([:])
    /// Who was in which topic before a restart, until the topic is used again; and the file that remembers it.
    private let absent: Mutex<[TopicName: [Place]]>
    private let placesFile: String?
    private let placesSaved = Atomic<Int64>(0)
    let isStopping = Atomic<Bool>(false)
    private let ids = Atomic<UInt64>(0)
    private let pruned = Atomic<Int64>(0)
    private let lanes = Mutex<[LaneHub]>([])
    private let joinRate: Mutex<TokenBucket>
    let report: @Sendable (HubEvent) -> Void

    package struct Settings: Sendable {
        /// Channels that are not private are refused.
        package var privateOnly = false
        /// Whether `replay` is served on channels that are not private.
        package var replaysPublic = false

        package init() {}
    }

    package init(
        limits: HubLimits, settings: Settings, tokens: any TokenReader, authority: any ChannelAuthority,
        store: (any HistoryStore)?, tables: MessageTables? = nil, placesIn: String? = nil,
        messaging rules: MessagingLimits = .standard,
        now: @escaping @Sendable () -> Int64, report: @escaping @Sendable (HubEvent) -> Void
    ) {
        self.limits = limits
        self.settings = settings
        self.tokens = tokens
        self.authority = authority
        self.now = now
        self.report = report
        self.tables = tables
        writer = store.map { HistoryWriter(store: $0, tables: tables, limits: limits, report: report) }
        messaging = Mutex(MessagingDesk(limits: rules))
        placesFile = placesIn
        let places = placesIn.map { RecoveryPlaces.read($0) } ?? []
        absent = Mutex(Dictionary(grouping: places) { TopicName($0.topic, isPrivate: $0.isPrivate) })
        joinRate = Mutex(TokenBucket(perSecond: Double(limits.joinsPerSecond), burst: Double(limits.joinsPerSecond), now: now()))
    }

    // MARK: Lanes

    /// One for every event loop; made before any socket comes.
    package func makeLane(_ lane: any Lane) -> HubLane {
        let hub = LaneHub(lane: lane)
        lanes.withLock { $0.append(hub) }
        return HubLane(hub: self, members: hub)
    }

    /// Whether one more socket may come.
    package var isFull: Bool { counters.sockets.load(ordering: .relaxed) >= limits.maxSockets }

    func everyLane(_ work: @escaping @Sendable (LaneHub) -> Void) {
        for lane in lanes.withLock({ $0 }) { lane.lane.submit { work(lane) } }
    }

    func mayJoin() -> Bool { joinRate.withLock { $0.take(now: now()) } }

    // MARK: Topics

    /// The topic, where that can be said at once: somebody uses it already, or nothing of it lies on disk.
    func available(_ name: String, isPrivate: Bool) -> Topic? {
        let key = TopicName(name, isPrivate: isPrivate)
        if let topic = topics.withLock({ $0[key] }) { return topic }
        if writer != nil, isPrivate || MessagingTopic(name) != nil { return nil }
        return insert(make(name, key, epoch: Hub.freshEpoch(), offset: 0, isDurable: false))
    }

    /// Reads what lies on disk of a topic; then it is available.
    func load(_ name: String, isPrivate: Bool, _ then: @escaping @Sendable ((any Error)?) -> Void) {
        guard let writer else { return then(nil) }
        writer.load(name, isPrivate: isPrivate, limits: limits, now: now()) { [self] loaded in
            switch loaded {
            case .failure(let error):
                report(.historyFailed(reason: "\(error)"))
                then(error)
            case .success(let loaded):
                let topic = make(
                    name, TopicName(name, isPrivate: isPrivate), epoch: loaded.position.epoch, offset: loaded.position.lastOffset,
                    isDurable: true)
                let cost = topic.restore(loaded.messages, dedup: loaded.dedup, now: now())
                topic.remember(absent.withLock { $0[topic.key] ?? [] })
                if insert(topic) === topic {
                    counters.historyBytes.add(cost, ordering: .relaxed)
                    absent.withLock { $0[topic.key] = nil }
                }
                then(nil)
            }
        }
    }

    /// The topic if somebody uses it.
    func known(_ name: String, isPrivate: Bool) -> Topic? { topics.withLock { $0[TopicName(name, isPrivate: isPrivate)] } }

    private func make(_ name: String, _ key: TopicName, epoch: String, offset: UInt64, isDurable: Bool) -> Topic {
        Topic(name: name, key: key, isDurable: isDurable, limits: limits, epoch: epoch, offset: offset, now: now())
    }

    private func insert(_ topic: Topic) -> Topic {
        topics.withLock { topics in
            if let other = topics[topic.key] { return other }
            topics[topic.key] = topic
            return topic
        }
    }

    static func freshEpoch() -> String {
        var random = SystemRandomNumberGenerator()
        return String((0..<8).map { _ in "abcdefghijkmnpqrstuvwxyz23456789".randomElement(using: &random) ?? "a" })
    }

    /// A random UUID.
    static func freshID() -> String {
        var random = SystemRandomNumberGenerator()
        let (high, low) = (random.next() & ~0xF000 | 0x4000, random.next() & ~(3 << 62) | 2 << 62)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(36)
        let digits: StaticString = "0123456789abcdef"
        for index in 0..<32 {
            if index == 8 || index == 12 || index == 16 || index == 20 { bytes.append(UInt8(ascii: "-")) }
            let half = index < 16 ? high : low
            bytes.append(digits.utf8Start[Int(half >> UInt64(60 - index % 16 * 4) & 15)])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    func nextID() -> UInt64 { ids.wrappingAdd(1, ordering: .relaxed).newValue }

    // MARK: Publishing

    /// What comes of a message.
    enum Published: Sendable {
        case done(Topic.Receipt)
        /// It could not be written; nobody heard it.
        case failed(String)
        /// More than enough is on its way in its topic; nobody heard it.
        case overloaded(String)
        /// It is against a limit.
        case refused(String)
    }

    /// Gives a message its place and hands it to everybody; on disk first, where the topic is kept there.
    func publish(
        _ draft: Topic.Draft, to topic: Topic, by party: MessagingParty?, _ then: @escaping @Sendable (Published) -> Void
    ) {
        counters.messagesIn.add(1, ordering: .relaxed)
        if let receipt = topic.duplicate(draft.dedup, now: now()) { return then(.done(receipt)) }
        guard !topic.isOverloaded else {
            return then(
                .overloaded("Overloaded: more is on its way in this topic than its members can be sent; try again in a moment"))
        }
        guard topic.isDurable, let writer else { return place(draft, in: topic, by: party, then) }
        guard topic.willWrite() else {
            // Closed in this very moment: what is on disk comes back with the next.
            return load(topic.name, isPrivate: topic.key.isPrivate) { [self] error in
                guard error == nil, let next = available(topic.name, isPrivate: topic.key.isPrivate), next !== topic else {
                    return then(.failed("HistoryUnavailable: the message could not be stored, and nobody has got it; try again"))
                }
                publish(draft, to: next, by: party, then)
            }
        }
        writer.append(draft, to: topic, time: now()) { [self] error in
            defer { topic.written() }
            if let error { return then(.failed(error)) }
            place(draft, in: topic, by: party, then)
        }
    }

    private func place(
        _ draft: Topic.Draft, in topic: Topic, by party: MessagingParty?, _ then: @escaping @Sendable (Published) -> Void
    ) {
        let receipt = topic.publish(draft, now: now()) { [counters] in counters.historyBytes.add($0, ordering: .relaxed) }
        guard let receipt else {
            // It was closed in this very moment, with nobody in it. What is on disk comes back with the topic.
            guard !topic.isDurable, let next = available(topic.name, isPrivate: topic.key.isPrivate) else {
                return then(.done(Topic.Receipt(id: draft.id, offset: topic.offset, receivers: 0)))
            }
            return place(draft, in: next, by: party, then)
        }
        if !receipt.isDuplicate, draft.isKept, let party { published(draft.content, in: topic, by: party, receipt) }
        then(.done(receipt))
    }

    /// The same by name, for callers without a socket.
    func publish(
        _ content: BroadcastContent, to name: String, isPrivate: Bool, by party: MessagingParty,
        _ then: @escaping @Sendable (Published) -> Void
    ) {
        guard let topic = available(name, isPrivate: isPrivate) else {
            return load(name, isPrivate: isPrivate) { [self] error in
                if error != nil { return then(.failed("HistoryUnavailable: the message could not be stored")) }
                publish(content, to: name, isPrivate: isPrivate, by: party, then)
            }
        }
        switch judge(content, by: party, .everyone, in: topic) {
        case .refused(let reason, _): then(.refused(reason))
        case .passed(let draft): publish(draft, to: topic, by: party, then)
        }
    }

    // MARK: Upkeep

    /// What time does: called about every second.
    package func tick() async {
        let now = now()
        let all = topics.withLock { Array($0.values) }
        let isShort = counters.historyBytes.load(ordering: .relaxed) > limits.historyBytes
        // The longest unused go first when memory is short.
        let ordered = isShort ? all.sorted { $0.lastUse < $1.lastUse } : all
        for topic in ordered {
            let excess = counters.historyBytes.load(ordering: .relaxed) > limits.historyBytes
            counters.historyBytes.add(topic.prune(now: now, all: excess), ordering: .relaxed)
            if topic.lastUse &+ 1_000 < now {
                topics.withLock { topics in if topics[topic.key] === topic, topic.closeIfEmpty() { topics[topic.key] = nil } }
            }
        }
        counters.topics.store(topics.withLock { $0.count }, ordering: .relaxed)
        if now &- placesSaved.load(ordering: .relaxed) >= 5_000 { await savePlaces() }
        guard now &- pruned.load(ordering: .relaxed) >= 60_000 else { return }
        pruned.store(now, ordering: .relaxed)
        await writer?.prune(limits: limits, now: now)
    }

    /// Ends the channels of one user, or those of them that are named. Answers with the names, without `realtime:`, once each.
    package func disconnect(user: String, channels names: [String]?, reason: String) async -> [String] {
        let wanted = names.map(Set.init)
        var ended: Set<String> = []
        for lane in lanes.withLock({ $0 }) {
            let some: [String] = await withCheckedContinuation { continuation in
                lane.lane.submit {
                    continuation.resume(returning: lane.sessions.flatMap { $0.revoke(user, wanted, reason: reason) })
                }
            }
            ended.formUnion(some)
        }
        return ended.sorted()
    }

    /// Ends every socket so that its client comes back at once; for a restart.
    package func closeAll() {
        isStopping.store(true, ordering: .relaxed)
        everyLane { lane in for session in lane.sessions { session.end(.restarting) } }
    }

    package func close() async {
        await savePlaces()
        await writer?.close()
    }

    /// Writes down who is where in durable topics.
    private func savePlaces() async {
        guard let placesFile else { return }
        let now = now()
        placesSaved.store(now, ordering: .relaxed)
        var places = topics.withLock { Array($0.values) }.filter(\.isDurable).flatMap { $0.places(now: now) }
        for lane in lanes.withLock({ $0 }) {
            places += await withCheckedContinuation { continuation in
                lane.lane.submit { continuation.resume(returning: lane.sessions.flatMap { $0.places(now: now) }) }
            }
        }
        places += absent.withLock { absent in
            absent = absent.compactMapValues { all in
                let fresh = all.filter { now &- $0.time <= limits.recoveryWindow }
                return fresh.isEmpty ? nil : fresh
            }
            return absent.values.flatMap(\.self)
        }
        // More than so many clients of one host are told to reload instead.
        if places.count > 100_000 { places.removeFirst(places.count - 100_000) }
        if let reason = RecoveryPlaces.write(places, to: placesFile) { report(.historyFailed(reason: reason)) }
    }
}

/// Where sockets of one event loop come in.
package struct HubLane: Sendable {
    let hub: Hub
    let members: LaneHub

    /// On the lane.
    package func open(_ socket: any RealtimeSocket, _ serializer: Serializer, _ facts: TokenFacts) -> Session {
        let session = Session(hub: hub, lane: members, socket: socket, serializer: serializer, facts: facts)
        if hub.isStopping.load(ordering: .relaxed) { session.end(.restarting) }
        return session
    }
}

/// What an operator hears of.
package enum HubEvent: Sendable {
    case malformed(reason: String)
    case refusedJoin(reason: String)
    /// Only those that nobody else is told of.
    case refusedMessage(reason: String)
    case historyFailed(reason: String)
    case closed(reason: String)
}

package final class HubCounters: Sendable {
    package let sockets = Atomic<Int>(0)
    package let channels = Atomic<Int>(0)
    package let topics = Atomic<Int>(0)
    package let messagesIn = Atomic<Int>(0)
    package let historyBytes = Atomic<Int>(0)
}

/// A rate, and how much may come at once.
struct TokenBucket {
    private let perMillisecond: Double
    private let burst: Double
    private var level: Double
    private var time: Int64

    init(perSecond: Double, burst: Double, now: Int64) {
        perMillisecond = perSecond / 1000
        self.burst = burst
        level = burst
        time = now
    }

    mutating func take(now: Int64) -> Bool {
        if now > time {
            level = min(burst, level + Double(now &- time) * perMillisecond)
            time = now
        }
        guard level >= 1 else { return false }
        level -= 1
        return true
    }
}
