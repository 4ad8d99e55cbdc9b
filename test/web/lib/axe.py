# SPDX-License-Identifier: Apache-2.0
"""axe-core, which finds what readers of the screen, keyboards and weak eyes stumble over. web/package.json names its version; the
console does not contain it."""
import shutil
import subprocess

from browser import DESK, PHONE, THEMES, sticks_out, wear, widen

RUN = """
    const done = arguments[arguments.length - 1];
    axe.run(document, {resultTypes: ["violations"]}).then(
        (r) => done(r.violations.map((v) =>
            [v.id, v.help, v.nodes.map((n) => [n.target.join(" "), n.failureSummary])])),
        (e) => done([["axe", String(e), []]]));
"""


def source(web, folder):
    """The text of it, as a contributor has it beside the console's sources, or fetched as the lock names it into folder; None: it cannot be had."""
    there = web / "node_modules/axe-core/axe.min.js"
    if there.exists():
        return there.read_text()
    if not shutil.which("npm"):
        return None
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(web / name, folder)
    fetched = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True
    )
    there = folder / "node_modules/axe-core/axe.min.js"
    return there.read_text() if fetched.returncode == 0 else None


class Axe:
    """Looks at what is before the user now."""

    def __init__(self, chrome, text):
        self.d, self.text = chrome, text
        self.seen = {}

    def look(self, what):
        """In both themes, at a desk and on a phone, where nothing may stick out of the page either; what it finds is kept until the
        end of a test, so that one run tells all."""
        if not self.d.execute_script("return typeof axe === 'object'"):
            self.d.execute_script(self.text)
        for wide in (DESK, PHONE):
            widen(self.d, wide)
            for theme in THEMES:
                wear(self.d, theme)
                self.seen[f"{what}, {theme}, {wide}"] = self.d.execute_async_script(RUN)
            out = sticks_out(self.d)
            if out:
                self.seen[f"{what}, {wide}"] = [("wide", "it sticks out of the page", [(e, "") for e in out])]
        self.rest()

    def rest(self):
        widen(self.d, None)
        wear(self.d, None)

    def findings(self):
        return "".join(
            f"\n{where}: {rule}: {words}" + "".join(f"\n    {at}: {why}" for at, why in nodes)
            for where, found in self.seen.items()
            for rule, words, nodes in found
        )
