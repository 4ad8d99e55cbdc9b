# SPDX-License-Identifier: Apache-2.0
"""One authority of the vault follows another: on all nodes, without a stop and without a moment out of trust; each step waits for what the nodes show."""
import json
import threading

import pytest

from packs import join, running
from usedpair import UsedPair
from wait import pace, still_true, wait_until

PARTS = ("pair-ca.crt", "pair-ca.key.sealed")


class Pair(UsedPair):
    def renew(self, *more, node=None):
        n = node or self.primary
        n.run("cert", "renew", "--authority", *more, "--home", n.home)
        return self.cert(n, "pair-ca")["subject"]

    def cert(self, node, what):
        return json.loads(node.run("cert", "show", "--json", "--home", node.home).stdout)[what]

    def trusted(self, node):
        """How many it trusts, and which is the newest."""
        text = node.run("cert", "ca", "--home", node.home).stdout
        return text.count("BEGIN CERTIFICATE"), self.cert(node, "pair-ca")["subject"]

    def waits_for(self, node):
        return {w["node"] for w in self.cert(node, "pair-ca")["waits_for"]}

    def channels(self):
        return [self.cert(n, "pair")["issuer"] for n in self.nodes]

    def await_channels(self, subject):
        wait_until("every node has a channel certificate of it", self.channels, lambda got: set(got) == {subject})

    def await_trust(self, node, *expected):
        wait_until(
            f"{node.name} trusts so many, and that first", lambda: self.trusted(node), lambda got: got == expected
        )

    def renew_webs(self, subject):
        """Once the client knows of it, as a browser has to as well."""

        def told():
            self.get()
            known = json.loads(self.boss.session.read_text())["vault"]
            return known, [n.run("cert", "ca", "--home", n.home).stdout for n in self.nodes]

        wait_until(
            "an answer tells the client what every node trusts",
            told,
            lambda seen: all(pem.strip() == seen[0].strip() for pem in seen[1]),
        )
        for n in self.nodes:
            n.run("cert", "renew", "--web", "--home", n.home)
        for n in self.nodes:
            self.await_trust(n, 1, subject)


class Three(Pair):
    third = None

    def __init__(self, holdfast, folder):
        super().__init__(holdfast, folder)
        pack = self.make_pack("127.0.0.3")
        self.third = self.secondary("127.0.0.3")
        join(self.third, pack)
        self.third.start()
        self.alive()

    @property
    def nodes(self):
        return tuple(filter(None, (self.primary, self.other, self.third)))


class Load:
    """Users who read and write, and somebody who looks at the status of every node, all the while."""

    def __init__(self, pair):
        self.pair, self.done, self.faults, self.counts = pair, threading.Event(), [], {}
        self.threads = [threading.Thread(target=self.go, args=(f,)) for f in (self.read, self.write, self.look)]

    def read(self):
        p = self.pair.get(check=False)
        return p.returncode == 0 and "the secret" in p.stdout or p.stderr

    def write(self):
        p = self.pair.boss.cli("put", f"srv/{self.counts['write']}", input="another\n", check=False)
        return p.returncode == 0 or p.stderr

    def look(self):
        said = [n.status()[1] for n in self.pair.nodes]
        return all(s["status"] == "Alive" for s in said) or [s["reasons"] for s in said]

    def go(self, what):
        name = what.__name__
        self.counts[name] = 0
        while not self.done.is_set():
            got = what()
            self.counts[name] += 1
            if got is not True:
                self.faults.append((name, got))
            pace(0.2)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for t in self.threads:
            t.join()


@pytest.fixture(scope="module")
def pair(holdfast):
    with running(Pair, holdfast) as p:
        yield p


def test_a_standing_pair_follows_under_load(pair):
    """H3, H9, H14: no read fails, both nodes stay Alive, and a second renewal at once changes nothing of that. The old one goes when no node shows it."""
    first = pair.cert(pair.primary, "pair-ca")["subject"]
    pids = [n.pids("vaultd") for n in pair.nodes]
    with Load(pair) as load:
        pair.renew()
        last = pair.renew()
        pair.await_channels(last)
        for n in pair.nodes:
            assert pair.cert(n, "web")["issuer"] == first
            # The one in the middle was never shown, or is no more.
            pair.await_trust(n, 2, last)
            wait_until("both are named", lambda n=n: pair.waits_for(n), lambda got: got == {x.name for x in pair.nodes})
        pair.renew_webs(last)
    assert load.faults == [] and min(load.counts.values()) > 5, load.counts
    assert pids == [n.pids("vaultd") for n in pair.nodes]
    files = [(n.home / "conf/tls" / name).read_bytes() for n in pair.nodes for name in PARTS]
    assert files[:2] == files[2:]
    for n in pair.nodes:
        wait_until("nobody is waited for", lambda n=n: pair.waits_for(n), lambda got: got == set())
    # What is open goes on without the channel's certificates: a new start needs them.
    pair.other.stop()
    pair.other.start()
    pair.alive()
    pair.primary.kill()
    try:
        pair.other.wait_state("emergency")
        assert "the secret" in pair.get().stdout
    finally:
        pair.primary.start()
        pair.alive()


def test_files_come_back_from_the_log(pair):
    """H14: whoever dies between the log and the files, or loses them, makes them of the log at the next start."""
    n = pair.primary
    before = [(n.home / "conf/tls" / name).read_bytes() for name in PARTS]
    subject = pair.renew()
    n.kill()
    for name, data in zip(PARTS, before):
        (n.home / "conf/tls" / name).write_bytes(data)
    n.start()
    pair.await_trust(n, 2, subject)
    pair.await_channels(subject)
    pair.other.stop()
    (pair.other.home / "conf/tls" / PARTS[1]).unlink()
    pair.other.start()
    wait_until("the key is back", (pair.other.home / "conf/tls" / PARTS[1]).exists)
    pair.alive()
    pair.renew_webs(subject)


def test_an_authority_that_keyd_does_not_know_is_trusted_by_nobody(pair):
    """H3: whoever writes to the database has no key of theirs sealed under a key of the vault."""
    n = pair.primary
    before = [(n.home / "conf/tls" / name).read_bytes() for name in PARTS]
    n.sql(
        "INSERT INTO authority SELECT repeat('0', 64), generation + 1, ends_at, cert, key FROM authority "
        "ORDER BY generation DESC LIMIT 1"
    )
    try:
        wait_until("the log says so", lambda: "that keyd does not know" in n.log.read_text(errors="replace"))
        still_true(
            "nothing changed", lambda: before == [(n.home / "conf/tls" / name).read_bytes() for name in PARTS], 5
        )
    finally:
        n.sql("DELETE FROM authority WHERE sha256 = repeat('0', 64)")
    pair.alive()


def test_the_next_primary_goes_on_from_there(pair):
    """H14: the primary falls right behind the order; whatever its log had reached the other one by then, both end with one authority."""
    old, new = pair.primary, pair.other
    pair.renew()
    old.kill()
    new.wait_state("emergency")
    new.run("ha", "promote", "--yes", "--home", new.home)
    new.wait_state("alone")
    old.start()
    pair.alive()
    subject = pair.renew(node=new)
    pair.await_channels(subject)
    pair.renew_webs(subject)
    pair.alive()
    assert "the secret" in pair.get().stdout


def test_a_node_that_is_down_is_waited_for(holdfast):
    """H3, H14: it trusts the old one alone, and gets in when it comes back; one that is gone for good is removed."""
    with running(Three, holdfast) as three:
        first = three.cert(three.primary, "pair-ca")["subject"]
        third = three.third
        third.stop()
        three.third = None
        second = three.renew()
        three.await_trust(three.other, 2, second)
        for n in three.nodes:
            wait_until("it is named", lambda n=n: three.waits_for(n), lambda got: got == {third.name})
        still_true("the channel is as it was", three.channels, 6, lambda got: set(got) == {first})
        # Not even an order to renew shuts it out.
        for n in three.nodes:
            n.run("cert", "renew", "--channel", "--home", n.home)
            n.run("cert", "renew", "--web", "--home", n.home)
        assert set(three.channels()) == {first}
        third.start()
        three.third = third
        three.await_channels(second)
        three.alive()
        three.renew_webs(second)
        third.stop()
        three.third = None
        last = three.renew()
        wait_until("it is named", lambda: three.waits_for(three.primary), lambda got: got == {third.name})
        three.primary.run("ha", "remove", third.name, "--yes", "--home", three.primary.home)
        three.await_channels(last)
        three.renew_webs(last)
        three.alive()
