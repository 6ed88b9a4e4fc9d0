"""Rates by the day of supply, and the day until when an e-invoice is handed over."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from cloudsales_pipeline.documents.submission import Folder, submit_by
from cloudsales_pipeline.documents.vat import rate_of_delivery, rate_of_line, rates_on
from cloudsales_pipeline.errors import CloudSalesError


@pytest.mark.parametrize(
    ("day", "standard", "reduced"),
    [(date(2025, 7, 31), 19, (9, 5)), (date(2025, 8, 1), 21, (11,)), (date(2026, 11, 24), 21, (11,))],
)
def test_f35_the_rates_change_at_midnight_of_the_first_of_august_2025(day: date, standard: int, reduced: tuple[int, ...]) -> None:
    assert (rates_on(day).standard, rates_on(day).reduced) == (standard, reduced)


def test_a_day_before_the_table_is_refused() -> None:
    with pytest.raises(CloudSalesError, match="2016-12-31"):
        rates_on(date(2016, 12, 31))


def test_what_the_channel_says_of_a_line_holds_and_delivery_follows_the_goods() -> None:
    day = date(2026, 11, 24)
    assert (rate_of_line(Decimal(11), day), rate_of_line(None, day)) == (11, 21)
    assert rate_of_delivery({Decimal(11): Decimal(500), Decimal(21): Decimal(1)}, day) == 21
    assert rate_of_delivery({Decimal(11): Decimal(500)}, day) == 11
    assert rate_of_delivery({}, day) == 21


def test_five_working_days_go_round_the_first_of_december_and_christmas() -> None:
    """30 November (Saint Andrew) and 1 December 2026 are a Monday and a Tuesday; 25 December is a Friday."""
    assert submit_by(date(2026, 11, 24)) == date(2026, 12, 3)
    assert submit_by(date(2026, 12, 21)) == date(2026, 12, 29)
    assert submit_by(date(2026, 11, 9)) == date(2026, 11, 16)


def test_the_folder_holds_an_e_invoice_once_and_whole(tmp_path: Path) -> None:
    authority = Folder(tmp_path / "out")
    assert authority.send("FU-123", b"<a/>") == authority.send("FU-123", b"<a/>") == "FU-123.xml"
    assert [(file.name, file.read_bytes()) for file in (tmp_path / "out").iterdir()] == [("FU-123.xml", b"<a/>")]
