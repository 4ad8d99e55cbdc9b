# SPDX-License-Identifier: Apache-2.0
"""A primary that runs and the packs that it makes; 127.0.0.1 and further loopback addresses are the nodes."""
import contextlib
import shutil

from nodes import Ports, scratch_folder
from pair import Node, give


def make_node(holdfast, folder, name, https, pair, env=None):
    return Node(
        holdfast,
        folder / name / "home",
        name,
        f"{name}:{https}",
        f"{name}:{pair}",
        folder / name / "master.key",
        env=env,
    )


class Stage:
    """A running primary and the pack it made for 127.0.0.2."""

    def __init__(self, holdfast, folder, keep_pack=True):
        ports = Ports()
        self.holdfast, self.folder = holdfast, folder
        self.https, self.pair = ports.take(), ports.take()
        self.primary = make_node(holdfast, folder, "127.0.0.1", self.https, self.pair)
        (folder / "127.0.0.1").mkdir()
        give(folder / "127.0.0.1")
        self.primary.init()
        if keep_pack:  # for the secondaries that are made of it
            self.primary.set("keep_pack", "true")
        self.primary.start()
        self.pack = self.make_pack("127.0.0.2")
        self.made = [self.primary]
        self.count = 0

    def make_pack(self, name):
        self.primary.run("ha", "setup", "127.0.0.1", name, "--home", self.primary.home)
        return self.primary.home / f"replication/HAPack-{name}.zip"

    def secondary(self, name="127.0.0.2", key=True, env=None):
        """A home made by init --secondary, with a copy of the key file."""
        self.count += 1
        folder = self.folder / f"s{self.count}"
        (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        give(folder)
        give(folder / name)
        n = make_node(self.holdfast, folder, name, self.https, self.pair, env)
        shutil.copy(self.primary.key_file, n.key_file)
        n.key_file.chmod(0o400)
        give(n.key_file)
        n.init(secondary=True)
        if not key:
            (n.home / "conf/manage_key.conf").unlink(missing_ok=True)
        self.made.append(n)
        return n


def join(node, pack, check=True):
    return node.run("ha", "join", pack, "--home", node.home, check=check)


@contextlib.contextmanager
def running(kind, holdfast, **more):
    """A Stage, or what is made of one, in a folder of its own; all its nodes end with the block."""
    with scratch_folder() as folder:
        s = kind(holdfast, folder, **more)
        try:
            yield s
        finally:
            for n in s.made:
                n.end()
