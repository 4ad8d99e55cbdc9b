# SPDX-License-Identifier: Apache-2.0
"""A primary with two secondaries: any one of them keeps commits on two disks, each of them opens for reading by itself,
and each brings its own journal home. Afterwards the checker compares all three.
"""
import json
import re
import sqlite3
import time

import pytest

import checker
from faults import FAULTS
from orders import order
from pair import Failed
from seen import emergency_after, primary_after, write_after
from wait import pass_time, still_true, wait_until
from versions import account_of, get, history

HOLD_S = 4


def at(node, row):
    return node.name in (row.get("node") or "")


def emergency_at(node, t):
    return lambda r: emergency_after(t)(r) and at(node, r)


def alone_events(st):
    return int(st.a.sql("SELECT count(*) FROM event WHERE kind = :HA_STATE AND body::json->>'to' = 'alone'")[0][0])


def events_of(st, node):
    """How many retrievals of this node's own are in the primary's log."""
    me = node.health()[1]["node_id"]
    return int(st.a.sql(f"SELECT count(*) FROM event WHERE kind = :RETRIEVED AND node = '{me}'")[0][0])


def journal_rows(node):
    with sqlite3.connect(f"file:{node.home}/data/journal.db?mode=ro", uri=True) as db:
        return db.execute("SELECT count(*) FROM rows").fetchone()[0]


def asks_first(node):
    """What `ha promote` says before it asks whether to go on; it is told no."""
    return node.run("ha", "promote", "--home", node.home, check=False, input="no\n").stderr


def settle(st, load):
    """Everything is home, and users have noticed; the rows of the users."""
    st.home_again()
    home = time.monotonic()
    load.wait_for(write_after(home, "both"))
    load.wait_for(primary_after(home, "rb"))
    return load.stop()


def check(st, rows):
    print(checker.everything(st, rows))
    bad = [r for r in rows if r["role"] == "reader" and not r["ok"]]
    assert not bad, f"{len(bad)} readings failed although one node could always serve: {json.dumps(bad[:3])}"


@pytest.mark.h2
@pytest.mark.h9
@pytest.mark.parametrize("which", ["b", "c"])
def test_one_secondary_is_killed(three, which):
    """The other one keeps commits on two disks: no commit is on one disk only, whichever it was."""
    st, gone = three, getattr(three, which)
    before = alone_events(st)
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        gone.kill()
        still_true(
            "one secondary is left, and the primary is in step with it",
            st.a.state,
            HOLD_S + 2,
            lambda state: state == "synced",
        )
        st.a.wait_status(4)  # while a node is missing
        load.wait_for(write_after(time.monotonic(), "both"))
        gone.start(wait=False)
        rows = settle(st, load)
    check(st, rows)
    local = [r for r in rows if r["role"] == "writer" and r.get("ok") and r["durability"] != "both"]
    assert (
        not local
    ), f"{len(local)} writes are on one disk only although a secondary was there: {json.dumps(local[:2])}"
    assert alone_events(st) == before, "the log says that the primary was alone"
    slow = [r for r in rows if r["role"] == "writer" and r.get("ok") and r["t1"] - r["t0"] > 2]
    assert not slow, f"writes waited for a secondary that was not needed: {json.dumps(slow[:2])}"


@pytest.mark.h2
def test_both_secondaries_are_killed(three):
    """One after the other: alone begins with the second one, and ends with the first that is back."""
    st = three
    before = alone_events(st)
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        st.b.kill()
        still_true(
            "one secondary is enough",
            lambda: (st.a.state(), alone_events(st)),
            HOLD_S,
            lambda seen: seen == ("synced", before),
        )
        st.c.kill()
        begun = time.monotonic()
        load.wait_for(write_after(begun, "local"))
        st.a.wait_state("alone")
        wait_until("the log says that the primary is alone", lambda: alone_events(st) > before)
        st.b.start(wait=False)
        back = time.monotonic()
        load.wait_for(write_after(back, "both"))
        assert st.c.proc is None, "one secondary is enough"
        st.c.start(wait=False)
        rows = settle(st, load)
    check(st, rows)


@pytest.mark.h4
@pytest.mark.h5
@pytest.mark.h6
@pytest.mark.h7
@pytest.mark.parametrize("name", ["p-node-kill", "p-all-stop"])
def test_primary_is_gone(three, name):
    """Both secondaries give emergency access, each writes a journal of its own, both journals come home."""
    st, fault = three, FAULTS[name]
    before = {n.name: events_of(st, n) for n in (st.b, st.c)}
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        begun = time.monotonic()
        fault.do(st)
        for n in (st.b, st.c):
            first = load.wait_for(emergency_at(n, begun))
            print(f"{n.name}: first emergency answer after {first['t1'] - begun:.2f} s")
        pass_time(HOLD_S, "the fault lasts, and users work on meanwhile")
        for n in (st.b, st.c):
            assert journal_rows(n) > 0, f"{n.name} answers in emergency and has no journal"
        fault.undo(st)
        rows = settle(st, load)
    check(st, rows)
    for n in (st.b, st.c):
        acked = sum(emergency_at(n, begun)(r) for r in rows)
        came = events_of(st, n) - before[n.name]
        assert (
            came >= acked > 0
        ), f"{n.name} answered {acked} retrievals in emergency; {came} of its own are in the primary's log"


@pytest.mark.h1
@pytest.mark.h2
@pytest.mark.h8
@pytest.mark.parametrize("which", ["b", "c"])
def test_link_of_one_secondary_is_cut(three, which):
    """Users beside it read on there; the others notice nothing, and commits stay on two disks."""
    st, cut = three, getattr(three, which)
    other = st.c if cut is st.b else st.b
    before = alone_events(st)
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        begun = time.monotonic()
        st.net.cut_both("a", which)
        load.wait_for(emergency_at(cut, begun))
        still_true(
            "each is what it should be",
            lambda: [n.state() for n in (st.a, other, cut)],
            HOLD_S,
            lambda states: states == ["synced", "standby", "emergency"],
        )
        load.wait_for(write_after(time.monotonic(), "both"))
        st.net.heal()
        rows = settle(st, load)
    check(st, rows)
    assert alone_events(st) == before
    wrong = [r for r in rows if r.get("mode") == "emergency" and not at(cut, r)]
    assert not wrong, f"emergency answers of a node that reaches the primary: {json.dumps(wrong[:2])}"


@pytest.mark.h2
@pytest.mark.h7
@pytest.mark.h8
def test_primary_is_cut_off_from_both(three):
    """Every site goes on by itself; two journals meet in one merge."""
    st = three
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        begun = time.monotonic()
        for host in ("b", "c"):
            st.net.cut_both("a", host)
        for n in (st.b, st.c):
            load.wait_for(emergency_at(n, begun))
        load.wait_for(write_after(begun, "local"))
        pass_time(HOLD_S, "the fault lasts, and users work on meanwhile")
        st.net.heal()
        rows = settle(st, load)
    check(st, rows)


@pytest.mark.h11
def test_each_secondary_has_a_slot_with_a_limit(three):
    rows = three.a.sql("SELECT slot_name, active, wal_status FROM pg_replication_slots")
    assert len(rows) == 2 and all(r[1] == "t" and r[2] in ("reserved", "extended") for r in rows), rows
    names = three.a.sql("SHOW synchronous_standby_names")[0][0]
    assert names.startswith("ANY 1 (") and all(f'"{r[0]}"' in names for r in rows), names


@pytest.mark.h10
def test_the_third_follows_the_new_primary(three):
    """The primary is killed, B is promoted: C follows B by itself, and so does A when it is back. Then all goes back."""
    st = three
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        begun = time.monotonic()
        FAULTS["p-node-kill"].do(st)
        load.wait_for(emergency_after(begun))
        order(st.b, "promote", "--yes")
        st.c.wait_state("standby")
        load.wait_for(write_after(time.monotonic(), "both"))
        st.b.wait_state("synced")  # C follows the new primary
        st.a.start(wait=False)
        st.home_again(primary=st.b)
        rows = load.stop()
    order(st.b, "switchover", st.a.name)
    st.home_again(primary=st.a)
    check(st, rows)


@pytest.mark.h10
@pytest.mark.h7
def test_the_one_that_lags_is_promoted(three):
    """C is cut off, writes are on A and B; A dies, and of all C is promoted. What B has beyond C is saved by B, and merged."""
    st = three
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        st.net.cut_both("a", "c")
        st.c.wait_state("emergency")
        begun = time.monotonic()
        for _ in range(3):
            load.wait_for(write_after(begun, "both"))
            begun = time.monotonic()
        st.a.kill()
        st.b.wait_state("emergency")
        st.net.heal()
        wait_until("C knows what B has", lambda: asks_first(st.c), lambda said: f"{st.b.name} HAS MORE" in said)
        said = st.c.run("ha", "promote", "--yes", "--home", st.c.home).stderr
        assert f"{st.b.name} HAS MORE THAN THIS NODE" in said, said
        st.c.wait_state("alone", "synced")
        st.b.wait_state("standby")
        load.wait_for(write_after(time.monotonic(), "both"))
        st.a.start(wait=False)
        st.home_again(primary=st.c)
        rows = load.stop()
    order(st.c, "switchover", st.a.name)
    st.home_again()
    # C took changes of accounts that B had newer: both are there.
    print(checker.everything(st, rows, siblings=True))


@pytest.mark.h7
@pytest.mark.h10
def test_ahead_with_a_journal_follows_the_one_that_lags(three):
    """B is cut off. C gives emergency access, and that is merged by A; then A dies, and C gives emergency access again. B is promoted: of C's
    own chain it lacks what is in C's log, and after that what is in C's journal. Both come home, from C alone."""
    st = three
    session = {"c": st.login("admin", host="c")}
    st.net.cut_both("a", "b")
    st.net.cut_both("b", "c")
    st.b.wait_state("emergency")

    def in_emergency(reasons):
        st.c.wait_state("emergency")
        for reason in reasons:
            r = st.call("c", session["c"], st.c, "POST", f"/v1/accounts/{st.accounts[1]}/retrieve", {"reason": reason})
            assert (r["status"], r["headers"]["Holdfast-Mode"]) == (200, "emergency"), r

    first, second = [f"first {i}" for i in range(20)], [f"second {i}" for i in range(5)]
    st.net.cut_both("a", "c")
    in_emergency(first)
    st.net.join("a", "c")
    st.c.wait_state("standby")
    st.a.wait_state("synced")
    st.a.kill()
    in_emergency(second)
    st.net.heal()
    wait_until(
        "B knows what C has",
        lambda: asks_first(st.b),
        lambda said: re.search(rf"{st.c.name} +has everything as of", said),
    )
    order(st.b, "promote", "--yes")
    st.c.wait_state("standby")
    st.b.wait_state("synced")

    def home():
        rows = st.b.sql("SELECT body::json->>'reason' FROM event WHERE kind = :RETRIEVED ORDER BY node, seq")
        return [r[0] for r in rows if r[0] in first + second]

    # It stands by as soon as the primary serves, and its stream may come in, and bring the journal home, a little later.
    seen = wait_until("both come home", home, lambda reasons: len(reasons) >= len(first + second))
    assert seen == first + second
    assert st.b.sql("SELECT count(*) FROM ha_set_aside") == [["0"]]
    st.a.start(wait=False)
    st.home_again()
    order(st.b, "switchover", st.a.name)
    st.home_again()
    print(checker.whole(st))


@pytest.mark.h5
@pytest.mark.h7
@pytest.mark.h10
def test_promoted_with_changes_made_in_emergency(three):
    """A is gone; new versions are made at B and at C, of the same account too. B is promoted: its own are in its log, C's come home
    to it, nothing is dropped, and A takes it all over when it is back."""
    st = three
    st.cli("policy", "emergency-changes", "on")
    accounts = [account_of(st, i) for i in (13, 14, 15)]
    session = st.login("admin")
    for n in (st.b, st.c):
        checker.both_equal(st.a, n)
    st.a.kill()
    for n in (st.b, st.c):
        n.wait_state("emergency")

    def put(node, account, value):
        r = st.call(
            "client",
            session,
            node,
            "POST",
            f"/v1/accounts/{account}/versions",
            {"fields": {"password": value}, "if_version": 1},
        )
        assert (r["status"], r["headers"]["Holdfast-Durability"]) == (201, "journal"), r

    put(st.b, accounts[0], "13 at b")
    put(st.c, accounts[1], "14 at c")
    put(st.b, accounts[2], "15 at b")
    put(st.c, accounts[2], "15 at c")
    order(st.b, "promote", "--yes")
    st.c.wait_state("standby")
    st.b.wait_state("synced")
    st.a.start(wait=False)
    st.home_again()
    order(st.b, "switchover", st.a.name)
    st.home_again()
    assert get(st, session, 13, host="client") == "13 at b" and get(st, session, 14, host="client") == "14 at c"
    assert get(st, session, 15, host="client") == "15 at b"
    for i in (13, 14):
        assert [(v["n"], v["current"], v["conflict"]) for v in history(st, session, i, host="client")] == [
            (2, True, False),
            (1, False, False),
        ]
    assert [(v["n"], v["current"], v["conflict"]) for v in history(st, session, 15, host="client")] == [
        (3, False, True),
        (2, True, False),
        (1, False, False),
    ]
    assert get(st, session, 15, "--version", "3", host="client") == "15 at c"
    assert [
        r[0] for r in st.a.sql(f"SELECT count(*) FROM event WHERE kind = :VERSION_ADDED AND object = '{accounts[2]}'")
    ] == ["3"]
    for n in (st.b, st.c):
        checker.both_equal(st.a, n)
    for n in st.nodes:
        st.audit_verify(n)


@pytest.mark.h7
@pytest.mark.h10
@pytest.mark.h13
def test_what_was_saved_of_another_node_is_not_stranded(three):
    """A has what C did in emergency, B has not. B is promoted and A returns to it, with C's events saved in a file; C and B are lost before
    they are merged there. A is promoted: they are in its log."""
    st = three
    st.home_again()
    chain = st.a.sql(f"SELECT id FROM node WHERE name = '{st.c.name}'")[0][0]
    st.net.cut_both("a", "b")
    st.net.cut_both("b", "c")
    st.b.wait_state("emergency")
    st.net.cut_both("a", "c")
    st.c.wait_state("emergency")
    session = st.login("admin", host="c", to=st.c)
    for i in range(3):
        r = st.call("c", session, st.c, "POST", f"/v1/accounts/{st.accounts[i]}/retrieve", {"reason": f"at C {i}"})
        assert r["status"] == 200, r
    st.net.join("a", "c")
    st.c.wait_state("standby")

    def events():
        """None while the database cannot be asked: a node that begins anew says what it is before."""
        try:
            return st.a.sql(f"SELECT seq, encode(hash, 'hex') FROM event WHERE node = '{chain}' ORDER BY seq")
        except Failed:
            return None

    wait_until("what C did is in A's log", lambda: journal_rows(st.c), lambda n: n == 0)
    had = wait_until("A's database answers", events)
    st.c.kill()
    order(st.b, "promote", "--yes")
    st.b.wait_state("alone")
    st.b.sql("REVOKE EXECUTE ON FUNCTION ha_deposit FROM hf_deposit")
    st.net.join("a", "b")
    st.a.wait_state("standby", "merging")
    saved = st.a.home / f"data/salvage-{chain}.db"
    kept = wait_until("A's database answers again", events, lambda rows: rows is not None)
    assert saved.exists() and len(kept) < len(had)
    st.b.kill()
    st.a.wait_state("emergency")
    order(st.a, "promote", "--yes")
    wait_until("what was saved is in the log", events, lambda now: now and now[: len(had)] == had)
    wait_until("and its file is gone", saved.exists, lambda there: not there)
    st.a.sql("GRANT EXECUTE ON FUNCTION ha_deposit TO hf_deposit")
    st.net.heal()
    st.b.start(wait=False)
    st.c.start(wait=False)
    st.home_again(primary=st.a)
    st.audit_verify(st.a)
    print(checker.whole(st))
