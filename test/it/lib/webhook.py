# SPDX-License-Identifier: Apache-2.0
"""A webhook on this machine."""
import json
import subprocess
import sys

from nodes import ROOT
from pair import give


class Receiver:
    """A webhook on this machine; what it gets is one line each."""

    def __init__(self, node, folder, port):
        cert, key, self.out = folder / "receiver.pem", folder / "webhook.key", folder / "webhook.jsonl"
        made = folder / "receiver.key"
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "3650",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
                "-keyout",
                made,
                "-out",
                cert,
            ],
            check=True,
            capture_output=True,
        )
        key.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
        key.chmod(0o600)
        give(key)
        both = folder / "both.pem"
        both.write_text(made.read_text() + cert.read_text())
        self.p = subprocess.Popen(
            [
                sys.executable,
                str(ROOT / "test/lib/receiver.py"),
                "webhook",
                "--port",
                str(port),
                "--cert",
                str(both),
                "--key",
                str(key),
                "--password",
                "x",
                "--out",
                str(self.out),
            ],
            stdout=subprocess.PIPE,
        )
        assert self.p.stdout.readline() == b"ready\n"
        for name, value in (
            ("alert_webhook", f"https://localhost:{port}/"),
            ("alert_webhook_key", key),
            ("alert_ca", cert),
        ):
            node.set(name, value)

    def rows(self):
        """Of what has come whole: the last line may be one that is just being written."""
        lines = self.out.read_text().splitlines(keepends=True) if self.out.exists() else []
        return [json.loads(l) for l in lines if l.endswith("\n")]

    def end(self):
        self.p.kill()
        self.p.wait()
