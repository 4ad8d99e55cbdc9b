# SPDX-License-Identifier: Apache-2.0
"""Orders of the pair from the console: by whom, with what, what is refused and why, and that the agent believes no other process."""
import json
import os
import signal
import socket
import time

import pytest
from api import Api
from factor import totp
from nodes import Person
from pair import PASSWORD
from packs import running
from usedpair import UsedPair
from wait import wait_until

WRONG = "Wrong-Horse-7-battery"
ORDERS = ["promote", "switchover", "remove", "emergency on", "emergency off"]


class Ordered(UsedPair):
    def __init__(self, holdfast, folder):
        super().__init__(holdfast, folder)
        made = self.boss.api.must("POST", "/v1/users", {"name": "eve", "role": "user"}, status=201)
        self.eve = Person(self.primary, "eve", made["setup_token"], f"{PASSWORD}-1", folder)

    def at(self, node, person=None, address=None):
        """A session of before, at this node."""
        return Api(node, (person or self.boss).api.token, address)

    def order(self, node, what, person=None, **more):
        return self.at(node, person).post("/v1/ha/orders", {"order": what, "password": PASSWORD, **more})

    def orders(self, node):
        got = self.at(node).must("GET", "/v1/ha/orders")
        assert [o["order"] for o in got["orders"]] == ORDERS, got
        return {o["order"]: o for o in got["orders"]}

    def logged(self, node):
        """(order, outcome) of each, from the first on."""
        return [
            tuple(r)
            for r in node.sql(
                "SELECT e.body::json->>'order', e.body::json->>'outcome', p.name FROM event e "
                "JOIN principal p ON p.id = e.actor WHERE e.kind = :HA_ORDERED ORDER BY e.at"
            )
        ]


@pytest.fixture(scope="module")
def pair(holdfast):
    with running(Ordered, holdfast) as p:
        yield p


def to_the_agent(at, **claim):
    """What a vaultd that was taken over would say."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(str(at.home / "run/agent.sock"))
        s.sendall(json.dumps({"verb": "ordered", **claim}).encode() + b"\n")
        said = b""
        while b'"error"' not in said and b'"path"' not in said:
            piece = s.recv(4096)
            if not piece:
                break
            said += piece
    return json.loads(said.splitlines()[-1])


def test_what_may_be_ordered_and_why_not(pair):
    """On either node, as the command line answers there (H14)."""
    a, b = pair.nodes
    on_a, on_b = pair.orders(a), pair.orders(b)
    assert on_a["switchover"]["allowed"] and on_a["switchover"]["targets"][0]["name"] == b.name
    assert not on_a["promote"]["allowed"] and "is the primary already" in on_a["promote"]["reason"]
    assert not on_a["remove"]["allowed"] and "stop it there first" in on_a["remove"]["reason"]
    assert "out of the pair for good" in on_a["remove"]["targets"][0]["known"]
    assert not on_b["promote"]["allowed"] and f"the primary {a.name} serves" in on_b["promote"]["reason"]
    assert not on_b["switchover"]["allowed"] and a.name in on_b["switchover"]["reason"]
    assert on_b["emergency on"]["allowed"]
    # The console's answer is the command line's.
    p = b.run("ha", "promote", "--yes", "--home", b.home, check=False)
    assert on_b["promote"]["reason"].split(":")[0] in " ".join(p.stderr.split())


def test_an_agent_that_fell_is_waited_for(pair):
    node = pair.primary
    api = pair.at(node)
    os.kill(node.pids("agent")[0], signal.SIGKILL)
    said = api.must("GET", "/v1/ha/orders")["without"]
    assert said is None or "agent" in said, said
    wait_until("it answers again", lambda: api.must("GET", "/v1/ha/orders")["without"], lambda why: why is None)


def test_what_is_refused(pair):
    """By the role, the state, what is missing, the target; nothing is counted nor logged for it (H14)."""
    a, b = pair.nodes
    before = pair.logged(a)
    for node in pair.nodes:
        assert pair.at(node, pair.eve).get("/v1/ha/orders").status == 403
        r = pair.order(node, "emergency on", pair.eve, password=f"{PASSWORD}-1")
        assert (r.status, r.code) == (403, "forbidden"), r
    r = pair.order(a, "promote", confirm=True)
    assert (r.status, r.code) == (409, "refused") and "already" in r.detail, r
    for more in ({"order": "remove", "confirm": True}, {"order": "remove", "target": b.name}, {"order": "promote"}):
        r = pair.at(a).post("/v1/ha/orders", {"password": PASSWORD, **more})
        assert (r.status, r.code) == (400, "bad_field"), (more, r)
    assert pair.order(a, "explode").code == "usage"
    assert pair.logged(a) == before
    r = pair.order(a, "switchover", target="nobody.example")
    assert (r.status, r.code) == (404, "not_found") and "nobody.example" in r.detail, r
    assert pair.logged(a) == [
        *before,
        ("switchover", "asked", "admin"),
        ("switchover", "refused", "admin"),
    ]


def test_a_wrong_password_counts_as_at_the_log_in(pair):
    """Whoever has a session guesses no faster here, and keeps nobody else out (H17)."""
    a, b = pair.nodes
    made = pair.boss.api.must("POST", "/v1/users", {"name": "kim", "role": "administrator"}, status=201)
    kim = Person(a, "kim", made["setup_token"], f"{PASSWORD}-2", pair.folder)
    orders, said = pair.logged(a), []
    for _ in range(12):
        said.append(pair.order(a, "switchover", kim, password=WRONG))
        if said[-1].code == "locked_out":
            break
    assert said[0].code == "bad_login" and said[-1].code == "locked_out", said
    right = pair.order(a, "switchover", kim, password=kim.password)
    assert right.code == "locked_out", right
    assert Api(a).post("/v1/session", {"name": "kim", "password": kim.password}).code == "locked_out"
    failed = a.sql(
        "SELECT count(*), min(e.body::json->>'doing') FROM event e JOIN principal p ON p.id = e.actor "
        "WHERE e.kind = :LOGIN_FAILED AND p.name = 'kim'"
    )
    assert int(failed[0][0]) >= len(said) - 1, failed
    assert pair.logged(a) == orders and a.state() == "synced"
    # Nobody else is kept from ordering.
    assert pair.order(b, "emergency off").status == 200


def test_the_agent_believes_nobody_who_passes_orders_on(pair):
    """H17: a vaultd that was taken over claims what it likes; without the password the agent takes no order, nor from who may not."""
    a, _ = pair.nodes
    claim = {"order": "switchover", "user": pair.boss.id}
    assert to_the_agent(a, **claim)["error"]["code"] == "usage"
    assert to_the_agent(a, **claim, password=WRONG)["error"]["code"] == "bad_login"
    eve = {"order": "switchover", "user": pair.eve.id, "password": pair.eve.password}
    assert to_the_agent(a, **eve)["error"]["code"] == "forbidden"
    nobody = {**claim, "user": "01890a5d-ac96-774b-bcce-b302099a8057", "password": PASSWORD}
    assert to_the_agent(a, **nobody)["error"]["code"] == "forbidden"
    assert to_the_agent(a, **{**claim, "order": "backup"}, password=PASSWORD)["error"]["code"] == "usage"
    assert a.state() == "synced"
    log = a.log.read_text()
    assert WRONG not in log and PASSWORD not in log
    # With the password it is as from the command line: what is refused is refused for its own reason.
    said = to_the_agent(a, order="switchover", node="nobody.example", user=pair.boss.id, password=PASSWORD)
    assert said["error"]["code"] == "not_found", said


def test_a_code_orders_once(pair):
    """Not here, nor at the agent, nor at a log-in, once it was taken (H17)."""
    a, b = pair.nodes
    made = pair.boss.api.must("POST", "/v1/users", {"name": "tim", "role": "administrator"}, status=201)
    tim = Person(a, "tim", made["setup_token"], f"{PASSWORD}-3", pair.folder)
    begun = tim.api.must("POST", "/v1/users/me/totp", {"password": tim.password})
    at = time.time()
    body = {"password": tim.password, "pending": begun["pending"], "code": totp(begun["secret"], at)}
    tim.api.must("POST", "/v1/users/me/totp", body)
    wanted = {"password": tim.password, "target": "nobody.example"}
    assert pair.order(a, "switchover", tim, **wanted).code == "second_factor"
    code = totp(begun["secret"], at + 30)
    r = pair.order(a, "switchover", tim, **wanted, code=code)
    assert r.code == "not_found", r  # the code was right
    r = pair.order(a, "switchover", tim, **wanted, code=code)
    assert r.code == "bad_login" and "used" in r.detail, r
    claim = {"order": "switchover", "node": "nobody.example", "user": tim.id, "password": tim.password}
    assert to_the_agent(a, **claim, code=code)["error"]["code"] == "bad_login"
    assert Api(a).post("/v1/session", {"name": "tim", "password": tim.password, "code": code}).code == "bad_login"


def test_a_switchover_there_and_back(pair):
    """Nobody reads it in a terminal: the state says when it is done, and the log who ordered it (H10)."""
    a, b = pair.nodes
    for old, new in ((a, b), (b, a)):
        r = pair.order(old, "switchover")
        assert (r.status, r.json["order"]) == (200, "switchover"), r
        new.wait_state("synced")
        old.wait_state("standby")
        pair.alive()
        wait_until(
            "the log says that it was taken",
            lambda: [o[:2] for o in pair.logged(new)][-2:],
            lambda last: last == [("switchover", "asked"), ("switchover", "taken")],
        )


def test_emergency_on_and_off(pair):
    """Ordered at the secondary, and in the primary's log afterwards (H5, H14)."""
    a, b = pair.nodes
    assert pair.order(b, "emergency on").status == 200
    b.wait_state("emergency")
    got = pair.orders(b)
    assert got["emergency off"]["allowed"] and "emergency" in got["emergency off"]["through"]
    assert pair.order(b, "emergency off").status == 200
    b.wait_state("standby")
    pair.alive()
    wait_until(
        "what was ordered on the secondary came to the primary's log",
        lambda: [o[:2] for o in pair.logged(a)],
        lambda all: ("emergency on", "taken") in all and ("emergency off", "taken") in all,
    )


def test_promoted_at_night_and_the_lost_one_taken_out(pair):
    """The primary is gone: whoever is called logs in on the secondary and promotes it there; then takes out what will not come back (H14)."""
    a, b = pair.nodes
    a.kill()
    b.wait_state("emergency")
    api = Api(b)
    api.token = api.must("POST", "/v1/session", {"name": "admin", "password": PASSWORD})["token"]
    promote = next(o for o in api.must("GET", "/v1/ha/orders")["orders"] if o["order"] == "promote")
    assert promote["allowed"] and promote["question"] == "Make this node the primary?", promote
    assert "everything is here as of" in promote["known"] and a.name in promote["known"]
    order = {"order": "promote", "password": WRONG, "confirm": True}
    assert api.post("/v1/ha/orders", order).code == "bad_login"
    assert b.state() == "emergency"
    r = api.post("/v1/ha/orders", {**order, "password": PASSWORD})
    assert r.status == 200, r
    b.wait_state("alone")
    wait_until("the session goes on", lambda: api.get("/v1/session").status, lambda status: status == 200)
    wait_until(
        "the journal brought the order to the log",
        lambda: [o[:2] for o in pair.logged(b)],
        lambda all: ("promote", "asked") in all and ("promote", "taken") in all,
    )
    remove = {"order": "remove", "target": a.name, "password": PASSWORD, "confirm": True}
    r = wait_until(
        "the lost node is taken out",
        lambda: api.post("/v1/ha/orders", remove),
        lambda r: r.status == 200,
    )
    assert [r[0] for r in b.sql("SELECT name FROM node")] == [b.name]
