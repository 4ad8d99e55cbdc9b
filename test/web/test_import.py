# SPDX-License-Identifier: Apache-2.0
"""What another program exported, through the console: looked at, imported, stopped; and of the file nothing is kept."""
import pytest
from page import logged_out
from wait import wait_until

LONG = "x" * 201
FILE = f"""resource,login,password,colour
mast,root,s3cret-mast,red
core switch,admin,s3cret-other,
{LONG},root,s3cret-long,
mast,backup,s3cret-backup,
"""


@pytest.fixture
def page(pair, chrome):
    p = logged_out(chrome, pair[0].url)
    p.login()
    p.wait_for("vault")
    p.element("to-import").click()
    p.wait_for("import-form")
    return p


@pytest.fixture
def chosen(page, tmp_path):
    """The page, with a file that may be imported in part."""
    return choose(page, tmp_path, FILE)


def choose(page, folder, text):
    there = folder / "export.csv"
    there.write_text(text)
    page.element("import-file").send_keys(str(there))
    return page


def lines(page):
    return [(r[0], r[1], r[3], r[4]) for r in page.rows("import-lines")]


def found(page, words):
    page.go("passwords")
    page.find(words)
    return [(r[0], r[1]) for r in page.rows("accounts")]


def file_of(page):
    return page.d.execute_script("return document.getElementById('import-file').files.length")


KEPT = """
    const done = arguments[0];
    Promise.all([caches.keys(), indexedDB.databases()]).then(([c, d]) =>
        done([localStorage.length, sessionStorage.length, c.length, d.length, history.state, document.documentElement.outerHTML]))
"""


def test_a_plan_and_its_import(pair, chosen):
    page = chosen
    page.press("Look at it")
    page.wait("plan", "2 accounts of 1 resources, out of 4 entries", "1 that cannot be stored", "1 skipped")
    assert page.d.switch_to.active_element.text == "What would come"
    assert lines(page) == [
        ("4", LONG, "cannot be stored", "the resource's name is longer than 200 bytes"),
        ("3", "core switch", "is skipped", "it is there already"),
        ("2", "mast", "comes", ""),
        ("5", "mast", "comes", ""),
    ]
    page.choose("#import-duplicates", "update")
    wait_until("it is the plan of something else", lambda: not page.seen("plan"))
    assert pair[0].sql("SELECT count(*) FROM resource WHERE name = 'mast'") == [["0"]], "a look stores nothing"
    page.press("Look at it")
    page.wait("plan", "1 with a new version")
    page.press("Import it")
    page.wait("outcome", "It is stored", "2 accounts of 1 resources", "1 with a new version", "Delete the file now")
    assert file_of(page) == 0 and not page.seen("plan")
    kept = page.d.execute_async_script(KEPT)
    assert kept[:5] == [0, 0, 0, 0, None] and "s3cret-" not in kept[5]
    assert found(page, "mast") == [("mast", "backup"), ("mast", "root")]
    assert "s3cret-other" in page.show("core sw", "what was imported")
    page.press("Close")
    assert page.complaints() == []


def test_a_file_that_is_refused(page, tmp_path):
    choose(page, tmp_path, "what,is,this\n1,2,3\n").press("Look at it")
    page.wait("import-said", ".")
    assert "bad" in page.kinds("import-said") and not page.seen("plan") and file_of(page) == 1
    page.element("import-all").click()
    choose(page, tmp_path, FILE).press("Look at it")
    page.wait("import-said", "line 4", "nothing is stored")
    choose(page, tmp_path, FILE + "more,root,s3cret\n").press("Look at it")
    page.wait("import-said", "line 4")


def test_the_page_knows_the_formats(page):
    """Those that the node takes."""
    asked = """const done = arguments[0];
        fetch("/v1/import?format=no-such&dry_run=true", {method: "POST", headers: {"Content-Type": "application/octet-stream"}, body: "a"})
            .then((r) => r.json()).then((r) => done(r.error.detail ?? r.error.message))"""
    known = page.d.execute_async_script(asked).split("one of ")[1].rstrip(".").split(", ")
    options = page.d.find_elements("css selector", "#import-format option")
    assert sorted(o.get_property("value") for o in options) == sorted(["", *known])


@pytest.fixture
def slow(chrome):
    """A line that takes a minute for a megabyte."""
    chrome.execute_cdp_cmd("Network.enable", {})
    line = {"offline": False, "latency": 0, "downloadThroughput": -1}
    yield lambda: chrome.execute_cdp_cmd("Network.emulateNetworkConditions", {**line, "uploadThroughput": 20000})
    chrome.execute_cdp_cmd("Network.emulateNetworkConditions", {**line, "uploadThroughput": -1})


def test_it_is_stopped(pair, page, slow, tmp_path):
    rows = "".join(f"tower {i},root,s3cret-{i:0>40}\n" for i in range(20000))
    choose(page, tmp_path, "resource,login,password\n" + rows)
    page.press("Look at it")
    page.wait("plan", "20000 accounts", "And 19800 lines more")
    slow()
    page.press("Import it")
    page.wait("sending", "MiB are with the node")
    page.press("Stop")
    page.wait("outcome", "Nothing was stored")
    assert pair[0].sql("SELECT count(*) FROM resource WHERE name LIKE 'tower%'") == [["0"]]
    assert file_of(page) == 0


def test_a_node_that_goes_silent(pair, chosen):
    """Whether it was stored is not guessed: it is asked."""
    a, _ = pair
    page = chosen
    page.choose("#import-duplicates", "new")
    page.press("Look at it")
    page.wait_for("plan")
    a.kill()
    page.press("Import it")
    page.wait("import-open", "not known")
    a.start()
    page.wait("where", "the primary")
    page.press("Ask what became of it")
    page.wait("outcome", "Nothing was stored")
    assert not page.seen("import-open")
    for n in pair:
        n.wait_status(0)
