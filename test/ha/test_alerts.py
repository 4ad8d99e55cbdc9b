# SPDX-License-Identifier: Apache-2.0
"""Limits and alerts: what an operator orders and is told. Receivers are real ones on the client's host."""
import json
import signal
import time

import pytest

import checker
from damage import wait_reason
from faults import FAULTS
from orders import back_to_the_first, order
from receivers import KINDS, Receivers
from wait import PATIENCE_S, still_true, wait_until


@pytest.fixture
def alerts(st):
    st.home_again()  # what is told then is of the test
    r = Receivers(st)
    r.up()
    r.tell(st.b)
    yield r
    r.forget(st.b)
    r.down()


def of(kind, node=None):
    return lambda r: r["type"] == kind and (node is None or r["data"]["node"] == node.name)


def emergency(node, word):
    return order(node, "emergency", word)


def status(node):
    return node.status()[1]


def wait_alerts(node, what, timeout=PATIENCE_S):
    """Until what the status says of alerts is as waited for."""
    return wait_until(
        "the status says of alerts what is waited for", lambda: status(node)["alerts"], what, timeout, every=0.2
    )


def ids_of(alerts, kind, what=lambda r: True):
    """In the order in which they came first. At least once: what is sent again, because the answer was late, has the same id."""
    return list(dict.fromkeys(r["id"] for r in alerts.rows(kind) if what(r)))


def told_alike(alerts):
    """Until all three have been told the same; the ids."""
    return wait_until(
        "all three have been told the same",
        lambda: {k: ids_of(alerts, k) for k in KINDS},
        lambda had: len(set(map(tuple, had.values()))) == 1,
    )["webhook"]


@pytest.mark.h9
def test_a_test_alert_says_what_each_answered(st, alerts):
    p = st.b.run("ha", "alert", "test", "--json", "--home", st.b.home)
    said = json.loads(p.stdout)
    assert [(t["target"], t["accepted"]) for t in said["targets"]] == [(k, True) for k in KINDS], said
    got = {kind: alerts.get(kind, of("alerts.test", st.b)) for kind in KINDS}
    assert all(row["id"] == said["id"] for row in got.values()), got
    assert got["webhook"]["signed"] and got["webhook"]["header_id"] == said["id"]
    assert (got["syslog"]["pri"], got["syslog"]["msgid"], got["syslog"]["app"]) == (30, "alerts.test", "holdfast")
    assert got["smtp"]["to"] == ["first@client.test", "second@client.test"] and got["smtp"]["user"] == "holdfast"
    alerts.down("syslog")
    p = st.b.run("ha", "alert", "test", "--home", st.b.home, check=False)
    assert p.returncode == 1 and "refused" in p.stdout, p.stdout
    alerts.up("syslog")
    # A certificate of somebody else's, and a key that everybody may read, are no way out.
    st.b.set("alert_ca", st.a.web_cert)
    alerts.key.chmod(0o644)
    st.b.read_settings()
    before = {k: len(alerts.rows(k)) for k in KINDS}
    p = st.b.run("ha", "alert", "test", "--json", "--home", st.b.home, check=False)
    assert p.returncode == 1 and not any(t["accepted"] for t in json.loads(p.stdout)["targets"]), p.stdout
    assert "may be read by everybody" in p.stdout
    assert before == {k: len(alerts.rows(k)) for k in KINDS}
    p = st.a.run("ha", "alert", "test", "--home", st.a.home, check=False)
    assert p.returncode == 1 and "alert_webhook" in p.stderr, p.stderr


@pytest.mark.h4
@pytest.mark.h9
def test_a_lost_primary_is_told_to_all_three(st, alerts):
    """kill -9 of the primary: emergency began, the node is Failed; it returns: over, Alive. The same alerts everywhere, in order."""
    FAULTS["p-node-kill"].do(st)
    for kind in KINDS:
        row = alerts.get(kind, of("emergency.began", st.b))
        assert row["data"]["source"] == st.b.name and row["data"]["as_of"]
        row = alerts.get(kind, of("node.failed", st.a))
        assert (
            row["data"]["code"] == "service_down" and "does not answer" in row["data"]["text"] and row["data"]["todo"]
        )
    st.a.start(wait=False)
    for kind in KINDS:
        over = alerts.wait_for(kind, of("emergency.ended", st.b))
        assert over > alerts.wait_for(kind, of("emergency.began", st.b))
        alerts.wait_for(kind, of("node.alive", st.a))
        alerts.wait_for(kind, of("node.alive", st.b))
    st.home_again()
    ids = told_alike(alerts)
    assert ids == sorted(ids), "UUIDv7 in the order of what happened"
    assert all(r["signed"] for r in alerts.rows("webhook"))
    assert {r["pri"] for r in alerts.rows("syslog") if r["type"] == "emergency.began"} == {26}
    assert all(r["host"] == st.b.name for r in alerts.rows("syslog"))
    print(checker.whole(st))


@pytest.mark.h9
def test_a_receiver_that_was_down_gets_all_later(st, alerts):
    """Two of three receivers are away, the agent and then the node are killed: nothing is lost, nothing comes twice or in another order."""
    alerts.down("webhook", "smtp")

    def times(kind, type):
        return len(ids_of(alerts, kind, of(type, st.b)))

    for n in (1, 2):
        emergency(st.b, "on")
        st.b.signal("agent", signal.SIGKILL)
        # The next one says what the one that was killed may not have said.
        alerts.wait_for("syslog", lambda r: times("syslog", "emergency.began") == n)
        emergency(st.b, "off")
        st.b.wait_state("standby")
        alerts.wait_for("syslog", lambda r: times("syslog", "emergency.ended") == n)
    # Each receiver is tried by itself.
    wait_alerts(st.b, lambda a: a["waiting"] >= 4 and all(kind in (a["failure"] or "") for kind in ("webhook", "smtp")))
    p = st.b.run("ha", "status", "--home", st.b.home, check=False)
    assert "alerts" in p.stdout and "wait" in p.stdout, p.stdout
    st.b.kill()
    st.b.start()
    wait_alerts(st.b, lambda a: a["waiting"] >= 4)
    st.home_again()
    alerts.wait_quiet("syslog")  # so that nothing new wakes anybody: it is tried again by itself
    alerts.up("webhook", "smtp")
    for kind in ("webhook", "smtp"):
        alerts.wait_for(kind, lambda r: times(kind, "emergency.ended") == 2)
    st.home_again()
    wait_alerts(st.b, lambda a: a == {"waiting": 0, "failure": None})
    ids = told_alike(alerts)
    types = {r["id"]: r["type"] for r in alerts.rows("webhook")}
    told = [types[i] for i in ids if types[i].startswith("emergency")]
    assert told == ["emergency.began", "emergency.ended"] * 2, told


@pytest.mark.h4
@pytest.mark.h9
def test_an_operator_orders_emergency(st):
    """On the secondary, while the primary serves: users there read at once; it outlives agent, service and node; then it is automatic again."""
    with st.load(writer=True) as load:
        load.wait_for(lambda r: r["role"] == "writer" and r.get("ok"))
        begun = time.monotonic()
        said = emergency(st.b, "on")
        assert said["state"] == "emergency", said
        print(f"emergency access {said['milliseconds']} ms after the order")
        st.a.wait_state("synced")  # the primary serves, in step
        load.worker(
            "b",
            "reader",
            st.login("admin", host="b", to=st.b),
            ("b",),
            st.accounts[:3],
            f"ordered{st.loads}",
            interval=0.05,
            only=None,
        )
        load.wait_for(lambda r: r["tag"].startswith("ordered") and r.get("mode") == "emergency" and r["t1"] > begun)
        for node in (st.a, st.b):
            wait_reason(node, "emergency", st.b, detail="an operator ordered it")
        assert status(st.b)["emergency_ordered"] is True and "operator" in status(st.b)["why"]
        p = st.b.run("ha", "rejoin", "--home", st.b.home, check=False)
        assert p.returncode == 1 and "emergency off" in p.stderr, p.stderr
        p = st.a.run("ha", "emergency", "on", "--home", st.a.home, check=False)
        assert p.returncode == 1 and "secondary" in p.stderr, p.stderr
        for what in ("agent", "vaultd"):
            old = st.b.signal(what, signal.SIGKILL)
            wait_until(f"{what} is there again", lambda: st.b.pids(what), lambda pids: pids and pids != old)
            st.b.wait_state("emergency")
            still_true("it is in emergency", st.b.state, 2, lambda state: state in ("emergency", None))
        st.b.stop()
        st.b.start()
        st.b.wait_state("emergency")
        wait_until("it says why", lambda: status(st.b).get("why") or "", lambda why: "operator" in why)
        still_true(
            "an order is not taken back by a primary that serves",
            st.b.state,
            2,
            lambda state: state in ("emergency", None),
        )
        assert emergency(st.b, "off")["state"] in ("emergency", "merging", "standby")
        st.b.wait_state("standby")
        assert status(st.b)["emergency_ordered"] is False
        st.home_again()
        rows = load.stop()
    assert any(r["tag"].startswith("ordered") and r.get("ok") for r in rows)
    print(checker.everything(st, rows))


@pytest.mark.h4
def test_an_order_does_not_keep_a_lost_primary_away(st):
    """Ordered while the primary is gone: off leaves what the probes say; on again and promoted, the order is over."""
    FAULTS["p-node-kill"].do(st)
    st.b.wait_state("emergency")
    emergency(st.b, "on")
    emergency(st.b, "off")
    still_true("the primary is gone, order or not", st.b.state, 1, lambda state: state in ("emergency", None))
    emergency(st.b, "on")
    order(st.b, "promote", "--yes")
    st.b.wait_state("alone", "synced")
    assert not (st.b.home / "replication/emergency.conf").exists()
    st.a.start(wait=False)
    back_to_the_first(st)


def retrieve(st, session):
    return st.call(
        "client",
        session,
        st.b,
        "POST",
        f"/v1/accounts/{st.accounts[0]}/retrieve",
        {"reason": f"limit {time.monotonic_ns()}"},
    )


@pytest.mark.h5
def test_old_data_is_given_out_only_when_unlocked(st):
    """Past max_emergency_age passwords stay in, until an administrator unlocks this outage; the next one is locked again."""
    st.b.set("max_emergency_age", "20s")
    st.b.read_settings()
    try:
        before = st.login("admin")  # a login in the outage would take of the time in which it is not too old
        FAULTS["p-node-kill"].do(st)
        st.b.wait_state("emergency")
        good = retrieve(st, before)
        assert good["status"] == 200 and good["body"]["fields"]["password"], good
        session = st.login("admin", to=st.b)
        late = wait_until("the data is too old", lambda: retrieve(st, session), lambda r: r["status"] != 200, every=0.3)
        assert late["status"] == 403 and late["body"]["error"]["code"] == "emergency_too_old", late
        text = late["body"]["error"]["detail"]
        assert late["headers"]["Holdfast-As-Of"] in text and "20 s" in text and "holdfast ha unlock" in text, text
        wait_until(
            "the status says so too",
            lambda: [r["code"] for r in status(st.b)["reasons"]],
            lambda codes: "too_old" in codes,
        )
        p = st.cli("get", "site 00001/root1", session=session, check=False)
        assert p.returncode == 1 and "max_emergency_age" in p.stderr and not p.stdout, p.stderr
        said = json.loads(st.cli("ha", "unlock", "--reason", "the site burns", "--json", session=session).stdout)
        assert said["unlocked"] is True
        assert retrieve(st, session)["status"] == 200
        st.b.signal("vaultd", signal.SIGKILL)
        st.b.wait_ready()
        wait_until(
            "unlocked is for the outage, not for the process",
            lambda: retrieve(st, session),
            lambda r: r["status"] == 200,
        )
        st.a.start(wait=False)
        st.home_again()
        told = st.a.sql(
            "SELECT e.body::json->>'reason', u.name FROM event e JOIN principal u ON u.id = e.actor WHERE e.kind = :EMERGENCY_UNLOCKED"
        )
        assert ["the site burns", "admin"] in told, told
        FAULTS["p-node-kill"].do(st)
        st.b.wait_state("emergency")
        session = st.login("admin", to=st.b)
        wait_until(
            "the next outage is locked again", lambda: retrieve(st, session), lambda r: r["status"] == 403, every=0.3
        )
    finally:
        st.b.set("max_emergency_age", "0")
        st.b.read_settings()
        if not st.a.proc:
            st.a.start(wait=False)
    st.home_again()
    print(checker.whole(st))
