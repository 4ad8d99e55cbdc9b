# SPDX-License-Identifier: Apache-2.0
"""As of when a node's data are is what the data themselves say, whatever the node heard, wrote down or showed before: where one of three stands
still, where old data were put back, where the schema has no beat.
"""
import shutil
import subprocess
from datetime import timedelta

import pytest

import checker
from moment import moment
from wait import still_true, wait_until

MANY_BEATS_S = 4


def health(node):
    h = node.health()
    return h[1] if h else {}


def as_of(node):
    return moment(health(node).get("as_of"))


def in_data(node):
    """What the row of the node's own database says."""
    found = node.sql("SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), term FROM beat")
    return (moment(found[0][0]), int(found[0][1])) if found else (None, 0)


def goes_on(node):
    """Its data are of now, and go on."""
    first = wait_until(f"{node.name} says as of when its data are", lambda: as_of(node))
    return wait_until(
        f"{node.name}: its data go on", lambda: as_of(node), lambda t: t and t > first + timedelta(seconds=2)
    )


def own_row(node, of=None):
    """What the status of a node says of a node."""

    def rows():
        return [n for n in node.status()[1].get("nodes", []) if n["name"] == (of or node).name]

    return wait_until(f"the status of {node.name} has a row of {(of or node).name}", rows)[0]


def stand_still(node):
    """Nothing that is streamed to it becomes visible any more; the stream itself goes on."""
    node.sql("SELECT pg_wal_replay_pause()")
    wait_until(
        "the replay stands still",
        lambda: node.sql("SELECT pg_get_wal_replay_pause_state()"),
        lambda r: r == [["paused"]],
    )


@pytest.mark.h16
def test_one_of_three_stands_still(three):
    """B goes on streaming and shows nothing of it, while C keeps the primary in step: B's age is B's. Everybody says so, and goes on saying so in an outage."""
    st = three
    goes_on(st.b)
    goes_on(st.c)
    stand_still(st.b)
    try:
        still = in_data(st.b)[0]
        wait_until("B says as of when it stands still", lambda: as_of(st.b), lambda t: t == still)
        goes_on(st.c)
        session = st.login("admin", to=st.a)
        st.cli("put", "site 00002/root2", session=session, input="not-at-b\n")
        still_true(
            "B says as of when it stands still, although the primary is in step with C",
            lambda: (st.a.state(), as_of(st.b)),
            MANY_BEATS_S,
            lambda seen: seen == ("synced", still),
        )
        for node in (st.a, st.b):
            row = wait_until(
                f"{node.name} knows how far B is behind",
                lambda: own_row(node, st.b),
                lambda r: moment(r["last_in_step"]) == still,
            )
            assert row["lag_seconds"] >= MANY_BEATS_S, row
        st.a.kill()
        for node in (st.b, st.c):
            node.wait_state("emergency")
        reader = st.login("admin", to=st.b, host="b")
        r = st.call("b", reader, st.b, "POST", f"/v1/accounts/{st.accounts[3]}/retrieve", {"reason": "age"})
        assert r["status"] == 200 and moment(r["headers"]["Holdfast-As-Of"]) == still, r
        said = st.b.run("ha", "promote", "--home", st.b.home, check=False, input="no\n").stderr
        assert f"{st.c.name} HAS MORE THAN THIS NODE" in said, said
        said = st.c.run("ha", "promote", "--home", st.c.home, check=False, input="no\n").stderr
        assert "HAS MORE" not in said and f"{st.b.name}" in said, said
    finally:
        st.b.sql("SELECT pg_wal_replay_resume()")
        if not st.a.proc:
            st.a.start(wait=False)
    st.home_again()
    for node in (st.b, st.c):
        goes_on(node)
        wait_until(
            "it is no longer behind", lambda: own_row(node)["lag_seconds"], lambda s: s is not None and s < MANY_BEATS_S
        )
    print(checker.whole(st))


def put_back(node, kept):
    """As an operator restores a folder that they kept."""
    pg = node.home / "data/pg"
    shutil.rmtree(pg)
    subprocess.run(["cp", "-a", kept, pg], check=True)


@pytest.mark.h5
@pytest.mark.h16
def test_old_data_say_that_they_are_old(st):
    """Data of before are put back while the primary cannot be reached. Neither what the node showed before nor when its files were written makes them newer;
    a limit on the age goes by it; and what it is told again moves it on."""
    goes_on(st.b)
    st.b.stop()
    kept = st.dir / "kept"
    subprocess.run(["cp", "-a", st.b.home / "data/pg", kept], check=True)
    st.b.start(wait=False)
    st.home_again()
    latest = goes_on(st.b)
    st.net.cut_both("a", "b")
    st.b.wait_state("emergency")
    assert as_of(st.b) >= latest
    st.b.stop()
    put_back(st.b, kept)
    subprocess.run(["find", st.b.home / "data", "-exec", "touch", "{}", "+"], check=True)
    st.b.set("max_emergency_age", "1s")
    try:
        st.b.start(wait=False)
        st.b.wait_state("emergency")
        old = wait_until("the old data say as of when they are", lambda: as_of(st.b))
        assert old < latest and old == in_data(st.b)[0], (old, latest)
        r = st.call(
            "b",
            st.login("admin", to=st.b, host="b"),
            st.b,
            "POST",
            f"/v1/accounts/{st.accounts[3]}/retrieve",
            {"reason": "age"},
        )
        assert r["status"] == 403 and r["body"]["error"]["code"] == "emergency_too_old", r
        assert moment(r["headers"]["Holdfast-As-Of"]) == old
    finally:
        st.b.set("max_emergency_age", "0")
        st.b.read_settings()
    st.net.heal()
    st.home_again()
    assert goes_on(st.b) > latest
    print(checker.whole(st))


@pytest.mark.h16
def test_begun_anew_it_says_what_its_data_say(st):
    """Restarted, its service killed, copied again: as of when is in the data each time, and never of later."""
    st.b.stop()
    st.b.start(wait=False)
    st.home_again()
    goes_on(st.b)
    st.net.cut_both("a", "b")
    st.b.wait_state("emergency")
    last = in_data(st.b)[0]
    for process in ("agent", "postmaster"):
        before = st.b.pids(process)
        st.b.signal(process, 9)
        wait_until(f"another {process}", lambda: st.b.pids(process), lambda now: now and now != before)
        st.b.wait_state("emergency")
        wait_until("it says so again", lambda: as_of(st.b), lambda t: t == last)
        still_true("and never of later", lambda: as_of(st.b), MANY_BEATS_S, good=lambda t: t in (None, last))
    st.net.heal()
    st.home_again()
    st.b.run("ha", "rejoin", "--home", st.b.home)
    st.home_again()
    assert goes_on(st.b) > last


@pytest.mark.h16
def test_without_a_beat_the_age_is_unknown(st):
    """Data in which nobody has said it yet, as those of an earlier release: nothing is claimed, and a limit on the age counts it as old."""
    goes_on(st.b)
    st.b.set("max_emergency_age", "365d")
    st.b.read_settings()
    st.a.sql("REVOKE UPDATE ON SEQUENCE beat_at FROM hf_vault; SELECT setval('beat_at', 0)")
    try:
        wait_until("nothing is claimed", lambda: health(st.b), lambda h: h and h["as_of"] is None)
        row = own_row(st.b)
        assert row["lag_seconds"] is None and row["last_in_step"] is None, row
        out = st.b.run("ha", "status", "--home", st.b.home, check=False).stdout
        assert "data as of" in out and "unknown" in out, out
        st.net.cut_both("a", "b")
        st.b.wait_state("emergency")
        r = st.call(
            "b",
            st.login("admin", to=st.b, host="b"),
            st.b,
            "POST",
            f"/v1/accounts/{st.accounts[3]}/retrieve",
            {"reason": "age"},
        )
        assert r["status"] == 403 and r["body"]["error"]["code"] == "emergency_too_old", r
        assert "Holdfast-As-Of" not in r["headers"]
    finally:
        st.net.heal()
        st.a.sql("GRANT UPDATE ON SEQUENCE beat_at TO hf_vault")
        st.b.set("max_emergency_age", "0")
        st.b.read_settings()
    st.home_again()
    goes_on(st.b)


@pytest.mark.h11
@pytest.mark.h16
def test_the_beat_takes_no_room(st):
    """While a secondary is away and its slot keeps everything that is dead."""
    goes_on(st.b)
    st.net.cut_both("a", "b")
    st.b.wait_state("emergency")
    first = in_data(st.a)[0]
    wait_until(
        "the primary alone goes on", lambda: in_data(st.a)[0], lambda t: t > first + timedelta(seconds=MANY_BEATS_S)
    )
    assert st.a.sql("SELECT pg_total_relation_size('beat_at'), pg_total_relation_size('beat_term')") == [
        ["8192", "8192"]
    ]
    assert in_data(st.b)[0] < in_data(st.a)[0]
    st.net.heal()
    st.home_again()
    goes_on(st.b)
