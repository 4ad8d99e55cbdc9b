# SPDX-License-Identifier: Apache-2.0
"""Two files that only fit together appear at once: whoever is killed between them leaves nothing that a node cannot start with (H14)."""
import json
import os
import re
import signal

import pytest
from faultpage import FaultPage
from nodes import copy_of

# Where cert renew is killed, and whether the new pair counts by then.
MOMENTS = {
    "before it counts": ("base/place.c place_set FILE_RENAME", 1, False),
    "before the first file": ("base/place.c move_parts FILE_RENAME", 1, True),
    "between the two": ("base/place.c move_parts FILE_RENAME", 2, True),
    "before the folder goes": ("base/place.c place_settle FILE_REMOVE", 1, True),
}


def page_in(where, node):
    """A page that knows the places: a renewal has been there."""
    page = FaultPage(where / "faults")
    node.run("cert", "renew", "--self-signed", "--home", node.home, env=page.env)
    if not page.reached():
        pytest.skip("this build has no fault points")
    return page


def pair_of(node):
    return {name: (node.home / "conf/tls" / name).read_bytes() for name in ("web.crt", "web.key")}


def killed_renewal(node, page, moment):
    place, nth, _ = MOMENTS[moment]
    page.arm(place, nth, kill=True)
    p = node.run("cert", "renew", "--self-signed", "--home", node.home, check=False, env=page.env)
    assert p.returncode == -signal.SIGKILL and page.fired, (p.returncode, p.stderr)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_renewal_that_is_killed(node, where, moment):
    page = page_in(where, node)
    before = pair_of(node)
    killed_renewal(node, page, moment)
    node.start()  # a pair that does not fit is refused
    now = pair_of(node)
    changed = {n for n in now if now[n] != before[n]}
    assert changed == (set(now) if MOMENTS[moment][2] else set())
    assert not (node.home / "conf/tls/new").exists()
    assert ("put new certificates into place" in node.log.read_text()) == MOMENTS[moment][2]


def test_a_service_that_falls_after_a_renewal_was_killed(node, where):
    """It starts again by itself, with the new pair."""
    page = page_in(where, node)
    node.start()
    before = pair_of(node)
    killed_renewal(node, page, "between the two")
    old = node.signal("vaultd", signal.SIGKILL)
    node.wait_ready()
    assert node.pids("vaultd") and node.pids("vaultd") != old
    now = pair_of(node)
    assert all(now[n] != before[n] for n in now)


def test_the_next_renewal_ends_it(template, new_node, where):
    n = copy_of(template, new_node())
    page = page_in(where, n)
    killed_renewal(n, page, "between the two")
    n.run("cert", "show", "--home", n.home)
    assert not (n.home / "conf/tls/new").exists()
    killed_renewal(n, page, "before it counts")
    n.run("cert", "renew", "--self-signed", "--home", n.home)
    assert sorted(p for p in os.listdir(n.home / "conf/tls") if "web" not in p) == [
        "pair-ca.crt",
        "pair-ca.key.sealed",
        "trusted",
    ]
    n.start()


@pytest.mark.parametrize("name", ["web.crt", "web.key"])
def test_a_damaged_one_has_a_way_out(template, new_node, name):
    """H14: a node whose web certificate cannot be used names what makes it start, and the authority signs again then."""
    n = copy_of(template, new_node())
    (n.home / "conf/tls" / name).write_text("damaged\n")
    p = n.run("serve", "--home", n.home, check=False)
    assert p.returncode == 1 and "holdfast cert renew --self-signed" in re.sub(r"\s+", " ", p.stderr), p.stderr
    n.run("cert", "renew", "--self-signed", "--home", n.home)
    n.start()
    n.run("cert", "renew", "--web", "--home", n.home)
    shown = json.loads(n.run("cert", "show", "--json", "--home", n.home).stdout)
    assert shown["web"]["issuer"] == shown["pair-ca"]["subject"]
