# SPDX-License-Identifier: Apache-2.0
"""The bin: what rm asks, who sees what was removed, what brings it back, and what empties the bin."""
import json
import os
import pty
import re
import subprocess
import threading
import time

import pytest

from nodes import Person, scratch_folder
from pair import PASSWORD
from packs import Stage, join
from verbs import fails
from wait import still_true, wait_until

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def ada(hire):
    return hire("ada")


@pytest.fixture(scope="module")
def bob(hire):
    return hire("bob")


def at_terminal(person, answer, *args):
    """(exit code, everything shown) of a verb at a terminal where this is typed when it asks."""
    ours, theirs = pty.openpty()
    env = dict(person.node.env, HOLDFAST_SESSION=str(person.session))
    p = subprocess.Popen(
        person.node.argv(*args), stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    threading.Timer(60, p.kill).start()
    try:
        while True:
            shown += os.read(ours, 4096)
            if b"[yes/no]" in shown and answer is not None:
                os.write(ours, answer.encode() + b"\n")
                answer = None
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    return p.wait(), shown.decode()


def names(person):
    """What is in the bin for this person: {name: row}."""
    return {
        x["resource"]["name"] + ("/" + x["login"] if x["kind"] == "account" else ""): x
        for x in person.json("ls", "--removed")
    }


def test_rm_asks_a_person_and_wants_yes_of_a_script(ada):
    ada.good("put", "Asked for/it's", input="x\n")
    ada.good("put", "Asked for/other", input="y\n")
    for args in (["Asked for/it's"], ["--resource", "Asked for"]):
        p = ada.cli("rm", *args)
        fails(p, 2, "nothing was removed", "holdfast rm --yes")
        assert ada.good("get", "Asked for/it's") == "x\n"
    # The command that it names is good as it stands, in a shell.
    said = re.search(r"holdfast (rm --yes .*)", ada.cli("rm", "Asked for/it's").stderr).group(1)
    words = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {said}"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert words == ["rm", "--yes", "Asked for/it's"]
    for answer in ("no", "n", ""):
        code, shown = at_terminal(ada, answer, "rm", "--resource", "Asked for")
        assert (
            code == 1 and 'the resource "Asked for" with 2 accounts' in shown and "nothing was changed" in shown
        ), shown
    assert names(ada) == {}
    code, shown = at_terminal(ada, "yes", "rm", "Asked for/it's")
    assert code == 0 and 'the account "it\'s" of "Asked for"' in shown, shown
    code, shown = at_terminal(ada, "y", "rm", "--resource", "Asked for")
    assert code == 0 and "with 1 account?" in shown, shown
    assert set(names(ada)) == {"Asked for", "Asked for/it's"}


def test_it_comes_back_as_it_was(shared, boss, ada, bob):
    """H15: a resource with the accounts that went with it, their versions and everybody's rights; what was removed before stays."""
    for login in ("root", "www", "gone before"):
        ada.good("put", f"Whole/{login}", input=f"first {login}\n")
    ada.good("put", "Whole/root", input="second\n")
    ada.good("share", "Whole", "bob", "--resource")
    bob.accept_all()
    root = ada.json("history", "Whole/root")["versions"]
    account = ada.json("find", "Whole")[0]["accounts"]
    ids = {a["login"]: a["id"] for a in account}
    ada.good("rm", "--yes", "Whole/gone before")
    whole = ada.json("find", "Whole")
    ada.good("rm", "--yes", "Whole", "--resource")
    for p in (ada, bob):  # not to be read in any way
        for method, path, body in (
            ("GET", f"/v1/accounts/{ids['root']}", None),
            ("GET", f"/v1/accounts/{ids['root']}/versions", None),
            ("POST", f"/v1/accounts/{ids['root']}/retrieve", {"reason": "x", "version": 1}),
            ("POST", f"/v1/accounts/{ids['root']}/retrieve", {"reason": "x"}),
        ):
            assert p.api.call(method, path, body).status == 404, (method, path)
    mine = names(ada)
    assert mine["Whole"]["accounts"] == 2 and mine["Whole"]["by"]["name"] == "ada" and not mine["Whole"]["changed"]
    assert mine["Whole/gone before"]["resource"]["removed"] is True
    days = (
        time.mktime(time.strptime(mine["Whole"]["until"][:19], "%Y-%m-%dT%H:%M:%S"))
        - time.mktime(time.strptime(mine["Whole"]["removed"][:19], "%Y-%m-%dT%H:%M:%S"))
    ) / 86400
    assert abs(days - 30) < 0.1
    assert "Whole" not in names(bob) and "Whole" not in names(
        boss
    )  # bob may only view it; boss is an administrator and nothing else
    fails(bob.cli("undelete", "Whole"), 1, "nothing of this name")
    assert bob.api.call("POST", f"/v1/resources/{mine['Whole']['id']}/restore", {}).status == 403
    assert boss.api.call("POST", f"/v1/resources/{mine['Whole']['id']}/restore", {}).status == 404
    fails(ada.cli("undelete", "Whole/gone before"), 1, f"holdfast undelete {mine['Whole']['id']}")
    assert len(ada.json("ls", "--removed", "--most", "1")) == 1 < len(mine)
    shown = ada.good("ls", "--removed")
    assert "resource, accounts: 2" in shown and mine["Whole"]["id"] in shown

    assert ada.good("undelete", "Whole") == "Whole is back\n"
    assert ada.json("find", "Whole") == whole
    assert ada.json("history", "Whole/root")["versions"] == root
    assert ada.good("get", "Whole/root") == "second\n" and bob.good("get", "Whole/www") == "first www\n"
    assert ada.good("get", "Whole/root", "--version", "1") == "first root\n"
    fails(ada.cli("undelete", "Whole"), 1, "nothing of this name")
    assert set(names(ada)) & {"Whole", "Whole/gone before"} == {"Whole/gone before"}
    assert ada.good("undelete", "Whole", "gone before") == "Whole/gone before is back\n"
    assert bob.good("get", "Whole/gone before") == "first gone before\n"
    kinds = [e["kind"] for e in boss.json("audit", "list", "--most", "60")]
    assert {"resource_restored", "account_restored", "resource_deleted", "account_deleted"} <= set(kinds)


def test_who_may_manage_brings_back(ada, bob):
    ada.good("put", "Managed/x", input="x\n")
    ada.good("share", "Managed", "bob", "manage", "--resource")
    bob.accept_all()
    bob.good("rm", "--yes", "--resource", "Managed")
    assert names(ada)["Managed"]["by"]["name"] == "bob"
    assert bob.good("undelete", "Managed") == "Managed is back\n"
    assert ada.good("get", "Managed/x") == "x\n"


def test_a_name_is_the_same_composed_or_not_whatever_the_case(ada):
    ada.good("put", "Stra\u00dfe \u00e4/\u00d6l", input="x\n")
    for words in (["STRA\u00dfE A\u0308/o\u0308L"], ["stra\u00dfe \u00c4", "O\u0308l"]):
        ada.good("rm", "--yes", "Stra\u00dfe \u00e4/\u00d6l")
        assert ada.good("undelete", *words) == "Stra\u00dfe \u00e4/\u00d6l is back\n"


def test_a_name_that_is_taken_by_now(ada):
    ada.good("put", "Taken/x", input="old\n")
    ada.good("rm", "--yes", "--resource", "Taken")
    ada.good("put", "Taken/x", input="new\n")
    p = ada.cli("undelete", "Taken")
    fails(p, 1, "another name", "--as NAME")
    told = re.search(r"holdfast (undelete [0-9a-f-]{36}) --as NAME", p.stderr).group(1).split()
    fails(ada.cli(*told, "--as", "Taken"), 1, "already")
    assert ada.good(*told, "--as", "Taken of old") == "Taken of old is back\n"
    assert ada.good("get", "Taken of old/x") == "old\n" and ada.good("get", "Taken/x") == "new\n"
    # An account in its place; and two of the same name in the bin.
    for value in ("one", "two"):
        ada.good("rm", "--yes", "Taken/x")
        ada.good("put", "Taken/x", input=f"{value}\n")
    p = ada.cli("undelete", "Taken/x")
    fails(p, 2, "more than one", "give the id")
    ids = re.findall(r"[0-9a-f-]{36}", p.stderr)
    assert len(ids) == 2
    assert ada.good("undelete", ids[1], "--as", "y") == "Taken/y is back\n"
    assert ada.good("get", "Taken/y") in ("new\n", "one\n")


# emptying


@pytest.fixture
def keeper(running, where):
    return Person(running, "admin", running.setup_token(), PASSWORD, where)


def later(node, days):
    """The same node, started that many days later."""
    node.stop()
    node.env["HOLDFAST_CLOCK_SKEW_MS"] = str(int(days * DAY_MS))
    node.start()


def sealed(node, name):
    """How many versions of the resource's accounts have sealed bytes in the tables, and in the log."""
    (tables,) = node.sql(
        "SELECT count(*) FROM version v JOIN account a ON a.id = v.account JOIN resource r ON r.id = a.resource "
        f"WHERE r.name = '{name}' AND v.sealed <> ''"
    )
    (log,) = node.sql(
        "SELECT count(*) FROM event e JOIN account a ON a.id = e.object JOIN resource r ON r.id = a.resource "
        f"WHERE r.name = '{name}' AND e.kind = :VERSION_ADDED AND length(e.body::jsonb->>'sealed') > 40"
    )
    return int(tables[0]), int(log[0])


def test_the_bin_is_emptied_when_its_time_is_over(running, keeper):
    for i in range(3):
        keeper.good("put", "Old/x", input=f"{i}\n")
    keeper.good("put", "Young/x", input="young\n")
    keeper.good("put", "Kept/x", input="kept\n")
    keeper.good("rm", "--yes", "--resource", "Old")
    account = running.sql(
        "SELECT id FROM account a WHERE EXISTS (SELECT FROM resource r WHERE r.id = a.resource AND r.name = 'Old')"
    )[0][0]
    later(running, 29.9)
    keeper.login()
    keeper.good("rm", "--yes", "--resource", "Young")
    old = names(keeper)["Old"]
    assert sealed(running, "Old") == (3, 3)
    later(running, 30.1)
    keeper.login()
    wait_until("the bin is emptied of Old", lambda: "Old" not in names(keeper))
    assert sealed(running, "Old") == (0, 3) and sealed(running, "Kept") == (1, 1) and sealed(running, "Young") == (1, 1)
    assert set(names(keeper)) == {"Young"}
    fails(keeper.cli("undelete", old["id"]), 1, "in the bin")
    keeper.begin_api()
    r = keeper.api.call("POST", f"/v1/resources/{old['id']}/restore", {})
    assert r.status == 404 and "emptied" in str(r.body)
    # One event of the node itself, which names what is gone; not again and again.
    told = [e for e in keeper.json("audit", "list", "--most", "200") if e["kind"] == "bin_emptied"]
    assert len(told) == 1 and told[0].get("actor") is None, told
    body = json.dumps(told[0])
    assert old["id"] in body and account in body
    assert keeper.good("undelete", "Young") == "Young is back\n" and keeper.good("get", "Young/x") == "young\n"
    assert keeper.good("get", "Kept/x") == "kept\n"
    keeper.good("audit", "verify")


def test_bin_keep_says_how_long(running, keeper):
    running.set("bin_keep", "0")
    keeper.good("put", "For ever/x", input="x\n")
    keeper.good("rm", "--yes", "--resource", "For ever")
    later(running, 300)
    still_true("nothing is emptied", lambda: sealed(running, "For ever"), 2, lambda n: n == (1, 1))
    later(running, 2)
    keeper.login()
    assert names(keeper)["For ever"]["until"] is None
    running.set("bin_keep", "1h")
    later(running, 2)
    keeper.login()
    wait_until("the bin is emptied of For ever", lambda: "For ever" not in names(keeper))
    assert sealed(running, "For ever") == (0, 1)


# the pair


def test_a_secondary_sees_the_same_and_changes_nothing(holdfast):
    """H5: in emergency the bin is shown, and bringing back is refused as every change is."""
    with scratch_folder() as folder:
        stage = Stage(holdfast, folder)
        a = stage.primary
        try:
            person = Person(a, "admin", a.setup_token(), PASSWORD, folder)
            person.good("put", "Both/x", input="x\n")
            b = stage.secondary()
            join(b, stage.pack)
            b.start()
            for n in (a, b):
                n.wait_status(0, timeout=120)
            person.login()  # the session knows both nodes now
            person.good("rm", "--yes", "--resource", "Both")
            here = person.json("ls", "--removed")
            a.kill()
            wait_until("the secondary gives emergency access", lambda: (b.health() or [0])[0] == 200)
            there = person.cli("ls", "--removed", "--json", check=True)
            assert json.loads(there.stdout) == here and "emergency" in there.stderr
            fails(person.cli("undelete", "Both"), 1, "only reads and withdrawals are served")
            assert b.sql("SELECT count(*) FROM resource WHERE deleted_at IS NOT NULL AND name = 'Both'") == [["1"]]
        finally:
            for n in stage.made:
                n.end()
