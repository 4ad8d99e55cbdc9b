# SPDX-License-Identifier: Apache-2.0
"""backup, backup verify and restore, with the real program: whole or nothing, under the master key, into a new term."""
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import zipfile

import pytest

from nodes import processes_below, scratch_folder
from pair import Node, give
from wait import still_true, wait_until

SECRET = "s3cret-of-the-core-switch"


class Made:
    """A node that wrote while it was backed up, and the backup."""

    def __init__(self, node, boss, folder):
        self.node, self.boss = node, boss
        self.dir = folder / "backups"
        self.dir.mkdir()
        give(self.dir)
        self.file = self.dir / "a.backup"
        boss.good("put", "core switch/admin", input=SECRET + "\n")
        stop = threading.Event()

        def write():
            n = 0
            while not stop.is_set():
                boss.cli("put", f"host {n}/root", input=f"pw-{n}\n")
                n += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            self.said = node.run("backup", self.file, "--home", node.home)
        finally:
            stop.set()
            writer.join()


@pytest.fixture(scope="module")
def made(shared, boss, folder):
    return Made(shared, boss, folder)


@pytest.fixture
def target(new_node, made):
    """Where to restore to: a folder that is not there, and a copy of the key file beside it."""
    n = new_node(folder="restored")
    shutil.copy(made.node.key_file, n.key_file)
    n.key_file.chmod(0o400)
    give(n.key_file)
    return n


def restore(n, file, *more, check=False):
    return n.run(
        "restore",
        file,
        "--home",
        n.home,
        "--key-file",
        n.key_file,
        "--listen",
        n.listen,
        "--pair-listen",
        n.pair_listen,
        *more,
        check=check,
    )


def verify(made, file, *more):
    return made.node.run("backup", "verify", file, "--home", made.node.home, *more, check=False)


def refused(n, p, *words):
    assert p.returncode in (1, 2), p.stdout + p.stderr
    for w in words:
        assert w in p.stderr, p.stderr
    assert not n.home.exists()
    assert processes_below(n.home) == []


def test_restore_elsewhere(made, target, folder):
    st = made.file.stat()
    assert st.st_mode & 0o777 == 0o600
    assert SECRET.encode() not in made.file.read_bytes()
    assert os.listdir(made.dir) == ["a.backup"]
    assert "master key" in made.said.stdout
    assert "backup" in made.boss.good("audit", "list", "--kind", "backup")

    p = restore(target, made.file)
    assert p.returncode == 0, p.stderr
    assert "term 2" in p.stdout and "set each up again" in p.stdout
    target.start()
    session = folder / "restored.session"
    target.cli("login", "--ca", target.web_cert, target.url, "admin", session=session, input=f"{made.boss.password}\n")
    assert target.cli("get", "core switch/admin", session=session).stdout.strip() == SECRET
    assert target.cli("put", "core switch/new", session=session, input="n3w\n").returncode == 0
    assert target.cli("audit", "verify", session=session).returncode == 0
    assert "restored" in target.cli("audit", "list", "--kind", "restored", session=session).stdout

    # What the old pair knew is void: the sessions, the slots, the timeline, the nodes, the term.
    def one(sql):
        return str(target.sql(sql)[0][0])

    assert one("SELECT term FROM ha_term") == "2"
    assert one("SELECT count(*) FROM node") == "1"
    assert one("SELECT primary_since_term FROM node") == "2"
    assert one("SELECT timeline_id FROM pg_control_checkpoint()") == "2"
    assert one("SELECT count(*) FROM pg_replication_slots") == "0"
    assert one("SELECT count(*) FROM session WHERE ended_at IS NULL") == "1"

    # Whoever trusts the vault goes on: its authority is the same, and signs here too.
    root = made.node.home / "conf/tls/pair-ca.crt"
    wait_until(
        "the authority is here",
        (target.home / "conf/tls/pair-ca.crt").exists,
    )
    assert (target.home / "conf/tls/pair-ca.crt").read_text() == root.read_text()
    target.run("cert", "renew", "--web", "--home", target.home)
    again = folder / "again.session"
    wait_until(
        "whoever trusts the authority logs in",
        lambda: target.cli(
            "login", "--ca", root, target.url, "admin", session=again, input=f"{made.boss.password}\n", check=False
        ).returncode,
        lambda rc: rc == 0,
    )


def test_verify(made):
    before = sorted(os.listdir(made.dir))
    p = verify(made, made.file)
    assert p.returncode == 0, p.stderr
    assert f"the log of node {made.node.name} is good" in p.stdout
    assert json.loads(verify(made, made.file, "--json").stdout)["events"] > 0
    assert sorted(os.listdir(made.dir)) == before


def test_a_backup_whose_tables_are_not_what_its_log_says(made, target):
    """Somebody changed a row behind the program's back: the chains are whole, and it is named. It can be restored all the same."""
    row, bad = "name = 'core switch'", made.dir / "changed.backup"
    made.node.sql(f"UPDATE resource SET description = 'nobody said so' WHERE {row}")
    try:
        made.node.run("backup", bad, "--home", made.node.home)
        p = verify(made, bad)
        said = re.sub(r"\s+", " ", p.stderr)
        assert p.returncode == 1 and "the tables in the backup are not what its log says" in said, p.stdout + p.stderr
        assert "of resource differs (description)" in said and "holdfast audit verify --tables" in said, said
        assert restore(target, bad).returncode == 0
    finally:
        made.node.sql(f"UPDATE resource SET description = '' WHERE {row}")
        bad.unlink(missing_ok=True)
    assert verify(made, made.file).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("strace"), reason="needs root, who leaves itself, and strace")
@pytest.mark.parametrize("verb", ["restore", "backup verify"])
def test_nothing_of_the_file_is_read_as_root(made, target, verb):
    """Root may open it alone; each process that reads it has become another user before."""
    with scratch_folder() as folder:
        folder.chmod(0o700)
        shutil.copy(made.file, folder / "a.backup")
        (folder / "a.backup").chmod(0o600)
        trace, nokey = folder / "trace", folder / "no.key"
        where = ["--home", target.home] if verb == "restore" else ["--dir", folder]
        p = subprocess.run(
            [
                *("strace", "-f", "-o", trace, "-e", "trace=read,pread64,setresuid"),
                *target.argv(*verb.split(), folder / "a.backup", "--key-file", nokey, *where),
            ],
            capture_output=True,
            text=True,
        )
        lines = trace.read_text().splitlines()
    assert p.returncode == 1 and "no.key" in p.stderr, p.stderr
    became, read = set(), set()
    for line in lines:
        pid = line.split()[0]
        if "setresuid(" in line:
            became.add(pid)
        elif '"PK\\3\\4' in line:
            assert pid in became, f"the file is read as root: {line}"
            read.add(pid)
    assert read


def test_does_not_overwrite(made):
    before = made.file.read_bytes()
    p = made.node.run("backup", made.file, "--home", made.node.home, check=False)
    assert p.returncode == 1 and "--force" in p.stderr
    assert made.file.read_bytes() == before
    other = made.dir / "b.backup"
    made.node.run("backup", other, "--home", made.node.home)
    first = other.read_bytes()
    made.node.run("backup", other, "--force", "--home", made.node.home)
    assert other.read_bytes() != first
    other.unlink()


def test_folder_that_is_not_writable(made):
    p = made.node.run("backup", "/proc/a.backup", "--home", made.node.home, check=False)
    assert p.returncode == 1 and "cannot write" in p.stderr


def begins(p, there):
    """Until the program's work shows."""

    def look():
        ended = p.poll() is not None  # asked first: what it has made by its end is there then
        seen = there()
        assert seen or not ended, p.stderr.read()
        return seen

    wait_until("the program's work shows", look, every=0.002)


def test_hang_up_leaves_nothing(made):
    """Ctrl-C at any moment: the file is whole or not there."""
    other = made.dir / "c.backup"
    p = subprocess.Popen(made.node.argv("backup", other, "--home", made.node.home), stderr=subprocess.PIPE, text=True)
    begins(p, lambda: list(made.dir.glob("c.backup*")))
    p.send_signal(signal.SIGINT)
    p.wait()
    wait_until("no half of a file is left", lambda: list(made.dir.glob("*.part")), lambda left: not left)
    assert not other.exists() or verify(made, other).returncode == 0
    other.unlink(missing_ok=True)


def test_wrong_key(made, target):
    target.key_file.unlink()
    made.node.run("key", "new", target.key_file)
    target.key_file.chmod(0o400)
    give(target.key_file)
    refused(target, restore(target, made.file), "another master key")


def test_no_key(made, target):
    target.key_file.unlink()
    refused(target, restore(target, made.file), "no master key file")


def test_target_that_is_a_node(made, target):
    before = made.node.sql("SELECT count(*) FROM node")
    p = made.node.run("restore", made.file, "--home", made.node.home, "--key-file", target.key_file, check=False)
    assert p.returncode == 1 and "nothing was changed" in p.stderr
    assert made.node.sql("SELECT count(*) FROM node") == before


def parts_of(file):
    """name → (offset of its bytes, length)"""
    found = {}
    with zipfile.ZipFile(file) as z:
        for i in z.infolist():
            with open(file, "rb") as f:
                f.seek(i.header_offset + 26)
                lengths = f.read(4)
            skip = 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
            found[i.filename] = (i.header_offset + skip, i.file_size)
    return found


@pytest.mark.parametrize("part", ["pack/manifest.json", "pack/node.sealed", "pack/base.sealed"])
def test_flipped_bit(made, target, part):
    at, size = parts_of(made.file)[part]
    bad = made.dir / "bad.backup"
    data = bytearray(made.file.read_bytes())
    data[at + size // 2] ^= 1
    bad.write_bytes(data)
    give(bad)
    refused(target, restore(target, bad))
    bad.unlink()


def test_cut_short(made, target):
    bad = made.dir / "cut.backup"
    bad.write_bytes(made.file.read_bytes()[:-70000])
    give(bad)
    refused(target, restore(target, bad))
    assert verify(made, bad).returncode == 1
    bad.unlink()
    assert [n for n in os.listdir(made.dir) if n.startswith("hf-verify")] == []


@pytest.mark.parametrize(
    "field,value", [("version", "9.9.9"), ("node_name", "elsewhere"), ("term", 7), ("heads", ""), ("base_bytes", 1)]
)
def test_edited_manifest(made, target, field, value):
    bad = made.dir / "edited.backup"
    with zipfile.ZipFile(made.file) as old, zipfile.ZipFile(bad, "w", zipfile.ZIP_STORED) as new:
        for i in old.infolist():
            data = old.read(i)
            if i.filename == "pack/manifest.json":
                m = json.loads(data)
                assert m[field] != value
                m[field] = value
                data = json.dumps(m).encode()
            new.writestr(i.filename, data)
    give(bad)
    refused(target, restore(target, bad), "manifest was changed")
    bad.unlink()


def test_not_a_backup(made, target):
    bad = made.dir / "x.backup"
    bad.write_text("no zip")
    give(bad)
    refused(target, restore(target, bad))
    bad.unlink()


def test_interrupted_restore_leaves_nothing(made, target):
    p = subprocess.Popen(
        target.argv("restore", made.file, "--home", target.home, "--key-file", target.key_file),
        stderr=subprocess.PIPE,
        text=True,
    )
    begins(p, (target.home / "data/pg").exists)
    p.send_signal(signal.SIGINT)
    if p.wait() == 0:
        pytest.skip("it was done before the signal came")
    assert p.returncode == 1
    assert not target.home.exists()
    assert processes_below(target.home) == []


def test_an_old_secondary_does_not_follow(holdfast, ports):
    """The backup is made on the secondary; what is restored from it stands where the primary stood."""
    with scratch_folder() as path:
        https, pair = ports.take(), ports.take()

        def make(name, folder):
            (path / folder).mkdir()
            give(path / folder)
            return Node(
                holdfast,
                path / folder / "home",
                name,
                f"{name}:{https}",
                f"{name}:{pair}",
                path / folder / "master.key",
            )

        first, second, again = make("127.0.0.1", "a"), make("127.0.0.2", "b"), make("127.0.0.1", "c")
        try:
            first.init()
            first.start()
            first.run("ha", "setup", "127.0.0.1", "127.0.0.2", "--home", first.home)
            for n in (second, again):
                shutil.copy(first.key_file, n.key_file)
                n.key_file.chmod(0o400)
                give(n.key_file)
            second.init(secondary=True)
            second.run("ha", "join", first.home / "replication/HAPack-127.0.0.2.zip", "--home", second.home)
            second.start()
            first.wait_status(0)
            file = path / "b" / "s.backup"
            second.run("backup", file, "--home", second.home)
            first.stop()
            assert restore(again, file, "--name", "127.0.0.1").returncode == 0
            again.start()
            second.wait_status(4)

            def streams():
                return [
                    int(n.sql(f"SELECT count(*) FROM {where}")[0][0])
                    for n, where in (
                        (second, "pg_stat_wal_receiver WHERE status = 'streaming'"),
                        (again, "pg_stat_replication"),
                    )
                ]

            still_true("the old secondary does not follow it", streams, 6, lambda seen: seen == [0, 0], every=0.3)
            assert second.status()[0] == 4
            assert again.health()
        finally:
            for n in (first, second, again):
                n.end()
