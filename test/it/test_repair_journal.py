# SPDX-License-Identifier: Apache-2.0
"""holdfast ha repair-journal: of all journals that a node may have (H14). What it rescues of one is test/unit/store's and test/ha's."""
import uuid

import pytest
from pair import give

GARBAGE = b"no journal" * 1000


def damaged(node, name):
    path = node.home / "data" / name
    path.write_bytes(GARBAGE)
    path.chmod(0o600)
    give(path)
    return path


def repair(node):
    return node.run("ha", "repair-journal", "--home", node.home, check=False)


@pytest.mark.parametrize("kind", ["journal", "salvage"])
def test_a_journal_of_another_chain_is_repaired_too(node, kind):
    """The status sends its operator here, whichever of them is damaged."""
    paths = [damaged(node, f"{kind}-{uuid.uuid4()}.db") for _ in range(2)]
    other = damaged(node, "journal-what.db")  # none of ours
    aside = set()
    for _ in paths:
        p = repair(node)
        assert p.returncode == 0 and "no event could be kept" in p.stdout, p.stdout + p.stderr
        aside.add(p.stdout.split("is kept as ")[1].splitlines()[0])
    assert {a.split(".damaged-")[0] for a in aside} == {str(p) for p in paths}
    for a in aside:
        assert open(a, "rb").read() == GARBAGE
    p = repair(node)
    assert p.returncode == 1 and "there is nothing to repair" in p.stderr, p.stderr
    assert other.read_bytes() == GARBAGE
    assert all(p.read_bytes()[:15] == b"SQLite format 3" for p in paths)
