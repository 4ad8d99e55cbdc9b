# SPDX-License-Identifier: Apache-2.0
"""What lies in the home folders of a pair is what src/base/home.def lists: each with its mode, and open for writing
in no process but its writer. No promise of its own: all of them stand on it."""
import os
import re
from pathlib import Path

import pytest

from homefiles import faults_of, hold, listed, row_of, tree_of


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
    (tmp_path / "data/pg.damaged-2026/base").mkdir(parents=True)
    os.chmod(tmp_path / "data", 0o700)
    os.chmod(tmp_path / "data/pg.damaged-2026", 0o750)
    assert [f for f in faults_of(rows, tmp_path) if "pg.damaged" in f] == [
        "data/pg.damaged-2026: mode 0750, not 0700"
    ], "what is inside a tree is its writer's own affair"
    assert wrong_writers(rows, {("data/anchor", "keyd"), ("data/pg/base/1", "postgres")}) == []
    assert len(wrong_writers(rows, {("data/anchor", "vaultd"), ("run/state", "keyd"), ("stray", "vaultd")})) == 3


@pytest.mark.harness
def test_one_writer_but_for_what_changes_hands():
    """What waits for another node's log, and a copy that is made while PostgreSQL runs and put in place while it does not."""
    assert {r.path for r in listed() if len(r.writers) > 1} == {
        "data/journal.db",
        "data/journal.db-*",
        "data/journal-*.db*",
        "data/salvage-*.db*",
        "data/pg.new",
        "data/pg.old",
    }


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
        assert ("run/state", "agent") in seen and ("data/anchor", "keyd") in seen  # it does see them
        assert faults_of(rows, Path(node.home)) + wrong_writers(rows, seen) == []


def test_a_damaged_outbox_is_kept_where_it_is_listed(st):
    """The agent puts it aside when it starts, and begins a new one."""
    data = Path(st.b.home) / "data"
    st.b.stop()
    (data / "outbox.db").write_bytes(b"")
    os.chmod(data / "outbox.db", 0o600)
    st.b.start(wait=False)
    st.home_again()
    hold(st.b.home, "data/outbox.db.damaged-*")
    for kept in data.glob("outbox.db.damaged-*"):
        kept.unlink()
