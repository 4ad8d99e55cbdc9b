#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seconds from a fault to the first emergency answer, and what a user of the command line notices.

    failover.py --holdfast build/release/src/cmd/holdfast [--runs 20] [--faults p-node-kill,link-cut]

A probe on the client's host asks the secondary alone, every 20 ms; the moment of its first emergency answer is measured
against the moment of the fault on the same monotonic clock. Beside it one `holdfast get` is started every 50 ms across
the fault and the way back; a failed one is one that did not print the password. Nothing is asserted: it is a table.
"""
import argparse
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import net  # noqa: E402
from faults import FAULTS  # noqa: E402
from stage import Load, Stage  # noqa: E402
from wait import pace  # noqa: E402

DEFAULT = "p-node-kill,p-power-off,p-vaultd-kill,p-vaultd-stop,p-postgres-stop,p-all-stop,link-cut,link-cut-to-s,link-cut-to-p,p-disk-full"
SKIPPED = 77


class CliReader(threading.Thread):
    """Starts `holdfast get` every 50 ms, whether or not the one before has ended."""

    def __init__(self, st, session, account, interval=0.05):
        super().__init__(daemon=True)
        self.st, self.account, self.interval = st, account, interval
        self.env = dict(os.environ, HOLDFAST_SESSION=str(session))
        self.over = threading.Event()
        self.running, self.reads, self.failed, self.slowest = [], 0, [], 0.0

    def run(self):
        at = time.monotonic()
        while not self.over.is_set():
            self.running.append(
                (
                    time.monotonic(),
                    subprocess.Popen(
                        [*self.st.net.exec_prefix("client"), str(self.st.holdfast), "get", self.account],
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        text=True,
                        env=self.env,
                    ),
                )
            )
            self.collect(False)
            at += self.interval
            pace(at - time.monotonic())
        self.collect(True)

    def collect(self, wait):
        left = []
        for begun, p in self.running:
            if not wait and p.poll() is None:
                left.append((begun, p))
                continue
            out, err = p.communicate(timeout=60)
            self.reads += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)
            if p.returncode != 0 or not out.strip():
                self.failed.append(f"exit {p.returncode}: {err.strip()[:200]}")
        self.running = left

    def end(self):
        self.over.set()
        self.join()


def one(st, fault, tag):
    """(seconds to the first emergency answer or None, reads, failures, slowest read)"""
    reader = CliReader(st, st.login("admin"), "site 00001/root1")
    with Load(st) as load:
        load.worker("client", "reader", st.login("admin"), ("b",), st.accounts[:1], tag, only=None, answer=0.5)
        reader.start()
        pace(1)
        begun = time.monotonic()
        fault.do(st)
        try:
            first = load.wait_for(lambda r: r.get("mode") == "emergency" and r["t1"] > begun, timeout=6)["t1"] - begun
        except AssertionError:
            first = None
        pace(1.5)
        fault.undo(st)
        st.home_again()
        pace(0.5)
        reader.end()
        # The probe, which asks for emergency answers alone, is ended by force: it would go on asking for its patience's time.
    return first, reader.reads, reader.failed, reader.slowest


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--holdfast", default="build/release/src/cmd/holdfast")
    ap.add_argument("--runs", type=int, default=20)
    ap.add_argument("--faults", default=DEFAULT)
    args = ap.parse_args()
    why = net.why_not()
    if why:
        print(f"failover table skipped: {why}")
        return SKIPPED
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # in order: nodes and namespaces are taken down
    st = Stage(os.path.abspath(args.holdfast), tmpfs_mb=768 if "p-disk-full" in args.faults else 0)
    table, reasons = [], {}
    try:
        st.up()
        for name in args.faults.split(","):
            firsts, reads, failed, slowest, none = [], 0, 0, 0.0, 0
            for i in range(args.runs):
                first, n, bad, slow = one(st, FAULTS[name], f"{name}-{i}")
                none += first is None
                firsts += [] if first is None else [first]
                reads, failed, slowest = reads + n, failed + len(bad), max(slowest, slow)
                for b in bad[:3]:
                    reasons[b] = name
                print(
                    f"  {name} {i + 1}/{args.runs}: {'no emergency was needed' if first is None else f'{first:.2f} s'}, "
                    f"{n} reads, {len(bad)} failed",
                    flush=True,
                )
            table.append((FAULTS[name].text, firsts, none, reads, failed, slowest))
    except Exception:
        print(st.tails())
        raise
    finally:
        st.down()
    print(
        f"\nSeconds from fault to first emergency answer, {args.runs} runs each; "
        f"{os.cpu_count()} cores, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 30} GB"
    )
    print(
        f"{'fault':48} {'min':>6} {'median':>6} {'max':>6}  {'without':>7}  {'CLI reads':>9} {'failed':>6} {'slowest':>8}"
    )
    for text, firsts, none, reads, failed, slowest in table:
        m = [f"{f(firsts):6.2f}" if firsts else "     -" for f in (min, statistics.median, max)]
        print(f"{text:48} {' '.join(m)}  {none:7}  {reads:9} {failed:6} {slowest:6.2f} s")
    print("without: runs in which the primary was back before an emergency was needed")
    for text, name in list(reasons.items())[:10]:
        print(f"failed read ({name}): {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
