# SPDX-License-Identifier: Apache-2.0
"""Folders: what somebody may do with one they may do with all that stands below it, and nobody else learns anything of it."""
import json
import random

import pytest

from verbs import fails

LEVELS = {None: 0, "view": 1, "modify": 2, "manage": 3, "owner": 4}
NOWHERE = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def ada(hire):
    return hire("ada")


@pytest.fixture(scope="module")
def bob(hire):
    return hire("bob")


@pytest.fixture(scope="module")
def carol(hire):
    return hire("carol")


def make(person, name, parent=None, status=201):
    body = {"name": name, "description": "found by", **({"parent": parent} if parent else {})}
    return person.api.must("POST", "/v1/folders", body, status=status)["id"]


def put(person, name, folder=None):
    """A resource with an account; gives both ids."""
    body = {"name": name, **({"folder": folder} if folder else {})}
    resource = person.api.must("POST", "/v1/resources", body, status=201)["id"]
    account = person.api.must(
        "POST", f"/v1/resources/{resource}/accounts", {"login": "root", "fields": {"password": "x"}}, status=201
    )["id"]
    return resource, account


def share(person, folder, who, level="view"):
    person.api.must("POST", f"/v1/folders/{folder}/shares", {"user": who, "level": level})


def unshare(person, folder, who):
    person.api.must("DELETE", f"/v1/folders/{folder}/shares/{who}", status=204)


def status(person, method, path, body=None):
    return person.api.call(method, path, body).status


def reads(person, account):
    got = status(person, "POST", f"/v1/accounts/{account}/retrieve", {"reason": "test"})
    assert got in (200, 404), got
    return got == 200


def listed(person, path, what):
    """All of a list, page by page."""
    rows, after = [], ""
    while after is not None:
        said = person.api.must("GET", f"{path}{'&' if '?' in path else '?'}limit=3{after}")
        rows += said[what]
        after = said["next"] and f"&after={said['next']}"
    return rows


def sees(person):
    """{name: path} of the resources that lists and searches show, which have to agree."""
    rows = listed(person, "/v1/resources", "resources")
    found = listed(person, "/v1/resources?q=root", "resources")
    assert {r["id"] for r in found} == {r["id"] for r in rows if r["accounts"]}, (rows, found)
    return {r["name"]: r["folder"] and r["folder"]["path"] for r in rows}


def paths(person):
    """{path: level} of the folders that the user sees: by search, and by walking down from the top."""
    below = listed(person, "/v1/folders", "folders")
    walked = []
    while below:
        f = below.pop()
        walked.append((f["path"], f["level"]))
        below += listed(person, f"/v1/folders?parent={f['id']}", "folders")
    found = [(f["path"], f["level"]) for f in listed(person, "/v1/folders?q=found", "folders")]
    assert sorted(walked) == sorted(found)
    return dict(walked)


def test_what_is_shared_with_a_folder_is_shared_with_what_stands_below(ada, bob, carol):
    net = make(ada, "net")
    lab = make(ada, "lab", net)
    deep, deep_root = put(ada, "switch", lab)
    top, top_root = put(ada, "router", net)
    put(ada, "elsewhere")
    assert sees(bob) == {} and paths(bob) == {} and not reads(bob, deep_root)
    share(ada, lab, "bob")
    assert sees(bob) == {"switch": "lab"} and reads(bob, deep_root) and not reads(bob, top_root)
    assert paths(bob) == {"lab": "view"}, "of a path as much as they see"
    assert status(bob, "GET", f"/v1/folders/{net}") == status(bob, "GET", f"/v1/folders/{NOWHERE}") == 404
    assert status(bob, "PATCH", f"/v1/resources/{deep}", {"url": "u"}) == 403
    share(ada, net, "bob", "modify")
    assert sees(bob) == {"switch": "net/lab", "router": "net"} and reads(bob, top_root)
    assert paths(bob) == {"net": "modify", "net/lab": "modify"}
    assert status(bob, "PATCH", f"/v1/resources/{deep}", {"url": "u"}) == 200
    assert bob.api.must("GET", f"/v1/resources/{deep}")["level"] == "modify"
    assert [r["name"] for r in listed(bob, f"/v1/resources?folder={lab}", "resources")] == ["switch"]
    assert status(carol, "GET", f"/v1/resources?folder={lab}") == 404
    unshare(ada, net, "bob")
    assert sees(bob) == {"switch": "lab"} and not reads(bob, top_root)
    unshare(ada, lab, "bob")
    assert sees(bob) == {} and paths(bob) == {} and not reads(bob, deep_root)
    for path in (f"/v1/folders/{lab}", f"/v1/resources/{deep}", f"/v1/folders?parent={lab}"):
        assert status(bob, "GET", path) == 404, path


def test_teams(ada, bob, boss):
    team = boss.api.must("POST", "/v1/teams", {"name": "ops"}, status=201)["id"]
    plant = make(ada, "plant")
    hall = make(ada, "hall", plant)
    _, account = put(ada, "press", hall)
    share(ada, plant, "ops", "modify")
    assert not reads(bob, account)
    boss.api.must("POST", f"/v1/teams/{team}/members", {"user": "bob"})
    assert reads(bob, account) and paths(bob) == {"plant": "modify", "plant/hall": "modify"}
    boss.api.must("DELETE", f"/v1/teams/{team}/members/bob", status=204)
    assert not reads(bob, account) and paths(bob) == {}
    boss.api.must("POST", f"/v1/teams/{team}/members", {"user": "bob"})
    boss.api.must("DELETE", f"/v1/teams/{team}", status=204)
    assert not reads(bob, account) and paths(bob) == {} and sees(bob) == {}


def test_who_may_do_what(ada, hire):
    """Each act with the level that it takes, and with the one below."""
    bob, carol = hire("basil"), hire("carla")
    work = make(ada, "work")
    other = make(ada, "other")
    resource, _ = put(ada, "crane", work)
    acts = [
        ("view", "GET", f"/v1/folders/{work}", None, 200),
        ("modify", "PATCH", f"/v1/folders/{work}", {"description": "found by d"}, 200),
        ("modify", "POST", "/v1/folders", {"name": "one", "parent": work, "description": "found by"}, 201),
        ("modify", "POST", "/v1/resources", {"name": "drill", "folder": work}, 201),
        ("manage", "PATCH", f"/v1/resources/{resource}", {"folder": ""}, 200),
        ("manage", "GET", f"/v1/folders/{work}/shares", None, 200),
        ("manage", "GET", f"/v1/folders/{work}/effect", None, 200),
        ("manage", "GET", f"/v1/resources/{resource}/effect?folder={other}", None, 404),
        ("manage", "POST", f"/v1/folders/{work}/shares", {"user": "carla", "level": "view"}, 200),
        ("manage", "PATCH", f"/v1/folders/{work}", {"parent": other}, 404),
        ("manage", "DELETE", f"/v1/folders/{work}", None, 409),
    ]
    for level, method, path, body, good in acts:
        if level == "view":
            assert status(bob, method, path, body) == 404, path
        else:
            share(ada, work, "basil", {"modify": "view", "manage": "modify"}[level])
            assert status(bob, method, path, body) == 403, path
        share(ada, work, "basil", level)
        got = bob.api.call(method, path, body)
        assert got.status == good, (method, path, got)
        ada.api.must("PATCH", f"/v1/resources/{resource}", {"folder": work})
    assert reads(carol, put(bob, "saw", work)[1]), "what somebody makes there is inherited too"
    for method, path, body in (
        ("POST", "/v1/folders", {"name": "x", "parent": other}),
        ("POST", "/v1/resources", {"name": "x", "folder": other}),
    ):
        assert status(bob, method, path, body) == 404
        assert status(bob, method, path, {**body, **{k: NOWHERE for k in ("parent", "folder") if k in body}}) == 404


def test_the_owner_of_a_folder_manages_what_others_put_there(ada, bob):
    yard = make(ada, "yard")
    share(ada, yard, "bob", "modify")
    inner = make(bob, "inner", yard)
    resource, account = put(bob, "lift", inner)
    assert reads(ada, account) and ada.api.must("GET", f"/v1/resources/{resource}")["level"] == "manage"
    assert status(ada, "PATCH", f"/v1/folders/{inner}", {"name": "shed"}) == 200
    unshare(ada, yard, "bob")
    assert reads(bob, account) and sees(bob)["lift"] == "shed", "what is their own stays their own"
    assert paths(bob) == {"shed": "owner"}


def test_moving_says_first_who_gains_and_who_loses(ada, bob, carol):
    source, target = make(ada, "source"), make(ada, "target")
    inner = make(ada, "inner", source)
    resource, account = put(ada, "pump", inner)
    share(ada, source, "bob", "modify")
    share(ada, target, "carol")
    ada.api.must("POST", f"/v1/resources/{resource}/shares", {"user": "bob", "level": "view"})

    def effect(path):
        rows = listed(ada, path, "changes")
        return {r["user"]["name"]: (r["before"], r["after"]) for r in rows}

    expected = {"bob": ("modify", "view"), "carol": (None, "view")}
    assert effect(f"/v1/resources/{resource}/effect?folder={target}") == expected
    assert effect(f"/v1/folders/{inner}/effect?parent={target}") == {"bob": ("modify", None), "carol": (None, "view")}
    assert effect(f"/v1/resources/{resource}/effect") == {"bob": ("modify", "view")}
    moved = ada.api.must("PATCH", f"/v1/folders/{inner}", {"parent": target})
    assert moved["path"] == "target/inner" and moved["parent"] == target
    assert sees(carol) == {"pump": "target/inner"} and sees(bob)["pump"] is None and reads(bob, account)
    assert ada.api.must("PATCH", f"/v1/resources/{resource}", {"folder": ""})["folder"] is None
    assert sees(carol) == {} and sees(ada)["pump"] is None and reads(bob, account), "direct shares are kept"


def test_folders_do_not_stand_in_themselves(ada):
    top = make(ada, "ring")
    below = make(ada, "below", top)
    for parent in (top, below):
        r = ada.api.call("PATCH", f"/v1/folders/{top}", {"parent": parent})
        assert r.status == 409 and "in itself" in r.detail, r
    last = below
    for n in range(18):
        last = make(ada, f"level {n}", last)
    assert ada.api.call("POST", "/v1/folders", {"name": "x", "parent": last}).code == "refused"
    assert ada.api.call("PATCH", f"/v1/folders/{top}", {"parent": make(ada, "over")}).code == "refused"


def test_names(ada, bob):
    """One name once beside each other, whoever sees it; at the top of what an owner has."""
    one = make(ada, "Names")
    assert status(ada, "POST", "/v1/folders", {"name": "names"}) == 409
    make(bob, "names")
    inner = make(ada, "names", one)
    assert status(ada, "PATCH", f"/v1/folders/{inner}", {"parent": ""}) == 409
    assert status(ada, "PATCH", f"/v1/folders/{inner}", {"parent": "", "name": "other names"}) == 200
    assert ada.api.call("POST", "/v1/folders", {"name": "a/b"}).code == "bad_field"
    for name in ("", " x", "x\u200b"):
        assert status(ada, "POST", "/v1/folders", {"name": name}) == 400, name
    for path, found in (
        ("NAMES", ["Names"]),
        ("other names", ["other names"]),
        ("nothing", []),
    ):
        assert [
            f["path"] for f in ada.api.must("GET", f"/v1/folders?path={path.replace(' ', '%20')}")["folders"]
        ] == found
    make(ada, "twice", one)
    make(ada, "twice", make(ada, "second"))
    said = ada.api.must("GET", "/v1/folders?path=twice")["folders"]
    assert {f["path"] for f in said} == {"Names/twice", "second/twice"}, "no more than what reads so"
    assert [f["path"] for f in ada.api.must("GET", "/v1/folders?path=second/twice")["folders"]] == ["second/twice"]


def test_names_of_resources(ada, bob, hire):
    """One name once where things stand beside each other: what somebody cannot see is in nobody's way, and is not told."""
    dora = hire("dora")
    east, west = make(ada, "east"), make(ada, "west")
    one, one_root = put(ada, "gate", east)
    assert status(ada, "POST", "/v1/resources", {"name": "GATE", "folder": east}) == 409
    two, two_root = put(ada, "gate", west)
    three, three_root = put(ada, "gate")
    put(dora, "gate")
    assert status(dora, "POST", "/v1/resources", {"name": "gate"}) == 409
    assert [r["suffix"] for r in listed(ada, "/v1/resources?name=gate", "resources")] == [None] * 3
    for body in ({"folder": west}, {"folder": ""}, {"folder": west, "name": "Gate"}):
        r = ada.api.call("PATCH", f"/v1/resources/{one}", body)
        assert r.status == 409 and "name there" in r.detail, r
    said = fails(ada.cli("get", "gate/root"), 1)
    assert "east/gate" in said and "west/gate" in said, said

    def means(person, word):
        return [x["id"] for x in person.api.must("GET", f"/v1/lookup?reference={word}")["accounts"]]

    assert means(ada, "west/gate/root") == [two_root] and sorted(means(ada, "gate/root")) == [
        one_root,
        two_root,
        three_root,
    ]
    assert len(means(dora, "gate/root")) == 1 and means(dora, "west/gate/root") == []
    ada.api.must("DELETE", f"/v1/resources/{one}", status=204)
    put(ada, "gate", east)
    assert status(ada, "POST", f"/v1/resources/{one}/restore", {}) == 409
    assert status(ada, "POST", f"/v1/resources/{one}/restore", {"name": "old gate"}) == 200
    ada.api.must("PATCH", f"/v1/resources/{three}", {"name": "front gate"})
    assert ada.api.must("PATCH", f"/v1/resources/{two}", {"folder": ""})["folder"] is None
    ada.api.must("POST", f"/v1/resources/{two}/offer", {"user": "dora"}, status=204)
    dora.api.must("POST", f"/v1/resources/{two}/offer/accept", status=204)
    suffixes = [r["suffix"] for r in listed(dora, "/v1/resources?name=gate", "resources")]
    assert len(suffixes) == 2 and all(suffixes), "what is taken over stays, marked"


def test_removed_when_it_is_empty(ada, bob):
    bin_ = make(ada, "old")
    inner = make(ada, "older", bin_)
    resource, _ = put(ada, "fax", inner)
    share(ada, bin_, "bob")
    r = ada.api.call("DELETE", f"/v1/folders/{bin_}")
    assert r.status == 409 and "1 folders and 0 resources" in r.detail, r
    assert status(ada, "DELETE", f"/v1/folders/{inner}") == 409
    ada.api.must("DELETE", f"/v1/resources/{resource}", status=204)
    for folder in (inner, bin_):
        ada.api.must("DELETE", f"/v1/folders/{folder}", status=204)
        assert status(ada, "GET", f"/v1/folders/{folder}") == 404
        assert status(ada, "DELETE", f"/v1/folders/{folder}") == 404
    assert "old" not in paths(bob) and "old" not in paths(ada)
    ada.api.must("POST", f"/v1/resources/{resource}/restore", {})
    assert sees(ada)["fax"] is None and "fax" not in sees(
        bob
    ), "what comes back into a folder that is gone stands at the top"
    make(ada, "old")


def test_why(ada, bob, carol):
    attic, loft = make(ada, "attic"), None
    loft = make(ada, "loft", attic)
    resource, account = put(ada, "clock", loft)
    share(ada, attic, "bob", "modify")
    share(ada, loft, "bob")

    def why(person, path, user):
        said = person.api.must("GET", f"{path}/why?user={user}")
        return said["level"], [(w["on"], w["level"], w["folder"]) for w in said["through"]]

    ways = [("folder", "modify", "attic"), ("folder", "view", "attic/loft")]
    assert (
        why(ada, f"/v1/accounts/{account}", "bob") == why(bob, f"/v1/resources/{resource}", "bob") == ("modify", ways)
    )
    assert why(ada, f"/v1/folders/{loft}", "bob") == ("modify", [ways[0], ("folder", "view", None)])
    assert why(ada, f"/v1/folders/{loft}", "ada")[0] == "owner"
    ada.api.must("POST", f"/v1/resources/{resource}/shares", {"user": "carol", "level": "manage"})
    level, said = why(carol, f"/v1/resources/{resource}", "bob")
    assert (level, {w[2] for w in said}) == (
        "modify",
        {None},
    ), "of folders that whoever asks does not see no name is said"
    assert status(bob, "GET", f"/v1/folders/{loft}/why?user=carol") == 403
    assert status(carol, "GET", f"/v1/folders/{loft}/why") == 404


class Model:
    """What the rules say, of people, folders, resources and shares."""

    def __init__(self):
        self.folders, self.resources, self.shares, self.members = {}, {}, {}, set()

    def way(self, folder):
        while folder:
            yield folder
            folder = self.folders[folder]["parent"]

    def granted(self, who, target):
        through = [who] + (["crew"] if who in self.members else [])
        return max([self.shares.get((target, p), 0) for p in through])

    def of_folder(self, who, folder):
        if self.folders[folder]["owner"] == who:
            return 4
        return max(max(self.granted(who, f), 3 if self.folders[f]["owner"] == who else 0) for f in self.way(folder))

    def of_resource(self, who, resource):
        r = self.resources[resource]
        if r["owner"] == who:
            return 4
        return max([self.granted(who, resource)] + [min(3, self.of_folder(who, r["folder"])) if r["folder"] else 0])


@pytest.mark.parametrize("seed", [1, 2])
def test_rights_are_what_the_rules_say(shared, hire, boss, seed):
    """By lot: folders and resources are made, moved and shared; then every list, search, look-up and reading of everybody is held against the rules."""
    lot, m = random.Random(seed), Model()
    people = {name: hire(f"{name}{seed}") for name in ("dan", "eve", "fay")}
    crew = boss.api.must("POST", "/v1/teams", {"name": f"crew{seed}"}, status=201)["id"]

    def step(n):
        name = lot.choice(list(people))
        who, folder, resource = people[name], lot.choice([None, *m.folders]), lot.choice([None, *m.resources])
        act = lot.randrange(9)
        if act in (0, 1):
            r = who.api.call(
                "POST", "/v1/folders", {"name": f"f{n}", "parent": folder or "", "description": "found by"}
            )
            assert (r.status == 201) == (not folder or m.of_folder(name, folder) >= 2), r
            if r.status == 201:
                m.folders[r.json["id"]] = {"parent": folder, "owner": name, "name": f"f{n}"}
        elif act in (2, 3):
            r = who.api.call("POST", "/v1/resources", {"name": f"r{seed} {n}", "folder": folder or ""})
            assert (r.status == 201) == (not folder or m.of_folder(name, folder) >= 2), r
            if r.status == 201:
                m.resources[r.json["id"]] = {"folder": folder, "owner": name}
        elif act == 4 and resource:
            may = m.of_resource(name, resource) >= 3 and (not folder or m.of_folder(name, folder) >= 2)
            r = who.api.call("PATCH", f"/v1/resources/{resource}", {"folder": folder or ""})
            assert (r.status == 200) == may, r
            if may:
                m.resources[resource]["folder"] = folder
        elif act == 5 and m.folders:
            moved = lot.choice(list(m.folders))
            may = m.of_folder(name, moved) >= 3 and (not folder or m.of_folder(name, folder) >= 2)
            may = may and moved not in m.way(folder)
            r = who.api.call("PATCH", f"/v1/folders/{moved}", {"parent": folder or ""})
            assert (r.status == 200) == may, r
            if may:
                m.folders[moved]["parent"] = folder
        elif act in (6, 7) and (folder or resource):
            target, kind, right = (folder, "folders", m.of_folder) if folder else (resource, "resources", m.of_resource)
            other, level = lot.choice([*people, "crew"]), lot.randrange(4)
            path, other_name = f"/v1/{kind}/{target}/shares", f"{other}{seed}"
            if level:
                body = {"user": other_name, "level": ["view", "modify", "manage"][level - 1]}
                r = who.api.call("POST", path, body)
            else:
                r = who.api.call("DELETE", f"{path}/{other_name}")
            given_up = not level and other == name and m.shares.get((target, other))
            may = right(name, target) >= 3 or bool(given_up)
            assert (r.status in (200, 201, 204)) == (may and bool(level or m.shares.get((target, other)))), r
            if may:
                m.shares[target, other] = level
        elif act == 8:
            if name in m.members:
                boss.api.must("DELETE", f"/v1/teams/{crew}/members/{who.id}", status=204)
            else:
                boss.api.must("POST", f"/v1/teams/{crew}/members", {"user": who.id})
            m.members ^= {name}

    for n in range(150):
        step(n)
    assert len(m.folders) > 10 and len(m.resources) > 10
    for name, who in people.items():
        rows = {r["id"]: r for r in listed(who, "/v1/resources", "resources")}
        expected = {r: level for r in m.resources if (level := m.of_resource(name, r))}
        assert {r: LEVELS[row["level"]] for r, row in rows.items()} == expected
        found = {r["id"] for r in listed(who, f"/v1/resources?q=r{seed}", "resources")}
        assert found == set(expected)
        for r in m.resources:
            one = who.api.call("GET", f"/v1/resources/{r}")
            assert (LEVELS[one.json["level"]] if one.status == 200 else 0) == expected.get(r, 0)
        folders = {f["id"]: f for f in listed(who, "/v1/folders?q=found", "folders")}
        assert {f: LEVELS[row["level"]] for f, row in folders.items()} == {
            f: level for f in m.folders if (level := m.of_folder(name, f))
        }
        assert len(paths(who)) == len(folders)
        for f, row in folders.items():
            seen = [m.folders[x]["name"] for x in m.way(f) if m.of_folder(name, x)]
            assert row["path"].split("/") == seen[::-1]
    assert json.loads(boss.cli("audit", "verify", "--tables", "--json").stdout)["good"]


def carol_of(hire):
    """Somebody who sees nothing."""
    return hire("cora")


def test_verbs(ada, bob, hire):
    """The way of a person through it, by paths."""
    ada.good("folder", "add", "cli", "--description", "found by")
    said = ada.good("folder", "add", "cli/racks")
    assert "cli/racks was made" in said
    assert "no folder" in fails(ada.cli("folder", "add", "cli/nowhere/x"), 1)
    ada.good("put", "blade/root", "--folder", "racks", input="secret\n")
    assert "blade/root" in (listing := ada.good("ls", "--folder", "cli/racks")) and "cli/racks" in listing
    assert "nothing found" in ada.good("ls", "--folder", "cli")
    ada.good("share", "--folder", "cli/racks", "bob", "modify")
    bob.accept_all()
    assert "bob" in ada.good("shares", "--folder", "racks")
    assert "racks" in bob.good("folder", "list") and "cli" not in bob.good("folder", "list")
    assert bob.good("get", "blade/root") == "secret\n"
    said = ada.good("why", "bob", "blade/root")
    assert "share of the folder with them: cli/racks" in said, said
    assert "owns the folder" in ada.good("why", "ada", "--folder", "racks")
    for word in ("cli/racks/blade/root", "racks/blade/root", "RACKS/blade/root"):
        assert ada.good("get", word) == "secret\n", word
    assert (
        ada.good("get", "racks/blade", "root")
        == ada.good("get", "racks/blade")
        == bob.good("get", "racks/blade/root")
        == "secret\n"
    )
    for person, word in (
        (ada, "acks/blade/root"),
        (ada, "cli/blade/root"),
        (bob, "cli/racks/blade/root"),
        (carol_of(hire), "blade/root"),
    ):
        fails(person.cli("get", word), 1)
    ada.good("rename", "--resource", "racks/blade", "blade")
    ada.good("folder", "add", "spare")
    said = ada.good("move", "blade", "spare", "--yes")
    assert "bob" in said and "modify" in said and "moved" in said, said
    fails(bob.cli("get", "blade/root"), 1)
    ada.good("move", "blade", "/", "--yes")
    ada.good("unshare", "--folder", "racks", "bob")
    ada.good("folder", "rename", "racks", "cages")
    assert "moved" in ada.good("folder", "move", "cli/cages", "/", "--yes")
    assert ada.json("folder", "list", "cli") == []
    ada.good("folder", "add", "cli/cages")
    said = fails(ada.cli("ls", "--folder", "/cages"), 1)
    assert json.loads(ada.cli("folder", "rename", "cli/cages", "boxes", "--json").stdout)["path"] == "cli/boxes"
    ada.good("folder", "add", "spare/boxes")
    said = fails(ada.cli("folder", "remove", "boxes"), 1)
    assert "cli/boxes" in said and "spare/boxes" in said, said
    for path in ("cli/boxes", "spare/boxes", "cages", "cli", "spare"):
        ada.good("folder", "remove", path)


def test_the_folders_of_who_leaves_go_with_the_rest(hire, boss, bob):
    gus = hire("gus")
    folder = make(gus, "legacy")
    _, account = put(gus, "ledger", folder)
    boss.api.must("POST", f"/v1/users/{gus.id}/leave", {"to": "bob"})
    assert paths(bob)["legacy"] == "owner" and reads(bob, account)
    assert status(bob, "PATCH", f"/v1/folders/{folder}", {"name": "heritage"}) == 200


def test_the_log_says_who_did_what(ada, shared, boss):
    folder = make(ada, "logged")
    ada.api.must("PATCH", f"/v1/folders/{folder}", {"name": "logged on"})
    resource, _ = put(ada, "logbook", folder)
    ada.api.must("PATCH", f"/v1/resources/{resource}", {"folder": ""})
    ada.api.must("DELETE", f"/v1/folders/{folder}", status=204)
    said = shared.sql(
        "SELECT kind, body::json->>'name', body::json->>'folder' FROM event WHERE kind IN "
        "(:FOLDER_CREATED, :FOLDER_CHANGED, :RESOURCE_CREATED, :RESOURCE_CHANGED, :FOLDER_REMOVED) ORDER BY seq DESC LIMIT 5"
    )
    assert [row[1:] for row in said] == [
        ["logged on", ""],
        ["", ""],
        ["logbook", folder],
        ["logged on", ""],
        ["logged", ""],
    ]
    assert json.loads(boss.cli("audit", "verify", "--tables", "--json").stdout)["good"]


def titles(rows):
    """{name: (level, the ways to it)} of what somebody sees."""
    said = {}
    for r in rows:
        last = r["folder"] or r["resource"]
        name = "/".join(filter(None, (r["path"], last["name"], r["account"] and r["account"]["login"])))
        assert name not in said and (r["kind"] == "folder") == (r["resource"] is None), r
        said[name] = (
            r["level"],
            [(w["on"], w["level"], w["team"] and w["team"]["name"], w["folder"]) for w in r["through"]],
        )
    return said


def test_what_somebody_sees_and_through_what(ada, boss, hire):
    sepp = hire("sepp")
    roofers = boss.api.must("POST", "/v1/teams", {"name": "roofers"}, status=201)["id"]
    boss.api.must("POST", f"/v1/teams/{roofers}/members", {"user": "sepp"})
    assert listed(sepp, "/v1/seen", "seen") == []
    roof = make(ada, "roof")
    tiles = make(ada, "tiles", roof)
    slate, _ = put(ada, "slate", tiles)
    nail, _ = put(ada, "nail", tiles)
    ladder, root = put(ada, "ladder")
    put(sepp, "hammer")
    gone, _ = put(ada, "gone", tiles)
    ada.api.must("DELETE", f"/v1/resources/{gone}", status=204)
    make(sepp, "bag")
    share(ada, roof, "roofers", "modify")
    for path, level in ((f"resources/{nail}", "manage"), (f"accounts/{root}", "view")):
        ada.api.must("POST", f"/v1/{path}/shares", {"user": "sepp", "level": level})
    through_roof = ("folder", "modify", "roofers", "roof")
    expected = {
        "bag": ("owner", [("folder", "owner", None, None)]),
        "hammer": ("owner", [("resource", "owner", None, None)]),
        "ladder/root": ("view", [("account", "view", None, None)]),
        "roof": ("modify", [("folder", "modify", "roofers", None)]),
        "roof/tiles": ("modify", [through_roof]),
        "roof/tiles/nail": ("manage", [("resource", "manage", None, None), through_roof]),
        "roof/tiles/slate": ("modify", [through_roof]),
    }
    rows = listed(sepp, "/v1/seen", "seen")
    assert titles(rows) == expected
    names = [(r["folder"] or r["resource"])["name"] for r in rows]
    assert names == sorted(names), "in the order of names, over all pages"
    for r in rows:
        what = r[r["kind"]]
        why = sepp.api.must("GET", f"/v1/{r['kind']}s/{what['id']}/why")
        assert (why["level"], why["through"]) == (r["level"], r["through"]), "as each says of itself"
    ways = {
        "own": {"bag", "hammer"},
        "share": {"roof/tiles/nail", "ladder/root"},
        "team": {"roof"},
        "folder": {"roof/tiles", "roof/tiles/nail", "roof/tiles/slate"},
    }
    for through, names in ways.items():
        said = titles(listed(sepp, f"/v1/seen?through={through}", "seen"))
        assert said == {n: expected[n] for n in names}, "all the ways to what comes through one of them"
    assert status(sepp, "GET", "/v1/seen?through=luck") == 400
    boss.api.must("DELETE", f"/v1/teams/{roofers}/members/sepp", status=204)
    assert set(titles(listed(sepp, "/v1/seen", "seen"))) == {"bag", "hammer", "ladder/root", "nail"}
    assert titles(listed(ada, "/v1/seen?through=share", "seen")) == {}
