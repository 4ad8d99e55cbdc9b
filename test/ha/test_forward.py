# SPDX-License-Identifier: Apache-2.0
"""Users who reach the secondary only: it hands on to the primary what it does not serve (standby = forward)."""
import hashlib
import json
import signal
import threading
import time
import uuid

import pytest

import checker
import net
from faults import FAULTS
from forwarding import ask, set_now, set_standby, token_of, wait_until_forwarding
from memory import Markers, holders, is_sanitized
from stage import PASSWORD, Load
from wait import pass_time, wait_until

CLIENT = net.HOSTS["client"]


@pytest.fixture
def behind(st):
    """B hands on; the client has no way to A."""
    st.home_again()
    set_standby(st.b, "forward")
    st.net.cut_both("client", "a")
    yield st
    st.net.heal()
    set_standby(st.b, "redirect")


def events(node, kind, reason=None):
    """(node, address, via) of the newest events of a kind."""
    where = f"AND body::json->>'reason' = '{reason}'" if reason else ""
    return node.sql(
        f"SELECT n.name, e.address, e.body::json->>'via' FROM event e JOIN node n ON n.id = e.node WHERE kind = :{kind} {where} ORDER BY e.at DESC LIMIT 5"
    )


@pytest.mark.h1
def test_redirect_is_the_default(st):
    st.home_again()
    status, headers, body = ask(st, "client", st.b, "GET", "/v1/resources?q=a%20b&limit=5", token=token_of(st.admin))
    assert (
        status == 307
        and body["error"]["code"] == "standby"
        and headers["Location"] == f"{st.a.url}/v1/resources?q=a%20b&limit=5"
    )
    assert "Holdfast-Forwarded-By" not in headers


@pytest.mark.h1
def test_user_who_reaches_the_secondary_only(behind):
    """Login, search, new version, retrieval by the product's client; the primary's log names the client and the way."""
    st = behind
    wait_until_forwarding(st)
    session = st.login("admin", to=st.b)
    assert events(st.a, "LOGIN")[0] == [st.a.name, CLIENT, st.b.name]
    st.cli("put", "Forwarded/root", session=session, input="f0rwarded\n")
    assert st.cli("get", "Forwarded/root", "--reason", "by the standby", session=session).stdout == "f0rwarded\n"
    assert events(st.a, "RETRIEVED", "by the standby") == [[st.a.name, CLIENT, st.b.name]]
    assert events(st.a, "VERSION_ADDED")[0] == [st.a.name, CLIENT, st.b.name]
    said = json.loads(st.cli("audit", "list", "--json", session=session).stdout)
    assert any(e["body"].get("via") == st.b.name and e["address"] == CLIENT for e in said)
    # A session from before, which knows A first, goes the same way.
    assert st.cli("get", "Forwarded/root").stdout == "f0rwarded\n"
    st.cli("put", "Forwarded/root", input="again\n")
    assert st.cli("get", "Forwarded/root", session=session).stdout == "again\n"


@pytest.mark.h1
def test_answer_is_the_primarys(behind):
    st, token = behind, token_of(behind.admin)
    wait_until_forwarding(st)
    account = st.accounts[0]
    for method, path, body, want in (
        ("GET", "/v1/resources?q=site&limit=5", None, 200),
        ("POST", f"/v1/accounts/{account}/retrieve", {"reason": "x"}, 200),
        ("GET", f"/v1/accounts/{uuid.uuid4()}", None, 404),
        ("HEAD", "/v1/users/me", None, 200),
        ("POST", f"/v1/accounts/{account}/versions", {"fields": {"password": "v"}}, 201),
    ):
        status, headers, reply = ask(st, "client", st.b, method, path, body, token)
        assert (status, headers["Holdfast-Mode"], headers["Holdfast-Forwarded-By"]) == (want, "primary", st.b.name), (
            path,
            reply,
        )
        direct = ask(st, "b", st.a, method, path, body, token)
        assert direct[0] == want and (method != "GET" or direct[2] == reply)
        ours, theirs = ({k for k in h if k not in ("Date", "Content-Length")} for h in (headers, direct[1]))
        assert ours == theirs | {"Holdfast-Forwarded-By"}
    assert headers["Holdfast-Durability"] == "both"
    # What is each node's own stays its own; what cannot be right is refused here.
    status, headers, health = ask(st, "client", st.b, "GET", "/v1/sys/health")
    assert status == 429 and health["node"] == st.b.name and "Holdfast-Forwarded-By" not in headers
    assert ask(st, "client", st.b, "GET", "/v1/ha", token=token)[2]["state"] == "standby"
    assert ask(st, "client", st.b, "GET", "/v1/metrics")[0] == 403
    assert "Holdfast-Forwarded-By" not in ask(st, "client", st.b, "POST", "/v1/session", {"nonsense": 1})[1]
    # A browser: its page comes from B, and so it is B that looks where the page came from.
    cookie = {"Cookie": f"__Host-holdfast={token}", "Authorization": "", "Content-Type": "application/json"}
    change = ("POST", f"/v1/accounts/{account}/versions", {"fields": {"password": "w"}})
    assert ask(st, "client", st.b, *change, headers={**cookie, "Origin": st.b.url})[0] == 201
    assert ask(st, "client", st.b, *change, headers={**cookie, "Origin": "https://evil.example"})[0] == 403
    assert ask(st, "client", st.b, *change, headers={**cookie, "Origin": st.a.url})[0] == 403


@pytest.fixture
def long_lockout(behind):
    """A wait that a slow machine does not outlast."""
    set_now(behind.a, "lockout_ms", "15m")
    yield
    set_now(behind.a, "lockout_ms", "2s")


@pytest.mark.h1
def test_lockout_is_of_who_guessed(behind, long_lockout):
    """Failed logins through B are counted at A, under the client's address; the lock is A's, for that address."""
    st = behind
    wait_until_forwarding(st)
    token = json.loads(st.cli("user", "add", "locked", "--json").stdout)["setup_token"]
    assert (
        ask(st, "client", st.b, "POST", "/v1/setup", {"name": "locked", "setup_token": token, "password": PASSWORD})[0]
        == 200
    )
    for _ in range(5):
        assert ask(st, "client", st.b, "POST", "/v1/session", {"name": "locked", "password": "wrong"})[0] == 401
    assert events(st.a, "LOGIN_FAILED")[0] == [st.a.name, CLIENT, st.b.name]
    assert ask(st, "client", st.b, "POST", "/v1/session", {"name": "locked", "password": PASSWORD})[0] == 429
    assert ask(st, "b", st.a, "POST", "/v1/session", {"name": "locked", "password": PASSWORD})[0] in (200, 201)


@pytest.mark.h1
def test_nothing_stays_in_the_standbys_memory(behind):
    """Passwords, tokens and logins that passed through vaultd of B."""
    st, m = behind, Markers()
    if is_sanitized(st.holdfast):
        pytest.skip("the sanitizer keeps what was freed")
    wait_until_forwarding(st)
    token, account = token_of(st.admin), st.accounts[1]
    for i in range(10):
        fields = {"password": m.make(f"stored {i}"), "notes": m.make(f"long {i}", 4000)}
        assert ask(st, "client", st.b, "POST", f"/v1/accounts/{account}/versions", {"fields": fields}, token)[0] == 201
        status, _, got = ask(st, "client", st.b, "POST", f"/v1/accounts/{account}/retrieve", {"reason": "x"}, token)
        assert status == 200 and got["fields"] == fields
    assert (
        ask(st, "client", st.b, "POST", "/v1/session", {"name": "admin", "password": m.make("wrong login")})[0] == 401
    )
    wait_until("nothing of it is in the standby's memory", lambda: m.in_memory(st.b), lambda found: not found)
    assert m.on_disk(st.b) == set()
    wait_until("nor is the token", lambda: holders(st.b, token.encode()), lambda found: not found)


# ---- the proof ----


def mark(
    st,
    method,
    target,
    token,
    body=b"",
    at=None,
    node=None,
    run=None,
    number=1,
    address="192.0.2.7",
    name=None,
    content_type=None,
    key=None,
):
    """The header as B would make it: the key is what keyd derives from the master key."""
    master = bytes.fromhex(st.b.key_file.read_text().strip())
    key = (
        key
        or hashlib.blake2b(key=master, salt=(109).to_bytes(8, "little"), person=b"holdfast", digest_size=32).digest()
    )
    node = node or st.b.sql(f"SELECT id FROM node WHERE name = '{st.b.name}'")[0][0]
    at = int((time.time() if at is None else at) * 1e6)
    run = uuid.uuid4().int & (2**64 - 1) if run is None else run
    head = f"1 {node} {run:016x} {number} {at} {address} {name or st.b.name}"
    message = b"".join(
        len(p).to_bytes(4, "big") + p
        for p in (t.encode() for t in ("holdfast forward 1", head, method, target, token, "", content_type or "", ""))
    )
    message += hashlib.blake2b(body, digest_size=32).digest()
    return f"{head} {hashlib.blake2b(message, key=key, digest_size=32).hexdigest()}"


@pytest.mark.h1
def test_only_a_node_of_the_pair_may_speak_for_a_client(st):
    """Forged, too old, too new, used twice, of another request: refused by the primary, and nothing of it is done."""
    st.home_again()
    token, target = token_of(st.admin), "/v1/users/me"

    def put(header, method="GET", path=target, **kw):
        return ask(
            st, "b", st.a, method, path, token=kw.pop("token", token), headers={"Holdfast-Forwarded": header}, **kw
        )

    good = mark(st, "GET", target, token)
    assert put(good)[0] == 200
    assert put(good)[0] == 421, "used twice"
    run = 77
    assert put(mark(st, "GET", target, token, run=run, number=2))[0] == 200
    assert put(mark(st, "GET", target, token, run=run, number=1))[0] == 200, "overtaken by the one after it"
    assert put(mark(st, "GET", target, token, run=run, number=2))[0] == 421
    a, b = (st.a.sql(f"SELECT id FROM node WHERE name = '{n.name}'")[0][0] for n in (st.a, st.b))

    def of(method="GET", path=target, who=token, at=0, **kw):
        return mark(st, method, path, who, at=time.time() + at, **{"node": b, **kw})

    refused = {
        "forged": lambda: of(key=bytes(32)),
        "too old": lambda: of(at=-1000),
        "too new": lambda: of(at=1000),
        "another method": lambda: of("POST"),
        "another path": lambda: of(path="/v1/users"),
        "another token": lambda: of(who="x" * 43),
        "another body": lambda: of(body=b"x"),
        "another address": lambda: of().replace("192.0.2.7", "192.0.2.8"),
        "no address": lambda: of(address="client.test"),
        "its own": lambda: of(node=a),
        "a name for the log": lambda: of(name='x","y":"'),
        "nothing": lambda: "1",
        "more": lambda: of() + " x",
        "upper": lambda: of().upper(),
    }
    for what, header in refused.items():
        status, _, body = put(header())
        assert (status, (body or {}).get("error", {}).get("code")) == (421, "not_proven"), f"{what}: {status} {body}"
    assert put(of())[0] == 200
    assert put("x" * 700)[0] == 400
    # Without a header all is as ever; with one, a standby never hands on, so nothing goes round in circles.
    assert ask(st, "b", st.a, "GET", target, token=token)[0] == 200
    set_standby(st.b, "forward")
    try:
        wait_until_forwarding(st)
        status, headers, _ = ask(
            st, "a", st.b, "GET", target, token=token, headers={"Holdfast-Forwarded": mark(st, "GET", target, token)}
        )
        assert status == 307 and "Holdfast-Forwarded-By" not in headers
    finally:
        set_standby(st.b, "redirect")
    # A restarted service does not know what it took: it takes nothing that is older than itself.
    before = of()
    st.a.signal("vaultd", signal.SIGKILL)
    st.a.wait_ready()
    assert put(before)[0] == 421
    assert put(mark(st, "GET", target, token))[0] == 200


# ---- faults ----


def reader(st, load, tag):
    return load.worker(
        "client", "reader", st.login("admin", to=st.b), ("b",), st.accounts[:5], tag, interval=0.02, answer=8, only=None
    )


def through_b(after, mode):
    return lambda r: r["role"] == "reader" and r["ok"] and r["t0"] > after and r["mode"] == mode


def every_read_is_logged(node, rows):
    """Once, or twice when the primary had it in its hands as it was lost (it may have been done there, too)."""
    logged = {
        (reason, account)
        for reason, account in node.sql("SELECT body::json->>'reason', object FROM event WHERE kind = :RETRIEVED")
    }
    missing = [r["reason"] for r in rows if r["ok"] and (r["reason"], r["account"]) not in logged]
    assert rows and not missing, f"{len(missing)} retrievals were answered but are not in the log: {missing[:5]}"


@pytest.mark.h4
@pytest.mark.h7
@pytest.mark.h8
@pytest.mark.parametrize("name", ["p-node-kill", "p-power-off", "p-vaultd-kill", "p-vaultd-stop", "link-cut"])
def test_reads_go_on_through(behind, name):
    """At B alone: no read fails and none is slow, into emergency, out of it, and with a session that was begun there."""
    st = behind
    wait_until_forwarding(st)
    tag = f"f{time.monotonic_ns()}"
    with Load(st) as load:
        reader(st, load, tag)
        load.wait_for(through_b(0, "primary"))
        begun = time.monotonic()
        FAULTS[name].do(st)
        if FAULTS[name].emergency:
            load.wait_for(through_b(begun, "emergency"))
            reader(st, load, tag + "e")  # logs in in emergency
            load.wait_for(lambda r: r["tag"] == tag + "e" and r["ok"])
        pass_time(1, "the fault lasts, and users work on meanwhile")
        FAULTS[name].undo(st)
        st.net.cut_both("client", "a")
        st.home_again()
        home = time.monotonic()
        load.wait_for(lambda r: r["tag"] == tag and through_b(home, "primary")(r))
        if FAULTS[name].emergency:
            load.wait_for(lambda r: r["tag"] == tag + "e" and through_b(home, "primary")(r))
        rows = load.stop()
    st.net.heal()
    print(checker.whole(st))
    every_read_is_logged(st.b, rows)
    slowest = max(r["t1"] - r["t0"] for r in rows)
    bad = [r for r in rows if not r["ok"] or not r["reason"].endswith(".1")]  # not at the first try
    print(
        f"{name}: {len(rows)} reads, slowest {slowest:.2f} s, {sum(r['mode'] == 'emergency' for r in rows if r['ok'])} in emergency"
    )
    assert not bad, f"{len(bad)} of {len(rows)} reads failed or had to be sent again: {json.dumps(bad[:3])}"
    assert slowest < 6  # detect_ms and a half, on a machine that has other things to do


@pytest.mark.h5
def test_change_whose_outcome_is_not_known_says_so(behind):
    """The primary is cut off with the change in its hands: 504 once this node knows that it is lost, and no second try."""
    st, got = behind, {}
    wait_until_forwarding(st)
    set_now(st.b, "metrics_token", "counters")
    token, account = token_of(st.admin), st.accounts[2]
    path = f"/v1/accounts/{account}/versions"

    def change(value):
        return ask(st, "client", st.b, "POST", path, {"fields": {"password": value}}, token, timeout=30)

    metrics = lambda: ask(st, "client", st.b, "GET", "/v1/metrics", token="counters")
    wait_until("metrics are given out", lambda: metrics()[0], lambda status: status == 200)
    n = len(st.b.sql(f"SELECT 1 FROM event WHERE kind = :VERSION_ADDED AND object = '{account}'"))
    st.a.signal("keyd", signal.SIGSTOP)  # no event can be chained
    try:
        t = threading.Thread(target=lambda: got.update(r=change("unsure")))
        t.start()
        wait_until(
            "the standby hands a request on",
            lambda: metrics()[2],
            lambda text: "\nholdfast_forwarding 1\n" in text or got,  # or it was, for a machine that stood still
            also=lambda: got,
            every=0.1,
        )
        pass_time(1, "the request arrives at the primary, which cannot say so while its keyd stands still")
        begun = time.monotonic()
        st.net.cut_both("a", "b")
        # Reads go on meanwhile.
        status, headers, _ = ask(
            st, "client", st.b, "POST", f"/v1/accounts/{account}/retrieve", {"reason": "meanwhile"}, token
        )
        assert (status, headers["Holdfast-Mode"]) == (200, "emergency")
        t.join(30)
        assert (
            time.monotonic() - begun < 20
        ), "it was not told when the primary was lost, but when its own patience ended"
        status, _, body = got["r"]
        assert (status, body["error"]["code"]) == (504, "uncertain") and "may or may not" in body["error"]["message"]
        # From now on it is known beforehand.
        status, _, body = change("sure")
        assert (status, body["error"]["code"]) == (403, "emergency_read_only")
        p = st.cli("put", "Unsure/x", input="x\n", check=False, session=st.login("admin", to=st.b))
        assert p.returncode != 0 and "emergency" in p.stderr, p.stderr
    finally:
        st.a.signal("keyd", signal.SIGCONT)
        st.net.heal()
    st.home_again()
    assert (
        len(st.b.sql(f"SELECT 1 FROM event WHERE kind = :VERSION_ADDED AND object = '{account}'")) == n + 1
    ), "done after all, and once"


@pytest.mark.h5
def test_change_that_did_not_arrive_is_not_done(behind):
    """The primary takes connections but reads nothing: a change that was never sent is refused without a doubt."""
    st = behind
    wait_until_forwarding(st)
    FAULTS["p-vaultd-stop"].do(st)
    try:
        status, _, body = ask(
            st,
            "client",
            st.b,
            "POST",
            f"/v1/accounts/{st.accounts[2]}/versions",
            {"fields": {"password": "x"}},
            token_of(st.admin),
            timeout=30,
        )
        assert (status, body["error"]["code"]) == (403, "emergency_read_only")
    finally:
        FAULTS["p-vaultd-stop"].undo(st)
    st.home_again()


@pytest.mark.h1
def test_switchover_behind_a_forwarding_node(behind):
    """B becomes the primary and serves by itself; A stands by and, told to, hands on; and back."""
    st = behind
    wait_until_forwarding(st)
    session = st.login("admin", to=st.b)
    was = st.cli("get", "site 00000/root0", session=session).stdout
    for old in (st.a, st.b):
        p = old.run("ha", "switchover", "--json", "--home", old.home, check=False)
        assert p.returncode == 0, p.stdout + p.stderr
        assert st.cli("get", "site 00000/root0", session=session).stdout == was
        st.home_again()
    st.home_again(primary=st.a)
