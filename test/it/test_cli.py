# SPDX-License-Identifier: Apache-2.0
"""The command line: as a whole, the key verbs, and what users do with it."""
import codecs
import json
import os
import pty
import re
import shlex
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest
from factor import totp
from faultpage import FaultPage
from nodes import Person, told
from pair import PASSWORD, give
from verbs import fails
from wait import wait_until

settings = {"lockout_after": 3, "lockout_ms": 4000}


def run(holdfast, *args):
    return subprocess.run([holdfast, *map(str, args)], capture_output=True, text=True)


def test_help_and_version(holdfast):
    p = run(holdfast, "--help")
    assert p.returncode == 0 and "init" in p.stdout and "serve" in p.stdout and "--process" not in p.stdout
    assert re.fullmatch(r"holdfast \d+\.\d+\.\d+\n", run(holdfast, "--version").stdout)
    assert run(holdfast).returncode == 2


def test_every_verb_has_help(holdfast):
    names = re.findall(r"^  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)(?= |$)", run(holdfast, "--help").stdout, re.M)
    names.remove("holdfast")  # the synopsis
    assert "init" in names and "key check" in names and len(names) > 10
    for name in names:
        p = run(holdfast, *name.split(), "--help")
        assert p.returncode == 0 and p.stdout.startswith(f"holdfast {name}") and "--json" in p.stdout, name


def test_every_example_is_a_command_that_is_understood(holdfast):
    tried = 0
    for verb in verbs(holdfast):
        told = re.search(r"^Example:\n  (.+)$", run(holdfast, *verb.split(), "--help").stdout, re.M)
        if not told:
            continue
        words = shlex.split(told[1].split(" > ")[0])
        assert words[: 1 + len(verb.split())] == ["holdfast", *verb.split()], told[1]
        p = run(holdfast, *words[1:], "--help")
        assert p.returncode == 0 and p.stdout.startswith(f"holdfast {verb}"), (told[1], p)
        tried += 1
    assert tried > 12


def verbs(holdfast):
    names = re.findall(r"^  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)(?= |$)", run(holdfast, "--help").stdout, re.M)
    return [n for n in names if n != "holdfast"]  # the synopsis


def test_no_option_takes_what_is_empty(holdfast):
    """An empty value is what an unset variable leaves behind; only these may be wanted empty."""
    tried = 0
    for verb in verbs(holdfast):
        for option in re.findall(r"^  --([a-z-]+) \S", run(holdfast, *verb.split(), "--help").stdout, re.M):
            if option in ("type", "address", "url", "description", "json", "help"):
                continue
            for words in ([f"--{option}", ""], [f"--{option}="]):
                p = run(holdfast, *verb.split(), *words)
                if "takes no value" in p.stderr or "there is no" in p.stderr or "is too much" in p.stderr:
                    continue  # a flag
                assert p.returncode == 2 and f"--{option} is empty" in p.stderr, (verb, words, p.stderr)
                tried += 1
    assert tried > 60


def test_every_group_has_help(holdfast):
    """The first word of verbs of two lists them, whether it is a verb itself or not."""
    names = re.findall(r"^  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)(?= |$)", run(holdfast, "--help").stdout, re.M)
    groups = {n.split()[0] for n in names if " " in n}
    assert groups >= {"ha", "backup", "cert", "user", "audit", "key", "policy"}
    for group in groups:
        for words in ([group, "--help"], [group, "-h"], ["help", group]):
            p = run(holdfast, *words)
            assert p.returncode == 0 and p.stdout.startswith(f"holdfast {group} "), p
            for name in names:
                assert not name.startswith(f"{group} ") or f"\n  {name}" in p.stdout, (group, name)
        assert run(holdfast, group, "nonsense", "--help").returncode == (0 if group in names else 2)


def test_unknown_verb(holdfast):
    p = run(holdfast, "serv")
    assert p.returncode == 2 and "serve" in p.stderr
    p = run(holdfast, "serv", "--json")
    assert p.returncode == 2 and json.loads(p.stdout)["error"]["code"] == "usage"


@pytest.mark.parametrize(
    "args",
    [
        ["--process"],
        ["--process", "vaultd"],
        ["--process", "nobody", "--home", "/tmp"],
        ["--process", "keyd", "--home"],
    ],
)
def test_processes_are_the_supervisors(holdfast, args):
    assert run(holdfast, *args).returncode == 2


def test_key_new(holdfast, where):
    assert run(holdfast, "key", "new", where / "a.key").returncode == 0
    assert re.fullmatch(r"[0-9a-f]{64}\n", (where / "a.key").read_text())
    assert stat.S_IMODE((where / "a.key").stat().st_mode) == 0o400
    before = (where / "a.key").read_text()
    assert run(holdfast, "key", "new", where / "a.key").returncode == 1
    assert (where / "a.key").read_text() == before


def check_keys(n, where):
    p = n.run("key", "check", "--home", n.home, "--json")
    assert json.loads(p.stdout)["fits"] is True
    other = where / "other.key"
    n.run("key", "new", other)
    give(other)
    p = n.run("key", "check", "--home", n.home, "--key-file", other, check=False)
    assert p.returncode == 1 and "not the one" in p.stderr
    p = n.run("key", "check", "--home", n.home, "--key-file", where / "none.key", check=False)
    assert p.returncode == 1 and "none.key" in p.stderr


def test_key_check_of_a_stopped_node(node, where):
    check_keys(node, where)
    assert not (node.home / "data/pg/postmaster.pid").exists()


def slow_postgres(folder, go):
    """PostgreSQL's programs, of which postgres waits until there is a file."""
    real = Path(os.path.realpath(sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))[-1]))
    bin = folder / "slow-bin"
    bin.mkdir()
    for program in real.parent.iterdir():
        if program.name != "postgres":
            (bin / program.name).symlink_to(program)
    (bin / "postgres").write_text(
        f'#!/bin/sh\n[ "$1" = --version ] || while [ ! -e {go} ]; do sleep 0.05; done\nexec {real} "$@"\n'
    )
    (bin / "postgres").chmod(0o755)
    return bin


def test_key_check_says_what_it_waits_for(node, where):
    """What lasts longer than a second is no silence, although the work is done by processes of its own."""
    go, said = where / "go", where / "said"
    with open(said, "wb") as err:
        p = subprocess.Popen(
            node.argv("key", "check", "--home", node.home),
            stdout=subprocess.PIPE,
            stderr=err,
            env=dict(node.env, HOLDFAST_PG_BIN=str(slow_postgres(where, go))),
            text=True,
        )
        try:
            wait_until("it says what it waits for", said.read_text, lambda s: "waiting: trying the key" in s)
        finally:
            go.touch()
            out, _ = p.communicate(timeout=120)
    assert p.returncode == 0 and "is the master key" in out, (out, said.read_text())


def test_key_check_of_a_running_node(running, where):
    check_keys(running, where)
    assert running.health()[0] == 200


# ---- users ----


@pytest.fixture(scope="module")
def ada(hire):
    return hire("ada")


@pytest.fixture(scope="module")
def bob(hire):
    return hire("bob")


# log in, log out


def test_login_with_the_setup_token(shared, boss):
    """The first login of all was made by the fixture: token, then password, on standard input."""
    mode = stat.S_IMODE(boss.session.stat().st_mode)
    assert mode == 0o600
    held = json.loads(boss.session.read_text())
    assert (
        held["user"] == "admin" and held["nodes"][0]["url"] == shared.url and PASSWORD not in boss.session.read_text()
    )


def test_the_setup_token_is_good_once(shared, boss, where):
    p = shared.cli(
        "login",
        "--setup",
        "--ca",
        shared.web_cert,
        shared.url,
        "admin",
        session=where / "s",
        check=False,
        input=f"{shared.setup_token()}\nAnother-Password-99\n",
    )
    fails(p, 1, "wrong")
    assert not (where / "s").exists()


def pin_of(n, what="web"):
    return json.loads(n.run("cert", "show", "--json", "--home", n.home).stdout)[what]["sha256"]


def test_login_with_a_pin(shared, boss, where):
    p = shared.cli("login", "--trust", pin_of(shared), shared.url, "admin", session=where / "s", input=f"{PASSWORD}\n")
    assert "logged in to localhost as admin" in p.stdout
    p = shared.cli(
        "login",
        "--trust",
        pin_of(shared).lower(),
        f"localhost:{shared.port}",
        "admin",
        "--json",
        session=where / "s",
        input=f"{PASSWORD}\n",
    )
    o = json.loads(p.stdout)
    assert o["user"]["name"] == "admin" and "token" not in o


def test_login_with_another_pin_sends_nothing(shared, boss, where):
    pin = pin_of(shared)
    other = pin[:-2] + ("00" if pin[-2:] != "00" else "11")
    fails(
        shared.cli(
            "login", "--trust", other, shared.url, "admin", session=where / "s", check=False, input=f"{PASSWORD}\n"
        ),
        1,
        "nothing was sent",
    )


def test_login_without_trust_is_no_login(shared, boss, where):
    p = shared.cli("login", shared.url, "admin", session=where / "s", check=False, input=f"{PASSWORD}\n")
    assert p.returncode == 1 and "nothing was sent" in p.stderr and f"--trust {pin_of(shared, 'pair-ca')}" in p.stderr
    p = shared.cli("login", shared.url, "admin", "--json", session=where / "s", check=False, input=f"{PASSWORD}\n")
    assert p.returncode == 1 and json.loads(p.stdout)["error"]["code"] == "untrusted"


def test_login_under_a_name_that_the_certificate_has_not(shared, boss, where):
    """Says so, and at once."""
    begun = time.monotonic()
    p = shared.cli(
        "login",
        "--ca",
        shared.web_cert,
        f"https://localhost.localdomain.invalid:{shared.port}",
        "admin",
        session=where / "s",
        check=False,
        input=f"{PASSWORD}\n",
    )
    fails(p, 3, "not known")
    p = shared.cli(
        "login",
        "--ca",
        shared.web_cert,
        f"https://127.0.0.2:{shared.port}",
        "admin",
        session=where / "s",
        check=False,
        input=f"{PASSWORD}\n",
    )
    assert p.returncode == 3
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    "place",
    [":7272", "localhost:0", "localhost:99999", "localhost:12x", "[::1", "https://localhost:1/x", "http://localhost"],
)
def test_login_to_no_address(shared, where, place):
    p = shared.cli("login", place, "admin", session=where / "s", check=False, input="x\n")
    fails(p, 2, "no address")


def test_wrong_password(boss):
    before = boss.session.read_text()
    fails(boss.login(input="Wrong-Horse-7-battery\n"), 1, "wrong")
    assert boss.session.read_text() == before
    assert boss.login().returncode == 0


def test_no_such_user_says_the_same(shared, boss, where):
    said = [
        shared.cli(
            "login",
            "--ca",
            shared.web_cert,
            shared.url,
            name,
            session=where / "s",
            check=False,
            input="Wrong-Horse-7-battery\n",
        ).stderr
        for name in ("admin", "nobody")
    ]
    assert said[0] == said[1]
    assert boss.login().returncode == 0


def test_nothing_on_standard_input(boss):
    fails(boss.cli("login", "--ca", boss.node.web_cert, boss.node.url, "admin", input=""), 2, "standard input")


@pytest.mark.parametrize(
    "verb",
    [
        ["ls"],
        ["find", "x"],
        ["get", "x"],
        ["put", "x/y"],
        ["history", "x"],
        ["share", "x", "y"],
        ["logout"],
        ["passwd"],
        ["totp"],
        ["user", "list"],
        ["audit", "list"],
        ["audit", "verify"],
        ["rm", "--yes", "x"],
        ["import", "/dev/null"],
    ],
)
def test_no_session(shared, where, verb):
    fails(shared.cli(*verb, session=where / "none", check=False, input="x\n"), 1, "holdfast login")


def test_a_damaged_session_file(shared, where):
    for text in (
        "",
        "{",
        "[]",
        '{"token":"x"}',
        '{"token":"x","user":"y","nodes":[]}',
        '{"token":"x","user":"y","nodes":[{"url":"http://x"}]}',
    ):
        (where / "s").write_text(text)
        assert shared.cli("ls", session=where / "s", check=False).returncode == 1


def test_a_session_nobody_began(boss, where):
    held = json.loads(boss.session.read_text())
    held["token"] = "A" * len(held["token"])
    (where / "s").write_text(json.dumps(held))
    fails(boss.node.cli("ls", session=where / "s", check=False), 1, "log in")


def test_nobody_answers(boss, where, ports):
    """Exit 3, within a time that a person waits."""
    held = json.loads(boss.session.read_text())
    held["nodes"] = held["nodes"][:1]
    held["nodes"][0]["url"] = f"https://localhost:{ports.take()}"
    (where / "s").write_text(json.dumps(held))
    for verb in (["ls"], ["put", "x/y"]):
        begun = time.monotonic()
        p = boss.node.cli(*verb, session=where / "s", check=False, input="x\n")
        waited, refused = p.stderr.splitlines()
        assert p.returncode == 3 and "refused" in refused
        assert re.match(r"waiting: https://localhost:\d+ (refuses connections|does not answer yet)", waited), waited
        assert time.monotonic() - begun < 30
    p = boss.node.cli("ls", "--json", session=where / "s", check=False)
    assert p.returncode == 3 and json.loads(p.stdout)["error"]["code"] == "unreachable"


def test_logout(hire):
    eve = hire("eve")
    held = eve.session.read_text()
    assert eve.good("logout") == "logged out\n" and not eve.session.exists()
    fails(eve.cli("logout"), 1, "holdfast login")
    eve.session.write_text(held)  # the node has forgotten it too
    fails(eve.cli("ls"), 1, "log in")


def test_lock_out_grows(node, where):
    clock = FaultPage(where / "clock")
    node.env.update(clock.env)
    node.set("lockout_after", "3")
    node.set("lockout_ms", "10min")
    node.start()
    boss = Person(node, "admin", node.setup_token(), PASSWORD, where)
    mal = Person(node, "mal", boss.json("user", "add", "mal")["setup_token"], f"{PASSWORD}-2", where)
    bad = lambda: mal.login(input="Wrong-Horse-7-battery\n")
    for _ in range(3):
        fails(bad(), 1, "wrong")
    fails(bad(), 1, "too many failed logins", "wait ")
    fails(mal.login(), 1, "too many failed logins")  # the right password waits as well
    clock.put_clock_on(11 * 60)
    fails(bad(), 1, "wrong")
    clock.put_clock_on(11 * 60)
    fails(mal.login(), 1, "too many failed logins")  # twice as long
    clock.put_clock_on(11 * 60)
    assert mal.login().returncode == 0
    fails(bad(), 1, "wrong")
    assert mal.login().returncode == 0  # begun anew
    mal.good("ls")  # the sessions that there were went on meanwhile


# put, get, history, find, ls, gen, rm


def test_put_and_get(ada):
    assert ada.good(
        "put",
        "Router/root",
        "--url",
        "https://10.0.0.1",
        "--description",
        "the one in the cellar",
        input="s3cret-one\n",
    ).startswith("stored version 1")
    p = ada.cli("get", "Router/root")
    assert (p.returncode, p.stdout, told(p.stderr)) == (0, "s3cret-one\n", "")
    assert ada.good("get", "Router") == "s3cret-one\n"  # it has one account
    assert ada.good("get", "router/ROOT", "--no-newline") == "s3cret-one"
    assert ada.good("put", "Router/root", input="s3cret-two").startswith("stored version 2")  # no line end
    assert ada.good("get", "Router/root", "--reason", "maintenance") == "s3cret-two\n"
    assert ada.good("get", "Router/root", "--version", "1") == "s3cret-one\n"
    o = ada.json("get", "Router/root", "--version", "1")
    assert o["fields"] == {"password": "s3cret-one"} and (o["version"], o["current"]) == (1, 2)
    fails(ada.cli("get", "Router/root", "--version", "3"), 1)
    fails(ada.cli("get", "Router/root", "--version", "0"), 2, "--version")


def test_an_unset_variable_names_nothing(ada, boss):
    """What a script leaves behind where a reference should be: no verb takes it for the first there is, or for all."""
    ada.good("put", "AAA first/x", input="the first\n")
    ada.good("share", "AAA first/x", "admin")
    boss.accept_all()
    tried = 0
    for args in (
        ["get", ""],
        ["put", ""],
        ["rm", ""],
        ["rm", "", "--resource"],
        ["history", ""],
        ["settle", "", "1"],
        ["share", "", "bob"],
        ["share", "AAA first/x", ""],
        ["unshare", "", "admin"],
        ["unshare", "AAA first/x", ""],
        ["shares", ""],
        ["find", ""],
        ["approve", "", "1"],
        ["decline", "", "1"],
        ["policy", "emergency-changes", "on", ""],
        ["user", "add", ""],
        ["user", "disable", ""],
        ["audit", "list", "--user", ""],
        ["login", "", "ada"],
        ["get", "AAA first/x", "--field", ""],
        ["put", "AAA first/x", "--field="],
    ):
        p = (boss if args[0] in ("policy", "user", "audit") else ada).cli(*args, input="overwritten\n")
        fails(p, 2, "empty")
        assert p.stdout == ""
        tried += 1
    assert tried > 20
    assert ada.good("get", "AAA first/x") == "the first\n" and ada.json("get", "AAA first/x")["version"] == 1
    assert len(ada.json("shares", "AAA first/x")["shares"]) == 1


def test_fields(ada):
    ada.good("put", "Fields/x", input="pw\n")
    assert ada.json("put", "Fields/x", "--field", "pin", input="1234\n")["version"] == 2
    assert ada.json("get", "Fields/x")["fields"] == {"password": "pw", "pin": "1234"}  # the others stay
    assert ada.good("get", "Fields/x", "--field", "pin") == "1234\n"
    fails(ada.cli("get", "Fields/x", "--field", "none"), 1, '"none"', "password", "pin")


def test_put_only_upon_a_version(ada):
    ada.good("put", "Checked/x", input="one\n")
    assert ada.json("put", "Checked/x", "--if-version", "1", input="two\n")["version"] == 2
    fails(ada.cli("put", "Checked/x", "--if-version", "1", input="three\n"), 1, "version 2")
    assert ada.good("get", "Checked/x") == "two\n"


@pytest.mark.parametrize(
    "secret",
    ids=range(6),
    argvalues=[
        "ä ö ß € 漢字 🔑",
        "  blanks around  ",
        '"quotes" and \\back\\slashes',
        "-–--",
        "$(x) `y` %s %n %%",
        "x" * 60000,
    ],
)
def test_secrets_come_back_as_they_went(ada, secret):
    ada.good("put", "Odd/x", input=secret + "\n")
    assert ada.good("get", "Odd/x") == secret + "\n"


@pytest.mark.parametrize(
    "secret,code",
    ids=["latin1", "nul", "long", "empty", "nothing"],
    argvalues=[(b"caf\xe9\n", 2), (b"with\0nul\n", 2), (b"x" * 65537 + b"\n", 1), (b"\n", 2), (b"", 2)],
)
def test_what_cannot_be_kept_is_refused_not_bent(ada, request, secret, code):
    """A secret is stored as given or not at all."""
    name = f"Bent {request.node.callspec.id}"
    ada.good("put", f"{name}/x", input="before\n")
    env = dict(ada.node.env, HOLDFAST_SESSION=str(ada.session))
    for login in ("x", "new"):
        p = subprocess.run(ada.node.argv("put", f"{name}/{login}"), input=secret, capture_output=True, env=env)
        assert p.returncode == code, p
    assert ada.good("get", name) == "before\n" and ada.json("get", f"{name}/x")["version"] == 1


def test_put_generate(ada):
    assert "stored" in ada.good("put", "Made/x", "--generate", "--length", "40", "--no-symbols")
    assert re.fullmatch(r"[0-9A-Za-z]{40}\n", ada.good("get", "Made/x"))


def test_put_that_is_refused_leaves_nothing(ada):
    """The node refuses the account: the resource that was to be made for it is not there either."""
    p = ada.cli("put", "Half made/root", "--field", "f" * 150, input="x\n")
    assert p.returncode == 1 and "name" in p.stderr and "make" not in p.stderr, p.stderr
    assert ada.json("find", "Half made") == []
    ada.good("put", "Half made/root", "--url", "https://half", input="x\n")
    made = ada.json("find", "Half made")
    assert [(r["name"], r["url"], [a["login"] for a in r["accounts"]]) for r in made] == [
        ("Half made", "https://half", ["root"])
    ]


def test_put_without_a_login(ada):
    fails(ada.cli("put", "NoLogin", input="x\n"), 2, "RESOURCE/LOGIN")


def test_names_with_slashes_and_odd_letters(ada):
    for name in ("Servers/Linux/db1", "50%_off & more?=#", "Straße 漢字"):
        ada.good("put", name, "me", input=f"{name}\n")
        assert ada.good("get", name, "me") == f"{name}\n" == ada.good("get", f"{name}/me") == ada.good("get", name)


def test_what_reads_alike_is_not_guessed(shared, ada, bob):
    """A name with a slash in it, somebody else's, that was accepted: it catches no secret, and gives none that is taken for one's own."""
    ada.good("put", "prod", "db/root", input="the real one\n")
    assert ada.good("get", "prod/db/root") == "the real one\n"  # nothing else reads so yet
    bob.good("put", "prod/db", "root", input="a trap\n")
    bob.good("share", "--resource", "prod/db", "ada", "manage")
    assert ada.good("get", "prod/db/root") == "the real one\n"  # what waits for her is no other reading
    ada.accept_all()
    trap = next(a["id"] for r in bob.json("ls") if r["name"] == "prod/db" for a in r["accounts"])
    real = next(a["id"] for r in ada.json("ls") if r["name"] == "prod" for a in r["accounts"])
    before = shared.sql("SELECT count(*) FROM version")
    for verb in (["get"], ["put"], ["rm", "--yes"], ["history"], ["shares"], ["share"], ["unshare"], ["settle"]):
        more = {"share": ["admin"], "unshare": ["admin"], "settle": ["1"]}.get(verb[0], [])
        said = fails(
            ada.cli(*verb, "prod/db/root", *more, input="hers, not his\n"), 1, "more than one", trap, real, "bob", "ada"
        )
        assert "'" not in said and "(prod db/root, of ada)" in said and "(prod/db root, of bob)" in said  # to be pasted
    assert shared.sql("SELECT count(*) FROM version") == before
    assert ada.good("get", "prod", "db/root") == "the real one\n" == ada.good("get", real)
    assert ada.good("get", "prod/db", "root") == "a trap\n" == ada.good("get", trap)
    ada.good("put", "prod", "db/root", input="her new one\n")
    ada.good("put", real, input="her newest\n")
    assert ada.good("get", real) == "her newest\n" and bob.good("get", trap) == "a trap\n"
    # Nor is a resource of that name taken for RESOURCE/LOGIN, or the other way round.
    ada.good("put", "prod", "web", input="mine\n")
    bob.good("put", "prod/web", "x", input="his\n")
    bob.good("share", "prod/web", "x", "ada", "modify")
    ada.accept_all()
    for verb in ("get", "put"):
        fails(ada.cli(verb, "prod/web", input="hers\n"), 1, "more than one")
    assert ada.good("get", "prod", "web") == "mine\n" and bob.good("get", "prod/web", "x") == "his\n"


def test_a_write_names_the_account_itself(shared, ada):
    """Nothing that only resembles what was said is written to."""
    ada.good("put", "Write/a/b", "c", input="one\n")
    before = shared.sql("SELECT count(*) FROM version")
    fails(ada.cli("put", "Write/a/b", input="two\n"), 1, "which account", "Write/a/b LOGIN")
    fails(ada.cli("rm", "--yes", "Write/a/b"), 1, "which account")
    fails(ada.cli("share", "Write/a/b", "admin"), 1, "which account")
    fails(ada.cli("put", "x/y/z", input="two\n"), 2, "two words")
    fails(ada.cli("put", "x/y", "--if-version", "1", input="two\n"), 1)
    assert ada.good("find", "x/y") == "nothing found\n"
    assert shared.sql("SELECT count(*) FROM version") == before
    p = ada.cli("put", "Write new/a", input="1\n")
    assert (p.returncode, told(p.stderr)) == (0, 'made the resource "Write new" and its account "a"\n')
    p = ada.cli("put", "Write new/b/c", input="1\n")
    assert p.returncode == 2
    p = ada.cli("put", "write NEW", "b/c", input="1\n")
    assert (p.returncode, told(p.stderr)) == (0, 'made the account "b/c" of the resource "Write new" (of ada)\n')
    p = ada.cli("put", "write NEW", "b/c", input="2\n")
    assert p.returncode == 0 and told(p.stderr) == "" and "of Write new/b/c" in p.stdout


@pytest.mark.parametrize(
    "login,field,words",
    [
        ("a\u200bb", None, "the login may have nothing"),
        ("a" * 201, None, "the login may have 200 bytes at most"),
        (" a", None, "the login may not begin"),
        ("a", "p\u200bw", "the field's name may have nothing"),
        ("a", "p" * 201, "the field's name may have 200 bytes"),
    ],
)
def test_a_refused_login_leaves_no_resource(shared, ada, login, field, words):
    """The checks come before the first of both requests."""
    there = (
        "SELECT (SELECT count(*) FROM resource), (SELECT count(*) FROM event WHERE body::json->>'name' = 'Half made')"
    )
    before = shared.sql(there)
    fails(ada.cli("put", "Half made", login, *(["--field", field] if field else []), input="x\n"), 1, words)
    assert shared.sql(there) == before


def test_three_words_of_a_share(ada, bob):
    ada.good("put", "Three", "words", input="x\n")
    assert ada.good("share", "Three", "words", "bob") == "bob may now view Three/words, by name once they accept it\n"
    bob.accept_all()
    assert ada.good("share", "Three/words", "bob", "modify") == "bob may now modify Three/words\n"
    assert ada.good("share", "Three", "words", "bob", "manage") == "bob may now manage Three/words\n"
    assert ada.good("unshare", "Three", "words", "bob") == "no longer shared\n"
    fails(ada.cli("share", "Three", "bob", "view"), 1, "which account")
    fails(ada.cli("rm", "--resource", "--yes", "Three", "words"), 2, "too much")
    fails(ada.cli("share", "--resource", "Three", "words", "bob", "view"), 2, "too much")


@pytest.mark.parametrize(
    "given,kept",
    ids=["line", "lines", "two ends", "crlf", "no end", "key"],
    argvalues=[
        ("one\n", "one"),
        ("a\nb\n", "a\nb\n"),
        ("a\n\n", "a\n\n"),
        ("win\r\n", "win"),
        ("a\nb", "a\nb"),
        ("-----BEGIN X-----\nAAAA\n-----END X-----\n",) * 2,
    ],
)
def test_a_secret_is_all_that_is_given(ada, where, given, kept):
    """To the end of the input, not to the first line end."""
    env = dict(ada.node.env, HOLDFAST_SESSION=str(ada.session))

    def raw(*args, data=None):
        return subprocess.run(ada.node.argv(*args), input=data, capture_output=True, env=env)

    (where / "value").write_bytes(given.encode())
    for args, data in (
        (("put", "Lines", "x"), given),
        (("put", "Lines", "x", "--file", "-"), given),
        (("put", "Lines", "x", "--file", str(where / "value")), "ignored"),
    ):
        p = raw(*args, data=data.encode())
        assert p.returncode == 0, p
        assert raw("get", "Lines", "x", "--no-newline").stdout == kept.encode()
        assert json.loads(raw("get", "Lines", "x", "--json").stdout)["fields"]["password"] == kept
    p = raw("put", "Lines", "x", "--file", str(where / "none"), data=b"")
    assert p.returncode == 1 and b"none" in p.stderr


def test_a_password_is_one_line_and_nothing_more(hire):
    eve = hire("evelyn")
    fails(eve.cli("passwd", input=f"{eve.password}\nAnother-Password-99\nthat went on\n"), 2, "more than")
    assert eve.login().returncode == 0


def test_which_account(ada):
    for login in ("one", "two"):
        ada.good("put", f"Several/{login}", input=f"{login}\n")
    said = fails(ada.cli("get", "Several"), 1, "which account", "one", "two")
    assert "Several/LOGIN" in said
    fails(ada.cli("get", "Several/three"), 1, "one, two")
    fails(ada.cli("get", "Nowhere/three"), 1, "Nowhere")


def test_history(ada):
    for n in (1, 2, 3):
        ada.good("put", "Old/x", input=f"{n}\n")
    versions = ada.json("history", "Old/x")["versions"]
    assert [v["n"] for v in versions] == [3, 2, 1] and [v["current"] for v in versions] == [True, False, False]
    assert [v["based_on"] for v in versions][:2] == [2, 1] and versions[0]["author"]["name"] == "ada"
    lines = ada.good("history", "Old/x").splitlines()
    assert len(lines) == 4 and re.match(r"3 +20\d\d-.* ada +\S+ +2 +current$", lines[1])


def test_conflicts_and_settle(shared, ada):
    assert ada.good("conflicts") == "no conflicts\n" and ada.json("conflicts") == []
    for name in ("Cut/x", "Cut/y"):
        for n in (1, 2):
            ada.good("put", name, input=f"{n}\n")
        shared.sql(
            f"UPDATE version v SET sibling = true FROM account a WHERE a.id = v.account AND a.login = '{name[4:]}' AND v.n = 1 AND EXISTS "
            "(SELECT FROM resource r WHERE r.id = a.resource AND r.name = 'Cut');"
            f"UPDATE account SET conflict = true WHERE login = '{name[4:]}' AND resource = (SELECT id FROM resource WHERE name = 'Cut')"
        )
    assert "holdfast settle Cut/x" in ada.cli("get", "Cut/x").stderr
    assert sorted((c["login"], c["version"], c["open"]) for c in ada.json("conflicts")) == [("x", 2, 1), ("y", 2, 1)]
    assert len(ada.good("conflicts").splitlines()) == 3 and "in conflict" in ada.good("history", "Cut/x")
    fails(ada.cli("settle", "Cut/x", "one"), 2, "VERSION")
    fails(ada.cli("settle", "Cut/x", "9"), 1, "9")
    assert "version 1 of Cut/x" in ada.good("settle", "Cut/x", "1") and ada.good("get", "Cut/x") == "1\n"
    ada.good("put", "Cut/y", "--settle", input="3\n")
    assert ada.good("get", "Cut/y") == "3\n" and ada.json("conflicts") == []
    assert [v["n"] for v in ada.json("history", "Cut/y")["versions"]] == [3, 2, 1]


def test_combine(ada):
    """Two accounts become one: nothing of either is gone, and a person settles which counts."""
    for name, value in (
        ("pair/one", "one-1"),
        ("pair/one", "one-2"),
        ("pair/other", "other-1"),
        ("pair/other", "other-2"),
    ):
        ada.good("put", name, input=f"{value}\n")
    said = ada.good("combine", "pair/one", "pair/other")
    assert "in conflict" in said, said
    rows = json.loads(ada.good("history", "pair/one", "--json"))["versions"]
    values = {r["n"]: ada.good("get", "pair/one", "--version", r["n"]).strip() for r in rows}
    assert values == {1: "one-1", 2: "one-2", 3: "other-1", 4: "other-2"}
    assert [r["n"] for r in rows if r["conflict"]] == [4, 3] and ada.good("get", "pair/one").strip() == "one-2"
    assert "pair/other" not in ada.good("ls") and "pair/other" in ada.good("ls", "--removed")
    ada.good("settle", "pair/one", "4")
    assert ada.good("get", "pair/one").strip() == "other-2"
    assert "pair/one" not in ada.good("conflicts")


def test_conflicts_of_administration(shared, ada, bob, boss):
    assert ada.cli("conflicts", "--administration").returncode == 1  # for administrators
    ada.good("put", "Both/x", input="1\n")
    ada.good("share", "Both/x", "bob", "modify")
    ada.good("unshare", "Both/x", "bob")
    ada.good("share", "Both/x", "bob", "view")
    said = shared.sql(
        "SELECT e.body::jsonb->>'upon', e.node || '/' || e.seq, w.upon FROM event e JOIN word w ON w.chain = e.node AND w.seq = e.seq "
        "JOIN account a ON a.id = e.object JOIN resource r ON r.id = a.resource AND r.name = 'Both' "
        "WHERE e.kind IN (:SHARED, :UNSHARED) ORDER BY e.seq"
    )
    assert [s[0] for s in said] == ["", said[0][1], said[1][1]]  # each upon the one before, none apart
    assert [s[2] for s in said] == [s[0] for s in said]
    assert boss.json("conflicts", "--administration") == []
    shared.sql(
        "INSERT INTO admin_conflict SELECT e.node, e.seq, 'share', e.at, e.object, (e.body::jsonb->>'user')::uuid, '0', '2' FROM event e "
        "JOIN account a ON a.id = e.object JOIN resource r ON r.id = a.resource AND r.name = 'Both' WHERE e.kind = :UNSHARED"
    )
    (told,) = boss.json("conflicts", "--administration")
    assert (told["what"], told["user"]["name"], told["target"]["name"], told["kept"], told["lost"]) == (
        "share",
        "bob",
        "Both/x",
        "none",
        "modify",
    )
    assert told["node"]["name"] and "share of Both/x" in boss.good("conflicts", "--administration")


def test_find_and_ls(ada):
    ada.good("put", "Findable/tester", "--url", "https://find.me", "--description", "needle here", input="x\n")
    for text in ("findable", "FIND.ME", "needle", "tester"):
        assert [r["name"] for r in ada.json("find", text)] == ["Findable"]
    assert ada.good("find", "no such thing") == "nothing found\n"
    assert "Findable/tester" in ada.good("ls")
    names = [r["name"] for r in ada.json("ls")]
    assert names == sorted(names, key=str.lower) and "Findable" in names
    assert ada.json("find", "no such thing") == []


def test_more_than_a_page(ada):
    for i in range(205):
        ada.api.must("POST", "/v1/resources", {"name": f"page {i:03}"})
    assert [r["name"] for r in ada.json("find", "page ")] == [f"page {i:03}" for i in range(205)]
    for most in (1, 3, 200, 201, 204):
        assert [r["name"] for r in ada.json("find", "page ", "--most", str(most))] == [
            f"page {i:03}" for i in range(most)
        ]
        lines = ada.good("find", "page ", "--most", str(most)).splitlines()
        assert (
            len(lines) == most + 1
            and lines[0].startswith("ACCOUNT")
            and not any(x.startswith("ACCOUNT") for x in lines[1:])
        )


def test_a_pipe_that_is_closed_ends_it_quietly(ada):
    ada.good("put", "Closed", "pipe", input="x" * 60000 + "\n")
    env = dict(ada.node.env, HOLDFAST_SESSION=str(ada.session))
    for args in (
        ["ls"],
        ["ls", "--json"],
        ["find", "Closed"],
        ["get", "Closed", "pipe"],
        ["history", "Closed", "pipe"],
        ["conflicts"],
        ["--help"],
    ):
        read, write = os.pipe()
        os.close(read)  # before there is a word to read
        p = subprocess.Popen(ada.node.argv(*args), stdout=write, stderr=subprocess.PIPE, env=env)
        os.close(write)
        said = p.stderr.read()
        assert p.wait(60) == -13 and told(said) == "", (args, p.returncode, said)  # SIGPIPE, as a filter ends


def test_a_terminal_is_shown_no_controls(ada, where):
    """A secret that would steer the terminal is made visible there; a pipe gets its bytes, and JSON escapes them."""
    secret = "a\x1b]0;owned\x07b\u009b31mc\u202ed\u200be"
    ada.good("put", "Steering", "x", input=secret + "\n")
    assert ada.good("get", "Steering", "x", "--no-newline") == secret
    t = Terminal(ada, "get", "Steering", "x", session=ada.session)
    assert t.end() == 0 and told(t.seen) == "a\\x1b]0;owned\\x07b\\x9b31mc\\u202ed\\u200be\r\n"
    p = ada.cli("get", "Steering", "x", "--json")
    assert json.loads(p.stdout)["fields"]["password"] == secret and p.stdout.isascii()


@pytest.mark.parametrize(
    "bad",
    ids=["c1", "zero width", "right to left", "tag", "line"],
    argvalues=["a\u009bb", "a\u200bb", "a\u202eb", "a\U000e0041b", "a\u2028b"],
)
def test_new_names_can_be_seen(ada, boss, bad):
    refused = ada.api.call("POST", "/v1/resources", {"name": bad})
    assert (refused.status, refused.code) == (400, "bad_field") and f"U+{ord(bad[1]):04X}" in refused.detail
    r = ada.api.must("POST", "/v1/resources", {"name": f"Seen {ord(bad[1])}"}, status=201)
    for what in ({"login": bad}, {"login": "x", "fields": {bad: "y"}}):
        assert ada.api.call("POST", f"/v1/resources/{r['id']}/accounts", what).code == "bad_field"
    assert boss.api.call("POST", "/v1/users", {"name": bad}).code == "bad_field"


def test_a_name_is_found_however_it_is_typed(ada, boss):
    """Composed, as most keyboards give it, or decomposed, as some systems do: one name."""
    nfc, nfd = "J\u00fcrgen", "Ju\u0308rgen"
    ada.good("put", nfd, nfd, input="x\n")
    assert [(r["name"], r["accounts"][0]["login"]) for r in ada.json("find", nfd)] == [(nfc, nfc)]
    for name in (nfc, nfd):
        assert ada.good("get", name, name) == "x\n" == ada.good("get", f"{name}/{name}")
    assert ada.api.call("POST", "/v1/resources", {"name": nfd}).code == "conflict"
    boss.good("user", "add", nfd)
    assert boss.api.call("POST", "/v1/users", {"name": nfc}).code == "conflict"
    for name in (nfc, nfd):
        ada.good("share", nfc, nfc, name)


def test_letters_of_others_do_nothing_to_a_terminal(ada):
    ada.api.must("POST", "/v1/resources", {"name": "Terminal", "description": "a\u001b]0;owned\u0007b\u009b31m\nc"})
    p = ada.cli("find", "Terminal")
    assert p.returncode == 0 and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", p.stdout), repr(p.stdout)
    assert len(p.stdout.splitlines()) == 2


def test_gen(shared):
    seen = {shared.run("gen").stdout for _ in range(5)}
    assert len(seen) == 5 and all(len(s) == 25 for s in seen)
    assert re.fullmatch(r"[0-9A-Za-z]{128}\n", shared.run("gen", "--length", "128", "--no-symbols").stdout)
    assert len(json.loads(shared.run("gen", "--json").stdout)["password"]) == 24
    for bad in ("7", "129", "x", ""):
        fails(shared.run("gen", "--length", bad, check=False), 2, "--length")


def test_rm(ada):
    for login in ("a", "b"):
        ada.good("put", f"Gone/{login}", input="x\n")
    assert re.fullmatch(
        r"removed; to bring it back: holdfast undelete [0-9a-f-]{36}\n", ada.good("rm", "--yes", "Gone/a")
    )
    fails(ada.cli("get", "Gone/a"), 1)
    assert ada.good("get", "Gone") == "x\n"
    assert list(ada.json("rm", "Gone", "--resource", "--yes")) == ["id"]
    fails(ada.cli("get", "Gone/b"), 1)
    assert ada.good("find", "Gone") == "nothing found\n"
    ada.good("put", "Gone/a", input="again\n")  # the name is free again
    assert ada.good("get", "Gone/a") == "again\n"


# share


def test_shares(ada, bob):
    ada.good("put", "Shared/x", input="one\n")
    ada.good("put", "Shared/hers", input="private\n")
    fails(bob.cli("get", "Shared/x"), 1, "no resource")
    assert ada.good("share", "Shared/x", "bob") == "bob may now view Shared/x, by name once they accept it\n"
    bob.accept_all()
    assert bob.good("get", "Shared/x") == "one\n"
    assert [a["login"] for r in bob.json("ls") for a in r["accounts"] if r["name"] == "Shared"] == ["x"]
    fails(bob.cli("put", "Shared/x", input="two\n"), 1, "not allow")
    p = bob.cli("put", "Shared/new", input="two\n")
    assert p.returncode == 1 and "not allow" in p.stderr
    fails(bob.cli("share", "Shared/x", "admin"), 1, "not allow")
    fails(bob.cli("shares", "Shared/x"), 1, "not allow")
    fails(bob.cli("rm", "--yes", "Shared/x"), 1, "not allow")
    fails(bob.cli("get", "Shared/hers"), 1)

    ada.good("share", "Shared/x", "bob", "modify")
    assert bob.json("put", "Shared/x", input="two\n")["version"] == 2
    assert ada.good("get", "Shared/x") == "two\n"
    fails(bob.cli("share", "Shared/x", "admin"), 1, "not allow")
    fails(bob.cli("rm", "--yes", "Shared/x"), 1, "not allow")

    ada.good("share", "Shared/x", "bob", "manage")
    bob.good("share", "Shared/x", "admin", "view")
    shares = ada.json("shares", "Shared/x")["shares"]
    assert {(s["user"]["name"], s["level"]) for s in shares} == {("bob", "manage"), ("admin", "view")}
    assert re.search(r"^bob +manage +20", ada.good("shares", "Shared/x"), re.M)
    assert bob.good("unshare", "Shared/x", "admin") == "no longer shared\n"
    fails(bob.cli("unshare", "Shared/x", "admin"), 1, "not shared")

    ada.good("unshare", "Shared/x", "bob")
    fails(bob.cli("get", "Shared/x"), 1)
    assert not [r for r in bob.json("ls") if r["name"] == "Shared"]


def test_share_of_a_resource(ada, bob):
    ada.good("put", "Whole/a", input="1\n")
    ada.good("share", "--resource", "Whole", "bob", "modify")
    bob.accept_all()
    ada.good("put", "Whole/b", input="2\n")  # what comes later is shared too
    assert bob.good("get", "Whole/b") == "2\n"
    bob.good("put", "Whole/c", input="3\n")
    assert ada.good("get", "Whole/c") == "3\n"
    ada.good("unshare", "--resource", "Whole", "bob")
    fails(bob.cli("get", "Whole/b"), 1)


def test_share_with_nobody_and_at_no_level(ada):
    ada.good("put", "NoShare/x", input="x\n")
    fails(ada.cli("share", "NoShare/x", "nobody"), 1, "no such user")
    fails(ada.cli("share", "NoShare/x", "admin", "everything"), 1, "view, modify or manage")
    fails(ada.cli("unshare", "NoShare/x", "nobody"), 1)


# users


def test_user_life(shared, boss, where):
    said = boss.good("user", "add", "zoe")
    assert "user zoe is user" in said and "--setup" in said
    token = re.search(r"(?<![\w-])[A-Za-z0-9_-]{43}(?![\w-])", said).group()
    zoe = Person(shared, "zoe", token, f"{PASSWORD}-z", where)
    fails(zoe.cli("user", "list"), 1, "not allow")
    fails(zoe.cli("audit", "list"), 1, "not allow")
    fails(boss.cli("user", "add", "zoe"), 1)
    fails(boss.cli("user", "add", "ZOE"), 1)
    fails(zoe.cli("user", "add", "yves"), 1, "not allow")

    assert "disabled" in boss.good("user", "disable", "zoe")
    fails(zoe.cli("ls"), 1, "log in")
    fails(zoe.login(), 1, "wrong")
    boss.good("user", "enable", "zoe")
    assert zoe.login().returncode == 0

    assert "administrator" in boss.good("user", "promote", "Zoe")
    zoe.good("user", "list")
    boss.good("user", "demote", "zoe")
    fails(zoe.cli("user", "list"), 1)

    token = boss.json("user", "reset", "zoe")["setup_token"]
    fails(zoe.cli("ls"), 1, "log in")
    fails(zoe.login(), 1, "wrong")
    fails(zoe.login("--setup", input=f"{token}\nshort\n"), 1)
    assert zoe.login("--setup", input=f"{token}\n{PASSWORD}-new\n").returncode == 0

    listed = {u["name"]: u for u in boss.json("user", "list")}
    assert listed["zoe"]["role"] == "user" and listed["admin"]["role"] == "administrator"
    assert re.search(r"^zoe +user +no ", boss.good("user", "list"), re.M)
    fails(boss.cli("user", "disable", "nobody"), 1, "nobody")


def test_the_last_administrator_stays(boss):
    assert boss.cli("user", "demote", "admin").returncode == 1
    assert boss.cli("user", "disable", "admin").returncode == 1
    boss.good("user", "list")


def test_passwd(hire, where):
    pat = hire("pat")
    other = pat.session.with_name("pat2.session")
    pat.node.cli("login", "--ca", pat.node.web_cert, pat.node.url, "pat", session=other, input=pat.password + "\n")
    fails(pat.cli("passwd", input="Wrong-Horse-7-battery\nBrand-New-Password-1\n"), 1, "wrong")
    fails(pat.cli("passwd", input=f"{pat.password}\nshort\n"), 1)
    assert "changed" in pat.good("passwd", input=f"{pat.password}\nBrand-New-Password-1\n")
    pat.good("ls")  # the own session goes on, the others end
    fails(pat.node.cli("ls", session=other, check=False), 1, "log in")
    fails(pat.login(), 1, "wrong")
    assert pat.login(input="Brand-New-Password-1\n").returncode == 0
    # Composed or not, and whatever blank a keyboard gives, it is the same; nine characters stay nine.
    composed, typed = "Stra\u00dfe J\u00fcrgen 7", "Stra\u00dfe\u00a0Ju\u0308rgen 7"
    fails(pat.cli("passwd", input="Brand-New-Password-1\n" + 9 * "u\u0308" + "\n"), 1, "10 characters")
    pat.good("passwd", input=f"Brand-New-Password-1\n{typed}\n")
    for word in (composed, typed):
        assert pat.login(input=word + "\n").returncode == 0
    fails(pat.login(input="Strasse Jurgen 7\n"), 1, "wrong")
    pat.good("passwd", input=f"{composed}\nBrand-New-Password-2\n")


class Typing:
    """A verb with pipes that stay open: what it says can be read before it is answered."""

    def __init__(self, person, *args):
        env = dict(person.node.env, HOLDFAST_SESSION=str(person.session))
        self.p = subprocess.Popen(
            person.node.argv(*args),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )

    def line(self):
        return self.p.stdout.readline()

    def write(self, text):
        self.p.stdin.write(text + "\n")
        self.p.stdin.flush()

    def end(self, text):
        out, err = self.p.communicate(text, timeout=60)
        return self.p.returncode, out, err


def enrol(person, shift=0):
    t = Typing(person, "totp")
    t.write(person.password)
    secret = re.fullmatch(r"secret +([A-Z2-7]+)\n", t.line()).group(1)
    assert t.line().startswith("otpauth://totp/")
    at = time.time() + shift
    return secret, at, t.end(totp(secret, at) + "\n")


def test_second_factor(hire, boss):
    tom = hire("tom")
    assert enrol(tom, shift=-36000)[2][0] == 1  # an old code
    secret, at, (code, out, err) = enrol(tom)
    assert code == 0 and "second factor is on" in out, err
    used = totp(secret, at)
    p = tom.login(input=tom.password + "\n")  # none given: nothing more on standard input
    assert p.returncode != 0
    fails(tom.login(input=f"{tom.password}\n{totp(secret, at + 36000)}\n"), 1, "of another moment", "UTC")
    fails(tom.login(input=f"{tom.password}\n{used}\n"), 1, "has been used", "UTC")  # the one that enrolled is used up
    nxt = totp(secret, at + 30)
    assert tom.login(input=f"{tom.password}\n{nxt}\n").returncode == 0
    fails(tom.login(input=f"{tom.password}\n{nxt}\n"), 1, "has been used")  # no code twice
    said = fails(
        tom.login(input=f"Wrong-Horse-7-battery\n{nxt}\n"), 1, "wrong"
    )  # who does not know the password learns nothing of it
    assert "used" not in said and "UTC" not in said
    fails(tom.cli("totp", input=tom.password + "\n"), 1, "remove it first")
    assert {u["name"]: u["totp"] for u in boss.json("user", "list")}["tom"] is True
    boss.good("user", "totp-off", "tom")
    assert tom.login().returncode == 0


def test_second_factor_removed_by_its_user(hire):
    tim = hire("tim")
    secret, at, (code, _, err) = enrol(tim)
    assert code == 0, err
    fails(tim.cli("totp", "--off", input=f"{tim.password}\n000000\n"), 1)
    tim.good("totp", "--off", input=f"{tim.password}\n{totp(secret, at + 30)}\n")
    assert tim.login().returncode == 0


# audit


def test_audit_list(ada, boss):
    ada.good("put", "Audited/x", input="Never-In-The-Log-77\n")
    ada.good("get", "Audited/x", "--reason", "the auditor wants to know")
    events = boss.json("audit", "list", "--user", "ada", "--kind", "retrieved", "--most", "1")
    assert (
        len(events) == 1
        and events[0]["actor"]["name"] == "ada"
        and events[0]["body"]["reason"] == "the auditor wants to know"
    )
    account = events[0]["object"]
    kinds = [e["kind"] for e in boss.json("audit", "list", "--object", account)]
    assert kinds == ["retrieved", "version_added", "account_created"]
    at = events[0]["at"]
    assert account in {e["object"] for e in boss.json("audit", "list", "--since", at)}
    assert account not in {e["object"] for e in boss.json("audit", "list", "--since", at, "--kind", "version_added")}
    assert all(e["at"] < at for e in boss.json("audit", "list", "--until", at))
    for _ in range(205):  # reading the log is an event too
        boss.api.must("GET", "/v1/audit?limit=1")
    assert len(boss.json("audit", "list", "--most", "201")) == 201
    events = boss.json("audit", "list", "--most", "100000")
    times = [e["at"] for e in events]
    assert sorted(times, reverse=True) == times  # the newest first
    assert sorted(e["seq"] for e in events) == list(range(1, len(events) + 1))  # and whole
    assert boss.json("audit", "list", "--node", "localhost", "--most", "2")
    fails(boss.cli("audit", "list", "--node", "nowhere"), 1, "nowhere")
    fails(boss.cli("audit", "list", "--user", "nobody"), 1, "no such user")
    fails(boss.cli("audit", "list", "--kind", "nothing"), 1, "kind")
    fails(boss.cli("audit", "list", "--since", "yesterday"), 2, "--since", "2026-11-28", "UTC")
    everything = boss.good("audit", "list", "--most", "100000")
    assert "the auditor wants to know" in everything and "Never-In-The-Log-77" not in everything


def test_audit_list_in_words(ada, boss):
    ada.good("put", "Worded/x", input="y\n")
    ada.good("get", "Worded/x", "--reason", "why\u009bnot")
    head, row = boss.good("audit", "list", "--kind", "retrieved", "--most", "1").splitlines()
    for column in ("WHEN (UTC)", "WHO", "WHAT", "ON WHAT", "FROM", "NODE"):
        assert column in head
    event = boss.json("audit", "list", "--kind", "retrieved", "--most", "1")[0]
    assert row.startswith(f"{event['at'][:10]} {event['at'][11:19]}  ada") and event["object_name"] == "Worded/x"
    for word in ("a password was retrieved", "Worded/x", "127.0.0.1", f"localhost #{event['seq']}", "reason: why"):
        assert word in row, row
    assert "{" not in row and "\u009b" not in row and event["object"] not in row


def test_audit_list_takes_times_as_people_write_them(ada, boss):
    ada.good("put", "Timed/x", input="y\n")
    ada.good("get", "Timed/x")
    mine = ("--user", "ada", "--kind", "retrieved")
    at = boss.json("audit", "list", *mine, "--most", "1")[0]["at"]
    day, minute = at[:10], f"{at[:10]} {at[11:16]}"
    for since in (day, minute, minute + "Z", minute.replace(" ", "T") + "+00:00", "2h", "1d ago"):
        assert at in [e["at"] for e in boss.json("audit", "list", *mine, "--since", since)], since
    assert at in [e["at"] for e in boss.json("audit", "list", *mine, "--until", day)]  # to its end
    for until in ("2020-01-01", minute, minute + "+00:00", "30d"):
        assert at not in [e["at"] for e in boss.json("audit", "list", *mine, "--until", until)], until
    assert boss.json("audit", "list", *mine, "--since", minute + "-14:00") == []
    p = boss.cli("audit", "list", "--help")
    assert "UTC" in p.stdout


def test_audit_verify(boss):
    p = boss.cli("audit", "verify")
    assert p.returncode == 0 and "the whole log is unbroken" in p.stdout and "node localhost: " in p.stdout
    o = boss.json("audit", "verify")
    assert o["good"] is True and o["events"] == sum(n["events"] for n in o["nodes"]) > 20


# what a machine must not show


def watch_processes(secret, found, stop):
    mine = str(os.getpid())
    while not stop.is_set():
        for pid in os.listdir("/proc"):
            if pid.isdigit() and pid != mine:
                for what in ("cmdline", "environ"):
                    try:
                        if secret in Path(f"/proc/{pid}/{what}").read_bytes():
                            found.add((pid, what))
                    except OSError:
                        pass


def test_no_secret_on_a_command_line(ada, where):
    """Nor in an environment; whoever may list processes learns nothing. The clipboard's program gets it on its standard input."""
    fake = where / "bin"
    fake.mkdir()
    (fake / "wl-copy").write_text(
        f'#!/bin/sh\nset -e\necho "$0" "$@" >> {where}/argv\n/bin/cat >> {where}/copied\n/bin/sleep 0.3\n'
    )
    (fake / "wl-copy").chmod(0o755)
    secret, found, stop = "Argv-Marker-5551212", set(), threading.Event()
    t = threading.Thread(target=watch_processes, args=(secret.encode(), found, stop))
    t.start()
    try:
        ada.good("put", "Argv/x", input=secret + "\n")
        assert ada.good("get", "Argv/x") == secret + "\n"
        begun = time.monotonic()
        env = dict(ada.node.env, HOLDFAST_SESSION=str(ada.session), PATH=f"{fake}:{os.environ['PATH']}")
        p = subprocess.run(
            ada.node.argv("get", "Argv/x", "--copy"), capture_output=True, text=True, timeout=90, env=env
        )
        assert time.monotonic() - begun < 25  # whoever reads its output does not wait until the clipboard is emptied
    finally:
        stop.set()
        t.join()
    assert p.returncode == 0 and p.stdout == "" and "clipboard" in p.stderr
    assert (where / "copied").read_text() == secret and secret not in (where / "argv").read_text()
    assert not found


def test_copy_without_a_clipboard(ada, where):
    ada.good("put", "Copy/x", input="not shown\n")
    env = dict(ada.node.env, HOLDFAST_SESSION=str(ada.session), PATH=str(where))
    p = subprocess.run(ada.node.argv("get", "Copy/x", "--copy"), capture_output=True, text=True, env=env)
    fails(p, 1, "--copy")
    assert p.stdout == ""


# at a terminal


class Terminal:
    def __init__(self, person, *args, session):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            argv = person.node.argv(*args)
            os.execvpe(argv[0], argv, dict(person.node.env, HOLDFAST_SESSION=str(session), TERM="xterm"))
        self.seen, self.decoder = "", codecs.getincrementaldecoder("utf-8")()  # a letter may come in two pieces

    def wait(self, text, timeout=60):
        import select

        end = time.monotonic() + timeout
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    piece = os.read(self.fd, 4096)
                except OSError:
                    piece = b""
                assert piece, self.seen
                self.seen += self.decoder.decode(piece)

    def say(self, text):
        os.write(self.fd, text.encode() + b"\n")

    def end(self):
        while True:
            try:
                piece = os.read(self.fd, 4096)
            except OSError:
                break
            if not piece:
                break
            self.seen += self.decoder.decode(piece)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_at_a_terminal(ada, where):
    """The certificate is asked about, the password not shown, a new one asked for twice."""
    session = where / "s"
    t = Terminal(ada, "login", ada.node.url, "ada", session=session)
    t.wait("Trust it?")
    t.say("no")
    assert t.end() == 1 and pin_of(ada.node, "pair-ca") in t.seen and not session.exists()
    t = Terminal(ada, "login", ada.node.url, "ada", session=session)
    t.wait("Trust it?")
    t.say("yes")
    t.wait("Password: ")
    t.say(ada.password)
    assert t.end() == 0 and ada.password not in t.seen and "logged in" in t.seen
    t = Terminal(ada, "put", "Typed/x", session=session)
    t.wait('this would make the resource "Typed" and its account "x"')
    t.wait("New password: ")
    t.say("first")
    t.wait("The same again: ")
    t.say("second")
    assert t.end() == 2 and "not the same" in t.seen and "made" not in t.seen
    t = Terminal(ada, "put", "Typed/x", session=session)
    t.wait("New password: ")
    t.say("hidden-42")
    t.wait("The same again: ")
    t.say("hidden-42")
    assert t.end() == 0 and "hidden-42" not in t.seen and 'made the resource "Typed" and its account "x"' in t.seen
    assert ada.good("get", "Typed/x") == "hidden-42\n"


def test_a_terminal_gets_its_echo_back(ada, where):
    """Though the prompt is left with Ctrl-C."""
    import termios

    t = Terminal(ada, "passwd", session=ada.session)
    t.wait("Old password: ")
    assert not termios.tcgetattr(t.fd)[3] & termios.ECHO
    os.write(t.fd, b"\x03")
    wait_until("the terminal echoes again", lambda: termios.tcgetattr(t.fd)[3] & termios.ECHO)
    assert t.end() != 0
