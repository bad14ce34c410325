"""What was missed: replay by time, by place, and for who comes back."""

import time

import pytest
from phoenix import check_meta, fresh, opens, user
from realtime_host import dial, host, v

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
