# SPDX-License-Identifier: Apache-2.0
"""Hosts in network namespaces.

    a ──veth──┐
              ├─ middle: a bridge; nftables drops between its ports what a fault wants lost
    b ──veth──┤
    c ──veth──┤   a second secondary, where a test asks for one
              │
    client ───┤
    proxy ────┘   where a test asks for one

Packets vanish in the middle, so no host sees an error of its own. Delay and loss need no netem (many kernels have
none): for them the ports leave the bridge and a program (wire.py) carries the frames by hand.
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOSTS = {"a": "10.77.0.1", "b": "10.77.0.2", "c": "10.77.0.3", "proxy": "10.77.0.8", "client": "10.77.0.9"}
HOSTS_V6 = {h: f"fd77::{a.rsplit('.', 1)[1]}" for h, a in HOSTS.items()}
NAMES = {"a": "node-a.test", "b": "node-b.test", "c": "node-c.test", "proxy": "vault.test", "client": "client.test"}
TWO_NODES = ("a", "b", "client")


def why_not():
    """None, or why hosts cannot be had here."""
    if os.geteuid() != 0:
        return "needs root: hosts are network namespaces"
    for tool in ("ip", "nft"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            return f"needs {tool}"
    probe = f"hfprobe{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode != 0:
        return "network namespaces cannot be made here"
    try:
        ok = (
            subprocess.run(
                [
                    "ip",
                    "netns",
                    "exec",
                    probe,
                    "nft",
                    "add table bridge t; add chain bridge t f " "{ type filter hook forward priority 0; }",
                ],
                capture_output=True,
            ).returncode
            == 0
        )
        return None if ok else "nftables' bridge family is not in this kernel"
    finally:
        subprocess.run(["ip", "netns", "del", probe], capture_output=True)


def sh(*argv, check=True, **kw):
    p = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **kw)
    if check and p.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {p.stderr.strip() or p.stdout.strip()}")
    return p.stdout


class Net:
    """The hosts and the wire between them. Names carry the process id, so that runs do not meet."""

    count = 0

    def __init__(self, hosts=TWO_NODES, v6=False):
        Net.count += 1
        self.addresses, self.bits = (HOSTS_V6, 64) if v6 else (HOSTS, 24)
        self.hosts = {h: self.addresses[h] for h in hosts}
        self.tag = f"hf{os.getpid()}x{Net.count}"
        self.wire = None
        self.cuts = set()
        self.closed = set()
        self.made = []

    def ns(self, host):
        return f"{self.tag}-{host}"

    def exec_prefix(self, host):
        return ["ip", "netns", "exec", self.ns(host)]

    def port(self, host):
        return "p-" + host

    def up(self):
        middle = self.ns("middle")
        for host in ["middle", *self.hosts]:
            sh("ip", "netns", "add", self.ns(host))
            self.made.append(self.ns(host))
            sh("ip", "-n", self.ns(host), "link", "set", "lo", "up")
        sh("ip", "-n", middle, "link", "add", "br0", "type", "bridge", "forward_delay", "0", "stp_state", "0")
        sh("ip", "-n", middle, "link", "set", "br0", "up")
        for host, addr in self.hosts.items():
            sh(
                "ip",
                "-n",
                middle,
                "link",
                "add",
                self.port(host),
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                self.ns(host),
            )
            sh("ip", "-n", middle, "link", "set", self.port(host), "master", "br0", "up")
            sh(
                "ip",
                "-n",
                self.ns(host),
                "addr",
                "add",
                f"{addr}/{self.bits}",
                "dev",
                "eth0",
                *(["nodad"] * (self.bits == 64)),
            )
            sh("ip", "-n", self.ns(host), "link", "set", "eth0", "up")
            etc = Path("/etc/netns") / self.ns(host)
            etc.mkdir(parents=True, exist_ok=True)
            # A host's own name is its own address, as in a real /etc/hosts.
            lines = ["127.0.0.1 localhost"] + [f"{addr} {NAMES[h]}" for h, addr in self.addresses.items()]
            (etc / "hosts").write_text("\n".join(lines) + "\n")
        return self

    def down(self):
        self.clear()
        for name in self.made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
            shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)
        self.made = []

    # faults

    def cut(self, src, dst):
        """Frames from src to dst vanish (one way)."""
        self.cuts.add((src, dst))
        self._rules()

    def cut_both(self, x, y):
        self.cuts.update({(x, y), (y, x)})
        self._rules()

    def close_port(self, src, dst, port):
        """Frames from src to that TCP port of dst vanish, and nothing else."""
        self.closed.add((src, dst, port))
        self._rules()

    def isolate(self, host):
        """The machine is gone: nothing from or to it."""
        for other in self.hosts:
            if other != host:
                self.cuts.update({(host, other), (other, host)})
        self._rules()

    def join(self, x, y):
        self.cuts -= {(x, y), (y, x)}
        self._rules()

    def open_ports(self):
        self.closed.clear()
        self._rules()

    def heal(self):
        """Every line is whole again; ports stay closed."""
        self.cuts.clear()
        self._rules()

    def clear(self):
        if self.wire:
            self.degrade(0, 0)
        if self.made:
            self.closed.clear()
            self.heal()

    def _rules(self):
        """The whole rule set at once, so that both ways of a link end at the same instant."""
        rules = "".join(
            f'add rule bridge cut f iifname "{self.port(s)}" oifname "{self.port(d)}" drop\n'
            for s, d in sorted(self.cuts)
        ) + "".join(
            f'add rule bridge cut f iifname "{self.port(s)}" oifname "{self.port(d)}" tcp dport {port} drop\n'
            for s, d, port in sorted(self.closed)
        )
        script = (
            "add table bridge cut\ndelete table bridge cut\nadd table bridge cut\n"
            "add chain bridge cut f { type filter hook forward priority 0; }\n" + rules
        )
        sh("ip", "netns", "exec", self.ns("middle"), "nft", "-f", "-", input=script)

    def degrade(self, delay_ms, loss_percent):
        """Between a and b: every frame late by delay_ms, loss_percent of them lost, each way. 0, 0 ends it."""
        middle = self.ns("middle")
        if self.wire:
            self.wire.terminate()
            self.wire.wait()
        elif delay_ms or loss_percent:
            for host in self.hosts:
                sh("ip", "-n", middle, "link", "set", self.port(host), "nomaster")
        if delay_ms or loss_percent:
            self.wire = subprocess.Popen(
                [
                    *self.exec_prefix("middle"),
                    sys.executable,
                    str(HERE / "wire.py"),
                    "--delay-ms",
                    str(delay_ms),
                    "--loss",
                    str(loss_percent),
                    "--between",
                    self.port("a"),
                    self.port("b"),
                    *(self.port(h) for h in self.hosts),
                ],
                stdout=subprocess.PIPE,
            )
            self.wire.stdout.readline()  # it carries from here on
        elif self.wire:
            self.wire = None
            for host in self.hosts:
                sh("ip", "-n", middle, "link", "set", self.port(host), "master", "br0")


def workdir(prefix="holdfast-"):
    """A folder that the user holdfast can pass through."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    path.chmod(0o755)
    return path
