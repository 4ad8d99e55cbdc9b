# SPDX-License-Identifier: Apache-2.0
"""Sessions belong to a generation of their user's credentials: a reset, disabling or a new password begins the next one, whatever the
clock said when they began."""
import re

from nodes import Person
from pair import PASSWORD

AHEAD_MS, BEHIND_MS = 3600 * 1000, -300 * 1000  # not so far behind that it is idle for too long


def begun_with(node, person, clock_ms, folder):
    """A session file of the person, begun while the node's clock was that far ahead. The clock is set right again."""
    node.stop()
    node.env["HOLDFAST_CLOCK_SKEW_MS"] = str(clock_ms)
    node.start()
    session = folder / f"{person}-{clock_ms}.session"
    p = node.cli("login", "--ca", node.web_cert, node.url, person, session=session, input=f"{PASSWORD}\n", check=False)
    assert p.returncode == 0, p.stderr
    node.stop()
    del node.env["HOLDFAST_CLOCK_SKEW_MS"]
    node.start()
    return session


def works(node, session):
    p = node.cli("ls", session=session, check=False)
    assert p.returncode in (0, 1), p.stderr
    return p.returncode == 0


def with_eve(running, admin, where):
    """Two sessions of a user: of a clock that was an hour ahead, and of one that was behind."""
    token = re.findall(r"(?<![\w-])[A-Za-z0-9_-]{43}(?![\w-])", admin("user", "add", "eve").stdout)[-1]
    Person(running, "eve", token, PASSWORD, where)
    found = [begun_with(running, "eve", ms, where) for ms in (AHEAD_MS, BEHIND_MS)]
    assert [works(running, s) for s in found] == [True, True]
    return found


def test_a_reset_ends_sessions_of_any_clock(running, admin, where):
    sessions = with_eve(running, admin, where)
    admin("user", "reset", "eve")
    assert [works(running, s) for s in sessions] == [False, False]


def test_disabling_ends_sessions_of_any_clock(running, admin, where):
    """Also where the user is enabled again."""
    sessions = with_eve(running, admin, where)
    admin("user", "disable", "eve")
    assert [works(running, s) for s in sessions] == [False, False]
    admin("user", "enable", "eve")
    assert [works(running, s) for s in sessions] == [False, False]


def test_a_node_that_joined_by_any_clock_can_be_taken_out(node):
    """And joins again."""
    node.env["HOLDFAST_CLOCK_SKEW_MS"] = str(AHEAD_MS)
    node.start()
    pair_up(node)
    node.stop()
    del node.env["HOLDFAST_CLOCK_SKEW_MS"]
    node.start()
    assert nodes_of(node) == ["127.0.0.2", "localhost"]
    node.run("ha", "remove", "127.0.0.2", "--yes", "--home", node.home)
    assert nodes_of(node) == ["localhost"]
    pair_up(node)
    assert nodes_of(node) == ["127.0.0.2", "localhost"]


def pair_up(node):
    node.run("ha", "setup", "localhost", "127.0.0.2", "--home", node.home)


def nodes_of(node):
    return [r[0] for r in node.sql("SELECT name FROM node ORDER BY name")]
