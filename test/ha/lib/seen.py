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
