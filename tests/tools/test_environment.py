"""`make setup` does nothing twice, mends what was cut off, and says what to do when it can't."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "environment.py"
UNOBTAINABLE = "no-such-package==1.0 --hash=sha256:" + "0" * 64 + "\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of its own: the tool, and a lock that no set-up could satisfy."""
    (tmp_path / "tools").mkdir()
    shutil.copy(TOOL, tmp_path / "tools")
    for name, content in {"requirements.lock": UNOBTAINABLE, "pyproject.toml": "", "setup.py": ""}.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    offline = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    arguments = [sys.executable, *(command or ("tools/environment.py",))]
    return subprocess.run(arguments, cwd=project, env=offline, capture_output=True, text=True, timeout=50, check=False)


def ask(project: Path, expression: str) -> str:
    code = f"import sys, pathlib; sys.path.insert(0, 'tools'); import environment; print({expression})"
    done = run(project, "-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_set_up_that_is_current_does_nothing_and_says_nothing(project: Path) -> None:
    (project / ".venv").mkdir()
    (project / ".venv" / ".made-from").write_text(ask(project, "environment.fingerprint()"), encoding="utf-8")
    done = run(project)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml", "setup.py"])
def test_a_change_of_what_it_is_made_from_makes_it_anew(project: Path, changed: str) -> None:
    before = ask(project, "environment.fingerprint()")
    (project / changed).write_text("# changed\n", encoding="utf-8")
    assert ask(project, "environment.fingerprint()") != before


def test_a_package_whose_installation_was_cut_off_is_forgotten_and_a_whole_one_kept(project: Path) -> None:
    site = project / ".venv" / "lib" / "python3.11" / "site-packages"
    for name in ("whole-1.0.dist-info", "half-1.0.dist-info"):
        (site / name).mkdir(parents=True)
        (site / name / "METADATA").touch()
    (site / "whole-1.0.dist-info" / "INSTALLER").touch()
    ask(project, "environment.drop_half_installed(pathlib.Path('.venv'))")
    assert [path.name for path in site.iterdir()] == ["whole-1.0.dist-info"]


def test_a_package_that_cannot_be_had_is_a_clear_failure_and_leaves_no_stamp(project: Path) -> None:
    python = project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")  # an environment that works already
    python.chmod(0o755)
    done = run(project)
    assert done.returncode == 1
    assert "no-such-package" in done.stderr
    assert "run make setup again" in done.stdout
    assert not (project / ".venv" / ".made-from").exists()
