"""Many requests at once, as bytes: what a client of the misbehaving functions sees, and whether it was whole."""

import asyncio
import json
import os
import pathlib
import re
import time
from dataclasses import dataclass, field

from conftest import Host

SECRET = "canary-fixture-secret-4711"


@dataclass
class Answer:
    status: int
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    whole: bool = True

    @property
    def code(self):
        return self.headers.get("sb-error-code")

    @property
    def json(self):
        return json.loads(self.body)


async def get(port, path, method="GET", body=b"", extra=""):
    """One request on a connection of its own. Status 0: no answer at all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        length = f"content-length: {len(body)}\r\ncontent-type: application/octet-stream\r\n" if method == "POST" else ""
        writer.write(f"{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{length}{extra}\r\n".encode() + body)
        await writer.drain()
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return Answer(0, whole=False)
        headers = {}
        for line in head[1:]:
            if line:
                name, value = line.split(":", 1)
                headers[name.lower()] = value.strip()
        answer = Answer(int(head[0].split()[1]), headers)
        try:
            if headers.get("transfer-encoding") == "chunked":
                answer.whole = False
                while True:
                    size = int(await reader.readuntil(b"\r\n"), 16)
                    piece = await reader.readexactly(size + 2)
                    answer.body += piece[:-2]
                    if size == 0:
                        answer.whole = True
                        break
            else:
                answer.body = await reader.readexactly(int(headers.get("content-length", 0)))
        except (asyncio.IncompleteReadError, ConnectionError) as problem:
            answer.body += getattr(problem, "partial", b"")
            answer.whole = False
        return answer
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass


async def crowd(port, count=1000, path="/functions/v1/innocent?n={}"):
    """That many requests at the same time."""
    return await asyncio.gather(*[get(port, path.format(number)) for number in range(count)])


def until(condition, what, seconds=30):
    """Waits for a condition; fails when the time is up."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, what
        time.sleep(0.02)


def workers_of(process, name=None):
    """The process ids of a host's living workers."""
    found = []
    for children in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
        try:
            for child in children.read_text().split():
                arguments = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                if arguments[1:2] == [b"worker"] and (name is None or arguments[2] == name.encode()):
                    found.append(int(child))
        except OSError:
            continue
    return found


def is_alive(process):
    """Neither gone nor waiting to be collected."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class WorkerHost(Host):
    """A host with warm workers of a few functions."""

    def __init__(self, functions, *flags, env=None):
        super().__init__(
            "swiftlet-fixtures", "--address-limit", "none", "--max-connections-per-address", "8192", *flags,
            env={"FIXTURE_SECRET": SECRET, "SWIFTLET_FIXTURES_ONLY": functions, "SWIFTLET_COLD_START": "0", **(env or {})})
        self.pid = self.process.pid
        if not {"--cold-start", "--inline"} & set(flags):
            # They start one after another.
            self.wait_until_ready(name for name in functions.split(",") if not name.startswith(("crashes-", "boots-")))

    def wait_until_ready(self, names):
        """Waits until a worker of each function takes requests."""
        for name in names:
            until(lambda: re.search(rf'^swiftlet_workers_ready{{function="{name}"}} [1-9]', self.metrics(), re.M), f"{name} does not get ready")

    def workers(self, name=None):
        """The process ids of living workers."""
        return workers_of(self.pid, name)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident(self):
        text = pathlib.Path(f"/proc/{self.pid}/statm").read_text()
        return int(text.split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)

    def end_of(self, function):
        """The line of the next end of a worker of that function which nobody asked for."""
        return self.wait_for(lambda line: line.get("msg") == "worker.crashed" and line.get("function") == function)

    def calm(self):
        """Descriptors once nothing moves: every function has its worker, and no connection is open."""
        return until(lambda: asyncio.run(get(self.port, "/functions/v1/innocent?n=1")).status == 200 and self.descriptors(), "no answer")
