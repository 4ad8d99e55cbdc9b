# SPDX-License-Identifier: Apache-2.0
"""The console's files as the program gives them out: their names, how long they are kept, and in which form they come."""
import gzip
import hashlib
import re

import pytest
from api import Api
from nodes import ROOT

KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
SOURCES = {"/assets/" + re.escape(p.stem) + "-[0-9a-f]{16}" + p.suffix: p for p in (ROOT / "web/dist").glob("*.*")}
AT_MOST = 350_000  # bytes on the way, of a first visit


@pytest.fixture(scope="module")
def anyone(shared):
    return Api(shared)


@pytest.fixture(scope="module")
def index(anyone):
    return anyone.get("/")


@pytest.fixture(scope="module")
def assets(index):
    """Every file that the page loads."""
    return re.findall(r'<(?:link|script)\b[^>]* (?:href|src)="([^"]*)"', index.body.decode())


def test_the_page_is_asked_for_each_time(index):
    assert index.headers["Cache-Control"] == "no-store" and "Content-Encoding" not in index.headers
    assert "@NODES@" not in index.body.decode()


def test_the_page_names_its_assets_by_their_content(anyone, assets):
    assert len(assets) == len(SOURCES) - 1, assets
    for path in assets:
        source = next(p for form, p in SOURCES.items() if re.fullmatch(form, path))
        body = anyone.get(path).body
        assert body == source.read_bytes()
        assert hashlib.sha256(body).hexdigest().startswith(path.split("-")[-1].split(".")[0]), path


def test_assets_are_kept_for_ever(anyone, assets):
    for path in assets:
        for coding in ("identity", "gzip"):
            r = anyone.get(path, headers={"Accept-Encoding": coding})
            assert r.status == 200 and r.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert r.headers["Vary"] == "Accept-Encoding" and r.headers["X-Content-Type-Options"] == "nosniff"
            assert r.headers["Content-Type"].split(";")[0] == KINDS["." + path.split(".")[-1]]
            assert "default-src 'none'" in r.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "accepted, packed",
    [
        ("gzip, deflate, br, zstd", True),
        ("br;q=1, gzip;q=0.5", True),
        ("*", True),
        ("identity", False),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *;q=1", False),
        ("identity;q=1, gzip;q=0.2", False),
    ],
)
def test_whoever_takes_gzip_gets_it(anyone, assets, accepted, packed):
    for path in assets:
        plain = anyone.get(path).body
        r = anyone.get(path, headers={"Accept-Encoding": accepted})
        assert r.headers.get("Content-Encoding") == ("gzip" if packed else None)
        assert (gzip.decompress(r.body) if packed else r.body) == plain
        head = anyone.call("HEAD", path, headers={"Accept-Encoding": accepted})
        assert (head.headers["Content-Length"], head.body) == (str(len(r.body)), b"")


def test_nothing_else_is_compressed(anyone):
    for path in ("/", "/v1/sys/health", "/v1/openapi.json", "/none"):
        r = anyone.get(path, headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in r.headers and r.body[:2] != b"\x1f\x8b", path


def test_no_two_builds_differ(anyone, assets):
    """The compressed form has no time in it."""
    for path in assets:
        head = anyone.get(path, headers={"Accept-Encoding": "gzip"}).body[:10]
        assert head[:3] == b"\x1f\x8b\x08" and head[3:8] == bytes(5), path


def test_what_another_release_had_is_not_found(anyone, assets):
    """And nobody keeps that answer."""
    for path in assets:
        r = anyone.get(re.sub("-[0-9a-f]{16}", "-0123456789abcdef", path))
        assert r.status == 404 and r.code == "not_found" and "load the page anew" in r.detail
        assert r.headers["Cache-Control"] == "no-store"
    for path in ("/assets/index.html", "/assets/console.js", "/assets/..", "/console.js", "/assets/@"):
        assert anyone.get(path).status in (400, 404), path


def test_a_first_visit_is_small(anyone, index, assets):
    sent = [len(anyone.get(path, headers={"Accept-Encoding": "gzip"}).body) for path in assets]
    total = len(index.body) + sum(sent)
    print(f"\na first visit: {total} bytes")
    assert total <= AT_MOST
