# SPDX-License-Identifier: Apache-2.0
"""The command line as a whole, and the key verbs."""
import json
import re
import stat
import subprocess

import pytest
from conftest import give


def run(holdfast, *args):
    return subprocess.run([holdfast, *map(str, args)], capture_output=True, text=True)


def test_help_and_version(holdfast):
    p = run(holdfast, "--help")
    assert p.returncode == 0 and "init" in p.stdout and "serve" in p.stdout and "--process" not in p.stdout
    assert re.fullmatch(r"holdfast \d+\.\d+\.\d+\n", run(holdfast, "--version").stdout)
    assert run(holdfast).returncode == 2


def test_every_verb_has_help(holdfast):
    names = re.findall(r"^  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)(?= |$)", run(holdfast, "--help").stdout, re.M)
    names.remove("holdfast") # the synopsis
    assert "init" in names and "key check" in names and len(names) > 10
    for name in names:
        p = run(holdfast, *name.split(), "--help")
        assert p.returncode == 0 and p.stdout.startswith(f"holdfast {name}") and "--json" in p.stdout, name


def test_unknown_verb(holdfast):
    p = run(holdfast, "serv")
    assert p.returncode == 2 and "serve" in p.stderr
    p = run(holdfast, "serv", "--json")
    assert p.returncode == 2 and json.loads(p.stdout)["error"]["code"] == "usage"


@pytest.mark.parametrize("args", [["--process"], ["--process", "vaultd"], ["--process", "nobody", "--home", "/tmp"], ["--process", "keyd", "--home"]])
def test_processes_are_the_supervisors(holdfast, args):
    assert run(holdfast, *args).returncode == 2


def test_key_new(holdfast, where):
    assert run(holdfast, "key", "new", where / "a.key").returncode == 0
    assert re.fullmatch(r"[0-9a-f]{64}\n", (where / "a.key").read_text())
    assert stat.S_IMODE((where / "a.key").stat().st_mode) == 0o400
    before = (where / "a.key").read_text()
    assert run(holdfast, "key", "new", where / "a.key").returncode == 1
    assert (where / "a.key").read_text() == before


def check_keys(n, where):
    p = n.run("key", "check", "--home", n.home, "--json")
    assert json.loads(p.stdout)["fits"] is True
    other = where / "other.key"
    n.run("key", "new", other)
    give(other)
    p = n.run("key", "check", "--home", n.home, "--key-file", other, check=False)
    assert p.returncode == 1 and "not the one" in p.stderr
    p = n.run("key", "check", "--home", n.home, "--key-file", where / "none.key", check=False)
    assert p.returncode == 1 and "none.key" in p.stderr


def test_key_check_of_a_stopped_node(node, where):
    check_keys(node, where)
    assert not (node.home / "data/pg/postmaster.pid").exists()


def test_key_check_of_a_running_node(running, where):
    check_keys(running, where)
    assert running.health()[0] == 200
