# SPDX-License-Identifier: Apache-2.0
"""The check of commit messages finds what the style forbids, and is skipped where there is no history."""
import os
import subprocess
import sys

import pytest

from nodes import ROOT

WHY = "\n\nIt says why.\n"


def git(where, *args):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "safe.directory=*"]
    return subprocess.run(["git", *who, *args], cwd=where, capture_output=True, text=True, check=True).stdout


def check(where):
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(where.parent)}
    tool = [sys.executable, ROOT / "tools/check_commits.py", "2000-01-01T00:00:00Z"]
    return subprocess.run(tool, cwd=where, capture_output=True, text=True, env=env)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("docs: name every setting" + WHY, None),
        ("vault, cli: list the bin page by page" + WHY, None),
        ("ha: feed the standby first" + WHY, None),
        ("name every setting" + WHY, "not `folder: imperative`"),
        ("docs: name " + "x" * 60 + WHY, "more than 60"),
        ("docs: name it." + WHY, "full stop"),
        ("docs: the settings have names" + WHY, "imperative: the"),
        ("docs: added a page" + WHY, "imperative: added"),
        ("docs: name every setting\n", "no body"),
        ("docs: name every setting\n\nSigned-off-by: A <a@example.org>\n", "no body"),
    ],
)
def test_messages(tmp_path, message, fault):
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message)
    p = check(tmp_path)
    assert "1 looked at" in p.stdout
    assert (p.returncode == 1 and fault in p.stdout) if fault else (p.returncode == 0), p


def test_no_history(tmp_path):
    p = check(tmp_path)
    assert p.returncode == 77 and "skipped" in p.stdout, p
    git(tmp_path, "init", "-q")
    assert check(tmp_path).returncode == 77


def test_a_shallow_clone(tmp_path):
    for n in range(3):
        if n == 0:
            git(tmp_path, "init", "-q", "whole")
        git(tmp_path / "whole", "commit", "-q", "--allow-empty", "-m", f"docs: name page {n}{WHY}")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{tmp_path}/whole", "shallow")
    p = check(tmp_path / "shallow")
    assert p.returncode == 0 and "1 looked at" in p.stdout, p
