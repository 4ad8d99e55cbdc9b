# SPDX-License-Identifier: Apache-2.0
"""What the console changes: accounts and their versions, shares, users, and what users do for themselves."""
import json
import re

import pytest
from factor import totp
from page import Page, logged_out
from pair import PASSWORD
from wait import wait_until

NEW = "another long passphrase"


@pytest.fixture(scope="module")
def admin(pair):
    return pair[0].home.parent.parent / "admin.session"


@pytest.fixture(scope="module")
def bea(pair, admin):
    """(name, set-up token)"""
    return "bea", json.loads(pair[0].cli("user", "add", "bea", "--json", session=admin).stdout)["setup_token"]


@pytest.fixture
def page(pair, chrome):
    p = logged_out(chrome, pair[0].url)
    p.login()
    p.wait_for("vault")
    return p


def first_cells(page, table):
    return [r[0] for r in page.rows(table)]


def reveal(page, reason):
    page.wait_for("reason")
    page.type("reason", reason)
    page.press("Show")
    return page.wait("fields", "password")


def make_account(page, resource):
    """Of a new resource, with a password that the browser made; that password."""
    page.press("New account")
    page.wait_for("new-form")
    page.type("new-resource", resource)
    page.type("new-login", "root")
    page.press("Generate")
    made = page.element("new-password").get_attribute("value")
    page.press("Store")
    wait_until("it is in the list", lambda: first_cells(page, "accounts"), lambda rows: rows == [resource])
    return made


def test_an_account_from_the_first_password_to_the_bin(page, bea):
    made = make_account(page, "edge router")
    assert len(made) == 20
    page.press("Show …")
    assert made in reveal(page, "what was made")
    page.press("Change …")
    page.wait_for("edit")
    page.type("edit-0", "n3w-s3cret")
    page.press("Store")
    page.wait("secret-notice", "Stored as version 2")
    page.press("Close")
    page.press("Details")
    page.wait("history", "current")
    rows = page.rows("history")
    assert [(r[0], "current" in r[4]) for r in rows] == [("2", True), ("1", False)] and rows[0][2] == "admin", rows
    page.type("share-user", bea[0])
    page.press("Share")
    page.wait("shares", "bea", "since")
    page.press("Withdraw")
    page.wait("share-said", "bea has it no more")
    wait_until("it is shared with nobody", lambda: page.text("shares"), lambda said: said == "")
    page.press_label("Show version 1")
    assert made in reveal(page, "the one before")
    page.press("Close")
    page.press("Details")
    page.wait_for("remove")
    page.press("Remove")
    page.wait("details", "goes to the bin")
    page.element("remove-yes").click()
    wait_until("its resource is left", lambda: page.rows("accounts"), lambda rows: [r[1] for r in rows] == ["–"])
    page.go("bin")
    wait_until("it is in the bin", lambda: first_cells(page, "removed"), lambda rows: rows == ["edge router / root"])
    page.press("Bring back")
    page.wait("bin-said", "edge router / root is back")
    page.wait("bin", "Nothing is in the bin")
    page.go("passwords")
    page.find("edge")
    assert [r[2] for r in page.rows("accounts")] == ["2"]
    page.press_label("Resource edge router")
    page.wait_for("remove-resource")
    page.press("Remove")
    page.wait("resource", "with all of its accounts")
    page.element("remove-resource-yes").click()
    wait_until("it is gone", lambda: first_cells(page, "accounts"), lambda rows: rows == [])
    assert page.complaints() == []


def test_what_somebody_has_to_decide_comes_first(page, pair):
    made = make_account(page, "apart")
    page.press("Show …")
    assert made in reveal(page, "to look")
    page.press("Close")
    assert not page.seen("waiting")
    account = "SELECT a.id FROM account a JOIN resource r ON r.id = a.resource WHERE r.name = 'apart'"
    pair[0].sql(f"UPDATE account SET conflict = true WHERE id IN ({account})")
    chrome_again = Page(page.d, pair[0].url)
    chrome_again.wait("conflicts", "apart / root")
    page.press("Settle …")
    page.wait("history", "current")
    page.press("Make current")
    page.wait("details-said", "conflict is settled")
    page.press("Close")
    wait_until("nothing waits", lambda: not page.seen("conflicts"))
    assert page.complaints() == []


def test_administrators_read_the_log(page):
    page.go("audit")
    page.wait("events", "A user logged in", "admin")
    page.type("audit-kind", "node_created")
    page.press("Find")
    wait_until(
        "one is left", lambda: page.rows("events"), lambda rows: [r[2] for r in rows] == ["The node was created"]
    )
    assert re.search(r"name: \S+", page.rows("events")[0][4]), page.rows("events")
    page.type("audit-kind", "no_such_kind")
    page.press("Find")
    page.wait("audit-said", "no such kind of event")
    assert page.complaints() == []


def test_administrators_verify_the_log(page, pair):
    """What is whole says so, and what is not says where."""
    a, b = pair
    page.go("audit")
    page.press("Verify the log")
    page.wait("verified", "The whole log is unbroken", f"{a.name}: ", "events, unbroken")
    broken = "FROM event WHERE node = (SELECT id FROM node WHERE name = '%s') AND seq = 3" % a.name
    ((body,),) = a.sql(f"SELECT body {broken}")
    a.sql(f"UPDATE event SET body = body || ' ' WHERE seq = 3 AND node IN (SELECT node {broken})")
    try:
        page.press("Verify the log")
        page.wait("verified", "The log is broken", f"{a.name}: broken at event 3")
    finally:
        a.sql(f"UPDATE event SET body = rtrim(body) WHERE seq = 3 AND node IN (SELECT node {broken})")
    page.press("Verify the log")
    page.wait("verified", "The whole log is unbroken")
    assert page.complaints() == []


def test_administrators_see_the_settings(page, pair):
    page.go("settings")
    page.wait("setting-list", "detect_ms", "at once, after SIGHUP", "at the next start")
    rows = {r[0]: r[1:] for r in page.rows("setting-list")}
    assert rows["detect_ms"][:2] == ["3s", "3s"] and rows["name"][0] == pair[0].name
    assert rows["metrics_token"][0] == "(empty)"
    assert page.complaints() == []


def test_a_second_account_goes_into_the_same_resource(page):
    make_account(page, "twice")
    page.press("New account")
    page.wait_for("new-form")
    page.type("new-resource", "twice")
    page.type("new-login", "backup")
    page.type("new-password", "s3cret-backup")
    page.press("Store")
    wait_until("both are there", lambda: page.rows("accounts"), lambda rows: [r[1] for r in rows] == ["backup", "root"])
    page.press("New account")
    page.type("new-resource", "twice")
    page.type("new-login", "backup")
    page.type("new-password", "s3cret-again")
    page.press("Store")
    page.wait("new-said", "is there already")
    assert page.element("new-password").get_attribute("value") == "s3cret-again", "what was typed is kept"


def test_users_are_added_and_disabled(page, pair, admin):
    page.go("users")
    page.wait("user-list", "admin")
    page.type("add-name", "cleo")
    page.press("Add")
    page.wait_for("token")
    token = page.text("token-text")
    out = pair[0].cli(
        "login",
        "--setup",
        "--ca",
        pair[0].web_cert,
        pair[0].url,
        "cleo",
        session=admin.parent / "cleo.session",
        input=f"{token}\n{PASSWORD}\n",
    )
    assert out.returncode == 0
    page.type("user-query", "cle")
    wait_until("they are found", lambda: page.rows("user-list"), lambda rows: [r[2] for r in rows] == ["active"])
    page.press_label("Manage cleo")
    page.wait_for("disable")
    page.press("Disable")
    page.press("Reset password")
    page.element("disable-yes").click()
    page.wait("user-said", "cleo is disabled")
    assert page.seen("reset-yes") and not page.seen(
        "role-administrator-yes"
    ), "what one answer ends is its own question"
    out = pair[0].cli("ls", session=admin.parent / "cleo.session", check=False)
    assert out.returncode == 1 and "session" in out.stderr
    page.press("Enable")
    page.wait("user-said", "cleo is enabled")
    page.element("reset-yes").click()
    page.wait_for("new-token")
    assert page.text("new-token-text") not in ("", token)
    page.press("Close")
    page.press_label("Manage cleo")
    page.wait("user-dialog", "told at their next log-in")
    assert not page.seen("new-token"), "a token is shown once"
    assert page.complaints() == []


def test_a_team_from_its_first_member_to_its_end(page, pair, admin):
    page.go("teams")
    page.wait("teams", "no team yet")
    page.type("team-name", "night")
    page.element("add-team").submit()
    page.wait("team-dialog", "Nobody is in it yet")
    page.type("member-user", "nobody-here")
    page.press("Put in")
    page.wait("team-said", "there is no such user")
    page.type("member-user", "admin")
    page.press("Put in")
    page.wait("members", "admin")
    page.press_label("Take out admin")
    page.wait("team-dialog", "Nobody is in it yet")
    page.press("Remove team")
    page.element("remove-team-yes").click()
    page.wait("team-said", "night is removed")
    page.press("Close")
    page.wait("teams", "no team yet")
    assert page.complaints() == []


@pytest.fixture
def holding(pair, admin):
    """Whoever retrieves more than one password is held. A user to whom that happens."""
    made = json.loads(pair[0].cli("user", "add", "dora", "--json", session=admin).stdout)
    session = admin.parent / "dora.session"
    typed = f"{made['setup_token']}\n{PASSWORD}\n"
    pair[0].cli("login", "--setup", "--ca", pair[0].web_cert, pair[0].url, "dora", session=session, input=typed)
    for name, value in (("retrieval_alert", 1), ("retrieval_hold", "true")):
        pair[0].set(name, value)
    pair[0].read_settings()
    for site in ("one/root", "two/root"):
        pair[0].cli("put", site, session=session, input="s3cret\n")
    yield lambda: [pair[0].cli("get", f"{s}/root", session=session, check=False).returncode for s in ("one", "two")]
    pair[0].set("retrieval_hold", "false")
    pair[0].set("retrieval_alert", 200)
    pair[0].read_settings()


def test_who_is_held_is_released(page, holding):
    assert holding() == [0, 1]
    page.go("users")
    page.type("user-query", "dora")
    wait_until("they are held", lambda: page.rows("user-list"), lambda rows: [r[2] for r in rows] == ["held"])
    page.press_label("Manage dora")
    page.wait_for("release")
    page.press("Let them retrieve again")
    page.element("release-yes").click()
    page.wait("user-said", "dora may retrieve passwords again")
    assert holding() == [0, 1], "the count begins anew"
    assert page.complaints() == []


def test_a_dialog_that_is_closed_closes_no_other(page):
    """Another one is opened before the browser has told that the first is closed."""
    page.wait_for("accounts")
    page.press("Details")
    page.wait("history", "current")
    page.d.execute_async_script(
        """const done = arguments[0];
        document.getElementById("details-close").click();
        setTimeout(done, 300);
        Promise.resolve().then(() => Promise.resolve()).then(() =>
            document.querySelector("#accounts [aria-label^='Details']").click());"""
    )
    page.wait("history", "current", timeout=10)
    page.press("Close")
    wait_until("it is closed", lambda: not page.seen("details"))
    assert page.complaints() == []


def test_users_change_their_own_password_and_factor(pair, chrome, bea):
    name, token = bea
    page = logged_out(chrome, pair[0].url)
    page.wait_for("login")
    page.press("First log-in? Use a set-up token")
    page.wait_for("setup")
    for field, words in (("name", name), ("token", token), ("password", PASSWORD), ("again", PASSWORD)):
        page.type(f"setup-{field}", words)
    page.press("Set the password and log in")
    page.wait("user", name)
    assert not chrome.find_elements("css selector", "nav a[href='#users']"), "users are the administrators'"
    page.element("user").click()
    page.wait_for("own-password")
    for field, words in (("old", "a wrong password"), ("fresh", NEW), ("fresh-again", NEW)):
        page.type(field, words)
    page.press("Change it")
    page.wait("own-said", "wrong")
    page.type("old", PASSWORD)
    page.press("Change it")
    page.wait("own-said", "is changed")
    page.type("factor-password", NEW)
    page.press("Set it up")
    page.wait_for("factor-secret")
    page.type("factor-code", totp(page.text("factor-text")))
    page.press("Turn it on")
    page.wait("factor-said", "is on")
    page.wait_for("own-code")
    assert page.complaints() == []


def test_who_may_only_look_changes_nothing(pair, admin, chrome):
    """What the server refuses is not offered."""
    token = json.loads(pair[0].cli("user", "add", "viewer", "--json", session=admin).stdout)["setup_token"]
    pair[0].cli("share", "core switch/admin", "viewer", "view", session=admin)
    page = logged_out(chrome, pair[0].url)
    page.wait_for("login")
    page.press("First log-in? Use a set-up token")
    page.wait_for("setup")
    for field, words in (("name", "viewer"), ("token", token), ("password", PASSWORD), ("again", PASSWORD)):
        page.type(f"setup-{field}", words)
    page.press("Set the password and log in")
    page.wait("user", "viewer")
    wait_until(
        "the one is there", lambda: first_cells(page, "accounts"), lambda rows: rows == ["core switch not accepted"]
    )
    page.press("Show …")
    reveal(page, "to look")
    assert not page.seen("change")
    page.press("Close")
    page.press("Details")
    page.wait("history", "current")
    assert not page.seen("share") and not page.seen("remove")
    for part in ("users", "audit"):
        Page(chrome, f"{pair[0].url}/#{part}")
        page.wait_for("vault")
        assert not page.seen(part), "an address opens nothing"
