# SPDX-License-Identifier: Apache-2.0
"""The journal on a secondary's disk was changed: while it gives emergency access, when it starts, before the journal goes home. It is said by
name, nothing of it is served or merged, the rest of the node goes on; the runbook's way leads back, and what can be proven is not lost.
"""
import json
import shutil
import sqlite3
import time

import pytest

import checker
from damage import cut, log_since, logged, mark, wait_reason
from homefiles import hold
from stage import On
from wait import wait_until

PAGE = 4096


def journal_of(node):
    return node.home / "data/journal.db"


def in_one_file(journal):
    """What SQLite still has beside it goes in; its bytes."""
    db = sqlite3.connect(journal, timeout=60)
    assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, "somebody holds the journal"
    db.close()
    return journal.read_bytes()


def overwrite(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def garbage(path):
    path.write_bytes(b"\x5a" * path.stat().st_size)


def truncated(path):
    """Half of its pages are gone."""
    with open(path, "r+b") as f:
        f.truncate(path.stat().st_size // PAGE // 2 * PAGE)


def last_page(path):
    """The leaf with the newest rows."""
    overwrite(path, path.stat().st_size - PAGE, b"\xa5" * 64)


def retrieve(st, on, reason):
    return on.call(st.b, "POST", f"/v1/accounts/{st.accounts[1]}/retrieve", {"reason": reason}, timeout=20)


def retrieve_all(st, on, run, n):
    reasons = [f"{run}-{i} {'x' * 300}" for i in range(n)]
    for reason in reasons:
        assert retrieve(st, on, reason)["status"] == 200
    return reasons


def reveals_nothing(st, on, reason):
    """Soon, and from then on."""
    wait_until(
        "it ends revealing: the journal is damaged",
        lambda: retrieve(st, on, reason),
        lambda r: r["status"] != 200,
        every=0.5,
    )
    for _ in range(3):
        r = retrieve(st, on, reason)
        assert r["status"] == 503 and "s3cret" not in json.dumps(r), r
        assert r["body"]["error"]["code"] in ("log_unwritable", "not_serving"), r


def rest_goes_on(st):
    """The line is whole again: the primary serves and has both disks, nothing was merged; both nodes say what is wrong."""
    wait_reason(st.a, "journal_unreadable", st.b)
    reason = wait_reason(st.b, "journal_unreadable", st.b)
    assert "holdfast ha repair-journal" in reason["todo"] and reason["detail"], reason
    wait_until("commits are on both disks, whatever the journal is like", st.a.state, lambda state: state == "synced")
    r = On(st, "client", st.login("admin")).call(
        st.a, "POST", f"/v1/accounts/{st.accounts[2]}/versions", {"fields": {"password": "meanwhile"}}
    )
    assert r["status"] in (200, 201) and r["headers"]["Holdfast-Durability"] == "both", r
    assert st.a.status()[0] == st.b.status()[0] == 4


def repair(node, *more):
    p = node.run("ha", "repair-journal", "--json", "--home", node.home, *more)
    return json.loads(p.stdout)


def told_and_accepted(st):
    """Neither the status nor the log hides that the end of B's log is missing, until an administrator has said why."""
    for n in st.nodes:
        reason = wait_reason(n, "chain_shrunk", n, detail=f" of {st.b.name}, which it found missing itself")
        assert "audit accept" in reason["todo"], reason
    r = st.call("client", st.admin, st.a, "GET", "/v1/audit/verify", timeout=60)["body"]
    assert not r["good"] and [n for n in r["nodes"] if n["broken"]][0]["why"], r
    st.cli("audit", "accept", "the journal of B was damaged")
    st.home_again()


def cuts_logged(st):
    return int(st.a.sql("SELECT count(*) FROM event WHERE body LIKE '%\"remembered\"%' AND kind = :LOG_CUT")[0][0])


def logged_of(st, reasons):
    have = {r[0] for r in st.a.sql("SELECT body::json->>'reason' FROM event WHERE kind = :RETRIEVED")}
    return [r for r in reasons if r in have]


@pytest.mark.h6
@pytest.mark.h7
@pytest.mark.h9
def test_damaged_while_it_is_in_use(st):
    """In emergency, and still when the line is back. Rows before the damage go home by the runbook's command; the log says what is missing."""
    run, since = f"use-{time.monotonic_ns()}", mark(st.b)
    with cut(st) as on:
        reasons = retrieve_all(st, on, run, 60)
        in_one_file(journal_of(st.b))
        last_page(journal_of(st.b))
        reveals_nothing(st, on, f"{run}-while")
        wait_reason(st.b, "journal_unreadable", st.b)
        wait_until("its log says so", lambda: log_since(st.b, since), lambda text: "the journal is damaged" in text)
    rest_goes_on(st)
    assert logged_of(st, reasons) == [], "rows of a damaged journal were merged"
    cuts = cuts_logged(st)
    p = st.b.run("ha", "repair-journal", "--home", st.b.home, check=False)
    assert p.returncode == 1 and "stop the node" in p.stderr, "the journal of a running node was repaired"
    st.b.stop()
    told = repair(st.b)
    assert told["last"] > told["first"] and told["written"] > told["last"] and told["why"], told
    st.b.start(wait=False)
    wait_until("the log says that its end was lost", lambda: cuts_logged(st), lambda n: n == cuts + 1)
    told_and_accepted(st)
    kept = logged_of(st, reasons)
    assert (
        10 < len(kept) < len(reasons) and kept == reasons[: len(kept)]
    ), f"{len(kept)} of {len(reasons)} rows came home"
    logged(st, kept)
    assert reasons[-1].encode() not in b"".join(p.read_bytes() for p in (st.b.home / "data").glob("journal.db"))
    hold(st.b.home, "data/journal.db.damaged-*")
    assert any(told["aside"] == str(p) for p in (st.b.home / "data").glob("journal.db.damaged-*"))
    print(checker.whole(st))


@pytest.mark.h6
@pytest.mark.h7
@pytest.mark.h9
@pytest.mark.parametrize("how", [garbage, truncated])
def test_damaged_at_the_start(st, how):
    """The file is left as it is; with its good state back all of it goes home."""
    journal, run = journal_of(st.b), f"start-{time.monotonic_ns()}"
    with cut(st) as on:
        reasons = retrieve_all(st, on, run, 25)
        st.b.stop()
        good = in_one_file(journal)
        how(journal)
        bad = journal.read_bytes()
        st.b.start(wait=False)
        wait_reason(st.b, "journal_unreadable", st.b)
        st.b.wait_state("emergency")
        reveals_nothing(st, on, f"{run}-while")
        assert journal.read_bytes() == bad, "a damaged journal was written to"
    rest_goes_on(st)
    st.b.stop()
    journal.write_bytes(good)
    shutil.chown(journal, "holdfast", "holdfast")
    st.b.start(wait=False)
    st.home_again()
    logged(st, reasons)
    assert logged_of(st, [f"{run}-while"]) == []
    print(checker.whole(st))


def change_a_letter(journal, reason):
    """What SQLite reads well and is not what was written."""
    at = journal.read_bytes().index(reason.encode())
    overwrite(journal, at, bytes([reason.encode()[0] ^ 0x20]))


@pytest.mark.h6
@pytest.mark.h7
@pytest.mark.h9
def test_one_letter_before_the_merge(st):
    """The chain tells: rows before it are merged, it and what follows is refused by name; a node that is started with it reveals nothing."""
    run = f"letter-{time.monotonic_ns()}"
    with cut(st) as on:
        reasons = retrieve_all(st, on, run, 8)
        in_one_file(journal_of(st.b))
        change_a_letter(journal_of(st.b), reasons[5])
        reasons += retrieve_all(
            st, on, f"{run}-after", 1
        )  # a new row: no process goes by what it read before the change
    reason = wait_reason(st.b, "merge_refused", st.b)
    event = int(reason["detail"].split("event ")[1].split()[0])
    assert "--before EVENT" in reason["todo"], reason
    assert logged_of(st, reasons) == reasons[:5]
    with cut(st) as on:
        st.b.stop()
        st.b.start(wait=False)
        st.b.wait_state("emergency")
        on = On(st, "b", on.session)
        reveals_nothing(st, on, f"{run}-while")
        wait_reason(st.b, "service_cannot", st.b, detail=f"repair-journal --before {event}")
    st.b.stop()
    p = st.b.run("ha", "repair-journal", "--home", st.b.home, check=False)
    assert p.returncode == 1 and "--before EVENT" in p.stderr, p.stderr
    told = repair(st.b, "--before", event)
    assert told["last"] in (0, event - 1), told
    st.b.start(wait=False)
    told_and_accepted(st)
    assert logged_of(st, reasons + [f"{run}-while"]) == reasons[:5]
    logged(st, reasons[:5])
    aside = int(st.a.sql("SELECT count(*) FROM ha_set_aside")[0][0])
    assert aside >= 3, "what was refused was not kept"
    st.a.sql("DELETE FROM ha_set_aside")  # the checker wants none
    print(checker.whole(st))


@pytest.mark.h6
@pytest.mark.h9
def test_erased_while_the_node_is_down(st):
    """Nothing is left of it but the end mark, which keyd keeps: the node says so, and neither node is Alive until that was accepted."""
    run, cuts = f"erased-{time.monotonic_ns()}", cuts_logged(st)
    with cut(st) as on:
        reasons = retrieve_all(st, on, run, 3)
        st.b.stop()
        for path in (st.b.home / "data").glob("journal.db*"):
            path.unlink()
        st.b.start(wait=False)
        st.b.wait_state("emergency")
    wait_until("the log says that its end was lost", lambda: cuts_logged(st), lambda n: n == cuts + 1)
    assert logged_of(st, reasons) == []
    told_and_accepted(st)
    print(checker.whole(st))
