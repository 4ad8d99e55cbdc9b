# SPDX-License-Identifier: Apache-2.0
import os
import signal
import sys
from pathlib import Path

import pytest

TEST = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TEST / "upgrade/lib"), str(TEST / "ha/lib")]
import net  # noqa: E402
import releases  # noqa: E402
from stage import Stage  # noqa: E402
from pair import STOCK_PATH  # noqa: E402

# Nothing that this machine alone provides; but former programs find PostgreSQL's own only here (47d7cab).
os.environ["PATH"] = ":".join([STOCK_PATH, *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:])])

PROMISES = {
    "h5": "in emergency users log in, find and retrieve, before, during and after an upgrade",
    "h7": "the journal is merged by itself, whole, once, in order, when both programs are the same",
    "h9": "the status says how far the upgrade is",
    "h10": "a promotion in the middle of an upgrade loses nothing",
    "h13": "what is refused is refused before anything changes",
}


def pytest_configure(config):
    # Whoever ends the run early still gets nodes and namespaces taken down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name, text in PROMISES.items():
        config.addinivalue_line("markers", f"{name}: {text}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    st = getattr(item, "_stage", None)
    if report.when == "call" and report.failed and st is not None:
        report.sections.append(("the pair", st.tails()))


@pytest.fixture(params=sorted(releases.RELEASES))
def old(request):
    """A pair that runs the program of a former commit; st.release names it, st.new is the program to upgrade to."""
    why = net.why_not() or releases.why_not(request.param)
    if why:
        pytest.skip(why)
    st = Stage(releases.program(request.param))
    request.node._stage = st
    st.settings, st.settings_of_new = {}, st.settings  # a former program does not know them all
    st.release, st.schema = request.param, releases.RELEASES[request.param]
    st.new = Path(os.environ.get("HOLDFAST", "build/test/src/cmd/holdfast")).resolve()
    try:
        yield st.up()
    finally:
        st.down()
