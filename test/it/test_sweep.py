# SPDX-License-Identifier: Apache-2.0
"""A small part of the sweep (sweep.py) at every run: each operation of a pair with some of its outside calls failing; and
what holds of the fault points themselves. `make sweep` does all of it.
"""
import random
import re
import subprocess
import time

import pytest

import sweep
from faultpage import places_in_sources
from nodes import ROOT, scratch_folder

SECONDS = 35  # for the operations of the pair; what does not fit is left to `make sweep`
SEED = 7


@pytest.fixture(scope="module")
def swept(holdfast):
    with scratch_folder() as folder:
        pair = sweep.Pair(holdfast, folder)
        try:
            sweep.prepare(pair)
            yield sweep.Sweep(pair)
        finally:
            pair.down()


def test_pair(swept):
    until = time.monotonic() + SECONDS
    rng = random.Random(SEED)
    came = 0
    for name in ("merge", "switchover"):
        swept.learn(name)
        plan = rng.sample(swept.plans[name], 4)
        tried = 0
        # One at least, on a slow machine too, and until one came: how often a place is reached differs from run to run.
        while plan and (not tried or not came or time.monotonic() < until - (SECONDS / 2 if name == "merge" else 0)):
            came += swept.one(name, *plan.pop())
            tried += 1
    assert came > 0


def test_every_point_is_used():
    """A point that no place has is a row too many."""
    used = {place.split()[2] for place in places_in_sources()}
    points = set(re.findall(r"^POINT\((\w+)", (ROOT / "src/base/fault.def").read_text(), re.M))
    assert used == points


def test_nothing_of_it_in_a_release_build(tmp_path):
    """With the option off a point is the call itself: no symbol, no string, and not the name of the variable."""
    for name in ("src/base/home.c", "src/base/fault.c", "src/base/trespass.c", "src/store/journal.c"):
        out = tmp_path / "x.o"
        subprocess.run(
            ["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-I", ROOT / "src", "-c", ROOT / name, "-o", out], check=True
        )
        symbols = subprocess.run(["nm", out], capture_output=True, text=True, check=True).stdout
        assert "fault" not in symbols and "trespass" not in symbols, symbols
        assert b"FILE_SYNC" not in out.read_bytes() and b"HOLDFAST_FAULTS" not in out.read_bytes()


def test_in_a_fault_build_they_are_there(holdfast):
    """So that the test before this one cannot pass for want of a search."""
    if b"HOLDFAST_FAULTS" not in holdfast.read_bytes():
        pytest.fail("this build has no fault points: meson setup -Dfaults=true")
    assert "fault_reach" in subprocess.run(["nm", holdfast], capture_output=True, text=True, check=True).stdout
