"""Numbers without gaps: a counter row in the transaction that writes what bears the number (I-32).

What belongs here: taking numbers. What does not: how a number is written out, and what it is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.engine import Connection


@dataclass(frozen=True)
class Numbers:
    """Numbers from `first` on, and the date that they bear: never before the series' last one, whatever the clock says."""

    first: int
    dated: date


def take_numbers(connection: Connection, kind: str, series: str, on: date, how_many: int = 1, *, yearly: bool) -> Numbers:
    """The next numbers of a series, in the caller's transaction, which holds the series' row until it ends: make no outside call.

    Args:
        yearly: each year's numbers begin at 1.
    """
    row = connection.execute(
        sa.text("select first_number, dated from cloudsales.take_numbers(:kind, :series, :year, :on, :how_many)"),
        {"kind": kind, "series": series, "year": on.year if yearly else 0, "on": on, "how_many": how_many},
    ).one()
    return Numbers(row.first_number, row.dated)
