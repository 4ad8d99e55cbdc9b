# SPDX-License-Identifier: Apache-2.0
"""What the command line says to a tired person: the text and the exit code tell the causes apart (H9)."""
import json
import os
import subprocess

import pytest


def as_nobody(n, *argv, env=None):
    """Runs the program as a user whose home this is not; the owner, without any right, when we are not root."""
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    argv = [*prefix, n.holdfast, *map(str, argv)]
    mode = n.home.stat().st_mode & 0o777
    if not prefix:
        n.home.chmod(0)
    try:
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            cwd="/",
            timeout=60,
            stdin=subprocess.DEVNULL,
            env=dict(os.environ, **(env or {})),
        )
    finally:
        n.home.chmod(mode)


# Every verb that reads the home folder, with arguments that it would take.
LOOK = [
    ["ha", "status"],
    ["ha", "setup", "a.example", "b.example"],
    ["ha", "join", "/tmp/HAPack-b.zip"],
    ["ha", "promote", "--yes"],
    ["ha", "switchover"],
    ["ha", "rejoin"],
    ["ha", "reconcile"],
    ["ha", "repair-journal"],
    ["ha", "remove", "b.example", "--yes"],
    ["ha", "emergency", "on"],
    ["ha", "alert", "test"],
    ["ha", "maintenance", "off"],
    ["admin", "recover", "ada"],
    ["backup", "/tmp/x.hfb"],
    ["backup", "verify", "/tmp/x.hfb"],
    ["cert", "show"],
    ["cert", "ca"],
    ["cert", "renew"],
    ["key", "check"],
    ["serve"],
]


@pytest.mark.parametrize("verb", LOOK, ids=" ".join)
def test_who_may_not_look_is_told_so(template, verb):
    node = template
    p = as_nobody(node, *verb, "--home", node.home)
    assert p.returncode == 1, (p.stdout, p.stderr)
    assert f"you may not read {node.home}" in p.stderr and "as root" in p.stderr, p.stderr
    for wrong in ("does not run", "is no node", "not the home", "No such file", "Failed"):
        assert wrong not in p.stdout + p.stderr
    p = as_nobody(node, *verb, "--home", node.home, "--json")
    assert p.returncode == 1 and json.loads(p.stdout)["error"]["code"] == "forbidden", p.stdout


def test_status_tells_a_stopped_node_from_a_failed_one(node):
    p = node.run("ha", "status", "--home", node.home, check=False)
    assert p.returncode == 3 and "Not running" in p.stdout and "Failed" not in p.stdout and "holdfast serve" in p.stdout
    code, o = node.status()
    assert code == 3 and o["status"] == "Not running" and o["reasons"][0]["code"] == "not_running"
    node.start()
    node.wait_status(5)
    p = node.run("ha", "status", "--home", node.home, check=False)
    assert p.returncode == 5 and "Not configured" in p.stdout
    node.stop()
    assert node.status()[0] == 3


@pytest.mark.parametrize("named", ["by the option", "by the variable"])
@pytest.mark.parametrize("verb", LOOK, ids=" ".join)
def test_what_is_no_home_is_called_so(holdfast, where, verb, named):
    """And what to do: name the home, or make one where one can be made."""
    if verb == ["backup", "verify", "/tmp/x.hfb"]:
        return  # has the file first
    file = where.parent / f"{where.name}.file"
    file.touch()
    for home, what, make in (
        (where, "is not the home of a node", f"there: holdfast init --home {where}"),
        (where / "none", "does not exist", f"there: holdfast init --home {where / 'none'}"),
        (file, "is not a folder", "in a new folder: holdfast init --home DIR"),
        (file / "below", "is not a folder", "in a new folder: holdfast init --home DIR"),
    ):
        by_option = named == "by the option"
        p = subprocess.run(
            [holdfast, *verb, *(("--home", home) if by_option else ())],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "HOLDFAST_HOME": "/nowhere" if by_option else str(home)},
        )
        said = f"{home} {what}" if by_option else f"{home} (from HOLDFAST_HOME) {what}"
        told = f"{said}: name the node's home with --home DIR, or make a node {make}"
        assert p.returncode == 1 and told in p.stderr, p
    assert not list(where.iterdir())
    file.unlink()


def test_a_group_alone_says_where_its_verbs_are(holdfast):
    p = subprocess.run([holdfast, "ha"], capture_output=True, text=True)
    assert p.returncode == 2 and "holdfast ha --help" in p.stderr
    p = subprocess.run([holdfast, "ha", "statsu"], capture_output=True, text=True)
    assert p.returncode == 2 and "there is no 'ha statsu'" in p.stderr and "ha status" in p.stderr
