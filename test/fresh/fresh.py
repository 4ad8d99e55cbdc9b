#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The project on machines that have nothing of it: a minimal Debian 12 and a minimal Debian 13, and a pair under systemd.

    fresh.py [--releases bookworm trixie] [--keep]

On each release, with a PATH of the system's folders and an otherwise empty environment: as root `make demo ARGS=--once`, which
installs the packages, `make install`, and uninstall leaves nothing; the same as an ordinary user; `make check` as one of the two.
On each README's section on a pair is typed, line by line, on two machines that systemd runs (readme.py). What cannot be had
here is skipped, counted and said. --keep leaves the machines' files in build/fresh/work.

The last line is `N passed, N failed[, N skipped]`.
"""
import argparse
import os
import re
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))
import readme  # noqa: E402
from machine import Failed, Impossible, Machine, place_in_memory, private_mounts, sh, unpacked  # noqa: E402

RELEASES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
USER = "ada"
BEGUN = time.monotonic()


class Report:
    """Tells each step with its time, and counts."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()
        self.quiet = threading.Lock()  # for what plays against time: one at once

    def say(self, where, text):
        with self.lock:
            print(f"{time.monotonic() - BEGUN:6.0f} s  {where:<10} {text}", flush=True)

    def skip(self, where, why, n=1):
        self.skipped += n
        self.say(where, f"skipped: {why}")

    def step(self, where, name, what):
        """True when it went well; what follows from it is not tried otherwise. Impossible passes through: it is the whole that cannot be had."""
        self.say(where, f"{name} …")
        begun = time.monotonic()
        try:
            said = what()
        except Impossible:
            raise
        except Exception as e:  # whatever it was, the other machines go on
            self.failed += 1
            self.say(
                where, f"{name}: FAILED\n{e if isinstance(e, (Failed, AssertionError)) else traceback.format_exc()}"
            )
            return False
        self.passed += 1
        self.say(where, f"{name}: good ({time.monotonic() - begun:.0f} s){': ' + said if said else ''}")
        return True


def repository(folder):
    """The project as it lies here, what is not committed included, to be cloned from."""
    env = dict(
        os.environ,
        GIT_DIR=str(folder),
        GIT_WORK_TREE=str(ROOT),
        GIT_INDEX_FILE=str(folder / "index"),
        GIT_CONFIG_GLOBAL="/dev/null",
        **{f"GIT_{who}_{what}": "fresh" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    )
    sh("git", "init", "-q", "--bare", "-b", "main", folder)
    for words in ("add -A", "commit -q -m tree"):
        p = sh("git", *words.split(), env=env, cwd=ROOT)
        if p.returncode != 0:
            raise Failed(f"git {words}: {p.stdout}")
    return folder


def nothing_left(m, before):
    """Files are as they were, and nobody runs."""
    after = m.files()
    new, gone = sorted(after - before), sorted(before - after)
    assert not new and not gone, "left or changed:\n  " + "\n  ".join(new + ["was: " + g for g in gone])
    temporary = m.run("ls -A /tmp /var/tmp /dev/shm").stdout.split()
    assert [t for t in temporary if not t.endswith(":")] == [], temporary
    assert m.processes() == [], m.processes()


def demo(m, user=None):
    out = m.run("make demo ARGS=--once", user=user, timeout=600).stdout
    told = re.findall(r"everything held, in \d+ s", out)
    assert told, out[-3000:]
    return told[0]


def install_and_remove(m, user=None):
    """`make uninstall` leaves nothing that `make install` made, but the user."""
    prefix = f"/home/{user}/.local" if user else "/usr/local"
    where = f" PREFIX={prefix}" if user else ""
    home = f"/home/{user}" if user else None
    files = lambda: set(m.run(f"find {home} -printf '%p %y %m %U\\n'").stdout.splitlines()) if user else m.files()
    before = files()
    m.run(f"make install{where}", user=user)
    said = m.run(f"{prefix}/bin/holdfast --version", user=user).stdout.strip()
    made = files() - before
    assert any(line.startswith(f"{prefix}/share/man/man1/holdfast.1 ") for line in made), made
    if not user:
        assert m.run("getent passwd holdfast").stdout
        assert not [
            line for line in made if line.startswith(prefix) and not re.search(r" (f 644|f 755|d 755) 0:0$", line)
        ], made
    m.run(f"make install{where}", user=user)  # again, over it
    told = m.run(f"make uninstall{where}", user=user).stdout
    if not user:
        assert "userdel holdfast" in told, told
    left = files() - before
    assert not left, "left: " + "\n  ".join(sorted(left))
    return said


def check(m, user=None):
    out = m.run("make check", user=user, timeout=1800).stdout
    found = re.findall(r"^\d+ passed, \d+ failed.*$", out, re.M)
    assert found and " 0 failed" in found[-1], out[-3000:]
    return found[-1]


class Release(threading.Thread):
    """One release's machine, from nothing on. `installed` is set when packages and program are there: then another may begin on a copy."""

    def __init__(self, report, place, work, code, checker):
        super().__init__(daemon=True)
        self.report, self.place, self.work, self.code, self.checker = report, place, work, code, checker
        self.label = RELEASES.get(code, code)
        self.had, self.base, self.copy = False, None, None
        self.installed = threading.Event()

    def run(self):
        try:
            self.play()
        except Impossible as e:
            self.report.skip(self.label, e)
        except Exception:  # a thread's end is not seen otherwise
            self.report.step(self.label, "the machine", lambda: (_ for _ in ()).throw(Failed(traceback.format_exc())))
        finally:
            self.installed.set()

    def play(self):
        report, label = self.report, self.label
        say = lambda text: report.say(label, text)
        self.base = unpacked(self.code, self.place["cache"], self.work, say)
        m = Machine(
            "fresh", self.work / f"{self.code}-machine", [self.base], log=self.place["logs"] / f"{self.code}.log"
        ).start()
        try:
            shutil.copytree(self.place["repository"], f"/proc/{m.first}/root/srv/holdfast.git")
            if not report.step(
                label,
                "packages: git and make",
                lambda: m.run(
                    "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends git make",
                    timeout=600,
                )
                and None,
            ):
                return
            self.had = True
            m.cwd = "/srv"
            m.run("git clone -q file:///srv/holdfast.git holdfast")
            m.cwd = "/srv/holdfast"
            if not report.step(label, "make demo ARGS=--once, as root", lambda: demo(m)):
                return
            if not report.step(label, "make install, make uninstall, as root", lambda: install_and_remove(m)):
                return
            # Beside it, since two machines cannot share what one of them still changes.
            copy = self.work / f"{self.code}-installed"
            sh("cp", "-a", m.upper, copy)
            self.copy = copy
            self.installed.set()
            m.run(f"useradd --create-home {USER} && chown -R {USER}: /srv/holdfast")  # one build is enough
            before = m.files()
            with report.quiet:
                report.step(label, "make demo ARGS=--once, as a user", lambda: demo(m, USER))
            report.step(label, "make install, make uninstall, as a user", lambda: install_and_remove(m, USER))
            who = USER if self.checker == "user" else None
            report.step(label, f"make check, as {'a user' if who else 'root'}", lambda: check(m, who))
            report.step(label, "nothing is left of it", lambda: nothing_left(m, before))
        finally:
            m.stop()


def place_for(keep):
    """Where what is kept, and what is not, lies."""
    cache = Path(
        os.environ.get("XDG_CACHE_HOME")
        or (os.path.expanduser("~/.cache") if os.environ.get("HOME") else ROOT / "build")
    )
    place = {
        "cache": cache / "holdfast/fresh",
        "work": ROOT / "build/fresh/work",
        "logs": ROOT / "build/fresh/logs",
    }
    place["repository"] = place["work"] / "repository"
    shutil.rmtree(place["work"], ignore_errors=True)
    for p in ("work", "logs"):
        place[p].mkdir(parents=True, exist_ok=True)
    for log in place["logs"].glob("*.log"):
        log.unlink()
    if not keep:
        place_in_memory(place["work"])
    place["repository"].mkdir()
    repository(place["repository"])
    return place


def pair_of(report, place, r):
    """Two machines made from what the release's own has installed."""
    r.installed.wait()
    if r.copy:
        readme.play(report, r.label, place, r.work, r.code, [r.copy, r.base])
    else:
        report.skip(f"pair, {r.label.split()[-1]}", "its release is not ready for it")


def play(report, place, releases):
    runs = [Release(report, place, place["work"], code, ("root", "user")[i % 2]) for i, code in enumerate(releases)]
    for r in runs:
        r.start()
    pairs = [threading.Thread(target=pair_of, args=(report, place, r), daemon=True) for r in runs]
    for t in pairs:
        t.start()
    for t in pairs:
        t.join()
    for r in runs:
        r.join()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--releases", nargs="+", default=list(RELEASES))
    ap.add_argument("--keep", action="store_true", help="leave the machines' files")
    args = ap.parse_args()
    report = Report()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell had it ignored
    place = None
    try:
        private_mounts()
        place = place_for(args.keep)
        play(report, place, args.releases)
    except Impossible as e:
        report.skip("all", e)
    except KeyboardInterrupt:
        print("ended", flush=True)
        report.failed += 1
    finally:
        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, signal.SIG_IGN)  # taking down is not interrupted
        if place and not args.keep:
            Machine.stop_all()
            sh("umount", "-l", place["work"])
            shutil.rmtree(place["work"], ignore_errors=True)
    text = f"{report.passed} passed, {report.failed} failed"
    print(text + (f", {report.skipped} skipped" if report.skipped else ""), flush=True)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
