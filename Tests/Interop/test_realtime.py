"""Realtime, frame by frame, in both versions of the protocol: what a client sends and exactly what comes back."""

import http.client
import json
import time

import httpx
import pytest
from conftest import Host, token
from phoenix import Phoenix, check_meta, fresh, kind3, opens, user
from websockets.exceptions import InvalidStatus

KEY = "sb_publishable_test_0123456789abcdef"


@pytest.fixture(scope="module")
def host():
    host = Host("swiftlet", "--address-limit", "none", env={"SUPABASE_PUBLISHABLE_KEY": KEY})
    yield host
    assert host.stop() == 0


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def v(request):
    return request.param


@pytest.fixture
def dial(host):
    """Opens sockets, and closes them after the test."""
    opened = []

    def dial(version=2, key=None, **options):
        opened.append(Phoenix(host, version, key, **options))
        return opened[-1]

    yield dial
    for one in opened:
        one.ws.close()


def ok(response=None):
    return {"status": "ok", "response": {} if response is None else response}


def error(reason):
    return {"status": "error", "response": {"reason": reason}}


JOINED = ok({"postgres_changes": []})


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


# Broadcasts.


def test_a_broadcast_arrives_exactly(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    one.join(name)
    two.join(name)
    body = {"text": "Grüße 👋 \u0000 \"\\", "n": [1, 2.5, None, True, {"a": {}}], "big": 2 ** 53}
    one.broadcast(name, "shout", body)
    heard = two.next()
    meta = check_meta(heard.payload["meta"])
    assert heard.payload == {"type": "broadcast", "event": "shout", "payload": body, "meta": meta}
    if v == 1:
        assert heard.json == two.wire(None, None, "realtime:" + name, "broadcast", heard.payload)
    else:
        assert heard.is_binary and heard.topic == "realtime:" + name
    one.broadcast(name, "shout", {})
    assert two.next().meta["offset"] == meta["offset"] + 1


def test_members_beside_the_payload_are_relayed_but_meta_is_the_hosts(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    one.join(name)
    two.join(name)
    one.broadcast(name, "e", {}, id="my-id-1", trace={"a": [1]}, meta={"id": "forged", "replayed": True})
    heard = two.next()
    meta = check_meta(heard.meta)
    assert meta["id"] == "my-id-1"
    assert heard.json == two.wire(None, None, "realtime:" + name, "broadcast", {
        "type": "broadcast", "event": "e", "payload": {}, "id": "my-id-1", "trace": {"a": [1]}, "meta": meta})


@pytest.mark.parametrize("hears", [True, False])
@pytest.mark.parametrize("acks", [True, False])
def test_self_and_ack(dial, v, hears, acks):
    one, two, name = dial(v), dial(v), fresh()
    two.join(name)
    one.join(name, broadcast={"self": hears, "ack": acks})
    ref = one.broadcast(name, "e", {"n": 1})
    meta = two.heard().meta
    if acks:
        expected = {"id": meta["id"], "offset": meta["offset"], "receivers": 2 if hears else 1}
        assert one.reply(ref).json == one.wire(
            one.join_refs[name] if v == 2 else None, ref, "realtime:" + name, "phx_reply", ok(expected))
    if hears:
        assert one.heard().payload == {"type": "broadcast", "event": "e", "payload": {"n": 1}, "meta": meta}
    # What the other says comes behind whatever came of the first.
    two.broadcast(name, "e", {"n": 2})
    assert one.heard().body == {"n": 2}
    one.heartbeat()
    assert not one.waiting


def test_a_text_broadcast_of_the_second_version_counts_too(dial):
    one, two, name = dial(2), dial(2), fresh()
    one.join(name, broadcast={"ack": True})
    two.join(name)
    one.ack(one.broadcast(name, "e", {"n": 1}, text=True))
    assert two.heard().body == {"n": 1}


def test_versions_hear_each_other(dial):
    one, two, name = dial(1), dial(2), fresh()
    one.join(name)
    two.join(name)
    one.broadcast(name, "e", {"from": 1})
    heard = two.next()
    assert heard.body == {"from": 1} and heard.payload["event"] == "e" and heard.encoding == 1
    two.broadcast(name, "e", {"from": 2})
    heard = one.next()
    assert heard.json == one.wire(None, None, "realtime:" + name, "broadcast", {
        "type": "broadcast", "event": "e", "payload": {"from": 2}, "meta": heard.meta})


def test_bytes_reach_the_second_version_and_not_the_first(dial):
    one, two, three, name = dial(1), dial(2), dial(2), fresh()
    for each in (one, two, three):
        each.join(name)
    data = bytes(range(256)) * 8
    three.broadcast(name, "raw", data)
    three.broadcast(name, "e", {"after": True})
    heard = two.next()
    check_meta(heard.meta)
    assert heard.is_binary and heard.encoding == 0 and heard.body == data and heard.payload["event"] == "raw"
    assert two.next().body == {"after": True}
    assert one.next().body == {"after": True}


def test_a_broadcast_without_a_join_ref_or_with_an_old_one_counts(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    one.join(name)
    two.join(name)
    topic = "realtime:" + name
    for number, join_ref in enumerate([None, "999"]):
        one.send(topic, "broadcast", {"type": "broadcast", "event": "e", "payload": {"n": number}}, None, join_ref)
        assert two.heard().body == {"n": number}
    if v == 2:
        one.raw(kind3("", "", topic, "e", {"n": 3}))
        assert two.heard().body == {"n": 3}


@pytest.mark.parametrize("topic_bytes,event_bytes", [(255, 5), (256, 5), (30, 255), (30, 256), (512, 512)])
def test_long_topics_and_events_arrive(dial, v, topic_bytes, event_bytes):
    one, two = dial(v), dial(v)
    name = fresh()
    name += "x" * (topic_bytes - len("realtime:" + name))
    event = "e" * event_bytes
    one.join(name)
    two.join(name)
    one.broadcast(name, event, {"n": 1}, text=topic_bytes > 255 or event_bytes > 255)
    heard = two.next()
    assert heard.topic == "realtime:" + name and heard.payload["event"] == event and heard.body == {"n": 1}
    check_meta(heard.meta)
    assert heard.is_binary == (v == 2 and topic_bytes <= 255 and event_bytes <= 255)


def test_an_empty_topic_in_a_binary_frame_is_no_topic(dial):
    one = dial(2)
    one.raw(kind3("1", "2", "", "e", {}))
    assert one.next().json == one.wire("1", "2", "", "phx_reply", error("unmatched topic"))


def test_an_empty_event_arrives(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    one.join(name)
    two.join(name)
    one.broadcast(name, "", {"n": 1})
    one.broadcast(name, "e", {"n": 2})
    heard = two.next()
    assert (heard.payload["event"], heard.body) in [("", {"n": 1}), ("e", {"n": 2})]


@pytest.mark.parametrize("part", ["Комната:дверь", "👩‍👩‍👧 salle", "e\u0301", "a/b?c#d%20", 'quote"\\'])
def test_a_topic_may_be_any_text(dial, v, part):
    one, two, name = dial(v), dial(v), fresh() + part
    one.join(name, broadcast={"ack": True})
    two.join(name)
    assert one.ack(one.broadcast(name, part, {"n": part}))["receivers"] == 1
    heard = two.next()
    assert (heard.topic, heard.payload["event"], heard.body) == ("realtime:" + name, part, {"n": part})


def test_two_spellings_of_a_letter_are_two_topics(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    one.join(name + "\u00e9", broadcast={"ack": True})
    two.join(name + "e\u0301")
    assert one.ack(one.broadcast(name + "\u00e9", "e", {}))["receivers"] == 0


def test_too_large_a_payload_is_told_to_those_who_asked(dial, v):
    one, two, asked, silent = dial(v), dial(v), fresh(), fresh()
    two.join(asked)
    two.join(silent)
    one.join(asked, broadcast={"ack": True})
    one.join(silent)
    large = {"text": "x" * 3_000_000}
    one.broadcast(silent, "e", large)
    ref = one.broadcast(asked, "e", large)
    reply = one.next()
    assert reply.ref == ref and reply.payload["status"] == "error"
    assert reply.payload["response"]["error"] == "payload_size_exceeded"
    one.broadcast(silent, "e", {"small": 1})
    assert two.heard().body == {"small": 1}


def test_a_large_payload_arrives(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    one.join(name, broadcast={"ack": True})
    two.join(name)
    body = {"text": "x" * 2_900_000}
    one.ack(one.broadcast(name, "e", body))
    assert two.next().body == body
    one.ack(one.broadcast(name, "e", {"n": 1}))
    assert two.next().body == {"n": 1}


def test_a_message_with_an_id_is_delivered_once(dial, v):
    bearer = token(user())
    one, two, name = dial(v, bearer), dial(v), fresh()
    one.join(name, broadcast={"ack": True})
    two.join(name)
    first = one.ack(one.broadcast(name, "e", {"n": 1}, id="order-1"))
    again = one.ack(one.broadcast(name, "e", {"n": 1}, id="order-1"))
    assert first["id"] == again["id"] == "order-1" and first["offset"] == again["offset"] and again.get("duplicate") is True
    one.ack(one.broadcast(name, "e", {"n": 2}, id="order-2"))
    assert [two.heard().body["n"] for _ in range(2)] == [1, 2]
    # Another user's id is another id.
    three = dial(v, token(user()))
    three.join(name, broadcast={"ack": True})
    assert "duplicate" not in three.ack(three.broadcast(name, "e", {"n": 3}, id="order-1"))


def test_all_of_a_topic_hear_everything_in_one_order(dial, v):
    name, count = fresh(), 30
    everybody = [dial(version) for version in (1, 2, v)]
    for one in everybody:
        one.join(name, broadcast={"self": True})
    for number in range(count):
        for index, one in enumerate(everybody):
            one.broadcast(name, "e", {"from": index, "n": number})
    heard = [[one.heard() for _ in range(3 * count)] for one in everybody]
    orders = [[(frame.meta["offset"], frame.body["from"], frame.body["n"]) for frame in frames] for frames in heard]
    assert orders[0] == orders[1] == orders[2]
    offsets = [entry[0] for entry in orders[0]]
    assert offsets == list(range(offsets[0], offsets[0] + 3 * count))
    for index in range(3):
        assert [entry[2] for entry in orders[0] if entry[1] == index] == list(range(count))


# Presence.


def here(frame, key):
    """The only meta under a key, without what the host adds; and its reference."""
    (meta,) = frame[key]["metas"]
    fields = dict(meta)
    return fields, fields.pop("phx_ref")


def test_presence_is_told_exactly(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    topic = "realtime:" + name
    on = {"enabled": True}
    two.join(name, presence={**on, "key": "second"})
    assert two.next().payload == {}
    one.join(name, presence={**on, "key": "first"})
    one.until("presence_state")
    ref = one.push(name, "presence", {"type": "presence", "event": "track", "payload": {"mood": "gut", "phx": 1}})
    diff = two.next()
    fields, phx_ref = here(diff.payload["joins"], "first")
    assert fields == {"mood": "gut", "phx": 1} and 1 <= len(phx_ref) <= 32
    assert diff.json == two.wire(None, None, topic, "presence_diff", {
        "joins": {"first": {"metas": [{"phx_ref": phx_ref, "mood": "gut", "phx": 1}]}}, "leaves": {}})
    # The one who tracks hears of it too, and is answered.
    assert one.reply(ref).json == one.wire(one.join_refs[name] if v == 2 else None, ref, topic, "phx_reply", ok())
    assert one.until("presence_diff").payload == diff.payload
    # The same again says nothing to anybody; a change is one diff.
    one.reply(one.push(name, "presence", {"type": "presence", "event": "TRACK", "payload": {"mood": "gut", "phx": 1}}))
    one.reply(one.push(name, "presence", {"type": "presence", "event": "track", "payload": {"mood": "müde"}}))
    diff = two.next()
    (joined,), (gone,) = diff.payload["joins"]["first"]["metas"], diff.payload["leaves"]["first"]["metas"]
    assert joined["mood"] == "müde" and joined["phx_ref_prev"] == phx_ref and joined["phx_ref"] != phx_ref
    assert gone == {"phx_ref": phx_ref, "mood": "gut", "phx": 1}
    assert set(joined) == {"mood", "phx_ref", "phx_ref_prev"} and set(diff.payload) == {"joins", "leaves"}
    # Who comes later gets the state, then differences.
    three = dial(v)
    three.join(name, presence=on)
    state = three.next()
    assert state.json == three.wire(three.join_refs[name], None, topic, "presence_state", {
        "first": {"metas": [{"phx_ref": joined["phx_ref"], "mood": "müde"}]}})
    one.reply(one.push(name, "presence", {"type": "presence", "event": "untrack"}))
    for each in (two, three):
        diff = each.next()
        assert diff.event == "presence_diff" and diff.payload["joins"] == {}
        assert diff.payload["leaves"]["first"]["metas"][0]["phx_ref"] == joined["phx_ref"]


def test_a_presence_ends_with_its_channel_and_its_socket(dial, v):
    watcher, name = dial(v), fresh()
    watcher.join(name, presence={"enabled": True})
    for way in ("leave", "close", "kill"):
        one = dial(v)
        one.join(name, presence={"enabled": True, "key": way})
        one.reply(one.push(name, "presence", {"type": "presence", "event": "track", "payload": {}}))
        assert way in watcher.until("presence_diff").payload["joins"]
        {"leave": lambda: one.leave(name), "close": one.ws.close, "kill": one.kill}[way]()
        diff = watcher.until("presence_diff").payload
        assert set(diff["leaves"]) == {way} and diff["joins"] == {}


def test_two_tabs_are_two_metas_of_one_key(dial, v):
    watcher, name = dial(v), fresh()
    watcher.join(name, presence={"enabled": True})
    tabs = [dial(v), dial(v)]
    for number, tab in enumerate(tabs):
        tab.join(name, presence={"enabled": True, "key": "me"})
        tab.reply(tab.push(name, "presence", {"type": "presence", "event": "track", "payload": {"tab": number}}))
        watcher.until("presence_diff")
    late = dial(v)
    late.join(name, presence={"enabled": True})
    metas = late.until("presence_state").payload["me"]["metas"]
    assert sorted(meta["tab"] for meta in metas) == [0, 1] and len({meta["phx_ref"] for meta in metas}) == 2
    tabs[0].leave(name)
    left = watcher.until("presence_diff").payload["leaves"]["me"]["metas"]
    assert [meta["tab"] for meta in left] == [0]
    again = dial(v)
    again.join(name, presence={"enabled": True})
    assert [meta["tab"] for meta in again.until("presence_state").payload["me"]["metas"]] == [1]


def test_without_a_key_everyone_is_somebody(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    for each in (one, two):
        each.join(name, presence={"enabled": True, "key": ""})
        each.reply(each.push(name, "presence", {"type": "presence", "event": "track", "payload": {}}))
    late = dial(v)
    late.join(name, presence={"enabled": True})
    assert len(late.until("presence_state").payload) == 2


def test_tracking_turns_presence_on(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    two.join(name, presence={"enabled": True, "key": "b"})
    two.reply(two.push(name, "presence", {"type": "presence", "event": "track", "payload": {"b": 1}}))
    one.join(name, presence={"key": "a"})
    one.reply(one.push(name, "presence", {"type": "presence", "event": "track", "payload": {}}))
    state = one.until("presence_state")
    assert set(state.payload) - {"a"} == {"b"}
    if "a" not in state.payload:
        assert set(one.until("presence_diff").payload["joins"]) == {"a"}


def test_who_did_not_ask_for_presence_does_not_hear_it(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    one.join(name)
    two.join(name, presence={"enabled": True, "key": "b"})
    two.reply(two.push(name, "presence", {"type": "presence", "event": "track", "payload": {}}))
    two.broadcast(name, "e", {})
    assert one.next().event == "broadcast"


def test_what_is_no_presence_is_refused(dial, v):
    one, name = dial(v), fresh()
    one.join(name, presence={"enabled": True})
    one.until("presence_state")
    for payload, reason in [
        ({"type": "presence", "event": "track", "payload": "x"}, "Presence track payload must be a map"),
        ({"type": "presence", "event": "track", "payload": [1]}, "Presence track payload must be a map"),
        ({"type": "presence", "event": "dance", "payload": {}}, None), ({}, None),
    ]:
        reply = one.reply(one.push(name, "presence", payload))
        assert reply.payload["status"] == "error" and reason in (None, reply.payload["response"]["reason"])


def test_the_sixth_call_of_presence_closes_the_channel_and_no_other(dial, v):
    one, name, other = dial(v), fresh(), fresh()
    join_ref = one.start_join(name, presence={"enabled": True, "key": "k"})
    one.reply(join_ref)
    one.join(other, broadcast={"self": True})
    for number in range(5):
        assert one.reply(one.push(name, "presence", {"type": "presence", "event": "track", "payload": {"n": number}})).payload == ok()
    one.push(name, "presence", {"type": "presence", "event": "track", "payload": {"n": 6}})
    system = one.until("system")
    topic = "realtime:" + name
    assert system.json == one.wire(join_ref, None, topic, "system", {
        "message": "Client presence rate limit exceeded", "status": "error", "extension": "system", "channel": name})
    assert one.until("phx_close").json == one.wire(join_ref, join_ref, topic, "phx_close", {})
    one.broadcast(other, "e", {"n": 1})
    assert one.heard(other).body == {"n": 1}


# Private channels and tokens.


def test_who_may_not_read_a_private_channel_is_refused(dial, v):
    one, name = dial(v), fresh()
    bearers = [None, token(user()), opens("other"), opens(name, permissions=[]), opens(name, permissions=["broadcast:write"]),
               token(user(), realtime="all"), token(user(), realtime={"channels": {name: "broadcast:read"}})]
    for bearer in bearers:
        ref = one.start_join(name, bearer, private=True)
        reason = f"Unauthorized: You do not have permissions to read from this Channel topic: {name}"
        assert one.next().json == one.wire(ref, ref, "realtime:" + name, "phx_reply", error(reason))
    # In public it is open to all.
    one.join(name)


def test_a_refusal_keeps_nobody_waiting(dial, v):
    one, name = dial(v), fresh()
    one.join(name, broadcast={"self": True})
    began = time.monotonic()
    for _ in range(5):
        one.refused(fresh(), private=True)
    one.broadcast(name, "e", {})
    one.heard()
    one.heartbeat()
    # Each took five seconds where joins wait for one another.
    assert time.monotonic() - began < 10


def test_membership_opens_a_conversation(dial, v):
    id = fresh("c")
    members = [token(user(), app_metadata={"conversations": conversations}) for conversations in ([id], {id: "write"}, ["*"])]
    for topic in (f"conversation:{id}", f"typing:{id}", f"presence:{id}"):
        everybody = [dial(v) for _ in members]
        for one, bearer in zip(everybody, members):
            one.join(topic, bearer, private=True)
        everybody[0].broadcast(topic, "e", {"n": 1})
        assert everybody[1].heard(topic).body == everybody[2].heard(topic).body == {"n": 1}
    one = dial(v)
    assert one.refused(f"conversation:{fresh('c')}", members[0], private=True).startswith("Unauthorized: ")
    assert one.refused(f"conversation:{id}", token(user(), app_metadata={"conversations": []}), private=True)


def test_the_handshakes_token_serves_where_a_join_has_none(dial, v):
    name = fresh()
    dial(v, opens(name)).join(name, private=True)


def test_one_who_may_only_read_is_heard_by_nobody(dial, v):
    reader, writer, name = dial(v), dial(v), fresh()
    reader.join(name, opens(name, permissions=["broadcast:read", "presence:read"]), private=True, broadcast={"ack": True},
                presence={"enabled": True})
    writer.join(name, opens(name), private=True, presence={"enabled": True})
    ref = reader.broadcast(name, "e", {"n": 1})
    writer.broadcast(name, "e", {"n": 2})
    assert reader.heard().body == {"n": 2}
    # Silent in the original; an answer is told apart from a timeout.
    answered = [frame for frame in reader.waiting if frame.ref == ref]
    assert all(frame.payload["status"] == "error" for frame in answered)
    assert reader.reply(reader.push(name, "presence", {"type": "presence", "event": "track", "payload": {}})).payload["status"] == "error"
    reader.leave(name)
    writer.heartbeat()
    assert not [frame for frame in writer.waiting if frame.event in ("broadcast", "presence_diff")]


def test_one_who_may_only_see_who_is_there_hears_no_broadcast(dial, v):
    watcher, writer, name = dial(v), dial(v), fresh()
    watcher.join(name, opens(name, permissions=["presence:read"]), private=True, presence={"enabled": True})
    writer.join(name, opens(name), private=True, presence={"enabled": True, "key": "w"}, broadcast={"ack": True})
    assert watcher.next().event == "presence_state"
    assert writer.ack(writer.broadcast(name, "e", {}))["receivers"] == 0
    writer.reply(writer.push(name, "presence", {"type": "presence", "event": "track", "payload": {}}))
    assert watcher.next().event == "presence_diff"


def test_one_who_may_not_see_presence_hears_none(dial, v):
    reader, writer, name = dial(v), dial(v), fresh()
    reader.join(name, opens(name, permissions=["broadcast:read"]), private=True, presence={"enabled": True})
    writer.join(name, opens(name), private=True, presence={"enabled": True, "key": "w"})
    writer.reply(writer.push(name, "presence", {"type": "presence", "event": "track", "payload": {"secret": 1}}))
    writer.broadcast(name, "e", {})
    assert reader.next().event == "broadcast"


def test_tokens_of_a_join_are_verified_even_in_public(dial, v):
    one, name = dial(v), fresh()
    assert one.refused(name, token(secret=b"x" * 40)) == "JwtSignatureError: Failed to validate JWT signature"
    assert one.refused(name, "abc") == "MalformedJWT: The token provided is not a valid JWT"
    assert one.refused(name, token(role=None)) == "InvalidJWTToken: Fields `role` and `exp` are required in JWT"
    reason = one.refused(name, token(exp=int(time.time()) - 100))
    words = reason.removeprefix("InvalidJWTToken: Token has expired ").removesuffix(" seconds ago")
    assert 100 <= int(words) < 200
    # A key of the project is none, and the handshake's token counts.
    one.join(name, "sb_publishable_whatever")


def test_a_token_that_ends_closes_its_channel_and_not_the_socket(dial):
    """Both versions at once: it takes as long as the token lives."""
    both = [dial(1), dial(2)]
    names = [fresh(), fresh()]
    for one, name in zip(both, names):
        one.join(name, token(exp=int(time.time()) + 2), broadcast={"self": True})
        one.join("stays-" + name, broadcast={"self": True})
    for one, name in zip(both, names):
        system = one.until("system")
        message = system.payload["message"]
        assert message.startswith("Token has expired ") and message.endswith(" seconds ago")
        join_ref = one.join_refs[name]
        assert system.json == one.wire(join_ref, None, "realtime:" + name, "system", {
            "message": message, "status": "error", "extension": "system", "channel": name})
        assert one.next().json == one.wire(join_ref, join_ref, "realtime:" + name, "phx_close", {})
        one.broadcast("stays-" + name, "e", {})
        one.heard("stays-" + name)


def test_a_new_token_is_taken_without_an_answer(dial):
    """A channel outlives the token it was joined with."""
    both, name = [dial(1), dial(2)], fresh()
    who = user()
    for one in both:
        one.join(name, opens(name, sub=who, exp=int(time.time()) + 2), private=True, broadcast={"self": True})
    canary = dial(2)
    canary.join(fresh(), token(exp=int(time.time()) + 3))
    for one in both:
        for fresh_token in (None, "sb_publishable_x", opens(name, sub=who)):
            one.push(name, "access_token", {"access_token": fresh_token})
        one.heartbeat()
        assert not one.waiting
    # When another's token of a later end is over, theirs would have been.
    canary.until("system")
    for one in both:
        one.heartbeat()
        assert not one.waiting, list(one.waiting)
        one.broadcast(name, "e", {"n": 1})
    for one in both:
        assert one.heard(name).body == {"n": 1}


def test_a_new_token_that_may_not_read_closes_the_channel(dial, v):
    one, name = dial(v), fresh()
    who = user()
    join_ref = one.start_join(name, opens(name, sub=who), private=True)
    one.reply(join_ref)
    one.push(name, "access_token", {"access_token": opens("other", sub=who)})
    message = f"You no longer have permission to read from this Channel topic: {name}"
    topic = "realtime:" + name
    assert one.next().json == one.wire(join_ref, None, topic, "system", {
        "message": message, "status": "error", "extension": "system", "channel": name})
    assert one.next().json == one.wire(join_ref, join_ref, topic, "phx_close", {})
    one.send(topic, "broadcast", {"type": "broadcast", "event": "e", "payload": {}}, "50")
    assert one.reply("50").payload == error("unmatched topic")


def test_a_new_token_that_may_not_write_silences_its_bearer(dial, v):
    one, two, name = dial(v), dial(v), fresh()
    one.join(name, opens(name), private=True)
    two.join(name, opens(name), private=True)
    one.push(name, "access_token", {"access_token": opens(name, permissions=["broadcast:read", "presence:read"])})
    one.broadcast(name, "e", {"n": 1})
    one.heartbeat()
    two.broadcast(name, "e", {"n": 2})
    assert one.heard().body == {"n": 2}
    two.heartbeat()
    assert not [frame for frame in two.waiting if frame.event == "broadcast"]


@pytest.mark.parametrize("bearer,message", [
    (lambda: token(exp=int(time.time()) - 30), "Token has expired "), (lambda: "a.b.c", "The token provided is not a valid JWT"),
    (lambda: token(role=None), "Fields `role` and `exp` are required in JWT")])
def test_a_new_token_that_is_none_closes_even_a_public_channel(dial, v, bearer, message):
    one, name = dial(v), fresh()
    one.join(name)
    one.push(name, "access_token", {"access_token": bearer()})
    system = one.next()
    assert system.event == "system" and system.payload["message"].startswith(message) and system.payload["status"] == "error"
    assert one.next().event == "phx_close"


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


# What was missed.


def test_replay_by_time_gives_the_newest_oldest_first(dial, v):
    name = fresh()
    writer = dial(v)
    writer.join(name, opens(name), private=True, broadcast={"ack": True})
    begin = int(time.time() * 1000) - 1000
    sent = [writer.ack(writer.broadcast(name, "e", {"n": number})) for number in range(40)]
    for replay, expected in [({"since": begin}, range(15, 40)), ({"since": begin, "limit": 3}, range(37, 40)),
                             ({"since": begin, "limit": 1000}, range(15, 40)), ({"since": int(time.time() * 1000) + 60_000}, [])]:
        one = dial(v)
        ref = one.start_join(name, opens(name), private=True, broadcast={"replay": replay}, presence={"enabled": True})
        assert one.next().ref == ref
        got = []
        while (frame := one.next()).event == "broadcast":
            got.append((frame.body["n"], check_meta(frame.meta, replayed=True)["offset"], frame.meta["id"]))
        # Then the state.
        assert frame.event == "presence_state"
        assert got == [(number, sent[number]["offset"], sent[number]["id"]) for number in expected]
    one.broadcast(name, "e", {"n": "live"})
    check_meta(writer.heard().meta)


def test_replay_by_place_is_exact(dial, v):
    name = fresh()
    writer, reader = dial(v), dial(v)
    writer.join(name, opens(name), private=True, broadcast={"ack": True})
    reader.join(name, opens(name), private=True)
    for number in range(60):
        writer.broadcast(name, "e", {"n": number})
    metas = [reader.heard().meta for _ in range(60)]
    for place in (0, 10, 58, 59):
        one = dial(v)
        response = one.join(name, opens(name), private=True, broadcast={
            "replay": {"offset": metas[place]["offset"], "epoch": metas[place]["epoch"]}})
        missed = 59 - place
        assert response == {"postgres_changes": [], "recovery": {
            "complete": True, "replayed": missed, "offset": metas[-1]["offset"], "epoch": metas[-1]["epoch"]}}
        frames = [one.next() for _ in range(missed)]
        assert [frame.meta["offset"] for frame in frames] == [meta["offset"] for meta in metas[place + 1:]]
        assert [frame.meta["id"] for frame in frames] == [meta["id"] for meta in metas[place + 1:]]
        assert all(check_meta(frame.meta, replayed=True) for frame in frames)
    # Places that are none: the client is told to load again.
    for replay in ({"offset": metas[0]["offset"], "epoch": "elsewhere"}, {"offset": metas[-1]["offset"] + 5, "epoch": metas[0]["epoch"]}):
        one = dial(v)
        response = one.join(name, opens(name), private=True, broadcast={"replay": replay})
        assert response["recovery"]["complete"] is False and response["recovery"]["replayed"] == 0
        assert one.until("system").payload["status"] == "ok"


def test_what_cannot_be_replayed_is_refused(dial, v):
    one, name = dial(v), fresh()
    now = int(time.time() * 1000)
    for replay in ({}, {"since": "yesterday"}, {"since": now, "limit": "x"}, {"offset": 5}, 7):
        reason = one.refused(name, opens(name), private=True, broadcast={"replay": replay})
        assert reason == "UnableToReplayMessages: Replay params are not valid", replay
    assert one.refused(name, broadcast={"replay": {"since": now}}) == (
        "UnableToReplayMessages: Replay is not allowed for public channels")


@pytest.mark.parametrize("private", [True, False], ids=["private", "public"])
def test_who_was_cut_off_gets_what_was_missed(dial, v, private):
    name, who = fresh(), user()
    bearer = opens(name, sub=who, session_id="s1")
    writer, one = dial(v), dial(v)
    writer.join(name, opens(name), private=private, broadcast={"ack": True})
    one.join(name, bearer, private=private)
    for number in range(10):
        writer.broadcast(name, "e", {"n": number})
    seen = {one.heard().meta["offset"] for _ in range(10)}
    last = one._ref
    one.kill()
    while writer.ack(writer.broadcast(name, "e", {"n": "gap"}))["receivers"]:
        pass
    for number in range(10, 20):
        end = writer.ack(writer.broadcast(name, "e", {"n": number}))["offset"]
    back = dial(v)
    back._ref = last
    response = back.join(name, bearer, private=private)
    assert set(response) == {"postgres_changes", "recovery"} and set(response["recovery"]) == {"complete", "replayed", "offset", "epoch"}
    assert response["recovery"]["complete"] is True and response["recovery"]["offset"] == end
    replayed = [back.next() for _ in range(response["recovery"]["replayed"])]
    assert all(check_meta(frame.meta, replayed=True) for frame in replayed)
    offsets = [frame.meta["offset"] for frame in replayed]
    assert offsets == list(range(offsets[0], end + 1))
    assert sorted(seen | set(offsets)) == list(range(min(seen), end + 1))
    writer.broadcast(name, "e", {"n": "live"})
    assert check_meta(back.next().meta)["offset"] == end + 1


def test_who_comes_back_does_not_hear_itself(dial, v):
    name, who = fresh(), user()
    bearer = opens(name, sub=who, session_id="s1")
    other, one = dial(v), dial(v)
    other.join(name, opens(name), private=True, broadcast={"ack": True})
    one.join(name, bearer, private=True, broadcast={"ack": True})
    one.ack(one.broadcast(name, "e", {"own": 1}))
    last = one._ref
    one.kill()
    while other.ack(other.broadcast(name, "e", {"n": 1}))["receivers"]:
        pass
    back = dial(v)
    back._ref = last
    replayed = back.join(name, bearer, private=True, broadcast={"ack": True})["recovery"]["replayed"]
    assert {"own": 1} not in [back.next().body for _ in range(replayed)]


def test_who_left_or_is_somebody_else_gets_nothing_back(dial, v):
    name, who = fresh(), user()
    bearer = opens(name, sub=who, session_id="s1")
    writer, one, two = dial(v), dial(v), dial(v)
    writer.join(name, opens(name), private=True, broadcast={"ack": True})
    one.join(name, bearer, private=True)
    one.leave(name)
    two.join(name, opens(name, sub=who, session_id="s2"), private=True)
    last = two._ref
    two.kill()
    while writer.ack(writer.broadcast(name, "e", {}))["receivers"]:
        pass
    for ref, again in [(last + 50, bearer), (0, opens(name, sub=who, session_id="s2")), (last + 50, opens(name, sub=who, session_id="s3"))]:
        back = dial(v)
        back._ref = ref
        assert back.join(name, again, private=True) == {"postgres_changes": []}


def test_more_than_fits_the_socket_at_once_is_recovered(dial, v):
    """What was missed may be more than a client may leave unread."""
    name = fresh()
    writer, reader = dial(v), dial(v)
    writer.join(name, opens(name), private=True, broadcast={"ack": True})
    reader.join(name, opens(name), private=True)
    count = 60
    for number in range(count):
        writer.ack(writer.broadcast(name, "e", {"n": number, "text": "x" * 60_000}))
    first = reader.heard().meta
    one = dial(v)
    response = one.join(name, opens(name), private=True, broadcast={"replay": {"offset": first["offset"], "epoch": first["epoch"]}})
    assert response["recovery"]["replayed"] == count - 1
    assert [one.next().body["n"] for _ in range(count - 1)] == list(range(1, count))
    one.heartbeat()


# Broadcasts over HTTP.


def rest(host, path="", bearer=None, **request):
    headers = request.pop("headers", {})
    if bearer != "":
        headers = {"Authorization": f"Bearer {bearer or token()}", **headers}
    return httpx.post(host.url + "/realtime/v1/api/broadcast" + path, headers=headers, timeout=30, **request)


def test_a_batch_reaches_its_topics_in_order(host, dial, v):
    one, name, other = dial(v), fresh(), fresh()
    one.join(name)
    one.join(other)
    answer = rest(host, json={"messages": [
        {"topic": name, "event": "a", "payload": {"n": 1}}, {"topic": other, "event": "b", "payload": {"n": 2}, "private": False},
        {"topic": name, "event": "a", "payload": {"n": 3}}]})
    assert answer.status_code == 202 and answer.content == b""
    assert answer.headers["access-control-allow-origin"] == "*"
    first = one.heard(name)
    assert first.payload == {"type": "broadcast", "event": "a", "payload": {"n": 1}, "meta": check_meta(first.meta)}
    assert one.heard(name).body == {"n": 3} and one.heard(other).body == {"n": 2}


def test_a_batch_needs_a_token(host):
    body = {"messages": [{"topic": "t", "event": "e", "payload": {}}]}
    for bearer in ("", "abc", token(exp=int(time.time()) - 5), token(role=None)):
        answer = rest(host, bearer=bearer, json=body)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    assert rest(host, bearer="", json=body, headers={"apikey": token(None, role="anon")}).status_code == 202
    assert rest(host, bearer="", json=body, headers={"apikey": KEY}).status_code == 202


def test_a_batch_that_is_wrong_says_where(host):
    answer = rest(host, json={"messages": [{"topic": "", "event": "e", "payload": {}}, {"topic": "t", "event": "e", "payload": {}},
                                           {"topic": "t"}]})
    errors = answer.json()["errors"]["messages"]
    assert answer.status_code == 422 and set(answer.json()) == {"errors"}
    assert errors == [{"topic": ["can't be blank"]}, {}, {"event": ["can't be blank"], "payload": ["can't be blank"]}]
    for body in ({}, {"messages": []}, {"messages": 5}):
        assert rest(host, json=body).status_code == 422
    assert rest(host, content=b"{", headers={"content-type": "application/json"}).status_code == 400
    large = {"messages": [{"topic": "t", "event": "e", "payload": {"x": "x" * 3_000_000}}]}
    assert rest(host, json=large).status_code == 422


def test_what_may_not_be_written_is_passed_over_in_a_batch_and_refused_alone(host, dial, v):
    one, name = dial(v), fresh()
    one.join(name, opens(name), private=True)
    body = {"messages": [{"topic": name, "event": "e", "payload": {"n": 1}, "private": True}]}
    assert rest(host, json=body).status_code == 202
    answer = rest(host, f"/{name}/events/e?private=true", json={"n": 2})
    assert (answer.status_code, answer.json()) == (403, {"message": "Unauthorized"})
    assert rest(host, f"/{name}/events/e?private=true", opens(name, permissions=["broadcast:read"]), json={}).status_code == 403
    assert rest(host, f"/{name}/events/e", json={"n": "public"}).status_code == 202
    for bearer in (opens(name), token(None, role="service_role")):
        assert rest(host, bearer=bearer, json=body).status_code == 202
        assert rest(host, f"/{name}/events/e?private=true", bearer, json={"n": 3}).status_code == 202
        assert [one.next().body["n"] for _ in range(2)] == [1, 3]


def test_a_single_broadcast_of_json_and_of_bytes(host, dial):
    one, two, name = dial(1), dial(2), fresh() + ":ä/b"
    for each in (one, two):
        each.join(name)
    path = "/" + "".join(f"%{byte:02X}" for byte in name.encode())
    for kind in ("application/json", "application/json; charset=utf-8", "APPLICATION/JSON"):
        answer = rest(host, path + "/events/new%20one", content=b'{"n":1}', headers={"content-type": kind})
        assert answer.status_code == 202 and answer.content == b""
        for each in (one, two):
            heard = each.next()
            assert heard.payload == {"type": "broadcast", "event": "new one", "payload": {"n": 1}, "meta": check_meta(heard.meta)}
    data = bytes(range(256))
    assert rest(host, path + "/events/raw", content=data, headers={"content-type": "application/octet-stream"}).status_code == 202
    heard = two.next()
    assert heard.encoding == 0 and heard.body == data and heard.payload["event"] == "raw"
    rest(host, path + "/events/e", json={"after": 1})
    assert one.next().body == {"after": 1}


def test_a_single_broadcast_that_is_wrong_is_refused(host):
    for kind in ("text/plain", "application/xml", "multipart/form-data"):
        answer = rest(host, "/t/events/e", content=b"x", headers={"content-type": kind})
        assert answer.status_code == 415 and set(answer.json()) == {"error"}
    assert rest(host, "/t/events/e", bearer="", json={}).status_code == 401
    assert rest(host, "/%20/events/e", json={}).status_code == 422
    assert rest(host, "/t/events/%20", json={}).status_code == 422
    assert rest(host, "/t/events/e", content=b"{nonsense", headers={"content-type": "application/json"}).status_code in (400, 422)
    assert rest(host, "/t/elsewhere/e", json={}).status_code == 404
    assert httpx.get(host.url + "/realtime/v1/api/broadcast").status_code in (404, 405)


def test_broadcasts_of_one_user_are_bounded(host):
    """A batch counts for each of its messages; who is over is told when to come again, and others go on."""
    bearer, batch = token(user()), {"messages": [{"topic": fresh(), "event": "e", "payload": {}}] * 1000}
    answers = [rest(host, bearer=bearer, json=batch) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [202] * 6 + [429]
    assert answers[-1].json() == {"message": "You have exceeded your rate limit"} and int(answers[-1].headers["retry-after"]) >= 1
    assert rest(host, bearer=token(user()), json=batch).status_code == 202
    batch["messages"].append(batch["messages"][0])
    answer = rest(host, json=batch)
    assert (answer.status_code, answer.json()) == (
        429, {"message": "Too many messages to broadcast, please reduce the batch size"})


def test_pages_may_ask_before_they_broadcast(host):
    answer = httpx.options(host.url + "/realtime/v1/api/broadcast", headers={
        "Origin": "https://app.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, apikey, content-type, x-client-info"})
    assert answer.status_code in (200, 204) and answer.headers["access-control-allow-origin"] == "*"
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "apikey", "content-type", "x-client-info"))


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
