# SPDX-License-Identifier: Apache-2.0
"""README's section "A pair on real machines", typed line by line as root on two machines that systemd runs, and the service's life there.

What is written in capitals is put in; nothing else is changed. `scp` is carried out from outside (there is no ssh on the machines), and
the firewall that the section opens stands closed before. A line that nobody typed makes the last step fail.
"""
import re
import shlex
from pathlib import Path

from machine import Failed, Impossible, Machine, join_networks

PAGE = Path(__file__).resolve().parents[2] / "README.md"
HEADING = "A pair on real machines"
NAMES = ("vault-a.example.org", "vault-b.example.org")
ADDRESSES = ("192.0.2.1", "192.0.2.2")  # of the documents' own network
PASSWORD = "Correct-Horse-7-battery"
SECRET = "s3cret-of-the-core-switch"
CLOSED = """table inet filter {
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		iif lo accept
		meta l4proto { icmp, ipv6-icmp } accept
	}
}
"""


class Page:
    def __init__(self):
        section = PAGE.read_text().split(f"\n## {HEADING}\n")[1].split("\n## ")[0]
        self.blocks = [
            [line.strip() for line in block.splitlines() if line.strip()]
            for block in re.findall(r"```sh\n(.*?)```", section, re.S)
        ]
        self.typed = set()

    def block(self, begins):
        """The lines of the block whose first line begins so."""
        found = [b for b in self.blocks if b[0].startswith(begins)]
        assert len(found) == 1, f'README has {len(found)} blocks that begin with "{begins}"'
        return found[0]

    def type(self, m, line, put_in=None, **kw):
        """One line, as somebody types it who has logged in as root."""
        self.typed.add(line)
        for name, value in (put_in or {}).items():
            line = re.sub(rf"\b{name}\b", value, line)
        if line.startswith("cd "):
            m.cwd = str(Path(m.cwd, line[3:].strip()))
            return ""
        return m.run(line, login=True, **kw).stdout

    def never_typed(self):
        return [line for block in self.blocks for line in block if line not in self.typed]


class Pair:
    """The steps; each is one test. They follow each other."""

    def __init__(self, page, a, b):
        self.page, self.a, self.b, self.token = page, a, b, None

    def _active(self, m):
        return m.run("systemctl is-active holdfast", check=False).stdout.strip()

    def _journal(self, m, since=None):
        return m.run(
            f"journalctl -u holdfast -o cat --no-pager{' --since=' + shlex.quote(since) if since else ''}"
        ).stdout

    def _now(self, m):
        return m.run("date '+%Y-%m-%d %H:%M:%S'").stdout.strip()

    def _status(self, m):
        return m.run("holdfast ha status", login=True, check=False)

    def _alive(self, *machines):
        """Both say so, one right after the other."""
        (line,) = self.page.block("holdfast ha status")
        machines[0].wait(
            lambda: all("Alive" in self.page.type(m, line, check=False) for m in machines),
            "the status Alive on both",
            90,
        )

    def _reached(self, m, address, port):
        """Whether a packet to that port comes back at all."""
        p = m.run(f"timeout 2 bash -c '</dev/tcp/{address}/{port}' 2>&1", check=False)
        return p.returncode != 124

    def names_and_ports(self):
        for m, other in ((self.a, ADDRESSES[1]), (self.b, ADDRESSES[0])):
            for name, address, line in zip(NAMES, ADDRESSES, self.page.block("getent hosts")):
                assert address in self.page.type(m, line)
        assert not self._reached(self.a, ADDRESSES[1], 7272), "the firewall is not closed"
        for m, other in ((self.a, ADDRESSES[1]), (self.b, ADDRESSES[0])):
            for line in self.page.block("nft add rule"):
                self.page.type(m, line, {"OTHER": other})
        assert self._reached(self.a, ADDRESSES[1], 7272) and self._reached(self.b, ADDRESSES[0], 2345)

    def install_under_systemd(self):
        """Once more on each, over what is there: systemd learns of the unit."""
        for m in (self.a, self.b):
            m.cwd = "/root/holdfast"
            self.page.type(m, "make install")
            assert m.run("systemctl cat holdfast").stdout.startswith("# /usr/local/lib/systemd/system/holdfast.service")
            said = m.run("systemd-analyze --no-pager --threshold=20 security holdfast", check=False)
            assert said.returncode == 0, said.stdout
            m.cwd = "/root"

    def primary(self):
        init, enable, login = self.page.block("holdfast init --home")
        self.a.run("mkdir -m 755 /media/key")
        said = self.page.type(self.a, init)
        (token,) = re.findall(r"^ +([A-Za-z0-9_-]{43})$", said, re.M)
        assert f"\n  {enable}\n" in said, said  # init says the same
        self.page.type(self.a, enable)
        assert (
            self.a.run("systemctl is-enabled holdfast").stdout.strip() == "enabled" and self._active(self.a) == "active"
        )
        self.page.type(self.a, login, input=f"{token}\n{PASSWORD}\n")
        self.a.run("holdfast put 'core switch/admin'", login=True, input=SECRET + "\n")
        self.token = token

    def pack(self):
        setup, scp = self.page.block("holdfast ha setup")
        self.page.type(self.a, setup)
        words = shlex.split(scp)
        host, _, folder = words[2].partition(":")
        assert words[0] == "scp" and host == NAMES[1] and folder.endswith("/")
        self.b.put(folder + Path(words[1]).name, self.a.get(words[1]), 0o600)
        self.page.typed.add(scp)

    def secondary(self):
        self.b.put("/media/key/master.key", self.a.get("/media/key/master.key"), 0o400)
        for line in self.page.block("chown holdfast"):
            self.page.type(self.b, line)
        self._alive(self.a, self.b)
        (again,) = self.page.block("holdfast login --ca")  # who logs in now learns of both nodes
        self.page.type(self.a, again, input=PASSWORD + "\n")
        assert self.a.run("holdfast get 'core switch/admin'", login=True).stdout == SECRET + "\n"

    def stopped_and_read_from_the_other(self):
        self.a.run("systemctl stop holdfast")
        assert self._active(self.a) == "inactive"
        left = self.a.run("pgrep -a -u holdfast", check=False).stdout
        assert left == "", left
        self.b.wait(lambda: "emergency" in self._status(self.b).stdout, "emergency access")
        out = self.a.run("holdfast get 'core switch/admin'", login=True).stdout
        assert out.splitlines()[-1] == SECRET and "emergency" in out, out
        self.a.run("systemctl start holdfast")
        self._alive(self.a, self.b)

    def reload(self):
        since = self._now(self.a)
        self.a.run("systemctl reload holdfast")
        self.a.wait(lambda: "read again" in self._journal(self.a, since), "the settings to be read again")
        assert self._active(self.a) == "active"

    def kill_of_the_main_process(self):
        for m in (self.a, self.b):
            before = m.run("systemctl show -P MainPID holdfast").stdout.strip()
            m.run(f"kill -9 {before}")
            m.wait(
                lambda: self._active(m) == "active"
                and m.run("systemctl show -P MainPID holdfast").stdout.strip() not in ("0", before),
                "the service to be back",
            )
            self._alive(self.a, self.b)

    def key_device_absent(self):
        """Not there at a start: said, and waited for, however long it takes; once it is there the service is."""
        m, since = self.b, self._now(self.b)
        m.run("mv /media/key /media/safe")
        m.run("systemctl restart --no-block holdfast")
        m.wait(lambda: "/media/key/master.key" in self._journal(m, since), "the log to say what is waited for")
        assert "No such file" in self._journal(m, since)
        assert self._active(m) == "activating"
        assert "/media/key/master.key" in m.run("systemctl status --no-pager holdfast", check=False).stdout
        assert int(m.run("systemctl show -P NRestarts holdfast").stdout) == 0
        m.run("mv /media/safe /media/key")
        m.wait(lambda: self._active(m) == "active", "the service to start by itself")
        self._alive(self.a, self.b)

    def machine_starts_anew(self):
        """The plug is pulled, and the service is there again without anybody."""
        self.a.stop()
        self.a.start()
        join_networks(self.a, self.b, ADDRESSES)
        self.a.wait(lambda: self._active(self.a) == "active", "the service to start with the machine")
        self._alive(self.a, self.b)

    def journal_keeps_secrets_out(self):
        for m in (self.a, self.b):
            said = m.run("journalctl --no-pager -o cat").stdout
            assert "serving" in said or "standby" in said
            key = m.get("/media/key/master.key").decode().strip()
            for secret in (PASSWORD, SECRET, self.token, key):
                assert secret not in said

    def uninstalled(self, before):
        m = self.b
        m.cwd = "/root/holdfast"
        uninstall, *data = self.page.block("make uninstall")
        self.page.type(m, uninstall)
        assert self._active(m) == "inactive"
        assert m.run("systemctl cat holdfast", check=False).returncode != 0
        assert m.run("ls /etc/systemd/system/*/holdfast.service", check=False).returncode != 0
        assert m.run(
            "test -d /var/lib/holdfast/data && getent passwd holdfast"
        ).stdout, "uninstall takes no data and no user"
        for line in data:
            self.page.type(m, line)
        left = m.files() - before
        assert not left, "left: " + "\n  ".join(sorted(left))
        assert m.run("getent passwd holdfast", check=False).stdout == ""


def prepare(place, work, code, lower):
    """Both machines' second step, typed once: the two begin as copies of this one. systemd and a firewall's tool are added, as a real one has them."""
    page = Page()
    m = Machine("prepared", work / f"{code}-pair", lower, log=place["logs"] / f"{code}-pair.log").start()
    try:
        m.run(
            "DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends systemd systemd-sysv dbus nftables iproute2 procps",
            timeout=600,
        )
        m.run("userdel holdfast", check=False)  # an earlier build made it
        for line in page.block("apt-get update"):
            before = m.files()  # what was there when the last line was typed
            page.type(m, line, {"REPOSITORY": "file:///srv/holdfast.git"}, timeout=600)
        m.run(
            f"printf '127.0.0.1 localhost\\n{ADDRESSES[0]} {NAMES[0]}\\n{ADDRESSES[1]} {NAMES[1]}\\n' >/etc/hosts; : >/etc/machine-id"
        )  # each makes its own
    finally:
        m.stop()
    return page, before, [m.upper, *lower]


def play(report, label, place, work, code, lower):
    where = f"pair, {label.split()[-1]}"
    machines, held = [], False
    try:
        state = {}

        def prepared():
            state["page"], state["before"], state["lower"] = prepare(place, work, code, lower)

        if not report.step(where, "packages, clone, make install", prepared):
            return

        def booted():
            for name, folder in zip(NAMES, ("a", "b")):
                machines.append(
                    Machine(
                        name,
                        work / f"{code}-pair-{folder}",
                        state["lower"],
                        boots=True,
                        log=place["logs"] / f"{code}-pair-{folder}.log",
                    ).start()
                )
            join_networks(*machines, ADDRESSES)
            for m in machines:
                m.run("nft -f -", input=CLOSED)

        if not report.step(where, "two machines, systemd up", booted):
            return
        report.quiet.acquire()
        held = True
        page = state["page"]
        pair = Pair(page, *machines)
        for name, what in (
            ("names and ports of the firewall", pair.names_and_ports),
            ("make install under systemd", pair.install_under_systemd),
            ("the primary: init, enable, log in", pair.primary),
            ("the pack, and its way", pair.pack),
            ("the secondary, and Alive on both", pair.secondary),
            ("stop: read from the other; start", pair.stopped_and_read_from_the_other),
            ("reload", pair.reload),
            ("back after kill -9 of the main process", pair.kill_of_the_main_process),
            ("key device absent, then there", pair.key_device_absent),
            ("back after the machine starts anew", pair.machine_starts_anew),
            ("journal: lines, and no secret", pair.journal_keeps_secrets_out),
            ("uninstall", lambda: pair.uninstalled(state["before"])),
        ):
            if not report.step(where, name, what):
                for m in machines:
                    print(
                        m.run(
                            "systemctl status --no-pager -n 30 holdfast; holdfast ha status", login=True, check=False
                        ).stdout,
                        flush=True,
                    )
                return
        report.step(where, "every line of the section was typed", lambda: _none(page.never_typed()))
    except Impossible as e:
        report.skip(where, e)
    except Failed as e:
        why = e
        report.step(where, "the machines", lambda: _fail(why))
    finally:
        if held:
            report.quiet.release()
        for m in machines:
            m.stop()


def _fail(why):
    raise why


def _none(lines):
    assert not lines, f"nobody typed: {lines}"
