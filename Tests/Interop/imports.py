"""The import check: every `import` of a target must be declared in Package.swift, so that the manifest stays the map of the house.

`swift build --explicit-target-dependency-import-check error` of Swift 6.3.1 lets a forbidden import through (tried on a three-target
package), so the sources are read here. Prints what is wrong and ends with 1.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Modules of the toolchain and the system: no arrow of ours.
SYSTEM = {"Swift", "Glibc", "Synchronization", "Foundation", "FoundationEssentials", "Dispatch", "Testing", "PackageDescription"}
IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|private|fileprivate)\s+)?import\s+"
    r"(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?([A-Za-z_][A-Za-z0-9_]*)", re.M)


def manifest(root):
    done = subprocess.run(["swift", "package", "--package-path", str(root), "dump-package"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def declared(target):
    names = {target["name"]}
    for dependency in target["dependencies"]:
        for kind in ("byName", "target", "product"):
            if kind in dependency:
                names.add(dependency[kind][0])
    return names


def violations(package, root):
    found = []
    for target in package["targets"]:
        if target["type"] in ("system", "binary"):
            continue
        folder = root / target["path"]
        excluded = [folder / name for name in target.get("exclude", [])]
        allowed = declared(target) | SYSTEM
        for file in sorted(folder.rglob("*.swift")):
            if any(name in file.parents or name == file for name in excluded):
                continue
            # What stands in a string literal of several lines is text, not code.
            for module in IMPORT.findall(re.sub(r'"""[\s\S]*?"""', "", file.read_text())):
                if module not in allowed:
                    found.append(f"{file.relative_to(root)}: {target['name']} imports {module}, which Package.swift does not declare")
    return found


if __name__ == "__main__":
    wrong = violations(manifest(ROOT), ROOT)
    print("\n".join(wrong) if wrong else "imports: all declared")
    sys.exit(1 if wrong else 0)
