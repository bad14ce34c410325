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
    for flag in flags():
        told = check(**{"SWIFTLET_" + flag.upper().replace("-", "_"): ""})
        assert "is no setting" not in told.stderr, (flag, told.stderr)


@pytest.mark.parametrize("name", ["SWIFTLET_PROT", "SWIFTLET_RATE_LIMIT", "SWIFTLET_"])
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
])
def test_a_value_that_means_nothing_is_refused(name, value, words):
    told = check(**{name: value})
    assert told.returncode == 78
    assert words in told.stderr
