#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the lists of sources in the meson.build files against the tree.

Names that stand one a line are sorted, so that two new ones meet in a conflict only when they are neighbours. Every source
of src/, every unit test and every fuzz target is named where it is built: what is in no list would silently be left out.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"^\s*'([\w./]+)',$")


def lists_of(text):
    """Runs of lines that are one name each: (line of the first, names)."""
    run, first = [], 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        m = NAME.match(line)
        if m:
            first = first if run else number
            run.append(m[1])
        elif run:
            yield first, run
            run = []


def unsorted(path):
    for first, names in lists_of(path.read_text()):
        for before, name in zip(names, names[1:]):
            if name <= before:
                yield f"{path.relative_to(ROOT)}:{first + names.index(name)}: '{name}' stands behind '{before}'"


def sources_of_folders(text):
    """What src/meson.build builds: paths below src/."""
    return {
        f"{folder}/{name}"
        for folder, block in re.findall(r"^  \['([\w/]+)', '[^']*', (?:\w+ \+ )?\[\n(.*?)^  \]", text, re.M | re.S)
        for name in re.findall(r"'([\w.]+)',", block)
    }


def missing():
    text = (ROOT / "src/meson.build").read_text()
    built = sources_of_folders(text)
    nouns = re.search(r"^api_nouns = \[\n(.*?)^\]", text, re.M | re.S)[1]
    built |= {f"api/{name}" for name in re.findall(r"'([\w.]+)',", nouns)}
    built |= {f"cmd/{name}" for name in re.findall(r"'(\w+\.c)'", (ROOT / "src/cmd/meson.build").read_text())}
    for f in sorted((ROOT / "src").rglob("*.c")):
        rel = f.relative_to(ROOT / "src").as_posix()
        if rel not in built:
            yield f"src/{rel}: is in no list of src/meson.build"
    for f in sorted((ROOT / "test").rglob("*.c")):
        prefix, _, name = f.stem.partition("_")
        lists = (f.parent / "meson.build").read_text()
        if prefix in ("test", "fuzz") and f"'{name}'" not in lists and f"'{f.name}'" not in lists:
            yield f"{f.relative_to(ROOT)}: is not in the meson.build beside it"


def main():
    files = [ROOT / "meson.build", *(f for top in ("src", "test") for f in sorted((ROOT / top).rglob("meson.build")))]
    faults = [fault for f in files for fault in unsorted(f)] + list(missing())
    for fault in faults:
        print(fault)
    print(f"build lists: {len(faults)} fault(s)")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
