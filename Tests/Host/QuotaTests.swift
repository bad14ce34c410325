import Fixtures
import Foundation
import HTTPTypes
import Swiftlet
import SwiftletJSON
import SwiftletTesting
import Testing

@testable import SwiftletHost

/// Reserves and settles what its query says: `?reserve=`, `?reserved=&used=`, `?later=1` to settle after the answer.
private struct Budgeted: EdgeFunction {
    static let name: FunctionName = "budgeted"
    static let policy = Policy(
        methods: [.get, .post], rateLimit: .none, body: .bytes(upTo: .kib(64)), concurrency: 2048, capabilities: [.rateLimit])

    static func quotas(_ query: Query) -> [Quota] {
        let key = query["key"] ?? "k"
        if let count = query["count"].flatMap(Int.init) { return (0..<count).map { Quota(key: "\($0)", limit: 5, window: .day) } }
        let (minute, day) = (Int(query["minute"] ?? "1000") ?? 0, Int(query["day"] ?? "5000") ?? 0)
        let quotas = [
            Quota(key: key, limit: minute, window: .rolling(.minutes(1))), Quota(key: key, limit: day, window: .day),
        ]
        return query["twice"] == nil ? quotas : quotas + [quotas[1]]
    }

    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> JSON {
        let query = request.query
        let quotas = Budgeted.quotas(query)
        if let used = query["used"].flatMap(Int.init), let reserved = query["reserved"].flatMap(Int.init) {
            guard query["later"] == nil else {
                // Nobody waits for it, and its request is over before it begins.
                Task.detached {
                    await Latches.named("budget").wait()
                    _ = try await context.settle(quotas, reserved: reserved, used: used)
                    Witness.note("budget.settled")
                }
                return .null
            }
            guard query["cancelled"] == nil else {
                let work = Task {
                    withUnsafeCurrentTask { $0?.cancel() }
                    return try await context.settle(quotas, reserved: reserved, used: used)
                }
                return Budgeted.json(try await work.value)
            }
            return Budgeted.json(try await context.settle(quotas, reserved: reserved, used: used))
        }
        return Budgeted.json(try await context.reserve(Int(query["reserve"] ?? "0") ?? 0, from: quotas))
    }

    private static func json(_ answer: QuotaAnswer) -> JSON {
        [
            "allowed": .bool(answer.allowed), "remaining": .array(answer.states.map { .init($0.remaining) }),
            "limit": .array(answer.states.map { .init($0.limit) }),
            "reset": .array(answer.states.map { .init(Int($0.resetAfter.components.seconds)) }),
            "refused": .array(answer.states.map { .bool($0.refused) }),
        ]
    }
}

/// The same without the capability.
private struct Unbudgeted: EdgeFunction {
    static let name: FunctionName = "unbudgeted"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Bool {
        let quota = Quota(key: "k", limit: 5, window: .day)
        if request.query["settle"] != nil { return try await context.settle([quota], reserved: 1, used: 0).allowed }
        return try await context.reserve(1, from: [quota]).allowed
    }
}

@Suite struct QuotaTests {
    /// An hour before a midnight of UTC.
    private static func clock() -> ManualClock { ManualClock(wall: 20_000 * 86_400 - 3600) }

    private static func run(_ clock: ManualClock = clock(), _ body: @Sendable (TestHost) async throws -> Void) async throws {
        let configuration = TestHost.settings {
            $0.clock = clock.hostClock
            $0.addressLimit = nil
        }
        try await TestHost.run(
            [Registration(Budgeted.self), Registration(Unbudgeted.self)], configuration: configuration, body)
    }

    private static func ask(_ host: TestHost, _ query: String) async throws -> JSON? {
        try await host.get(path("budgeted?\(query)")).json
    }

    private static func remaining(_ json: JSON?) -> [Int]? { json?["remaining"]?.array?.compactMap(\.int) }

    @Test func `what is reserved is taken from every quota, or from none`() async throws {
        try await QuotaTests.run { host async throws in
            let first = try await QuotaTests.ask(host, "reserve=600")
            #expect(first?["allowed"]?.bool == true)
            #expect(QuotaTests.remaining(first) == [400, 4400])
            #expect(first?["limit"]?.array?.compactMap(\.int) == [1000, 5000])
            #expect(first?["reset"]?.array?.compactMap(\.int) == [36, 3600])
            let refused = try await QuotaTests.ask(host, "reserve=500")
            #expect(refused?["allowed"]?.bool == false)
            #expect(refused?["refused"]?.array?.compactMap(\.bool) == [true, false])
            #expect(QuotaTests.remaining(refused) == [400, 4400])
            #expect(refused?["reset"]?.array?.compactMap(\.int) == [6, 3600])
            // Another key is another budget.
            #expect(QuotaTests.remaining(try await QuotaTests.ask(host, "key=other&reserve=1")) == [999, 4999])
            #expect(try await QuotaTests.ask(host, "key=more&reserve=5001")?["allowed"]?.bool == false)
        }
    }

    @Test func `what was not used comes back, what was used beyond is owed`() async throws {
        try await QuotaTests.run { host async throws in
            _ = try await QuotaTests.ask(host, "reserve=1000")
            #expect(QuotaTests.remaining(try await QuotaTests.ask(host, "reserved=1000&used=100")) == [900, 4900])
            let over = try await QuotaTests.ask(host, "reserved=0&used=950")
            #expect(over?["allowed"]?.bool == true && QuotaTests.remaining(over) == [0, 3950])
            #expect(try await QuotaTests.ask(host, "reserve=1")?["allowed"]?.bool == false)
            // Numbers nobody reserved do no harm.
            let odd = "reserved=\(Int.max)&used=\(Int.min)"
            #expect(QuotaTests.remaining(try await QuotaTests.ask(host, odd)) == [1000, 5000])
            #expect(QuotaTests.remaining(try await QuotaTests.ask(host, "reserve=-5")) == [1000, 5000])
        }
    }

    @Test func `a day's quota is back at midnight of UTC, a debt is not`() async throws {
        let clock = QuotaTests.clock()
        try await QuotaTests.run(clock) { host async throws in
            let query = "day=100&minute=10000"
            #expect(try await QuotaTests.ask(host, "\(query)&reserve=100")?["allowed"]?.bool == true)
            clock.advance(by: .seconds(3599))
            #expect(try await QuotaTests.ask(host, "\(query)&reserve=1")?["allowed"]?.bool == false)
            clock.advance(by: .seconds(1))
            #expect(try await QuotaTests.ask(host, "\(query)&reserve=100")?["allowed"]?.bool == true)
            _ = try await QuotaTests.ask(host, "\(query)&reserved=100&used=160")
            clock.advance(by: .seconds(86_400))
            let next = try await QuotaTests.ask(host, "\(query)&reserve=40")
            #expect(next?["allowed"]?.bool == true && QuotaTests.remaining(next) == [9960, 0])
        }
    }

    @Test func `many at once never get more than the limit`() async throws {
        try await QuotaTests.run { host async throws in
            let allowed = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<120 {
                    group.addTask {
                        try await QuotaTests.ask(host, "day=1000&minute=100000&reserve=15")?["allowed"]?.bool == true
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(allowed == 66)
            #expect(QuotaTests.remaining(try await QuotaTests.ask(host, "day=1000&minute=100000")) == [99_010, 10])
        }
    }

    @Test func `a settlement counts after its request is over, and in a task that was cancelled`() async throws {
        try await QuotaTests.run { host async throws in
            _ = try await QuotaTests.ask(host, "reserve=500")
            let settled = Witness.count("budget.settled")
            #expect(try await host.get(path("budgeted?reserved=500&used=200&later=1")).status == 200)
            #expect(QuotaTests.remaining(try await QuotaTests.ask(host, "reserve=0")) == [500, 4500])
            Latches.named("budget").open()
            await Witness.wait(for: "budget.settled", count: settled + 1)
            #expect(QuotaTests.remaining(try await QuotaTests.ask(host, "reserve=0")) == [800, 4800])
            #expect(QuotaTests.remaining(try await QuotaTests.ask(host, "reserved=200&used=0&cancelled=1")) == [1000, 5000])
        }
    }

    @Test func `what cannot be counted is the function's mistake, and takes nothing`() async throws {
        try await QuotaTests.run { host async throws in
            for query in [
                "minute=0", "day=0", "minute=-1", "day=2147483649", "minute=2147483648", "twice=1&reserve=1", "count=9",
                "key=\(String(repeating: "k", count: 1025))",
            ] {
                let answer = try await host.get(path("budgeted?\(query)"))
                #expect(answer.status == 500, "\(query)")
                #expect(answer.code == "EDGE_FUNCTION_ERROR", "\(query)")
            }
            #expect(try await host.get(path("budgeted?count=8")).status == 200)
            #expect(try await host.get(path("budgeted?count=0&reserve=5")).json?["allowed"]?.bool == true)
            #expect(try await host.get(path("budgeted?day=2147483648&key=\(String(repeating: "k", count: 1024))")).status == 200)
            #expect(QuotaTests.remaining(try await QuotaTests.ask(host, "")) == [1000, 5000])
        }
    }

    @Test func `without the capability nothing is counted`() async throws {
        try await QuotaTests.run { host async throws in
            #expect(try await host.get(path("unbudgeted")).status == 500)
            #expect(try await host.get(path("unbudgeted?settle=1")).status == 500)
        }
    }
}
