import SwiftletJSON
import Testing

@testable import SwiftletRealtime

/// What the clients send, as they write it.
@Suite struct ClientFrameTests {
    // MARK: supabase-js, version 2

    @Test func `supabase-js joins with version 2`() throws {
        let message = try Wire.decode(
            #"["1","1","realtime:room1","phx_join",{"config":{"broadcast":{"ack":true,"self":true},"presence":{"key":"","enabled":true},"postgres_changes":[{"event":"INSERT","schema":"public","table":"messages","filter":"channel_id=eq.7"}],"private":true},"access_token":"a.b.c"}]"#,
            .v2)
        #expect(message.topic == "realtime:room1")
        #expect(message.joinRef?.description == #""1""# && message.ref?.description == #""1""#)
        let join = try #require(message.event.join)
        #expect(join.broadcast == JoinRequest.Broadcast(toSelf: true, ack: true))
        #expect(join.presence == JoinRequest.Presence(key: "", enabled: true))
        #expect(
            join.postgresChanges.map(\.description) == [
                #"{"event":"INSERT","schema":"public","table":"messages","filter":"channel_id=eq.7"}"#
            ])
        #expect(join.isPrivate && join.accessToken == "a.b.c" && !join.isLegacy && join.problems.isEmpty)
    }

    @Test func `supabase-js sends each broadcast of version 2 in binary`() throws {
        let message = try Wire.decode(
            binary: Wire.push(
                joinRef: "3", ref: "12", topic: "realtime:conversation:42", event: "new_message",
                payload: Array(#"{"text":"hi"}"#.utf8)))
        #expect(message.joinRef?.description == #""3""# && message.ref?.description == #""12""#)
        #expect(message.topic == "realtime:conversation:42")
        let content = try #require(message.event.broadcast)
        #expect(content.event == "new_message" && content.json == #"{"text":"hi"}"#)
        #expect(content.id == nil && content.extra.isEmpty)
    }

    @Test func `supabase-js beats, leaves, refreshes and tracks in arrays`() throws {
        #expect(try Wire.decode(#"[null,"2","phoenix","heartbeat",{}]"#, .v2).event.isHeartbeat)
        let leave = try Wire.decode(#"["1","9","realtime:room","phx_leave",{}]"#, .v2)
        #expect(leave.event.isLeave && leave.ref?.description == #""9""#)
        let refresh = try Wire.decode(#"["1","4","realtime:room","access_token",{"access_token":"x.y.z"}]"#, .v2)
        #expect(refresh.event.accessToken == .some("x.y.z"))
        let track = try Wire.decode(
            #"["1","5","realtime:room","presence",{"type":"presence","event":"track","payload":{"user":"u1","online_at":"2026-01-01T00:00:00.000Z"}}]"#,
            .v2)
        #expect(track.event.presence == .track(RawJSON(#"{"user":"u1","online_at":"2026-01-01T00:00:00.000Z"}"#)))
        let untrack = try Wire.decode(#"["1","6","realtime:room","presence",{"type":"presence","event":"untrack"}]"#, .v2)
        #expect(untrack.event.presence == .untrack)
    }

    // MARK: supabase-js, version 1

    @Test func `supabase-js of version 1 writes objects`() throws {
        let join = try Wire.decode(
            #"{"topic":"realtime:room","event":"phx_join","payload":{"config":{"broadcast":{"ack":false,"self":false},"presence":{"key":""},"postgres_changes":[],"private":false}},"ref":"1","join_ref":"1"}"#,
            .v1)
        #expect(join.event.join.map { !$0.isPrivate && !$0.presence.enabled && $0.problems.isEmpty } == true)
        let message = try Wire.decode(
            #"{"topic":"realtime:room","event":"broadcast","payload":{"type":"broadcast","event":"typing","payload":{"user":1}},"ref":"2","join_ref":"1"}"#,
            .v1)
        let content = try #require(message.event.broadcast)
        #expect(content.event == "typing" && content.json == #"{"user":1}"# && content.extra.isEmpty && content.id == nil)
        #expect(message.joinRef?.description == #""1""#)
    }

    // MARK: realtime-py, version 1

    @Test func `realtime-py beats without a ref`() throws {
        let message = try Wire.decode(
            #"{"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": null, "join_ref": null}"#, .v1)
        #expect(message.event.isHeartbeat && message.ref == nil && message.joinRef == nil && message.topic == "phoenix")
    }

    @Test func `realtime-py joins with its key as the token`() throws {
        let message = try Wire.decode(
            #"{"event": "phx_join", "topic": "realtime:test", "payload": {"config": {"broadcast": {"ack": false, "self": true}, "presence": {"key": "u-1", "enabled": false}, "private": false, "postgres_changes": [{"event": "*", "schema": "public", "table": "todos", "filter": null}]}, "access_token": "anon"}, "ref": "1", "join_ref": "1"}"#,
            .v1)
        let join = try #require(message.event.join)
        #expect(join.accessToken == "anon" && join.presence.key == "u-1" && join.broadcast.toSelf)
        // With its blanks: the client compares what comes back with what it sent.
        #expect(
            join.postgresChanges.map(\.description) == [#"{"event": "*", "schema": "public", "table": "todos", "filter": null}"#])
    }

    // MARK: supabase-swift, version 2

    @Test func `supabase-swift joins with a version and its members sorted otherwise`() throws {
        let message = try Wire.decode(
            #"["1","1","realtime:room","phx_join",{"access_token":"a.b.c","config":{"broadcast":{"self":false,"ack":true},"postgres_changes":[{"event":"*","schema":"public"}],"presence":{"enabled":true,"key":"me"},"private":true},"version":"realtime-swift\/2.0"}]"#,
            .v2)
        let join = try #require(message.event.join)
        #expect(join.isPrivate && join.broadcast.ack && join.presence.key == "me" && join.problems.isEmpty)
        #expect(join.postgresChanges.count == 1)
    }

    @Test func `supabase-swift sends binary data as it is`() throws {
        let data: [UInt8] = [0, 255, 1, 0x22, 0x5C]
        let message = try Wire.decode(binary: Wire.push(event: "blob", encoding: 0, payload: data))
        #expect(message.event.broadcast?.binary == data)
        #expect(try Wire.decode(binary: Wire.push(event: "blob", encoding: 0, payload: [])).event.broadcast?.binary == [])
    }

    // MARK: For each serializer

    @Test(arguments: serializers)
    func `refs are kept as they were written`(serializer: Serializer) throws {
        for (ref, kept) in [
            ("\"7\"", "\"7\""), ("7", "7"), ("null", nil), ("\"\\u0041\"", "\"\\u0041\""), ("1e2", "1e2"), ("\"\"", "\"\""),
        ] {
            let message = try Wire.decode(Wire.message(serializer, joinRef: ref, ref: ref, event: "x", payload: "{}"), serializer)
            #expect(message.ref?.description == kept && message.joinRef?.description == kept)
        }
        for ref in ["true", "{}", "[]", "\"" + String(repeating: "r", count: 300) + "\""] {
            #expect(Wire.fault(Wire.message(serializer, ref: ref, event: "x", payload: "{}"), serializer) == .invalidRef)
        }
    }

    @Test(arguments: serializers)
    func `events that are none of ours keep their names`(serializer: Serializer) throws {
        for event in ["", "phx_reply", "phx_close", "postgres_changes", "Broadcast", "broadcast ", "é"] {
            #expect(try Wire.decode(Wire.message(serializer, event: event, payload: "{}"), serializer).event.other == event)
        }
        #expect(try Wire.decode(Wire.message(serializer, event: "x", payload: "null"), serializer).event.other == "x")
    }

    @Test(arguments: serializers)
    func `any topic comes through: empty, foreign, and in any script`(serializer: Serializer) throws {
        for topic in [
            "", "realtime:", "room", "realtime:a:b:c", "realtime:日本語/😀", "realtime:\"\\\u{1}", String(repeating: "é", count: 256),
        ] {
            let message = try Wire.decode(Wire.message(serializer, topic: topic, event: "heartbeat", payload: "{}"), serializer)
            #expect(Array(message.topic.utf8) == Array(topic.utf8))
        }
    }

    @Test(arguments: serializers)
    func `topics and events have a longest length`(serializer: Serializer) {
        func fault(topic: Int = 5, event: Int = 5, inner: Int = 5) -> MessageFault.Code? {
            let payload = #"{"type":"broadcast","event":"\#(String(repeating: "i", count: inner))","payload":{}}"#
            let name = inner == 5 ? String(repeating: "e", count: event) : "broadcast"
            return Wire.fault(
                Wire.message(serializer, topic: String(repeating: "t", count: topic), event: name, payload: payload), serializer)
        }
        #expect(fault(topic: 512) == nil && fault(topic: 513) == .topicTooLong)
        #expect(fault(event: 255) == nil && fault(event: 256) == .eventTooLong)
        #expect(fault(inner: 512) == nil && fault(inner: 513) == .eventTooLong)
    }

    @Test(arguments: serializers)
    func `what is malformed is a fault with a reason, and says nothing of its text`(serializer: Serializer) {
        let good = Wire.message(
            serializer, event: "broadcast", payload: #"{"type":"broadcast","event":"e","payload":{"secret":1}}"#)
        #expect(Wire.fault(good, serializer) == nil)
        for text in ["", "{", "[", "nonsense", good + "x", good + good, String(good.dropLast()), "\u{FEFF}" + good] {
            #expect(Wire.fault(text, serializer) == .invalidJSON, "\(text)")
        }
        for text in [
            "null", "1", "\"a\"", "[]", "{}", "[null,null,\"t\",\"e\"]", serializer == .v1 ? "[1,2,3,4,5]" : #"{"topic":"t"}"#,
        ] {
            #expect(Wire.fault(text, serializer) == .wrongShape, "\(text)")
        }
        do throws(MessageFault) {
            _ = try Wire.decode(good + "x", serializer)
        } catch {
            #expect(!error.description.contains("secret") && error.reason.utf8.count < 100)
        }
    }

    @Test func `fields of the wrong type are faults`() {
        for text in [
            #"{"topic":1,"event":"e","payload":{},"ref":null}"#, #"{"topic":"t","event":null,"payload":{},"ref":null}"#,
            #"{"event":"e","payload":{},"ref":null}"#, #"{"topic":"t","payload":{},"ref":null}"#,
            #"{"topic":"t","event":"e","ref":null}"#,
        ] { #expect(Wire.fault(text, .v1) == .wrongShape, "\(text)") }
        for text in [#"[null,null,1,"e",{}]"#, #"[null,null,"t",{},{}]"#] {
            #expect(Wire.fault(text, .v2) == .wrongShape, "\(text)")
        }
        // A name that stands twice would be read one way here and another way there.
        #expect(Wire.fault(#"{"topic":"t","topic":"u","event":"e","payload":{},"ref":null}"#, .v1) == .invalidJSON)
        #expect(Wire.fault(#"{"topic":"t","event":"e","payload":{}}"#, .v1) == nil)
        #expect(Wire.fault(#"[null,null,"t","e",{},"more"]"#, .v2) == nil)
    }

    @Test(arguments: serializers)
    func `a message beyond the limits is refused`(serializer: Serializer) {
        var limits = RealtimeLimits()
        limits.frameBytes = 200
        let long = Wire.message(serializer, event: "x", payload: #"{"a":"\#(String(repeating: "b", count: 200))"}"#)
        #expect(throws: MessageFault.self) { try Wire.decode(long, serializer, limits: limits) }
        let deep = String(repeating: "[", count: 200) + String(repeating: "]", count: 200)
        #expect(Wire.fault(Wire.message(serializer, event: "x", payload: deep), serializer) == .invalidJSON)
    }

    // MARK: Broadcasts

    @Test(arguments: serializers)
    func `an id, other members and a meta of a broadcast are told apart`(serializer: Serializer) throws {
        let payload =
            #"{"id":"m-1","type":"broadcast","meta":{"id":"forged"},"event":"e","self":0.10,"payload":[1],"\u0074ag":"\u0041"}"#
        let content = try #require(
            try Wire.decode(Wire.message(serializer, event: "broadcast", payload: payload), serializer).event.broadcast)
        #expect(content.id == "m-1" && content.event == "e" && content.json == "[1]")
        #expect(content.extra.map(\.name) == ["self", "tag"])
        #expect(content.extra.map(\.value.description) == ["0.10", #""\u0041""#])
    }

    @Test(arguments: serializers)
    func `an id of another shape is an ordinary member`(serializer: Serializer) throws {
        for id in ["7", "null", "\"\"", "\"a b\"", "\"é\"", "\"\(String(repeating: "i", count: 65))\"", "{}", "\"a\\u0000\""] {
            let payload = #"{"event":"e","payload":{},"id":\#(id)}"#
            let content = try #require(
                try Wire.decode(Wire.message(serializer, event: "broadcast", payload: payload), serializer).event.broadcast)
            #expect(content.id == nil && content.extra.map(\.value.description) == [id], "\(id)")
        }
    }

    @Test(arguments: serializers)
    func `a broadcast needs an event, and a missing payload is an empty one`(serializer: Serializer) throws {
        for payload in ["null", "[]", "\"x\"", "{}", #"{"type":"broadcast","payload":{}}"#, #"{"event":1,"payload":{}}"#] {
            #expect(
                Wire.fault(Wire.message(serializer, event: "broadcast", payload: payload), serializer) == .invalidBroadcast,
                "\(payload)")
        }
        let message = try Wire.decode(Wire.message(serializer, event: "broadcast", payload: #"{"event":""}"#), serializer)
        #expect(message.event.broadcast.map { $0.event == "" && $0.json == "{}" } == true)
    }

    @Test func `strings inside a body are found for the rules on messages`() {
        let content = BroadcastContent(
            event: "new_message",
            body: .json(RawJSON(#"{"\u0069d":"m\u002d1","n":5,"big":18446744073709551615,"x":1.5,"inner":{"id":"no"}}"#)))
        #expect(content.innerID == "m-1" && content.innerString("id") == "m-1")
        #expect(content.innerString("n") == nil && content.innerString("absent") == nil && content.innerString("inner") == nil)
        #expect(BroadcastContent(event: "e", body: .json(RawJSON(#"{"id":7}"#))).innerID == "7")
        #expect(
            BroadcastContent(event: "e", body: .json(RawJSON(#"{"id":18446744073709551615}"#))).innerID == "18446744073709551615")
        for body in [#"{"id":1.5}"#, #"{"id":null}"#, "[]", "\"id\"", "{}"] {
            #expect(BroadcastContent(event: "e", body: .json(RawJSON(body))).innerID == nil)
        }
        #expect(BroadcastContent(event: "e", body: .binary(Array("{\"id\":\"a\"}".utf8))).innerString("id") == nil)
    }

    @Test func `what counts against the limit on messages is the event, the body and the extra members`() {
        let content = BroadcastContent(event: "ab", body: .json(RawJSON("[1,2]")), extra: [("xyz", RawJSON("true"))])
        #expect(content.byteCount == 2 + 5 + 3 + 4)
    }

    // MARK: Presence and tokens

    @Test(arguments: serializers)
    func `presence events are read in any case`(serializer: Serializer) throws {
        func presence(_ payload: String) throws -> PresenceRequest? {
            try Wire.decode(Wire.message(serializer, event: "presence", payload: payload), serializer).event.presence
        }
        #expect(try presence(#"{"event":"TRACK","payload":{"a":1e400}}"#) == .track(RawJSON(#"{"a":1e400}"#)))
        #expect(try presence(#"{"event":"Untrack","payload":5}"#) == .untrack)
        #expect(try presence(#"{"event":"track"}"#) == .track(.emptyObject))
        for payload in ["null", "[]", "5", "\"x\""] {
            #expect(try presence(#"{"event":"track","payload":\#(payload)}"#) == .notAnObject)
        }
        #expect(try presence(#"{"event":"update"}"#) == .unknown("update"))
        for payload in ["{}", "null", "[]", #"{"event":null}"#, #"{"event":["track"]}"#] {
            #expect(try presence(payload) == .unknown(""))
        }
        // Only ASCII has cases here: a Kelvin sign is no k.
        #expect(try presence("{\"event\":\"trac\u{212A}\",\"payload\":{}}") == .unknown("trac\u{212A}"))
    }

    @Test(arguments: serializers)
    func `a token that is none is nil`(serializer: Serializer) throws {
        func token(_ payload: String) throws -> String?? {
            try Wire.decode(Wire.message(serializer, event: "access_token", payload: payload), serializer).event.accessToken
        }
        #expect(try token(#"{"access_token":"sb_publishable_x"}"#) == .some("sb_publishable_x"))
        for payload in [#"{"access_token":null}"#, "{}", "null", #"{"access_token":5}"#] {
            #expect(try token(payload) == .some(nil))
        }
        #expect(try token(#"{"access_token":"\#(String(repeating: "a", count: 16_385))"}"#) == .some(nil))
    }
}
