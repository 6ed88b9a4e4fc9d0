"""Stock that comes in is reserved for who waits before any channel could be shown it; stock that leaves shows nothing in between."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.orders import life
from cloudsales_pipeline.orders.serving import serve
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.stock.files import load_file
from cloudsales_pipeline.stock.movements import Movement, post
from cloudsales_pipeline.stock.rules import sync_rules
from tests.orders.market import line, lines_of, market, order, receive
from tests.stock.rule_world import put_listings
from tests.stock.shelf import levels, receipt, rows


def published(engine: Engine) -> tuple[int, int]:
    """(quantity, version) that the channel should show of R-1."""
    found: list[tuple[int, int]] = rows(engine, "select quantity, version from cloudsales.publication")  # type: ignore[assignment]
    return found[0]


@pytest.fixture
def shown(engine: Engine, settings: Settings) -> Engine:
    """R-1 with one piece in stock, published as 1 in the warehouse CENTRAL."""
    market(engine, {"R-1": 1})
    put_listings(engine, "R-1")
    section = {"kind": "fashionup", "url": "http://127.0.0.1:9/v1", "stock": {"warehouses": ["CENTRAL"]}}
    values = {
        **settings.model_dump(exclude={"channels"}),
        "warehouses": {"CENTRAL": {}, "CLUJ": {}},
        "channels": {"fashionup": section},
    }
    sync_rules(engine, Settings.model_validate(values))
    assert published(engine)[0] == 1
    return engine


def test_a_receipt_that_two_orders_wait_for_is_reserved_before_any_publisher_sees_it_as_free(shown: Engine) -> None:
    receive(shown, order("FO1", line("R-1", 2)), order("FO2", line("R-1", 2), minutes=1))
    seen = [published(shown)[0]]

    def watched(connection: Connection, gained: set[tuple[int, str]]) -> None:
        seen.append(published(shown)[0])  # on a connection of its own, as a publisher reads
        serve(connection, gained)
        seen.append(published(shown)[0])

    post(shown, [receipt("NIR-1", "R-1", 3)], then=watched)
    assert [*seen, published(shown)[0]] == [0, 0, 0, 0]
    assert lines_of(shown) == {"fashionup/FO1/1": (2, 2, 0, 0, 0), "fashionup/FO2/1": (2, 2, 0, 0, 0)}
    post(shown, [receipt("NIR-2", "R-1", 3)], then=serve)
    assert published(shown)[0] == 3


def test_without_serving_the_same_receipt_is_shown_as_free(shown: Engine) -> None:
    receive(shown, order("FO1", line("R-1", 2)))
    post(shown, [receipt("NIR-1", "R-1", 3)])
    assert published(shown)[0] == 3


def test_goods_that_leave_change_nothing_that_a_channel_is_shown(shown: Engine) -> None:
    post(shown, [receipt("NIR-1", "R-1", 4)])
    receive(shown, order("FO1", line("R-1", 2)))
    before = published(shown)
    assert before[0] == 3
    life.issue(shown, "fashionup", "FO1")
    assert (published(shown), levels(shown)["CENTRAL", "R-1"]) == (before, (3, 0))


@pytest.mark.parametrize("reason", ["receipt", "return", "count", "adjustment"])
def test_whatever_adds_pieces_serves_who_waits(engine: Engine, reason: str) -> None:
    market(engine, {"R-1": 0})
    receive(engine, order("FO1", line("R-1", 2)))
    post(engine, [Movement("D-1", "CENTRAL", "R-1", reason, 2)], then=serve)
    assert lines_of(engine)["fashionup/FO1/1"] == (2, 2, 0, 0, 0)


def test_a_file_of_movements_serves_who_waits_in_its_transaction(engine: Engine, tmp_path: Path) -> None:
    market(engine, {"R-1": 0})
    receive(engine, order("FO1", line("R-1", 2)))
    path = tmp_path / "m.csv"
    path.write_text("reference,warehouse,sku,reason,quantity\nNIR-1,CENTRAL,R-1,receipt,5\n", encoding="utf-8")
    load_file(engine, path, timezone="Europe/Bucharest", then=serve)
    assert levels(engine)["CENTRAL", "R-1"] == (5, 2)
