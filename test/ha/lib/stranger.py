#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Somebody without a session, on a host of the tests.

    stranger.py silent HOST PORT COUNT ADDRESS…            connections that say nothing, opened again when closed, until stdin
                                                           ends; every half second how many there are, and were opened so far
    stranger.py bodies HOST PORT COUNT METHOD TARGET TOKEN KIB ADDRESS…   requests that announce KIB and send SENT_MAX of it at most
    stranger.py drip HOST PORT WHAT ADDRESS                 tls, header or body, a byte at a time

    stranger.py epochs HOST PORT NODE ADDRESS               tells of epochs of that node with proofs of its own making, as fast as it
                                                           can, until stdin ends; then how often each status was answered

bodies and drip print one JSON object: what became of each connection, and after how many seconds.
"""
import collections
import http.client
import json
import secrets
import select
import socket
import ssl
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))
from wait import pace  # noqa: E402

PATIENCE = 40
SENT_MAX = 1 << 20  # of each body: a node that keeps them must not take the machine down


def tls_context():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    return ctx


def connect(host, port, address, timeout=3):
    s = socket.socket()
    s.settimeout(timeout)
    s.bind((address, 0))
    s.connect((host, port))
    return s


def is_open(s):
    try:
        return s.recv(64) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def silent(host, port, count, *addresses):
    socks, opened = [], 0
    while not select.select([sys.stdin], [], [], 0.5)[0]:
        for s in [s for s in socks if not is_open(s)]:
            s.close()
            socks.remove(s)
        for i in range(int(count) - len(socks)):
            try:
                socks.append(connect(host, int(port), addresses[i % len(addresses)], timeout=0.2))
                socks[-1].setblocking(False)
                opened += 1
            except OSError:  # the node takes no more for now
                break
        print(len(socks), opened, flush=True)


def epochs(host, port, node, address):
    answers, counter = collections.Counter(), 1000
    conn = http.client.HTTPSConnection(host, int(port), context=tls_context(), source_address=(address, 0))
    while not select.select([sys.stdin], [], [], 0)[0]:
        counter -= 1
        body = json.dumps({"epoch": f"{100 + counter % 900}.{node}", "proof": secrets.token_hex(32)})
        try:
            conn.request("POST", "/v1/sys/epoch", body, {"Content-Type": "application/json"})
            reply = conn.getresponse()
            reply.read()
            answers[reply.status] += 1
        except (OSError, http.client.HTTPException):
            conn.close()
            answers["none"] += 1
    print(json.dumps(answers))


class Body:
    """One request whose body never ends."""

    def __init__(self, host, port, address, head, n):
        self.sock = tls_context().wrap_socket(connect(host, port, address))
        self.sock.sendall(head)
        self.sock.setblocking(False)
        self.left, self.got, self.began, self.took = n, b"", time.monotonic(), None

    def step(self):
        try:
            while self.left > 0:
                self.left -= self.sock.send(b"a" * min(self.left, 65536))
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError:
            self.left = 0
        try:
            while d := self.sock.recv(65536):
                self.got += d
            self.took = time.monotonic() - self.began
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError:
            self.took = time.monotonic() - self.began


def bodies(host, port, count, method, target, token, kib, *addresses):
    n = int(kib) << 10
    head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/octet-stream\r\nContent-Length: {n}\r\n"
    if token != "-":
        head += f"Authorization: Bearer {token}\r\n"
    all_, end = [], time.monotonic() + PATIENCE
    for i in range(int(count)):
        all_.append(Body(host, int(port), addresses[i % len(addresses)], f"{head}\r\n".encode(), min(n - 1, SENT_MAX)))
        for b in all_:
            if b.took is None:
                b.step()
    while time.monotonic() < end and any(b.took is None for b in all_):
        for b in all_:
            if b.took is None:
                b.step()
        pace(0.02)
    print(json.dumps([{"status": int(b.got[9:12] or 0), "took": b.took, "unsent": b.left} for b in all_]))


def drip(host, port, what, address):
    began, s = time.monotonic(), connect(host, int(port), address)
    if what == "tls":
        # A record that is said to be long: as many bytes as the node waits for.
        head, more = b"\x16\x03\x01\x20\x00\x01\x00\x1f\xfc\x03\x03", b"\0"
    else:
        s = tls_context().wrap_socket(s)
        head, more = b"GET /v1/sys/health HTTP/1.1\r\nHost: a\r\nX: ", b"y"
        if what == "body":
            head, more = (
                b"POST /v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 16000\r\n\r\n",
                b" ",
            )
    s.settimeout(0.2)
    try:
        s.sendall(head)
        while time.monotonic() - began < PATIENCE:
            s.sendall(more)
            try:
                if s.recv(4096) == b"":
                    break
            except (TimeoutError, ssl.SSLWantReadError):
                continue
    except OSError:
        pass
    print(json.dumps({"took": time.monotonic() - began}))


if __name__ == "__main__":
    {"silent": silent, "bodies": bodies, "drip": drip, "epochs": epochs}[sys.argv[1]](*sys.argv[2:])
