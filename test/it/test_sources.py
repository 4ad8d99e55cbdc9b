# SPDX-License-Identifier: Apache-2.0
"""The rules that tools/check_tests.py and check_columns.py hold the sources against: they hold here, and what breaks one is found."""
import subprocess
import sys

import pytest

from nodes import ROOT


def check(root, rules="tests"):
    p = subprocess.run(
        [sys.executable, ROOT / f"tools/check_{rules}.py", "--root", root], capture_output=True, text=True
    )
    return p.returncode, p.stdout


@pytest.mark.parametrize("rules", ["tests", "columns"])
def test_they_hold(rules):
    code, said = check(ROOT, rules)
    assert code == 0, said


@pytest.mark.parametrize(
    "line, why",
    [
        ("from test_roles import order", "imports test_roles"),
        ("import test_roles", "imports test_roles"),
        ("from conftest import PASSWORD", "imports conftest"),
        ("from . import test_roles", "imports test_roles"),
        ("def f():\n    import ha.test_roles", "imports ha.test_roles"),
        ("import time; time.sleep(1)", "sleeps"),
        ("from time import sleep", "sleeps"),
    ],
)
def test_what_breaks_one_is_found(tmp_path, line, why):
    (tmp_path / "test").mkdir()
    (tmp_path / "test/test_one.py").write_text(f"import checker\n{line}\n")
    code, said = check(tmp_path)
    assert code == 1 and "test/test_one.py:" in said and why in said, said


def test_nothing_is_not_good(tmp_path):
    assert check(tmp_path)[0] == 1


@pytest.mark.parametrize(
    "read, number",
    [
        ("row_text(rows, 0, 1)", True),
        ("row_bytea(from, (int)i,\n\t2, &n)", True),
        ("row_int(r, rows_count(r) - 1, 0)", True),
        ("row_text(rows, 0, COL_USER_GET_ID)", False),
        ("row_text(rows, 1, column)", False),
    ],
)
def test_a_column_by_its_number_is_found(tmp_path, read, number):
    (tmp_path / "src/pack").mkdir(parents=True)
    (tmp_path / "src/pack/one.c").write_text(f"int x = 0;\nx = {read};\n")
    code, said = check(tmp_path, "columns")
    assert code == number and ("src/pack/one.c:2: column " in said) == number, said


def test_no_readings_are_not_good(tmp_path):
    assert check(tmp_path, "columns")[0] == 1
