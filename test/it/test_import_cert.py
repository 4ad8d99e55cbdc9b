# SPDX-License-Identifier: Apache-2.0
"""A self-signed web certificate gives way to one of an internal authority, in either order, on a pair that is used meanwhile."""
import re

import pytest

from certs import Authority
from nodes import paragraph
from packs import running
from usedpair import UsedPair
from wait import wait_until


class Story(UsedPair):
    def __init__(self, holdfast, folder):
        super().__init__(holdfast, folder)
        (folder / "ca").mkdir(mode=0o755)
        self.authority = Authority(folder / "ca")
        assert "the secret" in self.get().stdout

    def bring_authority(self, node):
        p = node.run("cert", "import", self.authority.root, "--home", node.home)
        assert re.fullmatch(r"trusted now: CN=Internal root\n  SHA-256 [0-9a-f]{64}\n", p.stdout), p.stdout

    def replace(self, node):
        cert, key = self.authority.make(node.name)
        self.exchange(node, cert, key)
        shown = node.run("cert", "show", "--home", node.home).stdout
        assert f"node     {node.name}" in shown and "issuer   CN=Internal issuer" in shown, shown

    def log_in_by_authority(self):
        session = self.folder / "by-authority.session"
        p = self.primary.cli(
            *("login", "--ca", self.authority.root, self.primary.url, "admin"),
            session=session,
            input=f"{self.boss.password}\n",
        )
        assert "admin" in p.stdout + p.stderr, p.stdout + p.stderr
        return session


@pytest.fixture
def story(holdfast):
    with running(Story, holdfast) as s:
        yield s


def ends_well(story):
    """H5: whoever trusts the authority is given what they ask for by either node, also when the primary is gone."""
    story.alive()
    p = story.get(check=False)
    assert p.returncode == 1 and f"{story.primary.url} is not trusted" in p.stderr, p.stderr
    assert (
        "signed by CN=Internal issuer" in p.stderr
        and "`holdfast login` again (--ca FILE for an authority of yours)" in paragraph(p)
    ), p.stderr
    session = story.log_in_by_authority()
    assert "the secret" in story.get(session).stdout
    story.primary.kill()
    story.other.wait_state("emergency")
    assert "the secret" in story.get(session).stdout
    story.primary.start()
    story.alive()
    assert "the secret" in story.get(session).stdout


def test_the_authority_first(story):
    """H9, H5: at no step is a node not trusted by the other."""
    for n in story.nodes:
        story.bring_authority(n)
    for n in story.nodes:
        story.replace(n)
        story.alive()
    assert not any("→ emergency" in n.log.read_text() for n in story.made), "beside a primary that serves"
    ends_well(story)


def test_the_certificate_first(story):
    """H9: the other node says what it does not trust and the command; with that it is Alive by itself, and nobody is kept out for good."""
    story.replace(story.primary)
    said = wait_until(
        "the secondary says it",
        lambda: [r for r in story.other.status()[1]["reasons"] if r["code"] == "cert_untrusted"],
    )[0]
    assert said["node"] == story.primary.name and "holdfast cert import FILE" in said["todo"], said
    assert story.other.run("ha", "status", "--home", story.other.home, check=False).returncode == 4
    for n in story.nodes:
        story.bring_authority(n)
    story.alive()
    story.replace(story.other)
    ends_well(story)
