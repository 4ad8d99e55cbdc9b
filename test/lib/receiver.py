#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A receiver of alerts, run on a host of the stage: webhook (HTTPS), syslog (RFC 5425) or smtp (STARTTLS, login).

Each alert is one line of JSON in --out: id, type and the alert's body, with what the receiver itself checked. Written
for the tests against the standards, not against the product: the signature is computed anew here, the frame is counted.
Standard library only.
"""
import argparse
import base64
import email
import hashlib
import hmac
import http.server
import json
import re
import socketserver
import ssl
import threading
import time

LOCK = threading.Lock()
# RFC 5424, 6: PRI VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP STRUCTURED-DATA SP MSG
SYSLOG = re.compile(
    r"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) "
    r"(-|(?:\[[!-~]+(?: [!-~]+=\"(?:[^\"\\\]]|\\.)*\")*\])+) \ufeff(.*)",
    re.S,
)


class Receiver:
    def __init__(self, args):
        self.args = args
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(args.cert)
        self.key = base64.b64decode(open(args.key).read().strip().removeprefix("whsec_"))

    def note(self, body, **more):
        o = json.loads(body)
        row = {"id": o["data"]["id"], "type": o["type"], "timestamp": o["timestamp"], "data": o["data"], **more}
        with LOCK, open(self.args.out, "a") as f:
            f.write(json.dumps(row) + "\n")


def webhook(r):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            ident, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
            good = base64.b64encode(hmac.new(r.key, f"{ident}.{at}.".encode() + body, hashlib.sha256).digest()).decode()
            r.note(
                body,
                signed=self.headers["webhook-signature"] == f"v1,{good}" and abs(time.time() - int(at)) < 60,
                header_id=ident,
            )
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("", r.args.port), Handler)
    server.socket = r.tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


class Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def read_frames(conn):
    """MSG-LEN SP SYSLOG-MSG, one after the other, until the sender says that it closes."""
    data = b""
    while True:
        more = conn.recv(65536)
        data += more
        while (m := re.match(rb"([1-9]\d*) ", data)) and len(data) >= m.end() + int(m[1]):
            yield data[m.end() : m.end() + int(m[1])]
            data = data[m.end() + int(m[1]) :]
        if not more:
            assert not data, f"half a frame: {data!r}"
            return


def syslog(r):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with r.tls.wrap_socket(self.request, server_side=True) as conn:
                for frame in read_frames(conn):
                    m = SYSLOG.fullmatch(frame.decode())
                    assert m, f"not RFC 5424: {frame!r}"
                    r.note(m[8], pri=int(m[1]), host=m[3], app=m[4], msgid=m[6])

    return Tcp(("", r.args.port), Handler)


class Mail(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a sender of one mail needs; nothing before STARTTLS and a login."""

    receiver = None

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")
        self.wfile.flush()

    def start_tls(self):
        self.say("220 go ahead")
        self.request = self.receiver.tls.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb")

    def take_data(self):
        self.say("354 go ahead")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        m = email.message_from_bytes(b"".join(lines))
        text, _, body = m.get_payload(decode=True).decode().partition("\r\n\r\n")
        self.receiver.note(
            body, subject=m["Subject"], message_id=m["Message-ID"], text=text, to=self.to, user=self.user
        )
        self.say("250 taken")

    def handle(self):
        self.user, self.to, tls = None, [], False
        self.say("220 client.test ready")
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            if word == "EHLO":
                self.say("250-client.test\r\n250 AUTH PLAIN" if tls else "250-client.test\r\n250 STARTTLS")
            elif word == "STARTTLS":
                self.start_tls()
                tls = True
            elif not tls:
                self.say("530 STARTTLS first")
            elif word == "AUTH":
                given = line.split()[2:]
                if not given:
                    self.say("334 ")
                    given = [self.rfile.readline().decode().strip()]
                _, user, password = base64.b64decode(given[0]).decode().split("\0")
                self.user = user if password == self.receiver.args.password else None
                self.say("235 welcome" if self.user else "535 no")
            elif not self.user:
                self.say("530 log in first")
            elif word == "RCPT":
                self.to.append(line.split(":", 1)[1].strip("<>"))
                self.say("250 well")
            elif word == "DATA":
                self.take_data()
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 well")


def smtp(r):
    Mail.receiver = r
    return Tcp(("", r.args.port), Mail)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("kind", choices=["webhook", "syslog", "smtp"])
    ap.add_argument("--port", type=int, required=True)
    ap.add_argument("--cert", required=True, help="PEM: key and certificate")
    ap.add_argument("--key", required=True, help="the webhook's key file")
    ap.add_argument("--password", default="")
    ap.add_argument("--out", required=True)
    server = {"webhook": webhook, "syslog": syslog, "smtp": smtp}
    r = Receiver(ap.parse_args())
    s = server[r.args.kind](r)
    print("ready", flush=True)
    s.serve_forever()


if __name__ == "__main__":
    main()
