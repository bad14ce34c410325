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
        try await run([Registration(Gated<First>.self), Registration(Gated<Second>.self), Registration(Gated<Third>.self)]) {
            host, launcher async throws in
            // Its only loop has done all that came before this.
            #expect(try await host.get("/_internal/health").status == 200)
            #expect(launcher.all == ["start-first"])
            Gated<First>.gate.signal()
            await Witness.wait(for: "started start-second", count: 1)
            #expect(launcher.all == ["start-first", "start-second"])
            Gated<Second>.gate.signal()
            await Witness.wait(for: "started start-third", count: 1)
            Gated<Third>.gate.signal()
            for name in ["first", "second", "third"] {
                #expect(try await host.request("POST", path("start-\(name)")).status == 204)
            }
            #expect(launcher.all == ["start-first", "start-second", "start-third"])
        }
    }

    @Test func `a worker that a request waits for starts at once, and before those nobody waits for`() async throws {
        try await run([Registration(Gated<Stuck>.self), Registration(Gated<Fourth>.self), Registration(Gated<Asked>.self)]) {
            host, launcher async throws in
            Gated<Asked>.gate.signal()
            #expect(try await host.request("POST", path("start-asked")).status == 204)
            #expect(launcher.all == ["start-stuck", "start-asked"])
            Gated<Stuck>.gate.signal()
            await Witness.wait(for: "started start-fourth", count: 1)
            Gated<Fourth>.gate.signal()
            #expect(try await host.request("POST", path("start-fourth")).status == 204)
            #expect(launcher.all == ["start-stuck", "start-asked", "start-fourth"])
        }
    }

    @Test func `one that takes long, and one that cannot start, hold nobody up`() async throws {
        let clock = ManualClock()
        try await run(
            [Registration(Gated<Slow>.self), Registration(Gated<Fifth>.self)], unknown: [Registration(Gated<Unknown>.self)],
            clock: clock
        ) {
            host, launcher async throws in
            #expect(try await host.get("/_internal/health").status == 200)
            #expect(launcher.all.filter { $0 != "start-unknown" } == ["start-slow"])
            clock.advance(by: .milliseconds(1001))
            await Witness.wait(for: "started start-fifth", count: 1)
            Gated<Fifth>.gate.signal()
            #expect(try await host.request("POST", path("start-fifth")).status == 204)
            Gated<Slow>.gate.signal()
            #expect(try await host.request("POST", path("start-slow")).status == 204)
        }
    }
}

/// A function named after its mark, which gets ready when its gate is opened, once.
private struct Gated<Mark>: EdgeFunction {
    static var name: FunctionName { FunctionName(stringLiteral: "start-\(Mark.self)".lowercased()) }
    static var policy: Policy { Policy(methods: [.post], rateLimit: .none, body: .none) }
    static var gate: DispatchSemaphore {
        gates.withLock { gates in
            let gate = gates["\(name)"] ?? DispatchSemaphore(value: 0)
            gates["\(name)"] = gate
            return gate
        }
    }

    init() { Self.gate.wait() }
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response { .noContent() }
}

private let gates = Mutex<[String: DispatchSemaphore]>([:])

private enum First {}
private enum Second {}
private enum Third {}
private enum Stuck {}
private enum Fourth {}
private enum Asked {}
private enum Slow {}
private enum Fifth {}
private enum Unknown {}
