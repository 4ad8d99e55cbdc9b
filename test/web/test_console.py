# SPDX-License-Identifier: Apache-2.0
"""The console in a real browser, through a pair's life: in step, the secondary gone, the primary gone."""
import http.client
import signal
import ssl

import pytest
from page import logged_out
from wait import wait_until


def test_headers_let_nothing_in(pair):
    a, _ = pair
    c = http.client.HTTPSConnection(a.address, a.port, context=ssl._create_unverified_context())
    c.request("GET", "/")
    r = c.getresponse()
    r.read()
    policy = r.headers["Content-Security-Policy"]
    assert r.status == 200 and r.headers["Content-Type"].startswith("text/html")
    assert (
        "default-src 'none'" in policy
        and "script-src 'self'" in policy
        and "frame-ancestors 'none'" in policy
        and "unsafe" not in policy
    )
    assert r.headers["X-Content-Type-Options"] == "nosniff" and r.headers["Cache-Control"] == "no-store"
    for path in ("/assets/", "/assets/../console.js", "/index.html", "/assets/console.map"):
        c.request("GET", path)
        r = c.getresponse()
        r.read()
        assert r.status in (400, 404), path
    c.close()


@pytest.mark.h9
def test_status_and_a_password(pair, chrome):
    a, b = pair
    page = logged_out(chrome, a.url)
    page.login("not the password")
    page.wait("login-notice", "The name, the password or the second factor is wrong.")
    assert not page.seen("nodes") and not page.seen("vault")
    page.login()
    page.wait("status", "Alive")
    page.wait("where", "the primary")
    page.go("ha")
    wait_until(
        "the page says what each node is",
        lambda: {r[0]: r[2:6] for r in page.rows("nodes")},
        lambda nodes: nodes
        == {
            a.name: ["primary", "synced", "Active", "Active"],
            b.name: ["secondary", "standby", "Active", "Active"],
        },
        also=page.all,
    )
    page.go("passwords")
    assert page.find("no such thing") == [] and "Nothing" in page.text("found")
    assert "s3cret-switch" in page.show("core sw", "the switch is down")
    assert ["1"] == [
        r[0]
        for r in a.sql(
            "SELECT count(*) FROM event WHERE kind = :RETRIEVED AND body::json->>'reason' = 'the switch is down'"
        )
    ]
    page.press("Close")
    assert page.text("fields") == ""
    assert page.complaints() == []


def test_names_and_secrets_are_text(pair, chrome):
    page = logged_out(chrome, pair[0].url)
    page.login()
    page.wait_for("vault")
    assert page.find("onerror")[0][0] == "<img src=x onerror=alert(1)>"
    page.press("Close") if page.seen("secret") else None
    assert "<b>s3cret</b>" in page.show("onerror", "markup")
    page.press("Close")
    assert chrome.find_elements("css selector", "main img, dialog b") == [] and page.complaints() == []


def test_what_is_not_shown_is_said(pair, chrome):
    a = pair[0]
    a.sql(
        """INSERT INTO resource (id, name, owner, created_at)
            SELECT gen_random_uuid(), 'crowd ' || i, p.id, now() FROM principal p, generate_series(10, 60) i WHERE p.name = 'admin';
        INSERT INTO account (id, resource, login, created_at)
            SELECT gen_random_uuid(), r.id, 'login' || i, now() FROM resource r, generate_series(1, 201) i
            WHERE r.name LIKE 'crowd %' AND (i = 1 OR r.name = 'crowd 10')"""
    )
    page = logged_out(chrome, a.url)
    page.login()
    page.wait_for("vault")
    assert (
        len(page.find("crowd 10")) == 200
        and page.text("found") == "“crowd 10” has more than 200 accounts: `holdfast find` shows all of them."
    )
    assert len(page.find("crowd 11")) == 1 and page.text("found") == ""
    assert len(page.find("crowd")) == 200 + 49 and page.text("found").startswith(
        "The first 50 resources; say more of the name. “crowd 10” has more"
    )
    assert page.complaints() == []


def test_log_out_ends_it(pair, chrome):
    page = logged_out(chrome, pair[0].url)
    page.login()
    page.wait_for("vault")
    page.press("Log out")
    page.wait_for("login")
    assert not page.seen("vault")
    chrome.refresh()
    page.wait_for("login")


@pytest.mark.h1
def test_a_standby_says_where_the_primary_is(pair, chrome):
    a, b = pair
    page = logged_out(chrome, b.url)
    page.wait("where", "stands by")
    page.wait("notice", "the primary", a.url)
    assert page.link("notice").rstrip("/") == a.url


@pytest.mark.h1
@pytest.mark.h9
def test_a_standby_shows_the_pair(pair, chrome):
    """To anyone the one word; to an administrator who logs in there the whole; passwords stay at the primary."""
    a, b = pair
    page = logged_out(chrome, b.url)
    page.wait("status", "Alive")
    assert page.rows("nodes") == [] and not page.seen("vault")
    page.login("not the password")
    page.wait("login-notice", "The name, the password or the second factor is wrong.")
    page.login()
    page.wait("nodes", a.name, b.name)
    page.wait("status", "Alive")
    assert not page.seen("vault")
    assert (
        page.d.execute_script("return fetch('/v1/resources', {redirect: 'manual'}).then((r) => r.type)")
        == "opaqueredirect"
    )
    page.press("Log out")
    page.wait_for("login")
    page.wait("status", "Alive")
    assert page.rows("nodes") == []
    assert page.complaints() == []


@pytest.mark.h9
def test_a_lost_secondary_is_failed_and_why(pair, chrome):
    a, b = pair
    page = logged_out(chrome, a.url)
    page.login()
    page.wait("status", "Alive")
    b.kill()
    page.wait("status", "Failed")
    page.go("ha")
    page.wait("reasons", b.name, "What to do:")
    b.start(wait=False)
    page.wait("status", "Alive")
    wait_until("no reason is left", lambda: page.text("reasons"), lambda said: said == "", also=page.all)


@pytest.mark.h9
@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_an_open_page_never_shows_an_old_alive(pair, chrome, fault):
    """The node is gone, or takes connections and answers nothing: figures turn grey, and the page sends people to the other node."""
    a, b = pair
    page = logged_out(chrome, a.url)
    page.login()
    page.wait("status", "Alive")
    page.wait("age", "As of", "now")
    page.go("ha")
    page.wait_for("pair")
    try:
        a.kill() if fault == "killed" else a.signal("all", signal.SIGSTOP)
        page.wait("where", "does not answer")
        assert "Alive" not in page.text("status") and "not confirmed since" in page.text("age")
        assert "old" in page.kinds("pair") and "old" in page.kinds("strip") and page.kinds("status") == []
        page.wait("notice", "has not answered since", b.name)
        assert page.link("notice") == f"{b.url}/#login=admin"
    finally:
        a.start(wait=False) if fault == "killed" else a.signal("all", signal.SIGCONT)
    page.wait("where", "the primary")
    page.wait("status", "Alive")
    wait_until(
        "the figures are not grey",
        lambda: page.kinds("pair") + page.kinds("strip"),
        lambda words: "old" not in words,
    )
    for n in pair:
        n.wait_status(0)


@pytest.mark.h9
def test_a_silent_agent_is_not_believed(pair, chrome):
    """What the agent wrote before it froze is not shown as the present, by the page or by the address behind it."""
    a, _ = pair
    page = logged_out(chrome, a.url)
    page.login()
    page.wait("status", "Alive")
    try:
        a.signal("agent", signal.SIGSTOP)
        page.wait("status", "Failed")
        page.go("ha")
        page.wait("reasons", "agent", "What to do:")
    finally:
        a.signal("agent", signal.SIGCONT)
    page.wait("status", "Alive")
    for n in pair:
        n.wait_status(0)


@pytest.mark.h5
@pytest.mark.h9
def test_emergency_access(pair, chrome):
    """The primary is gone: the page of the secondary gives the password, and says what this is."""
    a, b = pair
    a.kill()
    page = logged_out(chrome, b.url)
    page.wait("where", "emergency access")
    page.wait("notice", "emergency access", "as of")
    page.login()
    page.wait("status", "Failed")
    page.go("ha")
    page.wait("reasons", a.name, "What to do:")
    page.go("passwords")
    assert "s3cret-switch" in page.show("core sw", "the primary is gone")
    page.wait("secret-notice", "As of")
    page.press("Close")
    a.start(wait=False)
    page.wait("where", "stands by")
    for n in pair:
        n.wait_status(0)
    assert ["1"] == [
        r[0]
        for r in a.sql(
            "SELECT count(*) FROM event WHERE kind = :RETRIEVED AND body::json->>'reason' = 'the primary is gone'"
        )
    ]
