"""Google's own client and OpenAI's, unchanged, through gemini-proxy: what they make of an answer is what they make of it without a proxy."""

import json
import re

import httpx
import pytest
from gemini_host import KEY, PROMPT, Gemini, code_of, fresh, limits, mock, no_answer_holds_the_key, short_log, user, words
from google import genai
from google.genai import types
from google.genai.errors import APIError, ClientError, ServerError
from openai import APIError as OpenAIError
from openai import AuthenticationError, BadRequestError, NotFoundError, OpenAI, RateLimitError, UnprocessableEntityError

# What the clients say of values that they do not know yet.
pytestmark = pytest.mark.filterwarnings("ignore:.* is not a valid:UserWarning")
VERSIONS = ["v1", "v1beta"]
# Answers that a proxy may not change, whatever it thinks of them.
SAME = ["ok", "thought-parts", "unknown-enum", "functions", "partless-final", "lead-empty-stop", "extra-fields", "split-utf8", "gzip"]
BLOCKED = ["blocked-prompt", "blocked-answer"]


@pytest.fixture(scope="module")
def gemini(mock):
    alone = [*SAME, *BLOCKED, "bom", "max-tokens-empty", "huge", "429-forever", "retired", "context-length", "content-filter", "key-echo", "500-once", "429-retryinfo"]
    models = {name: {"fallbacks": []} for name in alone}
    models |= {f"{name}.openai": {"provider": "openai", "fallbacks": []} for name in alone}
    models |= {"retired.replaced": {"fallbacks": ["ok"]}}
    host = Gemini(mock, models)
    yield host
    assert host.stop() == 0


def google(base, version="v1beta", bearer=None, key="key-of-the-caller"):
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    return genai.Client(api_key=key, vertexai=False, http_options=types.HttpOptions(base_url=base, api_version=version, headers=headers, timeout=30000))


@pytest.fixture
def both(gemini, mock):
    """Google's client in front of the proxy, and in front of the mock."""
    def clients(version="v1beta"):
        return google(gemini.base, version, user()), google(mock.url, version, key=KEY)
    return clients


def openai(host, bearer=None, path="/openai"):
    return OpenAI(base_url=host.base + path, api_key=bearer or user(), max_retries=0, timeout=30)


def plain(response):
    """What the client made of it, without what belongs to the connection."""
    return {k: v for k, v in response.model_dump(mode="json").items() if k not in ("sdk_http_response", "response_id")}


def google_error(call):
    with pytest.raises(APIError) as caught:
        call()
    return caught.value


# Google's client.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("model", SAME + BLOCKED)
def test_an_answer_is_the_same_as_without_a_proxy(both, version, model):
    through, direct = both(version)
    one = through.models.generate_content(model=model, contents=PROMPT)
    assert plain(one) == plain(direct.models.generate_content(model=model, contents=PROMPT))
    assert one.sdk_http_response.headers["x-swiftlet-model"] == model


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("model", SAME + BLOCKED)
def test_a_stream_is_the_same_event_by_event(both, version, model):
    through, direct = both(version)
    chunks = [plain(chunk) for chunk in through.models.generate_content_stream(model=model, contents=PROMPT)]
    assert chunks == [plain(chunk) for chunk in direct.models.generate_content_stream(model=model, contents=PROMPT)]
    assert len(chunks) > 1 or model in [*BLOCKED, "functions"]


@pytest.mark.parametrize("version", VERSIONS)
def test_tokens_are_counted_as_without_a_proxy(both, version):
    through, direct = both(version)
    counted = through.models.count_tokens(model="ok", contents=PROMPT)
    assert plain(counted) == plain(direct.models.count_tokens(model="ok", contents=PROMPT)) and counted.total_tokens > 0


def test_the_clients_own_default_version_works(gemini, words):
    client = genai.Client(api_key="x", vertexai=False, http_options=types.HttpOptions(base_url=gemini.base, headers={"authorization": f"Bearer {user()}"}))
    assert client.models.generate_content(model="ok", contents=PROMPT).text == words


@pytest.mark.parametrize("prefix", ["", "/v1", "/v1beta"])
@pytest.mark.parametrize("model", SAME + BLOCKED)
@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent?alt=sse"])
def test_the_bytes_are_those_of_the_upstream(gemini, mock, prefix, model, verb):
    body = {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
    one = gemini.post(f"{prefix}/models/{model}:{verb}", body)
    other = httpx.post(f"{mock.url}{prefix or '/v1beta'}/models/{model}:{verb}", json=body, headers={"x-goog-api-key": KEY})
    assert one.status_code == other.status_code == 200
    assert without_ids(one.content) == without_ids(other.content)
    assert one.headers["content-type"].split(";")[0] == other.headers["content-type"].split(";")[0]
    assert "no-store" in one.headers["cache-control"] and "private" in one.headers["cache-control"]


def without_ids(content):
    """Each answer of an upstream has an id of its own."""
    return re.sub(rb'"responseId":\s*"[^"]*"', b'"responseId":""', content)


def test_a_stream_without_sse_is_an_array(gemini, mock):
    body = {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
    one = gemini.post("/v1beta/models/ok:streamGenerateContent", body)
    assert one.status_code == 200 and isinstance(one.json(), list) and len(one.json()) > 1


def test_what_is_asked_arrives_as_it_was_asked(both, mock, gemini):
    """With what the client makes of options, in its own mixture of spellings."""
    through, direct = both()
    options = types.GenerateContentConfig(
        system_instruction="You speak in sixty words.", max_output_tokens=1500, stop_sequences=["END"], candidate_count=1, seed=7,
        response_mime_type="text/plain",
        safety_settings=[types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_ONLY_HIGH")])
    contents = [types.Content(role="user", parts=[types.Part(text="one")]), types.Content(role="model", parts=[types.Part(text="two")]),
                types.Content(role="user", parts=[types.Part(text="three")])]
    before = len(mock.log("ok"))
    through.models.generate_content(model="ok", contents=contents, config=options)
    direct.models.generate_content(model="ok", contents=contents, config=options)
    proxied, own = [one["body"] for one in mock.log("ok")[before:]][-2:]
    for name in ["contents", "systemInstruction", "safetySettings"]:
        assert proxied.get(name) == own.get(name), name
    kept = proxied["generationConfig"]
    assert all(kept[name] == value for name, value in own["generationConfig"].items()), (kept, own["generationConfig"])


@pytest.mark.parametrize("stream", [False, True])
def test_429_is_the_clients_own_error(both, stream):
    through, direct = both()

    def ask(client):
        if stream:
            return lambda: list(client.models.generate_content_stream(model="429-forever", contents=PROMPT))
        return lambda: client.models.generate_content(model="429-forever", contents=PROMPT)

    one, other = google_error(ask(through)), google_error(ask(direct))
    assert type(one) is type(other) is ClientError
    assert (one.code, one.status) == (other.code, other.status) == (429, "RESOURCE_EXHAUSTED")
    assert code_of(one.details["error"]) == "UPSTREAM_RATE_LIMITED"


def test_a_blocked_prompt_and_a_blocked_answer_say_why(both):
    through, _ = both()
    prompt = through.models.generate_content(model="blocked-prompt", contents=PROMPT)
    assert prompt.prompt_feedback.block_reason and not prompt.candidates
    answer = through.models.generate_content(model="blocked-answer", contents=PROMPT)
    assert answer.candidates[0].finish_reason and not answer.text


def test_a_thought_is_no_answer(both, words):
    through, _ = both()
    answer = through.models.generate_content(model="thought-parts", contents=PROMPT)
    assert answer.text == words and any(part.thought for part in answer.candidates[0].content.parts)
    assert answer.usage_metadata.thoughts_token_count > 0


def test_a_function_call_arrives(both):
    through, _ = both()
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(
        name="weather", description="The weather of a place", parameters=types.Schema(type="OBJECT", properties={"place": types.Schema(type="STRING")}))])
    config = types.GenerateContentConfig(tools=[tool], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True))
    call = through.models.generate_content(model="functions", contents=PROMPT, config=config).function_calls[0]
    assert call.name and isinstance(call.args, dict)


@pytest.mark.parametrize("stream", [False, True])
def test_a_mark_before_the_body_is_no_part_of_it(both, words, stream):
    """Whatever the client makes of it without a proxy."""
    through, _ = both()
    if stream:
        assert "".join(chunk.text or "" for chunk in through.models.generate_content_stream(model="bom", contents=PROMPT)) == words
    else:
        assert through.models.generate_content(model="bom", contents=PROMPT).text == words


def test_a_retired_model_is_replaced_or_said(both, gemini, words):
    through, _ = both()
    answer = through.models.generate_content(model="retired.replaced", contents=PROMPT)
    assert answer.text == words and answer.sdk_http_response.headers["x-swiftlet-model"] == "ok"
    assert answer.sdk_http_response.headers["x-swiftlet-fallback"] == "true"
    error = google_error(lambda: through.models.generate_content(model="retired", contents=PROMPT))
    assert isinstance(error, ServerError) and error.code == 502, error


def test_an_answer_of_eight_megabytes_arrives_or_is_refused_as_a_whole(both):
    through, direct = both()
    whole = direct.models.generate_content(model="huge", contents=PROMPT)
    try:
        answer = through.models.generate_content(model="huge", contents=PROMPT)
    except APIError as error:
        assert error.code == 502, error
        return
    assert plain(answer) == plain(whole)


def test_a_model_that_is_not_allowed_is_not_asked(both, mock):
    through, _ = both()
    model = fresh("ok")
    error = google_error(lambda: through.models.generate_content(model=model, contents=PROMPT))
    assert (type(error), error.code, error.status) == (ClientError, 404, "NOT_FOUND") and code_of(error.details["error"]) == "MODEL_NOT_ALLOWED"
    error = google_error(lambda: list(through.models.generate_content_stream(model=model, contents=PROMPT)))
    assert error.code == 404
    error = google_error(lambda: through.models.count_tokens(model=model, contents=PROMPT))
    assert error.code == 404
    assert not mock.log(model)


@pytest.mark.parametrize("path", ["/v1beta/models/..%2Fok:generateContent", "/v1beta/models/ok%3AgenerateContent:generateContent", "/v1beta/models/ok:fly",
                                  "/v1beta/models/:generateContent", "/v1beta/tunedModels/ok:generateContent", "/v2/models/ok:generateContent",
                                  "/v1beta/models/ok/x:generateContent", "/v1beta/files", "/v1beta/models/ok:generateContent/x"])
def test_other_paths_lead_nowhere(gemini, mock, path):
    before = len(mock.log())
    answer = gemini.post(path, {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]})
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    assert len(mock.log()) == before


def test_neither_the_callers_key_nor_their_token_goes_upstream(gemini, mock):
    bearer = user()
    before = len(mock.log("ok"))
    client = google(gemini.base, "v1", bearer, key="AIzaSyCallerOwnKeyCallerOwnKeyCallerOwn")
    client.models.generate_content(model="ok", contents=PROMPT)
    gemini.post("/v1beta/models/ok:generateContent?key=AIzaSyCallerOwnKeyCallerOwnKeyCallerOwn",
                {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}, bearer, cookie="session=callers-cookie", **{"x-api-key": "AIzaSyCaller"})
    openai(gemini, bearer).chat.completions.create(model="ok", messages=[{"role": "user", "content": PROMPT}])
    openai(gemini, bearer).chat.completions.create(model="ok.openai", messages=[{"role": "user", "content": PROMPT}])
    seen = mock.log("ok")[before:] + mock.log("ok.openai")
    assert len(seen) >= 3
    for one in seen:
        assert one["keyOK"] and not one["userToken"], one
        text = json.dumps(one)
        assert "AIzaSyCaller" not in text and "callers-cookie" not in text and bearer not in text and bearer.rsplit(".", 1)[1] not in text
        assert "key=" not in one.get("path", "")


@pytest.mark.parametrize("face", ["native", "openai"])
def test_without_a_token_there_is_no_answer(gemini, mock, face):
    before = len(mock.log())
    if face == "native":
        client = google(gemini.base)
        error = google_error(lambda: client.models.generate_content(model="ok", contents=PROMPT))
        assert error.code == 401
    else:
        with pytest.raises(AuthenticationError) as caught:
            openai(gemini, "no-token-at-all").chat.completions.create(model="ok", messages=[{"role": "user", "content": PROMPT}])
        assert caught.value.status_code == 401
    assert len(mock.log()) == before


# OpenAI's client; the upstream is Gemini, or one of OpenAI's own shape.

UPSTREAMS = {"gemini": "", "openai": ".openai"}


@pytest.fixture(params=UPSTREAMS)
def suffix(request):
    return UPSTREAMS[request.param]


def ask(client, model="ok", **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": PROMPT}], **more)


@pytest.mark.parametrize("path", ["/openai", "/openai/v1", "/v1beta/openai"])
def test_openai_unary(gemini, words, suffix, path):
    answer = ask(openai(gemini, path=path), "ok" + suffix)
    assert answer.choices[0].message.content == words and answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop" and answer.object == "chat.completion" and answer.model == "ok" + suffix
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert answer.id and answer.created > 1_500_000_000


def test_openai_stream_with_usage(gemini, words, suffix):
    chunks = list(ask(openai(gemini), "ok" + suffix, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == words
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason] == ["stop"]
    assert chunks[0].choices[0].delta.role == "assistant" and len({chunk.id for chunk in chunks}) == 1
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(usages) == 1 and usages[0].total_tokens > 0 and chunks[-1].usage and not chunks[-1].choices
    assert all(chunk.object == "chat.completion.chunk" and chunk.model == "ok" + suffix for chunk in chunks)
    assert len(chunks) > 30, "no stream, but one piece"


def test_openai_stream_without_usage_has_none(gemini, suffix):
    chunks = list(ask(openai(gemini), "ok" + suffix, stream=True))
    assert not [chunk for chunk in chunks if chunk.usage] and chunks[-1].choices[0].finish_reason == "stop"


TOOLS = [{"type": "function", "function": {"name": "weather", "description": "The weather of a place", "parameters": {
    "type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"], "additionalProperties": False}}}]


@pytest.mark.parametrize("stream", [False, True])
def test_openai_tools_there_and_back(gemini, mock, words, suffix, stream):
    client = openai(gemini)
    if stream:
        chunks = list(ask(client, "functions" + suffix, tools=TOOLS, stream=True))
        pieces = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
        name, arguments = pieces[0].function.name, "".join(call.function.arguments or "" for call in pieces)
        reason, number = next(chunk.choices[0].finish_reason for chunk in reversed(chunks) if chunk.choices), pieces[0].id
    else:
        choice = ask(client, "functions" + suffix, tools=TOOLS).choices[0]
        call = choice.message.tool_calls[0]
        name, arguments, reason, number = call.function.name, call.function.arguments, choice.finish_reason, call.id
    assert name and isinstance(json.loads(arguments), dict) and reason == "tool_calls" and number
    sent = mock.log("functions" + suffix)[-1]["body"]
    assert "weather" in json.dumps(sent["tools"])
    # And the result of the call goes back.
    answer = client.chat.completions.create(model="ok" + suffix, tools=TOOLS, messages=[
        {"role": "user", "content": PROMPT},
        {"role": "assistant", "content": None, "tool_calls": [{"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": number, "content": '{"degrees": 21}'}])
    assert answer.choices[0].message.content == words
    sent = mock.log("ok" + suffix)[-1]["body"]
    if suffix:
        assert [one["role"] for one in sent["messages"]] == ["user", "assistant", "tool"]
    else:
        call = next(part["functionCall"] for turn in sent["contents"] for part in turn["parts"] if "functionCall" in part)
        result = next(part["functionResponse"] for turn in sent["contents"] for part in turn["parts"] if "functionResponse" in part)
        assert call["name"] == result["name"] == name and call["args"] == json.loads(arguments)
        assert "21" in json.dumps(result["response"]) and sent["contents"][-1]["role"] == "user"


SCHEMA = {"type": "object", "properties": {"mood": {"type": "string", "enum": ["calm", "angry"]}, "score": {"type": "number"}},
          "required": ["mood", "score"], "additionalProperties": False}


def test_openai_json_schema(gemini, suffix):
    answer = ask(openai(gemini), "ok" + suffix, response_format={
        "type": "json_schema", "json_schema": {"name": "mood", "strict": True, "schema": SCHEMA}})
    found = json.loads(answer.choices[0].message.content)
    assert set(found) == {"mood", "score"} and found["mood"] == "calm"


def test_openai_roles_and_parts_of_text(gemini, mock, words, suffix):
    openai(gemini).chat.completions.create(model="ok" + suffix, max_completion_tokens=300, stop=["END"], messages=[
        {"role": "system", "content": "You are brief."}, {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": "three"}, {"role": "user", "content": "four"}])
    sent = json.dumps(mock.log("ok" + suffix)[-1]["body"])
    assert all(word in sent for word in ["You are brief.", "one", "two", "three", "four", "300", "END"])
    if not suffix:
        body = json.loads(sent)
        assert "brief" in json.dumps(body["systemInstruction"]) and [turn["role"] for turn in body["contents"]] == ["user", "model", "user"]


@pytest.mark.parametrize("stream", [False, True])
def test_openai_429(gemini, suffix, stream):
    with pytest.raises(RateLimitError) as caught:
        list(ask(openai(gemini), "429-forever" + suffix, stream=stream))
    assert caught.value.status_code == 429 and caught.value.body["message"] and caught.value.code


@pytest.mark.parametrize("stream", [False, True])
def test_openai_content_filter(gemini, mock, suffix, stream):
    before = len(mock.log("content-filter" + suffix))
    with pytest.raises((BadRequestError, UnprocessableEntityError)) as caught:
        list(ask(openai(gemini), "content-filter" + suffix, stream=stream))
    assert caught.value.code in ("PROMPT_BLOCKED", "content_filter", "content_policy_violation")
    assert len(mock.log("content-filter" + suffix)) == before + 1


def test_openai_blocked_answer(gemini):
    """Either an error, or an answer that says that it was filtered; never an empty one that looks whole."""
    try:
        choice = ask(openai(gemini), "blocked-answer").choices[0]
    except OpenAIError as error:
        assert error.code in ("ANSWER_BLOCKED", "content_filter")
        return
    assert choice.finish_reason == "content_filter"


@pytest.mark.parametrize("stream", [False, True])
def test_openai_unknown_model(gemini, mock, stream):
    model = fresh("ok")
    with pytest.raises(NotFoundError) as caught:
        list(ask(openai(gemini), model, stream=stream))
    assert caught.value.code in ("MODEL_NOT_ALLOWED", "model_not_found") and not mock.log(model)


def test_openai_too_long(gemini):
    with pytest.raises(BadRequestError) as caught:
        ask(openai(gemini), "context-length")
    assert caught.value.code in ("CONTEXT_TOO_LONG", "context_length_exceeded")


@pytest.mark.parametrize("model", ["500-once", "429-retryinfo"])
def test_openai_does_not_notice_what_was_repeated(gemini, mock, words, model):
    assert ask(openai(gemini), model).choices[0].message.content == words
    assert len(mock.log(model)) == 2


@pytest.mark.parametrize("change, words_", [
    ({"messages": []}, "messages"), ({"messages": "hello"}, "messages"), ({"messages": None}, "messages"), ({"model": None}, "model"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, "role"), ({"messages": [{"role": "user"}]}, "content"), ({"n": 50}, "n"),
    ({"max_tokens": -1}, "max_tokens"), ({"stream": "yes"}, "stream"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}]}]}, "content"),
])
def test_openai_bad_requests_name_the_field(gemini, mock, change, words_):
    before = len(mock.log())
    answer = gemini.post("/openai/chat/completions", {"model": "ok", "messages": [{"role": "user", "content": PROMPT}], **change})
    error = answer.json()["error"]
    assert answer.status_code in (400, 404, 422) and words_ in json.dumps(error), answer.text
    assert len(mock.log()) == before


@pytest.mark.parametrize("body", [{}, {"contents": []}, {"contents": "x"}, []], ids=json.dumps)
def test_native_bad_requests_are_googles_errors(gemini, body):
    answer = gemini.post("/v1beta/models/ok:generateContent", body)
    assert answer.status_code in (400, 422), answer.text
    error = answer.json()["error"]
    assert error["status"] == "INVALID_ARGUMENT" and error["code"] == answer.status_code and error["message"]


def test_the_limits_are_told_with_each_answer(mock):
    host = Gemini(mock, {"ok": {}}, TOKENS_PER_MINUTE="100000", TOKENS_PER_DAY="1000000")
    try:
        bearer = user()
        for path, body in [("/v1beta/models/ok:generateContent", {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}),
                           ("/openai/chat/completions", {"model": "ok", "messages": [{"role": "user", "content": PROMPT}]})]:
            told = limits(host.post(path, body, bearer).headers)
            assert {"tokens", "tokens-day"} <= set(told), told
            assert told["tokens"]["q"] == 100000 and told["tokens-day"]["q"] == 1000000
            assert 0 < told["tokens"]["r"] < 100000
    finally:
        assert host.stop() == 0
