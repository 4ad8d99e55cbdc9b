# SPDX-License-Identifier: Apache-2.0
"""Lists of the command line: a page is printed when it is there, --most is a limit, and a reader who goes away ends it."""
import fcntl
import json
import os
import subprocess
import uuid

import pytest

from nodes import told

ROWS, PAGE = 405, 200  # rows in each list, and in a page of it


def ids(n):
    return [str(uuid.UUID(int=0x01890000_0000_7000_8000_000000000000 + n * 1000 + i)) for i in range(ROWS)]


def values(rows):
    return ", ".join(
        "(" + ", ".join(v if v in ("now()", "true", "false") else "'" + str(v) + "'" for v in row) + ")" for row in rows
    )


@pytest.fixture(scope="module")
def lists(shared, boss, hire):
    """Of each verb: who asks, how, the member of a row that names it, and the statement by which the last row comes to be named LATE."""
    ada = hire("ada")
    for what in ("Shown/versions", "Shown/shares", "Shown/changes"):
        ada.good("put", what, input="x\n")
    resource = ada.json("find", "Shown")[0]
    account = {a["login"]: a["id"] for a in resource["accounts"]}
    users, clashes, versions, changes, removed = (ids(i) for i in range(5))
    shared.sql(
        f"""
        INSERT INTO principal (id, name, role, made_as, created_at) VALUES {values([u, f"zz{i:03}", "user", "user", "now()"] for i, u in enumerate(users))};
        INSERT INTO account (id, resource, login, conflict, created_at) VALUES
            {values([a, resource["id"], f"clash{i:03}", "true", "now()"] for i, a in enumerate(clashes))};
        INSERT INTO version (id, account, n, based_on, sealed, author, created_at, chain, seq) VALUES
            {values([v, account["versions"], i + 2, i + 1, "", ada.id, "now()", v, i] for i, v in enumerate(reversed(versions)))};
        INSERT INTO share (target, principal, level, granted_at) SELECT '{account["shares"]}', id, 1, now() FROM principal WHERE name LIKE 'zz%';
        INSERT INTO version (id, account, n, based_on, sealed, author, created_at, approval, chain, seq) VALUES
            {values([v, account["changes"], i + 2, 1, "", ada.id, "now()", "waits", v, i] for i, v in enumerate(changes))};
        INSERT INTO account (id, resource, login, created_at, deleted_at, binned_at) VALUES
            {values([a, resource["id"], f"gone{i:03}", "now()", f"2026-01-02 03:{59 - i // 7:02}:00Z", "now()"] for i, a in enumerate(removed))};
        """
    )
    shared.sql(
        f"""INSERT INTO admin_conflict (node, seq, at, what, object, principal, kept, lost, acknowledged_at)
        SELECT id, i, now() - i * interval '1 second', 'role', '{ada.id}', '{ada.id}', 'user', 'administrator', CASE WHEN i % 2 = 0 THEN now() END
        FROM node, generate_series(1, {ROWS}) i"""
    )
    late_user = f"UPDATE principal SET name = 'zzLATE' WHERE id = '{users[-1]}'"
    back = f"UPDATE principal SET name = 'zz{ROWS - 1:03}' WHERE id = '{users[-1]}'"
    return {
        "user list": (boss, ["user", "list"], lambda row: row["name"], late_user, back),
        "conflicts": (
            ada,
            ["conflicts"],
            lambda row: row["login"],
            f"UPDATE account SET login = 'LATE' WHERE id = '{clashes[-1]}'",
            None,
        ),
        "changes": (
            ada,
            ["changes"],
            lambda row: row["version"],
            f"UPDATE version SET created_at = '1999-01-01' WHERE id = '{changes[-1]}'",
            None,
        ),
        "history": (
            ada,
            ["history", "Shown/versions"],
            lambda row: row["n"],
            f"UPDATE version SET created_at = '1999-01-01' WHERE id = '{versions[-1]}'",
            None,
        ),
        "administration": (
            boss,
            ["conflicts", "--administration"],
            lambda row: row["id"],
            f"UPDATE admin_conflict SET lost = 'LATE' WHERE seq = {ROWS - 1}",
            f"UPDATE admin_conflict SET lost = 'administrator' WHERE seq = {ROWS - 1}",
        ),
        "removed": (
            ada,
            ["ls", "--removed"],
            lambda row: row["login"],
            f"UPDATE account SET login = 'LATE' WHERE login = 'gone{ROWS // 7 * 7:03}'",
            None,
        ),
        "shares": (ada, ["shares", "Shown/shares"], lambda row: row["user"]["name"], late_user, back),
    }


VERBS = ["user list", "conflicts", "administration", "changes", "history", "removed", "shares"]


def rows_of(text):
    o = json.loads(text)
    return o if isinstance(o, list) else next(iter(o.values()))


@pytest.mark.parametrize("verb", VERBS)
def test_most_is_a_limit(lists, verb):
    who, words, name, _, _ = lists[verb]
    everything = [name(r) for r in rows_of(who.good(*words, "--json"))]
    assert len(everything) >= ROWS and len(set(everything)) == len(everything)
    for most in (1, 3, PAGE, PAGE + 1, 2 * PAGE + 3):
        assert [name(r) for r in rows_of(who.good(*words, "--most", most, "--json"))] == everything[:most]
        assert len(who.good(*words, "--most", most).splitlines()) == most + 1  # and the head
    lines = who.good(*words).splitlines()
    assert len(lines) == len(everything) + 1 and lines.count(lines[0]) == 1
    for bad in ("0", "-1", "x"):
        p = who.cli(*words, "--most", bad)
        assert p.returncode == 2 and "--most" in p.stderr and not p.stdout, p


def printed_first(who, words):
    """The verb's process, when it has printed a little into a pipe that has no room for a whole page."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    env = dict(who.node.env, HOLDFAST_SESSION=str(who.session))
    p = subprocess.Popen(who.node.argv(*words), stdout=write, stderr=subprocess.PIPE, env=env)
    os.close(write)
    out = os.fdopen(read, "rb")
    out.read(100)
    return p, out


@pytest.mark.parametrize("verb", VERBS)
def test_a_page_is_printed_when_it_is_there(shared, lists, verb):
    """What becomes of a row of the last page while the first one is printed is seen: it was not read before."""
    who, words, _, change, back = lists[verb]
    p, out = printed_first(who, words)
    shared.sql(change)
    with out:
        text = out.read().decode()
    said = p.stderr.read()
    assert p.wait(60) == 0 and told(said) == "", said
    if back:
        shared.sql(back)
    assert ("1999-01-01" if "1999" in change else "LATE") in text


def test_the_log_is_read_as_far_as_it_is_looked_at(shared, boss):
    for _ in range(3 * PAGE):  # reading the log is an event too
        boss.api.must("GET", "/v1/audit?limit=1")
    reads = "SELECT count(*) FROM event WHERE kind = 80"  # what readers who went away still cause is of other kinds
    before = int(shared.sql(reads)[0][0])
    p, out = printed_first(boss, ["audit", "list", "--most", "100000"])
    out.close()  # as `| head` does
    said = p.stderr.read()
    assert p.wait(60) == -13 and told(said) == "", (p.returncode, said)
    assert int(shared.sql(reads)[0][0]) == before + 1
    for most in (1, PAGE, PAGE + 1):
        assert len(boss.json("audit", "list", "--most", most)) == most
    p = boss.cli("audit", "list", "--json")
    assert (
        len(json.loads(p.stdout)) == 50 and told(p.stderr) == "note: there is more than these 50; --most N shows it\n"
    )
    assert "default 50" in boss.good("audit", "list", "--help")
    assert told(boss.cli("audit", "list", "--most", "50").stderr) == ""  # that is what was asked for


@pytest.mark.parametrize("verb", VERBS)
def test_a_reader_who_goes_away_ends_it_quietly(lists, verb):
    who, words, _, _, _ = lists[verb]
    for more in ([], ["--json"]):
        p, out = printed_first(who, [*words, *more])
        out.close()
        said = p.stderr.read()
        assert p.wait(60) == -13 and told(said) == "", (p.returncode, said)  # SIGPIPE, as a filter ends


def test_all_that_is_open_is_acknowledged(shared, lists):
    boss = lists["administration"][0]
    listed = boss.json("conflicts", "--administration")
    opened = [c["acknowledged"] is None for c in listed]
    assert opened == sorted(opened, reverse=True) and sum(opened) == (ROWS + 1) // 2
    assert len(boss.json("conflicts", "--acknowledge", "all")) == sum(opened)
    assert all(c["acknowledged"] for c in boss.json("conflicts", "--administration"))


def test_pages_of_versions_and_shares(lists):
    """The API has cursors for what a resource or an account has many of; one who asks without a limit gets what a page can hold."""
    ada = lists["history"][0]
    account = {a["login"]: a["id"] for a in ada.json("find", "Shown")[0]["accounts"]}
    for path, key, name in (
        (f"/v1/accounts/{account['versions']}/versions", "versions", lambda v: v["n"]),
        (f"/v1/accounts/{account['shares']}/shares", "shares", lambda s: s["user"]["name"]),
    ):
        assert len(ada.api.must("GET", path)[key]) == PAGE
        found, after = [], ""
        while after is not None:
            page = ada.api.must("GET", f"{path}?limit=7{after and '&after=' + after}")
            assert len(page[key]) <= 7
            found += [name(row) for row in page[key]]
            after = page["next"]
        assert len(found) >= ROWS and len(set(found)) == len(found)
        assert found == sorted(found, reverse=key == "versions")
        gone = ada.api.must("GET", f"{path}?after={uuid.uuid4()}")
        assert gone == {key: [], "next": None}
        assert ada.api.get(f"{path}?limit=201").status == 400
