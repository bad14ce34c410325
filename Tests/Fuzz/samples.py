"""Writes the sample files (or, with `forms`, the recorded forms) of Tests/Files as seeds: samples.py FOLDER [forms]"""
import pathlib
import sys

folder, forms = pathlib.Path(sys.argv[1]), len(sys.argv) > 2
for path in sorted((pathlib.Path(__file__).resolve().parents[1] / "Files" / "Samples").rglob("*")):
    isForm = "forms" in path.parts or path.suffix == ".form"
    if path.is_file() and path.suffix != ".py" and isForm == forms and path.stat().st_size < 8999:
        # The first byte chooses how the rest is cut.
        (folder / path.name).write_bytes(b"\x10" + path.read_bytes())
