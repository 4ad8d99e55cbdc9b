#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Nth-failure sweep of a pair: each operation again and again, each time with another outside call failing once.

    sweep.py --build build/test [--only merge,promote,…] [--match FILE_] [--minutes M] [--sample N --seed S]

Units are swept first (suite `sweep` of meson). Then a pair on this machine merges, changes roles, copies itself, is
backed up and restored, and takes in a node. First without a fault, to learn which places it reaches and how often (a
place is a FAULT in the sources); then for each node and place with the first, the middle and the last of these reaches
failing. Afterwards both nodes are Alive, nothing acknowledged is lost, nothing is there twice, every chain holds, nothing
is left over, and no secret is in a file. A place that nothing reaches is a failure too.
"""
import argparse
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test/lib")]
import checker  # noqa: E402
from fastclient import Client  # noqa: E402
from faultpage import FaultPage, places_in_sources  # noqa: E402
from pair import PASSWORD, Failed, Node, free_port, give, make_pair  # noqa: E402
from wait import pace, wait_until  # noqa: E402

SECRET = "s3cret-of-the-sweep"
LEFT_OVER = re.compile(
    r"/(?!base/)[^/]+\.(conf|crt|key|signal|backup|progress)\.(?!sealed|backup)[A-Za-z0-9]{6}$|\.part$|/pg\.new$|/pg\.old$|/rejoin\.conf$"
    r"|/salvage-[^/]*$"
)


class Wrong(AssertionError):
    """An invariant does not hold."""


class Pair:
    """Two nodes on this machine, each with a page of faults of its own, and one user who writes down what was acknowledged."""

    def __init__(self, holdfast, folder):
        self.holdfast, self.dir = holdfast, Path(folder)
        first = 21000 + os.getpid() % 9000
        https, pair = free_port("127.0.0.1", first), free_port("127.0.0.1", first + 300)
        key = self.dir / "master.key"
        self.pages, self.nodes, self.rows, self.tried_again = {}, [], [], 0
        self.ports = https, pair
        for name in ("127.0.0.1", "127.0.0.2"):
            self.nodes.append(self.node(name, key))
        make_pair(*self.nodes)
        for n in self.nodes:
            n.set("detect_ms", 1000)
        session = self.dir / "admin.session"
        a = self.nodes[0]
        a.cli(
            "login",
            "--setup",
            "--ca",
            a.web_cert,
            a.url,
            "admin",
            session=session,
            input=f"{a.setup_token()}\n{PASSWORD}\n",
        )
        for i in range(4):
            a.cli("put", f"site {i}/root", session=session, input=f"{SECRET}-{i}\n")
        self.session = session
        self.accounts = [r[0] for r in a.sql("SELECT id FROM account ORDER BY id")]
        self.home_again()

    def node(self, name, key, folder=None):
        where = self.dir / (folder or name)
        where.mkdir()
        give(where)
        page = FaultPage(self.dir / f"{where.name}.faults")
        n = Node(
            self.holdfast, where / "home", name, f"{name}:{self.ports[0]}", f"{name}:{self.ports[1]}", key, env=page.env
        )
        n.log = self.dir / f"{where.name}.log"
        self.pages[n] = page
        return n

    @property
    def primary(self):
        def look():
            return next((n for n in self.nodes if n.state() in ("synced", "alone")), None)

        return wait_until("a node serves as the primary", look, error=Wrong)

    @property
    def secondary(self):
        return next(n for n in self.nodes if n is not self.primary)

    # the user

    def login(self):
        return Client(str(self.session))

    def read(self, times=2):
        client = self.login()
        for i in range(times):
            tag = f"sweep{len(self.rows)}"
            account = self.accounts[i % len(self.accounts)]
            r, why = client.retrieve(account, f"{tag}-1", patience=60)
            self.rows.append({"role": "reader", "tag": tag, "ok": True, "reason": why, "account": account})
        client.close()

    def write(self, times=2):
        """An unclear outcome is not repeated: it stays unclear."""
        client = self.login()
        done, end = 0, time.monotonic() + 60
        for i in itertools.count():
            account = self.accounts[i % len(self.accounts)]
            for url in client.nodes:
                try:
                    r = client.call(
                        url,
                        "POST",
                        f"/v1/accounts/{account}/versions",
                        {"fields": {"password": f"{SECRET}-{len(self.rows)}"}},
                        timeout=15,
                    )
                except OSError:
                    continue
                if r.status in (200, 201):
                    self.rows.append(
                        {
                            "role": "writer",
                            "tag": "w",
                            "ok": True,
                            "account": account,
                            "version": r.body.get("n", r.body.get("version")),
                            "id": r.body["id"],
                            "durability": r.durability,
                        }
                    )
                    done += 1
                    break
            if done == times or time.monotonic() > end:
                break
            pace(0.2)
        client.close()
        if done < times:
            raise Wrong("no node takes a write")

    # what is asked of the nodes

    def fired(self):
        return any(p.fired for p in self.pages.values())

    def start(self, n):
        if n.proc is None or n.proc.poll() is not None:
            n.start(wait=False)

    def verb(self, n, *args, tries=3):
        """An order that may be refused because of the fault, and is then given again."""
        for i in range(tries):
            p = n.run(*args, check=False, timeout=150)
            if p.returncode == 0:
                return p
            if not self.fired():
                raise Wrong(f"{' '.join(map(str, args))} failed without a fault: {p.stderr.strip()}")
            if not p.stderr.strip():
                raise Wrong(f"{' '.join(map(str, args))} failed and did not say why")
            self.tried_again += 1
            if n.proc:
                self.wait_until(lambda: n.state() is not None, 60, "the node answers")
            if "wait until" in p.stderr:
                self.home_again()
        raise Wrong(f"{' '.join(map(str, args))} does not succeed when tried again: {p.stderr.strip()}")

    def wait_until(self, what, seconds, name):
        def look():
            seen = what()
            if not seen:
                self.revive()
            return seen

        wait_until(name, look, timeout=seconds, error=Wrong)

    def revive(self):
        """A node that gave up because of the fault is started again, as its operator does; it has to say why."""
        for n in self.nodes:
            if n.proc is not None and n.proc.poll() is not None:
                if not self.fired():
                    raise Wrong(f"{n.name} ended without a fault\n{n.log_tail()}")
                self.tried_again += 1
                n.start(wait=False)

    def home_again(self, seconds=120):
        def alive():
            return all(n.status()[0] == 0 for n in self.nodes)

        self.wait_until(alive, seconds, "Alive on both nodes")

    # what must hold

    def check(self):
        self.home_again()
        self.read(1)
        self.write(1)
        p, s = self.primary, self.secondary
        checker.both_equal(p, s)
        checker.retrievals_logged_once(s, self.rows)
        checker.writes_kept(s, self.rows, siblings=True)
        checker.log_has_no_gap(p)
        checker.nothing_left_over(self)
        client = self.login()
        r = client.call(next(u for u in client.nodes if f"//{p.name}:" in u), "GET", "/v1/audit/verify", timeout=60)
        client.close()
        if r.status != 200 or r.body["good"] is not True:
            raise Wrong(f"the chain does not hold: {r.body}")
        for n in self.nodes:
            self.check_files(n.home, runs=True)

    def left_over(self, home):
        paths = (os.path.join(folder, name) for folder, names, files in os.walk(home) for name in names + files)
        return [path for path in paths if LEFT_OVER.search(path)]

    def check_files(self, home, runs=False):
        """A node that runs may be writing one of them just now: left over is what stays."""
        wait_until(
            f"nothing is left over in {home}",
            lambda: self.left_over(home),
            lambda paths: not paths,
            timeout=20 if runs else 0,
            error=Wrong,
        )
        key = (self.dir / "master.key").read_bytes().strip()
        for folder, _, files in os.walk(home):
            for name in files:
                path = Path(folder, name)
                try:
                    text = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
                except FileNotFoundError:  # PostgreSQL's own come and go
                    continue
                if SECRET.encode() in text or key in text or bytes.fromhex(key.decode()) in text:
                    raise Wrong(f"a secret is in {path}")

    def tails(self):
        return "\n".join(n.log_tail(25) for n in self.nodes)

    def down(self):
        for n in self.nodes:
            n.end()


# ---- the operations; each ends when what it is for is done, and is called with the faults armed ----


def merge(p):
    """The primary is away, users read at the secondary, the primary returns."""
    a, b = p.primary, p.secondary
    a.stop()
    p.wait_until(lambda: b.state() == "emergency", 60, "emergency")
    p.read(3)
    p.start(a)


def switchover(p):
    """In order, and users go on."""
    old = p.primary
    p.verb(old, "ha", "switchover", "--home", old.home)
    p.home_again()
    if p.primary is old and not p.fired():
        raise Wrong("the roles have not changed")


def promote(p):
    """The primary wrote alone and is lost; the secondary is promoted; the other returns, salvages, is rewound."""
    a, b = p.primary, p.secondary
    b.stop()
    p.wait_until(lambda: a.state() == "alone", 60, "alone")
    p.write(2)
    a.kill()
    p.start(b)
    p.wait_until(lambda: b.state() == "emergency", 60, "emergency")
    p.read(2)
    for _ in range(3):
        p.verb(b, "ha", "promote", "--yes", "--home", b.home)
        if b.state() in ("alone", "synced"):
            break
    p.write(1)
    p.start(a)


def clone(p):
    """The secondary copies the primary anew."""
    b = p.secondary
    p.verb(b, "ha", "rejoin", "--home", b.home)


def backup(p):
    """A backup of the primary, and a node restored from it."""
    a = p.primary
    folder = p.dir / "backup"
    folder.mkdir(exist_ok=True)
    give(folder)
    file, home = folder / "a.backup", folder / "restored"
    p.verb(a, "backup", "--force", file, "--home", a.home)
    names = os.listdir(folder)
    if names != ["a.backup"]:
        raise Wrong(f"left over beside the backup: {names}")
    p.verb(
        a,
        "restore",
        file,
        "--home",
        home,
        "--key-file",
        a.key_file,
        "--listen",
        "127.0.0.9:1",
        "--pair-listen",
        "127.0.0.9:2",
    )
    p.check_files(home)
    shutil.rmtree(folder)


def join(p):
    """A node is taken in from a pack, and leaves again."""
    a = p.primary
    third = p.third
    shutil.rmtree(third.home, ignore_errors=True)
    third.init(secondary=True)
    p.verb(a, "ha", "setup", a.name, third.name, "--home", a.home)
    pack = p.dir / "third.zip"
    shutil.copy(a.home / f"replication/HAPack-{third.name}.zip", pack)
    give(pack)
    (third.home / "conf/manage_key.conf").write_text(f"{third.key_file}\n")
    give(third.home / "conf/manage_key.conf")
    p.nodes.append(third)
    try:
        p.verb(third, "ha", "join", pack, "--home", third.home)
        p.start(third)
        p.home_again()
        p.check_files(third.home, runs=True)
    finally:
        p.nodes.remove(third)
        third.end()
    pack.unlink()
    pack_of_third = a.home / f"replication/HAPack-{third.name}.zip"
    wait_until("the pack of who has joined is gone", lambda: not pack_of_third.exists())
    p.verb(a, "ha", "remove", third.name, "--yes", "--home", a.home)


OPERATIONS = {
    "merge": merge,
    "switchover": switchover,
    "promote": promote,
    "clone": clone,
    "backup": backup,
    "join": join,
}


class Sweep:
    def __init__(self, pair, say=print):
        self.pair, self.say = pair, say
        self.plans = {}  # operation → [(role of the node, place, nth)]

    def roles(self):
        p = self.pair
        return {
            "primary": p.primary,
            "secondary": p.secondary,
            **({"third": p.third} if getattr(p, "third", None) else {}),
        }

    def learn(self, name):
        """Without a fault: what is reached, how often, on which node (named by its role before)."""
        p = self.pair
        p.check()
        roles = self.roles()
        before = {role: p.pages[n].reached() for role, n in roles.items()}
        begun = time.monotonic()
        OPERATIONS[name](p)
        p.home_again()
        seconds = time.monotonic() - begun
        plan = []
        for role, n in roles.items():
            for place, reached in sorted(p.pages[n].reached().items()):
                times = reached - before[role].get(place, 0)
                plan += [(role, place, nth) for nth in sorted({1, (times + 1) // 2, times}) if times]
        p.check()
        self.plans[name] = plan
        self.say(
            f"{name}: {len(plan)} faults at {len({place for _, place, _ in plan})} places, {seconds:.1f} s without one"
        )

    def one(self, name, role, place, nth):
        """True when the fault came."""
        p = self.pair
        n = self.roles()[role]
        page = p.pages[n]
        for other in p.pages.values():
            other.disarm()
        page.arm(place, nth)
        what = f"{name}: {place}, reach {nth} on the {role}"
        try:
            OPERATIONS[name](p)
            p.home_again()
            page.disarm()
            p.check()
        except (Wrong, Failed, AssertionError, OSError, subprocess.TimeoutExpired) as e:
            raise Wrong(
                f"{what} ({'failed in process ' + str(page.fired_pid) if page.fired else 'never came'}): {e}\n{p.tails()}"
            ) from e
        return page.fired

    def covered(self):
        return set().union(*(p.failed() for p in self.pair.pages.values()))


def prepare(pair):
    pair.third = pair.node("127.0.0.3", pair.dir / "master.key", "third")


def units(build, page):
    """The unit sweeps, with a page that tells what they made fail."""
    exes = sorted(
        str(f)
        for f in (build / "test/unit").glob("*/test_fault*")
        if f.is_file() and os.access(f, os.X_OK) and f.suffix == ""
    )
    bad = []
    for exe in exes:
        p = subprocess.run([exe], env={**os.environ, **page.env}, capture_output=True, text=True)
        print(f"  {Path(exe).name}: {'good' if p.returncode == 0 else 'FAILED'}", flush=True)
        if p.returncode != 0:
            bad.append(exe)
            print(p.stdout[-2000:] + p.stderr[-2000:])
    return bad


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default="build/test", type=Path)
    ap.add_argument("--only", default=",".join(OPERATIONS))
    ap.add_argument("--match", default="", help="only places that contain this")
    ap.add_argument("--minutes", type=float, default=0, help="end after so long, with what was not done said")
    ap.add_argument("--sample", type=int, default=0, help="so many of each operation")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--no-units", action="store_true")
    ap.add_argument("--go-on", action="store_true", help="tell a failure and go on with a new pair")
    args = ap.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it early still gets the nodes taken down
    build = (ROOT / args.build).resolve()
    folder = Path(tempfile.mkdtemp(prefix="hf-sweep-"))
    folder.chmod(0o755)
    give(folder)
    until = time.monotonic() + args.minutes * 60 if args.minutes else float("inf")
    failed, bad, done, came, left = set(), [], 0, 0, 0
    rng = random.Random(args.seed)
    pair = None
    try:
        if not args.no_units:
            page = FaultPage(folder / "units.faults")
            bad += units(build, page)
            failed |= page.failed()
        names = args.only.split(",") if args.only else []
        for name in names:
            if pair is None:
                where = Path(tempfile.mkdtemp(prefix="pair-", dir=folder))
                where.chmod(0o755)
                give(where)
                pair = Pair(build / "src/cmd/holdfast", where)
                prepare(pair)
                sweep = Sweep(pair)
            sweep.learn(name)
            plan = [x for x in sweep.plans[name] if args.match in x[1]]
            if args.sample:
                plan = rng.sample(plan, min(args.sample, len(plan)))
            for i, (role, place, nth) in enumerate(plan):
                if time.monotonic() > until:
                    left += len(plan) - i
                    break
                begun = time.monotonic()
                try:
                    fired = sweep.one(name, role, place, nth)
                except Wrong as e:
                    bad.append(str(e).splitlines()[0])
                    print(f"FAILED {e}", flush=True)
                    failed |= sweep.covered()
                    pair.down()
                    if not args.go_on:
                        raise SystemExit(1)
                    where = Path(tempfile.mkdtemp(prefix="pair-", dir=folder))
                    where.chmod(0o755)
                    give(where)
                    pair = Pair(build / "src/cmd/holdfast", where)
                    prepare(pair)
                    sweep = Sweep(pair)
                    sweep.learn(name)  # names the places on the new pages
                    continue
                done, came = done + 1, came + fired
                print(
                    f"  {name} {i + 1}/{len(plan)}: {place} {nth} on the {role}: {'held' if fired else 'not reached'} "
                    f"({time.monotonic() - begun:.1f} s)",
                    flush=True,
                )
        if pair:
            failed |= sweep.covered()
            tried = pair.tried_again
    finally:
        if pair:
            pair.down()
        shutil.rmtree(folder, ignore_errors=True)
    never = sorted(places_in_sources() - failed)
    for place in never:
        print(f"never failed: {place}")
    whole = not args.match and not args.sample and not args.minutes
    print(
        f"{done} runs, {came} faults came, {len(bad)} invariants broken, {len(never)} places never failed, {left} left out"
        + (f", {tried} times an operator had to try again" if pair else "")
    )
    return 1 if bad or (whole and never) else 0


if __name__ == "__main__":
    sys.exit(main())
