# SPDX-License-Identifier: Apache-2.0
"""The kinds of events by name, from the list that the programs are made of.

In SQL for psql (Node.sql) they are variables, written as in src/store/query: WHERE kind = :RETRIEVED
"""
import re
from pathlib import Path

LIST = Path(__file__).resolve().parent.parent.parent / "src/ledger/event.def"
EVENTS = {name: int(n) for name, n in re.findall(r"^KIND\((\w+), \w+, (\d+),", LIST.read_text(), re.M)}
assert EVENTS, f"{LIST} has no event"


def event_named(number):
    """Its name as the log is read, "version_added"; the number itself when there is none."""
    return next((name.lower() for name, n in EVENTS.items() if n == int(number)), number)


def psql_variables():
    return [word for name, n in EVENTS.items() for word in ("-v", f"{name}={n}")]
