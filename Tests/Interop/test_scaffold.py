"""`swiftlet functions new` in a copy of the repository: what it writes, and what it leaves alone."""

import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import ROOT, binary


@pytest.fixture
def copy(tmp_path):
    """The tracked files, without what was built."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        source = ROOT / name
        if not source.is_file():
            continue
        target = tmp_path / "repository" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    # Where functions have their tests; git keeps no empty folder.
    (tmp_path / "repository" / "Tests" / "Functions").mkdir(parents=True, exist_ok=True)
    return tmp_path / "repository"


def new(folder, *arguments):
    return subprocess.run([binary("swiftlet"), "functions", "new", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def parses(path):
    done = subprocess.run(["swiftc", "-parse", str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("auth", [None, "user", "visitor", "anyone"])
def test_a_new_function_is_a_folder_a_line_and_a_test(copy, auth):
    before = everything(copy)
    done = new(copy, "send-receipt", *(["--auth", auth] if auth else []))
    assert done.returncode == 0, done
    source, test = pathlib.Path("Functions/SendReceipt/SendReceipt.swift"), pathlib.Path("Tests/Functions/SendReceiptTests.swift")
    registry = pathlib.Path("Functions/Registry.swift")
    after = everything(copy)
    assert set(after) - set(before) == {source, test}
    assert [path for path in before if after[path] != before[path]] == [registry]
    lines = after[registry].decode().splitlines()
    assert "    SendReceipt.self" in lines and lines[-1] == "}"
    assert [line for line in lines if "SendReceipt" not in line] == before[registry].decode().splitlines()
    text = after[source].decode()
    assert 'static let name: FunctionName = "send-receipt"' in text
    assert {"visitor": "visitor: Visitor", "anyone": "_: Anyone"}.get(auth, "user: User") in text
    assert "send-receipt" in after[test].decode()
    for path in (source, test, registry):
        parses(copy / path)
        assert str(path) in done.stdout


def test_the_same_function_again_is_refused_and_nothing_is_overwritten(copy):
    assert new(copy, "send-receipt").returncode == 0
    (copy / "Functions/SendReceipt/SendReceipt.swift").write_text("// mine\n")
    before = everything(copy)
    done = new(copy, "send-receipt")
    assert done.returncode == 64 and "exists already" in done.stderr
    assert everything(copy) == before


def test_another_name_for_the_same_folder_is_refused(copy):
    assert new(copy, "send-receipt").returncode == 0
    before = everything(copy)
    assert new(copy, "send_receipt").returncode == 64
    assert everything(copy) == before


@pytest.mark.parametrize("taken", ["Functions/SendReceipt/Other.swift", "Tests/Functions/SendReceiptTests.swift"])
def test_what_is_there_already_stays(copy, taken):
    (copy / taken).parent.mkdir(parents=True, exist_ok=True)
    (copy / taken).write_text("// mine\n")
    before = everything(copy)
    done = new(copy, "send-receipt")
    assert done.returncode == 64 and "exists already; nothing was written" in done.stderr
    assert everything(copy) == before


@pytest.mark.parametrize(
    "name", ["1function", "my function", "function!", "", "_function", "a/b", "../evil", "a.b", "naïve", "a" * 65, "a\nb", "gemini-proxy", "health"]
)
def test_a_bad_or_taken_name_is_refused(copy, name):
    before = everything(copy)
    done = new(copy, "--", name)
    assert done.returncode == 64 and done.stderr
    assert everything(copy) == before


def test_outside_the_repository_it_says_where_to_run(tmp_path):
    done = new(tmp_path, "send-receipt")
    assert done.returncode == 64 and "root of the repository" in done.stderr
    assert os.listdir(tmp_path) == []
