"""Writes one seed file per row of the shared secrets and benign data: seeds.py FOLDER SHARED"""
import base64, json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
shared = pathlib.Path(sys.argv[2]) / "corpora"
for name in ["secrets/samples", "benign/messages"]:
    for number, line in enumerate(open(shared / f"{name}.jsonl")):
        row = json.loads(line)
        data = base64.b64decode(row["input_b64"]) if "input_b64" in row else row["input"].encode()
        if len(data) < 9000:
            (folder / f"{name.replace('/', '-')}-{number:05}").write_bytes(data)
