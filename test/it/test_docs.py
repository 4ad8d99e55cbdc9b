# SPDX-License-Identifier: Apache-2.0
"""The pages that the program writes are the pages in docs/; the other pages say what the code says."""
import re
import subprocess
import sys

import pytest

from nodes import ROOT
from verbs import verbs_of


@pytest.mark.parametrize("page", ["settings", "api", "home"])
def test_page_is_what_the_program_writes(holdfast, page):
    written = subprocess.run([holdfast, "docs", page], capture_output=True, text=True, check=True).stdout
    assert (ROOT / f"docs/{page}.md").read_text() == written, f"run: holdfast docs {page} > docs/{page}.md"


def test_every_promise_has_a_test_that_names_it():
    said = set(re.findall(r"^- \*\*(H\d+)\*\*", (ROOT / "docs/ha.md").read_text(), re.M))
    assert said == {f"H{n}" for n in range(1, 18)}
    tests = [p for kind in ("test_*.py", "test_*.c") for p in (ROOT / "test").rglob(kind)]
    named = set(re.findall(r"(?:pytest\.mark\.h|\bH)(\d+)\b", "".join(p.read_text() for p in tests)))
    assert {f"H{n}" for n in named} == said


def test_every_reason_of_the_status_is_explained():
    codes = re.findall(r"^\tX\(([A-Z_]+), \"", (ROOT / "src/ha/status.h").read_text(), re.M)
    page = (ROOT / "docs/ha.md").read_text()
    assert codes and not [c for c in codes if f"`{c.lower()}`" not in page]


def test_every_verb_has_help(holdfast):
    verbs = verbs_of(holdfast)
    assert len(verbs) > 20 and len(set(verbs)) == len(verbs)
    for verb in verbs:
        out = subprocess.run([holdfast, *verb.split(), "--help"], capture_output=True, text=True)
        assert out.returncode == 0 and out.stdout.startswith(f"holdfast {verb}"), (verb, out)


def test_every_format_of_import_is_explained():
    formats = re.findall(
        r'^\t\{ "([a-z0-9-]+)", "[^"]+", importread_', (ROOT / "src/vault/importformat.c").read_text(), re.M
    )
    assert len(formats) > 10
    assert set(formats) == set(
        re.findall(
            r"`([a-z0-9-]+)`", "".join(re.findall(r"^\| .* \| (`.*) \|$", (ROOT / "docs/import.md").read_text(), re.M))
        )
    ) - {"--format"}


def anchors(page):
    """As the forges make them of headings."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


def test_links_between_the_pages_lead_somewhere():
    pages = [p for p in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))]
    links = [
        (p, *t.partition("#")[::2])
        for p in pages
        for t in re.findall(r"\]\(([^)\s]+)[^)]*\)", p.read_text())
        if "://" not in t
    ]
    assert len(links) > 40
    dead = []
    for page, file, anchor in links:
        to = (page.parent / file).resolve() if file else page
        if not to.is_file() or (anchor and anchor not in anchors(to.read_text())):
            dead.append(f"{page.name}: {file}#{anchor}")
    assert not dead


def test_prose_wraps_at_100_columns():
    p = subprocess.run([sys.executable, ROOT / "tools/check_docs.py"], capture_output=True, text=True)
    assert p.returncode == 0, p.stdout
