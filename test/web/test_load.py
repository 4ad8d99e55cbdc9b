# SPDX-License-Identifier: Apache-2.0
"""How the page comes: without a complaint of the browser, and the second time from what it kept."""
from page import Page, logged_out

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
