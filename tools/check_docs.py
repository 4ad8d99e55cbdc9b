#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prose of the pages wraps at 100 columns; tables, blocks of code, headings and single long words apart.

--fix wraps the paragraphs that have a longer line. Pages that the program writes are left alone.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = {"api.md", "home.md", "settings.md"}
COLUMNS = 100
ITEM = re.compile(r"(\s*)([-*] |\d+\. )?(.*)")
WORD = re.compile(r"(?:`[^`]*`|[^\s`]|`)+")
STARTS_SOMETHING = re.compile(r"[-*+]$|#+$|[>|]|\d+\.$")


def pages():
    return [*sorted(ROOT.glob("*.md")), *(p for p in sorted(ROOT.glob("docs/*.md")) if p.name not in WRITTEN)]


def blocks(lines):
    """(is prose, its lines) in order: a paragraph or an item of a list is prose."""
    out, fence = [], False
    for line in lines:
        mark = line.lstrip().startswith("```")
        drawn = line.startswith("    ") and (not out or not out[-1][1][-1].strip() or not out[-1][0])
        kept = fence or mark or drawn or not line.strip() or re.match(r"\s*\||#", line)
        fence ^= mark
        begins = kept or not out or not out[-1][0] or ITEM.fullmatch(line)[2]
        if begins:
            out.append((not kept, [line]))
        else:
            out[-1][1].append(line)
    return out


def too_long(line):
    return len(line) > COLUMNS and len(WORD.findall(line)) > 1


def wrap(lines):
    indent, mark, _ = ITEM.fullmatch(lines[0]).groups()
    after = indent + " " * len(mark or "")
    if not mark and len(lines) > 1:
        after = re.match(r"\s*", lines[1])[0]
    out, line = [], indent + (mark or "")
    empty = True
    for word in WORD.findall(" ".join([lines[0][len(line) :], *lines[1:]])):
        if not empty and len(line) + 1 + len(word) > COLUMNS and not STARTS_SOMETHING.match(word):
            out.append(line)
            line, empty = after, True
        line += word if empty else " " + word
        empty = False
    return [*out, line]


def main():
    fix, faults = sys.argv[1:] == ["--fix"], 0
    for page in pages():
        text = page.read_text()
        out = []
        for n, (prose, lines) in enumerate(blocks(text.split("\n"))):
            bad = [x for x in lines if too_long(x)] if prose else []
            wrapped = wrap(lines) if bad else lines
            if bad and wrapped == lines:
                bad = []
            for x in bad if not fix else []:
                print(f"{page.relative_to(ROOT)}: {len(x)} columns: {x.strip()[:60]} …")
            faults += len(bad)
            out += wrapped
        if fix and "\n".join(out) != text:
            page.write_text("\n".join(out))
    print("pages: good" if fix or not faults else f"pages: {faults} line(s) beyond {COLUMNS} columns")
    return 1 if faults and not fix else 0


if __name__ == "__main__":
    sys.exit(main())
