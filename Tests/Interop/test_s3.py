"""Other stores behind upload-sign: S3 (rclone, nanio, botocore as judges) and a Supabase project (another host plays it)."""

import hashlib
import os

import httpx
import pytest

import s3
from conftest import Host, token
from test_storage import USER, png, sign


def test_signatures_are_those_of_botocore_and_real_stores_take_them(capsys):
    s3.main()
    assert "all good" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["rclone", "nanio"])
def test_upload_sign_signs_for_an_s3_store(name, tmp_path):
    buckets = tmp_path / "buckets.json"
    buckets.write_text('[{"id": "%s", "allowed_mime_types": ["image/png"]}]' % s3.BUCKET)
    with s3.store(name, tmp_path) as endpoint:
        host = Host("swiftlet", "--storage-backend", "s3", "--storage-endpoint", endpoint, "--storage-buckets", str(buckets),
                    env={"S3_ACCESS_KEY_ID": s3.ACCESS, "S3_SECRET_ACCESS_KEY": s3.SECRET})
        try:
            content = png()
            link = sign(host, {"bucket": s3.BUCKET, "name": "ä b.png", "contentType": "image/png", "size": len(content),
                               "sha256": hashlib.sha256(content).hexdigest()})
            assert link.status_code == 200, link.text
            link = link.json()
            assert link["method"] == "PUT" and link["url"].startswith(endpoint) and "token" not in link
            assert httpx.put(link["url"], content=content + b"x", headers={**link["headers"], "content-length": str(len(content) + 1)}).status_code == 403
            assert httpx.put(link["url"], content=content, headers={**link["headers"], "content-type": "text/html"}).status_code == 403
            assert httpx.put(link["url"], content=content, headers=link["headers"]).status_code == 200
            files = sign(host, {"bucket": s3.BUCKET}, "/list").json()["files"]
            assert [(f["path"], f["size"]) for f in files] == [(link["path"], len(content))]
            download = sign(host, {"bucket": s3.BUCKET, "path": link["path"]}, "/download").json()["url"]
            assert httpx.get(download).content == content
            assert sign(host, {"bucket": s3.BUCKET, "path": link["path"]}, "/download", who="22222222-2222-4222-8222-222222222222").status_code == 404
            assert sign(host, {"bucket": s3.BUCKET, "path": link["path"]}, "/delete").json() == {"removed": [link["path"]]}
            assert sign(host, {"bucket": s3.BUCKET, "path": link["path"]}, "/info").status_code == 404
            # The key that signs is in no answer and no line of the log.
            assert s3.SECRET not in str(host.lines) and s3.SECRET not in str(link)
            refused = httpx.get(host.url + "/storage/v1/object/public/x/y")
            assert refused.status_code == 404 and "upload-sign" in refused.text
        finally:
            host.stop()


def test_upload_sign_signs_for_a_supabase_project():
    project = Host("swiftlet")
    host = None
    try:
        host = Host("swiftlet", "--storage-backend", "supabase", "--storage-endpoint", project.url,
                    env={"SUPABASE_SERVICE_ROLE_KEY": token(None, role="service_role")})
        content = png()
        link = sign(host, {"bucket": "private-bucket", "name": "a.png", "contentType": "image/png", "size": len(content)})
        assert link.status_code == 200, link.text
        link = link.json()
        assert link["url"].startswith(project.url + "/storage/v1/object/upload/sign/private-bucket/") and link["token"] in link["url"]
        assert httpx.put(link["url"], content=content, headers=link["headers"]).status_code == 200
        listed = sign(host, {"bucket": "private-bucket"}, "/list")
        assert [f["path"] for f in listed.json()["files"]] == [link["path"]], listed.text
        info = sign(host, {"bucket": "private-bucket", "path": link["path"]}, "/info")
        assert info.json()["size"] == len(content), info.text
        download = sign(host, {"bucket": "private-bucket", "path": link["path"], "download": "ä.png"}, "/download").json()["url"]
        assert httpx.get(download).content == content
        assert sign(host, {"bucket": "private-bucket", "path": link["path"]}, "/delete").json() == {"removed": [link["path"]]}
    finally:
        if host:
            host.stop()
        project.stop()


def test_a_store_that_cannot_be_reached_is_said():
    host = Host("swiftlet", "--storage-backend", "supabase", "--storage-endpoint", "http://127.0.0.1:9",
                env={"SUPABASE_SERVICE_ROLE_KEY": "x" * 40})
    try:
        answer = sign(host, {"bucket": "private-bucket", "name": "a.png", "contentType": "image/png", "size": 9})
        assert answer.status_code == 502 and answer.json()["code"] == "STORAGE_UNAVAILABLE"
    finally:
        host.stop()


def test_settings_that_cannot_work_keep_the_host_from_starting(tmp_path):
    import subprocess
    from conftest import binary
    cases = [(["--storage-backend", "s3"], "storage-endpoint"), (["--storage-endpoint", "http://x"], "storage-backend"),
             (["--storage-backend", "s3", "--storage-endpoint", "http://127.0.0.1:9"], "S3_ACCESS_KEY_ID"),
             (["--storage-quota", "much"], "500MB"), (["--storage-buckets", str(tmp_path / "none")], "cannot be read"),
             (["--public-url", "api.example"], "https://api.example"), (["--storage", "/proc/none"], "/proc/none")]
    file = tmp_path / "buckets.json"
    file.write_text('[{"id": "a", "sise": 1}]')
    cases.append((["--storage-buckets", str(file)], "sise"))
    for flags, words in cases:
        done = subprocess.run([binary("swiftlet"), "serve", "--port", "0", "--admin-port", "none", *flags], capture_output=True, timeout=60,
                              env={k: v for k, v in os.environ.items() if not k.startswith(("SWIFTLET_", "S3_"))})
        said = (done.stdout + done.stderr).decode()
        assert done.returncode != 0 and words in said, (flags, done.returncode, said)
