# SPDX-License-Identifier: Apache-2.0
"""One authority per vault, from init: who trusts it trusts every node, and it is for nothing but its own domains and networks."""
import json
import re
import shutil
import socket
import ssl

import pytest

from certs import openssl, put_in, self_signed, shows
from faultpage import FaultPage
from nodes import Person, Ports, scratch_folder
from pair import PASSWORD, give
from packs import Stage, join, make_node
from wait import wait_until


DAY = 86400
PARTS = ("pair-ca.crt", "pair-ca.key.sealed")


class Vault(Stage):
    def __init__(self, holdfast, folder):
        super().__init__(holdfast, folder)
        self.boss = Person(self.primary, "admin", self.primary.setup_token(), PASSWORD, folder)
        self.boss.good("put", "srv/x", input="the secret\n")
        self.other = self.secondary()
        self.before_joining = sorted(p.name for p in (self.other.home / "conf/tls").glob("pair-ca*"))
        join(self.other, self.pack)
        self.other.start()
        self.alive()

    def alive(self):
        for n in (self.primary, self.other):
            n.wait_status(0)

    def shown(self, node, what="web"):
        return json.loads(node.run("cert", "show", "--json", "--home", node.home).stdout)[what]

    def login(self, node, *args, host=None):
        """A session that begins at that node; its file."""
        session = self.folder / f"{len(list(self.folder.glob('*.session')))}.session"
        p = self.primary.cli(
            "login", *args, host or node.url, "admin", session=session, input=f"{PASSWORD}\n", check=False
        )
        return session, p

    def get(self, session):
        return self.primary.cli("get", "srv/x", session=session, check=False)


@pytest.fixture(scope="module")
def vault(holdfast):
    with scratch_folder() as folder:
        v = Vault(holdfast, folder)
        try:
            yield v
        finally:
            for n in v.made:
                n.kill()


@pytest.fixture(scope="module")
def root(vault):
    """What `cert ca` writes, as a browser would have it: a file, and nothing else trusted."""
    path = vault.folder / "vault-ca.crt"
    path.write_text(vault.primary.run("cert", "ca", "--home", vault.primary.home).stdout)
    path.chmod(0o644)
    return path


def fingerprint(vault):
    """As init printed it."""
    return re.search(r"SHA-256 fingerprint is\s+([0-9a-f]{64})", vault.primary.init_output)[1]


def test_init_makes_it_and_a_secondary_has_it_from_the_pack(vault, root):
    said = openssl("x509", "-in", root, "-noout", "-fingerprint", "-sha256")
    assert said.split("=")[1].replace(":", "").strip().lower() == fingerprint(vault)
    assert vault.before_joining == []
    files = [(n.home / f"conf/tls/{name}").read_bytes() for n in (vault.primary, vault.other) for name in PARTS]
    assert files[:2] == files[2:]
    # Its key is nowhere in the clear: neither in the home, nor in what the processes were given.
    assert b"PRIVATE" not in files[1]
    for n in (vault.primary, vault.other):
        assert vault.shown(n, "pair-ca")["sha256"] == fingerprint(vault)
        assert vault.shown(n)["issuer"] == vault.shown(n, "pair")["issuer"] == vault.shown(n, "pair-ca")["subject"]


def test_its_key_is_not_shown_with_the_log(vault):
    """Not even sealed: what is sealed says nothing to a person and something to an attacker."""
    rows = vault.boss.json("audit", "list")
    (made,) = [e["body"] for e in rows if e["kind"] == "authority_made"]
    assert made["sha256"] == fingerprint(vault) and "BEGIN CERTIFICATE" in made["cert"]
    assert set(made) == {"sha256", "generation", "ends_at", "cert"}


def words_of(text):
    """The 32 words of a fingerprint that a person was shown."""
    return re.search(r"in words\n((?:  .+\n){6})", text)[1].split()


def test_its_fingerprint_is_said_in_the_same_words_everywhere(vault):
    """As a colleague hears them on the telephone: at init, on each node and at the login."""
    words = words_of(vault.primary.init_output)
    assert len(words) == 32
    for n in (vault.primary, vault.other):
        assert vault.shown(n, "pair-ca")["words"].split() == words
        assert words_of(n.run("cert", "show", "--home", n.home).stdout) == words
    session, p = vault.login(vault.primary)
    assert words_of(p.stderr) == words
    drawn = vault.primary.run("cert", "show", "--qr", "--home", vault.primary.home).stdout
    assert len([line for line in drawn.splitlines() if line and set(line) <= set(" ▄▀█")]) >= 15
    p = vault.primary.run("cert", "show", "--qr", "--json", "--home", vault.primary.home, check=False)
    assert p.returncode == 2 and "without --json" in json.loads(p.stdout)["error"]["message"]


def test_who_trusts_it_trusts_every_node(vault, root):
    """H3. By another library than ours as well, which holds each certificate against the constraints."""
    context = ssl.create_default_context(cafile=root)
    for n in (vault.primary, vault.other):
        with socket.create_connection((n.address, n.port)) as plain:
            with context.wrap_socket(plain, server_hostname=n.name) as s:
                assert s.version() == "TLSv1.3"


def test_a_login_trusts_all_nodes(vault, root):
    """H5: a login at the primary is all that a user needs; the other node was never confirmed, and its certificate never announced to them."""
    session, p = vault.login(vault.primary)
    assert p.returncode == 1 and f"--trust {fingerprint(vault)}" in p.stderr, p.stderr
    session, p = vault.login(vault.primary, "--trust", fingerprint(vault)[:-1] + "x")
    assert p.returncode == 1 and "nothing was sent" in p.stderr, p.stderr
    sessions = []
    for trust in (("--trust", fingerprint(vault)), ("--ca", root)):
        session, p = vault.login(vault.primary, *trust)
        assert p.returncode == 0, p.stderr
        text = json.loads(session.read_text())
        assert text["authority"].strip() == root.read_text().strip() and not text["pin"]
        for node in text["nodes"]:
            node["cert"] = ""
        session.write_text(json.dumps(text))
        sessions.append(session)
    vault.primary.kill()
    try:
        vault.other.wait_state("emergency")
        for session in sessions:
            p = vault.get(session)
            assert p.returncode == 0 and "the secret" in p.stdout, p.stderr
        session, p = vault.login(vault.other, "--trust", fingerprint(vault))
        assert p.returncode == 0, p.stderr
    finally:
        vault.primary.start()
        vault.alive()


def test_the_fingerprint_of_one_node_is_trusted_for_that_one(vault):
    session, p = vault.login(vault.primary, "--trust", vault.shown(vault.primary)["sha256"])
    assert p.returncode == 0, p.stderr
    text = json.loads(session.read_text())
    assert not text["authority"] and text["pin"].count("BEGIN CERTIFICATE") == 1


@pytest.mark.parametrize("node", ["primary", "other"])
def test_further_names_come_with_a_renewal(vault, root, node):
    """Each node renews its own, without a stop; sessions go on."""
    n = getattr(vault, node)
    session, p = vault.login(vault.primary, "--ca", root)
    before, pids = vault.shown(n), n.pids("vaultd")
    refused = n.run("cert", "renew", "--web", "--also", "vault.example.com", "--home", n.home, check=False)
    assert refused.returncode == 1 and "lies outside" in refused.stderr, refused.stderr
    assert vault.shown(n) == before
    n.run("cert", "renew", "--web", "--also", "127.0.0.77,LOCALHOST", "--home", n.home)
    assert vault.shown(n)["names"] == f"{before['names']}, 127.0.0.77"
    shows(n)
    vault.alive()
    assert n.pids("vaultd") == pids and "the secret" in vault.get(session).stdout


def test_a_name_outside_is_refused_before_anything_changes(vault):
    p = vault.primary.run("ha", "setup", "127.0.0.1", "192.0.2.1", "--home", vault.primary.home, check=False)
    assert p.returncode == 1 and "192.0.2.1 lies outside of what the vault's authority may sign for" in p.stderr
    assert "127.0.0.0/8" in p.stderr and "Nothing was changed" in p.stderr, p.stderr
    assert "holdfast cert renew --authority --domain" in p.stderr, p.stderr
    assert vault.primary.sql("SELECT count(*) FROM node")[0][0] == "2"


def test_another_authority_is_refused_on_a_secondary(vault):
    """Only a primary can write into the log; whoever says --domain alone changes nothing."""
    before = [(n.home / "conf/tls" / name).read_bytes() for n in (vault.primary, vault.other) for name in PARTS]
    for n in (vault.primary, vault.other):
        p = n.run("cert", "renew", "--domain", "com", "--home", n.home, check=False)
        assert p.returncode == 2 and "give --authority too" in p.stderr, p.stderr
    p = vault.other.run("cert", "renew", "--authority", "--home", vault.other.home, check=False)
    assert p.returncode == 1 and "run this on the primary" in p.stderr, p.stderr
    assert before == [(n.home / "conf/tls" / name).read_bytes() for n in (vault.primary, vault.other) for name in PARTS]


def test_what_it_is_for_is_said_at_init(holdfast):
    """The domain of the first name and the addresses, or what --domain says."""
    with scratch_folder() as folder:
        rows = (
            ("vault.example.org", (), "example.org, 127.0.0.1, localhost, 127.0.0.0/8, ::1"),
            ("vault", ("--also", "10.1.2.3"), "vault, 127.0.0.1, 10.1.2.3, localhost, 127.0.0.0/8, ::1"),
            ("v.lan", ("--domain", "lan,10.0.0.0/8"), "lan, 10.0.0.0/8, 127.0.0.1, localhost, 127.0.0.0/8, ::1"),
        )
        for name, more, scopes in rows:
            n = make_node(holdfast, folder, name, 1, 1)
            n.listen = n.pair_listen = "127.0.0.1:7272"
            p = n.run("init", "--home", folder / f"{name}.home", "--name", name, "--listen", n.listen, *more, "--json")
            assert json.loads(p.stdout)["authority_scopes"] == scopes
        for more, why in (
            (("--domain", "example.org"), "v.example.com lies outside"),
            (("--domain", "10.0.0.0/40,com"), '"10.0.0.0/40" is neither a domain nor a network'),
            (("--secondary", "--domain", "com"), "a secondary has from its primary"),
            (("--secondary", "--also", "v.example.com"), "comes with the pack"),
        ):
            p = n.run("init", "--home", folder / "no", "--name", "v.example.com", *more, check=False)
            assert p.returncode == 2 and why in p.stderr, p.stderr
            assert not (folder / "no").exists()


def test_a_node_from_before_gets_one_and_nobody_is_locked_out(holdfast):
    """A vault that has none makes one when it starts. Who confirmed the old certificate learns of it by an answer, and then by it of the next one."""
    with scratch_folder() as folder:
        stage = Single(holdfast, folder)
        n = stage.node
        try:
            session = folder / "old.session"
            n.cli(*("login", "--trust", stage.old_pin, n.url, "admin"), session=session, input=f"{PASSWORD}\n")
            wait_until("the vault has an authority", lambda: (n.home / "conf/tls/pair-ca.crt").exists())
            assert stage.cert("web")["sha256"] == stage.old_pin
            wait_until(
                "an answer tells of it",
                lambda: (n.cli("ls", session=session), json.loads(session.read_text())["vault"])[1],
            )
            n.run("cert", "renew", "--home", n.home)
            assert stage.cert("web")["issuer"] == stage.cert("pair-ca")["subject"]
            shows(n)
            n.cli("ls", session=session)
            # What belongs to it is the same after the next start.
            before = stage.cert("pair-ca")
            n.stop()
            n.start()
            n.cli("ls", session=session)
            assert stage.cert("pair-ca") == before
        finally:
            n.kill()


def test_another_authority_signs_for_more_and_nobody_is_locked_out(holdfast):
    """H14: both are trusted, so a session goes on through the change, and on to a node that the first one could not sign for."""
    with scratch_folder() as folder:
        a = Lone(holdfast, folder, "--domain", "127.0.0.1")
        b = None
        try:
            first = a.cert("pair-ca")
            session = a.login("--trust", first["sha256"])
            n = a.node
            p = n.run("ha", "setup", n.name, "192.0.2.1", "--home", n.home, check=False)
            assert p.returncode == 1 and "cert renew --authority --domain" in p.stderr, p.stderr
            p = n.run("cert", "renew", "--authority", "--domain", "example.org/8", "--home", n.home, check=False)
            assert p.returncode == 2 and "neither a domain nor a network" in p.stderr, p.stderr
            assert a.cert("pair-ca") == first
            web = a.cert("web")
            n.run("cert", "renew", "--authority", "--domain", "192.0.2.0/24,127.0.0.1", "--home", n.home)
            second = a.cert("pair-ca")
            assert (
                second["sha256"] != first["sha256"] and second["subject"] != first["subject"] and a.cert("web") == web
            )
            both = n.run("cert", "ca", "--home", n.home).stdout
            assert both.count("BEGIN CERTIFICATE") == 2
            wait_until(
                "an answer tells of both",
                lambda: (n.cli("ls", session=session), json.loads(session.read_text())["vault"])[1],
                lambda pem: pem.strip() == both.strip(),
            )
            n.run("cert", "renew", "--web", "--home", n.home)
            assert a.cert("web")["issuer"] == second["subject"]
            shows(n)
            n.cli("ls", session=session)
            assert a.login("--trust", second["sha256"])
            # Nothing shows the first one any more.
            wait_until(
                "the first one is trusted no more",
                lambda: n.run("cert", "ca", "--home", n.home).stdout.count("BEGIN CERTIFICATE"),
                lambda count: count == 1,
            )
            # A node of a new authority joins.
            n.run("cert", "renew", "--authority", "--domain", "127.0.0.0/8", "--home", n.home)
            b = a.joined("127.0.0.2")
            for x in (n, b):
                x.wait_status(0)
            wait_until(
                "it trusts these two, and not the one that nobody shows any more",
                lambda: (b.home / "conf/tls/pair-ca.crt").read_text().count("BEGIN CERTIFICATE"),
                lambda count: count == 2,
            )
            wait_until(
                "an answer tells of the other node",
                lambda: (n.cli("ls", session=session), json.loads(session.read_text())["nodes"])[1],
                lambda nodes: any(node["url"] == b.url for node in nodes),
            )
            n.kill()
            b.wait_state("emergency")
            n.cli("ls", session=session)
        finally:
            for x in filter(None, (a.node, b)):
                x.kill()


def test_one_that_has_expired_is_followed_by_another(holdfast):
    """H14: the way out when everything that it signed has ended with it; the old one is trusted no more."""
    with scratch_folder() as folder:
        page = FaultPage(folder / "faults")
        a = Lone(holdfast, folder, env=page.env)
        n = a.node
        try:
            first = a.cert("pair-ca")
            page.put_clock_on(3651 * DAY)
            assert a.cert("pair-ca")["level"] == a.cert("web")["level"] == "expired"
            assert "cert renew --authority" in a.cert("pair-ca")["todo"]
            n.run("cert", "renew", "--authority", "--home", n.home)
            assert n.run("cert", "ca", "--home", n.home).stdout.count("BEGIN CERTIFICATE") == 1
            n.run("cert", "renew", "--web", "--home", n.home)
            assert a.cert("pair-ca")["level"] == a.cert("web")["level"] == "good"
            assert a.cert("web")["issuer"] == a.cert("pair-ca")["subject"] != first["subject"]
        finally:
            n.kill()


class Lone:
    """A node that runs, and its administrator."""

    def __init__(self, holdfast, folder, *init, env=None):
        ports = Ports()
        self.holdfast, self.folder, self.https, self.pair = holdfast, folder, ports.take(), ports.take()
        self.node = self.make("127.0.0.1", env)
        self.node.init(*init)
        self.node.start()
        Person(self.node, "admin", self.node.setup_token(), PASSWORD, folder)

    def make(self, name, env=None):
        n = make_node(self.holdfast, self.folder, name, self.https, self.pair, env)
        (self.folder / name).mkdir()
        give(self.folder / name)
        return n

    def joined(self, name):
        self.node.run("ha", "setup", self.node.name, name, "--home", self.node.home)
        n = self.make(name)
        shutil.copy(self.node.key_file, n.key_file)
        n.key_file.chmod(0o400)
        give(n.key_file)
        n.init(secondary=True)
        join(n, self.node.home / f"replication/HAPack-{name}.zip")
        n.start()
        return n

    def login(self, *trust):
        session = self.folder / f"{len(list(self.folder.glob('*.session')))}.session"
        self.node.cli("login", *trust, self.node.url, "admin", session=session, input=f"{PASSWORD}\n")
        return session

    def cert(self, what):
        return json.loads(self.node.run("cert", "show", "--json", "--home", self.node.home).stdout)[what]


class Single:
    """A node as releases before made it: its web certificate signs itself, and its vault has no authority."""

    def __init__(self, holdfast, folder):
        ports = Ports()
        self.node = n = make_node(holdfast, folder, "127.0.0.1", ports.take(), ports.take())
        (folder / "127.0.0.1").mkdir()
        give(folder / "127.0.0.1")
        n.init()
        n.start()
        n.sql("DELETE FROM authority")
        n.stop()
        for name in PARTS:
            (n.home / "conf/tls" / name).unlink()
        put_in(n, *self_signed(folder, n.name, 1000))
        self.old_pin = self.cert("web")["sha256"]
        n.start()
        Person(n, "admin", n.setup_token(), PASSWORD, folder)

    def cert(self, what):
        return json.loads(self.node.run("cert", "show", "--json", "--home", self.node.home).stdout)[what]
