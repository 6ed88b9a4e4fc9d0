"""Quiet hours: the moment at which what falls into them may go.

What belongs here: that moment, right also on the nights when clocks change. What does not: which messages keep quiet.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def quiet_until(now: datetime, hours: tuple[time, time] | None, zone: str) -> datetime | None:
    """The end of the quiet hours that `now` lies in, in UTC; None where it lies in none.

    Args:
        now: aware.
        hours: from when to when by the clocks of `zone`; over midnight where the first is later.
    """
    if hours is None:
        return None
    start, end = hours
    local = now.astimezone(ZoneInfo(zone))
    clock = local.time()
    over_midnight = start > end
    if not (clock >= start or clock < end if over_midnight else start <= clock < end):
        return None
    day = local.date() + timedelta(days=1) if over_midnight and clock >= start else local.date()
    return _moment(datetime.combine(day, end, ZoneInfo(zone)))


def _moment(local: datetime) -> datetime:
    """An hour that the clocks show twice ends the quiet the second time; one that they leave out, when they have passed it."""
    return max(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
