# SPDX-License-Identifier: Apache-2.0
"""A node that says of itself or of the other one what is wrong, and what its log and the events say."""
from contextlib import contextmanager

from stage import On
from wait import PATIENCE_S, wait_until


@contextmanager
def cut(st):
    """B on its own."""
    st.net.cut_both("a", "b")
    try:
        st.b.wait_state("emergency")
        yield On(st, "b", st.login("admin", host="b", to=st.b))
    finally:
        st.net.heal()


def wait_reason(node, code, about, timeout=PATIENCE_S, detail=""):
    """Until ha status names it, with these words in its detail."""

    def named():
        rc, status = node.status()
        return (
            rc,
            [(r["code"], r["node"]) for r in status.get("reasons", [])],
            [
                r
                for r in status.get("reasons", [])
                if (r["code"], r["node"]) == (code, about.name) and detail in (r["detail"] or "")
            ],
        )

    return wait_until(
        f"{node.name} says {code} of {about.name} {detail}".rstrip(),
        named,
        lambda seen: seen[0] == 4 and seen[2],
        timeout,
        every=0.2,
    )[2][0]


def log_since(node, mark):
    return node.log.read_text(errors="replace")[mark:]


def mark(node):
    return len(node.log.read_text(errors="replace"))


def logged(st, reasons, node=None):
    """Each of these reasons is exactly one event."""
    rows = (node or st.a).sql("SELECT body::json->>'reason' FROM event WHERE kind = :RETRIEVED")
    have = [r[0] for r in rows]
    assert [have.count(r) for r in reasons] == [1] * len(reasons), {r: have.count(r) for r in reasons}
