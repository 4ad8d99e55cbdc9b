# SPDX-License-Identifier: Apache-2.0
"""The console as a user has it before them."""
from pair import PASSWORD
from selenium.common.exceptions import StaleElementReferenceException
from wait import wait_until

SOON_S = 60


class Page:
    """What a user sees and does; waits for what is to appear."""

    def __init__(self, driver, url):
        self.d = driver
        driver.get(url + "/")

    def element(self, name):
        return self.d.find_element("id", name)

    def seen(self, name):
        return self.d.execute_script(
            "const e = document.getElementById(arguments[0]); return e !== null && e.checkVisibility()", name
        )

    def text(self, name):
        """At one moment: the page may take the element away meanwhile."""
        return self.d.execute_script(
            "const e = document.getElementById(arguments[0]); return e && e.checkVisibility() ? e.innerText : ''", name
        )

    def kinds(self, name):
        return self.element(name).get_attribute("class").split()

    def go(self, part):
        """To another part of the console: passwords, ha."""
        self.d.find_element("css selector", f"nav a[href='#{part}']").click()

    def wait(self, name, *words, timeout=SOON_S):
        """Until the element says all of it."""
        return wait_until(
            f"#{name} says {words}",
            lambda: self.text(name),
            lambda seen: all(w in seen for w in words),
            timeout,
            also=self.all,
        )

    def wait_for(self, name, timeout=SOON_S):
        wait_until(f"#{name} appears", lambda: self.seen(name), timeout=timeout, also=self.all)
        return self.element(name)

    def all(self):
        return f"the page: {self.d.find_element('tag name', 'body').text}"

    def type(self, name, words):
        e = self.element(name)
        e.clear()
        e.send_keys(words)

    def press(self, words):
        """The first visible button of these words; looked for anew when the page was drawn anew meanwhile."""

        def click():
            try:
                buttons = self.d.find_elements("tag name", "button")
                next(b for b in buttons if b.text == words and b.is_displayed()).click()
            except StaleElementReferenceException:
                return False
            return True

        wait_until(f"“{words}” is pressed", click, also=self.all)

    def login(self, password=PASSWORD, name="admin"):
        """Returns when it is done; a wrong password leaves the form."""
        self.wait_for("login")
        self.type("name", name)
        self.type("password", password)
        self.d.find_element("css selector", "#login button").click()
        if password == PASSWORD:
            self.wait("user", name)

    def press_label(self, label):
        """The button that readers of the screen hear so."""
        self.d.find_element("css selector", f"[aria-label='{label}']").click()

    def choose(self, where, value):
        """In a list to choose from (by its selector), as a user does it."""
        options = self.d.find_element("css selector", where).find_elements("tag name", "option")
        next(o for o in options if o.get_property("value") == value).click()

    def rows(self, table):
        """At one moment: the page writes the table anew now and then."""
        return self.d.execute_script(
            "return [...(document.getElementById(arguments[0])?.tBodies[0].rows ?? [])].map((r) => [...r.cells].map((c) => c.innerText))",
            table,
        )

    def link(self, name):
        return self.d.execute_script("return document.getElementById(arguments[0]).querySelector('a')?.href", name)

    def find(self, words):
        self.type("query", words)
        self.press("Find")
        wait_until("the search ends", lambda: self.text("found"), lambda seen: "Looking" not in seen)
        return self.rows("accounts")

    def show(self, words, reason):
        """Retrieves the first account that is found; what the fields say."""
        self.find(words)
        self.press("Show …")
        self.wait_for("reason")
        self.type("reason", reason)
        self.press("Show")
        return self.wait("fields", "password")

    def complaints(self):
        """What the browser itself had to complain of, but for pages and answers that are not there; and what the policy forbade."""
        return self.d.execute_script("return window.violations ?? []") + [
            l["message"]
            for l in self.d.get_log("browser")
            if "favicon" not in l["message"] and "Failed to load resource" not in l["message"]
        ]


def logged_out(driver, url):
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})  # of both nodes
    return Page(driver, url)
