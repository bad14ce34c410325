"""Writes one seed file for each row of shared test data: rows.py FOLDER SHARED AREA/FILE…

A row's input is taken as it is, or from its base64. With the environment SEED_PREFIX=n each seed begins with a byte 0…n-1, for targets whose
first byte chooses how they run."""
import base64
import json
import os
import pathlib
import sys

folder, corpora = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]) / "corpora"
choices = int(os.environ.get("SEED_PREFIX", "0"))
for name in sys.argv[3:]:
    for number, line in enumerate(open(corpora / f"{name}.jsonl")):
        row = json.loads(line)
        packed = row.get("input_b64") or row.get("head_b64")
        if not packed and not isinstance(row.get("input"), str):
            continue
        data = base64.b64decode(packed) if packed else row["input"].encode("utf-8", "surrogatepass")
        if len(data) < 9000:
            (folder / f"{name.replace('/', '-')}-{number:05}").write_bytes((bytes([number % choices]) if choices else b"") + data)
