import Testing

@testable import SwiftletWorkers

@Suite struct LogLinesTests {
    /// All lines of these bytes, cut into parts of these lengths (the last one repeats).
    private func lines(_ bytes: [UInt8], parts: [Int]) -> (lines: [String], tail: [String]) {
        var state = LogLines()
        var found: [String] = []
        var rest = bytes[...]
        var parts = parts[...]
        while !rest.isEmpty {
            let count = max(1, parts.first ?? bytes.count)
            if parts.count > 1 { parts = parts.dropFirst() }
            found += Array(rest.prefix(count)).withUnsafeBytes { state.take($0) }
            rest = rest.dropFirst(count)
        }
        if let last = state.finish() { found.append(last) }
        return (found, state.tail)
    }

    @Test func `every cut gives the same lines`() {
        let texts: [[UInt8]] = [
            Array("one\ntwo\r\n\nthree 🦜 é\nlast".utf8),
            Array("\n\n\r\n\r".utf8),
            [0xff, 0xfe, 10, 0xe2, 0x82, 10, 0xe2, 0x82, 0xac, 10, 0xf0, 0x9f, 0xa6, 0x9c],
            Array(repeating: 0x61, count: 65_536) + [10] + Array(repeating: 0x62, count: 65_537) + Array("\nafter\n".utf8),
        ]
        for bytes in texts {
            let whole = lines(bytes, parts: [bytes.count])
            var wrong: [[Int]] = []
            if bytes.count < 100 {
                for first in 0...bytes.count {
                    for second in 1...bytes.count {
                        let cut = lines(bytes, parts: [first, second])
                        if cut != whole { wrong.append([first, second]) }
                    }
                }
            }
            var seed: UInt64 = 1
            for _ in 0..<(bytes.count < 100 ? 100 : 8) {
                let parts = (0..<500).map { _ in
                    seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return Int(seed >> 33) % (bytes.count < 100 ? 5 : 2_000)
                }
                let cut = lines(bytes, parts: parts)
                if cut != whole { wrong.append(parts) }
            }
            #expect(wrong == [])
        }
    }

    @Test func `lines come whole, without their ends, and repaired`() {
        #expect(lines(Array("one\ntwo\r\n\nrest".utf8), parts: [3]).lines == ["one", "two", "", "rest"])
        #expect(lines([0x61, 0xff, 0x62, 10], parts: [1]).lines == ["a\u{fffd}b"])
        #expect(lines([], parts: [1]).lines == [])
    }

    @Test func `a long line is cut at ten thousand characters and marked`() {
        let exact = String(repeating: "é", count: 10_000)
        #expect(lines(Array((exact + "\n").utf8), parts: [999]).lines == [exact])
        #expect(lines(Array((exact + "x\n").utf8), parts: [999]).lines == [exact + LogLines.mark])
    }

    @Test func `a line without an end is given out at the most that is held, and the rest passed over`() {
        var state = LogLines()
        let block = [UInt8](repeating: 0x61, count: 16_384)
        var found: [String] = []
        for _ in 0..<100 { found += block.withUnsafeBytes { state.take($0) } }
        #expect(found == [String(repeating: "a", count: 10_000) + LogLines.mark])
        #expect(state.finish() == nil)
        #expect(Array("aaa\nnext\n".utf8).withUnsafeBytes { state.take($0) } == ["next"])
    }

    @Test func `the tail keeps the last twenty lines, each five hundred characters`() {
        let text = (1...50).map { "\($0)\n" }.joined() + String(repeating: "z", count: 501) + "\n"
        let tail = lines(Array(text.utf8), parts: [7]).tail
        #expect(tail.count == 20)
        #expect(tail.first == "32")
        #expect(tail.last == String(repeating: "z", count: 500) + LogLines.mark)
    }
}

@Suite struct LogAllowanceTests {
    private let second: UInt64 = 1_000_000_000

    @Test func `a hundred lines pass in ten seconds, the rest is dropped and told once`() {
        var allowance = LogAllowance()
        for line in 0..<100 { #expect(allowance.admit(at: UInt64(line)) == .write) }
        #expect(allowance.admit(at: 100) == .drop)
        #expect(allowance.admit(at: 10 * second - 1) == .drop)
        #expect(allowance.admit(at: 10 * second) == .report(dropped: 2))
        #expect(allowance.admit(at: 10 * second + 1) == .write)
    }

    @Test func `what was dropped is told without a further line too`() {
        var allowance = LogAllowance(lines: 1, window: 10)
        #expect(allowance.admit(at: 5) == .write)
        #expect(allowance.admit(at: 6) == .drop)
        #expect(allowance.overdue(at: 14) == nil)
        #expect(allowance.overdue(at: 15) == 1)
        #expect(allowance.overdue(at: 16) == nil)
        #expect(allowance.admit(at: 17) == .write)
    }

    @Test func `a clock that goes back, or an allowance of nothing, does no harm`() {
        var allowance = LogAllowance(lines: 0, window: 10)
        #expect(allowance.admit(at: 100) == .write)
        #expect(allowance.admit(at: 0) == .drop)
        #expect(allowance.admit(at: .max) == .report(dropped: 1))
    }
}
