# SPDX-License-Identifier: Apache-2.0
"""What a secondary's certificate gives on the primary (H3, H17): its duty, in its own name, in bounded room."""
import subprocess
import threading
import uuid

import pytest

from packs import running
from usedpair import UsedPair
from wait import wait_until

ROLES = ("hf_deposit", "hf_rewind")


class Pair(UsedPair):
    def add_third(self):
        """A node of which there is but a pack."""
        self.make_pack("127.0.0.3")
        wait_until("it is in the table", lambda: self.ids(), lambda ids: "127.0.0.3" in ids)

    def ids(self):
        return dict(self.primary.sql("SELECT name, id FROM node"))

    def words(self, role, options=""):
        """psql, as whoever has the secondary's channel certificate."""
        host, port = self.primary.pair_listen.rsplit(":", 1)
        tls = self.other.home / "conf/tls"
        return [
            *("psql", "-X", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-"),
            f"host={host} port={port} user={role} dbname=holdfast connect_timeout=5 sslmode=verify-full "
            f"sslrootcert={tls}/pair-ca.crt sslcert={tls}/pair.crt sslkey={tls}/pair.key options='{options}'",
        ]

    def ask(self, sql, role="hf_deposit", options=""):
        return subprocess.run(self.words(role, options), input=sql, capture_output=True, text=True, timeout=60)

    def number(self, table):
        return int(self.primary.sql(f"SELECT count(*) FROM {table}")[0][0])


@pytest.fixture(scope="module")
def pair(holdfast):
    with running(Pair, holdfast) as p:
        yield p


@pytest.fixture(scope="module")
def three(pair):
    """From here on the status is not Alive: one node is absent."""
    pair.add_third()
    return pair.ids()


@pytest.mark.parametrize("role", ROLES)
def test_what_everybody_may_is_not_for_these_roles(pair, role):
    for sql in (
        "CREATE TEMP TABLE x (i int)",
        "CREATE TABLE public.x (i int)",
        "DO $$ BEGIN PERFORM 1; END $$",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT lo_creat(-1)",
        "SELECT pg_logical_emit_message(false, 'a', 'b')",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
        "SELECT pg_notify('a', 'b')",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
        "SELECT pg_sleep(0)",
        "INSERT INTO public.ha_inbox (node, seq, hash, event) VALUES (gen_random_uuid(), 1, sha256('x'), 'x')",
        "SELECT public.ha_mend_roles()",
        # More than this spills to the disk.
        "SET work_mem = 64; SELECT count(*) FROM (SELECT g FROM generate_series(1, 3000000) g ORDER BY md5(g::text)) t",
    ):
        p = pair.ask(sql, role)
        assert p.returncode != 0 and ("permission denied" in p.stderr or "temp_file_limit" in p.stderr), (sql, p)


def test_nothing_is_granted_to_everybody(pair):
    """Of the vault's own database, whatever migration made it."""
    left = pair.primary.sql(
        "SELECT 'routine ' || oid::regprocedure FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')"
        " UNION ALL SELECT 'table ' || oid::regclass FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'v', 'm', 'p') AND has_table_privilege('public', oid, 'SELECT, INSERT, UPDATE, DELETE')"
        " UNION ALL SELECT 'language ' || lanname FROM pg_language WHERE has_language_privilege('public', oid, 'USAGE') AND lanpltrusted"
        " UNION ALL SELECT 'database ' || p FROM unnest(ARRAY['CONNECT', 'CREATE', 'TEMP']) p"
        " WHERE has_database_privilege('public', current_database(), p)"
        " UNION ALL SELECT 'schema ' || p FROM unnest(ARRAY['CREATE', 'USAGE']) p WHERE has_schema_privilege('public', 'public', p)"
        # What runs with its owner's rights finds names where its owner says.
        " UNION ALL SELECT 'path ' || oid::regprocedure FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        " AND NOT EXISTS (SELECT FROM unnest(proconfig) c WHERE c LIKE 'search_path=%')"
    )
    assert not left, left


def settings(pair):
    return pair.primary.sql(
        "SELECT r.rolname, s.setdatabase, s.setconfig FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole ORDER BY 1, 2"
    )


class Stubborn:
    """Says again and again what the next sessions of the role are to begin with."""

    SAYS = {
        "search_path": "nowhere",
        "default_transaction_read_only": "on",
        "local_preload_libraries": "nothing",
        "idle_session_timeout": "1",
        "lock_timeout": "1",
    }
    ITS_OWN = "-c default_transaction_read_only=off -c local_preload_libraries= -c idle_session_timeout=0"

    def __init__(self, pair):
        self.said, self.over = 0, threading.Event()
        places = ("", "IN DATABASE holdfast")
        self.sql = ";".join(f"ALTER ROLE hf_deposit {w} SET {k} = '{v}'" for w in places for k, v in self.SAYS.items())
        self.thread = threading.Thread(target=self.work, args=(pair,))

    def work(self, pair):
        while not self.over.wait(0.05):
            self.said += pair.ask(self.sql, options=self.ITS_OWN).returncode == 0

    def __enter__(self):
        self.thread.start()
        wait_until("it was said", lambda: self.said)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_a_role_that_changes_its_own_settings_stops_nothing(pair):
    """H7: a role may say what its next sessions begin with; ours do not go by it, and it is taken back."""
    pair.alive()
    before = settings(pair)
    with Stubborn(pair) as s:
        # An emergency, whose events are to come home: the worker begins anew with what the role says.
        pair.primary.kill()
        pair.other.wait_state("emergency")
        assert "the secret" in pair.get().stdout
        said = s.said
        pair.primary.start()
        wait_until("it is said again", lambda: s.said, lambda n: n > said)
        pair.alive()
    wait_until("what the role said of itself is taken back", lambda: settings(pair), lambda now: now == before)
    assert "changed their own settings" in pair.primary.log.read_text()


def test_a_node_speaks_for_itself_alone(pair, three):
    """The certificate says who calls, not the caller."""
    own, third = three["127.0.0.2"], three["127.0.0.3"]
    table = "SELECT id, name, https_port, pair_port, web_cert, trusts FROM node ORDER BY id"
    before, requests = pair.primary.sql(table), pair.number("event")
    for sql in (
        f"SELECT ha_announce('{third}', 'evil')",
        f"CALL ha_moved('{third}', 1, 2)",
        f"CALL ha_show('{third}', 'evil', 'a', 'b', 'c')",
        f"SELECT ha_alarm('{third}', 'shrunk', '{own}', 1, 'aa', '')",
    ):
        p = pair.ask(sql)
        assert p.returncode == 0 and p.stdout.strip() in ("f", "CALL"), (sql, p)
    assert pair.ask(f"SELECT ha_renew_slot('{third}') IS NULL").stdout.strip() == "t"
    assert pair.ask(f"SELECT count(*) FROM ha_slot('{third}')").stdout.strip() == "0"
    assert pair.ask(f"SELECT count(*) FROM ha_slot('{own}')").stdout.strip() == "1"
    assert pair.number("ha_request") == 0 and pair.primary.sql(table) == before
    assert not pair.primary.sql(f"SELECT FROM event WHERE kind = :WITNESS_ALARM AND body LIKE '%{third}%'"), requests


def deposit(chain, first, n=1, size=1):
    """Rows of a chain that nothing vouches for."""
    return (
        f"SELECT ha_deposit('{chain}', array_agg(g), array_agg(sha256(g::text::bytea)), array_agg(convert_to(repeat('x', {size}), 'UTF8')))"
        f" FROM generate_series({first}::bigint, {first + n - 1}::bigint) g"
    )


def test_chains_that_nobody_knows_are_few(pair):
    """H17: each that does not verify is an event and is kept: neither the log nor the table grows without bound."""
    said = [pair.ask(deposit(uuid.uuid4(), 1)) for _ in range(40)]
    assert any(p.stdout.strip() == "t" for p in said), said
    assert any("nobody knows" in p.stderr or p.stdout.strip() == "f" for p in said), said
    wait_until("the inbox is empty", lambda: pair.number("ha_inbox"), lambda n: n == 0)
    assert pair.number("ha_set_aside") <= 8
    refused = pair.primary.sql("SELECT count(*) FROM event WHERE kind = :MERGE_REFUSED")
    assert int(refused[0][0]) <= 8


def test_the_inbox_has_bounded_room(pair, three):
    """Behind a hole of its own chain a node may bring 4,000 rows, or 32 MiB; of another's nothing."""
    own, third = three["127.0.0.2"], three["127.0.0.3"]
    assert "another node's log" in pair.ask(deposit(third, 50)).stderr
    assert "1 to 500 rows" in pair.ask(deposit(own, 1_000_000, 501)).stderr
    head = int(pair.ask(f"SELECT ha_high_water('{own}')").stdout)
    many = ";".join(deposit(own, head + 1000 + 500 * i, 500) for i in range(12))
    large = ";".join(deposit(own, head + 100_000 + 30 * i, 30, 262144) for i in range(6))
    said = pair.ask("BEGIN;" + many + ";" + large + "; ROLLBACK").stdout.split()
    said = [s for s in said if s in "tf"]
    if "t" in said:  # not after the test before this one: whoever was refused so often is not heard
        assert said.count("t") <= 8, said
    assert pair.number("ha_inbox") == 0


def test_a_session_that_stays_is_ended(pair):
    """Nobody waits for a transaction that does not end, and one node has six sessions at most."""
    p = subprocess.Popen(
        pair.words("hf_deposit"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    p.stdin.write("SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT 1;\n")
    p.stdin.flush()
    assert p.stdout.readline().strip() == "SET"
    many = [subprocess.Popen(pair.words("hf_deposit"), stdin=subprocess.PIPE, text=True) for _ in range(9)]
    try:
        held = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'hf_deposit' AND application_name = 'psql'"
        wait_until("one node has few sessions", lambda: int(pair.primary.sql(held)[0][0]), lambda n: n <= 6)
        idle = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'hf_deposit' AND state = 'idle in transaction'"
        wait_until("the transaction is over", lambda: pair.primary.sql(idle), lambda n: n == [["0"]], timeout=60)
    finally:
        for q in (p, *many):
            q.kill()
            q.wait()
