"""Handing e-invoices to the tax authority: until when, and through which door.

What belongs here: the day, the port, and a folder as the simplest authority. What does not: the XML (`ubl`), and which documents
are due (`document_submission`).
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Protocol

from cloudsales_pipeline.errors import CloudSalesError

DAYS = 5  # working days from the day of issue, both for companies and for persons (Emergency Ordinance 120/2021, article 10)


class SubmissionRefusedError(CloudSalesError):
    """The authority read the e-invoice and will not have it; `reason` as a code."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class SubmissionUnclearError(CloudSalesError):
    """The authority may or may not have it: a person looks before it is handed over again."""


class TaxAuthority(Protocol):
    """Who takes e-invoices."""

    def send(self, name: str, xml: bytes) -> str:
        """Hand an e-invoice over under a name of its own; its reference, the same each time.

        Raises:
            SubmissionRefusedError, SubmissionUnclearError.
            CloudSalesError, OSError: surely not handed over; it may be tried again.
        """


class Folder:
    """Writes e-invoices into a folder, from which a person or another program uploads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def send(self, name: str, xml: bytes) -> str:
        """The file is complete when it appears, and there once however often it is sent."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"{Path(name).name}.xml"
        half = target.with_name(f".{target.name}.{os.getpid()}.part")
        with half.open("wb") as file:
            file.write(xml)
            file.flush()
            os.fsync(file.fileno())
        half.replace(target)
        return target.name


def submit_by(issued_on: date) -> date:
    """The fifth working day after the day of issue: no Saturday, Sunday or Romanian public holiday."""
    day, left = issued_on, DAYS
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < 5 and day not in _holidays(day.year)
    return day


@cache
def _holidays(year: int) -> frozenset[date]:
    import holidays

    return frozenset(holidays.country_holidays("RO", years=year))
