# SPDX-License-Identifier: Apache-2.0
"""Checks come before effects: whoever is refused has changed nothing.

Every verb and every route that changes something is a row here, has a test of its own that is marked refuses("VERB"), or is named with the
reason why it has none. Before and after each refusal the homes are compared (names, kinds, modes, owners, contents) and so are all tables of both nodes. What
may differ is what a refused attempt leaves by design: its event, and what counts attempts.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from certs import Authority, out_of_date
from nodes import ROOT, Person, Ports, copy_of, scratch_folder
from pair import PASSWORD, Node, give
from unchanged import fingerprint, last_seen, nothing_changes
from verbs import verbs_of
from wait import wait_until

# ---- the stage: a pair that is Alive, a node that is stopped, a home that waits for its pack ----


class Stage:
    def __init__(self, holdfast, folder, template, ports):
        self.folder, self.holdfast = folder, holdfast
        https, pair = ports.take(), ports.take()
        self.a, self.b = (self.node(name, name, https, pair) for name in ("127.0.0.1", "127.0.0.2"))
        make_pair_of(self.a, self.b)
        self.stopped = self.node("stopped", "localhost", ports.take(), ports.take(), "127.0.0.1")
        copy_of(template, self.stopped)
        self.fresh = self.node("fresh", "127.0.0.3", https, pair)
        shutil.copy(self.a.key_file, self.fresh.key_file)
        give(self.fresh.key_file)
        self.fresh.init(secondary=True)
        self.pack = self.a.home / "replication/HAPack-127.0.0.2.zip"
        self.admin = Person(self.a, "admin", self.a.setup_token(), PASSWORD, folder)

    def node(self, folder, name, https, pair, address=None):
        where = self.folder / folder
        where.mkdir()
        give(where)
        return Node(
            self.holdfast,
            where / "home",
            name,
            f"{address or name}:{https}",
            f"{address or name}:{pair}",
            where / "master.key",
        )

    def hire(self, name):
        made = self.admin.api.must("POST", "/v1/users", {"name": name, "role": "user"}, status=201)
        return Person(self.a, name, made["setup_token"], f"{PASSWORD}-{len(name) * 7}", self.folder)


def make_pair_of(a, b):
    a.init()
    a.set("keep_pack", "true")
    shutil.copy(a.key_file, b.key_file)
    give(b.key_file)
    b.init(secondary=True)
    a.start()
    a.run("ha", "setup", a.name, b.name, "--home", a.home)
    b.run("ha", "join", a.home / f"replication/HAPack-{b.name}.zip", "--home", b.home)
    b.start()
    for n in (a, b):
        n.wait_status(0)
        members_are_known(n)
        told = n.home / "replication/ports.conf"
        wait_until(f"{n.name} has written by which ports it is known", told.exists)


@pytest.fixture(scope="module")
def stage(holdfast, template):
    with scratch_folder() as folder:
        s = Stage(holdfast, folder, template, Ports())
        try:
            yield s
        finally:
            for n in (s.a, s.b, s.stopped, s.fresh):
                n.end()


# ---- the verbs of a node ----

Row = namedtuple("Row", "verb how args code words")


def on(node, *args):
    """A verb with --home of a node of the stage."""
    return lambda s: [*args, "--home", getattr(s, node).home]


def free(*args):
    """A verb whose words may be functions of the stage."""
    return lambda s: [a(s) if callable(a) else a for a in args]


def beside(name):
    return lambda s: s.folder / name


def home(node):
    return lambda s: getattr(s, node).home


def key(node):
    return lambda s: getattr(s, node).key_file


def other_port(s):
    return s.b.port + 1


NODE_ROWS = [
    Row("init", "is already the home of a node", on("a", "init"), 1, "already"),
    Row("init", "no name", free("init", "--home", beside("new"), "--name", "no name"), 2, "not the name of a machine"),
    Row(
        "init",
        "key that is none",
        free("init", "--home", beside("new"), "--key-file", beside("no.key")),
        1,
        "no master key file",
    ),
    Row(
        "init",
        "below a file",
        free("init", "--home", "/etc/passwd/new"),
        1,
        "/etc/passwd exists and is not a folder; nothing was changed. Name a folder",
    ),
    Row(
        "init",
        "an empty folder that is another's",
        free("init", "--home", beside("empty"), "--key-file", beside("no.key")),
        1,
        "no master key file",
    ),
    Row(
        "init",
        "key inside",
        free("init", "--home", beside("empty"), "--key-file", beside("empty/m.key")),
        1,
        "inside the home",
    ),
    Row(
        "init",
        "secondary of a nonsense listen",
        free("init", "--secondary", "--home", beside("new"), "--listen", "x"),
        2,
        "listen",
    ),
    Row(
        "serve",
        "no home",
        free("serve", "--home", beside("none")),
        1,
        "does not exist: name the node's home with --home",
    ),
    Row("serve", "serves already", on("a", "serve"), 1, "serves this home already"),
    Row("serve", "no pack", on("fresh", "serve"), 1, "HAPack"),
    Row("key new", "is there", free("key", "new", key("a")), 1, "never overwritten"),
    Row("key new", "no folder", free("key", "new", beside("none/k")), 1, "cannot open the folder"),
    Row(
        "key check",
        "another key",
        lambda s: ["key", "check", "--home", s.a.home, "--key-file", s.folder / "other.key"],
        1,
        "not the one",
    ),
    Row(
        "key check",
        "another key, node stopped",
        lambda s: ["key", "check", "--home", s.stopped.home, "--key-file", s.folder / "other.key"],
        1,
        "not the one",
    ),
    Row("key check", "no data", on("fresh", "key", "check"), 1, "no data"),
    Row(
        "ha setup",
        "runs, another port (H9)",
        lambda s: ["ha", "setup", s.a.name, s.b.name, "--home", s.a.home, "--secondary-port", other_port(s)],
        1,
        "is running",
    ),
    Row(
        "ha setup",
        "runs, another pair port",
        lambda s: ["ha", "setup", s.a.name, s.b.name, "--home", s.a.home, "--secondary-pair-port", "9"],
        1,
        "is running",
    ),
    Row(
        "ha setup",
        "a name that nobody knows",
        on("a", "ha", "setup", "127.0.0.1", "vault-c.invalid"),
        1,
        "cannot resolve the name vault-c.invalid",
    ),
    Row("ha setup", "this node's name", on("a", "ha", "setup", "127.0.0.1", "127.0.0.1"), 2, "its own secondary"),
    Row("ha setup", "another's name", on("a", "ha", "setup", "127.0.0.9", "127.0.0.3"), 1, "this node is called"),
    Row("ha setup", "no name", on("a", "ha", "setup", "127.0.0.1", "a b"), 2, "is no host name"),
    Row("ha setup", "on the secondary", on("b", "ha", "setup", "127.0.0.2", "127.0.0.3"), 1, "is a secondary"),
    Row(
        "ha setup",
        "port that is none",
        on("a", "ha", "setup", "127.0.0.1", "127.0.0.3", "--secondary-port", "99999"),
        2,
        "--secondary-port",
    ),
    Row(
        "ha setup",
        "a folder where its pack goes",
        on("a", "ha", "setup", "127.0.0.1", "127.0.0.3"),
        1,
        "HAPack-127.0.0.3.zip",
    ),
    Row("ha setup", "does not run", on("stopped", "ha", "setup", "localhost", "127.0.0.3"), 3, "does not run"),
    Row("ha join", "another's pack", lambda s: ["ha", "join", s.pack, "--home", s.fresh.home], 1, "made for 127.0.0.2"),
    Row("ha join", "a vault of its own", lambda s: ["ha", "join", s.pack, "--home", s.a.home], 1, "a vault of its own"),
    Row(
        "ha join",
        "no pack",
        lambda s: ["ha", "join", s.a.web_cert, "--home", s.fresh.home],
        1,
        "web.crt is neither a pack (`holdfast ha setup` writes those)",
    ),
    Row(
        "ha join",
        "no such file",
        free("ha", "join", beside("none.zip"), "--home", home("fresh")),
        1,
        "there is no file",
    ),
    Row("ha join", "a folder", free("ha", "join", beside("empty"), "--home", home("fresh")), 1, "is a folder"),
    Row("ha join", "an empty file", free("ha", "join", beside("empty.zip"), "--home", home("fresh")), 1, "is empty"),
    Row(
        "ha join",
        "damaged, over one that waits (H13)",
        lambda s: ["ha", "join", s.folder / "cut.zip", "--home", s.fresh.home],
        1,
        "cut.zip is damaged or cut short: copy it here again",
    ),
    Row(
        "ha join",
        "of another pair",
        lambda s: ["ha", "join", s.folder / "foreign.zip", "--home", s.b.home],
        1,
        "another pair",
    ),
    Row("ha promote", "the primary serves", on("b", "ha", "promote", "--yes"), 1, "serves"),
    Row("ha promote", "is the primary", on("a", "ha", "promote", "--yes"), 1, "already"),
    Row("ha promote", "not said yes", on("b", "ha", "promote"), 1, "nothing was changed"),
    Row("ha promote", "does not run", on("stopped", "ha", "promote", "--yes"), 3, "does not run"),
    Row("ha switchover", "on the secondary", on("b", "ha", "switchover"), 1, "is a secondary"),
    Row("ha switchover", "no such node", on("a", "ha", "switchover", "127.0.0.9"), 1, "no other node"),
    Row("ha switchover", "does not run", on("stopped", "ha", "switchover"), 3, "does not run"),
    Row("ha reconcile", "nothing is lost", on("a", "ha", "reconcile"), 1, "nothing to reconcile"),
    Row("ha rejoin", "is the primary", on("a", "ha", "rejoin"), 1, "is the primary"),
    Row("ha rejoin", "a primary's data, stopped", on("stopped", "ha", "rejoin"), 1, "a primary's"),
    Row("ha rejoin", "no primary's name", on("fresh", "ha", "rejoin", "--primary", "nonsense"), 2, "--primary takes"),
    Row("ha rejoin", "nobody says who", on("fresh", "ha", "rejoin"), 1, "--primary NAME:PORT"),
    Row("ha repair-journal", "runs", on("b", "ha", "repair-journal"), 1, "its journal is in use: stop the node"),
    Row("ha repair-journal", "none there", on("fresh", "ha", "repair-journal"), 1, "does not exist"),
    Row("ha remove", "runs", on("a", "ha", "remove", "127.0.0.2", "--yes"), 1, "is running"),
    Row("ha remove", "the primary", on("a", "ha", "remove", "127.0.0.1", "--yes"), 1, "cannot be taken out"),
    Row("ha remove", "no such node", on("a", "ha", "remove", "127.0.0.9", "--yes"), 1, "no node of the pair"),
    Row("ha remove", "on the secondary", on("b", "ha", "remove", "127.0.0.1", "--yes"), 1, "not the serving primary"),
    Row("ha remove", "not said yes", on("a", "ha", "remove", "127.0.0.2"), 1, "nothing was changed"),
    Row("ha emergency", "on the primary", on("a", "ha", "emergency", "on"), 1, "emergency on` on a secondary"),
    Row("ha emergency", "neither", on("b", "ha", "emergency", "perhaps"), 2, "on or off"),
    Row("ha maintenance", "no reason", on("a", "ha", "maintenance", "2h"), 2, "a reason is missing"),
    Row("ha maintenance", "no time", on("a", "ha", "maintenance", "long", "because"), 2, "expected a duration"),
    Row("ha maintenance", "does not run", on("stopped", "ha", "maintenance", "2h", "because"), 3, "does not run"),
    Row("backup", "is there", lambda s: ["backup", s.a.key_file, "--home", s.a.home], 1, "nothing was changed"),
    Row(
        "backup",
        "no file, for all that is said",
        lambda s: ["backup", s.folder / "empty", "--force", "--home", s.a.home],
        1,
        "no plain file",
    ),
    Row("backup", "no folder", lambda s: ["backup", s.folder / "none/b.zip", "--home", s.a.home], 1, "folder"),
    Row(
        "backup",
        "may not write there",
        lambda s: ["backup", s.folder / "closed/b.zip", "--home", s.a.home],
        1,
        "ermission denied",
    ),
    Row(
        "backup", "does not run", lambda s: ["backup", s.folder / "b.zip", "--home", s.stopped.home], 3, "does not run"
    ),
    Row("backup verify", "no backup", lambda s: ["backup", "verify", s.pack, "--home", s.a.home], 1, "not a backup"),
    Row(
        "backup verify",
        "no such file",
        lambda s: ["backup", "verify", s.folder / "none.zip", "--home", s.a.home],
        1,
        "there is no file",
    ),
    Row(
        "backup verify",
        "a folder",
        lambda s: ["backup", "verify", s.folder / "empty", "--home", s.a.home],
        1,
        "is a folder",
    ),
    Row(
        "backup verify",
        "another key",
        lambda s: ["backup", "verify", s.folder / "good.zip", "--key-file", s.folder / "other.key"],
        1,
        "another master key",
    ),
    Row(
        "backup verify",
        "cut short",
        lambda s: ["backup", "verify", s.folder / "short-backup.zip", "--home", s.a.home],
        1,
        "short-backup.zip",
    ),
    Row(
        "restore",
        "no such file",
        lambda s: ["restore", s.folder / "none.zip", "--home", s.folder / "new", "--key-file", s.a.key_file],
        1,
        "there is no file",
    ),
    Row(
        "restore",
        "no backup",
        lambda s: ["restore", s.a.web_cert, "--home", s.folder / "new", "--key-file", s.a.key_file],
        1,
        "is neither a pack (`holdfast ha setup` writes those) nor a backup",
    ),
    Row(
        "restore",
        "another key",
        lambda s: ["restore", s.folder / "good.zip", "--home", s.folder / "new", "--key-file", s.folder / "other.key"],
        1,
        "another master key",
    ),
    Row(
        "restore",
        "a home that is one",
        lambda s: ["restore", s.folder / "good.zip", "--home", s.b.home, "--key-file", s.b.key_file],
        1,
        "already",
    ),
    Row(
        "restore",
        "no key",
        lambda s: ["restore", s.folder / "good.zip", "--home", s.folder / "empty", "--key-file", s.folder / "none.key"],
        1,
        "none.key",
    ),
    Row(
        "restore",
        "cut short",
        lambda s: ["restore", s.folder / "short-backup.zip", "--home", s.folder / "empty", "--key-file", s.a.key_file],
        1,
        "short-backup.zip",
    ),
    Row("admin recover", "no such user", on("a", "admin", "recover", "nobody"), 1, "nobody"),
    Row(
        "admin recover",
        "another key",
        lambda s: ["admin", "recover", "admin", "--home", s.a.home, "--key-file", s.folder / "other.key"],
        1,
        "other.key",
    ),
    Row("admin recover", "on the secondary", on("b", "admin", "recover", "admin"), 1, ""),
    Row("admin recover", "does not run", on("stopped", "admin", "recover", "nobody"), 3, "does not run"),
    Row(
        "cert import", "no certificate", lambda s: ["cert", "import", s.a.key_file, "--home", s.a.home], 1, "master.key"
    ),
    Row(
        "cert import",
        "over",
        lambda s: ["cert", "import", s.folder / "over.crt", "--home", s.a.home],
        1,
        "has expired",
    ),
    Row("cert renew", "signed by another", on("signed", "cert", "renew"), 1, "--self-signed"),
]

# Verbs that no state of a node can refuse, or whose refusals are the node's (below, by their routes).
NODE_REASONS = {
    "ha status": "reads",
    "cert ca": "reads",
    "cert show": "reads",
    "audit list": "reads",
    "audit verify": "reads",
    "find": "reads",
    "ls": "reads",
    "history": "reads",
    "shares": "reads",
    "why": "reads",
    "offers": "reads",
    "user list": "reads",
    "team list": "reads",
    "changes": "reads",
    "conflicts": "reads",
    "gen": "asks nobody",
    "ha alert": "sends a test to the receivers; there are none, or they are told",
}


def prepare(s):
    """Files that some rows need."""
    f = s.folder
    if (f / "good.zip").exists():
        return
    s.a.run("key", "new", f / "other.key")
    give(f / "other.key")
    (f / "no.key").write_text("no key\n")
    (f / "no.key").chmod(0o400)
    give(f / "no.key")
    (f / "empty").mkdir(mode=0o751)
    (f / "empty.zip").touch()
    (f / "closed").mkdir(mode=0o700)
    (s.a.home / "replication/HAPack-127.0.0.3.zip").mkdir()
    if os.geteuid() != 0:
        (f / "closed").chmod(0o500)
    made = s.a.home / "replication/b.zip"
    s.a.run("backup", made, "--home", s.a.home)
    shutil.move(made, f / "good.zip")
    whole = (f / "good.zip").read_bytes()
    (f / "short-backup.zip").write_bytes(whole[: len(whole) // 2])
    for name, data in (("cut.zip", cut_pack(s, f)), ("foreign.zip", foreign_pack(s, f))):
        (f / name).write_bytes(data)
    for name in ("good.zip", "short-backup.zip", "cut.zip", "foreign.zip"):
        give(f / name)
    (s.fresh.home / "pack").mkdir(mode=0o700)
    (s.fresh.home / "pack/node.sealed").write_bytes(b"of a pack that waits")
    (s.fresh.home / "pack/node.sealed").chmod(0o644)  # as unzip leaves it
    for p in (s.fresh.home / "pack", s.fresh.home / "pack/node.sealed"):
        give(p)
    out_of_date(f, "over")


def edited_pack(s, to, edit):
    with zipfile.ZipFile(s.pack) as old, zipfile.ZipFile(to, "w") as new:
        for i in old.infolist():
            data = old.read(i.filename)
            new.writestr(i.filename, edit(data) if i.filename.endswith("manifest.json") else data)
    return to.read_bytes()


def cut_pack(s, folder):
    """One for the fresh node of which the middle was lost."""
    data = bytearray(
        edited_pack(
            s, folder / "cut.zip", lambda m: m.replace(b'"secondary_name":"127.0.0.2"', b'"secondary_name":"127.0.0.3"')
        )
    )
    data[len(data) // 2] ^= 1
    return bytes(data)


def foreign_pack(s, folder):
    return edited_pack(s, folder / "foreign.zip", lambda m: re.sub(rb'"pair":"\d', b'"pair":"0', m))


def certificate_of_another(node, folder):
    """A web certificate that an authority signed."""
    chain, key = Authority(folder).make("localhost")
    shutil.copy(chain, node.web_cert)
    shutil.copy(key, node.home / "conf/tls/web.key")
    for p in (node.web_cert, node.home / "conf/tls/web.key"):
        give(p)


@pytest.fixture(scope="module")
def ready(stage, template):
    stage.signed = stage.node("signed", "localhost", 1, 2, "127.0.0.1")
    copy_of(template, stage.signed)
    certificate_of_another(stage.signed, stage.folder)
    prepare(stage)
    return stage


@pytest.mark.parametrize("row", NODE_ROWS, ids=lambda r: f"{r.verb}: {r.how}")
def test_a_verb_that_is_refused_changes_nothing(ready, row):
    with nothing_changes(ready.folder, (ready.a, ready.b)):
        p = ready.a.run(*row.args(ready), check=False, input="", timeout=60)
        assert p.returncode == row.code and row.words in re.sub(r"\s+", " ", p.stderr), (
            p.returncode,
            p.stdout,
            p.stderr,
        )
    if row.verb == "ha setup":  # it is what the pair is Failed by
        ready.a.wait_status(0)


# ---- the verbs of users ----

U = namedtuple("U", "verb how who args code words input events")
U.__new__.__defaults__ = ("", ())

# {long}: a login that is too long. Who: admin, ada (owns web/root, shared with carol to view), carol (in the team ops), bob (a stranger), none (no session).
USER_ROWS = [
    U(
        "login",
        "wrong password",
        "none",
        "login --ca {ca} {url} ada",
        1,
        "wrong",
        "not-the-password-1\n",
        ("login_failed",),
    ),
    U(
        "login",
        "unknown user",
        "none",
        "login --ca {ca} {url} nobody",
        1,
        "wrong",
        "not-the-password-1\n",
        ("login_failed",),
    ),
    U("login", "nobody there", "none", "login --ca {ca} 127.0.0.1:9 ada", 3, "", "x\n"),
    U(
        "login",
        "wrong token",
        "none",
        "login --setup --ca {ca} {url} ada",
        1,
        "",
        "no-token\nCorrect-Horse-9-battery\n",
        ("login_failed",),
    ),
    U("login", "no file for the session", "nowhere", "login --ca {ca} {url} ada", 1, "session", "{ada}\n"),
    U("logout", "not logged in", "none", "logout", 1, ""),
    U("get", "nothing there", "ada", "get web/nobody", 1, ""),
    U("get", "another's", "bob", "get web/root", 1, ""),
    U("put", "another's, to view", "carol", "put web/root", 1, "", "new\n", ("retrieved",)),
    U("put", "no name", "ada", "put x", 2, "", "new\n"),
    U("put", "another version", "ada", "put web/root --if-version 7", 1, "nothing was stored", "new\n", ("retrieved",)),
    U("rm", "nothing there", "ada", "rm --yes web/nobody", 1, "", "yes\n"),
    U("rm", "another's, to view", "carol", "rm --yes web/root", 1, "", "yes\n"),
    U("undelete", "nothing there", "ada", "undelete web/nobody", 1, ""),
    U("settle", "no such version", "ada", "settle web/root 9", 1, ""),
    U("settle", "another's, to view", "carol", "settle web/root 1", 1, ""),
    U("combine", "with itself", "ada", "combine web/root web/root", 1, "the same account"),
    U("combine", "unknown", "ada", "combine web/root web/nobody", 1, "which account"),
    U("combine", "another's, to view", "carol", "combine web/root web/root", 1, ""),
    U("rename", "no name", "ada", "rename web/root {long}", 1, "login"),
    U("rename", "unknown", "ada", "rename web/nobody other", 1, "which account"),
    U("rename", "a resource and a login", "ada", "rename --resource web root other", 2, "too much"),
    U("rename", "another's, to view", "carol", "rename web/root other", 1, ""),
    U("approve", "nothing waits", "ada", "approve web/root 1", 1, ""),
    U("decline", "nothing waits", "ada", "decline web/root 1", 1, ""),
    U("share", "no such user", "ada", "share web/root nobody", 1, "no such user"),
    U("share", "no such level", "ada", "share web/root bob all", 1, "level"),
    U("share", "an end that is past", "ada", "share web/root bob --until 2001-01-31", 2, "that is to come"),
    U("share", "another's, to view", "carol", "share web/root bob", 1, ""),
    U("unshare", "not shared", "ada", "unshare web/root bob", 1, "not shared"),
    U("unshare", "another's, to view", "carol", "unshare web/root bob", 1, "does not allow"),
    U("offer", "no such user", "ada", "offer web nobody", 1, "no such user"),
    U("offer", "one's own already", "ada", "offer web ada", 1, "yours already"),
    U("offer", "another's, to view", "carol", "offer web bob", 1, ""),
    U("accept", "nothing is offered", "bob", "accept web", 1, "waits for your answer"),
    U("refuse", "nothing is offered", "bob", "refuse web", 1, "waits for your answer"),
    U("user leave", "no receiver", "admin", "user leave ada", 2, "--to NAME"),
    U("user leave", "to themselves", "admin", "user leave ada --to ada --yes", 1, "the user who leaves"),
    U("user leave", "not an administrator", "bob", "user leave ada --to bob --yes", 1, ""),
    U("import", "no such file", "ada", "import {folder}/none.csv", 1, "none.csv"),
    U("import", "no header", "ada", "import {folder}/bad.csv", 1, ""),
    U(
        "passwd",
        "wrong old one",
        "ada",
        "passwd",
        1,
        "password is wrong",
        "not-the-password-1\nCorrect-Horse-8-battery\n",
    ),
    U("passwd", "weak new one", "ada", "passwd", 1, "password", "{ada}\nshort\n"),
    U("totp", "none to remove", "ada", "totp --off", 1, "no second factor", "{ada}\n"),
    U("totp", "wrong password", "ada", "totp", 1, "password is wrong", "not-the-password-1\n"),
    U("totp", "wrong code", "ada", "totp", 1, "", "{ada}\n000000\n"),
    U("user add", "is there", "admin", "user add ada", 1, "there"),
    U("user add", "no name", "admin", "user add {long}", 1, "name"),
    U("user add", "not an administrator", "ada", "user add new", 1, ""),
    U("user disable", "oneself", "admin", "user disable admin", 1, "yourself"),
    U("user disable", "unknown", "admin", "user disable nobody", 1, "nobody"),
    U("user disable", "not an administrator", "ada", "user disable bob", 1, ""),
    U("user logout", "unknown", "admin", "user logout nobody", 1, "nobody"),
    U("user logout", "not an administrator", "ada", "user logout bob", 1, ""),
    U("user release", "oneself", "admin", "user release admin", 1, "yourself"),
    U("user release", "unknown", "admin", "user release nobody", 1, "nobody"),
    U("user release", "not an administrator", "ada", "user release bob", 1, ""),
    U("user enable", "unknown", "admin", "user enable nobody", 1, "nobody"),
    U("user promote", "not an administrator", "ada", "user promote ada", 1, ""),
    U("user promote", "unknown", "admin", "user promote nobody", 1, "nobody"),
    U("user role", "no such role", "admin", "user role ada king", 1, "auditor, user"),
    U("user role", "oneself", "admin", "user role admin auditor", 1, "yourself"),
    U("user role", "not an administrator", "ada", "user role ada auditor", 1, ""),
    U("user demote", "oneself", "admin", "user demote admin", 1, "yourself"),
    U("user rename", "is there", "admin", "user rename bob ADA", 1, "already"),
    U("user rename", "unknown", "admin", "user rename nobody other", 1, "nobody"),
    U("user rename", "not an administrator", "ada", "user rename bob other", 1, ""),
    U("user reset", "oneself", "admin", "user reset admin", 1, "old one"),
    U("user reset", "not an administrator", "ada", "user reset admin", 1, ""),
    U("user totp-off", "oneself", "admin", "user totp-off admin", 1, "totp --off"),
    U("user totp-off", "unknown", "admin", "user totp-off nobody", 1, "nobody"),
    U("team add", "is there", "admin", "team add OPS", 1, "already"),
    U("team add", "not an administrator", "ada", "team add mine", 1, ""),
    U("team rename", "unknown", "admin", "team rename nobody other", 1, "nobody"),
    U("team rename", "is there", "admin", "team rename ops bob", 1, "already"),
    U("team remove", "unknown", "admin", "team remove nobody", 1, "nobody"),
    U("team remove", "not an administrator", "carol", "team remove ops", 1, ""),
    U("member list", "another's", "bob", "member list ops", 1, "ops"),
    U("member add", "no such user", "admin", "member add ops nobody", 1, "no such user"),
    U("member add", "is in it", "admin", "member add ops carol", 1, "already"),
    U("member add", "not an administrator", "carol", "member add ops bob", 1, ""),
    U("member remove", "is not in it", "admin", "member remove ops bob", 1, "not in this team"),
    U("member remove", "not an administrator", "carol", "member remove ops carol", 1, ""),
    U("share", "a folder, to view", "carol", "share --folder net bob", 1, "does not allow"),
    U("folder add", "is there", "ada", "folder add NET", 1, "already"),
    U("folder add", "in one that they do not see", "bob", "folder add net/mine", 1, "no folder"),
    U("folder add", "in one to view", "carol", "folder add net/mine", 1, "does not allow"),
    U("folder list", "one that they do not see", "bob", "folder list net", 1, "no folder"),
    U("folder rename", "is there", "ada", "folder rename net Lab", 1, "already"),
    U("folder rename", "to view", "carol", "folder rename net other", 1, "does not allow"),
    U("folder move", "into itself", "ada", "folder move lab lab/inner --yes", 1, "in itself"),
    U("folder move", "nobody to ask", "ada", "folder move net lab", 2, "--yes"),
    U("folder remove", "to view", "carol", "folder remove net", 1, "does not allow"),
    U("folder remove", "not empty", "ada", "folder remove lab", 1, "not empty"),
    U("move", "no such folder", "ada", "move web nowhere --yes", 1, "no folder"),
    U("move", "another's, to view", "carol", "move web net --yes", 1, "does not allow"),
    U("policy emergency-changes", "not an administrator", "ada", "policy emergency-changes on", 1, ""),
    U("policy emergency-changes", "no such state", "admin", "policy emergency-changes perhaps", 1, ""),
    U("policy emergency-changes", "no such resource", "admin", "policy emergency-changes on nowhere", 1, ""),
    U("audit accept", "not an administrator", "ada", "audit accept because", 1, ""),
    U("audit export", "no folder", "admin", "audit export {folder}/bad.csv/log", 1, "bad.csv"),
    U("audit export", "is there", "admin", "audit export {folder}/good.zip", 1, "--force to replace"),
    U(
        "audit export",
        "no file, for all that is said",
        "admin",
        "audit export --force {folder}/empty",
        1,
        "no plain file",
    ),
    U("audit export", "not an administrator", "ada", "audit export {folder}/log", 1, ""),
    U("ha unlock", "a primary", "admin", "ha unlock", 1, "nothing is locked"),
    U("ha unlock", "not an administrator", "ada", "ha unlock", 1, ""),
]


@pytest.fixture(scope="module")
def people(ready):
    """admin, ada who owns web/root, bob who has nothing, carol who may view it and is in the team ops."""
    s = ready
    last_seen.clear()
    who = {"admin": s.admin, **{n: s.hire(n) for n in ("ada", "bob", "carol")}}
    who["ada"].good("put", "web/root", input="first-secret\n")
    who["ada"].good("share", "web/root", "carol")
    for path in ("net", "lab", "lab/inner"):
        who["ada"].good("folder", "add", path)
    who["ada"].good("share", "--folder", "net", "carol")
    who["carol"].accept_all()
    s.admin.good("team", "add", "ops")
    s.admin.good("member", "add", "ops", "carol")
    (s.folder / "bad.csv").write_text("one,two\n1,2\n")
    return who


@pytest.mark.parametrize("row", USER_ROWS, ids=lambda r: f"{r.verb}: {r.how}")
def test_a_users_verb_that_is_refused_changes_nothing(ready, people, row):
    s = ready
    session = {"none": s.folder / "none.session", "nowhere": s.folder / "bad.csv/all.session"}.get(row.who) or people[
        row.who
    ].session
    words = {"ca": s.a.web_cert, "url": s.a.url, "folder": s.folder, "long": "x" * 300, "ada": people["ada"].password}
    args = [w.format(**words) for w in row.args.split()]
    with nothing_changes(s.folder, (s.a, s.b), events=row.events):
        p = s.a.cli(*args, session=session, check=False, input=row.input.format(**words))
        assert p.returncode == row.code and row.words in re.sub(r"\s+", " ", p.stderr), (
            p.returncode,
            p.stdout,
            p.stderr,
        )


def refused_elsewhere():
    """Verbs that a test beside this file is marked to refuse: those of a noun that has its tests to itself."""
    tests = "".join(
        f.read_text() for f in sorted(Path(__file__).parent.glob("test_*.py")) if f.name != Path(__file__).name
    )
    return set(re.findall(r"^@pytest\.mark\.refuses\(\"([^\"]+)\"\)", tests, re.M))


def test_every_verb_has_its_refusals(holdfast):
    """A new one needs a row, a test that is marked to refuse it, or a reason why nothing refuses it."""
    covered = {r.verb for r in NODE_ROWS} | {r.verb for r in USER_ROWS}
    assert not (covered | refused_elsewhere()) & NODE_REASONS.keys() and not covered & refused_elsewhere()
    assert sorted(verbs_of(holdfast)) == sorted(covered | refused_elsewhere() | NODE_REASONS.keys())


# ---- a set-up that is refused late, or given up ----


def single(stage, template, name):
    """A node that was never in a pair, with ports that are its own. It lies in the folder that is looked at."""
    last_seen.clear()
    ports = Ports()
    n = stage.node(name, "localhost", ports.take(), ports.take(), "127.0.0.1")
    copy_of(template, n).start()
    members_are_known(n)
    return n


def members_are_known(n):
    """The agent writes once, soon after a first start, whose certificates the channel takes; until then it takes any of the authority's."""
    wait_until(
        "the members are known",
        (n.home / "data/pg/pg_ident.conf").read_text,
        lambda text: "/^.*$" not in text,
        every=0.1,
    )


def test_a_setup_whose_port_is_taken_changes_nothing(stage, template):
    """PostgreSQL is not restarted for a port that it cannot have (H13)."""
    n = single(stage, template, "taken")
    try:
        postmaster = n.pids("postmaster")
        with socket.create_server(("127.0.0.1", int(n.pair_listen.rsplit(":", 1)[1]))), nothing_changes(
            n.home.parent, (n,)
        ):
            p = n.run("ha", "setup", "localhost", "127.0.0.2", "--home", n.home, check=False)
            assert p.returncode == 1 and "in use by another program" in p.stderr and "pair_listen" in p.stderr, p.stderr
        assert n.pids("postmaster") == postmaster
    finally:
        n.end()


def test_a_setup_that_fails_takes_back_what_it_did(stage, template):
    """The pack cannot be written: certificates, port and row go, by an event where one told of them; then it is repeated, and works."""
    n = single(stage, template, "failing")
    try:
        part = n.home / "replication/HAPack-127.0.0.2.zip.part"
        part.mkdir()  # in the way of the last step
        (part / "x").write_text("x")
        # Between making its certificates and taking them back the node may tell of them.
        allowed = ("node_joined", "node_removed", "ha_state", "node_cert")
        with nothing_changes(n.home.parent, (n,), events=allowed, tables=("node", "ending")):
            p = n.run("ha", "setup", "localhost", "127.0.0.2", "--home", n.home, check=False)
            assert p.returncode == 1 and ".part" in p.stderr, p.stderr
        wait_until("its row is gone", lambda: n.sql("SELECT count(*) FROM node"), lambda rows: rows == [["1"]])
        assert not (n.home / "conf/tls/pair.crt").exists()
        n.wait_status(5)
        shutil.rmtree(part)
        n.run("ha", "setup", "localhost", "127.0.0.2", "--home", n.home)
        assert (n.home / "replication/HAPack-127.0.0.2.zip").exists()
    finally:
        n.end()


# ---- files of the home that are damaged ----

HOME_FILES = ["conf/holdfast.conf", "conf/node.conf", "conf/manage_key.conf", "conf/tls/web.crt", "conf/tls/web.key"]


@pytest.mark.parametrize("how", ["empty", "zeroed", "missing", "folder"])
@pytest.mark.parametrize("rel", HOME_FILES)
def test_a_damaged_file_of_the_home_is_named(template, new_node, rel, how):
    """Of what init writes serve says which file it is, and goes by no default in its place. Nothing else changes."""
    n = copy_of(template, new_node())
    path = n.home / rel
    was = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir(mode=0o700)
    elif how != "missing":
        path.write_bytes(b"" if how == "empty" else b"\0" * len(was))
        path.chmod(0o600)
    give(n.home if how == "missing" else path)
    before = fingerprint(n.home.parent)
    p = n.run("serve", "--home", n.home, check=False, timeout=60)
    said = re.sub(r"\s+", " ", p.stderr)
    assert p.returncode == 1 and (
        rel in said or how == "missing" and rel == "conf/node.conf" and "holdfast init" in said
    ), said
    assert fingerprint(n.home.parent) == before


# Of what comes with running, and what a pair adds: who reads it, and what is said when it is damaged. A word of serve's is a refusal of the start;
# one of the log is a recovery that says what was lost.
class Damage:
    REFUSED, SAID, MADE = "serve names the file", "the log says what is lost", "made anew at each start"


CERTS = ("conf/tls/pair.crt", "conf/tls/pair.key", "conf/tls/pair-ca.crt")
CA_KEY = "conf/tls/pair-ca.key.sealed"
PAIR_FILES = [
    *[
        (node, rel, how, Damage.REFUSED, rel)
        for node in "ab"
        for rel in CERTS
        for how in ("empty", "zeroed", "missing", "folder")
    ],
    *[
        (node, rel, "folder", Damage.REFUSED, rel)
        for node in "ab"
        for rel in (
            "data/anchor",
            "data/witness",
            "data/journal.db",
            "data/outbox.db",
            "replication/emergency.conf",
            "replication/maintenance.conf",
            "replication/rejoin.conf",
        )
    ],
    *[("b", "conf/pair.conf", how, Damage.REFUSED, "conf/pair.conf") for how in ("empty", "zeroed", "folder")],
    ("b", "conf/pair.conf", "missing", Damage.SAID, "conf/pair.conf is gone"),
    # All that says on the disk that there is a pair: the node does not serve alone unasked.
    *[
        (node, " ".join(rels), "missing", Damage.REFUSED, "serve --without-pair")
        for node in "ab"
        for rels in (CERTS[:2], CERTS, [*CERTS, "conf/tls/pair-ca.key.sealed", "conf/pair.conf"])
    ],
    *[
        (node, "conf/tls/trusted/office.pem", how, Damage.REFUSED, "conf/tls/trusted/office.pem")
        for node in "ab"
        for how in ("empty", "zeroed", "folder")
    ],
    *[(node, CA_KEY, "folder", Damage.REFUSED, CA_KEY) for node in "ab"],
    *[
        (node, CA_KEY, how, Damage.SAID, "Copy that file here from another node")
        for node in "ab"
        for how in ("empty", "zeroed", "missing")
    ],
    *[("a", "data/outbox.db", how, Damage.SAID, "alerts that waited in it are lost") for how in ("empty", "zeroed")],
    *[("b", "data/journal.db", how, Damage.SAID, "its end was removed from outside") for how in ("empty", "missing")],
    *[(node, "data/journal.db", "zeroed", Damage.SAID, "data/journal.db was left as it is") for node in "ab"],
    ("a", "data/journal.db", "another's", Damage.SAID, "data/journal.db belongs to another node"),
    *[("b", "replication/emergency.conf", how, Damage.SAID, "ha emergency on") for how in ("empty", "zeroed")],
    *[("b", "replication/maintenance.conf", how, Damage.SAID, "ha maintenance") for how in ("empty", "zeroed")],
    *[("b", "data/witness", how, Damage.SAID, "ends of the logs is gone") for how in ("empty", "zeroed", "missing")],
    *[("a", "data/anchor", how, Damage.SAID, "anchor of this node's log") for how in ("empty", "zeroed", "missing")],
    *[("a", "run/primary.pem", how, Damage.MADE, "") for how in ("empty", "zeroed", "missing")],
]


@pytest.fixture(scope="module")
def halted(holdfast):
    """A pair, both nodes stopped, with receivers of alerts and a certificate that was imported; the secondary with orders of its operator."""
    with scratch_folder() as folder:
        s, ports = Stage.__new__(Stage), Ports()
        s.folder, s.holdfast = folder, holdfast
        https, pair = ports.take(), ports.take()
        nodes = {"a": s.node("a", "127.0.0.1", https, pair), "b": s.node("b", "127.0.0.2", https, pair)}
        try:
            make_pair_of(nodes["a"], nodes["b"])
            nodes["b"].run("ha", "emergency", "on", "--home", nodes["b"].home)
            nodes["b"].run("ha", "maintenance", "2h", "because", "--home", nodes["b"].home)
            nodes["a"].stop()
            # In the journal alone: a log-in that was refused while the primary was gone.
            b = nodes["b"]
            b.wait_state("emergency")
            p = b.cli(
                *("login", "--ca", b.web_cert, b.url, "nobody"),
                session=folder / "none.session",
                check=False,
                input="not-the-password-1\n",
            )
            assert p.returncode == 1 and "wrong" in p.stderr, p.stderr
            b.stop()
            for n in nodes.values():
                office = n.home / "conf/tls/trusted/office.pem"
                shutil.copy(n.web_cert, office)
                give(office)
                with open(n.home / "conf/holdfast.conf", "a") as f:
                    f.write("alert_syslog = 127.0.0.1:9\n")
                subprocess.run(["cp", "-a", n.home, f"{n.home}.was"], check=True)
            yield nodes
        finally:
            for n in nodes.values():
                n.end()


def damage(path, how, others=None):
    was = path.read_bytes() if path.exists() else b"x" * 80
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    if how == "folder":
        path.mkdir(mode=0o700)
    elif how == "another's":
        shutil.copy(others, path)
    elif how != "missing":
        path.write_bytes(b"" if how == "empty" else b"\0" * len(was))
        path.chmod(0o600)
    if how != "missing":
        give(path)


def as_it_was(n, rel):
    path = n.home / rel
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    for name in [""] if rel == "." else ["", "-wal", "-shm"]:
        if os.path.exists(f"{n.home}.was/{rel}{name}"):
            subprocess.run(["cp", "-a", f"{n.home}.was/{rel}{name}", f"{path}{name}"], check=True)


@pytest.mark.parametrize("node,rel,how,outcome,word", PAIR_FILES, ids=lambda v: v or "-")
def test_a_damaged_file_of_a_pair_is_named(halted, node, rel, how, outcome, word):
    """Absent is not empty, and neither is a default: before anything starts, or in so many words (H13, H14)."""
    n = halted[node]
    for each in rel.split():
        damage(n.home / each, how, Path(f"{halted['b'].home}.was/{each}"))
    if outcome == Damage.REFUSED:
        before = fingerprint(n.home)
        p = n.run("serve", "--home", n.home, check=False, timeout=60)
        assert p.returncode == 1 and word in re.sub(r"\s+", " ", p.stderr), p.stderr
        assert fingerprint(n.home) == before
        for each in rel.split():
            as_it_was(n, each)
        return
    n.log.write_text("")
    n.start(wait=False)
    try:
        wait_until(f"the log of {node} says '{word}'", lambda: word in n.log.read_text(), also=n.log_tail)
    finally:
        n.end()
        as_it_was(n, ".")


def lose_certificates(n):
    """And what the configuration says of them, as an interrupted start may leave it: only the database knows."""
    for rel in CERTS[:2]:
        (n.home / rel).unlink()
    conf = n.home / "data/pg/holdfast.conf"
    conf.write_text(re.sub(r"^(ssl|listen_addresses) = .*\n", "", conf.read_text(), flags=re.M))


def test_a_lone_node_is_asked_for(halted):
    """The database says that there is a pair, too. Whoever has no copy of the certificates has a way on: alone, until there are new ones (H14)."""
    n, other = halted["a"], halted["b"]
    lose_certificates(n)
    try:
        p = n.run("serve", "--home", n.home, check=False, timeout=60)
        said = re.sub(r"\s+", " ", p.stderr)
        assert p.returncode == 1 and "the database names 1 other node" in said and "--without-pair" in said, p.stderr
        n.start(more=["--without-pair"])
        n.wait_status(4)
        n.run("ha", "setup", n.name, other.name, "--home", n.home)
        n.stop()
        n.start()
        pack = n.home / f"replication/HAPack-{other.name}.zip"
        assert all((n.home / rel).exists() for rel in CERTS) and pack.exists()
    finally:
        n.end()
        as_it_was(n, ".")


# ---- the routes ----


def changing_routes():
    """Every route that is not a GET: (method, path, whether it is open to anyone). Imports, which are no JSON, have rows by their verb;
    to stop one that is not there is no refusal."""
    sources = "".join(f.read_text() for f in sorted((ROOT / "src/api").glob("*.c")))
    rows = re.findall(r"\{ HTTP_(\w+), \"([^\"]+)\",[^,]+, [^,]+, ([^\n]*)", sources)
    return [(m, p, "ROUTE_PUBLIC" in rest) for m, p, rest in rows if m != "GET" and not p.startswith("/v1/import")]


NOBODY = "01900000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("method,path,public", changing_routes(), ids=lambda v: str(v))
def test_a_route_that_is_refused_changes_nothing(ready, people, method, path, public):
    """Without a session, with a field that nobody knows, for something that is not there, by somebody who may not."""
    s = ready
    target = re.sub(r"\{\w+\}", NOBODY, path)
    anyone = type(people["ada"].api)(s.a)
    with nothing_changes(s.folder, (s.a, s.b), events=("retrieved",)):
        replies = [people[who].api.call(method, target, {"no such field": 1}) for who in ("bob", "admin")]
        if not public:
            replies.append(anyone.call(method, target, {}))
        if "{" in path:
            replies += [people[who].api.call(method, target) for who in ("bob", "admin")]
        assert all(400 <= r.status < 500 for r in replies), replies


# One good field beside one that is refused: neither is taken.
MIXED = [
    ("PATCH", "resource", {"description": "new", "owner": "bob"}),
    ("PATCH", "resource", {"description": "new", "name": ""}),
    ("PATCH", "account", {"description": "new", "login": " blank "}),
    ("PATCH", "account", {"description": "new", "conflict": "perhaps"}),
    ("PATCH", "user", {"disabled": True, "role": "king"}),
    ("PATCH", "user", {"reset_password": True, "remove_totp": 1}),
    ("PATCH", "self", {"remove_totp": True, "role": "user"}),
    ("POST", "accounts", {"login": "second", "fields": {}}),
    ("POST", "accounts", {"login": "root", "fields": {"password": "x"}}),
]


@pytest.mark.parametrize("method,what,body", MIXED, ids=lambda v: json.dumps(v) if isinstance(v, dict) else str(v))
def test_of_several_fields_none_is_taken_when_one_is_refused(ready, people, method, what, body):
    s, ada, admin = ready, people["ada"].api, people["admin"].api
    found = ada.must("GET", "/v1/resources?q=web")["resources"][0]
    account = ada.must("GET", f"/v1/resources/{found['id']}/accounts")["accounts"][0]["id"]
    user = {n: admin.must("GET", f"/v1/users?q={n}")["users"][0]["id"] for n in ("bob", "admin")}
    api, path = {
        "resource": (ada, f"resources/{found['id']}"),
        "account": (ada, f"accounts/{account}"),
        "accounts": (ada, f"resources/{found['id']}/accounts"),
        "user": (admin, f"users/{user['bob']}"),
        "self": (admin, f"users/{user['admin']}"),
    }[what]
    with nothing_changes(s.folder, (s.a, s.b)):
        r = api.call(method, f"/v1/{path}", body)
        assert 400 <= r.status < 500, r
