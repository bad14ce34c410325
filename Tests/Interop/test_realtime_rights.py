"""Private channels, and tokens that come, change and end."""

import time

import pytest
from conftest import token
from phoenix import fresh, opens, user
from realtime_host import dial, error, host, v

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
    # Both hear both, so nobody may speak before everybody has been found silent.
    for one in both:
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
