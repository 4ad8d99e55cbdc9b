# SPDX-License-Identifier: Apache-2.0
"""A pack for a node that has data: only by name, only while the primary is reached, never by a start; and the way back (H13, H16)."""
import json
import re
import shutil
import subprocess

import pytest

from homefiles import hold
from moment import moment
from packs import Stage, join, running
from pair import drop_prefix, give
from wait import still_true, wait_until


@pytest.fixture(scope="module")
def pair(holdfast):
    with running(Stage, holdfast) as s:
        s.b = s.secondary()
        s.old = s.folder / "old.zip"
        shutil.copy(s.pack, s.old)
        join(s.b, s.pack)
        s.b.start()
        alive(s)
        yield s


def alive(s):
    for n in (s.primary, s.b):
        n.wait_status(0, timeout=120)


def again(s):
    s.b.stop()
    s.b.start()


def kept(s):
    return sorted((s.b.home / "data").glob("pg.old-*"))


def data_of(s):
    """Which data folder it is, whatever its name."""
    return (s.b.home / "data/pg").stat().st_ino


def clear(s):
    shutil.rmtree(s.b.home / "pack", ignore_errors=True)


def test_a_healthy_secondary_does_not_take_an_old_pack(pair):
    """Neither from the command, nor, with what was unzipped by hand, from a start."""
    before, database = data_of(pair), pair.b.pids("postmaster")
    p = join(pair.b, pair.old, check=False)
    assert p.returncode == 1 and "already has data, as of 20" in p.stderr and "--replace" in p.stderr, p.stderr
    assert "the pack was made at 20" in p.stderr and not (pair.b.home / "pack").exists()
    still_true("it goes on", lambda: pair.b.pids("postmaster"), 2, lambda pids: pids == database)
    pair.b.wait_status(0)
    subprocess.run(["unzip", "-q", pair.old, "-d", pair.b.home], check=True)
    try:
        again(pair)
        alive(pair)
        log = pair.b.log.read_text()
        assert "the pack is not used" in log and "keeps the data that it has" in log
        assert data_of(pair) == before and not kept(pair)
    finally:
        clear(pair)


def test_nor_does_a_primary_whatever_was_said(pair):
    p = pair.primary.run("ha", "join", "--replace", pair.old, "--home", pair.primary.home, check=False)
    assert p.returncode == 1 and "a vault of its own" in p.stderr, p.stderr
    assert not (pair.primary.home / "pack").exists()


def test_no_data_are_put_away_while_the_primary_is_not_reached(pair):
    """Not by the command, and not by a start that was told so while it still was."""
    before = data_of(pair)
    pair.b.run("ha", "join", "--replace", pair.old, "--home", pair.b.home)
    pair.primary.kill()
    try:
        again(pair)
        pair.b.wait_state("emergency")
        assert data_of(pair) == before and not kept(pair)
        assert "cannot reach the primary" in pair.b.log.read_text()
        clear(pair)
        p = pair.b.run("ha", "join", "--replace", pair.old, "--home", pair.b.home, check=False)
        assert p.returncode == 1 and "cannot reach the primary" in p.stderr and "last whole copy" in p.stderr, p.stderr
        assert not (pair.b.home / "pack").exists()
    finally:
        clear(pair)
        pair.primary.start()
    alive(pair)


def test_by_name_it_says_what_is_kept_and_how_to_go_back(pair):
    """And what it says to type is what leads back. As of when the old pack's data are they say themselves."""
    wait_until("its data say as of when they are", lambda: pair.b.health()[1]["as_of"])
    before = data_of(pair)
    p = pair.b.run("ha", "join", "--replace", "--json", pair.old, "--home", pair.b.home)
    said = json.loads(p.stdout)
    assert moment(said["replaces_data_as_of"]) > moment(said["made_at"]), said
    p = pair.b.run("ha", "join", "--replace", pair.old, "--home", pair.b.home)
    for words in (
        "its data is as of       20",
        "the pack was made at    20",
        "data/pg.old-TIME",
        "to go back",
        "only while",
    ):
        assert words in p.stdout, p.stdout
    assert data_of(pair) == before, "it was not started since"
    again(pair)
    found = kept(pair)
    assert len(found) == 1 and found[0].stat().st_ino == before and data_of(pair) != before
    assert re.search(r"this node's former data \(as of 20.*is kept as \S+pg\.old-", pair.b.log.read_text())
    assert not (pair.b.home / "pack").exists() and not (pair.b.home / "data/pg/holdfast.pack").exists()
    alive(pair)
    hold(pair.b.home, "data/pg.old-*")
    pair.b.stop()
    (pair.b.home / "data/pg").rename(pair.b.home / "data/pg.of-the-pack")
    found[0].rename(pair.b.home / "data/pg")
    pair.b.start()
    alive(pair)


def test_a_word_counts_for_the_pack_that_it_was_said_of(pair):
    """Another one unzipped over it takes no data's place."""
    before, other = data_of(pair), pair.folder / "other.zip"
    pair.b.run("ha", "join", "--replace", pair.old, "--home", pair.b.home)
    pair.b.stop()
    try:
        shutil.copy(pair.make_pack("127.0.0.2"), other)
        give(other)
        subprocess.run([*drop_prefix(), "unzip", "-q", "-o", other, "-d", pair.b.home], check=True)
        pair.b.start()
        assert (
            data_of(pair) == before
            and "the pack is not used" in pair.b.log.read_text().rsplit("supervisor: stopping", 1)[1]
        )
    finally:
        clear(pair)
    alive(pair)
