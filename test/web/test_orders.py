# SPDX-License-Identifier: Apache-2.0
"""Orders of the pair on the page: what may be ordered and why not, by the keyboard alone, refused without losing what was typed, and
followed to the end; and the call at night: the primary is gone, and its secondary is promoted from its own page."""
import pytest
from page import logged_out
from pair import PASSWORD
from selenium.webdriver.common.keys import Keys
from wait import wait_until

FOCUS = "return document.activeElement?.id ?? ''"


def focus_is(chrome, name):
    wait_until(f"#{name} has the focus", lambda: chrome.execute_script(FOCUS), lambda at: at == name)


def type_at_focus(chrome, *keys):
    chrome.switch_to.active_element.send_keys(*keys)


def by_keyboard(chrome, page, button):
    """Opens the dialog of an order as whoever has no mouse does."""
    wait_until(f"#{button} may be pressed", lambda: page.seen(button) and page.element(button).is_enabled())
    chrome.execute_script("document.getElementById(arguments[0]).focus()", button)
    type_at_focus(chrome, Keys.ENTER)
    page.wait_for("order-dialog")
    focus_is(chrome, "order-password")


def at_high_availability(chrome, node):
    page = logged_out(chrome, node.url)
    page.login()
    page.go("ha")
    page.wait_for("order-switchover")
    return page


@pytest.mark.h9
def test_what_is_not_possible_says_why(known, chrome):
    a, b = known
    page = at_high_availability(chrome, a)
    page.wait("status", "Alive")
    wait_until("the hand-over is possible", lambda: page.element("order-switchover").is_enabled())
    assert not page.element("order-promote").is_enabled() and "is the primary already" in page.text("order-promote-why")
    assert not page.element("order-remove").is_enabled() and "stop it there first" in page.text("order-remove-why")
    why = page.element("order-promote").get_attribute("aria-describedby")
    assert why == "order-promote-why"


@pytest.mark.h10
def test_a_hand_over_by_the_keyboard(known, chrome):
    """A wrong password is refused, and nothing else that was typed is lost; the right one is followed until it is done."""
    a, b = known
    page = at_high_availability(chrome, a)
    by_keyboard(chrome, page, "order-switchover")
    assert page.element("order-target").get_property("value") == b.name
    type_at_focus(chrome, "not the password", Keys.TAB)
    focus_is(chrome, "order-code")
    type_at_focus(chrome, "123456", Keys.ENTER)
    page.wait("order-said", "password is wrong")
    assert page.element("order-password").get_property("value") == "not the password"
    assert page.element("order-code").get_property("value") == "123456"
    page.type("order-code", "")
    page.type("order-password", PASSWORD + Keys.ENTER)
    page.wait("order-outcome", "It is done: this node is a secondary now")
    focus_is(chrome, "order-outcome")
    page.wait("order-after", "the new primary")
    b.wait_state("synced")
    type_at_focus(chrome, Keys.ESCAPE)
    wait_until("the dialog is closed", lambda: not page.seen("order-dialog"))
    page.wait("notice", "the primary", b.url)
    assert page.complaints() == []
    # And back, from the other node's page.
    for n in known:
        n.wait_status(0)
    page = at_high_availability(chrome, b)
    by_keyboard(chrome, page, "order-switchover")
    type_at_focus(chrome, PASSWORD, Keys.ENTER)
    page.wait("order-outcome", "It is done")
    a.wait_state("synced")
    for n in known:
        n.wait_status(0)


@pytest.mark.h5
def test_the_secondary_is_promoted_from_its_page(known, chrome):
    """The primary is gone. What is known stands in the dialog, which asks what the command line asks; the session goes on."""
    a, b = known
    a.kill()
    b.wait_state("emergency")
    page = at_high_availability(chrome, b)
    by_keyboard(chrome, page, "order-promote")
    page.wait("order-known", "everything is here as of", a.name)
    type_at_focus(chrome, PASSWORD, Keys.ENTER)
    assert not page.seen("order-outcome") and b.state() == "emergency"  # the question was not answered
    page.element("order-sure").send_keys(Keys.SPACE)
    page.element("order-password").send_keys(Keys.ENTER)
    page.wait("order-outcome", "It is done: this node is the primary now")
    page.wait("order-after", "logged in here as before")
    b.wait_state("alone")
    page.press("Close")
    page.wait("where", "the primary")
    page.wait("user", "admin")
    a.start(wait=False)
    for n in known:
        n.wait_status(0)
