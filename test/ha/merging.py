#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast what was read in emergency is merged, and what users of the primary notice of it.

    merging.py --holdfast build/release/src/cmd/holdfast [--events 100000] [--seconds 10]

The line between the nodes is cut; wrk retrieves from the secondary in emergency until its journal has so many events; the
line is healed. Readers and a writer at the primary ask all the time, measured before and from the moment of healing until
the primary has every event of the journal. Nothing is asserted: it is a table.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "lib"))
import net  # noqa: E402
from stage import Load, Stage  # noqa: E402
from wait import PATIENCE_S, pace, wait_until  # noqa: E402

SKIPPED = 77
READERS = 8


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))] if values else 0


class Merging:
    def __init__(self, st, args):
        self.st, self.args = st, args
        self.chain = st.a.sql(f"SELECT id FROM node WHERE name = '{st.b.name}'")[0][0]

    def merged(self):
        return int(self.st.a.sql(f"SELECT coalesce(max(seq), 0) FROM event WHERE node = '{self.chain}'")[0][0])

    def users(self):
        load, half = Load(self.st), len(self.st.accounts) // 2
        for i in range(READERS):
            load.worker(
                "client", "reader", self.st.login("admin"), ("a",), self.st.accounts[:half], f"r{i}", interval=0.005
            )
        load.worker("client", "writer", self.st.login("admin"), ("a",), self.st.accounts[half:], "w", interval=0.02)
        return load

    def read_in_emergency(self):
        """wrk on the secondary's own site until its journal has the events; how many were answered."""
        token = json.loads(self.st.login("admin", host="b", to=self.st.b).read_text())["token"]
        work, answered = self.st.dir / "work", 0
        work.write_text(" ".join([token, *self.st.accounts]) + "\n")
        while answered < self.args.events:
            p = subprocess.run(
                [
                    *self.st.net.exec_prefix("b"),
                    *("wrk", "-t1", "-c32", "-d1s", "--timeout", "30s"),
                    *("-s", HERE.parent / "bench/retrieve.lua", self.st.b.url),
                ],
                capture_output=True,
                text=True,
                env=dict(os.environ, BENCH_WORK=str(work)),
            )
            m = re.search(r"^RESULT (\d+) \S+ \S+ \S+ (\d+)", p.stdout, re.M)
            if not m or m[1] == m[2]:
                raise RuntimeError(f"wrk: {p.stdout}{p.stderr}")
            answered += int(m[1]) - int(m[2])
        return answered

    def run(self):
        st = self.st
        with self.users() as load:
            load.wait_for(lambda r: r["role"] == "writer" and r.get("durability") == "both")
            st.net.cut_both("a", "b")
            st.b.wait_state("emergency")
            load.wait_for(lambda r: r["role"] == "writer" and r.get("ok") and r.get("durability") != "both")
            answered = self.read_in_emergency()
            quiet = time.monotonic()
            pace(self.args.seconds)
            before = self.merged()
            healed = time.monotonic()
            st.net.heal()
            first = wait_until("the merging begins", lambda: self.merged() > before and time.monotonic(), timeout=60)
            wait_until(
                "all that was read is merged",
                lambda: self.merged() >= before + answered,
                timeout=max(PATIENCE_S, self.args.events / 500),
                every=0.2,
            )
            over = time.monotonic()
            st.home_again()
            rows = load.stop()
        print(
            f"{self.merged() - before:,} events merged in {over - first:.1f} s: {answered / (over - first):,.0f} a second; "
            f"the first {first - healed:.1f} s after the line was healed\n"
        )
        print(f"{'at the primary':24} {'':8} {'number':>8} {'failed':>6} {'p50 ms':>8} {'p99 ms':>8} {'slowest':>8}")
        for title, begun, ended in (("before", quiet, healed), ("from healing to merged", healed, over)):
            for role in ("reader", "writer"):
                mine = [r for r in rows if r["role"] == role and begun <= r["t0"] < ended]
                ms = [(r["t1"] - r["t0"]) * 1000 for r in mine]
                print(
                    f"{title:24} {role:8} {len(mine):8,} {sum(not r.get('ok') for r in mine):6} "
                    f"{percentile(ms, 50):8.1f} {percentile(ms, 99):8.1f} {max(ms, default=0):8.1f}"
                )


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--holdfast", default="build/release/src/cmd/holdfast")
    ap.add_argument("--events", type=int, default=100000)
    ap.add_argument("--seconds", type=int, default=10)
    args = ap.parse_args()
    why = net.why_not()
    if why:
        print(f"merge table skipped: {why}")
        return SKIPPED
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # in order: nodes and namespaces are taken down
    st = Stage(os.path.abspath(args.holdfast))
    try:
        st.csv_rows = 1000
        st.up()
        Merging(st, args).run()
    except Exception:
        print(st.tails())
        raise
    finally:
        st.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
