"""Writes one seed file per row of the shared test data: seeds.py FOLDER SHARED"""
import base64, json, pathlib, sys

AREAS = [("url/urltestdata.jsonl", ["input"]), ("url/idnatestv2.jsonl", ["input"]), ("ssrf/urls.jsonl", ["input"])]
folder = pathlib.Path(sys.argv[1])
number = 0
for area, members in AREAS:
    for line in open(pathlib.Path(sys.argv[2]) / "corpora" / area):
        row = json.loads(line)
        for member in members:
            if not isinstance(row.get(member), str):
                continue
            data = base64.b64decode(row[member]) if member.endswith("_b64") else row[member].encode("utf-8", "surrogatepass")
            if 0 < len(data) < 9000:
                (folder / f"seed-{number:05}").write_bytes(data)
                number += 1
