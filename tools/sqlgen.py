#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes C tables from SQL files.

    sqlgen.py --query DIR --migration DIR --events FILE --out DIR [--earlier DIR] [--depfile FILE]

query/*.sql      -> stmt_gen.h (enum stmt) and stmt_gen.c (the table of statements)
migration/*.sql  -> migration_gen.c (texts and SHA-256)
earlier/*.sql    -> stmt_gen.c (how tables of an earlier schema are read)

A statement begins with its head line; a head line that ends in "(", "," or "->" goes on in the next:

    -- name: version_current(account uuid) -> id uuid, n int, sealed bytea

A file may say which database role runs its statements (default hf_vault; the test of the
statements runs them as that role):

    -- role: holdfast

Events go by the names of ledger/event.def, in the form that psql knows too (\\set VERSION_ADDED 53):

    WHERE kind = :VERSION_ADDED

A number where a kind of event belongs is refused.

What several statements say alike is a fragment, in any of the files; it may use those that stand before it:

    -- fragment: granted(principal, target)
    coalesce((SELECT s.level FROM share s WHERE s.target = :target AND s.principal = :principal), 0)

    SELECT :granted($1, r.id) FROM …

A read may ask which moment it is: `:clock` is another parameter, which the store binds itself when it sends the statement
(store/stmt.h). What changes something may not ask, so no table depends on a clock.

    WHERE s.until > :clock

Columns go by name in C too (COL_VERSION_CURRENT_ID). What several statements give alike, so that one function reads the rows of
all of them, has names of its own (COL_USER_ROW_ID); they must have the same columns:

    -- columns: user_row of user_get, user_page

A program reads what an earlier schema has, down to the first one that has a successor in earlier/. NNNN_name.sql there has the
name of the migration and says, of each table that this one made or changed and that is read, how it looks to who knows the
migration while it is not there yet; :before is the table as it was:

    -- table: resource
    SELECT t.*, NULL::uuid AS deleted_by FROM :before t

A migration that does nothing but create tables and indexes and grant rights on them needs no such file: before it, the new
tables are empty. Anything else in it (a changed table, a row, a view, a function) makes the generator ask for the file.
"""
import argparse
import hashlib
import os
import re
import sys

TYPES = {
    "uuid": "STMT_UUID",
    "int": "STMT_INT",
    "bigint": "STMT_BIGINT",
    "bool": "STMT_BOOL",
    "text": "STMT_TEXT",
    "bytea": "STMT_BYTEA",
    "timestamptz": "STMT_TIMESTAMPTZ",
}
# Names that would collide with other constants of store/stmt.h.
RESERVED = set(TYPES) | {"array", "params_max", "count"}
ROLES = {"hf_vault", "hf_deposit", "holdfast"}
PARAMS_MAX = 24
CLOCK = "$clock"  # where `:clock` stood, until it has its number
NAME_MAX = 60  # PostgreSQL cuts names of prepared statements at 63

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
HEAD = re.compile(r"--\s*name:\s*(.*)\Z")
ROLE = re.compile(r"--\s*role:\s*(.*?)\s*\Z")
FRAGMENT = re.compile(r"--\s*fragment:\s*([a-z][a-z0-9_]*)\(([^)]*)\)\s*\Z")
COLUMNS = re.compile(r"--\s*columns:\s*([a-z][a-z0-9_]*)\s+of\s+(.*\S)\s*\Z")
CALL = re.compile(r"(?<![:\w]):([a-z][a-z0-9_]*)(\(?)")
SIGNATURE = re.compile(r"([^\s(]+)\s*\(([^)]*)\)\s*(?:->\s*(.*\S))?\s*\Z")
EVENT = re.compile(r"^KIND\((\w+), \w+, (\d+),", re.M)
EVENT_NAME = re.compile(r"(?<![:\w]):([A-Z][A-Z0-9_]*)\b")
# Comments, strings and quoted names: nothing in them is looked at. In migrations the bodies of functions ($$) are.
QUOTED = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"", re.S)
TOKEN = re.compile(r"[$:]?\w+|::|[<>=!]+|[^\s\w]")
COMPARES = {"=", "<>", "!=", "<", ">", "<=", ">=", "in", "between"}
# Migrations up to this one are frozen as they were released, with numbers.
NUMBERS_UNTIL = 13
TABLE = re.compile(r"--\s*table:\s*([a-z][a-z0-9_]*)\s*\Z")
CREATE_TABLE = re.compile(r"CREATE TABLE ([a-z][a-z0-9_]*) \((.*\))\Z")
# What changes nothing that a read sees.
UNSEEN = re.compile(r"(CREATE (UNIQUE )?INDEX|GRANT|REVOKE|COMMENT ON)\b")
# A part of CREATE TABLE is a column unless it begins with one of these, and its type ends where one of those begins.
NO_COLUMN = re.compile(r"(CONSTRAINT|PRIMARY|UNIQUE|CHECK|FOREIGN|EXCLUDE)\b", re.I)
COLUMN = re.compile(
    r"(?!like )([a-z][a-z0-9_]*) ([a-z].*?)"
    r"(?i: (NOT|NULL|DEFAULT|PRIMARY|UNIQUE|CHECK|REFERENCES|CONSTRAINT|GENERATED|COLLATE)\b.*)?\Z"
)
MIGRATION = re.compile(r"(\d{4})_([a-z][a-z0-9_]*)\.sql\Z")
# What makes a statement more than a read: it then gets a transaction of its own and is never sent twice.
WRITES = re.compile(
    r"\b(INSERT|UPDATE|DELETE|MERGE|INTO|TRUNCATE|LOCK|CALL|FOR\s+SHARE|FOR\s+KEY|NEXTVAL|SETVAL|SET_CONFIG"
    r"|PG_\w*(CREATE|DROP|COPY|ADVANCE|ADVISORY|PROMOTE|RELOAD|SWITCH|TERMINATE|CANCEL|PAUSE|RESUME|ROTATE|EMIT|RESET)\w*"
    r"|PG_NOTIFY|PG_BACKUP_\w*|HA_DEPOSIT|HA_MEND_ROLES)\b"
)


class Bad(Exception):
    def __init__(self, path, line, text):
        super().__init__(f"{path}:{line}: {text}")


class Statement:
    def __init__(self, path, line, name, params, cols, role):
        self.path, self.line, self.name = path, line, name
        self.params, self.cols, self.role = params, cols, role
        self.lines = []

    def source(self, events, fragments):
        """The text with numbers for events and texts for fragments."""

        def fault(n, words):
            return Bad(self.path, self.lines[n][0], words)

        text = with_events("\n".join(line for _, line in self.lines), events, fault)
        return with_fragments(text, fragments, fault).strip()

    def finish(self, events, fragments):
        text = self.source(events, fragments)
        if text.endswith(";"):
            text = text[:-1].rstrip()
        bare = strip_literals(text)
        if not bare.strip():
            raise Bad(self.path, self.line, f"{self.name} has no text")
        if ";" in bare:
            raise Bad(self.path, self.line, f"{self.name} is more than one statement")
        self.check_params(bare)
        self.reads = is_read(bare)
        self.clock = CLOCK in bare
        self.sql = self.with_clock(text) if self.clock else text

    def with_clock(self, text):
        """The moment is its last parameter."""
        if not self.reads:
            raise Bad(self.path, self.line, f"{self.name} changes something and asks for :clock")
        if len(self.params) == PARAMS_MAX:
            raise Bad(self.path, self.line, f"{self.name} has no parameter left for :clock")
        self.params = [*self.params, ("clock", "timestamptz")]
        return text.replace(CLOCK, f"${len(self.params)}")

    def check_params(self, bare):
        used = {int(n) for n in re.findall(r"\$(\d+)", bare)}
        for n in range(1, max([len(self.params), *used]) + 1):
            if n > len(self.params):
                raise Bad(self.path, self.line, f"{self.name} uses ${n}, which its head line lacks")
            if n not in used:
                raise Bad(self.path, self.line, f"{self.name} never uses ${n} ({self.params[n - 1][0]})")


class Fragment(Statement):
    """Its parameters are names alone."""

    def finish(self, events, fragments):
        self.sql = self.source(events, {**fragments, **{name: None for name in self.params}})
        self.used = False
        for name in self.params:
            if not re.search(rf"(?<![:\w]):{name}\b", self.sql):
                raise Bad(self.path, self.line, f"{self.name} never uses :{name}")

    def filled(self, args):
        self.used = True
        given, sql = dict(zip(self.params, args)), self.sql
        for m in reversed(list(CALL.finditer(masked(sql)))):
            sql = sql[: m.start()] + given[m.group(1)] + m.group(2) + sql[m.end() :]
        return sql


class Clock:
    """The fragment that each file knows."""

    params, used = [], True

    def filled(self, _):
        return CLOCK


def strip_literals(sql):
    """The text without comments, quoted strings and quoted names."""
    return re.sub(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|\$\$.*?\$\$", " ", sql, flags=re.S)


def read_events(path):
    """name -> number, from ledger/event.def."""
    found = EVENT.findall("\n".join(read_lines(path)))
    if not found:
        raise Bad(path, 1, "has no row `KIND(NAME, name, number, …`")
    return {name: int(n) for name, n in found}


def masked(sql):
    """The text with blanks for everything quoted, each character where it was."""
    return QUOTED.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), sql)


def with_events(sql, events, fault):
    """Numbers for the names of events. fault(line, words): what to raise about a line of the text, counted from 0."""
    bare = masked(sql)
    for at, number in kind_numbers(bare):
        known = [name for name, n in events.items() if n == number]
        say = f"`:{known[0]}`" if known else "the event's name in ledger/event.def, as in `:VERSION_ADDED`"
        raise fault(bare.count("\n", 0, at), f"the number {number} for a kind of event: write {say}")
    for m in reversed(list(EVENT_NAME.finditer(bare))):
        if m.group(1) not in events:
            raise fault(bare.count("\n", 0, m.start()), f"`:{m.group(1)}` is no event of ledger/event.def")
        sql = sql[: m.start()] + str(events[m.group(1)]) + sql[m.end() :]
    return sql


def with_fragments(sql, fragments, fault):
    """Texts for the calls of fragments. A name that has None is a parameter, and stays."""
    bare = masked(sql)
    for m in reversed(list(CALL.finditer(bare))):
        name, at = m.group(1), bare.count("\n", 0, m.start())
        if name not in fragments:
            raise fault(at, f"`:{name}` is no fragment that stands before this")
        if fragments[name] is None:
            continue
        # What stands behind was filled in already, also inside its brackets.
        args, end = arguments(sql, masked(sql), m.end()) if m.group(2) else ([], m.end())
        wanted = fragments[name].params
        if len(args) != len(wanted):
            raise fault(at, f"`:{name}` takes ({', '.join(wanted)})")
        sql = sql[: m.start()] + fragments[name].filled(args) + sql[end:]
    return sql


def arguments(sql, bare, start):
    """What stands between commas from start on, and where the bracket ends."""
    args, depth, first = [], 0, start
    for i in range(start, len(bare)):
        if bare[i] == "(":
            depth += 1
        elif bare[i] == ")" and depth:
            depth -= 1
        elif bare[i] in ",)" and not depth:
            args.append(sql[first:i].strip())
            first = i + 1
            if bare[i] == ")":
                return [] if args == [""] else args, first
    return args, len(bare)


class Tokens:
    """Words, numbers and signs of a text, in small letters, each with its place."""

    def __init__(self, bare):
        found = [(m.group().lower(), m.start()) for m in TOKEN.finditer(bare)]
        self.word, self.place = [w for w, _ in found], [p for _, p in found]

    def at(self, i):
        return self.word[i] if 0 <= i < len(self.word) else ""

    def close(self, i):
        """Behind the bracket that closes the one at i."""
        depth = 0
        while i < len(self.word):
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(self.word[i], 0)
            i += 1
            if depth == 0:
                break
        return i

    def items(self, i):
        """The parts between commas of what begins at i, up to a bracket that closes it or the word FROM: pairs of first and behind."""
        first = i
        while i < len(self.word):
            if self.word[i] in ("(", "["):
                i = self.close(i)
                continue
            if self.word[i] in (",", ")", "]", "from", ";"):
                yield first, i
                if self.word[i] != ",":
                    return
                first = i + 1
            i += 1
        yield first, i

    def numbers(self, first, behind):
        """Those among the tokens that stand for the whole, or for one outcome of a CASE."""
        for i in range(first, behind):
            if self.word[i].isdigit() and (i == first or self.at(i - 1) in ("then", "else")):
                yield i


def kind_numbers(bare):
    """(place, number) of every number that is compared with, given to or called `kind`."""
    t = Tokens(bare)
    found = []
    for i, word in enumerate(t.word):
        if word == "kind":
            found += compared(t, i) + called(t, i)
        elif word == "insert":
            found += inserted(t, i)
    return [(t.place[i], int(t.word[i])) for i in sorted(set(found))]


def compared(t, i):
    """`kind = …`, `kind IN (…)`, `kind = ANY (ARRAY[…])`, `kind BETWEEN … AND …`, `kind IS DISTINCT FROM …`, and `… = kind`"""
    j = i + 1
    while t.at(j) in ("not", "is", "distinct"):
        j += 1
    found = []
    if t.at(j) in COMPARES or (t.at(j - 1), t.at(j)) == ("distinct", "from"):
        j += 1
        while t.at(j) in ("any", "all", "array") or (t.at(j), t.at(j + 1)) == ("(", "array"):
            j += 1
        if t.at(j) in ("(", "["):
            found = [n for item in t.items(j + 1) for n in t.numbers(*item)]
        elif t.at(j) == "case" and "end" in t.word[j:]:
            found = list(t.numbers(j, t.word.index("end", j)))
        else:
            found = [n for n in ((j, j + 2) if t.at(j - 1) == "between" else (j,)) if t.at(n).isdigit()]
    first = i - 2 if t.at(i - 1) == "." else i
    if t.at(first - 1) in COMPARES and t.at(first - 2).isdigit():
        found.append(first - 2)
    return found


def called(t, i):
    """`… AS kind`"""
    if t.at(i - 1) != "as":
        return []
    first, depth = i - 1, 0
    while first > 0 and not (depth == 0 and t.at(first - 1) in (",", "(", "select", "distinct")):
        first -= 1
        depth += {")": 1, "(": -1}.get(t.word[first], 0)
    return list(t.numbers(first, i - 1))


def inserted(t, i):
    """`INSERT INTO t (…, kind, …) VALUES (…)` or `SELECT …`"""
    while i < len(t.word) and t.word[i] not in ("(", "select", "values"):
        i += 1
    if t.at(i) != "(":
        return []
    columns = [t.word[first] for first, _ in t.items(i + 1)]
    if "kind" not in columns:
        return []
    found, j = [], t.close(i)
    while t.at(j) in ("overriding", "system", "user", "value"):
        j += 1
    starts = [j + 1] if t.at(j) == "select" else []
    if t.at(j) == "values":
        j += 1
        while t.at(j) == "(":
            starts.append(j + 1)
            j = t.close(j)
            j += t.at(j) == ","
    for start in starts:
        found += [n for at, item in enumerate(t.items(start)) if at == columns.index("kind") for n in t.numbers(*item)]
    return found


def is_read(bare):
    upper = bare.upper()
    return bool(re.match(r"\s*(SELECT|WITH|VALUES|TABLE)\b", upper)) and not WRITES.search(upper)


def fields(path, line, text, what):
    """Parses `name type, name type`."""
    out = []
    if not text or not text.strip():
        return out
    for part in text.split(","):
        words = part.split()
        if len(words) != 2:
            raise Bad(path, line, f"{what} `{part.strip()}` is not `name type`")
        name, kind = words
        if not NAME.match(name):
            raise Bad(path, line, f"{what} name `{name}` is not lower case letters, digits and _")
        base = kind[:-2] if kind.endswith("[]") else kind
        if base not in TYPES:
            raise Bad(path, line, f"type `{kind}` of `{name}` is none of: {', '.join(TYPES)}, with [] or without")
        if name in [n for n, _ in out]:
            raise Bad(path, line, f"{what} `{name}` is there twice")
        out.append((name, kind))
    if len(out) > PARAMS_MAX:
        raise Bad(path, line, f"{len(out)} {what}s are more than {PARAMS_MAX}")
    return out


def head(path, line, text, role):
    m = SIGNATURE.match(text)
    if not m:
        raise Bad(path, line, "the head line is not `-- name: word(param type, ...) -> column type, ...`")
    name = m.group(1)
    if not NAME.match(name) or len(name) > NAME_MAX:
        raise Bad(path, line, f"`{name}` is no name of a statement")
    if name in RESERVED:
        raise Bad(path, line, f"the name `{name}` is taken by store/stmt.h")
    return Statement(
        path, line, name, fields(path, line, m.group(2), "parameter"), fields(path, line, m.group(3), "column"), role
    )


def read_lines(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read().split("\n")
    except UnicodeDecodeError:
        raise Bad(path, 1, "is not UTF-8") from None


def parse(path):
    out, role, lines, i = [], "hf_vault", read_lines(path), 0
    while i < len(lines):
        number, line = i + 1, lines[i].rstrip()
        i += 1
        m = ROLE.match(line)
        if m:
            role = m.group(1)
            if role not in ROLES:
                raise Bad(path, number, f"role `{role}` is none of: {', '.join(sorted(ROLES))}")
            continue
        m = FRAGMENT.match(line)
        if m:
            out.append(
                Fragment(path, number, m.group(1), [p.strip() for p in m.group(2).split(",") if p.strip()], [], role)
            )
            continue
        m = HEAD.match(line)
        if m:
            text = m.group(1).rstrip()
            while text.endswith((",", "(", "->")) and i < len(lines) and lines[i].startswith("--"):
                text += " " + lines[i][2:].strip()
                i += 1
            out.append(head(path, number, text, role))
        elif re.match(r"--\s*(name|fragment)\b\s*:?\s*\w+\s*\(", line):
            raise Bad(path, number, "is neither `-- name: word(param type, ...)` nor `-- fragment: word(param, ...)`")
        elif out:
            if not line.lstrip().startswith("--"):
                out[-1].lines.append((number, line))
        elif line.strip() and not line.lstrip().startswith("--"):
            raise Bad(path, number, "SQL before the first `-- name:`")
    return out


class Columns:
    """Names for the columns that several statements give alike."""

    def __init__(self, path, line, name, of):
        self.path, self.line, self.name, self.of = path, line, name, of

    def finish(self, statements):
        known = {s.name: s for s in statements}
        for name in self.of:
            if name not in known:
                raise Bad(self.path, self.line, f"{self.name}: there is no statement {name}")
        self.cols = known[self.of[0]].cols
        if self.name in known:
            raise Bad(self.path, self.line, f"{self.name} is a statement already")
        if len(set(self.of)) < 2 or not self.cols:
            raise Bad(self.path, self.line, f"{self.name} is for what two statements or more give")
        for name in self.of[1:]:
            if known[name].cols != self.cols:
                raise Bad(self.path, self.line, f"{self.name}: {name} gives other columns than {self.of[0]}")


def parse_columns(path):
    out = []
    for n, line in enumerate(read_lines(path), 1):
        m = COLUMNS.match(line.rstrip())
        if m:
            out.append(Columns(path, n, m.group(1), [s.strip() for s in m.group(2).split(",")]))
        elif re.match(r"--\s*columns\s*:", line):
            raise Bad(path, n, "is not `-- columns: word of statement, statement`")
    return out


def shared(columns, statements):
    """Those columns, looked at."""
    unique(columns)
    for c in columns:
        c.finish(statements)
    return columns


def finished(parsed, events):
    """The statements, fragments filled in."""
    fragments = {"clock": Clock()}
    unique(parsed)
    for f in parsed:
        if isinstance(f, Fragment):
            f.finish(events, fragments)
            fragments[f.name] = f
    statements = [s for s in parsed if not isinstance(s, Fragment)]
    for s in statements:
        s.finish(events, fragments)
    for f in fragments.values():
        if not f.used:
            raise Bad(f.path, f.line, f"nothing uses the fragment {f.name}")
    return statements


def unique(statements):
    seen = {}
    for s in statements:
        if s.name in seen:
            first = seen[s.name]
            raise Bad(s.path, s.line, f"`{s.name}` is already in {first.path}:{first.line}")
        seen[s.name] = s


def c_string(text):
    out = []
    for line in text.split("\n"):
        escaped = "".join(c_byte(b) for b in line.encode())
        out.append(f'"{escaped}\\n"')
    out[-1] = out[-1][:-3] + '"'
    return "\n\t\t".join(out)


def c_byte(b):
    if b in (0x22, 0x5C):
        return "\\" + chr(b)
    if b == 0x09:
        return "\\t"
    if b < 0x20 or b > 0x7E or b == 0x3F:  # octal also breaks up trigraphs
        return f"\\{b:03o}"
    return chr(b)


def c_type(kind):
    return TYPES[kind[:-2]] + " | STMT_ARRAY" if kind.endswith("[]") else TYPES[kind]


def list_of(items):
    return "{ " + ", ".join(items) + " }" if items else "{ 0 }"


BANNER = "/* SPDX-License-Identifier: Apache-2.0\n *\n * Made by tools/sqlgen.py; changes here are lost.\n */\n"


def stmt_header(statements, columns):
    rows = "".join(f"\tSTMT_{s.name.upper()},\n" for s in statements)
    names = "".join(column_enum(s) for s in [*statements, *columns] if s.cols)
    return f"{BANNER}#pragma once\n\nenum stmt {{\n{rows}\tSTMT_COUNT\n}};\n\n{names}"


def column_enum(s):
    """What it gives, by name: who counts columns by hand reads another one when the statement changes."""
    return "enum { " + ", ".join(f"COL_{s.name}_{n}".upper() for n, _ in s.cols) + " };\n"


def stmt_row(s, earlier):
    begin = re.match(r"WITH(\s+RECURSIVE)?\s+", s.sql, re.I)
    return (
        f"\t[STMT_{s.name.upper()}] = {{\n"
        f'\t\t.name = "{s.name}",\n'
        f"\t\t.sql = {c_string(s.sql)},\n"
        f'\t\t.file = "{os.path.basename(s.path)}",\n'
        f'\t\t.role = "{s.role}",\n'
        f"\t\t.reads = {'true' if s.reads else 'false'},\n"
        f"\t\t.earlier = {earlier.mask(strip_literals(s.sql)) if s.reads else 0},\n"
        f"\t\t.with_bytes = {len(begin.group().encode()) if begin else 0},\n"
        f"\t\t.recursive = {'true' if begin and begin.group(1) else 'false'},\n"
        f"\t\t.clock = {'true' if s.clock else 'false'},\n"
        f"\t\t.nparams = {len(s.params)},\n"
        f"\t\t.ncols = {len(s.cols)},\n"
        f"\t\t.param_types = {list_of([c_type(k) for _, k in s.params])},\n"
        f"\t\t.col_types = {list_of([c_type(k) for _, k in s.cols])},\n"
        f"\t\t.col_names = {list_of([chr(34) + n + chr(34) for n, _ in s.cols])},\n"
        "\t},\n"
    )


def stmt_source(statements, earlier, newest):
    rows = "".join(stmt_row(s, earlier) for s in statements)
    schemas = f"const int stmt_schemas[2] = {{ {earlier.first or newest}, {newest} }};\n"
    return (
        f'{BANNER}#include "store/stmt.h"\n\nextern const struct stmt_info stmt_table[];\n'
        "extern const struct stmt_earlier stmt_earlier_table[];\nextern const int stmt_schemas[2];\n\n"
        f"const struct stmt_info stmt_table[STMT_COUNT + 1] = {{\n{rows}}};\n{earlier.source()}\n{schemas}"
    )


def migrations(paths, events):
    out = []
    for path in paths:
        m = MIGRATION.match(os.path.basename(path))
        if not m:
            raise Bad(path, 1, "is not named NNNN_name.sql")
        if int(m.group(1)) != len(out) + 1:
            raise Bad(path, 1, f"should have number {len(out) + 1:04d}: numbers have no gaps")
        with open(path, "rb") as f:
            data = f.read()
        text = "\n".join(read_lines(path))
        for n, line in enumerate(text.split("\n"), 1):
            # Each migration is one transaction together with its row in schema_migration.
            if re.match(r"\s*(COMMIT|ROLLBACK|BEGIN\s*;|START\s+TRANSACTION)\b", line, re.I):
                raise Bad(path, n, "a migration does not begin or end transactions")
        if int(m.group(1)) > NUMBERS_UNTIL:
            text = with_events(text, events, lambda n, words, path=path: Bad(path, n + 1, words))
        out.append((int(m.group(1)), m.group(2), text, hashlib.sha256(data).hexdigest()))
    return out


def columns_of(body):
    """`NULL::type AS name` for each column of what follows `CREATE TABLE name (`; None: there is more than columns and constraints."""
    out = []
    parts, end = arguments(body, body, 0)
    if end != len(body):
        return None
    for part in parts:
        if NO_COLUMN.match(part):
            continue
        m = COLUMN.match(part)
        if not m:
            return None
        out.append(f"NULL::{m.group(2)} AS {m.group(1)}")
    return out


class Earlier:
    """How tables look while a migration is not there yet."""

    def __init__(self, folder, steps):
        self.first = 0  # the earliest schema that is read; 0: only the newest
        self.rows = []  # (below which schema, table, text), by table and schema
        files = {os.path.basename(p): p for p in sql_files(folder)} if folder else {}
        numbers = sorted(int(n[:4]) for n in files if MIGRATION.match(n))
        chains = {}
        for path in [p for p in steps if numbers and int(os.path.basename(p)[:4]) >= numbers[0]]:
            name = os.path.basename(path)
            told = self.read(files.pop(name)) if name in files else self.empty(path)
            if told is None:
                raise Bad(path, 1, f"earlier/{name} is missing: how is it read while this is not there yet?")
            for table, text in told:
                chains.setdefault(table, []).append((int(name[:4]), text))
        for name in files:
            raise Bad(files[name], 1, "has the name of no migration")
        if numbers:
            self.first = numbers[0] - 1
        self.tables = sorted(chains)
        for table in self.tables:
            steps_of = chains[table]
            for i, (number, _) in enumerate(steps_of):
                self.rows.append((number, table, self.chained(table, [t for _, t in steps_of[i:]])))

    def read(self, path):
        out = []
        for n, line in enumerate(read_lines(path), 1):
            m = TABLE.match(line)
            if m:
                out.append([m.group(1), n, []])
            elif not line.lstrip().startswith("--") and line.strip():
                if not out:
                    raise Bad(path, n, "SQL before the first `-- table:`")
                out[-1][2].append(line)
        for table, n, lines in out:
            if not lines:
                raise Bad(path, n, f"{table} has no text")
        return [(table, "\n".join(lines).rstrip().rstrip(";")) for table, _, lines in out]

    def empty(self, path):
        """The tables that a migration creates, without a row; None: it does more than that."""
        out = []
        for statement in masked("\n".join(read_lines(path))).split(";"):
            text = " ".join(statement.split())
            m = CREATE_TABLE.match(text)
            if m:
                columns = columns_of(m.group(2))
                if columns is None:
                    return None
                out.append((m.group(1), f"SELECT {', '.join(columns)} WHERE false"))
            elif text and not UNSEEN.match(text):
                return None
        return out

    def chained(self, table, texts):
        before = f"public.{table}"
        for text in texts:
            before = "(" + text.replace(":before", before) + ")"
        return before

    def mask(self, bare):
        """Which of the tables a statement names, a bit each."""
        words = set(re.findall(r"\w+", bare.lower()))
        return sum(1 << i for i, table in enumerate(self.tables) if table in words)

    def source(self):
        body = "".join(
            f"\t{{ .below = {below}, .table = {self.tables.index(table)}, .name = {c_string(table)},\n"
            f"\t  .sql = {c_string(text)} }},\n"
            for below, table, text in self.rows
        )
        return f"\nconst struct stmt_earlier stmt_earlier_table[] = {{\n{body}\t{{ 0 }},\n}};\n"


def migration_source(rows):
    body = "".join(
        f'\t{{\n\t\t.number = {n},\n\t\t.name = "{name}",\n\t\t.sha256 = "{digest}",\n'
        f"\t\t.sql = {c_string(text)},\n\t}},\n"
        for n, name, text, digest in rows
    )
    return (
        f'{BANNER}#include "store/migrate.h"\n\nconst struct migration migration_table[] = {{\n{body}'
        "\t{ .number = 0 },\n};\n"
    )


def write(path, text):
    """Writes only what changed, so that nothing is compiled again without need."""
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def sql_files(folder):
    return sorted(os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".sql") and not n.startswith("."))


def write_depfile(path, target, inputs):
    """The folders count as inputs too: a new file changes them."""
    escaped = [i.replace(" ", "\\ ") for i in inputs]
    write(path, f"{target}: {' '.join(escaped)}\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--query", required=True)
    p.add_argument("--migration", required=True)
    p.add_argument("--earlier")
    p.add_argument("--events", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--depfile")
    p.add_argument("--target", default="stmt_gen.h")
    a = p.parse_args()
    queries, steps = sql_files(a.query), sql_files(a.migration)
    if a.depfile:
        shims = [a.earlier, *sql_files(a.earlier)] if a.earlier else []
        write_depfile(a.depfile, a.target, [a.query, a.migration, a.events, *queries, *steps, *shims])
    try:
        events = read_events(a.events)
        statements = finished([s for path in queries for s in parse(path)], events)
        columns = shared([c for path in queries for c in parse_columns(path)], statements)
        texts = migration_source(migrations(steps, events))
        source = stmt_source(statements, Earlier(a.earlier, steps), len(steps))
    except Bad as bad:
        print(bad, file=sys.stderr)
        return 1
    write(os.path.join(a.out, "stmt_gen.h"), stmt_header(statements, columns))
    write(os.path.join(a.out, "stmt_gen.c"), source)
    write(os.path.join(a.out, "migration_gen.c"), texts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
