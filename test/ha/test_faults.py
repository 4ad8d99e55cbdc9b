# SPDX-License-Identifier: Apache-2.0
"""Every fault while users on both sides read and write; afterwards the checker proves that nothing was lost or doubled."""
import json
import time

import pytest

import checker
from faults import FAULTS
from outage import play
from seen import emergency_after, primary_after, write_after
from wait import wait_until


SYNC_TIMEOUT_S = 2
MACHINE_S = 6  # for which a machine with much else to do may hold up a user; those who could not go on would wait for the end of the fault


@pytest.mark.h6
@pytest.mark.h7
@pytest.mark.h9
@pytest.mark.parametrize("name", ["p-postmaster-kill", "p-vaultd-kill", "p-agent-kill", "p-keyd-kill"])
def test_process_of_the_primary_is_killed(st, name):
    """The supervisor brings it back; whether or not the secondary helped out meanwhile, nothing is lost."""
    play(st, FAULTS[name])


@pytest.mark.h4
@pytest.mark.h6
@pytest.mark.h7
@pytest.mark.h8
@pytest.mark.parametrize("name", ["p-node-kill", "p-power-off", "p-vaultd-stop", "p-postgres-stop", "p-all-stop"])
def test_primary_is_gone(st, name):
    """Scenario 2: users at both sites rely on the secondary."""

    def during(load, begun):
        for site in ("ra", "rb", "rc"):
            if name == "p-power-off" and site == "ra":
                continue  # whoever sits beside a machine without power or network sees nothing
            load.wait_for(lambda r: emergency_after(begun)(r) and r["tag"].endswith(site))

    rows, begun, ended = play(st, FAULTS[name], during=during)
    first = min(r["t1"] for r in rows if emergency_after(begun)(r))
    print(f"first emergency answer after {first - begun:.2f} s")
    for r in rows:
        if r["role"] == "reader" and r.get("mode") == "emergency":
            assert r["as_of"], f"an emergency answer without its age: {r}"


@pytest.mark.h2
@pytest.mark.h4
@pytest.mark.h7
@pytest.mark.h8
def test_link_is_cut(st):
    """Scenario 1: site A goes on with everything at the primary, site B reads at the secondary."""

    def during(load, begun):
        load.wait_for(write_after(begun, "local"))
        load.wait_for(primary_after(time.monotonic(), "ra"))
        for n in (st.a, st.b):
            n.wait_status(4)  # while the link is cut

    rows, begun, ended = play(st, FAULTS["link-cut"], during=during)
    slow = [r for r in rows if r["tag"].endswith("ra") and r["t1"] - r["t0"] > SYNC_TIMEOUT_S + MACHINE_S]
    assert not slow, f"users beside the primary had to wait for more than sync_timeout: {json.dumps(slow[:2])}"


@pytest.mark.h2
@pytest.mark.h7
@pytest.mark.h8
@pytest.mark.parametrize("name", ["link-cut-to-s", "link-cut-to-p"])
def test_link_is_cut_one_way(st, name):
    play(st, FAULTS[name])


@pytest.mark.h7
@pytest.mark.h9
def test_link_is_slow_and_lossy(st):
    play(st, FAULTS["link-slow-lossy"], hold_s=15)


@pytest.mark.h2
@pytest.mark.h7
@pytest.mark.h8
def test_link_flaps_for_half_a_minute(st):
    play(st, FAULTS["link-flaps"], hold_s=30)


@pytest.mark.h6
@pytest.mark.h7
def test_secondary_is_killed_with_its_journal_full(st):
    """kill -9 right after answers: what was answered is in the journal and comes home."""
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        begun = time.monotonic()
        st.a.kill()
        load.wait_for(emergency_after(begun))
        wait_until(
            "some more are answered", lambda: sum(emergency_after(begun)(r) for r in load.rows()), lambda n: n >= 50
        )
        st.b.kill()
        rows = load.rows()
        acked = [r for r in rows if emergency_after(begun)(r)]
        assert acked
        st.b.start(wait=False)
        # The primary is still gone: the secondary alone goes on where it was.
        again = time.monotonic()
        load.wait_for(emergency_after(again))
        st.a.start(wait=False)
        st.home_again()
        rows = load.stop()
    print(checker.everything(st, rows))


def fill_journal(st, load, rows_wanted=600):
    """Emergency by a cut link, with a journal long enough that the merge can be met in its middle."""
    begun = time.monotonic()
    st.net.cut_both("a", "b")
    load.wait_for(emergency_after(begun))
    wait_until(
        "the readers fill the journal",
        lambda: sum(emergency_after(begun)(r) for r in load.rows()),
        lambda n: n >= rows_wanted,
        timeout=180,
        every=0.2,
    )


def into_the_merge(st):
    """The link is back but slow, so that the merge takes some seconds, even for a test that stands still for one or two; returns in the
    middle of it. On a busy machine the stream may take so long to come in that users are sent to the primary before."""
    st.net.degrade(300, 0)
    st.net.heal()
    st.b.wait_state("merging", "standby")


@pytest.mark.h7
def test_link_is_cut_in_the_middle_of_the_merge(st):
    with st.load(interval=0.002) as load:
        load.wait_for(write_after(0, "both"))
        fill_journal(st, load)
        into_the_merge(st)
        st.net.degrade(0, 100)
        left = st.b.health()[1]["journal"]
        print(f"{left} rows of the journal were not known to be home when the link was cut again")
        assert left > 0, "the merge was over before the link was cut"
        st.b.wait_state("emergency")
        st.net.degrade(0, 0)
        st.home_again()
        rows = load.stop()
    print(checker.everything(st, rows))


@pytest.mark.h7
def test_primary_restarts_in_the_middle_of_the_merge(st):
    with st.load(interval=0.002) as load:
        load.wait_for(write_after(0, "both"))
        fill_journal(st, load)
        into_the_merge(st)
        st.a.kill()
        left = st.b.health()[1]["journal"]
        print(f"{left} rows of the journal were not known to be home when the primary was killed")
        assert left > 0, "the merge was over before the primary was killed"
        st.net.degrade(0, 0)
        st.a.start(wait=False)
        st.home_again()
        rows = load.stop()
    print(checker.everything(st, rows))


@pytest.mark.h7
@pytest.mark.h9
@pytest.mark.parametrize("name", ["both-killed-p-first", "both-killed-s-first"])
def test_both_are_killed_and_restarted(st, name):
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        begun = time.monotonic()
        FAULTS["link-cut"].do(st)
        load.wait_for(emergency_after(begun))
        load.wait_for(write_after(begun, "local"))  # each side has what the other does not
        FAULTS[name].do(st)
        FAULTS["link-cut"].undo(st)
        FAULTS[name].undo(st)
        st.home_again()
        home = time.monotonic()
        load.wait_for(write_after(home, "both"))
        rows = load.stop()
    print(checker.everything(st, rows))


@pytest.mark.h4
@pytest.mark.h6
@pytest.mark.h7
def test_disk_of_the_primary_is_full(small_disk):
    """Fail closed: what cannot be logged is not revealed; the secondary takes over the reads; freed, all is well again."""
    play(small_disk, FAULTS["p-disk-full"])


@pytest.mark.h1
def test_secondary_is_restarted_while_the_primary_serves(st):
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        st.b.stop()
        load.wait_for(write_after(time.monotonic(), "local"))
        st.b.start(wait=False)
        st.home_again()
        rows = load.stop()
    print(checker.everything(st, rows))
    wrong = [r for r in rows if r.get("mode") == "emergency"]
    assert not wrong, f"emergency answers although the primary served throughout: {json.dumps(wrong[:2])}"


@pytest.mark.h9
@pytest.mark.h10
def test_a_started_node_is_not_what_it_was(st):
    """Killed and started at once: neither status nor service goes by what the node knew before it has looked around."""
    for _ in range(3):
        st.a.kill()
        st.a.start(wait=False)

        def look():
            code, said = st.a.status()
            state = st.a.state()
            assert code != 0 or state == "synced", f"Alive although its state is {state}: {json.dumps(said)[:500]}"
            return state

        wait_until("it is in step again", look, lambda state: state == "synced", every=0)
        st.home_again()


@pytest.mark.h9
def test_status_says_what_is_wrong(st):
    st.home_again()  # what is Failed then is so by the cut, not by what was before
    st.net.cut_both("a", "b")
    try:
        for n in (st.a, st.b):
            n.wait_status(4)
            code, obj = n.status()
            text = json.dumps(obj)
            assert obj.get("reason"), f"Failed without a reason: {text}"
    finally:
        st.net.heal()
    st.home_again()
