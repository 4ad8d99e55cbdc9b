#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a C table of the console's files: webgen.py OUT index.html ASSET…

Each asset gets a name that its content makes, NAME-HASH.EXT, so that a browser may keep it for ever, and a gzip form. The
page names its assets as they are called in web/src/; here it gets the names under which they are served. It is never
compressed: it is filled in for each answer.
"""
import hashlib
import sys
import zlib
from pathlib import Path

FOLDER = "/assets/"
HASH_DIGITS = 16
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def served_name(path, data):
    return f"{path.stem}-{hashlib.sha256(data).hexdigest()[:HASH_DIGITS]}{path.suffix}"


def gzipped(data):
    """The same bytes from the same bytes: this header has no time and no name."""
    z = zlib.compressobj(9, wbits=31)
    return z.compress(data) + z.flush()


def with_names(page, names):
    for old, new in names.items():
        quoted = f'"/{old}"'.encode()
        if page.count(quoted) != 1:
            sys.exit(f"webgen.py: the page must name {quoted.decode()} once")
        page = page.replace(quoted, f'"{FOLDER}{new}"'.encode())
    return page


def array(name, data):
    rows = ["\t" + ", ".join(str(b) for b in data[at : at + 24]) + "," for at in range(0, len(data), 24)]
    return [f"static const unsigned char {name}[] = {{", *rows, "};", ""]


def form(name):
    return f"{{ {name}, sizeof({name}) }}"


def main():
    out, index, *assets = map(Path, sys.argv[1:])
    data = {p: p.read_bytes() for p in assets}
    names = {p.name: served_name(p, data[p]) for p in assets}
    lines = ["/* Written by tools/webgen.py. */", '#include "api/console.h"', ""]
    lines += array("page", with_names(index.read_bytes(), names))
    rows = [f'\t{{ "", "{TYPES[index.suffix]}", {form("page")}, {{ 0 }} }},']
    for i, p in enumerate(assets):
        lines += array(f"plain_{i}", data[p]) + array(f"gzip_{i}", gzipped(data[p]))
        rows.append(f'\t{{ "{names[p.name]}", "{TYPES[p.suffix]}", {form(f"plain_{i}")}, {form(f"gzip_{i}")} }},')
    lines += [
        "static const struct console_file files[] = {",
        *rows,
        "};",
        "",
        "const struct console_file *",
        "console_files(size_t *ret_n)",
        "{",
        f"\t*ret_n = {len(rows)};",
        "\treturn files;",
        "}",
        "",
    ]
    out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
