"""Writes one seed file per row of the shared json data: seeds.py FOLDER SHARED"""
import base64, gzip, json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
for number, line in enumerate(open(pathlib.Path(sys.argv[2]) / "corpora/json/parsing.jsonl")):
    row = json.loads(line)
    data = base64.b64decode(row["input_b64"]) if "input_b64" in row else gzip.decompress(base64.b64decode(row["input_gz_b64"]))
    if len(data) < 9000:
        (folder / f"seed-{number:05}").write_bytes(data)
