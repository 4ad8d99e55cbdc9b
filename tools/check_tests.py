#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the Python of test/ may do, read from its sources.

    check_tests.py [--root DIR]

- Tests import libraries, not other tests: nobody imports a test_*.py or a conftest. What two of them need lies in a lib/.
- Nobody in test/ sleeps but wait.py: there is wait_until() for what is to become true, and still_true() and pace() for the rest.

Exit code 0 when all of it holds; else a line for each place that breaks it.
"""
import argparse
import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SLEEPS = "test/lib/wait.py"


def is_test(module):
    last = module.rsplit(".", 1)[-1]
    return last.startswith("test_") or last == "conftest"


def imported(node):
    """The modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [a.name for a in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "", *(a.name for a in node.names if not node.module)]
    return []


def sleeps(node):
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "sleep"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "time"
    )


def faults_of(name, text):
    """(line, what is wrong) of one source."""
    for node in ast.walk(ast.parse(text)):
        for module in imported(node):
            if is_test(module):
                yield node.lineno, f"imports {module}: tests import libraries, not other tests"
        if name != SLEEPS and (
            sleeps(node)
            or isinstance(node, ast.ImportFrom)
            and node.module == "time"
            and any(a.name == "sleep" for a in node.names)
        ):
            yield node.lineno, f"sleeps: wait for what is to be true, with {SLEEPS}"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--root", type=Path, default=ROOT)
    root = ap.parse_args().root
    files = sorted((root / "test").rglob("*.py"))
    if not files:
        print(f"tests: no Python below {root / 'test'}")
        return 1
    bad = 0
    for path in files:
        name = str(path.relative_to(root))
        for line, what in faults_of(name, path.read_text()):
            print(f"{name}:{line}: {what}")
            bad += 1
    print(f"tests: {bad} places" if bad else f"tests: good, {len(files)} files")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
