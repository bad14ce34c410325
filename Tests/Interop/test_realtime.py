"""Realtime, frame by frame, in both versions of the protocol: doors, topics, and what a socket may not do."""

import http.client
import json
import time

import pytest
from conftest import token
from phoenix import Phoenix, fresh, kind3, opens, user
from realtime_host import JOINED, KEY, dial, error, host, ok, v
from websockets.exceptions import InvalidStatus

# The handshake.


def shake(host, query, path="/realtime/v1/websocket", **headers):
    with pytest.raises(InvalidStatus) as refusal:
        Phoenix(host, query=query, path=path, additional_headers=headers)
    response = refusal.value.response
    return response.status_code, json.loads(response.body)


def test_a_handshake_that_is_refused_says_why(host):
    good = token(None, role="anon")
    assert shake(host, "vsn=2.0.0") == (401, {"error": "API key is missing"})
    assert shake(host, f"apikey={token(exp=int(time.time()) - 60)}") == (401, {"error": "Token has expired"})
    assert shake(host, f"apikey={token(role=None)}") == (401, {"error": "Fields `role` and `exp` are required in JWT"})
    assert shake(host, f"apikey={token(exp=None)}") == (401, {"error": "Fields `role` and `exp` are required in JWT"})
    assert shake(host, "apikey=abc") == (401, {"error": "The token provided is not a valid JWT"})
    assert shake(host, f"apikey={token(secret=b'x' * 40)}") == (401, {"error": "Failed to validate JWT signature"})
    status, body = shake(host, f"apikey={good}&vsn=3.0.0")
    assert 400 <= status < 500 and set(body) == {"error"}
    # The header counts, whatever the query says.
    assert shake(host, f"apikey={good}", **{"x-api-key": "abc"})[0] == 401


@pytest.mark.parametrize("path", ["/realtime/v1/websocket", "/socket/websocket"])
def test_both_paths_lead_to_the_same_topics(host, dial, path):
    topic = fresh()
    one, two = dial(2, path=path), dial(2)
    one.join(topic)
    two.join(topic)
    one.broadcast(topic, "e", {"n": 1})
    assert two.heard().body == {"n": 1}


def test_without_a_version_it_is_the_first(host, dial):
    for query in [f"apikey={token()}", f"apikey={token()}&vsn=1.0.0"]:
        one = dial(1, query=query)
        assert one.reply(one.start_join(fresh())).payload == JOINED


def test_a_key_in_the_header_opens_a_socket(host, dial):
    one = dial(2, query="vsn=2.0.0", additional_headers={"x-api-key": token()})
    one.join(fresh())


def test_an_opaque_key_opens_a_socket_and_a_token_a_private_channel(host, dial, v):
    one, topic = dial(v, key=KEY), fresh()
    one.join(fresh())
    assert one.refused(topic, private=True).startswith("Unauthorized: ")
    one.join(topic, opens(topic), private=True)


@pytest.mark.parametrize("method,headers,status", [
    ("GET", {}, 426), ("POST", {}, 405),
    ("GET", {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "8", "Sec-WebSocket-Key": "x" * 22 + "=="}, 426),
    ("GET", {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "short"}, 400),
], ids=["plain", "post", "old-version", "short-key"])
def test_a_request_that_is_no_handshake_is_told_so(host, method, headers, status):
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=20)
    connection.request(method, f"/realtime/v1/websocket?apikey={token()}", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == status and set(json.loads(body)) == {"error"}, body
    if status == 426:
        assert answer.headers["sec-websocket-version"] == "13"


# Joining and leaving.


def test_a_join_is_answered_exactly(dial, v):
    one, topic = dial(v), "realtime:" + fresh()
    one.send(topic, "phx_join", {"config": {}}, "7", "7")
    assert one.next().json == one.wire("7", "7", topic, "phx_reply", JOINED)


def test_the_state_follows_where_presence_is_on(dial, v):
    one, topic = dial(v), "realtime:" + fresh()
    one.send(topic, "phx_join", {"config": {"presence": {"enabled": True, "key": "k"}}}, "7", "7")
    assert one.next().json == one.wire("7", "7", topic, "phx_reply", JOINED)
    assert one.next().json == one.wire("7", None, topic, "presence_state", {})


@pytest.mark.parametrize("payload", [
    {},
    {"config": {"postgres_changes": []}},
    {"config": {"postgres_changes": None}},
    {"config": {"postgres_changes": [None]}},
    {"config": {"broadcast": {"self": "true", "ack": "false"}, "presence": {"key": "", "enabled": "false"}, "private": "false"}},
    {"config": {"broadcast": 5, "presence": "x", "private": {}}},
    {"config": None, "version": "supabase-js/2.112.2"},
], ids=["legacy", "empty", "null", "list-of-null", "booleans-as-strings", "invalid-is-defaulted", "config-null"])
def test_every_form_of_a_join_is_answered_with_the_list(dial, v, payload):
    one, topic = dial(v), "realtime:" + fresh()
    one.send(topic, "phx_join", payload, "1", "1")
    assert one.next().json == one.wire("1", "1", topic, "phx_reply", JOINED)


def test_booleans_may_be_strings(dial, v):
    one, topic = dial(v), fresh()
    one.join(topic, broadcast={"self": "true", "ack": "True"})
    one.ack(one.broadcast(topic, "e", {}))
    assert one.heard().body == {}


def test_a_join_with_database_changes_is_refused_in_words(dial, v):
    one, topic = dial(v), fresh()
    changes = [{"event": "*", "schema": "public", "table": "m"}, {"event": "INSERT", "schema": "public", "table": "m"}]
    ref = one.start_join(topic, postgres_changes=changes)
    reply = one.next()
    assert reply.ref == ref and set(reply.payload) == {"status", "response"} and set(reply.payload["response"]) == {"reason"}
    assert reply.payload["response"]["reason"].startswith("PostgresChangesNotConfigured: ")
    # Nothing of it stays behind.
    one.join(topic)


def test_names_that_are_no_topics_are_refused(dial, v):
    one = dial(v)
    for topic, reason in [("realtime:", "TopicNameRequired: You must provide a topic name"), ("other", "unmatched topic")]:
        one.send(topic, "phx_join", {"config": {}}, "3", "3")
        assert one.next().json == one.wire("3", "3", topic, "phx_reply", error(reason))


def test_an_event_in_a_topic_that_is_not_joined_is_refused(dial, v):
    one, topic = dial(v), "realtime:" + fresh()
    one.send(topic, "broadcast", {"type": "broadcast", "event": "e", "payload": {}}, "4", "1")
    assert one.next().json == one.wire("1", "4", topic, "phx_reply", error("unmatched topic"))


def test_heartbeats_are_echoed_with_and_without_a_ref(dial, v):
    one = dial(v)
    one.send("phoenix", "heartbeat", {}, "9")
    assert one.next().json == one.wire(None, "9", "phoenix", "phx_reply", ok())
    one.send("phoenix", "heartbeat", {}, False)
    assert one.next().json == one.wire(None, None, "phoenix", "phx_reply", ok())


def test_a_ref_comes_back_as_it_was_sent(dial, v):
    one = dial(v)
    for ref in ["", "0", "0a é", 12, 2 ** 60]:
        one.raw(json.dumps(one.wire(None, ref, "phoenix", "heartbeat", {})))
        assert one.next().ref == ref


def test_leaving_is_answered_and_closes_the_channel(dial, v):
    one, name = dial(v), fresh()
    topic = "realtime:" + name
    join_ref = one.start_join(name)
    one.reply(join_ref)
    ref = one.push(name, "phx_leave", {})
    assert one.next().json == one.wire(join_ref, ref, topic, "phx_reply", ok())
    assert one.next().json == one.wire(join_ref, join_ref, topic, "phx_close", {})
    one.send(topic, "phx_leave", {}, "77", join_ref)
    assert one.next().json == one.wire(join_ref, "77", topic, "phx_reply", ok())


def test_who_has_left_hears_nothing_more(dial, v):
    one, two, left, kept = dial(v), dial(v), fresh(), fresh()
    for topic in (left, kept):
        one.join(topic)
        two.join(topic, broadcast={"ack": True})
    one.leave(left)
    assert two.ack(two.broadcast(left, "e", {}))["receivers"] == 0
    two.broadcast(kept, "e", {"last": True})
    assert one.heard().body == {"last": True} and not one.waiting


def test_joining_again_closes_the_former_channel_first(dial, v):
    one, name = dial(v), fresh()
    topic = "realtime:" + name
    one.send(topic, "phx_join", {"config": {}}, "1", "1")
    one.next()
    one.send(topic, "phx_join", {"config": {}}, "5", "5")
    assert one.next().json == one.wire("1", "1", topic, "phx_close", {})
    assert one.next().json == one.wire("5", "5", topic, "phx_reply", JOINED)
    two = dial(v)
    two.join(name, broadcast={"ack": True})
    assert two.ack(two.broadcast(name, "e", {}))["receivers"] == 1
    one.heard()


def test_leaving_and_joining_back_to_back_ends_joined(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    topic = "realtime:" + name
    first = one.start_join(name)
    one.send(topic, "phx_leave", {}, "20", first)
    one.send(topic, "phx_join", {"config": {}}, "21", "21")
    assert one.reply("21").payload == JOINED
    two.join(name)
    two.broadcast(name, "e", {"a": 1})
    assert one.heard().body == {"a": 1}


def test_what_is_sent_before_the_join_is_answered_is_not_lost(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    two.join(name, opens(name), private=True)
    one.start_join(name, token(app_metadata={"conversations": []}), broadcast={"ack": True})
    refs = [one.broadcast(name, "e", {"n": number}) for number in range(3)]
    for ref in refs:
        one.ack(ref)
    # And in a private channel, whose permissions have to be looked up.
    bearer, id = user(), fresh("c")
    private = f"conversation:{id}"
    member = token(bearer, app_metadata={"conversations": [id]})
    two.join(private, member, private=True)
    one.start_join(private, member, private=True, broadcast={"ack": True})
    for number in range(3):
        one.broadcast(private, "e", {"n": number})
    assert [two.heard(private).body["n"] for _ in range(3)] == [0, 1, 2]


def test_a_message_right_after_the_join_was_answered_is_delivered(dial, v):
    one, two = dial(v), dial(v)
    for _ in range(20):
        topic = fresh()
        two.join(topic)
        one.join(topic)
        two.broadcast(topic, "e", {"topic": topic})
        assert one.heard().body == {"topic": topic}


def test_a_private_and_a_public_channel_of_one_name_are_two(dial, v):
    topic = fresh()
    one, two, three = dial(v), dial(v), dial(v)
    one.join(topic, opens(topic), private=True)
    two.join(topic, broadcast={"ack": True})
    three.join(topic, opens(topic), private=True, broadcast={"ack": True})
    assert two.ack(two.broadcast(topic, "e", {"public": True}))["receivers"] == 0
    assert three.ack(three.broadcast(topic, "e", {"public": False}))["receivers"] == 1
    assert one.heard().body == {"public": False} and not one.waiting


# What is malformed.


def test_malformed_messages_are_passed_over_and_the_socket_stays(dial, v):
    one, topic = dial(v), fresh()
    one.join(topic, broadcast={"self": True})
    wire = "realtime:" + topic
    bad = [
        "", "{", "nonsense", "null", "5", "[]", "{}", "[1,2,3]", '["1","2","realtime:x"]', '{"topic":"realtime:x"}', '"' + "[" * 500,
        "[" * 2000 + "]" * 2000, json.dumps(one.wire("1", "2", 5, "phx_join", {})), json.dumps(one.wire("1", "2", wire, None, {})),
        json.dumps(one.wire("1", {"a": 1}, wire, "broadcast", {})), json.dumps(one.wire("1", "2", wire, "broadcast", {})),
        json.dumps(one.wire("1", "2", wire, "broadcast", None)), json.dumps(one.wire("1", "2", wire, "broadcast", [])),
        json.dumps(one.wire("1", "2", wire, "broadcast", {"event": 7, "payload": {}})), '\ufeff{"a":"\\ud800"}',
        json.dumps(one.wire("1", "2", "realtime:" + "x" * 600, "phx_join", {"config": {}})),
    ]
    for text in bad:
        one.raw(text)
    one.heartbeat()
    assert all(frame.payload.get("status") == "error" for frame in one.waiting), list(one.waiting)
    one.waiting.clear()
    one.broadcast(topic, "e", {"still": "here"})
    assert one.heard().body == {"still": "here"}


def test_malformed_binary_messages_are_passed_over_and_the_socket_stays(dial, v):
    one, topic = dial(v), fresh()
    one.join(topic, broadcast={"self": True})
    good = kind3(one.join_refs[topic], "5", "realtime:" + topic, "e", {"n": 1}, {"id": "a"})
    bad = [good[:length] for length in range(0, len(good), 3)] + [
        b"\x07abc", b"\x03\xff\xff\xff\xff\xff\x01", bytes([3, 0, 0, 255, 0, 0, 1]) + b"x", bytes([0]), bytes([1, 1, 1, 1]),
        kind3("1", "5", "realtime:" + topic, "e", b"{nonsense", encoding=1), kind3("1", "5", "realtime:" + topic, "e", {}, encoding=9),
        kind3("1", "5", b"realtime:\xff\xfe", "e", {}), kind3("1", "5", "realtime:" + topic, b"\xc3", {}),
        kind3("1", "5", "realtime:" + topic, "e", b"", encoding=1),
    ]
    for data in bad:
        one.raw(data)
    one.heartbeat()
    assert all(frame.payload.get("status") == "error" for frame in one.waiting), list(one.waiting)
    one.waiting.clear()
    one.broadcast(topic, "e", {"still": "here"})
    assert one.heard().body == {"still": "here"}


def test_a_frame_beyond_the_limit_ends_the_socket_and_no_other(dial, v):
    one, two, topic = dial(v), dial(v), fresh()
    two.join(topic, broadcast={"self": True})
    one.raw(" " * 5_000_001)
    assert one.closed() == 1009
    two.broadcast(topic, "e", {})
    two.heard()


def test_a_message_may_come_in_pieces_with_pings_between(dial, v):
    one, topic = dial(v), fresh()
    text = json.dumps(one.wire("1", "1", "realtime:" + topic, "phx_join", {"config": {}}))

    def pieces():
        for at in range(0, len(text), 7):
            yield text[at:at + 7]

    one.ws.send(pieces())
    assert one.next().payload == JOINED
    assert one.ws.ping().wait(20)


@pytest.mark.parametrize("data,code", [
    (b"\x81\x82\0\0\0\0\xff\xfe", 1007), (b"\x81\x02{}", 1002), (b"\xc1\x80\0\0\0\0", 1002), (b"\x83\x80\0\0\0\0", 1002),
    (b"\x89\xfe\x01\x00\0\0\0\0", 1002), (b"\x80\x80\0\0\0\0", 1002), (b"\x88\x82\0\0\0\0\x03\xe8", 1000),
], ids=["no-utf8", "unmasked", "reserved-bit", "unknown-opcode", "long-ping", "continues-nothing", "close"])
def test_what_the_frames_forbid_ends_the_socket_with_its_code(dial, data, code):
    one = dial(2)
    with one.ws.protocol_mutex:
        one.ws.socket.sendall(data)
    assert one.closed() == code


# Limits.


def test_a_socket_has_a_hundred_channels(dial, v):
    one, prefix = dial(v), fresh()
    for number in range(100):
        one.start_join(f"{prefix}-{number}")
    one.heartbeat()
    assert all(frame.payload == JOINED for frame in one.waiting) and len(one.waiting) == 100
    one.waiting.clear()
    assert one.refused(f"{prefix}-100") == "ChannelRateLimitReached: Too many channels"
    one.leave(f"{prefix}-0")
    one.join(f"{prefix}-100")


def test_too_many_messages_close_the_channel_and_no_other(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    join_ref = one.start_join(name)
    one.reply(join_ref)
    two.join(fresh())
    for number in range(600):
        one.broadcast(name, "e", {"n": number})
    assert one.until("system").json == one.wire(join_ref, None, "realtime:" + name, "system", {
        "message": "Too many messages per second", "status": "error", "extension": "system", "channel": name})
    assert one.until("phx_close").ref == join_ref
    two.heartbeat()


def test_too_many_joins_end_the_socket(dial, v):
    one, name = dial(v), fresh()
    for number in range(600):
        try:
            one.start_join(name)
        except Exception:
            break
    assert one.closed() == 1001
    refused = [frame for frame in one.waiting if frame.event == "phx_reply" and frame.payload["status"] == "error"]
    assert refused[-1].payload == error("ClientJoinRateLimitReached: Too many joins per second")
