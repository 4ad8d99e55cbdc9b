# SPDX-License-Identifier: Apache-2.0
"""A pair of a former program becomes one of this program, under load, with an outage at each step (docs/upgrade.md).

Whatever a later change brings (a migration, a format of a file, a field of an answer) is brought through this by being there.
"""
import json
import time
from pathlib import Path

import pytest

import checker
from orders import back_to_the_first, order
from pair import STOCK_PATH
from seen import emergency_after, longest_gap, of_tag, primary_after, write_after
from wait import still_true, wait_until

MIGRATIONS = sorted((Path(__file__).resolve().parents[2] / "src/store/migration").glob("*.sql"))
NEWEST = len(MIGRATIONS)


def schema_of(node):
    return int(node.sql("SELECT max(number) FROM schema_migration")[0][0])


def reasons(node):
    return {(r["code"], r["node"]) for r in node.status()[1].get("reasons", [])}


def replace_program(st, node):
    node.holdfast, node.env["PATH"] = str(st.new), STOCK_PATH
    node.set_all(st.settings_of_new)


def no_read_failed(rows):
    """Each reader asks both nodes for 20 s at most: a restart, not more."""
    bad = [r for r in rows if r["role"] == "reader" and not r["ok"]]
    assert not bad, f"{len(bad)} reads were refused for longer than a restart: {json.dumps(bad[:3])}"


def refused_to_start(node, words):
    """It ends by itself, and says why."""
    node.start(wait=False)
    node.proc.wait(180)
    code, node.proc = node.proc.returncode, None
    said = node.log.read_text(errors="replace").splitlines()[-40:]
    assert code != 0 and any(words in line for line in said), "\n".join(said)


def in_emergency(st, load):
    """B gives emergency access, to whom was logged in and to who logs in now."""
    st.b.wait_state("emergency")
    load.wait_for(emergency_after(time.monotonic()))
    st.login("admin", to=st.b)
    st.cli("find", "site", session=st.admin)


def upgrade_secondary(st, load):
    """While the secondary is down the primary falls: its users wait for its restart. Then the new program reads what the old one wrote."""
    st.b.stop()
    load.wait_for(write_after(time.monotonic(), "local"))
    st.a.kill()
    st.a.start()
    load.wait_for(primary_after(time.monotonic()))
    replace_program(st, st.b)
    st.b.start()
    st.b.wait_state("standby")
    assert schema_of(st.b) == st.schema
    load.wait_for(write_after(time.monotonic(), "both"))


def half_way(st):
    """What the status says while only the secondary has the new program."""
    if st.schema == NEWEST:
        return
    said = wait_until(
        "the status of B says that the upgrade waits",
        lambda: st.b.status()[1],
        lambda s: any(r["code"] == "upgrade_waits" and r["node"] == st.b.name for r in s.get("reasons", [])),
    )
    b, a = (next(n for n in said["nodes"] if n["name"] == x.name) for x in (st.b, st.a))
    assert (b["schema"], b["schema_known"]) == (st.schema, NEWEST) and b["version"]
    assert a["version"] is None, "the former program says no version"


def journal_waits(st):
    """What was answered in emergency stays in B's journal while its primary is older, and the cause is named."""
    if st.schema == NEWEST:
        return
    st.b.wait_state("merging")
    still_true(
        "B keeps its journal",
        lambda: (st.b.health()[1]["journal"], int(st.a.sql("SELECT count(*) FROM ha_inbox")[0][0])),
        2,
        lambda seen: seen[0] > 0 and seen[1] == 0,
    )

    def follows():
        return {r["code"]: r["follows_from"] for r in st.b.status()[1].get("reasons", []) if r["node"] == st.b.name}

    seen = wait_until(
        "the status of B says that both wait", follows, lambda f: {"upgrade_waits", "journal_waits"} <= set(f)
    )
    assert seen["upgrade_waits"] is None and seen["journal_waits"] == "upgrade_waits", seen


@pytest.mark.h5
@pytest.mark.h7
@pytest.mark.h9
@pytest.mark.h13
def test_secondary_first_with_an_outage_at_each_step(old):
    st = old
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        upgrade_secondary(st, load)
        half_way(st)
        # The old primary is lost: emergency access from its schema; it comes back as it was.
        st.a.kill()
        in_emergency(st, load)
        st.b.kill()
        st.b.start()
        in_emergency(st, load)
        st.a.start()
        load.wait_for(primary_after(time.monotonic(), "ra"))
        journal_waits(st)
        # The primary is upgraded while the line is cut: it does not know what B runs, and changes nothing. Users have B.
        st.a.stop()
        in_emergency(st, load)
        replace_program(st, st.a)
        if st.schema != NEWEST:
            st.net.cut_both("a", "b")
            refused_to_start(st.a, "does not say whether it can read that")
            assert schema_of(st.b) == st.schema
            st.net.heal()
        # Now with the line; and it falls as soon as the schema is the new one.
        st.a.start(wait=False)
        wait_until("A serves, or has its new schema", lambda: log_says_newest(st), timeout=60)
        st.a.kill()
        st.a.start()
        st.home_again()
        assert schema_of(st.a) == schema_of(st.b) == NEWEST
        load.wait_for(write_after(time.monotonic(), "both"))
        # Both are new: an outage as ever.
        st.net.cut_both("a", "b")
        in_emergency(st, load)
        st.net.heal()
        st.home_again()
        rows = load.stop()
    print(st.release, checker.everything(st, rows))
    print(
        f"longest pause of a reader {longest_gap(rows, of_tag(('ra', 'rb', 'rc'))):.1f} s, of a writer {longest_gap(rows, of_tag('w')):.1f} s"
    )
    no_read_failed(rows)
    versions_are_shown(st)


def log_says_newest(st):
    """The database has the newest schema, by the program's own log; or there was none to bring."""
    text = st.a.log.read_text(errors="replace")
    return f"the database has schema {NEWEST} " in text if st.schema != NEWEST else st.a.health()


def versions_are_shown(st):
    said = wait_until(
        "A knows the version of both",
        lambda: st.a.status()[1],
        lambda s: all(n.get("version") and n.get("schema") == NEWEST for n in s.get("nodes", [{}])),
    )
    table = st.a.run("ha", "status", "--home", st.a.home).stdout
    for n in said["nodes"]:
        assert f"{n['version']}/{NEWEST}" in table


@pytest.mark.h13
def test_primary_first_is_refused_before_anything_changes(old):
    st = old
    if st.schema == NEWEST:
        pytest.skip("no migration since that commit: there is nothing to refuse")
    program, path, conf = st.a.holdfast, st.a.env["PATH"], st.a.home / "conf/holdfast.conf"
    settings = conf.read_text()
    st.a.stop()
    st.b.wait_state("emergency")
    replace_program(st, st.a)
    refused_to_start(st.a, f"Upgrade {st.b.name} first, then this node")
    st.a.holdfast, st.a.env["PATH"] = program, path
    conf.write_text(settings)
    st.a.start()
    assert schema_of(st.a) == st.schema
    st.home_again()
    assert schema_of(st.b) == st.schema


@pytest.mark.h13
def test_a_primary_whose_secondary_is_gone_is_upgraded_alone(old):
    """It is refused as long as nobody says that nobody is to be asked; then it serves by itself, with all that it had."""
    st = old
    if st.schema == NEWEST:
        pytest.skip("no migration since that commit: there is nothing to refuse")
    st.b.kill()
    st.a.stop()
    replace_program(st, st.a)
    refused_to_start(st.a, "start this node once with --upgrade-alone")
    st.a.start(more=["--upgrade-alone"])
    st.a.wait_state("alone")
    assert schema_of(st.a) == NEWEST
    st.cli("find", "site", session=st.admin)
    st.cli("put", "after/root", input="written\n", session=st.admin)
    st.a.stop()
    st.a.start()  # once was enough
    st.a.wait_state("alone")
    assert "written" in st.cli("get", "after/root", session=st.admin).stdout


@pytest.mark.h5
@pytest.mark.h10
def test_promotion_in_the_middle(old):
    """The primary is lost for good while only the secondary is new: that one becomes the primary, in its own schema. The former one comes
    back with the new program and brings what only it has."""
    st = old
    with st.load() as load:
        load.wait_for(write_after(0, "both"))
        upgrade_secondary(st, load)
        st.net.cut_both("a", "b")
        in_emergency(st, load)
        load.wait_for(write_after(time.monotonic(), "local"))
        st.a.kill()
        st.net.heal()
        order(st.b, "promote", "--yes")
        st.b.wait_state("alone")
        assert schema_of(st.b) == NEWEST
        load.wait_for(write_after(time.monotonic()))
        replace_program(st, st.a)
        st.a.start(wait=False)
        st.a.wait_state("standby", timeout=120)
        st.home_again()
        assert schema_of(st.a) == NEWEST
        rows = load.stop()
    back_to_the_first(st)
    print(st.release, checker.everything(st, rows, siblings=True))
    no_read_failed(rows)
