# SPDX-License-Identifier: Apache-2.0
"""A pair on this machine, and a real browser before it."""
import base64
import hashlib
import http.client
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/lib"))
sys.path.insert(0, str(ROOT / "test/web/lib"))
sys.path.insert(0, str(ROOT / "test/it/lib"))
from browser import begin, missing  # noqa: E402
from pair import PASSWORD, STOCK_PATH, Node, end_all, free_port, give, make_pair  # noqa: E402
from wait import wait_until  # noqa: E402

os.environ["PATH"] = STOCK_PATH  # nothing that this machine alone provides

CSV = "resource,login,password\ncore switch,admin,s3cret-switch\n<img src=x onerror=alert(1)>,root,<b>s3cret</b>\n"


def pytest_sessionfinish():
    end_all()


def pytest_configure(config):
    for i in range(1, 13):
        config.addinivalue_line("markers", f"h{i}: proves promise H{i} of docs/ha.md")


@pytest.fixture(scope="module")
def pair():
    """(primary, secondary), with an administrator and two accounts."""
    holdfast = Path(os.environ.get("HOLDFAST", ROOT / "build/test/src/cmd/holdfast")).resolve()
    folder = Path(tempfile.mkdtemp(prefix="hf-web-"))
    folder.chmod(0o755)
    give(folder)
    nodes = []
    for i in (1, 2):
        place = folder / f"n{i}"
        place.mkdir()
        give(place)
        address = f"127.0.0.{i}"
        nodes.append(
            Node(
                holdfast,
                place / "home",
                address,
                f"{address}:{free_port(address, 7272)}",
                f"{address}:{free_port(address, 2345)}",
                folder / "master.key",
            )
        )
    a, b = nodes
    try:
        make_pair(a, b)
        session = folder / "admin.session"
        a.cli(
            "login",
            "--setup",
            "--ca",
            a.web_cert,
            a.url,
            "admin",
            session=session,
            input=f"{a.setup_token()}\n{PASSWORD}\n",
        )
        (folder / "sample.csv").write_text(CSV)
        a.cli("import", folder / "sample.csv", session=session)
        yield a, b
    finally:
        for n in nodes:
            n.end()
        shutil.rmtree(folder, ignore_errors=True)


def browser(*words):
    """Skipped, not passed, where the archive has none."""
    if missing():
        pytest.skip(missing())
    driver = begin(*words)
    driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {
            "source": """window.violations = [];
                addEventListener("securitypolicyviolation", (e) => violations.push(`${e.violatedDirective}: ${e.blockedURI}`));"""
        },
    )
    return driver


@pytest.fixture(scope="module")
def chrome():
    driver = browser()
    yield driver
    driver.quit()


def key_of(cert):
    """A certificate's public key, as Chromium wants it named."""
    key = subprocess.run(["openssl", "x509", "-in", cert, "-pubkey", "-noout"], capture_output=True, check=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=key, capture_output=True, check=True)
    return base64.b64encode(hashlib.sha256(der.stdout).digest()).decode()


@pytest.fixture(scope="module")
def trusting_chrome(pair):
    """A browser that has learnt to trust the primary. Without that it keeps nothing of what comes from there."""
    driver = browser(f"--ignore-certificate-errors-spki-list={key_of(pair[0].web_cert)}")
    yield driver
    driver.quit()


def policy_of(node):
    c = http.client.HTTPSConnection(node.address, node.port, context=ssl._create_unverified_context())
    c.request("GET", "/")
    r = c.getresponse()
    r.read()
    c.close()
    return r.headers["Content-Security-Policy"]


@pytest.fixture(scope="module")
def known(pair):
    """Each node's page lists both."""
    for n in pair:
        wait_until(
            "the policy lists the nodes", lambda: policy_of(n), lambda policy: all(f" {m.url}" in policy for m in pair)
        )
    return pair
