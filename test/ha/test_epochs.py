# SPDX-License-Identifier: Apache-2.0
"""Which of several primaries is the true one (H10): what a third node knows counts, and no crash makes a node forget it."""
import json

import pytest

import checker
from faults import FAULTS
from orders import back_to_the_first, fenced, order
from stage import Stage
from wait import still_true, wait_until


def epoch(node):
    """The counter of the latest epoch that the node says it knows."""
    h = node.health()
    return h and h[1] and h[1]["epoch"] and int(h[1]["epoch"].split(".")[0])


def wait_epochs(*wanted):
    """Until each node says that it knows the latest epoch by this counter: (node, counter) …"""
    wait_until(
        "each node knows the latest epoch",
        lambda: [epoch(n) for n, _ in wanted],
        lambda seen: seen == [count for _, count in wanted],
    )


def put(st, user, account, secret, host):
    return st.cli("put", account, host=host, session=user, input=f"{secret}\n", check=False)


def promote(node):
    order(node, "promote", "--yes")
    node.wait_ready()


def cut_apart(st):
    """Three sites that do not hear of each other; both secondaries become primaries."""
    for x, y in (("a", "b"), ("a", "c"), ("b", "c")):
        st.net.cut_both(x, y)
    for n in (st.b, st.c):
        n.wait_state("emergency")
    for n in (st.b, st.c):
        promote(n)


@pytest.mark.h10
def test_a_third_node_knows_better(three):
    """The primary of the later epoch is gone too; the one secondary that followed it is enough to keep the former primary from serving."""
    st = three
    a, b, c = st.nodes
    st.home_again()
    begun = epoch(a)
    a.kill()
    b.wait_state("emergency")
    promote(b)
    wait_until("c follows b", lambda: (b.state(), c.state()), lambda seen: seen == ("synced", "standby"), timeout=120)
    boss = st.login("admin", host="b", to=b)
    assert put(st, boss, "site 00001/root1", "of the later epoch", "b").returncode == 0
    wait_epochs((c, begun + 1))
    b.kill()
    c.wait_state("emergency")
    a.start(wait=False)
    wait_until("a is fenced", lambda: fenced(a), timeout=60)
    still_true("a is nobody's primary", lambda: fenced(a), 3)
    assert put(st, st.login("admin", host="c", to=c), "site 00001/root1", "too early", "c").returncode != 0
    # The one that has everything becomes the primary; the other two return to it.
    promote(c)
    b.start(wait=False)
    st.home_again(primary=c)
    wait_epochs(*((n, begun + 2) for n in st.nodes))
    got = st.cli("get", "site 00001/root1", host="c", session=st.login("admin", host="c", to=c)).stdout
    assert got.strip() == "of the later epoch"
    order(c, "switchover", a.name)
    st.home_again(primary=a)
    checker.whole(st, siblings=True)


@pytest.mark.h10
def test_a_fence_outlives_a_power_cut(st):
    """The page of memory that says so is lost with the power; the node knows it all the same, and an order is the way out."""
    a, b = st.nodes
    st.home_again()
    begun = epoch(a)
    FAULTS["link-cut"].do(st)
    b.wait_state("emergency")
    promote(b)
    assert put(st, st.login("admin", host="b", to=b), "site 00002/root2", "at b", "b").returncode == 0
    assert put(st, st.login("admin", host="a", to=a), "site 00003/root3", "at a", "a").returncode == 0
    st.net.close_port("a", "b", 2345)  # it hears of b, and cannot return to it: it stays fenced
    st.net.heal()
    wait_until("a is fenced", lambda: fenced(a))
    st.net.isolate("b")
    a.kill()
    (a.home / "run/state").unlink()
    a.start(wait=False)
    wait_until("a is fenced again", lambda: fenced(a), timeout=60)
    # With nobody to follow it gives what it has, with its age, and changes nothing of it.
    a.wait_state("emergency")
    at_a = st.login("admin", host="a", to=a)
    assert st.cli("get", "site 00003/root3", host="a", session=at_a).stdout.strip() == "at a"
    assert put(st, at_a, "site 00003/root3", "too early", "a").returncode != 0
    health = a.health()[1]
    assert (health["mode"], bool(health["as_of"])) == ("emergency", True), health
    assert ("emergency", a.name) in {(r["code"], r["node"]) for r in a.status()[1]["reasons"]}
    # b is given up for now: a goes on, above all that it knows.
    promote(a)
    wait_epochs((a, begun + 2))
    assert put(st, st.login("admin", host="a", to=a), "site 00004/root4", "at a again", "a").returncode == 0
    beside = "SELECT count(*) FROM event e JOIN chain c ON c.id = e.node"
    wait_until("what was read meanwhile is in the log", lambda: int(a.sql(beside)[0][0]), lambda n: n > 2)
    # b comes back after all: it is the one that returns, and brings what only it has.
    st.net.open_ports()
    st.net.heal()
    st.home_again(primary=a)
    boss = st.login("admin", host="a", to=a)
    for account, secret in (("00002/root2", "at b"), ("00003/root3", "at a"), ("00004/root4", "at a again")):
        assert st.cli("get", f"site {account}", host="a", session=boss).stdout.strip() == secret
    back_to_the_first(st)
    checker.whole(st, siblings=True)


@pytest.mark.h2
@pytest.mark.h10
def test_two_operators_promote_apart_from_each_other(three):
    """Three sites cut from each other, two of them promoted: of the two epochs one is the later, and all go to its primary."""
    st = three
    a, b, c = st.nodes
    st.home_again()
    begun = epoch(a)
    cut_apart(st)
    for host, n in zip("abc", st.nodes):
        assert put(st, st.login("admin", host=host, to=n), "site 00005/root5", f"at {host}", host).returncode == 0
        assert put(st, st.login("admin", host=host, to=n), f"of {host}/root", f"only at {host}", host).returncode == 0
    wait_epochs((a, begun), (b, begun + 1), (c, begun + 1))
    ids = {n.health()[1]["node_id"]: n for n in (b, c)}
    winner = ids[max(ids)]
    st.net.heal()
    st.home_again(timeout=180, primary=winner)
    wait_epochs(*((n, begun + 1) for n in st.nodes))
    host = Stage.host_of(winner)
    boss = st.login("admin", host=host, to=winner)
    for h in "abc":
        assert st.cli("get", f"of {h}/root", host=host, session=boss).stdout.strip() == f"only at {h}"
    made = json.loads(st.cli("history", "--json", "site 00005/root5", host=host, session=boss).stdout)["versions"]
    assert len(made) == 4, made  # the imported one, and one of each site
    order(winner, "switchover", a.name)
    st.home_again(primary=a)
    checker.whole(st, siblings=True)


@pytest.mark.h2
@pytest.mark.h10
def test_a_branch_that_was_cut_off_comes_back(three):
    """Two were promoted at one and the same place of the log, so that their timelines have one number and one beginning; the log has gone
    on from one of them when the other is heard of again."""
    st = three
    a, b, c = st.nodes
    st.home_again()
    cut_apart(st)
    # The one that is left behind has come less far: where it ends, the other one has something else.
    made = [("b", b, 1), ("c", c, 12)]
    for host, n, many in made:
        for i in range(many):
            user = st.login("admin", host=host, to=n)
            assert put(st, user, f"branch {host}{i}/root", f"at {host}", host).returncode == 0
    st.net.join("a", "c")
    wait_until("a follows c", lambda: (c.state(), a.state()), lambda seen: seen == ("synced", "standby"), timeout=120)
    order(c, "switchover", a.name)
    wait_until("c follows a", lambda: (a.state(), c.state()), lambda seen: seen == ("synced", "standby"), timeout=120)
    st.net.heal()
    st.home_again(timeout=180, primary=a)
    boss = st.login("admin", host="a", to=a)
    for host, _, many in made:
        for i in range(many):
            got = st.cli("get", f"branch {host}{i}/root", host="a", session=boss).stdout
            assert got.strip() == f"at {host}"
    checker.whole(st, siblings=True)


@pytest.mark.h10
def test_a_former_primary_asks_before_it_serves(st):
    """Over a line of 600 ms there and back, where a connection takes its time: it serves nobody while it does not know."""
    a, b = st.nodes
    st.home_again()
    a.kill()
    b.wait_state("emergency")
    promote(b)
    st.net.degrade(300, 0)
    seen = []

    def look():
        h = a.health()
        seen.append(h and (h[0], h[1]["state"]))
        return seen[-1]

    a.start(wait=False)
    wait_until("a knows", look, lambda h: h and h[1] in ("fenced", "standby"), every=0.02, timeout=60)
    assert not [h for h in seen if h and h[0] == 200], seen
    st.net.degrade(0, 0)
    st.home_again()
    back_to_the_first(st)
