import Foundation
import Logging
import TestSupport
import Testing

@testable import SwiftletTelemetry

@Suite struct LineTests {
    private static func isClean(_ line: String) -> Bool {
        line.utf8.count < LogLine.lineLimit
            && line.unicodeScalars.allSatisfy {
                $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value)
                    && ![0x2028, 0x2029, 0x202E, 0x200B, 0xFEFF].contains($0.value)
            }
    }

    @Test(.enabled(if: CorpusFiles.has("logs/injection.jsonl"), "the shared corpora are not here"))
    func `every row of the corpus stays one clean line`() throws {
        var wrong: [String] = []
        let secrets = ["hunter2", "eyJhbGci", "AIzaSy", "p%40ss", "access-token=abc", "4111 1111"]
        for row in try CorpusFiles.rows("logs/injection.jsonl") {
            let id = row["id"] as? String ?? "?"
            var input: [UInt8] = []
            if let text = row["input_b64"] as? String { input = Array(Data(base64Encoded: text) ?? Data()) }
            if let pair = row["repeat"] as? [Any], let text = pair.first as? String, let count = pair.last as? Int {
                input = Array(String(repeating: text, count: count).utf8)
            }
            let text = String(decoding: input, as: UTF8.self)
            for format in [LogSink.Format.json, .text] {
                let written = lines(format) { sink in
                    sink.request(path: input)
                    sink.event(label: "l", level: .info, message: text, fields: [:])
                    sink.event(
                        label: "l", level: .info, message: "m",
                        fields: ["v": .string(text), text: "x", "n": .array([.string(text)])])
                }
                var isRight = written.count == 3 && written.allSatisfy(LineTests.isClean)
                isRight = isRight && !secrets.contains { secret in written.contains { $0.contains(secret) } }
                if format == .json {
                    isRight = isRight && written.allSatisfy { object($0) != nil }
                    let path = written.first.flatMap(object)?["path"] as? String
                    isRight = isRight && (path?.utf8.count ?? .max) <= LogLine.valueLimit
                    isRight = isRight && written.first.flatMap(object)?["status"] as? Int == 200
                }
                if !isRight { wrong.append("\(id) \(format)") }
            }
        }
        #expect(wrong == [])
    }

    @Test func `a request line says all it knows`() throws {
        let line = try #require(lines { $0.request(path: Array("/a\"b".utf8)) }.first.flatMap(object))
        #expect(line["ts"] as? String == "1970-01-01T00:00:00.000Z")
        #expect(line["level"] as? String == "info")
        #expect(line["msg"] as? String == "request")
        #expect(line["request_id"] as? String == "r-1")
        #expect(line["path"] as? String == "/a\"b")
        #expect(line["duration_ms"] as? Double == 1.234)
        #expect(line["sub"] as? String == "beef")
        #expect(line["bytes_out"] as? Int == 12345)
        #expect(line["client_ip"] as? String == "203.0.113.7")
    }

    @Test func `the text of a request is one line of pairs`() {
        let written = lines(.text) { $0.request(path: Array("/a status=500\n".utf8)) }
        #expect(written.count == 1)
        #expect(written.first?.hasPrefix("1970-01-01T00:00:00.000Z INFO     request request_id=r-1 ") == true)
        #expect(written.first?.contains("path=\"/a status=500\\u000a\" status=200") == true)
    }

    @Test func `a value is cut at its limit and a line at its own`() throws {
        let long = String(repeating: "x", count: 5000)
        let fields = Logger.Metadata(uniqueKeysWithValues: (0..<50).map { ("k\($0)" + long.prefix($0 * 20), .string(long)) })
        let line = try #require(lines { $0.event(label: "l", level: .info, message: long, fields: fields) }.first)
        #expect(line.utf8.count < LogLine.lineLimit)
        let parsed = try #require(object(line))
        #expect(parsed["cut"] as? Bool == true)
        #expect((parsed["msg"] as? String)?.utf8.count ?? 0 <= 2048)
        #expect((parsed["msg"] as? String)?.hasSuffix("…") == true)
        #expect(
            lines(.text) { $0.event(label: "l", level: .info, message: long, fields: fields) }.allSatisfy {
                $0.utf8.count < 10_000
            })
        // Names that are ours are cut all the same.
        let request = lines { sink in
            sink.request(makeRequest(function: long + long + long), id: long + long)
        }
        #expect(request.first.flatMap(object) != nil)
        #expect(request.allSatisfy { $0.utf8.count < 10_000 })
    }

    @Test func `metadata cannot say ts, level, msg or cut again`() throws {
        let line = try #require(
            lines {
                $0.event(
                    label: "l", level: .info, message: "m", fields: ["level": "admin", "msg": "forged", "ts": "1", "cut": "true"])
            }.first)
        #expect(line.components(separatedBy: "\"level\":").count == 2)
        #expect(object(line)?["level"] as? String == "info")
        #expect(object(line)?["_level"] as? String == "admin")
    }

    @Test func `a field named like a secret is redacted, and a card is no number`() throws {
        let fields: Logger.Metadata = [
            "db_password": "hunter2", "card": "378282246310005", "count": "12", "d": ["token": "abc def"],
        ]
        let line = try #require(lines { $0.event(label: "l", level: .info, message: "m", fields: fields) }.first)
        let parsed = try #require(object(line))
        #expect(parsed["db_password"] as? String == "[redacted]")
        #expect(parsed["card"] as? String == "[redacted]")
        #expect(parsed["count"] as? Int == 12)
        #expect(!line.contains("abc def"))
    }

    @Test func `the handler brings level, metadata and the error`() throws {
        struct Broken: Error {}
        let written = lines { sink in
            var logger = Logger(label: "x") { SinkLogHandler(label: $0, sink: sink) }
            logger[metadataKey: "a"] = "1"
            logger.warning("w", metadata: ["b": "two"])
            logger.error("e", error: Broken())
        }
        let first = try #require(written.first.flatMap(object))
        #expect(first["level"] as? String == "warning")
        #expect(first["a"] as? Int == 1)
        #expect(first["b"] as? String == "two")
        #expect((written.last.flatMap(object)?["error"] as? String)?.contains("Broken") == true)
    }

    @Test func `a value whose description logs does not stop the sink`() {
        struct Chatty: CustomStringConvertible, Sendable {
            let sink: LogSink
            var description: String {
                sink.event(label: "inner", level: .info, message: "inner", fields: [:])
                return "x"
            }
        }
        let written = lines {
            $0.event(label: "l", level: .info, message: "outer", fields: ["c": .stringConvertible(Chatty(sink: $0))])
        }
        #expect(written.count == 2)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"), (-1_000_000_000, "1969-12-31T23:59:59.000Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"), (1_709_251_199_999_999_999, "2024-02-29T23:59:59.999Z"),
            (1_735_689_599_123_000_000, "2024-12-31T23:59:59.123Z"), (1_735_689_600_000_000_000, "2025-01-01T00:00:00.000Z"),
            (Int64.max, "2262-04-11T23:47:16.854Z"), (Int64.min, "1677-09-21T00:12:43.145Z"),
        ] as [(Int64, String)])
    func `a time is written in UTC`(_ nanoseconds: Int64, _ text: String) {
        var stamp = Timestamp()
        for _ in 0..<2 {
            var bytes = LineBuffer()
            stamp.append(nanoseconds, to: &bytes)
            #expect(String(decoding: bytes.bytes, as: UTF8.self) == text)
        }
    }
}
