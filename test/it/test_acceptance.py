# SPDX-License-Identifier: Apache-2.0
"""What one user shares with another by themselves is found and opened at once, and looked up by name once they accept it: no stranger answers in an account's place."""
import json

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
    """Has an account that scripts get by its name."""
    one = hire("ada")
    one.good("put", "prod/db", input="ada's own\n")
    return one


@pytest.fixture(scope="module")
def bob(hire):
    """Has one of the same name, and others."""
    one = hire("bob")
    for word in ("prod/db", "stage/db", "stage/web", "late/db", "team/db"):
        one.good("put", word, input=f"bob's {word}\n")
    return one


def account(person, word):
    name, login = word.split("/")
    return next(
        a["id"]
        for r in person.json("ls")
        for a in r["accounts"]
        if r["owner"]["name"] == "bob" and (r["name"], a["login"]) == (name, login)
    )


def waits(person):
    """What lists say of each account of bob's, and of its resource."""
    return {
        f"{r['name']}/{a['login']}": (r["waits"], a["waits"])
        for r in person.json("ls")
        for a in r["accounts"]
        if r["owner"]["name"] == "bob"
    }


def offered(person):
    said = []
    for o in person.json("offers"):
        name = (o["folder"] or o["resource"])["name"] + ("/" + o["account"]["login"] if o["account"] else "")
        said.append((name, o["kind"], o["ownership"], o["level"], o["from"]["name"]))
    return said


def same_tables(boss):
    return json.loads(boss.cli("audit", "verify", "--tables", "--json").stdout)["good"]


def test_a_strangers_share_answers_to_no_name(ada, bob):
    """H17: a name that one account answered to goes on meaning it; the other one is found, and opened by its id."""
    said = bob.good("share", "prod/db", "ada", "modify")
    assert said == "ada may now modify prod/db, by name once they accept it\n"
    assert ada.good("get", "prod/db") == "ada's own\n"
    assert ada.good("get", account(ada, "prod/db")) == "bob's prod/db\n"
    assert waits(ada) == {"prod/db": (True, True)}
    assert "modify (not accepted)" in ada.good("find", "prod")
    assert offered(ada) == [("prod/db", "account", False, "modify", "bob")]
    assert "offered to you" in ada.login().stderr
    why = ada.json("why", "ada", account(ada, "prod/db"))
    assert [w["waits"] for w in why["through"]] == [True]
    assert [s["waits"] for s in bob.json("shares", "prod/db")["shares"]] == [True]
    assert "ada (not accepted)" in bob.good("shares", "prod/db")
    ada.good("accept", "prod/db")
    assert offered(ada) == [] and waits(ada) == {"prod/db": (False, False)}
    assert "more than one" in fails(ada.cli("get", "prod/db"), 1)
    assert [w["waits"] for w in ada.json("why", "ada", account(ada, "prod/db"))["through"]] == [False]
    ada.good("unshare", account(ada, "prod/db"), "ada")
    assert ada.good("get", "prod/db") == "ada's own\n"


def test_what_is_not_accepted_takes_no_password(ada, bob):
    """H17: neither a new account nor an import goes into a stranger's resource of the name; nor is one found by a path."""
    bob.good("folder", "add", "safe")
    bob.good("put", "vault/db", "--folder", "safe", input="bob's\n")
    bob.good("share", "--folder", "safe", "ada", "modify")
    assert ada.api.must("GET", "/v1/resources?name=vault")["resources"] == []
    assert ada.api.must("GET", "/v1/folders?path=safe")["folders"] == []
    assert [(f["path"], f["waits"]) for f in ada.json("folder", "list")] == [("safe", True)]
    assert waits(ada) == {"vault/db": (True, True)}
    fails(ada.cli("get", "safe/vault/db"), 1, "no resource")
    ada.good("put", "vault/new", input="ada's new one\n")
    mine = {r["owner"]["name"]: len(r["accounts"]) for r in ada.json("ls") if r["name"] == "vault"}
    assert mine == {"ada": 1, "bob": 1}
    ada.good("accept", "safe")
    assert ada.good("get", "safe/vault/db") == "bob's\n"
    assert [(f["path"], f["waits"]) for f in ada.json("folder", "list")] == [("safe", False)]
    ada.good(
        "rm",
        "--yes",
        "--resource",
        next(r["id"] for r in ada.json("ls") if r["owner"]["name"] == "ada" and r["name"] == "vault"),
    )
    bob.good("unshare", "--folder", "safe", "ada")


def test_another_giving_waits_again(ada, bob, boss):
    """H15: another level or end is the same share; one that was withdrawn and given again is not."""
    bob.good("share", "stage/db", "ada")
    ada.good("accept", "stage/db")
    assert ada.good("get", "stage/db") == "bob's stage/db\n"
    assert bob.good("share", "stage/db", "ada", "modify") == "ada may now modify stage/db\n"
    assert ada.good("get", "stage/db") == "bob's stage/db\n"
    bob.good("unshare", "stage/db", "ada")
    bob.good("share", "stage/db", "ada")
    fails(ada.cli("get", "stage/db"), 1, "no resource")
    path = f"/v1/accounts/{account(ada, 'stage/db')}/shares/accept"
    before = ada.node.sql("SELECT count(*) FROM event WHERE kind = :SHARE_ACCEPTED")
    for _ in range(2):
        ada.api.must("POST", path)
    after = ada.node.sql("SELECT count(*) FROM event WHERE kind = :SHARE_ACCEPTED")
    assert int(after[0][0]) == int(before[0][0]) + 1, "once more changes nothing"
    assert ada.good("get", "stage/db") == "bob's stage/db\n"
    assert bob.api.call("POST", path).code == "not_found", "it is not shared with its owner"
    bob.good("unshare", "stage/db", "ada")
    assert ada.api.call("POST", path).code == "not_found"
    assert same_tables(boss)


def test_it_is_given_up(ada, bob, hire):
    """H17: everybody may give up what they were given, and nobody what others were."""
    eve = hire("eve")
    bob.good("share", "--resource", "stage", "ada", "manage")
    bob.good("share", "stage/web", "eve")
    assert offered(ada) == [("stage", "resource", False, "manage", "bob")]
    assert "gives up" in ada.good("help", "refuse")
    web = account(ada, "stage/web")
    assert eve.api.call("DELETE", f"/v1/accounts/{web}/shares/bob").status == 403
    assert eve.api.call("DELETE", f"/v1/accounts/{web}/shares/nobody").status == 403
    ada.good("refuse", "stage")
    assert offered(ada) == [] and waits(ada) == {} and bob.json("shares", "--resource", "stage")["shares"] == []
    assert "nothing called" in fails(ada.cli("refuse", "stage"), 1)
    eve.good("accept", "stage/web")
    eve.good("unshare", "stage/web", "eve")
    assert eve.json("ls") == []


def test_a_team_needs_none(ada, bob, boss):
    """What comes through a team is found by name at once, also what waits by itself."""
    boss.good("team", "add", "ops")
    boss.good("member", "add", "ops", "ada")
    bob.good("share", "team/db", "ada", "manage")
    fails(ada.cli("get", "team/db"), 1, "no resource")
    assert bob.good("share", "team/db", "ops") == "ops may now view team/db\n"
    assert ada.good("get", "team/db") == "bob's team/db\n"
    assert waits(ada) == {"team/db": (False, False)}
    assert offered(ada) == [("team/db", "account", False, "manage", "bob")]
    boss.good("member", "remove", "ops", "ada")
    fails(ada.cli("get", "team/db"), 1, "no resource")
    ada.good("refuse", "team", "db")
    assert same_tables(boss)


def test_an_accepted_share_ends(ada, bob, clock):
    """By the clock of the node that is asked, by name as by id; what ended waits for nobody."""
    bob.good("share", "late/db", "ada", "--until", "1h")
    ada.good("accept", "late/db")
    assert ada.good("get", "late/db") == "bob's late/db\n"
    bob.good("share", "stage/web", "ada", "--until", "1h")
    assert offered(ada) == [("stage/web", "account", False, "view", "bob")]
    clock.put_clock_on(HOUR + 1)
    fails(ada.cli("get", "late/db"), 1, "no resource")
    assert offered(ada) == [] and "offered" not in ada.login().stderr
    bob.good("share", "late/db", "ada", "--until", "1h")
    assert ada.good("get", "late/db") == "bob's late/db\n", "another end is the same share"


def test_an_offer_of_what_is_shared(ada, bob):
    """Ownership is asked about first; whoever refuses it has the share to answer still."""
    bob.good("put", "both/db", input="bob's\n")
    bob.good("share", "--resource", "both", "ada")
    bob.good("offer", "both", "ada")
    mine = [o for o in offered(ada) if o[0] == "both"]
    assert mine == [("both", "resource", True, None, "bob")]
    ada.good("refuse", "both")
    assert ("both", "resource", False, "view", "bob") in offered(ada)
    bob.good("offer", "both", "ada")
    ada.good("accept", "both")
    assert [o for o in offered(ada) if o[0] == "both"] == [] and ada.good("get", "both/db") == "bob's\n"
