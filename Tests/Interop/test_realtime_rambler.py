"""Clients that say anything at all, in any order: the host stays, and goes on serving the others."""

import json
import random
import time

import pytest
from conftest import Host, token
from phoenix import ALL, Frame, Phoenix, fresh, kind3, opens, user
from websockets.exceptions import ConnectionClosed

TOPICS = ["conversation:1", "typing:1", "presence:1", "customer:1:messages", "room", "x" * 400, "é👋", ""]
EVENTS = ["typing", "typing_start", "typing_stop", "new_message", "message_read", "delivery_status", "presence", "e", "", "z" * 600]
WHO = [user() for _ in range(3)]
VALUES = [
    None, True, "true", 0, -1, 2 ** 63, 2 ** 64, 1e300, "", {}, [], "x", {"a": 1}, [1], "\u0000", {"status": "away"}, {"id": 5},
    {"id": "m1", "userId": WHO[0], "isTyping": True}, {"messageId": ["m1", "m2"], "readByUserId": WHO[1]},
    {"status": "online", "userId": WHO[0]}]


class Rambler:
    """Everything it does follows from its seed."""

    def __init__(self, seed):
        self.any = random.Random(seed)
        self.epoch = "a"

    def value(self):
        return self.any.choice(VALUES)

    def token(self):
        kind = self.any.random()
        if kind < 0.1:
            return self.any.choice(["abc", "sb_publishable_x", None, "", token(exp=int(time.time()) - 1)])
        if kind < 0.2:
            return token(self.any.choice(WHO), app_metadata={"conversations": self.any.choice([["1"], {"1": "read"}, 5, ["*"]])})
        if kind < 0.25:
            return token(self.any.choice(WHO), exp=int(time.time()) + 1)
        permissions = self.any.choice([ALL, ALL, ["broadcast:read"], ["presence:read"], ["broadcast:read", "broadcast:write"]])
        return opens(*TOPICS, sub=self.any.choice(WHO), session_id="s", permissions=permissions)

    def replay(self):
        return self.any.choice([
            self.value(), {"since": self.any.choice([0, int(time.time() * 1000) - 1000, -5, 2 ** 62]), "limit": self.any.choice([1, 0, -1, 2 ** 40])},
            {"offset": self.any.choice([0, 1, 5, 2 ** 63, 2 ** 64 - 1, "3"]), "epoch": self.any.choice([self.epoch, "zz", ""])}])

    def config(self):
        config = {}
        if self.any.random() < 0.7:
            broadcast = {"self": self.any.choice([True, False]), "ack": self.any.choice([True, False, "true"])}
            if self.any.random() < 0.4:
                broadcast["replay"] = self.replay()
            config["broadcast"] = self.any.choice([self.value(), broadcast])
        if self.any.random() < 0.7:
            config["presence"] = self.any.choice([self.value(), {"enabled": True, "key": self.any.choice(["", "k", 5, "y" * 300])}])
        if self.any.random() < 0.7:
            config["private"] = self.any.choice([True, True, False, self.value()])
        return config

    def step(self, one):
        """False when it ended its socket."""
        kind, topic = self.any.random(), "realtime:" + self.any.choice(TOPICS)
        if kind < 0.2:
            one.send(topic, "phx_join", {"config": self.config(), "access_token": self.token()})
        elif kind < 0.26:
            one.send(topic, "phx_leave", {})
        elif kind < 0.3:
            one.send(topic, "access_token", {"access_token": self.token()})
        elif kind < 0.4:
            one.send(topic, "presence", {"event": self.any.choice(["track", "untrack", "TRACK", "x"]), "payload": self.value()})
        elif kind < 0.75:
            more = {"id": self.any.choice(["a", "b", 5, "c" * 70])} if self.any.random() < 0.3 else {"meta": self.value()}
            one.send(topic, "broadcast", {"event": self.any.choice(EVENTS), "payload": self.value(), **more})
        elif kind < 0.87 and one.version == 2:
            body = self.any.choice([b"\0\1", {"a": 1}, self.value()])
            data = bytearray(kind3("1", "2", topic[:200], self.any.choice(EVENTS)[:200], body, self.any.choice([None, {"id": "q"}])))
            for _ in range(self.any.choice([0, 1, 4])):
                data[self.any.randrange(len(data))] = self.any.randrange(256)
            one.raw(bytes(data))
        elif kind < 0.96:
            event = self.any.choice(["broadcast", "presence", "phx_join", "heartbeat", "phx_close", "nope"])
            data = bytearray(json.dumps(one.wire("1", "2", topic, event, self.value())).encode())
            data[self.any.randrange(len(data))] = self.any.choice(b'{}[]",:0\\')
            one.raw(data.decode("utf-8", "replace"))
        elif kind < 0.98:
            one.kill() if kind < 0.97 else one.ws.close()
            return False
        try:
            while True:
                frame = Frame(one.ws.recv(0), one.version)
                self.epoch = frame.payload.get("meta", {}).get("epoch", self.epoch)
        except TimeoutError:
            return True


@pytest.mark.parametrize("stored", [False, True], ids=["memory", "disk"])
def test_whatever_is_said_the_host_stays(tmp_path, stored):
    host = Host("swiftlet", "--address-limit", "none", *(["--realtime-history", str(tmp_path / "h.sqlite")] if stored else []))
    try:
        rambler, sockets, name = Rambler(4711 + stored), [], fresh()
        with Phoenix(host, 1) as one, Phoenix(host, 2) as two:
            one.join(name)
            two.join(name)
            for number in range(5000):
                while len(sockets) < 8:
                    sockets.append(Phoenix(host, rambler.any.choice([1, 2]), token(rambler.any.choice(WHO))))
                each = rambler.any.choice(sockets)
                try:
                    stays = rambler.step(each)
                except ConnectionClosed:
                    stays = False
                if not stays:
                    sockets.remove(each)
                if number % 100 == 0:
                    two.broadcast(name, "e", {"n": number})
                    assert one.heard().body == {"n": number}
            for each in sockets:
                each.ws.close()
        assert host.stop() == 0
        assert not [line for line in host.lines if line.get("level") in ("error", "critical") or "unparsed" in line]
    finally:
        host.process.kill()
        host.process.wait()
