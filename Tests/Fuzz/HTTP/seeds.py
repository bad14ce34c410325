"""Writes one seed file for each row of the shared corpora: seeds.py FOLDER SHARED"""
import base64
import json
import pathlib
import sys

folder, corpora = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]) / "corpora"
folder.mkdir(parents=True, exist_ok=True)
count = 0


def write(mode, data):
    global count
    if len(data) < 4096:
        (folder / f"seed-{count}").write_bytes(bytes([mode, count % 256]) + data)
        count += 1


for name in ["http/crafted_raw.jsonl", "http/llhttp_requests.jsonl", "http/crs_protocol.jsonl", "proxy/cases.jsonl"]:
    for line in (corpora / name).read_text().splitlines():
        row = json.loads(line)
        if "wire_b64" in row:
            write(3, base64.b64decode(row["wire_b64"]))
        elif "raw_b64" in row:
            data = base64.b64decode(row["raw_b64"])
            write(0, data)
            head, mark, body = data.partition(b"\r\n\r\n")
            if b"chunked" in head.lower():
                write(2, body)
print(count, "seeds")
