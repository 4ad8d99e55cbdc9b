# SPDX-License-Identifier: Apache-2.0
"""The checker itself: it must find what it is there to find. Needs no root."""
import pytest

import checker


class Fake:
    """Answers the checker's questions from lists."""

    name = "fake"

    def __init__(self, events=(), versions=(("acc", "9", "v9"),), left=0, chains=(("n", "3", "3"),)):
        self.events, self.versions, self.left, self.chains = events, versions, left, chains

    def sql(self, text, **_):
        if "kind" in text:
            return [list(e) for e in self.events]
        if "FROM version" in text:
            return [list(v) for v in self.versions]
        if "max(seq)" in text:
            return [list(c) for c in self.chains]
        return [[str(self.left)]]


def read(reason, account="acc", ok=True):
    return {"role": "reader", "tag": "r", "ok": ok, "reason": reason, "account": account}


def written(n, vid="v1"):
    return {"role": "writer", "tag": "w", "ok": True, "account": "acc", "version": n, "id": vid, "durability": "both"}


pytestmark = pytest.mark.harness


def test_good_passes():
    assert checker.retrievals_logged_once(Fake([("r-1.1", "acc {}", "1")]), [read("r-1.1")]) == 1
    assert checker.writes_kept(Fake(versions=[("acc", "1", "v1")]), [written(1)]) == 1
    assert checker.log_has_no_gap(Fake()) == 1


@pytest.mark.parametrize(
    "events, why",
    [
        ([], "not in the log"),
        ([("r-1.1", "acc {}", "2")], "twice"),
        ([("r-1.1", "other {}", "1")], "another account"),
        ([("r-1.1", "acc {}", "1"), ("r-2.1", "acc {}", "2")], "twice"),
    ],
)
def test_bad_retrievals_are_found(events, why):
    with pytest.raises(AssertionError, match=why):
        checker.retrievals_logged_once(Fake(events), [read("r-1.1")])


@pytest.mark.parametrize(
    "versions, rows, why",
    [
        ([], [written(1)], "lost"),
        ([("acc", "2", "v1")], [written(1)], "lost"),
        ([("acc", "1", "v2")], [written(1)], "lost"),
        ([("acc", "1", "v1"), ("acc", "1", "v2")], [written(1)], "there twice"),
        ([("acc", "1", "v1"), ("acc", "2", "v2")], [written(1), written(1, "v2")], "same number"),
    ],
)
def test_bad_writes_are_found(versions, rows, why):
    with pytest.raises(AssertionError, match=why):
        checker.writes_kept(Fake(versions=versions), rows)


def seen(version, t0, node="a", mode="primary"):
    return read("r-1.1") | {"version": version, "t0": t0, "node": node, "mode": mode}


def took(version, t1, node="a", durability="both"):
    return written(version) | {"t1": t1, "node": node, "durability": durability}


def test_fresh_reads_pass():
    assert checker.reads_are_fresh([took(2, 1.0), seen(2, 1.1)]) == 1
    assert checker.reads_are_fresh([took(2, 1.0), seen(1, 0.9)], least=0) == 0  # begun before
    assert checker.reads_are_fresh([took(2, 1.0, node="b"), seen(1, 1.1)], least=0) == 0
    assert (
        checker.reads_are_fresh([took(2, 1.0), seen(1, 1.1 + checker.REPLAY_S, "b", "emergency")], two=False, least=0)
        == 0
    )
    assert checker.reads_are_fresh([took(2, 1.0, durability="local"), seen(1, 9, "b", "emergency")], least=0) == 0


@pytest.mark.parametrize("row", [seen(1, 1.1), seen(1, 1.1 + checker.REPLAY_S, "b", "emergency")])
def test_stale_reads_are_found(row):
    with pytest.raises(AssertionError, match="version 2 was acknowledged"):
        checker.reads_are_fresh([took(2, 1.0), row])


def test_gap_is_found():
    with pytest.raises(AssertionError, match="gap"):
        checker.log_has_no_gap(Fake(chains=[("m", "2", "2"), ("n", "3", "4")]))


def test_leftovers_are_found():
    st = type("S", (), {"nodes": [Fake(), Fake(left=1)]})
    with pytest.raises(AssertionError, match="left"):
        checker.nothing_left_over(st, timeout=0)


def test_difference_is_found(monkeypatch):
    monkeypatch.setattr(checker, "table_digests", lambda node: {"event": ("1", node)})
    with pytest.raises(AssertionError, match="differ"):
        checker.both_equal("a", "b", timeout=0)


def nobody(ok=False):
    return [read("r-1.1", ok=ok), written(1) | {"ok": ok}]


@pytest.mark.parametrize(
    "check, what",
    [
        (lambda: checker.retrievals_logged_once(Fake(), nobody()), "0 acknowledged retrievals"),
        (lambda: checker.writes_kept(Fake(), nobody()), "0 acknowledged writes"),
        (lambda: checker.writes_kept(Fake(), nobody(), siblings=True), "0 acknowledged writes"),
        (lambda: checker.reads_are_fresh([took(2, 1.0, node="b"), seen(1, 1.1)]), "0 reads after a write"),
        (lambda: checker.log_has_no_gap(Fake(chains=())), "0 chains"),
        (lambda: checker.nothing_left_over(type("S", (), {"nodes": []})), "0 nodes"),
    ],
)
def test_a_check_that_compared_nothing_fails(check, what):
    with pytest.raises(AssertionError, match=f"nothing was proven: {what}"):
        check()


@pytest.mark.parametrize("digests", [{"event": ("0", "-")}, {"account": ("3", "x")}, {}])
def test_equal_but_empty_is_nothing(monkeypatch, digests):
    monkeypatch.setattr(checker, "table_digests", lambda node: digests)
    with pytest.raises(AssertionError, match="nothing was proven: 0 events"):
        checker.both_equal("a", "b", timeout=0)


class Pair:
    """Two nodes that are Alive and have the same."""

    def __init__(self, n=2, **says):
        says = {"events": [("r-1.1", "acc {}", "1")], "versions": [("acc", "1", "v1")], **says}
        self.nodes = [type("N", (Fake,), {"wait_status": lambda *_, **__: 0})(**says) for _ in range(n)]
        self.a = self.nodes[0]

    def tables_verify(self):
        pass

    def audit_verify(self, node):
        pass


ROWS = [read("r-1.1") | {"version": 1, "t0": 2.0, "node": "a", "mode": "primary"}, took(1, 1.0)]


@pytest.mark.parametrize(
    "rows, what",
    [
        ([], "acknowledged retrievals"),
        (ROWS[:1], "acknowledged writes"),
        (ROWS[1:], "acknowledged retrievals"),
        ([ROWS[0] | {"t0": 0.5}, ROWS[1]], "reads after a write"),
    ],
)
def test_everything_is_not_content_with_nothing(monkeypatch, rows, what):
    monkeypatch.setattr(checker, "table_digests", lambda node: {"event": ("1", "x")})
    assert checker.everything(Pair(), ROWS).startswith(
        "1 retrievals and 1 writes acknowledged, all kept, once; 1 reads"
    )
    with pytest.raises(AssertionError, match=f"nothing was proven: 0 {what}"):
        checker.everything(Pair(), rows)
    checker.everything(Pair(), rows, reads=0, writes=0, fresh=0)  # where it is said that nobody was there
    with pytest.raises(AssertionError, match="nothing was proven: 1 nodes"):
        checker.whole(Pair(1))
