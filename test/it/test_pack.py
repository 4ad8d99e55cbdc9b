# SPDX-License-Identifier: Apache-2.0
"""The four steps: making, carrying and refusing packs, several secondaries, plain unzip, certificates between nodes.

Nodes are 127.0.0.1 (primary), 127.0.0.2 and 127.0.0.3 (secondaries), all on this machine.
"""
import json
import os
import re
import shutil
import stat
import subprocess
import zipfile

import pytest

from certs import Authority, put_in
from nodes import Ports, copy_of, scratch_folder, tree
from packs import Stage, join, make_node, running
from pair import drop_prefix, give
from wait import pass_time, wait_until


@pytest.fixture(scope="module")
def stage(holdfast):
    with running(Stage, holdfast) as s:
        yield s


def refused_serve(node):
    """What serve says when it ends by itself."""
    node.start(wait=False)
    assert node.proc.wait(60) == 1
    node.proc = None
    return node.log.read_text()


def changed(pack, to, name=None, edit=None):
    """A copy of a pack with one entry edited."""
    with zipfile.ZipFile(pack) as old, zipfile.ZipFile(to, "w") as new:
        for i in old.infolist():
            data = old.read(i.filename)
            new.writestr(i.filename, edit(data) if i.filename == name else data)
    return to


def test_pack_holds_three_parts_and_no_key(stage):
    with zipfile.ZipFile(stage.pack) as z:
        assert sorted(z.namelist()) == ["pack/base.sealed", "pack/manifest.json", "pack/node.sealed"]
        everything = b"".join(z.read(n) for n in z.namelist())
    key = stage.primary.key_file.read_text().strip()
    assert bytes.fromhex(key) not in everything and key.encode() not in everything
    assert b"PRIVATE KEY" not in everything
    assert stage.pack.stat().st_mode & 0o077 == 0


def test_pack_of_another_name_is_refused(stage):
    n = stage.secondary("127.0.0.3")
    p = join(n, stage.pack, check=False)
    assert p.returncode == 1 and "made for 127.0.0.2, this node is 127.0.0.3" in p.stderr
    assert not (n.home / "pack").exists()


def test_damaged_zip_is_refused(stage):
    n = stage.secondary()
    cut = stage.folder / "cut.zip"
    cut.write_bytes(stage.pack.read_bytes()[:100000])
    p = join(n, cut, check=False)
    assert p.returncode == 1 and str(cut) in p.stderr
    assert not (n.home / "pack/manifest.json").exists()


def test_cut_base_is_refused_at_the_start(stage):
    n = stage.secondary()
    join(n, changed(stage.pack, stage.folder / "short.zip", "pack/base.sealed", lambda b: b[: len(b) // 2]))
    assert "cut short or damaged" in refused_serve(n)
    assert not (n.home / "data/pg").exists()


def flipped(data):
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "part,edit",
    [
        ("base.sealed", flipped),
        ("node.sealed", flipped),
        ("node.sealed", lambda b: b[: len(b) // 2]),
        ("node.sealed", lambda b: b""),
        ("manifest.json", lambda b: b[: len(b) // 2]),
        ("manifest.json", flipped),
    ],
    ids=["base-flipped", "node-flipped", "node-cut", "node-empty", "manifest-cut", "manifest-flipped"],
)
def test_damaged_part_is_refused(stage, part, edit):
    """One bit or half of a part: whoever meets it first, join or serve, says what it is, and no database is made of it (H9)."""
    n = stage.secondary()
    p = join(n, changed(stage.pack, stage.folder / "part.zip", f"pack/{part}", edit), check=False)
    text = p.stderr if p.returncode else refused_serve(n)
    assert p.returncode in (0, 1) and "pack" in text, text
    assert any(
        w in text for w in ("damaged", "was changed", "cut short", "not valid", "manifest", "made for 126.0.0.2")
    ), text
    assert not (n.home / "data/pg").exists()


def test_zip_whose_checksum_does_not_fit_is_refused(stage):
    """A bit that was lost on the way, under the checksum that the ZIP file has of its own."""
    n = stage.secondary()
    with zipfile.ZipFile(stage.pack) as z:
        entry = z.getinfo("pack/base.sealed")
        start = entry.header_offset + 30 + len(entry.filename)
    raw = bytearray(stage.pack.read_bytes())
    raw[start + entry.compress_size // 2] ^= 1
    bad = stage.folder / "crc.zip"
    bad.write_bytes(raw)
    p = join(n, bad, check=False)
    assert p.returncode == 1 and str(bad) in p.stderr, p.stderr
    assert not (n.home / "pack/manifest.json").exists() and not (n.home / "data/pg").exists()


def test_changed_manifest_is_refused(stage):
    n = stage.secondary()
    join(
        n,
        changed(
            stage.pack,
            stage.folder / "edited.zip",
            "pack/manifest.json",
            lambda b: b.replace(b'"primary_name":"127.0.0.1"', b'"primary_name":"127.0.0.9"'),
        ),
    )
    assert "another master key, or was changed" in refused_serve(n)


def test_other_major_of_postgresql_is_refused(stage):
    n = stage.secondary()
    major = stage.primary.sql("show server_version_num")[0][0][:2].encode()
    pack = changed(
        stage.pack,
        stage.folder / "major.zip",
        "pack/manifest.json",
        lambda b: b.replace(b'"pg_major":' + major, b'"pg_major":99'),
    )
    p = join(n, pack, check=False)
    assert p.returncode == 1 and "PostgreSQL 99" in p.stderr and "install postgresql-99" in p.stderr


def test_wrong_master_key_is_refused(stage):
    n = stage.secondary()
    n.key_file.unlink()
    n.run("key", "new", n.key_file)
    give(n.key_file)
    join(n, stage.pack)
    assert "another master key" in refused_serve(n)
    assert not (n.home / "data/pg").exists()


def test_missing_key_location_is_said(stage):
    n = stage.secondary(key=False)
    join(n, stage.pack)
    assert "manage_key.conf" in refused_serve(n)


def test_clocks_too_far_apart_are_refused(stage):
    """By join, before anything is made; and by serve, of what was unzipped by hand."""
    n = stage.secondary(env={"HOLDFAST_CLOCK_SKEW_MS": "90000"})
    p = join(n, stage.pack, check=False)
    assert p.returncode == 1 and "clocks" in p.stderr and "at most 60 s" in p.stderr, p.stderr
    assert not (n.home / "pack").exists()
    subprocess.run(["unzip", "-q", stage.pack, "-d", n.home], check=True)
    said = refused_serve(n)
    assert "clocks" in said and "at most 60 s" in said
    assert not (n.home / "data/pg").exists()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("strace"), reason="needs root, who leaves itself, and strace")
def test_join_reads_nothing_of_the_pack_as_root(stage):
    """A pack that root alone may open, in a folder that root alone may enter; what is unpacked is the user's, and so is the process that reads it."""
    n = stage.secondary()
    with scratch_folder() as folder:
        folder.chmod(0o700)
        shutil.copy(stage.pack, folder / "pack.zip")
        (folder / "pack.zip").chmod(0o600)
        subprocess.run(["unzip", "-q", stage.pack, "-d", n.home], check=True)  # of root: replaced all the same
        trace = folder / "trace"
        p = subprocess.run(
            [
                "strace",
                "-f",
                "-o",
                trace,
                "-e",
                "trace=read,setresuid",
                *n.argv("ha", "join", folder / "pack.zip", "--home", n.home),
            ],
            capture_output=True,
            text=True,
        )
        assert p.returncode == 0, p.stderr
        lines = trace.read_text().splitlines()
    left = next(i for i, line in enumerate(lines) if "setresuid(" in line)
    reads = [i for i, line in enumerate(lines) if '"PK\\3\\4' in line]
    assert reads and min(reads) > left, "the pack is read as root"
    owner = n.home.stat().st_uid
    assert owner != 0 and {f.stat().st_uid for f in [n.home / "pack", *(n.home / "pack").iterdir()]} == {owner}


class Planted:
    """A home with an unzipped pack, and something that its owner has put in the place of a part of it. victim: what must stay as it was."""

    def __init__(self, node, folder):
        self.node, self.home, self.folder = node, node.home, folder
        self.pack, self.part = node.home / "pack", node.home / "pack/base.sealed"
        self.uid = node.home.stat().st_uid
        self.victim = folder / "shadow"
        self.victim.write_text("root:secret\n")
        self.victim.chmod(0o600)

    def link_for_a_file(self):
        self.part.unlink()
        self.part.symlink_to(self.victim)

    def link_for_the_folder(self):
        self.pack.rename(self.folder / "elsewhere")
        self.victim = self.folder / "elsewhere/base.sealed"
        self.pack.symlink_to(self.folder / "elsewhere")

    def hard_link(self):
        self.part.unlink()
        os.link(self.victim, self.part)

    def file_of_another_user(self):
        os.chown(self.part, 65534, 65534)
        self.victim = self.part

    def folder_of_another_user(self):
        os.chown(self.pack, 65534, 65534)
        self.victim = self.part

    def pipe(self):
        self.part.unlink()
        os.mkfifo(self.part)
        self.victim = self.part

    def device(self):
        self.part.unlink()
        os.mknod(self.part, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        self.victim = self.part

    def folder_for_a_file(self):
        self.part.unlink()
        self.part.mkdir()
        self.victim = self.part

    def file_of_roots_in_the_users_folder(self):
        """Whoever owns the folder can bring a file of root's into it by renaming."""
        for f in (self.pack, self.pack / "manifest.json", self.pack / "node.sealed"):
            os.chown(f, self.uid, -1)
        self.victim.rename(self.part)
        self.victim = self.part

    def file_of_roots_in_a_folder_for_all(self):
        self.pack.chmod(0o777)
        self.victim.rename(self.part)
        self.victim = self.part

    def seen(self):
        s = self.victim.lstat()
        return s.st_uid, s.st_gid, s.st_mode, s.st_nlink


HOSTILE = [name for name, f in vars(Planted).items() if callable(f) and not name.startswith("_") and name != "seen"]


@pytest.fixture(scope="module")
def waiting(stage):
    """A secondary's home that a pack was never unzipped in."""
    return stage.secondary()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it is root who gives files away")
@pytest.mark.parametrize("verb", ["serve", "ha join"])
@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_but_the_pack_is_taken_over(stage, waiting, what, verb):
    """Root gives the home's owner the files that root has unzipped, and no other, whatever lies in their place."""
    pack = waiting.home / "pack"
    with scratch_folder() as folder:
        subprocess.run(["unzip", "-q", stage.pack, "-d", waiting.home], check=True)
        p = Planted(waiting, folder)
        try:
            getattr(p, what)()
            before = p.seen()
            args = (
                ["serve", "--home", waiting.home]
                if verb == "serve"
                else ["ha", "join", stage.pack, "--home", waiting.home]
            )
            said = waiting.run(*args, check=False, timeout=30)
            assert said.returncode == 1 and "cannot be taken over" in said.stderr, said.stderr
            assert p.seen() == before
            assert not (waiting.home / "data/pg").exists()
        finally:
            pack.unlink() if pack.is_symlink() else shutil.rmtree(pack)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it is root who has unzipped")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_service_says_how_the_pack_becomes_its_own(stage, waiting, umask):
    """A unit begins as its user and takes nothing over; what it says to type is what helps."""
    pack = waiting.home / "pack"
    subprocess.run(["unzip", "-q", stage.pack, "-d", waiting.home], check=True, umask=umask)
    try:
        (pack / "node.sealed").chmod(0o600)
        p = subprocess.run(
            [*drop_prefix(), *waiting.argv("serve", "--home", waiting.home)], capture_output=True, text=True, timeout=30
        )
        told = re.findall(r"As root, run `(chown -R \S+ \S+)`", p.stderr)
        assert p.returncode == 1 and told == [f"chown -R holdfast: {pack}"], p.stderr
        subprocess.run(told[0].split(), check=True)
        waiting.key_file.chmod(0o444)  # so that it goes no further than the key
        p = subprocess.run(
            [*drop_prefix(), *waiting.argv("serve", "--home", waiting.home)], capture_output=True, text=True, timeout=30
        )
        assert "chown" not in p.stderr and str(waiting.key_file) in p.stderr, p.stderr
    finally:
        shutil.rmtree(pack)
        waiting.key_file.chmod(0o400)


def test_primary_does_not_become_a_secondary_by_a_slip(stage):
    p = join(stage.primary, stage.pack, check=False)
    assert p.returncode == 1 and "a vault of its own" in p.stderr


def test_setup_refuses_wrong_names(stage):
    for names, words in (
        (("other.test", "127.0.0.2"), "this node is called 127.0.0.1"),
        (("127.0.0.1", "127.0.0.1"), "its own secondary"),
        (("127.0.0.1", "a b"), "is no host name"),
    ):
        p = stage.primary.run("ha", "setup", *names, "--home", stage.primary.home, check=False)
        assert p.returncode in (1, 2) and words in p.stderr


def test_setup_with_the_node_stopped_says_so(template, new_node):
    n = copy_of(template, new_node())
    p = n.run("ha", "setup", "localhost", "127.0.0.2", "--home", n.home, check=False)
    assert p.returncode == 3 and "does not run" in p.stderr


def receive(node, slot, folder, seconds):
    """Somebody who streams from the slot for so long."""
    port = node.pair_listen.rsplit(":", 1)[1]
    return subprocess.Popen(
        [
            "timeout",
            "-s",
            "INT",
            str(seconds),
            *drop_prefix(),
            "pg_receivewal",
            "-D",
            folder,
            "-h",
            node.home / "run",
            "-p",
            port,
            "-U",
            "holdfast",
            "-S",
            slot,
        ],
        stderr=subprocess.PIPE,
        cwd="/",
    )


def wait_active(node, slot):
    wait_until(
        "somebody streams from the slot",
        lambda: node.sql(f"SELECT active FROM pg_replication_slots WHERE slot_name = '{slot}'"),
        lambda rows: rows == [["t"]],
    )


def test_a_slot_that_is_in_use_for_a_moment_is_waited_for(stage):
    """Its maker uses it too; a secondary that runs is not taken its slot."""
    slot = stage.primary.sql("SELECT slot_name FROM pg_replication_slots")[0][0]
    with scratch_folder() as folder:
        give(folder)
        setup = ("ha", "setup", "127.0.0.1", "127.0.0.2", "--home", stage.primary.home)
        used = receive(stage.primary, slot, folder, 60)
        wait_active(stage.primary, slot)
        waits = subprocess.Popen(
            stage.primary.argv(*setup),
            env=stage.primary.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        pass_time(1, "it has come to the slot, or will find it free")
        used.terminate()
        used.communicate()
        err = waits.communicate(timeout=120)[1]
        assert waits.returncode == 0, err
        used = receive(stage.primary, slot, folder, 60)
        wait_active(stage.primary, slot)
        p = stage.primary.run(*setup, check=False)
        used.terminate()
        used.communicate()
        assert p.returncode == 1, p.stderr
    assert "127.0.0.2 is running as this node's secondary now; stop it" in p.stderr


@pytest.fixture
def own(holdfast):
    """A primary of its own, which is told nothing of keep_pack."""
    with running(Stage, holdfast, keep_pack=False) as s:
        yield s


def test_a_pack_says_its_size_and_goes_when_its_node_has_joined(own):
    """A copy of the vault is not left lying about, on either node; until then it is there."""
    p = own.primary.run("ha", "setup", "127.0.0.1", "127.0.0.2", "--json", "--home", own.primary.home)
    said = json.loads(p.stdout)
    size = re.fullmatch(
        r"([\d.]+) MiB: a copy of the database \(([\d.]+) MiB\) and of the log that it needs \(([\d.]+) MiB\), compressed",
        said["size"],
    )
    print(said["size"])
    assert abs(float(size[1]) - own.pack.stat().st_size / 2**20) < 0.1, said
    assert float(size[1]) * 4 < float(size[2]) + float(size[3]), said
    b = own.secondary()
    brought = b.home / "replication" / own.pack.name
    brought.parent.mkdir(exist_ok=True)
    give(brought.parent)
    shutil.copy(own.pack, brought)
    give(brought)
    join(b, brought)
    assert own.pack.exists() and brought.exists()
    b.start()
    for n in (own.primary, b):
        n.wait_status(0)
    assert not brought.exists()
    wait_until("the primary's is gone", lambda: not own.pack.exists())


def test_a_primary_whose_own_name_does_not_resolve(holdfast):
    """Said before anything is made: the other node could never find it."""
    with scratch_folder() as folder:
        n = make_node(holdfast, folder, "vault-a.invalid", 1, 2)
        (folder / n.name).mkdir()
        give(folder / n.name)
        ports = Ports()
        n.listen, n.pair_listen = (f"127.0.0.1:{ports.take()}" for _ in range(2))
        n.init()
        n.start()
        try:
            before = tree(n.home / "conf")
            p = n.run("ha", "setup", n.name, "127.0.0.2", "--home", n.home, check=False)
            assert p.returncode == 1 and "cannot resolve the name vault-a.invalid" in p.stderr, p.stderr
            assert "nothing was changed" in p.stderr
            assert tree(n.home / "conf") == before and not list((n.home / "replication").glob("HAPack*"))
            assert int(n.sql("SELECT count(*) FROM node")[0][0]) == 1
        finally:
            n.end()


def test_two_secondaries_one_by_plain_unzip(stage):
    """The last of the module: from here on the pair has three nodes."""
    b = stage.secondary()
    join(b, stage.pack)
    b.start()
    c = stage.secondary("127.0.0.3")
    pack = stage.make_pack("127.0.0.3")
    subprocess.run(
        ["unzip", "-q", pack, "-d", c.home], check=True
    )  # as whoever runs this: what root has put there is taken over
    c.start()
    for n in (stage.primary, b, c):
        n.wait_status(0, 60)
    assert b.state() == c.state() == "standby"
    status = stage.primary.status()[1]
    assert [n["role"] for n in status["nodes"]].count("secondary") == 2
    assert stage.pack.exists() and pack.exists()  # keep_pack
    # A pack for another pair is refused by a node that belongs to this one.
    b.stop()
    with scratch_folder() as folder:
        other = Stage.__new__(Stage)
        other.holdfast, other.folder, other.https, other.pair = (
            stage.holdfast,
            folder,
            stage.https + 50,
            stage.pair + 50,
        )
        (folder / "127.0.0.1").mkdir()
        give(folder / "127.0.0.1")
        other.primary = make_node(stage.holdfast, folder, "127.0.0.1", other.https, other.pair)
        shutil.copy(stage.primary.key_file, other.primary.key_file)
        other.primary.key_file.chmod(0o400)
        give(other.primary.key_file)
        other.primary.init()
        try:
            other.primary.start()
            foreign = other.make_pack("127.0.0.2")
            assert "another pair" in join(b, foreign, check=False).stderr and not (b.home / "pack").exists()
            subprocess.run(["unzip", "-q", foreign, "-d", b.home], check=True)
        finally:
            other.primary.end()
    b.start()  # with the data that it has
    assert "another pair" in b.log.read_text() and "keeps the data that it has" in b.log.read_text()
    b.stop()
    shutil.rmtree(b.home / "pack")


def test_certificate_of_an_authority_has_to_be_imported(stage):
    """A web certificate that the log does not know: Failed by name until its authority is imported on the other node."""
    c = next(n for n in stage.made if n.name == "127.0.0.3" and n.proc)
    (stage.folder / "ca").mkdir()
    authority = Authority(stage.folder / "ca")
    put_in(c, *authority.make("127.0.0.3"))

    def seen():
        status = stage.primary.status()[1]
        return (
            next(n for n in status["nodes"] if n["name"] == "127.0.0.3")["service"],
            [r["code"] for r in status["reasons"] if r["node"] == "127.0.0.3"],
        )

    def wait_for(what):
        wait_until("the status says what is waited for", seen, lambda found: what(*found), every=0.1)

    wait_for(lambda service, codes: "cert_untrusted" in codes)
    stage.primary.run("cert", "import", authority.root, "--home", stage.primary.home)
    wait_for(lambda service, codes: service == "Active" and "cert_untrusted" not in codes)
