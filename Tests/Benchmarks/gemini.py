"""gemini-proxy against the plain upstream and against LiteLLM's proxy, in one interleaved run.

The upstream is the mock (`swiftlet mock gemini`), which answers faster than any proxy asks. Core 0 has the proxy with all its processes, core 1
the mock and the load, but for the overhead, where everything is on one; loopback, keep-alive, every prompt its own, so that no cache helps. Parts:
  overhead    one connection: what the proxy adds to the median, by its three faces and in streams
  throughput  32 connections: requests a second on one core, and memory, against LiteLLM with its own two faces
  streams     2,000 streams at once, a word each half second: time to the first word, growth of memory, and whether all end well
  disconnect  a caller leaves: when the upstream sees its connection close
Builds nothing. Ends with 1 when a bar is missed.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import re
import resource
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import pipeline

PARTS = ["overhead", "throughput", "streams", "disconnect"]
KEY = "canary-gemini-key-of-the-benchmark"
NAME = "gemini-proxy"
MASTER = "sk-" + secrets.token_hex(24)
SWIFTLET = os.environ.get("SWIFTLET_PROGRAM", str(pipeline.ROOT / ".build" / "release" / "swiftlet"))
MOCK = os.environ.get("SWIFTLET_MOCK", SWIFTLET)
LITELLM = pathlib.Path(os.environ.get("LITELLM_VENV", pipeline.ROOT / ".build" / "litellm-venv"))
PROXY_CORE, LOAD_CORE = "0", "1"


class Process:
    """A server on a core of its own; ends with the block."""

    def __init__(self, name, command, core, environment, ready, seconds=60, files=None):
        self.name = name
        self.place = tempfile.TemporaryDirectory(prefix="bench-gemini-")
        for file, text in (files or {}).items():
            (pathlib.Path(self.place.name) / file).write_text(text)
        self.log = pathlib.Path(self.place.name) / "log"
        self.process = subprocess.Popen(
            ["taskset", "-c", core, *command], stdout=open(self.log, "wb"), stderr=subprocess.STDOUT, cwd=self.place.name,
            env={**{k: v for k, v in os.environ.items() if not k.startswith(("SWIFTLET_", "GEMINI_", "OPENAI_"))}, **environment})
        end = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None or time.monotonic() > end:
                said = self.said()
                self.__exit__()
                raise AssertionError(f"{name} does not start: {said}")
            time.sleep(0.05)

    @property
    def pid(self):
        return self.process.pid

    def said(self):
        text = self.log.read_text(errors="replace")
        return text if len(text) < 4000 else text[:2000] + "\n…\n" + text[-2000:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.place.cleanup()


def answers(port, path="/", headers=None, body=None):
    def ready():
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"content-type": "application/json", **(headers or {})})
            return urllib.request.urlopen(request, timeout=20).status == 200
        except OSError:
            return False

    return ready


class Mock(Process):
    def __init__(self, speed=1):
        self.port = pipeline.free_port()
        super().__init__(
            "mock", [MOCK, "mock", "gemini", "--port", str(self.port), "--key", KEY, "--speed", str(speed)], LOAD_CORE, {},
            answers(self.port, "/mock/log"))
        self.url = f"http://127.0.0.1:{self.port}"

    def attempts(self, model):
        with urllib.request.urlopen(self.url + "/mock/log") as answer:
            return [one for one in json.load(answer)["attempts"] if one["model"] == model]

    def forget(self):
        urllib.request.urlopen(urllib.request.Request(self.url + "/mock/log", method="DELETE")).close()

    def release(self):
        urllib.request.urlopen(urllib.request.Request(self.url + "/mock/release", b"{}", method="POST")).close()

    def clock(self):
        """Seconds to add to `time.monotonic()` for the mock's clock, by the quickest of some calls."""
        best = None
        path, headers, body = question("direct", "ok.clock")
        for _ in range(10):
            before = time.monotonic()
            one = raw(self.port, path, headers, body)
            one.recv(65536)
            after = time.monotonic()
            one.close()
            seen = self.attempts("ok.clock")[-1]["ms"] / 1000
            if best is None or after - before < best[0]:
                best = (after - before, seen - (before + after) / 2)
        return best[1]


class Swiftlet(Process):
    def __init__(self, mock, **settings):
        self.port = pipeline.free_port()
        environment = {"BASE_URL": mock.url, "API_KEY": KEY, "MODEL": "ok", "TOKENS_PER_MINUTE": 0, "TOKENS_PER_DAY": 0,
                       "MODELS": json.dumps({name: {"fallbacks": []} for name in ["ok", "drip", "hold"]}), **settings}
        path, headers, body = question("native", "ok")
        super().__init__(
            "swiftlet", [SWIFTLET, "serve", "--port", str(self.port), "--admin-port", "none", "--address-limit", "none", "--log-format", "json",
                         "--rate-limit", f"{NAME}=none", "--max-connections", "65536", "--max-connections-per-address", "65536", "--threads", "1",
                         "--storage", "store"], PROXY_CORE, {"GEMINI_" + name: str(value) for name, value in environment.items()},
            answers(self.port, path, headers, body.encode()))


class LiteLLM(Process):
    """As its documentation says, one worker, no database, no network but the mock."""

    def __init__(self, mock):
        self.port = pipeline.free_port()
        # JSON is YAML.
        config = json.dumps({
            "model_list": [{"model_name": "ok", "litellm_params": {"model": "gemini/ok", "api_base": f"{mock.url}/v1beta", "api_key": KEY}}],
            "general_settings": {"master_key": MASTER}, "litellm_settings": {"num_retries": 0, "telemetry": False}})
        path, headers, body = question("litellm openai", "ok")
        super().__init__(
            "litellm", [str(LITELLM / "bin" / "python"), str(LITELLM / "bin" / "litellm"), "--config", "config.yaml", "--port", str(self.port), "--host", "127.0.0.1",
                        "--num_workers", "1", "--telemetry", "False"], PROXY_CORE,
            {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "GEMINI_API_KEY": KEY, "LITELLM_TELEMETRY": "False"},
            answers(self.port, path, headers, body.encode()), seconds=120, files={"config.yaml": config})


PROMPT = "Why does a gateway earn trust only when the provider behind it misbehaves? Question @"


def question(face, model):
    """Path, headers, body of one question; `@` is its number."""
    native = json.dumps({"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]})
    openai = json.dumps({"model": model, "messages": [{"role": "user", "content": PROMPT}]})
    bearer, base = {"authorization": f"Bearer {pipeline.TOKEN}"}, f"/functions/v1/{NAME}"
    verb = "streamGenerateContent?alt=sse" if face.endswith("stream") else "generateContent"
    return {
        "direct": (f"/v1beta/models/{model}:{verb}", {"x-goog-api-key": KEY}, native),
        "direct stream": (f"/v1beta/models/{model}:{verb}", {"x-goog-api-key": KEY}, native),
        "native": (f"{base}/v1beta/models/{model}:{verb}", bearer, native),
        "native stream": (f"{base}/v1beta/models/{model}:{verb}", bearer, native),
        "openai": (f"{base}/openai/chat/completions", bearer, openai),
        "operation": (base, bearer, json.dumps({"operation": "generate", "prompt": PROMPT})),
        "operation stream": (base, bearer, json.dumps({"operation": "generate", "prompt": PROMPT, "stream": True})),
        "litellm native": (f"/v1beta/models/{model}:generateContent", {"x-goog-api-key": MASTER}, native),
        "litellm openai": ("/v1/chat/completions", {"authorization": f"Bearer {MASTER}"}, openai),
    }[face]


def raw(port, path, headers, body):
    one = socket.create_connection(("127.0.0.1", port), 30)
    one.sendall(head(path, headers, body))
    return one


def head(path, headers, body):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nhost: a\r\n{lines}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


def wrk(port, face, connections, seconds, model="ok"):
    path, headers, body = question(face, model)
    front, back = body.split("@")
    # The clock goes in as well: what one run asked, no other asks.
    script = tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False)
    script.write(
        f"local front, back, number = {json.dumps(front + str(time.time_ns()) + '-')}, {json.dumps(back)}, 0\n"
        + "local headers = {" + "".join(f"[{json.dumps(name)}]={json.dumps(value)}," for name, value in {**headers, "content-type": "application/json"}.items()) + "}\n"
        + f"function request()\n  number = number + 1\n  return wrk.format('POST', {json.dumps(path)}, headers, front .. number .. back)\nend\n"
        + 'done=function(s,l,r) io.write(string.format("RESULT %d %d %d %f %f %f\\n",s.requests,s.errors.status,'
          "s.errors.connect+s.errors.read+s.errors.write+s.errors.timeout,l:percentile(50)/1000,l:percentile(99)/1000,s.duration/1e6)) end\n")
    script.close()
    done = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", script.name, f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, check=True)
    os.unlink(script.name)
    requests, bad, errors, p50, p99, took = re.search(r"RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+)", done.stdout).groups()
    assert int(bad) == 0 and int(errors) == 0, (face, done.stdout)
    return {"rps": int(requests) / float(took), "p50": float(p50), "p99": float(p99)}


@contextlib.contextmanager
def on_one_core():
    """Everything beside the proxy too: with a core for each, most of what one connection waits for is an idle core that wakes up."""
    global LOAD_CORE
    before, LOAD_CORE = LOAD_CORE, PROXY_CORE
    try:
        yield
    finally:
        LOAD_CORE = before


@on_one_core()
def overhead(figures, options):
    faces = ["direct", "native", "openai", "operation", "direct stream", "native stream", "operation stream"]
    with Mock() as mock, Swiftlet(mock) as ours:
        for face in faces[1:4]:
            wrk(ours.port, face, 1, 1)
        for number in range(options.rounds):
            for face in faces if number % 2 == 0 else reversed(faces):
                say(f"round {number + 1}/{options.rounds}: one connection, {face}")
                row = wrk(mock.port if face.startswith("direct") else ours.port, face, 1, options.seconds)
                figures.add(f"c1 p50 {face}", row["p50"])
                figures.add(f"c1 p99 {face}", row["p99"])


def throughput(figures, options):
    with Mock() as mock:
        for number in range(options.rounds):
            proxies = [("native", "openai", "operation"), ("litellm native", "litellm openai")]
            for faces in proxies if number % 2 == 0 else reversed(proxies):
                if options.no_peer and faces[0].startswith("litellm"):
                    continue
                with (LiteLLM if faces[0].startswith("litellm") else Swiftlet)(mock) as proxy:
                    for face in faces:
                        wrk(proxy.port, face, 32, 1)
                    for face in faces:
                        say(f"round {number + 1}/{options.rounds}: 32 connections, {face}")
                        before = pipeline.cpu(proxy.pid)
                        row = wrk(proxy.port, face, 32, options.seconds)
                        figures.add(f"c32 rps {face}", row["rps"])
                        figures.add(f"c32 p50 {face}", row["p50"])
                        figures.add(f"c32 p99 {face}", row["p99"])
                        figures.add(f"us {face}", (pipeline.cpu(proxy.pid) - before) / pipeline.CLOCK * 1e6 / (row["rps"] * options.seconds))
                        if number == 0:
                            figures.add(f"c1 p50 {face} after", wrk(proxy.port, face, 1, options.seconds)["p50"])
                    figures.add(f"RSS {proxy.name}", pipeline.memory(proxy.pid))
                    figures.add(f"PSS {proxy.name}", pipeline.share(proxy.pid))
            say(f"round {number + 1}/{options.rounds}: 32 connections, direct")
            figures.add("c32 rps direct", wrk(mock.port, "direct", 32, options.seconds)["rps"])


class Listener(asyncio.Protocol):
    """One caller of a stream: keeps the moments, not the words."""

    def __init__(self, question):
        self.question = question
        self.first, self.tail, self.status, self.events = None, b"", None, 0
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport, self.begun = transport, time.monotonic()
        transport.write(self.question)

    def data_received(self, data):
        if self.first is None and b"data:" in data:
            self.first = time.monotonic() - self.begun
        if self.status is None:
            self.status = data[9:12]
        self.events += data.count(b"data:")
        self.tail = (self.tail + data)[-400:]
        if self.tail.endswith(b"0\r\n\r\n"):
            self.transport.close()

    def connection_lost(self, _):
        self.over.set_result(None)

    @property
    def is_well(self):
        return self.status == b"200" and self.tail.endswith(b"0\r\n\r\n") and b"finishReason" in self.tail and self.events >= 60


async def listen(port, face, count, ramp, proxy=None):
    """All streams, begun evenly within the ramp; and the memory of the proxy while they last."""
    loop = asyncio.get_running_loop()
    path, headers, body = question(face, "drip")
    listeners, samples = [], []
    begun = time.monotonic()

    async def sample():
        while True:
            samples.append((time.monotonic() - begun, pipeline.share(proxy.pid), pipeline.memory(proxy.pid)))
            await asyncio.sleep(0.5)

    watch = asyncio.create_task(sample()) if proxy else None
    for number in range(count):
        await asyncio.sleep(max(0, begun + ramp * number / count - time.monotonic()))
        _, one = await loop.create_connection(lambda: Listener(head(path, headers, body.replace("@", str(number)))), "127.0.0.1", port)
        listeners.append(one)
    await asyncio.wait([one.over for one in listeners], timeout=180)
    took = time.monotonic() - begun
    if watch:
        watch.cancel()
    return listeners, samples, took


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def streams(figures, options):
    with Mock(speed=options.drip_speed) as mock, Swiftlet(mock, TIMEOUT="2m", EVENT_TIMEOUT="30s", FIRST_BYTE_TIMEOUT="30s") as ours:
        os.sched_setaffinity(0, {int(LOAD_CORE)})
        idle = pipeline.share(ours.pid)
        for face, port, proxy in [("direct stream", mock.port, None), ("native stream", ours.port, ours)]:
            say(f"{options.streams} streams, {face}")
            listeners, samples, took = asyncio.run(listen(port, face, options.streams, options.ramp, proxy))
            well = sum(one.is_well for one in listeners)
            figures.add(f"well {face}", well)
            firsts = [one.first * 1000 for one in listeners if one.first is not None] or [float("inf")]
            figures.add(f"first p50 {face}", statistics.median(firsts))
            figures.add(f"first p99 {face}", percentile(firsts, 0.99))
            figures.add(f"took {face}", took)
            if well < options.streams:
                bad = next(one for one in listeners if not one.is_well)
                figures.problems.append(f"{face}: {options.streams - well} streams did not end well: {bad.status} {bad.events} events …{bad.tail[-200:]!r}")
            if proxy:
                def at(share):
                    return next(sample for sample in samples if sample[0] >= took * share or sample is samples[-1])

                early, late = at(0.3), max((sample for sample in samples if sample[0] >= took * 0.3), key=lambda sample: sample[1])
                figures.add("PSS idle", idle)
                figures.add("PSS 30 %", early[1])
                figures.add("PSS most after", late[1])
                figures.add("RSS most after", late[2])
                figures.add("growth", late[1] - early[1])
                figures.add("KiB a stream", (late[1] - idle) * 1024 / options.streams)
        os.sched_setaffinity(0, set(range(os.cpu_count())))


def disconnect(figures, options):
    with Mock() as mock, Swiftlet(mock, TIMEOUT="2m", EVENT_TIMEOUT="60s", FIRST_BYTE_TIMEOUT="60s") as ours:
        for face in ["native stream", "native"]:
            say(f"{options.leavers} callers leave, {face}")
            mock.forget()
            offset = mock.clock()
            for number in range(options.leavers):
                path, headers, body = question(face, "hold")
                caller = raw(ours.port, path, headers, body.replace("@", f"{face} {number}"))
                deadline = time.monotonic() + 20
                while len(mock.attempts("hold")) <= number:
                    assert time.monotonic() < deadline, "the upstream was not asked"
                    time.sleep(0.001)
                received = b""
                while face.endswith("stream") and b"data:" not in received:
                    received += caller.recv(65536)
                left = time.monotonic() + offset
                caller.close()
                # Not asked meanwhile: what answers questions does not see that it was left.
                time.sleep(0.15)
                while (one := mock.attempts("hold")[number])["end"] != "client-gone":
                    assert time.monotonic() < deadline, one
                    time.sleep(0.01)
                figures.add(f"gone {face}", (one["endMs"] / 1000 - left) * 1000)
            mock.release()


def say(text):
    print(text, file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--ramp", type=float, default=4, help="seconds within which the streams begin")
    parser.add_argument("--drip-speed", type=float, default=1, help="how much quicker than a word each half second")
    parser.add_argument("--leavers", type=int, default=50)
    parser.add_argument("--parts", default=",".join(PARTS), help="only these, separated by commas; only their bars are judged")
    parser.add_argument("--no-peer", action="store_true", help="without LiteLLM, and without its bars")
    parser.add_argument("--json", help="also write all figures to this file")
    options = parser.parse_args()
    parts = options.parts.split(",")
    assert set(parts) <= set(PARTS), f"parts are {', '.join(PARTS)}"
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most != resource.RLIM_INFINITY and options.streams * 2 + 512 > most:
        options.streams = (most - 512) // 2
        say(f"{options.streams} streams, because a process may open no more than {most} files here")

    figures = pipeline.Figures()
    for part in parts:
        {"overhead": overhead, "throughput": throughput, "streams": streams, "disconnect": disconnect}[part](figures, options)

    def cell(name, digits=2):
        values = figures.values.get(name)
        return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})" if values else "-"

    checks = []
    if "overhead" in parts:
        print(f"\n{'one connection, ms':24} {'p50 (min-max)':>22} {'p99':>8} {'added p50':>10}")
        for face in ["direct", "native", "openai", "operation", "direct stream", "native stream", "operation stream"]:
            base = "direct stream" if face.endswith("stream") else "direct"
            added = figures.median(f"c1 p50 {face}") - figures.median(f"c1 p50 {base}")
            print(f"{face:24} {cell(f'c1 p50 {face}', 3):>22} {figures.median(f'c1 p99 {face}'):8.3f} {added:10.3f}")
            if face in ("native", "openai", "operation"):
                checks.append((f"added p50 at one connection, {face}, ms", added, "<=", 0.5))
    if "throughput" in parts:
        print(f"\n{'32 connections':24} {'requests/s (min-max)':>26} {'p50 ms':>8} {'p99 ms':>8} {'us CPU':>8} {'c1 p50':>8}")
        for face in ["native", "openai", "operation", "litellm native", "litellm openai"]:
            if figures.has(f"c32 rps {face}"):
                print(f"{face:24} {cell(f'c32 rps {face}', 0):>26} {figures.median(f'c32 p50 {face}'):8.2f} {figures.median(f'c32 p99 {face}'):8.2f} "
                      f"{figures.median(f'us {face}'):8.0f} {figures.median(f'c1 p50 {face} after'):8.3f}")
        print(f"{'direct':24} {cell('c32 rps direct', 0):>26}")
        for name in ["swiftlet", "litellm"]:
            print(f"{name + ', all processes':24} RSS {cell(f'RSS {name}', 1)} MiB, PSS {cell(f'PSS {name}', 1)} MiB")
        if not options.no_peer:
            for face in ["native", "openai"]:
                checks.append((f"requests/s against LiteLLM, {face}", figures.median(f"c32 rps {face}") / figures.median(f"c32 rps litellm {face}"), ">=", 20.0))
            checks.append(("memory (PSS) against LiteLLM", figures.median("PSS swiftlet") / figures.median("PSS litellm"), "<=", 0.5))
    if "streams" in parts:
        print(f"\n{options.streams} streams, begun within {options.ramp:g} s")
        for face in ["direct stream", "native stream"]:
            print(f"{face:24} first event p50 {cell(f'first p50 {face}', 1)} ms, p99 {cell(f'first p99 {face}', 1)} ms; "
                  f"{figures.median(f'well {face}'):.0f} ended well, {figures.median(f'took {face}'):.1f} s")
        print(f"{'memory (PSS) MiB':24} idle {cell('PSS idle', 1)}, at 30 % {cell('PSS 30 %', 1)}, most after {cell('PSS most after', 1)}; "
              f"{cell('KiB a stream', 1)} KiB a stream")
        checks.append(("streams that did not end well", options.streams - figures.median("well native stream"), "<=", 0))
        checks.append(("growth of memory after 30 % of the time, MiB", figures.median("growth"), "<=", 8.0))
        checks.append(("first event, p99 over the direct one, ms", figures.median("first p99 native stream") - figures.median("first p99 direct stream"), "<=", 100.0))
    if "disconnect" in parts:
        print()
        for face in ["native stream", "native"]:
            gone = figures.values[f"gone {face}"]
            print(f"{face + ', caller leaves':32} the upstream sees it after p50 {statistics.median(gone):.2f} ms, p99 {percentile(gone, 0.99):.2f} ms ({len(gone)} callers)")
            checks.append((f"caller leaves ({face}): upstream closed, p99 ms", percentile(gone, 0.99), "<=", 100.0))
    for problem in figures.problems:
        print(f"     {problem}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"figures": figures.values, "problems": figures.problems, "checks": checks}, indent=1))
    return pipeline.print_checks(checks)


if __name__ == "__main__":
    sys.exit(main())
