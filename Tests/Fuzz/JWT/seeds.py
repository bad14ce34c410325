#!/usr/bin/env python3
"""Writes one seed file per row of the shared jwt data: seeds.py FOLDER [SHARED]"""
import base64, json, os, sys

folder = sys.argv[1]
shared = sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(__file__), "../../../../shared")
corpus = os.path.join(shared, "corpora/jwt")
os.makedirs(folder, exist_ok=True)
count = 0


def write(kind, data):
    global count
    if len(data) < 9000:
        with open(os.path.join(folder, f"seed-{count:05}"), "wb") as file:
            file.write(bytes([kind]) + data)
        count += 1


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


for name in ["attacks.jsonl", "wycheproof_jws.jsonl"]:
    for line in open(os.path.join(corpus, name)):
        row = json.loads(line)
        token = row["token"]
        write(0, token.encode())
        write(3, b"Bearer " + token.encode())
        try:
            header, payload = (decode(part) for part in token.split(".")[:2])
            write(1, header + b"\xff" + payload)
        except ValueError:
            pass
        if "key" in row:
            key = row["key"]
            write(2, json.dumps(key if "keys" in key else {"keys": [key]}).encode())
for keyset in json.load(open(os.path.join(corpus, "keysets.json")))["keysets"].values():
    write(2, json.dumps(keyset["jwks"]).encode())
write(3, b"Bearer sb_secret_fedcba9876543210XYZabc\xffsb_secret_fedcba9876543210XYZabc")
print(count, "seeds")
