# SPDX-License-Identifier: Apache-2.0
"""Hosts that have IPv6 alone: their names have no other address."""
import time

import pytest

import checker
from orders import back_to_the_first, order
from seen import emergency_after, primary_after, write_after


@pytest.fixture
def st(_pair_of_v6, request):
    request.node._stage = stage = _pair_of_v6.get()
    yield stage
    stage.net.clear()


@pytest.mark.h2
@pytest.mark.h4
@pytest.mark.h5
@pytest.mark.h7
def test_a_pair_that_has_ipv6_alone(st):
    """In step, emergency access when the primary's host is cut off, merged, and the roles swapped."""
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        st.net.isolate("a")
        st.b.wait_state("emergency")
        load.wait_for(emergency_after(time.monotonic()))
        st.net.heal()
        st.home_again()
        load.wait_for(primary_after(time.monotonic()))
        load.wait_for(write_after(time.monotonic(), "both"))
        order(st.a, "switchover")
        st.home_again()
        load.wait_for(write_after(time.monotonic(), "both"))
        back_to_the_first(st)
        rows = load.stop()
    print(checker.everything(st, rows))
