"""The lines of the shared test data: lines.py SHARED"""

import base64, json, sys
for name in ["secrets/samples", "benign/messages"]:
    for line in open(f"{sys.argv[1]}/corpora/{name}.jsonl"):
        row = json.loads(line)
        text = base64.b64decode(row["input_b64"]).decode("utf-8", "replace") if "input_b64" in row else row["input"]
        print("\n".join(part[:2000] for part in text.split("\n") if part.strip()))
