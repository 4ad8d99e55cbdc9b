# SPDX-License-Identifier: Apache-2.0
"""What make install puts where, and that man page and completion know every verb."""
import os
import pty
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from verbs import verbs_of

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("HOLDFAST", str(ROOT / "build/test/src/cmd/holdfast"))


def install(*args):
    """As somebody whose files nobody else may read by default."""
    subprocess.run([str(ROOT / "packaging/install.sh"), *args], check=True, capture_output=True, umask=0o077)


def test_removing_leaves_what_was_there_before(tmp_path):
    (tmp_path / "usr/share/man").mkdir(parents=True)
    (tmp_path / "usr/share/doc/other").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    install(PROGRAM, "/usr", str(tmp_path))
    made = set(tmp_path.rglob("*")) - set(before)
    assert {oct(p.stat().st_mode & 0o777) for p in made if p.is_dir()} == {"0o755"}
    assert {oct(p.stat().st_mode & 0o777) for p in made if p.is_file()} == {"0o644", "0o755"}
    install(PROGRAM, "/usr", str(tmp_path))  # an upgrade
    (tmp_path / "usr/share/zsh/theirs").write_text("")
    install("--remove", "/usr", str(tmp_path))
    assert sorted(tmp_path.rglob("*")) == sorted(
        [*before, tmp_path / "usr/share/zsh", tmp_path / "usr/share/zsh/theirs"]
    )


def test_install_and_remove(tmp_path):
    run = install
    run(PROGRAM, "/usr", str(tmp_path))
    unit = (tmp_path / "usr/lib/systemd/system/holdfast.service").read_text()
    assert "ExecStart=/usr/bin/holdfast serve" in unit and "@BINDIR@" not in unit
    out = subprocess.run(
        [tmp_path / "usr/bin/holdfast", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"\d+\.\d+\.\d+", out)
    run("--remove", "/usr", str(tmp_path))
    assert not [f for f in tmp_path.rglob("*") if f.is_file()]


def test_man_page_has_every_verb_with_its_options(tmp_path):
    """It is written from the verbs' tables when it is installed, and roff finds nothing strange in it."""
    install(PROGRAM, "/usr", str(tmp_path))
    file = tmp_path / "usr/share/man/man1/holdfast.1"
    page = file.read_text()
    verbs = verbs_of(PROGRAM)
    assert verbs and "VERBS" not in page and page.index(".SH EXIT STATUS") > page.index(".SH THE AUDIT LOG")
    for verb in verbs:
        written = verb.replace("-", "\\-")
        said = page[page.index(f".TP\n\\fB{written}\\fR") + 4 :]
        said = re.split(r"^(?:\.TP\n\\fB[a-z]|\.SH)", said, maxsplit=1, flags=re.M)[0].replace("\\-", "-")
        of_help = subprocess.run([PROGRAM, *verb.split(), "--help"], capture_output=True, text=True, check=True).stdout
        options = set(re.findall(r"^  --([a-z-]+)", of_help, re.M)) - {"json", "help"}
        assert options == set(re.findall(r"^\\fB--\\fR\\fB([a-z-]+)", said, re.M)), verb
    if shutil.which("groff"):
        p = subprocess.run(
            ["groff", "-man", "-Tutf8", "-Kutf8", "-ww", file], capture_output=True, text=True, check=True
        )
        assert not p.stderr


def bash(*words):
    script = (
        f'. "{ROOT}/packaging/completion/holdfast.bash"; holdfast() {{ "{PROGRAM}" "$@"; }}; '
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdfast; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return subprocess.run(
        ["bash", "-c", script, "bash", *words], capture_output=True, text=True, check=True
    ).stdout.split()


# An interactive zsh that shows each word that is offered to it, and ends after the first Tab.
ZSHRC = f"""
PROMPT= RPROMPT=
fpath=({ROOT}/packaging/completion $fpath)
holdfast() {{ {PROGRAM} "$@" }}
autoload -Uz compinit && compinit -u -D
bindkey '^I' complete-word
zstyle ':completion:*' insert-tab false
compadd() {{
    local -a hits
    [[ -n ${{(M)@[1,(i)(-|--)]:#-(O|A|D)*}} ]] || {{
        builtin compadd -A hits "$@"
        (( $#hits )) && print -rl -- '=='$^hits
    }}
    builtin compadd "$@"
}}
over() {{ print -r -- '>>'; exit }}
comppostfuncs=(over)
print ready
"""


def zsh(*words):
    with tempfile.TemporaryDirectory() as rc:
        Path(rc, ".zshrc").write_text(ZSHRC)
        ours, theirs = pty.openpty()
        env = {**os.environ, "ZDOTDIR": rc, "TERM": "dumb", "LC_ALL": "C.UTF-8"}
        p = subprocess.Popen(
            ["zsh", "-d", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
        )
        os.close(theirs)
        end = threading.Timer(60, p.kill)
        end.start()
        seen = b""
        try:
            while b">>" not in seen:
                seen += os.read(ours, 4096)
                if words and b"ready" in seen:
                    os.write(ours, " ".join(words).encode() + b"\t")
                    words = ()
        except OSError:  # the other side is closed
            pass
        end.cancel()
        p.kill()
        p.wait()
        os.close(ours)
    assert b">>" in seen, seen
    return sorted(set(re.findall(r"==(\S+)", seen.decode())))  # it asks for files in more than one way


@pytest.fixture(params=[bash, zsh], ids=["bash", "zsh"])
def complete(request):
    return request.param


def test_completion_knows_verbs_and_options(complete):
    assert {v.split()[0] for v in verbs_of(PROGRAM)} <= set(complete("holdfast", ""))
    assert set(complete("holdfast", "ha", "")) == {v.split()[1] for v in verbs_of(PROGRAM) if v.startswith("ha ")}
    assert complete("holdfast", "undel") == ["undelete"]
    assert complete("holdfast", "get", "--f") == ["--field"]
    assert "--secondary-port" in complete("holdfast", "ha", "setup", "--")
    assert "--secondary-port" in complete("holdfast", "ha", "setup", "a", "b", "--")


def test_completion_knows_fixed_words(complete):
    assert set(complete("holdfast", "ha", "emergency", "")) == {"on", "off"}
    assert complete("holdfast", "ha", "emergency", "of") == ["off"]
    assert complete("holdfast", "ha", "alert", "") == ["test"]
    assert set(complete("holdfast", "policy", "emergency-changes", "")) == {"on", "off", "inherit"}


def test_completion_knows_values_of_options(complete, tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    assert set(complete("holdfast", "import", "--duplicates", "")) == {"skip", "update", "new"}
    assert complete("holdfast", "init", "--home", "") == ["folder"]
    assert set(complete("holdfast", "put", "--file", "")) == {"file", "folder"}
    assert complete("holdfast", "get", "--field", "") == []  # a word that nobody knows here
    assert set(complete("holdfast", "import", "")) == {"file", "folder"}
