import HTTPTypes
import Testing

@testable import SwiftletEgress

@Suite struct TransferTimerTests {
    private let second: Int64 = 1_000_000_000

    private func timer(total: Int64 = 100) -> TransferTimer {
        TransferTimer(
            timeouts: EgressTimeouts(connect: .seconds(3), firstByte: .seconds(30), idle: .seconds(10), total: .seconds(total)),
            totalDeadline: total * second, now: 0)
    }

    @Test func `each phase has its own limit, and the total covers all`() {
        var timer = timer()
        #expect(timer.expired(at: 3 * second - 1) == nil)
        #expect(timer.expired(at: 3 * second) == .connectTimeout)
        timer.enter(.awaitingHead, at: 2 * second)
        #expect(timer.expired(at: 32 * second - 1) == nil)
        #expect(timer.expired(at: 32 * second) == .firstByteTimeout)
        timer.enter(.receiving, at: 31 * second)
        timer.moved(at: 40 * second)
        #expect(timer.expired(at: 50 * second - 1) == nil)
        #expect(timer.expired(at: 50 * second) == .idleTimeout)
        timer.moved(at: 99 * second)
        #expect(timer.deadline == 100 * second)
        #expect(timer.expired(at: 100 * second) == .totalTimeout)
    }

    @Test func `time in which the function itself holds things up is not the peer's idleness`() {
        var timer = timer()
        timer.enter(.receiving, at: 0)
        timer.hold()
        #expect(timer.expired(at: 99 * second) == nil)
        #expect(timer.deadline == 100 * second)
        timer.moved(at: 50 * second)
        #expect(timer.expired(at: 60 * second) == .idleTimeout)
    }

    @Test func `movement does not lengthen connecting or the wait for a head`() {
        var timer = timer()
        timer.moved(at: 2 * second)
        timer.hold()
        #expect(timer.expired(at: 3 * second) == .connectTimeout)
        timer.enter(.awaitingHead, at: 0)
        timer.moved(at: 20 * second)
        #expect(timer.expired(at: 30 * second) == .firstByteTimeout)
    }

    @Test func `absurd durations neither overflow nor go back in time`() {
        #expect(TransferTimer.add(5, .seconds(Int64.max)) == 5 + 86_400 * second)
        #expect(TransferTimer.add(5, .seconds(-7)) == 5)
    }
}

@Suite struct HeadReaderTests {
    private func read(_ lines: [String]) -> (status: Int?, isBad: Bool, fields: HTTPFields) {
        var reader = HeadReader()
        for line in lines {
            let event = Array((line + "\r\n").utf8).withUnsafeBytes { reader.read($0) }
            switch event {
            case .more: continue
            case .complete(let head): return (head.status, false, head.fields)
            case .tooLarge, .malformed: return (nil, true, [:])
            }
        }
        return (nil, false, [:])
    }

    @Test func `interim heads are passed over`() {
        let head = read(["HTTP/1.1 100 Continue", "", "HTTP/1.1 103 Early Hints", "Link: x", "", "HTTP/2 204", "A:  b ", ""])
        #expect(head.status == 204)
        #expect(head.fields.map { "\($0.name)=\($0.value)" } == ["A=b"])
    }

    @Test(arguments: [
        ["HTTP/1.1 20 OK"], ["HTTP/3.7 200 OK"], ["HTTP/1.1 2000 OK"], ["HTTP/1.1  200"], ["ICY 200 OK"], [""],
        ["HTTP/1.1 200 OK", "nocolon"],
        ["HTTP/1.1 200 OK", ": x"], ["HTTP/1.1 200 OK", "A : x"], ["HTTP/1.1 200 OK", " folded: x"],
        ["HTTP/1.1 200 OK", "A: x\u{1}"],
        ["HTTP/1.1 200 OK", "A: x\0"], ["HTTP/1.1 200 OK", "A: x\u{7f}"],
    ])
    func `what is no head is refused`(lines: [String]) {
        #expect(read(lines).isBad)
    }
}

@Suite struct InflaterTests {
    @Test func `random bytes end in output or a named failure, in any split`() throws {
        var state: UInt64 = 99
        func random() -> UInt8 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 40)
        }
        let seed = deflated(Array("swiftlet swiftlet swiftlet".utf8), bits: 31)
        for round in 0..<3_000 {
            var bytes = seed
            for _ in 0...(round % 4) where round > 0 { bytes[Int(random()) % bytes.count] = random() }
            let inflater = Inflater(coding: round % 2 == 0 ? .gzip : .deflate)
            var total = 0
            do {
                for start in stride(from: 0, to: bytes.count, by: 1 + round % 7) {
                    inflater.feed(Array(bytes[start..<min(bytes.count, start + 1 + round % 7)]))
                    while let piece = try inflater.next(), total < 1 << 22 { total += piece.count }
                }
                if round == 0 { #expect(total == 26 && inflater.isComplete) }
            } catch { #expect(error == .malformed) }
        }
    }
}
