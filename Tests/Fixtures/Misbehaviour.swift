import Glibc
import HTTPTypes
package import Swiftlet
import SwiftletJSON

// Functions that do what no function should, each named after it. Each costs its own worker, and nothing else.

/// `?how=` index, overflow, unwrap, precondition, abort or stack; `?late=1` after it has been somewhere else in between.
struct Traps: EdgeFunction {
    static let name: FunctionName = "traps"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, deadline: .seconds(20))

    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        if request.query["late"] != nil { try await Task.sleep(for: .milliseconds(1)) }
        let none = request.query["none"].map { [$0] } ?? []
        switch request.query["how"] ?? "index" {
        case "overflow": return .text("\(Int.max - (none.count - 1) * 2)")
        case "unwrap": return .text(none.first!)
        case "precondition": preconditionFailure("a promise of the function does not hold")
        case "abort": abort()
        case "stack": return .text("\(deeper(0))")
        default: return .text(none[7])
        }
    }

    private func deeper(_ depth: Int) -> Int {
        depth < 0 ? 0 : deeper(depth + 1) + withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { $0.count }
    }
}

struct Exits: EdgeFunction {
    static let name: FunctionName = "exits"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        exit(Int32(request.query["code"] ?? "7") ?? 7)
    }
}

/// Burns processor time for ever; with `?late=1` on another thread than the worker's loop.
struct Loops: EdgeFunction {
    static let name: FunctionName = "loops"
    static let policy = Policy(
        methods: [.get], rateLimit: .none, body: .none, deadline: .seconds(20),
        limits: WorkerLimits(cpuSoft: .milliseconds(200), cpuHard: .milliseconds(400)))
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        if request.query["late"] != nil { try await Task.sleep(for: .milliseconds(1)) }
        // `?ms=` of work instead of no end: enough for the soft limit, not for the hard one.
        let enough = request.query["ms"].flatMap(Int64.init).map { $0 * 1_000_000 } ?? .max
        var spent = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent)
        let start = Int64(spent.tv_sec) * 1_000_000_000 + Int64(spent.tv_nsec)
        var count = 0
        repeat {
            count &+= 1
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent)
        } while Int64(spent.tv_sec) * 1_000_000_000 + Int64(spent.tv_nsec) - start < enough
        return .text("\(count)")
    }
}

/// Holds its thread without using it, or (`?how=suspended`) waits for what never comes.
struct Hangs: EdgeFunction {
    static let name: FunctionName = "hangs"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, deadline: .seconds(1))
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        if request.query["how"] == "suspended" {
            await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
        }
        while true { sleep(3600) }
    }
}

/// Takes memory until somebody stops it, and uses it.
struct Leaks: EdgeFunction {
    static let name: FunctionName = "leaks"
    static let policy = Policy(
        methods: [.get], rateLimit: .none, body: .none, deadline: .seconds(20),
        limits: WorkerLimits(cpuSoft: .seconds(10), cpuHard: .seconds(20), memorySoft: .mib(64), memoryHard: .mib(96)))
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        // `?mib=` that are kept, instead of no end.
        var left = Int(request.query["mib"] ?? "") ?? .max
        while left > 0 {
            guard let piece = malloc(1 << 20) else { break }
            memset(piece, 1, 1 << 20)
            left -= 1
            usleep(200)
        }
        return .text("kept")
    }
}

/// Prints `?lines=` lines, and one that is too long.
struct FloodsStdout: EdgeFunction {
    static let name: FunctionName = "floods-stdout"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        print(String(repeating: "long ", count: 5000))
        for number in 0..<(Int(request.query["lines"] ?? "") ?? 20_000) { print("line \(number) of a flood") }
        fflush(nil)
        return .text("printed")
    }
}

/// An answer without end: `?how=` streamed (default), declared (with a length) or whole (in one piece).
struct FloodsResponse: EdgeFunction {
    static let name: FunctionName = "floods-response"
    static let policy = Policy(
        methods: [.get], rateLimit: .none, body: .none, deadline: .seconds(20),
        limits: WorkerLimits(cpuSoft: .seconds(10), cpuHard: .seconds(20), output: .mib(8)))
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        let piece = [UInt8](repeating: 0x61, count: 65_536)
        switch request.query["how"] {
        case "whole": return .bytes([UInt8](repeating: 0x61, count: 9 << 20), mediaType: "text/plain")
        case let how:
            return Response(
                body: .stream(length: how == "declared" ? 10_000_000_000 : nil) { writer in
                    while true { try await writer.write(piece) }
                })
        }
    }
}

/// Reads nothing from its socket any more, until it is ended.
struct NeverReads: EdgeFunction {
    static let name: FunctionName = "never-reads"
    static let policy = Policy(
        methods: [.get, .post], rateLimit: .none, body: .bytes(upTo: .mib(1)), deadline: .seconds(2), concurrency: 1024)
    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> Response {
        guard request.query["block"] != nil else { return .text("\(request.body.count)") }
        while true { sleep(3600) }
    }
}

/// Tries to start processes, and tells what came of it.
struct Forks: EdgeFunction {
    static let name: FunctionName = "forks"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> JSON {
        typealias Fork = @convention(c) () -> Int32
        var forked: Int32 = -2
        var reason: Int32 = 0
        if let symbol = dlsym(nil, "fork") {
            forked = unsafeBitCast(symbol, to: Fork.self)()
            reason = errno
            // A child would hold the worker's socket, and must not go on as a second worker.
            if forked == 0 { pause() }
        }
        var child = pid_t()
        let spawned = posix_spawn(&child, "/bin/true", nil, nil, [nil], [nil])
        return ["fork": JSON(Int(forked)), "fork_errno": JSON(Int(reason)), "spawn": JSON(Int(spawned))]
    }
}

/// Shuts the door to its host.
struct ClosesSocket: EdgeFunction {
    static let name: FunctionName = "closes-socket"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        HostSocket.find().map { _ = shutdown($0, Int32(SHUT_RDWR)) }
        while true { sleep(3600) }
    }
}

/// Says to its host what no worker says: `?how=` random, long, kind, direction, stranger, window, counts, crlf, ready or calls (without end,
/// and no answer is ever read).
struct GarbageFrames: EdgeFunction {
    static let name: FunctionName = "garbage-frames"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, deadline: .seconds(20))
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        let bytes: [UInt8] =
            switch request.query["how"] ?? "random" {
            case "long": GarbageFrames.head(0xFFFF_FFFF, 33, 1)
            case "kind": GarbageFrames.head(0, 200, 1)
            case "direction": GarbageFrames.head(0, 2, 1)
            case "stranger": GarbageFrames.head(0, 36, 0x7FFF_FFFF)
            case "window": (0..<32).flatMap { _ in GarbageFrames.head(65_536, 35, 1) + [UInt8](repeating: 0, count: 65_536) }
            case "ready": GarbageFrames.head(8, 32, 0) + [5, 0, 0, 0, 0, 0, 0, 0]
            case "counts":
                // A counter whose name would start another line of the page of metrics.
                GarbageFrames.head(17, 44, 0) + [1, 0] + GarbageFrames.little(2) + Array("a\n".utf8) + [0] + [
                    1, 0, 0, 0, 0, 0, 0, 0,
                ]
            case "crlf":
                // A whole answer to this very request, with a field that would start another one.
                GarbageFrames.whole(field: "x-evil", value: "a\r\nset-cookie: stolen=1", stream: 1)
            case "calls": (0..<4096).flatMap { GarbageFrames.head(2, 41, UInt32($0)) + [3, 0] }
            default: (0..<4096).map { _ in UInt8.random(in: 1...255) }
            }
        let isEndless = request.query["how"] == "calls"
        if let socket = HostSocket.find() {
            repeat {
                var rest = bytes[...]
                while !rest.isEmpty {
                    let count = rest.withUnsafeBytes { write(socket, $0.baseAddress, $0.count) }
                    if count > 0 { rest = rest.dropFirst(count) } else if errno == EAGAIN { usleep(100) } else { break }
                }
            } while isEndless
        }
        while true { sleep(3600) }
    }

    private static func head(_ length: UInt32, _ kind: UInt8, _ stream: UInt32) -> [UInt8] {
        little(length) + [kind, 0, 0, 0] + little(stream)
    }

    private static func whole(field: String, value: String, stream: UInt32) -> [UInt8] {
        let payload: [UInt8] =
            [200, 0, 0, 1, 0] + little(UInt32(field.utf8.count)) + Array(field.utf8) + little(UInt32(value.utf8.count))
            + Array(value.utf8)
        return head(UInt32(payload.count), 33, stream) + payload
    }

    private static func little(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
}

/// Traps before it can take a request. Only in hosts that ask for it: see the host of the fixtures.
struct CrashesAtBoot: EdgeFunction {
    static let name: FunctionName = "crashes-at-boot"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    init() { preconditionFailure("not even started") }
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
}

/// Works, for a second.
struct CrashesEverySecond: EdgeFunction {
    static let name: FunctionName = "crashes-every-second"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    init() {
        Task.detached {
            try? await Task.sleep(for: .seconds(1))
            preconditionFailure("the second is over")
        }
    }
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .text("still here") }
}

/// For hosts of tests that want them, because their workers end without being asked anything.
package let crashingFunctions = [
    Registration(CrashesAtBoot.self), Registration(CrashesEverySecond.self), Registration(BootsSlowly.self),
]

/// The worker's socket, as code would find it that has no business with it.
enum HostSocket {
    static func find() -> Int32? {
        (3..<64).first { descriptor in
            var kind: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            guard getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &kind, &size) == 0, kind == AF_UNIX else { return false }
            return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == Int32(SOCK_STREAM.rawValue)
        }
    }
}
