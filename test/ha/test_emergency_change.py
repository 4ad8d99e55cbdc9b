# SPDX-License-Identifier: Apache-2.0
"""New versions made at a secondary in emergency (H5, H6, H7): refused unless an administrator allowed them; read there at once, also after a
restart; home with the journal; in conflict with what the primary did meanwhile; and what becomes of those whose maker was no longer entitled.
"""
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

import checker
from events import EVENTS
from stage import LIB
from versions import account_of, get, history, name_of


@contextmanager
def cut(st):
    """The line between the nodes is cut: A alone, B in emergency. At the end all is as before."""
    st.net.cut_both("a", "b")
    try:
        st.b.wait_state("emergency")
        yield
    finally:
        st.net.heal()
    st.home_again()


def put(st, session, i, value, host="b", **more):
    return st.cli("put", name_of(i), session=session, host=host, input=value + "\n", **more)


@pytest.mark.h5
def test_refused_unless_allowed(st):
    session = st.login("admin", host="b")
    with cut(st):
        before = len(history(st, session, 1))
        p = put(st, session, 1, "never", check=False)
        assert p.returncode == 1 and "no administrator has allowed changes in emergency" in p.stderr, p
        assert len(history(st, session, 1)) == before
    said = st.cli("policy", "emergency-changes", "on", "site 00002").stdout
    assert re.search(r"\(everywhere\) +off", said) and re.search(r"site 00002 +on", said), said
    checker.both_equal(st.a, st.b)
    with cut(st):
        assert put(st, session, 1, "never", check=False).returncode == 1
        assert "in emergency" in put(st, session, 2, "allowed").stdout
        # And nothing but versions.
        for args in (
            ["put", "new place/root"],
            ["rm", "--yes", name_of(2)],
            ["policy", "emergency-changes", "on"],
            ["settle", name_of(2), "1"],
        ):
            p = st.cli(*args, session=session, host="b", input="x\n", check=False)
            assert p.returncode == 1 and "only reads and withdrawals are served" in p.stderr, f"{args}: {p}"
    assert get(st, session, 2, host="a") == "allowed"
    st.cli("policy", "emergency-changes", "inherit", "site 00002")


READER = """
import sys; sys.path.insert(0, sys.argv[1])
import time
from fastclient import Client
c = Client(sys.argv[2])
u = [u for u in c.nodes if sys.argv[3] in u][0]
end, away = time.monotonic() + 120, 0
while away < 20 and time.monotonic() < end:
    r = c.call(u, "POST", "/v1/accounts/" + sys.argv[4] + "/retrieve", {"reason": "all the time"}, timeout=10)
    away = away + 1 if r.status == 307 else 0
    print(r.status, (r.body.get("fields") or {}).get("password"), flush=True)
"""


class Reader:
    """Reads one account at B over and over, without a pause, until B sends on to the primary again."""

    def __init__(self, st, session, account):
        self.p = subprocess.Popen(
            [*st.net.exec_prefix("b"), sys.executable, "-c", READER, str(LIB), str(session), st.b.name, account],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.first = self.p.stdout.readline().split()

    def end(self):
        out, _ = self.p.communicate(timeout=150)
        assert self.p.returncode == 0
        return [self.first, *(l.split() for l in out.splitlines())]


@pytest.mark.h5
@pytest.mark.h6
@pytest.mark.h7
def test_written_read_kept_and_merged(st):
    st.cli("policy", "emergency-changes", "on")
    account, before = account_of(st, 3), st.login("admin", host="b")
    checker.both_equal(st.a, st.b)
    on_a = st.a.sql(f"SELECT count(*) FROM version WHERE account = '{account}'")[0][0]
    try:
        st.net.cut_both("a", "b")
        st.b.wait_state("emergency")
        session = st.login("admin", host="b", to=st.b)  # known to B alone until the journal is home
        r = st.call(
            "b",
            session,
            st.b,
            "POST",
            f"/v1/accounts/{account}/versions",
            {"fields": {"password": "emergency-1"}, "if_version": 1},
        )
        assert (r["status"], r["body"]["version"]) == (201, 2), r
        assert r["headers"]["Holdfast-Mode"] == "emergency" and r["headers"]["Holdfast-Durability"] == "journal", r
        stale = st.call(
            "b",
            session,
            st.b,
            "POST",
            f"/v1/accounts/{account}/versions",
            {"fields": {"password": "never"}, "if_version": 1},
        )
        assert (stale["status"], stale["body"]["error"]["code"]) == (409, "version_conflict"), stale
        put(st, before, 3, "emergency-2")
        files = b"".join(p.read_bytes() for p in (st.b.home / "data").glob("journal.db*"))
        assert b"emergency-1" not in files and b"emergency-2" not in files, "a secret stands plain in the journal"
        st.b.signal("vaultd", signal.SIGKILL)
        st.b.wait_state("emergency")
        assert get(st, session, 3) == "emergency-2"
        st.b.kill()
        st.b.start(wait=False)
        st.b.wait_state("emergency")
        assert get(st, before, 3) == "emergency-2"
        assert get(st, session, 3, "--version", "2") == "emergency-1"
        assert [(v["n"], v["current"], (v["node"] or {}).get("name")) for v in history(st, session, 3)] == [
            (3, True, st.b.name),
            (2, False, st.b.name),
            (1, False, st.a.name),
        ]
        assert st.a.sql(f"SELECT count(*) FROM version WHERE account = '{account}'")[0][0] == on_a
        reader = Reader(st, session, account)
    finally:
        st.net.heal()
    st.home_again()
    seen = reader.end()
    assert seen[0] == ["200", "emergency-2"] and seen[-1][0] == "307", (seen[0], seen[-1])
    wrong = [x for x in seen if x not in (["200", "emergency-2"], ["307", "None"])]
    assert not wrong, f"while the journal went home B answered {wrong[:5]}"
    assert get(st, session, 3, host="a") == "emergency-2"
    assert [(v["n"], v["current"], v["conflict"], v["approval"]) for v in history(st, session, 3, host="a")] == [
        (3, True, False, None),
        (2, False, False, None),
        (1, False, False, None),
    ]
    assert (
        st.a.sql(f"SELECT count(*) FROM event WHERE kind = :VERSION_ADDED AND object = '{account}'")[0][0] == "3"
    ), "merged twice, or not whole"
    checker.both_equal(st.a, st.b)
    for n in (st.a, st.b):
        st.audit_verify(n)


@pytest.mark.h5
@pytest.mark.h7
@pytest.mark.h15
def test_made_on_both_sides_is_a_conflict(st):
    st.cli("policy", "emergency-changes", "on")
    at_a, at_b = st.login("admin", host="a"), st.login("admin", host="b")
    checker.both_equal(st.a, st.b)
    with cut(st):
        put(st, at_a, 4, "of-a", host="a")
        put(st, at_b, 4, "of-b-1")
        st.login("admin", host="b", to=st.b)  # another event that changes a table, between the two
        put(st, at_b, 4, "of-b-2")
        assert get(st, at_b, 4) == "of-b-2" and get(st, at_a, 4, host="a") == "of-a"
    assert get(st, at_b, 4) == "of-a"
    assert [(v["n"], v["current"], v["conflict"]) for v in history(st, at_b, 4)] == [
        (4, False, True),
        (3, False, True),
        (2, True, False),
        (1, False, False),
    ]
    assert name_of(4) in st.cli("conflicts").stdout
    st.cli("settle", name_of(4), "4")
    assert get(st, at_a, 4, host="a") == "of-b-2" and name_of(4) not in st.cli("conflicts").stdout
    checker.both_equal(st.a, st.b)


@pytest.mark.h6
@pytest.mark.h7
@pytest.mark.h15
def test_no_longer_entitled_waits_for_approval(st):
    """One is disabled, of the other the share is withdrawn, while both write at B. Nothing is dropped; nothing is applied unasked."""
    st.cli("policy", "emergency-changes", "on")
    mia, ned = st.new_user("mia"), st.new_user("ned")
    for i in (5, 6):
        st.cli("share", name_of(i), "mia", "modify")
        st.cli("share", name_of(i), "ned", "modify")
    st.cli("share", "site 00007/root0", "ned", "modify")
    for one in (mia, ned):
        st.accept_all(one)
    checker.both_equal(st.a, st.b)
    at_a = st.login("admin", host="a")
    with cut(st):
        st.cli("user", "disable", "mia", session=at_a, host="a")
        st.cli("unshare", name_of(6), "ned", session=at_a, host="a")
        put(st, mia, 5, "by-mia")
        put(st, ned, 6, "by-ned")
        put(st, ned, 7, "entitled")
        assert get(st, ned, 6) == "by-ned"
    for i, value in ((5, "s3cret-site-00005"), (6, "s3cret-site-00006"), (7, "entitled")):
        assert get(st, st.admin, i, host="client") == value
    for i in (5, 6):
        newest = history(st, st.admin, i, host="client")[0]
        assert (newest["n"], newest["current"], newest["conflict"], newest["approval"]) == (
            2,
            False,
            False,
            "waits",
        ), newest
        assert "no longer entitled: waits for approval" in st.cli("history", name_of(i)).stdout
    said = st.cli("changes").stdout
    assert re.search(rf"{name_of(5)} .*mia +{re.escape(st.b.name)}", said) and re.search(
        rf"{name_of(6)} .*ned", said
    ), said
    assert "nothing waits" in st.cli("changes", session=ned).stdout
    assert st.cli("approve", name_of(6), "2", session=ned, check=False).returncode == 1
    assert "is the current one" in st.cli("approve", name_of(5), "2").stdout
    assert "history only" in st.cli("decline", name_of(6), "2").stdout
    assert st.cli("approve", name_of(6), "2", check=False).returncode == 1
    assert (
        get(st, st.admin, 5, host="client") == "by-mia" and get(st, st.admin, 6, host="client") == "s3cret-site-00006"
    )
    assert history(st, st.admin, 6, host="client")[0]["approval"] == "declined"
    assert get(st, st.admin, 6, "--version", "2", host="client") == "by-ned", "a declined change was dropped"
    assert "nothing waits" in st.cli("changes").stdout
    told = st.a.sql("SELECT kind FROM event WHERE kind IN (:CHANGE_APPROVED, :CHANGE_DECLINED) ORDER BY kind")
    assert [r[0] for r in told] == [str(EVENTS["CHANGE_APPROVED"]), str(EVENTS["CHANGE_DECLINED"])], told
    checker.both_equal(st.a, st.b)
    for n in (st.a, st.b):
        st.audit_verify(n)
