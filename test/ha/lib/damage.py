# SPDX-License-Identifier: Apache-2.0
"""A node that says of itself or of the other one what is wrong, and what its log and the events say."""
import json
import time
from contextlib import contextmanager

import checker
from stage import On


@contextmanager
def cut(st):
    """B on its own."""
    st.net.cut_both("a", "b")
    try:
        st.b.wait_state("emergency", timeout=30)
        yield On(st, "b", st.login("admin", host="b", to=st.b))
    finally:
        st.net.heal()


def wait_reason(node, code, about, timeout=20):
    """Until ha status names it."""
    end = time.monotonic() + timeout
    while True:
        rc, status = node.status()
        if rc == 4 and any(r["code"] == code and r["node"] == about.name for r in status["reasons"]):
            return [r for r in status["reasons"] if r["code"] == code][0]
        assert time.monotonic() < end, f"{node.name} does not say {code} of {about.name}: {json.dumps(status.get('reasons'))}"
        time.sleep(0.2)


def log_since(node, mark):
    return node.log.read_text(errors="replace")[mark:]


def mark(node):
    return len(node.log.read_text(errors="replace"))


def logged(st, reasons, node=None):
    """Each of these reasons is exactly one event."""
    rows = (node or st.a).sql(f"SELECT body::json->>'reason' FROM event WHERE kind = {checker.RETRIEVED}")
    have = [r[0] for r in rows]
    assert [have.count(r) for r in reasons] == [1] * len(reasons), {r: have.count(r) for r in reasons}
