# SPDX-License-Identifier: Apache-2.0
"""Nodes for the integration tests: the real binary ($HOLDFAST), real PostgreSQL, real TLS.

`new_node()` gives a node that is not made yet; `node` one that is made and not started (copied from one made once);
`running` one that serves. Whatever a test starts is ended after it, by process id.
"""
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "lib"), str(HERE.parent / "lib"), str(HERE)]
import shapes  # noqa: E402
from nodes import ROOT, Person, Ports, copy_of, scratch_folder  # noqa: E402
from pair import PASSWORD, STOCK_PATH, Node, end_all  # noqa: E402

os.environ["PATH"] = STOCK_PATH  # nothing that this machine alone provides


def pytest_sessionfinish():
    end_all()


def pytest_configure(config):
    config.addinivalue_line("markers", "refuses(verb): how a verb is refused, and that nothing changes then")


@pytest.fixture(autouse=True)
def replies_have_their_shape():
    """Every reply that a test got has the shape that the API says, also one that a thread of the test got."""
    yield
    found = shapes.faults[:]
    shapes.faults.clear()
    assert not found, found[0]


@pytest.fixture(scope="session")
def holdfast():
    path = Path(os.environ.get("HOLDFAST", ROOT / "build/test/src/cmd/holdfast")).resolve()
    if not path.exists():
        pytest.fail(f"{path} is not built")
    return path


@pytest.fixture
def where():
    with scratch_folder() as path:
        yield path


@pytest.fixture(scope="session")
def ports():
    return Ports()


@pytest.fixture
def new_node(holdfast, where, ports):
    made = []

    def make(name="localhost", folder="home", env=None):
        n = Node(
            holdfast,
            where / folder,
            name,
            f"127.0.0.1:{ports.take()}",
            f"127.0.0.1:{ports.take()}",
            where / f"{folder}.key",
            env=env,
        )
        made.append(n)
        return n

    yield make
    for n in made:
        n.end()


@pytest.fixture(scope="session")
def template(holdfast, ports):
    """A node made once; the tests work on copies of it."""
    with scratch_folder() as path:
        n = Node(holdfast, path / "home", "localhost", "127.0.0.1:1", "127.0.0.1:2", path / "master.key")
        n.init()
        yield n


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
    running.cli(
        "login",
        "--setup",
        "--ca",
        running.web_cert,
        running.url,
        "admin",
        session=session,
        input=f"{running.setup_token()}\n{PASSWORD}\n",
    )

    def run(*args, **kw):
        return running.cli(*args, session=session, **kw)

    return run


# One node for a whole module: tests that only use it share it.


@pytest.fixture(scope="module")
def environment():
    """What a module adds to the environment of the node that it shares."""
    return {}


@pytest.fixture(scope="module")
def shared(request, holdfast, template, ports, environment):
    """A node that serves. `settings` of the module, if it has one, go into its configuration."""
    with scratch_folder() as path:
        n = Node(
            holdfast,
            path / "home",
            "localhost",
            f"127.0.0.1:{ports.take()}",
            f"127.0.0.1:{ports.take()}",
            path / "master.key",
            env=environment,
        )
        copy_of(template, n)
        for name, value in getattr(request.module, "settings", {}).items():
            n.set(name, str(value).format(port=n.port))
        try:
            yield n.start()
        finally:
            n.end()


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
