"""Sixteen ways in which an upstream fails, after the catalogue of Failover Bench (S01–S16), told by model names to a mock that counts.

Each is judged from both sides: what the caller got (whole, or a clear error; never half an answer that looks whole), and what the upstream
saw (how often, how soon again, whether the fallback was asked). Streams, in three ways through the host: Google's API in front of Gemini,
OpenAI's in front of Gemini, OpenAI's in front of an upstream of OpenAI's shape.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from gemini_host import SPEED, Gemini, code_of, in_words_of, mock, no_answer_holds_the_key, request, short_log, words

# Whom the caller speaks to, and whom the host does.
ROUTES = {"native": ("native", "gemini"), "openai": ("openai", "gemini"), "openai-upstream": ("openai", "openai")}
LIVE, WHOLE = "live", "whole"


@dataclass(frozen=True)
class Scenario:
    id: str
    title: str
    fault: str
    # `rescued`: the whole answer; `broken`: an error after a part of the answer; `refused`: no answer, for a reason that is the caller's.
    outcome: str = "rescued"
    # How often the upstream may be asked, for the model itself and for its fallback.
    primary: tuple = (1, 1)
    fallback: tuple = (0, 0)
    # Seconds that must lie between the first two attempts.
    gap: float = 0
    # The mock's name for the fault where it is asked in OpenAI's shape.
    openai_fault: str = ""
    helper: str = "ok"
    entry: dict = field(default_factory=dict)
    modes: tuple = (LIVE,)
    # More than enough for any machine: a hang is longer.
    seconds: float = 20

    def fault_on(self, upstream):
        return self.openai_fault if upstream == "openai" and self.openai_fault else self.fault


ONCE_MORE, ASIDE = (2, 2), (1, 1)
SCENARIOS = [
    Scenario("S01", "429 with a hint: asked again when it says, not sooner", "429-retryinfo", openai_fault="429-header", primary=ONCE_MORE, gap=0.19),
    Scenario("S02", "429 for ever without a hint: few attempts, then the fallback", "429-forever", primary=(1, 4), fallback=ASIDE),
    Scenario("S03", "500 once: asked again, same model", "500-once", primary=ONCE_MORE),
    Scenario("S04", "503 for ever: the fallback", "503-forever", primary=(1, 3), fallback=ASIDE),
    Scenario("S05", "the connection is reset before anything came: asked again", "reset-once", primary=ONCE_MORE),
    Scenario("S06", "no answer at all: the fallback after the first wait, the silent model is not asked again", "silent", fallback=ASIDE),
    Scenario("S07", "headers, and then nothing: the same", "slow-first", fallback=ASIDE),
    Scenario("S08", "cut after 40 of 60 words", "cut", outcome="broken", modes=(LIVE, WHOLE)),
    Scenario("S09", "a stream that stalls", "stall", outcome="broken", modes=(LIVE, WHOLE)),
    Scenario("S10", "an event in the middle that is not JSON", "bad-event", outcome="broken", modes=(LIVE, WHOLE)),
    Scenario("S11", "whole, but without [DONE]", "partless-final", openai_fault="no-done"),
    Scenario("S12", "too long for the model: the one that takes more, the first is not asked again", "context-length", fallback=ASIDE, entry={"context": 32768}),
    Scenario("S13", "blocked: said, not asked again and not routed around", "content-filter", outcome="refused"),
    Scenario("S14", "cut, and the fallback takes no begun answer", "cut", outcome="broken", helper="no-prefill", modes=(LIVE, WHOLE)),
    Scenario("S15", "an outage of a minute: the breaker opens, probes, and closes again", "flap"),
    Scenario("S16", "the fallback's name and usage, nothing for attempts that failed", "503-forever", primary=(1, 3), fallback=ASIDE),
]
# Faults without a way out: status, our code, and how often the upstream may be asked.
ALONE = [
    ("503-forever", 503, "UPSTREAM_UNAVAILABLE", (1, 3)),
    ("429-forever", 429, "UPSTREAM_RATE_LIMITED", (1, 4)),
    ("silent", 504, "UPSTREAM_TIMEOUT", (1, 1)),
    ("bad-key", 502, "UPSTREAM_ERROR", (1, 1)),
    ("403", 502, "UPSTREAM_ERROR", (1, 1)),
    ("key-echo", 400, "UPSTREAM_INVALID_ARGUMENT", (1, 1)),
    ("empty", 502, "UPSTREAM_ERROR", (1, 3)),
]
CASES = [(scenario, route, mode) for scenario in SCENARIOS for route in ROUTES for mode in scenario.modes]


def test_there_are_sixteen():
    assert [scenario.id for scenario in SCENARIOS] == [f"S{n:02}" for n in range(1, 17)]
    print(f"\n{len(SCENARIOS)} scenarios, {len(CASES)} cases")


def names(scenario, route, mode):
    """Models of their own: no case meets the breaker, or the counter, of another."""
    tag = f"{scenario.id.lower()}-{route}-{mode}"
    return f"{scenario.fault_on(ROUTES[route][1])}.{tag}", f"{scenario.helper}.fallback-{tag}"


def table():
    models = {"ok": {}}
    for case in CASES:
        scenario, route, _ = case
        primary, fallback = names(*case)
        provider = {"provider": ROUTES[route][1]}
        models[primary] = {**provider, **scenario.entry, "fallbacks": [fallback]}
        models[fallback] = {**provider, "context": 1048576, "trailingModel": scenario.helper != "no-prefill"}
    for name in ["cut-chunk", "cut-clean", "half-error", "inband-error"]:
        models[f"{name}.live"] = {"fallbacks": ["ok"]}
    models["context-length.largest"] = {"fallbacks": ["ok"]}
    models["429-perday.first"] = {"fallbacks": ["ok"]}
    for name in ["504", "retired", "reset", "bad-body", "cut-body"]:
        models[f"{name}.first"] = {"fallbacks": ["ok"]}
    for fault, *_ in ALONE:
        for face in ["native", "openai"]:
            for kind in ["stream", "unary"]:
                models[f"{fault}.alone-{face}-{kind}"] = {"fallbacks": []}
    for fault in ["silent", "503-forever"]:
        models[f"{fault}.crowd"] = {"fallbacks": []}
    return models


@pytest.fixture(scope="module")
def gemini(mock):
    host = Gemini(mock, table(), TIMEOUT="8s")
    yield host
    assert host.stop() == 0


def attempts(mock, *models):
    log = mock.log()
    return [[one for one in log if one["model"] == model] for model in models]


def is_within(count, bounds):
    return bounds[0] <= count <= bounds[1]


@pytest.mark.parametrize(
    "scenario, route, mode", [case for case in CASES if case[0].id != "S15"], ids=lambda value: getattr(value, "id", value))
def test_scenario(gemini, mock, words, scenario, route, mode):
    face, upstream = ROUTES[route]
    primary, fallback = names(scenario, route, mode)
    view = gemini.watch(face, primary, **({"x-swiftlet-stream": "whole"} if mode == WHOLE else {}))
    first, second = attempts(mock, primary, fallback)
    seen = f"{view}; {len(first)} at the model, {len(second)} at its fallback"
    assert view.seconds < scenario.seconds, seen
    assert all(one["shape"] == upstream and one["keyOK"] and not one["userToken"] for one in first + second), first + second
    assert not view.looks_whole or view.text == words or view.blocked, f"half an answer that looks whole: {seen}"
    assert not view.garbage, view.garbage

    outcome = scenario.outcome
    if mode == LIVE and outcome == "broken" and scenario.fault_on(upstream) == "cut" and len(first) > 1:
        # The break was there before the first word was handed on: then nothing forbids to ask again.
        assert len(first) <= 3 and len(second) <= 1 and view.headers["x-swiftlet-attempts"] == str(len(first) + len(second)), seen
        outcome = "rescued" if view.looks_whole else "broken"
    elif mode == WHOLE:
        # Gathered before anything was sent, so there was time to ask again and elsewhere.
        assert len(first) in range(1, 4) and len(first) + len(second) >= 2 and len(second) <= 1, seen
        outcome = "rescued"
    else:
        assert is_within(len(first), scenario.primary) and is_within(len(second), scenario.fallback), seen
    if scenario.gap and len(first) > 1:
        assert (first[1]["ms"] - first[0]["ms"]) / 1000 >= scenario.gap, first

    if outcome == "rescued":
        assert view.looks_whole and view.text == words and view.usage, seen
        answered = fallback if second else primary
        assert view.headers["x-swiftlet-model"] == answered, seen
        # A kept connection that turns out dead is replaced beneath, uncounted.
        told = int(view.headers["x-swiftlet-attempts"])
        assert told == len(first) + len(second) or scenario.id == "S05" and told >= 1, seen
        assert (view.headers.get("x-swiftlet-fallback") == "true") == bool(second), seen
        if face == "openai":
            assert view.model == answered, seen
    elif outcome == "broken":
        assert view.status == 200 and not view.ended and not view.done and view.error and view.error["message"], seen
        # A beginning, and not two of them: nothing was asked again once there was a word.
        assert words.startswith(view.text.rstrip()) and 0 < len(view.text.split()) < 60, seen
    else:
        assert view.blocked == "PROHIBITED_CONTENT" or view.status in (400, 422) and view.error["message"], seen
        assert view.text == "", seen
    after = gemini.watch(face, "ok")
    assert after.looks_whole and after.text == words, after


@pytest.mark.parametrize("route", ROUTES)
def test_the_fallback_is_what_is_paid_for(gemini, mock, words, route):
    """S16 again, by its numbers: the usage is that of one healthy answer to the same question."""
    face, _ = ROUTES[route]
    scenario = next(one for one in SCENARIOS if one.id == "S16")
    primary, fallback = names(scenario, route, LIVE)
    view = gemini.watch(face, primary)
    alone = gemini.watch(face, fallback)
    assert view.headers["x-swiftlet-model"] == fallback and view.headers["x-swiftlet-fallback"] == "true"
    assert view.usage == alone.usage and view.usage, (view, alone)
    path, body = request(face, primary, stream=False)
    unary = gemini.post(path, body)
    assert unary.status_code == 200 and unary.headers["x-swiftlet-model"] == fallback
    if face == "openai":
        assert unary.json()["model"] == fallback and unary.json()["usage"] == alone.usage
    else:
        assert unary.json()["usageMetadata"] == alone.usage


def test_an_outage_opens_the_breaker_and_its_end_closes_it(gemini, mock, words):
    """S15, by all routes at the same time."""
    with ThreadPoolExecutor(len(ROUTES)) as pool:
        list(pool.map(lambda route: outage_by(route, gemini, mock, words), ROUTES))


def outage_by(route, gemini, mock, words):
    """A minute of 503 (at the speed of these tests), a question every four seconds, twenty of them, and more until it has recovered."""
    scenario = next(one for one in SCENARIOS if one.id == "S15")
    face, _ = ROUTES[route]
    primary, fallback = names(scenario, route, LIVE)
    outage, pace, views = 60 / SPEED, 4 / SPEED, []
    begun = time.monotonic()
    while len(views) < 20 or (views[-1].headers["x-swiftlet-model"] != primary and time.monotonic() - begun < 5 * outage):
        time.sleep(max(0, begun + len(views) * pace - time.monotonic()))
        views.append(gemini.watch(face, primary))
    assert all(view.looks_whole and view.text == words for view in views), [str(view) for view in views]
    models = [view.headers["x-swiftlet-model"] for view in views]
    assert models[0] == fallback and models[-1] == primary, models
    # It recovered once, and stayed.
    assert models == [fallback] * models.index(primary) + [primary] * (len(models) - models.index(primary)), models
    asked = [one for one in mock.log(primary)]
    failed = [one for one in asked if one["status"] == 503]
    # Three attempts in a row open it; then one probe in each cooldown, which doubles up to four times its length.
    assert 3 <= len(failed) <= 4 + 1 + outage / 0.5, [one["ms"] for one in failed]
    # The question whose failure opened it may have asked once more.
    probes = [one["ms"] / 1000 for one in failed[2:]]
    assert all(later - sooner >= 0.45 for sooner, later in zip(probes, probes[1:])), probes
    assert len(failed) > 3, "no probe while it was down"
    skipped = len([model for model in models if model == fallback])
    assert len(failed) - 2 < skipped, f"{len(failed)} attempts for {skipped} questions: the breaker never was open"


# Beyond the sixteen.


@pytest.mark.parametrize("face", ["native", "openai"])
@pytest.mark.parametrize("fault", ["cut-chunk", "cut-clean", "half-error", "inband-error"])
def test_other_breaks_in_a_stream_do_not_look_whole_either(gemini, mock, words, fault, face):
    before = len(mock.log(f"{fault}.live"))
    view = gemini.watch(face, f"{fault}.live")
    assert view.status == 200 and not view.ended and not view.done and view.error, view
    assert words.startswith(view.text.rstrip()) and 0 < len(view.text.split()) < 60, view
    assert len(mock.log(f"{fault}.live")) == before + int(view.headers["x-swiftlet-attempts"])


@pytest.mark.parametrize("face", ["native", "openai"])
@pytest.mark.parametrize("fault", ["retired", "504", "reset"])
def test_what_another_model_can_do_it_does(gemini, mock, words, fault, face):
    view = gemini.watch(face, f"{fault}.first")
    assert view.looks_whole and view.text == words and view.headers["x-swiftlet-model"] == "ok", view
    assert int(view.headers["x-swiftlet-attempts"]) <= 4, view


@pytest.mark.parametrize("face", ["native", "openai"])
@pytest.mark.parametrize("fault", ["bad-body", "cut-body", "reset"])
def test_a_body_that_is_none_is_asked_for_again(gemini, mock, words, fault, face):
    """Nothing was sent yet, so there is no reason to hand on what is broken."""
    path, body = request(face, f"{fault}.first", stream=False)
    answer = gemini.post(path, body)
    assert answer.status_code == 200 and answer.headers["x-swiftlet-model"] == "ok" and words[:30] in answer.text, answer.text


def test_a_quota_of_the_day_is_not_asked_again(gemini, mock, words):
    """The hint says when: until then the model rests, also for others."""
    for _ in range(3):
        view = gemini.watch("native", "429-perday.first")
        assert view.looks_whole and view.text == words and view.headers["x-swiftlet-fallback"] == "true", view
    assert len(mock.log("429-perday.first")) == 1


def test_too_long_for_every_model_is_the_callers_error(gemini, mock):
    view = gemini.watch("native", "context-length.largest")
    assert view.status == 400 and view.code == "CONTEXT_TOO_LONG" and view.error["status"] == "INVALID_ARGUMENT", view
    assert len(mock.log("context-length.largest")) == 1
    view = gemini.watch("openai", "context-length.largest")
    assert view.status == 400 and view.code == in_words_of("openai", "CONTEXT_TOO_LONG"), view


@pytest.mark.parametrize("kind", ["stream", "unary"])
@pytest.mark.parametrize("face", ["native", "openai"])
@pytest.mark.parametrize("fault, status, code, bounds", ALONE)
def test_without_another_model_the_reason_is_said(gemini, hasty, mock, fault, status, code, bounds, face, kind):
    """In Google's words for Google's client, in OpenAI's for OpenAI's."""
    model = f"{fault}.alone-{face}-{kind}"
    path, body = request(face, model, stream=kind == "stream")
    # The last model that can be asked has all the time there is.
    answer = (hasty if fault == "silent" else gemini).post(path, body)
    error = answer.json()["error"]
    assert (answer.status_code, code_of(error)) == (status, in_words_of(face, code)), answer.text
    assert error["message"] and is_within(len(mock.log(model)), bounds)
    if face == "native":
        assert error["code"] == status and error["status"].isupper()
    else:
        assert error["type"] and set(error) >= {"message", "type", "code", "param"}


@pytest.mark.parametrize("face", ["native", "openai"])
def test_silence_is_not_waited_for_until_no_time_is_left(hasty, mock, words, face):
    """Not in streams alone: an answer in one piece also leaves the fallback its time."""
    path, body = request(face, "silent.first", stream=False)
    answer = hasty.post(path, body)
    assert answer.status_code == 200 and answer.headers["x-swiftlet-model"] == "ok" and words[:30] in answer.text, answer.text
    assert len(mock.log("silent.first")) == 1


@pytest.fixture(scope="module")
def hasty(mock):
    host = Gemini(mock, table() | {"silent.first": {"fallbacks": ["ok"]}}, TIMEOUT="2s")
    yield host
    assert host.stop() == 0


def test_many_faults_at_once_leave_the_healthy_alone(gemini, words):
    """Each fault has its own model: what one does, no caller of another waits for."""
    with ThreadPoolExecutor(16) as pool:
        broken = [pool.submit(gemini.watch, "native", model) for model in ["silent.crowd", "503-forever.crowd", "cut-chunk.live", "half-error.live"] * 2]
        healthy = [pool.submit(gemini.watch, face, "ok") for face in ["native", "openai"] * 10]
        assert all(one.result().text == words for one in healthy)
        assert all(one.result().text == words for one in broken if one.result().looks_whole)


def test_an_operator_can_have_all_streams_whole(mock, words):
    """`GEMINI_STREAMS=whole`: no header needed."""
    host = Gemini(mock, table() | {"cut.operator": {"fallbacks": ["ok"]}}, STREAMS="whole")
    try:
        for face in ["native", "openai"]:
            view = host.watch(face, "cut.operator")
            assert view.looks_whole and view.text == words, view
    finally:
        assert host.stop() == 0
