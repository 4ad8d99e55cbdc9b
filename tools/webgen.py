#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a C table of the console's files: webgen.py OUT FILE…  (index.html is the page at /)."""
import sys
from pathlib import Path

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


def main():
    out, *names = map(Path, sys.argv[1:])
    lines = ["/* Written by tools/webgen.py. */", '#include "api/console.h"', ""]
    rows = []
    for i, p in enumerate(names):
        data = p.read_bytes()
        path = "/" if p.name == "index.html" else f"/{p.name}"
        lines += [f"static const unsigned char file_{i}[] = {{"]
        lines += ["\t" + ", ".join(str(b) for b in data[at : at + 24]) + "," for at in range(0, len(data), 24)]
        lines += ["};", ""]
        rows.append(f'\t{{ "{path}", "{TYPES[p.suffix]}", file_{i}, sizeof(file_{i}) }},')
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
