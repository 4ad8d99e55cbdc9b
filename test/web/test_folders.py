# SPDX-License-Identifier: Apache-2.0
"""Folders in the console: made, walked through, moved, shared, removed; and what of it an outage leaves."""
import json

import pytest
from page import logged_out
from pair import PASSWORD
from wait import wait_until

DOWN, ENTER, TAB = "\ue015", "\ue007", "\ue004"
MANY = 120

MAKE = """
    const [bodies, done] = arguments;
    const make = (b) => fetch("/v1/folders", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(b)});
    bodies.reduce((before, b) => before.then((ids) => make(b).then((r) => r.json()).then((f) => [...ids, f.id])), Promise.resolve([])).then(done)
"""


@pytest.fixture(scope="module")
def admin(pair):
    return pair[0].home.parent.parent / "admin.session"


@pytest.fixture(scope="module")
def people(pair, admin):
    """carol, who can log in and is in the team ops, and dave."""
    a = pair[0]
    token = json.loads(a.cli("user", "add", "carol", "--json", session=admin).stdout)["setup_token"]
    typed = f"{token}\n{PASSWORD}\n"
    session = admin.parent / "carol.session"
    a.cli("login", "--setup", "--ca", a.web_cert, a.url, "carol", session=session, input=typed)
    a.cli("user", "add", "dave", session=admin)
    a.cli("team", "add", "ops", session=admin)
    a.cli("member", "add", "ops", "carol", session=admin)


def as_user(chrome, node, name):
    page = logged_out(chrome, node.url)
    page.login(name=name)
    page.wait_for("vault")
    return page


@pytest.fixture
def page(pair, chrome, people):
    p = as_user(chrome, pair[0], "admin")
    chrome.set_script_timeout(300)
    p.go("folders")
    p.wait_for("folders")
    return p


def make(page, name):
    """In the folder that is shown, which it is then itself."""
    page.element("add-folder").click()
    page.wait_for("new-folder-form")
    page.type("new-folder-name", name)
    page.press("Store")
    page.wait("crumbs", name)


def put(page, name):
    """A resource with an account, in the folder that is shown."""
    page.wait_for("add-inside").click()
    page.wait_for("new-form")
    page.type("new-resource", name)
    page.type("new-login", "root")
    page.type("new-password", "s3cret")
    page.press("Store")
    wait_until("it is in the list", lambda: names(page, "inside"), lambda rows: name in rows)


def names(page, table):
    return [r[0] for r in page.rows(table)]


def crumb(page, name):
    """Waits until the page is there, too."""
    page.d.find_element("id", "crumbs").find_element("link text", name).click()
    wait_until(
        f"{name} is shown",
        lambda: page.d.execute_script("return document.querySelector('#crumbs [aria-current]')?.innerText"),
        lambda last: last == name,
        also=page.all,
    )


def what_is_seen(page):
    page.element("user").click()
    page.wait_for("to-seen").click()
    page.wait_for("seen-through")
    return wait_until(
        "it is told",
        lambda: page.text("seen"),
        lambda said: "as the owner" in said or "nothing that you see" in said or "by a share" in said,
    )


def look(page, path):
    page.type("move-to", path)
    page.press("See who gains and loses")


def test_a_folder_and_what_stands_in_it(page):
    page.wait("no-folders", "There is no folder that you see")
    make(page, "network")
    page.wait("no-folders", "No other folders are in it")
    make(page, "switches")
    assert page.text("crumbs").split("\n") == ["All folders", "network", "switches"]
    put(page, "core")
    assert names(page, "inside") == ["core"], "the page of one folder says nothing of paths"
    page.press_label("Resource core")
    page.wait("resource", "Folder", "network/switches")
    page.press("Close")
    page.go("passwords")
    page.find("core")
    assert names(page, "accounts") == ["core in network/switches", "core switch"], "where it stands tells names apart"
    for reference in ("network/switches/core/root", "switches/core"):
        assert [r[:2] for r in page.find(reference)] == [["core in network/switches", "root"]], reference
    assert page.find("network/core") == []
    page.find("core")
    page.press_label("Resource network/switches/core")
    page.wait_for("to-folder").click()
    page.wait("crumbs", "network", "switches")
    assert not page.seen("resource")
    wait_until("what is in it is shown", lambda: names(page, "inside"), lambda rows: rows == ["core"])
    page.d.refresh()
    page.wait("crumbs", "network", "switches"), "the way is known to whoever comes by the address"
    page.element("manage-folder").click()
    page.wait("folder", "network/switches", "as the owner of the folder")
    page.type("rename-name", "access switches")
    page.press("Store")
    page.wait("rename-said", "It is stored")
    page.wait("crumbs", "access switches")
    page.type("rename-name", "a/b")
    page.press("Store")
    page.wait("rename-said", "no slash")
    page.press("Remove")
    page.element("remove-folder-yes").click()
    page.wait("folder-said", "not empty", "1 resources")
    page.press("Close")
    crumb(page, "network")
    make(page, "empty")
    page.element("manage-folder").click()
    page.wait_for("remove-folder").click()
    page.element("remove-folder-yes").click()
    wait_until("what is left is shown", lambda: names(page, "folder-list"), lambda rows: rows == ["access switches"])
    page.wait("crumbs", "network")
    assert page.complaints() == []


def test_moving_says_first_who_gains_and_who_loses(page, pair, admin):
    a = pair[0]
    for path in ("plant", "plant/hall", "store"):
        a.cli("folder", "add", path, session=admin)
    a.cli("put", "press/root", "--folder", "plant/hall", session=admin, input="s3cret-press\n")
    a.cli("share", "--folder", "plant", "ops", "modify", session=admin)
    page.go("passwords")
    page.go("folders")
    page.wait("folder-list", "store")
    page.press_label("Manage folder store")
    page.wait_for("share")
    page.type("share-user", "dave")
    page.press("Share")
    page.wait("shares", "dave")
    page.type("why-user", "dave")
    page.press("Ask")
    page.wait("why-answer", "dave may", "view: by a share of the folder")
    page.press("Close")
    page.d.find_element("link text", "plant").click()
    page.wait("folder-list", "hall")
    page.press_label("Manage folder hall")
    page.wait_for("move")
    look(page, "nowhere")
    page.wait("move-said", "No folder that you see reads “nowhere”")
    look(page, "plant/hall")
    page.wait("effect", "Move it into plant/hall")
    page.press("Move it into plant/hall")
    page.wait("move-said", "in itself")
    look(page, "store")
    page.wait("effect", "This is what moving it to store changes")
    assert page.rows("effect-rows") == [["carol", "view and change", "nothing"], ["dave", "nothing", "view"]]
    assert a.sql(
        "SELECT name FROM folder WHERE parent IS NOT NULL AND name = 'hall' AND path[1] IN "
        "(SELECT id FROM folder WHERE name = 'plant')"
    ) == [["hall"]], "a look moves nothing"
    page.type("move-to", "sto")
    wait_until("it is the effect of something else", lambda: not page.seen("effect-rows"))
    look(page, "store")
    page.wait("effect", "Move it into store")
    page.press("Move it into store")
    page.wait("move-said", "It stands in store now")
    page.wait("folder", "store/hall")
    page.press("Close")
    page.wait("no-folders", "No other folders are in it")
    page.go("passwords")
    page.find("press")
    page.press_label("Resource store/hall/press")
    page.wait_for("move")
    page.wait("through", "as the owner of the resource", "as the owner of the folder store/hall")
    look(page, "/")
    page.wait("effect", "This is what moving it to / changes")
    assert page.rows("effect-rows") == [["dave", "view", "nothing"]]
    page.press("Move it to the top")
    page.wait("move-said", "at the top now")
    wait_until("it says no folder", lambda: not page.seen("to-folder"))
    look(page, "store")
    page.wait_for("move-do").click()
    page.wait("resource", "Folder", "store")
    page.press("Close")
    assert page.complaints() == []


def test_many_are_asked_for_page_by_page(page):
    [top] = page.d.execute_async_script(MAKE, [{"name": "many"}])
    page.d.execute_async_script(MAKE, [{"name": f"part {n:03}", "parent": top} for n in range(MANY)])
    page.d.execute_script("performance.clearResourceTimings(); location.hash = `folders/${arguments[0]}`", top)
    wait_until("the first are there", lambda: names(page, "folder-list"), lambda rows: rows[:1] == ["part 000"])
    assert len(page.rows("folder-list")) == 50
    for there in (100, MANY):
        page.element("more-folders").click()
        wait_until("more of them", lambda: page.rows("folder-list"), lambda rows, n=there: len(rows) == n)
    assert not page.seen("more-folders")
    asked = page.d.execute_script(
        "return performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.includes('/v1/folders'))"
    )
    assert len(asked) == 4, f"three pages and the folder itself: {asked}"
    page.type("folder-query", "part 11")
    wait_until(
        "they are found from anywhere, with their paths",
        lambda: names(page, "folder-list"),
        lambda rows: rows == [f"many/part {n}" for n in range(110, 120)],
    )
    page.d.find_element("link text", "many/part 117").click()
    page.wait("crumbs", "many", "part 117")
    assert page.element("folder-query").get_attribute("value") == ""
    page.type("folder-query", "no such thing")
    page.wait("no-folders", "No folder of that name is shared with you")
    assert page.complaints() == []


def test_by_keyboard_alone(page, pair, admin):
    pair[0].cli("folder", "add", "keys", session=admin)
    pair[0].cli("put", "typewriter/root", "--folder", "keys", session=admin, input="s3cret\n")
    press = lambda *keys: page.d.switch_to.active_element.send_keys(*keys)  # noqa: E731
    page.d.find_element("tag name", "body").send_keys("/")
    wait_until(
        "the focus is in the search",
        lambda: page.d.switch_to.active_element.get_attribute("id"),
        lambda at: at == "folder-query",
    )
    press("keys", ENTER)
    wait_until("it is found", lambda: names(page, "folder-list"), lambda rows: rows == ["keys"])
    link = page.d.find_element("css selector", "#folder-list a")
    for _ in range(10):
        press(TAB)
        if page.d.switch_to.active_element == link:
            break
    press(ENTER)
    wait_until("what is in it is shown", lambda: names(page, "inside"), lambda rows: rows == ["typewriter"])
    wait_until("the focus goes on, too", lambda: page.d.switch_to.active_element.text, lambda at: at == "keys")
    press("/")
    press(DOWN)
    wait_until("a row has the focus", lambda: page.d.switch_to.active_element.tag_name, lambda at: at == "tr")
    press("r")
    page.wait("resource", "keys")
    page.press("Close")
    assert page.complaints() == []


def test_somebody_sees_of_it_what_is_shared(pair, chrome, page, admin):
    pair[0].cli("folder", "add", "deep", session=admin)
    pair[0].cli("folder", "add", "deep/inner", session=admin)
    pair[0].cli("put", "pump/root", "--folder", "deep/inner", session=admin, input="s3cret\n")
    pair[0].cli("share", "--folder", "deep/inner", "ops", session=admin)
    page = as_user(chrome, pair[0], "carol")
    page.go("folders")
    wait_until(
        "as much as is shared", lambda: names(page, "folder-list"), lambda rows: "inner" in rows and "deep" not in rows
    )
    page.d.find_element("link text", "inner").click()
    wait_until("what is in it", lambda: names(page, "inside"), lambda rows: rows == ["pump"])
    assert not page.seen("add-folder") and not page.seen("add-inside")
    page.element("manage-folder").click()
    page.wait("through", "view: by a share of the folder with the team ops")
    for part in ("rename", "move", "share", "why", "remove-folder"):
        assert not page.seen(part), part
    page.press("Close")
    page.press_label("Resource pump")
    page.wait("through", "view: by a share of the folder inner with the team ops")
    assert not page.seen("move")
    page.press("Close")
    assert page.complaints() == []


def test_what_somebody_may_see_and_through_what(pair, chrome, page, admin):
    pair[0].cli("folder", "add", "harbour", session=admin)
    pair[0].cli("put", "crane/root", "--folder", "harbour", session=admin, input="s3cret\n")
    pair[0].cli("share", "--folder", "harbour", "ops", "modify", session=admin)
    pair[0].cli("share", "core switch/admin", "carol", session=admin)
    pair[0].cli("put", "lunch/box", session=admin.parent / "carol.session", input="s3cret\n")
    page = as_user(chrome, pair[0], "carol")
    page.element("user").click()
    page.wait_for("to-seen").click()
    page.wait("seen-list", "harbour/crane", "view and change: by a share of the folder harbour with the team ops")

    def shown():
        return {r[0]: (r[1], r[2].split("\n")[0]) for r in page.rows("seen-list")}

    assert (
        shown()["core switch / admin"][0] == "account"
        and "by a share of the account" in shown()["core switch / admin"][1]
    )
    assert shown()["lunch"] == ("resource", "do everything: as the owner of the resource")
    page.choose("#seen-through", "own")
    wait_until("their own are left", lambda: set(shown()), lambda names: names == {"lunch"})
    page.choose("#seen-through", "team")
    wait_until(
        "what the team has", lambda: set(shown()), lambda names: "harbour" in names and "harbour/crane" not in names
    )
    page.d.find_element("link text", "harbour").click()
    wait_until("what is in it", lambda: names(page, "inside"), lambda rows: rows == ["crane"])
    page.d.back()
    page.wait_for("seen-list")
    page.choose("#seen-through", "folder")
    page.wait("seen-list", "harbour/crane")
    page.press("harbour/crane")
    page.wait("resource", "Folder", "harbour")
    page.press("Close")
    assert page.complaints() == []


@pytest.mark.h5
def test_in_emergency_they_are_read(known, chrome, page, admin):
    a, b = known
    a.cli("folder", "add", "siren", session=admin)
    a.cli("folder", "add", "siren/horn", session=admin)
    a.cli("share", "--folder", "siren", "carol", session=admin)
    a.kill()
    try:
        logged_out(chrome, b.url).wait("notice", "This is emergency access")
        assert "siren/horn" in what_is_seen(as_user(chrome, b, "carol"))
        page = as_user(chrome, b, "admin")
        page.go("folders")
        page.wait("folder-list", "siren")
        assert page.element("add-folder").get_attribute("disabled")
        page.wait("folders", "Changes are possible at the primary only")
        page.d.find_element("link text", "siren").click()
        page.wait("folder-list", "horn")
        assert page.element("add-inside").get_attribute("disabled")
        page.element("manage-folder").click()
        page.wait("shares", "carol")
        page.wait("folder", "Changes are possible at the primary only")
        look(page, "/")
        page.wait("effect", "Nobody gains or loses by it")
        for button in ("move-do", "remove-folder"):
            assert page.element(button).get_attribute("disabled"), button
        for form in ("rename", "share"):
            assert page.d.find_element("css selector", f"#{form} button").get_attribute("disabled"), form
        page.press_label("Withdraw the share of carol")
        page.wait("share-said", "carol has it no more by this share")
        page.press("Close")
        page = as_user(chrome, b, "carol")
        assert "siren" not in what_is_seen(page), "what was withdrawn here is in force here"
        assert page.complaints() == []
    finally:
        a.start(wait=False)
    for n in known:
        n.wait_status(0)
