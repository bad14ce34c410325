"""The storage API and upload-sign with the clients people have: storage3, tuspy, plain HTTP."""

import base64
import concurrent.futures
import hashlib
import hmac
import http.client
import io
import json
import os
import signal
import socket
import struct
import time
import zlib

import httpx
import pytest
import storage3
from storage3.exceptions import StorageApiError
from storage3.types import CreateSignedUploadUrlOptions
from tusclient import client as tus
from tusclient.exceptions import TusCommunicationError

from conftest import Host, token

USER = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
BUCKETS = [
    {"id": "chat", "file_size_limit": 2_000_000, "allowed_mime_types": ["image/*", "text/plain", "application/pdf"]},
    {"id": "avatars", "public": True, "file_size_limit": "1MB", "allowed_mime_types": ["image/png"]},
    {"id": "large", "file_size_limit": "300MB"},
    {"id": "web", "allowed_mime_types": ["text/html", "image/svg+xml"]},
]


def png(width=8, height=8, extra=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + os.urandom(width * 3) for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"") + extra)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    file = tmp_path_factory.mktemp("buckets") / "buckets.json"
    file.write_text(json.dumps(BUCKETS))
    host = Host("swiftlet", "--storage-buckets", str(file), "--storage-quota", "600MB", "--address-limit", "none")
    yield host
    host.stop()


def client(host, who=USER, **claims):
    bearer = token(who, **claims)
    return storage3.create_client(
        host.url + "/storage/v1/", {"Authorization": f"Bearer {bearer}", "apiKey": token(None, role="anon")}, is_async=False)


def service(host):
    return client(host, None, role="service_role")


def sign(host, body, path="", who=USER, **claims):
    return httpx.post(
        host.functions + "/upload-sign" + path, json=body, headers={"Authorization": f"Bearer {token(who, **claims)}"}, timeout=30)


def signed(host, content, name="a.png", type="image/png", bucket="chat", **more):
    answer = sign(host, {"bucket": bucket, "name": name, "contentType": type, "size": len(content), **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def put(link, content, type="image/png", **headers):
    return httpx.put(link["url"], content=content, headers={"Content-Type": type, **headers}, timeout=60)


def error(answer):
    body = answer.json()
    assert set(body) == {"statusCode", "error", "message", "code"} and isinstance(body["statusCode"], str), body
    return body["statusCode"], body["code"]


# The Python client, its whole surface.


def test_storage3_signs_an_upload_and_makes_it(host):
    files = client(host).from_("chat")
    content = png()
    link = files.create_signed_upload_url(f"{USER}/dir/f 1.png")
    made = files.upload_to_signed_url(
        link["path"], link["token"], content, {"content-type": "image/png", "cache-control": "60", "metadata": {"from": "test"}})
    assert made.full_path == f"chat/{USER}/dir/f 1.png"
    assert files.download(f"{USER}/dir/f 1.png") == content
    info = files.info(f"{USER}/dir/f 1.png")
    assert (info["size"], info["content_type"], info["cache_control"]) == (len(content), "image/png", "max-age=60")
    assert info["metadata"] == {"from": "test"} and info["bucket_id"] == "chat" and info["name"] == f"{USER}/dir/f 1.png"
    assert files.exists(f"{USER}/dir/f 1.png") and not files.exists(f"{USER}/dir/none.png")


def test_storage3_uploads_updates_moves_copies_and_removes(host):
    files = client(host).from_("chat")
    one, two = png(), png()
    files.upload(f"{USER}/u/one.png", one, {"content-type": "image/png"})
    with pytest.raises(StorageApiError) as failure:
        files.upload(f"{USER}/u/one.png", two, {"content-type": "image/png"})
    assert (failure.value.status, failure.value.code) == ("409", "Duplicate")
    files.upload(f"{USER}/u/one.png", two, {"content-type": "image/png", "upsert": "true"})
    assert files.download(f"{USER}/u/one.png") == two
    files.update(f"{USER}/u/one.png", one, {"content-type": "image/png"})
    assert files.download(f"{USER}/u/one.png") == one
    files.copy(f"{USER}/u/one.png", f"{USER}/u/two.png")
    files.move(f"{USER}/u/one.png", f"{USER}/u/three.png")
    names = [item["name"] for item in files.list(f"{USER}/u")]
    assert names == ["three.png", "two.png"]
    assert files.download(f"{USER}/u/two.png") == one
    with pytest.raises(StorageApiError):
        files.move(f"{USER}/u/two.png", f"{USER}/u/two.pdf")
    removed = files.remove([f"{USER}/u/two.png", f"{USER}/u/three.png", f"{USER}/u/none.png", f"{OTHER}/x.png"])
    assert sorted(item["name"] for item in removed) == [f"{USER}/u/three.png", f"{USER}/u/two.png"]
    assert files.list(f"{USER}/u") == []


def test_storage3_lists_with_folders_pages_and_search(host):
    files = client(host).from_("chat")
    for name in ["b/1.txt", "b/2.txt", "a.txt", "c.txt", "100%.txt".replace("%", "_")]:
        files.upload(f"{USER}/l/{name}", b"hello", {"content-type": "text/plain"})
    listed = files.list(f"{USER}/l", {"sortBy": {"column": "name", "order": "asc"}})
    assert [item["name"] for item in listed] == ["b", "100_.txt", "a.txt", "c.txt"]
    assert listed[0]["id"] is None and listed[2]["metadata"]["size"] == 5
    assert [item["name"] for item in files.list(f"{USER}/l", {"limit": 2, "offset": 1})] == ["100_.txt", "a.txt"]
    assert [item["name"] for item in files.list(f"{USER}/l", {"search": "a"})] == ["a.txt"]
    page = files.list_v2({"prefix": f"{USER}/l/", "limit": 3, "with_delimiter": True})
    assert page.hasNext and [folder.name for folder in page.folders] == ["b"] and len(page.objects) == 2
    rest = files.list_v2({"prefix": f"{USER}/l/", "limit": 3, "cursor": page.nextCursor, "with_delimiter": True})
    assert not rest.hasNext and [item.name for item in rest.objects] == ["c.txt"]


def test_storage3_signs_downloads(host):
    files = client(host).from_("chat")
    content = png()
    files.upload(f"{USER}/d/ä.png".replace("ä", "x"), content, {"content-type": "image/png"})
    link = files.create_signed_url(f"{USER}/d/x.png", 60, {"download": "näme \".png"})["signedURL"]
    answer = httpx.get(link)
    assert answer.content == content
    assert answer.headers["content-disposition"].startswith("attachment; filename=n%C3%A4me%20%22.png; filename*=UTF-8''")
    assert answer.headers["x-content-type-options"] == "nosniff" and "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == "image/png" and "expires" in answer.headers and "cache-control" not in answer.headers
    # storage-js encodes what it is given, once; so it is given the key as it is.
    files.upload(f"{USER}/d/my photo (1)+.png", content, {"content-type": "image/png"})
    given = httpx.post(f"{host.url}/storage/v1/object/sign/chat/{USER}/d/my photo (1)+.png", json={"expiresIn": 60},
                       headers={"Authorization": f"Bearer {token()}"}).json()["signedURL"]
    assert given.startswith(f"/object/sign/chat/{USER}/d/my photo (1)+.png?token=")
    assert httpx.get(host.url + "/storage/v1" + given.replace(" ", "%20")).content == content
    assert httpx.get(files.create_signed_url(f"{USER}/d/my photo (1)+.png", 60)["signedURL"]).content == content
    links = files.create_signed_urls([f"{USER}/d/x.png", f"{USER}/d/none.png", f"{OTHER}/d/x.png"], 60)
    assert [bool(item["signedURL"]) for item in links] == [True, False, False]
    assert links[1]["error"] == links[2]["error"] == "Either the object does not exist or you do not have access to it"
    assert httpx.get(links[0]["signedURL"]).content == content


def test_storage3_sees_buckets_but_does_not_make_them(host):
    buckets = {bucket.id: bucket for bucket in client(host).list_buckets()}
    assert set(buckets) == {"chat", "avatars", "large", "web"} and buckets["avatars"].public
    assert client(host).get_bucket("chat").file_size_limit == 2_000_000
    for attempt in (lambda: service(host).create_bucket("mine"), lambda: service(host).delete_bucket("chat"),
                    lambda: service(host).update_bucket("chat", {"public": True})):
        with pytest.raises(StorageApiError) as failure:
            attempt()
        assert failure.value.status == "403" and "configuration" in failure.value.message
    with pytest.raises(StorageApiError) as failure:
        client(host).empty_bucket("avatars")
    assert failure.value.status == "403"


def test_a_public_bucket_is_read_by_anybody_and_emptied_by_the_project(host):
    content = png()
    service(host).from_("avatars").upload(f"{USER}/me.png", content, {"content-type": "image/png"})
    url = client(host).from_("avatars").get_public_url(f"{USER}/me.png")
    assert httpx.get(url).content == content
    assert error(httpx.get(url.replace("/avatars/", "/chat/")))[0] == "404"
    service(host).empty_bucket("avatars")
    assert error(httpx.get(url)) == ("404", "NoSuchKey")


# What is somebody's own.


def test_users_reach_their_own_folder_only(host):
    mine, theirs = client(host).from_("chat"), client(host, OTHER).from_("chat")
    mine.upload(f"{USER}/own.txt", b"mine", {"content-type": "text/plain"})
    for attempt in (lambda: theirs.download(f"{USER}/own.txt"), lambda: theirs.info(f"{USER}/own.txt"),
                    lambda: theirs.create_signed_url(f"{USER}/own.txt", 60)):
        with pytest.raises(StorageApiError) as failure:
            attempt()
        assert (failure.value.status, failure.value.code) == ("404", "not_found")
    for attempt in (lambda: theirs.upload(f"{USER}/x.txt", b"x", {"content-type": "text/plain"}),
                    lambda: theirs.create_signed_upload_url(f"{USER}/x.txt"),
                    lambda: theirs.upload(f"{USER}2/x.txt", b"x", {"content-type": "text/plain"}),
                    lambda: theirs.upload("x.txt", b"x", {"content-type": "text/plain"})):
        with pytest.raises(StorageApiError) as failure:
            attempt()
        assert (failure.value.status, failure.value.code) == ("403", "Unauthorized")
        assert "row-level security" in failure.value.message
    assert theirs.remove([f"{USER}/own.txt"]) == []
    assert theirs.list(USER) == [] and theirs.list("") == []
    assert mine.download(f"{USER}/own.txt") == b"mine"


def test_nobody_and_a_bad_token_are_refused(host):
    url = f"{host.url}/storage/v1/object/chat/{USER}/x.txt"
    assert error(httpx.post(url, content=b"x", headers={"Content-Type": "text/plain"}))[0] == "403"
    bad = httpx.post(url, content=b"x", headers={"Authorization": "Bearer " + token(secret=b"x" * 40)})
    assert error(bad)[0] == "403"
    assert sign(host, {"bucket": "chat"}, who=None, role="anon").status_code == 403


# upload-sign.


def test_a_name_in_any_letters_is_kept_and_the_key_is_made_by_the_host(host):
    content = png()
    link = signed(host, content, name="фото 你好.png", folder="conv-1", metadata={"width": 8})
    assert link["path"].startswith(f"{USER}/conv-1/") and link["path"].isascii() and link["path"].endswith(".png")
    assert link["method"] == "PUT" and link["url"].endswith(link["token"]) and link["headers"] == {"content-type": "image/png"}
    assert put(link, content).json() == {"Key": f"chat/{link['path']}"}
    info = sign(host, {"bucket": "chat", "path": link["path"]}, "/info").json()
    assert (info["name"], info["size"], info["metadata"]) == ("фото 你好.png", len(content), {"width": 8})
    download = sign(host, {"bucket": "chat", "path": link["path"], "download": True}, "/download").json()
    assert "filename*=UTF-8''%D1%84" in httpx.get(download["url"]).headers["content-disposition"]
    assert [f["name"] for f in sign(host, {"bucket": "chat", "folder": "conv-1"}, "/list").json()["files"]] == ["фото 你好.png"]
    assert sign(host, {"bucket": "chat", "path": link["path"]}, "/delete").json() == {"removed": [link["path"]]}
    assert error(httpx.get(download["url"])) == ("404", "NoSuchKey")


def test_refusals_come_before_any_byte_and_say_what_is_allowed(host):
    cases = [
        ({"bucket": "none", "name": "a.png", "contentType": "image/png", "size": 9}, 404, "chat, avatars"),
        ({"bucket": "chat", "name": "a.png", "contentType": "image/png", "size": 2_000_001}, 413, "2000000"),
        ({"bucket": "chat", "name": "a.mp4", "contentType": "video/mp4", "size": 9}, 415, "image/*, text/plain, application/pdf"),
        ({"bucket": "chat", "name": "a.svg", "contentType": "image/svg+xml", "size": 9}, 415, "image/*"),
        ({"bucket": "chat", "name": "a.png", "contentType": "image/jpeg", "size": 9}, 415, ".jpg"),
        ({"bucket": "chat", "name": "a.php.png", "contentType": "image/png", "size": 9}, 400, "name"),
        ({"bucket": "chat", "path": f"{OTHER}/a.png", "contentType": "image/png", "size": 9}, 403, f"{USER}/"),
        ({"bucket": "chat", "name": "a.png", "contentType": "image/png", "size": 0}, 400, "size"),
        ({"bucket": "chat", "name": "a.png", "contentType": "image/png"}, 400, "size"),
        ({"bucket": "chat", "name": "a.png", "contentType": "image/png", "size": 9, "sha256": "zz"}, 400, "sha256"),
        ({"bucket": "chat", "name": "a.png", "contentType": "image/png", "size": 9, "metadata": [1]}, 400, "metadata"),
        ({"bucket": "chat", "name": "a.png", "contentType": "image/png", "size": 9, "expiresIn": 999_999}, 400, "86400"),
        ({"bucket": "large", "name": "a.zip", "contentType": "application/zip", "size": 299_000_000}, 200, ""),
    ]
    for body, status, words in cases:
        answer = sign(host, body)
        assert answer.status_code == status and words in answer.text, (body, answer.text)
    bad = [".", "..", f"{USER}/../x.png", f"{USER}//x.png", f"{USER}/./x.png", f"/{USER}/x.png", f"{USER}/x.png/", f"{USER}/a\\b.png",
           f"{USER}/\u0000.png", f"{USER}/é.png", f"{USER}/%2e%2e/x.png", f"{USER}/a|b.png", f"{USER}/" + "a" * 1100 + ".png",
           f"{USER}/a\nb.png", f"{USER}/..;/x.png", f"{USER}/ a.png", f"{USER}/a.png ", f"{USER}/a~b.png", f"{USER}/a#b.png", ""]
    for path in bad:
        answer = sign(host, {"bucket": "chat", "path": path, "contentType": "image/png", "size": 9})
        assert answer.status_code in (400, 403, 415), (path, answer.text)


def test_a_batch_answers_for_each_file(host):
    answer = sign(host, {"bucket": "chat", "files": [
        {"name": "a.png", "contentType": "image/png", "size": 9}, {"name": "b.exe", "contentType": "image/png", "size": 9},
        {"bucket": "none", "name": "c.png", "contentType": "image/png", "size": 9}, {"name": 7}]}).json()["files"]
    assert "token" in answer[0]
    assert [item["error"]["status"] for item in answer[1:]] == [400, 404, 400], answer


def test_a_link_is_for_one_upload_even_when_fifty_race(host):
    content = png(64, 64)
    link = signed(host, content)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: put(link, content), range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    codes = {error(answer)[1] for answer in answers if answer.status_code != 200}
    assert codes <= {"TokenSpent", "ResourceLocked"}, codes
    again = put(link, content)
    assert error(again) == ("409", "TokenSpent")
    over = client(host).from_("chat").create_signed_upload_url(link["path"], CreateSignedUploadUrlOptions(upsert="true"))
    client(host).from_("chat").upload_to_signed_url(over["path"], over["token"], content, {"content-type": "image/png"})
    with pytest.raises(StorageApiError):
        client(host).from_("chat").upload_to_signed_url(over["path"], over["token"], content, {"content-type": "image/png"})


def test_a_link_binds_path_scope_size_type_digest_and_time(host):
    content = png()
    link = signed(host, content, sha256=hashlib.sha256(content).hexdigest())
    # Another path, another scope.
    assert error(httpx.put(link["url"].replace(".png?", "x.png?"), content=content))[1] == "InvalidSignature"
    assert error(httpx.get(link["url"].replace("/upload/sign/", "/sign/")))[1] == "InvalidSignature"
    # Another size, another type, other content, a type the content is not.
    assert error(put(link, content + b"x")) == ("413", "EntityTooLarge")
    assert error(put(link, content[:-1])) == ("422", "ContentChanged")
    assert error(put(link, content, "application/pdf")) == ("415", "InvalidMimeType")
    other = signed(host, content)
    assert error(put(other, b"<html>" + b" " * (len(content) - 6))) == ("415", "ContentMismatch")
    wrong = signed(host, content, sha256="0" * 64)
    assert error(put(wrong, content)) == ("422", "ContentChanged")
    # What was refused did not use the link up.
    assert put(link, content).status_code == 200
    download = sign(host, {"bucket": "chat", "path": link["path"]}, "/download").json()["url"]
    assert error(httpx.put(download.replace("/object/sign/", "/object/upload/sign/"), content=content))[1] == "InvalidSignature"


def test_tokens_that_are_not_ours_are_refused(host):
    content = png()
    link = signed(host, content)
    head, payload, signature = link["token"].split(".")

    def b64(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    none = b64(b'{"alg":"none","typ":"JWT"}') + "." + payload + "."
    user = token(USER, url=f"chat/{link['path']}", scope="upload", upsert=False, jti="x", iat=1)
    guesses = [none, none + signature, user, "", "x", "a.b.c", head + "." + payload + ".", payload + "." + signature, link["token"] + "x"]
    for index in range(0, len(link["token"]), 7):
        letter = "A" if link["token"][index] != "A" else "B"
        guesses.append(link["token"][:index] + letter + link["token"][index + 1:])
    # The last letter of the signature has bits that say nothing; a decoder that skips them would take two tokens for one.
    guesses.append(link["token"][:-1] + chr(ord(link["token"][-1]) ^ 1))
    for guess in guesses:
        answer = httpx.put(link["url"].split("?")[0], params={"token": guess}, content=content)
        assert answer.status_code == 400 and error(answer)[1] in ("InvalidJWT", "InvalidSignature", "InvalidRequest"), (guess, answer.text)
    assert put(link, content).status_code == 200
    short = signed(host, content, expiresIn=1)
    deadline = time.monotonic() + 20
    while True:
        answer = httpx.put(short["url"], content=b"", headers={"Content-Type": "image/png"})
        if error(answer)[1] == "InvalidJWT":
            break
        assert time.monotonic() < deadline, answer.text
    assert answer.json()["message"] == '"exp" claim timestamp check failed'


# Bytes.


def raw(host, lines, body=b"", read=True):
    connection = socket.create_connection(("127.0.0.1", host.port), timeout=20)
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return connection


def test_a_chunked_body_is_cut_at_the_limit(host):
    link = client(host).from_("chat").create_signed_upload_url(f"{USER}/cut.txt")
    path = "/storage/v1" + link["signed_url"].split("/storage/v1")[1]
    connection = raw(host, [f"PUT {path} HTTP/1.1", "Host: a", "Content-Type: text/plain", "Transfer-Encoding: chunked"])
    sent = 0
    chunk = b"%x\r\n" % 16384 + b"a" * 16384 + b"\r\n"
    answer = b""
    connection.setblocking(False)
    deadline = time.monotonic() + 20
    while not answer and time.monotonic() < deadline:
        try:
            sent += connection.send(chunk) and 16384
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
        try:
            answer = connection.recv(65536)
        except BlockingIOError:
            pass
    assert b'"statusCode":"413"' in answer and b"HTTP/1.1 400" in answer, answer
    # What lies in socket buffers was never read.
    assert not client(host).from_("chat").exists(f"{USER}/cut.txt")
    connection.close()


def test_a_body_that_breaks_off_leaves_nothing(host):
    link = signed(host, b"a" * 100_000, name="a.txt", type="text/plain")
    path = "/storage/v1" + link["url"].split("/storage/v1")[1]
    connection = raw(host, [f"PUT {path} HTTP/1.1", "Host: a", "Content-Type: text/plain", "Content-Length: 100000"], b"a" * 60_000)
    connection.close()
    host.wait_for(lambda line: line.get("function") == "storage" and line.get("status") == 499)
    assert not client(host).from_("chat").exists(link["path"])
    assert os.listdir(os.path.join(host.storage, "staging")) == []
    assert put(link, b"a" * 100_000, "text/plain").status_code == 200


def test_content_that_is_two_things_is_refused(host):
    html = b"<html><script>alert(1)</script></html>"
    cases = [
        ("a.png", "image/png", png(extra=html)), ("a.png", "image/png", png()[:-12]), ("a.png", "image/png", html),
        ("a.png", "image/png", b"\x89PNG\r\n\x1a\n" + html), ("a.gif", "image/gif", b"GIF89a/*\0\0\0\0*/=1;alert(1)"),
        ("a.pdf", "application/pdf", b"x" * 100 + b"%PDF-1.4\n%%EOF"), ("a.txt", "text/plain", b"hello\0world"),
        ("a.txt", "text/plain", b"<!--" + b"x" * 2000 + b"--><svg onload=alert(1)>"), ("a.jpg", "image/jpeg", png()),
    ]
    for name, type, content in cases:
        answer = put(signed(host, content, name=name, type=type), content, type)
        assert answer.status_code == 400 and error(answer) == ("415", "ContentMismatch"), (name, content[:20], answer.text)


def test_what_runs_in_a_browser_is_never_served_to_run(host):
    files = client(host).from_("web")
    for name, type, content in [("a.html", "text/html", b"<html><script>1</script></html>"),
                                ("a.svg", "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>')]:
        files.upload(f"{USER}/{name}", content, {"content-type": type})
        answer = httpx.get(files.create_signed_url(f"{USER}/{name}", 60)["signedURL"])
        assert answer.content == content and answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["content-disposition"].startswith("attachment") and answer.headers["x-content-type-options"] == "nosniff"


def test_ranges_and_conditions(host):
    files = client(host).from_("chat")
    content = bytes(range(97, 123)) * 100
    files.upload(f"{USER}/range.txt", content, {"content-type": "text/plain"})
    url = files.create_signed_url(f"{USER}/range.txt", 60)["signedURL"]
    whole = httpx.get(url)
    etag = whole.headers["etag"]
    for header, piece in [("bytes=0-9", content[:10]), ("bytes=100-", content[100:]), ("bytes=-7", content[-7:]), ("bytes=0-99999", content)]:
        answer = httpx.get(url, headers={"Range": header})
        assert answer.status_code == 206 and answer.content == piece, header
    assert answer.headers["content-range"] == f"bytes 0-{len(content) - 1}/{len(content)}"
    beyond = httpx.get(url, headers={"Range": "bytes=99999-"})
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(content)}"
    assert httpx.get(url, headers={"Range": "bytes=0-1,3-4"}).content == content
    assert httpx.get(url, headers={"If-None-Match": etag}).status_code == 304
    assert httpx.get(url, headers={"If-Modified-Since": whole.headers["last-modified"]}).status_code == 304
    assert httpx.get(url, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).content == content
    head = httpx.head(url)
    assert head.status_code == 200 and head.headers["content-length"] == str(len(content)) and head.content == b""


def test_a_large_file_goes_in_and_out_whole(host):
    content = os.urandom(40_000_000)
    files = client(host).from_("large")
    files.upload(f"{USER}/big.dat", content, {"content-type": "application/octet-stream"})
    url = files.create_signed_url(f"{USER}/big.dat", 60)["signedURL"]
    assert hashlib.sha256(httpx.get(url, timeout=60).content).digest() == hashlib.sha256(content).digest()
    assert httpx.get(url, headers={"Range": "bytes=20000000-20000009"}).content == content[20_000_000:20_000_010]
    # A reader that goes away in the middle leaves no file open.
    connection = raw(host, ["GET /storage/v1" + url.split("/storage/v1")[1] + " HTTP/1.1", "Host: a"])
    connection.recv(1000)
    connection.close()
    host.wait_for(lambda line: line.get("function") == "storage" and line.get("status") == 499)
    names = [os.readlink(f"/proc/{host.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{host.process.pid}/fd")
             if os.path.islink(f"/proc/{host.process.pid}/fd/{fd}")]
    assert not any("/content/" in name for name in names), names


def test_raw_bodies_carry_metadata_and_cache_control(host):
    link = client(host).from_("chat").create_signed_upload_url(f"{USER}/raw.txt")
    answer = httpx.put(link["signed_url"], content=b"hello", headers={
        "Content-Type": "text/plain;charset=UTF-8", "Cache-Control": "max-age=3600", "x-upsert": "true",
        "x-metadata": base64.b64encode(b'{"a":"\xc3\xa4"}').decode()})
    assert answer.json() == {"Key": f"chat/{USER}/raw.txt"}
    info = client(host).from_("chat").info(f"{USER}/raw.txt")
    assert info["metadata"] == {"a": "ä"} and info["cache_control"] == "max-age=3600"


def test_what_others_could_fill_or_keep_is_bounded(host):
    files = client(host).from_("chat")
    with pytest.raises(StorageApiError) as failure:
        files.upload(f"{USER}/meta.txt", b"x", {"content-type": "text/plain", "metadata": {"a": "x" * 20_000}})
    assert failure.value.status == "413"
    link = signed(host, b"hello", name="signed.txt", type="text/plain", metadata={"conversation": 1})
    put(link, b"hello", "text/plain", **{"x-metadata": base64.b64encode(b'{"conversation":2}').decode()})
    assert files.info(link["path"])["metadata"] == {"conversation": 1}
    answer = httpx.get(f"{host.url}/storage/v1/object/chat/{link['path']}", headers={"Authorization": f"Bearer {token()}"})
    assert answer.headers["cache-control"].startswith("private")
    for name in ["x.php.jpg", ".htaccess", "x.exe"]:
        with pytest.raises(StorageApiError):
            files.upload(f"{USER}/{name}", b"x", {"content-type": "application/octet-stream"})
    # Nobody is refused before a byte of the body is read.
    connection = raw(host, ["POST /storage/v1/object/list/chat HTTP/1.1", "Host: a", "Content-Type: application/json", "Content-Length: 2000000"])
    assert b'"statusCode":"403"' in connection.recv(4096)
    connection.close()
    made = [resumable(host, 10, bearer=token(OTHER), path=f"{OTHER}/many/{number}.dat").status_code for number in range(70)]
    assert made.count(201) == 64 and set(made[64:]) == {429}
    assert resumable(host, 10, bearer=token(), path=f"{USER}/many/1.dat").status_code == 201


def test_a_page_of_another_origin_may_use_all_of_it(host):
    answer = httpx.options(f"{host.url}/storage/v1/object/upload/sign/chat/x", headers={
        "Origin": "https://app.example", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-upsert"})
    allowed = answer.headers["access-control-allow-headers"]
    assert answer.status_code == 204 and "PUT" in answer.headers["access-control-allow-methods"]
    for name in ["authorization", "apikey", "x-client-info", "x-upsert", "x-metadata", "x-signature", "content-type", "cache-control",
                 "tus-resumable", "upload-length", "upload-metadata", "upload-offset"]:
        assert name in allowed
    exposed = httpx.get(f"{host.url}/storage/v1/object/public/avatars/x").headers["access-control-expose-headers"]
    for name in ["location", "upload-offset", "upload-expires", "tus-resumable"]:
        assert name in exposed


# Resumable uploads.


def metadata(**pairs):
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def resumable(host, length, link=None, bearer=None, path="", **more):
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length), "Upload-Metadata": metadata(
        bucketName="large", objectName=path or link["path"], contentType=more.pop("contentType", "application/octet-stream"), **more)}
    headers.update({"x-signature": link["token"]} if link else {"Authorization": f"Bearer {bearer}"})
    return httpx.post(f"{host.url}/storage/v1/upload/resumable" + ("/sign" if link else ""), headers=headers)


def test_tuspy_uploads_200_mib_with_an_interruption(host, tmp_path):
    content = os.urandom(1 << 20) * 200
    file = tmp_path / "large.dat"
    file.write_bytes(content)
    link = client(host).from_("large").create_signed_upload_url(f"{USER}/tus/large.dat")
    uploads = tus.TusClient(f"{host.url}/storage/v1/upload/resumable/sign", headers={"x-signature": link["token"]})
    about = {"bucketName": "large", "objectName": link["path"], "contentType": "application/octet-stream", "cacheControl": "3600"}
    first = uploads.uploader(str(file), chunk_size=6 << 20, metadata=about)
    first.upload(stop_at=80 << 20)
    assert first.offset >= 80 << 20
    # The client dies, another goes on where the server stands.
    second = uploads.uploader(str(file), chunk_size=6 << 20, metadata=about, url=first.url)
    assert second.offset == first.offset
    second.upload()
    info = client(host).from_("large").info(link["path"])
    assert (info["size"], info["cache_control"]) == (len(content), "max-age=3600")
    url = client(host).from_("large").create_signed_url(link["path"], 60)["signedURL"]
    digest = hashlib.sha256()
    with httpx.stream("GET", url, timeout=60) as answer:
        for part in answer.iter_bytes():
            digest.update(part)
    assert digest.digest() == hashlib.sha256(content).digest()
    client(host).from_("large").remove([link["path"]])


def test_a_resumable_upload_cut_in_the_middle_keeps_what_came(host):
    answer = resumable(host, 1_000_000, bearer=token(), path=f"{USER}/tus/cut.dat")
    assert answer.status_code == 201 and answer.headers["tus-resumable"] == "1.0.0" and "upload-expires" in answer.headers
    url = answer.headers["location"]
    path = "/storage/v1" + url.split("/storage/v1")[1]
    bearer = f"Authorization: Bearer {token()}"
    content = os.urandom(1_000_000)
    connection = raw(host, [f"PATCH {path} HTTP/1.1", "Host: a", bearer, "Tus-Resumable: 1.0.0", "Upload-Offset: 0",
                            "Content-Type: application/offset+octet-stream", "Content-Length: 1000000"], content[:600_000])
    connection.close()
    host.wait_for(lambda line: line.get("function") == "storage" and line.get("status") == 499)
    headers = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {token()}"}
    deadline = time.monotonic() + 20
    while True:
        head = httpx.head(url, headers=headers)
        offset = int(head.headers.get("upload-offset", 0))
        if head.status_code == 200 and offset > 0:
            break
        assert time.monotonic() < deadline, head
    assert head.headers["upload-length"] == "1000000" and head.headers["cache-control"] == "no-store"
    patch = {**headers, "Content-Type": "application/offset+octet-stream"}
    assert httpx.patch(url, headers={**patch, "Upload-Offset": "1"}, content=b"x").status_code == 409
    assert httpx.patch(url, headers={**patch, "Upload-Offset": str(offset)}, content=b"x" * 1_000_000).status_code == 413
    assert httpx.patch(url, headers={**patch, "Upload-Offset": str(offset), "Content-Type": "text/plain"}, content=b"x").status_code == 415
    assert httpx.head(url, headers={**headers, "Authorization": f"Bearer {token(OTHER)}"}).status_code == 403
    assert not client(host).from_("large").exists(f"{USER}/tus/cut.dat")
    last = httpx.patch(url, headers={**patch, "Upload-Offset": str(offset)}, content=content[offset:])
    assert last.status_code == 204 and last.headers["upload-offset"] == "1000000" and last.headers["tus-complete"] == "1"
    assert client(host).from_("large").download(f"{USER}/tus/cut.dat") == content
    # Finished is gone, and what never was is not found.
    assert httpx.head(url, headers=headers).status_code == 410
    assert httpx.head(f"{host.url}/storage/v1/upload/resumable/none", headers=headers).status_code == 404


def test_resumable_uploads_are_judged_and_bound_like_others(host):
    options = httpx.options(f"{host.url}/storage/v1/upload/resumable")
    assert options.status_code == 204 and options.headers["tus-version"] == "1.0.0" and "creation" in options.headers["tus-extension"]
    big = resumable(host, 400_000_000, bearer=token(), path=f"{USER}/tus/too.dat")
    assert big.status_code == 413 and big.text == "Maximum size exceeded\n"
    assert resumable(host, 9, bearer=token(), path=f"{OTHER}/tus/x.dat").status_code == 403
    assert resumable(host, 9, bearer=token(), path=f"{USER}/../x.dat").status_code == 400
    missing = httpx.post(f"{host.url}/storage/v1/upload/resumable/sign", headers={
        "Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": metadata(bucketName="large", objectName=f"{USER}/x.dat")})
    assert missing.status_code == 400 and missing.text.startswith("Missing x-signature header")
    assert httpx.post(f"{host.url}/storage/v1/upload/resumable", headers={"Tus-Resumable": "0.2.2"}).status_code == 412
    answer = resumable(host, 20, bearer=token(), path=f"{USER}/tus/not.png", contentType="image/png")
    headers = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {token()}", "Upload-Offset": "0",
               "Content-Type": "application/offset+octet-stream"}
    refused = httpx.patch(answer.headers["location"], headers=headers, content=b"<html>hello</html>  ")
    assert refused.status_code == 415 and refused.headers["content-type"].startswith("text/plain")
    assert not client(host).from_("large").exists(f"{USER}/tus/not.png")
    gone = resumable(host, 20, bearer=token(), path=f"{USER}/tus/gone.dat").headers["location"]
    assert httpx.delete(gone, headers=headers).status_code == 204
    assert httpx.head(gone, headers=headers).status_code == 410
    # tuspy looks no closer at either than that it is no success.
    with pytest.raises(TusCommunicationError) as failure:
        tus.TusClient(f"{host.url}/storage/v1/upload/resumable", headers={"Authorization": f"Bearer {token()}"}).uploader(
            file_stream=io.BytesIO(b"x" * 20), url=gone)
    assert failure.value.status_code == 410


# What goes wrong.


def test_a_user_over_the_quota_is_told_what_is_left(tmp_path):
    host = Host("swiftlet", "--storage-quota", "1000")
    try:
        link = sign(host, {"bucket": "private-bucket", "name": "a.txt", "contentType": "text/plain", "size": 800}).json()
        assert put(link, b"a" * 800, "text/plain").status_code == 200
        over = sign(host, {"bucket": "private-bucket", "name": "b.txt", "contentType": "text/plain", "size": 300})
        assert over.status_code == 413 and over.json()["code"] == "QUOTA_EXCEEDED" and "200 are left" in over.text
        assert sign(host, {"bucket": "private-bucket", "name": "b.txt", "contentType": "text/plain", "size": 200}, who=OTHER).status_code == 200
    finally:
        host.stop()


def test_a_kill_in_the_middle_of_uploads_leaves_whole_files_only(tmp_path):
    folder = str(tmp_path / "store")
    host = Host("swiftlet", "--storage", folder)
    first = sign(host, {"bucket": "private-bucket", "name": "a.txt", "contentType": "text/plain", "size": 5}).json()
    assert put(first, b"hello", "text/plain").status_code == 200
    half = sign(host, {"bucket": "private-bucket", "name": "b.txt", "contentType": "text/plain", "size": 500_000}).json()
    path = "/storage/v1" + half["url"].split("/storage/v1")[1]
    connection = raw(host, [f"PUT {path} HTTP/1.1", "Host: a", "Content-Type: text/plain", "Content-Length: 500000"], b"a" * 450_000)
    deadline = time.monotonic() + 20
    while not os.listdir(os.path.join(folder, "staging")):
        assert time.monotonic() < deadline
    host.process.send_signal(signal.SIGKILL)
    host.process.wait()
    connection.close()
    host = Host("swiftlet", "--storage", folder)
    try:
        opened = next(line for line in host.lines if line.get("msg") == "storage.opened")
        assert opened["removed_staged"] == 1 and opened["missing"] == 0
        assert os.listdir(os.path.join(folder, "staging")) == []
        files = sign(host, {"bucket": "private-bucket"}, "/list").json()["files"]
        assert [(f["name"], f["size"]) for f in files] == [("a.txt", 5)]
        # A link of before the crash is still good: the key that signs lies with the files.
        half["url"] = host.url + half["url"][half["url"].index("/storage/v1"):]
        assert put(half, b"a" * 500_000, "text/plain").status_code == 200
    finally:
        host.stop()


def test_one_folder_serves_one_host(host):
    import subprocess
    from conftest import binary
    second = subprocess.run([binary("swiftlet"), "serve", "--port", "0", "--admin-port", "none", "--storage", host.storage],
                            capture_output=True, timeout=60)
    assert second.returncode != 0 and host.storage.encode() in second.stderr + second.stdout and b"another" in second.stderr + second.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_said_and_nothing_is_left(tmp_path):
    import subprocess
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]).returncode != 0:
        pytest.skip("this sandbox mounts nothing")
    host = None
    try:
        host = Host("swiftlet", "--storage", str(folder / "store"))
        content = b"a" * 30_000_000
        link = sign(host, {"bucket": "private-bucket", "name": "a.txt", "contentType": "text/plain", "size": len(content)}).json()
        full = put(link, content, "text/plain")
        assert full.status_code == 507 and error(full)[1] == "StorageFull", full.text
        assert os.listdir(folder / "store" / "staging") == []
        small = sign(host, {"bucket": "private-bucket", "name": "b.txt", "contentType": "text/plain", "size": 1000}).json()
        assert put(small, b"b" * 1000, "text/plain").status_code == 200
    finally:
        if host:
            host.stop()
        subprocess.run(["umount", str(folder)])


def test_the_lines_of_the_readme_can_be_pasted(host, tmp_path):
    import re
    import subprocess
    from conftest import ROOT, binary
    text = (ROOT / "README.md").read_text()
    lines = re.search(r"```sh\n(# upload-sign: from the question to the file\n.*?)```", text, re.DOTALL).group(1)
    own = Host("swiftlet")
    try:
        lines = lines.replace("http://127.0.0.1:54321", own.url).replace(".build/release/swiftlet", binary("swiftlet"))
        done = subprocess.run(["bash", "-euc", lines], capture_output=True, text=True, timeout=60, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        made, read = done.stdout.strip().splitlines()
        assert json.loads(made)["Key"].startswith("message-attachments/me/trip/") and read == "hello!"
    finally:
        own.stop()


@pytest.mark.skipif(not any(os.path.exists(f"{folder}/libvips.so.42") for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")),
                    reason="libvips42 is not installed")
def test_small_pictures_are_made_in_a_process_of_their_own(host):
    files = client(host).from_("chat")
    files.upload(f"{USER}/wide.png", png(300, 150), {"content-type": "image/png"})

    def size(content):
        return struct.unpack(">II", content[16:24])

    url = files.create_signed_url(f"{USER}/wide.png", 60, {"transform": {"width": 100, "height": 100, "resize": "contain"}})["signedURL"]
    assert "/render/image/sign/" in url
    answer = httpx.get(url, timeout=60)
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png" and size(answer.content) == (100, 50), answer.text
    again = httpx.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert size(files.download(f"{USER}/wide.png", {"transform": {"width": 60, "height": 60}})) == (60, 60)
    webp = files.download(f"{USER}/wide.png", {"transform": {"width": 60, "format": "webp"}})
    assert webp[:4] == b"RIFF" and webp[8:12] == b"WEBP"
    children = [open(f"/proc/{pid}/cmdline").read() for pid in os.listdir("/proc") if pid.isdigit() and os.path.exists(f"/proc/{pid}/cmdline")]
    assert any(line.startswith("swiftlet\0thumbnail") for line in children)
    files.upload(f"{USER}/note.txt", b"hello", {"content-type": "text/plain"})
    with pytest.raises(StorageApiError) as failure:
        files.download(f"{USER}/note.txt", {"transform": {"width": 60}})
    assert failure.value.status == "415"
    with pytest.raises(StorageApiError) as failure:
        files.download(f"{USER}/wide.png", {"transform": {"width": -1}})
    assert failure.value.status == "400"
