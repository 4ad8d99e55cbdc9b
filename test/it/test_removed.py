# SPDX-License-Identifier: Apache-2.0
"""A node that was taken out of the pair: what it may do goes by the node table, and it closes once it was told (H1, H14)."""
import json
import signal
from http.client import HTTPSConnection

import pytest

from packs import running
from pair import ANY_CERTIFICATE, PASSWORD
from usedpair import UsedPair
from wait import wait_until


def reasons(node):
    return [r["code"] for r in node.status()[1].get("reasons", [])]


def wait_reason(node, code):
    wait_until(f"{node.name}: its status says {code}", lambda: reasons(node), lambda r: code in r)


def knock(node):
    """The HTTP status with which a log-in is answered there."""
    c = HTTPSConnection(node.address, node.port, timeout=30, context=ANY_CERTIFICATE)
    body = json.dumps({"name": "admin", "password": PASSWORD})
    c.request("POST", "/v1/session", body, {"Content-Type": "application/json"})
    status = c.getresponse().status
    c.close()
    return status


@pytest.fixture
def pair(holdfast):
    with running(UsedPair, holdfast) as p:
        yield p


def remove(pair):
    pair.other.stop()
    wait_reason(pair.primary, "service_down")
    # Until the server has noticed that it is gone, it is running as a secondary.
    wait_until(
        "the stopped node can be taken out",
        lambda: pair.primary.run("ha", "remove", "127.0.0.2", "--yes", "--home", pair.primary.home, check=False),
        lambda p: p.returncode == 0,
    )


def test_a_node_that_was_removed_closes(pair):
    """H1, H14: a serving primary's word tells it, nothing else does; it stays closed, and two ways lead on."""
    a, b = pair.nodes
    remove(pair)
    # Cut off it cannot know, and gives emergency access: that is what it is for.
    a.kill()
    b.start(wait=False)
    b.wait_state("emergency")
    assert knock(b) == 200 and "removed" not in reasons(b)
    a.start()
    wait_reason(b, "removed")
    b.wait_state("standby")
    # Whatever else a start says for a moment is over then.
    wait_until("it is the first reason", lambda: reasons(b), lambda r: r[:1] == ["removed"])
    code, said = b.status()
    first = said["reasons"][0]
    assert code == 4 and "ha join" in first["todo"], said["reasons"]
    # What it hands on is not taken, although it has the key that proves it.
    before = a.sql("SELECT count(*) FROM event WHERE kind = :LOGIN")
    b.set("standby", "forward")
    b.read_settings()
    wait_until("it hands on, and that is refused", lambda: knock(b), lambda status: status == 503)
    assert a.sql("SELECT count(*) FROM event WHERE kind = :LOGIN") == before
    # The primary is gone: it has no part in that any more, also when it begins anew.
    a.kill()
    wait_reason(b, "service_down")
    assert b.state() == "standby" and knock(b) != 200
    b.kill()
    # That it is there says so, whatever is left of it.
    (b.home / "replication/removed.conf").write_text("")
    b.start()
    wait_reason(b, "service_down")
    assert b.state() == "standby" and "removed" in reasons(b) and knock(b) != 200
    # An operator may say otherwise,
    b.run("ha", "emergency", "on", "--home", b.home)
    b.wait_state("emergency")
    assert knock(b) == 200
    b.run("ha", "emergency", "off", "--home", b.home)
    b.wait_state("standby")
    # and a new pack takes it back.
    a.start()
    b.stop()
    pack = pair.make_pack("127.0.0.2")
    b.run("ha", "join", pack, "--replace", "--home", b.home)
    b.start()
    pair.alive()
    assert not (b.home / "replication/removed.conf").exists()


def test_a_node_that_is_merely_cut_off_does_not_close(pair):
    """H4: whoever does not reach the primary hears nothing of the kind, nor from one that is frozen or does not serve."""
    a, b = pair.nodes
    for what in ("all", "vaultd"):
        pids = a.signal(what, signal.SIGSTOP)
        b.wait_state("emergency")
        assert knock(b) == 200 and "removed" not in reasons(b)
        a.signal(what, signal.SIGCONT)
        pair.alive()
        assert pids
