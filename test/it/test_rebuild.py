# SPDX-License-Identifier: Apache-2.0
"""The tables are what the log says (H15): holdfast audit verify --tables makes them anew and names every row that differs."""
import json
import re

import pytest

from nodes import ROOT, Person
from packs import running
from usedpair import UsedPair
from verbs import fails
from wait import wait_until

FOUND = "the tables are what the log says"


def verdict(person):
    p = person.cli("audit", "verify", "--tables", "--json")
    assert p.stdout, p.stderr
    said = json.loads(p.stdout)
    assert (p.returncode == 0) == said["good"]
    return said


def differences(person):
    said = verdict(person)
    assert said["unproven"] == said["refused"] == 0
    return [(d["table"], d["in_table"], d["in_log"], d["columns"]) for d in said["differences"]]


def rows_of(name):
    text = (ROOT / "src/ledger/rebuild.def").read_text()
    return [m.split(", ") for m in re.findall(rf"^{name}\((.*)\)$", text, re.M)]


DERIVED = [row[0] for row in rows_of("DERIVED")]


@pytest.fixture(scope="module")
def ada(hire):
    return hire("ada")


@pytest.fixture(scope="module")
def story(boss, ada, hire, shared):
    """What people do in a day: every derived table that a single node fills has a row of it."""
    bob = hire("bob")
    ada.good("put", "srv/x", input="one\n")
    ada.good("put", "srv/x", input="two\n")
    ada.good("put", "srv/y", input="three\n")
    ada.good("put", "gone/z", input="four\n")
    ada.good("rm", "--yes", "--resource", "gone")
    ada.good("rm", "--yes", "srv/y")
    ada.good("undelete", "srv/y")
    ada.good("share", "--resource", "srv", "bob", "view")
    ada.good("share", "--resource", "srv", "bob", "modify")
    bob.good("accept", "srv")
    bob.good("get", "srv/x")
    bob.cli("login", "--ca", shared.web_cert, shared.url, "bob", input="wrong\n")
    ada.good("unshare", "--resource", "srv", "bob")
    ada.good("share", "srv/x", "bob", "view")
    boss.good("team", "add", "ops")
    boss.good("member", "add", "ops", "bob")
    ada.good("share", "srv/y", "ops")
    folder = ada.api.must("POST", "/v1/folders", {"name": "net"})["id"]
    ada.api.must("PATCH", f"/v1/resources/{ada.json('ls')[0]['id']}", {"folder": folder})
    ada.api.must("POST", f"/v1/folders/{folder}/shares", {"user": "ops", "level": "view"})
    boss.good("policy", "emergency-changes", "on")
    boss.good("user", "disable", "bob")
    return boss


def test_what_people_did_is_in_the_log(story):
    assert differences(story) == []
    said = story.good("audit", "verify", "--tables")
    assert FOUND in said, said


# A change of one row, another row, and no row, of each table that the story fills, as (SQL, whether it is there, whether it should).
OTHER = {
    "node": "https_port = 2",
    "data_key": "wrapped = '\\x01'",
    "principal": "role = 'user'",
    "session": "expires_at = expires_at + interval '1 day'",
    "folder": "name = 'lab'",
    "resource": "owner = (SELECT id FROM principal WHERE name = 'bob')",
    "account": "current_n = 7",
    "version": "sealed = '\\x01'",
    "share": "level = 3",
    "member": "since = since - interval '1 day'",
    "reach": "view_until = '2001-01-01'",
    "ha_term": "term = 9",
    "word": "upon = 'x'",
    "emergency_policy": "state = 'off'",
    "authority": "generation = 7",
}


def test_every_derived_table_is_named(shared, story):
    """Each table of the database is derived or has a reason why it is not."""
    there = {row[0] for row in shared.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert there == set(DERIVED) | {row[0] for row in rows_of("UNDERIVED")}
    assert set(OTHER) <= set(DERIVED)


@pytest.mark.parametrize("table", OTHER)
def test_a_changed_row_is_named(shared, story, table):
    column = OTHER[table].split(" ")[0]
    row = f"ctid = (SELECT ctid FROM {table} ORDER BY {column}::text LIMIT 1)"
    old = shared.sql(f"SELECT quote_literal({column}::text) FROM {table} WHERE {row}")[0][0]
    shared.sql(f"CREATE TABLE kept AS SELECT * FROM {table} WHERE {row}; UPDATE {table} SET {OTHER[table]} WHERE {row}")
    try:
        found = differences(story)
        assert found == [(table, True, True, [column])], (old, found)
    finally:
        key = "one" if table == "ha_term" else "sha256" if table == "authority" else None
        keys = {
            "share": "t.target = kept.target AND t.principal = kept.principal",
            "reach": "t.target = kept.target AND t.principal = kept.principal",
            "member": "t.team = kept.team AND t.principal = kept.principal",
            "word": "t.object = kept.object AND t.what = kept.what AND t.chain = kept.chain AND t.seq = kept.seq",
            "emergency_policy": "t.resource = kept.resource",
        }.get(table, f"t.{key or 'id'} = kept.{key or 'id'}")
        shared.sql(f"UPDATE {table} t SET {column} = kept.{column} FROM kept WHERE {keys}; DROP TABLE kept")
    assert differences(story) == []


@pytest.mark.parametrize("table", [t for t in OTHER if t != "session"])  # one that is long over is removed
def test_a_row_that_is_gone_or_was_added_is_named(shared, story, table):
    """Foreign keys do not hinder who may write to the database."""
    quiet = "SET session_replication_role = replica;"
    shared.sql(f"CREATE TABLE kept AS SELECT * FROM {table} LIMIT 1")

    def differ():
        """The node tells the log again, a moment later, of an authority that it has and its table has not."""
        shared.sql(f"{quiet} DELETE FROM {table} t USING kept k WHERE t = k")
        return differences(story)

    try:
        wait_until("the row is named", differ, lambda found: found == [(table, False, True, [])])
    finally:
        shared.sql(f"{quiet} INSERT INTO {table} SELECT * FROM kept ON CONFLICT DO NOTHING; DROP TABLE kept")
    assert differences(story) == []


def test_nothing_of_a_secret_is_said(shared, story):
    row = "id = (SELECT min(id::text)::uuid FROM version)"
    sealed = shared.sql(f"SELECT encode(sealed, 'hex') FROM version WHERE {row}")[0][0]
    shared.sql(f"UPDATE version SET sealed = decode('{sealed}ff', 'hex') WHERE {row}")
    try:
        p = story.cli("audit", "verify", "--tables")
        assert p.returncode == 1 and "DIFFERS  version" in p.stdout and "sealed" in p.stdout
        assert sealed[:16] not in p.stdout + p.stderr
    finally:
        shared.sql(f"UPDATE version SET sealed = decode('{sealed}', 'hex') WHERE {row}")


def test_who_may_not_read_the_log_is_refused(ada):
    fails(ada.cli("audit", "verify", "--tables"), 1)


def test_nothing_is_left_over(shared, story):
    """The tables go with their connection."""
    run = "01900000-0000-7000-8000-000000000001"
    story.api.must("GET", f"/v1/audit/tables?run={run}")

    def left():
        return shared.sql("SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'")[0][0]

    wait_until("the temporary tables are gone", left, lambda n: int(n) == 0)


@pytest.fixture(scope="module")
def pair(holdfast):
    with running(UsedPair, holdfast) as s:
        yield s


def test_a_secondary_in_emergency_refuses_and_its_journal_comes_out_again(pair):
    """H6, H7: what it journals meanwhile is merged, and the tables are what both logs say."""
    boss, folder = pair.boss, pair.folder
    boss.good("policy", "emergency-changes", "on")
    assert verdict(boss)["good"]
    pair.primary.kill()
    pair.other.wait_state("emergency")
    there = Person.__new__(Person)
    there.node, there.name, there.password = pair.other, "admin", boss.password
    there.session = folder / "there.session"
    there.login(check=True)
    assert there.good("get", "srv/x") == "the secret\n"
    there.good("put", "srv/x", input="of the emergency\n")
    p = there.cli("audit", "verify", "--tables")
    assert p.returncode == 1 and "on the primary" in p.stderr, (p.stdout, p.stderr)
    pair.primary.start()
    pair.alive()
    assert boss.good("get", "srv/x") == "of the emergency\n"
    said = verdict(boss)
    assert said["good"], said
    assert said["unproven"] == 0
    merged = pair.primary.sql("SELECT count(*) FROM event WHERE kind = :MERGED")[0][0]
    assert int(merged) > 0


def test_after_promotions_there_and_back(pair):
    """H10: the order of two primaries is in their logs."""
    boss = pair.boss
    for new, old in ((pair.other, pair.primary), (pair.primary, pair.other)):
        old.run("ha", "switchover", "--home", old.home)
        new.wait_status(0)
        old.wait_status(0)
        boss.good("put", "srv/x", input=f"of {new.name}\n")
        said = verdict(boss)
        assert said["good"], said
        assert said["unproven"] == 0
