# SPDX-License-Identifier: Apache-2.0
"""Nodes for the integration tests: the real binary ($HOLDFAST), real PostgreSQL, real TLS.

`new_node()` gives a node that is not made yet; `node` one that is made and not started (copied from one made once);
`running` one that serves. Whatever a test starts is ended after it, by process id.
"""
import contextlib
import json
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
from api import Api # noqa: E402
from pair import STOCK_PATH, Node, drop_prefix, free_port, give # noqa: E402

os.environ["PATH"] = STOCK_PATH # nothing that this machine alone provides

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
        self.next = 20000 + os.getpid() % 12000 # below those that the system gives to whoever connects

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


def copy_of(template, n):
    """Makes the node n of the one that was made once."""
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
def node(template, new_node):
    return copy_of(template, new_node())


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


# One node for a whole module: tests that only use it share it.

@pytest.fixture(scope="module")
def shared(request, holdfast, template, ports):
    """A node that serves. `settings` of the module, if it has one, go into its configuration."""
    with scratch_folder() as path:
        n = Node(holdfast, path / "home", "localhost", f"127.0.0.1:{ports.take()}", f"127.0.0.1:{ports.take()}", path / "master.key")
        copy_of(template, n)
        for name, value in getattr(request.module, "settings", {}).items():
            n.set(name, str(value).format(port=n.port))
        try:
            yield n.start()
        finally:
            n.kill()


class Person:
    """A user with a session of his own: client verbs (with a session file) and API calls."""

    def __init__(self, node, name, token, password, folder):
        self.node, self.name, self.password = node, name, password
        self.session = folder / f"{name}.session"
        p = self.login("--setup", input=f"{token}\n{password}\n")
        assert p.returncode == 0, p.stderr
        self.begin_api()

    def begin_api(self):
        self.api = Api(self.node)
        begun = self.api.must("POST", "/v1/session", {"name": self.name, "password": self.password})
        self.api.token, self.id = begun["token"], begun["user"]["id"]

    def login(self, *args, input=None, **kw):
        return self.cli("login", "--ca", self.node.web_cert, self.node.url, self.name, *args, input=input or f"{self.password}\n", **kw)

    def cli(self, *args, check=False, **kw):
        return self.node.cli(*args, session=self.session, check=check, **kw)

    def good(self, *args, **kw):
        """What a verb printed that has to go well."""
        return self.cli(*args, check=True, **kw).stdout

    def json(self, *args, **kw):
        return json.loads(self.good(*args, "--json", **kw))


@pytest.fixture(scope="module")
def folder():
    with scratch_folder() as path:
        yield path


@pytest.fixture(scope="module")
def boss(shared, folder):
    """The first administrator of the shared node."""
    return Person(shared, "admin", shared.setup_token(), PASSWORD, folder)


@pytest.fixture(scope="module")
def hire(shared, boss, folder):
    """Makes further users: hire("ada")."""
    def make(name, role="user"):
        made = boss.api.must("POST", "/v1/users", {"name": name, "role": role}, status=201)
        return Person(shared, name, made["setup_token"], f"{PASSWORD}-{len(list(folder.iterdir()))}", folder)

    return make


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
