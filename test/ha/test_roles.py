# SPDX-License-Identifier: Apache-2.0
"""Who is the primary changes while users on both sides read and write: in order, because it was lost, because the line was
cut; and a secondary that cannot follow any more. Afterwards the checker proves that nothing was lost or doubled.
"""
import contextlib
import json
import os
import signal
import subprocess
import threading
import time

import pytest

import checker
from events import EVENTS
from faults import FAULTS
from orders import back_to_the_first, copies, copies_wait, order
from pair import Failed
from seen import emergency_after, longest_gap, of_role, write_after
from wait import still_true, wait_until


def served_by(node, after):
    """A write that this node took."""
    return lambda r: r["role"] == "writer" and r.get("ok") and r["t0"] > after and node.name in r.get("url", node.name)


def no_read_failed(rows):
    bad = [r for r in rows if r["role"] == "reader" and not r["ok"]]
    assert not bad, f"{len(bad)} readings failed although one side could always serve: {json.dumps(bad[:3])}"


@pytest.mark.h7
@pytest.mark.h10
def test_switchover_under_load(st):
    """There and back: whoever asks meanwhile waits; no read fails, no write is lost, writes pause for less than five seconds."""
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        for old, new in ((st.a, st.b), (st.b, st.a)):
            term = int(old.sql("SELECT term FROM ha_term")[0][0])
            said = order(old, "switchover")
            print(f"{old.name} → {new.name}: {said['milliseconds']} ms until the former primary stood by")
            st.home_again(primary=new)
            assert int(new.sql("SELECT term FROM ha_term")[0][0]) == term + 1
            load.wait_for(write_after(time.monotonic(), "both"))
        rows = load.stop()
    print(checker.everything(st, rows))
    no_read_failed(rows)
    gap = longest_gap(rows, of_role("writer"))
    print(f"longest pause of a writer {gap:.2f} s, of a reader {longest_gap(rows, of_role('reader')):.2f} s")


def break_stream(st):
    """The stream is cut off again and again, until another one has begun."""
    old = st.a.sql("SELECT pid FROM pg_stat_replication")

    def cut():
        st.a.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
        return st.a.sql("SELECT pid FROM pg_stat_replication")

    assert old
    wait_until("another stream has begun", cut, lambda pids: pids and pids != old, every=0.02)


@pytest.mark.h10
def test_switchover_just_after_the_stream_came_back(st):
    """A stream that has only begun is one: the secondary takes over when it has ended, not before."""
    for _ in range(3):
        mark = st.a.log.stat().st_size
        break_stream(st)
        order(st.a, "switchover")  # it is taken as soon as the node finds the other one in step
        st.home_again()
        assert b"did not end cleanly" not in st.a.log.read_bytes()[mark:], st.a.log_tail()
        back_to_the_first(st)


@pytest.fixture
def vault_stands_still(st):
    """The first node's vault takes nothing into the log, so a hand-over that was ordered there waits."""
    (pid,) = st.a.pids("vaultd")
    os.kill(pid, signal.SIGSTOP)
    yield pid
    os.kill(pid, signal.SIGCONT)
    st.home_again(primary=st.a)
    # What the vault was asked to write is in the log by now; the next order finds it there, and is carried out.
    order(st.a, "switchover")
    back_to_the_first(st)


def refused_switchover(st, once_taken=lambda: None):
    """What the command said of an order that was taken and not carried out."""
    p = subprocess.Popen(
        st.a.argv("ha", "switchover", "--home", st.a.home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = p.stdout.readline()
    assert "waiting for this node to act on the order" in said, said
    once_taken()
    said, _ = p.communicate(timeout=60)
    assert p.returncode == 1, said
    return said


@pytest.mark.h14
def test_switchover_that_cannot_begin_is_given_up(st, vault_stands_still):
    """It says so; and what was ordered is not done later, when nobody expects it."""
    said = refused_switchover(st)
    assert "not carried out: the vault did not take it into the log" in said, said
    os.kill(vault_stands_still, signal.SIGCONT)
    st.home_again(primary=st.a)
    still_true("the first node is the primary", st.a.state, 3, lambda state: state == "synced")


@pytest.mark.h14
def test_switchover_whose_secondary_is_lost_is_given_up(st, vault_stands_still):
    """The order was taken while the secondary was in step; whoever gave it is told why nothing comes of it."""
    said = refused_switchover(st, st.b.kill)
    os.kill(vault_stands_still, signal.SIGCONT)
    st.b.start()
    assert "not carried out: no secondary keeps in step" in said, said


def wait_for_handing(node, mark):
    """Until the node's log says, behind this mark, that it hands over."""

    def said():
        with node.log.open("rb") as f:
            f.seek(mark)
            return f.read().decode(errors="replace")

    wait_until(f"{node.name} hands over", said, lambda text: "→ handing" in text, every=0.001)


def switch_and_strike(st, strike):
    """The strike is in the middle of the hand-over. The command's own end depends on who wins."""
    mark = st.a.log.stat().st_size

    def give():
        with contextlib.suppress(AssertionError):
            order(st.a, "switchover")

    orderer = threading.Thread(target=give)
    orderer.start()
    try:
        wait_for_handing(st.a, mark)
        strike()
    finally:
        orderer.join()


@pytest.mark.h10
def test_a_command_that_stood_still_says_how_it_ended(st):
    """What it waits for came and went meanwhile: it goes by what the node was before and is now."""
    st.home_again()
    mark = st.a.log.stat().st_size
    p = subprocess.Popen(
        st.a.argv("ha", "switchover", "--home", st.a.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=st.a.env,
    )
    try:
        wait_for_handing(st.a, mark)
        p.send_signal(signal.SIGSTOP)
        st.a.wait_state("standby")
    finally:
        p.send_signal(signal.SIGCONT)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 0 and "secondary now" in out, (out, err)
    back_to_the_first(st)


@pytest.mark.h7
@pytest.mark.h10
@pytest.mark.parametrize("what", ["secondary", "postmaster"])
def test_hand_over_that_is_not_in_order(st, what):
    """The secondary is begun anew, or the primary's PostgreSQL is killed, in the middle of it: whoever is the primary then,
    what only the former one has is saved, and every log is whole.
    """

    def kill_secondary():
        st.b.kill()
        st.b.start(wait=False)

    def kill_postmaster():  # a slow machine may find it ended in order already
        with contextlib.suppress(Failed):
            st.a.signal("postmaster", signal.SIGKILL, timeout=0)

    strike = {"secondary": kill_secondary, "postmaster": kill_postmaster}[what]
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        switch_and_strike(st, strike)
        st.home_again()
        load.wait_for(write_after(time.monotonic(), "both"))
        rows = load.stop()
    back_to_the_first(st)
    # A hand-over that one side gave up and the other carried on has two primaries for a moment.
    print(checker.everything(st, rows, siblings=True))


@pytest.mark.h10
def test_lost_primary_is_replaced_and_returns(st):
    """kill -9 of the primary, promotion, work on; the old one is back, is fenced, returns as a secondary."""
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        begun = time.monotonic()
        FAULTS["p-node-kill"].do(st)
        load.wait_for(emergency_after(begun))
        said = order(st.b, "promote", "--yes")
        print(f"promoted within {said['milliseconds']} ms")
        wait_until(
            "the new primary takes writes", lambda: sum(write_after(begun)(r) for r in load.rows()), lambda n: n >= 20
        )
        st.a.start(wait=False)
        st.home_again(primary=st.b)
        load.wait_for(write_after(time.monotonic(), "both"))
        rows = load.stop()
    back_to_the_first(st)
    print(checker.everything(st, rows))
    no_read_failed(rows)


@pytest.mark.h8
@pytest.mark.h10
def test_two_primaries_after_a_cut(st):
    """The line is cut, B is promoted, both sides write; when they meet, A is fenced and all of both is there."""
    with st.load() as load:
        writes = st.accounts[len(st.accounts) // 2 :]
        begun = time.monotonic()
        load.wait_for(write_after(0, "both"))
        FAULTS["link-cut"].do(st)
        load.wait_for(emergency_after(begun))
        order(st.b, "promote", "--yes")
        # Those of B's side have accounts of their own: conflicts are another test's.
        load.worker(
            "b",
            "writer",
            st.login("admin", host="b", to=st.b),
            ("b", "a"),
            st.accounts[:3],
            f"two{st.loads}",
            interval=0.02,
        )
        load.wait_for(lambda r: r["tag"].startswith("two") and r.get("ok"))
        for node in (st.a, st.b):  # some on each side
            wait_until(
                f"{node.name} takes writes",
                lambda: sum(write_after(begun)(r) and node.name in r["node"] for r in load.rows()),
                lambda n: n >= 20,
            )
        assert st.a.sql("SELECT pg_is_in_recovery()") == st.b.sql("SELECT pg_is_in_recovery()") == [["f"]]
        FAULTS["link-cut"].undo(st)
        st.home_again(primary=st.b)
        rows = load.stop()
    assert len({r["account"] for r in rows if r["role"] == "writer" and r.get("ok")} & set(writes)) > 0
    kinds = [r[0] for r in st.b.sql("SELECT DISTINCT kind FROM event WHERE kind IN (:MERGED, :PROMOTED)")]
    assert {int(k) for k in kinds} == {
        EVENTS["MERGED"],
        EVENTS["PROMOTED"],
    }, "the log tells of the promotion and of the merge"
    back_to_the_first(st)
    print(checker.everything(st, rows, siblings=True))
    no_read_failed(rows)


@pytest.mark.h10
def test_large_versions_of_a_former_primary_come_home(st):
    """What only A has is more than one reading of its log brings: it comes home to the last event."""
    begun, session = time.monotonic(), st.login("admin")
    made = st.call("a", session, st.a, "POST", "/v1/resources", {"name": f"large {st.loads} {begun}"})["body"]["id"]
    account = st.call(
        "a", session, st.a, "POST", f"/v1/resources/{made}/accounts", {"login": "x", "fields": {"password": "1"}}
    )["body"]["id"]
    with st.load() as load:
        FAULTS["link-cut"].do(st)
        load.wait_for(emergency_after(begun))
        load.stop()
    order(st.b, "promote", "--yes")
    for i in range(20):
        fields = {f"note {k}": f"{i % 10}" * 60000 for k in range(2)}
        r = st.call("a", session, st.a, "POST", f"/v1/accounts/{account}/versions", {"fields": fields}, timeout=60)
        assert r["status"] == 201, r
    FAULTS["link-cut"].undo(st)
    st.home_again(primary=st.b)
    assert st.b.sql(
        f"SELECT count(*), sum(octet_length(sealed)) > 2000000 FROM version WHERE account = '{account}'"
    ) == [["21", "t"]]
    back_to_the_first(st)
    print(checker.whole(st))


@pytest.mark.h8
@pytest.mark.h10
def test_a_write_that_is_under_way_when_it_returns(st):
    """A database that stood still has changes in hand when it goes on: what only this node has is read when the last of them is over."""
    begun = time.monotonic()
    with st.load() as load:
        FAULTS["link-cut"].do(st)
        load.wait_for(emergency_after(begun))
        load.stop()
    order(st.b, "promote", "--yes")
    writer = st.a.sql_begin(
        "BEGIN; LOCK TABLE event IN ROW EXCLUSIVE MODE; SELECT 'open'; SELECT pg_sleep(8); COMMIT; SELECT 'over'"
    )
    assert writer.stdout.readline() == "open\n"
    FAULTS["link-cut"].undo(st)
    st.a.wait_state("fenced")
    out, err = writer.communicate(timeout=30)
    assert writer.returncode == 0 and "over" in out, err
    st.home_again(primary=st.b)
    back_to_the_first(st)
    print(checker.whole(st))


@pytest.mark.h11
def test_lost_slot_is_copied_anew(st):
    """A secondary away for too long: the primary drops what it kept for it; the secondary copies the primary by itself."""
    slot = st.a.sql("SELECT slot_name FROM pg_replication_slots")[0][0]
    st.b.stop()
    try:
        st.a.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'")
        st.a.sql("SELECT pg_reload_conf()")
        for _ in range(12):
            st.a.sql("SELECT pg_switch_wal()")
            st.a.sql("SELECT pg_logical_emit_message(false, 'holdfast-test', repeat('x', 1000000))")

        def status():  # a checkpoint may go by the settings of before
            st.a.sql("CHECKPOINT")
            return st.a.sql(f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{slot}'")[0][0]

        wait_until("the slot is lost: the primary keeps WAL within bounds", status, lambda seen: seen == "lost")
    finally:
        st.a.sql("ALTER SYSTEM RESET max_slot_wal_keep_size")
        st.a.sql("SELECT pg_reload_conf()")
        st.b.start(wait=False)
    st.home_again()
    print(checker.whole(st))


@pytest.mark.h10
@pytest.mark.h13
def test_a_promotion_is_not_stopped_for_a_copy_that_waits(st):
    """The primary's service is lost while it is copied; the copy becomes whole all the same, and waits for its place. Who is promoted
    then is promoted with the data that it has: PostgreSQL is not stopped for the copy half-way."""
    st.home_again()
    ordered = threading.Thread(target=lambda: st.b.run("ha", "rejoin", "--home", st.b.home, check=False), daemon=True)
    with copies_wait(st.a):
        ordered.start()
        wait_until("B copies A", lambda: copies(st.b))
        st.a.signal("vaultd", signal.SIGSTOP)
        st.b.wait_state("emergency")
    wait_until("the copy is whole", (st.b.home / "replication/rejoin.conf").exists)
    order(st.b, "promote", "--yes")
    assert int(st.b.sql("SELECT count(*) FROM pg_stat_wal_receiver")[0][0]) == 0
    assert not (st.b.home / "replication/rejoin.conf").exists()
    ordered.join()
    st.a.signal("vaultd", signal.SIGCONT)
    st.home_again(primary=st.b)
    back_to_the_first(st)
    print(checker.whole(st))


@pytest.mark.h10
def test_what_is_refused(st):
    """Orders at the wrong place or time say what to do instead, and change nothing."""
    for node, verb, says in (
        (st.a, ["promote", "--yes"], "the primary already"),
        (st.b, ["promote", "--yes"], "switchover"),
        (st.b, ["switchover"], "secondary"),
        (st.a, ["switchover", "nobody.example"], "no other node"),
        (st.a, ["rejoin"], "nothing is copied over it"),
    ):
        p = node.run("ha", *verb, "--home", node.home, check=False)
        assert p.returncode == 1 and says in p.stderr, (verb, p.stderr)
    p = st.b.run("ha", "promote", "--home", st.b.home, check=False, input="no\n")
    assert p.returncode == 1 and "nothing was changed" in p.stderr and "everything is here as of" in p.stderr, p.stderr
    st.home_again(primary=st.a)
