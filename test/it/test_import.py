# SPDX-License-Identifier: Apache-2.0
"""Import of what other programs export: all of a file, or nothing."""
import csv
import io
import json
import re
import shutil
import subprocess
import time

import pytest

MASTER = "keepass-master-password"


@pytest.fixture(scope="module")
def ada(hire):
    return hire("ada")


@pytest.fixture
def eve(hire, request):
    """Somebody who has nothing yet."""
    return hire(f"u-{abs(hash(request.node.name)) % 10 ** 8}")


def csv_of(*rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def save(folder, data, name="import.csv"):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def refused(person, path, *words, args=()):
    """Exit 1 with these words, and nothing of it is there."""
    before = person.good("ls", "--json")
    p = person.cli("import", path, *args)
    assert p.returncode == 1, (p.stdout, p.stderr)
    for w in words:
        assert w in p.stderr, p.stderr
    assert person.good("ls", "--json") == before
    return p.stderr


# ---- KeePassXC ----

def keepassxc(*args, text):
    p = subprocess.run(["keepassxc-cli", *map(str, args)], input=text, capture_output=True, text=True)
    assert p.returncode == 0, p.stderr
    return p.stdout


# group, title, user, URL, notes, password
ENTRIES = [
    ("", "Router", "admin", "https://10.0.0.1/", "in the cellar", "simple"),
    ("", "Köln, \"Büro\"", "jürgen@example.de", "https://köln.example/?a=1&b=2", "", "pass,wörd \"quoted\" €"),
    ("Servers", "db1", "root", "ssh://db1", "first line\nsecond line", "  blanks  "),
    ("Servers", "db1 spare", "postgres", "", "", "'; DROP TABLE x; --"),
    ("Servers/Linux", "db1", "root", "", "", "deeper"),
    ("Servers/Linux", "no user", "", "", "", "alone"),
    ("", "back\\slash", "dom\\user", "", "tab\there", "\\n is no newline"),
]


@pytest.fixture(scope="module")
def keepass_export(folder):
    """A real database, made and exported by the real program."""
    if not shutil.which("keepassxc-cli"):
        pytest.skip("keepassxc-cli is not installed")
    db = folder / "real.kdbx"
    keepassxc("db-create", "--set-password", "--decryption-time", "100", db, text=f"{MASTER}\n{MASTER}\n")
    for group in ("Servers", "Servers/Linux"):
        keepassxc("mkdir", db, group, text=f"{MASTER}\n")
    for group, title, user, url, notes, password in ENTRIES:
        keepassxc("add", db, f"{group}/{title}" if group else title, "--username", user, "--url", url, "--notes", notes.replace("\n", "\\n"), "--password-prompt",
                  text=f"{MASTER}\n{password}\n{password}\n")
    return keepassxc("export", "--format", "csv", db, text=f"{MASTER}\n")


def test_keepassxc(ada, where, keepass_export):
    assert keepass_export.startswith('"Group","Title","Username","Password","URL","Notes"')
    path = save(where, keepass_export)
    p = ada.json("import", path, "--dry-run")
    assert p == {"accounts": len(ENTRIES), "resources": len(ENTRIES), "dry_run": True} and ada.json("ls") == []
    assert re.match(rf"imported {len(ENTRIES)} accounts of {len(ENTRIES)} resources in \d", ada.good("import", path))
    for group, title, user, url, notes, password in ENTRIES:
        name = f"{group}/{title}" if group else title
        assert ada.good("get", f"{name}/{user}") == password + "\n", name
        got = ada.json("get", f"{name}/{user}")
        assert got["fields"].get("notes", "") == notes, name
        found = [r for r in ada.json("ls") if r["name"] == name]
        assert [(r["url"], [a["login"] for a in r["accounts"]]) for r in found] == [(url, [user])], name
    refused(ada, path, "line 2: ", "already") # a second time


def test_keepassxc_named_as_plain(eve, where, keepass_export):
    refused(eve, save(where, keepass_export), "line 1", "resource", args=["--format", "plain"])


# ---- plain ----

def test_plain(ada, where):
    path = save(where, csv_of(["Resource", "LOGIN", "password", "url", "description", "notes", "PIN", "second field"],
                              ["Plain one", "a", "pw-a", "https://one", "about one", "n", "1234", ""],
                              ["Plain one", "b", "", "", "", "", "", "x"],
                              ["Plain two", "a", "ä\"b\nc", "", "", "", "", ""]))
    assert ada.json("import", path) == {"accounts": 3, "resources": 2, "dry_run": False}
    assert ada.json("get", "Plain one/a")["fields"] == {"password": "pw-a", "notes": "n", "PIN": "1234"}
    assert ada.json("get", "Plain one/b")["fields"] == {"password": "", "second field": "x"}
    assert ada.good("get", "Plain two") == "ä\"b\nc\n"
    one = [r for r in ada.json("ls") if r["name"] == "Plain one"][0]
    assert one["url"] == "https://one" and one["accounts"][0]["description"] == "about one"


def test_into_a_resource_that_is_there(ada, where):
    ada.good("put", "Present/old", input="old\n")
    assert ada.json("import", save(where, csv_of(["resource", "login", "password"], ["present", "new", "new"]))) == {"accounts": 1, "resources": 0, "dry_run": False}
    assert ada.good("get", "Present/new") == "new\n" and ada.good("get", "Present/old") == "old\n"


def test_crlf_and_byte_order_mark(ada, where):
    data = b"\xef\xbb\xbf" + csv_of(["resource", "login", "password"], ["Windows", "x", "pw"]).replace("\n", "\r\n").encode()
    ada.good("import", save(where, data))
    assert ada.good("get", "Windows/x") == "pw\n"


def test_events(ada, boss, where):
    ada.good("import", save(where, csv_of(["resource", "login", "password"], ["Evented", "x", "Not-In-The-Log-1"], ["Evented", "y", "Not-In-The-Log-2"])))
    events = boss.json("audit", "list", "--user", "ada", "--most", "6")
    assert sorted(e["kind"] for e in events) == ["account_created"] * 2 + ["imported", "resource_created"] + ["version_added"] * 2
    body = [e["body"] for e in events if e["kind"] == "imported"][0]
    assert (body["accounts"], body["resources"]) == (2, 1)
    assert "Not-In-The-Log" not in json.dumps(events)
    assert boss.json("audit", "verify")["good"] is True


# ---- what is refused ----

HEAD = ["resource", "login", "password"]
GOOD = [["good 1", "x", "y"], ["good 2", "x", "y"]]


@pytest.mark.parametrize("rows,words", [
    ([HEAD, *GOOD, ["three", "x"]], ["line 4: ", "2 fields"]),
    ([HEAD, *GOOD, ["three", "x", "y", "z"]], ["line 4: ", "4 fields"]),
    ([HEAD, GOOD[0], ["", "x", "y"], GOOD[1]], ["line 3: ", "resource"]),
    ([HEAD, GOOD[0], ["x" * 201, "x", "y"]], ["line 3: ", "resource"]),
    ([HEAD, GOOD[0], ["two\nlines", "x", "y"]], ["line 3: ", "control"]),
    ([HEAD, GOOD[0], [" blank", "x", "y"]], ["line 3: ", "blank"]),
    ([HEAD, *GOOD, ["GOOD 1", "X", "y"]], ["line 4: ", "line 2"]),
    ([HEAD, ["a", "x", "several\nlines\nhere"], ["", "x", "y"]], ["line 5: "]), # lines of the file, not records
    ([["resource", "login"], ["a", "b"]], ["line 1", "password"]),
    ([["resource", "login", "password", "login"], ["a", "b", "c", "d"]], ["line 1", "twice"]),
    ([["resource", "login", "password", ""], ["a", "b", "c", "d"]], ["line 1", "column 4"]),
    ([["a", "b", "c"], ["a", "b", "c"]], ["line 1"]),
], ids=range(12))
def test_a_bad_line(eve, where, rows, words):
    refused(eve, save(where, csv_of(*rows)), *words)


@pytest.mark.parametrize("data,words", [
    (b"", ["line 1"]),
    (b"resource,login,password\na,b,\xff\n", ["line 2"]),
    (b"resource,login,password\na,b,c\0d\n", ["line 2"]),
    (b'resource,login,password\na,b,"never closed\n', ["line 2"]),
    (b'resource,login,password\na,b,c\nd,e,f"g\n', ["line 3"]),
    (b'resource,login,password\na,b,"c"d\n', ["line 2"]),
    (b"resource,login,password\na,b," + b"x" * 70000 + b"\n", ["line 2"]),
    (b"SQLite format 3\0" + bytes(range(256)), ["line 1"]),
], ids=range(8))
def test_what_is_no_csv(eve, where, data, words):
    refused(eve, save(where, data), *words)


def test_a_name_that_another_owns(eve, ada, where):
    ada.good("put", "Hers/x", input="y\n")
    refused(eve, save(where, csv_of(HEAD, GOOD[0], ["hers", "mine", "y"])), "line 3: ", "taken")


def test_files_that_are_none(eve, where):
    refused(eve, where / "none.csv", "none.csv")
    refused(eve, where, str(where))
    assert eve.cli("import", save(where, csv_of(HEAD)), "--format", "nonsense").returncode == 1
    (where / "big.csv").write_bytes(b"")
    with open(where / "big.csv", "r+b") as f:
        f.truncate(33 << 20)
    refused(eve, where / "big.csv", "big.csv")


def test_only_a_header(eve, where):
    assert eve.json("import", save(where, csv_of(HEAD))) == {"accounts": 0, "resources": 0, "dry_run": False}


def test_ten_thousand(hire, boss, where, record_property):
    """All of them or none; how long it takes is printed, the goal is 10 s."""
    many = hire("many")
    rows = [[f"host {i // 2:05}.example", f"user{i % 2}", f"pässword {i} \"q\"", f"https://host{i}", "notes of it"] for i in range(10000)]
    path = save(where, csv_of(["resource", "login", "password", "url", "notes"], *rows))
    bad = save(where, path.read_text() + ",,\n", "bad.csv")
    begun = time.monotonic()
    refused(many, bad, "line 10002: ")
    refused_after = time.monotonic() - begun
    begun = time.monotonic()
    assert many.json("import", path, timeout=120) == {"accounts": 10000, "resources": 5000, "dry_run": False}
    seconds = time.monotonic() - begun
    begun = time.monotonic()
    assert many.good("get", "host 04999.example/user1") == rows[9999][2] + "\n"
    get = time.monotonic() - begun
    begun = time.monotonic()
    assert sum(len(r["accounts"]) for r in many.json("ls")) == 10000
    ls = time.monotonic() - begun
    begun = time.monotonic()
    assert boss.json("audit", "verify", timeout=120)["good"] is True
    verify = time.monotonic() - begun
    print(f"\n10,000 accounts imported in {seconds:.2f} s (bad file refused in {refused_after:.2f} s); then get {get:.2f} s, ls {ls:.2f} s, audit verify {verify:.2f} s")
    record_property("import_10000_s", round(seconds, 2))
