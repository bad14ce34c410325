import SwiftletJSON
import Testing

@testable import SwiftletRealtime

@Suite struct BinaryFrameTests {
    @Test func `a push is read to the letter`() throws {
        let frame: [UInt8] =
            [3, 1, 2, 3, 4, 5, 1] + Array("7".utf8) + Array("10".utf8) + Array("a:b".utf8) + Array("ping".utf8)
            + Array(#"{"":0"#.utf8)
        #expect(Wire.fault(binary: frame + Array("{}".utf8)) == .invalidJSON)
        let good: [UInt8] =
            [3, 1, 2, 3, 4, 6, 1] + Array("7".utf8) + Array("10".utf8) + Array("a:b".utf8) + Array("ping".utf8)
            + Array(#"{"":0}"#.utf8)
            + Array(#"{"x":0.10}"#.utf8)
        let message = try Wire.decode(binary: good)
        #expect(message.joinRef?.description == "\"7\"" && message.ref?.description == "\"10\"" && message.topic == "a:b")
        let content = try #require(message.event.broadcast)
        #expect(content.event == "ping" && content.json == #"{"x":0.10}"#)
        #expect(content.extra.map(\.name) == [""] && content.extra.map(\.value.description) == ["0"])
    }

    @Test func `empty refs are none, and refs become JSON whatever they hold`() throws {
        let empty = try Wire.decode(binary: Wire.push(joinRef: "", ref: "", event: "e", payload: Array("{}".utf8)))
        #expect(empty.joinRef == nil && empty.ref == nil)
        let odd = try Wire.decode(binary: Wire.push(ref: "a\"\\\n", event: "e", payload: Array("{}".utf8)))
        #expect(odd.ref?.description == #""a\"\\\n""#)
    }

    @Test func `topic and event may have no bytes, or 255`() throws {
        for length in [0, 1, 254, 255] {
            let text = String(repeating: "x", count: length)
            let message = try Wire.decode(binary: Wire.push(topic: text, event: text, payload: Array("{}".utf8)))
            #expect(message.topic == text && message.event.broadcast?.event == text)
        }
        // 256 cannot be said: the length is cut to 0, and what follows is no JSON any more.
        let long = String(repeating: "x", count: 256)
        #expect(Wire.fault(binary: Wire.push(topic: long, event: "e", payload: Array("{}".utf8))) == .invalidJSON)
    }

    @Test func `an id travels in the meta, and a meta of the client does not travel`() throws {
        let message = try Wire.decode(
            binary: Wire.push(
                event: "e", meta: #"{"id":"m1","meta":{"id":"forged"},"type":"x","k":"v"}"#, payload: Array("{}".utf8)))
        let content = try #require(message.event.broadcast)
        #expect(content.id == "m1" && content.extra.map(\.name) == ["k"])
        #expect(Wire.fault(binary: Wire.push(event: "e", meta: "[]", payload: Array("{}".utf8))) == .wrongShape)
        #expect(Wire.fault(binary: Wire.push(event: "e", meta: "{", payload: Array("{}".utf8))) == .invalidJSON)
    }

    @Test func `a JSON body is checked and any value may be one`() throws {
        for body in ["null", "1e400", "\"x\"", " [1, 2] ", "true"] {
            let content = try Wire.decode(binary: Wire.push(event: "e", payload: Array(body.utf8))).event.broadcast
            #expect(content?.json == body.split(separator: " ").joined(separator: " "))
        }
        for body in ["", "{", "nul", "{} {}", "\u{1}"] {
            #expect(Wire.fault(binary: Wire.push(event: "e", payload: Array(body.utf8))) == .invalidJSON)
        }
    }

    @Test func `kinds that clients do not send are faults`() {
        #expect(Wire.fault(binary: []) == .truncated)
        for kind in [UInt8(1), 2, 4, 5, 255] { #expect(Wire.fault(binary: [kind, 0, 0, 0, 0, 0, 0]) == .unknownKind) }
        #expect(Wire.fault(binary: Wire.push(event: "e", encoding: 2, payload: Array("{}".utf8))) == .unknownEncoding)
    }

    @Test func `a plain push is an event by its name`() throws {
        func push(_ event: String) -> [UInt8] {
            [0, 1, 1, 1, UInt8(event.utf8.count)] + Array("12t".utf8) + Array(event.utf8) + [9, 9]
        }
        let message = try Wire.decode(binary: push("custom"))
        #expect(message.event.other == "custom" && message.topic == "t" && message.ref?.description == "\"2\"")
        #expect(try Wire.decode(binary: push("heartbeat")).event.isHeartbeat)
        #expect(try Wire.decode(binary: push("phx_leave")).event.isLeave)
        #expect(Wire.fault(binary: [0, 1, 1, 1]) == .truncated)
    }

    @Test func `lengths that lie are faults, wherever the frame is cut`() throws {
        let frame = Wire.push(event: "event", meta: #"{"id":"x"}"#, encoding: 0, payload: [1, 2, 3])
        for length in 0..<frame.count - 3 { #expect(Wire.fault(binary: Array(frame[..<length])) == .truncated, "\(length)") }
        for length in frame.count - 3...frame.count { #expect(Wire.fault(binary: Array(frame[..<length])) == nil) }
    }

    @Test func `text that is not UTF-8 is a fault`() {
        for place in 7..<7 + 1 + 1 + 13 + 5 {
            var frame = Wire.push(event: "event", encoding: 0, payload: [])
            frame[place] = 0xFF
            #expect(Wire.fault(binary: frame) == .invalidUTF8, "\(place)")
        }
    }

    @Test func `a frame beyond the limit is refused unread`() {
        var limits = RealtimeLimits()
        limits.frameBytes = 30
        #expect(throws: MessageFault.self) {
            try Wire.decode(binary: Wire.push(event: "e", encoding: 0, payload: Array(repeating: 0, count: 30)), limits: limits)
        }
    }
}
