"""The mock of Gemini, driven with a real HTTP client: what each fault looks like from the other side of the socket."""

import json
import signal
import socket
import subprocess

import httpx
import pytest

from conftest import binary

KEY = "canary-mock-key-77"
PROMPT = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
FIRST, LAST = "This is the Swiftlet mock of Gemini", "goodbye."


class Mock:
    def __init__(self, *flags):
        self.process = subprocess.Popen(
            [binary("swiftlet"), "mock", "gemini", "--port", "0", *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = [self.process.stdout.readline() for _ in range(3)]
        assert lines[0].startswith("This is a mock of Gemini") and lines[1].startswith("Mock Gemini on http://127.0.0.1:"), lines
        self.url = lines[1].split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.client = httpx.Client(base_url=self.url, headers={"x-goog-api-key": KEY}, timeout=30)
        self.openai = httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {KEY}"}, timeout=30)

    def call(self, model, verb="generateContent", query="", version="v1beta"):
        return self.client.post(f"/{version}/models/{model}:{verb}{query}", json=PROMPT)

    def stream(self, model):
        return self.client.stream("POST", f"/v1beta/models/{model}:streamGenerateContent?alt=sse", json=PROMPT)

    def chat(self, model, stream=False):
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "x"}]}
        return self.openai.post("/v1/chat/completions", json=body)

    def log(self):
        return self.client.get("/mock/log").json()["attempts"]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(timeout=20)


@pytest.fixture(scope="module")
def mock():
    mock = Mock("--key", KEY, "--speed", "100")
    yield mock
    assert mock.stop() == 0


@pytest.fixture(autouse=True)
def forget(mock):
    mock.client.delete("/mock/log")


def words(stream):
    """The words of a stream, as far as it came, and what ended it."""
    text, end = "", None
    try:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                try:
                    event = json.loads(line[6:])
                except ValueError:
                    end = "not JSON"
                    continue
                if "error" in event:
                    end = "error"
                for candidate in event.get("candidates", []):
                    text += "".join(part.get("text", "") for part in candidate.get("content", {}).get("parts", []))
    except httpx.HTTPError as error:
        end = type(error).__name__
    return text.split(), end


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_healthy_answers(mock, version):
    answer = mock.call("gemini-3.5-flash-lite", version=version).json()
    text = answer["candidates"][0]["content"]["parts"][0]["text"]
    assert text.startswith(FIRST) and text.endswith(LAST) and len(text.split()) == 60
    assert answer["usageMetadata"] == {"promptTokenCount": 2, "candidatesTokenCount": 60, "totalTokenCount": 62}
    with mock.stream("ok") as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        assert words(stream) == (text.split(), None)
    assert mock.chat("ok").json()["choices"][0]["message"]["content"] == text
    events = mock.chat("ok", stream=True).text
    assert events.endswith("data: [DONE]\n\n") and LAST in events
    assert len(mock.call("ok", "streamGenerateContent").json()) == 61
    assert mock.call("ok", "countTokens").json()["totalTokens"] == 2


@pytest.mark.parametrize(
    "model, count, end",
    [
        ("cut", 40, "RemoteProtocolError"), ("cut-chunk", 40, "RemoteProtocolError"), ("cut-clean", 40, None),
        ("half-error", 20, "ReadError"), ("inband-error", 20, "error"), ("bad-event", 59, "not JSON"), ("stall", 60, None),
        ("drip", 60, None), ("slow-first", 60, None), ("partless-final", 60, None), ("lead-empty-stop", 60, None), ("gzip", 60, None),
        ("split-utf8", 60, None), ("unknown-enum", 60, None), ("extra-fields", 60, None), ("reset", 0, "ReadError"),
        ("silent", 0, "RemoteProtocolError"),
    ])
def test_streams_that_go_wrong(mock, model, count, end):
    text, how = [], None
    try:
        with mock.stream(model) as stream:
            assert stream.status_code == 200
            text, how = words(stream)
    except httpx.HTTPError as error:
        how = type(error).__name__
    assert (len(text), how) == (count, end)
    ends = {"cut": "hung-up", "cut-chunk": "hung-up", "silent": "hung-up", "half-error": "reset", "reset": "reset"}
    assert mock.log()[-1]["end"] == ends.get(model, "answered")


def test_gzip_and_bom_and_huge(mock):
    packed = mock.call("gzip")
    assert packed.headers["content-encoding"] == "gzip" and LAST in packed.text
    assert mock.call("bom").content[:3] == b"\xef\xbb\xbf"
    assert len(mock.call("huge").json()["candidates"][0]["content"]["parts"][0]["text"]) > 8_000_000


def test_refusals_and_what_the_log_says(mock):
    first, second = mock.call("mock-429-retryinfo.a"), mock.call("mock-429-retryinfo.a")
    assert (first.status_code, second.status_code) == (429, 200)
    assert first.json()["error"]["details"][-1]["retryDelay"] == "0.02s" and "retry-after" not in first.headers
    assert mock.call("429-header").headers["retry-after"] == "1"
    assert httpx.post(f"{mock.url}/v1beta/models/ok:generateContent", json=PROMPT).status_code == 400
    assert httpx.post(f"{mock.url}/v1beta/models/ok:generateContent?key={KEY}", json=PROMPT).status_code == 400
    token = mock.client.post("/v1beta/models/ok:generateContent", json=PROMPT, headers={"authorization": "Bearer user-token"})
    assert token.status_code == 400 and "user's token" in token.json()["error"]["message"]
    log = mock.log()
    assert [(attempt["n"], attempt["status"], attempt["keyOK"], attempt["userToken"]) for attempt in log] == [
        (1, 429, True, False), (2, 200, True, False), (3, 429, True, False), (4, 400, False, False), (5, 400, False, False),
        (6, 400, True, True)]
    assert log[0]["body"] == PROMPT and log[0]["model"] == "mock-429-retryinfo.a" and log[0]["fault"] == "429-retryinfo"
    assert KEY not in json.dumps(log) and "user-token" not in json.dumps(log)
    mock.client.delete("/mock/log")
    assert mock.log() == [] and mock.call("mock-429-retryinfo.a").status_code == 429


def test_a_client_that_leaves_is_told_in_the_log(mock):
    with mock.stream("hold") as stream:
        next(stream.iter_raw())
    while mock.log()[0]["end"] is None:
        pass
    gone = mock.log()[0]
    assert gone["end"] == "client-gone" and gone["endMs"] >= gone["ms"] and gone["stream"] is True
    assert mock.client.post("/mock/release").json() == {"released": 0}


def test_a_schema_is_followed(mock):
    schema = {"type": "OBJECT", "required": ["options"], "properties": {"options": {"type": "ARRAY", "items": {"type": "STRING"}}}}
    body = {**PROMPT, "generationConfig": {"responseMimeType": "application/json", "responseSchema": schema}}

    def text(model):
        answer = mock.client.post(f"/v1beta/models/{model}:generateContent", json=body).json()
        return answer["candidates"][0]["content"]["parts"][0]["text"]

    assert len(json.loads(text("ok"))["options"]) == 2
    with pytest.raises(ValueError):
        json.loads(text("bad-json"))
    assert text("json-in-fence").startswith("```json\n{")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_with_zero(how):
    mock = Mock()
    with socket.create_connection(("127.0.0.1", mock.port)):
        assert mock.stop(how) == 0


def test_a_taken_port_and_wrong_words_are_said_plainly(mock):
    done = subprocess.run([binary("swiftlet"), "mock", "gemini", "--port", str(mock.port)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 78 and "in use" in done.stderr
    for flags in (["--port", "70000"], ["--speed", "0"], ["--speed", "nan"], ["--key", ""]):
        done = subprocess.run([binary("swiftlet"), "mock", "gemini", *flags], capture_output=True, text=True, timeout=30)
        assert done.returncode == 64, flags
    help = subprocess.run([binary("swiftlet"), "mock", "gemini", "--help"], capture_output=True, text=True, timeout=30).stdout
    names = [model["name"].removeprefix("models/") for model in mock.client.get("/v1beta/models").json()["models"]]
    assert len(names) > 40 and all(f"  {name} " in help for name in names)
