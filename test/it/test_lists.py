# SPDX-License-Identifier: Apache-2.0
"""Lists and searches bear on nobody else (H4: they are no reason for emergency): a pair whose searches never end by themselves serves on."""
import statistics
import threading
import time

import pytest

from api import Api
from pair import PASSWORD, Node, free_port, give, make_pair

USERS, EACH, ACCOUNTS = 4, 3, 120

# Each comparison with a pattern takes 200 ms of nobody's processor, so a search takes longer than any deadline, on any machine.
SLOW = """CREATE FUNCTION slow_ilike(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT
AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN lower($1) LIKE lower($2); END $$;
GRANT EXECUTE ON FUNCTION slow_ilike(text, text), pg_sleep(double precision) TO hf_vault;
SET allow_system_table_mods = on;
UPDATE pg_operator SET oprcode = 'slow_ilike(text, text)'::regprocedure WHERE oid = 'pg_catalog.~~*(text, text)'::regoperator;"""


@pytest.fixture
def pair(holdfast, where):
    nodes = []
    for i in (1, 2):
        place = where / f"n{i}"
        place.mkdir()
        give(place)
        address = f"127.0.0.{i}"
        nodes.append(
            Node(
                holdfast,
                place / "home",
                address,
                f"{address}:{free_port(address, 22300)}",
                f"{address}:{free_port(address, 22600)}",
                where / "master.key",
            )
        )
    try:
        make_pair(*nodes)
        yield nodes
    finally:
        for n in nodes:
            n.end()


def log_in(node, name, password=PASSWORD):
    api = Api(node, timeout=30)
    api.token = api.must("POST", "/v1/session", {"name": name, "password": password})["token"]
    return api


class Searchers:
    """Users who search without a pause, several times at once each."""

    def __init__(self, apis):
        self.over, self.lock, self.answers = threading.Event(), threading.Lock(), {}
        self.threads = [threading.Thread(target=self.search, args=(api,)) for api in apis]

    def search(self, api):
        while not self.over.is_set():
            r = api.get("/v1/resources?q=nowhere&limit=200")
            assert r.status != 429 or int(r.headers["Retry-After"]) >= 1
            with self.lock:
                self.answers[r.code or r.status] = self.answers.get(r.code or r.status, 0) + 1
            self.over.wait(0.2)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join(60)


def test_searches_that_never_end_bear_on_nobody_else(pair, where):
    a, b = pair
    session = where / "admin.session"
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
    (where / "sample.csv").write_text(
        "Title,Username,Password,URL\n" + "".join(f"site {i},root,secret-{i},\n" for i in range(ACCOUNTS))
    )
    a.cli("import", where / "sample.csv", session=session)
    admin = log_in(a, "admin")
    everything = admin.must("GET", "/v1/resources?limit=200")["resources"]
    assert len(everything) == ACCOUNTS
    apis = []
    for u in range(USERS):
        made = admin.must("POST", "/v1/users", {"name": f"user{u}"}, status=201)
        Api(a).must("POST", "/v1/setup", {"name": f"user{u}", "setup_token": made["setup_token"], "password": PASSWORD})
        for r in everything[:30]:
            admin.must("POST", f"/v1/resources/{r['id']}/shares", {"user": f"user{u}", "level": "view"})
        for _ in range(EACH):
            apis.append(Api(a, log_in(a, f"user{u}").token))
    a.sql(SLOW)
    b.wait_state("standby")
    done, times, bound = 0, [], time.monotonic() + 500
    with Searchers(apis) as s:
        # Until searches were ended by the deadline and refused by the bound, and every account was retrieved for the first time meanwhile.
        while done < ACCOUNTS or not {"list_timeout", "busy"} <= set(s.answers):
            assert time.monotonic() < bound, (done, s.answers)
            h = a.health()
            assert h and h[0] == 200, (h, s.answers)
            assert b.state() in ("standby", None)  # None: too busy to answer this look
            begun = time.monotonic()
            site = everything[done % ACCOUNTS]
            got = admin.post(f"/v1/accounts/{site['accounts'][0]['id']}/retrieve", {"reason": "beside searches"})
            assert got.status == 200, got
            named = admin.get(f"/v1/resources?limit=2&name={site['name'].replace(' ', '%20')}")
            assert named.status == 200 and [r["id"] for r in named.json["resources"]] == [site["id"]], named
            assert admin.get("/v1/resources?limit=50").status == 200
            assert admin.get(f"/v1/resources/{site['id']}").status == 200
            if done % 50 == 0:
                log_in(a, "admin")
            times.append(time.monotonic() - begun)
            done += 1
        assert statistics.median(times) < 3, times  # one may meet a moment in which the machine stands still
        assert not set(s.answers) - {200, "busy", "list_timeout"}, s.answers
    a.wait_state("synced")
    b.wait_state("standby")
