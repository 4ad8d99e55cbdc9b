#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Commit messages: `folder: imperative`, at most 60 characters, and a body that says why.

Looks at every commit since SINCE that is no merge. Exits with 77 (skipped) where there is no history to look at.
"""
import os
import re
import subprocess
import sys

SINCE = "2026-11-28T20:10:00Z"
SUBJECT_MAX = 60
SUBJECT = re.compile(r"[a-z0-9_./-]+(, [a-z0-9_./-]+)*: (\S+)( \S.*)?")
TRAILER = re.compile(r"[A-Z][\w-]*: \S.*")
# How a subject begins that tells what is instead of saying what to do.
TELLS = "a all an and as at each every everybody he if in it its no nobody nothing of on one she some that the their".split()
TELLS += "there these they this those to what when where which who whoever with you".split()


def git(*args):
    return subprocess.run(["git", *args], capture_output=True, text=True)


def faults_of(message):
    lines = message.rstrip("\n").split("\n")
    subject, rest = lines[0], lines[1:]
    form = SUBJECT.fullmatch(subject)
    if not form:
        yield "the subject is not `folder: imperative`"
    elif form[2] in TELLS or form[2][0].isupper() or re.search(r"(?<!e)ed$|ing$", form[2]):
        yield f"the subject does not begin with an imperative: {form[2]}"
    if len(subject) > SUBJECT_MAX:
        yield f"the subject has {len(subject)} characters, more than {SUBJECT_MAX}"
    if subject.endswith("."):
        yield "the subject ends with a full stop"
    if rest and rest[0]:
        yield "no empty line follows the subject"
    if not any(line.strip() and not TRAILER.fullmatch(line) for line in rest):
        yield "no body says why"


def main():
    since = sys.argv[1] if len(sys.argv) > 1 else SINCE
    if git("rev-parse", "--verify", "HEAD").returncode:
        print("commits: skipped, there is no history here")
        return 77
    log = git("log", "--no-merges", f"--since={since}", "--format=%h%x00%B%x01", "HEAD")
    if log.returncode:
        print(log.stderr, end="")
        return 1
    commits = [c.strip("\n").split("\0") for c in log.stdout.split("\x01") if c.strip()]
    faults = [f"{short}: {fault}" for short, message in commits for fault in faults_of(message)]
    print("".join(f"{f}\n" for f in faults) + f"commits: {len(faults)} fault(s), {len(commits)} looked at")
    return 1 if faults else 0


if __name__ == "__main__":
    os.environ.setdefault("GIT_OPTIONAL_LOCKS", "0")
    sys.exit(main())
