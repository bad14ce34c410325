"""A raw client of realtime: the Phoenix protocol, version 1 and 2, frame by frame as on the wire."""

import collections
import itertools
import json
import socket
import struct
import threading
import time
import uuid

from conftest import token
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ALL = ["broadcast:read", "broadcast:write", "presence:read", "presence:write"]
SECONDS = 20
_users = itertools.count(1)


def fresh(kind="room"):
    """A topic, or an id, that no other test uses."""
    return f"{kind}-{uuid.uuid4().hex[:12]}"


def user():
    """The id of a user nobody else is."""
    return f"aaaaaaaa-0000-4000-8000-{next(_users):012d}"


def channels(**permissions):
    """The claim that opens private channels."""
    return {"channels": permissions}


def opens(*topics, permissions=ALL, **claims):
    """A token that opens these private channels."""
    return token(claims.pop("sub", None) or user(), realtime={"channels": {topic: permissions for topic in topics}}, **claims)


class Frame:
    """One frame from the host. `json` is the whole of a text frame, as it stands on the wire."""

    def __init__(self, data, version):
        self.is_binary = isinstance(data, bytes)
        if self.is_binary:
            kind, topic, event, meta, self.encoding = data[0], data[1], data[2], data[3], data[4]
            assert kind == 4, f"a binary frame of kind {kind}"
            at = 5
            parts = []
            for length in (topic, event, meta):
                parts.append(data[at:at + length])
                at += length
            assert len(parts[2]) == meta
            body = data[at:]
            self.join_ref = self.ref = self.json = None
            self.topic, self.event = parts[0].decode(), "broadcast"
            self.payload = {
                "type": "broadcast", "event": parts[1].decode(), "payload": json.loads(body) if self.encoding == 1 else body}
            if meta:
                self.payload["meta"] = json.loads(parts[2])
            return
        self.json = json.loads(data)
        if version == 1:
            assert set(self.json) == {"topic", "event", "payload", "ref"}, self.json
            self.join_ref = None
            self.topic, self.event, self.payload, self.ref = (self.json[name] for name in ("topic", "event", "payload", "ref"))
        else:
            assert isinstance(self.json, list) and len(self.json) == 5, self.json
            self.join_ref, self.ref, self.topic, self.event, self.payload = self.json
        assert isinstance(self.payload, dict), self.json

    @property
    def body(self):
        """What the sender of a broadcast said."""
        return self.payload["payload"]

    @property
    def meta(self):
        return self.payload["meta"]

    def __repr__(self):
        return repr(self.json) if self.json is not None else f"binary {self.topic} {self.payload}"


class Phoenix:
    """One socket. `next` gives every frame in its order; `reply` looks for one and keeps the others for `next`."""

    def __init__(self, host, version=2, key=None, *, port=None, path="/realtime/v1/websocket", query=None, **options):
        self.version = version
        self.waiting = collections.deque()
        self.join_refs = {}
        self._ref = 0
        if query is None:
            query = f"apikey={key or token(None, role='anon')}&vsn={version}.0.0"
        # Everything is read at once; a test that does not want that says so.
        options = {"max_queue": None, "max_size": None, "compression": None, "open_timeout": SECONDS, "close_timeout": 2, **options}
        self.ws = connect(f"ws://127.0.0.1:{port or host.port}{path}?{query}", **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ws.close()

    # What goes out

    def ref(self):
        self._ref += 1
        return str(self._ref)

    def wire(self, join_ref, ref, topic, event, payload):
        """A message as this version has it: of what clients send, and of what the host sends."""
        if self.version == 1:
            return {"topic": topic, "event": event, "payload": payload, "ref": ref}
        return [join_ref, ref, topic, event, payload]

    def raw(self, data):
        self.ws.send(data)

    def send(self, topic, event, payload, ref=None, join_ref=None):
        """Gives the reference; a `ref` of False is sent as null."""
        ref = self.ref() if ref is None else ref or None
        message = self.wire(join_ref, ref, topic, event, payload)
        if self.version == 1 and join_ref is not None:
            message["join_ref"] = join_ref
        self.raw(json.dumps(message))
        return ref

    def push(self, topic, event, payload, ref=None):
        """On a joined channel, with its join_ref."""
        return self.send("realtime:" + topic, event, payload, ref, self.join_refs.get(topic))

    def start_join(self, topic, bearer=None, **config):
        ref = self.ref()
        self.join_refs[topic] = ref
        payload = {"config": config}
        if bearer:
            payload["access_token"] = bearer
        return self.send("realtime:" + topic, "phx_join", payload, ref, ref)

    def join(self, topic, bearer=None, **config):
        """Joins, and gives the response; fails when it is refused."""
        reply = self.reply(self.start_join(topic, bearer, **config))
        assert reply.payload["status"] == "ok", reply
        return reply.payload["response"]

    def refused(self, topic, bearer=None, **config):
        """Joins, is refused, and gives the reason."""
        reply = self.reply(self.start_join(topic, bearer, **config))
        assert reply.payload["status"] == "error" and set(reply.payload) == {"status", "response"}, reply
        return reply.payload["response"]["reason"]

    def leave(self, topic):
        ref = self.push(topic, "phx_leave", {})
        self.reply(ref)
        return self.until("phx_close", topic)

    def broadcast(self, topic, event, body, text=False, ref=None, **outer):
        """As clients send it: version 1 text, version 2 binary of kind 3, unless `text`. Gives the reference."""
        if self.version == 1 or text:
            return self.push(topic, "broadcast", {"type": "broadcast", "event": event, "payload": body, **outer}, ref)
        ref = ref or self.ref()
        self.raw(kind3(self.join_refs.get(topic, ""), ref, "realtime:" + topic, event, body, outer))
        return ref

    def heartbeat(self):
        """A round trip: whatever the host sends this socket of itself came before its answer."""
        return self.reply(self.send("phoenix", "heartbeat", {}))

    # What comes in

    def _receive(self, seconds):
        try:
            return Frame(self.ws.recv(seconds), self.version)
        except TimeoutError:
            raise AssertionError(f"nothing came for {seconds} seconds") from None

    def next(self, seconds=SECONDS):
        return self.waiting.popleft() if self.waiting else self._receive(seconds)

    def reply(self, ref, seconds=SECONDS):
        return self.find(lambda frame: frame.event == "phx_reply" and frame.ref == ref, seconds)

    def find(self, matches, seconds=SECONDS):
        """The first frame that matches; those before it stay for `next`."""
        for index, frame in enumerate(self.waiting):
            if matches(frame):
                del self.waiting[index]
                return frame
        end = time.monotonic() + seconds
        while True:
            frame = self._receive(max(0.01, end - time.monotonic()))
            if matches(frame):
                return frame
            self.waiting.append(frame)

    def until(self, event, topic=None, seconds=SECONDS):
        return self.find(lambda frame: frame.event == event and topic in (None, frame.topic.removeprefix("realtime:")), seconds)

    def heard(self, topic=None, seconds=SECONDS):
        """The next broadcast."""
        return self.until("broadcast", topic, seconds)

    def ack(self, ref):
        reply = self.reply(ref)
        assert reply.payload["status"] == "ok", reply
        return reply.payload["response"]

    def closed(self, seconds=SECONDS):
        """Reads to the end of the socket, and gives its close code; None when it broke."""
        end = time.monotonic() + seconds
        try:
            while True:
                self.waiting.append(self._receive(max(0.01, end - time.monotonic())))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None

    def kill(self):
        """As when the process dies: the connection is reset, with no word before."""
        self.ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.ws.socket.shutdown(socket.SHUT_RD)
        self.ws.socket.close()


def kind3(join_ref, ref, topic, event, body, meta=None, encoding=None):
    """A client's binary push. Bytes go as they are, anything else as JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    encoding = (0 if isinstance(body, bytes) else 1) if encoding is None else encoding
    meta = json.dumps(meta).encode() if meta else b""
    parts = [part if isinstance(part, bytes) else part.encode() for part in (join_ref, ref, topic, event)] + [meta]
    return bytes([3, *(len(part) for part in parts), encoding]) + b"".join(parts) + payload


def check_meta(meta, replayed=False):
    """Exactly what the host says beside a broadcast."""
    assert set(meta) == {"id", "offset", "epoch"} | ({"replayed"} if replayed else set()), meta
    assert isinstance(meta["id"], str) and 1 <= len(meta["id"]) <= 64
    assert isinstance(meta["offset"], int) and isinstance(meta["epoch"], str) and meta["epoch"]
    assert not replayed or meta["replayed"] is True
    assert len(json.dumps(meta)) <= 255
    return meta


class Silent:
    """A client that joins, says what it has to, and never reads: it takes nothing, and answers neither pings nor a close."""

    def __init__(self, host, topic, key):
        self.socket = socket.socket()
        # What its kernel takes for it is little.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", host.port))
        self.socket.sendall((
            f"GET /realtime/v1/websocket?vsn=2.0.0&apikey={token(None, role='anon')} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
        self.say(["1", "1", "realtime:" + topic, "phx_join", {"config": {"presence": {"enabled": True, "key": key}}}])
        self.say(["1", "2", "realtime:" + topic, "presence", {"type": "presence", "event": "track", "payload": {}}])

    def say(self, message):
        # Long enough for a length of two bytes; masked with zeros, which change nothing.
        data = json.dumps(message).encode().ljust(126)
        self.socket.sendall(b"\x81" + struct.pack(">BH", 0x80 | 126, len(data)) + bytes(4) + data)

    def close(self):
        self.socket.close()


class Proxy:
    """A TCP proxy in front of the host that can break what goes through it."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs = []
        self.is_open = True
        self.turned_away = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if not self.is_open:
                client.close()
                self.turned_away.set()
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            pair = (client, server)
            self.pairs.append(pair)
            for one, other in (pair, pair[::-1]):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one, other):
        try:
            while data := one.recv(1 << 16):
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Breaks every connection and takes no new one until `mend`."""
        self.is_open = False
        self.turned_away.clear()
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def mend(self):
        self.is_open = True

    def close(self):
        self.listener.close()
        self.cut()
