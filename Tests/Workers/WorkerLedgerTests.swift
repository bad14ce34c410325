import Glibc
import Testing

@testable import SwiftletWorkers

@Suite struct WorkerLedgerTests {
    @Test func `the host sees what the worker does, and what it was doing when it died`() throws {
        let probe = try ProbeProcess("ledger")
        #expect(probe.hear() == "closed=-1", "the descriptor is not kept")
        #expect(probe.hear() == "inside")
        let ledger = probe.worker.ledger
        #expect(ledger.begun == 42, "it never goes back")
        #expect(ledger.running == .init(id: 41, since: 3_000))
        probe.say("go on")
        #expect(probe.hear() == "outside")
        #expect(ledger.running == nil)
        probe.say("go on")
        #expect(probe.end() == .signalled(number: SIGABRT, name: "SIGABRT"))
        #expect(ledger.begun == 43)
        #expect(ledger.running == .init(id: 43, since: 4_000))
    }

    @Test func `a worker that fills it with anything does no harm, and cannot change its size`() throws {
        let probe = try ProbeProcess("hostile-ledger")
        #expect(probe.hear() == "shrink=-1")
        #expect(probe.hear() == "grow=-1")
        #expect(probe.hear() == "written")
        #expect(probe.worker.ledger.begun == .max)
        #expect(probe.worker.ledger.running == .init(id: .max, since: .max))
    }

    @Test func `a fresh one is empty, and goes on after its writer`() throws {
        let page = try WorkerLedger.page()
        let reader = try WorkerLedger(mapping: page.number)
        #expect(reader.begun == 0 && reader.running == nil)
        do {
            let writer = try WorkerLedger.adopt(descriptor: dup(page.number))
            writer.enter(7, at: 70)
        }
        #expect(reader.running == .init(id: 7, since: 70))
    }

    @Test func `what is no sealed page is not adopted`() throws {
        #expect(throws: SpawnProblem(step: "ledger", code: EBADF)) { try WorkerLedger.adopt(descriptor: -1) }
        let other = open("/dev/null", O_RDWR)
        defer { close(other) }
        #expect(throws: SpawnProblem(step: "ledger", code: EINVAL)) { try WorkerLedger.adopt(descriptor: other) }
    }
}
