# SPDX-License-Identifier: Apache-2.0
"""No answer of a list grows beyond a bound (H17), and what it leaves out is found behind its cursor."""
import uuid

import pytest

MIB = 1 << 20
BOUND = MIB + (64 << 10)  # one row may go beyond
MANY, LONG = 1200, 4000  # accounts of a resource, and bytes of a description


def ids(n, count):
    return [str(uuid.UUID(int=0x01890000_0000_7000_8000_000000000000 + (n << 32) + i)) for i in range(count)]


def get(api, path):
    r = api.get(path)
    assert r.status == 200, r
    assert len(r.body) < BOUND, (path, len(r.body))
    return r.json


def pages(api, path, key, cursor="after"):
    """All rows, and how many answers it took."""
    found, n, next_ = [], 0, ""
    while next_ is not None:
        page = get(api, f"{path}{'&' if '?' in path else '?'}limit=200{next_ and f'&{cursor}={next_}'}")
        assert page[key], path  # each page has something, so whoever follows them comes to the end
        found, n, next_ = found + page[key], n + 1, page["next"]
    return found, n


@pytest.fixture(scope="module")
def ada(hire):
    return hire("ada")


@pytest.fixture(scope="module", params=["plain", "escaped"])
def big(request, shared, ada):
    """A resource with many accounts, and many resources, all with descriptions as long as they may be; in JSON some are six times as long."""
    name, text = request.param, "d" if request.param == "plain" else "\\x01"
    number = 1 if name == "plain" else 1000
    first = ada.api.must("POST", "/v1/resources", {"name": f"{name} 000"}, status=201)["id"]
    accounts, resources = ids(number, MANY), ids(number + 1, 300)
    long = f"repeat(E'{text}', {LONG})"
    shared.sql(
        f"UPDATE resource SET description = {long} WHERE id = '{first}';"
        "INSERT INTO account (id, resource, login, description, created_at) VALUES "
        + ", ".join(f"('{a}', '{first}', 'login{i:04}', {long}, now())" for i, a in enumerate(accounts))
        + ";"
        "INSERT INTO resource (id, name, description, owner, created_at) VALUES "
        + ", ".join(f"('{r}', '{name} {i + 1:03}', {long}, '{ada.id}', now())" for i, r in enumerate(resources))
    )
    return name, first, accounts, [first, *resources]


def test_a_resource_with_many_accounts(ada, big):
    _, first, accounts, _ = big
    one = get(ada.api, f"/v1/resources/{first}")
    n = len(one["accounts"])
    assert 0 < n <= 200 and one["accounts_next"] == one["accounts"][-1]["id"]
    assert [a["id"] for a in one["accounts"]] == accounts[:n]
    behind = get(ada.api, f"/v1/resources/{first}/accounts?after={one['accounts_next']}")["accounts"]
    assert behind[0]["id"] == accounts[n]
    found, _ = pages(ada.api, f"/v1/resources/{first}/accounts", "accounts")
    assert [a["id"] for a in found] == accounts
    few = get(ada.api, f"/v1/resources/{first}/accounts?limit=7")
    assert [a["id"] for a in few["accounts"]] == accounts[:7] and few["next"] == accounts[6]
    assert get(ada.api, f"/v1/resources/{first}/accounts?after={accounts[-1]}") == {"accounts": [], "next": None}
    assert ada.api.get(f"/v1/resources/{uuid.uuid4()}/accounts").status == 404


def test_many_resources(ada, big):
    name, first, accounts, resources = big
    found, n = pages(ada.api, f"/v1/resources?q={name}", "resources")
    assert [r["id"] for r in found] == resources and n > 2
    assert [r["name"] for r in found] == [f"{name} {i:03}" for i in range(len(resources))]
    assert found[0]["accounts_next"] and all(r["accounts_next"] is None and r["accounts"] == [] for r in found[1:])


def test_the_command_line_shows_all(ada, big):
    name, first, accounts, resources = big
    shown = ada.json("find", name)
    assert [r["id"] for r in shown] == resources and [a["id"] for a in shown[0]["accounts"]] == accounts
    assert len(ada.good("find", f"{name} 000").splitlines()) == MANY + 1


def test_two_hundred_accounts_are_all_of_them(shared, ada):
    """As many as are shown, and not one more, have nothing behind them."""
    for n in (199, 200, 201):
        made = ada.api.must("POST", "/v1/resources", {"name": f"exactly {n}"}, status=201)["id"]
        shared.sql(
            "INSERT INTO account (id, resource, login, created_at) VALUES "
            + ", ".join(f"('{a}', '{made}', 'l{i:04}', now())" for i, a in enumerate(ids(2000 + n, n)))
        )
        one = get(ada.api, f"/v1/resources/{made}")
        assert len(one["accounts"]) == min(n, 200) and (one["accounts_next"] is None) == (n <= 200)
        assert len(pages(ada.api, f"/v1/resources/{made}/accounts", "accounts")[0]) == n
    listed = [
        (r["name"], len(r["accounts"]), r["accounts_next"] is None)
        for r in get(ada.api, "/v1/resources?q=exactly")["resources"]
    ]
    assert listed == [("exactly 199", 199, True), ("exactly 200", 200, True), ("exactly 201", 200, False)]


def test_the_log_with_large_events(shared, ada, boss):
    """What an event seals is not shown, but it is read."""
    made = ada.api.must("POST", "/v1/resources", {"name": "large versions"}, status=201)["id"]
    account = ada.api.must(
        "POST", f"/v1/resources/{made}/accounts", {"login": "x", "fields": {"password": "1"}}, status=201
    )["id"]
    for i in range(30):
        ada.api.must(
            "POST",
            f"/v1/accounts/{account}/versions",
            {"fields": {f"note {k}": f"{i % 10}" * 60000 for k in range(2)}},
            status=201,
        )
    page = get(boss.api, f"/v1/audit?kind=version_added&object={account}&limit=200")
    assert 0 < len(page["events"]) < 25 and page["next"]
    found, _ = pages(boss.api, f"/v1/audit?kind=version_added&object={account}", "events", "before")
    assert len(found) == 31 and len({e["seq"] for e in found}) == 31
    assert len(boss.json("audit", "list", "--kind", "version_added", "--object", account)) == 31

    def events():
        return int(shared.sql("SELECT count(*) FROM event")[0][0])

    before = events()
    verified = boss.api.must("GET", "/v1/audit/verify")
    assert verified["good"] and before <= verified["events"] < events()  # the verification is an event too
