# SPDX-License-Identifier: Apache-2.0
"""Programs of before, built from the history of this repository: what a pair is upgraded from.

A commit is built once, into <build>/releases/COMMIT. A clone without that history cannot: then there is a reason why not.
"""
import fcntl
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = (ROOT / os.environ.get("HOLDFAST_BUILD", "build/test")).resolve()

# What is in use somewhere and is to be upgraded from: {commit: its newest schema}. The one place that names them.
RELEASES = {"47d7cab": 8, "99fa0da": 13}


def why_not(commit):
    """None, or why the program of that commit cannot be built here."""
    p = subprocess.run(["git", "-C", ROOT, "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True, text=True)
    return None if p.returncode == 0 else f"this clone has no commit {commit} in its history"


def must(*argv, **kw):
    p = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **kw)
    if p.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit {p.returncode}\n{(p.stdout + p.stderr)[-4000:]}")


def unpack(commit, source):
    source.mkdir()
    with subprocess.Popen(["git", "-C", ROOT, "archive", commit], stdout=subprocess.PIPE) as git:
        must("tar", "-x", "-C", source, stdin=git.stdout)
    if git.returncode != 0:
        raise RuntimeError(f"git archive {commit}: exit {git.returncode}")


def program(commit):
    """The holdfast of that commit. Whoever asks for it at the same time waits."""
    folder = BUILD / "releases" / commit
    made = folder / "build/src/cmd/holdfast"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "built").exists():
            return made
        must("rm", "-rf", folder / "source", folder / "build")
        unpack(commit, folder / "source")
        must("meson", "setup", folder / "build", folder / "source", "--buildtype=debug")
        must("ninja", "-C", folder / "build", "src/cmd/holdfast")
        (folder / "built").touch()
    return made
