import Dispatch
import Fixtures
import Swiftlet
import SwiftletHost
import SwiftletTelemetry
import SwiftletWorkers
import Synchronization
import Testing

@testable import SwiftletTesting

/// In which order the workers of a host start. Each function here gets ready when its test lets it.
@Suite struct WorkerStartTests {
    /// Starts workers in the process of the test, and knows which were started.
    private final class Launcher: WorkerLauncher {
        private let workers: HopLauncher
        private let started = Mutex<[String]>([])

        init(_ functions: [Registration], clock: HostClock) {
            workers = HopLauncher(functions: functions, clock: clock, upstream: nil)
        }

        func launch(_ function: FunctionName) throws -> any LaunchedWorker {
            started.withLock { $0.append("\(function)") }
            // What is noted can be waited for.
            defer { Witness.note("started \(function)") }
            return try workers.launch(function)
        }

        var all: [String] { started.withLock { $0 } }
    }

    /// Runs a host that starts one worker at a time, and whose clock stands still; the functions named in `unknown` cannot be started.
    private func run(
        _ functions: [Registration], unknown: [Registration] = [], clock: ManualClock = ManualClock(),
        _ body: @Sendable (TestHost, Launcher) async throws -> Void
    ) async throws {
        let launcher = Launcher(functions, clock: clock.hostClock)
        var settings = WorkerSettings()
        settings.bootsAtOnce = 1
        settings.boot = .minutes(5)
        var configuration = HostConfiguration()
        configuration.clock = clock.hostClock
        configuration.isolation = WorkerIsolation(settings: settings, launcher: launcher)
        try await TestHost.run(unknown + functions, configuration: configuration) { host async throws in
            try await body(host, launcher)
        }
    }

    @Test func `workers nobody waits for start one after another`() async throws {
        try await run([Registration(First.self), Registration(Second.self), Registration(Third.self)]) {
            host, launcher async throws in
            // Its only loop has done all that came before this.
            #expect(try await host.get("/_internal/health").status == 200)
            #expect(launcher.all == ["start-first"])
            First.gate.signal()
            await Witness.wait(for: "started start-second", count: 1)
            #expect(launcher.all == ["start-first", "start-second"])
            Second.gate.signal()
            await Witness.wait(for: "started start-third", count: 1)
            Third.gate.signal()
            for name in ["first", "second", "third"] {
                #expect(try await host.request("POST", path("start-\(name)")).status == 204)
            }
            #expect(launcher.all == ["start-first", "start-second", "start-third"])
        }
    }

    @Test func `a worker that a request waits for starts at once, and before those nobody waits for`() async throws {
        try await run([Registration(Stuck.self), Registration(Fourth.self), Registration(Asked.self)]) {
            host, launcher async throws in
            Asked.gate.signal()
            #expect(try await host.request("POST", path("start-asked")).status == 204)
            #expect(launcher.all == ["start-stuck", "start-asked"])
            Stuck.gate.signal()
            await Witness.wait(for: "started start-fourth", count: 1)
            Fourth.gate.signal()
            #expect(try await host.request("POST", path("start-fourth")).status == 204)
            #expect(launcher.all == ["start-stuck", "start-asked", "start-fourth"])
        }
    }

    @Test func `one that takes long, and one that cannot start, hold nobody up`() async throws {
        let clock = ManualClock()
        try await run(
            [Registration(Slow.self), Registration(Fifth.self)], unknown: [Registration(Unknown.self)], clock: clock
        ) {
            host, launcher async throws in
            #expect(try await host.get("/_internal/health").status == 200)
            #expect(launcher.all.filter { $0 != "start-unknown" } == ["start-slow"])
            clock.advance(by: .milliseconds(1001))
            await Witness.wait(for: "started start-fifth", count: 1)
            Fifth.gate.signal()
            #expect(try await host.request("POST", path("start-fifth")).status == 204)
            Slow.gate.signal()
            #expect(try await host.request("POST", path("start-slow")).status == 204)
        }
    }
}

/// Gets ready when its gate is opened, once.
private protocol Gated: EdgeFunction where Input == Void, Caller == Anyone, Output == Response {
    static var gate: DispatchSemaphore { get }
}

extension Gated {
    static var policy: Policy { Policy(methods: [.post], rateLimit: .none, body: .none) }
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
}

private struct First: Gated {
    static let name: FunctionName = "start-first"
    static let gate = DispatchSemaphore(value: 0)
    init() { Self.gate.wait() }
}

private struct Second: Gated {
    static let name: FunctionName = "start-second"
    static let gate = DispatchSemaphore(value: 0)
    init() { Self.gate.wait() }
}

private struct Third: Gated {
    static let name: FunctionName = "start-third"
    static let gate = DispatchSemaphore(value: 0)
    init() { Self.gate.wait() }
}

private struct Stuck: Gated {
    static let name: FunctionName = "start-stuck"
    static let gate = DispatchSemaphore(value: 0)
    init() { Self.gate.wait() }
}

private struct Fourth: Gated {
    static let name: FunctionName = "start-fourth"
    static let gate = DispatchSemaphore(value: 0)
    init() { Self.gate.wait() }
}

private struct Asked: Gated {
    static let name: FunctionName = "start-asked"
    static let gate = DispatchSemaphore(value: 0)
    init() { Self.gate.wait() }
}

private struct Slow: Gated {
    static let name: FunctionName = "start-slow"
    static let gate = DispatchSemaphore(value: 0)
    init() { Self.gate.wait() }
}

private struct Fifth: Gated {
    static let name: FunctionName = "start-fifth"
    static let gate = DispatchSemaphore(value: 0)
    init() { Self.gate.wait() }
}

private struct Unknown: Gated {
    static let name: FunctionName = "start-unknown"
    static let gate = DispatchSemaphore(value: 0)
}
