# SPDX-License-Identifier: Apache-2.0
"""The stage of a failure test: hosts a, b (and c) and client; a pair on the nodes; users with accounts; and what ends it all."""
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIB = HERE.parents[1] / "lib"
sys.path[:0] = [str(LIB), str(HERE)]
import net  # noqa: E402
from faults import Scene  # noqa: E402
from pair import PASSWORD, Failed, Node, give, join, make_pair  # noqa: E402
from wait import PATIENCE_S, wait_until  # noqa: E402


def csv_of(n, name="site"):
    lines = ["resource,login,password,url,description"]
    lines += [f"{name} {i:05d},root{i % 7},s3cret-{name}-{i:05d},https://{name}{i}.example,row {i}" for i in range(n)]
    return "\n".join(lines) + "\n"


class Load:
    """Readers and writers on the hosts while a test runs."""

    def __init__(self, st):
        self.st, self.workers, self.outs = st, [], []

    def worker(self, host, role, session, order, accounts, tag, **options):
        out = self.st.dir / f"{tag}.jsonl"
        argv = [
            *self.st.net.exec_prefix(host),
            sys.executable,
            str(HERE / "load.py"),
            "--role",
            role,
            "--session",
            str(session),
            "--order",
            ",".join(net.NAMES[h] for h in order),
            "--accounts",
            ",".join(accounts),
            "--tag",
            tag,
            "--out",
            str(out),
        ]
        for k, v in options.items():
            argv += [f"--{k}"] if v is None else [f"--{k}", str(v)]  # None: a flag
        self.workers.append((tag, subprocess.Popen(argv, stderr=open(self.st.dir / f"{tag}.err", "w"))))
        self.outs.append(out)
        return out

    def rows(self):
        rows = []
        for p in self.outs:
            if p.exists():
                rows += [json.loads(l) for l in p.read_text().splitlines(keepends=True) if l.endswith("\n")]
        return rows

    def wait_for(self, what, timeout=PATIENCE_S):
        """Until one row satisfies `what`; the row."""

        def last():
            return json.dumps({tag: [r for r in self.rows() if r["tag"] == tag][-2:] for tag, _ in self.workers})

        return wait_until(
            "something that the users did is as waited for",
            lambda: next((r for r in self.rows() if what(r)), None),
            timeout=timeout,
            also=lambda: f"their last: {last()}",
        )

    def stop(self):
        for _, p in self.workers:
            if p.poll() is None:
                p.terminate()
        for tag, p in self.workers:
            try:
                p.wait(40)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
            err = (self.st.dir / f"{tag}.err").read_text().strip()
            if err:
                raise AssertionError(f"user {tag} fell over: {err[-2000:]}")
        self.workers = []
        return self.rows()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _, p in self.workers:
            if p.poll() is None:
                p.kill()
                p.wait()


class Stage:
    def __init__(
        self,
        holdfast,
        tmpfs_mb=0,
        log=lambda text: None,
        secondaries=("b",),
        others=("client",),
        small=("a",),
        v6=False,
    ):
        self.holdfast, self.say, self.secondary_hosts = holdfast, log, secondaries
        self.net = net.Net(("a", *secondaries, *others), v6)
        self.dir = net.workdir("holdfast-ha-")
        self.loads, self.mounted, self.small = 0, {}, small
        self.bound = []  # (node, a folder of it that is mounted on itself)
        self.a = self.b = self.c = None
        self.nodes = []
        self.tmpfs_mb = tmpfs_mb

    def up(self):
        self.net.up()
        key = self.dir / "master.key"
        homes = {}
        for host in ("a", *self.secondary_hosts):
            folder = self.dir / f"host-{host}"
            folder.mkdir()
            if host in self.small and self.tmpfs_mb:
                net.sh("mount", "-t", "tmpfs", "-o", f"size={self.tmpfs_mb}m,mode=0755", "holdfast-test", folder)
                self.mounted[host] = folder
            give(folder)
            homes[host] = folder / "home"
        give(self.dir)
        self.nodes = [
            Node(
                self.holdfast,
                homes[h],
                net.NAMES[h],
                self.listen(h, 7272),
                self.listen(h, 2345),
                key,
                prefix=self.net.exec_prefix(h),
            )
            for h in homes
        ]
        self.a, self.b, self.c = (self.nodes + [None])[:3]
        for host, n in zip(homes, self.nodes):
            n.log = self.dir / f"{host}.log"
        make_pair(self.a, self.b, self.say, self.settings)
        for n in self.nodes[2:]:
            n.init(secondary=True)
            n.set_all(self.settings)
            join(self.a, n, self.say)
        self.scene = Scene(self)
        self.admin = self.dir / "admin.session"
        self.first_login()
        self.import_accounts(self.csv_rows)
        return self

    def listen(self, host, port):
        address = self.net.addresses[host]
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

    csv_rows = 50
    # Tests cut the line often; that it is not trusted at once is test_line.py's.
    settings = {"sync_steady": "200ms", "keep_pack": "true"}

    def first_login(self):
        """The administrator's first login, with the one-time token that init printed."""
        self.cli(
            "login",
            "--setup",
            "--ca",
            self.a.web_cert,
            self.a.url,
            "admin",
            session=self.admin,
            input=f"{self.a.setup_token()}\n{PASSWORD}\n",
        )

    def cli(self, *args, host="client", session=None, input=None, check=True, timeout=60):
        p = subprocess.run(
            [*self.net.exec_prefix(host), str(self.holdfast), *map(str, args)],
            capture_output=True,
            text=True,
            input=input,
            timeout=timeout,
            env=dict(os.environ, HOLDFAST_SESSION=str(session or self.admin)),
        )
        if check and p.returncode != 0:
            raise Failed(
                f"holdfast {' '.join(map(str, args))}: exit {p.returncode}\n{p.stdout}{p.stderr}\n{self.tails()}"
            )
        return p

    def login(self, name, host="client", password=PASSWORD, to=None):
        path = self.dir / f"{name}-{host}-{time.monotonic_ns()}.session"
        node = to or self.a
        self.cli("login", "--ca", node.web_cert, node.url, name, host=host, session=path, input=password + "\n")
        return path

    def new_user(self, name, *more):
        """A user who has set their first password; their session, begun at A. more: options of `user add`."""
        token = json.loads(self.cli("user", "add", name, *more, "--json").stdout)["setup_token"]
        path = self.dir / f"{name}.session"
        to = ("--setup", "--ca", self.a.web_cert, self.a.url)
        self.cli("login", *to, name, session=path, input=f"{token}\n{PASSWORD}\n")
        return path

    def accept_all(self, session):
        """Whatever others share with somebody by themselves, at A, so that they find it by its name."""
        for o in json.loads(self.cli("offers", "--json", session=session).stdout):
            if not o["ownership"]:
                self.cli("accept", o[o["kind"]]["id"], session=session)

    def import_accounts(self, n, name="site"):
        path = self.dir / f"{name}.csv"
        path.write_text(csv_of(n, name))
        self.cli("import", path)
        self.accounts = [r[0] for r in self.a.sql("SELECT id FROM account WHERE deleted_at IS NULL ORDER BY id")]

    def call(self, host, session, node, method, path, body=None, timeout=30):
        """One request from one host to one node: an object with status, headers and body."""
        code = (
            "import sys, json; sys.path.insert(0, sys.argv[1]); from fastclient import Client\n"
            "a = json.loads(sys.argv[2]); c = Client(a['session'])\n"
            "u = [u for u in c.nodes if a['name'] in u][0]\n"
            "r = c.call(u, a['method'], a['path'], a['body'], timeout=a['timeout'])\n"
            "print(json.dumps({'status': r.status, 'headers': dict(r.headers), 'body': r.body}))"
        )
        arg = json.dumps(
            {
                "session": str(session),
                "name": node.name,
                "method": method,
                "path": path,
                "body": body,
                "timeout": timeout,
            }
        )
        p = subprocess.run(
            [*self.net.exec_prefix(host), sys.executable, "-c", code, str(LIB), arg], capture_output=True, text=True
        )
        if p.returncode != 0:
            raise Failed(f"{method} {path} at {node.name}: {p.stderr[-800:]}")
        return json.loads(p.stdout)

    def audit_verify(self, node):
        """Every chain holds, as this node sees it. One that stands by says where the primary is instead: its rows were
        compared with the primary's, and in emergency it verifies for itself."""
        r = self.call("client", self.admin, node, "GET", "/v1/audit/verify", timeout=120)
        if r["status"] == 307 and node is not self.a:
            return
        assert (
            r["status"] == 200 and r["body"]["good"] is True and r["body"]["nodes"]
        ), f"audit verify on {node.name}: {r}"

    def tables_verify(self):
        """The primary's tables are what its log says (H15)."""
        primary = next(n for n in self.nodes if (n.health() or (0, {"mode": ""}))[1]["mode"] == "primary")
        path = f"/v1/audit/tables?run={uuid.uuid4()}"
        r = wait_until(
            "the tables are compared with the log",
            lambda: self.call("client", self.admin, primary, "GET", path, timeout=60),
            lambda r: r["status"] != 200 or r["body"]["done"],
            every=0,
        )
        assert (
            r["status"] == 200 and r["body"]["good"] is True
        ), f"the tables of {primary.name} are not what its log says: {r}"
        return r["body"]

    def load(self, interval=0.02, writer=True, **options):
        """A reader on each node's site, one at the client (rc), and a writer; each with a session of its own."""
        self.loads += 1
        n, load = self.loads, Load(self)
        reads, writes = self.accounts, self.accounts[len(self.accounts) // 2 :]
        load.worker("a", "reader", self.login("admin"), ("a", "b"), reads, f"l{n}ra", interval=interval, **options)
        load.worker("b", "reader", self.login("admin"), ("b", "a"), reads, f"l{n}rb", interval=interval, **options)
        if self.c:
            load.worker("c", "reader", self.login("admin"), ("c", "a"), reads, f"l{n}r3", interval=interval, **options)
        load.worker("client", "reader", self.login("admin"), ("a", "b"), reads, f"l{n}rc", interval=interval, **options)
        if writer:
            load.worker("a", "writer", self.login("admin"), ("a", "b"), writes, f"l{n}w", interval=interval)
        return load

    def home_again(self, timeout=120, primary=None):
        """Until all nodes are Alive at one and the same look, one of them is the primary, in step (which one, where it is told), and the others
        stand by. One after the other would not do: who was asked first may only have noticed what is wrong by the end.
        """

        def look():
            return {n.name: (n.status()[0], n.state()) for n in self.nodes}

        def is_home(seen):
            states = sorted(str(state) for _, state in seen.values())
            return (
                not any(code for code, _ in seen.values())
                and states == ["standby"] * (len(self.nodes) - 1) + ["synced"]
                and (primary is None or seen[primary.name][1] == "synced")
            )

        wait_until(
            f"all are Alive{f', {primary.name} as the primary' if primary else ''}",
            look,
            is_home,
            timeout,
            every=0.1,
            error=Failed,
        )

    @staticmethod
    def host_of(node):
        return next(h for h, name in net.NAMES.items() if name == node.name)

    def fill_disk(self, host="a", left=0):
        """left: so many bytes stay free; whoever runs there does not find the disk full for a moment."""
        if left:
            disk = os.statvfs(self.mounted[host])
            with open(self.mounted[host] / "ballast", "wb") as f:
                os.posix_fallocate(f.fileno(), 0, max(disk.f_bavail * disk.f_frsize - left, 1))
            return
        # Unbuffered: what did not fit must not be written once more, and fail, when the file is closed.
        with open(self.mounted[host] / "ballast", "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(1 << 16))
            except OSError:
                pass

    def free_disk(self):
        for folder in self.mounted.values():
            (folder / "ballast").unlink(missing_ok=True)

    def tails(self):
        text = []
        for n in self.nodes:
            text.append(n.log_tail(40))
            try:
                code, obj = n.status()
                text.append(f"status of {n.name}: exit {code} {json.dumps(obj)[:3000]}")
            except Exception as e:  # the tails must never hide the failure itself
                text.append(f"status of {n.name}: {e}")
        return "\n".join(text)

    def down(self):
        self.net.clear()
        for n in self.nodes:
            if n.proc:
                n.end()
        self.net.down()
        for folder in [*(f for _, f in self.bound), *self.mounted.values()]:
            subprocess.run(["umount", "-l", folder], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)


class On:
    """One user on one host."""

    def __init__(self, st, host, session):
        self.st, self.host, self.session = st, host, session

    def call(self, node, method, path, body=None, timeout=30):
        return self.st.call(self.host, self.session, node, method, path, body, timeout)
