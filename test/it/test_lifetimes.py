# SPDX-License-Identifier: Apache-2.0
"""The life of each certificate, with the clock put on past each stage and the end: what is said when and by whom, and what goes on working.

What is found is the table in docs/certificates.md: the page is held against it.
"""
import json
import re
from pathlib import Path

import pytest

from certs import lies_in, self_signed, shows
from nodes import Ports
from packs import running
from usedpair import ClockedPair
from wait import still_true, wait_until
from webhook import Receiver

PAGE = Path(__file__).resolve().parents[2] / "docs/certificates.md"
KINDS = {"web": "web", "pair": "channel", "pair-ca": "authority"}


class Pair(ClockedPair):
    def said(self, node):
        """What the status says of certificates: in one word, by the node's codes, and by its warnings."""
        status = node.status()[1]
        return (
            status["status"],
            {(r["code"], r["node"]) for r in status["reasons"] if "cert" in r["code"]},
            {(re.search(r"(web|channel|authority)", w["text"])[1], w["node"]) for w in status["warnings"]},
        )

    def levels(self, node):
        shown = json.loads(node.run("cert", "show", "--json", "--home", node.home).stdout)
        return {KINDS[what]: c["level"] for what, c in shown.items()}

    def login(self, **kw):
        """A new session: those of before are over with their time."""
        return self.boss.login(**kw)


@pytest.fixture(scope="module")
def pair(holdfast):
    with running(Pair, holdfast) as p:
        yield p


@pytest.fixture(scope="module")
def hook(pair):
    (pair.folder / "hook").mkdir(mode=0o755)
    made = Receiver(pair.primary, pair.folder / "hook", Ports().take())
    pair.primary.read_settings()
    yield made
    made.end()


def page_has(certificate, when, status, alert, users, emergency):
    row = f"| {certificate} | {when} | {status} | {alert} | {users} | {emergency} |"
    assert row in PAGE.read_text(), f"docs/certificates.md has another row than this one, which was seen:\n{row}"


def alerts(hook, node):
    return [(r["type"], r["data"]["code"]) for r in hook.rows() if r["data"]["node"] == node.name]


def wait_said(pair, what):
    """Until both nodes say the same of it."""
    for n in pair.nodes:
        wait_until(f"{n.name} says it", lambda: pair.said(n), what)


def users_of(pair):
    p = pair.get(check=False)
    if p.returncode == 0 and "the secret" in p.stdout:
        return "go on"
    assert p.returncode == 1 and re.search(r"is out of date: it expired on 20\d\d", p.stderr), p.stderr
    return "are told by their command that it is out of date"


def emergency_of(pair):
    """What the other node gives when the primary falls now."""
    pair.primary.kill()
    pair.other.wait_state("emergency")
    given = "the secret" in pair.get(check=False).stdout
    pair.primary.start()
    pair.other.wait_state("standby")
    return "is given" if given else "is not given"


def test_the_web_certificate(pair, hook):
    """H4, H5, H9: no stage is an outage, but for who asks the very node that has expired."""
    pair.exchange(pair.primary, *self_signed(pair.folder, pair.primary.name, pair.days + 100))
    pair.alive()
    name = pair.primary.name
    pair.pass_days(75)
    wait_said(pair, lambda s: s == ("Alive", set(), {("web", name)}))
    assert pair.levels(pair.primary)["web"] == "soon"
    wait_until("it is told", lambda: ("certificate.ends", None) in alerts(hook, pair.primary))
    pair.login()
    page_has("web", "warning", "`Alive`, warning", "`certificate.ends`", users_of(pair), emergency_of(pair))
    pair.pass_days(20)
    wait_said(pair, lambda s: s[:2] == ("Failed", {("cert_ends", name)}))
    assert pair.levels(pair.primary)["web"] == "late"
    wait_until("it is told", lambda: ("node.failed", "cert_ends") in alerts(hook, pair.primary))
    pair.login()
    page_has("web", "last days", "`Failed`, `cert_ends`", "`node.failed`", users_of(pair), emergency_of(pair))
    pair.pass_days(10)
    wait_said(pair, lambda s: s[:2] == ("Failed", {("web_cert_expired", name)}))
    assert pair.levels(pair.primary)["web"] == "expired"
    still_true("no emergency beside a primary that serves", pair.other.state, 4, lambda s: s == "standby")
    page_has("web", "past its end", "`Failed`, `web_cert_expired`", "none further", users_of(pair), "is not needed")
    pair.primary.run("cert", "renew", "--home", pair.primary.home)
    pair.alive()


def test_the_channel_certificate(pair, hook):
    """H3, H9: it is renewed at the warning; by a node that was off past its end, at its start and by itself."""
    pair.pass_days(340)
    wait_until("it is renewed", lambda: [pair.levels(n)["channel"] for n in pair.nodes], lambda l: l == ["good"] * 2)
    pair.alive()
    pair.login()
    page_has("channel", "warning", "`Alive`: it is renewed by itself", "none", users_of(pair), emergency_of(pair))
    pair.other.stop()
    before = lies_in(pair.primary)
    pair.pass_days(400)
    assert pair.levels(pair.other)["channel"] == "expired"
    wait_until("the primary has a new web certificate too", lambda: lies_in(pair.primary), lambda c: c != before)
    shows(pair.primary)
    pair.login()
    assert users_of(pair) == "go on"
    pair.other.start()
    pair.alive()
    page_has(
        "channel",
        "past its end, the node was off",
        "`Alive`: it is renewed by itself at its start",
        "none",
        users_of(pair),
        emergency_of(pair),
    )
