"""What the suites of gemini-proxy share: the mock of the upstream, hosts in front of it, what a caller sees, and ears for the canary key."""

import collections
import contextlib
import itertools
import json
import re
import socket
import subprocess
import threading
import time
import uuid
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import pytest
from conftest import Host, binary, token

# Of no known pattern: only a host that knows its own secrets can keep it out of what it shows.
KEY = "canary-gemini-key-4711-of-no-pattern"
NAME = "gemini-proxy"
PROMPT = "Why does a gateway earn trust only when the provider behind it misbehaves?"
# Every wait of the mock is divided by this, and so are the bounds of the hosts.
SPEED = 10


class Ears:
    """Reads along with every socket of this process that is connected to one of the hosts, whatever client it belongs to."""

    def __init__(self):
        self.ports, self.hosts, self.bytes, self.found = set(), 0, 0, []
        self._tails = weakref.WeakKeyDictionary()
        recv, recv_into = socket.socket.recv, socket.socket.recv_into

        def hearing_recv(one, *arguments):
            data = recv(one, *arguments)
            self.hear(one, data)
            return data

        def hearing_recv_into(one, buffer, *arguments):
            count = recv_into(one, buffer, *arguments)
            self.hear(one, bytes(memoryview(buffer).cast("B")[:count]))
            return count

        socket.socket.recv, socket.socket.recv_into = hearing_recv, hearing_recv_into

    def listen(self, port):
        self.ports.add(port)
        self.hosts += 1

    def hear(self, one, data):
        if not data or not self.ports:
            return
        state = self._tails.get(one)
        if state is None:
            try:
                state = [one.getpeername()[1] in self.ports, b""]
            except (OSError, IndexError, TypeError):
                return
            self._tails[one] = state
        if not state[0]:
            return
        self.bytes += len(data)
        text = state[1] + data
        if KEY.encode() in text:
            self.found.append(text[-4000:])
        state[1] = text[-len(KEY):]


EARS = Ears()


@pytest.fixture(scope="module", autouse=True)
def no_answer_holds_the_key():
    hosts, heard = EARS.hosts, EARS.bytes
    yield
    assert not EARS.found, f"an answer shows the key: {EARS.found[0]!r}"
    assert EARS.bytes > heard or EARS.hosts == hosts, "the ears heard nothing: this check checks nothing"


class Mock:
    """`swiftlet mock gemini` in a process of its own."""

    def __init__(self, speed=SPEED):
        self.process = subprocess.Popen(
            [binary("swiftlet"), "mock", "gemini", "--port", "0", "--key", KEY, "--speed", str(speed)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(r"Mock Gemini on (http://[0-9.:]+)", line):
                self.url = found.group(1)
                break
        else:
            raise AssertionError(f"the mock ended: {self.lines}")
        threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True).start()
        self.http = httpx.Client(base_url=self.url, timeout=60)

    def log(self, model=None):
        """What arrived, oldest first; of one model, or of all."""
        attempts = self.http.get("/mock/log").json()["attempts"]
        return [one for one in attempts if model is None or one["model"] == model]

    def wait(self, model, matches=lambda attempts: len(attempts) > 0, seconds=20):
        """The attempts at a model, as soon as they match."""
        end = time.monotonic() + seconds
        while not matches(attempts := self.log(model)):
            assert time.monotonic() < end, attempts
            time.sleep(0.01)
        return attempts

    def release(self):
        assert self.http.post("/mock/release").status_code < 300

    def clock(self):
        """Seconds to add to `time.monotonic()` for the mock's own clock, by the quickest of some calls."""
        best = None
        for _ in range(8):
            model = fresh("ok")
            before = time.monotonic()
            self.native(model)
            after = time.monotonic()
            if best is None or after - before < best[0]:
                best = (after - before, self.log(model)[0]["ms"] / 1000 - (before + after) / 2)
        return best[1]

    def native(self, model, prompt=PROMPT, verb="generateContent", **more):
        return self.http.post(
            f"/v1beta/models/{model}:{verb}", json={"contents": [{"role": "user", "parts": [{"text": prompt}]}], **more}, headers={"x-goog-api-key": KEY})

    def words(self):
        """The healthy answer."""
        text = self.native(fresh("ok")).json()["candidates"][0]["content"]["parts"][0]["text"]
        assert len(text.split()) == 60 and "mock" in text.lower(), text
        return text

    def stop(self):
        self.http.close()
        self.process.terminate()
        self.process.wait(timeout=20)


_numbers = itertools.count(1)


def fresh(fault):
    """A name that the mock has not met: what it does once, it does anew."""
    return f"{fault}.t{next(_numbers)}"


def user():
    """A token of somebody new."""
    return token(str(uuid.uuid4()))


class Gemini(Host):
    """A host in front of a mock. `models` goes over the built-in table; settings are those of the function, without `GEMINI_`."""

    def __init__(self, mock, models=None, *flags, env=None, **settings):
        self.mock = mock
        own = {"API_KEY": KEY, "BASE_URL": mock.url, "FIRST_BYTE_TIMEOUT": "1s", "EVENT_TIMEOUT": "1s", "TIMEOUT": "15s", "BREAKER_COOLDOWN": "500ms",
               "TOKENS_PER_MINUTE": "0", "TOKENS_PER_DAY": "0", "MODELS": json.dumps(models or {}), **settings}
        super().__init__(
            "swiftlet", "--address-limit", "none", "--rate-limit", f"{NAME}=none", *flags,
            env={**{"GEMINI_" + name: str(value) for name, value in own.items()},
                 "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": mock.url + "/openai/v1", **(env or {})})
        EARS.listen(self.port)
        self.base = f"{self.functions}/{NAME}"
        self.http = httpx.Client(timeout=60)

    def stop(self):
        self.http.close()
        # The port may be another server's next.
        EARS.ports.discard(self.port)
        return super().stop()

    def post(self, path="", body=None, bearer=None, **headers):
        return self.http.post(self.base + path, json=body, headers={"authorization": f"Bearer {bearer or user()}", **headers})

    def operation(self, body, bearer=None, **headers):
        """The operations' own face; the object of a 200."""
        answer = self.post("", body, bearer, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def watch(self, face, model, prompt=PROMPT, bearer=None, **headers):
        """A stream, as its caller sees it."""
        return watch(self.http, self.base, face, model, prompt, {"authorization": f"Bearer {bearer or user()}", **headers})


@dataclass
class View:
    """What a caller got from a stream."""

    face: str
    status: int = 0
    headers: dict = field(default_factory=dict)
    events: list = field(default_factory=list)
    garbage: list = field(default_factory=list)
    # Ended as HTTP ends, and not because the connection was cut.
    ended: bool = False
    done: bool = False
    error: dict = None
    body: bytes = b""
    seconds: float = 0

    @property
    def text(self):
        text = ""
        for event in self.events:
            if self.face == "openai":
                text += "".join(choice["delta"].get("content") or "" for choice in event.get("choices", [])[:1])
            else:
                for candidate in event.get("candidates", [])[:1]:
                    parts = candidate.get("content", {}).get("parts", [])
                    text += "".join(part.get("text", "") for part in parts if not part.get("thought"))
        return text

    @property
    def finish(self):
        if self.face == "openai":
            said = [choice.get("finish_reason") for event in self.events for choice in event.get("choices", [])]
        else:
            said = [candidate.get("finishReason") for event in self.events for candidate in event.get("candidates", [])]
        return next((one for one in reversed(said) if one), None)

    @property
    def usage(self):
        name = "usage" if self.face == "openai" else "usageMetadata"
        return next((event[name] for event in reversed(self.events) if event.get(name)), None)

    @property
    def model(self):
        return next((event["model" if self.face == "openai" else "modelVersion"] for event in reversed(self.events)
                     if event.get("model" if self.face == "openai" else "modelVersion")), None)

    @property
    def blocked(self):
        return next((event["promptFeedback"]["blockReason"] for event in self.events if event.get("promptFeedback", {}).get("blockReason")), None)

    @property
    def looks_whole(self):
        """A client of this face would take it for a whole answer."""
        return self.status == 200 and self.ended and self.error is None and self.finish is not None and (self.done or self.face != "openai")

    @property
    def code(self):
        return code_of(self.error)

    def __str__(self):
        return (f"{self.face} {self.status} ended={self.ended} done={self.done} error={self.error} finish={self.finish} words={len(self.text.split())} "
                f"usage={self.usage} model={self.model} seconds={self.seconds:.2f} headers={[(k, v) for k, v in self.headers.items() if 'swiftlet' in k]}")


def code_of(error):
    """Our own code in an error of any face."""
    if not error:
        return None
    for detail in error.get("details") or []:
        if detail.get("@type", "").endswith("ErrorInfo") and detail.get("domain") == "swiftlet":
            return detail["reason"]
    return error.get("code")


# Where OpenAI has a word of its own, its clients get that; else ours, in its small letters.
OPENAI_WORDS = {"UPSTREAM_RATE_LIMITED": "rate_limit_exceeded", "TOKEN_BUDGET_EXCEEDED": "rate_limit_exceeded", "CONTEXT_TOO_LONG": "context_length_exceeded", "PROMPT_BLOCKED": "content_filter",
                "ANSWER_BLOCKED": "content_filter", "MODEL_NOT_ALLOWED": "model_not_found"}


def in_words_of(face, code):
    return OPENAI_WORDS.get(code, code.lower()) if face == "openai" else code


def request(face, model, prompt=PROMPT, stream=True, **more):
    """Path and body of one question."""
    if face == "openai":
        streaming = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        return "/openai/chat/completions", {"model": model, "messages": [{"role": "user", "content": prompt}], **streaming, **more}
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": prompt}]}], **more}


def watch(http, base, face, model, prompt, headers, **more):
    path, body = request(face, model, prompt, **more)
    return stream(http, base + path, face, body, headers)


def stream(http, url, face, body, headers):
    view, begun = View(face), time.monotonic()
    try:
        with http.stream("POST", url, json=body, headers=headers) as response:
            view.status, view.headers = response.status_code, dict(response.headers)
            for part in response.iter_bytes():
                view.body += part
        view.ended = True
    except (httpx.RemoteProtocolError, httpx.ReadError):
        assert view.status, "no answer at all"
    view.seconds = time.monotonic() - begun
    if view.status != 200:
        found = json.loads(view.body)
        view.error = found.get("error", found)
        if isinstance(view.error, str):
            view.error = found
        return view
    for name, data in sse(view.body):
        if data == "[DONE]":
            view.done = True
            continue
        try:
            event = json.loads(data)
        except ValueError:
            view.garbage.append(data)
            continue
        if name == "error" or (isinstance(event, dict) and "error" in event):
            view.error = event.get("error", event)
        else:
            view.done = view.done or name == "done"
            view.events.append(event)
    return view


def sse(body):
    """Name and data of each event that is complete."""
    found = []
    name, data = None, []
    for line in re.split(r"\r\n|\n|\r", body.decode()):
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and (data or name):
            found.append((name, "\n".join(data)))
            name, data = None, []
    return found


def limits(headers):
    """The `RateLimit` fields by the name of the policy: `{"tokens": {"r": 5, "t": 60}}`."""
    found = collections.defaultdict(dict)
    for name in ("ratelimit-policy", "ratelimit"):
        for item in filter(None, re.split(r",\s*(?=\")", headers.get(name, ""))):
            policy, *parameters = item.split(";")
            for parameter in parameters:
                key, _, value = parameter.strip().partition("=")
                found[policy.strip().strip('"')][key] = int(value) if value.isdigit() else value
    return dict(found)


@pytest.fixture(scope="module")
def mock():
    mock = Mock()
    yield mock
    mock.stop()


@pytest.fixture(autouse=True)
def short_log(mock):
    """Each test reads its own attempts, and not those of all before it."""
    assert mock.http.delete("/mock/log").status_code == 200


@pytest.fixture(scope="module")
def words(mock):
    return mock.words()


@contextlib.contextmanager
def hosts(mock):
    """A way to start hosts that end together; the same settings give the same host."""
    running = {}

    def start(models=None, *flags, env=None, **settings):
        key = json.dumps([models, flags, env, settings], sort_keys=True)
        if key not in running:
            running[key] = Gemini(mock, models, *flags, env=env, **settings)
        return running[key]

    try:
        yield start
    finally:
        with ThreadPoolExecutor(8) as pool:
            ends = list(pool.map(lambda one: one.stop(), running.values()))
    assert set(ends) <= {0}, ends


@pytest.fixture(scope="module")
def serve(mock):
    with hosts(mock) as start:
        yield start
