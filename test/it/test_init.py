# SPDX-License-Identifier: Apache-2.0
"""holdfast init: all or nothing."""
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess

import pytest
from nodes import paragraph, processes_below, tree
from pair import give
from wait import pass_time, wait_until


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone becomes another user")
def test_a_program_that_its_user_may_not_execute_is_refused(new_node, holdfast, where):
    n = new_node()
    n.holdfast = str(shutil.copy(holdfast, where / "holdfast"))
    os.chmod(n.holdfast, 0o700)
    p = n.run("init", "--home", n.home, "--key-file", n.key_file, check=False)
    assert p.returncode == 1 and f"chmod a+rx {n.holdfast}" in p.stderr
    assert not n.home.exists() and not n.key_file.exists()


def test_makes_a_node(new_node):
    n = new_node()
    p = n.init()
    assert str(n.key_file) in p.stdout and "Keep it" in p.stdout
    assert p.stdout.count(n.setup_token()) == 1
    assert stat.S_IMODE(n.home.stat().st_mode) == 0o700
    assert stat.S_IMODE(n.key_file.stat().st_mode) == 0o400
    assert n.home.stat().st_uid == n.key_file.stat().st_uid != 0
    key = n.key_file.read_text().strip()
    assert len(key) == 64
    assert (n.home / "conf/manage_key.conf").read_text().splitlines()[-1] == str(n.key_file)
    assert processes_below(n.home) == []
    for folder, _, files in os.walk(n.home):  # the key is nowhere below the home
        for f in files:
            assert key.encode() not in open(os.path.join(folder, f), "rb").read()
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", n.web_cert], capture_output=True, text=True
    ).stdout
    assert "DNS:localhost" in text and "IP Address:127.0.0.1" in text


def test_a_file_system_of_its_own_may_be_mounted_there(new_node):
    """What mkfs has put in it (lost+found) is nobody's data: it stays, and is no reason to refuse."""
    n = new_node()
    own = n.home / "lost+found"
    own.mkdir(parents=True)
    give(n.home)
    own.chmod(0o700)  # of root, like the real one
    before = own.stat()
    n.init()
    assert own.stat() == before
    n.start()
    n.stop()


def test_as_json(new_node):
    n = new_node("a.example")
    p = n.run("init", "--home", n.home, "--name", n.name, "--listen", n.listen, "--json")
    said = json.loads(p.stdout)
    assert said["home"] == str(n.home) and said["key_file"] == f"{n.home}.key" and said["key_made"] is True
    assert said["name"] == "a.example" and len(said["setup_token"]) == 43
    assert said["url"] == f"https://a.example:{n.port}"


def test_twice_is_refused_and_touches_nothing(node):
    before = tree(node.home)
    p = node.run("init", "--home", node.home, "--key-file", node.key_file, check=False)
    assert p.returncode == 1 and "already" in p.stderr
    assert tree(node.home) == before
    assert node.run("init", "--home", node.home, check=False).returncode == 1
    assert tree(node.home) == before


def test_folder_with_something_in_it(new_node):
    n = new_node()
    n.home.mkdir()
    (n.home / "mine.txt").write_text("x")
    before = tree(n.home)
    p = n.run("init", "--home", n.home, check=False)
    assert p.returncode == 1 and "not empty" in p.stderr
    assert tree(n.home) == before and not n.home.with_suffix(".key").exists()


def test_a_home_below_a_file(new_node, where):
    """Nothing can be made there: one message says so, and none of what could not be undone."""
    n = new_node()
    (where / "file").write_text("mine")
    p = n.run("init", "--home", where / "file/x", "--key-file", n.key_file, check=False)
    assert p.returncode == 1 and f"{where / 'file'} exists and is not a folder; nothing was changed" in p.stderr
    assert len(p.stderr.splitlines()) == 1
    assert (where / "file").read_text() == "mine" and not n.key_file.exists()


@pytest.mark.parametrize("how", ["plain", "symlink", "dots"])
def test_key_inside_the_home_is_refused(new_node, where, how):
    n = new_node()
    if how == "plain":
        key = f"{n.home}/keys/master.key"
        n.home.mkdir()
        give(n.home)
        key = f"{n.home}/master.key"
    elif how == "symlink":
        n.home.mkdir()
        give(n.home)
        os.symlink(n.home, where / "elsewhere")
        key = f"{where}/elsewhere/master.key"
    else:
        n.home.mkdir()
        give(n.home)
        key = f"{where}/../{where.name}/home/master.key"
    p = n.run("init", "--home", n.home, "--key-file", key, check=False)
    assert p.returncode == 1 and "inside the home" in p.stderr
    assert tree(n.home) == {}


def test_existing_key_is_used_and_not_changed(new_node, where):
    n = new_node()
    n.run("key", "new", where / "old.key")
    give(where / "old.key")
    before = (where / "old.key").read_bytes()
    n.key_file = where / "old.key"
    p = n.init()
    assert "is the one in" in p.stdout
    assert (where / "old.key").read_bytes() == before


def test_default_key_that_is_there_is_refused(new_node):
    n = new_node()
    key = n.home.parent / "home.key"
    key.write_text("something else\n")
    p = n.run("init", "--home", n.home, check=False)
    assert p.returncode == 1 and "--key-file" in p.stderr
    assert key.read_text() == "something else\n" and not n.home.exists()


@pytest.mark.parametrize("content", ["", "short\n", "g" * 64 + "\n", "a" * 64 + "\nmore"])
def test_bad_key_file_is_refused_and_kept(new_node, where, content):
    n = new_node()
    key = where / "bad.key"
    key.write_text(content)
    key.chmod(0o400)
    give(key)
    p = n.run("init", "--home", n.home, "--key-file", key, check=False)
    assert p.returncode == 1 and "bad.key" in p.stderr
    assert key.read_text() == content and not n.home.exists()


def test_secondary_has_folders_only(new_node):
    n = new_node("b.example")
    p = n.run("init", "--secondary", "--home", n.home, "--name", n.name, "--listen", n.listen)
    assert "ha setup" in p.stdout and "ha join" in p.stdout
    assert not (n.home / "data/pg").exists() and not (n.home / "conf/manage_key.conf").exists()
    assert not n.home.with_suffix(".key").exists()
    assert n.web_cert.exists() and (n.home / "conf/node.conf").exists()


def test_secondary_remembers_where_the_key_will_be(new_node, where):
    n = new_node("b.example")
    n.run("init", "--secondary", "--home", n.home, "--key-file", where / "usb.key")
    assert (n.home / "conf/manage_key.conf").read_text().splitlines()[-1] == str(where / "usb.key")
    assert not (where / "usb.key").exists()


@pytest.mark.parametrize(
    "args,why",
    [
        ([], "holdfast init --home DIR"),
        (["--listen", "nonsense"], "listen"),
        (["--pair-listen", "1.2.3.4:99999"], "pair_listen"),
        (["--name", "no name"], "not the name of a machine"),
        (["--hoem", "x"], "did you mean --home"),
    ],
)
def test_misunderstood(new_node, args, why):
    n = new_node()
    home = [] if not args or args[0] == "--hoem" else ["--home", n.home]
    p = n.run("init", *home, *args, check=False)
    assert p.returncode == 2 and why in p.stderr
    assert not n.home.exists()


def test_path_too_long_for_the_socket(new_node, where):
    n = new_node()
    p = n.run("init", "--home", where / ("x" * 90), check=False)
    assert p.returncode == 1 and "too long" in p.stderr and "shorter" in p.stderr
    assert list(where.iterdir()) == []


def test_no_postgresql(new_node, where):
    n = new_node()
    p = n.run("init", "--home", n.home, check=False, env={"HOLDFAST_PG_BIN": "/nonexistent"})
    assert p.returncode == 1 and "HOLDFAST_PG_BIN" in p.stderr
    assert list(where.iterdir()) == []


def test_no_such_user(new_node, where):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    n = new_node()
    p = n.run("init", "--home", n.home, "--user", "nobody-of-that-name", check=False)
    assert p.returncode == 1 and "useradd" in p.stderr
    assert list(where.iterdir()) == []


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.02, 0.3, 1.0, 2.2])
def test_interrupted_leaves_nothing(new_node, where, sig, after):
    n = new_node()
    deep = where / "a/b/home"  # folders above the home are ours to remove too
    p = subprocess.Popen(
        n.argv("init", "--home", deep, "--key-file", where / "m.key"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pass_time(after, "the signal comes at this moment of the run")
    if p.poll() is None:
        p.send_signal(sig)
    _, err = p.communicate(timeout=60)
    if p.returncode == 0:
        pytest.skip("it was done before the signal came")
    if p.returncode > 0:  # else: it had not begun to guard, nor to make anything
        assert p.returncode == 1 and "removed again" in err
    assert list(where.iterdir()) == []
    assert processes_below(where) == []


def test_crash_in_the_middle_leaves_nothing(new_node, where):
    n = new_node()
    p = subprocess.Popen(
        n.argv("init", "--home", n.home, "--key-file", n.key_file),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    child = None

    def halfway():
        nonlocal child
        kids = open(f"/proc/{p.pid}/task/{p.pid}/children").read().split()
        child = int(kids[0]) if kids else child
        return child and (n.home / "data/pg/PG_VERSION").exists()

    wait_until("PostgreSQL's data are begun", halfway, every=0.01)
    os.kill(child, signal.SIGKILL)
    _, err = p.communicate(timeout=60)
    assert p.returncode == 1 and "crashed" in err
    assert list(where.iterdir()) == []
    assert processes_below(where) == []


def test_empty_folder_that_was_there_stays(new_node, where):
    n = new_node()
    n.home.mkdir()
    give(n.home)
    p = n.run("init", "--home", n.home, "--key-file", "/proc/none/such.key", check=False)
    assert p.returncode == 1
    assert n.home.is_dir() and tree(n.home) == {}
    assert pwd.getpwuid(n.home.stat().st_uid) and "such.key" in paragraph(p)
