"""Realtime over time: clients that vanish or lag, and a host that restarts or is killed."""

import asyncio
import contextlib
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest
from conftest import Host, binary, token
from crowd import until
from phoenix import Phoenix, Silent, check_meta, fresh, opens
from realtime import AsyncRealtimeClient
from websockets.exceptions import ConnectionClosed, InvalidStatus


@contextlib.contextmanager
def started(*flags):
    """A host for one test, which may end it itself; else it has to stop in order."""
    host = Host("swiftlet", "--address-limit", "none", *flags)
    try:
        yield host
        if host.process.poll() is None:
            assert host.stop() == 0
    finally:
        host.process.kill()
        host.process.wait()


# A host that stops.


@pytest.mark.parametrize("version", [1, 2])
def test_a_host_that_stops_says_so(version):
    with started() as host, Phoenix(host, version) as one:
        one.join(fresh(), broadcast={"ack": True})
        began = time.monotonic()
        host.process.terminate()
        assert one.closed() == 1012
        assert host.stop() == 0
        assert time.monotonic() - began < 25


def test_a_client_that_does_not_say_goodbye_does_not_keep_a_host_from_stopping():
    name = fresh()
    with started() as host, Phoenix(host, 2) as watcher:
        watcher.join(name, presence={"enabled": True})
        silent = Silent(host, name, "silent")
        assert "silent" in watcher.until("presence_diff").payload["joins"]
        began = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - began < 25
        silent.close()


# A history that outlives the host.


def has_history():
    return "--realtime-history" in subprocess.run([binary("swiftlet"), "serve", "--help"], capture_output=True, text=True).stdout


history = pytest.mark.skipif("not has_history()", reason="needs `serve --realtime-history FILE`, which this host does not have")


class Reader:
    """A client that comes back to where it was."""

    def __init__(self, topic, bearer):
        self.topic, self.bearer = topic, bearer
        self.place = None
        self.got = []

    def open(self, host, version):
        self.socket = Phoenix(host, version)
        broadcast = {"replay": self.place} if self.place else {}
        response = self.socket.join(self.topic, self.bearer, private=True, broadcast=broadcast)
        if self.place:
            assert response["recovery"]["complete"] is True, response
        return response

    def read(self, frame):
        meta = frame.meta
        self.got.append((meta["offset"], meta["id"], frame.body["n"]))
        self.place = {"offset": meta["offset"], "epoch": meta["epoch"]}

    def drain(self):
        """What had arrived when the host died."""
        try:
            while True:
                frame = self.socket.next(5)
                if frame.event == "broadcast":
                    self.read(frame)
        except (ConnectionClosed, AssertionError):
            pass


def stream(host, topic, acked, numbers, enough):
    """Says numbers until the host is gone; gives the time to end it once so many are acknowledged. Keeps every receipt that arrived."""
    writer = Phoenix(host, 2)
    writer.join(topic, opens(topic), private=True, broadcast={"ack": True})
    sent = {}

    def note(reply):
        assert reply.payload["status"] == "ok", reply
        acked[sent.pop(reply.ref)] = reply.payload["response"]

    try:
        while True:
            number = next(numbers)
            sent[writer.broadcast(topic, "e", {"n": number})] = number
            while len(sent) > 10:
                note(writer.find(lambda frame: frame.event == "phx_reply"))
            if len(acked) >= enough[0]:
                enough[1]()
            # Within what one socket may say in a second.
            time.sleep(0.005)
    except ConnectionClosed:
        pass
    writer.closed()
    for frame in list(writer.waiting):
        if frame.event == "phx_reply" and frame.ref in sent and frame.payload["status"] == "ok":
            note(frame)


@history
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_nothing_acknowledged_is_lost_when_the_host_goes_in_a_stream(tmp_path, how):
    file, topic = tmp_path / "history.sqlite", fresh("conversation:c")
    reader, acked, numbers = Reader(topic, opens(topic)), {}, itertools.count()
    for round in range(2):
        with started("--realtime-history", str(file)) as host:
            reader.open(host, 1 + round % 2)
            stream(host, topic, acked, numbers, (60 * (round + 1), lambda: host.process.send_signal(how)))
            reader.drain()
            host.process.wait(40)
    with started("--realtime-history", str(file)) as host:
        response = reader.open(host, 2)
        for _ in range(response["recovery"]["replayed"]):
            frame = reader.socket.heard()
            check_meta(frame.meta, replayed=True)
            reader.read(frame)
        with Phoenix(host, 2) as writer:
            writer.join(topic, opens(topic), private=True, broadcast={"ack": True})
            last = writer.ack(writer.broadcast(topic, "e", {"n": "last"}))
        reader.read(reader.socket.heard())
    offsets = [offset for offset, _, _ in reader.got]
    assert offsets == list(range(offsets[0], last["offset"] + 1)), "a gap, or something twice"
    said = [number for _, _, number in reader.got]
    assert len(set(said)) == len(said)
    heard = {number: (offset, id) for offset, id, number in reader.got}
    assert len(acked) >= 120
    for number, receipt in acked.items():
        assert heard.get(number) == (receipt["offset"], receipt["id"]), (number, receipt, heard.get(number))


@history
def test_several_writers_have_one_order_on_disk_too(tmp_path):
    flags, topic, receipts = ("--realtime-history", str(tmp_path / "history.sqlite")), fresh("conversation:c"), {}

    def write(host, who):
        with Phoenix(host, 2) as writer:
            writer.join(topic, opens(topic), private=True, broadcast={"ack": True})
            refs = [writer.broadcast(topic, "e", {"n": [who, number]}) for number in range(70)]
            for number, ref in enumerate(refs):
                receipt = writer.ack(ref)
                receipts[who, number] = (receipt["offset"], receipt["id"])

    with started(*flags) as host, Phoenix(host, 1) as reader:
        reader.join(topic, opens(topic), private=True)
        writers = [threading.Thread(target=write, args=(host, who)) for who in range(3)]
        for writer in writers:
            writer.start()
        live = [reader.heard() for _ in range(210)]
        for writer in writers:
            writer.join()
        host.process.kill()
        host.process.wait()
    with started(*flags) as host, Phoenix(host, 2) as reader:
        said = reader.join(topic, opens(topic), private=True, broadcast={"replay": {"offset": 0, "epoch": live[0].meta["epoch"]}})
        assert said["recovery"] == {"complete": True, "replayed": 210, "offset": 210, "epoch": live[0].meta["epoch"]}
        stored = [reader.next() for _ in range(210)]
    for frames in (live, stored):
        assert [frame.meta["offset"] for frame in frames] == list(range(1, 211))
        assert {tuple(frame.body["n"]): (frame.meta["offset"], frame.meta["id"]) for frame in frames} == receipts


@history
def test_a_message_with_an_id_is_known_after_a_restart(tmp_path):
    flags, topic, bearer = ("--realtime-history", str(tmp_path / "history.sqlite")), fresh("conversation:c"), None
    bearer, receipts, message = opens(topic), [], {"id": "m-1", "text": "a"}
    for _ in range(2):
        with started(*flags) as host, Phoenix(host, 2) as writer:
            writer.join(topic, bearer, private=True, broadcast={"ack": True})
            # Sent three times before the first is written.
            refs = [writer.broadcast(topic, "new_message", message) for _ in range(3)]
            receipts += [writer.ack(ref) for ref in refs]
    assert [receipt.get("duplicate", False) for receipt in receipts] == [False] + [True] * 5
    assert {(receipt["id"], receipt["offset"]) for receipt in receipts} == {("m-1", 1)}


@history
def test_clients_come_back_after_a_planned_restart_without_a_loss(tmp_path):
    flags, topic = ("--realtime-history", str(tmp_path / "history.sqlite")), fresh("conversation:c")
    reader, said = Reader(topic, opens(topic)), itertools.count()
    for round in range(3):
        with started(*flags) as host, Phoenix(host, 1) as writer:
            writer.join(topic, opens(topic), private=True, broadcast={"ack": True})
            if round == 0:
                reader.open(host, 2)
            for _ in range(5):
                writer.ack(writer.broadcast(topic, "e", {"n": next(said)}))
            # Later than what it missed.
            expected = 5 if round == 0 else reader.open(host, 2)["recovery"]["replayed"]
            for _ in range(expected):
                reader.read(reader.socket.heard())
            writer.ack(writer.broadcast(topic, "e", {"n": next(said)}))
            reader.read(reader.socket.heard())
    assert [number for _, _, number in reader.got] == list(range(18))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def returning(tmp_path, publish_early):
    """The unmodified client through a planned restart: 0 to 4 are said before it, 5 to 9 after it began, 10 at the end. Gives what it heard for
    the first time; what it hears again has to say so."""
    port, topic = free_port(), fresh("conversation:c")
    bearer = opens(topic, session_id="s")

    def start():
        return Host("swiftlet", "--address-limit", "none", "--port", str(port), "--realtime-history", str(tmp_path / "history.sqlite"))

    def publish(host, numbers):
        for number in numbers:
            answer = httpx.post(host.url + f"/realtime/v1/api/broadcast/{topic}/events/e?private=true", json={"n": number},
                                headers={"Authorization": f"Bearer {bearer}"}, timeout=30)
            assert answer.status_code == 202

    async def run():
        host = await asyncio.to_thread(start)
        heard, states = asyncio.Queue(), asyncio.Queue()
        client = AsyncRealtimeClient(host.url + "/realtime/v1", bearer, initial_backoff=0.2 if not publish_early else 2, max_retries=50)
        channel = client.channel(topic, {"config": {
            "broadcast": {"ack": False, "self": False}, "presence": {"key": "", "enabled": False}, "private": True}})
        channel.on_broadcast("*", lambda said: heard.put_nowait((said["payload"]["n"], "replayed" in said["meta"])))
        try:
            await channel.subscribe(lambda state, error: states.put_nowait(state.value))
            assert await asyncio.wait_for(states.get(), 20) == "SUBSCRIBED"
            await asyncio.to_thread(publish, host, range(5))
            got = [(await asyncio.wait_for(heard.get(), 20))[0] for _ in range(5)]
            assert await asyncio.to_thread(host.stop) == 0
            assert await asyncio.wait_for(states.get(), 20) == "CHANNEL_ERROR"
            host = await asyncio.to_thread(start)
            if publish_early:
                await asyncio.to_thread(publish, host, range(5, 10))
            assert await asyncio.wait_for(states.get(), 40) == "SUBSCRIBED"
            if not publish_early:
                await asyncio.to_thread(publish, host, range(5, 10))
            await asyncio.to_thread(publish, host, [10])
            while got[-1] != 10:
                number, is_repeated = await asyncio.wait_for(heard.get(), 20)
                assert number not in got or is_repeated
                if number not in got:
                    got.append(number)
            return got
        finally:
            await client.close()
            assert await asyncio.to_thread(host.stop) == 0

    return asyncio.run(run())


@history
def test_the_real_client_comes_back_by_itself_after_a_planned_restart(tmp_path):
    assert returning(tmp_path, publish_early=False) == list(range(11))


@history
def test_the_real_client_misses_nothing_that_was_said_before_it_was_back(tmp_path):
    assert returning(tmp_path, publish_early=True) == list(range(11))


@history
def test_what_the_operator_bounds_is_bounded(tmp_path):
    with started("--realtime-private-only", "--realtime-history-count", "10",
                 "--realtime-history", str(tmp_path / "history.sqlite")) as host:
        for version in (1, 2):
            with Phoenix(host, version) as one, Phoenix(host, version) as two:
                topic = fresh()
                assert one.refused(topic) == "PrivateOnly: This project only allows private channels"
                one.join(topic, opens(topic), private=True, broadcast={"ack": True})
                two.join(topic, opens(topic), private=True)
                for number in range(20):
                    one.broadcast(topic, "e", {"n": number})
                metas = [two.heard().meta for _ in range(20)]
                for place, complete in [(12, True), (3, False)]:
                    with Phoenix(host, version) as back:
                        said = back.join(topic, opens(topic), private=True, broadcast={
                            "replay": {"offset": metas[place]["offset"], "epoch": metas[place]["epoch"]}})["recovery"]
                        assert said["complete"] is complete and said["replayed"] == (19 - place if complete else 0), said
        body = {"messages": [{"topic": "t", "event": "e", "payload": {}}]}
        headers = {"Authorization": f"Bearer {token()}"}
        assert httpx.post(host.url + "/realtime/v1/api/broadcast", json=body, headers=headers).status_code == 202
        assert httpx.post(host.url + "/realtime/v1/api/broadcast/t/events/e", json={}, headers=headers).status_code == 403


# What one host does for all of the rest.


@pytest.fixture(scope="module")
def host():
    """For the second half: what a host goes through comes first, so that there is one at a time."""
    host = Host("swiftlet", "--address-limit", "none")
    yield host
    assert host.stop() == 0


def metric(host, name):
    """A number the operator sees; 0 for what is not there."""
    text = httpx.get(f"http://127.0.0.1:{host.admin_port}/metrics", timeout=20).text
    return next((float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name + " ")), 0)


def test_coming_and_going_in_a_stream_leaves_no_gap(host):
    """What is replayed and what comes live meet exactly, whenever somebody joins."""
    topic, stop = fresh(), threading.Event()
    writers = [Phoenix(host, 2) for _ in range(3)]

    def write(writer):
        writer.join(topic, opens(topic), private=True, broadcast={"ack": True})
        while not stop.is_set():
            writer.ack(writer.broadcast(topic, "e", {}))
            stop.wait(0.011)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    got, place = [], None
    try:
        for round in range(40):
            with Phoenix(host, 1 + round % 2) as one:
                said = one.join(topic, opens(topic), private=True, broadcast={"replay": place} if place else {})
                assert not place or said["recovery"]["complete"], said
                for _ in range((said["recovery"]["replayed"] if place else 0) + 5):
                    meta = one.heard().meta
                    got.append(meta["offset"])
                    place = {"offset": meta["offset"], "epoch": meta["epoch"]}
                if round % 3:
                    one.kill()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for writer in writers:
            writer.ws.close()
    assert got == list(range(got[0], got[0] + len(got)))


def test_a_tab_does_not_take_the_place_of_another(host):
    """Two of one user's, cut off at different times, in the same topic: each gets all that it missed."""
    topic = fresh()
    bearer = opens(topic, session_id="s")
    with Phoenix(host, 2) as writer, Phoenix(host, 2) as first, Phoenix(host, 2) as second:
        writer.join(topic, opens(topic), private=True, broadcast={"ack": True})
        first.join(topic, bearer, private=True)
        second.join(topic, bearer, private=True)
        for _ in range(5):
            second.heartbeat()
        for number in range(5):
            writer.ack(writer.broadcast(topic, "e", {"n": number}))
        first.kill()
        for number in range(5, 10):
            writer.ack(writer.broadcast(topic, "e", {"n": number}))
        for number in range(10):
            second.heard()
        # Until the host has asked the second whether all of it arrived, and was told.
        with pytest.raises(TimeoutError):
            second.ws.recv(7)
        second.kill()
        while writer.ack(writer.broadcast(topic, "e", {"n": "gap"}))["receivers"]:
            pass
        with Phoenix(host, 2) as back:
            # What it said into the broken connection counted.
            back._ref = 20
            said = back.join(topic, bearer, private=True)["recovery"]
            missed = [back.next().body["n"] for _ in range(said["replayed"])]
            assert not said["complete"] or set(range(5, 10)) <= set(missed), (said, missed)


def test_one_that_was_too_slow_comes_back_and_gets_the_rest(host):
    topic = fresh()
    bearer = opens(topic, session_id="s")
    with Phoenix(host, 2) as writer, Phoenix(host, 2, sock=small(host), max_queue=1) as slow:
        writer.join(topic, opens(topic), private=True, broadcast={"ack": True})
        slow.join(topic, bearer, private=True)
        count = 0
        while writer.ack(writer.broadcast(topic, "e", {"n": count, "text": "x" * 100_000}))["receivers"]:
            count += 1
            assert count < 200
        assert slow.closed() in (None, 1008)
        got = [frame.body["n"] for frame in slow.waiting]
        with Phoenix(host, 2) as back:
            back._ref = slow._ref
            said = back.join(topic, bearer, private=True)["recovery"]
            assert said["complete"] is True
            missed = [back.next().body["n"] for _ in range(said["replayed"])]
            assert missed == list(range(missed[0], count + 1)) and missed[0] <= len(got)


@pytest.mark.parametrize("count,size", [(60, 100_000), (4, 2_900_000)])
def test_large_messages_in_one_breath_reach_those_who_read(host, count, size):
    topic = fresh()
    with Phoenix(host, 2) as writer, Phoenix(host, 1) as one, Phoenix(host, 2) as two:
        for each in (writer, one, two):
            each.join(topic)
        for number in range(count):
            writer.broadcast(topic, "e", {"n": number, "text": "x" * size})
        for each in (one, two):
            assert [each.next().body["n"] for _ in range(count)] == list(range(count))


def test_a_crowd_in_one_room_is_seen_whole(host):
    """A state larger than what a client may leave unread."""
    topic, crowd = fresh(), 80
    with Phoenix(host, 2) as one:
        one.join(topic, token(None, role="service_role"), private=True)
        sockets = [Phoenix(host, 2) for _ in range(crowd)]
        for number, each in enumerate(sockets):
            # They are seen, and do not see each other.
            each.join(topic, opens(topic, permissions=["broadcast:read", "presence:write"]), private=True, presence={"key": f"k{number}"})
            each.push(topic, "presence", {"type": "presence", "event": "track", "payload": {"text": "x" * 15_000}})
        for each in sockets:
            each.heartbeat()
        for version in (1, 2):
            with Phoenix(host, version) as late:
                late.join(topic, opens(topic), private=True, presence={"enabled": True})
                assert len(late.until("presence_state").payload) == crowd
                one.broadcast(topic, "e", {})
                late.heard()
        for each in sockets:
            each.ws.close()


def test_without_a_history_on_disk_a_client_is_told_that_it_missed_something(host):
    topic = fresh()
    with Phoenix(host, 2) as one:
        response = one.join(topic, opens(topic), private=True, broadcast={"replay": {"offset": 7, "epoch": "formerhost"}})
        assert response["recovery"]["complete"] is False
        system = one.until("system")
        assert system.payload["message"].startswith("HistoryIncomplete") and system.payload["status"] == "ok"


def test_what_the_operator_sees(host):
    name = fresh()
    until(lambda: metric(host, "swiftlet_realtime_sockets") == 0, "sockets of others are still counted")
    before = metric(host, "swiftlet_realtime_messages_total")
    with Phoenix(host, 1) as one, Phoenix(host, 2) as two:
        one.join(name)
        two.join(name, broadcast={"ack": True})
        two.ack(two.broadcast(name, "e", {"password": "hunter2-canary"}))
        until(lambda: metric(host, "swiftlet_realtime_sockets") == 2, "two sockets are not counted")
        assert metric(host, "swiftlet_realtime_channels") == 2
        assert metric(host, "swiftlet_realtime_messages_total") == before + 1
    until(lambda: metric(host, "swiftlet_realtime_sockets") == 0, "they are not counted out")
    # Neither what was said nor what opens a door is written down.
    bearer = opens(name)
    with Phoenix(host, 2, bearer) as one:
        one.join(name, bearer, private=True)
        one.refused(fresh(), bearer + "x")
    with pytest.raises(InvalidStatus):
        Phoenix(host, 2, bearer + "x")
    log = json.dumps(host.lines)
    assert "hunter2-canary" not in log and bearer.rsplit(".", 1)[1] not in log


def test_sockets_leave_no_descriptors(host):
    def descriptors():
        return len(os.listdir(pathlib.Path(f"/proc/{host.process.pid}/fd")))

    def one_round():
        name = fresh()
        for version in (1, 2):
            one = Phoenix(host, version)
            one.join(name, presence={"enabled": True})
            one.kill() if version == 1 else one.ws.close()

    one_round()
    until(lambda: metric(host, "swiftlet_realtime_sockets") == 0, "sockets stay")
    before = descriptors()
    for _ in range(20):
        one_round()
    until(lambda: metric(host, "swiftlet_realtime_sockets") == 0, "sockets stay")
    until(lambda: descriptors() <= before + 2, "descriptors stay")


# Clients that vanish or lag.


def small(host):
    """A connection whose kernel keeps little of what its program does not read."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect(("127.0.0.1", host.port))
    return one


def test_a_client_that_does_not_read_is_closed_and_harms_nobody(host):
    name, ends = fresh(), 'swiftlet_realtime_socket_ends_total{reason="slow_consumer"}'
    before = metric(host, ends)
    with Phoenix(host, 2) as writer, Phoenix(host, 1) as reader, Phoenix(host, 2, sock=small(host), max_queue=1) as slow:
        writer.join(name, broadcast={"ack": True})
        reader.join(name, presence={"enabled": True})
        slow.join(name, presence={"enabled": True, "key": "slow"})
        slow.reply(slow.push(name, "presence", {"type": "presence", "event": "track", "payload": {}}))
        slow.until("presence_diff")
        # From here on it reads nothing.
        count = 150
        for number in range(count):
            writer.ack(writer.broadcast(name, "e", {"n": number, "text": "x" * 100_000}))
        left = reader.until("presence_diff")
        while "slow" not in left.payload["leaves"]:
            left = reader.until("presence_diff")
        assert [reader.heard().body["n"] for _ in range(count)] == list(range(count))
        assert writer.ack(writer.broadcast(name, "e", {"n": "after"}))["receivers"] == 1
        code = slow.closed()
        assert code is None or code == 1008
        # It was told everything up to where it stopped, in order and without a hole.
        got = [frame.body["n"] for frame in slow.waiting if frame.event == "broadcast"]
        assert got == list(range(len(got))) and len(got) < count
        until(lambda: metric(host, ends) == before + 1, "it is not counted")


def test_who_goes_without_a_word_leaves_and_who_is_only_quiet_stays(host):
    """A reset, an end in the middle of a frame, and silence; the last takes as long as a ping may take. Others say nothing meanwhile."""
    name, other = fresh(), fresh()
    with Phoenix(host, 2) as watcher, Phoenix(host, 1) as quiet, Phoenix(host, 2) as still:
        for each in (quiet, still):
            each.join(other)
        # Longer than a host waits before it asks whether somebody is still there, and for the answer.
        deadline = time.monotonic() + 32
        watcher.join(name, presence={"enabled": True})
        silent = Silent(host, name, "silent")
        half = Silent(host, name, "half")
        reset = Phoenix(host, 1)
        reset.join(name, presence={"enabled": True, "key": "reset"})
        reset.reply(reset.push(name, "presence", {"type": "presence", "event": "track", "payload": {}}))
        came = set()
        while came != {"silent", "half", "reset"}:
            came |= set(watcher.until("presence_diff").payload["joins"])
        reset.kill()
        assert set(watcher.until("presence_diff").payload["leaves"]) == {"reset"}
        half.socket.sendall(b"\x81\xfe\x10")
        half.socket.shutdown(socket.SHUT_WR)
        assert set(watcher.until("presence_diff").payload["leaves"]) == {"half"}
        # Ghosts are gone in less than half a minute.
        assert set(watcher.until("presence_diff", seconds=30).payload["leaves"]) == {"silent"}
        silent.close(), half.close()
        for each in (quiet, still):
            with pytest.raises(TimeoutError):
                each.ws.recv(max(0, deadline - time.monotonic()))
        quiet.broadcast(other, "e", {"n": 1})
        assert still.heard().body == {"n": 1}
