# SPDX-License-Identifier: Apache-2.0
"""What a page of one node may read of another: its health, and nothing else."""
import http.client
import ssl

from page import logged_out


def test_only_our_pages_read_health(known):
    """And they read nothing else; the answer is for no cookie."""
    a, b = known
    c = http.client.HTTPSConnection(b.address, b.port, context=ssl._create_unverified_context())

    def allowed(path, origin):
        c.request("GET", path, headers={"Origin": origin} if origin else {})
        r = c.getresponse()
        r.read()
        assert r.headers["Access-Control-Allow-Credentials"] is None
        return r.headers["Access-Control-Allow-Origin"]

    assert allowed("/v1/sys/health", a.url) == a.url and allowed("/v1/sys/health", b.url) == b.url
    for origin in (
        None,
        "null",
        "https://elsewhere.example",
        a.url[:-1],
        a.url + "0",
        f"{a.url} {b.url}",
        "https://",
        a.name,
    ):
        assert allowed("/v1/sys/health", origin) is None, origin
    for path in ("/", "/v1/ha", "/v1/session", "/v1/openapi.json", "/v1/resources"):
        assert allowed(path, a.url) is None, path
    c.close()


def test_a_page_that_cannot_ask_says_so_beforehand(known, chrome):
    """Under another name than the node's own, other nodes do not know the page for one of theirs."""
    a, b = known
    page = logged_out(chrome, f"https://localhost:{a.port}")
    page.login()
    page.wait("notice", f"This browser cannot ask {b.name}")
    page.wait("status", "Alive")
