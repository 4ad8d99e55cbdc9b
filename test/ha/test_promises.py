# SPDX-License-Identifier: Apache-2.0
"""One promise after the other, without load: what a standby reveals, who may speak on the channel, what is refused in
emergency, where the journal is, how sessions go on, where the key never is.
"""
import json
import re
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager

import pytest

import checker
import net
from memory import files
from stage import PASSWORD, On
from wait import wait_until

ZERO = "00000000-0000-0000-0000-000000000000"
# Every kind of address that reveals or changes something; {account} and {resource} are real ones.
ADDRESSES = [
    ("GET", "/v1/resources", None),
    ("GET", "/v1/resources?q=site", None),
    ("GET", "/v1/resources/{resource}", None),
    ("GET", "/v1/resources/{resource}/accounts", None),
    ("GET", "/v1/accounts/{account}", None),
    ("POST", "/v1/accounts/{account}/retrieve", {"reason": "standby"}),
    ("GET", "/v1/accounts/{account}/versions", None),
    ("POST", "/v1/accounts/{account}/versions", {"fields": {"password": "x"}}),
    ("GET", "/v1/users", None),
    ("GET", "/v1/audit", None),
]
REFUSED_IN_EMERGENCY = [
    ("POST", "/v1/accounts/{account}/versions", {"fields": {"password": "x"}}),
    ("POST", "/v1/resources", {"name": "made in emergency"}),
    ("PATCH", "/v1/resources/{resource}", {"description": "x"}),
    ("DELETE", "/v1/resources/{resource}", None),
    ("POST", "/v1/resources/{resource}/accounts", {"login": "x", "fields": {"password": "x"}}),
    ("PATCH", "/v1/accounts/{account}", {"description": "x"}),
    ("DELETE", "/v1/accounts/{account}", None),
    ("POST", "/v1/users", {"name": "eve", "role": "user"}),
]


@contextmanager
def emergency(st):
    """B in emergency by a cut link."""
    st.net.cut_both("a", "b")
    try:
        st.b.wait_state("emergency")
        yield
    finally:
        st.net.heal()
    st.home_again()


def fill(st, path):
    resource = st.a.sql(f"SELECT resource FROM account WHERE id = '{st.accounts[0]}'")[0][0]
    return path.format(account=st.accounts[0], resource=resource)


@pytest.mark.h1
@pytest.mark.parametrize("logged_in", [True, False])
def test_standby_says_where_and_reveals_nothing(st, logged_in):
    session = st.login("admin")
    if not logged_in:
        s = json.loads(session.read_text())
        s["token"] = "A" * len(s["token"])
        session.write_text(json.dumps(s))
    on = On(st, "client", session)
    for method, path, body in ADDRESSES:
        r = on.call(st.b, method, fill(st, path), body)
        assert r["status"] == 307, f"{method} {path}: {r}"
        assert r["headers"]["Location"] == st.a.url + fill(st, path), r["headers"]
        assert r["body"]["error"]["code"] == "standby", r["body"]
        assert "s3cret" not in json.dumps(r)
        assert set(r["body"]) == {"error"}, r["body"]


@pytest.mark.h1
def test_a_standby_has_the_primary_look_after_a_session(st):
    """Only when the client says so, only sessions: so that the page of a standby can show the status to who may see it."""
    on = On(st, "client", st.login("admin"))
    who = {"name": "admin", "password": PASSWORD}
    r = on.call(st.b, "POST", "/v1/session?standby=forward", who)
    assert r["status"] == 200 and r["body"]["token"] and r["headers"]["Holdfast-Forwarded-By"] == st.b.name, r
    r = on.call(st.b, "GET", "/v1/session?standby=forward")
    assert r["status"] == 200 and r["body"]["user"]["name"] == "admin", r
    for path in ("/v1/session?standby=", "/v1/session?standby=serve", "/v1/resources?standby=forward"):
        for node in (st.a, st.b):
            r = on.call(node, "GET", path)
            assert r["status"] == 400 and r["body"]["error"]["code"] == "bad_field", f"{path}: {r}"


@pytest.mark.h1
def test_health_tells_a_load_balancer(st):
    a, b = st.a.health(), st.b.health()
    assert a[0] == 200 and a[1]["mode"] == "primary", a
    assert b[0] == 429, b
    with emergency(st):
        b = st.b.health()
        assert b[0] == 200 and b[1]["mode"] == "emergency", b
        assert st.a.health()[0] == 200


def pg_startup(st, host, first):
    """What PostgreSQL's port answers to the first bytes."""
    code = (
        "import socket, sys\n"
        f"s = socket.create_connection(({net.HOSTS['a']!r}, 2345), timeout=3); s.sendall(bytes.fromhex(sys.argv[1]))\n"
        "try:\n d = s.recv(400)\nexcept ConnectionResetError:\n d = b''\nprint(d.hex())"
    )
    p = subprocess.run(
        [*st.net.exec_prefix(host), sys.executable, "-c", code, first.hex()], capture_output=True, text=True
    )
    assert p.returncode == 0, p.stderr
    return bytes.fromhex(p.stdout.strip())


def startup(user, database="holdfast", **more):
    body = (196608).to_bytes(4, "big")
    for k, v in {"user": user, "database": database, **more}.items():
        body += k.encode() + b"\0" + v.encode() + b"\0"
    body += b"\0"
    return (len(body) + 4).to_bytes(4, "big") + body


@pytest.mark.h3
@pytest.mark.parametrize("user", ["hf_replicate", "hf_deposit", "holdfast", "hf_vault", "postgres"])
def test_channel_refuses_what_is_not_tls(st, user):
    got = pg_startup(st, "b", startup(user))
    assert got[:1] == b"E", f"no error for {user} without TLS: {got!r}"
    assert b"no pg_hba.conf entry" in got or b"pg_hba.conf rejects" in got, got


def psql(st, host, conninfo, sql="SELECT 1"):
    return subprocess.run(
        [*st.net.exec_prefix(host), "psql", "-X", "-t", "-A", "-w", "-c", sql, conninfo],
        capture_output=True,
        text=True,
        timeout=60,
    )


def conninfo(st, user, cert=None, key=None, database="holdfast", extra=""):
    ca = st.b.home / "conf/tls/pair-ca.crt"
    text = f"host={st.a.name} port=2345 user={user} dbname={database} connect_timeout=5 sslmode=verify-full sslrootcert={ca} {extra}"
    return text + (f" sslcert={cert} sslkey={key}" if cert else " sslcert=/nonexistent sslkey=/nonexistent")


@pytest.mark.h3
def test_channel_refuses_a_foreign_certificate(st):
    """TLS alone does not do: the certificate must be of the pair's own authority."""
    d = st.dir / "foreign"
    d.mkdir(exist_ok=True)
    net.sh(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={st.b.name}",
        "-addext",
        f"subjectAltName=DNS:{st.b.name}",
        "-keyout",
        d / "k.pem",
        "-out",
        d / "c.pem",
    )
    for cert in (None, d / "c.pem"):
        p = psql(st, "b", conninfo(st, "hf_deposit", cert, d / "k.pem"))
        assert p.returncode != 0 and "1" not in p.stdout, p
        assert "certificate" in p.stderr or "alert" in p.stderr or "SSL" in p.stderr, p.stderr
    # And the other way: who listens there must be the primary, by name, of the pair's authority.
    wrong = conninfo(st, "hf_deposit").replace(str(st.b.home / "conf/tls/pair-ca.crt"), str(d / "c.pem"))
    assert "certificate verify failed" in psql(st, "b", wrong).stderr


@pytest.mark.h3
def test_channel_is_tls_13(st):
    p = psql(
        st,
        "b",
        conninfo(
            st,
            "hf_deposit",
            st.b.home / "conf/tls/pair.crt",
            st.b.home / "conf/tls/pair.key",
            extra="ssl_max_protocol_version=TLSv1.2",
        ),
    )
    assert p.returncode != 0 and "protocol version" in p.stderr, p.stderr


@pytest.mark.h3
def test_roles_may_do_their_duty_alone(st):
    cert, key = st.b.home / "conf/tls/pair.crt", st.b.home / "conf/tls/pair.key"
    good = psql(st, "b", conninfo(st, "hf_deposit", cert, key), f"SELECT ha_high_water('{ZERO}')")
    assert good.returncode == 0 and good.stdout.strip() == "0", good.stderr
    for sql in (
        "SELECT * FROM event LIMIT 1",
        "SELECT * FROM ha_inbox",
        "DELETE FROM ha_inbox",
        "SELECT sealed FROM version",
        "CREATE TABLE x (i int)",
        "UPDATE principal SET role = 'administrator'",
        "COPY event TO PROGRAM 'id'",
        "INSERT INTO ha_inbox (node, seq, hash, event) VALUES (gen_random_uuid(), 1, sha256('x'), 'x')",
    ):
        p = psql(st, "b", conninfo(st, "hf_deposit", cert, key), sql)
        assert p.returncode != 0 and (
            "permission denied" in p.stderr or "must be superuser" in p.stderr
        ), f"{sql}: {p.stdout}{p.stderr}"
    for user in ("holdfast", "hf_vault", "postgres"):
        p = psql(st, "b", conninfo(st, user, cert, key))
        assert p.returncode != 0, f"{user} may log in over the channel"
    p = psql(st, "b", conninfo(st, "hf_replicate", cert, key))
    assert p.returncode != 0, "the role for replication may open a database session"


@pytest.mark.h5
def test_emergency_login_find_retrieve_and_nothing_else(st):
    before = st.login("admin")
    with emergency(st):
        began = st.login("admin", host="b", to=st.b)
        for session in (before, began):
            on = On(st, "b", session)
            for method, path, body in [
                ("GET", "/v1/resources?q=site%2000001", None),
                ("GET", "/v1/resources/{resource}/accounts", None),
                ("POST", "/v1/accounts/{account}/retrieve", {"reason": "h5"}),
            ]:
                r = on.call(st.b, method, fill(st, path), body)
                assert r["status"] == 200, f"{method} {path}: {r}"
                assert r["headers"]["Holdfast-Mode"] == "emergency"
                assert re.match(r"\d{4}-\d\d-\d\dT", r["headers"]["Holdfast-As-Of"]), r["headers"]
            assert "s3cret" in json.dumps(r["body"])
            verified = on.call(st.b, "GET", "/v1/audit/verify", timeout=60)
            assert verified["status"] == 200 and verified["body"]["good"] is True, verified
            for method, path, body in REFUSED_IN_EMERGENCY:
                r = on.call(st.b, method, fill(st, path), body)
                assert (
                    r["status"] == 403 and r["body"]["error"]["code"] == "emergency_read_only"
                ), f"{method} {path}: {r}"
        wrong = st.cli(
            "login",
            "--ca",
            st.b.web_cert,
            st.b.url,
            "admin",
            host="b",
            session=st.dir / "wrong.session",
            input="no\n",
            check=False,
        )
        assert wrong.returncode == 1
    checker.both_equal(st.a, st.b)
    for n in (st.a, st.b):
        st.audit_verify(n)


@pytest.mark.h6
def test_answer_means_journal_on_disk(st):
    """Each answer is in the journal's file when it arrives; kill -9 takes nothing back; at home it is one event."""
    import sqlite3

    session = st.login("admin")
    on = On(st, "b", session)
    run = f"journal-{time.monotonic_ns()}"
    reasons = [f"{run}-{i}" for i in range(5)]
    with emergency(st):
        for reason in reasons:
            assert on.call(st.b, "POST", f"/v1/accounts/{st.accounts[1]}/retrieve", {"reason": reason})["status"] == 200
            st_files = b"".join(p.read_bytes() for p in (st.b.home / "data").glob("journal.db*"))
            assert reason.encode() in st_files, "answered before it was in the journal"
        st.b.signal("vaultd", signal.SIGKILL)
        st.b.wait_state("emergency")
        st.b.kill()
        st.b.start(wait=False)
        st.b.wait_state("emergency")
        with sqlite3.connect(f"file:{st.b.home}/data/journal.db?mode=ro", uri=True) as db:
            tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            blob = b"".join(
                bytes(v) if isinstance(v, bytes) else b""
                for t in tables
                for row in db.execute(f'SELECT * FROM "{t}"')
                for v in row
            )
        for reason in reasons:
            assert reason.encode() in blob
    for reason in reasons:
        n = st.a.sql(f"SELECT count(*) FROM event WHERE kind = :RETRIEVED AND body::json->>'reason' = '{reason}'")[0][0]
        assert n == "1", f"{n} events for {reason}"
    order = [r[0] for r in st.a.sql(f"SELECT body::json->>'reason' FROM event WHERE body LIKE '%{run}%' ORDER BY seq")]
    assert order == reasons, "the journal came home in another order"


@pytest.mark.h7
def test_session_begun_in_emergency_goes_on_at_the_primary(st):
    with emergency(st):
        session = st.login("admin", host="b", to=st.b)
        assert (
            On(st, "b", session).call(st.b, "POST", f"/v1/accounts/{st.accounts[2]}/retrieve", {"reason": "h7"})[
                "status"
            ]
            == 200
        )
    r = On(st, "client", session).call(
        st.a, "POST", f"/v1/accounts/{st.accounts[2]}/retrieve", {"reason": "h7 at home"}
    )
    assert r["status"] == 200 and r["headers"]["Holdfast-Mode"] == "primary", r


@pytest.mark.h7
def test_logout_in_emergency_holds_at_the_primary(st):
    session = st.login("admin")
    with emergency(st):
        assert On(st, "b", session).call(st.b, "DELETE", "/v1/session")["status"] in (200, 204)
        assert On(st, "b", session).call(st.b, "GET", "/v1/resources")["status"] == 401
    assert On(st, "client", session).call(st.a, "GET", "/v1/resources")["status"] == 401


@pytest.mark.h2
def test_answers_say_how_durable_they_are(st):
    on = On(st, "a", st.login("admin"))
    write = lambda: on.call(
        st.a, "POST", f"/v1/accounts/{st.accounts[3]}/versions", {"fields": {"password": "h2"}}, timeout=30
    )
    r = write()
    assert r["status"] in (200, 201) and r["headers"]["Holdfast-Durability"] == "both", r
    with emergency(st):
        r = write()
        assert r["headers"]["Holdfast-Durability"] == "local", r
        st.a.wait_status(4)
    r = write()
    assert r["headers"]["Holdfast-Durability"] == "both", r
    kinds = st.a.sql("SELECT count(*) FROM event WHERE kind = :HA_STATE")[0][0]
    assert int(kinds) > 0, "changes of state are not in the log"


@pytest.mark.h12
def test_key_is_not_in_the_pack_and_only_needed_at_start(st):
    key = st.a.key_file.read_bytes()
    forms = [key.strip(), key.strip().hex().encode()]
    text = key.strip()
    if re.fullmatch(rb"[0-9a-fA-F]{64}", text):
        forms.append(bytes.fromhex(text.decode()))
    packs = list((st.a.home / "replication").glob("HAPack-*.zip"))
    assert packs, "the pack is gone; keep_pack was to have it stay in replication/"
    for pack in packs:
        raw = pack.read_bytes()
        with zipfile.ZipFile(pack) as z:
            parts = [raw] + [z.read(n) for n in z.namelist()]
        for form in forms:
            assert len(form) >= 16 and not any(form in p for p in parts), "the master key is in the pack"
    for node in (st.a, st.b):
        for path, data in files(node):
            assert not any(form in data for form in forms), f"the master key is in {path} of {node.name}"
    away = st.a.key_file.with_suffix(".away")
    st.a.key_file.rename(away)
    try:
        # Without the file everything goes on, even over a crash of the process that speaks with the network.
        old = st.a.signal("vaultd", signal.SIGKILL)
        wait_until("vaultd is another one", lambda: st.a.pids("vaultd"), lambda pids: pids and pids != old)
        st.a.wait_ready()
        on = On(st, "a", st.login("admin"))
        assert on.call(st.a, "POST", f"/v1/accounts/{st.accounts[4]}/retrieve", {"reason": "h12"})["status"] == 200
        st.home_again()
    finally:
        away.rename(st.a.key_file)


@pytest.mark.h11
def test_slot_has_a_limit(st):
    limit = st.a.sql("SHOW max_slot_wal_keep_size")[0][0]
    assert limit not in ("-1", "0"), "an absent secondary could fill the primary's disk"
    rows = st.a.sql("SELECT slot_name, active, wal_status FROM pg_replication_slots")
    assert len(rows) == 1 and rows[0][1] == "t" and rows[0][2] in ("reserved", "extended"), rows
