import NIOCore
import SwiftletJSON
import Testing

@testable import SwiftletRealtime

/// Many random messages, the same ones in every run.
@Suite struct RoundTripTests {
    private struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var word = state
            word = (word ^ word &>> 30) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ word &>> 27) &* 0x94D0_49BB_1331_11EB
            return word ^ word &>> 31
        }

        mutating func pick<Element>(_ elements: [Element]) -> Element {
            elements[Int.random(in: 0..<elements.count, using: &self)]
        }

        mutating func blank() -> String { pick(["", "", "", " ", "\n", "\t \r"]) }

        mutating func string() -> String {
            let pieces = [
                "a", "name", "\\n", "\\\"", "\\\\", "\\/", "\\u0041", "\\ud83d\\ude00", "é", "日本", "😀", "e\u{301}", "\u{2028}",
                "}", "]", ",",
                ":", "", "\u{7F}", "\\u0000",
            ]
            return "\"" + (0..<Int.random(in: 0..<5, using: &self)).map { _ in pick(pieces) }.joined() + "\""
        }

        mutating func value(_ depth: Int) -> String {
            switch Int.random(in: 0..<(depth > 0 ? 9 : 6), using: &self) {
            case 0: return pick(["null", "true", "false"])
            case 1, 2:
                return pick([
                    "0", "-0", "0.10", "1e400", "-1E-999", "1.0", "12345678901234567890123", "9007199254740993", "1e+2", "0e0",
                ])
            case 3, 4, 5: return string()
            case 6:
                return "[" + blank()
                    + (0..<Int.random(in: 0..<4, using: &self)).map { _ in value(depth - 1) + blank() }.joined(separator: ",")
                    + "]"
            default: return object(depth)
            }
        }

        mutating func object(_ depth: Int) -> String {
            var members: [String] = []
            for index in 0..<Int.random(in: 0..<4, using: &self) {
                // Distinct whatever the piece in the middle means.
                let name = "\"\(index)" + string().dropFirst()
                members.append(blank() + name + blank() + ":" + blank() + value(depth - 1) + blank())
            }
            return "{" + blank() + members.joined(separator: ",") + "}"
        }
    }

    private func same(_ left: BroadcastContent, _ right: BroadcastContent) -> Bool {
        left.event.utf8.elementsEqual(right.event.utf8) && left.id == right.id && left.body == right.body
            && left.extra.map(\.name) == right.extra.map(\.name) && left.extra.map(\.value) == right.extra.map(\.value)
    }

    @Test func `no byte of a payload changes on the way`() throws {
        var random = Random(state: 1)
        for _ in 0..<600 {
            let body = random.value(4)
            let event = random.pick(["e", "", "new_message", "日本語", "a\"b\\\n"])
            let topic = random.pick(["realtime:room", "realtime:é\"😀", ""])
            let hasID = Bool.random(using: &random)
            let extra = Bool.random(using: &random) ? #","x\u0079":\#(random.value(2))"# : ""
            let payload =
                #"{"type":"broadcast","event":\#(RawJSON(string: event)),"payload":\#(body)\#(hasID ? #","id":"m1""# : "")\#(extra)}"#
            for serializer in serializers {
                let text = Wire.message(serializer, topic: topic, event: "broadcast", payload: payload)
                let message = try Wire.decode(text, serializer)
                let content = try #require(message.event.broadcast)
                try #require(content.json == body && content.event == event && content.id == (hasID ? "m1" : nil))
                for target in serializers {
                    let frame = try #require(
                        PhoenixEncoder.broadcast(target, topic: topic, content: content, meta: RawJSON(#"{"id":"s"}"#)))
                    if let binary = Wire.ServerBroadcast(frame) {
                        #expect(target == .v2 && extra.isEmpty)
                        #expect(
                            binary.payload == Array(body.utf8) && binary.event == event && binary.topic == topic && binary.isJSON)
                    } else {
                        // What the server writes has the shape of what a client writes.
                        let again = try Wire.decode(try #require(Wire.text(frame)), target)
                        #expect(again.topic == topic && again.event.broadcast.map { same($0, content) } == true)
                    }
                }
            }
            let pushed = try Wire.decode(binary: Wire.push(topic: topic, event: event, payload: Array(body.utf8)))
            #expect(pushed.event.broadcast?.json == body)
        }
    }

    @Test func `what was tracked and bound comes back as it was`() throws {
        var random = Random(state: 2)
        for _ in 0..<200 {
            let fields = random.object(3)
            let track = try Wire.decode(
                Wire.message(.v2, event: "presence", payload: #"{"event":"track","payload":\#(fields)}"#), .v2)
            #expect(track.event.presence == .track(RawJSON(fields)))
            let state = try #require(
                Wire.text(
                    PhoenixEncoder.presenceState(
                        .v2, joinRef: nil, topic: "t", entries: [PresenceEntry(key: "k", phxRef: "R", fields: RawJSON(fields))])))
            #expect(RawJSON(checking: Array(state.utf8))?.description == state)
            let join = try Wire.decode(
                Wire.message(.v1, event: "phx_join", payload: #"{"config":{"postgres_changes":[\#(fields),{}, \#(fields)]}}"#),
                .v1)
            let bindings = try #require(join.event.join).postgresChanges
            #expect(bindings.map(\.description) == [fields, "{}", fields])
            let response = JoinResponse.ok(postgresChanges: bindings)
            #expect(RawJSON(checking: response.bytes) == response)
            #expect(JoinResponse.id(of: bindings[0]) == JoinResponse.id(of: bindings[2]))
        }
    }

    private var frames: [[UInt8]] {
        let payload = #"{"type":"broadcast","event":"é\n","payload":{"a":[1e400,"\u0041"]},"id":"x","k":null}"#
        let join =
            #"{"config":{"broadcast":{"self":"true","replay":{"since":5}},"presence":{"key":"k"},"postgres_changes":[{"a":1},null]},"access_token":"t"}"#
        return [
            Array(Wire.message(.v1, event: "broadcast", payload: payload).utf8),
            Array(Wire.message(.v2, event: "broadcast", payload: payload).utf8),
            Array(Wire.message(.v2, event: "phx_join", payload: join).utf8),
            Array(Wire.message(.v1, event: "presence", payload: #"{"event":"track","payload":{"phx_ref":"\n"}}"#).utf8),
            Wire.push(event: "event", meta: #"{"id":"x","k":1}"#, payload: Array(#"{"a":[1,"é"]}"#.utf8)),
            Wire.push(topic: "", event: "", encoding: 0, payload: [1, 2]),
            [0, 1, 1, 1, 2] + Array("12tphx".utf8),
            Array(#"{"messages":[{"topic":"t","event":"e","payload":{"a":1},"private":"true","id":"i"}]}"#.utf8),
        ]
    }

    /// Everything that reads bytes from outside, and what becomes of it.
    private func feed(_ bytes: [UInt8]) {
        for serializer in serializers { if let message = try? Wire.decode(bytes, serializer) { answer(message) } }
        if let message = try? Wire.decode(binary: bytes) { answer(message) }
        bytes.withUnsafeBytes { bytes in
            _ = try? RESTBroadcast.batch(bytes)
            let text = String(decoding: bytes, as: UTF8.self)
            _ = try? RESTBroadcast.single(topic: text, event: text, query: text, contentType: nil, body: bytes)
        }
    }

    private func answer(_ message: ClientMessage) {
        for serializer in serializers {
            let reply = PhoenixEncoder.reply(
                serializer, joinRef: message.joinRef, ref: message.ref, topic: message.topic, ok: true)
            #expect(RawJSON(checking: Array(reply.payload.readableBytesView)) != nil)
            switch message.event {
            case .broadcast(let content):
                let frame = PhoenixEncoder.broadcast(serializer, topic: message.topic, content: content, meta: nil)
                if let text = Wire.text(frame) { #expect(RawJSON(checking: Array(text.utf8)) != nil) }
            case .join(let request):
                #expect(RawJSON(checking: JoinResponse.ok(postgresChanges: request.postgresChanges).bytes) != nil)
            case .presence(.track(let fields)):
                let entry = PresenceEntry(key: message.topic, phxRef: "r", fields: fields)
                let frame = PhoenixEncoder.presenceDiff(serializer, topic: message.topic, joins: [entry], leaves: [entry])
                #expect(RawJSON(checking: Array(frame.payload.readableBytesView)) != nil)
            default: break
            }
        }
    }

    @Test func `a frame cut anywhere is a fault or a message, never a trap`() {
        for frame in frames {
            for length in 0...frame.count {
                feed(Array(frame[..<length]))
                feed(Array(frame[length...]))
            }
        }
    }

    @Test func `a frame with any byte changed is a fault or a message, never a trap`() {
        var random = Random(state: 3)
        for frame in frames {
            for place in frame.indices {
                for byte in [frame[place] ^ 1, frame[place] ^ 0x80, 0, 0xFF, UInt8.random(in: 0...255, using: &random)] {
                    var changed = frame
                    changed[place] = byte
                    feed(changed)
                }
            }
        }
    }
}
