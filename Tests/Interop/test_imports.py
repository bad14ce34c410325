"""The import check finds what it is for."""

import imports


def test_the_manifest_is_the_map():
    assert imports.violations(imports.manifest(imports.ROOT), imports.ROOT) == []


def test_a_forbidden_import_is_found(tmp_path):
    room = tmp_path / "Room"
    room.mkdir()
    (room / "a.swift").write_text("package import Allowed\n@testable import Forbidden\nimport struct Other.Thing\n// import Comment\n")
    package = {"targets": [{"name": "Room", "type": "regular", "path": "Room", "dependencies": [{"byName": ["Allowed", None]}]}]}
    found = imports.violations(package, tmp_path)
    assert [line.split(" imports ")[1].split(",")[0] for line in found] == ["Forbidden", "Other"]
