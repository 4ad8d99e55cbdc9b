# SPDX-License-Identifier: Apache-2.0
import os
import signal
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "lib"), str(HERE)]
import net  # noqa: E402
from stage import Stage  # noqa: E402
from pair import STOCK_PATH  # noqa: E402

os.environ["PATH"] = STOCK_PATH  # nothing that this machine alone provides

PROMISES = {
    "h1": "all users work on the primary; a standby says where it is and reveals nothing",
    "h2": "both disks before the answer; alone after sync_timeout, said so; both again by itself",
    "h3": "the channel is encrypted; both ends authenticate each other",
    "h4": "emergency access starts by itself, in time",
    "h5": "in emergency users log in, find, retrieve and withdraw; everything else is refused",
    "h6": "what is done in emergency is in the journal before it is answered",
    "h7": "the journal is merged by itself, whole, once, in order; sessions go on",
    "h8": "link cut and primary crashed: users on both sides go on at once",
    "h9": "Alive only when it is true end to end; otherwise the reason and what to do",
    "h10": "primaries are ordered by epoch; a node that knows of a later one fences itself",
    "h11": "a lagging secondary can never fill the primary's disk",
    "h12": "the master key never travels with the pack and is needed only at start",
    "h13": "no step overwrites the last whole copy of anything acknowledged",
    "h14": "no state without a way out; every verb answers in every state",
    "h15": "a merge loses nothing that anybody can miss; one administrator remains",
    "h16": "as of when a node's data are is what the data themselves say",
    "h17": "strangers have a budget: no emergency, no memory, no places, nobody kept out",
}
_proofs = {}


def pytest_configure(config):
    # Whoever ends the run early still gets nodes and namespaces taken down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name, text in PROMISES.items():
        config.addinivalue_line("markers", f"{name}: {text}")
    config.addinivalue_line("markers", "harness: of the test's own tools; needs no root")


def pytest_collection_modifyitems(items):
    why = net.why_not()
    for item in items:
        if why and not item.get_closest_marker("harness"):
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    st = getattr(item, "_stage", None)
    if report.when == "call" and report.failed and st is not None:
        report.sections.append(("the pair", st.tails()))
        st.broken = True


def pytest_runtest_logreport(report):
    """Also of tests that ran in another process."""
    if report.when == "call" or not report.passed:
        for name in PROMISES:
            if name in report.keywords:
                _proofs.setdefault(name, {})[report.nodeid] = report.outcome


def pytest_terminal_summary(terminalreporter):
    w = terminalreporter
    w.write_sep("-", "promise → tests")
    for name, text in PROMISES.items():
        tests = _proofs.get(name, {})
        good = sum(o == "passed" for o in tests.values())
        w.write_line(f"{name.upper():4} {text}: {good} of {len(tests)} tests hold")
        for test, outcome in tests.items():
            w.write_line(f"       {outcome:8} {test.split('/')[-1]}")


class _Keeper:
    """One pair for the tests of a file; a new one after a test that failed on it."""

    def __init__(self, **options):
        self.options, self.stage = options, None

    def get(self):
        if self.stage and getattr(self.stage, "broken", False):
            self.stage.down()
            self.stage = None
        if not self.stage:
            self.stage = Stage(os.environ.get("HOLDFAST", "build/test/src/cmd/holdfast"), **self.options)
            try:
                self.stage.up()
            except BaseException as e:
                tails = self.stage.tails()
                if os.environ.get("HOLDFAST_KEEP"):
                    raise
                self.stage.down()
                self.stage = None
                raise RuntimeError(f"the pair could not be made: {e}\n{tails}") from e
        return self.stage

    def end(self):
        if self.stage:
            self.stage.down()


@pytest.fixture(scope="module")
def _pair():
    k = _Keeper()
    yield k
    k.end()


@pytest.fixture(scope="module")
def _small_disk_pair():
    k = _Keeper(tmpfs_mb=512)
    yield k
    k.end()


@pytest.fixture(scope="module")
def _two_disks_pair():
    k = _Keeper(tmpfs_mb=1024, small=("a", "b"))
    yield k
    k.end()


@pytest.fixture(scope="module")
def _pair_of_v6():
    k = _Keeper(v6=True)
    yield k
    k.end()


@pytest.fixture(scope="module")
def _three_nodes():
    k = _Keeper(tmpfs_mb=512, secondaries=("b", "c"), others=("client", "proxy"))
    yield k
    k.end()


@pytest.fixture
def st(_pair, request):
    request.node._stage = stage = _pair.get()
    yield stage
    stage.net.clear()


@pytest.fixture
def small_disk(_small_disk_pair, request):
    request.node._stage = stage = _small_disk_pair.get()
    yield stage
    stage.free_disk()
    stage.net.clear()


@pytest.fixture
def three(_three_nodes, request):
    """A primary with two secondaries, and a host for a proxy."""
    request.node._stage = stage = _three_nodes.get()
    yield stage
    stage.free_disk()
    stage.net.clear()


@pytest.fixture
def two_disks(_two_disks_pair, request):
    """Both nodes' disks can be filled."""
    request.node._stage = stage = _two_disks_pair.get()
    yield stage
    stage.free_disk()
    stage.net.clear()
