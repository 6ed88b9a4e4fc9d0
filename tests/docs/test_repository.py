"""What no file of the repository may say, and the links between its pages."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, pages

# Put together here, so that this file does not contain what it looks for.
FORBIDDEN = {
    "a package registry's host": ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com",
                                  "crates" + ".io", "proxy.golang" + ".org", "opt/" + "pypi", "opt/" + "wheels"],
    "a path of somebody's machine": ["/" + "work/", "/" + "root/", "/" + "tmp/w/", "." + "pyenv/"],
    "somebody's tools": [".lib" + "rary/", "/env/" + "packages"],
}  # fmt: skip


def tracked() -> list[Path]:
    """The files that git knows; the test is skipped where this is no clone."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    if listing.returncode:
        pytest.skip("not a git clone")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    words = [word.encode() for word in FORBIDDEN[what]]
    found = [
        f"{path.relative_to(ROOT)}: {word.decode()}" for path in tracked() for word in words if holds(path.read_bytes(), word)
    ]
    assert found == []


def holds(content: bytes, word: bytes) -> bool:
    """Whether `content` has `word` where no other path or name goes on before it."""
    return re.search(rb"(?<![\w/.-])" + re.escape(word), content) is not None


def test_a_forbidden_word_is_found_as_a_path_and_not_inside_another() -> None:
    path = FORBIDDEN["a path of somebody's machine"][0]
    assert holds(b"see " + path.encode() + b"x", path.encode())
    assert not holds(b"my" + path.encode() + b"x", path.encode())


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []
