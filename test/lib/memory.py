# SPDX-License-Identifier: Apache-2.0
"""What the memory and the files of a node's processes hold. Needs root."""
import os
import re
import secrets
from pathlib import Path


def is_sanitized(program):
    """A sanitizer is in it: that keeps what was freed, and needs more memory and system calls of its own."""
    return b"__asan_init" in Path(program).read_bytes()


def mappings(pid):
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (....) \S+ \S+ \d+\s*(.*)", line)
        if m[4] not in ("[vvar]", "[vsyscall]", "[vdso]", "[vvar_vclock]"):
            yield int(m[1], 16), int(m[2], 16), m[3], m[4]


def memory(pid):
    """(name of the mapping, first address, bytes) of all that can be read, guarded pages included."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for begin, end, mode, name in mappings(pid):
            at = begin
            while at < end:
                n = min(end - at, 16 << 20)
                try:
                    mem.seek(at)
                    data = mem.read(n)
                except OSError:  # a page that nobody has touched
                    data = b""
                if not data:
                    n = min(n, 4096)
                yield f"{mode} {name}", at, data
                at += len(data) or n


def process_name(node, pid):
    return node._process_name(pid) or ("supervisor" if pid == node.supervisor() else "postgres")


def files(node):
    for folder, _, names in os.walk(node.home):
        for name in names:
            path = Path(folder) / name
            if path.is_file():
                try:
                    yield str(path.relative_to(node.home)), path.read_bytes()
                except OSError:  # PostgreSQL has removed it meanwhile
                    continue
    yield "log", node.log.read_bytes()


def holders(node, secret):
    """The mappings of the node's processes in which these bytes are; who has ended meanwhile holds nothing."""
    found = set()
    for pid in node.pids("all"):
        try:
            found |= {f"{process_name(node, pid)} {name}" for name, _, data in memory(pid) if secret in data}
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


class Markers:
    """Secrets that are recognised by any ten bytes of theirs in a row: what is freed is soon overwritten in places."""

    def __init__(self):
        self.tag, self.names = secrets.token_hex(3), []

    def make(self, name, times=8):
        self.names.append(name)
        return f"{self.tag}{len(self.names) - 1:02}" * times

    def _named(self, data, where):
        return {
            (self.names[int(m[1])] if int(m[1]) < len(self.names) else "?", where)
            for m in re.finditer(self.tag.encode() + rb"(\d\d)", data)
        }

    def in_memory(self, node, what=None):
        found = set()
        for pid in node.pids(what or "all"):
            try:
                for name, at, data in memory(pid):
                    if self.tag.encode() in data:
                        found |= self._named(data, f"{process_name(node, pid)} {name}")
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    def on_disk(self, node):
        return {hit for path, data in files(node) for hit in self._named(data, path)}
