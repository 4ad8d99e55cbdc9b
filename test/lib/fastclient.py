# SPDX-License-Identifier: Apache-2.0
"""A quick HTTPS client of a pair for load and timing: keeps one connection to each node, verifies certificates, and
goes from node to node like the product's own client. Standard library only.
"""
import http.client
import json
import socket
import ssl
import time
from urllib.parse import urlsplit

from wait import pace


class Reply:
    def __init__(self, status, headers, body, node):
        self.status, self.headers, self.node = status, headers, node
        try:
            self.body = json.loads(body) if body else None
        except ValueError:
            self.body = body

    @property
    def mode(self):
        return self.headers.get("Holdfast-Mode")

    @property
    def as_of(self):
        return self.headers.get("Holdfast-As-Of")

    @property
    def durability(self):
        return self.headers.get("Holdfast-Durability")

    @property
    def code(self):
        return (self.body or {}).get("error", {}).get("code") if isinstance(self.body, dict) else None


class Client:
    """One user's view of the pair. session: the file `holdfast login` wrote, or the object in it."""

    def __init__(self, session, order=None, connect_s=0.7):
        if not isinstance(session, dict):
            with open(session) as f:
                session = json.load(f)
        self.token = session["token"]
        self.connect_s = connect_s
        self.nodes = [n["url"] for n in session["nodes"]]
        if order:
            self.nodes.sort(key=lambda u: order.index(urlsplit(u).hostname) if urlsplit(u).hostname in order else 99)
        self.contexts = {}
        for n in session["nodes"]:
            known = [session.get(k) for k in ("authority", "vault", "pin")] + [n.get("cert")]
            ctx = ssl.create_default_context(cadata="\n".join(filter(None, known)) or None)
            ctx.minimum_version = ssl.TLSVersion.TLSv1_3
            self.contexts[n["url"]] = ctx
        self.conns = {}

    def close(self, url=None):
        for u in [url] if url else list(self.conns):
            c = self.conns.pop(u, None)
            if c:
                c.close()

    def call(self, url, method, path, body=None, timeout=4, headers=None):
        """One request to one node. OSError or HTTPException when there is no answer; a kept connection that
        the node closed meanwhile is opened anew when nothing of an answer came (reads only: see `again`)."""
        payload = None if body is None else json.dumps(body)
        head = {
            "Authorization": "Bearer " + self.token,
            **({"Content-Type": "application/json"} if payload else {}),
            **(headers or {}),
        }
        conn = self.conns.get(url)
        if conn is None:
            u = urlsplit(url)
            conn = http.client.HTTPSConnection(u.hostname, u.port, timeout=self.connect_s, context=self.contexts[url])
            conn.connect()
            conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.conns[url] = conn
        conn.sock.settimeout(timeout)
        try:
            conn.request(method, path, payload, head)
            r = conn.getresponse()
            data = r.read()
        except Exception:
            self.close(url)
            raise
        if r.will_close:
            self.close(url)
        return Reply(r.status, r.headers, data, url)

    def retrieve(self, account, reason, patience=20, answer_s=1.0, on_try=None):
        """Retrieves from whichever node serves; every try carries a reason of its own, `<reason>.<try>`.
        Returns (reply, reason of the try that was answered) or raises TimeoutError with what stood in the way."""
        end = time.monotonic() + patience
        tries, whys = 0, []
        while True:
            queue = list(self.nodes)
            seen = set()
            while queue:
                url = queue.pop(0)
                if url in seen:
                    continue
                seen.add(url)
                tries += 1
                why = f"{reason}.{tries}"
                try:
                    r = self.call(url, "POST", f"/v1/accounts/{account}/retrieve", {"reason": why}, timeout=answer_s)
                except (OSError, http.client.HTTPException) as e:
                    whys.append(f"{urlsplit(url).hostname}: {type(e).__name__}")
                    continue
                if r.status == 200:
                    # Whom we found serving is asked first from now on.
                    return r, why
                whys.append(f"{urlsplit(url).hostname}: {r.status} {r.code}")
                if r.status == 307:
                    to = urlsplit(r.headers.get("Location", ""))
                    home = f"{to.scheme}://{to.netloc}"
                    if home in self.contexts:
                        queue.insert(0, home)
                elif r.status not in (429, 502, 503, 504):
                    raise PermissionError(f"{r.status} {r.body}")
            if time.monotonic() > end:
                raise TimeoutError("; ".join(whys[-6:]))
            pace(0.02)
