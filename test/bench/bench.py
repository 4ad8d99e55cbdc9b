#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much a node does, and what it costs, beside what bounds it, in one run on one machine.

    bench.py --build build/release [--seconds 10] [--accounts 10000] [--small 1000] [--large 100000] [--quick]

A node and its secondary on 127.0.0.1 and 127.0.0.2, real TLS 1.3, wrk with 64 connections. Every retrieval is
authorised, opened and durably in the log before it is answered. Order: alone with few accounts, alone with the usual
number, the limits, one by one, with the secondary streaming, versions, logins, alone again with many accounts.
"""
import argparse
import csv
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
from pair import USER, Failed, Node, drop_prefix, free_port, give, join, stat_of  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
PASSWORD = "Correct-Horse-7-battery"
PROCESSES = ["vaultd", "keyd", "agent", "postgres"]


def say(text):
    print(text, flush=True)


def cpu(node):
    """Seconds of CPU used by each of the node's processes so far."""
    return {what: sum(s[3] for p in node.pids(what) if (s := stat_of(p))) / TICK for what in PROCESSES}


def pss_mb(node):
    """Proportional resident memory of each process, MiB (pages shared with others are counted once)."""
    out = {}
    for what in ["supervisor", *PROCESSES]:
        total = 0
        for p in node.pids(what):
            try:
                text = Path(f"/proc/{p}/smaps_rollup").read_text()
            except OSError:
                continue
            total += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
        out[what] = total / 1024
    return out


def wrk(url, work, seconds, kind="retrieve", connections=64, login=None):
    """(requests/s, p50 ms, p99 ms, answers that were errors)"""
    env = dict(os.environ, BENCH_WORK=str(work), BENCH_KIND=kind, BENCH_LOGIN=str(login or ""))
    p = subprocess.run(
        ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(HERE / "retrieve.lua"), url],
        capture_output=True,
        text=True,
        env=env,
    )
    m = re.search(r"^RESULT (\d+) ([\d.]+) ([\d.]+) ([\d.]+) (\d+)", p.stdout, re.M)
    if not m:
        raise Failed(f"wrk: {p.stdout}{p.stderr}")
    if int(m[5]):
        say(f"    {m[5]} answers were errors; {p.stderr.strip()[:400]}")
    good = int(m[1]) - int(m[5])
    return good / float(m[2]), float(m[3]), float(m[4]), int(m[5]), good


def measure(node, name, work, seconds, kind="retrieve", url=None, **kw):
    wrk(url or node.url, work, 2, kind, **kw)  # warm
    before = cpu(node) if node else {}
    rate, p50, p99, bad, n = wrk(url or node.url, work, seconds, kind, **kw)
    after = cpu(node) if node else {}
    per = {k: (after[k] - before[k]) / max(n, 1) * 1e6 for k in before}
    say(f"  {name}: {rate:,.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms" + (f", {bad} errors" if bad else ""))
    return {"name": name, "rate": rate, "p50": p50, "p99": p99, "bad": bad, "cpu": per}


class Bench:
    def __init__(self, args):
        self.args = args
        self.build = Path(args.build).resolve()
        self.holdfast = self.build / "src/cmd/holdfast"
        self.dir = Path(tempfile.mkdtemp(prefix="holdfast-bench-", dir=args.dir))
        self.dir.chmod(0o755)
        give(self.dir)
        self.results, self.limits, self.programs = [], {}, []
        key = self.dir / "master.key"
        self.a, self.b = (
            self.node(h, name, addr, key)
            for h, name, addr in (("a", "127.0.0.1", "127.0.0.1"), ("b", "127.0.0.2", "127.0.0.2"))
        )
        self.session = self.dir / "admin.session"
        self.imported = 0

    def node(self, folder, name, address, key):
        place = self.dir / folder
        place.mkdir()
        give(place)
        return Node(
            self.holdfast,
            place / "home",
            name,
            f"{address}:{free_port(address, 7272)}",
            f"{address}:{free_port(address, 2345)}",
            key,
        )

    def cli(self, *args, session=None, **kw):
        return self.a.cli(*args, session=session or self.session, **kw)

    def login(self, i):
        path = self.dir / f"s{i}.session"
        self.cli("login", "--ca", self.a.web_cert, self.a.url, "admin", session=path, input=PASSWORD + "\n")
        return json.loads(path.read_text())["token"]

    def start(self):
        self.a.init()
        self.a.start()
        self.cli(
            "login",
            "--setup",
            "--ca",
            self.a.web_cert,
            self.a.url,
            "admin",
            input=f"{self.a.setup_token()}\n{PASSWORD}\n",
        )

    def fill(self, upto):
        """Imports in files of at most 10,000 rows."""
        begun = time.monotonic()
        first = self.imported
        while self.imported < upto:
            n = min(10000, upto - self.imported)
            path = self.dir / "import.csv"
            with open(path, "w", newline="") as f:
                w = csv.writer(f)
                w.writerow(["resource", "login", "password", "url", "description"])
                for i in range(self.imported, self.imported + n):
                    w.writerow(
                        [f"site {i:06d}", "root", f"s3cret-site-{i:06d}", f"https://site{i}.example", f"row {i}"]
                    )
            self.cli("import", path, timeout=600)
            self.imported += n
        took = time.monotonic() - begun
        say(f"  {upto - first:,} accounts imported in {took:.1f} s ({(upto - first) / max(took, 1e-9):,.0f}/s)")
        return took

    def work(self, sessions=8):
        ids = [r[0] for r in self.a.sql("SELECT id FROM account WHERE deleted_at IS NULL", timeout=120)]
        path = self.dir / "work"
        with open(path, "w") as f:
            for i in range(sessions):
                f.write(" ".join([self.login(i), *ids]) + "\n")
        return path

    def users(self, n):
        """Users who have set their first password; a file of bodies that log them in."""
        path = self.dir / "logins"
        with open(path, "w") as f:
            for i in range(n):
                name = f"user{i:03d}"
                token = json.loads(self.cli("user", "add", name, "--json").stdout)["setup_token"]
                self.cli(
                    "login",
                    "--setup",
                    "--ca",
                    self.a.web_cert,
                    self.a.url,
                    name,
                    session=self.dir / "user.session",
                    input=f"{token}\n{PASSWORD}\n",
                )
                f.write(json.dumps({"name": name, "password": PASSWORD}) + "\n")
        return path

    def program(self, *argv):
        p = subprocess.Popen([*map(str, argv)], stdout=subprocess.PIPE, text=True)
        self.programs.append(p)
        if p.stdout.readline().strip() != "ready":
            raise Failed(f"{argv[0]} did not start")
        return p

    def end(self, p):
        p.terminate()
        p.wait(20)
        self.programs.remove(p)

    def tls(self):
        """A certificate for the programs measured against."""
        d = self.dir / "tls"
        d.mkdir(exist_ok=True)
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=127.0.0.1",
                "-keyout",
                d / "k.pem",
                "-out",
                d / "c.pem",
            ],
            check=True,
            capture_output=True,
        )
        os.chmod(d / "k.pem", 0o644)
        return d / "c.pem", d / "k.pem"

    def conninfo(self, database):
        return f"host={self.a.home}/run port={self.a.pair_listen.rsplit(':', 1)[1]} user={USER} dbname={database}"

    def limit_http(self, work, seconds):
        cert, key = self.tls()
        port = free_port("0.0.0.0", 7372)
        p = self.program(self.build / "test/bench/limit_http", port, cert, key, 2)
        try:
            return measure(None, "limit: HTTP library, a constant", work, seconds, url=f"https://127.0.0.1:{port}")
        finally:
            self.end(p)

    def limit_pg(self, seconds, batch=64):
        self.a.sql("CREATE DATABASE bench_limit", database="postgres")
        try:
            p = subprocess.run(
                [
                    *drop_prefix(),
                    str(self.build / "test/bench/limit_pg"),
                    self.conninfo("bench_limit"),
                    str(batch),
                    str(seconds),
                ],
                capture_output=True,
                text=True,
                cwd="/",
            )
            if p.returncode != 0:
                raise Failed(p.stderr)
            rate = float(p.stdout)
        finally:
            self.a.sql("DROP DATABASE bench_limit WITH (FORCE)", database="postgres")
        say(f"  limit: PostgreSQL, event rows in batches of {batch}: {rate:,.0f}/s")
        return {"name": f"limit: PostgreSQL, event rows in batches of {batch}", "rate": rate}

    def one_by_one(self, work, seconds):
        """On a copy of the database, so that its rows do not meet the product's log."""
        cert, key = self.tls()
        port = free_port("127.0.0.1", 7472)
        self.a.sql("CREATE DATABASE bench_one TEMPLATE template0", database="postgres")
        where = f"-h {self.a.home}/run -p {self.a.pair_listen.rsplit(':', 1)[1]} -U {USER}"
        dump = subprocess.run(
            [
                *drop_prefix(),
                "bash",
                "-c",
                f"set -o pipefail; pg_dump {where} holdfast | psql -q -X {where} bench_one >/dev/null",
            ],
            capture_output=True,
            text=True,
            cwd="/",
        )
        if dump.returncode != 0:
            raise Failed(dump.stderr)
        self.a.sql("ANALYZE", database="bench_one")
        mac, user = self.a.sql(
            "SELECT encode(s.mac, 'hex'), s.principal FROM session s ORDER BY s.created_at DESC LIMIT 1"
        )[0]
        try:
            p = self.program(
                *drop_prefix(),
                self.build / "test/bench/one_by_one",
                self.conninfo("bench_one"),
                f"127.0.0.1:{port}",
                cert,
                key,
                mac,
                user,
                16,
                2,
            )
            try:
                return measure(
                    None, "one transaction per request, 16 connections", work, seconds, url=f"https://127.0.0.1:{port}"
                )
            finally:
                self.end(p)
        finally:
            self.a.sql("DROP DATABASE bench_one WITH (FORCE)", database="postgres")

    def run(self):
        args = self.args
        s = args.seconds
        self.start()
        idle = pss_mb(self.a)
        say(f"  idle node: {sum(idle.values()):.0f} MiB")
        self.idle = idle
        self.fill(args.small)
        small = measure(self.a, f"retrievals, {args.small:,} accounts", self.work(), s)
        self.import_s = self.fill(args.accounts)
        work = self.work()
        main = measure(self.a, f"retrievals, {args.accounts:,} accounts", work, s)
        self.busy = pss_mb(self.a)
        http = self.limit_http(work, s)
        pg = self.limit_pg(s)
        one = self.one_by_one(work, s)
        self.results = [small, main, http, pg, one]
        write_alone = measure(self.a, "versions written", work, s, "write")
        logins = measure(
            self.a, "logins (32 users, 8 connections)", work, s, "login", connections=8, login=self.users(32)
        )
        self.results += [write_alone, logins]
        if not args.no_pair:
            self.b.init(secondary=True)
            join(self.a, self.b)
            work = self.work()
            both = measure(self.a, "retrievals, the secondary streaming (both)", work, s)
            self.results += [both, measure(self.a, "versions, the secondary streaming (both)", work, s, "write")]
            self.b.stop()
        else:
            both = None
        if args.large:
            self.fill(args.large)
            work = self.work()
            self.results.append(measure(self.a, f"retrievals, {args.large:,} accounts", work, s))
        self.table(main, http, pg, one, both)

    def table(self, main, http, pg, one, both):
        model = next(
            (
                l.split(":")[1].strip()
                for l in Path("/proc/cpuinfo").read_text().splitlines()
                if l.startswith("model name")
            ),
            platform.machine(),
        )
        mem = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        say(
            f"\n{os.cpu_count()} cores ({model}), {mem:.0f} GB; wrk, 64 connections, TLS 1.3, on the same machine; {self.args.seconds} s each\n"
        )
        say(f"{'':52}{'per s':>9} {'p50 ms':>8} {'p99 ms':>8}   CPU µs each: vaultd keyd agent postgres")
        for r in self.results:
            c = r.get("cpu") or {}
            cells = " ".join(f"{c[k]:7.0f}" for k in PROCESSES) if c else ""
            say(
                f"{r['name']:52}{r['rate']:9,.0f} "
                + (f"{r['p50']:8.1f} {r['p99']:8.1f}   {'':12}{cells}" if "p50" in r else "")
                + (f"  {r['bad']} errors" if r.get("bad") else "")
            )
        slower = min(http["rate"], pg["rate"])
        say(f"\nimport of {self.args.accounts - self.args.small:,} accounts: {self.import_s:.1f} s")
        say(
            f"memory (PSS): idle {sum(self.idle.values()):.0f} MiB ({', '.join(f'{k} {v:.0f}' for k, v in self.idle.items())}); "
            f"after the load {sum(self.busy.values()):.0f} MiB ({', '.join(f'{k} {v:.0f}' for k, v in self.busy.items())})"
        )
        say(
            f"retrievals: {main['rate'] / slower * 100:.0f} % of the slower limit; {main['rate'] / one['rate']:.1f} × one transaction per request"
        )
        if both:
            say(f"with the secondary streaming: {both['rate'] / main['rate'] * 100:.0f} % of alone")

    def down(self):
        for p in list(self.programs):
            p.kill()
        for n in (self.a, self.b):
            if n.proc:
                n.end()
        shutil.rmtree(self.dir, ignore_errors=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default="build/release")
    ap.add_argument("--dir", default=None, help="where the nodes' homes go (a real disk)")
    ap.add_argument("--seconds", type=int, default=10)
    ap.add_argument("--accounts", type=int, default=10000)
    ap.add_argument("--small", type=int, default=1000)
    ap.add_argument("--large", type=int, default=100000)
    ap.add_argument("--no-pair", action="store_true")
    ap.add_argument("--quick", action="store_true", help="3 s each, no large import")
    args = ap.parse_args()
    if args.quick:
        args.seconds, args.large = 3, 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    b = Bench(args)
    try:
        b.run()
        return 0
    except Failed as e:
        print(e, file=sys.stderr)
        print(b.a.log_tail(), file=sys.stderr)
        return 1
    finally:
        b.down()


if __name__ == "__main__":
    sys.exit(main())
