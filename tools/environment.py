"""Make .venv from requirements.lock: what `make setup` runs, with whatever Python the machine has.

What belongs here: the standard library alone, since nothing is installed yet. It does nothing when nothing changed, goes
on after an interruption, and makes the environment anew when the Python behind it is another one.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
STAMP = VENV / ".made-from"  # the fingerprint that a finished set-up leaves
LOCK = ROOT / "requirements.lock"
INPUTS = (LOCK, ROOT / "pyproject.toml", ROOT / "setup.py")


class SetupError(Exception):
    """The environment can't be made; says what to do."""


def main() -> int:
    """Make what is missing; 0 when the environment is ready."""
    try:
        check_python()
        VENV.mkdir(exist_ok=True)
        with (ROOT / ".venv" / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # `make test` and `make demo` in two terminals
            if read_stamp() != fingerprint():
                build()
    except SetupError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("Interrupted. The next `make setup` goes on from here.")
        return 130
    return 0


def check_python() -> None:
    """Refuse an interpreter that is too old before anything is made."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs on what the machine has
        found = platform.python_version()
        raise SetupError(f"Python 3.11 or newer is needed; this is {found}.\nNext: make setup PYTHON=/path/to/python3.11")


def fingerprint() -> str:
    """What the environment is made from: the Python, the lock, the package's own description, the folder."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in INPUTS)).hexdigest()
    return f"{python_identity()} {digest} {ROOT}"


def python_identity() -> str:
    """The interpreter that the environment belongs to."""
    return f"{platform.python_version()} {Path(sys.executable).resolve()}"


def read_stamp() -> str:
    """The fingerprint of the finished environment; empty while there is none."""
    try:
        return STAMP.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def build() -> None:
    """Make or mend .venv, then leave the stamp."""
    started = time.monotonic()
    previous = read_stamp()
    STAMP.unlink(missing_ok=True)
    if not usable(previous):
        make_venv()
    drop_half_installed(VENV)
    say("Installing what requirements.lock names, each package checked by its hash. The first time takes a minute or two.")
    pip("--require-hashes", "--no-compile", "-r", str(LOCK))  # compiling all of it costs half as much again; imports do it
    say("Installing CloudSales pipeline itself, in place.")
    pip("--no-deps", "--editable", str(ROOT))
    STAMP.write_text(fingerprint(), encoding="utf-8")
    say(f"Ready in {time.monotonic() - started:.0f} s; make help lists what there is.")


def usable(previous: str) -> bool:
    """Whether .venv has a working pip of this very Python; where a stamp says it was made elsewhere, it is not."""
    if previous and not (previous.startswith(f"{python_identity()} ") and previous.endswith(f" {ROOT}")):
        return False
    probe = "import pip, sys; print(sys.version.split()[0])"
    try:
        found = subprocess.run([BIN / "python", "-c", probe], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return False
    return found.returncode == 0 and found.stdout.strip() == platform.python_version()


def make_venv() -> None:
    """An empty environment in .venv, whatever was there."""
    say(f"Making .venv with Python {platform.python_version()}.")
    for path in VENV.iterdir():
        if path.name != ".lock":  # we hold it
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    command = [sys.executable, "-m", "venv", str(VENV)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if made.returncode:
        raise SetupError(
            f"python -m venv failed:\n{(made.stdout + made.stderr).strip()}\n"
            "Next: on Debian and Ubuntu, apt-get install python3-venv; or make setup PYTHON=/path/to/another/python3"
        )


def drop_half_installed(venv: Path) -> None:
    """Forget packages whose installation was cut off, so that pip installs them again.

    pip takes a package for installed once its METADATA is there; INSTALLER is among the last files it writes.
    """
    for metadata in venv.glob("lib/python*/site-packages/*.dist-info"):
        if not (metadata / "INSTALLER").exists():
            shutil.rmtree(metadata)


def pip(*arguments: str) -> None:
    """pip install, silent unless it fails: its warnings are about the machine's own pip settings."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    command = [str(BIN / "python"), "-m", "pip", "install", "-qq", "--no-input", *arguments]
    if subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode:
        raise SetupError("pip failed; its words are above. Next: mend the cause (often the network) and run make setup again.")


def say(text: str) -> None:
    """One line for the person at the terminal, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
