# SPDX-License-Identifier: Apache-2.0
"""What is withdrawn at a secondary in emergency (H5): a user is disabled, a share taken back, sessions are ended. It is in force there at once,
also after a restart, and home with the journal; whatever grants something is refused there.
"""
import json

import pytest

import checker
from damage import cut
from stage import PASSWORD, On
from versions import account_of, get, history, name_of
from wait import wait_until

SHARED, OTHER = 1, 2  # accounts that dora may view


@pytest.fixture
def people(st):
    """carl, dora and eve, each with a session that both nodes know: {name: session}."""
    sessions = {name: st.new_user(name) for name in ("carl", "dora", "eve")}
    for i in (SHARED, OTHER):
        st.cli("share", name_of(i), "dora", "view")
    checker.both_equal(st.a, st.b)
    return sessions


def reads(st, session, i, node, host):
    return On(st, host, session).call(node, "POST", f"/v1/accounts/{account_of(st, i)}/retrieve", {"reason": "w"})[
        "status"
    ]


def knows(st, session, node, host):
    return On(st, host, session).call(node, "GET", "/v1/session")["status"]


def logs_in(st, name, node):
    p = st.cli(
        "login",
        "--ca",
        node.web_cert,
        node.url,
        name,
        host="b",
        session=st.dir / f"{name}.try",
        input=PASSWORD + "\n",
        check=False,
    )
    return p.returncode == 0


def in_force(st, people, eve):
    """At B: carl is out, dora has the one account and not the other, of eve's sessions the later one is left."""
    b = st.b
    assert knows(st, people["carl"], b, "b") == 401 and not logs_in(st, "carl", b)
    assert reads(st, people["dora"], SHARED, b, "b") == 404 and reads(st, people["dora"], OTHER, b, "b") == 200
    assert knows(st, people["eve"], b, "b") == 401 and knows(st, eve, b, "b") == 200


def refused(st, admin):
    """What is no withdrawal, and a second time what was withdrawn."""
    for args in (
        ["user", "enable", "carl"],
        ["user", "promote", "dora"],
        ["user", "reset", "eve"],
        ["user", "add", "fay"],
        ["share", name_of(SHARED), "dora", "view"],
    ):
        p = st.cli(*args, session=admin, host="b", check=False)
        assert p.returncode == 1 and "primary is not reachable" in p.stderr, f"{args}: {p}"
    p = st.cli("unshare", name_of(SHARED), "dora", session=admin, host="b", check=False)
    assert p.returncode == 1 and "not shared" in p.stderr, p
    shares = st.cli("shares", name_of(SHARED), session=admin, host="b").stdout
    assert "dora" not in shares, shares
    carl = [l for l in st.cli("user", "list", session=admin, host="b").stdout.splitlines() if l.startswith("carl")]
    assert "disabled" in carl[0], carl


@pytest.mark.h5
def test_a_share_ends_in_emergency(st):
    """By the clock of the node that is asked: nobody has to say it there, and the primary's clock is not there to do so."""
    dan = st.new_user("dan")
    st.cli("share", name_of(SHARED), "dan", "view", "--until", "10min")
    st.cli("share", name_of(OTHER), "dan", "view")
    checker.both_equal(st.a, st.b)
    with cut(st):
        assert reads(st, dan, SHARED, st.b, "b") == 200
        st.b.stop()
        st.b.env["HOLDFAST_CLOCK_SKEW_MS"] = str(11 * 60000)
        st.b.start(wait=False)
        st.b.wait_state("emergency")
        assert reads(st, dan, SHARED, st.b, "b") == 404 and reads(st, dan, OTHER, st.b, "b") == 200
        seen = On(st, "b", dan).call(st.b, "GET", "/v1/resources")
        assert name_of(OTHER).split("/")[0] in str(seen) and name_of(SHARED).split("/")[0] not in str(seen), seen
        assert reads(st, dan, SHARED, st.a, "a") == 200
        st.b.stop()
        del st.b.env["HOLDFAST_CLOCK_SKEW_MS"]
        st.b.start(wait=False)
        st.b.wait_state("emergency")
        assert reads(st, dan, SHARED, st.b, "b") == 200
    st.home_again()


@pytest.mark.h5
@pytest.mark.h7
@pytest.mark.h15
def test_what_is_not_accepted_in_emergency(st):
    """It is read by its id and by no name; there it cannot be accepted, and may be given up by whoever was given it."""
    gil = st.new_user("gil")
    for i in (SHARED, OTHER):
        st.cli("share", name_of(i), "gil", "view")
    st.cli("accept", name_of(OTHER), session=gil)
    checker.both_equal(st.a, st.b)
    with cut(st):
        at_b = st.login("gil", host="b", to=st.b)
        assert reads(st, at_b, SHARED, st.b, "b") == reads(st, at_b, OTHER, st.b, "b") == 200
        assert get(st, at_b, OTHER) and st.cli("get", name_of(SHARED), session=at_b, host="b", check=False).returncode
        assert name_of(SHARED) in st.cli("offers", session=at_b, host="b").stdout
        p = st.cli("accept", name_of(SHARED), session=at_b, host="b", check=False)
        assert p.returncode == 1 and "primary is not reachable" in p.stderr, p
        st.cli("refuse", name_of(SHARED), session=at_b, host="b")
        st.cli("unshare", name_of(OTHER), "gil", session=at_b, host="b")
        for i in (SHARED, OTHER):
            assert reads(st, at_b, i, st.b, "b") == 404 and reads(st, gil, i, st.a, "a") == 200
    st.home_again()
    assert reads(st, gil, SHARED, st.a, "client") == reads(st, gil, OTHER, st.a, "client") == 404
    print(checker.whole(st))


@pytest.mark.h5
@pytest.mark.h7
def test_withdrawn_in_emergency(st, people):
    eve = st.dir / "eve.try"
    with cut(st) as on:
        admin = on.session
        for args in (["user", "disable", "carl"], ["unshare", name_of(SHARED), "dora"], ["user", "logout", "eve"]):
            st.cli(*args, session=admin, host="b")
        assert logs_in(st, "eve", st.b)
        in_force(st, people, eve)
        refused(st, admin)
        st.b.stop()
        st.b.start(wait=False)
        st.b.wait_state("emergency")
        in_force(st, people, eve)
        # Users of the primary notice nothing.
        assert knows(st, people["carl"], st.a, "a") == 200 and reads(st, people["dora"], SHARED, st.a, "a") == 200
    st.home_again()
    wait_until("carl is out at the primary too", lambda: knows(st, people["carl"], st.a, "client"), lambda s: s == 401)
    assert reads(st, people["dora"], SHARED, st.a, "client") == 404
    assert reads(st, people["dora"], OTHER, st.a, "client") == 200
    assert knows(st, people["eve"], st.a, "client") == 401
    assert knows(st, eve, st.a, "client") == 200, "what began after the others were ended goes on"
    # It can be given again, and counts at once.
    st.cli("user", "enable", "carl")
    st.cli("share", name_of(SHARED), "dora", "view")
    assert reads(st, people["dora"], SHARED, st.a, "client") == 200
    with cut(st):
        assert reads(st, people["dora"], SHARED, st.b, "b") == 200, "what was withdrawn in an earlier emergency is over"
        assert logs_in(st, "carl", st.b)
    st.home_again()
    print(checker.whole(st))


@pytest.mark.h5
def test_an_administrator_who_was_disabled_does_nothing_more(st):
    """Not even disable the one who did it."""
    ann = st.new_user("ann", "--administrator")
    checker.both_equal(st.a, st.b)
    with cut(st) as on:
        st.cli("user", "disable", "ann", session=on.session, host="b")
        p = st.cli("user", "disable", "admin", session=ann, host="b", check=False)
        assert p.returncode == 1 and "session" in p.stderr.lower(), p  # ann's is over
    st.home_again()
    print(checker.whole(st))


@pytest.mark.h5
@pytest.mark.h15
def test_versions_of_who_is_no_longer_entitled_wait(st):
    """The right is withdrawn at the secondary in emergency, while who had it stores versions at the primary: whichever came first, they wait."""
    fay = st.new_user("fay")
    for i in (3, 4):
        st.cli("share", name_of(i), "fay", "modify")
    st.accept_all(fay)
    checker.both_equal(st.a, st.b)
    before = get(st, st.admin, 3, host="client")
    with cut(st) as on:
        st.cli("unshare", name_of(3), "fay", session=on.session, host="b")
        for i, value in ((3, "first-by-fay"), (3, "second-by-fay"), (4, "entitled")):
            st.cli("put", name_of(i), session=fay, host="a", input=value + "\n")
    st.home_again()
    assert get(st, st.admin, 3, host="client") == before and get(st, st.admin, 4, host="client") == "entitled"
    rows = [(v["n"], v["current"], v["conflict"], v["approval"]) for v in history(st, st.admin, 3, host="client")]
    assert rows == [(3, False, False, "waits"), (2, False, False, "waits"), (1, True, False, None)], rows
    assert st.cli("changes").stdout.count(name_of(3)) == 2
    assert "is the current one" in st.cli("approve", name_of(3), "2").stdout
    assert get(st, st.admin, 3, host="client") == "first-by-fay"
    print(checker.whole(st))


@pytest.mark.h5
@pytest.mark.h15
def test_two_administrators_disable_each_other(st):
    """One of them remains, whoever of the two it is safe to keep: what was said at the primary counts. It is listed, and theirs to decide."""
    bea = st.new_user("bea", "--administrator")
    checker.both_equal(st.a, st.b)
    with cut(st):
        st.cli("user", "disable", "bea", host="a")
        st.cli("user", "disable", "admin", host="b", session=bea)
        assert not logs_in(st, "admin", st.b)
    st.home_again()
    admin = st.login("admin", host="client", to=st.a)  # their sessions are over

    def say(*args):
        return json.loads(st.cli(*args, "--json", session=admin).stdout)

    def disabled():
        return {u["name"]: u["disabled"] for u in say("user", "list") if u["name"] in ("admin", "bea")}

    assert disabled() == {"admin": False, "bea": True}
    lost = [c for c in say("conflicts", "--administration") if c["what"] == "disabled"]
    assert [(c["user"]["name"], c["kept"], c["lost"]) for c in lost] == [("admin", "false", "true")], lost
    p = st.cli("user", "demote", "admin", session=admin, check=False)
    assert p.returncode == 1, p
    st.cli("user", "enable", "bea", session=admin)
    assert disabled() == {"admin": False, "bea": False}, "whoever lets somebody in again stays"
    bea = st.login("bea", host="client", to=st.a)
    st.cli("user", "disable", "admin", session=bea)
    assert st.a.sql("SELECT name FROM principal WHERE role = 'administrator' AND NOT disabled") == [["bea"]]
    st.cli("user", "enable", "admin", session=bea)
    st.admin = st.login("admin", host="client", to=st.a)
    print(checker.whole(st))


@pytest.mark.h5
@pytest.mark.h15
def test_who_is_taken_out_of_a_team(st):
    """What came through the team is closed to them there at once; what they store at the primary meanwhile waits. The others of the team go on."""
    gus, hal = st.new_user("gus"), st.new_user("hal")
    for team, i in (("night", 5), ("day", 6)):
        st.cli("team", "add", team)
        st.cli("share", name_of(i), team, "modify")
        for name in ("gus", "hal"):
            st.cli("member", "add", team, name)
    checker.both_equal(st.a, st.b)
    before = get(st, st.admin, 5, host="client")
    with cut(st) as on:
        admin = on.session
        st.cli("member", "remove", "night", "gus", session=admin, host="b")
        st.cli("team", "remove", "day", session=admin, host="b")
        for args in (["team", "add", "dusk"], ["team", "rename", "night", "dusk"], ["member", "add", "night", "gus"]):
            p = st.cli(*args, session=admin, host="b", check=False)
            assert p.returncode == 1 and "primary is not reachable" in p.stderr, f"{args}: {p}"
        p = st.cli("member", "remove", "night", "gus", session=admin, host="b", check=False)
        assert p.returncode == 1 and "not in this team" in p.stderr, p
        assert "day" not in st.cli("team", "list", session=admin, host="b").stdout

        def in_force():
            assert reads(st, gus, 5, st.b, "b") == 404 and reads(st, gus, 6, st.b, "b") == 404
            assert reads(st, hal, 5, st.b, "b") == 200 and reads(st, hal, 6, st.b, "b") == 404
            assert "gus" not in st.cli("member", "list", "night", session=admin, host="b").stdout

        in_force()
        st.b.stop()
        st.b.start(wait=False)
        st.b.wait_state("emergency")
        in_force()
        for who, value in ((gus, "by-gus"), (hal, "by-hal")):
            st.cli("put", name_of(5 if who == gus else 6), session=who, host="a", input=value + "\n")
    st.home_again()
    assert get(st, st.admin, 5, host="client") == before
    for i in (5, 6):
        states = [(v["n"], v["current"], v["approval"]) for v in history(st, st.admin, i, host="client")]
        assert states == [(2, False, "waits"), (1, True, None)], states
    assert reads(st, gus, 5, st.a, "client") == 404 and reads(st, hal, 5, st.a, "client") == 200
    assert reads(st, hal, 6, st.a, "client") == 404
    print(checker.whole(st))


@pytest.mark.h5
@pytest.mark.h15
def test_a_share_of_a_folder(st):
    """It closes all that stands below there at once, and nothing else; what is stored at the primary meanwhile waits."""
    ivy, jon = st.new_user("ivy"), st.new_user("jon")
    for path in ("safe", "safe/inner"):
        st.cli("folder", "add", path)
    st.cli("move", "site 00007", "safe/inner", "--yes")
    for name in ("ivy", "jon"):
        st.cli("share", "--folder", "safe", name, "modify")
    st.cli("share", name_of(8), "ivy", "view")
    st.accept_all(ivy)
    checker.both_equal(st.a, st.b)
    before = get(st, st.admin, 7, host="client")
    with cut(st) as on:
        admin = on.session
        st.cli("unshare", "--folder", "safe", "ivy", session=admin, host="b")
        for args in (
            ["folder", "add", "other"],
            ["folder", "rename", "safe", "other"],
            ["move", "site 00007", "/", "--yes"],
            ["share", "--folder", "safe", "ivy"],
        ):
            p = st.cli(*args, session=admin, host="b", check=False)
            assert p.returncode == 1 and "primary is not reachable" in p.stderr, f"{args}: {p}"
        p = st.cli("unshare", "--folder", "safe", "ivy", session=admin, host="b", check=False)
        assert p.returncode == 1 and "not shared" in p.stderr, p

        def in_force():
            assert reads(st, ivy, 7, st.b, "b") == 404 and reads(st, ivy, 8, st.b, "b") == 200
            assert reads(st, jon, 7, st.b, "b") == 200
            assert "ivy" not in st.cli("shares", "--folder", "safe", session=admin, host="b").stdout

        in_force()
        st.b.stop()
        st.b.start(wait=False)
        st.b.wait_state("emergency")
        in_force()
        st.cli("put", name_of(7), session=ivy, host="a", input="by-ivy\n")
    st.home_again()
    assert get(st, st.admin, 7, host="client") == before
    states = [(v["n"], v["current"], v["approval"]) for v in history(st, st.admin, 7, host="client")]
    assert states == [(2, False, "waits"), (1, True, None)], states
    assert reads(st, ivy, 7, st.a, "client") == 404 and reads(st, jon, 7, st.a, "client") == 200
    print(checker.whole(st))
