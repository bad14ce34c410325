"""Broadcasts, frame by frame in both versions of the protocol, and over HTTP."""

import time

import httpx
import pytest
from conftest import token
from phoenix import check_meta, fresh, kind3, opens, user
from realtime_host import KEY, dial, error, host, ok, v

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
