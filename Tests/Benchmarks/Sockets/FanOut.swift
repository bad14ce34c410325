import Glibc

/// Many subscribers, few publishers: deliveries a second, what got lost, and how long it took.
final class FanOut: Generator {
    /// What is known about the messages of one publisher.
    private struct Sender {
        var message: Message
        var client: Int
        var members: Int
        /// By number: how many have it.
        var delivered: [Int32] = []
        var sent: [Int64] = []
    }

    private let subscribers: Int
    private let topics: Int
    private let slots: Int
    private var senders: [Sender] = []
    /// The last number each subscriber has seen of each publisher of its topic.
    private let last: UnsafeMutablePointer<Int32>
    private var reader = MarkReader()
    private var joined = 0
    private var refused = 0

    private var isPublishing = false
    private var isMeasuring = false
    private var nextDue: Int64 = 0
    private var turnOf = 0
    private var flying = 0
    private var deliveries = 0
    private var expected = 0
    private var duplicates = 0
    private var gaps = 0
    private var strays = 0
    private var completed = 0
    private var lastDelivery: Int64 = 0
    private var latency = Histogram()
    private var whole = Histogram()
    private var began: Int64 = 0
    private var deafEnds: [Int: Double] = [:]

    init(_ options: Options) {
        subscribers = options.sockets
        topics = max(1, options.topics)
        slots = (options.publishers + topics - 1) / topics
        last = .allocate(capacity: subscribers * slots)
        last.initialize(repeating: -1, count: subscribers * slots)
        super.init(options, count: options.sockets + options.slow + options.publishers)
        for client in subscribers..<(subscribers + options.slow) { clients[client].isDeaf = true }
    }

    private var firstPublisher: Int { subscribers + options.slow }

    private func topic(of client: Int) -> Int {
        client >= firstPublisher ? (client - firstPublisher) % topics : client < subscribers ? client % topics : 0
    }

    override func opened(_ client: Int, _ now: Int64) { join(client, topic: topic(of: client), now) }

    override func received(_ client: Int, _ bytes: UnsafePointer<UInt8>, _ size: Int, isBinary: Bool, _ now: Int64) {
        guard reader.read(bytes, size, isBinary: isBinary) else { return other(client, bytes, size) }
        let publisher = reader.publisher
        guard client < subscribers, publisher < senders.count else {
            strays += 1
            return
        }
        let number = reader.number
        let place = client &* slots &+ publisher / topics
        let before = Int(last[place])
        if number <= before {
            duplicates += 1
            return
        }
        gaps += number - before - 1
        last[place] = Int32(truncatingIfNeeded: number)
        deliveries += 1
        lastDelivery = now
        if isMeasuring { latency.add(now - reader.time) }
        count(publisher, number, now)
    }

    @inline(__always) private func count(_ publisher: Int, _ number: Int, _ now: Int64) {
        guard number < senders[publisher].delivered.count else { return strays += 1 }
        senders[publisher].delivered[number] += 1
        guard Int(senders[publisher].delivered[number]) == senders[publisher].members else { return }
        completed += 1
        flying -= 1
        if isMeasuring { whole.add(now - senders[publisher].sent[number]) }
        if options.rate == 0 && isPublishing { publish(publisher, clockNow()) }
    }

    private func other(_ client: Int, _ bytes: UnsafePointer<UInt8>, _ size: Int) {
        switch reply(bytes, size) {
        case .none: return
        case .ok: break
        case .refused: refused += 1
        }
        joined += 1
        if client >= subscribers && client < firstPublisher { deafen(client) }
    }

    override func deafEnded(_ client: Int) {
        super.deafEnded(client)
        deafEnds[client] = began == 0 ? 0 : Double(clockNow() - began) / 1e9
    }

    private func publish(_ publisher: Int, _ stamp: Int64) {
        let number = senders[publisher].sent.count
        senders[publisher].sent.append(stamp)
        senders[publisher].delivered.append(0)
        expected += senders[publisher].members
        flying += 1
        send(senders[publisher].client, senders[publisher].message.frame(number: number, time: stamp))
    }

    override func tick(_ now: Int64) -> Int64 {
        beat(now)
        guard isPublishing, options.rate > 0 else { return 50_000_000 }
        let gap = nanoseconds(1 / options.rate)
        while nextDue <= now {
            // Stamped with the time it was due: a late generator or server can't hide a wait.
            publish(turnOf, nextDue)
            turnOf = (turnOf + 1) % senders.count
            nextDue += gap
        }
        return nextDue - now
    }

    private func publishing(_ seconds: Double) {
        let start = clockNow()
        isPublishing = true
        nextDue = start
        if options.rate == 0 {
            for publisher in senders.indices { for _ in 0..<options.window { publish(publisher, clockNow()) } }
        }
        turn(seconds) { false }
        isPublishing = false
    }

    /// Waits for what is under way: not a fixed time, but until nothing has come for `patience` seconds.
    private func drain(patience: Double) {
        while flying > 0 {
            let before = deliveries
            if !turn(patience, until: { self.flying == 0 }) && deliveries == before { return }
        }
    }

    func run() -> Fields {
        openAll(0..<count) { self.joined }
        guard refused == 0 else { stop("\(refused) joins were refused") }
        senders = (0..<options.publishers).map { publisher in
            let client = firstPublisher + publisher
            let topic = publisher % topics
            return Sender(
                message: Message(options, publisher: publisher, topic: topic, joinRef: clients[client].joinRef), client: client,
                members: (subscribers - topic + topics - 1) / topics)
        }
        if options.warmup > 0 {
            publishing(options.warmup)
            drain(patience: 5)
        }
        let lostBefore = expected - deliveries
        let publishedBefore = senders.reduce(0) { $0 + $1.sent.count }
        deliveries = 0
        expected = 0
        completed = 0
        flying = 0
        isMeasuring = true
        say([("phase", .word("measuring"))])
        began = clockNow()
        let processor = processorTime()
        publishing(options.seconds)
        let busy = (processorTime() - processor) / (Double(clockNow() - began) / 1e9)
        let inTime = deliveries
        let until = clockNow()
        drain(patience: 5)
        say([("phase", .word("measured"))])
        // A closed loop ends with its last delivery; an open one is judged by what came while it ran.
        let elapsed = options.rate == 0 ? max(1, lastDelivery - began) : until - began
        let counted = options.rate == 0 ? deliveries : inTime
        let slow = slowReaders()
        return [
            ("mode", .word("fanout")), ("protocol", .word(options.dialect.rawValue)), ("subscribers", .count(subscribers)),
            ("topics", .count(topics)), ("publishers", .count(options.publishers)), ("rate", .number(options.rate)),
            ("seconds", .number(Double(elapsed) / 1e9)),
            ("messages", .count(senders.reduce(0) { $0 + $1.sent.count } - publishedBefore)),
            ("completed", .count(completed)), ("deliveries", .count(deliveries)),
            ("deliveries_per_s", .number(Double(counted) / (Double(elapsed) / 1e9))), ("expected", .count(expected)),
            ("lost", .count(expected - deliveries)), ("lost_in_warmup", .count(lostBefore)), ("duplicates", .count(duplicates)),
            ("gaps", .count(gaps)), ("strays", .count(strays)), ("closed_by_server", .count(lost)),
            ("generator_cpu", .number(busy)),
            ("latency", .object(latency.summary)), ("all_delivered", .object(whole.summary)), ("slow", .list(slow)),
        ]
    }

    /// Lets the slow readers read at last: each must find the end of its connection.
    private func slowReaders() -> [Field] {
        let range = subscribers..<firstPublisher
        for client in range { undeafen(client) }
        while range.contains(where: { clients[$0].phase == .open }) {
            let before = range.reduce(0) { $0 + clients[$1].received }
            let isOver = turn(3) { range.allSatisfy { self.clients[$0].phase != .open } }
            if !isOver && range.reduce(0, { $0 + clients[$1].received }) == before { break }
        }
        return range.map { client in
            .object([
                ("closed", .flag(clients[client].phase == .closed)), ("code", .count(Int(clients[client].closeCode))),
                ("bytes", .count(clients[client].received)), ("seen_after_s", .number(deafEnds[client] ?? -1)),
            ])
        }
    }
}
