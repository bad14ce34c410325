"""Settings from the environment: every flag of serve has one, and none that nobody reads is passed over."""

import os
import re
import subprocess

import pytest
from conftest import binary


def check(**variables):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SWIFTLET_")}
    return subprocess.run(
        [binary("swiftlet-fixtures"), "check"], env={**clean, **variables}, capture_output=True, text=True, timeout=60)


def flags():
    told = subprocess.run([binary("swiftlet-fixtures"), "serve", "--help"], capture_output=True, text=True, timeout=60).stdout
    return sorted(set(re.findall(r"^  --([a-z-]+)", told, re.MULTILINE)) - {"help", "version"})


def test_every_flag_has_a_variable_that_is_known():
    assert "admin-port" in flags()
    told = check(**{"SWIFTLET_" + flag.upper().replace("-", "_"): "" for flag in flags()})
    assert "is no setting" not in told.stderr, told.stderr


@pytest.mark.parametrize("name", ["SWIFTLET_PROT", "SWIFTLET_RATE_LIMITS", "SWIFTLET_"])
def test_a_variable_nobody_reads_is_named(name):
    told = check(**{name: "secret-value"})
    assert told.returncode == 78
    assert name in told.stderr and "serve --help" in told.stderr
    assert "secret-value" not in told.stderr + told.stdout


@pytest.mark.parametrize("name, value, words", [
    ("SWIFTLET_STRICT", "maybe", "'true' nor 'false'"),
    ("SWIFTLET_LOG_FORMAT", "yaml", "auto, text, json"),
    ("SWIFTLET_LOG_LEVEL", "loud", "not one of"),
    ("SWIFTLET_PORT", "http", "no port"),
    ("SWIFTLET_DRAIN", "1s", "no whole number"),
    ("SWIFTLET_RATE_LIMIT", "echo=10/1m,echo=20/1m", "names echo twice"),
    ("SWIFTLET_RATE_LIMIT", "echo=10/1m,nobody=20/1m", "names 'nobody', and there is no such function; there are: "),
    ("SWIFTLET_RATE_LIMIT", "echo=0/1m", "use 1 to 2147483648"),
    ("SWIFTLET_RATE_LIMIT", "echo=5/400d", "use 1 millisecond to 366 days"),
])
def test_a_value_that_means_nothing_is_refused(name, value, words):
    told = check(**{name: value})
    assert told.returncode == 78
    assert words in told.stderr


@pytest.mark.parametrize("value", [
    "echo", "=10/1m", "echo=", "echo=10", "echo=10/", "echo=/1m", "echo=10/1", "echo=10/m", "echo=-1/1m", "echo=+1/1m", "echo=10/1m/2", "echo=10/1w",
    "echo=10/1.5s", "echo=1e3/1m", "echo=10/ 1m", "echo=99999999999999999999/1m", "echo=10/99999999999999999999s", "echo=None",
])
def test_a_rate_limit_that_is_none_says_what_one_is(value):
    told = check(SWIFTLET_RATE_LIMIT=value)
    assert told.returncode == 78, value
    assert f"rate-limit: '{value}' is no limit; write NAME=REQUESTS/WINDOW" in told.stderr


def test_a_rate_limit_takes_the_place_of_the_policys():
    told = check(SWIFTLET_RATE_LIMIT=" limited=1000/1h , echo=7/500ms", FIXTURE_SECRET="x", SWIFTLET_STRICT="")
    rows = {line.split(" ")[0]: line for line in told.stdout.splitlines() if line}
    assert "1000/3600 s" in rows["limited"] and "7/500 ms" in rows["echo"], told.stdout + told.stderr
    told = check(SWIFTLET_RATE_LIMIT="limited=none")
    rows = {line.split(" ")[0]: line for line in told.stdout.splitlines() if line}
    assert "/60 s" not in rows["limited"]
