"""How commands print rows: a table for people, JSON for programs. All commands that print rows use this and nothing else.

Text from outside (a listing's name, a code) is shown as text: no markup, no control character reaches the terminal (I-48).
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the rows as JSON, for programs.")]
Row = Mapping[str, Any]


def print_rows(rows: Sequence[Row], *, as_json: bool, title: str = "", columns: Sequence[str] | None = None) -> None:
    """Print rows; `columns` chooses and orders them, else those of the first row. JSON is one array, on stdout alone."""
    if as_json:
        shown = [dict(row) if columns is None else {name: row.get(name) for name in columns} for row in rows]
        sys.stdout.write(json.dumps(shown, default=_plain, ensure_ascii=False, indent=1) + "\n")
        return
    if not rows:
        sys.stdout.write(f"{clean(title)}: none\n" if title else "none\n")
        return
    _print_table(rows, title, list(columns) if columns is not None else list(rows[0]))


def say(text: str) -> None:
    """One step of a long command, as it begins."""
    sys.stdout.write(f"- {clean(text)} …\n")
    sys.stdout.flush()


def detail(text: str) -> None:
    """What came of a step, or a line under a table."""
    sys.stdout.write(f"    {clean(text)}\n")
    sys.stdout.flush()


def _print_table(rows: Sequence[Row], title: str, names: list[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(clean(title)) if title else None, title_justify="left", box=box.SIMPLE_HEAD)
    for name in names:
        numbers = all(isinstance(row.get(name), int | float | Decimal | None) for row in rows)
        table.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(row.get(name))) for name in names))
    # a pipe or a file has no width of its own: wide enough that no word is cut
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(table)


def clean(value: object) -> str:
    """A value as text for a terminal: without control and invisible format characters."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(clean(part) for part in value)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if value.tzinfo else f"{value:%Y-%m-%d %H:%M:%S}"
    return "".join(c if unicodedata.category(c) not in {"Cc", "Cf"} else " " for c in str(value))


def _plain(value: object) -> object:
    """What JSON has no word for: decimals as they are written, so that no cent is lost; moments in ISO 8601."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)
