"""Writes a seed for each message of the hop: seeds.py FOLDER"""
import pathlib
import struct
import sys

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)


def text(value):
    return struct.pack("<I", len(value)) + value


def frame(kind, payload, stream=1, flags=0):
    return struct.pack("<IBBHI", len(payload), kind, flags, 0, stream) + payload


head = struct.pack("<HBH", 200, 1, 1) + text(b"x-a") + text(b"b")
failure = struct.pack("<H", 422) + text(b"INVALID_INPUT") + text(b"no") + b"\1" + text(b"why") + struct.pack("<H", 1) + text(b"a") + text(b"b") + struct.pack("<H", 1) + text(b"f") + text(b"m") + b"\1" + text(b"type") + b"\0"
rate = b"\1" + text(b"key") + struct.pack("<qq", 5, 10**9)
log = b"\2" + text(b"hello") + struct.pack("<H", 1) + text(b"a") + text(b"b")
ready = struct.pack("<I", 5) + struct.pack("<H", 1) + text(b"files") + struct.pack("<H", 0)
request = (struct.pack("<Q", 9) + b"\0" + struct.pack("<QQ", 1, 2) + b"\2" + text(b"/f") + b"\1" + text(b"a=1") + b"\4" + struct.pack("<QQ", 0, 1)
           + b"\1" + b"\1" + text(b"host") + struct.pack("<H", 1) + struct.pack("<HI", 1, 1) + b"ab" + b"\1\1" + text(b"u1") + text(b"authenticated")
           + b"\0" + text(b"{}") + b"\0" + b"body")
channels = struct.pack("<H", 1) + text(b"conversation:5")
subscribe = b"\5" + struct.pack("<I", 1) + b"\1" + channels + struct.pack("<q", 60)
unsubscribe = b"\5" + struct.pack("<I", 1) + b"\2" + channels
publish = b"\5" + struct.pack("<I", 1) + b"\3" + text(b"conversation:5") + text(b"new_message") + text(b'{"a":1}') + b"\1\1" + text(b"m1")
grant = (b"\6\1" + channels + b"\x0f" + struct.pack("<q", -1) + struct.pack("<H", 0) + text(b"http://h") + text(b"k") + text(b"ws://h") + text(b"t")
         + struct.pack("<qqq", 1, 2, 3))
quotas = struct.pack("<H", 2) + text(b"k") + struct.pack("<q", 5) + b"\2" + text(b"k") + struct.pack("<q", 6) + b"\1" + struct.pack("<q", 10**9)
standing = b"\7\1" + struct.pack("<H", 1) + struct.pack("<qqq", 5, 4, 10**9) + b"\0"
report = b"\3\1" + struct.pack("<QH", 5, 1) + text(b"n") + b"\1" + text(b"note") + struct.pack("<q", -1)
seeds = [
    (0, frame(32, ready, 0) + frame(33, head + b"body") + frame(35, b"part") + frame(36, b"")), (2, frame(2, request) + frame(4, b"\0")),
    (3, head + b"body"), (4, failure), (5, rate), (5, b"\3\1"), (6, b"\1\1" + struct.pack("<qqq", 1, 2, 3)), (6, b"\2"), (6, report),
    (6, b"\4" + failure), (5, subscribe), (5, unsubscribe), (5, publish), (6, grant), (6, b"\6\2" + channels),
    (6, b"\6\3" + text(b"m1") + struct.pack("<Qq", 4, 2)), (5, b"\6" + struct.pack("<q", 3) + quotas), (5, b"\7" + struct.pack("<qq", 3, 2) + quotas), (6, standing), (7, log), (8, ready), (9, request),
    (10, struct.pack("<H", 2) + text(b"tokens") + b"\1" + text(b"model") + text(b"m") + struct.pack("<q", 5) + text(b"b") + b"\0" + struct.pack("<q", 1)),
]
for number, (mode, data) in enumerate(seeds):
    (folder / f"seed-{number}").write_bytes(bytes([mode, number]) + data)
print(len(seeds), "seeds")
