# SPDX-License-Identifier: Apache-2.0
"""What an operator is answered, as the pages have it: each order in each place where a node may be (docs/ha.md), each place with its reason
(docs/runbook.md); and whether a node says so.
"""
import json
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def table(page, head):
    """The rows below a head line of a page, as lists of cells."""
    text = (DOCS / page).read_text()
    rows = text[text.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in r.strip("|").split("|")] for r in rows]


ANSWERS = {
    (order.strip("`"), place): answer
    for order, places, answer in table("ha.md", "| order | state | answer |")
    for place in places.split(", ")
}
REASONS = {row[0]: row[1].strip("`") for row in table("runbook.md", "| state | reason | it takes |")}
WORDS = {
    "promote": ["promote", "--yes"],
    "rejoin --in-place": ["rejoin", "--in-place", "--yes"],
    "remove": ["remove", "127.0.0.9", "--yes"],
    "emergency on": ["emergency", "on"],
    "emergency off": ["emergency", "off"],
}


def refused_at(place, state):
    """[(order, place or state that the row is of, answer)] of what is refused there. state: what a node that was taken out is in besides."""
    rows = []
    for order in sorted({o for o, _ in ANSWERS}):
        of = place if (order, place) in ANSWERS else state
        answer = ANSWERS.get((order, of), "yes")
        if answer != "yes":
            rows.append((order, of, answer))
    return rows


def refuse(node, order, place, answer, primary=None):
    """An order on the node itself; the page's answer, word for word. Where the page sends its reader to the primary, that one is named."""
    if answer.endswith("on the primary"):
        answer = f"{answer} {primary.name}"
    p = node.run("ha", *WORDS.get(order, [order]), "--json", "--home", node.home, check=False)
    said = json.loads(p.stdout)["error"]["message"]
    if place == "stopped":
        said = said.replace(f"holdfast serve --home {node.home}", "holdfast serve")
    assert (p.returncode, said) == (3 if place == "stopped" else 1, answer), (order, place, p.stdout, p.stderr)


def refuse_all(node, place, primary=None, state=None):
    """All that is refused there but `unlock`, which is a user's; nothing comes of it."""
    for order, of, answer in refused_at(place, state):
        if order != "unlock":
            refuse(node, order, of, answer, primary)
    if place != "stopped":
        assert node.state() == (state or place)
