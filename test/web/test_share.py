# SPDX-License-Identifier: Apache-2.0
"""Who sees what: shares of accounts and resources with users and teams, through what somebody may, and a resource that goes to another owner."""
import json

import pytest
from page import Page, logged_out
from pair import PASSWORD
from wait import wait_until


@pytest.fixture(scope="module")
def admin(pair):
    return pair[0].home.parent.parent / "admin.session"


@pytest.fixture(scope="module")
def people(pair, admin):
    """carol and dave, who can log in; carol is in the team ops, dave owns a resource."""
    a = pair[0]
    for name in ("carol", "dave"):
        token = json.loads(a.cli("user", "add", name, "--json", session=admin).stdout)["setup_token"]
        typed = f"{token}\n{PASSWORD}\n"
        session = admin.parent / f"{name}.session"
        a.cli("login", "--setup", "--ca", a.web_cert, a.url, name, session=session, input=typed)
    a.cli("put", "gate/root", session=admin.parent / "dave.session", input="s3cret-gate\n")
    a.cli("team", "add", "ops", session=admin)
    a.cli("member", "add", "ops", "carol", session=admin)


def as_user(chrome, node, name):
    page = logged_out(chrome, node.url)
    page.login(name=name)
    page.wait_for("vault")
    return page


def as_role(chrome, node, name):
    """Of a role that does not begin with the passwords."""
    page = logged_out(chrome, node.url)
    page.login(name=name)
    page.wait_for("logout")
    return page


def open_resource(page, name):
    page.find(name)
    page.press_label(f"Resource {name}")
    page.wait_for("resource")


def share(page, name, level):
    page.type("share-user", name)
    page.choose("#share-level", level)
    page.press("Share")


def why(page, name):
    page.type("why-user", name)
    page.press("Ask")


def may(page, name):
    """What the list of shares says that they may."""
    return page.d.find_element("css selector", f"[aria-label='What {name} may do']").get_property("value")


def found(page):
    return [r[0] for r in page.rows("accounts")]


def test_shares_and_through_what(pair, chrome, people):
    page = as_user(chrome, pair[0], "admin")
    open_resource(page, "core switch")
    page.wait("through", "as the owner of the resource")
    page.wait("resource", "Nobody yet. What is shared here is shared with all accounts")
    share(page, "ops", "modify")
    page.wait("shares", "ops (team)")
    why(page, "dave")
    page.wait("why-answer", "dave may see nothing of it")
    why(page, "nobody-here")
    page.wait("why-said", "no such")
    assert page.text("why-answer") == "", "what was said of another one is gone"
    page.press("Close")
    page.press("Details")
    page.wait("history", "current")
    share(page, "carol", "view")
    page.wait("shares", "carol")
    why(page, "carol")
    page.wait("why-answer", "carol may", "by a share of the resource with the team ops", "by a share of the account")
    first = page.text("why-answer").index("view and change: by a share of the resource")
    assert first < page.text("why-answer").index("view: by a share of the account"), "the one that counts comes first"
    page.press_label("Withdraw the share of carol")
    page.wait("share-said", "carol has it no more by this share")
    wait_until("it is shared with nobody", lambda: page.text("shares"), lambda said: said == "")
    page.element("to-resource").click()
    page.wait("shares", "ops (team)")
    assert not page.seen("details") and may(page, "ops") == "modify"
    page.choose("[aria-label='What ops may do']", "view")
    page.wait("share-said", "ops may now view")
    why(page, "carol")
    page.wait("why-answer", "view: by a share of the resource with the team ops")
    assert may(page, "ops") == "view"
    page.press("Close")
    assert page.complaints() == []


def test_a_share_may_end(pair, chrome, people):
    """On a day that is chosen; another level leaves the end as it is."""
    page = as_user(chrome, pair[0], "admin")
    page.find("core switch")
    page.press("Details")
    page.wait("history", "current")
    page.d.execute_script("document.getElementById('share-until').value = '2099-01-31'")
    share(page, "dave", "view")
    page.wait("share-said", "Shared with dave until 2099-01-31 23:59:59")
    page.wait("shares", "dave", "until 2099-01-31 23:59:59")
    page.choose("[aria-label='What dave may do']", "modify")
    page.wait("share-said", "dave may now view and change")
    page.wait("shares", "until 2099-01-31 23:59:59")
    page.press_label("Withdraw the share of dave")
    page.wait("share-said", "dave has it no more by this share")
    assert page.complaints() == []


def test_somebody_sees_through_what_they_may(pair, chrome, people):
    """Of themselves; who else may is told to whoever may share."""
    page = as_user(chrome, pair[0], "carol")
    wait_until("it is there", lambda: found(page), lambda rows: rows == ["core switch"])
    page.press("Details")
    page.wait("through", "view: by a share of the resource with the team ops")
    assert not page.seen("why") and not page.seen("share")
    page.element("to-resource").click()
    page.wait("through", "view: by a share of the resource with the team ops")
    assert not page.seen("why") and not page.seen("share") and not page.seen("offer")
    page.press("Close")
    assert page.complaints() == []


def marked(page):
    """What of the list is marked as not accepted."""
    return [r[0] for r in page.rows("accounts") if "not accepted" in r[0]]


def test_what_is_shared_waits_for_an_answer(pair, chrome, admin, people):
    """It is in the list, marked, and above it with Accept and Give up."""
    dave = admin.parent / "dave.session"
    pair[0].cli("put", "pump/root", session=admin, input="s3cret-pump\n")
    pair[0].cli("share", "pump/root", "dave", "modify", session=admin)
    page = as_user(chrome, pair[0], "dave")
    page.wait("offers", "pump / root", "shared by admin: view and change")
    wait_until("it is marked", lambda: marked(page), lambda rows: len(rows) == 1)
    assert pair[0].cli("get", "pump/root", session=dave, check=False).returncode == 1
    page.press("Accept")
    page.wait("offers-said", "pump / root is found by its name now")
    wait_until("it is not marked", lambda: marked(page), lambda rows: rows == [])
    assert pair[0].cli("get", "pump/root", session=dave).stdout == "s3cret-pump\n"
    pair[0].cli("unshare", "pump/root", "dave", session=admin)
    pair[0].cli("share", "pump/root", "dave", session=admin)
    page = as_user(chrome, pair[0], "dave")
    page.wait("offers", "pump / root", "shared by admin: view")
    page.press("Give up")
    page.wait("offers-said", "pump / root is no longer shared with you")
    wait_until("it is gone", lambda: found(page), lambda rows: rows == ["gate"])
    assert page.complaints() == []
    pair[0].cli("rm", "--yes", "--resource", "pump", session=admin)


@pytest.fixture
def offered(pair, chrome, people):
    """The page of admin, whose resource is offered to dave."""
    page = as_user(chrome, pair[0], "admin")
    open_resource(page, "core switch")
    page.wait_for("offer")
    page.type("offer-user", "dave")
    page.press("Offer")
    page.wait("offered", "Offered to dave")
    return page


def offers_to(chrome, node, name, by):
    page = as_user(chrome, node, name)
    return page.wait("offers", "core switch", f"by {by}") and page


def test_an_offer_is_taken_back(pair, chrome, offered):
    offered.press("Take the offer back")
    offered.wait("offer-said", "not offered to anybody")
    assert not offered.seen("offered") and offered.seen("offer")
    offered.type("offer-user", "nobody-here")
    offered.press("Offer")
    offered.wait("offer-said", "no such user")
    assert offered.element("offer-user").get_attribute("value") == "nobody-here", "what was typed is kept"
    offered.press("Close")
    page = as_user(chrome, pair[0], "dave")
    wait_until("their own is there", lambda: found(page), lambda rows: rows == ["gate"])
    assert not page.seen("offers") and page.complaints() == []


def test_an_offer_is_refused(pair, chrome, offered):
    page = offers_to(chrome, pair[0], "dave", by="admin")
    assert "1 waits for your answer" in page.d.find_element("css selector", "nav .mark").get_attribute("title")
    page.press("Refuse")
    page.wait("offers-said", "core switch stays with admin")
    assert not page.d.find_elements("css selector", "nav .mark") and found(page) == ["gate"]
    assert page.complaints() == []


def test_an_offer_is_accepted_by_keyboard(pair, chrome, offered):
    page = offers_to(chrome, pair[0], "dave", by="admin")
    accept = page.d.find_element("css selector", "[aria-label='Accept core switch']")
    page.element("query").click()
    for _ in range(10):
        page.d.switch_to.active_element.send_keys("\ue004")
        if page.d.switch_to.active_element == accept:
            break
    page.d.switch_to.active_element.send_keys("\ue007")
    page.wait("offers-said", "core switch is yours now")
    wait_until("it is in their list", lambda: found(page), lambda rows: rows == ["core switch", "gate"])
    open_resource(page, "core switch")
    page.wait("through", "as the owner")
    page.type("offer-user", "admin")
    page.press("Offer")
    page.wait("offered", "Offered to admin")
    page.press("Close")
    page = offers_to(chrome, pair[0], "admin", by="dave")
    pair[0].cli("offer", "--withdraw", "core switch", session=pair[0].home.parent.parent / "dave.session")
    page.press("Accept")
    page.wait("offers-said", "not")
    assert "core switch" not in page.text("offers"), "what was taken back meanwhile is not shown"
    assert page.complaints() == []


def test_what_is_offered_meanwhile_is_seen(pair, chrome, people):
    page = as_user(chrome, pair[0], "admin")
    assert not page.seen("offers")
    pair[0].cli("offer", "gate", "admin", session=pair[0].home.parent.parent / "dave.session")
    page.wait("offers", "gate", "by dave")
    Page(chrome, pair[0].url).wait("offers", "gate")


def test_an_auditor_has_the_log_alone(pair, chrome, people, admin):
    """What a role does not allow is neither on the page nor asked for."""
    a = pair[0]
    a.cli("user", "role", "dave", "auditor", session=admin)
    try:
        page = as_role(chrome, a, "dave")
        shown = page.text("content") + page.d.find_element("tag name", "nav").text
        assert "Audit" in shown and not any(w in shown for w in ("Passwords", "Bin", "Teams", "Users")), shown
        wait_until("the log is there", lambda: page.text("content"), lambda said: "dave" in said)
        assert page.complaints() == []
        refused = a.cli("audit", "list", "--user", "dave", "--kind", "forbidden", session=admin).stdout
        assert "dave" not in refused, refused
    finally:
        a.cli("user", "role", "dave", "user", session=admin)
