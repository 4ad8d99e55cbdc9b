# SPDX-License-Identifier: Apache-2.0
"""One history: what two nodes have is compared by content before anything counts as on both disks, before anybody follows and before anybody
serves. A disk that is put back costs nothing that was acknowledged.
"""
import shutil
import signal
import subprocess
from datetime import datetime, timezone

import pytest

import checker
from answers import refuse_all
from faults import FAULTS
from orders import back_to_the_first, order
from pair import Node, give
from wait import still_true, wait_until

ACCOUNT = "site 00002/root2"
STAYS_S = 5
NEW = {"fields": {"password": "new"}}


def codes(node):
    return {(r["node"], r["code"]) for r in node.status()[1].get("reasons", [])}


def reason(node, code):
    return next((r for r in node.status()[1].get("reasons", []) if r["code"] == code), None)


def keep(node, path, what="."):
    """A snapshot of the disk of a node that runs no longer."""
    subprocess.run(["cp", "-a", node.home / what, path], check=True)


def put_back(node, path, what="."):
    shutil.rmtree(node.home / what)
    subprocess.run(["cp", "-a", path, node.home / what], check=True)


def write(st, node, secret):
    """A new version, as a user writes it: where it is."""
    account = st.sql_account
    r = st.call(
        "client",
        st.login("admin", to=node),
        node,
        "POST",
        f"/v1/accounts/{account}/versions",
        {"fields": {"password": secret}},
    )
    assert r["status"] == 201, r
    return r["headers"]["Holdfast-Durability"]


def read(st, node, host):
    r = st.call(
        host,
        st.login("admin", to=node, host=host),
        node,
        "POST",
        f"/v1/accounts/{st.sql_account}/retrieve",
        {"reason": "h"},
    )
    assert r["status"] == 200, r
    return r["body"]["fields"]["password"]


def versions(st, node):
    return int(node.sql(f"SELECT count(*) FROM version WHERE account = '{st.sql_account}'")[0][0])


def chains_of(st, node, of=None):
    """[(id, end)] of the chains that A wrote while it could not prove where its own ends; or that another node did. Any
    test before may have left one: what is new is what was not there before."""
    return [
        tuple(row)
        for row in node.sql(
            f"SELECT c.id, (SELECT max(seq) FROM event WHERE node = c.id) FROM chain c WHERE c.node = '{id_of(st.a, of or st.a)}' ORDER BY 1"
        )
    ]


def end_of(node, chain):
    return int(node.sql(f"SELECT coalesce(max(seq), 0) FROM event WHERE node = '{chain}'")[0][0])


def id_of(node, of):
    return node.sql(f"SELECT id FROM node WHERE name = '{of.name}'")[0][0]


@pytest.fixture
def kept(st):
    """The disk of A as it was before the last acknowledged write."""
    st.home_again()
    st.sql_account = st.accounts[3]
    path = st.dir / "kept"
    shutil.rmtree(path, ignore_errors=True)
    st.a.stop()
    keep(st.a, path)
    st.a.start(wait=False)
    st.home_again()
    wait_until("writes are on both disks again", lambda: write(st, st.a, "before"), lambda d: d == "both")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def is_behind(st):
    """Both nodes say so, and by what; nobody is served by A."""
    st.a.wait_state("behind")
    for n in st.nodes:
        said = wait_until(
            f"{n.name} says that {st.a.name} is behind, and by what",
            lambda: reason(n, "history_behind"),
            lambda r: r and r["detail"],
        )
        assert said["node"] == st.a.name and "ha promote" in said["todo"], said
    assert st.a.health()[0] == 503


def says_the_same_behind(st, begin_anew):
    """With nobody to ask A goes on not to serve, and says why in the very words from before."""
    said = wait_until("A says what it lost", lambda: reason(st.a, "history_behind"), lambda r: r and r["detail"])
    wait_until("it is written down", (st.a.home / "data/behind").exists)
    begin_anew(st)
    begun = datetime.now(timezone.utc).isoformat()
    wait_until(
        "the agent that began anew tells of a status", lambda: st.a.status()[1].get("time") or "", lambda at: at > begun
    )
    wait_until("A says the same", lambda: reason(st.a, "history_behind"), lambda now: now == said)
    still_true(
        "A goes on to say so, and serves nobody",
        lambda: (st.a.state(), st.a.health()[0], reason(st.a, "history_behind")),
        STAYS_S,
        lambda seen: seen == ("behind", 503, said),
    )


def agent_falls(st):
    before = st.a.pids("agent")
    st.a.signal("agent", signal.SIGKILL)
    wait_until("the agent runs again", lambda: st.a.pids("agent"), lambda pids: pids and pids != before)


def is_restarted(st):
    st.a.stop()
    st.a.start(wait=False)


def power_is_cut(st):
    """It may take with it what the run folder has."""
    st.a.kill()
    (st.a.home / "run/state").unlink()
    st.a.start(wait=False)


def home_by_promotion(st):
    """The one command that the status names."""
    order(st.b, "promote", "--yes")
    st.home_again()
    assert st.b.state() == "synced" and st.a.state() == "standby"


@pytest.mark.h2
@pytest.mark.h9
@pytest.mark.h10
@pytest.mark.h13
def test_a_primary_whose_disk_was_put_back_does_not_serve(st, kept):
    """With B there, which has more: B gives emergency access to all of it, and nothing is gone in the end."""
    chain = id_of(st.a, st.a)
    assert write(st, st.a, "newest") == "both"
    had, count = end_of(st.b, chain), versions(st, st.b)
    st.a.kill()
    st.b.wait_state("emergency")
    put_back(st.a, kept)
    st.a.start(wait=False)
    is_behind(st)
    assert str(had) in reason(st.a, "history_behind")["detail"] or end_of(st.b, chain) > had
    st.b.wait_state("emergency")
    assert read(st, st.b, "b") == "newest"
    still_true(
        "B keeps what it has, and A serves nobody",
        lambda: (st.a.state(), versions(st, st.b), end_of(st.b, chain) >= had),
        STAYS_S,
        lambda seen: seen == ("behind", count, True),
    )
    refused = st.a.run("ha", "reconcile", "--home", st.a.home, check=False)
    assert refused.returncode == 1 and f"{st.b.name} has what is missing here" in refused.stderr, refused.stderr
    # It stays so over a restart.
    st.a.stop()
    st.a.start(wait=False)
    is_behind(st)
    home_by_promotion(st)
    for n in st.nodes:
        assert versions(st, n) == count
    assert read(st, st.b, "client") == "newest"
    back_to_the_first(st)
    print(checker.whole(st))


@pytest.mark.h9
@pytest.mark.h13
def test_what_was_lost_is_known_behind_a_restart(st, kept):
    """B is gone when A begins anew, or its agent alone does: what B had is known still."""
    assert write(st, st.a, "newest") == "both"
    count = versions(st, st.b)
    st.a.kill()
    st.b.wait_state("emergency")
    put_back(st.a, kept)
    st.a.start(wait=False)
    is_behind(st)
    st.b.stop()
    for begin_anew in (agent_falls, is_restarted, power_is_cut):
        says_the_same_behind(st, begin_anew)
    st.b.start(wait=False)
    home_by_promotion(st)
    for n in st.nodes:
        assert versions(st, n) == count and not (n.home / "data/behind").exists()
    back_to_the_first(st)
    print(checker.whole(st))


@pytest.mark.h2
@pytest.mark.h9
@pytest.mark.h13
def test_both_go_on_alone_after_a_disk_was_put_back(st, kept):
    """Nobody can be asked when A starts, so that it serves, says so, and claims nothing; what it writes takes no number that B may have: it is
    a chain of its own. When they meet neither overwrites the other, and in the end both have all of it."""
    chain, former = id_of(st.a, st.a), [c for c, _ in chains_of(st, st.a)]
    for i in range(3):
        assert write(st, st.a, f"newest {i}") == "both"
    had, count = end_of(st.b, chain), versions(st, st.b)
    st.b.stop()
    st.a.stop()
    put_back(st.a, kept)
    st.a.start(wait=False)
    wait_until("A says that nobody could be asked", lambda: reason(st.a, "history_unconfirmed"))
    for i in range(4):
        assert write(st, st.a, f"other {i}") == "local"
    # What nobody has confirmed to its agent the next one does not take for confirmed.
    end = end_of(st.a, chain)
    assert end < had
    agent_falls(st)
    wait_until("the agent that began anew says so too", lambda: reason(st.a, "history_unconfirmed"))
    for i in range(4, 8):
        assert write(st, st.a, f"other {i}") == "local"
    assert end_of(st.a, chain) == end
    beside = [row for row in chains_of(st, st.a) if row[0] not in former]
    assert len(beside) == 1 and int(beside[0][1]) > 8, beside
    st.b.start(wait=False)
    is_behind(st)
    st.b.wait_state("emergency")
    assert read(st, st.b, "b") == "newest 2"
    still_true(
        "each keeps what it has",
        lambda: (st.a.state(), versions(st, st.b), end_of(st.b, chain)),
        STAYS_S,
        lambda seen: seen == ("behind", count, had),
    )
    home_by_promotion(st)
    for n in st.nodes:
        wait_until(f"{n.name} has what both wrote", lambda: versions(st, n), lambda seen: seen == count + 8)
        wait_until(
            f"{n.name} has the chain that A began", lambda: chains_of(st, n), lambda seen: set(beside) <= set(seen)
        )
    assert not list((st.a.home / "data").glob("pg.damaged-*")), "nothing had to be kept aside"
    st.audit_verify(st.b)
    wait_until("A goes on in the chain that it proved", lambda: end_of(st.b, id_of(st.b, st.a)), lambda end: end > had)
    # On its way back it may have begun one more; nobody goes on in this one.
    assert set(beside) <= set(chains_of(st, st.b))
    back_to_the_first(st)
    print(checker.whole(st, siblings=True))


@pytest.fixture
def copied(st):
    """Makes of a node's kept disk what can be started on another machine of the same network."""
    made = []

    def copy(node, disk):
        made.append(copy_of(st, node, disk))
        return made[-1]

    yield copy
    for node in made:
        node.kill()
        shutil.rmtree(node.home.parent, ignore_errors=True)


@pytest.fixture
def beside(st, copied, kept):
    return copied(st.a, kept)


def copy_of(st, of, disk):
    folder = st.dir / "beside"
    folder.mkdir()
    subprocess.run(["cp", "-a", disk, folder / "home"], check=True)
    give(folder)
    listen, pair_listen = st.listen("client", 7272), st.listen("client", 2345)
    node = Node(
        st.holdfast,
        folder / "home",
        of.name,
        listen,
        pair_listen,
        of.key_file,
        prefix=st.net.exec_prefix("client"),
    )
    node.set("listen", listen)
    node.set("pair_listen", pair_listen)
    return node


@pytest.mark.h2
@pytest.mark.h10
@pytest.mark.h13
def test_a_copy_that_is_started_beside_the_primary_serves_nobody(st, beside):
    """It asks B, which has more than the copy. The pair goes on as if it were not there."""
    beside.start(wait=False)
    beside.wait_state("behind")
    assert write(st, st.a, "by the true one") == "both"
    still_true(
        "the copy serves nobody, and the pair goes on",
        lambda: (beside.state(), beside.health()[0], st.a.state(), st.b.state()),
        STAYS_S,
        lambda seen: seen == ("behind", 503, "synced", "standby"),
    )
    said = reason(beside, "history_behind")
    assert said["node"] == st.a.name and st.b.name in said["detail"], said
    beside.kill()
    st.home_again()
    assert read(st, st.a, "client") == "by the true one"
    print(checker.whole(st))


def logged(node):
    return int(node.sql("SELECT count(*) FROM event")[0][0])


@pytest.mark.h9
@pytest.mark.h10
@pytest.mark.h13
def test_two_programs_of_one_node_write_in_neither(st, copied, tmp_path):
    """A copy of a stopped primary has all that B has, and serves; then the primary is started too. B hears both, and each hears so from B:
    both give what they have and write nothing, until an operator names one."""
    st.home_again()
    st.sql_account = st.accounts[3]
    assert write(st, st.a, "before") == "both"
    st.a.stop()
    keep(st.a, tmp_path / "disk")
    copy = copied(st.a, tmp_path / "disk")
    copy.start(wait=False)
    copy.wait_state("alone")
    st.a.start(wait=False)
    for node in (st.a, copy):
        node.wait_state("duplicate")
    for node in (st.a, st.b):
        said = wait_until(f"{node.name} says so", lambda: reason(node, "duplicate"))
        assert said["node"] == st.a.name and "ha promote" in said["todo"], said
    st.b.wait_state("emergency")
    assert all(n.health()[1]["mode"] == "emergency" and n.health()[1]["as_of"] for n in (st.a, copy, st.b))
    had = logged(st.a), logged(copy)
    assert read(st, st.a, "a") == read(st, copy, "client") == "before"
    r = st.call("a", st.login("admin", to=st.a, host="a"), st.a, "POST", f"/v1/accounts/{st.sql_account}/versions", NEW)
    assert (r["status"], r["body"]["error"]["code"]) == (403, "emergency_read_only"), r
    still_true(
        "neither writes",
        lambda: (logged(st.a), logged(copy), st.a.state(), copy.state()),
        STAYS_S,
        lambda seen: seen == (*had, "duplicate", "duplicate"),
    )
    for node in (st.a, copy):
        refuse_all(node, "duplicate")
    copy.kill()
    still_true("nobody goes on unasked", st.a.state, STAYS_S, lambda state: state == "duplicate")
    order(st.a, "promote", "--yes")
    st.home_again()
    assert write(st, st.a, "after") == "both"
    beside = chains_of(st, st.b)
    assert beside and int(beside[-1][1]) > 2, "what was done at A meanwhile is in the log"
    st.audit_verify(st.b)
    print(checker.whole(st))


@pytest.mark.h10
@pytest.mark.h13
def test_two_programs_of_a_secondary_are_promoted(st, copied, tmp_path):
    """The primary is lost, and nobody tells one operator of the other: both programs begin an epoch with the same counter, and serve. The two
    epochs are not equal, and all agree on the later one; heard of, both give what they have and write nothing."""
    back_to_the_first(st)
    st.sql_account = st.accounts[3]
    st.b.stop()
    keep(st.b, tmp_path / "disk")
    copy = copied(st.b, tmp_path / "disk")
    both = (st.b, copy)
    st.a.kill()
    st.net.cut_both("client", "b")
    for node in both:
        node.start(wait=False)
        node.wait_state("emergency")
    are_promoted_apart(both)
    later = max((epoch_of(n) for n in both), key=lambda e: e.split(".")[2])
    r = st.call("b", st.login("admin", to=st.b, host="b"), st.b, "POST", f"/v1/accounts/{st.sql_account}/versions", NEW)
    assert r["status"] == 201, r
    st.a.start(wait=False)
    st.net.heal()
    wait_until("all know it", lambda: [epoch_of(n) for n in (*both, st.a)], lambda seen: set(seen) == {later})
    first, second = sorted(both, key=lambda n: epoch_in_log(n).split(".")[2])
    wait_until(
        "the one that was begun first, at least, gives way",
        lambda: (first.state(), second.state()),
        lambda seen: seen[0] in ("behind", "duplicate") and seen[1] in ("duplicate", "alone", "synced"),
    )
    still_true(
        "two primaries do not serve",
        lambda: [n.health() for n in both],
        STAYS_S,
        lambda seen: [h[1]["mode"] for h in seen if h].count("primary") <= 1,
    )
    copy.kill()
    # What only the copy wrote is on its disk; A has heard of it.
    goes_on(st.b, st.a)
    st.home_again()
    assert read(st, st.b, "client") == NEW["fields"]["password"] and write(st, st.b, "after") == "both"
    back_to_the_first(st)
    print(checker.whole(st))


def goes_on(node, other):
    """By what its status names, until the other one follows it."""
    verbs = {"duplicate": ("promote", "--yes"), "behind": ("reconcile",)}
    while (state := wait_until("it goes on", lambda: {node.state(), other.state()} & {*verbs, "standby"})) != {
        "standby"
    }:
        order(node, *verbs[(state - {"standby"}).pop()])
        wait_until("it is heeded", node.state, lambda now: now not in state)


@pytest.mark.h9
@pytest.mark.h10
@pytest.mark.h13
def test_a_later_epoch_of_its_own_is_enough(st, tmp_path):
    """A's disk is put back behind what B knows, and B can be asked for its health alone: A hears that it began a later epoch than its log has."""
    back_to_the_first(st)
    st.sql_account = st.accounts[3]
    st.a.stop()
    keep(st.a, tmp_path / "disk")
    st.a.start(wait=False)
    st.home_again()
    order(st.a, "switchover")
    back_to_the_first(st)
    assert write(st, st.a, "newest") == "both"
    begun = epoch_of(st.a)
    st.a.stop()
    put_back(st.a, tmp_path / "disk")
    st.net.close_port("a", "b", 2345)
    st.a.start(wait=False)
    st.a.wait_state("behind")
    said = wait_until("it says why", lambda: reason(st.a, "history_behind"), lambda r: r and r["detail"])
    assert begun in said["detail"] and "ha reconcile" in said["todo"], said
    still_true(
        "it serves nobody", lambda: (st.a.state(), st.a.health()[0]), STAYS_S, lambda seen: seen == ("behind", 503)
    )
    st.net.clear()
    home_by_promotion(st)
    assert read(st, st.b, "client") == "newest"
    back_to_the_first(st)
    print(checker.whole(st))


@pytest.mark.h10
@pytest.mark.h14
def test_an_operator_who_gives_up_an_epoch_begins_a_later_one(st, tmp_path):
    """The same, with nobody who has what is missing: B knows of the epoch, and its data are put back too."""
    back_to_the_first(st)
    disks = {n: tmp_path / n.name for n in st.nodes}
    for n in st.nodes:
        n.stop()
    for n in st.nodes:
        keep(n, disks[n])
    for n in st.nodes:
        n.start(wait=False)
    st.home_again()
    order(st.a, "switchover")
    back_to_the_first(st)
    begun = epoch_of(st.a)
    for n in st.nodes:
        n.stop()
    known = (st.b.home / "data/epoch").read_text()
    for n in st.nodes:
        put_back(n, disks[n])
    (st.b.home / "data/epoch").write_text(known)
    for n in st.nodes:
        n.start(wait=False)
    st.a.wait_state("behind")
    order(st.a, "reconcile")
    st.home_again()
    wait_until(
        "the log has a later one",
        lambda: [epoch_of(st.a), epoch_of(st.b), epoch_in_log(st.a)],
        lambda seen: len(set(seen)) == 1 and int(seen[0].split(".")[0]) > int(begun.split(".")[0]),
    )
    print(checker.whole(st))


def are_promoted_apart(nodes):
    for node in nodes:
        before = epoch_of(node)
        order(node, "promote", "--yes")
        node.wait_state("alone")
        wait_until(
            "its log says so",
            lambda node=node: (epoch_of(node), epoch_in_log(node)),
            lambda seen, before=before: seen[0] == seen[1] != before,
        )
    counter, of, drawn = (set(x) for x in zip(*(epoch_of(node).split(".") for node in nodes)))
    assert (len(counter), len(of), len(drawn)) == (1, 1, 2), (counter, of, drawn)


def epoch_of(node):
    said = node.health()
    return said and said[1].get("epoch")


def epoch_in_log(node):
    """Of the node that its log names as the primary."""
    row = node.sql(
        "SELECT term || '.' || id || '.' || incarnation FROM ha_term JOIN node ON node.primary_since_term = ha_term.term"
    )
    return row[0][0] if row else None


@pytest.mark.h7
@pytest.mark.h9
def test_two_programs_of_a_secondary(st, copied, tmp_path):
    """The pair goes on and says so. What the secondary does meanwhile takes no number that the copy may take: it is a chain of its own, and
    comes home."""
    st.home_again()
    st.sql_account = st.accounts[3]
    st.b.stop()
    keep(st.b, tmp_path / "disk")
    st.b.start(wait=False)
    st.home_again()
    had = len(chains_of(st, st.a, st.b))
    copy = copied(st.b, tmp_path / "disk")
    copy.start(wait=False)
    for n in (st.a, st.b):
        said = wait_until(f"{n.name} says so", lambda: reason(n, "duplicate"))
        assert said["node"] == st.b.name, said
    assert write(st, st.a, "by all") and st.a.health()[1]["mode"] == "primary"
    st.net.cut_both("a", "b")
    st.b.wait_state("emergency")
    assert read(st, st.b, "b") == "by all"
    copy.kill()
    st.net.heal()
    st.home_again()
    assert len(chains_of(st, st.a, st.b)) == had + 1
    assert write(st, st.a, "after") == "both"
    wait_until(
        "nobody speaks of it any more", lambda: [reason(n, "duplicate") for n in st.nodes], lambda r: r == [None] * 2
    )
    st.audit_verify(st.a)
    print(checker.whole(st))


@pytest.mark.h9
def test_a_database_that_was_put_back_alone_is_known_by_the_mark(st, kept):
    """The folder of the database only, while nobody can be asked: the node's own mark tells. An operator may go on with what is there."""
    pg = st.dir / "kept-pg"
    keep_from = kept / "data/pg"
    shutil.rmtree(pg, ignore_errors=True)
    subprocess.run(["cp", "-a", keep_from, pg], check=True)
    assert write(st, st.a, "newest") == "both"
    st.b.stop()
    st.a.stop()
    put_back(st.a, pg, "data/pg")
    st.a.start(wait=False)
    st.a.wait_state("behind")
    said = wait_until("A says what it remembers", lambda: reason(st.a, "history_behind"))
    assert "remembers event" in said["detail"] and "ha reconcile" in said["todo"], said
    says_the_same_behind(st, power_is_cut)
    order(st.a, "reconcile")
    wait_until("it serves with what is there", lambda: write(st, st.a, "anew"), lambda d: d == "local")
    power_is_cut(st)
    st.a.wait_state("alone")
    assert write(st, st.a, "anew again") == "local" and not (st.a.home / "data/behind").exists()
    st.broken = True


@pytest.mark.h2
@pytest.mark.h9
@pytest.mark.h13
def test_what_the_primary_lost_of_a_secondary_comes_home(st):
    """While B is down the end of its chain is cut from the log of A. B has more and does not follow; it brings back what is missing, and
    nobody has to accept anything."""
    st.home_again()
    chain = id_of(st.a, st.b)

    def log_of(node):
        return node.sql(f"SELECT seq, encode(hash, 'hex') FROM event WHERE node = '{chain}' ORDER BY seq")

    FAULTS["link-cut"].do(st)
    st.b.wait_state("emergency")
    FAULTS["link-cut"].undo(st)
    st.home_again()
    had = wait_until("B has what it did alone in its log", lambda: log_of(st.b), lambda log: len(log) >= 2)
    st.b.stop()
    st.a.sql(f"DELETE FROM event WHERE node = '{chain}' AND seq > {int(had[-1][0]) - 2}")
    assert len(log_of(st.a)) == len(had) - 2
    st.b.start(wait=False)
    wait_until("A has all of it again", lambda: log_of(st.a)[: len(had)], lambda log: log == had, timeout=90)
    st.home_again()
    assert log_of(st.b)[: len(had)] == had
    st.audit_verify(st.a)


def emergency_reads(st, n):
    for i in range(n):
        assert read(st, st.b, "b")


@pytest.mark.h7
@pytest.mark.h9
def test_a_secondary_whose_disk_was_put_back_has_a_way_home(st):
    """It gives emergency access before it sees again what it had done, and uses none of those numbers a second time: what it does is a chain of
    its own, which comes home like any other."""
    st.home_again()
    st.sql_account = st.accounts[3]
    chain, path = id_of(st.a, st.b), st.dir / "kept-b"
    former = [c for c, _ in chains_of(st, st.a, st.b)]

    def log_of_b():
        return st.a.sql(f"SELECT seq, encode(hash, 'hex') FROM event WHERE node = '{chain}' ORDER BY seq")

    st.b.stop()
    keep(st.b, path)
    st.b.start(wait=False)
    st.home_again()
    FAULTS["link-cut"].do(st)
    st.b.wait_state("emergency")
    emergency_reads(st, 3)
    FAULTS["link-cut"].undo(st)
    st.home_again()
    had = log_of_b()
    st.b.stop()
    put_back(st.b, path)
    FAULTS["link-cut"].do(st)
    st.b.start(wait=False)
    st.b.wait_state("emergency")
    emergency_reads(st, 4)
    FAULTS["link-cut"].undo(st)
    st.home_again()
    assert log_of_b()[: len(had)] == had
    beside = [row for row in chains_of(st, st.a, st.b) if row[0] not in former]
    assert len(beside) == 1, beside
    logged = f"SELECT count(*) FROM event WHERE node = '{beside[0][0]}' AND kind = :RETRIEVED"
    wait_until("what it did is in the log", lambda: int(st.a.sql(logged)[0][0]), lambda n: n == 4)
    assert codes(st.b) == set()
    # It is the primary's secondary as before, and continues its own chain.
    FAULTS["link-cut"].do(st)
    st.b.wait_state("emergency")
    emergency_reads(st, 2)
    FAULTS["link-cut"].undo(st)
    st.home_again()
    wait_until("its own chain went on", lambda: len(log_of_b()), lambda n: n > len(had))
    st.audit_verify(st.a)
    st.b.stop()
    st.b.start(wait=False)
    st.home_again()
    wait_until("the journal of the other one is gone", lambda: not list((st.b.home / "data").glob("journal-*.db")))
    print(checker.whole(st))


@pytest.mark.h7
@pytest.mark.h13
def test_a_secondary_whose_disk_was_put_back_uses_no_number_twice(st):
    """Its next number is taken in the primary's log: it asks before it writes, and nobody has to mend anything."""
    st.home_again()
    chain, path = id_of(st.a, st.b), st.dir / "kept-b"
    shutil.rmtree(path, ignore_errors=True)
    st.b.stop()
    keep(st.b, path)
    end = end_of(st.a, chain)
    for _ in range(2):
        st.b.start(wait=False)
        wait_until("B's start is in the log", lambda: end_of(st.a, chain), lambda n: n > end)
        st.home_again()
        end = end_of(st.a, chain)
        st.b.stop()
    put_back(st.b, path)
    shutil.rmtree(path)
    st.b.start(wait=False)
    wait_until("and so is the one of the copy, behind the others", lambda: end_of(st.a, chain), lambda n: n > end)
    st.home_again()
    assert codes(st.b) == set()
    st.audit_verify(st.a)


@pytest.mark.h2
def test_a_secondary_follows_only_who_was_compared(st):
    """Its database follows nobody when the stream has ended, nor at a start, until the histories were compared."""
    st.home_again()

    def follows(node):
        return node.sql("SELECT 'to ' || current_setting('primary_conninfo')")[0][0]

    assert st.a.name in follows(st.b)
    st.a.stop()
    wait_until("the stream is gone, and nobody is followed", lambda: follows(st.b), lambda c: c == "to ")
    st.b.stop()
    st.b.start(wait=False)
    st.b.wait_state("emergency")
    assert follows(st.b) == "to ", "nor after a start"
    st.a.start(wait=False)
    st.home_again()
    assert st.a.name in follows(st.b)


def promoted(node):
    """As soon as it has heard itself that the primary serves nobody."""
    wait_until(
        f"{node.name} is promoted",
        lambda: node.run("ha", "promote", "--yes", "--home", node.home, check=False),
        lambda p: p.returncode == 0 or "serves" not in p.stdout + p.stderr,
        every=0.5,
    )


@pytest.mark.h2
@pytest.mark.h13
@pytest.mark.parametrize("made", ["by a copy", "by a hand-over"])
def test_what_was_made_a_standby_follows_only_who_was_compared(st, made):
    """Not even for the first time: the primary's disk may be put back between the copy and the start."""
    st.home_again()
    if made == "by a copy":
        node = st.b
        before = (st.b.home / "data/pg").stat().st_ino
        order(st.b, "rejoin")
        wait_until("the copy took its place", lambda: (st.b.home / "data/pg").stat().st_ino != before)
    else:
        order(st.a, "switchover", st.b.name)
        node = st.a
        st.b.wait_state("synced")
    st.home_again(primary=st.a if node is st.b else st.b)
    conf = (node.home / "data/pg/postgresql.auto.conf").read_text()
    assert "holdfast.follows" in conf, "its first start let nobody in before a comparison"
    back_to_the_first(st)


@pytest.mark.h10
@pytest.mark.h13
def test_a_secondary_put_back_and_promoted_uses_no_number_twice(st, tmp_path):
    """Nobody told it what it had done before: as the primary it goes on in a chain of its own, and gives way when it hears."""
    st.home_again()
    st.sql_account = st.accounts[3]
    chain = id_of(st.a, st.b)
    former = [c for c, _ in chains_of(st, st.a, st.b)]
    st.b.stop()
    keep(st.b, tmp_path / "kept")
    st.b.start(wait=False)
    st.home_again()
    FAULTS["link-cut"].do(st)
    st.b.wait_state("emergency")
    emergency_reads(st, 3)
    FAULTS["link-cut"].undo(st)
    st.home_again()
    had = st.a.sql(f"SELECT seq, encode(hash, 'hex') FROM event WHERE node = '{chain}' ORDER BY seq")
    st.b.stop()
    put_back(st.b, tmp_path / "kept")
    FAULTS["link-cut"].do(st)
    st.b.start(wait=False)
    st.b.wait_state("emergency")
    order(st.b, "promote", "--yes")
    st.b.wait_state("alone")
    emergency_reads(st, 4)
    logged = "SELECT count(*) FROM event WHERE node = '%s' AND kind = :RETRIEVED"
    beside = [row for row in chains_of(st, st.b, st.b) if row[0] not in former]
    assert len(beside) == 1 and st.b.sql(logged % beside[0][0]) == [["4"]], beside
    FAULTS["link-cut"].undo(st)
    st.b.wait_state("behind")
    for n in st.nodes:
        said = wait_until(
            f"{n.name} says what B lacks", lambda n=n: reason(n, "history_behind"), lambda r: r and r["detail"]
        )
        assert said["node"] == st.b.name and st.a.name in said["detail"] and "ha promote" in said["todo"], said
    promoted(st.a)
    st.home_again()
    wait_until("what it did as the primary came home", lambda: st.a.sql(logged % beside[0][0]), lambda n: n == [["4"]])
    for n in st.nodes:
        assert (
            n.sql(f"SELECT seq, encode(hash, 'hex') FROM event WHERE node = '{chain}' ORDER BY seq")[: len(had)] == had
        )
    st.audit_verify(st.a)
    print(checker.whole(st))


@pytest.mark.h10
@pytest.mark.h13
def test_one_node_of_two_cannot_say_where_the_chain_ends(three, tmp_path):
    """The primary's disk was put back; one secondary has no more than it, and the other one, which has, cannot be asked. It serves, in a
    chain of its own, until it hears."""
    st = three
    st.home_again()
    st.sql_account = st.accounts[3]
    chain = id_of(st.a, st.a)
    former = [c for c, _ in chains_of(st, st.a)]
    st.b.stop()
    st.a.stop()
    keep(st.a, tmp_path / "kept")
    st.a.start(wait=False)
    wait_until("C has what B has not", lambda: write(st, st.a, "at c"), lambda d: d == "both")
    st.a.kill()
    had = st.c.sql(f"SELECT seq, encode(hash, 'hex') FROM event WHERE node = '{chain}' ORDER BY seq")
    put_back(st.a, tmp_path / "kept")
    for host in ("a", "b"):
        st.net.cut_both(host, "c")
    st.b.start(wait=False)
    st.a.start(wait=False)
    st.a.wait_state("synced")
    assert write(st, st.a, "at b") == "both"
    beside = [row for row in chains_of(st, st.a) if row[0] not in former]
    assert len(beside) == 1, beside
    st.net.heal()
    st.a.wait_state("behind")
    promoted(st.c)
    st.home_again(primary=st.c)
    secrets = st.c.sql(f"SELECT count(*) FROM version WHERE account = '{st.sql_account}'")
    assert secrets == st.b.sql(f"SELECT count(*) FROM version WHERE account = '{st.sql_account}'")
    for n in st.nodes:
        assert (
            n.sql(f"SELECT seq, encode(hash, 'hex') FROM event WHERE node = '{chain}' ORDER BY seq")[: len(had)] == had
        )
    order(st.c, "switchover", st.a.name)
    st.home_again()
    st.audit_verify(st.a)
    print(checker.whole(st))


@pytest.mark.h2
@pytest.mark.h9
def test_each_of_two_secondaries_stands_for_itself(three):
    """One of them shows nothing of what comes in, while the other one keeps the primary in step: its row says so."""
    st = three
    st.home_again()
    st.b.sql("SELECT pg_wal_replay_pause()")
    try:
        said = wait_until("A says that B is not in step", lambda: reason(st.a, "out_of_step"))
        assert said["node"] == st.b.name, said
        assert st.a.state() == "synced" and (st.c.name, "out_of_step") not in codes(st.a)
    finally:
        st.b.sql("SELECT pg_wal_replay_resume()")
    st.home_again()

    # A stream that begins anew is no second disk before it was compared; the other one goes on being it.
    slot = f"hf_{id_of(st.a, st.b).replace('-', '')}"

    def stream():
        return st.a.sql(
            f"SELECT pid FROM pg_stat_replication WHERE application_name = '{slot}' AND state = 'streaming'"
        )

    begun = wait_until("B streams", stream)
    st.a.sql(f"SELECT pg_terminate_backend({begun[0][0]})")
    wait_until("B streams again", stream, lambda now: now and now != begun)
    st.home_again()
    assert st.a.state() == "synced"
