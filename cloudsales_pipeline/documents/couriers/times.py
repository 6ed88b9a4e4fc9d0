"""A courier's clock: times without a zone are Bucharest's. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

BUCHAREST = ZoneInfo("Europe/Bucharest")


def instant(text: object) -> datetime | None:
    """A courier's date and time, as aware UTC: ISO 8601 with its offset, or Bucharest's clock without one (F-33).

    None for what is no time, and for a date alone: an event without its hour would order itself wrongly.
    """
    if not isinstance(text, str) or len(text.strip()) < len("2026-11-24 10:00"):
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=BUCHAREST)).astimezone(UTC)
    except OverflowError:
        return None
