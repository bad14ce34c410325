import Glibc

/// What the command line asks for. Every mode reads its own few.
struct Options {
    enum Mode: String { case idle, fanout, joins, connects, floor }
    /// How messages go out. `v2` publishes as supabase-js does: broadcasts in binary frames, everything else as JSON arrays.
    enum Dialect: String {
        case v1, v2
        case v2Text = "v2-text"
    }

    var mode = Mode.idle
    var port: UInt16 = 0
    var path = "/realtime/v1/websocket"
    var key = ""
    var dialect = Dialect.v2
    /// Sockets that take part; the publishers and slow readers come on top.
    var sockets = 1000
    /// Topics they spread over; 0 joins none.
    var topics = 1
    var publishers = 1
    /// Messages a second of all publishers together; 0 is a closed loop.
    var rate = 0.0
    /// Messages each publisher keeps in flight in a closed loop.
    var window = 1
    /// Bytes of the message: the inner payload, without what the protocol puts around it.
    var size = 200
    var seconds = 6.0
    var warmup = 1.0
    /// Sockets that join and then never read.
    var slow = 0
    /// Handshakes under way at once.
    var opening = 64
    /// Source addresses, from 127.0.0.1 up.
    var addresses = 4
    var heartbeat = 25.0
    /// Microseconds to sleep when few sockets have something. On loopback a send that wakes its reader pays for the wake-up, which a server
    /// with its clients elsewhere never does; a generator that wakes itself spares both servers that, for this much in the latencies.
    var nap = 100

    static let usage = """
        bench-sockets idle|fanout|joins|connects|floor --port <port> [--key <token>] [--protocol v1|v2|v2-text] [--path <path>]
          --sockets <n>      sockets (idle, joins), subscribers (fanout), handshakes at once (connects)
          --topics <n>       topics they spread over; 0: join none (idle)
          --publishers <n>   fanout: sockets that publish, each to one topic
          --rate <n>|--max   fanout: messages a second of all publishers, or the next when the last has reached everybody
          --window <n>       fanout --max: messages in flight for each publisher
          --size <bytes>     fanout: bytes of a message
          --slow <n>         fanout: subscribers on top that never read until the end
          --seconds <s> --warmup <s> --opening <n> --addresses <n> --heartbeat <s> --nap <us>
        JSON lines on standard output: {"phase": …} as it goes, the last line is the result. `idle` holds its sockets until a line or the end
        of standard input. `floor` is no load but a server, the least one that a fan-out can be measured with.
        """

    init?(_ arguments: [String]) {
        guard let first = arguments.first, let mode = Mode(rawValue: first) else { return nil }
        self.mode = mode
        var rest = arguments.dropFirst()
        while let name = rest.popFirst() {
            if name == "--max" {
                rate = 0
                continue
            }
            guard let value = rest.popFirst() else { return nil }
            let number = Double(value)
            let count = Int(value) ?? -1
            switch name {
            case "--key": key = value
            case "--path": path = value
            case "--protocol":
                guard let dialect = Dialect(rawValue: value) else { return nil }
                self.dialect = dialect
            case "--port":
                guard let port = UInt16(value) else { return nil }
                self.port = port
            case "--sockets" where count > 0: sockets = count
            case "--topics" where count >= 0: topics = count
            case "--publishers" where count > 0: publishers = count
            case "--window" where count > 0: window = count
            case "--size" where count >= Message.leastSize: size = count
            case "--nap" where count >= 0: nap = count
            case "--slow" where count >= 0: slow = count
            case "--opening" where count > 0: opening = count
            case "--addresses" where (1...250).contains(count): addresses = count
            case "--rate":
                guard let number, number >= 0 else { return nil }
                rate = number
            case "--seconds":
                guard let number, number > 0 else { return nil }
                seconds = number
            case "--warmup":
                guard let number, number >= 0 else { return nil }
                warmup = number
            case "--heartbeat":
                guard let number, number > 0 else { return nil }
                heartbeat = number
            default: return nil
            }
        }
        guard port != 0 else { return nil }
        if mode == .fanout { publishers = max(publishers, max(1, topics)) }
    }
}

/// Nanoseconds of a clock that never goes back.
@inline(__always) func clockNow() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
}

func nanoseconds(_ seconds: Double) -> Int64 { Int64(seconds * 1e9) }

/// Seconds of processor time this process has used.
func processorTime() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
}
