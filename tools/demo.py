#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A pair on this machine, both failure scenarios played and told, then it stays up.

    tools/demo.py --holdfast build/release/src/cmd/holdfast [--once]

The nodes are called 127.0.0.1 and 127.0.0.2. Between them and everybody else stands a relay of this program, the
"network": it can cut the link between the two nodes, and only that, without root. --once ends after the play, with exit
code 0 only if every step held. Everything lies in one temporary folder that is removed at the end.
"""
import argparse
import asyncio
import csv
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test/lib"))
from fastclient import Client  # noqa: E402
from pair import Failed, Node, descendants, give, join  # noqa: E402

PASSWORD = "Correct-Horse-7-battery"
COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
GIVE_UP_S = 20


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


class Story:
    """Tells with times; knows whether every step held."""

    def __init__(self):
        self.begun, self.held = time.monotonic(), True

    def chapter(self, text):
        print("\n" + paint(1, text), flush=True)

    def tell(self, text):
        print(f"  {time.monotonic() - self.begun:6.1f} s  {text}", flush=True)

    def check(self, good, text, detail=""):
        self.tell(paint(32, "✓ ") + text if good else paint(31, "✗ " + text) + (f": {detail}" if detail else ""))
        self.held = self.held and bool(good)
        return good


class Network:
    """Carries what comes to a public address on to the node behind it; cuts what comes from the other node."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.nodes, self.tasks = [], []
        self.link = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.ready = threading.Event()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.link = asyncio.Event()
        self.link.set()
        self.ready.set()
        self.loop.run_forever()

    def start(self):
        self.thread.start()
        self.ready.wait()

    def _do(self, what):
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(10)

    def carry(self, public, inner, port):
        """From public:port to inner:port from now on."""
        self._do(self._keep_open(public, inner, port))

    def cut(self):
        self.loop.call_soon_threadsafe(self.link.clear)

    def heal(self):
        self.loop.call_soon_threadsafe(self.link.set)

    def stop(self):
        async def end():
            tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for t in tasks:
                t.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        if self.thread.is_alive():
            self._do(end())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(5)

    async def _keep_open(self, public, inner, port):
        """A public port is only open while the node behind it listens, so that a dead node is refused, not silent."""
        first = asyncio.Event()

        async def keep():
            server = None
            while True:
                up = self._listens(inner, port)
                if up and not server:
                    try:
                        server = await asyncio.start_server(lambda r, w: self._carry(r, w, inner, port), public, port)
                    except OSError as e:
                        print(f"  {public}:{port} cannot be opened: {e.strerror}", flush=True)
                        return
                elif not up and server:
                    server.close()
                    server = None
                first.set()
                await asyncio.sleep(0.05)

        self.tasks.append(self.loop.create_task(keep()))
        await first.wait()

    @staticmethod
    def _tcp_table():
        """(local address, local port, remote address, remote port, state, inode) of every IPv4 socket."""
        rows = []
        with open("/proc/net/tcp") as f:
            next(f)
            for line in f:
                w = line.split()
                ends = []
                for end in (w[1], w[2]):
                    a, p = end.split(":")
                    ends += [socket.inet_ntoa(bytes.fromhex(a)[::-1]), int(p, 16)]
                rows.append((*ends, w[3], w[9]))
        return rows

    def _listens(self, address, port):
        return any(r[0] == address and r[1] == port and r[4] == "0A" for r in self._tcp_table())

    def _is_other_node(self, peer, inner):
        """Whether the socket at the other end belongs to the other node: a process that cannot be looked into does."""
        inode = next((r[5] for r in self._tcp_table() if (r[0], r[1]) == peer), None)
        if not inode or inode == "0":
            return False
        others = {p for n in self.nodes if n.proc and n.address != inner for p in descendants(n.proc.pid)}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                for fd in os.listdir(f"/proc/{entry}/fd"):
                    if os.readlink(f"/proc/{entry}/fd/{fd}") == f"socket:[{inode}]":
                        return int(entry) in others
            except OSError:
                continue
        return True

    async def _carry(self, reader, writer, inner, port):
        peer = writer.get_extra_info("peername")[:2]
        link = await self.loop.run_in_executor(None, self._is_other_node, peer, inner)
        try:
            up_reader, up_writer = await asyncio.open_connection(inner, port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(self._pump(reader, up_writer, link), self._pump(up_reader, writer, link))

    async def _pump(self, reader, writer, link):
        try:
            while True:
                data = await reader.read(65536)
                if link:
                    await self.link.wait()
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def sample(path):
    words = [
        ("mail server", "postmaster"),
        ("core switch", "admin"),
        ("payroll database", "app"),
        ("payroll database", "dba"),
        ("door control", "guard"),
        ("backup vault", "root"),
        ("domain registrar", "office"),
        ("firewall", "netops"),
    ]
    with open(path, "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["resource", "login", "password", "url", "description"])
        for i, (resource, login) in enumerate(words):
            w.writerow(
                [
                    resource,
                    login,
                    f"demo-{i}-{resource.split()[0]}-Xq7",
                    f"https://{resource.replace(' ', '-')}.example",
                    "from the demo",
                ]
            )


class Demo:
    def __init__(self, holdfast):
        self.story, self.net = Story(), Network()
        self.holdfast = Path(holdfast).resolve()
        self.dir = Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
        self.dir.chmod(0o755)
        give(self.dir)
        self.session = self.dir / "admin.session"
        self.locks = []
        self.a = self.b = None

    def ports(self):
        """7272 and 2345 if both addresses have them free, else the next that are."""

        def free(port):
            # Another demo may have chosen it and not be listening yet.
            lock = socket.socket(socket.AF_UNIX)
            try:
                lock.bind(f"\0holdfast-demo-{port}")
            except OSError:
                return False
            self.locks.append(lock)
            for address in ("127.0.0.1", "127.0.0.2", "127.0.0.11", "127.0.0.12"):
                with socket.socket() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    try:
                        s.bind((address, port))
                    except OSError:
                        return False
            return True

        found = [next(p for p in range(first, first + 500) if free(p)) for first in (7272, 2345)]
        for first, got in zip((7272, 2345), found):
            if got != first:
                self.story.tell(f"port {first} is taken here; taking {got}")
        return found

    def cli(self, *args, **kw):
        return self.a.cli(*args, session=self.session, **kw)

    def make(self):
        s = self.story
        s.chapter("A pair")
        https, pair = self.ports()
        key = self.dir / "master.key"
        self.a, self.b = (
            Node(self.holdfast, self.dir / h, f"127.0.0.{i}", f"127.0.0.1{i}:{https}", f"127.0.0.1{i}:{pair}", key)
            for i, h in ((1, "primary"), (2, "secondary"))
        )
        self.a.shown, self.b.shown = f"https://127.0.0.1:{https}", f"https://127.0.0.2:{https}"
        self.net.start()
        self.net.nodes = [self.a, self.b]
        self.a.init()
        s.tell("the primary is initialised; its master key is a file of its own, outside the home folder")
        self.b.init(secondary=True)
        self.a.start()
        s.tell(f"the primary serves at {self.a.shown}")
        for node in (self.a, self.b):
            for port in (https, pair):
                self.net.carry(node.name, node.address, port)
        self._until(lambda: self.net._listens("127.0.0.1", https))
        self.cli(
            "login",
            "--setup",
            "--ca",
            self.a.web_cert,
            self.a.shown,
            "admin",
            input=f"{self.a.setup_token()}\n{PASSWORD}\n",
        )
        rows = self.dir / "sample.csv"
        sample(rows)
        self.cli("import", rows)
        s.tell("a sample of accounts is imported")
        join(self.a, self.b, s.tell)
        s.check(True, "the pair is Alive: every commit is on both disks before it is answered")
        self.cli("login", "--ca", self.a.web_cert, self.a.shown, "admin", input=PASSWORD + "\n")  # knows both nodes

    @staticmethod
    def _until(what, timeout=GIVE_UP_S):
        end = time.monotonic() + timeout
        while not what():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def fetch(self, account, who):
        """`holdfast get`, as a user types it; told with its time."""
        begun = time.monotonic()
        p = self.cli("get", account, check=False)
        took = (time.monotonic() - begun) * 1000
        self.story.check(
            p.returncode == 0 and p.stdout.startswith("demo-"),
            f"{who}: holdfast get '{account}' → {p.stdout.strip() or '(nothing)'}   ({took:.0f} ms)",
            p.stderr.strip(),
        )
        return p

    def first_emergency(self, since):
        """Seconds until the secondary gives the first password out."""
        client = Client(str(self.session), ["127.0.0.2"])
        client.nodes = [u for u in client.nodes if "127.0.0.2" in u]
        account = self.a_account
        end = time.monotonic() + GIVE_UP_S
        while time.monotonic() < end:
            try:
                r = client.call(
                    client.nodes[0], "POST", f"/v1/accounts/{account}/retrieve", {"reason": "demo"}, timeout=3
                )
                if r.status == 200 and r.mode == "emergency":
                    return time.monotonic() - since, r
            except OSError:
                pass
            time.sleep(0.01)
        return None, None

    def refused(self):
        p = self.cli("put", "mail server/postmaster", input="changed in emergency\n", check=False)
        self.story.check(
            p.returncode != 0, f"changes are refused there: {(p.stderr or p.stdout).strip().splitlines()[-1][:150]}"
        )

    def home_again(self):
        begun = time.monotonic()
        for n in (self.a, self.b):
            n.wait_status(0, timeout=60)
        self.story.check(
            True, f"status Alive on both nodes, {time.monotonic() - begun:.1f} s later; the journal is merged"
        )
        p = self.cli("audit", "verify", check=False)
        self.story.check(p.returncode == 0, f"audit verify: {' '.join(p.stdout.split())[:150]}", p.stderr)

    def events(self):
        return int(self.a.sql("SELECT count(*) FROM event WHERE kind = :RETRIEVED")[0][0])

    def crash(self):
        s = self.story
        s.chapter("Scenario 2: the primary crashes")
        self.fetch("core switch/admin", "at the primary")
        before = self.events()
        killed = time.monotonic()
        self.a.kill()
        s.tell("the primary is killed (kill -9, all of its processes)")
        took, reply = self.first_emergency(killed)
        if not s.check(
            took is not None, f"first password from the secondary {took or 0:.2f} s after the kill", "none came"
        ):
            raise Failed(self.b.log_tail())
        s.tell(f"every answer says so: Holdfast-Mode: {reply.mode}, Holdfast-As-Of: {reply.as_of}")
        self.fetch("core switch/admin", "the same command, the secondary answers")
        self.refused()
        self.a.start(wait=False)
        s.tell("the primary is started again")
        self.home_again()
        s.check(
            self.events() >= before + 2,
            f"{self.events() - before} retrievals of the emergency are in the primary's log",
        )

    def cut(self):
        s = self.story
        s.chapter("Scenario 1: the link between the sites is cut, both are alive")
        before = self.events()
        self.net.cut()
        at = time.monotonic()
        s.tell("the link is cut: packets between the nodes vanish")
        self.fetch("firewall/netops", "site A, at the primary")
        took, _ = self.first_emergency(at)
        s.check(
            took is not None, f"site B: first password from the secondary {took or 0:.2f} s after the cut", "none came"
        )
        p = self.cli("put", "mail server/postmaster", input="demo-changed-during-the-cut\n", check=False)
        s.check(p.returncode == 0, "site A goes on writing at the primary", p.stderr)
        code, status = self.a.status()
        s.check(code == 4, f"status on the primary: Failed, {status.get('reason')}")
        self.net.heal()
        s.tell("the link is back")
        self.home_again()
        s.check(self.events() >= before + 2, f"{self.events() - before} retrievals of both sites are in one log")

    def play(self):
        self.make()
        self.a_account = self.a.sql("SELECT id FROM account ORDER BY id LIMIT 1")[0][0]
        self.crash()
        self.cut()
        took = time.monotonic() - self.story.begun
        print()
        self.story.check(
            self.story.held, f"everything held, in {took:.0f} s" if self.story.held else "not every step held"
        )

    def stay(self):
        print(
            f"\n  primary    {self.a.shown}\n  secondary  {self.b.shown}\n  log in     admin / {PASSWORD}\n"
            f"  browser    both addresses show the status and give passwords; the certificates are the nodes' own\n"
            f"  from here  HOLDFAST_SESSION={self.session} {self.holdfast} get 'core switch/admin'\n"
            f"  break it   kill -9 {self.a.proc.pid}\n  Ctrl-C ends it and removes everything\n",
            flush=True,
        )
        while True:
            for n in (self.a, self.b):
                if n.proc and n.proc.poll() is not None:
                    n.proc = None
                    self.story.tell(f"{n.name} has ended; starting it again in 10 s")
                    threading.Timer(10, lambda n=n: n.start(wait=False)).start()
            states = []
            for n in (self.a, self.b):
                h = n.health() if n.proc else None
                states.append(f"{n.name} {(h[1] or {}).get('state', '?') if h else 'down'}")
            code, status = (self.a if self.a.proc else self.b).status()
            word = {0: paint(32, "Alive"), 4: paint(31, "Failed")}.get(code, "?")
            why = status.get("reason") or ""
            print(
                f"\r\033[K  {time.strftime('%H:%M:%S')}  {word}  " + "  ".join(states) + f"  {why[:70]}",
                end="" if COLOUR else "\n",
                flush=True,
            )
            time.sleep(1 if COLOUR else 10)

    def down(self):
        for n in (self.a, self.b):
            try:
                if n and n.proc:
                    n.stop(20)
            except Failed:
                n.kill()
        self.net.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--holdfast", default=str(ROOT / "build/release/src/cmd/holdfast"))
    ap.add_argument("--once", action="store_true", help="end after the play")
    args = ap.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell had it ignored
    d = Demo(args.holdfast)
    try:
        d.play()
        if not args.once:
            d.stay()
        return 0 if d.story.held else 1
    except KeyboardInterrupt:
        print("\n  ending")
        return 0 if d.story.held else 1
    except Failed as e:
        print(f"\n{e}", file=sys.stderr)
        for n in (d.a, d.b):
            if n:
                print(n.log_tail(), file=sys.stderr)
        return 1
    finally:
        d.down()


if __name__ == "__main__":
    sys.exit(main())
