"""Starts the fixture host (the same host, with the functions of Tests/Fixtures) on ephemeral ports, once per session."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import queue
import shutil
import subprocess
import tempfile
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The public demo secret of Supabase's local stack; the host takes it on loopback only.
SECRET = b"super-secret-jwt-token-with-at-least-32-characters-long"


def binary(name):
    """`INTEROP_BINARIES` names another folder than the debug build's."""
    path = pathlib.Path(os.environ.get("INTEROP_BINARIES") or ROOT / ".build" / "debug") / name
    assert path.exists(), f"{path} is not built; run Tests/run"
    return str(path)


def token(sub="11111111-1111-4111-8111-111111111111", secret=SECRET, **claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    payload = {"sub": sub, "role": "authenticated", "iss": "test", "exp": int(time.time()) + 3600, **claims}
    signed = part({"alg": "HS256", "typ": "JWT"}) + b"." + part({k: v for k, v in payload.items() if v is not None})
    signature = base64.urlsafe_b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).rstrip(b"=")
    return (signed + b"." + signature).decode()


class Host:
    """A process of the host; its log lines are kept and can be waited for."""

    def __init__(self, program="swiftlet-fixtures", *flags, env=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SWIFTLET_", "SUPABASE_", "JWT_"))}
        # Of the many functions of the fixtures a test needs few: their workers start when they are asked.
        environment["SWIFTLET_COLD_START"] = "1"
        # A folder of files belongs to one host at a time.
        self.storage = tempfile.mkdtemp(prefix="swiftlet-storage-")
        environment["SWIFTLET_STORAGE"] = self.storage
        environment.update(env or {})
        self.process = subprocess.Popen(
            [binary(program), "serve", "--port", "0", "--admin-port", "0", "--log-format", "json", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
        self.lines = []
        self._new = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        listening = self.wait_for(lambda line: line.get("msg") == "listening")
        self.port = int(listening["port"])
        self.admin_port = int(listening["admin_port"]) if listening.get("admin_port") else None
        self.url = f"http://127.0.0.1:{self.port}"
        self.functions = self.url + "/functions/v1"

    def _read(self):
        for raw in self.process.stdout:
            text = raw.decode("utf-8", "replace").rstrip("\n")
            try:
                line = json.loads(text)
            except ValueError:
                line = {"unparsed": text}
            self.lines.append(line)
            self._new.put(line)
        self._new.put(None)

    def wait_for(self, matches, seconds=30):
        """The first line from here on that matches; fails when the process ends or the time is up."""
        end = time.monotonic() + seconds
        while True:
            line = self._new.get(timeout=max(0.01, end - time.monotonic()))
            if line is None:
                raise AssertionError(f"the host ended ({self.process.wait()}): {self.lines[-5:]}")
            if matches(line):
                return line

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(timeout=40)
        finally:
            shutil.rmtree(self.storage, ignore_errors=True)


@pytest.fixture(scope="session")
def host():
    host = Host(env={"FIXTURE_SECRET": "canary-fixture-secret-4711", "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_test_0123456789abcdef",
                     "SUPABASE_SECRET_KEY": "sb_secret_test_0123456789abcdef"})
    yield host
    assert host.stop() == 0


@pytest.fixture
def user_token():
    return token()
