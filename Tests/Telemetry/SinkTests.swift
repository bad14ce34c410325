import Foundation
import Glibc
import Logging
import Testing

@testable import SwiftletTelemetry

@Suite struct SinkTests {
    @Test func `lines of many threads are whole and none is lost`() {
        let written = lines { sink in
            DispatchQueue.concurrentPerform(iterations: 8) { thread in
                for index in 0..<500 { sink.request(path: Array("/p".utf8), id: "\(thread)-\(index)") }
            }
        }
        let ids = Set(written.compactMap { object($0)?["request_id"] as? String })
        #expect(written.count == 4000)
        #expect(ids.count == 4000)
    }

    @Test func `a closed pipe loses lines and not the process`() {
        let pipe = LogPipe()
        Glibc.close(pipe.reader)
        let sink = LogSink(descriptor: pipe.writer, format: .json)
        for _ in 0..<10 { sink.request(path: [0x2F]) }
        sink.flush()
        #expect(sink.lostLines == 10)
        sink.close()
        sink.request(path: [0x2F])
        #expect(sink.lostLines == 11)
        pipe.finish()
    }

    @Test func `a full disk loses lines`() {
        let descriptor = open("/dev/full", O_WRONLY)
        defer { close(descriptor) }
        let sink = LogSink(descriptor: descriptor, format: .json)
        for _ in 0..<10 { sink.request(path: [0x2F]) }
        sink.close()
        #expect(sink.lostLines == 10)
    }

    @Test(arguments: [true, false]) func `a pipe nobody reads costs no caller anything, and what is lost is told`(
        _ nonBlocking: Bool
    ) {
        let pipe = LogPipe(nonBlocking: nonBlocking)
        let sink = LogSink(descriptor: pipe.writer, format: .json, limit: 64 * 1024)
        let total = 4000
        for index in 0..<total { sink.request(path: [0x2F], id: "i\(index)") }
        let lost = sink.lostLines
        #expect(lost > 0)
        let reading = DispatchQueue(label: "reader")
        nonisolated(unsafe) var bytes: [UInt8] = []
        let group = DispatchGroup()
        reading.async(group: group) { bytes = pipe.bytes() }
        sink.flush()
        sink.flush()
        sink.close()
        pipe.finish()
        group.wait()
        let all = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { object(String($0)) }
        #expect(all.allSatisfy { $0 != nil })
        let told = all.compactMap { $0?["msg"] as? String }.filter { $0.hasPrefix("suppressed") }
        #expect(told.compactMap { $0.split(separator: " ").dropFirst().first.flatMap { Int($0) } }.reduce(0, +) == lost)
        #expect(all.count - told.count + lost == total)
        #expect(sink.lostLines == lost)
        close(pipe.reader)
    }

    @Test func `closing a sink whose pipe is full is bounded and leaves no half line uncounted`() {
        let pipe = LogPipe(nonBlocking: true)
        let sink = LogSink(descriptor: pipe.writer, format: .json)
        for _ in 0..<1000 { sink.request(path: [0x2F]) }
        sink.close()
        pipe.finish()
        close(pipe.reader)
    }

    @Test func `a sink that is let go ends its thread and writes what it had`() {
        let pipe = LogPipe()
        do {
            let sink = LogSink(descriptor: pipe.writer, format: .json)
            sink.request(path: [0x2F])
        }
        let first = pipe.bytes(40)
        #expect(first.first == UInt8(ascii: "{"))
        // The pipe is not closed: its descriptor may be in use until the thread is done.
    }

    @Test func `a writer lives as long as its thread`() {
        nonisolated(unsafe) var context: UnsafeMutableRawPointer?
        weak var observed: LogWriter?
        do {
            let writer = LogWriter(descriptor: 1, limit: 1, format: .json, colour: false, wall: { 0 }) {
                context = $0
                return true
            }
            observed = writer
        }
        #expect(observed != nil)
        if let context { Unmanaged<LogWriter>.fromOpaque(context).release() }
        #expect(observed == nil)
    }

    @Test func `without a thread callers write`() {
        let pipe = LogPipe()
        let sink = LogSink(descriptor: pipe.writer, format: .json, level: .info, limit: 4096, wall: { 0 }) { _ in false }
        sink.request(path: [0x2F])
        sink.flush()
        sink.close()
        sink.request(path: [0x2F])
        pipe.finish()
        #expect(pipe.bytes().count { $0 == 0x0A } == 1)
        #expect(sink.lostLines == 1)
        close(pipe.reader)
        let broken = LogPipe()
        close(broken.reader)
        let other = LogSink(descriptor: broken.writer, format: .json, level: .info, limit: 4096, wall: { 0 }) { _ in false }
        other.request(path: [0x2F])
        #expect(other.lostLines == 1)
        broken.finish()
    }

    @Test func `a quiet sink has nothing to do`() {
        let sink = LogSink.quiet()
        sink.request(path: [0x2F])
        sink.event(label: "l", level: .critical, message: "m", fields: [:])
        sink.flush()
        sink.close()
        #expect(sink.lostLines == 0)
    }

    @Test func `a label writes a hundred events in ten seconds, then one line counts the rest`() {
        let wall = ManualWall()
        let written = lines(wall: { wall.now }) { sink in
            for _ in 0..<150 { sink.event(label: "a", level: .info, message: "m", fields: [:]) }
            sink.event(label: "b", level: .info, message: "other", fields: [:])
            wall.advance(9_999_999_999)
            sink.event(label: "a", level: .info, message: "m", fields: [:])
            wall.advance(1)
            sink.event(label: "a", level: .info, message: "again", fields: [:])
            sink.event(label: "a", level: .info, message: "again", fields: [:])
        }
        let messages = written.compactMap { object($0)?["msg"] as? String }
        #expect(messages == Array(repeating: "m", count: 100) + ["other", "suppressed 51 events", "again", "again"])
        #expect(object(written[101])?["label"] as? String == "a")
    }

    @Test func `what was suppressed is told at the end`() {
        let written = lines { sink in for _ in 0..<103 { sink.event(label: "a", level: .info, message: "m", fields: [:]) } }
        #expect(written.last.flatMap(object)?["msg"] as? String == "suppressed 3 events")
    }

    @Test func `many labels are bounded and no way around the limit`() {
        var limits = LabelLimits()
        var admitted = 0
        for index in 0..<10_000 where limits.admit("l\(index)", now: 1) == .admitted(suppressed: 0) { admitted += 1 }
        #expect(limits.count == LabelLimits.labels)
        #expect(admitted == LabelLimits.labels + 100)
        #expect(limits.drain().map(\.suppressed) == [10_000 - admitted])
        for index in 0..<5000 { _ = limits.admit("l\(index)", now: 1) }
        #expect(limits.admit("new", now: 1 + LabelLimit.window) != .refused)
        #expect(limits.count < 10)
    }
}
