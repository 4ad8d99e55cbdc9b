# SPDX-License-Identifier: Apache-2.0
"""What is made to wait while a test looks: locks of a database, and processes."""
import contextlib
import os
import signal
import subprocess
from pathlib import Path


class Held:
    """A transaction that holds locks."""

    def __init__(self, node, sql):
        self.psql = subprocess.Popen(node.psql(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
        self.do(f"BEGIN; {sql}")

    def do(self, sql):
        self.psql.stdin.write(f"{sql};\nSELECT 'held';\n")
        self.psql.stdin.flush()
        while "held" not in self.psql.stdout.readline():
            assert self.psql.poll() is None

    def release(self):
        self.psql.stdin.close()
        self.psql.wait(10)
        self.psql.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()


def of_postgres(node, title):
    """One of PostgreSQL's processes, by what it calls itself: "checkpointer", "startup"."""
    for pid in node.pids("postgres"):
        with contextlib.suppress(OSError):
            if title in Path(f"/proc/{pid}/cmdline").read_text().split():
                return pid
    raise AssertionError(f"{node.name}: PostgreSQL has no {title}")


@contextlib.contextmanager
def standing_still(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
