import NIOCore
import SwiftletJSON
import Testing

@testable import SwiftletRealtime

/// What clients read, byte for byte.
@Suite struct ServerFrameTests {
    private let one = RawJSON("\"1\"")
    private let seven = RawJSON("\"7\"")
    private let topic = "realtime:room"

    // MARK: Replies

    @Test func `a reply`() {
        let response = JoinResponse.ok()
        #expect(
            Wire.text(PhoenixEncoder.reply(.v2, joinRef: one, ref: seven, topic: topic, ok: true, response: response))
                == #"["1","7","realtime:room","phx_reply",{"status":"ok","response":{"postgres_changes":[]}}]"#)
        #expect(
            Wire.text(PhoenixEncoder.reply(.v1, joinRef: one, ref: seven, topic: topic, ok: true, response: response))
                == #"{"topic":"realtime:room","event":"phx_reply","payload":{"status":"ok","response":{"postgres_changes":[]}},"ref":"7"}"#
        )
    }

    @Test func `a reply to a heartbeat without a ref has the ref null`() {
        #expect(
            Wire.text(PhoenixEncoder.reply(.v1, joinRef: nil, ref: nil, topic: "phoenix", ok: true))
                == #"{"topic":"phoenix","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":null}"#)
        #expect(
            Wire.text(PhoenixEncoder.reply(.v2, joinRef: nil, ref: RawJSON("5"), topic: "phoenix", ok: true))
                == #"[null,5,"phoenix","phx_reply",{"status":"ok","response":{}}]"#)
    }

    @Test func `a refusal`() {
        let reason = JoinError.unmatchedTopic.reason
        #expect(
            Wire.text(PhoenixEncoder.errorReply(.v2, joinRef: one, ref: one, topic: "t", reason: reason))
                == #"["1","1","t","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#)
        #expect(
            Wire.text(PhoenixEncoder.errorReply(.v1, joinRef: one, ref: one, topic: "t", reason: "a\"\n\u{1}é"))
                == #"{"topic":"t","event":"phx_reply","payload":{"status":"error","response":{"reason":"a\"\n\u0001é"}},"ref":"1"}"#
        )
        #expect(
            Wire.text(
                PhoenixEncoder.reply(
                    .v2, joinRef: nil, ref: one, topic: "t", ok: false, response: JoinResponse.failure(reason: "x")))
                == #"[null,"1","t","phx_reply",{"status":"error","response":{"reason":"x"}}]"#)
    }

    @Test(arguments: serializers)
    func `what clients need as an object is one`(serializer: Serializer) throws {
        for value in ["null", "[]", "5", "\"payload_size_exceeded\""] {
            let reply = try #require(
                Wire.text(
                    PhoenixEncoder.reply(serializer, joinRef: nil, ref: one, topic: "t", ok: false, response: RawJSON(value))))
            #expect(reply.contains(#""response":{}"#))
            let push = PhoenixEncoder.push(serializer, joinRef: nil, topic: "t", event: "e", payload: RawJSON(value))
            #expect(
                push.text == PhoenixEncoder.push(serializer, joinRef: nil, topic: "t", event: "e", payload: .emptyObject).text)
        }
    }

    // MARK: Pushes

    @Test func `a push has no ref, and no join_ref in version 1`() {
        let payload = RawJSON(#"{"ids":[3],"data":{"n":1e400, "s":"\u0041"}}"#)
        #expect(
            Wire.text(PhoenixEncoder.push(.v1, joinRef: one, topic: topic, event: "postgres_changes", payload: payload))
                == #"{"topic":"realtime:room","event":"postgres_changes","payload":{"ids":[3],"data":{"n":1e400, "s":"\u0041"}},"ref":null}"#
        )
        #expect(
            Wire.text(PhoenixEncoder.push(.v2, joinRef: nil, topic: topic, event: "postgres_changes", payload: payload))
                == #"[null,null,"realtime:room","postgres_changes",{"ids":[3],"data":{"n":1e400, "s":"\u0041"}}]"#)
    }

    @Test func `a close carries the ref of its join`() {
        #expect(Wire.text(PhoenixEncoder.close(.v2, joinRef: one, topic: topic)) == #"["1","1","realtime:room","phx_close",{}]"#)
        #expect(
            Wire.text(PhoenixEncoder.close(.v1, joinRef: one, topic: topic))
                == #"{"topic":"realtime:room","event":"phx_close","payload":{},"ref":"1"}"#)
        #expect(Wire.text(PhoenixEncoder.error(.v2, joinRef: one, topic: topic)) == #"["1","1","realtime:room","phx_error",{}]"#)
        #expect(
            Wire.text(PhoenixEncoder.error(.v1, joinRef: nil, topic: topic))
                == #"{"topic":"realtime:room","event":"phx_error","payload":{},"ref":null}"#)
    }

    @Test func `a system message`() {
        let frame = PhoenixEncoder.system(
            .v2, joinRef: one, topic: topic, status: .ok, extension: "postgres_changes", message: "Subscribed to PostgreSQL",
            channel: "room")
        #expect(
            Wire.text(frame)
                == #"["1",null,"realtime:room","system",{"message":"Subscribed to PostgreSQL","status":"ok","extension":"postgres_changes","channel":"room"}]"#
        )
        let error = PhoenixEncoder.system(
            .v1, joinRef: one, topic: topic, status: .error, extension: "system", message: "Track message size exceeded",
            channel: "room")
        #expect(
            Wire.text(error)
                == #"{"topic":"realtime:room","event":"system","payload":{"message":"Track message size exceeded","status":"error","extension":"system","channel":"room"},"ref":null}"#
        )
    }

    @Test(arguments: serializers)
    func `topics are escaped as JSON asks for, and read back the same`(serializer: Serializer) throws {
        for topic in ["realtime:a\"b\\c\n\t\u{8}\u{C}\r\u{0}\u{1F}\u{7F}", "realtime:日本語 😀 é e\u{301}", ""] {
            let text = try #require(Wire.text(PhoenixEncoder.close(serializer, joinRef: nil, topic: topic)))
            let read = try Wire.decode(text, serializer)
            #expect(Array(read.topic.utf8) == Array(topic.utf8) && read.event.other == "phx_close")
        }
    }

    // MARK: Broadcasts

    private let meta = RawJSON(#"{"id":"m1","offset":7,"epoch":"e"}"#)

    @Test func `a broadcast to version 1 is text`() {
        let content = BroadcastContent(event: "typing", body: .json(RawJSON(#"{"n":0.10}"#)))
        #expect(
            Wire.text(PhoenixEncoder.broadcast(.v1, topic: topic, content: content, meta: meta))
                == #"{"topic":"realtime:room","event":"broadcast","payload":{"type":"broadcast","event":"typing","payload":{"n":0.10},"meta":{"id":"m1","offset":7,"epoch":"e"}},"ref":null}"#
        )
        #expect(
            Wire.text(PhoenixEncoder.broadcast(.v1, topic: topic, content: content, meta: nil))
                == #"{"topic":"realtime:room","event":"broadcast","payload":{"type":"broadcast","event":"typing","payload":{"n":0.10}},"ref":null}"#
        )
    }

    @Test func `a broadcast to version 2 is binary`() {
        let content = BroadcastContent(event: "ping", body: .json(RawJSON("{}")))
        let frame = PhoenixEncoder.broadcast(.v2, topic: "a:b", content: content, meta: RawJSON(#"{"x":1}"#))
        #expect(frame?.kind == .binary)
        #expect(
            Wire.bytes(frame)
                == [4, 3, 4, 7, 1] + Array("a:b".utf8) + Array("ping".utf8) + Array(#"{"x":1}"#.utf8) + Array("{}".utf8))
        let raw = PhoenixEncoder.broadcast(
            .v2, topic: "a", content: BroadcastContent(event: "", body: .binary([0, 255])), meta: nil)
        #expect(Wire.bytes(raw) == [4, 1, 0, 0, 0, UInt8(ascii: "a"), 0, 255])
    }

    @Test func `a binary body does not reach version 1`() {
        let content = BroadcastContent(event: "blob", body: .binary([1]))
        #expect(PhoenixEncoder.broadcast(.v1, topic: topic, content: content, meta: meta) == nil)
    }

    @Test func `a header of more than 255 bytes makes it text, and a binary body undeliverable`() throws {
        let json = BroadcastContent.Body.json(RawJSON("[1]"))
        for (topic, event) in [(255, 255), (256, 4), (4, 256)] {
            let (topic, event) = (String(repeating: "t", count: topic), String(repeating: "e", count: event))
            let frame = PhoenixEncoder.broadcast(
                .v2, topic: topic, content: BroadcastContent(event: event, body: json), meta: meta)
            let raw = PhoenixEncoder.broadcast(
                .v2, topic: topic, content: BroadcastContent(event: event, body: .binary([1])), meta: meta)
            if topic.count == 255 {
                #expect(Wire.ServerBroadcast(frame)?.topic == topic && Wire.ServerBroadcast(frame)?.event == event)
                #expect(Wire.ServerBroadcast(raw)?.payload == [1])
            } else {
                #expect(
                    Wire.text(frame)
                        == #"[null,null,"\#(topic)","broadcast",{"type":"broadcast","event":"\#(event)","payload":[1],"meta":\#(meta)}]"#
                )
                #expect(raw == nil)
            }
        }
        let long = RawJSON(#"{"id":"\#(String(repeating: "i", count: 250))"}"#)
        let frame = PhoenixEncoder.broadcast(.v2, topic: "t", content: BroadcastContent(event: "e", body: json), meta: long)
        #expect(Wire.text(frame)?.contains(long.description) == true)
        let raw = PhoenixEncoder.broadcast(.v2, topic: "t", content: BroadcastContent(event: "e", body: .binary([1])), meta: long)
        #expect(Wire.ServerBroadcast(raw)?.meta == "")
    }

    @Test func `members beside the payload are relayed, the server's own names are not`() throws {
        let content = BroadcastContent(
            event: "e", id: "m-1", body: .json(.emptyObject),
            extra: [
                ("tag", RawJSON("1e400")), ("meta", RawJSON("1")), ("id", RawJSON("2")), ("type", RawJSON("3")),
                ("ref\"", RawJSON("[ ]")),
            ])
        let payload =
            #"{"type":"broadcast","event":"e","payload":{},"id":"m-1","tag":1e400,"ref\"":[ ],"meta":{"id":"m1","offset":7,"epoch":"e"}}"#
        #expect(
            Wire.text(PhoenixEncoder.broadcast(.v1, topic: "t", content: content, meta: meta))
                == #"{"topic":"t","event":"broadcast","payload":\#(payload),"ref":null}"#)
        #expect(
            Wire.text(PhoenixEncoder.broadcast(.v2, topic: "t", content: content, meta: meta))
                == #"[null,null,"t","broadcast",\#(payload)]"#)
        // Without such members the id alone needs no text: it is in the meta.
        let plain = BroadcastContent(event: "e", id: "m-1", body: .json(.emptyObject))
        #expect(PhoenixEncoder.broadcast(.v2, topic: "t", content: plain, meta: meta)?.kind == .binary)
    }

    @Test func `a broadcast crosses from either version to either`() throws {
        let body = #"{"b":1,"a":[1e400,0.10,"\u0041\/é😀", null ]}"#
        let payload = #"{"type":"broadcast","event":"msg","payload":\#(body)}"#
        let sent = [
            try Wire.decode(Wire.message(.v1, event: "broadcast", payload: payload), .v1),
            try Wire.decode(Wire.message(.v2, event: "broadcast", payload: payload), .v2),
            try Wire.decode(binary: Wire.push(event: "msg", payload: Array(body.utf8))),
        ]
        for message in sent {
            let content = try #require(message.event.broadcast)
            #expect(
                Wire.text(PhoenixEncoder.broadcast(.v1, topic: message.topic, content: content, meta: nil))
                    == #"{"topic":"realtime:room","event":"broadcast","payload":\#(payload),"ref":null}"#)
            let second = try #require(
                Wire.ServerBroadcast(PhoenixEncoder.broadcast(.v2, topic: message.topic, content: content, meta: nil)))
            #expect(
                second.isJSON && second.topic == "realtime:room" && second.event == "msg" && second.payload == Array(body.utf8))
        }
    }

    // MARK: Presence

    private func entry(_ key: String, _ ref: String, previous: String? = nil, _ fields: String) -> PresenceEntry {
        PresenceEntry(key: key, phxRef: ref, phxRefPrev: previous, fields: RawJSON(fields))
    }

    @Test func `a presence state`() {
        #expect(
            Wire.text(PhoenixEncoder.presenceState(.v2, joinRef: one, topic: topic, entries: []))
                == #"["1",null,"realtime:room","presence_state",{}]"#)
        let entries = [entry("u1", "A", #"{"n":0.10, "s":"x"}"#), entry("u2", "B", "{}"), entry("u1", "C", #"{ "tab":2 }"#)]
        #expect(
            Wire.text(PhoenixEncoder.presenceState(.v2, joinRef: one, topic: topic, entries: entries))
                == #"["1",null,"realtime:room","presence_state",{"u1":{"metas":[{"phx_ref":"A","n":0.10, "s":"x"},{"phx_ref":"C", "tab":2 }]},"u2":{"metas":[{"phx_ref":"B"}]}}]"#
        )
        #expect(
            Wire.text(PhoenixEncoder.presenceState(.v1, joinRef: one, topic: topic, entries: [entries[1]]))
                == #"{"topic":"realtime:room","event":"presence_state","payload":{"u2":{"metas":[{"phx_ref":"B"}]}},"ref":null}"#)
    }

    @Test func `an update is one diff with both metas under the key`() {
        let frame = PhoenixEncoder.presenceDiff(
            .v2, topic: topic, joins: [entry("u1", "B", previous: "A", #"{"s":"away"}"#)],
            leaves: [entry("u1", "A", #"{"s":"online"}"#)])
        #expect(
            Wire.text(frame)
                == #"[null,null,"realtime:room","presence_diff",{"joins":{"u1":{"metas":[{"phx_ref":"B","phx_ref_prev":"A","s":"away"}]}},"leaves":{"u1":{"metas":[{"phx_ref":"A","s":"online"}]}}}]"#
        )
        #expect(
            Wire.text(PhoenixEncoder.presenceDiff(.v1, topic: topic, joins: [], leaves: []))
                == #"{"topic":"realtime:room","event":"presence_diff","payload":{"joins":{},"leaves":{}},"ref":null}"#)
    }

    @Test func `refs are the server's whatever a client tracked`() throws {
        for (fields, kept) in [
            (#"{"phx_ref":"forged","a":1}"#, #","a":1"#), (#"{"a":1,"phx_ref_prev":"x"}"#, #","a":1"#),
            (#"{"phx_\u0072ef":1}"#, ""),
            (#"{"a":{"phx_ref":1}, "b" : 0.10}"#, #","a":{"phx_ref":1},"b" : 0.10"#), (#"{"a":"\n"}"#, #","a":"\n""#),
            (#"{"phx_refs":1}"#, #","phx_refs":1"#), ("{ }", ""), ("[1]", ""), ("null", ""),
        ] {
            #expect(
                Wire.text(PhoenixEncoder.presenceState(.v2, joinRef: nil, topic: "t", entries: [entry("k", "R", fields)]))
                    == #"[null,null,"t","presence_state",{"k":{"metas":[{"phx_ref":"R"\#(kept)}]}}]"#)
        }
    }

    @Test func `keys that differ only in how a letter is composed are two keys`() throws {
        let frame = PhoenixEncoder.presenceState(
            .v2, joinRef: nil, topic: "t", entries: [entry("\u{E9}", "A", "{}"), entry("e\u{301}", "B", "{}")])
        #expect(
            Wire.text(frame).map { Array($0.utf8) }
                == Array(
                    "[null,null,\"t\",\"presence_state\",{\"\u{E9}\":{\"metas\":[{\"phx_ref\":\"A\"}]},\"e\u{301}\":{\"metas\":[{\"phx_ref\":\"B\"}]}}]"
                        .utf8))
    }

    // MARK: Versions

    @Test func `versions are told apart as the handshake wants it`() {
        #expect(Serializer(vsn: nil) == .v1 && Serializer(vsn: "1.0.0") == .v1 && Serializer(vsn: "1.0.7") == .v1)
        #expect(Serializer(vsn: "2.0.0") == .v2 && Serializer(vsn: "2.0.12") == .v2)
        for vsn in [
            "", "1", "2", "1.0", "2.0", "3.0.0", "2.1.0", "1.1.0", "2.0.x", "2.0.0.0", " 2.0.0", "2.0.-1", "02.0.0", "2.0.",
        ] {
            #expect(Serializer(vsn: vsn) == nil, "\(vsn)")
        }
    }
}

extension WireFrame {
    fileprivate var text: String { String(buffer: payload) }
}
