# SPDX-License-Identifier: Apache-2.0
"""Each order in each state that a pair comes to: what is refused says why and what instead, word for word as docs/ha.md has it, and changes
no state; what docs/runbook.md says of the state is so there (H9, H14). What may be ordered is ordered where it leads on to the next state.
"""
import contextlib
import re
import shutil
import signal
import subprocess

from answers import ANSWERS, REASONS, refuse_all, refused_at
from api import Api
from held import Held, of_postgres, standing_still
from packs import running
from usedpair import UsedPair
from wait import wait_until

# Nobody comes to the first; the second needs a third machine (test/ha/test_history.py).
ELSEWHERE = {"cloning", "duplicate"}


class Pair(UsedPair):
    """asked: which of the table's answers were heard."""

    def __init__(self, holdfast, folder):
        super().__init__(holdfast, folder)
        self.asked, self.seen = set(), set()

    def cannot_unlock(self, node, place, answer):
        """As the service of this very node answers; the client would go on to the next one."""
        r = Api(node, self.boss.api.token).call("POST", "/v1/ha/unlock", {})
        # While it hands over its database is stopped: nobody's session is known.
        said = r.detail or (place == "handing" and answer)
        assert (r.status, said) == (503 if node.health()[0] == 503 else 409, answer), (place, r)

    def answers(self, node, place, primary=None, state=None):
        """Whatever is refused there is ordered, and the status gives the reason that the runbook has."""
        reason, by = REASONS[place], self.primary if place == "stopped" else node
        if reason:
            wait_until(
                f"{place}: the status says {reason}",
                lambda: [r["code"] for r in by.status()[1].get("reasons", [])],
                lambda codes: reason in codes,
            )
        refuse_all(node, place, primary, state)
        for order, of, answer in refused_at(place, state):
            if order == "unlock":
                self.cannot_unlock(node, place, answer)
            self.asked.add((order, of))
        self.seen.add(place)


@contextlib.contextmanager
def ordering(node, *words):
    """An order that its giver waits for."""
    p = subprocess.Popen(
        node.argv("ha", *words, "--home", node.home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield p
    except BaseException:
        p.kill()
        raise
    finally:
        p.communicate(timeout=120)


def in_step(pair):
    """A primary and its secondary, synced and standing by."""
    a, b = pair.nodes
    pair.alive()
    pair.answers(a, "synced")
    pair.answers(b, "standby", a)


def rebuilt(pair):
    """A secondary whose copy is not whole yet."""
    a, b = pair.nodes
    with standing_still(of_postgres(a, "checkpointer")), ordering(b, "rejoin"):
        b.wait_state("reseed")
        pair.answers(b, "reseed", a)
        # Its giver is told when it is over.
        with contextlib.suppress(ProcessLookupError):
            a.signal("postgres", signal.SIGCONT)
    pair.alive()


def handed_over_in_vain(pair):
    a, b = pair.nodes
    stopped = b.signal("agent", signal.SIGSTOP)
    try:
        with ordering(a, "switchover"):
            a.wait_state("handing")
            pair.answers(a, "handing")
            a.wait_state("alone")
    finally:
        for pid in stopped:
            b._quietly(pid, signal.SIGCONT)
    pair.alive()


def left_alone(pair):
    a, b = pair.nodes
    b.stop()
    a.wait_state("alone")
    pair.answers(a, "alone")
    pair.answers(b, "stopped")
    b.start()
    pair.alive()


def cut_off_and_back(pair):
    """The secondary serves, then brings home what it has; that is held up."""
    a, b = pair.nodes
    a.kill()
    b.wait_state("emergency")
    b.cli("login", "--ca", b.web_cert, b.url, "nobody", session=pair.folder / "none", check=False, input="wrong\n")
    pair.answers(b, "emergency", a)
    stopped = b.signal("agent", signal.SIGSTOP)
    a.start()
    with Held(a, "LOCK TABLE ha_inbox IN SHARE MODE"):
        for pid in stopped:
            b._quietly(pid, signal.SIGCONT)
        b.wait_state("merging")
        pair.answers(b, "merging", a)
    pair.alive()


def promoted(pair):
    """The promotion is held up, and then the former primary's return."""
    a, b = pair.nodes
    a.kill()
    b.wait_state("emergency")
    with ordering(b, "promote", "--yes"), standing_still(of_postgres(b, "startup")):
        b.wait_state("promoting")
        pair.answers(b, "promoting")
    b.wait_state("alone")
    with standing_still(of_postgres(b, "checkpointer")):
        a.start(wait=False)
        a.wait_state("fenced")
        pair.answers(a, "fenced", b)
    pair.alive()


def put_back(pair):
    """The primary's database is put back while nobody can be asked; its own mark of the end says so."""
    a, b = pair.nodes
    data, kept = b.home / "data/pg", pair.folder / "kept"
    a.stop()
    b.stop()
    subprocess.run(["cp", "-a", data, kept], check=True)
    b.start()
    a.start()
    pair.alive()
    b.cli("put", "srv/y", session=pair.boss.session, input="lost\n")
    a.stop()
    b.stop()
    shutil.rmtree(data)
    shutil.move(kept, data)
    b.start(wait=False)
    b.wait_state("behind")
    pair.answers(b, "behind")
    b.run("ha", "reconcile", "--home", b.home)
    b.wait_state("alone")


def taken_out(pair):
    a, b = pair.nodes
    b.run("ha", "remove", a.name, "--yes", "--home", b.home)
    b.wait_state("single")
    pair.answers(b, "single")
    a.start(wait=False)
    wait_until(
        "it knows that it was taken out",
        lambda: [r["code"] for r in a.status()[1].get("reasons", [])],
        lambda codes: "removed" in codes,
    )
    pair.answers(a, "removed", b, state=a.state())
    # What may be ordered of such a node is not, while its former primary serves; and the way on is another one.
    p = a.run("ha", "promote", "--yes", "--home", a.home, check=False)
    assert p.returncode == 1 and "ha join --replace` here" in re.sub(r"\s+", " ", p.stderr), p.stderr


def test_each_order_is_answered_in_each_state(holdfast):
    with running(Pair, holdfast) as pair:
        for scene in (
            in_step,
            rebuilt,
            handed_over_in_vain,
            left_alone,
            cut_off_and_back,
            promoted,
            put_back,
            taken_out,
        ):
            scene(pair)
        assert pair.seen == REASONS.keys() - ELSEWHERE
        left = {k for k, answer in ANSWERS.items() if answer != "yes" and k[1] not in ELSEWHERE} - pair.asked
        assert not left, left
