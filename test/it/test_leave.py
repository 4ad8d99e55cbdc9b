# SPDX-License-Identifier: Apache-2.0
"""Ownership moves by the owner's word and the receiver's acceptance; what somebody who leaves owned is handed over by an administrator, and people are told."""
import json

import pytest

from verbs import fails


@pytest.fixture(scope="module")
def ada(hire):
    """Owns what is given away here; bob may manage one of it."""
    one = hire("ada")
    for word in ("web/root", "db/root", "old/root"):
        one.good("put", word, input=f"secret of {word}\n")
    return one


@pytest.fixture(scope="module")
def bob(hire):
    return hire("bob")


@pytest.fixture(scope="module")
def carol(hire):
    return hire("carol")


def owner_of(person, name):
    return next(r["owner"]["name"] for r in person.json("ls") if r["name"] == name)


def offered(person):
    return [(o["resource"]["name"], o["from"]["name"]) for o in person.json("offers")]


def test_it_is_theirs_when_they_accept_it(ada, bob, carol):
    """Whoever manages it cannot give it away, nor take it; nobody is given anything unasked."""
    ada.good("share", "--resource", "web", "bob", "manage")
    bob.accept_all()
    fails(bob.cli("offer", "web", "bob"), 1, "does not allow this")
    fails(bob.cli("offer", "web", "carol"), 1, "does not allow this")
    assert ada.api.call("PATCH", f"/v1/resources/{ada.json('ls')[0]['id']}", {"owner": "bob"}).code == "bad_field"
    ada.good("offer", "web", "carol")
    assert offered(carol) == [("web", "ada")] and offered(bob) == []
    assert owner_of(ada, "web") == "ada" and carol.json("ls") == []
    fails(carol.cli("get", "web/root"), 1)
    assert "offered to you" in carol.login().stderr
    assert "nothing called" in fails(bob.cli("accept", "web"), 1)
    carol.good("accept", "web")
    assert owner_of(carol, "web") == "carol" and carol.good("get", "web/root") == "secret of web/root\n"
    assert [r["name"] for r in ada.json("ls")] == ["db", "old"] and offered(carol) == []
    assert owner_of(bob, "web") == "carol", "what was shared stays shared"


def test_an_offer_that_ends(ada, bob, carol):
    ada.good("offer", "db", "bob")
    ada.good("offer", "db", "carol")
    assert offered(bob) == [] and offered(carol) == [("db", "ada")], "the last one counts"
    made = f"/v1/resources/{next(r['id'] for r in ada.json('ls') if r['name'] == 'db')}/offer"
    ada.good("share", "--resource", "db", "bob", "manage")
    assert ada.api.must("GET", made)["to"]["name"] == "carol"
    assert [p.api.call("GET", made).status for p in (bob, carol)] == [403, 404], "its owner alone is told"
    ada.good("offer", "--withdraw", "db")
    assert ada.api.must("GET", made)["to"] is None
    ada.good("unshare", "--resource", "db", "bob")
    assert offered(carol) == [] and "offered to nobody" in fails(ada.cli("offer", "--withdraw", "db"), 1)
    ada.good("offer", "db", "carol")
    carol.good("refuse", "DB")  # names mean the same in either case, as everywhere
    assert offered(carol) == [] and owner_of(ada, "db") == "ada"
    db = next(r["id"] for r in ada.json("ls") if r["name"] == "db")
    for method, path in (("POST", "/offer/accept"), ("DELETE", "/offer")):
        assert bob.api.call(method, f"/v1/resources/{db}{path}").status == 404
    assert "no such user" in fails(ada.cli("offer", "db", "nobody"), 1)
    assert "yours already" in fails(ada.cli("offer", "db", "ada"), 1)


def test_who_leaves(ada, bob, carol, boss, hire, shared):
    """Their sessions end at once; what they own is somebody else's, in the bin too, and so is what they had offered; people are told."""
    eve = hire("eve", role="administrator")
    assert eve.login().returncode == bob.login().returncode == 0
    ada.good("rm", "--yes", "--resource", "old")
    ada.good("offer", "db", "carol")
    for args, words in (
        (["ada"], "--to NAME"),
        (["ada", "--to", "nobody", "--yes"], "no such user"),
        (["ada", "--to", "ada", "--yes"], "the user who leaves"),
        (["admin", "--to", "bob", "--yes"], "another administrator"),
        (["ada", "--to", "bob"], "no terminal"),
    ):
        p = boss.cli("user", "leave", *args)
        assert p.returncode in (1, 2) and words in p.stderr, (args, p)
    fails(bob.cli("user", "leave", "ada", "--to", "bob", "--yes"), 1)
    assert ada.cli("ls").returncode == 0
    said = boss.good("user", "leave", "ada", "--to", "bob", "--yes")
    assert "2 resources handed over" in said and "audit list --user ada" in said
    assert "session" in ada.cli("ls").stderr and ada.login().returncode == 1
    assert owner_of(bob, "db") == "bob" and bob.good("get", "db/root") == "secret of db/root\n"
    bob.good("undelete", "old")
    assert offered(carol) == [], "it is the new owner's to offer"
    assert json.loads(boss.good("user", "leave", "ada", "--to", "bob", "--yes", "--json")) == {"moved": 0}
    assert "handed over to you: ada, by admin" in bob.login().stderr
    assert "handed over to bob: ada, by admin" in eve.login().stderr
    assert "disabled" in fails(boss.cli("user", "leave", "carol", "--to", "ada", "--yes"), 1)
    assert shared.sql("SELECT count(*) FROM event WHERE kind = :USER_LEFT") == [["2"]]
    assert json.loads(boss.cli("audit", "verify", "--tables", "--json").stdout)["good"]
