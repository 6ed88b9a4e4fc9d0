"""When a supplier's day ends, and which day an instant belongs to. Pure.

What belongs here: local times as instants, around both changes of summer time (F-32). What does not: what is ordered then.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cloudsales_pipeline.settings.purchasing import EVERY_DAY, SupplierSettings


def cut_off_instant(business_date: date, local: time, timezone: str) -> datetime:
    """The instant, in UTC, at which the business date ends; what came in at or before it belongs to the date.

    A local time that the change to summer time skips is moved forward by the gap (03:30 is 04:30); of one that comes twice
    it is the later. Both are the later reading of the two that PEP 495 knows, so that dates never end out of turn.
    """
    wall = datetime.combine(business_date, local, tzinfo=ZoneInfo(timezone))
    return max(wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC))


def is_order_day(business_date: date, supplier: SupplierSettings) -> bool:
    """Whether anything is ordered of the supplier on this date."""
    return EVERY_DAY[business_date.weekday()] in supplier.order_days


def business_date_of(instant: datetime, supplier: SupplierSettings, timezone: str) -> date:
    """The date onto whose order goes what came in at this instant: the first order day that ends at or after it.

    Args:
        instant: aware.
    """
    day = instant.astimezone(ZoneInfo(timezone)).date() - timedelta(days=1)
    while cut_off_instant(day, supplier.cut_off, timezone) < instant or not is_order_day(day, supplier):
        day += timedelta(days=1)
    return day
