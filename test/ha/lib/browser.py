#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A browser's user at one address: logs in once, keeps a cookie and a connection, finds and retrieves in turn, and writes
down every answer. Redirects are followed as a browser does, and like one it sends again by itself, once and on a new
connection, when a connection that had served before ends without a byte of an answer (`resent` counts that). A failed
answer is written down as such; then the user presses reload, for at most --patience seconds.

    browser.py --host vault.test --ca FILE --accounts ID,… --tag w1 --out FILE [--interval S]    (password on stdin)

One JSON object a line, as load.py has them; `failed` says what went wrong before it went well. Ends on SIGTERM.
"""
import argparse
import http.client
import json
import signal
import ssl
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))
from wait import pace  # noqa: E402

REDIRECTS_MAX = 20  # what browsers follow


class Browser:
    def __init__(self, host, port, ca):
        self.host, self.port, self.cookie, self.conn, self.resent = host, port, None, None, 0
        self.context = ssl.create_default_context(cafile=ca)

    def once(self, method, path, body):
        reused = self.conn is not None
        try:
            return self.exchange(method, path, body)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            if not reused:
                raise
        self.resent += 1
        return self.exchange(method, path, body)

    def exchange(self, method, path, body):
        if self.conn is None:
            self.conn = http.client.HTTPSConnection(self.host, self.port, timeout=30, context=self.context)
        head = {"Sec-Fetch-Site": "same-origin", "Origin": f"https://{self.host}"}
        if body is not None:
            head["Content-Type"] = "application/json"
        if self.cookie:
            head["Cookie"] = self.cookie
        try:
            self.conn.request(method, path, None if body is None else json.dumps(body), head)
            r = self.conn.getresponse()
            data = r.read()
        except (OSError, http.client.HTTPException):
            self.conn.close()
            self.conn = None
            raise
        for c in r.headers.get_all("Set-Cookie") or []:
            if c.startswith("__Host-holdfast="):
                self.cookie = c.split(";")[0]
        return r, data

    def ask(self, method, path, body=None):
        """(status, headers, object) after redirects; ConnectionError when there was no answer."""
        for _ in range(REDIRECTS_MAX):
            r, data = self.once(method, path, body)
            if r.status != 307:
                return (
                    r.status,
                    r.headers,
                    json.loads(data) if r.headers.get_content_type() == "application/json" else data.decode(),
                )
            to = urlsplit(r.headers["Location"])
            if to.netloc not in ("", self.host):
                return r.status, r.headers, {"error": {"code": "elsewhere", "detail": r.headers["Location"]}}
            path = to.path + ("?" + to.query if to.query else "")
        raise ConnectionError(f"redirected {REDIRECTS_MAX} times")


def read(browser, row, account, n):
    """One page: every other one is a search, the rest retrievals. What went wrong, or None."""
    row["kind"] = "retrieve" if n % 2 else "find"
    try:
        if n % 2:
            status, headers, body = browser.ask("POST", f"/v1/accounts/{account}/retrieve", {"reason": row["reason"]})
        else:
            status, headers, body = browser.ask("GET", "/v1/resources?q=site&limit=5")
    except (OSError, http.client.HTTPException, ValueError) as e:
        return f"{type(e).__name__}: {e}"
    if status != 200:
        return f"{row['kind']}: {status} {json.dumps(body)[:300]}"
    if not isinstance(body, dict) or (n % 2 and not body["fields"]["password"]):
        return f"{row['kind']}: an empty answer: {json.dumps(body)[:300]}"
    row.update(
        status=status,
        mode=headers.get("Holdfast-Mode"),
        as_of=headers.get("Holdfast-As-Of"),
        durability=headers.get("Holdfast-Durability"),
    )
    return None


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--host", required=True)
    ap.add_argument("--port", type=int, default=443)
    ap.add_argument("--ca", required=True)
    ap.add_argument("--user", default="admin")
    ap.add_argument("--accounts", required=True)
    ap.add_argument("--interval", type=float, default=0.05)
    ap.add_argument("--patience", type=float, default=20)
    ap.add_argument("--tag", required=True)
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(1))
    accounts = args.accounts.split(",")
    browser = Browser(args.host, args.port, args.ca)
    status, _, body = browser.ask(
        "POST", "/v1/session", {"name": args.user, "password": sys.stdin.readline().rstrip("\n")}
    )
    if status not in (200, 201) or not browser.cookie:
        sys.exit(f"login through {args.host}: {status} {body}")
    out = open(args.out, "w", buffering=1)
    n = 0
    while not over:
        n += 1
        account = accounts[n % len(accounts)]
        row = {
            "role": "browser",
            "tag": args.tag,
            "n": n,
            "account": account,
            "reason": f"{args.tag}-{n}",
            "failed": [],
            "t0": time.monotonic(),
        }
        while (why := read(browser, row, account, n)) and time.monotonic() - row["t0"] < args.patience:
            row["failed"].append(why)
            pace(0.3)
        if why:
            row["failed"].append(why)
        row.update(ok=not why, resent=browser.resent, t1=time.monotonic())
        browser.resent = 0
        out.write(json.dumps(row) + "\n")
        pace(args.interval)


if __name__ == "__main__":
    main()
