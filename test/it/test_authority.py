# SPDX-License-Identifier: Apache-2.0
"""One authority per vault, from init: who trusts it trusts every node, and it is for nothing but its own domains and networks."""
import json
import re
import socket
import ssl

import pytest

from certs import openssl, put_in, self_signed
from nodes import Person, Ports, scratch_folder
from pair import PASSWORD, give
from packs import Stage, join, make_node
from wait import wait_until


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
    leaf = openssl("x509", "-in", n.web_cert)
    wait_until(
        "the node shows it",
        lambda: ssl.get_server_certificate((n.address, n.port)),
        lambda pem: pem.strip() == leaf.strip(),
    )
    vault.alive()
    assert n.pids("vaultd") == pids and "the secret" in vault.get(session).stdout


def test_a_name_outside_is_refused_before_anything_changes(vault):
    p = vault.primary.run("ha", "setup", "127.0.0.1", "192.0.2.1", "--home", vault.primary.home, check=False)
    assert p.returncode == 1 and "192.0.2.1 lies outside of what the vault's authority may sign for" in p.stderr
    assert "127.0.0.0/8" in p.stderr and "Nothing was changed" in p.stderr, p.stderr
    assert vault.primary.sql("SELECT count(*) FROM node")[0][0] == "2"


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
            leaf = openssl("x509", "-in", n.web_cert)
            wait_until(
                "the node shows it",
                lambda: ssl.get_server_certificate((n.address, n.port)),
                lambda pem: pem.strip() == leaf.strip(),
            )
            n.cli("ls", session=session)
            # What belongs to it is the same after the next start.
            before = stage.cert("pair-ca")
            n.stop()
            n.start()
            n.cli("ls", session=session)
            assert stage.cert("pair-ca") == before
        finally:
            n.kill()


class Single:
    """A node as releases before made it: its web certificate signs itself, and its vault has no authority."""

    def __init__(self, holdfast, folder):
        ports = Ports()
        self.node = n = make_node(holdfast, folder, "127.0.0.1", ports.take(), ports.take())
        (folder / "127.0.0.1").mkdir()
        give(folder / "127.0.0.1")
        n.init()
        for name in PARTS:
            (n.home / "conf/tls" / name).unlink()
        put_in(n, *self_signed(folder, n.name, 1000))
        self.old_pin = self.cert("web")["sha256"]
        n.start()
        Person(n, "admin", n.setup_token(), PASSWORD, folder)

    def cert(self, what):
        return json.loads(self.node.run("cert", "show", "--json", "--home", self.node.home).stdout)[what]
