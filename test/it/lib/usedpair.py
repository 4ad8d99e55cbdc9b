# SPDX-License-Identifier: Apache-2.0
"""A pair that somebody uses: its administrator stored a secret, and has a session from before there was a pair."""
from certs import openssl, put_in
from faultpage import FaultPage
from nodes import Person
from packs import Stage, join
from wait import wait_until

DAY = 86400


class UsedPair(Stage):
    def __init__(self, holdfast, folder):
        super().__init__(holdfast, folder)
        self.boss = Person(self.primary, "admin", self.primary.setup_token(), "Correct-Horse-7-battery", folder)
        self.boss.cli("put", "srv/x", input="the secret\n", check=True)
        self.other = self.secondary()
        join(self.other, self.pack)
        self.begin()
        self.alive()

    def begin(self):
        self.other.start()

    @property
    def nodes(self):
        return self.primary, self.other

    def alive(self):
        for n in self.nodes:
            n.wait_status(0)

    def known(self, node):
        """The certificate that the vault says a node shows."""
        return self.primary.sql(f"SELECT web_cert FROM node WHERE name = '{node.name}'")[0][0]

    def exchange(self, node, cert, key):
        """Puts a certificate into a node and waits until the vault says so."""
        put_in(node, cert, key)
        leaf = openssl("x509", "-in", cert)
        wait_until(
            "the vault says what the node shows now", lambda: self.known(node), lambda pem: pem.strip() == leaf.strip()
        )

    def get(self, session=None, check=True):
        return self.primary.cli("get", "srv/x", session=session or self.boss.session, check=check)


class ClockedPair(UsedPair):
    """Its nodes go by a clock that can be put on."""

    def begin(self):
        self.clock, self.days = FaultPage(self.folder / "faults"), 0
        self.primary.stop()
        for n in self.nodes:
            n.env = {**(n.env or {}), **self.clock.env}
            n.start()

    def pass_days(self, n):
        self.days += n
        self.clock.put_clock_on(n * DAY)
