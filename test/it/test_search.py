# SPDX-License-Identifier: Apache-2.0
"""Searches of somebody who sees much: whichever way they are answered, they find what has the text, and the best comes first."""
import random

import pytest

MANY = 2100  # more than are collected before they are searched (vault/resource.c)
PLACES = ("Basel", "Bern", "Zürich", "Genève")


@pytest.fixture(scope="module")
def rows():
    return [
        {
            "resource": f"Server-{n:04}.{PLACES[n % 4].lower()}.example",
            "login": ("root", "admin", f"svc_{n % 50}")[n % 3],
            "url": f"https://s{n % 700}.example/?a=100%25",
            "description": f"rack {n % 90}, {PLACES[n % 4]}",
        }
        for n in range(MANY)
    ]


@pytest.fixture(scope="module")
def ada(hire, rows, folder):
    one = hire("ada")
    lines = ["resource,login,password,url,description"]
    lines += [f'{r["resource"]},{r["login"]},x,{r["url"]},"{r["description"]}"' for r in rows]
    table = folder / "table.csv"
    table.write_text("\n".join(lines) + "\n")
    one.good("import", str(table))
    return one


def small(text):
    """As PostgreSQL compares here: of ASCII alone."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def found(person, text):
    return [r["name"] for r in person.json("find", text)]


def having(rows, text):
    return {r["resource"] for r in rows if any(small(text) in small(v) for v in r.values())}


def test_a_search_finds_what_has_the_text(ada, rows):
    """By lot: parts of one to nine characters of whatever was imported, of which there are one to all."""
    lot = random.Random(7)
    texts = ["server", "SERVER-0077", "777", "rack 7", "100%", "zürich", "_1", "s69", "no such", "%"]
    for _ in range(25):
        value = lot.choice(list(lot.choice(rows).values()))
        at = lot.randrange(len(value))
        texts.append(value[at : at + lot.randint(1, 9)].strip() or "-")
    for text in texts:
        names = found(ada, text)
        assert len(names) == len(set(names)), text
        assert set(names) == having(rows, text), text


def test_the_best_comes_first(ada, rows):
    """Of a few: its name, its beginning, a word's, a part; alike: by name. Of many at least the first two."""
    for name in ("bern", "bernstein", "Front bern", "hibernate-7"):
        ada.good("put", f"{name}/root", input="secret\n")
    few = found(ada, "hibern")
    assert few == ["hibernate-7"], few
    many = found(ada, "bern")
    assert many[:2] == ["bern", "bernstein"], many[:4]
    assert many[2:] == sorted(many[2:], key=small)
    ada.good("put", "quince/root", input="secret\n")
    ada.good("put", "old-quince/root", input="secret\n")
    ada.good("put", "aquincea/root", input="secret\n")
    ada.good("put", "quincey/root", input="secret\n")
    ada.good("put", "plum/QUINCE", input="secret\n")
    assert found(ada, "quince") == ["plum", "quince", "quincey", "old-quince", "aquincea"]
    quinces = ["quince", "old-quince", "aquincea", "quincey", "plum"]
    for name in ["bern", "bernstein", "Front bern", "hibernate-7", *quinces]:
        ada.good("rm", "--resource", name, "--yes")
