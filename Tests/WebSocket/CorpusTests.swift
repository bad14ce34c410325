import Foundation
import SwiftletHTTP
import SwiftletWebSocket
import TestSupport
import Testing

/// The far end of a connection that sends every message back.
private struct Echo {
    enum Sent: Equatable, CustomStringConvertible {
        // `Data`, because its comparison is quick in a debug build, too.
        case message(isBinary: Bool, Data)
        case pong(Data)
        case timeout(String)

        var description: String {
            switch self {
            case .message(let isBinary, let bytes): "\(isBinary ? "binary" : "text") of \(bytes.count) \(Array(bytes.prefix(30)))"
            case .pong(let bytes): "pong \(Array(bytes))"
            case .timeout(let tag): "timeout \(tag)"
            }
        }
    }

    private var reader: WebSocketReader
    private(set) var sent: [Sent] = []
    private(set) var closeCode: UInt16?
    private(set) var mostHeld = 0

    init(limits: WebSocketLimits) { reader = WebSocketReader(limits: limits) }

    var isOpen: Bool { closeCode == nil }
    var isWaiting: Bool { reader.isMidFrame }

    mutating func receive(_ bytes: ArraySlice<UInt8>) {
        let fault = Array(bytes).withUnsafeBytes { all in
            reader.read(all) { event in
                switch event {
                case .text(let bytes): sent.append(.message(isBinary: false, Data(bytes)))
                case .binary(let bytes): sent.append(.message(isBinary: true, Data(bytes)))
                case .ping(let bytes): sent.append(.pong(Data(bytes)))
                case .pong: break
                case .close(let code, _): closeCode = Self.code(of: WebSocketFrames.close(answering: code))
                }
            }
        }
        if closeCode == nil { closeCode = fault.map { Self.code(of: WebSocketFrames.close($0.close)) } ?? nil }
        mostHeld = max(mostHeld, reader.bytesHeld)
    }

    mutating func wait(_ tag: String) { if isOpen { sent.append(.timeout(tag)) } }

    private static func code(of frame: [UInt8]) -> UInt16? {
        frame.count >= 4 ? UInt16(frame[2]) << 8 | UInt16(frame[3]) : nil
    }
}

private func codes(_ value: Any?) -> [UInt16?] {
    guard let list = value as? [Any] else { return [nil] }
    return list.map { ($0 as? Int).flatMap { UInt16(exactly: $0) } }
}

@Suite(.enabled(if: CorpusFiles.has("websocket/raw_cases.jsonl"), "the shared test data is not here"))
struct `Recorded cases` {
    @Test func `requests are accepted and refused as recorded`() throws {
        var wrong: [String] = []
        var count = 0
        for row in try CorpusFiles.rows("websocket/raw_cases.jsonl") {
            guard let id = row["id"] as? String, id.hasPrefix("ws-handshake/") else { continue }
            let allowed = row["expect_status"] as? [Int] ?? []
            // Whether the token is good is judged elsewhere; such a request may pass here.
            if allowed == [401] { continue }
            count += 1
            let bytes = try #require(try CorpusFiles.bytes(row))
            for cut in [Cut.whole, .each(1)] {
                var reader = RequestReader()
                var status: Int?
                cut.pieces(bytes) { piece in
                    guard status == nil else { return }
                    switch Array(piece).withUnsafeBytes({ reader.read($0).outcome }) {
                    case .needMore: break
                    case .refused(let refusal): status = refusal.status
                    case .head(let head):
                        if !WebSocketHandshake.isUpgrade(head) { wrong.append("\(id): not seen as one") }
                        switch WebSocketHandshake.judge(head) {
                        case .accept(let key):
                            status = 101
                            if key != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { wrong.append("\(id): \(key)") }
                        case .refuse(let code, _, _): status = code
                        }
                    }
                }
                if !allowed.contains(status ?? 0) { wrong.append("\(id): \(status ?? 0)") }
            }
        }
        #expect(wrong.isEmpty)
        #expect(count > 10)
    }

    @Test func `frames are answered as recorded`() throws {
        var wrong: [String] = []
        var count = 0
        for var row in try CorpusFiles.rows("websocket/raw_cases.jsonl") {
            guard let id = row["id"] as? String, id.hasPrefix("ws-frame/") else { continue }
            count += 1
            if let packed = row["wire_gz_b64"] {
                row["wire_b64"] = nil
                row["raw_gz_b64"] = packed
            }
            let bytes = try #require(try CorpusFiles.bytes(row))
            var allowed = codes(row["expect_close"])
            // Compression is never agreed on, so its bit is a fault of the protocol.
            if row["needs"] as? String == "permessage-deflate" { allowed = [1002] }
            let waits = (row["expect_close"] as? [Any])?.contains { $0 as? String == "timeout" } ?? false
            var first: [Echo.Sent]?
            for cut in [Cut.whole, .each(1), .random(seed: 1, upTo: 5), .random(seed: 2, upTo: 300)] {
                var echo = Echo(limits: WebSocketLimits())
                cut.pieces(bytes) { echo.receive($0) }
                if !allowed.contains(echo.closeCode) { wrong.append("\(id): \(echo.closeCode ?? 0)") }
                if waits, !(echo.isOpen && echo.isWaiting) { wrong.append("\(id): does not wait") }
                if (row["why"] as? String)?.hasSuffix("echo") == true, echo.sent.isEmpty { wrong.append("\(id): no echo") }
                if echo.mostHeld > 70_000 { wrong.append("\(id): holds \(echo.mostHeld)") }
                if first ?? echo.sent != echo.sent { wrong.append("\(id): depends on the cut") }
                first = echo.sent
            }
        }
        #expect(wrong.isEmpty)
        #expect(count > 30)
    }
}

@Suite(.enabled(if: CorpusFiles.has("websocket/autobahn_cases.jsonl"), "the shared test data is not here"))
struct `Autobahn cases` {
    private enum Step {
        case frame(ClientFrame, wire: [UInt8], chop: Int?)
        case wait
    }

    /// What the suite sends; the frames a row leaves out are like those before them, and the last one is final.
    private func steps(_ row: [String: Any]) -> [Step] {
        var steps: [Step] = []
        var last: ClientFrame?
        for item in row["send"] as? [[String: Any]] ?? [] {
            if item["wait_s"] != nil {
                steps.append(.wait)
            } else if let count = item["elided"] as? Int, var frame = last {
                let middle = frame.wire
                for _ in 1..<count { steps.append(.frame(frame, wire: middle, chop: nil)) }
                frame.isFinal = true
                steps.append(.frame(frame, wire: frame.wire, chop: nil))
            } else {
                let length = item["len"] as? Int ?? 0
                let text = (item["payload_b64"] ?? item["payload_repeat_b64"]) as? String ?? ""
                var payload = [UInt8](Data(base64Encoded: text) ?? Data())
                while payload.count < length, !payload.isEmpty { payload += payload }
                payload.removeLast(max(0, payload.count - length))
                let frame = ClientFrame(
                    opcode: UInt8(item["op"] as? Int ?? 0), payload: payload, isFinal: item["fin"] as? Bool ?? true,
                    reserved: UInt8(item["rsv"] as? Int ?? 0))
                let recorded = (item["wire_b64"] as? String).flatMap { Data(base64Encoded: $0) }
                steps.append(.frame(frame, wire: recorded.map { [UInt8]($0) } ?? frame.wire, chop: item["chop"] as? Int))
                last = frame
            }
        }
        return steps
    }

    /// The message that all frames together are.
    private func payload(_ steps: [Step]) -> Echo.Sent {
        var isBinary = false
        var bytes: [UInt8] = []
        for case .frame(let frame, _, _) in steps {
            if frame.opcode == 2 { isBinary = true }
            bytes += frame.payload
        }
        return .message(isBinary: isBinary, Data(bytes))
    }

    private func play(_ steps: [Step], cut: Cut?) -> Echo {
        // The suite goes up to 16 MiB.
        var echo = Echo(limits: WebSocketLimits(messageBytes: 16 << 20))
        var tags = ["A", "B", "C", "D"].makeIterator()
        for step in steps {
            switch step {
            case .frame(_, let bytes, let chop):
                (cut ?? chop.map { .each($0) } ?? .whole).pieces(bytes) { echo.receive($0) }
            case .wait: if let tag = tags.next() { echo.wait(tag) }
            }
        }
        if echo.isOpen { echo.receive(ClientFrame.close(1000)[...]) }
        return echo
    }

    /// Whether what was sent is what the row expects. Some payloads are not recorded, only how long they are; and where a large message
    /// comes first, the row may leave out its echo.
    private func matches(_ sent: [Echo.Sent], _ expected: [[String: Any]]) -> Bool {
        var rest = sent[...]
        if rest.count > expected.count, case .message(_, let bytes) = rest.first, bytes.count > 65_536 { rest.removeFirst() }
        let isTimed = expected.contains { $0["ev"] as? String == "timeout" }
        if !isTimed {
            rest = rest.filter { if case .timeout = $0 { false } else { true } }[...]
        }
        return rest.count == expected.count
            && zip(rest, expected).allSatisfy { one, row in
                let payload = (row["payload_b64"] as? String).flatMap { Data(base64Encoded: $0) }
                switch (one, row["ev"] as? String) {
                case (.timeout(let tag), "timeout"): return tag == row["tag"] as? String
                case (.pong(let bytes), "pong"): return bytes == payload
                case (.message(let isBinary, let bytes), "message"):
                    return isBinary == row["binary"] as? Bool && bytes.count == row["len"] as? Int
                        && (payload == nil || payload == bytes)
                default: return false
                }
            }
    }

    @Test func `an echo behaves as the suite expects, however its bytes are cut`() throws {
        var wrong: [String] = []
        var count = 0
        for row in try CorpusFiles.rows("websocket/autobahn_cases.jsonl") {
            let id = row["id"] as? String ?? "?"
            let close = row["close"] as? [String: Any] ?? [:]
            let steps = steps(row)
            let size = steps.reduce(0) { if case .frame(_, let bytes, _) = $1 { $0 + bytes.count } else { $0 } }
            count += 1
            // Byte by byte is for the small ones: they hold all the ways to go wrong.
            let cuts: [Cut?] =
                size < 9_000 ? [nil, .each(1), .random(seed: 3, upTo: 7)] : [nil, .random(seed: 4, upTo: 64 << 10)]
            var first: [Echo.Sent]?
            for cut in cuts {
                let echo = play(steps, cut: cut)
                if first ?? echo.sent != echo.sent { wrong.append("\(id): depends on the cut") }
                first = echo.sent
                if !codes(close["closeCode"]).contains(echo.closeCode) { wrong.append("\(id): closed \(echo.closeCode ?? 0)") }
                if let expected = (row["expect"] as? [String: Any])?["OK"] as? [[String: Any]] {
                    if !matches(echo.sent, expected) { wrong.append("\(id): \(echo.sent)") }
                } else if echo.sent != [payload(steps)] {
                    // Nothing is recorded but that the message comes back.
                    wrong.append("\(id): \(echo.sent)")
                }
            }
        }
        #expect(wrong.isEmpty)
        #expect(count > 100)
    }
}
