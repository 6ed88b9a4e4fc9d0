"""Business dates as partitions, and which of them still have to be done.

What belongs here: the partitions definitions by business date. What does not: where a day ends (stock.days), and what is done
for a date. The time zone is the settings'; it is read when the definitions load, without a database.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import dagster as dg

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings import Settings, load_settings

FIRST_DATE = "2026-01-01"
DAYS_CAUGHT_UP = 31


def settings_timezone() -> str:
    """The settings' time zone; the default where they can't be read, so that the definitions load and a run can say why."""
    try:
        return load_settings().timezone
    except SettingsError:
        return str(Settings.model_fields["timezone"].default)


TIMEZONE = settings_timezone()
BUSINESS_DATES = dg.DailyPartitionsDefinition(start_date=FIRST_DATE, timezone=TIMEZONE)
CLOSING_DATES = dg.DailyPartitionsDefinition(start_date=FIRST_DATE, timezone=TIMEZONE, end_offset=1)
"""With today: a supplier's day closes before the date ends."""


def dates_to_do(ended: str, done: Collection[str]) -> list[str]:
    """The business date `ended`, and those before it that were left out since the first one that was done, oldest first.

    Args:
        ended: the last date that has ended, as YYYY-MM-DD.
        done: the dates that were done. Nothing before the first of them is asked for: that is a backfill, for a person to start.
    """
    last = BUSINESS_DATES.start_time_for_partition_key(ended)
    days = (last.replace(tzinfo=None) - timedelta(days=back) for back in range(DAYS_CAUGHT_UP))
    keys = [f"{day:%Y-%m-%d}" for day in days]
    first = min(done, default=ended)
    return [key for key in reversed(keys) if key == ended or (first < key and key not in done)]
