import Foundation
import Glibc
import Logging
import Synchronization

@testable import SwiftletTelemetry

/// A pipe whose both ends close with the value.
final class LogPipe: Sendable {
    let reader: Int32
    let writer: Int32

    init(nonBlocking: Bool = false) {
        var ends: [Int32] = [-1, -1]
        _ = pipe(&ends)
        if nonBlocking { _ = fcntl(ends[1], F_SETFL, Int32(O_NONBLOCK)) }
        reader = ends[0]
        writer = ends[1]
    }

    func finish() { Glibc.close(writer) }

    func bytes(_ most: Int = .max) -> [UInt8] {
        var all: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65536)
        while all.count < most {
            let count = read(reader, &part, min(part.count, most - all.count))
            guard count > 0 else { break }
            all += part[..<count]
        }
        return all
    }
}

/// What a sink writes while `body` runs; to a file, so that nothing can block.
func lines(_ format: LogSink.Format = .json, wall: @escaping @Sendable () -> Int64 = { 0 }, _ body: (LogSink) -> Void) -> [String]
{
    let path = NSTemporaryDirectory() + "telemetry-" + UUID().uuidString
    let descriptor = open(path, O_CREAT | O_RDWR, 0o600)
    defer {
        Glibc.close(descriptor)
        unlink(path)
    }
    let sink = LogSink(descriptor: descriptor, format: format, level: .trace, wall: wall)
    body(sink)
    sink.close()
    let data = FileManager.default.contents(atPath: path) ?? Data()
    var parts = data.split(separator: 0x0A, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    if parts.last == "" { parts.removeLast() }
    return parts
}

func object(_ line: String) -> [String: Any]? {
    (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]
}

func makeRequest(wall: Int64 = 0, subject: UInt64? = 0xBEEF, function: String = "f") -> LogSink.Request {
    LogSink.Request(
        wallNanoseconds: wall, executionID: "e-1", function: function, method: "POST", status: 200, code: nil,
        durationNanoseconds: 1_234_567, clientAddress: "203.0.113.7", caller: "user", subjectHash: subject, bytesIn: 5,
        bytesOut: 12345)
}

extension LogSink {
    func request(path: [UInt8], id: String = "r-1") { request(makeRequest(), path: path, id: id) }

    func request(_ request: borrowing Request, path: [UInt8] = [0x2F], id: String = "r-1") {
        Array(id.utf8).withUnsafeBytes { id in path.withUnsafeBytes { self.request(request, id: id, path: $0) } }
    }
}

/// A text as `LogText` writes it.
func safe(_ text: String, room: Int = 4096) -> String { safe(Array(text.utf8), room: room) }
func safe(_ text: [UInt8], room: Int = 4096) -> String {
    var bytes = LineBuffer()
    text.withUnsafeBytes { LogText.append($0, to: &bytes, room: room) }
    return String(decoding: bytes.bytes, as: UTF8.self)
}

final class ManualWall: Sendable {
    private let time = Atomic<Int64>(1_000_000_000)
    var now: Int64 { time.load(ordering: .relaxed) }
    func advance(_ nanoseconds: Int64) { time.wrappingAdd(nanoseconds, ordering: .relaxed) }
}
