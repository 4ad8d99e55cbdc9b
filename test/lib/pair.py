# SPDX-License-Identifier: Apache-2.0
"""Nodes and pairs driven through the program itself, for the failure tests, the bench and the demo.

Only what an operator has: the command line, signals, files of the home folder, and psql on the private socket.
Standard library only.
"""
import csv
import http.client
import io
import json
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

USER = "holdfast"


class Failed(Exception):
    """A command of the product did not do what was asked."""


def drop_prefix():
    """What runs a client program as the product's own user when we are root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"]


def give(path):
    """Hands a file or folder to the product's user."""
    if os.geteuid() == 0:
        shutil.chown(path, USER, USER)


def stat_of(pid):
    """(command name, parent, start time, user+system ticks, resident pages) of a process, or None."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name = text[text.index("(") + 1:text.rindex(")")]
    f = text[text.rindex(")") + 2:].split()
    if f[0] in "ZX":
        return None
    return name, int(f[1]), int(f[19]), int(f[11]) + int(f[12]), int(f[21])


def descendants(pid):
    """The process and everything below it, top first."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            s = stat_of(int(entry))
            if s:
                children.setdefault(s[1], []).append(int(entry))
    found, queue = [], [pid] if stat_of(pid) else []
    while queue:
        p = queue.pop(0)
        found.append(p)
        queue += children.get(p, [])
    return found


class Node:
    """One node: its home, how to run programs on its host, its supervisor while it runs."""

    def __init__(self, holdfast, home, name, listen, pair_listen, key_file, prefix=(), env=None):
        self.holdfast, self.home, self.name = str(holdfast), Path(home), name
        self.listen, self.pair_listen, self.key_file = listen, pair_listen, Path(key_file)
        self.prefix, self.env = list(prefix), dict(os.environ, **(env or {}))
        self.proc = None
        self.log = self.home.parent / (self.home.name + ".log")
        self.init_output = ""

    # running the program

    def argv(self, *args):
        return [*self.prefix, self.holdfast, *map(str, args)]

    def run(self, *args, check=True, input=None, timeout=180, env=None):
        p = subprocess.run(self.argv(*args), capture_output=True, text=True, input=input, timeout=timeout, env=dict(self.env, **(env or {})))
        if check and p.returncode != 0:
            raise Failed(f"holdfast {' '.join(map(str, args))}: exit {p.returncode}\n{p.stdout}{p.stderr}")
        return p

    def init(self, secondary=False):
        args = ["init", "--home", self.home, "--name", self.name, "--listen", self.listen, "--pair-listen", self.pair_listen]
        p = self.run(*args, "--key-file", self.key_file, *(["--secondary"] if secondary else []))
        self.init_output = p.stdout + p.stderr
        return p

    def setup_token(self):
        """The one-time token of the first administrator, as init printed it."""
        found = re.findall(r"(?<![\w-])[A-Za-z0-9_-]{43}(?![\w-])", self.init_output)
        if not found:
            raise Failed(f"init printed no set-up token:\n{self.init_output}")
        return found[-1]

    @property
    def web_cert(self):
        return self.home / "conf/tls/web.crt"

    def set(self, name, value):
        """One setting in conf/holdfast.conf."""
        conf = self.home / "conf/holdfast.conf"
        lines = conf.read_text().splitlines() if conf.exists() else []
        lines = [l for l in lines if not re.match(rf"\s*{name}\s*=", l)]
        conf.write_text("\n".join([*lines, f"{name} = {value}"]) + "\n")
        give(conf)

    def start(self, wait=True, timeout=60, key=True):
        out = open(self.log, "ab")
        args = ["serve", "--home", self.home]
        self.proc = subprocess.Popen(self.argv(*args), stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=self.env, start_new_session=True)
        out.close()
        if wait:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=60):
        """Until the node answers its health at all (serving or standing by)."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.proc.poll() is not None:
                raise Failed(f"{self.name}: serve ended with {self.proc.returncode}\n{self.log_tail()}")
            h = self.health()
            if h and h[0] in (200, 429):
                return h
            time.sleep(0.05)
        raise Failed(f"{self.name}: not ready after {timeout} s; health says {self.health()}\n{self.log_tail()}")

    def stop(self, timeout=60):
        if self.proc and self.proc.poll() is None:
            self.signal_supervisor(signal.SIGTERM)
            try:
                self.proc.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise Failed(f"{self.name}: did not stop within {timeout} s of SIGTERM\n{self.log_tail()}") from None
        self.proc = None

    # processes

    def supervisor(self):
        """Popen's process may be a wrapper that became the supervisor by exec; it is the same pid."""
        return self.proc.pid if self.proc and self.proc.poll() is None else None

    def signal_supervisor(self, sig):
        pid = self.supervisor()
        if pid:
            os.kill(pid, sig)

    def pids(self, what):
        """what: supervisor, keyd, vaultd, agent, postmaster, postgres (all of PostgreSQL's) or all."""
        top = self.supervisor()
        if not top:
            return []
        tree = descendants(top)
        if what == "all":
            return tree
        if what == "supervisor":
            return [top]
        postmaster = [p for p in tree if (s := stat_of(p)) and s[0] == "postgres" and s[1] == top]
        if what == "postmaster":
            return postmaster
        if what == "postgres":
            return [p for m in postmaster for p in descendants(m)]
        return [p for p in tree if self._process_name(p) == what]

    @staticmethod
    def _process_name(pid):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return None
        for i, w in enumerate(words[:-1]):
            if w == b"--process":
                return words[i + 1].decode()
        return None

    def signal(self, what, sig):
        pids = self.pids(what)
        if not pids:
            raise Failed(f"{self.name}: no process '{what}' to signal")
        for pid in pids:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
        return pids

    def kill(self):
        """The whole node at once, as a power cut does it to its processes."""
        if not self.proc:
            return
        pids = self.pids("all")
        for pid in pids: # stopped first, so that nobody restarts anybody
            self._quietly(pid, signal.SIGSTOP)
        for pid in self.pids("all") or pids:
            self._quietly(pid, signal.SIGKILL)
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait(10)
        self.proc = None

    @staticmethod
    def _quietly(pid, sig):
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass

    # looking

    @property
    def address(self):
        return self.listen.rsplit(":", 1)[0]

    @property
    def port(self):
        return int(self.listen.rsplit(":", 1)[1])

    @property
    def url(self):
        return f"https://{self.name}:{self.port}"

    def health(self, timeout=2):
        """(HTTP status, body) or None when it does not answer. Runs on the node's own host."""
        if self.prefix:
            code = ("import http.client,ssl,sys\n"
                    f"c=http.client.HTTPSConnection({self.address!r},{self.port},timeout={timeout},context=ssl._create_unverified_context())\n"
                    "c.request('GET','/v1/sys/health'); r=c.getresponse(); print(r.status); print(r.read().decode())")
            p = subprocess.run([*self.prefix, sys.executable, "-c", code], capture_output=True, text=True)
            if p.returncode != 0:
                return None
            status, _, body = p.stdout.partition("\n")
            return int(status), json.loads(body or "null")
        try:
            c = http.client.HTTPSConnection(self.address, self.port, timeout=timeout, context=ssl._create_unverified_context())
            c.request("GET", "/v1/sys/health")
            r = c.getresponse()
            return r.status, json.loads(r.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def status(self):
        """(exit code, object) of `ha status --json`."""
        p = self.run("ha", "status", "--json", "--home", self.home, check=False, timeout=30)
        try:
            return p.returncode, json.loads(p.stdout)
        except ValueError:
            return p.returncode, {"output": p.stdout + p.stderr}

    def wait_status(self, code, timeout=60):
        """Until `ha status` exits with code (0 Alive, 4 Failed); the seconds it took."""
        begun = time.monotonic()
        while True:
            got, obj = self.status()
            if got == code:
                return time.monotonic() - begun
            if time.monotonic() - begun > timeout:
                raise Failed(f"{self.name}: ha status still {got} after {timeout} s: {json.dumps(obj)[:2000]}\n{self.log_tail()}")
            time.sleep(0.1)

    def wait_state(self, *states, timeout=60):
        begun = time.monotonic()
        while True:
            state = self.state()
            if state in states:
                return time.monotonic() - begun
            if time.monotonic() - begun > timeout:
                raise Failed(f"{self.name}: state is {state}, not {'/'.join(states)}, after {timeout} s\n{self.log_tail()}")
            time.sleep(0.02)

    def state(self):
        h = self.health()
        return h[1].get("state") if h and isinstance(h[1], dict) else None

    def sql(self, text, database="holdfast", timeout=60):
        """Rows of a query on the private socket, as lists of text."""
        port = self.pair_listen.rsplit(":", 1)[1]
        p = subprocess.run([*drop_prefix(), "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "--csv", "-t", "-h", str(self.home / "run"), "-p", port,
                            "-U", USER, "-d", database, "-f", "-"], input=text, capture_output=True, text=True, timeout=timeout, cwd="/")
        if p.returncode != 0:
            raise Failed(f"{self.name}: psql: {p.stderr.strip()}")
        return list(csv.reader(io.StringIO(p.stdout)))

    def log_tail(self, lines=30):
        try:
            text = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "(no log)"
        return f"--- last lines of {self.name}:\n" + "\n".join(text[-lines:])

    # users

    def cli(self, *args, session, check=True, input=None, timeout=60):
        """A client verb with its own session file; runs on the node's host."""
        return self.run(*args, check=check, input=input, timeout=timeout, env={"HOLDFAST_SESSION": str(session)})


def free_port(address, first):
    """first, or the next port that nobody listens on there."""
    for port in range(first, first + 200):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((address, port))
                return port
            except OSError:
                continue
    raise Failed(f"no free port on {address} from {first} on")


def make_pair(primary, secondary, progress=lambda text: None):
    """The four steps. Both nodes run at the end and the status is Alive."""
    primary.init()
    secondary.init(secondary=True)
    progress("both nodes initialised")
    primary.start()
    progress("the primary serves")
    join(primary, secondary, progress)


def join(primary, secondary, progress=lambda text: None):
    """Steps 2 to 4: pack, unpack, key location."""
    primary.run("ha", "setup", primary.name, secondary.name, "--home", primary.home, "--secondary-port", secondary.port, "--secondary-pair-port",
                secondary.pair_listen.rsplit(":", 1)[1])
    pack = primary.home / f"replication/HAPack-{secondary.name}.zip"
    progress(f"the pack is made: {pack.name}, {pack.stat().st_size >> 20} MiB")
    copied = secondary.home.parent / pack.name
    shutil.copy(pack, copied)
    give(copied)
    (secondary.home / "conf/manage_key.conf").write_text(str(secondary.key_file) + "\n")
    give(secondary.home / "conf/manage_key.conf")
    secondary.run("ha", "join", copied, "--home", secondary.home)
    copied.unlink()
    progress("the pack is unpacked on the secondary")
    secondary.start()
    for n in (primary, secondary):
        n.wait_status(0)
    progress("status Alive on both")
