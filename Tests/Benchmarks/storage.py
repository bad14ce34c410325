"""Storage against its peers, in one interleaved run: signing, uploads, downloads, memory.

Signing is held against the authenticated echo of the fixture host, uploads against `rclone serve s3` and nginx's DAV module on the same disk,
downloads against nginx's static files. Server on core 0, clients on core 1. Ends with 1 when a bar is missed.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import pipeline

ROOT = pipeline.ROOT
SIZE = 100 << 20


class Running:
    def __init__(self, command, folder, port, environment=None, pin=True):
        self.port, self.log = port, folder / f"log-{port}"
        self.process = subprocess.Popen(
            (["taskset", "-c", "0"] if pin else []) + command, env={**os.environ, **(environment or {})}, stdout=open(self.log, "wb"),
            stderr=subprocess.STDOUT, cwd=folder)
        end = time.monotonic() + 20
        while True:
            try:
                with pipeline.socket.create_connection(("127.0.0.1", port), 1):
                    return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()
                time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def user(number):
    signed = pipeline.b64(b'{"alg":"HS256","typ":"JWT"}') + "." + pipeline.b64(json.dumps(
        {"sub": f"6f1c1f0e-0000-4000-8000-{number:012x}", "role": "authenticated", "exp": int(time.time()) + 86400}).encode())
    return signed + "." + pipeline.b64(pipeline.hmac.new(pipeline.SECRET, signed.encode(), pipeline.hashlib.sha256).digest())


def wrk(port, path, connections, seconds, body=None, tokens=()):
    """Requests a second; with tokens each request is another user's."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if body:
            script.write(f'wrk.method="POST"\nwrk.body={json.dumps(body)}\nwrk.headers["Content-Type"]="application/json"\n')
        if tokens:
            script.write("local tokens={" + ",".join(f'"{one}"' for one in tokens) + "}\nlocal requests={}\nlocal n=0\n"
                         'init=function() for i,t in ipairs(tokens) do wrk.headers["Authorization"]="Bearer "..t requests[i]=wrk.format() end end\n'
                         "request=function() n=n%#requests+1 return requests[n] end\n")
        script.write('done=function(s,l,r) io.write(string.format("RESULT %d %d %d\\n",s.requests,s.errors.status,'
                     's.errors.connect+s.errors.read+s.errors.write+s.errors.timeout)) end\n')
        script.flush()
        done = subprocess.run(
            ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, f"http://127.0.0.1:{port}{path}"],
            capture_output=True, text=True, check=True)
    requests, bad, errors = map(int, re.search(r"RESULT (\d+) (\d+) (\d+)", done.stdout).groups())
    assert bad == 0 and errors == 0, done.stdout
    return requests / seconds


def sign(port, token, **file):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/functions/v1/upload-sign", json.dumps({"bucket": "large", **file}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))


def upload(url, file, *flags):
    """Seconds one upload takes."""
    done = subprocess.run(
        ["taskset", "-c", "1", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", "-T", str(file), "-H", "Expect:", *flags, url],
        capture_output=True, text=True, check=True)
    status, seconds = done.stdout.split()
    assert status in ("200", "201", "204"), (url, done.stdout)
    return float(seconds)


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def memory_of_uploads(host, token, file, count=50):
    """MiB above idle while `count` uploads run at once."""
    pid = pipeline.family(host.process.pid)[0]
    before = resident(pid)
    links = [sign(host.port, token, name=f"{n}.dat", contentType="application/octet-stream", size=file.stat().st_size)["url"] for n in range(count)]
    peak, done = [before], threading.Event()

    def watch():
        while not done.wait(0.005):
            peak.append(resident(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    curls = [subprocess.Popen(["curl", "-sS", "-f", "-o", "/dev/null", "-T", str(file), "-H", "Expect:", "-H", "Content-Type: application/octet-stream", link])
             for link in links]
    assert all(curl.wait() == 0 for curl in curls)
    done.set()
    watcher.join()
    return max(peak) - before


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--folder", help="a folder on the disk to be measured; default: .build")
    options = parser.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="bench-storage-", dir=options.folder or ROOT / ".build"))
    running = []
    try:
        (place / "buckets.json").write_text('[{"id":"large","file_size_limit":"1GB"}]')
        large, medium, small = place / "100m.dat", place / "20m.dat", place / "1m.dat"
        block = os.urandom(1 << 20)
        large.write_bytes(block * 100)
        medium.write_bytes(block * 20)
        small.write_bytes(block)
        (place / "dav" / "tmp").mkdir(parents=True)
        shutil.copy(small, place / "dav" / "1m.dat")
        (place / "s3" / "bucket").mkdir(parents=True)
        ports = [pipeline.free_port() for _ in range(4)]
        release = ROOT / ".build" / "release"
        host = Running(
            [os.environ.get("SWIFTLET_PROGRAM", str(release / "swiftlet")), "serve", "--port", str(ports[0]), "--admin-port", "none",
             "--address-limit", "none", "--log-format", "json", "--max-connections-per-address", "4096", "--threads", "1", "--storage",
             str(place / "store"), "--storage-buckets", str(place / "buckets.json")], place, ports[0])
        running.append(host)
        command, environment = pipeline.host(ports[1])
        echo = Running(command, place, ports[1], environment)
        running.append(echo)
        (place / "nginx.conf").write_text(
            ("user root;\n" if os.getuid() == 0 else "") + f"worker_processes 1; daemon off; pid {place}/nginx.pid; error_log stderr error;\n"
            "events { worker_connections 1024; }\nhttp { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
            f"client_max_body_size 1g; client_body_temp_path {place}/dav/tmp;\n"
            f"server {{ listen 127.0.0.1:{ports[2]}; root {place}/dav; dav_methods PUT; create_full_put_path on; }} }}\n")
        nginx = Running([shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(place), "-c", str(place / "nginx.conf")], place, ports[2])
        running.append(nginx)
        rclone = Running(
            [str(pathlib.Path(sys.executable).parent / "rclone"), "serve", "s3", "--addr", f"127.0.0.1:{ports[3]}", str(place / "s3")], place, ports[3],
            {"RCLONE_CONFIG": os.devnull})
        running.append(rclone)

        token = user(0)
        tokens = [user(number) for number in range(1, 4001)]
        body = json.dumps({"bucket": "large", "name": "holiday photo.jpg", "folder": "conversation-7", "contentType": "image/jpeg", "size": 123456})
        link = sign(host.port, token, name="1m.dat", contentType="application/octet-stream", size=1 << 20)
        upload(link["url"], small, "-H", "Content-Type: application/octet-stream")
        request = urllib.request.Request(
            f"http://127.0.0.1:{host.port}/functions/v1/upload-sign/download", json.dumps({"bucket": "large", "path": link["path"]}).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        download = json.load(urllib.request.urlopen(request))["url"].split(str(host.port), 1)[1]

        figures = {}

        def add(name, value):
            figures.setdefault(name, []).append(value)

        for number in range(options.rounds):
            print(f"round {number + 1}/{options.rounds}", file=sys.stderr)
            add("sign", wrk(host.port, "/functions/v1/upload-sign", 64, options.seconds, body, tokens))
            add("echo", wrk(echo.port, "/functions/v1/echo", 64, options.seconds, pipeline.BODY, tokens))
            add("download", wrk(host.port, download, 16, options.seconds))
            add("static", wrk(nginx.port, "/1m.dat", 16, options.seconds))
            for turn in range(3):
                link = sign(host.port, token, name=f"{number}-{turn}.dat", contentType="application/octet-stream", size=SIZE)
                add("ours", SIZE / upload(link["url"], large, "-H", "Content-Type: application/octet-stream") / 2**20)
                add("dav", SIZE / upload(f"http://127.0.0.1:{nginx.port}/{number}-{turn}.dat", large) / 2**20)
                add("rclone", SIZE / upload(f"http://127.0.0.1:{rclone.port}/bucket/{number}-{turn}.dat", large) / 2**20)
        above = memory_of_uploads(host, token, medium)

        median = {name: statistics.median(values) for name, values in figures.items()}
        for name, unit in [("sign", "signed uploads/s"), ("echo", "authenticated echoes/s"), ("download", "signed downloads of 1 MiB/s"),
                           ("static", "nginx static files of 1 MiB/s"), ("ours", "MiB/s into the storage, on the disk when answered"),
                           ("dav", "MiB/s into nginx DAV, in the page cache"), ("rclone", "MiB/s into rclone serve s3, in the page cache")]:
            print(f"{median[name]:10.1f} ({min(figures[name]):.1f}-{max(figures[name]):.1f}) {unit}")
        sys.exit(pipeline.print_checks([
            ("signing against the authenticated echo", median["sign"] / median["echo"], ">=", 0.75),
            ("upload of 100 MiB against rclone serve s3", median["ours"] / median["rclone"], ">=", 0.8),
            ("upload of 100 MiB against nginx DAV", median["ours"] / median["dav"], ">=", 0.8),
            ("signed download of 1 MiB against nginx static", median["download"] / median["static"], ">=", 0.7),
            ("MiB above idle with 50 uploads at once", above, "<=", 32.0),
        ]))
    finally:
        for one in running:
            one.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
