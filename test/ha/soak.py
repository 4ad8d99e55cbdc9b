#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random faults, several at once, round after round, while users on both sides read and write; after each round the
outside checker holds the invariants against what the users wrote down.

    soak.py --holdfast build/test/src/cmd/holdfast --minutes 3 --seed 7 [--parallel 3] [--nodes 3] [--rare] [--json FILE]
    soak.py --seed 7 --first 12 --rounds 1          plays round 12 of that seed again
    soak.py --sum a.json b.json                     one table of several runs

What happens in round N is a pure function of the seed and N. Exit code 0 only when every invariant held; the last line is
`N rounds, 0 lost, 0 unlogged, 0 doubled, 0 stale, 0 diverged, 0 broken chains, 0 not Alive`.
"""
import argparse
import collections
import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import net  # noqa: E402
from faults import (  # noqa: E402
    DRAWN,
    FAULTS,
    RARE,
    Scene,
    data_unmounted,
    fast_again,
    names_again,
    open_ports,
    start_node,
)
from stage import Failed, Load, Stage  # noqa: E402
import checker  # noqa: E402
from wait import PATIENCE_S, pace  # noqa: E402

SKIPPED = 77
ROUNDS_OF_A_STAGE = 20  # then a new pair: what the checker compares grows with the history
ALIVE_WITHIN_S = 90
DISK_MB = 1024
KINDS = ("lost", "unlogged", "doubled", "stale", "diverged", "broken chains", "not Alive")


def schedule(seed, number, rare=False, nodes=2):
    """[(fault's name, when it begins, how long it lasts)] of a round."""
    rng = random.Random(f"{seed}/{number}")
    chosen, places = [], set()
    if rare:
        kinds = [f for f in RARE if f.nodes <= nodes]
        fault = rng.choices(kinds, [f.rare for f in kinds])[0]
        chosen.append((fault.name, 0.0, round(rng.uniform(6, 12), 1)))
        places |= fault.places
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        fault = rng.choices(DRAWN, [f.weight for f in DRAWN])[0]
        if fault.places & places:
            continue
        if (
            fault.place in ("role", "merge")
            and not places & {"p", "link"}
            and fault.name not in ("switchover", "rejoin")
        ):
            # Without an outage there is nothing to promote for, and no merge to meet.
            first = rng.choice([f for f in DRAWN if f.emergency and not f.places & places])
            chosen.append((first.name, 0.0, round(rng.uniform(4, 6), 1)))
            places |= first.places
        chosen.append(
            (
                fault.name,
                round(rng.uniform(0, 1.5), 1),
                round(rng.uniform(2, 6) if fault.emergency else rng.uniform(1, 5), 1),
            )
        )
        places |= fault.places
    return chosen


# ---- a round ----


class Round(Scene):
    def __init__(self, st, number):
        super().__init__(st)
        self.number = number

    def signal(self, node, what, sig):
        """Another fault may have been quicker."""
        with contextlib.suppress(Failed):
            node.signal(what, sig, timeout=0)


class Broken(Exception):
    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


def held(kind, fn, *args, **kw):
    try:
        return fn(*args, **kw)
    except (AssertionError, Failed) as e:
        text = str(e)
        raise Broken("doubled" if "twice" in text else kind, text) from None


def play(x, faults):
    """Faults by the clock, then all of them undone. Returns when the first began and when the last was undone."""
    begun = time.monotonic()
    steps = sorted([(at, 0, name) for name, at, _ in faults] + [(at + lasts, 1, name) for name, at, lasts in faults])
    for at, undo, name in steps:
        pace(begun + at - time.monotonic())
        fault = FAULTS[name]
        (fault.undo if undo else fault.do)(x)
    x.over.set()
    # Two faults may have undone each other's work: everything is in its place now.
    put_right(x)
    ended = time.monotonic()
    for t in list(x.threads):
        t.join(130)
    if x.struck or any(not n.proc for n in x.st.nodes):
        put_right(x)
        ended = time.monotonic()
    return begun, ended


def put_right(x):
    names_again(x)
    open_ports(x)
    if not x.merge_awaited:
        fast_again(x)
    x.st.free_disk()
    data_unmounted(x)
    for n in x.st.nodes:
        start_node(x, n)


def alive(st):
    for n in st.nodes:
        n.wait_status(0, timeout=ALIVE_WITHIN_S)


def who_is_primary(st):
    """st.a is always the primary."""
    states = {n.state(): n for n in st.nodes}
    if "synced" not in states:
        raise Broken("not Alive", f"no node is synced: {[n.state() for n in st.nodes]}")
    p = states["synced"]
    rest = [n for n in st.nodes if n is not p]
    st.nodes = [p, *rest]
    st.a, st.b, st.c = (st.nodes + [None])[:3]


def check(st, rows, moved, latest):
    """The checker's invariants, one after the other; each names what it is about. latest: the rows during which nobody changed roles."""
    held("not Alive", alive, st)
    who_is_primary(st)
    for n in st.nodes[1:]:
        held("diverged", checker.both_equal, st.a, n, timeout=PATIENCE_S)
    reads = held("unlogged", checker.retrievals_logged_once, st.nodes[-1], rows)
    writes = held("lost", checker.writes_kept, st.nodes[-1], rows, siblings=moved)
    held("stale", checker.reads_are_fresh, latest, len(st.nodes) == 2, least=0 if moved else 1)
    held("broken chains", checker.log_has_no_gap, st.a)
    held("broken chains", checker.nothing_left_over, st)
    held("broken chains", st.audit_verify, st.a)
    held("diverged", st.tables_verify)
    return reads, writes


def users(st, sessions, tag):
    """Readers on each side, a writer on each side with accounts of its own."""
    load = Load(st)
    half = len(st.accounts) // 2
    reads, left, right = st.accounts, st.accounts[half : half + half // 2], st.accounts[half + half // 2 :]
    a, b = (next(h for h, name in net.NAMES.items() if name == n.name) for n in (st.a, st.b))
    load.worker(a, "reader", sessions[0], (a, b), reads, f"{tag}ra", interval=0.04)
    load.worker(b, "reader", sessions[1], (b, a), reads, f"{tag}rb", interval=0.04)
    if st.c:
        c = next(h for h, name in net.NAMES.items() if name == st.c.name)
        load.worker(c, "reader", sessions[2], (c, a), reads, f"{tag}r3", interval=0.04)
    load.worker("client", "reader", sessions[2], (a, b), reads, f"{tag}rc", interval=0.04)
    load.worker(a, "writer", sessions[0], (a, b), left, f"{tag}wa", interval=0.04)
    load.worker(b, "writer", sessions[1], (b, a), right, f"{tag}wb", interval=0.04)
    return load


def reads_what_was_written():
    """Whether a row is of somebody who asks the primary for what it took before: over a slow line that takes its time."""
    written = {}

    def seen(r):
        if not r.get("ok"):
            return False
        place = (r["account"], r["node"])
        if r["role"] == "writer":
            written.setdefault(place, r["t1"])
        return r["role"] == "reader" and r["mode"] == "primary" and written.get(place, r["t0"]) < r["t0"]

    return seen


class Tally:
    def __init__(self):
        self.rounds, self.reads, self.writes, self.emergency_reads, self.strikes = 0, 0, 0, 0, 0
        self.faults, self.orders, self.kinds = collections.Counter(), collections.Counter(), collections.Counter()
        self.to_emergency, self.to_alive, self.link_to_alive, self.seeds, self.broken = [], [], [], [], []
        self.ended = collections.Counter()

    def add(self, other):
        for k, v in other.items():
            mine = getattr(self, k)
            if isinstance(mine, collections.Counter):
                mine.update(v)
            else:
                setattr(self, k, mine + v)


def led_to_emergency(faults, answered_s):
    """Seconds from the round's first fault to the emergency answer, where nothing else but it can have led there: without the
    faults that take the secondary down too, which answers only when it is started again."""
    name, at, _ = min(faults, key=lambda f: f[1])
    others = [f for f in faults if f[0] != name and FAULTS[f[0]].place not in ("merge", "role")]
    alone = (
        FAULTS[name].emergency
        and "s" not in FAULTS[name].places
        and all(answered_s < begins for _, begins, _ in others)
    )
    return answered_s - at if alone and answered_s > at else None


def acknowledged(rows, role):
    return [bool(r.get("ok")) for r in rows if r["role"] == role]


def one_round(st, sessions, args, number, tally):
    faults = schedule(args.seed, number, args.rare, args.nodes)
    print(f"round {number}: " + ", ".join(f"{name} at {at} for {lasts} s" for name, at, lasts in faults), flush=True)
    x = Round(st, number)
    tag = f"s{args.seed}n{number}"
    with users(st, sessions, tag) as load:
        load.wait_for(lambda r: r["role"] == "writer" and r.get("durability") == "both", timeout=PATIENCE_S)
        begun, ended = play(x, faults)
        held("not Alive", alive, st)
        home = time.monotonic()
        load.wait_for(lambda r: r["role"] == "writer" and r.get("ok") and r["t0"] > home, timeout=PATIENCE_S)
        with contextlib.suppress(AssertionError):  # whether there was one says the check
            load.wait_for(reads_what_was_written(), timeout=PATIENCE_S)
        rows = load.stop()
    moved = any(o.startswith(("promote", "switchover")) for o in x.orders)
    st.moved = getattr(st, "moved", False) or moved
    reads, writes = sum(acknowledged(rows, "reader")), sum(acknowledged(rows, "writer"))
    # What earlier rounds were promised must outlive this one.
    st.rows = getattr(st, "rows", []) + rows
    check(st, st.rows, st.moved, [] if moved else rows)
    first = [r["t1"] for r in rows if r["role"] == "reader" and r.get("mode") == "emergency" and r["t1"] > begun]
    tally.emergency_reads += len(first)
    led = led_to_emergency(faults, min(first, default=0) - begun)
    if led is not None:
        tally.to_emergency.append(round(led, 3))
    tally.to_alive.append(round(home - ended, 3))
    if all(FAULTS[name].place == "link" and len(FAULTS[name].places) == 1 for name, _, _ in faults):
        tally.link_to_alive.append(round(home - ended, 3))
    tally.ended.update(x.ended)
    tally.rounds, tally.reads, tally.writes, tally.strikes = (
        tally.rounds + 1,
        tally.reads + reads,
        tally.writes + writes,
        tally.strikes + x.struck,
    )
    tally.faults.update(name for name, _, _ in faults)
    for text in x.ended:
        print("  " + text)
    for o in x.orders:
        tally.orders[o.split()[0] + (" done" if "exit 0" in o else " refused or failed")] += 1
        print("  " + o)
    print(
        f"  {reads} retrievals, {writes} writes, {len(first)} in emergency{f', the first {led:.1f} s after the fault' if led else ''}; Alive {home - ended:.1f} s after the end"
        + ("; struck in the merge" if x.struck else ""),
        flush=True,
    )


def keep(st):
    """Processes end, files stay: on a tmpfs they would not."""
    where = Path(tempfile.mkdtemp(prefix="holdfast-soak-"))
    for n in st.nodes:
        if n.proc:
            n.kill()
    shutil.copytree(
        st.dir,
        where / "stage",
        symlinks=True,
        ignore=shutil.ignore_patterns("ballast", "*.sock", ".s.PGSQL.*"),
        ignore_dangling_symlinks=True,
    )
    return where / "stage"


def soak(args, tally):
    end = time.monotonic() + args.minutes * 60
    number, st = args.first, None
    over = lambda: time.monotonic() > end if not args.rounds else number >= args.first + args.rounds
    try:
        while not over():
            st = Stage(
                os.path.abspath(args.holdfast),
                tmpfs_mb=DISK_MB,
                small=("a", "b", "c")[: args.nodes],
                secondaries=("b", "c")[: args.nodes - 1],
            )
            st.up()
            sessions = [st.login("admin", host=h) for h in ("a", "b", "client")]
            for _ in range(ROUNDS_OF_A_STAGE):
                if over():
                    break
                one_round(st, sessions, args, number, tally)
                number += 1
            st.down()
            st = None
    except Exception as e:  # whatever it is: the files are kept, and it counts
        kind = getattr(e, "kind", "not Alive" if isinstance(e, (AssertionError, Failed)) else "fell over")
        tally.kinds[kind] += 1
        if kind == "fell over":
            traceback.print_exc()
        tally.broken.append(f"seed {args.seed} round {number}: {kind}: {e}")
        print(f"BROKEN in round {number}: {kind}: {e}\n{st.tails() if st else ''}")
        print(
            f"everything is kept in {keep(st) if st else 'no place: there was no pair'}\nto play it again: soak.py --seed {args.seed} --first {number} --rounds 1 --nodes {args.nodes}{' --rare' if args.rare else ''}"
        )
    except KeyboardInterrupt:
        print("ended from outside; what was seen until then:")
    finally:
        if st:
            st.down()


def of(values):
    if not values:
        return "-"
    v = sorted(values)
    return f"min {v[0]:.2f}, median {statistics.median(v):.2f}, p99 {v[min(len(v) - 1, int(len(v) * 0.99))]:.2f}, max {v[-1]:.2f} s ({len(v)})"


def report(t):
    print(f"\nseeds {', '.join(map(str, t.seeds))}; {os.cpu_count()} cores")
    print(f"acknowledged: {t.reads} retrievals, {t.writes} writes; {t.emergency_reads} retrievals in emergency")
    print(f"fault to first emergency answer: {of(t.to_emergency)}\neverything undone to Alive:       {of(t.to_alive)}")
    print(f"link back to Alive:               {of(t.link_to_alive)}")
    print("faults: " + ", ".join(f"{k} {n}" for k, n in sorted(t.faults.items())))
    print(
        "orders: "
        + (", ".join(f"{k} {n}" for k, n in sorted(t.orders.items())) or "none")
        + f"; struck in the merge {t.strikes} times"
    )
    if t.ended:
        print("nodes that ended by themselves: " + ", ".join(f"{k} {n}" for k, n in sorted(t.ended.items())))
    for b in t.broken:
        print(f"broken: {b[:600]}")
    print(f"{t.rounds} rounds, " + ", ".join(f"{t.kinds[k]} {k}" for k in KINDS))
    return 1 if t.kinds.total() or t.broken or not t.rounds else 0


def side_by_side(args, argv):
    """Several pairs at once: rounds mostly wait."""
    tally, running = Tally(), []
    with tempfile.TemporaryDirectory() as folder:
        for k in range(args.parallel):
            out = Path(folder) / f"{k}.json"
            own = [*argv, "--parallel", "1", "--seed", str(args.seed + k), "--json", str(out)]
            running.append(
                (
                    args.seed + k,
                    out,
                    subprocess.Popen([sys.executable, __file__, *own], stdout=subprocess.PIPE, text=True),
                )
            )
        tell = threading.Lock()

        def follow(seed, p):
            for line in p.stdout:
                with tell:
                    print(f"[{seed}] {line}", end="", flush=True)

        followers = [threading.Thread(target=follow, args=(seed, p)) for seed, _, p in running]
        for t in followers:
            t.start()
        try:
            for seed, out, p in running:
                p.wait()
        except KeyboardInterrupt:
            for _, _, p in running:  # they have had the same signal and take their pairs down
                p.wait(120)
        for t in followers:
            t.join()
        for seed, out, p in running:
            if out.exists():
                tally.add(json.loads(out.read_text()))
            else:
                tally.kinds["not Alive"] += 1
                tally.broken.append(f"seed {seed}: ended with {p.returncode} before it could say anything")
    return tally


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--holdfast", default="build/test/src/cmd/holdfast")
    ap.add_argument("--minutes", type=float, default=3)
    ap.add_argument("--rounds", type=int, default=0, help="so many instead of a time")
    ap.add_argument("--first", type=int, default=0, help="the number of the first round")
    ap.add_argument("--seed", type=int, default=None)
    ap.add_argument("--nodes", type=int, choices=(2, 3), default=2)
    ap.add_argument("--rare", action="store_true", help="a rare fault in each round, such as a disk put back")
    ap.add_argument("--parallel", type=int, default=1, help="pairs side by side, each with the next seed")
    ap.add_argument("--json", help="writes what was seen to this file")
    ap.add_argument("--sum", nargs="+", metavar="FILE", help="no run: one table of these files")
    args = ap.parse_args()
    tally = Tally()
    if args.sum:
        for f in args.sum:
            tally.add(json.loads(Path(f).read_text()))
        return report(tally)
    why = net.why_not()
    if why:
        print(f"soak skipped: {why}")
        return SKIPPED
    if args.seed is None:
        args.seed = random.randrange(1, 1 << 31)
    print(f"seed {args.seed}", flush=True)
    if args.parallel > 1:
        tally = side_by_side(
            args,
            [
                "--holdfast",
                args.holdfast,
                "--minutes",
                str(args.minutes),
                "--rounds",
                str(args.rounds),
                "--first",
                str(args.first),
                "--nodes",
                str(args.nodes),
                *(["--rare"] if args.rare else []),
            ],
        )
    else:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        tally.seeds = [args.seed]
        soak(args, tally)
    if args.json:
        Path(args.json).write_text(json.dumps(vars(tally)))
    return report(tally)


if __name__ == "__main__":
    sys.exit(main())
