#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the console: a real pair with data of no real person, a real browser, every page and dialog.

    tools/shots.py --holdfast build/release/src/cmd/holdfast FOLDER     each page at 1280 and 375 pixels, light and dark, to be looked at
    tools/shots.py --holdfast build/release/src/cmd/holdfast --docs     docs/images/ anew

As root the nodes have names, in an /etc/hosts that only this program and what it starts see; else they are called by their addresses.
Needs Chromium, its driver and Selenium, as the browser tests do.
"""
import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in ("test/lib", "test/web/lib", "test/it/lib"):
    sys.path.insert(0, str(ROOT / folder))
from browser import DESK, PHONE, THEMES, begin, missing, shot, sticks_out, wear, widen  # noqa: E402
from page import Page, logged_out  # noqa: E402
from pair import PASSWORD, STOCK_PATH, Node, end_all, free_port, give, make_pair  # noqa: E402

NAMES = {"127.0.0.1": "vault-a.example.org", "127.0.0.2": "vault-b.example.org"}
INSIDE = "HOLDFAST_SHOTS_HOSTS"  # set where /etc/hosts is this program's own
IMAGES = ROOT / "docs/images"
IMAGE_MAX = 120 << 10

# What is in docs/images/: (picture, file, width, theme).
DOCS = [
    ("passwords", "passwords.png", DESK, "light"),
    ("resource", "resource.png", DESK, "light"),
    ("folder-moved", "folder.png", DESK, "light"),
    ("import-plan", "import.png", DESK, "light"),
    ("ha", "high-availability.png", DESK, "light"),
    ("silent", "outage.png", DESK, "light"),
    ("emergency", "emergency-phone.png", PHONE, "dark"),
]
DEMO = [
    ("core switch", "admin", "https://core-switch.example.org"),
    ("core switch", "backup", "https://core-switch.example.org"),
    ("edge router", "netops", "https://edge-router.example.org"),
    ("firewall", "admin", "https://firewall.example.org"),
    ("mail server", "postmaster", "https://mail.example.org"),
    ("monitoring", "viewer", "https://monitoring.example.org"),
    ("orders database", "owner", ""),
    ("orders database", "reader", ""),
    ("tape library", "operator", ""),
    ("wiki", "admin", "https://wiki.example.org"),
]
FOLDERS = {
    "network": [],
    "network/switches": ["firewall"],
    "network/routers": ["edge router"],
    "network/a branch office that is far away": [],
    "network/a branch office that is far away/its own network": [],
    "data": ["orders database"],
}
EXPORT = """resource,login,password,colour
door controller,admin,demo-door-1,blue
door controller,service,demo-door-2,
wiki,admin,demo-wiki-2,
%s,root,demo-long,
camera hall,admin,demo-camera,
""" % (
    "a name that goes on and on " * 8
)


class Stage:
    """The pair, its people and what they have."""

    def __init__(self, holdfast, named):
        self.dir = Path(tempfile.mkdtemp(prefix="holdfast-shots-"))
        self.dir.chmod(0o755)
        give(self.dir)
        self.session = self.dir / "admin.session"
        self.a, self.b = (self.node(holdfast, address, named) for address in NAMES)

    def node(self, holdfast, address, named):
        place = self.dir / address
        place.mkdir()
        give(place)
        listen, pair = (f"{address}:{free_port(address, first)}" for first in (7272, 2345))
        return Node(
            holdfast, place / "home", NAMES[address] if named else address, listen, pair, self.dir / "master.key"
        )

    def cli(self, *words, who=None, **more):
        return self.a.cli(*words, session=self.dir / f"{who}.session" if who else self.session, **more)

    def hire(self, name):
        token = json.loads(self.cli("user", "add", name, "--json").stdout)["setup_token"]
        self.log_in(name, token)

    def log_in(self, name, token):
        typed = f"{token}\n{PASSWORD}\n"
        self.cli("login", "--setup", "--ca", self.a.web_cert, self.a.url, name, who=name, input=typed)

    def furnish(self):
        make_pair(self.a, self.b)
        self.log_in("admin", self.a.setup_token())
        rows = self.dir / "demo.csv"
        lines = [f"{r},{l},demo-{i}-Xq7,{u}" for i, (r, l, u) in enumerate(DEMO)]
        rows.write_text("\n".join(["resource,login,password,url", *lines]) + "\n")
        self.cli("import", rows)
        (self.dir / "export.csv").write_text(EXPORT)
        for name in ("alice", "bob", "carol"):
            self.hire(name)
        self.cli("user", "add", "dave")
        self.cli("user", "disable", "carol")
        for team, members in (("network", ["alice", "bob"]), ("databases", ["admin", "bob"]), ("on call", [])):
            self.cli("team", "add", team)
            for m in members:
                self.cli("member", "add", team, m)
        self.cli("share", "--resource", "core switch", "network", "modify")
        self.cli("share", "--resource", "core switch", "bob", "manage")
        self.cli("share", "core switch/admin", "alice")
        for path, resources in FOLDERS.items():
            self.cli("folder", "add", path)
            for r in resources:
                self.cli("move", "--yes", r, path)
        self.cli("share", "--folder", "network", "network")
        self.cli("share", "--folder", "data", "databases", "modify")
        self.cli("put", "core switch/admin", input="demo-second-Xq7\n")
        self.cli("put", "badge printer/service", who="alice", input="demo-printer\n")
        self.cli("offer", "badge printer", "admin", who="alice")
        self.cli("rm", "--yes", "--resource", "tape library")

    def end(self):
        end_all()
        shutil.rmtree(self.dir, ignore_errors=True)


class Camera:
    def __init__(self, driver, folder, wanted):
        self.d, self.folder, self.wanted = driver, folder, wanted
        self.taken, self.out = 0, []

    def take(self, name):
        """In every width and theme that is wanted; says what sticks out of the page."""
        for wide, theme, file in self.wanted(name):
            png = shot(self.d, wide, theme, whole=self.wanted is every)
            (self.folder / file).write_bytes(png)
            self.taken += 1
        if self.wanted is every:
            self.look(name)

    def look(self, name):
        for wide in (DESK, PHONE):
            widen(self.d, wide)
            self.out += [f"{name}, {wide}: {e}" for e in sticks_out(self.d)]
        widen(self.d, None)
        wear(self.d, None)


def every(name):
    return [(wide, theme, f"{name}-{wide}-{theme}.png") for wide in (DESK, PHONE) for theme in THEMES]


def of_docs(name):
    return [(wide, theme, file) for picture, file, wide, theme in DOCS if picture == name]


# ---- the pages ----


def take_log_in(stage, camera, d):
    page = logged_out(d, stage.a.url)
    page.wait_for("login")
    page.wait("status", "Alive")
    camera.take("log-in")
    page.press("First log-in? Use a set-up token")
    page.wait_for("setup")
    camera.take("set-up")


def take_accounts(page, camera):
    page.wait("offers", "badge printer")
    page.wait("accounts", "wiki")
    camera.take("passwords")
    page.press("New account")
    page.wait_for("new-form")
    camera.take("new-account")
    page.press("Close")
    page.show("core switch", "maintenance")
    camera.take("secret")
    page.press("Change …")
    page.wait_for("edit")
    camera.take("secret-change")
    page.press("Close")
    page.press("Details")
    page.wait("through", "owner")
    page.wait("shares", "alice")
    page.type("why-user", "bob")
    page.press("Ask")
    page.wait("why-answer", "network")
    camera.take("details")
    page.element("to-resource").click()
    page.wait("shares", "network")
    page.wait("through", "owner")
    page.wait_for("offer")
    camera.take("resource")
    page.press("Close")


def take_folders(page, camera):
    page.go("folders")
    page.wait("folder-list", "network")
    camera.take("folders")
    page.d.find_element("link text", "network").click()
    page.wait("folder-list", "routers")
    camera.take("folder-of-folders")
    page.type("folder-query", "network")
    page.wait("folder-list", "its own network")
    camera.take("folders-found")
    page.d.find_element("partial link text", "its own network").click()
    page.wait("crumbs", "its own network")
    camera.take("folder-empty")
    page.element("add-folder").click()
    page.wait_for("new-folder-form")
    camera.take("folder-new")
    page.press("Close")
    page.d.find_element("id", "crumbs").find_element("link text", "network").click()
    page.wait("folder-list", "switches")
    page.d.find_element("link text", "switches").click()
    page.wait("inside", "firewall")
    camera.take("folder")
    page.element("manage-folder").click()
    page.wait_for("share")
    page.wait("through", "owner")
    page.type("why-user", "alice")
    page.press("Ask")
    page.wait("why-answer", "network")
    camera.take("folder-managed")
    page.type("move-to", "data")
    page.press("See who gains and loses")
    page.wait("effect", "alice")
    camera.take("folder-moved")
    page.press("Close")


def take_import(page, camera, stage):
    page.element("to-import").click()
    page.wait_for("import-form")
    camera.take("import")
    page.element("import-file").send_keys(str(stage.dir / "export.csv"))
    page.press("Look at it")
    page.wait("plan", "cannot be stored")
    camera.take("import-plan")
    page.press("Import it")
    page.wait("outcome", "It is stored")
    camera.take("import-stored")


def take_administration(page, camera):
    for part, shown, words in (("bin", "removed", "tape library"), ("teams", "team-list", "network")):
        page.go(part)
        page.wait(shown, words)
        camera.take(part)
    page.press_label("Manage team network")
    page.wait("members", "alice")
    camera.take("team")
    page.press("Close")
    page.go("users")
    page.wait("user-list", "carol")
    page.type("add-name", "erin")
    page.press("Add")
    page.wait_for("token")
    camera.take("users")
    page.press_label("Manage bob")
    page.wait_for("disable")
    page.press("Disable")
    camera.take("user")
    page.press("Close")
    page.go("audit")
    page.wait("events", "A user logged in")
    camera.take("audit")
    page.go("settings")
    page.wait("setting-list", "detect_ms")
    camera.take("settings")


def take_oneself(page, camera):
    page.element("user").click()
    page.wait_for("to-seen").click()
    page.wait("seen-list", "network/switches")
    camera.take("seen")
    page.element("user").click()
    page.wait_for("own-password")
    page.type("factor-password", PASSWORD)
    page.press("Set it up")
    page.wait_for("factor-secret")
    camera.take("oneself")


def take_pair(page, camera, stage):
    page.go("ha")
    page.wait("nodes", stage.b.name)
    page.wait("drawing", "streams")
    camera.take("ha")
    stage.b.kill()
    page.wait("reasons", stage.b.name, "What to do:")
    camera.take("ha-failed")
    stage.b.start(wait=False)
    for n in (stage.a, stage.b):
        n.wait_status(0)


def take_outage(stage, camera, d):
    logged_out(d, stage.b.url).wait("notice", "the primary")
    camera.take("standby")
    page = logged_out(d, stage.a.url)
    page.login()
    page.wait("accounts", "wiki")
    page.wait("status", "Alive")
    stage.a.kill()
    page.wait("notice", "has not answered since", f"Open emergency access on {stage.b.name}")
    page.wait("status", "not known now")
    camera.take("silent")
    page = logged_out(d, stage.b.url)
    page.wait("notice", "This is emergency access")
    camera.take("emergency-log-in")
    page.login()
    page.wait("accounts", "wiki")
    camera.take("emergency")
    page.go("ha")
    page.wait("reasons", stage.a.name)
    camera.take("emergency-ha")


def take_all(stage, camera, d):
    take_log_in(stage, camera, d)
    page = logged_out(d, stage.a.url)
    page.login()
    page.wait("status", "Alive")
    take_accounts(page, camera)
    take_folders(page, camera)
    page.go("passwords")
    page.wait_for("to-import")
    take_import(page, camera, stage)
    page = Page(d, stage.a.url)
    page.wait("user", "admin")
    take_administration(page, camera)
    take_oneself(page, camera)
    take_pair(page, camera, stage)
    take_outage(stage, camera, d)


# ---- the run ----


def go_inside():
    """Begins anew where /etc/hosts is our own."""
    hosts = tempfile.NamedTemporaryFile("w", delete=False)
    with hosts:
        hosts.write("".join(f"{address} {name}\n" for address, name in {"127.0.0.1 localhost": "", **NAMES}.items()))
    os.chmod(hosts.name, 0o644)
    do = 'mount --bind "$0" /etc/hosts && rm -f "$0"; exec "$@"'
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", "sh", "-c", do, hosts.name, sys.executable, *sys.argv])


def too_large(folder):
    return [f"{p.name}: {p.stat().st_size} bytes" for p in sorted(folder.iterdir()) if p.stat().st_size > IMAGE_MAX]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--holdfast", default=str(ROOT / "build/release/src/cmd/holdfast"))
    where = ap.add_mutually_exclusive_group(required=True)
    where.add_argument("--docs", action="store_true")
    where.add_argument("folder", nargs="?", type=Path)
    args = ap.parse_args()
    if missing():
        sys.exit(f"shots.py: {missing()}")
    if os.geteuid() == 0 and INSIDE not in os.environ:
        go_inside()
    os.environ["PATH"] = STOCK_PATH
    folder = IMAGES if args.docs else args.folder
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as undo:
        stage = Stage(Path(args.holdfast).resolve(), INSIDE in os.environ)
        undo.callback(stage.end)
        stage.furnish()
        d = begin()
        undo.callback(d.quit)
        camera = Camera(d, folder, of_docs if args.docs else every)
        take_all(stage, camera, d)
    faults = camera.out + (too_large(folder) if args.docs else [])
    print(f"{camera.taken} pictures in {folder}", *faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
