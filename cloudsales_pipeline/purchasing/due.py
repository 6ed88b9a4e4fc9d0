"""Which dates are to be closed by now, and closing them, the oldest first (F-26).

What belongs here: the reckoning. What does not: the close itself (`closing`) and who calls it when (Dagster's schedule).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.purchasing.closing import Closed, close_day
from cloudsales_pipeline.purchasing.cutoff import cut_off_instant
from cloudsales_pipeline.purchasing.suppliers import sync_suppliers
from cloudsales_pipeline.settings import Settings

ONE_DAY = timedelta(days=1)


def due_dates(engine: Engine, settings: Settings, now: datetime) -> list[date]:
    """The dates that `due` names, the oldest first."""
    return list(due(engine, settings, now))


def due(engine: Engine, settings: Settings, now: datetime) -> dict[date, list[str]]:
    """By date, the oldest first, the suppliers whose cut-off has passed and whose date is not closed.

    Back to purchasing.catch_up_days before the last one; of a supplier that was never closed, back to when it came into the
    settings. What waited longer is not lost: the next close buys it.
    """
    sync_suppliers(engine, settings)
    oldest = now.astimezone(UTC).date() - (settings.purchasing.catch_up_days + 2) * ONE_DAY
    first, closed, known_since = _standing(engine, oldest)
    found: dict[date, list[str]] = defaultdict(list)
    for name, terms in sorted(settings.suppliers.items()):
        last = now.astimezone(UTC).date() + ONE_DAY  # a zone may be a day ahead
        while cut_off_instant(last, terms.cut_off, settings.timezone) > now:
            last -= ONE_DAY
        for back in range(settings.purchasing.catch_up_days + 1):
            day = last - back * ONE_DAY
            begun = day > first[name] if name in first else _ends(day, name, settings) >= known_since[name]
            if begun and (name, day) not in closed:
                found[day].append(name)
    return dict(sorted(found.items()))


def close_due(engine: Engine, settings: Settings, *, now: datetime | None = None) -> list[Closed]:
    """Close all that is due, a transaction for each date, the oldest first, each as of its own cut-off."""
    at = now or datetime.now(UTC)
    every = due(engine, settings, at)
    return [one for day, names in every.items() for one in close_day(engine, settings, day, suppliers=names, now=at)]


def _ends(day: date, supplier: str, settings: Settings) -> datetime:
    return cut_off_instant(day, settings.suppliers[supplier].cut_off, settings.timezone)


def _standing(engine: Engine, since: date) -> tuple[dict[str, date], set[tuple[str, date]], dict[str, datetime]]:
    """First closed date by supplier, what is closed from `since` on, and since when a supplier is known."""
    with engine.connect() as connection:
        suppliers = connection.execute(sa.text(_SUPPLIERS)).all()
        closed = connection.execute(sa.text(_CLOSED), {"since": since}).all()
    first = {row.supplier: row.first for row in suppliers if row.first}
    return first, {(row.supplier, row.business_date) for row in closed}, {row.supplier: row.changed_at for row in suppliers}


_SUPPLIERS = """
select s.supplier, s.changed_at, c.business_date as first
from cloudsales.supplier s
left join lateral (
    select c.business_date from cloudsales.supplier_close c where c.supplier = s.supplier order by c.business_date limit 1
) c on true
where s.active
"""
_CLOSED = "select supplier, business_date from cloudsales.supplier_close where business_date >= :since"
