# SPDX-License-Identifier: Apache-2.0
"""Receivers of alerts on the client's host, one of each kind (test/lib/receiver.py)."""
import json
import subprocess
import sys
import time

import net
from pair import give
from stage import LIB
from wait import PATIENCE_S, pace, wait_until

KINDS = {"webhook": 8443, "syslog": 6514, "smtp": 2587}
PASSWORD = "mail-Password-1"


class Receivers:
    """One of each kind; each is a process of its own that may be down."""

    def __init__(self, st):
        self.st, self.procs, self.dir = st, {}, st.dir / f"alerts-{time.monotonic_ns()}"
        self.dir.mkdir()
        self.cert, self.pem = self.dir / "ca.pem", self.dir / "both.pem"
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
            "/CN=client.test",
            "-addext",
            "subjectAltName=DNS:client.test",
            "-keyout",
            self.dir / "key.pem",
            "-out",
            self.cert,
        )
        self.pem.write_text((self.dir / "key.pem").read_text() + self.cert.read_text())
        self.key, self.password = self.dir / "webhook.key", self.dir / "smtp.password"
        self.key.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
        self.password.write_text(PASSWORD + "\n")
        for p in (self.key, self.password):
            p.chmod(0o600)
            give(p)

    def up(self, *kinds):
        for kind in kinds or KINDS:
            argv = [
                *self.st.net.exec_prefix("client"),
                sys.executable,
                str(LIB / "receiver.py"),
                kind,
                "--port",
                str(KINDS[kind]),
                "--cert",
                str(self.pem),
                "--key",
                str(self.key),
                "--password",
                PASSWORD,
                "--out",
                str(self.dir / f"{kind}.jsonl"),
            ]
            self.procs[kind] = subprocess.Popen(
                argv, stdout=subprocess.PIPE, stderr=open(self.dir / f"{kind}.err", "a")
            )
            assert self.procs[kind].stdout.readline() == b"ready\n", (self.dir / f"{kind}.err").read_text()

    def down(self, *kinds):
        for kind in kinds or list(self.procs):
            p = self.procs.pop(kind)
            p.kill()
            p.wait()

    def rows(self, kind):
        path = self.dir / f"{kind}.jsonl"
        return [json.loads(l) for l in path.read_text().splitlines()] if path.exists() else []

    def wait_for(self, kind, what, timeout=PATIENCE_S):
        """Until a row satisfies `what`; its index."""

        def has():
            said = [(r["type"], r["data"]["node"], r["data"]["code"]) for r in self.rows(kind)]
            return f"it has {said}; {(self.dir / f'{kind}.err').read_text()[-1500:]}"

        return wait_until(
            f"{kind} gets it",
            lambda: next((i for i, r in enumerate(self.rows(kind)) if what(r)), None),
            lambda at: at is not None,
            timeout,
            also=has,
        )

    def get(self, kind, what, timeout=PATIENCE_S):
        at = self.wait_for(kind, what, timeout)
        return self.rows(kind)[at]

    def wait_quiet(self, kind, seconds=6):
        """Until nothing came for so long; more than the agent waits behind a start before it judges the nodes."""
        n, since = -1, time.monotonic()
        while time.monotonic() - since < seconds:
            if len(self.rows(kind)) != n:
                n, since = len(self.rows(kind)), time.monotonic()
            pace(0.2)

    def tell(self, node):
        for name, value in (
            ("alert_webhook", f"https://client.test:{KINDS['webhook']}/hook"),
            ("alert_webhook_key", self.key),
            ("alert_syslog", f"client.test:{KINDS['syslog']}"),
            ("alert_smtp", f"smtp://client.test:{KINDS['smtp']}"),
            ("alert_smtp_user", "holdfast"),
            ("alert_smtp_password_file", self.password),
            ("alert_from", "vault@client.test"),
            ("alert_to", "first@client.test, second@client.test"),
            ("alert_ca", self.cert),
        ):
            node.set(name, value)
        node.read_settings()

    def forget(self, node):
        for name in ("alert_webhook", "alert_syslog", "alert_smtp"):
            node.set(name, "")
        node.read_settings()
