# SPDX-License-Identifier: Apache-2.0
"""docs/runbook.md, carried out: each command line as it stands there, on the host that the text names, in the situation that its heading names.
What is written in capitals or quotes is put in; nothing else is changed. The last test finds the lines that no test ran.

The tests follow each other on one pair: at the end its machines are lost, and a backup is restored.
"""
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

import checker
import net
from damage import wait_reason
from faults import FAULTS
from pair import Node, give
from receivers import Receivers
from stage import PASSWORD, Stage
from wait import wait_until

PAGE = Path(__file__).resolve().parents[2] / "docs/runbook.md"
ACCOUNT = "site 00001/root1"
SECRET = "s3cret-site-00001"
OTHER = "site 00002/root2"


def commands_of(page):
    """{heading: [command line …]} of a page's sh blocks."""
    found, heading, inside = {}, "", False
    for line in page.read_text().splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.strip().startswith("```"):
            inside = line.strip() == "```sh"
        elif inside:
            found.setdefault(heading, []).append(line.strip())
    return found


def bundle(st, authority):
    """What a user trusts: the self-signed certificate of A, and the authority that signed B's."""
    path = st.dir / "trusted.pem"
    path.write_text(st.a.web_cert.read_text() + authority.read_text())
    return path


class Book:
    def __init__(self, st):
        self.st, self.lines, self.ran = st, commands_of(PAGE), set()

    def take(self, heading, line):
        assert line in self.lines[heading], f'the page has no line "{line}" under "{heading}"'
        self.ran.add((heading, line))

    def words(self, line, put_in):
        for name, value in put_in.items():
            line = re.sub(rf"\b{re.escape(name)}\b", str(value), line)
        return shlex.split(line)[1:]

    def on(self, node, heading, line, code=0, input=None, env=None, **put_in):
        """A line on a node's machine, as root."""
        self.take(heading, line)
        p = node.run(*self.words(line, put_in), check=False, input=input, env=env or {"HOLDFAST_HOME": str(node.home)})
        assert p.returncode == code, f"{line} on {node.name}: exit {p.returncode}, not {code}\n{p.stdout}{p.stderr}"
        return p.stdout + p.stderr

    def by(self, session, heading, line, code=0, input=None, **put_in):
        """A line of a user's, at the client's machine."""
        self.take(heading, line)
        p = self.st.cli(*self.words(line, put_in), session=session, input=input, check=False)
        assert p.returncode == code, f"{line}: exit {p.returncode}, not {code}\n{p.stdout}{p.stderr}"
        return p.stdout

    def serve(self, node, heading, line, **put_in):
        """`holdfast serve` stays; it is started as the tests start it."""
        self.take(heading, line)
        assert self.words(line, put_in)[0] == "serve"
        node.start()


@pytest.fixture(scope="module")
def book():
    st = Stage(os.environ.get("HOLDFAST", "build/test/src/cmd/holdfast"), others=("client", "c"))
    try:
        st.up()
        yield Book(st)
    finally:
        st.down()


@pytest.fixture(autouse=True)
def _tails(book, request):
    request.node._stage = book.st


@pytest.mark.h9
def test_all_is_well(book):
    book.st.home_again()
    for n in (book.st.a, book.st.b):
        assert "Alive" in book.on(n, "Is all well?", "holdfast ha status")


@pytest.mark.h4
@pytest.mark.h7
def test_primary_is_down_and_comes_back(book):
    st, heading = book.st, "The primary is down, or the line is cut, and it will come back"
    session = st.login("admin")
    st.a.kill()
    st.b.wait_state("emergency")
    assert book.by(session, heading, "holdfast get 'RESOURCE/LOGIN'", **{"RESOURCE/LOGIN": ACCOUNT}) == SECRET + "\n"
    said = book.on(st.b, heading, "holdfast ha status", code=4)
    assert "emergency" in said and "data as of" in said, said
    st.a.start(wait=False)
    st.home_again()


@pytest.mark.h10
def test_machine_is_serviced(book):
    st, heading = book.st, "The primary's machine needs maintenance"
    assert "secondary now" in book.on(st.a, heading, "holdfast ha switchover")
    st.home_again()
    st.a.stop()
    st.b.wait_status(4)
    st.a.start(wait=False)
    st.home_again()
    book.on(st.b, heading, "holdfast ha switchover")
    st.home_again(primary=st.a)


@pytest.mark.h11
def test_data_of_a_secondary_is_doubted(book):
    st = book.st
    assert "copy of the primary" in book.on(
        st.b, "A secondary's disk was replaced, or its data is in doubt", "holdfast ha rejoin"
    )
    st.home_again()


@pytest.mark.h4
def test_users_reach_the_secondary_only(book):
    st, heading = book.st, "Users reach only the secondary, and it is a standby"
    book.on(st.b, heading, "holdfast ha emergency on")
    st.b.wait_state("emergency")
    st.a.wait_state("synced")
    assert "emergency off" in book.on(st.b, "Is all well?", "holdfast ha status", code=4)
    book.on(st.b, heading, "holdfast ha emergency off")
    st.home_again()


@pytest.mark.h5
def test_data_is_too_old(book):
    st = book.st
    st.b.set("max_emergency_age", "1s")
    st.b.read_settings()
    st.a.kill()
    st.b.wait_state("emergency")
    session = st.login("admin", to=st.b)
    wait_until(
        "its data is too old",
        lambda: [r["code"] for r in st.b.status()[1]["reasons"]],
        lambda codes: "too_old" in codes,
    )
    assert "unlock" in book.on(
        st.b, "The primary is down, or the line is cut, and it will come back", "holdfast ha status", code=4
    )
    assert "unlock" in st.cli("get", ACCOUNT, session=session, check=False).stderr
    book.by(session, "Its data is too old (`too_old`)", "holdfast ha unlock")
    assert st.cli("get", ACCOUNT, session=session).stdout == SECRET + "\n"
    st.b.set("max_emergency_age", "0")
    st.b.read_settings()
    st.a.start(wait=False)
    st.home_again()


@pytest.mark.h9
def test_alerts_arrive(book):
    r = Receivers(book.st)
    r.up()
    r.tell(book.st.b)
    try:
        said = book.on(book.st.b, "Do alerts arrive?", "holdfast ha alert test")
        assert said.count("yes") == 3, said
    finally:
        r.forget(book.st.b)
        r.down()


def emergency_rows(st, reasons):
    """Some events in B's journal; B stands still then, and the line is whole again."""
    st.net.cut_both("a", "b")
    st.b.wait_state("emergency")
    session = st.login("admin", host="b", to=st.b)
    for reason in reasons:
        assert (
            st.call("b", session, st.b, "POST", f"/v1/accounts/{st.accounts[0]}/retrieve", {"reason": reason})["status"]
            == 200
        )
    st.b.stop()
    st.net.heal()


@pytest.mark.h6
@pytest.mark.h9
def test_journal_is_damaged(book):
    st, heading, journal = (
        book.st,
        "A journal is damaged (`journal_unreadable`, `merge_refused`)",
        book.st.b.home / "data/journal.db",
    )
    reasons = [f"runbook {i}" for i in range(4)]
    emergency_rows(st, reasons)
    with sqlite3.connect(journal) as db:
        event = db.execute("SELECT seq FROM rows WHERE instr(event, ?) > 0", (reasons[2].encode(),)).fetchone()[0]
        db.execute("UPDATE rows SET event = zeroblob(80) WHERE seq = ?", (event,))
    db.close()
    kept = journal.read_bytes()
    journal.write_bytes(b"\x5a" * len(kept))
    assert "no event could be kept" in book.on(st.b, heading, "holdfast ha repair-journal")
    journal.write_bytes(kept)
    assert "are kept" in book.on(st.b, heading, "holdfast ha repair-journal --before EVENT", EVENT=event)
    book.serve(st.b, heading, "holdfast serve")
    wait_reason(st.b, "chain_shrunk", st.b)
    for i, reason in enumerate(reasons):
        assert st.a.sql(f"SELECT count(*) FROM event WHERE body::json->>'reason' = '{reason}'") == [
            [str(int(i < 2))]
        ], reason
    me = st.login("admin")
    assert "missing" in book.by(me, heading, "holdfast audit verify", code=1)
    book.by(me, heading, "holdfast audit accept REASON", REASON="'the disk of B was damaged'")
    st.home_again()


@pytest.mark.h12
def test_key_file_is_the_right_one(book):
    st, heading = book.st, "Is this key file the right one?"
    line = "holdfast key check --key-file KEYFILE"
    book.on(st.b, heading, line, KEYFILE=st.a.key_file)
    wrong = st.dir / "wrong.key"
    book.st.cli("key", "new", wrong)
    give(wrong)
    book.on(st.b, heading, line, code=1, KEYFILE=wrong)


SHARED = "site 00007/newadmin"


def names_are_told_apart(book, me, heading):
    def held():
        return json.loads(book.st.cli("conflicts", "--names", "--json", session=me).stdout)

    names = {}
    for n in wait_until("both sides' names are there", held, lambda names: len(names) == 6):
        names[n["kind"]] = n
    switch = names["resource"]["resource"]["name"] + names["resource"]["resource"]["suffix"]
    login = SHARED + names["account"]["suffix"]
    user = names["user"]["user"]["name"] + names["user"]["user"]["suffix"]
    assert book.by(
        me, heading, "holdfast get 'RESOURCE~1a2b/LOGIN'", **{"RESOURCE~1a2b/LOGIN": f"{switch}/root"}
    ).startswith("of-")
    new = {"NEW-NAME": "old-switch"}
    book.by(me, heading, "holdfast rename --resource 'RESOURCE~1a2b' NEW-NAME", **{"RESOURCE~1a2b": switch, **new})
    new = {"NEW-LOGIN": "oldadmin"}
    book.by(me, heading, "holdfast rename 'RESOURCE/LOGIN~3c4d' NEW-LOGIN", **{"RESOURCE/LOGIN~3c4d": login, **new})
    book.by(me, heading, "holdfast user rename 'NAME~5e6f' NEW-NAME", **{"NAME~5e6f": user, "NEW-NAME": "frances"})
    assert held() == []


@pytest.mark.h8
@pytest.mark.h10
def test_both_sides_were_written_to(book):
    st, heading = book.st, "The line was cut, one side was promoted, and both were written to"
    put = {"RESOURCE/LOGIN": ACCOUNT}
    st.cli("user", "add", "eve")
    at_a, at_b = st.login("admin", host="a"), st.login("admin", host="b")
    FAULTS["link-cut"].do(st)
    st.b.wait_state("emergency")
    book.on(st.b, "The primary is gone for good, or changes cannot wait", "holdfast ha promote", input="yes\n")
    for account in (ACCOUNT, OTHER):
        st.cli("put", account, session=at_a, host="a", input="of-a\n")
    at_b = st.login("admin", host="b", to=st.b)
    for account in (ACCOUNT, OTHER):
        st.cli("put", account, session=at_b, host="b", input="of-b\n")
    for session, host in ((at_a, "a"), (at_b, "b")):
        for name in ("new switch/root", SHARED):
            st.cli("put", name, session=session, host=host, input=f"of-{host}\n")
        st.cli("user", "add", "frank", session=session, host=host)
    st.cli("user", "promote", "eve", session=at_a, host="a")
    st.cli("user", "disable", "eve", session=at_b, host="b")
    FAULTS["link-cut"].undo(st)
    st.home_again()
    me = st.login("admin", to=st.b)
    listed = book.by(me, heading, "holdfast audit list")
    assert listed.count("\n") > 3
    book.by(me, heading, "holdfast audit verify")
    assert ACCOUNT.split("/")[0] in book.by(me, heading, "holdfast conflicts")
    history = book.by(me, heading, "holdfast history 'RESOURCE/LOGIN'", **put)
    assert st.a.name in history and st.b.name in history, history
    versions = json.loads(st.cli("history", ACCOUNT, "--json", session=me).stdout)
    rows = versions["versions"] if isinstance(versions, dict) else versions
    numbers = [v["n"] for v in rows]
    book.by(me, heading, "holdfast settle 'RESOURCE/LOGIN' VERSION", VERSION=max(numbers), **put)
    book.by(me, heading, "holdfast put --settle 'RESOURCE/LOGIN'", input="settled\n", **{"RESOURCE/LOGIN": OTHER})
    assert st.cli("get", OTHER, session=me).stdout == "settled\n"
    assert json.loads(st.cli("conflicts", "--json", session=me).stdout) == []
    names_are_told_apart(book, me, heading)
    st.cli("put", ACCOUNT, session=me, input=SECRET + "\n")
    book.by(me, heading, "holdfast conflicts --administration")
    book.by(me, "A chain does not verify (`journal_diverged`)", "holdfast audit verify")
    book.on(st.b, "The primary's machine needs maintenance", "holdfast ha switchover")
    st.home_again()
    print(checker.whole(st, siblings=True))


@pytest.mark.h9
def test_certificate_is_not_trusted(book, tmp_path):
    st, heading = book.st, "A certificate is not trusted (`cert_untrusted`)"
    ca, tls = tmp_path, st.b.home / "conf/tls"
    os.chmod(tmp_path, 0o755)
    net.sh(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=Example internal CA",
        "-keyout",
        ca / "ca.key",
        "-out",
        ca / "ca.crt",
        "-days",
        "2",
    )
    net.sh(
        "openssl",
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        f"/CN={st.b.name}",
        "-keyout",
        ca / "web.key",
        "-out",
        ca / "web.csr",
    )
    (ca / "ext").write_text(f"subjectAltName=DNS:{st.b.name}\nbasicConstraints=CA:FALSE\n")
    net.sh(
        "openssl",
        "x509",
        "-req",
        "-in",
        ca / "web.csr",
        "-CA",
        ca / "ca.crt",
        "-CAkey",
        ca / "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        ca / "ext",
        "-out",
        ca / "web.crt",
    )
    for name in ("web.crt", "web.key"):
        shutil.copy(ca / name, tls / name)
        give(tls / name)
    st.b.stop()
    st.b.start(wait=False)
    st.a.wait_status(4)
    wait_until(
        "the primary says that it does not trust the certificate",
        lambda: json.dumps(st.a.status()[1]),
        lambda said: "cert_untrusted" in said,
    )
    assert "cert import" in book.on(st.a, "Is all well?", "holdfast ha status", code=4), "the status says what to do"
    os.chmod(ca / "ca.crt", 0o644)
    book.on(st.a, heading, "holdfast cert import FILE", FILE=ca / "ca.crt")
    st.home_again()
    book.on(st.a, heading, "holdfast cert renew --web")
    st.a.read_settings()  # the node has been told to read it; users get it from now on
    st.home_again()
    book.by(
        st.admin,
        heading,
        "holdfast login --ca FILE HOST USER",
        input=PASSWORD + "\n",
        FILE=bundle(st, ca / "ca.crt"),
        HOST=st.a.url,
        USER="admin",
    )
    st.b.run("cert", "renew", "--self-signed", "--home", st.b.home)
    st.home_again()


@pytest.mark.h10
@pytest.mark.h12
def test_primary_is_gone_for_good(book):
    """Promotion, and a new machine in the old one's place."""
    st, heading = book.st, "The primary is gone for good, or changes cannot wait"
    old = st.a
    old.kill()
    st.b.wait_state("emergency")
    assert "data as of" in book.on(st.b, heading, "holdfast ha status", code=4)
    assert "everything is here as of" in book.on(st.b, heading, "holdfast ha promote", input="yes\n")
    book.on(st.b, heading, "holdfast ha remove OLD", input="yes\n", OLD=st.a.name)
    st.b.wait_state("single")
    home = st.dir / "host-c/home"
    home.parent.mkdir()
    give(home.parent)
    c = Node(
        st.holdfast,
        home,
        net.NAMES["c"],
        f"{net.HOSTS['c']}:7272",
        f"{net.HOSTS['c']}:2345",
        st.a.key_file,
        prefix=st.net.exec_prefix("c"),
    )
    c.log = st.dir / "c.log"
    st.nodes, st.a = [st.b, c], st.b  # whoever cleans up finds the new one
    env = {"HOLDFAST_HOME": str(home)}
    book.on(
        c,
        heading,
        "holdfast init --secondary --home HOME --name NEW --key-file KEYFILE",
        HOME=home,
        NEW=c.name,
        KEYFILE=c.key_file,
        env=env,
    )
    c.set("listen", c.listen)
    c.set("pair_listen", c.pair_listen)
    book.on(st.b, heading, "holdfast ha setup PRIMARY NEW", PRIMARY=st.b.name, NEW=c.name)
    pack = home.parent / f"HAPack-{c.name}.zip"
    shutil.copy(st.b.home / f"replication/{pack.name}", pack)
    give(pack)
    book.take(heading, "holdfast ha join HAPack-NEW.zip")
    c.run("ha", "join", pack, env=env)
    book.serve(c, heading, "holdfast serve")
    st.home_again()
    slots = [r[0] for r in st.b.sql("SELECT slot_name FROM pg_replication_slots")]
    assert len(slots) == 1, f"a slot of the node that was taken out is still there: {slots}"
    assert st.b.sql("SELECT count(*) FROM event WHERE kind = :NODE_REMOVED") == [["1"]]
    assert "certificate authentication failed" in over_the_channel(st, "a", old)
    assert over_the_channel(st, "c", c) == "0\n"
    book.c = c


def over_the_channel(st, host, node):
    """What the primary says to whoever has this node's key and certificate."""
    tls = node.home / "conf/tls"
    p = subprocess.run(
        [
            *st.net.exec_prefix(host),
            "psql",
            "-X",
            "-t",
            "-A",
            "-w",
            "-c",
            "SELECT ha_high_water('00000000-0000-0000-0000-000000000000')",
            f"host={st.b.name} port=2345 user=hf_deposit dbname=holdfast connect_timeout=5 sslmode=verify-full "
            f"sslrootcert={tls / 'pair-ca.crt'} sslcert={tls / 'pair.crt'} sslkey={tls / 'pair.key'}",
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    return p.stdout + p.stderr


@pytest.mark.h12
def test_both_machines_are_gone(book):
    st, c, heading = book.st, book.c, "Both machines are gone"
    folder = st.dir / "backups"
    folder.mkdir()
    give(folder)
    book.on(st.b, heading, "holdfast backup BACKUP", BACKUP=folder / "vault.backup")
    assert "good" in book.on(st.b, heading, "holdfast backup verify BACKUP", BACKUP=folder / "vault.backup")
    for n in (st.b, c):
        n.kill()
    home = st.dir / "host-c/restored"
    n = Node(st.holdfast, home, c.name, c.listen, c.pair_listen, c.key_file, prefix=c.prefix)
    n.log = st.dir / "restored.log"
    st.nodes, st.a = [n], n
    book.on(
        n,
        heading,
        "holdfast restore BACKUP --home HOME --name NEW --key-file KEYFILE",
        BACKUP=folder / "vault.backup",
        HOME=home,
        NEW=c.name,
        KEYFILE=c.key_file,
    )
    n.set("listen", n.listen)
    n.set("pair_listen", n.pair_listen)
    book.serve(n, heading, "holdfast serve --home HOME", HOME=home)
    session = st.login("admin", to=n)
    assert st.cli("get", ACCOUNT, session=session).stdout == SECRET + "\n"


@pytest.mark.h12
def test_no_administrator_can_log_in(book):
    n = book.st.a
    said = book.on(
        n,
        "No administrator can log in",
        "holdfast admin recover USER --key-file KEYFILE",
        USER="admin",
        KEYFILE=n.key_file,
    )
    token = re.search(r"(?<![\w-])[A-Za-z0-9_-]{43}(?![\w-])", said).group()
    session = book.st.dir / "recovered.session"
    book.st.cli(
        "login",
        "--setup",
        "--ca",
        n.web_cert,
        n.url,
        "admin",
        session=session,
        input=f"{token}\nAnother-Horse-8-battery\n",
    )
    assert book.st.cli("audit", "list", "--json", session=session).stdout.count('"user_recovered"') == 1


@pytest.mark.harness
def test_every_line_was_run(book):
    left = [f"{h}: {line}" for h, lines in book.lines.items() for line in lines if (h, line) not in book.ran]
    assert not left, "no test ran these lines of the runbook:\n" + "\n".join(left)
