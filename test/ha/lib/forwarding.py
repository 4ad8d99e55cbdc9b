# SPDX-License-Identifier: Apache-2.0
"""A standby that hands on to the primary, and requests with whatever headers."""
import json
import subprocess
import sys

from stage import LIB
from wait import wait_until


def set_now(node, name, value):
    node.set(name, value)
    node.read_settings()


def set_standby(node, how):
    set_now(node, "standby", how)


def ask(st, host, node, method, path, body=None, token=None, headers=None, timeout=20):
    """One request, with whatever headers; (status, headers, object)."""
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); from fastclient import Client\n"
        "a = json.load(sys.stdin); c = Client({'token': a['token'], 'nodes': [{'url': a['url'], 'cert': a['cert']}]})\n"
        "r = c.call(a['url'], a['method'], a['path'], a['body'], timeout=a['timeout'], headers=a['headers'])\n"
        "print(json.dumps({'status': r.status, 'headers': dict(r.headers), 'body': r.body.decode() if isinstance(r.body, bytes) else r.body}))"
    )
    arg = {
        "url": node.url,
        "cert": node.web_cert.read_text(),
        "token": token or "-",
        "method": method,
        "path": path,
        "body": body,
        "timeout": timeout,
        "headers": headers or {},
    }
    p = subprocess.run(
        [*st.net.exec_prefix(host), sys.executable, "-c", code, str(LIB)],
        input=json.dumps(arg),
        capture_output=True,
        text=True,
    )
    assert p.returncode == 0, p.stderr[-800:]
    r = json.loads(p.stdout)
    return r["status"], r["headers"], r["body"]


def token_of(session):
    return json.loads(session.read_text())["token"]


def wait_until_forwarding(st):
    wait_until(
        "the secondary hands on, and the primary answers",
        lambda: ask(st, "client", st.b, "GET", "/v1/session")[:2],
        lambda got: got[0] == 401 and "Holdfast-Forwarded-By" in got[1],
    )
