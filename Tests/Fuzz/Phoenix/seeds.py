"""Writes a seed for each message a client of realtime sends: seeds.py FOLDER"""
import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)


def push(join_ref, ref, topic, event, meta, encoding, payload):
    parts = [join_ref, ref, topic, event, meta]
    return bytes([3] + [len(part) for part in parts] + [encoding]) + b"".join(parts) + payload


join = {
    "config": {
        "broadcast": {"self": "true", "ack": False, "replay": {"since": 5, "limit": 2, "offset": "7", "epoch": "e"}},
        "presence": {"key": "k", "enabled": True}, "private": True,
        "postgres_changes": [{"event": "*", "schema": "public", "table": "t", "filter": "a=eq.1", "id": 4}, None],
    },
    "access_token": "a.b.c", "user_token": None,
}
payloads = [
    ("phx_join", join), ("phx_leave", {}), ("heartbeat", {}), ("access_token", {"access_token": "x"}), ("custom", None),
    ("broadcast", {"type": "broadcast", "event": "e", "payload": {"a": [1, "é\n"]}, "id": "m1", "extra": 1, "meta": {}}),
    ("presence", {"type": "presence", "event": "track", "payload": {"phx_ref": "x", "a": {"b": []}}}),
    ("presence", {"event": "UNTRACK"}),
]
seeds = []
for event, payload in payloads:
    seeds.append((0, json.dumps({"topic": "realtime:t", "event": event, "payload": payload, "ref": "1", "join_ref": None}).encode()))
    seeds.append((1, json.dumps(["1", 2, "realtime:t", event, payload]).encode()))
seeds += [
    (2, push(b"1", b"2", b"realtime:t", b"e", b'{"id":"m1","k":0}', 1, b'{"a":1e400}')), (2, push(b"", b"", b"", b"", b"", 0, b"\0\xff")),
    (2, bytes([0, 1, 1, 1, 2]) + b"12tee"),
    (3, json.dumps({"messages": [{"topic": "t", "event": "e", "payload": {}, "private": "true", "id": "i"}]}).encode()),
    (4, b"a%3Ab\ne\nprivate=true\napplication/json; charset=utf-8\n{}"), (4, b"a\ne\n\napplication/octet-stream\n\0"),
]
for number, (mode, data) in enumerate(seeds):
    (folder / f"seed-{number}").write_bytes(bytes([mode]) + data)
print(len(seeds), "seeds")
