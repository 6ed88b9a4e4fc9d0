"""F-32: when a supplier's day ends, around both changes of summer time. Bucharest: 29 March 2026 03:00 → 04:00, 25 October 04:00 → 03:00."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsales_pipeline.purchasing.cutoff import business_date_of, cut_off_instant, is_order_day
from cloudsales_pipeline.settings import SupplierSettings
from cloudsales_pipeline.settings.purchasing import EVERY_DAY

ZONE = "Europe/Bucharest"


@pytest.mark.parametrize(
    ("day", "local", "instant"),
    [
        ("2026-11-24", "18:00", "2026-11-24T16:00:00"),  # winter
        ("2026-07-01", "18:00", "2026-07-01T15:00:00"),  # summer
        ("2026-03-28", "18:00", "2026-03-28T16:00:00"),  # the day before the 23-hour day
        ("2026-03-29", "02:59:59", "2026-03-29T00:59:59"),  # the last second of winter time
        ("2026-03-29", "03:00", "2026-03-29T01:00:00"),  # skipped: it is 04:00
        ("2026-03-29", "03:30", "2026-03-29T01:30:00"),  # skipped: it is 04:30
        ("2026-03-29", "04:00", "2026-03-29T01:00:00"),
        ("2026-03-29", "18:00", "2026-03-29T15:00:00"),
        ("2026-10-25", "02:59:59", "2026-10-24T23:59:59"),
        ("2026-10-25", "03:00", "2026-10-25T01:00:00"),  # comes twice: the later
        ("2026-10-25", "03:30", "2026-10-25T01:30:00"),
        ("2026-10-25", "03:59:59", "2026-10-25T01:59:59"),
        ("2026-10-25", "04:00", "2026-10-25T02:00:00"),
        ("2026-10-25", "18:00", "2026-10-25T16:00:00"),
        ("2026-11-24", "00:00", "2026-11-23T22:00:00"),
        ("2026-12-31", "23:59:59", "2026-12-31T21:59:59"),
    ],
)
def test_f32_the_cut_off_is_this_instant(day: str, local: str, instant: str) -> None:
    expected = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert cut_off_instant(date.fromisoformat(day), time.fromisoformat(local), ZONE) == expected


@pytest.mark.parametrize(
    ("instant", "cut_off", "belongs_to"),
    [
        ("2026-11-24T16:00:00", "18:00", "2026-11-24"),  # at the cut-off: still today's
        ("2026-11-24T16:00:00.001", "18:00", "2026-11-25"),
        ("2026-11-24T21:59:59", "23:59:59", "2026-11-24"),
        ("2026-11-24T21:59:59.999", "23:59:59", "2026-11-25"),  # 23:59:59.999 local: after it
        ("2026-11-24T22:00:00", "00:00", "2026-11-25"),
        ("2026-03-29T01:30:00", "03:30", "2026-03-29"),
        ("2026-03-29T01:30:00.001", "03:30", "2026-03-30"),
        ("2026-10-25T00:45:00", "03:30", "2026-10-25"),  # 03:45 the first time
        ("2026-10-25T01:15:00", "03:30", "2026-10-25"),  # 03:15 the second time
        ("2026-10-25T01:45:00", "03:30", "2026-10-26"),  # 03:45 the second time
        ("2026-12-31T21:59:59.999", "23:59:59", "2027-01-01"),
    ],
)
def test_f32_an_instant_belongs_to_this_date(instant: str, cut_off: str, belongs_to: str) -> None:
    at = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    terms = SupplierSettings(cut_off=time.fromisoformat(cut_off))
    assert business_date_of(at, terms, ZONE) == date.fromisoformat(belongs_to)


def test_what_comes_after_fridays_cut_off_is_mondays_where_weekends_are_no_order_days() -> None:
    terms = SupplierSettings(cut_off=time(18), order_days=("mon", "tue", "wed", "thu", "fri"))
    friday = datetime(2026, 11, 27, 16, tzinfo=UTC)
    assert business_date_of(friday, terms, ZONE) == date(2026, 11, 27)
    assert business_date_of(friday + timedelta(seconds=1), terms, ZONE) == date(2026, 11, 30)
    assert business_date_of(datetime(2026, 11, 29, 12, tzinfo=UTC), terms, ZONE) == date(2026, 11, 30)


@given(
    at=st.timedeltas(timedelta(0), timedelta(days=730)).map(lambda since: datetime(2026, 1, 1, tzinfo=UTC) + since),
    cut_off=st.times().map(lambda one: one.replace(microsecond=0)),
    days=st.sets(st.sampled_from(EVERY_DAY), min_size=1),
)
def test_f32_each_instant_is_in_one_date_that_ends_at_or_after_it_and_the_order_day_before_ends_before_it(
    at: datetime, cut_off: time, days: set[str]
) -> None:
    terms = SupplierSettings.model_validate({"cut_off": cut_off, "order_days": tuple(sorted(days))})
    day = business_date_of(at, terms, ZONE)
    before = day - timedelta(days=1)
    while not is_order_day(before, terms):
        before -= timedelta(days=1)
    assert is_order_day(day, terms)
    assert cut_off_instant(before, cut_off, ZONE) < at <= cut_off_instant(day, cut_off, ZONE)


@given(cut_off=st.times())
def test_f32_dates_end_one_after_the_other(cut_off: time) -> None:
    ends = [cut_off_instant(date(2026, month, 20) + timedelta(days=n), cut_off, ZONE) for month in (3, 10) for n in range(12)]
    assert all(timedelta(hours=22) < later - earlier < timedelta(hours=26) for earlier, later in pairwise(ends[:12]))
    assert all(timedelta(hours=22) < later - earlier < timedelta(hours=26) for earlier, later in pairwise(ends[12:]))
