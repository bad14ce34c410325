"""What the command line shows of functions and secrets."""

import json
import os
import subprocess

from conftest import binary

CANARY = "canary-listed-4711"


def run(*words, **variables):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SWIFTLET_", "FIXTURE_"))}
    told = subprocess.run(
        [binary("swiftlet-fixtures"), *words], env={**clean, **variables}, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
    assert CANARY not in told.stdout + told.stderr
    return told.stdout


def row(text, name):
    return next(line for line in text.splitlines() if line.split(" ")[0] == name)


def test_functions_list_tells_needed_secrets_from_optional_ones():
    assert "FIXTURE_SECRET,FIXTURE_EXTRA (optional)" in row(run("functions", "list"), "strict")
    strict = next(f for f in json.loads(run("functions", "list", "--json")) if f["name"] == "strict")
    assert strict["secrets"] == ["FIXTURE_SECRET"] and strict["optionalSecrets"] == ["FIXTURE_EXTRA"]


def empty(folder):
    file = folder / "secrets"
    file.touch(mode=0o600)
    return str(file)


def test_secrets_list_tells_who_does_without(tmp_path):
    text = run("secrets", "list", "--secrets", empty(tmp_path), FIXTURE_EXTRA=CANARY, FIXTURE_SECRET=CANARY, FIXTURE_OTHER=CANARY)
    assert row(text, "FIXTURE_EXTRA").endswith("strict (optional)")
    assert row(text, "FIXTURE_SECRET").split()[-1].startswith("strict")
    assert "FIXTURE_OTHER" not in text


def test_check_misses_no_optional_secret(tmp_path):
    told = subprocess.run(
        [binary("swiftlet-fixtures"), "check", "--secrets", empty(tmp_path)], capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "FIXTURE_SECRET": CANARY, "SWIFTLET_FIXTURES_ONLY": "strict"})
    assert told.returncode == 0 and row(told.stdout, "strict").endswith("ready"), told.stdout + told.stderr
