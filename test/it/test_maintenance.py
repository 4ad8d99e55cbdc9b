# SPDX-License-Identifier: Apache-2.0
"""holdfast ha maintenance: alerts are silent while somebody works, the status is not; it ends by itself, and what is still wrong then is told."""
import datetime
import json

import pytest

from nodes import Person, scratch_folder
from pair import PASSWORD
from packs import Stage, join
from wait import wait_until
from webhook import Receiver


def order(node, *words, code=0):
    p = node.run("ha", "maintenance", *words, "--home", node.home, check=False)
    assert p.returncode == code, p
    return p.stdout + p.stderr


def status(node):
    p = node.run("ha", "status", "--json", "--home", node.home, check=False)
    return p.returncode, json.loads(p.stdout)


def maintenance(node):
    """What the status says of it; None also where a node that begins says nothing yet."""
    return status(node)[1].get("maintenance")


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


def test_bounds_and_a_single_node(node):
    node.start()
    for words in (
        ["30s", "too short"],
        ["8d", "too long"],
        ["2h"],
        ["soon", "why"],
        ["off", "why"],
        ["2h", "two\nlines"],
        ["2h", "x" * 201],
    ):
        order(node, *words, code=2)
    assert maintenance(node) is None
    order(node, "1h", "new", "memory", "modules")
    wait_until("the status says that maintenance has begun", lambda: maintenance(node))
    code, s = status(node)
    assert code == 5 and s["maintenance"]["reason"] == "new memory modules" and s["maintenance"]["on"] == "pair"
    node.stop()
    node.start()  # a restart does not end it
    wait_until(
        "the status gives the reason of the maintenance",
        lambda: (maintenance(node) or {}).get("reason") == "new memory modules",
    )
    node.stop()
    node.env["HOLDFAST_CLOCK_SKEW_MS"] = str(61 * 60000)  # its time does
    node.start()
    # Once it names itself it has read its own log, and with it what was said of maintenance.
    s = wait_until("the node says how it is", lambda: status(node)[1], lambda s: s.get("nodes"))
    assert s["maintenance"] is None


@pytest.fixture(scope="module")
def pair(holdfast, ports):
    """A pair whose nodes alert, each to a receiver of its own."""
    with scratch_folder() as folder:
        stage = Stage(holdfast, folder)
        hooks = []
        try:
            a, b = stage.primary, stage.secondary()
            for n, name in ((a, "at-a"), (b, "at-b")):
                (folder / name).mkdir()
                (folder / name).chmod(0o755)
                hooks.append(Receiver(n, folder / name, ports.take()))
            a.read_settings()
            join(b, stage.pack)
            b.start()
            wait_until(
                "both nodes are Alive",
                lambda: status(a)[1].get("status") == "Alive" and status(b)[1].get("status") == "Alive",
                timeout=120,
            )
            yield a, b, *hooks, folder
        finally:
            for h in hooks:
                h.end()
            for n in stage.made:
                n.end()


def said(hook, kind):
    return [r for r in hook.rows() if r["type"] == kind]


def test_alerts_are_silent_and_the_status_is_not(pair):
    """H9: the status is as true as ever."""
    a, b, at_a, at_b, folder = pair
    admin = Person(a, "admin", a.setup_token(), PASSWORD, folder)
    began = now()  # before it the pair came together, and that may have been told
    assert "all nodes" in order(a, "2h", "new disks")
    for n in (a, b):  # said on the primary it holds for both
        code, s = wait_until(
            "each node says that maintenance has begun",
            lambda: status(n),
            lambda got: got[0] == 0 and got[1]["maintenance"],
        )
        assert (
            s["status"] == "Alive" and s["maintenance"]["on"] == "pair" and s["maintenance"]["reason"] == "new disks"
        ), s
        assert "new disks" in n.run("ha", "status", "--home", n.home).stdout
    told = [e for e in admin.json("audit", "list", "--most", "20") if e["kind"] == "maintenance"]
    assert len(told) == 1 and "new disks" in json.dumps(told[0])

    a.kill()  # the primary goes: what maintenance is for
    wait_until("the secondary gives emergency access", lambda: (b.health() or [0])[0] == 200)
    wait_until("the secondary is Failed", lambda: status(b)[0] == 4)
    s = status(b)[1]
    assert s["status"] == "Failed" and s["maintenance"]["reason"] == "new disks"
    b.stop()
    b.start()  # and the secondary is started anew meanwhile
    wait_until(
        "it is Failed, in maintenance and in emergency again",
        lambda: status(b)[0] == 4 and maintenance(b) and (b.health() or [0])[0] == 200,
    )
    ended = now()
    assert "this node" in order(b, "off")  # the primary is down: it is said where one is
    wait_until("maintenance is over at the secondary", lambda: maintenance(b) is None)
    for kind in ("emergency.began", "node.failed"):  # what is still so is told now, and was not before
        wait_until(
            f"what was told behind the maintenance: {kind}",
            lambda: [r for r in said(at_b, kind) if r["timestamp"] >= ended],
        )
        assert not [r for r in said(at_b, kind) if began <= r["timestamp"] < ended]

    again = order(b, "1h", "the other site burns")
    assert "not the serving primary" in again
    s = wait_until("the secondary is in maintenance", lambda: maintenance(b))
    assert s["on"] == "node" and s["reason"] == "the other site burns"
    a.start()
    wait_until("the primary is Alive", lambda: status(a)[1].get("status") == "Alive", timeout=120)
    # There it is the last word; here the pair's still holds.
    for n, what, word in ((b, "on", "node"), (a, "reason", "new disks")):
        wait_until(f"it says {word}", lambda: (maintenance(n) or {}).get(what), lambda said: said == word)
    assert "all nodes" in order(a, "off")
    for n in (a, b):
        wait_until("maintenance is over at each node", lambda: maintenance(n) is None)
    assert [e["kind"] for e in admin.json("audit", "list", "--most", "40")].count("maintenance") == 2
    assert not [r for r in said(at_a, "node.failed") if began <= r["timestamp"] < ended]
