# SPDX-License-Identifier: Apache-2.0
"""A node whose ports change: it says so, and the other node and the clients follow; what nobody could follow is refused at the start."""
import json

import pytest

from nodes import Ports
from packs import running
from usedpair import UsedPair
from wait import wait_until


class Pair(UsedPair):
    def __init__(self, holdfast, folder):
        super().__init__(holdfast, folder)
        self.ports = Ports()
        assert "the secret" in self.get()  # an answer tells the session of the secondary

    def alive(self):
        super().alive()
        # Also by what a node was told last: from then on another change can be followed.
        for n in self.nodes:
            wait_until("the node knows that it was followed", lambda: self.told(n), lambda t: t == self.own(n))

    def get(self):
        return super().get().stdout

    def own(self, n):
        return [int(a.rsplit(":", 1)[1]) for a in (n.listen, n.pair_listen)]

    def told(self, n):
        file = n.home / "replication/ports.conf"
        return [int(line.split(" = ")[1]) for line in file.read_text().splitlines()] if file.exists() else None

    def move(self, n, listen=False, pair_listen=False):
        """Changes ports of a node that does not run."""
        for name, wanted in (("listen", listen), ("pair_listen", pair_listen)):
            if wanted:
                address = f"{n.name}:{self.ports.take()}"
                n.set(name, address)
                setattr(n, name, address)

    def restarted(self, n, **what):
        n.stop()
        self.move(n, **what)
        n.start()
        self.alive()
        assert "the secret" in self.get()

    def session_knows(self):
        """The addresses of nodes in the session of a user."""
        return {n["url"] for n in json.loads(self.boss.session.read_text())["nodes"]}

    def nodes_in_log(self):
        return dict(self.primary.sql("SELECT name, https_port || ' ' || pair_port FROM node"))


@pytest.fixture(scope="module")
def pair(holdfast):
    with running(Pair, holdfast) as p:
        yield p


def wait_known(pair, node):
    def look():
        pair.get()
        return pair.session_knows()

    wait_until("the session knows where the node is", look, lambda urls: node.url in urls)


def test_the_secondary_moves(pair):
    """H9, H5: Alive again by itself; a session from before fails over to where it is now."""
    pair.restarted(pair.other, listen=True)
    wait_known(pair, pair.other)
    pair.primary.kill()
    pair.other.wait_state("emergency")
    assert "the secret" in pair.get()
    pair.primary.start()
    pair.alive()


def test_the_primary_moves(pair):
    """H9, H1: Alive again by itself; a session from before is told by the standby where the primary is."""
    pair.restarted(pair.primary, listen=True)
    wait_known(pair, pair.primary)
    pair.other.stop()
    assert "the secret" in pair.get()
    pair.other.start()
    pair.alive()


def test_the_channel_of_the_primary_moves(pair):
    """H2, H9: the stream finds it by what its service says."""
    pair.restarted(pair.primary, pair_listen=True)


def test_both_services_move_at_once(pair):
    """H9: neither knows where the other one is; the stream brings it."""
    for n in (pair.other, pair.primary):
        n.stop()
        pair.move(n, listen=True)
    for n in (pair.primary, pair.other):
        n.start(wait=False)
    pair.alive()
    pair.boss.node = pair.primary
    assert pair.boss.login().returncode == 0  # of all that this person knew nothing is left
    wait_known(pair, pair.other)


def test_a_secondary_that_moved_takes_over(pair):
    """H2, H9: both its ports; the former primary follows it there."""
    pair.restarted(pair.other, listen=True, pair_listen=True)
    assert pair.nodes_in_log()[pair.other.name] == "{} {}".format(*pair.own(pair.other))
    pair.primary.run("ha", "switchover", "--home", pair.primary.home)
    pair.other.wait_status(0)
    pair.primary.wait_status(0)
    pair.primary, pair.other = pair.other, pair.primary
    pair.alive()


def test_what_nobody_could_follow_is_refused_at_the_start(pair):
    """H9: both ports of a primary, with what to do; nothing changes, and with one of them back the pair is Alive again."""
    n = pair.primary
    n.stop()
    before = n.listen, n.pair_listen
    pair.move(n, listen=True, pair_listen=True)
    moved = n.listen, n.pair_listen
    p = n.run("serve", "--home", n.home, check=False, timeout=60)
    assert p.returncode == 1 and "two new ports" in p.stderr, p.stderr
    assert "Put one of the two back" in p.stderr and "Nothing was changed" in p.stderr, p.stderr
    n.listen = before[0]
    n.set("listen", n.listen)
    n.start()
    pair.alive()
    n.stop()
    n.listen = moved[0]
    n.set("listen", n.listen)
    n.start()
    pair.alive()
    assert "the secret" in pair.get()


def test_it_is_in_the_log(pair):
    """Each move is an event, and there is none without a move."""
    told = pair.primary.sql("SELECT count(*) FROM event WHERE kind = 91")[0][0]
    assert int(told) == 8, told
