# SPDX-License-Identifier: Apache-2.0
"""Import of what other programs export: what comes comes whole, what does not is named."""
import csv
import io
import json
import re
import shutil
import signal
import subprocess
import threading
import time
import uuid

import pytest
from api import Api
from wait import wait_until

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


def numbers(reply):
    """What a reply counted, without zeros and what it counted over."""
    return {
        k: reply[k]
        for k in ("accounts", "resources", "updated", "unchanged", "skipped", "refused", "left_out")
        if reply[k]
    }


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
    ("", 'Köln, "Büro"', "jürgen@example.de", "https://köln.example/?a=1&b=2", "", 'pass,wörd "quoted" €'),
    ("Servers", "db1", "root", "ssh://db1", "first line\nsecond line", "  blanks  "),
    ("Servers", "db1 spare", "postgres", "", "", "'; DROP TABLE x; --"),
    ("Servers/Linux", "db1", "root", "", "", "deeper"),
    ("Servers/Linux", "no user", "", "", "", "alone"),
    ("", "back\\slash", "dom\\user", "", "tab\there", "\\n is no newline"),
]


@pytest.fixture(scope="module")
def keepass_database(folder):
    """A real database, made and exported by the real program."""
    if not shutil.which("keepassxc-cli"):
        pytest.skip("keepassxc-cli is not installed")
    db = folder / "real.kdbx"
    keepassxc("db-create", "--set-password", "--decryption-time", "100", db, text=f"{MASTER}\n{MASTER}\n")
    for group in ("Servers", "Servers/Linux"):
        keepassxc("mkdir", db, group, text=f"{MASTER}\n")
    for group, title, user, url, notes, password in ENTRIES:
        keepassxc(
            "add",
            db,
            f"{group}/{title}" if group else title,
            "--username",
            user,
            "--url",
            url,
            "--notes",
            notes.replace("\n", "\\n"),
            "--password-prompt",
            text=f"{MASTER}\n{password}\n{password}\n",
        )
    keepassxc("add", db, "gone", "--username", "x", "--password-prompt", text=f"{MASTER}\nforgotten\nforgotten\n")
    keepassxc("rm", db, "gone", text=f"{MASTER}\n")  # into the recycle bin
    return db


@pytest.fixture(scope="module")
def keepass_export(keepass_database):
    return keepassxc("export", "--format", "csv", keepass_database, text=f"{MASTER}\n")


@pytest.fixture(scope="module")
def keepass_xml(keepass_database):
    return keepassxc("export", "--format", "xml", keepass_database, text=f"{MASTER}\n")


def test_keepassxc(ada, where, keepass_export):
    assert keepass_export.startswith('"Group","Title","Username","Password","URL","Notes"')
    path = save(where, keepass_export)
    p = ada.json("import", path, "--dry-run")
    assert (
        numbers(p) == {"accounts": len(ENTRIES), "resources": len(ENTRIES), "left_out": 1}
        and p["dry_run"]
        and ada.json("ls") == []
    )
    assert p["format"] == "keepassxc" and {x["name"]: x["values"] for x in p["lost"]} == {
        "Created": len(ENTRIES) + 1,
        "Last Modified": len(ENTRIES) + 1,
    }
    said = ada.good("import", path)
    assert (
        re.match(rf"imported {len(ENTRIES)} accounts of {len(ENTRIES)} resources in \d", said)
        and "KeePassXC (CSV)" in said
        and "recycle bin" in said
    )
    came(ada, ENTRIES)
    assert numbers(ada.json("import", path)) == {"skipped": len(ENTRIES), "left_out": 1}  # a second time


def came(person, entries):
    for group, title, user, url, notes, password in entries:
        name = f"{group}/{title}" if group else title
        found = [
            r for r in person.json("ls") if r["name"] in (name, f"{name} (2)")
        ]  # somebody else may have brought the same
        assert [(r["url"], [a["login"] for a in r["accounts"]]) for r in found] == [(url, [user])], name
        got = retrieve(person, found[0])
        assert got["password"] == password, name
        assert got.get("notes", "") == notes, name


def retrieve(person, resource, i=0):
    return person.json("get", resource["accounts"][i]["id"])["fields"]


def only(person, name):
    found = [r for r in person.json("ls") if r["name"] == name]
    assert len(found) == 1, (name, person.json("ls"))
    return found[0]


def test_keepass_xml(eve, where, keepass_xml):
    """The same entries by the other way out of the same program."""
    p = eve.json("import", save(where, keepass_xml, "export.xml"))
    assert p["format"] == "keepass-xml" and numbers(p) == {
        "accounts": len(ENTRIES),
        "resources": len(ENTRIES),
        "left_out": 1,
    }
    came(eve, [(g, t, u, url, notes.replace("\r", ""), pw) for g, t, u, url, notes, pw in ENTRIES])


# ---- plain ----


def test_plain(ada, where):
    path = save(
        where,
        csv_of(
            ["Resource", "LOGIN", "password", "url", "description", "notes", "PIN", "second field"],
            ["Plain one", "a", "pw-a", "https://one", "about one", "n", "1234", ""],
            ["Plain one", "b", "", "", "", "", "", "x"],
            ["Plain two", "a", 'ä"b\nc', "", "", "", "", ""],
        ),
    )
    assert numbers(ada.json("import", path)) == {"accounts": 3, "resources": 2}
    one = only(ada, "Plain one")
    assert one["url"] == "https://one" and one["accounts"][0]["description"] == "about one"
    assert retrieve(ada, one) == {"password": "pw-a", "notes": "n", "PIN": "1234"}
    assert retrieve(ada, one, 1) == {"password": "", "second field": "x"}
    assert retrieve(ada, only(ada, "Plain two")) == {"password": 'ä"b\nc'}


# What other programs export is read in test/unit/vault/test_importfile.c; here the way of one of each kind through all of it.

SHAPES = {
    "bitwarden-csv": "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n"
    'Social,,login,Twitter,,"PIN: 1234",0,twitter.com,me,{pw},\n',
    "keepass-csv": '"Account","Login Name","Password","Web Site","Comments"\n"Twitter","me",{escaped},"twitter.com",""\n',
    "excel": "\ufeffresource\tlogin\tpassword\turl\r\nTwitter\tme\t{pw}\ttwitter.com\r\n\t\t\t\r\n",
    "bitwarden-json": '{{"encrypted":false,"folders":[],"items":[{{"type":1,"name":"Twitter","notes":null,"login":{{"uris":[{{"uri":"twitter.com"}}],"username":"me","password":{json}}}}}]}}',
}
NASTY = '="1"\\ ,;\n\t\'x\\" 😀 '


@pytest.mark.parametrize("name", SHAPES)
def test_passwords_byte_for_byte(hire, where, name):
    """H15 of what is brought along: nothing is bent on the way from a file to whoever asks for it."""
    her = hire(f"bytes-{name}")
    text = SHAPES[name].format(
        pw='"' + NASTY.replace('"', '""') + '"',
        json=json.dumps(NASTY),
        escaped='"' + NASTY.replace("\\", "\\\\").replace('"', '\\"') + '"',
    )
    p = her.json("import", save(where, text.encode("utf-16-le" if name == "excel" else "utf-8")))
    assert numbers(p) == {"accounts": 1, "resources": 1}
    r = her.json("ls")[0]
    assert r["url"] == "twitter.com" and retrieve(her, r)["password"] == NASTY


def test_into_a_resource_that_is_there(ada, where):
    ada.good("put", "Present/old", input="old\n")
    assert (
        ada.json("import", save(where, csv_of(["resource", "login", "password"], ["present", "new", "new"])))[
            "resources"
        ]
        == 0
    )
    assert [retrieve(ada, only(ada, "Present"), i)["password"] for i in (0, 1)] == ["new", "old"]


def test_crlf_and_byte_order_mark(ada, where):
    data = (
        b"\xef\xbb\xbf"
        + csv_of(["resource", "login", "password"], ["Windows", "x", "pw"]).replace("\n", "\r\n").encode()
    )
    ada.good("import", save(where, data))
    assert ada.good("get", "Windows/x") == "pw\n"


def test_events(ada, boss, where):
    ada.good(
        "import",
        save(
            where,
            csv_of(
                ["resource", "login", "password"],
                ["Evented", "x", "Not-In-The-Log-1"],
                ["Evented", "y", "Not-In-The-Log-2"],
            ),
        ),
    )
    listed = boss.json("audit", "list", "--user", "ada", "--most", "12")
    events = [e for e in listed if e["kind"] != "session_seen"][
        :6
    ]  # that a session is in use is told now and then, beside it
    assert (
        sorted(e["kind"] for e in events)
        == ["account_created"] * 2 + ["imported", "resource_created"] + ["version_added"] * 2
    )
    body = [e["body"] for e in events if e["kind"] == "imported"][0]
    assert (body["accounts"], body["resources"]) == (2, 1)
    assert "Not-In-The-Log" not in json.dumps(events)
    assert boss.json("audit", "verify")["good"] is True


# ---- what does not come ----

HEAD = ["resource", "login", "password"]
GOOD = [["good 1", "x", "y"], ["good 2", "x", "y"]]


@pytest.mark.parametrize(
    "rows,words",
    [
        ([HEAD, *GOOD, ["three", "x"]], ["line 4: ", "2 fields"]),
        ([HEAD, *GOOD, ["three", "x", "y", "z"]], ["line 4: ", "4 fields"]),
        ([HEAD, GOOD[0], ["x" * 201, "x", "y"], GOOD[1]], ["line 3: ", "resource"]),
        ([HEAD, GOOD[0], ["two\nlines", "x", "y"], GOOD[1]], ["line 3: ", "control"]),
        ([HEAD, GOOD[0], ["x", "y", "p" * 70000], GOOD[1]], ["line 3: ", "64 KiB"]),
    ],
    ids=range(5),
)
def test_a_bad_line(hire, where, rows, words, request):
    """It is named, and the others come; with --all-or-nothing nothing does."""
    her = hire(f"bad-{request.node.callspec.id}")
    rows = [[r[0] + her.name if r in GOOD else r[0], *r[1:]] for r in rows]
    path = save(where, csv_of(*rows))
    refused(her, path, *words, args=["--all-or-nothing"])
    p = her.cli("import", path)
    assert p.returncode == 1 and "imported 2 accounts" in p.stdout and "1 of 3 cannot be stored" in p.stdout
    for w in words:
        assert w in p.stderr
    assert len(her.json("ls")) == 2


@pytest.mark.parametrize(
    "data,words",
    [
        (b"", ["line 1"]),
        (b"resource,login,password\na,b,\xff\n", ["line 2", "UTF-8"]),
        (b"resource,login,password\na,b,c\0d\n", ["line 2"]),
        (b'resource,login,password\na,b,"never closed\n', ["line 2"]),
        (b'resource,login,password\na,b,"c"d\n', ["line 2"]),
        (b"resource,login\na,b\n", ["line 1", "password"]),
        (b"resource,login,password,login\na,b,c,d\n", ["line 1", "twice"]),
        (b"SQLite format 3\0" + bytes(range(256)), ["line 1"]),
    ],
    ids=range(8),
)
def test_what_cannot_be_read(eve, where, data, words):
    refused(eve, save(where, data), *words)


def test_files_that_are_none(eve, where):
    refused(eve, where / "none.csv", "none.csv")
    refused(eve, where, str(where))
    p = eve.cli("import", save(where, csv_of(HEAD)), "--format", "nonsense")
    assert p.returncode == 1 and "keepassxc" in p.stderr
    (where / "big.csv").write_bytes(b"")
    with open(where / "big.csv", "r+b") as f:
        f.truncate(33 << 20)
    refused(eve, where / "big.csv", "big.csv")


def test_only_a_header(eve, where):
    assert numbers(eve.json("import", save(where, csv_of(HEAD)))) == {}


def test_a_name_that_another_owns(hire, ada, where):
    """Import tells no more than making a resource does: what somebody does not see is in nobody's way."""
    ada.good("put", "Hers/x", input="y\n")
    fay = hire("fay")
    rows = csv_of(HEAD, ["hers", "x", "1"], ["hers", "mine", "2"], ["free", "x", "3"])
    plan = fay.json("import", save(where, rows), "--dry-run")
    assert numbers(plan) == {"accounts": 3, "resources": 2}
    assert [(x["fate"], x["resource"], x["why"]) for x in plan["lines"]] == [
        ("new", name, None) for name in ("hers", "hers", "free")
    ]
    assert numbers(fay.json("import", save(where, rows))) == {"accounts": 3, "resources": 2}
    assert sorted(r["name"] for r in fay.json("ls")) == ["free", "hers"]
    for way in ("skip", "update", "new"):
        said = json.dumps(
            fay.json("import", save(where, csv_of(HEAD, ["Hers", "x", "9"])), "--dry-run", "--duplicates", way)
        )
        assert "ada" not in said
    assert numbers(fay.json("import", save(where, rows))) == {"skipped": 3}  # again: her own are found
    assert retrieve(ada, only(ada, "Hers"))["password"] == "y"


def test_what_is_shared_in_part(hire, ada, where):
    """Who sees one account of a resource is told of that one, and of no other."""
    ada.good("put", "Partly/seen", input="1\n")
    ada.good("put", "Partly/unseen", input="2\n")
    ida = hire("ida")
    ada.good("share", "Partly/seen", "ida", "modify")
    ida.accept_all()
    plan = ida.json(
        "import",
        save(where, csv_of(HEAD, ["Partly", "seen", "a"], ["Partly", "unseen", "b"], ["Partly", "third", "c"])),
        "--dry-run",
        "--duplicates",
        "update",
    )
    assert [(x["fate"], x["resource"]) for x in plan["lines"]] == [
        ("updated", "Partly"),
        ("new", "Partly (2)"),
        ("new", "Partly (2)"),
    ]


# ---- duplicates ----


@pytest.fixture
def kim(hire, where, request):
    her = hire(f"kim-{abs(hash(request.node.name)) % 10 ** 8}")
    her.n = her.name
    her.good("import", save(where, csv_of([*HEAD, "totp"], [her.n, "root", "old", "secret"])))
    return her


def again(kim, where, *rows, ways):
    return kim.json("import", save(where, csv_of(HEAD, *([kim.n, *r] for r in rows)), "again.csv"), *ways)


def test_duplicates_are_skipped(kim, where):
    p = again(kim, where, ["root", "new"], ["www", "1"], ["www", "2"], ways=[])
    assert numbers(p) == {"accounts": 1, "skipped": 2}
    assert [(x["line"], x["fate"], x["why"]) for x in p["lines"]] == [
        (2, "skipped", "it is there already"),
        (4, "skipped", "the same resource and login as line 3"),
    ]
    assert [retrieve(kim, only(kim, kim.n), i)["password"] for i in (0, 1)] == ["old", "1"]


def test_duplicates_update(kim, where):
    """A new version where something differs; what the file does not speak of stays."""
    p = again(
        kim,
        where,
        ["root", "old"],
        ["root", "new"],
        ["root", "new"],
        ["www", "1"],
        ["www", "2"],
        ways=["--duplicates", "update"],
    )
    assert numbers(p) == {"accounts": 1, "updated": 2, "unchanged": 2}
    r = only(kim, kim.n)
    assert retrieve(kim, r) == {"password": "new", "totp": "secret"} and retrieve(kim, r, 1) == {"password": "2"}
    assert [v["n"] for v in kim.json("history", r["accounts"][0]["id"])["versions"]] == [2, 1]
    assert [v["n"] for v in kim.json("history", r["accounts"][1]["id"])["versions"]] == [2, 1]
    assert not any(a["conflict"] for a in r["accounts"])


def test_duplicates_new(kim, where):
    p = again(kim, where, ["root", "b"], ["root", "c"], ["other", "d"], ways=["--duplicates", "new"])
    assert numbers(p) == {"accounts": 3, "resources": 2}
    assert sorted((r["name"], len(r["accounts"])) for r in kim.json("ls")) == [
        (kim.n, 2),
        (f"{kim.n} (2)", 1),
        (f"{kim.n} (3)", 1),
    ]
    assert retrieve(kim, only(kim, f"{kim.n} (3)")) == {"password": "c"}


def test_update_needs_the_right(hire, kim, where):
    lea = hire("lea-" + kim.n)
    kim.good("share", kim.n, lea.name, "view", "--resource")
    lea.accept_all()
    p = lea.json("import", save(where, csv_of(HEAD, [kim.n, "root", "x"])), "--duplicates", "update")
    assert numbers(p) == {"skipped": 1} and "may not change" in p["lines"][0]["why"]
    assert retrieve(kim, only(kim, kim.n))["password"] == "old"


def test_untitled_and_plan(eve, where):
    rows = csv_of(
        ["Title", "Username", "Password", "URL"], ["", "ann", "1", "https://u.example/x"], ["", "bob", "2", ""]
    )
    plan = eve.good("import", save(where, rows), "--dry-run")
    assert plan.startswith("would import 2 accounts of 2 resources\n")
    assert (
        "line 2: new: u.example / ann: it has no title and is named by its URL" in plan
        and "line 3: new: bob / bob: it has no title and is named by its login" in plan
    )
    assert eve.json("ls") == []


# ---- what became of it ----


def table(name, rows):
    return csv_of(HEAD, *[[f"{name} {i:05}", "x", f"pw-{i}"] for i in range(rows)])


class Running:
    """holdfast import, under way."""

    def __init__(self, person, path):
        node = person.node
        self.p = subprocess.Popen(
            node.argv("import", path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(node.env, HOLDFAST_SESSION=str(person.session)),
        )
        self.err = []
        self.said = threading.Condition()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.p.stderr:
            with self.said:
                self.err.append(line)
                self.said.notify_all()

    def wait_said(self, words):
        with self.said:
            assert self.said.wait_for(lambda: any(words in x for x in self.err), 60), self.err

    def end(self):
        out = self.p.stdout.read()
        self.p.wait(90)
        self.reader.join()
        return self.p.returncode, out, "".join(self.err)


def there(person, name):
    return sum(len(r["accounts"]) for r in person.json("ls") if r["name"].startswith(name))


def test_ctrl_c_before_it_is_there(hire, where):
    """The node did not have the file yet: nothing is stored, and never will be."""
    her = hire("early")
    her.node.signal("vaultd", signal.SIGSTOP)
    try:
        p = Running(her, save(where, table("early", 50)))
        p.wait_said("…")  # it says what it waits for
        p.p.send_signal(signal.SIGINT)
        p.wait_said("asking the node what became of import")
    finally:
        her.node.signal("vaultd", signal.SIGCONT)
    rc, out, err = p.end()
    assert rc == 130 and out == "nothing was stored\n", (out, err)
    assert there(her, "early") == 0
    said = re.search(r"import ([0-9a-f-]{36})", err).group(1)
    p = her.cli("import", "--outcome", said)
    assert p.returncode == 1 and p.stdout == "nothing was stored\n"


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_on_the_way(hire, where, sig):
    """Whenever it comes: what is said is so, and it is all or nothing."""
    her = hire(f"way-{sig}")
    rows = 6000
    for i, after in enumerate((0.1, 0.3, 0.8)):
        name = f"way {sig} {i}"
        p = Running(her, save(where, table(name, rows)))
        try:
            p.p.wait(after)
        except subprocess.TimeoutExpired:
            p.p.send_signal(sig)
        rc, out, err = p.end()
        n = there(her, name)
        assert n in (0, rows), err
        if rc == -sig:  # before it had begun
            assert n == 0 and not out, (out, err)
        elif "nothing was stored" in out:
            assert rc == 128 + sig and n == 0
        else:
            assert n == rows and re.search(
                rf"imported {rows} accounts|{rows} of {rows} entries are in the vault", out
            ), (rc, out, err)


def test_what_became_of_it_is_asked_later(running, admin, where):
    """The node is gone: it is not claimed to be known, and the command that tells later is named."""

    class Root:
        node, session = running, where / "admin.session"

    running.signal("vaultd", signal.SIGSTOP)
    p = Running(Root, save(where, table("later", 50)))
    p.wait_said("…")
    p.p.send_signal(signal.SIGINT)
    p.wait_said("asking the node what became of import")
    running.kill()
    rc, out, err = p.end()
    assert rc == 3 and out == "" and "could not be found out" in err, (rc, out, err)
    said = re.search(r"`holdfast import --outcome ([0-9a-f-]{36})`", err).group(1)
    running.start()
    p = admin("import", "--outcome", said, check=False)
    assert p.returncode == 1 and p.stdout == "nothing was stored\n"


def test_the_service_falls_on_the_way(hire, where):
    """Whoever asks again with the same id doubles nothing and misses nothing."""
    her = hire("falls")
    rows, id = 4000, str(uuid.uuid4())
    data = table("falls", rows).encode()

    def ask(method, **kw):
        api = Api(her.node, her.api.token)
        try:
            return api.call(
                method,
                f"/v1/import{'?id=' if method == 'POST' else '/'}{id}",
                headers={"Content-Type": "text/csv"},
                **kw,
            )
        except (OSError, Exception):  # it falls
            return None
        finally:
            api.close()

    first = threading.Thread(target=ask, args=["POST"], kwargs={"raw": data})
    first.start()
    wait_until(
        "the import has begun",
        lambda: ask("GET"),
        lambda r: r and r.status == 200 and r.json["state"] != "unknown",
        every=0,
    )
    her.node.signal("vaultd", signal.SIGKILL)
    first.join()
    r = wait_until(
        "the import is taken when it is asked for again", lambda: ask("POST", raw=data), lambda r: r and r.status == 200
    )
    assert r.json["state"] == "stored" and r.json["accounts"] == rows
    assert ask("GET").json["state"] == "stored"
    assert there(her, "falls") == rows


def test_the_service_falls_under_the_command(hire, where):
    """The command line asks again by itself."""
    her = hire("under")
    path = save(where, table("under", 4000))
    her.node.signal("vaultd", signal.SIGSTOP)
    p = Running(her, path)
    p.wait_said("…")
    her.node.signal("vaultd", signal.SIGKILL)
    rc, out, err = p.end()
    assert rc == 0 and out.startswith("imported 4000 accounts"), (rc, out, err)
    assert there(her, "under") == 4000


def test_ten_thousand(hire, boss, where, record_property):
    """All of them or none; how long it takes is printed, the goal is 10 s."""
    many = hire("many")
    rows = [
        [f"host {i // 2:05}.example", f"user{i % 2}", f'pässword {i} "q"', f"https://host{i}", "notes of it"]
        for i in range(10000)
    ]
    path = save(where, csv_of(["resource", "login", "password", "url", "notes"], *rows))
    bad = save(where, path.read_text() + "x,y\n", "bad.csv")
    begun = time.monotonic()
    refused(many, bad, "line 10002: ", args=["--all-or-nothing"])
    refused_after = time.monotonic() - begun
    begun = time.monotonic()
    assert numbers(many.json("import", path, timeout=120)) == {"accounts": 10000, "resources": 5000}
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
    print(
        f"\n10,000 accounts imported in {seconds:.2f} s (bad file refused in {refused_after:.2f} s); then get {get:.2f} s, ls {ls:.2f} s, audit verify {verify:.2f} s"
    )
    record_property("import_10000_s", round(seconds, 2))
