# SPDX-License-Identifier: Apache-2.0
"""The soak itself: its schedule can be played again, and whatever does not hold makes it fail. Needs no root."""
import argparse
import json
from pathlib import Path

import pytest

import checker
import soak
from faults import DRAWN, FAULTS

pytestmark = pytest.mark.harness


def test_schedule_is_a_function_of_seed_and_round():
    assert [soak.schedule(5, k) for k in range(50)] == [soak.schedule(5, k) for k in range(50)]
    assert soak.schedule(5, 7) != soak.schedule(6, 7)


def test_every_fault_comes_and_none_takes_what_another_has():
    rounds = [soak.schedule(1, k) for k in range(2000)]
    assert {name for faults in rounds for name, _, _ in faults} == {f.name for f in DRAWN}
    assert {len(faults) for faults in rounds} >= {1, 2, 3}
    for faults in rounds:
        places = [p for name, _, _ in faults for p in FAULTS[name].places]
        assert len(places) == len(set(places)), faults


@pytest.mark.parametrize(
    "faults, answered, seconds",
    [
        ([("link-cut", 1.0, 4)], 3.5, 2.5),
        ([("promote", 0.5, 3), ("p-node-kill", 0.0, 4)], 0.8, 0.8),
        ([("link-cut", 0.0, 4), ("s-vaultd-kill", 4.0, 1)], 3.0, 3.0),
        ([("link-cut", 0.0, 4), ("s-vaultd-kill", 1.0, 1)], 3.0, None),
        ([("p-vaultd-kill", 0.0, 4), ("link-cut", 1.0, 4)], 3.0, None),
        ([("s-node-kill", 0.0, 4)], 3.0, None),
        ([("both-killed-s-first", 0.0, 4)], 7.0, None),
    ],
)
def test_time_to_emergency_counts_where_one_fault_led_there(faults, answered, seconds):
    assert soak.led_to_emergency(faults, answered) == seconds


class Node:
    """A node whose database says what it is told to say."""

    proc = None

    def __init__(self, name, **says):
        self.name = name
        self.says = {
            "events": [("s1ra-1.1", "acc {}", "1"), ("s1ra-2.1", "other {}", "1")],
            "versions": [("acc", "1", "v1")],
            "chains": [["n", "3", "3"]],
            "left": 0,
            "status": 0,
            "state": "standby",
            "digest": 1,
            "good": True,
            **says,
        }

    def sql(self, text, **_):
        if "max(seq)" in text:
            return self.says["chains"]
        if "kind" in text:
            return self.says["events"]
        if "FROM version" in text:
            return self.says["versions"]
        return [[str(self.says["left"])]]

    def wait_status(self, code, timeout):
        if self.says["status"] != code:
            raise soak.Failed(f"ha status still {self.says['status']}")

    def state(self):
        return self.says["state"]


READ = {
    "role": "reader",
    "tag": "s1ra",
    "ok": True,
    "reason": "s1ra-1.1",
    "account": "acc",
    "t0": 2e12,
    "t1": 2e12,
    "mode": "primary",
    "node": "a",
    "version": 1,
}
WRITTEN = {
    "role": "writer",
    "tag": "s1wa",
    "ok": True,
    "account": "acc",
    "version": 1,
    "id": "v1",
    "durability": "both",
    "node": "a",
    "t0": 1e12,
    "t1": 1e12,
}


class Users:
    def __init__(self, rows):
        self.rows = rows

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def wait_for(self, what, timeout):
        assert any(what(r) for r in self.rows), "nothing the users did was as waited for"

    def stop(self):
        return self.rows


@pytest.fixture
def world(monkeypatch):
    """Rounds on nodes that are made up; world(a=…, b=…) says what is wrong with them, later=… what is wrong from the second round on."""
    monkeypatch.setattr(checker, "table_digests", lambda node: {"event": (1, node.says["digest"])})
    equal = checker.both_equal
    monkeypatch.setattr(checker, "both_equal", lambda a, b, timeout: equal(a, b, timeout=0))
    left = checker.nothing_left_over
    monkeypatch.setattr(checker, "nothing_left_over", lambda st: left(st, timeout=0))
    monkeypatch.setattr(soak, "keep", lambda st: Path("/nowhere"))

    def run(a={}, b={}, later=None, rounds=1):
        nodes = [Node("node-a.test", **{"state": "synced", **a}), Node("node-b.test", **b)]

        class Stage:
            def __init__(self, *_, **__):
                self.nodes, (self.a, self.b), self.c = nodes, nodes, None

            def up(self):
                pass

            down = up

            def login(self, *_, **__):
                return "session"

            def audit_verify(self, node):
                assert node.says["good"], "audit verify"

            def tables_verify(self):
                pass

            def tails(self):
                return ""

        def play(x, faults):
            if later and x.number:
                nodes[1].says.update(later)
            return 0, 1

        def users(st, sessions, tag):
            if tag.endswith("n0"):
                return Users([dict(READ), dict(WRITTEN)])
            return Users(
                [
                    READ | {"reason": "s1ra-2.1", "version": 2, "account": "other"},
                    WRITTEN | {"version": 2, "id": "v2", "account": "other"},
                ]
            )

        monkeypatch.setattr(soak, "Stage", Stage)
        monkeypatch.setattr(soak, "play", play)
        monkeypatch.setattr(soak, "users", users)
        tally = soak.Tally()
        soak.soak(
            argparse.Namespace(seed=1, nodes=2, rare=False, first=0, rounds=rounds, minutes=0, holdfast="x"), tally
        )
        return tally

    return run


TWO = [("acc", "1", "v1"), ("other", "2", "v2")]


def test_good_rounds_pass(world):
    t = world(b={"versions": TWO}, rounds=2)
    assert (t.rounds, t.reads, t.writes) == (2, 2, 2) and soak.report(t) == 0


@pytest.mark.parametrize(
    "kind, wrong",
    [
        ("lost", {"b": {"versions": []}}),
        ("broken chains", {"a": {"chains": [["n", "3", "4"]]}}),
        ("broken chains", {"a": {"chains": []}}),
        ("broken chains", {"a": {"good": False}}),
        ("broken chains", {"b": {"left": 1}}),
        ("unlogged", {"b": {"events": []}}),
        ("unlogged", {"b": {"events": [("s1ra-1.1", "another {}", "1")]}}),
        ("doubled", {"b": {"events": [("s1ra-1.1", "acc {}", "2")]}}),
        ("doubled", {"b": {"versions": [("acc", "1", "v1"), ("acc", "1", "v2")]}}),
        ("diverged", {"b": {"digest": 2}}),
        ("not Alive", {"b": {"status": 4}}),
        ("not Alive", {"a": {"state": "standby"}}),
        ("fell over", {"b": {"events": None}}),
    ],
)
def test_what_does_not_hold_ends_the_soak(world, capsys, kind, wrong):
    t = world(**wrong)
    assert t.kinds == {kind: 1} and t.rounds == 0
    assert soak.report(t) == 1
    assert kind == "fell over" or f", 1 {kind}" in capsys.readouterr().out.splitlines()[-1]


def test_a_stale_read_ends_the_soak(world, monkeypatch):
    monkeypatch.setitem(READ, "version", 0)
    assert world(b={"versions": TWO}).kinds == {"stale": 1}


@pytest.mark.parametrize("kind, later", [("lost", {"versions": TWO[1:]}), ("unlogged", {"events": []})])
def test_what_a_later_round_takes_away_is_found(world, kind, later):
    t = world(b={"versions": TWO}, later=later, rounds=2)
    assert t.rounds == 1 and t.kinds == {kind: 1}


def test_results_add_up(tmp_path):
    one, two = soak.Tally(), soak.Tally()
    one.rounds, one.kinds["lost"], one.to_alive, one.seeds = 3, 1, [1.0], [1]
    two.rounds, two.faults["link-cut"], two.to_alive, two.seeds = 4, 2, [3.0], [2]
    total = soak.Tally()
    for t in (one, two):
        total.add(json.loads(json.dumps(vars(t))))
    assert (total.rounds, total.kinds["lost"], total.faults["link-cut"], total.to_alive, total.seeds) == (
        7,
        1,
        2,
        [1.0, 3.0],
        [1, 2],
    )


@pytest.mark.parametrize("kind, row, change", [("unlogged", READ, {"ok": False}), ("stale", READ, {"t0": 0})])
def test_a_round_in_which_nothing_was_compared_ends_the_soak(world, monkeypatch, kind, row, change):
    for name, value in change.items():
        monkeypatch.setitem(row, name, value)
    assert world(b={"versions": TWO}).kinds == {kind: 1}
