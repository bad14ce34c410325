"""Writes one seed file per row of the shared html and xss data: seeds.py FOLDER SHARED"""
import json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
for name in ("xss/payloads", "xss/benign_html", "html/tokenizer", "html/named_entities"):
    path = pathlib.Path(sys.argv[2]) / "corpora" / (name + ".jsonl")
    for number, line in enumerate(open(path)):
        data = json.loads(line)["input"].encode("utf-8", "replace")
        if len(data) < 4000:
            # The first byte chooses the policy.
            (folder / f"{name.replace('/', '-')}-{number:05}").write_bytes(bytes([number % 4]) + data)
