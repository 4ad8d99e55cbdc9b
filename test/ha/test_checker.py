# SPDX-License-Identifier: Apache-2.0
"""The checker itself: it must find what it is there to find. Needs no root."""
import pytest

import checker


class Fake:
    """Answers the checker's questions from lists."""

    name = "fake"

    def __init__(self, events=(), versions=(), left=0, gaps=()):
        self.events, self.versions, self.left, self.gaps = events, versions, left, gaps

    def sql(self, text, **_):
        if "kind" in text:
            return [list(e) for e in self.events]
        if "FROM version" in text:
            return [list(v) for v in self.versions]
        if "HAVING" in text:
            return [list(g) for g in self.gaps]
        return [[str(self.left)]]


def read(reason, account="acc", ok=True):
    return {"role": "reader", "tag": "r", "ok": ok, "reason": reason, "account": account}


def written(n, vid="v1"):
    return {"role": "writer", "tag": "w", "ok": True, "account": "acc", "version": n, "id": vid, "durability": "both"}


pytestmark = pytest.mark.harness


def test_good_passes():
    assert checker.retrievals_logged_once(Fake([("r-1.1", "acc {}", "1")]), [read("r-1.1")]) == 1
    assert checker.writes_kept(Fake(versions=[("acc", "1", "v1")]), [written(1)]) == 1
    checker.log_has_no_gap(Fake())


@pytest.mark.parametrize("events, why", [
    ([], "not in the log"),
    ([("r-1.1", "acc {}", "2")], "twice"),
    ([("r-1.1", "other {}", "1")], "another account"),
    ([("r-1.1", "acc {}", "1"), ("r-2.1", "acc {}", "2")], "twice"),
])
def test_bad_retrievals_are_found(events, why):
    with pytest.raises(AssertionError, match=why):
        checker.retrievals_logged_once(Fake(events), [read("r-1.1")])


@pytest.mark.parametrize("versions, rows, why", [
    ([], [written(1)], "lost"),
    ([("acc", "2", "v1")], [written(1)], "lost"),
    ([("acc", "1", "v2")], [written(1)], "lost"),
    ([("acc", "1", "v1"), ("acc", "1", "v2")], [written(1)], "there twice"),
    ([("acc", "1", "v1"), ("acc", "2", "v2")], [written(1), written(1, "v2")], "same number"),
])
def test_bad_writes_are_found(versions, rows, why):
    with pytest.raises(AssertionError, match=why):
        checker.writes_kept(Fake(versions=versions), rows)


def seen(version, t0, node="a", mode="primary"):
    return read("r-1.1") | {"version": version, "t0": t0, "node": node, "mode": mode}


def took(version, t1, node="a", durability="both"):
    return written(version) | {"t1": t1, "node": node, "durability": durability}


def test_fresh_reads_pass():
    assert checker.reads_are_fresh([took(2, 1.0), seen(2, 1.1)]) == 1
    assert checker.reads_are_fresh([took(2, 1.0), seen(1, 0.9)]) == 0 # begun before
    assert checker.reads_are_fresh([took(2, 1.0, node="b"), seen(1, 1.1)]) == 0
    assert checker.reads_are_fresh([took(2, 1.0), seen(1, 1.1 + checker.REPLAY_S, "b", "emergency")], two=False) == 0
    assert checker.reads_are_fresh([took(2, 1.0, durability="local"), seen(1, 9, "b", "emergency")]) == 0


@pytest.mark.parametrize("row", [seen(1, 1.1), seen(1, 1.1 + checker.REPLAY_S, "b", "emergency")])
def test_stale_reads_are_found(row):
    with pytest.raises(AssertionError, match="version 2 was acknowledged"):
        checker.reads_are_fresh([took(2, 1.0), row])


def test_gap_is_found():
    with pytest.raises(AssertionError, match="gap"):
        checker.log_has_no_gap(Fake(gaps=[("n", "3", "4")]))


def test_leftovers_are_found():
    st = type("S", (), {"nodes": [Fake(), Fake(left=1)]})
    with pytest.raises(AssertionError, match="left"):
        checker.nothing_left_over(st)


def test_difference_is_found(monkeypatch):
    monkeypatch.setattr(checker, "table_digests", lambda node: {"event": ("1", node)})
    with pytest.raises(AssertionError, match="differ"):
        checker.both_equal("a", "b", timeout=0)
