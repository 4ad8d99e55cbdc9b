# SPDX-License-Identifier: Apache-2.0
"""Machines that have nothing but what Debian's bootstrap gives.

A release's root is made once (debootstrap, kept as a tar file in the user's cache folder). A machine is an overlay on it, in
namespaces of its own: mounts, processes, names, and where asked a network and control groups. Everything here is mounted in
the private mount namespace of the program that uses it (private_mounts), so that nothing is left of it, however it ends.

    m = Machine("bare", folder, [root]).start()          a machine whose first process only waits
    m = Machine("vault-a", folder, [root], boots=True)   one that is started by systemd, with a network of its own
"""
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from pair import STOCK_PATH as PATH  # noqa: E402
from wait import wait_until  # noqa: E402

CACHE_DAYS = 14
LIVING = (
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/tmp",
    "/var/tmp",
    "/var/log",
    "/var/cache",
    "/var/lib/apt",
    "/var/lib/systemd",
    "/var/lib/dbus",
    "/var/.updated",
    "/etc/.updated",
    "/root",
    "/home",
    "/media",
    "/srv",
)
ROOM_MIB = 8192  # of memory that is free: then the machines lie in it
MARK = "HOLDFAST_TEST_PRIVATE_MOUNTS"


class Impossible(Exception):
    """What is asked for cannot be had on this machine: what needs it is skipped."""


def told_of(said):
    """Its end, and before that the lines in which tests say what failed: nothing is left of the machine to look at."""
    failed = [l for l in said.splitlines() if re.match(r"\[ +(FAILED|ERROR|LINE) +\]|FAILED |E  ", l)]
    return "\n".join([*failed[:40], said[-3000:]])


class Failed(Exception):
    """A command on a machine did not do what was asked."""


def sh(*argv, **kw):
    return subprocess.run(
        [str(a) for a in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **kw,
    )


def private_mounts():
    """Begins this program anew in a mount namespace of its own: what it mounts is gone when it has ended."""
    if os.environ.get(MARK) == str(os.getpid()):
        return
    if os.geteuid() != 0:
        raise Impossible("needs root: a machine is made of mounts and namespaces")
    for tool in ("debootstrap", "unshare", "nsenter", "setpriv", "git"):
        if not shutil.which(tool):
            raise Impossible(f"needs {tool}")
    if subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Impossible("mount namespaces cannot be made here")
    os.environ[MARK] = str(os.getpid())  # exec keeps it
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])


def own_sources():
    """[(address, what follows the release's name, component)] of the archive that this machine itself uses for its own release."""
    own = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)
    targets = sh(
        "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"
    ).stdout
    found = []
    for line in targets.splitlines():
        words = line.split()
        if own and len(words) == 3 and re.fullmatch(rf"{own[1]}(-updates|-security)?", words[1]):
            found.append((words[0].rstrip("/"), words[1].removeprefix(own[1]), words[2]))
    mirror = [uri for uri, suffix, component in found if suffix == "" and component == "main"]
    if not mirror:
        raise Impossible("this machine's own apt names no archive of its release")
    return mirror[0], found


def own_apt_conf():
    """How this machine reaches the archive: proxies, and what it does not insist on."""
    wanted = re.compile(r"^Acquire::(https?::|Check-|Retries|ForceIPv|AllowInsecure|Max-)")
    lines = [line for line in sh("apt-config", "dump").stdout.splitlines() if wanted.match(line)]
    for kind in ("http", "https"):
        proxy = os.environ.get(f"{kind}_proxy")
        if proxy:
            lines.append(f'Acquire::{kind}::Proxy "{proxy}";')
    return "\n".join(lines) + "\n"


def bootstrapped(release, cache, work, say):
    """The tar file of a release's minimal root; made when there is none, or an old one."""
    kept = cache / f"{release}-minbase.tar"
    if kept.exists() and time.time() - kept.stat().st_mtime < CACHE_DAYS * 86400:
        return kept
    mirror, found = own_sources()
    root = work / f"{release}-bootstrap"
    say(f"debootstrap: {release} from {mirror}")
    argv = [
        "debootstrap",
        "--variant=minbase",
        *(["--include=ca-certificates"] if mirror.startswith("https") else []),
        release,
        root,
        mirror,
    ]
    # It ends with us, and what it mounts ends with it.
    p = sh("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", *argv)
    if p.returncode != 0:
        raise Impossible(f"debootstrap cannot make {release}: {' '.join(p.stdout.split()[-30:])}")
    lines = [f"deb {uri} {release}{suffix} {component}" for uri, suffix, component in found]
    (root / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
    (root / "etc/apt/apt.conf.d/00fresh").write_text(own_apt_conf())
    (root / "etc/dpkg/dpkg.cfg.d/00fresh").write_text("force-unsafe-io\n")  # it is thrown away anyway
    for deb in (root / "var/cache/apt/archives").glob("*.deb"):
        deb.unlink()
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f"{release}-{os.getpid()}.part"
    try:
        p = sh("tar", "--numeric-owner", "--one-file-system", "-cf", part, "-C", root, ".")
        if p.returncode != 0:
            raise Impossible(f"cannot keep {release} in {cache}: {p.stdout.strip()}")
        part.rename(kept)
    finally:
        part.unlink(missing_ok=True)
        shutil.rmtree(root, ignore_errors=True)
    return kept


def unpacked(release, cache, work, say):
    root = work / release
    tar = bootstrapped(release, cache, work, say)
    root.mkdir()
    p = sh("tar", "--numeric-owner", "-xpf", tar, "-C", root)
    if p.returncode != 0:
        tar.unlink()
        raise Failed(f"cannot unpack {tar}: {p.stdout.strip()}")
    return root


def place_in_memory(folder):
    """Where machines lie: in memory where there is plenty (there is a lot of unpacking and syncing), else on the disk."""
    free = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
    if free and int(free[1]) >> 10 >= ROOM_MIB:
        return sh("mount", "-t", "tmpfs", "-o", f"mode=755,size={int(free[1]) // 2}k", "fresh", folder).returncode == 0
    return False


ENTER = r"""
exec 9>&1 >>"$log" 2>&1
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$scratch" "$root"
cd "$root"
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o nosuid,nodev,noexec sysfs sys
[ -z "$boots" ] || mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,nosuid dev dev
for d in null zero full random urandom tty; do cp -a /dev/$d dev/; done
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=1777 shm dev/shm
[ -z "$boots" ] || mount -t tmpfs -o mode=755 run run
echo "$name" >etc/hostname
hostname "$name"
[ -n "$boots" ] || cat /etc/resolv.conf >etc/resolv.conf
# The root must be a mount of its own, not a folder that chroot names: systemd gives each service a view of its own of it.
pivot_root . mnt
umount -l mnt
exec <&-
echo ready >&9
exec 9>&-
[ -z "$boots" ] || exec env -i container=fresh PATH=$PATH /lib/systemd/systemd --log-target=journal --show-status=no
exec env -i PATH=$PATH sh -c 'while :; do sleep 3600; done'
"""


class Machine:
    running = []

    @staticmethod
    def stop_all():
        for m in list(Machine.running):
            m.stop()

    def __init__(self, name, folder, lower, boots=False, log=None):
        self.name, self.folder, self.lower, self.boots = name, Path(folder), list(lower), boots
        self.log = Path(log or self.folder / "log")
        self.proc = self.first = self.group = None
        self.cwd = "/root"

    @property
    def upper(self):
        """All that this machine has and the roots below it have not."""
        return self.folder / "upper"

    def start(self):
        for part in ("root", "upper", "scratch"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        env = {
            "PATH": PATH,
            "name": self.name,
            "root": str(self.folder / "root"),
            "upper": str(self.upper),
            "scratch": str(self.folder / "scratch"),
            "lower": ":".join(map(str, self.lower)),
            "log": str(self.log),
            "boots": "yes" if self.boots else "",
        }
        own = ["--net", "--cgroup"] if self.boots else []
        argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", *own, "sh", "-euc", ENTER]
        if self.boots:
            self.group = control_group(f"holdfast-fresh-{os.getpid()}-{self.folder.name}")
            argv = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(self.group), *argv]
        self.proc = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *argv],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        Machine.running.append(self)
        if self.proc.stdout.readline() != "ready\n":
            self.stop()
            raise Impossible(f"no machine can be made here: {' '.join(self.log.read_text().split()[-30:])}")
        self.first = int(Path(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children").read_text().split()[0])
        if self.boots:
            self.wait(
                lambda: self.run("systemctl is-system-running", check=False).stdout.strip() in ("running", "degraded"),
                "systemd to be up",
            )
            self.run("ip link set lo up", check=False)
        return self

    def stop(self):
        """Like pulling the plug."""
        if self.proc:
            self.proc.kill()  # and the kernel ends the first process, and with it all the others
            self.proc.wait()
            self.proc.stdout.close()
        if self.first:
            self.wait(lambda: not Path(f"/proc/{self.first}").exists(), "its processes to end", alive=False)
        if self.group:
            self.wait(lambda: remove_group(self.group), "its control groups to be empty", alive=False)
        self.proc = self.first = self.group = None
        if self in Machine.running:
            Machine.running.remove(self)

    def argv(self, script, user=None, login=False):
        """login: as somebody who has logged in, with their shell's own PATH; else an environment of PATH alone."""
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        env = ["env", "-i", f"PATH={PATH}", *(["HOME=/root", "TERM=dumb"] if login else [])]
        shell = ["bash", "-lc"] if login else ["sh", "-c"]
        strict = "" if user or login else "umask 077 && "  # as careful administrators have it
        return [
            "nsenter",
            "-t",
            str(self.first),
            "-a",
            *env,
            *who,
            *shell,
            f"{strict}cd {shlex.quote(self.cwd)} && {script}",
        ]

    def run(self, script, user=None, login=False, check=True, input="", timeout=120):
        """Standard output and standard error are one text."""
        with open(self.log, "a") as log:
            log.write(f"\n--- {self.name}{' as ' + user if user else ''}: {script}\n")
            log.flush()
            try:
                p = subprocess.run(
                    self.argv(script, user, login),
                    input=input,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    timeout=timeout,
                    start_new_session=True,
                )
            except subprocess.TimeoutExpired as e:
                said = (e.stdout or b"").decode(errors="replace")
                log.write(said)
                raise Failed(f"{script}: not done after {timeout} s\n{told_of(said)}") from None
            log.write(p.stdout)
        if check and p.returncode != 0:
            raise Failed(f"{script}: exit {p.returncode}\n{told_of(p.stdout)}")
        return p

    def put(self, path, text, mode=0o644):
        """A file on it, written from outside."""
        to = Path(f"/proc/{self.first}/root{path}")
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(text if isinstance(text, bytes) else text.encode())
        to.chmod(mode)

    def get(self, path):
        return Path(f"/proc/{self.first}/root{path}").read_bytes()

    def wait(self, what, text, seconds=60, alive=True):
        def look():
            seen = what()
            if not seen and alive and self.proc.poll() is not None:
                raise Failed(f"{self.name} has ended: {' '.join(self.log.read_text().split()[-30:])}")
            return seen

        wait_until(f"{self.name}: {text}", look, timeout=seconds, every=0.1, error=Failed)

    def files(self):
        """Every file and folder with its kind, mode and owner, but what a machine's own life changes."""
        skip = " -o ".join(f"-path {shlex.quote(p)}" for p in LIVING)
        return set(self.run(f"find / -xdev \\( {skip} \\) -prune -o -printf '%p %y %m %U:%G\\n'").stdout.splitlines())

    def processes(self):
        """Those that stay: no kernel threads here, and not the first."""
        return [
            line
            for line in self.run(
                "for p in /proc/[0-9]*; do [ \"${p#/proc/}\" = 1 ] || tr '\\0' ' ' <$p/cmdline; echo; done", check=False
            ).stdout.splitlines()
            if line.strip() and not line.startswith(("sh -c umask", "sleep 3600", "tr "))
        ]


def join_networks(a, b, addresses):
    """A cable between two machines, eth0 on both."""
    if (
        sh(
            "nsenter",
            "-t",
            a.first,
            "-n",
            "ip",
            "link",
            "add",
            "eth0",
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            b.first,
        ).returncode
        != 0
    ):
        raise Impossible("two machines cannot be connected here (veth)")
    for m, address in zip((a, b), addresses):
        for words in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            p = sh("nsenter", "-t", m.first, "-n", "ip", *words.split())
            if p.returncode != 0:
                raise Failed(p.stdout)


def control_group(name):
    top = Path("/sys/fs/cgroup")
    if not (top / "cgroup.procs").exists():  # beside the older kind
        top = top / "unified"
    group = top / name
    try:
        group.mkdir()
    except OSError as e:
        raise Impossible(f"systemd needs a control group (version 2) of its own: {e.strerror}") from None
    return group


def remove_group(group):
    for folder, _, _ in os.walk(group, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            return False
    return True
