# SPDX-License-Identifier: Apache-2.0
"""holdfast serve: one node's life and falls."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from stat import S_IMODE

import pytest
from memory import is_sanitized
from nodes import as_user, paragraph, processes_below
from pair import Failed, drop_prefix, give, stat_of
from wait import pass_time, still_true, wait_until


def wait_for(what, look, every=0.005):
    """What came, and the seconds it took."""
    begun = time.monotonic()
    return wait_until(what, look, every=every), time.monotonic() - begun


def serves(n):
    h = n.health()
    return h is not None and h[0] == 200


def answers(n):
    """Whether the database does."""
    try:
        return n.sql("SELECT 1") == [["1"]]
    except Failed:
        return False


def of_each(pids, name):
    """What /proc says of each process that is still there: PostgreSQL's workers come and go."""
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield pid, Path(f"/proc/{pid}/{name}").read_text()


def pid_of(n, what):
    pids = n.pids(what)
    return pids[0] if len(pids) == 1 else None


def test_starts_and_stops(node, record_property):
    begun = time.monotonic()
    node.start()
    seconds = time.monotonic() - begun
    record_property("seconds_to_ready", round(seconds, 3))
    print(f"\nserving after {seconds:.2f} s")
    assert node.health()[0] == 200
    tree = node.pids("all")
    assert {node._process_name(p) for p in tree} >= {"keyd", "vaultd", "agent"}
    if os.geteuid() == 0:
        looked = 0
        for pid, text in of_each(tree, "status"):  # nothing runs as root
            uids = re.search(r"^Uid:(.*)$", text, re.M)[1].split()
            assert "0" not in uids, (pid, uids)
            looked += 1
        assert looked >= 5, looked
    proc = node.proc
    node.stop()
    assert proc.returncode == 0
    assert not any(stat_of(p) for p in tree)
    assert processes_below(node.home) == []
    assert not (node.home / "data/pg/postmaster.pid").exists()  # shut down, not fallen


def test_nothing_is_searched_in_path(new_node):
    """PostgreSQL's programs are found, and find themselves and each other, without it; nor is a locale or a home needed."""
    n = new_node(env={"PATH": "/nonexistent", "LANG": "xx_YY.UTF-8", "LC_ALL": "xx_YY.UTF-8", "HOME": "/nonexistent"})
    n.init()
    n.start()
    assert n.health()[0] == 200
    (postmaster,) = n.pids("postmaster")
    program = Path(f"/proc/{postmaster}/cmdline").read_bytes().split(b"\0")[0].decode()
    assert program == os.readlink(
        f"/proc/{postmaster}/exe"
    ), "PostgreSQL finds itself by the path that it is started with"
    n.stop()


def test_ctrl_c_stops_it_too(running):
    proc, tree = running.proc, running.pids("all")
    os.killpg(proc.pid, signal.SIGINT)  # as the terminal does: to the whole group
    assert proc.wait(60) == 0
    assert not any(stat_of(p) for p in tree)


def test_stopped_while_starting(node):
    for after in (0.0, 0.05, 0.15, 0.3):
        node.start(wait=False)
        proc = node.proc
        pass_time(after, "the signal comes at this moment of the start")
        proc.send_signal(signal.SIGTERM)
        assert proc.wait(60) in (0, -signal.SIGTERM), after  # it may not have come as far as to listen to it
        wait_until("no process is left", lambda: processes_below(node.home), lambda left: left == [])
    node.start()
    assert serves(node)


def test_stops_though_a_process_is_frozen(running):
    """A second signal makes it hard."""
    proc = running.proc
    os.kill(pid_of(running, "vaultd"), signal.SIGSTOP)
    proc.send_signal(signal.SIGTERM)
    wait_until("it has begun to stop", running.log.read_text, lambda text: "supervisor: stopping" in text)
    still_true("it waits for the frozen process", proc.poll, 0.5, lambda ended: ended is None)
    proc.send_signal(signal.SIGTERM)
    assert proc.wait(60) == 0
    assert processes_below(running.home) == []
    running.proc = None
    running.start()
    assert serves(running)


def test_small_when_idle(running, record_property):
    """The whole idle node, shared pages counted once; what the start took is given back by then."""

    def kib():
        return sum(int(re.search(r"^Pss: +(\d+)", t, re.M)[1]) for _, t in of_each(running.pids("all"), "smaps_rollup"))

    most = (1 << 40) if is_sanitized(running.holdfast) else 120 << 10
    total = wait_until("the idle node is small", kib, lambda seen: 0 < seen < most, every=1)
    print(f"\nidle: {total / 1024:.1f} MiB")
    record_property("idle_mib", round(total / 1024, 1))


def test_second_serve_is_refused_and_names_the_first(running):
    p = running.run("serve", "--home", running.home, check=False)
    assert p.returncode == 1 and f"process {running.proc.pid};" in p.stderr
    assert serves(running)


def test_vaultd_killed_while_the_key_is_gone(running, record_property):
    """The key file is needed at the start alone."""
    running.key_file.rename(str(running.key_file) + ".safe")
    old, times = pid_of(running, "vaultd"), []
    for _ in range(3):
        os.kill(old, signal.SIGKILL)
        _, seconds = wait_for(
            "another vaultd serves", lambda: (new := pid_of(running, "vaultd")) and new != old and serves(running)
        )
        times.append(seconds)
        old = pid_of(running, "vaultd")
    print(f"\nserving again after {', '.join(f'{1000 * s:.0f}' for s in times)} ms")
    record_property("ms_to_serve_again", [round(1000 * s) for s in times])
    assert min(times) < 5  # the goal is 500 ms, on a machine that has nothing else to do


def test_keyd_killed_while_the_key_is_gone(running):
    """Without keys nothing is revealed; the rest lives on, and the key's return mends it."""
    safe = Path(str(running.key_file) + ".safe")
    running.key_file.rename(safe)
    vaultd = pid_of(running, "vaultd")
    os.kill(pid_of(running, "keyd"), signal.SIGKILL)
    status = lambda: (running.health() or [0])[0]
    wait_until("nothing is revealed", status, lambda code: code == 503)
    still_true(
        "nothing is revealed, and the node lives on",
        lambda: (status(), running.proc.poll()),
        1,
        lambda seen: seen == (503, None),
    )
    assert pid_of(running, "vaultd") == vaultd
    safe.rename(running.key_file)
    wait_for("it serves", lambda: serves(running))
    assert pid_of(running, "vaultd") == vaultd


def test_keyd_killed_with_the_key_there(running):
    os.kill(pid_of(running, "keyd"), signal.SIGKILL)
    wait_for("it serves", lambda: serves(running))


def test_postmaster_killed(running):
    vaultd, old = pid_of(running, "vaultd"), pid_of(running, "postmaster")
    os.kill(old, signal.SIGKILL)
    _, seconds = wait_for("PostgreSQL answers, and the node serves", lambda: answers(running) and serves(running))
    print(f"\nPostgreSQL again after {seconds:.2f} s")
    assert pid_of(running, "vaultd") == vaultd and pid_of(running, "postmaster") != old


def test_agent_killed(running):
    (old,) = running.signal("agent", signal.SIGKILL)
    wait_for("there is another agent", lambda: (p := pid_of(running, "agent")) and p != old)
    assert serves(running)


def test_supervisor_killed(running):
    """Nobody outlives the supervisor, and the next serve finds its way."""
    tree = running.pids("all")
    os.kill(running.proc.pid, signal.SIGKILL)
    running.proc.wait(5)
    running.proc = None
    running.start()  # at once, while the old ones may still be ending, and answering
    wait_for("none of the old processes is left", lambda: not any(stat_of(p) for p in tree))
    wait_for("the new ones serve", lambda: serves(running))


def test_a_whole_node_killed(running):
    running.kill()
    running.start()
    assert serves(running)


def test_folders_that_a_start_makes_anew(node):
    """H14: what a copy of the home left out and holds no data is there again; what is data is not made up."""
    for name in ("run", "replication"):
        shutil.rmtree(node.home / name)
    node.start()
    assert serves(node)
    assert "since it was missing: replication, run" in node.log.read_text()
    for name in ("run", "replication"):
        assert S_IMODE((node.home / name).stat().st_mode) == 0o700
    shutil.rmtree(node.home / "run")
    refused(node, "still runs, as process", lives=True)
    assert not (node.home / "run").exists()
    node.kill()
    (node.home / "data").rename(node.home / "away")
    refused(node, "no data")
    assert not (node.home / "data").exists()


@pytest.mark.parametrize("named", ["a stranger", "nobody"])
def test_lock_files_that_name_no_postgresql(running, named):
    """H14: after a fall of the machine a number in them is another program's, or they are empty: the node starts, and harms nobody."""
    running.kill()
    stranger = subprocess.Popen([*drop_prefix(), "sleep", "600"])
    try:
        first = f"{stranger.pid}\n" if named == "a stranger" else ""
        locks = [running.home / "data/pg/postmaster.pid", *(running.home / "run").glob(".s.PGSQL.*.lock")]
        assert len(locks) == 2
        for lock in locks:
            lock.write_text(first and first + lock.read_text().split("\n", 1)[1])
        (running.home / "run/holdfast.pid").write_text(first)
        running.start()
        assert serves(running)
        assert "which PostgreSQL left behind" in running.log.read_text()
        running.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_shared_memory_is_removed(running):
    """H14: systemd does that to a user who logs out (RemoveIPC). Connections of before go on, and no new one can be made: PostgreSQL is started
    anew, by itself, and the log says why."""
    mapped = {
        Path(line.split()[5])
        for _, maps in of_each(running.pids("postgres"), "maps")
        for line in maps.splitlines()
        if "/dev/shm/" in line
    }
    assert mapped and all(p.name.startswith("PostgreSQL.") for p in mapped)
    before = pid_of(running, "postmaster")
    for path in mapped:
        path.unlink()
    wait_until("nobody is let in", lambda: not answers(running))
    running.signal("vaultd", signal.SIGKILL)
    wait_until("it serves again", lambda: answers(running) and serves(running), also=running.log_tail)
    assert pid_of(running, "postmaster") != before
    assert re.search("has let nobody in for .*PostgreSQL", running.log.read_text())


def test_hangup_reads_the_settings_again(running):
    before = running.pids("all")
    running.set("session_idle", "600000")
    running.set("slot_limit_mb", "100")
    running.read_settings()
    wait_until(
        "PostgreSQL goes by it", lambda: running.sql("SHOW max_slot_wal_keep_size"), lambda rows: rows == [["100MB"]]
    )
    assert serves(running)
    assert set(running.pids("all")) & set(before) >= set(before[:1]) and pid_of(running, "vaultd") in before


def test_hangup_with_a_bad_file_changes_nothing(running):
    running.set("session_idle", "nonsense")
    running.signal_supervisor(signal.SIGHUP)
    wait_until("the log names the setting", running.log.read_text, lambda text: "session_idle" in text)
    assert serves(running)


def test_falls_too_often_and_says_so(running):
    def kill():
        for pid in running.pids("vaultd"):
            running._quietly(pid, signal.SIGKILL)
        return running.proc.poll()

    assert wait_until("the node gives up", kill, lambda ended: ended is not None, every=0.01) == 1
    assert "vaultd" in running.log_tail(20) and "times" in running.log_tail(20)
    assert processes_below(running.home) == []


def test_key_named_on_the_command_line(node, where):
    moved = where / "elsewhere.key"
    node.key_file.rename(moved)
    proc = subprocess.Popen(
        node.argv("serve", "--home", node.home, "--key-file", moved),
        stdout=subprocess.DEVNULL,
        stderr=open(node.log, "ab"),
    )
    node.proc = proc
    node.wait_ready()
    node.stop()
    assert proc.returncode == 0


# ---- starts that wait for what comes by itself, and go on ----


@contextlib.contextmanager
def systemd(n):
    """Takes what the node tells systemd; gives a function for all that was told so far."""
    path, told = n.home.parent / "notify", []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))
        give(path)
        s.setblocking(False)
        n.env["NOTIFY_SOCKET"] = str(path)

        def so_far():
            with contextlib.suppress(BlockingIOError):
                while True:
                    told.append(s.recv(4096).decode())
            return told

        yield so_far


def said_waiting(n):
    return [line for line in n.log.read_text().splitlines() if "the start waits, and goes on by itself" in line]


@pytest.mark.parametrize("named", ["in the home", "on the command line"])
def test_key_not_there_yet(node, named):
    """H14: a device that is connected after the start is enough; nobody has to type anything, and systemd keeps its patience."""
    away = node.key_file.rename(node.key_file.with_suffix(".away"))
    more = []
    if named == "on the command line":
        (node.home / "conf/manage_key.conf").unlink()
        more = ["--key-file", node.key_file]
    with systemd(node) as told:
        node.start(wait=False, more=more)
        wait_until("it says what it waits for", lambda: said_waiting(node), also=node.log_tail)
        still_true("once", lambda: (len(said_waiting(node)), node.proc.poll()), 2.5, lambda s: s == (1, None))
        assert str(node.key_file) in said_waiting(node)[0] and "device" in said_waiting(node)[0]
        assert any(t.startswith("STATUS=waiting: ") and str(node.key_file) in t for t in told())
        assert any(t.startswith("EXTEND_TIMEOUT_USEC=") for t in told())
        assert not any("READY=1" in t for t in told())
        away.rename(node.key_file)
        node.wait_ready()
        assert serves(node)
        wait_until("systemd knows", told, lambda all: any("READY=1\nSTATUS=serving" == t for t in all))


def test_stopped_while_it_waits(node):
    """Every waiting has an exit: at once, in order, and nothing is left."""
    node.key_file.unlink()
    for number in (signal.SIGTERM, signal.SIGINT):
        node.log.write_text("")
        node.start(wait=False)
        wait_until("it waits", lambda: said_waiting(node), also=node.log_tail)
        proc = node.proc
        proc.send_signal(number)
        assert proc.wait(60) == 0
        assert processes_below(node.home) == []


def test_what_does_not_pass_ends_a_start_that_waits(node):
    """A key that is the wrong one; a port that another program holds, though the key is missing too."""
    key = node.key_file
    away = key.rename(key.with_suffix(".away"))
    with socket.create_server(("127.0.0.1", node.port)):
        refused(node, str(node.port), "in use by another program", "listen")
    node.start(wait=False)
    wait_until("it waits", lambda: said_waiting(node), also=node.log_tail)
    node.run("key", "new", away.with_suffix(".other"))
    give(away.with_suffix(".other"))
    away.with_suffix(".other").rename(key)
    assert node.proc.wait(60) == 1
    assert "not the one" in node.log.read_text()


# ---- starts that are refused: one paragraph, exit 1, nothing left running ----


def refused(n, *why, args=(), env=None, timeout=120, lives=False):
    p = subprocess.run(
        n.argv("serve", "--home", n.home, *args),
        capture_output=True,
        text=True,
        timeout=timeout,
        env=dict(n.env, **(env or {})),
    )
    text = paragraph(p)
    assert p.returncode == 1, text
    for w in why:
        assert w in text, text
    assert lives or processes_below(n.home) == []
    return text


def test_no_home(new_node):
    n = new_node()
    refused(n, "does not exist", "holdfast init")
    n.home.mkdir()
    refused(n, "holdfast init")


def test_secondary_without_pack(new_node):
    n = new_node("b.example")
    n.init(secondary=True)
    refused(n, "HAPack", "ha setup")


def test_key_place_not_said(node):
    (node.home / "conf/manage_key.conf").unlink()
    refused(node, "conf/manage_key.conf", "--key-file")


def test_key_of_another_node(node):
    node.key_file.unlink()
    node.run("key", "new", node.key_file)
    give(node.key_file)
    refused(node, "not the one")


def test_key_readable_by_others(node):
    node.key_file.chmod(0o444)
    refused(node, str(node.key_file))


def test_key_inside_the_home(node):
    inside = node.home / "master.key"
    node.key_file.rename(inside)
    refused(node, "inside the home", args=["--key-file", inside])
    (node.home / "conf/manage_key.conf").write_text(f"{inside}\n")
    refused(node, "inside the home")


def test_keys_cannot_be_locked(node):
    """With a limit of nothing they could reach the swap; whoever says that this may be is not kept out."""
    node.prefix = [*drop_prefix(), "prlimit", "--memlock=0:0"]
    refused(node, "cannot be locked", "LimitMEMLOCK", "lock_keys = false")
    node.set("lock_keys", "false")
    node.start(wait=False)
    node.prefix = []
    node.wait_ready()
    assert "lock_keys = false" in node.log.read_text()


def test_port_taken(node):
    with socket.create_server(("127.0.0.1", node.port)):
        refused(node, str(node.port), "in use by another program", "listen")


def test_postgresql_of_another_major(node):
    (node.home / "data/pg/PG_VERSION").write_text("98\n")
    refused(node, "PostgreSQL 98", "install postgresql-98")


def test_postgresql_missing(node):
    refused(node, "HOLDFAST_PG_BIN", "/nonexistent", env={"HOLDFAST_PG_BIN": "/nonexistent"})


def with_cluster(n, sql):
    """Runs SQL while nothing else serves the home."""
    n.start()
    n.sql(sql)
    n.stop()


def test_newer_data(node):
    with_cluster(node, "INSERT INTO schema_migration (number, name, sha256) VALUES (9999, 'future', repeat('0', 64))")
    refused(node, "newer")


def test_foreign_data(node):
    with_cluster(node, "DROP TABLE schema_migration CASCADE")
    refused(node, "not made by Holdfast")


def test_postgresql_does_not_start(node):
    with open(node.home / "data/pg/postgresql.auto.conf", "a") as f:
        f.write("no_such_setting = 1\n")
    refused(node, "PostgreSQL does not start", "no_such_setting")


def test_settings_misunderstood(node):
    node.set("listn", "x")
    refused(node, "listn", "line")


def test_disk_full(node, where):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    disk = where / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "holdfast-test", disk], check=True)
    try:
        give(disk)
        subprocess.run(["cp", "-a", node.home, disk / "home"], check=True)
        node.home = disk / "home"
        left = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        as_user("dd", "if=/dev/zero", f"of={disk}/ballast", "bs=1M", f"count={max(0, (left >> 20) - 3)}")
        refused(node, "is full", "MiB")
        (disk / "ballast").unlink()
        node.start()
        assert serves(node)
        node.stop()
    finally:
        node.end()
        subprocess.run(["umount", disk], check=True)


def segments_of(pid):
    """The segments of shared memory that a process has made."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()
    at = lines[0].split().index("cpid")
    return [l for l in lines[1:] if l.split()[at] == str(pid)]


def test_a_node_that_a_test_is_done_with_leaves_nothing(running):
    """Neither processes, one of them paused, nor shared memory, of which the tests of a day would take all that a system has."""
    everybody, [postmaster] = running.pids("all"), running.pids("postmaster")
    assert segments_of(postmaster)
    running.signal("postgres", signal.SIGSTOP)
    running.end()
    assert not segments_of(postmaster)
    assert not [pid for pid in everybody if stat_of(pid)]
