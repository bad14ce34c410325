import Glibc

/// Opens its sockets, lets each join a topic (or none), and holds them until told.
final class Idle: Generator {
    private var ready = 0
    private var refused = 0
    private var isTold = false

    init(_ options: Options) { super.init(options, count: options.sockets) }

    override func opened(_ client: Int, _ now: Int64) {
        if options.topics == 0 { ready += 1 } else { join(client, topic: client % options.topics, now) }
    }

    override func received(_ client: Int, _ bytes: UnsafePointer<UInt8>, _ size: Int, isBinary: Bool, _ now: Int64) {
        guard ready < count else { return }
        switch reply(bytes, size) {
        case .none: return
        case .ok: ready += 1
        case .refused:
            ready += 1
            refused += 1
        }
    }

    override func heardInput() { isTold = true }

    override func tick(_ now: Int64) -> Int64 {
        beat(now)
        return 50_000_000
    }

    func run() -> Fields {
        let began = clockNow()
        openAll(0..<count) { self.ready }
        let took = Double(clockNow() - began) / 1e9
        guard refused == 0 else { stop("\(refused) joins were refused") }
        say([("phase", .word("ready")), ("sockets", .count(openCount)), ("seconds", .number(took))])
        watchInput()
        turn(86400) { self.isTold }
        return [
            ("mode", .word("idle")), ("protocol", .word(options.dialect.rawValue)), ("sockets", .count(openCount)),
            ("topics", .count(options.topics)), ("seconds_to_open", .number(took)), ("closed_by_server", .count(lost)),
        ]
    }
}

/// Sockets that join a topic, leave it and join the next, as fast as they are answered.
final class Joins: Generator {
    private var isRunning = false
    private var joinedOnce = 0
    private var joins = 0
    private var refused = 0
    private var latency = Histogram()
    private let isLeaving: UnsafeMutablePointer<Bool>
    private var next = 0

    init(_ options: Options) {
        isLeaving = .allocate(capacity: options.sockets)
        isLeaving.initialize(repeating: false, count: options.sockets)
        super.init(options, count: options.sockets)
    }

    override func opened(_ client: Int, _ now: Int64) { joinedOnce += 1 }

    private func joinNext(_ client: Int, _ now: Int64) {
        // A prime stride, so that neighbours in time are no neighbours by name.
        next = (next + 7919) % max(1, options.topics)
        isLeaving[client] = false
        join(client, topic: next, now)
    }

    override func received(_ client: Int, _ bytes: UnsafePointer<UInt8>, _ size: Int, isBinary: Bool, _ now: Int64) {
        switch reply(bytes, size) {
        case .none: return
        case .refused:
            refused += 1
        case .ok:
            if isLeaving[client] {
                if isRunning { joinNext(client, now) }
                return
            }
            joins += 1
            latency.add(now - clients[client].asked)
        }
        guard isRunning else { return }
        isLeaving[client] = true
        leave(client)
    }

    override func tick(_ now: Int64) -> Int64 {
        beat(now)
        return 50_000_000
    }

    func run() -> Fields {
        openAll(0..<count) { self.joinedOnce }
        isRunning = true
        for client in 0..<count { joinNext(client, clockNow()) }
        turn(options.warmup) { false }
        joins = 0
        latency.clear()
        say([("phase", .word("measuring"))])
        let began = clockNow()
        let processor = processorTime()
        turn(options.seconds) { false }
        let elapsed = Double(clockNow() - began) / 1e9
        let busy = (processorTime() - processor) / elapsed
        isRunning = false
        say([("phase", .word("measured"))])
        return [
            ("mode", .word("joins")), ("protocol", .word(options.dialect.rawValue)), ("sockets", .count(count)),
            ("topics", .count(options.topics)), ("seconds", .number(elapsed)), ("joins", .count(joins)),
            ("joins_per_s", .number(Double(joins) / elapsed)), ("refused", .count(refused)), ("closed_by_server", .count(lost)),
            ("generator_cpu", .number(busy)), ("latency", .object(latency.summary)),
        ]
    }
}

/// Handshakes: connect, upgrade, close frame, end of the connection, and again.
final class Connects: Generator {
    private var isRunning = true
    private var handshakes = 0
    private var latency = Histogram()

    init(_ options: Options) { super.init(options, count: options.sockets) }

    override func opened(_ client: Int, _ now: Int64) {
        handshakes += 1
        latency.add(now - clients[client].asked)
        send(client, Wire.frame(.close, [3, 232]))
    }

    override func ended(_ client: Int) {
        if isRunning {
            clients[client] = Client()
            launch(client)
        }
    }

    func run() -> Fields {
        isStopping = true
        for client in 0..<count { launch(client) }
        turn(options.warmup) { false }
        handshakes = 0
        latency.clear()
        say([("phase", .word("measuring"))])
        let began = clockNow()
        let processor = processorTime()
        turn(options.seconds) { false }
        let elapsed = Double(clockNow() - began) / 1e9
        let busy = (processorTime() - processor) / elapsed
        isRunning = false
        say([("phase", .word("measured"))])
        return [
            ("mode", .word("connects")), ("at_once", .count(count)), ("seconds", .number(elapsed)),
            ("handshakes", .count(handshakes)),
            ("handshakes_per_s", .number(Double(handshakes) / elapsed)), ("failures", .count(failures.values.reduce(0, +))),
            ("generator_cpu", .number(busy)), ("latency", .object(latency.summary)),
        ]
    }
}
