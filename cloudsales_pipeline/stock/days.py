"""Business dates as moments: where a shop's local day ends. Nothing here knows the database."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def day_end(business_date: date, timezone: str) -> datetime:
    """The moment (UTC) at which a local day ends: the next midnight there, so a day of 23 or 25 hours is whole."""
    return datetime.combine(business_date + timedelta(days=1), time.min, ZoneInfo(timezone)).astimezone(UTC)


def last_days(days: int, until: datetime, timezone: str) -> list[date]:
    """The last `days` business dates that had ended at `until`, the oldest first."""
    today = until.astimezone(ZoneInfo(timezone)).date()
    return [today - timedelta(days=back) for back in range(days, 0, -1)]
