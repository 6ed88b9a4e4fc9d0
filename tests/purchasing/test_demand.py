"""Demand per day, the stock it asks for, and days played again: figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsales_pipeline.purchasing.demand import Numbers, forecast, net_of_returns, reorder_point
from cloudsales_pipeline.purchasing.replaying import Past, Policy, Replayed, replay

LUMPS = [0, 0, 6, 0, 0, 0, 4, 0, 0, 2, 0, 0]


def of(*products: list[int]) -> Numbers:
    return np.array(products, np.float64)


def test_steady_sales_are_forecast_by_their_mean() -> None:
    found = forecast(of([2, 4, 3, 3]), np.array([4]))
    assert found.per_day[0] == 3
    assert found.deviation[0] == pytest.approx((2 / 3) ** 0.5)
    assert (found.interval[0], found.methods(), found.classes()) == (1, ["mean"], ["smooth"])


def test_rare_sales_are_forecast_by_sba_as_worked_out_by_hand() -> None:
    """Size 4 → 4.2 → 4.18 → 3.962, interval 4 → 3.9 → 3.91 → 3.819, at the gaps 3, 4, 3; times 1 − 0.1 / 2."""
    found = forecast(of(LUMPS), np.array([12]))
    assert (found.methods(), found.classes()) == (["sba"], ["intermittent"])
    assert found.interval[0] == 4
    assert found.variation[0] == pytest.approx(1 / 6)
    assert found.per_day[0] == pytest.approx(0.95 * 3.962 / 3.819)
    assert found.deviation[0] == pytest.approx(((56 - 12) / 11) ** 0.5)


@pytest.mark.parametrize(
    ("days", "name"),
    [([5, 5, 5, 5], "smooth"), ([1, 1, 1, 12], "erratic"), ([3, 0, 3, 0], "intermittent"), ([1, 0, 20, 0, 1, 0], "lumpy")],
)
def test_classes_by_interval_and_variation_of_size(days: list[int], name: str) -> None:
    assert forecast(of(days), np.array([len(days)])).classes() == [name]


def test_days_before_a_product_was_there_say_nothing_about_it() -> None:
    found = forecast(of([0, 0, 0, 0, 2, 2], [0, 0, 0, 0, 2, 2]), np.array([2, 6]))
    assert found.per_day[0] == 2
    assert found.methods() == ["mean", "sba"]


def test_a_return_takes_back_the_newest_sales_before_it() -> None:
    assert net_of_returns(of([5, 2, 0, 4]), of([0, 0, 3, 1])).tolist() == [[4, 0, 0, 3]]
    assert net_of_returns(of([0, 2]), of([5, 0])).tolist() == [[0, 2]]  # of sales before the first day: left out


def test_what_did_not_sell_asks_for_no_stock() -> None:
    found = forecast(of([0, 0, 0]), np.array([3]))
    point = reorder_point(found, np.array([3]), 1, 0.99)
    assert (found.per_day[0], point.point[0], point.safety[0]) == (0, 0, 0)


def test_the_reorder_point_is_demand_over_lead_time_and_review_and_safety_stock() -> None:
    """3 a day, deviation √(2/3), 3 + 1 days: 12, and 1.6449 × 0.8165 × 2 = 2.69: 14.69, to the nearest piece."""
    point = reorder_point(forecast(of([2, 4, 3, 3]), np.array([4])), np.array([3]), 1, 0.95)
    assert (point.point[0], point.safety[0]) == (15, 3)
    assert reorder_point(forecast(of([2, 4, 3, 3]), np.array([4])), np.array([3]), 1, 0.5).point[0] == 12


def test_one_sale_in_half_a_year_keeps_no_piece() -> None:
    """Within four days none is asked for with a probability of 0.98, which is above 0.95."""
    once = [0] * 180
    once[90] = 1
    assert reorder_point(forecast(of(once), np.array([180])), np.array([3]), 1, 0.95).point[0] == 0


def play(
    sold: list[int],
    opening: int,
    *,
    days: int,
    lead: int = 1,
    review: int = 1,
    level: float = 0.5,
    returned: list[int] | None = None,
) -> Replayed:
    past = Past(of(sold), of(returned or [0] * len(sold)), np.array([0]), np.array([opening]), days)
    return replay(past, Policy(np.array([lead]), review, level, lambda lacking: lacking))


def test_days_played_by_hand_from_enough_stock() -> None:
    """Two a day, reorder point 4: each evening two are ordered, there after one day on the morning after."""
    played = play([2] * 7, 4, days=3)
    assert (played.demanded[0], played.served[0], played.stock_days[0]) == (6, 6, 2)


def test_days_played_by_hand_from_nothing() -> None:
    """Four are ordered the evening before and come on the second morning: the first day's two waited, and count as not served."""
    played = play([2] * 7, 0, days=3)
    assert (played.demanded[0], played.served[0], played.stock_days[0]) == (6, 4, 0)


def test_nothing_of_later_days_is_known_on_a_day() -> None:
    """The sales of the last day change nothing of what was ordered before: the two that are there are served, and no more."""
    assert play([0, 0, 0, 0, 0, 0, 9], 2, days=3, lead=0).served[0] == 2


def test_what_comes_back_is_stock() -> None:
    assert play([0, 0, 0, 0, 1, 1], 1, days=2, returned=[0, 0, 0, 0, 0, 1]).served[0] == 2


def test_with_a_review_each_third_day_orders_are_placed_then_alone() -> None:
    daily, rarely = play([1] * 16, 4, days=8, lead=0), play([1] * 16, 4, days=8, lead=0, review=3)
    assert (daily.served[0], rarely.served[0]) == (8, 8)
    assert rarely.stock_days[0] > daily.stock_days[0]


@settings(max_examples=60, deadline=None)
@given(
    sold=st.lists(st.integers(0, 9), min_size=12, max_size=30),
    opening=st.integers(0, 30),
    lead=st.integers(0, 5),
    review=st.integers(1, 4),
    levels=st.tuples(st.floats(0.5, 0.999), st.floats(0.5, 0.999)),
)
def test_a_higher_service_level_has_no_less_stock_and_serves_no_less(
    sold: list[int], opening: int, lead: int, review: int, levels: tuple[float, float]
) -> None:
    low, high = (play(sold, opening, days=8, lead=lead, review=review, level=level) for level in sorted(levels))
    assert low.stock_days[0] <= high.stock_days[0]
    assert low.served[0] <= high.served[0] <= high.demanded[0]
