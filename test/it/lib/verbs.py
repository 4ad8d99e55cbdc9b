# SPDX-License-Identifier: Apache-2.0
"""The verbs of the program under test, as it writes them for the man page."""
import re
import subprocess


def verbs_of(program):
    """Their names, in the order of the help, without those that are hidden."""
    page = subprocess.run([program, "docs", "verbs"], capture_output=True, text=True, check=True).stdout
    return [m.replace("\\-", "-") for m in re.findall(r"^\.TP\n\\fB([a-z][a-z \\-]*)\\fR", page, re.M)]
