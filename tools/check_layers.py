#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds src/ against the table of folders in docs/architecture.md: what each may include.

Also: every source begins with its SPDX line, memory comes from the one allocator, header base names are unique, headers include each other without cycles,
and the libraries that are to be hidden behind one header are included nowhere else. --house prints the folders instead:
files, lines, and what each really includes.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
GENERATED = {"store/stmt_gen.h"}
# Which of our files may include a library's header: prefixes of paths below src/.
HIDDEN = {
    "libpq-fe.h": ("store/", "pg/"),
    "sqlite3.h": ("store/",),
    "microhttpd.h": ("http/server.c",),
    "curl/curl.h": ("http/",),
    "seccomp.h": ("base/confine.c", "keyd/"),
    "uninorm.h": ("base/name.c", "crypto/password.c"),
    "unicase.h": ("base/name.c",),
    "unictype.h": ("base/name.c", "crypto/password.c"),
    "unistr.h": ("base/name.c", "crypto/password.c"),
    "archive.h": ("pack/",),
    "expat.h": ("vault/importread_xml.c",),
    "archive_entry.h": ("pack/",),
    "zlib.h": ("pack/basebackup.c",),
}
# Who may start another program: PostgreSQL's are all started by one function, with their full path.
STARTERS = ("pg/program.c", "cli/client/get.c", "base/trespass.c")  # the last one is in no release
STARTS = re.compile(r"\b(f?exec(?:l|v)[a-z]*|posix_spawnp?|system|popen)\(")
# Memory comes from base/mem.h, which ends the process when there is none; these wipe, for libraries that take an allocator.
ALLOCATORS = ("base/mem.c", "base/secret.c", "http/wipe_libs.c")
ALLOCATES = re.compile(r"\b(malloc|calloc|realloc|reallocarray|strn?dup|v?asprintf|aligned_alloc|posix_memalign)\(")
SPDX_TREES = {
    "src": (".c", ".h", ".def", ".sql"),
    "test": (".c", ".h", ".py", ".lua"),
    "tools": (".py", ".sh"),
    "packaging": (".sh",),
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def layers():
    """folder → set of folders it may include, from the page's table."""
    rows = re.findall(r"^\| ([\w/]+) \|[^|]*\| ?([^|]*?) ?\|$", (ROOT / "docs/architecture.md").read_text(), re.M)
    order = [name for name, _ in rows if name != "folder"]
    allowed = {}
    for name, may in rows:
        if name == "folder":
            continue
        before = order[: order.index(name)]
        allowed[name] = set(before if may in ("all above", "all") else may.split())
        unknown = allowed[name] - set(order)
        if unknown:
            sys.exit(f"docs/architecture.md: folder {name} may include unknown {unknown}")
        upper = allowed[name] - set(before)
        if upper:
            sys.exit(f"docs/architecture.md: folder {name} may not include the upper {upper}")
    if not allowed:
        sys.exit("docs/architecture.md: the table of folders was not found")
    return allowed


def folder_of(path, allowed):
    """The folder of the table in which a path below src/ lies: the longest that fits; else its first part."""
    fits = [f for f in allowed if path.startswith(f + "/")]
    return max(fits, key=len) if fits else path.split("/")[0]


def first_cycle(graph):
    state = {}

    def walk(node, path):
        state[node] = 1
        for to in graph.get(node, ()):
            if state.get(to) == 1:
                return path[path.index(to) :] + [to] if to in path else [node, to]
            if to not in state:
                found = walk(to, path + [to])
                if found:
                    return found
        state[node] = 2
        return None

    for node in graph:
        if node not in state:
            found = walk(node, [node])
            if found:
                return found
    return None


def house(allowed):
    """One row a folder: files, lines, what it includes."""
    rows = {folder: [0, 0, set()] for folder in allowed}
    for f in sorted(SRC.rglob("*.[ch]")):
        folder = folder_of(f.relative_to(SRC).as_posix(), allowed)
        text = f.read_text()
        row = rows.setdefault(folder, [0, 0, set()])
        row[0] += 1
        row[1] += text.count("\n")
        row[2] |= {folder_of(what, allowed) for kind, what in INCLUDE.findall(text) if kind == '"' and "/" in what} - {
            folder
        }
    for folder, (files, lines, includes) in rows.items():
        print(f"{folder:<12} {files:>4} files {lines:>7,} lines   {' '.join(sorted(includes, key=list(rows).index))}")


def main():
    allowed = layers()
    if sys.argv[1:] == ["--house"]:
        return house(allowed)
    faults = []
    graph = {}
    names = {}
    for f in sorted(SRC.rglob("*.[ch]")):
        rel = f.relative_to(SRC).as_posix()
        folder = folder_of(rel, allowed)
        if folder not in allowed:
            faults.append(f"src/{rel}: folder '{folder}' is not in docs/architecture.md's table")
            continue
        if f.suffix == ".h":
            if f.name in names:
                faults.append(f"src/{rel}: header name also used by src/{names[f.name]}")
            names[f.name] = rel
        text = f.read_text()
        for m in INCLUDE.finditer(text):
            kind, what = m.groups()
            line = text.count("\n", 0, m.start(2)) + 1
            if kind == "<":
                homes = HIDDEN.get(what)
                if homes and not rel.startswith(homes):
                    faults.append(f"src/{rel}:{line}: <{what}> may only be included in {', '.join(homes)}")
                continue
            target = folder_of(what, allowed)
            if "/" not in what:
                if not (f.parent / what).exists():
                    faults.append(f'src/{rel}:{line}: "{what}": our includes are paths from src/')
                continue
            if target not in allowed:
                faults.append(f'src/{rel}:{line}: "{what}": no such folder')
            elif target != folder and target not in allowed[folder]:
                faults.append(f'src/{rel}:{line}: {folder}/ may not include {target}/ ("{what}")')
            elif what not in GENERATED and not (SRC / what).exists():
                pass  # generated at build, or the compiler says so
            if f.suffix == ".h":
                graph.setdefault(rel, []).append(what)
        for m in STARTS.finditer(text):
            if rel not in STARTERS:
                line = text.count("\n", 0, m.start()) + 1
                faults.append(
                    f"src/{rel}:{line}: {m.group(1)}() starts a program; only {', '.join(STARTERS)} may (pg/program.h)"
                )
        for m in ALLOCATES.finditer(text):
            if rel not in ALLOCATORS:
                line = text.count("\n", 0, m.start()) + 1
                faults.append(
                    f"src/{rel}:{line}: {m.group(1)}() asks for memory; base/mem.h does, and ends the process"
                )
    cycle = first_cycle(graph)
    if cycle:
        faults.append("headers include each other in a circle: " + " → ".join(cycle))
    for tree, suffixes in SPDX_TREES.items():
        for f in sorted((ROOT / tree).rglob("*")):
            if f.suffix in suffixes and f.is_file() and "corpus" not in f.parts:
                head = f.read_text(errors="replace")[:200].splitlines()[:2]
                if not any("SPDX-License-Identifier: Apache-2.0" in h for h in head):
                    faults.append(f"{f.relative_to(ROOT)}: does not begin with the SPDX line")
    for fault in faults:
        print(fault)
    print(f"layers: {len(faults)} fault(s)")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
