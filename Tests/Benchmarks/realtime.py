"""Realtime against the strongest Deno server of the same protocol, in one interleaved run: ratios, never absolute goals.

Server on core 0, the load (bench-sockets) on core 1, loopback; each server starts fresh for each part and takes turns with its peer. Parts:
  idle      memory (PSS) of a socket that has joined one topic of its own, and of one that has joined none
  fanout    one topic, 200-byte messages: the next when the last has reached everybody; the same with eight publishers, so that a server
            may send several messages at once; then half of the first pace, for the latencies; then that in topics of 100. The floor is a
            server that does nothing but one send for each delivery: the system's own price, and the end of all ratios without joint sends
  joins     sockets that join, leave, and join another
  connects  handshakes
  slow      one subscriber that never reads: the others must not notice, and it must be closed
Builds nothing. Ends with 1 when a bar is missed.
"""

import argparse
import json
import os
import pathlib
import resource
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import pipeline

HERE = pathlib.Path(__file__).resolve().parent
LOAD = os.environ.get("BENCH_SOCKETS", str(pipeline.ROOT / ".build-bench" / "release" / "bench-sockets"))
PARTS = ["idle", "fanout", "joins", "connects", "slow"]
# What a server needs besides its clients: listeners, logs, its own files.
SPARE = 512


class Server(pipeline.Figures):
    def __init__(self, name, command, environment=lambda port: {}):
        super().__init__()
        self.name, self.command, self.environment = name, command, environment


class Running:
    """A server process, and the loads that run against it."""

    def __init__(self, server, options):
        self.server, self.options = server, options
        self.place = tempfile.TemporaryDirectory(prefix="bench-realtime-")
        self.folder = pathlib.Path(self.place.name)
        self.port = pipeline.free_port()
        self.log = self.folder / "log"
        pin = [] if options.both_cores else ["taskset", "-c", "0"]
        self.process = subprocess.Popen(
            pin + server.command(self.port, self.folder),
            env={**os.environ, "PORT": str(self.port), "DENO_DIR": str(self.folder), "DENO_NO_UPDATE_CHECK": "1", **server.environment(self.port)},
            stdout=open(self.log, "wb"), stderr=subprocess.STDOUT, cwd=self.folder)
        try:
            end = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", self.port), 1).close()
                    break
                except OSError:
                    assert self.process.poll() is None and time.monotonic() < end, self.tail()
                    time.sleep(0.02)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.place.cleanup()

    def tail(self):
        return f"{self.server.name}: " + self.log.read_text(errors="replace")[-2000:]

    def memory(self):
        return pipeline.share(self.process.pid)

    def sockets(self):
        total = 0
        for pid in pipeline.family(self.process.pid):
            try:
                total += len(os.listdir(f"/proc/{pid}/fd"))
            except OSError:
                pass
        return total

    def start_load(self, mode, **settings):
        arguments = [LOAD, mode, "--port", str(self.port), "--key", pipeline.TOKEN, "--protocol", self.options.protocol]
        for name, value in settings.items():
            arguments += [f"--{name}", str(value)]
        pin = [] if self.options.both_cores else ["taskset", "-c", "1"]
        return subprocess.Popen(pin + arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def load(self, mode, measuring=None, **settings):
        """The result of one load. `measuring` runs in a thread while it is measured, and is given an event that ends it."""
        before = self.sockets()
        process = self.start_load(mode, **settings)
        result, started, watcher, over = {}, None, None, threading.Event()
        for line in process.stdout:
            result = json.loads(line)
            if result.get("phase") == "measuring":
                started = pipeline.cpu(self.process.pid)
                if measuring:
                    watcher = threading.Thread(target=measuring, args=(over,))
                    watcher.start()
            elif result.get("phase") == "measured":
                ended = pipeline.cpu(self.process.pid)
                over.set()
        over.set()
        if watcher:
            watcher.join()
        assert process.wait() == 0, (self.server.name, mode, settings, process.stderr.read(), self.tail())
        if started is not None:
            result["server_cpu_s"] = (ended - started) / pipeline.CLOCK
        # The next load meets a server that is done with this one.
        end = time.monotonic() + 10
        while self.sockets() > before + 4 and time.monotonic() < end:
            time.sleep(0.05)
        return result


def idle(server, options, joined):
    with Running(server, options) as running:
        running.load("connects", sockets=1, seconds=0.2, warmup=0)
        time.sleep(0.5)
        before = running.memory()
        process = running.start_load("idle", sockets=options.sockets, topics=options.sockets if joined else 0)
        ready = process.stdout.readline()
        assert ready, (server.name, process.stderr.read(), running.tail())
        # The least of some seconds: what a collector still holds after the rush is no socket's.
        least = min(sample for sample in (time.sleep(0.5) or running.memory() for _ in range(10)))
        process.stdin.write("\n")
        process.stdin.flush()
        result = json.loads(process.stdout.readline())
        assert process.wait() == 0
        name = "joined" if joined else "plain"
        server.add(f"{name} KiB", (least - before) * 1024 / options.sockets)
        server.add(f"{name} MiB", least)
        server.add("opened/s", options.sockets / result["seconds_to_open"])
        if result["sockets"] != options.sockets:
            server.problems.append(f"idle: {options.sockets - result['sockets']} of {options.sockets} sockets did not stay")


def judge_delivery(server, what, result):
    for name in ("lost", "lost_in_warmup", "duplicates", "gaps", "closed_by_server"):
        if result[name]:
            server.problems.append(f"{what}: {name} {result[name]}")


def fanout(server, options):
    with Running(server, options) as running:
        peak = running.load("fanout", sockets=options.subscribers, seconds=options.seconds, size=200)
        judge_delivery(server, "fanout", peak)
        server.add("deliveries/s", peak["deliveries_per_s"])
        server.add("share", peak["server_cpu_s"] / peak["seconds"])
        server.add("us/delivery", peak["server_cpu_s"] * 1e6 / max(1, peak["deliveries"]))
        server.add("to all p50", peak["all_delivered"]["p50_ms"])
        server.add("load cpu", peak["generator_cpu"])
        if server.name == "floor":
            return
        many = running.load("fanout", sockets=options.subscribers, seconds=options.seconds, size=200, publishers=8)
        judge_delivery(server, "eight publishers", many)
        server.add("many/s", many["deliveries_per_s"])
        server.add("many us", many["server_cpu_s"] * 1e6 / max(1, many["deliveries"]))
        rate = peak["deliveries_per_s"] / 2 / options.subscribers
        half = running.load("fanout", sockets=options.subscribers, seconds=options.seconds, size=200, rate=rate)
        judge_delivery(server, "half load", half)
        for name in ("p50", "p95", "p99", "max"):
            server.add(f"half {name}", half["latency"][f"{name}_ms"])
        topics = max(1, options.subscribers // 100)
        spread = running.load(
            "fanout", sockets=options.subscribers, seconds=options.seconds, size=200, topics=topics, rate=rate * topics)
        judge_delivery(server, "small topics", spread)
        server.add("small p50", spread["latency"]["p50_ms"])
        server.add("small p99", spread["latency"]["p99_ms"])
        server.add("small reached", spread["deliveries_per_s"] / (peak["deliveries_per_s"] / 2))


def joins(server, options):
    with Running(server, options) as running:
        result = running.load("joins", sockets=200, topics=1000, seconds=options.seconds)
        server.add("joins/s", result["joins_per_s"])
        server.add("joins p99", result["latency"]["p99_ms"])
        server.add("us/join", result["server_cpu_s"] * 1e6 / max(1, result["joins"]))
        for name in ("refused", "closed_by_server"):
            if result[name]:
                server.problems.append(f"joins: {name} {result[name]}")


def connects(server, options):
    with Running(server, options) as running:
        result = running.load("connects", sockets=64, seconds=min(3, options.seconds), addresses=32)
        server.add("handshakes/s", result["handshakes_per_s"])
        if result["failures"]:
            server.problems.append(f"connects: {result['failures']} failures")


def slow(server, options):
    """Messages of 16 KiB, so that the system's own buffers are full soon."""
    with Running(server, options) as running:
        settings = {"sockets": 20, "size": 16384, "rate": 150, "warmup": 0.5}
        alone = running.load("fanout", seconds=3, **settings)
        before = running.memory()
        greatest, closed = [before], []

        def watch(over):
            began, all_open = time.monotonic(), running.sockets()
            while not over.wait(0.05):
                greatest.append(running.memory())
                if not closed and running.sockets() < all_open:
                    closed.append(time.monotonic() - began)

        result = running.load("fanout", measuring=watch, seconds=8, slow=1, **settings)
        result["closed_by_server"] -= sum(one["closed"] for one in result["slow"])
        reader = result["slow"][0]
        server.add("slow closed", reader["closed"])
        for moment in closed:
            server.add("slow closed after", moment)
        server.add("slow read", reader["bytes"] / 2**20)
        server.add("slow memory", max(greatest) - before)
        server.add("others p99", result["latency"]["p99_ms"])
        server.add("alone p99", alone["latency"]["p99_ms"])
        harmed = [name for name in ("lost", "duplicates", "gaps", "closed_by_server") if result[name]]
        if result["latency"]["p99_ms"] > 2 * alone["latency"]["p99_ms"] + 5:
            harmed.append("p99")
        server.add("others harmed", bool(harmed))
        if harmed:
            server.problems.append("slow: the others were harmed: " + ", ".join(f"{name} {result.get(name, '')}" for name in harmed))


def swiftlet(options):
    if options.ours:
        return lambda port, folder: [word.replace("{port}", str(port)) for word in shlex.split(options.ours)]
    program = os.environ.get("SWIFTLET_PROGRAM", str(pipeline.ROOT / ".build" / "release" / "swiftlet"))
    return lambda port, folder: [
        program, "serve", "--port", str(port), "--admin-port", "none", "--address-limit", "none", "--log-format", "json",
        "--max-connections", "65536", "--max-connections-per-address", "65536", "--threads", "2" if options.both_cores else "1",
        "--realtime-join-rate", "1000000", "--realtime-message-rate", "100000", "--storage", str(folder / "store"), *shlex.split(options.flags)]


def deno(port, folder):
    return [pipeline.DENO, "run", "--allow-net", "--allow-env", str(HERE / "peers" / "realtime.deno.js")]


ROWS = [
    ("joined KiB", "KiB (PSS) a socket, joined to a topic of its own", 2), ("plain KiB", "KiB (PSS) a socket, joined to nothing", 2),
    ("joined MiB", "MiB (PSS) of the server with all of them joined", 1), ("opened/s", "sockets opened (and joined) a second", 0),
    ("deliveries/s", "deliveries/s, closed loop, one topic", 0), ("us/delivery", "us of server CPU a delivery", 2),
    ("many/s", "deliveries/s, the same with eight publishers", 0), ("many us", "us of server CPU a delivery, eight publishers", 2),
    ("to all p50", "ms from publishing until all have it, p50", 1), ("half p50", "ms, half load, one topic: p50", 1),
    ("half p95", "ms, half load, one topic: p95", 1), ("half p99", "ms, half load, one topic: p99", 1),
    ("half max", "ms, half load, one topic: max", 1), ("small p50", "ms, the same load in topics of 100: p50", 2),
    ("small p99", "ms, the same load in topics of 100: p99", 2), ("small reached", "share of that load delivered in time", 2),
    ("joins/s", "joins/s (each with a leave)", 0), ("us/join", "us of server CPU for a join and its leave", 1),
    ("joins p99", "ms of a join, 200 under way: p99", 1), ("handshakes/s", "handshakes/s (connect, upgrade, close)", 0),
    ("slow closed", "the slow reader was closed (1 = yes)", 0), ("slow closed after", "s until its descriptor was free (while it slept)", 1),
    ("slow memory", "MiB the server grew by meanwhile", 1), ("slow read", "MiB the slow reader found at last", 1),
    ("alone p99", "ms, 16 KiB to 20, no slow reader: p99", 2), ("others p99", "ms, the same with a slow reader: p99", 2),
    ("share", "share of its core that the server got, closed loop", 2), ("load cpu", "share of its core that the load used", 2),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--sockets", type=int, default=20000, help="idle sockets")
    parser.add_argument("--subscribers", type=int, default=10000)
    parser.add_argument("--protocol", default="v2", choices=["v1", "v2", "v2-text"])
    parser.add_argument("--parts", default=",".join(PARTS), help="only these, separated by commas; only their bars are judged")
    parser.add_argument("--both-cores", action="store_true", help="nothing is pinned; the bars are for one core, so none is judged")
    parser.add_argument("--flags", default="", help="more flags for swiftlet serve")
    parser.add_argument("--ours", help="another command in swiftlet's place; {port} and $PORT are its port")
    parser.add_argument("--json", help="also write all figures to this file")
    options = parser.parse_args()
    parts = options.parts.split(",")
    assert set(parts) <= set(PARTS), f"parts are {', '.join(PARTS)}"

    # Inherited by the servers and the load.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for name in ("sockets", "subscribers"):
        if most != resource.RLIM_INFINITY and getattr(options, name) > most - SPARE:
            print(f"{name}: {most - SPARE}, because a process may open no more than {most} files here", file=sys.stderr)
            setattr(options, name, most - SPARE)

    servers = [Server("swiftlet", swiftlet(options)), Server("deno", deno)]
    ours, peer = servers
    floor = Server("floor", lambda port, folder: [LOAD, "floor", "--port", str(port)])
    for number in range(options.rounds):
        for part in parts:
            turns = servers + [floor] if part == "fanout" else servers
            for server in turns if number % 2 == 0 else reversed(turns):
                print(f"round {number + 1}/{options.rounds}: {part}, {server.name}", file=sys.stderr)
                if part == "idle":
                    idle(server, options, joined=True)
                    if number == 0:
                        idle(server, options, joined=False)
                else:
                    {"fanout": fanout, "joins": joins, "connects": connects, "slow": slow}[part](server, options)

    print(f"{options.sockets} idle sockets, {options.subscribers} subscribers, {options.protocol}, {options.rounds} rounds of {options.seconds:g} s, "
          + ("both cores shared" if options.both_cores else "server on core 0, load on core 1"))
    print(f"{'':52} {'swiftlet (min-max)':>28} {'deno (min-max)':>28} {'ratio':>7}")
    for name, title, digits in ROWS:
        if not ours.has(name) and not peer.has(name):
            continue
        cells = []
        for server in servers:
            values = server.values.get(name, [])
            cells.append(f"{server.median(name):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})" if values else "never")
        ratio = f"{ours.median(name) / peer.median(name):7.2f}" if ours.has(name) and peer.has(name) and peer.median(name) else "      -"
        print(f"{title:52} {cells[0]:>28} {cells[1]:>28} {ratio}")
    if floor.values:
        price = floor.median("us/delivery")
        print(f"floor: {floor.median('deliveries/s'):.0f} deliveries/s, {price:.2f} us of CPU each: {price / ours.median('us/delivery'):.2f} of swiftlet's, "
              f"{price / peer.median('us/delivery'):.2f} of deno's; one send a delivery can't do better than {peer.median('us/delivery') / price:.2f} x deno")
    for server in servers:
        for problem in server.problems:
            print(f"     {server.name}: {problem}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({one.name: {"figures": one.values, "problems": one.problems} for one in servers + [floor]}, indent=1))

    checks = []
    if "idle" in parts:
        checks.append(("KiB a socket that has joined a topic", ours.median("joined KiB"), "<", 20.0))
    if "fanout" in parts:
        checks += [
            # With one message under way both servers send once for each delivery, and the system's price is the end of all ratios
            # (the floor above): there they are level at best. What a server can do better shows where messages come together.
            ("deliveries/s against Deno, eight publishers", ours.median("many/s") / peer.median("many/s"), ">=", 2.0),
            ("deliveries/s against Deno, one publisher", ours.median("deliveries/s") / peer.median("deliveries/s"), ">=", 0.9),
            ("p99 at half load, ms", ours.median("half p99"), "<", 28.0),
        ]
    if "joins" in parts:
        checks.append(("joins/s", ours.median("joins/s"), ">=", 2000.0))
    if "slow" in parts:
        checks += [
            ("slow reader closed, share of the rounds", statistics.mean(ours.values["slow closed"]), ">=", 1.0),
            ("rounds in which a slow reader harmed the others", sum(ours.values["others harmed"]), "<", 1.0),
        ]
    checks.append(("deliveries lost or doubled, sockets lost, joins refused: kinds of", len(ours.problems), "<", 1.0))
    failed = pipeline.print_checks(checks)
    if any(max(server.values.get("load cpu", [0])) > 0.95 for server in servers):
        print("     the load used its whole core in some fan-out: the server may be faster than shown")
    if not options.both_cores and min([1.0] + ours.values.get("share", []) + peer.values.get("share", [])) < 0.85:
        print("     a server got less than 85 % of its core: the machine was not quiet, or the load was the limit; trust us of CPU more than rates")
    return 0 if options.both_cores else failed


if __name__ == "__main__":
    sys.exit(main())
