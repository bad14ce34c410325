import Glibc
import Testing

@testable import SwiftletWorkers

@Suite struct ProcessUsageTests {
    @Test func `processor time, memory and threads of a worker are read, and end with it`() throws {
        let probe = try ProbeProcess("spin")
        #expect(probe.hear() == "ready")
        let usage = try #require(ProcessUsage(pid: probe.worker.pid))
        let first = try #require(usage.cpuNanoseconds)
        while let now = usage.cpuNanoseconds, now <= first { sched_yield() }
        #expect(try #require(usage.cpuNanoseconds) > first)
        #expect(try #require(usage.residentBytes) > 500_000)
        #expect(usage.threads == 1)
        probe.worker.kill()
        #expect(probe.worker.waitForEnd(milliseconds: 30_000))
        #expect(usage.residentBytes == nil && usage.threads == nil, "ended, not yet reaped")
        _ = probe.worker.reap()
        #expect(usage.residentBytes == nil && usage.threads == nil && usage.cpuNanoseconds == nil)
    }

    @Test(arguments: [0, -1, Int32.max]) func `a process that is not there has no usage`(pid: Int32) {
        #expect(ProcessUsage(pid: pid) == nil)
    }

    @Test func `numbers are found behind any name, and nothing else is taken for one`() {
        let line = Array("12 (a) b (c) S 1 2 3 4 5 6\n".utf8)
        #expect(ProcFile.stat(4, of: line) == 1)
        #expect(ProcFile.stat(9, of: line) == 6)
        #expect(ProcFile.stat(10, of: line) == nil)
        #expect(ProcFile.stat(3, of: line) == nil)
        #expect(ProcFile.stat(4, of: Array("12 (a)".utf8)) == nil)
        #expect(ProcFile.stat(4, of: []) == nil)
        #expect(ProcFile.number(at: 0, of: Array("18446744073709551615".utf8)[...]) == .max)
        #expect(ProcFile.number(at: 0, of: Array("18446744073709551616".utf8)[...]) == nil)
        #expect(ProcFile.number(at: 1, of: Array("1 x".utf8)[...]) == nil)
        #expect(ProcFile.number(at: 1, of: Array("1  2".utf8)[...]) == nil)
    }
}
