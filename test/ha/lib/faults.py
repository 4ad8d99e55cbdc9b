# SPDX-License-Identifier: Apache-2.0
"""The catalogue of faults: name, where it strikes, how it is done and undone, what is expected of the nodes. Tests play them one
at a time, the soak several at once; docs/testing.md has the table that `faults.py` prints.

Each strikes a scene: p is the primary, s a secondary, as they are when it begins.
"""
import contextlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))
from pair import Failed, Node  # noqa: E402
from wait import pace  # noqa: E402

PROCESSES = ("postmaster", "vaultd", "agent", "keyd")
FROZEN = ("vaultd", "postgres", "agent", "all")
EXPECTED = {
    "again": "the supervisor starts it again; at most a short emergency",
    "emergency": "the secondary gives emergency access; its journal is merged afterwards",
    "alone": "the primary serves on, alone where no other disk takes its commits",
    "works": "the primary serves on; emergency access at most now and then",
    "roles": "the roles change in order, or nothing changes",
    "merge": "the merge is begun again and ends once",
}


class Scene:
    """What faults strike, and what they have in hand meanwhile. signal() says what happens to a process that is not there."""

    def __init__(self, st):
        self.st, self.over = st, threading.Event()
        self.threads, self.orders, self.ended, self.struck = [], [], [], 0
        self.merge_awaited, self.slow, self.wiring = False, False, threading.Lock()
        self.starting = threading.Lock()  # held by whoever starts or stops a node
        self.flapping = None  # (what ends it, its thread)
        self.hosts = None  # (the file by which names were found, what was in it)
        self.p, self.s = st.a, st.b

    def join(self):
        """Until what a fault had done beside it is done."""
        for t in self.threads:
            t.join(130)

    def spawn(self, fn):
        t = threading.Thread(target=fn, daemon=True)
        t.start()
        self.threads.append(t)
        return t

    def host(self, node):
        return self.st.host_of(node)

    def signal(self, node, what, sig):
        node.signal(what, sig)


class Fault:
    """place: what it befalls; several at once have a place each. also: what else it takes in hand. expect: a word of EXPECTED.
    weight: how often the soak draws it; 0: never. rare: how often it does with --rare. nodes: so many it needs."""

    def __init__(self, name, place, text, do, undo=lambda x: None, expect="alone", weight=2, also=(), rare=0, nodes=2):
        self.rare, self.nodes = rare, nodes
        self.name, self.place, self.text, self._do, self._undo, self.expect, self.weight = (
            name,
            place,
            text,
            do,
            undo,
            expect,
            weight,
        )
        self.places = {place, *also}

    @property
    def emergency(self):
        """Whether it leads there when it lasts."""
        return self.expect == "emergency"

    def do(self, x):
        self._do(getattr(x, "scene", x))

    def undo(self, x):
        self._undo(getattr(x, "scene", x))


def kill_node(who):
    def f(x):
        if getattr(x, who).proc:
            getattr(x, who).kill()

    return f


def send(who, what, sig):
    def f(x):
        if getattr(x, who).proc:
            x.signal(getattr(x, who), what, sig)

    return f


def start_node(x, node):
    """Once, whoever asks. A node that ended although nobody ended it is written down."""
    with x.starting:
        if node.proc and node.proc.poll() is not None:
            x.ended.append(f"{node.name} ended by itself with {node.proc.returncode}")
            node.proc = None
        if not node.proc:
            node.start(wait=False)


def start(who):
    return lambda x: start_node(x, getattr(x, who))


def both_killed(x):
    x.p.kill()
    x.s.kill()


def start_in_order(*order):
    def f(x):
        start(order[0])(x)
        pace(2)
        start(order[1])(x)

    return f


def restart(who):
    def f(x):
        def stop():
            with x.starting:  # nobody starts it before it has ended
                try:
                    getattr(x, who).stop()
                except Failed as e:
                    x.ended.append(str(e).splitlines()[0])

        x.spawn(stop)

    return f


def journal_kill(x):
    """The secondary dies with answers in its journal, and is back before the line is."""
    cut(True)(x)

    def f():
        if await_emergency(x):
            pace(0.7)
            x.s.kill()
            pace(0.5)
            start("s")(x)

    x.spawn(f)


def power_off(who):
    def f(x):
        node = getattr(x, who)
        x.st.net.isolate(x.host(node))
        node.kill()

    return f


def power_on(who):
    def f(x):
        heal(x)
        start(who)(x)

    return f


def cut(both, src="p", dst="s"):
    def f(x):
        a, b = x.host(getattr(x, src)), x.host(getattr(x, dst))
        x.st.net.cut_both(a, b) if both else x.st.net.cut(a, b)

    return f


def heal(x):
    """Where a strike waits for the merge the link comes back slow: what few rows there are would be home before it."""
    with x.wiring:
        if x.merge_awaited and not x.slow:
            x.st.net.degrade(150, 0)
            x.slow = True
        x.st.net.heal()


def fast_again(x):
    with x.wiring:
        x.merge_awaited = False
        x.st.net.degrade(0, 0)


def order(who, *verb):
    """An operator's order. Whether it is taken depends on the other faults; what was taken has to end well."""

    def f(x):
        node = getattr(x, who)

        def give():
            try:
                p = node.run("ha", *verb, "--home", node.home, check=False, timeout=120)
            except subprocess.TimeoutExpired:
                x.orders.append(f"{verb[0]} on {node.name}: no answer in 120 s")
                return
            x.orders.append(
                f"{verb[0]} on {node.name}: exit {p.returncode} {(p.stderr or p.stdout).strip().splitlines()[-1:]}"
            )

        x.spawn(give)

    return f


def await_emergency(x):
    """Not every fault leads there: for so long at most."""
    end = time.monotonic() + 8
    while x.s.state() != "emergency":
        if time.monotonic() > end or x.over.is_set():
            return False
        pace(0.1)
    return True


def promote(x):
    """When the secondary gives emergency access: an operator does not order it before."""

    def f():
        if await_emergency(x):
            order("s", "promote", "--yes")(x)

    x.spawn(f)


def flap(x):
    over = threading.Event()

    def f():
        while not over.is_set() and not x.over.is_set():
            cut(True)(x)
            over.wait(0.7)
            heal(x)
            over.wait(0.7)

    x.flapping = (over, x.spawn(f))


def flap_no_more(x):
    over, thread = x.flapping
    over.set()
    thread.join()
    heal(x)


def merge_met(x):
    """Until the secondary merges; False when it stands by, or has become the primary, without."""
    end = None
    while end is None or time.monotonic() < end:
        state = x.s.state()
        if state == "merging":
            return True
        if x.over.is_set() and end is None:
            end = time.monotonic() + 15
        if end and state in ("standby", "alone", "synced"):
            return False
        pace(0.02)
    return False


def in_the_merge(strike, calm=lambda x: None):
    """Strikes while the journal goes home, if that is to be met before the node stands by again."""

    def f(x):
        x.merge_awaited = True

        def watch():
            try:
                if merge_met(x):
                    x.struck += 1
                    strike(x)
                    pace(1.5)
            finally:
                fast_again(x)
                calm(x)

        x.spawn(watch)

    return f


# ---- rare ones ----


def disk_back(who, then=lambda x: None):
    """The machine's disk is put back to an older copy, as a snapshot of a virtual machine is. What was acknowledged since is on the other
    disk: it was in step again."""

    def f(x):
        node = getattr(x, who)
        kept = x.st.dir / f"kept-{node.name}"

        def play():
            copy_kept(x, node, kept)
            pace(2)
            with x.starting:
                node.kill()
                for part in node.home.iterdir():
                    shutil.rmtree(part) if part.is_dir() and not part.is_symlink() else part.unlink()
                subprocess.run(["cp", "-a", f"{kept}/.", node.home], check=True)
                shutil.rmtree(kept)
                node.start(wait=False)
            then(x)

        x.spawn(play)

    return f


def copy_kept(x, node, kept):
    """What is on a node's disk, whole: it is down for it."""
    with x.starting:
        node.stop()
        shutil.rmtree(kept, ignore_errors=True)
        subprocess.run(["cp", "-a", node.home, kept], check=True)
        node.start(wait=False)
    in_step(x)


def cloned(x):
    """A copy of the primary's machine is started on another one, while the primary serves on; it is noticed, and ended."""
    node, home = x.p, x.st.dir / "clone"

    def play():
        copy_kept(x, node, home)
        pace(2)
        clone = start_copy(x, node, home)
        comes_to(x, clone, "behind")
        pace(3)
        clone.kill()
        shutil.rmtree(home)

    x.spawn(play)


def doubled(x):
    """A copy of the stopped primary's machine is started on another one, before it: both have all that there is, and neither may write. An
    operator ends the copy and names the other."""
    node, home = x.p, x.st.dir / "clone"

    def play():
        with x.starting:
            node.stop()
            subprocess.run(["cp", "-a", node.home, home], check=True)
            clone = start_copy(x, node, home)
            comes_to(x, clone, "alone")
            node.start(wait=False)
        for n in (node, clone):
            comes_to(x, n, "duplicate")
        pace(2)
        clone.kill()
        shutil.rmtree(home)
        order("p", "promote", "--yes")(x)

    x.spawn(play)


def start_copy(x, node, home):
    """On another machine of the same network."""
    at = [x.st.listen("client", port) for port in (7272, 2345)]
    clone = Node(x.st.holdfast, home, node.name, *at, node.key_file, prefix=x.st.net.exec_prefix("client"))
    clone.set("listen", at[0])
    clone.set("pair_listen", at[1])
    return clone.start(wait=False)


def comes_to(x, node, state):
    end = time.monotonic() + 60
    while node.state() != state:
        if time.monotonic() > end:
            x.ended.append(f"{node.name} is {node.state()}, not {state}")
            return False
        pace(0.1)
    return True


def no_names(x):
    """The secondary's machine has no name server, and what it looks up is looked up anew: the line is cut for a moment."""
    host = x.host(x.s)
    path = Path("/etc/netns") / x.st.net.ns(host) / "hosts"
    if x.hosts:
        return
    x.hosts = path, path.read_text()
    # In place: a running node sees the file that was there when it was started.
    path.write_text(f"127.0.0.1 localhost\n{x.st.net.addresses[host]} {x.s.name}\n")
    cut(True)(x)

    def play():
        await_emergency(x)
        heal(x)

    x.spawn(play)


def names_again(x):
    heal(x)
    if x.hosts:
        path, text = x.hosts
        path.write_text(text)
        x.hosts = None


def in_step(x, timeout=60):
    end = time.monotonic() + timeout
    while (x.p.state(), x.s.state()) != ("synced", "standby") and time.monotonic() < end:
        pace(0.1)


def promote_the_other(x):
    """What the status of the one that is behind says."""
    if comes_to(x, x.p, "behind"):
        order("s", "promote", "--yes")(x)


def ordered(x, node, *verb):
    """An operator's order, until it is carried out."""
    p = node.run("ha", *verb, "--home", node.home, check=False, timeout=120)
    x.orders.append(f"{verb[0]} on {node.name}: exit {p.returncode} {(p.stderr or p.stdout).strip().splitlines()[-1:]}")
    return p.returncode == 0


def promoted_in_a_cut(then):
    """The secondary is promoted while the line is cut; then(x, former primary, new one)."""

    def f(x):
        p, s = x.p, x.s
        cut(True)(x)

        def play():
            if await_emergency(x) and ordered(x, s, "promote", "--yes"):
                then(x, p, s)

        x.spawn(play)

    return f


def lost_at_once(x, former, new):
    """Before the former primary has met it."""
    with x.starting:
        new.kill()
    heal(x)


def return_interrupted(x, former, new):
    """At whatever the former primary is just doing, three times."""
    heal(x)
    for after in (0.4, 1.1, 2.3):
        pace(after)
        with x.starting:
            former.kill()
            former.start(wait=False)


def switched_and_lost(x):
    p, s = x.p, x.s

    def play():
        if ordered(x, p, "switchover", s.name):
            with x.starting:
                s.kill()

    x.spawn(play)


def remove_shared_memory(who):
    """As a log-in service does with what the node's user has, when that user logs out."""

    def f(x):
        node = getattr(x, who)
        with contextlib.suppress(OSError, IndexError):  # it has just been killed
            maps = [Path(f"/proc/{pid}/maps").read_text() for pid in node.pids("postgres")]
            for path in {l.split()[-1] for text in maps for l in text.splitlines() if "/dev/shm/" in l}:
                Path(path).unlink(missing_ok=True)
            segment = (node.home / "data/pg/postmaster.pid").read_text().splitlines()[6].split()[-1]
            subprocess.run(["ipcrm", "-m", segment], capture_output=True)

    return f


def lets_in_again(who):
    """The node finds out by a connection of its own, and restarts the database."""

    def f(x):
        node, end = getattr(x, who), time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(Failed):
                node.sql("SELECT 1")
                return
            pace(0.5)
        x.ended.append(f"the database of {node.name} lets nobody in")

    return f


ROOM_LEFT = 36 << 20  # enough to go on with; a copy needs 32 MiB besides the database


def leave_no_room(who):
    return lambda x: x.st.fill_disk(x.host(getattr(x, who)), ROOM_LEFT)


def copy_without_room(x):
    leave_no_room("s")(x)
    order("s", "rejoin")(x)


def return_without_room(x):
    leave_no_room("p")(x)
    promoted_in_a_cut(lambda x, former, new: heal(x))(x)


def room_again(x):
    x.st.free_disk()
    heal(x)


def mount_data(x, node):
    """What is a mount point cannot be moved: the node is down while it becomes one."""
    pg = node.home / "data/pg"
    with x.starting:
        node.stop()
        subprocess.run(["mount", "--bind", pg, pg], check=True)
        x.st.bound.append((node, pg))
        node.start(wait=False)


def data_unmounted(x):
    while x.st.bound:
        node, pg = x.st.bound.pop()
        with x.starting:
            node.kill()
            subprocess.run(["umount", pg], check=True)
            node.start(wait=False)


def mounted_copy(x):
    node = x.s

    def play():
        mount_data(x, node)
        ordered(x, node, "rejoin")

    x.spawn(play)


def mounted_return(x):
    p, s = x.p, x.s

    def play():
        mount_data(x, p)
        in_step(x)
        cut(True)(x)
        if await_emergency(x):
            ordered(x, s, "promote", "--yes")
        heal(x)

    x.spawn(play)


def unmounted(x):
    """Once what is under way is over."""
    x.join()
    data_unmounted(x)
    heal(x)


def close_port(port):
    """Of either node for the other."""

    def f(x):
        p, s = x.host(x.p), x.host(x.s)
        x.st.net.close_port(p, s, port)
        x.st.net.close_port(s, p, port)

    return f


def open_ports(x):
    x.st.net.open_ports()


def renew_in_a_cut(x):
    cut(True)(x)
    node = x.p

    def give():
        p = node.run("cert", "renew", "--web", "--home", node.home, check=False, timeout=120)
        x.orders.append(f"cert renew on {node.name}: exit {p.returncode} {p.stderr.strip().splitlines()[-1:]}")

    x.spawn(give)


def two_promotions(x):
    """Three nodes, each for itself, and two of them are promoted."""
    for n in x.st.nodes:
        x.st.net.isolate(x.host(n))
    for n in x.st.nodes:
        if n is not x.p:

            def f(n=n):
                end = time.monotonic() + 8
                while n.state() != "emergency" and time.monotonic() < end:
                    pace(0.1)
                p = n.run("ha", "promote", "--yes", "--home", n.home, check=False, timeout=120)
                x.orders.append(f"promote on {n.name}: exit {p.returncode} {p.stderr.strip().splitlines()[-1:]}")

            x.spawn(f)


WHO = {"p": "the primary", "s": "a secondary"}
PLACES = {
    "p": "the primary",
    "s": "a secondary",
    "link": "the link between them",
    "role": "their roles",
    "merge": "a merge",
    "proxy": "a proxy before them",
}
EVERYWHERE = ("p", "s", "link", "role", "merge")  # with nothing else beside it
P_OR_S = {"p": "emergency", "s": "alone"}

FAULTS = {
    f.name: f
    for f in [
        *[
            Fault(
                f"{who}-{what}-kill",
                who,
                f"{WHO[who]}'s {what} is killed",
                send(who, what, signal.SIGKILL),
                expect="again",
            )
            for who in "ps"
            for what in PROCESSES
        ],
        *[
            Fault(
                f"{who}-{what}-stop",
                who,
                f"{WHO[who]}'s {what if what != 'all' else 'processes'} stand{'' if what == 'all' else 's'} still (SIGSTOP)",
                send(who, what, signal.SIGSTOP),
                send(who, what, signal.SIGCONT),
                "works" if what == "agent" else P_OR_S[who],
            )
            for who in "ps"
            for what in FROZEN
        ],
        *[
            Fault(
                f"{who}-node-kill",
                who,
                f"{WHO[who]}'s whole node is killed",
                kill_node(who),
                start(who),
                P_OR_S[who],
                weight=4,
            )
            for who in "ps"
        ],
        *[
            Fault(
                f"{who}-power-off",
                who,
                f"{WHO[who]}'s machine is gone: killed and out of reach",
                power_off(who),
                power_on(who),
                P_OR_S[who],
            )
            for who in "ps"
        ],
        *[
            Fault(
                f"{who}-disk-full",
                who,
                f"{WHO[who]}'s disk is full",
                lambda x, who=who: x.st.fill_disk(x.host(getattr(x, who))),
                lambda x: x.st.free_disk(),
                P_OR_S[who],
            )
            for who in "ps"
        ],
        Fault("link-cut", "link", "the link is cut both ways", cut(True), heal, "emergency", weight=5),
        Fault(
            "link-cut-to-s", "link", "the link is cut from the primary to the secondary", cut(False), heal, "emergency"
        ),
        Fault(
            "link-cut-to-p",
            "link",
            "the link is cut from the secondary to the primary",
            cut(False, "s", "p"),
            heal,
            "emergency",
        ),
        Fault(
            "link-slow-lossy",
            "link",
            "200 ms later and 20 % of packets lost, each way",
            lambda x: x.st.net.degrade(200, 20),
            lambda x: x.st.net.degrade(0, 0),
            "works",
        ),
        Fault("link-flaps", "link", "the link is up and down, 0.7 s each", flap, flap_no_more, "works"),
        *[
            Fault(
                f"{who}-restart",
                who,
                f"{WHO[who]} is stopped in order and started again",
                restart(who),
                start(who),
                P_OR_S[who],
                weight=1,
            )
            for who in "ps"
        ],
        Fault(
            "both-killed-p-first",
            "p",
            "both are killed; the primary is started first",
            both_killed,
            start_in_order("p", "s"),
            "emergency",
            also=("s",),
        ),
        Fault(
            "both-killed-s-first",
            "p",
            "both are killed; the secondary is started first",
            both_killed,
            start_in_order("s", "p"),
            "emergency",
            also=("s",),
        ),
        Fault(
            "journal-kill",
            "link",
            "the link is cut, and the secondary is killed with answers in its journal",
            journal_kill,
            heal,
            "emergency",
            weight=4,
            also=("s",),
        ),
        Fault(
            "switchover",
            "role",
            "an operator orders a switchover",
            lambda x: order("p", "switchover", x.s.name)(x),
            expect="roles",
            weight=4,
        ),
        Fault(
            "promote", "role", "an operator promotes the secondary in an emergency", promote, expect="roles", weight=6
        ),
        Fault(
            "rejoin",
            "role",
            "an operator has the secondary copied anew",
            order("s", "rejoin"),
            expect="roles",
            weight=2,
        ),
        Fault(
            "merge-link-cut",
            "merge",
            "the link is cut in the middle of a merge",
            in_the_merge(lambda x: x.st.net.degrade(0, 100)),
            expect="merge",
            weight=4,
        ),
        Fault(
            "merge-p-node-kill",
            "merge",
            "the primary's node is killed in the middle of a merge",
            in_the_merge(kill_node("p")),
            start("p"),
            "merge",
            weight=3,
        ),
        Fault(
            "merge-s-node-kill",
            "merge",
            "the secondary's node is killed in the middle of a merge",
            in_the_merge(kill_node("s")),
            start("s"),
            "merge",
            weight=3,
        ),
        Fault(
            "p-disk-back",
            "p",
            "the primary's disk is put back to an older copy, and the other node is promoted",
            disk_back("p", promote_the_other),
            expect="roles",
            weight=0,
            rare=4,
            also=EVERYWHERE,
        ),
        Fault(
            "s-disk-back",
            "s",
            "the secondary's disk is put back to an older copy",
            disk_back("s"),
            expect="alone",
            weight=0,
            rare=4,
            also=EVERYWHERE,
        ),
        Fault(
            "p-cloned",
            "p",
            "a copy of the primary's machine is started beside it",
            cloned,
            expect="alone",
            weight=0,
            rare=2,
            also=EVERYWHERE,
        ),
        Fault(
            "p-doubled",
            "p",
            "a copy of the stopped primary's machine is started before it, and an operator names one of the two",
            doubled,
            expect="roles",
            weight=0,
            rare=2,
            also=EVERYWHERE,
        ),
        Fault(
            "s-no-names",
            "s",
            "the secondary's name server is gone, and the link is cut for a moment",
            no_names,
            names_again,
            "emergency",
            weight=0,
            rare=2,
            also=("link",),
        ),
        Fault(
            "link-no-channel",
            "link",
            "the channel's port alone is closed, both ways",
            close_port(2345),
            open_ports,
            "alone",
            weight=0,
            rare=2,
        ),
        Fault(
            "link-no-web",
            "link",
            "the web port alone is closed, both ways",
            close_port(7272),
            open_ports,
            "emergency",
            weight=0,
            rare=2,
        ),
        Fault(
            "link-far",
            "link",
            "300 ms of round trip",
            lambda x: x.st.net.degrade(150, 0),
            lambda x: x.st.net.degrade(0, 0),
            "works",
            weight=0,
            rare=2,
        ),
        Fault(
            "link-cut-renewed",
            "link",
            "the link is cut, and the primary's web certificate is renewed meanwhile",
            renew_in_a_cut,
            heal,
            "emergency",
            weight=0,
            rare=2,
        ),
        Fault(
            "two-promotions",
            "role",
            "three nodes are cut off from each other, and two of them are promoted",
            two_promotions,
            heal,
            "roles",
            weight=0,
            rare=4,
            nodes=3,
            also=EVERYWHERE,
        ),
        Fault(
            "promoted-lost",
            "role",
            "the secondary is promoted in a cut, and killed before the former primary has met it",
            promoted_in_a_cut(lost_at_once),
            heal,
            expect="roles",
            weight=0,
            rare=4,
            also=EVERYWHERE,
        ),
        Fault(
            "switched-lost",
            "role",
            "an operator orders a switchover, and the new primary is killed as soon as it is one",
            switched_and_lost,
            expect="roles",
            weight=0,
            rare=4,
            also=EVERYWHERE,
        ),
        Fault(
            "return-killed",
            "role",
            "the secondary is promoted in a cut, and the former primary is killed three times while it returns",
            promoted_in_a_cut(return_interrupted),
            heal,
            expect="roles",
            weight=0,
            rare=4,
            also=EVERYWHERE,
        ),
        *[
            Fault(
                f"{who}-shared-memory",
                who,
                f"the shared memory of {WHO[who]}'s database is removed",
                remove_shared_memory(who),
                lets_in_again(who),
                "again",
                weight=0,
                rare=2,
            )
            for who in "ps"
        ],
        Fault(
            "s-no-room",
            "s",
            "a secondary whose disk has no room for a copy is ordered to make one",
            copy_without_room,
            room_again,
            "roles",
            weight=0,
            rare=2,
            also=("role",),
        ),
        Fault(
            "p-no-room",
            "role",
            "the secondary is promoted in a cut, and the former primary's disk has no room for a copy",
            return_without_room,
            room_again,
            "roles",
            weight=0,
            rare=3,
            also=EVERYWHERE,
        ),
        Fault(
            "s-mounted",
            "s",
            "a secondary's data folder is a mount point, and it is ordered to make a copy",
            mounted_copy,
            unmounted,
            "alone",
            weight=0,
            rare=2,
            also=("role",),
        ),
        Fault(
            "p-mounted",
            "role",
            "the primary's data folder is a mount point, and the secondary is promoted in a cut",
            mounted_return,
            unmounted,
            "roles",
            weight=0,
            rare=3,
            also=EVERYWHERE,
        ),
        # Where there are three nodes and a proxy.
        Fault(
            "proxy-cut-from-s",
            "proxy",
            "the proxy is cut off from one secondary",
            lambda x: x.st.net.cut_both("proxy", x.host(x.s)),
            heal,
            "works",
            weight=0,
        ),
        Fault(
            "both-killed",
            "p",
            "the primary and one secondary of two are killed",
            both_killed,
            lambda x: (start("p")(x), start("s")(x)),
            "emergency",
            weight=0,
            also=("s",),
        ),
    ]
}
DRAWN = [f for f in FAULTS.values() if f.weight]  # by the soak
RARE = [f for f in FAULTS.values() if f.rare]  # by the soak with --rare


def table():
    """The catalogue as docs/testing.md has it."""
    rows = [
        f"| `{f.name}` | {PLACES[f.place]} | {f.text} | {EXPECTED[f.expect]} | {'' if f.weight else 'with --rare' if f.rare else 'tests only'} |"
        for f in FAULTS.values()
    ]
    return "\n".join(["| fault | where | what is done | what is expected | |", "|---|---|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    print(table(), end="")
