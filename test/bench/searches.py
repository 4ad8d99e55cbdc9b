#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What people who search without a pause take from everybody else, on a pair that runs.

    searches.py --build build/release [--seconds 20] [--accounts 100000] [--users 16] [--connections 64]

A primary and its secondary on 127.0.0.1 and 127.0.0.2, real TLS 1.3. The accounts belong to the users in equal parts,
imported by them. Measured alone, then beside all users who search over everything in a loop: retrievals by wrk, how many
of them are refused, look-ups by name, answers of health, and the states of the pair. Exit 0 when no retrieval was refused,
health said 200 each time, and the pair was in step throughout.
"""
import argparse
import collections
import csv
import json
import shutil
import signal
import subprocess
import sys
import threading
import time

import bench
from bench import PASSWORD, Failed, join, say, wrk

sys.path.insert(0, str(bench.HERE.parent / "lib"))
from api import Api  # noqa: E402
from wait import pace  # noqa: E402


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))]


class Loop(threading.Thread):
    """Calls `once` again and again until the block is left; keeps what was answered and how long it took."""

    def __init__(self, once, pause=0.0):
        super().__init__(daemon=True)
        self.once, self.pause = once, pause
        self.over, self.answers, self.ms = threading.Event(), collections.Counter(), []

    def run(self):
        while not self.over.is_set():
            begun = time.monotonic()
            try:
                answer = self.once()
            except OSError as e:
                answer = type(e).__name__
            self.ms.append((time.monotonic() - begun) * 1000)
            self.answers[answer] += 1
            self.over.wait(self.pause)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(60)

    def times(self):
        return (
            f"p50 {percentile(self.ms, 50):.1f} ms, p99 {percentile(self.ms, 99):.1f} ms, slowest {max(self.ms):.0f} ms"
        )


class Searches(bench.Bench):
    def fill_by_users(self):
        """Users with an equal part of the accounts each; a session of each, and the work for wrk."""
        each, begun = self.args.accounts // self.args.users, time.monotonic()
        path, self.tokens = self.dir / "import.csv", []
        with open(self.dir / "work", "w") as work:
            for u in range(self.args.users):
                name, session = f"user{u:02}", self.dir / f"user{u:02}.session"
                token = json.loads(self.cli("user", "add", name, "--json").stdout)["setup_token"]
                self.cli(
                    "login",
                    "--setup",
                    "--ca",
                    self.a.web_cert,
                    self.a.url,
                    name,
                    session=session,
                    input=f"{token}\n{PASSWORD}\n",
                )
                with open(path, "w", newline="") as f:
                    w = csv.writer(f)
                    w.writerow(["resource", "login", "password", "url", "description"])
                    for i in range(u * each, (u + 1) * each):
                        w.writerow(
                            [f"site {i:06d}", "root", f"s3cret-site-{i:06d}", f"https://site{i}.example", f"row {i}"]
                        )
                self.cli("import", path, session=session, timeout=600)
                self.tokens.append(json.loads(session.read_text())["token"])
                ids = [
                    r[0]
                    for r in self.a.sql(
                        f"SELECT a.id FROM account a JOIN resource r ON r.id = a.resource JOIN principal p ON p.id = r.owner "
                        f"WHERE p.name = '{name}'",
                        timeout=120,
                    )
                ]
                work.write(" ".join([self.tokens[-1], *ids]) + "\n")
        say(
            f"  {each * self.args.users:,} accounts of {self.args.users} users imported in {time.monotonic() - begun:.1f} s"
        )
        return self.dir / "work"

    def searcher(self, u):
        """A user who types; what is typed is found nowhere or often, so both ways to walk are taken."""
        api, n, words = Api(self.a, self.tokens[u], timeout=60), [0], ("nowhere", f"site {u}", "example", "row 9")

        def search():
            n[0] += 1
            r = api.get(f"/v1/resources?limit=50&q={words[n[0] % len(words)].replace(' ', '%20')}")
            return r.status if r.status == 200 else r.code

        return Loop(search)

    def name_reader(self):
        api, n = Api(self.a, self.tokens[0], timeout=60), [0]
        each = self.args.accounts // self.args.users

        def read():
            n[0] += 7
            name = f"site%20{n[0] % each:06d}"
            r = api.get(f"/v1/resources?limit=2&name={name}")
            if r.status != 200:
                return r.code
            return 200 if len(r.json["resources"]) == 1 else "not found"

        return Loop(read, 0.02)

    def health_reader(self):
        """As another node asks: from its own machine, on a connection of its own each time."""

        def ask():
            h = self.a.health()
            return h[0] if h else "silent"

        return Loop(ask, 0.1)

    def state_reader(self):
        return Loop(lambda: (self.a.state(), self.b.state()), 0.2)

    def round(self, title, work, searchers):
        names, health, states = self.name_reader(), self.health_reader(), self.state_reader()
        loops = [names, health, states, *searchers]
        for x in loops:
            x.__enter__()
        try:
            rate, p50, p99, bad, n = wrk(self.a.url, work, self.args.seconds, connections=self.args.connections)
        finally:
            for x in loops:
                x.over.set()
            for x in loops:
                x.join(60)
        say(f"\n{title}")
        say(
            f"  retrievals: {rate:,.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms; {n:,} answered, {bad:,} refused or failed"
        )
        say(f"  look-ups by name: {names.times()}; {dict(names.answers)}")
        say(f"  health: {dict(health.answers)}, {health.times()}")
        say(f"  the pair: {dict(states.answers)}")
        if searchers:
            answers, ms = sum((s.answers for s in searchers), collections.Counter()), [
                m for s in searchers for m in s.ms
            ]
            say(f"  searches: {dict(answers)}, p50 {percentile(ms, 50):.0f} ms, p99 {percentile(ms, 99):.0f} ms")
        return (
            bad == 0
            and set(health.answers) == {200}
            and set(states.answers) == {("synced", "standby")}
            and set(names.answers) == {200}
        )

    def statement(self):
        """The look-up by name in the database alone, planned with its values as the program has it."""
        text = (
            (bench.HERE.parent.parent / "src/store/query/resource.sql").read_text().split("-- name: resource_named(")[1]
        )
        query = text[text.index("SELECT") : text.index(";")]
        user = self.a.sql("SELECT id FROM principal WHERE name = 'user00'")[0][0]
        for i, value in enumerate(
            (f"'{user}'::uuid", "'site 000077'", "''", "'00000000-0000-0000-0000-000000000000'::uuid", "2"), 1
        ):
            query = query.replace(f"${i}", value)
        lines = [
            r[0] for r in self.a.sql(f"EXPLAIN (ANALYZE, SUMMARY) {query};\n" * 5)
        ]  # the first one reads the catalogue
        took = [float(x.split()[2]) for x in lines if x.startswith("Execution Time:")]
        planned = [float(x.split()[2]) for x in lines if x.startswith("Planning Time:")]
        say(
            f"  the statement of a look-up by name: {percentile(took, 50):.2f} ms, and {percentile(planned, 50):.2f} ms to plan it"
        )
        with self.name_reader() as names:
            pace(5)
        say(f"  look-ups by name over HTTPS when nobody else asks: {names.times()}; {dict(names.answers)}")

    def run(self):
        self.start()
        work = self.fill_by_users()
        self.a.sql("ANALYZE", timeout=120)
        self.b.init(secondary=True)
        join(self.a, self.b)
        self.b.wait_state("standby")
        self.statement()
        wrk(self.a.url, work, 2, connections=self.args.connections)  # warm
        alone = self.round("alone", work, [])
        beside = self.round(
            f"beside {self.args.users} users who search in a loop",
            work,
            [self.searcher(u) for u in range(self.args.users)],
        )
        return alone and beside


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default="build/release")
    ap.add_argument("--dir", default=None, help="where the nodes' homes go (a real disk)")
    ap.add_argument("--seconds", type=int, default=20)
    ap.add_argument("--accounts", type=int, default=100000)
    ap.add_argument("--users", type=int, default=16)
    ap.add_argument("--connections", type=int, default=64)
    args = ap.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    b = Searches(args)
    try:
        good = b.run()
        say("\ngood: searches took nothing from anybody else" if good else "\nBAD: see above")
        return 0 if good else 1
    except (Failed, subprocess.TimeoutExpired) as e:
        print(e, file=sys.stderr)
        print(b.a.log_tail(), file=sys.stderr)
        return 1
    finally:
        b.down()
        shutil.rmtree(b.dir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
