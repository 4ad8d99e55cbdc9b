# SPDX-License-Identifier: Apache-2.0
"""What a node is known by: certificates that are exchanged, that end, and that are renewed, on a pair that is used meanwhile."""
import json
import re
import signal

import pytest

from api import Api
from certs import Authority, self_signed, shows
from nodes import Ports
from packs import running
from usedpair import ClockedPair
from wait import still_true, wait_until
from webhook import Receiver


class Pair(ClockedPair):
    def status(self, node):
        return node.status()[1]

    def reasons(self, node):
        return {r["code"]: r for r in self.status(node).get("reasons", [])}

    def announced(self):
        """The mark of the nodes that the primary's answers have."""
        return self.boss.api.call("GET", "/v1/session").headers.get("Holdfast-Nodes")

    def without_primary(self):
        """Kills the primary for as long as the block lasts."""
        return Outage(self)


class Outage:
    def __init__(self, pair):
        self.pair = pair

    def __enter__(self):
        self.pair.primary.kill()
        self.pair.other.wait_state("emergency")

    def __exit__(self, *_):
        self.pair.primary.start()
        self.pair.alive()


@pytest.fixture(scope="module")
def pair(holdfast):
    with running(Pair, holdfast) as p:
        yield p


@pytest.fixture(scope="module")
def authority(pair):
    folder = pair.folder / "ca"
    folder.mkdir(mode=0o755)
    return Authority(folder)


def test_a_session_from_before_the_pair_fails_over(pair):
    """H5: who logged in on a single node is given access by the secondary that came later."""
    assert "the secret" in pair.get().stdout  # an answer tells of the nodes that there are now
    with pair.without_primary():
        assert "the secret" in pair.get().stdout


def test_certificates_of_an_authority_one_node_after_the_other(pair, authority):
    """H5: no exchange of certificates takes emergency access from anybody who trusts the authority."""
    for n in pair.nodes:
        n.run("cert", "import", authority.root, "--home", n.home)
    # The secondary first: who has confirmed the primary's certificate learns of the other one by an answer.
    before = pair.announced()
    pair.exchange(pair.other, *authority.make(pair.other.name))
    wait_until("answers tell of other nodes than before", pair.announced, lambda mark: mark != before)
    pair.alive()
    assert "the secret" in pair.get().stdout
    with pair.without_primary():
        assert "the secret" in pair.get().stdout
    # Then the primary: who has confirmed that very one is told which node is not trusted, and why.
    pair.exchange(pair.primary, *authority.make(pair.primary.name))
    pair.alive()
    p = pair.get(check=False)
    assert p.returncode == 1 and f"{pair.primary.url} is not trusted" in p.stderr, p.stderr
    assert "signed by CN=Internal issuer" in p.stderr and f"{pair.other.url} stands by" in p.stderr, p.stderr
    session = pair.folder / "ca.session"
    pair.primary.cli(
        "login", "--ca", authority.root, pair.primary.url, "admin", session=session, input=f"{pair.boss.password}\n"
    )
    with pair.without_primary():
        assert "the secret" in pair.get(session).stdout
    pair.boss.session = session


def test_an_expired_web_certificate_is_no_outage_and_is_said(pair):
    """H4: time that is over is no lost primary. H9: it is said by name on every node."""
    for n in pair.nodes:
        pair.exchange(n, *self_signed(pair.folder, n.name, pair.days + 2))
    pair.alive()
    session = pair.folder / "short.session"
    pair.primary.cli(
        "login",
        *("--ca", pair.primary.web_cert, pair.primary.url, "admin"),
        session=session,
        input=f"{pair.boss.password}\n",
    )
    pair.pass_days(3)
    for n in pair.nodes:
        said = wait_until("the status says it", lambda: pair.reasons(n).get("web_cert_expired"))
        assert "the web certificate expired on 20" in said["detail"] and "holdfast cert renew" in said["todo"], said
        shown = n.run("cert", "show", "--home", n.home).stdout
        assert f"node     {n.name}" in shown and "expired" in shown and "holdfast cert renew" in shown, shown
    # None: it was too busy to answer this look.
    still_true("no emergency beside a primary that serves", pair.other.state, 4, lambda s: s in ("standby", None))
    assert wait_until("it answers", pair.other.state) == "standby"
    p = pair.get(session, check=False)
    assert p.returncode == 1 and "is out of date: it expired on 20" in p.stderr, p.stderr
    for n in pair.nodes:
        n.run("cert", "renew", "--home", n.home)
    pair.alive()


def test_what_the_authority_signed_is_renewed_by_itself(pair):
    """H3, H9: long before its end, and without a stop; the service shows the new one."""

    def shown(n, what):
        return json.loads(n.run("cert", "show", "--json", "--home", n.home).stdout)[what]

    def channel(n):
        return shown(n, "pair")

    kinds = [(n, what) for n in pair.nodes for what in ("web", "pair")]
    before, pids = {k: shown(*k) for k in kinds}, [n.pids("vaultd") for n in pair.nodes]
    pair.pass_days(345)  # 20 days are left, or less
    for k in kinds:
        wait_until("another one", lambda: shown(*k), lambda c: c["sha256"] != before[k]["sha256"])
        assert shown(*k)["not_after"] > before[k]["not_after"]
    for n in pair.nodes:
        shows(n)
    assert [n.pids("vaultd") for n in pair.nodes] == pids
    pair.alive()
    # By hand as well; and the stream comes back by the new ones.
    for n in pair.nodes:
        was = channel(n)["sha256"]
        n.run("cert", "renew", "--channel", "--home", n.home)
        assert channel(n)["sha256"] != was
    pair.other.stop()
    pair.other.start()
    pair.alive()


def test_the_end_is_seen_from_afar(pair):
    """H9: a warning while all is Alive."""
    pair.exchange(pair.primary, *self_signed(pair.folder, pair.primary.name, pair.days + 200))
    pair.pass_days(180)
    ends = re.compile(r"web certificate ends on 20\d\d-\d\d-\d\d, in \d+ days")
    for n in pair.nodes:
        wait_until(
            "a warning while all is Alive",
            lambda: pair.status(n),
            lambda s: s["status"] == "Alive" and any(ends.search(x["text"]) for x in s.get("warnings", [])),
        )
    told = pair.primary.run("ha", "status", "--home", pair.primary.home).stdout
    assert "soon" in told and "holdfast cert renew" in told, told
    metrics = Api(pair.primary).get("/v1/metrics").body.decode()
    assert re.search(r'^holdfast_certificate_end_seconds{certificate="web"} \d+$', metrics, re.M), metrics
    pair.primary.run("cert", "renew", "--home", pair.primary.home)
    pair.alive()


@pytest.fixture
def hooks(pair):
    """What each node alerts."""
    made, ports = {}, Ports()
    for n in pair.nodes:
        folder = pair.folder / f"hook-{n.name}"
        folder.mkdir(mode=0o755)
        made[n] = Receiver(n, folder, ports.take())
        n.read_settings()
    yield made
    for n, hook in made.items():
        n.set("alert_webhook", "")
        n.read_settings()
        hook.end()


def test_an_end_that_comes_near_is_told_once(pair, hooks):
    """H9: by an alert of each node, with node, certificate, days and the command; again only after there was another certificate."""

    def told(kind):
        """By its id: what a sender that fell could not note as sent comes a second time, and is the same alert."""
        return {
            n.name: list(
                {
                    r["id"]: r["data"]
                    for r in hook.rows()
                    if r["type"] == kind and r["data"]["node"] == pair.other.name
                }.values()
            )
            for n, hook in hooks.items()
        }

    def wait_for(kind, times):
        return wait_until(
            f"each node says {kind}", lambda: told(kind), lambda t: all(len(rows) == times for rows in t.values())
        )

    def episode(times):
        pair.exchange(pair.other, *self_signed(pair.folder, pair.other.name, pair.days + 200))
        wait_until(
            "a certificate that is good is seen",
            lambda: [shown(n) for n in pair.nodes],
            lambda levels: levels == ["good", "good"],
        )
        pair.pass_days(180)
        for rows in wait_for("certificate.ends", times).values():
            said = rows[-1]
            assert re.fullmatch(
                rf"{pair.other.name}: the web certificate ends on 20\d\d-\d\d-\d\d, in (19|20) days", said["text"]
            ), said
            assert "holdfast cert renew" in said["todo"], said

    def shown(n):
        levels = (
            c["level"]
            for row in pair.status(n).get("nodes", [])
            if row["name"] == pair.other.name
            for c in row["certificates"]
            if c["certificate"] == "web"
        )
        return next(levels, None)

    episode(1)
    old = pair.other.signal("agent", signal.SIGKILL)
    pair.pass_days(1)
    wait_until("another agent says how it is", lambda: pair.other.pids("agent") not in ([], old) and shown(pair.other))
    still_true("once", lambda: told("certificate.ends"), 13, lambda t: all(len(rows) == 1 for rows in t.values()))
    pair.other.run("cert", "renew", "--home", pair.other.home)
    for rows in wait_for("certificate.renewed", 1).values():
        assert f"{pair.other.name} was renewed: the web certificate ends on 20" in rows[0]["text"], rows
    episode(2)
    pair.other.run("cert", "renew", "--home", pair.other.home)
    pair.alive()
