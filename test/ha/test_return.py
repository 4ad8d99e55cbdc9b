# SPDX-License-Identifier: Apache-2.0
"""A former primary returns beside its old data: as long as the copy is not whole and in its place they go on being of use, and what has no
room, or cannot take their place, is not begun.
"""
import contextlib
import os
import signal
import subprocess

import pytest

import checker
from faults import FAULTS
from orders import back_to_the_first, copies, copies_wait, order
from wait import still_true, wait_until

STAYS_S = 4
KEPT_S = 8  # longer than what is not to be kept would stay
BALLAST = "ballast"


def said_of(node):
    return node.status()[1]["why"]


def lost_and_promoted(st):
    """A is killed and B promoted; what A wrote is on both."""
    st.home_again()
    st.sql_account = st.accounts[3]
    st.a.kill()
    st.b.wait_state("emergency")
    order(st.b, "promote", "--yes")
    st.b.wait_state("alone")


def promoted(node):
    """As soon as what it was at is over: until then it says so."""
    wait_until(
        f"{node.name} is promoted",
        lambda: node.run("ha", "promote", "--yes", "--home", node.home, check=False),
        lambda p: p.returncode == 0 or "is returning" not in p.stdout + p.stderr,
        every=0.5,
    )


def reads(st, node, host):
    r = st.call(
        host,
        st.login("admin", to=node, host=host),
        node,
        "POST",
        f"/v1/accounts/{st.sql_account}/retrieve",
        {"reason": "h"},
    )
    return r["status"]


def data_of(node):
    return sorted(p.name for p in (node.home / "data").iterdir() if p.name.startswith("pg"))


@pytest.mark.h13
@pytest.mark.h14
def test_the_new_primary_is_lost_in_the_middle_of_a_return(two_disks):
    """A gives emergency access to what it has; nothing of it was touched. When B is back A goes on with its return."""
    st = two_disks
    lost_and_promoted(st)
    before = (st.a.home / "data/pg").stat().st_ino
    with copies_wait(st.b):
        st.a.start(wait=False)
        copying = wait_until("A copies B", lambda: copies(st.a))
        for pid in copying:
            os.kill(pid, signal.SIGSTOP)
        st.a.wait_state("fenced")
        st.b.kill()
    st.a.wait_state("emergency")
    assert reads(st, st.a, "a") == 200
    assert (st.a.home / "data/pg").stat().st_ino == before and "pg.old" not in data_of(st.a)
    for pid in copying:
        os.kill(pid, signal.SIGCONT)
    still_true(
        "A goes on to give it, with the copy broken off",
        lambda: (st.a.state(), reads(st, st.a, "a")),
        STAYS_S,
        lambda seen: seen == ("emergency", 200),
    )
    st.b.start(wait=False)
    st.home_again(primary=st.b)
    assert (st.a.home / "data/pg").stat().st_ino != before
    wait_until("what the copy took the place of is removed", lambda: data_of(st.a) == ["pg"])
    back_to_the_first(st)
    print(checker.whole(st))


@pytest.mark.h13
@pytest.mark.h14
def test_a_fenced_node_whose_primary_is_lost_in_its_return_can_be_promoted(two_disks):
    st = two_disks
    lost_and_promoted(st)
    with copies_wait(st.b):
        st.a.start(wait=False)
        copying = wait_until("A copies B", lambda: copies(st.a))
        st.a.wait_state("fenced")
        st.b.kill()
    for pid in copying:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    st.a.wait_state("emergency", "standby")
    promoted(st.a)
    st.a.wait_state("alone")
    st.b.start(wait=False)
    st.home_again(primary=st.a)
    print(checker.whole(st))


@pytest.mark.h13
@pytest.mark.h14
def test_a_copy_that_waits_does_not_stand_in_the_way_of_a_promotion(two_disks):
    """It became whole while the users' way to its primary was cut: A gives emergency access, and can be promoted and written to."""
    st = two_disks
    lost_and_promoted(st)
    waits = st.a.home / "replication/rejoin.conf"
    with copies_wait(st.b):
        st.a.start(wait=False)
        wait_until("A is about to copy B", lambda: copies(st.a))
        st.net.close_port("a", "b", 7272)
        st.a.wait_state("emergency")
        assert not waits.exists()
    wait_until("the copy is whole, and waits", waits.exists)
    promoted(st.a)
    st.a.wait_state("alone")
    assert not waits.exists()
    r = st.call(
        "a",
        st.login("admin", to=st.a, host="a"),
        st.a,
        "POST",
        f"/v1/accounts/{st.sql_account}/versions",
        {"fields": {"password": "written at A"}},
    )
    assert r["status"] == 201, r
    st.net.open_ports()
    st.home_again(primary=st.a)
    print(checker.whole(st))


@pytest.fixture
def large(two_disks):
    """A database of which there is no room for a second one on A's disk."""
    st = two_disks
    st.home_again()
    st.a.sql(f"CREATE TABLE {BALLAST} AS SELECT repeat(md5(i::text), 48) FROM generate_series(1, 120000) i")
    st.a.sql("CHECKPOINT")
    st.home_again()
    st.fill_disk("a", left=120 << 20)
    yield st
    st.free_disk()
    back_to_the_first(st)
    st.a.sql(f"DROP TABLE {BALLAST}")


@pytest.mark.h9
@pytest.mark.h13
@pytest.mark.h14
def test_a_return_without_room_names_the_ways_on(large):
    """Nothing is begun: A keeps what it has, and gives access to it when B is lost. Rewinding in place is done when it is ordered."""
    st = large
    lost_and_promoted(st)
    st.a.start(wait=False)
    st.a.wait_state("fenced")
    said = wait_until("its status says why", lambda: said_of(st.a), lambda s: "not enough room" in s)
    assert "MiB" in said and "holdfast ha rejoin --in-place" in said, said
    assert data_of(st.a) == ["pg"]
    row = wait_until(
        "and so do its reasons",
        lambda: next((r for r in st.a.status()[1]["reasons"] if r["code"] == "copy_failed"), None),
    )
    assert row["node"] == st.a.name and "not enough room" in row["detail"], row
    st.b.kill()
    st.a.wait_state("emergency")
    assert reads(st, st.a, "a") == 200
    refused = st.a.run("ha", "rejoin", "--in-place", "--yes", "--home", st.a.home, check=False)
    assert refused.returncode == 1 and "no primary to go back to" in refused.stderr, refused.stderr
    st.b.start(wait=False)
    st.a.wait_state("fenced")
    before = (st.a.home / "data/pg").stat().st_ino
    st.b.sql("ALTER ROLE hf_deposit NOLOGIN")
    failed = st.a.run("ha", "rejoin", "--in-place", "--yes", "--home", st.a.home, check=False)
    assert failed.returncode == 1 and "was not carried out" in failed.stderr and "hf_deposit" in failed.stderr, failed
    st.b.sql("ALTER ROLE hf_deposit LOGIN")
    order(st.a, "rejoin", "--in-place", "--yes")
    st.home_again(primary=st.b)
    assert (st.a.home / "data/pg").stat().st_ino == before and data_of(st.a) == ["pg"]


def states_told(st):
    """What A's log says of states that a node came to, in order."""
    return [r[0] for r in st.a.sql("SELECT body::json->>'to' FROM event WHERE kind = :HA_STATE ORDER BY at, seq")]


@pytest.mark.h2
@pytest.mark.h13
def test_a_copy_that_is_ordered_without_room_is_given_up(two_disks):
    """Whoever ordered it is told why; the secondary goes on as it was, in step all the time."""
    st = two_disks
    st.home_again()
    pg = (st.b.home / "data/pg").stat().st_ino
    FAULTS["s-no-room"].do(st)
    st.scene.join()
    assert "there is not enough room" in st.scene.orders.pop(), st.scene.orders
    st.home_again(primary=st.a)
    told = states_told(st)
    assert told[-2:] == ["reseed", "standby"] and "alone" not in told[len(told) - told[::-1].index("synced") :], told
    FAULTS["s-no-room"].undo(st)
    order(st.b, "rejoin")
    st.home_again(primary=st.a)
    assert (st.b.home / "data/pg").stat().st_ino != pg
    print(checker.whole(st))


@pytest.mark.h9
@pytest.mark.h13
@pytest.mark.parametrize("why", ["not enough room", "file system of its own"])
def test_a_return_that_cannot_begin_waits_for_its_place(two_disks, why):
    """What the former primary has stays as it is, its status says what stands in the way, and it returns by itself once that is gone."""
    st = two_disks
    st.home_again()
    pg = (st.a.home / "data/pg").stat().st_ino
    fault = FAULTS["p-no-room" if why == "not enough room" else "p-mounted"]
    fault.do(st)
    st.scene.join()
    row = wait_until(
        "the status says what stands in the way",
        lambda: next((r for r in st.a.status()[1].get("reasons", []) if r["code"] == "copy_failed"), None),
    )
    assert row["node"] == st.a.name and why in row["detail"], row
    assert (st.a.home / "data/pg").stat().st_ino == pg and "pg.new" not in data_of(st.a)
    fault.undo(st)
    st.home_again(primary=st.b)
    back_to_the_first(st)
    print(checker.whole(st))


@pytest.mark.h9
@pytest.mark.h13
def test_data_on_a_file_system_of_their_own_stay_where_they_are(two_disks):
    """A copy cannot take the place of what is mounted there: it is not begun, and the status says so."""
    st = two_disks
    st.home_again()
    st.sql_account = st.accounts[3]
    pg = st.b.home / "data/pg"
    st.b.stop()
    subprocess.run(["mount", "--bind", pg, pg], check=True)
    try:
        st.b.start(wait=False)
        st.home_again()
        p = st.b.run("ha", "rejoin", "--home", st.b.home, check=False)
        assert p.returncode == 1 and "a file system of its own" in p.stderr, p.stderr
        FAULTS["link-cut"].do(st)
        st.b.wait_state("emergency")
        assert reads(st, st.b, "b") == 200
        FAULTS["link-cut"].undo(st)
        st.home_again()
    finally:
        st.b.stop()
        subprocess.run(["umount", pg], check=True)
        st.b.start(wait=False)
    st.home_again()


NOT_HERE = "shared_preload_libraries = 'installed_elsewhere'\n"


@contextlib.contextmanager
def library_of_its_own(node):
    """Its PostgreSQL goes on; whoever copies it gets a server that does not start without this library."""
    conf = node.home / "data/pg/postgresql.conf"
    before = conf.read_text()
    conf.write_text(before + NOT_HERE)
    try:
        yield
    finally:
        conf.write_text(before)


@pytest.mark.h9
@pytest.mark.h13
@pytest.mark.h14
def test_a_copy_that_does_not_start_here_takes_no_place(two_disks):
    """A's database is whole on B's disk, and PostgreSQL does not start with it there. B keeps what it has, gives access to it in
    emergency, says why, and copies again when it is told that this is mended."""
    st = two_disks
    st.home_again()
    st.sql_account = st.accounts[3]
    pg = (st.b.home / "data/pg").stat().st_ino
    with library_of_its_own(st.a):
        p = st.b.run("ha", "rejoin", "--home", st.b.home, check=False)
        assert p.returncode == 1 and "does not start here" in p.stderr and "installed_elsewhere" in p.stderr, p
        row = wait_until(
            "the status says why",
            lambda: next((r for r in st.b.status()[1].get("reasons", []) if r["code"] == "copy_failed"), None),
        )
        assert row["node"] == st.b.name and "installed_elsewhere" in row["detail"], row
        FAULTS["link-cut"].do(st)
        st.b.wait_state("emergency")
        assert reads(st, st.b, "b") == 200
        FAULTS["link-cut"].undo(st)
        st.b.wait_state("reseed")
        assert (st.b.home / "data/pg").stat().st_ino == pg
    order(st.b, "rejoin")
    st.home_again(primary=st.a)
    wait_until("the copy is in place", lambda: (st.b.home / "data/pg").stat().st_ino, lambda now: now != pg)
    wait_until("what it took the place of is removed", lambda: data_of(st.b) == ["pg"])
    print(checker.whole(st))


@pytest.mark.h13
def test_what_a_copy_replaced_is_kept_for_as_long_as_it_is_said(two_disks):
    st = two_disks
    st.home_again()
    st.b.set("replaced_keep", "30d")
    st.b.read_settings()
    pg = (st.b.home / "data/pg").stat().st_ino
    order(st.b, "rejoin")
    st.home_again(primary=st.a)
    still_true("it is kept", lambda: data_of(st.b), KEPT_S, lambda seen: seen == ["pg", "pg.old"])
    assert (st.b.home / "data/pg.old").stat().st_ino == pg
    st.b.set("replaced_keep", "1s")
    st.b.read_settings()
    wait_until("its time is over", lambda: data_of(st.b) == ["pg"])
