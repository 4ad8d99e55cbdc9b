# SPDX-License-Identifier: Apache-2.0
"""A secondary that was away for long: its slot is bounded and lost, and made anew; it serves with the data's true age, its journal goes home first,
and it copies the primary by itself, whatever interrupts the copy.
"""
import signal
import time

import pytest

import checker
from damage import logged
from orders import copies
from stage import On
from wait import wait_until

SLOT = "SELECT slot_name, active, wal_status, restart_lsn FROM pg_replication_slots"


def lose_slot(st):
    """The primary drops what it kept for the secondary."""
    st.a.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'")
    st.a.sql("SELECT pg_reload_conf()")
    try:
        for _ in range(12):
            st.a.sql("SELECT pg_switch_wal()")
            st.a.sql("SELECT pg_logical_emit_message(false, 'holdfast-test', repeat('x', 1000000))")

        def status():  # a checkpoint may go by the settings of before
            st.a.sql("CHECKPOINT")
            return st.a.sql(SLOT)[0][2]

        wait_until("the slot is lost: the primary keeps WAL within bounds", status, lambda seen: seen == "lost")
    finally:
        st.a.sql("ALTER SYSTEM RESET max_slot_wal_keep_size")
        st.a.sql("SELECT pg_reload_conf()")


def renew(node, wanted):
    """As the pair's channel asks for it, where each node is heard for itself alone (test/it/test_channel.py)."""
    return node.sql(f"SELECT coalesce(ha_renew_slot({wanted}), 'none')")[0][0]


@pytest.mark.h11
def test_slot_is_renewed_only_when_it_has_to_be(st):
    """In use, idle: as it was. Lost, gone: made anew, and it keeps what is written from then on. Of nobody else, and by the primary alone."""
    slot = st.a.sql(SLOT)[0][0]
    ids = {name: f"'{i}'" for i, name in st.a.sql("SELECT id, name FROM node")}
    b = ids[st.b.name]
    assert renew(st.a, b) == slot and st.a.sql(SLOT)[0][1] == "t"
    assert renew(st.a, ids[st.a.name]) == renew(st.a, "gen_random_uuid()") == renew(st.b, b) == "none"
    st.b.stop()
    idle = wait_until("nobody streams from it", lambda: st.a.sql(SLOT), lambda rows: rows[0][1] == "f")
    assert renew(st.a, b) == slot and st.a.sql(SLOT) == idle, "a slot that still keeps what is needed was made anew"
    lose_slot(st)
    assert renew(st.a, b) == slot
    _, active, status, at = st.a.sql(SLOT)[0]
    assert (active, status) == ("f", "reserved") and at != idle[0][3], (active, status, at)
    st.a.sql(f"SELECT pg_drop_replication_slot('{slot}')")
    assert renew(st.a, b) == slot and len(st.a.sql(SLOT)) == 1 and st.a.sql(SLOT)[0][2] == "reserved"
    # The secondary knows nothing of it: its data ends before what the new slot keeps.
    st.b.start(wait=False)
    st.home_again()
    assert len(st.a.sql(SLOT)) == 1 and st.a.sql(SLOT)[0][1:3] == ["t", "reserved"]
    print(checker.whole(st))


def copier(node):
    return next(iter(copies(node)), None)


def hold_copy(st):
    """Until the copy is under way; it stands still then. What the node says of it meanwhile."""
    new = st.b.home / "data/pg.new"
    pid = wait_until(
        "a copy is begun",
        lambda: copier(st.b) if (new / "base").exists() else None,
        timeout=120,
        every=0.002,
        also=st.b.state,
    )
    try:
        st.b._quietly(pid, signal.SIGSTOP)
    finally:
        assert copier(st.b) == pid, "the copy was over before it could be interrupted"
    assert st.b.pids(
        "postmaster"
    ), "the copy is made with the old database stopped: nobody could be served if the primary was lost now"
    wait_until("the status says that it copies", lambda: st.b.status()[1]["why"], lambda why: "copying the" in why)
    return pid


def cut(st):
    st.net.cut_both("a", "b")
    st.net.degrade(0, 0)  # frames that are carried by hand are not dropped


def slow_line(st):
    """The line is back but slow, so that a copy takes some seconds."""
    st.net.degrade(150, 0)
    st.net.heal()


def nothing_left(st):
    names = ("data/pg.new", "data/pg.old", "replication/copying", "replication/rejoin.conf", "run/progress")
    wait_until("nothing is left over", lambda: [n for n in names if (st.b.home / n).exists()], lambda left: not left)
    assert len(st.a.sql(SLOT)) == 1 and st.a.sql(SLOT)[0][1:3] == ["t", "reserved"], st.a.sql(SLOT)


class Reader:
    """One user at B; what was revealed, and as of when."""

    def __init__(self, st):
        self.st, self.reasons, self.run = st, [], f"away-{time.monotonic_ns()}"
        self.on = On(st, "b", st.login("admin", host="b", to=st.b))

    def read(self, n=1):
        for _ in range(n):
            reason = f"{self.run}-{len(self.reasons)}"
            r = self.on.call(
                self.st.b, "POST", f"/v1/accounts/{self.st.accounts[3]}/retrieve", {"reason": reason}, timeout=20
            )
            assert r["status"] == 200 and r["headers"]["Holdfast-Mode"] == "emergency", r
            self.reasons.append(reason)
        return r["headers"]["Holdfast-As-Of"]


@pytest.mark.h5
@pytest.mark.h7
@pytest.mark.h11
def test_away_for_long(st):
    """The copy is interrupted by the line, and by kill -9 of the node. Each time it serves with the age of what it has, and goes on by itself."""
    cut(st)
    st.b.wait_state("emergency")
    reader = Reader(st)
    as_of = reader.read(5)
    gone = st.a.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')")[0][0]
    st.b.stop()
    lose_slot(st)
    st.cli("put", "site 00001/root1", input="made-meanwhile\n")
    st.b.start(wait=False)
    st.b.wait_state("emergency")
    assert reader.read() <= as_of < gone, "older data claims to be newer than it is"

    slow_line(st)
    pid = hold_copy(st)
    st.b.wait_state("reseed")
    logged(st, reader.reasons)  # the journal was home before
    cut(st)
    st.b._quietly(pid, signal.SIGCONT)
    st.b.wait_state("emergency")
    assert reader.read() <= as_of, "half a copy was served"

    slow_line(st)
    hold_copy(st)
    cut(st)
    st.b.kill()
    st.b.start(wait=False)
    st.b.wait_state("emergency")
    assert reader.read(3) <= as_of

    slow_line(st)
    pid = hold_copy(st)
    st.b._quietly(pid, signal.SIGCONT)
    st.net.degrade(0, 0)
    st.home_again()
    logged(st, reader.reasons, st.b)
    nothing_left(st)
    print(checker.whole(st))
