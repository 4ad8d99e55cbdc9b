#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Columns of a statement's rows go by name (COL_…, made by tools/sqlgen.py): a number reads another column when the statement changes.

    check_columns.py [--root DIR]

Exit code 0 when nothing below src/ gives a number for a column to row_text() and its like; else a line for each place.
"""
import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READ = re.compile(r"\brow_(?:null|int|bigint|bool|text|bytea|uuid|time)\s*\(")


def arguments(text, start):
    """What stands between the commas of the call whose bracket was opened before start."""
    args, depth, first = [], 0, start
    for i in range(start, len(text)):
        if text[i] in "([":
            depth += 1
        elif text[i] in ")]" and depth:
            depth -= 1
        elif text[i] in ",)" and not depth:
            args.append(text[first:i].strip())
            first = i + 1
            if text[i] == ")":
                break
    return args


def faults_of(text):
    """(line, column) of each reading by number."""
    for m in READ.finditer(text):
        args = arguments(text, m.end())
        if len(args) > 2 and re.fullmatch(r"\(*\d+[uUlL]*\)*", args[2]):
            yield text.count("\n", 0, m.start()) + 1, args[2]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--root", type=Path, default=ROOT)
    root = p.parse_args().root
    sources = sorted((root / "src").rglob("*.c"))
    said, read = [], 0
    for path in sources:
        name, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        read += len(READ.findall(text))
        said += [f"{name}:{n}: column {col} by its number: it has a name, COL_…" for n, col in faults_of(text)]
    print(*said, f"columns: {len(said)} fault(s) in {read} readings", sep="\n")
    return 1 if said or not read else 0


if __name__ == "__main__":
    sys.exit(main())
