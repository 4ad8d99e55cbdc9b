# SPDX-License-Identifier: Apache-2.0
"""Nodes for the integration tests: the real binary ($HOLDFAST), real PostgreSQL, real TLS.

`new_node()` gives a node that is not made yet; `node` one that is made and not started (copied from one made once);
`running` one that serves. Whatever a test starts is ended after it, by process id.
"""
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/lib"))
from pair import Node, drop_prefix, free_port, give # noqa: E402

PASSWORD = "Correct-Horse-7-battery"


@pytest.fixture(scope="session")
def holdfast():
    path = Path(os.environ.get("HOLDFAST", ROOT / "build/test/src/cmd/holdfast")).resolve()
    if not path.exists():
        pytest.fail(f"{path} is not built")
    return path


@contextlib.contextmanager
def scratch_folder():
    """A folder that the product's user can reach and write."""
    path = Path(tempfile.mkdtemp(prefix="hf-it-"))
    path.chmod(0o755)
    give(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def where():
    with scratch_folder() as path:
        yield path


class Ports:
    """Each asked for gives another one."""

    def __init__(self):
        self.next = 20000 + os.getpid() % 20000

    def take(self):
        port = free_port("127.0.0.1", self.next)
        self.next = port + 1
        return port


@pytest.fixture(scope="session")
def ports():
    return Ports()


@pytest.fixture
def new_node(holdfast, where, ports):
    made = []

    def make(name="localhost", folder="home", env=None):
        n = Node(holdfast, where / folder, name, f"127.0.0.1:{ports.take()}", f"127.0.0.1:{ports.take()}", where / f"{folder}.key", env=env)
        made.append(n)
        return n

    yield make
    for n in made:
        n.kill()


@pytest.fixture(scope="session")
def template(holdfast, ports):
    """A node made once; the tests work on copies of it."""
    with scratch_folder() as path:
        n = Node(holdfast, path / "home", "localhost", "127.0.0.1:1", "127.0.0.1:2", path / "master.key")
        n.init()
        yield n


@pytest.fixture
def node(template, new_node):
    n = new_node()
    subprocess.run(["cp", "-a", template.home, n.home], check=True)
    subprocess.run(["cp", "-a", template.key_file, n.key_file], check=True)
    n.set("listen", n.listen)
    n.set("pair_listen", n.pair_listen)
    conf = n.home / "conf/manage_key.conf"
    conf.write_text(f"{n.key_file}\n")
    give(conf)
    n.init_output = template.init_output
    return n


@pytest.fixture
def running(node):
    return node.start()


@pytest.fixture
def admin(running, where):
    """Runs client verbs as the first administrator, logged in."""
    session = where / "admin.session"
    running.cli("login", "--setup", "--ca", running.web_cert, running.url, "admin", session=session, input=f"{running.setup_token()}\n{PASSWORD}\n")

    def run(*args, **kw):
        return running.cli(*args, session=session, **kw)

    return run


def paragraph(p):
    """What a refused start said, on one line."""
    return re.sub(r"\s+", " ", p.stderr)


def tree(path):
    """Every file below path with size, mode and time: what 'nothing was touched' means."""
    found = {}
    for folder, names, files in os.walk(path):
        for name in names + files:
            st = os.lstat(os.path.join(folder, name))
            found[os.path.relpath(os.path.join(folder, name), path)] = (st.st_size, st.st_mode, st.st_mtime_ns, st.st_ino)
    return found


def processes_below(path):
    """Processes that name the folder in their command line."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(path) in words:
                found.append((int(entry), words.replace("\0", " ").strip()))
    return found


def as_user(*argv, **kw):
    """Runs a program as the product's user."""
    return subprocess.run([*drop_prefix(), *map(str, argv)], capture_output=True, text=True, cwd="/", **kw)
