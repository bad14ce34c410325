import Dispatch
import Glibc
import HTTPTypes
import Swiftlet
import SwiftletJSON

/// What must not notice that others misbehave: answers with the number it was given.
struct Innocent: EdgeFunction {
    static let name: FunctionName = "innocent"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, concurrency: 2048)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        .text(request.query["n"] ?? "")
    }
}

/// Counts its own requests, so that one that is repeated shows.
struct Once: EdgeFunction {
    static let name: FunctionName = "once"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, concurrency: 2048, workers: 2)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        context.log.info("served", metadata: ["n": "\(request.query["n"] ?? "")"])
        return .text(request.query["n"] ?? "")
    }
}

/// Works where programs of one thread do: with the main actor, and with the main queue that older libraries know.
struct OnMainThread: EdgeFunction {
    static let name: FunctionName = "on-main-thread"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, concurrency: 2048)
    @MainActor private static var visits = 0

    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        let visit = await Self.visit()
        let visits = await withCheckedContinuation { continuation in
            DispatchQueue.main.async { continuation.resume(returning: MainActor.assumeIsolated { Self.visits }) }
        }
        return .text("\(visit) \(visits)")
    }

    @MainActor private static func visit() async -> Int {
        await Task.yield()
        visits += 1
        return visits
    }
}

/// Takes a second and a half to be made.
struct BootsSlowly: EdgeFunction {
    static let name: FunctionName = "boots-slowly"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    init() { usleep(1_500_000) }
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .text("at last") }
}

/// Uses what its policy does not declare.
struct Overreaches: EdgeFunction {
    static let name: FunctionName = "overreaches"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        switch request.query["what"] {
        case "rate-limit": .text("\(try await context.checkRateLimit("k", limit: 1, every: .minutes(1)).allowed)")
        case "secret": .text(try context.secret("JWT_SECRET").reveal())
        case "network": .text("\(try await context.fetch(OutboundRequest(.get, "https://example.com/")).status)")
        default: .text("\(try await context.hostReport(ready: false).uptimeSeconds)")
        }
    }
}

/// Saves its work before its process ends, where the log can show it; `?after=` milliseconds of work go on after the answer.
struct Saves: EdgeFunction {
    static let name: FunctionName = "saves"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        if let after = request.query["after"].flatMap(Int.init) {
            context.waitUntil {
                try await Task.sleep(for: .milliseconds(after))
                print("worked on for \(after) ms")
                fflush(nil)
            }
        }
        return .text(context.executionID)
    }
    func beforeUnload(_ reason: UnloadReason) async {
        print("saved because of \(reason.rawValue)")
        fflush(nil)
    }
}

/// Says something in each way there is, in many lines at once, one without an end and one that is too long.
struct Speaks: EdgeFunction {
    static let name: FunctionName = "speaks"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        context.log.warning("by its logger", metadata: ["colour": "green", "function": "innocent", "execution_id": "forged"])
        context.log.debug("too quiet to be written")
        print("first line\nsecond line \u{1B}[31mred\u{7}\n{\"msg\":\"worker.crashed\"}")
        print(String(repeating: "x", count: 20_000))
        fflush(nil)
        for text in ["to standard ", "error\nin two pieces"] {
            _ = text.utf8.withContiguousStorageIfAvailable { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        }
        return .text(context.executionID)
    }
}

/// Tells how the host is, as `health` does, which the fixtures have another function for.
struct Reports: EdgeFunction {
    static let name: FunctionName = "reports"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, capabilities: [.hostReport])
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> JSON {
        .array(try await context.hostReport(ready: false).checks.map { ["name": .string($0.name), "note": .string($0.note)] })
    }
}

/// Shows what it can see and reach.
struct Reveals: EdgeFunction {
    static let name: FunctionName = "reveals"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, secrets: ["FIXTURE_SECRET"])
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> JSON {
        var environment: [JSON] = []
        var entry = environ
        while let text = entry.pointee {
            environment.append(.string(String(cString: text)))
            entry += 1
        }
        func reads(_ path: String) -> JSON {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return JSON(Int(-errno)) }
            defer { close(descriptor) }
            var bytes = [UInt8](repeating: 0, count: 65_536)
            let count = Glibc.read(descriptor, &bytes, bytes.count)
            return .string(String(decoding: bytes.prefix(max(0, count)), as: UTF8.self))
        }
        let path = request.query["read"] ?? "/etc/passwd"
        let written = open("/tmp/swiftlet-reveals", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        let refused = errno
        return [
            "environment": .array(environment), "arguments": .array(CommandLine.arguments.map { .string($0) }),
            "proc_environment": reads("/proc/self/environ"), "proc_arguments": reads("/proc/self/cmdline"), "file": reads(path),
            "write": JSON(Int(written >= 0 ? 0 : -refused)), "uid": JSON(Int(getuid())),
            "group_leader": .bool(getpgrp() == getpid()),
            "descriptors": .array((0..<256).filter { fcntl($0, F_GETFD) >= 0 }.map { JSON(Int($0)) }),
            "internet_socket": JSON(Int(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) >= 0 ? 0 : -errno)),
            "secret": .string(try context.secret("FIXTURE_SECRET").reveal()),
        ]
    }
}
