"""The pipeline against its peers, in one interleaved run: ratios, never absolute goals.

Server on core 0, wrk on core 1, loopback, keep-alive; each server starts fresh for each visit, warms up for a second, then is measured.
What the hop adds at one connection is measured in pairs: both servers run, and wrk visits them in turns of a second, so that a machine
whose speed changes by the minute changes both. `--turns N` measures 64 connections that way too, and nothing else: N turns of a second each,
and the median of the ratios within a turn. There Deno has long been compiled to its fastest, which a fresh start does not give it.
Ends with 1 when a bar is missed. Peers and method: ../shared/bench; SWIFTLET_SHARED names another place.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("SWIFTLET_SHARED", ROOT.parent / "shared"))
SECRET = b"super-secret-jwt-token-with-at-least-32-characters-long"
CLOCK = os.sysconf("SC_CLK_TCK")


def b64(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def token():
    signed = b64(b'{"alg":"HS256","typ":"JWT"}') + "." + b64(json.dumps(
        {"iss": "https://issuer.example/auth/v1", "sub": "6f1c1f0e-0000-4000-8000-00000000000a", "role": "authenticated",
         "exp": int(time.time()) + 86400}).encode())
    return signed + "." + b64(hmac.new(SECRET, signed.encode(), hashlib.sha256).digest())


BODY = json.dumps({"prompt": "Write a friendly answer to the last message, please", "operation": "smartReply", "history": [
    {"role": "me", "text": "Hi, how was your day?"}, {"role": "other", "text": "Quite good, thank you! Do you have time tomorrow?"}],
    "options": {"tone": "friendly", "maxOptions": 3}}, separators=(",", ":"))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Figures:
    """What was measured, by name, several times each; and what went wrong."""

    def __init__(self):
        self.values, self.problems = {}, []

    def add(self, name, value):
        self.values.setdefault(name, []).append(value)

    def median(self, name):
        return statistics.median(self.values[name])

    def has(self, name):
        return name in self.values


class Server:
    def __init__(self, name, start, path, post):
        self.name, self._start, self.path, self.post = name, start, path, post
        self.rows = {}
        self.starts, self.memory, self.shares, self.replacements = [], {}, [], []
        self.connections, self.crashes = (64, 512), 0

    def launch(self, folder):
        port = free_port()
        arguments, environment = self._start(port, folder)
        begun = time.monotonic()
        process = subprocess.Popen(
            ["taskset", "-c", "0", *arguments], env={**os.environ, **environment}, stdout=open(folder / "log", "wb"), stderr=subprocess.STDOUT,
            cwd=folder)
        request = self.request()
        while True:
            try:
                if self.answers(port, request):
                    break
            except OSError:
                assert process.poll() is None and time.monotonic() - begun < 10, (folder / "log").read_text()
        self.starts.append((time.monotonic() - begun) * 1000)
        return process, port

    def request(self):
        return (f"{'POST' if self.post else 'GET'} {self.path} HTTP/1.1\r\nHost: a\r\n" + (
            f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}" if self.post else "\r\n")).encode()

    def answers(self, port, request, isStarting=True):
        with socket.create_connection(("127.0.0.1", port), timeout=12) as one:
            one.sendall(request)
            answer = one.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200") or not isStarting, (self.name, answer[:300])
            return answer.startswith(b"HTTP/1.1 200")

    def replacement(self, pid, port):
        """Milliseconds from the end of the function's worker to the next 200."""
        name = self.path.rsplit("/", 1)[1].encode()
        worker = next(one for one in family(pid) if pathlib.Path(f"/proc/{one}/cmdline").read_bytes().endswith(b"worker\0" + name + b"\0"))
        os.kill(worker, signal.SIGKILL)
        begun = time.monotonic()
        while not self.answers(port, self.request(), isStarting=False):
            assert time.monotonic() - begun < 10, "no 200 after ten seconds"
        took = (time.monotonic() - begun) * 1000
        # A crash long after the last one is the first of its kind.
        time.sleep(0.05)
        return took

    def visit(self, seconds, folder):
        process, port = self.launch(folder)
        try:
            wrk(port, self, 64, 1)
            for connections in self.connections:
                before = cpu(process.pid)
                row = wrk(port, self, connections, seconds)
                row["cpu_us"] = (cpu(process.pid) - before) / CLOCK * 1e6 / row["requests"]
                self.rows.setdefault(connections, []).append(row)
                self.memory.setdefault(connections, []).append(memory(process.pid))
            self.shares.append(share(process.pid))
            if self.crashes:
                for _ in range(self.crashes):
                    self.replacements.append(self.replacement(process.pid, port))
        finally:
            stop(process)

    def median(self, connections, key):
        return statistics.median(row[key] for row in self.rows[connections])


def family(pid):
    pids = [pid]
    for one in pids:
        # Children belong to the thread that started them.
        for children in pathlib.Path(f"/proc/{one}/task").glob("*/children"):
            try:
                pids += map(int, children.read_text().split())
            except OSError:
                pass
    return pids


def share(pid):
    """Proportional share of memory (PSS) in MiB: what is shared counts once."""
    total = 0
    for one in family(pid):
        text = pathlib.Path(f"/proc/{one}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE).group(1)) / 1024
    return total


def cpu(pid):
    total = 0
    for one in family(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total


def memory(pid):
    total = 0
    for one in family(pid):
        text = pathlib.Path(f"/proc/{one}/status").read_text()
        total += int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024
    return total


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def in_turns(servers, turns, folder, connections=1):
    """Each server for a second and then the next; rows of all, as many as turns."""
    running = []
    try:
        for number, server in enumerate(servers):
            (folder / str(number)).mkdir()
            process, port = server.launch(folder / str(number))
            running.append((server, process, port))
            wrk(port, server, 64, 1)
        for _ in range(turns):
            for server, _, port in running:
                server.rows.setdefault(connections, []).append(wrk(port, server, connections, 1))
    finally:
        for _, process, _ in running:
            stop(process)


def wrk(port, server, connections, seconds):
    script = tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False)
    if server.post:
        script.write(f'wrk.method="POST"\nwrk.body={json.dumps(BODY)}\nwrk.headers["Content-Type"]="application/json"\n'
                     f'wrk.headers["Authorization"]="Bearer {TOKEN}"\n')
    script.write('done=function(s,l,r) io.write(string.format("RESULT %d %d %d %f %f\\n",s.requests,s.errors.status,'
                 's.errors.connect+s.errors.read+s.errors.write+s.errors.timeout,l:percentile(50)/1000,l:percentile(99)/1000)) end\n')
    script.close()
    done = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, f"http://127.0.0.1:{port}{server.path}"],
        capture_output=True, text=True, check=True)
    os.unlink(script.name)
    requests, bad, errors, p50, p99 = re.search(r"RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)", done.stdout).groups()
    assert int(bad) == 0 and int(errors) == 0, (server.name, done.stdout)
    return {"requests": int(requests), "rps": int(requests) / seconds, "p50": float(p50), "p99": float(p99)}


def print_checks(checks):
    """Says which bars are met; answers whether one is not."""
    print()
    missed = 0
    for name, value, sign, bar in checks:
        good = {">=": value >= bar, "<=": value <= bar, "<": value < bar}[sign]
        missed += not good
        print(f"{'ok  ' if good else 'MISS'} {name}: {value:.2f} (bar {sign} {bar:g})")
    return 1 if missed else 0


def throughput_checks(isolated, ours, plain, cached, ratio):
    return [
        ("isolated: requests/s against Deno verifying each token", ratio(isolated, plain), ">=", 1.6),
        ("isolated: requests/s against Deno with its cache", ratio(isolated, cached), ">=", 0.8),
        ("isolated: requests/s against inline", ratio(isolated, ours), ">=", 0.75),
        ("requests/s against Deno verifying each token", ratio(ours, plain), ">=", 2.0),
        ("requests/s against Deno with its cache", ratio(ours, cached), ">=", 1.0),
    ]


def compare_in_turns(servers, turns):
    with tempfile.TemporaryDirectory() as folder:
        in_turns(servers, turns, pathlib.Path(folder), connections=64)
    for one in servers:
        rates = [row["rps"] / 1000 for row in one.rows[64]]
        print(f"{one.name:20} {statistics.median(rates):6.1f} k/s ({min(rates):.1f}-{max(rates):.1f})   p99 {one.median(64, 'p99'):6.2f} ms")

    def ratio(one, other):
        return statistics.median(left["rps"] / right["rps"] for left, right in zip(one.rows[64], other.rows[64]))

    return print_checks(throughput_checks(*servers, ratio))


TOKEN = token()
DENO = shutil.which("deno") or str(ROOT / ".build" / "bench-venv" / "bin" / "deno")


def swiftlet(*flags):
    return lambda port, folder: host(port, *flags)


def host(port, *flags):
    program = os.environ.get("SWIFTLET_FIXTURES", str(ROOT / ".build" / "release" / "swiftlet-fixtures"))
    return [program, "serve", "--port", str(port), "--admin-port", "none", "--address-limit", "none", "--log-format", "json",
            "--max-connections-per-address", "4096", "--threads", "1", *flags], {"SWIFTLET_FIXTURES_ONLY": "echo,health,mirror,slow"}


def deno(cache):
    def start(port, folder):
        return [DENO, "run", "--allow-net", "--allow-env", str(SHARED / "bench/peers/echo.deno.js")], {
            "PORT": str(port), **({"CACHE": "1"} if cache else {}), "DENO_DIR": str(folder), "NO_UPDATE_CHECK": "1", "DENO_NO_UPDATE_CHECK": "1"}

    return start


def nginx(port, folder):
    text = (SHARED / "bench/peers/nginx.conf.in").read_text().replace("@PORT@", str(port)).replace("@W@", "1")
    if os.getuid() == 0:
        text = "user root;\n" + text
    (folder / "nginx.conf").write_text(text)
    return [shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], {}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--only", help="servers to run, by part of their name, separated by commas; judges nothing")
    parser.add_argument("--turns", type=int, metavar="N", help="only the four echo servers at 64 connections, in N turns of a second each")
    options = parser.parse_args()
    servers = [
        Server("swiftlet echo", swiftlet(), "/functions/v1/echo", True),
        Server("inline echo", swiftlet("--inline"), "/functions/v1/echo", True),
        Server("deno echo", deno(False), "/functions/v1/echo", True),
        Server("deno echo + cache", deno(True), "/functions/v1/echo", True),
        Server("inline health", swiftlet("--inline"), "/functions/v1/health", False),
        Server("nginx return 200", nginx, "/", False),
    ]
    if options.turns:
        return compare_in_turns(servers[:4], options.turns)
    servers[0].crashes = 3
    if options.only:
        servers = [one for one in servers if any(part in one.name for part in options.only.split(","))]
    for round_number in range(options.rounds):
        for server in servers:
            print(f"round {round_number + 1}/{options.rounds}: {server.name}", file=sys.stderr)
            with tempfile.TemporaryDirectory() as folder:
                server.visit(options.seconds, pathlib.Path(folder))
        alone = [one for one in servers if one.name in ("swiftlet echo", "inline echo")]
        print(f"round {round_number + 1}/{options.rounds}: one connection", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            in_turns(alone, 2 * options.seconds, pathlib.Path(folder))
    print(f"{'server':20} {'c64 k/s (min-max)':>22} {'us/req':>7} {'p50':>6} {'p99':>6} {'c512 k/s':>9} {'p99':>6} {'RSS64':>6} {'RSS512':>6} {'start ms':>8} {'PSS':>6} {'c1 p50':>7} {'reborn':>7}")
    for one in servers:
        rates = [row["rps"] / 1000 for row in one.rows[64]]
        print(f"{one.name:20} {statistics.median(rates):8.1f} ({min(rates):.1f}-{max(rates):.1f})".ljust(43)
              + f" {one.median(64, 'cpu_us'):7.1f} {one.median(64, 'p50'):6.2f} {one.median(64, 'p99'):6.2f} {one.median(512, 'rps') / 1000:9.1f}"
              + f" {one.median(512, 'p99'):6.2f} {statistics.median(one.memory[64]):6.1f} {statistics.median(one.memory[512]):6.1f} {min(one.starts):8.1f}"
              + f" {statistics.median(one.shares):6.1f}" + (f" {one.median(1, 'p50'):7.3f}" if 1 in one.rows else "")
              + (f" {statistics.median(one.replacements):7.1f}" if one.replacements else ""))
    if options.only:
        return 0
    isolated, ours, plain, cached, health, front = servers
    checks = [
        *throughput_checks(
            isolated, ours, plain, cached, lambda one, other: one.median(64, "rps") / other.median(64, "rps")),
        ("isolated: added p50 at one connection, us",
         statistics.median(one["p50"] - other["p50"] for one, other in zip(isolated.rows[1], ours.rows[1])) * 1000, "<=", 40.0),
        ("isolated: memory (PSS) of host and four workers against Deno with its cache", statistics.median(isolated.shares) / statistics.median(cached.shares), "<=", 1.0),
        ("isolated: start to first 200 with four workers, ms", min(isolated.starts), "<=", 100.0),
        ("isolated: replacement after a crash, median ms", statistics.median(isolated.replacements), "<=", 100.0),
        ("health requests/s against nginx", health.median(64, "rps") / front.median(64, "rps"), ">=", 0.6),
        ("p99 at 64 against Deno with its cache", ours.median(64, "p99") / cached.median(64, "p99"), "<=", 1.0),
        ("p99 at 512 against Deno with its cache", ours.median(512, "p99") / cached.median(512, "p99"), "<=", 1.0),
        ("resident MiB at 512 connections", statistics.median(ours.memory[512]), "<=", 40.0),
        ("resident memory at 512 against Deno with its cache", statistics.median(ours.memory[512]) / statistics.median(cached.memory[512]), "<=", 1.0),
        ("start to first 200, ms", min(ours.starts), "<=", 50.0),
    ]
    return print_checks(checks)


if __name__ == "__main__":

    sys.exit(main())
