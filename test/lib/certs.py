# SPDX-License-Identifier: Apache-2.0
"""Authorities and certificates of an operator's own, by openssl, and how they come into a node."""
import os
import re
import shutil
import signal
import ssl
import subprocess

from pair import give
from wait import wait_until


def openssl(*argv):
    return subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True, text=True).stdout


def _request(path, subject):
    openssl(
        *"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(),
        *("-keyout", f"{path}.key", "-out", f"{path}.csr", "-subj", subject),
    )


def _kind(address):
    return "IP" if re.fullmatch(r"[\d.]+", address) else "DNS"


class Authority:
    """A root and an intermediate, as internal authorities are."""

    def __init__(self, folder):
        self.folder, self.root = folder, folder / "ca.crt"
        openssl(
            *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30".split(),
            *("-subj", "/CN=Internal root", "-keyout", folder / "ca.key", "-out", self.root),
        )
        self._sign("intermediate", "/CN=Internal issuer", "basicConstraints=critical,CA:TRUE\n", "ca", 20)
        self.root.chmod(0o644)

    def _sign(self, name, subject, extensions, by, days):
        path = self.folder / name
        _request(path, subject)
        (self.folder / f"{name}.ext").write_text(extensions)
        openssl(
            *("x509", "-req", "-in", f"{path}.csr", "-CA", self.folder / f"{by}.crt"),
            *("-CAkey", self.folder / f"{by}.key", "-CAcreateserial", "-days", days),
            *("-extfile", f"{path}.ext", "-out", f"{path}.crt"),
        )
        return path

    def make(self, address, days=10):
        """A chain for an address, leaf first, and its key; the paths of both."""
        path = self._sign(
            address, f"/CN={address}", f"subjectAltName={_kind(address)}:{address}\n", "intermediate", days
        )
        chain = self.folder / f"{address}.chain"
        chain.write_text((self.folder / f"{address}.crt").read_text() + (self.folder / "intermediate.crt").read_text())
        return chain, f"{path}.key"


def lies_in(node):
    """The service's certificate in the home (PEM), without its chain."""
    return openssl("x509", "-in", node.web_cert).strip()


def shows(node):
    """Waits until whoever calls the node is shown the certificate that lies in its home."""
    wait_until(
        f"{node.name} shows the certificate that lies there",
        lambda: (ssl.get_server_certificate((node.address, node.port)).strip(), lies_in(node)),
        lambda both: both[0] == both[1],
    )


def self_signed(folder, address, days):
    path = folder / f"self-{address}"
    openssl(
        *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(),
        *("-days", days, "-subj", f"/CN={address}", "-addext", f"subjectAltName=IP:{address}"),
        *("-keyout", f"{path}.key", "-out", f"{path}.crt"),
    )
    return f"{path}.crt", f"{path}.key"


def out_of_date(folder, name):
    """Expired yesterday; `req -x509` makes none."""
    path = folder / name
    _request(path, f"/CN={name}")
    openssl(*("x509", "-req", "-in", f"{path}.csr", "-signkey", f"{path}.key", "-days", -1, "-out", f"{path}.crt"))


def put_in(node, cert, key):
    """As docs/certificates.md says: beside their places, moved over the old ones, read again."""
    for file, name, mode in ((cert, "web.crt", 0o644), (key, "web.key", 0o600)):
        new = node.home / "conf/tls" / f"{name}.mine"
        shutil.copy(file, new)
        new.chmod(mode)
        give(new)
        os.rename(new, node.home / "conf/tls" / name)
    node.signal_supervisor(signal.SIGHUP)
