#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every function that is visible outside its file is there for somebody.

Reads the objects of a build (nm). What nobody but its own file calls is to be static. What only tests call is dead, unless
its own file calls it too (then the test looks at a part), or it ends a life (_free, _done) whose beginning the product calls.
--build DIR (default build/test).
"""
import argparse
import re
import subprocess
import sys
from pathlib import Path

# What only tests call, and why it is there.
KEPT = {
    "fault_arm": "fault points are for tests",
    "fault_disarm": "fault points are for tests",
    "fault_fired": "fault points are for tests",
    "fault_name": "fault points are for tests",
    "fault_where": "fault points are for tests",
    "order_rows": "a test walks the rows and holds docs/ha.md against them",
    "fsm_rules": "a test walks the rules and holds docs/ha.md against them",
    "event_kind_at": "a test walks the kinds",
    "status_reason_code": "a test holds docs/ha.md against the reasons",
    "status_reason_text": "a test holds docs/ha.md against the reasons",
    "status_explains": "a test walks the reasons, each with each",
    "shape_find": "a test walks the shapes of the routes",
    "router_row": "tests walk the rows by their number",
    "server_port": "tests listen on any port that is free",
    "settings_parse": "tests and the fuzzer parse without a file",
    "totp_code": "tests are the authenticator",
    "binds_reset": "the benches bind in a loop",
    "db_up": "what a connection went through shows nowhere else",
    "db_generation": "what a connection went through shows nowhere else",
    "db_oldest_ms": "what a connection went through shows nowhere else",
}
LIFE = ("_free", "_done")

ROOT = Path(__file__).resolve().parent.parent
CODE_ONLY = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def symbols(objects):
    """object → (defined, wanted)"""
    out = subprocess.run(
        ["nm", "--format=posix", "-A", *map(str, objects)], capture_output=True, text=True, check=True
    ).stdout
    found = {}
    for line in out.splitlines():
        where, name, kind = line.split()[:3]
        defined, wanted = found.setdefault(where.rstrip(":"), (set(), set()))
        if kind == "T":
            defined.add(name)
        elif kind == "U":
            wanted.add(name)
    return found


def source_of(where):
    """src/libhf_vault.a.p/vault_account.c.o → src/vault/account.c: meson makes one word of the path from its own folder."""
    folder, _, name = where[where.index("src/") :].removesuffix(".o").rpartition("/")
    folder = Path(folder).parent
    for f in (ROOT / folder).rglob("*.c"):
        if f.relative_to(ROOT / folder).as_posix().replace("/", "_") == name:
            return f.relative_to(ROOT).as_posix()
    return f"{folder}/{name}"


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", default="build/test")
    build = Path(p.parse_args().build)
    product, tests = (sorted((build / top).rglob("*.o")) for top in ("src", "test"))
    if not product or not tests:
        sys.exit(f"externs: {build} is not built; run: ninja -C {build} all meson-test-prereq")
    found = symbols(product)
    by_tests = set().union(*(wanted for _, wanted in symbols(tests).values()))
    faults = []
    for where, (defined, _) in found.items():
        elsewhere = set().union(*(wanted for other, (_, wanted) in found.items() if other != where))
        for name in sorted(defined - elsewhere - {"main"} - KEPT.keys()):
            source = source_of(where)
            own = (
                len(re.findall(rf"\b{name}\b", CODE_ONLY.sub("", (ROOT / source).read_text()))) > 1
                if (ROOT / source).exists()
                else True
            )
            if name not in by_tests:
                faults.append(f"{source}: {name}: {'make it static' if own else 'nobody calls it'}")
            elif not own and not name.endswith(LIFE):
                faults.append(f"{source}: {name}: only tests call it")
    defined = set().union(*(d for d, _ in found.values()))
    faults += [f"tools/check_externs.py: {name} is kept, and is not there" for name in sorted(KEPT.keys() - defined)]
    for fault in sorted(set(faults)):
        print(fault)
    print(f"externs: {len(faults)} fault(s) in {len(defined)} functions")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
