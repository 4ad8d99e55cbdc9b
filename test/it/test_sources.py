# SPDX-License-Identifier: Apache-2.0
"""The rules that tools/check_tests.py holds the tests against: they hold here, and what breaks one is found."""
import subprocess
import sys

import pytest

from nodes import ROOT


def check(root):
    p = subprocess.run([sys.executable, ROOT / "tools/check_tests.py", "--root", root], capture_output=True, text=True)
    return p.returncode, p.stdout


def test_they_hold():
    code, said = check(ROOT)
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
