# SPDX-License-Identifier: Apache-2.0
"""What somebody can do with a session that they have stolen, or with an administrator's rights, to log in as somebody else; and who hears of it."""
import json
import re
import threading
import time

import pytest

from api import Api
from factor import totp
from nodes import Person
from packs import running
from pair import PASSWORD
from usedpair import UsedPair
from verbs import fails
from wait import wait_until
from webhook import Receiver

WRONG = "Wrong-Horse-7-battery"
NEW = "Brand-New-Password-1"
AFTER = 3  # failed log-ins until there is a wait
settings = {"lockout_after": AFTER, "lockout_ms": "10min"}


class Thief(Api):
    """Has a session of somebody, and nothing else of theirs."""

    def __init__(self, person):
        super().__init__(person.node, token=person.api.token)


def enrol(person, do=lambda f: f()):
    """Two codes that are good once each. The one that enrols is of the step before, of which half is to come: so all three are good for a while."""
    wait_until("a step of the codes is young", lambda: time.time() % 30 < 15, timeout=60)
    begun = person.api.must("POST", "/v1/users/me/totp", {"password": person.password})
    before, this, following = (totp(begun["secret"], time.time() + at) for at in (-30, 0, 30))
    body = {"password": person.password, "pending": begun["pending"], "code": before}
    do(lambda: person.api.must("POST", "/v1/users/me/totp", body))
    return this, following


def another_session(person, **more):
    api = Api(person.node)
    api.token = api.must("POST", "/v1/session", {"name": person.name, "password": person.password, **more})["token"]
    return api


def failures(node, person):
    """What the log says of attempts to be them."""
    return [
        tuple(row)
        for row in node.sql(
            "SELECT body::json->>'why', coalesce(body::json->>'doing', '') FROM event "
            f"WHERE kind = :LOGIN_FAILED AND object = '{person.id}' ORDER BY seq"
        )
    ]


def changes(node, person):
    """How many times the way that they log in was changed."""
    return int(
        node.sql(f"SELECT count(*) FROM event WHERE kind IN (:USER_PASSWORD, :USER_TOTP) AND object = '{person.id}'")[
            0
        ][0]
    )


# What a session alone, and a wrong guess with it, is refused: method, path, body (the guess is the password) and what the log calls it.
WAYS = {
    "password": ("POST", "/v1/users/me/password", lambda guess: {"old": guess, "new": NEW}, "change own password"),
    "enrol": ("POST", "/v1/users/me/totp", lambda guess: {"password": guess}, "set up a second factor"),
    "remove": (
        "DELETE",
        "/v1/users/me/totp",
        lambda guess: {"password": guess, "code": "000000"},
        "remove the second factor",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_stolen_session_guesses_the_password_no_faster_than_a_stranger(shared, hire, way):
    """H17: whoever has a session but not the password meets log-in's own lock-out, and every guess is in the log."""
    method, path, body, doing = WAYS[way]
    her = hire(f"guessed-{way}")
    if way == "remove":
        enrol(her)
    thief, before = Thief(her), changes(shared, her)
    for _ in range(AFTER):
        r = thief.call(method, path, body(WRONG))
        assert (r.status, r.code) == (401, "bad_login"), r
    for guess in (WRONG, her.password):  # now also the right one has to wait
        r = thief.call(method, path, body(guess))
        assert (r.status, r.code) == (429, "locked_out") and "wait" in r.detail, r
    assert failures(shared, her) == AFTER * [("password", doing)]
    r = Api(shared).call("POST", "/v1/session", {"name": her.name, "password": her.password})
    assert (r.status, r.code) == (429, "locked_out")  # they are the same counters
    assert changes(shared, her) == before


def test_failed_logins_and_guesses_of_a_session_add_up(shared, hire):
    her = hire("added-up")
    for _ in range(AFTER - 1):
        assert Api(shared).call("POST", "/v1/session", {"name": her.name, "password": WRONG}).status == 401
    thief = Thief(her)
    assert thief.call("POST", "/v1/users/me/password", {"old": WRONG, "new": NEW}).status == 401
    assert thief.call("POST", "/v1/users/me/password", {"old": WRONG, "new": NEW}).status == 429
    assert failures(shared, her) == (AFTER - 1) * [("password", "")] + [("password", "change own password")]


def test_guesses_at_once_are_as_many_as_one_after_the_other(shared, hire):
    her = hire("at-once")
    got = []

    def guess():
        got.append(Thief(her).call("POST", "/v1/users/me/password", {"old": WRONG, "new": NEW}).status)

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(got) == AFTER * [401] + (12 - AFTER) * [429]
    assert len(failures(shared, her)) == AFTER


def test_codes_are_guessed_no_faster_than_at_log_in(shared, hire):
    """H17: also by who knows the password and has a session."""
    her = hire("codes")
    this, _ = enrol(her)
    thief = Thief(her)
    for _ in range(AFTER):
        r = thief.call("DELETE", "/v1/users/me/totp", {"password": her.password, "code": "000000"})
        assert (r.status, r.code) == (401, "bad_login"), r
    r = thief.call("DELETE", "/v1/users/me/totp", {"password": her.password, "code": this})
    assert (r.status, r.code) == (429, "locked_out")
    assert failures(shared, her) == AFTER * [("code", "remove the second factor")]
    assert her.api.must("GET", "/v1/users/me")["totp"] is True


def test_who_has_a_second_factor_shows_it_for_a_new_password(shared, hire):
    her = hire("both")
    this, following = enrol(her)
    body = {"old": her.password, "new": NEW}
    r = her.api.call("POST", "/v1/users/me/password", body)
    assert (r.status, r.code) == (401, "second_factor"), r
    r = her.api.call("POST", "/v1/users/me/password", {**body, "code": "000000"})
    assert (r.status, r.code) == (401, "bad_login"), r
    her.api.must("POST", "/v1/users/me/password", {**body, "code": this})
    # The code is used up, for a log-in and for another change.
    r = Api(shared).call("POST", "/v1/session", {"name": her.name, "password": NEW, "code": this})
    assert r.status == 401 and "used" in r.detail, r
    r = her.api.call("DELETE", "/v1/users/me/totp", {"password": NEW, "code": this})
    assert r.status == 401 and "used" in r.detail, r
    her.api.must("DELETE", "/v1/users/me/totp", {"password": NEW, "code": following})
    assert her.api.must("GET", "/v1/users/me")["totp"] is False


def test_the_factor_is_removed_with_both(shared, hire):
    her = hire("remover")
    this, _ = enrol(her)
    r = her.api.call("DELETE", "/v1/users/me/totp", {"password": her.password})
    assert (r.status, r.code) == (401, "second_factor"), r
    assert her.api.call("DELETE", "/v1/users/me/totp", {"code": this}).status == 400
    her.api.must("DELETE", "/v1/users/me/totp", {"password": her.password, "code": this})


def test_a_stolen_session_enrols_no_factor(shared, hire):
    """Nor does it confirm one that its user has begun."""
    her = hire("enrolled")
    thief = Thief(her)
    assert thief.call("POST", "/v1/users/me/totp", {}).status == 400
    begun = her.api.must("POST", "/v1/users/me/totp", {"password": her.password})
    body = {"pending": begun["pending"], "code": totp(begun["secret"])}
    assert thief.call("POST", "/v1/users/me/totp", body).status == 400
    r = thief.call("POST", "/v1/users/me/totp", {**body, "password": WRONG})
    assert (r.status, r.code) == (401, "bad_login")
    assert failures(shared, her) == [("password", "set up a second factor")]
    assert her.api.must("GET", "/v1/users/me")["totp"] is False


def test_whatever_changes_how_they_log_in_ends_the_other_sessions(hire):
    her = hire("ended")

    def ends(what, other):
        assert other.call("GET", "/v1/users/me").status == 200
        what()
        assert other.call("GET", "/v1/users/me").status == 401
        assert her.api.call("GET", "/v1/users/me").status == 200  # the one that did it goes on

    this, following = enrol(her, lambda what: ends(what, another_session(her)))
    both = {"password": her.password, "code": following}
    ends(lambda: her.api.must("DELETE", "/v1/users/me/totp", both), another_session(her, code=this))
    new = {"old": her.password, "new": NEW}
    ends(lambda: her.api.must("POST", "/v1/users/me/password", new), another_session(her))


def test_administrators_remove_their_own_factor_as_anybody_does(shared, hire):
    """Their rights over others are no way around their password and code."""
    her = hire("root", role="administrator")
    this, _ = enrol(her)
    r = her.api.call("PATCH", f"/v1/users/{her.id}", {"remove_totp": True})
    assert (r.status, r.code) == (409, "refused") and "totp --off" in r.detail, r
    assert her.api.must("GET", "/v1/users/me")["totp"] is True
    her.api.must("DELETE", "/v1/users/me/totp", {"password": her.password, "code": this})


def test_sessions_end_when_an_administrator_removes_the_factor(shared, boss, hire):
    her = hire("removed")
    enrol(her)
    boss.api.must("PATCH", f"/v1/users/{her.id}", {"remove_totp": True})
    assert her.api.call("GET", "/v1/users/me").status == 401
    assert boss.api.call("GET", "/v1/users/me").status == 200
    another_session(her)


def test_the_verbs_ask_for_both(hire):
    her = hire("typing")
    this, following = enrol(her)
    assert her.login(input=f"{her.password}\n{this}\n").returncode == 0
    fails(her.cli("passwd", input=f"{her.password}\n{NEW}\n"), 2, "standard input")
    fails(her.cli("passwd", input=f"{her.password}\n{NEW}\n{this}\nmore\n"), 2, "a code")
    fails(her.cli("passwd", input=f"{WRONG}\n{NEW}\n{following}\n"), 1, "password is wrong")
    fails(her.cli("totp", "--off", input=f"{WRONG}\n{following}\n"), 1, "password is wrong")
    her.good("passwd", input=f"{her.password}\n{NEW}\n{following}\n")


# ---- who is told ----


def log_in(person, node=None, **more):
    """What the answer of a log-in tells: the log-in before, and what was done since as (what, to whom, by whom, value)."""
    api = Api(node or person.node)
    o = api.must("POST", "/v1/session", {"name": person.name, "password": person.password, **more})
    api.token = o["token"]
    return api, o


def told(o):
    return [(n["what"], n["user"]["name"], (n["by"] or {}).get("name"), n["value"]) for n in o["notices"]]


def set_up(person, token, password=NEW):
    o = Api(person.node).must("POST", "/v1/setup", {"name": person.name, "setup_token": token, "password": password})
    person.password = password
    return o


def reset(boss, person, **more):
    return boss.api.must("PATCH", f"/v1/users/{person.id}", {"reset_password": True, **more})["setup_token"]


def test_a_person_is_told_who_reset_them(boss, hire):
    her = hire("told-reset")
    _, following = enrol(her)
    log_in(her, code=following)
    o = set_up(her, reset(boss, her, remove_totp=True))
    assert sorted(told(o)) == [("factor_removed", her.name, "admin", None), ("password_reset", her.name, "admin", None)]
    for n in o["notices"]:
        assert n["address"] == "127.0.0.1" and n["by"]["id"] == boss.id and n["user"]["id"] == her.id
        assert n["at"] >= o["last_login"]["at"] and n["node"]["name"] == her.node.name
    assert told(log_in(her)[1]) == []  # and once


def test_who_was_reset_sees_that_somebody_else_logged_in_as_them(boss, hire):
    """An administrator lets themselves in as somebody, who has to ask for a new token then: their log-in names the one of before."""
    her = hire("told-theft")
    before = log_in(her)[1]["last_login"]
    taken = set_up(her, reset(boss, her), "Administrators-Choice-1")
    o = set_up(her, reset(boss, her))
    assert told(o) == [("password_reset", her.name, "admin", None)]
    assert o["last_login"]["at"] > before["at"] and o["last_login"]["address"] == "127.0.0.1"
    assert taken["notices"][0]["at"] < o["last_login"]["at"] < o["notices"][0]["at"]


def test_a_person_is_told_what_administrators_changed(boss, hire):
    her = hire("told-all")
    path = f"/v1/users/{her.id}"
    log_in(her)
    for change in ({"role": "administrator"}, {"disabled": True}, {"disabled": False}, {"name": "told-everything"}):
        boss.api.must("PATCH", path, change)
    boss.api.must("POST", f"{path}/sessions/end")
    her.name = "told-everything"
    assert told(log_in(her)[1]) == [
        ("sessions_ended", her.name, "admin", None),
        ("renamed", her.name, "admin", "told-everything"),
        ("enabled", her.name, "admin", None),
        ("disabled", her.name, "admin", None),
        ("role_changed", her.name, "admin", "administrator"),
    ]
    assert told(log_in(her)[1]) == []


def test_a_person_is_told_what_was_done_with_a_session_of_theirs(hire):
    """Their own changes too: it may not have been they."""
    her = hire("told-own")
    _, following = enrol(her)
    assert told(log_in(her, code=following)[1]) == [("factor_set", her.name, her.name, None)]
    her = hire("told-own-too")
    her.api.must("POST", "/v1/users/me/password", {"old": her.password, "new": NEW})
    her.api.must("POST", "/v1/users/me/sessions/end")
    her.password = NEW
    assert told(log_in(her)[1]) == [
        ("password_changed", her.name, her.name, None),
        ("sessions_ended", her.name, her.name, None),
    ]


def test_all_administrators_are_told_who_was_let_in_anew(boss, hire):
    """Also the one whose session did it; other users are not told of others."""
    her, plain, second = hire("let-in"), hire("bystander"), hire("second", role="administrator")
    enrol(her)
    for who in (boss, second, plain):
        log_in(who)
    reset(boss, her)
    boss.api.must("PATCH", f"/v1/users/{her.id}", {"remove_totp": True})
    both = [("factor_removed", her.name, "admin", None), ("password_reset", her.name, "admin", None)]
    assert told(log_in(second)[1]) == both and told(log_in(boss)[1]) == both
    assert told(log_in(plain)[1]) == []
    assert told(log_in(second)[1]) == []


def test_all_administrators_are_told_of_new_ones(boss, hire):
    """Created as one or made one: it lets somebody in everywhere."""
    second, her = hire("second-told", role="administrator"), hire("raised")
    log_in(second)
    boss.api.must("PATCH", f"/v1/users/{her.id}", {"role": "administrator"})
    new = boss.api.must("POST", "/v1/users", {"name": "new-root", "role": "administrator"})["user"]
    boss.api.must("POST", "/v1/users", {"name": "new-user"})
    assert told(log_in(second)[1]) == [
        ("created", new["name"], "admin", "administrator"),
        ("role_changed", her.name, "admin", "administrator"),
    ]
    assert told(log_in(second)[1]) == []


def test_many_changes_do_not_hide_the_one_that_matters(boss, hire):
    her = hire("told-many")
    log_in(her)
    boss.api.must("PATCH", f"/v1/users/{her.id}", {"remove_totp": True})
    for i in range(25):
        boss.api.must("PATCH", f"/v1/users/{her.id}", {"role": ("administrator", "user")[i % 2]})
    _, o = log_in(her)
    assert len(o["notices"]) == 20 and o["more_notices"] is True
    assert told(o)[0] == ("factor_removed", her.name, "admin", None)
    assert told(log_in(her)[1]) == [] and "more_notices" not in log_in(her)[1]


def test_no_secret_is_told(boss, hire, shared):
    her = hire("told-secrets")
    enrol(her)
    token = reset(boss, her, remove_totp=True)
    o = set_up(her, token)
    text = str(o["notices"])
    assert token not in text and "argon2" not in text
    assert {k for n in o["notices"] for k in n} == {"what", "value", "at", "user", "by", "address", "node"}


def test_the_command_tells_on_standard_error(boss, hire):
    her = hire("told-typing")
    assert "since your last log-in" not in her.login().stderr
    boss.api.must("PATCH", f"/v1/users/{her.id}", {"role": "administrator"})
    token = reset(boss, her)
    her.password = NEW
    p = her.login("--setup", input=f"{token}\n{NEW}\n")
    assert p.returncode == 0 and "notice" not in p.stdout, p
    said = p.stderr.splitlines()
    assert re.fullmatch(r"note: since your last log-in \(20\S+Z from 127\.0\.0\.1\):", said[0]), p.stderr
    assert re.fullmatch(r"  20\S+Z  your password was reset, by admin from 127\.0\.0\.1", said[1])
    assert re.fullmatch(r"  20\S+Z  your role was changed: administrator, by admin from 127\.0\.0\.1", said[2])
    assert "tell your administrators" in said[3] and len(said) == 4
    boss.api.must("POST", f"/v1/users/{her.id}/sessions/end")
    p = her.login("--json")
    assert p.stderr == "" and [n["what"] for n in json.loads(p.stdout)["notices"]] == ["sessions_ended"]
    assert "password of told-typing was reset, in your name" in boss.login().stderr


def test_people_are_told_in_emergency_too(holdfast):
    """H5, H7: the secondary has the same log, and what is in its journal alone counts there; who was told on either node is told once."""
    with running(UsedPair, holdfast) as p:
        token = p.boss.api.must("POST", "/v1/users", {"name": "ada"}, status=201)["setup_token"]
        ada = Person(p.primary, "ada", token, PASSWORD, p.folder)
        p.boss.api.must("PATCH", f"/v1/users/{ada.id}", {"role": "administrator"})
        p.alive()
        p.primary.kill()
        change = [("role_changed", "ada", "admin", "administrator")]
        wait_until("the secondary lets people in", lambda: can_log_in(ada, p.other))
        assert told(log_in(ada, p.other)[1]) == change
        api, _ = log_in(p.boss, p.other)
        api.must("POST", f"/v1/users/{ada.id}/sessions/end")
        assert ("sessions_ended", "ada", "admin", None) in told(log_in(ada, p.other)[1])
        p.primary.start()
        p.alive()
        assert told(log_in(ada, p.primary)[1]) == []


def can_log_in(person, node):
    try:
        r = Api(node).call("POST", "/v1/session", {"name": "nobody", "password": "x"})
    except OSError:
        return False
    return r.status == 401


def test_an_alert_says_that_somebody_was_let_in_anew(node, where, ports):
    """Without a name: whose it was only the log says. Each is reported once, also by an agent that was started anew."""
    hook = Receiver(node, where, ports.take())

    def alerts(n):
        rows = wait_until(
            f"the webhook hears of {n}",
            lambda: [r for r in hook.rows() if r["type"] == "user.let_in"],
            lambda r: len(r) == n,
        )
        assert all(r["signed"] and "eve" not in json.dumps(r["data"]) for r in rows)
        return rows

    try:
        node.start()
        boss = Person(node, "admin", node.setup_token(), PASSWORD, where)
        made = boss.api.must("POST", "/v1/users", {"name": "eve"}, status=201)
        eve = Person(node, "eve", made["setup_token"], PASSWORD + "-too", where)
        eve.api.must("POST", "/v1/users/me/password", {"old": eve.password, "new": NEW})
        token = reset(boss, eve)
        (row,) = alerts(1)
        assert "reset the password" in row["data"]["text"] and token not in json.dumps(row)
        boss.api.must("PATCH", f"/v1/users/{eve.id}", {"remove_totp": True})
        alerts(2)
        node.stop()
        node.start()
        boss.begin_api()
        reset(boss, eve)
        alerts(3)
    finally:
        hook.end()
