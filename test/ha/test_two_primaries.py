# SPDX-License-Identifier: Apache-2.0
"""A former primary learns of the later epoch by every way that is open, from whomever, and by nothing but the proof (H10)."""
import json
import signal
import subprocess
import sys
import time

import pytest

import net
from certs import openssl, put_in
from faults import FAULTS
from orders import back_to_the_first, fenced, order
from stage import HERE
from wait import still_true, wait_until

WEB, CHANNEL = 7272, 2345


def promote_apart(st, also=lambda: None, first=lambda: None):
    """B becomes the primary while A, cut off, goes on as one; what is done first, and what then, before the line is back."""
    a, b = st.nodes[:2]
    st.home_again()
    FAULTS["link-cut"].do(st)
    b.wait_state("emergency")
    first()
    order(b, "promote", "--yes")
    b.wait_ready()
    also()
    assert a.health()[0] == b.health()[0] == 200


def close(st, *ports):
    for src, dst, port in ports:
        st.net.close_port(src, dst, port)


def foreign(st, node):
    """A certificate of nobody's whom the pair knows, made for the node's own name."""
    path = st.dir / "foreign"
    openssl(
        *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(),
        *("-subj", f"/CN={node.name}", "-addext", f"subjectAltName=DNS:{node.name}"),
        *("-keyout", f"{path}.key", "-out", f"{path}.crt"),
    )
    return f"{path}.crt", f"{path}.key"


@pytest.mark.h10
def test_a_certificate_that_is_not_trusted_hides_no_epoch(st):
    """A hears of B by its own question alone, and B's certificate was exchanged meanwhile for one that A cannot know."""
    a, b = st.nodes
    promote_apart(st, lambda: put_in(b, *foreign(st, b)))
    close(st, ("b", "a", WEB), ("b", "a", CHANNEL), ("a", "b", CHANNEL))
    st.net.heal()
    wait_until("a is fenced", lambda: fenced(a))
    # Of such an answer nothing else counts: A does not know B as a node that serves.
    wait_until(
        "a says that the certificate is not trusted",
        lambda: [r["code"] for r in a.status()[1]["reasons"] if r["node"] == b.name],
        lambda codes: "cert_untrusted" in codes,
    )
    b.run("cert", "renew", "--web", "--home", b.home)
    st.net.open_ports()
    back_to_the_first(st)


@pytest.mark.h10
@pytest.mark.parametrize(
    "closed",
    [
        pytest.param([("b", "a", CHANNEL), ("a", "b", CHANNEL), ("b", "a", WEB)], id="asked"),
        pytest.param([("b", "a", CHANNEL), ("a", "b", CHANNEL), ("a", "b", WEB)], id="told"),
        pytest.param([("a", "b", CHANNEL), ("a", "b", WEB), ("b", "a", WEB)], id="channel"),
    ],
)
def test_one_way_is_enough(st, closed):
    """Of four ways (each port, each direction) one is left: the former primary is fenced, and returns once it can."""
    a, b = st.nodes
    promote_apart(st)
    close(st, *closed)
    st.net.heal()
    wait_until("a is fenced", lambda: fenced(a))
    assert b.health()[0] == 200
    st.net.open_ports()
    back_to_the_first(st)


FORGED = "ab" * 32


def epoch(node):
    """The counter of the latest epoch that the node knows (0: none yet), and its proof."""
    body = node.health()[1]
    return int((body["epoch"] or "0").split(".")[0]), body["epoch_proof"]


def tell(st, node, body):
    """What the node answers to somebody at the client's host who tells it of an epoch: the status, and what it says."""
    code = (
        "import http.client, json, ssl, sys\n"
        "host, port, body = sys.argv[1:]\n"
        "c = http.client.HTTPSConnection(host, int(port), timeout=30, context=ssl._create_unverified_context())\n"
        "c.request('POST', '/v1/sys/epoch', body, {'Content-Type': 'application/json'})\n"
        "r = c.getresponse()\n"
        "print(json.dumps([r.status, json.loads(r.read())]))"
    )
    argv = [*st.net.exec_prefix("client"), sys.executable, "-c", code, node.address, str(node.port), json.dumps(body)]
    p = subprocess.run(argv, capture_output=True, text=True)
    assert p.returncode == 0, p.stderr
    return json.loads(p.stdout)


def tell_channel(st, said, proof):
    """B's certificate, in whose hands ever, tells A's database."""
    tls = st.b.home / "conf/tls"
    info = (
        f"host={st.a.name} port={CHANNEL} user=hf_deposit dbname=holdfast connect_timeout=5 sslmode=verify-full "
        f"sslrootcert={tls}/pair-ca.crt sslcert={tls}/pair.crt sslkey={tls}/pair.key"
    )
    net.sh(*st.net.exec_prefix("b"), "psql", "-X", "-w", "-c", f"CALL ha_tell('{said}', '{proof}')", info)


@pytest.mark.h10
@pytest.mark.h17
def test_a_forged_epoch_fences_nobody(st):
    """Right in form and wrong in its proof, from a stranger over HTTPS and from a node's certificate over the channel."""
    a, b = st.nodes
    st.home_again()
    counter, proof = epoch(a)
    forged = f"{counter + 1}.{b.health()[1]['node_id']}"
    for n in st.nodes:
        assert tell(st, n, {"epoch": forged, "proof": FORGED})[0] == 421
        # A true proof is none of another epoch.
        assert tell(st, n, {"epoch": forged, "proof": proof})[0] == 421
        for bad in (
            {"epoch": forged},
            {"epoch": forged, "proof": FORGED, "more": 1},
            {"epoch": forged, "proof": "ab"},
            {"epoch": f"0{forged}", "proof": FORGED},
            {"epoch": [forged], "proof": FORGED},
        ):
            assert tell(st, n, bad)[0] == 400, bad
        known = n.health()[1]["epoch"]
        assert tell(st, n, {"epoch": known, "proof": proof}) == [200, {"news": False, "epoch": known}]
    tell_channel(st, forged, FORGED)
    tell_channel(st, forged, proof)
    still_true(
        "a serves as the primary, and b stands by",
        lambda: (a.state(), b.state(), epoch(a), a.health()[1]["told"]),
        4,
        lambda seen: seen == ("synced", "standby", (counter, proof), None),
    )
    st.home_again(primary=a)


@pytest.mark.h17
def test_a_flood_of_epochs_disturbs_nobody(st):
    """keyd checks a few of them; users read meanwhile, and nobody is fenced or takes the primary for gone."""
    a, b = st.nodes
    st.home_again()
    began = time.monotonic()
    floods = [
        subprocess.Popen(
            [
                *st.net.exec_prefix("client"),
                *(sys.executable, str(HERE / "stranger.py"), "epochs", a.address, str(a.port)),
                *(b.health()[1]["node_id"], st.net.addresses["client"]),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    try:
        for i in range(10):
            got = st.cli("get", f"site {i:05d}/root{i % 7}", timeout=20)
            assert got.stdout.strip() == f"s3cret-site-{i:05d}"
            assert (a.state(), b.state()) == ("synced", "standby")
    finally:
        answers = [json.loads(p.communicate("")[0]) for p in floods]
    checked = sum(x.get("421", 0) for x in answers)
    refused = sum(x.get("429", 0) for x in answers)
    assert 0 < checked <= 10 + 4 * (time.monotonic() - began + 1), answers
    assert refused > checked, answers
    st.home_again(primary=a)


def two_primaries(node):
    """What the node's status says of a primary too many: of which node, and what."""
    said = [r for r in node.status()[1].get("reasons", []) if r["code"] == "two_primaries"]
    return said and (said[0]["node"], said[0]["detail"])


@pytest.mark.h9
@pytest.mark.h10
def test_the_status_names_the_true_one(three):
    """While the former primary cannot check what it hears (its keyd stands still) every node says that there are two."""
    st = three
    a, b, c = st.nodes
    st.home_again()
    begun = epoch(a)[0]
    try:
        # First: a hears of it from c at once.
        promote_apart(st, first=lambda: a.signal("keyd", signal.SIGSTOP))
        st.net.heal()
        counter = wait_until("b has begun an epoch", lambda: epoch(b)[0], lambda seen: seen > begun)
        wanted = (a.name, f"{b.name} is the true primary, of epoch {counter}; {a.name} is of epoch {counter - 1}")
        for n in st.nodes:
            wait_until(f"{n.name} says it", lambda n=n: two_primaries(n), lambda said: said == wanted)
    finally:
        a.signal("keyd", signal.SIGCONT)
    st.home_again(primary=b)
    assert not any(two_primaries(n) for n in st.nodes)
    order(b, "switchover", a.name)
    st.home_again(primary=a)


@pytest.mark.h10
def test_a_promotion_begins_an_epoch_also_behind_half_a_switchover(st):
    """A dies in the middle of handing over, B does not take over, and is promoted: what A says afterwards is of the epoch before."""
    a, b = st.nodes
    st.home_again()
    counter = epoch(a)[0]
    b.signal("agent", signal.SIGSTOP)
    operator = subprocess.Popen(
        a.argv("ha", "switchover", "--home", a.home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=a.env
    )
    try:
        wait_until("a hands over", a.state, lambda s: s == "handing", every=0.01)
        a.kill()
    finally:
        b.signal("agent", signal.SIGCONT)
        operator.kill()
        operator.wait()
    b.wait_state("emergency")
    order(b, "promote", "--yes")
    b.wait_ready()
    wait_until("b has begun an epoch", lambda: epoch(b)[0], lambda seen: seen == counter + 1)
    user = st.login("admin", host="b", to=b)
    st.cli("put", "site 00006/root6", host="b", session=user, input="of the later epoch\n")
    a.start(wait=False)
    st.home_again(primary=b)
    assert epoch(a) == epoch(b)
    back_to_the_first(st)
    assert st.cli("get", "site 00006/root6").stdout.strip() == "of the later epoch"
