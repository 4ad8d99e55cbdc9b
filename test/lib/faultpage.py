# SPDX-License-Identifier: Apache-2.0
"""The page by which all processes of a node count and fail (base/fault.h), seen from a test; and the places in the sources.

A place is "pack/pack.c put ARCHIVE_WRITE": file, function, kind of call.
"""
import errno
import mmap
import re
import struct
from pathlib import Path

from pair import give
from wait import wait_until

SRC = Path(__file__).resolve().parents[2] / "src"
TRESPASSES = re.findall(r"^TRESPASS\((\w+)", (SRC / "base/trespass.def").read_text(), re.M)
POINTS, PLACES, NAME = 64, 256, 64
HEAD = 8 + 8 + 8 * POINTS + 8  # armed, fired; left; reached; fired place and process
ROW = 4 + 4 + 8 + NAME
AHEAD = HEAD + PLACES * ROW  # by how much the clock is put on
TRESPASS = AHEAD + 8  # wanted, got, process, path
PATH = 512
SIZE = TRESPASS + 12 + PATH + 4
AT_PLACE, KILLS = 0x10000, 0x20000


def places_in_sources():
    """Every place that has a FAULT."""
    found = set()
    for path in sorted(SRC.rglob("*.c")):
        function = None
        for line in path.read_text().splitlines():
            begun = re.match(r"(\w+)\(", line)
            function = begun.group(1) if begun else function
            for name in re.findall(r"\bFAULT\((\w+)", line):
                found.add(f"{path.relative_to(SRC)} {function} {name}")
    return found


class FaultPage:
    def __init__(self, path):
        self.path = Path(path)
        self.path.write_bytes(bytes(SIZE))
        give(self.path)
        self.file = open(self.path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), SIZE)

    @property
    def env(self):
        return {"HOLDFAST_FAULTS": str(self.path)}

    def _rows(self):
        for i in range(PLACES):
            taken, failed, reached, name = struct.unpack_from(f"<IIQ{NAME}s", self.map, HEAD + i * ROW)
            if taken == 2:
                yield i, name.split(b"\0")[0].decode(), reached, failed

    def reached(self):
        return {name: reached for _, name, reached, _ in self._rows()}

    def failed(self):
        return {name for _, name, _, failed in self._rows() if failed}

    def arm(self, place, nth, kill=False):
        """The nth reach of the place fails, or ends its process."""
        row = {name: i for i, name, _, _ in self._rows()}[place]
        self.disarm()
        struct.pack_into("<Iq", self.map, 4, 0, nth)
        struct.pack_into("<I", self.map, 0, AT_PLACE + row + (KILLS if kill else 0))

    def disarm(self):
        struct.pack_into("<I", self.map, 0, 0)

    def put_clock_on(self, seconds):
        """The wall clock of all processes of the node, from now on; the time that has passed already stays."""
        ahead = struct.unpack_from("<q", self.map, AHEAD)[0]
        struct.pack_into("<q", self.map, AHEAD, ahead + int(seconds * 1e6))

    def trespass(self, what, path="", pid=0):
        """What vaultd gets when it tries this (base/trespass.def) as if it were taken over: "" it could, or the errno's name."""
        struct.pack_into(f"<ii{PATH}s", self.map, TRESPASS + 4, -1, pid, str(path).encode())
        struct.pack_into("<I", self.map, TRESPASS, 1 + TRESPASSES.index(what))
        wait_until(f"vaultd tried {what}", lambda: struct.unpack_from("<I", self.map, TRESPASS)[0] == 0)
        got = struct.unpack_from("<i", self.map, TRESPASS + 4)[0]
        return errno.errorcode[got] if got else ""

    @property
    def fired(self):
        return struct.unpack_from("<I", self.map, 4)[0] != 0

    @property
    def fired_pid(self):
        return struct.unpack_from("<I", self.map, HEAD - 4)[0]
