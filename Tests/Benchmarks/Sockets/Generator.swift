import CEpoll
import Glibc

/// One client socket. Plain data, so that touching it counts no references.
struct Client {
    enum Phase: UInt8 { case unborn, connecting, upgrading, open, closed }

    var descriptor: Int32 = -1
    var phase = Phase.unborn
    /// Reads nothing (a slow reader), and only hears when the connection ends.
    var isDeaf = false
    var topic: Int32 = 0
    var ref: Int32 = 0
    var joinRef: Int32 = 0
    /// The beginning of a frame whose end has not come yet.
    var held: UnsafeMutablePointer<UInt8>?
    var heldCount = 0
    /// When the request under way was sent.
    var asked: Int64 = 0
    var received = 0
    var closeCode: Int32 = 0
}

/// Thousands of WebSocket clients on one epoll and one thread. A mode is a subclass: it says what to do when something happened.
class Generator {
    let options: Options
    let clients: UnsafeMutablePointer<Client>
    let count: Int
    private(set) var openCount = 0
    private(set) var failures: [String: Int] = [:]
    /// Connections the server ended.
    private(set) var lost = 0
    var isStopping = false
    /// Sleeps instead of being woken; of no use to sockets that only wait.
    var wantsNaps: Bool
    private var wasQuiet = false

    private let epoll: Int32
    private let handshake: [UInt8]
    private let events = UnsafeMutablePointer<bench_event>.allocate(capacity: Int(BENCH_BATCH))
    private let buffer: UnsafeMutablePointer<UInt8>
    private static let room = 8 << 20
    private static let portion = 1 << 20
    /// What a socket could not take at once.
    private var unsent: [Int: [UInt8]] = [:]
    private var addressNumber = 0
    private var nextHeartbeat: Int64
    private var heartbeatAt = 0
    private static let standardInput = UInt32.max

    init(_ options: Options, count: Int) {
        self.options = options
        self.count = count
        wantsNaps = options.nap > 0 && options.mode != .idle
        clients = .allocate(capacity: count)
        clients.initialize(repeating: Client(), count: count)
        buffer = .allocate(capacity: Generator.room)
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        handshake = Wire.handshake(options)
        nextHeartbeat = clockNow() + nanoseconds(options.heartbeat)
        guard epoll >= 0 else { stop("no epoll: \(errno)") }
    }

    // What a mode answers to.
    func opened(_ client: Int, _ now: Int64) {}
    func received(_ client: Int, _ bytes: UnsafePointer<UInt8>, _ size: Int, isBinary: Bool, _ now: Int64) {}
    func ended(_ client: Int) {}
    func heardInput() {}
    /// After each batch of events; returns nanoseconds until it wants to be called again.
    func tick(_ now: Int64) -> Int64 { 100_000_000 }

    func watchInput() { _ = bench_watch(epoll, EPOLL_CTL_ADD, 0, EPOLLIN.rawValue, Generator.standardInput) }

    /// Turns the loop until `isDone`, at most `limit` seconds: whether it became so.
    @discardableResult
    func turn(_ limit: Double, until isDone: () -> Bool) -> Bool {
        let end = clockNow() + nanoseconds(limit)
        while !isDone() {
            let now = clockNow()
            if now >= end { return false }
            let wait = min(tick(now), end - now)
            if isDone() { break }
            let happened = wantsNaps ? nap(wait) : bench_wait(epoll, events, max(0, wait))
            if happened < 0 && errno != EINTR { stop("epoll: \(errno)") }
            for place in 0..<max(0, Int(happened)) {
                let event = events[place]
                if event.who == Generator.standardInput {
                    var letter: UInt8 = 0
                    _ = read(0, &letter, 1)
                    _ = bench_watch(epoll, EPOLL_CTL_DEL, 0, 0, 0)
                    heardInput()
                } else {
                    handle(Int(event.who), event.what)
                }
            }
        }
        return true
    }

    /// Waits without being in the way of the server's sends (see `Options.nap`).
    private func nap(_ wait: Int64) -> Int32 {
        if wasQuiet {
            var time = timespec(tv_sec: 0, tv_nsec: Int(max(0, min(wait, Int64(options.nap) * 1000))))
            nanosleep(&time, nil)
        }
        let happened = bench_wait(epoll, events, 0)
        wasQuiet = happened < 16
        return happened
    }

    /// Opens these clients, a few at a time, and waits until all are through `isReady`.
    func openAll(_ range: Range<Int>, isReady: () -> Int) {
        var next = range.lowerBound
        let began = clockNow()
        while true {
            while next < range.upperBound, next - range.lowerBound - isReady() < options.opening {
                launch(next)
                next += 1
            }
            let before = isReady()
            if before >= range.count { return }
            guard turn(15, until: { isReady() > before || !failures.isEmpty }), failures.isEmpty else {
                stop(
                    "only \(before) of \(range.count) sockets got ready in \((clockNow() - began) / 1_000_000) ms; failures: \(failures)"
                )
            }
        }
    }

    func launch(_ client: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return fail("socket \(errno)") }
        var on: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, size)
        // The port is chosen when the socket connects, so each source address has a whole range of them.
        setsockopt(descriptor, Int32(IPPROTO_IP), 24 /* IP_BIND_ADDRESS_NO_PORT */, &on, size)
        if clients[client].isDeaf {
            var least: Int32 = 4096
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &least, size)
        }
        var from = address(1 + addressNumber % options.addresses, port: 0)
        addressNumber += 1
        var to = address(1, port: options.port)
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafePointer(to: &from) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard bound == 0 else {
            close(descriptor)
            return fail("bind \(errno)")
        }
        let result = withUnsafePointer(to: &to) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) }
        }
        guard result == 0 || errno == EINPROGRESS else {
            close(descriptor)
            return fail("connect \(errno)")
        }
        clients[client].descriptor = descriptor
        clients[client].phase = .connecting
        clients[client].asked = clockNow()
        _ = bench_watch(epoll, EPOLL_CTL_ADD, descriptor, EPOLLOUT.rawValue, UInt32(client))
    }

    private func address(_ last: Int, port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = (UInt32(127) << 24 | UInt32(last)).bigEndian
        return address
    }

    private func handle(_ client: Int, _ what: UInt32) {
        switch clients[client].phase {
        case .unborn, .closed: return
        case .connecting:
            var problem: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(clients[client].descriptor, SOL_SOCKET, SO_ERROR, &problem, &size)
            guard problem == 0 else {
                fail("connect \(problem)")
                return end(client)
            }
            clients[client].phase = .upgrading
            _ = bench_watch(epoll, EPOLL_CTL_MOD, clients[client].descriptor, EPOLLIN.rawValue, UInt32(client))
            send(client, handshake)
        case .upgrading, .open:
            if clients[client].isDeaf && clients[client].phase == .open && what & EPOLLIN.rawValue == 0 {
                if what & (EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { deafEnded(client) }
                return
            }
            if what & EPOLLOUT.rawValue != 0, let rest = unsent.removeValue(forKey: client) {
                _ = bench_watch(epoll, EPOLL_CTL_MOD, clients[client].descriptor, EPOLLIN.rawValue, UInt32(client))
                send(client, rest)
            }
            if what & ~EPOLLOUT.rawValue != 0 { receive(client) }
        }
    }

    /// A slow reader whose connection ended while it did not read.
    func deafEnded(_ client: Int) { unwatch(client) }

    func unwatch(_ client: Int) { _ = bench_watch(epoll, EPOLL_CTL_DEL, clients[client].descriptor, 0, 0) }

    /// From now on this client reads nothing.
    func deafen(_ client: Int) {
        _ = bench_watch(epoll, EPOLL_CTL_MOD, clients[client].descriptor, EPOLLRDHUP.rawValue, UInt32(client))
    }

    func undeafen(_ client: Int) {
        guard clients[client].phase == .open else { return }
        clients[client].isDeaf = false
        unwatch(client)
        _ = bench_watch(epoll, EPOLL_CTL_ADD, clients[client].descriptor, EPOLLIN.rawValue, UInt32(client))
    }

    func send(_ client: Int, _ bytes: [UInt8]) {
        guard clients[client].phase != .closed else { return }
        if unsent[client] != nil {
            unsent[client]?.append(contentsOf: bytes)
            return
        }
        let sent = bytes.withUnsafeBytes { Glibc.send(clients[client].descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if sent == bytes.count { return }
        guard sent >= 0 || errno == EAGAIN else { return }
        unsent[client] = Array(bytes[max(0, sent)...])
        _ = bench_watch(epoll, EPOLL_CTL_MOD, clients[client].descriptor, EPOLLIN.rawValue | EPOLLOUT.rawValue, UInt32(client))
    }

    private func receive(_ client: Int) {
        let mine = clients + client
        let start = mine.pointee.heldCount
        if let held = mine.pointee.held {
            memcpy(buffer, held, start)
            free(held)
            mine.pointee.held = nil
            mine.pointee.heldCount = 0
        }
        let got = recv(mine.pointee.descriptor, buffer + start, min(Generator.portion, Generator.room - start), 0)
        if got < 0 && (errno == EAGAIN || errno == EINTR) { return hold(mine, from: 0, to: start) }
        guard got > 0 else { return endedByServer(client) }
        let now = clockNow()
        mine.pointee.received &+= got
        let total = start + got
        var at = 0
        if mine.pointee.phase == .upgrading {
            guard let head = Wire.find("\r\n\r\n", buffer, total) else { return hold(mine, from: 0, to: total) }
            let status = Wire.find(" ", buffer, head).map {
                Int(buffer[$0 + 1]) * 100 + Int(buffer[$0 + 2]) * 10 + Int(buffer[$0 + 3]) - 5328
            }
            guard status == 101, Wire.find(Wire.accept, buffer, head) != nil else {
                fail("status \(status ?? 0)")
                return end(client)
            }
            mine.pointee.phase = .open
            openCount += 1
            at = head + 4
            opened(client, now)
        }
        while total &- at >= 2 {
            let kind = buffer[at] & 0x0f
            var size = Int(buffer[at &+ 1])
            var header = 2
            if size == 126 {
                if total &- at < 4 { break }
                size = Int(buffer[at &+ 2]) << 8 | Int(buffer[at &+ 3])
                header = 4
            } else if size >= 127 {
                if total &- at < 10 { break }
                size = 0
                for place in 2..<10 { size = size << 8 | Int(buffer[at &+ place]) }
                header = 10
                guard size >= 0, size <= Generator.room - 16 else { stop("a frame of \(size) bytes, or a masked one") }
            }
            if total &- at < header &+ size { break }
            let payload = UnsafePointer(buffer + (at &+ header))
            switch kind {
            case 1, 2: received(client, payload, size, isBinary: kind == 2, now)
            case 8:
                mine.pointee.closeCode = size >= 2 ? Int32(payload[0]) << 8 | Int32(payload[1]) : 1005
                if !isStopping { send(client, Wire.frame(.close, size >= 2 ? [payload[0], payload[1]] : [])) }
            case 9: send(client, Wire.frame(.pong, Array(UnsafeBufferPointer(start: payload, count: size))))
            default: break
            }
            if mine.pointee.phase != .open { return }
            at = at &+ header &+ size
        }
        if at < total { hold(mine, from: at, to: total) }
    }

    private func hold(_ mine: UnsafeMutablePointer<Client>, from start: Int, to end: Int) {
        guard end > start, let place = malloc(end - start) else { return }
        memcpy(place, buffer + start, end - start)
        mine.pointee.held = place.assumingMemoryBound(to: UInt8.self)
        mine.pointee.heldCount = end - start
    }

    private func endedByServer(_ client: Int) {
        if clients[client].phase == .upgrading { fail("closed in the handshake") }
        lost += 1
        end(client)
    }

    func end(_ client: Int) {
        guard clients[client].descriptor >= 0 else { return }
        close(clients[client].descriptor)
        if clients[client].phase == .open { openCount -= 1 }
        clients[client].descriptor = -1
        clients[client].phase = .closed
        free(clients[client].held)
        clients[client].held = nil
        clients[client].heldCount = 0
        unsent[client] = nil
        ended(client)
    }

    func fail(_ why: String) { failures[why, default: 0] += 1 }

    /// Sends the heartbeats that are due, a share of the sockets at a time so that they don't come as one wave.
    func beat(_ now: Int64) {
        guard now >= nextHeartbeat else { return }
        let share = count / 100 + 1
        for place in heartbeatAt..<min(count, heartbeatAt + share) where clients[place].phase == .open && !clients[place].isDeaf {
            clients[place].ref += 1
            send(place, Wire.heartbeat(options, ref: clients[place].ref))
        }
        heartbeatAt = heartbeatAt + share >= count ? 0 : heartbeatAt + share
        nextHeartbeat += nanoseconds(options.heartbeat / 100)
    }

    func join(_ client: Int, topic: Int, _ now: Int64) {
        clients[client].ref += 1
        clients[client].joinRef = clients[client].ref
        clients[client].topic = Int32(topic)
        clients[client].asked = now
        send(client, Wire.join(options, topic, ref: clients[client].ref))
    }

    func leave(_ client: Int) {
        clients[client].ref += 1
        send(client, Wire.leave(options, Int(clients[client].topic), ref: clients[client].ref, joinRef: clients[client].joinRef))
    }

    enum Reply { case none, ok, refused }

    /// What a frame answers to the join or leave under way.
    func reply(_ bytes: UnsafePointer<UInt8>, _ size: Int) -> Reply {
        guard Wire.find("\"phx_reply\"", bytes, size) != nil, Wire.find("\"phoenix\"", bytes, size) == nil else { return .none }
        return Wire.find("\"ok\"", bytes, size) == nil ? .refused : .ok
    }
}

/// Says why and ends the process.
func stop(_ why: String) -> Never {
    let line = Array("bench-sockets: \(why)\n".utf8)
    _ = write(2, line, line.count)
    exit(1)
}

func say(_ fields: Fields) {
    print(Field.object(fields).text)
    fflush(nil)
}
