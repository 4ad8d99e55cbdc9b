# SPDX-License-Identifier: Apache-2.0
"""The console in use: by keyboard alone, the second factor, a first password, and what stays in the browser."""
import json
import time

import pytest
from factor import totp
from page import logged_out
from pair import PASSWORD
from wait import wait_until

DOWN, ENTER, TAB, ESCAPE = "\ue015", "\ue007", "\ue004", "\ue00c"


class Keys:
    """Somebody without a mouse."""

    def __init__(self, chrome):
        self.d = chrome

    def press(self, *keys):
        self.d.switch_to.active_element.send_keys(*keys)

    def on(self, what):
        """Waits until the focus is there: an id, or the name of a tag."""
        wait_until(
            f"the focus is on {what}",
            lambda: self.d.execute_script(
                "return [document.activeElement.id, document.activeElement.tagName.toLowerCase()]"
            ),
            lambda at: what in at,
        )


def post(chrome, path, body):
    """As the page does it."""
    return chrome.execute_async_script(
        """const [path, body, done] = arguments;
        fetch(path, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)})
            .then((r) => r.json()).then(done)""",
        path,
        body,
    )


def add_user(node, session, name):
    return json.loads(node.cli("user", "add", name, "--json", session=session).stdout)["setup_token"]


@pytest.fixture(scope="module")
def admin(pair):
    return pair[0].home.parent.parent / "admin.session"


def test_by_keyboard_alone(pair, chrome):
    a, _ = pair
    chrome.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"origin": a.url, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    page, keys = logged_out(chrome, a.url), Keys(chrome)
    page.wait_for("login")
    keys.on("name")
    keys.press("admin", TAB)
    keys.on("password")
    keys.press(PASSWORD, ENTER)
    page.wait("user", "admin")
    keys.on("query")
    keys.press("core sw")
    wait_until(
        "it is found while typing", lambda: [r[0] for r in page.rows("accounts")], lambda rows: rows == ["core switch"]
    )
    keys.press(DOWN)
    keys.on("tr")
    keys.press("c")
    page.wait("accounts-said", "The password of core switch / admin is in the clipboard")
    assert "s3cret" not in page.all()
    assert chrome.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == "s3cret-switch"
    keys.press(ENTER)
    keys.on("reason")
    keys.press("by keyboard", ENTER)
    page.wait("fields", "s3cret-switch")
    page.wait("secret-notice", "Hidden again")
    assert page.text("fields") == ""
    keys.press(ESCAPE)
    wait_until("the dialog is gone", lambda: not page.seen("secret"))
    keys.press("/")
    keys.on("query")
    assert page.complaints() == []


def test_a_first_password_and_a_second_factor(pair, admin, chrome):
    a, _ = pair
    token = add_user(a, admin, "newcomer")
    page = logged_out(chrome, a.url)
    page.wait_for("login")
    page.press("First log-in? Use a set-up token")
    page.wait_for("setup")
    for field, words in (("name", "newcomer"), ("token", token), ("password", PASSWORD), ("again", PASSWORD + "x")):
        page.type(f"setup-{field}", words)
    page.press("Set the password and log in")
    page.wait("setup-notice", "differ")
    page.type("setup-again", PASSWORD)
    page.press("Set the password and log in")
    page.wait("user", "newcomer")
    page.wait("found", "Nothing is shared with you yet")
    begun = post(chrome, "/v1/users/me/totp", {"password": PASSWORD})
    confirmed = {"password": PASSWORD, "pending": begun["pending"], "code": totp(begun["secret"])}
    post(chrome, "/v1/users/me/totp", confirmed)
    page.press("Log out")
    page.wait_for("login")
    assert not page.seen("code"), "the factor is asked for only when it is needed"
    page.type("name", "newcomer")
    page.type("password", PASSWORD)
    page.press("Log in")
    page.wait("login-notice", "second factor is required")
    assert chrome.switch_to.active_element.get_attribute("id") == "code"
    # each code counts once; the next one is taken as well
    chrome.switch_to.active_element.send_keys(totp(begun["secret"], time.time() + 30), ENTER)
    page.wait("user", "newcomer")
    page.wait("notices", "A second factor was set up for you, in your name")
    page.press("I have seen this")
    wait_until("what was done is told once", lambda: not page.seen("notices"))
    assert page.complaints() == []


def test_nothing_stays_in_the_browser(pair, chrome):
    page = logged_out(chrome, pair[0].url)
    page.login()
    page.wait_for("vault")
    page.show("core sw", "a look")
    page.press("Close")
    kept = chrome.execute_async_script(
        """const done = arguments[0];
        Promise.all([caches.keys(), indexedDB.databases()]).then(([c, d]) =>
            done([localStorage.length, sessionStorage.length, c.length, d.length, document.cookie, location.href]))"""
    )
    assert kept[:5] == [0, 0, 0, 0, ""] and kept[5].rstrip("/") == pair[0].url
