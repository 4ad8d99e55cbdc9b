# SPDX-License-Identifier: Apache-2.0
"""The catalogue of faults: the page of it is its own, and nobody keeps another one. Needs no root."""
import ast
from pathlib import Path

import pytest

from faults import EXPECTED, FAULTS, PLACES, table

ROOT = Path(__file__).resolve().parents[2]
HERE = "test/ha/lib/faults.py"

pytestmark = pytest.mark.harness


def test_the_page_has_it():
    page = (ROOT / "docs/testing.md").read_text()
    assert table() in page, f"docs/testing.md: put there what {HERE} prints"


def test_each_says_what_is_expected():
    for f in FAULTS.values():
        assert f.expect in EXPECTED and f.place in PLACES and f.text, f.name
    assert {f.expect for f in FAULTS.values()} == set(EXPECTED), "an expectation that no fault has"
    assert len({f.text for f in FAULTS.values()}) == len(FAULTS), "two faults are described alike"


def test_there_is_no_other():
    """Neither a second table nor a fault made by hand."""
    made = []
    for path in sorted((ROOT / "test").rglob("*.py")):
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Fault":
                made.append(name)
            if isinstance(node, ast.ClassDef) and node.name == "Fault":
                made.append(name)
    assert made and set(made) == {HERE}, set(made) - {HERE}
