"""realtime-subscribe as operators and clients meet it: flags, signals, real workers, and the lines of the README."""

import json
import re
import signal
import sqlite3
import subprocess
import time

import httpx
import pytest
from conftest import ROOT, Host, binary, token


def ask(host, who, conversation="5", path="/functions/v1/realtime-subscribe", **claims):
    return httpx.post(
        host.url + path, json={"conversationId": conversation}, headers={"Authorization": f"Bearer {token(who, **claims)}"}, timeout=30)


def words(answer, channel="conversation:5"):
    return answer.json()["data"]["permissions"][channel]


ALL = ["broadcast:read", "broadcast:write", "presence:read", "presence:write"]
READ = ["broadcast:read", "presence:read"]


def test_the_lines_of_the_readme_can_be_pasted(tmp_path):
    text = (ROOT / "README.md").read_text()
    lines = re.search(r"```sh\n(# realtime-subscribe: leave to follow a conversation\n.*?)```", text, re.DOTALL).group(1)
    host = Host("swiftlet")
    try:
        lines = lines.replace("http://127.0.0.1:54321", host.url).replace(".build/release/swiftlet", binary("swiftlet"))
        done = subprocess.run(["bash", "-euc", lines], capture_output=True, text=True, timeout=60, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        member, stranger, own, ended = [json.loads(line) for line in done.stdout.strip().splitlines()]
        assert member["data"]["channels"] == ["conversation:42", "presence:42"] and member["data"]["token"].count(".") == 2
        assert stranger["code"] == "FORBIDDEN" and own["data"]["channels"] == ["user:me:messages"]
        assert ended.get("success") is True or ended["code"] == "REALTIME_UNAVAILABLE"
    finally:
        assert host.stop() == 0


def test_a_table_is_read_again_on_sighup(tmp_path):
    table = tmp_path / "members.json"
    table.write_text(json.dumps({"5": {"u1": "read"}}))
    host = Host("swiftlet", "--realtime-members", "table", "--realtime-members-file", str(table))
    try:
        assert words(ask(host, "u1")) == READ and ask(host, "u2").status_code == 403
        table.write_text(json.dumps({"5": ["u2"]}))
        host.process.send_signal(signal.SIGHUP)
        host.wait_for(lambda line: line.get("msg") == "secrets.reloaded")
        end = time.monotonic() + 10
        while ask(host, "u2").status_code != 200 and time.monotonic() < end:
            time.sleep(0.05)
        assert words(ask(host, "u2")) == ALL and ask(host, "u1").status_code == 403
        table.write_text("{")
        host.process.send_signal(signal.SIGHUP)
        failed = host.wait_for(lambda line: line.get("msg") == "config.reload_failed")
        assert "members.json is no JSON" in failed["reason"]
        assert words(ask(host, "u2")) == ALL
    finally:
        assert host.stop() == 0


def test_a_query_on_a_sqlite_file(tmp_path):
    path = tmp_path / "app.sqlite"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE members (user_id TEXT, conversation_id TEXT, role TEXT)")
    database.executemany("INSERT INTO members VALUES (?, '5', ?)", [("u1", "owner"), ("u2", "guest")])
    database.commit()
    query = tmp_path / "members.sql"
    query.write_text(
        "SELECT 1 AS can_read, role <> 'guest' AS can_write FROM members\nWHERE user_id = :user AND conversation_id = :conversation\n")
    host = Host(
        "swiftlet", env={"SWIFTLET_REALTIME_MEMBERS": "sqlite", "SWIFTLET_REALTIME_MEMBERS_FILE": str(path),
                         "SWIFTLET_REALTIME_MEMBERS_QUERY": f"@{query}"})
    try:
        assert words(ask(host, "u1")) == ALL and words(ask(host, "u2"), "presence:5") == READ
        assert ask(host, "u3").status_code == 403
        # What another process writes counts: it is asked again after a moment.
        database.execute("INSERT INTO members VALUES ('u4', '5', 'owner')")
        database.commit()
        assert words(ask(host, "u4")) == ALL
        database.execute("DROP TABLE members")
        database.commit()
        broken = ask(host, "u5")
        assert broken.status_code == 503 and broken.json()["code"] == "MEMBERSHIP_UNAVAILABLE"
        line = host.wait_for(lambda line: line.get("msg") == "realtime.membership_failed")
        assert line["reason"] == "database_failed" and "no such table" in line["detail"]
    finally:
        database.close()
        assert host.stop() == 0


def test_a_token_for_channels_lives_as_long_as_the_operator_says():
    host = Host("swiftlet", "--realtime-token", "45")
    try:
        answer = ask(host, "u1", app_metadata={"conversations": ["5"]}, path="/api/messages/realtime/subscribe")
        data = answer.json()["data"]
        import base64
        part = data["token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        assert claims["exp"] - claims["iat"] == 45 and claims["sub"] == "u1"
        assert data["url"] == host.url.replace("http", "ws", 1) + "/realtime/v1/websocket"
    finally:
        assert host.stop() == 0


@pytest.mark.parametrize("flags, word", [
    (["--realtime-members", "friends"], "friends"),
    (["--realtime-members", "table"], "realtime-members-file"),
    (["--realtime-members", "table", "--realtime-members-file", "/does/not/exist"], "/does/not/exist"),
    (["--realtime-members", "sqlite", "--realtime-members-file", "/does/not/exist"], "realtime-members-query"),
    (["--realtime-members", "supabase", "--realtime-members-query", "m?id=eq.{conversation}"], "realtime-members-url"),
    (["--realtime-members-file", "x"], "realtime-members-file"),
    (["--realtime-members-query", "@/does/not/exist"], "/does/not/exist"),
    (["--realtime-token", "5"], "realtime-token"),
    (["--realtime-endpoint", "nonsense"], "realtime-endpoint"),
])
def test_flags_that_cannot_be_meant_are_refused(flags, word):
    done = subprocess.run([binary("swiftlet"), "check", *flags], capture_output=True, text=True, timeout=60)
    assert done.returncode in (64, 78) and word in done.stderr + done.stdout


def test_the_further_path_is_listed():
    done = subprocess.run([binary("swiftlet"), "functions", "list"], capture_output=True, text=True, timeout=60)
    assert "/api/messages/realtime/subscribe leads to realtime-subscribe too" in done.stdout
    done = subprocess.run([binary("swiftlet"), "functions", "list", "--json"], capture_output=True, text=True, timeout=60)
    entry = next(entry for entry in json.loads(done.stdout) if entry["name"] == "realtime-subscribe")
    assert entry["paths"] == ["/api/messages/realtime/subscribe"] and entry["methods"] == ["POST", "DELETE"]
