#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long a change of roles takes, and what users notice of it.

    changeover.py --holdfast build/release/src/cmd/holdfast [--runs 20]

switchover   the operator's command from start to end; the longest pause of a writer and of a reader across it; failed reads
promotion    the primary's node is killed, the secondary gives emergency access, the operator promotes it: from the command's start to the first
             new write; then the old machine is started: from there until both say Alive
Nothing is asserted: it is a table.
"""
import argparse
import os
import signal
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import net  # noqa: E402
from stage import Load, Stage  # noqa: E402
from wait import pace  # noqa: E402

SKIPPED = 77


def turn(st):
    st.nodes = [st.b, st.a]
    st.a, st.b = st.nodes


def hosts(st):
    return [next(h for h, name in net.NAMES.items() if name == n.name) for n in st.nodes]


def order(node, *verb):
    begun = time.monotonic()
    p = node.run("ha", *verb, "--home", node.home, check=False)
    if p.returncode != 0:
        raise RuntimeError(f"ha {verb[0]} on {node.name}: exit {p.returncode} {p.stderr}")
    return begun, time.monotonic() - begun


def gap(rows, role):
    at = sorted(r["t1"] for r in rows if r["role"] == role and r.get("ok"))
    return max((b - a for a, b in zip(at, at[1:])), default=0)


def users(st, tag):
    load = Load(st)
    order_of = hosts(st)
    load.worker("client", "reader", st.login("admin"), order_of, st.accounts[:10], f"{tag}r", interval=0.02)
    load.worker("client", "writer", st.login("admin"), order_of, st.accounts[10:20], f"{tag}w", interval=0.02)
    load.wait_for(lambda r: r["role"] == "writer" and r.get("durability") == "both")
    return load


def switchover(st, i):
    with users(st, f"sw{i}") as load:
        pace(0.5)
        _, took = order(st.a, "switchover")
        turn(st)
        st.home_again()
        pace(0.5)
        rows = load.stop()
    bad = [r for r in rows if r["role"] == "reader" and not r.get("ok")]
    return {
        "command": took,
        "writer's pause": gap(rows, "writer"),
        "reader's pause": gap(rows, "reader"),
        "failed reads": len(bad),
    }


def promotion(st, i):
    with users(st, f"pr{i}") as load:
        pace(0.5)
        st.a.kill()
        st.b.wait_state("emergency")
        begun, took = order(st.b, "promote", "--yes")
        first = load.wait_for(lambda r: r["role"] == "writer" and r.get("ok") and r["t1"] > begun)["t1"] - begun
        back = time.monotonic()
        st.a.start(wait=False)
        turn(st)
        st.home_again()
        home = time.monotonic() - back
        rows = load.stop()
    bad = [r for r in rows if r["role"] == "reader" and not r.get("ok")]
    return {"command": took, "first new write": first, "old primary started to Alive": home, "failed reads": len(bad)}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--holdfast", default="build/release/src/cmd/holdfast")
    ap.add_argument("--runs", type=int, default=20)
    args = ap.parse_args()
    why = net.why_not()
    if why:
        print(f"skipped: {why}")
        return SKIPPED
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # in order: nodes and namespaces are taken down
    st = Stage(os.path.abspath(args.holdfast))
    seen = {}
    try:
        st.up()
        for name, fn in (("switchover", switchover), ("promotion", promotion)):
            for i in range(args.runs):
                got = fn(st, i)
                print(f"  {name} {i + 1}/{args.runs}: " + ", ".join(f"{k} {v:.2f}" for k, v in got.items()), flush=True)
                for k, v in got.items():
                    seen.setdefault((name, k), []).append(v)
    except Exception:
        print(st.tails())
        raise
    finally:
        st.down()
    print(
        f"\nSeconds, {args.runs} runs each; {os.cpu_count()} cores, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 30} GB"
    )
    print(f"{'':44} {'min':>6} {'median':>6} {'max':>6}")
    for (name, k), v in seen.items():
        if k == "failed reads":
            print(f"{name + ': ' + k:44} {sum(v):20d}")
        else:
            print(f"{name + ': ' + k:44} {min(v):6.2f} {statistics.median(v):6.2f} {max(v):6.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
