# SPDX-License-Identifier: Apache-2.0
"""What an operator orders of a node."""
import contextlib
import json
import os
import signal

from pair import descendants, stat_of
from wait import wait_until


def order(node, *verb):
    """An order to the node's agent, as its operator gives it; what the program said. A primary that finds the other node out of step for
    a moment says that it is to be ordered again."""
    p = wait_until(
        f"{node.name} does not find the other node out of step",
        lambda: node.run("ha", *verb, "--json", "--home", node.home, check=False),
        lambda p: "not in step" not in p.stdout + p.stderr,
        every=0,
    )
    assert p.returncode == 0, f"ha {' '.join(verb)} on {node.name}: exit {p.returncode}\n{p.stdout}{p.stderr}"
    return json.loads(p.stdout)


def fenced(node):
    """It gives way to a later epoch: it serves nobody while it can follow, and gives emergency access while it cannot."""
    h = node.health()
    return h and h[1]["state"] in ("fenced", "emergency") and h[1]["mode"] != "primary"


def back_to_the_first(st):
    """The stage's other tests begin with A as the primary."""
    st.home_again()
    if st.a.state() == "standby":
        order(st.b, "switchover")
    st.home_again(primary=st.a)


def copies(node):
    """The programs that copy another node's database for this one, at this moment."""
    return [p for p in descendants(node.supervisor()) if (s := stat_of(p)) and s[0] == "pg_basebackup"]


@contextlib.contextmanager
def copies_wait(source):
    """No copy of this node's database comes to its end meanwhile: a base backup begins with a checkpoint, and waits for it as long as it
    takes. A copying program that is stopped would not do: its connections are given up within seconds."""
    checkpointer = int(source.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")[0][0])
    os.kill(checkpointer, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # its node was killed
            os.kill(checkpointer, signal.SIGCONT)
