# SPDX-License-Identifier: Apache-2.0
"""axe-core finds nothing on any page of the console or in any of its dialogs, in the light and in the dark theme, at a desk and on a
phone, where nothing is wider than the page either."""
import json
from pathlib import Path

import pytest
from axe import Axe, source
from browser import DESK, PHONE, THEMES
from page import Page, logged_out
from pair import PASSWORD
from wait import wait_until

WEB = Path(__file__).resolve().parents[2] / "web"


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Skipped, not passed, where it cannot be had."""
    found = source(WEB, tmp_path_factory.mktemp("axe"))
    if not found:
        pytest.skip("axe-core cannot be had here: there is no npm, or it reaches no registry")
    return found


@pytest.fixture
def axe(chrome, text):
    a = Axe(chrome, text)
    chrome.set_script_timeout(60)
    yield a
    a.rest()
    assert a.seen, "nothing was looked at"
    assert a.findings() == ""


@pytest.fixture(scope="module")
def admin(pair):
    return pair[0].home.parent.parent / "admin.session"


@pytest.fixture
def page(pair, chrome):
    p = logged_out(chrome, pair[0].url)
    p.login()
    p.wait_for("vault")
    p.wait("status", "Alive")
    return p


def show(page):
    page.press("Show …")
    page.wait_for("reason")
    page.type("reason", "to look")
    page.press("Show")
    page.wait("fields", "password")


def test_it_finds_what_is_wrong(page, chrome, text):
    """A page with faults that it must know: a field without a label, grey on grey in one theme only, and a word that is wider than a phone."""
    axe = Axe(chrome, text)
    chrome.execute_script(
        """const main = document.querySelector("main"), p = document.createElement("p"), wide = document.createElement("p");
        p.textContent = "hardly to be read";
        p.style.color = "#e6eaf0";
        wide.textContent = "x";
        wide.style.width = "400px";
        main.append(p, document.createElement("input"), wide);"""
    )
    axe.look("broken")
    rules = {where: {rule for rule, _, _ in found} for where, found in axe.seen.items()}
    for wide in (DESK, PHONE):
        assert all("label" in rules[f"broken, {theme}, {wide}"] for theme in THEMES), axe.findings()
        assert ["color-contrast" in rules[f"broken, {theme}, {wide}"] for theme in THEMES] == [
            True,
            False,
        ], axe.findings()
    assert rules[f"broken, {PHONE}"] == {"wide"} and f"broken, {DESK}" not in rules, axe.findings()


def test_before_the_log_in(pair, chrome, axe):
    page = logged_out(chrome, pair[0].url)
    page.wait_for("login")
    page.wait("status", "Alive")
    axe.look("log-in")
    page.login("not the password")
    page.wait("login-notice", "wrong")
    axe.look("log-in, refused")
    page.press("First log-in? Use a set-up token")
    page.wait_for("setup")
    axe.look("set-up")


def test_a_standby(pair, chrome, axe):
    page = logged_out(chrome, pair[1].url)
    page.wait("notice", "the primary")
    page.wait_for("login-why")
    axe.look("standby")


def test_the_list_and_an_account(page, axe):
    wait_until("there are accounts", lambda: page.rows("accounts"), lambda rows: len(rows) == 2)
    axe.look("list")
    page.find("no such thing")
    axe.look("list, nothing found")
    page.press("New account")
    page.wait_for("new-form")
    axe.look("new account")
    page.press("Close")
    page.find("core")
    page.press("Show …")
    page.wait_for("reason")
    axe.look("secret, the reason")
    page.type("reason", "to look")
    page.press("Show")
    page.wait("fields", "password")
    axe.look("secret, shown")
    page.press("Close")
    show(page)
    page.press("Change …")
    page.wait_for("edit")
    axe.look("secret, changed")
    page.press("Close")


def test_the_details_of_an_account(page, admin, pair, axe):
    pair[0].cli("user", "add", "shareholder", session=admin)
    pair[0].cli("share", "core switch/admin", "shareholder", "view", session=admin)
    page.find("core")
    page.press("Details")
    page.wait("history", "current")
    page.wait("shares", "shareholder")
    page.wait("through", "owner")
    axe.look("details")
    page.type("why-user", "shareholder")
    page.press("Ask")
    page.wait("why-answer", "shareholder may")
    axe.look("details, why")
    page.press("Remove")
    page.wait("details", "goes to the bin")
    axe.look("details, to be removed")
    page.press("Close")


def test_a_resource_and_its_offer(page, admin, pair, axe):
    token = json.loads(pair[0].cli("user", "add", "owen", "--json", session=admin).stdout)["setup_token"]
    owen = admin.parent / "owen.session"
    typed = f"{token}\n{PASSWORD}\n"
    pair[0].cli("login", "--setup", "--ca", pair[0].web_cert, pair[0].url, "owen", session=owen, input=typed)
    page.find("core")
    page.press_label("Resource core switch")
    page.wait_for("offer")
    page.wait("through", "owner")
    axe.look("resource")
    page.type("offer-user", "owen")
    page.press("Offer")
    page.wait("offered", "owen")
    axe.look("resource, offered")
    page.press("Take the offer back")
    page.wait("offer-said", "not offered")
    page.press("Close")
    pair[0].cli("put", "given/root", session=owen, input="s3cret\n")
    pair[0].cli("offer", "given", "admin", session=owen)
    again = Page(page.d, pair[0].url)
    again.wait("offers", "given", "by owen")
    axe.look("offered")
    again.press("Refuse")
    again.wait("offers-said", "stays with owen")


def test_conflicts_and_changes(page, pair, axe):
    named = "SELECT a.id FROM account a JOIN resource r ON r.id = a.resource WHERE r.name = 'core switch'"
    pair[0].sql(
        f"UPDATE account SET conflict = true WHERE id IN ({named});"
        f"UPDATE version SET approval = 'waits' WHERE account IN ({named})"
    )
    try:
        again = Page(page.d, pair[0].url)
        again.wait("conflicts", "core switch / admin")
        again.wait("waits", "core switch / admin, version 1")
        axe.look("conflicts and changes")
        again.press("Settle …")
        again.wait("history", "waits for approval")
        axe.look("details, in conflict")
        again.press("Close")
    finally:
        pair[0].sql(
            f"UPDATE account SET conflict = false WHERE id IN ({named});"
            f"UPDATE version SET approval = NULL WHERE account IN ({named})"
        )


def test_the_bin(page, pair, admin, axe):
    page.go("bin")
    page.wait("bin", "Nothing is in the bin")
    axe.look("bin, empty")
    page.go("passwords")
    page.wait_for("accounts")
    page.find("onerror")
    page.press("Details")
    page.wait_for("remove")
    page.press("Remove")
    page.element("remove-yes").click()
    wait_until("it is gone", lambda: page.rows("accounts"), lambda rows: [r[1] for r in rows] == ["–"])
    axe.look("list, a resource without an account")
    page.go("bin")
    page.wait("removed", "onerror")
    axe.look("bin")
    page.press("Bring back")
    page.wait("bin-said", "is back")
    axe.look("bin, brought back")


def test_folders(page, pair, admin, axe):
    a = pair[0]
    page.go("folders")
    page.wait("no-folders", "no folder that you see")
    axe.look("folders, none")
    for path in ("site", "site/hall", "elsewhere"):
        a.cli("folder", "add", path, session=admin)
    a.cli("user", "add", "fay", session=admin)
    a.cli("put", "lamp/root", "--folder", "site/hall", session=admin, input="s3cret\n")
    a.cli("share", "--folder", "site", "fay", session=admin)
    page.go("passwords")
    page.find("lamp")
    axe.look("list, in a folder")
    page.go("folders")
    page.wait("folder-list", "site")
    axe.look("folders")
    page.element("add-folder").click()
    page.wait_for("new-folder-form")
    axe.look("a new folder")
    page.press("Close")
    page.type("folder-query", "hall")
    page.wait("folder-list", "site/hall")
    axe.look("folders, found")
    page.d.find_element("link text", "site/hall").click()
    page.wait("inside", "lamp")
    axe.look("a folder")
    page.element("manage-folder").click()
    page.wait_for("move")
    page.wait("through", "owner")
    page.type("move-to", "elsewhere")
    page.press("See who gains and loses")
    page.wait("effect", "fay")
    axe.look("a folder, to be moved")
    page.press("Close")
    page.press_label("Resource lamp")
    page.wait_for("to-folder")
    axe.look("a resource in a folder")
    page.press("Close")
    page.element("user").click()
    page.wait_for("to-seen").click()
    page.wait("seen-list", "site/hall/lamp")
    axe.look("what one may see")


def test_an_import(page, axe, tmp_path):
    page.element("to-import").click()
    page.wait_for("import-form")
    axe.look("import")
    (tmp_path / "export.csv").write_text("resource,login,password\nmast,root,s3cret\ncore switch,admin,s3cret\n")
    page.element("import-file").send_keys(str(tmp_path / "export.csv"))
    page.press("Look at it")
    page.wait("plan", "1 skipped")
    axe.look("import, the plan")
    page.press("Import it")
    page.wait("outcome", "It is stored")
    axe.look("import, stored")


def test_teams(page, axe, admin, pair):
    pair[0].cli("team", "add", "ops", session=admin)
    pair[0].cli("member", "add", "ops", "admin", session=admin)
    page.go("teams")
    page.wait("team-list", "ops")
    axe.look("teams")
    page.press_label("Manage team ops")
    page.wait("members", "admin")
    axe.look("a team")
    page.press("Remove team")
    page.wait_for("remove-team-yes")
    axe.look("a question")
    page.element("remove-team-yes").click()
    page.wait("team-said", "is removed")
    page.press("Close")


def test_users_and_the_log(page, axe):
    page.go("users")
    page.wait("user-list", "admin")
    page.type("add-name", "dora")
    page.press("Add")
    page.wait_for("token")
    axe.look("users")
    page.press_label("Manage dora")
    page.wait_for("disable")
    page.press("Disable")
    page.press("Reset password")
    axe.look("user")
    page.element("disable-yes").click()
    page.wait("user-said", "dora is disabled")
    page.element("reset-yes").click()
    page.wait_for("new-token")
    axe.look("user, reset")
    page.press("Close")
    page.go("audit")
    page.wait("events", "A user logged in")
    page.press("Verify the log")
    page.wait("verified", "unbroken")
    axe.look("audit")
    page.type("audit-kind", "no_such_kind")
    page.press("Find")
    page.wait("audit-said", "no such kind")
    axe.look("audit, refused")
    page.go("settings")
    page.wait("setting-list", "detect_ms")
    axe.look("settings")


def test_oneself_and_what_was_done(pair, admin, chrome, axe):
    a, _ = pair
    token = json.loads(a.cli("user", "add", "emil", "--json", session=admin).stdout)["setup_token"]
    page = logged_out(chrome, a.url)
    page.wait_for("login")
    page.press("First log-in? Use a set-up token")
    page.wait_for("setup")
    for field, words in (("name", "emil"), ("token", token), ("password", PASSWORD), ("again", PASSWORD)):
        page.type(f"setup-{field}", words)
    page.press("Set the password and log in")
    page.wait("user", "emil")
    page.wait("found", "Nothing is shared with you yet")
    axe.look("list, empty")
    page.element("user").click()
    page.wait_for("own-password")
    axe.look("oneself")
    page.element("to-seen").click()
    page.wait("seen", "There is nothing that you see so")
    axe.look("what one may see, nothing")
    page.element("user").click()
    page.wait_for("own-password")
    page.type("factor-password", PASSWORD)
    page.press("Set it up")
    page.wait_for("factor-secret")
    axe.look("oneself, a second factor")
    page.press("Log out")
    page.wait_for("login")
    a.cli("user", "promote", "emil", session=admin)
    page.type("name", "emil")
    page.type("password", PASSWORD)
    page.press("Log in")
    page.wait("notices", "Your role was changed")
    axe.look("what was done")


def test_the_pair(page, pair, chrome, axe):
    page.go("ha")
    page.wait("nodes", pair[1].name)
    page.wait_for("certificates")
    wait_until(
        "a hand-over may be ordered",
        lambda: page.seen("order-switchover") and page.element("order-switchover").is_enabled(),
    )
    axe.look("High Availability")
    page.element("order-switchover").click()
    page.wait_for("order-form")
    axe.look("an order")
    page.type("order-password", "not the password")
    chrome.find_element("css selector", "#order-form button").click()
    page.wait("order-said", "password is wrong")
    axe.look("an order, refused")
    page.press("Close")
    pair[1].kill()
    try:
        page.wait("reasons", pair[1].name, "What to do:")
        axe.look("High Availability, a reason")
    finally:
        pair[1].start(wait=False)
    for n in pair:
        n.wait_status(0)


def test_an_outage(known, chrome, axe):
    """The silent page, and emergency access."""
    a, b = known
    page = logged_out(chrome, a.url)
    page.login()
    page.wait_for("vault")
    page.go("ha")
    page.wait_for("nodes")
    a.kill()
    try:
        page.wait("notice", "has not answered since", f"Open emergency access on {b.name}")
        page.wait("status", "not known now")
        axe.look("silence, High Availability")
        page.go("passwords")
        page.wait_for("accounts")
        axe.look("silence")
        page = logged_out(chrome, b.url)
        page.wait("notice", "This is emergency access")
        page.login()
        page.wait_for("accounts")
        axe.look("emergency access")
        page.find("core")
        page.press("Details")
        page.wait("history", "current")
        axe.look("emergency access, details")
        page.press("Close")
    finally:
        a.start(wait=False)
    for n in known:
        n.wait_status(0)


def test_a_newer_release(page, pair, axe):
    """Its notice: the page is told so as it would find it out."""
    page.d.execute_script(
        "document.querySelector('link[rel=stylesheet]').insertAdjacentElement('afterend', document.createElement('link'));"
        "Object.assign(document.querySelectorAll('link')[2], {rel: 'stylesheet', href: '/assets/none.css'})"
    )
    pair[0].kill()
    page.wait("where", "does not answer")
    pair[0].start(wait=False)
    page.wait("newer", "another release")
    page.wait("status", "Alive")
    axe.look("a newer release")
    for n in pair:
        n.wait_status(0)
