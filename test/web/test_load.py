# SPDX-License-Identifier: Apache-2.0
"""How the page comes: without a complaint of the browser, the second time from what it kept, and anew when its node is of another release."""
from page import Page, logged_out
from wait import wait_until

LOADED = """
    const at = (e) => [new URL(e.name).pathname, e.transferSize];
    return [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .map(at).filter(([path]) => !path.startsWith("/v1/"));
"""


def loaded(chrome):
    """{path: bytes that came over the wire}, of the page and its files."""
    return dict(chrome.execute_script(LOADED))


def test_a_page_loads_without_a_complaint(pair, chrome):
    a, b = pair
    page = logged_out(chrome, a.url)
    page.login()
    page.wait_for("vault")
    chrome.get_log("browser")
    page = Page(chrome, a.url)
    page.wait_for("vault")
    page.wait("status", "Alive")
    # that a standby's health is no 200 is how the page knows it for one
    said = [line["message"] for line in chrome.get_log("browser")]
    assert [m for m in said if not m.startswith(f"{b.url}/v1/sys/health ")] == []
    assert chrome.execute_script("return violations") == []


def test_a_second_visit_asks_for_the_page_alone(pair, trusting_chrome):
    a, _ = pair
    Page(trusting_chrome, a.url).wait_for("login")
    first = loaded(trusting_chrome)
    assert len(first) >= 3 and all(size > 0 for size in first.values()), first
    Page(trusting_chrome, a.url).wait_for("login")
    second = loaded(trusting_chrome)
    assert len(second) >= 3 and second.keys() <= first.keys(), second
    assert [path for path, size in second.items() if size > 0] == ["/"], second


def test_a_page_of_another_release_offers_to_load_anew(pair, chrome):
    """The page's file is made one that the node does not have; once the node was started anew, the page finds that out."""
    a, b = pair
    page = logged_out(chrome, a.url)
    page.login()
    page.wait_for("vault")
    page.type("query", "half typed")
    chrome.execute_script(
        "document.querySelector('link[rel=stylesheet]').href = '/assets/console-0123456789abcdef.css'"
    )
    assert not page.seen("newer")
    a.kill()
    page.wait("where", "does not answer")
    a.start(wait=False)
    page.wait("newer", "another release", timeout=30)
    assert page.element("query").get_attribute("value") == "half typed"
    page.press("Load it anew")
    wait_until("it is loaded anew", lambda: not page.seen("newer") and page.seen("vault"), also=page.all)
    for n in pair:
        n.wait_status(0)


def test_a_page_whose_script_does_not_come_says_so(pair, chrome):
    chrome.execute_cdp_cmd("Network.enable", {})
    chrome.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/assets/*.js"]})
    try:
        page = Page(chrome, pair[0].url)
        page.wait("unloaded", "has not loaded", "Load it anew")
    finally:
        chrome.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    chrome.find_element("css selector", "#unloaded a").click()
    page.wait_for("content")
    assert not page.seen("unloaded")
