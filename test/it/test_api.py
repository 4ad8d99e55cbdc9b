# SPDX-License-Identifier: Apache-2.0
"""The HTTPS interface: what it refuses and how, what it shows, what its own description says."""
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from api import Api, context_of
from faultpage import FaultPage
from nodes import ROOT
from pair import PASSWORD
from wait import still_true, wait_until

settings = {"listen": "0.0.0.0:{port}", "metrics_token": "a-token-for-the-scraper"}

NOBODY = str(uuid.UUID(int=0x0123456789ABCDEF0123456789ABCDEF))


@pytest.fixture(scope="module")
def ada(hire):
    return hire("ada").api


@pytest.fixture(scope="module")
def bob(hire):
    return hire("bob").api


@pytest.fixture(scope="module")
def admin_api(boss):
    return boss.api


@pytest.fixture(scope="module")
def anyone(shared):
    return Api(shared)


@pytest.fixture(scope="module")
def document(anyone):
    return anyone.must("GET", "/v1/openapi.json")


def operations(document):
    for path, item in document["paths"].items():
        for method, op in item.items():
            if method in ("get", "post", "patch", "delete", "put"):
                yield method.upper(), re.sub(r"\{\w+\}", NOBODY, path), op


def refused(r, status, code):
    """The one shape of every error."""
    assert r.status == status, r
    assert r.headers["Content-Type"].startswith("application/json"), r
    assert list(r.json) == ["error"] and sorted(r.json["error"]) == ["code", "detail", "message"], r
    assert r.code == code and r.json["error"]["message"], r
    return r


_names = iter(range(1000000))


def resource(api, **more):
    return api.must("POST", "/v1/resources", {"name": f"made {next(_names)}", **more}, status=201)


def account(api, password="first-secret", login="root"):
    r = resource(api)
    return api.must(
        "POST", f"/v1/resources/{r['id']}/accounts", {"login": login, "fields": {"password": password}}, status=201
    )["id"]


@pytest.mark.parametrize(
    "change,status,code",
    [
        ({"fields": {}}, 400, "bad_field"),
        ({"fields": {"f" * 101: "x"}}, 400, "bad_field"),
        ({"login": " x"}, 400, "bad_field"),
        ({"login": None}, 400, "bad_field"),
        ({"resource": "Taken"}, 409, "conflict"),
        ({"fields": None}, 400, "bad_field"),
    ],
)
def test_a_resource_with_its_account_or_nothing(boss, change, status, code):
    api, name = boss.api, f"placed {next(_names)}"
    if "resource" in change and not api.must("GET", "/v1/resources?name=Taken")["resources"]:
        resource(api, name="Taken")
    good = {"resource": name, "type": "server", "url": "https://placed", "login": "root", "fields": {"password": "x"}}
    refused(api.call("POST", "/v1/accounts", {**good, **change}), status, code)
    assert api.must("GET", f"/v1/resources?name={name.replace(' ', '%20')}")["resources"] == []
    made = api.must("POST", "/v1/accounts", good, status=201)
    assert made["resource"]["name"] == name and made["login"] == "root" and made["version"] == 1
    assert api.must("POST", f"/v1/accounts/{made['id']}/retrieve", {"reason": "to see it"})["fields"] == {
        "password": "x"
    }
    shown = api.must("GET", f"/v1/resources/{made['resource']['id']}")
    assert (
        shown["type"] == "server"
        and shown["url"] == "https://placed"
        and [a["id"] for a in shown["accounts"]] == [made["id"]]
    )


# ---- errors ----


@pytest.mark.parametrize(
    "method,path,body,status,code",
    [
        ("GET", "/index.html", None, 404, "not_found"),
        ("GET", "/v1", None, 404, "not_found"),
        ("GET", "/v2/session", None, 404, "not_found"),
        ("GET", "/v1/nothing", None, 404, "not_found"),
        ("GET", "/v1/resources/no-id", None, 404, "not_found"),
        ("GET", f"/v1/resources/{NOBODY}", None, 404, "not_found"),
        ("GET", f"/v1/accounts/{NOBODY}", None, 404, "not_found"),
        ("POST", f"/v1/accounts/{NOBODY}/retrieve", {}, 404, "not_found"),
        ("PUT", "/v1/session", {}, 405, "method"),
        ("OPTIONS", "/v1/session", None, 405, "method"),
        ("TRACE", "/v1/session", None, 405, "method"),
        ("PATCH", "/v1/users", {}, 405, "method"),
        ("GET", "/v1/resources?limit=0", None, 400, "bad_field"),
        ("GET", "/v1/resources?limit=201", None, 400, "bad_field"),
        ("GET", "/v1/resources?limit=-1", None, 400, "bad_field"),
        ("GET", "/v1/resources?limit=1x", None, 400, "bad_field"),
        ("GET", "/v1/resources?limit=99999999999999999999", None, 400, "bad_field"),
        ("GET", "/v1/resources?after=x", None, 400, "bad_field"),
        ("GET", "/v1/resources?unknown=1", None, 400, "bad_field"),
        ("GET", "/v1/session?x=1", None, 400, "bad_field"),
        ("POST", "/v1/resources", {"name": ""}, 400, "bad_field"),
        ("POST", "/v1/resources", {"name": " x"}, 400, "bad_field"),
        ("POST", "/v1/resources", {"name": "a\nb"}, 400, "bad_field"),
        ("POST", "/v1/resources", {"name": "x" * 201}, 400, "bad_field"),
        ("POST", "/v1/resources", {"name": 7}, 400, "bad_field"),
        ("POST", "/v1/resources", {"name": None}, 400, "bad_field"),
        ("POST", "/v1/resources", {"name": "a\0b"}, 400, "bad_json"),
        ("POST", "/v1/resources", {"url": "https://x"}, 400, "bad_field"),
        ("POST", f"/v1/accounts/{NOBODY}/retrieve", {"version": -1}, 400, "bad_field"),
        ("POST", f"/v1/accounts/{NOBODY}/retrieve", {"version": 1.5}, 400, "bad_field"),
        ("POST", f"/v1/accounts/{NOBODY}/retrieve", {"version": "1"}, 400, "bad_field"),
        ("POST", f"/v1/accounts/{NOBODY}/retrieve", {"reason": "x" * 501}, 400, "bad_field"),
        ("POST", f"/v1/accounts/{NOBODY}/versions", {"fields": ["x"]}, 400, "bad_field"),
        ("POST", f"/v1/accounts/{NOBODY}/versions", {"fields": {"password": 5}}, 400, "bad_field"),
        ("POST", "/v1/users", {"name": "x"}, 403, "forbidden"),
        ("GET", "/v1/audit", None, 403, "forbidden"),
        (
            "POST",
            "/v1/users/me/password",
            {"old": "Wrong-Horse-7-battery", "new": "Another-Password-99"},
            401,
            "bad_login",
        ),
        ("POST", "/v1/users/me/totp", {}, 400, "bad_field"),
        ("POST", "/v1/users/me/totp", {"password": "x", "code": "123456"}, 400, "bad_field"),
        ("POST", "/v1/session", {"name": "nobody", "password": "x"}, 401, "bad_login"),
        ("POST", "/v1/setup", {"name": "ada", "setup_token": "x", "password": "Another-Password-99"}, 401, "bad_login"),
        ("POST", "/v1/session", {"name": "ada"}, 400, "bad_field"),
    ],
    ids=lambda v: v[:40] if isinstance(v, str) else None,
)
def test_refusals(ada, method, path, body, status, code):
    r = refused(ada.call(method, path, body), status, code)
    if status == 405:
        assert "Allow" in r.headers


@pytest.mark.parametrize(
    "raw,status,code",
    [
        (b"", 400, "bad_field"),
        (b"{", 400, "bad_json"),
        (b"[]", 400, "bad_json"),
        (b'"x"', 400, "bad_json"),
        (b"nul", 400, "bad_json"),
        (b"null", 400, "bad_json"),
        (b'{"name":"x"} x', 400, "bad_json"),
        (b'{"name":"\xff"}', 400, "bad_json"),
        (b'{"name":"\\ud800"}', 400, "bad_json"),
        (b"[" * 10000, 400, "bad_json"),
        (b'{"name":"x","name":"y"}', 400, "bad_field"),
        (b'{"name":"x","nme":"y"}', 400, "bad_field"),
        (b'{"name":"' + b"x" * 17000 + b'"}', 413, "too_large"),
    ],
    ids=range(13),
)
def test_bodies_that_are_none(ada, raw, status, code):
    refused(ada.call("POST", "/v1/resources", raw=raw), status, code)


def test_body_of_another_type(ada):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"):
        refused(ada.post("/v1/resources", {"name": "typed"}, headers={"Content-Type": kind}), 400, "bad_json")
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ):  # what a page's form can send
        refused(
            ada.call("POST", "/v1/import", raw=b"resource,login,password\n", headers={"Content-Type": kind}),
            400,
            "usage",
        )


def test_every_body_refuses_unknown_and_doubled_fields(ada, document):
    tried = 0
    for method, path, op in operations(document):
        schema = op.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if not schema:
            continue
        tried += 1
        assert schema["additionalProperties"] is False
        given = {
            name: {"string": "x", "integer": 1, "boolean": True, "object": {}}[f["type"]]
            for name, f in schema["properties"].items()
        }
        refused(ada.call(method, path, {**given, "unheard_of": 1}), 400, "bad_field")
        one = json.dumps(given)
        name = next(iter(given))
        refused(
            ada.call(method, path, raw=(one[:-1] + f", {json.dumps(name)}: {json.dumps(given[name])}" + "}").encode()),
            400,
            "bad_field",
        )
    assert tried >= 15


MAY_BE_EMPTY = {"type", "address", "url", "description", "folder", "parent"}  # what somebody may want to be empty


def test_nothing_empty_is_taken_for_absent(ada, admin_api, document):
    """Each query parameter, each part of a path and each text of a body of the whole table: empty is refused, never "no filter"."""
    queries = bodies = parts = 0
    for method, path, op in operations(document):
        for p in op.get("parameters", []):
            if p["in"] == "query":
                queries += 1
                r = refused(admin_api.call(method, f"{path}?{p['name']}="), 400, "bad_field")
                assert p["name"] in r.detail, (path, r)
                plain = p["schema"]["type"] == "string" and not {"format", "enum"} & p["schema"].keys()
                assert not plain or p["schema"]["minLength"] == 1
        for part in re.finditer(NOBODY, path):
            parts += 1
            refused(admin_api.call(method, path[: part.start()] + path[part.end() :]), 400, "bad_field")
        schema = op.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        for name, f in schema["properties"].items() if schema else ():
            if f["type"] != "string":
                continue
            bodies += 1
            assert (f.get("minLength") == 1) == (name not in MAY_BE_EMPTY), (path, name)
            if name not in MAY_BE_EMPTY:
                r = refused(ada.call(method, path, {name: ""}), 400, "bad_field")
                assert f'"{name}" is empty' in r.detail, (path, r)
    assert queries >= 15 and bodies >= 15 and parts >= 15, (queries, bodies, parts)


def test_version_none_is_not_the_current_one(ada):
    a = account(ada)
    refused(ada.post(f"/v1/accounts/{a}/retrieve", {"version": 0}), 400, "bad_field")
    refused(ada.post(f"/v1/accounts/{a}/settle", {"version": 0}), 400, "bad_field")


def test_every_route_wants_a_session(anyone, document):
    free = {
        "/v1/sys/health",
        "/v1/sys/epoch",  # what it says proves itself
        "/v1/metrics",
        "/v1/openapi.json",
        "/v1/ha",
        "/v1/session",
        "/v1/setup",
        "/",
        f"/assets/{NOBODY}",
    }
    tried = 0
    for method, path, op in operations(document):
        if path in free and (method, path) not in (("GET", "/v1/session"), ("DELETE", "/v1/session")):
            continue
        schema = op.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        body = {
            name: {"string": "x", "integer": 1, "boolean": True, "object": {}}[schema["properties"][name]["type"]]
            for name in schema.get("required", [])
        }
        for token in (None, "x", "A" * 43):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            raw = b"resource,login,password\n" if path == "/v1/import" else None
            if raw:
                headers["Content-Type"] = "text/csv"
            refused(
                anyone.call(method, path, body if schema else None, headers=headers, raw=raw), 401, "unauthenticated"
            )
        tried += 1
    assert tried >= 25


def test_refused_rights_are_events(ada, bob, boss):
    """403, and an event that names who tried what on which object."""
    a = account(ada)
    ada.must("POST", f"/v1/accounts/{a}/shares", {"user": "bob", "level": "view"})
    since = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
    refused(bob.post(f"/v1/accounts/{a}/versions", {"fields": {"password": "mine"}}), 403, "forbidden")
    refused(bob.delete(f"/v1/accounts/{a}"), 403, "forbidden")
    refused(bob.get("/v1/users"), 403, "forbidden")
    refused(bob.get("/v1/audit/verify"), 403, "forbidden")
    events = boss.api.must("GET", f"/v1/audit?kind=forbidden&since={since}&user=bob")["events"]
    assert [e["object"] for e in events] == [None, None, a, a] and all(
        e["actor"]["name"] == "bob" and e["address"] == "127.0.0.1" for e in events
    )
    # Of what one may not even know there is no 403, but an event all the same.
    hidden = account(ada)
    refused(bob.post(f"/v1/accounts/{hidden}/retrieve", {}), 404, "not_found")
    assert boss.api.must("GET", f"/v1/audit?kind=forbidden&object={hidden}")["events"]


# ---- bytes that no client sends ----


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../v1/session",
        "/v1/./session",
        "/v1/%2e%2e/v1/session",
        "/v1/%2E/session",
        "//v1/session",
        "/v1//session",
        "/v1/session/..",
        "/v1%2fsession",
        "/v1/session%00",
        "/v1/session%0a",
        "/v1/sess%69on%",
        "/v1/%252e%252e/session",
        "/../../../../etc/passwd",
        "v1/session",
        "https://localhost/v1/session",
        "*",
        "/v1\\session",
        "/v1/session;x",
        "/v1/session%20",
        "/v1/%c0%ae%c0%ae/session",
    ],
)
def test_path_traversal(ada, path):
    r = ada.wire(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ada.token}\r\nConnection: close\r\n\r\n".encode()
    )
    assert re.match(rb"HTTP/1\.1 40[04] ", r), r
    assert b'"session":' not in r and b"root:" not in r


@pytest.mark.parametrize(
    "text",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /v1/session\r\n\r\n",
        b"GET /v1/session HTTP/1.1\r\n\r\n",
        b"GET /v1/session HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\nhello",
        b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
        b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        b"GET /v1/session HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 60000 + b"\r\n\r\n",
        b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/session HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n folded\r\n\r\n",
        b"GET /v1/session HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n" * 50 + b"\0" * 100,
    ],
    ids=range(15),
)
def test_what_is_no_request(shared, anyone, text):
    """Refused or dropped, without a word of what serves here; and the node serves on."""
    got = anyone.wire(text, timeout=1)
    assert not got.startswith(b"HTTP/1.1 2"), got
    nothing_of_a_banner(got)
    assert anyone.get("/v1/sys/health").status == 200


def nothing_of_a_banner(reply):
    assert not re.search(
        rb"(?im)^server:|x-powered-by|microhttpd|mhd|gnutls|postgres|libpq|openssl|holdfast[/ ]\d", reply
    ), reply


def test_no_banner(ada, anyone):
    for r in (
        ada.get("/v1/session"),
        anyone.get("/v1/sys/health"),
        anyone.get("/none"),
        anyone.post("/v1/session", {"name": "x", "password": "y"}),
    ):
        nothing_of_a_banner("\r\n".join(f"{k}: {v}" for k, v in r.headers.items()).encode() + b"\r\n\r\n" + r.body)


def test_headers_of_every_reply(ada, anyone):
    for r in (
        ada.get("/v1/session"),
        anyone.get("/v1/session"),
        anyone.get("/none"),
        anyone.get("/v1/sys/health"),
        ada.post("/v1/resources", {"x": 1}),
        ada.call("POST", "/v1/resources", raw=b"x" * 17000),
    ):
        assert (
            r.headers["Cache-Control"] == "no-store"
            and r.headers["X-Content-Type-Options"] == "nosniff"
            and r.headers["Referrer-Policy"] == "no-referrer"
        ), r
        assert (
            "default-src 'none'" in r.headers["Content-Security-Policy"]
            and "max-age" in r.headers["Strict-Transport-Security"]
        ), r
        assert r.headers["Holdfast-Mode"] == "primary" or r.status == 413, r


def test_durability_is_said(ada):
    """One node: what is written is on one disk."""
    assert ada.post("/v1/resources", {"name": "durable"}).headers["Holdfast-Durability"] == "local"
    assert "Holdfast-Durability" not in ada.get("/v1/session").headers


def test_tls_1_3_alone(shared):
    ctx = context_of(shared)
    ctx.minimum_version = ssl.TLSVersion.TLSv1_2
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("localhost", shared.port)) as s, pytest.raises((ssl.SSLError, ConnectionError)):
        ctx.wrap_socket(s, server_hostname="localhost")
    with socket.create_connection(("localhost", shared.port), timeout=2) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            assert not s.recv(1000).startswith(b"HTTP")
        except OSError:
            pass


# ---- cookies ----


def test_cookie_and_who_may_send_it(shared, hire):
    """A browser sends the cookie whoever made it ask: so a change wants the word that the page was ours."""
    eve = hire("eve")
    api = Api(shared)
    r = api.post("/v1/session", {"name": "eve", "password": eve.password})
    cookie = r.headers["Set-Cookie"]
    assert re.fullmatch(r"__Host-holdfast=[A-Za-z0-9_-]{43}; Path=/; Secure; HttpOnly; SameSite=Strict", cookie)
    pair = {"Cookie": cookie.split(";")[0]}
    assert api.get("/v1/session", headers=pair).json["user"]["name"] == "eve"
    assert api.get("/v1/session", headers={"Cookie": f"other=1; {pair['Cookie']}; more=2"}).status == 200

    def make(**headers):
        return api.post(
            "/v1/resources",
            {"name": f"cookie {next(_names)}"},
            headers={**pair, **{k.replace("_", "-"): v for k, v in headers.items()}},
        )

    refused(make(), 403, "forbidden")
    for site in ("cross-site", "same-site", "none", "x"):
        refused(make(Sec_Fetch_Site=site), 403, "forbidden")
    for origin in (
        "https://evil.example",
        "null",
        f"https://localhost:{shared.port + 1}",
        f"http://localhost:{shared.port}",
        f"https://localhost.evil:{shared.port}",
    ):
        refused(make(Origin=origin), 403, "forbidden")
    refused(make(Sec_Fetch_Site="cross-site", Origin=f"https://localhost:{shared.port}"), 403, "forbidden")
    assert make(Sec_Fetch_Site="same-origin").status == 201
    assert make(Origin=f"https://localhost:{shared.port}").status == 201
    refused(api.delete("/v1/session", headers={**pair, "Origin": "https://evil.example"}), 403, "forbidden")
    # nor may a foreign page log a browser in
    refused(
        api.post("/v1/session", {"name": "eve", "password": eve.password}, headers={"Origin": "https://evil.example"}),
        403,
        "forbidden",
    )

    r = api.delete("/v1/session", headers={**pair, "Sec-Fetch-Site": "same-origin"})
    assert r.status == 204 and "Max-Age=0" in r.headers["Set-Cookie"]
    refused(api.get("/v1/session", headers=pair), 401, "unauthenticated")


# ---- versions, pages, search ----


def test_check_and_set(ada):
    a = account(ada)
    assert (
        ada.must("POST", f"/v1/accounts/{a}/versions", {"fields": {"password": "two"}, "if_version": 1})["version"] == 2
    )
    refused(
        ada.post(f"/v1/accounts/{a}/versions", {"fields": {"password": "three"}, "if_version": 1}),
        409,
        "version_conflict",
    )
    refused(
        ada.post(f"/v1/accounts/{a}/versions", {"fields": {"password": "three"}, "if_version": 7}),
        409,
        "version_conflict",
    )
    got = ada.must("POST", f"/v1/accounts/{a}/retrieve", {})
    assert (got["fields"], got["version"], got["current"], got["conflict"]) == ({"password": "two"}, 2, 2, False)
    refused(ada.post(f"/v1/accounts/{a}/retrieve", {"version": 3}), 404, "not_found")


def in_conflict(shared, account, *open_versions):
    """Makes an account look as it does after a merge: these versions were made elsewhere upon an older one."""
    numbers = ", ".join(map(str, open_versions))
    shared.sql(
        f"UPDATE version SET sibling = true WHERE account = '{account}' AND n IN ({numbers});"
        f"UPDATE account SET conflict = true WHERE id = '{account}'"
    )


def conflicts(who):
    return {c["id"]: c for c in who.must("GET", "/v1/conflicts?limit=200", None)["conflicts"]}


def test_settle_by_choosing(shared, ada, bob):
    a = account(ada)
    ada.must("POST", f"/v1/accounts/{a}/versions", {"fields": {"password": "two"}})
    refused(ada.post(f"/v1/accounts/{a}/settle", {"version": 1}), 409, "conflict")  # there is nothing to settle
    assert ada.must("POST", f"/v1/accounts/{a}/settle", {"version": 2})["version"] == 2  # said twice is no mistake
    first = ada.must("POST", f"/v1/accounts/{a}/retrieve", {"version": 1})["fields"]
    in_conflict(shared, a, 1)
    assert (
        conflicts(ada)[a]["open"] == 1 and conflicts(ada)[a]["version"] == 2 and conflicts(ada)[a]["level"] == "owner"
    )
    assert a not in conflicts(bob)
    refused(bob.post(f"/v1/accounts/{a}/settle", {"version": 1}), 404, "not_found")
    ada.must("POST", f"/v1/accounts/{a}/shares", {"user": "bob", "level": "view"})
    assert conflicts(bob)[a]["level"] == "view"
    refused(bob.post(f"/v1/accounts/{a}/settle", {"version": 1}), 403, "forbidden")
    for body in ({}, {"version": 1, "fields": {"password": "x"}}):
        refused(ada.post(f"/v1/accounts/{a}/settle", body), 400, "bad_field")
    refused(ada.post(f"/v1/accounts/{a}/settle", {"version": 9}), 404, "not_found")
    refused(ada.post(f"/v1/accounts/{a}/settle", {"version": 1, "if_version": 1}), 409, "version_conflict")
    versions = ada.must("GET", f"/v1/accounts/{a}/versions", None)["versions"]
    assert [(v["n"], v["conflict"], v["current"]) for v in versions] == [(2, False, True), (1, True, False)]
    assert all(v["node"]["name"] and v["author"]["name"] == "ada" and v["created"] for v in versions)
    ada.must("POST", f"/v1/accounts/{a}/settle", {"version": 1})
    assert a not in conflicts(ada)
    got = ada.must("POST", f"/v1/accounts/{a}/retrieve", {})
    assert (got["fields"], got["version"], got["conflict"]) == (first, 1, False)
    assert ada.must("POST", f"/v1/accounts/{a}/retrieve", {"version": 2})["fields"] == {
        "password": "two"
    }  # nothing is dropped
    assert (
        ada.must("POST", f"/v1/accounts/{a}/versions", {"fields": {"password": "three"}, "if_version": 1})["version"]
        == 3
    )


def test_settle_by_a_new_version(shared, ada):
    a = account(ada)
    refused(ada.post(f"/v1/accounts/{a}/settle", {"fields": {"password": "x"}}), 409, "conflict")
    ada.must("POST", f"/v1/accounts/{a}/versions", {"fields": {"password": "two"}})
    in_conflict(shared, a, 1)
    ada.must("POST", f"/v1/accounts/{a}/versions", {"fields": {"password": "three"}})
    assert a in conflicts(ada)  # a new value alone settles nothing: its maker need not have seen the conflict
    assert (
        ada.must("POST", f"/v1/accounts/{a}/settle", {"fields": {"password": "four"}, "if_version": 3})["version"] == 4
    )
    got = ada.must("POST", f"/v1/accounts/{a}/retrieve", {})
    assert (got["fields"], got["version"], got["conflict"]) == ({"password": "four"}, 4, False) and a not in conflicts(
        ada
    )
    assert len(ada.must("GET", f"/v1/accounts/{a}/versions", None)["versions"]) == 4


def test_settling_is_in_the_log(shared, ada, admin_api):
    a = account(ada)
    ada.must("POST", f"/v1/accounts/{a}/versions", {"fields": {"password": "two"}})
    in_conflict(shared, a, 1)
    assert ada.must("PATCH", f"/v1/accounts/{a}", {"conflict": False})["conflict"] is False
    events = admin_api.must("GET", f"/v1/audit?object={a}&kind=conflict_settled", None)["events"]
    assert len(events) == 1 and a not in conflicts(ada)


def test_check_and_set_at_once(shared, ada):
    """Of many who change the same version one wins."""
    from concurrent.futures import ThreadPoolExecutor

    a = account(ada)

    def change(i):
        api = Api(shared, ada.token)
        try:
            return api.post(f"/v1/accounts/{a}/versions", {"fields": {"password": f"p{i}"}, "if_version": 1}).status
        finally:
            api.close()

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(change, range(16))) == [201] + [409] * 15
    assert len(ada.must("GET", f"/v1/accounts/{a}/versions")["versions"]) == 2


def test_fields_any_names(ada):
    fields = {"password": "p", "user name": "ü", "notes": "line 1\nline 2\ttab", "x" * 50: "y" * 1000, "🔑": "漢"}
    r = resource(ada)
    a = ada.must("POST", f"/v1/resources/{r['id']}/accounts", {"login": "f", "fields": fields})["id"]
    assert ada.must("POST", f"/v1/accounts/{a}/retrieve", {})["fields"] == fields


def test_names_are_unique_whatever_their_case(ada, bob):
    r = resource(ada)
    refused(ada.post("/v1/resources", {"name": r["name"].upper()}), 409, "conflict")
    # What others have is nothing to bob: no refusal tells that it is there.
    assert bob.post("/v1/resources", {"name": r["name"]}).status == 201
    other = resource(ada)
    refused(ada.patch(f"/v1/resources/{other['id']}", {"name": r["name"]}), 409, "conflict")
    for login, status in (("a", 201), ("A", 409)):
        assert ada.post(f"/v1/resources/{r['id']}/accounts", {"login": login}).status == status


def test_change_and_hand_over(ada, bob):
    r = resource(ada, url="https://old")
    got = ada.must("PATCH", f"/v1/resources/{r['id']}", {"url": "https://new", "description": "d"})
    assert (got["url"], got["description"], got["name"]) == ("https://new", "d", r["name"])
    refused(bob.post(f"/v1/resources/{r['id']}/offer", {"user": "bob"}), 404, "not_found")
    assert ada.post(f"/v1/resources/{r['id']}/offer", {"user": "bob"}).status == 204
    assert ada.must("GET", f"/v1/resources/{r['id']}")["owner"]["name"] != "bob"
    assert bob.post(f"/v1/resources/{r['id']}/offer/accept").status == 204
    refused(ada.get(f"/v1/resources/{r['id']}"), 404, "not_found")
    assert bob.must("GET", f"/v1/resources/{r['id']}")["owner"]["name"] == "bob"


def everything(api, path, key, limit):
    found, after = [], None
    while True:
        page = api.must(
            "GET", f"{path}{'&' if '?' in path else '?'}limit={limit}" + (f"&after={after}" if after else "")
        )
        assert len(page[key]) <= limit
        found += page[key]
        after = page["next"]
        if not after:
            return found


def test_pages(hire):
    api = hire("pager").api
    names = {f"p{i:02}" if i % 2 else f"P{i:02}" for i in range(23)}
    for n in names:
        api.must("POST", "/v1/resources", {"name": n})
    for limit in (1, 7, 22, 23, 24, 200):
        found = [r["name"] for r in everything(api, "/v1/resources", "resources", limit)]
        assert found == sorted(names, key=str.lower), limit
    assert len(api.must("GET", "/v1/resources")["resources"]) == 23
    # a page that begins behind what is gone meanwhile ends, and says no nonsense
    assert api.get(f"/v1/resources?after={NOBODY}").status == 200


def test_pages_of_users_and_events(admin_api):
    users = [u["name"] for u in everything(admin_api, "/v1/users", "users", 2)]
    assert (
        users == sorted(users, key=str.lower)
        and {"admin", "ada", "bob"} <= set(users)
        and len(set(users)) == len(users)
    )
    until = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
    seen, before = [], ""
    for _ in range(100):
        page = admin_api.must("GET", f"/v1/audit?limit=7&until={until}" + before)
        seen += [(e["at"], e["node"]["id"], e["seq"]) for e in page["events"]]
        if not page["next"]:
            break
        before = "&before=" + page["next"]
    assert seen == sorted(set(seen), reverse=True) and seen[-1][2] == 1 or len(seen) == 700
    for bad in ("x", "1.2.x", "1.2." + NOBODY + "x", "-1.-1." + NOBODY):
        assert admin_api.get(f"/v1/audit?before={bad}").status in (400, 200)


@pytest.mark.parametrize(
    "name",
    [
        "100% sure",
        "under_score",
        "back\\slash",
        "quo'te",
        'dou"ble',
        "semi;colon--",
        "ümläut",
        "(paren)*",
        "%",
        "_",
        "$1",
    ],
)
def test_search_takes_letters_as_they_are(hire, request, name):
    from urllib.parse import quote

    api = request.getfixturevalue("searcher")
    api.call("POST", "/v1/resources", {"name": name, "url": f"u-{name}"})
    plain = {r["name"] for r in everything(api, "/v1/resources", "resources", 200)}
    for q in (name, name.upper(), name[:1], name[-1:]):
        found = {r["name"] for r in everything(api, f"/v1/resources?q={quote(q, safe='')}", "resources", 200)}
        assert found == {n for n in plain if q.lower() in n.lower() or q.lower() in f"u-{n}".lower()}, q
    exact = api.must("GET", f"/v1/resources?name={quote(name, safe='')}")["resources"]
    assert [r["name"] for r in exact] == [name]


@pytest.fixture(scope="module")
def searcher(hire):
    api = hire("searcher").api
    for n in ("decoy", "100 sure", "underXscore", "backslash", "quote", "x"):
        api.must("POST", "/v1/resources", {"name": n, "url": f"u-{n}"})
    return api


def test_search_finds_only_what_one_may_see(ada, bob):
    r = resource(ada, description="hidden-needle")
    seen = ada.must("POST", f"/v1/resources/{r['id']}/accounts", {"login": "seen", "fields": {"password": "x"}})["id"]
    ada.must("POST", f"/v1/resources/{r['id']}/accounts", {"login": "unseen-login"})
    assert bob.must("GET", "/v1/resources?q=hidden-needle")["resources"] == []
    ada.must("POST", f"/v1/accounts/{seen}/shares", {"user": "bob", "level": "view"})
    got = bob.must("GET", "/v1/resources?q=hidden-needle")["resources"]
    assert [a["login"] for a in got[0]["accounts"]] == ["seen"] and got[0]["level"] is None
    assert bob.must("GET", "/v1/resources?q=unseen-login")["resources"] == []


# ---- sessions and settings ----


def test_the_settings_are_shown_to_administrators(admin_api, ada):
    said = admin_api.must("GET", "/v1/settings")
    rows = {r["name"]: r for r in said["settings"]}
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    assert list(rows) == listed
    assert rows["listen"]["changed"] and rows["listen"]["value"].startswith("0.0.0.0:")
    assert (rows["detect_ms"]["value"], rows["detect_ms"]["changed"]) == ("3s", False)
    assert (rows["metrics_token"]["value"], rows["metrics_token"]["changed"]) == (None, True)
    assert "a-token-for-the-scraper" not in json.dumps(said), "a secret is shown to nobody"
    refused(ada.get("/v1/settings"), 403, "forbidden")


def test_a_session_ends_when_it_is_not_used(node, where):
    node.set("session_idle", "1h")
    node.set("session_max", "3h")
    clock = FaultPage(where / "clock")
    node.env.update(clock.env)
    node.start()
    api = Api(node)
    got = api.must("POST", "/v1/setup", {"name": "admin", "setup_token": node.setup_token(), "password": PASSWORD})
    idle = api.must("POST", "/v1/session", {"name": "admin", "password": PASSWORD})["token"]
    api.token = got["token"]
    for _ in range(3):  # used, it lives on
        clock.put_clock_on(50 * 60)
        assert api.get("/v1/session").status == 200
    refused(Api(node, idle).get("/v1/session"), 401, "unauthenticated")
    clock.put_clock_on(31 * 60)
    refused(api.get("/v1/session"), 401, "unauthenticated")  # used or not


def test_sessions_that_are_long_over_go(node, where):
    """Theirs is the log: the table keeps a week of them, of whatever end; more of them than go at once."""
    node.set("session_max", "1h")
    clock = FaultPage(where / "clock")
    node.env.update(clock.env)
    node.start()
    api = Api(node)
    api.token = api.must(
        "POST", "/v1/setup", {"name": "admin", "setup_token": node.setup_token(), "password": PASSWORD}
    )["token"]
    node.sql(
        "INSERT INTO session (mac, id, principal, created_at, seen_at, expires_at, ended_at)"
        " SELECT sha256(n::text::bytea), gen_random_uuid(), p.id, now(), now(), now() + interval '1 year', now()"
        " FROM generate_series(1, 1100) n, principal p WHERE p.name = 'admin'"
    )
    assert node.sql("SELECT count(*) FROM session") == [["1101"]]
    log = node.sql("SELECT count(*) FROM event WHERE kind = :LOGIN")
    clock.put_clock_on(6 * 86400)
    fresh = Api(node)
    fresh.token = fresh.must("POST", "/v1/session", {"name": "admin", "password": PASSWORD})["token"]
    clock.put_clock_on(1.5 * 86400)  # the one of now is over since more than a day, and stays
    left = lambda: node.sql("SELECT count(*) FROM session")
    wait_until("those of a week ago are gone", left, lambda n: n == [["1"]], also=node.log_tail)
    still_true("the other one stays", left, 1, lambda n: n == [["1"]])
    refused(fresh.get("/v1/session"), 401, "unauthenticated")
    refused(api.get("/v1/session"), 401, "unauthenticated")
    assert int(node.sql("SELECT count(*) FROM event WHERE kind = :LOGIN")[0][0]) == int(log[0][0]) + 1


def test_a_session_outlives_the_service(shared, ada):
    """The process that parses the network falls; nobody has to log in again."""
    import signal

    shared.signal("vaultd", signal.SIGKILL)

    def status():
        try:
            return ada.get("/v1/session").status
        except (OSError, http.client.HTTPException):  # nobody listens, or it fell in the middle of the answer
            return None

    # One that has just begun to listen may say that it cannot serve yet; what it must not say is that nobody is logged in.
    assert wait_until("the service is there again", status, lambda seen: seen not in (None, 503)) == 200


def test_a_reason_may_be_required(shared, ada):
    a = account(ada)
    assert ada.post(f"/v1/accounts/{a}/retrieve", {}).status == 200

    def becomes(value, status):
        shared.set("reason_required", value)
        shared.signal_supervisor(1)
        wait_until(
            "the setting is in force",
            lambda: ada.post(f"/v1/accounts/{a}/retrieve", {}).status,
            lambda seen: seen == status,
        )

    try:
        becomes("true", 400)
        for nothing in ("", " ", "\n\t "):
            refused(ada.post(f"/v1/accounts/{a}/retrieve", {"reason": nothing}), 400, "bad_field")
        assert ada.post(f"/v1/accounts/{a}/retrieve", {"reason": "backup restore"}).status == 200
    finally:
        becomes("false", 200)


# ---- what the node says of itself ----


def test_health(anyone):
    before = datetime.now(timezone.utc)
    h = anyone.must("GET", "/v1/sys/health")
    assert (h["status"], h["mode"], h["state"], h["why"]) == ("serving", "primary", "single", None)
    said, second = datetime.fromisoformat(h["time"].replace("Z", "+00:00")), timedelta(seconds=1)
    assert before - second < said < datetime.now(timezone.utc) + second


def test_ha_of_a_single_node(ada, anyone, admin_api):
    assert admin_api.must("GET", "/v1/ha") and anyone.must("GET", "/v1/ha")


def outside_address():
    for text in subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split():
        if "." in text and not text.startswith("127."):
            return text
    return None


def test_metrics(shared, anyone, ada):
    ada.must("POST", f"/v1/accounts/{account(ada)}/retrieve", {})
    r = anyone.get("/v1/metrics")
    assert r.status == 200 and r.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    values, types = {}, {}
    for line in r.body.decode().splitlines():
        if line.startswith("# TYPE "):
            types[line.split()[2]] = line.split()[3]
        elif not line.startswith("#"):
            m = re.fullmatch(r'([a-z_]+)(\{[a-z_]+="[^"]*"\})? ([0-9.e+-]+)', line)
            assert m, line
            assert m[1] in types, line
            assert m[1] + (m[2] or "") not in values, line
            values[m[1] + (m[2] or "")] = float(m[3])
    for name in ("requests", "retrievals", "ledger_batches", "ledger_events", "keyd_requests"):
        assert types[f"holdfast_{name}_total"] == "counter" and values[f"holdfast_{name}_total"] > 0, name
    assert values["holdfast_accounts_in_conflict"] == values["holdfast_administration_conflicts"] == 0
    assert values['holdfast_state{state="single"}'] == 1 and "holdfast_lag_seconds" in values


def test_metrics_from_elsewhere(shared):
    """From another address only with the token."""
    address = outside_address()
    if not address:
        pytest.skip("this machine has no address but loopback")
    far = Api(shared, address=address)
    assert far.get("/v1/sys/health").status == 200
    refused(far.get("/v1/metrics"), 403, "forbidden")
    refused(far.get("/v1/metrics", headers={"Authorization": "Bearer a-token-for-the-scrapes"}), 403, "forbidden")
    refused(far.get("/v1/metrics", headers={"X-Forwarded-For": "127.0.0.1"}), 403, "forbidden")
    assert far.get("/v1/metrics", headers={"Authorization": "Bearer a-token-for-the-scraper"}).status == 200
    refused(far.get("/v1/ha"), 401, "unauthenticated")


def test_openapi_names_what_there_is(anyone, ada, document):
    assert document["openapi"].startswith("3.1")
    found = list(operations(document))
    assert len(found) >= 35
    for method, path, op in found:
        assert op["responses"], (method, path)
        r = ada.call("HEAD" if method == "GET" else method, path + "?unheard_of=1")
        assert r.status in (400, 405), (method, path, r)  # there is such a route


@pytest.fixture(scope="session")
def validator():
    """A validator of others', from npm; versions and sums are locked."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("npm is not installed")
    build = Path(os.environ.get("HOLDFAST_BUILD", ROOT / "build")) / "openapi-validator"
    command = build / "node_modules/.bin/validate-api"
    if not command.exists():
        build.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "tools/openapi" / name, build)
        p = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=build,
            capture_output=True,
            text=True,
            timeout=180,
        )
        if p.returncode != 0:
            pytest.skip(f"npm could not install the validator: {p.stderr.strip()[-300:]}")
    return command


def test_openapi_is_valid(validator, anyone, where):
    (where / "good.json").write_bytes(anyone.get("/v1/openapi.json").body)
    p = subprocess.run([validator, where / "good.json"], capture_output=True, text=True)
    assert p.returncode == 0, p.stdout + p.stderr
    broken = json.loads((where / "good.json").read_text())
    broken["paths"]["/v1/session"]["post"]["responses"] = 7
    (where / "bad.json").write_text(json.dumps(broken))
    assert subprocess.run([validator, where / "bad.json"], capture_output=True).returncode != 0  # it looks
