# SPDX-License-Identifier: Apache-2.0
"""Shares that end: by the clock of the node that is asked, everywhere at once; what they gave is as if it had never been, and they stay to be seen."""
import time

import pytest

from faultpage import FaultPage
from verbs import fails

HOUR = 3600

settings = {"session_idle": "7d", "session_max": "30d"}


@pytest.fixture(scope="module")
def clock(folder):
    return FaultPage(folder / "clock")


@pytest.fixture(scope="module")
def environment(clock):
    return clock.env


@pytest.fixture(scope="module")
def ada(hire):
    one = hire("ada")
    for word in ("web/root", "web/guest", "net/root"):
        one.good("put", word, input=f"secret of {word}\n")
    return one


@pytest.fixture(scope="module")
def bob(hire):
    return hire("bob")


def sees(person):
    """What lists, searches and look-ups by name show, which have to agree."""
    listed = {f"{r['name']}/{a['login']}" for r in person.json("ls") for a in r["accounts"]}
    found = {f"{r['name']}/{a['login']}" for r in person.json("find", "root") for a in r["accounts"]}
    assert {w for w in listed if w.endswith("root")} <= found <= listed, (found, listed)
    return listed


def reads(person, word):
    """By its name, and by its id, which they may have kept: as of what was never shared with them."""
    name, login = word.split("/")[-2:]
    listed = person.node.sql(
        f"SELECT a.id FROM account a JOIN resource r ON r.id = a.resource WHERE r.name = '{name}' AND a.login = '{login}'"
    )
    got = person.api.call("POST", f"/v1/accounts/{listed[0][0]}/retrieve", {"reason": "test"})
    p = person.cli("get", word)
    assert (got.status, p.returncode) in ((200, 0), (404, 1)), (got, p)
    if p.returncode:
        assert got.json["error"]["code"] == "not_found" and p.stdout == "", (got.json, p)
    return p.returncode == 0


def writes(person, word):
    return person.cli("put", word, input="by a guest\n").returncode == 0


def shares(person, *words):
    """Of each line but the first: whose, the level, and what stands under UNTIL."""
    lines = person.good("shares", *words).splitlines()
    at = lines[0].index("UNTIL")
    return [(*line.split()[:2], line[at:].strip()) for line in lines[1:]]


def test_a_share_ends(ada, bob, clock):
    """Seen before it does, so that nothing remembers it; a weak one without an end stays, and comes to be the strongest."""
    ada.good("share", "web/root", "bob")
    said = ada.good("share", "--resource", "web", "bob", "modify", "--until", "2h")
    assert " until " in said and " UTC" in said, said
    ada.good("share", "net/root", "bob", "manage", "--until", "90min")
    bob.accept_all()
    assert sees(bob) == {"web/root", "web/guest", "net/root"}
    assert reads(bob, "web/guest") and writes(bob, "web/root") and reads(bob, "net/root")
    bob.good("shares", "net/root")
    clock.put_clock_on(HOUR)
    assert reads(bob, "web/guest") and reads(bob, "net/root")
    why = ada.json("why", "bob", "web/root")
    assert why["level"] == "modify" and [bool(w["until"]) for w in why["through"]] == [True, False], why
    assert " until " in ada.good("why", "bob", "web/root")
    clock.put_clock_on(HOUR + 60)
    assert sees(bob) == {"web/root"}
    assert reads(bob, "web/root") and not writes(bob, "web/root")
    assert not reads(bob, "web/guest") and not reads(bob, "net/root")
    fails(bob.cli("shares", "net/root"), 1, "no resource")
    why = ada.json("why", "bob", "web/root")
    assert why["level"] == "view" and [w["until"] for w in why["through"]] == [None], why
    assert "may do nothing" in ada.good("why", "bob", "net/root")
    ((who, level, until),) = shares(ada, "net/root")
    assert (who, level) == ("bob", "manage") and until.endswith("UTC (ended)"), until
    assert [s["ended"] for s in ada.json("shares", "net/root")["shares"]] == [True]


def test_another_end_replaces_it(ada, bob, clock):
    ada.good("share", "net/root", "bob", "--until", "1h")
    assert reads(bob, "net/root")
    clock.put_clock_on(HOUR + 1)
    assert not reads(bob, "net/root")
    ada.good("share", "net/root", "bob", "--until", "3h")
    assert reads(bob, "net/root")
    ada.good("share", "net/root", "bob")
    assert shares(ada, "net/root") == [("bob", "view", "")]
    clock.put_clock_on(4 * HOUR)
    assert reads(bob, "net/root")
    ada.good("share", "net/root", "bob", "--until", "1h")
    clock.put_clock_on(HOUR + 1)
    ada.good("unshare", "net/root", "bob")
    assert shares(ada, "net/root") == []


def test_through_a_team_and_a_folder(ada, bob, boss, clock):
    """What ended is gone from paths and from what a move shows, too."""
    boss.good("team", "add", "ops")
    boss.good("member", "add", "ops", "bob")
    ada.good("folder", "add", "plant")
    ada.good("put", "press/root", "--folder", "plant", input="secret of press\n")
    ada.good("share", "--folder", "plant", "ops", "modify", "--until", "1h")
    assert reads(bob, "plant/press/root") and "plant" in bob.good("folder", "list")
    resource = next(r["id"] for r in ada.json("ls") if r["name"] == "press")
    effect = f"/v1/resources/{resource}/effect"
    assert [p["user"]["name"] for p in ada.api.must("GET", effect)["changes"]] == ["bob"]
    clock.put_clock_on(HOUR + 1)
    assert "plant" not in bob.good("folder", "list") and "press/root" not in sees(bob)
    fails(bob.cli("get", "press/root"), 1, "no resource")
    assert ada.api.must("GET", effect)["changes"] == []
    boss.good("team", "remove", "ops")


def test_what_is_no_end_is_refused(ada, bob, clock):
    for text in ("2001-01-31", "2h ago", "0d", "tomorrow", "2031-02-30", "7"):
        fails(
            ada.cli("share", "web/guest", "bob", "--until", text),
            2,
            "--until takes a day or a time that is to come",
            text,
        )
    path = (
        f"/v1/accounts/{next(a['id'] for r in ada.json('ls') for a in r['accounts'] if a['login'] == 'guest')}/shares"
    )
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())  # the node's clock was put on
    for text, why in ((now, "over already"), ("2031-01-31", "until: like"), ("", "until")):
        got = ada.api.call("POST", path, {"user": "bob", "level": "view", "until": text})
        assert got.status == 400 and why in str(got.json["error"]), got.json
    assert shares(ada, "web/guest") == []
