# SPDX-License-Identifier: Apache-2.0
"""A node whose machine is not ready yet, as after a power cut: the start waits for what comes by itself, and goes on."""
import pytest

from net import sh
from wait import still_true, wait_until


@pytest.mark.h14
def test_an_address_that_comes_after_the_start(st):
    """Both ports are at an address that the network brings later."""
    ns, address, waits = st.net.ns("b"), st.net.addresses["b"], "the start waits, and goes on by itself"
    st.b.stop()
    mark = st.b.log.stat().st_size
    said = lambda: [l for l in st.b.log.read_bytes()[mark:].decode(errors="replace").splitlines() if waits in l]
    sh("ip", "-n", ns, "addr", "del", f"{address}/24", "dev", "eth0")
    try:
        st.b.start(wait=False)
        wait_until("it says what it waits for", said, also=st.b.log_tail)
        still_true("once", lambda: (len(said()), st.b.proc.poll()), 2.5, lambda seen: seen == (1, None))
        assert address in said()[0] and "does not have the address" in said()[0]
    finally:
        sh("ip", "-n", ns, "addr", "add", f"{address}/24", "dev", "eth0")
    st.home_again()
