"""Presence, frame by frame, in both versions of the protocol."""

from phoenix import fresh
from realtime_host import dial, host, ok, v

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
