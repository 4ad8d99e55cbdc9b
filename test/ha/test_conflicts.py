# SPDX-License-Identifier: Apache-2.0
"""Both sides of a cut were written to and administered, because one of them was promoted. Nothing is dropped: people see what was
made of it, settle it, and the log tells it in order.
"""
import json
import time

import pytest

import checker
from faults import FAULTS
from orders import back_to_the_first, order
from stage import PASSWORD
from wait import wait_until

BOTH, AGAIN = "site 00003/root3", "site 00004/root4"  # accounts that both sides write to
TAKEN, GIVEN = "site 00005/root5", "site 00006/root6"  # shares on which they do not agree
RENAMED, REMOVED = "site 00015", "site 00016"  # one that both rename, one that is removed while something is made in it


class Side:
    """The administrator at one node's site, while the line is cut."""

    def __init__(self, st, host, node):
        self.st, self.host, self.node = st, host, node
        self.session = st.login("admin", host=host, to=node)

    def do(self, *args, input=None, check=True):
        return self.st.cli(*args, host=self.host, session=self.session, input=input, check=check)

    def json(self, *args):
        return json.loads(self.do(*args, "--json").stdout)


def user(side, name):
    return [u for u in side.json("user", "list") if u["name"] == name][0]


def events(side, *kinds):
    rows = side.json("audit", "list", "--most", "400")
    rows = rows["events"] if isinstance(rows, dict) else rows
    return [r for r in rows if r["kind"] in kinds][::-1]  # the oldest first


def told(side):
    return side.json("conflicts", "--administration")


def west_does(w):
    """The former primary's side: two versions of the one account, and what is safer in two of three questions."""
    for account, value in ((BOTH, "west-1"), (BOTH, "west-2"), (AGAIN, "west-only")):
        w.do("put", account, input=value + "\n")
    w.do("user", "disable", "carl")
    w.do("unshare", TAKEN, "dora")
    w.do("share", GIVEN, "dora", "manage")
    w.do("rename", "--resource", RENAMED, "west site")
    w.do("rm", "--resource", REMOVED, "--yes")


def east_does(e):
    """The promoted side, which knows nothing of it."""
    for account, value in ((BOTH, "east-1"), (AGAIN, "east-only"), (f"{REMOVED}/made apart", "made-apart")):
        e.do("put", account, input=value + "\n")
    e.do("user", "disable", "carl")
    e.do("user", "enable", "carl")
    e.do("user", "promote", "carl")
    e.do("share", TAKEN, "dora", "modify")
    e.do("unshare", GIVEN, "dora")
    e.do("rename", "--resource", RENAMED, "east site")


def cut_and_meet(st):
    """Both sides work while the line is cut and B is promoted; then they meet. The administrator at the new primary."""
    begun = time.monotonic()
    FAULTS["link-cut"].do(st)
    st.b.wait_state("emergency")
    order(st.b, "promote", "--yes")
    st.b.wait_ready()
    west_does(Side(st, "a", st.a))
    east_does(Side(st, "b", st.b))
    assert st.a.sql("SELECT pg_is_in_recovery()") == st.b.sql("SELECT pg_is_in_recovery()") == [["f"]]
    FAULTS["link-cut"].undo(st)
    st.home_again(primary=st.b)
    print(f"both sides met and were Alive {time.monotonic() - begun:.1f} s after the cut")
    return Side(st, "client", st.b)


def versions_are_all_there(s, st):
    """Every value can still be read, and says who made it, when and where, and upon what."""
    rows = {v["n"]: v for v in s.json("history", BOTH)["versions"]}
    value = {n: s.do("get", BOTH, "--version", n).stdout.strip() for n in rows}
    assert sorted(value.values()) == sorted(["s3cret-site-00003", "east-1", "west-1", "west-2"]), value
    n_of = {v: n for n, v in value.items()}
    for v, node in (("east-1", st.b), ("west-1", st.a), ("west-2", st.a)):
        row = rows[n_of[v]]
        assert row["node"]["name"] == node.name and row["author"]["name"] == "admin" and row["created"], row
    assert rows[n_of["west-2"]]["based_on"] == n_of["west-1"], "the number that it was made upon is the one it has here"
    assert (
        rows[n_of["west-1"]]["conflict"] and rows[n_of["west-2"]]["conflict"] and not rows[n_of["east-1"]]["conflict"]
    ), rows
    return n_of


def people_are_told(s):
    """Whoever uses the account sees it: in the list, with the secret, and as a list of its own."""
    assert "conflict" in [l for l in s.do("ls").stdout.splitlines() if l.startswith(BOTH)][0]
    got = s.do("get", BOTH)
    assert got.stdout.strip() == "east-1" and "versions in conflict" in got.stderr, got
    assert {f"{c['resource']['name']}/{c['login']}" for c in s.json("conflicts")} == {BOTH, AGAIN}


def settle(s, n_of):
    """By a version that is there; by a new one. A plain put settles nothing."""
    s.do("put", AGAIN, input="plain\n")
    assert len(s.json("conflicts")) == 2
    s.do("settle", BOTH, n_of["west-2"])
    got = s.do("get", BOTH)
    assert got.stdout.strip() == "west-2" and "conflict" not in got.stderr
    s.do("put", "--settle", AGAIN, input="agreed\n")
    assert s.do("get", AGAIN).stdout.strip() == "agreed" and s.json("conflicts") == []
    assert len(s.json("history", BOTH)["versions"]) == 4 and len(s.json("history", AGAIN)["versions"]) == 5


def the_safer_counts(s, st):
    """Whichever side it was done on: the log of B came first, of A's after it."""
    carl = user(s, "carl")
    assert carl["disabled"] is True, "disabled on the one side beats disabled and enabled on the other"
    assert carl["role"] == "administrator", "what only one side changed is no conflict"
    for account in (TAKEN, GIVEN):
        shares = s.json("shares", account)
        assert "dora" not in json.dumps(shares), f"{account} is shared with dora after one side took it back: {shares}"


def nothing_made_is_lost(s):
    """Of two names the one counts whose log is the older, on whichever side it was given; what was removed while something was made in it is back."""
    assert s.do("find", "west site").stdout and not s.json("find", "east site") and not s.json("find", RENAMED)
    back = [r for r in s.json("find", REMOVED) if r["name"] == REMOVED][0]
    assert {a["login"] for a in back["accounts"]} == {"root2", "made apart"}, back
    assert s.do("get", f"{REMOVED}/made apart").stdout.strip() == "made-apart"
    assert s.do("get", f"{REMOVED}/root2").stdout.strip() == "s3cret-site-00016"


def the_administrator_is_told(s, st):
    """Five conflicts of administration, each an event, each open until it is acknowledged."""
    rows = told(s)

    def name(c, what):
        return (c[what] or {}).get("name")

    outcome = {(c["what"], name(c, "user"), name(c, "target")): (c["kept"], c["lost"]) for c in rows}
    assert outcome == {
        ("disabled", "carl", None): ("true", "false"),
        ("share", "dora", TAKEN): ("none", "modify"),
        ("share", "dora", GIVEN): ("none", "manage"),
        ("name", None, "west site"): ("west site", "east site"),
        ("removed", None, REMOVED): ("kept", "removed"),
    }, rows
    assert all(c["acknowledged"] is None for c in rows), rows
    lost_on = {name(c, "target"): c["node"]["name"] for c in rows}
    assert lost_on == {
        None: st.b.name,
        TAKEN: st.b.name,
        GIVEN: st.a.name,
        "west site": st.b.name,
        REMOVED: st.a.name,
    }, rows
    shown = s.do("conflicts", "--administration").stdout
    assert "name of west site" in shown and f"removed of {REMOVED}" in shown, shown
    found = {
        (e["body"]["what"], e["body"]["name"], e["body"]["kept"], e["body"]["lost"])
        for e in events(s, "admin_conflict")
    }
    assert found == {
        ("disabled", "carl", "true", "false"),
        ("share", "dora", "none", "modify"),
        ("share", "dora", "none", "manage"),
        ("name", "west site", "west site", "east site"),
        ("removed", REMOVED, "kept", "removed"),
    }, found
    login = ("login", "--ca", st.b.web_cert, st.b.url, "admin")
    wait_until(
        "the login tells of conflicts",
        lambda: st.cli(*login, session=st.dir / "told.session", input=PASSWORD + "\n").stderr,
        lambda said: "conflicts --administration" in said,
        every=0.3,
    )  # the number is counted now and then
    wait_until("an administrator's own program is told of five", lambda: waiting(st), lambda n: n == 5, every=0.2)
    first = s.json("conflicts", "--acknowledge", rows[0]["id"][:8])
    assert [c["id"] for c in first] == [rows[0]["id"]]
    assert sorted(c["acknowledged"] is None for c in told(s)) == [False, True, True, True, True]
    assert {c["acknowledged"]["by"] for c in told(s) if c["acknowledged"]} == {"admin"}
    assert s.do("conflicts", "--acknowledge", "00000000", check=False).returncode == 1
    s.do("conflicts", "--acknowledge", "all")
    assert all(c["acknowledged"] for c in told(s)) and len(events(s, "admin_acknowledged")) == 5
    wait_until(
        "the login tells no more of conflicts that were acknowledged",
        lambda: st.cli(*login, session=st.dir / "told.session", input=PASSWORD + "\n").stderr,
        lambda said: "conflicts" not in said,
        every=0.3,
    )  # the number is counted now and then


def waiting(st):
    """What an administrator's own program is told; the count may be a second old."""
    r = st.call("client", st.dir / "told.session", st.b, "GET", "/v1/session")
    return r["body"].get("administration_conflicts", 0)


def the_log_tells_it_in_order(s, st):
    """Both sides, each in its own order and under its own name, and how they came together."""
    rows = events(
        s, "version_added", "shared", "unshared", "user_changed", "promoted", "merged", "admin_conflict", "ha_state"
    )
    since = max(i for i, e in enumerate(rows) if e["kind"] == "promoted" and e["node"]["name"] == st.b.name)
    of = {n.name: [e for e in rows if e["node"]["name"] == n.name] for n in (st.a, st.b)}
    for name, mine in of.items():
        assert [e["seq"] for e in mine] == sorted(e["seq"] for e in mine), f"the log of {name} is out of order"
    story = {
        n: [e["kind"] for e in mine if e["kind"] not in ("ha_state", "merged", "promoted", "admin_conflict")]
        for n, mine in of.items()
    }
    assert story[st.a.name][-6:] == ["version_added"] * 3 + ["user_changed", "unshared", "shared"], story
    assert story[st.b.name][-9:] == ["version_added"] * 3 + ["user_changed"] * 3 + ["shared", "unshared"] or story[
        st.b.name
    ][:8] == ["version_added"] * 3 + ["user_changed"] * 3 + ["shared", "unshared"], story
    after = [e["kind"] for e in rows[since:] if e["node"]["name"] == st.b.name]
    assert (
        after.index("promoted") < after.index("version_added") < after.index("merged") < after.index("admin_conflict")
    ), after


@pytest.mark.h7
@pytest.mark.h10
@pytest.mark.h15
def test_both_sides_changed_the_same(st):
    """Nothing is dropped, people settle, the safer administration counts, and the log tells it."""
    for name in ("carl", "dora"):
        st.cli("user", "add", name)
    for account in (TAKEN, GIVEN):
        st.cli("share", account, "dora", "view")
    s = cut_and_meet(st)
    people_are_told(s)
    n_of = versions_are_all_there(s, st)
    the_safer_counts(s, st)
    nothing_made_is_lost(s)
    the_administrator_is_told(s, st)
    the_log_tells_it_in_order(s, st)
    settle(s, n_of)
    back_to_the_first(st)
    print(checker.whole(st, siblings=True))


# ---- names that both sides gave ----

SITE, LOGIN, SWITCH = "site 00007", "newadmin", "new switch"


def are_two(st):
    """The line is cut, and B is promoted."""
    st.home_again()
    FAULTS["link-cut"].do(st)
    st.b.wait_state("emergency")
    order(st.b, "promote", "--yes")
    st.b.wait_ready()


def name_alike(side, value):
    """An account in a resource that both sides have, and a resource with an account."""
    side.do("put", f"{SITE}/{LOGIN}", input=f"{value}-account\n")
    side.do("put", f"{SWITCH}/root", input=f"{value}-switch\n")


def held(s):
    return s.json("conflicts", "--names")


def full(name):
    """How a list shows it and a person writes it."""
    resource = name["resource"]["name"] + (name["resource"]["suffix"] or "")
    return f"{resource}/{name['login']}{name['suffix']}" if name["login"] else resource


def all_are_reached(s, names):
    """By id and by the suffix that every list shows; a plain name that means two is refused, with both."""
    listed, found = s.do("ls").stdout, s.do("find", "new").stdout
    for name in names:
        account = full(name) if name["login"] else full(name) + "/root"
        side = "west" if name["node"]["name"] == s.st.a.name else "east"
        value = f"{side}-{'account' if name['login'] else 'switch'}"
        assert s.do("get", account).stdout.strip() == value
        if name["login"]:
            assert s.do("get", name["id"]).stdout.strip() == value
            assert s.do("get", f"{SITE}/{LOGIN}{name['suffix'].upper()}").stdout.strip() == value
            s.do("history", account)
        assert account in listed and account in found, (account, listed)
    for verb, plain in (("get", f"{SITE}/{LOGIN}"), ("get", f"{SWITCH}/root"), ("history", f"{SITE}/{LOGIN}")):
        p = s.do(verb, plain, check=False)
        assert p.returncode == 1 and "means more than one" in p.stderr, p
        meant = [n for n in names if bool(n["login"]) == plain.startswith(SITE)]
        assert all(full(n) in p.stderr for n in meant), p.stderr
    p = s.do("put", f"{SWITCH}/other", input="x\n", check=False)
    assert p.returncode == 1 and "means more than one" in p.stderr, p


def all_are_told(s, names):
    """To everyone concerned: what it is called, and when, by whom and on which node it was made."""
    assert sorted((n["kind"], n["node"]["name"], n["author"]["name"], n["others"]) for n in names) == sorted(
        (kind, node.name, "admin", 1) for kind in ("account", "resource") for node in (s.st.a, s.st.b)
    )
    assert all(n["created"] for n in names)
    said = s.do("conflicts").stdout
    assert all(full(n) in said for n in names) and s.st.a.name in said and s.st.b.name in said, said
    assert s.json("conflicts") == [], "no version is in conflict"


def nobody_takes_it_anew(s):
    own = [r for r in s.json("find", SITE) if r["name"] == SITE][0]["accounts"]
    login = [a["login"] for a in own if a["login"] != LOGIN][0]
    for verb in (("rename", f"{SITE}/{login}", LOGIN), ("rename", "--resource", "site 00008", SWITCH)):
        p = s.do(*verb, check=False)
        assert p.returncode == 1 and "already" in p.stderr, p


def people_end_it(s, names):
    """Two accounts become one; of two resources one gets another name, and the other has the plain one to itself again."""
    account, resource = ([n for n in names if bool(n["login"]) == kind] for kind in (True, False))
    s.do("combine", full(account[0]), full(account[1]))
    assert [n["kind"] for n in held(s)] == ["resource", "resource"]
    values = {s.do("get", f"{SITE}/{LOGIN}", "--version", n).stdout.strip() for n in (1, 2)}
    assert values == {"west-account", "east-account"} and len(s.json("conflicts")) == 1
    s.do("settle", f"{SITE}/{LOGIN}", 2)
    s.do("rename", "--resource", full(resource[1]), "old switch")
    assert held(s) == [] and s.do("conflicts").stdout.strip() == "no conflicts"
    values = {s.do("get", f"{n}/root").stdout.strip() for n in (SWITCH, "old switch")}
    assert values == {"west-switch", "east-switch"}
    assert "~" not in s.do("find", "switch").stdout


@pytest.mark.h7
@pytest.mark.h15
def test_both_sides_made_the_same_names(st):
    """No name decides a merge: everything is there, under names that tell it apart, until somebody renames it."""
    are_two(st)
    name_alike(Side(st, "a", st.a), "west")
    name_alike(Side(st, "b", st.b), "east")
    FAULTS["link-cut"].undo(st)
    st.home_again(primary=st.b)
    s = Side(st, "client", st.b)
    wait_until("what both sides made is merged", lambda: held(s), lambda names: len(names) == 4)
    names = held(s)
    all_are_told(s, names)
    all_are_reached(s, names)
    nobody_takes_it_anew(s)
    assert st.b.sql("SELECT count(*) FROM event WHERE body LIKE '%not_applied%'") == [["0"]]
    assert s.json("audit", "verify", "--tables")["good"]
    people_end_it(s, names)
    assert s.json("audit", "verify", "--tables")["good"]
    back_to_the_first(st)
    print(checker.whole(st, siblings=True))


def make_bob(side):
    return side.json("user", "add", "bob")["setup_token"]


def log_in(st, as_whom, name, words, *more):
    """A log-in at the primary with its own session file; what is said."""
    session = st.dir / f"{as_whom}.session"
    p = st.cli("login", "--ca", st.b.web_cert, *more, st.b.url, name, session=session, input=words, check=False)
    return p, session


@pytest.mark.h7
@pytest.mark.h15
def test_both_sides_made_the_same_user(st):
    """Both log in by the name, each with what is theirs, and are told how they are called until somebody renames them."""
    are_two(st)
    tokens = {"west": make_bob(Side(st, "a", st.a)), "east": make_bob(Side(st, "b", st.b))}
    FAULTS["link-cut"].undo(st)
    st.home_again(primary=st.b)
    s = Side(st, "client", st.b)
    wait_until("both users are there", lambda: held(s), lambda names: len(names) == 2)
    names = {"west" if n["node"]["name"] == st.a.name else "east": n for n in held(s)}
    assert {n["kind"] for n in names.values()} == {"user"} and sorted(names) == ["east", "west"]
    called = {side: n["user"]["name"] + n["user"]["suffix"] for side, n in names.items()}
    for side, token in tokens.items():
        password = f"Correct-Horse-{side}-9"
        p, session = log_in(st, side, "bob", f"{token}\n{password}\n", "--setup")
        assert p.returncode == 0 and called[side] in p.stderr, p
        for name in ("bob", called[side]):
            p, session = log_in(st, side, name, password + "\n")
            assert p.returncode == 0 and called[side] in p.stderr, p
        me = st.call("client", session, st.b, "GET", "/v1/users/me")["body"]
        assert me["id"] == names[side]["id"], me
        mine = st.cli("conflicts", "--names", "--json", session=session)
        assert [n["id"] for n in json.loads(mine.stdout)] == [me["id"]], "everybody is told of themselves"
    assert log_in(st, "nobody", "bob", "Correct-Horse-north-9\n")[0].returncode == 1
    failed = [e["object"] for e in events(s, "login_failed")][-2:]
    assert sorted(failed) == sorted(n["id"] for n in names.values()), "a failure counts for each who was tried"
    for verb in (("user", "disable", "bob"), ("share", "--resource", "site 00009", "bob", "view")):
        p = s.do(*verb, check=False)
        assert p.returncode == 1 and "more than one" in p.stderr, p
    assert all(c in s.do("user", "list").stdout and c in s.do("conflicts").stdout for c in called.values())
    assert s.json("audit", "verify", "--tables")["good"]
    s.do("user", "rename", called["west"], "robert")
    assert held(s) == [] and "~" not in s.do("user", "list").stdout
    for side, name in (("west", "robert"), ("east", "bob")):
        p, _ = log_in(st, side, name, f"Correct-Horse-{side}-9\n")
        assert p.returncode == 0 and "another user has this name" not in p.stderr, p
        assert ("you were renamed" in p.stderr) == (side == "west"), p
    assert s.json("audit", "verify", "--tables")["good"]
    back_to_the_first(st)
    print(checker.whole(st, siblings=True))


# ---- generations ----


def set_up(st, name, token, node, host):
    """A user's password by the one-time token; the session that begins with it."""
    session = st.dir / f"{name}-{host}.session"
    words = f"{token}\n{PASSWORD}\n"
    st.cli("login", "--setup", "--ca", node.web_cert, node.url, name, session=session, input=words, host=host)
    return session


def goes_on(st, session, host="client"):
    p = st.cli("ls", session=session, host=host, check=False)
    assert p.returncode == 0 or "log in" in p.stderr, p
    return p.returncode == 0


@pytest.mark.h5
@pytest.mark.h7
def test_a_session_ends_by_a_reset_that_its_node_did_not_know_of(st):
    """In emergency it works, as nobody there can know; when it is heard of it is over, and others go on."""
    st.home_again()
    for name in ("eve", "fay"):
        set_up(st, name, json.loads(st.cli("user", "add", name, "--json").stdout)["setup_token"], st.a, "a")
    FAULTS["link-cut"].do(st)
    st.b.wait_state("emergency")
    sessions = [st.login(name, host="b", to=st.b) for name in ("eve", "fay")]
    Side(st, "a", st.a).do("user", "reset", "eve")
    assert [goes_on(st, s, "b") for s in sessions] == [True, True]
    FAULTS["link-cut"].undo(st)
    st.home_again(primary=st.a)
    wait_until("the reset counts", lambda: [goes_on(st, s, "b") for s in sessions], lambda seen: seen == [False, True])
    print(checker.whole(st, siblings=True))


@pytest.mark.h7
@pytest.mark.h10
@pytest.mark.h15
def test_resets_on_both_sides_both_count(st):
    """Whoever began without knowing of both is over; whoever begins with both known stands."""
    st.home_again()
    first = set_up(st, "gil", json.loads(st.cli("user", "add", "gil", "--json").stdout)["setup_token"], st.a, "a")
    assert goes_on(st, first)
    are_two(st)
    begun = {}
    for host, node in (("a", st.a), ("b", st.b)):
        token = Side(st, host, node).json("user", "reset", "gil")["setup_token"]
        begun[host] = set_up(st, "gil", token, node, host)
        assert goes_on(st, begun[host], host)
    FAULTS["link-cut"].undo(st)
    st.home_again(primary=st.b)
    s = Side(st, "client", st.b)
    wait_until(
        "all of both sides is over", lambda: [goes_on(st, x) for x in begun.values()], lambda seen: not any(seen)
    )
    assert not goes_on(st, first)
    last = set_up(st, "gil", s.json("user", "reset", "gil")["setup_token"], st.b, "client")
    assert goes_on(st, last) and goes_on(st, st.login("gil", to=st.b))
    assert s.json("audit", "verify", "--tables")["good"]
    back_to_the_first(st)
    print(checker.whole(st, siblings=True))
