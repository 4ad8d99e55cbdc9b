#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs suites of tests against one build folder and adds up what they counted.

    run_tests.py --build build/test unit it web ha failover-short

unit            meson's tests (cmocka and corpora); every cmocka test counts for itself
it              test/it: the real binary, real PostgreSQL, real TLS
ha              test/ha: hosts in network namespaces; needs root, else skipped, counted and said so
                Of the longest files of both, some are drawn by --seed; all run with WHOLE=1 in the environment
it-sample, ha-sample   a part of them, drawn by --seed (the day, unless told): for builds that are slow (sanitizers). Of ha always
                what crosses every kind of code once
web             test/web: the console in a real browser; skipped, counted and said so where there is none
upgrade         test/upgrade: pairs of former programs, built from the history; needs root and that history, else skipped, counted
                and said so. upgrade-sample: one story of it, drawn by --seed
soak            three minutes of random faults on two pairs; each round counts as a test
failover-short  prints the table of seconds from fault to first emergency answer, few runs; says nothing about passing

The last line is `N passed, N failed, N skipped`; the exit code is 0 only when nothing failed. The same numbers go to
<build>/results/<suite>.json for whoever adds up several builds.
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test/lib"))
from pair import STOCK_PATH  # noqa: E402

CMOCKA_RUN = re.compile(r"^\[=+\] (?:[^\n]*: )?(\d+) test\(s\) run\.", re.M)
CMOCKA_PASSED = re.compile(r"^\[  PASSED  \] (?:[^\n]*: )?(\d+) test\(s\)", re.M)
CMOCKA_SKIPPED = re.compile(r"^\[  SKIPPED \] (?:[^\n]*: )?(\d+) test\(s\)", re.M)
MESON_SKIP = 77
# What a user's machine has not, and this one may have.
FOREIGN = re.compile(r"^(LANG|LANGUAGE|LC_\w+|TZ|PG\w+|HOLDFAST_HOME|HOLDFAST_SESSION|HOLDFAST_USER|HOLDFAST_PG_BIN)$")
IT_STAGES = 2
WEB_STAGES = 2
HA_STAGES = 4
# How much of a suite its sample takes, and what is in it whatever the seed.
IT_SHARE, HA_SHARE = 0.2, 0.05
# Files of about a minute or more each, of which a run has so many, drawn by --seed; all of them with WHOLE=1 in the environment.
LONG = {
    "test/it": (
        2,
        [
            "test_certificates.py",
            "test_import.py",
            "test_lifetimes.py",
            "test_moved.py",
            "test_orders.py",
            "test_rebuild.py",
            "test_refusals.py",
            "test_succession.py",
            "test_sweep.py",
        ],
    ),
    "test/ha": (
        5,
        [
            "test_alerts.py",
            "test_as_of.py",
            "test_chain_memory.py",
            "test_damage.py",
            "test_emergency_change.py",
            "test_epochs.py",
            "test_haproxy.py",
            "test_history.py",
            "test_journal_damage.py",
            "test_line.py",
            "test_roles.py",
            "test_runbook.py",
            "test_slot.py",
            "test_strangers.py",
            "test_three.py",
            "test_two_primaries.py",
        ],
    ),
}
HA_ALWAYS = "node-kill or keyd-kill or test_link_is_cut or in_the_middle_of_the_merge or test_promises"


class Tally:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        return self

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def run(argv, env=None, **kw):
    return subprocess.run([str(a) for a in argv], env=env, cwd=ROOT, **kw)


def environment(build):
    env = {k: v for k, v in os.environ.items() if not FOREIGN.match(k)}
    env.update(
        PATH=STOCK_PATH,
        HOLDFAST=str(build / "src/cmd/holdfast"),
        HOLDFAST_BUILD=str(build),
        PYTHONDONTWRITEBYTECODE="1",
    )
    # Leaks at exit of a crash-only process are no fault; everything else ends the test.
    env.setdefault("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=1:disable_coredump=1:allocator_may_return_null=0")
    env.setdefault("UBSAN_OPTIONS", "abort_on_error=1:print_stacktrace=1")
    return env


def is_sanitized(build):
    try:
        options = json.loads((build / "meson-info/intro-buildoptions.json").read_text())
    except OSError:
        return False
    return any(o["name"] == "b_sanitize" and o["value"] != "none" for o in options)


def count_one(test):
    """One program of meson's list: its cmocka tests if it printed their sum, else itself."""
    text = (test.get("stdout") or "") + (test.get("stderr") or "")
    code = test.get("returncode")
    ran, passed = CMOCKA_RUN.findall(text), CMOCKA_PASSED.findall(text)
    skipped = sum(int(n) for n in CMOCKA_SKIPPED.findall(text))
    if code == MESON_SKIP or test.get("result") == "SKIP":
        return Tally(skipped=1)
    if not ran or not passed:
        return Tally(passed=1) if code == 0 else Tally(failed=1)
    total, good = sum(map(int, ran)), sum(map(int, passed))
    tally = Tally(good, total - good - skipped, skipped)
    if code != 0 and tally.failed == 0:
        tally.failed = 1  # it died after its last test, or before all had run
    return tally


def unit(build, jobs, extra):
    log = build / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    slow = "4" if is_sanitized(build) else "2"
    run(
        [
            "meson",
            "test",
            "-C",
            build,
            "--no-rebuild",
            "--num-processes",
            jobs,
            "--print-errorlogs",
            "-t",
            slow,
            *extra,
        ],
        env=environment(build),
    )
    tally = Tally()
    if not log.exists():
        print("unit: meson ran nothing")
        return Tally(failed=1)
    for line in log.read_text().splitlines():
        tally += count_one(json.loads(line))
    if tally.passed + tally.failed + tally.skipped == 0:
        print("unit: no test was found")
        tally.failed = 1
    return tally


def pytest(folder, build, extra, stages=1, tests=None):
    """stages: how many processes share the files. More than there are cores where tests mostly wait. tests: names; None: all."""
    if not list((ROOT / folder).rglob("test_*.py")):
        print(f"{folder}: no test was found")
        return Tally(failed=1)
    results = build / "results"
    results.mkdir(exist_ok=True)
    junit = results / (folder.replace("/", "-") + ".xml")
    junit.unlink(missing_ok=True)
    shared = ["-n", str(stages), "--dist", "loadfile"] if stages > 1 else []
    code = run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-rsfE",
            "-p",
            "no:cacheprovider",
            f"--junitxml={junit}",
            *(tests or [folder]),
            *shared,
            *extra,
        ],
        env=environment(build),
    ).returncode
    if not junit.exists():
        return Tally(failed=1)
    tally = Tally()
    for suite in ET.parse(junit).getroot().iter("testsuite"):
        n, bad, skip = (int(suite.get(k, 0)) for k in ("tests", "failures", "skipped"))
        bad += int(suite.get("errors", 0))
        tally += Tally(max(0, n - bad - skip), bad, skip)
    if code not in (0, 5) and tally.failed == 0:
        tally.failed = 1
    return tally


def collect(folder, build, words=None):
    """The names of the tests that there are."""
    p = run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--collect-only",
            "-p",
            "no:cacheprovider",
            folder,
            *(["-k", words] if words else []),
        ],
        env=environment(build),
        capture_output=True,
        text=True,
    )
    return [l for l in p.stdout.splitlines() if "::" in l]


def sample(folder, build, share, seed, stages, always=None):
    """Whole files, in the order that the seed gives, until the share is reached: a file's tests may build on each other."""
    tests = collect(folder, build)
    kept = set(collect(folder, build, always)) if always else set()
    wanted = len(kept) + round((len(tests) - len(kept)) * share)
    files = sorted({t.split("::")[0] for t in tests})
    for name in random.Random(seed).sample(files, len(files)):
        if len(kept) < wanted:
            kept |= {t for t in tests if t.split("::")[0] == name}
    print(f"{folder}: {len(kept)} of {len(tests)} tests, drawn with --seed {seed}", flush=True)
    if not kept:
        return Tally(failed=1)
    return pytest(folder, build, [], stages, [t for t in tests if t in kept])


def upgrade_sample(build, seed):
    """One story on one former program."""
    tests = collect("test/upgrade", build)
    if not tests:
        print("test/upgrade: no test was found")
        return Tally(failed=1)
    drawn = random.Random(seed).choice(tests)
    print(f"test/upgrade: {drawn} of {len(tests)} tests, drawn with --seed {seed}", flush=True)
    return pytest("test/upgrade", build, [], tests=[drawn])


def with_long_drawn(folder, build, extra, stages, seed):
    """All of the folder, but of its long files only those that the seed draws; tests that are named are not left out."""
    count, files = LONG[folder]
    left = (
        []
        if os.environ.get("WHOLE") or "-k" in extra
        else sorted(random.Random(seed).sample(files, len(files) - count))
    )
    if left:
        print(f"{folder}: without {', '.join(left)}, drawn with --seed {seed}; WHOLE=1 runs all", flush=True)
    return pytest(folder, build, [*extra, *(f"--ignore={folder}/{name}" for name in left)], stages)


def failover_short(build):
    argv = [
        sys.executable,
        "test/ha/failover.py",
        "--holdfast",
        build / "src/cmd/holdfast",
        "--runs",
        "2",
        "--faults",
        "p-node-kill",
    ]
    code = run(argv, env=environment(build)).returncode
    return Tally(skipped=1) if code == MESON_SKIP else Tally(passed=int(code == 0), failed=int(code != 0))


def soak(build, seed):
    results = build / "results/soak-rounds.json"
    results.unlink(missing_ok=True)
    argv = [
        sys.executable,
        "test/ha/soak.py",
        "--holdfast",
        build / "src/cmd/holdfast",
        "--minutes",
        "3",
        "--parallel",
        "2",
        "--json",
        results,
    ]
    code = run([*argv, "--seed", str(seed)], env=environment(build)).returncode
    if code == MESON_SKIP:
        return Tally(skipped=1)
    rounds = json.loads(results.read_text())["rounds"] if results.exists() else 0
    return Tally(rounds, int(code != 0))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default="build/test", type=Path)
    ap.add_argument("--jobs", default=str(os.cpu_count() or 1))
    ap.add_argument("-k", default=None, help="passed to pytest: only tests whose names match")
    ap.add_argument("-x", action="store_true", help="passed to pytest: end at the first failure")
    ap.add_argument(
        "--seed", type=int, default=int(time.time()) // 86400, help="of samples and of the soak; the log names it"
    )
    ap.add_argument(
        "suites",
        nargs="+",
        choices=[
            "unit",
            "it",
            "it-sample",
            "web",
            "ha",
            "ha-sample",
            "upgrade",
            "upgrade-sample",
            "soak",
            "failover-short",
        ],
    )
    args = ap.parse_args()
    os.umask(0o022)  # what is built here is executed by the product's own user too
    build = (ROOT / args.build).resolve()
    extra = (["-k", args.k] if args.k else []) + (["-x"] if args.x else [])

    targets = ["all"]
    if run(["ninja", "-C", build, "-j", args.jobs, *targets, "meson-test-prereq"]).returncode != 0:
        print("the build failed")
        print("0 passed, 1 failed")
        return 1
    total = Tally()
    (build / "results").mkdir(exist_ok=True)
    for suite in args.suites:
        begun = time.monotonic()
        print(f"== {suite}", flush=True)
        tally = {
            "unit": lambda: unit(build, args.jobs, []),
            "it": lambda: with_long_drawn("test/it", build, extra, IT_STAGES, args.seed),
            "web": lambda: pytest("test/web", build, extra, WEB_STAGES),
            "ha": lambda: with_long_drawn("test/ha", build, extra, HA_STAGES, args.seed),
            "it-sample": lambda: sample("test/it", build, IT_SHARE, args.seed, IT_STAGES),
            "ha-sample": lambda: sample("test/ha", build, HA_SHARE, args.seed, HA_STAGES, HA_ALWAYS),
            "upgrade": lambda: pytest("test/upgrade", build, extra),
            "upgrade-sample": lambda: upgrade_sample(build, args.seed),
            "soak": lambda: soak(build, args.seed),
            "failover-short": lambda: failover_short(build),
        }[suite]()
        (build / "results" / f"{suite}.json").write_text(json.dumps(vars(tally)))
        print(f"== {suite}: {tally} ({time.monotonic() - begun:.0f} s)", flush=True)
        total += tally
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
