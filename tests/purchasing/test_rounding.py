"""I-29: how many pieces are ordered for how many are required."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsales_pipeline.purchasing.rounding import Need, choose, choose_order, to_packs
from cloudsales_pipeline.settings import SupplierSettings


def terms(**given: Any) -> SupplierSettings:
    return SupplierSettings.model_validate(given)


@pytest.mark.parametrize(
    ("pieces", "pack", "up", "nearest", "none"),
    [
        (1, 1, 1, 1, 1),
        (1, 6, 6, 6, 1),
        (6, 6, 6, 6, 6),
        (7, 6, 12, 6, 7),
        (8, 6, 12, 6, 8),
        (9, 6, 12, 12, 9),
        (13, 6, 18, 12, 13),
    ],
)
def test_pieces_in_packs(pieces: int, pack: int, up: int, nearest: int, none: int) -> None:
    assert (to_packs(pieces, pack, "up"), to_packs(pieces, pack, "nearest"), to_packs(pieces, pack, "none")) == (
        up,
        nearest,
        none,
    )


PIECES, PACK = st.integers(1, 100_000), st.integers(1, 5_000)


@given(PIECES, PACK)
def test_up_is_the_fewest_whole_packs_that_suffice(pieces: int, pack: int) -> None:
    found = to_packs(pieces, pack, "up")
    assert found % pack == 0
    assert pieces <= found < pieces + pack


@given(PIECES, PACK)
def test_nearest_is_whole_packs_at_least_one_and_no_others_are_nearer(pieces: int, pack: int) -> None:
    found = to_packs(pieces, pack, "nearest")
    assert found % pack == 0
    assert found >= pack
    assert found == pack or abs(found - pieces) * 2 <= pack
    assert abs(found - pieces) <= min(abs(found + pack - pieces), abs(found - pack - pieces) if found > pack else pieces + pack)


RULES = st.sampled_from(["up", "nearest", "none"])


@given(PIECES, PACK, RULES, st.integers(0, 1000))
def test_i29_a_line_is_what_is_required_and_a_surplus_of_at_least_nothing(
    pieces: int, pack: int, rule: str, minimum: int
) -> None:
    chosen = choose(Need(1, "R-1", pieces, pack, minimum), terms(pack_rounding=rule))
    assert chosen is not None
    assert 0 < chosen.required <= min(pieces, chosen.quantity)
    assert chosen.required == pieces or rule == "nearest"
    assert chosen.quantity >= minimum
    assert rule == "none" or chosen.quantity % pack == 0


def test_the_price_lists_pack_counts_before_the_settings_one_by_sku_and_that_before_the_suppliers() -> None:
    ours = terms(pack_size=10, pack_sizes={"R-1": 4})
    packs = [choose(need, ours) for need in (Need(1, "R-1", 1, 3), Need(1, "R-1", 1), Need(2, "R-2", 1))]
    assert [one.quantity for one in packs if one] == [3, 4, 10]


def test_a_products_minimum_is_filled_up_in_packs_or_waited_for() -> None:
    need = Need(1, "R-1", 2, 6, 20)
    filled = choose(need, terms())
    assert filled is not None
    assert (filled.required, filled.quantity) == (2, 24)
    assert choose(need, terms(below_minimum="wait")) is None


PRICED = [Need(2, "R-2", 3, price=Decimal("10.00"), currency="RON"), Need(1, "R-1", 5, price=Decimal("2.50"), currency="RON")]


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({"minimum_quantity": 8}, 2),
        ({"minimum_quantity": 9}, 0),
        ({"minimum_value": "42.50"}, 2),
        ({"minimum_value": "42.51"}, 0),
        ({"minimum_quantity": 9, "below_minimum": "send"}, 2),
    ],
)
def test_an_order_below_its_minimum_waits_or_goes_as_the_settings_say(given: dict[str, Any], lines: int) -> None:
    assert len(choose_order(PRICED, terms(**{"below_minimum": "wait"} | given))) == lines


def test_a_minimum_value_does_not_hold_back_an_order_whose_value_nobody_knows() -> None:
    ours = terms(minimum_value="1000", below_minimum="wait")
    assert len(choose_order([*PRICED, Need(3, "R-3", 1)], ours)) == 3
    assert len(choose_order([*PRICED, Need(3, "R-3", 1, price=Decimal(1), currency="EUR")], ours)) == 3
