# SPDX-License-Identifier: Apache-2.0
"""Teams: what is shared with one is shared with whoever is in it, as long as they are in it and it is there; nobody else learns anything."""
import json

import pytest

from verbs import fails


@pytest.fixture(scope="module")
def ada(hire):
    """Owns what is shared here."""
    one = hire("ada")
    for word in ("net/root", "net/guest", "lab/root"):
        one.good("put", word, input=f"secret of {word}\n")
    return one


@pytest.fixture(scope="module")
def bob(hire):
    return hire("bob")


@pytest.fixture(scope="module")
def carol(hire):
    return hire("carol")


@pytest.fixture
def ops(boss, bob):
    """A team with bob in it, gone afterwards."""
    boss.good("team", "add", "ops")
    boss.good("member", "add", "ops", "bob")
    yield "ops"
    boss.cli("team", "remove", "ops")


def sees(person):
    """What lists, searches and look-ups show, which have to agree."""
    listed = {r["name"]: [a["login"] for a in r["accounts"]] for r in person.json("ls")}
    found = {r["name"]: [a["login"] for a in r["accounts"]] for r in person.json("find", "root")}
    assert found.items() <= {n: ls for n, ls in listed.items() if any("root" in l for l in ls)}.items(), (found, listed)
    return {f"{n}/{l}" for n, ls in listed.items() for l in ls}


def reads(person, word):
    p = person.cli("get", word)
    assert p.returncode in (0, 1) and (p.returncode == 1) == (p.stdout == ""), p
    return p.returncode == 0


def writes(person, word):
    return person.cli("put", word, input="by a member\n").returncode == 0


def test_shared_with_a_team_is_shared_with_its_members(ada, bob, carol, ops):
    assert sees(bob) == set() and not reads(bob, "net/root")
    ada.good("share", "net/root", ops)
    assert sees(bob) == {"net/root"} and reads(bob, "net/root")
    assert not writes(bob, "net/root") and not reads(bob, "net/guest")
    assert sees(carol) == set() and not reads(carol, "net/root")
    ada.good("share", "--resource", "net", ops, "modify")
    assert sees(bob) == {"net/root", "net/guest"} and writes(bob, "net/root")
    ada.good("unshare", "--resource", "net", ops)
    assert sees(bob) == {"net/root"} and not writes(bob, "net/root")
    ada.good("unshare", "net/root", ops)
    assert sees(bob) == set() and not reads(bob, "net/root")


def test_of_several_shares_the_highest_counts(ada, bob, boss, ops):
    """Their own and those of two teams; what is left counts when one goes."""
    boss.good("team", "add", "netops")
    try:
        boss.good("member", "add", "netops", "bob")
        ada.good("share", "lab/root", ops, "view")
        ada.good("share", "lab/root", "netops", "manage")
        ada.good("share", "lab/root", "bob", "modify")
        bob.good("shares", "lab/root")
        boss.good("team", "remove", "netops")
        assert fails(bob.cli("shares", "lab/root"), 1) and writes(bob, "lab/root")
        ada.good("unshare", "lab/root", "bob")
        assert reads(bob, "lab/root") and not writes(bob, "lab/root")
    finally:
        boss.cli("team", "remove", "netops")


def ways(person, *words):
    said = person.json("why", *words)
    return said["level"], [
        (w["on"], w["level"], w["team"] and w["team"]["name"], bool(w["granted"])) for w in said["through"]
    ]


def test_why_somebody_may(ada, bob, carol, boss, ops):
    """Each way, the highest first; of others only whoever may manage it is told, and nobody learns what they may not see."""
    ada.good("share", "net/guest", ops, "modify")
    ada.good("share", "--resource", "net", "bob", "view")
    expected = ("modify", [("account", "modify", ops, True), ("resource", "view", None, True)])
    assert ways(ada, "bob", "net/guest") == ways(bob, "bob", "net/guest") == expected
    assert ways(bob, "bob", "--resource", "net") == ("view", [("resource", "view", None, True)])
    assert ways(ada, "ada", "net/guest") == ("owner", [("resource", "owner", None, False)])
    assert ways(ada, "carol", "net/guest") == (None, [])
    said = ada.good("why", "bob", "net", "guest")
    assert "share of the account with ops (team)" in said and "share of the resource with them" in said, said
    assert "carol may do nothing" in ada.good("why", "carol", "net/guest")
    fails(bob.cli("why", "ada", "net/guest"), 1, "does not allow this")
    for who in (carol, boss):
        fails(who.cli("why", "bob", "net/guest"), 1, "no resource")
    assert "no such user" in fails(ada.cli("why", "nobody", "net/guest"), 1)
    ada.good("unshare", "--resource", "net", "bob")


def test_who_comes_and_who_goes(ada, bob, carol, boss, ops):
    ada.good("share", "net/root", ops)
    boss.good("member", "add", ops, "carol")
    assert reads(carol, "net/root") and sees(carol) == {"net/root"}
    boss.good("member", "remove", ops, "carol")
    assert not reads(carol, "net/root") and sees(carol) == set() and reads(bob, "net/root")
    assert "not in this team" in fails(boss.cli("member", "remove", ops, "carol"), 1)
    assert "in this team already" in fails(boss.cli("member", "add", ops, "bob"), 1)
    boss.good("team", "remove", ops)
    assert not reads(bob, "net/root") and sees(bob) == set()
    assert "WHO" in ada.good("shares", "net/root") and ops not in ada.good("shares", "net/root")


def test_a_new_team_of_an_old_name_has_nothing_of_the_old_one(ada, bob, boss, ops):
    ada.good("share", "net/root", ops)
    boss.good("team", "remove", ops)
    boss.good("team", "add", ops)
    boss.good("member", "add", ops, "bob")
    assert not reads(bob, "net/root") and sees(bob) == set()


def test_users_and_teams_have_different_names(boss, bob, ops):
    for args in (
        ["user", "add", "OPS"],
        ["team", "add", "Ops"],
        ["team", "add", "bob"],
        ["team", "rename", ops, "bob"],
    ):
        assert "user or team of this name" in fails(boss.cli(*args), 1), args
    assert "no user" in fails(boss.cli("user", "disable", ops), 1)
    assert "no team" in fails(boss.cli("team", "remove", "bob"), 1)
    assert "no such user" in fails(boss.cli("member", "add", ops, ops), 1), "teams are flat"
    said = boss.good("team", "rename", ops, "first line")
    assert "first line" in said and "first line" in bob.good("team", "list")
    boss.good("team", "rename", "first line", ops)
    p = bob.cli("login", "--ca", bob.node.web_cert, bob.node.url, ops, input="whatever-it-is-1\n")
    assert p.returncode == 1 and "wrong" in p.stderr, "nobody logs in as a team"


def test_who_knows_of_a_team(ada, bob, carol, boss, ops):
    """Members and administrators; for others it is not there, whatever they ask."""
    assert [t["name"] for t in boss.json("team", "list")] == [ops]
    assert [(t["name"], t["members"], t["mine"]) for t in bob.json("team", "list")] == [(ops, 1, True)]
    assert [m["user"]["name"] for m in bob.json("member", "list", ops)] == ["bob"]
    assert carol.json("team", "list") == [] and "no teams" in carol.good("team", "list")
    fails(carol.cli("member", "list", ops), 1)
    team = boss.json("team", "list")[0]["id"]
    for path in (f"/v1/teams/{team}", f"/v1/teams/{team}/members"):
        assert carol.api.call("GET", path).status == 404
    for method, path, body in (
        ("POST", "/v1/teams", {"name": "mine"}),
        ("PATCH", f"/v1/teams/{team}", {"name": "mine"}),
        ("DELETE", f"/v1/teams/{team}", None),
        ("POST", f"/v1/teams/{team}/members", {"user": "bob"}),
        ("DELETE", f"/v1/teams/{team}/members/bob", None),
    ):
        assert bob.api.call(method, path, body).status == 403, (method, path)
    ada.good("share", "net/guest", ops)
    shares = ada.json("shares", "net/guest")["shares"]
    assert [(s["user"]["name"], s["team"], s["level"]) for s in shares] == [(ops, True, "view")]
    assert "ops (team)" in ada.good("shares", "net/guest")


def test_bounds(boss, bob, shared, ops):
    """A user is in at most 200 teams: each costs a retrieval of theirs a look."""
    shared.sql(
        "INSERT INTO principal (id, name, role, made_as, created_at) "
        "SELECT gen_random_uuid(), 'bound ' || n, 'team', 'team', now() FROM generate_series(1, 200) n; "
        "INSERT INTO member (team, principal, since) SELECT t.id, u.id, now() FROM principal t, principal u "
        "WHERE t.name LIKE 'bound %' AND u.name = 'carol'"
    )
    try:
        assert "at most 200 teams" in fails(boss.cli("member", "add", ops, "carol"), 1)
        assert len(boss.json("team", "list")) == 201
    finally:
        shared.sql(
            "DELETE FROM member WHERE team IN (SELECT id FROM principal WHERE name LIKE 'bound %'); "
            "DELETE FROM principal WHERE name LIKE 'bound %'"
        )


def test_administrators_are_told_who_put_themselves_into_a_team(boss, hire, ops):
    """Whoever does it reads from then on what is shared with the team."""
    eve = hire("eve", role="administrator")
    assert eve.login().returncode == 0
    boss.good("member", "add", ops, "admin")
    said = eve.login()
    assert "admin put themselves into a team: ops" in said.stderr, said
    assert "put themselves" not in eve.login().stderr, "they are told once"


def test_the_log_says_who_did_what(ada, boss, shared, ops):
    ada.good("share", "net/root", ops)
    boss.good("member", "remove", ops, "bob")
    said = shared.sql(
        "SELECT kind, body::json->>'name' FROM event WHERE kind IN "
        "(:TEAM_CREATED, :MEMBER_ADDED, :SHARED, :MEMBER_REMOVED) ORDER BY seq DESC LIMIT 4"
    )
    assert [name for _, name in said] == ["bob", ops, "bob", ops]
    assert json.loads(boss.cli("audit", "verify", "--tables", "--json").stdout)["good"]
