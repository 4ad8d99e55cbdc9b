# SPDX-License-Identifier: Apache-2.0
"""What lies in the home folders of a pair is what src/base/home.def lists: each with its mode, and open for writing
in no process but its writer."""
import fnmatch
import os
import re
import stat
from pathlib import Path

import pytest

ROWS = re.compile(r'^HOME\(\w+, "([^"]+)", (\w+), (0\d+), ([A-Z| ]+), ', re.M)
KINDS = {"FILE": stat.S_ISREG, "FOLDER": stat.S_ISDIR, "TREE": stat.S_ISDIR, "SOCKET": stat.S_ISSOCK}
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
    return next((r for r in rows if r.kind == "TREE" and path.startswith(r.path + "/")), None)


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


def opened_for_writing(pid):
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            flags = int(re.search(r"^flags:\s*(\d+)", Path(f"/proc/{pid}/fdinfo/{fd}").read_text(), re.M).group(1), 8)
            if flags & os.O_ACCMODE != os.O_RDONLY:
                yield os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        part = line.split(None, 5)
        if len(part) == 6 and part[1][1] == "w" and part[1][3] == "s":
            yield part[5]


def writers_of(rows, node):
    """(path, process) of everything of the home that a process of the node has open for writing."""
    home = f"{Path(node.home).resolve()}/"
    seen = set()
    for process in ("keyd", "vaultd", "agent"):
        for pid in node.pids(process):
            seen |= {(p.removeprefix(home), process) for p in opened_for_writing(pid) if p.startswith(home)}
    for p in opened_for_writing(node.supervisor()):
        if p.startswith(home):
            seen.add((p.removeprefix(home), "supervisor"))
    return seen


def wrong_writers(rows, seen):
    wrong = []
    for path, process in sorted(seen):
        row = tree_of(rows, path) or row_of(rows, path)
        if row is None or process not in row.writers:
            wrong.append(f"{process} has {path} open for writing")
    return wrong


@pytest.mark.harness
def test_a_file_mode_or_writer_that_is_not_listed_is_found(tmp_path):
    rows = listed()
    (tmp_path / "conf").mkdir(mode=0o700)
    (tmp_path / "conf/holdfast.conf").touch(mode=0o600)
    assert faults_of(rows, tmp_path) == []
    (tmp_path / "conf/stray").touch(mode=0o600)
    os.chmod(tmp_path / "conf/holdfast.conf", 0o640)
    assert len(faults_of(rows, tmp_path)) == 2
    assert wrong_writers(rows, {("data/anchor", "vaultd"), ("data/pg/base/1", "postgres")}) == []
    assert len(wrong_writers(rows, {("data/anchor", "agent"), ("run/state", "keyd"), ("stray", "vaultd")})) == 3


@pytest.mark.harness
def test_one_writer_but_for_the_journal():
    assert {r.path for r in listed() if len(r.writers) > 1} == {"data/journal.db", "data/journal.db-*"}


def test_a_pair_keeps_what_is_listed_and_writes_where_it_may(st):
    rows = listed()
    st.net.cut_both("a", "b")
    try:
        st.b.wait_state("emergency")
        emergency = faults_of(rows, Path(st.b.home)) + wrong_writers(rows, writers_of(rows, st.b))
    finally:
        st.net.heal()
    st.home_again()
    assert emergency == []
    for node in (st.a, st.b):
        seen = writers_of(rows, node)
        assert ("run/state", "agent") in seen and ("data/anchor", "vaultd") in seen  # it does see them
        assert faults_of(rows, Path(node.home)) + wrong_writers(rows, seen) == []
