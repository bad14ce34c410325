"""Every row of the shared HTTP data, byte for byte, against a live host."""

import base64
import gzip
import json
import os
import pathlib
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT

SHARED = pathlib.Path(os.environ.get("SWIFTLET_SHARED", ROOT.parent / "shared")) / "corpora" / "http"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason=f"no shared test data at {SHARED}")


def rows(name):
    if not SHARED.exists():
        return []
    return [json.loads(line) for line in open(SHARED / name)]


def raw(row):
    for key in ("raw_b64", "input_b64", "bytes_b64"):
        if key in row:
            return base64.b64decode(row[key])
    for key in ("raw_gz_b64", "input_gz_b64"):
        if key in row:
            return gzip.decompress(base64.b64decode(row[key]))
    return None


def exchange(port, data):
    """What the host answers, and whether it closed. A row that leaves the host waiting ends with our half-close."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        one.settimeout(0.25)
        answer, closed = b"", False
        try:
            one.sendall(data)
        except OSError:
            pass
        try:
            while True:
                part = one.recv(65536)
                if not part:
                    closed = True
                    break
                answer += part
        except socket.timeout:
            pass
        except ConnectionResetError:
            closed = True
        return answer, closed


def statuses(answer):
    return [int(status) for status in re.findall(rb"(?:^|\r\n\r\n|\r\n\}?|\})HTTP/1\.1 (\d{3}) ", answer)]


def alive(port):
    answer, _ = exchange(port, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    return answer.startswith(b"HTTP/1.1 200 ")


def test_crafted_rows(host):
    wrong = []
    for row in rows("crafted_raw.jsonl"):
        answer, closed = exchange(host.port, raw(row))
        seen = statuses(answer)
        last = seen[-1] if seen else None
        # One status a row, or one for each answer of a pipeline.
        if last not in row["expect_status"] and not (last is None and closed and 400 in row["expect_status"]):
            wrong.append((row["id"], seen, row["expect_status"]))
        elif row.get("expect_close") is True and not closed:
            wrong.append((row["id"], "not closed"))
        elif row.get("expect_close") is False and closed:
            wrong.append((row["id"], "closed"))
        elif row.get("handler_calls") == 0 and 200 in seen:
            wrong.append((row["id"], "handled", seen))
        elif b"/smuggled" in raw(row) and len(seen) > 1:
            wrong.append((row["id"], "a smuggled request was answered", seen))
    assert not wrong
    assert alive(host.port)


@pytest.mark.parametrize("name", ["crs_protocol.jsonl", "llhttp_requests.jsonl"])
def test_rows_of_others(host, name):
    wrong = []
    asked = [(row, data) for row in rows(name) if (data := raw(row)) is not None]
    # Most of the time of a row is waiting for what does not come.
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: exchange(host.port, one[1]), asked))
    for (row, _), (answer, closed) in zip(asked, answers):
        seen = statuses(answer)
        if any(status >= 500 and status not in (501, 505) for status in seen):
            wrong.append((row["id"], seen))
        if row.get("llhttp") == "error" and row.get("mode") in ("request", "request-finish") and not closed and not any(
                status in (400, 408, 413, 414, 431, 501, 505) for status in seen) and seen:
            wrong.append((row["id"], seen, "accepted"))
    assert not wrong
    assert alive(host.port)
