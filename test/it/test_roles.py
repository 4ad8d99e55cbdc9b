# SPDX-License-Identifier: Apache-2.0
"""What each role may: what is asked of a capability is refused without it, with the log's word for it, and nobody gets a secret by a role."""
import pytest

from verbs import fails


@pytest.fixture(scope="module")
def ada(hire):
    one = hire("ada")
    one.good("put", "web/root", input="s3cret\n")
    return one


@pytest.fixture(scope="module")
def eve(ada, hire):
    """An auditor with whom something is shared, and who made something before."""
    one = hire("eve")
    one.good("put", "own/root", input="s3cret of eve\n")
    ada.good("share", "web/root", "eve", "manage")
    one.accept_all()
    return one


@pytest.fixture(scope="module")
def pat(boss, hire):
    one = hire("pat")
    boss.good("user", "role", "pat", "password_administrator")
    return one


def may(person):
    return person.api.must("GET", "/v1/session")["user"]["may"]


def status(person, method, path, body=None):
    return person.api.call(method, path, body).status


def test_the_session_says_what_a_role_may(boss, ada, pat):
    everything = ["self", "use", "users", "teams", "changes", "emergency", "audit", "accept", "nodes"]
    assert may(boss) == everything and may(ada) == ["self", "use"]
    assert may(pat) == ["self", "use", "changes", "emergency"]


def test_an_auditor_reads_the_log_and_no_secret(boss, ada, eve):
    account = next(a["id"] for r in ada.json("ls") for a in r["accounts"])
    assert status(eve, "POST", f"/v1/accounts/{account}/retrieve", {"reason": "x"}) == 200
    boss.good("user", "role", "eve", "auditor")
    assert may(eve) == ["self", "audit"]
    assert "retrieved" in eve.good("audit", "list", "--user", "eve")
    assert "good" in eve.good("audit", "verify").lower()
    for args in (["get", "web/root"], ["get", "own/root"], ["ls"], ["find", "root"], ["shares", "web/root"]):
        fails(eve.cli(*args), 1, "does not allow this")
    for method, path, body in (
        ("POST", f"/v1/accounts/{account}/retrieve", {"reason": "x"}),
        ("POST", "/v1/resources", {"name": "new"}),
        ("GET", "/v1/users", None),
        ("GET", "/v1/nodes", None),
        ("GET", "/v1/offers", None),
        ("POST", "/v1/audit/accept", {"reason": "x"}),
        ("POST", "/v1/teams", {"name": "x"}),
        ("PUT", "/v1/policy/emergency-changes", {"state": "on"}),
    ):
        assert status(eve, method, path, body) == 403, path
    assert status(eve, "GET", "/v1/users/me") == 200
    assert status(eve, "POST", "/v1/users/me/sessions/end") == 204
    boss.good("user", "role", "eve", "user")
    assert status(eve, "POST", f"/v1/accounts/{account}/retrieve", {"reason": "x"}) == 200


def test_a_password_administrator_manages_no_people(boss, ada, pat):
    assert "on" in pat.good("policy", "emergency-changes", "on")
    pat.good("policy", "emergency-changes", "off")
    assert status(pat, "GET", "/v1/changes") == 200
    pat.good("put", "pats/root", input="s3cret of pat\n")
    fails(pat.cli("get", "web/root"), 1, "no resource")
    for method, path, body in (
        ("GET", "/v1/users", None),
        ("GET", "/v1/audit", None),
        ("POST", "/v1/users", {"name": "x"}),
        ("PATCH", f"/v1/users/{ada.id}", {"role": "auditor"}),
        ("POST", "/v1/teams", {"name": "x"}),
    ):
        assert status(pat, method, path, body) == 403, path


def test_roles_are_given_by_name(boss, hire):
    said = boss.good("user", "add", "olga", "--role", "auditor")
    assert "auditor" in said
    assert "auditor, user, password_administrator or administrator" in fails(
        boss.cli("user", "add", "x", "--role", "king"), 1
    )
    fails(boss.cli("user", "add", "x", "--role", "user", "--administrator"), 2, "only one of the two")
    assert {u["name"]: u["role"] for u in boss.json("user", "list")}["olga"] == "auditor"
