# SPDX-License-Identifier: Apache-2.0
"""An administrator who is locked out gets back in, from the machine itself and with the key file; and nobody else does."""
import json
import os
import re
import subprocess
import time

import pytest

from factor import totp
from nodes import Person, scratch_folder, tree
from packs import Stage, join
from pair import PASSWORD, give
from verbs import fails
from wait import wait_until
from webhook import Receiver


def standing(node):
    """What a refused recovery leaves as it was."""
    return (
        node.sql("SELECT * FROM principal ORDER BY id"),
        node.sql("SELECT count(*) FROM event WHERE kind = :USER_RECOVERED"),
        node.sql("SELECT count(*) FROM ha_request"),
        node.sql("SELECT id, ended_at FROM session ORDER BY id"),
    )


@pytest.fixture
def sole(running, where):
    """The only administrator, with a second factor."""
    return Person(running, "admin", running.setup_token(), PASSWORD, where)


def recover(node, *args, **kw):
    return node.run("admin", "recover", *args, "--home", node.home, check=False, **kw)


def token_in(text):
    return re.search(r"(?<![\w-])[A-Za-z0-9_-]{43}(?![\w-])", text).group()


def test_a_sole_administrator_gets_back_in(node, where, ports):
    hook = Receiver(node, where, ports.take())
    try:
        node.set("lockout_after", "2")
        node.set("lockout_ms", "10min")
        node.start()
        sole = Person(node, "admin", node.setup_token(), PASSWORD, where)
        begun = sole.api.must("POST", "/v1/users/me/totp", {"password": PASSWORD})
        body = {"password": PASSWORD, "pending": begun["pending"], "code": totp(begun["secret"])}
        sole.api.must("POST", "/v1/users/me/totp", body)
        other = sole.api.must("POST", "/v1/users", {"name": "eve", "role": "user"}, status=201)
        eve = Person(node, "eve", other["setup_token"], PASSWORD + "-too", where)
        for _ in range(3):
            sole.login(input="Wrong-Horse-7-battery\n")
        assert (
            "too many" in sole.login(input=f"{PASSWORD}\n123456\n").stderr
        )  # the device is lost, and now there is a wait too
        assert node.sql(
            "SELECT count(*) FROM session WHERE ended_at IS NULL AND principal = (SELECT id FROM principal WHERE name = 'admin')"
        ) != [["0"]]

        p = recover(node, "admin")
        assert p.returncode == 0, p.stderr
        token = token_in(p.stdout)
        assert token not in node.log.read_text() and token not in p.stderr
        assert sole.api.call("GET", "/v1/users").status == 401  # sessions ended
        assert eve.good("ls")  # nobody else's
        new = "Another-Horse-8-battery"
        again = sole.login("--setup", input=f"{token}\n{new}\n")
        assert again.returncode == 0, again.stderr
        assert (
            sole.login(input=f"{PASSWORD}\n").returncode == 1
            and sole.login("--setup", input=f"{token}\n{new}\n").returncode == 1
        )
        sole.password = new
        wait_until(
            "the login tells an administrator", lambda: "wait to be seen by an administrator" in sole.login().stderr
        )  # every administrator is told, this one too

        told = [e for e in sole.json("audit", "list", "--most", "50") if e["kind"] == "user_recovered"]
        assert len(told) == 1 and told[0]["object"], told
        secret = node.sql("SELECT body FROM event WHERE kind = :USER_RECOVERED")[0][0]
        assert token not in secret and "setup_mac" not in json.dumps(told[0])
        assert "recovered" in sole.good("conflicts", "--administration")
        wait_until(
            "the webhook hears of the recovery",
            lambda: [r for r in hook.rows() if r["type"] == "administrator.recovered"],
        )
        (row,) = [r for r in hook.rows() if r["type"] == "administrator.recovered"]
        assert "admin" in row["data"]["text"] and row["signed"]
        # Seen, it is over: the next log-in says nothing of it, and it is not alerted again by an agent that was started anew.
        sole.good("conflicts", "--acknowledge", "all")
        wait_until("the login says no more what was acknowledged", lambda: "wait to be seen" not in sole.login().stderr)
        sole.good("audit", "verify")
    finally:
        hook.end()


def test_without_the_key_nobody_is_let_in(running, sole, where):
    """Refused in every way, and nothing changed: not the tables, not the home."""
    before = standing(running)
    files = tree(running.home / "conf")
    other = where / "other.key"
    running.run("key", "new", other)
    give(other)
    fails(recover(running, "admin", "--key-file", other), 1, "not the one")
    fails(recover(running, "admin", "--key-file", where / "none.key"), 1, "none.key")
    conf = running.home / "conf/manage_key.conf"
    saved = running.key_file.rename(where / "away.key")  # the device is in a safe
    fails(recover(running, "admin"), 1, str(running.key_file))
    saved.rename(running.key_file)
    fails(recover(running, "nobody-of-that-name"), 1, "no user")
    plain = sole.api.must("POST", "/v1/users", {"name": "plain", "role": "user"}, status=201)["user"]["id"]
    before = standing(running)
    fails(recover(running, "plain"), 1, "not an administrator", "user reset")
    # Somebody who may only write to the database has no proof; nor does one of before help.
    node_user = running.sql("SELECT id FROM principal WHERE name = 'admin'")[0][0]
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    running.sql(
        f"INSERT INTO ha_request (kind, object, body) VALUES (:USER_RECOVERED, '{node_user}', '{{\"name\":\"admin\",\"setup_mac\":\"{'0a' * 32}\","
        f"\"setup_until\":\"{soon}\",\"proof\":\"{'0b' * 32}\"}}')"
    )
    wait_until("no request waits", lambda: running.sql("SELECT count(*) FROM ha_request") == [["0"]])
    assert standing(running) == before
    assert sole.api.call("GET", "/v1/users").status == 200  # still logged in
    assert tree(running.home / "conf") == files and conf.exists()
    # A user of this machine who is neither root nor Holdfast's.
    if os.geteuid() == 0:
        p = subprocess.run(
            [
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                running.holdfast,
                "admin",
                "recover",
                "admin",
                "--home",
                running.home,
            ],
            capture_output=True,
            text=True,
        )
        assert p.returncode == 1 and p.stdout == "", p
    assert standing(running) == before
    # Proven once is not proven for ever: what was asked for then, for another, or with another end is refused.
    assert recover(running, "admin").returncode == 0
    body = running.sql("SELECT body FROM event WHERE kind = :USER_RECOVERED")[0][0]
    before = standing(running)
    for user, text in (
        (plain, body),
        (node_user, re.sub(r'("setup_until":")[^"]*', rf"\g<1>{soon}", body)),
        (node_user, re.sub('"uid"', '"enabled":true,"uid"', body)),
    ):
        running.sql(f"INSERT INTO ha_request (kind, object, body) VALUES (:USER_RECOVERED, '{user}', '{text}')")
        wait_until("no request waits", lambda: running.sql("SELECT count(*) FROM ha_request") == [["0"]])
        assert standing(running) == before


def test_a_node_that_does_not_run_says_so(node):
    files = tree(node.home)
    fails(recover(node, "admin"), 3, "does not run", "holdfast serve")
    assert {k: v for k, v in tree(node.home).items() if not k.startswith("run")} == {
        k: v for k, v in files.items() if not k.startswith("run")
    }


def test_who_is_disabled_and_the_last_one(running, sole):
    """H15: one administrator who can log in remains, whatever became of the others."""
    second = sole.api.must("POST", "/v1/users", {"name": "second", "role": "administrator"}, status=201)
    other = Person(running, "second", second["setup_token"], PASSWORD + "-2", sole.session.parent)
    assert other.api.call("PATCH", f"/v1/users/{sole.id}", {"disabled": True}).status == 200
    before = standing(running)
    fails(recover(running, "admin"), 1, "disabled", "user enable")
    assert standing(running) == before
    running.sql("UPDATE principal SET disabled = true WHERE name = 'second'")  # as the merge of two sides may leave it
    p = recover(running, "admin")
    assert p.returncode == 0 and "enabled again" in p.stdout, p
    assert sole.login("--setup", input=f"{token_in(p.stdout)}\n{PASSWORD}-new\n").returncode == 0


def test_on_a_secondary_it_says_where(holdfast):
    with scratch_folder() as folder:
        stage = Stage(holdfast, folder)
        a = stage.primary
        try:
            b = stage.secondary()
            join(b, stage.pack)
            b.start()
            for n in (a, b):
                n.wait_status(0, timeout=120)
            before = standing(b)
            fails(recover(b, "admin"), 1, "not the serving primary", "the primary's machine")
            assert standing(b) == before
            p = recover(a, "admin")
            assert p.returncode == 0, p.stderr
            # Both nodes know it: in emergency the token is no use, and neither is the old password.
            wait_until(
                "the event of the recovery is on the secondary",
                lambda: b.sql("SELECT count(*) FROM event WHERE kind = :USER_RECOVERED") == [["1"]],
            )
            a.kill()
            wait_until("the secondary gives emergency access", lambda: (b.health() or [0])[0] == 200)
            fails(recover(b, "admin"), 1, "holdfast ha promote")
        finally:
            for n in stage.made:
                n.end()
