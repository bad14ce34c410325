"""Start, stop and settings of the process, as an operator meets them."""

import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request

import httpx
import pytest
from conftest import ROOT, Host, binary, token


def run(*arguments, env=None, cwd=ROOT, program="swiftlet"):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SWIFTLET_", "SUPABASE_", "JWT_", "GEMINI_"))}
    environment.update(env or {})
    return subprocess.run([binary(program), *arguments], capture_output=True, text=True, env=environment, cwd=cwd, timeout=60)


def test_sigterm_finishes_what_is_in_flight_and_refuses_the_rest():
    host = Host()
    results = []
    thread = threading.Thread(target=lambda: results.append(httpx.get(host.functions + "/slow?ms=1500", timeout=20)))
    with httpx.Client() as idle:
        assert idle.get(host.url + "/_internal/health").status_code == 200
        thread.start()
        metrics = f"http://127.0.0.1:{host.admin_port}/metrics"
        while 'swiftlet_requests_in_flight 1' not in httpx.get(metrics).text:
            pass
        host.process.send_signal(signal.SIGTERM)
        host.wait_for(lambda line: line.get("msg") == "stopping")
        with pytest.raises(httpx.ConnectError):
            while True:
                httpx.get(host.url + "/_internal/health", timeout=2)
        thread.join()
    assert results[0].status_code == 200 and results[0].text == "slept"
    assert host.process.wait(timeout=20) == 0


def test_a_taken_port_is_said_plainly():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("serve", "--port", str(taken.getsockname()[1]), "--admin-port", "0")
    assert done.returncode != 0 and "in use" in (done.stderr + done.stdout)


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--host", "0.0.0.0"], "behind-proxy"),
        (["--trusted-proxy", "nonsense"], "trusted-proxy"),
        (["--cors-origin", "*", "--cors-credentials"], "cors"),
        (["--cors-origin", "example.com"], "cors"),
        (["--secrets", "/does/not/exist"], "/does/not/exist"),
        (["--strict"], "GEMINI_API_KEY"),
    ],
)
def test_bad_configuration_ends_with_78_and_says_what(flags, words):
    done = run("serve", "--port", "0", "--admin-port", "0", *flags)
    assert done.returncode == 78, done
    assert words in done.stderr + done.stdout


def test_a_weak_secret_is_refused_without_showing_it():
    done = run("serve", "--port", "0", "--admin-port", "0", env={"JWT_SECRET": "short-canary"})
    assert done.returncode == 78 and "32" in done.stderr + done.stdout and "short-canary" not in done.stderr + done.stdout


def test_the_demo_secret_works_on_loopback_only():
    demo = "super-secret-jwt-token-with-at-least-32-characters-long"
    done = run("serve", "--port", "0", "--admin-port", "0", "--host", "0.0.0.0", "--behind-proxy", env={"JWT_SECRET": demo})
    assert done.returncode == 78 and demo not in done.stderr + done.stdout


def test_check_names_the_missing_secret_and_how_to_set_it():
    done = run("check")
    assert done.returncode != 0 and "GEMINI_API_KEY" in done.stdout + done.stderr
    assert run("check", env={"GEMINI_API_KEY": "AIza-not-a-real-key"}).returncode == 0


def test_a_function_without_its_secret_answers_503_while_others_serve(user_token):
    host = Host("swiftlet")
    answer = httpx.post(host.functions + "/gemini-proxy", json={"prompt": "x"}, headers={"authorization": f"Bearer {user_token}"})
    assert answer.status_code == 503 and answer.json()["code"] == "BOOT_ERROR" and "GEMINI_API_KEY" in answer.json()["message"]
    assert httpx.get(host.functions + "/health").status_code == 200
    ready = httpx.get(host.functions + "/health?probe=ready")
    assert ready.status_code == 503 and ready.headers["content-type"] == "application/health+json"
    assert host.stop() == 0


def test_secrets_set_list_unset_and_reload_without_a_restart(tmp_path, user_token):
    secrets = tmp_path / "secrets"
    secrets.write_text("# mine\nOTHER=kept\n")
    secrets.chmod(0o600)
    host = Host("swiftlet", "--secrets", str(secrets))
    headers = {"authorization": f"Bearer {user_token}"}
    assert httpx.post(host.functions + "/gemini-proxy", json={"prompt": "x"}, headers=headers).status_code == 503
    done = run("secrets", "set", "--secrets", str(secrets), "GEMINI_API_KEY=canary-key-0815")
    assert done.returncode == 0 and "canary" not in done.stdout + done.stderr
    host.process.send_signal(signal.SIGHUP)
    host.wait_for(lambda line: line.get("event") == "secrets.reloaded" or line.get("msg") == "secrets.reloaded")
    # The key is there now; where Gemini is out of reach that is an upstream error, no boot error.
    answer = httpx.post(host.functions + "/gemini-proxy", json={"prompt": ""}, headers=headers)
    assert answer.status_code == 422
    listed = run("secrets", "list", "--secrets", str(secrets))
    assert "GEMINI_API_KEY" in listed.stdout and "OTHER" in listed.stdout and "canary" not in listed.stdout and "kept" not in listed.stdout
    assert run("secrets", "unset", "--secrets", str(secrets), "--yes", "GEMINI_API_KEY").returncode == 0
    assert secrets.read_text() == "# mine\nOTHER=kept\n" and secrets.stat().st_mode & 0o777 == 0o600
    assert host.stop() == 0


def test_secrets_set_refuses_what_is_no_pair(tmp_path):
    done = run("secrets", "set", "--secrets", str(tmp_path / "secrets"), "NOPAIR")
    assert done.returncode != 0 and "NAME=VALUE" in done.stderr


def test_a_world_readable_file_draws_a_warning(tmp_path):
    secrets = tmp_path / "secrets"
    secrets.write_text("GEMINI_API_KEY=abc\n")
    secrets.chmod(0o644)
    host = Host("swiftlet", "--secrets", str(secrets))
    assert any("0600" in str(line) or "readable" in str(line) for line in host.lines)
    assert host.stop() == 0


def test_token_mints_what_the_host_takes():
    host = Host("swiftlet-fixtures")
    minted = run("token", "--sub", "me").stdout.strip()
    answer = httpx.post(host.functions + "/echo", json={}, headers={"authorization": f"Bearer {minted}"})
    assert answer.json()["sub"] == "me"
    assert host.stop() == 0


def test_functions_list():
    done = run("functions", "list")
    assert done.returncode == 0 and "gemini-proxy" in done.stdout and "GEMINI_API_KEY" in done.stdout


def test_invoke_calls_a_function_without_a_server():
    done = run("invoke", "health")
    assert done.returncode == 0 and '"status":"pass"' in done.stdout
    assert run("invoke", "nothing").returncode != 0


def test_help_and_unknown_words():
    assert "--trusted-proxy" in run("serve", "--help").stdout
    done = run("sreve")
    assert done.returncode == 64 and "Error" in done.stderr


def test_a_client_that_leaves_in_the_middle_of_its_body_is_let_go():
    host = Host()
    try:
        with socket.create_connection(("127.0.0.1", host.port)) as client:
            client.sendall(
                f"POST /functions/v1/echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token()}\r\n"
                "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{".encode())
            deadline = time.monotonic() + 20
            while open_connections(host) != 1:
                assert time.monotonic() < deadline
        host.wait_for(lambda line: line.get("status") == 499)
        while open_connections(host) != 0:
            assert time.monotonic() < deadline
    finally:
        host.stop()


def open_connections(host):
    text = urllib.request.urlopen(f"http://127.0.0.1:{host.admin_port}/metrics").read().decode()
    return int(float(next(line.split()[-1] for line in text.splitlines() if line.startswith("swiftlet_connections_open "))))


def test_a_client_that_does_not_wait_for_the_answer_is_let_go():
    host = Host()
    try:
        with socket.create_connection(("127.0.0.1", host.port)) as client:
            client.sendall(f"GET /functions/v1/slow?ms=5000 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token()}\r\n\r\n".encode())
            deadline = time.monotonic() + 20
            while open_connections(host) != 1:
                assert time.monotonic() < deadline
        host.wait_for(lambda line: line.get("status") == 499)
        while open_connections(host) != 0:
            assert time.monotonic() < deadline
    finally:
        host.stop()
