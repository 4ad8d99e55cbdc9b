# SPDX-License-Identifier: Apache-2.0
"""H17: who is refused a thousand times does not fill the log, which is replicated; that it happened, and how often, is in it."""
import pytest

from api import Api
from faultpage import FaultPage
from nodes import Person
from pair import PASSWORD
from wait import wait_until

AT_ONCE = 60  # events of one source in a minute


def logged(node, kind):
    """How many refusals each event of that kind stands for, in order."""
    return [
        int(n)
        for (n,) in node.sql(f"SELECT coalesce(body::json->>'times', '1') FROM event WHERE kind = :{kind} ORDER BY seq")
    ]


@pytest.fixture
def clock(node, where):
    clock = FaultPage(where / "faults")
    node.env = clock.env
    return clock


def plain_user(node, where):
    boss = Person(node, "admin", node.setup_token(), PASSWORD, where)
    made = boss.api.must("POST", "/v1/users", {"name": "bob"}, status=201)
    return Person(node, "bob", made["setup_token"], f"{PASSWORD}-of-theirs", where)


def refuse(person, n):
    for _ in range(n):
        r = person.api.get("/v1/audit")
        assert (r.status, r.code) == (403, "forbidden")


def test_a_user_who_is_refused_often(node, where, clock):
    """Once a minute the rest is one event, and so it is at a stop."""
    bob = plain_user(node.start(), where)
    refuse(bob, AT_ONCE + 200)
    clock.put_clock_on(61)
    wait_until("the sum is written", lambda: logged(node, "FORBIDDEN"), lambda rows: 200 in rows)
    assert logged(node, "FORBIDDEN") == AT_ONCE * [1] + [200]
    refuse(bob, AT_ONCE + 7)
    node.stop()
    node.start()
    assert logged(node, "FORBIDDEN") == AT_ONCE * [1] + [200] + AT_ONCE * [1] + [7]
    sums = node.sql(
        "SELECT DISTINCT actor, object, address, body::json->>'what' FROM event WHERE kind = :FORBIDDEN AND body::json->>'times' <> ''"
    )
    ((actor, whose, address, what),) = sums
    assert (actor, whose, address) == (bob.id, "", "127.0.0.1") and "log" in what, sums


def test_invented_names(node, where, clock):
    """A name costs the stranger a hash, and the log nothing beyond the bound; who is locked out is told of once a minute."""
    bob = plain_user(node.start(), where)
    node.set("lockout_after", 3)
    node.read_settings()
    api, before = Api(node), len(logged(node, "LOGIN_FAILED"))
    for i in range(AT_ONCE + 5):
        r = api.post("/v1/session", {"name": f"invented{i}", "password": "guessed"})
        assert (r.status, r.code) == (401, "bad_login")
    for _ in range(10):
        assert api.post("/v1/session", {"name": "bob", "password": "guessed"}).status in (401, 429)
    clock.put_clock_on(61)
    wait_until(
        "the sums are written", lambda: logged(node, "LOGIN_FAILED")[before:], lambda rows: sum(rows) == AT_ONCE + 15
    )
    rows = node.sql(
        "SELECT actor, object, body::json->>'why', body::json->>'times' FROM event WHERE kind = :LOGIN_FAILED AND body::json->>'times' IS NOT NULL"
    )
    assert ["5"] == [r[3] for r in rows if r[2] == "unknown"]
    ((actor, whose, _, _),) = [r for r in rows if r[2] == "locked out"]
    assert not actor and whose == bob.id
