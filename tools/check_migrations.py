#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Released migrations are frozen: each file of src/store/migration has the hash that released.sha256 beside it says.

A new migration gets its row when it is released (--release adds the rows that are missing, and never changes one).
"""
import hashlib
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "src/store/migration"
LIST = FOLDER / "released.sha256"


def main():
    listed = dict(reversed(line.split()) for line in LIST.read_text().splitlines())
    there = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(FOLDER.glob("*.sql"))}
    faults = [f"{n}: was released and is gone" for n in listed.keys() - there.keys()]
    faults += [
        f"{n}: was released and must not change any more; write a new migration"
        for n in listed.keys() & there.keys()
        if listed[n] != there[n]
    ]
    faults += [f"{n}: is no NNNN_name.sql" for n in there if not re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", n)]
    new = [n for n in there if n not in listed]
    if new and listed and min(new) < max(listed):
        faults.append(f"{min(new)}: comes before {max(listed)}, which is released")
    if sys.argv[1:] == ["--release"] and not faults:
        LIST.write_text("".join(f"{h}  {n}\n" for n, h in there.items()))
        new = []
    for fault in faults:
        print(fault)
    print(f"migrations: {len(listed)} released, {len(new)} new, {len(faults)} fault(s)")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
