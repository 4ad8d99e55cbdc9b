# SPDX-License-Identifier: Apache-2.0
"""A user who retrieves unusually much is noticed, and where the settings say so held until an administrator releases them."""
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from api import Api
from faultpage import FaultPage
from nodes import Person
from packs import running
from pair import PASSWORD
from usedpair import UsedPair
from verbs import fails
from wait import still_true, wait_until
from webhook import Receiver

USUAL = 5
WITHIN_S = 600
settings = {"retrieval_alert": USUAL, "retrieval_alert_window": f"{WITHIN_S}s"}
VALUE = f"more than {USUAL} in {WITHIN_S} s"


def accounts_of(person, n):
    """As many accounts with a secret each, the person's own."""
    resource = person.api.must("POST", "/v1/resources", {"name": f"of {person.name}"})["id"]
    path = f"/v1/resources/{resource}/accounts"
    return [person.api.must("POST", path, {"login": f"l{i}", "fields": {"password": f"{i}"}})["id"] for i in range(n)]


def get(api, account):
    return api.post(f"/v1/accounts/{account}/retrieve", {})


def got(api, accounts):
    """How many of them are given out; what is not is refused for that reason alone."""
    replies = [get(api, a) for a in accounts]
    refused = [r for r in replies if r.status != 200]
    assert all((r.status, r.code) == (403, "retrieval_held") for r in refused), refused
    assert all("fields" not in r.json for r in refused)
    return len(replies) - len(refused)


def noticed(node, person):
    """What the log says of it: whether each held them."""
    return [
        row[0] == "true"
        for row in node.sql(
            "SELECT body::json->>'held' FROM event "
            f"WHERE kind = :RETRIEVALS_UNUSUAL AND object = '{person.id}' AND actor = object ORDER BY at"
        )
    ]


def told(person, node=None):
    """What a log-in tells of it: of whom, by whom, what."""
    o = Api(node or person.node).must("POST", "/v1/session", {"name": person.name, "password": person.password})
    return [
        (n["user"]["name"], n["by"], n["value"])
        for n in o["notices"]
        if n["what"] == "retrievals_unusual" and n["address"] == "127.0.0.1"
    ]


def hired(boss, name, **more):
    made = boss.api.must("POST", "/v1/users", {"name": name, **more}, status=201)
    return Person(boss.node, name, made["setup_token"], f"{PASSWORD}-of-theirs", boss.session.parent)


def test_it_is_in_the_log_once(shared, hire):
    """H17 of a user: the log does not grow with what they do beyond their retrievals; the same again is nothing more."""
    ada, bob = hire("ada"), hire("bob")
    hers, his = accounts_of(ada, 3 * USUAL), accounts_of(bob, USUAL)
    assert got(ada.api, 3 * hers[:USUAL]) == 3 * USUAL and got(bob.api, his) == USUAL
    assert noticed(shared, ada) == []
    assert got(ada.api, hers[USUAL:]) == 2 * USUAL
    assert noticed(shared, ada) == [False] and noticed(shared, bob) == []
    assert got(ada.api, hers) == 3 * USUAL and noticed(shared, ada) == [False]


def test_an_older_version_is_another_one(shared, hire):
    her = hire("historian")
    (account,) = accounts_of(her, 1)
    for i in range(USUAL):
        her.api.must(
            "POST", f"/v1/accounts/{account}/versions", {"fields": {"password": f"new {i}"}, "if_version": i + 1}
        )
    for n in range(1, USUAL + 2):
        assert noticed(shared, her) == []
        her.api.must("POST", f"/v1/accounts/{account}/retrieve", {"version": n})
    assert noticed(shared, her) == [False]


def test_all_administrators_are_told(boss, hire):
    """At their next log-in, once; nobody else is."""
    second, plain, her = hire("second", role="administrator"), hire("plain"), hire("reader")
    accounts = accounts_of(her, USUAL + 1)
    for who in (boss, second, plain):
        told(who)
    assert got(her.api, accounts) == USUAL + 1
    assert told(second) == told(boss) == [(her.name, None, VALUE)]
    assert told(second) == told(plain) == []
    her.api.must("POST", "/v1/users/me/sessions/end")


def test_the_command_tells_it(boss, hire):
    her = hire("typist")
    boss.login()
    assert got(her.api, accounts_of(her, USUAL + 1)) == USUAL + 1
    said = boss.login().stderr
    assert re.search(rf"typist retrieved unusually many passwords: {VALUE} from 127\.0\.0\.1\n", said), said


@pytest.fixture
def clocked(node, where):
    clock = FaultPage(where / "faults")
    node.env = clock.env
    for name, value in settings.items():
        node.set(name, value)
    return clock


def boss_of(node, where):
    return Person(node, "admin", node.setup_token(), PASSWORD, where)


def test_the_window_goes_by_the_clock(node, where, clocked):
    """What is older does not count, and once it is over it is told again."""
    boss = boss_of(node.start(), where)
    accounts = accounts_of(boss, 4 * USUAL)
    for i in range(2):
        assert got(boss.api, accounts[i * USUAL : (i + 1) * USUAL]) == USUAL
        clocked.put_clock_on(WITHIN_S + 1)
    assert noticed(node, boss) == []
    assert got(boss.api, accounts[: USUAL + 2]) == USUAL + 2
    assert noticed(node, boss) == [False]
    clocked.put_clock_on(WITHIN_S + 1)
    assert got(boss.api, accounts[: USUAL + 2]) == USUAL + 2
    assert noticed(node, boss) == [False, False]


def test_off_is_off(node, where):
    node.set("retrieval_alert", 0)
    node.set("retrieval_hold", "true")
    boss = boss_of(node.start(), where)
    assert got(boss.api, accounts_of(boss, 20)) == 20 and noticed(node, boss) == []


def test_an_alert_without_a_name(node, where, ports):
    """Once for each, also by an agent that was started anew."""
    hook = Receiver(node, where, ports.take())
    node.set("retrieval_alert", USUAL)

    def alerts(n):
        rows = wait_until(
            f"the webhook hears of {n}",
            lambda: [r for r in hook.rows() if r["type"] == "retrievals.unusual"],
            lambda r: len(r) == n,
        )
        assert all(r["signed"] and "mallory" not in json.dumps(r["data"]) for r in rows)
        return rows

    try:
        node.start()
        boss = boss_of(node, where)
        mallory = hired(boss, "mallory")
        assert got(mallory.api, accounts_of(mallory, 3 * USUAL)) == 3 * USUAL
        (row,) = alerts(1)
        assert "unusually many" in row["data"]["text"] and "retrievals_unusual" in row["data"]["todo"]
        node.stop()
        node.start()
        still_true("it is told once", lambda: len(alerts(1)), 3, lambda n: n == 1)
    finally:
        hook.end()


@pytest.fixture
def strict(node):
    """A node that holds."""
    node.set("retrieval_alert", USUAL)
    node.set("retrieval_hold", "true")
    return node.start()


def state_of(boss, person):
    return boss.api.must("GET", f"/v1/users/{person.id}")["held"]


def test_whoever_reads_everything_at_once_gets_as_much_as_is_usual(strict, where):
    """Many requests at the same time are no way around the hold, and are one event."""
    boss = boss_of(strict, where)
    eve = hired(boss, "eve")
    accounts = accounts_of(eve, 60)
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda a: get(Api(strict, token=eve.api.token), a), accounts))
    codes = [r.code for r in replies if r.status != 200]
    assert len(replies) - len(codes) == USUAL and set(codes) == {"retrieval_held"}
    assert noticed(strict, eve) == [True]


def test_a_hold_goes_on_until_an_administrator_releases(strict, where):
    """Through starts of the service and of PostgreSQL, whatever the setting was meanwhile; others, and what else the user does, go on."""
    boss = boss_of(strict, where)
    eve, ann = hired(boss, "eve"), hired(boss, "ann")
    accounts, others = accounts_of(eve, 3 * USUAL), accounts_of(ann, 1)
    assert not state_of(boss, eve)
    assert got(eve.api, accounts) == USUAL
    assert state_of(boss, eve) and not state_of(boss, ann)
    assert "held" in next(l for l in boss.good("user", "list").splitlines() if l.startswith("eve"))
    assert got(ann.api, others) == 1
    p = eve.cli("get", "of eve", "l0")
    fails(p, 1, "user release eve")
    assert eve.good("find", "eve").count("of eve")
    strict.signal("vaultd", 9)
    strict.wait_ready()
    ann.api, eve.api = (Api(strict, token=who.api.token) for who in (ann, eve))
    assert got(ann.api, others) == 1
    assert got(eve.api, accounts) == 0
    strict.stop()
    strict.start()
    for who in (boss, eve, ann):
        who.begin_api()
    assert got(eve.api, accounts) == 0 and got(ann.api, others) == 1
    strict.set("retrieval_hold", "false")
    strict.read_settings()
    assert got(eve.api, accounts[:1]) == 1 and not state_of(boss, eve)
    strict.set("retrieval_hold", "true")
    strict.read_settings()
    assert got(eve.api, accounts[:1]) == 0
    assert boss.good("user", "release", "eve") == "this user may retrieve passwords again\n"
    assert boss.json("user", "release", "eve") == {"released": False}
    assert not state_of(boss, eve) and got(eve.api, accounts[:USUAL]) == USUAL
    assert noticed(strict, eve) == [True]
    assert got(eve.api, accounts) == USUAL  # those they have again
    assert noticed(strict, eve) == [True, True]


def test_nobody_releases_themselves(strict, where):
    """A session of an administrator that was stolen would do it."""
    boss = boss_of(strict, where)
    second, eve = hired(boss, "second", role="administrator"), hired(boss, "eve")
    assert got(boss.api, accounts_of(boss, 2 * USUAL)) == USUAL
    r = boss.api.call("POST", f"/v1/users/{boss.id}/release")
    assert (r.status, r.code) == (409, "refused") and "yourself" in r.detail, r
    assert eve.api.call("POST", f"/v1/users/{boss.id}/release").status == 403
    assert state_of(second, boss)
    second.api.must("POST", f"/v1/users/{boss.id}/release")
    assert not state_of(second, boss)


@pytest.fixture
def pair(holdfast):
    with running(UsedPair, holdfast) as p:
        for n in p.nodes:
            n.set("retrieval_alert", USUAL)
            n.set("retrieval_hold", "true")
            n.read_settings()
        yield p


def test_never_in_emergency_and_on_whichever_node_is_the_primary(pair):
    """H4, H5, H7: the secondary gives what the shares allow, says what it noticed when its journal is merged, and holds nobody for it."""
    boss = pair.boss
    eve, ann = hired(boss, "eve"), hired(boss, "ann")
    hers, anns = accounts_of(eve, 2 * USUAL), accounts_of(ann, 2 * USUAL)
    assert got(eve.api, hers) == USUAL
    told(boss)
    pair.alive()
    pair.primary.kill()
    pair.other.wait_state("emergency")
    for who, accounts in ((eve, hers), (ann, anns)):
        assert got(Api(pair.other, token=who.api.token), accounts) == 2 * USUAL
    pair.primary.start()
    pair.alive()
    assert noticed(pair.primary, eve) == [True, False] and noticed(pair.primary, ann) == [False]
    assert sorted(told(boss)) == [("ann", None, VALUE), ("eve", None, VALUE)]
    assert got(eve.api, hers) == 0 and got(ann.api, anns[:USUAL]) == USUAL
    pair.primary.run("ha", "switchover", "--home", pair.primary.home)
    pair.other.wait_status(0)
    there = {who: Api(pair.other, token=who.api.token) for who in (boss, eve, ann)}
    assert got(there[eve], hers) == 0 and got(there[ann], anns[:USUAL]) == USUAL
    there[boss].must("POST", f"/v1/users/{eve.id}/release")
    assert got(there[eve], hers[:USUAL]) == USUAL
