# SPDX-License-Identifier: Apache-2.0
"""audit export and audit verify FILE: what an auditor holds without any key, and every way of tampering with it."""
import json
import signal
import subprocess

import pytest

from nodes import Person
from pair import PASSWORD
from wait import pass_time


@pytest.fixture(scope="module")
def exports(boss, folder):
    """An export, and a later one of the same log with more than one part."""
    old, new = folder / "old.export", folder / "new.export"
    first = boss.json("audit", "export", old)
    boss.good("put", "Exported/x", input="Never-In-The-Log-78\n")
    for _ in range(250):
        boss.api.must("GET", "/v1/audit?limit=1")
    second = boss.json("audit", "export", new)
    assert second["events"] > first["events"] + 250 and second["key"] == first["key"]
    return old, new, second


def check(node, *args):
    return node.run("audit", "verify", *args, check=False)


def broken(p, *words):
    assert p.returncode == 1, p.stdout + p.stderr
    assert not p.stdout
    for w in words:
        assert w in p.stderr, p.stderr


def lines_of(path):
    return path.read_text().splitlines(keepends=True)


def test_whole_and_readable(shared, boss, exports):
    old, new, said = exports
    text = new.read_text()
    assert "Never-In-The-Log-78" not in text and "password_hash" not in text and "sealed" not in text
    events = [l.split(" ", 4) for l in text.splitlines() if l.startswith("event ")]
    assert [int(e[2]) for e in events] == list(range(1, said["events"] + 1))
    kinds = [json.loads(e[4])["kind"] for e in events]
    assert kinds[0] == "node_created" and "version_added" in kinds
    assert sum(l.startswith("checkpoint ") for l in text.splitlines()) >= 2
    assert oct(new.stat().st_mode & 0o777) == "0o600"
    p = check(shared, new, "--against", old, "--key", said["key"], "--json")
    assert p.returncode == 0, p.stderr
    o = json.loads(p.stdout)
    assert o["good"] and o["events"] == said["events"] and o["key"] == said["key"] and o["against"] == str(old)
    assert "every signature fits" in check(shared, old).stdout


def test_an_existing_file_is_kept_unless_said(boss, folder):
    path = folder / "mine"
    path.write_text("not to be lost\n")
    p = boss.cli("audit", "export", path)
    assert p.returncode == 1 and str(path) in p.stderr and "--force" in p.stderr, p.stderr
    assert path.read_text() == "not to be lost\n"
    boss.good("audit", "export", path, "--force")
    assert path.read_text() != "not to be lost\n"
    assert [x.name for x in folder.glob("mine*")] == ["mine"]


def test_offline(shared, exports):
    """Neither session nor home is asked for."""
    p = shared.run(
        "audit",
        "verify",
        exports[1],
        check=False,
        env={"HOLDFAST_SESSION": "/nonexistent", "HOLDFAST_HOME": "/nonexistent"},
    )
    assert p.returncode == 0, p.stderr


def test_not_continued(shared, exports):
    old, new, _ = exports
    broken(check(shared, old, "--against", new), "the log was cut")


def test_wrong_key(shared, exports):
    broken(check(shared, exports[1], "--key", "00" * 32), "not by the one that was named")


def tamper(exports, folder, change):
    lines = lines_of(exports[1])
    first = next(i for i, l in enumerate(lines) if l.startswith("event "))
    change(lines, first)
    path = folder / "tampered.export"
    path.write_text("".join(lines))
    return path


def edit_event(lines, first):
    at = lines[first + 2].index('"at":"2') + 6
    lines[first + 2] = lines[first + 2][:at] + "1" + lines[first + 2][at + 1 :]


def edit_hash(lines, first):
    words = lines[first + 2].split(" ")
    words[3] = ("0" if words[3][0] != "0" else "1") + words[3][1:]
    lines[first + 2] = " ".join(words)


def edit_head(lines, first):
    lines[2] = "at 2020-01-01T00:00:00.000000Z\n"


def delete_event(lines, first):
    del lines[first + 2]


def swap_events(lines, first):
    lines[first + 2], lines[first + 3] = lines[first + 3], lines[first + 2]


def insert_event(lines, first):
    lines.insert(first + 2, lines[first + 1])


def delete_part(lines, first):
    """A whole signed part in front is taken out."""
    end = next(i for i, l in enumerate(lines) if l.startswith("checkpoint "))
    del lines[first : end + 1]


def cut_tail(lines, first):
    """Cut at a checkpoint, with the end put back."""
    end = next(i for i, l in enumerate(lines) if l.startswith("checkpoint "))
    lines[end + 1 :] = ["end\n"]


def edit_checkpoint(lines, first):
    end = next(i for i, l in enumerate(lines) if l.startswith("checkpoint "))
    lines[end] = lines[end][:-2] + ("0" if lines[end][-2] != "0" else "1") + "\n"


@pytest.mark.parametrize(
    "change, words",
    [
        (edit_event, ["events 1 to 200", "at least one was changed"]),
        (edit_hash, ["events 1 to 200", "at least one was changed"]),
        (edit_head, ["head was changed"]),
        (delete_event, ["event 3 of node", "here is event 4"]),
        (swap_events, ["event 3 of node", "here is event 4"]),
        (insert_event, ["event 3 of node", "here is event 2"]),
        (delete_part, ["event 1 of node", "here is event 201"]),
        (cut_tail, ["event 201 of node"]),
        (lambda lines, first: lines.pop(), ["the file was cut here"]),
        (lambda lines, first: lines.append("more\n"), ["something follows the end"]),
        (edit_checkpoint, ["signature of the checkpoint"]),
    ],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_tampering(shared, exports, folder, change, words):
    broken(check(shared, tamper(exports, folder, change)), "tampered.export, line", *words)


def test_another_vault(shared, exports, folder, new_node):
    """Signed well, but with the key of another master key."""
    n = new_node(folder="other")
    n.init()
    n.start()
    (folder / "other").mkdir()
    other = Person(n, "admin", n.setup_token(), PASSWORD, folder / "other")
    path = folder / "other.export"
    other.good("audit", "export", path)
    broken(check(shared, path, "--against", exports[0]), "different keys")


def test_a_changed_log_is_not_signed(running, admin, where):
    admin("put", "Changed/x", input="y\n")
    running.sql(
        "BEGIN; SET LOCAL session_replication_role = replica; UPDATE event SET address = '9.9.9.9' WHERE seq = 2; COMMIT"
    )
    broken(admin("audit", "export", where / "no.export", check=False), "event 2 of node")
    assert not list(where.glob("no.export*"))


def test_an_accepted_break_is_carried(running, admin, where):
    """Events are gone and others changed: refused, until that is accepted; then both exports and their comparison say so."""
    for i in range(6):
        admin("put", f"Kept/{i}", input="y\n")
    old = where / "old.export"
    before = json.loads(admin("audit", "export", old, "--json").stdout)["nodes"][0]["last_seq"]
    running.sql(
        "DELETE FROM event WHERE seq IN (4, 5); UPDATE event SET address = '9.9.9.9' WHERE seq = 9;"
        "UPDATE event SET body = '{}', hash = sha256('x') WHERE seq = 12"
    )
    broken(admin("audit", "export", where / "no.export", check=False), "event 4 of node")
    assert "3 breaks" not in admin("audit", "accept", "the disk was mended").stdout
    new = where / "new.export"
    said = json.loads(admin("audit", "export", new, "--json").stdout)
    assert [(b["from"], b["to"]) for b in said["accepted"]] == [(4, 6), (9, 9), (12, 12), (13, 13)]
    text = new.read_text()
    accepts = [b["by_seq"] for b in said["accepted"]]
    assert len(set(accepts)) == 1 and f" {accepts[0]} " in text and "the disk was mended" in text
    p = check(running, new, "--against", old, "--key", said["key"])
    assert p.returncode == 0, p.stderr
    assert (
        "3 events of the earlier export" in p.stdout
        and "but for what was accepted" in p.stdout
        and "accepted by event" in p.stdout
    )
    o = json.loads(check(running, new, "--against", old, "--json").stdout)
    assert o["lost"] == 3 and o["accepted"] == said["accepted"]
    # What came before stays as it was, a later export continues this one, and the word itself is signed.
    admin("put", "Later/x", input="y\n")
    later = where / "later.export"
    admin("audit", "export", later)
    p = check(running, later, "--against", new)
    assert p.returncode == 0 and "earlier export are missing" not in p.stdout, p.stdout + p.stderr
    lines = lines_of(new)
    at = next(i for i, l in enumerate(lines) if l.startswith("accepted "))
    (where / "less.export").write_text("".join(lines[:at] + lines[at + 1 :]))
    broken(check(running, where / "less.export"), "event 4 of node", "here is event 6")
    words = lines[at].split(" ")
    words[4] = str(before)  # all of it
    (where / "more.export").write_text("".join(lines[:at] + [" ".join(words)] + lines[at + 1 :]))
    broken(check(running, where / "more.export"), "signature of the accepted break")
    # Another break is none of them; nor is an acceptance that was made up.
    running.sql("UPDATE event SET address = '9.9.9.9' WHERE seq = 15")
    broken(admin("audit", "export", where / "no.export", check=False), "event 15 of node")
    running.sql(
        "UPDATE event SET body = replace(body, '\"resume\":9,', '\"resume\":9,  ') WHERE kind = :AUDIT_ACCEPTED"
    )
    broken(admin("audit", "export", where / "no.export", check=False), "event 4 of node")


def test_who_may(boss, hire, folder, exports):
    carl = hire("carl")
    p = carl.cli("audit", "export", folder / "carl.export")
    assert p.returncode == 1 and not list(folder.glob("carl.export*"))
    assert carl.api.get("/v1/audit/export").status == 403
    assert boss.api.get("/v1/audit/export?node=x").status == 400
    head = boss.api.must("GET", "/v1/audit/export")["heads"][0]
    assert boss.api.get(f"/v1/audit/export?node={head['node']}&after=99999999").status == 400


def test_usage(shared, boss, exports):
    assert boss.cli("audit", "verify", "--against", exports[0]).returncode == 2
    assert check(shared, "/nonexistent").returncode == 1


def test_stopped_leaves_nothing(shared, boss, folder, exports):
    """A signal while it runs: no file, no half of one, whatever the moment."""
    target = folder / "stopped.export"
    for delay in (0.01, 0.03, 0.06, 0.1):
        p = subprocess.Popen(
            shared.argv("audit", "export", target),
            env=dict(shared.env, HOLDFAST_SESSION=str(boss.session)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        pass_time(delay, "the signal comes at this moment of the run")
        p.send_signal(signal.SIGINT)
        p.wait(60)
        left = list(folder.glob("stopped.export*"))
        if p.returncode == 0 or left:  # a signal that came too late finds it whole
            assert left == [target] and check(shared, target).returncode == 0, (delay, left)
            target.unlink()
