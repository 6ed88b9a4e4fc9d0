"""What was read before a lock may have changed by the time the lock is ours: each such look is taken again behind it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.orders import life
from cloudsales_pipeline.orders.serving import serve_all
from cloudsales_pipeline.stock.movements import Movement, post
from tests.orders.market import NOON, line, lines_of, market, order, receive, shop, statuses
from tests.orders.racing import Waiting, all_holds, stepping_in
from tests.orders.test_interleavings import LEVELS
from tests.stock.shelf import levels, receipt

pytestmark = pytest.mark.timeout(30)
UNPAID = shop(expire_unpaid_after={"cash_on_delivery": timedelta(minutes=30)})
LATE = NOON + timedelta(hours=3)


@pytest.fixture
def other(database_url: URL) -> Iterator[Engine]:
    """The rival's engine."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


def test_i17_an_order_that_partly_leaves_while_an_expiry_waits_for_it_does_not_expire(
    engine: Engine, other: Engine, owner_engine: Engine
) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1", 1, line_id="a"), line("R-1", 2, line_id="b")), order("FO2", line("R-1", 1)))
    expiry = Waiting(owner_engine, lambda: life.expire_unpaid(other, "fashionup", UNPAID, now=LATE))
    with stepping_in(engine, LEVELS, expiry.begin):
        assert life.issue(engine, "fashionup", "FO1", lines=["a"]).pieces == 1
    assert expiry.end() == 1  # the other one
    assert expiry.waited
    assert statuses(engine) == {"FO1": "new", "FO2": "expired"}
    assert lines_of(engine)["fashionup/FO1/b"] == (2, 2, 0, 0, 0)
    assert levels(engine)["CENTRAL", "R-1"] == (4, 2)
    all_holds(engine)


def test_an_order_that_takes_all_or_nothing_is_not_served_in_half_when_a_count_takes_its_other_line_back(
    engine: Engine, other: Engine
) -> None:
    whole = shop("whole")
    market(engine, {"R-1": 2, "R-2": 1})
    receive(engine, order("FO1", line("R-1", 2, line_id="a"), line("R-2", 1, line_id="b")), settings=whole)
    assert post(engine, [Movement("INV-1", "CENTRAL", "R-2", "count", 0)]).displaced == 1
    post(engine, [receipt("more", "R-2", 1)])
    with stepping_in(engine, LEVELS, lambda: post(other, [Movement("INV-2", "CENTRAL", "R-1", "count", 0)])) as met:
        assert serve_all(engine) == 0
    assert met
    assert lines_of(engine) == {"fashionup/FO1/a": (2, 0, 2, 0, 0), "fashionup/FO1/b": (1, 0, 1, 0, 0)}
    post(engine, [receipt("both", "R-1", 2)])
    assert serve_all(engine) == 3
    all_holds(engine)
