# SPDX-License-Identifier: Apache-2.0
"""What an operator orders of a node."""
import json


def order(node, *verb):
    """An order to the node's agent, as its operator gives it; what the program said."""
    p = node.run("ha", *verb, "--json", "--home", node.home, check=False)
    assert p.returncode == 0, f"ha {' '.join(verb)} on {node.name}: exit {p.returncode}\n{p.stdout}{p.stderr}"
    return json.loads(p.stdout)


def back_to_the_first(st):
    """The stage's other tests begin with A as the primary."""
    if st.a.state() in ("standby", "merging", "emergency"):
        order(st.b, "switchover")
    st.home_again()
    assert st.a.state() == "synced" and st.b.state() == "standby"
