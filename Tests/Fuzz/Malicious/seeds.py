"""Writes one seed file per row of the shared data that the detector is judged on: seeds.py FOLDER SHARED"""
import base64, json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
corpora = pathlib.Path(sys.argv[2]) / "corpora"
for name in ("injection/payloads", "benign/messages", "xss/payloads", "paths/inputs"):
    for number, line in enumerate(open(corpora / f"{name}.jsonl")):
        row = json.loads(line)
        data = base64.b64decode(row["input_b64"]) if "input_b64" in row else row["input"].encode("utf-8", "replace")
        if len(data) < 4000:
            (folder / f"{name.split('/')[0]}-{number:05}").write_bytes(data)
