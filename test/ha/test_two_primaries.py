# SPDX-License-Identifier: Apache-2.0
"""A former primary learns of the later epoch by every way that is open, from whomever, and by nothing but the proof (H10)."""
import pytest

from certs import openssl, put_in
from faults import FAULTS
from orders import back_to_the_first, order
from wait import wait_until

WEB, CHANNEL = 7272, 2345


def fenced(node):
    h = node.health()
    return h and (h[0], h[1]["state"]) == (503, "fenced")


def promote_apart(st, also=lambda: None):
    """B becomes the primary while A, cut off, goes on as one; what is done then, before the line is back."""
    a, b = st.nodes[:2]
    st.home_again()
    FAULTS["link-cut"].do(st)
    b.wait_state("emergency")
    order(b, "promote", "--yes")
    b.wait_ready()
    also()
    assert a.health()[0] == b.health()[0] == 200


def foreign(st, node):
    """A certificate of nobody's whom the pair knows, made for the node's own name."""
    path = st.dir / "foreign"
    openssl(
        *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(),
        *("-subj", f"/CN={node.name}", "-addext", f"subjectAltName=DNS:{node.name}"),
        *("-keyout", f"{path}.key", "-out", f"{path}.crt"),
    )
    return f"{path}.crt", f"{path}.key"


@pytest.mark.h10
def test_a_certificate_that_is_not_trusted_hides_no_epoch(st):
    """A hears of B by its own question alone, and B's certificate was exchanged meanwhile for one that A cannot know."""
    a, b = st.nodes
    promote_apart(st, lambda: put_in(b, *foreign(st, b)))
    st.net.close_port("b", "a", WEB)
    st.net.close_port("b", "a", CHANNEL)
    st.net.close_port("a", "b", CHANNEL)
    st.net.heal()
    wait_until("a is fenced", lambda: fenced(a))
    # Of such an answer nothing else counts: A does not know B as a node that serves.
    wait_until(
        "a says that the certificate is not trusted",
        lambda: [r["code"] for r in a.status()[1]["reasons"] if r["node"] == b.name],
        lambda codes: "cert_untrusted" in codes,
    )
    b.run("cert", "renew", "--web", "--home", b.home)
    st.net.open_ports()
    back_to_the_first(st)
