# SPDX-License-Identifier: Apache-2.0
"""What audit verify finds without effect, the status says, on both nodes and without anybody verifying (H9)."""
import pytest

from packs import running
from usedpair import UsedPair
from wait import wait_until


@pytest.fixture
def pair(holdfast):
    with running(UsedPair, holdfast) as p:
        yield p


def reasons(node):
    return {r["code"]: r["detail"] for r in node.status()[1].get("reasons", [])}


def test_what_was_merged_without_effect_is_in_the_status(pair):
    a, b = pair.nodes
    pair.boss.cli("user", "add", "eve", check=True)
    # The tables of the primary refuse what is to come.
    a.sql("ALTER TABLE principal ADD CONSTRAINT never CHECK (name <> 'eve' OR NOT disabled)")
    pair.alive()
    a.kill()
    b.wait_state("emergency")
    pair.boss.cli("user", "disable", "eve", check=True)
    a.start()
    for n in pair.nodes:
        found = wait_until(f"{n.name} says so", lambda: reasons(n), lambda r: "without_effect" in r)
        assert "never" in found["without_effect"] and "127.0.0.2" in found["without_effect"], found
        assert n.status()[0] == 4
    assert pair.boss.cli("audit", "verify", check=False).returncode == 1
    a.sql("ALTER TABLE principal DROP CONSTRAINT never")
    pair.boss.cli("audit", "accept", "it was a test", check=True)
    pair.alive()
