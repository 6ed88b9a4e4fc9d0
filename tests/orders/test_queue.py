"""Who waits, and in which place: no revision moves an order in the queue, and a long queue is served to its end."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.orders import serving
from cloudsales_pipeline.orders.serving import serve, serve_all
from cloudsales_pipeline.stock.movements import Movement, post
from tests.orders.market import NOON, line, lines_of, market, order, receive, shop, told
from tests.orders.racing import all_holds, stepping_in
from tests.orders.test_interleavings import LEVELS
from tests.stock.shelf import receipt, rows


@pytest.mark.parametrize("minutes", [-60, 60], ids=["earlier", "later"])
def test_i14_a_revision_with_another_time_of_placing_moves_its_order_neither_forward_nor_back(
    engine: Engine, minutes: int
) -> None:
    market(engine, {"R-1": 0, "R-2": 0})
    both = line("R-1", 1, line_id="a"), line("R-2", 1, line_id="b")
    receive(engine, order("FIRST", *both), order("MIDDLE", *both[:1], minutes=1), order("LAST", *both, minutes=2))
    moved = order("MIDDLE", line("R-1", 2, line_id="a"), both[1], revision=2, minutes=minutes)
    receive(engine, replace(moved, updated_at=NOON))
    placed = "select distinct placed_at - timestamptz '2026-11-20 12:00Z' from cloudsales.{} where {}"
    post(engine, [receipt("more-1", "R-1", 2), receipt("more-2", "R-2", 2)], then=serve)
    assert {owner: figures[1] for owner, figures in lines_of(engine).items()} == {
        "fashionup/FIRST/a": 1,
        "fashionup/FIRST/b": 1,
        "fashionup/MIDDLE/a": 1,
        "fashionup/MIDDLE/b": 1,
        "fashionup/LAST/a": 0,
        "fashionup/LAST/b": 0,
    }
    for table, of_it in (
        ("sales_order", "external_id = 'MIDDLE'"),
        ("sales_order_line", "owner like '%/MIDDLE/%'"),
        ("reservation", "owner like '%/MIDDLE/%'"),
    ):
        assert [str(one[0]) for one in rows(engine, placed.format(table, of_it))] == ["0:01:00"]
    all_holds(engine)


def test_i14_what_becomes_free_in_the_batch_of_a_revision_goes_by_the_first_time_of_placing(engine: Engine) -> None:
    market(engine, {"R-1": 1})
    receive(engine, order("HOLDS", line("R-1")), order("SECOND", line("R-1"), minutes=1), order("THIRD", line("R-1"), minutes=2))
    jumps = order("THIRD", line("R-1", 2), revision=2, minutes=-60)
    receive(engine, jumps, order("HOLDS", line("R-1"), revision=2, status="cancelled"))
    assert {owner: figures[1] for owner, figures in lines_of(engine).items()} == {
        "fashionup/HOLDS/1": 0,
        "fashionup/SECOND/1": 1,
        "fashionup/THIRD/1": 0,
    }


def test_a_queue_longer_than_one_look_is_served_to_its_end_in_the_transaction_that_brought_the_stock(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MOST_LINES", 3)
    market(engine, {"R-1": 0, "R-2": 0})
    old = [order(f"A{n}", line("R-1"), minutes=n) for n in range(8)]
    young = [order(f"B{n}", line("R-2"), minutes=100 + n) for n in range(4)]
    receive(engine, *old, *young)
    came = [receipt("more-1", "R-1", 7), receipt("more-2", "R-2", 9)]
    post(engine, came, then=serve)
    served = [reference for kind, reference, _ in told(engine, "line_served")]
    assert served == [f"fashionup/A{n}/1" for n in range(7)] + [f"fashionup/B{n}/1" for n in range(4)]
    all_holds(engine)


def test_a_product_with_a_long_queue_and_little_stock_hides_no_other_product(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MOST_LINES", 3)
    monkeypatch.setattr(serving, "PAIRS_AT_ONCE", 1)
    market(engine, {"R-1": 0, "R-2": 0})
    receive(engine, *(order(f"A{n}", line("R-1", 2), minutes=n) for n in range(9)), order("B", line("R-2"), minutes=100))
    post(engine, [receipt("more-1", "R-1", 1), receipt("more-2", "R-2", 1)])
    assert serve_all(engine) == 2
    assert (lines_of(engine)["fashionup/A0/1"][1], lines_of(engine)["fashionup/B/1"][1]) == (1, 1)


def test_places_that_others_emptied_meanwhile_keep_no_one_behind_them_from_being_served(
    engine: Engine, database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PAIRS_AT_ONCE", 1)
    market(engine, {"R-1": 0, "R-2": 0})
    receive(engine, order("FO1", line("R-1")), order("FO2", line("R-2"), minutes=1))
    post(engine, [receipt("more-1", "R-1", 1), receipt("more-2", "R-2", 1)])
    other = create_engine(database_url)
    with stepping_in(engine, LEVELS, lambda: post(other, [Movement("INV-1", "CENTRAL", "R-1", "count", 0)])) as met:
        assert serve_all(engine) == 1
    other.dispose()
    assert met
    assert lines_of(engine) == {"fashionup/FO1/1": (1, 0, 1, 0, 0), "fashionup/FO2/1": (1, 1, 0, 0, 0)}


def test_a_line_that_may_take_from_two_places_and_one_behind_it_that_may_take_from_one_both_get_their_piece(
    engine: Engine,
) -> None:
    market(engine, {"R-1": 0})
    receive(engine, order("FO1", line("R-1")), settings=shop(warehouses=("CENTRAL", "CLUJ")))
    receive(engine, order("FO2", line("R-1"), minutes=1), settings=shop(warehouses=("CLUJ",)))
    post(engine, [receipt("a", "R-1", 1), receipt("b", "R-1", 1, "CLUJ")], then=serve)
    assert [figures[1] for figures in lines_of(engine).values()] == [1, 1]


def test_two_lines_of_one_order_are_served_by_their_place_in_it_not_by_their_ids(engine: Engine) -> None:
    market(engine, {"R-1": 0})
    receive(engine, order("FO1", line("R-1", line_id="9"), line("R-1", line_id="10")))
    post(engine, [receipt("a", "R-1", 1)], then=serve)
    assert lines_of(engine)["fashionup/FO1/9"][1] == 1
