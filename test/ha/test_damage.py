# SPDX-License-Identifier: Apache-2.0
"""Disks: what is on them was changed, is gone, or there is no room on them. It is said by name, nothing of it is served, and a
command or nothing at all leads back.
"""
import json
import shutil
import time
from contextlib import contextmanager

import pytest

import checker
from damage import cut, log_since, logged, mark, wait_reason
from faults import FAULTS
from homefiles import hold
from orders import back_to_the_first, order
from outage import play
from seen import write_after
from stage import On
from wait import wait_until

PAGE = 8192


def flip(path, page=0):
    """Bytes in the middle of a page are others now, as a disk or its memory does it."""
    with open(path, "r+b") as f:
        f.seek(page * PAGE + PAGE // 2)
        old = f.read(64)
        f.seek(page * PAGE + PAGE // 2)
        f.write(bytes(b ^ 0xFF for b in old))


@contextmanager
def stopped(node):
    """A server that has the page in its memory would not read it again."""
    node.stop()
    try:
        yield
    finally:
        node.start(wait=False)


def damage_table(st, node, table):
    """The first page of a table on this node's disk alone. The log is read from behind that when the server starts."""
    # Every row is read once: no hint is to be set there any more, so that the log does not bring the page anew. (No VACUUM: with
    # figures of a table this small, PostgreSQL reads all of it for each row.)
    st.a.sql(f"SELECT sum(hashtext(t::text)) FROM {table} t")
    st.a.sql("CHECKPOINT")
    at = st.a.sql("SELECT pg_current_wal_lsn()")[0][0]
    if node is not st.a:
        wait_until(
            "the log comes in",
            lambda: node.sql(f"SELECT pg_last_wal_replay_lsn() >= '{at}'"),
            lambda rows: rows == [["t"]],
        )
    path = node.home / "data/pg" / node.sql(f"SELECT pg_relation_filepath('{table}')")[0][0]
    node.sql("CHECKPOINT")
    with stopped(node):
        flip(path)
    return path


def retrieve_each(on, node, st):
    """What users get of some accounts from all over the table: (served, refused as damaged)."""
    served, refused = [], []
    for account in st.accounts[::4]:
        r = on.call(node, "POST", f"/v1/accounts/{account}/retrieve", {"reason": f"damage {account}"}, timeout=20)
        if r["status"] == 200:
            served.append(account)
            continue
        assert (r["status"], r["body"]["error"]["code"]) == (500, "data_damaged"), r
        assert "s3cret" not in json.dumps(r) and "fields" not in r["body"]
        refused.append(account)
    return served, refused


def copy_anew(node):
    """As an operator does it: again, if the node has not yet seen that the primary is back."""

    def rejoin():
        p = node.run("ha", "rejoin", "--home", node.home, check=False)
        assert p.returncode == 0 or "the primary does not serve" in p.stderr, p.stderr
        return p

    wait_until("the order is taken", rejoin, lambda p: p.returncode == 0, every=0.3)


# ---- pages ----


@pytest.mark.h5
@pytest.mark.h9
def test_damaged_page_on_a_secondary(two_disks):
    """What is on it is refused by name, the rest is served; both statuses name it; one command leads back."""
    st, since = two_disks, mark(two_disks.b)
    damage_table(st, st.b, "version")
    st.home_again()
    with cut(st) as on:
        served, refused = retrieve_each(on, st.b, st)
        assert refused and served, f"{len(served)} served, {len(refused)} refused: the damage was to hit some of them"
        assert "data_damaged" == wait_reason(st.b, "data_damaged", st.b)["code"]
    text = log_since(st.b, since)
    assert "page verification failed" in text and "invalid page in block 0" in text, "the log does not name the page"
    wait_reason(st.a, "data_damaged", st.b)
    copy_anew(st.b)
    st.home_again()
    with cut(st) as on:
        served, refused = retrieve_each(on, st.b, st)
        assert not refused, "what was damaged is still there after the copy"
    st.home_again()
    print(checker.whole(st))


@pytest.mark.h5
@pytest.mark.h9
def test_damaged_log_on_a_secondary(two_disks):
    """Whether its chain holds cannot be said there: neither "good" nor "broken". Passwords are served on; one command leads back."""
    st, b, since = two_disks, two_disks.b, mark(two_disks.b)
    aside = set(b.home.glob("data/pg.damaged-*"))
    st.a.sql("VACUUM (FREEZE) event")  # nor is a row to be frozen later
    damage_table(st, b, "event")
    b.wait_state("standby")
    with cut(st) as on:
        r = on.call(b, "GET", "/v1/audit/verify")
        assert (r["status"], r["body"]["error"]["code"]) == (500, "data_damaged"), r
        served, refused = retrieve_each(on, b, st)
        assert served and not refused
        reason = wait_reason(b, "data_damaged", b)
        assert "holdfast ha rejoin" in reason["todo"], reason
        assert all(
            r["code"] != "journal_unreadable" for r in b.status()[1]["reasons"]
        ), "the journal is blamed for the database's damage"
    assert "page verification failed" in log_since(b, since)
    wait_reason(st.a, "data_damaged", b)
    copy_anew(b)
    st.home_again()
    for folder in set(b.home.glob("data/pg.damaged-*")) - aside:  # what could not be salvaged is kept
        shutil.rmtree(folder)
    print(checker.whole(st))


@pytest.mark.h9
@pytest.mark.h10
def test_damaged_page_on_the_primary(two_disks):
    """Refused by name there too. The other node takes over in order, and the damaged one is copied anew."""
    st = two_disks
    damage_table(st, st.a, "version")
    st.home_again()
    on = On(st, "a", st.login("admin"))
    served, refused = retrieve_each(on, st.a, st)
    assert refused and served, f"{len(served)} served, {len(refused)} refused"
    wait_reason(st.a, "data_damaged", st.a)
    wait_reason(st.b, "data_damaged", st.a)
    p = st.a.run("backup", st.a.home / "damaged.backup", "--home", st.a.home, check=False)
    assert p.returncode == 1 and "checksum" in p.stderr, f"a backup of damaged data: {p.stderr}"
    assert not (st.a.home / "damaged.backup").exists()
    order(st.a, "switchover")  # the way back that the status names
    st.b.wait_state("synced")
    served, refused = retrieve_each(On(st, "client", st.login("admin", to=st.b)), st.b, st)
    assert not refused, "the other disk has all of it"
    copy_anew(st.a)
    st.home_again()
    back_to_the_first(st)
    served, refused = retrieve_each(On(st, "client", st.login("admin")), st.a, st)
    assert not refused
    print(checker.whole(st))


@pytest.mark.h9
@pytest.mark.h11
@pytest.mark.parametrize("what", ["control", "gone"])
def test_secondary_whose_postgresql_does_not_start(two_disks, what):
    """serve says why and ends; `ha rejoin` leaves the order; the next serve copies the primary. What was there is kept."""
    st, b, since = two_disks, two_disks.b, mark(two_disks.b)
    before = set(b.home.glob("data/pg.damaged-*"))
    b.stop()
    if what == "control":
        control = b.home / "data/pg/global/pg_control"
        control.write_bytes(b"\x5a" * control.stat().st_size)
        b.start(wait=False)
        assert b.proc.wait(60) != 0
        assert "PostgreSQL does not start" in log_since(b, since) and "holdfast ha rejoin" in log_since(b, since)
        b.run("ha", "rejoin", "--home", b.home)
    else:
        shutil.rmtree(b.home / "data/pg")
        p = b.run("ha", "rejoin", "--home", b.home, check=False)
        assert p.returncode == 1 and "--primary NAME:PORT" in p.stderr, p.stderr
        b.run("ha", "rejoin", "--home", b.home, "--primary", f"{st.a.name}:2345")
    b.start(wait=False)
    st.b.wait_state("standby")
    st.home_again()
    kept = set(b.home.glob("data/pg.damaged-*")) - before
    assert len(kept) == (what == "control"), kept
    hold(b.home, *["data/pg.damaged-*"] * len(kept))
    for folder in kept:
        assert (folder / "PG_VERSION").exists()
        shutil.rmtree(folder)
    assert not (b.home / "replication/rejoin.conf").exists()
    print(checker.whole(st))


@pytest.mark.h10
def test_stopped_primary_is_not_copied_over(two_disks):
    """Where the data is nobody's copy the order is refused."""
    st = two_disks
    st.a.stop()
    try:
        p = st.a.run("ha", "rejoin", "--home", st.a.home, "--primary", f"{st.b.name}:2345", check=False)
        assert p.returncode == 1 and "nothing is copied over it" in p.stderr, p.stderr
        assert not (st.a.home / "replication/rejoin.conf").exists()
    finally:
        st.a.start(wait=False)
    st.home_again()


# ---- no room ----


@pytest.mark.h2
@pytest.mark.h9
def test_full_disk_of_a_standby(two_disks):
    """The primary goes on alone and says so; when there is room again everything is as before, by itself."""

    def during(load, begun):
        for _ in range(4):  # the next segments of the log have no room at the secondary
            st.a.sql("SELECT pg_logical_emit_message(false, 'holdfast-test', repeat('x', 1000000))", timeout=120)
            st.a.sql("SELECT pg_switch_wal()")
        load.wait_for(write_after(time.monotonic(), "local"))
        st.a.wait_status(4)  # while the secondary cannot store anything

    st = two_disks
    play(st, FAULTS["s-disk-full"], during=during)


@pytest.mark.h5
@pytest.mark.h6
def test_full_disk_in_emergency(two_disks):
    """Without room for the journal nothing is revealed, and the answer says why; with room again it is, by itself."""
    st, run = two_disks, f"full-{time.monotonic_ns()}"
    retrieve = lambda on, reason: on.call(
        st.b, "POST", f"/v1/accounts/{st.accounts[2]}/retrieve", {"reason": f"{run}-{reason}"}, timeout=20
    )
    answered = []
    with cut(st) as on:
        assert retrieve(on, "before")["status"] == 200
        answered.append(f"{run}-before")
        st.fill_disk("b")
        refused = 0
        for i in range(2000):  # the journal's last page may have room for a few
            r = retrieve(on, f"full{i}")
            if r["status"] != 200:
                refused += 1
                assert r["status"] == 503 and r["body"]["error"]["code"] in ("log_unwritable", "not_serving"), r
                assert "s3cret" not in json.dumps(r), r
                if refused == 3:
                    break
            else:
                answered.append(f"{run}-full{i}")
        assert refused == 3, "retrievals went on although nothing could be written"
        st.free_disk()
        wait_until(
            "it recovers when there is room", lambda: retrieve(on, "after"), lambda r: r["status"] == 200, every=0.3
        )
        answered.append(f"{run}-after")
    st.home_again()
    logged(st, answered)
    print(checker.whole(st))
