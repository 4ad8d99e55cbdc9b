# SPDX-License-Identifier: Apache-2.0
"""What a test waits for in the rows of its users (load.py)."""


def emergency_after(t):
    return lambda r: r["role"] == "reader" and r.get("ok") and r.get("mode") == "emergency" and r["t1"] > t


def primary_after(t, tag=""):
    return (
        lambda r: r["role"] == "reader"
        and r.get("ok")
        and r.get("mode") == "primary"
        and r["t0"] > t
        and r["tag"].endswith(tag)
    )


def write_after(t, durability=None):
    return lambda r: r["role"] == "writer" and r.get("ok") and r["t0"] > t and durability in (None, r.get("durability"))


def longest_gap(rows, which):
    """The longest time between two good answers of one user, of those whose rows are `which`."""
    gap = 0
    for tag in {r["tag"] for r in rows if which(r)}:
        at = sorted(r["t1"] for r in rows if r["tag"] == tag and r.get("ok"))
        gap = max([gap, *(b - a for a, b in zip(at, at[1:]))])
    return gap


def of_role(role):
    return lambda r: r["role"] == role


def of_tag(end):
    """end: how the user's tag ends, or several of these."""
    return lambda r: r["tag"].endswith(end)
