import Fixtures
import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletTesting
import Testing

@Suite struct GateTests {
    @Test func `a permit given back goes to the longest waiter`() {
        let gate = Gate(limit: 1, room: 2)
        let entered = Collected<String>()
        guard case .entered = gate.enter(orWait: { entered.add("first") }) else {
            Issue.record("the first waits")
            return
        }
        guard case .waiting = gate.enter(orWait: { entered.add("second") }),
            case .waiting(let third) = gate.enter(orWait: { entered.add("third") })
        else {
            Issue.record("the room has no place")
            return
        }
        guard case .full = gate.enter(orWait: { entered.add("fourth") }) else {
            Issue.record("the room is larger than said")
            return
        }
        gate.leave()
        #expect(entered.all == ["second"])
        #expect(gate.running == 1)
        #expect(gate.giveUp(third))
        #expect(!gate.giveUp(third))
        gate.leave()
        #expect(entered.all == ["second"])
        #expect(gate.running == 0)
        guard case .entered = gate.enter(orWait: { entered.add("fifth") }) else {
            Issue.record("a free gate lets nobody in")
            return
        }
    }

    @Test func `a waiter that was let in can no longer give up`() {
        let gate = Gate(limit: 1)
        _ = gate.enter(orWait: {})
        guard case .waiting(let ticket) = gate.enter(orWait: {}) else {
            Issue.record("the second does not wait")
            return
        }
        gate.leave()
        #expect(!gate.giveUp(ticket))
        #expect(gate.running == 1)
    }

    @Test func `a limit below one is one`() {
        let gate = Gate(limit: 0)
        guard case .entered = gate.enter(orWait: {}) else {
            Issue.record("nobody may enter at all")
            return
        }
    }

    @Test func `a busy function refuses after a moment, and serves again when it is free`() async throws {
        try await TestHost.run([Registration(Held.self), Registration(Counted.self)]) { host async throws in
            async let first = host.get(path("held?as=gate-1"))
            await Witness.wait(for: "gate-1.started", count: 1)
            let second = try await host.get(path("held?as=gate-2"))
            #expect(second.status == 503)
            #expect(second.code == "OVERLOADED")
            #expect(second.headers[.retryAfter] == "1")
            #expect(second.headers[.relayError] == "true")
            #expect(Witness.count("gate-2.started") == 0)
            // One function's crowd is no other's.
            #expect(try await host.get(path("counted?as=gate-3")).status == 200)
            Latches.named("gate-1").open()
            #expect(try await first.status == 200)
            Latches.named("gate-4").open()
            #expect(try await host.get(path("held?as=gate-4")).status == 200)
        }
    }

    @Test func `many who wait are all answered, one way or the other`() async throws {
        try await TestHost.run([Registration(Held.self)]) { host async throws in
            async let first = host.get(path("held?as=crowd"))
            await Witness.wait(for: "crowd.started", count: 1)
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<40 { group.addTask { try await host.get(path("held?as=crowd")).status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses == Array(repeating: 503, count: 40))
            Latches.named("crowd").open()
            #expect(try await first.status == 200)
            #expect(try await host.get(path("held?as=crowd")).status == 200)
            #expect(host.host.slots.allSatisfy { $0.gate.running <= 1 })
        }
    }

    @Test func `whoever hangs up while waiting takes no permit with them`() async throws {
        try await TestHost.run([Registration(Held.self)]) { host async throws in
            async let first = host.get(path("held?as=leaver"))
            await Witness.wait(for: "leaver.started", count: 1)
            for _ in 0..<5 {
                let client = try RawClient(port: host.port)
                await client.send("GET \(path("held"))?as=leaver HTTP/1.1\r\nhost: x\r\n\r\n")
                client.close()
            }
            Latches.named("leaver").open()
            #expect(try await first.status == 200)
            #expect(try await host.get(path("held?as=leaver")).status == 200)
        }
    }
}
