# SPDX-License-Identifier: Apache-2.0
"""The verbs of the program under test, as it writes them for the man page, and how they fail."""
import re
import subprocess


def verbs_of(program):
    """Their names, in the order of the help, without those that are hidden."""
    page = subprocess.run([program, "docs", "verbs"], capture_output=True, text=True, check=True).stdout
    return [m.replace("\\-", "-") for m in re.findall(r"^\.TP\n\\fB([a-z][a-z \\-]*)\\fR", page, re.M)]


def fails(p, code, *words):
    """A verb that failed said these words, on one line that names the verb, and nothing on standard output. The line."""
    assert (p.returncode, p.stdout) == (code, ""), (p.returncode, p.stdout, p.stderr)
    for w in words:
        assert w in p.stderr, p.stderr
    assert p.stderr.count("\n") == 1 and p.stderr.startswith("holdfast "), p.stderr
    return p.stderr
