# SPDX-License-Identifier: Apache-2.0
"""What is no reason for emergency access, and what ends it (H4): name servers, pauses of the node itself, slow and lossy lines, a
channel that alone is cut. And how a line that comes and goes is not trusted at once (H2)."""
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from damage import wait_reason
from stage import On
from wait import pass_time, still_true, wait_until

NO_EMERGENCY = "→ emergency"


@pytest.fixture
def mark(st):
    """What the secondary's log says from here on."""
    st.home_again()
    size = st.b.log.stat().st_size

    def read():
        with st.b.log.open("rb") as f:
            f.seek(size)
            return f.read().decode(errors="replace")

    return read


@contextmanager
def no_names(st):
    """The secondary's machine cannot look anything up: its name server is nobody."""
    etc = Path("/etc/netns") / st.net.ns("b")
    hosts = (etc / "hosts").read_text()
    # In place: a running node sees the file that was there when it was started.
    (etc / "hosts").write_text("127.0.0.1 localhost\n10.77.0.2 node-b.test\n")
    try:
        yield
    finally:
        (etc / "hosts").write_text(hosts)


@pytest.mark.h4
def test_a_name_server_that_is_gone_is_no_emergency(st, mark):
    with no_names(st):
        # Names are looked up every 10 s.
        still_true("the secondary stands by", mark, 12, good=lambda text: NO_EMERGENCY not in text)
        # And when the connection has to be made anew: the last addresses that were found are still good.
        st.net.cut_both("a", "b")
        st.b.wait_state("emergency")
        st.net.heal()
        wait_until("the primary is heard again", st.b.state, good=lambda state: state in ("merging", "standby"))
    st.home_again()


@pytest.mark.h4
@pytest.mark.parametrize("what", ["agent", "all"])
def test_a_pause_of_the_node_itself_is_no_emergency(st, mark, what):
    """As when the virtual machine is frozen for a snapshot."""
    st.b.signal(what, signal.SIGSTOP)
    pass_time(5, "the pause is longer than detect_ms")
    st.b.signal(what, signal.SIGCONT)
    still_true("the secondary stands by", mark, 6, good=lambda text: NO_EMERGENCY not in text)
    st.home_again()


@pytest.mark.h4
@pytest.mark.h7
def test_a_slow_and_lossy_line_works(st, mark):
    """400 ms there and back, and one frame in twenty lost: no emergency while the primary serves, and an outage is left again."""
    st.net.degrade(200, 5)
    try:
        still_true("the secondary stands by", mark, 15, good=lambda text: NO_EMERGENCY not in text)
        os.kill(st.net.wire.pid, signal.SIGSTOP)  # nothing is carried any more
        st.b.wait_state("emergency")
        os.kill(st.net.wire.pid, signal.SIGCONT)
        st.b.wait_state("standby", timeout=120)
    finally:
        st.net.degrade(0, 0)
    st.home_again()


@pytest.mark.h4
@pytest.mark.h7
@pytest.mark.h9
def test_a_serving_primary_ends_emergency_without_its_channel(st, mark):
    """After an outage HTTPS is back and the channel is not: users are sent to the primary, the journal waits, the status says why."""
    session = st.login("admin")
    st.net.close_port("b", "a", 2345)
    try:
        st.net.cut_both("a", "b")
        st.b.wait_state("emergency")
        r = On(st, "b", session).call(st.b, "POST", f"/v1/accounts/{st.accounts[0]}/retrieve", {"reason": "outage"})
        assert r["status"] == 200, r
        st.net.heal()
        st.b.wait_state("standby")
        r = On(st, "b", session).call(st.b, "POST", f"/v1/accounts/{st.accounts[0]}/retrieve", {"reason": "over"})
        assert r["status"] == 307 and r["headers"]["Location"].startswith(st.a.url), r
        wait_reason(st.b, "not_streaming", st.b)
        status = st.b.status()[1]
        assert status["nodes"][0]["journal_rows"] > 0, status
        assert "→ reseed" not in mark()
    finally:
        st.net.open_ports()
    st.home_again()
    wait_until(
        "the retrieval in emergency is in the primary's log",
        lambda: st.a.sql("SELECT body FROM event WHERE kind = :RETRIEVED ORDER BY seq DESC LIMIT 20"),
        good=lambda rows: any("outage" in str(r) for r in rows),
    )


@pytest.mark.h2
def test_a_line_that_came_back_is_not_trusted_at_once(st, mark):
    """Commits wait for the secondary again when it has kept in step for sync_steady, and not before."""
    st.a.set("sync_steady", "60s")
    st.a.read_settings()
    try:
        st.net.cut_both("a", "b")
        st.a.wait_state("alone")
        st.net.heal()
        wait_until(
            "the secondary streams again",
            lambda: st.a.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")[0][0],
            good=lambda n: int(n) > 0,
        )
        st.b.wait_state("standby")
        still_true("the primary goes on alone", st.a.state, 5, good=lambda state: state == "alone")
        st.a.set("sync_steady", "200ms")
        st.a.read_settings()
        st.a.wait_state("synced")
    finally:
        st.a.set("sync_steady", "200ms")
        st.a.read_settings()
    st.home_again()
