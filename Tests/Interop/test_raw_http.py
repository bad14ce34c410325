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


def exchange(port, data, answers=None):
    """What the host says until it closes: on its own, or after so many answers, when we say that we are done. Nothing is read from a silence."""
    # Less than the 60 s after which it closes any connection, more than the 10 s it gives a head.
    with socket.create_connection(("127.0.0.1", port), timeout=30) as one:
        answer = b""
        try:
            one.sendall(data)
            while part := one.recv(65536):
                answer += part
                if answers is not None and len([status for status in statuses(answer) if status >= 200]) >= answers:
                    answers = None
                    one.shutdown(socket.SHUT_WR)
        except (ConnectionResetError, BrokenPipeError):
            pass  # closed before all of it was sent or read
        return answer


def statuses(answer):
    return [int(status) for status in re.findall(rb"(?:^|\r\n\r\n|\r\n\}?|\})HTTP/1\.1 (\d{3}) ", answer)]


LAST = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def alive(port):
    return exchange(port, LAST).startswith(b"HTTP/1.1 200 ")


def wrong_about(row, port):
    """What is wrong about the answers to a crafted row."""
    closes = row.get("expect_close")
    try:
        # A host that stays open answers one more request on the same connection; one that closes does so without being told.
        seen = statuses(exchange(port, raw(row) + (LAST if closes is False else b""), answers=1 if closes is None else None))
    except TimeoutError:
        return "not closed"
    if closes is False:
        if len(seen) < 2 or seen.pop() != 200:
            return "closed", seen
    last = seen[-1] if seen else None
    # One status a row, or one for each answer of a pipeline.
    if last not in row["expect_status"] and not (last is None and 400 in row["expect_status"]):
        return seen, row["expect_status"]
    if row.get("handler_calls") == 0 and 200 in seen:
        return "handled", seen
    if b"/smuggled" in raw(row) and len(seen) > 1:
        return "a smuggled request was answered", seen
    return None


def several_at_once(check, asked):
    """Most of the time of a row is waiting."""
    with ThreadPoolExecutor(16) as pool:
        return [(row["id"], said) for row, said in zip(asked, pool.map(check, asked)) if said]


def test_crafted_rows(host):
    asked = rows("crafted_raw.jsonl")
    assert len(asked) > 100
    assert not several_at_once(lambda row: wrong_about(row, host.port), asked)
    assert alive(host.port)


REFUSALS = {400, 408, 413, 414, 431, 501, 505}


def wrong_about_others(row, port):
    strict = row.get("llhttp") == "error" and row.get("mode") in ("request", "request-finish")
    try:
        # What is no request must be refused or closed, without being told.
        seen = statuses(exchange(port, raw(row), answers=None if strict else 1))
    except TimeoutError:
        return "accepted" if strict else "neither answered nor closed"
    return [status for status in seen if status >= 500 and status not in REFUSALS]


@pytest.mark.parametrize("name", ["crs_protocol.jsonl", "llhttp_requests.jsonl"])
def test_rows_of_others(host, name):
    asked = [row for row in rows(name) if raw(row) is not None]
    assert len(asked) > 90
    assert not several_at_once(lambda row: wrong_about_others(row, host.port), asked)
    assert alive(host.port)
