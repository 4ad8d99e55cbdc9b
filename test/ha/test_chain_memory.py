# SPDX-License-Identifier: Apache-2.0
"""Each node remembers the ends of the chains: a log that is cut in the database, or goes on differently, is an alarm on both nodes, until
an administrator accepts it; changes of role, with a former primary that was rewound, are none.
"""
import json
import signal
import time

import pytest

import checker
from faults import FAULTS
from orders import back_to_the_first, order
from seen import emergency_after, write_after
from wait import still_true, wait_until

FAULT_HOLDS_S = 6  # more than a chain has to be wrong before it is an alarm
# In one statement: the service writes of its own accord as well.
CUT_LAST = "DELETE FROM event WHERE node = '{node}' AND seq > (SELECT max(seq) - {n} FROM event WHERE node = '{node}') RETURNING seq"


def codes(node):
    _, status = node.status()
    return {r["code"] for r in status.get("reasons", [])}


def remembered(*nodes):
    """Until each of them remembers the ends of the chains as they are now in its own database (data/witness: chain NODE SEQ …)."""
    for n in nodes:
        ends = {node: int(seq) for node, seq in n.sql("SELECT node, max(seq) FROM event GROUP BY node")}

        def behind():
            lines = [l.split() for l in (n.home / "data/witness").read_text().splitlines()]
            known = {l[1]: int(l[2]) for l in lines if l[0] == "chain"}
            return {node: (known.get(node), seq) for node, seq in ends.items() if known.get(node, 0) < seq}

        assert ends
        wait_until(
            f"{n.name} remembers the ends of the chains (node: remembered, there)",
            behind,
            lambda left: not left,
            every=0.2,
        )


def kinds(node, kind):
    return int(node.sql(f"SELECT count(*) FROM event WHERE kind = :{kind}")[0][0])


def no_alarm(st):
    """For longer than a fault has to hold."""

    def alarms():
        return (
            kinds(st.a, "WITNESS_ALARM"),
            kinds(st.a, "WITNESS_LOST"),
            *(codes(n) & {"chain_shrunk", "chain_forked"} for n in st.nodes),
        )

    still_true("nobody touched the log", alarms, FAULT_HOLDS_S, lambda found: not any(found), every=0.5)


@pytest.mark.h9
def test_changes_of_role_raise_no_alarm(st):
    """There and back; then the primary is lost, replaced, and returns: rewound, with what only it had."""
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        for old in (st.a, st.b):
            order(old, "switchover")
            st.home_again()
        begun = time.monotonic()
        FAULTS["link-cut"].do(st)
        load.wait_for(emergency_after(begun))
        order(st.b, "promote", "--yes")
        load.wait_for(write_after(time.monotonic(), "local"))
        remembered(st.a, st.b)  # what the other will never see as it is
        FAULTS["link-cut"].undo(st)
        st.home_again()
        no_alarm(st)
        load.stop()
    back_to_the_first(st)
    no_alarm(st)


@pytest.mark.h9
def test_a_lost_memory_is_said(st):
    st.home_again()
    before = kinds(st.a, "WITNESS_LOST")
    st.b.stop()
    (st.b.home / "data/witness").unlink()
    (st.b.home / "data/anchor").unlink()
    st.b.start(wait=False)
    st.home_again()
    wait_until("two events say what was lost", lambda: kinds(st.a, "WITNESS_LOST") >= before + 2)
    said = {json.loads(r[0])["what"] for r in st.a.sql("SELECT body FROM event WHERE kind = :WITNESS_LOST")}
    assert said == {"witness", "anchor"}
    wait_until(
        "its log says so",
        lambda: st.b.log_tail(400),
        lambda text: "data/anchor" in text and "what this node remembered" in text,
    )
    st.home_again()
    print(checker.whole(st))


@pytest.mark.h9
def test_a_cut_log_is_an_alarm_on_both_nodes(st):
    st.home_again()
    remembered(*st.nodes)
    a = st.a.sql("SELECT id FROM node ORDER BY primary_since_term DESC NULLS LAST LIMIT 1")[0][0]
    cut = [int(r[0]) for r in st.a.sql(CUT_LAST.format(node=a, n=3))]
    begun = time.monotonic()
    wait_until(
        "both nodes raise the alarm that the chain is shorter",
        lambda: all("chain_shrunk" in codes(n) for n in st.nodes),
    )
    print(f"both nodes raised the alarm after {time.monotonic() - begun:.1f} s")
    for n in st.nodes:
        code, status = n.status()
        assert code == 4 and status["status"] == "Failed"
        told = [r for r in status["reasons"] if r["code"] == "chain_shrunk"]
        assert "audit accept" in told[0]["todo"] and a in told[0]["detail"]
        wait_until("its log says so", lambda: n.log_tail(400), lambda text: "changed from outside" in text)
    # Each node says so in the log, with what it remembers.
    wait_until("each node says so in the log", lambda: len({s["by"] for s in bodies(st, "WITNESS_ALARM")}) == 2)
    for s in bodies(st, "WITNESS_ALARM"):
        assert s["what"] == "shrunk" and s["node"] == a and s["seq"] in cut and len(s["remembered_hash"]) == 64
    p = st.cli("audit", "verify", check=False)
    assert p.returncode == 1 and "BROKEN" in p.stdout, p.stdout
    # It survives a restart of the node.
    st.b.stop()
    st.b.start(wait=False)
    wait_until("the alarm outlives a restart", lambda: "chain_shrunk" in codes(st.b))
    st.cli("audit", "accept", "the test removed them")
    st.home_again()
    for n in st.nodes:
        assert not codes(n) & {"chain_shrunk", "chain_forked"}
    p = st.cli("audit", "verify")
    assert "accepted on" in p.stdout and "by admin: the test removed them" in p.stdout, p.stdout
    # What comes after the acceptance is guarded as before: behind it nothing can be changed.
    seq = int(st.a.sql(f"SELECT max(seq) FROM event WHERE node = '{a}' AND kind = :AUDIT_ACCEPTED")[0][0])
    body = st.a.sql(f"SELECT body FROM event WHERE node = '{a}' AND seq = {seq}")[0][0]
    st.a.sql(f"UPDATE event SET body = replace(body, 'removed', 'admired') WHERE node = '{a}' AND seq = {seq}")
    p = st.cli("audit", "verify", check=False)
    assert p.returncode == 1 and "BROKEN" in p.stdout, "an acceptance that was changed is none"
    quoted = body.replace("'", "''")
    st.a.sql(f"UPDATE event SET body = '{quoted}' WHERE node = '{a}' AND seq = {seq}")
    st.cli("audit", "verify")
    st.broken = True  # what is lost stays lost: the other tests get a new pair


def states_of(st, node):
    """What the log tells of the states of a node, oldest first."""
    return [
        r[0]
        for r in st.a.sql(
            f"SELECT body::json->>'to' FROM event WHERE kind = :HA_STATE AND node = '{node}' ORDER BY seq"
        )
    ]


def id_of(st, node):
    return st.a.sql(f"SELECT id FROM node WHERE name = '{node.name}'")[0][0]


def end_of(st, node):
    return int(st.a.sql(f"SELECT coalesce(max(seq), 0) FROM event WHERE node = '{node}'")[0][0])


def read_log(st, n):
    """Each reading is an event."""
    for _ in range(n):
        st.cli("audit", "list", "--most", "1")


def bodies(st, kind):
    return [json.loads(r[0]) for r in st.a.sql(f"SELECT body FROM event WHERE kind = :{kind} ORDER BY at")]


@pytest.mark.h9
def test_a_forked_log_is_an_alarm_on_both_nodes(st):
    """Somebody takes the primary's log back to an older state, its own memory of the end with it, and the service writes on from there: every
    hash fits, nothing is missing. Only the nodes that remember know that there were others."""
    st.home_again()
    a = id_of(st, st.a)
    anchor = st.a.home / "data/anchor"
    read_log(st, 1)
    older, head = anchor.read_bytes(), end_of(st, a)
    read_log(st, 3)
    wait_until("the mark of the end has moved", anchor.read_bytes, lambda now: now != older)
    remembered(*st.nodes)
    st.a.signal("vaultd", signal.SIGSTOP)
    # What is gone is what was there at that moment: the service writes of its own accord as well (when a session was last seen).
    lost = st.a.sql(f"DELETE FROM event WHERE node = '{a}' AND seq > {head} RETURNING seq, encode(hash, 'hex')")
    assert len(lost) >= 3
    st.a.signal("keyd", signal.SIGSTOP)
    with open(anchor, "r+b") as f:
        f.write(older)
    st.a.signal("keyd", signal.SIGKILL)  # it remembers the end as long as it lives
    st.a.signal("vaultd", signal.SIGKILL)
    wait_until("the log can be read", lambda: st.cli("audit", "list", "--most", "1", check=False).returncode == 0)
    read_log(st, len(lost) + 1)
    assert kinds(st.a, "LOG_CUT") == 0, "the node itself remembers nothing of it"
    wait_until(
        "both nodes raise the alarm that the chain goes on differently",
        lambda: all("chain_forked" in codes(n) for n in st.nodes),
    )
    for n in st.nodes:
        code, status = n.status()
        assert code == 4 and status["status"] == "Failed"
        told = [r for r in status["reasons"] if r["code"] == "chain_forked"]
        assert "audit accept" in told[0]["todo"] and a in told[0]["detail"], told
        wait_until("its log says so", lambda: n.log_tail(400), lambda text: "changed from outside" in text)
    wait_until("each node says so in the log", lambda: len({s["by"] for s in bodies(st, "WITNESS_ALARM")}) == 2)
    known = {int(seq): hash for seq, hash in lost}
    for s in bodies(st, "WITNESS_ALARM"):
        now = st.a.sql(f"SELECT encode(hash, 'hex') FROM event WHERE node = '{a}' AND seq = {s['seq']}")[0][0]
        assert (
            s["what"] == "forked"
            and s["node"] == a
            and s["remembered_hash"] == known[s["seq"]]
            and s["found_hash"] == now != known[s["seq"]]
        )
    p = st.cli("audit", "verify", check=False)
    assert (
        p.returncode == 1
        and "BROKEN" in p.stdout
        and "a node (event" in p.stdout
        and "the log was rewritten" in p.stdout
    ), p.stdout
    st.cli("audit", "accept", "an older copy was put back")
    st.home_again()
    p = st.cli("audit", "verify")
    assert "by admin: an older copy was put back" in p.stdout, p.stdout
    p = st.cli("audit", "export", st.dir / "forked.export")
    assert "accepted by event" in p.stdout, p.stdout


def emergency_reads(st, n):
    st.b.wait_state("emergency")
    for account in st.accounts[:n]:
        r = st.call("b", st.admin, st.b, "POST", f"/v1/accounts/{account}/retrieve", {"reason": "the link is cut"})
        assert r["status"] == 200, r


def in_emergency(st, n):
    """Some events in the secondary's journal; at the end they are home, that it is a standby again too, and each node remembers them."""
    FAULTS["link-cut"].do(st)
    emergency_reads(st, n)
    FAULTS["link-cut"].undo(st)
    st.home_again()
    wait_until(
        "that it is a standby again has come home as well",
        lambda: states_of(st, id_of(st, st.b)),
        lambda states: states[-1:] == ["standby"],
    )
    remembered(*st.nodes)


@pytest.mark.h7
@pytest.mark.h9
def test_the_chain_of_a_secondary_goes_on_behind_an_accepted_cut(st):
    st.home_again()
    b = id_of(st, st.b)
    in_emergency(st, 4)
    head = end_of(st, b)
    old, new = st.dir / "cut-old.export", st.dir / "cut-new.export"
    st.cli("audit", "export", old)
    st.a.sql(f"DELETE FROM event WHERE node = '{b}' AND seq > {head - 2}")
    wait_until(
        "both nodes raise the alarm that the chain is shorter",
        lambda: all("chain_shrunk" in codes(n) for n in st.nodes),
    )
    wait_until(
        "each node says so of that chain",
        lambda: len({s["by"] for s in bodies(st, "WITNESS_ALARM") if s["node"] == b}) == 2,
    )
    st.cli("audit", "accept", "the end of the secondary's log is lost")
    st.home_again()
    # What the secondary writes next comes home.
    in_emergency(st, 3)
    assert end_of(st, b) > head and kinds(st.a, "MERGE_REFUSED") == 0, "nothing was set aside"
    assert not st.a.sql(
        f"SELECT seq FROM event WHERE node = '{b}' AND seq IN ({head - 1}, {head})"
    ), "no number is used twice"
    assert "the end of the secondary's log is lost" in st.cli("audit", "verify").stdout
    st.cli("audit", "export", new)
    o = json.loads(st.cli("audit", "verify", new, "--against", old, "--json").stdout)
    assert (
        o["good"] and o["lost"] == 2 and [b, head - 1, head] in [[x["node"], x["from"], x["to"]] for x in o["accepted"]]
    ), o
    # Cut in both databases while it is in emergency (what is still in its own one would come home by itself): what it brings home does not
    # follow, is set aside, and is taken once that was accepted.
    order(st.b, "emergency", "on")
    head = end_of(st, b)
    st.a.sql(f"DELETE FROM event WHERE node = '{b}' AND seq > {head - 2}")
    emergency_reads(st, 3)
    order(st.b, "emergency", "off")
    wait_until("the merge is refused", lambda: codes(st.b), lambda said: "merge_refused" in said, timeout=90)
    assert st.cli("audit", "verify", check=False).returncode == 1
    accepted = json.loads(st.cli("audit", "accept", "lost as well", "--json").stdout)
    assert accepted["breaks"] >= 1, "nobody remembers what was cut"
    st.home_again()
    assert end_of(st, b) > head
    assert "lost as well" in st.cli("audit", "verify").stdout
    # In emergency the secondary verifies its own chain, with what its journal alone has.
    FAULTS["link-cut"].do(st)
    emergency_reads(st, 2)
    st.audit_verify(st.b)
    FAULTS["link-cut"].undo(st)
    st.home_again()
    wait_until("no reason is left", lambda: not codes(st.a) and not codes(st.b))
    st.broken = True  # what is lost stays lost: the other tests get a new pair


@pytest.mark.h7
@pytest.mark.h9
def test_a_journal_behind_a_cut_that_the_log_itself_has_forgotten_comes_home(st):
    """The end of the secondary's chain is cut while that is in emergency, and with it what the primary's log says of it. What the secondary brings
    follows nothing, and waits; so it says what it remembers, and the administrator's word helps."""
    st.home_again()
    b = id_of(st, st.b)
    in_emergency(st, 3)
    order(st.b, "emergency", "on")
    wait_until(
        "that it is in emergency has come home", lambda: states_of(st, b), lambda states: states[-1:] == ["emergency"]
    )
    head = end_of(st, b)
    read_log(st, 1)  # the primary's own log goes on behind what is cut of it
    remembered(*st.nodes)
    st.a.sql(
        f"WITH cut AS (DELETE FROM event WHERE node = '{b}' AND seq > {head - 2}) "
        f"DELETE FROM event WHERE kind = :MERGED AND object = '{b}' AND (body::json->>'to')::bigint > {head - 2}"
    )
    emergency_reads(st, 3)
    order(st.b, "emergency", "off")
    wait_until(
        "the merge is refused, and why is said",
        lambda: codes(st.b),
        lambda said: {"merge_refused", "chain_shrunk"} <= said,
        timeout=90,
    )
    told = [r for r in st.b.status()[1]["reasons"] if r["code"] == "merge_refused"]
    assert told[0]["follows_from"] == "chain_shrunk", "what is to be done first is the acceptance"
    wait_until(
        "it is in the log",
        lambda: [s["seq"] for s in bodies(st, "WITNESS_ALARM") if s["node"] == b],
        lambda seqs: head in seqs,
    )
    st.cli("audit", "accept", "the log was cut")
    st.home_again()
    reads = st.a.sql(f"SELECT seq FROM event WHERE node = '{b}' AND kind = :RETRIEVED AND seq > {head}")
    assert len(reads) == 3, "what was done in emergency is in the log"
    assert kinds(st.a, "LOG_CUT") == 0
    assert "the log was cut" in st.cli("audit", "verify").stdout
    st.broken = True  # what is lost stays lost: the other tests get a new pair
