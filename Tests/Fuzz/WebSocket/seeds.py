"""Writes a seed for each row of the shared WebSocket cases: seeds.py FOLDER SHARED"""
import base64
import gzip
import json
import pathlib
import sys

folder, corpora = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]) / "corpora" / "websocket"
folder.mkdir(parents=True, exist_ok=True)
count = 0


def write(mode, data):
    global count
    if 0 < len(data) < 4096:
        (folder / f"seed-{count}").write_bytes(bytes([mode, count % 256]) + data)
        count += 1


for line in (corpora / "raw_cases.jsonl").read_text().splitlines():
    row = json.loads(line)
    if row.get("raw_b64"):
        write(0, base64.b64decode(row["raw_b64"]))
    elif row.get("wire_b64"):
        write(2, base64.b64decode(row["wire_b64"]))
    elif row.get("wire_gz_b64"):
        write(2, gzip.decompress(base64.b64decode(row["wire_gz_b64"]))[:4000])
for line in (corpora / "autobahn_cases.jsonl").read_text().splitlines():
    write(2, b"".join(base64.b64decode(frame.get("wire_b64") or "") for frame in json.loads(line)["send"]))
write(1, "a reason é 😀".encode() * 12)
for first, text in [(0x82, b"abc"), (0x02, "é😀".encode()), (0x87, b"ping"), (0x86, b"\x03\xe8bye"), (0xC5, b"x" * 300)]:
    write(4, (bytes([first, len(text) % 256]) + text) * 3)
print(count, "seeds")
