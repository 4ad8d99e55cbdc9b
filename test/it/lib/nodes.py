# SPDX-License-Identifier: Apache-2.0
"""Nodes of the integration tests, their ports and folders, people who use them, and what is there and runs."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from api import Api
from pair import drop_prefix, free_port, give

ROOT = Path(__file__).resolve().parents[3]


@contextlib.contextmanager
def scratch_folder():
    """A folder that the product's user can reach and write."""
    path = Path(tempfile.mkdtemp(prefix="hf-it-"))
    path.chmod(0o755)
    give(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Ports:
    """Each asked for gives another one. All of a process go on where the last one ended: what they claim is theirs until it ends."""

    next = 20000 + os.getpid() % 12000

    def take(self):
        port = free_port("127.0.0.1", Ports.next)
        Ports.next = port + 1
        return port


def copy_of(template, n):
    """Makes the node n of the one that was made once."""
    subprocess.run(["cp", "-a", template.home, n.home], check=True)
    subprocess.run(["cp", "-a", template.key_file, n.key_file], check=True)
    n.set("listen", n.listen)
    n.set("pair_listen", n.pair_listen)
    conf = n.home / "conf/manage_key.conf"
    conf.write_text(f"{n.key_file}\n")
    give(conf)
    n.init_output = template.init_output
    return n


class Person:
    """A user with a session of their own: client verbs (with a session file) and API calls."""

    def __init__(self, node, name, token, password, folder):
        self.node, self.name, self.password = node, name, password
        self.session = folder / f"{name}.session"
        p = self.login("--setup", input=f"{token}\n{password}\n")
        assert p.returncode == 0, p.stderr
        self.begin_api()

    def begin_api(self):
        self.api = Api(self.node)
        begun = self.api.must("POST", "/v1/session", {"name": self.name, "password": self.password})
        self.api.token, self.id = begun["token"], begun["user"]["id"]

    def login(self, *args, input=None, **kw):
        return self.cli(
            "login",
            "--ca",
            self.node.web_cert,
            self.node.url,
            self.name,
            *args,
            input=input or f"{self.password}\n",
            **kw,
        )

    def cli(self, *args, check=False, **kw):
        return self.node.cli(*args, session=self.session, check=check, **kw)

    def good(self, *args, **kw):
        """What a verb printed that has to go well."""
        return self.cli(*args, check=True, **kw).stdout

    def accept_all(self):
        """Whatever others share with them by themselves, so that they find it by its name."""
        for o in self.api.must("GET", "/v1/offers?limit=200")["offers"]:
            if not o["ownership"]:
                self.api.must("POST", f"/v1/{o['kind']}s/{o[o['kind']]['id']}/shares/accept")

    def json(self, *args, **kw):
        return json.loads(self.good(*args, "--json", **kw))


def told(said):
    """What a verb said, but for what it waited for: on a slow machine it says that too, a line for whatever takes longer than a second."""
    text = said.decode() if isinstance(said, bytes) else said
    return re.sub(r"^waiting\b.*\r?\n", "", text, flags=re.M)


def paragraph(p):
    """What a refused start said, on one line."""
    return re.sub(r"\s+", " ", p.stderr)


def tree(path):
    """Every file below path with size, mode and time: what 'nothing was touched' means."""
    found = {}
    for folder, names, files in os.walk(path):
        for name in names + files:
            st = os.lstat(os.path.join(folder, name))
            found[os.path.relpath(os.path.join(folder, name), path)] = (
                st.st_size,
                st.st_mode,
                st.st_mtime_ns,
                st.st_ino,
            )
    return found


def processes_below(path):
    """Processes that name the folder in their command line."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(path) in words:
                found.append((int(entry), words.replace("\0", " ").strip()))
    return found


def as_user(*argv, **kw):
    """Runs a program as the product's user."""
    return subprocess.run([*drop_prefix(), *map(str, argv)], capture_output=True, text=True, cwd="/", **kw)
