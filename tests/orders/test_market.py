"""A whole market under harsh faults, small enough for every run; `python -m benchmarks market --full` is the large one."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine

from benchmarks.market_exposure import Histories, exposure
from benchmarks.market_world import Size, play


@pytest.mark.timeout(300)
def test_i06_i13_i15_i23_f20_on_five_channels_that_sell_the_same_scarce_products_nothing_is_oversold_lost_or_doubled(
    engine: Engine,
) -> None:
    """Under harsh faults, while goods come in and leave, orders are amended and cancelled, and two importers meet on a channel."""
    outcome = play(engine, Size(channels=5, orders=100, products=30, pieces=3, a_second=10))
    assert outcome.broken == ()
    assert outcome.orders == 500
    assert outcome.faults > 50
    assert outcome.changes > 20
    assert outcome.looks > 20


def test_of_one_piece_on_two_channels_that_one_sells_the_other_is_exposed_until_it_is_told() -> None:
    """On hand from second 0; sold by `a` at 10, read at 12, and `b` told at 15; `b` offers it for five seconds too long."""
    history = Histories(
        on_hand=[(0, "S", 1)],
        reserved=[(12, "S", 1)],
        unread=[(10, "S", 1), (12, "S", -1)],
        offered={"a": [(1, "S", 1), (10, "S", 0)], "b": [(1, "S", 1), (15, "S", 0)]},
        sold=[(10, "S", 1)],
    )
    found = exposure(history, 5, 25)
    assert (found.piece_seconds, found.after_intake, found.most, found.sold_twice) == (5, 3, 1, 0)
    assert found.mean_pieces == 0.25


def test_a_piece_that_is_sold_while_it_is_promised_counts_as_sold_twice() -> None:
    history = Histories(
        on_hand=[(0, "S", 1)],
        reserved=[],
        unread=[(10, "S", 1), (11, "S", 1)],
        offered={"b": [(1, "S", 1), (11, "S", 0)]},
        sold=[(10, "S", 1), (11, "S", 1)],
    )
    assert exposure(history, 0, 20).sold_twice == 1
