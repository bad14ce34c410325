"""Functions that misbehave, each in its worker: what the guilty request hears, that nobody else notices, and what the log says."""

import asyncio
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import urllib.request

import pytest
from crowd import SECRET, WorkerHost, crowd, get, until

GUILTY = "innocent,traps,exits,loops,hangs,leaks,floods-stdout,floods-response,never-reads,forks,closes-socket,garbage-frames,reports"
FUNCTIONS = "/functions/v1/"


@pytest.fixture(scope="module")
def wall():
    host = WorkerHost(GUILTY)
    # What is only made once is made before anything is compared.
    answers = asyncio.run(crowd(host.port, 300))
    assert {answer.status for answer in answers} == {200}
    yield host
    assert host.stop() == 0


def beside_innocents(host, path, count=1000):
    """The guilty request's answer, while a thousand others go to a function that has done nothing."""

    async def both():
        others = asyncio.ensure_future(crowd(host.port, count))
        guilty = await get(host.port, path)
        return guilty, await others

    guilty, others = asyncio.run(both())
    assert [answer.status for answer in others] == [200] * count
    assert [answer.body for answer in others] == [str(number).encode() for number in range(count)]
    assert host.process.poll() is None
    return guilty


def metric(host, name):
    text = urllib.request.urlopen(f"http://127.0.0.1:{host.admin_port}/metrics").read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


@pytest.mark.parametrize("path, status, code, reason, detail", [
    ("traps?how=index", 500, "WORKER_ERROR", "signal", "SIG"),
    ("traps?how=overflow", 500, "WORKER_ERROR", "signal", "SIG"),
    ("traps?how=unwrap", 500, "WORKER_ERROR", "signal", "SIG"),
    ("traps?how=precondition&late=1", 500, "WORKER_ERROR", "signal", "SIG"),
    ("traps?how=abort", 500, "WORKER_ERROR", "signal", "SIGABRT"),
    ("traps?how=stack", 500, "WORKER_ERROR", "signal", "SIGSEGV"),
    ("exits", 500, "WORKER_ERROR", "exit", "exit 7"),
    ("exits?code=0", 500, "WORKER_ERROR", "exit", "exit 0"),
    ("loops", 546, "WORKER_LIMIT", "cpu", "cpu"),
    ("loops?late=1", 546, "WORKER_LIMIT", "cpu", "cpu"),
    ("leaks", 546, "WORKER_LIMIT", "memory", "memory"),
    ("hangs", 504, "IDLE_TIMEOUT", "wall_clock", "wall_clock"),
    ("closes-socket", 500, "WORKER_ERROR", "hung_up", "hung_up"),
    ("garbage-frames?how=random", 500, "WORKER_ERROR", "protocol_error", "a "),
    ("garbage-frames?how=long", 500, "WORKER_ERROR", "protocol_error", "longer than allowed"),
    ("garbage-frames?how=kind", 500, "WORKER_ERROR", "protocol_error", "no known kind"),
    ("garbage-frames?how=direction", 500, "WORKER_ERROR", "protocol_error", "wrong way"),
    ("garbage-frames?how=stranger", 500, "WORKER_ERROR", "protocol_error", "wrong time"),
    ("garbage-frames?how=window", 500, "WORKER_ERROR", "protocol_error", "a frame comes at the wrong time"),
    ("garbage-frames?how=counts", 500, "WORKER_ERROR", "protocol_error", "malformed"),
    ("garbage-frames?how=ready", 500, "WORKER_ERROR", "protocol_error", "wrong time"),
])
def test_the_guilty_one_hears_it_and_nobody_else(wall, path, status, code, reason, detail):
    before = wall.calm()
    answer = beside_innocents(wall, FUNCTIONS + path)
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.json["code"] == code and answer.headers["x-relay-error"] == "true"
    end = wall.end_of(path.split("?")[0])
    assert end["reason"] == reason and detail in end["detail"], end
    if reason == "signal":
        assert end["request_id"] == answer.headers["x-request-id"] or "late" in path, end
    assert metric(wall, f'swiftlet_worker_ends_total{{function="{path.split("?")[0]}",reason="{reason}"}}') >= 1
    # A new worker is there, and nothing of the old one is left.
    until(lambda: wall.workers(path.split("?")[0]), "no new worker")
    until(lambda: wall.calm() <= before, f"descriptors: {before} before, {wall.descriptors()} now")


def test_the_trap_and_its_last_words_are_in_the_log(wall):
    asyncio.run(get(wall.port, FUNCTIONS + "traps?how=precondition"))
    assert "a promise of the function does not hold" in wall.end_of("traps")["stderr"]


def test_the_end_shows_in_health(wall):
    asyncio.run(get(wall.port, FUNCTIONS + "exits?code=3"))
    wall.end_of("exits")
    report = asyncio.run(get(wall.port, FUNCTIONS + "reports")).json
    check = next(check for check in report if check["name"] == "function:exits")
    assert "exit 3" in check["note"], check


def test_a_request_past_the_soft_limit_is_answered_and_its_worker_replaced(wall):
    before = wall.workers("loops")
    answer = beside_innocents(wall, FUNCTIONS + "loops?ms=300", 50)
    assert answer.status == 200
    assert wall.wait_for(lambda line: line.get("msg") == "worker.replaced" and line.get("function") == "loops")["reason"] == "CPU time soft limit"
    until(lambda: wall.workers("loops") and not set(before) & set(wall.workers("loops")), "not replaced")


def test_memory_past_the_soft_limit_replaces_the_worker(wall):
    answer = asyncio.run(get(wall.port, FUNCTIONS + "leaks?mib=50"))
    assert answer.status == 200
    assert wall.wait_for(lambda line: line.get("msg") == "worker.replaced" and line.get("function") == "leaks")["reason"] == "memory soft limit"
    assert wall.wait_for(lambda line: line.get("msg") == "shutdown" and line.get("function") == "leaks")["reason"] == "memory"


def test_a_suspended_request_times_out_without_harm_to_its_neighbours(wall):
    answer = beside_innocents(wall, FUNCTIONS + "hangs?how=suspended", 20)
    assert (answer.status, answer.code) == (504, "IDLE_TIMEOUT")


def test_a_forged_field_never_reaches_a_client(wall):
    # The first request of a fresh worker, so that the forged answer is for a request that exists.
    answer = asyncio.run(get(wall.port, FUNCTIONS + "garbage-frames?how=crlf"))
    assert "set-cookie" not in answer.headers and "x-evil" not in answer.headers
    assert answer.status == 500


@pytest.mark.parametrize("how", ["streamed", "declared", "whole"])
def test_an_answer_larger_than_it_may_be_is_refused_or_cut(wall, how):
    before = wall.resident()
    answer = beside_innocents(wall, FUNCTIONS + f"floods-response?how={how}")
    if how == "streamed":
        assert answer.status == 200 and not answer.whole and len(answer.body) <= 8 << 20
    else:
        assert (answer.status, answer.code) == (546, "WORKER_LIMIT")
    assert wall.resident() - before < 64


def test_a_flood_of_lines_is_cut_and_counted(wall):
    answer = beside_innocents(wall, FUNCTIONS + "floods-stdout?lines=20000", 200)
    assert answer.status == 200
    line = wall.wait_for(lambda line: line.get("stream") == "stdout" and line.get("function") == "floods-stdout")
    assert line["execution_id"] and line["level"] == "info" and len(line["msg"]) <= 10_100
    suppressed = wall.wait_for(lambda line: "suppressed" in line and line.get("function") == "floods-stdout", seconds=40)
    assert int(suppressed["suppressed"]) > 19_000
    assert sum(1 for line in wall.lines if line.get("function") == "floods-stdout" and line.get("stream")) <= 200


def test_a_worker_that_reads_no_more_holds_nobody_but_its_own(wall):
    before = wall.resident()

    async def flood():
        blocked = asyncio.ensure_future(get(wall.port, FUNCTIONS + "never-reads?block=1"))
        bodies = [get(wall.port, FUNCTIONS + "never-reads", "POST", b"x" * 500_000) for _ in range(60)]
        return await asyncio.gather(blocked, *bodies), await crowd(wall.port, 300)

    answers, others = asyncio.run(flood())
    assert answers[0].status == 504
    # Served before it blocked, timed out, ended with its worker, or given to the next one because it was never begun.
    assert {answer.status for answer in answers[1:]} <= {200, 504, 546}
    assert {answer.status for answer in others} == {200}
    assert wall.end_of("never-reads")["reason"] == "wall_clock"
    until(lambda: wall.resident() - before < 64, f"{before} MiB before, {wall.resident()} now")


def test_no_process_can_be_started_from_a_worker(wall):
    answer = beside_innocents(wall, FUNCTIONS + "forks", 50)
    assert answer.status == 200, answer
    assert answer.json["fork"] == -1 and answer.json["spawn"] != 0


def test_ten_rounds_of_everything_leave_the_host_as_it_was(wall):
    paths = ["traps", "exits", "closes-socket", "garbage-frames?how=random", "garbage-frames?how=long", "floods-response?how=whole"]

    def round_of_all():
        async def all_of_them():
            return await asyncio.gather(*[get(wall.port, FUNCTIONS + path) for path in paths], crowd(wall.port, 100))

        asyncio.run(all_of_them())

    round_of_all()
    descriptors, resident = wall.calm(), wall.resident()
    for _ in range(10):
        round_of_all()
    assert wall.resident() - resident < 24
    until(lambda: len(wall.workers()) == GUILTY.count(",") + 1, "not every function has its worker again", 60)
    until(lambda: wall.calm() <= descriptors, f"{descriptors} descriptors before, {wall.descriptors()} now")


def test_a_reader_that_stands_still_holds_no_other_stream_and_no_memory():
    host = WorkerHost("innocent,stream")
    try:
        before = host.resident()
        idle = []
        for _ in range(20):
            one = socket.create_connection(("127.0.0.1", host.port))
            one.sendall(b"GET /functions/v1/stream?parts=1000&size=65536 HTTP/1.1\r\nhost: a\r\n\r\n")
            idle.append(one)
        # 64 MiB wait behind each of them; this one comes through the same worker.
        answer = asyncio.run(get(host.port, FUNCTIONS + "stream?parts=200&size=65536"))
        assert answer.status == 200 and answer.whole and len(answer.body) == 200 * 65536
        assert host.resident() - before < 64
        for one in idle:
            one.close()
        until(lambda: metric(host, 'swiftlet_function_running{function="stream"}') == 0, "still running")
    finally:
        assert host.stop() == 0


@pytest.mark.parametrize("what", ["report", "rate-limit", "secret", "network"])
def test_what_the_policy_does_not_declare_is_refused(what):
    host = WorkerHost("innocent,overreaches", env={"JWT_SECRET": "canary-jwt-secret-0123456789abcdefghij"})
    try:
        answer = asyncio.run(get(host.port, FUNCTIONS + "overreaches?what=" + what))
        assert (answer.status, answer.code) == (500, "EDGE_FUNCTION_ERROR") and b"canary" not in answer.body
        if what == "network":
            assert host.wait_for(lambda line: line.get("msg") == "egress.denied")["host"] == "example.com"
        else:
            assert "not in the policy" in host.wait_for(lambda line: "cause" in line)["cause"]
        assert asyncio.run(get(host.port, FUNCTIONS + "innocent?n=1")).status == 200
    finally:
        assert host.stop() == 0


def test_who_waits_for_a_worker_is_served_and_the_room_is_bounded():
    host = WorkerHost("innocent,boots-slowly", "--cold-start", "--worker-room", "5")
    try:
        answers = asyncio.run(crowd(host.port, 30, FUNCTIONS + "boots-slowly?n={}"))
        served = [answer for answer in answers if answer.status == 200]
        refused = [answer for answer in answers if answer.status != 200]
        assert len(served) == 5 and {answer.body for answer in served} == {b"at last"}
        assert {(answer.status, answer.code, answer.headers["retry-after"]) for answer in refused} == {(503, "OVERLOADED", "1")}
    finally:
        assert host.stop() == 0


def test_a_worker_that_does_not_get_ready_is_a_boot_failure():
    host = WorkerHost("innocent,boots-slowly", "--worker-boot", "1")
    try:
        answer = asyncio.run(get(host.port, FUNCTIONS + "boots-slowly"))
        assert answer.status == 503 and answer.code in ("BOOT_ERROR", "OVERLOADED")
        end = host.end_of("boots-slowly")
        assert end["reason"] == "boot_failure" and "in time" in end["detail"]
        assert asyncio.run(get(host.port, FUNCTIONS + "innocent?n=1")).status == 200
    finally:
        assert host.stop() == 0


# What a worker can see.

def test_a_worker_sees_its_own_secret_and_nothing_of_its_host():
    host = WorkerHost("reveals,innocent", env={"GEMINI_API_KEY": "canary-of-another", "SOME_PASSWORD": "canary-password"})
    try:
        shown = asyncio.run(get(host.port, FUNCTIONS + "reveals?read=" + str(pathlib.Path(__file__)))).json
        assert shown["secret"] == SECRET
        rest = json.dumps({name: value for name, value in shown.items() if name != "secret"})
        assert "canary" not in rest, rest
        assert shown["proc_environment"] in (-13, "") or not str(shown["proc_environment"]).strip("\0"), shown["proc_environment"]
        assert shown["group_leader"] and shown["write"] < 0
        assert shown["internet_socket"] < 0, "it declares no egress"
        # Standard ones, the socket, and what its own loop opened.
        assert len(shown["descriptors"]) < 16
        for worker in host.workers():
            for name in ("environ", "cmdline"):
                assert b"canary" not in pathlib.Path(f"/proc/{worker}/{name}").read_bytes()
        booted = until(lambda: next((line for line in host.lines if line.get("msg", "").startswith("booted")), None), "no line")
        assert "system-calls" in booted["contained_by"] and "no-new-privileges" in booted["contained_by"]
        if "files" in booted["contained_by"].split(","):
            assert isinstance(shown["file"], int), "the repository can be read"
    finally:
        assert host.stop() == 0


def test_a_dedicated_user():
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    host = WorkerHost("reveals,innocent", "--worker-user", "nobody")
    try:
        shown = asyncio.run(get(host.port, FUNCTIONS + "reveals")).json
        assert shown["uid"] == int(subprocess.run(["id", "-u", "nobody"], capture_output=True, check=True).stdout)
    finally:
        assert host.stop() == 0


# Life cycle.

def test_a_function_that_cannot_boot_answers_503_and_the_others_serve():
    host = WorkerHost("innocent,crashes-at-boot,crashes-every-second")
    try:
        answer = beside_innocents(host, FUNCTIONS + "crashes-at-boot")
        assert (answer.status, answer.code) == (503, "BOOT_ERROR")
        end = host.end_of("crashes-at-boot")
        assert end["reason"] == "boot_failure" and "not even started" in end["stderr"]
        host.wait_for(lambda line: "crash loop" in line.get("msg", "") and line.get("function") == "crashes-at-boot")
        looping = beside_innocents(host, FUNCTIONS + "crashes-at-boot")
        assert (looping.status, looping.code) == (503, "BOOT_ERROR") and int(looping.headers["retry-after"]) >= 1

        # It serves between its ends, and each end is told.
        assert until(lambda: asyncio.run(get(host.port, FUNCTIONS + "crashes-every-second")).status == 200, "never served")
        assert host.end_of("crashes-every-second")["reason"] == "signal"
        host.wait_for(lambda line: "crash loop" in line.get("msg", "") and line.get("function") == "crashes-every-second")
        seen = beside_innocents(host, FUNCTIONS + "crashes-every-second")
        assert seen.status in (200, 500, 503)
    finally:
        assert host.stop() == 0


def test_cold_start_and_idle_end():
    host = WorkerHost("innocent,once", "--cold-start", "--worker-idle", "1")
    try:
        assert host.workers() == []
        assert asyncio.run(get(host.port, FUNCTIONS + "innocent?n=5")).body == b"5"
        assert len(host.workers("innocent")) == 1 and host.workers("once") == []
        assert host.wait_for(lambda line: line.get("msg") == "shutdown")["reason"] == "idle"
        until(lambda: host.workers() == [], "still there")
        assert asyncio.run(get(host.port, FUNCTIONS + "innocent?n=6")).body == b"6"
    finally:
        assert host.stop() == 0


def test_sighup_under_load_fails_no_request_and_replaces_every_worker():
    host = WorkerHost("innocent,once,saves")
    try:
        until(lambda: len(host.workers()) == 4, "not all started")
        before = set(host.workers())
        assert asyncio.run(get(host.port, FUNCTIONS + "saves")).status == 200
        stop = threading.Event()
        statuses = []

        def load(path):
            while not stop.is_set():
                statuses.extend(answer.status for answer in asyncio.run(crowd(host.port, 20, FUNCTIONS + path)))

        threads = [threading.Thread(target=load, args=(path,)) for path in ("innocent?n={}", "once?n={}")]
        for thread in threads:
            thread.start()
        try:
            host.process.send_signal(signal.SIGHUP)
            host.wait_for(lambda line: line.get("msg") == "secrets.reloaded")
            until(lambda: len(host.workers()) == 4 and not before & set(host.workers()), "not all replaced")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert set(statuses) == {200}, {status: statuses.count(status) for status in set(statuses)}
        assert any(line.get("msg") == "saved because of termination" for line in host.lines)
    finally:
        assert host.stop() == 0


def test_sigterm_waits_for_requests_and_ends_the_workers():
    host = WorkerHost("innocent,slow,saves")
    answer = {}
    thread = threading.Thread(target=lambda: answer.update(got=asyncio.run(get(host.port, FUNCTIONS + "slow?ms=700"))))
    thread.start()
    until(lambda: metric(host, 'swiftlet_function_running{function="slow"}') == 1, "not in flight")
    workers = host.workers()
    assert host.stop() == 0
    thread.join()
    assert answer["got"].status == 200
    assert not any(pathlib.Path(f"/proc/{worker}").exists() for worker in workers)
    assert any(line.get("msg") == "saved because of termination" for line in host.lines)


def test_workers_do_not_outlive_a_host_that_is_killed():
    host = WorkerHost("innocent,once,loops")
    until(lambda: len(host.workers()) == 4, "not all started")
    workers = host.workers()
    host.process.kill()
    host.process.wait()

    def alive(worker):
        try:
            return pathlib.Path(f"/proc/{worker}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False

    until(lambda: not any(alive(worker) for worker in workers), "a worker lives on", seconds=5)


DOCUMENTED = {"WORKER_ERROR", "WORKER_LIMIT", "BOOT_ERROR", "OVERLOADED"}


def test_random_workers_killed_under_load():
    """Zero wrong answers, zero restarts of the host, every failure one of the documented codes."""
    seconds = float(os.environ.get("SWIFTLET_CHAOS_SECONDS", "8"))
    host = WorkerHost("innocent,once,saves,mirror")
    counts = {}
    wrong = []
    done = threading.Event()
    try:
        def load(path, check):
            while not done.is_set():
                for number, answer in enumerate(asyncio.run(crowd(host.port, 16, FUNCTIONS + path))):
                    key = (answer.status, answer.code)
                    counts[key] = counts.get(key, 0) + 1
                    if answer.status == 200 and not (answer.whole and check(number, answer)) or answer.status not in (200, 500, 503, 546):
                        wrong.append((path, number, answer))
                    elif answer.status != 200 and (answer.code not in DOCUMENTED or "x-request-id" not in answer.headers):
                        wrong.append((path, number, answer))

        threads = [
            threading.Thread(target=load, args=("innocent?n={}", lambda number, answer: answer.body == str(number).encode())),
            threading.Thread(target=load, args=("once?n={}", lambda number, answer: answer.body == str(number).encode())),
            threading.Thread(target=load, args=("saves?n={}", lambda number, answer: len(answer.body) == 36)),
        ]
        for thread in threads:
            thread.start()
        kills = 0
        timer = threading.Event()
        while kills < seconds * 10:
            # The pace of the test, not a wait for something.
            timer.wait(0.1)
            workers = host.workers()
            kills += 1
            if workers:
                try:
                    os.kill(random.choice(workers), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        done.set()
        for thread in threads:
            thread.join()
        assert not wrong, wrong[:3]
        assert host.process.poll() is None
        print("chaos:", {f"{status} {code or ''}".strip(): count for (status, code), count in sorted(counts.items(), key=str)}, "kills:", kills)
        assert counts[(200, None)] > 0
        # And it heals.
        until(lambda: asyncio.run(get(host.port, FUNCTIONS + "innocent?n=1")).status == 200, "does not come back")
    finally:
        done.set()
        assert host.stop() == 0
