# SPDX-License-Identifier: Apache-2.0
"""Faults by name. Each is a pair of functions: do it, undo it. The stage has a (primary), b (secondary) and net.

A fault that kills needs no undoing when the supervisor brings the process back; "whole node" is started again.
"""
import signal
import threading
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Fault:
    name: str
    do: Callable
    undo: Callable
    emergency: bool # whether the secondary must take over the reads
    text: str


def _kill(what):
    return lambda st: st.a.signal(what, signal.SIGKILL)


def _stop(what):
    return lambda st: st.a.signal(what, signal.SIGSTOP)


def _cont(what):
    return lambda st: st.a.signal(what, signal.SIGCONT)


def _nothing(st):
    pass


def _start_a(st):
    st.a.start(wait=False)


def _power_off(st):
    """The machine is gone: packets vanish instead of being refused."""
    st.net.isolate("a")
    st.a.kill()


def _power_on(st):
    st.net.heal()
    st.a.start(wait=False)


class _Flapping:
    """The link goes up and down every second until undone."""

    def __init__(self):
        self.thread = None
        self.over = threading.Event()

    def do(self, st):
        self.over.clear()

        def flap():
            while not self.over.is_set():
                st.net.cut_both("a", "b")
                self.over.wait(1)
                st.net.heal()
                self.over.wait(1)

        self.thread = threading.Thread(target=flap, daemon=True)
        self.thread.start()

    def undo(self, st):
        self.over.set()
        self.thread.join()
        st.net.heal()


def _fill_disk(st):
    st.fill_disk()


def _free_disk(st):
    st.free_disk()


_flap = _Flapping()

FAULTS = {f.name: f for f in [
    Fault("postmaster-kill", _kill("postmaster"), _nothing, False, "primary's postmaster kill -9"),
    Fault("vaultd-kill", _kill("vaultd"), _nothing, False, "primary's vaultd kill -9"),
    Fault("agent-kill", _kill("agent"), _nothing, False, "primary's agent kill -9"),
    Fault("keyd-kill", _kill("keyd"), _nothing, False, "primary's keyd kill -9"),
    Fault("node-kill", lambda st: st.a.kill(), _start_a, True, "primary's whole node kill -9"),
    Fault("power-off", _power_off, _power_on, True, "primary's machine gone: killed and unreachable"),
    Fault("vaultd-stop", _stop("vaultd"), _cont("vaultd"), True, "primary's vaultd SIGSTOP"),
    Fault("postgres-stop", _stop("postgres"), _cont("postgres"), True, "primary's PostgreSQL SIGSTOP"),
    Fault("all-stop", _stop("all"), _cont("all"), True, "all processes of the primary SIGSTOP"),
    Fault("link-cut", lambda st: st.net.cut_both("a", "b"), lambda st: st.net.heal(), True, "link cut both ways"),
    Fault("link-cut-to-b", lambda st: st.net.cut("a", "b"), lambda st: st.net.heal(), True, "link cut from primary to secondary"),
    Fault("link-cut-to-a", lambda st: st.net.cut("b", "a"), lambda st: st.net.heal(), True, "link cut from secondary to primary"),
    Fault("slow-lossy", lambda st: st.net.degrade(200, 20), lambda st: st.net.degrade(0, 0), False, "200 ms later and 20 % of packets lost, each way"),
    Fault("flapping", _flap.do, _flap.undo, False, "link up and down every second"),
    Fault("disk-full", _fill_disk, _free_disk, True, "primary's disk full"),
]}
