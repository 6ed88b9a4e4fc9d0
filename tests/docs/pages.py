"""How the documentation tests read Markdown: pages, tables, fenced blocks. No rule about a page's content lives here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pages() -> list[Path]:
    """Every page that a reader may open: the top ones and all of docs/."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def tables(text: str) -> Iterator[list[list[str]]]:
    """Each table as rows of cells, its header first, the ruler left out."""
    rows: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            yield [rows[0], *rows[2:]]
            rows = []


def shell_lines(text: str) -> Iterator[str]:
    """Each line of the ```sh blocks, without prompts, comments and what is set before the command."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            command = line.split(" #")[0].strip().removeprefix("$ ").removeprefix(".venv/bin/")
            if command and not command.startswith("#"):
                yield re.sub(r"^(?:[A-Z_]+=\S+ )+", "", command)
