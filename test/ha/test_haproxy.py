# SPDX-License-Identifier: Apache-2.0
"""HAProxy before three nodes, with the configuration that docs/proxies.md shows: a browser's user with a cookie reads on through
every fault, and no answer is a failed one.
"""
import collections
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import checker
import net
from faults import FAULTS
from seen import write_after
from stage import PASSWORD, Load
from wait import pass_time, wait_until

HERE = Path(__file__).resolve().parent / "lib"
PAGE = Path(__file__).resolve().parents[2] / "docs/proxies.md"
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin")
HOLD_S = 3
# Whatever befalls the primary, the link or the proxy; a restart in order and an agent that stands still are no outage.
PLAYED = [
    f.name
    for f in FAULTS.values()
    if f.place in ("p", "link", "proxy")
    and not f.rare
    and f.name not in ("p-restart", "p-agent-stop")
    and (f.places == {f.place} or f.name == "both-killed")
]

pytestmark = pytest.mark.skipif(not HAPROXY, reason="needs haproxy")


def configuration(st):
    """The block of docs/proxies.md, with the names and paths of this stage in place of those that the page tells to replace."""
    block = re.search(r"```haproxy\n(.*?)```", PAGE.read_text(), re.S)[1]
    mine = {
        "/etc/haproxy/holdfast.pem": st.dir / "proxy.pem",
        "/etc/haproxy/holdfast-nodes.pem": st.dir / "nodes.pem",
        **{f"node-{h}.example": net.NAMES[h] for h in ("a", "b", "c")},
    }
    for theirs, ours in mine.items():
        assert theirs in block
        block = block.replace(theirs, str(ours))
    return block


class Proxy:
    """HAProxy on its host, and the browsers before it."""

    # While node-a is the primary, and nobody gives emergency access.
    NOT_NOW = ("holdfast/node-b", "holdfast/node-c", "emergency/node-a", "emergency/node-b", "emergency/node-c")

    def __init__(self, st):
        self.st, self.proc, self.ca = st, None, st.dir / "proxy.crt"

    def start(self):
        d = self.st.dir
        net.sh(
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={net.NAMES['proxy']}",
            "-addext",
            f"subjectAltName=DNS:{net.NAMES['proxy']}",
            "-keyout",
            d / "proxy.key",
            "-out",
            self.ca,
        )
        (d / "proxy.pem").write_text(self.ca.read_text() + (d / "proxy.key").read_text())
        (d / "nodes.pem").write_text("".join(n.web_cert.read_text() for n in self.st.nodes))
        (d / "haproxy.cfg").write_text(configuration(self.st))
        prefix = self.st.net.exec_prefix("proxy")
        checked = subprocess.run([*prefix, HAPROXY, "-c", "-f", str(d / "haproxy.cfg")], capture_output=True, text=True)
        assert checked.returncode == 0 and "WARNING" not in checked.stderr, checked.stderr
        self.log = open(d / "haproxy.log", "w")
        self.proc = subprocess.Popen(
            [*prefix, HAPROXY, "-db", "-f", str(d / "haproxy.cfg")], stdout=self.log, stderr=self.log
        )
        self.leads_to("200 primary")
        # It takes each server for a good one until it has looked.
        wait_until("HAProxy has looked at every node", lambda: all(map(self.downs, self.NOT_NOW)))
        return self

    def leads_to(self, mode):
        def look():
            assert self.proc.poll() is None, "HAProxy has ended"
            return self.get("/v1/sys/health")

        wait_until(f"HAProxy leads to {mode}", look, lambda said: mode in said)

    def downs(self, server):
        return Path(self.log.name).read_text().count(f"Server {server} is DOWN")

    def ups(self, server):
        """How often it has found that server well again."""
        return Path(self.log.name).read_text().count(f"Server {server} is UP")

    def get(self, path):
        """Status and mode of one answer to a browser without a session; "" when there is none."""
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); from browser import Browser\n"
            "r, _ = Browser(sys.argv[2], 443, sys.argv[3]).once('GET', sys.argv[4], None)\n"
            "print(r.status, r.headers.get('Holdfast-Mode'))"
        )
        p = subprocess.run(
            [
                *self.st.net.exec_prefix("client"),
                sys.executable,
                "-c",
                code,
                str(HERE),
                net.NAMES["proxy"],
                str(self.ca),
                path,
            ],
            capture_output=True,
            text=True,
        )
        return p.stdout.strip()

    def stop(self):
        if self.proc:
            self.proc.terminate()
            try:
                self.proc.wait(5)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
            self.log.close()

    def browser(self, load, tag, interval=0.05):
        out = self.st.dir / f"{tag}.jsonl"
        p = subprocess.Popen(
            [
                *self.st.net.exec_prefix("client"),
                sys.executable,
                str(HERE / "browser.py"),
                "--host",
                net.NAMES["proxy"],
                "--ca",
                str(self.ca),
                "--accounts",
                ",".join(self.st.accounts[:25]),
                "--tag",
                tag,
                "--out",
                str(out),
                "--interval",
                str(interval),
            ],
            stdin=subprocess.PIPE,
            stderr=open(self.st.dir / f"{tag}.err", "w"),
            text=True,
        )
        p.stdin.write(PASSWORD + "\n")
        p.stdin.close()
        load.workers.append((tag, p))
        load.outs.append(out)


@pytest.fixture
def proxy(three):
    three.home_again()
    p = Proxy(three)
    try:
        yield p.start()
    finally:
        p.stop()


def seen(mode, after, tag=""):
    return (
        lambda r: r["role"] == "browser"
        and r["ok"]
        and r.get("mode") == mode
        and r["t0"] > after
        and r["tag"].startswith(tag)
    )


def retrievals_logged(node, rows):
    """Every retrieval that the browser saw is in the log, on its account: once, or once more for each time that the proxy
    or the user asked again."""
    count = collections.Counter()
    for reason, account, n in node.sql(
        "SELECT body::json->>'reason', object, count(*) FROM event WHERE kind = :RETRIEVED GROUP BY 1, 2"
    ):
        count[reason, account] += int(n)
    acked = [r for r in rows if r["role"] == "browser" and r["ok"] and r["kind"] == "retrieve"]
    missing = [r["reason"] for r in acked if count[r["reason"], r["account"]] == 0]
    assert (
        acked and not missing
    ), f"{len(missing)} of {len(acked)} retrievals were answered but are not in the log: {missing[:5]}"
    return len(acked), sum(count[r["reason"], r["account"]] > 1 for r in acked)


def play(st, proxy, fault, tag):
    """Two browsers and a writer beside the primary, fault, hold, undo, home; the rows of all."""
    with Load(st) as load:
        for i in (1, 2):
            proxy.browser(load, f"{tag}-w{i}")
        load.worker("a", "writer", st.login("admin"), ("a",), st.accounts[25:], f"{tag}-d", interval=0.1)
        load.wait_for(write_after(0, "both"))
        for i in (1, 2):
            load.wait_for(seen("primary", 0, f"{tag}-w{i}"))
        begun = time.monotonic()
        fault.do(st)
        if fault.emergency and not fault.name.startswith("link-cut"):
            load.wait_for(seen("emergency", begun))
        pass_time(HOLD_S, "the fault lasts, and users work on meanwhile")
        fault.undo(st)
        st.home_again()
        home = time.monotonic()
        for i in (1, 2):
            load.wait_for(seen("primary", home, f"{tag}-w{i}"))
        return load.stop(), begun


@pytest.mark.h4
@pytest.mark.h7
@pytest.mark.h8
@pytest.mark.parametrize("name", PLAYED)
def test_browser_reads_on_through(three, proxy, name):
    rows, begun = play(three, proxy, FAULTS[name], f"p{time.monotonic_ns()}")
    print(checker.everything(three, [r for r in rows if r["role"] != "browser"], reads=0, fresh=0))
    reads = [r for r in rows if r["role"] == "browser"]
    logged, again = retrievals_logged(three.b, rows)
    slowest = max(r["t1"] - r["t0"] for r in reads)
    failed = [(round(r["t0"] - begun, 2), f) for r in reads for f in r["failed"]]
    print(
        f"{name}: {len(reads)} pages, {len(failed)} failed, {sum(r['resent'] for r in reads)} sent again by the browser, slowest {slowest:.1f} s; "
        f"{logged} retrievals logged, {again} of them more than once; {sum(r.get('mode') == 'emergency' for r in reads)} in emergency"
    )
    assert (
        not failed
    ), f"{len(failed)} of {len(reads)} answers failed (seconds after the fault, why): {json.dumps(failed[:5])}"
    assert all(r["as_of"] for r in reads if r["mode"] == "emergency")


@pytest.mark.h1
def test_primary_is_preferred_to_emergency(three, proxy):
    """Cut off from the primary the secondary gives emergency access to those beside it; whoever asks the proxy works on the primary."""
    rows, begun = play(three, proxy, FAULTS["link-cut"], f"q{time.monotonic_ns()}")
    late = [r for r in rows if r["role"] == "browser" and r["t0"] > begun]
    astray = [r for r in late if r["mode"] != "primary"]  # one missed check leaves a node out until the next one
    assert (
        late and len(astray) < len(late) / 5
    ), f"{len(astray)} of {len(late)} were sent to emergency access while the primary served"


@pytest.mark.h1
def test_metrics_are_not_to_be_had_through_the_proxy(three, proxy):
    assert proxy.get("/v1/metrics").startswith("403")
    proxy.leads_to("200 primary")


@pytest.mark.h7
def test_session_begun_in_emergency_goes_home(three, proxy):
    """The primary does not know it before the journal is home: whoever comes sooner waits there, and is not told to log in."""
    tag = f"e{time.monotonic_ns()}"
    with Load(three) as load:
        FAULTS["p-node-kill"].do(three)
        proxy.leads_to("emergency")
        for i in (1, 2):
            proxy.browser(load, f"{tag}-{i}", interval=0.02)
            load.wait_for(seen("emergency", 0, f"{tag}-{i}"))
        # The journal takes its time: whoever brings it home is held up until users are at the primary again.
        held = [n for n in (three.b, three.c) if n.signal("agent", signal.SIGSTOP)]
        try:
            ups = proxy.ups("holdfast/node-a")
            FAULTS["p-node-kill"].undo(three)
            wait_until("users come to the primary", lambda: proxy.ups("holdfast/node-a") > ups)
            pass_time(0.7, "they wait there, in sum for less than the 3 s that docs/proxies.md gives them")
        finally:
            for n in held:
                n.signal("agent", signal.SIGCONT)
        three.home_again()
        home = time.monotonic()
        for i in (1, 2):
            load.wait_for(seen("primary", home, f"{tag}-{i}"))
        rows = load.stop()
    failed = [f for r in rows for f in r["failed"]]
    slowest = max(r["t1"] - r["t0"] for r in rows)
    print(f"{len(rows)} pages, slowest {slowest:.2f} s")
    assert slowest > 0.5, "nobody came sooner than the journal"
    assert not failed, f"{len(failed)} answers failed: {json.dumps(failed[:5])}"


@pytest.mark.h7
def test_session_begun_in_emergency_stays_where_it_is_known(three, proxy):
    """Of several secondaries the proxy takes the first one; one that comes later does not get the sessions of another."""
    tag = f"s{time.monotonic_ns()}"
    three.net.cut_both("proxy", three.host_of(three.b))
    try:
        with Load(three) as load:
            FAULTS["p-node-kill"].do(three)
            try:
                proxy.leads_to("emergency")
                proxy.browser(load, tag)
                load.wait_for(seen("emergency", 0, tag))
                three.b.wait_state("emergency")
                three.net.heal()
                wait_until("HAProxy sees node-b", lambda: proxy.ups("emergency/node-b"))
                begun = time.monotonic()
                load.wait_for(seen("emergency", begun, tag))
                pass_time(1, "the browser reads on, beside a secondary that stands before its own")
            finally:
                FAULTS["p-node-kill"].undo(three)
            three.home_again()
            load.wait_for(seen("primary", time.monotonic(), tag))
            failed = [f for r in load.stop() for f in r["failed"]]
    finally:
        three.net.heal()
    assert not failed, f"{len(failed)} answers failed: {json.dumps(failed[:5])}"
