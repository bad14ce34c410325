"""Packs the v4 cases of awslabs/aws-c-auth (Apache-2.0) into sigv4-cases.json.

Use: python3 sigv4_cases.py path/to/aws-c-auth/.git > sigv4-cases.json
"""

import json
import subprocess
import sys

COMMIT = "495329c2433034bd8fd53fc6ba9e0202d3fac876"
FOLDER = "tests/aws-signing-test-suite/v4"
FORMS = ("canonical-request", "string-to-sign", "signature")


def main():
    def git(*words):
        return subprocess.run(["git", "--git-dir", sys.argv[1], *words], check=True, capture_output=True).stdout.decode()

    def text(case, file):
        return git("show", f"{COMMIT}:{FOLDER}/{case}/{file}").replace("\r\n", "\n")

    cases = []
    for case in (path.split("/")[-1] for path in git("ls-tree", "--name-only", COMMIT, FOLDER + "/").splitlines()):
        row = {"name": case, "request": text(case, "request.txt"), "context": json.loads(text(case, "context.json"))}
        for side in ("header", "query"):
            row[side] = [text(case, f"{side}-{form}.txt") for form in FORMS]
        cases.append(row)
    source = {
        "source": f"github.com/awslabs/aws-c-auth, {FOLDER}, commit {COMMIT}",
        "license": "Apache-2.0. Copyright Amazon.com, Inc. or its affiliates. All Rights Reserved.",
        "cases": len(cases),
    }
    print("[" + json.dumps(source))
    for row in cases:
        print("," + json.dumps(row, separators=(",", ":")))
    print("]")


if __name__ == "__main__":
    main()
