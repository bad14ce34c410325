"""`swiftlet functions new`: one folder, one line, a test; nothing that exists is overwritten."""

import os
import shutil
import subprocess

import pytest
from conftest import ROOT, binary


@pytest.fixture
def tree(tmp_path):
    for name in subprocess.run(["git", "ls-files", "Functions", "Tests/Functions"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def new(tree, *arguments):
    return subprocess.run([binary("swiftlet"), "functions", "new", *arguments], cwd=tree, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("auth, caller", [("user", "from user: User"), ("visitor", "from visitor: Visitor"), ("anyone", "from _: Anyone")])
def test_a_new_function_is_one_folder_one_line_and_a_test(tree, auth, caller):
    done = new(tree, "send-receipt", "--auth", auth)
    assert done.returncode == 0, done.stderr
    source = tree / "Functions/SendReceipt/SendReceipt.swift"
    test = tree / "Tests/Functions/SendReceiptTests.swift"
    assert caller in source.read_text() and '"send-receipt"' in source.read_text()
    assert "SendReceipt.self\n" in (tree / "Functions/Registry.swift").read_text()
    swiftc = shutil.which("swiftc")
    for file in (source, test, tree / "Functions/Registry.swift"):
        parsed = subprocess.run([swiftc, "-frontend", "-parse", str(file)], capture_output=True, text=True, timeout=60, env=os.environ)
        assert parsed.returncode == 0, parsed.stderr


def test_nothing_is_overwritten(tree):
    assert new(tree, "send-receipt").returncode == 0
    before = {path: path.read_text() for path in tree.rglob("*.swift")}
    again = new(tree, "send-receipt")
    assert again.returncode == 64 and "exists already" in again.stderr
    assert {path: path.read_text() for path in tree.rglob("*.swift")} == before


@pytest.mark.parametrize("name, words", [("1st", "starts with a letter"), ("health", "registered already")])
def test_names_that_cannot_be_are_refused(tree, name, words):
    done = new(tree, name)
    assert done.returncode == 64 and words in done.stderr


def test_outside_of_the_repository_it_says_where_to_go(tmp_path):
    done = new(tmp_path, "send-receipt")
    assert done.returncode == 64 and "root of the repository" in done.stderr
