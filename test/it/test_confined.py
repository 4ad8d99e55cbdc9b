# SPDX-License-Identifier: Apache-2.0
"""A vaultd that was taken over: what it tries beyond a request's work, and that it does not get it (base/trespass.h).

Proves the boundary of docs/security.md: strangers reach this process, and through it nothing else of the node (H17).
"""
import ctypes
import os
import re
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from faultpage import FaultPage
from homefiles import entries, listed, row_of
from nodes import copy_of
from pair import Failed, give
from wait import wait_until

LANDLOCK_CREATE_RULESET, VERSION_ONLY = 444, 1
REFUSED = ("EACCES", "EPERM")


@pytest.fixture(scope="module")
def landlock():
    """Its version; the tests of files are skipped where the kernel has none."""
    version = ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, VERSION_ONLY)
    if version < 1:
        pytest.skip("this kernel has no Landlock, or it is not switched on")
    return version


@pytest.fixture
def page(template, new_node, where):
    """A node that serves, whose vaultd does what the page says."""
    page = FaultPage(where / "faults")
    n = copy_of(template, new_node(env=page.env))
    page.node = n.start()
    return page


def other(page, what):
    return page.node.pids(what)[0]


def serves(node):
    return node.health()[0] == 200


# What vaultd reads and another writes (base/homefile.c).
READ_BY_IT = {
    "conf/holdfast.conf",
    "conf/tls/web.crt",
    "conf/tls/web.key",
    "conf/tls/pair-ca.crt",
    "run/state",
    "run/primary.pem",
}


def files_of(page):
    """(path below the home, whether vaultd writes it) of every file that lies there, and one of the database's."""
    rows, home = listed(), Path(page.node.home)
    for path in entries(rows, home):
        row = row_of(rows, path)
        if row and row.kind == "FILE":
            yield path, "vaultd" in row.writers
    yield "data/pg/PG_VERSION", False


def tried(page, orders):
    """What it could do of these, or was told anything else but that it may not."""
    got = {(what, str(path)): page.trespass(what, path) for what, path in orders}
    assert got
    return {k: v for k, v in got.items() if v not in REFUSED}


def test_files_that_are_not_its_own(page, landlock):
    """By itself it opens no file of the home, nor any other of the same user's: the master key first of all."""
    home, key = Path(page.node.home), page.node.key_file
    stranger = home.parent / "elsewhere"
    stranger.write_text("a file of the same user's, elsewhere")
    give(stranger)
    files = [home / path for path, _ in files_of(page)]
    assert {home / "data/anchor", home / "data/witness", home / "run/state", home / "conf/manage_key.conf"} <= set(
        files
    )
    orders = [(what, path) for path in [*files, key, stranger] for what in ("READ", "WRITE")]
    orders += [("MAKE", p) for p in (home / "data/stray", home / "data/pg/stray", home / "conf/stray", "/tmp/stray")]
    orders += [("REMOVE", home / p) for p in ("data/anchor", "data/witness", "run/state", "data/pg/PG_VERSION")]
    orders += [("RENAME", home / "data/anchor"), ("OPEN_UP", key), ("OPEN_UP", home / "conf/manage_key.conf")]
    assert tried(page, orders) == {}
    assert serves(page.node)


def test_what_the_supervisor_gives_it(page, landlock):
    """Its own by base/home.def, and the few that it reads; no name leads to another."""
    home = Path(page.node.home)
    files = list(files_of(page))
    for path, own in files:
        if own or path in READ_BY_IT:
            assert page.trespass("ASK_TO_READ", home / path) == "", path
    orders = [("ASK_TO_READ", home / path) for path, own in files if not own and path not in READ_BY_IT]
    orders += [(what, home / path) for path, own in files if not own for what in ("ASK_TO_WRITE", "ASK_TO_REMOVE")]
    orders += [("ASK_TO_READ", f"{home}/run/../conf/manage_key.conf"), ("ASK_TO_READ", f"{home}/data/../../home.key")]
    (home / "data/journal-x").mkdir()  # what a star stands for has no slash in it
    orders += [(what, f"{home}/data/journal-x/../anchor") for what in ("ASK_TO_READ", "ASK_TO_WRITE", "ASK_TO_REMOVE")]
    assert tried(page, orders) == {}
    assert serves(page.node)


def test_other_processes(page):
    for what in ("supervisor", "keyd", "agent", "postgres"):
        pid = other(page, what)
        for tried in ("TRACE", "MEMORY", "SIGNAL"):
            assert page.trespass(tried, pid=pid) == "EPERM", (tried, what)
        assert page.trespass("READ", f"/proc/{pid}/mem") == "EACCES", what
    assert serves(page.node)


def test_other_programs_and_views(page):
    assert page.trespass("EXECUTE", "/usr/bin/true") == "EPERM"
    assert page.trespass("EXECUTE", page.node.holdfast) == "EPERM"
    assert page.trespass("VIEW") == "EPERM"
    assert page.trespass("DUMPABLE") == "EPERM"
    assert serves(page.node)


def said(node, sql):
    """What PostgreSQL says to its superuser."""
    try:
        node.sql(sql)
    except Failed as e:
        return str(e)
    return ""


def test_the_superuser_of_the_database(page, landlock):
    """The private socket tells processes of one user not apart: whoever gets in there still reaches no more than the cluster."""
    home = Path(page.node.home)
    for path in (page.node.key_file, home / "conf/manage_key.conf", home / "data/anchor", home / "data/witness"):
        assert "Permission denied" in said(page.node, f"SELECT pg_read_binary_file('{path}')"), path
        assert "Permission denied" in said(page.node, f"COPY (SELECT 1) TO '{path}'"), path
    marker = home / "data/pg/started"
    assert said(page.node, f"COPY (SELECT 1) TO PROGRAM '/usr/bin/touch {marker}'")
    assert not marker.exists()
    assert said(page.node, "SELECT pg_read_file('PG_VERSION')") == ""  # its own it can
    assert serves(page.node)


@pytest.mark.parametrize(
    "place, within_reach", [("/dev/shm", {"PostgreSQL"}), ("/usr/local/lib", {"PostgreSQL", "vaultd"})]
)
def test_a_key_within_reach_is_told(page, landlock, place, within_reach):
    """The rules leave each of them some of the system's own folders: a key that lies there is theirs too, and that is said."""
    n = page.node
    if not os.access(place, os.W_OK):
        pytest.skip(f"{place} is not ours to write in")

    def told():
        return set(re.findall(r"(\w+) can read the master key file", n.log.read_text()))

    assert told() == set()
    n.stop()
    with tempfile.TemporaryDirectory(dir=place) as folder:
        os.chmod(folder, 0o711)
        key = Path(folder) / "master.key"
        shutil.copy(n.key_file, key)
        give(key)
        (Path(n.home) / "conf/manage_key.conf").write_text(f"{key}\n")
        n.start()
        assert told() == within_reach
        assert said(n, f"SELECT pg_read_binary_file('{key}')") == ""  # it is true of PostgreSQL
        n.stop()


def test_all_of_its_threads_are_confined(page):
    """Rules hold for the thread that takes them and for those it begins: it takes them first."""
    folder = Path(f"/proc/{other(page, 'vaultd')}/task")
    states = [(t / "status").read_text() for t in folder.iterdir()]
    assert len(states) > 3
    for text in states:
        assert re.search(r"^Seccomp:\s+2$", text, re.M) and re.search(r"^NoNewPrivs:\s+1$", text, re.M)


def test_what_it_needs_it_still_gets(page, landlock):
    """New settings and a new certificate, put in the place of the old ones: both are read at SIGHUP."""
    n = page.node
    conf = Path(n.home) / "conf/holdfast.conf"
    new = conf.with_suffix(".new")
    new.write_text(conf.read_text() + "log_level = debug\n")
    give(new)
    os.chmod(new, 0o600)
    new.rename(conf)
    cert = Path(n.home) / "conf/tls/web.crt"
    copy = cert.with_suffix(".new")
    copy.write_bytes(cert.read_bytes())
    give(copy)
    copy.rename(cert)
    os.kill(other(page, "supervisor"), signal.SIGHUP)
    wait_until(
        "vaultd has read both again", lambda: "settings and web certificate were read again" in n.log.read_text()
    )
    assert "the settings stay as they were" not in n.log.read_text()
    assert serves(n)
