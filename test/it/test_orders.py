# SPDX-License-Identifier: Apache-2.0
"""An order that comes too early, or is not carried out in time: what its giver is told is so then, and stays so."""
import re
import signal
import subprocess

import pytest
from held import Held
from nodes import copy_of
from packs import running
from usedpair import UsedPair
from wait import wait_until


@pytest.fixture
def primary(template, new_node):
    """A primary whose secondary never came."""
    n = copy_of(template, new_node()).start()
    n.run("ha", "setup", "localhost", "127.0.0.2", "--home", n.home)
    return n


def rows(node):
    return [r[0] for r in node.sql("SELECT name FROM node ORDER BY name")]


def orders_waiting(node):
    return int(node.sql("SELECT count(*) FROM ha_request WHERE kind = :NODE_REMOVED")[0][0])


def remove(node):
    return subprocess.Popen(
        node.argv("ha", "remove", "127.0.0.2", "--yes", "--home", node.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_was_given_up_is_not_done_later(primary):
    """The vault stands still: the order is taken back, and stays so when the vault goes on (H14)."""
    stopped = primary.signal("vaultd", signal.SIGSTOP)
    try:
        p = remove(primary)
        out, err = p.communicate(timeout=60)
    finally:
        for pid in stopped:
            primary._quietly(pid, signal.SIGCONT)
    said = re.sub(r"\s+", " ", err)
    assert p.returncode == 1 and "still in the pair" in said, (p.returncode, out, said)
    primary.wait_ready()
    assert orders_waiting(primary) == 0
    # One that comes after it is taken, and leaves that one as it was.
    primary.run("ha", "maintenance", "2h", "because", "--home", primary.home)
    assert rows(primary) == ["127.0.0.2", "localhost"]
    primary.run("ha", "remove", "127.0.0.2", "--yes", "--home", primary.home)
    assert rows(primary) == ["localhost"]


def test_what_the_writer_has_in_its_hands_is_taken_back_too(primary):
    """It has read the order and cannot begin what it says: that comes to nothing."""
    held = Held(primary, "LOCK TABLE ending IN SHARE MODE")
    try:
        p = remove(primary)
        out, err = p.communicate(timeout=60)
    finally:
        held.release()
    assert p.returncode == 1 and "still in the pair" in re.sub(r"\s+", " ", err), (p.returncode, out, err)
    primary.run("ha", "maintenance", "2h", "because", "--home", primary.home)
    assert rows(primary) == ["127.0.0.2", "localhost"]


def test_what_may_be_done_yet_is_said(primary):
    """Nobody can take it back, nor end it: nobody says that it was not done."""
    held = Held(primary, "LOCK TABLE node IN SHARE MODE")
    try:
        p = remove(primary)
        wait_until("the order waits", lambda: orders_waiting(primary), lambda n: n == 1)
        held.do("SELECT FROM ha_request FOR UPDATE")
        out, err = p.communicate(timeout=60)
    finally:
        held.release()
    said = re.sub(r"\s+", " ", err)
    assert p.returncode == 1 and "it is not known" in said and "holdfast ha status" in said, (p.returncode, out, said)
    wait_until("no order waits", lambda: orders_waiting(primary), lambda n: n == 0)
    p = primary.run("ha", "remove", "127.0.0.2", "--yes", "--home", primary.home, check=False)
    assert p.returncode == 0 or "if it was taken out before" in p.stderr
    assert rows(primary) == ["localhost"]


def test_an_order_right_after_a_start_waits_until_the_primary_was_asked(holdfast):
    """A node that does not know yet that its primary serves does not take its place (H1, H10)."""
    with running(UsedPair, holdfast) as pair:
        b = pair.other
        b.stop()
        b.start(wait=False)
        p = b.run("ha", "promote", "--yes", "--home", b.home, check=False)
        assert p.returncode == 1 and "the primary 127.0.0.1 serves" in re.sub(r"\s+", " ", p.stderr), (
            p.returncode,
            p.stdout,
            p.stderr,
        )
        b.wait_state("standby")
        pair.alive()
