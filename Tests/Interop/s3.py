"""Signatures for S3, judged by others: botocore as the second signer, `rclone serve s3` and `nanio` as real stores on loopback.

Use, after Tests/run has built all of it: .build/venv/bin/python Tests/Interop/s3.py
"""

import contextlib
import datetime
import hashlib
import http.client
import json
import os
import pathlib
import random
import socket
import subprocess
import tempfile
import time
import urllib.parse

ROOT = next(folder for folder in pathlib.Path(__file__).resolve().parents if (folder / "Package.swift").exists())
ACCESS, SECRET, REGION, BUCKET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "attachments"
TYPES = ["image/png", "text/plain", "text/plain; charset=utf-8", "application/pdf", "video/mp4", "application/octet-stream",
         'multipart/mixed; boundary="a b"', "application/vnd.openxmlformats-officedocument.wordprocessingml.document"]
LETTERS = "abzAZ019 +%&=?#~'\"!*();:@,$[]{}|^`<>\\-_.éßñ漢字🙂\u0301"


class Tool:
    def __init__(self):
        path = os.environ.get("SWIFTLET_STORAGE_TOOL") or str(ROOT / ".build" / "debug" / "storage-tool")
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        self.endpoint = "http://127.0.0.1:9000"

    def ask(self, op, send=None, **row):
        base = dict(op=op, endpoint=self.endpoint, region=REGION, access=ACCESS, secret=SECRET, bucket=BUCKET, now=int(time.time()))
        self.write({**base, **row})
        while True:
            answer = json.loads(self.process.stdout.readline())
            if "send" not in answer if isinstance(answer, dict) else True:
                return answer
            self.write(send(answer))

    def write(self, row):
        self.process.stdin.write(json.dumps(row) + "\n")
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


class Client:
    """HTTP with the path and the headers exactly as they are given."""

    def __init__(self, endpoint):
        self.host = urllib.parse.urlsplit(endpoint).netloc
        self.connection = None
        self.sent = 0

    def __call__(self, method, url, headers=(), body=b""):
        target = "/" + url.split("://", 1)[1].split("/", 1)[1]
        for attempt in (1, 2):
            self.connection = self.connection or http.client.HTTPConnection(self.host, timeout=10)
            try:
                self.connection.putrequest(method, target, skip_accept_encoding=True)
                names = {name.lower() for name, _ in headers}
                for name, value in headers:
                    self.connection.putheader(name, value)
                if "content-length" not in names and (body or method in ("PUT", "POST")):
                    self.connection.putheader("content-length", str(len(body)))
                self.connection.endheaders(body or None)
                answer = self.connection.getresponse()
                try:
                    data = answer.read()
                except ConnectionError:
                    # Refused and closed while the body was on its way.
                    data = b""
                self.sent += 1
                if answer.will_close or answer.status >= 400 and body:
                    self.close()
                return answer.status, answer.getheaders(), data
            except (http.client.HTTPException, ConnectionError):
                self.close()
                if attempt == 2:
                    raise

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def random_key(rng, number):
    def segment():
        while True:
            text = "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 12))).strip(" .")
            if text.strip("\u0301"):
                return text
    return f"u{number}/" + "/".join(segment() for _ in range(rng.randint(1, 3)))


def moment(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


# MARK: botocore


def against_botocore(tool, rng, count=200):
    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    links = headers = forms = 0
    for number in range(count):
        now = rng.randint(1_400_000_000, 4_000_000_000)
        session = "".join(rng.choice("abc/+=XYZ") for _ in range(40)) if number % 4 == 0 else None
        credentials = Credentials(ACCESS, SECRET, session)
        botocore.auth.get_current_datetime = lambda remove_tzinfo=True: moment(now).replace(tzinfo=None if remove_tzinfo else datetime.timezone.utc)
        key, kind = random_key(rng, number), rng.choice(TYPES)
        length, expires = rng.randint(0, 5 << 30), rng.randint(1, 604_800)
        row = dict(key=key, contentType=kind, length=length, expires=expires, now=now)
        if session:
            row["session"] = session
        if number % 3 == 0:
            row.update(sha256=hashlib.sha256(key.encode()).hexdigest(), createOnce=True, metadata=[["owner", f"u{number}"]])

        made = tool.ask("put", **row)
        url = f"{tool.endpoint}/{BUCKET}/{urllib.parse.quote(key, safe='/~')}"
        request = AWSRequest("PUT", url, headers=dict(made["headers"]))
        botocore.auth.S3SigV4QueryAuth(credentials, "s3", REGION, expires).add_auth(request)
        same(made["url"], request.url)
        links += 1

        read = tool.ask("get", **{**row, "disposition": 'attachment; filename="a b"'})
        query = urllib.parse.urlencode({"response-content-disposition": 'attachment; filename="a b"', "response-content-type": kind},
                                       quote_via=urllib.parse.quote, safe="~")
        request = AWSRequest("GET", f"{url}?{query}")
        botocore.auth.S3SigV4QueryAuth(credentials, "s3", REGION, expires).add_auth(request)
        same(read["url"], request.url)
        links += 1

        for op in ("headers", "delete", "listing"):
            made = tool.ask(op, **{**row, "length": 7})
            request = AWSRequest(made["method"], made["url"], data=b"")
            request.context["payload_signing_enabled"] = True
            botocore.auth.S3SigV4Auth(credentials, "s3", REGION).add_auth(request)
            assert dict(made["headers"])["authorization"] == request.headers["Authorization"], (op, key)
            headers += 1

        made = tool.ask("form", **row)
        fields = dict(made["fields"])
        request = AWSRequest("POST", made["url"])
        request.context["timestamp"] = fields["x-amz-date"]
        auth = botocore.auth.S3SigV4PostAuth(credentials, "s3", REGION)
        assert auth.signature(fields["policy"], request) == fields["x-amz-signature"], key
        forms += 1
    print(f"botocore: the same signature for {links} links, {headers} requests by header, {forms} forms")


def same(ours, theirs):
    split = [urllib.parse.urlsplit(url) for url in (ours, theirs)]
    assert split[0].path == split[1].path, (ours, theirs)
    parts = [sorted(urllib.parse.parse_qsl(url.query, keep_blank_values=True, strict_parsing=True)) for url in split]
    assert parts[0] == parts[1], (ours, theirs)


def forms_of_boto3(tool, rng, count=40):
    """boto3 signs forms, our verifier judges them: whole, and changed in every way."""
    import boto3
    import botocore.auth
    import botocore.signers

    client = boto3.client("s3", endpoint_url=tool.endpoint, region_name=REGION, aws_access_key_id=ACCESS,
                          aws_secret_access_key=SECRET, config=boto3.session.Config(signature_version="s3v4"))
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: moment(time.time()).replace(
        tzinfo=None if remove_tzinfo else datetime.timezone.utc)
    good = refused = 0

    def fault(fields, length, **more):
        row = {"fields": list(fields.items()), "length": length, **more}
        return tool.ask("verify-form", **row)["fault"]

    for number in range(count):
        key, kind, most = random_key(rng, number), rng.choice(TYPES), rng.randint(1, 1 << 30)
        conditions = [["content-length-range", 1, most], ["eq", "$Content-Type", kind], ["starts-with", "$x-amz-meta-note", "a"]]
        post = client.generate_presigned_post(
            BUCKET, key, {"Content-Type": kind, "x-amz-meta-note": "abc"}, conditions, ExpiresIn=300)
        fields = post["fields"]
        assert fault(fields, most) is None and fault(fields, 1) is None, (key, fault(fields, most))
        good += 2
        bad = [
            (fields, most + 1), (fields, 0), ({**fields, "key": key + "x"}, 1), ({**fields, "Content-Type": kind + "x"}, 1),
            ({**fields, "x-amz-meta-note": "b"}, 1), ({**fields, "acl": "public-read"}, 1),
            ({**fields, "x-amz-date": "20200101T000000Z"}, 1), ({**fields, "x-amz-credential": "x" + fields["x-amz-credential"]}, 1),
            ({**fields, "KEY": key}, 1),
        ]
        signature, policy = fields["x-amz-signature"], fields["policy"]
        place = rng.randrange(64)
        other = rng.choice([digit for digit in "0123456789abcdef" if digit != signature[place]])
        bad.append(({**fields, "x-amz-signature": signature[:place] + other + signature[place + 1:]}, 1))
        place = rng.randrange(len(policy))
        bad.append(({**fields, "policy": policy[:place] + ("A" if policy[place] != "A" else "B") + policy[place + 1:]}, 1))
        for name in ("policy", "x-amz-signature", "x-amz-date", "x-amz-credential", "x-amz-algorithm", "key", "x-amz-meta-note"):
            bad.append(({other: value for other, value in fields.items() if other != name}, 1))
        for changed, length in bad:
            assert fault(changed, length) is not None, (key, changed, length)
        assert fault(fields, 1, now=int(time.time()) + 301) == "expired"
        assert fault(fields, 1, bucket="other-bucket") is not None
        assert fault({**fields, "x-ignore-this": "1"}, 1) is None
        refused += len(bad) + 2

        ours = dict(tool.ask("form", key=key, contentType=kind, length=most, expires=300)["fields"])
        assert fault(ours, most) is None and fault(ours, most + 1) is not None and fault({**ours, "key": key + "/"}, 1) is not None
        good += 1
        refused += 2
    print(f"forms: {good} accepted by our verifier ({count} policies made by boto3), {refused} changed ones refused")


# MARK: Stores


@contextlib.contextmanager
def store(name, folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / name / BUCKET).mkdir(parents=True)
    binary = str(ROOT / ".build" / "venv" / "bin" / name)
    environment = {**os.environ, "NANIO_ACCESS_KEY": ACCESS, "NANIO_SECRET_KEY": SECRET, "RCLONE_CONFIG": os.devnull}
    command = {
        "rclone": [binary, "serve", "s3", "--auth-key", f"{ACCESS},{SECRET}", "--addr", f"127.0.0.1:{port}", str(folder / name)],
        "nanio": [binary, "serve", "--data-dir", str(folder / name), "--host", "127.0.0.1", "--port", str(port), "--region", REGION,
                  "--no-access-log", "--log-level", "error"],
    }[name]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, f"{name} does not start"
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def at_store(name, tool, rng, count=60):
    send = Client(tool.endpoint)
    accepted = 0
    refused = dict(signature=0, path=0, query=0, header=0, length=0, type=0, method=0, expired=0)

    def refuse(kind, status):
        assert 400 <= status < 500, (name, kind, status)
        refused[kind] += 1

    rows = []
    for number in range(count):
        body = rng.randbytes(rng.choice([0, 1, 5, rng.randint(6, 70_000)]))
        row = dict(key=random_key(rng, number), contentType=rng.choice(TYPES), length=len(body))
        # nanio takes percent signs off twice before it checks, so such keys fail there whoever signs them.
        while name == "nanio" and urllib.parse.unquote_to_bytes(row["key"]) != row["key"].encode():
            row["key"] = random_key(rng, number)
        made = tool.ask("put", **row)
        status, _, text = send("PUT", made["url"], made["headers"], body)
        assert status == 200, (name, row, status, text)
        got = send("GET", tool.ask("get", key=row["key"])["url"])
        assert got[0] == 200 and got[2] == body, (name, row, got[0])
        head = send("HEAD", tool.ask("head", key=row["key"])["url"])
        assert head[0] == 200 and int(dict((n.lower(), v) for n, v in head[1])["content-length"]) == len(body), (name, row, head)
        accepted += 3
        rows.append((row, made, body))

    # Every other digit at every place, for reading; one other digit at every place, for writing.
    link = tool.ask("get", key=rows[0][0]["key"])["url"]
    start = link.index("X-Amz-Signature=") + len("X-Amz-Signature=")
    for place in range(start, start + 64):
        for digit in "0123456789abcdef":
            if digit != link[place]:
                refuse("signature", send("GET", link[:place] + digit + link[place + 1:])[0])
    row, made, body = next(entry for entry in rows if entry[2])
    start = made["url"].index("X-Amz-Signature=") + len("X-Amz-Signature=")
    for place in range(start, start + 64):
        digit = "0" if made["url"][place] != "0" else "1"
        refuse("signature", send("PUT", made["url"][:place] + digit + made["url"][place + 1:], made["headers"], body)[0])
    refuse("signature", send("GET", link[:start - len("&X-Amz-Signature=")])[0])

    for row, made, body in rows[:15]:
        path, query = made["url"].split("?", 1)
        refuse("path", send("PUT", f"{path}x?{query}", made["headers"], body)[0])
        refuse("path", send("PUT", f"{rows[20][1]['url'].split('?')[0]}?{query}", made["headers"], body)[0])
        refuse("query", send("PUT", f"{path}?{query}&acl=", made["headers"], body)[0])
        refuse("query", send("PUT", f"{path}?{query.replace('X-Amz-Expires=60', 'X-Amz-Expires=61')}", made["headers"], body)[0])
        refuse("query", send("PUT", f"{path}?{query.replace('content-length%3B', '')}", made["headers"], body)[0])
        headers = dict(made["headers"])
        refuse("type", send("PUT", made["url"], {**headers, "content-type": "text/html"}.items(), body)[0])
        refuse("length", send("PUT", made["url"], {**headers, "content-length": str(len(body) + 1)}.items(), body + b"x")[0])
        refuse("method", send("POST", made["url"], made["headers"], body)[0])
        marked = tool.ask("put", **row, createOnce=True, metadata=[["owner", "u1"]])
        headers = dict(marked["headers"])
        refuse("header", send("PUT", marked["url"], {**headers, "x-amz-meta-owner": "u2"}.items(), body)[0])
        refuse("header", send("PUT", marked["url"], [(n, v) for n, v in headers.items() if n != "x-amz-meta-owner"], body)[0])
        old = tool.ask("put", **row, expires=10, now=int(time.time()) - 11)
        refuse("expired", send("PUT", old["url"], old["headers"], body)[0])
        got = send("GET", tool.ask("get", key=row["key"])["url"])
        assert got[0] == 200 and got[2] == body, (name, "changed after all", row)
    print(f"{name}: {accepted} signed requests accepted ({count} keys), refused: "
          + ", ".join(f"{kind} {number}" for kind, number in refused.items()))
    backend(name, tool, send, rows)
    send.close()


def backend(name, tool, client, rows):
    def send(request):
        status, headers, body = client(request["send"], request["url"], request["headers"])
        return {"status": status, "headers": headers, "body": body.decode("utf-8", "replace")}

    def call(what, **row):
        return tool.ask("backend", send, call=what, **row)

    keys = {row["key"]: body for row, _, body in rows}
    for key, body in keys.items():
        info = call("info", key=key)
        assert info.get("size") == len(body) and info["etag"].strip('"') == hashlib.md5(body).hexdigest(), (name, key, info)
    assert call("info", key="u1/none")["error"] == "NoSuchKey"

    found = {}

    def walk(prefix):
        offset = 0
        while True:
            page = call("list", prefix=prefix, limit=7, offset=offset)
            assert isinstance(page, list), (name, prefix, page)
            for entry in page:
                if "folder" in entry:
                    walk(f"{prefix}{entry['folder']}/")
                else:
                    assert entry["info"]["key"] == prefix + entry["object"] not in found
                    found[entry["info"]["key"]] = entry["info"]["size"]
            if len(page) < 7:
                return
            offset += 7
    walk("")
    assert found == {key: len(body) for key, body in keys.items()}, (name, set(found) ^ set(keys))
    names = [entry.get("folder") for entry in call("list", prefix="", limit=1000)]
    assert names == sorted(names, key=lambda text: text + "/") and len(names) == len(rows)
    assert [entry["folder"] for entry in call("list", search="u5", limit=100)] == [text for text in names if "u5" in text]
    backwards = [entry["folder"] for entry in call("list", limit=1000, ascending=False)]
    assert backwards == names[::-1]

    key = "u7/grant (1).txt"
    made = call("upload", key=key, contentType="text/plain", length=3, owner="user-1", userMetadata='{"a":"é"}', name="Bericht é.txt")
    assert client("PUT", made["url"], made["headers"], b"abc")[0] == 200
    info = call("info", key=key)
    marks = (info["owner"], info["metadata"], info["name"], info["type"])
    keeps = marks == ("user-1", '{"a":"é"}', "Bericht é.txt", "text/plain")
    assert call("upload", key=key, contentType="text/plain", length=3)["error"] == "KeyAlreadyExists"
    assert "url" in call("upload", key=key, contentType="text/plain", length=3, upsert=True)
    again = client("PUT", made["url"], made["headers"], b"abc")[0]

    links = call("download", keys=[key, "u7/none", "u7/../x"])
    assert client("GET", links[0]["url"])[2] == b"abc" and [link.get("error") for link in links] == [None, "NoSuchKey", "InvalidKey"]

    gone = call("remove", keys=[*keys, key, key, "u1/none"])
    assert sorted(info["key"] for info in gone) == sorted([*keys, key]), (name, gone)
    assert call("info", key=key)["error"] == "NoSuchKey" and call("remove", keys=list(keys)) == []
    missing = tool.ask("backend", send, call="list", bucket="no-such-bucket")
    assert missing["error"] == "NoSuchBucket", missing
    wrong = tool.ask("backend", send, call="list", secret="wrong")
    assert wrong["error"] == "UpstreamFailed" and "Signature" in wrong["cause"] and ACCESS not in str(wrong), wrong
    print(f"{name}: backend listed, described and removed {len(gone)} objects; owner, metadata and type kept: {'yes' if keeps else marks}; "
          f"second PUT of a create-once link: {again}")


def main():
    began = time.monotonic()
    seed = int(os.environ.get("SEED", "20260102"))
    rng = random.Random(seed)
    tool = Tool()
    try:
        against_botocore(tool, rng)
        forms_of_boto3(tool, rng)
        with tempfile.TemporaryDirectory() as folder:
            for name in ("rclone", "nanio"):
                with store(name, pathlib.Path(folder)) as endpoint:
                    tool.endpoint = endpoint
                    at_store(name, tool, rng)
    finally:
        tool.close()
    print(f"all good (seed {seed}, {time.monotonic() - began:.1f} s)")


if __name__ == "__main__":
    main()
