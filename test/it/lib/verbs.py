# SPDX-License-Identifier: Apache-2.0
"""The verbs of the program under test, as it writes them for the man page, and how they fail."""
import re
import subprocess

from nodes import told


def verbs_of(program):
    """Their names, in the order of the help, without those that are hidden."""
    page = subprocess.run([program, "docs", "verbs"], capture_output=True, text=True, check=True).stdout
    return [m.replace("\\-", "-") for m in re.findall(r"^\.TP\n\\fB([a-z][a-z \\-]*)\\fR", page, re.M)]


def fails(p, code, *words):
    """A verb that failed said these words, on one line that names the verb, and nothing on standard output. The line; before it stand
    at most what was waited for, and warnings."""
    assert (p.returncode, p.stdout) == (code, ""), (p.returncode, p.stdout, p.stderr)
    *before, line = told(p.stderr).splitlines()
    assert line.startswith("holdfast ") and all(w in line for w in words), p.stderr
    assert all(" warning " in b for b in before), p.stderr
    return line
