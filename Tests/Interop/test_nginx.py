"""nginx in front, with the configuration of Runtime/docs: keep-alive, unbuffered streams, the forwarded address."""

import asyncio
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest
from conftest import ROOT, Host, token
from crowd import crowd, workers_of
from realtime import AsyncRealtimeClient


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    with behind_nginx(tmp_path_factory.mktemp("nginx"), "swiftlet-fixtures") as (host, url):
        yield host, url + "/functions/v1"


@contextlib.contextmanager
def behind_nginx(folder, program, env=None):
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    assert pathlib.Path(nginx).exists(), "nginx is not installed; run Tests/run"
    sock = folder / "swiftlet.sock"
    host = Host(program, "--unix-socket", str(sock), "--behind-proxy", "--trusted-proxy", "unix", "--trusted-proxy", "127.0.0.1/32",
                "--address-limit", "none", env=env)
    port = free_port()
    site = (ROOT / "Runtime" / "docs" / "nginx.conf").read_text()
    site = site.replace("/run/swiftlet/swiftlet.sock", str(sock)).replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    site = "\n".join(line for line in site.splitlines() if "ssl_certificate" not in line)
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 256; }}\nhttp {{ access_log off;\n{temporary}\n{site}\n}}\n")
    user = ["-g", "user root;"] if pathlib.Path("/root").exists() and subprocess.getoutput("id -u") == "0" else []
    process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(config), *user], stderr=subprocess.PIPE)
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None and time.monotonic() < end, process.stderr.read().decode()
    yield host, f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=10)
    assert host.stop() == 0


def test_the_forwarded_address_is_the_clients(proxied):
    _, base = proxied
    seen = httpx.get(base + "/mirror", headers={"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"}).json()
    assert seen["client"] == "127.0.0.1" and seen["scheme"] == "http"
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"


def test_keep_alive_to_the_host(proxied):
    host, base = proxied
    before = connections(host)
    with httpx.Client() as client:
        for _ in range(50):
            assert client.get(base + "/mirror").status_code == 200
    assert connections(host) - before <= 2


def connections(host):
    text = httpx.get(f"http://127.0.0.1:{host.admin_port}/metrics").text
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("swiftlet_connections_accepted_total"))


def test_events_are_not_held_back(proxied):
    host, base = proxied
    with httpx.stream("GET", base + "/stream?parts=3&size=8&ms=200", timeout=10) as answer:
        parts = [(time.monotonic(), part) for part in answer.iter_raw()]
    assert b"".join(part for _, part in parts) == b"x" * 24
    assert len(parts) == 3, "the parts came together: something buffers them"


def test_a_body_passes_both_framings(proxied):
    _, base = proxied
    assert httpx.post(base + "/upload", content=b"x" * 200_000).json()["bytes"] == 200_000
    assert httpx.post(base + "/upload", content=iter([b"x" * 1000] * 20)).json()["bytes"] == 20_000


def test_an_early_413_arrives(proxied):
    _, base = proxied
    answer = httpx.post(base + "/typed", content=b"x" * 3_000_000, headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_a_broken_stream_is_not_a_clean_end(proxied):
    _, base = proxied
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(base + "/stream?parts=10&size=1000&fail=1")


def test_a_worker_that_ends_is_our_answer_and_never_one_of_nginx(proxied):
    host, base = proxied
    for path, status in [("traps", 500), ("exits", 500), ("closes-socket", 500), ("garbage-frames?how=random", 500), ("loops", 546)] * 3:
        answer = httpx.get(f"{base}/{path}", timeout=20)
        assert answer.status_code in (status, 503), answer
        assert answer.json()["code"] in ("WORKER_ERROR", "WORKER_LIMIT", "BOOT_ERROR") and answer.headers["x-request-id"]
        assert "nginx" not in answer.text
        assert httpx.get(f"{base}/innocent?n=1").text == "1"
    cut = 0
    try:
        with httpx.stream("GET", base + "/floods-response", timeout=20) as answer:
            assert answer.status_code == 200
            for _ in answer.iter_raw():
                pass
    except httpx.RemoteProtocolError:
        cut = 1
    assert cut == 1, "a cut answer looked whole"


def test_workers_killed_under_load_behind_nginx(proxied):
    """Every answer is the host's own, with its request id: nginx never has to speak for it."""
    host, base = proxied
    address = base.removesuffix("/functions/v1")
    port = int(address.rsplit(":", 1)[1])
    done = threading.Event()
    wrong, counts = [], {}

    def load(path):
        while not done.is_set():
            for number, answer in enumerate(asyncio.run(crowd(port, 20, "/functions/v1/" + path))):
                key = (answer.status, answer.code)
                counts[key] = counts.get(key, 0) + 1
                good = answer.whole and (answer.body == str(number).encode() or path.startswith("traps"))
                documented = answer.code in ("WORKER_ERROR", "WORKER_LIMIT", "BOOT_ERROR", "OVERLOADED")
                if "x-request-id" not in answer.headers or b"nginx" in answer.body or not (good if answer.status == 200 else documented):
                    wrong.append((path, answer))

    threads = [threading.Thread(target=load, args=(path,)) for path in ("innocent?n={}", "once?n={}", "traps?n={}")]
    for thread in threads:
        thread.start()
    pace = threading.Event()
    try:
        for _ in range(40):
            # The pace of the test, not a wait for something.
            pace.wait(0.1)
            for worker in workers_of(host.process.pid)[:1] + workers_of(host.process.pid)[-1:]:
                try:
                    os.kill(worker, signal.SIGKILL)
                except ProcessLookupError:
                    pass
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not wrong, (len(wrong), counts, wrong[:3])
    assert counts[(200, None)] > 0 and host.process.poll() is None


def test_realtime_passes_through(tmp_path):
    """A socket, a broadcast by HTTP, and who may join, with the address of the proxy in the answer."""

    secret = "behind-a-proxy-the-demo-secret-is-refused-0123456789"

    def key(user):
        return token(user, secret.encode())

    async def chat(url):
        one, two = AsyncRealtimeClient(f"ws{url[4:]}/realtime/v1", key("u1")), AsyncRealtimeClient(f"ws{url[4:]}/realtime/v1", key("u2"))
        heard = asyncio.Queue()
        try:
            channel = two.channel("room", {"config": {"broadcast": {"ack": False, "self": False}, "presence": {"key": "", "enabled": False}, "private": False}})
            channel.on_broadcast("hello", heard.put_nowait)
            joined = asyncio.Event()
            await channel.subscribe(lambda state, _: joined.set() if state == "SUBSCRIBED" else None)
            await asyncio.wait_for(joined.wait(), 20)
            async with httpx.AsyncClient() as http:
                sent = await http.post(f"{url}/realtime/v1/api/broadcast/room/events/hello", json={"n": 1}, headers={"apikey": key("u1")})
            assert sent.status_code == 202
            assert (await asyncio.wait_for(heard.get(), 20))["payload"] == {"n": 1}
        finally:
            await one.close()
            await two.close()

    with behind_nginx(tmp_path, "swiftlet", {"JWT_SECRET": secret}) as (_, url):
        asyncio.run(chat(url))
        answer = httpx.post(f"{url}/api/messages/realtime/subscribe", headers={"authorization": f"Bearer {key('u1')}"})
        assert answer.status_code == 200 and answer.json()["data"]["supabaseUrl"] == url
