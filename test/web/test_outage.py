# SPDX-License-Identifier: Apache-2.0
"""Outage first: the primary goes silent under an open page, which says where to go on; the other node's page; and the way home."""
import signal

import pytest
from page import logged_out
from pair import PASSWORD
from wait import wait_until

BANNER_MS = 2000

# When the banner said first that this node is silent, by the browser's clock.
WATCH = """
    window.saidAt = 0;
    new MutationObserver(() => {
        if (!window.saidAt && document.getElementById("notice").textContent.includes("has not answered since")) window.saidAt = Date.now();
    }).observe(document.getElementById("notice"), {childList: true, subtree: true, characterData: true});
    return Date.now();
"""


@pytest.fixture
def back(pair):
    """Whatever the test did to the primary: it is back at the end."""
    a, _ = pair
    yield
    if a.supervisor():
        a.signal("all", signal.SIGCONT)
    else:
        a.start(wait=False)
    for n in pair:
        n.wait_status(0)


@pytest.mark.h4
@pytest.mark.h9
@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_the_banner_comes_within_two_seconds(known, back, chrome, fault):
    a, b = known
    page = logged_out(chrome, a.url)
    page.login()
    page.wait("status", "Alive")
    page.wait_for("vault")
    page.type("query", "half typed")
    begun = chrome.execute_script(WATCH)
    a.kill() if fault == "killed" else a.signal("all", signal.SIGSTOP)
    page.wait("notice", a.name, "has not answered since", b.name)
    took = chrome.execute_script("return window.saidAt") - begun
    print(f"\nbanner after {fault}: {took} ms")
    assert took <= BANNER_MS
    page.wait("status", "not known now")
    assert page.kinds("status") == [] and "old" in page.kinds("strip")
    assert page.element("query").get_attribute("value") == "half typed"
    page.wait("notice", f"Open emergency access on {b.name}")
    assert page.link("notice") == f"{b.url}/#login=admin"
    assert page.complaints() == []


@pytest.mark.h5
def test_one_click_to_emergency_access_and_the_way_home(known, back, chrome):
    a, b = known
    page = logged_out(chrome, a.url)
    page.login()
    page.wait_for("vault")
    first = chrome.current_window_handle
    a.kill()
    page.wait("notice", f"Open emergency access on {b.name}")
    chrome.find_element("link text", f"Open emergency access on {b.name}").click()
    wait_until("it opens beside", lambda: len(chrome.window_handles) == 2)
    chrome.switch_to.window(next(w for w in chrome.window_handles if w != first))
    try:
        page.wait("notice", "This is emergency access", "as of", "not possible")
        page.wait_for("login")
        assert chrome.current_url.rstrip("/") == b.url, "the name stays in the address"
        assert page.element("name").get_attribute("value") == "admin"
        assert chrome.switch_to.active_element.get_attribute("id") == "password"
        chrome.switch_to.active_element.send_keys(PASSWORD + "\n")
        page.wait("user", "admin")
        page.wait("where", "emergency access")
        page.wait("status", "Failed")
        page.wait_for("vault")
        assert page.element("add").get_attribute("disabled") and "at the primary only" in page.text("add-not")
        assert "s3cret-switch" in page.show("core sw", "one click")
        page.press("Close")
        a.start(wait=False)
        page.wait("notice", "The primary is back")
        assert page.link("notice") == f"{a.url}/#login=admin"
        assert not page.seen("vault")
        assert page.complaints() == []
    finally:
        chrome.close()
        chrome.switch_to.window(first)
    page.wait("where", "the primary")
    page.wait("status", "Alive")
    wait_until("the banner is gone", lambda: not page.seen("notice"), also=page.all)


def test_a_half_typed_log_in_is_kept(known, back, chrome):
    a, b = known
    page = logged_out(chrome, a.url)
    page.wait_for("login")
    page.type("name", "eve")
    page.type("password", "half a pass")
    a.kill()
    page.wait("notice", "has not answered since", f"Open emergency access on {b.name}")
    assert page.link("notice") == f"{b.url}/#login=eve"
    page.press("Log in")
    page.wait("login-notice", "did not answer")
    assert page.element("password").get_attribute("value") == "half a pass"


ASKED = """
    const [ms, done] = arguments, begun = performance.now();
    const asked = () => performance.getEntriesByType("resource").filter((e) => e.name === location.origin + "/v1/sys/health" && e.startTime > begun);
    setTimeout(() => done(asked().length), ms)
"""
HIDE = "Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true}); document.dispatchEvent(new Event('visibilitychange'))"


@pytest.mark.h9
def test_a_page_behind_another_tab_asks_less(known, back, chrome):
    """And knows it soon when somebody comes back to it."""
    a, b = known
    page = logged_out(chrome, a.url)
    page.wait("status", "Alive")
    seen = chrome.execute_async_script(ASKED, 6000)
    chrome.execute_script(HIDE, True)
    hidden = chrome.execute_async_script(ASKED, 6000)
    assert 3 <= seen <= 9 and hidden <= 2, (seen, hidden)
    a.kill()
    begun = chrome.execute_script(WATCH)
    chrome.execute_script(HIDE, False)
    page.wait("notice", a.name, "has not answered since")
    took = chrome.execute_script("return window.saidAt") - begun
    assert took <= BANNER_MS


@pytest.mark.h5
def test_it_says_since_when_the_emergency_lasts(known, back, chrome):
    """As the node knows it, whenever the page was opened."""
    a, b = known
    a.kill()
    page = logged_out(chrome, b.url)
    begun = chrome.execute_script("return Date.now()")
    first = page.wait("notice", "It has lasted since", "as of").split("lasted since ")[1][:19]
    wait_until(
        "the clock has moved on", lambda: chrome.execute_script("return Date.now()"), lambda now: now > begun + 2000
    )
    chrome.refresh()
    assert page.wait("notice", "It has lasted since").split("lasted since ")[1][:19] == first
    told = chrome.execute_script("return Date.parse(arguments[0])", b.health()[1]["state_since"])
    assert chrome.execute_script("return Math.floor(new Date(arguments[0]).getTime() / 1000)", first) == told // 1000


@pytest.mark.h5
def test_what_emergency_refuses_is_disabled_with_the_reason(known, back, chrome):
    a, b = known
    a.kill()
    page = logged_out(chrome, b.url)
    page.wait("where", "emergency access")
    page.wait_for("login")
    page.press("First log-in? Use a set-up token")
    page.wait("setup-not", "only the primary")
    assert chrome.find_element("css selector", "#setup button").get_attribute("disabled")
