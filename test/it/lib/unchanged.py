# SPDX-License-Identifier: Apache-2.0
"""Pictures of homes and databases, to show that whoever is refused has changed nothing."""
import contextlib
import hashlib
import os
import re
import stat
from pathlib import Path

from events import EVENTS as KINDS, event_named
from wait import wait_until

# Of data/pg, which a running PostgreSQL writes at all times, what is Holdfast's own.
PG_OURS = {
    "holdfast.conf",
    "postgresql.conf",
    "pg_hba.conf",
    "pg_ident.conf",
    "postgresql.auto.conf",
    "standby.signal",
    "PG_VERSION",
}
# What moves without anybody asking: marks of the log's end, SQLite's own files, what lives in run/, the log of serve.
MOVING = re.compile(r"(^|/)(run/.*|data/(anchor|witness)|data/\w+\.db(-wal|-shm)?|\w+\.log|[\w-]+\.session\.lock)$")
EVENTS = {
    "forbidden",
    "login_failed",
    "session_seen",
    "seen",
}  # that an attempt leaves, or the use of a session that has been idle; and what the log knew of before the first of them
QUIET_TABLES = {"beat"}  # the primary's second
COUNTED = {
    "principal": ("failed", "failed_at"),
    "session": ("seen_at",),
}  # what counts attempts, and the use of a session


hashes = {}


def content(path, st):
    """Its hash. A file whose change of status is of the same moment is the same."""
    known = (st.st_dev, st.st_ino, st.st_ctime_ns, st.st_size)
    if known not in hashes:
        hashes[known] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return hashes[known]


def fingerprint(path):
    """Every file below path: kind, mode, owner and content."""
    found = {}
    for where, names, files in os.walk(path):
        inside_pg = re.search(r"/data/pg(/|$)", where)
        if inside_pg:
            names.clear()
        for name in names + files:
            full = os.path.join(where, name)
            rel = os.path.relpath(full, path)
            if MOVING.search(rel) or (inside_pg and name not in PG_OURS):
                continue
            st = os.lstat(full)
            if stat.S_ISREG(st.st_mode):
                with contextlib.suppress(FileNotFoundError):
                    found[rel] = (
                        stat.S_IFMT(st.st_mode),
                        stat.S_IMODE(st.st_mode),
                        st.st_uid,
                        st.st_gid,
                        content(full, st),
                    )
            else:
                link = os.readlink(full) if stat.S_ISLNK(st.st_mode) else ""
                found[rel] = (stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, link)
    return found


ALL_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
known_tables = {}


def counted(table):
    return ", ".join(f"'{c}'" for c in COUNTED.get(table, ()))


def tables_of(node):
    """Rows of every table, with a hash over all of them; of the log the kinds of events."""
    names = known_tables.setdefault(node, [r[0] for r in node.sql(ALL_TABLES)] if node not in known_tables else [])
    parts = [
        f"SELECT '{n}', count(*), md5(coalesce(string_agg(r, '/' ORDER BY r), '')) FROM (SELECT (to_jsonb(t) - ARRAY[{counted(n)}]::text[])::text FROM \"{n}\" t) t(r)"
        for n in names
        if n not in QUIET_TABLES | {"event"}
    ]
    events = "SELECT 'event', 0, coalesce(string_agg(node || ' ' || seq || ' ' || kind, ',' ORDER BY node, seq), '') FROM event"
    found = {n: (int(c), h) for n, c, h in node.sql(" UNION ALL ".join([*parts, events]) + ";")}
    found["event"] = [tuple(e.split()) for e in found["event"][1].split(",") if e]
    return found


class Picture:
    """How everything is at a moment."""

    def __init__(self, folder, nodes):
        self.folder, self.nodes = folder, nodes
        self.files = fingerprint(folder)
        self.tables = {n.name: tables_of(n) for n in nodes}

    def differences(self, later, events=(), tables=()):
        said = []
        for rel in sorted(self.files.keys() | later.files.keys()):
            if self.files.get(rel) != later.files.get(rel):
                said.append(f"{rel}: {self.files.get(rel)} -> {later.files.get(rel)}")
        for name, was in self.tables.items():
            now = later.tables[name]
            new = {event_named(k) for _, _, k in set(now["event"]) - set(was["event"])}
            if new - EVENTS - set(events) or set(was["event"]) - set(now["event"]):
                said.append(f"{name}: events {sorted(map(str, new))}")
            said += [
                f"{name}: table {t}: {was[t]} -> {now.get(t)}"
                for t in was
                if t != "event" and t not in tables and was[t] != now.get(t)
            ]
        return said

    def alike(self):
        """Every node has what the others have: nothing of what was done before is on its way to a secondary."""
        tables = list(self.tables.values())
        return all(t == tables[0] for t in tables)


def settled(folder, nodes):
    """Two pictures in a row that are the same, with nothing on its way between the nodes: nobody is at work."""
    last = Picture(folder, nodes)

    def moved():
        nonlocal last
        before, last = last, Picture(folder, nodes)
        said = before.differences(last, events=[k.lower() for k in KINDS])
        return said, before.tables != last.tables, last.alike()

    wait_until(
        "nobody is at work (files, tables that change, nodes that are alike)",
        moved,
        lambda seen: seen == ([], False, True),
        every=0.1,
    )
    return last


last_seen = {}  # how it was after the last refusal, by folder: most rows begin where the one before ended


@contextlib.contextmanager
def nothing_changes(folder, nodes=(), **allowed):
    before = last_seen.pop(folder, None) or settled(folder, nodes)
    yield

    def changed():
        now = Picture(folder, nodes)
        said = before.differences(now, **allowed)
        if (
            not said and now.alike()
        ):  # else an event that was allowed here may reach a secondary behind the next one's picture
            last_seen[folder] = now
        return said

    # What is taken back is taken back by an event too: a moment.
    wait_until("a refusal has changed nothing", changed, lambda said: not said, every=0.1)
