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
import urllib.request

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
    """A process of the host; its log lines are kept and can be waited for. Secrets that are to be seen nowhere hold the word `canary`."""

    started = []

    def __init__(self, program="swiftlet-fixtures", *flags, env=None):
        own = ("SWIFTLET_", "SUPABASE_", "JWT_", "GEMINI_", "OPENAI_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
        self.canaries = {v for v in (env or {}).values() if "canary" in v}
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
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        listening = self.wait_for(lambda line: line.get("msg") == "listening")
        self.port = int(listening["port"])
        self.admin_port = int(listening["admin_port"]) if listening.get("admin_port") else None
        self.url = f"http://127.0.0.1:{self.port}"
        self.functions = self.url + "/functions/v1"
        Host.started.append(self)

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

    def metrics(self):
        """The page of metrics; nothing when the process has none or has ended."""
        if self.admin_port is None or self.process.poll() is not None:
            return ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=20) as page:
                return page.read().decode()
        except OSError:
            return ""

    def keeps_its_secrets(self):
        """Fails when a secret with the word `canary` stands in the log or in the metrics."""
        for place, text in [("log", json.dumps(self.lines, ensure_ascii=False)), ("metrics", self.metrics())]:
            for canary in self.canaries:
                assert canary not in text, f"the {place} shows {canary}: …{text[max(0, text.find(canary) - 300):][:600]}…"

    def stop(self):
        try:
            self.keeps_its_secrets()
        finally:
            self.process.terminate()
            try:
                status = self.process.wait(timeout=40)
            finally:
                shutil.rmtree(self.storage, ignore_errors=True)
        # What it said when it ended, too.
        self.reader.join(timeout=20)
        self.keeps_its_secrets()
        return status


@pytest.fixture(scope="module", autouse=True)
def hosts_keep_their_secrets():
    """After each module, also the hosts that it has not stopped, or that died on their own."""
    yield
    for host in Host.started:
        host.keeps_its_secrets()
    Host.started = [host for host in Host.started if host.process.poll() is None]


@pytest.fixture(scope="session")
def host():
    host = Host(env={"FIXTURE_SECRET": "canary-fixture-secret-4711", "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_test_0123456789abcdef",
                     "SUPABASE_SECRET_KEY": "sb_secret_test_0123456789abcdef"})
    yield host
    assert host.stop() == 0


@pytest.fixture
def user_token():
    return token()
