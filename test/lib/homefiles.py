# SPDX-License-Identifier: Apache-2.0
"""What lies in a home folder, held against src/base/home.def."""
import fnmatch
import os
import re
import stat
from pathlib import Path

from wait import wait_until

ROWS = re.compile(r'^HOME\(\w+, "([^"]+)", (\w+), (0\d+), ([A-Z| ]+), ', re.M)
KINDS = {"FILE": stat.S_ISREG, "FOLDER": stat.S_ISDIR, "TREE": stat.S_ISDIR, "SOCKET": stat.S_ISSOCK}
UNFINISHED = re.compile(r"\.unfinished-\w{6}$")
DEF = Path(__file__).resolve().parents[2] / "src/base/home.def"


class Row:
    def __init__(self, path, kind, mode, writers):
        self.path, self.kind, self.mode = path, kind, int(mode, 8)
        self.writers = {w.strip().lower() for w in writers.split("|")}


def listed():
    rows = [Row(*r) for r in ROWS.findall(DEF.read_text())]
    assert len(rows) == len(re.findall(r"^HOME\(", DEF.read_text(), re.M)) > 40
    return rows


def row_of(rows, path):
    """The row of a path below the home: the first that fits, as `.lock` stands before `*`."""
    return next((r for r in rows if fnmatch.fnmatchcase(path, r.path)), None)


def tree_of(rows, path):
    above = [str(p) for p in Path(path).parents]
    return next((r for r in rows if r.kind == "TREE" and any(fnmatch.fnmatchcase(p, r.path) for p in above)), None)


def entries(rows, home):
    """Everything below the home, but not what is inside a tree."""
    for folder, folders, files in os.walk(home):
        here = Path(folder).relative_to(home)
        for name in folders + files:
            yield str(here / name)
        folders[:] = [f for f in folders if not tree_of(rows, str(here / f / "x"))]


def faults_of(rows, home):
    found = []
    for path in entries(rows, home):
        if UNFINISHED.search(path):  # it is being written: it takes its place at once
            wait_until(f"{path} is written", lambda p=path: not (home / p).exists(), timeout=10)
            continue
        row = row_of(rows, path)
        if row is None:
            found.append(f"{path}: not in home.def")
            continue
        try:
            st = os.lstat(home / path)
        except FileNotFoundError:
            continue
        if not KINDS[row.kind](st.st_mode):
            found.append(f"{path}: no {row.kind}")
        if stat.S_IMODE(st.st_mode) != row.mode:
            found.append(f"{path}: mode {stat.S_IMODE(st.st_mode):04o}, not {row.mode:04o}")
    return found


def hold(home, *patterns):
    """All that lies there is listed and has its mode; of each of the patterns, which are rows too, something does lie there."""
    rows, home = listed(), Path(home)
    faults = faults_of(rows, home)
    assert not faults, faults
    for pattern in patterns:
        assert pattern in {r.path for r in rows}, pattern
        assert list(home.glob(pattern)), f"{pattern}: nothing of it is in {home}"
