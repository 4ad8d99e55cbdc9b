# SPDX-License-Identifier: Apache-2.0
"""What must be true after every fault, told from what the users wrote down and what the databases hold.

Nothing here trusts the product's own word on what it did: rows are compared by psql on each node's private socket. And nothing
here is content with nothing: each check says how much it compared, and fails where that is less than the least that is asked of it.
"""
import collections
import json

from wait import PATIENCE_S, wait_until

REPLAY_S = 3  # what is on a secondary's disk may not be in its tables for so long


def load_rows(paths):
    rows = []
    for p in paths:
        for line in open(p):
            if line.endswith("\n"):
                rows.append(json.loads(line))
    return rows


def at_least(n, least, what):
    """n, where it is as much as was to be compared."""
    assert n >= least, f"nothing was proven: {n} {what} were compared, at least {least} are to be"
    return n


def table_digests(node):
    """Of every table but the beat, which is another each second."""
    names = [
        r[0]
        for r in node.sql(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' "
            "AND table_type = 'BASE TABLE' AND table_name <> 'beat' ORDER BY 1"
        )
    ]
    parts = " UNION ALL ".join(
        f"SELECT '{n}', count(*)::text, md5(coalesce(string_agg(md5(t::text), '' ORDER BY t::text COLLATE \"C\"), '')) "
        f'FROM public."{n}" t'
        for n in names
    )
    return {r[0]: (r[1], r[2]) for r in node.sql(parts)}


def both_equal(a, b, timeout=PATIENCE_S, least=1):
    """Every table of both databases, row for row. Sessions and state may still be moving: until it holds, or timeout. At least so
    many events are in them."""
    same = {}

    def differ():
        da, db = table_digests(a), table_digests(b)
        same.update(da)
        return {n: (da.get(n), db.get(n)) for n in set(da) | set(db) if da.get(n) != db.get(n)}

    wait_until(
        "the databases do not differ (table: rows, digest of a; of b)",
        differ,
        lambda found: not found,
        timeout,
        every=0.2,
    )
    at_least(int(same.get("event", (0,))[0]), least, "events of both nodes")
    return same


def retrievals_logged_once(node, rows, least=1):
    """Every acknowledged retrieval has exactly one event, on its account; no reason occurs twice. How many there were."""
    count = collections.Counter()
    objects = {}
    for reason, obj, n in node.sql(
        "SELECT body::json->>'reason', string_agg(DISTINCT coalesce(object::text, '') || ' ' || body, ' '), count(*) "
        "FROM event WHERE kind = :RETRIEVED GROUP BY 1"
    ):
        count[reason], objects[reason] = int(n), obj
    acked = [r for r in rows if r["role"] == "reader" and r.get("ok")]
    missing = [r["reason"] for r in acked if count[r["reason"]] == 0]
    assert not missing, f"{len(missing)} of {len(acked)} retrievals were answered but are not in the log: {missing[:5]}"
    tags = tuple(r["tag"] + "-" for r in rows)
    twice = [k for k, n in count.items() if n > 1 and k and k.startswith(tags)]
    assert not twice, f"events that are there twice: {twice[:5]}"
    wrong = [r["reason"] for r in acked if r["account"] not in objects[r["reason"]]]
    assert not wrong, f"events on another account than the one retrieved: {wrong[:5]}"
    return at_least(len(acked), least, "acknowledged retrievals")


def versions_of(node):
    """(how often each number of an account is there, the ids of all)"""
    rows = node.sql("SELECT account, n, id FROM version")
    return collections.Counter((account, int(n)) for account, n, _ in rows), {vid for _, _, vid in rows}


def writes_kept(node, rows, siblings=False, least=1):
    """Every acknowledged version is there, once, with the number that was acknowledged. siblings: two primaries took changes of
    the same account, so that a number may be there twice; then each is known by its id, and one of them at most was said to be
    on both disks."""
    acked = [r for r in rows if r["role"] == "writer" and r.get("ok")]
    have, ids = versions_of(node)
    for r in acked:
        assert r.get("version") is not None, f"a write was acknowledged without its number: {r}"
        assert (
            have[(r["account"], int(r["version"]))] >= 1
        ), f"an acknowledged write ({r.get('durability')}) is lost: {r}"
        if r.get("id"):
            assert r["id"] in ids, f"an acknowledged write ({r.get('durability')}) is lost: {r}"
    at_least(len(acked), least, "acknowledged writes")
    if siblings:
        assert all(r.get("id") for r in acked) and len({r["id"] for r in acked}) == len(acked)
        both = collections.Counter((r["account"], r["version"]) for r in acked if r.get("durability") == "both")
        twice = [k for k, n in both.items() if n > 1]
        assert not twice, f"two writes of one number were said to be on both disks: {twice[:5]}"
        return len(acked)
    numbers = [(r["account"], r["version"]) for r in acked]
    twice = [k for k, n in collections.Counter(numbers).items() if n > 1]
    assert not twice, f"two writes were acknowledged with the same number: {twice[:5]}"
    no_number_twice(have)
    return len(acked)


def no_number_twice(have):
    doubled = [k for k, n in have.items() if n > 1]
    assert not doubled, f"a version number is there twice without emergency changes: {doubled[:5]}"


def reads_are_fresh(rows, two=True, least=1):
    """Who asks after a write was answered is never given what was before it: not by the primary that took it, and, where it was on
    both disks of two nodes, not in emergency. For rows in which nobody changed roles."""
    written = collections.defaultdict(list)
    for r in rows:
        if r["role"] == "writer" and r.get("ok"):
            written[r["account"]].append(r)
    compared = 0
    for r in rows:
        if r["role"] != "reader" or not r.get("ok"):
            continue
        if r["mode"] == "primary":
            before = [w for w in written[r["account"]] if w["t1"] < r["t0"] and w["node"] == r["node"]]
        else:
            before = [
                w for w in written[r["account"]] if two and w["t1"] < r["t0"] - REPLAY_S and w["durability"] == "both"
            ]
        compared += bool(before)
        for w in before:
            assert (
                r["version"] >= w["version"]
            ), f"version {w['version']} was acknowledged by {w['node']}, then this was read: {r}"
    return at_least(compared, least, "reads after a write of the same account")


def log_has_no_gap(node, least=1):
    """Each node's chain has every number from 1 on. How many chains there are."""
    chains = node.sql("SELECT node, count(*), max(seq) FROM event GROUP BY node")
    gaps = [c for c in chains if c[1] != c[2]]
    assert not gaps, f"a node's log has a gap (node, rows, highest): {gaps}"
    return at_least(len(chains), least, "chains")


def nothing_left_over(st, least=1, timeout=PATIENCE_S):
    at_least(len(st.nodes), least, "nodes")
    for n in st.nodes:
        for table in ("ha_inbox", "ha_set_aside"):
            wait_until(
                f"no row is left in {table} of {n.name}",
                lambda: n.sql(f"SELECT count(*) FROM {table}")[0][0],
                lambda left: left == "0",
                timeout,
            )


def alive(st, timeout):
    for n in st.nodes:
        n.wait_status(0, timeout=timeout)


def whole(st, siblings=False):
    """What needs no users: every node has the same, no chain has a gap, all are verified, no number is there twice, nothing is left, and the primary's tables
    are what its log says."""
    alive(st, 90)
    at_least(len(st.nodes), 2, "nodes")
    for n in st.nodes[1:]:
        both_equal(st.a, n)
    have, ids = versions_of(st.nodes[-1])
    at_least(len(ids), 1, "versions")
    if not siblings:
        no_number_twice(have)
    chains = log_has_no_gap(st.a)
    nothing_left_over(st)
    for n in st.nodes:
        st.audit_verify(n)
    st.tables_verify()
    alive(st, 30)
    return f"{len(st.nodes)} nodes have the same, {chains} chains without a gap"


def everything(st, rows, siblings=False, reads=1, writes=1, fresh=1):
    """That, and what the users wrote down; returns a line of what was proven. At least so many retrievals and writes were acknowledged,
    and so many reads came after a write of the same account; 0: no such user was there."""
    same = whole(st, siblings)
    last = st.nodes[-1]
    reads = retrievals_logged_once(last, rows, reads)
    writes = writes_kept(last, rows, siblings, writes)
    fresh = 0 if siblings else reads_are_fresh(rows, len(st.nodes) == 2, fresh)
    return f"{reads} retrievals and {writes} writes acknowledged, all kept, once; {fresh} reads after a write of the same account, none of them stale; {same}"
