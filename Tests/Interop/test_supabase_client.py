"""The real client, unchanged: supabase-functions from PyPI, and httpx beneath it for what the client does not expose."""

import concurrent.futures
import json
import socket
import warnings

import httpx
import pytest
from conftest import token
from supabase_functions import AsyncFunctionsClient, SyncFunctionsClient
from supabase_functions.errors import FunctionsHttpError, FunctionsRelayError
from supabase_functions.utils import FunctionRegion

warnings.simplefilter("ignore")


def client(host, bearer=None, **headers):
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    return SyncFunctionsClient(host.functions, headers, http_client=httpx.Client(timeout=20, follow_redirects=True))


def mirror(host, options=None, name="mirror", **kwargs):
    return client(host, **kwargs).invoke(name, {"responseType": "json", **(options or {})})


def test_a_dict_arrives_as_json(host):
    seen = mirror(host, {"body": {"a": [1, "zwei", None]}})
    assert json.loads(seen["text"]) == {"a": [1, "zwei", None]}
    assert seen["headers"]["content-type"] == "application/json"
    assert seen["method"] == "POST" and seen["path"] == "/mirror"


def test_a_string_arrives_as_text(host):
    seen = mirror(host, {"body": "grüße"})
    assert seen["text"] == "grüße" and seen["headers"]["content-type"] == "text/plain"


def test_no_body_is_an_empty_body(host):
    assert mirror(host)["bytes"] == 0


def test_a_stale_content_type_without_a_body_is_accepted(host):
    # Clients before 2.34 kept the type of their last call.
    seen = httpx.post(host.functions + "/mirror", headers={"content-type": "application/json"}).json()
    assert seen["bytes"] == 0 and seen["headers"]["content-type"] == "application/json"
    one = client(host)
    one.invoke("mirror", {"body": {"a": 1}})
    assert one.invoke("mirror", {"responseType": "json"})["bytes"] == 0


def test_binary_bodies_pass_unharmed(host):
    data = bytes(range(256)) * 64
    answer = httpx.post(host.functions + "/mirror?raw=1", content=data, headers={"content-type": "application/octet-stream"})
    assert answer.content == data


def test_multipart_passes_unharmed_both_ways(host):
    answer = httpx.post(host.functions + "/mirror?raw=1", files={"f": ("a.bin", b"\x00\x01\xff", "application/octet-stream")}, data={"k": "v"})
    assert answer.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b"\x00\x01\xff" in answer.content and b'name="k"' in answer.content


def test_a_region_is_visible_in_header_and_query(host):
    seen = mirror(host, {"region": FunctionRegion("eu-central-1")})
    assert seen["headers"]["x-region"] == "eu-central-1"
    assert seen["query"] == "forceFunctionRegion=eu-central-1" and seen["region"] == "eu-central-1"


def test_the_region_any_sends_nothing(host):
    seen = mirror(host, {"region": FunctionRegion("any")})
    assert "x-region" not in seen["headers"] and seen["query"] is None


def test_authorization_from_the_client_header(host, user_token):
    answer = client(host, user_token).invoke("echo", {"body": {"n": 1}, "responseType": "json"})
    assert answer == {"ok": True, "sub": "11111111-1111-4111-8111-111111111111", "echo": {"n": 1}}


def test_set_auth_replaces_the_token(host, user_token):
    one = client(host, "wrong")
    one.set_auth(user_token)
    assert one.invoke("echo", {"body": {}, "responseType": "json"})["ok"] is True


def test_a_header_of_one_call_wins(host, user_token):
    answer = client(host).invoke("echo", {"headers": {"Authorization": f"Bearer {user_token}"}, "body": {}, "responseType": "json"})
    assert answer["ok"] is True


@pytest.mark.parametrize(
    "bearer, code, message",
    [
        (None, "UNAUTHORIZED_NO_AUTH_HEADER", "Missing authorization header"),
        ("garbage", "UNAUTHORIZED_INVALID_JWT_FORMAT", "Invalid JWT"),
        (token(secret=b"another-secret-of-at-least-32-characters"), "UNAUTHORIZED_LEGACY_JWT", "Invalid JWT"),
        (token(exp=1), "UNAUTHORIZED_LEGACY_JWT", "Invalid JWT"),
    ],
    # Names that stay the same: a token has the time in it.
    ids=["none", "garbage", "of another secret", "expired"],
)
def test_a_wrong_token_is_an_error_the_client_can_read(host, bearer, code, message):
    # What the host itself refuses is a relay's error to the client.
    with pytest.raises(FunctionsRelayError) as caught:
        client(host, bearer).invoke("echo", {"body": {}})
    assert message in caught.value.message and caught.value.status == 401
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    answer = httpx.post(host.functions + "/echo", json={}, headers=headers)
    assert answer.status_code == 401 and answer.headers["sb-error-code"] == code
    body = answer.json()
    assert body["code"] == code and body["error"] == body["message"] == body["msg"]
    assert body["request_id"] == answer.headers["x-request-id"] == answer.headers["sb-request-id"]
    assert answer.headers["x-relay-error"] == "true"


def test_an_apikey_alone_opens_a_function_for_users(host):
    for key, role in (("sb_publishable_test_0123456789abcdef", "anon"), ("sb_secret_test_0123456789abcdef", "service_role")):
        answer = httpx.get(host.functions + "/optional", headers={"apikey": key})
        assert answer.status_code == 200 and answer.json() == {"who": role}


def test_a_key_as_bearer_counts_only_by_policy(host):
    headers = {"authorization": "Bearer sb_secret_test_0123456789abcdef"}
    assert httpx.get(host.functions + "/keys-as-bearer", headers=headers).json() == {"role": "service_role"}
    refused = httpx.post(host.functions + "/echo", json={}, headers=headers)
    assert refused.status_code == 401 and refused.headers["sb-error-code"] == "UNAUTHORIZED_INVALID_JWT_FORMAT"


def test_tokens_only_means_tokens_only(host, user_token):
    assert httpx.get(host.functions + "/strict", headers={"apikey": "sb_secret_test_0123456789abcdef"}).status_code == 401
    assert httpx.get(host.functions + "/strict", headers={"authorization": f"Bearer {user_token}"}).status_code == 200


def test_a_bad_token_is_never_taken_for_anonymous(host):
    answer = httpx.get(host.functions + "/optional", headers={"authorization": "Bearer garbage"})
    assert answer.status_code == 401


def test_204_has_no_body_and_no_content_type(host):
    answer = httpx.get(host.functions + "/status?code=204")
    assert answer.status_code == 204 and answer.content == b""
    assert "content-type" not in answer.headers and "content-length" not in answer.headers


def test_an_empty_200_is_not_json(host):
    answer = httpx.get(host.functions + "/status?code=200&empty=1")
    assert answer.content == b"" and "json" not in answer.headers.get("content-type", "")


@pytest.mark.parametrize("path, status", [("/nothing", 404), ("/refuses", 422), ("/throws", 500), ("/bad-header", 400)])
def test_errors_are_one_object_with_a_string_error(host, path, status):
    answer = httpx.get(host.functions + path)
    body = answer.json()
    if path == "/bad-header":  # its own header is refused, so the error is the host's
        assert answer.status_code in (400, 500) and "set-cookie" not in answer.headers
    else:
        assert answer.status_code == status
    assert isinstance(body["error"], str) and body["code"] == answer.headers["sb-error-code"]
    assert "internal-detail" not in answer.text and "private words" not in answer.text


def test_content_types_pass_in_their_own_case(host):
    answer = httpx.post(host.functions + "/mirror?type=Application/JSON;%20Charset=UTF-8", content=b"{}")
    assert answer.headers["content-type"] == "Application/JSON; Charset=UTF-8"


def test_events_arrive_one_by_one(host):
    with httpx.stream("GET", host.functions + "/events?count=2", timeout=20) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        text = answer.read().decode()
    assert text == "id: 0\n".join(["event: tick\n", "data: line 0\ndata: and more\n\nevent: tick\nid: 1\ndata: line 1\ndata: and more\n\n"])


def test_a_client_that_gives_up_cancels_the_handler(host):
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(host.functions + "/slow?ms=9000", timeout=0.3)
    line = host.wait_for(lambda line: line.get("msg") == "request" and line.get("function") == "slow")
    assert line["status"] == 499 and line["duration_ms"] < 5000


def test_five_at_once(host, user_token):
    def call(n):
        return client(host, user_token).invoke("echo", {"body": {"n": n}, "responseType": "json"})["echo"]["n"]

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(call, range(25))) == list(range(25))


def test_the_async_client_works_too(host, user_token):
    import asyncio

    async def run():
        one = AsyncFunctionsClient(host.functions, {"Authorization": f"Bearer {user_token}"}, http_client=httpx.AsyncClient(timeout=20))
        return await asyncio.gather(*(one.invoke("echo", {"body": {"n": n}, "responseType": "json"}) for n in range(5)))

    assert [answer["echo"]["n"] for answer in asyncio.run(run())] == list(range(5))


@pytest.mark.parametrize("path, seen", [("/mirror/sub/path?x=1", "/mirror/sub/path"), ("/mirror/", "/mirror/"), ("/mirror", "/mirror")])
def test_the_function_sees_its_path_from_its_own_name(host, path, seen):
    assert httpx.get(host.functions + path).json()["path"] == seen


@pytest.mark.parametrize("path", ["//mirror", "/%6dirror", "/Mirror", "/constructor", "/toString", "/__proto__", "/mirror%2Fx", "/", ""])
def test_other_spellings_are_not_found(host, path):
    answer = httpx.get(host.functions + path)
    assert answer.status_code == 404 and answer.json()["code"] == "NOT_FOUND"


def test_a_browser_can_preflight_and_read_refusals(host):
    wanted = "authorization, x-client-info, apikey, content-type, x-retry-count, traceparent, tracestate, baggage"
    preflight = httpx.options(host.functions + "/echo", headers={
        "origin": "https://app.example", "access-control-request-method": "POST", "access-control-request-headers": wanted})
    assert preflight.status_code == 204 and preflight.headers["access-control-allow-origin"] == "*"
    allowed = {name.strip() for name in preflight.headers["access-control-allow-headers"].split(",")}
    assert set(wanted.split(", ")) <= allowed and int(preflight.headers["access-control-max-age"]) > 0
    for path in ("/echo", "/nothing", "/throws"):
        answer = httpx.post(host.functions + path, json={}, headers={"origin": "https://app.example"})
        exposed = answer.headers["access-control-expose-headers"]
        assert answer.status_code >= 400 and answer.headers["access-control-allow-origin"] == "*"
        assert all(name in exposed for name in ("sb-error-code", "x-request-id", "ratelimit", "retry-after"))


def test_a_function_may_speak_cors_itself(host):
    answer = httpx.options(host.functions + "/own-cors", headers={"origin": "https://x.example", "access-control-request-method": "GET"})
    assert answer.headers.get_list("access-control-allow-origin") == ["https://own.example"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_carry_bodies(host, method):
    seen = httpx.request(method, host.functions + "/mirror", content=b"abc").json()
    assert seen["method"] == method and seen["text"] == "abc"


def test_get_without_a_body(host):
    seen = httpx.get(host.functions + "/mirror").json()
    assert seen["method"] == "GET" and seen["bytes"] == 0


def test_a_method_the_function_does_not_answer(host):
    answer = httpx.delete(host.functions + "/echo")
    assert answer.status_code == 405 and "POST" in answer.headers["allow"] and answer.json()["code"] == "METHOD_NOT_ALLOWED"


def test_redirects_pass_through_and_the_client_follows(host):
    raw = httpx.post(host.functions + "/status?code=303&location=/functions/v1/mirror")
    assert raw.status_code == 303 and raw.headers["location"] == "/functions/v1/mirror"
    followed = httpx.post(host.functions + "/status?code=303&location=/functions/v1/mirror", follow_redirects=True)
    assert followed.json()["path"] == "/mirror"


def test_both_framings_of_a_body(host):
    length = httpx.post(host.functions + "/upload", content=b"x" * 300_000).json()
    chunked = httpx.post(host.functions + "/upload", content=iter([b"x" * 100_000] * 3)).json()
    assert length["bytes"] == chunked["bytes"] == 300_000


def test_ten_megabytes_are_fine_and_too_many_are_413_while_uploading(host):
    assert httpx.post(host.functions + "/mirror", content=b"x" * 10_000_000, timeout=30).json()["bytes"] == 10_000_000
    answer = httpx.post(host.functions + "/typed", content=b'{"prompt":"' + b"a" * 2_000_000 + b'"}', headers={"content-type": "application/json"})
    assert answer.status_code == 413 and answer.json()["code"] == "PAYLOAD_TOO_LARGE"


def test_a_stream_that_breaks_is_not_a_clean_end(host):
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(host.functions + "/stream?parts=10&size=1000&fail=1")
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(host.functions + "/stream?parts=10&size=1000&fail=1&length=1")


def test_rate_limits_are_told_and_kept(host):
    headers = {"authorization": f"Bearer {token(sub='rate-limit-test')}"}
    for remaining in (2, 1, 0):
        answer = httpx.get(host.functions + "/limited", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"default";q=3;w=60' and f"r={remaining};" in answer.headers["ratelimit"]
    refused = httpx.get(host.functions + "/limited", headers=headers)
    assert refused.status_code == 429 and refused.json()["code"] == "RATE_LIMIT_EXCEEDED"
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    other = {"authorization": f"Bearer {token(sub='rate-limit-other')}"}
    assert httpx.get(host.functions + "/limited", headers=other).status_code == 200


def test_internal_health(host):
    answer = httpx.get(host.url + "/_internal/health")
    assert answer.status_code == 200 and answer.json() == {"message": "ok"}


def test_no_server_header_and_a_date(host):
    answer = httpx.get(host.functions + "/mirror")
    assert "server" not in answer.headers and answer.headers["date"].endswith(" GMT")


def test_a_request_id_from_outside_is_kept_when_it_is_well_formed(host):
    assert httpx.get(host.functions + "/mirror", headers={"x-request-id": "abc-123_DEF"}).headers["x-request-id"] == "abc-123_DEF"
    odd = httpx.get(host.functions + "/mirror", headers={"x-request-id": "a b;c"}).headers["x-request-id"]
    assert len(odd) == 36


def test_metrics_speak_prometheus(host):
    from prometheus_client.parser import text_string_to_metric_families

    httpx.get(host.functions + "/mirror")
    text = httpx.get(f"http://127.0.0.1:{host.admin_port}/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    requests = families["swiftlet_requests"]
    assert any(sample.labels.get("function") == "mirror" and sample.labels["status"] == "200" for sample in requests.samples)
    assert any(sample.name == "swiftlet_request_duration_seconds_bucket" for sample in families["swiftlet_request_duration_seconds"].samples)
    assert "mirror/sub" not in text
    assert httpx.get(host.url + "/metrics").status_code == 404


def test_secrets_do_not_show(host, user_token):
    answer = httpx.get(host.functions + "/strict", headers={"authorization": f"Bearer {user_token}"})
    assert answer.json() == {"sub": "11111111-1111-4111-8111-111111111111", "secret_bytes": "26", "shown": "[redacted]", "extra_bytes": "none"}
    assert not any("canary-fixture" in json.dumps(line) for line in host.lines)


def test_one_log_line_per_invocation_without_query_or_headers(host):
    httpx.get(host.functions + "/mirror/sub?token=hidden-in-query", headers={"x-request-id": "log-line-test-1", "user-agent": "hidden-agent"})
    line = host.wait_for(lambda line: line.get("request_id") == "log-line-test-1")
    assert (line["function"], line["method"], line["status"], line["path"]) == ("mirror", "GET", 200, "/functions/v1/mirror/sub")
    assert "duration_ms" in line and "execution_id" in line and "hidden" not in json.dumps(line)


def test_http_1_1_on_cleartext(host):
    with socket.create_connection(("127.0.0.1", host.port), timeout=5) as raw:
        raw.sendall(b"GET /_internal/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        data = b""
        while part := raw.recv(65536):
            data += part
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
