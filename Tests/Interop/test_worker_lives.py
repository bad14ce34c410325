"""The lives of workers: who is given to another one, who is not, how they are replaced, drained and taken along, and what they may hold."""

import asyncio
import datetime
import os
import pathlib
import re
import signal
import socket
import threading
import urllib.request

import pytest
from crowd import WorkerHost, crowd, get, is_alive, until

FUNCTIONS = "/functions/v1/"


def running(host, name, count):
    """Waits until that many requests are with a function, begun or not."""
    line = f'swiftlet_function_running{{function="{name}"}} {count}'
    until(lambda: line in metrics(host), f"never {count} running")


def ready(host, **counts):
    """Waits until that many workers of each function take requests."""
    lines = {f'swiftlet_workers_ready{{function="{name.replace("_", "-")}"}} {count}' for name, count in counts.items()}
    until(lambda: lines <= set(metrics(host)), "not all ready")


def metrics(host):
    return urllib.request.urlopen(f"http://127.0.0.1:{host.admin_port}/metrics").read().decode().splitlines()


class Asked:
    """Requests on their way in another thread."""

    def __init__(self, *requests):
        async def all_of_them():
            return await asyncio.gather(*requests)

        self._thread = threading.Thread(target=lambda: setattr(self, "_answers", asyncio.run(all_of_them())))
        self._thread.start()

    @property
    def answers(self):
        self._thread.join()
        return self._answers


# Who is asked again.

def test_what_no_worker_has_begun_is_given_to_the_next_one():
    host = WorkerHost("innocent,never-reads,upload")
    try:
        for name, path, body, count in [
            ("innocent", "innocent?n=1", b"", 50),
            # Longer than what travels with its head.
            ("never-reads", "never-reads", b"x" * 500_000, 10),
            ("upload", "upload", b"x" * 300_000, 10),
        ]:
            ready(host, **{name: 1})
            requests = [get(host.port, FUNCTIONS + path, "POST" if body else "GET", body) for _ in range(count)]
            # It stands still, so that it can have begun nothing when it ends.
            (worker,) = host.workers(name)
            os.kill(worker, signal.SIGSTOP)
            asked = Asked(*requests)
            running(host, name, count)
            os.kill(worker, signal.SIGKILL)
            assert [answer.status for answer in asked.answers] == [200] * count
            end = host.end_of(name)
            assert end["reason"] == "signal" and end["detail"] == "signal SIGKILL" and end["in_flight"] == 0
            again = host.wait_for(lambda line: line.get("msg", "").startswith("requests that no worker had begun"))
            # Some may have come to the pool only after the end, and simply waited.
            assert again["function"] == name and 0 < again["requests"] <= count
    finally:
        assert host.stop() == 0


def test_what_was_begun_is_answered_with_an_error_and_not_repeated():
    host = WorkerHost("innocent,slow,upload")
    try:
        ready(host, slow=1)
        (worker,) = host.workers("slow")
        asked = Asked(*[get(host.port, FUNCTIONS + "slow?ms=9000") for _ in range(5)])
        running(host, "slow", 5)
        # It has answered these, so it has read those before.
        for _ in range(10):
            assert asyncio.run(get(host.port, FUNCTIONS + "slow?ms=0")).status == 200
        os.kill(worker, signal.SIGKILL)
        assert {(answer.status, answer.code) for answer in asked.answers} == {(500, "WORKER_ERROR")}
        assert host.end_of("slow")["in_flight"] == 5
        assert not any("no worker had begun" in line.get("msg", "") for line in host.lines)
        until(lambda: host.workers("slow"), "no new worker")
        running(host, "slow", 0)
    finally:
        assert host.stop() == 0


@pytest.mark.parametrize("flags", [(), ("--inline",)], ids=["isolated", "inline"])
def test_the_main_actor_and_the_main_queue_work(flags):
    host = WorkerHost("on-main-thread", *flags)

    async def many():
        return await asyncio.gather(*(get(host.port, "/functions/v1/on-main-thread") for _ in range(200)))

    answers = asyncio.run(many())
    assert [answer.status for answer in answers] == [200] * 200
    visits = [tuple(map(int, answer.body.split())) for answer in answers]
    assert sorted(visit for visit, _ in visits) == list(range(1, 201))
    assert all(visit <= seen <= 200 for visit, seen in visits)
    assert host.stop() == 0


def test_a_worker_that_stands_still_is_replaced():
    host = WorkerHost("innocent,hangs")
    try:
        ready(host, innocent=1, hangs=1)
        (worker,) = host.workers("hangs")
        os.kill(worker, signal.SIGSTOP)
        answer = asyncio.run(get(host.port, FUNCTIONS + "hangs?how=suspended"))
        assert (answer.status, answer.code) == (504, "IDLE_TIMEOUT")
        assert host.end_of("hangs")["reason"] == "wall_clock"
        until(lambda: not is_alive(worker) and host.workers("hangs"), "not replaced")
    finally:
        assert host.stop() == 0


def test_a_deadline_that_passes_before_there_is_a_worker_is_told_as_one():
    host = WorkerHost("innocent,hangs", "--cold-start")
    try:
        asked = Asked(get(host.port, FUNCTIONS + "hangs?how=suspended"))
        (worker,) = until(lambda: host.workers("hangs"), "not started")
        # Perhaps before it is ready, perhaps after: the answer is the same.
        os.kill(worker, signal.SIGSTOP)
        assert [(answer.status, answer.code) for answer in asked.answers] == [(504, "IDLE_TIMEOUT")]
    finally:
        assert host.stop() == 0


# Crash loops.

def test_a_crash_loop_is_told_is_slower_each_time_and_ends():
    host = WorkerHost("innocent,traps,reports")
    try:
        def poison():
            return asyncio.run(get(host.port, FUNCTIONS + "traps"))

        looping = until(lambda: (answer := poison()).status == 503 and answer, "never a crash loop", 60)
        assert looping.code == "BOOT_ERROR" and int(looping.headers["retry-after"]) >= 1
        delays = [host.wait_for(lambda line: "crash loop" in line.get("msg", ""))]
        check = next(check for check in asyncio.run(get(host.port, FUNCTIONS + "reports")).json if check["name"] == "function:traps")
        assert "end as soon as they start" in check["note"] or "workers ready" in check["note"], check
        while len(delays) < 3:
            poison()
            delays = [line for line in host.lines if "crash loop" in line.get("msg", "")]
        assert [line["function"] for line in delays] == ["traps"] * len(delays)
        waits = [int(line["next_start_ms"]) for line in delays]
        assert all(later >= 2 * earlier or later == 5000 for earlier, later in zip(waits, waits[1:])), waits
        # Nobody else notices, and without the cause it is over as soon as a worker is there.
        assert {answer.status for answer in asyncio.run(crowd(host.port, 200))} == {200}
        until(lambda: asyncio.run(get(host.port, FUNCTIONS + "traps?how=overflow&none=1")).status == 200, "does not come back")
    finally:
        assert host.stop() == 0


def test_an_idle_end_after_a_crash_loop_is_not_for_ever():
    host = WorkerHost("innocent,traps", "--cold-start", "--worker-idle", "1")
    try:
        until(lambda: asyncio.run(get(host.port, FUNCTIONS + "traps")).status == 503, "never a crash loop", 60)
        # The worker that comes next has nothing to do.
        host.wait_for(lambda line: line.get("msg") == "shutdown" and line.get("function") == "traps")
        until(lambda: asyncio.run(get(host.port, FUNCTIONS + "traps?how=overflow&none=1")).status == 200, "does not come back", 20)
    finally:
        assert host.stop() == 0


def test_workers_killed_from_outside_make_no_crash_loop():
    host = WorkerHost("innocent,once,boots-slowly")
    try:
        for _ in range(8):
            # Before it is ready, too.
            for worker in [until(lambda: host.workers(name), "no worker")[0] for name in ("innocent", "boots-slowly")]:
                os.kill(worker, signal.SIGKILL)
                until(lambda: not is_alive(worker), "still alive")
        until(lambda: asyncio.run(get(host.port, FUNCTIONS + "innocent?n=1")).status == 200, "does not come back")
        until(lambda: asyncio.run(get(host.port, FUNCTIONS + "boots-slowly")).status == 200, "does not come back")
        assert not any("crash loop" in line.get("msg", "") for line in host.lines)
    finally:
        assert host.stop() == 0


# Replacing and stopping.

def test_nothing_written_is_lost_while_workers_are_replaced():
    """Answers larger than the socket holds, so that some are still on their way when their worker has nothing more to do."""
    host = WorkerHost("innocent,mirror,stream")
    try:
        stop = threading.Event()
        wrong, counts = [], {}
        body = os.urandom(60_000)

        def load(requests, length):
            async def some():
                return await asyncio.gather(*requests())

            while not stop.is_set():
                for answer in asyncio.run(some()):
                    counts[length] = counts.get(length, 0) + 1
                    if answer.status != 200 or not answer.whole or len(answer.body) != length:
                        wrong.append((answer.status, answer.code, answer.whole, len(answer.body)))

        threads = [
            threading.Thread(target=load, args=(
                lambda: [get(host.port, FUNCTIONS + "mirror?raw=1", "POST", body) for _ in range(40)], 60_000)),
            threading.Thread(target=load, args=(
                lambda: [get(host.port, FUNCTIONS + "stream?parts=10&size=65536") for _ in range(8)], 655_360)),
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in range(6):
                before = set(until(lambda: len(host.workers()) == 3 and host.workers(), "not all there"))
                seen = dict(counts)
                host.process.send_signal(signal.SIGHUP)
                until(lambda: len(host.workers()) == 3 and not before & set(host.workers()), "not all replaced")
                until(lambda: all(counts.get(length, 0) > seen.get(length, 0) for length in (60_000, 655_360)), "nothing is answered")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not wrong, (len(wrong), counts, wrong[:5])
    finally:
        assert host.stop() == 0


def milliseconds(line):
    return datetime.datetime.fromisoformat(line["ts"]).timestamp() * 1000


def test_no_worker_with_older_secrets_stays_however_often_they_are_reloaded():
    host = WorkerHost("innocent,boots-slowly")
    try:
        for _ in range(3):
            host.process.send_signal(signal.SIGHUP)
            reloaded = milliseconds(host.wait_for(lambda line: line.get("msg") == "secrets.reloaded"))

        def started():
            """When the workers that are ready were started, by process."""
            booted = [line for line in list(host.lines) if line.get("msg", "").startswith("booted")]
            return {line["pid"]: milliseconds(line) - int(re.search(r"time: (\d+)ms", line["msg"])[1]) for line in booted}

        # One that takes its time may be of any generation when it gets ready. Lines tell whole milliseconds.
        until(lambda: len(host.workers()) == 2 and all(started().get(pid, 0) > reloaded - 5 for pid in host.workers()), "older ones stay")
        ready(host, innocent=1, boots_slowly=1)
        assert asyncio.run(get(host.port, FUNCTIONS + "boots-slowly")).status == 200
    finally:
        assert host.stop() == 0


def test_a_crash_of_a_worker_that_is_being_replaced_is_told():
    host = WorkerHost("innocent,slow")
    try:
        (worker,) = until(lambda: host.workers("slow"), "not started")
        asked = Asked(get(host.port, FUNCTIONS + "slow?ms=9000"))
        running(host, "slow", 1)
        host.process.send_signal(signal.SIGHUP)
        until(lambda: len(host.workers("slow")) == 2, "no new worker")
        assert asyncio.run(get(host.port, FUNCTIONS + "slow?ms=0")).status == 200
        host.wait_for(lambda line: line.get("msg", "").startswith("booted") and line.get("function") == "slow" and line["pid"] != worker)
        os.kill(worker, signal.SIGKILL)
        assert [(answer.status, answer.code) for answer in asked.answers] == [(500, "WORKER_ERROR")]
        end = host.end_of("slow")
        assert int(end["pid"]) == worker and end["reason"] == "signal" and end["in_flight"] == 1
    finally:
        assert host.stop() == 0


def test_sigterm_waits_for_work_left_after_an_answer():
    host = WorkerHost("innocent,saves")
    assert asyncio.run(get(host.port, FUNCTIONS + "saves?after=900")).status == 200
    assert host.stop() == 0
    told = [line["msg"] for line in host.lines if line.get("stream") == "stdout" and line.get("function") == "saves"]
    assert set(told) == {"saved because of termination", "worked on for 900 ms"}


def test_a_grace_period_that_is_over_ends_everything_and_says_so():
    host = WorkerHost("innocent,slow,saves", "--drain", "1")
    asked = Asked(get(host.port, FUNCTIONS + "slow?ms=9000"))
    running(host, "slow", 1)
    assert asyncio.run(get(host.port, FUNCTIONS + "saves?after=9000")).status == 200
    workers = host.workers()
    assert host.stop() == 0
    # Cut with the connection, or told before it: never a success.
    assert asked.answers[0].status in (0, 503, 546)
    assert not any(is_alive(worker) for worker in workers)
    ends = {line["function"]: line["reason"] for line in host.lines if line.get("msg") == "shutdown"}
    # The request was cancelled with its connection and left in order; work that goes on all the same is ended by name.
    assert ends == {"slow": "asked", "saves": "overstayed", "innocent": "asked"}, ends


def test_busy_workers_do_not_outlive_a_host_that_is_killed():
    host = WorkerHost("innocent,loops,hangs,never-reads,slow,closes-socket")
    until(lambda: len(host.workers()) == 6, "not all started")
    asked = Asked(*[get(host.port, FUNCTIONS + path) for path in ("loops?ms=390", "hangs", "never-reads?block=1", "slow?ms=9000")])
    for name in ("loops", "hangs", "never-reads", "slow"):
        running(host, name, 1)
    (still,) = host.workers("innocent")
    os.kill(still, signal.SIGSTOP)
    workers = host.workers()
    host.process.kill()
    host.process.wait()
    # The kernel tells them at once; how soon a busy machine lets them go is not ours to say.
    until(lambda: not any(is_alive(worker) for worker in workers), "a worker lives on")
    assert {answer.status for answer in asked.answers} <= {0, 200}


# What workers say and hold.

def test_what_a_worker_says_comes_line_by_line_and_labelled():
    host = WorkerHost("innocent,speaks")
    try:
        execution = asyncio.run(get(host.port, FUNCTIONS + "speaks")).body.decode()
        # The last line has no end until its worker has one.
        for worker in host.workers("speaks"):
            os.kill(worker, signal.SIGKILL)
        host.end_of("speaks")
        lines = [line for line in host.lines if line.get("execution_id") == execution and "pid" not in line and "status" not in line]
        assert {line["function"] for line in lines} == {"speaks"}
        said = [(line.get("stream"), line["level"], line["msg"]) for line in lines]
        assert (None, "warning", "by its logger") in said and not any("too quiet" in text for _, _, text in said)
        assert next(line for line in lines if line["msg"] == "by its logger")["colour"] == "green"
        out = [text for stream, level, text in said if stream == "stdout" and level == "info"]
        # Each is one line of JSON, whatever it holds: a worker cannot write a line of its host's.
        assert out[0] == "first line" and out[1].startswith("second line ") and out[2] == '{"msg":"worker.crashed"}'
        assert out[3].startswith("x" * 1000) and len(out[3]) <= 10_100
        assert [text for stream, level, text in said if stream == "stderr" and level == "error"] == ["to standard error", "in two pieces"]
        assert not any("unparsed" in line for line in host.lines)
    finally:
        assert host.stop() == 0


def test_a_worker_holds_nothing_of_its_host_or_of_another_worker():
    host = WorkerHost("innocent,once,reveals,echo")
    try:
        ready(host, innocent=1, once=2, reveals=1, echo=1)
        assert {answer.status for answer in asyncio.run(crowd(host.port, 50, FUNCTIONS + "once?n={}"))} == {200}

        def held(process):
            found = {}
            for descriptor in pathlib.Path(f"/proc/{process}/fd").iterdir():
                try:
                    found[int(descriptor.name)] = os.readlink(descriptor)
                except FileNotFoundError:
                    pass
            return found

        sockets = {}
        for worker in host.workers():
            descriptors = held(worker)
            assert descriptors[0] == "/dev/null" and descriptors[1].startswith("pipe:") and descriptors[2].startswith("pipe:")
            rest = [target for number, target in descriptors.items() if number > 2]
            assert all(target.startswith(("socket:", "anon_inode:[event", "anon_inode:[timer")) for target in rest), descriptors
            # Its own end of the one socket, and the two ends of no other.
            (only,) = {target for target in rest if target.startswith("socket:")}
            assert only not in sockets, "two workers share a socket"
            sockets[only] = worker
        assert not set(sockets) & set(held(host.pid).values())
        # Nothing of the host's memory of secrets is in what anybody can read of a worker from outside.
        for worker in host.workers():
            assert pathlib.Path(f"/proc/{worker}/cmdline").read_bytes().split(b"\0")[:2] == [b"swiftlet", b"worker"]
    finally:
        assert host.stop() == 0


# What a worker can make its host hold.

def test_calls_whose_answers_are_never_read_cost_the_host_no_memory():
    host = WorkerHost("innocent,garbage-frames")
    try:
        assert {answer.status for answer in asyncio.run(crowd(host.port, 200))} == {200}
        before = host.resident()
        highest = [0.0]
        asked = Asked(get(host.port, FUNCTIONS + "garbage-frames?how=calls"))

        def ended():
            highest[0] = max(highest[0], host.resident())
            return any(line.get("msg") == "worker.crashed" for line in host.lines)

        until(ended, "goes on for ever")
        assert asked.answers[0].status in (500, 546)
        assert highest[0] - before < 32, f"{before} MiB before, {highest[0]} at most"
        assert host.end_of("garbage-frames")["reason"] == "protocol_error"
    finally:
        assert host.stop() == 0


def test_many_small_parts_for_a_reader_that_stands_still_cost_little(tmp_path):
    # A Unix socket is soon full, however small the parts.
    path = str(tmp_path / "socket")
    host = WorkerHost("innocent,stream", "--unix-socket", path)
    try:
        # Every part arrives, and in order, however small.
        assert asyncio.run(get(host.port, FUNCTIONS + "stream?parts=3000&size=1")).body == b"x" * 3000
        before = host.resident()
        with socket.socket(socket.AF_UNIX) as still:
            still.connect(path)
            still.sendall(b"GET /functions/v1/stream?parts=3000000&size=1 HTTP/1.1\r\nhost: a\r\n\r\n")
            running(host, "stream", 1)
            (worker,) = host.workers("stream")

            def spent():
                return sum(map(int, pathlib.Path(f"/proc/{worker}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))

            # The worker has written all it may once it uses no more processor time.
            last = [spent(), 0]

            def rests():
                now = spent()
                last[1] = last[1] + 1 if now == last[0] else 0
                last[0] = now
                return last[1] > 25

            until(rests, "it goes on for ever")
            assert host.resident() - before < 8, f"{before} MiB before, {host.resident()} now"
        running(host, "stream", 0)
    finally:
        assert host.stop() == 0
