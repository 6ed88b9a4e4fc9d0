"""A rival steps in at one named statement: each of these meetings has one end, whatever the machine's load (I-06, I-13 to I-19)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.codes import code_key
from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.orders import life
from cloudsales_pipeline.orders.serving import resolve_unknown_lines, serve, serve_all
from cloudsales_pipeline.orders.standing import Outcome
from cloudsales_pipeline.stock.movements import Movement, PostResult, post
from tests.orders.market import line, lines_of, market, order, receive, shop, statuses
from tests.orders.racing import Waiting, all_holds, stepping_in
from tests.stock.shelf import levels, receipt, rows

pytestmark = pytest.mark.timeout(30)
CODES = "from cloudsales.code_key where key"
LEVELS = "cloudsales.lock_levels("
ORDERS_LOCKED = "order by channel, external_id for update"
DECIDED = "set state = u.state"


@pytest.fixture
def other(database_url: URL) -> Iterator[Engine]:
    """The rival's engine."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


def name_product(engine: Engine, code: str, sku: str) -> None:
    """The catalogue learns that this code is of the product."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into cloudsales.code_key (key, product_id, kinds) select :key, product_id, 1 from cloudsales.product where sku = :sku"
            ),
            {"key": code_key(code), "sku": sku},
        )


def of_order(engine: Engine, column: str) -> list[tuple[object, ...]]:
    return rows(engine, f"select {column} from cloudsales.sales_order order by external_id")


# ------------------------------------------------------------------------------------------------ (a) the same new order


@pytest.mark.parametrize(("ours", "theirs", "end"), [(1, 2, "stale"), (2, 1, "taken")])
def test_i13_an_order_that_another_importer_writes_after_our_look_is_there_once_at_its_highest_revision(
    engine: Engine, other: Engine, ours: int, theirs: int, end: str
) -> None:
    market(engine, {"R-1": 9})
    with stepping_in(engine, CODES, lambda: receive(other, order("FO1", line("R-1", theirs), revision=theirs))) as met:
        receive(engine, order("FO1", line("R-1", ours), revision=ours))
    assert met
    assert of_order(engine, "external_id, revision") == [("FO1", 2)]
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 2, 0, 0, 0)}
    assert levels(engine)["CENTRAL", "R-1"] == (9, 2)
    assert rows(engine, "select state from personal.order_payload where revision = :ours", ours=ours) == [(end,)]
    all_holds(engine)


# ------------------------------------------------------------------------------------------------ (b) a receipt that serves


def test_i15_a_receipt_that_serves_a_line_before_its_amendment_has_the_level_is_counted_in_the_amendment(
    engine: Engine, other: Engine
) -> None:
    market(engine, {"R-1": 1})
    receive(engine, order("FO1", line("R-1", 3)), order("FO2", line("R-1", 2), minutes=1))
    came: list[PostResult] = []
    with stepping_in(engine, LEVELS, lambda: came.append(post(other, [receipt("more", "R-1", 4)], then=serve))):
        receive(engine, order("FO1", line("R-1", 2), revision=2))
    assert came[0].posted == 1
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 2, 0, 0, 0), "fashionup/FO2/1": (2, 2, 0, 0, 0)}
    assert levels(engine)["CENTRAL", "R-1"] == (5, 4)
    all_holds(engine)


def test_i15_a_receipt_that_comes_while_an_amendment_has_the_level_waits_and_serves_the_line_as_amended(
    engine: Engine, other: Engine, owner_engine: Engine
) -> None:
    market(engine, {"R-1": 1})
    receive(engine, order("FO1", line("R-1", 3)))
    rival = Waiting(owner_engine, lambda: post(other, [receipt("more", "R-1", 9)], then=serve))
    with stepping_in(engine, DECIDED, rival.begin):
        receive(engine, order("FO1", line("R-1", 5), revision=2))
    assert isinstance(rival.end(), PostResult)
    assert rival.waited
    assert lines_of(engine) == {"fashionup/FO1/1": (5, 5, 0, 0, 0)}
    assert levels(engine)["CENTRAL", "R-1"] == (10, 5)
    all_holds(engine)


# ------------------------------------------------------------------------------------------------ (c) a product found late


def test_i19_a_code_that_is_learnt_after_our_look_at_codes_is_found_by_the_next_look(engine: Engine, other: Engine) -> None:
    market(engine, {"R-1": 2})
    with stepping_in(engine, "nextval(", lambda: name_product(other, "NEW", "R-1")):
        receive(engine, order("FO1", line("NEW", 2)), order("FO2", line("R-1"), minutes=1))
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 0, 2, 0, 0), "fashionup/FO2/1": (1, 1, 0, 0, 0)}
    assert resolve_unknown_lines(engine, "fashionup") == 1
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 1, 1, 0, 0), "fashionup/FO2/1": (1, 1, 0, 0, 0)}
    assert rows(engine, "select count(*) from cloudsales.quarantine where resolved_at is null") == [(0,)]
    assert resolve_unknown_lines(engine, "fashionup") == 0
    all_holds(engine)


# ------------------------------------------------------------------------------------------------ (d) cancelled, or issued


def test_i17_an_issue_that_meets_a_cancellation_being_taken_in_waits_for_it_and_is_refused(
    engine: Engine, other: Engine, owner_engine: Engine
) -> None:
    market(engine, {"R-1": 3})
    receive(engine, order("FO1", line("R-1", 2)))
    rival = Waiting(owner_engine, lambda: life.issue(other, "fashionup", "FO1"))
    with stepping_in(engine, LEVELS, rival.begin):
        receive(engine, order("FO1", line("R-1", 2), revision=2, status="cancelled"))
    assert isinstance(rival.end(), RefusedError)
    assert rival.waited
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 0, 0, 0, 2)}
    assert statuses(engine) == {"FO1": "cancelled"}
    assert levels(engine)["CENTRAL", "R-1"] == (3, 0)
    all_holds(engine)


def test_i17_a_cancellation_that_meets_goods_on_their_way_out_leaves_them_issued_and_asks_a_person(
    engine: Engine, other: Engine, owner_engine: Engine
) -> None:
    market(engine, {"R-1": 3})
    receive(engine, order("FO1", line("R-1", 2)))
    cancelled = order("FO1", line("R-1", 2), revision=2, status="cancelled")
    rival = Waiting(owner_engine, lambda: receive(other, cancelled))
    with stepping_in(engine, LEVELS, rival.begin):
        assert isinstance(life.issue(engine, "fashionup", "FO1"), Outcome)
    assert not isinstance(rival.end(), Exception)
    assert rival.waited
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 0, 0, 2, 0)}
    assert of_order(engine, "status, revision, review") == [("cancelled", 2, ["cancelled_after_issue"])]
    assert levels(engine)["CENTRAL", "R-1"] == (1, 0)
    all_holds(engine)


# ------------------------------------------------------------------------------------------------ (e) named, or amended


@pytest.mark.parametrize(
    ("revision", "named", "end"),
    [
        (order("FO1", line("NEW", 3), revision=2), 0, (3, 3, 0, 0, 0)),
        (order("FO1", line("R-2", 1), revision=2), 0, (1, 1, 0, 0, 0)),
        (order("FO1", line("NEW", 2), revision=2, status="cancelled"), 0, (2, 0, 0, 0, 2)),
    ],
    ids=["more pieces", "another variant", "cancelled"],
)
def test_i19_an_amendment_between_the_look_at_unknown_lines_and_their_lock_is_what_counts(
    engine: Engine, other: Engine, revision: object, named: int, end: tuple[int, ...]
) -> None:
    market(engine, {"R-1": 5, "R-2": 5})
    receive(engine, order("FO1", line("NEW", 2)))
    name_product(engine, "NEW", "R-1")
    with stepping_in(engine, ORDERS_LOCKED, lambda: receive(other, revision)) as met:  # type: ignore[arg-type]
        assert resolve_unknown_lines(engine, "fashionup") == named
    assert met
    assert lines_of(engine) == {"fashionup/FO1/1": end}
    assert sum(reserved for _, reserved in levels(engine).values()) == end[1]
    assert rows(engine, "select count(*) from cloudsales.quarantine where resolved_at is null") == [(0,)]
    all_holds(engine)


def test_i19_an_amendment_that_comes_while_lines_get_their_product_waits_and_keeps_it(
    engine: Engine, other: Engine, owner_engine: Engine
) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("NEW", 2)))
    name_product(engine, "NEW", "R-1")
    rival = Waiting(owner_engine, lambda: receive(other, order("FO1", line("NEW", 4), revision=2)))
    with stepping_in(engine, LEVELS, rival.begin):
        assert resolve_unknown_lines(engine, "fashionup") == 1
    assert not isinstance(rival.end(), Exception)
    assert rival.waited
    assert lines_of(engine) == {"fashionup/FO1/1": (4, 4, 0, 0, 0)}
    assert levels(engine)["CENTRAL", "R-1"] == (5, 4)
    all_holds(engine)


# ------------------------------------------------------------------------------------------------ (f) a count, or a receipt


def test_i07_a_count_that_takes_a_piece_back_while_the_other_warehouse_serves_its_line_ends_with_all_that_is_there(
    engine: Engine, other: Engine, owner_engine: Engine
) -> None:
    both = shop(warehouses=("CENTRAL", "CLUJ"))
    market(engine, {"R-1": 1})
    receive(engine, order("FO1", line("R-1", 2)), settings=both)
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 1, 1, 0, 0)}
    rival = Waiting(owner_engine, lambda: post(other, [Movement("INV-1", "CENTRAL", "R-1", "count", 0)]))
    post(other, [receipt("more", "R-1", 2, "CLUJ")])
    (product,) = rows(other, "select product_id from cloudsales.product")[0]
    with engine.begin() as connection:
        assert serve(connection, [(product, "CLUJ")]) == 1
        rival.begin()
    counted = rival.end()
    assert isinstance(counted, PostResult)
    assert (counted.displaced, rival.waited) == (1, True)
    assert serve_all(engine) == 1  # the piece that the receipt left over
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 2, 0, 0, 0)}
    assert levels(engine) == {("CENTRAL", "R-1"): (0, 0), ("CLUJ", "R-1"): (2, 2)}
    all_holds(engine)


def test_i07_a_receipt_that_serves_while_a_count_takes_a_piece_back_gives_the_line_both(
    engine: Engine, other: Engine, owner_engine: Engine
) -> None:
    both = shop(warehouses=("CENTRAL", "CLUJ"))
    market(engine, {"R-1": 1})
    receive(engine, order("FO1", line("R-1", 2)), settings=both)
    rival = Waiting(owner_engine, lambda: post(other, [receipt("more", "R-1", 2, "CLUJ")], then=serve))
    with stepping_in(engine, "into cloudsales.event", rival.begin) as met:
        assert post(engine, [Movement("INV-1", "CENTRAL", "R-1", "count", 0)]).displaced == 1
    assert met
    assert isinstance(rival.end(), PostResult)
    assert rival.waited
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 2, 0, 0, 0)}
    assert levels(engine) == {("CENTRAL", "R-1"): (0, 0), ("CLUJ", "R-1"): (2, 2)}
    all_holds(engine)
